package oss

import (
	"context"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata")

var testNow = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func clock() time.Time { return testNow }

// Secrets of these tests.
const (
	testSecret = "SECRET-KEY"
	testToken  = "SECRET-STS+/="
	testUpload = "0004B9895DBBB6EC98E36/+="
)

// sent is a request as it left.
type sent struct {
	*http.Request
	body string
}

// wire answers every request with a function and keeps what was sent.
type wire struct {
	answer func(sent) (*http.Response, error)
	mu     sync.Mutex
	sent   []sent
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
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

func respond(status int, body string, header ...string) *http.Response {
	h := http.Header{"X-Oss-Request-Id": {"REQ1"}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	if h.Get("Content-Length") == "" {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// says answers every request the same.
func says(status int, body string, header ...string) *wire {
	return &wire{answer: func(sent) (*http.Response, error) { return respond(status, body, header...), nil }}
}

func testClient(t testing.TB, w http.RoundTripper, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{Endpoint: "https://oss-cn-shanghai.aliyuncs.com", Bucket: "yk-source-upload"}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg, Fixed(Credential{ID: "STS.ID", Secret: testSecret, Token: testToken}), &http.Client{Transport: w}, &Options{Clock: NewClock(clock)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func text(s string, size int64) Body {
	return Body{Size: size, Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }}
}

func testOpen() Upload { return Upload{Key: "a/b c.mp4", ID: testUpload} }

// dump is what matters of a request: method, URL, headers, body.
func dump(s sent) string {
	var b strings.Builder
	b.WriteString(s.Method + " " + s.URL.String() + "\nContent-Length: " + strconv.FormatInt(s.ContentLength, 10) + "\n")
	names := make([]string, 0, len(s.Header))
	for n := range s.Header {
		if n != "Content-Length" {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		b.WriteString(n + ": " + strings.Join(s.Header[n], ", ") + "\n")
	}
	return b.String() + "\n" + s.body + "\n"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}
