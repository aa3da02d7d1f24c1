package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// orphans aborts the platforms' sessions that nobody wants any more, once they are older than Settings.OrphanAge: those
// of uploads that ended, and those that an upload gave up for another. It also drops the sealed records of completed ones
// as soon as no step can need them. A session that died before our record of it is the platform's own to clear up.
func (w *Workflow) orphans(ctx context.Context, r *BooksReport) error {
	ids, err := w.Ledger.DueIDs(ctx, state.SessQueue, w.Now().Add(-w.Set.OrphanAge), sweepLimit)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range ids {
		if w.nearEnd(ctx) {
			break
		}
		id, n, err := state.ParseSession(s)
		if err == nil {
			err = w.orphaned(ctx, id, n, r)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("session %s: %w", s, err))
		}
	}
	return errors.Join(errs...)
}

// orphaned decides about one old session. While an intent is open nothing of its upload is touched.
func (w *Workflow) orphaned(ctx context.Context, id string, n int, r *BooksReport) error {
	u, err := w.Ledger.Upload(ctx, id)
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return err
	}
	there, done, serr := w.Ledger.SessionState(ctx, id, n)
	if serr != nil || !there {
		return serr
	}
	now := w.Now()
	soon := now.Add(time.Hour/2 - w.Set.OrphanAge) // at the next hourly run
	switch mine := n == u.Session; {
	case err != nil:
		return w.Ledger.LookAtSession(ctx, id, n, now)
	case u.OpenIntent():
		return w.Ledger.LookAtSession(ctx, id, n, soon)
	case done && (overForGood(&u) && u.Settled || n < u.Session):
		r.Dropped++
		return w.Ledger.DropSessionRecord(ctx, id, n)
	case done, mine && u.Asset != nil:
		return w.Ledger.LookAtSession(ctx, id, n, soon)
	case mine && u.Live && !abandoned(&u):
		return w.Ledger.LookAtSession(ctx, id, n, now)
	case mine && u.Live && now.Sub(u.Ended) < w.Set.OrphanAge:
		return w.Ledger.LookAtSession(ctx, id, n, u.Ended)
	}
	ranges, err := w.Ledger.Ranges(ctx, id, n)
	if err != nil {
		return err
	}
	for _, x := range ranges {
		if x.Held(now) {
			return nil // at the next run
		}
	}
	if given, err := w.giveUpSession(ctx, &u, n); err != nil || !given {
		return err
	}
	return w.abortOrphan(ctx, u, n, r)
}

// abandoned says that an upload has ended in a way that it leaves only by a person's verb, which then begins anew.
func abandoned(u *state.Upload) bool {
	return u.Status == upload.Failed || u.Status == upload.Cancelled || u.Status == upload.Published
}

// giveUpSession takes the session out of its upload's record before it is aborted, so that a retry opens a new one. False:
// somebody has begun again with it.
func (w *Workflow) giveUpSession(ctx context.Context, u *state.Upload, n int) (bool, error) {
	if n != u.Session || !u.Live {
		return true, nil
	}
	given := false
	_, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		if given = u.Session == n && u.Asset == nil && abandoned(u) && !u.OpenIntent(); given {
			u.DropSession()
		}
		return nil
	})
	return given, ignoreSuperseded(err)
}

func (w *Workflow) abortOrphan(ctx context.Context, u state.Upload, n int, r *BooksReport) error {
	of := u
	of.Session = n
	t, _, err := w.Targets.OpenTarget(ctx, u.Account)
	if err == nil {
		ct, s, serr := w.openSessionOf(ctx, &of, t)
		if err = serr; err == nil {
			err = ct.Abort(ctx, s)
		}
	}
	if err != nil {
		w.note(ctx, &u, "books", fmt.Sprintf("the old session %d could not be aborted", n), err)
		return w.Ledger.LookAtSession(ctx, u.ID, n, w.Now().Add(24*time.Hour-w.Set.OrphanAge)) // tomorrow
	}
	if err := w.Ledger.DropSessionRecord(ctx, u.ID, n); err != nil {
		return err
	}
	r.Aborted++
	w.note(ctx, &u, "books", fmt.Sprintf("session %d, which nobody wants any more, was aborted", n), nil)
	return nil
}
