package douyinweb

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

// Server is the fake platform, an http.Handler that is creator site and gateway at once. Safe for concurrent use. Serve
// it by net/http over HTTP/1.1: a cut is a panic with http.ErrAbortHandler, which only a real server turns into a closed
// connection.
type Server struct {
	o     Options
	panel *fake.Panel
	temp  bool

	mu     sync.Mutex // guards everything below; held while a video's header is read, never its media
	st     state
	broken error
	leaks  []string
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
		if s.o.Dir, err = os.MkdirTemp("", "fake-douyinweb-"); err != nil {
			return nil, err
		}
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.panel = fake.NewPanel(fake.PanelOptions{Key: o.ControlKey, Now: o.Now, Ring: o.Ring}, fake.Hooks{
		Ops: Ops(), Secrets: []string{"vts", "user_ip", "uploadID"}, Effects: s.Effects, Refuse: s.refuse, Names: ProblemNames(),
		NoUser: []string{"unknown", "login_page"}, Token: s.spoil,
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

type route struct {
	op      string
	method  string
	gateway bool
	handle  func(s *Server, r *http.Request, who *account) result
}

// creatorRoutes are the calls of the creator site, by path. The handlers are called with s.mu held.
func creatorRoutes() map[string]route {
	return map[string]route{
		"/web/api/media/upload/auth/":        {"upload_auth", "GET", false, (*Server).uploadAuth},
		"/web/api/media/aweme/create/":       {"create", "POST", false, (*Server).create},
		"/web/api/media/anchor/search":       {"csrf", "HEAD", false, (*Server).csrf},
		"/web/api/media/user/info/":          {"user_info", "GET", false, (*Server).userInfo},
		"/aweme/v1/creator/item/list/":       {"item_list", "GET", false, (*Server).itemList},
		"/janus/douyin/creator/pc/work_list": {"work_list", "GET", false, (*Server).workList},
		"/login":                             {"login_page", "GET", false, nil},
	}
}

// gatewayPath is where the gateway's calls live; the query's action says which (ref. B.1).
const gatewayPath = "/video/openapi/v1/"

func isGateway(path string) bool { return path == gatewayPath }

func gatewayRoutes() map[string]route {
	return map[string]route{
		"GetVideoUploadParams":   {"video_params", "GET", true, (*Server).videoParams},
		"UpdateVideoUploadInfos": {"video_confirm", "POST", true, (*Server).videoConfirm},
	}
}

// Ops lists the operation names, sorted.
func Ops() []string {
	ops := []string{"unknown"}
	for _, r := range creatorRoutes() {
		ops = append(ops, r.op)
	}
	for _, r := range gatewayRoutes() {
		ops = append(ops, r.op)
	}
	slices.Sort(ops)
	return ops
}

// route finds the operation. A gateway call with a malformed query, without an action or with two is unknown.
func (s *Server) route(r *http.Request) route {
	unknown := route{op: "unknown", gateway: isGateway(r.URL.Path)}
	rt, known := creatorRoutes()[r.URL.Path]
	if unknown.gateway {
		q, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil || len(q["action"]) != 1 {
			return unknown
		}
		rt, known = gatewayRoutes()[q.Get("action")]
	}
	also := rt.op == "video_params" && s.o.Readings.ParamsMethod == "both" && r.Method == http.MethodPost
	if !known || (r.Method != rt.method && !also) {
		return unknown
	}
	return rt
}

// ServeHTTP answers one call of the platform, or a control call under /_fake/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, fake.Prefix) {
		s.panel.ServeHTTP(w, r)
		return
	}
	rt := s.route(r)
	uid := s.notice(r, rt)
	s.panel.Serve(w, r, rt.op, uid, func(raw json.RawMessage) fake.Answer {
		res := s.answer(r, rt)
		if res.failed() {
			fake.Drain(r, maxBody)
		}
		return s.write(rt.gateway, res, s.shape(raw))
	})
}

// maxBody is far more than any form of this platform.
const maxBody = 1 << 20

// Creator is the creator site alone: gateway paths are unknown there.
func (s *Server) Creator() http.Handler { return s.only(false) }

// Gateway is the upload gateway alone: the site's paths are unknown there.
func (s *Server) Gateway() http.Handler { return s.only(true) }

func (s *Server) only(gateway bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isGateway(r.URL.Path) != gateway && !strings.HasPrefix(r.URL.Path, fake.Prefix) {
			http.NotFound(w, r)
			return
		}
		s.ServeHTTP(w, r)
	})
}

