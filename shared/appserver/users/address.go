package users

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/netip"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/token"
)

// Addresses hides source addresses, which are personal data: what is stored of one is a keyed hash, useless without the
// key, in rows that expire. It prints no key.
type Addresses struct{ key []byte }

// addressKeyBytes is the least length of the key.
const addressKeyBytes = 32

// NewAddresses takes a secret key of at least 32 bytes.
func NewAddresses(key []byte) (Addresses, error) {
	if len(key) < addressKeyBytes {
		return Addresses{}, fault.InvalidField("users.NewAddresses", "key", ">= 32 bytes", "the key is too short")
	}
	return Addresses{key: append([]byte(nil), key...)}, nil
}

// String shows no key.
func (Addresses) String() string { return "addresses" }

// GoString shows no key.
func (a Addresses) GoString() string { return a.String() }

func (a Addresses) ready() bool { return len(a.key) >= addressKeyBytes }

// keyMark begins what Key made. No address begins so.
const keyMark = "ak."

// Key gives the keyed hash of an address, the same for all addresses of one IPv6 /64 network (one subscriber has that
// many). What is no address gives one common value; what Key made already is given back, so that a caller may keep it
// in place of the address.
func (a Addresses) Key(from string) string {
	if h, ok := strings.CutPrefix(from, keyMark); ok && len(h) == 32 && strings.Trim(h, "0123456789abcdef") == "" {
		return from
	}
	net := "unknown"
	if ip, err := netip.ParseAddr(strings.TrimSpace(from)); err == nil {
		ip = ip.Unmap().WithZone("")
		net = ip.String()
		if p, err := ip.Prefix(64); ip.Is6() && err == nil {
			net = p.String()
		}
	}
	return keyMark + a.mac("address", net)
}

// mac hashes text for one use.
func (a Addresses) mac(use, text string) string {
	m := hmac.New(sha256.New, a.key)
	m.Write([]byte(use + "\x00" + text))
	return hex.EncodeToString(m.Sum(nil)[:16])
}

type keyDoc struct {
	Box []byte `json:"box"`
}

// LoadAddresses gives the Addresses of an installation. The key is made at first use and kept in the table, sealed, so
// that no one has to set it up. random nil means crypto/rand.
func LoadAddresses(ctx context.Context, t table.Table, c token.Cipher, random io.Reader) (Addresses, error) {
	const op = "users.LoadAddresses"
	if random == nil {
		random = rand.Reader
	}
	k := table.Key{PK: "APPSERVER", SK: "KEY"}
	ad := token.AD("appserver-address", "", k, 1)
	for range 3 {
		d, _, ok, err := read[keyDoc](ctx, t, k)
		if err != nil {
			return Addresses{}, fault.Wrap(op, err)
		}
		if ok {
			key, err := c.Open(ctx, d.Box, ad)
			if err != nil {
				return Addresses{}, fault.Wrap(op, err)
			}
			return NewAddresses(key)
		}
		key := make([]byte, addressKeyBytes)
		if _, err := io.ReadFull(random, key); err != nil {
			return Addresses{}, fault.Newf(fault.Retryable, op, "no randomness: %w", err)
		}
		if d.Box, err = c.Seal(ctx, key, ad); err != nil {
			return Addresses{}, fault.Wrap(op, err)
		}
		doc, err := json.Marshal(d)
		if err != nil {
			return Addresses{}, fault.Wrap(op, err)
		}
		if _, err := t.Put(ctx, table.Item{Key: k, Doc: doc}, table.Absent); err != nil && !again(ctx, err) {
			return Addresses{}, fault.Wrap(op, err)
		}
	}
	return Addresses{}, fault.New(fault.Retryable, op, "the key could not be stored")
}
