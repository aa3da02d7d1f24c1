package sqlite

import (
	"database/sql/driver"
	"errors"
	"io"

	lite "modernc.org/sqlite"
)

// conn is one connection with its prepared statements. The driver is used without database/sql: one goroutine at a
// time holds a conn anyway, and a call costs a third. Not safe for concurrent use.
type conn struct {
	c     driver.Conn
	stmts map[string]driver.Stmt
}

func dial(name string, pragmas ...string) (*conn, error) {
	dc, err := (&lite.Driver{}).Open(name)
	if err != nil {
		return nil, err
	}
	c := &conn{c: dc, stmts: map[string]driver.Stmt{}}
	for _, p := range pragmas {
		if err := c.script(p); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		s.Close()
	}
	return c.c.Close()
}

// script runs statements that are not worth keeping prepared.
func (c *conn) script(sql string) error {
	s, err := c.c.Prepare(sql)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Exec(nil) //nolint:staticcheck // the driver has no other way for a prepared statement
	return err
}

func (c *conn) prepared(sql string) (driver.Stmt, error) {
	if s, ok := c.stmts[sql]; ok {
		return s, nil
	}
	s, err := c.c.Prepare(sql)
	if err != nil {
		return nil, err
	}
	c.stmts[sql] = s
	return s, nil
}

func (c *conn) exec(sql string, args ...driver.Value) error {
	s, err := c.prepared(sql)
	if err != nil {
		return err
	}
	_, err = s.Exec(args) //nolint:staticcheck // see script
	return err
}

// query gives each row to fn until fn says stop.
func (c *conn) query(sql string, args []driver.Value, fn func(row []driver.Value) (stop bool, err error)) (err error) {
	s, err := c.prepared(sql)
	if err != nil {
		return err
	}
	rows, err := s.Query(args) //nolint:staticcheck // see script
	if err != nil {
		return err
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(row); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if stop, err := fn(row); stop || err != nil {
			return err
		}
	}
}

// number gives the one integer that a statement answers.
func (c *conn) number(sql string, args ...driver.Value) (n int64, err error) {
	err = c.query(sql, args, func(row []driver.Value) (bool, error) {
		n, _ = row[0].(int64)
		return false, nil
	})
	return n, err
}

// tx runs fn in a transaction that holds the write lock from its start. An error of fn rolls it back. A commit that
// failed other than by a busy database is Unknown.
func (c *conn) tx(fn func() error) error {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := fn(); err != nil {
		if e := c.rollback(); e != nil {
			return errors.Join(err, e)
		}
		return err
	}
	err := c.exec("COMMIT")
	if err == nil {
		return nil
	}
	if back := c.rollback(); back == nil && code(err) == codeBusy {
		return err
	}
	return unsure("sqlite.commit", err)
}

// rollback may find that SQLite rolled back already, as it does when a disk is full.
func (c *conn) rollback() error {
	err := c.exec("ROLLBACK")
	if err != nil && code(err) == 1 {
		return nil
	}
	return err
}
