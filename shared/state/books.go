package state

import (
	"context"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Books is how far the walk through one bucket has come, and what it counted on the way.
type Books struct {
	Bucket    string         `json:"bucket"`
	After     string         `json:"after,omitempty"` // the last key of this walk
	Since     time.Time      `json:"since,omitzero"`  // when this walk began
	In        int            `json:"in"`
	Accounted int            `json:"accounted"`
	Reasons   map[string]int `json:"reasons,omitempty"`
	Last      *Balance       `json:"last,omitempty"` // of the last walk that came to the end
	item      table.Item
}

// Balance is the end of a walk.
type Balance struct {
	From      time.Time      `json:"from"`
	To        time.Time      `json:"to"`
	In        int            `json:"in"`
	Accounted int            `json:"accounted"`
	Reasons   map[string]int `json:"reasons,omitempty"`
}

func booksKey(bucket string) table.Key { return idKey("BOOKS#", bucket) }

// Books reads where the walk through a bucket stands; one that never began stands at its start.
func (l *Ledger) Books(ctx context.Context, bucket string) (Books, error) {
	c, err := open[Books](ctx, l.t, booksKey(bucket))
	if isAbsent(err) {
		return Books{Bucket: bucket, item: table.Item{Key: booksKey(bucket)}}, nil
	}
	b := c.Value
	b.item = c.item
	return b, fault.Wrap("state.Books", err)
}

// SaveBooks writes down how far a walk has come. False: another walk was faster, and this one's counts are not to be
// added to its.
func (l *Ledger) SaveBooks(ctx context.Context, b *Books) (bool, error) {
	it, err := cell[Books]{item: b.item, Value: *b}.encode()
	if err != nil {
		return false, err
	}
	v, err := l.t.Put(ctx, it, b.item.Version)
	if isConflict(err) {
		return false, nil
	}
	if err == nil {
		b.item = it
		b.item.Version = v
	}
	return err == nil, fault.Wrap("state.SaveBooks", err)
}

// Count adds one object to the walk.
func (b *Books) Count(reason string, accounted bool) {
	if b.Reasons == nil {
		b.Reasons = map[string]int{}
	}
	b.In++
	b.Reasons[reason]++
	if accounted {
		b.Accounted++
	}
}

// End closes the walk: its counts are the balance, and the next one starts over.
func (b *Books) End(now time.Time) {
	b.Last = &Balance{From: b.Since, To: now, In: b.In, Accounted: b.Accounted, Reasons: b.Reasons}
	b.After, b.In, b.Accounted, b.Reasons = "", 0, 0, nil
}
