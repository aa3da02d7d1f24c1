package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/vodlift/vodlift/shared/table"
)

// Get implements table.Table.
func (d *DB) Get(ctx context.Context, k table.Key) (it table.Item, err error) {
	const op = "sqlite.Get"
	if err := table.CheckKey(op, k); err != nil {
		return table.Item{}, err
	}
	var found bool
	if err := d.read(ctx, op, func(r rows) (err error) {
		it, found, err = r.load(k)
		return err
	}); err != nil {
		return table.Item{}, err
	}
	d.count(false, table.ReadUnits(sizeOf(it, found)))
	if !live(it, found, d.o.Now().Unix()) {
		return table.Item{}, table.NotFound(op, k)
	}
	if it.V > d.o.Major {
		return table.Item{}, table.TooNew(op, k)
	}
	return it, nil
}

// Query implements table.Table. A page holds as many items as fit; next is empty exactly when nothing follows.
func (d *DB) Query(ctx context.Context, q table.Query) (items []table.Item, next string, err error) {
	const op = "sqlite.Query"
	if err := table.CheckQuery(op, q); err != nil {
		return nil, "", err
	}
	after, err := table.PageStart(op, q)
	if err != nil {
		return nil, "", err
	}
	size := 0
	err = d.read(ctx, op, func(r rows) error {
		return r.items(spanOf(q, after, d.o.Now().Unix()), func(it table.Item) (bool, error) {
			if it.V > d.o.Major {
				return true, table.TooNew(op, it.Key)
			}
			n := table.ItemBytes(it)
			if len(items) > 0 && (size+n > table.MaxPageBytes || q.Limit > 0 && len(items) == q.Limit) {
				next = table.PageAfter(q, items[len(items)-1].SK)
				return true, nil
			}
			items, size = append(items, it), size+n
			return false, nil
		})
	})
	if err != nil {
		return nil, "", err
	}
	d.count(false, table.ReadUnits(size))
	return items, next, nil
}

func (c *conn) items(s span, fn func(table.Item) (bool, error)) error {
	sql, args := selectRange(s)
	return c.query(sql, args, func(row []driver.Value) (bool, error) {
		it, err := scan(row)
		if err != nil {
			return true, err
		}
		return fn(it)
	})
}

// selectRange turns s into SQL; keys are blobs, so their order is that of their bytes.
func selectRange(s span) (string, []driver.Value) {
	sql := "SELECT " + columns + " FROM items WHERE pk=? AND (expires IS NULL OR expires > ?)"
	args := []driver.Value{[]byte(s.pk), s.now}
	and := func(cond, v string) {
		if v != "" {
			sql += " AND sk " + cond + " ?"
			args = append(args, []byte(v))
		}
	}
	order := " ORDER BY sk"
	if s.desc {
		order += " DESC"
		and("<", s.after)
	} else if s.after != "" {
		and(">", s.after)
		s.from = "" // after is behind it
	}
	and(">=", s.from)
	and("<=", s.to)
	and("<", s.end)
	return sql + order, args
}
