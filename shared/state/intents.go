package state

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// claim says whose something is. Claims never expire (design 4.2).
type claim struct {
	Upload string    `json:"upload"`
	At     time.Time `json:"at"`
}

func contentKey(a upload.Account, size int64, crc string) table.Key {
	return table.Key{PK: "CONTENT#" + string(a) + "#" + strconv.FormatInt(size, 10) + "#" + crc, SK: "-"}
}

// contentKeyFor is the claim of an upload; an `again` label makes another content of it (design 4.2).
func contentKeyFor(u *Upload) table.Key {
	k := contentKey(u.Account, u.Source.Size, u.CRC64)
	if u.Again != "" {
		k.SK = "again#" + u.Again
	}
	return k
}

// postKey is the claim of a post. An id that no key can hold is claimed by its digest: a post that a platform named is
// never lost for its name.
func postKey(target, post string) table.Key { return idKey("POST#"+target+"#", post) }

func busyKey(a upload.Account) table.Key {
	return table.Key{PK: "A#" + accountPK(a), SK: "BUCKET#publish"}
}
func pauseKey(scope string) table.Key   { return table.Key{PK: "PAUSE#" + scope, SK: "-"} }
func accountPK(a upload.Account) string { return a.Target() + "#" + a.Name() }

// pauseScopes are the switches that stop an account: global, its target, itself.
func pauseScopes(a upload.Account) []string { return []string{"global", a.Target(), string(a)} }

// Paused gives the scope of the switch that stops this account, or "".
func (l *Ledger) Paused(ctx context.Context, a upload.Account) (string, error) {
	for _, s := range pauseScopes(a) {
		_, err := get(ctx, l.t, pauseKey(s))
		if err == nil {
			return s, nil
		}
		if !isAbsent(err) {
			return "", fault.Wrap("state.Paused", err)
		}
	}
	return "", nil
}

// Pause sets or clears a switch: global, a target, or an account.
func (l *Ledger) Pause(ctx context.Context, scope string, on bool) error {
	if !on {
		return fault.Wrap("state.Pause", l.t.Delete(ctx, pauseKey(scope), table.AnyVersion))
	}
	_, err := l.t.Put(ctx, table.Item{Key: pauseKey(scope)}, table.AnyVersion)
	return fault.Wrap("state.Pause", err)
}

// RecordIntent is the transaction before Publish (design 4.1): the intent on the upload, the claim of its content, the
// account's one open intent and one publish of its pace, all pause switches off, the generation still ours, no cancel, the asset still the one to
// be published and its time come. Only the invocation whose WriteID stands in the returned intent may call the platform,
// and only before SendBy.
//
// Errors: ErrClaimed with the other upload's id in the text (the content is another's), ErrBusyAccount, ErrPaced, ErrPaused,
// ErrSuperseded, ErrRefused (cancelled, or an intent that says nothing), Retryable (moved, another asset), Unknown
// (another invocation's intent stands), or whatever check says about the newest record.
func (l *Ledger) RecordIntent(ctx context.Context, id string, gen int, in Intent, check func(*Upload) error) (Upload, error) {
	const op = "state.RecordIntent"
	if in.WriteID == "" || in.SendBy.IsZero() || in.SettleAt.Before(in.SendBy) || in.Result != IntentOpen {
		return Upload{}, fault.Newf(fault.Invalid, op, "an intent needs a write id, send_by, a settle_at not before it, and no result: %w", ErrRefused)
	}
	var turn time.Time
	return same(l.Update(ctx, id, gen, func(u *Upload) error {
		if u.OpenIntent() && u.Intent.WriteID == in.WriteID {
			return errSame // our own transaction, whose answer was lost
		}
		if u.OpenIntent() || u.Post != nil {
			return fault.Newf(fault.Unknown, op, "upload %s has an intent already", u.ID)
		}
		if !u.Cancel.IsZero() {
			return fault.Newf(fault.Invalid, op, "upload %s is cancelled: %w", u.ID, ErrRefused)
		}
		if err := l.publishable(u, in); err != nil {
			return err
		}
		if err := check(u); err != nil {
			return err
		}
		if err := u.To(upload.EvIntent, ""); err != nil {
			return err
		}
		u.Attempt++
		next := in
		next.Attempt, next.Gen, next.Revision = u.Attempt, u.Gen, u.Revision
		u.Intent = &next // no progress yet: an upload that is refused again and again has to end
		turn, u.Turn = u.Turn, time.Time{}
		return nil
	}, func(u Upload) ([]table.Op, error) { return l.intentOps(ctx, &u, in) },
		func(u Upload) ([]table.Op, error) { return leaveOps(&u, turn), nil }))
}

// publishable looks again, on the newest record, at what a duplicate of this step may have changed since its caller
// read it: a refused create drops the asset, a quota moves the time.
func (l *Ledger) publishable(u *Upload, in Intent) error {
	const op = "state.RecordIntent"
	now := l.now()
	switch {
	case u.CRC64 == "":
		return fault.Newf(fault.Invalid, op, "the content of upload %s has no checksum, so it cannot be claimed: %w", u.ID, ErrRefused)
	case u.Asset == nil || u.Asset.ID != in.Asset:
		return fault.Newf(fault.Retryable, op, "upload %s has another asset by now", u.ID)
	case now.Before(u.PublishAt), now.Before(u.NotBefore):
		return fault.Newf(fault.Retryable, op, "upload %s is to be published later", u.ID)
	}
	return nil
}

// same turns errSame into success.
func same(u Upload, err error) (Upload, error) {
	if errors.Is(err, errSame) {
		return u, nil
	}
	return u, err
}

