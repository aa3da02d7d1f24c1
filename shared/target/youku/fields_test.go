package youku

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/upload"
)

func TestEachLimitIsInvalidBeforeAByteIsSent(t *testing.T) {
	tags := func(tt ...string) func(*upload.Video) { return func(v *upload.Video) { v.Tags = tt } }
	fields := func(s string) func(*upload.Video) { return func(v *upload.Video) { v.Fields = []byte(s) } }
	title := func(s string) func(*upload.Video) { return func(v *upload.Video) { v.Title = s } }
	text := func(s string) func(*upload.Video) { return func(v *upload.Video) { v.Description = s } }
	for _, c := range []struct {
		name   string
		change func(*upload.Video)
		field  string // "" = accepted
		says   string // in the text: the setting, or the platform's code
	}{
		{"plain", func(*upload.Video) {}, "", ""},
		{"title of 60", title(strings.Repeat("标", 60)), "", ""},
		{"title of 61", title(strings.Repeat("标", 61)), "title", "120010102"},
		{"title of spaces", title(" \t"), "title", "120010101"},
		{"title with a line", title("a\nb"), "title", ""},
		{"title that is no UTF-8", title("a\xff"), "title", ""},
		{"a shorter title for Youku", func(v *upload.Video) { v.Title = strings.Repeat("x", 99); v.Fields = []byte(`{"title":"short"}`) }, "", ""},
		{"description of 200", text(strings.Repeat("描", 200)), "", ""},
		{"description of 201", text(strings.Repeat("描", 201)), "description", "description_max"},
		{"description with lines", text("a\nb\tc"), "", ""},
		{"description with a bell", text("a\a"), "description", ""},
		{"no tags", tags(), "tags", "120010121"},
		{"tags of nothing", tags(" ", "#", ",，"), "tags", "120010121"},
		{"10 tags", tags("t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9"), "", ""},
		{"11 tags", tags("t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "ta"), "tags", "120010122"},
		{"11 tags, two alike", tags("t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t0"), "", ""},
		{"11 in one", tags("t0,t1,t2，t3,t4,t5,t6,t7,t8,t9,ta"), "tags", "120010122"},
		{"tag of 1", tags("ok", "视"), "tags[1]", "120010124"},
		{"tag of 2", tags("视频"), "", ""},
		{"tag of 12", tags(strings.Repeat("视", 12)), "", ""},
		{"tag of 13", tags(strings.Repeat("视", 13)), "tags[0]", "tag_max"},
		{"tag with a control character", tags("a\x00b"), "tags[0]", ""},
		{"other tags for Youku", func(v *upload.Video) { v.Tags = nil; v.Fields = []byte(`{"tags":["one"]}`) }, "", ""},
		{"no bytes", func(v *upload.Video) { v.Size = 0 }, "source.size", ""},
		{"too large", func(v *upload.Video) { v.Size = 1<<62 + 1 }, "source.size", "120010113"},
		{"no video", func(v *upload.Video) { v.ContentType = "text/html" }, "source.content_type", ""},
		{"any type", func(v *upload.Video) { v.ContentType = "application/octet-stream" }, "", ""},
		{"no name", func(v *upload.Video) { v.FileName = "" }, "source.file_name", ""},
		{"upper-case MD5", func(v *upload.Video) { v.MD5 = strings.ToUpper(testMD5) }, "source.md5", ""},
		{"private", func(v *upload.Video) { v.Private = true }, "private", "friend"},
		{"unknown field", fields(`{"isweb":1}`), "youku", "isweb"},
		{"two objects", fields(`{}{}`), "youku", ""},
		{"no object", fields(`[]`), "youku", ""},
		{"null", fields(` null `), "", ""},
		{"too long", fields(`{"category":"` + strings.Repeat("x", maxFields) + `"}`), "youku", ""},
		{"copyright", fields(`{"copyright_type":"stolen"}`), "youku.copyright_type", ""},
		{"public_type private", fields(`{"public_type":"private"}`), "youku.public_type", ""},
		{"public_type friend", fields(`{"public_type":"friend"}`), "", ""},
		{"password in clear", fields(`{"public_type":"password","watch_password":"abc"}`), "youku.watch_password", "sealed"},
		{"null password", fields(`{"watch_password":null}`), "youku.watch_password", "sealed"},
		{"password without a name", fields(`{"public_type":"password"}`), "youku.watch_password_name", "120010145"},
		{"a name without password", fields(`{"watch_password_name":"x"}`), "youku.watch_password_name", ""},
		{"a sealed password", fields(`{"public_type":"password","watch_password_name":"x"}`), "", ""},
		{"deshake 2", fields(`{"deshake":2}`), "youku.deshake", ""},
		{"thumbnail by http", fields(`{"thumbnail":"http://x/y.jpg"}`), "youku.thumbnail", ""},
		{"thumbnail", fields(`{"thumbnail":"https://x/y.jpg"}`), "", ""},
		{"category", fields(`{"category":"` + strings.Repeat("c", 65) + `"}`), "youku.category", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := platform()
			tg, v := testTarget(Config{}, w), testVideo()
			c.change(&v)
			err := tg.Validate(v)
			f := fault.As(err)
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if f == nil || f.Kind != fault.Invalid || f.Field != c.field || f.Rule == "" || f.Effect != fault.EffectNone || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want Invalid %s that says %q", err, c.field, c.says)
			}
			if _, err := tg.Init(t.Context(), v, testPlan(v.Size, 1)); fault.KindOf(err) != fault.Invalid || len(w.sent) != 0 {
				t.Errorf("Init: %v, %d requests", err, len(w.sent))
			}
		})
	}
}

