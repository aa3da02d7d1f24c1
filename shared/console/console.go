// Package console is what operators do: see publications, resolve, retry, cancel, pause, log accounts in, set app keys,
// ask the doctor. It is one JSON API, served on one machine beside the stack and on AWS by the function console; the
// command line speaks it (design 5).
//
// It knows no platform's wire (wire hands it what it has to know of each, as Platform) and does not authenticate
// anybody: whoever stands before it does.
package console

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// Login is a platform's page on which an account's user consents, and what comes back from it.
type Login interface {
	Scopes() []string // asked for where nobody says
	CheckRedirect(redirect string) error
	AuthorizeURL(app token.AppKey, redirect string, scopes []string, state string) string
	Exchange(ctx context.Context, app token.AppKey, code string) (token.Token, error)
}

// Lack is something that an account's grant does not allow, and what follows from it.
type Lack struct {
	Scope string `json:"scope"` // any of them where several would do, joined by " or "
	What  string `json:"what"`  // one sentence for people
	Fatal bool   `json:"fatal"` // nothing can be published without it
}

// Platform is what the console knows of one platform. The zero value has no logins.
type Platform struct {
	Base        string // where it is spoken to; its clock is compared
	NoApp       bool   // it has no app whose key could be set
	AppOptional bool   // not every login of it needs the app
	NeedSecret  bool   // its app's key is nothing without a secret
	Login       Login  // nil: it has no page to consent on
	// Parse reads a credential that was got elsewhere; nil: there is none such. What is wrong is said without quoting it.
	Parse func(raw []byte, now time.Time) (token.Token, error)
	Wants string // what Parse reads, for people
	// Try asks the platform about what Parse read before it is stored: whether it works, and whose it is. app is empty where
	// none is set. nil: it is stored as it is.
	Try   func(ctx context.Context, app token.AppKey, t token.Token) (token.Token, error)
	Lacks func(scopes []string) []Lack // nil: it has no scopes
	// Validator judges a video without a login; nil: only a login's own target can.
	Validator target.Validator
	// CallbackKey names the record that its callbacks are checked with; "" = it sends none.
	CallbackKey string
	// CallbackURL says that the id of that record is the address as it was entered at the platform, and signed with.
	CallbackURL bool
	// Rehearsal is how the platform is spoken to, for who rehearses a publication; nil: it cannot be rehearsed.
	Rehearsal any
}

// Record is a kind of sealed record beside the apps of platforms, by the form of its name: callback keys, passwords.
type Record struct {
	Name       *regexp.Regexp
	NeedSecret bool
}

// Place is where a console stands, and differs between one machine and AWS. All fields are optional.
type Place struct {
	// Info answers GET /api/info; default State.
	Info func(ctx context.Context) (any, error)
	// SentNow is how many bytes of an upload were handed to the platform since the process started.
	SentNow func(upload string) int64
	// Redirect is the address that logins of a platform come back to where the operator names none; "" = he has to.
	Redirect func(ctx context.Context, platform string) string
	// Callback is the address at which a platform's callbacks arrive here; "" = they cannot. nil: this place says nothing.
	Callback func(ctx context.Context, platform string) string
	// Events tells whether the bucket's events reach us: its text for people, or what is wrong. nil: this place does not look.
	Events func(ctx context.Context) (text string, err error)
	// OwnPage says that Redirect gives the addresses of LoginPage, so that the browser finishes a login.
	OwnPage bool
	// Checks are the doctor's lines about what stands around.
	Checks func(ctx context.Context) []Check
	// Routes is where the routes are written, for people.
	Routes string
	Inbox  string // the bucket that videos are dropped into
	Region string
	Kind   string
}

// Parts are what a Console is made of. All are required.
type Parts struct {
	*workflow.Workflow
	Vault     *token.Vault
	Table     table.Table // for logins under way
	Platforms map[string]Platform
	Records   []Record
	HTTP      *http.Client // asks platforms for their clock
	Catalogue Catalogue    // optional: of the AppServer
	Place     Place
}

// Console serves operators. Safe for concurrent use, also by many processes on one table.
type Console struct {
	Parts
	log     *slog.Logger
	logins  logins
	handler *http.ServeMux
}

// New makes a Console. It makes no call.
func New(p Parts) *Console {
	if p.Place.SentNow == nil {
		p.Place.SentNow = func(string) int64 { return 0 }
	}
	if p.Place.Redirect == nil {
		p.Place.Redirect = func(context.Context, string) string { return "" }
	}
	c := &Console{Parts: p, log: p.Log, logins: logins{table: p.Table, now: p.Now}}
	if p.Place.Info == nil {
		c.Place.Info = func(ctx context.Context) (any, error) { return c.State(ctx) }
	}
	c.handler = c.routes()
	return c
}

// Info is what GET /api/info answers at least.
type Info struct {
	Kind     string           `json:"kind"`
	Inbox    string           `json:"inbox"`
	Region   string           `json:"region"`
	Accounts []upload.Account `json:"accounts"`
	Free     int64            `json:"free_slots"`
	Slots    int64            `json:"slots"`
	Paused   []string         `json:"paused"` // scopes whose pause holds an account of the routes
}

// State is the present Info.
func (c *Console) State(ctx context.Context) (Info, error) {
	i := Info{Kind: c.Place.Kind, Inbox: c.Place.Inbox, Region: c.Place.Region, Accounts: c.Accounts(), Paused: []string{}}
	var err error
	if i.Free, i.Slots, err = c.Ledger.Pools(ctx); err != nil {
		return i, err
	}
	i.Paused, err = c.paused(ctx, i.Accounts)
	return i, err
}

func (c *Console) paused(ctx context.Context, as []upload.Account) ([]string, error) {
	on := []string{}
	for _, a := range as {
		scope, err := c.Ledger.Paused(ctx, a)
		if err != nil {
			return on, err
		}
		if scope != "" && !slices.Contains(on, scope) {
			on = append(on, scope)
		}
	}
	return on, nil
}

// words lists the platforms that an account can be logged in to.
func (c *Console) words() []string {
	var out []string
	for p := range c.Platforms {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

func (p Platform) rehearsal() json.RawMessage {
	if p.Rehearsal == nil {
		return nil
	}
	b, err := json.Marshal(p.Rehearsal)
	if err != nil {
		return nil
	}
	return b
}
