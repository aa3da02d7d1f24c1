package ram

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// Remembered is how long an expired key is still told from one that never was.
const Remembered = 24 * time.Hour

// StoreOptions configure a Store.
type StoreOptions struct {
	Dir  string // keys.json lives here, synced; empty: in memory only
	Now  func() time.Time
	Rand io.Reader
}

// Store keeps keys, on disk before they are handed out. Safe for concurrent use.
type Store struct {
	o  StoreOptions
	mu sync.Mutex
	// keys by access key id; tokens is their inverse, replaced ones included.
	keys   map[string]Credential
	tokens map[string]string
	broken error
}

var (
	_ Credentials = (*Store)(nil)
	_ Spoiler     = (*Store)(nil)
)

// NewStore opens the keys in o.Dir, or starts without any.
func NewStore(o StoreOptions) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	s := &Store{o: o, keys: map[string]Credential{}, tokens: map[string]string{}}
	if o.Dir == "" {
		return s, nil
	}
	if err := errors.Join(fake.Mkdir(o.Dir, true), fake.Sweep(o.Dir)); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(s.file())
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	var list []Credential
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("fake ram: %s: %w", s.file(), err)
	}
	for _, c := range list {
		s.add(c)
	}
	return s, nil
}

func (s *Store) file() string { return filepath.Join(s.o.Dir, "keys.json") }

func (s *Store) add(c Credential) {
	s.keys[c.AccessKeyID] = c
	if c.Token != "" {
		s.tokens[c.Token] = c.AccessKeyID
	}
}

// AddKey registers a permanent key. One that is known already keeps its secret: the platform remembers, whoever seeds
// it again; owner and policies are replaced.
func (s *Store) AddKey(owner, id, secret string, policies ...Policy) (Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := Credential{AccessKeyID: id, Secret: secret, Owner: owner, Policies: policies}
	if old, known := s.keys[id]; known {
		c.Secret, c.Disabled = old.Secret, old.Disabled
	}
	if id == "" || c.Secret == "" {
		return Credential{}, errors.New("fake ram: a key wants an id and a secret")
	}
	s.add(c)
	return c, s.save()
}

// Issue makes a temporary credential that lives for life and is on disk when Issue returns.
func (s *Store) Issue(owner string, life time.Duration, policies ...Policy) (Credential, error) {
	if life <= 0 {
		return Credential{}, fmt.Errorf("fake ram: life %v: want more than 0", life)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	for id, c := range s.keys {
		if !c.Live(now.Add(-Remembered)) {
			delete(s.keys, id)
			delete(s.tokens, c.Token)
		}
	}
	c := Credential{AccessKeyID: "STS." + s.random(18), Secret: s.random(30), Token: "CAIS" + s.random(150),
		Expires: now.Add(life), Owner: owner, Policies: slices.Clone(policies)}
	s.add(c)
	if err := s.save(); err != nil {
		return Credential{}, err
	}
	return c, nil
}

// random is n random bytes as letters and digits. A source that fails ends the process, as crypto/rand itself does.
func (s *Store) random(n int) string {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.o.Rand, b); err != nil {
		panic(err)
	}
	text := []byte(base64.RawURLEncoding.EncodeToString(b))
	for i, c := range text {
		if c == '-' || c == '_' {
			text[i] = 'x'
		}
	}
	return string(text)
}

// Lookup finds a key by its id.
func (s *Store) Lookup(id string) (Credential, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.keys[id]
	return c, ok
}

// TokenKnown reports whether some key has, or had before a Rotate, this token.
func (s *Store) TokenKnown(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[token] != ""
}

// Expire ends a key's life now.
func (s *Store) Expire(id string) error {
	return s.change(id, func(c *Credential) { c.Expires = s.o.Now() })
}

// Disable locks a key out without forgetting it.
func (s *Store) Disable(id string) error {
	return s.change(id, func(c *Credential) { c.Disabled = true })
}

// Rotate replaces secret and token behind the holder's back.
func (s *Store) Rotate(id string) error {
	return s.change(id, func(c *Credential) {
		delete(s.tokens, c.Token) // the old one is no token of anybody's now
		c.Secret = s.random(30)
		if c.Token != "" {
			c.Token = "CAIS" + s.random(150)
			s.tokens[c.Token] = id
		}
	})
}

// Remove forgets a key.
func (s *Store) Remove(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.keys[id]
	if !known {
		return unknownKey(id)
	}
	delete(s.keys, id)
	delete(s.tokens, c.Token)
	return s.save()
}

func (s *Store) change(id string, f func(*Credential)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.keys[id]
	if !known {
		return unknownKey(id)
	}
	f(&c)
	s.keys[id] = c
	return s.save()
}

func unknownKey(id string) error { return fmt.Errorf("fake ram: no access key %q", id) }

// save writes all keys. After a failure the store stays broken: memory and disk no longer agree.
func (s *Store) save() error {
	if s.o.Dir == "" || s.broken != nil {
		return s.broken
	}
	list := make([]Credential, 0, len(s.keys))
	for _, c := range s.keys {
		list = append(list, c)
	}
	b, err := json.Marshal(list)
	if err == nil {
		err = fake.WriteFile(s.file(), b, true)
	}
	if err != nil {
		s.broken = fmt.Errorf("fake ram: cannot save: %w", err)
	}
	return s.broken
}
