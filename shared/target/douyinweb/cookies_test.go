package douyinweb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

const netscape = "# Netscape HTTP Cookie File\r\n\r\n" +
	"#HttpOnly_.douyin.com\tTRUE\t/\tTRUE\t1797000000\tsessionid\t" + testLogin + "\r\n" +
	"#HttpOnly_.douyin.com\tTRUE\t/\tTRUE\t1796000000\tsid_tt\t" + testLogin + "\r\n" +
	".douyin.com\tTRUE\t/\tFALSE\t1000000000\told\tgone\r\n" +
	"creator.douyin.com\tFALSE\t/web\tTRUE\t0\tcsrf_session_id\tx y=z\"\r\n" +
	"www.douyin.com\tFALSE\t/\tTRUE\t0\tttwid\twww only\r\n" +
	".douyin.com\tTRUE\t/\tTRUE\t0\tempty\r\n" +
	".example.com\tTRUE\t/\tTRUE\t0\tsid\t\xe4\xba\xba\n"

func TestCookiesOfTheSiteAreKept(t *testing.T) {
	tok, err := ParseCookies([]byte(netscape), testNow)
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Unix(1796000000, 0); !tok.Expires.Equal(want) || !tok.Obtained.Equal(testNow) || tok.Subject != "" || tok.Refresh != "" {
		t.Errorf("%+v, expires %v, want %v", tok, tok.Expires, want)
	}
	j, why := loadJar(tok)
	if why != "" {
		t.Fatal(why)
	}
	for _, c := range []struct{ host, path, want string }{
		{"media.douyin.com", "/web/api", "sessionid=" + testLogin + "; sid_tt=" + testLogin + "; empty="},
		{"creator.douyin.com", "/web/api", `csrf_session_id=x y=z"; sessionid=` + testLogin + "; sid_tt=" + testLogin + "; empty="},
		{"creator.douyin.com", "/website", "sessionid=" + testLogin + "; sid_tt=" + testLogin + "; empty="},
	} {
		if got, why := j.header(c.host, c.path, testNow); got != c.want || why != "" {
			t.Errorf("%s%s: %q %s, want %q", c.host, c.path, got, why, c.want)
		}
	}
	if _, why := j.header("media.douyin.com", "/", time.Unix(1797000000, 0)); why == "" {
		t.Error("an expired login is sent")
	}
	if strings.Contains(tok.Access, "only") || strings.Contains(tok.Access, "gone") || strings.Contains(tok.String(), testLogin) {
		t.Errorf("kept: %s", tok.Access)
	}
}

