package tabletest

import (
	"fmt"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// sized makes an item of exactly n bytes as table.ItemBytes counts.
func sized(k table.Key, n int) table.Item {
	it := table.Item{Key: k, Doc: doc(map[string]string{"x": ""}), N: map[string]int64{"n": 1}, Index: due("k", "1")}
	it.Doc = doc(map[string]string{"x": strings.Repeat("x", n-table.ItemBytes(it))})
	return it
}

var limitRules = []rule{
	{"an item of 64 KB fits and one byte more does not", func(s *store) {
		k := key("U#1", "META")
		for _, n := range []int{table.MaxItemBytes - 1, table.MaxItemBytes} {
			it := sized(k, n)
			if got := table.ItemBytes(it); got != n {
				s.Fatalf("made %d bytes, want %d", got, n)
			}
			s.put(it, table.AnyVersion)
			if got := s.get(k); string(got.Doc) != string(it.Doc) {
				s.Errorf("%d bytes came back as %d", len(it.Doc), len(got.Doc))
			}
		}
		v := s.get(k).Version
		over := sized(k, table.MaxItemBytes+1)
		_, err := s.a.Put(s.Context(), over, table.AnyVersion)
		s.is(err, fault.Invalid, table.ErrLimit)
		s.is(s.a.Transact(s.Context(), "", []table.Op{{Put: &over, If: table.AnyVersion}}), fault.Invalid, table.ErrLimit)
		if got := s.get(k).Version; got != v {
			s.Errorf("a refused write changed the item")
		}
	}},
	{"a key of 512 bytes fits and one byte more does not", func(s *store) {
		long := func(n int) string { return strings.Repeat("k", n) }
		wide := strings.Repeat("\u4f60", 170) + "xx" // 512 bytes in 172 characters
		for _, k := range []table.Key{key(long(511), "-"), key(long(512), "-"), key("U#1", long(511)), key("U#1", long(512)), key(wide, wide)} {
			s.put(item(k.PK, k.SK), table.Absent)
			s.get(k)
		}
		s.place("U#2", "-", due(long(512), long(512)))
		for _, k := range []table.Key{key(long(513), "-"), key("U#1", long(513)), key(wide+"x", "-")} {
			_, err := s.a.Put(s.Context(), item(k.PK, k.SK), table.Absent)
			s.is(err, fault.Invalid, table.ErrLimit)
			_, err = s.a.Get(s.Context(), k)
			s.is(err, fault.Invalid, table.ErrLimit)
			s.is(s.a.Delete(s.Context(), k, table.AnyVersion), fault.Invalid, table.ErrLimit)
			_, err = s.a.Add(s.Context(), table.Add{Key: k, Field: "n", N: 1})
			s.is(err, fault.Invalid, table.ErrLimit)
		}
		for _, p := range []table.Place{{PK: long(513), SK: "1"}, {PK: "1", SK: long(513)}} {
			_, err := s.a.Put(s.Context(), table.Item{Key: key("U#3", "-"), Index: map[table.Index]table.Place{table.Acct: p}}, table.Absent)
			s.is(err, fault.Invalid, table.ErrLimit)
		}
	}},
	{"a malformed item is refused and nothing is written", func(s *store) {
		k := key("U#1", "META")
		for name, it := range map[string]table.Item{
			"no partition key":          {Key: key("", "-")},
			"no sort key":               {Key: key("U#1", "")},
			"key not UTF-8":             {Key: key("U#1", "\xff")},
			"key of the engine":         {Key: key(table.ReservedPrefix+"x", "-")},
			"doc is no JSON":            {Key: k, Doc: []byte("{")},
			"doc is a list":             {Key: k, Doc: []byte(" [1]")},
			"doc is null":               {Key: k, Doc: []byte("null")},
			"doc has something behind":  {Key: k, Doc: []byte("{}{}")},
			"doc is not UTF-8":          {Key: k, Doc: []byte("{\"a\":\"\xff\"}")},
			"a counter without a name":  {Key: k, N: map[string]int64{"": 1}},
			"an index that is not ours": {Key: k, Index: map[table.Index]table.Place{"OTHER": {PK: "a", SK: "b"}}},
			"a place without a key":     {Key: k, Index: map[table.Index]table.Place{table.Due: {PK: "a"}}},
		} {
			if _, err := s.a.Put(s.Context(), it, table.AnyVersion); err == nil {
				s.Errorf("%s: accepted", name)
			} else {
				s.is(err, fault.Invalid, table.ErrMalformed)
			}
		}
		_, err := s.a.Put(s.Context(), item(k.PK, k.SK), -2)
		s.is(err, fault.Invalid, table.ErrMalformed)
		s.absent(k)
	}},
	{"counters have limits", func(s *store) {
		k := key("U#1", "META")
		many := map[string]int64{}
		for i := range table.MaxCounters {
			many[fmt.Sprint(i)] = int64(i)
		}
		s.put(table.Item{Key: k, N: many}, table.Absent)
		many["one more"] = 1
		long := strings.Repeat("f", table.MaxFieldBytes+1)
		for name, n := range map[string]map[string]int64{
			"too many": many, "too long a name": {long: 1}, "too great": {"n": table.MaxCount}, "too small": {"n": -table.MaxCount - 1},
		} {
			if _, err := s.a.Put(s.Context(), table.Item{Key: k, N: n}, table.AnyVersion); err == nil {
				s.Errorf("%s: accepted", name)
			} else {
				s.is(err, fault.Invalid, table.ErrLimit)
			}
		}
		for _, a := range []table.Add{{Field: long, N: 1}, {Field: "n", N: table.MaxCount + 1}, {Field: "n", N: -table.MaxCount - 1}, {Field: "n", Floor: table.NoFloor - 1}} {
			a.Key = k
			_, err := s.a.Add(s.Context(), a)
			s.is(err, fault.Invalid, table.ErrLimit)
		}
	}},
}
