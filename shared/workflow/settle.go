package workflow

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

// Settle ends a generation: it gives the grant back, aborts or keeps the session, and tells when a publication's last
// upload has ended. An upload that has not ended is due again. A superseded generation touches nothing.
func (w *Workflow) Settle(ctx context.Context, in Step) (Result, error) {
	u, ok, err := w.begin(ctx, in, func(*state.Upload) {})
	if err != nil || !ok {
		return Result{Next: superseded}, err
	}
	if !u.Status.Terminal() {
		u, err = w.requeue(ctx, &u)
		if err != nil || !u.Status.Terminal() {
			w.wakeSlots(ctx)
			return Result{Next: "done"}, ignoreSuperseded(err)
		}
	}
	if later, err := w.clearUp(ctx, &u); err != nil || later {
		return Result{Next: "done"}, err
	}
	if later, err := w.list(ctx, &u); err != nil || later {
		return Result{Next: "done"}, err
	}
	had, counted := u.Grant != nil, u.Settled
	u, err = w.Ledger.Settled(ctx, u.ID, u.Gen)
	if errors.Is(err, state.ErrSuperseded) {
		return Result{Next: superseded}, nil
	}
	if err != nil {
		return Result{}, err
	}
	if had {
		w.wakeSlots(ctx)
	}
	if !counted {
		w.metric(ctx, "uploads_ended", "Count", 1, "outcome", string(u.Status))
	}
	w.note(ctx, &u, "settle", "ended "+u.String(), nil)
	return Result{Next: "done"}, w.lastOne(ctx, &u)
}

// requeue makes an unfinished upload due again: at its due time, or after a pause that doubles with every generation
// without progress. Three of those in a row end it (design 2, "It ends"); a generation that spent its time waiting for a
// due time, a slot or the end of a pause is not one of them.
func (w *Workflow) requeue(ctx context.Context, u *state.Upload) (state.Upload, error) {
	now := w.Now()
	barren := u.Barren + 1
	switch {
	case u.Progress > u.GenStartAt || u.Due.After(now):
		barren = 0
	case blameless(u):
		barren = u.Barren
	}
	if barren >= maxBarren {
		return w.giveUp(ctx, u, barren)
	}
	at := u.Due
	if !at.After(now) {
		at = now.Add(w.backoff(barren))
	}
	return w.Ledger.Requeue(ctx, u.ID, u.Gen, at, barren)
}

// blameless says that an upload waits for something that is not of its own making.
func blameless(u *state.Upload) bool {
	if u.Status != upload.Waiting {
		return false
	}
	switch u.Reason {
	case whyDue, whySlot, whyQuota, whyPause, whyPace, whyBusy:
		return true
	}
	return false
}

// giveUp ends an upload that makes no progress: HELD where something may be public, else FAILED with the session kept.
func (w *Workflow) giveUp(ctx context.Context, u *state.Upload, barren int) (state.Upload, error) {
	why := &state.Fault{Step: "settle", Kind: fault.Unknown.String(), At: w.Now(), Actor: string(fault.ActorOperator),
		Text: fmt.Sprintf("%d generations in a row made no progress", barren), Action: "read the timeline, then: vodlift retry " + u.ID}
	if f := u.Fault; f != nil {
		why.Op, why.Code, why.LogID = f.Op, f.Code, f.LogID
		why.Text += "; the last fault, at step " + f.Step + ": " + f.Text
	}
	ev := upload.EvFailed
	if u.Public() {
		ev, why.Action = upload.EvHeld, resolveAction(u)
	}
	return w.Ledger.End(ctx, u.ID, u.Gen, ev, "no progress", func(u *state.Upload) error { u.Fault, u.Barren = why, barren; return nil })
}

func (w *Workflow) backoff(barren int) time.Duration {
	d := w.Set.BackoffMin
	for range barren {
		d = min(2*d, w.Set.BackoffMax)
	}
	return d
}

