package douyinweb

import (
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// published makes one video and gives a form for it; edit may be nil.
func (r *rig) published(edit func(url.Values)) url.Values {
	r.Helper()
	u, poster := r.video("x")
	f := form(u.vid, poster)
	if edit != nil {
		edit(f)
	}
	return f
}

func TestRefusalsOfCreate(t *testing.T) {
	set := func(k, v string) func(url.Values) { return func(f url.Values) { f.Set(k, v) } }
	extra := func(text, spans string) func(url.Values) {
		return func(f url.Values) { f.Set("text", text); f.Set("text_extra", spans); f.Set("third_text", text) }
	}
	and := func(edits ...func(url.Values)) func(url.Values) {
		return func(f url.Values) {
			for _, edit := range edits {
				edit(f)
			}
		}
	}
	cases := map[string]struct {
		want int
		edit func(url.Values)
	}{
		"unknown video":               {2190, set("video_id", "v0")},
		"poster of nobody":            {5, set("poster", "tos-cn-p-0000/0")},
		"poster_delay negative":       {5, set("poster_delay", "-1")},
		"poster_delay NaN":            {5, set("poster_delay", "NaN")},
		"poster_delay empty":          {5, set("poster_delay", "")},
		"visibility_type 3":           {5, set("visibility_type", "3")},
		"visibility_type empty":       {5, set("visibility_type", "")},
		"visibility_type by name":     {5, set("visibility_type", "public")},
		"download 2":                  {5, set("download", "2")},
		"upload_source 0":             {5, set("upload_source", "0")},
		"is_preview 1":                {5, set("is_preview", "1")},
		"mix_id alone":                {5, set("mix_id", "7")},
		"mix_order alone":             {5, set("mix_order", "1")},
		"mix_order 0":                 {5, func(f url.Values) { f.Set("mix_id", "7"); f.Set("mix_order", "0") }},
		"mix_id is no number":         {5, func(f url.Values) { f.Set("mix_id", "x"); f.Set("mix_order", "1") }},
		"mix_order is no number":      {5, func(f url.Values) { f.Set("mix_id", "7"); f.Set("mix_order", "x") }},
		"challenges as numbers":       {5, set("challenges", "[1550712576368642]")},
		"challenges as names":         {5, set("challenges", `["音乐"]`)},
		"challenges as list":          {5, set("challenges", "1550712576368642")},
		"challenges empty":            {5, set("challenges", "")},
		"challenges null":             {5, set("challenges", "null")},
		"mentions empty":              {5, set("mentions", "")},
		"mentions as objects":         {5, set("mentions", `[{"uid":"1"}]`)},
		"mentions not in text_extra":  {5, set("mentions", `["12"]`)},
		"text_extra empty":            {5, set("text_extra", "")},
		"text_extra as object":        {5, set("text_extra", "{}")},
		"text_extra and more":         {5, set("text_extra", "[] []")},
		"text_extra of null":          {5, set("text_extra", "[null]")},
		"curly quotes of the page":    {5, set("text_extra", `[{“start”:0,“end”:3}]`)},
		"third_text with the topic":   {5, set("third_text", "#音乐 遇见就是一种缘分")},
		"third_text empty":            {5, set("third_text", "")},
		"text is not UTF-8":           {5, set("text", "\xff")},
		"title too long":              {5, set("item_title", strings.Repeat("字", 31))},
		"timing past":                 {5, set("timing", "1")},
		"timing is no number":         {5, set("timing", "now")},
		"end inclusive":               {5, set("text_extra", `[{"start":0,"end":2,"user_id":"","type":1,"hashtag_name":"音乐"}]`)},
		"end in bytes":                {5, set("text_extra", `[{"start":0,"end":7,"user_id":"","type":1,"hashtag_name":"音乐"}]`)},
		"start after the sign":        {5, set("text_extra", `[{"start":1,"end":3,"user_id":"","type":1,"hashtag_name":"音乐"}]`)},
		"name with the sign":          {5, set("text_extra", `[{"start":0,"end":3,"user_id":"","type":1,"hashtag_name":"#音乐"}]`)},
		"runs into the next":          {5, extra("#a#b", `[{"start":0,"end":4,"user_id":"","type":1,"hashtag_name":"a#b"},{"start":2,"end":4,"user_id":"","type":1,"hashtag_name":"b"}]`)},
		"third_text without mention":  {5, and(extra("hi @ab", `[{"start":3,"end":6,"user_id":"1","type":0,"hashtag_name":""}]`), set("mentions", `["1"]`), set("third_text", "hi"))},
		"type mention for a topic":    {5, set("text_extra", `[{"start":0,"end":3,"user_id":"","type":0,"hashtag_name":"音乐"}]`)},
		"type 2":                      {5, set("text_extra", `[{"start":0,"end":3,"user_id":"","type":2,"hashtag_name":"音乐"}]`)},
		"start as string":             {5, set("text_extra", `[{"start":"0","end":3,"user_id":"","type":1,"hashtag_name":"音乐"}]`)},
		"no user_id":                  {5, set("text_extra", `[{"start":0,"end":3,"type":1,"hashtag_name":"音乐"}]`)},
		"no type":                     {5, set("text_extra", `[{"start":0,"end":3,"user_id":"","hashtag_name":"音乐"}]`)},
		"no start":                    {5, set("text_extra", `[{"end":3,"user_id":"","type":1,"hashtag_name":"音乐"}]`)},
		"a name in another case":      {5, set("text_extra", `[{"Start":0,"end":3,"user_id":"","type":1,"hashtag_name":"音乐"}]`)},
		"user_id as number":           {5, set("text_extra", `[{"start":0,"end":3,"user_id":0,"type":1,"hashtag_name":"音乐"}]`)},
		"past the end of the text":    {5, extra("#ab", `[{"start":0,"end":4,"user_id":"","type":1,"hashtag_name":"ab"}]`)},
		"negative start":              {5, extra("#ab", `[{"start":-1,"end":3,"user_id":"","type":1,"hashtag_name":"ab"}]`)},
		"nothing in it":               {5, extra("#ab", `[{"start":0,"end":0,"user_id":"","type":1,"hashtag_name":""}]`)},
		"the same topic twice":        {5, extra("#ab", `[{"start":0,"end":3,"user_id":"","type":1,"hashtag_name":"ab"},{"start":0,"end":3,"user_id":"","type":1,"hashtag_name":"ab"}]`)},
		"runes for UTF-16":            {5, extra("🎬 #ab", `[{"start":2,"end":5,"user_id":"","type":1,"hashtag_name":"ab"}]`)},
		"mention without uid":         {5, and(extra("@ab", `[{"start":0,"end":3,"user_id":"","type":0,"hashtag_name":""}]`), set("mentions", `[""]`))},
		"mention of nothing":          {5, and(extra("@", `[{"start":0,"end":1,"user_id":"1","type":0,"hashtag_name":""}]`), set("mentions", `["1"]`))},
		"mention with a hashtag":      {5, and(extra("@ab", `[{"start":0,"end":3,"user_id":"1","type":0,"hashtag_name":"ab"}]`), set("mentions", `["1"]`))},
		"mention without the sign":    {5, and(extra("ab", `[{"start":0,"end":2,"user_id":"1","type":0,"hashtag_name":""}]`), set("mentions", `["1"]`))},
		"mention missing in mentions": {5, extra("@ab", `[{"start":0,"end":3,"user_id":"1","type":0,"hashtag_name":""}]`)},
		"a topic with a uid":          {5, extra("#ab", `[{"start":0,"end":3,"user_id":"1","type":1,"hashtag_name":"ab"}]`)},
		"a field twice":               {5, func(f url.Values) { f.Add("text", "more") }},
	}
	for _, k := range seedFields() {
		cases["without "+k] = struct {
			want int
			edit func(url.Values)
		}{5, func(f url.Values) { f.Del(k) }}
	}
	// With the check of third_text on, it would hide every other rule about the text.
	lax, strict := newRig(t, func(o *Options) { o.Readings.ThirdText = "ignore" }), newRig(t)
	laxVideo, strictVideo := lax.published(nil), strict.published(nil)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, f := lax, maps.Clone(laxVideo)
			if strings.HasPrefix(name, "third_text") {
				r, f = strict, maps.Clone(strictVideo)
			}
			c.edit(f)
			r.create(f).want(t, c.want)
			r.posts(0)
		})
	}
	lax.create(laxVideo).want(t, 0) // all of it was for the one reason
	strict.create(strictVideo).want(t, 0)
}

