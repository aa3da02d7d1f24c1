package workflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/media"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
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
	maxRenewals = 3
	maxReopened = 5
	maxComplete = 2
	maxBarren   = 3
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
		_, err := w.Ledger.End(ctx, u.ID, u.Gen, upload.EvCancel, "", nil)
		return next("end", 0), err
	case w.spent(u):
		return next("end", 0), nil
	}
	if u.Fault.Is(fault.TokenExpired) {
		if o, done, err := w.renewFirst(ctx, u); done || err != nil {
			return o, err
		}
	}
	if u.Fault.Is(fault.CredentialsExpired) && u.Fault.Step == "renew" {
		return w.endBy(ctx, u, u.Fault)
	}
	if u.Public() {
		return w.afterIntent(ctx, u)
	}
	if scope, err := w.Ledger.Paused(ctx, u.Account); err != nil {
		return Opened{}, err
	} else if scope != "" {
		return w.waitUntil(ctx, u, w.Now().Add(time.Minute), "paused by "+scope)
	}
	if start := u.PublishAt.Add(-w.Set.Lead); !u.PublishAt.IsZero() && u.Asset == nil && w.Now().Before(start) {
		return w.waitUntil(ctx, u, start, "due")
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

// spent says whether this generation has used up its bounds.
func (w *Workflow) spent(u *state.Upload) bool {
	return u.Counts.Passes > upload.MaxPasses || w.Now().Sub(u.GenAt) > w.Set.Life
}

// prepare opens what the next step needs: the target, the session, the grant.
func (w *Workflow) prepare(ctx context.Context, u *state.Upload) (Opened, error) {
	t, version, err := w.Targets.OpenTarget(ctx, u.Account)
	if err != nil {
		return w.openFault(ctx, u, "open", err, version)
	}
	v, err := w.video(ctx, u, u.Revision)
	if err != nil {
		return Opened{}, err
	}
	if err := w.dropStale(ctx, u, t, v); err != nil {
		return Opened{}, err
	}
	if u.Reopened > maxReopened {
		return w.end(ctx, u, upload.EvFailed, "the platform lost the upload session again and again")
	}
	if u.Asset != nil {
		return w.toPublish(ctx, u)
	}
	if !u.Live {
		if err := w.openSession(ctx, u, t, v); err != nil {
			return w.openFault(ctx, u, "open", err, version)
		}
	}
	return w.toCarry(ctx, u)
}

// dropStale forgets a session or an asset that is out of time, or that another manifest opened.
func (w *Workflow) dropStale(ctx context.Context, u *state.Upload, t target.Target, v upload.Video) error {
	now := w.Now()
	why := ""
	switch {
	case u.Asset != nil && !u.Asset.Expires.IsZero() && !now.Before(u.Asset.Expires):
		why = "the uploaded file is out of time"
	case u.Live && u.InitHash != initHash(t, v):
		why = "the manifest was changed in what the session was opened with"
	case u.Live && u.Asset == nil:
		s, err := w.Ledger.Session(ctx, u.ID, u.Session)
		if err != nil {
			return err
		}
		if s.Expires.IsZero() || now.Before(s.Expires) {
			return nil
		}
		why = "the upload session is out of time"
	default:
		return nil
	}
	return w.lose(ctx, u, why)
}

// lose drops the session: the next one is opened from the start.
func (w *Workflow) lose(ctx context.Context, u *state.Upload, why string) error {
	next, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		if !u.Live && u.Asset == nil {
			return nil
		}
		u.DropSession()
		u.Reopened++
		return u.To(upload.EvLost, "session")
	})
	if err != nil {
		return err
	}
	*u = next
	w.note(ctx, u, "open", "a new session is needed: "+why, nil)
	return nil
}

// openSession does the preflight, cuts the plan and opens the platform's session.
func (w *Workflow) openSession(ctx context.Context, u *state.Upload, t target.Target, v upload.Video) error {
	l, err := w.Targets.Limits(u.Account)
	if err != nil {
		return err
	}
	plan, err := upload.NewPlan(u.Source.Size, l, w.Set.Plan)
	if err != nil {
		return err
	}
	m, err := w.preflight(ctx, u)
	if err != nil {
		return err
	}
	v.ContentType, v.Duration = m.ContentType, m.Duration
	s, err := t.Init(ctx, v, plan)
	if err != nil {
		return err
	}
	n := u.Session + 1
	if err := w.Ledger.PutSession(ctx, u.ID, n, s); err != nil {
		return err
	}
	hash := initHash(t, v)
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		if u.Live && u.Session == n {
			return nil
		}
		u.Session, u.Live, u.Plan, u.InitHash, u.Media, u.Received = n, true, &plan, hash, m, 0
		u.Fault = nil
		return u.To(upload.EvOpened, "")
	})
	if err != nil {
		return err
	}
	*u = changed
	w.note(ctx, u, "open", fmt.Sprintf("session %d opened: %d bytes in %d parts, %d ranges", n, plan.Size, plan.Parts, plan.Ranges), nil)
	return nil
}

