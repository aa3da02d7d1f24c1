package youku

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/upload"
)

func TestTextIsWhatAPersonReads(t *testing.T) {
	for _, c := range []struct {
		name               string
		change             func(*upload.Video)
		title, description string
		tags               []string
	}{
		{"topics and mentions", func(v *upload.Video) { v.Title = `#音乐 with @nick{youku:7} \#1`; v.Description = "see #旅行\n" }, "#音乐 with @nick #1", "see #旅行", []string{"go", "视频"}},
		{"topics where there are no tags", func(v *upload.Video) { v.Tags, v.Title, v.Description = nil, "#音乐 a", "#旅行 #音乐 #x" }, "#音乐 a", "#旅行 #音乐 #x", []string{"音乐", "旅行"}},
		{"Youku's own words", func(v *upload.Video) {
			v.Title = "@no{x"
			v.Fields = []byte(`{"title":"#自己 @n{1}","tags":["one"]}`)
		}, "#自己 @n", "What it is", []string{"one"}},
	} {
		v := testVideo()
		c.change(&v)
		m, err := testTarget(Config{}, nil).meta(v)
		if err != nil || m.title != c.title || m.description != c.description || !slices.Equal(m.tags, c.tags) {
			t.Errorf("%s: %q, %q, %q, %v", c.name, m.title, m.description, m.tags, err)
		}
	}
	for field, change := range map[string]func(*upload.Video){
		"title":       func(v *upload.Video) { v.Title = "@nick{" },
		"description": func(v *upload.Video) { v.Description = "@nick{}" },
		"youku.title": func(v *upload.Video) { v.Fields = []byte(`{"title":"@nick{a b}"}`) },
		"tags":        func(v *upload.Video) { v.Title, v.Tags = "#x #"+strings.Repeat("长", 13), nil },
	} {
		v := testVideo()
		change(&v)
		if f := fault.As(testTarget(Config{}, nil).Validate(v)); f == nil || f.Kind != fault.Invalid || f.Field != field || f.Rule == "" {
			t.Errorf("%s: %v", field, f)
		}
	}
}

func TestACoverIsAnAddressThatCreateIsGiven(t *testing.T) {
	const link = "https://bucket.example/in/a.png?X-Amz-Signature=SECRET-SIGNATURE"
	withCover := func(link string) upload.Video {
		v := testVideo()
		v.Cover = &upload.Cover{Picture: &upload.Picture{Key: "in/a.png", Size: 9, ContentType: "image/png", Ref: "c1", Link: link}}
		return v
	}
	w := says(201, created)
	s, err := testTarget(Config{}, w).Init(t.Context(), withCover(link), testPlan(30, 1))
	if err != nil || s.Cover != "c1" {
		t.Fatalf("%q, %v", s.Cover, err)
	}
	if q, err := url.ParseQuery(w.sent[0].body); err != nil || q.Get("thumbnail") != link {
		t.Errorf("%v, %v", q, err)
	}
	for _, bad := range []string{"", "http://bucket.example/a.png", "http://127.0.0.1/a.png", "//x", "https://" + strings.Repeat("x", 5<<10)} {
		w := says(201, created)
		if _, err := testTarget(Config{}, w).Init(t.Context(), withCover(bad), testPlan(30, 1)); fault.KindOf(err) != fault.Permanent || len(w.sent) != 0 {
			t.Errorf("%.40s: %v, %d requests", bad, err, len(w.sent))
		}
	}
	if _, err := testTarget(Config{BaseURL: "http://127.0.0.1:1"}, says(201, created)).Init(t.Context(), withCover("http://127.0.0.1/a.png"), testPlan(30, 1)); err != nil {
		t.Errorf("a fake on loopback: %v", err)
	}
	w = says(400, `{"error":{"code":1013,"type":"SystemException","description":"bad thumbnail `+link+`"}}`)
	_, err = testTarget(Config{}, w).Init(t.Context(), withCover(link), testPlan(30, 1))
	if s := fmt.Sprintf("%v %+v", err, err); err == nil || strings.Contains(s, "SECRET-SIGNATURE") {
		t.Errorf("%s", s)
	}
	if s := fmt.Sprintf("%v %+v %#v", withCover(link), withCover(link), withCover(link).Cover.Picture); strings.Contains(s, "SECRET-SIGNATURE") {
		t.Errorf("the address shows in %s", s)
	}
	v := withCover(link)
	v.Fields = []byte(`{"thumbnail":"https://x.example/a.png"}`)
	if f := fault.As(testTarget(Config{}, nil).Validate(v)); f == nil || f.Field != "youku.thumbnail" {
		t.Errorf("two covers: %v", f)
	}
}
