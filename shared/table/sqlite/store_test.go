package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"slices"
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

// TestAJobThatBreaksItsBatchBreaksNobodyElse: whatever it had changed is taken back, and the others are done again.
func TestAJobThatBreaksItsBatchBreaksNobodyElse(t *testing.T) {
	place := map[table.Index]table.Place{table.Due: {PK: "d", SK: "1"}}
	insert := func(pk string) func(rows) error {
		return func(r rows) error {
			v, err := r.firstVersion()
			if err != nil {
				return err
			}
			return r.save(table.Item{}, table.Item{Key: table.Key{PK: pk, SK: "-"}, Version: v, Index: place}, false)
		}
	}
	key := func(pk string) table.Key { return table.Key{PK: pk, SK: "-"} }
	for name, s := range map[string]*store{"on disk": testStore(t, filepath.Join(t.TempDir(), "t.db"), time.Second), "in memory": memoryStore()} {
		t.Run(name, func(t *testing.T) {
			if err := s.w.tx(func() error { return insert("old")(s.w) }); err != nil {
				t.Fatal(err)
			}
			over, cancel := context.WithCancel(t.Context())
			cancel()
			batch := []*job{
				{ctx: t.Context(), op: "a", fn: insert("a")},
				{ctx: t.Context(), op: "b", fn: func(r rows) error {
					old, _, err := r.load(key("old"))
					err = errors.Join(err, insert("b")(r), r.remove(old, false), r.remember([]byte("token"), []byte("sum"), 1))
					if c, ok := r.(*conn); ok && err == nil {
						return c.exec("INSERT INTO items(pk) VALUES(NULL)")
					}
					return errors.Join(err, errors.New("the engine failed"))
				}},
				{ctx: over, op: "c", fn: insert("c")},
				{ctx: t.Context(), op: "d", fn: func(rows) error { return table.Conflict("d", key("d")) }},
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
			for pk, want := range map[string]int64{"old": 1, "a": 2, "b": 0, "c": 0, "d": 0, "e": 3} {
				it, found, err := s.w.load(key(pk))
				if err != nil || found != (want > 0) || it.Version != want {
					t.Errorf("%s: found %v, version %d, %v, want version %d", pk, found, it.Version, err, want)
				}
			}
			var hits []string
			err := s.w.hits(hitSpan{name: table.Due, pk: "d"}, func(h table.Hit) bool { hits = append(hits, h.PK); return false })
			if err != nil || !slices.Equal(hits, []string{"a", "e", "old"}) {
				t.Errorf("the index has %v, %v, want what is there", hits, err)
			}
			if sum, err := s.w.used([]byte("token"), 0); sum != nil || err != nil {
				t.Errorf("the token of what was taken back is remembered: %q, %v", sum, err)
			}
		})
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
	if err := s.w.(*conn).script("PRAGMA user_version=99"); err != nil {
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
	if n, err := s.w.(*conn).number("PRAGMA synchronous"); err != nil || n != 2 {
		t.Errorf("synchronous is %d, %v, want 2 (FULL)", n, err)
	}
	var mode string
	err := s.w.(*conn).query("PRAGMA journal_mode", nil, func(r []driver.Value) (bool, error) { mode, _ = r[0].(string); return false, nil })
	if err != nil || mode != "wal" {
		t.Errorf("journal mode is %q, %v, want wal", mode, err)
	}
}
