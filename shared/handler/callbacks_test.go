package handler_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/handler"
)

var (
	callbackNow = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	vodKey      = callback.VODKey{URL: "https://hooks.example.com/callbacks/vod?a=1", Secret: "Test12345"}
	vodNext     = callback.VODKey{URL: "https://hooks.example.com/vodcallback/callback", Secret: "Next12345"}
)

const (
	douyinSecret = "douyin client secret"
	forwardKey   = "a forward key of 32 characters.."
)

// someKeys are fixed keys; fail makes them unreadable.
type someKeys struct {
	vod    []callback.VODKey
	douyin []string
	fail   error
}

func (k someKeys) VOD(context.Context) ([]callback.VODKey, error) { return k.vod, k.fail }
func (k someKeys) Douyin(context.Context) ([]string, error)       { return k.douyin, k.fail }

// memMarks are Marks in memory.
type memMarks struct {
	mu   sync.Mutex
	keys map[string]time.Time
	fail error
}

func (m *memMarks) Seen(_ context.Context, key string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.keys[key]
	return ok, m.fail
}

func (m *memMarks) Once(_ context.Context, key string, until time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.keys[key]
	if m.fail == nil {
		m.keys[key] = until
	}
	return !ok, m.fail
}

// door is the callback edge as API Gateway's and as Function Compute's, over one list of what it let in.
type door struct {
	keys  someKeys
	marks *memMarks
	now   time.Time
	fail  error // of take
	taken []string
	log   bytes.Buffer
	aws   handler.Function
	fc    handler.Function
}

func newDoor() *door {
	d := &door{}
	d.open(handler.NewLog(&d.log, nil))
	return d
}

// open builds the door's functions; log is d.log's or one that drops everything.
func (d *door) open(log *slog.Logger) {
	d.keys = someKeys{vod: []callback.VODKey{vodKey, vodNext}, douyin: []string{douyinSecret, "next"}}
	d.marks, d.now = &memMarks{keys: map[string]time.Time{}}, callbackNow
	now := func() time.Time { return d.now }
	take := func(_ context.Context, platform string, body []byte) error {
		if d.fail != nil {
			return d.fail
		}
		d.taken = append(d.taken, platform+" "+string(body))
		return nil
	}
	routes := handler.Callbacks{Keys: keysOf{d}, Take: take, Now: now, Log: log}.Routes()
	f := handler.Forwards{Keys: func(context.Context) ([]string, error) { return []string{forwardKey}, nil }, Marks: d.marks, Now: now, Log: log}
	routes["POST "+callback.PathVOD] = f.Serve(callback.PathVOD, func(ctx context.Context, body []byte) error { return take(ctx, "forwarded", body) })
	m := handler.Multi{HTTP: map[string]handler.HTTPFunc{}}
	for r, fn := range routes {
		m.HTTP[r] = handler.Raw(callback.MaxBody, fn)
	}
	d.aws = handler.Wrap("vodcallback", m.Function(), log, 0)
	d.fc = handler.Wrap("vodcallback", handler.FCHTTP(callback.MaxBody, routes), log, 0)
}

// keysOf reads the door's keys at each request, so that a test can change them.
type keysOf struct{ d *door }

func (k keysOf) VOD(ctx context.Context) ([]callback.VODKey, error) { return k.d.keys.VOD(ctx) }
func (k keysOf) Douyin(ctx context.Context) ([]string, error)       { return k.d.keys.Douyin(ctx) }

// send is one request at either gateway.
func (d *door) send(t *testing.T, fc bool, path string, header map[string]string, body string, encoded bool) (int, string) {
	t.Helper()
	var event any
	fn := d.aws
	if fc {
		r := handler.FCHTTPRequest{Version: "v1", RawPath: path, Headers: header, Body: body, IsBase64Encoded: encoded}
		r.RequestContext.HTTP.Method = "POST"
		event, fn = r, d.fc
	} else {
		lower := map[string]string{}
		for k, v := range header {
			lower[strings.ToLower(k)] = v
		}
		r := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "POST " + path, RawPath: path, Headers: lower, Body: body, IsBase64Encoded: encoded}
		r.RequestContext.HTTP.Method = "POST"
		event = r
	}
	b, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	out, err := fn(t.Context(), b)
	var resp struct {
		StatusCode int               `json:"statusCode"`
		Headers    map[string]string `json:"headers"`
		Body       string            `json:"body"`
	}
	if err != nil || json.Unmarshal(out, &resp) != nil || !json.Valid([]byte(resp.Body)) || resp.Headers["content-type"] != "application/json" {
		t.Fatalf("got %s, %v", out, err)
	}
	return resp.StatusCode, resp.Body
}

