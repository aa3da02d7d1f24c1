package stack

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

const (
	loginLife = 30 * time.Minute // from the address to what came back; the code in it lives ten minutes (reference douyin A.2)
	maxLogins = 100
)

// logins are those that were begun, by their state: random, for one account, good once. They end with the process.
type logins struct {
	mu  sync.Mutex
	all map[string]begun
}

type begun struct {
	account upload.Account
	until   time.Time
}

func (l *logins) begin(a upload.Account, now time.Time) (state string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := ""
	for s, b := range l.all {
		if !now.Before(b.until) {
			delete(l.all, s)
		} else if oldest == "" || b.until.Before(l.all[oldest].until) {
			oldest = s
		}
	}
	if len(l.all) >= maxLogins {
		delete(l.all, oldest)
	}
	if l.all == nil {
		l.all = map[string]begun{}
	}
	state, until = rand.Text(), now.Add(loginLife)
	l.all[state] = begun{a, until}
	return state, until
}

// known tells whether a login is open; take also ends it, for exactly one caller.
func (l *logins) known(state string, a upload.Account, now time.Time, take bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.all[state]
	if !ok || b.account != a || !now.Before(b.until) {
		return fault.InvalidField("stack.login", "state", "of a login that was begun here", "this login is not open any more: it was finished, is older than half an hour, or vodlift was started again; begin it again")
	}
	if take {
		delete(l.all, state)
	}
	return nil
}

// account serves POST /api/accounts.
func (o *operator) account(r *http.Request) (any, error) {
	const op = "stack.login"
	var q AccountRequest
	if err := secretBody(r, &q); err != nil {
		return nil, err
	}
	if _, err := upload.ParseAccount(string(q.Account)); err != nil {
		return nil, fault.InvalidField(op, "account", "target/name", err.Error())
	}
	if err := knownPlatform(op, q.Account.Target()); err != nil {
		return nil, err
	}
	isDouyin, byToken := q.Account.Target() == "douyin", len(q.Token) > 0
	switch {
	case isDouyin && q.Begin != nil && q.Finish == nil && !byToken:
		return o.begin(r.Context(), q.Account, *q.Begin)
	case isDouyin && q.Finish != nil && q.Begin == nil && !byToken:
		// Not even Ctrl-C may lose a token that the platform has given.
		return o.finish(context.WithoutCancel(r.Context()), q)
	case !isDouyin && byToken && q.Begin == nil && q.Finish == nil:
		t, err := pastedToken(q.Token, o.Now())
		if err != nil {
			return nil, err
		}
		return o.save(context.WithoutCancel(r.Context()), q, t)
	}
	return nil, fault.InvalidField(op, "body", "begin or finish for douyin, token for youku", "this is no step of a login of "+string(q.Account))
}

func (o *operator) begin(ctx context.Context, a upload.Account, b LoginBegin) (any, error) {
	const op = "stack.login"
	app, err := o.Vault.App(ctx, a.Target())
	if err != nil {
		return nil, err
	}
	if b.Redirect == "" && o.Identity.Kind == Demo {
		b.Redirect = fakedouyin.DefaultRedirect
	}
	if b.Redirect == "" {
		return nil, fault.InvalidField(op, "redirect", "https, as registered with the app", "say the address that the Douyin console has for this app: --redirect https://...")
	}
	if err := douyin.CheckRedirect(b.Redirect, o.Identity.Kind == Demo); err != nil {
		return nil, err
	}
	if len(b.Scopes) == 0 {
		b.Scopes = douyin.Scopes(o.douyin)
	}
	for _, s := range b.Scopes {
		if !wordLike(s) || strings.Contains(s, ",") || len(b.Scopes) > 50 {
			return nil, fault.InvalidField(op, "scopes", "words such as video.create.bind", "one of the scopes is none")
		}
	}
	state, until := o.logins.begin(a, o.Now())
	return LoginBegun{URL: o.login.AuthorizeURL(app, b.Redirect, b.Scopes, state), State: state, Redirect: b.Redirect, Scopes: b.Scopes, Until: until}, nil
}

func (o *operator) finish(ctx context.Context, q AccountRequest) (any, error) {
	if err := o.logins.known(q.Finish.State, q.Account, o.Now(), false); err != nil {
		return nil, err
	}
	code, err := codeOf(q.Finish.Pasted, q.Finish.State)
	if err != nil {
		return nil, err
	}
	app, err := o.Vault.App(ctx, q.Account.Target())
	if err != nil {
		return nil, err
	}
	if err := o.logins.known(q.Finish.State, q.Account, o.Now(), true); err != nil {
		return nil, err
	}
	t, err := o.login.Exchange(ctx, app, code)
	if err != nil {
		return nil, err
	}
	for _, l := range douyin.Lacks(o.douyin, t.Scopes) {
		if l.Fatal && len(t.Scopes) > 0 {
			f := fault.InvalidField("stack.login", "scopes", l.Scope, "the user did not grant "+l.Scope+", so nothing could be published; nothing was saved")
			f.Action = "Begin the login again and grant it."
			return nil, f
		}
	}
	return o.save(ctx, q, t)
}

