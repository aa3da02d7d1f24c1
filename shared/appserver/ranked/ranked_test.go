package ranked_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/vodlift/vodlift/shared/appserver/ranked"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"pgregory.net/rapid"
)

func open(t interface {
	Helper()
	Fatal(...any)
	Cleanup(func())
}) *sqlite.DB {
	t.Helper()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// A list answers every page, and everything after an id, as the sorted members would.
func TestListAgreesWithItsMembers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		db, err := sqlite.OpenMemory(nil)
		if err != nil {
			rt.Fatal(err)
		}
		defer db.Close()
		ctx := context.Background()
		have := map[int64]string{}
		// Dense runs and far jumps: the spans of every level begin and end among them.
		number := rapid.OneOf(rapid.Int64Range(1, 200), rapid.Int64Range(4090, 4100), rapid.Int64Range(262140, 262150),
			rapid.Int64Range(16777210, 16777220), rapid.Int64Range(ranked.MaxNumber-3, ranked.MaxNumber))
		for range rapid.IntRange(0, 60).Draw(rt, "changes") {
			n := number.Draw(rt, "number")
			var ops []table.Op
			if _, ok := have[n]; ok {
				ops = ranked.Remove("L", n)
				delete(have, n)
			} else {
				have[n] = fmt.Sprint("v", n)
				if ops, err = ranked.Insert("L", ranked.Entry{Number: n, ID: have[n]}); err != nil {
					rt.Fatal(err)
				}
			}
			if err := db.Transact(ctx, "", ops); err != nil {
				rt.Fatal(err)
			}
		}
		var want []ranked.Entry
		for n, id := range have {
			want = append(want, ranked.Entry{Number: n, ID: id})
		}
		slices.SortFunc(want, func(a, b ranked.Entry) int { return int(b.Number - a.Number) })
		size := rapid.IntRange(1, 20).Draw(rt, "size")
		for skip := 0; skip <= len(want)+size; skip += size {
			page, total, err := ranked.Page(ctx, db, "L", int64(skip), size)
			if err != nil {
				rt.Fatal(err)
			}
			if total != int64(len(want)) {
				rt.Fatalf("total is %d, want %d", total, len(want))
			}
			part := want[min(skip, len(want)):min(skip+size, len(want))]
			if !slices.Equal(page, part) {
				rt.Fatalf("page after %d is %v, want %v", skip, page, part)
			}
		}
		cut := number.Draw(rt, "cut")
		after, err := ranked.After(ctx, db, "L", cut, size)
		if err != nil {
			rt.Fatal(err)
		}
		rest := slices.DeleteFunc(slices.Clone(want), func(e ranked.Entry) bool { return e.Number >= cut })
		if !slices.Equal(after, rest[:min(size, len(rest))]) {
			rt.Fatalf("after %d is %v, want %v", cut, after, rest)
		}
		if n, err := ranked.Total(ctx, db, "L"); err != nil || n != int64(len(want)) {
			rt.Fatalf("total is %d (%v), want %d", n, err, len(want))
		}
	})
}

// A page costs the same number of reads at the head and far down.
func TestPageCostIsBounded(t *testing.T) {
	db := open(t)
	ctx := t.Context()
	const n = 5000
	for i := int64(1); i <= n; i++ {
		ops, err := ranked.Insert("L", ranked.Entry{Number: i, ID: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Transact(ctx, "", ops); err != nil {
			t.Fatal(err)
		}
	}
	for _, skip := range []int64{0, 17, 2500, n - 10} {
		before := db.Stats().Reads
		page, total, err := ranked.Page(ctx, db, "L", skip, 10)
		if err != nil || total != n || len(page) != 10 || page[0].Number != n-skip {
			t.Fatalf("page after %d: %v of %d, %v", skip, page, total, err)
		}
		if reads := db.Stats().Reads - before; reads != 5 {
			t.Errorf("page after %d took %d reads, want 5", skip, reads)
		}
	}
}

func TestNumbersOutOfRangeAreRefused(t *testing.T) {
	for _, n := range []int64{0, -1, ranked.MaxNumber + 1} {
		if _, err := ranked.Insert("L", ranked.Entry{Number: n}); err == nil {
			t.Errorf("number %d was taken", n)
		}
	}
	db := open(t)
	if _, _, err := ranked.Page(t.Context(), db, "L", -1, 10); err == nil {
		t.Error("a negative skip was taken")
	}
	if _, _, err := ranked.Page(t.Context(), db, "L", 0, 0); err == nil {
		t.Error("an empty page was taken")
	}
}
