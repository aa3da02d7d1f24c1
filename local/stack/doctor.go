package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/target/youku"
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
func (o *operator) doctor(ctx context.Context) ([]Check, error) {
	as, err := o.accounts(ctx)
	if err != nil {
		return nil, err
	}
	out := o.checkFolder()
	out = append(out, o.checkRoutes()...)
	for _, p := range loginTargets() {
		if slices.ContainsFunc(as, func(a AccountView) bool { return a.Account.Target() == p && a.State != token.AccountRemoved }) {
			out = append(out, o.checkApp(ctx, p), o.checkClock(ctx, p))
		}
	}
	for _, a := range as {
		if a.State != token.AccountRemoved || a.Routed {
			out = append(out, o.checkAccount(a)...)
		}
	}
	if len(as) == 0 {
		out = append(out, turn("accounts", fault.ActorOperator, "there are none", "vodlift app set douyin, then vodlift account login douyin/NAME"))
	}
	return append(out, o.checkPauses(ctx, as), o.checkHeld(ctx)), nil
}

func turn(what string, whose fault.Actor, text, do string) Check {
	return Check{What: what, State: CheckTurn, Whose: whose, Text: text, Do: do}
}

// checkFolder: what is in the data folder is nobody else's.
func (o *operator) checkFolder() []Check {
	out := []Check{}
	for _, name := range []string{".", identityFile, "seal.key"} {
		i, err := os.Stat(o.folder.path(name))
		switch {
		case err != nil:
			out = append(out, turn("data folder", fault.ActorOperator, fmt.Sprintf("%s cannot be looked at", name), "look at the folder "+o.folder.dir))
		case i.Mode().Perm()&0o077 != 0:
			mode := "600"
			if i.IsDir() {
				mode = "700"
			}
			out = append(out, turn("data folder", fault.ActorOperator, fmt.Sprintf("others may read %s (mode %04o)", o.folder.path(name), i.Mode().Perm()), "chmod "+mode+" "+o.folder.path(name)))
		}
	}
	if len(out) == 0 {
		out = append(out, Check{What: "data folder", State: CheckOK, Text: o.folder.dir + " is its owner's only"})
	}
	return out
}

// checkRoutes reads config.json again: it may have been changed since the start.
func (o *operator) checkRoutes() []Check {
	var out []Check
	if o.Identity.Kind == Real {
		_, err := o.settings()
		if err != nil {
			return []Check{turn("config.json", fault.ActorOperator, "it cannot be used: "+err.Error(), "mend it; vodlift would not start again with it")}
		}
	}
	if as := o.Accounts(); len(as) > 0 {
		out = append(out, Check{What: "routes", State: CheckOK, Text: "they name " + names(as)})
	} else {
		out = append(out, turn("routes", fault.ActorOperator, "there are none, so every video waits as WAITING(route)", "write routes into "+o.folder.path(settingsFile)+" and start vodlift again"))
	}
	return out
}

// settings are config.json as it is now; the zero Settings where there is none.
func (o *operator) settings() (Settings, error) {
	var set Settings
	if err := readJSON(o.folder.path(settingsFile), &set); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Settings{}, err
	}
	if len(set.Routes) > 0 {
		if _, err := manifest.ParseRoutes(set.Routes, manifest.KnownTargets()); err != nil {
			return Settings{}, err
		}
	}
	return set, errors.Join(set.Douyin.Check(), set.Youku.Check())
}

func (o *operator) checkApp(ctx context.Context, platform string) Check {
	what, do := "app "+platform, "vodlift app set "+platform
	key, err := o.Vault.App(ctx, platform)
	switch {
	case errors.Is(err, token.ErrNoApp):
		return turn(what, fault.ActorOperator, "its key is not set, so no login can be made or renewed", do)
	case err != nil:
		return turn(what, fault.ActorOperator, "its key cannot be opened (is seal.key the one it was sealed with?)", "bring seal.key back, or "+do)
	case key.Secret == "" && platform == "douyin":
		return turn(what, fault.ActorOperator, "its secret is not set", do)
	}
	return Check{What: what, State: CheckOK, Text: "id " + key.ID}
}

