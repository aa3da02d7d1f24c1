package fcruntime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/local/fcruntime"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/handler"
)

const (
	forwardKey   = "forward-key-hunter2-hunter2"
	vodSecret    = "Vod-hunter2"
	vodURL       = "https://hooks.example.com/callbacks/vod"
	douyinSecret = "douyin-hunter2"
)

// api is our HTTP API as Function Compute sees it: TLS, the real door for forwarded requests, and a list of what it let in.
type api struct {
	srv   *httptest.Server
	mu    sync.Mutex
	fail  int // so many requests get 503 first
	calls int
	taken []string
	marks map[string]bool
	hold  func() // runs inside the handling of a request
}

func (a *api) Seen(_ context.Context, key string) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.marks[key], nil
}

func (a *api) Once(_ context.Context, key string, _ time.Time) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.marks[key]
	a.marks[key] = true
	return !was, nil
}

func newAPI(t *testing.T) *api {
	a := &api{marks: map[string]bool{}}
	f := handler.Forwards{Keys: func(context.Context) ([]string, error) { return []string{forwardKey}, nil }, Marks: a, Now: time.Now, Log: handler.NewLog(io.Discard, nil)}
	m := handler.Multi{HTTP: map[string]handler.HTTPFunc{}}
	for _, path := range []string{callback.PathObjectCreated, callback.PathVOD, callback.PathDouyin} {
		m.HTTP["POST "+path] = handler.Raw(callback.MaxBody, f.Serve(path, func(_ context.Context, body []byte) error {
			a.mu.Lock()
			a.taken = append(a.taken, path+" "+string(body))
			hold := a.hold
			a.mu.Unlock()
			if hold != nil {
				hold()
			}
			return nil
		}))
	}
	fn := m.Function()
	a.srv = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		a.calls++
		refuse := a.fail > 0
		a.fail--
		a.mu.Unlock()
		if refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		e := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: r.Method + " " + r.URL.Path, Headers: map[string]string{}, Body: string(body)}
		e.RequestContext.HTTP.Method = r.Method
		for k := range r.Header {
			e.Headers[strings.ToLower(k)] = r.Header.Get(k)
		}
		b, _ := json.Marshal(e)
		out, err := fn(r.Context(), b)
		var resp events.APIGatewayV2HTTPResponse
		if err != nil || json.Unmarshal(out, &resp) != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.WriteHeader(resp.StatusCode)
	}))
	t.Cleanup(a.srv.Close)
	return a
}

func (a *api) reset(fail int, hold func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail, a.calls, a.taken, a.hold = fail, 0, nil, hold
}

func (a *api) got() (taken string, calls int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.taken, ";"), a.calls
}

// built holds the binaries, made by one run of the compiler for the whole package: as for Function Compute, but for the
// tag that lets them reach this machine.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

func binary(t *testing.T, name string) string {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("NOT TESTED: Function Compute's binaries are for linux/amd64 and run nowhere else")
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "fcruntime"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-tags", "fc,vodlift_loopback", "-trimpath", "-ldflags", "-s -w", "-o", built.dir+string(filepath.Separator), "./functions/ingest", "./functions/vodcallback")
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, name)
}

// start runs the real binary called name. Its environment is what s.yaml gives it and nothing more: in particular no key
// of AWS.
func start(t *testing.T, name string, a *api, env ...string) *fcruntime.Server {
	t.Helper()
	s, err := fcruntime.Listen(fcruntime.Options{Name: name, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	cert := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t, name))
	cmd.Env = append([]string{s.Env(), "SSL_CERT_FILE=" + cert, "FORWARD_URL=" + a.srv.URL, "FORWARD_KEY=" + forwardKey}, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = s.Close()
		if strings.Contains(out.String(), "hunter2") {
			t.Errorf("a secret stands in the log:\n%s", &out)
		}
		if t.Failed() {
			t.Logf("%s wrote:\n%s", name, &out)
		}
	})
	return s
}

const ossEvent = `{"events":[{"eventName":"ObjectCreated:CompleteMultipartUpload","eventSource":"acs:oss","eventTime":"2026-07-01T00:00:00.000Z","eventVersion":"1.0",
 "oss":{"bucket":{"arn":"acs:oss:cn-shanghai:1000:media-in","name":"media-in","ownerIdentity":"1000","virtualBucket":""},
  "object":{"deltaSize":1048576,"eTag":"0A1B2C-2","key":"in/a.mp4","objectMeta":{"mimeType":"video/mp4"},"size":1048576},
  "ossSchemaVersion":"1.0","ruleId":"rule-1"},
 "region":"cn-shanghai","requestParameters":{"sourceIPAddress":"192.0.2.1"},"responseElements":{"requestId":"R1"},"userIdentity":{"principalId":"1000"}}]}`

