package alivod

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
)

var testNow = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func testTarget(c Config, api vod.API) *Target {
	return New(c, &http.Client{}, func(context.Context) (token.Token, error) { return token.Token{}, nil }, &Options{Now: func() time.Time { return testNow }, API: api})
}

func testVideo() upload.Video {
	return upload.Video{Upload: "u1", Size: 30, FileName: "holiday.mp4", ContentType: "video/mp4", Title: "Title", Description: "What", Tags: []string{"go", "#视频"}}
}

func TestWhatVODWouldRefuseIsInvalid(t *testing.T) {
	tg := testTarget(Config{}, nil)
	if err := tg.Validate(testVideo()); err != nil {
		t.Fatal(err)
	}
	many := make([]string, 17)
	for i := range many {
		many[i] = fmt.Sprint("tag", i)
	}
	for name, c := range map[string]struct {
		change func(*upload.Video)
		field  string
	}{
		"empty":                      {func(v *upload.Video) { v.Size = 0 }, "source.size"},
		"too large":                  {func(v *upload.Video) { v.Size = 1 << 62 }, "source.size"},
		"a picture":                  {func(v *upload.Video) { v.ContentType = "image/png" }, "source.content_type"},
		"no extension":               {func(v *upload.Video) { v.FileName = "mp4" }, "source.file_name"},
		"an unknown extension":       {func(v *upload.Video) { v.FileName = "a.exe" }, "source.file_name"},
		"private":                    {func(v *upload.Video) { v.Private = true }, "private"},
		"no title":                   {func(v *upload.Video) { v.Title = " " }, "title"},
		"129 bytes of title":         {func(v *upload.Video) { v.Title = strings.Repeat("x", 129) }, "title"},
		"43 characters of Chinese":   {func(v *upload.Video) { v.Title = strings.Repeat("字", 43) }, "title"},
		"an emoji":                   {func(v *upload.Video) { v.Title = "hi 😀" }, "title"},
		"an emoji of old":            {func(v *upload.Video) { v.Title = "ok ✅" }, "title"},
		"a heart made emoji":         {func(v *upload.Video) { v.Description = "\u2764\ufe0f" }, "description"},
		"a control character":        {func(v *upload.Video) { v.Title = "a\nb" }, "title"},
		"not UTF-8":                  {func(v *upload.Video) { v.Title = "a\xff" }, "title"},
		"1025 bytes of description":  {func(v *upload.Video) { v.Description = strings.Repeat("x", 1025) }, "description"},
		"17 tags":                    {func(v *upload.Video) { v.Tags = many }, "tags"},
		"33 bytes of tag":            {func(v *upload.Video) { v.Tags = []string{"a", strings.Repeat("x", 33)} }, "tags[1]"},
		"an emoji in a tag":          {func(v *upload.Video) { v.Tags = []string{"🎉"} }, "tags[0]"},
		"a misspelt field":           {func(v *upload.Video) { v.Fields = []byte(`{"cateid":5}`) }, "alivod"},
		"two objects":                {func(v *upload.Video) { v.Fields = []byte(`{}{}`) }, "alivod"},
		"a list":                     {func(v *upload.Video) { v.Fields = []byte(`[]`) }, "alivod"},
		"a negative category":        {func(v *upload.Video) { v.Fields = []byte(`{"cate_id":-1}`) }, "alivod.cate_id"},
		"a group of another form":    {func(v *upload.Video) { v.Fields = []byte(`{"template_group_id":"a b"}`) }, "alivod.template_group_id"},
		"a workflow of that":         {func(v *upload.Video) { v.Fields = []byte(`{"workflow_id":"&"}`) }, "alivod.workflow_id"},
		"group and workflow":         {func(v *upload.Video) { v.Fields = []byte(`{"workflow_id":"a","template_group_id":"b"}`) }, "alivod.workflow_id"},
		"a place of another form":    {func(v *upload.Video) { v.Fields = []byte(`{"storage_location":"http://x"}`) }, "alivod.storage_location"},
		"a cover by http":            {func(v *upload.Video) { v.Fields = []byte(`{"cover_url":"http://x/a.jpg"}`) }, "alivod.cover_url"},
		"a mention not closed":       {func(v *upload.Video) { v.Title = "@nick{" }, "title"},
		"the same, in its own title": {func(v *upload.Video) { v.Fields = []byte(`{"title":"@nick{"}`) }, "alivod.title"},
		"a moment as the cover":      {func(v *upload.Video) { at := 1.0; v.Cover = &upload.Cover{At: &at} }, "cover.at"},
		"a WebP as the cover": {func(v *upload.Video) {
			v.Cover = &upload.Cover{Picture: &upload.Picture{Size: 5, ContentType: "image/webp"}}
		}, "cover.key"},
		"two covers": {func(v *upload.Video) {
			v.Cover, v.Fields = &upload.Cover{Picture: &upload.Picture{Key: "a.png"}}, []byte(`{"cover_url":"https://x/a.jpg"}`)
		}, "alivod.cover_url"},
		"a long id": {func(v *upload.Video) { v.Upload = strings.Repeat("u", 513) }, "upload"},
	} {
		v := testVideo()
		c.change(&v)
		if f := fault.As(tg.Validate(v)); f == nil || f.Kind != fault.Invalid || f.Field != c.field || f.Rule == "" || f.Effect != fault.EffectNone {
			t.Errorf("%s: %v", name, tg.Validate(v))
		}
	}
}

