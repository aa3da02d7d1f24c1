package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestHostRules(t *testing.T) {
	for _, c := range []struct {
		name     string
		hosts    []string
		loopback bool
		url      string
		ok       bool
	}{
		{"exact host", []string{"open.douyin.com"}, false, "https://open.douyin.com/x", true},
		{"case does not matter", []string{"open.douyin.com"}, false, "https://OPEN.Douyin.com/x", true},
		{"explicit 443", []string{"open.douyin.com"}, false, "https://open.douyin.com:443/x", true},
		{"another port", []string{"open.douyin.com"}, false, "https://open.douyin.com:8443/x", false},
		{"allowed port", []string{"open.douyin.com:8443"}, false, "https://open.douyin.com:8443/x", true},
		{"no http", []string{"open.douyin.com"}, false, "http://open.douyin.com/x", false},
		{"subdomain of an exact host", []string{"douyin.com"}, false, "https://open.douyin.com/", false},
		{"wildcard", []string{"*.aliyuncs.com"}, false, "https://b.oss-cn-shanghai.aliyuncs.com/", true},
		{"wildcard is not the name itself", []string{"*.aliyuncs.com"}, false, "https://aliyuncs.com/", false},
		{"wildcard is not a suffix of a label", []string{"*.aliyuncs.com"}, false, "https://evilaliyuncs.com/", false},
		{"wildcard with an empty label", []string{"*.aliyuncs.com"}, false, "https://.aliyuncs.com/", false},
		{"a star alone allows nothing", []string{"*"}, false, "https://a.b/", false},
		{"a top level wildcard allows nothing", []string{"*.com"}, false, "https://a.com/", false},
		{"user name in the URL", []string{"open.douyin.com"}, false, "https://open.douyin.com@evil.example/", false},
		{"user name before the right host", []string{"open.douyin.com"}, false, "https://u@open.douyin.com/", false},
		{"empty list", nil, false, "https://open.douyin.com/", false},
		{"loopback is refused by default", []string{"open.douyin.com"}, false, "http://127.0.0.1:80/", false},
		{"loopback allowed", nil, true, "http://127.0.0.1:1/", true},
		{"loopback by name", nil, true, "http://localhost:1/", true},
		{"loopback IPv6", nil, true, "http://[::1]:1/", true},
		{"loopback only: others are refused", nil, true, "https://open.douyin.com/", false},
		{"loopback does not allow private", nil, true, "http://10.0.0.1/", false},
		{"no host", []string{"a.b"}, false, "https:///x", false},
		{"file", nil, true, "file://localhost/etc/passwd", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := url.Parse(c.url)
			if err != nil {
				t.Fatal(err)
			}
			if err := newRules(c.hosts, c.loopback).check(u); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrHost) {
				t.Errorf("got %v, want ok %v", err, c.ok)
			}
		})
	}
}

func TestOnlyPublicAddressesAreDialled(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "203.119.1.1": true, "2400:3200::1": true, "100.63.255.255": true, "100.128.0.1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.100.100.200": false, "0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "198.18.0.1": false,
		"::1": false, "::": false, "fe80::1": false, "fc00::1": false, "ff02::1": false, "::ffff:10.0.0.1": false,
		"::ffff:8.8.8.8": true, "64:ff9b::a00:1": false, "2002:a00:1::": false, "2001::1": false, "fec0::1": false,
	} {
		if got := isPublic(netip.MustParseAddr(addr)); got != want {
			t.Errorf("isPublic(%s) = %v, want %v", addr, got, want)
		}
	}
	if err := control(false)("tcp4", "127.0.0.1:80", nil); !errors.Is(err, ErrHost) {
		t.Errorf("loopback without leave: %v", err)
	}
	if err := control(true)("tcp4", "127.0.0.1:80", nil); err != nil {
		t.Errorf("loopback with leave: %v", err)
	}
	if err := control(true)("tcp4", "10.0.0.1:80", nil); !errors.Is(err, ErrHost) {
		t.Errorf("private address: %v", err)
	}
	if err := control(true)("udp", "127.0.0.1:80", nil); !errors.Is(err, ErrHost) {
		t.Errorf("not tcp: %v", err)
	}
}

