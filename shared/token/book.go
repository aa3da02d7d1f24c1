package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// note changes the book of an account's record while grant is the one in force. The box and its version stay, so a
// renewal in flight is not disturbed beyond one more try.
func (v *Vault) note(ctx context.Context, account upload.Account, grant string, fn func(*document)) error {
	for range tries {
		r, err := readRecord(ctx, v.table, tokenKey(account))
		if err != nil {
			return fault.Wrap("token.note", err)
		}
		if !r.found || r.Grant != grant {
			return nil // it was about a login that is over
		}
		d := r.document
		fn(&d)
		if _, err = writeRecord(ctx, v.table, r, d); !errors.Is(err, table.ErrConflict) {
			return fault.Wrap("token.note", err)
		}
	}
	return fault.New(fault.Retryable, "token.note", "the record is being changed by many at once")
}

// endRenewals remembers that the refresh token of this login is not renewed any more.
func (v *Vault) endRenewals(ctx context.Context, account upload.Account, grant, code string) error {
	return v.note(context.WithoutCancel(ctx), account, grant, func(d *document) {
		d.Used, d.Result = code, "the platform refused to renew the refresh token, code "+code
	})
}

// Resealer is a Cipher that knows which key it seals with: whatever is sealed with another is sealed again.
type Resealer interface {
	// Stale tells whether sealed is under another key than the one that seals now.
	Stale(ctx context.Context, sealed []byte) (bool, error)
}

// Stale tells whether sealed is under another key than the provider's newest.
func (s *Sealer) Stale(ctx context.Context, sealed []byte) (bool, error) {
	k, err := s.keys.Newest(ctx)
	if err != nil {
		return false, fault.Wrap("token.Stale", err)
	}
	id, ok := KeyID(sealed)
	return ok && id != k.ID, nil
}

// reseal seals r's box under the newest key if it is under another. It says whether it did; a record that was written
// meanwhile is under the newest already.
func (v *Vault) reseal(ctx context.Context, kind, owner string, r record) (bool, error) {
	c, ok := v.cipher.(Resealer)
	if !ok || !r.found || len(r.Box) == 0 {
		return false, nil
	}
	stale, err := c.Stale(ctx, r.Box)
	if err != nil || !stale {
		return false, err
	}
	plain, err := v.cipher.Open(ctx, r.Box, AD(kind, owner, r.item.Key, r.document.Version))
	if err != nil {
		return false, err
	}
	if !json.Valid(plain) {
		return false, fault.New(fault.Permanent, "token.reseal", "the record is not readable")
	}
	d := r.document
	d.Version++
	if d.Box, err = v.cipher.Seal(ctx, plain, AD(kind, owner, r.item.Key, d.Version)); err != nil {
		return false, err
	}
	_, err = writeRecord(ctx, v.table, r, d)
	if errors.Is(err, table.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// resealApp does the same for a platform's app key.
func (v *Vault) resealApp(ctx context.Context, platform string) (bool, error) {
	r, err := readRecord(ctx, v.table, appKey(platform))
	if err != nil {
		return false, err
	}
	done, err := v.reseal(ctx, kindApp, platform, r)
	if err != nil {
		return false, fmt.Errorf("the app key of %s: %w", platform, err)
	}
	return done, nil
}
