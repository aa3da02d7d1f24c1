// Package ranked keeps lists that grow for ever and are read by page number or after an id, both at a bounded price. A
// list is a partition of the table with one row for each member, by its number, and counters above them: four levels, 64
// wide, that say how many members stand below. Page 40,000 costs four reads of counters and one query, as page 1 does.
//
// Changes are operations for the caller's own transaction, so that a member is counted exactly once. It does not know
// what the members are.
package ranked

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// The shape of the counters. An item of the table holds at most 64 of them.
const (
	fan    = 64
	levels = 4
	// MaxNumber is the greatest number of a member: 64^5 - 1. The lowest is 1.
	MaxNumber int64 = 1<<30 - 1
)

// Entry is one member. Number orders the list (greatest first) and never changes.
type Entry struct {
	Number int64
	ID     string
}

type row struct {
	ID string `json:"id"`
}

func entryKey(list string, n int64) table.Key {
	return table.Key{PK: list, SK: fmt.Sprintf("%010d", n)}
}

// countKey names the item of a level that counts what stands below it. Level 1 stands over 64 spans of 64 numbers.
func countKey(list string, level int, prefix int64) table.Key {
	return table.Key{PK: list + "#count", SK: fmt.Sprintf("%d#%08d", level, prefix)}
}

func field(child int64) string { return fmt.Sprintf("%02d", child) }

// Insert gives the operations that put e into list: five, each on a key of its own. They must share a transaction with a
// condition that lets them through once.
func Insert(list string, e Entry) ([]table.Op, error) {
	if e.Number < 1 || e.Number > MaxNumber {
		return nil, fault.Newf(fault.Permanent, "ranked.Insert", "number %d is not from 1 to %d", e.Number, MaxNumber)
	}
	doc, err := json.Marshal(row{ID: e.ID})
	if err != nil {
		return nil, fault.Wrap("ranked.Insert", err)
	}
	ops := []table.Op{{Put: &table.Item{Key: entryKey(list, e.Number), Doc: doc}, If: table.Absent}}
	return append(ops, counts(list, e.Number, 1)...), nil
}

// Remove gives the operations that take number n out of list, under the same rule as Insert.
func Remove(list string, n int64) []table.Op {
	k := entryKey(list, n)
	return append([]table.Op{{Delete: &k, If: table.AnyVersion}}, counts(list, n, -1)...)
}

func counts(list string, n, by int64) []table.Op {
	ops := make([]table.Op, 0, levels)
	span := n / fan
	for level := 1; level <= levels; level++ {
		ops = append(ops, table.Op{Add: &table.Add{Key: countKey(list, level, span/fan), Field: field(span % fan), N: by, Floor: table.NoFloor}})
		span /= fan
	}
	return ops
}

// Total says how many members list has.
func Total(ctx context.Context, t table.Table, list string) (int64, error) {
	root, err := counters(ctx, t, list, levels, 0)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, n := range root {
		sum += max(n, 0)
	}
	return sum, nil
}

// Page gives up to n members after the skip greatest, and how many there are in all. Beyond the end it is empty.
func Page(ctx context.Context, t table.Table, list string, skip int64, n int) (page []Entry, total int64, err error) {
	if skip < 0 || n < 1 {
		return nil, 0, fault.InvalidField("ranked.Page", "page", "a page from 1, a size from 1", "")
	}
	prefix := int64(0)
	for level := levels; level >= 1; level-- {
		c, err := counters(ctx, t, list, level, prefix)
		if err != nil {
			return nil, 0, err
		}
		if level == levels {
			for _, v := range c {
				total += max(v, 0)
			}
			if skip >= total {
				return []Entry{}, total, nil
			}
		}
		// Should the item above have promised more than is here (a writer is between), the lowest span takes the rest.
		child := int64(fan - 1)
		for ; child > 0; child-- {
			below := max(c[field(child)], 0)
			if skip < below {
				break
			}
			skip -= below
		}
		prefix = prefix*fan + child
	}
	skip = min(skip, fan)
	all, err := query(ctx, t, list, prefix*fan+fan-1, int(skip)+n)
	if err != nil {
		return nil, 0, err
	}
	return all[min(int(skip), len(all)):], total, nil
}

// After gives up to n members with a number below the given one.
func After(ctx context.Context, t table.Table, list string, number int64, n int) ([]Entry, error) {
	if number <= 1 || n < 1 {
		return []Entry{}, nil
	}
	return query(ctx, t, list, min(number, MaxNumber+1)-1, n)
}

func query(ctx context.Context, t table.Table, list string, top int64, n int) ([]Entry, error) {
	q := table.Query{PK: list, To: entryKey(list, top).SK, Desc: true, Limit: n}
	out := make([]Entry, 0, n)
	for {
		items, next, err := t.Query(ctx, q)
		if err != nil {
			return nil, fault.Wrap("ranked.query", err)
		}
		for _, it := range items {
			var r row
			if err := json.Unmarshal(it.Doc, &r); err != nil {
				return nil, fault.Newf(fault.Invalid, "ranked.query", "row %s is unreadable: %w", it.SK, err)
			}
			var number int64
			if _, err := fmt.Sscanf(it.SK, "%d", &number); err != nil {
				return nil, fault.Newf(fault.Invalid, "ranked.query", "row %s has no number: %w", it.SK, err)
			}
			out = append(out, Entry{Number: number, ID: r.ID})
		}
		if len(out) >= n || next == "" {
			return out[:min(n, len(out))], nil
		}
		q.Page, q.Limit = next, n-len(out)
	}
}

func counters(ctx context.Context, t table.Table, list string, level int, prefix int64) (map[string]int64, error) {
	it, err := t.Get(ctx, countKey(list, level, prefix))
	if errors.Is(err, table.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap("ranked.counters", err)
	}
	return it.N, nil
}
