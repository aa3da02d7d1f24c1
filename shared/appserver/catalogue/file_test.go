package catalogue_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	b, err := os.ReadFile("../../../docs/catalogue.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("catalogue.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("catalogue.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func judged(t testing.TB, s *jsonschema.Schema, doc string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func doc(field, entry string) string { return fmt.Sprintf(`{"format":1,%q:[%s]}`, field, entry) }

func song(field, value string) string {
	s := map[string]string{"musicId": `"a"`, "title": `"t"`, "duration": `"1"`, "file": `"catalogue/a.mp3"`}
	s[field] = value
	var b []string
	for k, v := range s {
		if v != "" {
			b = append(b, fmt.Sprintf("%q:%s", k, v))
		}
	}
	return doc("music", "{"+strings.Join(b, ",")+"}")
}

func font(ref string) string { return doc("fonts", fmt.Sprintf(`{"id":1,"name":"n","url":%q}`, ref)) }

func TestFilesThatAreTaken(t *testing.T) {
	s := schema(t)
	for _, good := range []string{
		string(catalogue.Sample()), "\xef\xbb\xbf" + `{"format":1}`, ` { "format" : 1 } `, doc("music", ""), song("duration", `"0"`), song("duration", `"99999"`),
		song("musicId", `"`+strings.Repeat("m", 64)+`"`), song("title", `"`+strings.Repeat("题", 100)+`"`), song("title", `"<b>'; DROP TABLE music --</b> 👩`+"\u200d"+`🚀"`), song("artistName", `""`),
		font("https://img.example.com/a.ttf"), font("https://img.example.com:8443/a%20b?x=1&y=2"), font("catalogue/a"), font("catalogue/a b/c_(1)+@~.ttf"), font("catalogue/" + strings.Repeat("k", 990)),
		doc("pasters", `{"id":2147483647,"name":"n","createTime":"2019-03-19 14:32:38.0","items":[]}`), doc("mvs", `{"id":1,"name":"n","aspectList":[{"aspect":9,"download":"catalogue/x"}]}`),
		`{"format":1,"fonts":[{"id":7,"name":"n","url":"catalogue/x"}],"frontPasters":[{"id":1,"name":"n","url":"catalogue/x","fontId":7}]}`,
	} {
		if _, err := catalogue.Check(strings.NewReader(good)); err != nil {
			t.Errorf("%.80s: %v", good, err)
		}
		if err := judged(t, s, strings.TrimPrefix(good, "\xef\xbb\xbf")); err != nil {
			t.Errorf("the schema refuses %.80s: %v", good, err)
		}
	}
}

// bad documents, with the field and what the rule or text must say. only = the schema cannot say it.
func bad() []struct{ name, doc, field, want, only string } {
	deep := strings.Repeat(`{"items":[`, 10) + strings.Repeat(`]}`, 10)
	return []struct{ name, doc, field, want, only string }{
		{"nothing", "", "document", "empty", "x"}, {"spaces", " \n", "document", "empty", "x"}, {"no JSON", "{", "document", "line 1, column", "x"},
		{"no JSON, further down", "{\n \"format\": 1,\n}", "document", "line 3, column 1", "x"},
		{"two documents", `{"format":1}{}`, "document", "JSON", "x"}, {"a list", "[]", "document", "object", ""}, {"a number", "1", "document", "object", ""},
		{"UTF-16", "\xff\xfe{\x00", "document", "UTF-16", "x"}, {"no UTF-8", "{\"format\":1,\"\xff\":1}", "document", "UTF-8", "x"},
		{"no format", "{}", "format", "it is 0", ""}, {"format 2", `{"format":2}`, "format", "it is 2", ""}, {"format a string", `{"format":"1"}`, "format", "whole number", ""},
		{"an unknown field", `{"format":1,"musik":[]}`, "musik", "no such field", ""}, {"a field without a name", `{"":1}`, `""`, "no such field", ""}, {"a field in the wrong case", `{"format":1,"Music":[]}`, "Music", "no such field", ""},
		{"a field in the wrong place", song("aspect", "1"), "aspect", "no such field here", ""}, {"a key twice", `{"format":1,"format":1}`, "format", "second time", "x"},
		{"null", `{"format":1,"music":null}`, "music", "no null", ""}, {"null inside", song("title", "null"), "music[0].title", "no null", ""},
		{"too deep", `{"format":1,"pasters":[` + deep + `]}`, "pasters[0].items[0].items[0].items[0]", "depth", ""},
		{"music without an id", song("musicId", ""), "music[0].musicId", "1 to 64", ""}, {"music with a slash", song("musicId", `"a/b"`), "music[0].musicId", "1 to 64", ""},
		{"a title of 101", song("title", `"`+strings.Repeat("t", 101)+`"`), "music[0].title", "1 to 100", ""}, {"a title that turns", song("title", `"a\u202eb"`), "music[0].title", "bidi", "x"},
		{"a title with a control", song("title", `"a\u0007"`), "music[0].title", "control", ""}, {"a duration as a number", song("duration", "219"), "music.duration", "string", ""},
		{"a broken duration", song("duration", `"3:39"`), "music[0].duration", "whole seconds", ""}, {"no file", song("file", ""), "music[0].file", "missing", ""},
		{"an id twice", doc("fonts", `{"id":1,"name":"n","url":"catalogue/x"},{"id":1,"name":"n","url":"catalogue/x"}`), "fonts[1].id", "already", "x"},
		{"music twice", strings.Replace(tracks(2, "t"), `"m1"`, `"m0"`, 1), "music[1].musicId", "already", "x"},
		{"a pack in two groups", `{"format":1,"pasters":[{"id":1,"name":"a","items":[{"id":5,"name":"n","url":"catalogue/x"}]},{"id":2,"name":"b","items":[{"id":5,"name":"n","url":"catalogue/x"}]}]}`, "pasters[1].items[0].id", "already", "x"},
		{"an id of 0", doc("fonts", `{"id":0,"name":"n","url":"catalogue/x"}`), "fonts[0].id", "1 to", ""}, {"an id of 2^31", doc("fonts", `{"id":2147483648,"name":"n","url":"catalogue/x"}`), "fonts[0].id", "1 to", ""},
		{"an id of 2^70", doc("fonts", `{"id":1180591620717411303424,"name":"n","url":"catalogue/x"}`), "fonts.id", "number", ""}, {"half an id", doc("fonts", `{"id":1.5,"name":"n","url":"catalogue/x"}`), "fonts.id", "number", ""},
		{"a font that is not there", doc("frontPasters", `{"id":1,"name":"n","url":"catalogue/x","fontId":9}`), "frontPasters[0].fontId", "no font 9", "x"},
		{"no aspects", doc("mvs", `{"id":1,"name":"n","aspectList":[]}`), "mvs[0].aspectList", "empty", ""},
		{"an aspect twice", doc("mvs", `{"id":1,"name":"n","aspectList":[{"aspect":1,"download":"catalogue/x"},{"aspect":1,"download":"catalogue/x"}]}`), "mvs[0].aspectList[1].aspect", "already", "x"},
		{"a day that is none", doc("mvs", `{"id":1,"name":"n","createTime":"2019-02-30 10:00:00","aspectList":[{"aspect":1,"download":"catalogue/x"}]}`), "mvs[0].createTime", "no such time", "x"},
		{"a type of 3", doc("pasters", `{"id":1,"name":"n","items":[{"id":1,"name":"n","url":"catalogue/x","type":3}]}`), "pasters[0].items[0].type", "0 to 2", ""},
		{"2501 pieces of music", tracks(2501, "t"), "music", "2500", ""},
		{"http", font("http://img.example.com/a"), "fonts[0].url", "https", ""}, {"no scheme", font("img.example.com/a"), "fonts[0].url", "https", ""}, {"javascript", font("javascript:alert(1)"), "fonts[0].url", "https", ""},
		{"data", font("data:text/html,x"), "fonts[0].url", "https", ""}, {"another folder of the bucket", font("inbox/secret.mp4"), "fonts[0].url", "catalogue/", ""}, {"out of the folder", font("catalogue/../inbox/x"), "fonts[0].url", "parts", "x"},
		{"an empty part", font("catalogue//x"), "fonts[0].url", "parts", "x"}, {"a folder", font("catalogue/"), "fonts[0].url", "parts", ""}, {"a percent in a key", font("catalogue/%2e%2e/x"), "fonts[0].url", "parts", ""},
		{"loopback", font("https://127.0.0.1/a"), "fonts[0].url", "public host", "x"}, {"loopback by name", font("https://localhost/a"), "fonts[0].url", "public host", "x"}, {"IPv6", font("https://[::1]/a"), "fonts[0].url", "public host", ""},
		{"metadata", font("https://169.254.169.254/latest"), "fonts[0].url", "public host", "x"}, {"a host in hex", font("https://0x7f000001/"), "fonts[0].url", "public host", "x"}, {"a host of digits", font("https://2130706433/"), "fonts[0].url", "public host", "x"},
		{"a user", font("https://a:b@img.example.com/x"), "fonts[0].url", "plain URL", ""}, {"a space", font("https://img.example.com/a b"), "fonts[0].url", "plain URL", ""}, {"letters that are not ASCII", font("https://img.example.com/图"), "fonts[0].url", "plain URL", ""},
		{"a host that is not ASCII", font("https://еxample.com/a"), "fonts[0].url", "public host", ""}, {"a signed URL", font("https://b.example.com/x?Expires=1&OSSAccessKeyId=a&Signature=b"), "fonts[0].url", "signed", "x"},
		{"a long URL", font("https://img.example.com/" + strings.Repeat("x", 1000)), "fonts[0].url", "1000 bytes", ""},
	}
}

func TestFilesThatAreRefusedSayWhereAndWhy(t *testing.T) {
	s, r := schema(t), newRig(t)
	for _, tc := range bad() {
		t.Run(tc.name, func(t *testing.T) {
			_, err := r.Import(t.Context(), strings.NewReader(tc.doc))
			f := fault.As(err)
			if f == nil || f.Kind != fault.Invalid || f.Field != tc.field || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want field %s and %q", err, tc.field, tc.want)
			}
			if tc.only == "" && judged(t, s, tc.doc) == nil {
				t.Error("the schema takes it")
			}
		})
	}
	if items, _, err := r.t.Query(t.Context(), table.Query{PK: "CAT"}); err != nil || len(items) != 0 {
		t.Errorf("%d rows were written, %v", len(items), err)
	}
}

func TestSeveralProblemsAreNamedAtOnce(t *testing.T) {
	var b strings.Builder
	for i := range 15 {
		fmt.Fprintf(&b, `,{"id":%d,"name":"","url":"catalogue/x"}`, i+1)
	}
	_, err := catalogue.Check(strings.NewReader(doc("fonts", b.String()[1:])))
	if err == nil || !strings.Contains(err.Error(), "fonts[9].name") || strings.Contains(err.Error(), "fonts[10].name") || !strings.Contains(err.Error(), "and 5 more") {
		t.Errorf("got %v", err)
	}
}

func TestAFileIsReadNoFurtherThanItMayBeLong(t *testing.T) {
	endless := io.MultiReader(strings.NewReader(`{"format":1,"music":[`), endlessSpaces{})
	if _, err := catalogue.Check(endless); fault.As(err) == nil || !strings.Contains(fault.As(err).Rule, "1048576") {
		t.Errorf("got %v", err)
	}
	if _, err := catalogue.Check(iotest.ErrReader(io.ErrUnexpectedEOF)); fault.KindOf(err) != fault.Retryable {
		t.Errorf("a broken reader: %v", err)
	}
}

type endlessSpaces struct{}

func (endlessSpaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// FuzzCheck: no text makes it panic, what is refused is Invalid and says a field, and what is taken the schema takes.
func FuzzCheck(f *testing.F) {
	f.Add(string(catalogue.Sample()))
	f.Add(`{"format":1}`)
	for _, tc := range bad() {
		if len(tc.doc) < 4096 {
			f.Add(tc.doc)
		}
	}
	s := schema(f)
	f.Fuzz(func(t *testing.T, text string) {
		_, err := catalogue.Check(strings.NewReader(text))
		if err != nil {
			if e := fault.As(err); e == nil || e.Kind != fault.Invalid || e.Field == "" || e.Rule == "" {
				t.Fatalf("got %v", err)
			}
			return
		}
		if err := judged(t, s, strings.TrimPrefix(text, "\xef\xbb\xbf")); err != nil {
			t.Fatalf("taken, but the schema refuses: %v", err)
		}
	})
}
