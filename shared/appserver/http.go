package appserver

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/fault"
)

// Request is one call as any host brings it.
type Request struct {
	Method string
	Path   string
	Query  string            // as it was sent, still encoded
	Header map[string]string // names in lower case
	Body   []byte
	From   string // the caller's address
}

// caller is who calls, and what for.
type caller struct {
	user users.User // the zero User on calls without a token
	from string
	in   *input
}

// Call answers one request. It never fails: whatever happens is an envelope. It logs the call's path and code; queries,
// which hold tokens and passwords, are logged nowhere.
func (a *API) Call(ctx context.Context, r Request) (e Envelope) {
	start := a.p.Now()
	id, err := requestID(a.p.Rand)
	if err != nil {
		return envelopeOf("", refusalOf(err))
	}
	c, known := a.calls[strings.TrimSuffix(r.Path, "/")]
	user := ""
	defer func() {
		if p := recover(); p != nil {
			a.p.Log.ErrorContext(ctx, "panic", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			e = envelopeOf(id, refusalOf(fault.New(fault.Unknown, "appserver.Call", "panic")))
		}
		path := c.path
		if !known {
			path = "(unknown)"
		}
		a.p.Log.InfoContext(ctx, "call", "path", path, "request", id, "user", user, "code", e.Code, "ms", a.p.Now().Sub(start).Milliseconds())
	}()
	if !known {
		return envelopeOf(id, refuse(codeUnknown, "there is no such call"))
	}
	if r.Method != "POST" && (r.Method != "GET" || c.post) {
		return envelopeOf(id, refuse(codeRequest, "call it by %s", c.methods()))
	}
	in, refused := parse(r)
	if refused != nil {
		return envelopeOf(id, refused)
	}
	who := caller{from: r.From, in: in}
	if c.token {
		if who.user, err = a.authenticate(ctx, r, in); err != nil {
			return a.failed(ctx, id, c, err)
		}
		user = who.user.ID
	}
	data, err := c.run(a, ctx, &who)
	if err == nil && in.err != nil {
		err = in.err
	}
	if err != nil {
		return a.failed(ctx, id, c, err)
	}
	message := c.message
	e = Envelope{Result: "true", RequestID: id, Message: &message, Code: codeOK, Data: data}
	if c.noMessage {
		e.Message = nil
	}
	return e
}

// failed is the answer to err; what is our fault or the platform's is logged.
func (a *API) failed(ctx context.Context, id string, c call, err error) Envelope {
	r := refusalOf(err)
	if f := fault.As(err); f != nil && r.code == codeFailed && !outOfTime(ctx) {
		a.p.Log.WarnContext(ctx, "a call failed", "path", c.path, "request", id, "fault", f)
	}
	return envelopeOf(id, r)
}

func envelopeOf(id string, r *refusal) Envelope {
	return Envelope{Result: "false", RequestID: id, Message: &r.message, Code: r.code}
}

// authenticate finds the caller by the token parameter or the Authorization header; both may be given if they agree.
func (a *API) authenticate(ctx context.Context, r Request, in *input) (users.User, error) {
	token := in.secret("token")
	if in.err != nil {
		return users.User{}, in.err
	}
	if h := strings.TrimSpace(r.Header["authorization"]); h != "" {
		if scheme, rest, ok := strings.Cut(h, " "); ok && strings.EqualFold(scheme, "Bearer") {
			h = strings.TrimSpace(rest)
		}
		if token != "" && token != h {
			return users.User{}, refuse(codeForbidden, "the token parameter and the Authorization header differ")
		}
		token = h
	}
	if token == "" || len(token) > maxToken {
		return users.User{}, refuse(codeForbidden, "%s", users.ErrToken)
	}
	return a.p.Users.Authenticate(ctx, token)
}

// Handle answers a request of an HTTP API, payload format 2.0. Its status is 200 whatever the envelope says.
func (a *API) Handle(ctx context.Context, req events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	headers := map[string]string{
		"content-type": "application/json;charset=UTF-8", "cache-control": "no-store", "x-content-type-options": "nosniff",
	}
	if a.p.Settings.AllowOrigin != "" {
		headers["access-control-allow-origin"] = a.p.Settings.AllowOrigin
		if req.RequestContext.HTTP.Method == "OPTIONS" {
			headers["access-control-allow-methods"] = "GET, POST"
			headers["access-control-allow-headers"] = "authorization, content-type"
			return events.APIGatewayV2HTTPResponse{StatusCode: 204, Headers: headers}, nil
		}
	}
	r := Request{Method: req.RequestContext.HTTP.Method, Path: req.RawPath, Query: req.RawQueryString, Header: map[string]string{}, From: req.RequestContext.HTTP.SourceIP}
	for name, v := range req.Headers {
		r.Header[strings.ToLower(name)] = v
	}
	if r.Query == "" && len(req.QueryStringParameters) > 0 { // a host that does not keep the raw query
		values := url.Values{}
		for name, v := range req.QueryStringParameters {
			values.Set(name, v)
		}
		r.Query = values.Encode()
	}
	r.Body = bodyOf(req)
	out, err := a.Call(ctx, r).encode()
	if err != nil {
		return events.APIGatewayV2HTTPResponse{}, err
	}
	return events.APIGatewayV2HTTPResponse{StatusCode: 200, Headers: headers, Body: string(out)}, nil
}

// bodyOf decodes a body no further than parse needs to refuse it for its size.
func bodyOf(req events.APIGatewayV2HTTPRequest) []byte {
	if !req.IsBase64Encoded {
		return []byte(req.Body[:min(len(req.Body), maxBody+1)])
	}
	most := base64.StdEncoding.EncodedLen(maxBody + 3)
	if len(req.Body) > most {
		return make([]byte, maxBody+1)
	}
	b, err := base64.StdEncoding.DecodeString(req.Body)
	if err != nil {
		return []byte("%") // readable as no form and no JSON
	}
	return b
}

// Routes lists the route keys of the API, for the gateway: the calls that are on, each by its methods.
func (a *API) Routes() []string {
	var out []string
	for _, c := range calls() {
		if _, on := a.calls[c.path]; !on {
			continue
		}
		for _, m := range strings.Split(c.methods(), " or ") {
			out = append(out, m+" "+c.path)
		}
	}
	return out
}