func vodHeaders(k callback.VODKey, at time.Time) map[string]string {
	ts := strconv.FormatInt(at.Unix(), 10)
	return map[string]string{"X-VOD-TIMESTAMP": ts, "x-vod-Signature": callback.SignVOD(k, ts)}
}

func douyinHeaders(secret, body string) map[string]string {
	return map[string]string{"x-douyin-signature": callback.SignDouyin(secret, []byte(body))}
}

const (
	vodBody       = `{"EventType":"FileUploadComplete","VideoId":"v1","EventTime":"2026-07-01T12:00:00Z"}`
	challengeBody = `{"event":"verify_webhook","client_key":"","content":{"challenge":12345}}`
)

// bothGateways runs rule for API Gateway and for Function Compute.
func bothGateways(t *testing.T, rule func(t *testing.T, fc bool)) {
	t.Run("API Gateway", func(t *testing.T) { rule(t, false) })
	t.Run("Function Compute", func(t *testing.T) { rule(t, true) })
}

func TestCallbacksGetTheAnswerThatTheyDeserve(t *testing.T) {
	type headers = map[string]string
	tooLong := strings.Repeat(" ", callback.MaxBody+1)
	for _, c := range []struct {
		name, path string
		header     headers
		body       string
		change     func(*door)
		status     int
		taken      string // "" = nothing
		refused    string // the reason that is counted
	}{
		{"VOD", "/callbacks/vod", vodHeaders(vodKey, callbackNow), vodBody, nil, 200, "alivod " + vodBody, ""},
		{"VOD at the demo AppServer's path, by the next key", "/vodcallback/callback", vodHeaders(vodNext, callbackNow), vodBody, nil, 200, "alivod " + vodBody, ""},
		{"an unknown type", "/callbacks/vod", vodHeaders(vodKey, callbackNow), `{"EventType":"X"}`, nil, 200, `alivod {"EventType":"X"}`, ""},
		{"signed, no JSON: recorded, since a repeat would be no better", "/callbacks/vod", vodHeaders(vodKey, callbackNow), "hello", nil, 200, "alivod hello", ""},
		{"the longest body", "/callbacks/vod", vodHeaders(vodKey, callbackNow), tooLong[1:], nil, 200, "alivod " + tooLong[1:], ""},
		{"one byte more", "/callbacks/vod", vodHeaders(vodKey, callbackNow), tooLong, nil, 413, "", ""},
		{"no signature", "/callbacks/vod", nil, vodBody, nil, 403, "", "signature"},
		{"another key's", "/callbacks/vod", vodHeaders(callback.VODKey{URL: vodKey.URL, Secret: "x"}, callbackNow), vodBody, nil, 403, "", "signature"},
		{"stale", "/callbacks/vod", vodHeaders(vodKey, callbackNow.Add(-callback.Window-time.Second)), vodBody, nil, 403, "", "stale"},
		{"from the future", "/callbacks/vod", vodHeaders(vodKey, callbackNow.Add(callback.Window+time.Second)), vodBody, nil, 403, "", "stale"},
		{"two signatures", "/callbacks/vod", headers{"X-VOD-TIMESTAMP": "1782907200", "x-vod-signature": "a,b"}, vodBody, nil, 403, "", "signature"},
		{"no key configured", "/callbacks/vod", vodHeaders(vodKey, callbackNow), vodBody, func(d *door) { d.keys.vod = nil }, 503, "", ""},
		{"keys cannot be read", "/callbacks/vod", vodHeaders(vodKey, callbackNow), vodBody, func(d *door) { d.keys.fail = errors.New("hunter2") }, 503, "", ""},
		{"the write failed", "/callbacks/vod", vodHeaders(vodKey, callbackNow), vodBody, func(d *door) { d.fail = errors.New("hunter2") }, 503, "", ""},
		{"no such path", "/callbacks/vod/", vodHeaders(vodKey, callbackNow), vodBody, nil, 404, "", ""},
		{"an escaped path", "/callbacks%2Fvod", vodHeaders(vodKey, callbackNow), vodBody, nil, 404, "", ""},
		{"Douyin", "/callbacks/douyin", douyinHeaders(douyinSecret, `{"event":"x"}`), `{"event":"x"}`, nil, 200, `douyin {"event":"x"}`, ""},
		{"Douyin by the next secret", "/callbacks/douyin", douyinHeaders("next", `{"event":"x"}`), `{"event":"x"}`, nil, 200, `douyin {"event":"x"}`, ""},
		{"Douyin, its body changed", "/callbacks/douyin", douyinHeaders(douyinSecret, `{"event":"x"}`), `{"event":"y"}`, nil, 403, "", "signature"},
		{"Douyin without a secret", "/callbacks/douyin", douyinHeaders(douyinSecret, `{"event":"x"}`), `{"event":"x"}`, func(d *door) { d.keys.douyin = nil }, 503, "", ""},
		{"Douyin unsigned", "/callbacks/douyin", nil, `{"event":"x"}`, nil, 403, "", "signature"},
		{"a check, signed", "/callbacks/douyin", douyinHeaders(douyinSecret, challengeBody), challengeBody, nil, 200, "", ""},
		{"a check, before the secret is known", "/callbacks/douyin", nil, challengeBody, func(d *door) { d.keys.douyin = nil }, 200, "", ""},
		{"a check with a wrong signature", "/callbacks/douyin", douyinHeaders("x", challengeBody), challengeBody, nil, 403, "", "signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bothGateways(t, func(t *testing.T, fc bool) {
				d := newDoor()
				if c.change != nil {
					c.change(d)
				}
				status, answer := d.send(t, fc, c.path, c.header, c.body, false)
				if status != c.status {
					t.Errorf("got %d %s, want %d", status, answer, c.status)
				}
				if got := strings.Join(d.taken, ";"); got != c.taken {
					t.Errorf("taken %.100q, want %.100q", got, c.taken)
				}
				if strings.HasPrefix(c.name, "a check") && status == 200 && answer != `{"challenge":12345}` {
					t.Errorf("answer %s", answer)
				}
				wantCount := fmt.Sprintf(`"reason":"%s"`, c.refused)
				if counted := strings.Contains(d.log.String(), `"callbacks_refused":1`); counted != (c.refused != "") || (counted && !strings.Contains(d.log.String(), wantCount)) {
					t.Errorf("counted %v, want %q: %s", counted, c.refused, d.log.String())
				}
				if strings.Contains(answer, "hunter2") {
					t.Errorf("the sender learns %s", answer)
				}
				if c.status == 503 && !strings.Contains(d.log.String(), `"faults":1`) {
					t.Errorf("a failure of ours is not counted: %s", d.log.String())
				}
			})
		})
	}
}

