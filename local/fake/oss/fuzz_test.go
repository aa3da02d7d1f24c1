package oss

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

// FuzzRequest sends what strangers may send: nothing of it may bring the server down or pass for signed.
func FuzzRequest(f *testing.F) {
	keys, err := ram.NewStore(ram.StoreOptions{})
	must(f, err)
	_, err = keys.AddKey("root", "LTAIroot", "SK")
	must(f, err)
	now := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	s, err := New(Options{Credentials: keys, Buckets: []Bucket{{Name: bkt}}, Now: func() time.Time { return now }})
	must(f, err)
	f.Cleanup(func() { s.Close() })
	date := now.Format(http.TimeFormat)
	f.Add("PUT", "/"+bkt+"/k", "partNumber=1&uploadId=U", "127.0.0.1", "OSS LTAIroot:x", date, "bytes=0-1")
	f.Add("GET", "/"+bkt, "list-type=2&continuation-token=%5Cx", bkt+".localhost", algorithmV4+" Credential=LTAIroot/20260701/cn-shanghai/oss/aliyun_v4_request,AdditionalHeaders=a;;host,Signature="+strings.Repeat("0", 64), date, "bytes=-1")
	f.Add("POST", "//", "x-oss-signature-version="+algorithmV4+"&x-oss-date=20260701T000000Z&x-oss-expires=9&x-oss-credential=LTAIroot/20260701/cn-shanghai/oss/aliyun_v4_request&x-oss-signature=0", "[::1]", "", "", "")
	f.Fuzz(func(t *testing.T, method, path, query, host, auth, date, span string) {
		r, err := http.NewRequest(strings.ToUpper(method), "http://h/", strings.NewReader("body"))
		if err != nil {
			return // net/http would not let it in
		}
		r.URL, r.Host = &url.URL{Path: path, RawQuery: query}, host
		r.Header = http.Header{"Authorization": {auth}, "Date": {date}, "Range": {span}}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code < 300 && !strings.HasPrefix(path, "/_fake/") {
			t.Errorf("HTTP %d for %s %s?%s, %q", w.Code, method, path, query, auth)
		}
	})
}

func FuzzRange(f *testing.F) {
	f.Add("bytes=0-1", int64(10))
	f.Add("bytes=-9223372036854775808", int64(1))
	f.Fuzz(func(t *testing.T, text string, size int64) {
		size &= 1<<62 - 1
		if off, end, _, ok := parseRange(text, size); ok && (off < 0 || end < off || end >= size) {
			t.Error(text, size, off, end)
		}
	})
}
