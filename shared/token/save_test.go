package token_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/token"
)

// afterTheAnswer makes the table behave as told from the moment that the platform has answered.
func (b *bench) afterTheAnswer(loss func(nth int, op string) sqlite.Loss) {
	b.during = func(context.Context) error {
		n := 0
		b.lose = func(op string) sqlite.Loss { n++; return loss(n, op) }
		return nil
	}
}

func TestASaveOutlivesWhatMayPass(t *testing.T) {
	for name, loss := range map[string]sqlite.Loss{
		"a busy database":               sqlite.Refused,
		"a write that never arrived":    sqlite.LostBefore,
		"a write whose answer was lost": sqlite.LostAfter,
		"a write that was sent twice":   sqlite.Resent,
	} {
		b := newBench(t)
		b.afterTheAnswer(func(n int, _ string) sqlite.Loss {
			if n <= 2 {
				return loss
			}
			return sqlite.NotLost
		})
		tok, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1)
		b.lose = nil
		if err != nil || !b.works(tok) || b.load().Access != tok.Access || b.load().Refresh != b.refresh || b.calls != 1 {
			t.Errorf("%s: got %v, %v after %d refreshes", name, tok, err, b.calls)
		}
		if strings.Contains(b.log.String(), "alarm") {
			t.Errorf("%s: log: %s", name, b.log)
		}
	}
}

func TestASaveThatFailsIsUnknownAndLoud(t *testing.T) {
	b := newBench(t)
	b.afterTheAnswer(func(int, string) sqlite.Loss { return sqlite.Refused })
	_, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1)
	if fault.KindOf(err) != fault.Unknown {
		t.Errorf("got %v", err)
	}
	if log := b.log.String(); !strings.Contains(log, `"alarm":"token_not_saved"`) || !strings.Contains(log, "douyin/main") || strings.Contains(log, "secret") || strings.Contains(err.Error(), "secret") {
		t.Errorf("log: %s", log)
	}
}

func TestACrashBetweenAnswerAndSave(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		b := newBench(t)
		b.rotate = rotate
		func() {
			defer func() { _ = recover() }()
			b.lose = nil
			b.during = func(context.Context) error {
				// Nothing that this process does from now on reaches the table.
				b.lose = func(string) sqlite.Loss { return sqlite.LostBefore }
				panic("killed")
			}
			_, _ = b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1)
		}()
		b.during, b.lose = nil, nil
		k := b.keeper(token.KeeperOptions{}) // another process
		if _, err := k.Renew(t.Context(), main, 1); fault.KindOf(err) != fault.Retryable || b.calls != 1 {
			t.Errorf("the dead process's lease was not kept: %v", err)
		}
		b.move(time.Minute)
		tok, err := k.Renew(t.Context(), main, 1)
		if !rotate && (err != nil || !b.works(tok)) {
			t.Errorf("the refresh token still serves: got %v, %v", tok, err)
		}
		if rotate && (!errors.Is(err, token.ErrNoCredential) || !strings.Contains(b.log.String(), "account_needs_login")) {
			t.Errorf("the rotated refresh token died with the process; that must be loud: got %v, %v", tok, err)
		}
	}
}

// TestAHolderWhoseLeaseEnded: it slept through its lease with an answer in its hands, and another renewed meanwhile.
func TestAHolderWhoseLeaseEnded(t *testing.T) {
	for name, c := range map[string]struct {
		rotate bool
		other  func(b *bench) // what the later holder meets at the platform
	}{
		"the later renewal stands":                         {false, func(*bench) {}},
		"a rotated token outlives the later one's refusal": {true, func(*bench) {}},
		"a rotated token outlives a later renewal without": {true, func(b *bench) { b.refresh = "secret-r1"; b.rotate = false }},
	} {
		b := newBench(t)
		b.rotate = c.rotate
		slept := false
		b.during = func(context.Context) error {
			if slept {
				return nil
			}
			slept = true
			mine, rotate := b.refresh, b.rotate
			b.move(time.Minute)
			c.other(b)
			_, _ = b.keeper(token.KeeperOptions{}).Renew(b.t.Context(), main, 1)
			if b.rotate = rotate; rotate {
				b.refresh = mine
			}
			return nil
		}
		tok, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1)
		if err != nil {
			t.Errorf("%s: got %v", name, err)
		}
		if got := b.load(); got.Refresh != b.refresh || got.Access != tok.Access || b.calls != 2 {
			t.Errorf("%s: %d refreshes; the refresh token that is stored is not the one in force", name, b.calls)
		}
	}
}

func TestALeaseThatCannotBeTakenCostsNothing(t *testing.T) {
	for _, loss := range []sqlite.Loss{sqlite.Refused, sqlite.LostBefore} {
		b := newBench(t)
		b.lose = func(op string) sqlite.Loss {
			if op == "Put" {
				return loss
			}
			return sqlite.NotLost
		}
		_, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1)
		if fault.KindOf(err) != fault.Retryable || b.calls != 0 {
			t.Errorf("%v: got %v after %d refreshes", loss, err, b.calls)
		}
	}
}
