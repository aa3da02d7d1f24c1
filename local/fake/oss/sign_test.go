package oss

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"
)

// vector is the request of ref. d.2 and d.3.
func vector() (*http.Request, address, url.Values) {
	r := httptest.NewRequest("PUT", "/bkt/sv%2Fa%20b.mp4?partNumber=1&uploadId=UP1", nil)
	r.Header.Set("Content-Type", "video/mp4")
	r.Header.Set("Date", "Wed, 01 Jul 2026 00:00:00 GMT")
	r.Header.Set("x-oss-security-token", "TOK")
	return r, address{bucket: "bkt", key: "sv/a b.mp4"}, r.URL.Query()
}

func TestReferenceVectorV1(t *testing.T) {
	r, at, q := vector()
	got := attemptsV1(r, at, q, "SK", r.Header.Get("Date"))[0].signature
	if want := "EjXj3Myrr8YyY28ZxrexIyRU7rQ="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReferenceVectorV4(t *testing.T) {
	r, at, q := vector()
	r.Header.Set("x-oss-content-sha256", unsigned)
	sum := sha256.Sum256([]byte(canonicalV4(r.Method, at.bucket, at.key, q, r.Header, r.Host, nil)))
	if got, want := hex.EncodeToString(sum[:]), "907dbbe9daf80d6f4b963e68986ab7d07a8161cf968d6115303216296b5db774"; got != want {
		t.Errorf("canonical request: got %s, want %s", got, want)
	}
	got := attemptV4(r, at, q, scope{id: "id", day: "20260701", region: "cn-shanghai"}, r.Header.Get("Date"), nil, "SK").signature
	if want := "d3c576dc4044141ac643c39e72a314408ef7214b3eb5c08f509b628472eb49a9"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLocatesByHost(t *testing.T) {
	r := newRig(t, func(o *Options) { o.CNAMEs = map[string]string{"media.example": bkt} })
	for _, c := range []struct{ host, path, bucket, key, fail string }{
		{"127.0.0.1:9", "/b/k/x", "b", "k/x", ""},
		{"[::1]:9", "/b//x", "b", "/x", ""},
		{"localhost", "/b", "b", "", ""},
		{"b.localhost:9", "/k", "b", "k", ""},
		{"b.oss-cn-shanghai.aliyuncs.com", "/sv%2Fa%20b", "b", "sv/a b", ""},
		{"B.OSS-cn-shanghai-internal.aliyuncs.com", "/_fake/x", "b", "_fake/x", ""},
		{"oss-cn-shanghai.aliyuncs.com", "/b/k", "b", "k", "SecondLevelDomainForbidden"},
		{"media.example:80", "/a/b", bkt, "a/b", ""},
		{"b.oss-cn-beijing.aliyuncs.com", "/k", "", "", "AccessDenied"},
	} {
		req := httptest.NewRequest("GET", c.path, nil)
		req.Host = c.host
		at := r.s.locate(req)
		code := ""
		if at.fail != nil {
			code = at.fail.code
		}
		if at.bucket != c.bucket || at.key != c.key || code != c.fail {
			t.Errorf("%s%s: %q %q %s", c.host, c.path, at.bucket, at.key, code)
		}
	}
	a := r.do(request{method: "GET", key: "k", host: bkt + ".oss-cn-shanghai.aliyuncs.com"})
	a.want(t, 404, "NoSuchKey")
	if a.xml.HostId != bkt+".oss-cn-shanghai.aliyuncs.com" {
		t.Error(a.xml)
	}
}

// headers of a V4 request by hand, changed by edit before it is signed.
func (r *rig) v4(edit func(h http.Header, c map[string]string)) reply {
	r.Helper()
	now := r.now().UTC()
	req, err := http.NewRequest("GET", r.web.URL+"/"+bkt+"/none", nil)
	must(r, err)
	c := map[string]string{"id": r.root.AccessKeyID, "day": now.Format("20060102"), "region": "cn-shanghai", "product": "oss", "end": scopeEnd, "secret": "SK"}
	req.Header.Set("x-oss-date", now.Format(timeV4))
	req.Header.Set("x-oss-content-sha256", unsigned)
	edit(req.Header, c)
	a := attemptV4(req, address{bucket: bkt, key: "none"}, nil, scope{c["id"], c["day"], c["region"]}, req.Header.Get("x-oss-date"), nil, c["secret"])
	if req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", algorithmV4+" Credential="+c["id"]+"/"+c["day"]+"/"+c["region"]+"/"+c["product"]+"/"+c["end"]+", Signature="+a.signature)
	}
	return r.send(req)
}

func TestV4Refusals(t *testing.T) {
	r := newRig(t)
	now := r.now().UTC()
	for name, c := range map[string]struct {
		edit   func(h http.Header, c map[string]string)
		status int
		code   string
	}{
		"good":            {func(http.Header, map[string]string) {}, 404, "NoSuchKey"},
		"region":          {func(_ http.Header, c map[string]string) { c["region"] = "oss-cn-shanghai" }, 400, "InvalidArgument"},
		"product":         {func(_ http.Header, c map[string]string) { c["product"] = "s3" }, 400, "InvalidArgument"},
		"end of scope":    {func(_ http.Header, c map[string]string) { c["end"] = "abc" }, 400, "InvalidArgument"},
		"day":             {func(_ http.Header, c map[string]string) { c["day"] = "20200101" }, 400, "InvalidArgument"},
		"secret":          {func(_ http.Header, c map[string]string) { c["secret"] = "x" }, 403, "SignatureDoesNotMatch"},
		"key":             {func(_ http.Header, c map[string]string) { c["id"] = "x" }, 403, "InvalidAccessKeyId"},
		"no payload hash": {func(h http.Header, _ map[string]string) { h.Del("x-oss-content-sha256") }, 400, "InvalidArgument"},
		"a real one":      {func(h http.Header, _ map[string]string) { h.Set("x-oss-content-sha256", "e3b0") }, 400, "InvalidArgument"},
		"no date":         {func(h http.Header, _ map[string]string) { h.Del("x-oss-date") }, 403, "AccessDenied"},
		"date unreadable": {func(h http.Header, _ map[string]string) { h.Set("x-oss-date", "now") }, 403, "AccessDenied"},
		"clock": {func(h http.Header, c map[string]string) {
			late := now.Add(-15*time.Minute - 2*time.Second)
			h.Set("x-oss-date", late.Format(timeV4))
			c["day"] = late.Format("20060102")
		}, 403, "RequestTimeTooSkewed"},
		"signature of 1 letter": {func(h http.Header, c map[string]string) {
			h.Set("Authorization", algorithmV4+" Credential="+c["id"]+"/"+c["day"]+"/cn-shanghai/oss/"+scopeEnd+",Signature=1")
		}, 400, "InvalidArgument"},
		"another scheme": {func(h http.Header, _ map[string]string) { h.Set("Authorization", "OSSxxx a:b") }, 400, "InvalidArgument"},
	} {
		t.Run(name, func(t *testing.T) { r.v4(c.edit).want(t, c.status, c.code) })
	}
}

// presign makes a V4 URL by hand.
func (r *rig) presign(edit func(q url.Values)) *http.Request {
	now := r.now().UTC()
	q := url.Values{"x-oss-signature-version": {algorithmV4}, "x-oss-date": {now.Format(timeV4)}, "x-oss-expires": {"60"},
		"x-oss-credential": {r.root.AccessKeyID + "/" + now.Format("20060102") + "/cn-shanghai/oss/" + scopeEnd}}
	edit(q)
	req, err := http.NewRequest("GET", r.web.URL+"/"+bkt+"/k", nil)
	must(r, err)
	a := attemptV4(req, address{bucket: bkt, key: "k"}, q, scope{r.root.AccessKeyID, now.Format("20060102"), "cn-shanghai"}, q.Get("x-oss-date"), nil, "SK")
	if !q.Has("x-oss-signature") {
		q.Set("x-oss-signature", a.signature)
	}
	req.URL.RawQuery = q.Encode()
	return req
}

func TestSignedURLs(t *testing.T) {
	r := newRig(t)
	r.put("k", []byte("hello")).want(t, 200, "")
	later := r.presign(func(url.Values) {})
	r.send(r.presign(func(url.Values) {})).want(t, 200, "")
	r.send(r.presign(func(q url.Values) { q.Set("response-content-type", "x/y") })).want(t, 200, "")
	r.send(r.presign(func(q url.Values) { q.Set("x-oss-signature", "0") })).want(t, 403, "SignatureDoesNotMatch")
	r.send(r.presign(func(q url.Values) { q.Del("x-oss-date") })).want(t, 400, "InvalidArgument")
	r.send(r.presign(func(q url.Values) { q.Set("x-oss-expires", "604801") })).want(t, 400, "InvalidArgument")
	r.send(r.presign(func(q url.Values) { q.Set("x-oss-signature-version", "OSS2") })).want(t, 400, "InvalidArgument")
	v1 := func(expires string, secret string) reply {
		q := url.Values{"OSSAccessKeyId": {r.root.AccessKeyID}, "Expires": {expires}}
		req, err := http.NewRequest("GET", r.web.URL+"/"+bkt+"/k", nil)
		must(r, err)
		q.Set("Signature", attemptsV1(req, address{bucket: bkt, key: "k"}, q, secret, expires)[0].signature)
		req.URL.RawQuery = q.Encode()
		return r.send(req)
	}
	end := strconv.FormatInt(r.now().Unix()+30, 10)
	v1(end, "SK").want(t, 200, "")
	v1(end, "no").want(t, 403, "SignatureDoesNotMatch")
	v1("soon", "SK").want(t, 403, "AccessDenied")
	r.clock.add(61 * time.Second)
	v1(end, "SK").want(t, 403, "AccessDenied")
	r.send(later).want(t, 403, "AccessDenied")
}
