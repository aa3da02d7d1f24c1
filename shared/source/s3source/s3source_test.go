package s3source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/s3source"
)

// The whole contract is proven against a real gateway in local/bucket. Here are the answers that a gateway on one
// machine never gives.

func serve(t *testing.T, h http.HandlerFunc) *s3source.Source {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return s3source.New(s3.New(s3.Options{
		BaseEndpoint: &srv.URL, Region: "us-east-1", UsePathStyle: true, HTTPClient: srv.Client(),
		Credentials: credentials.NewStaticCredentialsProvider("test-key", "test-secret", "test-session"),
	}))
}

var object = source.Object{Bucket: "inbox", Key: "v.mp4", ETag: "abc", Size: 100}

func TestErrorsAreClassifiedAndNeverRetriedHere(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		get    fault.Kind
		head   fault.Kind // an answer to HEAD has no code
		cause  error
	}{
		{404, "NoSuchKey", fault.Invalid, fault.Invalid, source.ErrNotFound},
		{404, "NoSuchBucket", fault.Invalid, fault.Invalid, source.ErrNotFound},
		{404, "NoSuchVersion", fault.Invalid, fault.Invalid, source.ErrNotFound},
		{405, "MethodNotAllowed", fault.Invalid, fault.Invalid, source.ErrNotFound},
		{412, "PreconditionFailed", fault.Invalid, fault.Invalid, source.ErrChanged},
		{416, "InvalidRange", fault.Invalid, fault.Invalid, nil},
		{403, "AccessDenied", fault.Permanent, fault.Permanent, nil},
		{403, "SignatureDoesNotMatch", fault.Permanent, fault.Permanent, nil},
		{403, "InvalidObjectState", fault.Invalid, fault.Permanent, nil},
		{301, "PermanentRedirect", fault.Permanent, fault.Permanent, nil},
		{400, "ExpiredToken", fault.Retryable, fault.Retryable, nil},
		{400, "RequestTimeout", fault.Retryable, fault.Retryable, nil},
		{400, "KeyTooLongError", fault.Invalid, fault.Retryable, nil},
		{400, "SomethingNew", fault.Retryable, fault.Retryable, nil},
		{429, "TooManyRequests", fault.Retryable, fault.Retryable, nil},
		{500, "InternalError", fault.Retryable, fault.Retryable, nil},
		{503, "SlowDown", fault.Retryable, fault.Retryable, nil},
		{502, "", fault.Retryable, fault.Retryable, nil},
	} {
		t.Run(fmt.Sprintf("%d %s", c.status, c.code), func(t *testing.T) {
			var calls atomic.Int32
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				w.Header().Set("X-Amz-Request-Id", "REQ1")
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(c.status)
				if c.code != "" {
					fmt.Fprintf(w, "<Error><Code>%s</Code><Message>m</Message></Error>", c.code)
				}
			})
			_, err := s.Open(t.Context(), object, 0, 10)
			check(t, "Open", err, c.get, c.cause)
			_, err = s.Stat(t.Context(), object)
			check(t, "Stat", err, c.head, c.cause)
			if n := calls.Load(); n != 2 {
				t.Errorf("%d requests for two calls", n)
			}
		})
	}
}

func check(t *testing.T, what string, err error, kind fault.Kind, cause error) {
	t.Helper()
	e := fault.As(err)
	if e == nil {
		t.Fatalf("%s: %v is no fault", what, err)
	}
	if e.Kind != kind || e.LogID != "REQ1" || e.After != 7*time.Second || e.Effect != fault.EffectNone || e.Code == "" || e.Action == "" {
		t.Errorf("%s: %+v, want kind %v with log id, pause, code and action", what, *e, kind)
	}
	if cause != nil && !errors.Is(err, cause) {
		t.Errorf("%s: %v lacks %v", what, err, cause)
	}
	for _, secret := range []string{"test-key", "test-secret", "test-session"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: a secret is in %v", what, err)
		}
	}
}

func TestNoAnswerIsRetryable(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"connection cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"page for error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>bad gateway</html>")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, h)
			_, err := s.Open(t.Context(), object, 0, 10)
			if fault.KindOf(err) != fault.Retryable {
				t.Errorf("Open: %v", err)
			}
			_, err = s.Stat(t.Context(), object)
			if fault.KindOf(err) != fault.Retryable {
				t.Errorf("Stat: %v", err)
			}
		})
	}
}

func TestDeadlineIsUnknownWithItsCause(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) }) // runs before the server closes
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := s.Open(ctx, object, 0, 10)
	if fault.KindOf(err) != fault.Unknown || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open: %v", err)
	}
}

