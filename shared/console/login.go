package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// account serves POST /api/accounts.
func (c *Console) account(r *http.Request) (any, error) {
	const op = "console.login"
	var q AccountRequest
	if err := secretBody(r, &q); err != nil {
		return nil, err
	}
	if _, err := upload.ParseAccount(string(q.Account)); err != nil {
		return nil, fault.InvalidField(op, "account", "target/name", err.Error())
	}
	p, ok := c.Platforms[q.Account.Target()]
	if !ok {
		return nil, fault.InvalidField(op, "account", strings.Join(c.words(), ", "), fmt.Sprintf("there is no platform %.32q", q.Account.Target()))
	}
	byToken := len(q.Token) > 0
	switch {
	case p.Login != nil && q.Begin != nil && q.Finish == nil && !byToken:
		return c.begin(r.Context(), p, q)
	case p.Login != nil && q.Finish != nil && q.Begin == nil && !byToken:
		code, err := codeOf(q.Finish.Pasted, q.Finish.State)
		if err != nil {
			return nil, err
		}
		return c.finish(r.Context(), q.Finish.State, code, q.Account, q.AnotherUser)
	case p.Parse != nil && byToken && q.Begin == nil && q.Finish == nil:
		t, err := p.Parse(plainText(q.Token), c.Now())
		if err == nil {
			t, err = c.tried(r.Context(), p, q.Account.Target(), t)
		}
		if err != nil {
			return nil, err
		}
		return c.save(context.WithoutCancel(r.Context()), q, t)
	case p.Login == nil:
		return nil, fault.InvalidField(op, "token", p.Wants, "this is no step of a login of "+string(q.Account))
	}
	return nil, fault.InvalidField(op, "body", "begin or finish", "this is no step of a login of "+string(q.Account))
}

// tried asks the platform about a credential that was got elsewhere, so that a dead one, or one of somebody else, is not
// stored over one that works.
func (c *Console) tried(ctx context.Context, p Platform, platform string, t token.Token) (token.Token, error) {
	if p.Try == nil {
		return t, nil
	}
	app, err := c.Vault.App(ctx, platform)
	if err != nil && !errors.Is(err, token.ErrNoApp) {
		return t, err
	}
	tried, err := p.Try(ctx, app, t)
	if err != nil {
		return t, err
	}
	return tried, nil
}

// plainText is what a token that came as a JSON string says, such as a file of cookies; an object stays as it is.
func plainText(raw json.RawMessage) []byte {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return []byte(s)
	}
	return raw
}

func (c *Console) begin(ctx context.Context, p Platform, q AccountRequest) (any, error) {
	const op = "console.login"
	a, b := q.Account, *q.Begin
	app, err := c.Vault.App(ctx, a.Target())
	if err != nil {
		return nil, err
	}
	if b.Redirect == "" {
		if b.Redirect, err = c.logins.remembered(ctx, a.Target()); err != nil {
			return nil, err
		}
	}
	own := c.Place.Redirect(ctx, a.Target())
	b.Redirect = cmp.Or(b.Redirect, own)
	if b.Redirect == "" {
		return nil, fault.InvalidField(op, "redirect", "https, as registered with the app", "say the address that the platform's console has for this app: --redirect https://...")
	}
	if err := p.Login.CheckRedirect(b.Redirect); err != nil {
		return nil, err
	}
	if len(b.Scopes) == 0 {
		b.Scopes = p.Login.Scopes()
	}
	for _, s := range b.Scopes {
		if !wordLike(s) || strings.Contains(s, ",") || len(b.Scopes) > 50 {
			return nil, fault.InvalidField(op, "scopes", "words such as video.create.bind", "one of the scopes is none")
		}
	}
	state, until, err := c.logins.begin(ctx, begun{Account: a, By: handler.CallerFrom(ctx).ARN, Another: q.AnotherUser, Redirect: b.Redirect})
	if err != nil {
		return nil, err
	}
	return LoginBegun{URL: p.Login.AuthorizeURL(app, b.Redirect, b.Scopes, state), State: state, Redirect: b.Redirect, Scopes: b.Scopes, Until: until,
		Own: c.Place.OwnPage && b.Redirect == own}, nil
}

