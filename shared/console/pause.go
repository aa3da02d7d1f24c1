package console

import (
	"context"
	"errors"
	"net/http"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

// pausedReason is the reason of an upload that waits for the end of a pause.
const pausedReason = "paused"

// maxUnpaused bounds how many uploads go on at once when a pause ends; the others follow within the minute in which
// each looks by itself.
const maxUnpaused = 1000

// pause sets or ends a pause. At the end of one, who waited for it goes on at once.
func (c *Console) pause(r *http.Request) (any, error) {
	var p PauseRequest
	if err := body(r, &p); err != nil {
		return nil, err
	}
	if p.Scope == "" || len(p.Scope) > 128 {
		return nil, fault.InvalidField("console.api", "scope", "global, a target or an account", "nothing to pause")
	}
	if err := c.Ledger.Pause(r.Context(), p.Scope, p.On); err != nil {
		return nil, err
	}
	if p.On {
		return p, nil
	}
	return p, c.unpause(r.Context())
}

func (c *Console) unpause(ctx context.Context) error {
	for _, a := range c.Accounts() {
		if scope, err := c.Ledger.Paused(ctx, a); err != nil {
			return err
		} else if scope != "" {
			continue // another pause holds
		}
		us, err := c.Ledger.ByStatus(ctx, a, upload.Waiting, maxUnpaused)
		if err != nil {
			return err
		}
		for _, u := range us {
			if u.Reason != pausedReason {
				continue
			}
			if _, err := c.Retry(ctx, u.ID); err != nil && !errors.Is(err, state.ErrRefused) && !errors.Is(err, state.ErrSuperseded) {
				return err
			}
		}
	}
	return nil
}
