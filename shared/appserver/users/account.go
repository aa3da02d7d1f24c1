package users

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Register makes a user with a name and a password; from is the caller's address. ErrClosed: sign-up is off. ErrTaken:
// the name is somebody's. ErrTooMany: too many sign-ups today. Invalid: a rule about the name or the password.
func (s *Store) Register(ctx context.Context, name, password, from string) (User, error) {
	const op = "users.Register"
	if !s.set.OpenSignup {
		return User{}, closed(op)
	}
	name, canon, err := cleanName(op, name)
	if err != nil {
		return User{}, err
	}
	if password, err = cleanPassword(op, password); err != nil {
		return User{}, err
	}
	if err := s.signup(ctx, op, from); err != nil {
		return User{}, err
	}
	done, err := s.hashing(ctx, op)
	if err != nil {
		return User{}, err
	}
	hash, err := s.hasher.Hash(password)
	done()
	if err != nil {
		return User{}, fault.Wrap(op, err)
	}
	now := s.now()
	return s.create(ctx, op, userDoc{Name: name, Canon: canon, Nickname: name, Avatar: s.set.Avatar, Hash: hash, Created: now, Modified: now})
}

// Random makes a guest with a made-up nickname and logs him in. ErrClosed and ErrTooMany as Register.
func (s *Store) Random(ctx context.Context, from string) (Session, error) {
	const op = "users.Random"
	if !s.set.OpenSignup {
		return Session{}, closed(op)
	}
	if err := s.signup(ctx, op, from); err != nil {
		return Session{}, err
	}
	var b [4]byte
	if _, err := io.ReadFull(s.rand, b[:]); err != nil {
		return Session{}, fault.Newf(fault.Retryable, op, "no randomness: %w", err)
	}
	now := s.now()
	u, err := s.create(ctx, op, userDoc{Nickname: "guest-" + hex.EncodeToString(b[:]), Avatar: s.set.Avatar, Guest: true, Created: now, Modified: now})
	if err != nil {
		return Session{}, err
	}
	return s.issue(ctx, op, u, 0)
}

func closed(op string) error {
	return &fault.Error{Kind: fault.Permanent, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator, Err: ErrClosed}
}

// signup counts a try to sign up. Tries count, not successes, so that names cannot be probed without end.
func (s *Store) signup(ctx context.Context, op, from string) error {
	day := s.days.today()
	err := s.days.take(ctx, day, nil, []pot{
		{scope: ScopeAddress, unit: UnitSignups, id: s.addr.Key(from), limit: s.set.SignupsPerAddress, n: 1},
		{scope: ScopeSystem, unit: UnitSignups, limit: s.set.SignupsPerDay, n: 1},
	})
	if over := asOver(err); over != nil {
		return tooMany(op, over.Resets.Sub(s.now()), "too many registrations today")
	}
	return fault.Wrap(op, err)
}

// create stores d under a fresh id, and claims its name, in one transaction.
func (s *Store) create(ctx context.Context, op string, d userDoc) (User, error) {
	var last error
	for try := range attempts {
		backoff(ctx, s.rand, try)
		id, err := s.newID()
		if err != nil {
			return User{}, fault.Wrap(op, err)
		}
		d.ID = id
		u, err := item(userKey(id), d, time.Time{})
		if err != nil {
			return User{}, err
		}
		ops := []table.Op{{Put: &u, If: table.Absent}}
		if d.Canon != "" {
			n, err := item(nameKey(d.Canon), nameDoc{User: id}, time.Time{})
			if err != nil {
				return User{}, err
			}
			ops = append(ops, table.Op{Put: &n, If: table.Absent})
		}
		if last = s.transact(ctx, ops); last == nil {
			return d.user(), nil
		}
		if !again(ctx, last) {
			return User{}, fault.Wrap(op, last)
		}
		if d.Canon == "" {
			continue
		}
		// Was it the name? An earlier answer that was lost may have claimed it for this very call.
		n, _, ok, err := read[nameDoc](ctx, s.t, nameKey(d.Canon))
		if err != nil {
			return User{}, fault.Wrap(op, err)
		}
		if ok && n.User == id {
			return d.user(), nil
		}
		if ok {
			return User{}, &fault.Error{Kind: fault.Duplicate, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOwner, Field: "username", Rule: "not taken", Err: ErrTaken}
		}
	}
	return User{}, tooBusy(op, last)
}

