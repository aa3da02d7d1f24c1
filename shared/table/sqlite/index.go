package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/vodlift/vodlift/shared/table"
)

// note is one change of an index, made or still to be made.
type note struct {
	present bool
	at      shelf
	hit     table.Hit
}

// shelf is where in which index entries stand together.
type shelf struct {
	name table.Index
	pk   string
}

// moves are the changes that take the entries of one item from old to now.
func moves(k table.Key, old, now map[table.Index]table.Place) (out []note) {
	for _, name := range [...]table.Index{table.Due, table.List, table.Acct} {
		was, had := old[name]
		is, has := now[name]
		if had == has && was == is {
			continue
		}
		if had {
			out = append(out, note{false, shelf{name, was.PK}, table.Hit{Key: k, Place: was.SK}})
		}
		if has {
			out = append(out, note{true, shelf{name, is.PK}, table.Hit{Key: k, Place: is.SK}})
		}
	}
	return out
}

// reindex moves the entries of one item. Under test (lag) the changes are only noted, for settleIndex to make.
func (c *conn) reindex(k table.Key, old, now map[table.Index]table.Place, lag bool) error {
	for _, n := range moves(k, old, now) {
		if err := c.change(n, lag); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) change(n note, lag bool) error {
	args := []driver.Value{string(n.at.name), []byte(n.at.pk), []byte(n.hit.Place), []byte(n.hit.PK), []byte(n.hit.SK)}
	switch {
	case lag:
		return c.exec("INSERT INTO idxlog(present, name, ipk, isk, pk, sk) VALUES(?,?,?,?,?,?)", append([]driver.Value{n.present}, args...)...)
	case n.present:
		return c.exec("INSERT OR REPLACE INTO idx(name, ipk, isk, pk, sk) VALUES(?,?,?,?,?)", args...)
	}
	return c.exec("DELETE FROM idx WHERE name=? AND ipk=? AND isk=? AND pk=? AND sk=?", args...)
}

func (c *conn) settleIndex(keep int) error {
	var all []note
	var seqs []int64
	err := c.query("SELECT seq, present, name, ipk, isk, pk, sk FROM idxlog ORDER BY seq", nil, func(r []driver.Value) (bool, error) {
		str := func(i int) string { b, _ := r[i].([]byte); return string(b) }
		seq, _ := r[0].(int64)
		present, _ := r[1].(int64)
		name, _ := r[2].(string)
		seqs = append(seqs, seq)
		all = append(all, note{present != 0, shelf{table.Index(name), str(3)}, table.Hit{Key: table.Key{PK: str(5), SK: str(6)}, Place: str(4)}})
		return false, nil
	})
	if err != nil {
		return err
	}
	for i := range max(0, len(all)-max(0, keep)) {
		if err := c.change(all[i], false); err != nil {
			return err
		}
		if err := c.exec("DELETE FROM idxlog WHERE seq=?", seqs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) hits(s hitSpan, fn func(table.Hit) bool) error {
	sql := "SELECT isk, pk, sk FROM idx WHERE name=? AND ipk=?"
	args := []driver.Value{string(s.name), []byte(s.pk)}
	if s.paged {
		sql += " AND (isk, pk, sk) > (?,?,?)"
		args = append(args, []byte(s.after.Place), []byte(s.after.PK), []byte(s.after.SK))
	} else if s.from != "" {
		sql += " AND isk >= ?"
		args = append(args, []byte(s.from))
	}
	if s.to != "" {
		sql += " AND isk <= ?"
		args = append(args, []byte(s.to))
	}
	return c.query(sql+" ORDER BY isk, pk, sk", args, func(r []driver.Value) (bool, error) {
		isk, _ := r[0].([]byte)
		pk, _ := r[1].([]byte)
		sk, _ := r[2].([]byte)
		return fn(table.Hit{Key: table.Key{PK: string(pk), SK: string(sk)}, Place: string(isk)}), nil
	})
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
		if err := classify(op, d.s.write(ctx, op, func(r rows) error { return r.settleIndex(lag) })); err != nil {
			return nil, "", err
		}
	}
	bytes := 0
	err = d.read(ctx, op, func(r rows) error {
		return r.hits(hitSpan{q.Index, q.PK, q.From, q.To, after, paged}, func(h table.Hit) bool {
			if len(hits) == limit || bytes > table.MaxPageBytes {
				next = table.IndexPageAfter(q, hits[len(hits)-1])
				return true
			}
			hits = append(hits, h)
			bytes += len(h.Place) + len(h.PK) + len(h.SK) + len(q.PK)
			return false
		})
	})
	if err != nil {
		return nil, "", err
	}
	d.count(false, table.ReadUnits(bytes)/2)
	return hits, next, nil
}
