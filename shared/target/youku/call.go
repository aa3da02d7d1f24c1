package youku

import (
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
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/transport"
)

// Paths of the calls (reference section 1).
const (
	pathCreate  = "/uploads/create.json"
	pathSTS     = "/uploads/get_sts_inf.json"
	pathCommit  = "/uploads/commit.json"
	pathCancel  = "/uploads/cancel.json"
	pathShow    = "/videos/show.json"
	pathRefresh = "/oauth2/token.json"
)

// caller makes one HTTP request and turns whatever comes back into an answer or a *fault.Error.
type caller struct {
	base   string
	client *http.Client
	now    func() time.Time
}

func newCaller(base string, client *http.Client, now func() time.Time) caller {
	// A redirect would repeat the request elsewhere, token included, whatever client was given; cookies have no place.
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Jar = nil
	if now == nil {
		now = time.Now
	}
	return caller{base: base, client: &c, now: now}
}

// request is one call. Its parameters are a form with POST, the query with GET.
type request struct {
	step    Step
	op      string
	method  string
	path    string
	params  url.Values
	secrets []string // that the platform could quote
	fresh   bool     // over a connection of its own (shared/transport)
}

// appKey is the app's key; without one nothing can be sent.
func (t *Target) appKey(ctx context.Context, op string) (token.AppKey, error) {
	app, err := t.app(ctx)
	if err != nil {
		return app, unsent(op, err)
	}
	if app.ID == "" {
		return app, &fault.Error{Kind: fault.Permanent, Op: op, Effect: fault.EffectNone, AssetKept: true, Actor: fault.ActorOperator,
			Action: "Set the app's key and secret.", Err: errors.New("there is no client_id")}
	}
	return app, nil
}

// unsent is an error before anything was sent.
func unsent(op string, err error) error {
	f := *fault.As(fault.Wrap(op, err))
	f.Effect, f.AssetKept = fault.EffectNone, true
	return &f
}

// call is a request in the account's name.
func (t *Target) call(ctx context.Context, q request) (answer, error) {
	app, err := t.appKey(ctx, q.op)
	if err != nil {
		return answer{}, err
	}
	tok, err := t.cred(ctx)
	if err != nil {
		return answer{}, unsent(q.op, err)
	}
	if tok.Access == "" {
		return answer{}, &fault.Error{Kind: fault.CredentialsExpired, Op: q.op, Effect: fault.EffectNone, AssetKept: true, Actor: fault.ActorOwner,
			Action: "Log in again.", Err: errors.New("the account's credential has no access token")}
	}
	q.params.Set("client_id", app.ID)
	q.params.Set("access_token", tok.Access)
	q.secrets = append(q.secrets, tok.Access, tok.Refresh, app.Secret)
	return t.caller.do(ctx, q)
}

// do sends q once.
func (c caller) do(ctx context.Context, q request) (answer, error) {
	if err := begin(ctx, q.op, nil); err != nil {
		return answer{}, err
	}
	at, form := c.base+q.path, q.params.Encode()
	if q.method == http.MethodGet {
		at, form = at+"?"+form, ""
	}
	r, err := http.NewRequestWithContext(ctx, q.method, at, nil)
	if err != nil {
		return answer{}, fault.New(fault.Permanent, q.op, "the platform's address is not a URL")
	}
	if q.method != http.MethodGet {
		// No *strings.Reader to net/http, so that there is no GetBody and hence no replay.
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form)), int64(len(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "vodlift")
	r.Close = q.fresh
	resp, err := c.client.Do(r)
	if err != nil {
		return answer{}, q.lost(ctx, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, q.lost(ctx, err)
	}
	now := c.now()
	return q.judge(reply{status: resp.StatusCode, retryAfter: transport.RetryAfter(resp.Header, now), date: resp.Header.Get("Date"), body: b}, now)
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
	var r interface{ Refused() bool }
	switch {
	case ctx.Err() != nil: // before any other explanation: the caller did it
		f.Actor, f.Action = fault.ActorUs, "It goes on by itself."
		f.Err = transport.ContextError(ctx)
	case nothing && errors.As(err, &r) && r.Refused(): // our own client does not call this address; a repeat changes nothing
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
		if n++; n > 512 {
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
	q    request
	body json.RawMessage // an object
	at   time.Time       // when it came, by our clock
	date string          // the platform's Date
}

// data decodes the object. What has another type stays empty; the caller checks what it needs.
func (a answer) data(into any) { _ = json.Unmarshal(a.body, into) }

// unreadable is a success that lacks what it is for.
func (a answer) unreadable(msg string) error { return a.q.open(msg) }

// protocol is a success that no repeat mends: the platform does not keep its own document.
func (a answer) protocol(msg string) error {
	return &fault.Error{Kind: fault.Permanent, Op: a.q.op, Actor: fault.ActorOperator, Action: "Ask the platform's support: the app may not be enabled for uploads by OSS.", Err: errors.New(msg)}
}

// open is an outcome that the answer leaves open.
func (q request) open(msg string) *fault.Error {
	f := &fault.Error{Kind: fault.Unknown, Op: q.op, Actor: fault.ActorPlatform, Err: errors.New(msg), Action: "The platform's answer could not be read; see its status page."}
	if harmless(q.step) {
		f.Kind = fault.Retryable
	}
	return f
}
