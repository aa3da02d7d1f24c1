package youku

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// clock is a clock that only tests move. Safe for concurrent use.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 20, 2, 30, 0, 500, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// shelf is an object storage in memory that honours the credentials it issued, and no other.
type shelf struct {
	mu      sync.Mutex
	now     func() time.Time
	issued  map[string]Credentials // by "bucket/object id"
	objects map[string][]byte
	looks   chan chan struct{} // when set, Stat sends a channel and waits on it
	broken  bool
	n       int
}

func newShelf(now func() time.Time) *shelf {
	return &shelf{now: now, issued: map[string]Credentials{}, objects: map[string][]byte{}}
}

func (s *shelf) Issue(bucket, object string, life time.Duration) (Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return Credentials{}, errors.New("no credentials today")
	}
	s.n++
	c := Credentials{AccessKeyID: fmt.Sprint("STS.", s.n), AccessKeySecret: fmt.Sprint("secret", s.n),
		SecurityToken: fmt.Sprint("sts-token", s.n), Expires: s.now().Add(life)}
	s.issued[bucket+"/"+object+" "+c.AccessKeyID] = c
	return c, nil
}

func (s *shelf) Stat(bucket, object string) (Object, bool) {
	if s.looks != nil {
		wait := make(chan struct{})
		s.looks <- wait
		<-wait
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.objects[bucket+"/"+object]
	return Object{Size: int64(len(b)), MD5: md5Of(b), SHA256: sha(b)}, ok
}

// put stores as a client of the storage would: with id, secret and token of one credential, before its end.
func (s *shelf) put(bucket, object, id, secret, token string, b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.issued[bucket+"/"+object+" "+id]
	if !ok || c.AccessKeySecret != secret || c.SecurityToken != token {
		return errors.New("AccessDenied")
	}
	if !s.now().Before(c.Expires) {
		return errors.New("SecurityTokenExpired")
	}
	s.objects[bucket+"/"+object] = b
	return nil
}

func md5Of(b []byte) string { h := md5.Sum(b); return hex.EncodeToString(h[:]) }
func sha(b []byte) string   { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) }

// rig is a fake behind a real listener, and a client of it that knows only the reference.
type rig struct {
	*testing.T
	s      *Server
	web    *httptest.Server
	http   *http.Client
	clock  *clock
	shelf  *shelf
	client string
	act    string
	rft    string
}

func newRig(t *testing.T, change ...func(*Options)) *rig {
	t.Helper()
	c := newClock()
	sh := newShelf(c.Now)
	o := Options{Now: c.Now, Storage: sh}
	for _, f := range change {
		f(&o)
	}
	s, err := New(o)
	must(t, err)
	web := httptest.NewServer(s)
	t.Cleanup(func() { web.Close(); s.Close() })
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	r := &rig{T: t, s: s, web: web, clock: c, shelf: sh, client: s.o.Apps[0].ClientID, http: &http.Client{Transport: tr}}
	r.be("main")
	return r
}

// be makes the client act for another account from now on.
func (r *rig) be(name string) {
	r.Helper()
	g, err := r.s.AddAccount(name)
	must(r, err)
	r.act, r.rft = g.AccessToken, g.RefreshToken
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reply is an answer as a client sees it, parsed in the order of ref. 2. code is "" on success, "transport" where
// nothing of the platform's could be read.
type reply struct {
	status int
	header http.Header
	raw    string
	code   string
	text   string
	field  map[string]any
	err    error
}

func (a reply) str(key string) string {
	if a.field[key] == nil {
		return "<none>"
	}
	return fmt.Sprint(a.field[key])
}

func (a reply) want(t testing.TB, code string) reply {
	t.Helper()
	if a.err != nil || a.code != code {
		t.Fatalf("code %q, want %q: HTTP %d, %v, %s", a.code, code, a.status, a.err, a.raw)
	}
	return a
}

func (r *rig) send(method, path string, q url.Values, ct, body string) reply {
	r.Helper()
	u := r.web.URL + path
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	req, err := http.NewRequest(method, u, strings.NewReader(body))
	must(r, err)
	if ct != "" {
		req.Header.Set("Content-Type", ct)
	}
	return r.do(req)
}

func (r *rig) do(req *http.Request) reply {
	res, err := r.http.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	a := reply{status: res.StatusCode, header: res.Header, raw: string(b), err: err}
	a.parse()
	return a
}

func (a *reply) parse() {
	d := json.NewDecoder(strings.NewReader(a.raw))
	d.UseNumber()
	if d.Decode(&a.field) == nil {
		if e, is := a.field["error"].(map[string]any); is {
			a.code, a.text = fmt.Sprint(e["code"]), fmt.Sprint(e["description"])
			return
		}
		if a.status >= 200 && a.status < 300 {
			return
		}
	}
	a.code = "transport"
	if q, err := url.ParseQuery(a.raw); err == nil && q.Get("code") != "" {
		a.code, a.text = q.Get("code"), q.Get("description")
	}
}

const formType = "application/x-www-form-urlencoded"

func (r *rig) post(path string, form url.Values) reply {
	r.Helper()
	return r.send("POST", path, nil, formType, form.Encode())
}

// with is the two parameters of every call, and kv: "key", "value" pairs; a value "-" takes the key out.
func (r *rig) with(base url.Values, kv ...string) url.Values {
	f := url.Values{"client_id": {r.client}, "access_token": {r.act}}
	maps.Copy(f, base)
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] == "-" {
			f.Del(kv[i])
		} else {
			f.Set(kv[i], kv[i+1])
		}
	}
	return f
}

