package douyin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

func TestTokenRefusals(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set)
		good, id := r.act, r.id
		r.act = "act.unknown"
		r.publish("part_init", "", nil).want(t, r.code(2190002, 28001003))
		r.act = ""
		r.publish("part_init", "", nil).want(t, r.code(2190002, 28001003))
		r.act, r.id = good, "another"
		r.publish("part_init", "", nil).want(t, r.code(2190015, 28001015))
		r.id = ""
		r.publish("part_init", "", nil).want(t, r.param())
		r.id = id
		must(t, r.s.ExpireAccess(user))
		r.publish("part_init", "", nil).want(t, r.code(2190008, 28001008))
		must(t, r.s.Rotate(user))
		r.publish("part_init", "", nil).want(t, r.code(2190002, 28001003))
	})
}

func TestMixturesOfGenerationAndAuthAreRefused(t *testing.T) {
	for _, g := range []Generation{Legacy, V1} {
		for _, a := range []Auth{Query, Header} {
			r := newRig(t, func(o *Options) { o.Generation, o.Auth = g, a })
			for _, cg := range []Generation{Legacy, V1} {
				for _, place := range []string{"query", "header", "both", "bearer"} {
					want := 0
					switch {
					case cg != g:
						want = 28001017
					case place != string(a):
						want = r.code(2190002, 28001003)
					}
					q := url.Values{"open_id": {user}}
					if place == "query" || place == "both" {
						q.Set("access_token", r.act)
					}
					got := r.do("POST", paths[cg]["part_init"], q, "", nil, func(req *http.Request) {
						switch place {
						case "header", "both":
							req.Header.Set("access-token", r.act)
						case "bearer":
							req.Header.Set("Authorization", "Bearer "+r.act)
						}
					})
					if fmt.Sprint(got.body.Data["error_code"]) != fmt.Sprint(want) {
						t.Errorf("app %s/%s, call %s with the token in %s: %s, want %d", g, a, cg, place, got.raw, want)
					}
				}
			}
		}
	}
	r := newRig(t, func(o *Options) { o.Readings.TokenInBoth = "accept" })
	r.publish("part_init", "", nil, "access_token", r.act).want(t, 0)
}

func TestWrongPaths(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/video/upload", "/api/douyin/v1/video/create_video", "/api/douyin/v1/video/nope/", "/oauth/nope/", "/image/x/"} {
		r.do("POST", path, nil, "", nil).want(t, 28001017)
	}
	r.do("GET", paths[V1]["create"], nil, "", nil).want(t, 28001017)
	if a := r.do("GET", "/elsewhere", nil, "", nil); a.status != 404 || !strings.Contains(a.raw, "<html>") {
		t.Error("want the host's HTML 404", a.raw)
	}
}

func TestScopesOfUserAndApp(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set)
		g, err := r.s.AddAccount("poor", []string{"user_info"})
		must(t, err)
		r.id, r.act = "poor", g.AccessToken
		for op := range Needs(r.gen) {
			want := r.code(2190003, 28001012)
			if op == "delete" && r.gen == V1 {
				want = 28001017
			}
			r.publish(op, "", nil).want(t, want)
		}
		scopes := map[Generation][]string{Legacy: {"video.list"}, V1: {"video.data.bind"}}[r.gen]
		app := App{ClientKey: "k", ClientSecret: "s", Scopes: scopes}
		bare := newRig(t, set, func(o *Options) { o.Apps = []App{app} })
		bare.publish("part_init", "", nil).want(t, r.code(2190004, 28001018))
		bare.publish("list", "", nil, "cursor", "0", "count", "1").want(t, 0)
	})
}

func TestEveryCondition(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set)
		v := r.newVideo("x")
		ofUser := []Condition{NotBound, Barred, PostingBarred, Closed, Banned, Private, Risky}
		for c, codes := range conditionCodes() {
			if slices.Contains(ofUser, c) {
				must(t, r.s.SetAccount(user, c))
			} else {
				must(t, r.s.SetApp(DefaultKey, c))
			}
			if codes[oauthCall] != 0 {
				r.refresh().want(t, codes[oauthCall])
			}
			if code := codes[familyOf(r.gen)]; code != 0 {
				r.createText(v, "t").want(t, code)
			}
			if c == PostingBarred {
				r.publish("part_init", "", nil).want(t, 0)
			}
			must(t, r.s.SetAccount(user, OK))
			must(t, r.s.SetApp(DefaultKey, OK))
		}
		r.createText(v, "t").want(t, 0)
	})
}

