// Package users keeps the people who use the apps (reference alibaba-vod-and-oss c.1, c.2): names, passwords, tokens,
// and how much each may upload in a day.
//
// Unlike the demo server's it stores no password and no token that could be used: an argon2id hash of the one, a SHA-256
// of the other. It knows the table; it does not know HTTP, the envelope, videos or VOD. Every rule that must hold under
// two writers at once is a condition of a table write here.
//
// Rows: USER#id META (the user), USERNAME#hash - (who has a name), UTOK#hash - (a token; expires), TRY#kind#hash -
// (attempts to log in; expires), QUOTA#day#... - (what is left of a day; expires), APPSERVER KEY (the sealed key that
// addresses are hashed with).
package users

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// What callers branch on. Each stands in the chain of a *fault.Error.
var (
	// ErrCredentials: no such user, or another password. One text for both.
	ErrCredentials = errors.New("the user name or the password is wrong")
	// ErrTaken: somebody has that name.
	ErrTaken = errors.New("this user name is already registered")
	// ErrToken: the token is nobody's: missing, wrong, expired or revoked.
	ErrToken = errors.New("the token is not valid; log in again")
	// ErrClosed: sign-up is off.
	ErrClosed = errors.New("registration is closed")
	// ErrTooMany: too many attempts; the fault's After says when to come back.
	ErrTooMany = errors.New("too many attempts")
	// ErrOver: a daily quota is used up; see Over.
	ErrOver = errors.New("a daily limit is used up")
	// ErrNotFound: there is no such user.
	ErrNotFound = errors.New("no such user")
)

// User is a person, or a guest that Random made. It holds no secret.
type User struct {
	ID       string // 13 digits, as the demo's
	Number   int64  // ID as a number, for the demo's numeric "id"
	Name     string // what he logs in with, as he wrote it (NFKC); empty for a guest
	Nickname string
	Avatar   string
	Guest    bool // has no password, so he ends with his token
	Erased   bool // personal data was removed; only the id is left
	Created  time.Time
	Modified time.Time
}

// Session is a user who is logged in. It prints no token.
type Session struct {
	User    User
	Token   string
	Expires time.Time
}

// String shows no token.
func (s Session) String() string { return "session(" + s.User.ID + ")" }

// GoString shows no token.
func (s Session) GoString() string { return s.String() }

// Settings of the store; zero values mean the defaults.
type Settings struct {
	OpenSignup   bool          // false turns Register and Random off
	TokenLife    time.Duration // default 24 h
	HashesAtOnce int           // passwords hashed at once, 19 MiB each; default 4

	SignupsPerAddress int64 // in a day, Register and Random together, tries included; default 100; negative = unlimited
	SignupsPerDay     int64 // of everybody; default 10,000; negative = unlimited

	Avatar string // of a new user; an https URL or empty
}

func (s Settings) withDefaults() Settings {
	if s.TokenLife <= 0 {
		s.TokenLife = 24 * time.Hour
	}
	if s.HashesAtOnce <= 0 {
		s.HashesAtOnce = 4
	}
	if s.SignupsPerAddress == 0 {
		s.SignupsPerAddress = 100
	}
	if s.SignupsPerDay == 0 {
		s.SignupsPerDay = 10_000
	}
	return s
}

// Options are what a Store is made of. Addresses is needed; the others have defaults.
type Options struct {
	Addresses Addresses        // how source addresses are hidden
	Now       func() time.Time // default time.Now
	Rand      io.Reader        // safe for concurrent use; default crypto/rand
	Hasher    Hasher           // default Argon2 with DefaultParams
	Settings  Settings
}

// Store keeps users over a table. Safe for concurrent use by any number of processes.
type Store struct {
	t      table.Table
	addr   Addresses
	hasher Hasher
	gate   chan struct{} // a slot per password that is hashed
	now    func() time.Time
	rand   io.Reader
	set    Settings
	days   days
}

