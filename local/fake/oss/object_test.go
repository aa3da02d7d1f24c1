package oss

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

func TestPutAnswersWithDigests(t *testing.T) {
	r := newRig(t)
	body := bytesOf(1000, 1)
	a := r.put("in/视 频.mp4", body, "Content-Type", "video/mp4", "Content-MD5", md5of(body), "x-oss-meta-Who", "me").want(t, 200, "")
	if len(a.body) != 0 || a.header.Get("ETag") != etag(body) || a.header.Get("x-oss-hash-crc64ecma") != crc(body) || a.header.Get("Content-MD5") != md5of(body) ||
		a.header.Get("x-oss-request-id") == "" || a.header.Get("Server") != "AliyunOSS" {
		t.Error(a.header, len(a.body))
	}
	for _, method := range []string{"GET", "HEAD"} {
		a = r.do(request{method: method, key: "in/视 频.mp4"})
		if a.status != 200 || a.header.Get("Content-Length") != "1000" || a.header.Get("Content-Type") != "video/mp4" || a.header.Get("x-oss-meta-who") != "me" ||
			a.header.Get("x-oss-object-type") != "Normal" || a.header.Get("x-oss-hash-crc64ecma") != crc(body) || a.header.Get("Last-Modified") == "" || a.header.Get("x-oss-storage-class") != "Standard" {
			t.Error(method, a.status, a.header)
		}
		if method == "GET" && !bytes.Equal(a.body, body) {
			t.Error("bytes differ")
		}
	}
	if crc([]byte("123456789")) != "11051210869376104954" { // ref. d.5
		t.Error("another CRC64")
	}
	if a := r.put("empty", nil, "Content-Length", "0"); a.status != 200 && a.xml.Code != "MissingContentLength" {
		t.Error(a.status)
	}
	r.do(request{method: "PUT", key: "chunks", body: body, chunked: true}).want(t, 200, "")
	if o, ok := r.s.Stat(bkt, "chunks"); !ok || o.Size != 1000 || o.Owner != "root" {
		t.Error(o)
	}
}

func TestRanges(t *testing.T) {
	r := newRig(t)
	body := bytesOf(1000, 0)
	r.put("k", body).want(t, 200, "")
	for _, c := range []struct {
		text           string
		legacy, strict int
		from, to       int
	}{
		{"bytes=0-9", 206, 206, 0, 10},
		{"bytes=990-", 206, 206, 990, 1000},
		{"bytes=-10", 206, 206, 990, 1000},
		{"bytes=999-999", 206, 206, 999, 1000},
		{"bytes=500-1000", 200, 206, 500, 1000}, // an end beyond the object
		{"bytes=-1001", 200, 206, 0, 1000},
		{"bytes=1000-", 200, 416, 0, 0},
		{"bytes=2000-3000", 200, 416, 0, 0},
		{"bytes=-0", 200, 416, 0, 0},
		{"bytes=9-5", 200, 200, 0, 0},
		{"bytes=0-1,5-6", 200, 200, 0, 0},
		{"lines=0-1", 200, 200, 0, 0},
		{"bytes=x", 200, 200, 0, 0},
	} {
		for _, standard := range []bool{false, true} {
			want, header := c.legacy, []string{"Range", c.text}
			if standard {
				want, header = c.strict, append(header, "x-oss-range-behavior", "standard")
			}
			a := r.do(request{method: "GET", key: "k", header: header})
			wantBody := body
			if want == 206 {
				wantBody = body[c.from:c.to]
			}
			if a.status != want || want != 416 && !bytes.Equal(a.body, wantBody) || want == 416 && a.xml.Code != "InvalidRange" {
				t.Errorf("%s, standard %v: HTTP %d with %d bytes", c.text, standard, a.status, len(a.body))
			}
			if want == 206 && (!strings.HasSuffix(a.header.Get("Content-Range"), "/1000") || a.header.Get("x-oss-hash-crc64ecma") != crc(body)) {
				t.Error(c.text, a.header)
			}
		}
	}
}

