package sts

import (
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

// Role is what callers may assume.
type Role struct {
	Arn        string        // acs:ram::<account>:role/<name>
	Policies   []ram.Policy  // what the role itself may do; none: everything
	MaxSession time.Duration // 0: 1 h
	ExternalID string        // empty: none wanted
	Trusts     []string      // access key ids that may assume it; empty: every key
}

// Options configure a Server. Keys is required; everything else has a default.
type Options struct {
	Keys       *ram.Store
	Roles      []Role
	MinSession time.Duration     // 15 min, the platform's (a.5); less, for tests of expiry
	PolicySize int               // 1024 characters (a.5)
	CallLimit  int               // calls per account in CallWindow; 0: none. The platform's is 6,000 in a period that is not stated (a.5)
	CallWindow time.Duration     // 1 min
	Codes      map[string]string // other names for codes, by the name used here
	ControlKey string
	Ring       int
	Now        func() time.Time
	Rand       io.Reader
}

// Version is the only API version that is answered (a.5).
const Version = "2015-04-01"

// Server is the fake service, an http.Handler. Safe for concurrent use.
type Server struct {
	o     Options
	gate  *rpc.Gate
	panel *fake.Panel

	mu    sync.Mutex
	calls []time.Time
}

var _ http.Handler = (*Server)(nil)

// New starts the service.
func New(o Options) (*Server, error) {
	if o.Keys == nil {
		return nil, errors.New("fake sts: Keys is required")
	}
	if o.MinSession == 0 {
		o.MinSession = 15 * time.Minute
	}
	if o.PolicySize == 0 {
		o.PolicySize = 1024
	}
	if o.CallWindow == 0 {
		o.CallWindow = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	o.Roles = slices.Clone(o.Roles)
	for i := range o.Roles {
		r := &o.Roles[i]
		if !roleArn.MatchString(r.Arn) {
			return nil, fmt.Errorf("fake sts: role %q: want acs:ram::<account>:role/<name>", r.Arn)
		}
		if r.MaxSession == 0 {
			r.MaxSession = time.Hour
		}
	}
	s := &Server{o: o, gate: rpc.NewGate(rpc.Options{Keys: o.Keys, Version: Version, Actions: []string{"AssumeRole"}, Now: o.Now, Codes: o.Codes})}
	s.panel = fake.NewPanel(fake.PanelOptions{Key: o.ControlKey, Now: o.Now, Ring: o.Ring}, fake.Hooks{
		Ops: []string{"assume_role", "unknown"}, Secrets: []string{"Signature", "SecurityToken"},
		Effects: func() fake.Effects { return fake.Effects{Posts: []fake.Post{}, Assets: []fake.Asset{}} },
		Refuse:  s.refuse, Names: Names(), NoUser: []string{"assume_role", "unknown"},
	})
	return s, nil
}

// Close ends delays that are under way.
func (s *Server) Close() error { s.panel.Close(); return nil }

// Inject arms a fault; see fake.Fault. Op is assume_role or unknown.
func (s *Server) Inject(f fake.Fault) error { return s.panel.Inject(f) }

// ClearFaults disarms all faults.
func (s *Server) ClearFaults() { s.panel.ClearFaults() }

// Requests lists the logged requests after number n.
func (s *Server) Requests(n int64) []fake.Request { return s.panel.Requests(n) }

// Counters sums up requests per operation.
func (s *Server) Counters() map[string]fake.Counter { return s.panel.Counters() }

// codes are the refusals of AssumeRole itself, and those a fault may want (a.3 common errors, a.5).
func codes() map[string]rpc.Error {
	out := map[string]rpc.Error{}
	for _, e := range []rpc.Error{
		{Status: 400, Code: "InvalidParameter", Message: "The parameter is invalid."},
		{Status: 400, Code: "InvalidParameter.RoleArn", Message: "The parameter RoleArn is wrongly formed."},
		{Status: 400, Code: "InvalidParameter.RoleSessionName", Message: "The parameter RoleSessionName is wrongly formed."},
		{Status: 400, Code: "InvalidParameter.DurationSeconds", Message: "The Min/Max value of DurationSeconds is 15min/1hr."},
		{Status: 400, Code: "InvalidParameter.PolicyGrammar", Message: "The parameter Policy has not passed grammar check."},
		{Status: 400, Code: "InvalidParameter.PolicySize", Message: "The size of Policy must be smaller than 1024 bytes."},
		{Status: 400, Code: "Throttling.User", Message: "Request was denied due to user flow control."},
		{Status: 403, Code: "NoPermission", Message: "You are not authorized to do this action. You should be authorized by RAM."},
		{Status: 404, Code: "EntityNotExist.Role", Message: "The specified Role not exists."},
		{Status: 500, Code: "InternalError", Message: "The request processing has failed due to some unknown error."},
		{Status: 503, Code: "ServiceUnAvailable", Message: "The request has failed due to a temporary failure of the server."},
	} {
		out[e.Code] = e
	}
	return out
}

// Names are the codes that a fault may name.
func Names() []string { return slices.Sorted(maps.Keys(codes())) }

func fail(code string) *rpc.Error {
	e := codes()[code]
	return &e
}

func (s *Server) named(e *rpc.Error) *rpc.Error {
	if name := s.o.Codes[e.Code]; name != "" {
		e.Code = name
	}
	return e
}

func (s *Server) requestID() string {
	var b [16]byte
	if _, err := io.ReadFull(s.o.Rand, b[:]); err != nil {
		panic(err)
	}
	return rpc.RequestID(b)
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
	if format == "" {
		format = "JSON" // the form was read, or cut, by then; every client we know asks for JSON
	}
	return rpc.Refuse(format, s.requestID(), r.Host, e)
}

// ServeHTTP answers one call, or a control call under /_fake/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, fake.Prefix) {
		s.panel.ServeHTTP(w, r)
		return
	}
	op := "assume_role"
	if r.URL.Path != "/" {
		op = "unknown"
	}
	s.panel.Serve(w, r, op, "", func(json.RawMessage) fake.Answer {
		if op == "unknown" {
			fake.Drain(r, 1<<20)
			return fake.HTML(http.StatusNotFound)
		}
		p, err := rpc.Params(r)
		if err != nil {
			fake.Drain(r, 1<<20)
			return rpc.Refuse("JSON", s.requestID(), r.Host, err)
		}
		c, err := s.gate.Check(r.Method, p)
		var a answer
		if err == nil {
			a, err = s.assumeRole(c)
		}
		if err != nil {
			return rpc.Refuse(p.Get("Format"), s.requestID(), r.Host, s.named(err))
		}
		return rpc.Answer(p.Get("Format"), a)
	})
}

