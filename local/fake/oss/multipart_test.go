package oss

import (
	"bytes"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/fake"
)

// raw sends bytes as they are and half closes.
func raw(t *testing.T, addr, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	_, err = io.WriteString(c, text)
	must(t, err)
	must(t, c.(*net.TCPConn).CloseWrite())
	b, err := io.ReadAll(c)
	must(t, err)
	return string(b)
}

func TestMultipartTakesPartsInAnyOrderWithGapsAndRepeats(t *testing.T) {
	r := newRig(t)
	id := r.initiate("m")
	a, b, c := bytesOf(100*KiB, 1), bytesOf(100*KiB+1, 2), bytesOf(3, 3)
	r.part("m", id, 900, c).want(t, 200, "")
	r.part("m", id, 1, b).want(t, 200, "") // replaced below
	r.part("m", id, 5, b).want(t, 200, "")
	p := r.part("m", id, 1, a).want(t, 200, "")
	if p.header.Get("ETag") != etag(a) || p.header.Get("x-oss-hash-crc64ecma") != crc(a) {
		t.Error(p.header)
	}
	list := r.do(request{method: "GET", key: "m", query: "max-parts=2&uploadId=" + id}).want(t, 200, "").xml
	if len(list.Part) != 2 || !list.IsTruncated || list.NextPartNumberMarker != "5" || list.Part[0].ETag != etag(a) || list.Part[1].Size != 100*KiB+1 {
		t.Errorf("%+v", list)
	}
	list = r.do(request{method: "GET", key: "m", query: "part-number-marker=5&uploadId=" + id}).want(t, 200, "").xml
	if len(list.Part) != 1 || list.IsTruncated || list.Part[0].PartNumber != 900 {
		t.Errorf("%+v", list)
	}
	if r.do(request{method: "HEAD", key: "m"}).status != 404 {
		t.Error("the object is there before complete")
	}
	done := r.complete("m", id, "1", etag(a), "5", etag(b), "900", strings.Trim(etag(c), `"`)).want(t, 200, "")
	whole := bytes.Join([][]byte{a, b, c}, nil)
	if !strings.HasSuffix(done.xml.ETag, `-3"`) || done.header.Get("x-oss-hash-crc64ecma") != crc(whole) || done.xml.Bucket != bkt || done.xml.Key != "m" {
		t.Errorf("%+v %v", done.xml, done.header)
	}
	got := r.do(request{method: "GET", key: "m"})
	if !bytes.Equal(got.body, whole) || got.header.Get("x-oss-object-type") != "Multipart" || got.header.Get("Content-MD5") != "" || got.header.Get("ETag") != done.xml.ETag {
		t.Error("bytes or header differ", got.header)
	}
	across := r.do(request{method: "GET", key: "m", header: []string{"Range", "bytes=102390-204802"}})
	if across.status != 206 || !bytes.Equal(across.body, whole[102390:204803]) {
		t.Error("a range over three parts differs")
	}
	r.complete("m", id, "1", etag(a)).want(t, 404, "NoSuchUpload")
	r.part("m", id, 1, a).want(t, 404, "NoSuchUpload")
	r.do(request{method: "DELETE", key: "m", query: "uploadId=" + id}).want(t, 404, "NoSuchUpload")
	info, _ := r.s.Stat(bkt, "m")
	if info.Parts != 3 || len(info.MD5) != 32 || `"`+strings.ToUpper(info.MD5)+`"` != etag(whole) {
		t.Error(info)
	}
}

func TestCompleteAllNeedsNoBody(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.PartMin, o.Readings.CompleteAgain = 1, "same" })
	id := r.initiate("m")
	r.part("m", id, 2, []byte("b")).want(t, 200, "")
	r.part("m", id, 1, []byte("a")).want(t, 200, "")
	all := request{method: "POST", key: "m", query: "uploadId=" + id, header: []string{"x-oss-complete-all", "yes"}}
	first := r.do(all).want(t, 200, "")
	if a := r.do(request{method: "GET", key: "m"}); string(a.body) != "ab" {
		t.Error(string(a.body))
	}
	if again := r.do(all).want(t, 200, ""); again.xml.ETag != first.xml.ETag {
		t.Error(again.xml)
	}
}

func TestAbortFreesTheDisk(t *testing.T) {
	r := newRig(t)
	r.put("m", []byte("old")).want(t, 200, "")
	id := r.initiate("m")
	r.part("m", id, 1, bytesOf(10, 0)).want(t, 200, "")
	if a := r.do(request{method: "DELETE", key: "m", query: "uploadId=" + id}); a.status != 204 || len(a.body) != 0 {
		t.Error(a.status)
	}
	if a := r.do(request{method: "GET", key: "m"}); string(a.body) != "old" {
		t.Error("the old object was touched")
	}
	id = r.initiate("n")
	must(t, r.s.ForgetUpload(bkt, id))
	r.part("n", id, 1, nil)
	if r.s.OpenUploads(bkt) != 0 || r.s.ForgetUpload(bkt, id) == nil {
		t.Error("an upload is left")
	}
	left, err := os.ReadDir(r.s.path("buckets", bkt, "data"))
	if err != nil || len(left) != 1 {
		t.Error(left, err)
	}
}

