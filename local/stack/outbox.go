package stack

import (
	"context"
	"log/slog"

	"github.com/vodlift/vodlift/shared/state"
)

// outbox writes outgoing events to the log: who runs one machine reads them there.
type outbox struct{ log *slog.Logger }

func (o outbox) Send(_ context.Context, e state.Outgoing) error {
	o.log.Info("event", "type", e.Type, "at", e.At, "detail", string(e.Detail))
	return nil
}
