package tabletest

import (
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

var expiryRules = []rule{
	{"an item is there until its second and gone from it on", func(s *store) {
		at := s.Now().Truncate(time.Second).Add(time.Minute)
		it := item("CB#1", "-")
		it.Expires = at
		s.put(it, table.Absent)
		s.Advance(at.Sub(s.Now()) - time.Nanosecond)
		if got := s.get(it.Key); !got.Expires.Equal(at) {
			s.Errorf("expires %v, want %v", got.Expires, at)
		}
		s.Advance(time.Nanosecond)
		s.absent(it.Key)
		if got := s.keys(table.Query{PK: "CB#1"}); len(got) != 0 {
			s.Errorf("Query still gives %q", got)
		}
		s.Advance(time.Nanosecond)
		s.absent(it.Key)
	}},
	{"part of a second counts as a whole one", func(s *store) {
		at := s.Now().Truncate(time.Second).Add(time.Minute)
		it := item("CB#1", "-")
		it.Expires = at.Add(time.Nanosecond)
		s.put(it, table.Absent)
		s.Advance(at.Sub(s.Now()) + time.Second - time.Nanosecond)
		if got := s.get(it.Key).Expires; !got.Equal(at.Add(time.Second)) {
			s.Errorf("expires %v, want %v", got, at.Add(time.Second))
		}
		s.Advance(time.Nanosecond)
		s.absent(it.Key)
	}},
	{"what expired counts as absent in every condition", func(s *store) {
		k := key("CB#1", "-")
		gone := func() int64 {
			v := s.put(table.Item{Key: k, Doc: doc(map[string]int{"old": 1}), N: map[string]int64{"n": 9}, Index: due("k", "1"), Expires: s.Now().Add(time.Second)}, table.AnyVersion)
			s.Advance(2 * time.Second)
			s.absent(k)
			return v
		}
		v := gone()
		_, err := s.a.Put(s.Context(), item(k.PK, k.SK), v)
		s.is(err, fault.Duplicate, table.ErrConflict)
		s.is(s.a.Transact(s.Context(), "", []table.Op{{Check: &k, If: v}}), fault.Duplicate, table.ErrConflict)
		s.ok(s.a.Transact(s.Context(), "", []table.Op{{Check: &k, If: table.Absent}}))
		s.ok(s.a.Delete(s.Context(), k, v+100))
		gone()
		w := s.put(table.Item{Key: k, Doc: doc(map[string]int{"new": 1})}, table.Absent)
		if got := s.get(k); string(got.Doc) != `{"new":1}` || len(got.N) != 0 || !got.Expires.IsZero() || w == v {
			s.Errorf("got %+v", got)
		}
		_, err = s.a.Put(s.Context(), item(k.PK, k.SK), v)
		s.is(err, fault.Duplicate, table.ErrConflict)
		gone()
		s.ok(s.a.Transact(s.Context(), "", []table.Op{{Put: ptr(item(k.PK, k.SK)), If: table.Absent}}))
		s.get(k)
	}},
	{"an add to what expired begins at 0 with nothing of the old", func(s *store) {
		k := key("CB#1", "-")
		for name, add := range map[string]func() error{
			"alone": func() error {
				v, err := s.a.Add(s.Context(), table.Add{Key: k, Field: "n", N: 2, Floor: 0})
				if err == nil && v != 2 {
					s.Errorf("got %d, want 2", v)
				}
				return err
			},
			"in a transaction": func() error {
				return s.a.Transact(s.Context(), "t", []table.Op{{Add: &table.Add{Key: k, Field: "n", N: 2, Floor: 0}}})
			},
		} {
			s.put(table.Item{Key: k, Doc: doc(map[string]int{"old": 1}), N: map[string]int64{"n": 9, "m": 1}, Index: due("k", "1"), Expires: s.Now().Add(time.Second)}, table.AnyVersion)
			s.Advance(2 * time.Second)
			_, err := s.a.Add(s.Context(), table.Add{Key: k, Field: "n", N: -1, Floor: 0})
			s.is(err, fault.Duplicate, table.ErrFloor)
			s.ok(add())
			got := s.get(k)
			if got.N["n"] != 2 || len(got.N) != 1 || len(got.Doc) != 0 || !got.Expires.IsZero() || len(got.Index) != 0 {
				s.Errorf("%s: got %+v", name, got)
			}
		}
	}},
	{"expired items take no room in a page", func(s *store) {
		for i, sk := range []string{"a", "b", "c", "d", "e", "f", "g"} {
			it := item("U#1", sk)
			if i%2 == 0 {
				it.Expires = s.Now().Add(time.Second)
			}
			s.put(it, table.Absent)
		}
		s.Advance(2 * time.Second)
		items, next, err := s.b.Query(s.Context(), table.Query{PK: "U#1", Limit: 2})
		s.ok(err)
		if len(items) != 2 || items[0].SK != "b" || items[1].SK != "d" || next == "" {
			s.Fatalf("got %q, token %q", sortKeys(items), next)
		}
		items, next, err = s.b.Query(s.Context(), table.Query{PK: "U#1", Limit: 2, Page: next})
		s.ok(err)
		if len(items) != 1 || items[0].SK != "f" || next != "" {
			s.Fatalf("got %q, token %q", sortKeys(items), next)
		}
	}},
	{"an item that expired before it was written was never there", func(s *store) {
		it := item("U#1", "-")
		for _, at := range []time.Time{s.Now().Add(-time.Hour), time.Unix(0, 0), time.Unix(-5, 0)} {
			it.Expires = at
			s.put(it, table.Absent)
			s.absent(it.Key)
		}
	}},
}
