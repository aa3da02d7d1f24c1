package token_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

func (b *bench) doubt(subject string, want int) {
	b.t.Helper()
	if n, err := b.vault.Doubt(b.t.Context(), "douyin", subject); err != nil || n != want {
		b.t.Errorf("doubt about %q: %d accounts, %v", subject, n, err)
	}
}

func TestAHintOfAWithdrawalIsAskedAboutAndNeverBelieved(t *testing.T) {
	refused := &fault.Error{Kind: fault.CredentialsExpired, Op: "platform", Code: "10010", Err: errors.New("revoked")}
	for name, c := range map[string]struct {
		platform error
		state    string
		asked    int
	}{
		"the platform knows of nothing": {nil, token.AccountOK, 1},
		"the platform refuses":          {refused, token.AccountNeedsLogin, 1},
		"the answer is lost":            {fault.New(fault.Unknown, "platform", "cut"), token.AccountOK, 1},
		"the platform is busy":          {fault.New(fault.Retryable, "platform", "busy"), token.AccountOK, 1},
		"the app may not ask":           {fault.New(fault.Permanent, "platform", "no permission"), token.AccountOK, 1},
	} {
		b := newBench(t)
		b.before = func() error { return c.platform }
		n := &notices{}
		s := b.sweeper(n, token.SweepOptions{})
		b.doubt("open-1", 1)
		if b.calls != 0 || b.info(main).State != token.AccountOK {
			t.Errorf("%s: the hint alone did something: %d calls, %+v", name, b.calls, b.info(main))
		}
		r := b.sweep(s)
		if got := b.info(main); got.State != c.state || b.calls != c.asked || r.Asked != c.asked {
			t.Errorf("%s: %+v, %d calls, %+v", name, got, b.calls, r)
		}
		if told := len(n.said()); (told == 1) != (c.state == token.AccountNeedsLogin) {
			t.Errorf("%s: told %v", name, n.said())
		}
		b.sweep(s)
		if b.calls != c.asked {
			t.Errorf("%s: asked again at once", name)
		}
		if c.state == token.AccountOK && c.platform != nil {
			b.before = nil
			b.move(token.Interval)
			if b.sweep(s); b.calls != c.asked+1 || !b.works(b.load()) {
				t.Errorf("%s: not asked again later: %d calls", name, b.calls)
			}
		}
	}
}

func TestAHintSentAgainAndAgainCostsOneQuestionASweep(t *testing.T) {
	b := newBench(t)
	s := b.sweeper(&notices{}, token.SweepOptions{})
	for i := range 5 {
		for range 20 {
			b.doubt("open-1", 1)
		}
		b.sweep(s)
		b.sweep(s)
		if b.calls != i+1 {
			t.Fatalf("%d questions after %d sweeps", b.calls, i+1)
		}
		b.move(time.Second)
	}
	b.doubt("", 0)
	b.doubt("open-2", 0)
	if n, err := b.vault.Doubt(t.Context(), "youku", "open-1"); n != 0 || err != nil {
		t.Errorf("a user of another platform: %d, %v", n, err)
	}
	b.sweep(s)
	if b.calls != 5 {
		t.Errorf("%d questions", b.calls)
	}
}

func TestAHintBelongsToTheLoginThatItWasAbout(t *testing.T) {
	b := newBench(t)
	s := b.sweeper(&notices{}, token.SweepOptions{})
	b.doubt("open-1", 1)
	// The user logs in again before the sweep: there is nothing to doubt.
	if _, err := b.vault.SaveLogin(t.Context(), main, b.login("g2")); err != nil {
		t.Fatal(err)
	}
	if b.sweep(s); b.calls != 0 {
		t.Errorf("the new login was asked about")
	}
	// A hint that comes while the answer to the one before travels is not answered by it.
	b.doubt("open-1", 1)
	b.during = func(context.Context) error {
		b.during = nil
		b.move(time.Second)
		b.doubt("open-1", 1)
		return nil
	}
	b.sweep(s)
	if b.sweep(s); b.calls != 2 {
		t.Errorf("%d questions for two hints", b.calls)
	}
	// Nor by a renewal that had begun before it.
	b.move(40 * time.Minute)
	b.during = func(context.Context) error { b.during = nil; b.doubt("open-1", 1); return nil }
	if _, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, b.load().Version); err != nil {
		t.Fatal(err)
	}
	before := b.calls
	if b.sweep(s); b.calls != before+1 {
		t.Errorf("%d questions after a renewal that began before the hint", b.calls-before)
	}
	// Removed accounts and dead ones are nobody's.
	if err := b.vault.Remove(t.Context(), main); err != nil {
		t.Fatal(err)
	}
	b.doubt("open-1", 0)
}

