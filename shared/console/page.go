package console

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
)

// maxQuery bounds what a platform's page may send back.
const maxQuery = 8 << 10

// LoginPage answers GET /oauth/{platform}/callback: the account's user comes back from the platform's page. Nobody
// authenticates there; the state, random, single-use and of one login that an operator began, is what lets it in. The
// page says how it went, in English and Chinese, and shows nothing that came with the request.
func (c *Console) LoginPage(ctx context.Context, req events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	in, err := c.cameBack(ctx, req)
	if err != nil {
		c.log.Warn("a login that came back was not taken", "error", handler.Redact(err.Error(), 300))
		do := ""
		if f := fault.As(err); f != nil {
			do = f.Action
		}
		return page(handler.StatusOf(err), "Not logged in", "登录未完成", plain(err), do), nil
	}
	text := fmt.Sprintf("%s is logged in. You may close this page.", in.Account)
	if in.Resumed > 0 {
		text += fmt.Sprintf(" %d uploads that waited for it go on.", in.Resumed)
	}
	return page(http.StatusOK, "Logged in", "登录成功，可以关闭此页面", text, ""), nil
}

func (c *Console) cameBack(ctx context.Context, req events.APIGatewayV2HTTPRequest) (LoggedIn, error) {
	const op = "console.LoginPage"
	q, err := url.ParseQuery(req.RawQueryString)
	if err != nil || len(req.RawQueryString) > maxQuery || len(q["state"]) != 1 || !wordLike(q.Get("state")) {
		return LoggedIn{}, fault.InvalidField(op, "state", "one", "this address does not come from a login that was begun here; begin it again")
	}
	b, _, err := c.logins.known(ctx, q.Get("state"))
	if err != nil {
		return LoggedIn{}, err
	}
	if b.Account.Target() != req.PathParameters["platform"] {
		return LoggedIn{}, fault.InvalidField(op, "platform", b.Account.Target(), "this login is of another platform; begin it again")
	}
	code, err := codeOf("?"+req.RawQueryString, q.Get("state"))
	if err != nil {
		return LoggedIn{}, err
	}
	return c.finish(ctx, q.Get("state"), code, b.Account, false)
}

// plain is what an error says to the account's user: a refusal by us or by the platform in its own words, a failure of
// ours without details. Nobody authenticates here, and what a table or a key service says names roles and resources.
func plain(err error) string {
	f := fault.As(err)
	if f != nil && f.Err != nil {
		var said *platformSaid
		if f.Kind == fault.Invalid && f.Field != "" || errors.As(err, &said) && (f.Kind != fault.Unknown || f.Code != "") {
			return handler.Redact(f.Err.Error(), 400)
		}
	}
	return "Something failed here. Whatever login was stored before is untouched; begin it again."
}

// platformSaid marks an error as a platform's answer to a login.
type platformSaid struct{ error }

// Unwrap gives that answer.
func (p *platformSaid) Unwrap() error { return p.error }

// page is HTML without scripts, links or anything of the request. The address that it has holds a code: it must not
// travel on as a referrer, nor stay in a cache.
func page(status int, title, zh, text, do string) events.APIGatewayV2HTTPResponse {
	var b strings.Builder
	fmt.Fprintf(&b, `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>vodlift: %s</title><body><h1>%s</h1><h1 lang="zh">%s</h1><p>%s</p>`,
		html.EscapeString(title), html.EscapeString(title), html.EscapeString(zh), html.EscapeString(text))
	if do != "" {
		fmt.Fprintf(&b, "<p>%s</p>", html.EscapeString(do))
	}
	return events.APIGatewayV2HTTPResponse{StatusCode: status, Body: b.String(), Headers: map[string]string{
		"content-type": "text/html; charset=utf-8", "cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff",
		"content-security-policy": "default-src 'none'; frame-ancestors 'none'",
	}}
}

// Serve answers a request of an HTTP API with Handler, for the function console.
func (c *Console) Serve(ctx context.Context, req events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	body := req.Body
	if req.IsBase64Encoded {
		b, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusBadRequest}, nil
		}
		body = string(b)
	}
	target := req.RawPath
	if req.RawQueryString != "" {
		target += "?" + req.RawQueryString
	}
	r, err := http.NewRequestWithContext(handler.WithCaller(ctx, req), req.RequestContext.HTTP.Method, target, strings.NewReader(body))
	if err != nil {
		return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusBadRequest}, nil
	}
	for k, v := range req.Headers {
		r.Header.Set(k, v)
	}
	w := recorder{header: http.Header{}, status: http.StatusOK}
	if _, pattern := c.handler.Handler(r); !inScope(req, pattern) {
		c.answer(func(*http.Request) (any, error) { return nil, errScope })(&w, r)
	} else {
		c.handler.ServeHTTP(&w, r)
	}
	return events.APIGatewayV2HTTPResponse{StatusCode: w.status, Body: w.body.String(), Headers: map[string]string{
		"content-type": w.header.Get("Content-Type"), "cache-control": "no-store", "x-content-type-options": "nosniff",
	}}, nil
}

// recorder keeps an answer that API Gateway wants whole.
type recorder struct {
	header http.Header
	status int
	body   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
