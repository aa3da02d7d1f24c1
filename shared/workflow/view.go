package workflow

import (
	"context"

	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

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
	titles := map[int]string{}
	us, err := w.Ledger.Uploads(ctx, p.Uploads)
	if err != nil {
		return out, err
	}
	for _, u := range us {
		v, err := w.view(ctx, u, timeline)
		if err != nil {
			return out, err
		}
		rev := u.Revision
		if u.Intent != nil && u.Public() { // what is, or may be, public has the title of its own time
			rev = u.Intent.Revision
		}
		if _, known := titles[rev]; !known {
			r, err := w.Ledger.Revision(ctx, id, rev)
			if err != nil {
				return out, err
			}
			titles[rev] = r.Manifest.Title
		}
		v.Title = titles[rev]
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
