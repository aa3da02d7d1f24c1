package tabletest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// oddKeys are sort keys in the order of their bytes. UTF-16 order, collation or a terminating zero would change it:
// U+FF5E sorts before U+1F3AC by bytes and after it by UTF-16 units.
var oddKeys = []string{
	"\x00", "\x00\x00", "\x00a", "\x01", "\t", " ", "!", "#", "%", "'", "*", "-", "/", "0", "00", "01", "1", "10", "2", "?", "A", "B",
	"[", "\\", "_", "a", "a\x00", "a\x00b", "a ", "a#", "aa", "b", "z", "~", "\x7f", "\u0080", "\u00e4", "\u00ff", "\u0100", "\u4f60\u597d",
	"\ud7ff", "\ue000", "\uff5e", "\uffff", "\U00010000", "\U0001F3AC", "\U0010FFFF",
}

func (s *store) fill(pk string, sks ...string) {
	s.Helper()
	for _, sk := range sks {
		s.put(item(pk, sk), table.Absent)
	}
}

func (s *store) keys(q table.Query) []string {
	s.Helper()
	items, _, err := all(s.Context(), s.b, q)
	if err != nil {
		s.Fatalf("Query %+v: %v", q, err)
	}
	return sortKeys(items)
}

var queryRules = []rule{
	{"keys sort by their bytes, whatever they hold", func(s *store) {
		if !slices.IsSorted(oddKeys) {
			s.Fatal("the list itself is out of order")
		}
		shuffled := slices.Clone(oddKeys)
		slices.SortFunc(shuffled, func(a, b string) int { return strings.Compare(a[len(a)-1:]+a, b[len(b)-1:]+b) })
		s.fill("U#1", shuffled...)
		if got := s.keys(table.Query{PK: "U#1"}); !slices.Equal(got, oddKeys) {
			s.Errorf("got %q, want %q", got, oddKeys)
		}
		back := slices.Clone(oddKeys)
		slices.Reverse(back)
		if got := s.keys(table.Query{PK: "U#1", Desc: true, Limit: 3}); !slices.Equal(got, back) {
			s.Errorf("descending: got %q, want %q", got, back)
		}
		for _, k := range oddKeys {
			s.get(key("U#1", k))
		}
	}},
	{"a partition is exactly its own", func(s *store) {
		for _, pk := range []string{"U", "U#1", "U#10", "u#1", "U#1 ", "U#1\x00"} {
			s.fill(pk, "of "+pk)
		}
		if got := s.keys(table.Query{PK: "U#1"}); !slices.Equal(got, []string{"of U#1"}) {
			s.Errorf("got %q", got)
		}
		if got := s.keys(table.Query{PK: "none"}); len(got) != 0 {
			s.Errorf("got %q of nothing", got)
		}
	}},
	{"prefixes and ranges select, ascending and descending, by pages of any size", func(s *store) {
		s.fill("U#1", oddKeys...)
		for _, q := range []table.Query{
			{Prefix: "a"}, {Prefix: "\x00"}, {Prefix: "a\x00"}, {Prefix: "\u4f60"}, {Prefix: "\U0010FFFF"}, {Prefix: "none"}, {Prefix: "\x7f"},
			{From: "1"}, {From: "11"}, {To: "a"}, {To: "Z"}, {From: "0", To: "2"}, {From: "a", To: "a"}, {From: "\x7f", To: "\uffff"},
			{From: "b", To: "a"}, {From: "\U0010FFFF"}, {To: "\x00"},
		} {
			q.PK = "U#1"
			var want []string
			for _, k := range oddKeys {
				if strings.HasPrefix(k, q.Prefix) && k >= q.From && (q.To == "" || k <= q.To) {
					want = append(want, k)
				}
			}
			for _, desc := range []bool{false, true} {
				for _, limit := range []int{0, 2, len(oddKeys)} {
					q.Desc, q.Limit = desc, limit
					if got := s.keys(q); !slices.Equal(got, want) {
						s.Errorf("%+v: got %q, want %q", q, got, want)
					}
				}
				slices.Reverse(want)
			}
		}
	}},
	{"a page is full while something follows, and the last has no token", func(s *store) {
		for i := range 10 {
			s.fill("U#1", fmt.Sprintf("%02d", i))
		}
		for limit := 1; limit <= 11; limit++ {
			q := table.Query{PK: "U#1", Limit: limit}
			for left := 10; ; {
				items, next, err := s.a.Query(s.Context(), q)
				s.ok(err)
				if len(items) != min(limit, left) {
					s.Fatalf("limit %d: a page of %d, want %d", limit, len(items), min(limit, left))
				}
				left -= len(items)
				if (next == "") != (left == 0) {
					s.Fatalf("limit %d: token %q with %d left", limit, next, left)
				}
				if next == "" {
					break
				}
				q.Page = next
			}
		}
	}},
	{"without a limit a page ends at its size", func(s *store) {
		body := doc(map[string]string{"x": strings.Repeat("x", 60<<10)})
		const n = 40
		for i := range n {
			s.put(table.Item{Key: key("U#1", fmt.Sprintf("%02d", i)), Doc: body}, table.Absent)
		}
		q, pages, total := table.Query{PK: "U#1"}, 0, 0
		for {
			items, next, err := s.a.Query(s.Context(), q)
			s.ok(err)
			size := 0
			for _, it := range items {
				size += table.ItemBytes(it)
			}
			if size > table.MaxPageBytes {
				s.Errorf("a page of %d bytes", size)
			}
			if pages, total = pages+1, total+len(items); next == "" {
				break
			}
			if q.Page = next; size+table.ItemBytes(items[0]) <= table.MaxPageBytes {
				s.Errorf("a page of %d bytes has room for one more", size)
			}
		}
		if total != n || pages != 3 {
			s.Errorf("got %d items in %d pages, want %d in 3", total, pages, n)
		}
	}},
	{"what is written between two pages shows or not, and nothing is told twice", func(s *store) {
		s.fill("U#1", "b", "d", "f", "h")
		first, next, err := s.a.Query(s.Context(), table.Query{PK: "U#1", Limit: 2})
		s.ok(err)
		s.ok(s.a.Delete(s.Context(), key("U#1", "d"), table.AnyVersion)) // where the page ended
		s.fill("U#1", "a", "e")
		rest := s.keys(table.Query{PK: "U#1", Limit: 2, Page: next})
		if got := append(sortKeys(first), rest...); !slices.Equal(got, []string{"b", "d", "e", "f", "h"}) {
			s.Errorf("got %q", got)
		}
	}},
	{"a page token of another query, or altered, is refused", func(s *store) {
		s.fill("U#1", "a", "b", "c", "d")
		s.fill("U#2", "a", "b", "c")
		q := table.Query{PK: "U#1", Limit: 2}
		_, page, err := s.a.Query(s.Context(), q)
		s.ok(err)
		if page == "" {
			s.Fatal("no token")
		}
		bad := map[string]table.Query{
			"another partition": {PK: "U#2"}, "another prefix": {PK: "U#1", Prefix: "a"}, "another start": {PK: "U#1", From: "a"},
			"another end": {PK: "U#1", To: "z"}, "backwards": {PK: "U#1", Desc: true},
		}
		for name, other := range bad {
			other.Page = page
			_, _, err := s.b.Query(s.Context(), other)
			if err == nil {
				s.Errorf("%s: accepted", name)
				continue
			}
			s.is(err, fault.Invalid, table.ErrPageToken)
		}
		flipped := []byte(page)
		flipped[len(flipped)/2] ^= 1
		for _, p := range []string{page[:len(page)-1], page + "A", "x", "%", string(flipped), page + page, strings.Repeat("A", 10_000)} {
			_, _, err := s.b.Query(s.Context(), table.Query{PK: "U#1", Limit: 2, Page: p})
			s.is(err, fault.Invalid, table.ErrPageToken)
		}
		_, _, err = s.b.QueryIndex(s.Context(), table.IndexQuery{Index: table.Due, PK: "U#1", Page: page})
		s.is(err, fault.Invalid, table.ErrPageToken)
		if got := s.keys(table.Query{PK: "U#1", Limit: 1, Page: page}); !slices.Equal(got, []string{"c", "d"}) {
			s.Errorf("with another limit: got %q", got)
		}
	}},
	{"a write is seen at once by every client", func(s *store) {
		it := item("U#1", "META")
		v := int64(table.Absent)
		for i := range 25 {
			it.Doc = doc(map[string]int{"i": i})
			v = s.put(it, v)
			if got := s.get(it.Key); string(got.Doc) != string(it.Doc) {
				s.Fatalf("round %d: Get gave %s", i, got.Doc)
			}
			items, _, err := s.b.Query(s.Context(), table.Query{PK: "U#1"})
			if err != nil || len(items) != 1 || string(items[0].Doc) != string(it.Doc) || items[0].Version != v {
				s.Fatalf("round %d: Query gave %+v, %v", i, items, err)
			}
		}
	}},
	{"a malformed query is refused", func(s *store) {
		for name, q := range map[string]table.Query{
			"no partition": {}, "prefix and range": {PK: "a", Prefix: "a", From: "b"}, "negative limit": {PK: "a", Limit: -1},
			"not UTF-8": {PK: "a", From: "\xff"}, "prefix not UTF-8": {PK: "a", Prefix: "\xe4"},
		} {
			if _, _, err := s.a.Query(s.Context(), q); err == nil {
				s.Errorf("%s: accepted", name)
			} else {
				s.is(err, fault.Invalid, table.ErrMalformed)
			}
		}
		_, _, err := s.a.QueryIndex(s.Context(), table.IndexQuery{Index: "OTHER", PK: "a"})
		s.is(err, fault.Invalid, table.ErrMalformed)
	}},
}
