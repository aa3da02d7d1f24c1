package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/vodlift/vodlift/shared/table"
)

// reindex moves the entries of one item. Under test (lag) the changes are only noted, for settleIndex to make.
func reindex(c *conn, k table.Key, old, now map[table.Index]table.Place, lag bool) error {
	for _, name := range [...]table.Index{table.Due, table.List, table.Acct} {
		was, had := old[name]
		is, has := now[name]
		if had == has && was == is {
			continue
		}
		if had {
			if err := change(c, false, name, was, k, lag); err != nil {
				return err
			}
		}
		if has {
			if err := change(c, true, name, is, k, lag); err != nil {
				return err
			}
		}
	}
	return nil
}

func change(c *conn, present bool, name table.Index, p table.Place, k table.Key, lag bool) error {
	args := []driver.Value{string(name), []byte(p.PK), []byte(p.SK), []byte(k.PK), []byte(k.SK)}
	if lag {
		return c.exec("INSERT INTO idxlog(present, name, ipk, isk, pk, sk) VALUES(?,?,?,?,?,?)", append([]driver.Value{present}, args...)...)
	}
	if present {
		return c.exec("INSERT OR REPLACE INTO idx(name, ipk, isk, pk, sk) VALUES(?,?,?,?,?)", args...)
	}
	return c.exec("DELETE FROM idx WHERE name=? AND ipk=? AND isk=? AND pk=? AND sk=?", args...)
}

// settleIndex makes all noted changes but the last keep.
func settleIndex(c *conn, keep int) error {
	type noted struct {
		seq     int64
		present bool
		name    string
		p       table.Place
		k       table.Key
	}
	var all []noted
	err := c.query("SELECT seq, present, name, ipk, isk, pk, sk FROM idxlog ORDER BY seq", nil, func(r []driver.Value) (bool, error) {
		str := func(i int) string { b, _ := r[i].([]byte); return string(b) }
		seq, _ := r[0].(int64)
		present, _ := r[1].(int64)
		name, _ := r[2].(string)
		all = append(all, noted{seq, present != 0, name, table.Place{PK: str(3), SK: str(4)}, table.Key{PK: str(5), SK: str(6)}})
		return false, nil
	})
	if err != nil {
		return err
	}
	for i := range max(0, len(all)-max(0, keep)) {
		n := all[i]
		if err := change(c, n.present, table.Index(n.name), n.p, n.k, false); err != nil {
			return err
		}
		if err := c.exec("DELETE FROM idxlog WHERE seq=?", n.seq); err != nil {
			return err
		}
	}
	return nil
}

// QueryIndex reads a page of keys by sort value, then key. See Options.IndexLag.
func (d *DB) QueryIndex(ctx context.Context, q table.IndexQuery) (hits []table.Hit, next string, err error) {
	const op = "sqlite.QueryIndex"
	if err := table.CheckIndexQuery(op, q); err != nil {
		return nil, "", err
	}
	after, paged, err := table.IndexPageStart(op, q)
	if err != nil {
		return nil, "", err
	}
	limit := q.Limit
	if limit == 0 {
		limit = 100
	}
	if d.o.IndexLag != nil {
		lag := d.o.IndexLag()
		if err := classify(op, d.s.write(ctx, op, func(c *conn) error { return settleIndex(c, lag) })); err != nil {
			return nil, "", err
		}
	}
	sql := "SELECT isk, pk, sk FROM idx WHERE name=? AND ipk=?"
	args := []driver.Value{string(q.Index), []byte(q.PK)}
	if paged {
		sql += " AND (isk, pk, sk) > (?,?,?)"
		args = append(args, []byte(after.Place), []byte(after.PK), []byte(after.SK))
	} else if q.From != "" {
		sql += " AND isk >= ?"
		args = append(args, []byte(q.From))
	}
	if q.To != "" {
		sql += " AND isk <= ?"
		args = append(args, []byte(q.To))
	}
	bytes := 0
	err = d.read(ctx, op, func(c *conn) error {
		return c.query(sql+" ORDER BY isk, pk, sk", args, func(r []driver.Value) (bool, error) {
			if len(hits) == limit || bytes > table.MaxPageBytes {
				next = table.IndexPageAfter(q, hits[len(hits)-1])
				return true, nil
			}
			isk, _ := r[0].([]byte)
			pk, _ := r[1].([]byte)
			sk, _ := r[2].([]byte)
			hits = append(hits, table.Hit{Key: table.Key{PK: string(pk), SK: string(sk)}, Place: string(isk)})
			bytes += len(isk) + len(pk) + len(sk) + len(q.PK)
			return false, nil
		})
	})
	if err != nil {
		return nil, "", err
	}
	d.count(false, table.ReadUnits(bytes)/2)
	return hits, next, nil
}
