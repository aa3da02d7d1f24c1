package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// The answers of Publish (design 2).
const (
	posted  = "posted"
	early   = "early" // moved, paced, paused, quota, or nothing to publish: Open knows
	renewIt = "renew"
	unknown = "unknown"
	refused = "refused"
)

// Publish makes the asset public, once (design 4.1): the intent is in the ledger before the call, a second invocation
// that finds an open intent does not call, and an answer that is not plain leaves the intent open for Look.
func (w *Workflow) Publish(ctx context.Context, in Step) (Result, error) {
	u, ok, err := w.begin(ctx, in, func(*state.Upload) {})
	if err != nil || !ok {
		return Result{Next: superseded}, err
	}
	switch {
	case u.Post != nil:
		return Result{Next: posted}, nil
	case u.OpenIntent():
		return Result{Next: unknown}, nil
	case u.Status.Terminal():
		return Result{Next: refused}, nil
	}
	p, word, err := w.ready(ctx, &u)
	if err != nil || word != "" {
		return Result{Next: word}, err
	}
	return w.send(ctx, &u, p)
}

// permit is everything that the one call needs.
type permit struct {
	target  target.Target
	version int64
	video   upload.Video
	session upload.Session
	intent  state.Intent
	made    time.Time // with the monotonic clock
	window  time.Duration
}

// ready looks at all that may forbid a publish now, and makes the permit without recording it.
func (w *Workflow) ready(ctx context.Context, u *state.Upload) (*permit, string, error) {
	if !u.Cancel.IsZero() || u.Asset == nil || u.CRC64 == "" || !u.Asset.Expires.IsZero() && !w.Now().Before(u.Asset.Expires) {
		return nil, early, nil
	}
	at, ok, err := w.sendAt(ctx, u)
	if err != nil || !ok {
		return nil, early, ignoreSuperseded(err)
	}
	t, version, err := w.Targets.OpenTarget(ctx, u.Account)
	if err != nil {
		return nil, w.afterOpenFault(err), w.stepFault(ctx, u, "publish", withToken(err, version))
	}
	v, err := w.video(ctx, u, u.Revision)
	if err != nil {
		return nil, "", err
	}
	if u.Live && u.InitHash != initHash(t, v) {
		return nil, early, nil
	}
	s, err := w.Ledger.Session(ctx, u.ID, u.Session)
	if err != nil {
		return nil, "", err
	}
	if target.CoverDue(v, s) {
		return nil, early, nil
	}
	id, err := w.newID()
	if err != nil {
		return nil, "", err
	}
	if !w.onTime(ctx, at) { // everything else is at hand
		return nil, early, nil
	}
	now := w.Now()
	window := w.Set.SendWindow
	if d, ok := ctx.Deadline(); ok {
		window = min(window, d.Sub(now)-5*time.Second)
	}
	if window <= 0 {
		return nil, early, nil
	}
	sendBy := now.Add(window)
	in := state.Intent{WriteID: id, At: now, SendBy: sendBy, SettleAt: sendBy.Add(w.Set.AnswerLimit + w.lag(u.Account.Target())), Asset: u.Asset.ID}
	return &permit{target: t, version: version, video: v, session: s, intent: in, made: now, window: window}, "", nil
}

// afterOpenFault: nothing was sent, so the ledger's fault decides at Open.
func (w *Workflow) afterOpenFault(err error) string {
	if isKind(err, fault.TokenExpired) {
		return renewIt
	}
	return early
}

func (w *Workflow) lag(target string) time.Duration {
	if d, ok := w.Set.SettleLag[target]; ok {
		return d
	}
	return w.Set.SettleRest
}

// send records the intent, looks at both clocks once more, and makes the one call.
func (w *Workflow) send(ctx context.Context, u *state.Upload, p *permit) (Result, error) {
	rev := u.Revision
	changed, err := w.Ledger.RecordIntent(ctx, u.ID, u.Gen, p.intent, func(u *state.Upload) error {
		if u.Revision != rev {
			return fault.Newf(fault.Retryable, "workflow.Publish", "the manifest was changed meanwhile")
		}
		return nil
	})
	if err != nil {
		return w.noPermit(ctx, u, err)
	}
	*u = changed
	if changed.Intent.WriteID != p.intent.WriteID {
		return Result{Next: unknown}, nil
	}
	attempt := changed.Intent.Attempt
	w.note(ctx, u, "publish", fmt.Sprintf("intent %d recorded", attempt), nil)
	// Both clocks: the monotonic one cannot jump, the wall clock sees a machine that slept (design 4.1).
	now := w.Now()
	if now.Sub(p.made) >= p.window || !now.Round(0).Before(p.intent.SendBy.Round(0)) {
		return w.notSent(ctx, u, attempt, "the permit's time was over before the request was begun")
	}
	call, cancel := context.WithTimeout(ctx, p.intent.SendBy.Sub(now))
	post, err := p.target.Publish(call, p.video, p.session, *u.Asset)
	cancel()
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if err != nil {
		return w.publishFault(keep, u, attempt, withToken(err, p.version))
	}
	if post.ID == "" {
		return w.publishFault(keep, u, attempt, fault.New(fault.Unknown, "workflow.Publish", "the platform's answer names no post"))
	}
	return w.recordPost(keep, u, post)
}