func (o *operator) checkAccount(a AccountView) []Check {
	what, login := "account "+string(a.Account), "vodlift account login "+string(a.Account)
	waiting := ""
	if a.Waiting > 0 {
		waiting = fmt.Sprintf("; %d uploads wait for it", a.Waiting)
	}
	now := o.Now()
	day := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
	switch {
	case !slices.Contains(loginTargets(), a.Account.Target()):
		return []Check{turn(what, fault.ActorOperator, "this platform is not built yet, so nothing is published to it"+waiting, "take the account out of the routes")}
	case a.State == AccountNone, a.State == token.AccountRemoved:
		return []Check{turn(what, fault.ActorOwner, "a route names it, and it is not logged in"+waiting, login)}
	case a.State != token.AccountOK:
		return []Check{turn(what, fault.ActorOwner, "it has to log in again"+because(a.Reason)+waiting, login)}
	}
	var out []Check
	switch by := a.NeedsLoginBy; {
	case !by.IsZero() && !now.Before(by):
		out = append(out, turn(what, fault.ActorOwner, "its login ended "+day(by)+waiting, login))
	case !by.IsZero() && by.Sub(now) < warnAhead:
		out = append(out, turn(what, fault.ActorOwner, fmt.Sprintf("its login ends %s, in %d days", day(by), int(by.Sub(now).Hours()/24)), login))
	case by.IsZero():
		out = append(out, Check{What: what, State: CheckOK, Text: "logged in; when a login is needed again the platform did not say"})
	default:
		out = append(out, Check{What: what, State: CheckOK, Text: "logged in; a login is needed by " + day(by)})
	}
	if r := a.LastResult; r != "" && r != "ok" {
		out = append(out, Check{What: what, State: CheckNote, Text: "the last renewal ended with: " + r})
	}
	if !a.Routed {
		out = append(out, Check{What: what, State: CheckNote, Text: "no route names it, so nothing is published to it"})
	}
	return append(out, o.checkScopes(a)...)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

func (o *operator) checkScopes(a AccountView) []Check {
	what, login := "scopes "+string(a.Account), "vodlift account login "+string(a.Account)
	switch {
	case a.Account.Target() != "douyin":
		return nil
	case len(a.Scopes) == 0:
		return []Check{{What: what, State: CheckNote, Text: "the platform did not say what was granted"}}
	case len(a.Lacks) == 0:
		return []Check{{What: what, State: CheckOK, Text: strings.Join(a.Scopes, ", ")}}
	}
	var out []Check
	for _, l := range a.Lacks {
		out = append(out, turn(what, fault.ActorOwner, l.Scope+" was not granted. "+l.What, "grant it to the app in the Douyin console if it is not, then "+login))
	}
	return out
}

// checkClock compares with the Date of the platform's answer, whatever it answers.
func (o *operator) checkClock(ctx context.Context, platform string) Check {
	what := "clock " + platform
	ctx, cancel := context.WithTimeout(ctx, clockWait)
	defer cancel()
	unreachable := turn(what, fault.ActorOperator, "the platform cannot be reached from here, so the clock was not compared", "look at this machine's network")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, o.base(platform)+"/", nil)
	if err != nil {
		return unreachable
	}
	r.Close = true
	before := time.Now()
	res, err := o.http.Do(r)
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
		return turn(what, fault.ActorOperator, fmt.Sprintf("this machine's clock is %s %s the platform's", off.Round(time.Second), way), "set the clock; ends of tokens are misjudged until then")
	}
	return Check{What: what, State: CheckOK, Text: "agrees with the platform's"}
}

// base is where a platform is spoken to.
func (o *operator) base(platform string) string {
	if o.Identity.Kind == Demo {
		return map[string]string{"douyin": o.Running.Douyin, "youku": o.Running.Youku}[platform]
	}
	set, _ := o.settings()
	b := map[string]string{"douyin": set.Douyin.BaseURL, "youku": set.Youku.BaseURL}[platform]
	if b == "" {
		b = map[string]string{"douyin": douyin.DefaultBase, "youku": youku.DefaultBase}[platform]
	}
	return strings.TrimRight(b, "/")
}

func (o *operator) checkPauses(ctx context.Context, as []AccountView) Check {
	var on []string
	for _, a := range as {
		scope, err := o.Ledger.Paused(ctx, a.Account)
		if err != nil {
			return turn("pauses", fault.ActorOperator, "the switches cannot be read", "look at the log of vodlift")
		}
		if scope != "" && !slices.Contains(on, scope) {
			on = append(on, scope)
		}
	}
	if len(on) > 0 {
		return turn("pauses", fault.ActorOperator, strings.Join(on, ", ")+" is paused: nothing is sent or published there", "vodlift pause "+on[0]+" --off")
	}
	return Check{What: "pauses", State: CheckOK, Text: "nothing is paused"}
}

// maxHeld bounds how many held uploads are counted.
const maxHeld = 500

func (o *operator) checkHeld(ctx context.Context) Check {
	us, err := o.HeldUploads(ctx, maxHeld)
	if err != nil {
		return turn("held", fault.ActorOperator, "held uploads cannot be read", "look at the log of vodlift")
	}
	if len(us) > 0 {
		as := []upload.Account{}
		for _, u := range us {
			if !slices.Contains(as, u.Account) {
				as = append(as, u.Account)
			}
		}
		return turn("held", fault.ActorOwner, fmt.Sprintf("%d uploads wait for a person to decide (%s)", len(us), names(as)), "vodlift held, then vodlift resolve")
	}
	return Check{What: "held", State: CheckOK, Text: "nothing waits for a decision"}
}
