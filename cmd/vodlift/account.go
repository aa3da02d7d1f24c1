package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

func accountCommand() command {
	return command{
		name: "account", args: "login PLATFORM/NAME | list | remove PLATFORM/NAME", short: "log accounts in, see when they need it again, remove them",
		long: `
An account is PLATFORM/NAME; the name is yours to choose, and routes speak of it.

  login douyin/NAME   shows an address. Its user opens it, consents, and pastes the address that the browser ends at.
                      What waited for the login goes on. add is the same. --redirect is needed the first time only: an
                      address that worked is remembered. In the demo each consent is a new user's, so a login of douyin/main,
                      which has one already, says so and wants --another-user; a new name needs nothing
  login youku/NAME    reads {"access_token": "...", "expires_in": N, "refresh_token": "..."} from standard input or
                      --file FILE: Youku's developer console shows the token, its API has no first login
  login douyinweb/NAME   reads the cookies of your own session at creator.douyin.com from --file FILE: a cookies.txt
                      (Netscape) or a JSON export of the browser
  login alivod/NAME   reads {"access_key_id": "...", "access_key_secret": "..."}, or {"role_arn": "..."} whose role the
                      app's key may take, from standard input or --file FILE
  list                who is logged in, until when, and when a person is needed
  remove PLATFORM/NAME   erases the secrets of an account here, what is known of its user, and logins under way; what it
                      published stays, and so do the ids in the ledger

Nothing secret is taken from the command line, and nothing secret is shown.`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			var o accountOptions
			data := dataFlag(fs)
			fs.StringVar(&o.redirect, "redirect", "", "`ADDRESS` that the platform's console has for your app, https; default: the last one that worked, or this stack's own")
			scopes := &list{split: ","}
			fs.Var(scopes, "scope", "ask for this `SCOPE`; may be repeated; default: what publishing needs")
			fs.StringVar(&o.file, "file", "", "read the credential from `FILE`; - is standard input; not for douyin")
			fs.BoolVar(&o.another, "another-user", false, "the account is another user of the platform from now on")
			fs.BoolVar(&o.yes, "yes", false, "with remove: do not ask")
			fs.BoolVar(&o.json, "json", false, "with list: JSON on standard output, one account a line")
			return func(ctx context.Context, args []string) error {
				o.scopes = scopes.values
				return m.account(ctx, *data, o, args)
			}
		},
	}
}

type accountOptions struct {
	redirect, file     string
	scopes             []string
	another, yes, json bool
}

func (m *Main) account(ctx context.Context, data string, o accountOptions, args []string) error {
	verb, rest := "", args
	if len(args) > 0 {
		verb, rest = args[0], args[1:]
	}
	var run func(context.Context, *client, accountOptions, upload.Account) error
	switch {
	case verb == "list" && len(rest) == 0:
		run = m.accountList
	case (verb == "login" || verb == "add") && len(rest) == 1:
		run = m.accountLogin
	case verb == "remove" && len(rest) == 1:
		run = m.accountRemove
	default:
		return usagef("want login PLATFORM/NAME, list, or remove PLATFORM/NAME%s", suggestion(verb, []string{"login", "add", "list", "remove"}, ""))
	}
	var a upload.Account
	if len(rest) == 1 {
		var err error
		if a, err = upload.ParseAccount(rest[0]); err != nil {
			return usagef("%s", err)
		}
	}
	c, err := m.connected(ctx, data)
	if err != nil {
		return err
	}
	defer c.close()
	return run(ctx, c, o, a)
}