// noPermit turns a refused intent into the step's answer: nothing was sent.
func (w *Workflow) noPermit(ctx context.Context, u *state.Upload, err error) (Result, error) {
	var claimed *state.ClaimedError
	switch {
	case errors.Is(err, state.ErrSuperseded):
		return Result{Next: superseded}, nil
	case errors.As(err, &claimed):
		f := state.FaultOf("publish", &fault.Error{
			Kind: fault.Invalid, Op: "workflow.Publish", Field: "source", Rule: "the same content once per account", Actor: fault.ActorOwner,
			Action: `nothing, or set "again": "<label>" in the manifest to post it a second time`,
			Err:    fmt.Errorf("the same content is already published, or about to be, by %s", w.describe(ctx, claimed.By)),
		}, w.Now())
		_, err := w.Ledger.End(ctx, u.ID, u.Gen, upload.EvFailed, "duplicate", func(u *state.Upload) error { u.Fault = f; return nil })
		return Result{Next: refused}, err
	case errors.Is(err, state.ErrBusyAccount):
		return w.behind(ctx, u, min(fault.As(err).After, w.Set.RetryPark))
	case errors.Is(err, state.ErrPaused), errors.Is(err, state.ErrPaced), errors.Is(err, state.ErrRefused), isKind(err, fault.Retryable):
		return Result{Next: early}, nil
	}
	// The transaction's answer is lost, or an intent stands: the ledger is read again by Look.
	return Result{Next: unknown}, nil
}

// describe names an upload for people: account, source and post.
func (w *Workflow) describe(ctx context.Context, id string) string {
	u, err := w.Ledger.Upload(ctx, id)
	if err != nil {
		return "upload " + id
	}
	s := fmt.Sprintf("upload %s of %s/%s to %s", id, u.Source.Bucket, u.Source.Key, u.Account)
	if u.Post != nil {
		s += " (post " + u.Post.ID + ")"
	}
	return s
}

// behind lets Open park this upload's publish for a while, and says why: another upload of the account has an intent
// without an answer.
func (w *Workflow) behind(ctx context.Context, u *state.Upload, d time.Duration) (Result, error) {
	first := u.Reason != whyBusy
	until := w.Now().Add(max(d, time.Second))
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		u.NotBefore = until
		return u.To(upload.EvWait, whyBusy)
	})
	if errors.Is(err, state.ErrSuperseded) {
		return Result{Next: superseded}, nil
	}
	if err == nil && first {
		w.note(ctx, &changed, "publish", "waits: another upload of "+string(u.Account)+" is being published and has no answer yet", nil)
	}
	return Result{Next: early}, err
}

// notSent closes the intent: not a byte of the request was written.
func (w *Workflow) notSent(ctx context.Context, u *state.Upload, attempt int, why string) (Result, error) {
	w.note(ctx, u, "publish", why, nil)
	_, err := w.Ledger.CloseIntent(ctx, u.ID, u.Gen, attempt, state.IntentRefused, func(u *state.Upload) error {
		return u.To(upload.EvRefused, "permit")
	})
	return Result{Next: early}, ignoreSuperseded(err)
}

// recordPost writes the post down. Until that is done it is not true for us: a failure here leads to Look.
func (w *Workflow) recordPost(ctx context.Context, u *state.Upload, post upload.Post) (Result, error) {
	if post.At.IsZero() {
		post.At = w.Now()
	}
	checks := w.checks(ctx, u.Account)
	gen := u.Gen
	record := func(u *state.Upload) error {
		if u.Fault = nil; u.Settled { // a late answer: its generation has ended, so the sweep starts the next
			u.Settled, u.Due = false, w.Now()
		}
		if checks {
			return nil
		}
		u.Ended = w.Now()
		return u.To(upload.EvLive, "")
	}
	changed, err := w.Ledger.RecordPost(ctx, u.ID, gen, post, record)
	if errors.Is(err, state.ErrSuperseded) {
		// A later generation took over while the call was under way. The answer is a fact all the same.
		changed, err = w.Ledger.RecordPost(ctx, u.ID, state.AnyGen, post, record)
	}
	if errors.Is(err, state.ErrClaimed) {
		w.note(ctx, u, "publish", "ALARM: the platform answered with a post that belongs to another upload", err)
		return Result{Next: unknown}, nil
	}
	if err != nil {
		w.note(ctx, u, "publish", "ALARM: posted as "+post.ID+", but the ledger could not be written", err)
		return Result{}, fault.Wrap("workflow.Publish", err)
	}
	*u = changed
	if changed.Post.ID != post.ID {
		w.metric(ctx, "extra_posts", "Count", 1)
		w.note(ctx, u, "publish", "ALARM: a late answer names a further post "+post.ID+" beside "+changed.Post.ID, nil)
	} else {
		w.note(ctx, u, "publish", "posted as "+post.ID, nil)
	}
	return Result{Next: posted}, nil
}

