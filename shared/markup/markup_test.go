package markup_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/markup"
)

// shape writes spans so that a table can hold them: text, <#topic>, <@name=id>.
func shape(spans []markup.Span) string {
	var b strings.Builder
	for _, s := range spans {
		switch s.Kind {
		case markup.Topic:
			fmt.Fprintf(&b, "<#%s>", s.Name)
		case markup.Mention:
			fmt.Fprintf(&b, "<@%s=%v>", s.Name, s.IDs)
		default:
			b.WriteString(s.Name)
		}
	}
	return b.String()
}

func TestWhatIsATopicAndAMention(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"plain":                              "plain",
		"#音乐 遇见":                             "<#音乐> 遇见",
		"看#音乐":                               "看<#音乐>",
		"#a#b #c":                            "<#a><#b> <#c>",
		"#go, #rust.":                        "<#go>, <#rust>.",
		"#hip-hop #a·b #x- -":                "<#hip-hop> <#a·b> <#x>- -",
		"#C++ and C# too":                    "<#C++> and C# too",
		"#a_b":                               "<#a_b>",
		"##":                                 "##",
		"#1":                                 "<#1>",
		"# a":                                "# a",
		"#\u3000a":                           "#\u3000a",
		"＃音乐 ＠人":                             "＃音乐 ＠人",
		`\#a \@b{c} \\ \x \`:                 `#a @b{c} \ \x \`,
		`a\#b`:                               "a#b",
		"#\uFE0F\u20E3 key":                  "#\uFE0F\u20E3 key",
		"#\u20E3":                            "#\u20E3",
		"#\u0301a":                           "#\u0301a",
		"#1\uFE0F\u20E3x":                    "<#1\uFE0F\u20E3x>",
		"#家👨‍👩‍👧‍👦 x":                        "<#家👨‍👩‍👧‍👦> x",
		"👨‍👩‍👧#家":                            "👨‍👩‍👧<#家>",
		"👍🏽#👍🏽👍🏽!":                           "👍🏽<#👍🏽👍🏽>!",
		"#🏴\U000E0067\U000E0062\U000E007F x": "<#🏴\U000E0067\U000E0062\U000E007F> x",
		"me@example.com":                     "me@example.com",
		"@ home":                             "@ home",
		"@人":                                 "@人",
		"@人{u-1} hi":                         "<@人=map[:u-1]> hi",
		"a@b{c}d":                            "a<@b=map[:c]>d",
		"@a@b{c}":                            "@a<@b=map[:c]>",
		`@Tom\ Lee{1}`:                       "<@Tom Lee=map[:1]>",
		"@Tom Lee{1}":                        "@Tom Lee{1}",
		"@n{douyin:_000x,douyinweb:7}":       "<@n=map[douyin:_000x douyinweb:7]>",
		"@n{a,douyinweb:7}":                  "<@n=map[:a douyinweb:7]>",
		"@n{AB:c}":                           "<@n=map[:AB:c]>",
		"#a@n{1}":                            "<#a><@n=map[:1]>",
		"{}":                                 "{}",
		"a\n#b\n":                            "a\n<#b>\n",
		"#a\u202Eb":                          "<#a>\u202Eb",
	} {
		got, err := markup.Parse(in)
		if err != nil || shape(got) != want {
			t.Errorf("%q: got %q, %v, want %q", in, shape(got), err, want)
		}
	}
}