// clearUp aborts the session of what can never be wanted again (design 4.4): cancelled, or refused for good, and no
// intent ever. While a range still holds its lease nothing is aborted under it: later is true then, and the sweep comes
// back when the lease is over.
func (w *Workflow) clearUp(ctx context.Context, u *state.Upload) (later bool, err error) {
	final := u.Status == upload.Cancelled || u.Status == upload.Failed && (u.Fault.Is(fault.Invalid) || u.Fault.Is(fault.Permanent))
	if !final || !u.Live || u.Intent != nil {
		return false, nil
	}
	ranges, err := w.Ledger.Ranges(ctx, u.ID, u.Session)
	if err != nil {
		return false, err
	}
	var until time.Time
	for _, r := range ranges {
		if r.Held(w.Now()) && r.Until.After(until) {
			until = r.Until
		}
	}
	if until.IsZero() {
		w.abort(ctx, u)
		return false, nil
	}
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error { u.Due = until.Add(time.Second); return nil })
	if err == nil {
		_, err = w.release(ctx, &changed)
	}
	return true, ignoreSuperseded(err)
}

// list tells whoever lists published videos, before anything forgets that it has to be told. Where that fails the sweep
// comes back: later is true then.
func (w *Workflow) list(ctx context.Context, u *state.Upload) (later bool, err error) {
	if w.Listed == nil || u.Status != upload.Published || u.Settled {
		return false, nil
	}
	rev := u.Revision
	if u.Intent != nil {
		rev = u.Intent.Revision
	}
	v, err := w.video(ctx, u, rev)
	if err != nil {
		return false, err
	}
	if err = w.Listed(ctx, *u, v); err == nil {
		return false, nil
	}
	w.note(ctx, u, "settle", "published, but it could not be listed", err)
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		u.Due = w.Now().Add(w.backoff(min(u.Barren, 16)))
		u.Barren++
		return nil
	})
	if err == nil {
		_, err = w.release(ctx, &changed)
	}
	return true, ignoreSuperseded(err)
}

// overForGood says that no verb starts this upload again.
func overForGood(u *state.Upload) bool {
	return (u.Status == upload.Published || u.Status == upload.Cancelled) && !u.OpenIntent()
}

// abort gives the platform's session up. That it could not be done ends nothing: it is noted, and its age ends it.
func (w *Workflow) abort(ctx context.Context, u *state.Upload) {
	t, _, err := w.Targets.OpenTarget(ctx, u.Account)
	if err == nil {
		ct, s, serr := w.openSessionOf(ctx, u, t)
		if err = serr; err == nil {
			err = ct.Abort(ctx, s)
		}
	}
	if err != nil {
		w.note(ctx, u, "settle", "the session could not be aborted", err)
		return
	}
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error { u.DropSession(); return nil })
	if err != nil {
		w.note(ctx, u, "settle", "the aborted session is still on record", err)
		return
	}
	*u = changed
	w.note(ctx, u, "settle", "session aborted", nil)
}

// lastOne tells, once, that all uploads of the publication have ended: a fact of the ledger, found by whoever ends
// the last one.
func (w *Workflow) lastOne(ctx context.Context, u *state.Upload) error {
	p, err := w.Ledger.Publication(ctx, u.Publication)
	if err != nil {
		return err
	}
	us, err := w.Ledger.Uploads(ctx, p.Uploads)
	if err != nil {
		return err
	}
	mark := strconv.Itoa(p.Revision)
	for _, x := range us {
		if !x.Status.Terminal() {
			return nil
		}
		mark += "." + strconv.Itoa(x.Gen)
	}
	_, err = w.Ledger.Finished(ctx, p.ID, mark, us)
	return err
}

// ParkStep is the input of park.
type ParkStep struct {
	Step
	Token string `json:"token"`
	For   string `json:"for"`
}

