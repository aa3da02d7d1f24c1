package douyin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
)

// MaxRenewals is how often a refresh token can be renewed before the user has to authorize again (reference A.2).
const MaxRenewals = 5

// Refresher renews tokens (reference A.2). It sends no secret of the app: neither call takes one. It is safe for
// concurrent use, but two Renew of the same token must never run at once: the caller holds a lease.
type Refresher struct {
	caller caller
	bad    error
}

// NewRefresher makes a Refresher for the platform at c.BaseURL.
func NewRefresher(c Config, client *http.Client, o *Options) *Refresher {
	c = c.withDefaults()
	return &Refresher{caller: newCaller(c.BaseURL, client, o), bad: c.Check()}
}

// tokens is the data of both answers.
type tokens struct {
	Access           string `json:"access_token"`
	ExpiresIn        life   `json:"expires_in"`
	Refresh          string `json:"refresh_token"`
	RefreshExpiresIn life   `json:"refresh_expires_in"`
	OpenID           string `json:"open_id"`
	Scope            string `json:"scope"`
}

func (t tokens) scopes() []string {
	return strings.FieldsFunc(t.Scope, func(r rune) bool { return r == ',' || r == ' ' })
}

// life is a number of seconds as an answer states it. Nonsense never passes for "not said": a token of zero life is none.
type life struct {
	stated, good bool
	seconds      number
}

// UnmarshalJSON never fails, so that what else stands in the answer is read all the same.
func (l *life) UnmarshalJSON(b []byte) error {
	l.stated = string(b) != "null" && string(b) != `""`
	l.good = l.seconds.UnmarshalJSON(b) == nil && l.seconds > 0 && l.seconds <= 10*365*86400
	return nil
}

// end is when it is over: the zero time where nothing was said, now itself where nonsense was, so that the token counts as
// ended.
func (l life) end(now time.Time) time.Time {
	switch {
	case l.good:
		return now.Add(time.Duration(l.seconds) * time.Second)
	case l.stated:
		return now
	}
	return time.Time{}
}

// Refresh asks for an access token. A live one comes back as it is with its clock wound up, an expired one is replaced;
// the end of the refresh token does not move. An answer without a refresh token leaves Refresh empty.
func (r *Refresher) Refresh(ctx context.Context, app token.AppKey, old token.Token) (token.Token, error) {
	const op = "douyin.Refresh"
	form := url.Values{"client_key": {app.ID}, "grant_type": {"refresh_token"}, "refresh_token": {old.Refresh}}
	a, d, err := r.ask(ctx, op, StepRefresh, pathRefresh, form, app, old)
	if err != nil {
		return token.Token{}, err
	}
	switch {
	case d.Access == "":
		return token.Token{}, a.unreadable("the answer holds no access token")
	case d.OpenID != "" && old.Subject != "" && d.OpenID != old.Subject:
		return token.Token{}, &fault.Error{Kind: fault.CredentialsExpired, Op: op, LogID: a.env.logID, Actor: fault.ActorOwner,
			Action: "Log in again with the account's own user.", Err: errors.New("the answer is for another user")}
	}
	now := r.caller.now()
	t := old
	t.Access, t.Refresh, t.Obtained, t.Expires = d.Access, d.Refresh, now, d.ExpiresIn.end(now)
	if d.OpenID != "" {
		t.Subject = d.OpenID
	}
	if s := d.scopes(); len(s) > 0 {
		t.Scopes = s
	}
	// Whether refresh_expires_in is what is left or the full life is not said: the earlier end is the safe one.
	if by := d.RefreshExpiresIn.end(now); d.RefreshExpiresIn.good && (old.RefreshBy.IsZero() || by.Before(old.RefreshBy) || d.Refresh != "" && d.Refresh != old.Refresh) {
		t.RefreshBy = by
	}
	return t, nil
}

// Renew asks for a new refresh token; the old one is dead as soon as the platform has answered, whether the answer
// arrives or not. So: under a lease, saved before use, never repeated blindly. The access token does not change.
func (r *Refresher) Renew(ctx context.Context, app token.AppKey, old token.Token) (token.Token, error) {
	const op = "douyin.Renew"
	form := url.Values{"client_key": {app.ID}, "refresh_token": {old.Refresh}}
	a, d, err := r.ask(ctx, op, StepRenew, pathRenew, form, app, old)
	if err != nil {
		return token.Token{}, err
	}
	if d.Refresh == "" {
		return token.Token{}, a.unreadable("the answer holds no refresh token")
	}
	t := old
	// Here expires_in is the new refresh token's life. Nonsense there is no reason to lose the token.
	t.Refresh, t.RefreshBy, t.Renewals = d.Refresh, time.Time{}, old.Renewals+1
	if d.ExpiresIn.good {
		t.RefreshBy = d.ExpiresIn.end(r.caller.now())
	}
	return t, nil
}

func (r *Refresher) ask(ctx context.Context, op string, s Step, path string, form url.Values, app token.AppKey, old token.Token) (answer, tokens, error) {
	if err := begin(ctx, op, r.bad); err != nil {
		return answer{}, tokens{}, err
	}
	if old.Refresh == "" {
		return answer{}, tokens{}, &fault.Error{Kind: fault.CredentialsExpired, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOwner,
			Action: "Log in again.", Err: token.ErrNoCredential}
	}
	if app.ID == "" {
		return answer{}, tokens{}, &fault.Error{Kind: fault.Permanent, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator,
			Action: "Set the app's key and secret.", Err: errors.New("there is no client_key")}
	}
	q := request{step: s, op: op, method: http.MethodPost, path: path, secrets: []string{old.Refresh, old.Access, app.Secret}, fresh: true}
	a, err := r.caller.do(ctx, q.withBytes("application/x-www-form-urlencoded", []byte(form.Encode())))
	if err != nil {
		return answer{}, tokens{}, err
	}
	var d tokens
	a.data(&d)
	return a, d, nil
}
