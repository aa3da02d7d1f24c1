package workflow

import (
	"context"
	"encoding/json"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// maxScheduled bounds how many uploads of an account are read to count those after a date: a warning says "100" of a
// thousand, and that is warning enough.
const maxScheduled = 100

// AnnounceAccount tells the outside that an account needs a person, now or soon. It is said before the sweep books it,
// so it is delivered at least once, as everything that goes outside; n.ID tells repeats.
func (w *Workflow) AnnounceAccount(ctx context.Context, n token.Notice) error {
	const op = "workflow.AnnounceAccount"
	detail, err := json.Marshal(n)
	if err != nil {
		return fault.Wrap(op, err)
	}
	return fault.Wrap(op, w.Outside.Send(ctx, state.Outgoing{Type: n.Type, At: w.Now(), Detail: detail}))
}

// ScheduledAfter counts the uploads of an account that have something to do after a moment: those that wait for a date
// after it, and those that already wait for the login. At most maxScheduled of either.
func (w *Workflow) ScheduledAfter(ctx context.Context, a upload.Account, after time.Time) (int, error) {
	waiting, err := w.Ledger.ByStatus(ctx, a, upload.Waiting, maxScheduled)
	if err != nil {
		return 0, err
	}
	stopped, err := w.Ledger.ByStatus(ctx, a, upload.NeedsLogin, maxScheduled)
	if err != nil {
		return 0, err
	}
	n := len(stopped)
	for i := range waiting {
		if waiting[i].PublishAt.After(after) {
			n++
		}
	}
	return n, nil
}