// transact sends ops, and once more with the same token when the answer was lost or the database busy: a repeat has no
// second effect.
func (s *Store) transact(ctx context.Context, ops []table.Op) error {
	return transact(ctx, s.t, s.rand, ops)
}

func transact(ctx context.Context, t table.Table, random io.Reader, ops []table.Op) error {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return fault.Newf(fault.Retryable, "users.transact", "no randomness: %w", err)
	}
	token, err := hex.EncodeToString(b[:]), error(nil)
	for try := range 4 {
		backoff(ctx, random, try)
		err = t.Transact(ctx, token, ops)
		if k := fault.KindOf(err); err == nil || ctx.Err() != nil || k != fault.Unknown && k != fault.Retryable {
			break
		}
	}
	return err
}

// newID gives 13 random digits, the first no zero, as the demo's ids look.
func (s *Store) newID() (string, error) {
	const least = 1_000_000_000_000
	n, err := rand.Int(s.rand, big.NewInt(9*least))
	if err != nil {
		return "", fault.Newf(fault.Retryable, "users.newID", "no randomness: %w", err)
	}
	return fmt.Sprint(n.Int64() + least), nil
}

// Get reads one user. ErrNotFound: there is none; an erased user is there, without personal data.
func (s *Store) Get(ctx context.Context, id string) (User, error) {
	d, _, err := s.load(ctx, "users.Get", id)
	return d.user(), err
}

func (s *Store) load(ctx context.Context, op, id string) (userDoc, table.Item, error) {
	if id == "" || len(id) > maxIDBytes || number(id) == 0 {
		return userDoc{}, table.Item{}, missing(op)
	}
	d, it, ok, err := read[userDoc](ctx, s.t, userKey(id))
	if err != nil {
		return userDoc{}, it, fault.Wrap(op, err)
	}
	if !ok {
		return userDoc{}, it, missing(op)
	}
	return d, it, nil
}

func missing(op string) error {
	return &fault.Error{Kind: fault.Invalid, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOwner, Err: ErrNotFound}
}

// change is a compare-and-swap on a user; fn may run several times. more gives further operations of the same
// transaction.
func (s *Store) change(ctx context.Context, op, id string, fn func(*userDoc) error, more func(was userDoc) []table.Op) (User, error) {
	var last error
	for try := range attempts {
		backoff(ctx, s.rand, try)
		d, it, err := s.load(ctx, op, id)
		if err != nil {
			return User{}, err
		}
		was := d
		if err := fn(&d); err != nil {
			return User{}, err
		}
		if d == was {
			return d.user(), nil
		}
		next, err := item(it.Key, d, it.Expires)
		if err != nil {
			return User{}, err
		}
		ops := []table.Op{{Put: &next, If: it.Version}}
		if more != nil {
			ops = append(ops, more(was)...)
		}
		if last = s.transact(ctx, ops); last == nil {
			return d.user(), nil
		}
		if !again(ctx, last) {
			return User{}, fault.Wrap(op, last)
		}
	}
	return User{}, tooBusy(op, last)
}

// Rename sets the nickname of a user. Whether the caller is that user is the caller's to check. Invalid: a rule about
// nicknames; ErrNotFound: no such user, or an erased one.
func (s *Store) Rename(ctx context.Context, id, nickname string) error {
	const op = "users.Rename"
	nickname, err := cleanNickname(op, nickname)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, op, id, func(d *userDoc) error {
		if d.Erased {
			return missing(op)
		}
		if d.Nickname != nickname {
			d.Nickname, d.Modified = nickname, s.now()
		}
		return nil
	}, nil)
	return err
}

// Erase removes what is personal of a user: name, nickname, avatar, password. The id stays, since videos and claims
// name it; every token ends at once, and the name is free again. Erasing twice is no error.
func (s *Store) Erase(ctx context.Context, id string) error {
	const op = "users.Erase"
	_, err := s.change(ctx, op, id, func(d *userDoc) error {
		if !d.Erased {
			*d = userDoc{ID: d.ID, Guest: d.Guest, Erased: true, Epoch: d.Epoch + 1, Created: d.Created, Modified: s.now()}
		}
		return nil
	}, func(was userDoc) []table.Op {
		if was.Canon == "" {
			return nil
		}
		k := nameKey(was.Canon) // only this user's own claim can stand there while he has the name
		return []table.Op{{Delete: &k, If: table.AnyVersion}}
	})
	return err
}
