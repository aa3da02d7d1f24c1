package vod

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

// Version is the only API version that is answered (ref. a.1).
const Version = "2017-03-21"

// Server is the fake platform, an http.Handler. Safe for concurrent use. Serve it by net/http over HTTP/1.1: a cut is a
// panic with http.ErrAbortHandler, which only a real server turns into a closed connection.
type Server struct {
	o      Options
	gate   *rpc.Gate
	panel  *fake.Panel
	post   *http.Client // carries callbacks
	wake   chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup

	randMu sync.Mutex

	arrivedMu sync.Mutex // of its own: ObjectStored is called from within the object storage
	arrived   []arrival

	mu      sync.Mutex // guards everything below
	st      state
	dirty   bool // to be saved before anybody hears of it
	untidy  bool // to be saved some time
	broken  error
	rules   []*rule
	log     []Callback // newest last, at most Options.Ring
	logged  int64
	sending int
	past    []capture // requests that went out, for Replay
	second  time.Time // that calls are counted in
	calls   map[string]int
}

var _ http.Handler = (*Server)(nil)

// New starts the platform on Options.Dir and goes on from what it finds there, callbacks included.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, wake: make(chan struct{}, 1)}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.gate = rpc.NewGate(rpc.Options{Keys: o.Keys, Version: Version, Actions: actions(), Skew: o.Limits.Skew, Now: o.Now, Codes: o.Codes})
	s.panel = fake.NewPanel(fake.PanelOptions{Key: o.ControlKey, Now: o.Now, Ring: o.Ring}, fake.Hooks{
		Ops: Ops(), Secrets: []string{"Signature", "SecurityToken", "AuthKey"}, Effects: s.Effects, Refuse: s.refuse, Names: ErrorCodes(),
		NoUser: []string{"unknown"}, Token: s.spoilKey,
	})
	s.post = &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if o.Transport == nil {
		s.post.Transport = localTransport()
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.done.Add(1)
	go s.run()
	return s, nil
}

// Close ends delays and callbacks that are under way.
func (s *Server) Close() error {
	s.panel.Close()
	s.cancel()
	s.done.Wait()
	if t, ok := s.post.Transport.(*http.Transport); ok && s.o.Transport == nil {
		t.CloseIdleConnections()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty = s.dirty || s.untidy
	return s.save()
}

// run takes what is due until Close.
func (s *Server) run() {
	defer s.done.Done()
	t := time.NewTicker(s.o.Tick)
	defer t.Stop()
	for tick := false; ; {
		s.turn(tick)
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
			tick = false
		case <-t.C:
			tick = true
		}
	}
}

func (s *Server) kick() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// call is one accepted request as a handler sees it. Handlers run with Server.mu held; what they change is on disk when
// the answer goes out.
type call struct {
	rpc.Call
	base
	now time.Time
}

func (c call) get(name string) string { return c.Params.Get(name) }

// base is in every answer (ref. a.3).
type base struct {
	RequestID string `json:"RequestId" xml:"RequestId"`
}

// handler is one operation; its answer has the wire's field names.
type handler func(s *Server, c call) (any, *rpc.Error)

type route struct {
	kind   string // of Quotas
	needs  []string
	handle handler
}

// routes is the table of ref. a.3.
func routes() map[string]route {
	return map[string]route{
		"CreateUploadVideo":     {"upload", []string{"Title", "FileName"}, (*Server).createUploadVideo},
		"RefreshUploadVideo":    {"upload", []string{"VideoId"}, (*Server).refreshUploadVideo},
		"CreateUploadImage":     {"upload", []string{"ImageType"}, (*Server).createUploadImage},
		"GetVideoPlayAuth":      {"play", []string{"VideoId"}, (*Server).getVideoPlayAuth},
		"GetPlayInfo":           {"play", []string{"VideoId"}, (*Server).getPlayInfo},
		"GetVideoInfo":          {"query", []string{"VideoId"}, (*Server).getVideoInfo},
		"GetVideoInfos":         {"query", []string{"VideoIds"}, (*Server).getVideoInfos},
		"GetVideoList":          {"query", nil, (*Server).getVideoList},
		"SearchMedia":           {"query", nil, (*Server).searchMedia},
		"GetMezzanineInfo":      {"query", []string{"VideoId"}, (*Server).getMezzanineInfo},
		"UpdateVideoInfo":       {"other", []string{"VideoId"}, (*Server).updateVideoInfo},
		"DeleteVideo":           {"other", []string{"VideoIds"}, (*Server).deleteVideo},
		"CreateAudit":           {"other", []string{"AuditContent"}, (*Server).createAudit},
		"SubmitSnapshotJob":     {"other", []string{"VideoId"}, (*Server).submitSnapshotJob},
		"SubmitAIMediaAuditJob": {"other", []string{"MediaId"}, (*Server).submitAIMediaAuditJob},
		"GetAIMediaAuditJob":    {"query", []string{"JobId"}, (*Server).getAIMediaAuditJob},
		"SubmitTranscodeJobs":   {"other", []string{"VideoId", "TemplateGroupId"}, (*Server).submitTranscodeJobs},
		"SetMessageCallback":    {"config", nil, (*Server).setMessageCallback},
		"GetMessageCallback":    {"config", nil, (*Server).getMessageCallback},
		"DeleteMessageCallback": {"config", nil, (*Server).deleteMessageCallback},
	}
}

