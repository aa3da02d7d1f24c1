package workflow_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// covered is a platform that takes covers.
type covered struct {
	target.Target
	forms target.CoverForms
	p     *coverPlatform
}

type coverPlatform struct {
	mu    sync.Mutex
	got   [][]byte
	links []string
	fails []error
	shown []string // by publish: the session's picture, or the moment
}

// CoverForms implements target.CoverFormer.
func (c covered) CoverForms() target.CoverForms { return c.forms }

// UploadCover implements target.Coverer.
func (c covered) UploadCover(ctx context.Context, _ upload.Video, s upload.Session, p target.Picture) (upload.Session, error) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if len(c.p.fails) > 0 {
		err := c.p.fails[0]
		c.p.fails = c.p.fails[1:]
		return s, err
	}
	if err := c.forms.Ready("mem.UploadCover", "mem", p); err != nil {
		return s, err
	}
	r, err := p.Open(ctx)
	if err != nil {
		return s, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return s, err
	}
	c.p.got = append(c.p.got, b)
	s.Cover = p.Ref
	return s, nil
}

// Init takes the link of a picture that the platform fetches itself.
func (c covered) Init(ctx context.Context, v upload.Video, plan upload.Plan) (upload.Session, error) {
	s, err := c.Target.Init(ctx, v, plan)
	if err == nil && c.forms.Link && v.Cover != nil && v.Cover.Picture != nil {
		c.p.mu.Lock()
		c.p.links = append(c.p.links, v.Cover.Picture.Link)
		c.p.mu.Unlock()
		s.Cover = v.Cover.Picture.Ref
	}
	return s, err
}

// InitHash implements target.InitHasher: a cover goes with Publish here, but for one that is fetched.
func (c covered) InitHash(v upload.Video) string {
	if v.Cover != nil && v.Cover.Picture != nil && c.forms.Link {
		return v.Cover.Picture.Ref
	}
	return "same"
}

// Publish shows which cover the post has.
func (c covered) Publish(ctx context.Context, v upload.Video, s upload.Session, a upload.Asset) (upload.Post, error) {
	if target.CoverDue(v, s) {
		return upload.Post{}, target.CoverDueFault("mem.Publish")
	}
	post, err := c.Target.Publish(ctx, v, s, a)
	if err == nil {
		c.p.mu.Lock()
		defer c.p.mu.Unlock()
		switch {
		case v.Cover == nil:
			c.p.shown = append(c.p.shown, "")
		case v.Cover.At != nil:
			c.p.shown = append(c.p.shown, fmt.Sprint(*v.Cover.At))
		default:
			c.p.shown = append(c.p.shown, s.Cover)
		}
	}
	return post, err
}

func png(n int, seed byte) []byte {
	return append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte{seed}, n-8)...)
}

// newCoverRig is a rig whose platform takes covers of these forms; metadata names them.
func newCoverRig(t *testing.T, forms target.CoverForms) (*rig, *coverPlatform) {
	p := &coverPlatform{}
	r := newRig(t, func(o *options) { o.route.Sidecar = "required" })
	r.wrap = func(t target.Target) target.Target { return covered{t, forms, p} }
	return r, p
}

func (r *rig) sidecar(body string) { r.src.Put(inbox, key+".publish.json", []byte(body), nil) }

