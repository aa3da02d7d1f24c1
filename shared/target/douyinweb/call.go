package douyinweb

import (
	"bytes"
	"context"
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

// caller makes one HTTP request and gives back whatever came.
type caller struct {
	cfg    Config
	client *http.Client
	now    func() time.Time
}

func newCaller(cfg Config, client *http.Client, o *Options) caller {
	// A redirect would repeat the request elsewhere, cookies included; a jar would send them by rules that are not ours.
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Jar = nil
	k := caller{cfg: cfg, client: &c, now: time.Now}
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
	url     string
	header  http.Header
	cookies *jar // goes only where mayCookie says
	ctype   string
	length  int64
	body    func(context.Context) (io.ReadCloser, error)
	secrets []string // that the platform could quote
	fresh   bool     // over a connection of its own (shared/transport)
}

// withBytes gives the request a small body. It is no *bytes.Reader to net/http, so that there is no GetBody and hence
// no replay.
func (q request) withBytes(ctype string, b []byte) request {
	q.ctype, q.length = ctype, int64(len(b))
	q.body = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	return q
}

// reply is an HTTP answer, read.
type reply struct {
	status     int
	location   string
	verify     bool // the site asks for a human check
	csrf       string
	retryAfter time.Duration
	logID      string
	body       []byte
}

// do sends q once.
func (c caller) do(ctx context.Context, q request) (reply, error) {
	if err := begin(ctx, q.op, nil); err != nil {
		return reply{}, err
	}
	r, err := http.NewRequestWithContext(ctx, q.method, q.url, nil)
	if err != nil {
		return reply{}, q.notSent("the platform's address is not a URL")
	}
	for k, v := range q.header {
		r.Header[k] = v
	}
	if q.cookies != nil {
		if !c.cfg.mayCookie(r.URL) {
			return reply{}, q.notSent("cookies may not go to this host")
		}
		value, why := q.cookies.header(c.cfg.cookieHost(), r.URL.Path, c.now())
		if why != "" {
			return reply{}, q.loginFirst(why)
		}
		r.Header.Set("Cookie", value)
	}
	if q.ctype != "" {
		r.Header.Set("Content-Type", q.ctype)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "vodlift")
	r.Close = q.fresh
	if q.body != nil {
		if r.Body, err = q.body(ctx); err != nil {
			return reply{}, bodyFault(ctx, q.op, err)
		}
		r.ContentLength = q.length
	}
	resp, err := c.client.Do(r)
	if err != nil {
		return reply{}, q.lost(ctx, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return reply{}, q.lost(ctx, err)
	}
	return reply{status: resp.StatusCode, location: resp.Header.Get("Location"), verify: resp.Header.Get("X-Tt-Verify-Passport-Decision") != "",
		csrf: resp.Header.Get("X-Ware-Csrf-Token"), retryAfter: transport.RetryAfter(resp.Header, c.now()), logID: printable(resp.Header.Get("X-Tt-Logid"), q.secrets), body: b}, nil
}

func (q request) notSent(msg string) error {
	return &fault.Error{Kind: fault.Permanent, Op: q.op, Effect: fault.EffectNone, AssetKept: true, Actor: fault.ActorOperator,
		Action: "Check the target's addresses.", Err: errors.New(msg)}
}

// loginFirst: without usable cookies nothing is sent.
func (q request) loginFirst(why string) error {
	return &fault.Error{Kind: fault.CredentialsExpired, Op: q.op, Effect: fault.EffectNone, AssetKept: true, Actor: fault.ActorOwner,
		Action: loginAgain, Err: errors.New(why)}
}

const loginAgain = "Log in to the creator site in a browser, export its cookies, and give them to this account."

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