func TestBodiesInBase64(t *testing.T) {
	bothGateways(t, func(t *testing.T, fc bool) {
		for _, c := range []struct {
			name, body string
			status     int
		}{
			{"good", base64.StdEncoding.EncodeToString([]byte(vodBody)), 200},
			{"broken", "*", 400},
			{"too long, not even decoded", strings.Repeat("*", callback.MaxBody*4/3+8), 413},
			{"one byte too long", base64.StdEncoding.EncodeToString(make([]byte, callback.MaxBody+1)), 413},
			{"the longest", base64.StdEncoding.EncodeToString(make([]byte, callback.MaxBody)), 200},
		} {
			d := newDoor()
			if status, _ := d.send(t, fc, "/callbacks/vod", vodHeaders(vodKey, callbackNow), c.body, true); status != c.status {
				t.Errorf("%s: got %d, want %d", c.name, status, c.status)
			}
		}
	})
}

// TestTenThousandForgedCallbacksChangeNothing: what is signed is sent with random changes, by somebody who knows all but
// the keys. A fixed seed, so that a failure comes again.
func TestTenThousandForgedCallbacksChangeNothing(t *testing.T) {
	d := &door{}
	d.open(slog.New(slog.DiscardHandler))
	r := rand.New(rand.NewPCG(5, 10000))
	text := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(' ' + r.IntN(95))
		}
		return string(b)
	}
	hex := func(n int) string { return fmt.Sprintf("%0*x", n, r.Uint64())[:n] }
	for i := range 10_000 {
		ts := strconv.FormatInt(callbackNow.Unix()+r.Int64N(700)-350, 10)
		body := vodBody + strings.Repeat(" ", r.IntN(3))
		header := map[string]string{}
		path := []string{"/callbacks/vod", "/vodcallback/callback", "/callbacks/douyin", callback.PathVOD}[r.IntN(4)]
		switch r.IntN(6) {
		case 0: // nothing at all
		case 1: // the right form, random digits
			header["x-vod-timestamp"], header["x-vod-signature"], header["x-douyin-signature"] = ts, hex(16)+hex(16), hex(16)+hex(16)+hex(8)
			header["x-vodlift-timestamp"], header["x-vodlift-signature"], header["x-vodlift-id"] = ts, strings.Repeat(hex(16), 4), callback.ForwardID(path, []byte(body))
		case 2: // anything
			header["x-vod-timestamp"], header["x-vod-signature"], header["x-douyin-signature"] = text(r.IntN(12)), text(r.IntN(40)), text(r.IntN(50))
		case 3: // the right URL, a guessed key
			header = vodHeaders(callback.VODKey{URL: vodKey.URL, Secret: text(r.IntN(32))}, callbackNow)
			header["x-douyin-signature"] = callback.SignDouyin(text(r.IntN(32)), []byte(body))
			for k, v := range callback.ForwardHeaders(text(32), path, []byte(body), callbackNow) {
				header[k] = v
			}
		case 4: // a good signature, its time moved
			header = vodHeaders(vodKey, callbackNow)
			header["X-VOD-TIMESTAMP"] = strconv.FormatInt(callbackNow.Unix()+1+r.Int64N(300), 10)
			header["x-douyin-signature"] = callback.SignDouyin(douyinSecret, []byte(vodBody+"{}"))
			for k, v := range callback.ForwardHeaders(forwardKey, callback.PathDouyin, []byte(body), callbackNow) {
				header[k] = v
			}
		case 5: // an empty key, a good one without its URL
			header = vodHeaders([]callback.VODKey{{URL: vodKey.URL}, {Secret: vodKey.Secret}}[r.IntN(2)], callbackNow)
			header["x-douyin-signature"] = callback.SignDouyin("", []byte(body))
		}
		if status, _ := d.send(t, i%2 == 0, path, header, body, false); status != http.StatusForbidden {
			t.Fatalf("number %d at %s with %v: got %d", i, path, header, status)
		}
	}
	if len(d.taken) != 0 || len(d.marks.keys) != 0 {
		t.Errorf("%d were let in, %d marked", len(d.taken), len(d.marks.keys))
	}
}

