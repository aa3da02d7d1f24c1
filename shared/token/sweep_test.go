package token_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

const day = 24 * time.Hour

// notices collects what is announced; the fail function refuses some.
type notices struct {
	mu   sync.Mutex
	all  []token.Notice
	fail func() error
}

func (n *notices) announce(_ context.Context, x token.Notice) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		if err := n.fail(); err != nil {
			return err
		}
	}
	n.all = append(n.all, x)
	return nil
}

func (n *notices) said() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, x := range n.all {
		out = append(out, fmt.Sprintf("%s %s %d", x.Type, x.Account, x.Days))
	}
	slices.Sort(out)
	return out
}

func (b *bench) sweeper(n *notices, o token.SweepOptions) *token.Sweeper {
	o.Announce = n.announce
	return token.NewSweeper(b.keeper(token.KeeperOptions{}), &o)
}

func (b *bench) sweep(s *token.Sweeper) token.SweepReport {
	b.t.Helper()
	r, err := s.Sweep(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) info(a upload.Account) token.AccountInfo {
	b.t.Helper()
	i, err := b.vault.Info(b.t.Context(), a)
	if err != nil {
		b.t.Fatal(err)
	}
	return i
}

func TestASweepRenewsWhatWouldCrossItsThresholdBeforeTheNext(t *testing.T) {
	for at, want := range map[time.Duration]int{0: 0, 26*time.Minute - 1: 0, 32 * time.Minute: 1, 2 * time.Hour: 1} {
		b := newBench(t)
		b.move(at)
		r := b.sweep(b.sweeper(&notices{}, token.SweepOptions{}))
		if r.Renewed != want || b.calls != want || !b.works(b.load()) {
			t.Errorf("after %v: %+v, %d refreshes", at, r, b.calls)
		}
	}
}

func TestATokenOfAnHourNeverDiesBetweenSweeps(t *testing.T) {
	b := newBench(t)
	s := b.sweeper(&notices{}, token.SweepOptions{})
	for i := range 6 * 48 {
		b.sweep(s)
		b.move(10 * time.Minute)
		if i%7 == 3 { // the platform has a bad moment now and then
			b.before = func() error { return fault.New(fault.Retryable, "platform", "busy") }
		} else {
			b.before = nil
		}
		if tok := b.load(); !tok.Expires.After(b.clock.now()) || !b.works(tok) {
			t.Fatalf("after %d sweeps: dead since %v", i+1, b.clock.now().Sub(tok.Expires))
		}
	}
	if b.calls > 120 {
		t.Errorf("%d refreshes in 48 hours", b.calls)
	}
}

// crowd is a platform of many accounts.
type crowd struct {
	mu    sync.Mutex
	now   func() time.Time
	calls map[string]int
	err   error
}

func (c *crowd) Refresh(_ context.Context, _ token.AppKey, old token.Token) (token.Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[old.Subject]++
	if c.err != nil {
		return token.Token{}, c.err
	}
	return token.Token{Access: old.Access + "+", Refresh: old.Refresh + "+", Expires: c.now().Add(time.Hour)}, nil
}

// crowded is a bench with n more accounts of Youku.
func crowded(t *testing.T, n int) (*bench, *crowd, func(*notices, token.SweepOptions) *token.Sweeper) {
	b := newBench(t)
	c := &crowd{now: b.clock.now, calls: map[string]int{}}
	if err := b.vault.Remove(t.Context(), main); err != nil {
		t.Fatal(err)
	}
	if err := b.vault.PutApp(t.Context(), "youku", token.AppKey{ID: "y"}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		a := fmt.Sprintf("a%d", i)
		_, err := b.vault.SaveLogin(t.Context(), upload.Account("youku/"+a), token.Token{Subject: a, Access: "secret-a", Refresh: "secret-r", Expires: start.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b, c, func(ns *notices, o token.SweepOptions) *token.Sweeper {
		o.Announce = ns.announce
		return token.NewSweeper(token.NewKeeper(b.vault, map[string]token.Refresher{"youku": c},
			&token.KeeperOptions{Now: b.clock.now, Log: slog.New(slog.NewJSONHandler(b.log, nil))}), &o)
	}
}

func TestARunIsBoundedAndTheNextGoesOn(t *testing.T) {
	b, c, sweeper := crowded(t, 120)
	b.move(50 * time.Minute)
	s := sweeper(&notices{}, token.SweepOptions{Limit: 48})
	first := b.sweep(s)
	if first.Looked > 48 || first.Looked < 30 || !first.More || first.Renewed != first.Looked {
		t.Errorf("first: %+v", first)
	}
	total, runs := first.Renewed, 1
	for ; runs < 20; runs++ {
		r := b.sweep(s)
		if total += r.Renewed; !r.More {
			break
		}
	}
	if total != 120 || len(c.calls) != 120 {
		t.Errorf("%d renewed in %d runs, %d accounts", total, runs+1, len(c.calls))
	}
	// Nothing is begun that the deadline would cut.
	b.move(50 * time.Minute)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	short := sweeper(&notices{}, token.SweepOptions{Budget: time.Nanosecond, Reserve: time.Nanosecond})
	b.clock.mu.Lock()
	b.clock.t = time.Now().Add(2 * time.Hour)
	b.clock.mu.Unlock()
	if r, err := short.Sweep(ctx); err != nil || r.Looked != 0 || !r.More {
		t.Errorf("past the deadline: %+v, %v", r, err)
	}
}

func TestTwoSweepsAtOnceDoEverythingOnce(t *testing.T) {
	b, c, sweeper := crowded(t, 40)
	if _, err := b.vault.SaveLogin(t.Context(), "youku/person", token.Token{Subject: "p", Access: "secret", Expires: start.Add(3 * day)}); err != nil {
		t.Fatal(err)
	}
	b.move(50 * time.Minute)
	var n notices
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 2 {
				if _, err := sweeper(&n, token.SweepOptions{}).Sweep(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for a, calls := range c.calls {
		if calls != 1 {
			t.Errorf("%s: %d refreshes", a, calls)
		}
	}
	if len(c.calls) != 40 {
		t.Errorf("%d accounts were renewed", len(c.calls))
	}
	if got := n.said(); !slices.Equal(got, []string{"account.expires_soon youku/person 7"}) {
		t.Errorf("announced %v", got)
	}
}

func TestAnAccountThatFailsKeepsNobodyFromItsTurn(t *testing.T) {
	b, c, sweeper := crowded(t, 20)
	c.err = fault.New(fault.Unknown, "platform", "no answer")
	b.move(45 * time.Minute)
	s := sweeper(&notices{}, token.SweepOptions{})
	if r := b.sweep(s); r.Failed != 20 || r.Looked != 20 {
		t.Errorf("got %+v", r)
	}
	if i := b.info("youku/a3"); i.State != token.AccountOK || i.LastResult != "failed: Unknown" {
		t.Errorf("got %+v", i)
	}
	b.move(time.Minute)
	b.sweep(s) // too early: nobody is asked again
	if n := c.calls["a3"]; n != 1 {
		t.Errorf("%d refreshes", n)
	}
	c.err = nil
	b.move(7 * time.Minute)
	if r := b.sweep(s); r.Renewed != 20 || b.info("youku/a3").LastResult != "ok" {
		t.Errorf("got %+v", r)
	}
}

func TestBothThresholdsHoldToTheUnit(t *testing.T) {
	for name, obtained := range map[string]time.Time{"a fraction of the life": start, "the emergency, where the beginning is wrong": start.Add(9 * time.Hour)} {
		for _, early := range []time.Duration{1, 0} {
			b := newBench(t)
			tok := b.login("g2")
			tok.Obtained = obtained
			if _, err := b.vault.SaveLogin(t.Context(), main, tok); err != nil {
				t.Fatal(err)
			}
			at := token.RenewAt(t, b.vault, main)
			if emergency := tok.Expires.Add(-time.Minute); obtained != start && !at.Equal(emergency) {
				t.Errorf("%s: at %v", name, at)
			}
			b.move(at.Add(-token.Interval - early).Sub(b.clock.now()))
			if r := b.sweep(b.sweeper(&notices{}, token.SweepOptions{})); r.Renewed != 1-int(early) || b.calls != r.Renewed {
				t.Errorf("%s, %v early: %+v", name, early, r)
			}
		}
	}
	for _, early := range []time.Duration{1, 0} {
		b, p, _, s := douyinBench(t)
		b.move(14 * day)
		b.sweep(s) // the access token
		b.move(token.RotateAt(t, b.vault, main).Add(-token.Interval - early).Sub(b.clock.now()))
		if r := b.sweep(s); r.Rotated != 1-int(early) || p.rotations != r.Rotated {
			t.Errorf("the refresh token, %v early: %+v", early, r)
		}
	}
}

func TestAShardBelongsToOneSweepAtATime(t *testing.T) {
	b := newBench(t)
	tok := b.login("g2")
	tok.Refresh, tok.Expires = "", start.Add(day)
	if _, err := b.vault.SaveLogin(t.Context(), main, tok); err != nil {
		t.Fatal(err)
	}
	said := 0
	var inner token.SweepReport
	var s *token.Sweeper
	s = token.NewSweeper(b.keeper(token.KeeperOptions{}), &token.SweepOptions{Workers: 1, Announce: func(context.Context, token.Notice) error {
		if said++; said == 1 {
			inner = b.sweep(s)
		}
		return nil
	}})
	if r := b.sweep(s); said != 1 || r.Warned != 1 || inner.Busy != 1 || inner.Looked != 0 {
		t.Errorf("announced %d times: %+v, and within it %+v", said, r, inner)
	}
	// A sweep that was killed does not keep the next one.
	b.move(10 * time.Minute)
	b.put(table.Key{PK: "SWEEP#token#00", SK: "LEASE"}, map[string]any{"fence": 1, "until": b.clock.now().Add(-1)})
	if r := b.sweep(s); r.Busy != 0 {
		t.Errorf("got %+v", r)
	}
}
