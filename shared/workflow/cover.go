package workflow

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/media"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

const (
	whyCover = "cover"
	// coverWait is how long a new publication waits for a picture that its manifest names and that is not there yet.
	coverWait = 10 * time.Minute
	// coverLease is how long sending a picture may take before another invocation may try.
	coverLease = 3 * time.Minute
)

// pin looks at the picture that a manifest names: it shares bucket and prefix with its video (design 4.8), is a picture by
// its bytes, and is from now on known by its ETag. nil where the manifest names none.
func (w *Workflow) pin(ctx context.Context, p state.Publication, route manifest.Route, m manifest.Manifest) (*state.Cover, error) {
	const op = "workflow.pin"
	if m.Cover == nil || m.Cover.Key == "" {
		return nil, nil
	}
	key := m.Cover.Key
	if !strings.HasPrefix(key, route.Prefix) {
		return nil, fault.InvalidField(op, "cover.key", "under "+route.Prefix, "a picture shares its prefix with its video")
	}
	info, err := w.Source.Stat(ctx, source.Object{Bucket: p.Source.Bucket, Key: key})
	if errors.Is(err, source.ErrNotFound) {
		f := fault.InvalidField(op, "cover.key", "an object of the bucket", "there is no such picture")
		f.Err = source.ErrNotFound
		return nil, f
	}
	if err != nil {
		return nil, err
	}
	c := state.Cover{ETag: info.ETag, VersionID: info.VersionID, Picture: upload.Picture{Key: key, Size: info.Size}}
	probe, err := media.ProbePicture(ctx, w.coverRange(ctx, p.Source.Bucket, &c), info.Size)
	if err != nil {
		return nil, err
	}
	c.Picture.ContentType, c.Picture.Width, c.Picture.Height = probe.ContentType, probe.Width, probe.Height
	c.Picture.Ref = upload.PictureRef(p.Source.Bucket, key, info.ETag, info.Size)
	return &c, nil
}

// coverObject is the picture as the source package names it: pinned.
func coverObject(bucket string, c *state.Cover) source.Object {
	return source.Object{Bucket: bucket, Key: c.Picture.Key, ETag: c.ETag, Size: c.Picture.Size, VersionID: c.VersionID}
}

func (w *Workflow) coverRange(ctx context.Context, bucket string, c *state.Cover) func(offset, size int64) (io.ReadCloser, error) {
	return func(offset, size int64) (io.ReadCloser, error) {
		return w.Source.Open(ctx, coverObject(bucket, c), offset, size)
	}
}

// coverOf is the wish for a cover as targets are told of it.
func coverOf(m manifest.Manifest, c *state.Cover) *upload.Cover {
	switch {
	case m.Cover == nil:
		return nil
	case m.Cover.At != nil:
		at := *m.Cover.At
		return &upload.Cover{At: &at}
	case c == nil:
		return &upload.Cover{Picture: &upload.Picture{Key: m.Cover.Key}}
	}
	p := c.Picture
	return &upload.Cover{Picture: &p}
}

// checkCover refuses a cover that one of the manifest's targets cannot take.
func (w *Workflow) checkCover(ctx context.Context, m manifest.Manifest, c *state.Cover) error {
	const op = "workflow.check"
	v := upload.Video{Cover: coverOf(m, c)}
	if v.Cover == nil {
		return nil
	}
	for _, a := range m.To {
		t := w.plain(ctx, a)
		if t == nil {
			continue // its adapter refuses it at Init
		}
		forms := target.CoverFormsOf(t)
		if err := forms.Check(op, a.Target(), v); err != nil {
			return err
		}
		if v.Cover.Picture != nil && forms.Link && w.Link == nil {
			return fault.InvalidField(op, "cover.key", "cover.at, or no cover", a.Target()+" fetches pictures by a link, and none can be made here")
		}
	}
	return nil
}

// plain is the account's target for what is pure; nil where it is not known.
func (w *Workflow) plain(ctx context.Context, a upload.Account) any {
	if w.Plain != nil {
		return w.Plain(a)
	}
	t, _, err := w.Targets.OpenTarget(ctx, a)
	if err != nil {
		return nil
	}
	return t
}