func TestSettingsWidenWhatTheDocumentContradicts(t *testing.T) {
	v := testVideo()
	v.Tags, v.Description = []string{strings.Repeat("视", 20)}, strings.Repeat("x", 2000)
	if err := testTarget(Config{TagMax: 20, DescriptionMax: 2000}, nil).Validate(v); err != nil {
		t.Error(err)
	}
	for _, c := range []Config{{TagMax: 21}, {TagMax: 1}, {DescriptionMax: 2001}, {DescriptionMax: -1}, {BaseURL: "ftp://x"}, {OSSEndpoint: "x"}, {DenyAfter: -1}} {
		if err := c.Check(); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
		if err := testTarget(c, nil).Validate(v); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a target of %+v: %v", c, err)
		}
	}
	if err := (Config{}).Check(); err != nil {
		t.Error(err)
	}
}

func TestTagsAreNormalised(t *testing.T) {
	got := normalTags([]string{" go ", "#视频", "＃旅行", "a1,b2，c3", "go", "", "# x y "})
	if want := []string{"go", "视频", "旅行", "a1", "b2", "c3", "x y"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheSealedPasswordIsChecked(t *testing.T) {
	v := testVideo()
	v.Fields = []byte(`{"public_type":"password","watch_password_name":"family"}`)
	for password, ok := range map[string]bool{"a": true, strings.Repeat("9", 32): true, strings.Repeat("9", 33): false, "": false, "with space": false, "密码": false} {
		w := platform()
		tg := New(Config{}, &http.Client{Transport: w}, testAppKey, testCred, &Options{Now: clock, Password: func(context.Context, string) (string, error) { return password, nil }})
		_, err := tg.Init(t.Context(), v, testPlan(30, 1))
		if (err == nil) != ok || err != nil && (fault.KindOf(err) != fault.Invalid || password != "" && strings.Contains(err.Error(), password) || len(w.sent) != 0) {
			t.Errorf("%q: %v", password, err)
		}
	}
	tg := New(Config{}, &http.Client{Transport: platform()}, testAppKey, testCred, &Options{Password: func(context.Context, string) (string, error) { return "", errors.New("no such record") }})
	if _, err := tg.Init(t.Context(), v, testPlan(30, 1)); err == nil {
		t.Error("a password that cannot be had passes")
	}
	if err := New(Config{}, &http.Client{}, testAppKey, testCred, nil).Validate(v); fault.KindOf(err) != fault.Invalid {
		t.Errorf("without sealed passwords: %v", err)
	}
}

func TestInitHashFollowsWhatCreateSends(t *testing.T) {
	tg, v := testTarget(Config{}, nil), testVideo()
	hash := tg.InitHash(v)
	same := v
	same.MD5, same.CRC64, same.ContentType, same.Tags = "", "1", "", []string{"go，视频"}
	if hash == "" || tg.InitHash(same) != hash {
		t.Error("what no manifest changes, or what is sent alike, changes the hash")
	}
	for name, change := range map[string]func(*upload.Video){
		"title": func(v *upload.Video) { v.Title = "x" }, "description": func(v *upload.Video) { v.Description = "" }, "tags": func(v *upload.Video) { v.Tags = v.Tags[:1] },
		"fields": func(v *upload.Video) { v.Fields = []byte(`{"deshake":1}`) }, "private": func(v *upload.Video) { v.Private = true }, "invalid": func(v *upload.Video) { v.Title = "" },
	} {
		x := v
		change(&x)
		if tg.InitHash(x) == hash {
			t.Errorf("%s does not change the hash", name)
		}
	}
}

func TestLimitsFollowTheConfig(t *testing.T) {
	l := Limits(Config{})
	if l.OneRequest != 20<<20 || l.MinPart != oss.MinPart || l.MaxPart != oss.MaxPart || l.WantPart != 20<<20 || l.MaxParts != 10_000 || l.MaxSize != 10_000*oss.MaxPart || l.InFlight != 4 || l.InOrder {
		t.Errorf("%+v", l)
	}
	if l = Limits(Config{OneRequest: -1, WantPart: 1, MinPart: 2000, MaxPart: 3000, InFlight: 2}); l.OneRequest != 0 || l.WantPart != 2000 || l.MaxPart != 3000 || l.InFlight != 2 {
		t.Errorf("%+v", l)
	}
	for _, size := range []int64{1, 20 << 20, 20<<20 + 1, 1 << 30, 300 << 30, 2 << 40} {
		p, err := upload.NewPlan(size, Limits(Config{}), upload.Settings{})
		if err != nil {
			t.Logf("%d bytes: %v", size, err) // more than an execution carries; not the platform's limit
			continue
		}
		if err := testTarget(Config{}, nil).checkPlan("x", upload.Video{Size: size}, p); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func ExampleParseFields() {
	f, err := ParseFields([]byte(`{"category":"Tech","public_type":"friend"}`))
	fmt.Println(f.Category, f.PublicType, err)
	_, err = ParseFields([]byte(`{"watch_password":"abc"}`))
	fmt.Println(err)
	// Output:
	// Tech friend <nil>
	// youku.Fields: Invalid: a sidecar is no place for a password; store it sealed (vodlift app set youku-watch-NAME) and name it in watch_password_name (field youku.watch_password, rule not in clear)
}
