package users

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Scope is whose a daily limit is.
type Scope string

// The scopes.
const (
	ScopeUser    Scope = "user"
	ScopeAddress Scope = "address"
	ScopeSystem  Scope = "system"
)

// Unit is what a daily limit counts.
type Unit string

// The units.
const (
	UnitUploads Unit = "uploads"
	UnitBytes   Unit = "bytes"
	UnitSignups Unit = "registrations"
)

// Over says which daily limit is used up; ErrOver is in its chain, and it stands in the chain of a *fault.Error whose
// After lasts until Resets.
type Over struct {
	Scope  Scope
	Unit   Unit
	Limit  int64
	Left   int64 // of the limit, less than was asked for
	Resets time.Time
}

// Error is for people, and tells no one else's limits.
func (o *Over) Error() string {
	at := o.Resets.In(china()).Format("2006-01-02 15:04") + " China time"
	switch o.Scope {
	case ScopeUser:
		return fmt.Sprintf("your daily limit of %d %s does not allow this (%d left); it resets at %s", o.Limit, o.Unit, o.Left, at)
	case ScopeAddress:
		return fmt.Sprintf("the daily limit of %s from your network is used up; it resets at %s", o.Unit, at)
	}
	return fmt.Sprintf("the daily limit of %s of this service is used up; it resets at %s", o.Unit, at)
}

// Unwrap gives ErrOver.
func (o *Over) Unwrap() error { return ErrOver }

func asOver(err error) *Over {
	var o *Over
	if errors.As(err, &o) {
		return o
	}
	return nil
}

// china is where days end: the apps' users live there. It has no daylight saving.
func china() *time.Location { return time.FixedZone("CST", 8*60*60) }

// systemShards spreads what everybody uses over so many rows, so that no row is hot.
const systemShards = 8

// keepDays is how long a day's rows outlast it.
const keepDays = 2 * 24 * time.Hour

// Fields of a row: what is left of its share, and the share, so that a changed setting is seen.
const (
	leftField = "left"
	capField  = "cap"
)

// days keeps what is left of daily limits.
type days struct {
	t    table.Table
	now  func() time.Time
	rand io.Reader
}

// day is a day in China.
type day struct {
	name string
	ends time.Time
}

func (d days) today() day { return dayOf(d.now()) }

func dayOf(t time.Time) day {
	t = t.In(china())
	return day{name: t.Format(time.DateOnly), ends: time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, t.Location())}
}

// pot is one limit that a charge draws n from. A limit under 0 means none.
type pot struct {
	scope Scope
	unit  Unit
	id    string // of the user or address
	limit int64
	n     int64
}

func (p pot) shards() int {
	if p.scope == ScopeSystem {
		return systemShards
	}
	return 1
}

func (p pot) share(i int) int64 {
	n := int64(p.shards())
	share := p.limit / n
	if int64(i) < p.limit%n {
		share++
	}
	return share
}

func (p pot) key(d day, i int) table.Key {
	return table.Key{PK: fmt.Sprintf("QUOTA#%s#%s#%s#%s#%d", d.name, p.unit, p.scope, p.id, i), SK: "-"}
}

// take draws from all pots, or from none, and does extra in the same transaction. A pot with n = 0 must not be empty.
// *Over: a pot holds too little. Two at once never draw more than there is: every draw is an Add with a floor. An error
// of extra's conditions is given back as it is.
func (d days) take(ctx context.Context, on day, extra []table.Op, pots []pot) error {
	var last error
	for try := range attempts {
		backoff(ctx, d.rand, try)
		ops := append([]table.Op(nil), extra...)
		for _, p := range pots {
			if p.limit < 0 {
				continue
			}
			more, err := d.draw(ctx, on, p)
			if err != nil {
				return err
			}
			ops = append(ops, more...)
		}
		if len(ops) == 0 {
			return nil
		}
		last = transact(ctx, d.t, d.rand, ops)
		switch {
		case last == nil:
			return nil
		case errors.Is(last, table.ErrFloor): // others were faster: look again
		case isConflict(last) && len(extra) > 0:
			return last
		case !again(ctx, last):
			return last
		}
	}
	return tooBusy("users.take", last)
}

// draw finds the rows of p that hold n together, beginning with a random one.
func (d days) draw(ctx context.Context, on day, p pot) ([]table.Op, error) {
	first, err := d.pick(p.shards())
	if err != nil {
		return nil, err
	}
	var ops []table.Op
	var sum int64
	for j := range p.shards() {
		i := (first + j) % p.shards()
		left, err := d.left(ctx, on, p, i)
		if err != nil {
			return nil, err
		}
		if left <= 0 {
			continue
		}
		if p.n == 0 {
			return nil, nil
		}
		n := min(left, p.n-sum)
		ops = append(ops, table.Op{Add: &table.Add{Key: p.key(on, i), Field: leftField, N: -n, Floor: 0}})
		if sum += n; sum == p.n {
			return ops, nil
		}
	}
	return nil, &Over{Scope: p.scope, Unit: p.unit, Limit: p.limit, Left: sum, Resets: on.ends}
}

func (d days) pick(n int) (int, error) {
	if n == 1 {
		return 0, nil
	}
	i, err := rand.Int(d.rand, big.NewInt(int64(n)))
	if err != nil {
		return 0, fault.Newf(fault.Retryable, "users.pick", "no randomness: %w", err)
	}
	return int(i.Int64()), nil
}

// left reads a row, making it, or following a changed setting, on the way.
func (d days) left(ctx context.Context, on day, p pot, i int) (int64, error) {
	share, k := p.share(i), p.key(on, i)
	var last error
	for try := range attempts {
		backoff(ctx, d.rand, try)
		_, it, ok, err := read[struct{}](ctx, d.t, k)
		if err != nil {
			return 0, err
		}
		if ok && it.N[capField] == share {
			return it.N[leftField], nil
		}
		if !ok {
			it = table.Item{Key: k, N: map[string]int64{}, Expires: on.ends.Add(keepDays)}
		}
		it.N[leftField] += share - it.N[capField]
		it.N[capField] = share
		if _, last = d.t.Put(ctx, it, it.Version); last == nil {
			return it.N[leftField], nil
		}
		if !again(ctx, last) {
			return 0, last
		}
	}
	return 0, tooBusy("users.left", last)
}

// empty leaves nothing in a pot of one row.
func (d days) empty(ctx context.Context, on day, p pot) error {
	var last error
	for try := range attempts {
		backoff(ctx, d.rand, try)
		_, it, ok, err := read[struct{}](ctx, d.t, p.key(on, 0))
		if err != nil || !ok || it.N[leftField] <= 0 {
			return err
		}
		it.N[leftField] = 0
		if _, last = d.t.Put(ctx, it, it.Version); last == nil || !again(ctx, last) {
			return last
		}
	}
	return tooBusy("users.empty", last)
}