func TestWhatVODTakesIsTaken(t *testing.T) {
	for name, change := range map[string]func(*upload.Video){
		"128 bytes of title":       func(v *upload.Video) { v.Title = strings.Repeat("x", 128) },
		"42 characters of Chinese": func(v *upload.Video) { v.Title = strings.Repeat("字", 42) },
		"a rare character":         func(v *upload.Video) { v.Title = "𠮷野家" },
		"signs that are no emoji":  func(v *upload.Video) { v.Title = "★ A–B ♪ ™" },
		"lines in a description":   func(v *upload.Video) { v.Description = "a\nb\tc" },
		"capitals":                 func(v *upload.Video) { v.FileName = "A.MOV" },
		"a name with an emoji":     func(v *upload.Video) { v.FileName = "😀.webm" },
		"no tags":                  func(v *upload.Video) { v.Tags = nil },
		"its own words":            func(v *upload.Video) { v.Title, v.Fields = strings.Repeat("x", 500), []byte(`{"title":"short"}`) },
		"every field": func(v *upload.Video) {
			v.Fields = []byte(`{"title":"t","tags":["a"],"description":"d","cate_id":5,"template_group_id":"g","storage_location":"outin-x.oss-cn-shanghai.aliyuncs.com","cover_url":"https://x/a.jpg"}`)
		},
	} {
		v := testVideo()
		change(&v)
		if err := testTarget(Config{}, nil).Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := fileName("in/some/😀.WebM"); err != nil || n != "video.webm" {
		t.Errorf("%q, %v", n, err)
	}
}

func TestTheInitHashFollowsWhatIsSent(t *testing.T) {
	tg, base := testTarget(Config{}, nil), testVideo()
	same := base
	same.Upload, same.Size, same.Tags = "u2", 31, []string{"go", "视频"}
	if tg.InitHash(base) == "" || tg.InitHash(base) != tg.InitHash(same) {
		t.Error("the hash follows what is not sent of the manifest")
	}
	for name, change := range map[string]func(*upload.Video){"title": func(v *upload.Video) { v.Title = "x" }, "tags": func(v *upload.Video) { v.Tags = nil },
		"fields": func(v *upload.Video) { v.Fields = []byte(`{"cate_id":5}`) }, "name": func(v *upload.Video) { v.FileName = "y.mp4" }} {
		v := base
		change(&v)
		if tg.InitHash(v) == tg.InitHash(base) {
			t.Errorf("%s does not change the hash", name)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]Config{"region": {Config: vod.Config{Region: "x y"}}, "oss": {OSSEndpoint: "x"}, "callback": {CallbackURL: "ftp://x"}, "callback's fragment": {CallbackURL: "https://x/#y"}} {
		err := testTarget(c, nil).Validate(testVideo())
		if c.Check() == nil || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Config{CallbackURL: "https://x/cb?y"}).Check(); err != nil {
		t.Error(err)
	}
}

func TestLoginsAreRead(t *testing.T) {
	k, err := ParseLogin([]byte(`{"access_key_id":"LTAI5tExample","access_key_secret":"SECRETsecret"}`))
	if err != nil || k.Refresh != "" || !k.Expires.IsZero() || k.Subject != "" {
		t.Errorf("%v, %v", k, err)
	}
	c, err := Provider(func(context.Context) (token.Token, error) { return k, nil })(t.Context())
	if err != nil || c != (oss.Credential{ID: "LTAI5tExample", Secret: "SECRETsecret"}) {
		t.Error(err)
	}
	r, err := ParseLogin([]byte(`{"role_arn":"acs:ram::123:role/up"}`))
	if err != nil || r.Refresh != "acs:ram::123:role/up" || r.Access != "" {
		t.Errorf("%v, %v", r, err)
	}
	r, err = ParseLogin([]byte(`{"role_arn":"acs:ram::123:role/up","duration_seconds":900}`))
	if as, ok := parseRole(r.Refresh); err != nil || !ok || as.ARN != "acs:ram::123:role/up" || as.Duration != 900 {
		t.Errorf("%v, %v", r, err)
	}
	for name, in := range map[string]string{
		"nothing": ``, "empty": `{}`, "a list": `[]`, "both": `{"role_arn":"acs:ram::1:role/a","access_key_id":"LTAI5t","access_key_secret":"SECRETsecret"}`, "half a key": `{"access_key_id":"LTAI5t"}`,
		"a session": `{"access_key_id":"STS.x1","access_key_secret":"SECRETsecret","security_token":"SECRETt"}`, "a misspelt name": `{"access_key":"SECRETx"}`, "two": `{"role_arn":"acs:ram::1:role/a"} {}`,
		"no ARN": `{"role_arn":"arn:aws:iam::1:role/a"}`, "a short session": `{"role_arn":"acs:ram::1:role/a","session_name":"x"}`, "too short": `{"role_arn":"acs:ram::1:role/a","duration_seconds":60}`,
		"a secret of lines": `{"access_key_id":"LTAI5t","access_key_secret":"SECRET\nX"}`, "too long": `{"role_arn":"` + strings.Repeat("x", maxLogin) + `"}`, "a type": `{"access_key_id":5,"access_key_secret":"SECRETx"}`,
	} {
		tok, err := ParseLogin([]byte(in))
		if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field == "" || strings.Contains(err.Error(), "SECRET") || tok.Access != "" {
			t.Errorf("%s: %v, %v", name, tok, err)
		}
	}
	for name, tok := range map[string]token.Token{"empty": {}, "garbage": {Access: "SECRET"}, "half": {Access: `{"access_key_id":"SECRET"}`}} {
		_, err := Provider(func(context.Context) (token.Token, error) { return tok, nil })(t.Context())
		if fault.KindOf(err) != fault.CredentialsExpired || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sameTicket is a VOD whose refresh always answers one ticket.
type sameTicket struct {
	vod.API
	ticket vod.Ticket
	asked  int
}

func (s *sameTicket) RefreshUploadVideo(context.Context, string) (vod.Ticket, error) {
	s.asked++
	return s.ticket, nil
}

func TestTheSameCredentialForEverEndsInAPause(t *testing.T) {
	b64 := func(v map[string]string) string { b, _ := json.Marshal(v); return b64Of(b) }
	api := &sameTicket{ticket: vod.Ticket{ID: "v1", Address: b64(map[string]string{"Endpoint": "https://oss-cn-shanghai.aliyuncs.com", "Bucket": "outin-x", "FileName": "k"}),
		Auth: b64(map[string]string{"AccessKeyId": "i", "AccessKeySecret": "s", "SecurityToken": "t", "ExpireUTCTime": testNow.Add(time.Hour).Format(time.RFC3339)})}}
	now := testNow
	tg := New(Config{}, &http.Client{}, nil, &Options{Now: func() time.Time { return now }, API: api})
	p := session{VideoID: "v1", Parts: 3, Size: 30, UploadID: "U"}
	if err := tg.take(&p, api.ticket); err != nil {
		t.Fatal(err)
	}
	s, err := p.pack(now, now)
	if err != nil {
		t.Fatal(err)
	}
	now = testNow.Add(55 * time.Minute)
	for range 100 { // as a part would: only when the session counts as ended
		sess, err := tg.session("x", s)
		if err != nil {
			t.Fatal(err)
		}
		if tg.fresh("x", sess) == nil {
			now = now.Add(time.Second)
			if now.After(testNow.Add(time.Hour)) {
				break
			}
			continue
		}
		next, err := tg.Renew(t.Context(), s)
		if err != nil {
			if fault.KindOf(err) != fault.Retryable || fault.As(err).After <= 0 {
				t.Fatal(err)
			}
			now = now.Add(fault.As(err).After)
			continue
		}
		s = next
	}
	if api.asked > 12 {
		t.Errorf("asked %d times", api.asked)
	}
	now = testNow.Add(time.Hour)
	if _, err := tg.Renew(t.Context(), s); fault.KindOf(err) != fault.Retryable || fault.As(err).After <= 0 {
		t.Errorf("over: %v", err)
	}
	api.ticket.Address = b64(map[string]string{"Endpoint": "https://oss-cn-shanghai.aliyuncs.com", "Bucket": "outin-x", "FileName": "other"})
	if _, err := tg.Renew(t.Context(), s); err == nil || !strings.Contains(err.Error(), "another place") {
		t.Errorf("another place: %v", err)
	}
}

func TestWhatAStatusMeans(t *testing.T) {
	if d := verdict("Some\u202eThing new"); d.State != 0 || strings.Contains(d.Reason, "\u202e") {
		t.Errorf("%+v", d)
	}
	if unsigned("https://x/a.jpg?auth_key=SECRET#y") != "https://x/a.jpg" || unsigned("javascript:x") != "" || unsigned("https://u:p@x/a") != "" {
		t.Error("unsigned")
	}
}

func FuzzParseLogin(f *testing.F) {
	f.Add([]byte(`{"access_key_id":"LTAI5t","access_key_secret":"SECRET"}`))
	f.Add([]byte(`{"role_arn":"acs:ram::1:role/a","session_name":"ab","duration_seconds":900}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		tok, err := ParseLogin(in)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Error(err)
			}
			return
		}
		if _, ok := parseRole(tok.Refresh); tok.Access == "" && !ok {
			t.Errorf("a role that cannot be read back: %q", tok.Refresh)
		}
		if tok.Access != "" {
			if _, err := Provider(func(context.Context) (token.Token, error) { return tok, nil })(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzFields(f *testing.F) {
	f.Add([]byte(`{"cate_id":5,"tags":["a,b"],"cover_url":"https://x/a"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		v := testVideo()
		v.Fields = in
		tg := testTarget(Config{}, nil)
		err := tg.Validate(v)
		if err != nil && (fault.KindOf(err) != fault.Invalid || fault.As(err).Field == "") || (err == nil) != (tg.InitHash(v) != "") {
			t.Error(err)
		}
	})
}

func b64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func TestTextIsWhatAPersonReads(t *testing.T) {
	v := testVideo()
	v.Title, v.Description, v.Tags = `#音乐 with @nick{7} \#1`, "see #旅行 #"+strings.Repeat("长", 11), nil // the last is too long for a tag
	m, err := testTarget(Config{}, nil).meta(v)
	if err != nil || m.title != "#音乐 with @nick #1" || fmt.Sprint(m.tags) != "[音乐 旅行]" {
		t.Errorf("%q, %q, %v", m.title, m.tags, err)
	}
	v.Tags = []string{"go"}
	if m, err = testTarget(Config{}, nil).meta(v); err != nil || fmt.Sprint(m.tags) != "[go]" {
		t.Errorf("%q, %v", m.tags, err)
	}
}

func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		name, container string
		want            int
	}{{"a.mp4", "mp4", 0}, {"a.MOV", "mov", 0}, {"a.mp4", "mov", 0}, {"a.mp4", "webm", 2}, {"a.mkv", "mkv", 1}, {"a.mp4", "", 0}, {"a.exe", "mp4", 0}} {
		if got := testTarget(Config{}, nil).Advise(upload.Video{FileName: c.name, Container: c.container}); len(got) != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
