package oss

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/vodlift/vodlift/local/fake"
)

// Server is the fake service, an http.Handler. Safe for concurrent use. Serve it by net/http over HTTP/1.1: a cut is a
// panic with http.ErrAbortHandler, which only a real server turns into a closed connection.
type Server struct {
	o     Options
	panel *fake.Panel
	temp  bool

	randMu sync.Mutex

	mu      sync.Mutex // guards what follows; never held while bytes or disk are waited for
	buckets map[string]*bucket
	readers map[string]int  // open answers by data folder
	doomed  map[string]bool // data folders that go when their last reader ends
}

var _ http.Handler = (*Server)(nil)

// New starts the service on Options.Dir and goes on from what it finds there.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, temp: o.Dir == "", buckets: map[string]*bucket{}, readers: map[string]int{}, doomed: map[string]bool{}}
	if s.temp {
		if s.o.Dir, err = os.MkdirTemp("", "fake-oss-"); err != nil {
			return nil, err
		}
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.panel = fake.NewPanel(fake.PanelOptions{Key: o.ControlKey, Now: o.Now, Ring: o.Ring}, fake.Hooks{
		Ops: Ops(), Secrets: []string{"Signature", "security-token", "x-oss-signature", "x-oss-security-token", "uploadId"},
		Effects: s.Effects, Refuse: s.refuse, Names: ErrorCodes(), Token: s.spoilKey,
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

// call is what an operation knows about its request.
type call struct {
	r      *http.Request
	bucket *bucket
	name   string // of the bucket
	key    string
	query  url.Values
	owner  string // of the access key; empty: anonymous
}

// route is one operation. Action is what policies call it.
type route struct {
	op     string
	action string
	public bool // anyone may, on a public-read bucket
	handle func(*Server, call) result
}

func routes() []route {
	return []route{
		{op: "put_object", action: "oss:PutObject", handle: (*Server).putObject},
		{op: "initiate", action: "oss:PutObject", handle: (*Server).initiate},
		{op: "upload_part", action: "oss:PutObject", handle: (*Server).uploadPart},
		{op: "complete", action: "oss:PutObject", handle: (*Server).complete},
		{op: "abort", action: "oss:AbortMultipartUpload", handle: (*Server).abort},
		{op: "list_parts", action: "oss:ListParts", handle: (*Server).listParts},
		{op: "list_uploads", action: "oss:ListMultipartUploads", handle: (*Server).listUploads},
		{op: "list_objects", action: "oss:ListObjects", handle: (*Server).listObjects},
		{op: "get_object", action: "oss:GetObject", public: true, handle: (*Server).getObject},
		{op: "head_object", action: "oss:GetObject", public: true, handle: (*Server).getObject},
		{op: "delete_object", action: "oss:DeleteObject", handle: (*Server).deleteObject},
		{op: "options", handle: nil},
		{op: "unknown", handle: nil},
	}
}

// Ops lists the operation names.
func Ops() []string {
	var out []string
	for _, r := range routes() {
		out = append(out, r.op)
	}
	return out
}

// operation names what a request asks for.
func operation(method string, at address, q url.Values) route {
	op := "unknown"
	upload := q.Has("uploadId")
	switch {
	case at.bucket == "":
	case method == http.MethodOptions:
		op = "options"
	case at.key == "" && method == http.MethodGet && q.Has("uploads"):
		op = "list_uploads"
	case at.key == "" && method == http.MethodGet && !hasSubresource(q, "continuation-token"):
		op = "list_objects"
	case at.key == "":
	case method == http.MethodPost && q.Has("uploads"):
		op = "initiate"
	case method == http.MethodPost && upload:
		op = "complete"
	case method == http.MethodPut && (upload || q.Has("partNumber")):
		op = "upload_part"
	case method == http.MethodDelete && upload:
		op = "abort"
	case method == http.MethodGet && upload:
		op = "list_parts"
	case hasSubresource(q): // acl, tagging, append...: not simulated
	case method == http.MethodPut:
		op = "put_object"
	case method == http.MethodGet:
		op = "get_object"
	case method == http.MethodHead:
		op = "head_object"
	case method == http.MethodDelete:
		op = "delete_object"
	}
	all := routes()
	return all[slices.IndexFunc(all, func(r route) bool { return r.op == op })]
}

// hasSubresource reports whether the query asks for something beside the object or bucket itself.
func hasSubresource(q url.Values, but ...string) bool {
	for name := range q {
		if signedInV1(name) && !strings.HasPrefix(name, "response-") && name != "security-token" && !slices.Contains(but, name) {
			return true
		}
	}
	return false
}

// ServeHTTP answers one call of the platform, or a control call under /_fake/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := s.locate(r)
	if at.plain && strings.HasPrefix(r.URL.Path, fake.Prefix) {
		s.panel.ServeHTTP(w, r)
		return
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	rt := operation(r.Method, at, q)
	sw := &streamWriter{ResponseWriter: w}
	defer sw.close()
	s.panel.Serve(sw, r, rt.op, s.ownerOf(r, q), func(json.RawMessage) fake.Answer {
		res := refused(fail("InvalidArgument", "The query string cannot be read."))
		if err == nil {
			res = s.serve(r, at, rt, q)
		}
		if res.fail != nil {
			fake.Drain(r, drainLimit)
		}
		return s.answer(r, s.requestID(), res, sw)
	})
}

// drainLimit is how much of a refused body is read before the answer, so that a client sees it. Beyond it the connection
// may break first, which a client has to survive too.
const drainLimit = 64 * MiB

func (s *Server) serve(r *http.Request, at address, rt route, q url.Values) result {
	if rt.op == "options" {
		return s.preflight(r, at)
	}
	if f := checkForm(r, at, rt, s.o.Limits); f != nil {
		return refused(f)
	}
	who, f := s.authenticate(r, at, q)
	if f != nil {
		return refused(f)
	}
	s.mu.Lock()
	b := s.buckets[at.bucket]
	public := b != nil && b.publicRead
	s.mu.Unlock()
	if b == nil {
		return refused(fail("NoSuchBucket").with("BucketName", at.bucket))
	}
	switch {
	case who.anonymous && !(rt.public && public):
		return refused(fail("AccessDenied"))
	case !who.anonymous && !who.may(rt.action, at.bucket, at.key): // a key is empty just where the resource is the bucket
		return refused(fail("AccessDenied", "You have no right to access this object."))
	}
	return rt.handle(s, call{r: r, bucket: b, name: at.bucket, key: at.key, query: q, owner: who.cred.Owner})
}

// checkForm refuses what no credential could make right.
func checkForm(r *http.Request, at address, rt route, l Limits) *failure {
	switch {
	case at.fail != nil:
		return at.fail
	case at.bucket == "":
		return fail("NotImplemented", "Operations on the account are not simulated.")
	case !validBucket(at.bucket):
		return fail("InvalidBucketName").with("BucketName", at.bucket)
	case at.key != "" && !validKey(at.key, l):
		return fail("InvalidObjectName").with("ObjectName", strings.ToValidUTF8(at.key, "?"))
	case rt.handle == nil && !slices.Contains([]string{"GET", "HEAD", "PUT", "POST", "DELETE"}, r.Method):
		return fail("MethodNotAllowed").with("Method", r.Method)
	case rt.handle == nil:
		return fail("NotImplemented").with("Method", r.Method)
	}
	for _, name := range []string{"X-Oss-Copy-Source", "X-Oss-Callback", "X-Oss-Server-Side-Encryption"} {
		if r.Header.Get(name) != "" {
			return fail("NotImplemented").with("Header", strings.ToLower(name))
		}
	}
	return nil
}

// validKey is ref. d.1: 1..1023 bytes of UTF-8, no / or \ in front.
func validKey(key string, l Limits) bool {
	return len(key) <= l.Key && key[0] != '/' && key[0] != '\\' && utf8.ValidString(key)
}

// address is which object of which bucket a request names.
type address struct {
	bucket, key string
	plain       bool // an IP address or localhost: control calls live here
	fail        *failure
}

// locate reads the address styles of ref. d.1 and d.6. The path is decoded exactly once, by net/http, and never cleaned.
func (s *Server) locate(r *http.Request) address {
	host := strings.ToLower(r.Host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	path := strings.TrimPrefix(r.URL.Path, "/")
	bucket, key, _ := strings.Cut(path, "/")
	if b := s.o.CNAMEs[host]; b != "" {
		return address{bucket: b, key: path}
	}
	if net.ParseIP(strings.Trim(host, "[]")) != nil || host == "localhost" {
		return address{bucket: bucket, key: key, plain: true}
	}
	for _, e := range s.o.Endpoints {
		if host == e {
			at := address{bucket: bucket, key: key}
			if bucket != "" && s.o.Readings.SecondLevel == "refuse" {
				at.fail = fail("SecondLevelDomainForbidden")
			}
			return at
		}
		if b, ok := strings.CutSuffix(host, "."+e); ok {
			return address{bucket: b, key: path}
		}
	}
	return address{fail: fail("AccessDenied", "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.").with("Endpoint", s.o.Endpoints[0])}
}

// refuse is the panel's hook: an injected code in the platform's envelope. A number is taken as a status.
func (s *Server) refuse(r *http.Request, _ string, f fake.Fault) fake.Answer {
	e := fail(f.Name, f.Description)
	if f.Name == "" {
		e.code = "InternalError"
		if f.Code >= 400 && f.Code < 600 {
			e.status = f.Code
		}
	}
	return s.answer(r, s.requestID(), refused(e), nil)
}

func (s *Server) random(n int) string {
	b := make([]byte, n)
	s.randMu.Lock()
	defer s.randMu.Unlock()
	if _, err := io.ReadFull(s.o.Rand, b); err != nil {
		panic(err) // as crypto/rand itself does
	}
	return strings.ToUpper(hex.EncodeToString(b))
}

func (s *Server) requestID() string { return s.random(12) }

// internal is a disk that failed before the effect.
func internal(err error) result {
	return refused(fail("InternalError").with("Reason", fmt.Sprintf("%T", err))) // the type only: a path is nobody's business
}

const timeFormat = "2006-01-02T15:04:05.000Z"

func stamp(t time.Time) string { return t.UTC().Format(timeFormat) }
