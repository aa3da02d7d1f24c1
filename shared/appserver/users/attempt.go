package users

import (
	"context"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// How attempts are delayed. What is refused is counted nowhere, so nobody can push the next try further away.
//
//   - One user from one address: four tries at once, then 2 s, doubling to 15 min.
//   - One address, over all users: 30 tries at once, then 1 s, doubling to 5 min. An address from which that user has
//     logged in during the last 30 days is not asked: who shares a network with an attacker still gets in.
//   - One user, from everywhere: never refused, since anybody could keep him out. After 100 failures in an hour each
//     further address that he did not log in from before has one try, then 1 min, doubling to 15 min.
//
// After an hour without a try the count of an address starts again.
var (
	pairPace   = pace{free: 4, base: 2 * time.Second, most: 15 * time.Minute}
	strictPace = pace{free: 1, base: time.Minute, most: 15 * time.Minute}
	sourcePace = pace{free: 30, base: time.Second, most: 5 * time.Minute}
)

const (
	forgetAfter  = time.Hour
	knownFor     = 30 * 24 * time.Hour
	userWindow   = time.Hour
	userFailures = 100 // in a window; more is an attack
)

type pace struct {
	free       int
	base, most time.Duration
}

// delay is the wait after try n (from 1).
func (p pace) delay(n int) time.Duration {
	if n < p.free {
		return 0
	}
	d := p.base
	for i := p.free; i < n && d < p.most; i++ {
		d *= 2
	}
	return min(d, p.most)
}

// tryDoc counts tries that were not followed by a success.
type tryDoc struct {
	Fails int       `json:"fails,omitempty"`
	Last  time.Time `json:"last,omitzero"`
	Known time.Time `json:"known,omitzero"` // until then: the user logged in from here
}

// wait is how long the next try has to.
func (d tryDoc) wait(p pace, now time.Time) time.Duration {
	if d.Fails == 0 || now.Sub(d.Last) > forgetAfter {
		return 0
	}
	return d.Last.Add(p.delay(d.Fails)).Sub(now)
}

func (d *tryDoc) bump(now time.Time) {
	if now.Sub(d.Last) > forgetAfter {
		d.Fails = 0
	}
	d.Fails, d.Last = min(d.Fails+1, 1000), now
}

func (d tryDoc) expires() time.Time {
	e := d.Last.Add(2 * forgetAfter)
	if d.Known.After(e) {
		e = d.Known
	}
	return e
}

// ticket is an attempt that was let through, and counted.
type ticket struct {
	pair, source, user table.Key
	sourced            bool // the try was counted against the address
}

func (s *Store) ticket(canon, from string) ticket {
	src := s.addr.Key(from)
	who := s.addr.mac("try", canon)
	window := s.now().Unix() / int64(userWindow/time.Second)
	return ticket{
		pair:   table.Key{PK: "TRY#PAIR#" + s.addr.mac("pair", who+src), SK: "-"},
		source: table.Key{PK: "TRY#ADDR#" + src, SK: "-"},
		user:   table.Key{PK: "TRY#USER#" + who, SK: fmt.Sprint(window)},
	}
}

// attempt counts a try before it is made, so that many at once cannot pass as the first. ErrTooMany: not now.
func (s *Store) attempt(ctx context.Context, op, canon, from string) (ticket, error) {
	tk := s.ticket(canon, from)
	var last error
	for n := range attempts {
		backoff(ctx, s.rand, n)
		now := s.now()
		pair, pairItem, _, err := read[tryDoc](ctx, s.t, tk.pair)
		if err != nil {
			return tk, fault.Wrap(op, err)
		}
		source, sourceItem, _, err := read[tryDoc](ctx, s.t, tk.source)
		if err != nil {
			return tk, fault.Wrap(op, err)
		}
		_, failures, _, err := read[struct{}](ctx, s.t, tk.user)
		if err != nil {
			return tk, fault.Wrap(op, err)
		}
		known := now.Before(pair.Known)
		p := pairPace
		if !known && failures.N["fails"] >= userFailures {
			p = strictPace
		}
		wait := pair.wait(p, now)
		if !known {
			wait = max(wait, source.wait(sourcePace, now))
		}
		if wait > 0 {
			return tk, tooMany(op, wait, "too many attempts to log in")
		}
		pair.bump(now)
		ops, err := puts(pairItem, pair, nil)
		if err == nil && !known {
			source.bump(now)
			ops, err = puts(sourceItem, source, ops)
		}
		if err != nil {
			return tk, err
		}
		if last = s.t.Transact(ctx, "", ops); last == nil {
			tk.sourced = !known
			return tk, nil
		}
		if !again(ctx, last) {
			return tk, fault.Wrap(op, last)
		}
	}
	return tk, tooBusy(op, last)
}

func puts(it table.Item, d tryDoc, ops []table.Op) ([]table.Op, error) {
	next, err := item(it.Key, d, d.expires())
	return append(ops, table.Op{Put: &next, If: it.Version}), err // 0 = table.Absent, where nothing was found
}

func tooMany(op string, wait time.Duration, text string) error {
	wait = until(wait)
	return &fault.Error{Kind: fault.Retryable, Op: op, After: wait, Quota: true, Effect: fault.EffectNone, Actor: fault.ActorOwner,
		Err: fmt.Errorf("%w: %s; try again in %s", ErrTooMany, text, wait)}
}

// failed adds to the failures of the user, wherever they come from. The row is made first: Add alone could not give it
// an end.
func (s *Store) failed(ctx context.Context, tk ticket) error {
	var err error
	for n := range attempts {
		backoff(ctx, s.rand, n)
		if _, err = s.t.Get(ctx, tk.user); err == nil {
			_, err = s.t.Add(ctx, table.Add{Key: tk.user, Field: "fails", N: 1, Floor: table.NoFloor})
			return err
		}
		_, err = s.t.Put(ctx, table.Item{Key: tk.user, N: map[string]int64{"fails": 1}, Expires: s.now().Add(2 * userWindow)}, table.Absent)
		if err == nil || !again(ctx, err) {
			return err
		}
	}
	return tooBusy("users.failed", err)
}

// passed takes the try back: the user starts afresh from this address, which is known from now on. Of the address only
// this very try is taken back: a right password must not clear what wrong ones left there.
func (s *Store) passed(ctx context.Context, tk ticket) error {
	known := s.now().Add(knownFor)
	if err := s.edit(ctx, tk.pair, func(d *tryDoc) { d.Fails, d.Known = 0, known }); err != nil || !tk.sourced {
		return err
	}
	return s.edit(ctx, tk.source, func(d *tryDoc) { d.Fails = max(0, d.Fails-1) })
}

func (s *Store) edit(ctx context.Context, k table.Key, fn func(*tryDoc)) error {
	var last error
	for n := range attempts {
		backoff(ctx, s.rand, n)
		d, it, ok, err := read[tryDoc](ctx, s.t, k)
		if err != nil || !ok {
			return err
		}
		before := d
		if fn(&d); d == before {
			return nil
		}
		ops, err := puts(it, d, nil)
		if err != nil {
			return err
		}
		if _, last = s.t.Put(ctx, *ops[0].Put, ops[0].If); last == nil || !again(ctx, last) {
			return last
		}
	}
	return tooBusy("users.edit", last)
}
