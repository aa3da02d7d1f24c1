package workflow

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/media"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

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
		return w.end(ctx, u, upload.EvFailed, "session lost", &state.Fault{
			Step: "open", Kind: fault.Unknown.String(), At: w.Now(), Actor: string(fault.ActorOperator), Action: "read the timeline, then: vodlift retry " + u.ID,
			Text: fmt.Sprintf("the platform lost the upload session or the uploaded file %d times", u.Reopened),
		})
	}
	if u.Asset == nil && !u.Live {
		if done, err := w.digest(ctx, u, t); err != nil {
			return w.openFault(ctx, u, "open", err, version)
		} else if !done {
			return next("again", 0), nil
		}
		if err := w.openSession(ctx, u, t, v); err != nil {
			return w.openFault(ctx, u, "open", err, version)
		}
	}
	if u.Live {
		if o, done, err := w.sendCover(ctx, u, t, v, version); done || err != nil {
			return o, err
		}
	}
	if u.Asset != nil {
		return w.toPublish(ctx, u)
	}
	return w.toCarry(ctx, u)
}

// dropStale forgets a session or an asset that is out of time, or that another manifest opened. The latter is nobody's
// fault and is not counted, nor is what ended while the upload waited for its time, a slot or a quota.
func (w *Workflow) dropStale(ctx context.Context, u *state.Upload, t target.Target, v upload.Video) error {
	now, counts := w.Now(), 1
	if idle(u) {
		counts = 0
	}
	switch {
	case u.Live && u.InitHash != initHash(t, v):
		return w.drop(ctx, u, "the manifest was changed in what the session was opened with", 0)
	case u.Asset != nil:
		if !u.Asset.Expires.IsZero() && !now.Before(u.Asset.Expires) {
			return w.drop(ctx, u, "the uploaded file is out of time", counts)
		}
	case u.Live:
		s, err := w.Ledger.Session(ctx, u.ID, u.Session)
		if err != nil {
			return err
		}
		if !s.Expires.IsZero() && !now.Before(s.Expires) {
			return w.drop(ctx, u, "the upload session is out of time", counts)
		}
	}
	return nil
}

// lose drops the session: the next one is opened from the start, a bounded number of times.
func (w *Workflow) lose(ctx context.Context, u *state.Upload, why string) error {
	return w.drop(ctx, u, why, 1)
}

func (w *Workflow) drop(ctx context.Context, u *state.Upload, why string, counts int) error {
	n, asset := u.Session, u.Asset != nil
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		if u.Session != n || !u.Live && u.Asset == nil {
			return nil // done before, by an invocation whose answer was lost
		}
		if u.Asset != nil && !asset {
			return nil // not lost: another invocation of Complete was first, and that is why it is gone
		}
		u.DropSession()
		u.Reopened += counts
		return u.To(upload.EvLost, "session")
	})
	if err != nil {
		return err
	}
	*u = changed
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
	facts(&v, m)
	v.MD5 = u.MD5
	if err := w.linkCover(ctx, u, t, &v); err != nil {
		return err
	}
	s, err := t.Init(ctx, v, plan)
	if err != nil {
		return err
	}
	if err := w.linkRemote(ctx, u, t, s); err != nil {
		return err
	}
	n := u.Session + 1
	left, _, lerr := w.Ledger.SessionSerial(ctx, u.ID, n) // of an Open that died before the upload named it
	if err := w.Ledger.PutSession(ctx, u.ID, n, s); err != nil {
		w.orphan(ctx, u, t, s, err)
		return err
	}
	if lerr == nil && left.ID != s.ID {
		if err := t.Abort(ctx, left); err != nil {
			w.note(ctx, u, "open", "a session that nobody named could not be aborted", err)
		}
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
		if now, rerr := w.Ledger.Upload(context.WithoutCancel(ctx), u.ID); rerr == nil && now.Session < n { // else it may be in use
			w.orphan(ctx, u, t, s, err)
		}
		return err
	}
	*u = changed
	w.note(ctx, u, "open", fmt.Sprintf("session %d opened: %d bytes in %d parts, %d ranges", n, plan.Size, plan.Parts, plan.Ranges), nil)
	if a, ok := t.(target.Adviser); ok && n == 1 {
		for _, line := range a.Advise(v) {
			w.note(ctx, u, "open", line, nil)
		}
	}
	return nil
}

// linkRemote notes under which id the platform's callbacks will speak of the session, before anything can be said of it.
func (w *Workflow) linkRemote(ctx context.Context, u *state.Upload, t target.Target, s upload.Session) error {
	namer, ok := t.(target.Namer)
	if !ok {
		return nil
	}
	remote := namer.RemoteID(s)
	if remote == "" {
		return nil
	}
	holder, err := w.Ledger.LinkRemote(ctx, u.Account.Target(), remote, u.ID)
	if err == nil && holder != u.ID {
		w.note(ctx, u, "open", "ALARM: the platform gave this upload an id that it gave to upload "+holder+" before", nil)
	}
	return err
}

// orphan gives up a session that was opened too late: its generation is over, so no record will ever name it.
func (w *Workflow) orphan(ctx context.Context, u *state.Upload, t target.Target, s upload.Session, why error) {
	if !errors.Is(why, state.ErrSuperseded) {
		return
	}
	if err := t.Abort(context.WithoutCancel(ctx), s); err != nil {
		w.note(ctx, u, "open", "a session that came too late could not be aborted", err)
	}
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
	return &state.Media{ContentType: probe.ContentType, Duration: probe.Duration, Checked: probe.Checked, Container: probe.Container, Codec: probe.Codec,
		Width: probe.Width, Height: probe.Height, FrameRate: probe.FrameRate, IndexAtEnd: probe.IndexAtEnd, Why: probe.Why}, nil
}