func TestAnErrorNamesRuleAndPlace(t *testing.T) {
	long := strings.Repeat("名", markup.MaxName+1)
	for in, want := range map[string]string{
		"a\xffb":                               "this is no UTF-8 at line 1, column 2 (rule: UTF-8)",
		"ok\n遇见 @人{u":                          `the brace of this mention is not closed at line 2, column 6 (rule: @nickname{id}; for a plain @ or { write \@ or \{)`,
		"@人{}":                                 `the id of this mention is empty at line 1, column 4 (rule: @nickname{id}; for a plain @ or { write \@ or \{)`,
		"@人{a b}":                              `an id has letters, digits and signs without spaces at line 1, column 5 (rule: @nickname{id}; for a plain @ or { write \@ or \{)`,
		"@人{a,b}":                              `this mention has two ids for one target at line 1, column 6 (rule: @nickname{id}; for a plain @ or { write \@ or \{)`,
		"@人{douyin:}":                          `the id of this mention is empty at line 1, column 4 (rule: @nickname{id}; for a plain @ or { write \@ or \{)`,
		"@人{" + strings.Repeat("x", 129) + "}": `the id of this mention is too long at line 1, column 4 (rule: @nickname{id}; for a plain @ or { write \@ or \{)`,
		"x #" + long:                           "the name of this topic has 65 at line 1, column 3 (rule: a name of <= 64 characters)",
		"@" + long + "{1}":                     "the name of this mention has 65 at line 1, column 1 (rule: a name of <= 64 characters)",
		strings.Repeat("#a ", 101):             "one too many at line 1, column 301 (rule: <= 100 topics and mentions)",
		strings.Repeat("a", 16<<10+1):          "the text has 16385 bytes at line 1, column 16385 (rule: <= 16384 bytes)",
	} {
		_, err := markup.Parse(in)
		var e *markup.Error
		if !errors.As(err, &e) || err.Error() != want {
			t.Errorf("%.40q: got %v, want %s", in, err, want)
		}
		f := fault.As(markup.Invalid("x.Y", "title", err))
		if f == nil || f.Kind != fault.Invalid || f.Field != "title" || f.Rule != e.Rule || f.Effect != fault.EffectNone {
			t.Errorf("%.40q: as a fault: %v", in, f)
		}
	}
	if err := markup.Invalid("x", "y", nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

func parse(t testing.TB, s string) []markup.Span {
	t.Helper()
	spans, err := markup.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return spans
}

func TestTheOpenPlatformGetsTextAndIDs(t *testing.T) {
	text, ids := markup.Open(parse(t, `#音乐 遇见 @甲{o1} \@乙 @丙{douyinweb:9} @丁{douyin:o2,x} @甲{o1}`), "douyin")
	if text != "#音乐 遇见 @甲 @乙 @丙 @丁 @甲" || fmt.Sprint(ids) != "[o1 o2 o1]" {
		t.Errorf("%q, %v", text, ids)
	}
	if _, ids := markup.Open(parse(t, "no one"), "douyin"); ids != nil {
		t.Errorf("ids of nobody: %v", ids)
	}
}

func TestTheWebGetsOffsetsInUTF16(t *testing.T) {
	for in, want := range map[string]string{
		"#音乐 遇见就是一种缘分": `{"Text":"#音乐 遇见就是一种缘分","Extra":[{"start":0,"end":3,"user_id":"","type":1,"hashtag_name":"音乐"}],"Third":"遇见就是一种缘分","Topics":["音乐"],"Mentions":[]}`,
		"😀#a":          `{"Text":"😀#a","Extra":[{"start":2,"end":4,"user_id":"","type":1,"hashtag_name":"a"}],"Third":"😀","Topics":["a"],"Mentions":[]}`,
		"👨‍👩‍👧#家👨‍👩‍👧 x":     `{"Text":"👨‍👩‍👧#家👨‍👩‍👧 x","Extra":[{"start":8,"end":18,"user_id":"","type":1,"hashtag_name":"家👨‍👩‍👧"}],"Third":"👨‍👩‍👧 x","Topics":["家👨‍👩‍👧"],"Mentions":[]}`,
		"#\uFE0F\u20E3#a b":  `{"Text":"#️⃣#a b","Extra":[{"start":3,"end":5,"user_id":"","type":1,"hashtag_name":"a"}],"Third":"#️⃣ b","Topics":["a"],"Mentions":[]}`,
		"看 #a 和 @甲{7} #a #b": `{"Text":"看 #a 和 @甲 #a #b","Extra":[{"start":2,"end":4,"user_id":"","type":1,"hashtag_name":"a"},{"start":7,"end":9,"user_id":"7","type":0,"hashtag_name":""},{"start":10,"end":12,"user_id":"","type":1,"hashtag_name":"a"},{"start":13,"end":15,"user_id":"","type":1,"hashtag_name":"b"}],"Third":"看 和 @甲","Topics":["a","b"],"Mentions":["7"]}`,
		"@甲{douyin:o}":       `{"Text":"@甲","Extra":[],"Third":"@甲","Topics":null,"Mentions":[]}`,
		`\#a`:                `{"Text":"#a","Extra":[],"Third":"#a","Topics":null,"Mentions":[]}`,
	} {
		b, err := json.Marshal(markup.RenderWeb(parse(t, in), "douyinweb"))
		if err != nil || string(b) != want {
			t.Errorf("%q\ngot  %s\nwant %s", in, b, want)
		}
	}
}

func TestCompose(t *testing.T) {
	for _, c := range []struct {
		title, description string
		tags               []string
		want               string
	}{
		{" 遇见 ", "", nil, "遇见"},
		{" #a ", "\n#b", nil, "<#a> <#b>"},
		{" ", "", []string{"a"}, "<#a>"},
		{"a", "a", []string{"go", "#视频", "＃go", "go"}, "a <#go> <#视频>"},
		{"a #go", "b\nc", []string{"go", "rust"}, "a <#go> b\nc <#rust>"},
		{"", "b", nil, "b"},
		{"a", "", []string{"#a"}, "a <#a>"},
	} {
		got, err := markup.Compose("x.Y", c.title, c.description, c.tags)
		if err != nil || shape(got) != c.want {
			t.Errorf("%+v: %q, %v", c, shape(got), err)
		}
		again, err := markup.Parse(markup.Plain(got))
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%+v: neighbouring texts are not one: %v", c, got)
		}
	}
	if got, err := markup.Compose("x.Y", "a", "", []string{"Node.js"}); err != nil || shape(got) != "a <#Node.js>" {
		t.Errorf("%q, %v", shape(got), err)
	}
	for field, c := range map[string][3]string{"title": {"@a{", "", ""}, "description": {"a", "@a{", ""}, "tags[0]": {"a", "", "two words"}} {
		var tags []string
		if c[2] != "" {
			tags = []string{c[2]}
		}
		_, err := markup.Compose("x.Y", c[0], c[1], tags)
		if f := fault.As(err); f == nil || f.Field != field || f.Rule == "" {
			t.Errorf("%v: got %v, want field %s", c, err, field)
		}
	}
	if _, err := markup.Compose("x.Y", "\n  @a{", "", nil); err == nil || !strings.Contains(err.Error(), "line 2, column 5") {
		t.Errorf("the place is lost: %v", err)
	}
	for _, bad := range []string{"", "#", "a b", "a#b", "a@b", "a{b", `a\b`, "a\xff", "a\u202eb", "a\x00", "\uFE0Fa", strings.Repeat("x", 65)} {
		if _, err := markup.Compose("x", "t", "", []string{bad}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("tag %.20q: %v", bad, err)
		}
	}
}

// checkRules are what holds for every text that parses.
func checkRules(t interface{ Errorf(string, ...any) }, in string, spans []markup.Span) {
	w := markup.RenderWeb(spans, "douyinweb")
	text, ids := markup.Open(spans, "douyinweb")
	if text != w.Text || text != markup.Plain(spans) {
		t.Errorf("%q: the texts differ: %q, %q", in, text, w.Text)
	}
	all, end, mentions := utf16.Encode([]rune(w.Text)), 0, 0
	if markup.Units(w.Text) != len(all) {
		t.Errorf("%q: %d units, want %d", in, markup.Units(w.Text), len(all))
	}
	for _, x := range w.Extra {
		if x.Start < end || x.End <= x.Start || x.End > len(all) {
			t.Errorf("%q: %+v overlaps, is empty, or leaves the text", in, x)
			return
		}
		end = x.End
		piece := string(utf16.Decode(all[x.Start:x.End]))
		switch {
		case x.Type == 1 && (piece != "#"+x.Hashtag || x.UserID != ""):
			t.Errorf("%q: %+v covers %q", in, x, piece)
		case x.Type == 0:
			if mentions++; x.UserID == "" || x.Hashtag != "" || !strings.HasPrefix(piece, "@") {
				t.Errorf("%q: %+v covers %q", in, x, piece)
			}
		}
	}
	if mentions != len(ids) {
		t.Errorf("%q: %d mentions, %d ids", in, mentions, len(ids))
	}
	for i, s := range spans {
		if s.Name == "" || i > 0 && s.Kind == markup.Text && spans[i-1].Kind == markup.Text {
			t.Errorf("%q: span %d is empty, or a second text: %v", in, i, spans)
		}
		if s.Kind == markup.Topic && !markup.TopicName(s.Name) {
			t.Errorf("%q: %q is no topic's name", in, s.Name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"#音乐 遇见", "@人{u}", `\#\@\{\}\\`, "#\uFE0F\u20E3", "👨‍👩‍👧#家", "@n{douyin:1,x}", "@a{", "#a#b@c{d}", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		spans, err := markup.Parse(in)
		if err != nil {
			var e *markup.Error
			if !errors.As(err, &e) || e.Rule == "" || e.Line < 1 || e.Column < 1 || e.Offset < 0 || e.Offset > len(in) {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		checkRules(t, in, spans)
		plain, err := markup.Parse(markup.Escape(in))
		if len(markup.Escape(in)) > markup.MaxBytes {
			return
		}
		if err != nil || in != "" && (len(plain) != 1 || plain[0].Kind != markup.Text || plain[0].Name != in) {
			t.Fatalf("%q escaped is %v, %v", in, plain, err)
		}
	})
}