func TestIngestForwardsOSSEvents(t *testing.T) {
	a := newAPI(t)
	s := start(t, "ingest", a)
	const want = callback.PathObjectCreated + ` {"v":1,"bucket":"media-in","key":"in/a.mp4","etag":"0A1B2C-2","size":1048576,"time":"2026-07-01T00:00:00.000Z","request":"R1"}`

	a.reset(2, nil)
	out, err := s.Invoke(t.Context(), []byte(ossEvent))
	taken, calls := a.got()
	if err != nil || string(out) != `{"objects":1}` || taken != want || calls != 3 {
		t.Fatalf("got %s, %v; taken %s after %d calls, want %s after 3", out, err, taken, calls, want)
	}

	// The service delivers at least once: the second delivery ends well, and is not handled again.
	if out, err = s.Invoke(t.Context(), []byte(ossEvent)); err != nil || string(out) != `{"objects":1}` {
		t.Errorf("delivered again: got %s, %v", out, err)
	}
	if taken, _ := a.got(); taken != want {
		t.Errorf("delivered again: taken %s", taken)
	}

	var fe *fcruntime.FunctionError
	if _, err := s.Invoke(t.Context(), []byte(`{"detail-type":"x"}`)); !errors.As(err, &fe) || fe.Type != "Invalid" {
		t.Errorf("another event: got %v", err)
	}
}

