package token

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// ErrNoApp is in the chain when a platform's app key was never set. Its kind is CredentialsExpired: a person has to act,
// and nothing is lost meanwhile.
var ErrNoApp = errors.New("the platform's app key is not set")

// Vault keeps the credentials of accounts and the keys of apps in a table, sealed. Safe for concurrent use, also by
// many processes: every write is conditional on what was read. It does not renew anything; that is the Keeper's.
type Vault struct {
	table  table.Table
	cipher Cipher
	now    func() time.Time
}

// NewVault makes a Vault. now defaults to time.Now.
func NewVault(t table.Table, c Cipher, now func() time.Time) *Vault {
	if now == nil {
		now = time.Now
	}
	return &Vault{table: t, cipher: c, now: now}
}

// tries bounds how often a conditional write is begun anew after somebody else's.
const tries = 10

// SaveLogin stores the credential of a new login, in place of whatever is there, a renewal in flight included. t.Grant
// names the login and must be new for each; where it is empty a random one is made. The same grant saved again (a
// repeated call) changes nothing, since what is stored may have been renewed meanwhile; a grant that a newer login has
// replaced is Duplicate. It gives the token as stored.
func (v *Vault) SaveLogin(ctx context.Context, account upload.Account, t Token) (Token, error) {
	const op = "token.SaveLogin"
	if _, err := upload.ParseAccount(string(account)); err != nil {
		return Token{}, fault.InvalidField(op, "account", "target/name", err.Error())
	}
	if t.Access == "" && t.Refresh == "" {
		return Token{}, fault.InvalidField(op, "token", "an access or a refresh token", "there is neither")
	}
	if t.Grant == "" {
		t.Grant = rand.Text()
	}
	if t.Obtained.IsZero() {
		t.Obtained = v.now()
	}
	for range tries {
		r, err := readRecord(ctx, v.table, tokenKey(account))
		if err != nil {
			return Token{}, fault.Wrap(op, err)
		}
		if r.found && r.Grant == t.Grant {
			return v.Load(ctx, account)
		}
		if slices.Contains(r.Past, t.Grant) {
			return Token{}, fault.New(fault.Duplicate, op, "this login was replaced by a newer one, or removed")
		}
		r, err = v.write(ctx, account, r, t)
		if err == nil {
			return r.token, nil
		}
		if !errors.Is(err, table.ErrConflict) {
			return Token{}, fault.Wrap(op, err)
		}
	}
	return Token{}, fault.New(fault.Retryable, op, "the record is being changed by many at once")
}

// Load gives an account's credential as it is stored, however old. Without one, or where only a person can bring it back to
// life, the error is CredentialsExpired with ErrNoCredential in its chain.
func (v *Vault) Load(ctx context.Context, account upload.Account) (Token, error) {
	r, err := v.load(ctx, account)
	if err != nil {
		return Token{}, fault.Wrap("token.Load", err)
	}
	return r.token, nil
}

// Remove erases an account's credential and what is known of the person behind it. The record stays, with its name and the
// ids of its logins, so that versions go on growing and a late repeat of an old login does not bring the account back.
func (v *Vault) Remove(ctx context.Context, account upload.Account) error {
	for range tries {
		r, err := readRecord(ctx, v.table, tokenKey(account))
		if err != nil || !r.found {
			return fault.Wrap("token.Remove", err)
		}
		_, err = writeRecord(ctx, v.table, r, document{Version: r.document.Version + 1, State: stateRemoved, Past: r.past(""), Saved: v.now()})
		if !errors.Is(err, table.ErrConflict) {
			return fault.Wrap("token.Remove", err)
		}
	}
	return fault.New(fault.Retryable, "token.Remove", "the record is being changed by many at once")
}

