package oss

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"hash/crc64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

const bkt = "vodlift-in"

// clock is a clock that tests move. It starts now: the vendor's SDK stamps its requests with the machine's own time.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type rig struct {
	testing.TB
	s    *Server
	keys *ram.Store
	root ram.Credential
	web  *httptest.Server
	http *http.Client
	clock
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newRig(t *testing.T, edit ...func(*Options)) *rig {
	t.Helper()
	r := &rig{TB: t}
	r.at = time.Now()
	var err error
	r.keys, err = ram.NewStore(ram.StoreOptions{Now: r.now})
	must(t, err)
	r.root, err = r.keys.AddKey("root", "LTAIroot", "SK")
	must(t, err)
	o := Options{Credentials: r.keys, Buckets: []Bucket{{Name: bkt}, {Name: "public", PublicRead: true}}, Now: r.now, Limits: Limits{PartMin: 100 * KiB}}
	for _, f := range edit {
		f(&o)
	}
	r.s, err = New(o)
	must(t, err)
	r.web = httptest.NewServer(r.s)
	r.http = r.web.Client()
	t.Cleanup(func() { r.web.Close(); must(t, r.s.Close()) })
	return r
}

func (r *rig) inject(f fake.Fault) {
	r.Helper()
	must(r, r.s.Inject(f))
}

// request is what the plain client sends: written from the reference, it shares no code with the server.
type request struct {
	method, key, query string // the query as it stands on the line
	body               []byte
	header             []string // name, value...
	cred               ram.Credential
	date               string // empty: now
	unsigned           bool
	host               string // empty: the server's own, path style
	bucket             string // empty: bkt
	secret             string // empty: cred's
	chunked            bool
}

type reply struct {
	status int
	header http.Header
	body   []byte
	err    error
	xml    struct {
		Code, Message, RequestId, HostId, EC string
		UploadId, ETag, Key, Bucket          string
		StringToSign                         string
		IsTruncated                          bool
		NextPartNumberMarker                 string
		Part                                 []struct {
			PartNumber int
			ETag       string
			Size       int64
		}
	}
}

func (r *rig) do(q request) reply {
	r.Helper()
	if q.bucket == "" {
		q.bucket = bkt
	}
	if q.cred.AccessKeyID == "" {
		q.cred = r.root
	}
	if q.secret == "" {
		q.secret = q.cred.Secret
	}
	path := "/" + q.bucket + "/" + strings.ReplaceAll(url.PathEscape(q.key), "%2F", "/")
	if q.host != "" {
		path = "/" + strings.ReplaceAll(url.PathEscape(q.key), "%2F", "/")
	}
	target := r.web.URL + path
	if q.query != "" {
		target += "?" + q.query
	}
	var body io.Reader = bytes.NewReader(q.body)
	if q.chunked {
		body = io.MultiReader(body)
	}
	req, err := http.NewRequest(q.method, target, body)
	must(r, err)
	req.Host = q.host
	for i := 0; i < len(q.header); i += 2 {
		req.Header.Set(q.header[i], q.header[i+1])
	}
	if !q.unsigned {
		r.sign(req, q)
	}
	return r.send(req)
}

func (r *rig) send(req *http.Request) reply {
	r.Helper()
	res, err := r.http.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	a := reply{status: res.StatusCode, header: res.Header}
	a.body, a.err = io.ReadAll(res.Body)
	if strings.HasPrefix(string(a.body), "<?xml") {
		must(r, xml.Unmarshal(a.body, &a.xml))
	}
	return a
}

// sign is ref. d.2 once more, straight from its text.
func (r *rig) sign(req *http.Request, q request) {
	date := q.date
	if date == "" {
		date = r.now().UTC().Format(http.TimeFormat)
	}
	req.Header.Set("Date", date)
	if q.cred.Token != "" {
		req.Header.Set("x-oss-security-token", q.cred.Token)
	}
	var oss []string
	for name := range req.Header {
		if l := strings.ToLower(name); strings.HasPrefix(l, "x-oss-") {
			oss = append(oss, l+":"+req.Header.Get(name)+"\n")
		}
	}
	sort.Strings(oss)
	resource := "/" + q.bucket + "/" + q.key
	var subs []string
	for part := range strings.SplitSeq(q.query, "&") {
		name, _, _ := strings.Cut(part, "=")
		switch name {
		case "uploads", "uploadId", "partNumber", "acl", "tagging", "append":
			subs = append(subs, part)
		}
	}
	sort.Strings(subs)
	if len(subs) > 0 {
		resource += "?" + strings.Join(subs, "&")
	}
	text := q.method + "\n" + req.Header.Get("Content-MD5") + "\n" + req.Header.Get("Content-Type") + "\n" + date + "\n" + strings.Join(oss, "") + resource
	h := hmac.New(sha1.New, []byte(q.secret))
	h.Write([]byte(text))
	req.Header.Set("Authorization", "OSS "+q.cred.AccessKeyID+":"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
}

func (a reply) want(t testing.TB, status int, code string) reply {
	t.Helper()
	if a.status != status || a.xml.Code != code {
		t.Errorf("HTTP %d %s (%v), want %d %s: %s", a.status, a.xml.Code, a.err, status, code, a.body)
	}
	return a
}

func (r *rig) put(key string, body []byte, header ...string) reply {
	r.Helper()
	return r.do(request{method: "PUT", key: key, body: body, header: header})
}

func (r *rig) initiate(key string) string {
	r.Helper()
	return r.do(request{method: "POST", key: key, query: "uploads"}).want(r, 200, "").xml.UploadId
}

func (r *rig) part(key, id string, n int, body []byte) reply {
	r.Helper()
	return r.do(request{method: "PUT", key: key, query: "partNumber=" + strconv.Itoa(n) + "&uploadId=" + id, body: body})
}

// complete names parts as number, etag...
func (r *rig) complete(key, id string, parts ...string) reply {
	r.Helper()
	var b strings.Builder
	b.WriteString("<CompleteMultipartUpload>")
	for i := 0; i < len(parts); i += 2 {
		b.WriteString("<Part><PartNumber>" + parts[i] + "</PartNumber><ETag>" + strings.ReplaceAll(parts[i+1], `"`, "&#34;") + "</ETag></Part>")
	}
	b.WriteString("</CompleteMultipartUpload>")
	return r.do(request{method: "POST", key: key, query: "uploadId=" + id, body: []byte(b.String())})
}

func etag(b []byte) string {
	s := md5.Sum(b)
	return `"` + strings.ToUpper(hex.EncodeToString(s[:])) + `"`
}

func md5of(b []byte) string {
	s := md5.Sum(b)
	return base64.StdEncoding.EncodeToString(s[:])
}

func crc(b []byte) string {
	return strconv.FormatUint(crc64.Checksum(b, crc64.MakeTable(crc64.ECMA)), 10)
}

// bytesOf is n bytes that differ from place to place.
func bytesOf(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7+i/251) + seed
	}
	return b
}
