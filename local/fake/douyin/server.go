package douyin

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// Server is the fake platform, an http.Handler. Safe for concurrent use. Serve it by net/http over HTTP/1.1: a cut is a
// panic with http.ErrAbortHandler, which only a real server turns into a closed connection.
type Server struct {
	o     Options
	panel *fake.Panel
	temp  bool

	randMu sync.Mutex

	mu     sync.Mutex // guards everything below; never held while a video's bytes are read
	st     state
	broken error
	recent map[string][]time.Time // calls of the last second by client_key
	daily  map[string]int         // calls by client_key and day
}

var _ http.Handler = (*Server)(nil)

// New starts the platform on Options.Dir and goes on from what it finds there.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := o.Shape.validate(); err != nil {
		return nil, fmt.Errorf("fake douyin: shape: %w", err)
	}
	s := &Server{o: o, temp: o.Dir == "", recent: map[string][]time.Time{}, daily: map[string]int{}}
	if s.temp {
		if s.o.Dir, err = os.MkdirTemp("", "fake-douyin-"); err != nil {
			return nil, err
		}
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.panel = fake.NewPanel(fake.PanelOptions{Key: o.ControlKey, Now: o.Now, Ring: o.Ring}, fake.Hooks{
		Ops: Ops(), Secrets: []string{"access_token", "upload_id", "client_secret", "code", "refresh_token", "state"},
		Effects: s.Effects, Refuse: s.refuse, Names: ProblemNames(), NoUser: oauthOps(), Token: s.spoilToken,
		Shape: func(raw json.RawMessage) error { _, err := parseShape(raw); return err },
	})
	return s, nil
}

// Close ends delays that are under way, and removes the folder when it was a temporary one.
func (s *Server) Close() error {
	s.panel.Close()
	if s.temp {
		return os.RemoveAll(s.o.Dir)
	}
	return nil
}

// handler is one operation. It may read the body; its effect is durable when it returns.
type handler func(s *Server, r *http.Request, c call) result

type route struct {
	op     string
	method string
	family family
	handle handler
}

// call is what a handler knows about the request beside its body.
type call struct {
	op     string
	family family
	query  url.Values
}

// publishRoutes is the table of ref. A.3: operation, legacy path, v1 path.
func publishRoutes() map[string]route {
	out := map[string]route{}
	for _, row := range []struct {
		op, method, legacy, v1 string
		handle                 handler
	}{
		{"upload", "POST", "/video/upload/", "/api/douyin/v1/video/upload_video/", (*Server).upload},
		{"part_init", "POST", "/video/part/init/", "/api/douyin/v1/video/init_video_part_upload/", (*Server).partInit},
		{"part_upload", "POST", "/video/part/upload/", "/api/douyin/v1/video/upload_video_part/", (*Server).partUpload},
		{"complete", "POST", "/video/part/complete/", "/api/douyin/v1/video/complete_video_part_upload/", (*Server).complete},
		{"create", "POST", "/video/create/", "/api/douyin/v1/video/create_video/", (*Server).create},
		{"list", "GET", "/video/list/", "/api/douyin/v1/video/video_list/", (*Server).list},
		{"data", "POST", "/video/data/", "/api/douyin/v1/video/video_data/", (*Server).data},
		{"delete", "POST", "/video/delete/", "", (*Server).delete},
		{"image_upload", "POST", "/image/upload/", "/api/douyin/v1/video/upload_image/", (*Server).imageUpload},
	} {
		out[row.legacy] = route{row.op, row.method, legacyCall, row.handle}
		if row.v1 != "" {
			out[row.v1] = route{row.op, row.method, v1Call, row.handle}
		}
	}
	return out
}

// oauthRoutes are the calls of ref. A.2.
func oauthRoutes() map[string]route {
	return map[string]route{
		"/platform/oauth/connect/":    {"authorize", "GET", oauthCall, (*Server).authorize},
		"/oauth/access_token/":        {"access_token", "POST", oauthCall, (*Server).accessToken},
		"/oauth/refresh_token/":       {"refresh_token", "POST", oauthCall, (*Server).refreshToken},
		"/oauth/renew_refresh_token/": {"renew_refresh_token", "POST", oauthCall, (*Server).renewRefreshToken},
		"/oauth/client_token/":        {"client_token", "POST", oauthCall, (*Server).clientToken},
		"/oauth/stable_client_token/": {"stable_client_token", "POST", oauthCall, (*Server).stableClientToken},
	}
}

