package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Park is an execution that waits for a wake.
type Park struct {
	Upload string
	For    string // open, watch
	Gen    int
	Due    time.Time
	Slot   time.Time // waiting for a transfer grant since; zero = no
	Token  string    // the task token; a secret
	item   table.Item
}

// parkRecord is Park at rest: the token sealed. Without a box nobody waits; the record stays for what it has seen.
type parkRecord struct {
	For    string    `json:"for"`
	Gen    int       `json:"gen"`
	Due    time.Time `json:"due"`
	Slot   time.Time `json:"slot,omitzero"`
	Box    []byte    `json:"box,omitempty"`
	Serial int64     `json:"serial"`
	Seen   []string  `json:"seen,omitempty"` // marks of this generation's tokens, the newest last
}

// maxSeen is how many tokens of a generation are remembered. A repeated delivery of an invocation comes within minutes,
// not dozens of parks later.
const maxSeen = 64

// markOf tells tokens apart without keeping them: they are random, so half a digest gives nothing away.
func markOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:8])
}

// ErrStale: this very token was parked before, and has been woken or followed by another.
var ErrStale = errors.New("this park is over")

func parkKey(id string) table.Key { return table.Key{PK: "U#" + id, SK: "PARK"} }

// SlotQueue is the partition of the DUE index where uploads wait for a grant, oldest first.
const SlotQueue = "slot#0"

// PutPark stores a park, its token sealed, over an older one; over one of a later generation it is ErrSuperseded. The same
// token again changes nothing while it is the one that waits; once it was dropped, or another came after it, it is
// ErrStale: a repeated delivery of an old park must not hide the token that really waits.
func (l *Ledger) PutPark(ctx context.Context, p Park) error {
	const op = "state.PutPark"
	k, mark := parkKey(p.Upload), markOf(p.Token)
	var last error
	for try := range attempts {
		l.backoff(ctx, try)
		c, err := open[parkRecord](ctx, l.t, k)
		if isAbsent(err) {
			c = cell[parkRecord]{item: table.Item{Key: k}}
		} else if err != nil {
			return fault.Wrap(op, err)
		}
		if c.Value.Gen > p.Gen {
			return fault.Newf(fault.Duplicate, op, "%w", ErrSuperseded)
		}
		var seen []string
		if c.Value.Gen == p.Gen {
			seen = c.Value.Seen
		}
		if i := slices.Index(seen, mark); i >= 0 {
			if i == len(seen)-1 && len(c.Value.Box) > 0 {
				return nil // a repeat, or our own write whose answer was lost
			}
			return fault.Newf(fault.Duplicate, op, "%w", ErrStale)
		}
		seen = append(slices.Clone(seen[max(0, len(seen)-maxSeen+1):]), mark)
		c.Value = parkRecord{For: p.For, Gen: p.Gen, Due: p.Due, Slot: p.Slot, Serial: c.Value.Serial + 1, Seen: seen}
		if c.Value.Box, err = l.cipher.Seal(ctx, []byte(p.Token), associated("park", k, c.Value.Serial)); err != nil {
			return fault.Wrap(op, err)
		}
		it, err := c.encode()
		if err != nil {
			return err
		}
		place := table.Place{PK: "park#" + shardOf(p.Upload), SK: stamp(p.Due) + "#" + p.Upload}
		if !p.Slot.IsZero() {
			place = table.Place{PK: SlotQueue, SK: stamp(p.Slot) + "#" + p.Upload}
		}
		it.Index = map[table.Index]table.Place{table.Due: place}
		if _, last = l.t.Put(ctx, it, c.item.Version); last == nil {
			return nil
		}
		if !again(last) || ctx.Err() != nil {
			return fault.Wrap(op, last)
		}
	}
	return tooBusy(op, last)
}

