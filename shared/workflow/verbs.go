package workflow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// refuse is a verb's no, with what to do instead.
func refuse(op, format string, args ...any) error {
	return &fault.Error{Kind: fault.Invalid, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator, Err: fmt.Errorf(format+": %w", append(args, state.ErrRefused)...)}
}

// restart is the one verb behind retry, resume, log in again and a mended manifest: next generation, start again.
func (w *Workflow) restart(ctx context.Context, u *state.Upload) error {
	next, err := w.Ledger.Advance(ctx, u.ID, u.Gen, w.Now(), func(u *state.Upload) error {
		return w.revive(u)
	})
	if err != nil {
		return err
	}
	*u = next
	w.wakeSlots(ctx)
	if err := w.wake(ctx, u.ID); err != nil { // the superseded execution ends when it is woken
		w.Log.Warn("park not woken", "upload", u.ID, "error", err.Error())
	}
	return w.start(ctx, u)
}

// revive takes an upload out of whatever ended it, and makes it due: whoever writes this need not live to start the next
// generation, the sweep does.
func (w *Workflow) revive(u *state.Upload) error {
	if err := u.To(upload.EvRestart, ""); err != nil {
		return err
	}
	u.Barren, u.Reopened, u.Completes, u.SpentTimes, u.Fault, u.Ended = 0, 0, 0, 0, nil, time.Time{}
	u.Settled, u.Due = false, w.Now()
	return nil
}

// Cancel stops an upload for good, until the intent is recorded; then it is refused with what to do (design 4.3).
func (w *Workflow) Cancel(ctx context.Context, id string) (state.Upload, error) {
	const op = "workflow.Cancel"
	done := false
	u, err := w.Ledger.Update(ctx, id, state.AnyGen, func(u *state.Upload) error {
		done = u.Status == upload.Cancelled
		switch {
		case u.Post != nil:
			return refuse(op, "upload %s is published as post %s; delete it at the platform", u.ID, u.Post.ID)
		case u.OpenIntent():
			return refuse(op, "upload %s is being published, or may be; wait for PUBLISHED or HELD, then delete it at the platform or resolve it", u.ID)
		case u.Cancel.IsZero():
			u.Cancel = w.Now()
		}
		if u.InHand() { // a person may still use the link: then its post is recorded all the same
			return w.revive(u)
		}
		return nil
	})
	if err != nil || done {
		return u, err
	}
	if u.Status == upload.Failed || u.Status == upload.NeedsLogin {
		if u, err = w.Ledger.End(ctx, id, u.Gen, upload.EvCancel, "", nil); err != nil {
			return u, err
		}
	}
	w.note(ctx, &u, "cancel", "cancelled by an operator", nil)
	next, err := w.Ledger.Advance(ctx, id, u.Gen, w.Now(), nil)
	if err != nil {
		return u, ignoreSuperseded(err)
	}
	if err := w.wake(ctx, id); err != nil {
		w.Log.Warn("park not woken", "upload", id, "error", err.Error())
	}
	return next, w.start(ctx, &next)
}

// Retry starts the next generation of an upload that ended without a post, or goes on at once with one that waits.
func (w *Workflow) Retry(ctx context.Context, id string) (state.Upload, error) {
	const op = "workflow.Retry"
	u, err := w.Ledger.Upload(ctx, id)
	if err != nil {
		return u, err
	}
	switch {
	case u.Status == upload.Published:
		return u, refuse(op, "upload %s is published as post %s", u.ID, u.Post.ID)
	case u.InHand():
		return u, refuse(op, "upload %s waits for a person who publishes it by hand; use: vodlift resolve %s --published POST, or --publish-again", u.ID, u.ID)
	case u.Status == upload.Held:
		return u, refuse(op, "upload %s is held, since its post may exist; use: vodlift resolve %s --published POST, or --publish-again", u.ID, u.ID)
	case u.Status == upload.Cancelled:
		return u, refuse(op, `upload %s is cancelled; drop the video again with "again": "<label>" in its manifest`, u.ID)
	case u.Post != nil && u.Status == upload.Failed:
		return u, refuse(op, "upload %s has post %s, which the platform blocked; edit it there", u.ID, u.Post.ID)
	}
	err = w.restart(ctx, &u)
	return u, err
}

