// Package gateway stands for API Gateway's HTTP API on one machine: it turns requests into events of payload format
// 2.0 for the routes that template.yaml declares, and answers as the function says (design 6). It guards every listener
// of the stack that people and browsers can reach.
//
// It must not know what a function does. It is never deployed: on AWS the API's IAM authorizer does what the key of the
// data folder does here.
package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/local/template"
)

// Invoker runs a function; local/lambda has two.
type Invoker interface {
	Invoke(ctx context.Context, function string, payload []byte) ([]byte, error)
}

// MaxBody bounds a request's body. API Gateway allows 10 MB; no route of ours needs a tenth of that.
const MaxBody = 1 << 20

// Options are what a gateway is made of. Routes, Invoker and Key are required.
type Options struct {
	Routes  []template.Route
	Invoker Invoker
	// Key is the random key of the data folder; writes need it.
	Key string
	// Public serves the routes that have no authorizer (NONE), and only those: callbacks, apps, browsers that come back
	// from a platform. Each of them lets in by itself, so there is no key, and neither Host nor Origin is looked at: a
	// proxy may stand before it. Otherwise exactly those routes are not served.
	Public bool
	// Extra handlers by path prefix ("/api/", as http.ServeMux has them), under the same checks as the routes.
	Extra map[string]http.Handler
	// Bare handlers by path prefix, under the checks of Host and Origin only: the fake platforms, whose clients send
	// forms and no key.
	Bare map[string]http.Handler
	// Caller is the user that requests come from, as the IAM authorizer would name it; empty = the local operator.
	Caller  string
	MaxBody int64            // 0 = MaxBody
	Now     func() time.Time // default time.Now
	NewID   func() string    // of a request; default from the clock
	Log     *slog.Logger     // nil = none
}

// Gateway is an http.Handler. Safe for concurrent use.
type Gateway struct {
	opts   Options
	routes []route
	mux    *http.ServeMux
}

// New checks the options. Two routes with one key, an empty key, an Extra that hides a route are errors.
func New(o Options) (*Gateway, error) {
	if o.Invoker == nil || len(o.Key) < 16 && !o.Public {
		return nil, errors.New("gateway: an Invoker and a Key of at least 16 characters are required")
	}
	if o.MaxBody <= 0 {
		o.MaxBody = MaxBody
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = func() string { return fmt.Sprintf("%x", o.Now().UnixNano()) }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Caller == "" {
		o.Caller = "arn:aws:iam::000000000000:user/local"
	}
	g := &Gateway{opts: o, mux: http.NewServeMux()}
	seen := map[string]bool{}
	for _, r := range o.Routes {
		if o.Public != (r.Auth == "NONE") {
			continue
		}
		if seen[r.Key()] {
			return nil, fmt.Errorf("gateway: two routes %s", r.Key())
		}
		seen[r.Key()] = true
		g.routes = append(g.routes, route{Route: r, segments: strings.Split(strings.Trim(r.Path, "/"), "/")})
	}
	sort.SliceStable(g.routes, func(i, j int) bool { return g.routes[i].rank() < g.routes[j].rank() })
	guard := Guard{Key: o.Key, MaxBody: o.MaxBody, Open: o.Public}
	for prefix, h := range o.Extra {
		if prefix == "/" || !strings.HasPrefix(prefix, "/") {
			return nil, fmt.Errorf("gateway: %q cannot be mounted", prefix)
		}
		g.mux.Handle(prefix, guard.Wrap(h))
	}
	for prefix, h := range o.Bare {
		if _, twice := o.Extra[prefix]; twice || prefix == "/" || !strings.HasPrefix(prefix, "/") {
			return nil, fmt.Errorf("gateway: %q cannot be mounted", prefix)
		}
		g.mux.Handle(prefix, Guard{Bare: true}.Wrap(h))
	}
	g.mux.Handle("/", guard.Wrap(http.HandlerFunc(g.serveRoute)))
	return g, nil
}

// ServeHTTP checks and serves one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.mux.ServeHTTP(w, r) }

func (g *Gateway) serveRoute(w http.ResponseWriter, r *http.Request) {
	rt, params := g.match(r.Method, r.URL.EscapedPath())
	if rt == nil {
		writeMessage(w, http.StatusNotFound, "Not Found")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.opts.MaxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			writeMessage(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
			return
		}
		writeMessage(w, http.StatusBadRequest, "Bad Request")
		return
	}
	payload, err := json.Marshal(g.event(rt, params, r, body))
	if err != nil {
		writeMessage(w, http.StatusBadRequest, "Bad Request")
		return
	}
	answer, err := g.opts.Invoker.Invoke(r.Context(), rt.Function, payload)
	if err != nil {
		g.opts.Log.Error("function failed", "function", rt.Function, "route", rt.Key(), "error", err)
		writeMessage(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	if err := writeAnswer(w, answer); err != nil {
		g.opts.Log.Error("the function's answer is no response", "function", rt.Function, "error", err)
		writeMessage(w, http.StatusInternalServerError, "Internal Server Error")
	}
}

// event is the request as payload format 2.0 has it: header names in lower case, repeated values joined by commas,
// cookies apart, a body that is not text in base64.
func (g *Gateway) event(rt *route, params map[string]string, r *http.Request, body []byte) events.APIGatewayV2HTTPRequest {
	now, host := g.opts.Now(), r.Host
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	ev := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: rt.Key(), RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{"host": host}, PathParameters: params,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: rt.Key(), AccountID: "000000000000", Stage: "$default", RequestID: g.opts.NewID(), APIID: "local",
			DomainName: host, DomainPrefix: "local", Time: now.UTC().Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: ip, UserAgent: r.UserAgent()},
		},
	}
	if rt.Auth == "AWS_IAM" {
		ev.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
			IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{AccountID: "000000000000", UserARN: g.opts.Caller, UserID: "local"},
		}
	}
	for name, values := range r.Header {
		switch lower := strings.ToLower(name); lower {
		case "cookie":
			for _, v := range values {
				for c := range strings.SplitSeq(v, ";") {
					ev.Cookies = append(ev.Cookies, strings.TrimSpace(c))
				}
			}
		case strings.ToLower(KeyHeader): // it is the gateway's, as a signature is API Gateway's
		default:
			ev.Headers[lower] = strings.Join(values, ",")
		}
	}
	if q := r.URL.Query(); len(q) > 0 {
		ev.QueryStringParameters = map[string]string{}
		for name, values := range q {
			ev.QueryStringParameters[name] = strings.Join(values, ",")
		}
	}
	if utf8.Valid(body) {
		ev.Body = string(body)
	} else {
		ev.Body, ev.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return ev
}

