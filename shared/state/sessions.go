package state

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// sealed is a record whose content only the cipher can read.
type sealed struct {
	Box     []byte    `json:"box"`
	Serial  int64     `json:"serial"` // part of the associated data, so that an old box cannot stand in for a new one
	Expires time.Time `json:"expires,omitzero"`
}

// associated binds a box to its kind, record key and serial (design 4.5).
func associated(kind string, k table.Key, serial int64) []byte {
	return []byte(kind + "|" + k.PK + "|" + k.SK + "|" + strconv.FormatInt(serial, 10))
}

func sessionKey(id string, n int) table.Key {
	return table.Key{PK: "U#" + id, SK: fmt.Sprintf("SESS#%d", n)}
}

// PutSession seals and stores session n of an upload before the upload names it. What an earlier try left under that
// number is overwritten, but never the session that the upload works with: to an opener that comes so late, or whose
// generation is over, it is ErrSuperseded.
func (l *Ledger) PutSession(ctx context.Context, id string, n int, s upload.Session) error {
	const op = "state.PutSession"
	k := sessionKey(id, n)
	plain, err := json.Marshal(s)
	if err != nil {
		return fault.Wrap(op, err)
	}
	var last error
	for try := range attempts {
		l.backoff(ctx, try)
		meta, err := open[Upload](ctx, l.t, uploadKey(id))
		if err != nil {
			return fault.Wrap(op, err)
		}
		if meta.Value.Session >= n {
			return fault.Newf(fault.Duplicate, op, "upload %s has session %d already: %w", id, meta.Value.Session, ErrSuperseded)
		}
		c, err := open[sealed](ctx, l.t, k)
		if isAbsent(err) {
			c = cell[sealed]{item: table.Item{Key: k}}
		} else if err != nil {
			return fault.Wrap(op, err)
		}
		c.Value.Serial++
		c.Value.Expires = s.Expires
		if c.Value.Box, err = l.cipher.Seal(ctx, plain, associated("session", k, c.Value.Serial)); err != nil {
			return fault.Wrap(op, err)
		}
		it, err := c.encode()
		if err != nil {
			return err
		}
		if last = l.t.Transact(ctx, "", []table.Op{{Put: &it, If: c.item.Version}, {Check: &meta.item.Key, If: meta.item.Version}}); last == nil {
			return nil
		}
		if !again(last) || ctx.Err() != nil {
			return fault.Wrap(op, last)
		}
	}
	return tooBusy(op, last)
}

// Session opens session n of an upload.
func (l *Ledger) Session(ctx context.Context, id string, n int) (upload.Session, error) {
	const op = "state.Session"
	k := sessionKey(id, n)
	c, err := open[sealed](ctx, l.t, k)
	if err != nil {
		return upload.Session{}, fault.Wrap(op, err)
	}
	plain, err := l.cipher.Open(ctx, c.Value.Box, associated("session", k, c.Value.Serial))
	if err != nil {
		return upload.Session{}, fault.Wrap(op, err)
	}
	var s upload.Session
	if err := json.Unmarshal(plain, &s); err != nil {
		return s, fault.New(fault.Invalid, op, "the sealed session is unreadable")
	}
	return s, nil
}

// DropSessionRecord forgets the sealed session; nil if it is gone already.
func (l *Ledger) DropSessionRecord(ctx context.Context, id string, n int) error {
	return fault.Wrap("state.DropSessionRecord", l.t.Delete(ctx, sessionKey(id, n), table.AnyVersion))
}
