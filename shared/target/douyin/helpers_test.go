package douyin

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
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

// Secrets of these tests; the upload id has every character that has to be percent-encoded.
const (
	testAccess  = "act.SECRET-ACCESS"
	testRefresh = "rft.SECRET-REFRESH"
	testUpload  = "@8hxd+hau/TCM=="
)

func testCred(context.Context) (token.Token, error) {
	return token.Token{Grant: "g", Subject: "open-id-1", Access: testAccess, Refresh: testRefresh}, nil
}

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

func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// says answers every request the same.
func says(status int, body string) *wire {
	return &wire{answer: func(sent) (*http.Response, error) { return respond(status, body), nil }}
}

// seq is randomness that repeats.
type seq struct{}

func (seq) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i)
	}
	return len(p), nil
}

func testTarget(c Config, w http.RoundTripper) *Target {
	return New(c, &http.Client{Transport: w}, testCred, &Options{Now: clock, Rand: seq{}})
}

func testVideo() upload.Video {
	return upload.Video{Upload: "u1", Account: "douyin/main", Size: 30, ContentType: "video/mp4", Title: "Title & <more>", Description: "What it is", Tags: []string{"go", "#视频"}}
}

func testPlan(size int64, parts int) upload.Plan {
	return upload.Plan{Size: size, Parts: parts, PartSize: (size + int64(parts) - 1) / int64(parts), Ranges: 1, PartsPerRange: parts, InFlight: 1}
}

func testSession(t testing.TB, parts int, size int64) upload.Session {
	t.Helper()
	p := session{Parts: parts, Size: size}
	if parts > 1 {
		p.UploadID = testUpload
	}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return upload.Session{ID: testUpload, Opened: testNow, Private: b}
}

func testPart(plan upload.Plan, n int, content string) target.Part {
	return target.Part{Part: plan.Part(n), Parts: plan.Parts, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