// New makes a store. It makes no request and hashes nothing.
func New(t table.Table, o Options) (*Store, error) {
	if !o.Addresses.ready() {
		return nil, fault.InvalidField("users.New", "Addresses", "made by NewAddresses", "there is no key to hash addresses with")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Hasher == nil {
		o.Hasher = NewArgon2(DefaultParams(), o.Rand)
	}
	set := o.Settings.withDefaults()
	return &Store{
		t: t, addr: o.Addresses, hasher: o.Hasher, gate: make(chan struct{}, set.HashesAtOnce), now: o.Now, rand: o.Rand, set: set,
		days: days{t: t, now: o.Now, rand: o.Rand},
	}, nil
}

// Settings gives the settings in force.
func (s *Store) Settings() Settings { return s.set }

// userDoc is a user's record.
type userDoc struct {
	ID       string    `json:"id"`
	Name     string    `json:"name,omitempty"`
	Canon    string    `json:"canon,omitempty"` // what makes the name unique
	Nickname string    `json:"nickname,omitempty"`
	Avatar   string    `json:"avatar,omitempty"`
	Hash     string    `json:"hash,omitempty"` // argon2id, with its parameters; empty for guests
	Guest    bool      `json:"guest,omitempty"`
	Erased   bool      `json:"erased,omitempty"`
	Epoch    int64     `json:"epoch,omitempty"` // tokens of another epoch are revoked
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified,omitzero"`
}

func (d userDoc) user() User {
	return User{ID: d.ID, Number: number(d.ID), Name: d.Name, Nickname: d.Nickname, Avatar: d.Avatar, Guest: d.Guest, Erased: d.Erased, Created: d.Created, Modified: d.Modified}
}

func number(id string) int64 {
	var n int64
	for _, c := range []byte(id) {
		if c < '0' || c > '9' || n > 1<<52 {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// tokenDoc is a token's record; its key is the token's SHA-256.
type tokenDoc struct {
	User    string    `json:"user"`
	Epoch   int64     `json:"epoch,omitempty"`
	Expires time.Time `json:"expires"`
}

// nameDoc says whose a name is.
type nameDoc struct {
	User string `json:"user"`
}

func userKey(id string) table.Key { return table.Key{PK: "USER#" + id, SK: "META"} }

// maxIDBytes bounds ids that strangers send, before they become keys.
const maxIDBytes = 64

// attempts bounds how often a compare-and-swap is tried before it gives up as Retryable.
const attempts = 12

// read decodes the record at k; ok is false when there is none.
func read[T any](ctx context.Context, t table.Table, k table.Key) (doc T, it table.Item, ok bool, err error) {
	for range 3 {
		if it, err = t.Get(ctx, k); err == nil || fault.KindOf(err) != fault.Retryable || ctx.Err() != nil {
			break
		}
	}
	if errors.Is(err, table.ErrNotFound) {
		return doc, table.Item{Key: k}, false, nil
	}
	if err != nil {
		return doc, it, false, err
	}
	if len(it.Doc) > 0 {
		if err := json.Unmarshal(it.Doc, &doc); err != nil {
			return doc, it, false, fault.Newf(fault.Permanent, "users.read", "the record %s is not readable: %w", k.PK, err)
		}
	}
	return doc, it, true, nil
}

// item makes the item of a record.
func item(k table.Key, doc any, expires time.Time) (table.Item, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return table.Item{}, fault.Newf(fault.Invalid, "users.item", "%w", err)
	}
	return table.Item{Key: k, Doc: b, Expires: expires}, nil
}

func isConflict(err error) bool { return errors.Is(err, table.ErrConflict) }

// again says whether a compare-and-swap goes round once more: another was first, the database was busy, or the answer was
// lost and the record will tell.
func again(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	k := fault.KindOf(err)
	return isConflict(err) || k == fault.Retryable || k == fault.Unknown
}

func tooBusy(op string, err error) error {
	return &fault.Error{Kind: fault.Retryable, Op: op, After: time.Second, Err: errors.Join(errors.New("too many writers at once"), err)}
}

// backoff waits before try n (from 1): not before the first repeat, then a random time under 2 ms doubling to 64 ms.
func backoff(ctx context.Context, random io.Reader, n int) {
	if n < 2 {
		return
	}
	var b [2]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return
	}
	t := time.NewTimer((time.Millisecond << min(n-1, 6)) * time.Duration(int(b[0])<<8|int(b[1])) >> 16)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
