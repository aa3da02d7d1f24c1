package state

import (
	"context"
	"errors"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// A pool counts free ranges in N["free"], out of N["cap"].
const (
	freeField = "free"
	capField  = "cap"
)

func globalPool() table.Key { return table.Key{PK: "POOL#global#0", SK: "-"} }
func accountPool(a upload.Account) table.Key {
	return table.Key{PK: "POOL#" + string(a), SK: "-"}
}

// free reads how many ranges a pool has left, making the pool, or following a changed setting, on the way.
func (l *Ledger) free(ctx context.Context, k table.Key, capacity int64) (int64, error) {
	for try := range attempts {
		l.backoff(ctx, try)
		it, err := get(ctx, l.t, k)
		switch {
		case isAbsent(err):
			it = table.Item{Key: k, N: map[string]int64{freeField: capacity, capField: capacity}}
			_, err = l.t.Put(ctx, it, table.Absent)
		case err != nil:
			return 0, fault.Wrap("state.free", err)
		case it.N[capField] == capacity:
			return it.N[freeField], nil
		default:
			it.N[freeField] += capacity - it.N[capField]
			it.N[capField] = capacity
			_, err = l.t.Put(ctx, it, it.Version)
		}
		if err == nil {
			return it.N[freeField], nil
		}
		if !again(err) {
			return 0, fault.Wrap("state.free", err)
		}
	}
	return 0, tooBusy("state.free", table.ErrConflict)
}

// errNoGrant: the pools are empty; not a failure.
var errNoGrant = errors.New("no transfer slot is free")

// TakeGrant takes at most want ranges from both pools, in one transaction with fn's change of the upload. It gives 0
// when the pools are empty: nothing is changed then. A generation that is over gets none, with ErrSuperseded. An upload that holds a grant of this generation keeps it, for a
// full GrantLife from now.
func (l *Ledger) TakeGrant(ctx context.Context, id string, gen int, want int64, fn func(*Upload) error) (Upload, int64, error) {
	var got int64
	for try := range attempts {
		l.backoff(ctx, try)
		u, err := l.Upload(ctx, id)
		if err != nil {
			return u, 0, err
		}
		freeG, err := l.free(ctx, globalPool(), l.set.PoolGlobal)
		if err != nil {
			return u, 0, err
		}
		freeA, err := l.free(ctx, accountPool(u.Account), l.set.PoolAccount)
		if err != nil {
			return u, 0, err
		}
		n := min(want, freeG, freeA)
		var have int64
		u, err = l.Update(ctx, id, gen, func(u *Upload) error {
			have, got = 0, n
			if u.Status.Terminal() || u.Queued {
				return fault.Newf(fault.Duplicate, "state.TakeGrant", "generation %d of upload %s is over: %w", u.Gen, u.ID, ErrSuperseded)
			}
			if u.Grant != nil {
				have, got = u.Grant.N, u.Grant.N
			} else if n < 1 {
				return errNoGrant
			}
			u.Grant = &Grant{N: got, Gen: u.Gen, Expires: l.now().Add(l.set.GrantLife)}
			u.Slot = time.Time{}
			return fn(u)
		}, func(u Upload) ([]table.Op, error) {
			if have > 0 {
				return nil, nil
			}
			return moveGrant(u.Account, -got), nil
		})
		switch {
		case err == nil && u.Grant == nil: // a lost answer, and the grant was taken back meanwhile
			return u, 0, nil
		case err == nil:
			return u, u.Grant.N, nil
		case errors.Is(err, errNoGrant):
			return u, 0, nil
		case errors.Is(err, table.ErrFloor):
			continue // others were faster: look at the pools again
		default:
			return u, 0, err
		}
	}
	u, err := l.Upload(ctx, id)
	return u, 0, err
}

// moveGrant adds n to both pools. Taking needs what it takes to be there. Giving back is always possible: after the
// setting was made smaller a pool may owe more than it holds.
func moveGrant(a upload.Account, n int64) []table.Op {
	floor := int64(0)
	if n > 0 {
		floor = table.NoFloor
	}
	return []table.Op{
		{Add: &table.Add{Key: globalPool(), Field: freeField, N: n, Floor: floor}},
		{Add: &table.Add{Key: accountPool(a), Field: freeField, N: n, Floor: floor}},
	}
}

// updateWithGrant is Update, and gives the upload's grant back in the same transaction.
func (l *Ledger) updateWithGrant(ctx context.Context, id string, gen int, fn func(*Upload) error, more ...func(Upload) ([]table.Op, error)) (Upload, error) {
	var back int64
	return l.Update(ctx, id, gen, func(u *Upload) error {
		back = 0
		if u.Grant != nil {
			back = u.Grant.N
		}
		u.Grant = nil
		return fn(u)
	}, append(more, func(u Upload) ([]table.Op, error) {
		if back == 0 {
			return nil, nil
		}
		return moveGrant(u.Account, back), nil
	})...)
}

// ReleaseGrant gives the upload's grant back, if it holds one.
func (l *Ledger) ReleaseGrant(ctx context.Context, id string, gen int) (Upload, error) {
	return l.updateWithGrant(ctx, id, gen, func(*Upload) error { return nil })
}

// Pools tells how many ranges are free, globally; for status lines and tests.
func (l *Ledger) Pools(ctx context.Context) (free, capacity int64, err error) {
	free, err = l.free(ctx, globalPool(), l.set.PoolGlobal)
	return free, l.set.PoolGlobal, err
}

// AccountPool tells how many ranges an account may still take.
func (l *Ledger) AccountPool(ctx context.Context, a upload.Account) (int64, error) {
	return l.free(ctx, accountPool(a), l.set.PoolAccount)
}

// Settled gives the grant and the place in the account's queue back, and marks a terminal upload as cleared up: nobody has
// to look at it any more.
func (l *Ledger) Settled(ctx context.Context, id string, gen int) (Upload, error) {
	var turn time.Time
	return l.updateWithGrant(ctx, id, gen, func(u *Upload) error {
		if !u.Status.Terminal() {
			return fault.Newf(fault.Invalid, "state.Settled", "upload %s is %s", u.ID, u.Status)
		}
		u.Settled, u.Queued, u.Due, u.NextAt = true, false, time.Time{}, time.Time{}
		turn, u.Turn = u.Turn, time.Time{}
		return nil
	}, func(u Upload) ([]table.Op, error) { return leaveOps(&u, turn), nil })
}

// Requeue gives the grant back and makes the upload due at a time, when the sweep starts its next generation. Once per
// generation: Settle is repeated, and its second count of barren generations would start from its first answer.
func (l *Ledger) Requeue(ctx context.Context, id string, gen int, at time.Time, barren int) (Upload, error) {
	return l.updateWithGrant(ctx, id, gen, func(u *Upload) error {
		if !u.Status.Terminal() && !u.Queued {
			u.Due, u.Barren, u.Started, u.Queued = at, barren, true, true
		}
		return nil
	})
}
