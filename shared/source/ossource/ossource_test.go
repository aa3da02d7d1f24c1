package ossource

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/source"
)

// The contract is proven against the fake OSS, in local/fake/oss; here are the answers that it does not give.

type answer func(*http.Request) *http.Response

func (f answer) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func over(t *testing.T, status int, body string, header map[string]string) *Source {
	t.Helper()
	c, err := oss.New(oss.Config{Endpoint: "https://oss-cn-shanghai.aliyuncs.com"}, oss.Fixed(oss.Credential{ID: "i", Secret: "s"}), &http.Client{Transport: answer(func(*http.Request) *http.Response {
		h := http.Header{}
		for k, v := range header {
			h.Set(k, v)
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
	})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return New(c)
}

func TestAnAnswerThatIsNotWhatWasAskedForIsRefused(t *testing.T) {
	o := source.Object{Bucket: "inbox", Key: "v.mp4", ETag: "E1", Size: 10}
	for _, c := range []struct {
		name   string
		status int
		header map[string]string
		kind   fault.Kind
		cause  error
	}{
		{"the whole object", 200, map[string]string{"ETag": `"E1"`, "Content-Length": "10"}, fault.Retryable, nil},
		{"another range", 206, map[string]string{"ETag": `"E1"`, "Content-Length": "4", "Content-Range": "bytes 0-3/10"}, fault.Retryable, nil},
		{"a shorter range", 206, map[string]string{"ETag": `"E1"`, "Content-Length": "2", "Content-Range": "bytes 2-3/10"}, fault.Retryable, nil},
		{"an unreadable range", 206, map[string]string{"ETag": `"E1"`, "Content-Length": "4", "Content-Range": "bytes ?"}, fault.Retryable, nil},
		{"another object", 206, map[string]string{"ETag": `"E2"`, "Content-Length": "4", "Content-Range": "bytes 2-5/10"}, fault.Invalid, source.ErrChanged},
		{"another size", 206, map[string]string{"ETag": `"E1"`, "Content-Length": "4", "Content-Range": "bytes 2-5/11"}, fault.Invalid, source.ErrChanged},
		{"no length", 200, map[string]string{"ETag": `"E1"`}, fault.Retryable, nil},
	} {
		_, err := over(t, c.status, "0123456789", c.header).Open(t.Context(), o, 2, 4)
		if fault.As(err) == nil || fault.KindOf(err) != c.kind || c.cause != nil && !errors.Is(err, c.cause) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	good := over(t, 206, "2345", map[string]string{"ETag": `"E1"`, "Content-Length": "4", "Content-Range": "bytes 2-5/10"})
	r, err := good.Open(t.Context(), o, 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); string(b) != "2345" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

func TestARefusedCredentialOfTheSourceIsNoAccountsToken(t *testing.T) {
	s := over(t, 403, "<Error><Code>SecurityTokenExpired</Code></Error>", nil)
	_, err := s.Open(t.Context(), source.Object{Bucket: "inbox", Key: "v.mp4"}, 0, 1)
	if fault.KindOf(err) != fault.Retryable || !errors.Is(err, oss.ErrCredential) {
		t.Errorf("got %v", err)
	}
	_, err = over(t, 403, "<Error><Code>AccessDenied</Code></Error>", nil).Stat(t.Context(), source.Object{Bucket: "inbox", Key: "v.mp4"})
	if fault.KindOf(err) != fault.Permanent || fault.As(err).Op != "ossource.Stat" {
		t.Errorf("got %v", err)
	}
}

func TestAnObjectWithoutAnETagIsBeingWritten(t *testing.T) {
	_, err := over(t, 200, "", map[string]string{"Content-Length": "3"}).Stat(t.Context(), source.Object{Bucket: "inbox", Key: "v.mp4"})
	if fault.KindOf(err) != fault.Retryable {
		t.Errorf("got %v", err)
	}
}
