package workflow

import (
	"context"
	"errors"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

// graver orders faults by who has to react first.
func graver(a, b *state.Fault) bool { return gravity(a) > gravity(b) }

func gravity(f *state.Fault) int {
	switch {
	case f.Is(fault.CredentialsExpired):
		return 6
	case f.Is(fault.Invalid) && !f.Lost, f.Is(fault.Permanent) && !f.Lost:
		return 5
	case f.Lost:
		return 4
	case f.Is(fault.TokenExpired):
		return 3
	case f.After > 0:
		return 2
	}
	return 1
}

// rangeFault reacts to what a range recorded. done is false where carrying on is right.
func (w *Workflow) rangeFault(ctx context.Context, u *state.Upload, f *state.Fault) (Opened, bool, error) {
	switch {
	case f.Lost:
		if err := w.lose(ctx, u, f.Text); err != nil {
			return Opened{}, false, err
		}
		return next("again", 0), true, nil
	case f.Is(fault.TokenExpired):
		_, version, err := w.Targets.OpenTarget(ctx, u.Account)
		if err == nil && f.Token > 0 && version != f.Token {
			return Opened{}, false, nil // renewed meanwhile
		}
		o, err := w.renew(ctx, u, f)
		return o, true, err
	case f.Is(fault.CredentialsExpired), f.Is(fault.Invalid), f.Is(fault.Permanent):
		o, err := w.endBy(ctx, u, f)
		return o, true, err
	case f.After > 0 && w.Now().Before(f.At.Add(f.After)):
		o, err := w.waitUntil(ctx, u, f.At.Add(f.After), whyWait(f))
		return o, true, err
	}
	return Opened{}, false, nil
}

// openFault reacts to a fault of Open's own calls. version is that of the token in use.
func (w *Workflow) openFault(ctx context.Context, u *state.Upload, step string, err error, version int64) (Opened, error) {
	if ctx.Err() != nil || errors.Is(err, state.ErrSuperseded) {
		return Opened{}, err
	}
	f := state.FaultOf(step, err, w.Now())
	f.Token = version
	w.note(ctx, u, step, "refused", err)
	changed, uerr := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		if u.Fault = f; !f.Is(fault.TokenExpired) {
			u.Counts.Renewals = 0 // not in a row: an outage may well outlast several tokens
		}
		return nil
	})
	if uerr != nil {
		return Opened{}, uerr
	}
	*u = changed
	switch fault.KindOf(err) {
	case fault.TokenExpired:
		return w.renew(ctx, u, f)
	case fault.CredentialsExpired, fault.Invalid, fault.Permanent:
		if u.OpenIntent() || u.Post != nil && !f.Is(fault.CredentialsExpired) {
			return w.afterIntent(ctx, u) // looking and watching go on; what may be public is not failed by a lost account
		}
		return w.endBy(ctx, u, f)
	}
	if f.Is(fault.Duplicate) { // the platform has this very file of this account
		if first := w.sameFile(ctx, u); first != "" {
			f.Text += "; it was published by " + first
		}
		return w.end(ctx, u, upload.EvFailed, "duplicate", f)
	}
	// A repeated Init is harmless: at worst an orphan session, which the books abort by age (house-style 3.4).
	return w.waitUntil(ctx, u, w.Now().Add(max(f.After, w.Set.RetryPark)), whyWait(f))
}

// sameFile names the account's upload of the same bytes, where our own records know one (reference youku 8.6: the platform
// does not say which it is); else a person has to find it. It is for the text only, so its own trouble is none.
func (w *Workflow) sameFile(ctx context.Context, u *state.Upload) string {
	const most = 1000
	for _, s := range []upload.Status{upload.Published, upload.Processing} {
		us, err := w.Ledger.ByStatus(ctx, u.Account, s, most)
		if err != nil {
			return ""
		}
		for _, x := range us {
			if x.ID != u.ID && x.MD5 != "" && x.MD5 == u.MD5 && x.Source.Size == u.Source.Size {
				return w.describe(ctx, x.ID)
			}
		}
	}
	return ""
}

