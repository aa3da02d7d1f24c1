package douyinweb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/tos"
)

// clock is a clock that only tests move. Safe for concurrent use.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

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

const user = "104855312345"

// rig is the platform and its storage behind real listeners, a host each, and a client that knows only the reference.
type rig struct {
	*testing.T
	s       *Server
	tos     *tos.Server
	site    string // media.douyin.com
	gateway string // vas-lf-x.snssdk.com
	http    *http.Client
	clock   *clock
	cookies string
	csrf    string
	ak      string
	auth    string
}

func newRig(t *testing.T, change ...func(*Options)) *rig {
	t.Helper()
	c := &clock{t: time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)}
	o := Options{Now: c.Now}
	for _, f := range change {
		f(&o)
	}
	storeDir := ""
	if o.Dir != "" {
		storeDir = o.Dir + "-tos"
	}
	store, err := tos.New(tos.Options{Now: c.Now, Dir: storeDir, Limits: tos.Limits{PartMin: 4, PartMax: 10}, KeepBytes: true})
	must(t, err)
	listen := func(h http.Handler) string {
		web := httptest.NewServer(h)
		t.Cleanup(web.Close)
		return web.URL
	}
	o.Storage = store
	o.StorageHost = strings.TrimPrefix(listen(store), "http://")
	s, err := New(o)
	must(t, err)
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(func() { tr.CloseIdleConnections(); s.Close(); store.Close() })
	r := &rig{T: t, s: s, tos: store, clock: c, site: listen(s.Creator()), gateway: listen(s.Gateway()),
		http: &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	login, err := s.AddAccount(user)
	must(t, err)
	r.use(login)
	return r
}

func (r *rig) use(login Session) {
	r.cookies = login.Header()
	for _, c := range login.Cookies {
		if c.Name == "csrf_token" {
			r.csrf = c.Value
		}
	}
}

type reply struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
	err    error
}

func (r *rig) do(method, u, body string, edit ...func(*http.Request)) reply {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, u, strings.NewReader(body))
	must(r, err)
	for _, f := range edit {
		f(req)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	out := reply{status: res.StatusCode, header: res.Header, raw: string(b), err: err}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	_ = d.Decode(&out.body) // pages are looked at raw
	return out
}

// head sets headers, pair by pair; an empty value takes one away.
func head(pairs ...string) func(*http.Request) {
	return func(r *http.Request) {
		for i := 0; i+1 < len(pairs); i += 2 {
			r.Header.Del(pairs[i])
			if pairs[i+1] != "" {
				r.Header.Set(pairs[i], pairs[i+1])
			}
		}
	}
}

// str is a value by its dotted path.
func (a reply) str(path string) string {
	var v any = a.body
	for _, k := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[k]
		case []any:
			i := int(k[0] - '0')
			if i >= len(x) {
				return "<nil>"
			}
			v = x[i]
		}
	}
	return fmt.Sprint(v)
}

// want checks status_code or code.
func (a reply) want(t testing.TB, code int) reply {
	t.Helper()
	got := a.str("status_code")
	if got == "<nil>" {
		got = a.str("code")
	}
	if a.err != nil || a.status != 200 || got != fmt.Sprint(code) {
		t.Fatalf("got HTTP %d, code %s (%v), want %d: %s", a.status, got, a.err, code, a.raw)
	}
	return a
}

// The steps of the reference, typed from it.

func (r *rig) upAuth(edit ...func(*http.Request)) reply {
	r.Helper()
	return r.do("GET", r.site+"/web/api/media/upload/auth/", "", append([]func(*http.Request){head("Cookie", r.cookies)}, edit...)...)
}

// signIn does step 1.
func (r *rig) signIn() {
	r.Helper()
	a := r.upAuth().want(r, 0)
	r.ak, r.auth = a.str("ak"), a.str("auth")
}

func (r *rig) credential() func(*http.Request) {
	return head("authorization", r.auth, "x-tt-access", r.ak)
}

func (r *rig) params(query string, edit ...func(*http.Request)) reply {
	r.Helper()
	if r.ak == "" {
		r.signIn()
	}
	return r.do("GET", r.gateway+"/video/openapi/v1/?action=GetVideoUploadParams"+query, "", append([]func(*http.Request){r.credential()}, edit...)...)
}

// slot is one set of step 2.
type uploadSlot struct{ vid, oid, host, sign, token, extra string }

func pick(a reply, prefix string) uploadSlot {
	f := func(k string) string { return a.str(prefix + k) }
	return uploadSlot{f("vid"), f("oid"), f("tos_host"), f("tos_sign"), f("token"), f("extra_param")}
}

func (r *rig) slot() uploadSlot {
	r.Helper()
	return pick(r.params("&use_edge_node=1").want(r, 2000), "data.edge_nodes.0.")
}

func (r *rig) send(u uploadSlot, content string) reply {
	r.Helper()
	return r.do("POST", "http://"+u.host+"/"+u.oid, content, head("Content-Type", "application/octet-stream", "Authorization", u.sign,
		"Content-CRC32", fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(content)))))
}

func (u uploadSlot) confirmBody() string {
	return fmt.Sprintf(`{"vid":%q,"oid":%q,"token":%q,"poster_ss":0,"is_exact_poster":true,"user_reference":""}`, u.vid, u.oid, u.token)
}

func (r *rig) confirm(u uploadSlot, body string, edit ...func(*http.Request)) reply {
	r.Helper()
	return r.do("POST", r.gateway+"/video/openapi/v1/?action=UpdateVideoUploadInfos&"+u.extra, body,
		append([]func(*http.Request){r.credential(), head("Content-Type", "application/json")}, edit...)...)
}

// video does steps 1 to 4.
func (r *rig) video(content string) (uploadSlot, string) {
	r.Helper()
	u := r.slot()
	if a := r.send(u, content); a.str("success") != "0" {
		r.Fatal(a.raw)
	}
	return u, r.confirm(u, u.confirmBody()).want(r, 2000).str("data.poster.oid")
}

// form is the seed's own, word for word but for the ids.
func form(vid, poster string) url.Values {
	return url.Values{
		"video_id": {vid}, "poster": {poster}, "poster_delay": {"0"}, "text": {"#音乐 遇见就是一种缘分"},
		"text_extra": {`[{"start":0,"end":3,"user_id":"","type":1,"hashtag_name":"音乐"}]`},
		"challenges": {`["1550712576368642"]`}, "mentions": {"[]"}, "visibility_type": {"0"},
		"third_text": {"遇见就是一种缘分"}, "download": {"0"}, "upload_source": {"1"}, "mix_id": {""}, "mix_order": {""}, "is_preview": {"0"},
	}
}

func (r *rig) create(f url.Values, edit ...func(*http.Request)) reply {
	r.Helper()
	return r.do("POST", r.site+"/web/api/media/aweme/create/", f.Encode(),
		append([]func(*http.Request){head("Cookie", r.cookies, "csrf_token", r.csrf, "Content-Type", "application/x-www-form-urlencoded")}, edit...)...)
}

func (r *rig) posts(want int) []fake.Post {
	r.Helper()
	got := r.s.Effects().Posts
	if len(got) != want {
		r.Fatalf("%d posts, want %d", len(got), want)
	}
	return got
}

func (r *rig) inject(f fake.Fault) {
	r.Helper()
	must(r, r.s.Inject(f))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
