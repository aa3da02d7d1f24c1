package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// TestMemoryAnswersAsTheFileDoes gives both the same calls, in a random order, and compares each answer: what is tested
// in memory is then true on disk.
func TestMemoryAnswersAsTheFileDoes(t *testing.T) {
	for _, lag := range []int{-1, 2} {
		t.Run(fmt.Sprintf("index lag %d", lag), func(t *testing.T) {
			now := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
			o := &Options{Now: func() time.Time { return now }}
			if lag >= 0 {
				o.IndexLag = func() int { return lag }
			}
			disk, err := Open(filepath.Join(t.TempDir(), "t.db"), o)
			if err != nil {
				t.Fatal(err)
			}
			defer disk.Close()
			mem, err := OpenMemory(o)
			if err != nil {
				t.Fatal(err)
			}
			defer mem.Close()
			g := &generator{r: rand.New(rand.NewPCG(1, uint64(lag+1))), now: &now}
			for n := range 400 {
				call, name := g.call(t)
				want, wantErr := call(disk)
				got, gotErr := call(mem)
				if !reflect.DeepEqual(got, want) || trouble(gotErr) != trouble(wantErr) {
					t.Fatalf("call %d, %s: in memory %+v, %v; on disk %+v, %v", n, name, got, gotErr, want, wantErr)
				}
			}
			if got, want := mem.Stats(), disk.Stats(); got != want {
				t.Errorf("in memory %+v, on disk %+v", got, want)
			}
		})
	}
}

// trouble is what a caller can tell about an error.
func trouble(err error) string {
	out := fmt.Sprint(fault.As(err) != nil, fault.KindOf(err), fault.EffectOf(err))
	for _, e := range []error{table.ErrNotFound, table.ErrConflict, table.ErrTooNew, table.ErrFloor, table.ErrTokenReused, table.ErrMalformed, table.ErrLimit} {
		out += fmt.Sprint(" ", errors.Is(err, e))
	}
	return out
}

// generator makes calls over few keys, so that they meet.
type generator struct {
	r    *rand.Rand
	now  *time.Time
	last int64 // the latest version that was seen
	page string
}

func (g *generator) key() table.Key {
	return table.Key{PK: fmt.Sprint("P", g.r.IntN(2)), SK: fmt.Sprintf("%s%d", strings.Repeat("S#", 1+g.r.IntN(2)), g.r.IntN(5))}
}

func (g *generator) version() int64 {
	return []int64{table.AnyVersion, table.AnyVersion, table.Absent, g.last}[g.r.IntN(4)]
}

func (g *generator) item() table.Item {
	it := table.Item{Key: g.key()}
	if g.r.IntN(2) == 0 {
		it.Doc = fmt.Appendf(nil, `{"n":%d,"s":%q}`, g.r.IntN(10), strings.Repeat("x", g.r.IntN(3)*90_000))
	}
	if g.r.IntN(3) == 0 {
		it.N = map[string]int64{"c": g.r.Int64N(10)}
	}
	if g.r.IntN(3) > 0 {
		it.Index = map[table.Index]table.Place{}
		for _, x := range []table.Index{table.Due, table.List, table.Acct}[g.r.IntN(3):] {
			it.Index[x] = table.Place{PK: fmt.Sprint("I", g.r.IntN(2)), SK: fmt.Sprint(g.r.IntN(4))}
		}
	}
	if g.r.IntN(4) == 0 {
		it.Expires = g.now.Add(time.Duration(g.r.IntN(4000)) * time.Millisecond)
	}
	return it
}

func (g *generator) op() table.Op {
	k := g.key()
	switch g.r.IntN(4) {
	case 0:
		return table.Op{Delete: &k, If: g.version()}
	case 1:
		return table.Op{Check: &k, If: g.version()}
	case 2:
		return table.Op{Add: &table.Add{Key: k, Field: "c", N: g.r.Int64N(7) - 3}}
	}
	it := g.item()
	return table.Op{Put: &it, If: g.version()}
}

// call makes one call; what it answers has no write ids, which differ.
func (g *generator) call(t *testing.T) (call func(*DB) (any, error), name string) {
	ctx := t.Context()
	switch g.r.IntN(8) {
	case 0:
		*g.now = g.now.Add(time.Duration(g.r.IntN(1500)) * time.Millisecond)
		k := g.key()
		return func(d *DB) (any, error) {
			it, err := d.Get(ctx, k)
			it.WriteID = ""
			g.last = it.Version
			return it, err
		}, fmt.Sprint("Get ", k)
	case 1, 2:
		q := table.Query{PK: fmt.Sprint("P", g.r.IntN(2)), Limit: g.r.IntN(5), Desc: g.r.IntN(2) == 0}
		switch g.r.IntN(3) {
		case 0:
			q.Prefix = "S#S#"
		case 1:
			q.From, q.To = g.key().SK, g.key().SK
		}
		return func(d *DB) (any, error) { return everyPage(ctx, d, q) }, fmt.Sprintf("Query %+v", q)
	case 3:
		q := table.IndexQuery{Index: []table.Index{table.Due, table.List, table.Acct}[g.r.IntN(3)], PK: fmt.Sprint("I", g.r.IntN(2)), Limit: g.r.IntN(4)}
		if g.r.IntN(2) == 0 {
			q.From, q.To = fmt.Sprint(g.r.IntN(4)), fmt.Sprint(g.r.IntN(4))
		}
		return func(d *DB) (any, error) { return everyHit(ctx, d, q) }, fmt.Sprintf("QueryIndex %+v", q)
	case 4:
		var ops []table.Op
		seen := map[table.Key]bool{}
		for range 1 + g.r.IntN(3) {
			o := g.op()
			if k, _ := table.OpKey(o); !seen[k] {
				seen[k], ops = true, append(ops, o)
			}
		}
		token := []string{"", "t1", "t2"}[g.r.IntN(3)]
		return func(d *DB) (any, error) { return nil, d.Transact(ctx, token, ops) }, fmt.Sprintf("Transact %q %+v", token, ops)
	}
	o := g.op()
	return func(d *DB) (any, error) {
		switch {
		case o.Put != nil:
			return d.Put(ctx, *o.Put, o.If)
		case o.Delete != nil:
			return nil, d.Delete(ctx, *o.Delete, o.If)
		case o.Check != nil:
			return nil, d.Transact(ctx, "", []table.Op{o})
		}
		return d.Add(ctx, *o.Add)
	}, fmt.Sprintf("%+v", o)
}

func everyPage(ctx context.Context, d *DB, q table.Query) (pages [][]table.Item, err error) {
	for {
		items, next, err := d.Query(ctx, q)
		for i := range items {
			items[i].WriteID = ""
		}
		pages = append(pages, items)
		if err != nil || next == "" {
			return pages, err
		}
		q.Page = next
	}
}

func everyHit(ctx context.Context, d *DB, q table.IndexQuery) (pages [][]table.Hit, err error) {
	for {
		hits, next, err := d.QueryIndex(ctx, q)
		pages = append(pages, hits)
		if err != nil || next == "" {
			return pages, err
		}
		q.Page = next
	}
}