// linkCover gives a target that fetches pictures itself the address of this one, before Init.
func (w *Workflow) linkCover(ctx context.Context, u *state.Upload, t target.Target, v *upload.Video) error {
	if v.Cover == nil || v.Cover.Picture == nil || !target.CoverFormsOf(t).Link {
		return nil
	}
	if w.Link == nil {
		return fault.InvalidField("workflow.linkCover", "cover.key", "cover.at, or no cover", "no link to the picture can be made here")
	}
	c, err := w.pinned(ctx, u)
	if err != nil {
		return err
	}
	p := *v.Cover.Picture
	if p.Link, err = w.Link(ctx, coverObject(u.Source.Bucket, c), p.ContentType, coverLinkLife); err != nil {
		return err
	}
	v.Cover = &upload.Cover{Picture: &p}
	return nil
}

// coverLinkLife is how long a platform may take to fetch a picture: it may do so when the video is there, not before.
const coverLinkLife = 24 * time.Hour

// pinned is the picture of the upload's revision.
func (w *Workflow) pinned(ctx context.Context, u *state.Upload) (*state.Cover, error) {
	r, err := w.Ledger.Revision(ctx, u.Publication, u.Revision)
	if err == nil && r.Cover == nil {
		err = fault.InvalidField("workflow.cover", "cover.key", "a picture that was looked at", "its manifest was taken before covers were; drop it again")
	}
	return r.Cover, err
}

// sendCover uploads the cover picture, once for a session, and saves the session with it. done is false where nothing is
// left to do for the cover.
func (w *Workflow) sendCover(ctx context.Context, u *state.Upload, t target.Target, v upload.Video, version int64) (o Opened, done bool, err error) {
	s, serial, err := w.Ledger.SessionSerial(ctx, u.ID, u.Session)
	if err != nil || !target.CoverDue(v, s) {
		return Opened{}, err != nil, err
	}
	c, ok := t.(target.Coverer)
	if !ok {
		if target.CoverFormsOf(t).Link { // it goes with Init
			return next("again", 0), true, w.lose(ctx, u, "the session was opened without the cover")
		}
		f := fault.InvalidField("workflow.cover", "cover.key", "no picture at "+u.Account.Target(), u.Account.Target()+" takes no picture as its cover")
		o, err := w.openFault(ctx, u, "cover", f, version)
		return o, true, err
	}
	p, err := w.pinned(ctx, u)
	if err == nil {
		pic := target.Picture{Picture: p.Picture, Open: func(ctx context.Context) (io.ReadCloser, error) {
			return w.Source.Open(ctx, coverObject(u.Source.Bucket, p), 0, p.Picture.Size)
		}}
		_, _, err = w.Ledger.ChangeSession(ctx, u.ID, u.Session, serial, coverLease, func(ctx context.Context, s upload.Session) (upload.Session, error) {
			s, err := c.UploadCover(ctx, v, s, pic)
			if err == nil && target.CoverDue(v, s) {
				err = fault.New(fault.Unknown, "workflow.cover", "the platform's answer names no picture")
			}
			return s, err
		})
	}
	switch r, renews := t.(target.Renewer); {
	case errors.Is(err, target.ErrSessionLost):
		return next("again", 0), true, w.lose(ctx, u, err.Error())
	case errors.Is(err, target.ErrSessionCredential) && renews:
		if _, _, err = w.Ledger.RenewSession(ctx, u.ID, u.Session, serial, r.Renew); err == nil {
			return next("again", 0), true, nil
		}
		fallthrough
	case err != nil:
		o, err := w.openFault(ctx, u, "cover", err, version)
		return o, true, err
	}
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error { u.Fault = nil; u.Advanced(); return nil })
	if err != nil {
		return Opened{}, true, err
	}
	*u = changed
	w.note(ctx, u, "open", "cover uploaded: "+p.Picture.String(), nil)
	return Opened{}, false, nil
}