// preflight reads the source's facts and the media header, before a byte is sent.
func (w *Workflow) preflight(ctx context.Context, u *state.Upload) (*state.Media, error) {
	obj := object(u.Source)
	info, err := w.Source.Stat(ctx, obj)
	if err != nil {
		return nil, err
	}
	if info.Size != u.Source.Size {
		return nil, fault.Newf(fault.Invalid, "workflow.preflight", "the object has %d bytes, its event said %d: %w", info.Size, u.Source.Size, source.ErrChanged)
	}
	probe, err := media.Probe(ctx, func(offset, size int64) (io.ReadCloser, error) {
		return w.Source.Open(ctx, obj, offset, size)
	}, u.Source.Size)
	if err != nil {
		return nil, err
	}
	return &state.Media{ContentType: probe.ContentType, Duration: probe.Duration, Checked: probe.Checked}, nil
}

// toPublish gives the transfer grant back and waits for the publish time, near or far.
func (w *Workflow) toPublish(ctx context.Context, u *state.Upload) (Opened, error) {
	changed, err := w.release(ctx, u)
	if err != nil {
		return Opened{}, err
	}
	*u = changed
	at, why := u.PublishAt, "due"
	if u.NotBefore.After(at) {
		at, why = u.NotBefore, "quota"
	}
	wait := at.Sub(w.Now())
	if wait > w.Set.NearWait {
		return w.waitUntil(ctx, u, at.Add(-w.Set.NearWait*2/3), why)
	}
	return next("publish", seconds(wait)), nil
}

// release gives the upload's grant back and wakes who waits for one.
func (w *Workflow) release(ctx context.Context, u *state.Upload) (state.Upload, error) {
	if u.Grant == nil {
		return *u, nil
	}
	changed, err := w.Ledger.ReleaseGrant(ctx, u.ID, u.Gen)
	if err != nil {
		return changed, err
	}
	w.wakeSlots(ctx)
	return changed, nil
}

// toCarry looks which ranges still have work, and takes the grant for them; with nothing missing it goes to Complete.
func (w *Workflow) toCarry(ctx context.Context, u *state.Upload) (Opened, error) {
	left, received, worst, err := w.leftOver(ctx, u)
	if err != nil {
		return Opened{}, err
	}
	if len(left) == 0 {
		return w.toComplete(ctx, u, received)
	}
	if worst != nil {
		if o, done, err := w.rangeFault(ctx, u, worst); done || err != nil {
			return o, err
		}
	}
	if u.Counts.Carries >= upload.MaxCarries {
		return next("end", 0), nil
	}
	if queued, err := w.behindOthers(ctx, u); err != nil {
		return Opened{}, err
	} else if queued {
		return w.waitSlot(ctx, u)
	}
	changed, n, err := w.Ledger.TakeGrant(ctx, u.ID, u.Gen, int64(len(left)), func(u *state.Upload) error {
		u.Counts.Carries++
		u.NoteReceived(received)
		return u.To(upload.EvOpened, "")
	})
	if err != nil {
		return Opened{}, err
	}
	if n == 0 {
		return w.waitSlot(ctx, u)
	}
	*u = changed
	return Opened{Next: "carry", Ranges: left, Grant: int(n)}, nil
}

// leftOver lists the ranges with missing parts or a live lease, and the worst fault that they recorded.
func (w *Workflow) leftOver(ctx context.Context, u *state.Upload) (left []int, received int, worst *state.Fault, err error) {
	have, err := w.Ledger.Receipts(ctx, u.ID, u.Session, 1, u.Plan.Parts)
	if err != nil {
		return nil, 0, nil, err
	}
	records, err := w.Ledger.Ranges(ctx, u.ID, u.Session)
	if err != nil {
		return nil, 0, nil, err
	}
	now := w.Now()
	open := map[int]bool{}
	for _, r := range records {
		open[r.Range] = r.Held(now)
		if r.Gen == u.Gen && r.Fault != nil && (worst == nil || graver(r.Fault, worst)) {
			worst = r.Fault
		}
	}
	for n := 1; n <= u.Plan.Parts; n++ {
		if r, ok := have[n]; !ok || r.Unsummed {
			open[u.Plan.RangeOf(n)] = true
		}
	}
	for r := 1; r <= u.Plan.Ranges; r++ {
		if open[r] {
			left = append(left, r)
		}
	}
	return left, len(have), worst, nil
}

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
	case f.Is(fault.TokenExpired) && f.Token > 0:
		_, version, err := w.Targets.OpenTarget(ctx, u.Account)
		if err == nil && version != f.Token {
			return Opened{}, false, nil // renewed meanwhile
		}
		o, err := w.renew(ctx, u, f)
		return o, true, err
	case f.Is(fault.CredentialsExpired), f.Is(fault.Invalid), f.Is(fault.Permanent), f.Is(fault.TokenExpired):
		o, err := w.endBy(ctx, u, f)
		return o, true, err
	case f.After > 0 && w.Now().Before(f.At.Add(f.After)):
		o, err := w.waitUntil(ctx, u, f.At.Add(f.After), "platform")
		return o, true, err
	}
	return Opened{}, false, nil
}

