package token_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/token"
)

var leaseAt = table.Key{PK: "A#douyin#main", SK: "LEASE"}

func TestTwoHundredWhoMeetOneExpiredTokenMakeOneRefresh(t *testing.T) {
	b := newBench(t)
	refused := b.load().Version
	got := make([]token.Token, 200)
	var all sync.WaitGroup
	for i := range got {
		k := token.NewKeeper(b.vault, map[string]token.Refresher{"douyin": b.platform},
			&token.KeeperOptions{Now: b.clock.now, Poll: time.Millisecond, Wait: time.Hour})
		all.Go(func() {
			var err error
			if got[i], err = k.Renew(t.Context(), main, refused); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if b.calls != 1 {
		t.Errorf("got %d refreshes, want 1", b.calls)
	}
	for _, tok := range got {
		if !b.works(tok) || tok.Version != refused+1 {
			t.Fatalf("got %v version %d", tok, tok.Version)
		}
	}
}

func TestWorkDoneWhileTheLeaseWasTakenIsNotDoneAgain(t *testing.T) {
	b := newBench(t)
	gets := 0
	b.lose = func(op string) sqlite.Loss {
		if op == "Get" {
			gets++
		}
		if gets == 2 { // the token was read, the lease not yet: another one takes, renews and releases it
			b.lose = nil
			if _, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1); err != nil {
				t.Error(err)
			}
		}
		return sqlite.NotLost
	}
	tok, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1)
	if err != nil || !b.works(tok) || b.calls != 1 {
		t.Errorf("got %v, %v after %d refreshes", tok, err, b.calls)
	}
}

func TestATokenIsRenewedOnlyWhenRefusedOrNearItsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		age     time.Duration
		refused int64
		calls   int
	}{
		"fresh and not refused":            {0, 0, 0},
		"refused":                          {0, 1, 1},
		"refused in a version to come":     {0, 7, 1},
		"one nanosecond before the margin": {59*time.Minute - 1, 0, 0},
		"at the margin":                    {59 * time.Minute, 0, 1},
		"ended":                            {2 * time.Hour, 0, 1},
	} {
		b := newBench(t)
		b.move(c.age)
		tok, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, c.refused)
		if err != nil || b.calls != c.calls || !b.works(tok) || tok.Access != b.load().Access {
			t.Errorf("%s: got %v, %v after %d refreshes, want %d", name, tok, err, b.calls, c.calls)
		}
	}
}

func TestTheMarginIsAtMostATenthOfTheLife(t *testing.T) {
	tok := token.Token{Obtained: start, Expires: start.Add(100 * time.Second)}
	for at, want := range map[time.Duration]bool{0: false, 90*time.Second - 1: false, 90 * time.Second: true} {
		if got := tok.NearEnd(start.Add(at), time.Minute); got != want {
			t.Errorf("after %v: got %v, want %v", at, got, want)
		}
	}
	if (token.Token{}).NearEnd(start, time.Hour) {
		t.Error("a token without a known end is not near it")
	}
}

func TestAnAnswerIsCompletedFromTheOldToken(t *testing.T) {
	b := newBench(t)
	b.rotate = false
	old := b.load()
	tok, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, old.Version)
	if err != nil || tok.Refresh != old.Refresh || !tok.RefreshBy.Equal(old.RefreshBy) || tok.Grant != "g1" || tok.Subject != "open-1" || len(tok.Scopes) != 1 || !tok.Obtained.Equal(start) {
		t.Errorf("without a refresh token in the answer: got %+v, %v", tok, err)
	}
	b.rotate = true
	tok, err = b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, tok.Version)
	if err != nil || tok.Refresh == old.Refresh || tok.Renewals != 1 || b.load().Refresh != tok.Refresh {
		t.Errorf("with one: got %+v, %v", tok, err)
	}
}