func TestConditions(t *testing.T) {
	r := newRig(t)
	body := []byte("hello")
	r.put("k", body).want(t, 200, "")
	past, future := "Wed, 01 Jul 2020 00:00:00 GMT", "Wed, 01 Jul 2099 00:00:00 GMT"
	for _, c := range []struct {
		name, value string
		want        int
	}{
		{"If-Match", etag(body), 200}, {"If-Match", strings.Trim(etag(body), `"`), 200}, {"If-Match", `"X"`, 412}, {"If-Match", "*", 200},
		{"If-None-Match", etag(body), 304}, {"If-None-Match", `"X"`, 200},
		{"If-Modified-Since", past, 200}, {"If-Modified-Since", future, 304},
		{"If-Unmodified-Since", past, 412}, {"If-Unmodified-Since", future, 200},
	} {
		a := r.do(request{method: "GET", key: "k", header: []string{c.name, c.value}})
		if a.status != c.want || (c.want == 412 && a.xml.Code != "PreconditionFailed") || (c.want == 304 && len(a.body) != 0) {
			t.Errorf("%s %s: HTTP %d %s", c.name, c.value, a.status, a.body)
		}
	}
}

func TestHeadErrorsHaveNoBody(t *testing.T) {
	r := newRig(t)
	a := r.do(request{method: "HEAD", key: "none"})
	b, err := base64.StdEncoding.DecodeString(a.header.Get("x-oss-err"))
	if a.status != 404 || err != nil || !strings.Contains(string(b), "<Code>NoSuchKey</Code>") || len(a.body) != 0 {
		t.Error(a.status, err, string(b))
	}
}

