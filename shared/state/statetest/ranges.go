package statetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

func (k *kit) lease(id string, gen int) *state.Lease {
	k.Helper()
	le, err := k.TakeLease(k.Context(), id, gen, 1, 1)
	k.ok(err)
	return le
}

func (k *kit) rangeOf(id string) state.RangeRecord {
	k.Helper()
	rs, err := k.Ranges(k.Context(), id, 1)
	k.ok(err)
	equal(k, "ranges", len(rs), 1)
	return rs[0]
}

func receipts(first, last int) (rs []upload.Receipt) {
	for n := first; n <= last; n++ {
		rs = append(rs, upload.Receipt{Part: n, Size: 5 << 20, CRC64: uint64(n) << 40, ETag: fmt.Sprintf("%032x", n)})
	}
	return rs
}

var rangeRules = []rule{
	{"a lease excludes others until exactly its end, then not", func(k *kit) {
		u := k.create(k.fresh())
		k.lease(u.ID, 1)
		k.clock.Advance(45*time.Second - time.Nanosecond)
		_, err := k.TakeLease(k.Context(), u.ID, 1, 1, 1)
		k.refused(err, fault.Retryable, state.ErrLeaseHeld)
		equal(k, "rest", fault.As(err).After, time.Nanosecond)
		equal(k, "held", k.rangeOf(u.ID).Held(k.clock.Now()), true)
		k.clock.Advance(time.Nanosecond)
		equal(k, "held", k.rangeOf(u.ID).Held(k.clock.Now()), false)
		equal(k, "turn", k.lease(u.ID, 1).Record.Turns, 2)
	}},
	{"of many takers at once one has the range", func(k *kit) {
		u := k.create(k.fresh())
		var wg sync.WaitGroup
		var mu sync.Mutex
		got := 0
		for range 10 {
			wg.Go(func() {
				if _, err := k.TakeLease(k.Context(), u.ID, 1, 1, 1); err == nil {
					mu.Lock()
					got++
					mu.Unlock()
				} else if fault.KindOf(err) != fault.Retryable {
					k.Error(err)
				}
			})
		}
		wg.Wait()
		equal(k, "leases", got, 1)
		equal(k, "turns", k.rangeOf(u.ID).Turns, 1)
	}},
	{"a renewal lasts 45 s from now, and revives nothing", func(k *kit) {
		u := k.create(k.fresh())
		le := k.lease(u.ID, 1)
		k.clock.Advance(45*time.Second - time.Nanosecond)
		until, err := le.Renew(k.Context())
		k.ok(err)
		equal(k, "until", until, k.clock.Now().Add(45*time.Second))
		equal(k, "turns", k.rangeOf(u.ID).Turns, 1)
		k.clock.Advance(45 * time.Second)
		_, err = le.Renew(k.Context())
		k.refused(err, fault.Duplicate, state.ErrLeaseHeld)
		equal(k, "held", k.rangeOf(u.ID).Held(k.clock.Now()), false)
	}},
	{"a timer and a flush may renew at once", func(k *kit) {
		u := k.create(k.fresh())
		le := k.lease(u.ID, 1)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := le.Renew(k.Context()); err != nil {
					k.Error(err)
				}
			})
		}
		wg.Wait()
	}},
	{"who lost the lease can neither renew nor release", func(k *kit) {
		u := k.create(k.fresh())
		old := k.lease(u.ID, 1)
		k.clock.Advance(45 * time.Second)
		k.lease(u.ID, 1)
		_, err := old.Renew(k.Context())
		k.refused(err, fault.Duplicate, state.ErrLeaseHeld)
		k.refused(old.Release(k.Context(), 1, 1, nil), fault.Duplicate, state.ErrLeaseHeld)
		equal(k, "held", k.rangeOf(u.ID).Held(k.clock.Now()), true)
	}},
	{"a release keeps turns, bytes and fault, and counts turns without a part", func(k *kit) {
		u := k.create(k.fresh())
		for i, c := range []struct{ received, barren int }{{0, 1}, {0, 2}, {1, 0}, {0, 1}} {
			f := &state.Fault{Step: "carry", Text: fmt.Sprint(i)}
			k.ok(k.lease(u.ID, 1).Release(k.Context(), c.received, 10, f))
			r := k.rangeOf(u.ID)
			equal(k, "barren", r.Barren, c.barren)
			equal(k, "turns", r.Turns, i+1)
			equal(k, "bytes", r.Bytes, int64(10*(i+1)))
			equal(k, "fault", *r.Fault, *f)
			equal(k, "held", r.Held(k.clock.Now()), false)
		}
		if le := k.lease(u.ID, 1); le.Record.Fault != nil {
			k.Error("a new turn begins without a fault")
		}
	}},
	{"a new generation counts turns anew, and an old one is over", func(k *kit) {
		u := k.create(k.fresh())
		k.ok(k.lease(u.ID, 1).Release(k.Context(), 0, 0, nil))
		k.ok(k.lease(u.ID, 2).Release(k.Context(), 0, 0, nil))
		r := k.rangeOf(u.ID)
		equal(k, "turns", r.Turns, 1)
		equal(k, "barren", r.Barren, 1)
		_, err := k.TakeLease(k.Context(), u.ID, 1, 1, 1)
		k.refused(err, fault.Duplicate, state.ErrSuperseded)
	}},
	{"a live lease of an older generation is respected", func(k *kit) {
		u := k.create(k.fresh())
		k.lease(u.ID, 1)
		_, err := k.TakeLease(k.Context(), u.ID, 2, 1, 1)
		k.refused(err, fault.Retryable, state.ErrLeaseHeld)
	}},
	{"ten thousand receipts read back, out of order, resent and in other chunks", func(k *kit) {
		u := k.create(k.fresh())
		const parts, perRange = 10_000, 250
		all := receipts(1, parts)
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for at := parts - state.MaxChunk - w*state.MaxChunk; at >= 0; at -= 4 * state.MaxChunk {
					if err := k.AddReceipts(k.Context(), u.ID, 1, all[at:at+state.MaxChunk]); err != nil {
						k.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for range 3 {
			k.ok(k.AddReceipts(k.Context(), u.ID, 1, all[:state.MaxChunk])) // the same again
			k.ok(k.AddReceipts(k.Context(), u.ID, 1, all[:5]))              // a part of it
			k.ok(k.AddReceipts(k.Context(), u.ID, 1, all[4:9]))             // in another chunk
		}
		k.ok(k.AddReceipts(k.Context(), u.ID, 2, receipts(1, 3))) // another session counts on its own
		k.ok(k.AddReceipts(k.Context(), u.ID, 12, receipts(1, 3)))
		have, err := k.Receipts(k.Context(), u.ID, 1, 1, parts)
		k.ok(err)
		equal(k, "receipts", len(have), parts)
		for n := 1; n <= parts; n++ {
			if have[n] != all[n-1] {
				k.Fatalf("part %d: got %+v", n, have[n])
			}
		}
		two, err := k.Receipts(k.Context(), u.ID, 2, 1, parts)
		k.ok(err)
		equal(k, "of session 2", len(two), 3)
	}},
	{"a range reads its own parts and no neighbour's", func(k *kit) {
		u := k.create(k.fresh())
		for first := 1; first <= 91; first += 10 {
			k.ok(k.AddReceipts(k.Context(), u.ID, 1, receipts(first+4, first+9)))
			k.ok(k.AddReceipts(k.Context(), u.ID, 1, receipts(first, first+3)))
		}
		for first := 1; first <= 91; first += 10 {
			have, err := k.Receipts(k.Context(), u.ID, 1, first, first+9)
			k.ok(err)
			equal(k, "parts", len(have), 10)
			for n := range have {
				if n < first || n > first+9 {
					k.Errorf("part %d in %d to %d", n, first, first+9)
				}
			}
		}
		have, err := k.Receipts(k.Context(), u.ID, 1, 1, 7)
		k.ok(err)
		equal(k, "up to the middle of a chunk", len(have), 7)
	}},
	{"a receipt with a checksum wins over one without", func(k *kit) {
		u := k.create(k.fresh())
		listed := upload.Receipt{Part: 1, Size: 5, Unsummed: true}
		k.ok(k.AddReceipts(k.Context(), u.ID, 1, []upload.Receipt{listed}))
		k.ok(k.AddReceipts(k.Context(), u.ID, 1, receipts(1, 1)))
		k.ok(k.AddReceipts(k.Context(), u.ID, 1, []upload.Receipt{listed}))
		have, err := k.Receipts(k.Context(), u.ID, 1, 1, 1)
		k.ok(err)
		equal(k, "receipt", have[1], receipts(1, 1)[0])
	}},
	{"a part resent many times in many ways is still saved", func(k *kit) {
		u := k.create(k.fresh())
		for i := range 30 {
			r := receipts(1, 1)
			r[0].ETag = fmt.Sprint(i)
			k.ok(k.AddReceipts(k.Context(), u.ID, 1, r))
		}
		have, err := k.Receipts(k.Context(), u.ID, 1, 1, 1)
		k.ok(err)
		equal(k, "parts", len(have), 1)
	}},
	{"too many receipts at once are refused, none are nothing", func(k *kit) {
		k.refused(k.AddReceipts(k.Context(), "u", 1, receipts(1, state.MaxChunk+1)), fault.Invalid, nil)
		k.ok(k.AddReceipts(k.Context(), "u", 1, nil))
	}},
}
