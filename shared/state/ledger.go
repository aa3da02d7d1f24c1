// Package state is the ledger: publications, uploads, ranges, receipts, sessions, intents, claims, parks, grants and the
// outbox, written once over table (design 3.2, 4). The execution is disposable; what is here is the truth.
//
// It does not know any platform, nor what a session means. Every rule that must hold under two writers at once is a
// condition of a table write here, never a check in a caller.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/token"
)

var (
	// ErrSuperseded: the upload is in a later generation; this one touches nothing any more.
	ErrSuperseded = errors.New("a later generation works on this upload")
	// ErrLeaseHeld: another holder carries this range.
	ErrLeaseHeld = errors.New("another invocation carries this range")
	// ErrRenewing: another invocation renews the credentials of this session.
	ErrRenewing = errors.New("another invocation renews this session's credentials")
	// ErrClaimed: the content or the post belongs to another upload.
	ErrClaimed = errors.New("claimed by another upload")
	// ErrBusyAccount: another upload of the account has an open intent.
	ErrBusyAccount = errors.New("another publish of this account has no answer yet")
	// ErrPaced: the account's pace, or a quota of the platform, allows no publish yet.
	ErrPaced = errors.New("the account's pace allows no publish yet")
	// ErrPaused: a pause switch is set.
	ErrPaused = errors.New("publishing is paused")
	// ErrRefused: the ledger's rules do not allow this verb now; the text says what to do.
	ErrRefused = errors.New("refused")
)

// Ledger is the ledger. Safe for concurrent use by any number of processes.
type Ledger struct {
	t      table.Table
	cipher token.Cipher
	now    func() time.Time
	rand   io.Reader
	ids    io.Reader // monotonic within a millisecond
	set    Settings
}

// Settings of the ledger; zero values mean the defaults of design 2 and 4.
type Settings struct {
	PoolGlobal  int64         // ranges in transfer at once, over everything; default 40
	PoolAccount int64         // ranges in transfer at once for one account; default 20
	GrantLife   time.Duration // default 20 min
	Lease       time.Duration // of a range; default 45 s
	Watchdog    time.Duration // a generation that was not heard of for so long is dead; default 49 h
	StartGrace  time.Duration // a start that nobody answered for so long is lost; default 5 min
	// Paces are how often accounts publish, by account ("douyin/main") or target ("douyin"); see DefaultPaces.
	Paces map[string]Pace
}

func (s Settings) withDefaults() Settings {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if s.PoolGlobal <= 0 {
		s.PoolGlobal = 40
	}
	if s.PoolAccount <= 0 {
		s.PoolAccount = 20
	}
	def(&s.GrantLife, 20*time.Minute)
	def(&s.Lease, 45*time.Second)
	def(&s.Watchdog, 49*time.Hour)
	def(&s.StartGrace, 5*time.Minute)
	return s
}

// New makes a ledger over a table. cipher seals sessions and park tokens. rand makes ids that must not be guessed.
func New(t table.Table, cipher token.Cipher, now func() time.Time, rand io.Reader, s Settings) *Ledger {
	ids := &ulid.LockedMonotonicReader{MonotonicReader: ulid.Monotonic(rand, 0)} // ids of one millisecond sort as they were made
	return &Ledger{t: t, cipher: cipher, now: now, rand: rand, ids: ids, set: s.withDefaults()}
}

// Settings gives the settings in force.
func (l *Ledger) Settings() Settings { return l.set }

// attempts bounds how often a compare-and-swap is tried before it gives up as Retryable.
const attempts = 12

const shards = 16

