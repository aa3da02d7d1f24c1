package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/upload"
)

// look does whatever is due for one account, and books it. The index that named the account may lag: everything is decided
// by the record.
func (s *Sweeper) look(ctx context.Context, a upload.Account, out *SweepReport) error {
	v, until := s.k.vault, s.k.o.Now().Add(s.o.Interval)
	r, err := readRecord(ctx, v.table, tokenKey(a))
	if err != nil || !r.found {
		return err
	}
	if at, _ := r.due(a); at.IsZero() || at.After(until) {
		return nil // the index lagged, or another was here
	}
	renewErr := errors.Join(s.ask(ctx, a, r, out), s.renewals(ctx, a, r, until, out))
	if r, err = readRecord(ctx, v.table, tokenKey(a)); err != nil {
		return errors.Join(renewErr, err)
	}
	if end := r.deadAt(); r.State == stateLive && !end.IsZero() && !s.k.o.Now().Before(end) {
		if err := v.kill(ctx, r, "its time was over at "+end.UTC().Format(time.RFC3339)+", and it cannot be renewed"); err != nil {
			return errors.Join(renewErr, err) // a login came meanwhile; the next sweep looks again
		}
		s.k.alarm(ctx, "account_needs_login", "the account's token is over and cannot be renewed; a person has to log in", a, Token{Grant: r.Grant}, nil)
		if r, err = readRecord(ctx, v.table, tokenKey(a)); err != nil {
			return errors.Join(renewErr, err)
		}
	}
	out.left(r, a, s.k.o.Now())
	tellErr := s.tell(ctx, a, r, out)
	done, sealErr := v.reseal(ctx, kindToken, string(a), r)
	if done {
		out.Resealed++
	}
	failed := errors.Join(renewErr, tellErr, sealErr)
	return errors.Join(failed, v.note(ctx, a, r.Grant, func(d *document) { s.booked(d, renewErr, failed != nil) }))
}

// ask asks the platform about a login that nobody has heard of for a day, or that is in doubt.
func (s *Sweeper) ask(ctx context.Context, a upload.Account, r record, out *SweepReport) error {
	if r.State != stateLive || s.k.o.Now().Before(r.Retry) {
		return nil
	}
	if !r.Doubt.IsZero() {
		out.Asked++
		return s.k.Confirm(ctx, a)
	}
	if _, ok := s.k.refreshers[a.Target()].(Liver); ok {
		out.Asked++
		return s.k.alive(ctx, a, r.Grant)
	}
	return nil
}

// renewals renews what would cross a threshold before until: the access token first, which costs nothing.
func (s *Sweeper) renewals(ctx context.Context, a upload.Account, r record, until time.Time, out *SweepReport) error {
	if r.State != stateLive || !r.CanRenew || s.k.o.Now().Before(r.Retry) {
		return nil
	}
	if s.k.refreshers[a.Target()] == nil {
		return fault.Newf(fault.Invalid, "token.Sweep", "nothing here renews tokens of %s", a.Target())
	}
	var errs []error
	if at := r.renewAt(a); !at.IsZero() && !at.After(until) {
		t, err := s.k.Ahead(ctx, a, until)
		if err == nil && t.Version != r.document.Version && t.Refresh != "" {
			out.Renewed++
		}
		errs = append(errs, err)
	}
	_, can := s.k.refreshers[a.Target()].(RefreshRenewer)
	if at := r.rotateAt(a); can && !at.IsZero() && !at.After(until) {
		t, err := s.k.Rotate(ctx, a, until)
		if err == nil && t.Renewals > r.Renewals {
			out.Rotated++
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// booked writes down a look. A failed one is repeated after a growing pause, that is never longer than half of what is left.
func (s *Sweeper) booked(d *document, renewErr error, failed bool) {
	now := s.k.o.Now()
	d.Looked = now
	if !failed {
		return
	}
	d.Fails++
	if renewErr != nil && d.State == stateLive {
		d.Result = "failed: " + codeOf(renewErr)
	}
	// Half an interval less than a whole number of them, so that the sweep of that moment is not a second too early.
	pause := s.o.Interval<<min(d.Fails-1, 5) - s.o.Interval/2
	for _, end := range []time.Time{d.Expires, d.RefreshBy} {
		if left := end.Sub(now); left > 0 {
			pause = min(pause, left/2)
		}
	}
	d.Retry = now.Add(pause)
}

// tell announces what falls due, and books that it was said. A notice is said first and booked then: at least once.
func (s *Sweeper) tell(ctx context.Context, a upload.Account, r record, out *SweepReport) error {
	n := Notice{Account: a, Action: "log in again: vodlift account login " + string(a)}
	now := s.k.o.Now()
	switch {
	case r.State == stateDead && !r.Told:
		n.Type, n.ID, n.Reason, n.By = NeedsLogin, noticeID(a, r.Grant, "login"), r.Reason, r.Saved
	case r.State == stateLive:
		if n.Days = r.warnDue(a, now); n.Days == 0 {
			return nil
		}
		n.By = r.needsLoginBy(a)
		n.Type, n.ID = ExpiresSoon, noticeID(a, r.Grant, fmt.Sprintf("%s#%d", stamp(n.By), n.Days))
	default:
		return nil
	}
	var err error
	if n.Scheduled, err = s.o.Scheduled(ctx, a, n.By); err != nil {
		n.Scheduled = 0 // the warning matters more than its number
		s.k.o.Log.WarnContext(ctx, "the scheduled uploads could not be counted", "account", string(a), "error", err.Error())
	}
	if err := s.o.Announce(ctx, n); err != nil {
		return err
	}
	if n.Type == NeedsLogin {
		out.NeedsLogin++
		return s.k.vault.note(ctx, a, r.Grant, func(d *document) { d.Told = d.State == stateDead })
	}
	out.Warned++
	return s.k.vault.note(ctx, a, r.Grant, func(d *document) { d.Warned = append(d.Warned, n.Days) })
}

// warnDue is the nearest warning that is due and was not given, in days; 0 = none.
func (d document) warnDue(a upload.Account, now time.Time) int {
	due := 0
	by := d.needsLoginBy(a)
	if at, _ := d.warnAt(a); at.IsZero() || now.Before(at) {
		return 0
	}
	for _, n := range warnings() {
		if !now.Before(ahead(by, n)) {
			due = n
		}
	}
	return due
}

func noticeID(a upload.Account, grant, what string) string {
	return string(a) + "#" + grant + "#" + what
}
