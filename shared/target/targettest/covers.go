package targettest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// Covers as target's cover.go says. A target without CoverFormer has nothing to prove: nobody asks it for a cover.
func covers(t *testing.T, s *suite) {
	c := s.New(t)
	f := target.CoverFormsOf(c)
	if !f.Frame && !f.Picture {
		t.Log("this target takes no covers")
		return
	}
	_, uploads := c.(target.Coverer)
	if f.Picture && !f.Link && !uploads {
		t.Fatal("it takes pictures that are uploaded, but is no Coverer")
	}
	t.Run("WhatItCannotDoIsRefused", func(t *testing.T) { s.refusedCovers(t, f) })
	if f.Frame {
		t.Run("Frame", func(t *testing.T) { s.frame(t) })
	}
	if f.Picture && f.Link {
		t.Run("Link", func(t *testing.T) { s.linkedCover(t) })
	}
	if f.Picture && !f.Link {
		t.Run("Picture", func(t *testing.T) { s.uploadedCover(t, f) })
		t.Run("PicturesThatLie", func(t *testing.T) { s.lyingCover(t, f) })
	}
}

func at(seconds float64) *upload.Cover       { return &upload.Cover{At: &seconds} }
func picture(p upload.Picture) *upload.Cover { return &upload.Cover{Picture: &p} }

func (s *suite) refusedCovers(t *testing.T, f target.CoverForms) {
	c := s.New(t)
	size, plan := s.parted(t, 2)
	kind := "image/png"
	if len(f.Types) > 0 {
		kind = f.Types[0]
	}
	type wish struct {
		cover *upload.Cover
		field string // "" = accepted
	}
	ifElse := func(ok bool, field string) string {
		if ok {
			return ""
		}
		return field
	}
	wishes := map[string]wish{
		"neither":                           {&upload.Cover{}, "cover"},
		"both":                              {&upload.Cover{At: at(1).At, Picture: &upload.Picture{Key: "k"}}, "cover"},
		"the first frame":                   {at(0), ifElse(f.Frame, "cover.at")},
		"the last frame":                    {at(10), ifElse(f.Frame, "cover.at")},
		"before the start":                  {at(-0.1), "cover.at"},
		"after the end":                     {at(10.1), "cover.at"},
		"not a number":                      {at(math.NaN()), "cover.at"},
		"without end":                       {at(math.Inf(1)), "cover.at"},
		"a picture that nobody looked at":   {picture(upload.Picture{Key: "k"}), ifElse(f.Picture, "cover.key")},
		"a picture of a kind that it takes": {picture(upload.Picture{Key: "k", Size: 10, ContentType: kind, Ref: "r"}), ifElse(f.Picture, "cover.key")},
		"what is no picture":                {picture(upload.Picture{Key: "k", Size: 10, ContentType: "text/html", Ref: "r"}), "cover.key"},
	}
	if f.MaxSize > 0 {
		wishes["a picture of the largest size"] = wish{picture(upload.Picture{Key: "k", Size: f.MaxSize, ContentType: kind, Ref: "r"}), ifElse(f.Picture, "cover.key")}
		wishes["a byte more"] = wish{picture(upload.Picture{Key: "k", Size: f.MaxSize + 1, ContentType: kind, Ref: "r"}), "cover.key"}
	}
	if len(f.Types) > 0 && !slices.Contains(f.Types, "image/x-none") {
		wishes["a picture of another kind"] = wish{picture(upload.Picture{Key: "k", Size: 10, ContentType: "image/x-none", Ref: "r"}), "cover.key"}
	}
	for name, w := range wishes {
		v := s.video(size)
		v.Duration, v.Cover = 10*time.Second, w.cover
		err := c.(target.Validator).Validate(v)
		if w.field == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantInvalid(t, name, err)
		if fe := fault.As(err); fe != nil && fe.Field != w.field {
			t.Errorf("%s: field %s, want %s", name, fe.Field, w.field)
		}
		_, err = c.Init(t.Context(), v, plan)
		wantInvalid(t, name+" (Init)", err)
	}
}

// publish brings a video with its cover to a post.
func (s *suite) publish(t *testing.T, c target.Target, v upload.Video, change func(upload.Session) upload.Session) (upload.Asset, upload.Post) {
	t.Helper()
	all, p := content(v.Size), s.plan(t, v.Size)
	sess := s.init(t, c, v, p)
	var rs []upload.Receipt
	for n := 1; n <= p.Parts; n++ {
		rs = append(rs, send(t, c, sess, part(p, n, all)))
	}
	if change != nil {
		sess = change(sess)
	}
	a, err := c.Complete(t.Context(), sess, rs)
	if err != nil {
		t.Fatal(err)
	}
	post, err := c.Publish(t.Context(), v, throughJSON(t, sess), a)
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return a, post
}

func (s *suite) frame(t *testing.T) {
	size, _ := s.parted(t, 2)
	v := s.video(size)
	v.Cover = at(1.5)
	c := s.New(t)
	if target.CoverDue(v, upload.Session{}) {
		t.Error("a frame has nothing to be uploaded")
	}
	a, p := s.publish(t, c, v, nil)
	if s.CoverOf == nil {
		t.Log("NOT LOOKED AT: this harness cannot see covers")
		return
	}
	if b, at := s.CoverOf(t, a, p); b != "" || at == nil || *at != 1.5 {
		t.Errorf("the platform shows %q or %v", b, at)
	}
}

func (s *suite) linkedCover(t *testing.T) {
	size, plan := s.parted(t, 2)
	c, v := s.New(t), s.video(size)
	hash := func(v upload.Video) string {
		if h, ok := c.(target.InitHasher); ok {
			return h.InitHash(v)
		}
		return ""
	}
	without := hash(v)
	v.Cover = picture(upload.Picture{Key: "k", Size: 10, ContentType: "image/png", Ref: "r1"})
	if _, err := c.Init(t.Context(), v, plan); err == nil || fault.KindOf(err) == fault.Unknown {
		t.Errorf("without a link: %v", err)
	}
	v.Cover.Picture.Link = s.CoverLink
	first := hash(v)
	v.Cover.Picture.Link += "&again"
	if hash(v) != first || first == without && first != "" {
		t.Error("the link is another each time and must not count in InitHash; the picture must")
	}
	v.Cover.Picture.Link = s.CoverLink
	a, p := s.publish(t, c, v, func(sess upload.Session) upload.Session {
		if target.CoverDue(v, sess) || sess.Cover != "r1" {
			t.Errorf("after Init the session's cover is %q", sess.Cover)
		}
		return sess
	})
	if s.CoverOf != nil {
		if b, _ := s.CoverOf(t, a, p); b != s.CoverLink {
			t.Errorf("the platform has %q", b)
		}
	}
}

// drawn is a real picture of a type that f takes, with its type.
func drawn(f target.CoverForms, side int) (b []byte, kind string) {
	var buf bytes.Buffer
	img := image.NewGray(image.Rect(0, 0, side, side))
	if len(f.Types) == 0 || slices.Contains(f.Types, "image/png") {
		_ = png.Encode(&buf, img) // into memory
		return buf.Bytes(), "image/png"
	}
	_ = jpeg.Encode(&buf, img, nil)
	return buf.Bytes(), "image/jpeg"
}

func coverOf(b []byte, kind, ref string, change func(*reader)) (target.Picture, *counts) {
	n := &counts{}
	return target.Picture{Picture: upload.Picture{Key: "in/cover", Size: int64(len(b)), ContentType: kind, Ref: ref}, Open: func(context.Context) (io.ReadCloser, error) {
		n.opened.Add(1)
		r := &reader{b: b, count: n}
		if change != nil {
			change(r)
		}
		return r, nil
	}}, n
}

