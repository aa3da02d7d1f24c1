package users_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/token"
)

// waits tries wrong passwords n times, each as early as it is let, and gives the waits that were asked for.
func waits(t *testing.T, r *rig, name string, n int, from func(i int) string) []time.Duration {
	t.Helper()
	out := make([]time.Duration, n)
	for i := range n {
		for {
			_, err := r.login(t, name, wrong, from(i))
			if errors.Is(err, users.ErrCredentials) {
				break
			}
			f := fault.As(err)
			if !errors.Is(err, users.ErrTooMany) || f.After <= 0 || f.Kind != fault.Retryable {
				t.Fatalf("got %v", err)
			}
			out[i] += f.After
			r.clock.advance(f.After)
		}
	}
	return out
}

func TestOneUserFromOneAddressWaitsEverLongerUpToACap(t *testing.T) {
	r := newRig(t, open())
	r.register(t, "target")
	got := waits(t, r, "target", 16, func(int) string { return cafe })
	want := []time.Duration{0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900}
	for i := range want {
		if got[i] != want[i]*time.Second {
			t.Errorf("before try %d: got %s, want %s", i+1, got[i], want[i]*time.Second)
		}
	}
}

func TestUnknownUsersWaitAsKnownOnes(t *testing.T) {
	r := newRig(t, open())
	r.register(t, "target")
	at := func(int) string { return cafe }
	known, unknown := waits(t, r, "target", 8, at), waits(t, r, "nobody", 8, at)
	if fmt.Sprint(known) != fmt.Sprint(unknown) {
		t.Errorf("got %v beside %v", known, unknown)
	}
}

func TestWhatIsRefusedIsNeitherHashedNorCounted(t *testing.T) {
	r := newRig(t, open())
	r.register(t, "target")
	waits(t, r, "target", 4, func(int) string { return cafe })
	before := r.hasher.verifies.Load()
	for range 50 {
		if _, err := r.login(t, "target", right, cafe); !errors.Is(err, users.ErrTooMany) {
			t.Fatal(err)
		}
	}
	if r.hasher.verifies.Load() != before {
		t.Error("a refused try was hashed")
	}
	r.clock.advance(2 * time.Second)
	if _, err := r.login(t, "target", right, cafe); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	waits(t, r, "target", 4, func(int) string { return cafe }) // the count began afresh, so no wait is left over
}

