package statetest

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

func (k *kit) take(l *state.Ledger, u state.Upload, want int64) int64 {
	k.Helper()
	_, n, err := l.TakeGrant(k.Context(), u.ID, u.Gen, want, fine)
	k.ok(err)
	return n
}

// pools wants the free ranges of the global pool and of an account's.
func (k *kit) pools(l *state.Ledger, a upload.Account, global, account int64) {
	k.Helper()
	g, _, err := l.Pools(k.Context())
	k.ok(err)
	n, err := l.AccountPool(k.Context(), a)
	k.ok(err)
	if g != global || n != account {
		k.Fatalf("free: global %d, account %d; want %d, %d", g, n, global, account)
	}
}

var grantRules = []rule{
	{"a grant is what both pools have, and comes back whole", func(k *kit) {
		u := k.create(k.fresh())
		v := k.create(k.sibling(u, ""))
		w := k.create(k.fresh())
		equal(k, "first", k.take(k.Ledger, u, 12), 12)
		equal(k, "second, its account is short", k.take(k.Ledger, v, 12), 8)
		equal(k, "third, another account", k.take(k.Ledger, w, 40), 20)
		k.pools(k.Ledger, u.Account, 0, 0)
		x := k.create(k.fresh())
		ran := false
		got, n, err := k.TakeGrant(k.Context(), x.ID, 1, 5, func(*state.Upload) error { ran = true; return nil })
		k.ok(err)
		if n != 0 || ran || got.Grant != nil {
			k.Fatalf("got %d, %v, %v", n, ran, got.Grant)
		}
		_, err = k.ReleaseGrant(k.Context(), u.ID, 1)
		k.ok(err)
		_, err = k.ReleaseGrant(k.Context(), u.ID, 1) // has none any more
		k.ok(err)
		k.pools(k.Ledger, u.Account, 12, 12)
	}},
	{"who has a grant keeps it, prolonged", func(k *kit) {
		u := k.create(k.fresh())
		equal(k, "first", k.take(k.Ledger, u, 5), 5)
		k.clock.Advance(time.Minute)
		equal(k, "again", k.take(k.Ledger, u, 9), 5)
		equal(k, "expires", k.get(u.ID).Grant.Expires, start.Add(21*time.Minute))
		k.pools(k.Ledger, u.Account, 35, 15)
	}},
	{"a generation that is over gets none", func(k *kit) {
		u, v := k.create(k.fresh()), k.create(k.fresh())
		_, err := k.Requeue(k.Context(), u.ID, 1, start.Add(time.Minute), 0)
		k.ok(err)
		_, err = k.End(k.Context(), v.ID, 1, upload.EvFailed, "", nil)
		k.ok(err)
		for _, x := range []state.Upload{u, v} {
			_, _, err := k.TakeGrant(k.Context(), x.ID, 1, 3, fine)
			k.refused(err, fault.Duplicate, state.ErrSuperseded)
		}
		k.pools(k.Ledger, u.Account, 40, 20)
	}},
	{"an error of the caller takes nothing", func(k *kit) {
		u := k.create(k.fresh())
		mine := errors.New("mine")
		if _, _, err := k.TakeGrant(k.Context(), u.ID, 1, 5, func(*state.Upload) error { return mine }); !errors.Is(err, mine) {
			k.Fatalf("got %v", err)
		}
		k.pools(k.Ledger, u.Account, 40, 20)
	}},
	{"the next generation gives the grant back", func(k *kit) {
		u := k.create(k.fresh())
		k.take(k.Ledger, u, 5)
		_, err := k.Advance(k.Context(), u.ID, 1, start, nil)
		k.ok(err)
		k.pools(k.Ledger, u.Account, 40, 20)
		_, err = k.ReleaseGrant(k.Context(), u.ID, 1)
		k.refused(err, fault.Duplicate, state.ErrSuperseded)
	}},
	{"a settled and a requeued upload has none", func(k *kit) {
		u, v := k.create(k.fresh()), k.create(k.fresh())
		k.take(k.Ledger, u, 5)
		k.take(k.Ledger, v, 5)
		_, err := k.Settled(k.Context(), u.ID, 1)
		k.refused(err, fault.Invalid, nil) // it has not ended
		_, err = k.End(k.Context(), u.ID, 1, upload.EvFailed, "", nil)
		k.ok(err)
		_, err = k.Settled(k.Context(), u.ID, 1)
		k.ok(err)
		_, err = k.Requeue(k.Context(), v.ID, 1, start, 0)
		k.ok(err)
		k.pools(k.Ledger, u.Account, 40, 20)
	}},
	{"pools follow their settings up and down, also while they are all taken", func(k *kit) {
		u, w := k.create(k.fresh()), k.create(k.fresh())
		k.take(k.Ledger, u, 20)
		k.take(k.Ledger, w, 15)
		small := k.with(state.Settings{PoolGlobal: 8, PoolAccount: 4})
		k.pools(small, u.Account, -27, -16)
		_, err := small.ReleaseGrant(k.Context(), w.ID, 1)
		k.ok(err)
		k.pools(small, u.Account, -12, -16)
		v := k.create(k.fresh())
		equal(k, "nothing is left", k.take(small, v, 1), 0)
		_, err = small.ReleaseGrant(k.Context(), u.ID, 1)
		k.ok(err)
		k.pools(small, u.Account, 8, 4)
		equal(k, "after it came back", k.take(small, v, 40), 4)
		large := k.with(state.Settings{PoolGlobal: 100, PoolAccount: 50})
		k.pools(large, v.Account, 96, 46)
		equal(k, "more room", k.take(large, k.create(k.fresh()), 60), 50)
	}},
	{"two hundred uploads at once neither exceed a pool nor lose a range of it", manyUploads},
}

