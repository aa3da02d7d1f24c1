package token

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// ErrNotOpened is in the chain when a sealed record does not open: it was changed, stands in another's place, or its
// key is not ours. Its kind is Permanent: no repeat helps.
var ErrNotOpened = errors.New("the sealed record does not open")

// KeyBytes is the length of every data key: AES-256.
const KeyBytes = 32

// DataKey is one key that seals. ID and Wrapped stand in clear beside what it sealed; with them the provider finds the
// key again. It prints its id only.
type DataKey struct {
	ID      string // at most 255 bytes; no secret
	Wrapped []byte // the key as only the provider can open it; empty where the id is enough
	Key     []byte // KeyBytes long
}

// String shows no secret.
func (k DataKey) String() string { return "datakey(" + k.ID + ")" }

// GoString shows no secret.
func (k DataKey) GoString() string { return k.String() }

// KeyProvider keeps or fetches data keys: a key file (FileKeys) or KMS (package kmskey). Safe for concurrent use. Errors
// are classified; a key that it does not have gives ErrNotOpened.
type KeyProvider interface {
	// Newest gives the key to seal with now.
	Newest(ctx context.Context) (DataKey, error)
	// Find gives the key that sealed something, by what stands beside it. Both arguments come from the database and
	// may be forged.
	Find(ctx context.Context, id string, wrapped []byte) ([]byte, error)
}

// Sealer is a Cipher: AES-256-GCM under a data key, whose id and wrapped form travel with the ciphertext. What it makes:
//
//	"VLS1" | len(id) 1 byte | id | len(wrapped) 2 bytes | wrapped | nonce 12 bytes | ciphertext and tag
//
// Everything before the nonce is authenticated together with the associated data, so neither can be exchanged. Nonces
// are random; one key may seal 2^32 records, far beyond what an account's renewals come to.
type Sealer struct {
	keys KeyProvider
	rand io.Reader
}

var _ Cipher = (*Sealer)(nil)

// NewSealer makes a Sealer over keys. random is where nonces come from; nil means crypto/rand.
func NewSealer(keys KeyProvider, random io.Reader) *Sealer {
	if random == nil {
		random = rand.Reader
	}
	return &Sealer{keys: keys, rand: random}
}

const magic = "VLS1"

// Seal encrypts plain and binds it to ad.
func (s *Sealer) Seal(ctx context.Context, plain, ad []byte) ([]byte, error) {
	const op = "token.Seal"
	k, err := s.keys.Newest(ctx)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if len(k.ID) > 255 || len(k.Wrapped) > 65535 {
		return nil, fault.New(fault.Permanent, op, "the key provider's id or wrapped key is too long")
	}
	aead, err := newGCM(k.Key)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	out := make([]byte, 0, len(magic)+3+len(k.ID)+len(k.Wrapped)+aead.NonceSize()+len(plain)+aead.Overhead())
	out = append(out, magic...)
	out = append(append(out, byte(len(k.ID))), k.ID...)
	out = append(binary.BigEndian.AppendUint16(out, uint16(len(k.Wrapped))), k.Wrapped...)
	head := len(out)
	nonce := out[head : head+aead.NonceSize()]
	if _, err := io.ReadFull(s.rand, nonce); err != nil {
		return nil, fault.Newf(fault.Retryable, op, "no randomness: %w", err)
	}
	return aead.Seal(out[:head+len(nonce)], nonce, plain, bind(out[:head], ad)), nil
}

// Open decrypts what Seal made with the same ad. Anything else gives ErrNotOpened.
func (s *Sealer) Open(ctx context.Context, sealed, ad []byte) ([]byte, error) {
	const op = "token.Open"
	head, id, wrapped, ok := parse(sealed)
	if !ok {
		return nil, notOpened(op, "it has no valid head")
	}
	key, err := s.keys.Find(ctx, id, wrapped)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	aead, err := newGCM(key)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	rest := sealed[len(head):]
	if len(rest) < aead.NonceSize() {
		return nil, notOpened(op, "it is cut short")
	}
	plain, err := aead.Open(nil, rest[:aead.NonceSize()], rest[aead.NonceSize():], bind(head, ad))
	if err != nil {
		return nil, notOpened(op, "it was changed, or belongs to another record")
	}
	return plain, nil
}

// KeyID tells which key sealed it, in clear, so that a rotation finds what is left to seal again.
func KeyID(sealed []byte) (string, bool) {
	_, id, _, ok := parse(sealed)
	return id, ok
}

func parse(b []byte) (head []byte, id string, wrapped []byte, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok || len(rest) < 1 || len(rest) < 1+int(rest[0])+2 {
		return nil, "", nil, false
	}
	n := int(rest[0])
	id, rest = string(rest[1:1+n]), rest[1+n:]
	n = int(binary.BigEndian.Uint16(rest))
	if len(rest) < 2+n {
		return nil, "", nil, false
	}
	wrapped, rest = rest[2:2+n], rest[2+n:]
	return b[:len(b)-len(rest)], id, wrapped, true
}

func newGCM(key []byte) (cipher.AEAD, error) {
	if len(key) != KeyBytes {
		return nil, fault.Newf(fault.Permanent, "token.newGCM", "a data key has %d bytes, want %d", len(key), KeyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// bind joins head and ad by length, so that no byte can move from one to the other.
func bind(head, ad []byte) []byte {
	b := make([]byte, 0, 8+len(head)+len(ad))
	b = binary.BigEndian.AppendUint64(b, uint64(len(head)))
	return append(append(b, head...), ad...)
}

func notOpened(op, why string) error {
	return &fault.Error{Kind: fault.Permanent, Op: op, Actor: fault.ActorOperator, Action: "restore the key or the record, or log in again",
		Err: fmt.Errorf("%w: %s", ErrNotOpened, why)}
}

// AD is the associated data of a sealed record (design 4.5): kind, account, record key and version, joined by length.
func AD(kind, account string, key table.Key, version int64) []byte {
	var b []byte
	for _, s := range [...]string{kind, account, key.PK, key.SK, strconv.FormatInt(version, 10)} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	return b
}
