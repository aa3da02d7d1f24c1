package users_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
)

func newQuotas(t testing.TB, db table.Table, c *clock, l users.Limits) *users.Quotas {
	t.Helper()
	q, err := users.NewQuotas(db, users.QuotaOptions{Addresses: addresses(t), Now: c.now, Limits: l})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// off is no limit.
func off() users.Limits {
	return users.Limits{UserUploads: -1, UserBytes: -1, AddressUploads: -1, AddressBytes: -1, SystemUploads: -1, SystemBytes: -1}
}

func TestEachLimitHoldsByItselfAndSaysWhichItIs(t *testing.T) {
	cases := []struct {
		name  string
		set   func(*users.Limits)
		n     int
		bytes int64
		scope users.Scope
		unit  users.Unit
		text  string
	}{
		{"uploads of a user", func(l *users.Limits) { l.UserUploads = 3 }, 1, 0, users.ScopeUser, users.UnitUploads, "your daily limit of 3 uploads"},
		{"bytes of a user", func(l *users.Limits) { l.UserBytes = 300 }, 0, 100, users.ScopeUser, users.UnitBytes, "your daily limit of 300 bytes"},
		{"uploads of an address", func(l *users.Limits) { l.AddressUploads = 3 }, 1, 0, users.ScopeAddress, users.UnitUploads, "from your network"},
		{"bytes of an address", func(l *users.Limits) { l.AddressBytes = 300 }, 0, 100, users.ScopeAddress, users.UnitBytes, "from your network"},
		{"uploads of the system", func(l *users.Limits) { l.SystemUploads = 3 }, 1, 0, users.ScopeSystem, users.UnitUploads, "of this service"},
		{"bytes of the system", func(l *users.Limits) { l.SystemBytes = 300 }, 0, 100, users.ScopeSystem, users.UnitBytes, "of this service"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, l := newClock(noon()), off()
			tc.set(&l)
			q := newQuotas(t, memory(t, c), c, l)
			for range 3 {
				if err := q.Charge(t.Context(), "1", home, tc.n, tc.bytes); err != nil {
					t.Fatal(err)
				}
			}
			err := q.Charge(t.Context(), "1", home, tc.n, tc.bytes)
			var over *users.Over
			if !errors.Is(err, users.ErrOver) || !errors.As(err, &over) || over.Scope != tc.scope || over.Unit != tc.unit {
				t.Fatalf("got %v", err)
			}
			midnight := time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)
			if f := fault.As(err); f.After != 12*time.Hour || !f.Quota || !over.Resets.Equal(midnight) {
				t.Errorf("it resets at %s, after %s", over.Resets, f.After)
			}
			if !strings.Contains(err.Error(), tc.text) || !strings.Contains(err.Error(), "resets at 2026-11-23 00:00 China time") {
				t.Errorf("got %q", err)
			}
			c.advance(12*time.Hour - time.Second)
			if err := q.Charge(t.Context(), "1", home, tc.n, tc.bytes); !errors.Is(err, users.ErrOver) {
				t.Errorf("a second before midnight: %v", err)
			}
			c.advance(time.Second)
			if err := q.Charge(t.Context(), "1", home, tc.n, tc.bytes); err != nil {
				t.Errorf("the next day: %v", err)
			}
		})
	}
}

func TestAChargeThatOneLimitRefusesDrawsFromNone(t *testing.T) {
	c, l := newClock(noon()), off()
	l.UserUploads, l.AddressUploads = 10, 1
	q := newQuotas(t, memory(t, c), c, l)
	_ = q.Charge(t.Context(), "1", home, 1, 0)
	for range 5 {
		if err := q.Charge(t.Context(), "1", home, 1, 0); !errors.Is(err, users.ErrOver) {
			t.Fatal(err)
		}
	}
	if n, b, err := q.Left(t.Context(), "1"); n != 9 || b != -1 || err != nil {
		t.Errorf("got %d, %d, %v", n, b, err)
	}
}

func TestWhoUploadedMoreThanHeHadGetsNoMoreThatDay(t *testing.T) {
	c, l := newClock(noon()), off()
	l.UserBytes = 100
	q := newQuotas(t, memory(t, c), c, l)
	ctx := t.Context()
	if err := q.Charge(ctx, "1", home, 1, 0); err != nil {
		t.Fatal(err)
	}
	if err := q.ChargeBytes(ctx, "video", "1", home, 101); !errors.Is(err, users.ErrOver) {
		t.Fatal(err)
	}
	if err := q.Charge(ctx, "1", home, 1, 0); !errors.Is(err, users.ErrOver) {
		t.Errorf("the next grant: %v", err)
	}
	if err := q.Charge(ctx, "2", home, 1, 0); err != nil {
		t.Errorf("another user: %v", err)
	}
}

func TestBytesOfOneVideoAreChargedOnce(t *testing.T) {
	c, l := newClock(noon()), off()
	l.UserBytes, l.SystemBytes = 1000, 5000
	q := newQuotas(t, memory(t, c), c, l)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := q.ChargeBytes(context.WithoutCancel(t.Context()), "video", "1", home, 600); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, b, err := q.Left(t.Context(), "1"); b != 400 || err != nil {
		t.Errorf("got %d left, %v", b, err)
	}
	if err := q.ChargeBytes(t.Context(), "other", "1", home, 400); err != nil {
		t.Error(err)
	}
}