// manyUploads takes and gives back in every way, over a wire that loses answers.
func manyUploads(k *kit) {
	const accounts, each = 4, 50
	var us []state.Upload
	for range accounts {
		u := k.create(k.fresh())
		us = append(us, u)
		for range each - 1 {
			us = append(us, k.create(k.sibling(u, "")))
		}
	}
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(1, 2))
	k.wire.plan(func(int) fate {
		mu.Lock()
		defer mu.Unlock()
		if dice.IntN(25) > 0 {
			return kept
		}
		return fate(dice.IntN(4))
	})
	var held atomic.Int64
	var wg sync.WaitGroup
	for i, u := range us {
		wg.Go(func() {
			for r := range 1 + i%4/3 { // some come twice
				n, gen := k.insist(u.ID, func(gen int) (int64, error) {
					_, n, err := k.TakeGrant(k.Context(), u.ID, gen, int64(1+i%7), fine)
					return n, err
				})
				if h := held.Add(n); h > 40 {
					k.Errorf("%d ranges are out of a pool of 40", h)
				}
				held.Add(-n)
				k.insist(u.ID, func(int) (int64, error) { return 0, k.giveBack(u.ID, gen, (i+r)%3) })
			}
		})
	}
	wg.Wait()
	k.wire.plan(nil)
	out, byAccount := int64(0), map[upload.Account]int64{}
	for _, u := range us {
		if g := k.get(u.ID).Grant; g != nil {
			out += g.N
			byAccount[u.Account] += g.N
		}
	}
	for i := 0; i < len(us); i += each {
		k.pools(k.Ledger, us[i].Account, 40-out, 20-byAccount[us[i].Account])
	}
}

func (k *kit) giveBack(id string, gen, how int) (err error) {
	switch how {
	case 0:
		_, err = k.ReleaseGrant(k.Context(), id, gen)
	case 1:
		_, err = k.Advance(k.Context(), id, gen, start, nil)
	default:
		_, err = k.Requeue(k.Context(), id, gen, start, 0)
	}
	if errors.Is(err, state.ErrSuperseded) {
		return nil
	}
	return err
}

// insist repeats a step, as the machine does, until it is done. A grant that an answer did not tell of is found again.
func (k *kit) insist(id string, do func(gen int) (int64, error)) (int64, int) {
	for {
		u, err := k.Upload(k.Context(), id)
		if err == nil {
			n, err := do(u.Gen)
			if err == nil || errors.Is(err, state.ErrSuperseded) {
				return n, u.Gen
			}
			if kind := fault.KindOf(err); kind != fault.Retryable && kind != fault.Unknown {
				k.Error(err)
				return 0, u.Gen
			}
		}
	}
}
