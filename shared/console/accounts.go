package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// AppView is what may be shown of a platform's app.
type AppView struct {
	Platform string `json:"platform"`
	ID       string `json:"id,omitempty"`
	Set      bool   `json:"set"`
	Note     string `json:"note,omitempty"`
	Resumed  int    `json:"resumed,omitempty"` // uploads that waited for the key and go on
}

// AppRequest is the body of POST /api/apps/{platform}. It prints the id only.
type AppRequest struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// String shows no secret.
func (a AppRequest) String() string { return "app(" + a.ID + ")" }

// GoString shows no secret.
func (a AppRequest) GoString() string { return a.String() }

// AccountNone is the state of an account that a route names and nobody ever logged in.
const AccountNone = "no_login"

// AccountView is what GET /api/accounts answers for each account. Nothing in it is secret.
type AccountView struct {
	token.AccountInfo
	Lacks   []Lack `json:"lacks"`   // of the granted scopes
	Routed  bool   `json:"routed"`  // a route names it
	Waiting int    `json:"waiting"` // uploads that wait for a login
}

// AccountRequest is the body of POST /api/accounts: a login in two steps, or one by a token that was got elsewhere.
// Exactly one of the three. It prints the account only.
type AccountRequest struct {
	Account upload.Account `json:"account"`
	Begin   *LoginBegin    `json:"begin,omitempty"`
	Finish  *LoginFinish   `json:"finish,omitempty"`
	// Token is a credential that was got elsewhere, as the platform wants it (Platform.Wants): an object, or a text file
	// as a string.
	Token json.RawMessage `json:"token,omitempty"`
	// AnotherUser allows a login by another user of the platform than the account was of before.
	AnotherUser bool `json:"another_user,omitempty"`
}

// String shows no secret.
func (r AccountRequest) String() string { return "login(" + string(r.Account) + ")" }

// GoString shows no secret.
func (r AccountRequest) GoString() string { return r.String() }

// LoginBegin asks for the page on which the account's user consents.
type LoginBegin struct {
	Redirect string   `json:"redirect"`
	Scopes   []string `json:"scopes,omitempty"` // default: what publishing needs
}

// LoginFinish is what came back from that page.
type LoginFinish struct {
	State  string `json:"state"`  // of LoginBegun
	Pasted string `json:"pasted"` // the returned address, or the code in it
}

// LoginBegun is the answer to LoginBegin.
type LoginBegun struct {
	URL      string    `json:"url"`
	State    string    `json:"state"`
	Redirect string    `json:"redirect"`
	Scopes   []string  `json:"scopes"`
	Until    time.Time `json:"until"`
	// Own says that Redirect is LoginPage of this very stack: it finishes the login, and there is nothing to paste.
	Own bool `json:"own,omitempty"`
}

// LoggedIn is the answer to a login that was saved.
type LoggedIn struct {
	AccountView
	Resumed int    `json:"resumed"` // uploads that waited for it and go on
	Note    string `json:"note,omitempty"`
}

// operatorRoutes adds the verbs on apps and accounts to the API.
func (c *Console) operatorRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/apps", c.answer(c.apps))
	mux.HandleFunc("POST /api/apps/{platform}", c.answer(c.setApp))
	mux.HandleFunc("GET /api/accounts", c.answer(func(r *http.Request) (any, error) { return c.accounts(r.Context()) }))
	mux.HandleFunc("POST /api/accounts", c.answer(func(r *http.Request) (any, error) {
		v, err := c.account(r)
		return v, withAction(err)
	}))
	mux.HandleFunc("DELETE /api/accounts/{target}/{name}", c.answer(c.remove))
	mux.HandleFunc("GET /api/doctor", c.answer(func(r *http.Request) (any, error) { return c.doctor(r.Context()) }))
}

// withAction adds to an error's text what to do: somebody sits before the terminal.
func withAction(err error) error {
	if f := fault.As(err); f != nil && f.Action != "" {
		return fmt.Errorf("%w; %s", err, f.Action)
	}
	return err
}

