package sqlite_test

import (
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/table/tabletest"
)

// losses maps what the suite asks for to what the engine can do.
var losses = map[tabletest.Loss]sqlite.Loss{
	tabletest.Refused: sqlite.Refused, tabletest.LostBefore: sqlite.LostBefore,
	tabletest.LostAfter: sqlite.LostAfter, tabletest.Resent: sqlite.Resent,
}

type loser struct {
	mu   sync.Mutex
	next sqlite.Loss
}

func (l *loser) arrange(x tabletest.Loss) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = losses[x]
}

func (l *loser) lose(string) sqlite.Loss {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.next
	l.next = sqlite.NotLost
	return x
}

// harness gives clients that open makes, one after the other.
func harness(t testing.TB, open func(o *sqlite.Options) (*sqlite.DB, error)) tabletest.Harness {
	clock := tabletest.NewClock(time.Date(2026, 11, 3, 10, 0, 0, 500, time.UTC))
	var l loser
	return tabletest.Harness{
		New: func(c tabletest.Client) table.Table {
			db, err := open(&sqlite.Options{Now: clock.Now, Major: c.Major, Lose: l.lose, IndexLag: func() int { return rand.IntN(4) }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			return db
		},
		Now: clock.Now, Advance: clock.Advance, Lose: l.arrange,
	}
}

func onDisk(t testing.TB) tabletest.Harness {
	path := filepath.Join(t.TempDir(), "table ?#%.db")
	return harness(t, func(o *sqlite.Options) (*sqlite.DB, error) { return sqlite.Open(path, o) })
}

func inMemory(t testing.TB) tabletest.Harness {
	var first *sqlite.DB
	return harness(t, func(o *sqlite.Options) (db *sqlite.DB, err error) {
		if first != nil {
			return first.Share(o), nil
		}
		first, err = sqlite.OpenMemory(o)
		return first, err
	})
}

func TestContractOnDisk(t *testing.T) {
	t.Parallel()
	tabletest.Run(t, onDisk)
}

func TestContractInMemory(t *testing.T) {
	t.Parallel()
	tabletest.Run(t, inMemory)
}

func BenchmarkOnDisk(b *testing.B)   { tabletest.RunBenchmarks(b, onDisk) }
func BenchmarkInMemory(b *testing.B) { tabletest.RunBenchmarks(b, inMemory) }
