package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

func uploadKey(id string) table.Key { return table.Key{PK: "U#" + id, SK: "META"} }

// index says where an upload stands in the indexes. It is in DUE as long as somebody still has to look at it, so that
// no upload can be forgotten: at Due, if that is set, else when its generation would have been dead for long.
func (l *Ledger) index(u *Upload) map[table.Index]table.Place {
	ix := map[table.Index]table.Place{
		table.List: listPlace("U", u.ID, u.Created),
		table.Acct: {PK: "A#" + string(u.Account), SK: string(u.Status) + "#" + stamp(u.Created) + "#" + u.ID},
	}
	if u.Status.Terminal() && u.Settled && u.Grant == nil {
		return ix
	}
	due := u.GenAt.Add(l.set.Watchdog)
	if !u.Due.IsZero() {
		due = u.Due
	}
	if u.Grant != nil && u.Grant.Expires.Before(due) {
		due = u.Grant.Expires
	}
	ix[table.Due] = table.Place{PK: "upload#" + shardOf(u.ID), SK: stamp(due) + "#" + u.ID}
	return ix
}

// CreateUpload records a new upload in WAITING, generation 1, due now. The upload that is there already is returned
// with a Duplicate fault: starting twice is safe.
func (l *Ledger) CreateUpload(ctx context.Context, u Upload) (Upload, error) {
	now := l.now()
	u.Status, u.Gen, u.GenAt, u.Created, u.Due = upload.Waiting, 1, now, now, now
	it, err := cell[Upload]{item: table.Item{Key: uploadKey(u.ID)}, Value: u}.encode()
	if err != nil {
		return Upload{}, err
	}
	it.Index = l.index(&u)
	unsure, err := l.create(ctx, it)
	if err == nil {
		return u, nil
	}
	if !isConflict(err) {
		return Upload{}, fault.Wrap("state.CreateUpload", err)
	}
	have, gerr := open[Upload](ctx, l.t, it.Key)
	if gerr != nil {
		return Upload{}, fault.Wrap("state.CreateUpload", gerr)
	}
	if unsure && bytes.Equal(have.item.Doc, it.Doc) {
		return have.Value, nil // ours: the first answer was lost
	}
	return have.Value, fault.Newf(fault.Duplicate, "state.CreateUpload", "upload %s exists: %w", u.ID, err)
}

// create puts a new item, once more when the answer was lost. unsure says that one was: what is there then may be ours.
func (l *Ledger) create(ctx context.Context, it table.Item) (unsure bool, err error) {
	for try := range readTries {
		l.backoff(ctx, try)
		if _, err = l.t.Put(ctx, it, table.Absent); err == nil || isConflict(err) || !again(err) || ctx.Err() != nil {
			break
		}
		unsure = unsure || !sure(err)
	}
	return unsure, err
}

// Upload reads one upload, strongly consistent.
func (l *Ledger) Upload(ctx context.Context, id string) (Upload, error) {
	c, err := open[Upload](ctx, l.t, uploadKey(id))
	if err != nil {
		return Upload{}, fault.Wrap("state.Upload", fmt.Errorf("upload %s: %w", clip(id, 64), err))
	}
	return c.Value, nil
}

// AnyGen lets Update work on whatever generation there is.
const AnyGen = 0

// errSame ends an Update without a write.
var errSame = errors.New("nothing to write")

// Update changes an upload by compare-and-swap: fn may run several times, each time on the newest record. gen must be
// the upload's generation, else ErrSuperseded (AnyGen: not checked). fn's error ends it unwritten. ops, if given, makes
// further operations of the same transaction from the record about to be written.
//
// When the answer of a write is lost, the record is read again and tells whether the write was done (Upload.Writes), so
// that fn takes effect once; only if maxWrites other writers came between could it run again. An upload that leaves a
// status in which it was settled, or that an earlier step of a generation that is over touches, stays due.
func (l *Ledger) Update(ctx context.Context, id string, gen int, fn func(*Upload) error, ops ...func(Upload) ([]table.Op, error)) (Upload, error) {
	const op = "state.Update"
	mine, err := l.newID()
	if err != nil {
		return Upload{}, err
	}
	var last error
	for try := range attempts {
		l.backoff(ctx, try)
		c, err := open[Upload](ctx, l.t, uploadKey(id))
		if err != nil {
			if again(err) && ctx.Err() == nil {
				if last == nil || sure(last) {
					last = err
				}
				continue
			}
			return Upload{}, fault.Wrap(op, fmt.Errorf("upload %s: %w", clip(id, 64), err))
		}
		if last != nil && slices.Contains(c.Value.Writes, mine) {
			return c.Value, nil // done, and the answer was lost
		}
		if gen != AnyGen && c.Value.Gen != gen {
			return c.Value, fault.Newf(fault.Duplicate, op, "upload %s is in generation %d, not %d: %w", id, c.Value.Gen, gen, ErrSuperseded)
		}
		err = l.tryUpdate(ctx, &c, mine, fn, ops)
		if err == nil || errors.Is(err, errSame) {
			return c.Value, nil
		}
		var own *fnError
		if errors.As(err, &own) {
			return c.Value, own.error
		}
		if !again(err) || ctx.Err() != nil {
			return c.Value, fault.Wrap(op, err)
		}
		last = err
	}
	return Upload{}, tooBusy(op, last)
}

