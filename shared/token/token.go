// Package token keeps the credentials of accounts and apps: sealed at rest, renewed by one at a time, saved before use
// (design 4.5). It does not know uploads.
package token

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// ErrNoCredential is in the chain when an account has no credential, or one that only a person can bring back to life.
var ErrNoCredential = errors.New("the account has no usable credential; log in again")

// Token is the credential of an account. It prints ids and expiry only.
type Token struct {
	Grant     string    `json:"grant"`   // id of the login that it came from; a newer login has another
	Subject   string    `json:"subject"` // the platform's id of the account (Douyin open_id); not secret
	Access    string    `json:"access"`
	Refresh   string    `json:"refresh,omitempty"`
	Expires   time.Time `json:"expires"`    // of Access; zero = not known
	RefreshBy time.Time `json:"refresh_by"` // end of Refresh; zero = none or not known
	// RefreshFrom is when Refresh was received; where it is zero, Obtained stands in for it.
	RefreshFrom time.Time `json:"refresh_from,omitzero"`
	Renewals    int       `json:"renewals"` // how often the refresh token itself was renewed
	Obtained    time.Time `json:"obtained"` // when Access was received
	Scopes      []string  `json:"scopes,omitempty"`
	Version     int64     `json:"-"` // of the record that it was loaded from
}

// String shows no secret.
func (t Token) String() string {
	return "token(grant " + t.Grant + ", expires " + t.Expires.UTC().Format(time.RFC3339) + ")"
}

// GoString shows no secret.
func (t Token) GoString() string { return t.String() }

// LogValue shows no secret.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// AppKey is a platform app's key and secret: a sealed record (design 4.5). It prints the id only.
type AppKey struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// String shows no secret.
func (a AppKey) String() string { return "app(" + a.ID + ")" }

// GoString shows no secret.
func (a AppKey) GoString() string { return a.String() }

// LogValue shows no secret.
func (a AppKey) LogValue() slog.Value { return slog.StringValue(a.String()) }

// Refresher asks a platform for a fresh token; each adapter package has one. It never retries. An answer without a
// refresh token leaves Refresh empty, and the Keeper keeps the old one. Errors are classified: a dead grant is
// CredentialsExpired; a lost answer is Unknown.
type Refresher interface {
	Refresh(ctx context.Context, app AppKey, old Token) (Token, error)
}

// RefreshRenewer is a Refresher that can also exchange the refresh token for one with a later end (Douyin's
// renew_refresh_token, reference douyin A.2). The old refresh token is dead once the platform has answered. The answer
// carries the old access token.
type RefreshRenewer interface {
	Renew(ctx context.Context, app AppKey, old Token) (Token, error)
}

// Liver is a Refresher of credentials that only a person renews (cookies). It can ask cheaply whether they still work, and
// needs no app. Refresh gives them back as they are, or CredentialsExpired.
type Liver interface {
	Alive(ctx context.Context, t Token) error
}

// Cipher seals and opens small records. ad is bound to the ciphertext: kind, account, record key and version, so that
// no ciphertext can stand in another's place.
type Cipher interface {
	Seal(ctx context.Context, plain, ad []byte) ([]byte, error)
	Open(ctx context.Context, sealed, ad []byte) ([]byte, error)
}
