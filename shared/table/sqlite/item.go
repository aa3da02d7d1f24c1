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

// load finds an item; found is true for an expired one too.
func load(c *conn, k table.Key) (it table.Item, found bool, err error) {
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

// save writes it whole and moves its index entries from where old had them.
func save(c *conn, old, it table.Item, lag bool) error {
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
	return reindex(c, it.Key, old.Index, it.Index, lag)
}

// remove deletes old and remembers its version, so that no later item of that key begins at or below it.
func remove(c *conn, old table.Item, lag bool) error {
	if err := c.exec("DELETE FROM items WHERE pk=? AND sk=?", []byte(old.PK), []byte(old.SK)); err != nil {
		return err
	}
	if err := c.exec("UPDATE meta SET n=max(n, ?) WHERE k='seq'", old.Version); err != nil {
		return err
	}
	return reindex(c, old.Key, old.Index, nil, lag)
}

// firstVersion gives the version of a new item: above all that were removed.
func firstVersion(c *conn) (int64, error) {
	return c.number("UPDATE meta SET n=n+1 WHERE k='seq' RETURNING n")
}

func live(it table.Item, found bool, now int64) bool {
	e := table.ExpiresUnix(it.Expires)
	return found && (e == 0 || now < e)
}