// answer is AssumeRole's success (a.5).
type answer struct {
	XMLName     xml.Name    `json:"-" xml:"AssumeRoleResponse"`
	RequestID   string      `json:"RequestId" xml:"RequestId"`
	User        user        `json:"AssumedRoleUser" xml:"AssumedRoleUser"`
	Credentials credentials `json:"Credentials" xml:"Credentials"`
}

type user struct {
	Arn string `json:"Arn" xml:"Arn"`
	ID  string `json:"AssumedRoleId" xml:"AssumedRoleId"`
}

type credentials struct {
	SecurityToken   string `json:"SecurityToken" xml:"SecurityToken"`
	AccessKeyID     string `json:"AccessKeyId" xml:"AccessKeyId"`
	AccessKeySecret string `json:"AccessKeySecret" xml:"AccessKeySecret"`
	Expiration      string `json:"Expiration" xml:"Expiration"`
}

var (
	roleArn     = regexp.MustCompile(`^acs:ram::[0-9]+:role/[A-Za-z0-9.@_-]{1,64}$`)
	sessionName = regexp.MustCompile(`^[A-Za-z0-9.@_-]{2,32}$`)
)

func (s *Server) assumeRole(c rpc.Call) (answer, *rpc.Error) {
	p := c.Params
	arn, session := p.Get("RoleArn"), p.Get("RoleSessionName")
	life := time.Hour
	if text := p.Get("DurationSeconds"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return answer{}, fail("InvalidParameter.DurationSeconds")
		}
		life = time.Duration(n) * time.Second
	}
	switch {
	case !s.admit():
		return answer{}, fail("Throttling.User")
	case !roleArn.MatchString(arn):
		return answer{}, fail("InvalidParameter.RoleArn")
	case !sessionName.MatchString(session):
		return answer{}, fail("InvalidParameter.RoleSessionName")
	case life < s.o.MinSession:
		return answer{}, fail("InvalidParameter.DurationSeconds")
	case utf8.RuneCountInString(p.Get("Policy")) > s.o.PolicySize || p.Has("Policy") && p.Get("Policy") == "":
		return answer{}, fail("InvalidParameter.PolicySize")
	}
	var policies []ram.Policy
	if p.Has("Policy") {
		policy, err := ram.ParsePolicy(p.Get("Policy"))
		if err != nil {
			e := fail("InvalidParameter.PolicyGrammar")
			e.Message += " " + err.Error()
			return answer{}, e
		}
		policies = append(policies, policy)
	}
	role, err := s.role(c, arn, life)
	if err != nil {
		return answer{}, err
	}
	name := arn[strings.LastIndex(arn, "/")+1:] + "/" + session
	// The session may do what both the role and its own policy allow.
	key, issueErr := s.o.Keys.Issue(name, life, append(policies, role.Policies...)...)
	if issueErr != nil {
		return answer{}, fail("InternalError")
	}
	return answer{RequestID: s.requestID(),
		User: user{Arn: arn + "/" + session, ID: roleID(arn) + ":" + session},
		Credentials: credentials{SecurityToken: key.Token, AccessKeyID: key.AccessKeyID, AccessKeySecret: key.Secret,
			Expiration: key.Expires.UTC().Truncate(time.Second).Format("2006-01-02T15:04:05Z")}}, nil
}

// role finds a role and checks what it asks of its caller.
func (s *Server) role(c rpc.Call, arn string, life time.Duration) (Role, *rpc.Error) {
	i := slices.IndexFunc(s.o.Roles, func(r Role) bool { return r.Arn == arn })
	if i < 0 {
		return Role{}, fail("EntityNotExist.Role")
	}
	r := s.o.Roles[i]
	switch {
	case life > r.MaxSession:
		return r, fail("InvalidParameter.DurationSeconds")
	case len(r.Trusts) > 0 && !slices.Contains(r.Trusts, c.Key.AccessKeyID),
		r.ExternalID != "" && r.ExternalID != c.Params.Get("ExternalId"),
		!c.Key.Allows("sts:AssumeRole", arn):
		return r, fail("NoPermission")
	}
	return r, nil
}

// admit counts calls against the limit.
func (s *Server) admit() bool {
	if s.o.CallLimit == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	s.calls = slices.DeleteFunc(s.calls, func(at time.Time) bool { return now.Sub(at) >= s.o.CallWindow })
	if len(s.calls) >= s.o.CallLimit {
		return false
	}
	s.calls = append(s.calls, now)
	return true
}

// roleID is a stable number for a role, as the platform gives each one.
func roleID(arn string) string {
	var n uint64 = 14695981039346656037 // FNV-1a
	for i := 0; i < len(arn); i++ {
		n = (n ^ uint64(arn[i])) * 1099511628211
	}
	return fmt.Sprintf("3%017d", n%100_000_000_000_000_000)
}
