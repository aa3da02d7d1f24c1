package sqlite

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

const (
	schemaVersion = 1
	maxReaders    = 4
	maxBatch      = 64 // writes that share one commit
)

const schema = `
CREATE TABLE IF NOT EXISTS items(pk BLOB NOT NULL, sk BLOB NOT NULL, ver INTEGER NOT NULL, v INTEGER NOT NULL,
	wid TEXT NOT NULL, doc BLOB, n TEXT, idx TEXT, expires INTEGER, PRIMARY KEY(pk, sk)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_expires ON items(expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS idx(name TEXT NOT NULL, ipk BLOB NOT NULL, isk BLOB NOT NULL, pk BLOB NOT NULL, sk BLOB NOT NULL,
	PRIMARY KEY(name, ipk, isk, pk, sk)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS idxlog(seq INTEGER PRIMARY KEY AUTOINCREMENT, present INTEGER NOT NULL, name TEXT NOT NULL,
	ipk BLOB NOT NULL, isk BLOB NOT NULL, pk BLOB NOT NULL, sk BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS tokens(token BLOB PRIMARY KEY, ops BLOB NOT NULL, made INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tokens_made ON tokens(made);
CREATE TABLE IF NOT EXISTS meta(k TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES('seq', 0), ('opens', 0);
`

// store is one open database: the rows that are written through, connections that read, and the queue of writes.
type store struct {
	path   string
	busy   time.Duration
	number int64 // which opening of this database it is
	calls  atomic.Int64

	wmu sync.Mutex // the writer
	w   rows

	qmu   sync.Mutex
	queue []*job
	refs  int

	readers chan *conn // idle readers; nil means one has to be opened; unused in memory
}

// job is one write that waits for a commit.
type job struct {
	ctx  context.Context
	op   string
	fn   func(rows) error
	done bool // under wmu
	err  error
}

func openStore(path string, busy time.Duration) (*store, error) {
	const op = "sqlite.Open"
	s := &store{busy: busy, refs: 1}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Op: op, Err: err}
	}
	// SQLite would create it readable by everybody; its side files take over the mode.
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Op: op, Effect: fault.EffectNone, Err: err}
	}
	if err := f.Close(); err != nil {
		return nil, &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: err}
	}
	s.path = abs
	s.readers = make(chan *conn, maxReaders)
	for range maxReaders {
		s.readers <- nil
	}
	c, err := s.connect()
	if err != nil {
		return nil, classify(op, err)
	}
	s.w = c
	if err := s.prepare(c); err != nil {
		c.close()
		return nil, classify(op, err)
	}
	return s, nil
}

func memoryStore() *store { return &store{refs: 1, number: 1, w: newMemory()} }

func (s *store) connect() (*conn, error) {
	return dial("file:"+(&url.URL{Path: s.path}).EscapedPath(), fmt.Sprintf("PRAGMA busy_timeout=%d", s.busy.Milliseconds()),
		"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA secure_delete=ON")
}

// prepare makes or checks the layout, and finishes the index changes that an opening under test left behind.
func (s *store) prepare(c *conn) error {
	return c.tx(func() error {
		have, err := c.number("PRAGMA user_version")
		if err != nil {
			return err
		}
		if have > schemaVersion {
			return &fault.Error{Kind: fault.Invalid, Op: "sqlite.Open", Effect: fault.EffectNone, Err: fmt.Errorf("database layout %d: %w", have, table.ErrTooNew)}
		}
		if have < schemaVersion {
			if err := c.script(schema); err != nil {
				return err
			}
			if err := c.script(fmt.Sprintf("PRAGMA user_version=%d", schemaVersion)); err != nil {
				return err
			}
		}
		if err := c.settleIndex(0); err != nil {
			return err
		}
		s.number, err = c.number("UPDATE meta SET n=n+1 WHERE k='opens' RETURNING n")
		return err
	})
}

func (s *store) hold() {
	s.qmu.Lock()
	s.refs++
	s.qmu.Unlock()
}

func (s *store) release() error {
	s.qmu.Lock()
	s.refs--
	last := s.refs == 0
	s.qmu.Unlock()
	if !last {
		return nil
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	var err error
	if s.readers != nil {
		for range maxReaders {
			if c := <-s.readers; c != nil {
				c.close()
			}
		}
		close(s.readers)
	}
	if s.w != nil {
		err = s.w.close() // last, so that it folds the log into the file
		s.w = nil
	}
	return classify("sqlite.Close", err)
}

// read runs fn on a connection of its own; in memory, on the only one.
func (s *store) read(fn func(rows) error) error {
	if s.readers == nil {
		s.wmu.Lock()
		defer s.wmu.Unlock()
		if s.w == nil {
			return errClosed
		}
		return fn(s.w)
	}
	c, ok := <-s.readers
	if !ok {
		return errClosed
	}
	if c == nil {
		var err error
		if c, err = s.connect(); err != nil {
			s.readers <- nil
			return err
		}
	}
	defer func() { s.readers <- c }()
	return fn(c)
}

// write queues fn and returns when a commit that holds it is on disk. Whoever gets the writer commits everything that
// is queued, so that many writers share one sync of the disk.
func (s *store) write(ctx context.Context, op string, fn func(rows) error) error {
	j := &job{ctx: ctx, op: op, fn: fn}
	s.qmu.Lock()
	s.queue = append(s.queue, j)
	s.qmu.Unlock()

	s.wmu.Lock()
	defer s.wmu.Unlock()
	for !j.done {
		s.qmu.Lock()
		n := min(len(s.queue), maxBatch)
		batch := s.queue[:n:n]
		s.queue = append([]*job(nil), s.queue[n:]...)
		s.qmu.Unlock()
		s.commit(batch)
		for _, b := range batch {
			b.done = true
		}
	}
	return j.err
}

// commit runs the jobs of a batch in one transaction. If one of them breaks it, each gets a transaction of its own.
func (s *store) commit(batch []*job) {
	if s.w == nil {
		for _, j := range batch {
			j.err = errClosed
		}
		return
	}
	broken := false
	err := s.w.tx(func() error {
		for _, j := range batch {
			if err := j.ctx.Err(); err != nil {
				j.err = notSent(j.op, err)
				continue
			}
			j.err = j.fn(s.w)
			if j.err != nil && fault.As(j.err) == nil {
				broken = true
				return j.err
			}
		}
		return nil
	})
	if err == nil {
		return
	}
	if broken && len(batch) > 1 {
		for _, j := range batch {
			s.commit([]*job{j})
		}
		return
	}
	for _, j := range batch {
		j.err = err
		if fault.KindOf(err) == fault.Unknown && fault.As(err) != nil {
			j.err = unsure(j.op, err)
		}
	}
}
