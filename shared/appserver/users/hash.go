package users

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/vodlift/vodlift/shared/fault"
)

// Hasher turns passwords into what may be stored. Implementations are safe for concurrent use.
type Hasher interface {
	// Hash makes the encoded hash of a password, with its parameters and a salt of its own.
	Hash(password string) (encoded string, err error)
	// Verify says whether the password is the one. stale: it is, and was hashed with other parameters than Hash uses.
	// What it cannot read is an error of kind Permanent, after no work.
	Verify(password, encoded string) (match, stale bool, err error)
	// Decoy makes, without work, an encoded hash that no password matches and that costs Verify what a real one does.
	Decoy() (encoded string, err error)
}

// Params are argon2id's costs.
type Params struct {
	Memory  uint32 // KiB
	Time    uint32
	Threads uint8
}

// DefaultParams suit a function of 256 MB: 19 MiB, two passes, one thread (the least that OWASP's password storage cheat
// sheet recommends for argon2id).
func DefaultParams() Params { return Params{Memory: 19 << 10, Time: 2, Threads: 1} }

// Bounds of parameters that are taken from a stored hash: a damaged record must not eat the machine.
const (
	maxMemory  = 256 << 10
	maxTime    = 16
	maxThreads = 16
	saltBytes  = 16
	sumBytes   = 32
)

// Argon2 is the Hasher of a deployment. Its hashes are in PHC form: $argon2id$v=19$m=19456,t=2,p=1$salt$sum.
type Argon2 struct {
	p    Params
	rand io.Reader
}

var _ Hasher = (*Argon2)(nil)

// NewArgon2 makes a hasher; random gives salts.
func NewArgon2(p Params, random io.Reader) *Argon2 { return &Argon2{p: p, rand: random} }

// Hash implements Hasher.
func (a *Argon2) Hash(password string) (string, error) {
	salt, err := a.random(saltBytes)
	if err != nil {
		return "", err
	}
	return encode(a.p, salt, argon2.IDKey([]byte(password), salt, a.p.Time, a.p.Memory, a.p.Threads, sumBytes)), nil
}

// Verify implements Hasher.
func (a *Argon2) Verify(password, encoded string) (match, stale bool, err error) {
	p, salt, sum, err := decode(encoded)
	if err != nil {
		return false, false, err
	}
	got := argon2.IDKey([]byte(password), salt, p.Time, p.Memory, p.Threads, uint32(len(sum)))
	match = subtle.ConstantTimeCompare(got, sum) == 1
	return match, match && p != a.p, nil
}

// Decoy implements Hasher.
func (a *Argon2) Decoy() (string, error) {
	b, err := a.random(saltBytes + sumBytes)
	if err != nil {
		return "", err
	}
	return encode(a.p, b[:saltBytes], b[saltBytes:]), nil
}

func (a *Argon2) random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(a.rand, b); err != nil {
		return nil, fault.Newf(fault.Retryable, "users.Argon2", "no randomness: %w", err)
	}
	return b, nil
}

func encode(p Params, salt, sum []byte) string {
	e := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Time, p.Threads, e(salt), e(sum))
}

func decode(s string) (p Params, salt, sum []byte, err error) {
	bad := fault.New(fault.Permanent, "users.decode", "a stored password hash is not readable")
	f := strings.Split(s, "$")
	if len(s) > 512 || len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, bad
	}
	if n, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Time, &p.Threads); err != nil || n != 3 {
		return p, nil, nil, bad
	}
	if p.Memory < 8 || p.Memory > maxMemory || p.Time < 1 || p.Time > maxTime || p.Threads < 1 || p.Threads > maxThreads {
		return p, nil, nil, bad
	}
	salt, err1 := base64.RawStdEncoding.Strict().DecodeString(f[4])
	sum, err2 := base64.RawStdEncoding.Strict().DecodeString(f[5])
	if err1 != nil || err2 != nil || len(salt) != saltBytes || len(sum) != sumBytes || encode(p, salt, sum) != s {
		return p, nil, nil, bad
	}
	return p, salt, sum, nil
}

// hashing waits for a slot, so that a crowd at the door costs a bounded amount of memory. Call done when finished.
func (s *Store) hashing(ctx context.Context, op string) (done func(), err error) {
	select {
	case s.gate <- struct{}{}:
		return func() { <-s.gate }, nil
	case <-ctx.Done():
		return nil, fault.Newf(fault.Retryable, op, "too many people log in at this moment: %w", ctx.Err())
	}
}
