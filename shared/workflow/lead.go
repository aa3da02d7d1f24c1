package workflow

import (
	"context"
	"time"

	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

const (
	// slow is the speed that plans reckon with, in bytes a second (design 2).
	slow = 2_000_000
	// maxEarly is how much too early a Publish may come and still wait for its moment itself: the machine's waits are whole
	// seconds, and going round by Open would cost more than it waits.
	maxEarly = 2 * time.Second
	// turnLook is how long an upload in its account's queue sleeps at most: those before it may fail, and it moves up.
	turnLook = 6 * time.Hour
)

// lead is how long before its moment an upload begins: as long as its bytes take at the pessimistic speed, and Settings.Lead
// for all that may come between, but so late that the finished file is not out of time before it is published.
func (w *Workflow) lead(u *state.Upload) time.Duration {
	d := w.Set.Lead + time.Duration(u.Source.Size/slow+1)*time.Second
	if l, err := w.Targets.Limits(u.Account); err == nil && l.AssetLife > 0 {
		d = min(d, l.AssetLife/4*3)
	}
	return d
}

// turn is the upload's place in its account's queue. Who waits for something of its own (a refusal that is neither a quota
// nor another's publish) holds up nobody meanwhile.
func (w *Workflow) turn(ctx context.Context, u *state.Upload) (state.Turn, error) {
	if u.NotBefore.After(w.Now()) && pauseOf(u) != whyBusy && pauseOf(u) != whyQuota {
		return state.Turn{At: u.DueAt()}, w.Ledger.LeaveTurn(ctx, u)
	}
	return w.Ledger.TakeTurn(ctx, u)
}

// pauseOf says why NotBefore stands: a refusal, else another publish of the account.
func pauseOf(u *state.Upload) string {
	if u.Fault == nil || u.Fault.Step != "publish" {
		return whyBusy
	}
	return whyWait(u.Fault)
}

// startOf is when the upload of the bytes begins, and what it waits for.
func (w *Workflow) startOf(ctx context.Context, u *state.Upload) (start time.Time, why string, err error) {
	t, err := w.turn(ctx, u)
	if err != nil {
		return start, "", err
	}
	lead := w.lead(u)
	at, why := moment(u, t, w.Now())
	if u.Live && why != whyDue {
		lead *= 2 // what has begun is not laid aside for a place in the queue
	}
	if start = at.Add(-lead); at.IsZero() {
		return at, "", nil
	}
	return w.lookAgain(start, t), why, nil
}

// moment is when the upload may be published, and what decides that.
func moment(u *state.Upload, t state.Turn, now time.Time) (time.Time, string) {
	switch {
	case !t.At.After(now), !t.At.After(u.PublishAt):
		return u.PublishAt, whyDue
	case t.Quota:
		return t.At, whyQuota
	}
	return t.At, whyPace
}

func (w *Workflow) lookAgain(at time.Time, t state.Turn) time.Time {
	if most := w.Now().Add(turnLook); t.Ahead > 0 && at.After(most) {
		return most
	}
	return at
}

// toPublish gives the transfer grant back and waits for the moment of the publish, near or far.
func (w *Workflow) toPublish(ctx context.Context, u *state.Upload) (Opened, error) {
	changed, err := w.release(ctx, u)
	if err != nil {
		return Opened{}, err
	}
	*u = changed
	t, err := w.turn(ctx, u)
	if err != nil {
		return Opened{}, err
	}
	at, why := moment(u, t, w.Now())
	if u.NotBefore.After(at) {
		at, why = u.NotBefore, pauseOf(u)
	}
	wait := at.Sub(w.Now())
	if wait > w.Set.NearWait {
		return w.waitUntil(ctx, u, w.lookAgain(at.Add(-w.Set.NearWait*2/3), t), why)
	}
	// Rounded down: Publish waits for the rest, so that it is sent in its very second.
	return next("publish", int(max(wait, 0)/time.Second)), nil
}

// sendAt is the moment of a publish that may be prepared now; ok is false where it is still so far off that Open has to
// wait for it.
func (w *Workflow) sendAt(ctx context.Context, u *state.Upload) (at time.Time, ok bool, err error) {
	if at = latestOf(u.PublishAt, u.NotBefore); at.Sub(w.Now()) > maxEarly {
		return at, false, nil
	}
	t, err := w.turn(ctx, u)
	at = latestOf(at, t.At)
	return at, err == nil && at.Sub(w.Now()) <= maxEarly, err
}

// onTime waits for the moment of a publish that has come a little early; false where the waiting was cut short.
func (w *Workflow) onTime(ctx context.Context, at time.Time) bool {
	d := at.Sub(w.Now())
	return d <= 0 || w.PartRetry.Pause(ctx, d) == nil
}

func latestOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// maxWait is the longest Wait of a look: a state of the machine counts in seconds, and settle_at is never a day away.
const maxWait = 24 * time.Hour

// untilSettled is the time to settle_at in whole seconds, for a platform that nobody can ask before it.
func (w *Workflow) untilSettled(u *state.Upload) int {
	return max(1, seconds(min(u.Intent.SettleAt.Sub(w.Now()), maxWait)))
}

// idle says that an upload waits for nothing but its time; for the end of a session meanwhile nobody is to blame.
func idle(u *state.Upload) bool { return u.Status == upload.Waiting && blameless(u) }
