package users_test

import (
	"bytes"
	"crypto/rand"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
)

// clock is a hand that the test moves.
type clock struct{ at atomic.Int64 }

func newClock(t time.Time) *clock {
	c := &clock{}
	c.at.Store(t.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// noon is 12:00 in China.
func noon() time.Time { return time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC) }

// countingHasher is argon2id at the least cost, and counts.
type countingHasher struct {
	users.Hasher
	hashes, verifies, running, most atomic.Int64
	hold                            chan struct{} // if set, every call waits here
}

func cheap() users.Params { return users.Params{Memory: 8, Time: 1, Threads: 1} }

func newHasher() *countingHasher {
	return &countingHasher{Hasher: users.NewArgon2(cheap(), rand.Reader)}
}

func (h *countingHasher) enter() func() {
	n := h.running.Add(1)
	for m := h.most.Load(); n > m && !h.most.CompareAndSwap(m, n); m = h.most.Load() {
	}
	if h.hold != nil {
		<-h.hold
	}
	return func() { h.running.Add(-1) }
}

func (h *countingHasher) Hash(p string) (string, error) {
	defer h.enter()()
	h.hashes.Add(1)
	return h.Hasher.Hash(p)
}

func (h *countingHasher) Verify(p, e string) (bool, bool, error) {
	defer h.enter()()
	h.verifies.Add(1)
	return h.Hasher.Verify(p, e)
}

type rig struct {
	*users.Store
	t      table.Table
	clock  *clock
	hasher *countingHasher
	addr   users.Addresses
}

func memory(t testing.TB, c *clock) table.Table {
	t.Helper()
	db, err := sqlite.OpenMemory(&sqlite.Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func addresses(t testing.TB) users.Addresses {
	t.Helper()
	a, err := users.NewAddresses(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newRig(t testing.TB, set users.Settings) *rig {
	t.Helper()
	c := newClock(noon())
	return newRigOver(t, memory(t, c), c, set)
}

func newRigOver(t testing.TB, db table.Table, c *clock, set users.Settings) *rig {
	t.Helper()
	h := newHasher()
	s, err := users.New(db, users.Options{Addresses: addresses(t), Now: c.now, Hasher: h, Settings: set})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{Store: s, t: db, clock: c, hasher: h, addr: addresses(t)}
}

func open() users.Settings { return users.Settings{OpenSignup: true} }

const (
	home  = "192.0.2.1"
	cafe  = "198.51.100.7"
	right = "correct horse"
	wrong = "battery staple"
)

func (r *rig) register(t testing.TB, name string) users.User {
	t.Helper()
	u, err := r.Register(t.Context(), name, right, home)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (r *rig) login(t testing.TB, name, password, from string) (users.Session, error) {
	t.Helper()
	return r.Login(t.Context(), name, password, from)
}
