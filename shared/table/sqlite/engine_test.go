package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
)

// childEnv makes a run of this test binary into one writer of the file it names.
const childEnv = "VODLIFT_TABLE_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := child(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var pool = table.Key{PK: "POOL#1", SK: "-"}

// child adds one to the pool and tells so, line by line, until it has done it 100 times or is killed.
func child(path string) error {
	db, err := sqlite.Open(path, nil)
	if err != nil {
		return err
	}
	ctx := context.Background()
	for range 100 {
		if _, err := db.Add(ctx, table.Add{Key: pool, Field: "n", N: 1}); err != nil {
			return err
		}
		if _, err := fmt.Println("added"); err != nil {
			return err
		}
	}
	return db.Close()
}

func start(t *testing.T, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childEnv+"="+path)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewScanner(out)
}

func open(t *testing.T, path string, o *sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func memory(t testing.TB, o *sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.OpenMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestThreeProcessesOnOneFileLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	var all []*exec.Cmd
	for range 2 {
		c, out := start(t, path)
		go func() {
			for out.Scan() { // so that the pipe does not fill up
			}
		}()
		all = append(all, c)
	}
	db := open(t, path, nil)
	for range 100 {
		if _, err := db.Add(t.Context(), table.Add{Key: pool, Field: "n", N: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range all {
		if err := c.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if it, err := db.Get(t.Context(), pool); err != nil || it.N["n"] != 300 {
		t.Errorf("got %v, %v, want 300", it.N, err)
	}
}

func TestWhatWasAnsweredSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	c, out := start(t, path)
	told := int64(0)
	for told < 20 && out.Scan() {
		told++
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for out.Scan() {
		told++
	}
	_ = c.Wait() // killed, which is what it says
	it, err := open(t, path, nil).Get(t.Context(), pool)
	if err != nil || it.N["n"] < told || it.N["n"] > told+1 {
		t.Errorf("got %d, %v; %d were answered", it.N["n"], err, told)
	}
}

func TestFileIsItsOwnersAndKeepsWhatItHolds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	db, err := sqlite.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	v, err := db.Put(t.Context(), table.Item{Key: pool, Doc: []byte(`{"a":"\u0000"}`)}, table.Absent)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", name, info.Mode())
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); err == nil {
		t.Error("the log was not folded into the file")
	}
	if it, err := open(t, path, nil).Get(t.Context(), pool); err != nil || it.Version != v {
		t.Errorf("got version %d, %v, want %d", it.Version, err, v)
	}
}

func TestOpenRefusesWhatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("not a database\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"a text file": text, "a folder": dir, "a missing folder": filepath.Join(dir, "no", "t.db")} {
		if db, err := sqlite.Open(path, nil); err == nil {
			db.Close()
			t.Errorf("%s: opened", name)
		} else if fault.As(err) == nil {
			t.Errorf("%s: %v is no fault", name, err)
		}
	}
}

func TestMemoriesAreApartAndSharesAreNot(t *testing.T) {
	a, b := memory(t, nil), memory(t, nil)
	c := a.Share(nil)
	if _, err := a.Put(t.Context(), table.Item{Key: pool}, table.Absent); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), pool); !errors.Is(err, table.ErrNotFound) {
		t.Errorf("another memory: got %v, want not found", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Get(t.Context(), pool); err != nil {
		t.Errorf("closing a share closed the database: %v", err)
	}
}

func TestCallsAfterCloseFail(t *testing.T) {
	disk, err := sqlite.Open(filepath.Join(t.TempDir(), "t.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, db := range map[string]*sqlite.DB{"disk": disk, "memory": mem} {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Get(t.Context(), pool); fault.As(err) == nil || fault.KindOf(err) != fault.Permanent {
			t.Errorf("%s: Get after Close: %v", name, err)
		}
		if _, err := db.Put(t.Context(), table.Item{Key: pool}, table.Absent); fault.As(err) == nil || fault.KindOf(err) != fault.Permanent {
			t.Errorf("%s: Put after Close: %v", name, err)
		}
	}
}

func TestClientsWithOneSeedAreNotTakenForEachOther(t *testing.T) {
	same := func() io.Reader { return strings.NewReader(strings.Repeat("0", 4096)) }
	first := memory(t, &sqlite.Options{Rand: same()})
	second := first.Share(&sqlite.Options{Rand: same()})
	defer second.Close()
	if _, err := first.Put(t.Context(), table.Item{Key: pool}, table.Absent); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Put(t.Context(), table.Item{Key: pool}, table.Absent); !errors.Is(err, table.ErrConflict) {
		t.Errorf("the second create got %v, want a conflict", err)
	}
}

func TestRandomSourceThatEndsIsRetryable(t *testing.T) {
	db := memory(t, &sqlite.Options{Rand: strings.NewReader("short")})
	if _, err := db.Put(t.Context(), table.Item{Key: pool}, table.Absent); fault.KindOf(err) != fault.Retryable {
		t.Errorf("got %v, want Retryable", err)
	}
}

func TestStatsPriceCallsAsDynamoDBDoes(t *testing.T) {
	ctx, doc := t.Context(), func(n int) []byte { return fmt.Appendf(nil, `{"x":%q}`, strings.Repeat("x", n)) }
	x := map[table.Index]table.Place{table.Due: {PK: "d", SK: "1"}}
	for _, c := range []struct {
		name string
		do   func(db *sqlite.DB) error
		want table.Stats
	}{
		{"a small put", func(db *sqlite.DB) error {
			_, err := db.Put(ctx, table.Item{Key: pool}, table.Absent)
			return err
		}, table.Stats{Writes: 1, WriteUnits: 1}},
		{"a put of 1.5 KB with an index entry", func(db *sqlite.DB) error {
			_, err := db.Put(ctx, table.Item{Key: pool, Doc: doc(1500), Index: x}, table.Absent)
			return err
		}, table.Stats{Writes: 1, WriteUnits: 3}},
		{"a transaction of two", func(db *sqlite.DB) error {
			return db.Transact(ctx, "", []table.Op{{Put: &table.Item{Key: pool, Index: x}}, {Check: &table.Key{PK: "a", SK: "b"}}})
		}, table.Stats{Writes: 1, WriteUnits: 6}},
		{"a refused write", func(db *sqlite.DB) error {
			if _, err := db.Put(ctx, table.Item{Key: pool}, 7); !errors.Is(err, table.ErrConflict) {
				return fmt.Errorf("got %w, want a conflict", err)
			}
			return nil
		}, table.Stats{Writes: 1, WriteUnits: 1}},
		{"reads", func(db *sqlite.DB) error {
			_, _ = db.Get(ctx, pool)
			_, _, _ = db.Query(ctx, table.Query{PK: "x"})
			_, _, err := db.QueryIndex(ctx, table.IndexQuery{Index: table.Due, PK: "x"})
			return err
		}, table.Stats{Reads: 3, ReadUnits: 2.5}},
	} {
		db := memory(t, nil)
		if err := c.do(db); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := db.Stats(); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestIndexChangesThatLagSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	db, err := sqlite.Open(path, &sqlite.Options{IndexLag: func() int { return 1000 }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Put(t.Context(), table.Item{Key: pool, Index: map[table.Index]table.Place{table.Due: {PK: "d", SK: "1"}}}, table.Absent); err != nil {
		t.Fatal(err)
	}
	q := table.IndexQuery{Index: table.Due, PK: "d"}
	if hits, _, err := db.QueryIndex(t.Context(), q); err != nil || len(hits) != 0 {
		t.Errorf("got %v, %v, want an index that lags", hits, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if hits, _, err := open(t, path, nil).QueryIndex(t.Context(), q); err != nil || len(hits) != 1 {
		t.Errorf("got %v, %v, want the entry", hits, err)
	}
}

// TestManyUploadsAtOnce is the load of 200 publications: each writer has an item of its own and all share one pool.
func TestManyUploadsAtOnce(t *testing.T) {
	const uploads, writes = 200, 4
	db := open(t, filepath.Join(t.TempDir(), "t.db"), nil)
	var wg sync.WaitGroup
	for u := range uploads {
		wg.Go(func() {
			k := table.Key{PK: fmt.Sprintf("U#%d", u), SK: "META"}
			v := table.Absent
			for range writes {
				var err error
				if v, err = db.Put(t.Context(), table.Item{Key: k, Doc: []byte(`{"s":"UPLOADING"}`)}, v); err != nil {
					t.Error(err)
					return
				}
			}
			if _, err := db.Add(t.Context(), table.Add{Key: pool, Field: "n", N: writes}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if it, err := db.Get(t.Context(), pool); err != nil || it.N["n"] != uploads*writes {
		t.Errorf("got %v, %v, want %d", it.N, err, uploads*writes)
	}
}

func TestExpiredItemsAreRemovedAnHourLater(t *testing.T) {
	now := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
	db := memory(t, &sqlite.Options{Now: func() time.Time { return now }})
	back := db.Share(&sqlite.Options{Now: func() time.Time { return now.Add(-2 * time.Hour) }})
	defer back.Close()
	put := func(sk string, expires time.Time) {
		if _, err := back.Put(t.Context(), table.Item{Key: table.Key{PK: "CB#1", SK: sk}, Expires: expires}, table.Absent); err != nil {
			t.Fatal(err)
		}
	}
	put("long gone", now.Add(-time.Hour-time.Second))
	put("just gone", now.Add(-time.Hour+time.Second))
	put("there", now.Add(time.Second))
	for range 300 {
		if _, err := db.Add(t.Context(), table.Add{Key: pool, Field: "n", N: 1}); err != nil {
			t.Fatal(err)
		}
	}
	// A clock that is set back shows what is still stored.
	items, _, err := back.Query(t.Context(), table.Query{PK: "CB#1"})
	if err != nil || len(items) != 2 || items[0].SK != "just gone" || items[1].SK != "there" {
		t.Errorf("got %v, %v, want what expired less than an hour ago", items, err)
	}
}