// request is what an HTTP trigger makes of a platform's callback.
func request(t *testing.T, path string, header map[string]string, body string) []byte {
	t.Helper()
	r := handler.FCHTTPRequest{Version: "v1", RawPath: path, Headers: header, Body: body}
	r.RequestContext.HTTP.Method = "POST"
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func vodHeaders(secret string, at time.Time) map[string]string {
	ts := strconv.FormatInt(at.Unix(), 10)
	return map[string]string{"X-Vod-Timestamp": ts, "X-Vod-Signature": callback.SignVOD(callback.VODKey{URL: vodURL, Secret: secret}, ts)}
}

func statusOf(t *testing.T, out []byte, err error) int {
	t.Helper()
	var resp handler.FCHTTPResponse
	if err != nil || json.Unmarshal(out, &resp) != nil {
		t.Fatalf("got %s, %v", out, err)
	}
	return resp.StatusCode
}

func TestVODCallbackVerifiesAndForwards(t *testing.T) {
	a := newAPI(t)
	s := start(t, "vodcallback", a, "VOD_CALLBACK_URL="+vodURL, "VOD_CALLBACK_KEY="+vodSecret, "DOUYIN_CLIENT_SECRET="+douyinSecret)
	body := func(id string) string { return `{"EventType":"FileUploadComplete","VideoId":"` + id + `"}` }
	douyin := `{"event":"create_video","content":{"item_id":"i"}}`
	for _, c := range []struct {
		name, path string
		header     map[string]string
		body       string
		fail       int
		status     int
		taken      string
	}{
		{"good, after a 503 of the API", "/callbacks/vod", vodHeaders(vodSecret, time.Now()), body("v1"), 1, 200, callback.PathVOD + " " + body("v1")},
		{"a repeat of the platform", "/callbacks/vod", vodHeaders(vodSecret, time.Now()), body("v1"), 0, 200, ""},
		{"forged", "/callbacks/vod", vodHeaders("guess", time.Now()), body("v2"), 0, 403, ""},
		{"stale", "/callbacks/vod", vodHeaders(vodSecret, time.Now().Add(-10*time.Minute)), body("v2"), 0, 403, ""},
		{"too large", "/callbacks/vod", vodHeaders(vodSecret, time.Now()), strings.Repeat("x", callback.MaxBody+1), 0, 413, ""},
		{"the API is away: the platform shall come again", "/callbacks/vod", vodHeaders(vodSecret, time.Now()), body("v3"), 100, 503, ""},
		{"it comes again", "/callbacks/vod", vodHeaders(vodSecret, time.Now()), body("v3"), 0, 200, callback.PathVOD + " " + body("v3")},
		{"Douyin", "/callbacks/douyin", map[string]string{"X-Douyin-Signature": callback.SignDouyin(douyinSecret, []byte(douyin))}, douyin, 0, 200, callback.PathDouyin + " " + douyin},
		{"Douyin's check is answered here", "/callbacks/douyin", nil, `{"event":"verify_webhook","content":{"challenge":7}}`, 0, 200, ""},
		{"no forwarded request is taken here", callback.PathVOD, callback.ForwardHeaders(forwardKey, callback.PathVOD, []byte("{}"), time.Now()), "{}", 0, 404, ""},
	} {
		a.reset(c.fail, nil)
		out, err := s.Invoke(t.Context(), request(t, c.path, c.header, c.body))
		if got := statusOf(t, out, err); got != c.status {
			t.Errorf("%s: got %d, want %d", c.name, got, c.status)
		}
		taken, calls := a.got()
		if taken != c.taken {
			t.Errorf("%s: taken %q, want %q", c.name, taken, c.taken)
		}
		if (c.status == 403 || c.status == 413) && calls != 0 {
			t.Errorf("%s: it reached the API", c.name)
		}
	}
}

// TestInvocationsRunAtOnceInOneProcess: the API answers none of them before all of them are there.
func TestInvocationsRunAtOnceInOneProcess(t *testing.T) {
	const n = 8
	a := newAPI(t)
	s := start(t, "vodcallback", a, "VOD_CALLBACK_URL="+vodURL, "VOD_CALLBACK_KEY="+vodSecret)
	var here sync.WaitGroup
	here.Add(n)
	a.reset(0, func() { here.Done(); here.Wait() })
	status := make(chan int, n)
	for i := range n {
		go func() {
			out, err := s.Invoke(t.Context(), request(t, "/callbacks/vod", vodHeaders(vodSecret, time.Now()), `{"EventType":"X","VideoId":"v`+strconv.Itoa(i)+`"}`))
			var resp handler.FCHTTPResponse
			if err == nil {
				_ = json.Unmarshal(out, &resp)
			}
			status <- resp.StatusCode
		}()
	}
	for range n {
		if got := <-status; got != 200 {
			t.Errorf("got %d", got)
		}
	}
}

func TestAPlatformWithoutAKeyGets503(t *testing.T) {
	a := newAPI(t)
	s := start(t, "vodcallback", a)
	out, err := s.Invoke(t.Context(), request(t, "/callbacks/vod", vodHeaders("", time.Now()), "{}"))
	if got := statusOf(t, out, err); got != 503 {
		t.Errorf("got %d", got)
	}
	if _, calls := a.got(); calls != 0 {
		t.Error("it reached the API")
	}
}

func TestABinaryWithoutItsSettingsSaysWhichAndEnds(t *testing.T) {
	cmd := exec.Command(binary(t, "vodcallback"))
	cmd.Env = []string{"FC_RUNTIME_API=127.0.0.1:1", "VOD_CALLBACK_KEY=hunter2"}
	out, _ := cmd.CombinedOutput()
	for _, want := range []string{"missing: FORWARD_URL", "missing: FORWARD_KEY", "VOD_CALLBACK_KEY needs VOD_CALLBACK_URL"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in %s", want, out)
		}
	}
	if cmd.ProcessState.ExitCode() != 1 || strings.Contains(string(out), "hunter2") {
		t.Errorf("status %d, output %s", cmd.ProcessState.ExitCode(), out)
	}
}

func TestAnInvocationThatNobodyAnswersTimesOut(t *testing.T) {
	s, err := fcruntime.Listen(fcruntime.Options{Timeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Invoke(t.Context(), nil); !errors.Is(err, fcruntime.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

// TestTheSDKIsTheOneThatWasLookedAt: the public checksum database does not hold it, so go.sum is all that pins it. The
// hash was compared with the tagged source tree.
func TestTheSDKIsTheOneThatWasLookedAt(t *testing.T) {
	sums, err := os.ReadFile(filepath.Join("..", "..", "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "github.com/aliyun/fc-runtime-go-sdk v0.2.11 h1:KWze8boUlChx4Smmz/NUiQDa9Zplg0Z+uKiu7m6NhMs=\n"
	if !bytes.Contains(sums, []byte(want)) {
		t.Errorf("go.sum lacks %s", want)
	}
}