// renew sends the machine to Renew, unless renewing has not helped. A renewal that was asked for and left no trace,
// since its function did not run or was killed, is asked for again after a pause only.
func (w *Workflow) renew(ctx context.Context, u *state.Upload, f *state.Fault) (Opened, error) {
	if u.Counts.Renewals >= maxRenewals || f.Token == 0 {
		g := *f
		g.Step, g.Kind, g.Text = "renew", fault.CredentialsExpired.String(), "renewing the account's token did not help: "+g.Text
		if u.OpenIntent() {
			_, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error { u.Fault = &g; return nil })
			if err != nil {
				return Opened{}, err
			}
			return w.afterIntent(ctx, u)
		}
		return w.endBy(ctx, u, &g)
	}
	unanswered := u.Renew == f.Token && u.Counts.Passes > 1
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		if u.Renew, u.Fault = f.Token, f; unanswered {
			u.Renew = 0
		}
		return nil
	})
	if err != nil {
		return Opened{}, err
	}
	if *u = changed; unanswered {
		return w.waitUntil(ctx, u, w.Now().Add(w.Set.RetryPark), "renewal")
	}
	return next("renew", 0), nil
}

// renewFirst looks whether the token that was refused has been renewed; if not, the machine renews it. done is false
// when the step that was refused may go on.
func (w *Workflow) renewFirst(ctx context.Context, u *state.Upload) (o Opened, done bool, err error) {
	f := u.Fault
	_, version, err := w.Targets.OpenTarget(ctx, u.Account)
	switch {
	case err != nil && !isKind(err, fault.TokenExpired):
		o, err = w.openFault(ctx, u, "open", err, version)
		return o, true, err
	case err == nil && version != f.Token:
		changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error { u.Fault, u.Renew = nil, 0; return nil })
		*u = changed
		return Opened{}, false, err
	case f.Step == "renew" && f.After > 0 && w.Now().Before(f.At.Add(f.After)):
		o, err = w.waitUntil(ctx, u, f.At.Add(f.After), "renewal")
		return o, true, err
	}
	g := *f
	g.Token = version
	o, err = w.renew(ctx, u, &g)
	return o, true, err
}

// deadRenewal says that a renewal was refused for good: no step with this token can succeed.
func deadRenewal(f *state.Fault) bool {
	return f != nil && f.Step == "renew" && (f.Is(fault.CredentialsExpired) || f.Is(fault.Invalid) || f.Is(fault.Permanent))
}

func isKind(err error, k fault.Kind) bool { return err != nil && fault.KindOf(err) == k }

// Renew renews the account's token that Open named. Its fault is kept for Open, which decides.
func (w *Workflow) Renew(ctx context.Context, in Step) (Result, error) {
	u, ok, err := w.begin(ctx, in, func(*state.Upload) {})
	if err != nil || !ok || u.Renew == 0 {
		return Result{Next: "open"}, err
	}
	err = w.Renewer.RenewAccount(ctx, u.Account, u.Renew)
	save := context.WithoutCancel(ctx)
	if err == nil {
		w.note(save, &u, "renew", "the account's token was renewed", nil)
		_, err = w.Ledger.Update(save, u.ID, u.Gen, func(u *state.Upload) error {
			if u.Renew != 0 {
				u.Counts.Renewals++
			}
			u.Renew, u.Fault = 0, nil
			return nil
		})
		return Result{Next: "open"}, ignoreSuperseded(err)
	}
	w.note(save, &u, "renew", "the account's token could not be renewed", err)
	f := state.FaultOf("renew", err, w.Now())
	if !deadRenewal(f) {
		// Busy, or an unknown answer: the Keeper reads its record again; asked later, nothing is refreshed twice.
		f.Kind, f.Token, f.After = fault.TokenExpired.String(), u.Renew, max(f.After, w.Set.RetryPark)
	}
	_, err = w.Ledger.Update(save, u.ID, u.Gen, func(u *state.Upload) error { u.Renew, u.Fault = 0, f; return nil })
	return Result{Next: "open"}, ignoreSuperseded(err)
}