func TestUselessAnswersLeaveTheOldTokenIntact(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*token.Token)
		kind   fault.Kind
	}{
		"no access token":         {func(t *token.Token) { *t = token.Token{} }, fault.Unknown},
		"a lifetime of zero":      {func(t *token.Token) { t.Expires = start }, fault.Unknown},
		"a negative lifetime":     {func(t *token.Token) { t.Expires = start.Add(-time.Hour) }, fault.Unknown},
		"another account's token": {func(t *token.Token) { t.Subject = "open-2" }, fault.Permanent},
	} {
		b := newBench(t)
		b.rotate, b.change = false, c.change
		_, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1)
		if got := b.load(); fault.KindOf(err) != c.kind || got.Access != "secret-a1" || got.Refresh != "secret-r1" || got.Version != 1 {
			t.Errorf("%s: got %v, then %+v", name, err, got)
		}
	}
	b := newBench(t)
	b.change = func(t *token.Token) { t.Access = "" }
	_, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1)
	if fault.KindOf(err) != fault.Unknown || b.load().Refresh != b.refresh {
		t.Errorf("a refresh token that was rotated by a useless answer is lost: %v", err)
	}
}

func TestWhileAnotherRenewsTheMachineComesBack(t *testing.T) {
	b := newBench(t)
	b.put(leaseAt, map[string]any{"owner": "x", "fence": 3, "until": b.clock.now().Add(30 * time.Second)})
	_, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1)
	if f := fault.As(err); f == nil || f.Kind != fault.Retryable || f.Effect != fault.EffectNone || f.After < 24*time.Second || f.After > 30*time.Second {
		t.Errorf("got %v", err)
	}
	if b.calls != 0 {
		t.Error("it asked the platform all the same")
	}
	// The lease ends by our clock: whoever held it is gone.
	b.move(31 * time.Second)
	if tok, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1); err != nil || !b.works(tok) || b.doc(leaseAt)["fence"] != 4.0 {
		t.Errorf("after its end: got %v, %v", tok, err)
	}
	// One written under a clock that was a year ahead does not lock the account.
	b.put(leaseAt, map[string]any{"owner": "x", "fence": 9, "until": b.clock.now().Add(365 * 24 * time.Hour)})
	if tok, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 2); err != nil || !b.works(tok) {
		t.Errorf("a lease of a year: got %v, %v", tok, err)
	}
}

func TestAFailedRenewalIsNotRepeatedByTheNextInLine(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		wait time.Duration
	}{
		"for a while":            {fault.New(fault.Unknown, "platform", "no answer"), 5 * time.Second},
		"for as long as it says": {&fault.Error{Kind: fault.Retryable, After: time.Minute, Code: "429"}, time.Minute},
	} {
		b := newBench(t)
		b.before = func() error { return c.err }
		k := b.keeper(token.KeeperOptions{})
		if _, err := k.Renew(t.Context(), main, 1); !errors.Is(err, c.err) || fault.KindOf(err) != fault.KindOf(c.err) {
			t.Errorf("%s: got %v", name, err)
		}
		b.before = nil
		b.move(c.wait - 1)
		if _, err := k.Renew(t.Context(), main, 1); fault.KindOf(err) != fault.Retryable || fault.As(err).After <= 0 || b.calls != 1 {
			t.Errorf("%s: too early: got %v, %d refreshes", name, err, b.calls)
		}
		b.move(1)
		if tok, err := k.Renew(t.Context(), main, 1); err != nil || !b.works(tok) {
			t.Errorf("%s: then: got %v, %v", name, tok, err)
		}
	}
}

func TestARefusedGrantNeedsALogin(t *testing.T) {
	b := newBench(t)
	b.refresh = "secret-revoked"
	k := b.keeper(token.KeeperOptions{})
	for range 2 {
		_, err := k.Renew(t.Context(), main, 1)
		if f := fault.As(err); f == nil || f.Kind != fault.CredentialsExpired || !errors.Is(err, token.ErrNoCredential) || !strings.Contains(f.Action, "account login douyin/main") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := b.vault.Load(t.Context(), main); !errors.Is(err, token.ErrNoCredential) || !strings.Contains(err.Error(), "10010") || b.calls != 1 {
		t.Errorf("got %v after %d refreshes", err, b.calls)
	}
	if !strings.Contains(b.log.String(), "account_needs_login") || strings.Contains(b.log.String(), "secret") {
		t.Errorf("log: %s", b.log)
	}
	if _, err := b.vault.SaveLogin(t.Context(), main, b.login("g2")); err != nil || !b.works(b.load()) {
		t.Errorf("a login brings it back: got %v", err)
	}
}

func TestWhatOnlyAPersonRenewsNeedsALogin(t *testing.T) {
	b := newBench(t)
	k := token.NewKeeper(b.vault, nil, &token.KeeperOptions{Now: b.clock.now})
	if _, err := k.Renew(t.Context(), main, 1); fault.KindOf(err) != fault.CredentialsExpired || !errors.Is(err, token.ErrNoCredential) {
		t.Errorf("got %v", err)
	}
}

func TestAMissingAppKeyDoesNotCostTheGrant(t *testing.T) {
	b := newBench(t)
	if err := b.table.Delete(t.Context(), table.Key{PK: "APP#douyin", SK: "KEY"}, table.AnyVersion); err != nil {
		t.Fatal(err)
	}
	if _, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1); !errors.Is(err, token.ErrNoApp) || !b.works(b.load()) {
		t.Errorf("got %v", err)
	}
}