func TestManyTriesAtOnceDoNotPassAsTheFirst(t *testing.T) {
	r := newRig(t, open())
	r.register(t, "target")
	var wg sync.WaitGroup
	var tried atomic.Int64
	for range 40 {
		wg.Go(func() {
			_, err := r.Login(context.WithoutCancel(t.Context()), "target", wrong, cafe)
			if errors.Is(err, users.ErrCredentials) {
				tried.Add(1)
			} else if !errors.Is(err, users.ErrTooMany) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if tried.Load() != 4 {
		t.Errorf("%d were tried, want 4", tried.Load())
	}
}

func TestAnAttackFromEverywhereNeverKeepsTheOwnerOut(t *testing.T) {
	r := newRig(t, open())
	r.register(t, "victim")
	if _, err := r.login(t, "victim", right, home); err != nil {
		t.Fatal(err)
	}
	waits(t, r, "victim", 120, func(i int) string { return fmt.Sprintf("203.0.113.%d", i) })
	if _, err := r.login(t, "victim", right, home); err != nil {
		t.Errorf("from home: %v", err)
	}
	if _, err := r.login(t, "victim", right, cafe); err != nil {
		t.Errorf("from a new place, at the first try: %v", err)
	}
	// Under attack another new place has one try, then waits a minute.
	got := waits(t, r, "victim", 3, func(int) string { return "203.0.114.1" })
	if fmt.Sprint(got) != "[0s 1m0s 2m0s]" {
		t.Errorf("got %v", got)
	}
}

func TestOneAddressOverManyUsersWaitsButThoseWhoAreKnownThereDoNot(t *testing.T) {
	r := newRig(t, open())
	r.register(t, "neighbour")
	if _, err := r.login(t, "neighbour", right, cafe); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if _, err := r.login(t, fmt.Sprintf("guess%d", i), wrong, cafe); !errors.Is(err, users.ErrCredentials) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if _, err := r.login(t, "guess-more", wrong, cafe); !errors.Is(err, users.ErrTooMany) {
		t.Errorf("got %v", err)
	}
	for range 5 { // and his successes do not clear what the guesses left
		if _, err := r.login(t, "neighbour", right, cafe); err != nil {
			t.Errorf("the neighbour: %v", err)
		}
	}
	if _, err := r.login(t, "guess-more", wrong, cafe); !errors.Is(err, users.ErrTooMany) {
		t.Errorf("got %v", err)
	}
}

func TestAnHourOfPeaceClearsACount(t *testing.T) {
	r := newRig(t, open())
	at := func(int) string { return cafe }
	waits(t, r, "target", 6, at)
	r.clock.advance(time.Hour + time.Second)
	if got := waits(t, r, "target", 4, at); fmt.Sprint(got) != "[0s 0s 0s 0s]" {
		t.Errorf("got %v", got)
	}
}

// spy remembers everything that is written.
type spy struct {
	table.Table
	mu   sync.Mutex
	seen bytes.Buffer
	open []string // keys of rows without an end
}

func (s *spy) note(it *table.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.seen, "%s %s %s\n", it.PK, it.SK, it.Doc)
	if it.Expires.IsZero() {
		s.open = append(s.open, it.PK)
	}
}

func (s *spy) Put(ctx context.Context, it table.Item, v int64) (int64, error) {
	s.note(&it)
	return s.Table.Put(ctx, it, v)
}

func (s *spy) Transact(ctx context.Context, tok string, ops []table.Op) error {
	for _, o := range ops {
		if o.Put != nil {
			s.note(o.Put)
		}
		if o.Add != nil {
			s.note(&table.Item{Key: o.Add.Key, Expires: time.Unix(1, 0)})
		}
	}
	return s.Table.Transact(ctx, tok, ops)
}

func TestAddressesTokensPasswordsAndTriedNamesAreNowhereInTheTable(t *testing.T) {
	c := newClock(noon())
	s := &spy{Table: memory(t, c)}
	r := newRigOver(t, s, c, open())
	r.register(t, "member")
	ses, err := r.login(t, "member", right, cafe)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.login(t, "my-password-by-mistake", wrong, cafe); !errors.Is(err, users.ErrCredentials) {
		t.Fatal(err)
	}
	q, err := users.NewQuotas(s, users.QuotaOptions{Addresses: r.addr, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Charge(t.Context(), ses.User.ID, cafe, 1, 10); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{home, cafe, right, wrong, ses.Token, "my-password-by-mistake"} {
		if strings.Contains(s.seen.String(), secret) {
			t.Errorf("%q is in the table", secret)
		}
	}
	for _, pk := range s.open {
		if !strings.HasPrefix(pk, "USER#") && !strings.HasPrefix(pk, "USERNAME#") {
			t.Errorf("%s never ends", pk)
		}
	}
}

func TestTheAddressKeyIsMadeOnceAndKeptSealed(t *testing.T) {
	c := newClock(noon())
	s := &spy{Table: memory(t, c)}
	keys, err := token.FileKey(t.TempDir()+"/seal.key", nil)
	if err != nil {
		t.Fatal(err)
	}
	seal := token.NewSealer(keys, nil)
	got := make(chan string, 8)
	var wg sync.WaitGroup
	for range cap(got) {
		wg.Go(func() {
			a, err := users.LoadAddresses(context.WithoutCancel(t.Context()), s, seal, nil)
			if err != nil {
				t.Error(err)
			}
			got <- a.Key(home)
		})
	}
	wg.Wait()
	first := <-got
	for range cap(got) - 1 {
		if next := <-got; next != first {
			t.Fatal("two processes have two keys")
		}
	}
}

func TestAddressKeys(t *testing.T) {
	a := addresses(t)
	same := [][2]string{{"192.0.2.1", "::ffff:192.0.2.1"}, {"192.0.2.1", " 192.0.2.1 "}, {"2001:db8::1", "2001:DB8:0:0:ffff::2"}, {"", "no address"}, {"fe80::1%eth0", "fe80::2"}}
	for _, p := range same {
		if a.Key(p[0]) != a.Key(p[1]) {
			t.Errorf("%q and %q differ", p[0], p[1])
		}
	}
	for _, p := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"2001:db8:0:1::1", "2001:db8:0:2::1"}, {"192.0.2.1", ""}} {
		if a.Key(p[0]) == a.Key(p[1]) {
			t.Errorf("%q and %q are taken for the same", p[0], p[1])
		}
	}
	if k := a.Key(home); a.Key(k) != k {
		t.Error("a key of a key is another")
	}
	if _, err := users.NewAddresses(make([]byte, 31)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a short key: %v", err)
	}
	if s := fmt.Sprintf("%v %+v %#v", a, a, a); strings.Contains(s, "7") {
		t.Errorf("the key is printed: %s", s)
	}
}