// secretBody reads a body that holds secrets: what is wrong with it is said without quoting it.
func secretBody(r *http.Request, v any) error {
	if err := body(r, v); err != nil {
		return fault.InvalidField("console.api", "body", "a JSON object of known fields", "the request cannot be read")
	}
	return nil
}

// record is what kind of sealed record may be set under name; Invalid where there is none such.
func (c *Console) record(op, name string) (needSecret bool, err error) {
	p, ok := c.Platforms[name]
	if ok && !p.NoApp {
		return p.NeedSecret, nil
	}
	for _, r := range c.Records {
		if r.Name.MatchString(name) {
			return r.NeedSecret, nil
		}
	}
	if ok {
		return false, fault.InvalidField(op, "platform", "with an app", name+" has no app; its accounts log in by "+p.Wants)
	}
	return false, fault.InvalidField(op, "platform", strings.Join(c.words(), ", "), fmt.Sprintf("there is no platform %.32q", name))
}

func (c *Console) apps(r *http.Request) (any, error) {
	out := []AppView{}
	for _, p := range c.words() {
		if c.Platforms[p].NoApp {
			continue
		}
		key, err := c.Vault.App(r.Context(), p)
		v := AppView{Platform: p, ID: key.ID, Set: err == nil}
		if err != nil && !errors.Is(err, token.ErrNoApp) {
			v.Note = err.Error()
		}
		out = append(out, v)
	}
	return out, nil
}

func (c *Console) setApp(r *http.Request) (any, error) {
	const op = "console.setApp"
	platform := r.PathValue("platform")
	needSecret, err := c.record(op, platform)
	if err != nil {
		return nil, err
	}
	var q AppRequest
	if err := secretBody(r, &q); err != nil {
		return nil, err
	}
	const rule = "printable, without spaces, at most 512 characters"
	switch {
	case !wordLike(q.ID):
		return nil, fault.InvalidField(op, "id", rule, "this is no app id")
	case q.Secret == "" && needSecret:
		return nil, fault.InvalidField(op, "secret", "not empty", platform+" needs a secret, too")
	case q.Secret != "" && !wordLike(q.Secret):
		return nil, fault.InvalidField(op, "secret", rule, "this is no app secret")
	}
	before, err := c.Vault.App(r.Context(), platform)
	out := AppView{Platform: platform, ID: q.ID, Set: true}
	if _, ok := c.Platforms[platform]; ok && err == nil && before.ID != q.ID {
		out.Note = "this is another app than before: accounts of " + platform + " that were logged in with the former one have to log in again"
	}
	if err := c.Vault.PutApp(r.Context(), platform, token.AppKey{ID: q.ID, Secret: q.Secret}); err != nil {
		return nil, err
	}
	c.log.Info("app set", "platform", platform, "app", q.ID)
	err = c.keyed(r.Context(), &out)
	return out, err
}

// keyed lets uploads go on whose login is good and could not be renewed for want of the app's key.
func (c *Console) keyed(ctx context.Context, v *AppView) error {
	infos, err := c.Vault.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, i := range infos {
		if i.Account.Target() != v.Platform || i.State != token.AccountOK {
			continue
		}
		n, err := c.LoggedIn(ctx, i.Account)
		if v.Resumed += n; err != nil {
			return err
		}
	}
	return nil
}

