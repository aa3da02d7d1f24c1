// Package sqlite is the table engine of one machine: a SQLite file (WAL, every commit synced to disk), or, for tests, rows
// in memory under the very same rules. It knows table.Table and SQL; it does not know what is stored, who stores it, or that DynamoDB
// exists.
//
// Facts that callers may rely on:
//
//   - Writers of one *DB and all its Shares queue up and share commits; several processes may open one file, each commit
//     is then taken in turn (BEGIN IMMEDIATE, busy_timeout). Readers never wait for writers, except in memory.
//   - A version is never used twice for a key, not even after a delete: a new item starts above every version that was
//     removed. A write on version n makes n+1.
//   - Expired items are hidden at once and removed by later writes, an hour after they expired.
package sqlite

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Loss is how a call is made to fail under test.
type Loss int

const (
	// NotLost is a call that nothing happens to.
	NotLost Loss = iota
	// Refused: turned away before any effect, as a throttled database does. The caller sees Retryable.
	Refused
	// LostBefore: the request never arrived; the caller cannot tell and sees Unknown. A read sees Retryable.
	LostBefore
	// LostAfter: the effect is there, the answer is not; the caller sees Unknown. A read sees Retryable.
	LostAfter
	// Resent: the first answer is lost inside the client, which sends the same call once more and gives the second
	// answer to the caller.
	Resent
)

// Options are what a DB may be told; nil means the defaults.
type Options struct {
	// Now is the clock that decides about expiry. Default time.Now.
	Now func() time.Time
	// Rand gives write ids. Default crypto/rand.
	Rand io.Reader
	// BusyTimeout is how long another process may hold the file before a call is Retryable. Default 5 s.
	BusyTimeout time.Duration
	// Major is the newest item layout to read and write. Default table.Major.
	Major int
	// IndexLag, for tests, is asked at every QueryIndex how many of the latest index changes are not yet seen: hits
	// may then be missing or stale. An index never goes back in time. Nil means no lag.
	IndexLag func() int
	// Lose, for tests, is asked before every call what shall happen to it; op is the method's name.
	Lose func(op string) Loss
}

func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.BusyTimeout == 0 {
		c.BusyTimeout = 5 * time.Second
	}
	if c.Major == 0 {
		c.Major = table.Major
	}
	return c
}

// DB is a table.Table over one SQLite database. It is safe for concurrent use.
type DB struct {
	o     Options
	s     *store
	calls atomic.Int64

	mu    sync.Mutex // guards stats and o.Rand
	stats table.Stats
}

var _ table.Table = (*DB)(nil)

// Open opens or creates the database file at path; its folder must exist. The file is readable by its owner only. A
// file of a newer layout is refused with table.ErrTooNew. Close it after use.
func Open(path string, o *Options) (*DB, error) {
	opts := o.withDefaults()
	s, err := openStore(path, opts.BusyTimeout)
	if err != nil {
		return nil, err
	}
	return &DB{o: opts, s: s}, nil
}

// OpenMemory makes an empty database in memory, apart from every other, for tests: Go maps in place of SQLite, everything
// above them the same. Close it after use.
func OpenMemory(o *Options) (*DB, error) {
	return &DB{o: o.withDefaults(), s: memoryStore()}, nil
}

// Share makes another client of the same open database with options (and counters) of its own. The database is
// closed when the DB and all its Shares are.
func (d *DB) Share(o *Options) *DB {
	d.s.hold()
	return &DB{o: o.withDefaults(), s: d.s}
}

// Close releases the database. Calls after it fail with Permanent. Close a DB once.
func (d *DB) Close() error { return d.s.release() }

// Stats gives what this client was asked since it was opened, priced as DynamoDB would.
func (d *DB) Stats() table.Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

func (d *DB) count(write bool, units float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if write {
		d.stats.Writes++
		d.stats.WriteUnits += units
	} else {
		d.stats.Reads++
		d.stats.ReadUnits += units
	}
}

// writeID makes the id of one call. The store's own number is part of it, so that clients whose random source repeats
// (tests with one seed) never take each other's writes for their own.
func (d *DB) writeID(op string) (string, error) {
	var b [8]byte
	d.mu.Lock()
	_, err := io.ReadFull(d.o.Rand, b[:])
	d.mu.Unlock()
	if err != nil {
		return "", &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: fmt.Errorf("random source: %w", err)}
	}
	return fmt.Sprintf("%s-%x.%x", hex.EncodeToString(b[:]), d.s.number, d.s.calls.Add(1)), nil
}

func (d *DB) loss(op string) Loss {
	if d.o.Lose == nil {
		return NotLost
	}
	return d.o.Lose(op)
}

// read runs fn on a connection that sees every commit made so far.
func (d *DB) read(ctx context.Context, op string, fn func(rows) error) error {
	l := d.loss(shortOp(op))
	if l != NotLost && l != Resent {
		return lost(op, fault.Retryable, fault.EffectNone)
	}
	if err := ctx.Err(); err != nil {
		return notSent(op, err)
	}
	return classify(op, d.s.read(fn))
}

// write runs fn inside a transaction that is on disk when write returns nil. fn may run twice, and
// before its last reason to fail it writes nothing but the number that firstVersion takes.
func (d *DB) write(ctx context.Context, op string, fn func(rows, Loss) error) error {
	l := d.loss(shortOp(op))
	switch l {
	case Refused:
		return lost(op, fault.Retryable, fault.EffectNone)
	case LostBefore:
		return lost(op, fault.Unknown, fault.EffectUnknown)
	}
	run := func() error {
		return classify(op, d.s.write(ctx, op, func(r rows) error { return fn(r, l) }))
	}
	err := run()
	switch {
	case l == LostAfter:
		return lost(op, fault.Unknown, fault.EffectUnknown)
	case l == Resent:
		err = run()
	}
	if err == nil && d.calls.Add(1)%sweepEvery == 0 {
		d.sweep(ctx)
	}
	return err
}