func actions() []string {
	var out []string
	for name := range routes() {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Ops lists the operation names that faults, counters and the log use.
func Ops() []string { return append(actions(), "unknown") }

// ServeHTTP answers one call of the platform, or a control call under /_fake/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, fake.Prefix) {
		s.serveControl(w, r)
		return
	}
	// All parameters are read before the panel has the request: the operation, by which faults choose, is inside.
	body, readErr := io.ReadAll(io.LimitReader(r.Body, 1<<20+1))
	r.Body = io.NopCloser(bytes.NewReader(body))
	p, err := rpc.Params(r)
	r.Body = io.NopCloser(bytes.NewReader(body)) // for faults that cut within the body
	op := "unknown"
	if _, known := routes()[p.Get("Action")]; known && r.URL.Path == "/" {
		op = p.Get("Action")
	}
	owner := ""
	if key, known := s.o.Keys.Lookup(p.Get("AccessKeyId")); known && op != "unknown" {
		owner = key.Owner
	}
	s.panel.Serve(w, r, op, owner, func(json.RawMessage) fake.Answer {
		switch {
		case readErr != nil:
			return fake.Answer{Abort: true} // it never arrived whole: nothing was asked
		case r.URL.Path != "/":
			return fake.HTML(http.StatusNotFound)
		case err != nil:
			return rpc.Refuse(p.Get("Format"), s.requestID(), r.Host, err)
		}
		return s.answer(r, p)
	})
}

// answer checks a request and runs its operation.
func (s *Server) answer(r *http.Request, p url.Values) fake.Answer {
	id := s.requestID()
	accepted, err := s.gate.Check(r.Method, p)
	if err != nil {
		return rpc.Refuse(p.Get("Format"), id, r.Host, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	c := call{Call: accepted, base: base{id}, now: now}
	s.advance(now)
	v, err := s.operate(c, r.RemoteAddr)
	if s.save() != nil {
		return fake.HTML(http.StatusInternalServerError)
	}
	s.kick()
	if err != nil {
		return rpc.Refuse(p.Get("Format"), id, r.Host, s.named(err))
	}
	return rpc.Answer(p.Get("Format"), reply{c.Action + "Response", v})
}

// operate makes the checks that all calls share before their own. Called with s.mu held.
func (s *Server) operate(c call, from string) (any, *rpc.Error) {
	rt := routes()[c.Action]
	if !c.Key.Allows("vod:"+c.Action, "acs:vod:"+s.o.Region+":"+s.o.Account+":*") {
		return nil, fail("Forbidden")
	}
	if !s.admit(rt.kind, from, c.now) {
		return nil, fail("Throttling.User")
	}
	for _, name := range rt.needs {
		if c.get(name) == "" { // the vendor's SDKs do not send empty ones
			return nil, s.missing(name)
		}
	}
	return rt.handle(s, c)
}

// admit counts a call against the quotas of this second (ref. a.3). Called with s.mu held.
func (s *Server) admit(kind, from string, now time.Time) bool {
	if second := now.Truncate(time.Second); !second.Equal(s.second) || s.calls == nil {
		s.second, s.calls = second, map[string]int{}
	}
	q := s.o.Quotas
	most := map[string]int{"upload": q.Upload, "play": q.Play, "query": q.Query, "config": q.Config, "other": q.Other}[kind]
	host, _, _ := net.SplitHostPort(from)
	host = "from " + host
	s.calls[kind]++
	s.calls[host]++
	return (most < 0 || s.calls[kind] <= most) && (q.Address < 0 || s.calls[host] <= q.Address)
}

// reply gives an answer's XML form its name; JSON has none.
type reply struct {
	root string
	v    any
}

// MarshalJSON is the plain value.
func (r reply) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(r.v)
	return b.Bytes(), err
}

// MarshalXML is the value in an element named after the operation.
func (r reply) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	start.Name.Local = r.root
	return e.EncodeElement(r.v, start)
}

// refuse is the panel's hook. A numeric code is taken as a status with the code InternalError: this platform has words.
func (s *Server) refuse(r *http.Request, _ string, f fake.Fault) fake.Answer {
	e := fail("InternalError")
	if f.Name != "" {
		e = s.named(fail(f.Name))
	} else if f.Code >= 400 && f.Code < 600 {
		e.Status = f.Code
	}
	if f.Description != "" {
		e.Message = f.Description
	}
	format := r.URL.Query().Get("Format")
	setDefault(&format, "JSON") // the form was read, or cut, by then; every client we know asks for JSON
	return rpc.Refuse(format, s.requestID(), r.Host, e)
}
