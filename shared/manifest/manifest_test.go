package manifest_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/upload"
)

func parse(t testing.TB, doc string) manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse([]byte(doc), manifest.KnownTargets())
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return m
}

func TestAnErrorNamesFieldRuleAndPlace(t *testing.T) {
	for doc, want := range map[string]string{
		"{\n  \"title\": \"a\",\n  \"tags\": [\"x\",\n    \"x\"]\n}": `manifest.Parse: Invalid: "x" appears a second time at line 4, column 5 (field tags[1], rule each tag once)`,
		"{\n  \"标题\": 1}":                                   `manifest.Parse: Invalid: no such field; known are title, description, tags, cover, publish_at, private, again, to, douyin, douyinweb, youku, alivod at line 2, column 9 (field 标题, rule a known field)`,
		"{\n\"title\": \"a\"\n\"tags\": []}":                `manifest.Parse: Invalid: invalid character '"' after object key:value pair at line 3, column 1 (field document, rule JSON)`,
		`{"cover":{"at":-1}}`:                               `manifest.Parse: Invalid: it is not in that span at line 1, column 16 (field cover.at, rule 0 to 86400 seconds)`,
		`{"douyin":{"a":1, "a":2}}`:                         `manifest.Parse: Invalid: the key appears a second time at line 1, column 23 (field douyin.a, rule each key once)`,
		"{\"title\":\"\xff\"}":                              `manifest.Parse: Invalid: a byte that is not UTF-8 at line 1, column 11 (field document, rule UTF-8)`,
		"{\"\u001b[31m" + strings.Repeat("x", 100) + `":1}`: "manifest.Parse: Invalid: invalid character '\\x1b' in string literal at line 1, column 3 (field document, rule JSON)",
		`{"\u001b[31m":1}`:                                  `manifest.Parse: Invalid: no such field; known are title, description, tags, cover, publish_at, private, again, to, douyin, douyinweb, youku, alivod at line 1, column 15 (field "\x1b[31m", rule a known field)`,
	} {
		_, err := manifest.Parse([]byte(doc), manifest.KnownTargets())
		if got := fmt.Sprint(err); got != want {
			t.Errorf("%q\n got %s\nwant %s", doc, got, want)
		}
	}
}

func TestAByteOrderMarkIsSkippedAndATitleTrimmed(t *testing.T) {
	if m := parse(t, "\xef\xbb\xbf{\"title\":\" a b\u3000\"}"); m.Title != "a b" {
		t.Errorf("got %q", m.Title)
	}
}