func TestACoverPictureIsUploadedOnceForASession(t *testing.T) {
	t.Parallel()
	forms := target.CoverForms{Picture: true, Types: []string{"image/png"}, MaxSize: 1000}
	unknown := fault.New(fault.Unknown, "mem", "502")
	for name, c := range map[string]struct {
		fails  []error
		got    int
		want   upload.Status
		reason string
		change func(r *rig)
	}{
		"plain":                         {got: 1, want: upload.Published},
		"an answer is lost":             {fails: []error{unknown}, got: 1, want: upload.Published},
		"the token was refused":         {fails: []error{fault.New(fault.TokenExpired, "mem", "expired")}, got: 1, want: upload.Published},
		"the session is gone":           {fails: []error{fault.Newf(fault.Invalid, "mem", "%w", target.ErrSessionLost)}, got: 1, want: upload.Published},
		"the platform refuses it":       {fails: []error{fault.InvalidField("mem", "cover.key", "decent", "no")}, want: upload.Failed, reason: "invalid"},
		"the app may not upload covers": {fails: []error{fault.Newf(fault.Permanent, "mem", "%w", target.ErrCapability)}, want: upload.Failed, reason: "capability"},
		"replaced since": {want: upload.Failed, reason: "invalid", change: func(r *rig) {
			r.src.Put(inbox, "a/cover.png", png(300, 2), nil)
		}},
		"replaced, and the manifest was dropped again": {got: 1, want: upload.Published, change: func(r *rig) {
			r.src.Put(inbox, "a/cover.png", png(300, 2), nil)
			r.event(key)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, p := newCoverRig(t, forms)
			p.fails = c.fails
			r.src.Put(inbox, "a/cover.png", png(200, 1), nil)
			r.sidecar(`{"cover":{"key":"a/cover.png"}}`)
			id := r.one()
			if c.change != nil {
				c.change(r)
			}
			r.run(6 * time.Hour)
			u := r.upload(id)
			if u.Status != c.want || c.reason != "" && u.Reason != c.reason || len(p.got) != c.got {
				t.Errorf("got %s, %d pictures, want %s, %d\n%s", u.String(), len(p.got), c.want, c.got, r.timeline(id))
			}
			if c.want == upload.Published && (len(p.shown) != 1 || p.shown[0] == "") {
				t.Errorf("the post shows %q", p.shown)
			}
			r.sound(id)
		})
	}
}

func TestACoverThatIsChangedWhileTheFileWaitsIsUploadedAnew(t *testing.T) {
	t.Parallel()
	r, p := newCoverRig(t, target.CoverForms{Frame: true, Picture: true})
	r.napMost = time.Minute
	at := r.clock.Now().Add(2 * time.Hour).Format(time.RFC3339)
	r.src.Put(inbox, "a/1.png", png(200, 1), nil)
	r.src.Put(inbox, "a/2.png", png(300, 2), nil)
	r.sidecar(`{"publish_at":"` + at + `","cover":{"key":"a/1.png"}}`)
	id := r.one()
	r.run(110 * time.Minute)
	if u := r.upload(id); u.Asset == nil || len(p.got) != 1 {
		t.Fatalf("got %s with %d pictures\n%s", u.String(), len(p.got), r.timeline(id))
	}
	r.sidecar(`{"publish_at":"` + at + `","cover":{"key":"a/2.png"}}`)
	r.event(key)
	r.run(3 * time.Hour)
	r.want(id, upload.Published, 1)
	if len(p.got) != 2 || len(p.got[1]) != 300 || r.upload(id).Session != 1 {
		t.Errorf("%d pictures, %d sessions", len(p.got), r.upload(id).Session)
	}
	if p.shown[0] != upload.PictureRef(inbox, "a/2.png", r.etag("a/2.png"), 300) {
		t.Error("the post shows the old picture")
	}
}

func (r *rig) etag(key string) string {
	i, err := r.src.Stat(r.t.Context(), source.Object{Bucket: inbox, Key: key})
	if err != nil {
		r.t.Fatal(err)
	}
	return i.ETag
}

