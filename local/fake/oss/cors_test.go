package oss

import (
	"net/http"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/fake"
)

func page(r *rig, method, bucket, origin string, more ...string) *http.Response {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.web.URL+"/"+bucket+"/k", nil)
	must(r, err)
	req.Header.Set("Origin", origin)
	for i := 0; i+1 < len(more); i += 2 {
		req.Header.Set(more[i], more[i+1])
	}
	res, err := r.http.Do(req)
	must(r, err)
	res.Body.Close()
	return res
}

func TestPagesOfOtherOriginsNeedARule(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Buckets = append(o.Buckets, Bucket{Name: "pages", CORS: []CORSRule{
			{Origins: []string{"http://*.example.com"}, Methods: []string{"PUT", "POST"}, Headers: []string{"authorization", "X-OSS-*"}, Expose: []string{"ETag", "x-oss-request-id"}, MaxAge: 60},
			{Origins: []string{"*"}, Methods: []string{"GET"}},
		}})
	})
	for _, c := range []struct {
		name, bucket, origin, method, headers string
		status                                int
		allowed                               string
	}{
		{"a bucket without rules", bkt, "http://a.example.com", "PUT", "", 403, ""},
		{"a rule's origin, method and headers", "pages", "http://a.example.com", "PUT", "Authorization, x-oss-date", 200, "http://a.example.com"},
		{"without headers", "pages", "http://a.example.com", "POST", "", 200, "http://a.example.com"},
		{"a header that no rule has", "pages", "http://a.example.com", "PUT", "content-md5", 403, ""},
		{"a method that no rule has", "pages", "http://a.example.com", "DELETE", "", 403, ""},
		{"another origin", "pages", "http://example.org", "PUT", "", 403, ""},
		{"another scheme", "pages", "https://a.example.com", "PUT", "", 403, ""},
		{"the second rule", "pages", "http://example.org", "GET", "", 200, "*"},
		{"no such bucket", "none-such", "http://a.example.com", "PUT", "", 403, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			more := []string{"Access-Control-Request-Method", c.method}
			if c.headers != "" {
				more = append(more, "Access-Control-Request-Headers", c.headers)
			}
			res := page(r, http.MethodOptions, c.bucket, c.origin, more...)
			h := res.Header
			if res.StatusCode != c.status || h.Get("Access-Control-Allow-Origin") != c.allowed || h.Get("X-Oss-Request-Id") == "" {
				t.Errorf("%d %v", res.StatusCode, h)
			}
			if c.headers != "" && c.status == 200 && (h.Get("Access-Control-Allow-Headers") != strings.ToLower(c.headers) || h.Get("Access-Control-Max-Age") != "60") {
				t.Errorf("%v", h)
			}
		})
	}
	// What a page is refused it may still read, whoever refused it.
	must(t, r.s.Inject(fake.Fault{Op: "put_object", Name: "ServiceUnavailable", Times: 1}))
	for _, status := range []int{503, 403} {
		res := page(r, http.MethodPut, "pages", "http://a.example.com")
		if res.StatusCode != status || res.Header.Get("Access-Control-Allow-Origin") == "" || res.Header.Get("Access-Control-Expose-Headers") != "ETag, x-oss-request-id" || res.Header.Get("Vary") != "Origin" {
			t.Errorf("%d %v", res.StatusCode, res.Header)
		}
	}
	if res := page(r, http.MethodPut, bkt, "http://a.example.com"); res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a bucket without rules lets a page read")
	}
}
