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

// lookWait is the time before the next look.
func (w *Workflow) lookWait(u *state.Upload) int {
	n := min(u.Counts.Looks, len(w.Set.Looks)-1)
	return max(1, seconds(w.Set.Looks[n]))
}

// Look asks the platform whether an intent without a result took effect (design 4.1). Before settle_at it may adopt,
// never deny. Its answers: found, permit, open, again, held.
func (w *Workflow) Look(ctx context.Context, in Step) (Result, error) {
	u, ok, err := w.begin(ctx, in, func(u *state.Upload) { u.Counts.Looks++; u.Counts.Passes++ })
	if err != nil || !ok {
		return Result{Next: superseded}, err
	}
	switch {
	case u.Post != nil:
		return Result{Next: "found"}, nil
	case u.Status.Terminal():
		return Result{Next: "held"}, nil
	case !u.OpenIntent(), w.spent(&u):
		return Result{Next: "open"}, nil
	}
	t, version, err := w.Targets.OpenTarget(ctx, u.Account)
	if err != nil {
		return w.lookFault(ctx, &u, withToken(err, version))
	}
	inspector, ok := t.(target.Inspector)
	if !ok {
		return w.unasked(ctx, &u, t)
	}
	at := w.Now() // an answer is as old as its question: one that was asked before settle_at denies nothing
	found, err := w.inspect(ctx, &u, inspector)
	if err != nil {
		return w.lookFault(ctx, &u, withToken(err, version))
	}
	found.Posts = w.toldPosts(ctx, &u, t, found.Posts)
	return w.judge(ctx, &u, found, at)
}

// unasked decides for a platform that cannot be asked what became of an intent: a post that a callback named for this very
// hand-over, and that the platform confirms, is ours; else there is nothing to do before settle_at, and a person decides then.
func (w *Workflow) unasked(ctx context.Context, u *state.Upload, t target.Target) (Result, error) {
	at := w.Now()
	if posts := w.toldPosts(ctx, u, t, nil); len(posts) > 0 {
		return w.judge(ctx, u, target.Finding{Posts: posts}, at)
	}
	r, err := w.undecided(ctx, u, state.Look{At: at, Error: "this platform cannot be asked"})
	if err == nil && r.Next == "again" {
		r.Wait = w.untilSettled(u)
	}
	return r, err
}

func (w *Workflow) inspect(ctx context.Context, u *state.Upload, i target.Inspector) (target.Finding, error) {
	v, err := w.video(ctx, u, u.Intent.Revision)
	if err != nil {
		return target.Finding{}, err
	}
	s, err := w.Ledger.Session(ctx, u.ID, u.Session)
	if err != nil {
		return target.Finding{}, err
	}
	a := target.Attempt{Video: v, Session: s, At: u.Intent.At, SendBy: u.Intent.SendBy}
	if u.Asset != nil {
		a.Asset = *u.Asset
	}
	return i.Inspect(ctx, a)
}

// judge applies design 4.1 to what was found.
func (w *Workflow) judge(ctx context.Context, u *state.Upload, found target.Finding, at time.Time) (Result, error) {
	var mine []upload.Post
	for _, p := range found.Posts {
		if p.ID == "" {
			continue
		}
		by, err := w.Ledger.PostClaimedBy(ctx, u.Account.Target(), p.ID)
		if err != nil {
			return Result{}, err
		}
		if by == "" || by == u.ID {
			mine = append(mine, p)
		}
	}
	look := state.Look{At: at, Candidates: mine, Denied: found.Denied && u.Asset != nil && u.Asset.ID == u.Intent.Asset}
	switch {
	case len(mine) == 1:
		return w.adopt(ctx, u, mine[0], look)
	case len(mine) > 1:
		return w.hold(ctx, u, look, fmt.Sprintf("%d posts match; a person has to say which one is ours", len(mine)))
	case look.Denied && !at.Before(u.Intent.SettleAt):
		return w.permit(ctx, u, look)
	}
	return w.undecided(ctx, u, look)
}

// adopt takes the one candidate as the upload's post.
func (w *Workflow) adopt(ctx context.Context, u *state.Upload, p upload.Post, look state.Look) (Result, error) {
	r, err := w.recordPost(ctx, u, p)
	if err != nil {
		return Result{}, err
	}
	if r.Next != posted { // claimed by another between our two reads: no match
		look.Candidates = nil
		return w.undecided(ctx, u, look)
	}
	w.note(ctx, u, "look", "the post was found at the platform: "+p.ID, nil)
	return Result{Next: "found"}, nil
}