// shareRoutes are the calls of the hand-over; see share.go.
func shareRoutes() map[string]route {
	return map[string]route{
		"/open/getticket/": {"ticket", "GET", legacyCall, (*Server).ticket},
		"/share-id/":       {"share_id", "GET", legacyCall, (*Server).shareID},
	}
}

func routes() map[string]route {
	all := publishRoutes()
	maps.Copy(all, oauthRoutes())
	maps.Copy(all, shareRoutes())
	return all
}

// Ops lists the operation names, sorted.
func Ops() []string {
	names := map[string]bool{"unknown": true}
	for _, r := range routes() {
		names[r.op] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// oauthOps are the operations whose requests carry no open_id.
func oauthOps() []string {
	var out []string
	for _, routes := range []map[string]route{oauthRoutes(), shareRoutes()} {
		for _, r := range routes {
			out = append(out, r.op)
		}
	}
	return out
}

// ServeHTTP answers one call of the platform, or a control call under /_fake/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, fake.Prefix) {
		s.panel.ServeHTTP(w, r)
		return
	}
	rt, known := routes()[r.URL.Path]
	if !known || r.Method != rt.method {
		rt = route{op: "unknown", family: pathFamily(r.URL.Path), handle: (*Server).unknown}
	}
	query, queryErr := url.ParseQuery(r.URL.RawQuery)
	s.panel.Serve(w, r, rt.op, query.Get("open_id"), func(raw json.RawMessage) fake.Answer {
		shape := s.o.Shape
		if len(raw) > 0 {
			shape, _ = parseShape(raw) // checked when it was armed
		}
		if s.brokenNow() {
			return s.write(rt.family, gatewayError(), shape)
		}
		if r.ContentLength < 0 && s.o.Readings.ChunkedBody == "refuse" { // ref. A.4: unconfirmed; a gateway would treat all calls alike
			fake.Drain(r, drainLimit)
			return fake.HTML(http.StatusLengthRequired)
		}
		if queryErr != nil { // ref. C "bad query"
			fake.Drain(r, drainLimit)
			return s.write(rt.family, fail(rt.family, paramInvalid, "malformed query"), shape)
		}
		res := rt.handle(s, r, call{op: rt.op, family: rt.family, query: query})
		if res.failed() && !res.abort {
			fake.Drain(r, drainLimit)
		}
		return s.write(rt.family, res, shape)
	})
}

// drainLimit is how much of a refused body is read before the answer, as a buffering gateway would. Beyond it the
// answer may be lost in a broken connection ("or the gateway times out first", ref. C).
const drainLimit = 512 * MiB

func (s *Server) brokenNow() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken != nil
}

func pathFamily(path string) family {
	switch {
	case strings.HasPrefix(path, "/api/"):
		return v1Call
	case strings.HasPrefix(path, "/oauth/"), strings.HasPrefix(path, "/platform/"):
		return oauthCall
	}
	return legacyCall
}

// unknown: wrong path or method. Under the API's own prefixes 28001017, elsewhere the host's HTML 404 (ref. C).
func (s *Server) unknown(r *http.Request, c call) result {
	for _, prefix := range []string{"/video/", "/image/", "/api/douyin/", "/oauth/", "/open/", "/share-id/"} {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return fail(c.family, unknownURI, "")
		}
	}
	a := fake.HTML(http.StatusNotFound)
	return result{raw: &a}
}

func gatewayError() result {
	a := fake.HTML(http.StatusInternalServerError)
	return result{raw: &a}
}

// refuse is the panel's hook: an injected code, in the envelope and generation of the call it strikes.
func (s *Server) refuse(r *http.Request, op string, f fake.Fault) fake.Answer {
	fam := pathFamily(r.URL.Path)
	res := result{code: f.Code, sub: f.SubCode}
	if f.Name != "" {
		res.code = problem(f.Name).code(fam)
	}
	res.text = f.Description
	if res.text == "" && res.code != 0 {
		res.text = meaning(res.code)
	}
	shape := s.o.Shape
	if len(f.Shape) > 0 {
		shape, _ = parseShape(f.Shape) // checked when it was armed
	}
	return s.write(fam, res, shape)
}

func isType(r *http.Request, want string) bool {
	got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && got == want
}
