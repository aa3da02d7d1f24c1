package upload_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/upload"
)

var src = upload.Source{Bucket: "inbox", Key: "a b+c%20/我的 🎬.mp4", ETag: `"9b2cf535f27731c974343645a3985328-2"`, Size: 12_345_678, VersionID: "v1"}

// The ids below are in ledgers: a change of them would publish everything again.
func TestIDsNeverChange(t *testing.T) {
	p := upload.PublicationID(src)
	for _, c := range []struct{ what, got, want string }{
		{"publication", p, "pnjqncml2dc5g24qcwef2fbnceu"},
		{"object", upload.ObjectID(src.Bucket, src.Key), "opjqhntnitif6gio4oyzxl5rkw2"},
		{"upload", upload.ID(p, "douyin/main", ""), "uizzu3ei46azfuv5qxvhrh6sqx3"},
		{"upload, again", upload.ID(p, "douyin/main", "2"), "umthqxppl6ipawyfxuhnzu4kijy"},
		{"execution", upload.ExecutionName("uabc", 12), "uabc-12"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, c.got, c.want)
		}
	}
}

func TestTheSameDropHasTheSameID(t *testing.T) {
	want := upload.PublicationID(src)
	other := src
	other.VersionID = "v2"
	if upload.PublicationID(other) != want {
		t.Error("the version changes the id")
	}
	other.ETag = strings.Trim(src.ETag, `"`)
	if upload.PublicationID(other) != want {
		t.Error("quotes around the ETag change the id")
	}
	for what, change := range map[string]func(*upload.Source){
		"bucket": func(s *upload.Source) { s.Bucket = "other" }, "key": func(s *upload.Source) { s.Key += "x" }, "etag": func(s *upload.Source) { s.ETag = "x" }, "size": func(s *upload.Source) { s.Size++ },
	} {
		s := src
		if change(&s); upload.PublicationID(s) == want {
			t.Errorf("another %s has the same id", what)
		}
	}
}

func TestNoTwoListsOfPartsGiveOneID(t *testing.T) {
	seen := map[string]string{}
	for _, p := range [][2]string{{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}, {"1:a", "b"}, {"1:a1:b", ""}, {"a", "1:b"}, {"a/b", "c"}, {"a", "b/c"}} {
		id := upload.ObjectID(p[0], p[1])
		if o, ok := seen[id]; ok {
			t.Errorf("%q and %s have one id", p, o)
		}
		seen[id] = fmt.Sprintf("%q", p)
		if len(id) != 27 || strings.Trim(id[1:], "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Errorf("%s is no id", id)
		}
	}
	if upload.ID("p1", "a/b", "") == upload.ID("p1", "a/b", "x") || upload.ID("p1", "a/b", "") == upload.ID("p2", "a/b", "") || upload.ID("p", "a/b", "") == upload.ID("p", "a/c", "") {
		t.Error("publication, account and again label must each change the upload's id")
	}
	if n := len(upload.ExecutionName(upload.ID("p", "a/b", ""), math.MaxInt32)); n > 80 {
		t.Errorf("an execution name of %d characters; 80 are allowed", n)
	}
}

func TestAnAccountIsTargetAndName(t *testing.T) {
	for _, s := range []string{"douyin/main", "youku/a.b-c_d", "a/b", "0/0", "douyin/" + strings.Repeat("n", 121)} {
		a, err := upload.ParseAccount(s)
		if err != nil || upload.NewAccount(a.Target(), a.Name()) != a || string(a) != s {
			t.Errorf("%s: got %s, %v", s, a, err)
		}
	}
	for _, s := range []string{"", "/", "a", "a/", "/b", "a/b/c", "A/b", "a/B", "a b/c", "a/b c", "a/.", "a/..", "a/-b", "a/b-", "a/b.", "a#/b", "a/b#c", "a-b/c", "我/b", "a/我", "a/b\x00", "\xff/b", "a/b\xff", "douyin/" + strings.Repeat("n", 122)} {
		if a, err := upload.ParseAccount(s); err == nil || a != "" || len(err.Error()) > 600 {
			t.Errorf("%q: got %q, %v", s, a, err)
		}
	}
}

func FuzzParseAccount(f *testing.F) {
	for _, s := range []string{"douyin/main", "a/b/c", "", "a/..", "\xff/\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := upload.ParseAccount(s)
		if err != nil {
			return
		}
		if string(a) != s || a.Target() == "" || a.Name() == "" || len(s) > 128 || strings.ContainsAny(s, "#\x00 ") || strings.Count(s, "/") != 1 || upload.NewAccount(a.Target(), a.Name()) != a {
			t.Fatalf("%q passes", s)
		}
	})
}

func TestNounsComeBackFromJSON(t *testing.T) {
	at := time.Date(2026, 11, 30, 1, 2, 3, 4, time.UTC)
	for _, v := range []any{
		src,
		upload.Video{Upload: "u", Publication: "p", Account: "douyin/main", Size: 1 << 40, FileName: "我.mp4", ContentType: "video/mp4", Title: "t", Tags: []string{"a"}, Private: true, Duration: time.Minute, CRC64: "00ff", Fields: json.RawMessage(`{"a":1}`)},
		upload.Part{Number: 10_000, Offset: 1 << 45, Size: 5 << 20},
		upload.Receipt{Part: 1, Size: 2, CRC64: math.MaxUint64, ETag: `"e"`, Asset: "v", Unsummed: true},
		upload.Session{ID: "@8hx=/+", Opened: at, Expires: at, Private: json.RawMessage(`{"k":"s"}`)},
		upload.Asset{ID: "v", Expires: at}, upload.Post{ID: "i", URL: "https://x", At: at}, douyin,
		upload.Plan{Size: 1, Parts: 2, PartSize: 3, Ranges: 4, PartsPerRange: 5, InFlight: 6}, upload.Settings{MinRange: 1, MaxRanges: 2, TurnBytes: 3},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		back := reflect.New(reflect.TypeOf(v))
		if err := json.Unmarshal(b, back.Interface()); err != nil || !reflect.DeepEqual(back.Elem().Interface(), v) {
			t.Errorf("%s comes back as %+v, %v", b, back.Elem(), err)
		}
	}
}

func TestASessionNeverPrintsItsSecrets(t *testing.T) {
	const secret = "SECRET"
	s := upload.Session{ID: secret + "-id", Opened: time.Unix(1, 0), Private: json.RawMessage(`{"k":"` + secret + `"}`)}
	holder := struct {
		Session upload.Session
		P       *upload.Session
		L       []upload.Session
	}{s, &s, []upload.Session{s}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		fmt.Fprintf(&out, verb+verb+verb+verb+"\n", s, &s, holder, []any{s})
	}
	fmt.Fprintln(&out, s, errors.New(s.String()), fmt.Errorf("x: %v", s))
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).With("s", s).WithGroup("g").Info("m", "a", s, "b", &s, slog.Any("c", s), slog.Group("d", "e", s))
	}
	// fmt writes hex too, and a nested byte slice as numbers.
	for _, leak := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), "83 69 67 82 69 84"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%s is in the output:\n%s", leak, out.String())
		}
	}
	if !strings.Contains(out.String(), "1970-01-01T00:00:01Z") {
		t.Error("not even the opening time is shown")
	}
}
