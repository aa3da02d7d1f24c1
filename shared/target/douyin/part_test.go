package douyin

import (
	"context"
	"hash/crc64"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/upload"
)

func TestThePartIsAVideoInAMultipartBodyOfTheSaidLength(t *testing.T) {
	content := strings.Repeat("0123456789", 5000)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"as it comes": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "data with the error": iotest.DataErrReader, "in halves": iotest.HalfReader,
	} {
		t.Run(name, func(t *testing.T) {
			w := says(200, `{"data":{"error_code":0},"extra":{}}`)
			plan := testPlan(int64(2*len(content)), 2)
			p := testPart(plan, 1, "")
			p.Open = func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(wrap(strings.NewReader(content))), nil
			}
			r, err := testTarget(Config{}, w).UploadPart(t.Context(), testSession(t, 2, plan.Size), p)
			if err != nil {
				t.Fatal(err)
			}
			if want := crc64.Checksum([]byte(content), crc64.MakeTable(crc64.ECMA)); r.CRC64 != want || r.Size != int64(len(content)) {
				t.Errorf("receipt %+v, want CRC64 %x", r, want)
			}
			s := w.sent[0]
			if int64(len(s.body)) != s.ContentLength {
				t.Errorf("Content-Length %d for %d bytes", s.ContentLength, len(s.body))
			}
			_, params, err := mime.ParseMediaType(s.Header.Get("Content-Type"))
			if err != nil {
				t.Fatal(err)
			}
			f, err := multipart.NewReader(strings.NewReader(s.body), params["boundary"]).NextPart()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(f)
			if err != nil || string(b) != content || f.FormName() != "video" || f.FileName() == "" || f.Header.Get("Content-Type") != "video/mp4" {
				t.Errorf("field %q, file %q, type %q, %d bytes, %v", f.FormName(), f.FileName(), f.Header.Get("Content-Type"), len(b), err)
			}
		})
	}
}

// A platform that takes what it gets and answers success whatever came: the lie must be found on our side.
func TestALieAboutTheLengthIsAnErrorEvenIfThePlatformIsContent(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"data":{"error_code":0,"video":{"video_id":"v"}},"extra":{}}`)
	}))
	defer srv.Close()
	for content, kind := range map[string]fault.Kind{"012345678": fault.Retryable, "0123456789x": fault.Invalid, "": fault.Retryable} {
		plan := testPlan(10, 1)
		tg := New(Config{BaseURL: srv.URL}, srv.Client(), testCred, nil)
		r, err := tg.UploadPart(t.Context(), testSession(t, 1, 10), testPart(plan, 1, content))
		if err == nil || fault.KindOf(err) != kind {
			t.Errorf("%q: %+v, %v; want %v", content, r, err, kind)
		}
	}
}

func TestAnEarlySuccessIsNoReceipt(t *testing.T) {
	early := tripper(func(r *http.Request) (*http.Response, error) {
		r.Body.Read(make([]byte, 10))
		r.Body.Close()
		return respond(200, `{"data":{"error_code":0},"extra":{}}`), nil
	})
	tg := New(Config{}, &http.Client{Transport: early}, testCred, nil)
	_, err := tg.UploadPart(t.Context(), testSession(t, 3, 30), testPart(testPlan(30, 3), 1, "0123456789"))
	if fault.KindOf(err) != fault.Retryable || fault.As(err) == nil {
		t.Errorf("got %v", err)
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestARedirectIsNeverFollowed(t *testing.T) {
	w := &wire{answer: func(sent) (*http.Response, error) {
		r := respond(302, "")
		r.Header.Set("Location", "https://evil.example/")
		return r, nil
	}}
	// Even with a client that would.
	tg := New(Config{Auth: Query}, &http.Client{Transport: w}, testCred, nil)
	if _, err := tg.Init(t.Context(), testVideo(), testPlan(30, 1)); err != nil {
		t.Fatal(err)
	}
	_, err := tg.Publish(t.Context(), testVideo(), upload.Session{}, asset("v"))
	if err == nil || len(w.sent) != 1 {
		t.Errorf("%d requests, %v", len(w.sent), err)
	}
}

func TestSessionsAndAssetsLiveTwoHours(t *testing.T) {
	w := says(200, `{"data":{"upload_id":"@u","video":{"video_id":"v"}},"extra":{}}`)
	c := Config{OneRequest: 10, MinPart: 10, WantPart: 10}
	v := testVideo()
	s, err := testTarget(c, w).Init(t.Context(), v, testPlan(30, 3))
	if err != nil || !s.Expires.Equal(testNow.Add(sessionLife)) || s.ID != "@u" {
		t.Errorf("%v, %v", s, err)
	}
	a, err := testTarget(c, w).Complete(t.Context(), s, []upload.Receipt{{Part: 1, Size: 10}, {Part: 2, Size: 10}, {Part: 3, Size: 10}})
	if err != nil || !a.Expires.Equal(testNow.Add(sessionLife)) {
		t.Errorf("%+v, %v", a, err)
	}
	for name, rs := range map[string][]upload.Receipt{
		"too few bytes": {{Part: 1, Size: 10}, {Part: 2, Size: 10}, {Part: 3, Size: 9}},
	} {
		if _, err := testTarget(c, w).Complete(t.Context(), s, rs); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