// fnError marks an error as fn's own, which ends the loop.
type fnError struct{ error }

// maxWrites is how many write ids an upload remembers. Ranges never write it, so its writers at one time are few.
const maxWrites = 4

func (l *Ledger) tryUpdate(ctx context.Context, c *cell[Upload], id string, fn func(*Upload) error, more []func(Upload) ([]table.Op, error)) error {
	was := *c
	before, err := was.encode()
	if err != nil {
		return &fnError{err}
	}
	if err := fn(&c.Value); err != nil {
		return &fnError{err}
	}
	l.keepDue(&was.Value, &c.Value)
	same, err := c.encode()
	if err != nil {
		return &fnError{err}
	}
	index := l.index(&c.Value)
	unchanged := string(before.Doc) == string(same.Doc) && reflect.DeepEqual(was.item.Index, index)
	c.Value.Writes = append(append([]string(nil), c.Value.Writes[max(0, len(c.Value.Writes)-maxWrites+1):]...), id)
	it, err := c.encode()
	if err != nil {
		return &fnError{err}
	}
	it.Index = index
	var ops []table.Op
	for _, f := range more {
		o, err := f(c.Value)
		if err != nil {
			return &fnError{err}
		}
		ops = append(ops, o...)
	}
	if len(ops) == 0 {
		if unchanged {
			c.Value = was.Value
			return errSame
		}
		_, err = l.t.Put(ctx, it, c.item.Version)
		return err
	}
	return l.t.Transact(ctx, "", append([]table.Op{{Put: &it, If: c.item.Version}}, ops...))
}

// keepDue makes sure that nobody has to remember to start what has no execution any more: an upload that leaves a
// status in which it was settled (a late answer, a person's decision) is due at once, and one whose generation is over
// stays due when a straggler of that generation writes.
func (l *Ledger) keepDue(was, is *Upload) {
	if is.Gen != was.Gen || !is.Due.IsZero() {
		return
	}
	switch {
	case was.Settled && was.Status.Terminal() && is.Status != was.Status:
		is.Settled, is.Queued, is.Due = false, true, l.now()
	case was.Queued && is.Queued:
		is.Due = was.Due
	}
}

// Advance starts the next generation: gen + 1, due at `at`, counts at zero, the open grant given back. from must be the
// generation that the caller saw (AnyGen: whatever it is). The caller then starts the execution; if that is lost, the
// sweep does it.
func (l *Ledger) Advance(ctx context.Context, id string, from int, at time.Time, fn func(*Upload) error) (Upload, error) {
	return l.updateWithGrant(ctx, id, from, func(u *Upload) error {
		if fn != nil {
			if err := fn(u); err != nil {
				return err
			}
		}
		u.Gen++
		u.GenAt, u.Due, u.Started, u.Settled, u.Queued = l.now(), at, false, false, false
		u.Counts, u.GenStartAt, u.NextAt = Counts{}, u.Progress, time.Time{}
		return nil
	})
}

// Uploads reads several uploads by id, in that order; one that is missing is left out.
func (l *Ledger) Uploads(ctx context.Context, ids []string) ([]Upload, error) {
	out := make([]Upload, 0, len(ids))
	for _, id := range ids {
		u, err := l.Upload(ctx, id)
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// Log adds a line to the upload's timeline.
func (l *Ledger) Log(ctx context.Context, id string, e Event) error {
	eid, err := l.newID()
	if err != nil {
		return err
	}
	if e.At.IsZero() {
		e.At = l.now()
	}
	e.Text = clip(e.Text, maxText)
	it, err := cell[Event]{item: table.Item{Key: table.Key{PK: "U#" + id, SK: "EV#" + eid}}, Value: e}.encode()
	if err != nil {
		return err
	}
	if _, err := l.t.Put(ctx, it, table.Absent); err != nil {
		return fault.Wrap("state.Log", err)
	}
	return nil
}

// Timeline reads the upload's events, oldest first, at most limit (0 = a page).
func (l *Ledger) Timeline(ctx context.Context, id string, limit int) ([]Event, error) {
	items, _, err := l.t.Query(ctx, table.Query{PK: "U#" + id, Prefix: "EV#", Limit: limit})
	if err != nil {
		return nil, fault.Wrap("state.Timeline", err)
	}
	var out []Event
	for _, it := range items {
		c, err := decode[Event](it)
		if err != nil {
			return nil, err
		}
		out = append(out, c.Value)
	}
	return out, nil
}
