package douyinweb

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/transport"
)

// fixture is testdata/codes/<row>.json: the answers that end in the row, by step, and what they mean there.
type fixture struct {
	Answers map[string]answer  `json:"answers"`
	Steps   map[string]verdict `json:"steps"`
}

type answer struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header,omitempty"`
	Body   string            `json:"body"`
}

type verdict struct {
	Row         string `json:"row"` // the fault's code
	Kind        string `json:"kind"`
	Refused     bool   `json:"refused"` // EffectNone
	AssetKept   bool   `json:"asset_kept,omitempty"`
	SessionLost bool   `json:"session_lost,omitempty"`
	Credential  bool   `json:"credential,omitempty"`
	Quota       bool   `json:"quota,omitempty"`
	After       string `json:"after,omitempty"`
	Actor       string `json:"actor"`
}

// judged is what a step makes of an answer.
func judged(t *testing.T, s Step, a answer) verdict {
	t.Helper()
	r := respond(a.Status, a.Body)
	for k, v := range a.Header {
		r.Header.Set(k, v)
	}
	err := play(t, s, r)
	f := fault.As(err)
	if f == nil {
		return verdict{Kind: "none"}
	}
	noSecrets(t, "an error", err.Error())
	v := verdict{Row: f.Code, Kind: f.Kind.String(), Refused: f.Effect == fault.EffectNone, AssetKept: f.AssetKept, SessionLost: errors.Is(err, target.ErrSessionLost),
		Credential: errors.Is(err, target.ErrSessionCredential), Quota: f.Quota, Actor: string(f.Actor)}
	if f.After > 0 {
		v.After = f.After.String()
	}
	return v
}

// play goes through the flow with one step answered by r, and gives the first error.
func play(t *testing.T, s Step, r *http.Response) error {
	t.Helper()
	c := smallConfig()
	if s == StepCSRF {
		c.CSRF = CSRFSecSDK
	}
	w := says(t, map[Step]*http.Response{s: r})
	tg, ctx, v, parts := testTarget(t, c, w), t.Context(), testVideo(), 3
	if s == StepUpload {
		parts = 1
	}
	if s == StepUser {
		return NewRefresher(c, &http.Client{Transport: w}, &Options{Now: clock}).Alive(ctx, testToken(t))
	}
	plan := testPlan(v.Size, parts)
	sess, err := tg.Init(ctx, v, plan)
	if err != nil {
		return err
	}
	content := "012345678901234567890123456789"[:plan.PartSize]
	var rs = receipts(plan, "a684c7c6")
	one, err := tg.UploadPart(ctx, sess, testPart(plan, 1, content))
	if err != nil {
		return err
	}
	rs[0] = one
	a, err := tg.Complete(ctx, sess, rs)
	if err != nil {
		return err
	}
	_, err = tg.Publish(ctx, v, sess, a)
	return err
}

// plain are the answers that a row's fixture begins with.
func plain(c Code, s Step) answer {
	a := answer{Status: 200}
	switch c.Code {
	case RowHuman:
		a.Body = `{"status_code":110,"status_msg":"需要验证"}`
	case RowVerify:
		a.Header, a.Body = map[string]string{"X-Tt-Verify-Passport-Decision": "verify"}, `{"status_code":0}`
	case RowLogin:
		a.Body = `{"status_code":8,"status_msg":"用户未登录"}`
	case RowDenied:
		a.Status, a.Body = 403, "Forbidden"
	case RowPage:
		a.Body = "<html><body>请登录 <a href=/passport/web/login>login</a></body></html>"
	case RowStatus:
		a.Body = `{"status_code":5,"status_msg":"参数不合法"}`
	case RowRate:
		a.Body = `{"code":30411,"message":"too many requests"}`
	case RowVideo:
		a.Body = `{"code":2001,"message":"no such video"}`
	case RowAuth:
		a.Status, a.Body = 403, `{"message":"denied"}`
	case RowStorage:
		a.Body = `{"success":4,"error":{"code":4,"error":"e","error_code":4,"message":"crc32 mismatch"}}`
	case RowGone:
		a.Status, a.Body = 404, `{"success":4}`
	case RowProtocol:
		a.Body = `{"hello":1}`
	case RowThrottle:
		a.Status, a.Header, a.Body = 429, map[string]string{"Retry-After": "7"}, "slow down"
	case RowBroken:
		a.Status, a.Body = 502, "<html>Bad Gateway</html>"
	case RowStrange:
		a.Body = `{"status_code":0,"success":0,"code":2000`
	case RowHTTP:
		a.Status, a.Body = 302, ""
	}
	if s == StepCSRF {
		if a.Body = ""; c.Code == RowPage { // a HEAD has no body
			a.Status, a.Header = 302, map[string]string{"Location": "https://sso.douyin.com/login"}
		}
	}
	return a
}