// TestEveryRefusalTheServerMakesItself goes row by row through ref. d.4; what only a fault can bring is below.
func TestEveryRefusalTheServerMakesItself(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits = Limits{PutMax: 1 << 20, PartMin: 10, PartMax: 1 << 20, Object: 1 << 20} })
	body := []byte("0123456789")
	r.put("k", body).want(t, 200, "")
	id := r.initiate("m")
	e1 := r.part("m", id, 1, body[:5]).want(t, 200, "").header.Get("ETag")
	e2 := r.part("m", id, 2, body).want(t, 200, "").header.Get("ETag")
	policy, err := r.keys.Issue("p", 1<<40, ram.ObjectPolicy(bkt, "only/*", "oss:PutObject"))
	must(t, err)
	disabled, err := r.keys.AddKey("d", "LTAIoff", "SK")
	must(t, err)
	must(t, r.keys.Disable("LTAIoff"))
	long := strings.Repeat("k", 1024)
	up := "uploadId=" + id
	for name, c := range map[string]struct {
		q      request
		status int
		code   string
	}{
		"part number 0":            {request{method: "PUT", key: "m", query: "partNumber=0&" + up, body: body}, 400, "InvalidArgument"},
		"part number 10001":        {request{method: "PUT", key: "m", query: "partNumber=10001&" + up, body: body}, 400, "InvalidArgument"},
		"part number 1.5":          {request{method: "PUT", key: "m", query: "partNumber=1.5&" + up, body: body}, 400, "InvalidArgument"},
		"part number 10000":        {request{method: "PUT", key: "m", query: "partNumber=10000&" + up, body: body}, 200, ""},
		"Content-MD5 differs":      {request{method: "PUT", key: "k", body: body, header: []string{"Content-MD5", md5of(nil)}}, 400, "InvalidDigest"},
		"Content-MD5 is none":      {request{method: "PUT", key: "k", body: body, header: []string{"Content-MD5", "x"}}, 400, "InvalidDigest"},
		"part's Content-MD5":       {request{method: "PUT", key: "m", query: "partNumber=3&" + up, body: body, header: []string{"Content-MD5", md5of(nil)}}, 400, "InvalidDigest"},
		"complete's Content-MD5":   {request{method: "POST", key: "m", query: up, body: body, header: []string{"Content-MD5", md5of(nil)}}, 400, "InvalidDigest"},
		"CRC64 differs":            {request{method: "PUT", key: "k", body: body, header: []string{"x-oss-hash-crc64ecma", "1"}}, 400, "InvalidCRC64"},
		"object too large":         {request{method: "PUT", key: "k", body: make([]byte, 1<<20+1)}, 400, "EntityTooLarge"},
		"chunked object too large": {request{method: "PUT", key: "k", body: make([]byte, 1<<20+1), chunked: true}, 400, "EntityTooLarge"},
		"part too large":           {request{method: "PUT", key: "m", query: "partNumber=3&" + up, body: make([]byte, 1<<20+1)}, 400, "EntityTooLarge"},
		"not XML":                  {request{method: "POST", key: "m", query: up, body: []byte("{}")}, 400, "MalformedXML"},
		"no parts":                 {request{method: "POST", key: "m", query: up, body: []byte("<CompleteMultipartUpload/>")}, 400, "MalformedXML"},
		"body and complete-all":    {request{method: "POST", key: "m", query: up, body: body, header: []string{"x-oss-complete-all", "yes"}}, 400, "InvalidArgument"},
		"bucket name":              {request{method: "GET", key: "k", bucket: "No_Bucket"}, 400, "InvalidBucketName"},
		"key of 1024 bytes":        {request{method: "PUT", key: long, body: body}, 400, "InvalidObjectName"},
		"key of 1023 bytes":        {request{method: "PUT", key: long[:1023], body: body}, 200, ""},
		"key begins with /":        {request{method: "PUT", key: "/k", body: body}, 400, "InvalidObjectName"},
		"key begins with \\":       {request{method: "PUT", key: `\k`, body: body}, 400, "InvalidObjectName"},
		"copying":                  {request{method: "PUT", key: "k", header: []string{"x-oss-copy-source", "/a/b"}}, 400, "NotImplemented"},
		"acl":                      {request{method: "GET", key: "k", query: "acl"}, 400, "NotImplemented"},
		"no date":                  {request{method: "GET", key: "k", date: "today"}, 403, "AccessDenied"},
		"unsigned":                 {request{method: "GET", key: "k", unsigned: true}, 403, "AccessDenied"},
		"malformed authorization":  {request{method: "GET", key: "k", unsigned: true, header: []string{"Authorization", "OSS x"}}, 400, "InvalidArgument"},
		"policy":                   {request{method: "PUT", key: "k", body: body, cred: policy}, 403, "AccessDenied"},
		"policy permits":           {request{method: "PUT", key: "only/k", body: body, cred: policy}, 200, ""},
		"unknown key id":           {request{method: "GET", key: "k", cred: ram.Credential{AccessKeyID: "x", Secret: "y"}}, 403, "InvalidAccessKeyId"},
		"disabled key":             {request{method: "GET", key: "k", cred: disabled}, 403, "UserDisable"},
		"wrong secret":             {request{method: "GET", key: "k", secret: "x"}, 403, "SignatureDoesNotMatch"},
		"token, permanent key":     {request{method: "GET", key: "k", cred: ram.Credential{AccessKeyID: r.root.AccessKeyID, Secret: "SK", Token: "t"}}, 403, "AccessKeyIdAndSecurityTokenNotMatch"},
		"clock":                    {request{method: "GET", key: "k", date: "Wed, 01 Jul 2020 00:00:00 GMT"}, 403, "RequestTimeTooSkewed"},
		"no such bucket":           {request{method: "GET", key: "k", bucket: "nobody"}, 404, "NoSuchBucket"},
		"no such key":              {request{method: "GET", key: "x"}, 404, "NoSuchKey"},
		"no such upload":           {request{method: "PUT", key: "m", query: "partNumber=1&uploadId=X", body: body}, 404, "NoSuchUpload"},
		"another key's upload":     {request{method: "PUT", key: "n", query: "partNumber=1&" + up, body: body}, 404, "NoSuchUpload"},
		"list of no upload":        {request{method: "GET", key: "m", query: "uploadId=X"}, 404, "NoSuchUpload"},
		"method":                   {request{method: "PATCH", key: "k"}, 405, "MethodNotAllowed"},
		"forbid overwrite":         {request{method: "PUT", key: "k", body: body, header: []string{"x-oss-forbid-overwrite", "true"}}, 409, "FileAlreadyExists"},
		"metadata":                 {request{method: "PUT", key: "k", body: body, header: []string{"x-oss-meta-a", strings.Repeat("a", 8*KiB)}}, 400, "InvalidArgument"},
		"max-parts 1001":           {request{method: "GET", key: "m", query: "max-parts=1001&" + up}, 400, "InvalidArgument"},
		"encoding":                 {request{method: "GET", key: "m", query: "encoding-type=gzip&" + up}, 400, "InvalidArgument"},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.do(c.q).want(t, c.status, c.code)
			if c.code != "" && (a.header.Get("Content-Type") != "application/xml" || a.xml.Message == "" || a.xml.RequestId != a.header.Get("x-oss-request-id") || a.xml.HostId == "") {
				t.Errorf("%+v", a.xml)
			}
		})
	}
	r.complete("m", id, "1", e1, "2", e2).want(t, 400, "EntityTooSmall") // 5 of 10 bytes, and not the last
	r.complete("m", id, "2", e2, "1", e1).want(t, 400, "InvalidPartOrder")
	r.complete("m", id, "2", e2, "2", e2).want(t, 400, "InvalidPartOrder")
	r.complete("m", id, "2", e1).want(t, 400, "InvalidPart")
	r.complete("m", id, "2", strings.ToLower(e2)).want(t, 400, "InvalidPart")
	r.complete("m", id, "7", e2).want(t, 400, "InvalidPart")
	r.complete("m", id, "0", e2).want(t, 400, "InvalidArgument")
	if a := r.do(request{method: "GET", key: "k", secret: "x"}); !strings.HasPrefix(a.xml.StringToSign, "GET\n") {
		t.Error(a.xml)
	}
	r.do(request{method: "GET", key: "x", bucket: "public", unsigned: true}).want(t, 404, "NoSuchKey")
	r.do(request{method: "PUT", key: "x", bucket: "public", unsigned: true}).want(t, 403, "AccessDenied")
}

