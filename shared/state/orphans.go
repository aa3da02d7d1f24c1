package state

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// sessionPlace is where a session's record stands in DUE for as long as there is one: what a platform keeps open for us is
// never forgotten, nor is a secret kept that nobody needs, whatever became of the upload.
func sessionPlace(id string, n int, at time.Time) map[table.Index]table.Place {
	sk := stamp(at) + "#" + id + "/" + strconv.Itoa(n)
	return map[table.Index]table.Place{table.Due: {PK: string(SessQueue) + "#" + shardOf(id), SK: sk}}
}

// ParseSession is the inverse of what DueIDs gives of SessQueue: an upload's id and the number of a session.
func ParseSession(s string) (id string, n int, err error) {
	id, num, ok := strings.Cut(s, "/")
	if n, err = strconv.Atoi(num); !ok || err != nil || n < 1 {
		return "", 0, fault.New(fault.Invalid, "state.ParseSession", fmt.Sprintf("%q names no session", clip(s, 64)))
	}
	return id, n, nil
}

// SessionDone marks a session as completed: nothing is open at the platform any more, so nothing must ever be aborted
// there. Its record stays for those who look and publish; at says when the books look at it. One without a record is done.
func (l *Ledger) SessionDone(ctx context.Context, id string, n int, at time.Time) error {
	return l.changeSession(ctx, "state.SessionDone", id, n, at, func(s *sealed) { s.Done = true })
}

// LookAtSession puts off until when somebody looks at a session again.
func (l *Ledger) LookAtSession(ctx context.Context, id string, n int, at time.Time) error {
	return l.changeSession(ctx, "state.LookAtSession", id, n, at, func(*sealed) {})
}

func (l *Ledger) changeSession(ctx context.Context, op, id string, n int, at time.Time, fn func(*sealed)) error {
	var last error
	for try := range attempts {
		l.backoff(ctx, try)
		c, err := open[sealed](ctx, l.t, sessionKey(id, n))
		if isAbsent(err) {
			return nil
		}
		if err != nil {
			return fault.Wrap(op, err)
		}
		fn(&c.Value)
		it, err := c.encode()
		if err != nil {
			return err
		}
		it.Index = sessionPlace(id, n, at)
		if _, last = l.t.Put(ctx, it, c.item.Version); last == nil {
			return nil
		}
		if !again(last) || ctx.Err() != nil {
			return fault.Wrap(op, last)
		}
	}
	return tooBusy(op, last)
}

// SessionState says whether there is a record of session n, and whether that session was completed.
func (l *Ledger) SessionState(ctx context.Context, id string, n int) (there, done bool, err error) {
	c, err := open[sealed](ctx, l.t, sessionKey(id, n))
	if isAbsent(err) {
		return false, false, nil
	}
	return err == nil, c.Value.Done, fault.Wrap("state.SessionState", err)
}

// DropSessionRecord forgets the sealed session; nil if it is gone already.
func (l *Ledger) DropSessionRecord(ctx context.Context, id string, n int) error {
	return fault.Wrap("state.DropSessionRecord", l.t.Delete(ctx, sessionKey(id, n), table.AnyVersion))
}
