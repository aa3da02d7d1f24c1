package douyinweb

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
)

// Refresher looks whether a login is alive. Cookies cannot be renewed by a program: only a person logs in. It is safe
// for concurrent use.
type Refresher struct {
	cfg    Config
	caller caller
	bad    error
}

// NewRefresher makes a Refresher for the site at c.CreatorURL.
func NewRefresher(c Config, client *http.Client, o *Options) *Refresher {
	c = c.withDefaults()
	return &Refresher{cfg: c, caller: newCaller(c, client, o), bad: c.Check()}
}

// Alive asks the site who is logged in: one small read (reference B.1, helper reads). CredentialsExpired: nobody, another
// user than the token's Subject, or the site wants a person to log in or to prove to be one.
func (r *Refresher) Alive(ctx context.Context, t token.Token) error {
	_, err := r.user(ctx, "douyinweb.Alive", t)
	return err
}

// Refresh gives old back, with the user's id as its Subject, if the login is alive; CredentialsExpired if it is dead. It
// needs no app.
func (r *Refresher) Refresh(ctx context.Context, _ token.AppKey, old token.Token) (token.Token, error) {
	uid, err := r.user(ctx, "douyinweb.Refresh", old)
	if err != nil {
		return token.Token{}, err
	}
	old.Subject = uid
	return old, nil
}

func (r *Refresher) user(ctx context.Context, op string, t token.Token) (string, error) {
	if err := begin(ctx, op, r.bad); err != nil {
		return "", err
	}
	q := request{step: StepUser, op: op, method: http.MethodGet, url: r.cfg.CreatorURL + pathUser}
	j, why := loadJar(t)
	if why == "" && !t.Expires.IsZero() && !r.caller.now().Before(t.Expires) {
		why = "the login expired at " + t.Expires.UTC().Format(time.RFC3339)
	}
	if why != "" {
		return "", q.loginFirst(why)
	}
	q.cookies, q.secrets = j, j.secrets()
	a, err := r.caller.do(ctx, q)
	if err != nil {
		return "", err
	}
	o, f := q.site(a)
	if f != nil {
		return "", f
	}
	uid := o.obj("user").str("uid")
	if o.err() == "" && !digits(uid) {
		o.bad("user.uid", "is no number of a user")
	}
	if o.err() != "" {
		return "", q.protocol(a, o.err())
	}
	if t.Subject != "" && t.Subject != uid {
		return "", &fault.Error{Kind: fault.CredentialsExpired, Op: op, Effect: fault.EffectNone, LogID: a.logID, Actor: fault.ActorOwner,
			Action: "Log in again with the account's own user.", Err: errors.New("the cookies are of another user")}
	}
	return uid, nil
}