func TestAPlatformThatFetchesThePictureGetsALinkAtInit(t *testing.T) {
	t.Parallel()
	r, p := newCoverRig(t, target.CoverForms{Picture: true, Link: true})
	r.src.Put(inbox, "a/cover.png", png(200, 1), nil)
	r.sidecar(`{"cover":{"key":"a/cover.png"}}`)
	if in := r.drop(key, video(400, 1), nil); len(in.Uploads) != 0 || !strings.Contains(in.Reason, "link") {
		t.Fatalf("got %+v: no link can be made", in)
	}
	r.w.Link = func(_ context.Context, o source.Object, contentType string, _ time.Duration) (string, error) {
		return "https://b/" + o.Key + "?sig=SECRET&type=" + contentType + "&etag=" + o.ETag, nil
	}
	id := r.event(key).Uploads[0]
	r.run(time.Hour)
	r.want(id, upload.Published, 1)
	if len(p.links) != 1 || !strings.Contains(p.links[0], "type=image/png") || strings.HasSuffix(p.links[0], "etag=") || len(p.got) != 0 {
		t.Errorf("links %q", p.links)
	}
	if strings.Contains(r.log.String()+r.timeline(id), "SECRET") {
		t.Error("the link was logged")
	}
}

func TestACoverThatCannotBeIsRefusedAtIngest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		forms   target.CoverForms
		cover   string
		field   string
		picture []byte
		key     string
	}{
		"no forms, a moment":      {target.CoverForms{}, `{"at":1.5}`, "cover.at", nil, ""},
		"no forms, a picture":     {target.CoverForms{}, `{"key":"a/c.png"}`, "cover.key", png(100, 1), "a/c.png"},
		"pictures only, a moment": {target.CoverForms{Picture: true}, `{"at":1.5}`, "cover.at", nil, ""},
		"moments only, a picture": {target.CoverForms{Frame: true}, `{"key":"a/c.png"}`, "cover.key", png(100, 1), "a/c.png"},
		"too large":               {target.CoverForms{Picture: true, MaxSize: 99}, `{"key":"a/c.png"}`, "cover.key", png(100, 1), "a/c.png"},
		"another type":            {target.CoverForms{Picture: true, Types: []string{"image/jpeg"}}, `{"key":"a/c.png"}`, "cover.key", png(100, 1), "a/c.png"},
		"no picture by its bytes": {target.CoverForms{Picture: true}, `{"key":"a/c.png"}`, "cover.key", []byte("<html>hello hello hello"), "a/c.png"},
		"empty":                   {target.CoverForms{Picture: true}, `{"key":"a/c.png"}`, "cover.key", []byte{}, "a/c.png"},
		"outside of the route":    {target.CoverForms{Picture: true}, `{"key":"b/c.png"}`, "cover.key", png(100, 1), "b/c.png"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newCoverRig(t, c.forms)
			if c.key != "" {
				r.src.Put(inbox, c.key, c.picture, nil)
			}
			r.sidecar(`{"cover":` + c.cover + `}`)
			in := r.drop(key, video(400, 1), nil)
			p, err := r.ledger.Publication(t.Context(), in.Publication)
			if err != nil || len(in.Uploads) != 0 || p.Problem == nil || p.Problem.Field != c.field || p.Problem.Rule == "" {
				t.Errorf("got %+v, problem %+v, %v", in, p.Problem, err)
			}
			r.sidecar(`{}`) // mended
			if in := r.event(key); len(in.Uploads) != 1 {
				t.Errorf("mended it is %+v", in)
			}
		})
	}
}

func TestAPictureThatComesLaterIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after time.Duration
		want  bool
	}{"soon": {3 * time.Minute, true}, "never": {time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			r, p := newCoverRig(t, target.CoverForms{Picture: true})
			r.napMost = time.Minute
			r.sidecar(`{"cover":{"key":"a/cover.png"}}`)
			in := r.drop(key, video(400, 1), nil)
			r.run(c.after)
			r.src.Put(inbox, "a/cover.png", png(200, 1), nil)
			r.run(time.Hour)
			pub, err := r.ledger.Publication(t.Context(), in.Publication)
			if err != nil || (len(pub.Uploads) == 1) != c.want || (len(p.got) == 1) != c.want || (pub.Problem == nil) != c.want {
				t.Errorf("got %v, %d uploads, %d pictures, problem %+v", err, len(pub.Uploads), len(p.got), pub.Problem)
			}
		})
	}
}
