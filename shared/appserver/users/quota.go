package users

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Limits are what may be uploaded in a day, which ends at midnight in China (UTC+8). 0 means the default, under 0 no
// limit. Users of one mobile network share few addresses, so an address may have much more than a user.
type Limits struct {
	UserUploads    int64 // default 50
	UserBytes      int64 // default 10 GiB
	AddressUploads int64 // default 500
	AddressBytes   int64 // default 100 GiB
	SystemUploads  int64 // default 10,000
	SystemBytes    int64 // default 1 TiB
}

func (l Limits) withDefaults() Limits {
	def := func(n *int64, v int64) {
		if *n == 0 {
			*n = v
		}
		*n = min(*n, table.MaxCount/2)
	}
	def(&l.UserUploads, 50)
	def(&l.UserBytes, 10<<30)
	def(&l.AddressUploads, 500)
	def(&l.AddressBytes, 100<<30)
	def(&l.SystemUploads, 10_000)
	def(&l.SystemBytes, 1<<40)
	return l
}

// QuotaOptions are what Quotas are made of. Addresses is needed.
type QuotaOptions struct {
	Addresses Addresses
	Now       func() time.Time // default time.Now
	Rand      io.Reader        // safe for concurrent use; default crypto/rand
	Limits    Limits
}

// Quotas counts uploads and bytes per day: for a user, for an address and for the whole system. Safe for concurrent use
// by any number of processes; charges made at once never come to more than a limit.
type Quotas struct {
	days days
	addr Addresses
	lim  Limits
}

// NewQuotas makes the quotas over a table. It makes no request.
func NewQuotas(t table.Table, o QuotaOptions) (*Quotas, error) {
	if !o.Addresses.ready() {
		return nil, fault.InvalidField("users.NewQuotas", "Addresses", "made by NewAddresses", "there is no key to hash addresses with")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return &Quotas{days: days{t: t, now: o.Now, rand: o.Rand}, addr: o.Addresses, lim: o.Limits.withDefaults()}, nil
}

// Limits gives the limits in force.
func (q *Quotas) Limits() Limits { return q.lim }

// AddressKey is what to keep in place of an address; Charge takes either.
func (q *Quotas) AddressKey(address string) string { return q.addr.Key(address) }

// Charge counts n uploads and so many bytes: n = 1 when an upload is granted, and the bytes (n = 0) when the platform has
// confirmed its size. All limits are charged or none. userID "" is nobody's: only address and system count. The error
// has an *Over in its chain (and so ErrOver) when a limit does not allow it. A grant needs bytes to be left, too.
//
// Bytes come when they are uploaded already. A user who uploaded more than he has left is not charged for it, since the
// video will not be kept, but has nothing left that day: else he could upload too much again and again.
func (q *Quotas) Charge(ctx context.Context, userID, address string, n int, bytes int64) error {
	return q.charge(ctx, "users.Charge", nil, userID, address, int64(n), bytes)
}

// ChargeBytes is Charge of bytes, once for each video: a platform tells of one upload several times. A repeat within
// seven days is no error and has no effect.
func (q *Quotas) ChargeBytes(ctx context.Context, videoID, userID, address string, bytes int64) error {
	const op = "users.ChargeBytes"
	if videoID == "" {
		return fault.InvalidField(op, "videoId", "not empty", "it is missing")
	}
	sum := sha256.Sum256([]byte("bytes\x00" + videoID))
	k := table.Key{PK: "QUOTAOF#" + hex.EncodeToString(sum[:]), SK: "-"}
	if _, _, ok, err := read[struct{}](ctx, q.days.t, k); err != nil || ok {
		return fault.Wrap(op, err)
	}
	mark := table.Item{Key: k, Expires: q.days.now().Add(7 * 24 * time.Hour)}
	err := q.charge(ctx, op, []table.Op{{Put: &mark, If: table.Absent}}, userID, address, 0, bytes)
	if isConflict(err) {
		return nil // another delivery was first
	}
	return err
}

// charged says whether extra was done by another call.
func (q *Quotas) charged(ctx context.Context, extra []table.Op) (bool, error) {
	if len(extra) == 0 {
		return false, nil
	}
	_, _, ok, err := read[struct{}](ctx, q.days.t, extra[0].Put.Key)
	return ok, err
}

func (q *Quotas) charge(ctx context.Context, op string, extra []table.Op, userID, address string, n, bytes int64) error {
	switch {
	case len(userID) > maxIDBytes:
		return missing(op)
	case n < 0 || n > 1000 || bytes < 0 || bytes >= table.MaxCount/2:
		return fault.InvalidField(op, "amount", "0 or more, and no more than a table can count", "the amount to charge makes no sense")
	case n == 0 && bytes == 0 && extra == nil:
		return nil
	}
	on := q.days.today()
	err := q.days.take(ctx, on, extra, q.pots(userID, q.addr.Key(address), n, bytes))
	over := asOver(err)
	if over == nil {
		return fault.Wrap(op, err)
	}
	// Another delivery of the same may have drawn what is missing here.
	if done, err := q.charged(ctx, extra); done || err != nil {
		return fault.Wrap(op, err)
	}
	if n == 0 && over.Scope == ScopeUser && over.Unit == UnitBytes {
		if e := q.days.empty(ctx, on, pot{scope: ScopeUser, unit: UnitBytes, id: userID, limit: over.Limit}); e != nil {
			err = errors.Join(err, e)
		}
	}
	return &fault.Error{Kind: fault.Retryable, Op: op, After: until(over.Resets.Sub(q.days.now())), Quota: true, Effect: fault.EffectNone,
		Actor: fault.ActorOwner, Field: string(over.Unit), Err: err}
}

// pots are what a charge draws from. A charge of bytes asks nothing of the counts; a charge of uploads asks for bytes to
// be there.
func (q *Quotas) pots(userID, addressKey string, n, bytes int64) []pot {
	var ps []pot
	add := func(s Scope, id string, uploads, size int64) {
		if n > 0 {
			ps = append(ps, pot{scope: s, unit: UnitUploads, id: id, limit: uploads, n: n})
		}
		if n > 0 || bytes > 0 {
			ps = append(ps, pot{scope: s, unit: UnitBytes, id: id, limit: size, n: bytes})
		}
	}
	if userID != "" {
		add(ScopeUser, userID, q.lim.UserUploads, q.lim.UserBytes)
	}
	add(ScopeAddress, addressKey, q.lim.AddressUploads, q.lim.AddressBytes)
	add(ScopeSystem, "", q.lim.SystemUploads, q.lim.SystemBytes)
	return ps
}

// Left tells what a user may still upload today; a limit that does not exist is -1.
func (q *Quotas) Left(ctx context.Context, userID string) (uploads, bytes int64, err error) {
	on, out := q.days.today(), [2]int64{-1, -1}
	for i, p := range []pot{
		{scope: ScopeUser, unit: UnitUploads, id: userID, limit: q.lim.UserUploads},
		{scope: ScopeUser, unit: UnitBytes, id: userID, limit: q.lim.UserBytes},
	} {
		if p.limit < 0 {
			continue
		}
		if out[i], err = q.days.left(ctx, on, p, 0); err != nil {
			return 0, 0, fault.Wrap("users.Left", err)
		}
		out[i] = max(out[i], 0)
	}
	return out[0], out[1], nil
}
