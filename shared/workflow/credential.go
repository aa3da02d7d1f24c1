package workflow

import (
	"context"
	"errors"
	"sync"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// credited is a target whose session credentials are renewed where they are used (design 3.1): refused or about to end,
// they are renewed by one invocation at a time, saved, and the call is made once more with the new ones. Parts are kept.
// It holds the newest session itself; what its callers pass is ignored.
type credited struct {
	target.Target
	w       *Workflow
	id      string
	n       int
	renewer target.Renewer
	one     chan struct{} // holds the right to renew, inside this invocation; a wait for it ends with its context

	mu     sync.Mutex
	now    upload.Session
	serial int64
}

// openSessionOf reads the upload's session, and gives the target as the session has to be used.
func (w *Workflow) openSessionOf(ctx context.Context, u *state.Upload, t target.Target) (target.Target, upload.Session, error) {
	s, serial, err := w.Ledger.SessionSerial(ctx, u.ID, u.Session)
	if err != nil {
		return t, s, err
	}
	r, ok := t.(target.Renewer)
	if !ok {
		return t, s, nil
	}
	return &credited{Target: t, w: w, id: u.ID, n: u.Session, renewer: r, one: make(chan struct{}, 1), now: s, serial: serial}, s, nil
}

func (c *credited) session() (upload.Session, int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now, c.serial
}

// renew gets credentials newer than those of serial: from the ledger, if somebody else was faster, or from the platform.
func (c *credited) renew(ctx context.Context, serial int64) (upload.Session, int64, error) {
	select {
	case c.one <- struct{}{}:
		defer func() { <-c.one }()
	case <-ctx.Done():
		return upload.Session{}, serial, fault.Newf(fault.Unknown, "workflow.session", "%w", context.Cause(ctx))
	}
	if now, have := c.session(); have > serial {
		return now, have, nil
	}
	for {
		s, next, err := c.w.Ledger.RenewSession(ctx, c.id, c.n, serial, c.renewer.Renew)
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.now, c.serial = s, next
			return s, next, nil
		}
		if !errors.Is(err, state.ErrRenewing) || !c.mayWait(ctx) {
			return s, serial, err
		}
		// Another invocation renews. A turn that gave up for that would count as one without progress; the renewer's
		// lease ends, so this does.
		if c.w.PartRetry.Pause(ctx, fault.As(err).After) != nil {
			return s, serial, err
		}
	}
}

// mayWait says whether there is time for another's renewal before this function has to end.
func (c *credited) mayWait(ctx context.Context) bool {
	deadline, bounded := ctx.Deadline()
	return ctx.Err() == nil && (!bounded || deadline.Sub(c.w.Now()) >= c.w.Set.Margin)
}

// maxSessionRenewals is how often one call is repeated with other credentials: the first may be those that another part
// got a while ago, the second are new.
const maxSessionRenewals = 2

// with makes a call, and again with renewed credentials if the session's were the trouble. Credentials that are refused
// though they are new are no account's fault: no renewal of its token and no login would mend that.
func with[T any](ctx context.Context, c *credited, call func(upload.Session) (T, error)) (T, error) {
	s, serial := c.session()
	for n := 0; ; n++ {
		out, err := call(s)
		if !errors.Is(err, target.ErrSessionCredential) {
			return out, err
		}
		if n == maxSessionRenewals {
			f := *fault.As(fault.Wrap("workflow.session", err))
			f.Kind, f.Actor, f.Action = fault.Unknown, fault.ActorPlatform, "It is tried again; if it stays so, the storage refuses what the platform gives out."
			return out, &f
		}
		var rerr error
		if s, serial, rerr = c.renew(ctx, serial); rerr != nil {
			return out, rerr
		}
	}
}

// UploadPart sends a part; its reader is opened anew for a second try.
func (c *credited) UploadPart(ctx context.Context, _ upload.Session, p target.Part) (upload.Receipt, error) {
	return with(ctx, c, func(s upload.Session) (upload.Receipt, error) { return c.Target.UploadPart(ctx, s, p) })
}

// Complete completes; credentials that are refused have had no effect.
func (c *credited) Complete(ctx context.Context, _ upload.Session, rs []upload.Receipt) (upload.Asset, error) {
	return with(ctx, c, func(s upload.Session) (upload.Asset, error) { return c.Target.Complete(ctx, s, rs) })
}

// Abort gives the session up.
func (c *credited) Abort(ctx context.Context, _ upload.Session) error {
	_, err := with(ctx, c, func(s upload.Session) (struct{}, error) { return struct{}{}, c.Target.Abort(ctx, s) })
	return err
}

// listParts asks for the receipts that the open session has; ok is false where the platform cannot tell.
func listParts(ctx context.Context, t target.Target, s upload.Session) (rs []upload.Receipt, ok bool, err error) {
	c, renews := t.(*credited)
	inner := t
	if renews {
		inner = c.Target
	}
	l, ok := inner.(target.PartLister)
	if !ok {
		return nil, false, nil
	}
	if renews {
		rs, err = with(ctx, c, func(s upload.Session) ([]upload.Receipt, error) { return l.ListParts(ctx, s) })
	} else {
		rs, err = l.ListParts(ctx, s)
	}
	return rs, true, err
}
