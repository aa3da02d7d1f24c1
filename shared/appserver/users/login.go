package users

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Login checks a name and a password and gives a token of 24 h; from is the caller's address. ErrCredentials: one of the
// two is wrong, and nothing tells which: unknown names cost the same reads, the same hash and the same counting.
// ErrTooMany: come back after the fault's After.
func (s *Store) Login(ctx context.Context, name, password, from string) (Session, error) {
	const op = "users.Login"
	_, canon, err := cleanName(op, name)
	if err != nil {
		canon = "\x00" // no user has it; all of these count together
	}
	done, err := s.hashing(ctx, op)
	if err != nil {
		return Session{}, err
	}
	defer done()
	tk, err := s.attempt(ctx, op, canon, from)
	if err != nil {
		return Session{}, err
	}
	d, err := s.byName(ctx, op, canon)
	if err != nil {
		return Session{}, err
	}
	ok, stale, err := s.verify(d, password)
	if err != nil {
		return Session{}, fault.Wrap(op, err)
	}
	if !ok {
		if err := s.failed(ctx, tk); err != nil {
			return Session{}, fault.Wrap(op, err)
		}
		return Session{}, &fault.Error{Kind: fault.Invalid, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOwner, Err: ErrCredentials}
	}
	if err := s.passed(ctx, tk); err != nil {
		return Session{}, fault.Wrap(op, err)
	}
	if stale {
		if err := s.rehash(ctx, op, d, password); err != nil {
			return Session{}, err
		}
	}
	return s.issue(ctx, op, d.user(), d.Epoch)
}

// nobody stands for a user who does not exist, so that looking for him is as much work.
const nobody = "0"

// byName finds a user; one without Hash when there is none.
func (s *Store) byName(ctx context.Context, op, canon string) (userDoc, error) {
	n, _, ok, err := read[nameDoc](ctx, s.t, nameKey(canon))
	if err != nil {
		return userDoc{}, fault.Wrap(op, err)
	}
	if !ok {
		n.User = nobody
	}
	d, _, _, err := read[userDoc](ctx, s.t, userKey(n.User))
	if err != nil {
		return userDoc{}, fault.Wrap(op, err)
	}
	if d.Canon != canon {
		return userDoc{}, nil // erased in between
	}
	return d, nil
}

// verify hashes exactly once, whoever it is.
func (s *Store) verify(d userDoc, password string) (ok, stale bool, err error) {
	hash, real := d.Hash, d.Hash != ""
	if len(password) > maxRawBytes {
		password, real = "", false
	}
	if !real {
		if hash, err = s.hasher.Decoy(); err != nil {
			return false, false, err
		}
	}
	ok, stale, err = s.hasher.Verify(norm.NFC.String(password), hash)
	return ok && real, stale && real, err
}

// rehash stores the password under the parameters of now, unless it was changed meanwhile.
func (s *Store) rehash(ctx context.Context, op string, was userDoc, password string) error {
	hash, err := s.hasher.Hash(norm.NFC.String(password))
	if err != nil {
		return fault.Wrap(op, err)
	}
	_, err = s.change(ctx, op, was.ID, func(d *userDoc) error {
		if d.Hash == was.Hash {
			d.Hash = hash
		}
		return nil
	}, nil)
	return err
}

// tokenBytes are drawn for a token: nobody guesses one of 2^256.
const tokenBytes = 32

// issue makes a token. The table gets its SHA-256 only: who reads the table can use none.
func (s *Store) issue(ctx context.Context, op string, u User, epoch int64) (Session, error) {
	var last error
	for try := range attempts {
		backoff(ctx, s.rand, try)
		b := make([]byte, tokenBytes)
		if _, err := io.ReadFull(s.rand, b); err != nil {
			return Session{}, fault.Newf(fault.Retryable, op, "no randomness: %w", err)
		}
		secret := base64.RawURLEncoding.EncodeToString(b)
		expires := s.now().Add(s.set.TokenLife)
		it, err := item(tokenKey(secret), tokenDoc{User: u.ID, Epoch: epoch, Expires: expires}, expires)
		if err != nil {
			return Session{}, err
		}
		if _, last = s.t.Put(ctx, it, table.Absent); last == nil {
			return Session{User: u, Token: secret, Expires: expires}, nil
		}
		if !again(ctx, last) {
			return Session{}, fault.Wrap(op, last)
		}
	}
	return Session{}, tooBusy(op, last)
}

func tokenKey(secret string) table.Key {
	sum := sha256.Sum256([]byte(secret))
	return table.Key{PK: "UTOK#" + hex.EncodeToString(sum[:]), SK: "-"}
}

// wellFormed says whether text can be a token at all; what cannot costs no read.
func wellFormed(secret string) bool {
	if len(secret) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return false
	}
	return strings.IndexFunc(secret, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
}

func noToken(op string) error {
	return &fault.Error{Kind: fault.Invalid, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOwner, Err: ErrToken}
}

// Authenticate gives the user whom a token was issued to. ErrToken: nobody's, or not any more.
func (s *Store) Authenticate(ctx context.Context, token string) (User, error) {
	const op = "users.Authenticate"
	if !wellFormed(token) {
		return User{}, noToken(op)
	}
	t, _, ok, err := read[tokenDoc](ctx, s.t, tokenKey(token))
	if err != nil {
		return User{}, fault.Wrap(op, err)
	}
	if !ok || !s.now().Before(t.Expires) {
		return User{}, noToken(op)
	}
	d, _, ok, err := read[userDoc](ctx, s.t, userKey(t.User))
	if err != nil {
		return User{}, fault.Wrap(op, err)
	}
	if !ok || d.Erased || d.Epoch != t.Epoch {
		return User{}, noToken(op)
	}
	return d.user(), nil
}

// Revoke ends one token. A token that is nobody's is no error.
func (s *Store) Revoke(ctx context.Context, token string) error {
	if !wellFormed(token) {
		return nil
	}
	return fault.Wrap("users.Revoke", s.t.Delete(ctx, tokenKey(token), table.AnyVersion))
}

// RevokeAll ends every token of a user that was issued until now.
func (s *Store) RevokeAll(ctx context.Context, id string) error {
	first, want := true, int64(0)
	_, err := s.change(ctx, "users.RevokeAll", id, func(d *userDoc) error {
		if first { // after a lost answer it is not done twice
			first, want = false, d.Epoch+1
		}
		d.Epoch = max(d.Epoch, want)
		return nil
	}, nil)
	return err
}

// until rounds a wait up to whole seconds, at least one.
func until(d time.Duration) time.Duration {
	return max(time.Second, (d + time.Second - 1).Truncate(time.Second))
}
