package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// sweepLimit bounds one run of the due sweep per queue; what is left is due at the next.
const sweepLimit = 500

// DueReport is what one sweep did.
type DueReport struct {
	Woken   int `json:"woken"`
	Started int `json:"started"`
	Begun   int `json:"begun"` // publications whose wait for a sidecar is over
	Sent    int `json:"sent"`  // events of the outbox
}

// Due does what is due before its next run: wakes parks, starts what was recorded but not started or is due again,
// begins publications that waited for an optional sidecar, and empties the outbox. Twice at once is harmless. One
// record that fails does not keep the others; the errors are joined.
func (w *Workflow) Due(ctx context.Context) (DueReport, error) {
	var r DueReport
	now := w.Now()
	errs := []error{
		w.sweep(ctx, state.ParkQueue, now.Add(w.Set.Sweep), &r.Woken, w.wakeDue),
		w.tryWakeSlots(ctx),
		w.sweep(ctx, state.UploadQueue, now, &r.Started, w.kick),
		w.sweep(ctx, state.PubQueue, now, &r.Begun, w.begun),
		w.sweep(ctx, state.OutQueue, now, &r.Sent, w.deliver),
	}
	return r, errors.Join(errs...)
}

func (w *Workflow) sweep(ctx context.Context, q state.Queue, until time.Time, n *int, fn func(context.Context, string) (bool, error)) error {
	ids, err := w.Ledger.DueIDs(ctx, q, until, sweepLimit)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		did, err := fn(ctx, id)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", q, id, err))
		}
		if did {
			*n++
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

func (w *Workflow) wakeDue(ctx context.Context, id string) (bool, error) {
	p, ok, err := w.Ledger.Park(ctx, id)
	if err != nil || !ok || p.Due.After(w.Now().Add(w.Set.Sweep)) {
		return false, err
	}
	if err := w.wakeToken(ctx, p.Token); err != nil {
		return false, err
	}
	return true, w.Ledger.DropPark(ctx, p)
}

// kick looks at an upload whose DUE row has come: it was recorded but not started, is due again, holds a grant past
// its time, or was not heard of for too long.
func (w *Workflow) kick(ctx context.Context, id string) (bool, error) {
	u, err := w.Ledger.Upload(ctx, id)
	if err != nil || u.Status.Terminal() && u.Settled {
		return false, err
	}
	now, set := w.Now(), w.Ledger.Settings()
	if u.Grant != nil && !now.Before(u.Grant.Expires) {
		if err := w.overdueGrant(ctx, &u); err != nil {
			return false, err
		}
	}
	switch {
	case !u.Started && u.Due.After(now):
		return false, nil
	case !u.Started && now.Sub(u.Due) < set.StartGrace:
		return true, w.start(ctx, &u)
	case !u.Started: // started, but never heard of: that execution is lost
		return true, w.advance(ctx, &u, now)
	case !u.Due.IsZero() && !u.Due.After(now), now.Sub(u.GenAt) >= set.Watchdog:
		return true, w.advance(ctx, &u, now)
	}
	return false, nil
}

// overdueGrant returns a grant whose ranges are all at rest, and prolongs one that is still in use.
func (w *Workflow) overdueGrant(ctx context.Context, u *state.Upload) error {
	ranges, err := w.Ledger.Ranges(ctx, u.ID, u.Session)
	if err != nil {
		return err
	}
	for _, r := range ranges {
		if r.Held(w.Now()) {
			_, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
				if u.Grant != nil {
					u.Grant.Expires = w.Now().Add(w.Ledger.Settings().GrantLife)
				}
				return nil
			})
			return ignoreSuperseded(err)
		}
	}
	changed, err := w.release(ctx, u)
	if err == nil {
		*u = changed
	}
	return ignoreSuperseded(err)
}

func ignoreSuperseded(err error) error {
	if errors.Is(err, state.ErrSuperseded) {
		return nil
	}
	return err
}

// advance makes the next generation and starts it.
func (w *Workflow) advance(ctx context.Context, u *state.Upload, at time.Time) error {
	next, err := w.Ledger.Advance(ctx, u.ID, u.Gen, at, nil)
	if err != nil {
		return ignoreSuperseded(err)
	}
	return w.start(ctx, &next)
}

// start starts the execution of the upload's generation. That it exists already is no error: the name is only an
// optimisation, the ledger decides (design 4.3).
func (w *Workflow) start(ctx context.Context, u *state.Upload) error {
	if u.Due.After(w.Now()) {
		return nil
	}
	in, err := json.Marshal(Step{V: 1, Upload: u.ID, Gen: u.Gen})
	if err != nil {
		return err
	}
	err = w.Starter.Start(ctx, upload.ExecutionName(u.ID, u.Gen), in)
	if errors.Is(err, ErrStarted) {
		return nil
	}
	return err
}

// Ended is told that an execution ended other than by success: FAILED, TIMED_OUT or ABORTED. The upload's next
// generation goes on; for an ABORTED one at once, since that is a process or an operator, not the upload.
func (w *Workflow) Ended(ctx context.Context, execution, status string) error {
	id, gen, ok := ParseExecution(execution)
	if !ok {
		return nil
	}
	u, err := w.Ledger.Upload(ctx, id)
	if errors.Is(err, table.ErrNotFound) || err == nil && (u.Gen != gen || u.Status.Terminal() && u.Settled) {
		return nil
	}
	if err != nil {
		return err
	}
	w.note(ctx, &u, "reconcile", "the execution ended "+status, nil)
	if !u.Status.Terminal() && status != "ABORTED" {
		if u, err = w.requeue(ctx, &u); err != nil || !u.Status.Terminal() {
			return ignoreSuperseded(err)
		}
	}
	return w.advance(ctx, &u, w.Now()) // also for what has ended: its Settle did not get through
}

// Recover starts every unfinished upload's next generation: for one machine, whose executions live in memory and are
// all gone after a restart. It gives their number. One that fails does not keep the others; the errors are joined.
func (w *Workflow) Recover(ctx context.Context) (int, error) {
	n := 0
	ids, err := w.Ledger.DueIDs(ctx, state.UploadQueue, w.Now().Add(1000*24*time.Hour), 1<<20)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, id := range ids {
		u, err := w.Ledger.Upload(ctx, id)
		if err == nil && (!u.Started || u.Due.After(w.Now())) {
			continue // the sweep's business
		}
		if err == nil && u.Session > 0 {
			err = w.Ledger.BreakLeases(ctx, u.ID, u.Session) // whoever held them is dead, too
		}
		if err == nil {
			err = w.Ended(ctx, upload.ExecutionName(u.ID, u.Gen), "ABORTED")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("upload %s: %w", id, err))
			continue
		}
		n++
	}
	return n, errors.Join(errs...)
}

func (w *Workflow) deliver(ctx context.Context, id string) (bool, error) {
	o, ok, err := w.Ledger.Outgoing(ctx, id)
	if err != nil || !ok {
		return false, err
	}
	if err := w.Outside.Send(ctx, o); err != nil {
		return false, err
	}
	return true, w.Ledger.Delivered(ctx, id)
}
