package tos

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/tos/drift"
)

// Server is the fake storage, an http.Handler. Safe for concurrent use. Serve it by net/http over HTTP/1.1: a cut is a
// panic with http.ErrAbortHandler, which only a real server turns into a closed connection.
type Server struct {
	o     Options
	panel *fake.Panel
	temp  bool

	mu     sync.Mutex // guards everything below but st.Key and st.Secret; never held while bytes are read
	st     state
	broken error
	leaks  []string
}

var _ http.Handler = (*Server)(nil)

// New starts the storage on Options.Dir and goes on from what it finds there.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, temp: o.Dir == ""}
	if s.temp {
		if s.o.Dir, err = os.MkdirTemp("", "fake-tos-"); err != nil {
			return nil, err
		}
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.panel = fake.NewPanel(fake.PanelOptions{Key: o.ControlKey, Now: o.Now, Ring: o.Ring}, fake.Hooks{
		Ops: Ops(), Secrets: []string{"uploadID"}, Effects: s.Effects, Refuse: s.refuse, Names: ProblemNames(), NoUser: Ops(),
		Token: func(_, _, _ string, r *http.Request) error { return s.Expire(objectName(r)) },
		Shape: func(raw json.RawMessage) error { _, err := drift.Parse(raw, Fields()); return err },
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

// Ops lists the operation names, sorted.
func Ops() []string { return []string{"chunk", "close", "open", "unknown", "upload"} }

// call is one request as a handler sees it.
type call struct {
	name  string // the object
	query url.Values
}

type handler func(s *Server, r *http.Request, c call) result

// route finds the operation by method and query, which must be exactly those of ref. B.1.
func (s *Server) route(r *http.Request, q url.Values) (string, handler) {
	post, put := r.Method == http.MethodPost, r.Method == http.MethodPut
	only := func(keys ...string) bool {
		for _, k := range keys {
			if len(q[k]) != 1 {
				return false
			}
		}
		return len(q) == len(keys)
	}
	switch {
	case (post || put) && only():
		return "upload", (*Server).whole
	case post && only("uploads") && q.Get("uploads") == "":
		return "open", (*Server).open
	case (put || post && s.o.Readings.PostChunk == "accept") && only("partNumber", "uploadID"):
		return "chunk", (*Server).chunk
	case post && only("uploadID"):
		return "close", (*Server).finish
	}
	return "unknown", func(*Server, *http.Request, call) result { return fail(noPath, "") }
}

func objectName(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/") }

// ServeHTTP answers one call of the storage, or a control call under /_fake/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, fake.Prefix) {
		s.panel.ServeHTTP(w, r)
		return
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	op, handle := s.route(r, query)
	if err != nil {
		op, handle = "unknown", func(*Server, *http.Request, call) result { return fail(badRequest, "malformed query") }
	}
	s.notice(r, op)
	s.panel.Serve(w, r, op, "", func(raw json.RawMessage) fake.Answer {
		res := s.answer(r, op, handle, call{objectName(r), query})
		if res.failed() && (res.raw == nil || !res.raw.Abort) {
			fake.Drain(r, drainLimit)
		}
		return s.write(res, s.shape(raw))
	})
}

// drainLimit is how much of a refused body is read before the answer, as a buffering gateway would.
const drainLimit = 512 * MiB

// answer makes the checks that all calls share before their own.
func (s *Server) answer(r *http.Request, op string, handle handler, c call) result {
	s.mu.Lock()
	broken := s.broken != nil
	s.mu.Unlock()
	switch {
	case broken:
		return page(http.StatusInternalServerError)
	case op == "unknown":
		return handle(s, r, c)
	case r.ContentLength < 0 && s.o.Readings.ChunkedBody == "refuse":
		return page(http.StatusLengthRequired)
	}
	s.mu.Lock()
	res := s.authorize(r, c.name)
	s.mu.Unlock()
	if res.failed() {
		return res
	}
	return handle(s, r, c)
}

// notice records what a client should never have sent here: login cookies belong to the creator site alone.
func (s *Server) notice(r *http.Request, op string) {
	for _, h := range []string{"Cookie", "X-Tt-Access", "Csrf_token", "X-Secsdk-Csrf-Token"} {
		if r.Header.Get(h) != "" {
			s.mu.Lock()
			s.leaks = append(s.leaks, op+": "+h)
			s.mu.Unlock()
		}
	}
}

// Leaks lists secrets of other hosts that clients sent here, as "operation: header", oldest first. No real storage would
// refuse them, so neither does this one.
func (s *Server) Leaks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.leaks)
}
