package douyin

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/upload"
)

func asset(id string) upload.Asset { return upload.Asset{ID: id} }

func TestText(t *testing.T) {
	for _, c := range []struct {
		name string
		v    upload.Video
		want string
	}{
		{"title alone", upload.Video{Title: " T "}, "T"},
		{"all three", upload.Video{Title: "T", Description: "D e", Tags: []string{"a", "#b", "＃c"}}, "T D e #a #b #c"},
		{"a description that repeats the title", upload.Video{Title: "T", Description: "T "}, "T"},
		{"a topic that is there already", upload.Video{Title: "T #a", Tags: []string{"a", "b", "b"}}, "T #a #b"},
		{"a longer topic is another", upload.Video{Title: "T #ab", Tags: []string{"a"}}, "T #ab #a"},
		{"a nickname without an id is text", upload.Video{Title: "with @nick 你好"}, "with @nick 你好"},
		{"a mention shows its nickname", upload.Video{Title: "with @nick{_000a} 你好 #x"}, "with @nick 你好 #x"},
		{"an escaped sign is the sign", upload.Video{Title: `C\# \@home`}, "C# @home"},
		{"what cannot be rendered has none", upload.Video{Title: "@nick{"}, ""},
	} {
		if got := Text(c.v); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestValidate(t *testing.T) {
	text := func(n int) func(*upload.Video) {
		return func(v *upload.Video) { v.Title, v.Description, v.Tags = strings.Repeat("字", n), "", nil }
	}
	fields := func(s string) func(*upload.Video) { return func(v *upload.Video) { v.Fields = json.RawMessage(s) } }
	cover := func(at float64, p *upload.Picture) func(*upload.Video) {
		return func(v *upload.Video) {
			if v.Cover = (&upload.Cover{Picture: p}); p == nil {
				v.Cover.At = &at
			}
		}
	}
	for _, c := range []struct {
		name   string
		gen    Generation
		change func(*upload.Video)
		field  string // "" = accepted
	}{
		{"as it is", V1, func(*upload.Video) {}, ""},
		{"1000 characters", V1, text(1000), ""},
		{"1001 characters", V1, text(1001), "title"},
		{"tags count", V1, func(v *upload.Video) { text(998)(v); v.Tags = []string{"a"} }, "title"},
		{"title empty", V1, func(v *upload.Video) { v.Title = " \n" }, "title"},
		{"title not UTF-8", V1, func(v *upload.Video) { v.Title = "a\xff" }, "title"},
		{"NUL in the description", V1, func(v *upload.Video) { v.Description = "a\x00" }, "description"},
		{"new line in the description", V1, func(v *upload.Video) { v.Description = "a\nb" }, ""},
		{"a mention that is not closed", V1, func(v *upload.Video) { v.Title = "hi @nick{x" }, "title"},
		{"a mention", V1, func(v *upload.Video) { v.Title = "hi @nick{x}" }, ""},
		{"ids do not count", V1, func(v *upload.Video) {
			text(995)(v)
			v.Title += "@nick{" + strings.Repeat("x", 100) + "}"
		}, ""},
		{"a nickname counts", V1, func(v *upload.Video) { text(996)(v); v.Title += "@nick{x}" }, "title"},
		{"emoji count by code points", V1, func(v *upload.Video) { text(0)(v); v.Title = strings.Repeat("😀", 1000) }, ""},
		{"who is mentioned is said twice", V1, func(v *upload.Video) { v.Title = "hi @nick{x}"; fields(`{"at_users":["y"]}`)(v) }, "douyin.at_users"},
		{"ids beside names without", V1, func(v *upload.Video) { v.Title = "hi @nick"; fields(`{"at_users":["y"]}`)(v) }, ""},
		{"a moment", V1, cover(1.5, nil), ""},
		{"a moment beside cover_tsp", V1, func(v *upload.Video) { cover(1.5, nil)(v); fields(`{"cover_tsp":1}`)(v) }, "douyin.cover_tsp"},
		{"a moment after the end", V1, func(v *upload.Video) { cover(1.5, nil)(v); v.Duration = time.Second }, "cover.at"},
		{"a moment before the start", V1, cover(-1, nil), "cover.at"},
		{"a moment that is none", V1, cover(math.NaN(), nil), "cover.at"},
		{"neither moment nor picture", V1, func(v *upload.Video) { v.Cover = &upload.Cover{} }, "cover"},
		{"a picture that nobody looked at", V1, cover(0, &upload.Picture{Key: "in/a.png"}), ""},
		{"a picture beside an image_id", V1, func(v *upload.Video) {
			cover(0, &upload.Picture{Key: "in/a.png"})(v)
			fields(`{"custom_cover_image_url":"@i"}`)(v)
		}, "douyin.custom_cover_image_url"},
		{"a picture of 20 MiB", V1, cover(0, &upload.Picture{Size: 20 << 20, ContentType: "image/png"}), ""},
		{"a byte more", V1, cover(0, &upload.Picture{Size: 20<<20 + 1, ContentType: "image/png"}), "cover.key"},
		{"a byte more on legacy", Legacy, cover(0, &upload.Picture{Size: 20<<20 + 1, ContentType: "image/png"}), ""},
		{"a picture of another kind", V1, cover(0, &upload.Picture{Size: 5, ContentType: "image/bmp"}), "cover.key"},
		{"a picture that is none", V1, cover(0, &upload.Picture{Size: 5, ContentType: "text/plain"}), "cover.key"},
		{"tag of two words", V1, func(v *upload.Video) { v.Tags = []string{"ok", "two words"} }, "tags[1]"},
		{"tag that is only a sign", V1, func(v *upload.Video) { v.Tags = []string{"#"} }, "tags[0]"},
		{"tag with a sign inside", V1, func(v *upload.Video) { v.Tags = []string{"a#b"} }, "tags[0]"},
		{"15 minutes", V1, func(v *upload.Video) { v.Duration = 15 * time.Minute }, ""},
		{"a bit more", V1, func(v *upload.Video) { v.Duration = 15*time.Minute + 1 }, "source.duration"},
		{"4 GiB", V1, func(v *upload.Video) { v.Size = 4 << 30 }, ""},
		{"a byte over", V1, func(v *upload.Video) { v.Size = 4<<30 + 1 }, "source.size"},
		{"empty file", V1, func(v *upload.Video) { v.Size = 0 }, "source.size"},
		{"a picture", V1, func(v *upload.Video) { v.ContentType = "image/png" }, "source.content_type"},
		{"no type", V1, func(v *upload.Video) { v.ContentType = "" }, ""},
		{"null fields", V1, fields("null"), ""},
		{"unknown field", V1, fields(`{"cover":1}`), "douyin"},
		{"wrong type", V1, fields(`{"poi_id":1}`), "douyin"},
		{"an array", V1, fields(`[]`), "douyin"},
		{"two objects", V1, fields(`{} {}`), "douyin"},
		{"too long", V1, fields(`{"poi_id":"` + strings.Repeat("x", 17<<10) + `"}`), "douyin"},
		{"one anchor", V1, fields(`{"poi_id":"p","poi_name":"n"}`), ""},
		{"two anchors", V1, fields(`{"poi_id":"p","micro_app_id":"m"}`), "douyin.poi"},
		{"poi without id", V1, fields(`{"poi_name":"n"}`), "douyin.poi_id"},
		{"mini-app without id", V1, fields(`{"micro_app_url":"n"}`), "douyin.micro_app_id"},
		{"game without id", V1, fields(`{"game_content":"n"}`), "douyin.game_id"},
		{"cover before the start", V1, fields(`{"cover_tsp":-0.1}`), "douyin.cover_tsp"},
		{"cover after the end", V1, func(v *upload.Video) { fields(`{"cover_tsp":2.5}`)(v); v.Duration = 2 * time.Second }, "douyin.cover_tsp"},
		{"private status 2", V1, fields(`{"private_status":2}`), ""},
		{"private status 3", V1, fields(`{"private_status":3}`), "douyin.private_status"},
		{"private and public", V1, func(v *upload.Video) { fields(`{"private_status":0}`)(v); v.Private = true }, "douyin.private_status"},
		{"private", V1, func(v *upload.Video) { v.Private = true }, ""},
		{"private on legacy", Legacy, func(v *upload.Video) { v.Private = true }, "private"},
		{"private status on legacy", Legacy, fields(`{"private_status":0}`), "douyin.private_status"},
		{"game on legacy", Legacy, fields(`{"game_id":"g"}`), "douyin.game_id"},
		{"poi on legacy", Legacy, fields(`{"poi_id":"g"}`), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := says(200, `{"data":{"upload_id":"x"}}`)
			tg := testTarget(Config{Generation: c.gen}, w)
			v := testVideo()
			c.change(&v)
			err := tg.Validate(v)
			f := fault.As(err)
			if c.field == "" && err != nil || c.field != "" && (f == nil || f.Kind != fault.Invalid || f.Field != c.field || f.Rule == "" || f.Effect != fault.EffectNone) {
				t.Errorf("got %v, want field %q", err, c.field)
			}
			if c.field != "" {
				if _, err := tg.Init(t.Context(), v, testPlan(v.Size, 1)); fault.KindOf(err) != fault.Invalid {
					t.Errorf("Init: %v", err)
				}
				if _, err := tg.Publish(t.Context(), v, testSession(t, 1, 30), asset("v")); fault.KindOf(err) != fault.Invalid || fault.EffectOf(err) != fault.EffectNone {
					t.Errorf("Publish: %v", err)
				}
			}
			if len(w.sent) != 0 {
				t.Error("something was sent")
			}
		})
	}
}

func TestLimitsAndPlans(t *testing.T) {
	const m = 1 << 20
	for _, c := range []struct {
		size  int64
		parts int
	}{{1, 1}, {50 * m, 1}, {50*m + 1, 3}, {60 * m, 3}, {60*m + 1, 4}, {4 << 30, 205}} {
		p, err := upload.NewPlan(c.size, Limits(Config{}), upload.Settings{})
		if err != nil || p.Parts != c.parts {
			t.Errorf("%d bytes: %+v, %v; want %d parts", c.size, p, err, c.parts)
			continue
		}
		if last := p.Part(p.Parts).Size; p.Parts > 1 && (p.PartSize < 5*m || p.PartSize > 20*m || last < 5*m) {
			t.Errorf("%d bytes: parts of %d, the last %d", c.size, p.PartSize, last)
		}
	}
	if l := Limits(Config{Generation: Legacy, OneRequest: 1 << 40}); l.OneRequest != 128*m {
		t.Errorf("one request on legacy: %d", l.OneRequest)
	}
	if l := Limits(Config{OneRequest: -1, MinPart: 7, WantPart: 3}); l.OneRequest != 0 || l.WantPart != 7 || l.MinLastPart != 7 {
		t.Errorf("overrides: %+v", l)
	}
	for _, bad := range []Config{{Generation: "v2"}, {Auth: "bearer"}, {BaseURL: "ftp://x"}, {BaseURL: "https://x?y=1"}, {BaseURL: "https://u@x"}, {BaseURL: "x"}} {
		if fault.KindOf(bad.Check()) != fault.Invalid {
			t.Errorf("%+v passes", bad)
		}
		if _, err := testTarget(bad, says(200, "")).Init(t.Context(), testVideo(), testPlan(30, 1)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("Init with %+v: %v", bad, err)
		}
	}
}