// The calls, typed here once more from the reference, so that a slip in the server's table shows.

func (r *rig) refresh(kv ...string) reply {
	r.Helper()
	f := r.with(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {r.rft}}, append([]string{"access_token", "-"}, kv...)...)
	a := r.post("/oauth2/token.json", f)
	if a.code == "" && a.err == nil && a.str("access_token") != "<none>" {
		r.act = a.str("access_token")
		if rt := a.str("refresh_token"); rt != "<none>" {
			r.rft = rt
		}
	}
	return a
}

func (r *rig) create(b []byte, kv ...string) reply {
	r.Helper()
	return r.post("/uploads/create.json", r.createForm(b, kv...))
}

func (r *rig) createForm(b []byte, kv ...string) url.Values {
	return r.with(url.Values{"file_name": {"a.mp4"}, "file_md5": {md5Of(b)}, "file_size": {fmt.Sprint(len(b))}, "title": {"hello"},
		"tags": {"ab,cd"}, "isnew": {"1"}}, kv...)
}

func (r *rig) sts(a reply, kv ...string) reply {
	r.Helper()
	return r.post("/uploads/get_sts_inf.json", r.with(url.Values{"upload_token": {a.str("upload_token")},
		"oss_bucket": {a.str("oss_bucket")}, "oss_object": {a.str("oss_object")}}, kv...))
}

func (r *rig) commit(a reply, kv ...string) reply {
	r.Helper()
	return r.post("/uploads/commit.json", r.with(url.Values{"upload_token": {a.str("upload_token")}}, kv...))
}

func (r *rig) cancel(a reply) reply {
	r.Helper()
	return r.send("GET", "/uploads/cancel.json", r.with(url.Values{"upload_token": {a.str("upload_token")}}), "", "")
}

func (r *rig) show(id string) reply {
	r.Helper()
	return r.send("GET", "/videos/show.json", url.Values{"client_id": {r.client}, "video_id": {id}}, "", "")
}

// put sends b to the storage by the place that create named and the credential of cred.
func (r *rig) put(a, cred reply, b []byte) error {
	return r.shelf.put(a.str("oss_bucket"), a.str("oss_object"), cred.str("temp_access_id"), cred.str("temp_access_secret"),
		cred.str("security_token"), b)
}

// uploaded creates an upload and stores its bytes.
func (r *rig) uploaded(content string, kv ...string) reply {
	r.Helper()
	a := r.create([]byte(content), kv...).want(r, "")
	must(r, r.put(a, a, []byte(content)))
	return a
}

// published goes all the way.
func (r *rig) published(content string, kv ...string) string {
	r.Helper()
	return r.commit(r.uploaded(content, kv...)).want(r, "").str("video_id")
}

func (r *rig) posts() int { return len(r.s.Effects().Posts) }

func (r *rig) inject(f fake.Fault) {
	r.Helper()
	must(r, r.s.Inject(f))
}

func (r *rig) state(id string) string {
	r.Helper()
	return r.show(id).want(r, "").str("state")
}
