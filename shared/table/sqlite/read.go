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
	if err := d.read(ctx, op, func(c *conn) (err error) {
		it, found, err = load(c, k)
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
	sql, args := selectRange(q, after, d.o.Now().Unix())
	size := 0
	err = d.read(ctx, op, func(c *conn) error {
		return c.query(sql, args, func(row []driver.Value) (bool, error) {
			it, err := scan(row)
			if err != nil {
				return true, err
			}
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

// selectRange turns q into SQL; keys are blobs, so their order is that of their bytes.
func selectRange(q table.Query, after string, now int64) (string, []driver.Value) {
	sql := "SELECT " + columns + " FROM items WHERE pk=? AND (expires IS NULL OR expires > ?)"
	args := []driver.Value{[]byte(q.PK), now}
	and := func(cond, v string) {
		sql += " AND sk " + cond + " ?"
		args = append(args, []byte(v))
	}
	from, to, toOp := q.From, q.To, "<="
	if q.Prefix != "" {
		end := []byte(q.Prefix)
		end[len(end)-1]++ // UTF-8 has no 0xff, so this is the first key after all with the prefix
		from, to, toOp = q.Prefix, string(end), "<"
	}
	order := " ORDER BY sk"
	switch {
	case q.Desc:
		order += " DESC"
		if after != "" {
			and("<", after)
		}
	case after != "":
		and(">", after)
		from = "" // after is behind it
	}
	if from != "" {
		and(">=", from)
	}
	if to != "" {
		and(toOp, to)
	}
	return sql + order, args
}
