package workflow

import (
	"context"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// maxScheduled bounds how many uploads of an account are read to count those after a date: a warning says "100" of a
// thousand, and that is warning enough.
const maxScheduled = 100

// AnnounceAccount tells the outside, through the outbox and once for n.ID, that an account needs a person, now or soon.
func (w *Workflow) AnnounceAccount(ctx context.Context, n token.Notice) error {
	return fault.Wrap("workflow.AnnounceAccount", w.Ledger.Announce(ctx, n.Type, n.ID, n))
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
