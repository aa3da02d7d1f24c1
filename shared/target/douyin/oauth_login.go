package douyin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
)

// Login is the first step of an account: the page where its user consents, and the exchange of the code that comes back
// (reference A.2). It is safe for concurrent use.
type Login struct {
	cfg    Config
	caller caller
	bad    error
}

// NewLogin makes a Login for the platform at c.BaseURL.
func NewLogin(c Config, client *http.Client, o *Options) *Login {
	c = c.withDefaults()
	return &Login{cfg: c, caller: newCaller(c.BaseURL, client, o), bad: c.Check()}
}

// Scopes are what to ask the user for under c: publishing, and the two with which the fate of a post can be seen.
func Scopes(c Config) []string {
	if c.withDefaults().Generation == Legacy {
		return []string{"video.create", "video.list", "video.data"}
	}
	return []string{"video.create.bind", "video.list.bind", "video.data.bind"}
}

// Lack is something that an account's grant does not allow, and what follows from it.
type Lack struct {
	Scope string `json:"scope"` // any of them where several would do, joined by " or "
	What  string `json:"what"`  // one sentence for people
	Fatal bool   `json:"fatal"` // nothing can be published without it
}

// Lacks compares the granted scopes with what publishing under c needs (reference A "Availability", A.8).
func Lacks(c Config, granted []string) []Lack {
	want := Scopes(c)
	create, list, data := want[0], want[1:2], want[2]
	if c.withDefaults().Generation != Legacy {
		list = []string{want[1], want[2]} // either opens the list
	}
	has := func(any ...string) bool {
		return slices.ContainsFunc(any, func(s string) bool { return slices.Contains(granted, s) })
	}
	var out []Lack
	if !has(create) {
		out = append(out, Lack{create, "Nothing can be published by this account.", true})
	}
	if !has(list...) {
		out = append(out, Lack{strings.Join(list, " or "), "When the answer to a publication is lost nobody can look whether it is there: every such upload ends HELD, for a person to decide.", false})
	}
	if !has(data) {
		out = append(out, Lack{data, "It cannot be seen whether the platform shows a post or blocked it.", false})
	}
	return out
}

// CheckRedirect tells what is wrong with a redirect URI: https, without a query (reference A.2). http on a loopback
// address passes where loopback says so: fakes take it, the platform does not.
func CheckRedirect(redirect string, loopback bool) error {
	const op, rule = "douyin.CheckRedirect", "https, as registered with the app, without a query"
	u, err := url.Parse(redirect)
	switch {
	case err != nil || u.Host == "" || u.User != nil || len(redirect) > 1024:
		return fault.InvalidField(op, "redirect", rule, "this is not an address")
	case u.RawQuery != "" || u.ForceQuery:
		return fault.InvalidField(op, "redirect", rule, "the address has a query")
	case u.Scheme == "https", loopback && u.Scheme == "http" && net.ParseIP(u.Hostname()).IsLoopback():
		return nil
	}
	return fault.InvalidField(op, "redirect", rule, "the address is not https")
}

// AuthorizeURL is the page for the account's user. What comes back is redirect with code and state; the code lives ten
// minutes and works once.
func (l *Login) AuthorizeURL(app token.AppKey, redirect string, scopes []string, state string) string {
	q := url.Values{"client_key": {app.ID}, "response_type": {"code"}, "scope": {strings.Join(scopes, ",")}, "redirect_uri": {redirect}, "state": {state}}
	return l.cfg.BaseURL + pathAuthorize + "?" + q.Encode()
}

// Paths of a first login.
const (
	pathAuthorize = "/platform/oauth/connect/"
	pathExchange  = "/oauth/access_token/"
)

// Exchange asks for the tokens of a code. Every error means: nothing was gained, and the code may be spent, so the login
// begins anew; it is never repeated here. A token without a life, an owner or an access token is an error too.
func (l *Login) Exchange(ctx context.Context, app token.AppKey, code string) (token.Token, error) {
	const op = "douyin.Exchange"
	if err := begin(ctx, op, l.bad); err != nil {
		return token.Token{}, err
	}
	if app.ID == "" || app.Secret == "" {
		return token.Token{}, &fault.Error{Kind: fault.Permanent, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator,
			Action: "Set the app's key and secret.", Err: errors.New("there is no client_key or no client_secret")}
	}
	if code == "" {
		return token.Token{}, fault.InvalidField(op, "code", "not empty", "there is no authorization code")
	}
	form := url.Values{"client_key": {app.ID}, "client_secret": {app.Secret}, "code": {code}, "grant_type": {"authorization_code"}}
	// The codes of OAuth are one table, whatever the call: it is read as for a refresh.
	q := request{step: StepRefresh, op: op, method: http.MethodPost, path: pathExchange, secrets: []string{code, app.Secret}, fresh: true}
	a, err := l.caller.do(ctx, q.withBytes("application/x-www-form-urlencoded", []byte(form.Encode())))
	if err != nil {
		return token.Token{}, loginFault(err)
	}
	var d tokens
	a.data(&d)
	now := l.caller.now()
	switch {
	case d.Access == "":
		return token.Token{}, loginFault(a.unreadable("the answer holds no access token"))
	case d.OpenID == "":
		return token.Token{}, loginFault(a.unreadable("the answer does not say whose token it is"))
	case !d.ExpiresIn.good:
		return token.Token{}, loginFault(a.unreadable("the answer's expires_in is no life of a token"))
	case d.RefreshExpiresIn.stated && !d.RefreshExpiresIn.good:
		return token.Token{}, loginFault(a.unreadable("the answer's refresh_expires_in is no life of a token"))
	}
	t := token.Token{Subject: d.OpenID, Access: d.Access, Refresh: d.Refresh, Obtained: now, Expires: d.ExpiresIn.end(now), Scopes: d.scopes()}
	if d.Refresh != "" {
		t.RefreshBy = d.RefreshExpiresIn.end(now)
	}
	return t, nil
}

// loginFault words what to do by the code: somebody sits before the terminal.
func loginFault(err error) error {
	f := *fault.As(err)
	switch f.Code {
	case "10007":
		f.Action = "A code works once, for ten minutes: begin the login again."
	case "10003", "10013", "10014", "29002002":
		f.Action = "Set the app's key and secret as the Douyin console shows them (vodlift app set douyin), then begin the login again."
	default:
		if f.Kind == fault.Unknown || f.Kind == fault.Retryable {
			f.Action = "Begin the login again; whatever login was stored before is untouched."
		}
	}
	return &f
}
