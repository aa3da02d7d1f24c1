package token_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

func TestAPersonIsWarnedFourteenSevenAndTwoDaysAheadOnceEach(t *testing.T) {
	b := newBench(t)
	const a = upload.Account("youku/only")
	end := start.Add(30 * day)
	if _, err := b.vault.SaveLogin(t.Context(), a, token.Token{Grant: "y1", Subject: "s", Access: "secret", Expires: end}); err != nil {
		t.Fatal(err)
	}
	if i := b.info(a); !i.NeedsLoginBy.Equal(end) || i.RenewalsLeft != -1 || i.State != token.AccountOK {
		t.Errorf("on day one: %+v", i)
	}
	if err := b.vault.Remove(t.Context(), main); err != nil {
		t.Fatal(err)
	}
	n := &notices{}
	s := b.sweeper(n, token.SweepOptions{Scheduled: func(_ context.Context, got upload.Account, after time.Time) (int, error) {
		if got != a || !after.Equal(end) {
			t.Errorf("counted %s after %v", got, after)
		}
		return 3, nil
	}})
	at := func(left time.Duration, want ...int) {
		t.Helper()
		b.move(end.Add(-left).Sub(b.clock.now()))
		for range 2 {
			b.sweep(s)
		}
		if got := b.info(a).Warned; !slices.Equal(got, want) {
			t.Errorf("%v ahead: warned %v, want %v", left, got, want)
		}
	}
	at(14*day + 1)
	n.fail = func() error { return errors.New("the bus is down") }
	b.move(1)
	b.sweep(s)
	n.fail = nil
	at(14*day, 14)
	at(7*day+1, 14)
	at(7*day, 14, 7)
	at(2*day+1, 14, 7)
	at(2*day, 14, 7, 2)
	at(1, 14, 7, 2)
	if b.info(a).State != token.AccountOK {
		t.Error("dead before its time")
	}
	b.move(1)
	if i := b.info(a); i.State != token.AccountNeedsLogin {
		t.Errorf("at its end, before the sweep: %+v", i)
	}
	for range 3 {
		b.sweep(s)
	}
	if i := b.info(a); i.State != token.AccountNeedsLogin || !strings.Contains(i.Reason, "its time was over") {
		t.Errorf("at its end: %+v", i)
	}
	want := []string{"account.expires_soon youku/only 14", "account.expires_soon youku/only 2", "account.expires_soon youku/only 7", "account.needs_login youku/only 0"}
	if got := n.said(); !slices.Equal(got, want) || n.all[0].Scheduled != 3 {
		t.Errorf("announced %v", n.all)
	}
	if _, err := b.vault.Load(t.Context(), a); !errors.Is(err, token.ErrNoCredential) {
		t.Errorf("its secrets are still there: %v", err)
	}
	// A login begins anew, and one that lasts a day is announced at once, by the nearest warning.
	if _, err := b.vault.SaveLogin(t.Context(), a, token.Token{Grant: "y2", Subject: "s", Access: "secret", Expires: b.clock.now().Add(day)}); err != nil {
		t.Fatal(err)
	}
	b.sweep(b.sweeper(n, token.SweepOptions{}))
	if i := b.info(a); i.State != token.AccountOK || !slices.Equal(i.Warned, []int{2}) {
		t.Errorf("after a login: %+v", i)
	}
}

func TestAccountsAreListedWithoutOpeningAnything(t *testing.T) {
	b, _, _ := crowded(t, 30)
	closed := token.NewVault(b.table, nil, b.clock.now) // there is nothing to open with
	got, err := closed.Accounts(t.Context())
	if err != nil || len(got) != 31 || got[0].Account != main || got[0].State != token.AccountRemoved || got[0].Subject != "" {
		t.Fatalf("got %d, %v: %+v", len(got), err, got)
	}
	if i := got[1]; i.Account != "youku/a0" || i.State != token.AccountOK || !i.Expires.Equal(start.Add(time.Hour)) || i.Subject != "a0" || i.LastResult != "ok" || !i.LastRefresh.Equal(start) {
		t.Errorf("got %+v", i)
	}
	if _, err := closed.Info(t.Context(), "youku/nobody"); !errors.Is(err, token.ErrNoCredential) {
		t.Errorf("got %v", err)
	}
}

func TestARemovedAccountKeepsItsIdsAndNothingElse(t *testing.T) {
	b := newBench(t)
	b.sweep(b.sweeper(&notices{}, token.SweepOptions{}))
	if err := b.vault.Remove(t.Context(), main); err != nil {
		t.Fatal(err)
	}
	it, err := b.table.Get(t.Context(), tokenAt)
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"open-1", "video.create", "box", "secret"} {
		if strings.Contains(string(it.Doc), gone) {
			t.Errorf("%s is still in %s", gone, it.Doc)
		}
	}
	if !strings.Contains(string(it.Doc), "g1") {
		t.Errorf("a late repeat of the login would bring it back: %s", it.Doc)
	}
	n := &notices{}
	b.move(100 * day)
	if r := b.sweep(b.sweeper(n, token.SweepOptions{})); r.Looked != 0 || len(n.all) != 0 {
		t.Errorf("the sweep still looks at it: %+v", r)
	}
}

func TestASweepSealsAgainWhatIsUnderAnOldKey(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	keys := func(path string, o *token.FileKeyOptions) *token.FileKeys {
		t.Helper()
		k, err := token.FileKey(filepath.Join(dir, path), o)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	use := func(k *token.FileKeys) *token.Sweeper {
		b.vault = token.NewVault(b.table, token.NewSealer(k, nil), b.clock.now)
		return b.sweeper(&notices{}, token.SweepOptions{})
	}
	old := keys("old", nil)
	use(old)
	if err := b.vault.PutApp(t.Context(), "douyin", token.AppKey{ID: "app-1", Secret: "secret-app"}); err != nil {
		t.Fatal(err)
	}
	tok := b.login("g2")
	tok.Expires = start.Add(400 * day)
	if _, err := b.vault.SaveLogin(t.Context(), main, tok); err != nil {
		t.Fatal(err)
	}
	if r := b.sweep(b.sweeper(&notices{}, token.SweepOptions{})); r.Resealed != 0 {
		t.Errorf("nothing is old yet: %+v", r)
	}
	s := use(keys("new", &token.FileKeyOptions{Older: []string{filepath.Join(dir, "old")}}))
	b.move(day)
	before := b.load().Version
	if r := b.sweep(s); r.Resealed != 2 || b.load().Version != before+1 {
		t.Errorf("got %+v, version %d after %d", r, b.load().Version, before)
	}
	use(keys("new", nil)) // the old key is gone for good
	if got := b.load(); got.Access != tok.Access || got.Refresh != tok.Refresh {
		t.Errorf("got %v", got)
	}
	if app, err := b.vault.App(t.Context(), "douyin"); err != nil || app.Secret != "secret-app" {
		t.Errorf("got %v, %v", app, err)
	}
	if r := b.sweep(s); r.Resealed != 0 {
		t.Errorf("again: %+v", r)
	}
}

func TestAnAnswerWithoutALifeLeavesTheOldTokenIntact(t *testing.T) {
	b := newBench(t)
	b.rotate, b.change = false, func(t *token.Token) { t.Expires = time.Time{} }
	if _, err := b.keeper(token.KeeperOptions{}).Renew(t.Context(), main, 1); fault.KindOf(err) != fault.Unknown {
		t.Errorf("got %v", err)
	}
	if got := b.load(); got.Access != "secret-a1" || got.Version != 1 {
		t.Errorf("got %v, version %d", got, got.Version)
	}
}