func TestCreateWantsAForm(t *testing.T) {
	r := newRig(t)
	f := r.published(nil)
	for _, kind := range []string{"application/json", "multipart/form-data; boundary=x", ""} {
		r.create(f, head("Content-Type", kind)).want(t, 5)
	}
	r.do("POST", r.site+"/web/api/media/aweme/create/", f.Encode()+"&%zz", head("Cookie", r.cookies, "csrf_token", r.csrf, "Content-Type", "application/x-www-form-urlencoded")).want(t, 5)
	r.posts(0)
	r.create(f, head("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")).want(t, 0)
}

func TestOffsetsAreUTF16(t *testing.T) {
	for name, c := range map[string]struct{ text, spans, third, mentions string }{
		"after an emoji":             {"🎬 #ab x", `[{"start":3,"end":6,"user_id":"","type":1,"hashtag_name":"ab"}]`, "🎬  x", "[]"},
		"an emoji cluster in it":     {"#a👨‍👩‍👧", `[{"start":0,"end":10,"user_id":"","type":1,"hashtag_name":"a👨‍👩‍👧"}]`, "", "[]"},
		"two topics side by side":    {"#a#b", `[{"start":0,"end":2,"user_id":"","type":1,"hashtag_name":"a"},{"start":2,"end":4,"user_id":"","type":1,"hashtag_name":"b"}]`, "", "[]"},
		"in any order":               {"#a #b", `[{"start":3,"end":5,"user_id":"","type":1,"hashtag_name":"b"},{"start":0,"end":2,"user_id":"","type":1,"hashtag_name":"a"}]`, "", "[]"},
		"a mention stays":            {"hi @王小明 #a", `[{"start":3,"end":7,"user_id":"99","type":0,"hashtag_name":""},{"start":8,"end":10,"user_id":"","type":1,"hashtag_name":"a"}]`, "hi @王小明", `["99"]`},
		"the same user twice":        {"@a @a", `[{"start":0,"end":2,"user_id":"9","type":0,"hashtag_name":""},{"start":3,"end":5,"user_id":"9","type":0,"hashtag_name":""}]`, "@a @a", `["9"]`},
		"a topic that is plain text": {"#a", `[]`, "#a", "[]"},
		"no text at all":             {"", `[]`, "", "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.create(r.published(func(f url.Values) {
				f.Set("text", c.text)
				f.Set("text_extra", c.spans)
				f.Set("third_text", c.third)
				f.Set("mentions", c.mentions)
				f.Set("challenges", "[]")
			})).want(t, 0)
			r.posts(1)
		})
	}
}

