package tabletest

import (
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

var transactRules = []rule{
	{"a transaction does all of its operations", func(s *store) {
		v := s.put(item("U#1", "META"), table.Absent)
		w := s.put(item("U#1", "PARK"), table.Absent)
		x := s.put(item("U#1", "SESS#1"), table.Absent)
		s.put(table.Item{Key: key("POOL#1", "-"), N: map[string]int64{"free": 3}}, table.Absent)
		s.ok(s.a.Transact(s.Context(), "", []table.Op{
			{Put: ptr(table.Item{Key: key("U#1", "META"), Doc: doc(map[string]int{"gen": 2})}), If: v},
			{Delete: ptr(key("U#1", "PARK")), If: w},
			{Check: ptr(key("U#1", "SESS#1")), If: x},
			{Check: ptr(key("PAUSE#all", "-")), If: table.Absent},
			{Check: ptr(key("PAUSE#one", "-")), If: table.AnyVersion},
			{Delete: ptr(key("U#1", "never")), If: 5},
			{Put: ptr(item("CONTENT#1", "-")), If: table.Absent},
			{Put: ptr(item("OUT#1", "01")), If: table.AnyVersion},
			{Add: &table.Add{Key: key("POOL#1", "-"), Field: "free", N: -3, Floor: 0}},
			{Add: &table.Add{Key: key("POOL#2", "-"), Field: "used", N: 3, Floor: table.NoFloor}},
		}))
		if got := s.get(key("U#1", "META")); string(got.Doc) != `{"gen":2}` || got.Version == v {
			s.Errorf("got %+v", got)
		}
		s.absent(key("U#1", "PARK"))
		if got := s.get(key("U#1", "SESS#1")).Version; got != x {
			s.Errorf("a check changed its item: version %d, want %d", got, x)
		}
		s.get(key("CONTENT#1", "-"))
		s.get(key("OUT#1", "01"))
		s.count(key("POOL#1", "-"), "free", 0)
		s.count(key("POOL#2", "-"), "used", 3)
	}},
	{"a version after a transaction fits the next write", func(s *store) {
		v := s.put(item("U#1", "META"), table.Absent)
		s.ok(s.a.Transact(s.Context(), "", []table.Op{{Put: ptr(item("U#1", "META")), If: v}}))
		if got := s.get(key("U#1", "META")).Version; got != v+1 {
			s.Errorf("a write on version %d made %d, want one more", v, got)
		}
		s.put(item("U#1", "META"), v+1)
	}},
	{"a transaction of which one operation fails does nothing", func(s *store) {
		v := s.put(item("U#1", "META"), table.Absent)
		s.put(table.Item{Key: key("POOL#1", "-"), N: map[string]int64{"free": 3}}, table.Absent)
		there := key("U#1", "META")
		for _, c := range []struct {
			name     string
			op       table.Op
			sentinel error
		}{
			{"put on an old version", table.Op{Put: ptr(item("U#1", "META")), If: v + 1}, table.ErrConflict},
			{"create of what is there", table.Op{Put: ptr(item("U#1", "META")), If: table.Absent}, table.ErrConflict},
			{"delete of an old version", table.Op{Delete: &there, If: v + 1}, table.ErrConflict},
			{"check of an old version", table.Op{Check: &there, If: v + 1}, table.ErrConflict},
			{"check that it is absent", table.Op{Check: &there, If: table.Absent}, table.ErrConflict},
			{"check of a version of nothing", table.Op{Check: ptr(key("U#2", "-")), If: 1}, table.ErrConflict},
			{"add under the floor", table.Op{Add: &table.Add{Key: key("POOL#1", "-"), Field: "free", N: -4}}, table.ErrFloor},
			{"add to nothing under the floor", table.Op{Add: &table.Add{Key: key("POOL#3", "-"), Field: "free", N: -1}}, table.ErrFloor},
		} {
			ops := []table.Op{
				{Put: ptr(item("NEW#1", "-")), If: table.Absent},
				c.op,
				{Add: &table.Add{Key: key("POOL#2", "-"), Field: "n", N: 1}},
			}
			err := s.a.Transact(s.Context(), "token of "+c.name, ops)
			s.is(err, fault.Duplicate, c.sentinel)
			s.absent(key("NEW#1", "-"))
			s.absent(key("POOL#2", "-"))
			s.count(key("POOL#1", "-"), "free", 3)
			if got := s.get(there).Version; got != v {
				s.Errorf("%s: version %d, want %d", c.name, got, v)
			}
		}
	}},
	{"a token that failed may be used again", func(s *store) {
		ops := []table.Op{{Add: &table.Add{Key: key("POOL#1", "-"), Field: "free", N: -1}}}
		s.is(s.a.Transact(s.Context(), "t", ops), fault.Duplicate, table.ErrFloor)
		_, err := s.a.Add(s.Context(), table.Add{Key: key("POOL#1", "-"), Field: "free", N: 2})
		s.ok(err)
		s.ok(s.a.Transact(s.Context(), "t", ops))
		s.ok(s.b.Transact(s.Context(), "t", ops))
		s.count(key("POOL#1", "-"), "free", 1)
	}},
	{"a token with other operations is refused", func(s *store) {
		add := func(n int64) []table.Op {
			return []table.Op{{Add: &table.Add{Key: key("POOL#1", "-"), Field: "n", N: n}}}
		}
		s.ok(s.a.Transact(s.Context(), "t", add(1)))
		s.is(s.b.Transact(s.Context(), "t", add(2)), fault.Invalid, table.ErrTokenReused)
		s.count(key("POOL#1", "-"), "n", 1)
	}},
	{"a token is remembered for ten minutes", func(s *store) {
		ops := []table.Op{{Add: &table.Add{Key: key("POOL#1", "-"), Field: "n", N: 1}}}
		s.ok(s.a.Transact(s.Context(), "t", ops))
		s.Advance(table.TokenLife - 1)
		s.ok(s.b.Transact(s.Context(), "t", ops))
		s.count(key("POOL#1", "-"), "n", 1)
		s.Advance(2 * time.Second)
		s.ok(s.b.Transact(s.Context(), "t", ops))
		s.count(key("POOL#1", "-"), "n", 2)
	}},
	{"without a token a repeat is a second transaction", func(s *store) {
		ops := []table.Op{{Add: &table.Add{Key: key("POOL#1", "-"), Field: "n", N: 1}}}
		s.ok(s.a.Transact(s.Context(), "", ops))
		s.ok(s.a.Transact(s.Context(), "", ops))
		s.count(key("POOL#1", "-"), "n", 2)
	}},
	{"twenty-five operations fit and twenty-six do not", func(s *store) {
		var ops []table.Op
		for i := range table.MaxTransactOps + 1 {
			ops = append(ops, table.Op{Put: ptr(item("U#1", fmt.Sprintf("RANGE#1#%02d", i))), If: table.Absent})
		}
		s.is(s.a.Transact(s.Context(), "", ops), fault.Invalid, table.ErrLimit)
		items, _, err := all(s.Context(), s.b, table.Query{PK: "U#1"})
		if err != nil || len(items) != 0 {
			s.Errorf("got %d items, %v, want none", len(items), err)
		}
		s.ok(s.a.Transact(s.Context(), "with a token too", ops[:table.MaxTransactOps]))
		if items, _, err = all(s.Context(), s.b, table.Query{PK: "U#1"}); err != nil || len(items) != table.MaxTransactOps {
			s.Errorf("got %d items, %v, want %d", len(items), err, table.MaxTransactOps)
		}
	}},
	{"a malformed transaction is refused and does nothing", func(s *store) {
		k := key("U#1", "META")
		good := table.Op{Put: ptr(item("U#2", "META"))}
		for name, ops := range map[string][]table.Op{
			"nothing":            {},
			"an empty operation": {good, {}},
			"two in one":         {good, {Put: ptr(item("U#1", "META")), Delete: &k}},
			"a key twice":        {good, {Check: &k}, {Delete: &k}},
			"the same put twice": {good, good},
			"a bad condition":    {good, {Delete: &k, If: -2}},
			"a bad key":          {good, {Delete: &table.Key{PK: "U#1"}}},
		} {
			if err := s.a.Transact(s.Context(), "", ops); err == nil {
				s.Errorf("%s: accepted", name)
			} else {
				s.is(err, fault.Invalid, table.ErrMalformed)
			}
		}
		s.absent(good.Put.Key)
	}},
}
