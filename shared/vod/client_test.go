package vod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/transport"
)

func TestRequestsEqualTheGoldens(t *testing.T) {
	p := newPlatform(t, fine)
	for _, c := range []struct {
		name string
		cred oss.Provider
	}{{"key", testCred()}, {"session", tempCred()}} {
		from := len(p.sent)
		for step, err := range everyCall(t.Context(), p.client(c.cred)) {
			if err != nil {
				t.Errorf("%s: %v", step, err)
			}
		}
		if n := len(p.sent) - from; n != len(Steps()) {
			t.Errorf("%d requests for %d steps", n, len(Steps()))
		}
		for _, s := range p.sent[from:] {
			step := s.query.Get("Action")
			if s.method != http.MethodPost || s.path != "/" || s.body != "" || s.length != 0 || s.closes == harmless(Step(step)) {
				t.Errorf("%s: %s %s, body %q, length %d, closes %t", step, s.method, s.path, s.body, s.length, s.closes)
			}
			if c.name == "session" {
				if s.query.Get("SecurityToken") != testToken || s.query.Get("AccessKeyId") != "STS.test" {
					t.Errorf("%s is not signed by the session", step)
				}
				continue
			}
			golden(t, step, s)
		}
	}
}

func golden(t *testing.T, name string, s sent) {
	t.Helper()
	if at, err := time.Parse("2006-01-02T15:04:05Z", s.query.Get("Timestamp")); err != nil || time.Since(at).Abs() > time.Hour || len(s.query.Get("SignatureNonce")) < 16 {
		t.Errorf("%s: time or number of the request: %v", name, err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\nContent-Type: %s\nUser-Agent: %s\n\n", s.method, s.path, s.header.Get("Content-Type"), s.header.Get("User-Agent"))
	names := make([]string, 0, len(s.query))
	for k := range s.query {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		v := s.query.Get(k)
		switch k {
		case "Timestamp", "SignatureNonce", "Signature":
			v = "*"
		}
		fmt.Fprintf(&b, "%s=%s\n", k, v)
	}
	path := filepath.Join("testdata", "requests", name+".txt")
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(b.String()), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(readFile(t, path)); want != b.String() {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", name, b.String(), want)
	}
}

func TestAnswersAreRead(t *testing.T) {
	c, ctx := newPlatform(t, fine).client(testCred()), t.Context()
	check := func(name string, err error, got, want any) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", name, err, got, want)
		}
	}
	v, err := c.GetVideoInfo(ctx, "v1")
	check("video", err, v, Video{ID: "v1", Title: "T", Description: "D", Tags: []string{"go", "视频"}, Status: "Normal", AuditStatus: "Init", CateID: 7, CateName: "c", CoverURL: "https://img.example/c",
		Size: 1048576, Duration: 12.5, Created: testNow.Add(-time.Hour), Modified: testNow, Snapshots: []string{"s1", "s2"}, UserData: `{"Extend":"u1"}`, Location: "l", TemplateID: "tg"})
	play, err := c.GetPlayInfo(ctx, "v1")
	check("streams", err, play.Streams, []Stream{{URL: "https://play.example/a.m3u8?auth_key=SECRET-SIG", Format: "m3u8", Definition: "SD", Width: 640, Height: 360, Size: 99, Duration: 12.5, Status: "Normal", JobID: "j"}})
	check("its video", err, play.Video.Duration, 12.5)
	auth, err := c.GetVideoPlayAuth(ctx, "v1", 0)
	check("play auth", err, auth, PlayAuth{Auth: "SECRET-AUTH", Video: Video{ID: "v1", Title: "T", Status: "Normal", Duration: 12.5, CoverURL: "c"}})
	del, err := c.DeleteVideo(ctx, "v1", "v2")
	check("delete", err, del, Deleted{Forbidden: []string{"v2"}})
	audit, err := c.GetAIMediaAuditJob(ctx, "j1")
	check("audit", err, audit, Audit{JobID: "j1", MediaID: "v1", Status: "success", Suggestion: "review", Label: "porn"})
	jobs, err := c.SubmitTranscodeJobs(ctx, "v1", "tg", "")
	check("jobs", err, jobs, []TranscodeJob{{"j1"}, {"j2"}})
	l, err := c.List(ctx, Query{})
	check("list", err, l, Listing{Total: 101, Videos: []Video{{ID: "v1", Status: "Normal"}, {ID: "v2", Status: "Blocked", Size: 5}}})
	cb, err := c.GetCallback(ctx, "")
	check("callback", err, cb, Callback{URL: "https://hooks.example/cb", Events: []string{"FileUploadComplete", "StreamTranscodeComplete"}, Signed: true, Key: "SECRETkey9", AppID: "app-1000000"})
	s, err := c.AssumeRole(ctx, "acs:ram::1:role/up", "vodlift", "", 0)
	check("session", err, s, Session{oss.Credential{ID: "STS.x", Secret: "SECRET-S", Token: "SECRET-T"}, "2026-11-20T11:00:00Z"})
	i, err := c.CreateUploadImage(ctx, NewImage{Type: "cover"})
	check("image", err, i.ID+i.FileURL, "i1https://oss.example/i.jpg")
	for _, x := range []any{auth, cb, s, i, &s, []any{s}} {
		text := fmt.Sprintf("%v %+v %#v %s", x, x, x, x)
		if lv, ok := x.(slog.LogValuer); ok {
			text += lv.LogValue().String()
		}
		if strings.Contains(text, "SECRET") {
			t.Errorf("%T shows a secret: %s", x, text)
		}
	}
}