// shardOf spreads ids over the partitions of the DUE index.
func shardOf(id string) string {
	var h uint32 = 2166136261
	for i := 0; i < len(id); i++ {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return fmt.Sprintf("%02d", h%shards)
}

// stamp is how times stand in sort keys: UTC, fixed width, so that text order is time order.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// newID gives a random id that sorts by time.
func (l *Ledger) newID() (string, error) {
	id, err := ulid.New(ulid.Timestamp(l.now()), l.ids)
	if err != nil {
		return "", fault.Wrap("state.newID", err)
	}
	return strings.ToLower(id.String()), nil
}

// cell is one stored record of type T with what a newer program may have put beside T's fields.
type cell[T any] struct {
	item  table.Item
	Value T
}

// readTries is how often a read is made: a database that was busy for a moment must not cost a step its answer.
const readTries = 3

// open reads a record.
func open[T any](ctx context.Context, t table.Table, k table.Key) (cell[T], error) {
	it, err := get(ctx, t, k)
	if err != nil {
		return cell[T]{}, err
	}
	return decode[T](it)
}

// get reads an item, strongly consistent.
func get(ctx context.Context, t table.Table, k table.Key) (it table.Item, err error) {
	for range readTries {
		if it, err = t.Get(ctx, k); err == nil || !again(err) || ctx.Err() != nil {
			break
		}
	}
	return it, err
}

func decode[T any](it table.Item) (cell[T], error) {
	c := cell[T]{item: it}
	if len(it.Doc) == 0 {
		return c, nil
	}
	if err := json.Unmarshal(it.Doc, &c.Value); err != nil {
		return c, fault.Newf(fault.Invalid, "state.decode", "record %s %s is unreadable: %w", it.PK, it.SK, err)
	}
	return c, nil
}

// encode gives the item to write: T's fields, and those of the stored record that T does not know, at its top level: a
// field of a newer program that has to survive an older one stands there, not inside another.
func (c cell[T]) encode() (table.Item, error) {
	doc, err := json.Marshal(c.Value)
	if err != nil {
		return table.Item{}, fault.Newf(fault.Invalid, "state.encode", "record %s %s: %w", c.item.PK, c.item.SK, err)
	}
	if len(c.item.Doc) > 0 {
		if doc, err = keepUnknown[T](c.item.Doc, doc); err != nil {
			return table.Item{}, err
		}
	}
	it := c.item
	it.Doc = doc
	return it, nil
}

func keepUnknown[T any](old, doc json.RawMessage) (json.RawMessage, error) {
	var was, is map[string]json.RawMessage
	if err := json.Unmarshal(old, &was); err != nil {
		return nil, fault.Newf(fault.Invalid, "state.encode", "stored record: %w", err)
	}
	known := fieldNames(reflect.TypeFor[T]())
	extra := false
	for k := range was {
		if known[k] {
			delete(was, k)
		} else {
			extra = true
		}
	}
	if !extra {
		return doc, nil
	}
	if err := json.Unmarshal(doc, &is); err != nil {
		return nil, fault.Newf(fault.Invalid, "state.encode", "new record: %w", err)
	}
	for k, v := range was {
		is[k] = v
	}
	return json.Marshal(is)
}

func fieldNames(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		names[name] = true
	}
	return names
}

func isConflict(err error) bool { return errors.Is(err, table.ErrConflict) }
func isAbsent(err error) bool   { return errors.Is(err, table.ErrNotFound) }

// again says whether a compare-and-swap loop goes round once more: another writer was first, the database was busy, or
// the answer was lost and the record itself will tell.
func again(err error) bool {
	if isConflict(err) {
		return true
	}
	if errors.Is(err, table.ErrFloor) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	k := fault.KindOf(err)
	return k == fault.Unknown || k == fault.Retryable
}

// sure says that err proves that nothing was written. After any other error the record has to tell.
func sure(err error) bool { return isConflict(err) || fault.EffectOf(err) == fault.EffectNone }

// tooBusy is the end of a compare-and-swap loop. Unless its last write was refused for sure, it may have been done.
func tooBusy(op string, err error) error {
	k := fault.Retryable
	if !sure(err) {
		k = fault.Unknown
	}
	return &fault.Error{Kind: k, Op: op, After: time.Second, Err: fmt.Errorf("too many writers at once: %w", err)}
}

// backoff waits before try n (from 1) of a compare-and-swap, so that many writers of one record do not meet again: not
// at all before the first repeat, then a random time under 2 ms doubling to 64 ms. It ends early with ctx.
func (l *Ledger) backoff(ctx context.Context, n int) {
	if n < 2 {
		return
	}
	var b [2]byte
	if _, err := io.ReadFull(l.rand, b[:]); err != nil {
		return
	}
	top := time.Millisecond << min(n-1, 6)
	t := time.NewTimer(top * time.Duration(int(b[0])<<8|int(b[1])) >> 16)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