// toComplete notes that everything was received.
func (w *Workflow) toComplete(ctx context.Context, u *state.Upload, received int) (Opened, error) {
	if f := u.Fault; f != nil && f.Step == "complete" {
		if f.Is(fault.Invalid) || f.Is(fault.Permanent) || f.Is(fault.CredentialsExpired) {
			return w.endBy(ctx, u, f)
		}
		if until := f.At.Add(f.After); f.After > 0 && w.Now().Before(until) {
			return w.waitUntil(ctx, u, until, "platform")
		}
	}
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		u.NoteReceived(received)
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

// behindOthers says whether somebody waits for a grant for longer than this upload.
func (w *Workflow) behindOthers(ctx context.Context, u *state.Upload) (bool, error) {
	if u.Grant != nil {
		return false, nil
	}
	first, err := w.Ledger.SlotWaiters(ctx, 1)
	if err != nil || len(first) == 0 || first[0] == u.ID {
		return false, err
	}
	p, ok, err := w.Ledger.Park(ctx, first[0])
	if err != nil || !ok || p.Slot.IsZero() || !u.Slot.IsZero() && !p.Slot.Before(u.Slot) {
		return false, err
	}
	other, err := w.Ledger.Upload(ctx, first[0])
	if err != nil {
		return false, err
	}
	room, err := w.Ledger.AccountPool(ctx, other.Account)
	return room > 0, err // held up by its own account only, it does not hold up others
}

// waitSlot parks until a grant may be had; the place in the queue is kept from the first time.
func (w *Workflow) waitSlot(ctx context.Context, u *state.Upload) (Opened, error) {
	now := w.Now()
	_, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		if u.Slot.IsZero() {
			u.Slot = now
		}
		u.NextAt = now.Add(w.Set.SlotPoll)
		return u.To(upload.EvWait, "slot")
	})
	return next("park", 0), err
}

// waitUntil parks until t, or ends the generation when t is more than its life ahead: the sweep starts the next.
func (w *Workflow) waitUntil(ctx context.Context, u *state.Upload, t time.Time, why string) (Opened, error) {
	far := t.Sub(w.Now()) > w.Set.Life
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		u.NextAt = t
		if far {
			u.Due = t
		}
		return u.To(upload.EvWait, why)
	})
	if err != nil {
		return Opened{}, err
	}
	if _, err := w.release(ctx, &changed); err != nil {
		return Opened{}, err
	}
	if far {
		return next("end", 0), nil
	}
	return next("park", 0), nil
}

// openFault reacts to a fault of Open's own calls. version is that of the token in use.
func (w *Workflow) openFault(ctx context.Context, u *state.Upload, step string, err error, version int64) (Opened, error) {
	if ctx.Err() != nil || errors.Is(err, state.ErrSuperseded) {
		return Opened{}, err
	}
	f := state.FaultOf(step, err, w.Now())
	f.Token = version
	w.note(ctx, u, step, "refused", err)
	changed, uerr := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error { u.Fault = f; return nil })
	if uerr != nil {
		return Opened{}, uerr
	}
	*u = changed
	switch fault.KindOf(err) {
	case fault.TokenExpired:
		return w.renew(ctx, u, f)
	case fault.CredentialsExpired, fault.Invalid, fault.Permanent:
		return w.endBy(ctx, u, f)
	}
	// A repeated Init is harmless: at worst an orphan session, which the books abort by age (house-style 3.4).
	return w.waitUntil(ctx, u, w.Now().Add(max(f.After, w.Set.RetryPark)), "platform")
}

// renew sends the machine to Renew, unless renewing has not helped.
func (w *Workflow) renew(ctx context.Context, u *state.Upload, f *state.Fault) (Opened, error) {
	if u.Counts.Renewals >= maxRenewals || f.Token == 0 {
		g := *f
		g.Kind = fault.CredentialsExpired.String()
		return w.endBy(ctx, u, &g)
	}
	_, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error { u.Renew, u.Fault = f.Token, f; return nil })
	return next("renew", 0), err
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

func isKind(err error, k fault.Kind) bool { return err != nil && fault.KindOf(err) == k }

// endBy ends the upload by what a fault of that kind means.
func (w *Workflow) endBy(ctx context.Context, u *state.Upload, f *state.Fault) (Opened, error) {
	ev, reason := upload.EvFailed, "refused"
	switch {
	case f.Is(fault.CredentialsExpired):
		ev, reason = upload.EvLogin, "credentials"
	case f.Is(fault.Invalid):
		reason = "invalid"
	}
	changed, err := w.Ledger.End(ctx, u.ID, u.Gen, ev, reason, func(u *state.Upload) error { u.Fault = f; return nil })
	if err != nil {
		return Opened{}, err
	}
	*u = changed
	return next("end", 0), nil
}

func (w *Workflow) end(ctx context.Context, u *state.Upload, ev upload.Event, reason string) (Opened, error) {
	changed, err := w.Ledger.End(ctx, u.ID, u.Gen, ev, reason, nil)
	if err != nil {
		return Opened{}, err
	}
	*u = changed
	return next("end", 0), nil
}