// permit closes the intent after a denial about that very asset; the machine may publish it once more.
func (w *Workflow) permit(ctx context.Context, u *state.Upload, look state.Look) (Result, error) {
	u2, err := w.Ledger.CloseIntent(ctx, u.ID, u.Gen, u.Intent.Attempt, state.IntentDenied, func(u *state.Upload) error {
		u.Intent.AddLook(look)
		if u.Attempt > 1 { // publishing this asset has come to nothing twice: another one may do better
			u.DropSession()
			u.Reopened++
		}
		return u.To(upload.EvRefused, "denied")
	})
	if err != nil {
		return Result{}, err
	}
	w.note(ctx, &u2, "look", "the platform says that it was not published: one more permit", nil)
	if u2.Asset == nil {
		return Result{Next: "open"}, nil
	}
	return Result{Next: "permit"}, nil
}

// maxFailedLooks is how many looks in a row have to fail after settle_at before a person is asked: one bad gateway at the
// wrong moment is no answer.
const maxFailedLooks = 3

// failedLooks counts the looks in a row, up to the last, that could not look and came after settle_at.
func failedLooks(in *state.Intent) int {
	n := 0
	for i := len(in.Looks) - 1; i >= 0 && in.Looks[i].Failed && !in.Looks[i].At.Before(in.SettleAt); i-- {
		n++
	}
	return n
}

// undecided looks again, or holds once a look after settle_at has seen nothing, or several have failed: nobody can know
// then but a person.
func (w *Workflow) undecided(ctx context.Context, u *state.Upload, look state.Look) (Result, error) {
	switch {
	case look.At.Before(u.Intent.SettleAt):
	case !look.Failed:
		return w.hold(ctx, u, look, "the platform did not say whether it was published")
	case failedLooks(u.Intent)+1 >= maxFailedLooks:
		return w.hold(ctx, u, look, fmt.Sprintf("the platform could not be asked whether it was published, %d times in a row", maxFailedLooks))
	}
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		if u.Intent.AddLook(look); look.Error == "" {
			u.Counts.Renewals = 0
		}
		return nil
	})
	if err != nil {
		return Result{}, err
	}
	wait := w.lookWait(&changed)
	if rest := seconds(changed.Intent.SettleAt.Sub(w.Now())); rest > 0 && rest < wait {
		wait = rest
	}
	return Result{Next: "again", Wait: max(1, wait)}, nil
}

func (w *Workflow) hold(ctx context.Context, u *state.Upload, look state.Look, why string) (Result, error) {
	changed, err := w.Ledger.End(ctx, u.ID, u.Gen, upload.EvHeld, "unknown outcome", func(u *state.Upload) error {
		u.Intent.AddLook(look)
		u.Fault = &state.Fault{
			Step: "look", Kind: fault.Unknown.String(), Text: why + toldText(u.Intent), Actor: string(fault.ActorOperator), At: w.Now(),
			Action: resolveAction(u),
		}
		return nil
	})
	if err != nil {
		return Result{}, err
	}
	w.note(ctx, &changed, "look", "ALARM: held: "+why, nil)
	return Result{Next: "held"}, nil
}

// lookFault: a look that failed has seen nothing. A refused token is renewed by way of Open.
func (w *Workflow) lookFault(ctx context.Context, u *state.Upload, err error) (Result, error) {
	if errors.Is(err, state.ErrSuperseded) {
		return Result{Next: superseded}, nil
	}
	if isKind(err, fault.TokenExpired) && u.Counts.Renewals < maxRenewals && !deadRenewal(u.Fault) {
		return Result{Next: "open"}, w.stepFault(ctx, u, "look", err)
	}
	w.note(ctx, u, "look", "could not look", err)
	return w.undecided(ctx, u, state.Look{At: w.Now(), Failed: true, Error: w.faultOf("look", err).Text})
}

