package target_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

type frames struct{}

func (frames) CoverForms() target.CoverForms { return target.CoverForms{Frame: true} }

func TestATargetThatDoesNotSpeakOfCoversTakesNone(t *testing.T) {
	v, second := upload.Video{}, 1.0
	if err := target.CoverFormsOf(t).Check("x.Validate", "X", v); err != nil {
		t.Errorf("no wish: %v", err)
	}
	v.Cover = &upload.Cover{At: &second}
	f := fault.As(target.CoverFormsOf(t).Check("x.Validate", "X", v))
	if f == nil || f.Kind != fault.Invalid || f.Field != "cover.at" || f.Rule != "no cover at X" {
		t.Errorf("a wish: %v", f)
	}
	if err := target.CoverFormsOf(frames{}).Check("x.Validate", "X", v); err != nil {
		t.Errorf("a frame: %v", err)
	}
	v.Cover = &upload.Cover{Picture: &upload.Picture{Key: "k"}}
	if f = fault.As(target.CoverFormsOf(frames{}).Check("x.Validate", "X", v)); f == nil || f.Field != "cover.key" || f.Rule != "cover.at at X" {
		t.Errorf("a picture: %v", f)
	}
}

func TestWhenACoverIsDue(t *testing.T) {
	second := 1.0
	ref := func(r string) *upload.Cover { return &upload.Cover{Picture: &upload.Picture{Key: "k", Ref: r}} }
	for name, c := range map[string]struct {
		cover *upload.Cover
		has   string
		want  bool
	}{
		"no wish": {nil, "", false}, "a frame": {&upload.Cover{At: &second}, "", false}, "not there yet": {ref("a"), "", true}, "another is there": {ref("a"), "b", true},
		"it is there": {ref("a"), "a", false}, "nobody looked at it": {ref(""), "", true}, "the wish is gone": {nil, "a", false},
	} {
		if got := target.CoverDue(upload.Video{Cover: c.cover}, upload.Session{Cover: c.has}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if err := target.CoverDueFault("x.Publish"); !errors.Is(err, target.ErrCoverDue) || fault.KindOf(err) != fault.Retryable || fault.EffectOf(err) != fault.EffectNone {
		t.Errorf("%v", err)
	}
}

func TestAPictureRefFollowsTheBytes(t *testing.T) {
	one := upload.PictureRef("b", "k", `"e"`, 1)
	if one != upload.PictureRef("b", "k", "e", 1) {
		t.Error("the quotes of an ETag count")
	}
	for _, other := range []string{upload.PictureRef("b", "k", "f", 1), upload.PictureRef("b", "l", "e", 1), upload.PictureRef("c", "k", "e", 1), upload.PictureRef("b", "k", "e", 2), upload.PublicationID(upload.Source{Bucket: "b", Key: "k", ETag: "e", Size: 1})} {
		if other == one {
			t.Errorf("%s twice", one)
		}
	}
}

func TestNothingSecretShows(t *testing.T) {
	p := target.Picture{Picture: upload.Picture{Key: "k", Link: "https://x/SECRET"}, Open: func(context.Context) (io.ReadCloser, error) { return nil, nil }}
	h := target.Handed{Link: "snssdk1128://SECRET", Expires: time.Unix(0, 0)}
	if s := fmt.Sprintf("%v %+v %#v %s %v %+v %#v %v %d", p, p, p.Picture, p, h, h, h, &h, p.Picture); strings.Contains(s, "SECRET") {
		t.Error(s)
	}
}