func TestAReaderKeepsWhatIsReplaced(t *testing.T) {
	r := newRig(t)
	r.put("k", []byte("old")).want(t, 200, "")
	rc, err := r.s.OpenObject(bkt, "k")
	must(t, err)
	r.put("k", []byte("new")).want(t, 200, "")
	b, err := io.ReadAll(rc)
	must(t, err)
	must(t, rc.Close())
	left, err := os.ReadDir(r.s.path("buckets", bkt, "data"))
	if string(b) != "old" || err != nil || len(left) != 1 {
		t.Error(string(b), left, err)
	}
}

func TestListsPage(t *testing.T) {
	r := newRig(t)
	for _, k := range []string{"a/1", "a/2", "b", "c/1"} {
		r.put(k, []byte("x")).want(t, 200, "")
		r.initiate(k)
	}
	get := func(q string) string {
		a := r.do(request{method: "GET", query: q})
		if a.status != 200 {
			t.Error(q, a.status, string(a.body))
		}
		return string(a.body)
	}
	if s := get("delimiter=%2F&max-keys=2"); strings.Count(s, "<Contents>") != 1 || strings.Count(s, "<CommonPrefixes>") != 1 || !strings.Contains(s, "<NextMarker>b<") {
		t.Error(s)
	}
	if s := get("marker=b"); strings.Count(s, "<Contents>") != 1 || !strings.Contains(s, "c/1") || strings.Contains(s, "<KeyCount>") {
		t.Error(s)
	}
	if s := get("list-type=2&prefix=a%2F&encoding-type=url"); strings.Count(s, "<Contents>") != 2 || !strings.Contains(s, "a%2F2") || !strings.Contains(s, "<KeyCount>2<") {
		t.Error(s)
	}
	if s := get("uploads&max-uploads=3"); strings.Count(s, "<Upload>") != 3 || !strings.Contains(s, "<NextKeyMarker>b<") {
		t.Error(s)
	}
	if s := get("uploads&key-marker=b"); strings.Count(s, "<Upload>") != 1 {
		t.Error(s)
	}
}

func TestFaultsSpoilStreams(t *testing.T) {
	r := newRig(t)
	body := bytesOf(MiB, 0)
	r.put("k", body).want(t, 200, "")
	get := func(f fake.Fault) reply {
		f.Op = "get_object"
		r.inject(f)
		return r.do(request{method: "GET", key: "k"})
	}
	if a := get(fake.Fault{Body: fake.BodyShort}); a.err == nil || len(a.body) != MiB/2 || a.header.Get("Content-Length") != strconv.Itoa(MiB) {
		t.Error("short:", a.err, len(a.body), a.header)
	}
	if a := get(fake.Fault{Body: fake.BodyGarbled}); a.err != nil || !bytes.Equal(a.body, body[:MiB/2]) {
		t.Error("garbled:", a.err, len(a.body))
	}
	if a := get(fake.Fault{Name: "ServiceUnavailable", When: fake.After}); a.status != 503 || a.xml.Code != "ServiceUnavailable" {
		t.Error("after:", a.status)
	}
	if a := get(fake.Fault{Status: 502}); a.status != 502 || !strings.Contains(string(a.body), "<html>") {
		t.Error("html:", a.status)
	}
	if a := r.do(request{method: "GET", key: "k"}); !bytes.Equal(a.body, body) || a.header.Get(streamMark) != "" {
		t.Error("unspoilt:", len(a.body), a.header)
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if len(r.s.readers) != 0 {
		t.Error("readers left:", r.s.readers)
	}
}

func TestFaultsSpoilKeysAndParts(t *testing.T) {
	r := newRig(t)
	id := r.initiate("m")
	c, err := r.keys.Issue("u", 1<<40)
	must(t, err)
	part := request{method: "PUT", key: "m", query: "partNumber=1&uploadId=" + id, body: bytesOf(10, 0), cred: c}
	r.inject(fake.Fault{Op: "upload_part", Account: "u", Token: fake.TokenExpire, When: fake.After})
	r.do(part).want(t, 200, "")
	r.do(part).want(t, 403, "SecurityTokenExpired")
	part.cred, err = r.keys.Issue("u", 1<<40)
	must(t, err)
	r.inject(fake.Fault{Op: "upload_part", Token: fake.TokenRevoke})
	r.do(part).want(t, 403, "InvalidAccessKeyId")
	part.cred, err = r.keys.Issue("u", 1<<40)
	must(t, err)
	r.inject(fake.Fault{Op: "upload_part", Token: fake.TokenRotate})
	r.do(part).want(t, 403, "InvalidSecurityToken")
	r.inject(fake.Fault{Op: "upload_part", Cut: fake.CutBody, CutAt: 4})
	if a := r.part("m", id, 2, bytesOf(10, 0)); a.err == nil {
		t.Error("answered")
	}
	r.inject(fake.Fault{Op: "complete", Cut: fake.CutAfter})
	if a := r.complete("m", id, "1", etag(bytesOf(10, 0))); a.err == nil {
		t.Error("answered")
	}
	if _, ok := r.s.Stat(bkt, "m"); !ok {
		t.Error("cut after the effect, but no effect")
	}
	for _, e := range r.s.Requests(0) {
		if strings.Contains(e.Query, id) {
			t.Error("an upload id is logged:", e.Query)
		}
	}
}