func TestQuotaAndRate(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		app := App{ClientKey: DefaultKey, ClientSecret: DefaultSecret, Scopes: AllScopes(), QPS: 2, QuotaPerDay: 3}
		r := newRig(t, set, func(o *Options) { o.Apps = []App{app} })
		init := func() reply { return r.publish("part_init", "", nil) }
		init().want(t, 0)
		init().want(t, 0)
		init().want(t, r.code(2190001, 28003018))
		r.clock.Advance(time.Second)
		init().want(t, 0)
		init().want(t, r.code(2190001, 28003017))
		r.clock.Advance(24 * time.Hour)
		init().want(t, 0)
	})
}

// mp4 is a movie header alone, of the given length.
func mp4(secs uint32) string {
	be := func(v uint32) string { return string([]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}) }
	box := func(kind, body string) string { return be(uint32(8+len(body))) + kind + body }
	mvhd := box("mvhd", be(0)+be(0)+be(0)+be(1000)+be(secs*1000)+strings.Repeat("\x00", 80))
	tkhd := box("tkhd", be(7)+strings.Repeat("\x00", 72)+be(720<<16)+be(1280<<16))
	return box("ftyp", "isom") + box("moov", mvhd+box("trak", tkhd))
}

func TestFifteenMinutes(t *testing.T) {
	roomy := func(o *Options) { o.Limits = Limits{PartMin: 10} }
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set, roomy)
		long := r.code(2190006, 2114006)
		a := r.file("upload", []byte(mp4(900))).want(t, 0)
		if a.str("video", "width") != "720" || a.str("video", "height") != "1280" {
			t.Error(a.raw)
		}
		r.file("upload", []byte(mp4(901))).want(t, long)
		id := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
		r.file("part_upload", []byte(mp4(901))[:50], "upload_id", id, "part_number", "1").want(t, 0)
		r.file("part_upload", []byte(mp4(901))[50:], "upload_id", id, "part_number", "2").want(t, 0)
		r.publish("complete", "", nil, "upload_id", id).want(t, long)
		late := newRig(t, set, roomy, func(o *Options) { o.Readings.DurationAt = "create" })
		late.createText(late.newVideo(mp4(901)), "t").want(t, long)
	})
}

// TestEveryCodeOfTheTable drives the whole of A.9 through an injected code on a publish and on an OAuth call.
func TestEveryCodeOfTheTable(t *testing.T) {
	// typed from the reference, not from codes.go
	classes := map[string][]int{
		"R":  {10001, 2100004, 28001005, 28001006},
		"P":  {10002, 10005, 2100005, 2100007, 2100009, 2190005, 2190006, 2114006, 2190007, 2190015, 2114005, 2111001, 28001007, 28001015, 28001045, 28001046, 28001047},
		"X":  {10003, 10013, 10014, 10015, 10004, 10006, 10012, 2190004, 2190016, 28001014, 28001018, 28001016, 28001019, 28001056, 28001017, 28001020, 28001021, 29002002},
		"A":  {10007, 10010, 2190003, 28001012},
		"T":  {10008, 2190008, 28001008},
		"TA": {2190002, 28001003},
		"AQ": {10020},
		"Q":  {2190001, 2114007, 28001052, 28003017, 28003018},
	}
	want := map[int]string{}
	for class, codes := range classes {
		for _, c := range codes {
			want[c] = class
		}
	}
	r := newRig(t)
	table := Codes()
	if len(table) != len(want) {
		t.Errorf("%d rows, want %d", len(table), len(want))
	}
	for _, row := range table {
		got := ""
		for _, c := range row.Classes {
			got += string(c)
		}
		if got != want[row.Code] {
			t.Errorf("%d has class %q, want %q", row.Code, got, want[row.Code])
		}
		r.inject(fake.Fault{Op: "create", Code: row.Code})
		if a := r.createText("v", "t").want(t, row.Code); a.str("description") != row.Meaning || row.Meaning == "" {
			t.Errorf("%d: %s", row.Code, a.raw)
		}
		r.inject(fake.Fault{Op: "refresh_token", Code: row.Code, Description: "own text"})
		if a := r.refresh().want(t, row.Code); a.str("description") != "own text" || a.body.Message != "error" {
			t.Errorf("%d: %s", row.Code, a.raw)
		}
	}
	for p, codes := range problemCodes() {
		for _, c := range codes {
			if want[c] == "" {
				t.Errorf("problem %s has code %d, which is not in the table", p, c)
			}
		}
	}
}

