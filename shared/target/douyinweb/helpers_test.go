package douyinweb

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata")

var testNow = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func clock() time.Time { return testNow }

// Secrets of these tests.
const (
	testLogin  = "SECRET-SESSIONID"
	testCSRF   = "SECRET-CSRF-TOKEN"
	testAK     = "SECRETAK"
	testAuth   = "HMAC-SHA1:1.0:1795172400:SECRETAK:U0VDUkVU" // ends 2026-11-20T11:00Z
	testSign   = "key:SECRETSIG:ZGVhZGxpbmU6IDE3OTUyNTUyMDA=:b2JqZWN0"
	testTok    = "SECRETTOKEN:abc"
	testExtra  = "vidc=lf&host=tos-lf-x.snssdk.com&user_ip=SECRETIP"
	testUpload = "SECRET-uploadid+/="
	testVID    = "v02004e20000"
	testOID    = "tos-cn-v-0000/0123456789abcdef"
)

func testSecrets() []string {
	return []string{testLogin, testCSRF, testAK, testAuth, testSign, "SECRETSIG", "SECRETTOKEN", "SECRETIP", testUpload, url.QueryEscape(testUpload)}
}

// testCookies is an export of a browser extension.
const testCookies = `[
 {"domain":".douyin.com","expirationDate":1797000000.5,"hostOnly":false,"httpOnly":true,"name":"sessionid","path":"/","secure":true,"session":false,"value":"` + testLogin + `"},
 {"domain":"media.douyin.com","expirationDate":1799000000,"hostOnly":true,"name":"csrf_token","path":"/","session":false,"value":"` + testCSRF + `"},
 {"domain":".douyin.com","hostOnly":false,"name":"passport_auth","path":"/passport","session":true,"value":"elsewhere"},
 {"domain":".example.com","hostOnly":false,"name":"sid","path":"/","session":true,"value":"foreign"}]`

func testToken(t testing.TB) token.Token {
	t.Helper()
	tok, err := ParseCookies([]byte(testCookies), testNow)
	if err != nil {
		t.Fatal(err)
	}
	tok.Grant = "g"
	return tok
}

// sent is a request as it left.
type sent struct {
	*http.Request
	body string
}