func TestOnlyTheTargetsOfTheCallerAreKnown(t *testing.T) {
	if _, err := manifest.Parse([]byte(`{"mem":{"x":1}}`), append(manifest.KnownTargets(), "mem")); err != nil {
		t.Error(err)
	}
	if _, err := manifest.Parse([]byte(`{"douyin":{}}`), nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestAStoredManifestComesBackTheSameEvenForATargetThatIsGone(t *testing.T) {
	at := 1.5
	when := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	in := manifest.Manifest{Title: "t", Tags: []string{"a"}, Cover: &manifest.Cover{At: &at}, PublishAt: &when, Private: true, To: []upload.Account{"old/x"}, Targets: map[string]json.RawMessage{"old": json.RawMessage(`{"a":1}`)}}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out manifest.Manifest
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	again, _ := json.Marshal(out)
	if string(again) != string(b) || in.Hash() != out.Hash() || !out.PublishAt.Equal(when) {
		t.Errorf("got %s, want %s", again, b)
	}
	if b, _ := json.Marshal(manifest.Manifest{}); string(b) != `{}` {
		t.Errorf("the zero manifest is %s", b)
	}
}

func TestTheSidecarWinsOverMetadataWinsOverDefaults(t *testing.T) {
	def := parse(t, `{"title":"d","description":"d","tags":["d"],"private":true,"to":["douyin/d"],"douyin":{"a":"d","b":"d"}}`)
	md, err := manifest.FromMetadata(map[string]string{"vodlift-title": "m", "vodlift-tags": "m1, m2", "other": "x"})
	if err != nil {
		t.Fatal(err)
	}
	side := parse(t, `{"title":"s","description":"","private":false,"douyin":{"b":"s","c":null}}`)
	got := manifest.Merge(def, md, side)
	want := `{"description":"","douyin":{"a":"d","b":"s","c":null},"private":false,"tags":["m1","m2"],"title":"s","to":["douyin/d"]}`
	if b, _ := json.Marshal(got); string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	if b, _ := json.Marshal(def); !strings.Contains(string(b), `"b":"d"`) {
		t.Errorf("the defaults were changed: %s", b)
	}
	if got := manifest.Merge(def, manifest.Manifest{}, parse(t, `{"tags":[]}`)); len(got.Tags) != 0 || !got.Private {
		t.Errorf("an empty list must clear the default's, silence keep them: %+v", got)
	}
}

func TestHashNamesTheMeaningNotTheText(t *testing.T) {
	same := [][2]string{
		{`{"title":"a","private":true}`, "{ \"private\":true,\n\"title\":\" a \"}"},
		{`{"to":["a/b","c/d"]}`, `{"to":["c/d","a/b"]}`},
		{`{"publish_at":"2026-11-30T18:00:00+08:00"}`, `{"publish_at":"2026-11-30T10:00:00Z"}`},
		{`{"douyin":{"a":1,"b":[1,2]}}`, `{"douyin":{ "b":[1, 2],"a":1}}`},
		{`{}`, `{"description":"","private":false,"tags":[]}`},
	}
	for _, c := range same {
		if parse(t, c[0]).Hash() != parse(t, c[1]).Hash() {
			t.Errorf("%s and %s differ", c[0], c[1])
		}
	}
	docs := []string{`{}`, `{"title":"a"}`, `{"description":"a"}`, `{"tags":["a"]}`, `{"tags":["a","b"]}`, `{"tags":["b","a"]}`, `{"private":true}`, `{"again":"a"}`, `{"to":["a/b"]}`, `{"cover":{"at":0}}`, `{"cover":{"at":1}}`,
		`{"cover":{"key":"a"}}`, `{"publish_at":"2026-11-30T18:00:00Z"}`, `{"douyin":{}}`, `{"youku":{}}`, `{"douyin":{"a":9007199254740993}}`, `{"douyin":{"a":9007199254740992}}`, `{"douyin":{"a":[1,2]}}`, `{"douyin":{"a":[2,1]}}`}
	seen := map[string]string{}
	for _, doc := range docs {
		h := parse(t, doc).Hash()
		if o, ok := seen[h]; ok {
			t.Errorf("%s and %s have one hash", doc, o)
		}
		seen[h] = doc
	}
}

func TestPublishAtMustMakeSenseNow(t *testing.T) {
	now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		at   time.Time
		ok   bool
	}{
		{"now", now, true},
		{"24 h ago", now.Add(-manifest.MaxLate), true},
		{"a nanosecond longer ago", now.Add(-manifest.MaxLate - 1), false},
		{"5 years ahead", now.Add(manifest.MaxAhead), true},
		{"a nanosecond more", now.Add(manifest.MaxAhead + 1), false},
		{"the zero time", time.Time{}, false},
	} {
		err := manifest.Manifest{PublishAt: &c.at}.Validate(now)
		if f := fault.As(err); (err == nil) != c.ok || err != nil && (f.Field != "publish_at" || f.Kind != fault.Invalid) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestValidateHoldsAManifestBuiltInCodeToTheSameRules(t *testing.T) {
	at := 1.0
	for field, m := range map[string]manifest.Manifest{
		"title":     {Title: "a\x00"},
		"tags[0]":   {Tags: []string{"#a"}},
		"to[0]":     {To: []upload.Account{"x"}},
		"cover":     {Cover: &manifest.Cover{Key: "a", At: &at}},
		"cover.key": {Cover: &manifest.Cover{Key: "\x01"}},
		"again":     {Again: "a b"},
		"douyin":    {Targets: map[string]json.RawMessage{"douyin": json.RawMessage(`[]`)}},
		"title ":    {Title: "\xff"},
	} {
		err := m.Validate(time.Unix(0, 0))
		if f := fault.As(err); f == nil || f.Field != strings.TrimSpace(field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if err := (manifest.Manifest{}).Validate(time.Unix(0, 0)); err != nil {
		t.Error(err)
	}
}

func TestMetadataIsReadWhateverItsCaseAndEncoding(t *testing.T) {
	m, err := manifest.FromMetadata(map[string]string{
		"Vodlift-Title": "=?UTF-8?B?5oiR55qE6KeG6aKR?=", "VODLIFT-DESCRIPTION": "直接", "vodlift-tags": " a, 标签 ,,b", "vodlift-to": "douyin/main, youku/two",
		"vodlift-publish-at": "2026-11-30T18:00:00+08:00", "vodlift-private": "True", "vodlift-again": "x", "vodlift-cover-at": "2.5", "mtime": "1", "vodlifter": "no",
	})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(m)
	want := `{"again":"x","cover":{"at":2.5},"description":"直接","private":true,"publish_at":"2026-11-30T10:00:00Z","tags":["a","标签","b"],"title":"我的视频","to":["douyin/main","youku/two"]}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	if m, err := manifest.FromMetadata(map[string]string{"mtime": "1"}); err != nil || m.Given() {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestBadMetadataIsRefusedByName(t *testing.T) {
	for name, v := range map[string]string{
		"vodlift-titel": "a", "vodlift-title": "", "vodlift-private": "yes please", "vodlift-publish-at": "soon", "vodlift-cover-at": "NaN", "vodlift-cover": "", "vodlift-again": "a b", "vodlift-to": "x",
		"vodlift-tags": "a,a", "vodlift-description": "\xff", "vodlift-": "x", "vodlift-Title": "=?latin9?Q?x?=",
	} {
		_, err := manifest.FromMetadata(map[string]string{name: v})
		if f := fault.As(err); f == nil || f.Kind != fault.Invalid || !strings.HasPrefix(strings.ToLower(f.Field), "metadata "+strings.TrimSuffix(strings.ToLower(name), "-at")) {
			t.Errorf("%s=%q: got %v", name, v, err)
		}
	}
	if _, err := manifest.FromMetadata(map[string]string{"vodlift-again": "a", "Vodlift-Again": "b"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("the same name twice: %v", err)
	}
	if _, err := manifest.FromMetadata(map[string]string{"vodlift-cover": "a.jpg", "vodlift-cover-at": "1"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("both covers: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, doc := range good {
		f.Add([]byte(doc))
	}
	for _, c := range bad {
		f.Add([]byte(c.doc))
	}
	for _, c := range beyond {
		if len(c.doc) < 4096 {
			f.Add([]byte(c.doc))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := manifest.Parse(b, manifest.KnownTargets())
		if err != nil {
			if f := fault.As(err); f.Kind != fault.Invalid || f.Rule == "" || len(err.Error()) > 4096 {
				t.Fatalf("got %v", err)
			}
			return
		}
		out, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := manifest.Parse(out, manifest.KnownTargets())
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if !reflect.DeepEqual(m, again) && !sameText(m, again) || m.Hash() != again.Hash() {
			t.Fatalf("no fixed point: %s", out)
		}
		if merged := manifest.Merge(manifest.Manifest{}, manifest.Manifest{}, m); merged.Hash() != m.Hash() {
			t.Fatalf("merging alone changes %s", out)
		}
	})
}

func sameText(a, b manifest.Manifest) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}