func (m *Main) accountLogin(ctx context.Context, c *client, o accountOptions, a upload.Account) error {
	q := console.AccountRequest{Account: a, AnotherUser: o.another}
	switch a.Target() {
	case "douyin":
		if o.file != "" {
			return usagef("--file is not for douyin; its accounts log in by an address")
		}
		var b console.LoginBegun
		if err := c.post(ctx, "/api/accounts", console.AccountRequest{Account: a, AnotherUser: o.another, Begin: &console.LoginBegin{Redirect: o.redirect, Scopes: o.scopes}}, &b); err != nil {
			return m.withoutApp(err, a)
		}
		fmt.Fprintf(m.Stdout, "%sOpen this address as the user of %s, and consent:\n\n%s\n\n", c.mark(), a, shown(b.URL))
		if b.Own {
			m.show(c, "The browser then comes back to this stack, whose page says how it went. There is nothing to paste; %s account list shows it, too", m.Name)
			return nil
		}
		fmt.Fprintf(m.Stdout, "%sThe browser ends at %s?code=...&state=... (that page need not exist).\n%sPaste its whole address here, within ten minutes: ", c.mark(), shown(b.Redirect), c.mark())
		pasted, err := m.line(ctx)
		fmt.Fprintln(m.Stdout)
		if err != nil {
			return err
		}
		q.Finish = &console.LoginFinish{State: b.State, Pasted: pasted}
	default:
		if o.redirect != "" || len(o.scopes) > 0 {
			return usagef("--redirect and --scope are for douyin")
		}
		raw, err := m.credential(ctx, a, o.file)
		if err != nil {
			return err
		}
		q.Token = raw
	}
	var in console.LoggedIn
	if err := c.post(ctx, "/api/accounts", q, &in); err != nil {
		return m.withoutApp(err, a)
	}
	m.loggedIn(c, in)
	return nil
}

// withoutApp says which command sets the app's key, if that is what is missing.
func (m *Main) withoutApp(err error, a upload.Account) error {
	if strings.Contains(err.Error(), token.ErrNoApp.Error()) {
		return fmt.Errorf("the key of the app at %s is not set yet; first: %s app set %s", a.Target(), m.Name, a.Target())
	}
	return err
}

// credential reads what a platform without a page of consent wants: an object in JSON, or a text file such as cookies.
func (m *Main) credential(ctx context.Context, a upload.Account, file string) (json.RawMessage, error) {
	if file == "" && m.ReadSecret != nil {
		if a.Target() == "douyinweb" {
			return nil, usagef("say where the cookies are: --file FILE")
		}
		fmt.Fprintf(m.Stderr, "the credential of %s as JSON on one line (not shown; see help account): ", a)
		s, err := m.ReadSecret(ctx)
		fmt.Fprintln(m.Stderr)
		return asToken([]byte(s), err)
	}
	return asToken(m.secretInput(ctx, file))
}

// asToken is the credential as the API takes it: an object as it is, anything else as a string.
func asToken(b []byte, err error) (json.RawMessage, error) {
	if err != nil {
		return nil, err
	}
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0:
		return nil, errors.New("there is no credential in what was read")
	case b[0] == '{' && json.Valid(b):
		return b, nil
	}
	return json.Marshal(string(b))
}

// loggedIn tells what a login is good for, and what it is not.
func (m *Main) loggedIn(c *client, in console.LoggedIn) {
	say := func(format string, args ...any) { m.show(c, format, args...) }
	switch {
	case in.Expires.IsZero() && !in.Renewable:
		say("%s is logged in; that does not end by itself", in.Account)
	case in.Expires.IsZero():
		say("%s is logged in; its access is asked for where it is needed", in.Account)
	case !in.NeedsLoginBy.IsZero() && !in.NeedsLoginBy.After(in.Expires):
		say("%s is logged in; that cannot be renewed, so a person has to log in again by %s", in.Account, m.day(in.NeedsLoginBy))
	default:
		say("%s is logged in; its access ends %s and is renewed before", in.Account, m.day(in.Expires))
	}
	if in.NeedsLoginBy.After(in.Expires) {
		say("a person has to log in again by %s at the latest (%s renewals left)", m.day(in.NeedsLoginBy), renewals(in.RenewalsLeft))
	}
	if in.Account.Target() == "douyin" {
		say("granted: %s", orText(strings.Join(in.Scopes, ", "), "the platform did not say"))
	}
	for _, l := range in.Lacks {
		say("not granted: %s. %s", l.Scope, l.What)
	}
	if in.Resumed > 0 {
		say("%d uploads that waited for this login go on", in.Resumed)
	}
	if in.Note != "" {
		say("%s", in.Note)
	}
	switch {
	case !in.Routed && c.demo():
		say("no route of the demo names %s, so nothing is published to it", in.Account)
	case !in.Routed:
		say("no route names %s yet, so nothing is published to it: add it to the routes in %s/config.json and start vodlift again", in.Account, c.dir)
	}
}