func TestAChangedLimitCountsTheSameDay(t *testing.T) {
	c, l := newClock(noon()), off()
	db := memory(t, c)
	l.UserUploads, l.SystemUploads = 5, 80
	charge := func(n int) error { return newQuotas(t, db, c, l).Charge(t.Context(), "1", home, n, 0) }
	if err := charge(4); err != nil {
		t.Fatal(err)
	}
	l.UserUploads = 3
	if err := charge(1); !errors.Is(err, users.ErrOver) {
		t.Errorf("lowered: %v", err)
	}
	l.UserUploads = 10
	if err := charge(6); err != nil {
		t.Errorf("raised: %v", err)
	}
	if err := charge(1); !errors.Is(err, users.ErrOver) {
		t.Errorf("raised and used up: %v", err)
	}
}

func TestAmountsThatMakeNoSense(t *testing.T) {
	c := newClock(noon())
	q := newQuotas(t, memory(t, c), c, users.Limits{})
	for _, a := range []struct {
		n     int
		bytes int64
	}{{-1, 0}, {0, -1}, {1001, 0}, {0, 1 << 62}} {
		if err := q.Charge(t.Context(), "1", home, a.n, a.bytes); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: got %v", a, err)
		}
	}
	if err := q.Charge(t.Context(), "", "", 1, 0); err != nil { // nobody, from nowhere
		t.Error(err)
	}
	if err := q.Charge(t.Context(), strings.Repeat("1", 65), "", 1, 0); !errors.Is(err, users.ErrNotFound) {
		t.Error(err)
	}
}

// TestChargesAtOnceNeverExceedALimitAndUseItWhole draws limits and charges, makes them all at once, some with lost
// answers, and adds up what was granted.
func TestChargesAtOnceNeverExceedALimitAndUseItWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newClock(noon())
		lost := rapid.Bool().Draw(rt, "answers are lost")
		var calls atomic.Int64
		db, err := sqlite.OpenMemory(&sqlite.Options{Now: c.now, Lose: func(string) sqlite.Loss {
			if n := calls.Add(1); lost && n%5 == 0 {
				return []sqlite.Loss{sqlite.LostBefore, sqlite.LostAfter, sqlite.Refused, sqlite.Resent}[n/5%4]
			}
			return sqlite.NotLost
		}})
		if err != nil {
			rt.Fatal(err)
		}
		defer db.Close()
		limit := rapid.Int64Range(1, 60)
		l := users.Limits{UserUploads: limit.Draw(rt, "user"), AddressUploads: limit.Draw(rt, "address"), SystemUploads: limit.Draw(rt, "system"),
			UserBytes: 1000 * limit.Draw(rt, "user bytes"), AddressBytes: -1, SystemBytes: 1000 * limit.Draw(rt, "system bytes")}
		q := newQuotas(t, db, c, l)
		type job struct {
			user, addr string
			n          int
			bytes      int64
		}
		jobs := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) job {
			return job{fmt.Sprint(rapid.IntRange(1, 2).Draw(rt, "user")), fmt.Sprintf("192.0.2.%d", rapid.IntRange(1, 2).Draw(rt, "address")),
				rapid.IntRange(0, 3).Draw(rt, "n"), rapid.Int64Range(1, 3000).Draw(rt, "bytes")}
		}), 1, 40).Draw(rt, "charges")
		var mu sync.Mutex
		var wg sync.WaitGroup
		users1, addrs, bytes := map[string]int64{}, map[string]int64{}, map[string]int64{}
		var system, all int64
		for _, j := range jobs {
			wg.Go(func() {
				err := q.Charge(context.WithoutCancel(t.Context()), j.user, j.addr, j.n, j.bytes)
				mu.Lock()
				defer mu.Unlock()
				switch k := fault.KindOf(err); {
				case err == nil:
					users1[j.user] += int64(j.n)
					addrs[j.addr] += int64(j.n)
					bytes[j.user] += j.bytes
					system, all = system+int64(j.n), all+j.bytes
				case !errors.Is(err, users.ErrOver) && k != fault.Unknown && k != fault.Retryable:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for u, n := range users1 {
			if n > l.UserUploads || bytes[u] > l.UserBytes {
				rt.Fatalf("user %s: %d uploads of %d, %d bytes of %d", u, n, l.UserUploads, bytes[u], l.UserBytes)
			}
		}
		for a, n := range addrs {
			if n > l.AddressUploads {
				rt.Fatalf("address %s: %d of %d", a, n, l.AddressUploads)
			}
		}
		if system > l.SystemUploads || all > l.SystemBytes {
			rt.Fatalf("system: %d of %d, %d of %d", system, l.SystemUploads, all, l.SystemBytes)
		}
	})
}

func TestTheWholeOfALimitCanBeUsedByManyAtOnce(t *testing.T) {
	c, l := newClock(noon()), off()
	l.SystemUploads, l.AddressUploads = 37, 1000
	q := newQuotas(t, memory(t, c), c, l)
	var wg sync.WaitGroup
	var granted atomic.Int64
	for i := range 60 {
		wg.Go(func() {
			for { // busy is no answer
				err := q.Charge(context.WithoutCancel(t.Context()), fmt.Sprint(i+1), home, 1, 0)
				if err == nil {
					granted.Add(1)
				} else if !errors.Is(err, users.ErrOver) && fault.KindOf(err) == fault.Retryable {
					continue
				} else if !errors.Is(err, users.ErrOver) {
					t.Error(err)
				}
				return
			}
		})
	}
	wg.Wait()
	if granted.Load() != 37 {
		t.Errorf("granted %d, want 37", granted.Load())
	}
}