func TestEachRowIsClassifiedAsItsFixtureSays(t *testing.T) {
	for _, c := range Codes() {
		t.Run(c.Code, func(t *testing.T) {
			path := filepath.Join("testdata", "codes", c.Code+".json")
			if *update {
				writeFixture(t, path, c)
			}
			var f fixture
			if err := json.Unmarshal(readFile(t, path), &f); err != nil {
				t.Fatal(err)
			}
			if len(f.Answers) != len(c.Steps) || len(f.Steps) != len(c.Steps) {
				t.Errorf("%d answers and %d verdicts for %d steps", len(f.Answers), len(f.Steps), len(c.Steps))
			}
			for _, s := range c.Steps {
				if got, want := judged(t, s, f.Answers[string(s)]), f.Steps[string(s)]; got != want {
					t.Errorf("at %s: got %+v, want %+v", s, got, want)
				}
			}
		})
	}
	files, err := os.ReadDir("testdata/codes")
	if err != nil || len(files) != len(Codes()) {
		t.Errorf("%d fixtures for %d rows, %v", len(files), len(Codes()), err)
	}
}

func writeFixture(t *testing.T, path string, c Code) {
	t.Helper()
	f := fixture{Answers: map[string]answer{}, Steps: map[string]verdict{}}
	if b, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
	}
	f.Steps = map[string]verdict{}
	for _, s := range c.Steps {
		if _, ok := f.Answers[string(s)]; !ok {
			f.Answers[string(s)] = plain(c, s)
		}
		f.Steps[string(s)] = judged(t, s, f.Answers[string(s)])
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(f); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The rules behind the rows, independent of the fixtures.
func TestTheTableKeepsItsRules(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Codes() {
		if seen[c.Code] || c.Meaning == "" || c.MeaningZH == "" || c.Advice == "" || c.Actor == "" || c.Action == "" || len(c.Steps) == 0 {
			t.Errorf("%s is there twice, or not complete: %+v", c.Code, c)
		}
		seen[c.Code] = true
		if c.AssetKept != (c.Effect == fault.EffectNone) {
			t.Errorf("%s: what is refused at the door keeps the asset, and nothing else does", c.Code)
		}
		if c.Effect == fault.EffectNone && c.Kind != fault.CredentialsExpired {
			t.Errorf("%s: only a refused login is proven to have no effect", c.Code)
		}
		if k := c.KindAt(StepCreate); c.Effect == fault.EffectUnknown && k != fault.Unknown && k != fault.CredentialsExpired {
			t.Errorf("%s: %v on create leaves the outcome open", c.Code, k)
		}
	}
}

func TestCreateClaimsNoEffectOnlyWhereItIsProven(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer answer
		kind   fault.Kind
		effect fault.Effect
	}{
		{"denied", answer{403, nil, ""}, fault.CredentialsExpired, fault.EffectNone},
		{"denied, with a JSON body", answer{403, nil, `{"status_code":8}`}, fault.CredentialsExpired, fault.EffectNone},
		{"denied, and a post beside it", answer{403, nil, `{"status_code":0,"item_id":"1"}`}, fault.Unknown, fault.EffectUnknown},
		{"401", answer{401, nil, ""}, fault.CredentialsExpired, fault.EffectUnknown},
		{"human check", answer{200, nil, `{"status_code":110}`}, fault.CredentialsExpired, fault.EffectNone},
		{"human check, and a post beside it", answer{200, nil, `{"status_code":110,"aweme":{"aweme_id":"1"}}`}, fault.Unknown, fault.EffectUnknown},
		{"verification header", answer{200, map[string]string{"X-Tt-Verify-Passport-Decision": "1"}, `{}`}, fault.CredentialsExpired, fault.EffectNone},
		{"verification header, and a post beside it", answer{200, map[string]string{"X-Tt-Verify-Passport-Decision": "1"}, `{"status_code":0,"item_id":"1"}`}, fault.Unknown, fault.EffectUnknown},
		{"verification header inside a 502", answer{502, map[string]string{"X-Tt-Verify-Passport-Decision": "1"}, `{"status_code":110}`}, fault.Unknown, fault.EffectUnknown},
		{"empty", answer{200, nil, ""}, fault.CredentialsExpired, fault.EffectUnknown},
		{"login page", answer{200, nil, "<html>请登录</html>"}, fault.CredentialsExpired, fault.EffectUnknown},
		{"captcha page with 4xx", answer{418, nil, "<html><div id=captcha_container></div></html>"}, fault.CredentialsExpired, fault.EffectUnknown},
		{"redirect to a login", answer{302, map[string]string{"Location": "https://sso.douyin.com/"}, ""}, fault.CredentialsExpired, fault.EffectUnknown},
		{"redirect elsewhere", answer{302, map[string]string{"Location": "https://media.douyin.com/x"}, ""}, fault.Unknown, fault.EffectUnknown},
		{"another code", answer{200, nil, `{"status_code":5,"status_msg":"m"}`}, fault.Unknown, fault.EffectUnknown},
		{"success without an id", answer{200, nil, `{"status_code":0}`}, fault.Unknown, fault.EffectUnknown},
		{"an id that is a number", answer{200, nil, `{"status_code":0,"item_id":7000000000000000001}`}, fault.Unknown, fault.EffectUnknown},
		{"an empty id", answer{200, nil, `{"status_code":0,"item_id":""}`}, fault.Unknown, fault.EffectUnknown},
		{"success with HTTP 400", answer{400, nil, `{"status_code":0,"item_id":"1"}`}, fault.Unknown, fault.EffectUnknown},
		{"a gateway's page", answer{200, nil, "<html>Bad Gateway</html>"}, fault.Unknown, fault.EffectUnknown},
		{"cut JSON", answer{200, nil, `{"status_code":0,"item_id":"1`}, fault.Unknown, fault.EffectUnknown},
		{"too many", answer{429, nil, ""}, fault.Unknown, fault.EffectUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := respond(c.answer.Status, c.answer.Body)
			for k, v := range c.answer.Header {
				r.Header.Set(k, v)
			}
			err := play(t, StepCreate, r)
			if fault.KindOf(err) != c.kind || fault.EffectOf(err) != c.effect || fault.As(err).AssetKept != (c.effect == fault.EffectNone) {
				t.Errorf("%v, effect %v", err, fault.EffectOf(err))
			}
		})
	}
	r := respond(200, `{"status_code":0,"aweme":{"aweme_id":"71"}}`)
	if err := play(t, StepCreate, r); err != nil {
		t.Errorf("the other form of success: %v", err)
	}
}

func TestAnAnswersWordsAreCleaned(t *testing.T) {
	r := respond(200, `{"status_code":9,"status_msg":"bad `+testLogin+` and `+testSign+`\u0007\u202e"}`)
	r.Header.Set("X-Tt-Logid", "L"+testLogin)
	err := play(t, StepCreate, r)
	f := fault.As(err)
	noSecrets(t, "the error", err.Error()+f.LogID)
	if bytes.ContainsAny([]byte(err.Error()), "\a\u202e") || f.Code != "9" {
		t.Errorf("%q, code %q", err, f.Code)
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	for in, want := range map[string]time.Duration{"7": 7 * time.Second, "-1": 0, "x": 0, "999999": 24 * time.Hour, "Fri, 20 Nov 2026 10:00:09 GMT": 9 * time.Second} {
		if got := transport.RetryAfter(http.Header{"Retry-After": {in}}, testNow); got != want {
			t.Errorf("%q: %v", in, got)
		}
	}
}