// ResolvePublished says which post a held upload became.
func (w *Workflow) ResolvePublished(ctx context.Context, id, post string) (state.Upload, error) {
	const op = "workflow.Resolve"
	if post == "" || len(post) > 256 || strings.ContainsFunc(post, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }) {
		return state.Upload{}, fault.InvalidField(op, "post", "1 to 256 bytes without spaces", "not a post's id")
	}
	u, err := w.heldUpload(ctx, op, id)
	if err != nil {
		return u, err
	}
	if u.Post != nil && u.Post.ID != post {
		return u, refuse(op, "upload %s is known as post %s", id, u.Post.ID)
	}
	if u.Post == nil {
		p := upload.Post{ID: post, At: w.Now()}
		for _, c := range candidates(&u) {
			if c.ID == post {
				p = c
			}
		}
		if err := w.visible(ctx, op, &u, p); err != nil {
			return u, err
		}
		var claimed *state.ClaimedError
		u, err = w.Ledger.RecordPost(ctx, id, u.Gen, p, w.revive)
		if errors.As(err, &claimed) {
			return u, refuse(op, "post %s is that of %s", post, w.describe(ctx, claimed.By))
		}
		if err != nil {
			return u, err
		}
	}
	w.note(ctx, &u, "resolve", "an operator says: published as "+post, nil)
	err = w.restart(ctx, &u)
	return u, ignoreSuperseded(err) // the sweep may have been faster
}

// candidates are the posts that looks or callbacks named.
func candidates(u *state.Upload) []upload.Post {
	var out []upload.Post
	if u.Intent != nil {
		for _, l := range u.Intent.Looks {
			out = append(out, l.Candidates...)
		}
	}
	if u.Handed != nil {
		out = append(out, u.Handed.Told...)
	}
	return out
}

// visible asks the platform about the post that a person named: a mistyped id would stand for good. Where the platform
// cannot be asked, the person's word counts.
func (w *Workflow) visible(ctx context.Context, op string, u *state.Upload, p upload.Post) error {
	t, _, err := w.Targets.OpenTarget(ctx, u.Account)
	c, ok := t.(target.Checker)
	if err != nil || !ok {
		return nil
	}
	rev := u.Revision
	if u.Intent != nil {
		rev = u.Intent.Revision
	}
	v, err := w.video(ctx, u, rev)
	if err != nil {
		return err
	}
	verdict, err := c.Check(ctx, v, p)
	if err != nil {
		w.note(ctx, u, "resolve", "the platform could not be asked about "+p.ID, err)
		return nil
	}
	if verdict.State == target.Later {
		return refuse(op, "the platform does not show a post %s in the account %s (yet); copy its id from the account's own page, or try again when it is shown there", p.ID, u.Account)
	}
	return nil
}

// ResolvePublishAgain says that a held upload was not published. Refused before settle_at: until then the lost call may
// still take effect (design 4.1).
func (w *Workflow) ResolvePublishAgain(ctx context.Context, id string) (state.Upload, error) {
	const op = "workflow.Resolve"
	u, err := w.heldUpload(ctx, op, id)
	if err != nil {
		return u, err
	}
	if u.InHand() {
		return w.againByApp(ctx, op, &u)
	}
	if u.Intent == nil || u.Post != nil {
		return u, refuse(op, "upload %s has a post", id)
	}
	if w.Now().Before(u.Intent.SettleAt) {
		return u, refuse(op, "until %s the first attempt may still take effect", u.Intent.SettleAt.UTC().Format(time.RFC3339))
	}
	u, err = w.Ledger.CloseIntent(ctx, id, u.Gen, u.Intent.Attempt, state.IntentWaived, func(u *state.Upload) error {
		u.DropSession() // the asset may be spent
		return w.revive(u)
	})
	if err != nil {
		return u, err
	}
	w.note(ctx, &u, "resolve", "an operator says: not published, publish again", nil)
	err = w.restart(ctx, &u)
	return u, ignoreSuperseded(err) // the sweep may have been faster
}

func (w *Workflow) heldUpload(ctx context.Context, op, id string) (state.Upload, error) {
	u, err := w.Ledger.Upload(ctx, id)
	if err != nil {
		return u, err
	}
	if u.Status != upload.Held {
		return u, refuse(op, "upload %s is %s, not held", id, u.Status)
	}
	return u, nil
}

// LoggedIn goes on with the uploads of an account that waited for a login, and gives their number. One that fails does not
// keep the others.
func (w *Workflow) LoggedIn(ctx context.Context, a upload.Account) (int, error) {
	us, err := w.Ledger.ByStatus(ctx, a, upload.NeedsLogin, 10_000)
	if err != nil {
		return 0, err
	}
	n := 0
	var errs []error
	for i := range us {
		err := w.restart(ctx, &us[i])
		if errors.Is(err, state.ErrSuperseded) {
			continue // somebody else goes on with it
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("upload %s: %w", us[i].ID, err))
			continue
		}
		n++
	}
	return n, errors.Join(errs...)
}