func TestEveryCodeCanBeInjected(t *testing.T) {
	r := newRig(t)
	for _, name := range ErrorCodes() {
		r.inject(fake.Fault{Op: "put_object", Name: name})
		a := r.put("k", []byte("x")).want(t, codes()[name].status, name)
		if a.header.Get("x-oss-request-id") == "" {
			t.Error(name, a.header)
		}
	}
	if len(ErrorCodes()) != 43 {
		t.Error(len(ErrorCodes()), "codes; ref. d.4 has 42 beside CallbackFailed, and pages get AccessForbidden")
	}
	if _, ok := r.s.Stat(bkt, "k"); ok {
		t.Error("a refused put left an object")
	}
}

func TestPutWithoutLengthIsRefused(t *testing.T) {
	r := newRig(t)
	// A PUT without a body and without Content-Length, as only a hand-written client sends it.
	req, err := http.NewRequest("PUT", r.web.URL+"/"+bkt+"/k", nil)
	must(t, err)
	r.sign(req, request{method: "PUT", key: "k", bucket: bkt, cred: r.root, secret: "SK"})
	a := raw(t, r.web.Listener.Addr().String(), "PUT /"+bkt+"/k HTTP/1.1\r\nHost: "+req.URL.Host+"\r\nDate: "+req.Header.Get("Date")+
		"\r\nAuthorization: "+req.Header.Get("Authorization")+"\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(a, "HTTP/1.1 411 ") || !strings.Contains(a, "MissingContentLength") {
		t.Error(a)
	}
	half := "PUT /" + bkt + "/k HTTP/1.1\r\nHost: " + req.URL.Host + "\r\nDate: " + req.Header.Get("Date") +
		"\r\nAuthorization: " + req.Header.Get("Authorization") + "\r\nConnection: close\r\nContent-Length: 10\r\n\r\nhalf"
	if a := raw(t, r.web.Listener.Addr().String(), half); !strings.HasPrefix(a, "HTTP/1.1 400 ") || !strings.Contains(a, "IncompleteBody") {
		t.Error(a)
	}
	if _, ok := r.s.Stat(bkt, "k"); ok {
		t.Error("half an object was stored")
	}
}
