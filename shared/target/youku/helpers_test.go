package youku

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

	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata")

var testNow = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func clock() time.Time { return testNow }

// Secrets of these tests.
const (
	testAccess  = "SECRET-ACCESS"
	testRefresh = "SECRET-REFRESH"
	testApp     = "SECRET-APP"
	testUpload  = "SECRET-UPLOAD+/="
	testSTS     = "SECRET-STS"
	testKey     = "SECRET-KEY"
	testMD5     = "9e107d9d372bb6826bd81d3542a419d6"
)

func testCred(context.Context) (token.Token, error) {
	return token.Token{Grant: "g", Access: testAccess, Refresh: testRefresh}, nil
}

func testAppKey(context.Context) (token.AppKey, error) {
	return token.AppKey{ID: "client1", Secret: testApp}, nil
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

func respond(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// says answers every request the same.
func says(status int, body string, header ...string) *wire {
	return &wire{answer: func(sent) (*http.Response, error) { return respond(status, body, header...), nil }}
}

const created = `{"video_id":"XMjg1MTcyNDQ0","upload_token":"` + testUpload + `","endpoint":"oss-cn-shanghai.aliyuncs.com","security_token":"` + testSTS +
	`","oss_bucket":"yk-source-upload","oss_object":"5A0B/tmp 1.mp4","temp_access_id":"STS.ID","temp_access_secret":"` + testKey + `","expire_time":"2026-11-20T11:00:00Z"}`

func testTarget(c Config, w http.RoundTripper) *Target {
	return New(c, &http.Client{Transport: w}, testAppKey, testCred, &Options{Now: clock, Password: func(context.Context, string) (string, error) { return "letMeIn42", nil }})
}

func testVideo() upload.Video {
	return upload.Video{Upload: "u1", Account: "youku/main", Size: 30, FileName: "holiday.mp4", ContentType: "video/mp4", Title: "Title & <more>", Description: "What it is", Tags: []string{"go", "#视频"}, MD5: testMD5}
}

func testPlan(size int64, parts int) upload.Plan {
	return upload.Plan{Size: size, Parts: parts, PartSize: (size + int64(parts) - 1) / int64(parts), Ranges: 1, PartsPerRange: parts, InFlight: 1}
}

func testSession(t testing.TB, parts int, size int64, change ...func(*session)) upload.Session {
	t.Helper()
	p := session{UploadToken: testUpload, VideoID: "XMjg1MTcyNDQ0", Endpoint: "oss-cn-shanghai.aliyuncs.com", Bucket: "yk-source-upload", Object: "5A0B/tmp 1.mp4",
		Credential: oss.Credential{ID: "STS.ID", Secret: testKey, Token: testSTS}, Issued: testNow, Expires: testNow.Add(time.Hour), Parts: parts, Size: size, MD5: testMD5, ContentType: "video/mp4"}
	if parts > 1 {
		p.UploadID = "UPID1"
	}
	for _, f := range change {
		f(&p)
	}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return upload.Session{ID: p.VideoID, Opened: testNow, Private: b}
}

func unpack(t testing.TB, s upload.Session) session {
	t.Helper()
	var p session
	if err := json.Unmarshal(s.Private, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func testPart(plan upload.Plan, n int, content string) target.Part {
	return target.Part{Part: plan.Part(n), Parts: plan.Parts, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func asset() upload.Asset { return upload.Asset{ID: "XMjg1MTcyNDQ0"} }

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
