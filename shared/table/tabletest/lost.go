package tabletest

import (
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// writes are the calls that can get lost, each on an item "U#1 META" with counter n = 5 and version v.
var writes = []struct {
	name string
	do   func(s *store, v int64) error
	done func(s *store) bool
}{
	{"create", func(s *store, _ int64) error {
		_, err := s.a.Put(s.Context(), item("U#2", "META"), table.Absent)
		return err
	}, func(s *store) bool { _, err := s.b.Get(s.Context(), key("U#2", "META")); return err == nil }},
	{"put", func(s *store, v int64) error {
		_, err := s.a.Put(s.Context(), table.Item{Key: key("U#1", "META"), N: map[string]int64{"n": 9}}, v)
		return err
	}, func(s *store) bool { return s.get(key("U#1", "META")).N["n"] == 9 }},
	{"add", func(s *store, _ int64) error {
		_, err := s.a.Add(s.Context(), table.Add{Key: key("U#1", "META"), Field: "n", N: -5, Floor: 0})
		return err
	}, func(s *store) bool { return s.get(key("U#1", "META")).N["n"] == 0 }},
	{"delete", func(s *store, v int64) error { return s.a.Delete(s.Context(), key("U#1", "META"), v) },
		func(s *store) bool { _, err := s.b.Get(s.Context(), key("U#1", "META")); return err != nil }},
	{"transact", func(s *store, v int64) error {
		return s.a.Transact(s.Context(), "", []table.Op{
			{Put: ptr(item("U#3", "META")), If: table.Absent},
			{Add: &table.Add{Key: key("U#1", "META"), Field: "n", N: -5}},
		})
	}, func(s *store) bool { return s.get(key("U#1", "META")).N["n"] == 0 }},
}

// reads are the calls that change nothing.
var reads = []struct {
	name string
	do   func(s *store) error
}{
	{"get", func(s *store) error { _, err := s.a.Get(s.Context(), key("U#1", "META")); return err }},
	{"query", func(s *store) error { _, _, err := s.a.Query(s.Context(), table.Query{PK: "U#1"}); return err }},
	{"query index", func(s *store) error {
		_, _, err := s.a.QueryIndex(s.Context(), table.IndexQuery{Index: table.Due, PK: "x"})
		return err
	}},
}

var lostRules = []rule{
	{"a write that was refused is Retryable without effect", func(s *store) {
		for i, w := range writes {
			v := s.fresh(i)
			s.Lose(Refused)
			s.is(w.do(s, v), fault.Retryable, nil)
			if w.done(s) {
				s.Errorf("%s: it took effect", w.name)
			}
		}
	}},
	{"a write that was cut on its way is Unknown", func(s *store) {
		for i, w := range writes {
			v := s.fresh(i)
			s.Lose(LostBefore)
			s.is(w.do(s, v), fault.Unknown, nil)
			if w.done(s) {
				s.Errorf("%s: it took effect", w.name)
			}
		}
	}},
	{"a write whose answer was cut is Unknown, and the effect is there", func(s *store) {
		for i, w := range writes {
			v := s.fresh(i)
			s.Lose(LostAfter)
			s.is(w.do(s, v), fault.Unknown, nil)
			if !w.done(s) {
				s.Errorf("%s: no effect", w.name)
			}
		}
	}},
	{"a write that the client sent twice is one success", func(s *store) {
		for i, w := range writes {
			v := s.fresh(i)
			s.Lose(Resent)
			if err := w.do(s, v); err != nil {
				s.Errorf("%s: got %v, want success", w.name, err)
			}
			if !w.done(s) {
				s.Errorf("%s: no effect, or two", w.name)
			}
		}
	}},
	{"a put that was sent twice gives the version that is stored", func(s *store) {
		s.Lose(Resent)
		v := s.put(item("U#1", "META"), table.Absent)
		if got := s.get(key("U#1", "META")).Version; got != v {
			s.Errorf("got version %d, stored is %d", v, got)
		}
		s.Lose(Resent)
		w := s.put(item("U#1", "META"), v)
		if got := s.get(key("U#1", "META")).Version; got != w {
			s.Errorf("got version %d, stored is %d", w, got)
		}
	}},
	{"a lost put that is called again shows as a conflict with a write that the caller can recognise", func(s *store) {
		s.Lose(LostAfter)
		_, err := s.a.Put(s.Context(), item("U#1", "META"), table.Absent)
		s.is(err, fault.Unknown, nil)
		_, err = s.a.Put(s.Context(), item("U#1", "META"), table.Absent)
		s.is(err, fault.Duplicate, table.ErrConflict)
	}},
	{"a transaction whose answer was cut succeeds when called again with its token, once", func(s *store) {
		s.fresh(0)
		ops := []table.Op{{Add: &table.Add{Key: key("U#1", "META"), Field: "n", N: -2}}, {Put: ptr(item("U#9", "META")), If: table.Absent}}
		s.Lose(LostAfter)
		s.is(s.a.Transact(s.Context(), "grant-1", ops), fault.Unknown, nil)
		s.ok(s.b.Transact(s.Context(), "grant-1", ops))
		s.ok(s.a.Transact(s.Context(), "grant-1", ops))
		s.count(key("U#1", "META"), "n", 3)
	}},
	{"a read that got lost is Retryable", func(s *store) {
		s.fresh(0)
		for _, l := range []Loss{Refused, LostBefore, LostAfter} {
			for _, r := range reads {
				s.Lose(l)
				s.is(r.do(s), fault.Retryable, nil)
				s.ok(r.do(s))
			}
		}
	}},
}

// fresh sets the store to what writes begin from.
func (s *store) fresh(int) int64 {
	s.Helper()
	for _, pk := range []string{"U#2", "U#3"} {
		s.ok(s.a.Delete(s.Context(), key(pk, "META"), table.AnyVersion))
	}
	return s.put(table.Item{Key: key("U#1", "META"), N: map[string]int64{"n": 5}}, table.AnyVersion)
}
