// Package tabletest is the proof that an engine keeps the contract of table.Table. Both engines run the same list, and
// what passes here may stand in for the other.
//
// It knows the contract; it does not know SQL or DynamoDB. A store under test has a clock that can be moved, calls
// that can be made to get lost, and an index that lags if the engine can arrange it.
package tabletest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Loss is what happens to one call.
type Loss int

// The losses that a harness can arrange.
const (
	Refused    Loss = iota + 1 // the database turns it away before any effect
	LostBefore                 // the request is cut on its way there
	LostAfter                  // the answer is cut on its way back
	Resent                     // the answer is cut inside the client, which sends the same request once more
)

// Client says how one client of the store is made.
type Client struct {
	Major int // newest item layout it knows; 0 = table.Major
}

// Harness is one empty store.
type Harness struct {
	// New makes a client of the store. Every client shares the clock and the losses.
	New func(c Client) table.Table
	// Now and Advance are the clock; it stands still between calls of Advance.
	Now     func() time.Time
	Advance func(d time.Duration)
	// Lose arranges what happens to the next call of any client, and to that one only.
	Lose func(l Loss)
}

// NewHarness makes an empty store that is cleaned up with t.
type NewHarness func(t testing.TB) Harness

// Run proves the contract, each rule on a store of its own.
func Run(t *testing.T, newHarness NewHarness) {
	for _, group := range [][]rule{itemRules, counterRules, transactRules, lostRules, queryRules, indexRules, limitRules, expiryRules, togetherRules} {
		for _, r := range group {
			t.Run(r.name, func(t *testing.T) {
				h := newHarness(t)
				r.test(&store{T: t, Harness: h, a: h.New(Client{}), b: h.New(Client{})})
			})
		}
	}
}

// rule is one sentence of the contract and its test.
type rule struct {
	name string
	test func(s *store)
}

// store is what a rule works with: two clients of one store.
type store struct {
	*testing.T
	Harness
	a, b table.Table
}

func key(pk, sk string) table.Key { return table.Key{PK: pk, SK: sk} }

func doc(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func item(pk, sk string) table.Item {
	return table.Item{Key: key(pk, sk), Doc: json.RawMessage(`{"a":1}`)}
}

func (s *store) put(it table.Item, ifVersion int64) int64 {
	s.Helper()
	v, err := s.a.Put(s.Context(), it, ifVersion)
	if err != nil {
		s.Fatalf("Put %s %s if %d: %v", it.PK, it.SK, ifVersion, err)
	}
	if v <= 0 {
		s.Fatalf("Put gave version %d, want > 0", v)
	}
	return v
}

// get reads through the other client, so that nothing is answered from a client's memory.
func (s *store) get(k table.Key) table.Item {
	s.Helper()
	it, err := s.b.Get(s.Context(), k)
	if err != nil {
		s.Fatalf("Get %s %s: %v", k.PK, k.SK, err)
	}
	return it
}

func (s *store) absent(k table.Key) {
	s.Helper()
	it, err := s.b.Get(s.Context(), k)
	if err == nil {
		s.Fatalf("Get %s %s: got %s, want it absent", k.PK, k.SK, it.Doc)
	}
	s.is(err, fault.Invalid, table.ErrNotFound)
}

func (s *store) count(k table.Key, field string, want int64) {
	s.Helper()
	if got := s.get(k).N[field]; got != want {
		s.Fatalf("%s of %s %s: got %d, want %d", field, k.PK, k.SK, got, want)
	}
}

// is checks that err is a *fault.Error of that kind around that sentinel, and did nothing unless it is Unknown.
func (s *store) is(err error, kind fault.Kind, sentinel error) {
	s.Helper()
	if err == nil {
		s.Fatalf("no error, want %v: %v", kind, sentinel)
	}
	if fault.As(err) == nil {
		s.Fatalf("%v is no *fault.Error", err)
	}
	if fault.KindOf(err) != kind || sentinel != nil && !errors.Is(err, sentinel) {
		s.Fatalf("got %v, want %v: %v", err, kind, sentinel)
	}
	if kind != fault.Unknown && fault.EffectOf(err) != fault.EffectNone {
		s.Errorf("%v: the effect is not said to be none", err)
	}
}

func (s *store) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// all reads a whole partition page by page.
func all(ctx context.Context, t table.Table, q table.Query) (items []table.Item, pages int, err error) {
	for {
		page, next, err := t.Query(ctx, q)
		if err != nil {
			return nil, pages, err
		}
		items, pages = append(items, page...), pages+1
		if next == "" {
			return items, pages, nil
		}
		if pages > 10_000 {
			return nil, pages, fmt.Errorf("a query without end")
		}
		q.Page = next
	}
}

func sortKeys(items []table.Item) []string {
	keys := make([]string, len(items))
	for i, it := range items {
		keys[i] = it.SK
	}
	return keys
}
