package sqlite

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/table"
)

const columns = "pk, sk, ver, v, wid, doc, n, idx, expires"

func (c *conn) load(k table.Key) (it table.Item, found bool, err error) {
	err = c.query("SELECT "+columns+" FROM items WHERE pk=? AND sk=?", []driver.Value{[]byte(k.PK), []byte(k.SK)},
		func(row []driver.Value) (bool, error) {
			found = true
			it, err = scan(row)
			return true, err
		})
	return it, found, err
}

func scan(row []driver.Value) (it table.Item, err error) {
	pk, ok1 := row[0].([]byte)
	sk, ok2 := row[1].([]byte)
	ver, ok3 := row[2].(int64)
	v, ok4 := row[3].(int64)
	wid, ok5 := row[4].(string)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return it, fmt.Errorf("a row of items has columns of the wrong type")
	}
	it = table.Item{Key: table.Key{PK: string(pk), SK: string(sk)}, Version: ver, V: int(v), WriteID: wid}
	if doc, ok := row[5].([]byte); ok {
		it.Doc = bytes.Clone(doc)
	}
	if n, ok := row[6].(string); ok {
		if err := json.Unmarshal([]byte(n), &it.N); err != nil {
			return it, fmt.Errorf("counters of %s %s: %w", it.PK, it.SK, err)
		}
	}
	if x, ok := row[7].(string); ok {
		if err := json.Unmarshal([]byte(x), &it.Index); err != nil {
			return it, fmt.Errorf("places of %s %s: %w", it.PK, it.SK, err)
		}
	}
	if e, ok := row[8].(int64); ok {
		it.Expires = time.Unix(e, 0).UTC()
	}
	return it, nil
}

func (c *conn) save(old, it table.Item, lag bool) error {
	var doc, n, x, expires driver.Value
	if len(it.Doc) > 0 {
		doc = []byte(it.Doc)
	}
	if len(it.N) > 0 {
		b, err := json.Marshal(it.N)
		if err != nil {
			return err
		}
		n = string(b)
	}
	if len(it.Index) > 0 {
		b, err := json.Marshal(it.Index)
		if err != nil {
			return err
		}
		x = string(b)
	}
	if e := table.ExpiresUnix(it.Expires); e != 0 {
		expires = e
	}
	if err := c.exec("INSERT OR REPLACE INTO items("+columns+") VALUES(?,?,?,?,?,?,?,?,?)",
		[]byte(it.PK), []byte(it.SK), it.Version, int64(it.V), it.WriteID, doc, n, x, expires); err != nil {
		return err
	}
	return c.reindex(it.Key, old.Index, it.Index, lag)
}

func (c *conn) remove(old table.Item, lag bool) error {
	if err := c.exec("DELETE FROM items WHERE pk=? AND sk=?", []byte(old.PK), []byte(old.SK)); err != nil {
		return err
	}
	if err := c.exec("UPDATE meta SET n=max(n, ?) WHERE k='seq'", old.Version); err != nil {
		return err
	}
	return c.reindex(old.Key, old.Index, nil, lag)
}

func (c *conn) firstVersion() (int64, error) {
	return c.number("UPDATE meta SET n=n+1 WHERE k='seq' RETURNING n")
}

func (c *conn) expired(then int64, limit int) (out []table.Item, err error) {
	err = c.query("SELECT "+columns+" FROM items WHERE expires < ? LIMIT ?", []driver.Value{then, int64(limit)}, func(r []driver.Value) (bool, error) {
		it, err := scan(r)
		out = append(out, it)
		return false, err
	})
	return out, err
}

func (c *conn) used(name []byte, since int64) (sum []byte, err error) {
	err = c.query("SELECT ops FROM tokens WHERE token=? AND made >= ?", []driver.Value{name, since}, func(r []driver.Value) (bool, error) {
		b, _ := r[0].([]byte)
		sum = bytes.Clone(b)
		return false, nil
	})
	return sum, err
}

func (c *conn) remember(name, sum []byte, now int64) error {
	return c.exec("INSERT OR REPLACE INTO tokens(token, ops, made) VALUES(?,?,?)", name, sum, now)
}

func (c *conn) forget(then int64) error { return c.exec("DELETE FROM tokens WHERE made < ?", then) }

func live(it table.Item, found bool, now int64) bool {
	e := table.ExpiresUnix(it.Expires)
	return found && (e == 0 || now < e)
}
