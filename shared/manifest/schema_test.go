package manifest_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
)

func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	b, err := os.ReadFile("../../docs/manifest.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("manifest.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func many(n int, f string) string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprintf(f, i)
	}
	return strings.Join(s, ",")
}

// good documents: Parse and the schema must take them.
var good = []string{
	`{}`, ` { } `, "{\n\t}\r\n",
	`{"title":"a"}`, `{"title":"日本語 🎬 title"}`, `{"title":" padded "}`, `{"title":"` + strings.Repeat("题", 1000) + `"}`, `{"title":"\u00e9\ud83c\udfac"}`,
	`{"title":"#topic, and more <b>&amp;</b>"}`,
	`{"description":""}`, `{"description":"two\nlines\tand\r\nmore \u200f"}`, `{"description":"` + strings.Repeat("d", 5000) + `"}`,
	`{"tags":[]}`, `{"tags":["a","b c","标签"]}`, `{"tags":[` + many(50, `"t%d"`) + `]}`, `{"tags":["` + strings.Repeat("t", 100) + `"]}`, `{"tags":["x"]}`,
	`{"cover":{"key":"inbox/cover.jpg"}}`, `{"cover":{"at":0}}`, `{"cover":{"at":12.5}}`, `{"cover":{"at":86400}}`, `{"cover":{"at":1e2}}`, `{"cover":{"at":-0}}`,
	`{"cover":{"key":"` + strings.Repeat("k", 1024) + `"}}`,
	`{"publish_at":"2026-11-30T18:00:00+08:00"}`, `{"publish_at":"2026-11-30T18:00:00Z"}`, `{"publish_at":"2024-02-29T23:59:59.123456789-11:30"}`,
	`{"publish_at":"2026-11-30 18:00 Asia/Shanghai"}`, `{"publish_at":"2026-11-30T18:00:30 America/Argentina/Ushuaia"}`, `{"publish_at":"2026-11-30 18:00 UTC"}`,
	`{"publish_at":"+2h"}`, `{"publish_at":"+1d12h"}`, `{"publish_at":"+90m"}`, `{"publish_at":"+0s"}`, `{"publish_at":"+1800d"}`,
	`{"private":true}`, `{"private":false}`,
	`{"again":"2"}`, `{"again":"Re-run_1.b"}`, `{"again":"` + strings.Repeat("a", 32) + `"}`,
	`{"to":["douyin/main"]}`, `{"to":["douyin/main","youku/a.b-c_d"]}`, `{"to":["douyin/` + strings.Repeat("n", 121) + `"]}`,
	`{"douyin":{}}`, `{"douyin":{"poi_id":"1","deep":{"a":[null,1.5e3,true]}},"douyinweb":{},"youku":{"x":null},"alivod":{"CateId":9007199254740993}}`,
	`{"title":"a","description":"b","tags":["c"],"cover":{"at":1},"publish_at":"2026-11-30T18:00:00Z","private":true,"again":"x","to":["youku/one"],"youku":{"a":1}}`,
}

