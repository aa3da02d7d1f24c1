package state

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// RangeRecord is the lease and the turns of one range of one session.
type RangeRecord struct {
	Owner   string    `json:"owner,omitempty"` // empty = free
	Gen     int       `json:"gen"`
	Until   time.Time `json:"until,omitzero"` // end of the lease
	Turns   int       `json:"turns"`          // of this generation
	Barren  int       `json:"barren"`         // turns in a row without a new receipt
	Bytes   int64     `json:"bytes"`          // sent by finished turns, repeats included
	Fault   *Fault    `json:"fault,omitempty"`
	Session int       `json:"session"`
	Range   int       `json:"range"`
}

// Held says whether the lease is in force at now.
func (r RangeRecord) Held(now time.Time) bool { return r.Owner != "" && now.Before(r.Until) }

func rangeKey(id string, session, r int) table.Key {
	return table.Key{PK: "U#" + id, SK: fmt.Sprintf("RANGE#%d#%02d", session, r)}
}

// Lease is the right of one invocation to carry one range. Safe for concurrent use: it is renewed by a timer and with
// every flush.
type Lease struct {
	l       *Ledger
	id      string
	Session int
	Range   int
	Owner   string
	Record  RangeRecord // as it was taken
}

// TakeLease takes the range for 45 s and counts a turn. Somebody else's live lease gives ErrLeaseHeld in a Retryable
// fault that carries its rest. A lease of an older generation is respected all the same: its holder may be writing. A
// range that a later generation has worked on is ErrSuperseded.
func (l *Ledger) TakeLease(ctx context.Context, id string, gen, session, r int) (*Lease, error) {
	owner, err := l.newID()
	if err != nil {
		return nil, err
	}
	var last error
	for try := range attempts {
		l.backoff(ctx, try)
		c, err := l.rangeCell(ctx, id, session, r)
		if err != nil {
			return nil, err
		}
		if c.Value.Gen > gen {
			return nil, fault.Newf(fault.Duplicate, "state.TakeLease", "range %d: %w", r, ErrSuperseded)
		}
		now := l.now()
		if c.Value.Held(now) && c.Value.Owner != owner {
			return nil, &fault.Error{Kind: fault.Retryable, Op: "state.TakeLease", After: c.Value.Until.Sub(now), Err: ErrLeaseHeld}
		}
		if c.Value.Gen != gen {
			c.Value.Turns, c.Value.Barren = 0, 0
		}
		if c.Value.Owner != owner {
			c.Value.Turns++
		}
		c.Value.Owner, c.Value.Gen, c.Value.Until, c.Value.Fault = owner, gen, now.Add(l.set.Lease), nil
		if last = l.putRange(ctx, c); last == nil {
			return &Lease{l: l, id: id, Session: session, Range: r, Owner: owner, Record: c.Value}, nil
		}
		if !again(last) || ctx.Err() != nil {
			return nil, fault.Wrap("state.TakeLease", last)
		}
	}
	return nil, tooBusy("state.TakeLease", last)
}

func (l *Ledger) rangeCell(ctx context.Context, id string, session, r int) (cell[RangeRecord], error) {
	k := rangeKey(id, session, r)
	c, err := open[RangeRecord](ctx, l.t, k)
	if isAbsent(err) {
		return cell[RangeRecord]{item: table.Item{Key: k}, Value: RangeRecord{Session: session, Range: r}}, nil
	}
	if err != nil {
		return c, fault.Wrap("state.range", err)
	}
	return c, nil
}

func (l *Ledger) putRange(ctx context.Context, c cell[RangeRecord]) error {
	it, err := c.encode()
	if err != nil {
		return err
	}
	_, err = l.t.Put(ctx, it, c.item.Version)
	return err
}

// change is a compare-and-swap under the lease: it fails with ErrLeaseHeld once another owner has the range. It gives
// the record as it was written.
func (le *Lease) change(ctx context.Context, op string, fn func(*RangeRecord) error) (RangeRecord, error) {
	var last error
	var wrote []byte // by a write whose answer was lost
	for try := range attempts {
		le.l.backoff(ctx, try)
		c, err := le.l.rangeCell(ctx, le.id, le.Session, le.Range)
		if err != nil {
			return RangeRecord{}, err
		}
		if wrote != nil && bytes.Equal(wrote, c.item.Doc) {
			return c.Value, nil
		}
		if c.Value.Owner != le.Owner {
			return c.Value, fault.Newf(fault.Duplicate, op, "%w", ErrLeaseHeld)
		}
		if err := fn(&c.Value); err != nil {
			return c.Value, err
		}
		it, err := c.encode()
		if err != nil {
			return c.Value, err
		}
		if _, last = le.l.t.Put(ctx, it, c.item.Version); last == nil {
			return c.Value, nil
		}
		if !again(last) || ctx.Err() != nil {
			return c.Value, fault.Wrap(op, last)
		}
		if !sure(last) {
			wrote = it.Doc
		}
	}
	return RangeRecord{}, tooBusy(op, last)
}

// Renew extends the lease by its full length and gives its new end. A lease that has run out is not revived.
func (le *Lease) Renew(ctx context.Context) (time.Time, error) {
	const op = "state.Lease.Renew"
	r, err := le.change(ctx, op, func(r *RangeRecord) error {
		now := le.l.now()
		if !now.Before(r.Until) {
			return fault.Newf(fault.Duplicate, op, "the lease ran out: %w", ErrLeaseHeld)
		}
		r.Until = now.Add(le.l.set.Lease)
		return nil
	})
	return r.Until, err
}

