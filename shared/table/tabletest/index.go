package tabletest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/table"
)

// allHits reads an index page by page and checks that each page is in order and within its limit.
func allHits(ctx context.Context, t table.Table, q table.IndexQuery) (hits []table.Hit, err error) {
	for range 10_000 {
		page, next, err := t.QueryIndex(ctx, q)
		if err != nil {
			return nil, err
		}
		limit := q.Limit
		if limit == 0 {
			limit = 100
		}
		if len(page) > limit {
			return nil, fmt.Errorf("a page of %d, limit %d", len(page), limit)
		}
		hits = append(hits, page...)
		if next == "" {
			if !slices.IsSortedFunc(hits, func(a, b table.Hit) int { return cmp(a.Place, b.Place) }) {
				return nil, fmt.Errorf("out of order: %v", hits)
			}
			return hits, nil
		}
		q.Page = next
	}
	return nil, fmt.Errorf("an index without end")
}

func cmp(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// eventually waits until the index answers want (as "place=pk/sk"), since it may lag.
func (s *store) eventually(q table.IndexQuery, want ...string) {
	s.Helper()
	var got []string
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		hits, err := allHits(s.Context(), s.b, q)
		s.ok(err)
		got = got[:0]
		for _, h := range hits {
			got = append(got, h.Place+"="+h.PK+"/"+h.SK)
		}
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("index %+v: got %q, want %q", q, got, want)
		}
	}
}

func due(pk, sk string) map[table.Index]table.Place {
	return map[table.Index]table.Place{table.Due: {PK: pk, SK: sk}}
}

func (s *store) place(pk, sk string, x map[table.Index]table.Place) {
	s.Helper()
	s.put(table.Item{Key: key(pk, sk), Index: x}, table.AnyVersion)
}

var indexRules = []rule{
	{"an index holds only the items that name it, in order of place", func(s *store) {
		s.place("U#1", "PARK", due("park#1", "2026-03"))
		s.place("U#2", "PARK", due("park#1", "2026-01"))
		s.place("U#3", "PARK", due("park#2", "2026-02"))
		s.place("U#4", "META", map[table.Index]table.Place{table.List: {PK: "park#1", SK: "2026-02"}})
		s.place("U#5", "META", nil)
		s.eventually(table.IndexQuery{Index: table.Due, PK: "park#1"}, "2026-01=U#2/PARK", "2026-03=U#1/PARK")
		s.eventually(table.IndexQuery{Index: table.Due, PK: "park#2"}, "2026-02=U#3/PARK")
		s.eventually(table.IndexQuery{Index: table.List, PK: "park#1"}, "2026-02=U#4/META")
		s.eventually(table.IndexQuery{Index: table.Acct, PK: "park#1"})
	}},
	{"rewriting an item moves its entries and deleting removes them", func(s *store) {
		q := table.IndexQuery{Index: table.Due, PK: "up#1"}
		s.place("U#1", "META", map[table.Index]table.Place{table.Due: {PK: "up#1", SK: "1"}, table.List: {PK: "d", SK: "1"}, table.Acct: {PK: "a", SK: "WAITING#1"}})
		s.eventually(q, "1=U#1/META")
		s.eventually(table.IndexQuery{Index: table.Acct, PK: "a"}, "WAITING#1=U#1/META")
		s.place("U#1", "META", map[table.Index]table.Place{table.Due: {PK: "up#1", SK: "2"}, table.List: {PK: "d", SK: "1"}, table.Acct: {PK: "a", SK: "HELD#1"}})
		s.eventually(q, "2=U#1/META")
		s.eventually(table.IndexQuery{Index: table.Acct, PK: "a"}, "HELD#1=U#1/META")
		_, err := s.a.Add(s.Context(), table.Add{Key: key("U#1", "META"), Field: "n", N: 1})
		s.ok(err)
		s.eventually(q, "2=U#1/META")
		s.place("U#1", "META", due("up#2", "2"))
		s.eventually(q)
		s.eventually(table.IndexQuery{Index: table.List, PK: "d"})
		s.eventually(table.IndexQuery{Index: table.Due, PK: "up#2"}, "2=U#1/META")
		s.ok(s.a.Transact(s.Context(), "", []table.Op{{Delete: ptr(key("U#1", "META")), If: table.AnyVersion}, {Put: ptr(table.Item{Key: key("U#2", "META"), Index: due("up#2", "0")})}}))
		s.eventually(table.IndexQuery{Index: table.Due, PK: "up#2"}, "0=U#2/META")
	}},
	{"an index answers ranges, by pages of any size", func(s *store) {
		var want []string
		for i := range 12 {
			sk := fmt.Sprintf("%02d", i)
			s.place("U#"+sk, "META", due("k#1", sk))
			want = append(want, sk+"=U#"+sk+"/META")
		}
		for _, limit := range []int{0, 1, 5, 12, 13} {
			s.eventually(table.IndexQuery{Index: table.Due, PK: "k#1", Limit: limit}, want...)
			s.eventually(table.IndexQuery{Index: table.Due, PK: "k#1", Limit: limit, From: "03", To: "07"}, want[3:8]...)
			s.eventually(table.IndexQuery{Index: table.Due, PK: "k#1", Limit: limit, To: "031"}, want[:4]...)
			s.eventually(table.IndexQuery{Index: table.Due, PK: "k#1", Limit: limit, From: "091"}, want[10:]...)
			s.eventually(table.IndexQuery{Index: table.Due, PK: "k#1", Limit: limit, From: "08", To: "07"})
		}
	}},
	{"equal places are all told, once each, by pages of one", func(s *store) {
		n := 9
		for i := range n {
			s.place(fmt.Sprintf("U#%d", i), "META", due("k#1", "same"))
		}
		q := table.IndexQuery{Index: table.Due, PK: "k#1"}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			hits, err := allHits(s.Context(), s.a, q)
			s.ok(err)
			if len(hits) == n {
				break
			}
			if time.Now().After(deadline) {
				s.Fatalf("got %d hits, want %d", len(hits), n)
			}
		}
		q.Limit = 1
		hits, err := allHits(s.Context(), s.a, q)
		s.ok(err)
		seen := map[table.Key]bool{}
		for _, h := range hits {
			seen[h.Key] = true
		}
		if len(seen) != n || len(hits) != n {
			s.Errorf("got %d hits of %d items, want %d of %d", len(hits), len(seen), n, n)
		}
	}},
	{"places sort by their bytes", func(s *store) {
		var want []string
		for i, sk := range oddKeys {
			s.place(fmt.Sprintf("U#%d", i), "META", due("k#1", sk))
			want = append(want, fmt.Sprintf("%s=U#%d/META", sk, i))
		}
		s.eventually(table.IndexQuery{Index: table.Due, PK: "k#1", Limit: 7}, want...)
	}},
	{"a hit may be stale, and Get tells", func(s *store) {
		for i := range 30 {
			k := key(fmt.Sprintf("U#%d", i), "META")
			s.put(table.Item{Key: k, Index: due("k#1", "1")}, table.Absent)
			if i%2 == 0 {
				s.ok(s.a.Delete(s.Context(), k, table.AnyVersion))
			}
			hits, err := allHits(s.Context(), s.b, table.IndexQuery{Index: table.Due, PK: "k#1"})
			s.ok(err)
			for _, h := range hits {
				var n int
				if _, err := fmt.Sscanf(h.PK, "U#%d", &n); err != nil || n > i {
					s.Fatalf("a hit of what was never written: %v", h)
				}
			}
		}
	}},
}