func TestOtherReadings(t *testing.T) {
	start := func(change func(*Readings)) (*rig, string, func(n, size int) reply) {
		r := newRig(t, func(o *Options) { change(&o.Readings) })
		id := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
		return r, id, func(n, size int) reply {
			return r.file("part_upload", make([]byte, size), "upload_id", id, "part_number", fmt.Sprint(n))
		}
	}
	t.Run("repeated part refused", func(t *testing.T) {
		_, _, part := start(func(r *Readings) { r.RepeatedPart = "refuse" })
		part(1, 20).want(t, 0)
		part(1, 20).want(t, 28001007)
	})
	t.Run("gap", func(t *testing.T) {
		for reading, want := range map[string]int{"truncate": 0, "refuse": 28001007} {
			r, id, part := start(func(r *Readings) { r.MissingParts = reading })
			part(1, 20).want(t, 0)
			part(3, 5).want(t, 0)
			r.publish("complete", "", nil, "upload_id", id).want(t, want)
			if e := r.s.Effects(); want == 0 && e.Assets[0].Size != 25 {
				t.Error("truncated silently to", e.Assets[0].Size)
			}
		}
	})
	t.Run("second complete", func(t *testing.T) {
		for reading, want := range map[string]int{"refuse": 28001007, "same": 0} {
			r, id, part := start(func(r *Readings) { r.SecondComplete = reading })
			r.publish("complete", "", nil, "upload_id", id).want(t, 28001007) // no parts
			part(1, 20).want(t, 0)
			first := r.publish("complete", "", nil, "upload_id", id).want(t, 0)
			again := r.publish("complete", "", nil, "upload_id", id).want(t, want)
			if want == 0 && first.str("video", "video_id") != again.str("video", "video_id") {
				t.Error("another video_id")
			}
			part(2, 20).want(t, 28001007)
			if len(r.s.Effects().Assets) != 1 {
				t.Error("a second asset")
			}
		}
	})
	t.Run("reused video_id makes a duplicate", func(t *testing.T) {
		r, _, _ := start(func(r *Readings) { r.ReusedVideo = "duplicate" })
		v := r.newVideo("x")
		r.createText(v, "a").want(t, 0)
		r.createText(v, "a").want(t, 0)
		if r.posts() != 2 {
			t.Error("no duplicate counted")
		}
	})
	t.Run("short last part refused", func(t *testing.T) {
		_, _, part := start(func(r *Readings) { r.ShortLastPart = "refuse" })
		part(1, 9).want(t, 28001007)
		part(1, 10).want(t, 0)
	})
	t.Run("codes", func(t *testing.T) {
		r, _, _ := start(func(r *Readings) { r.DeadUploadCode, r.ContentTypeCode = 2190007, 28001007 })
		r.publish("complete", "", nil, "upload_id", "x").want(t, 2190007)
		b, ct := form(t, "video", "a", "image/png", []byte("x"))
		r.publish("upload", ct, strings.NewReader(string(b))).want(t, 28001007)
	})
	t.Run("loose types, chunks, utf16", func(t *testing.T) {
		r, id, _ := start(func(r *Readings) { r.PartContentType, r.ChunkedBody, r.TextUnit = "ignore", "accept", "utf16" })
		b, ct := form(t, "video", "a", "application/octet-stream", make([]byte, 20))
		r.publish("part_upload", ct, struct{ *strings.Reader }{strings.NewReader(string(b))}, "upload_id", id, "part_number", "1").want(t, 0)
		r.createText(r.newVideo("x"), strings.Repeat("😀", 501)).want(t, 28001007)
	})
	if _, err := New(Options{Readings: Readings{MissingParts: "maybe"}}); err == nil {
		t.Error("an unknown reading passed")
	}
}
