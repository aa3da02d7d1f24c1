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
	Done    bool      `json:"done,omitempty"` // completed: nothing is open at the platform any more

	Renewer string    `json:"renewer,omitempty"` // who renews the credentials in it just now
	Until   time.Time `json:"until,omitzero"`    // end of that lease
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
		c.Value.Expires, c.Value.Done = s.Expires, false
		if c.Value.Box, err = l.cipher.Seal(ctx, plain, associated("session", k, c.Value.Serial)); err != nil {
			return fault.Wrap(op, err)
		}
		it, err := c.encode()
		if err != nil {
			return err
		}
		it.Index = sessionPlace(id, n, l.now())
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
	s, _, err := l.SessionSerial(ctx, id, n)
	return s, err
}

// SessionSerial is Session with the record's serial: whoever renews the session's credentials names what he has seen.
func (l *Ledger) SessionSerial(ctx context.Context, id string, n int) (upload.Session, int64, error) {
	c, err := open[sealed](ctx, l.t, sessionKey(id, n))
	if err != nil {
		return upload.Session{}, 0, fault.Wrap("state.Session", err)
	}
	s, err := l.unseal(ctx, c)
	return s, c.Value.Serial, err
}

func (l *Ledger) unseal(ctx context.Context, c cell[sealed]) (upload.Session, error) {
	const op = "state.Session"
	plain, err := l.cipher.Open(ctx, c.Value.Box, associated("session", c.item.Key, c.Value.Serial))
	if err != nil {
		return upload.Session{}, fault.Wrap(op, err)
	}
	var s upload.Session
	if err := json.Unmarshal(plain, &s); err != nil {
		return s, fault.New(fault.Invalid, op, "the sealed session is unreadable")
	}
	return s, nil
}

const (
	renewLease = 30 * time.Second // how long one may take to renew a session's credentials
	renewPoll  = time.Second      // how soon those who wait for it look again
)

// RenewSession lets fn renew the credentials of session n: one at a time over all processes, and only if nobody has
// done so since serial seen. The new session is saved, under a context that survives cancellation, before it is given
// away (design 3.1, 4.5). While another renews, it is ErrRenewing in a Retryable fault with a delay.
func (l *Ledger) RenewSession(ctx context.Context, id string, n int, seen int64, fn func(context.Context, upload.Session) (upload.Session, error)) (upload.Session, int64, error) {
	return l.ChangeSession(ctx, id, n, seen, renewLease, fn)
}

// ChangeSession is RenewSession for any change that the platform makes of a session, with a lease as long as that may take.
func (l *Ledger) ChangeSession(ctx context.Context, id string, n int, seen int64, lease time.Duration, fn func(context.Context, upload.Session) (upload.Session, error)) (upload.Session, int64, error) {
	const op = "state.ChangeSession"
	owner, err := l.newID()
	if err != nil {
		return upload.Session{}, 0, err
	}
	var last error
	for try := range attempts {
		l.backoff(ctx, try)
		c, err := open[sealed](ctx, l.t, sessionKey(id, n))
		if err != nil {
			return upload.Session{}, 0, fault.Wrap(op, err)
		}
		if c.Value.Serial > seen {
			s, err := l.unseal(ctx, c)
			return s, c.Value.Serial, err
		}
		now := l.now()
		if c.Value.Renewer != "" && c.Value.Renewer != owner && now.Before(c.Value.Until) {
			return upload.Session{}, 0, &fault.Error{Kind: fault.Retryable, Op: op, After: min(renewPoll, c.Value.Until.Sub(now)), Err: ErrRenewing}
		}
		c.Value.Renewer, c.Value.Until = owner, now.Add(lease)
		if last = l.putSealed(ctx, &c); last == nil {
			return l.renewHeld(ctx, c, fn)
		}
		if !again(last) || ctx.Err() != nil {
			return upload.Session{}, 0, fault.Wrap(op, last)
		}
	}
	return upload.Session{}, 0, tooBusy(op, last)
}

func (l *Ledger) putSealed(ctx context.Context, c *cell[sealed]) error {
	it, err := c.encode()
	if err != nil {
		return err
	}
	v, err := l.t.Put(ctx, it, c.item.Version)
	if err == nil {
		c.item = it
		c.item.Version = v
	}
	return err
}

// renewHeld renews under the lease that c holds.
func (l *Ledger) renewHeld(ctx context.Context, c cell[sealed], fn func(context.Context, upload.Session) (upload.Session, error)) (upload.Session, int64, error) {
	const op = "state.RenewSession"
	old, err := l.unseal(ctx, c)
	if err != nil {
		return old, 0, err
	}
	fresh, err := fn(ctx, old)
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	owner := c.Value.Renewer
	c.Value.Renewer, c.Value.Until = "", time.Time{}
	if err != nil {
		_ = l.putSealed(keep, &c) // or the lease ends by itself
		return old, 0, fault.Wrap(op, err)
	}
	plain, err := json.Marshal(fresh)
	if err != nil {
		return old, 0, fault.Wrap(op, err)
	}
	c.Value.Serial++
	c.Value.Expires = fresh.Expires
	if c.Value.Box, err = l.cipher.Seal(keep, plain, associated("session", c.item.Key, c.Value.Serial)); err != nil {
		return old, 0, fault.Wrap(op, err)
	}
	for try := range attempts {
		l.backoff(keep, try)
		if err = l.putSealed(keep, &c); err == nil {
			return fresh, c.Value.Serial, nil
		}
		if !again(err) {
			break
		}
		// The answer was lost, or another took the lease over: what stands there now tells.
		have, gerr := open[sealed](keep, l.t, c.item.Key)
		if gerr != nil {
			continue
		}
		if have.Value.Serial >= c.Value.Serial {
			s, uerr := l.unseal(keep, have)
			return s, have.Value.Serial, uerr
		}
		if have.Value.Renewer != owner {
			break
		}
		c.item.Version = have.item.Version
	}
	return old, 0, fault.Wrap(op, err)
}