// intentOps are the operations beside the upload's own record, conditional on what was just read.
func (l *Ledger) intentOps(ctx context.Context, u *Upload, in Intent) ([]table.Op, error) {
	const op = "state.RecordIntent"
	var ops []table.Op
	for _, s := range pauseScopes(u.Account) {
		k := pauseKey(s)
		if _, err := get(ctx, l.t, k); err == nil {
			return nil, fault.Newf(fault.Retryable, op, "%s: %w", s, ErrPaused)
		} else if !isAbsent(err) {
			return nil, fault.Wrap(op, err)
		}
		ops = append(ops, table.Op{Check: &k, If: table.Absent})
	}
	content, err := l.claimOp(ctx, contentKeyFor(u), u.ID)
	if err != nil {
		return nil, err
	}
	b, err := l.bucketOp(ctx, u, in)
	if err != nil {
		return nil, err
	}
	ops = append(ops, b)
	if content != nil {
		ops = append(ops, *content)
	}
	return ops, nil
}

// claimOp is the operation that claims k for an upload; nil if it is claimed by it already; ErrClaimed if by another.
func (l *Ledger) claimOp(ctx context.Context, k table.Key, id string) (*table.Op, error) {
	c, err := open[claim](ctx, l.t, k)
	if err == nil {
		if c.Value.Upload == id {
			return nil, nil
		}
		return nil, &ClaimedError{Key: k.PK, By: c.Value.Upload}
	}
	if !isAbsent(err) {
		return nil, fault.Wrap("state.claim", err)
	}
	it, err := cell[claim]{item: table.Item{Key: k}, Value: claim{Upload: id, At: l.now()}}.encode()
	if err != nil {
		return nil, err
	}
	return &table.Op{Put: &it, If: table.Absent}, nil
}

// ClaimedError says which upload has the claim.
type ClaimedError struct{ Key, By string }

// Error names the holder.
func (e *ClaimedError) Error() string { return fmt.Sprintf("claimed by upload %s", e.By) }

// Unwrap is ErrClaimed.
func (e *ClaimedError) Unwrap() error { return ErrClaimed }

// PostClaimedBy tells which upload a post belongs to; "" if nobody's.
func (l *Ledger) PostClaimedBy(ctx context.Context, target, post string) (string, error) {
	c, err := open[claim](ctx, l.t, postKey(target, post))
	if isAbsent(err) {
		return "", nil
	}
	return c.Value.Upload, fault.Wrap("state.PostClaimedBy", err)
}

// CloseIntent closes the open intent without a post, in one transaction with fn's change and the account's release;
// one that was refused or denied gives back what it took of the pace, and what fn says in Intent.QuotaUntil fills the bucket.
// attempt must be the intent's. An intent that is closed already is left as it is. By a denial or a person's word it is
// closed from settle_at on only, else ErrRefused: until then the call may still take effect.
func (l *Ledger) CloseIntent(ctx context.Context, id string, gen, attempt int, result IntentResult, fn func(*Upload) error) (Upload, error) {
	return l.withAccountFreed(ctx, id, gen, func(u *Upload) error {
		if !u.OpenIntent() || u.Intent.Attempt != attempt {
			return errSame
		}
		if early := l.now().Before(u.Intent.SettleAt); early && (result == IntentDenied || result == IntentWaived) || result == IntentOpen {
			return fault.Newf(fault.Invalid, "state.CloseIntent", "until %s the attempt may still take effect: %w", stamp(u.Intent.SettleAt), ErrRefused)
		}
		u.Intent.Result = result
		return fn(u)
	})
}

func (l *Ledger) withAccountFreed(ctx context.Context, id string, gen int, fn func(*Upload) error, more ...func(Upload) ([]table.Op, error)) (Upload, error) {
	free := func(u Upload) ([]table.Op, error) { return l.freeAccount(ctx, &u) }
	return same(l.Update(ctx, id, gen, fn, append(more, free)...))
}

// RecordPost writes a known post: the claim of it, the intent closed as posted, the account released, fn's change and
// the outgoing events, all in one transaction. A post claimed by another upload gives ErrClaimed and changes nothing.
// A post that differs from the one already known is claimed, kept in Extra and announced as post.extra; that is no
// error: late answers are never dropped. gen AnyGen records a late answer of a superseded generation.
func (l *Ledger) RecordPost(ctx context.Context, id string, gen int, p upload.Post, fn func(*Upload) error) (Upload, error) {
	var was upload.Status
	var extra *upload.Post
	return l.withAccountFreed(ctx, id, gen, func(u *Upload) error {
		was, extra = u.Status, nil
		if u.Post != nil {
			if u.Post.ID == p.ID {
				return errSame
			}
			for _, x := range u.Extra {
				if x.ID == p.ID {
					return errSame
				}
			}
			u.Extra, extra = append(u.Extra, p), &p
			return nil
		}
		u.Post = &p
		if u.Intent != nil {
			u.Intent.Result = IntentPosted
		}
		u.Advanced()
		if err := u.To(upload.EvPosted, ""); err != nil {
			return err
		}
		return fn(u)
	}, func(u Upload) ([]table.Op, error) {
		claimPost, err := l.claimOp(ctx, postKey(u.Account.Target(), p.ID), id)
		if err != nil || claimPost == nil {
			return nil, err
		}
		return []table.Op{*claimPost}, nil
	}, func(u Upload) ([]table.Op, error) {
		if extra != nil {
			return l.announceExtra(&u, *extra)
		}
		return l.announce(&u, was)
	})
}
