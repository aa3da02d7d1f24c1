package stack

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
func (s *Stack) pause(r *http.Request) (any, error) {
	var p PauseRequest
	if err := body(r, &p); err != nil {
		return nil, err
	}
	if p.Scope == "" || len(p.Scope) > 128 {
		return nil, fault.InvalidField("stack.api", "scope", "global, a target or an account", "nothing to pause")
	}
	if err := s.Ledger.Pause(r.Context(), p.Scope, p.On); err != nil {
		return nil, err
	}
	if p.On {
		return p, nil
	}
	return p, s.unpause(r.Context())
}

func (s *Stack) unpause(ctx context.Context) error {
	for _, a := range s.Accounts() {
		if scope, err := s.Ledger.Paused(ctx, a); err != nil {
			return err
		} else if scope != "" {
			continue // another pause holds
		}
		us, err := s.Ledger.ByStatus(ctx, a, upload.Waiting, maxUnpaused)
		if err != nil {
			return err
		}
		for _, u := range us {
			if u.Reason != pausedReason {
				continue
			}
			if _, err := s.Retry(ctx, u.ID); err != nil && !errors.Is(err, state.ErrRefused) && !errors.Is(err, state.ErrSuperseded) {
				return err
			}
		}
	}
	return nil
}