// Park reads the upload's park, strongly consistent; ok is false when it has none.
func (l *Ledger) Park(ctx context.Context, id string) (p Park, ok bool, err error) {
	const op = "state.Park"
	k := parkKey(id)
	c, err := open[parkRecord](ctx, l.t, k)
	if isAbsent(err) || err == nil && len(c.Value.Box) == 0 {
		return Park{}, false, nil
	}
	if err != nil {
		return Park{}, false, fault.Wrap(op, err)
	}
	tok, err := l.cipher.Open(ctx, c.Value.Box, associated("park", k, c.Value.Serial))
	if err != nil {
		return Park{}, false, fault.Wrap(op, err)
	}
	v := c.Value
	return Park{Upload: id, For: v.For, Gen: v.Gen, Due: v.Due, Slot: v.Slot, Token: string(tok), item: c.item}, true, nil
}

// DropPark removes the park that was read, token and place; a newer one stays. That its token was there is remembered.
func (l *Ledger) DropPark(ctx context.Context, p Park) error {
	const op = "state.DropPark"
	c, err := decode[parkRecord](p.item)
	if err != nil {
		return fault.Wrap(op, err)
	}
	c.Value.Box, c.Value.Due, c.Value.Slot = nil, time.Time{}, time.Time{}
	it, err := c.encode()
	if err != nil {
		return err
	}
	it.Index = nil
	if _, err = l.t.Put(ctx, it, p.item.Version); isConflict(err) {
		return nil
	}
	return fault.Wrap(op, err)
}

// Queue names what the due sweep walks.
type Queue string

// The queues of the DUE index.
const (
	ParkQueue   Queue = "park"
	UploadQueue Queue = "upload"
	PubQueue    Queue = "pub"
	OutQueue    Queue = "out"
	SessQueue   Queue = "sess" // open sessions, by when somebody looks whether they are still wanted
)

// DueIDs lists what is due in one queue until a moment, at most limit ids, the oldest of every shard before the second
// oldest of any: records that stay due since they cannot be worked on do not keep other shards from their turn. The
// index may lag: look at each record again.
func (l *Ledger) DueIDs(ctx context.Context, q Queue, until time.Time, limit int) ([]string, error) {
	lists := make([][]string, shards)
	n := 0
	for s := range lists {
		var err error
		if lists[s], err = l.dueIn(ctx, string(q)+"#"+twoDigits(s), until, limit); err != nil {
			return nil, err
		}
		n = max(n, len(lists[s]))
	}
	var ids []string
	for i := range n {
		for _, list := range lists {
			if i < len(list) && len(ids) < limit {
				ids = append(ids, list[i])
			}
		}
	}
	return ids, nil
}

// SlotWaiters lists who waits for a grant, oldest first, with the place in the queue.
func (l *Ledger) SlotWaiters(ctx context.Context, limit int) ([]string, error) {
	return l.dueIn(ctx, SlotQueue, l.now().Add(time.Hour), limit)
}

func (l *Ledger) dueIn(ctx context.Context, pk string, until time.Time, limit int) ([]string, error) {
	places, err := l.placesIn(ctx, table.Due, pk, "", stamp(until)+"~", limit)
	return idsOf(places), err
}

// placesIn walks one partition of an index, in order of its sort values, at most limit of them.
func (l *Ledger) placesIn(ctx context.Context, ix table.Index, pk, from, to string, limit int) ([]string, error) {
	var places []string
	q := table.IndexQuery{Index: ix, PK: pk, From: from, To: to, Limit: min(limit, 100)}
	for len(places) < limit {
		hits, next, err := l.hits(ctx, q)
		if err != nil {
			return places, fault.Wrap("state.index", err)
		}
		for _, h := range hits[:min(len(hits), limit-len(places))] {
			places = append(places, h.Place)
		}
		if q.Page = next; next == "" {
			break
		}
	}
	return places, nil
}

func (l *Ledger) hits(ctx context.Context, q table.IndexQuery) (hits []table.Hit, next string, err error) {
	for range readTries {
		if hits, next, err = l.t.QueryIndex(ctx, q); err == nil || !again(err) || ctx.Err() != nil {
			break
		}
	}
	return hits, next, err
}

// idsOf takes the ids out of sort values, which all end in "#id".
func idsOf(places []string) []string {
	ids := make([]string, 0, len(places))
	for _, p := range places {
		ids = append(ids, p[strings.LastIndexByte(p, '#')+1:])
	}
	return ids
}

func twoDigits(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }
