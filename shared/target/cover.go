package target

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/upload"
)

// # Covers, step by step
//
//	ingest, dry run  v.Cover is set: a moment, or a picture's key alone. Validate refuses what the target cannot do.
//	Open             the picture object is looked at (media.ProbePicture) and its facts are set: Size, ContentType, Ref.
//	                 If CoverForms.Link, Picture.Link too, before Init. Validate refuses by the facts.
//	Init             a target with CoverForms.Link sends the link, and its session's Cover is the picture's Ref.
//	between Init     while CoverDue(v, session): UploadCover, under a lease on the session, then save the session that it
//	and Publish      returned before anything else. Any time will do; before the parts a bad picture costs least.
//	Publish          a moment goes with it, or went with Init; a picture is in the session, else ErrCoverDue. So Picture.Ref
//	                 is set here, too: keep it with the upload from Open on.
//
// A new session has no cover: it is uploaded again. A picture in a session that is given up is left to the platform.

// CoverForms says which covers a target takes. The zero value is none.
type CoverForms struct {
	Frame   bool     // a moment of the video
	Picture bool     // a picture object
	Link    bool     // the picture is fetched by the platform from Picture.Link (https) and not uploaded
	Types   []string // of pictures, "image/png"; empty = any picture
	MaxSize int64    // of a picture, bytes
}

// CoverFormer is optional: a target without it takes no cover. It is pure.
type CoverFormer interface {
	CoverForms() CoverForms
}

// Picture is a cover with its bytes.
type Picture struct {
	upload.Picture // Size, ContentType and Ref are known
	// Open gives a fresh reader of exactly Size bytes, of the object that Ref names, on every call. Whoever opens, closes.
	Open func(context.Context) (io.ReadCloser, error)
}

// Coverer is optional: uploads a cover picture for the session's video. A target whose CoverForms has Picture and not Link
// implements it.
type Coverer interface {
	// UploadCover sends p, streaming, and returns the session with it: its Cover is p.Ref, everything else is as in s. A
	// picture that the session has already is replaced. It may be called again whatever became of an earlier call: at
	// worst the platform keeps a picture that nobody uses. Nothing of it is public before Publish. What the platform would
	// refuse is Invalid for cover.key before a byte is sent; a session that is gone is ErrSessionLost.
	UploadCover(ctx context.Context, v upload.Video, s upload.Session, p Picture) (upload.Session, error)
}

// CoverFormsOf is what t takes; no CoverFormer, no cover.
func CoverFormsOf(t any) CoverForms {
	if f, ok := t.(CoverFormer); ok {
		return f.CoverForms()
	}
	return CoverForms{}
}

// CoverDue says that v's cover picture is not in the session.
func CoverDue(v upload.Video, s upload.Session) bool {
	return v.Cover != nil && v.Cover.Picture != nil && (s.Cover == "" || s.Cover != v.Cover.Picture.Ref)
}

// Check refuses a cover that a target with these forms cannot take: Invalid for cover, cover.at or cover.key. name is the
// target's word, for people. Facts that are not known are not checked.
func (f CoverForms) Check(op, name string, v upload.Video) error {
	c := v.Cover
	if c == nil {
		return nil
	}
	bad := func(field, rule, msg string) error { return fault.InvalidField(op, field, rule, msg) }
	switch {
	case (c.At == nil) == (c.Picture == nil):
		return bad("cover", "exactly one of at and key", "it has both or neither")
	case c.At != nil && !f.Frame:
		return bad("cover.at", f.instead(name), name+" takes no moment of the video as its cover")
	case c.At != nil && !(*c.At >= 0 && !math.IsInf(*c.At, 0)):
		return bad("cover.at", "seconds, 0 or more", "it is none")
	case c.At != nil && v.Duration > 0 && *c.At > v.Duration.Seconds():
		return bad("cover.at", fmt.Sprintf("inside the video: 0 to %g s", v.Duration.Seconds()), fmt.Sprintf("it is %g s", *c.At))
	case c.Picture != nil && !f.Picture:
		return bad("cover.key", f.instead(name), name+" takes no picture as its cover")
	case c.Picture != nil:
		return f.checkPicture(op, name, *c.Picture)
	}
	return nil
}

// instead names what is possible.
func (f CoverForms) instead(name string) string {
	switch {
	case f.Frame:
		return "cover.at at " + name
	case f.Picture:
		return "cover.key at " + name
	}
	return "no cover at " + name
}

func (f CoverForms) checkPicture(op, name string, p upload.Picture) error {
	bad := func(rule, msg string) error { return fault.InvalidField(op, "cover.key", rule, msg) }
	switch {
	case p.Size < 0:
		return bad("> 0 bytes", "the picture is empty")
	case f.MaxSize > 0 && p.Size > f.MaxSize:
		return bad(fmt.Sprintf("<= %d bytes at %s", f.MaxSize, name), fmt.Sprintf("the picture has %d", p.Size))
	case p.ContentType != "" && !strings.HasPrefix(p.ContentType, "image/"):
		return bad("a picture", fmt.Sprintf("it is %.64q", p.ContentType))
	case p.ContentType != "" && len(f.Types) > 0 && !slices.Contains(f.Types, p.ContentType):
		return bad(strings.Join(f.Types, " | ")+" at "+name, "the picture is "+p.ContentType)
	}
	return nil
}

// Ready is Check for a picture that is about to be sent: its facts must be known.
func (f CoverForms) Ready(op, name string, p Picture) error {
	switch {
	case !f.Picture:
		return fault.InvalidField(op, "cover.key", f.instead(name), name+" takes no picture as its cover")
	case p.Size <= 0 || p.ContentType == "" || p.Ref == "" || p.Open == nil:
		return fault.InvalidField(op, "cover.key", "a picture that was looked at", "its size, type or name is not known")
	}
	return f.checkPicture(op, name, p.Picture)
}

// CoverDueFault is what Publish answers where CoverDue.
func CoverDueFault(op string) error {
	return &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, AssetKept: true, Actor: fault.ActorUs, Action: "It goes on by itself.", Err: ErrCoverDue}
}
