package table_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

func TestPageTokensGoRoundAndAreBoundToTheirQuery(t *testing.T) {
	for _, sk := range []string{"a", "\x00", "\U0010FFFF", strings.Repeat("k", table.MaxKeyBytes)} {
		q := table.Query{PK: "U#1", Prefix: "R"}
		q.Page = table.PageAfter(q, sk)
		if got, err := table.PageStart("t", q); err != nil || got != sk {
			t.Errorf("got %q, %v, want %q", got, err, sk)
		}
		q.Limit = 7
		if _, err := table.PageStart("t", q); err != nil {
			t.Errorf("another limit: %v", err)
		}
		// Fields do not run into each other.
		if _, err := table.PageStart("t", table.Query{PK: "U#1R", Page: q.Page}); !errors.Is(err, table.ErrPageToken) {
			t.Errorf("got %v, want ErrPageToken", err)
		}
		x := table.IndexQuery{Index: table.Due, PK: "d"}
		hit := table.Hit{Key: table.Key{PK: "p", SK: sk}, Place: sk}
		x.Page = table.IndexPageAfter(x, hit)
		if got, ok, err := table.IndexPageStart("t", x); err != nil || !ok || got != hit {
			t.Errorf("got %v, %v, want %v", got, err, hit)
		}
		x.Index = table.List
		if _, _, err := table.IndexPageStart("t", x); !errors.Is(err, table.ErrPageToken) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("got %v, want ErrPageToken", err)
		}
	}
}

func FuzzPageTokensThatWeDidNotMakeAreRefused(f *testing.F) {
	q := table.Query{PK: "U#1"}
	f.Add(table.PageAfter(q, "a"))
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, page string) {
		q.Page = page
		after, err := table.PageStart("t", q)
		if err != nil {
			if !errors.Is(err, table.ErrPageToken) {
				t.Fatalf("%v is not ErrPageToken", err)
			}
			return
		}
		if page != "" && table.PageAfter(table.Query{PK: "U#1"}, after) != page {
			t.Fatalf("%q was accepted and is not ours", page)
		}
		if _, _, err := table.IndexPageStart("t", table.IndexQuery{Index: table.Due, PK: "U#1", Page: page}); err == nil && page != "" {
			t.Fatalf("%q fits two queries", page)
		}
	})
}

func TestFingerprintTellsOperationsApart(t *testing.T) {
	k := table.Key{PK: "a", SK: "b"}
	put := func(it table.Item) []table.Op { it.Key = k; return []table.Op{{Put: &it}} }
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	different := [][]table.Op{
		put(table.Item{}), put(table.Item{V: 1}), put(table.Item{Doc: []byte(`{}`)}), put(table.Item{Doc: []byte(`{"a":1}`)}),
		put(table.Item{N: map[string]int64{"n": 1}}), put(table.Item{N: map[string]int64{"n": 2}}), put(table.Item{Expires: at}),
		put(table.Item{Index: map[table.Index]table.Place{table.Due: k2place(k)}}), put(table.Item{Index: map[table.Index]table.Place{table.List: k2place(k)}}),
		{{Put: &table.Item{Key: k}, If: 1}}, {{Delete: &k}}, {{Check: &k}}, {{Delete: &k}, {Check: &table.Key{PK: "c", SK: "d"}}},
		{{Add: &table.Add{Key: k, Field: "n", N: 1}}}, {{Add: &table.Add{Key: k, Field: "n", N: 1, Floor: 1}}},
		{{Add: &table.Add{Key: table.Key{PK: "ab", SK: "b"}, Field: "n", N: 1}}},
	}
	seen := map[[32]byte]int{}
	for i, ops := range different {
		if j, ok := seen[table.Fingerprint(ops)]; ok {
			t.Errorf("operations %d and %d are taken for the same", i, j)
		}
		seen[table.Fingerprint(ops)] = i
	}
	same := [][2][]table.Op{
		{put(table.Item{Version: 7, WriteID: "x"}), put(table.Item{})},
		{put(table.Item{Expires: at}), put(table.Item{Expires: at.In(time.FixedZone("CST", 8*3600))})},
		{{{Add: &table.Add{Key: k, Field: "n"}, If: table.AnyVersion}}, {{Add: &table.Add{Key: k, Field: "n"}}}},
	}
	for i, s := range same {
		if table.Fingerprint(s[0]) != table.Fingerprint(s[1]) {
			t.Errorf("pair %d is told apart", i)
		}
	}
}

func k2place(k table.Key) table.Place { return table.Place(k) }

func TestExpiryRoundsUpToWholeSeconds(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want int64
	}{
		{time.Time{}, 0}, {time.Unix(100, 0), 100}, {time.Unix(100, 1), 101}, {time.Unix(99, 999_999_999), 100},
		{time.Unix(0, 0), -1}, {time.Unix(-1, 1), -1}, {time.Unix(0, 1), 1},
	} {
		if got := table.ExpiresUnix(c.at); got != c.want {
			t.Errorf("%v: got %d, want %d", c.at, got, c.want)
		}
	}
}

func TestNoAddOverflowsOnceItWasChecked(t *testing.T) {
	k := table.Key{PK: "a", SK: "b"}
	edges := []int64{math.MinInt64, -table.MaxCount - 1, -table.MaxCount, -table.MaxCount + 1, -1, 0, 1, table.MaxCount - 1, table.MaxCount, table.MaxCount + 1, math.MaxInt64}
	for _, n := range edges {
		for _, floor := range edges {
			a := table.Add{Key: k, Field: "n", N: n, Floor: floor}
			fits := n >= -table.MaxCount && n <= table.MaxCount && floor >= table.NoFloor && floor <= table.MaxCount
			if err := table.CheckAdd("t", a); (err == nil) != fits {
				t.Errorf("%d over %d: got %v", n, floor, err)
			}
			if !fits {
				continue
			}
			lo, hi := table.AddRange(a)
			if lo+n != floor || hi+n != table.MaxCount-1 {
				t.Errorf("%d over %d: got from %d to %d", n, floor, lo, hi)
			}
			if (n > 0) != (hi < table.MaxCount-1) && n != 0 {
				t.Errorf("%d: the upper bound %d overflowed", n, hi)
			}
		}
	}
}

func TestUnits(t *testing.T) {
	for bytes, want := range map[int][2]float64{0: {1, 1}, 1: {1, 1}, 1024: {1, 1}, 1025: {1, 2}, 4096: {1, 4}, 4097: {2, 5}, 65536: {16, 64}} {
		if r, w := table.ReadUnits(bytes), table.WriteUnits(bytes); r != want[0] || w != want[1] {
			t.Errorf("%d bytes: got %v and %v, want %v", bytes, r, w, want)
		}
	}
}
