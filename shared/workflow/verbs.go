package workflow

import (
	"context"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

// refuse is a verb's no, with what to do instead.
func refuse(op, format string, args ...any) error {
	return &fault.Error{Kind: fault.Invalid, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator, Err: fmt.Errorf(format+": %w", append(args, state.ErrRefused)...)}
}

// restart is the one verb behind retry, resume, log in again and a mended manifest: next generation, start again.
func (w *Workflow) restart(ctx context.Context, u *state.Upload, fn func(*state.Upload) error) error {
	next, err := w.Ledger.Advance(ctx, u.ID, u.Gen, w.Now(), func(u *state.Upload) error {
		if u.Status != upload.Cancelled {
			if err := u.To(upload.EvRestart, ""); err != nil {
				return err
			}
			u.Barren, u.Reopened, u.Fault, u.Ended = 0, 0, nil, time.Time{}
		}
		if fn == nil {
			return nil
		}
		return fn(u)
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

// Cancel stops an upload for good, until the intent is recorded; then it is refused with what to do (design 4.3).
func (w *Workflow) Cancel(ctx context.Context, id string) (state.Upload, error) {
	const op = "workflow.Cancel"
	u, err := w.Ledger.Update(ctx, id, state.AnyGen, func(u *state.Upload) error {
		switch {
		case u.Post != nil:
			return refuse(op, "upload %s is published as post %s; delete it at the platform", u.ID, u.Post.ID)
		case u.OpenIntent():
			return refuse(op, "upload %s is being published, or may be; wait for PUBLISHED or HELD, then delete it at the platform or resolve it", u.ID)
		case u.Cancel.IsZero():
			u.Cancel = w.Now()
		}
		return nil
	})
	if err != nil {
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
	case u.Status == upload.Held:
		return u, refuse(op, "upload %s is held, since its post may exist; use: vodlift resolve %s --published POST, or --publish-again", u.ID, u.ID)
	case u.Status == upload.Cancelled:
		return u, refuse(op, `upload %s is cancelled; drop the video again with "again": "<label>" in its manifest`, u.ID)
	case u.Post != nil && u.Status == upload.Failed:
		return u, refuse(op, "upload %s has post %s, which the platform blocked; edit it there", u.ID, u.Post.ID)
	}
	err = w.restart(ctx, &u, nil)
	return u, err
}

// ResolvePublished says which post a held upload became.
func (w *Workflow) ResolvePublished(ctx context.Context, id, post string) (state.Upload, error) {
	const op = "workflow.Resolve"
	if post == "" || len(post) > 256 {
		return state.Upload{}, fault.InvalidField(op, "post", "1 to 256 bytes", "not a post's id")
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
		for _, l := range u.Intent.Looks {
			for _, c := range l.Candidates {
				if c.ID == post {
					p = c
				}
			}
		}
		if u, err = w.Ledger.RecordPost(ctx, id, u.Gen, p, func(*state.Upload) error { return nil }); err != nil {
			return u, err
		}
	}
	w.note(ctx, &u, "resolve", "an operator says: published as "+post, nil)
	err = w.restart(ctx, &u, nil)
	return u, err
}

// ResolvePublishAgain says that a held upload was not published. Refused before settle_at: until then the lost call may
// still take effect (design 4.1).
func (w *Workflow) ResolvePublishAgain(ctx context.Context, id string) (state.Upload, error) {
	const op = "workflow.Resolve"
	u, err := w.heldUpload(ctx, op, id)
	if err != nil {
		return u, err
	}
	if u.Intent == nil || u.Post != nil {
		return u, refuse(op, "upload %s has a post", id)
	}
	if w.Now().Before(u.Intent.SettleAt) {
		return u, refuse(op, "until %s the first attempt may still take effect", u.Intent.SettleAt.UTC().Format(time.RFC3339))
	}
	u, err = w.Ledger.CloseIntent(ctx, id, u.Gen, u.Intent.Attempt, state.IntentWaived, func(u *state.Upload) error {
		u.DropSession() // the asset may be spent
		return u.To(upload.EvRestart, "")
	})
	if err != nil {
		return u, err
	}
	w.note(ctx, &u, "resolve", "an operator says: not published, publish again", nil)
	err = w.restart(ctx, &u, nil)
	return u, err
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

// LoggedIn goes on with the uploads of an account that waited for a login.
func (w *Workflow) LoggedIn(ctx context.Context, a upload.Account) (int, error) {
	us, err := w.Ledger.ByStatus(ctx, a, upload.NeedsLogin, 10_000)
	if err != nil {
		return 0, err
	}
	for i := range us {
		if err := w.restart(ctx, &us[i], nil); err != nil {
			return i, err
		}
	}
	return len(us), nil
}

// HeldUploads lists what waits for a person, over all accounts of the routes.
func (w *Workflow) HeldUploads(ctx context.Context, limit int) ([]state.Upload, error) {
	var out []state.Upload
	for _, a := range w.Accounts() {
		us, err := w.Ledger.ByStatus(ctx, a, upload.Held, limit-len(out))
		if err != nil {
			return out, err
		}
		if out = append(out, us...); len(out) >= limit {
			break
		}
	}
	return out, nil
}

// Accounts lists every account that a route names, once.
func (w *Workflow) Accounts() []upload.Account {
	var out []upload.Account
	seen := map[upload.Account]bool{}
	for _, r := range w.Routes {
		for _, a := range r.Accounts {
			if !seen[a] {
				seen[a] = true
				out = append(out, a)
			}
		}
	}
	return out
}

// View is an upload with what only other records know.
type View struct {
	state.Upload
	Title    string              `json:"title"`
	Sent     int64               `json:"sent"`  // bytes with a receipt, in the present session
	Turns    int                 `json:"turns"` // invocations that carried parts
	Ranges   []state.RangeRecord `json:"ranges,omitempty"`
	Timeline []state.Event       `json:"timeline,omitempty"`
}

// PublicationView is a publication with its uploads.
type PublicationView struct {
	state.Publication
	Views []View `json:"views"`
}

// ViewPublication reads a publication and its uploads, with their timelines if asked for.
func (w *Workflow) ViewPublication(ctx context.Context, id string, timeline bool) (PublicationView, error) {
	p, err := w.Ledger.Publication(ctx, id)
	if err != nil {
		return PublicationView{}, err
	}
	out := PublicationView{Publication: p}
	title := ""
	if p.Revision > 0 {
		r, err := w.Ledger.Revision(ctx, id, p.Revision)
		if err != nil {
			return out, err
		}
		title = r.Manifest.Title
	}
	us, err := w.Ledger.Uploads(ctx, p.Uploads)
	if err != nil {
		return out, err
	}
	for _, u := range us {
		v, err := w.view(ctx, u, timeline)
		if err != nil {
			return out, err
		}
		v.Title = title
		out.Views = append(out.Views, v)
	}
	return out, nil
}

func (w *Workflow) view(ctx context.Context, u state.Upload, timeline bool) (View, error) {
	v := View{Upload: u}
	var err error
	switch {
	case u.Asset != nil || u.Post != nil:
		v.Sent = u.Source.Size
	case u.Live && u.Plan != nil:
		rs, rerr := w.Ledger.Receipts(ctx, u.ID, u.Session, 1, u.Plan.Parts)
		if rerr != nil {
			return v, rerr
		}
		for _, r := range rs {
			v.Sent += r.Size
		}
	}
	if u.Session > 0 {
		if v.Ranges, err = w.Ledger.Ranges(ctx, u.ID, u.Session); err != nil {
			return v, err
		}
		for _, r := range v.Ranges {
			v.Turns += r.Turns
		}
	}
	if timeline {
		v.Timeline, err = w.Ledger.Timeline(ctx, u.ID, 0)
	}
	return v, err
}

// ViewByUpload finds the publication of an upload and views it.
func (w *Workflow) ViewByUpload(ctx context.Context, id string, timeline bool) (PublicationView, error) {
	u, err := w.Ledger.Upload(ctx, id)
	if err != nil {
		return PublicationView{}, err
	}
	return w.ViewPublication(ctx, u.Publication, timeline)
}

// Recent views the publications of the last days, oldest first.
func (w *Workflow) Recent(ctx context.Context, days, limit int) ([]PublicationView, error) {
	ps, err := w.Ledger.Publications(ctx, w.Now().AddDate(0, 0, -days), limit)
	if err != nil {
		return nil, err
	}
	out := make([]PublicationView, 0, len(ps))
	for _, p := range ps {
		v, err := w.ViewPublication(ctx, p.ID, false)
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}