// PutApp stores a platform's app key and secret, in place of those that are there.
func (v *Vault) PutApp(ctx context.Context, platform string, key AppKey) error {
	const op = "token.PutApp"
	if platform == "" || key.ID == "" {
		return fault.InvalidField(op, "app", "has a platform and an id", "one is empty")
	}
	plain, err := json.Marshal(key)
	if err != nil {
		return fault.Wrap(op, err)
	}
	for range tries {
		r, err := readRecord(ctx, v.table, appKey(platform))
		if err != nil {
			return fault.Wrap(op, err)
		}
		d := document{Version: r.document.Version + 1, State: stateLive, Saved: v.now()}
		if d.Box, err = v.cipher.Seal(ctx, plain, AD(kindApp, platform, r.item.Key, d.Version)); err != nil {
			return fault.Wrap(op, err)
		}
		if _, err = writeRecord(ctx, v.table, r, d); !errors.Is(err, table.ErrConflict) {
			return fault.Wrap(op, err)
		}
	}
	return fault.New(fault.Retryable, op, "the record is being changed by many at once")
}

// App gives a platform's app key. Without one the error is CredentialsExpired with ErrNoApp in its chain, and it is the
// operator's turn.
func (v *Vault) App(ctx context.Context, platform string) (AppKey, error) {
	const op = "token.App"
	r, err := readRecord(ctx, v.table, appKey(platform))
	if err != nil {
		return AppKey{}, fault.Wrap(op, err)
	}
	if !r.found || r.State != stateLive {
		return AppKey{}, &fault.Error{Kind: fault.CredentialsExpired, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator,
			Action: "vodlift app set " + platform, Err: fmt.Errorf("%s: %w", platform, ErrNoApp)}
	}
	plain, err := v.cipher.Open(ctx, r.Box, AD(kindApp, platform, r.item.Key, r.document.Version))
	if err != nil {
		return AppKey{}, fault.Wrap(op, err)
	}
	var key AppKey
	if json.Unmarshal(plain, &key) != nil {
		return AppKey{}, fault.New(fault.Permanent, op, "the app key's record is not readable")
	}
	return key, nil
}

// load reads and opens an account's record.
func (v *Vault) load(ctx context.Context, account upload.Account) (record, error) {
	r, err := readRecord(ctx, v.table, tokenKey(account))
	if err != nil {
		return record{}, err
	}
	if !r.found || r.State != stateLive {
		return r, noCredential(account, r.Reason)
	}
	plain, err := v.cipher.Open(ctx, r.Box, AD(kindToken, string(account), r.item.Key, r.document.Version))
	if err != nil {
		return record{}, err
	}
	if json.Unmarshal(plain, &r.token) != nil { // the decoder's error could quote the secret
		return record{}, fault.New(fault.Permanent, "token.load", "the account's record is not readable")
	}
	r.token.Version = r.document.Version
	return r, nil
}

// write seals t and puts it in r's place; ErrConflict if r is no longer what is stored.
func (v *Vault) write(ctx context.Context, account upload.Account, r record, t Token) (record, error) {
	plain, err := json.Marshal(t)
	if err != nil {
		return record{}, err
	}
	d := document{Version: r.document.Version + 1, State: stateLive, Grant: t.Grant, Expires: t.Expires, RefreshBy: t.RefreshBy, Renewals: t.Renewals,
		Past: r.past(t.Grant), Saved: v.now(), book: r.bookOf(account, t, v.now())}
	if d.Box, err = v.cipher.Seal(ctx, plain, AD(kindToken, string(account), r.item.Key, d.Version)); err != nil {
		return record{}, err
	}
	r, err = writeRecord(ctx, v.table, r, d)
	if err != nil {
		return record{}, err
	}
	r.token = t
	r.token.Version = d.Version
	return r, nil
}

// kill marks r's grant as dead and erases its secrets, if r is still what is stored.
func (v *Vault) kill(ctx context.Context, r record, reason string) error {
	d := r.document
	d.Version++
	d.State, d.Reason, d.Saved, d.Box, d.CanRenew = stateDead, reason, v.now(), nil, false
	d.Result, d.Told, d.Looked, d.Doubt = reason, false, d.Saved, time.Time{}
	_, err := writeRecord(ctx, v.table, r, d)
	return err
}

func noCredential(account upload.Account, reason string) error {
	if reason != "" {
		reason = " (" + reason + ")"
	}
	return &fault.Error{Kind: fault.CredentialsExpired, Op: "token.load", Effect: fault.EffectNone, Actor: fault.ActorOwner,
		Action: "log in again: vodlift account login " + string(account), Err: fmt.Errorf("%s%s: %w", account, reason, ErrNoCredential)}
}
