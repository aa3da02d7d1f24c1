package douyin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
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

func newClock() *clock { return &clock{t: time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)} } // 10:00 in China

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

// rig is a fake behind a real listener, and a client of it that knows only the reference.
type rig struct {
	*testing.T
	s     *Server
	web   *httptest.Server
	http  *http.Client
	clock *clock
	gen   Generation
	auth  Auth
	id    string // open_id
	act   string // access token
	rft   string
}

const user = "_000user+1/="

func newRig(t *testing.T, change ...func(*Options)) *rig {
	t.Helper()
	c := newClock()
	o := Options{Now: c.Now, KeepBytes: true,
		Limits: Limits{PartMin: 10, PartMax: 100, SingleUpload: 50, Whole: 1000}}
	for _, f := range change {
		f(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() { web.Close(); s.Close() })
	g, err := s.AddAccount(user, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &rig{T: t, s: s, web: web, clock: c, gen: s.o.Apps[0].Generation, auth: s.o.Apps[0].Auth, id: user,
		act: g.AccessToken, rft: g.RefreshToken,
		http: &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func legacyQuery(o *Options) { o.Generation, o.Auth = Legacy, Query }

// The paths, typed here once more from the table of the reference, so that a slip in the server's table shows.
var paths = map[Generation]map[string]string{
	Legacy: {"upload": "/video/upload/", "part_init": "/video/part/init/", "part_upload": "/video/part/upload/",
		"complete": "/video/part/complete/", "create": "/video/create/", "list": "/video/list/", "data": "/video/data/",
		"delete": "/video/delete/", "image_upload": "/image/upload/"},
	V1: {"upload": "/api/douyin/v1/video/upload_video/", "part_init": "/api/douyin/v1/video/init_video_part_upload/",
		"part_upload": "/api/douyin/v1/video/upload_video_part/", "complete": "/api/douyin/v1/video/complete_video_part_upload/",
		"create": "/api/douyin/v1/video/create_video/", "list": "/api/douyin/v1/video/video_list/",
		"data": "/api/douyin/v1/video/video_data/", "delete": "/video/delete/", "image_upload": "/api/douyin/v1/video/upload_image/"},
}

// reply is an answer as a client sees it.
type reply struct {
	status int
	header http.Header
	raw    string
	body   struct {
		Data    map[string]any `json:"data"`
		Extra   map[string]any `json:"extra"`
		Message string         `json:"message"`
	}
	err error // the connection broke
}

func (r *rig) do(method, path string, q url.Values, kind string, body io.Reader, edit ...func(*http.Request)) reply {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.web.URL+path+"?"+q.Encode(), body)
	if err != nil {
		r.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
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
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		_ = d.Decode(&out.body) // garbled answers are looked at raw
	}
	return out
}

// publish makes one publish call; extra query values are pairs.
func (r *rig) publish(op, kind string, body io.Reader, query ...string) reply {
	r.Helper()
	method := "POST"
	if op == "list" {
		method = "GET"
	}
	q := url.Values{"open_id": {r.id}}
	for i := 0; i+1 < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	if r.auth == Query && r.act != "" {
		q.Set("access_token", r.act)
	}
	return r.do(method, paths[r.gen][op], q, kind, body, func(req *http.Request) {
		if r.auth == Header && r.act != "" {
			req.Header.Set("access-token", r.act)
		}
	})
}

func (r *rig) file(op string, content []byte, query ...string) reply {
	r.Helper()
	field, kind := "video", "video/mp4"
	if op == "image_upload" {
		field, kind = "image", "image/png"
	}
	b, ct := form(r, field, "clip.mp4", kind, content)
	return r.publish(op, ct, bytes.NewReader(b), query...)
}

func form(t testing.TB, field, name, kind string, content []byte) ([]byte, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	h := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"; filename="%s"`, field, name)}, "Content-Type": {kind}}
	p, err := w.CreatePart(h)
	if err != nil {
		t.Fatal(err)
	}
	p.Write(content)
	w.Close()
	return b.Bytes(), w.FormDataContentType()
}

func (r *rig) json(op, body string) reply {
	r.Helper()
	return r.publish(op, "application/json", strings.NewReader(body))
}

func (r *rig) createText(video, text string) reply {
	r.Helper()
	b, _ := json.Marshal(map[string]string{"video_id": video, "text": text})
	return r.json("create", string(b))
}

func (r *rig) oauth(call string, pairs ...string) reply {
	r.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return r.do("POST", "/oauth/"+call+"/", nil, "application/x-www-form-urlencoded", strings.NewReader(v.Encode()))
}

// want checks a code in every place where the common form has it.
func (a reply) want(t testing.TB, code int) reply {
	t.Helper()
	if a.err != nil {
		t.Fatalf("connection: %v", a.err)
	}
	got := fmt.Sprint(a.body.Data["error_code"])
	if a.status != 200 || got != fmt.Sprint(code) {
		t.Fatalf("got HTTP %d, code %s, want 200 and %d: %s", a.status, got, code, a.raw)
	}
	if a.body.Extra != nil && fmt.Sprint(a.body.Extra["error_code"]) != fmt.Sprint(code) {
		t.Fatalf("extra.error_code %v, want %d", a.body.Extra["error_code"], code)
	}
	return a
}

func (a reply) str(path ...string) string {
	var v any = a.body.Data
	for _, k := range path {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return fmt.Sprint(v)
}

// codes of parameter errors and the like, by generation.
func (r *rig) code(legacy, v1 int) int {
	if r.gen == Legacy {
		return legacy
	}
	return v1
}

func (r *rig) param() int { return r.code(2100005, 28001007) }

func (r *rig) newVideo(content string) string {
	r.Helper()
	return r.file("upload", []byte(content)).want(r, 0).str("video", "video_id")
}

func (r *rig) inject(f fake.Fault) {
	r.Helper()
	if err := r.s.Inject(f); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) posts() int { return len(r.s.Effects().Posts) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sum(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) }

// eachGeneration runs a test in the three settings that exist, and the fourth that the two switches allow.
func eachGeneration(t *testing.T, f func(t *testing.T, set func(*Options))) {
	for _, g := range []Generation{Legacy, V1} {
		for _, a := range []Auth{Query, Header} {
			t.Run(string(g)+"/"+string(a), func(t *testing.T) {
				t.Parallel()
				f(t, func(o *Options) { o.Generation, o.Auth = g, a })
			})
		}
	}
}
