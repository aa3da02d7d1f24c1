package tabletest

import (
	"sync"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

var counterRules = []rule{
	{"an add to nothing creates the item and counts from 0", func(s *store) {
		k := key("POOL#global#0", "-")
		v, err := s.a.Add(s.Context(), table.Add{Key: k, Field: "free", N: 8, Floor: 0})
		s.ok(err)
		got := s.get(k)
		if v != 8 || got.N["free"] != 8 || got.V != table.Major || got.Version <= 0 {
			s.Errorf("got %d and %+v, want 8", v, got)
		}
		v, err = s.b.Add(s.Context(), table.Add{Key: k, Field: "other field", N: -2, Floor: table.NoFloor})
		s.ok(err)
		if v != -2 {
			s.Errorf("got %d, want -2", v)
		}
		s.count(k, "free", 8)
	}},
	{"an add keeps the rest of the item and makes its version stale", func(s *store) {
		it := item("A#1", "META")
		it.Index = map[table.Index]table.Place{table.Due: {PK: "x", SK: "y"}}
		v := s.put(it, table.Absent)
		_, err := s.b.Add(s.Context(), table.Add{Key: it.Key, Field: "n", N: 1, Floor: table.NoFloor})
		s.ok(err)
		_, err = s.a.Put(s.Context(), it, v)
		s.is(err, fault.Duplicate, table.ErrConflict)
		got := s.get(it.Key)
		if string(got.Doc) != `{"a":1}` || got.Index[table.Due].SK != "y" || got.N["n"] != 1 {
			s.Errorf("got %+v", got)
		}
		s.put(it, got.Version)
	}},
	{"a floor holds exactly at its boundary", func(s *store) {
		for _, c := range []struct {
			name           string
			have, n, floor int64
			want           int64
			there, refused bool
		}{
			{"one over", 5, -4, 0, 1, true, false},
			{"exactly at it", 5, -5, 0, 0, true, false},
			{"one under", 5, -6, 0, 5, true, true},
			{"missing counts as 0, at it", 0, -3, -3, -3, false, false},
			{"missing counts as 0, one under", 0, -4, -3, 0, false, true},
			{"a raise that stays under", 1, 1, 3, 1, true, true},
			{"a raise that reaches it", 1, 2, 3, 3, true, false},
			{"no floor", 5, -1000, table.NoFloor, -995, true, false},
			{"the greatest count", table.MaxCount - 2, 1, 0, table.MaxCount - 1, true, false},
			{"the least count", -table.MaxCount + 1, -1, table.NoFloor, -table.MaxCount, true, false},
			{"under the least count", -table.MaxCount, -1, table.NoFloor, -table.MaxCount, true, true},
		} {
			k := key("POOL#"+c.name, "-")
			if c.there {
				s.put(table.Item{Key: k, N: map[string]int64{"free": c.have}}, table.Absent)
			}
			v, err := s.a.Add(s.Context(), table.Add{Key: k, Field: "free", N: c.n, Floor: c.floor})
			switch {
			case c.refused:
				s.is(err, fault.Duplicate, table.ErrFloor)
				if !c.there {
					s.absent(k)
					continue
				}
			case err != nil || v != c.want:
				s.Fatalf("%s: got %d, %v, want %d", c.name, v, err, c.want)
			}
			s.count(k, "free", c.want)
		}
	}},
	{"a counter does not rise over what both engines store", func(s *store) {
		k := key("POOL#1", "-")
		s.put(table.Item{Key: k, N: map[string]int64{"n": table.MaxCount - 1}}, table.Absent)
		_, err := s.a.Add(s.Context(), table.Add{Key: k, Field: "n", N: 1, Floor: 0})
		s.is(err, fault.Invalid, table.ErrLimit)
		s.count(k, "n", table.MaxCount-1)
	}},
	{"fifty writers add at once and nothing is lost", func(s *store) {
		k := key("POOL#1", "-")
		together(50, func(i int) {
			c := s.a
			if i%2 == 1 {
				c = s.b
			}
			busy(s, func() error {
				_, err := c.Add(s.Context(), table.Add{Key: k, Field: "n", N: 1, Floor: table.NoFloor})
				return err
			})
		})
		s.count(k, "n", 50)
	}},
	{"fifty writers take from a pool of twenty and twenty get one", func(s *store) {
		k := key("POOL#1", "-")
		s.put(table.Item{Key: k, N: map[string]int64{"free": 20}}, table.Absent)
		var mu sync.Mutex
		got := 0
		together(50, func(int) {
			busy(s, func() error {
				_, err := s.a.Add(s.Context(), table.Add{Key: k, Field: "free", N: -1, Floor: 0})
				if err == nil {
					mu.Lock()
					got++
					mu.Unlock()
				} else if fault.KindOf(err) == fault.Duplicate {
					return nil
				}
				return err
			})
		})
		if got != 20 {
			s.Errorf("%d got one, want 20", got)
		}
		s.count(k, "free", 0)
	}},
}

// together runs n goroutines and waits for them.
func together(n int, fn func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}

// busy repeats a call that a busy database refused; a refusal has no effect.
func busy(s *store, fn func() error) {
	for range 1000 {
		err := fn()
		if err == nil {
			return
		}
		if fault.KindOf(err) != fault.Retryable {
			s.Error(err)
			return
		}
	}
	s.Error("refused 1000 times")
}