func wordLike(s string) bool {
	return s != "" && len(s) <= 512 && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// accounts lists those with a record, and those that only a route names.
func (c *Console) accounts(ctx context.Context) ([]AccountView, error) {
	infos, err := c.Vault.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	routed := c.Accounts()
	for _, a := range routed {
		if !slices.ContainsFunc(infos, func(i token.AccountInfo) bool { return i.Account == a }) {
			i, err := c.Vault.Info(ctx, a)
			if errors.Is(err, token.ErrNoCredential) {
				i, err = token.AccountInfo{Account: a, State: AccountNone, RenewalsLeft: -1}, nil
			}
			if err != nil {
				return nil, err
			}
			infos = append(infos, i)
		}
	}
	slices.SortFunc(infos, func(a, b token.AccountInfo) int { return strings.Compare(string(a.Account), string(b.Account)) })
	out := make([]AccountView, 0, len(infos))
	for _, i := range infos {
		v, err := c.accountView(ctx, i)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// maxWaiting bounds how far waiting uploads are counted.
const maxWaiting = 1000

func (c *Console) accountView(ctx context.Context, i token.AccountInfo) (AccountView, error) {
	v := AccountView{AccountInfo: i, Lacks: []Lack{}, Routed: slices.Contains(c.Accounts(), i.Account)}
	if p := c.Platforms[i.Account.Target()]; p.Lacks != nil && i.State == token.AccountOK && len(i.Scopes) > 0 {
		v.Lacks = append(v.Lacks, p.Lacks(i.Scopes)...)
	}
	us, err := c.Ledger.ByStatus(ctx, i.Account, upload.NeedsLogin, maxWaiting)
	v.Waiting = len(us)
	return v, err
}

func (c *Console) remove(r *http.Request) (any, error) {
	a, err := upload.ParseAccount(r.PathValue("target") + "/" + r.PathValue("name"))
	if err != nil {
		return nil, fault.InvalidField("console.remove", "account", "target/name", err.Error())
	}
	infos, err := c.Vault.Accounts(r.Context())
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(infos, func(i token.AccountInfo) bool { return i.Account == a && i.State != token.AccountRemoved }) {
		return nil, fault.Newf(fault.Invalid, "console.remove", "there is no login of %s: %w", a, table.ErrNotFound)
	}
	// The logins under way first: one that came back in between would be erased with the account.
	if err := c.logins.drop(r.Context(), a); err != nil {
		return nil, err
	}
	if err := c.Vault.Remove(r.Context(), a); err != nil {
		return nil, err
	}
	c.log.Info("account removed", "account", string(a))
	return c.accountView(r.Context(), token.AccountInfo{Account: a, State: token.AccountRemoved})
}

// codeOf takes the code out of what was pasted: the address that the platform sent the browser to, or the code alone.
// What is wrong is said without quoting a code.
func codeOf(pasted, state string) (string, error) {
	const op, field = "console.login", "pasted"
	bad := func(rule, msg string) (string, error) { return "", fault.InvalidField(op, field, rule, msg) }
	s := strings.Trim(strings.TrimSpace(pasted), "\"'<>")
	if s == "" || len(s) > 8<<10 {
		return bad("the returned address", "nothing that could be an address was pasted")
	}
	if !strings.ContainsAny(s, "?&=") || !strings.Contains(s, "=") {
		if !wordLike(s) || strings.Contains(s, "://") {
			return bad("the returned address, with code= in it", "there is no code in what was pasted")
		}
		return s, nil
	}
	_, query, ok := strings.Cut(s, "?")
	if !ok {
		query = s
	}
	query, _, _ = strings.Cut(query, "#")
	q, err := url.ParseQuery(query)
	if err != nil {
		return bad("the returned address", "what was pasted is no whole address")
	}
	switch {
	case q.Get("response_type") != "":
		return bad("the address that the browser shows afterwards", "this is the address to open; open it, consent, and paste the one that the browser ends at")
	case q.Get("state") != state:
		return bad("state as in the address that was shown", "this address belongs to another login (its state is not ours), so it is not taken; begin again and paste the address of that page")
	case q.Get("error") != "" || q.Get("error_code") != "" || q.Get("errCode") != "":
		return bad("consent", fmt.Sprintf("the platform said no: %.100q %.200q", q.Get("error")+q.Get("error_code")+q.Get("errCode"), q.Get("error_description")+q.Get("description")))
	case len(q["code"]) != 1 || !wordLike(q.Get("code")):
		return bad("the returned address, with one code= in it", "there is no code in what was pasted")
	}
	return q.Get("code"), nil
}