func TestANameThatResolvesToAPrivateAddressIsNotDialled(t *testing.T) {
	// localhost passes the list as an ordinary name, and resolves to loopback.
	c := New(Options{Hosts: []string{"localhost"}})
	_, err := c.Get("https://localhost/")
	var e *Error
	if !errors.Is(err, ErrHost) || !NothingWritten(err) || !errors.As(err, &e) || !e.Refused() {
		t.Errorf("got %v (nothing written %v), want ErrHost", err, NothingWritten(err))
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	var hits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		http.Redirect(w, r, "/other", http.StatusFound)
	}))
	defer srv.Close()
	resp, err := New(Options{AllowLoopback: true}).Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusFound || hits.Load() != 1 {
		t.Errorf("status %d after %d requests", resp.StatusCode, hits.Load())
	}
}

// rude is a server that reads a request's head and cuts the connection; the first n requests are answered properly.
func rude(t *testing.T, proper int32) (addr string, requests *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	requests = new(atomic.Int32)
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					io.Copy(io.Discard, r.Body)
					if requests.Add(1) > proper {
						return
					}
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			})
		}
	})
	return "http://" + l.Addr().String(), requests
}

func TestAPostIsNeverSentTwiceOverADeadConnection(t *testing.T) {
	for name, req := range map[string]func(url string) *http.Request{
		"without a body": func(url string) *http.Request {
			r, _ := http.NewRequest("POST", url, nil)
			return r
		},
		"with a body that net/http could rewind": func(url string) *http.Request {
			r, _ := http.NewRequest("POST", url, strings.NewReader("x"))
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, n := rude(t, 1)
			c := New(Options{AllowLoopback: true})
			defer c.CloseIdleConnections()
			resp, err := c.Do(req(addr)) // leaves a kept-alive connection
			if err != nil {
				t.Fatal(err)
			}
			ReadAll(resp.Body, 10)
			_, err = c.Do(req(addr))
			if err == nil || NothingWritten(err) {
				t.Errorf("got %v (nothing written: %v); want a failure after bytes were written", err, NothingWritten(err))
			}
			if n.Load() != 2 {
				t.Errorf("the server saw %d requests, want 2", n.Load())
			}
		})
	}
}

func TestAnIdempotencyHeaderOnAPostIsRefused(t *testing.T) {
	addr, n := rude(t, 9)
	r, _ := http.NewRequest("POST", addr, nil)
	r.Header.Set("Idempotency-Key", "1")
	_, err := New(Options{AllowLoopback: true}).Do(r)
	if !errors.Is(err, ErrReplayHeader) || n.Load() != 0 {
		t.Errorf("got %v after %d requests", err, n.Load())
	}
}

func TestCloseGetsAConnectionOfItsOwn(t *testing.T) {
	addr, _ := rude(t, 1)
	c := New(Options{AllowLoopback: true})
	defer c.CloseIdleConnections()
	resp, err := c.Get(addr)
	if err != nil {
		t.Fatal(err)
	}
	ReadAll(resp.Body, 10)
	var reused atomic.Bool
	r, _ := http.NewRequest("POST", addr, nil)
	r.Close = true
	// The server cuts it; what matters is that it did not go over the kept connection.
	r = r.WithContext(traceReuse(r.Context(), &reused))
	c.Do(r)
	if reused.Load() {
		t.Error("a request with Close went over a kept connection")
	}
}

func TestNothingWrittenIsTrueOnlyWhenProven(t *testing.T) {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	dead := "http://" + l.Addr().String()
	l.Close()
	cut, _ := rude(t, 0)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		url  string
		want bool
	}{
		{"nobody listens", t.Context(), dead, true},
		{"cut after the head", t.Context(), cut, false},
		{"host not allowed", t.Context(), "https://example.invalid/", true},
		{"cancelled before", cancelled, cut, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := http.NewRequestWithContext(c.ctx, "POST", c.url, strings.NewReader("x"))
			_, err := New(Options{AllowLoopback: true}).Do(r)
			if err == nil || NothingWritten(err) != c.want {
				t.Errorf("err %v, NothingWritten %v, want %v", err, NothingWritten(err), c.want)
			}
			if c.ctx == cancelled && !errors.Is(err, context.Canceled) {
				t.Error("the cancellation is lost")
			}
		})
	}
	if NothingWritten(io.EOF) || NothingWritten(nil) {
		t.Error("an unknown error proves nothing")
	}
}

type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// waits is a body that gives one byte every step, n times, then ends; 0 never gives any.
type waits struct {
	ctx  context.Context
	step time.Duration
	n    int
}

func (w *waits) Read(p []byte) (int, error) {
	if w.n == 0 {
		return 0, io.EOF
	}
	t := time.NewTimer(w.step)
	defer t.Stop()
	select {
	case <-t.C:
		w.n--
		p[0] = 'x'
		return 1, nil
	case <-w.ctx.Done():
		return 0, context.Cause(w.ctx)
	}
}
func (w *waits) Close() error { return nil }