// The same facts in the other shapes that the documents show.
func TestAnswersInOtherShapes(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		call func(*Client) error
		fail fault.Kind // -1: none
	}{
		"numbers as texts":         {`{"Video":{"VideoId":"v1","Status":"Normal","Size":"5","Duration":"1.5","CateId":"7"}}`, info(func(v Video) bool { return v.Size == 5 && v.Duration == 1.5 && v.CateID == 7 }), -1},
		"a bare list":              {`{"Video":{"VideoId":"v1","Status":"Normal","Snapshots":["a"]}}`, info(func(v Video) bool { return len(v.Snapshots) == 1 }), -1},
		"null and empty":           {`{"Video":{"VideoId":"v1","Status":"Normal","Snapshots":null,"Size":null,"Tags":null,"CreationTime":""}}`, info(func(v Video) bool { return v.Size == 0 && v.Tags == nil && v.Created.IsZero() }), -1},
		"a code that means well":   {`{"Code":"200","Message":"OK","Video":{"VideoId":"v1","Status":"Normal"}}`, info(func(v Video) bool { return v.ID == "v1" }), -1},
		"no id":                    {`{"Video":{"Status":"Normal"}}`, info(func(v Video) bool { return v.ID == "v1" }), -1},
		"another video":            {`{"Video":{"VideoId":"v2","Status":"Normal"}}`, info(nil), fault.Retryable},
		"no status":                {`{"Video":{"VideoId":"v1"}}`, info(nil), fault.Retryable},
		"an empty body":            {``, info(nil), fault.Retryable},
		"HTML":                     {`<html>`, info(nil), fault.Retryable},
		"cut JSON":                 {`{"Video":{"VideoId":"v1","Sta`, info(nil), fault.Retryable},
		"a list that is a number":  {`{"Video":{"VideoId":"v1","Status":"Normal","Snapshots":5}}`, info(nil), fault.Retryable},
		"an object for a text":     {`{"Video":{"VideoId":"v1","Status":{}}}`, info(nil), fault.Retryable},
		"a refusal inside":         {`{"Code":"Forbidden","Message":"no","RequestId":"R"}`, info(nil), fault.Permanent},
		"a code that is a number":  {`{"Code":404,"Message":5,"RequestId":{}}`, info(nil), fault.Permanent},
		"a ticket without an auth": {`{"VideoId":"v1","UploadAddress":"YQ=="}`, func(c *Client) error { _, err := c.RefreshUploadVideo(context.Background(), "v1"); return err }, fault.Retryable},
		"a ticket of another":      {`{"VideoId":"v2","UploadAddress":"YQ==","UploadAuth":"YQ=="}`, func(c *Client) error { _, err := c.RefreshUploadVideo(context.Background(), "v1"); return err }, fault.Retryable},
		"a create without an id":   {`{"UploadAddress":"YQ==","UploadAuth":"YQ=="}`, func(c *Client) error { _, err := c.CreateUploadVideo(context.Background(), NewVideo{}); return err }, fault.Unknown},
		"a create cut":             {`{"VideoId":"v1","UploadAd`, func(c *Client) error { _, err := c.CreateUploadVideo(context.Background(), NewVideo{}); return err }, fault.Unknown},
		"a session without an end": {`{"Credentials":{"AccessKeyId":"a","AccessKeySecret":"SECRET","SecurityToken":"SECRET"}}`, func(c *Client) error {
			_, err := c.AssumeRole(context.Background(), "a", "b", "", 0)
			return err
		}, fault.Retryable},
		"an audit as an object": {`{"MediaAuditJob":{"JobId":"j1","Status":"success","Data":{"Suggestion":"pass"}}}`, func(c *Client) error {
			a, err := c.GetAIMediaAuditJob(context.Background(), "j1")
			if err == nil && a.Suggestion != "pass" {
				return fmt.Errorf("%+v", a)
			}
			return err
		}, -1},
	} {
		err := c.call(newPlatform(t, says(200, c.body)).client(testCred()))
		if c.fail < 0 && err != nil || c.fail >= 0 && (fault.As(err) == nil || fault.KindOf(err) != c.fail) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s shows a secret", name)
		}
	}
}

