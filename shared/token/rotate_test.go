package token_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
)

// rotating is the platform with Douyin's renewal of the refresh token.
type rotating struct {
	*platform
	rotations int
	err       error // after the effect, if lost
	lost      bool
	life      time.Duration
}

func (r *rotating) Renew(_ context.Context, _ token.AppKey, old token.Token) (token.Token, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rotations++
	if r.err != nil && !r.lost {
		return token.Token{}, r.err
	}
	if old.Refresh != r.refresh {
		return token.Token{}, &fault.Error{Kind: fault.CredentialsExpired, Code: "10010", Err: errors.New("dead")}
	}
	r.n++
	r.refresh = fmt.Sprintf("secret-r%d", r.n)
	if r.lost {
		return token.Token{}, r.err
	}
	t := old
	t.Refresh, t.Renewals, t.RefreshBy = r.refresh, old.Renewals+1, time.Time{}
	if r.life > 0 {
		t.RefreshBy = r.now().Add(r.life)
	}
	return t, nil
}

func douyinBench(t *testing.T) (*bench, *rotating, *notices, *token.Sweeper) {
	b := newBench(t)
	b.rotate, b.platform.life = false, 15*day
	p := &rotating{platform: b.platform, life: 30 * day}
	if _, err := b.vault.SaveLogin(t.Context(), main, b.login("g2")); err != nil {
		t.Fatal(err)
	}
	n := &notices{}
	k := token.NewKeeper(b.vault, map[string]token.Refresher{"douyin": p}, &token.KeeperOptions{Now: b.clock.now, Sleep: b.clock.sleep, Log: slog.New(slog.NewJSONHandler(b.log, nil))})
	return b, p, n, token.NewSweeper(k, &token.SweepOptions{Announce: n.announce})
}

func TestARefreshTokenIsRenewedFiveTimesAndNeverMore(t *testing.T) {
	b, p, n, s := douyinBench(t)
	if i := b.info(main); !i.NeedsLoginBy.Equal(start.Add(180*day)) || i.RenewalsLeft != 5 {
		t.Errorf("on day one: %+v", i)
	}
	end := start
	for b.info(main).State == token.AccountOK && b.clock.now().Before(start.Add(300*day)) {
		b.sweep(s)
		if tok, err := b.vault.Load(t.Context(), main); err == nil && !b.works(tok) {
			t.Fatalf("day %v: the stored token does not work", b.clock.now().Sub(start)/day)
		}
		b.move(6 * time.Hour)
		if p.refresh != "secret-over" && p.rotations == 5 && end.Equal(start) {
			end = b.info(main).RefreshBy
		}
		if !end.Equal(start) && !b.clock.now().Before(end) {
			p.mu.Lock()
			p.refresh = "secret-over"
			p.mu.Unlock()
		}
	}
	b.sweep(s)
	if p.rotations != 5 {
		t.Errorf("%d renewals", p.rotations)
	}
	if lived := b.clock.now().Sub(start); lived < 150*day || lived > 190*day {
		t.Errorf("it lived %v days", lived/day)
	}
	got := n.said()
	for _, want := range []string{"account.expires_soon douyin/main 14", "account.expires_soon douyin/main 2", "account.needs_login douyin/main 0"} {
		if !slices.Contains(got, want) {
			t.Errorf("not announced: %s; only %v", want, got)
		}
	}
}

func TestARenewalThatFailsIsCountedWhereItMayHaveBeenDone(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*rotating)
		left int
		by   time.Duration // when a person is needed
		ok   bool          // the stored refresh token is the one in force
	}{
		"the answer was lost": {func(p *rotating) { p.lost, p.err = true, fault.New(fault.Unknown, "p", "no answer") }, 4, 150 * day, false},
		"busy":                {func(p *rotating) { p.err = fault.New(fault.Retryable, "p", "busy") }, 5, 180 * day, true},
		"the app may not":     {func(p *rotating) { p.err = &fault.Error{Kind: fault.Permanent, Code: "10004", Err: errors.New("no")} }, 0, 30 * day, true},
		"all are used up": {func(p *rotating) {
			p.err = &fault.Error{Kind: fault.CredentialsExpired, Code: "10020", Err: errors.New("no")}
		}, 0, 30 * day, true},
	} {
		b, p, n, s := douyinBench(t)
		b.move(14 * day)
		b.sweep(s)
		b.move(13 * day)
		c.set(p)
		r := b.sweep(s)
		i := b.info(main)
		if p.rotations != 1 || r.Rotated != 0 || r.Failed != 1 || i.RenewalsLeft != c.left || i.State != token.AccountOK {
			t.Errorf("%s: %+v, then %+v", name, r, i)
		}
		if by := i.NeedsLoginBy.Sub(start); by != c.by && by != i.Expires.Sub(start) {
			t.Errorf("%s: a person is needed after %v", name, by)
		}
		if got := b.load(); (got.Refresh == p.refresh) != c.ok || !b.works(got) {
			t.Errorf("%s: stored %v", name, got)
		}
		if c.left == 0 && len(n.all) != 0 && n.all[0].Type != token.ExpiresSoon {
			t.Errorf("%s: announced %v", name, n.said())
		}
	}
	b, p, _, s := douyinBench(t)
	b.move(14 * day)
	b.sweep(s)
	b.move(13 * day)
	p.life = 0
	b.sweep(s)
	if got := b.load(); got.Refresh != p.refresh || got.Renewals != 1 || !got.RefreshBy.Equal(start.Add(30*day)) {
		t.Errorf("an answer without a life: the new token is kept, with the old end: got %v, by %v", got, got.RefreshBy)
	}
}

