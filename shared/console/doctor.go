package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// States of a Check.
const (
	CheckOK   = "ok"
	CheckNote = "note" // worth knowing; nobody has to do anything
	CheckTurn = "turn" // somebody has to
)

// Check is one line of the doctor.
type Check struct {
	What  string      `json:"what"`
	State string      `json:"state"`
	Whose fault.Actor `json:"whose,omitempty"` // whose turn it is
	Text  string      `json:"text"`
	Do    string      `json:"do,omitempty"` // what to do
}

// warnAhead is how long before its end a login counts as somebody's turn.
const warnAhead = 14 * 24 * time.Hour

// maxSkew is how far this machine's clock may be off: more, and lives of tokens and signatures are misjudged.
const maxSkew = time.Minute

// clockWait bounds the question to a platform what time it is.
const clockWait = 5 * time.Second

// doctor looks at everything that a person may have to mend. A check that fails to be made is a line too.
func (c *Console) doctor(ctx context.Context) ([]Check, error) {
	as, err := c.accounts(ctx)
	if err != nil {
		return nil, err
	}
	var out []Check
	if c.Place.Checks != nil {
		out = c.Place.Checks(ctx)
	}
	out = append(append(out, c.checkRoutes()), c.checkEvents(ctx)...)
	for _, p := range c.words() {
		if slices.ContainsFunc(as, func(a AccountView) bool { return a.Account.Target() == p && a.State != token.AccountRemoved }) {
			if !c.Platforms[p].NoApp {
				out = append(out, c.checkApp(ctx, p, as))
			}
			out = append(out, c.checkCallbacks(ctx, p)...)
			out = append(out, c.checkClock(ctx, p))
		}
	}
	for _, a := range as {
		if a.State != token.AccountRemoved || a.Routed {
			out = append(out, c.checkAccount(a)...)
		}
	}
	if len(as) == 0 {
		out = append(out, Turn("accounts", fault.ActorOperator, "there are none", "vodlift app set douyin, then vodlift account login douyin/NAME"))
	}
	return append(out, c.checkQuotas(ctx), c.checkPauses(ctx, as), c.checkHeld(ctx)), nil
}

// Turn is a line that says whose turn it is.
func Turn(what string, whose fault.Actor, text, do string) Check {
	return Check{What: what, State: CheckTurn, Whose: whose, Text: text, Do: do}
}

// checkRoutes: whether anything goes anywhere.
func (c *Console) checkRoutes() Check {
	if as := c.Accounts(); len(as) > 0 {
		return Check{What: "routes", State: CheckOK, Text: "they name " + names(as)}
	}
	return Turn("routes", fault.ActorOperator, "there are none, so every video waits as WAITING(route)", "write routes into "+c.Place.Routes)
}

func (c *Console) checkApp(ctx context.Context, platform string, as []AccountView) Check {
	what, do := "app "+platform, "vodlift app set "+platform
	key, err := c.Vault.App(ctx, platform)
	var byRole []upload.Account
	for _, a := range as {
		if a.Account.Target() == platform && a.Renewable {
			byRole = append(byRole, a.Account)
		}
	}
	switch {
	case errors.Is(err, token.ErrNoApp) && c.Platforms[platform].AppOptional && len(byRole) > 0:
		return Turn(what, fault.ActorOperator, "its key is not set, so the role of "+names(byRole)+" cannot be taken", do)
	case errors.Is(err, token.ErrNoApp) && c.Platforms[platform].AppOptional:
		return Check{What: what, State: CheckNote, Text: "no key is set; that is needed only for logins by a role"}
	case errors.Is(err, token.ErrNoApp):
		return Turn(what, fault.ActorOperator, "its key is not set, so no login can be made or renewed", do)
	case err != nil:
		return Turn(what, fault.ActorOperator, "its key cannot be opened (is seal.key the one it was sealed with?)", "bring seal.key back, or "+do)
	case key.Secret == "" && c.Platforms[platform].NeedSecret:
		return Turn(what, fault.ActorOperator, "its secret is not set", do)
	}
	return Check{What: what, State: CheckOK, Text: "id " + key.ID}
}

