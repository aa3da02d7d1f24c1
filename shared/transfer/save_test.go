package transfer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/transfer"
)

func TestReceiptsAreFlushedByCountByTimeAndAtTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		parts int
		each  time.Duration // what a part takes
		want  []int         // receipts of each flush
	}{
		"16 at a time":                {33, time.Millisecond, []int{16, 16, 1}},
		"5 s after the first of them": {6, 2 * time.Second, []int{3, 3}},
		"the end comes before both":   {3, time.Second, []int{3}},
		"nothing to save":             {0, 0, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			j, src, dst, kept := job(max(c.parts, 1)*10, 10, 1)
			j.Missing = j.Missing[:c.parts]
			dst.before = func(context.Context, int, int) error { time.Sleep(c.each); return nil }
			res, err := transfer.Carry(t.Context(), j)
			if err != nil || res.Received != c.parts {
				t.Fatalf("%s: got %+v, %v", name, res, err)
			}
			var got []int
			for _, rs := range kept.chunks {
				got = append(got, len(rs))
			}
			if len(got) != len(c.want) {
				t.Fatalf("%s: got flushes of %v, want %v", name, got, c.want)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("%s: got flushes of %v, want %v", name, got, c.want)
				}
			}
			check(t, name, src, dst)
		})
	}
}

func TestAFailingFlushStops(t *testing.T) {
	busy := fault.New(fault.Retryable, "table", "busy")
	lost := fault.New(fault.Unknown, "table", "the answer was lost")
	taken := fault.Newf(fault.Duplicate, "state", "%w", table.ErrConflict)
	for name, c := range map[string]struct {
		err      error
		times    int // how many flushes fail
		received int
		cut      bool // parts in flight are cut
	}{
		"for a moment: the end saves everything": {busy, 1, 4, false},
		"with its answer lost: likewise":         {lost, 1, 4, false},
		"throughout":                             {busy, 9, 0, false},
		"because the lease is another's":         {taken, 9, 0, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			j, src, dst, kept := job(1000, 100, 4)
			j.FlushCount = 1
			kept.fail = func(_ context.Context, n int) error {
				if n <= c.times {
					return c.err
				}
				return nil
			}
			dst.before = func(ctx context.Context, part, _ int) error {
				if part == 1 {
					time.Sleep(time.Second) // until the others are in flight
					return nil
				}
				select {
				case <-time.After(time.Minute):
					return nil
				case <-ctx.Done():
					return fault.Newf(fault.Unknown, "sink", "%w", ctx.Err())
				}
			}
			start := time.Now()
			res, err := transfer.Carry(t.Context(), j)
			check(t, name, src, dst)
			// Part 5 may have been taken while part 1 was being saved.
			if !errors.Is(err, c.err) || fault.KindOf(err) != fault.KindOf(c.err) || res.Received < c.received || res.Received > c.received+1 || len(dst.sends) > 5 {
				t.Errorf("%s: got %+v, %v, %d sent", name, res, err, len(dst.sends))
			}
			if cut := time.Since(start) < time.Minute; cut != c.cut {
				t.Errorf("%s: cut is %v, want %v", name, cut, c.cut)
			}
		})
	}
}

func TestAFlushThatWasMadeUpForIsNoFaultWhenNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, _, _, kept := job(300, 100, 4)
		j.FlushCount = 3
		kept.fail = func(_ context.Context, n int) error {
			if n == 1 {
				return fault.New(fault.Retryable, "table", "busy")
			}
			return nil
		}
		if res, err := transfer.Carry(t.Context(), j); err != nil || res.Received != 3 || res.Left != 0 {
			t.Errorf("got %+v, %v", res, err)
		}
	})
}
