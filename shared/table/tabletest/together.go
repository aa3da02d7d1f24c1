package tabletest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

var togetherRules = []rule{
	{"of many that create at once one succeeds", func(s *store) {
		var won atomic.Int64
		together(20, func(i int) {
			c := s.a
			if i%2 == 1 {
				c = s.b
			}
			busy(s, func() error {
				_, err := c.Put(s.Context(), table.Item{Key: key("CONTENT#1", "-"), Doc: doc(map[string]int{"i": i})}, table.Absent)
				if err == nil {
					won.Add(1)
				} else if errors.Is(err, table.ErrConflict) {
					return nil
				}
				return err
			})
		})
		if won.Load() != 1 {
			s.Errorf("%d succeeded, want 1", won.Load())
		}
	}},
	{"read, change, write at a version loses nothing", func(s *store) {
		k := key("U#1", "META")
		s.put(table.Item{Key: k, Doc: doc(map[string]int{"i": 0})}, table.Absent)
		const workers, rounds = 6, 5
		together(workers, func(i int) {
			c := s.a
			if i%2 == 1 {
				c = s.b
			}
			for done := 0; done < rounds; {
				it, err := c.Get(s.Context(), k)
				if err != nil {
					s.Error(err)
					return
				}
				var d map[string]int
				if err := json.Unmarshal(it.Doc, &d); err != nil {
					s.Error(err)
					return
				}
				d["i"]++
				_, err = c.Put(s.Context(), table.Item{Key: k, Doc: doc(d)}, it.Version)
				switch {
				case err == nil:
					done++
				case !errors.Is(err, table.ErrConflict) && fault.KindOf(err) != fault.Retryable:
					s.Error(err)
					return
				}
			}
		})
		if got, want := string(s.get(k).Doc), fmt.Sprintf(`{"i":%d}`, workers*rounds); got != want {
			s.Errorf("got %s, want %s", got, want)
		}
	}},
	{"no part of a record or of a transaction is ever read", func(s *store) {
		write := func(i int) []table.Op {
			// Doc, counter and place of one item tell the same number, and so do both items.
			d := doc(map[string]string{"i": strings.Repeat(string(rune('a'+i%26)), 5000)})
			var ops []table.Op
			for _, sk := range []string{"1", "2"} {
				ops = append(ops, table.Op{Put: &table.Item{Key: key("U#1", sk), Doc: d, N: map[string]int64{"i": int64(i % 26)}}, If: table.AnyVersion})
			}
			return ops
		}
		s.ok(s.a.Transact(s.Context(), "", write(0)))
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for r := range 3 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					it, err := s.b.Get(s.Context(), key("U#1", fmt.Sprint(1+r%2)))
					if err != nil {
						s.Error(err)
						return
					}
					var d struct{ I string }
					if err := json.Unmarshal(it.Doc, &d); err != nil || d.I != strings.Repeat(string(rune('a'+it.N["i"])), 5000) {
						s.Errorf("a torn record: counter %d, doc %.20s, %v", it.N["i"], it.Doc, err)
						return
					}
				}
			})
		}
		for i := range 30 {
			busy(s, func() error { return s.a.Transact(s.Context(), "", write(i)) })
		}
		close(stop)
		wg.Wait()
		if a, b := s.get(key("U#1", "1")), s.get(key("U#1", "2")); string(a.Doc) != string(b.Doc) {
			s.Error("half a transaction")
		}
	}},
	{"transactions that cross each other move, they do not make", func(s *store) {
		const pools, each = 4, 25
		for i := range pools {
			s.put(table.Item{Key: key(fmt.Sprintf("POOL#%d", i), "-"), N: map[string]int64{"free": each}}, table.Absent)
		}
		together(8, func(w int) {
			for i := range 6 {
				from, to := (w+i)%pools, (w*3+i*5+1)%pools
				if from == to {
					continue
				}
				token := fmt.Sprintf("move %d %d", w, i)
				busy(s, func() error {
					err := s.a.Transact(s.Context(), token, []table.Op{
						{Add: &table.Add{Key: key(fmt.Sprintf("POOL#%d", from), "-"), Field: "free", N: -3}},
						{Add: &table.Add{Key: key(fmt.Sprintf("POOL#%d", to), "-"), Field: "free", N: 3}},
					})
					if errors.Is(err, table.ErrFloor) {
						return nil
					}
					return err
				})
			}
		})
		var sum int64
		for i := range pools {
			n := s.get(key(fmt.Sprintf("POOL#%d", i), "-")).N["free"]
			if n < 0 {
				s.Errorf("pool %d holds %d", i, n)
			}
			sum += n
		}
		if sum != pools*each {
			s.Errorf("all pools hold %d, want %d", sum, pools*each)
		}
	}},
}