// Check asks whether the platform shows the post. Its answers: live, blocked, failed, later, open.
func (w *Workflow) Check(ctx context.Context, in Step) (Result, error) {
	called := false // by an event: the poll's rhythm is not touched by it
	u, ok, err := w.begin(ctx, in, func(u *state.Upload) {
		called = unasked(u)
		u.Asked = u.Events
		u.Counts.Passes++
		u.NextAt = time.Time{}
	})
	if err != nil || !ok {
		return Result{Next: superseded}, err
	}
	switch {
	case u.Status == upload.Published:
		return Result{Next: "live"}, nil
	case u.Status.Terminal(), w.spent(&u):
		return Result{Next: "failed"}, nil
	case u.Post == nil:
		return Result{Next: "open"}, nil
	}
	t, version, err := w.Targets.OpenTarget(ctx, u.Account)
	if err != nil {
		return w.checkFault(ctx, &u, withToken(err, version))
	}
	c, ok := t.(target.Checker)
	if !ok {
		return w.live(ctx, &u, target.Verdict{State: target.Live})
	}
	v, err := w.video(ctx, &u, u.Revision)
	if err != nil {
		return Result{}, err
	}
	verdict, err := c.Check(ctx, v, *u.Post)
	switch {
	case err != nil:
		return w.checkFault(ctx, &u, withToken(err, version))
	case verdict.State == target.Live:
		w.lostCallback(ctx, &u, t)
		return w.live(ctx, &u, verdict)
	case verdict.State == target.Blocked:
		w.lostCallback(ctx, &u, t)
		f := state.FaultOf("watch", &fault.Error{Kind: fault.Permanent, Op: "workflow.Check", Actor: fault.ActorOwner,
			Action: "look at the post at the platform: mend it or appeal there",
			Err:    fmt.Errorf("the platform blocked the post %s, or deleted it: %s", u.Post.ID, verdict.Reason)}, w.Now())
		_, err := w.endBy(ctx, &u, f)
		return Result{Next: "blocked"}, err
	}
	u.Counts.Renewals = 0
	if called && u.Counts.Polls > 0 {
		u.Counts.Polls--
	}
	return w.pollLater(ctx, &u)
}

func (w *Workflow) live(ctx context.Context, u *state.Upload, v target.Verdict) (Result, error) {
	changed, err := w.Ledger.End(ctx, u.ID, u.Gen, upload.EvLive, "", func(u *state.Upload) error {
		if v.URL != "" && u.Post.URL == "" {
			u.Post.URL = v.URL
		}
		u.Fault = nil
		u.Advanced()
		return nil
	})
	if err == nil {
		w.note(ctx, &changed, "watch", "live", nil)
	}
	return Result{Next: "live"}, err
}

// pollLater sets the time of the next poll: 30 s doubling to 30 min.
func (w *Workflow) pollLater(ctx context.Context, u *state.Upload) (Result, error) {
	renewals, polls := u.Counts.Renewals, u.Counts.Polls
	_, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		u.Counts.Renewals, u.Counts.Polls = renewals, polls
		d := w.Set.PollFirst
		for range u.Counts.Polls {
			if d = d * 2; d >= w.Set.PollMost {
				d = w.Set.PollMost
				break
			}
		}
		u.Counts.Polls++
		u.NextAt = w.Now().Add(d)
		return nil
	})
	return Result{Next: "later"}, err
}

// checkFault: the post is known, so nothing here can fail the upload; it is asked again later, by way of a renewal or a
// login where the token is why.
func (w *Workflow) checkFault(ctx context.Context, u *state.Upload, err error) (Result, error) {
	switch {
	case u.Handed != nil && (errors.Is(err, target.ErrCapability) || isKind(err, fault.Permanent)):
		w.note(ctx, u, "watch", "the app may not ask about what a person published", err)
		return w.live(ctx, u, target.Verdict{State: target.Live})
	case isKind(err, fault.TokenExpired) && u.Counts.Renewals < maxRenewals:
		return Result{Next: "open"}, w.stepFault(ctx, u, "watch", err)
	case isKind(err, fault.TokenExpired), isKind(err, fault.CredentialsExpired):
		w.note(ctx, u, "watch", "could not ask", err)
		f := w.faultOf("watch", err)
		f.Kind = fault.CredentialsExpired.String()
		_, eerr := w.endBy(ctx, u, f)
		return Result{Next: "failed"}, ignoreSuperseded(eerr)
	}
	w.note(ctx, u, "watch", "could not ask", err)
	return w.pollLater(ctx, u)
}