func TestALoginThatCannotBeAskedAboutStaysUntilItIsRefused(t *testing.T) {
	b := newBench(t)
	tok := b.login("g2")
	tok.Refresh, tok.Expires = "", start.Add(60*day)
	if _, err := b.vault.SaveLogin(t.Context(), main, tok); err != nil {
		t.Fatal(err)
	}
	b.doubt("open-1", 1)
	b.sweep(b.sweeper(&notices{}, token.SweepOptions{}))
	if i := b.info(main); b.calls != 0 || i.State != token.AccountOK || !strings.Contains(i.LastResult, "withdrawn") {
		t.Errorf("%d calls, %+v", b.calls, i)
	}
	// Refused, it needs a person, and no call is made for nothing; nor does it take an app's key to say so.
	k := token.NewKeeper(b.vault, map[string]token.Refresher{"douyin": b.platform, "youku": b.platform}, &token.KeeperOptions{Now: b.clock.now})
	if _, err := k.Renew(t.Context(), main, b.load().Version); !errors.Is(err, token.ErrNoCredential) || b.calls != 0 {
		t.Errorf("got %v, %d calls", err, b.calls)
	}
	if _, err := b.vault.SaveLogin(t.Context(), "youku/main", token.Token{Access: "secret-a", Expires: start.Add(day)}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Renew(t.Context(), "youku/main", 1); !errors.Is(err, token.ErrNoCredential) || errors.Is(err, token.ErrNoApp) {
		t.Errorf("without an app: %v", err)
	}
}

// site is a platform whose logins only a person renews, and that says whether one is alive.
type site struct {
	asked int
	err   error
}

func (s *site) Alive(context.Context, token.Token) error { s.asked++; return s.err }

func (s *site) Refresh(ctx context.Context, _ token.AppKey, old token.Token) (token.Token, error) {
	old.Subject = "uid-1"
	return old, s.Alive(ctx, old)
}

func TestCookiesAreLookedAfterDailyAndNeedNoApp(t *testing.T) {
	const web = "douyinweb/main"
	b := newBench(t)
	if err := b.vault.Remove(t.Context(), main); err != nil {
		t.Fatal(err)
	}
	if _, err := b.vault.SaveLogin(t.Context(), web, token.Token{Grant: "g1", Access: "secret-cookies", Expires: start.Add(40 * day)}); err != nil {
		t.Fatal(err)
	}
	p, n := &site{}, &notices{}
	k := token.NewKeeper(b.vault, map[string]token.Refresher{"douyinweb": p}, &token.KeeperOptions{Now: b.clock.now, Sleep: b.clock.sleep, Log: slog.New(slog.NewJSONHandler(b.log, nil))})
	s := token.NewSweeper(k, &token.SweepOptions{Announce: n.announce})
	for range 5 * 24 {
		b.sweep(s)
		b.move(time.Hour)
	}
	if p.asked != 4 && p.asked != 5 {
		t.Errorf("asked %d times in five days", p.asked)
	}
	// A refused step asks, and goes on with the same cookies as a newer version.
	tok, err := b.vault.Load(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	again, err := k.Renew(t.Context(), web, tok.Version)
	if err != nil || again.Access != tok.Access || again.Version <= tok.Version || again.Subject != "uid-1" || !again.Expires.Equal(tok.Expires) {
		t.Errorf("got %v, %v", again, err)
	}
	p.err = fault.New(fault.Unknown, "site", "no answer")
	b.move(25 * time.Hour)
	b.sweep(s)
	if b.info(web).State != token.AccountOK {
		t.Error("a lost answer ended the login")
	}
	p.err = &fault.Error{Kind: fault.CredentialsExpired, Op: "site", Code: "login", Err: errors.New("nobody is logged in")}
	b.move(25 * time.Hour)
	b.sweep(s)
	if i := b.info(web); i.State != token.AccountNeedsLogin || !strings.Contains(i.Reason, "code login") || len(n.said()) != 1 {
		t.Errorf("%+v, told %v", i, n.said())
	}
	if _, err := b.vault.SaveLogin(t.Context(), web, token.Token{Grant: "g2", Access: "secret-cookies", Expires: start.Add(40 * day)}); err != nil {
		t.Fatal(err)
	}
	if p.err = nil; b.info(web).State != token.AccountOK {
		t.Error("a new login was not taken")
	}
}

func TestWhatIsLeftAndWhatIsLostIsCounted(t *testing.T) {
	b := newBench(t)
	var got []string
	o := token.KeeperOptions{Metric: func(_ context.Context, name, unit string, v float64, dims ...string) {
		got = append(got, fmt.Sprintf("%s %s %.1f %v", name, unit, v, dims))
	}}
	s := token.NewSweeper(b.keeper(o), &token.SweepOptions{})
	b.sweep(s)
	if len(got) != 0 {
		t.Errorf("nothing was looked at, and counted was %v", got)
	}
	for a, left := range map[string]time.Duration{"douyin/b": 9 * day, "douyin/c": 3*day + 12*time.Hour} {
		tok := b.login("g-" + a)
		tok.Refresh, tok.RefreshBy, tok.Expires, tok.Subject = "", time.Time{}, start.Add(left), a
		if _, err := b.vault.SaveLogin(t.Context(), upload.Account(a), tok); err != nil {
			t.Fatal(err)
		}
	}
	b.sweep(s)
	if want := "login_days_left None 3.5 []"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %s", got, want)
	}
	got = nil
	b.move(4 * day)
	b.before = func() error { return fault.New(fault.Retryable, "platform", "busy") }
	b.sweep(s)
	if want := "login_days_left None 0.0 []"; len(got) != 1 || got[0] != want {
		t.Errorf("after one ended: got %q, want %s", got, want)
	}
	got = nil
	b.before = nil
	if _, err := b.vault.SaveLogin(t.Context(), main, b.login("g2")); err != nil {
		t.Fatal(err)
	}
	b.move(time.Minute) // the pause after the busy answer
	b.during = func(context.Context) error { b.lose = func(string) sqlite.Loss { return sqlite.Refused }; return nil }
	if _, err := b.keeper(o).Renew(t.Context(), main, b.load().Version); fault.KindOf(err) != fault.Unknown {
		t.Errorf("an unsaved token was given away, or: %v", err)
	}
	if want := "token_not_saved Count 1.0 []"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %s", got, want)
	}
}
