package manifest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/upload"
)

func now() time.Time { return time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC) }

const routesDoc = `[
 {"bucket":"inbox","prefix":"","accounts":["douyin/main"],"sidecar":"never"},
 {"bucket":"inbox","prefix":"team/","accounts":["douyin/team","youku/team"],"sidecar":"required","defaults":{"tags":["team"],"to":["youku/team"]}},
 {"bucket":"inbox","prefix":"team/a/","accounts":["douyin/a"]},
 {"bucket":"other","prefix":"team/a/b/","accounts":["alivod/x"]}
]`

func routes(t testing.TB) manifest.Routes {
	t.Helper()
	rs, err := manifest.ParseRoutes([]byte(routesDoc), manifest.KnownTargets())
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func TestTheLongestPrefixOfTheBucketWins(t *testing.T) {
	rs := routes(t)
	for _, c := range []struct{ bucket, key, want string }{
		{"inbox", "x.mp4", ""}, {"inbox", "team/x.mp4", "team/"}, {"inbox", "team/a/x.mp4", "team/a/"}, {"inbox", "team/a/b/x.mp4", "team/a/"}, {"inbox", "teams/x.mp4", ""}, {"inbox", "team", ""},
	} {
		if r, ok := rs.Match(c.bucket, c.key); !ok || r.Prefix != c.want {
			t.Errorf("%s/%s: got %q, %v, want %q", c.bucket, c.key, r.Prefix, ok, c.want)
		}
	}
	if r, ok := rs.Match("other", "x.mp4"); ok {
		t.Errorf("a key without a route got %+v", r)
	}
	if r, _ := rs.Match("inbox", "team/a/x"); r.Sidecar != manifest.SidecarOptional {
		t.Errorf("no sidecar word means optional, got %s", r.Sidecar)
	}
}

func TestAManifestChoosesWithinItsRoute(t *testing.T) {
	r, _ := routes(t).Match("inbox", "team/x.mp4")
	for _, c := range []struct{ doc, want string }{
		{`{}`, "[youku/team]"}, {`{"to":["douyin/team"]}`, "[douyin/team]"}, {`{"to":["douyin/team","youku/team"]}`, "[douyin/team youku/team]"}, {`{"cover":{"key":"team/c.jpg"}}`, "[youku/team]"},
	} {
		if got, err := r.Choose(parse(t, c.doc)); err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s: got %v, %v, want %s", c.doc, got, err, c.want)
		}
	}
	all, _ := routes(t).Match("inbox", "x")
	if got, _ := all.Choose(manifest.Manifest{}); !slices.Equal(got, []upload.Account{"douyin/main"}) {
		t.Errorf("without any word all of the route: got %v", got)
	}
	_, err := r.Choose(parse(t, `{"to":["douyin/team","douyin/main"]}`))
	want := `manifest.Choose: Invalid: the route of prefix "team/" in bucket "inbox" does not allow account douyin/main; it allows douyin/team, youku/team (field to[1], rule an account of the route)`
	if fmt.Sprint(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := r.Choose(parse(t, `{"cover":{"key":"secret/c.jpg"}}`)); err == nil || fault.As(err).Field != "cover.key" {
		t.Errorf("a cover elsewhere: %v", err)
	}
}

func TestBadRoutesAreRefusedNamingRouteAndField(t *testing.T) {
	for _, c := range []struct{ doc, field string }{
		{`{}`, "document"}, {`[1]`, "[0].route"}, {`[{}]`, "[0].bucket"}, {`[{"bucket":"inbox"}]`, "[0].accounts"}, {`[{"bucket":"In box","accounts":["douyin/a"]}]`, "[0].bucket"},
		{`[{"bucket":"inbox","prefix":"a","accounts":["douyin/a"]}]`, "[0].prefix"}, {`[{"bucket":"inbox","prefix":"/","accounts":["douyin/a"]}]`, "[0].prefix"},
		{`[{"bucket":"inbox","accounts":["tiktok/a"]}]`, "[0].accounts[0]"}, {`[{"bucket":"inbox","accounts":["douyin"]}]`, "[0].accounts[0]"}, {`[{"bucket":"inbox","accounts":["douyin/a","douyin/a"]}]`, "[0].accounts[1]"},
		{`[{"bucket":"inbox","accounts":["douyin/a"],"sidecar":"maybe"}]`, "[0].sidecar"}, {`[{"bucket":"inbox","accounts":["douyin/a"],"side":"never"}]`, "[0].side"}, {`[{"bucket":"inbox","accounts":[],"prefix":""}]`, "[0].accounts"},
		{`[{"bucket":"inbox","accounts":["douyin/a"],"defaults":{"titel":"x"}}]`, "[0].defaults.titel"}, {`[{"bucket":"inbox","accounts":["douyin/a"],"defaults":{"to":["douyin/b"]}}]`, "[0].defaults.to[0]"},
		{`[{"bucket":"inbox","accounts":["douyin/a"],"defaults":{"again":"b"}}]`, "[0].defaults.again"}, {`[{"bucket":"inbox","accounts":["douyin/a"],"defaults":{"publish_at":"2026-11-30T18:00:00Z"}}]`, "[0].defaults.publish_at"},
		{`[{"bucket":"inbox","accounts":["douyin/a"],"defaults":{"cover":{"key":"b"}}}]`, "[0].defaults.cover"}, {`[{"bucket":"inbox","accounts":["douyin/a"],"defaults":[]}]`, "[0].defaults.document"},
		{`[{"bucket":"inbox","accounts":["douyin/a"]},{"bucket":"inbox","accounts":["douyin/b"]}]`, "[1].prefix"},
		{`[{"bucket":"inbox","bucket":"inbox","accounts":["douyin/a"]}]`, "[0].bucket"}, {`[`, "document"},
	} {
		_, err := manifest.ParseRoutes([]byte(c.doc), manifest.KnownTargets())
		if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field != c.field {
			t.Errorf("%s: got %v, want field %s", c.doc, err, c.field)
		}
	}
	_, err := manifest.ParseRoutes([]byte("[\n {\"bucket\":\"inbox\",\n  \"accounts\":[\"tiktok/a\"]}]"), manifest.KnownTargets())
	want := "manifest.ParseRoutes: Invalid: tiktok is none of douyin, douyinweb, youku, alivod at line 3, column 14 (field [0].accounts[0], rule a known target)"
	if fmt.Sprint(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func FuzzParseRoutes(f *testing.F) {
	f.Add([]byte(routesDoc))
	f.Add([]byte(`[{"bucket":"inbox","accounts":["douyin/a"],"defaults":{"douyin":{"a":1},"title":" a ","cover":{"at":1}}}]`))
	f.Add([]byte(`[{}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rs, err := manifest.ParseRoutes(b, manifest.KnownTargets())
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		out, err := json.Marshal(rs)
		if err != nil {
			t.Fatal(err)
		}
		again, err := manifest.ParseRoutes(out, manifest.KnownTargets())
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if out2, _ := json.Marshal(again); string(out2) != string(out) {
			t.Fatalf("no fixed point: %s then %s", out, out2)
		}
		for _, r := range rs {
			if got, ok := rs.Match(r.Bucket, r.Prefix+"x"); !ok || len(got.Prefix) < len(r.Prefix) {
				t.Fatalf("the route %q does not match its own keys", r.Prefix)
			}
			if _, err := r.Choose(r.Defaults); err != nil {
				t.Fatal(err)
			}
		}
	})
}