// wire answers every request with a function and keeps what was sent. It fails the test when a request breaks the rules
// about cookies.
type wire struct {
	t      testing.TB
	answer func(sent) (*http.Response, error)
	mu     sync.Mutex
	sent   []sent
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	checkCookies(w.t, r, CookieHosts())
	var b []byte
	if r.Body != nil {
		var err error
		b, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	s := sent{r, string(b)}
	w.mu.Lock()
	w.sent = append(w.sent, s)
	w.mu.Unlock()
	return w.answer(s)
}

// checkCookies fails the test when a request has cookies, or an account's secret anywhere, for a host that may not
// see them; when it could be replayed; and when it leaves https.
func checkCookies(t testing.TB, r *http.Request, hosts []string) {
	t.Helper()
	own := slices.Contains(hosts, r.URL.Host)
	if !own && r.Header.Get("Cookie") != "" {
		t.Errorf("cookies go to %s", r.URL.Host)
	}
	if own && r.Header.Get("Cookie") == "" {
		t.Errorf("a request to %s without cookies", r.URL.Host)
	}
	if len(r.Header.Values("Cookie")) > 1 {
		t.Error("two Cookie headers")
	}
	all := r.URL.String()
	for name, vs := range r.Header {
		if name != "Cookie" && !(own && name == "csrf_token") {
			all += strings.Join(vs, " ")
		}
	}
	for _, x := range []string{testLogin, testCSRF, "elsewhere", "foreign"} {
		if strings.Contains(all, x) {
			t.Errorf("a cookie's value stands in the URL or a header for %s", r.URL.Host)
		}
	}
	if c := r.Header.Get("Cookie"); strings.Contains(c, "elsewhere") || strings.Contains(c, "foreign") {
		t.Errorf("a cookie of another path or site is sent: %s", r.URL.Path)
	}
	if r.GetBody != nil {
		t.Errorf("%s %s could be replayed", r.Method, r.URL.Path)
	}
}

func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// stepOf tells which call a request is.
func stepOf(r *http.Request) Step {
	q := r.URL.Query()
	switch {
	case r.URL.Path == pathAuth:
		return StepAuth
	case r.URL.Path == pathCreate:
		return StepCreate
	case r.URL.Path == pathUser:
		return StepUser
	case r.URL.Path == pathCSRF:
		return StepCSRF
	case q.Get("action") == "GetVideoUploadParams":
		return StepSlot
	case q.Get("action") == "UpdateVideoUploadInfos":
		return StepConfirm
	case q.Has("uploads"):
		return StepOpen
	case q.Has("partNumber"):
		return StepPart
	case q.Has("uploadID"):
		return StepClose
	}
	return StepUpload
}

const testSet = `"vid":"` + testVID + `","oid":"` + testOID + `","tos_host":"tos-lf-x.snssdk.com","tos_sign":"` + testSign + `","token":"` + testTok + `","extra_param":"` + testExtra + `"`

// good are the answers of reference B.1.
func good() map[Step]string {
	return map[Step]string{
		StepAuth:    `{"status_code":0,"ak":"` + testAK + `","auth":"` + testAuth + `"}`,
		StepSlot:    `{"code":2000,"message":"ok","data":{"vid":"other","oid":"tos-cn-v-0000/other","tos_host":"tos-hl-x.snssdk.com","tos_up_hosts":[],"tos_sign":"o","token":"o","extra_param":"o=1","edge_nodes":[{` + testSet + `}],"upload_mode":"serial"}}`,
		StepOpen:    `{"success":0,"payload":{"uploadID":"` + testUpload + `"}}`,
		StepUpload:  `{"Version":1,"success":0,"payload":{"hash":"x","key":"k"}}`,
		StepPart:    `{"success":0}`,
		StepClose:   `{"success":0,"payload":{"hash":"x","key":"k"}}`,
		StepConfirm: `{"code":2000,"message":"ok","data":{"video":{"oid":"` + testOID + `","width":720,"height":1280},"poster":{"oid":"tos-cn-p-0000/poster"}}}`,
		StepCreate:  `{"status_code":0,"item_id":"7000000000000000001"}`,
		StepUser:    `{"status_code":0,"user":{"uid":"4100000000001"}}`,
		StepCSRF:    "",
	}
}

// says answers each step with the good answer, unless others has another.
func says(t testing.TB, others map[Step]*http.Response) *wire {
	answers := good()
	return &wire{t: t, answer: func(s sent) (*http.Response, error) {
		step := stepOf(s.Request)
		if r, ok := others[step]; ok {
			return r, nil
		}
		r := respond(200, answers[step])
		if step == StepCSRF {
			r.Header.Set("X-Ware-Csrf-Token", "0,SECRET-WARE,86370000,success,sess")
		}
		return r, nil
	}}
}

func testTarget(t testing.TB, c Config, w http.RoundTripper) *Target {
	tok := testToken(t)
	return New(c, &http.Client{Transport: w}, func(context.Context) (token.Token, error) { return tok, nil }, &Options{Now: clock})
}

func testVideo() upload.Video {
	return upload.Video{Upload: "u1", Account: "douyinweb/main", Size: 30, ContentType: "video/mp4", Title: "#音乐 遇见 & <more>", Description: "with @甲{42}", Tags: []string{"go", "#视频"},
		Fields: json.RawMessage(`{"challenges":{"音乐":"1550712576368642"},"mix_id":"77","mix_order":2,"download":true,"visibility":"friends","poster_delay":1.5}`)}
}

func testPlan(size int64, parts int) upload.Plan {
	return upload.Plan{Size: size, Parts: parts, PartSize: (size + int64(parts) - 1) / int64(parts), Ranges: 1, PartsPerRange: parts, InFlight: 1}
}

func testSession(t testing.TB, parts int, size int64) upload.Session {
	t.Helper()
	p := session{Parts: parts, Size: size, Slot: slot{VID: testVID, OID: testOID, Host: "tos-lf-x.snssdk.com", Sign: testSign, Token: testTok, Extra: testExtra},
		Cred: credential{AK: testAK, Auth: testAuth, Issued: testNow, Expires: testNow.Add(time.Hour)}}
	if parts > 1 {
		p.UploadID = testUpload
	}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return upload.Session{ID: testUpload, Opened: testNow, Private: b}
}

func testAsset() upload.Asset {
	return upload.Asset{ID: testVID, Private: json.RawMessage(`{"poster":"tos-cn-p-0000/poster"}`)}
}

func testPart(plan upload.Plan, n int, content string) target.Part {
	return target.Part{Part: plan.Part(n), Parts: plan.Parts, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func smallConfig() Config { return Config{OneRequest: 10, MinPart: 1, WantPart: 10} }

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// noSecrets checks a text.
func noSecrets(t testing.TB, where, text string) {
	t.Helper()
	for _, x := range testSecrets() {
		if strings.Contains(text, x) {
			t.Errorf("a secret shows in %s: %s", where, text)
		}
	}
}

// receipts are those of a whole plan.
func receipts(plan upload.Plan, crc string) []upload.Receipt {
	var rs []upload.Receipt
	for n := 1; n <= plan.Parts; n++ {
		rs = append(rs, upload.Receipt{Part: n, Size: plan.Part(n).Size, ETag: crc})
	}
	return rs
}
