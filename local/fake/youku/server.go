package youku

import (
	"bytes"
	"encoding/json"
	"io"
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

	mu     sync.Mutex // guards everything below; never held while a stored object is looked at
	st     state
	broken error
	hour   time.Time      // the hour that calls are counted in
	calls  map[string]int // of this hour, by client_id
}

var _ http.Handler = (*Server)(nil)

// New starts the platform on Options.Dir and goes on from what it finds there.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, temp: o.Dir == ""}
	if s.temp {
		if s.o.Dir, err = os.MkdirTemp("", "fake-youku-"); err != nil {
			return nil, err
		}
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.panel = fake.NewPanel(fake.PanelOptions{Key: o.ControlKey, Now: o.Now, Ring: o.Ring}, fake.Hooks{
		Ops: Ops(), Secrets: []string{"access_token", "refresh_token", "upload_token", "watch_password", "client_secret"},
		Effects: s.Effects, Refuse: s.refuse, Names: s.nameList(), NoUser: []string{"show", "unknown"}, Token: s.spoilToken,
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

// call is one request as a handler sees it. Parameters are read from body and query alike, the body first (ref. 1).
type call struct {
	op    string
	form  url.Values
	shape Shape
}

// handler is one operation; its effect is durable when it returns.
type handler func(s *Server, c call) result

type route struct {
	op     string
	verb   verb
	handle handler
	needs  func(url.Values) []string // parameters whose absence is 1012, beside client_id and access_token
}

// verb says by which methods an operation is called.
type verb int

const (
	post    verb = iota // documented as POST; the SDKs use GET (ref. 1)
	oauth               // POST alone: another method has a code of its own, 130011203 (ref. 8.4)
	reading             // GET; POST is let pass
)

// routes is the table of ref. 1.
func routes() map[string]route {
	return map[string]route{
		"/oauth2/token.json":        {"refresh_token", oauth, (*Server).refreshToken, needs()},
		"/uploads/create.json":      {"create", post, (*Server).create, createNeeds},
		"/uploads/get_sts_inf.json": {"get_sts_inf", post, (*Server).getSTSInf, needs("upload_token", "oss_bucket", "oss_object")},
		"/uploads/commit.json":      {"commit", post, (*Server).commit, needs("upload_token")},
		"/uploads/cancel.json":      {"cancel", reading, (*Server).cancel, needs("upload_token")},
		"/videos/show.json":         {"show", reading, (*Server).show, needs("video_id")},
	}
}

// Ops lists the operation names, sorted.
func Ops() []string {
	ops := []string{"unknown"}
	for _, r := range routes() {
		ops = append(ops, r.op)
	}
	slices.Sort(ops)
	return ops
}

// maxBody is far more than any form of this platform.
const maxBody = 1 << 20

// ServeHTTP answers one call of the platform, or a control call under /_fake/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, fake.Prefix) {
		s.panel.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Date", s.o.Now().UTC().Format(http.TimeFormat)) // clients compare clocks by it (ref. 5)
	rt, known := routes()[r.URL.Path]
	if !known {
		rt = route{op: "unknown", handle: func(*Server, call) result { return page(http.StatusNotFound) }}
	}
	// The whole form is read before the panel has the request: the account, by which faults choose, is inside.
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	r.Body = io.NopCloser(bytes.NewReader(body)) // for faults that cut within the body
	form, refused := readForm(r, body)
	if err != nil {
		form, refused = nil, result{raw: &fake.Answer{Abort: true}} // it never arrived whole: nothing was asked
	}
	s.panel.Serve(w, r, rt.op, s.accountOf(rt.op, form), func(raw json.RawMessage) fake.Answer {
		shape := s.o.Shape
		if len(raw) > 0 {
			shape, _ = parseShape(raw) // checked when it was armed
		}
		return s.write(s.answer(r, rt, call{rt.op, form, shape}, refused), shape)
	})
}

// answer makes the checks that all calls share before their own.
func (s *Server) answer(r *http.Request, rt route, c call, refused result) result {
	s.mu.Lock()
	broken := s.broken != nil
	s.mu.Unlock()
	if broken {
		return page(http.StatusInternalServerError)
	}
	if rt.op == "unknown" {
		return rt.handle(s, c)
	}
	if res := s.checkMethod(r, rt); res.failed() {
		return res
	}
	if refused.failed() {
		return refused
	}
	for _, key := range rt.needs(c.form) {
		if !c.form.Has(key) { // ref. 8.1, 1012; sent but empty is the business of the parameter's own rule
			return fail(1012, key)
		}
	}
	return rt.handle(s, c)
}

func needs(keys ...string) func(url.Values) []string {
	return func(url.Values) []string { return keys }
}

// createNeeds: ref. 4.1, column "req.".
func createNeeds(f url.Values) []string {
	keys := []string{"file_name", "file_size", "title", "tags"}
	if f.Get("isweb") != "1" { // "may be left out for web uploads only"
		keys = append(keys, "file_md5")
	}
	if f.Get("public_type") == "password" {
		keys = append(keys, "watch_password")
	}
	return keys
}

// checkMethod: ref. 1 and 4.2, "method".
func (s *Server) checkMethod(r *http.Request, rt route) result {
	if r.Method == http.MethodPost {
		return result{}
	}
	switch {
	case rt.verb == oauth:
		return fail(130011203)
	case rt.verb == post && (r.Method != http.MethodGet || s.o.Readings.Get == "refuse"):
		return fail(1010)
	case r.Method != http.MethodGet:
		return page(http.StatusMethodNotAllowed)
	}
	return result{}
}

// readForm merges body and query (ref. 1). A body of another type is 1011, a malformed one 1013 (both assumed).
func readForm(r *http.Request, body []byte) (url.Values, result) {
	if len(body) > maxBody {
		return nil, page(http.StatusRequestEntityTooLarge)
	}
	form := url.Values{}
	if len(body) > 0 {
		if ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || ct != "application/x-www-form-urlencoded" {
			return nil, fail(1011)
		}
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, fail(1013, "malformed body")
		}
		form = values
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fail(1013, "malformed query")
	}
	for k, v := range query {
		form[k] = append(form[k], v...)
	}
	return form, result{}
}

// refuse is the panel's hook: an injected code in the platform's envelope.
func (s *Server) refuse(_ *http.Request, _ string, f fake.Fault) fake.Answer {
	r := result{code: f.Code, text: f.Description}
	if f.Name != "" {
		r.code = s.names()[f.Name]
	}
	setDefault(&r.text, text(r.code))
	shape := s.o.Shape
	if len(f.Shape) > 0 {
		shape, _ = parseShape(f.Shape) // checked when it was armed
	}
	if r.code == 0 { // a sub code, which this platform does not have
		return s.write(page(http.StatusInternalServerError), shape)
	}
	return s.write(r, shape)
}

// accountOf is whose call it is, as far as its token tells: for faults of one account, and for the log.
func (s *Server) accountOf(op string, form url.Values) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var a *account
	if op == "refresh_token" {
		a = s.byRefresh(form.Get("refresh_token"))
	} else {
		a, _ = s.byAccess(form.Get("access_token"))
	}
	if a == nil {
		return ""
	}
	return a.Name
}