func TestLengthOfTheText(t *testing.T) {
	plain := func(text string) func(url.Values) {
		return func(f url.Values) {
			f.Set("text", text)
			f.Set("third_text", text)
			f.Set("text_extra", "[]")
		}
	}
	for _, c := range []struct {
		unit, text string
		want       int
	}{
		{"", strings.Repeat("字", 1000), 0},
		{"", strings.Repeat("字", 1001), 5},
		{"", strings.Repeat("🎬", 501), 5},
		{"runes", strings.Repeat("🎬", 1000), 0},
		{"runes", strings.Repeat("🎬", 1001), 5},
	} {
		r := newRig(t, func(o *Options) { o.Readings.TextUnit = c.unit })
		if units := len(utf16.Encode([]rune(c.text))); units == 0 {
			t.Fatal("no text")
		}
		r.create(r.published(plain(c.text))).want(t, c.want)
	}
	r := newRig(t, func(o *Options) { o.SensitiveWord = "secret" })
	r.create(r.published(plain("a secret word"))).want(t, 2111)
	r.create(r.published(func(f url.Values) { f.Set("item_title", strings.Repeat("字", 30)) })).want(t, 0)
}

func TestGoodValuesOfPlainFields(t *testing.T) {
	r := newRig(t)
	for i, edit := range []func(url.Values){
		func(f url.Values) { f.Set("visibility_type", "1") },
		func(f url.Values) { f.Set("visibility_type", "2") },
		func(f url.Values) { f.Set("download", "1") },
		func(f url.Values) { f.Set("mix_id", "7123"); f.Set("mix_order", "12") },
		func(f url.Values) { f.Set("poster_delay", "1.5") },
		func(f url.Values) { f.Set("timing", "-1") },
		func(f url.Values) { f.Set("timing", strconv.FormatInt(r.clock.Now().Add(time.Hour).Unix(), 10)) },
		func(f url.Values) { f.Set("challenges", "[]") }, // a topic without an id stands in text_extra alone
		func(f url.Values) { f.Set("unheard_of", "x") },
	} {
		r.create(r.published(edit)).want(t, 0)
		r.posts(i + 1)
	}
}

