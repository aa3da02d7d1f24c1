package workflow

import (
	"context"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// whyUnable is the reason of FAILED where the platform has not granted the app the ability.
const whyUnable = "capability"

// handsOver says whether a person may be asked to publish by hand for this account.
func (w *Workflow) handsOver(a upload.Account) bool {
	if on, ok := w.Set.Handover[string(a)]; ok {
		return on
	}
	return w.Set.Handover[a.Target()]
}

// unable ends an upload that the app may not publish: FAILED(capability) with what to apply for, or, where the account's
// setting allows it and the target can, HELD(hand-over) with a link for a person. Trouble on the way to the link is waited
// out; the next Open comes here again, by the same refusal.
func (w *Workflow) unable(ctx context.Context, u *state.Upload, f *state.Fault) (Opened, error) {
	if !w.handsOver(u.Account) {
		return w.end(ctx, u, upload.EvFailed, whyUnable, f)
	}
	h, version, err := w.share(ctx, u)
	switch {
	case err == nil:
	case isKind(err, fault.Invalid), isKind(err, fault.Permanent), isKind(err, fault.CredentialsExpired):
		w.note(ctx, u, "hand-over", "not possible", err)
		g := *f
		g.Text += "; it cannot be handed over to a person: " + state.FaultOf("hand-over", err, w.Now()).Text
		return w.end(ctx, u, upload.EvFailed, whyUnable, &g)
	default:
		return w.openFault(ctx, u, "hand-over", err, version)
	}
	g := *f
	g.Actor = string(fault.ActorOwner)
	g.Action = "publish it by hand with the link that is shown for it, and it ends by itself; or, once it is done: vodlift resolve " + u.ID + " --published POST. " + f.Action
	changed, err := w.Ledger.End(ctx, u.ID, u.Gen, upload.EvHeld, state.HandedText, func(u *state.Upload) error {
		u.Fault = &g
		u.Share(h)
		return nil
	})
	if err != nil {
		return Opened{}, err
	}
	*u = changed
	w.note(ctx, u, "hand-over", "the app may not publish; a person has a link to do it, until "+h.Expires.UTC().Format(time.RFC3339), nil)
	return next("end", 0), nil
}

// share makes a hand-over, links its id to the upload, and keeps its link sealed, in this order: nobody sees a link whose
// callback would be nobody's.
func (w *Workflow) share(ctx context.Context, u *state.Upload) (h target.Handed, version int64, err error) {
	const op = "workflow.share"
	t, version, err := w.Targets.OpenTarget(ctx, u.Account)
	if err != nil {
		return h, version, err
	}
	by, ok := t.(target.Handoverer)
	if !ok || w.Link == nil {
		return h, version, fault.New(fault.Permanent, op, "this platform knows no hand-over, or no link to the video can be made here")
	}
	v, err := w.video(ctx, u, u.Revision)
	if err != nil {
		return h, version, err
	}
	if u.Media == nil { // refused before the first session was open
		m, err := w.preflight(ctx, u)
		if err != nil {
			return h, version, err
		}
		facts(&v, m)
	}
	h, err = by.Handover(ctx, v, func(ctx context.Context, life time.Duration) (string, error) {
		return w.Link(ctx, object(u.Source), v.ContentType, life)
	})
	if err != nil {
		return h, version, err
	}
	if h.ShareID == "" || h.Link == "" {
		return h, version, fault.New(fault.Unknown, op, "the platform's answer has no link or no share id")
	}
	holder, err := w.Ledger.LinkRemote(ctx, u.Account.Target(), h.ShareID, u.ID)
	if err == nil && holder != u.ID {
		err = fault.New(fault.Unknown, op, "the platform gave a share id that another upload has")
	}
	if err != nil {
		return h, version, err
	}
	return h, version, w.Ledger.PutLink(ctx, u.ID, h)
}

// HandoverLink gives the link with which a person publishes an upload that is HELD(hand-over), a new one where the last is
// out of time: a platform's lives an hour. It is a secret of those who may publish for the account.
func (w *Workflow) HandoverLink(ctx context.Context, id string) (target.Handed, error) {
	const op = "workflow.HandoverLink"
	u, err := w.Ledger.Upload(ctx, id)
	if err != nil {
		return target.Handed{}, err
	}
	if !u.InHand() {
		return target.Handed{}, refuse(op, "upload %s is %s and in nobody's hand", id, u.Status)
	}
	if h, err := w.Ledger.Link(ctx, id); err != nil || h.Link != "" && w.Now().Add(time.Minute).Before(h.Expires) {
		return h, err
	}
	h, _, err := w.share(ctx, &u)
	if err != nil {
		return target.Handed{}, fault.Wrap(op, err)
	}
	changed, err := w.Ledger.Update(ctx, id, u.Gen, func(u *state.Upload) error { u.Share(h); return nil })
	if err == nil {
		w.note(ctx, &changed, "hand-over", "a new link, until "+h.Expires.UTC().Format(time.RFC3339), nil)
	}
	return h, err
}

// handedToAnother tells whether a callback says that somebody else than the account's user published by the link. Such a
// post stands under another name: to take it for ours would be a false PUBLISHED.
func (w *Workflow) handedToAnother(ctx context.Context, u *state.Upload, e callback.Event, by string) (bool, error) {
	if w.Subject == nil || u.Handed == nil || e.Type != "create_video" || !slices.Contains(u.Handed.Shares, by) {
		return false, nil
	}
	own, err := w.Subject(ctx, u.Account)
	return own != "" && e.Fields.OpenID != own, err
}

// hearHanded notes the post that a callback names beside the exact id of a hand-over.
func hearHanded(u *state.Upload, h state.Heard, by string, now time.Time) {
	if u.Handed != nil && h.Type == "create_video" && slices.Contains(u.Handed.Shares, by) {
		u.TellHanded(h.Remotes, by, now)
	}
}

// closeHanded records the posts that a person made by hand. The platform signs the whole of such a callback, and only it and
// the person know the id. Whatever the upload has become meanwhile, the post is a fact; a second one is announced as one
// too many. The sweep starts the generation that watches it.
func (w *Workflow) closeHanded(ctx context.Context, u *state.Upload) error {
	if u.Handed == nil {
		return nil
	}
	for _, p := range u.Handed.Told {
		if known(u, p.ID) {
			continue
		}
		r, err := w.recordPost(ctx, u, p)
		if err != nil {
			return err
		}
		if r.Next == posted {
			w.note(ctx, u, "hand-over", "published by hand as "+p.ID, nil)
		}
	}
	return nil
}

func known(u *state.Upload, post string) bool {
	return u.Post != nil && u.Post.ID == post || slices.ContainsFunc(u.Extra, func(p upload.Post) bool { return p.ID == post })
}

// againByApp takes an upload out of a person's hand: the next generation tries by itself. While the link works the person
// may still use it.
func (w *Workflow) againByApp(ctx context.Context, op string, u *state.Upload) (state.Upload, error) {
	if w.Now().Before(u.Handed.Expires) {
		return *u, refuse(op, "until %s the link may still be used to publish it", u.Handed.Expires.UTC().Format(time.RFC3339))
	}
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		if !u.InHand() {
			return refuse(op, "upload %s is %s now", u.ID, u.Status)
		}
		return w.revive(u)
	})
	if err != nil {
		return changed, err
	}
	w.note(ctx, &changed, "resolve", "an operator says: not published by hand, publish again", nil)
	err = w.restart(ctx, &changed)
	return changed, ignoreSuperseded(err)
}