// OneHost serves platform and storage under one host, for whoever wants one listener: everything that is no path of this
// platform goes to storage, whose control calls are not reachable then.
func (s *Server) OneHost(storage http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, site := creatorRoutes()[r.URL.Path]
		if site || isGateway(r.URL.Path) || strings.HasPrefix(r.URL.Path, fake.Prefix) || strings.HasPrefix(r.URL.Path, "/web/") {
			s.ServeHTTP(w, r)
			return
		}
		storage.ServeHTTP(w, r)
	})
}

// answer makes the checks that all calls share before their own.
func (s *Server) answer(r *http.Request, rt route) result {
	form, err := readBody(r)
	if err != nil {
		return result{raw: &fake.Answer{Abort: true}} // it never arrived whole: nothing was asked
	}
	r.Body = form
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken != nil:
		return page(http.StatusInternalServerError)
	case rt.op == "unknown" && rt.gateway:
		return fail(noAction, "")
	case rt.op == "unknown":
		return page(http.StatusNotFound)
	case rt.op == "login_page":
		return loginPage()
	case rt.gateway:
		a, res := s.credential(r)
		if res.failed() {
			return res
		}
		return rt.handle(s, r, a)
	}
	a := s.byCookie(r)
	if a == nil || !a.live(s.o.Now()) {
		return s.dead(rt.op)
	}
	switch a.Condition {
	case Captcha, Verify, Login:
		return named(string(a.Condition))
	}
	return rt.handle(s, r, a)
}

// byCookie finds the user whose login cookie a request carries. Called with s.mu held.
func (s *Server) byCookie(r *http.Request) *account {
	c, err := r.Cookie(sessionCookie)
	if err != nil || c.Value == "" {
		return nil
	}
	for _, a := range s.st.Accounts {
		if a.Session == c.Value {
			return a
		}
	}
	return nil
}

// dead is the answer to a dead cookie (ref. B.1 steps 1 and 5, C).
func (s *Server) dead(op string) result {
	how := s.o.Readings.DeadCookie
	if op == "create" {
		how = s.o.Readings.DeadCreate
	}
	switch how {
	case "noauth":
		return ok(object{})
	case "forbidden":
		return page(http.StatusForbidden)
	case "empty":
		return empty()
	case "page":
		return loginPage()
	case "redirect":
		return redirect()
	}
	return fail(notIn, "")
}

// notice tells whose call it is, for faults and the log, and records secrets of another host.
func (s *Server) notice(r *http.Request, rt route) (uid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.byCookie(r)
	foreign := []string{"Authorization", "X-Tt-Access"}
	if rt.gateway {
		a = s.byKey(r.Header.Get("X-Tt-Access"))
		foreign = []string{"Cookie", "Csrf_token", "X-Secsdk-Csrf-Token"}
	}
	if rt.op == "login_page" {
		foreign = append(foreign, "Cookie") // only a client that followed a redirect comes here
	}
	for _, h := range foreign {
		if r.Header.Get(h) != "" {
			s.leaks = append(s.leaks, rt.op+": "+h)
		}
	}
	if a == nil {
		return ""
	}
	return a.UID
}

// Leaks lists secrets that clients sent where they do not belong, as "operation: header", oldest first: cookies and csrf
// tokens at the gateway, upload credentials at the site, cookies after a redirect. No real site would refuse them, so
// neither does this one.
func (s *Server) Leaks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.leaks)
}