// writeAnswer writes a response of payload format 2.0. An answer without a statusCode is a 200 with that JSON, as the
// format says.
func writeAnswer(w http.ResponseWriter, answer []byte) error {
	var form struct {
		StatusCode *int `json:"statusCode"`
	}
	if err := json.Unmarshal(answer, &form); err != nil || form.StatusCode == nil {
		w.Header().Set("Content-Type", "application/json")
		_, err := w.Write(answer)
		return err
	}
	var resp events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(answer, &resp); err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 599 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	body := []byte(resp.Body)
	if resp.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(resp.Body); err != nil {
			return err
		}
	}
	for name, v := range resp.Headers {
		w.Header().Set(name, v)
	}
	for name, values := range resp.MultiValueHeaders {
		for _, v := range values {
			w.Header().Add(name, v)
		}
	}
	for _, c := range resp.Cookies {
		w.Header().Add("Set-Cookie", c)
	}
	w.WriteHeader(resp.StatusCode)
	_, err := w.Write(body)
	return err
}

func writeMessage(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

type route struct {
	template.Route
	segments []string
}

// rank puts exact routes before those with variables, and greedy ones last; ANY after a method.
func (r route) rank() int {
	n := 0
	for _, s := range r.segments {
		switch {
		case strings.HasSuffix(s, "+}"):
			n += 1000
		case strings.HasPrefix(s, "{"):
			n += 10
		}
	}
	if r.Method == "ANY" {
		n++
	}
	return n
}

func (g *Gateway) match(method, escapedPath string) (*route, map[string]string) {
	parts := strings.Split(strings.Trim(escapedPath, "/"), "/")
	for i := range g.routes {
		r := &g.routes[i]
		if r.Method != "ANY" && r.Method != method {
			continue
		}
		if params, ok := r.params(parts); ok {
			return r, params
		}
	}
	return nil, nil
}

func (r *route) params(parts []string) (map[string]string, bool) {
	var params map[string]string
	for i, s := range r.segments {
		greedy := strings.HasSuffix(s, "+}")
		if i >= len(parts) || (!greedy && i == len(r.segments)-1 && len(parts) > len(r.segments)) {
			return nil, false
		}
		if !strings.HasPrefix(s, "{") {
			if s != parts[i] {
				return nil, false
			}
			continue
		}
		raw := parts[i]
		if greedy {
			raw = strings.Join(parts[i:], "/")
		}
		v, err := url.PathUnescape(raw)
		if err != nil || v == "" {
			return nil, false
		}
		if params == nil {
			params = map[string]string{}
		}
		params[strings.Trim(s, "{}+")] = v
		if greedy {
			return params, true
		}
	}
	return params, true
}