func TestAForwardedRequestIsHandledOnceAndAFailedOneMayComeAgain(t *testing.T) {
	d := newDoor()
	send := func(at time.Time) int {
		status, _ := d.send(t, false, callback.PathVOD, callback.ForwardHeaders(forwardKey, callback.PathVOD, []byte(vodBody), at), vodBody, false)
		return status
	}
	d.fail = errors.New("the table is away")
	if got := send(callbackNow); got != 503 || len(d.marks.keys) != 0 {
		t.Fatalf("a failed one: got %d, %d marks", got, len(d.marks.keys))
	}
	d.fail = nil
	d.marks.fail = errors.New("the table is away")
	if got := send(callbackNow); got != 503 || len(d.taken) != 0 {
		t.Fatalf("marks unreadable: got %d", got)
	}
	d.marks.fail = nil
	if got := send(callbackNow); got != 200 {
		t.Fatalf("again: got %d", got)
	}
	for _, at := range []time.Time{callbackNow, callbackNow.Add(time.Second)} { // the very request, and a new attempt of the same sender
		if got := send(at); got != 409 {
			t.Errorf("a replay: got %d", got)
		}
	}
	d.now = callbackNow.Add(6 * time.Minute)
	if got := send(callbackNow); got != 403 {
		t.Errorf("an old one: got %d", got)
	}
	if len(d.taken) != 1 {
		t.Errorf("handled %d times", len(d.taken))
	}
	for _, until := range d.marks.keys {
		if until.Sub(callbackNow) < 2*callback.Window {
			t.Errorf("a mark ends at %s, while its signature is good", until)
		}
	}
}

func TestAnEventThatIsNoHTTPRequestIsInvalidOnFunctionCompute(t *testing.T) {
	d := newDoor()
	for _, e := range []string{``, `[]`, `{}`, `{"version":"2.0","requestContext":{"http":{"method":"POST"}}}`, `{"version":"v1"}`} {
		if _, err := d.fc(t.Context(), json.RawMessage(e)); err == nil || handler.Named(err).Type != "Invalid" {
			t.Errorf("%s: got %v", e, err)
		}
	}
}

// TestTheEventFilesAreSignedAsTheirSendersSign: with the keys that the reference prints, or says to be examples.
func TestTheEventFilesAreSignedAsTheirSendersSign(t *testing.T) {
	d := newDoor()
	d.keys = someKeys{vod: []callback.VODKey{{URL: "https://www.example.com/your/callback", Secret: "test123"}}, douyin: []string{"douyin-secret"}}
	for _, c := range []struct {
		file string
		fn   handler.Function
		want int
	}{
		{"file-upload-complete.json", d.aws, 200}, {"fc-file-upload-complete.json", d.fc, 200}, {"douyin-verify.json", d.aws, 200},
		{"transcode-complete-forwarded.json", d.aws, 403}, // by another forward key than the door's
	} {
		b, err := os.ReadFile(filepath.Join(eventsDir, "vodcallback", c.file))
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.fn(t.Context(), b)
		if err != nil || !strings.Contains(string(out), fmt.Sprintf(`"statusCode":%d`, c.want)) {
			t.Errorf("%s: got %s, %v", c.file, out, err)
		}
	}
	if len(d.taken) != 2 {
		t.Errorf("%d were let in", len(d.taken))
	}
}
