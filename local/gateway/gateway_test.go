package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/local/gateway"
	"github.com/vodlift/vodlift/local/template"
)

const key = "0123456789abcdef0123456789abcdef"

// recorder answers with out or err and remembers what it was asked.
type recorder struct {
	mu       sync.Mutex
	function string
	event    events.APIGatewayV2HTTPRequest
	out      string
	err      error
}

func (r *recorder) Invoke(_ context.Context, function string, payload []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.function, r.event = function, events.APIGatewayV2HTTPRequest{}
	if err := json.Unmarshal(payload, &r.event); err != nil {
		return nil, err
	}
	return []byte(r.out), r.err
}

func serve(t *testing.T, o gateway.Options) string {
	t.Helper()
	o.Key, o.Now = key, func() time.Time { return time.Unix(1794441600, 0) }
	g, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := gateway.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- gateway.Serve(ctx, l, g) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func post(t *testing.T, url, body string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(gateway.KeyHeader, key)
	if change != nil {
		change(r)
	}
	return do(t, r)
}

func do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestARequestBecomesAnEventOfPayload2(t *testing.T) {
	tpl, err := template.Load("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{out: `{"statusCode":202,"headers":{"content-type":"application/json","x-a":"b"},"multiValueHeaders":null,"cookies":["c=1"],"body":"{\"id\":\"p1\"}"}`}
	addr := serve(t, gateway.Options{Routes: tpl.Routes, Invoker: rec})
	resp, body := post(t, "http://"+addr+"/publications?a=1&a=2", `{"key":"k"}`, func(r *http.Request) {
		r.Header.Add("Cookie", "x=1; y=2")
		r.Header.Add("X-Many", "1")
		r.Header.Add("X-Many", "2")
	})
	if resp.StatusCode != 202 || body != `{"id":"p1"}` || resp.Header.Get("X-A") != "b" || resp.Header.Get("Set-Cookie") != "c=1" {
		t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
	}
	ev := rec.event
	if rec.function != "ingest" || ev.Version != "2.0" || ev.RouteKey != "POST /publications" || ev.RawPath != "/publications" || ev.RawQueryString != "a=1&a=2" ||
		ev.QueryStringParameters["a"] != "1,2" || ev.Headers["x-many"] != "1,2" || ev.Headers["content-type"] != "application/json" || ev.Body != `{"key":"k"}` || ev.IsBase64Encoded ||
		len(ev.Cookies) != 2 || ev.RequestContext.HTTP.Method != "POST" || ev.RequestContext.HTTP.SourceIP != "127.0.0.1" || ev.RequestContext.Time != "12/Nov/2026:00:00:00 +0000" ||
		ev.RequestContext.Authorizer.IAM.UserARN == "" {
		t.Errorf("got %s %+v", rec.function, ev)
	}
	for name := range ev.Headers {
		if strings.EqualFold(name, gateway.KeyHeader) {
			t.Error("the key of the data folder reached the function")
		}
	}
}

func TestABodyThatIsNotTextTravelsInBase64(t *testing.T) {
	rec := &recorder{out: `{"statusCode":200,"body":"/w==","isBase64Encoded":true}`}
	addr := serve(t, gateway.Options{Routes: []template.Route{{Function: "f", Method: "POST", Path: "/x"}}, Invoker: rec})
	_, body := post(t, "http://"+addr+"/x", "\xff\xfe", nil)
	if !rec.event.IsBase64Encoded || rec.event.Body != "//4=" || body != "\xff" {
		t.Errorf("got %+v, %q", rec.event, body)
	}
}

func TestWritesWithoutKeyJSONHostOrOriginAreRefusedAndInvokeNothing(t *testing.T) {
	rec := &recorder{out: `{}`}
	addr := serve(t, gateway.Options{Routes: []template.Route{{Function: "f", Method: "POST", Path: "/x"}}, Invoker: rec})
	_, port, _ := net.SplitHostPort(addr)
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"no key", func(r *http.Request) { r.Header.Del(gateway.KeyHeader) }, 403},
		{"another key", func(r *http.Request) { r.Header.Set(gateway.KeyHeader, key+"0") }, 403},
		{"a form", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415},
		{"text", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415},
		{"no type", func(r *http.Request) { r.Header.Del("Content-Type") }, 415},
		{"another host", func(r *http.Request) { r.Host = "evil.example:" + port }, 421},
		{"another port", func(r *http.Request) { r.Host = "127.0.0.1:1" }, 421},
		{"no port", func(r *http.Request) { r.Host = "localhost" }, 421},
		{"a foreign origin", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		{"an origin of another port", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }, 403},
		{"the null origin", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"a cross-site fetch", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"a large body", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(make([]byte, gateway.MaxBody+1))), gateway.MaxBody+1
		}, 413},
		{"a large body of unknown length", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(make([]byte, gateway.MaxBody+1))), -1
		}, 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			if resp, body := post(t, "http://"+addr+"/x", `{}`, c.change); resp.StatusCode != c.status || !strings.Contains(body, "message") {
				t.Errorf("got %d %s, want %d", resp.StatusCode, body, c.status)
			}
		})
	}
	if rec.function != "" {
		t.Error("a refused request invoked a function")
	}
	for _, change := range []func(*http.Request){
		nil,
		func(r *http.Request) { r.Host = "localhost:" + port },
		func(r *http.Request) { r.Header.Set("Origin", "http://"+addr) },
		func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") },
	} {
		if resp, body := post(t, "http://"+addr+"/x", `{}`, change); resp.StatusCode != 200 {
			t.Errorf("a good request got %d %s", resp.StatusCode, body)
		}
	}
}

func TestMountedHandlersAreGuardedLikeTheRoutes(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "mounted") })
	addr := serve(t, gateway.Options{Invoker: &recorder{}, Extra: map[string]http.Handler{"/api/": h}, Bare: map[string]http.Handler{"/fake/": h}})
	noKey := func(r *http.Request) { r.Header.Del(gateway.KeyHeader) }
	if resp, _ := post(t, "http://"+addr+"/api/x", `{}`, noKey); resp.StatusCode != 403 {
		t.Errorf("a write without a key got %d", resp.StatusCode)
	}
	if _, body := post(t, "http://"+addr+"/api/x", `{}`, nil); body != "mounted" {
		t.Errorf("got %q", body)
	}
	if _, body := post(t, "http://"+addr+"/fake/x", "a=1", noKey); body != "mounted" {
		t.Errorf("got %q", body)
	}
	if resp, _ := post(t, "http://"+addr+"/fake/x", "a=1", func(r *http.Request) { r.Host = "evil.example" }); resp.StatusCode != 421 {
		t.Errorf("a bare handler under a foreign host got %d", resp.StatusCode)
	}
	get, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/api/x", nil)
	if _, body := do(t, get); body != "mounted" {
		t.Errorf("a read needs no key: got %q", body)
	}
}

func TestRoutesMatchAsAPIGatewayMatches(t *testing.T) {
	rec := &recorder{out: `{"plain":true}`}
	addr := serve(t, gateway.Options{Invoker: rec, Routes: []template.Route{
		{Function: "greedy", Method: "ANY", Path: "/v/{rest+}"},
		{Function: "one", Method: "POST", Path: "/v/{id}"},
		{Function: "exact", Method: "POST", Path: "/v/list"},
	}})
	for _, c := range []struct{ path, function, name, value string }{
		{"/v/list", "exact", "", ""},
		{"/v/a%2Fb", "one", "id", "a/b"},
		{"/v/a/b", "greedy", "rest", "a/b"},
		{"/w", "", "", ""},
		{"/v/", "", "", ""},
	} {
		rec.function = ""
		resp, body := post(t, "http://"+addr+c.path, `{}`, nil)
		if rec.function != c.function || rec.event.PathParameters[c.name] != c.value && c.name != "" {
			t.Errorf("%s: got %s %v", c.path, rec.function, rec.event.PathParameters)
		}
		if c.function == "" && resp.StatusCode != 404 || c.function != "" && body != `{"plain":true}` {
			t.Errorf("%s: %d %s", c.path, resp.StatusCode, body)
		}
	}
}

func TestAFailedFunctionIsA500WithoutItsText(t *testing.T) {
	rec := &recorder{err: errors.New("secret detail")}
	addr := serve(t, gateway.Options{Invoker: rec, Routes: []template.Route{{Function: "f", Method: "POST", Path: "/x"}}})
	if resp, body := post(t, "http://"+addr+"/x", `{}`, nil); resp.StatusCode != 500 || strings.Contains(body, "secret") {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	rec.err, rec.out = nil, `{"statusCode":99}`
	if resp, _ := post(t, "http://"+addr+"/x", `{}`, nil); resp.StatusCode != 500 {
		t.Errorf("status 99 became %d", resp.StatusCode)
	}
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0", "nonsense"} {
		if l, err := gateway.Listen(t.Context(), addr); err == nil {
			l.Close()
			t.Errorf("%s was accepted", addr)
		}
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	r := template.Route{Function: "f", Method: "POST", Path: "/x"}
	for name, o := range map[string]gateway.Options{
		"no key":         {Invoker: &recorder{}},
		"no invoker":     {Key: key},
		"a route twice":  {Invoker: &recorder{}, Key: key, Routes: []template.Route{r, r}},
		"an extra root":  {Invoker: &recorder{}, Key: key, Extra: map[string]http.Handler{"/": http.NotFoundHandler()}},
		"mounted twice":  {Invoker: &recorder{}, Key: key, Extra: map[string]http.Handler{"/a": http.NotFoundHandler()}, Bare: map[string]http.Handler{"/a": http.NotFoundHandler()}},
		"a bare no path": {Invoker: &recorder{}, Key: key, Bare: map[string]http.Handler{"a": http.NotFoundHandler()}},
	} {
		if _, err := gateway.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