// bad documents, and the field that Parse blames; the schema must refuse them too.
var bad = []struct{ doc, field string }{
	{`[]`, "document"}, {`null`, "document"}, {`"x"`, "document"}, {`1`, "document"}, {`true`, "document"},
	{`{"titel":"a"}`, "titel"}, {`{"Title":"a"}`, "Title"}, {`{"TITLE":"a"}`, "TITLE"}, {`{"":1}`, ""}, {`{"tiktok":{}}`, "tiktok"},
	{`{"title":""}`, "title"}, {`{"title":"   "}`, "title"}, {`{"title":"\u3000\u00a0"}`, "title"}, {`{"title":null}`, "title"}, {`{"title":1}`, "title"}, {`{"title":["a"]}`, "title"},
	{`{"title":"` + strings.Repeat("题", 1001) + `"}`, "title"}, {`{"title":"a\nb"}`, "title"}, {`{"title":"a\u0000"}`, "title"}, {`{"title":"a\u007f"}`, "title"}, {`{"title":"a\u0085"}`, "title"},
	{`{"title":"gpj.\u202egnp"}`, "title"}, {`{"title":"\u2066a"}`, "title"}, {`{"title":"\u200e"}`, "title"}, {`{"title":"\u061c"}`, "title"}, {`{"title":"a\u2028b"}`, "title"},
	{`{"description":"` + strings.Repeat("d", 5001) + `"}`, "description"}, {`{"description":"\u001b[31m"}`, "description"}, {`{"description":null}`, "description"}, {`{"description":{}}`, "description"},
	{`{"tags":"a,b"}`, "tags"}, {`{"tags":null}`, "tags"}, {`{"tags":[1]}`, "tags[0]"}, {`{"tags":["a",null]}`, "tags[1]"}, {`{"tags":[""]}`, "tags[0]"}, {`{"tags":["a","a"]}`, "tags[1]"}, {`{"tags":["#a"]}`, "tags[0]"},
	{`{"tags":["a,b"]}`, "tags[0]"}, {`{"tags":[" a"]}`, "tags[0]"}, {`{"tags":["a\u3000"]}`, "tags[0]"}, {`{"tags":[" "]}`, "tags[0]"}, {`{"tags":["a\nb"]}`, "tags[0]"}, {`{"tags":["a\u202eb"]}`, "tags[0]"},
	{`{"tags":[` + many(51, `"t%d"`) + `]}`, "tags"}, {`{"tags":["` + strings.Repeat("t", 101) + `"]}`, "tags[0]"},
	{`{"cover":"c.jpg"}`, "cover"}, {`{"cover":null}`, "cover"}, {`{"cover":{}}`, "cover"}, {`{"cover":{"key":"a","at":1}}`, "cover"}, {`{"cover":{"key":""}}`, "cover.key"}, {`{"cover":{"key":"a\u0007"}}`, "cover.key"},
	{`{"cover":{"key":1}}`, "cover.key"}, {`{"cover":{"key":"` + strings.Repeat("k", 1025) + `"}}`, "cover.key"}, {`{"cover":{"at":"1"}}`, "cover.at"}, {`{"cover":{"at":-0.1}}`, "cover.at"}, {`{"cover":{"at":86400.1}}`, "cover.at"},
	{`{"cover":{"at":1e99}}`, "cover.at"}, {`{"cover":{"at":1e400}}`, "cover.at"}, {`{"cover":{"at":null}}`, "cover.at"}, {`{"cover":{"url":"https://x"}}`, "cover.url"},
	{`{"publish_at":""}`, "publish_at"}, {`{"publish_at":"tomorrow"}`, "publish_at"}, {`{"publish_at":"2026-11-30"}`, "publish_at"}, {`{"publish_at":"2026-11-30T18:00:00"}`, "publish_at"}, {`{"publish_at":1764500000}`, "publish_at"},
	{`{"publish_at":"2026-11-31T18:00:00Z"}`, "publish_at"}, {`{"publish_at":"2025-02-29T18:00:00Z"}`, "publish_at"}, {`{"publish_at":"2026-11-30T24:00:00Z"}`, "publish_at"}, {`{"publish_at":"2026-11-30T18:00:60Z"}`, "publish_at"},
	{`{"publish_at":"2026-11-30t18:00:00z"}`, "publish_at"}, {`{"publish_at":"2026-11-30T18:00:00+0800"}`, "publish_at"}, {`{"publish_at":"2026-11-30T18:00:00+24:00"}`, "publish_at"}, {`{"publish_at":"2026-11-30 18:00:00Z"}`, "publish_at"},
	{`{"publish_at":"2026-11-30T18:00:00.1234567890Z"}`, "publish_at"}, {`{"publish_at":null}`, "publish_at"}, {`{"publish_at":"+"}`, "publish_at"}, {`{"publish_at":"+2"}`, "publish_at"}, {`{"publish_at":"-2h"}`, "publish_at"}, {`{"publish_at":"+2h1d"}`, "publish_at"}, {`{"publish_at":"+1.5h"}`, "publish_at"},
	{`{"publish_at":"2026-11-30 18:00 China"}`, "publish_at"}, {`{"publish_at":"2026-11-30 18:00 ../etc/passwd"}`, "publish_at"}, {`{"publish_at":"2026-11-30 25:00 Asia/Shanghai"}`, "publish_at"}, {`{"publish_at":"2026-13-01T18:00:00Z"}`, "publish_at"}, {`{"publish_at":"2026-11-30T8:00:00Z"}`, "publish_at"},
	{`{"private":"true"}`, "private"}, {`{"private":null}`, "private"}, {`{"private":1}`, "private"},
	{`{"again":""}`, "again"}, {`{"again":"-a"}`, "again"}, {`{"again":"a b"}`, "again"}, {`{"again":"` + strings.Repeat("a", 33) + `"}`, "again"}, {`{"again":"二"}`, "again"}, {`{"again":true}`, "again"}, {`{"again":"a\n"}`, "again"},
	{`{"to":[]}`, "to"}, {`{"to":"douyin/main"}`, "to"}, {`{"to":null}`, "to"}, {`{"to":["douyin"]}`, "to[0]"}, {`{"to":["/main"]}`, "to[0]"}, {`{"to":["douyin/"]}`, "to[0]"}, {`{"to":["Douyin/main"]}`, "to[0]"},
	{`{"to":["douyin/a/b"]}`, "to[0]"}, {`{"to":["douyin/main","douyin/main"]}`, "to[1]"}, {`{"to":["douyin/.."]}`, "to[0]"}, {`{"to":["douyin/a."]}`, "to[0]"}, {`{"to":["douyin/-a"]}`, "to[0]"}, {`{"to":[7]}`, "to[0]"},
	{`{"to":["douyin/` + strings.Repeat("n", 122) + `"]}`, "to[0]"}, {`{"to":[` + many(51, `"douyin/a%d"`) + `]}`, "to"}, {`{"to":["douyin/main\n"]}`, "to[0]"},
	{`{"douyin":[]}`, "douyin"}, {`{"douyin":null}`, "douyin"}, {`{"youku":"x"}`, "youku"}, {`{"alivod":1}`, "alivod"},
}

