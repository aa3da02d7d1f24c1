package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

// Opened is Open's answer. Grant is never 0, since that would mean unlimited to the Map.
type Opened struct {
	Next   string `json:"next"`
	Wait   int    `json:"wait"`
	Ranges []int  `json:"ranges"`
	Grant  int    `json:"grant"`
}

func next(word string, wait int) Opened {
	return Opened{Next: word, Wait: wait, Ranges: []int{}, Grant: 1}
}

// Bounds of one generation and one upload (design 2, "It ends").
const (
	maxRenewals = 2 // in a row, without a step that the new token was good for
	maxReopened = 5
	maxComplete = 2
	maxBarren   = 3
)

// The reasons of a WAITING upload that is not to blame for the wait: it does not count as a lack of progress.
const (
	whyDue   = "due"
	whySlot  = "slot"
	whyQuota = "quota"
	whyPause = "paused"
	whyPace  = "pace"
	whyBusy  = "behind another publish of the account"
)

// Open decides from the ledger what the upload's next step is, and prepares it: preflight, plan, session, grant.
func (w *Workflow) Open(ctx context.Context, in Step) (Opened, error) {
	u, ok, err := w.begin(ctx, in, func(u *state.Upload) {
		u.Started, u.Due, u.NextAt = true, time.Time{}, time.Time{}
		u.Counts.Passes++
	})
	if err != nil {
		return Opened{}, err
	}
	if !ok {
		return next(superseded, 0), nil
	}
	o, err := w.decide(ctx, &u)
	if errors.Is(err, state.ErrSuperseded) {
		return next(superseded, 0), nil
	}
	return o, err
}

func (w *Workflow) decide(ctx context.Context, u *state.Upload) (Opened, error) {
	switch {
	case u.Status.Terminal():
		return next("end", 0), nil
	case !u.Cancel.IsZero() && !u.Public():
		return w.end(ctx, u, upload.EvCancel, "", nil)
	case w.spent(u):
		return next("end", 0), nil
	}
	if u.Fault.Is(fault.TokenExpired) {
		if o, done, err := w.renewFirst(ctx, u); done || err != nil {
			return o, err
		}
	}
	if deadRenewal(u.Fault) && !u.OpenIntent() {
		return w.endBy(ctx, u, u.Fault)
	}
	if u.Public() {
		return w.afterIntent(ctx, u)
	}
	if u.Asset == nil {
		if start, why, err := w.startOf(ctx, u); err != nil {
			return Opened{}, err
		} else if w.Now().Before(start) {
			return w.waitUntil(ctx, u, start, why)
		}
	}
	if scope, err := w.Ledger.Paused(ctx, u.Account); err != nil {
		return Opened{}, err
	} else if scope != "" {
		return w.waitUntil(ctx, u, w.Now().Add(time.Minute), whyPause)
	}
	return w.prepare(ctx, u)
}

// afterIntent goes on with what may be public already: only looking and watching are left.
func (w *Workflow) afterIntent(ctx context.Context, u *state.Upload) (Opened, error) {
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		switch {
		case u.Post != nil && u.Status != upload.Processing:
			return u.To(upload.EvPosted, "")
		case u.Post == nil && u.Status != upload.Publishing:
			return u.To(upload.EvIntent, "")
		}
		return nil
	})
	if err != nil {
		return Opened{}, err
	}
	if changed, err = w.release(ctx, &changed); err != nil {
		return Opened{}, err
	}
	if *u = changed; u.Post != nil {
		return next("watch", 0), nil
	}
	return next("look", w.lookWait(u)), nil
}

// spent says whether this generation has used up its bounds. One that only waits ends by waitUntil, in good time before it
// has to act again; what is left of its life then is a reserve.
func (w *Workflow) spent(u *state.Upload) bool {
	return u.Counts.Passes > upload.MaxPasses || w.Now().Sub(u.GenAt) > w.Set.Life+w.Set.Life/12
}

// whyWait is the reason of a wait that f asked for. An end that the platform named is a due time like any other; without
// one the upload is tried again a bounded number of times.
func whyWait(f *state.Fault) string {
	if f != nil && f.After > 0 {
		return whyQuota
	}
	return "platform"
}