func TestWatchdog(t *testing.T) {
	for _, c := range []struct {
		name     string
		up, down time.Duration // between bytes
		stalled  bool
	}{
		{"slow but moving", 29 * time.Second, 29 * time.Second, false},
		{"the request body stands still", 31 * time.Second, 0, true},
		{"the answer stands still", 0, 31 * time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := New(Options{Hosts: []string{"a.example"}, base: trip(func(r *http.Request) (*http.Response, error) {
					// As net/http does: a cancelled context ends the round trip.
					r.Body.(*watchedRequest).ReadCloser.(*waits).ctx = r.Context()
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						return nil, err
					}
					return &http.Response{StatusCode: 200, Body: &waits{r.Context(), c.down, 20}}, nil
				})})
				r, _ := http.NewRequest("PUT", "https://a.example/", &waits{step: c.up, n: 20})
				resp, err := client.Do(r)
				if err == nil {
					time.Sleep(time.Hour) // the caller's own time does not count
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				if errors.Is(err, ErrStalled) != c.stalled || !c.stalled && err != nil {
					t.Errorf("got %v, want stalled %v", err, c.stalled)
				}
				if errors.Is(err, context.Canceled) {
					t.Error("a stall must not look like the caller's cancellation")
				}
			})
		})
	}
}

func TestAnAnswerOverTheLimitIsCut(t *testing.T) {
	for size, ok := range map[int]bool{9: true, 10: true, 11: false, 1000: false} {
		client := New(Options{Hosts: []string{"a.example"}, MaxResponse: 10, base: trip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(strings.Repeat("x", size)))}, nil
		})})
		resp, err := client.Get("https://a.example/")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if ok && (err != nil || len(b) != size) || !ok && (!errors.Is(err, ErrTooLarge) || len(b) > 10) {
			t.Errorf("%d bytes: got %d, %v", size, len(b), err)
		}
		if _, err := ReadAll(io.NopCloser(strings.NewReader(strings.Repeat("x", size))), 10); ok != (err == nil) {
			t.Errorf("ReadAll of %d: %v", size, err)
		}
	}
}

func TestTheLogHoldsNoQueryHeaderOrBody(t *testing.T) {
	var buf bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&buf, nil))
	fail := false
	client := New(Options{Hosts: []string{"a.example"}, Log: log, base: trip(func(r *http.Request) (*http.Response, error) {
		if fail {
			return nil, errors.New("said SECRET")
		}
		return &http.Response{StatusCode: 200, Header: http.Header{"X-Tt-Logid": {"L1"}}, Body: http.NoBody}, nil
	})})
	for range 2 {
		r, _ := http.NewRequest("POST", "https://a.example/p/a%20th?access_token=SECRET", strings.NewReader("SECRET"))
		r.Header.Set("access-token", "SECRET")
		client.Do(r)
		fail = true
	}
	got := buf.String()
	for _, want := range []string{`"path":"/p/a%20th"`, `"log_id":"L1"`, `"status":200`, `"host":"a.example"`, "request failed"} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %s:\n%s", want, got)
		}
	}
	if strings.Contains(got, "SECRET") {
		t.Errorf("a secret is in the log:\n%s", got)
	}
}

func FuzzRulesNeverAdmitAnotherHost(f *testing.F) {
	for _, s := range []string{"https://open.douyin.com/", "https://open.douyin.com.evil.example/", "https://x@open.douyin.com", "http://[::1]/", "https://open.douyin.com:99999/", "//open.douyin.com"} {
		f.Add(s)
	}
	r := newRules([]string{"open.douyin.com", "*.aliyuncs.com"}, false)
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil || r.check(u) != nil {
			return
		}
		h := strings.ToLower(u.Hostname())
		if u.Scheme != "https" || u.User != nil || h != "open.douyin.com" && !strings.HasSuffix(h, ".aliyuncs.com") {
			t.Errorf("admitted %q", s)
		}
	})
}

func TestASourceThatHangsDoesNotHoldTheRequest(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	body, feed := io.Pipe()
	go io.WriteString(feed, "a little, and then nothing")
	r, err := http.NewRequest("PUT", srv.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 1000
	_, err = New(Options{AllowLoopback: true, Stall: 20 * time.Millisecond}).Do(r)
	var e *Error
	if !errors.Is(err, ErrStalled) || !errors.As(err, &e) || !e.Stalled() || e.Refused() {
		t.Errorf("got %v, want ErrStalled", err)
	}
}