// finish exchanges what came back of the login that state names. The exchange is made by whoever takes the login, once.
// account, where it is not empty, must be the one that it was begun for.
func (c *Console) finish(ctx context.Context, state, code string, account upload.Account, another bool) (LoggedIn, error) {
	b, version, err := c.logins.known(ctx, state)
	if err == nil && account != "" && b.Account != account {
		err = notOpen()
	}
	if err != nil {
		return LoggedIn{}, err
	}
	p, ok := c.Platforms[b.Account.Target()]
	if !ok || p.Login == nil {
		return LoggedIn{}, notOpen()
	}
	app, err := c.Vault.App(ctx, b.Account.Target())
	if err != nil {
		return LoggedIn{}, err
	}
	if err := c.logins.take(ctx, state, b, version); err != nil {
		return LoggedIn{}, err
	}
	ctx = context.WithoutCancel(ctx) // not even Ctrl-C may lose a token that the platform has given
	t, err := p.Login.Exchange(ctx, app, code)
	if err != nil {
		return LoggedIn{}, &platformSaid{err}
	}
	if p.Lacks != nil && len(t.Scopes) > 0 {
		for _, l := range p.Lacks(t.Scopes) {
			if l.Fatal {
				f := fault.InvalidField("console.login", "scopes", l.Scope, "the user did not grant "+l.Scope+", so nothing could be published; nothing was saved")
				f.Action = "Begin the login again and grant it."
				return LoggedIn{}, f
			}
		}
	}
	if err := c.logins.remember(ctx, b.Account.Target(), b.Redirect); err != nil {
		c.log.Warn("the address of the login was not remembered", "platform", b.Account.Target(), "error", err.Error())
	}
	c.log.Info("a login came back", "account", string(b.Account), "begun_by", b.By)
	return c.save(ctx, AccountRequest{Account: b.Account, AnotherUser: another || b.Another}, t)
}

// save stores a login where it belongs, and lets what waited for it go on.
func (c *Console) save(ctx context.Context, q AccountRequest, t token.Token) (LoggedIn, error) {
	home, err := c.home(ctx, q, t.Subject)
	if err != nil {
		return LoggedIn{}, err
	}
	if _, err := c.Vault.SaveLogin(ctx, home, t); err != nil {
		return LoggedIn{}, err
	}
	c.log.Info("account logged in", "account", string(home), "expires", t.Expires)
	var out LoggedIn
	n, err := c.LoggedIn(ctx, home)
	out.Resumed = n
	if err != nil {
		c.log.Error("not every upload that waited for a login goes on", "account", string(home), "error", err.Error())
		out.Note = "the login is saved, but not every upload that waited for it was started; see vodlift status, and vodlift retry"
	}
	if home != q.Account {
		return LoggedIn{}, fault.InvalidField("console.login", "account", "one name for each user", "this user is already "+string(home)+
			", and the login was saved there; under two names the same video could be published twice, so "+string(q.Account)+" is as it was")
	}
	info, err := c.Vault.Info(ctx, q.Account)
	if err != nil {
		return LoggedIn{}, err
	}
	out.AccountView, err = c.accountView(ctx, info)
	return out, err
}

// home is the account that a login belongs to. An account stays one user's: looks for a post whose answer was lost would
// search another user's works. A user who has another name here keeps it, and gets the new token under it: the platform
// may have ended the former one by giving this.
func (c *Console) home(ctx context.Context, q AccountRequest, subject string) (upload.Account, error) {
	if subject == "" {
		return q.Account, nil
	}
	others, err := c.Vault.OfSubject(ctx, q.Account.Target(), subject)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(others, func(i token.AccountInfo) bool { return i.Account == q.Account }) {
		return q.Account, nil
	}
	if len(others) > 0 {
		return others[0].Account, nil
	}
	was, err := c.Vault.Info(ctx, q.Account)
	if err != nil && !errors.Is(err, token.ErrNoCredential) {
		return "", err
	}
	other := was.Subject != "" && was.Subject != subject
	if other && !q.AnotherUser {
		return "", fault.InvalidField("console.login", "account", "the user that it is of", "this login is of another user than "+string(q.Account)+
			" was so far (log in as that user, take another name for this one, or say --another-user if it is meant); nothing was saved")
	}
	return q.Account, nil
}