func TestOtherReadingsOfCreate(t *testing.T) {
	for name, c := range map[string]struct {
		set  Readings
		edit func(*rig, url.Values)
		want int
	}{
		"poster only":        {Readings{Poster: "poster"}, func(r *rig, f url.Values) { f.Set("poster", r.s.Object(f.Get("video_id"))) }, 5},
		"poster only, right": {Readings{Poster: "poster"}, nil, 0},
		"video only":         {Readings{Poster: "video"}, nil, 5},
		"video only, right":  {Readings{Poster: "video"}, func(r *rig, f url.Values) { f.Set("poster", r.s.Object(f.Get("video_id"))) }, 0},
		"offsets ignored":    {Readings{TextExtra: "ignore"}, func(_ *rig, f url.Values) { f.Set("text_extra", `[{"start":5,"end":1}]`) }, 0},
		"third ignored":      {Readings{ThirdText: "ignore"}, func(_ *rig, f url.Values) { f.Set("third_text", "x") }, 0},
		"lenient spans": {Readings{Fields: "lenient"}, func(_ *rig, f url.Values) {
			f.Set("text_extra", `[{"start":0,"end":3,"type":1,"hashtag_name":"音乐"}]`)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.Readings = c.set })
			f := r.published(nil)
			if c.edit != nil {
				c.edit(r, f)
			}
			r.create(f).want(t, c.want)
		})
	}
	for answer, want := range map[string]string{"item_id": "item_id", "aweme": "aweme.aweme_id"} {
		r := newRig(t, func(o *Options) { o.Readings.CreateAnswer = answer })
		a := r.create(r.published(nil)).want(t, 0)
		if a.str(want) != r.posts(1)[0].ID || len(a.body) != 2 {
			t.Error(answer, a.raw)
		}
	}
}

func TestOneVideoAgain(t *testing.T) {
	for reading, c := range map[string]struct{ code, posts int }{"duplicate": {0, 2}, "refuse": {2190, 1}} {
		r := newRig(t, func(o *Options) { o.Readings.ReusedVideo = reading })
		f := r.published(nil)
		r.create(f).want(t, 0)
		r.create(f).want(t, c.code)
		r.posts(c.posts)
		if e := r.s.Effects().Assets; len(e) != 1 || e[0].Posts != c.posts {
			t.Error(fmt.Sprintf("%+v", e))
		}
	}
}
