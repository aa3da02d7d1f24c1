package youku

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
)

// Refresher renews an account's access token (reference section 3). Whether the refresh token rotates is not
// documented: the caller holds a lease, and saves before use. It is safe for concurrent use.
type Refresher struct {
	caller caller
	secret bool
	bad    error
}

// NewRefresher makes a Refresher for the platform at c.BaseURL.
func NewRefresher(c Config, client *http.Client, o *Options) *Refresher {
	c = c.withDefaults()
	r := &Refresher{secret: c.SendSecret, bad: c.Check()}
	var now func() time.Time
	if o != nil {
		now = o.Now
	}
	r.caller = newCaller(c.BaseURL, client, now)
	return r
}

// Refresh implements token.Refresher. The life is only what the answer says, 0 where it says nothing. An answer without
// a refresh token leaves Refresh empty.
func (r *Refresher) Refresh(ctx context.Context, app token.AppKey, old token.Token) (token.Token, error) {
	const op = "youku.Refresh"
	if err := begin(ctx, op, r.bad); err != nil {
		return token.Token{}, err
	}
	if old.Refresh == "" {
		return token.Token{}, &fault.Error{Kind: fault.CredentialsExpired, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOwner,
			Action: "Log in again.", Err: token.ErrNoCredential}
	}
	if app.ID == "" {
		return token.Token{}, &fault.Error{Kind: fault.Permanent, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator,
			Action: "Set the app's key and secret.", Err: errors.New("there is no client_id")}
	}
	form := url.Values{"client_id": {app.ID}, "grant_type": {"refresh_token"}, "refresh_token": {old.Refresh}}
	if r.secret {
		form.Set("client_secret", app.Secret)
	}
	a, err := r.caller.do(ctx, request{step: StepRefresh, op: op, method: http.MethodPost, path: pathRefresh, params: form,
		secrets: []string{old.Refresh, old.Access, app.Secret}, fresh: true})
	if err != nil {
		return token.Token{}, err
	}
	var d struct {
		Access  string  `json:"access_token"`
		Refresh string  `json:"refresh_token"`
		Expires *number `json:"expires_in"`
	}
	if a.data(&d); d.Access == "" {
		return token.Token{}, a.unreadable("the answer holds no access token")
	}
	now := r.caller.now()
	t := old
	t.Access, t.Refresh, t.Obtained, t.Expires = d.Access, d.Refresh, now, later(now, d.Expires)
	return t, nil
}

// later adds a life in seconds: the zero time where none was said; now itself where nonsense was, so that the token
// counts as ended and the Keeper refuses it loudly.
func later(now time.Time, seconds *number) time.Time {
	switch {
	case seconds == nil:
		return time.Time{}
	case *seconds <= 0 || *seconds > 10*365*86400:
		return now
	}
	return now.Add(time.Duration(*seconds) * time.Second)
}