// Park stores the task token, sealed, then reads the upload again: if it is due already it wakes itself. Whoever makes
// it due writes first and reads the park then, so one of the two sees the other (design 4.6). An upload of which nobody
// said when it is due, since the step before was killed, waits a little: a park that woke at once would spin.
func (w *Workflow) Park(ctx context.Context, in ParkStep) (struct{}, error) {
	none := struct{}{}
	u, err := w.Ledger.Upload(ctx, in.Upload)
	if err != nil {
		return none, err
	}
	if u.Gen != in.Gen {
		return none, w.wakeToken(ctx, in.Token)
	}
	p := state.Park{Upload: u.ID, For: in.For, Gen: in.Gen, Due: u.NextAt, Token: in.Token}
	if u.Status == upload.Waiting && u.Reason == whySlot {
		p.Slot = u.Slot
	}
	if p.Due.IsZero() {
		p.Due = w.Now().Add(w.Set.PollFirst)
	}
	err = w.Ledger.PutPark(ctx, p)
	switch {
	case errors.Is(err, state.ErrStale):
		return none, nil // a late repeat of this very invocation: its execution has gone on
	case errors.Is(err, state.ErrSuperseded):
		return none, w.wakeToken(ctx, in.Token)
	case err != nil:
		return none, err
	}
	if u, err = w.Ledger.Upload(ctx, in.Upload); err != nil {
		return none, err
	}
	due := !u.NextAt.IsZero() && !u.NextAt.After(w.Now())
	switch {
	case due && u.Gen == in.Gen:
		// Used up, so that a step that cannot run is not woken for it again and again.
		if _, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error { u.NextAt = time.Time{}; return nil }); ignoreSuperseded(err) != nil {
			return none, err
		}
		return none, w.wake(ctx, u.ID)
	case u.Gen == in.Gen && in.For == forWatch && unasked(&u):
		return none, w.wakeAsked(ctx, &u, in.Token)
	case u.Gen != in.Gen, !u.Cancel.IsZero() && !u.Public(), u.Status.Terminal():
		return none, w.wake(ctx, u.ID)
	case !p.Slot.IsZero():
		w.wakeSlots(ctx)
	}
	return none, nil
}

// wakeAsked wakes this very park, which an event came before, and counts the event as used up once that was done: a Check
// that cannot run is not woken for it again and again. A token that is gone uses nothing up: its execution has gone on,
// and whoever parks after its next Check has to see the event himself.
func (w *Workflow) wakeAsked(ctx context.Context, u *state.Upload, token string) error {
	err := w.Waker.Wake(ctx, token)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return fault.Wrap("workflow.wake", err)
	}
	seen := u.Events
	_, err = w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error { u.Asked = max(u.Asked, seen); return nil })
	if err := ignoreSuperseded(err); err != nil {
		return err
	}
	if p, ok, err := w.Ledger.Park(ctx, u.ID); err != nil || !ok || p.Token != token {
		return err
	} else {
		return w.Ledger.DropPark(ctx, p)
	}
}

// wake ends the upload's park, if it has one.
func (w *Workflow) wake(ctx context.Context, id string) error {
	p, ok, err := w.Ledger.Park(ctx, id)
	if err != nil || !ok {
		return err
	}
	if err := w.wakeToken(ctx, p.Token); err != nil {
		return err
	}
	return w.Ledger.DropPark(ctx, p)
}

func (w *Workflow) wakeToken(ctx context.Context, token string) error {
	if err := w.Waker.Wake(ctx, token); err != nil && !errors.Is(err, ErrGone) {
		return fault.Wrap("workflow.wake", err)
	}
	return nil
}

// ParseExecution is the inverse of upload.ExecutionName.
func ParseExecution(name string) (id string, gen int, ok bool) {
	i := strings.LastIndexByte(name, '-')
	if i < 0 || !uploadID.MatchString(name[:i]) {
		return "", 0, false
	}
	gen, err := strconv.Atoi(name[i+1:])
	return name[:i], gen, err == nil && gen > 0
}
