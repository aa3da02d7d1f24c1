package workflow

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// account gives one object its reason. What the ledger does not know is recorded first; what could not be found out is
// not accounted for, with its error, and the walk goes on.
func (w *Workflow) account(ctx context.Context, o source.Object) Line {
	l := Line{Bucket: o.Bucket, Key: o.Key}
	var err error
	switch drop := manifest.DropOf(o.Key); drop {
	case manifest.DropVideo:
		err = w.accountVideo(ctx, o, &l)
	case manifest.DropSidecar:
		l.Reason = string(drop)
		err = w.accountSidecar(ctx, o)
	default:
		l.Reason = string(drop)
	}
	if err != nil {
		w.Log.Warn("an object is not accounted for", "bucket", o.Bucket, "key", o.Key, "error", err.Error())
		l.Reason, l.Text = WhyUnaccounted, state.FaultOf("books", err, w.Now()).Text
	}
	return l
}

func (w *Workflow) accountVideo(ctx context.Context, o source.Object, l *Line) error {
	src := upload.Source{Bucket: o.Bucket, Key: o.Key, ETag: o.ETag, Size: o.Size}
	l.Publication = upload.PublicationID(src)
	p, us, err := w.known(ctx, l.Publication)
	if err != nil {
		return err
	}
	if p.ID == "" || len(us) == 0 || len(us) < len(p.Uploads) {
		// Its event was lost, or that of its sidecar, or whoever took it died on the way: take it now.
		in, err := w.Ingest(ctx, o)
		if err != nil {
			return err
		}
		if in.Publication == "" {
			l.Publication = ""
			l.Reason = in.Reason
			if in.Reason == saysGone {
				l.Reason = WhyGone
			}
			return nil
		}
		l.Found, l.Publication = p.ID == "", in.Publication // replaced since it was listed, it is another one
		if p, us, err = w.known(ctx, in.Publication); err != nil {
			return err
		}
	}
	l.Reason, l.Text = reasonOf(p, us)
	return nil
}

// known reads a publication and its uploads; one without an id is not recorded.
func (w *Workflow) known(ctx context.Context, id string) (state.Publication, []state.Upload, error) {
	p, err := w.Ledger.Publication(ctx, id)
	if errors.Is(err, table.ErrNotFound) {
		return state.Publication{}, nil, nil
	}
	if err != nil {
		return p, nil, err
	}
	us, err := w.Ledger.Uploads(ctx, p.Uploads)
	return p, us, err
}

// accountSidecar takes a sidecar again while what it says can still count: the event of its last change may be lost.
func (w *Workflow) accountSidecar(ctx context.Context, o source.Object) error {
	video, ok := manifest.VideoKey(o.Key)
	if !ok {
		return nil
	}
	id, err := w.Ledger.ByObject(ctx, o.Bucket, video)
	if err != nil || id == "" {
		return err
	}
	_, us, err := w.known(ctx, id)
	if err != nil {
		return err
	}
	for i := range us {
		if u := &us[i]; !u.Public() && (!u.Status.Terminal() || u.Status == upload.Failed) {
			_, err := w.Ingest(ctx, o)
			return err
		}
	}
	return nil // without uploads its video takes it
}

// gravest is the order in which the uploads of one object give it its reason.
var gravest = []struct {
	status upload.Status
	reason string
}{
	{upload.Held, WhyHeld}, {upload.NeedsLogin, WhyNeedsLogin}, {upload.Failed, WhyFailed},
	{upload.Publishing, WhyUploading}, {upload.Processing, WhyUploading}, {upload.Completing, WhyUploading}, {upload.Uploading, WhyUploading},
	{upload.Waiting, WhyWaiting},
}

// reasonOf gives the one reason of a publication, and what there is to say beyond it.
func reasonOf(p state.Publication, us []state.Upload) (reason, text string) {
	if len(us) == 0 {
		switch {
		case p.Problem != nil:
			return WhyRefused, p.Problem.Text
		case p.Reason == "route":
			return WhyNoRoute, ""
		}
		return WhyNoManifest, ""
	}
	count := map[upload.Status]int{}
	var rest []string
	for i := range us {
		u := &us[i]
		if count[u.Status]++; u.Status != upload.Published {
			s := string(u.Account) + " " + strings.TrimSuffix(string(u.Status)+"("+u.Reason+")", "()")
			if u.Fault != nil && u.Status.Terminal() {
				s += ": " + u.Fault.Text
			}
			rest = append(rest, s)
		}
	}
	text = strings.Join(append([]string{fmt.Sprintf("published on %d of %d", count[upload.Published], len(us))}, rest...), "; ")
	for _, g := range gravest {
		if count[g.status] > 0 {
			return g.reason, text
		}
	}
	switch count[upload.Published] {
	case len(us):
		return WhyPublished, text
	case 0:
		return WhyCancelled, text
	}
	return WhyPartly, text
}