// toComplete notes that everything was received. A Complete that left no trace, since its function did not run or was
// killed, is repeated after a pause only.
func (w *Workflow) toComplete(ctx context.Context, u *state.Upload, received int) (Opened, error) {
	unanswered := u.Status == upload.Completing && u.Counts.Passes > 1
	if f := u.Fault; f != nil && f.Step == "complete" {
		if f.Is(fault.Invalid) || f.Is(fault.Permanent) || f.Is(fault.CredentialsExpired) {
			return w.endBy(ctx, u, f)
		}
		until := f.At.Add(max(f.After, w.Set.RetryPark))
		if w.Now().Before(until) {
			return w.waitUntil(ctx, u, until, whyWait(f))
		}
	}
	if unanswered {
		return w.waitUntil(ctx, u, w.Now().Add(w.Set.RetryPark), "complete")
	}
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		noteReceived(u, received)
		return u.To(upload.EvReceived, "")
	})
	if err != nil {
		return Opened{}, err
	}
	if changed, err = w.release(ctx, &changed); err != nil {
		return Opened{}, err
	}
	*u = changed
	return next("complete", 0), nil
}

// waitUntil parks until t, or ends the generation when t is beyond its life: the sweep starts the next, early enough to be
// there at t. What may be public keeps its status: WAITING is for what nothing was sent of.
func (w *Workflow) waitUntil(ctx context.Context, u *state.Upload, t time.Time, why string) (Opened, error) {
	far := t.After(u.GenAt.Add(w.Set.Life)) && t.Sub(w.Now()) > 5*w.Set.Sweep
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		u.NextAt = t
		if far {
			u.Due = t.Add(-w.Set.Sweep)
		}
		if u.Public() {
			return nil
		}
		return u.To(upload.EvWait, why)
	})
	if err != nil {
		return Opened{}, err
	}
	if *u, err = w.release(ctx, &changed); err != nil {
		return Opened{}, err
	}
	if far {
		return next("end", 0), nil
	}
	return next("park", 0), nil
}

// endBy ends the upload by what a fault of that kind means. While an intent is open only a person can end it: HELD.
func (w *Workflow) endBy(ctx context.Context, u *state.Upload, f *state.Fault) (Opened, error) {
	ev, reason := upload.EvFailed, "refused"
	if f.Unable && !u.Public() {
		return w.unable(ctx, u, f)
	}
	g := *f
	switch {
	case u.OpenIntent():
		ev, reason = upload.EvHeld, "unknown outcome"
		g.Actor, g.Action = string(fault.ActorOperator), resolveAction(u)
	case f.Is(fault.CredentialsExpired), deadRenewal(f):
		ev, reason = upload.EvLogin, "credentials"
		if g.Action == "" {
			g.Actor, g.Action = string(fault.ActorOwner), fmt.Sprintf("log in to %s again; its uploads go on by themselves then", u.Account)
		}
	case f.Is(fault.Invalid):
		reason = "invalid"
	}
	o, err := w.end(ctx, u, ev, reason, &g)
	if err == nil && ev == upload.EvLogin {
		err = w.loggedInMeanwhile(ctx, u, f.Token)
	}
	return o, err
}

// loggedInMeanwhile goes on at once when the login that the upload waits for came between the refusal and its record:
// whoever logged in could not see this upload among those that wait.
func (w *Workflow) loggedInMeanwhile(ctx context.Context, u *state.Upload, refused int64) error {
	if _, version, err := w.Targets.OpenTarget(ctx, u.Account); err != nil || refused == 0 || version <= refused {
		return nil
	}
	return ignoreSuperseded(w.restart(ctx, u))
}

// resolveAction is what an operator does about an upload whose outcome is not known.
func resolveAction(u *state.Upload) string {
	return "look at the account's own page; then: vodlift resolve " + u.ID + " --published POST, or --publish-again"
}

// end ends the upload; f, if given, says why.
func (w *Workflow) end(ctx context.Context, u *state.Upload, ev upload.Event, reason string, f *state.Fault) (Opened, error) {
	changed, err := w.Ledger.End(ctx, u.ID, u.Gen, ev, reason, func(u *state.Upload) error {
		if f != nil {
			u.Fault = f
		}
		return nil
	})
	if err != nil {
		return Opened{}, err
	}
	*u = changed
	return next("end", 0), nil
}
