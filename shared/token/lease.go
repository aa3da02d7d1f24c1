package token

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// leaseDoc is the lease on renewing one account. It ends by our clock, never by the table's expiry (design 3.2). It makes
// double renewals rare; what makes them harmless is that the save is conditional.
type leaseDoc struct {
	Owner string    `json:"owner,omitempty"`
	Fence int64     `json:"fence"` // grows with every taking
	Until time.Time `json:"until,omitzero"`
	// Cool: a renewal failed; nobody asks the platform again before. It keeps fifty callers from asking one after the
	// other for what was just refused.
	Cool time.Time `json:"cool,omitzero"`
	Code string    `json:"code,omitempty"` // the platform's, of that failure
}

// skew is how far ahead a lease may end and still be believed: beyond it, it was written under a clock that was wrong,
// and would lock the account for who knows how long.
const skew = time.Hour

// lease is one that we hold.
type lease struct {
	t   table.Table
	it  table.Item
	doc leaseDoc
}

// takeLease takes the lease if it is free. If not, l is nil and rest is how long it may still be somebody else's; cooling
// says that it is nobody's but the platform was asked a moment ago.
func takeLease(ctx context.Context, t table.Table, k table.Key, owner string, now time.Time, life time.Duration) (l *lease, rest time.Duration, cooling bool, err error) {
	it, err := t.Get(ctx, k)
	if errors.Is(err, table.ErrNotFound) {
		it, err = table.Item{Key: k}, nil
	}
	if err != nil {
		return nil, 0, false, err
	}
	var d leaseDoc
	if len(it.Doc) > 0 {
		if err := json.Unmarshal(it.Doc, &d); err != nil {
			return nil, 0, false, fault.Newf(fault.Permanent, "token.lease", "the lease %s is not readable: %w", k.PK, err)
		}
	}
	if rest := d.Until.Sub(now); rest > 0 && rest <= skew {
		return nil, rest, false, nil
	}
	if rest := d.Cool.Sub(now); rest > 0 && rest <= skew {
		return nil, rest, true, nil
	}
	l = &lease{t: t, it: it, doc: leaseDoc{Owner: owner, Fence: d.Fence + 1, Until: now.Add(life)}}
	if err := l.put(ctx); err != nil {
		if errors.Is(err, table.ErrConflict) {
			return nil, life, false, nil // somebody was first
		}
		return nil, 0, false, err
	}
	return l, 0, false, nil
}

// release gives the lease back, and says until when nobody should ask again. A lease that is somebody else's by now is
// left alone; one that cannot be given back ends by itself.
func (l *lease) release(ctx context.Context, cool time.Time, code string) {
	l.doc.Owner, l.doc.Until, l.doc.Cool, l.doc.Code = "", time.Time{}, cool, code
	_ = l.put(ctx)
}

func (l *lease) put(ctx context.Context) error {
	doc, err := json.Marshal(l.doc)
	if err != nil {
		return fault.Wrap("token.lease", err)
	}
	l.it.Doc = doc
	v, err := l.t.Put(ctx, l.it, l.it.Version)
	if err == nil {
		l.it.Version = v
	}
	return err
}