func info(good func(Video) bool) func(*Client) error {
	return func(c *Client) error {
		v, err := c.GetVideoInfo(context.Background(), "v1")
		if err == nil && good != nil && !good(v) {
			return fmt.Errorf("%+v", v)
		}
		return err
	}
}

func TestWhatIsMissingIsNoErrorOfDeleteAndList(t *testing.T) {
	c := newPlatform(t, says(404, `{"Code":"InvalidVideo.NotFound","Message":"x"}`)).client(testCred())
	if d, err := c.DeleteVideo(t.Context(), "a", "b"); err != nil || len(d.Missing) != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	if l, err := c.List(t.Context(), Query{}); err != nil || l.Total != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := c.GetVideoInfo(t.Context(), "a"); !errors.Is(err, ErrNotFound) || fault.KindOf(err) != fault.Permanent {
		t.Errorf("%v", err)
	}
}

func TestBadInputSendsNothing(t *testing.T) {
	p := newPlatform(t, fine)
	c, ctx := p.client(testCred()), t.Context()
	many := strings.Split(strings.Repeat("v,", 21), ",")[:21]
	for name, call := range map[string]func() error{
		"no id":           func() error { _, err := c.GetVideoInfo(ctx, ""); return err },
		"two ids":         func() error { _, err := c.GetPlayInfo(ctx, "a,b"); return err },
		"delete none":     func() error { _, err := c.DeleteVideo(ctx); return err },
		"delete many":     func() error { _, err := c.DeleteVideo(ctx, many...); return err },
		"delete several":  func() error { _, err := c.DeleteVideo(ctx, "a", "b,c"); return err },
		"a short play":    func() error { _, err := c.GetVideoPlayAuth(ctx, "a", 99); return err },
		"signed, no key":  func() error { return c.SetCallback(ctx, Callback{Signed: true}) },
		"a bad region":    func() error { return bad(ctx, p, Config{Region: "a b"}) },
		"a bad address":   func() error { return bad(ctx, p, Config{BaseURL: "ftp://x"}) },
		"a path":          func() error { return bad(ctx, p, Config{STSBaseURL: "https://x/y"}) },
		"a bad app":       func() error { return bad(ctx, p, Config{AppID: "a&b"}) },
		"somebody's name": func() error { return bad(ctx, p, Config{BaseURL: "https://u:p@x"}) },
	} {
		if err := call(); fault.KindOf(err) != fault.Invalid || fault.EffectOf(err) != fault.EffectNone || fault.As(err).Field == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(p.sent) != 0 {
		t.Errorf("%d sent", len(p.sent))
	}
}

func bad(ctx context.Context, p *platform, c Config) error {
	_, err := New(c, testCred(), p.Client(), nil).GetVideoInfo(ctx, "v1")
	return err
}

func TestTheAddressFollowsTheRegion(t *testing.T) {
	for region, want := range map[string]string{"": "vod.cn-shanghai.aliyuncs.com", "cn-hangzhou": "vod.cn-shanghai.aliyuncs.com", "ap-southeast-1": "vod.ap-southeast-1.aliyuncs.com"} {
		if got := Hosts(Config{Region: region}); got[0] != want || len(got) != 2 || !strings.HasPrefix(got[1], "sts.") {
			t.Errorf("%q: %v", region, got)
		}
	}
}

// The environment must not decide where a request goes, nor break it.
func TestTheEnvironmentHasNoSay(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTPS_PROXY", "::not a url::")
	t.Setenv("NO_PROXY", "(((")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "other")
	p := newPlatform(t, fine)
	if _, err := p.client(testCred()).GetVideoInfo(t.Context(), "v1"); err != nil || p.sent[0].query.Get("AccessKeyId") != "LTAItest" {
		t.Error(err)
	}
}

