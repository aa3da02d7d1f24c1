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
		u, err = w.requeue(ctx, &u, false)
		if err != nil || !u.Status.Terminal() {
			w.wakeSlots(ctx)
			return Result{Next: "done"}, err
		}
	}
	if w.mayAbort(ctx, &u) {
		w.abort(ctx, &u)
	}
	had := u.Grant != nil
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
	w.note(ctx, &u, "settle", "ended "+u.String(), nil)
	return Result{Next: "done"}, w.lastOne(ctx, &u)
}

// requeue makes an unfinished upload due again: at its due time, or after a pause that doubles with every generation
// without progress. Three of those in a row end it (design 2, "It ends").
func (w *Workflow) requeue(ctx context.Context, u *state.Upload, atOnce bool) (state.Upload, error) {
	now := w.Now()
	barren := u.Barren + 1
	if u.Progress > u.GenStartAt || u.Due.After(now) || atOnce {
		barren = 0
	}
	if barren >= maxBarren {
		why := &state.Fault{Step: "settle", Kind: fault.Unknown.String(), At: now, Actor: string(fault.ActorOperator),
			Text: fmt.Sprintf("%d generations in a row made no progress", barren), Action: "read the timeline, then: vodlift retry " + u.ID}
		if u.Fault != nil {
			why.Text += "; the last fault: " + u.Fault.Text
		}
		ev := upload.EvFailed
		if u.Public() {
			ev = upload.EvHeld
		}
		return w.Ledger.End(ctx, u.ID, u.Gen, ev, "no progress", func(u *state.Upload) error { u.Fault, u.Barren = why, barren; return nil })
	}
	at := u.Due
	if !at.After(now) {
		at = now.Add(w.backoff(barren))
		if atOnce {
			at = now
		}
	}
	return w.Ledger.Requeue(ctx, u.ID, u.Gen, at, barren)
}

func (w *Workflow) backoff(barren int) time.Duration {
	d := w.Set.BackoffMin
	for range barren {
		d = min(2*d, w.Set.BackoffMax)
	}
	return d
}

// mayAbort: only what can never be wanted again is aborted (design 4.4): cancelled, or refused for good, no intent
// ever, and no range still at work.
func (w *Workflow) mayAbort(ctx context.Context, u *state.Upload) bool {
	final := u.Status == upload.Cancelled || u.Status == upload.Failed && (u.Fault.Is(fault.Invalid) || u.Fault.Is(fault.Permanent))
	if !final || !u.Live || u.Intent != nil {
		return false
	}
	ranges, err := w.Ledger.Ranges(ctx, u.ID, u.Session)
	if err != nil {
		return false
	}
	for _, r := range ranges {
		if r.Held(w.Now()) {
			return false
		}
	}
	return true
}

// abort gives the platform's session up. That it could not be done ends nothing: it is noted, and its age ends it.
func (w *Workflow) abort(ctx context.Context, u *state.Upload) {
	t, _, err := w.Targets.OpenTarget(ctx, u.Account)
	if err == nil {
		s, serr := w.Ledger.Session(ctx, u.ID, u.Session)
		if err = serr; err == nil {
			err = t.Abort(ctx, s)
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
// it due writes first and reads the park then, so one of the two sees the other (design 4.6).
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
	if u.Status == upload.Waiting && u.Reason == "slot" {
		p.Slot = u.Slot
	}
	if p.Due.IsZero() {
		p.Due = w.Now()
	}
	err = w.Ledger.PutPark(ctx, p)
	if errors.Is(err, state.ErrSuperseded) {
		return none, w.wakeToken(ctx, in.Token)
	}
	if err != nil {
		return none, err
	}
	u, err = w.Ledger.Upload(ctx, in.Upload)
	if err != nil {
		return none, err
	}
	if u.Gen != in.Gen || !u.Cancel.IsZero() || u.Status.Terminal() || !u.NextAt.After(w.Now()) {
		return none, w.wake(ctx, u.ID)
	}
	if !p.Slot.IsZero() {
		w.wakeSlots(ctx)
	}
	return none, nil
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

// wakeSlots wakes those who wait for a grant, the longest first, as far as the pools may serve them. What it cannot do
// the due sweep does a little later.
func (w *Workflow) wakeSlots(ctx context.Context) {
	if err := w.tryWakeSlots(context.WithoutCancel(ctx)); err != nil {
		w.Log.Warn("waiting uploads not woken", "error", err.Error())
	}
}

func (w *Workflow) tryWakeSlots(ctx context.Context) error {
	free, _, err := w.Ledger.Pools(ctx)
	if err != nil || free < 1 {
		return err
	}
	ids, err := w.Ledger.SlotWaiters(ctx, 100)
	if err != nil {
		return err
	}
	room := map[upload.Account]int64{}
	for _, id := range ids {
		if free < 1 {
			return nil
		}
		u, err := w.Ledger.Upload(ctx, id)
		if err != nil {
			return err
		}
		n, known := room[u.Account]
		if !known {
			if n, err = w.Ledger.AccountPool(ctx, u.Account); err != nil {
				return err
			}
		}
		if room[u.Account] = n - 1; n < 1 {
			continue // its own account is full: others behind it need not wait for that
		}
		free--
		if err := w.wake(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// Renew renews the account's token that Open named. Its fault is kept for Open, which decides.
func (w *Workflow) Renew(ctx context.Context, in Step) (Result, error) {
	u, ok, err := w.begin(ctx, in, func(*state.Upload) {})
	if err != nil || !ok || u.Renew == 0 {
		return Result{Next: "open"}, err
	}
	err = w.Renewer.RenewAccount(ctx, u.Account, u.Renew)
	if err == nil {
		w.note(ctx, &u, "renew", "the account's token was renewed", nil)
		_, err = w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
			u.Counts.Renewals++
			u.Renew, u.Fault = 0, nil
			return nil
		})
		return Result{Next: "open"}, err
	}
	w.note(ctx, &u, "renew", "the account's token could not be renewed", err)
	f := state.FaultOf("renew", err, w.Now())
	if !f.Is(fault.CredentialsExpired) && !f.Is(fault.Invalid) && !f.Is(fault.Permanent) {
		// Busy, or an unknown answer: the Keeper reads its record again; asked later, nothing is refreshed twice.
		f.Kind, f.Token, f.After = fault.TokenExpired.String(), u.Renew, max(f.After, w.Set.RetryPark)
	}
	_, err = w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error { u.Fault = f; return nil })
	return Result{Next: "open"}, err
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