// checks says whether the account's platform can be asked if the post is live.
func (w *Workflow) checks(ctx context.Context, a upload.Account) bool {
	t, _, err := w.Targets.OpenTarget(ctx, a)
	if err != nil {
		return true // cannot tell: Watch finds out
	}
	_, ok := t.(target.Checker)
	return ok
}

// publishFault decides what a failed call means: without proof that it had no effect the intent stays open.
func (w *Workflow) publishFault(ctx context.Context, u *state.Upload, attempt int, err error) (Result, error) {
	if fault.EffectOf(err) != fault.EffectNone {
		return Result{Next: unknown}, w.stepFault(ctx, u, "publish", err)
	}
	w.note(ctx, u, "publish", "refused, provably without effect", err)
	r := w.refusalOf(u, err)
	changed, uerr := w.Ledger.CloseIntent(ctx, u.ID, u.Gen, attempt, state.IntentRefused, r.apply)
	if errors.Is(uerr, state.ErrSuperseded) {
		// A later generation took over while the call was under way; that nothing happened is a fact for it as well.
		_, uerr = w.Ledger.CloseIntent(ctx, u.ID, state.AnyGen, attempt, state.IntentRefused, func(u *state.Upload) error {
			if u.Status != upload.Publishing {
				return fault.Newf(fault.Duplicate, "workflow.Publish", "%w", state.ErrSuperseded)
			}
			return r.apply(u)
		})
		return Result{Next: superseded}, ignoreSuperseded(uerr)
	}
	if uerr != nil {
		return Result{}, uerr
	}
	*u = changed
	switch {
	case r.ends:
		o, err := w.endBy(ctx, u, r.fault)
		if err == nil && o.Next != "end" { // it waits for a hand-over
			return Result{Next: early}, nil
		}
		return Result{Next: refused}, err
	case r.fault.Is(fault.TokenExpired):
		return Result{Next: renewIt}, nil
	}
	return Result{Next: early}, nil
}

// refusal is what a publish that provably had no effect means for the upload.
type refusal struct {
	fault     *state.Fault
	ends      bool
	quota     bool // of the account: nothing more of it before notBefore
	spent     bool // the asset serves no further create
	notBefore time.Time
	spentBy   string // the code that spoilt the asset, and how often in a row
	times     int
}

// maxSpent is how often one code may spoil the uploaded file, in a row: a digest that the platform never believes must not
// send the video for every session that an upload may open.
const maxSpent = 3

func (w *Workflow) refusalOf(u *state.Upload, err error) refusal {
	fe, kind := fault.As(err), fault.KindOf(err)
	r := refusal{fault: w.faultOf("publish", err)}
	if kind == fault.TokenExpired && u.Counts.Renewals >= maxRenewals {
		kind, r.fault.Kind = fault.CredentialsExpired, fault.CredentialsExpired.String()
	}
	r.ends = (kind == fault.Invalid || kind == fault.Permanent || kind == fault.CredentialsExpired) && !fe.Quota && !errors.Is(err, target.ErrAssetSpent)
	// On Douyin a video_id serves one create; only codes marked asset-kept leave it usable (design 4.1).
	r.spent = !fe.AssetKept
	if r.spent && !r.ends && errors.Is(err, target.ErrAssetSpent) && fe.Code != "" {
		if r.spentBy, r.times = r.fault.Code, 1; u.SpentBy == r.spentBy {
			r.times = u.SpentTimes + 1
		}
		if r.times >= maxSpent {
			r.ends = true
			r.fault.Text = fmt.Sprintf("the platform refused the uploaded file %d times with the same code: %s", r.times, r.fault.Text)
		}
	}
	if r.quota = fe.Quota; !r.ends && kind != fault.TokenExpired {
		r.notBefore = w.Now().Add(max(fe.After, w.Set.RetryPark))
	}
	return r
}

// apply writes a refusal into the upload, in the transaction that closes the intent.
func (r refusal) apply(u *state.Upload) error {
	u.Fault = r.fault
	if !r.notBefore.IsZero() {
		if u.NotBefore = r.notBefore; r.quota && u.Intent != nil {
			u.Intent.QuotaUntil = r.notBefore
		}
	}
	if r.fault.Is(fault.TokenExpired) {
		u.Renew = r.fault.Token
	}
	if r.spent {
		u.DropSession()
		u.SpentBy, u.SpentTimes = r.spentBy, r.times
		u.MD5, u.Hashing = "", nil // it may have been the digest that was wrong; the bytes are read again anyway
		if !r.ends {
			u.Reopened++
		}
	}
	return u.To(upload.EvRefused, "refused")
}