// show writes a line to standard output.
func (m *Main) show(c *client, format string, args ...any) {
	fmt.Fprintf(m.Stdout, "%s%s\n", c.mark(), shown(fmt.Sprintf(format, args...)))
}

func renewals(n int) string {
	if n < 0 {
		return "uncounted"
	}
	return strconv.Itoa(n)
}

// day writes a time and how far it is.
func (m *Main) day(t time.Time) string {
	if t.IsZero() {
		return "(the platform did not say when)"
	}
	d := t.Sub(m.Now())
	if d < 0 {
		return t.Local().Format(time.DateTime) + " (over)"
	}
	if d < 48*time.Hour {
		return fmt.Sprintf("%s (in %.1f hours)", t.Local().Format(time.DateTime), d.Hours())
	}
	return fmt.Sprintf("%s (in %.1f days)", t.Local().Format(time.DateTime), d.Hours()/24)
}

func (m *Main) accountList(ctx context.Context, c *client, o accountOptions, _ upload.Account) error {
	var as []console.AccountView
	if err := c.get(ctx, "/api/accounts", &as); err != nil {
		return err
	}
	if o.json {
		return jsonLines(m.Stdout, as)
	}
	if len(as) == 0 {
		fmt.Fprintf(m.Stdout, "%sthere are no accounts; %s account login douyin/NAME\n", c.mark(), m.Name)
		return nil
	}
	rows := [][]string{{"account", "state", "access ends", "renewals left", "last refresh", "result", "needs login by", "waiting", "on a route"}}
	at := func(t time.Time, with func(time.Time) string) string {
		if t.IsZero() {
			return "-"
		}
		return with(t)
	}
	for _, a := range as {
		state, left, routed := strings.ToUpper(a.State), "-", "yes"
		if a.Reason != "" {
			state += "(" + a.Reason + ")"
		}
		if a.RenewalsLeft >= 0 && a.State == token.AccountOK {
			left = strconv.Itoa(a.RenewalsLeft)
		}
		if !a.Routed {
			routed = "no"
		}
		last := at(a.LastRefresh, func(t time.Time) string { return t.Local().Format(time.DateTime) })
		rows = append(rows, []string{string(a.Account), state, at(a.Expires, m.day), left, last, orText(a.LastResult, "-"), at(a.NeedsLoginBy, m.day), strconv.Itoa(a.Waiting), routed})
	}
	columnsTable(m.Stdout, c.mark(), rows)
	return nil
}

func (m *Main) accountRemove(ctx context.Context, c *client, o accountOptions, a upload.Account) error {
	if !o.yes {
		fmt.Fprintf(m.Stderr, "%sThis erases the login of %s here; uploads to it will wait for a new one. Type its name to go on: ", c.mark(), a)
		typed, err := m.line(ctx)
		if err != nil {
			return err
		}
		if typed != string(a) {
			return errors.New("the name was not typed, so nothing was removed")
		}
	}
	var v console.AccountView
	err := c.do(ctx, http.MethodDelete, c.run.API+"/api/accounts/"+url.PathEscape(a.Target())+"/"+url.PathEscape(a.Name()), nil, &v)
	if err != nil {
		return err
	}
	fmt.Fprintf(m.Stdout, "%s%s is removed: its secrets are erased here, and what was known of its user. What the platform allows this app it goes on allowing until the user withdraws it there\n", c.mark(), a)
	return nil
}
