package buildcheck

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	fakevod "github.com/vodlift/vodlift/local/fake/vod"
)

// inMemory serves requests by a handler, with no connection between.
type inMemory struct{ http.Handler }

// RoundTrip is http.RoundTripper's.
func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:1"
	w := httptest.NewRecorder()
	m.ServeHTTP(w, in)
	out := w.Result()
	out.Request = r
	return out, nil
}

// platforms starts the fakes. What is new there shows late, so that uploads wait for it.
func (w *iamWorld) platforms() {
	w.t.Helper()
	var err error
	if w.fake, err = fakedouyin.New(fakedouyin.Options{Limits: fakedouyin.Limits{SingleUpload: 4096, PartMin: 4096}, ControlKey: "control-key-of-this-test",
		ConsentAs: "demo-open-id", ListLag: 40 * time.Minute}); err != nil {
		w.t.Fatal(err)
	}
	keys, err := ram.NewStore(ram.StoreOptions{})
	if err == nil {
		_, err = keys.AddKey("studio", "LTAIstudio", iamSecret)
	}
	if err == nil {
		w.vod, err = fakevod.New(fakevod.Options{Keys: keys, OSSEndpoint: "https://oss.test", Tick: 5 * time.Minute, Transport: inMemory{http.NotFoundHandler()},
			Objects: fakevod.ObjectsFunc(func(string, string) (fakevod.Object, bool) { return fakevod.Object{}, false })})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// hosts is the network: the platforms by their hosts.
func (w *iamWorld) hosts() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Host {
		case "douyin.test":
			w.fake.ServeHTTP(rw, r)
		case "vod.test":
			w.vod.ServeHTTP(rw, r)
		default:
			http.Error(rw, "no such host", http.StatusBadGateway)
		}
	})
}

// store is an app's upload: the object storage tells the platform of it.
func (w *iamWorld) store(address string) {
	w.t.Helper()
	var at struct{ Bucket, FileName string }
	b, err := base64.StdEncoding.DecodeString(address)
	if err == nil {
		err = json.Unmarshal(b, &at)
	}
	if err != nil || at.FileName == "" {
		w.t.Fatalf("no address of an upload: %v", err)
	}
	w.vod.ObjectStored(at.Bucket, at.FileName, fakevod.Object{Size: 1000, SHA256: strings.Repeat("0", 64), Modified: time.Now()})
}

// signed makes addresses, as S3 would by the credentials of the function that calls.
type signed struct{ c *clouds }

// SignGet is catalogue.Signer's. It sends no request: whoever uses the address reads with the function's permission.
func (s signed) SignGet(ctx context.Context, key string, life time.Duration) (string, time.Time, error) {
	s.c.rec.add(ctx, "s3:GetObject", "inbox objects")
	return "https://inbox.test/" + url.PathEscape(key), time.Now().Add(life), nil
}