func TestEveryFormOfExportIsRead(t *testing.T) {
	for name, in := range map[string]string{
		"extension":           testCookies,
		"browser under tests": `{"cookies":[{"name":"sessionid_ss","value":"v","domain":".douyin.com","path":"/","expires":1797000000.7,"httpOnly":true,"secure":true,"sameSite":"None"},{"name":"a","value":"","domain":"media.douyin.com","path":"/","expires":-1}],"origins":[]}`,
		"with a mark":         "\xef\xbb\xbf" + netscape,
		"null end":            `[{"name":"sessionid","value":"v","domain":".douyin.com","expirationDate":null,"storeId":"0","id":1}]`,
		"session flag":        `[{"name":"sessionid","value":"v","domain":"creator.douyin.com","expirationDate":1,"session":true}]`,
	} {
		if _, err := ParseCookies([]byte(in), testNow); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABadExportIsNamed(t *testing.T) {
	line := func(fields ...string) string { return strings.Join(fields, "\t") }
	many := make([]string, 0, 200)
	for i := range 160 {
		many = append(many, line(".douyin.com", "TRUE", "/", "TRUE", "0", fmt.Sprint("c", i), "v"))
	}
	login := line(".douyin.com", "TRUE", "/", "TRUE", "1797000000", "sessionid", "SECRETVALUE")
	for name, c := range map[string]struct{ in, want string }{
		"empty":             {" \n", "the file is empty"},
		"no text":           {"\xff\xfe", "the file is no text"},
		"too large":         {strings.Repeat(" ", maxCookieFile+1), "bytes"},
		"a line cut off":    {login + "\n.douyin.com\tTRUE\t/", "line 2 has 3"},
		"spaces for tabs":   {"# x\n.douyin.com TRUE / TRUE 0 sessionid SECRETVALUE", "line 2 has 1"},
		"a header's form":   {"sessionid=SECRETVALUE; a=b", "line 1 has 1"},
		"no time":           {line(".douyin.com", "TRUE", "/", "TRUE", "soon", "sessionid", "SECRETVALUE"), "line 1: the fifth field is no number"},
		"absurd time":       {line(".douyin.com", "TRUE", "/", "TRUE", "1e99", "sessionid", "SECRETVALUE"), "line 1: its end is not a time"},
		"expired":           {"\n" + line(".douyin.com", "TRUE", "/", "TRUE", "1700000000", "sessionid", "SECRETVALUE"), "line 2: sessionid expired on 2023-11-14T22:13:20Z"},
		"other site":        {line(".tiktok.com", "TRUE", "/", "TRUE", "0", "sessionid", "SECRETVALUE"), "holds cookies of tiktok.com only"},
		"look-alike site":   {line(".evildouyin.com", "TRUE", "/", "TRUE", "0", "sessionid", "SECRETVALUE"), "holds cookies of evildouyin.com only"},
		"sister host":       {line("www.douyin.com", "FALSE", "/", "TRUE", "0", "sessionid", "SECRETVALUE"), "holds cookies of www.douyin.com only"},
		"host only":         {line("douyin.com", "FALSE", "/", "TRUE", "0", "sessionid", "SECRETVALUE"), "holds cookies of douyin.com only"},
		"whole top level":   {line(".com", "TRUE", "/", "TRUE", "0", "a", "b") + "\n" + login, ""},
		"comments only":     {"# nothing\n", "holds no cookie"},
		"no login":          {line(".douyin.com", "TRUE", "/", "TRUE", "0", "ttwid", "SECRETVALUE"), "the cookie of the login is missing"},
		"empty login":       {line(".douyin.com", "TRUE", "/", "TRUE", "0", "sessionid", ""), "the cookie of the login is missing"},
		"a value that ends": {line(".douyin.com", "TRUE", "/", "TRUE", "0", "sessionid", "SECRETVALUE; admin=1"), "line 1: sessionid has a value with signs"},
		"a bad name":        {line(".douyin.com", "TRUE", "/", "TRUE", "0", "a=b", "SECRETVALUE"), "line 1: its name is not one"},
		"a bad path":        {line(".douyin.com", "TRUE", "web", "TRUE", "0", "a", "SECRETVALUE"), "line 1: a has a path"},
		"too many":          {strings.Join(many, "\n") + "\n" + login, "there are 161"},
		"too much":          {login + "\n" + line(".douyin.com", "TRUE", "/", "TRUE", "0", "a", strings.Repeat("v", maxCookieBytes)), "they have"},
		"cut JSON":          {testCookies[:200], "broken or cut off"},
		"cut object":        {`{"cookies":[`, "cut off"},
		"another object":    {`{"a":1}`, "holds none"},
		"an array of texts": {`["a"]`, "cookie 1 has a field of another type"},
		"without a value":   {`[{"name":"a","value":"b","domain":".x.y"},{"name":"sessionid","domain":".douyin.com"}]`, "cookie 2 has no value"},
		"without a domain":  {`[{"name":"a","value":"SECRETVALUE"}]`, "cookie 1 has no domain"},
		"a number as value": {`[{"name":"a","value":1,"domain":".douyin.com"}]`, "cookie 1 has a field of another type"},
		"JSON, expired":     {`[{"name":"sessionid","value":"SECRETVALUE","domain":".douyin.com","expirationDate":1700000000.5}]`, "cookie 1: sessionid expired on 2023"},
	} {
		_, err := ParseCookies([]byte(c.in), testNow)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		f := fault.As(err)
		if f == nil || f.Kind != fault.Invalid || f.Field != "cookies" || f.Rule == "" || f.Action == "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "SECRETVALUE") {
			t.Errorf("%s: a value shows: %v", name, err)
		}
	}
}

func FuzzParseCookies(f *testing.F) {
	f.Add([]byte(netscape))
	f.Add([]byte(testCookies))
	f.Add([]byte(`{"cookies":[{"name":"sessionid","value":"v","domain":".douyin.com","expires":-1}]}`))
	f.Add([]byte("a\tb\tc\td\t1\te\tf"))
	f.Fuzz(func(t *testing.T, in []byte) {
		tok, err := ParseCookies(in, testNow)
		if err != nil {
			if fa := fault.As(err); fa == nil || fa.Kind != fault.Invalid || fa.Field != "cookies" || fa.Rule == "" {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		j, why := loadJar(tok)
		if why != "" {
			t.Fatalf("%q: made a token that cannot be used: %s", in, why)
		}
		if !tok.Expires.IsZero() && !tok.Expires.After(testNow) {
			t.Fatalf("%q: expired: %v", in, tok.Expires)
		}
		for _, host := range CookieHosts() {
			if v, why := j.header(host, "/web/api/x", testNow); why == "" && !headerOK(v) {
				t.Fatalf("%q: header %q", in, v)
			}
		}
		for _, c := range j.cookies {
			if !slices.ContainsFunc(CookieHosts(), c.goesTo) {
				t.Fatalf("%q: kept a cookie of %q", in, c.Domain)
			}
		}
	})
}

func headerOK(s string) bool {
	return len(s) <= maxCookieBytes && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func TestCookiesNeverFollowARedirectNorComeFromAJar(t *testing.T) {
	u := &url.URL{Scheme: "https", Host: "media.douyin.com", Path: "/"}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	jar.SetCookies(u, []*http.Cookie{{Name: "foreign", Value: "foreign"}})
	for _, to := range []string{"https://evil.example/", "https://creator.douyin.com/web/api/media/upload/auth/", "https://vas-lf-x.snssdk.com/"} {
		w := says(t, nil)
		w.answer = func(sent) (*http.Response, error) {
			r := respond(307, "")
			r.Header.Set("Location", to)
			r.Header.Set("Set-Cookie", "foreign=foreign; Domain=douyin.com")
			return r, nil
		}
		tok := testToken(t)
		tg := New(smallConfig(), &http.Client{Transport: w, Jar: jar, CheckRedirect: nil}, func(context.Context) (token.Token, error) { return tok, nil }, &Options{Now: clock})
		v := testVideo()
		for range 2 {
			if _, err := tg.Init(t.Context(), v, testPlan(30, 3)); err == nil {
				t.Errorf("a redirect to %s is a success", to)
			}
			if _, err := tg.Publish(t.Context(), v, testSession(t, 3, 30), testAsset()); fault.KindOf(err) != fault.Unknown {
				t.Errorf("create redirected to %s: %v", to, err)
			}
		}
		if len(w.sent) != 4 {
			t.Errorf("%d requests, want 4: none to %s", len(w.sent), to)
		}
	}
}

func TestCookiesGoToTheExactHostsOnly(t *testing.T) {
	tok := testToken(t)
	cred := func(context.Context) (token.Token, error) { return tok, nil }
	for _, bad := range []string{"http://media.douyin.com", "https://evil.example", "https://media.douyin.com.evil.example", "https://douyin.com", "https://www.douyin.com", "https://media.douyin.com:8443",
		"https://media.douyin.com@evil.example", "https://vas-lf-x.snssdk.com", "https://media.douyin.com/x", "https://MEDIA.douyin.com", "ftp://127.0.0.1", "https://media.douyin.com?x=1", ""} {
		c := Config{CreatorURL: bad}
		if bad == "" {
			c = Config{VideoURL: "https://evil.example"}
		}
		w := &wire{t: t, answer: func(sent) (*http.Response, error) { return respond(200, "{}"), nil }}
		tg := New(c, &http.Client{Transport: w}, cred, &Options{Now: clock})
		_, err := tg.Init(t.Context(), testVideo(), testPlan(30, 3))
		rerr := NewRefresher(c, &http.Client{Transport: w}, nil).Alive(t.Context(), tok)
		if fault.KindOf(err) != fault.Invalid || fault.KindOf(rerr) != fault.Invalid || len(w.sent) != 0 {
			t.Errorf("%s: %v; %v; %d requests", bad, err, rerr, len(w.sent))
		}
	}
	// And below the config, on the request itself.
	c := newCaller(Config{}.withDefaults(), &http.Client{Transport: &wire{t: t}}, nil)
	j, _ := loadJar(tok)
	_, err := c.do(t.Context(), request{op: "x", step: StepCreate, method: "GET", url: "https://www.douyin.com/", cookies: j})
	if fault.KindOf(err) != fault.Permanent || fault.EffectOf(err) != fault.EffectNone {
		t.Errorf("cookies for another host: %v", err)
	}
	if len(CookieHosts()) != 2 || !slices.Contains(Hosts(), "*.snssdk.com") {
		t.Errorf("hosts: %v %v", CookieHosts(), Hosts())
	}
}

func TestACredentialThatCannotBeUsedSendsNothing(t *testing.T) {
	good := testToken(t)
	dead := good
	dead.Access = strings.Replace(good.Access, "2026-12", "2025-12", 1)
	for name, c := range map[string]struct {
		cred Credentials
		kind fault.Kind
	}{
		"classified": {func(context.Context) (token.Token, error) {
			return token.Token{}, fault.Newf(fault.CredentialsExpired, "x", "%w", token.ErrNoCredential)
		}, fault.CredentialsExpired},
		"unclassified": {func(context.Context) (token.Token, error) { return token.Token{}, errors.New("table") }, fault.Unknown},
		"empty":        {func(context.Context) (token.Token, error) { return token.Token{}, nil }, fault.CredentialsExpired},
		"no JSON":      {func(context.Context) (token.Token, error) { return token.Token{Access: "sessionid=x"}, nil }, fault.CredentialsExpired},
		"unfit": {func(context.Context) (token.Token, error) {
			return token.Token{Access: `[{"name":"a\n","value":"b"}]`}, nil
		}, fault.CredentialsExpired},
		"expired": {func(context.Context) (token.Token, error) { return dead, nil }, fault.CredentialsExpired},
	} {
		w := says(t, nil)
		tg := New(smallConfig(), &http.Client{Transport: w}, c.cred, &Options{Now: clock})
		_, err := tg.Publish(t.Context(), testVideo(), testSession(t, 3, 30), testAsset())
		if fault.KindOf(err) != c.kind || fault.EffectOf(err) != fault.EffectNone || !fault.As(err).AssetKept || len(w.sent) != 0 {
			t.Errorf("%s: %v, effect %v, %d requests", name, err, fault.EffectOf(err), len(w.sent))
		}
	}
}

func TestALoginIsLookedAtAndNeverRenewed(t *testing.T) {
	tok := testToken(t)
	look := func(body string, status int, tok token.Token) (token.Token, error, *wire) {
		w := says(t, map[Step]*http.Response{StepUser: respond(status, body)})
		r := NewRefresher(Config{}, &http.Client{Transport: w}, &Options{Now: clock})
		got, err := r.Refresh(t.Context(), token.AppKey{}, tok)
		return got, err, w
	}
	got, err, _ := look(`{"status_code":0,"user":{"uid":"42"}}`, 200, tok)
	if err != nil || got.Subject != "42" || got.Access != tok.Access || !got.Expires.Equal(tok.Expires) {
		t.Errorf("alive: %+v, %v", got, err)
	}
	other, over := tok, tok
	other.Subject, over.Expires = "43", testNow
	for name, c := range map[string]struct {
		body   string
		status int
		tok    token.Token
		kind   fault.Kind
		sent   int
	}{
		"dead":         {`{"status_code":8,"status_msg":"用户未登录"}`, 200, tok, fault.CredentialsExpired, 1},
		"denied":       {``, 403, tok, fault.CredentialsExpired, 1},
		"empty":        {``, 200, tok, fault.CredentialsExpired, 1},
		"human":        {`{"status_code":110}`, 200, tok, fault.CredentialsExpired, 1},
		"captcha":      {`<html>captcha</html>`, 200, tok, fault.CredentialsExpired, 1},
		"another user": {`{"status_code":0,"user":{"uid":"42"}}`, 200, other, fault.CredentialsExpired, 1},
		"drift":        {`{"status_code":0,"user":{"id":"42"}}`, 200, tok, fault.Permanent, 1},
		"no number":    {`{"status_code":0,"user":{"uid":"x"}}`, 200, tok, fault.Permanent, 1},
		"broken":       {`x`, 502, tok, fault.Retryable, 1},
		"over":         {``, 200, over, fault.CredentialsExpired, 0},
		"no cookies":   {``, 200, token.Token{}, fault.CredentialsExpired, 0},
	} {
		_, err, w := look(c.body, c.status, c.tok)
		if fault.KindOf(err) != c.kind || len(w.sent) != c.sent {
			t.Errorf("%s: %v, %d requests", name, err, len(w.sent))
		}
		noSecrets(t, name, err.Error())
	}
}

func TestUploadCredentialsAreRenewedBeforeTheyEnd(t *testing.T) {
	w := says(t, nil)
	tok, now := testToken(t), testNow
	tg := New(smallConfig(), &http.Client{Transport: w}, func(context.Context) (token.Token, error) { return tok, nil }, &Options{Now: func() time.Time { return now }})
	s, plan := testSession(t, 3, 30), testPlan(30, 3)
	now = testNow.Add(55 * time.Minute)
	_, err := tg.Complete(t.Context(), s, receipts(plan, "a684c7c6"))
	if fault.KindOf(err) != fault.TokenExpired || !strings.Contains(err.Error(), "upload session's credentials") || len(w.sent) != 0 {
		t.Errorf("%v, %d requests", err, len(w.sent))
	}
	next, err := tg.Renew(t.Context(), s)
	if err != nil || next.ID != s.ID || len(w.sent) != 1 || stepOf(w.sent[0].Request) != StepAuth {
		t.Fatalf("%v, %d requests", err, len(w.sent))
	}
	// What the site gives still has 5 minutes, all of its life: no second refusal.
	if _, err := tg.Complete(t.Context(), next, receipts(plan, "a684c7c6")); err != nil {
		t.Error(err)
	}
	if end := authEnd("HMAC-SHA1:2.0:x:y:z"); !end.IsZero() {
		t.Errorf("another layout has the end %v", end)
	}
	if end := (slot{Sign: "opaque"}).deadline(testNow); !end.Equal(testNow.Add(24 * time.Hour)) {
		t.Errorf("another layout of the signature: %v", end)
	}
}

func TestARefusedCloseIsDecidedByTheConfirmation(t *testing.T) {
	plan := testPlan(30, 3)
	lost := func(confirm string) error {
		w := says(t, map[Step]*http.Response{StepClose: respond(404, `{"success":4}`), StepConfirm: respond(200, confirm)})
		_, err := testTarget(t, smallConfig(), w).Complete(t.Context(), testSession(t, 3, 30), receipts(plan, "a684c7c6"))
		return err
	}
	if err := lost(good()[StepConfirm]); err != nil {
		t.Errorf("closed before, by a call whose answer was lost: %v", err)
	}
	if err := lost(`{"code":2001,"message":"no"}`); !strings.Contains(err.Error(), "no longer knows this upload") || fault.KindOf(err) != fault.Permanent {
		t.Errorf("not there: %v", err)
	}
	w := says(t, map[Step]*http.Response{StepConfirm: respond(200, `{"code":4010,"message":"no"}`)})
	tok := testToken(t)
	later := New(smallConfig(), &http.Client{Transport: w}, func(context.Context) (token.Token, error) { return tok, nil }, &Options{Now: func() time.Time { return testNow.Add(2 * time.Minute) }})
	if _, err := later.Complete(t.Context(), testSession(t, 3, 30), receipts(plan, "a684c7c6")); fault.KindOf(err) != fault.TokenExpired || !errors.Is(err, target.ErrSessionCredential) {
		t.Errorf("any code may mean dead credentials: %v", err)
	}
	if err := lost(`{"code":2000,"message":"ok","data":{}}`); !errors.Is(err, ErrProtocol) {
		t.Errorf("drift: %v", err)
	}
	for name, rs := range map[string][]upload.Receipt{
		"no sum":    {{Part: 1, Size: 10}, {Part: 2, Size: 10, ETag: "a684c7c6"}, {Part: 3, Size: 10, ETag: "a684c7c6"}},
		"no number": {{Part: 1, Size: 10, ETag: "a684c7cX"}, {Part: 2, Size: 10, ETag: "a684c7c6"}, {Part: 3, Size: 10, ETag: "a684c7c6"}},
		"short":     {{Part: 1, Size: 9, ETag: "a684c7c6"}, {Part: 2, Size: 10, ETag: "a684c7c6"}, {Part: 3, Size: 10, ETag: "a684c7c6"}},
	} {
		w := says(t, nil)
		_, err := testTarget(t, smallConfig(), w).Complete(t.Context(), testSession(t, 3, 30), rs)
		if fault.KindOf(err) != fault.Invalid || len(w.sent) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