func TestARefusalAheadOfTimeDoesNotCostAnAccessTokenThatWorks(t *testing.T) {
	b := newBench(t)
	n := &notices{}
	s := b.sweeper(n, token.SweepOptions{})
	b.move(45 * time.Minute)
	b.refresh = "secret-revoked"
	b.sweep(s)
	tok := b.load()
	if i := b.info(main); !b.works(tok) || tok.Refresh != "" || i.State != token.AccountOK || !i.NeedsLoginBy.Equal(start.Add(time.Hour)) || !strings.Contains(i.LastResult, "10010") {
		t.Errorf("got %v, %+v", tok, i)
	}
	b.sweep(s)
	b.move(15 * time.Minute)
	b.sweep(s)
	if got := n.said(); b.calls != 1 || !slices.Equal(got, []string{"account.expires_soon douyin/main 2", "account.needs_login douyin/main 0"}) {
		t.Errorf("%d refreshes, announced %v", b.calls, got)
	}
	if !strings.Contains(b.log.String(), "account_refresh_refused") || strings.Contains(b.log.String(), "secret-") {
		t.Errorf("log: %s", b.log)
	}
}

func TestARefusalOfAReplacedTokenDoesNotWinOverItsReplacement(t *testing.T) {
	b := newBench(t)
	b.move(45 * time.Minute)
	b.during = func(context.Context) error {
		b.during = nil
		b.move(time.Minute) // the lease ends
		// Another sweep renews with the refresh token that is replaced by now, and is refused.
		if tok, err := b.keeper(token.KeeperOptions{}).Ahead(t.Context(), main, b.clock.now().Add(token.Interval)); err != nil || tok.Refresh != "" {
			t.Errorf("in between: got %v, %v", tok, err)
		}
		return nil
	}
	tok, err := b.keeper(token.KeeperOptions{}).Ahead(t.Context(), main, b.clock.now().Add(token.Interval))
	if err != nil || !b.works(tok) || b.load().Refresh != b.refresh {
		t.Errorf("got %v, %v; stored %v", tok, err, b.load())
	}
}

func TestTheBookOfASweepDoesNotCostARenewalInFlight(t *testing.T) {
	for _, rotate := range []bool{true, false} {
		b := newBench(t)
		b.rotate = rotate
		b.during = func(context.Context) error {
			b.during = nil
			b.move(2 * day) // so that the sweep looks; the lease has ended
			b.before = func() error { return fault.New(fault.Retryable, "platform", "busy") }
			b.sweep(b.sweeper(&notices{}, token.SweepOptions{}))
			b.before = nil
			b.move(-2 * day)
			return nil
		}
		tok, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1)
		if err != nil || !b.works(tok) || !b.works(b.load()) || b.info(main).LastResult != "ok" {
			t.Errorf("rotate %v: got %v, %v; %+v", rotate, tok, err, b.info(main))
		}
	}
}

func TestARefusalStandsThoughTheBookWasWrittenMeanwhile(t *testing.T) {
	b := newBench(t)
	b.before = func() error {
		b.before = nil
		it, err := b.table.Get(t.Context(), tokenAt)
		if err == nil {
			_, err = b.table.Put(t.Context(), it, it.Version)
		}
		return errors.Join(err, &fault.Error{Kind: fault.CredentialsExpired, Code: "10010", Err: errors.New("revoked")})
	}
	if tok, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1); !errors.Is(err, token.ErrNoCredential) {
		t.Errorf("got %v, %v", tok, err)
	}
	if i := b.info(main); i.State != token.AccountNeedsLogin || i.Expires.IsZero() {
		t.Errorf("got %+v", i)
	}
}

func TestALaterEndTakesBackWhatWasSaidOfAnEarlierOne(t *testing.T) {
	b, p, n, s := douyinBench(t)
	p.err = &fault.Error{Kind: fault.CredentialsExpired, Code: "10020", Err: errors.New("used up")}
	b.move(14 * day)
	b.sweep(s)
	b.move(13 * day)
	b.sweep(s)
	if i := b.info(main); i.RenewalsLeft != 0 {
		t.Errorf("got %+v", i)
	}
	b.move(b.info(main).NeedsLoginBy.Sub(b.clock.now()) - 6*day)
	b.sweep(s)
	if i := b.info(main); len(i.Warned) == 0 {
		t.Fatalf("got %+v, %v", i, n.said())
	}
	// The platform gives a new refresh token after all: the refusal was of the old one, and so was the warning.
	b.rotate = true
	k := token.NewKeeper(b.vault, map[string]token.Refresher{"douyin": p}, &token.KeeperOptions{Now: b.clock.now})
	if _, err := k.Renew(t.Context(), main, b.load().Version); err != nil {
		t.Fatal(err)
	}
	if i := b.info(main); i.RenewalsLeft != 4 || len(i.Warned) != 0 {
		t.Errorf("got %+v", i)
	}
}
