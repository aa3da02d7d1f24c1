package douyin

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

func testPicture(content string) target.Picture {
	return target.Picture{Picture: upload.Picture{Key: "in/a.png", Size: int64(len(content)), ContentType: "image/png", Ref: "c1"},
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
}

func TestACoverGoesItsWay(t *testing.T) {
	const answer = `{"data":{"error_code":0,"item_id":"@i","image":{"image_id":"@img/+==","width":1,"height":1}},"extra":{"error_code":0}}`
	for _, m := range []struct {
		name string
		gen  Generation
		auth Auth
	}{{"legacy-query", Legacy, Query}, {"v1-header", V1, Header}} {
		w := says(200, answer)
		tg, v, p := testTarget(Config{Generation: m.gen, Auth: m.auth}, w), testVideo(), testPicture("\x89PNG....")
		v.Cover = &upload.Cover{Picture: &p.Picture}
		v.Title = `#音乐 with @nick{_000x} \#1`
		before := testSession(t, 1, 30)
		if _, err := tg.Publish(t.Context(), v, before, asset("v1")); !errors.Is(err, target.ErrCoverDue) || fault.KindOf(err) != fault.Retryable || fault.EffectOf(err) != fault.EffectNone || !fault.As(err).AssetKept || len(w.sent) != 0 {
			t.Fatalf("without its cover: %v, %d requests", err, len(w.sent))
		}
		s, err := tg.UploadCover(t.Context(), v, before, p)
		if err != nil || s.Cover != "c1" || s.ID != before.ID || !s.Opened.Equal(before.Opened) || target.CoverDue(v, s) {
			t.Fatalf("%+v, %v", s, err)
		}
		golden(t, m.name+"/cover", dump(w.sent[0]))
		if _, err := tg.Publish(t.Context(), v, s, asset("v1")); err != nil {
			t.Fatal(err)
		}
		golden(t, m.name+"/create-with-cover", dump(w.sent[1]))
		other := *v.Cover.Picture
		other.Ref = "c2"
		v.Cover = &upload.Cover{Picture: &other}
		if _, err := tg.Publish(t.Context(), v, s, asset("v1")); !errors.Is(err, target.ErrCoverDue) {
			t.Errorf("with another cover than the session's: %v", err)
		}
		at := 2.5
		v.Cover = &upload.Cover{At: &at}
		if _, err := tg.Publish(t.Context(), v, s, asset("v1")); err != nil || !strings.Contains(w.sent[2].body, `"cover_tsp":2.5`) || strings.Contains(w.sent[2].body, "custom_cover") {
			t.Errorf("a moment: %v, %s", err, w.sent[2].body)
		}
	}
}

func TestARefusedCoverNamesThePicture(t *testing.T) {
	for body, kind := range map[string]fault.Kind{
		`{"data":{"error_code":2100005,"description":"bad"},"extra":{"error_code":2100005}}`:   fault.Invalid,
		`{"data":{"error_code":2190005,"description":"large"},"extra":{"error_code":2190005}}`: fault.Invalid,
		`{"data":{"error_code":2190008},"extra":{"error_code":2190008}}`:                       fault.TokenExpired,
		`{"data":{"error_code":2100004},"extra":{"error_code":2100004}}`:                       fault.Retryable,
		`{"data":{"error_code":0,"image":{}},"extra":{}}`:                                      fault.Retryable,
		`<html>`: fault.Retryable,
	} {
		s, err := testTarget(Config{}, says(200, body)).UploadCover(t.Context(), testVideo(), testSession(t, 3, 30), testPicture("1234"))
		f := fault.As(err)
		if f == nil || f.Kind != kind || kind == fault.Invalid && (f.Field != "cover.key" || f.Rule == "" || errors.Is(err, target.ErrSessionLost)) || s.Cover != "" {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestAnAbilityThatIsWantingSaysWhatToApplyFor(t *testing.T) {
	v, s := testVideo(), testSession(t, 3, 30)
	for _, code := range []string{"10004", "2190004", "28001014", "28001018", "28001019"} {
		w := says(200, `{"data":{"error_code":`+code+`,"description":"d"},"extra":{"error_code":`+code+`}}`)
		for _, gen := range []Generation{Legacy, V1} {
			tg := testTarget(Config{Generation: gen, OneRequest: 1, MinPart: 1}, w)
			_, initErr := tg.Init(t.Context(), v, testPlan(30, 3))
			_, partErr := tg.UploadPart(t.Context(), s, testPart(testPlan(30, 3), 1, "0123456789"))
			_, coverErr := tg.UploadCover(t.Context(), v, s, testPicture("x"))
			_, postErr := tg.Publish(t.Context(), v, s, asset("v"))
			for at, err := range map[string]error{"Init": initErr, "UploadPart": partErr, "UploadCover": coverErr, "Publish": postErr} {
				f := fault.As(err)
				if !errors.Is(err, target.ErrCapability) || f.Kind != fault.Permanent || f.Effect != fault.EffectNone || !strings.Contains(f.Action, Scopes(tg.cfg)[0]+" ") {
					t.Errorf("%s, %s at %s: %v, %q", code, gen, at, err, f.Action)
				}
			}
			if _, err := tg.Check(t.Context(), v, upload.Post{ID: "@i"}); errors.Is(err, target.ErrCapability) || err == nil {
				t.Errorf("%s at Check: %v; what cannot be looked at can be published", code, err)
			}
		}
	}
}

func TestTheSessionsLifeIsInThePlan(t *testing.T) {
	l := Limits(Config{})
	if l.SessionLife != sessionLife || l.AssetLife != sessionLife {
		t.Errorf("%+v", l)
	}
	w := says(200, `{"data":{"upload_id":"`+testUpload+`"},"extra":{}}`)
	s, err := testTarget(Config{OneRequest: 10, MinPart: 1, WantPart: 10}, w).Init(t.Context(), testVideo(), testPlan(30, 3))
	if err != nil || !s.Expires.Equal(testNow.Add(sessionLife)) {
		t.Errorf("%v, %v", s, err)
	}
	l.MaxSize = 0
	if _, err := upload.NewPlan(15_000_000_000, l, upload.Settings{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("more than two hours of sending: %v", err)
	}
}

func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		name string
		v    upload.Video
		want int
	}{
		{"nothing known", upload.Video{}, 0},
		{"as advised", upload.Video{Container: "mp4", Width: 720, Height: 1280}, 0},
		{"landscape", upload.Video{Container: "mov", Width: 1280, Height: 720}, 1},
		{"small", upload.Video{Container: "mp4", Width: 540, Height: 960}, 1},
		{"another container, not checked", upload.Video{Container: "flv", Unchecked: "why"}, 2},
		{"its index at the end", upload.Video{Container: "mp4", IndexAtEnd: true}, 1},
	} {
		if got := testTarget(Config{}, nil).Advise(c.v); len(got) != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
