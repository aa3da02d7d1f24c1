package douyin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/transport"
)

// caller makes one HTTP request and turns whatever comes back into an answer or a *fault.Error.
type caller struct {
	base   string
	client *http.Client
	now    func() time.Time
}

func newCaller(base string, client *http.Client, o *Options) caller {
	// A redirect would repeat the request elsewhere, token included, whatever client was given; cookies have no place.
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Jar = nil
	k := caller{base: base, client: &c, now: time.Now}
	if o != nil && o.Now != nil {
		k.now = o.Now
	}
	return k
}

// request is one call. body is opened when everything else is ready, so that nothing is opened in vain.
type request struct {
	step    Step
	op      string
	method  string
	path    string
	query   url.Values
	header  http.Header
	ctype   string
	length  int64
	body    func(context.Context) (io.ReadCloser, error)
	secrets []string // that the platform could quote
	fresh   bool     // over a connection of its own (shared/transport)
	scope   string   // that the call needs, for people
}

// withBytes gives the request a small body. It is no *bytes.Reader to net/http, so that there is no GetBody and hence
// no replay.
func (q request) withBytes(ctype string, b []byte) request {
	q.ctype, q.length = ctype, int64(len(b))
	q.body = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	return q
}

// call is a request in the account's name.
func (t *Target) call(ctx context.Context, q request) (answer, error) {
	tok, err := t.cred(ctx)
	if err != nil {
		f := *fault.As(fault.Wrap(q.op, err)) // nothing was sent
		f.Effect, f.AssetKept = fault.EffectNone, true
		return answer{}, &f
	}
	if tok.Access == "" || tok.Subject == "" {
		return answer{}, &fault.Error{Kind: fault.CredentialsExpired, Op: q.op, Effect: fault.EffectNone, AssetKept: true, Actor: fault.ActorOwner,
			Action: "Log in again.", Err: errors.New("the account's credential lacks open_id or access token")}
	}
	query := url.Values{"open_id": {tok.Subject}}
	for k, v := range q.query {
		query[k] = v
	}
	if t.cfg.Auth == Query {
		query.Set("access_token", tok.Access)
	} else {
		q.header = http.Header{"Access-Token": {tok.Access}}
	}
	q.query = query
	q.secrets = append(q.secrets, tok.Access, tok.Refresh)
	q.scope = Scopes(t.cfg)[0] + " (代替用户发布内容到抖音)"
	return t.caller.do(ctx, q)
}

// do sends q once.
func (c caller) do(ctx context.Context, q request) (answer, error) {
	if err := begin(ctx, q.op, nil); err != nil {
		return answer{}, err
	}
	target := c.base + q.path
	if len(q.query) > 0 {
		target += "?" + q.query.Encode() // percent-encodes @ + / = of an upload_id
	}
	r, err := http.NewRequestWithContext(ctx, q.method, target, nil)
	if err != nil {
		return answer{}, fault.New(fault.Permanent, q.op, "the platform's address is not a URL")
	}
	for k, v := range q.header {
		r.Header[k] = v
	}
	if q.ctype != "" {
		r.Header.Set("Content-Type", q.ctype)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "vodlift")
	r.Close = q.fresh
	if q.body != nil {
		if r.Body, err = q.body(ctx); err != nil {
			return answer{}, bodyFault(ctx, q.op, err)
		}
		r.ContentLength = q.length
	}
	resp, err := c.client.Do(r)
	if err != nil {
		return answer{}, q.lost(ctx, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, q.lost(ctx, err)
	}
	return q.judge(ctx, reply{status: resp.StatusCode, retryAfter: transport.RetryAfter(resp.Header, c.now()), logID: resp.Header.Get("X-Tt-Logid"), body: b}, c.now())
}

// lost classifies a request without an answer.
func (q request) lost(ctx context.Context, err error) error {
	var ue *url.Error // its text holds the query
	if errors.As(err, &ue) {
		err = ue.Err
	}
	f := &fault.Error{Kind: fault.Unknown, Op: q.op, Actor: fault.ActorPlatform, Action: "The connection failed; see whether the platform can be reached.",
		Err: &quiet{text: printable(err.Error(), q.secrets), err: err}}
	nothing := transport.NeverSent(err)
	if nothing {
		f.Effect, f.AssetKept = fault.EffectNone, true
	}
	switch {
	case ctx.Err() != nil: // before any other explanation: the caller did it
		f.Actor, f.Action = fault.ActorUs, "It goes on by itself."
		f.Err = transport.ContextError(ctx)
	case nothing && transport.Forbidden(err):
		f.Kind, f.Actor, f.Action = fault.Permanent, fault.ActorOperator, "The target's address is not one that may be called; check its configuration."
	case nothing || harmless(q.step):
		f.Kind = fault.Retryable
	}
	return f
}

// quiet keeps a chain and shows a cleaned text.
type quiet struct {
	text string
	err  error
}

func (q *quiet) Error() string { return q.text }
func (q *quiet) Unwrap() error { return q.err }

// printable makes somebody else's words fit for an error: no secrets, no control or direction characters, not long.
func printable(s string, secrets []string) string {
	for _, x := range secrets {
		if x != "" {
			s = strings.ReplaceAll(s, x, "[hidden]")
			s = strings.ReplaceAll(s, url.QueryEscape(x), "[hidden]")
		}
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > 300 {
			b.WriteString("...")
			break
		}
		if r == unicode.ReplacementChar || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || !unicode.IsPrint(r) && r != ' ' {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// answer is a success.
type answer struct {
	q   request
	env envelope
}

// data decodes the object in data. What has another type stays empty; the caller checks what it needs.
func (a answer) data(into any) { _ = json.Unmarshal(a.env.body, into) }

// videoID is in the same place in the answers of upload and complete (reference A.4).
func (a answer) videoID() string {
	var d struct {
		Video struct {
			VideoID string `json:"video_id"`
		} `json:"video"`
	}
	a.data(&d)
	return d.Video.VideoID
}

// unreadable is a success that lacks what it is for.
func (a answer) unreadable(msg string) error {
	f := a.q.open(msg)
	f.LogID = a.env.logID
	return f
}

// open is an outcome that the answer leaves open.
func (q request) open(msg string) *fault.Error {
	f := &fault.Error{Kind: fault.Unknown, Op: q.op, Actor: fault.ActorPlatform, Err: errors.New(msg), Action: "The platform's answer could not be read; see its status page."}
	if harmless(q.step) {
		f.Kind = fault.Retryable
	}
	return f
}