func (s *suite) uploadedCover(t *testing.T, f target.CoverForms) {
	size, _ := s.parted(t, 2)
	c, v := s.New(t), s.video(size)
	old, kind := drawn(f, 40)
	b, _ := drawn(f, 70)
	first, n1 := coverOf(old, kind, "r1", nil)
	second, n2 := coverOf(b, kind, "r2", nil)
	if h, ok := c.(target.InitHasher); ok {
		without := h.InitHash(v)
		v.Cover = picture(second.Picture)
		if h.InitHash(v) != without {
			t.Error("a cover that Init does not send must not open a new session")
		}
	}
	v.Cover = picture(second.Picture)
	a, p := s.publish(t, c, v, func(sess upload.Session) upload.Session {
		if !target.CoverDue(v, sess) {
			t.Error("a fresh session has its cover already")
		}
		if _, err := c.Publish(t.Context(), v, sess, upload.Asset{ID: "any"}); err == nil || fault.EffectOf(err) != fault.EffectNone {
			t.Errorf("Publish without the cover: %v", err)
		}
		for _, x := range []target.Picture{first, second, second} { // replaced, and once more after a lost answer
			next, err := s.New(t).(target.Coverer).UploadCover(t.Context(), v, throughJSON(t, sess), x)
			if err != nil {
				t.Fatalf("UploadCover: %v", err)
			}
			if next.Cover != x.Ref || next.ID != sess.ID || !next.Opened.Equal(sess.Opened) || !next.Expires.Equal(sess.Expires) {
				t.Errorf("the session became %v with cover %q", next, next.Cover)
			}
			sess = next
		}
		if target.CoverDue(v, sess) {
			t.Error("it is still due")
		}
		return sess
	})
	closedAll(t, n1)
	closedAll(t, n2)
	if s.CoverOf == nil {
		t.Log("NOT LOOKED AT: this harness cannot see covers")
		return
	}
	want := sha256.Sum256(b)
	if got, _ := s.CoverOf(t, a, p); got != hex.EncodeToString(want[:]) {
		t.Errorf("the platform shows %q, want %x", got, want)
	}
}

func (s *suite) lyingCover(t *testing.T, f target.CoverForms) {
	size, p := s.parted(t, 2)
	c, v := s.New(t), s.video(size)
	b, kind := drawn(f, 40)
	sess := s.init(t, c, v, p)
	up := c.(target.Coverer)
	for name, change := range map[string]func(*reader){
		"short": func(r *reader) { r.b = r.b[:len(r.b)-1] }, "long": func(r *reader) { r.b = append(bytes.Clone(r.b), 'x') }, "fails midway": func(r *reader) { r.b, r.err = r.b[:len(r.b)/2], errMidway },
	} {
		x, n := coverOf(b, kind, "r1", change)
		if _, err := up.UploadCover(t.Context(), v, sess, x); err == nil {
			t.Errorf("%s: no error", name)
		} else if fault.As(err) == nil {
			t.Errorf("%s: %v is not classified", name, err)
		}
		closedAll(t, n)
	}
	x, _ := coverOf(b, kind, "r1", nil)
	for name, change := range map[string]func(*target.Picture){"no size": func(p *target.Picture) { p.Size = 0 }, "no type": func(p *target.Picture) { p.ContentType = "" }, "no name": func(p *target.Picture) { p.Ref = "" },
		"another type": func(p *target.Picture) { p.ContentType = "text/plain" }} {
		y := x
		change(&y)
		_, err := up.UploadCover(t.Context(), v, sess, y)
		wantInvalid(t, name, err)
	}
	_, err := up.UploadCover(t.Context(), v, upload.Session{Private: []byte("{}")}, x)
	wantKind(t, err, fault.Invalid)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x, n := coverOf(b, kind, "r1", nil)
	if _, err = up.UploadCover(ctx, v, sess, x); !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Unknown {
		t.Errorf("cancelled beforehand: %v", err)
	}
	if n.opened.Load() != 0 {
		t.Error("cancelled beforehand, and the picture was opened")
	}
}