func (c *Console) checkAccount(a AccountView) []Check {
	what, login := "account "+string(a.Account), "vodlift account login "+string(a.Account)
	waiting := ""
	if a.Waiting > 0 {
		waiting = fmt.Sprintf("; %d uploads wait for it", a.Waiting)
	}
	now := c.Now()
	day := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
	switch {
	case !slices.Contains(c.words(), a.Account.Target()):
		return []Check{Turn(what, fault.ActorOperator, "this platform is not built yet, so nothing is published to it"+waiting, "take the account out of the routes")}
	case a.State == AccountNone, a.State == token.AccountRemoved:
		return []Check{Turn(what, fault.ActorOwner, "a route names it, and it is not logged in"+waiting, login)}
	case a.State != token.AccountOK:
		return []Check{Turn(what, fault.ActorOwner, "it has to log in again"+because(a.Reason)+waiting, login)}
	}
	var out []Check
	switch by := a.NeedsLoginBy; {
	case !by.IsZero() && !now.Before(by):
		out = append(out, Turn(what, fault.ActorOwner, "its login ended "+day(by)+waiting, login))
	case !by.IsZero() && by.Sub(now) < warnAhead:
		out = append(out, Turn(what, fault.ActorOwner, fmt.Sprintf("its login ends %s, in %d days", day(by), int(by.Sub(now).Hours()/24)), login))
	case by.IsZero() && !a.Renewable:
		out = append(out, Check{What: what, State: CheckOK, Text: "logged in; that does not end by itself"})
	case by.IsZero():
		out = append(out, Check{What: what, State: CheckOK, Text: "logged in; when a login is needed again the platform did not say"})
	case !a.Renewable:
		out = append(out, Check{What: what, State: CheckOK, Text: "logged in until " + day(by) + "; only a person can renew that"})
	default:
		out = append(out, Check{What: what, State: CheckOK, Text: "logged in; a login is needed by " + day(by)})
	}
	if r := a.LastResult; r != "" && r != "ok" {
		out = append(out, Check{What: what, State: CheckNote, Text: "the last renewal ended with: " + r})
	}
	if !a.Routed {
		out = append(out, Check{What: what, State: CheckNote, Text: "no route names it, so nothing is published to it"})
	}
	return append(out, c.checkScopes(a)...)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

func (c *Console) checkScopes(a AccountView) []Check {
	what, login := "scopes "+string(a.Account), "vodlift account login "+string(a.Account)
	switch {
	case c.Platforms[a.Account.Target()].Lacks == nil:
		return nil
	case len(a.Scopes) == 0:
		return []Check{{What: what, State: CheckNote, Text: "the platform did not say what was granted"}}
	case len(a.Lacks) == 0:
		return []Check{{What: what, State: CheckOK, Text: strings.Join(a.Scopes, ", ")}}
	}
	var out []Check
	for _, l := range a.Lacks {
		out = append(out, Turn(what, fault.ActorOwner, l.Scope+" was not granted. "+l.What, "grant it to the app in the platform's console if it is not, then "+login))
	}
	return out
}

// checkClock compares with the Date of the platform's answer, whatever it answers.
func (c *Console) checkClock(ctx context.Context, platform string) Check {
	what := "clock " + platform
	ctx, cancel := context.WithTimeout(ctx, clockWait)
	defer cancel()
	unreachable := Turn(what, fault.ActorOperator, "the platform cannot be reached from here, so the clock was not compared", "look at this machine's network")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(c.Platforms[platform].Base, "/")+"/", nil)
	if err != nil {
		return unreachable
	}
	r.Close = true
	before := time.Now()
	res, err := c.HTTP.Do(r)
	if err != nil {
		return unreachable
	}
	res.Body.Close()
	at, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return Check{What: what, State: CheckNote, Text: "the platform's answer has no date, so the clock was not compared"}
	}
	// The answer's date has whole seconds, and was written between the question and now.
	early, late := before.Sub(at.Add(time.Second)), at.Sub(time.Now())
	if off := max(early, late); off > maxSkew {
		way := "ahead of"
		if late > early {
			way = "behind"
		}
		return Turn(what, fault.ActorOperator, fmt.Sprintf("this machine's clock is %s %s the platform's", off.Round(time.Second), way), "set the clock; ends of tokens are misjudged until then")
	}
	return Check{What: what, State: CheckOK, Text: "agrees with the platform's"}
}

func (c *Console) checkPauses(ctx context.Context, views []AccountView) Check {
	as := make([]upload.Account, 0, len(views))
	for _, v := range views {
		as = append(as, v.Account)
	}
	on, err := c.paused(ctx, as)
	if err != nil {
		return Turn("pauses", fault.ActorOperator, "the switches cannot be read", "look at the log of vodlift")
	}
	if len(on) > 0 {
		return Turn("pauses", fault.ActorOperator, strings.Join(on, ", ")+" is paused: nothing is sent or published there", "vodlift pause "+on[0]+" --off")
	}
	return Check{What: "pauses", State: CheckOK, Text: "nothing is paused"}
}

// maxHeld bounds how many held uploads are counted.
const maxHeld = 500

func (c *Console) checkHeld(ctx context.Context) Check {
	us, err := c.HeldUploads(ctx, maxHeld)
	if err != nil {
		return Turn("held", fault.ActorOperator, "held uploads cannot be read", "look at the log of vodlift")
	}
	if len(us) > 0 {
		as := []upload.Account{}
		for _, u := range us {
			if !slices.Contains(as, u.Account) {
				as = append(as, u.Account)
			}
		}
		return Turn("held", fault.ActorOwner, fmt.Sprintf("%d uploads wait for a person to decide (%s)", len(us), names(as)), "vodlift held, then vodlift resolve")
	}
	return Check{What: "held", State: CheckOK, Text: "nothing waits for a decision"}
}