func TestARequestIsCancelledByItsContext(t *testing.T) {
	entered, gone := make(chan struct{}), make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(entered)
		<-r.Context().Done()
		close(gone)
	}))
	t.Cleanup(web.Close)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the lease ended")
	go func() { <-entered; cancel(why) }()
	_, err := New(Config{BaseURL: web.URL}, testCred(), loopback(), nil).CreateUploadVideo(ctx, NewVideo{})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || fault.KindOf(err) != fault.Unknown || fault.EffectOf(err) != fault.EffectUnknown {
		t.Errorf("%v", err)
	}
	<-gone
	p := newPlatform(t, fine)
	for step, err := range everyCall(ctx, p.client(testCred())) {
		if !errors.Is(err, why) || fault.EffectOf(err) != fault.EffectNone {
			t.Errorf("%s before anything: %v", step, err)
		}
	}
	if len(p.sent) != 0 {
		t.Errorf("%d sent", len(p.sent))
	}
}

func TestNothingIsRetriedOrFollowed(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, url.Values){
		"a 500":      says(500, `{"Code":"InternalError"}`),
		"a 502":      says(502, `<html>`),
		"a redirect": says(302, ``, "Location", "/elsewhere"),
		"a cut":      func(w http.ResponseWriter, _ url.Values) { panic(http.ErrAbortHandler) },
		"too large":  says(200, `{"x":"`+strings.Repeat("x", maxAnswer)+`"}`),
	} {
		p := newPlatform(t, answer)
		p.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		_, err := p.client(tempCred()).CreateUploadVideo(t.Context(), NewVideo{})
		p.mu.Lock()
		n := len(p.sent)
		p.mu.Unlock()
		if err == nil || n != 1 {
			t.Errorf("%s: %v after %d requests", name, err, n)
		}
		want := fault.Unknown
		if name == "a redirect" {
			want = fault.Permanent
		}
		if fault.KindOf(err) != want || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "Signature=") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALostRequest(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	for _, c := range []struct {
		base   string
		create fault.Kind
		effect fault.Effect
	}{{dead.URL, fault.Retryable, fault.EffectNone}, {"https://vod.cn-shanghai.aliyuncs.com", fault.Permanent, fault.EffectNone}} {
		k := New(Config{BaseURL: c.base}, tempCred(), transport.New(transport.Options{AllowLoopback: true}), nil)
		_, err := k.CreateUploadVideo(t.Context(), NewVideo{})
		if fault.KindOf(err) != c.create || fault.EffectOf(err) != c.effect || strings.Contains(err.Error(), "Signature") {
			t.Errorf("%s: %v", c.base, err)
		}
	}
}

func TestACredentialThatCannotBeHadSendsNothing(t *testing.T) {
	p := newPlatform(t, fine)
	for _, c := range []struct {
		cred oss.Provider
		kind fault.Kind
	}{
		{oss.Fixed(oss.Credential{}), fault.CredentialsExpired},
		{func(context.Context) (oss.Credential, error) {
			return oss.Credential{}, fault.New(fault.TokenExpired, "x", "no")
		}, fault.TokenExpired},
	} {
		_, err := p.client(c.cred).GetVideoInfo(t.Context(), "v1")
		if fault.KindOf(err) != c.kind || fault.EffectOf(err) != fault.EffectNone || len(p.sent) != 0 {
			t.Errorf("%v", err)
		}
	}
}