// save stores a login where it belongs, and lets what waited for it go on.
func (o *operator) save(ctx context.Context, q AccountRequest, t token.Token) (any, error) {
	home, err := o.home(ctx, q, t.Subject)
	if err != nil {
		return nil, err
	}
	if _, err := o.Vault.SaveLogin(ctx, home, t); err != nil {
		return nil, err
	}
	o.log.Info("account logged in", "account", string(home), "expires", t.Expires)
	var out LoggedIn
	n, err := o.LoggedIn(ctx, home)
	out.Resumed = n
	if err != nil {
		o.log.Error("not every upload that waited for a login goes on", "account", string(home), "error", err.Error())
		out.Note = "the login is saved, but not every upload that waited for it was started; see vodlift status, and vodlift retry"
	}
	if home != q.Account {
		return nil, fault.InvalidField("stack.login", "account", "one name for each user", "this user is already "+string(home)+
			", and the login was saved there; under two names the same video could be published twice, so "+string(q.Account)+" is as it was")
	}
	info, err := o.Vault.Info(ctx, q.Account)
	if err != nil {
		return nil, err
	}
	out.AccountView, err = o.accountView(ctx, info)
	return out, err
}

// home is the account that a login belongs to. An account stays one user's: looks for a post whose answer was lost would
// search another user's works. A user who has another name here keeps it, and gets the new token under it: the platform
// may have ended the former one by giving this.
func (o *operator) home(ctx context.Context, q AccountRequest, subject string) (upload.Account, error) {
	if subject == "" {
		return q.Account, nil
	}
	infos, err := o.Vault.Accounts(ctx)
	if err != nil {
		return "", err
	}
	var other upload.Account
	for _, i := range infos {
		known := i.Subject
		if t, err := o.Vault.Load(ctx, i.Account); err == nil {
			known = cmp.Or(known, t.Subject)
		} else if !errors.Is(err, token.ErrNoCredential) && !errors.Is(err, token.ErrNotOpened) {
			return "", err
		}
		switch {
		case known == "" || i.Account.Target() != q.Account.Target():
		case known == subject && i.Account == q.Account:
			return q.Account, nil
		case known == subject:
			return i.Account, nil
		case i.Account == q.Account:
			other = q.Account
		}
	}
	if other != "" && !q.AnotherUser {
		return "", fault.InvalidField("stack.login", "account", "the user that it is of", "this login is of another user than "+string(q.Account)+
			" was so far (log in as that user, take another name for this one, or say --another-user if it is meant); nothing was saved")
	}
	return q.Account, nil
}

// pastedToken reads Youku's token as its console and its refresh call show it. What is wrong is said without quoting it.
func pastedToken(raw json.RawMessage, now time.Time) (token.Token, error) {
	const op = "stack.login"
	var d struct {
		Access  string          `json:"access_token"`
		Refresh string          `json:"refresh_token"`
		Expires json.RawMessage `json:"expires_in"`
		Error   json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return token.Token{}, fault.InvalidField(op, "token", "JSON: access_token and refresh_token in quotes, expires_in", "this cannot be read as a token")
	}
	seconds, err := strconv.ParseInt(strings.Trim(string(d.Expires), `"`), 10, 64)
	switch {
	case len(d.Error) > 0 && string(d.Error) != "null":
		return token.Token{}, fault.InvalidField(op, "token", "no error in it", "this is the platform's answer to a failed call, not a token")
	case !wordLike(d.Access):
		return token.Token{}, fault.InvalidField(op, "access_token", "not empty, without spaces", "there is no access token")
	case d.Refresh != "" && !wordLike(d.Refresh):
		return token.Token{}, fault.InvalidField(op, "refresh_token", "without spaces", "this is no refresh token")
	case err != nil || seconds <= 0 || seconds > 10*365*86400:
		return token.Token{}, fault.InvalidField(op, "expires_in", "whole seconds, more than 0", "the life of the token is not a number of seconds")
	}
	return token.Token{Access: d.Access, Refresh: d.Refresh, Obtained: now, Expires: now.Add(time.Duration(seconds) * time.Second)}, nil
}