func TestRequestPinsRangeETagAndVersion(t *testing.T) {
	var got http.Header
	var query string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got, query = r.Header.Clone(), r.URL.Query().Get("versionId")
		w.WriteHeader(http.StatusPreconditionFailed)
	})
	o := object
	o.VersionID = "v/1+2"
	for _, etag := range []string{"abc", `"abc"`} {
		o.ETag = etag
		_, err := s.Open(t.Context(), o, 10, 20)
		if !errors.Is(err, source.ErrChanged) {
			t.Errorf("Open: %v", err)
		}
		if got.Get("Range") != "bytes=10-29" || got.Get("If-Match") != `"abc"` || query != "v/1+2" {
			t.Errorf("range %q, if-match %q, version %q", got.Get("Range"), got.Get("If-Match"), query)
		}
	}
}

func TestAnswersThatAreNotTheRangeAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		etag, contentRange string
		length             int
		want               fault.Kind
		cause              error
	}{
		"exact":                    {`"abc"`, "bytes 10-29/100", 20, -1, nil},
		"another etag":             {`"def"`, "bytes 10-29/100", 20, fault.Invalid, source.ErrChanged},
		"another size":             {`"abc"`, "bytes 10-29/101", 20, fault.Invalid, source.ErrChanged},
		"shortened by the end":     {`"abc"`, "bytes 10-19/20", 10, fault.Invalid, source.ErrChanged},
		"another start":            {`"abc"`, "bytes 11-30/100", 20, fault.Retryable, nil},
		"another length":           {`"abc"`, "bytes 10-28/100", 19, fault.Retryable, nil},
		"the whole object instead": {`"abc"`, "", 100, fault.Retryable, nil},
		"a range that is no range": {`"abc"`, "items 10-29/100", 20, fault.Retryable, nil},
		"a range without total":    {`"abc"`, "bytes 10-29/*", 20, fault.Retryable, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("ETag", c.etag)
				w.Header().Set("Content-Length", strconv.Itoa(c.length))
				if c.contentRange != "" {
					w.Header().Set("Content-Range", c.contentRange)
					w.WriteHeader(http.StatusPartialContent)
				}
				_, _ = w.Write(make([]byte, c.length))
			})
			r, err := s.Open(t.Context(), object, 10, 20)
			if c.want < 0 {
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				if b, err := io.ReadAll(r); err != nil || len(b) != 20 {
					t.Errorf("%d bytes, %v", len(b), err)
				}
				return
			}
			if err == nil {
				r.Close()
				t.Fatal("the answer was accepted")
			}
			if fault.KindOf(err) != c.want || c.cause != nil && !errors.Is(err, c.cause) {
				t.Errorf("%v (%v), want %v", err, fault.KindOf(err), c.want)
			}
		})
	}
}

func TestStatReadsWhatS3Sends(t *testing.T) {
	header := map[string]string{
		"ETag": `"5d41402abc4b2a76b9719d911017c592-3"`, "Content-Length": "4294967296", "Content-Type": "video/mp4",
		"Last-Modified": "Sun, 22 Nov 2026 01:02:03 GMT", "X-Amz-Version-Id": "null", "X-Amz-Meta-To": "douyin/main",
		"X-Amz-Meta-Title": "=?UTF-8?B?5L2g5aW9?= =?UTF-8?Q?_=F0=9F=8E=AC?=", "X-Amz-Missing-Meta": "1",
	}
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header().Set(k, v)
		}
	})
	info, err := s.Stat(t.Context(), source.Object{Bucket: "inbox", Key: "v.mp4"})
	if err != nil {
		t.Fatal(err)
	}
	want := source.Object{Bucket: "inbox", Key: "v.mp4", ETag: "5d41402abc4b2a76b9719d911017c592-3", Size: 4 << 30}
	if info.Object != want || info.ContentType != "video/mp4" || !info.Modified.Equal(time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)) {
		t.Errorf("info = %+v, want %+v", info, want)
	}
	if info.Metadata["title"] != "你好 🎬" || info.Metadata["to"] != "douyin/main" || len(info.Metadata) != 2 {
		t.Errorf("metadata = %q", info.Metadata)
	}
	delete(header, "ETag")
	if _, err := s.Stat(t.Context(), source.Object{Bucket: "inbox", Key: "v.mp4"}); fault.KindOf(err) != fault.Retryable {
		t.Errorf("an object without an etag: %v, want Retryable", err)
	}
}

func TestMemoryDoesNotGrowWithTheRange(t *testing.T) {
	const size = 64 << 20
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"abc"`)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", size-1, size))
		w.Header().Set("Content-Length", strconv.Itoa(size))
		w.WriteHeader(http.StatusPartialContent)
		for b := make([]byte, 64<<10); ; {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := s.Open(t.Context(), source.Object{Bucket: "inbox", Key: "v.mp4", ETag: "abc"}, 0, size)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if n != size || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("reading %d bytes allocated %d", int64(size), used)
	}
}