// Release frees the range, keeps its turns, the bytes that were sent and what went wrong, and counts barren turns.
func (le *Lease) Release(ctx context.Context, received int, sent int64, f *Fault) error {
	_, err := le.change(ctx, "state.Lease.Release", func(r *RangeRecord) error {
		r.Bytes += sent
		r.Owner, r.Until, r.Fault = "", time.Time{}, f
		if received > 0 {
			r.Barren = 0
		} else {
			r.Barren++
		}
		return nil
	})
	return err
}

// BreakLeases frees every range of a session whatever its lease says. Only who knows that all holders are dead may call
// it: one machine at its start, which holds its data folder alone.
func (l *Ledger) BreakLeases(ctx context.Context, id string, session int) error {
	const op = "state.BreakLeases"
	records, err := l.Ranges(ctx, id, session)
	if err != nil {
		return err
	}
	for _, r := range records {
		if !r.Held(l.now()) {
			continue
		}
		c, err := l.rangeCell(ctx, id, session, r.Range)
		if err != nil {
			return err
		}
		c.Value.Owner, c.Value.Until = "", time.Time{}
		if err := l.putRange(ctx, c); err != nil && !isConflict(err) {
			return fault.Wrap(op, err)
		}
	}
	return nil
}

// Ranges reads the range records of a session.
func (l *Ledger) Ranges(ctx context.Context, id string, session int) ([]RangeRecord, error) {
	var out []RangeRecord
	err := l.each(ctx, table.Query{PK: "U#" + id, Prefix: fmt.Sprintf("RANGE#%d#", session)}, func(it table.Item) error {
		c, err := decode[RangeRecord](it)
		out = append(out, c.Value)
		return err
	})
	return out, err
}

// each walks all pages of a query.
func (l *Ledger) each(ctx context.Context, q table.Query, fn func(table.Item) error) error {
	for {
		items, next, err := l.page(ctx, q)
		if err != nil {
			return fault.Wrap("state.Query", err)
		}
		for _, it := range items {
			if err := fn(it); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		q.Page = next
	}
}

func (l *Ledger) page(ctx context.Context, q table.Query) (items []table.Item, next string, err error) {
	for range readTries {
		if items, next, err = l.t.Query(ctx, q); err == nil || !again(err) || ctx.Err() != nil {
			break
		}
	}
	return items, next, err
}

// chunk is at most 16 receipts, immutable, keyed by its lowest part.
type chunk struct {
	Receipts []upload.Receipt `json:"r"`
}

// MaxChunk is how many receipts one record holds.
const MaxChunk = 16

// AddReceipts saves receipts of a session, at most MaxChunk at a time. Adding the same again is harmless.
func (l *Ledger) AddReceipts(ctx context.Context, id string, session int, rs []upload.Receipt) error {
	if len(rs) == 0 {
		return nil
	}
	if len(rs) > MaxChunk {
		return fault.Newf(fault.Invalid, "state.AddReceipts", "%d receipts in one record, at most %d", len(rs), MaxChunk)
	}
	rs = append([]upload.Receipt(nil), rs...)
	sort.Slice(rs, func(i, j int) bool { return rs[i].Part < rs[j].Part })
	doc, err := json.Marshal(chunk{rs})
	if err != nil {
		return fault.Wrap("state.AddReceipts", err)
	}
	sk := fmt.Sprintf("RCPT#%d#%05d", session, rs[0].Part)
	for try := range attempts {
		l.backoff(ctx, try)
		it := table.Item{Key: table.Key{PK: "U#" + id, SK: sk}, Doc: doc}
		_, err = l.t.Put(ctx, it, table.Absent)
		if err == nil {
			return nil
		}
		if !again(err) || ctx.Err() != nil {
			return fault.Wrap("state.AddReceipts", err)
		}
		if !isConflict(err) {
			continue // the answer was lost: the second Put finds the chunk, and compares
		}
		have, gerr := get(ctx, l.t, it.Key)
		if gerr != nil {
			continue
		}
		if holds(have.Doc, rs) {
			return nil
		}
		// A part was sent twice and stands in another chunk already; both are kept, whatever their number.
		nth, nerr := l.newID()
		if nerr != nil {
			return nerr
		}
		sk = fmt.Sprintf("RCPT#%d#%05d#%s", session, rs[0].Part, nth)
	}
	return tooBusy("state.AddReceipts", err)
}

// holds says whether a stored chunk has all of rs.
func holds(doc json.RawMessage, rs []upload.Receipt) bool {
	var c chunk
	if json.Unmarshal(doc, &c) != nil {
		return false
	}
	for _, r := range rs {
		if !slices.Contains(c.Receipts, r) {
			return false
		}
	}
	return true
}

// Receipts reads the receipts of a session for parts first to last, by number. first has to be the first part of a
// range: a chunk is found by its lowest part, and holds parts of one range. Of a part that was received twice one
// receipt is given, with a checksum if there is one: both tell of the same bytes, since each part is a pinned read.
func (l *Ledger) Receipts(ctx context.Context, id string, session, first, last int) (map[int]upload.Receipt, error) {
	out := map[int]upload.Receipt{}
	prefix := fmt.Sprintf("RCPT#%d#", session)
	q := table.Query{PK: "U#" + id, From: fmt.Sprintf("%s%05d", prefix, first), To: fmt.Sprintf("%s%05d~", prefix, last)}
	err := l.each(ctx, q, func(it table.Item) error {
		var c chunk
		if err := json.Unmarshal(it.Doc, &c); err != nil {
			return fault.Newf(fault.Invalid, "state.Receipts", "record %s %s: %w", it.PK, it.SK, err)
		}
		for _, r := range c.Receipts {
			if have, ok := out[r.Part]; r.Part >= first && r.Part <= last && (!ok || have.Unsummed && !r.Unsummed) {
				out[r.Part] = r
			}
		}
		return nil
	})
	return out, err
}
