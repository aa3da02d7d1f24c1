package console

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/token"
)

// probeWait bounds what a doctor's line may wait for.
const probeWait = 10 * time.Second

// checkCallbacks: whether what a platform tells us is taken. Without callbacks nothing is lost, since every wait has a poll
// behind it; it only takes longer.
func (c *Console) checkCallbacks(ctx context.Context, platform string) []Check {
	p := c.Platforms[platform]
	if p.CallbackKey == "" {
		return nil
	}
	what, do := "callbacks "+platform, "vodlift app set "+p.CallbackKey
	at := ""
	if c.Place.Callback != nil {
		at = c.Place.Callback(ctx, platform)
	}
	key, err := c.Vault.App(ctx, p.CallbackKey)
	switch {
	case errors.Is(err, token.ErrNoApp) || err == nil && key.Secret == "":
		return []Check{{What: what, State: CheckNote, Text: "their key is not set, so none is taken (503); vodlift asks the platform instead, which takes longer", Do: do}}
	case err != nil:
		return []Check{Turn(what, fault.ActorOperator, "their key cannot be opened, so none is taken", "bring seal.key back, or "+do)}
	case c.Place.Callback != nil && at == "":
		return []Check{{What: what, State: CheckNote, Text: "the platform cannot reach this place; vodlift asks it instead, which takes longer"}}
	case p.CallbackURL && at != "" && key.ID != at:
		return []Check{Turn(what, fault.ActorOperator, "their key is set for "+key.ID+", and they arrive at "+at+": their signatures do not match, so each is refused", "enter "+at+" at the platform, then "+do+" with that as its id")}
	case at == "":
		return []Check{{What: what, State: CheckOK, Text: "their key is set"}}
	}
	return []Check{{What: what, State: CheckOK, Text: "they are taken at " + at}}
}

// checkEvents: whether videos that are dropped are heard of.
func (c *Console) checkEvents(ctx context.Context) []Check {
	const what = "bucket events"
	if c.Place.Events == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	text, err := c.Place.Events(ctx)
	if err != nil {
		do := "see that the bucket sends its events; reconcile finds what was dropped meanwhile"
		if f := fault.As(err); f != nil && f.Action != "" {
			do = f.Action
		}
		return []Check{Turn(what, fault.ActorOperator, handler.Redact(err.Error(), 300), do)}
	}
	return []Check{{What: what, State: CheckOK, Text: text}}
}

// checkQuotas: whether there is room for one more upload.
func (c *Console) checkQuotas(ctx context.Context) Check {
	const what = "quotas"
	free, all, err := c.Ledger.Pools(ctx)
	switch {
	case err != nil:
		return Turn(what, fault.ActorOperator, "the slots cannot be read", "look at the log of vodlift")
	case free <= 0:
		return Check{What: what, State: CheckNote, Text: fmt.Sprintf("all %d slots for ranges are taken; who comes now waits for one", all)}
	}
	return Check{What: what, State: CheckOK, Text: fmt.Sprintf("%d of %d slots for ranges are free", free, all)}
}
