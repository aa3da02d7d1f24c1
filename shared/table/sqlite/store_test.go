package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

func testStore(t *testing.T, path string, busy time.Duration) *store {
	t.Helper()
	s, err := openStore(path, busy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.release() })
	return s
}

func TestAJobThatBreaksItsBatchBreaksNobodyElse(t *testing.T) {
	s := testStore(t, "", time.Second)
	insert := func(pk string) func(*conn) error {
		return func(c *conn) error {
			return save(c, table.Item{}, table.Item{Key: table.Key{PK: pk, SK: "-"}, Version: 1}, false)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	batch := []*job{
		{ctx: t.Context(), op: "a", fn: insert("a")},
		{ctx: t.Context(), op: "b", fn: func(c *conn) error {
			if err := insert("b")(c); err != nil {
				return err
			}
			return c.exec("INSERT INTO items(pk) VALUES(NULL)")
		}},
		{ctx: over, op: "c", fn: insert("c")},
		{ctx: t.Context(), op: "d", fn: func(*conn) error { return table.Conflict("d", table.Key{PK: "d", SK: "-"}) }},
		{ctx: t.Context(), op: "e", fn: insert("e")},
	}
	s.wmu.Lock()
	s.commit(batch)
	s.wmu.Unlock()
	if batch[0].err != nil || batch[4].err != nil {
		t.Errorf("innocent jobs failed: %v, %v", batch[0].err, batch[4].err)
	}
	if batch[1].err == nil || !errors.Is(batch[2].err, context.Canceled) || !errors.Is(batch[3].err, table.ErrConflict) {
		t.Errorf("got %v, %v, %v; want an engine error, a cancelled context, a conflict", batch[1].err, batch[2].err, batch[3].err)
	}
	for pk, want := range map[string]bool{"a": true, "b": false, "c": false, "d": false, "e": true} {
		_, found, err := load(s.w, table.Key{PK: pk, SK: "-"})
		if err != nil || found != want {
			t.Errorf("%s: found %v, %v, want %v", pk, found, err, want)
		}
	}
}

func TestAFileThatAnotherHoldsIsRetryable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	holder := testStore(t, path, time.Second)
	db, err := Open(path, &Options{BusyTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	k := table.Key{PK: "a", SK: "-"}
	err = holder.w.tx(func() error {
		if _, err := db.Get(t.Context(), k); !errors.Is(err, table.ErrNotFound) {
			t.Errorf("a reader got %v, want no wait for the writer", err)
		}
		_, err := db.Put(t.Context(), table.Item{Key: k}, table.Absent)
		if fault.KindOf(err) != fault.Retryable || fault.EffectOf(err) != fault.EffectNone {
			t.Errorf("got %v, want Retryable without effect", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Put(t.Context(), table.Item{Key: k}, table.Absent); err != nil {
		t.Errorf("after the holder is done: %v", err)
	}
}

func TestAFileOfANewerLayoutIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	s := testStore(t, path, time.Second)
	if err := s.w.script("PRAGMA user_version=99"); err != nil {
		t.Fatal(err)
	}
	if db, err := Open(path, nil); !errors.Is(err, table.ErrTooNew) {
		if err == nil {
			db.Close()
		}
		t.Errorf("got %v, want too new", err)
	}
}

func TestCommitsAreOnDisk(t *testing.T) {
	s := testStore(t, filepath.Join(t.TempDir(), "t.db"), time.Second)
	if n, err := s.w.number("PRAGMA synchronous"); err != nil || n != 2 {
		t.Errorf("synchronous is %d, %v, want 2 (FULL)", n, err)
	}
	var mode string
	err := s.w.query("PRAGMA journal_mode", nil, func(r []driver.Value) (bool, error) { mode, _ = r[0].(string); return false, nil })
	if err != nil || mode != "wal" {
		t.Errorf("journal mode is %q, %v, want wal", mode, err)
	}
}
