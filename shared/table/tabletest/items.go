package tabletest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

var itemRules = []rule{
	{"an item comes back as it was put", func(s *store) {
		it := item("P#1", "META")
		it.N = map[string]int64{"free": 40, "neg": -3, "big": table.MaxCount - 1, "zero": 0}
		it.Index = map[table.Index]table.Place{table.Due: {PK: "park#3", SK: "2026-01-01"}, table.List: {PK: "day#1", SK: "x"}, table.Acct: {PK: "a", SK: "b"}}
		it.Expires = s.Now().Add(time.Hour).Truncate(time.Second)
		v := s.put(it, table.Absent)
		got := s.get(it.Key)
		if got.Version != v || got.V != table.Major || got.WriteID == "" {
			s.Errorf("got version %d, layout %d, write id %q; want %d, %d, one", got.Version, got.V, got.WriteID, v, table.Major)
		}
		if string(got.Doc) != string(it.Doc) || !maps.Equal(got.N, it.N) || !maps.Equal(got.Index, it.Index) || !got.Expires.Equal(it.Expires) {
			s.Errorf("got %+v, want %+v", got, it)
		}
	}},
	{"a put writes the item whole", func(s *store) {
		it := item("P#1", "META")
		it.N, it.Expires = map[string]int64{"a": 1, "b": 2}, s.Now().Add(time.Hour)
		it.Index = map[table.Index]table.Place{table.Due: {PK: "x", SK: "y"}}
		v := s.put(it, table.Absent)
		s.put(table.Item{Key: it.Key, N: map[string]int64{"b": 3}}, v)
		got := s.get(it.Key)
		if len(got.Doc) != 0 || len(got.N) != 1 || got.N["b"] != 3 || len(got.Index) != 0 || !got.Expires.IsZero() {
			s.Errorf("something of the old item is left: %+v", got)
		}
	}},
	{"unknown fields of Doc are kept byte for byte", func(s *store) {
		for _, d := range []string{`{}`, `{"z":1,"a":{"deep":[1,2.50,1e400,null,"",{}]}}`, `{"n":12345678901234567890.000}`,
			"{\"t\":\"\u4f60\u597d \U0001F3AC \\u0000 \\ud83c\",\"<&>\":\"\u2028\"}", "{ \"spaced\" :\n\t1 }", `{"a":1,"a":2}`} {
			it := table.Item{Key: key("P#1", "META"), Doc: json.RawMessage(d)}
			s.put(it, table.AnyVersion)
			if got := s.get(it.Key); string(got.Doc) != d {
				s.Errorf("got %s, want %s", got.Doc, d)
			}
		}
	}},
	{"creating twice is a conflict and leaves the first", func(s *store) {
		s.put(item("P#1", "META"), table.Absent)
		_, err := s.b.Put(s.Context(), table.Item{Key: key("P#1", "META"), Doc: doc(map[string]int{"a": 2})}, table.Absent)
		s.is(err, fault.Duplicate, table.ErrConflict)
		if got := string(s.get(key("P#1", "META")).Doc); got != `{"a":1}` {
			s.Errorf("got %s, want the first", got)
		}
	}},
	{"a stale version loses and changes nothing", func(s *store) {
		it := item("P#1", "META")
		v1 := s.put(it, table.Absent)
		v2 := s.put(it, v1)
		if v2 == v1 {
			s.Fatalf("version %d was given twice", v1)
		}
		it.Doc = json.RawMessage(`{"stale":true}`)
		for _, v := range []int64{v1, v2 + 1, 1 << 62} {
			_, err := s.b.Put(s.Context(), it, v)
			s.is(err, fault.Duplicate, table.ErrConflict)
			s.is(s.b.Delete(s.Context(), it.Key, v), fault.Duplicate, table.ErrConflict)
		}
		if got := s.get(it.Key); got.Version != v2 || string(got.Doc) != `{"a":1}` {
			s.Errorf("got version %d %s, want %d and the old doc", got.Version, got.Doc, v2)
		}
	}},
	{"a version of an item that is not there is a conflict", func(s *store) {
		_, err := s.a.Put(s.Context(), item("P#1", "META"), 1)
		s.is(err, fault.Duplicate, table.ErrConflict)
		s.absent(key("P#1", "META"))
	}},
	{"a put without condition replaces what is there and makes its version stale", func(s *store) {
		v := s.put(item("P#1", "META"), table.AnyVersion)
		w := s.put(item("P#1", "META"), table.AnyVersion)
		if v == w {
			s.Errorf("version %d was given twice", v)
		}
		_, err := s.a.Put(s.Context(), item("P#1", "META"), v)
		s.is(err, fault.Duplicate, table.ErrConflict)
		s.put(item("P#1", "META"), w)
	}},
	{"a version from before a delete does not fit the next item", func(s *store) {
		k := key("U#1", "PARK")
		v := s.put(item(k.PK, k.SK), table.Absent)
		for range 3 {
			v = s.put(item(k.PK, k.SK), v)
		}
		s.ok(s.a.Delete(s.Context(), k, v))
		w := s.put(item(k.PK, k.SK), table.Absent)
		for range 5 {
			s.is(s.b.Delete(s.Context(), k, v), fault.Duplicate, table.ErrConflict)
			w = s.put(item(k.PK, k.SK), w)
		}
		s.get(k)
	}},
	{"delete removes at its version, and what is absent is no error", func(s *store) {
		k := key("P#1", "META")
		s.ok(s.a.Delete(s.Context(), k, table.AnyVersion))
		s.ok(s.a.Delete(s.Context(), k, 7))
		s.ok(s.a.Delete(s.Context(), k, table.Absent))
		v := s.put(item(k.PK, k.SK), table.Absent)
		s.is(s.a.Delete(s.Context(), k, table.Absent), fault.Duplicate, table.ErrConflict)
		s.ok(s.a.Delete(s.Context(), k, v))
		s.absent(k)
		s.put(item(k.PK, k.SK), table.Absent)
		s.ok(s.b.Delete(s.Context(), k, table.AnyVersion))
		s.absent(k)
	}},
	{"an item of a newer layout is refused loudly and not written over", func(s *store) {
		newer := s.New(Client{Major: table.Major + 1})
		k := key("P#1", "META")
		_, err := newer.Put(s.Context(), table.Item{Key: k, V: table.Major + 1, N: map[string]int64{"n": 1}}, table.Absent)
		s.ok(err)
		_, err = s.a.Get(s.Context(), k)
		s.is(err, fault.Invalid, table.ErrTooNew)
		_, _, err = s.a.Query(s.Context(), table.Query{PK: "P#1"})
		s.is(err, fault.Invalid, table.ErrTooNew)
		_, err = s.a.Put(s.Context(), item("P#1", "META"), table.AnyVersion)
		s.is(err, fault.Invalid, table.ErrTooNew)
		_, err = s.a.Add(s.Context(), table.Add{Key: k, Field: "n", N: 1, Floor: table.NoFloor})
		s.is(err, fault.Invalid, table.ErrTooNew)
		s.is(s.a.Delete(s.Context(), k, table.AnyVersion), fault.Invalid, table.ErrTooNew)
		s.is(s.a.Transact(s.Context(), "", []table.Op{{Check: &k, If: table.AnyVersion}}), fault.Invalid, table.ErrTooNew)
		_, err = s.a.Put(s.Context(), table.Item{Key: k, V: table.Major + 1}, table.Absent)
		s.is(err, fault.Invalid, table.ErrTooNew)
		if it, err := newer.Get(s.Context(), k); err != nil || it.V != table.Major+1 || it.N["n"] != 1 {
			s.Errorf("the newer program got %+v, %v", it, err)
		}
	}},
	{"a context that is over does nothing", func(s *store) {
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		_, err := s.a.Put(ctx, item("P#1", "META"), table.Absent)
		if err == nil || !errors.Is(err, context.Canceled) || fault.As(err) == nil {
			s.Errorf("got %v, want a fault around context.Canceled", err)
		}
		if err := s.a.Transact(ctx, "t", []table.Op{{Put: ptr(item("P#1", "META"))}}); !errors.Is(err, context.Canceled) {
			s.Errorf("got %v, want a fault around context.Canceled", err)
		}
		s.absent(key("P#1", "META"))
	}},
}

func ptr[T any](v T) *T { return &v }