func TestANewerLoginDuringARefreshWins(t *testing.T) {
	for _, refused := range []bool{false, true} { // the refresh itself succeeds, or is refused
		b := newBench(t)
		if refused {
			b.refresh = "secret-revoked"
		}
		k := token.NewKeeper(b.vault, map[string]token.Refresher{"douyin": refresherFunc(func(ctx context.Context, app token.AppKey, old token.Token) (token.Token, error) {
			tok, err := b.Refresh(ctx, app, old)
			if _, err := b.vault.SaveLogin(t.Context(), main, b.login("g2")); err != nil {
				t.Error(err)
			}
			return tok, err
		})}, &token.KeeperOptions{Now: b.clock.now, Sleep: b.clock.sleep, Log: slog.New(slog.NewJSONHandler(b.log, nil))})
		tok, err := k.Renew(t.Context(), main, 1)
		if err != nil || tok.Grant != "g2" || !b.works(tok) || b.load().Access != tok.Access {
			t.Errorf("refused %v: got %v, %v", refused, tok, err)
		}
		if strings.Contains(b.log.String(), "alarm") {
			t.Errorf("refused %v: nothing is wrong, but: %s", refused, b.log)
		}
	}
}

type refresherFunc func(context.Context, token.AppKey, token.Token) (token.Token, error)

func (f refresherFunc) Refresh(ctx context.Context, app token.AppKey, old token.Token) (token.Token, error) {
	return f(ctx, app, old)
}

func TestARemovalDuringARefreshWins(t *testing.T) {
	b := newBench(t)
	b.during = func(ctx context.Context) error { return b.vault.Remove(ctx, main) }
	if _, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1); !errors.Is(err, token.ErrNoCredential) {
		t.Errorf("got %v", err)
	}
	if _, err := b.vault.Load(t.Context(), main); !errors.Is(err, token.ErrNoCredential) {
		t.Errorf("the removed account is back: %v", err)
	}
}

func TestARefreshThatHasBegunIsSavedThoughTheCallerIsGone(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	b.during = func(context.Context) error { cancel(); return nil }
	tok, err := b.keeper(token.KeeperOptions{}).Renew(ctx, main, 1)
	if err != nil || !b.works(tok) || b.load().Refresh != b.refresh {
		t.Errorf("got %v, %v", tok, err)
	}
	if _, err := b.keeper(token.KeeperOptions{}).Renew(ctx, main, 2); fault.KindOf(err) != fault.Retryable || !errors.Is(err, context.Canceled) || b.calls != 1 {
		t.Errorf("under a cancelled context: got %v, %d refreshes", err, b.calls)
	}
}

func TestNothingIsAskedWhereTheAnswerCouldNotBeSealed(t *testing.T) {
	b := newBench(t)
	v := token.NewVault(b.table, openOnly{b.cipher}, b.clock.now)
	_, err := token.NewKeeper(v, map[string]token.Refresher{"douyin": b.platform}, &token.KeeperOptions{Now: b.clock.now}).Renew(t.Context(), main, 1)
	if fault.KindOf(err) != fault.Permanent || b.calls != 0 {
		t.Errorf("got %v after %d refreshes", err, b.calls)
	}
}

type openOnly struct{ token.Cipher }

func (openOnly) Seal(context.Context, []byte, []byte) ([]byte, error) {
	return nil, fault.New(fault.Permanent, "kms", "access denied")
}
