package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	fakeoss "github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/memsource"
	"github.com/vodlift/vodlift/shared/token"
)

// The endpoint of a deployed function is one of aliyuncs.com; here its requests are turned to the fake.
type turned struct{ to http.Handler }

func (t turned) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Host, "oss-cn-shanghai.aliyuncs.com") || r.URL.Scheme != "https" {
		return nil, errors.New("not a host of OSS: " + r.URL.Host)
	}
	w := httptest.NewRecorder()
	q := r.Clone(r.Context())
	q.Host, q.RequestURI = r.URL.Host, r.URL.RequestURI()
	t.to.ServeHTTP(w, q)
	return w.Result(), nil
}

func TestObjectsOfOSSAreReadThereAndAllOthersInS3(t *testing.T) {
	keys, err := ram.NewStore(ram.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.AddKey("studio", "LTAIread", "read-secret"); err != nil {
		t.Fatal(err)
	}
	platform, err := fakeoss.New(fakeoss.Options{Credentials: keys, Buckets: []fakeoss.Bucket{{Name: "media-in"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer platform.Close()
	client := &http.Client{Transport: turned{platform}}
	up, err := oss.New(oss.Config{Endpoint: "https://oss-cn-shanghai.aliyuncs.com", Bucket: "media-in"}, oss.Fixed(oss.Credential{ID: "LTAIread", Secret: "read-secret"}), client, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := oss.Body{Size: 8, Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("from OSS")), nil }}
	if _, err := up.Put(t.Context(), "in/a.mp4", "video/mp4", body, nil); err != nil {
		t.Fatal(err)
	}
	s3 := memsource.New()
	s3.Put("inbox", "a.mp4", []byte("from S3"), nil)
	loads := 0
	src, err := withOSS(s3, map[string]string{"media-in": "https://oss-cn-shanghai.aliyuncs.com"}, func(context.Context) (token.AppKey, error) {
		loads++
		return token.AppKey{ID: "LTAIread", Secret: "read-secret"}, nil
	}, client, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ bucket, key, want string }{{"media-in", "in/a.mp4", "from OSS"}, {"inbox", "a.mp4", "from S3"}} {
		info, err := src.Stat(t.Context(), source.Object{Bucket: c.bucket, Key: c.key})
		if err != nil {
			t.Fatalf("%s: %v", c.bucket, err)
		}
		r, err := src.Open(t.Context(), info.Object, 0, info.Size)
		if err != nil {
			t.Fatalf("%s: %v", c.bucket, err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil || string(b) != c.want {
			t.Errorf("%s: %q, %v", c.bucket, b, err)
		}
	}
	if loads != 1 {
		t.Errorf("the key was loaded %d times", loads)
	}
	if _, err := withOSS(s3, map[string]string{"media-in": "not an address"}, nil, http.DefaultClient, time.Now); err == nil {
		t.Error("a bucket without an endpoint was taken")
	}
}
