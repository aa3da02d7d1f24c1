package statetest

import (
	"context"
	"errors"
	"sync"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// fate is what happens to one call of the table.
type fate int

const (
	kept    fate = iota
	refused      // turned away before any effect
	before       // the request is lost
	after        // the effect is there, the answer is lost
)

var fates = map[string]fate{"refused": refused, "lost before": before, "lost after": after}

// wire stands in front of a table: it loses answers and keeps what was written. Safe for concurrent use.
type wire struct {
	table.Table
	mu      sync.Mutex
	calls   int
	judge   func(n int) fate // of call n, from 1; nil = kept
	written []table.Item
	record  bool
}

// plan starts the count again.
func (w *wire) plan(judge func(n int) fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.judge = 0, judge
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

func (w *wire) next(items ...*table.Item) fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	for _, it := range items {
		if w.record && it != nil {
			w.written = append(w.written, *it)
		}
	}
	if w.judge == nil {
		return kept
	}
	return w.judge(w.calls)
}

var errWire = errors.New("cut by the test")

func (w *wire) read(op string, do func() error) error {
	if w.next() != kept {
		return &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: errWire}
	}
	return do()
}

func (w *wire) write(op string, do func() error, items ...*table.Item) error {
	switch w.next(items...) {
	case refused:
		return &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: errWire}
	case before:
		return &fault.Error{Kind: fault.Unknown, Op: op, Err: errWire}
	case after:
		if err := do(); err != nil {
			return err
		}
		return &fault.Error{Kind: fault.Unknown, Op: op, Err: errWire}
	}
	return do()
}

// Get reads by way of the wire.
func (w *wire) Get(ctx context.Context, key table.Key) (it table.Item, err error) {
	err = w.read("Get", func() error { it, err = w.Table.Get(ctx, key); return err })
	return it, err
}

// Query reads by way of the wire.
func (w *wire) Query(ctx context.Context, q table.Query) (items []table.Item, next string, err error) {
	err = w.read("Query", func() error { items, next, err = w.Table.Query(ctx, q); return err })
	return items, next, err
}

// QueryIndex reads by way of the wire.
func (w *wire) QueryIndex(ctx context.Context, q table.IndexQuery) (hits []table.Hit, next string, err error) {
	err = w.read("QueryIndex", func() error { hits, next, err = w.Table.QueryIndex(ctx, q); return err })
	return hits, next, err
}

// Put writes by way of the wire.
func (w *wire) Put(ctx context.Context, it table.Item, ifVersion int64) (v int64, err error) {
	err = w.write("Put", func() error { v, err = w.Table.Put(ctx, it, ifVersion); return err }, &it)
	return v, err
}

// Add writes by way of the wire.
func (w *wire) Add(ctx context.Context, a table.Add) (n int64, err error) {
	err = w.write("Add", func() error { n, err = w.Table.Add(ctx, a); return err })
	return n, err
}

// Delete writes by way of the wire.
func (w *wire) Delete(ctx context.Context, key table.Key, ifVersion int64) error {
	return w.write("Delete", func() error { return w.Table.Delete(ctx, key, ifVersion) })
}

// Transact writes by way of the wire.
func (w *wire) Transact(ctx context.Context, token string, ops []table.Op) error {
	var items []*table.Item
	for _, o := range ops {
		items = append(items, o.Put)
	}
	return w.write("Transact", func() error { return w.Table.Transact(ctx, token, ops) }, items...)
}
