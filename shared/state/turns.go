package state

import (
	"context"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// Turn is when an upload may publish, as its due time, the pace of its account and those before it have it. It is an
// estimate, on the early side, until nobody is before it; RecordIntent decides.
type Turn struct {
	At    time.Time // never before its due time
	Ahead int       // uploads of the account that are due before it
	Quota bool      // a quota is why it is later than it is due
	Paced bool      // the account has a pace
}

// place is one upload in its account's queue, ordered by due time.
type place struct {
	Upload string    `json:"upload"`
	Due    time.Time `json:"due"`
	At     time.Time `json:"at"`              // its turn, when it last looked
	Ready  bool      `json:"ready,omitempty"` // its file is at the platform
}

const (
	turnPrefix = "TURN#"
	maxAhead   = 500 // places that are read; who has more before it has time to look again
	// turnStep is how far apart publishes of one account are expected to be at least.
	turnStep = 2 * time.Second
	// turnLate is how long who comes next waits for one whose turn has come and who is not done yet, turnGrace how long
	// such a one holds others up at all: it may be dead.
	turnLate  = 15 * time.Second
	turnGrace = 2 * time.Minute
	turnKept  = 30 * day // then a place that nobody took away is dropped
)

func turnKey(a upload.Account, due time.Time, id string) table.Key {
	return table.Key{PK: "A#" + accountPK(a), SK: turnPrefix + stamp(due) + "#" + id}
}

// DueAt is when the upload is due: its publish_at, else since it was taken in.
func (u *Upload) DueAt() time.Time {
	if u.PublishAt.IsZero() {
		return u.Created
	}
	return u.PublishAt
}

// TakeTurn says when the upload's turn is, and keeps its place in the account's queue. Before its file is at the platform
// everybody who is due before it counts, afterwards only those whose files are there, too: nobody who is ready waits for
// one who is not. An account without a pace has no queue; then only a quota that the platform named counts.
func (l *Ledger) TakeTurn(ctx context.Context, u *Upload) (Turn, error) {
	const op = "state.TakeTurn"
	p, now := l.set.PaceOf(u.Account), l.now()
	b, err := l.readBucket(ctx, u.Account)
	if err != nil {
		return Turn{}, err
	}
	mine := place{Upload: u.ID, Due: u.DueAt(), Ready: u.Asset != nil}
	if !p.limits() {
		at, quota := b.Value.at(p, latest(now, mine.Due))
		return Turn{At: at, Quota: quota}, l.LeaveTurn(ctx, u)
	}
	ahead, have, err := l.ahead(ctx, u.Account, mine)
	if err != nil {
		return Turn{}, err
	}
	t := b.Value.turn(p, now, mine, ahead)
	mine.At = latest(t.At, u.NotBefore)
	if u.Turn.Equal(mine.Due) && have != nil && have.Ready == mine.Ready && have.At.Sub(mine.At).Abs() < time.Second {
		return t, nil
	}
	it, err := cell[place]{item: table.Item{Key: turnKey(u.Account, mine.Due, u.ID)}, Value: mine}.encode()
	if err != nil {
		return t, err
	}
	if u.Turn.Equal(mine.Due) {
		_, err = l.t.Put(ctx, it, table.AnyVersion)
		return t, fault.Wrap(op, err)
	}
	var old time.Time
	changed, err := l.Update(ctx, u.ID, u.Gen, func(u *Upload) error {
		old, u.Turn = u.Turn, mine.Due
		return nil
	}, func(Upload) ([]table.Op, error) {
		ops := []table.Op{{Put: &it, If: table.AnyVersion}}
		if !old.IsZero() && !old.Equal(mine.Due) {
			k := turnKey(u.Account, old, u.ID)
			ops = append(ops, table.Op{Delete: &k, If: table.AnyVersion})
		}
		return ops, nil
	})
	if err == nil {
		*u = changed
	}
	return t, err
}

// LeaveTurn gives the upload's place up: it waits for something of its own, or for nothing.
func (l *Ledger) LeaveTurn(ctx context.Context, u *Upload) error {
	if u.Turn.IsZero() {
		return nil
	}
	var old time.Time
	changed, err := l.Update(ctx, u.ID, u.Gen, func(u *Upload) error { old, u.Turn = u.Turn, time.Time{}; return nil },
		func(u Upload) ([]table.Op, error) { return leaveOps(&u, old), nil })
	if err == nil {
		*u = changed
	}
	return err
}

// leaveOps takes the place under a due time away.
func leaveOps(u *Upload, due time.Time) []table.Op {
	if due.IsZero() {
		return nil
	}
	k := turnKey(u.Account, due, u.ID)
	return []table.Op{{Delete: &k, If: table.AnyVersion}}
}

// ahead reads the places before mine that count, and mine as it stands there.
func (l *Ledger) ahead(ctx context.Context, a upload.Account, mine place) (before []place, have *place, err error) {
	k := turnKey(a, mine.Due, mine.Upload)
	q := table.Query{PK: k.PK, From: turnPrefix, To: k.SK, Limit: maxAhead}
	for n := 0; n < maxAhead; {
		items, next, err := l.query(ctx, q)
		if err != nil {
			return nil, nil, fault.Wrap("state.TakeTurn", err)
		}
		for _, it := range items {
			c, err := decode[place](it)
			if err != nil {
				return nil, nil, err
			}
			switch x := c.Value; {
			case it.SK == k.SK:
				have = &x
			case l.now().After(x.At.Add(turnKept)):
				if err := l.t.Delete(ctx, it.Key, it.Version); err != nil && !isConflict(err) {
					return nil, nil, fault.Wrap("state.TakeTurn", err)
				}
			case l.now().After(x.At.Add(turnGrace)), mine.Ready && !x.Ready:
			default:
				before = append(before, x)
			}
		}
		n += len(items)
		if q.Page = next; next == "" {
			break
		}
	}
	return before, have, nil
}

func (l *Ledger) query(ctx context.Context, q table.Query) (items []table.Item, next string, err error) {
	for range readTries {
		if items, next, err = l.t.Query(ctx, q); err == nil || !again(err) || ctx.Err() != nil {
			break
		}
	}
	return items, next, err
}

// turn lets those before mine go first, one after the other, as soon as each may.
func (b *bucket) turn(p Pace, now time.Time, mine place, before []place) Turn {
	sim := bucket{Used: slices.Clone(b.Used), Next: b.Next, Full: b.Full}
	gap := max(p.GapMin, p.GapMax/4, turnStep)
	q := p
	q.GapMax = max(q.GapMax, turnStep) // so that the step between two counts
	quota := false
	for i, x := range before {
		from := latest(now, x.At)
		if !x.At.After(now) {
			from = now.Add(turnLate)
		}
		pace := q
		if i == 0 {
			pace = p
		}
		_, held := sim.at(pace, latest(now, x.Due))
		quota = quota || held
		t, _ := sim.at(pace, from)
		sim.take(p, t, gap)
	}
	if len(before) == 0 {
		q = p
	}
	at, held := sim.at(q, latest(now, mine.Due))
	return Turn{At: at, Ahead: len(before), Quota: quota || held, Paced: true}
}