// beyond is what a schema cannot say; only Parse refuses it.
var beyond = []struct{ name, doc, field, rule string }{
	{"a key twice", `{"title":"a","title":"b"}`, "title", "each key once"},
	{"a key twice, one of them escaped", `{"title":"a","\u0074itle":"b"}`, "title", "each key once"},
	{"a key twice deep inside", `{"douyin":{"a":[{"b":1,"b":2}]}}`, "douyin.a[0].b", "each key once"},
	{"33 levels", `{"douyin":` + strings.Repeat(`{"a":`, 31) + `[]` + strings.Repeat(`}`, 31) + `}`, "douyin" + strings.Repeat(".a", 31), "depth <= 32"},
	{"too long", `{"description":"` + strings.Repeat(" ", 48<<10) + `"}`, "document", "<= 49152 bytes"},
	{"not UTF-8", "{\"title\":\"\xff\"}", "document", "UTF-8"},
	{"UTF-16", "\xff\xfe{\x00}\x00", "document", "UTF-8"},
	{"a cover key over 1024 bytes in under 1024 characters", `{"cover":{"key":"` + strings.Repeat("键", 342) + `"}}`, "cover.key", "1 to 1024 bytes of UTF-8 without control characters"},
	{"empty", "", "document", "JSON"}, {"blank", " \n", "document", "JSON"}, {"only a byte order mark", "\xef\xbb\xbf", "document", "JSON"},
	{"cut short", `{"title":"a"`, "document", "JSON"}, {"two documents", `{} {}`, "document", "JSON"}, {"a comment", `{} // x`, "document", "JSON"}, {"trailing comma", `{"title":"a",}`, "document", "JSON"},
	{"NaN", `{"cover":{"at":NaN}}`, "document", "JSON"},
}

func TestSchemaAndParseJudgeAlike(t *testing.T) {
	s := schema(t)
	judge := func(doc string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
		if err != nil {
			t.Fatalf("%.80s: %v", doc, err)
		}
		return s.Validate(v)
	}
	for _, doc := range good {
		if err := judge(doc); err != nil {
			t.Errorf("the schema refuses %.80s: %v", doc, err)
		}
		if _, err := manifest.Parse([]byte(doc), manifest.KnownTargets()); err != nil {
			t.Errorf("Parse refuses %.80s: %v", doc, err)
		}
	}
	for _, c := range bad {
		if judge(c.doc) == nil {
			t.Errorf("the schema takes %.80s", c.doc)
		}
		_, err := manifest.Parse([]byte(c.doc), manifest.KnownTargets())
		if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field != c.field || f.Rule == "" || f.Effect != fault.EffectNone {
			t.Errorf("Parse of %.80s: got %v, want Invalid for field %q", c.doc, err, c.field)
		}
	}
}

func TestParseAlsoRefusesWhatNoSchemaCanSay(t *testing.T) {
	for _, c := range beyond {
		t.Run(c.name, func(t *testing.T) {
			_, err := manifest.Parse([]byte(c.doc), manifest.KnownTargets())
			if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field != c.field || f.Rule != c.rule {
				t.Errorf("got %v, want field %q, rule %q", err, c.field, c.rule)
			}
		})
	}
	deep := `{"douyin":` + strings.Repeat(`{"a":`, 30) + `[]` + strings.Repeat(`}`, 30) + `}`
	if _, err := manifest.Parse([]byte(deep), manifest.KnownTargets()); err != nil {
		t.Errorf("32 levels: %v", err)
	}
	if _, err := manifest.Parse([]byte(`{"description":"`+strings.Repeat("d", 4000)+`"}`+strings.Repeat(" ", 48<<10-4018)), nil); err != nil {
		t.Errorf("exactly 48 KiB: %v", err)
	}
}

func TestTheSchemaNamesTheKnownTargets(t *testing.T) {
	s := schema(t)
	for _, w := range manifest.KnownTargets() {
		if s.Properties[w] == nil {
			t.Errorf("no property %s", w)
		}
	}
	if got, want := len(s.Properties), 8+len(manifest.KnownTargets()); got != want {
		t.Errorf("got %d properties, want %d", got, want)
	}
}
