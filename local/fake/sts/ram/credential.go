package ram

import (
	"fmt"
	"log/slog"
	"time"
)

// Credential is one key that services honour. It holds secrets, so it prints only its id and its end.
type Credential struct {
	AccessKeyID string    `json:"id"`
	Secret      string    `json:"secret"`
	Token       string    `json:"token,omitempty"`  // security token; empty for a permanent key
	Expires     time.Time `json:"expires,omitzero"` // zero: never
	Owner       string    `json:"owner,omitempty"`  // whom logs and effects name
	Disabled    bool      `json:"disabled,omitempty"`
	Policies    []Policy  `json:"policies,omitempty"` // each has to allow; none: everything is allowed
}

// Live reports whether the credential's life is not over.
func (c Credential) Live(now time.Time) bool { return c.Expires.IsZero() || now.Before(c.Expires) }

// Allows reports whether every policy permits an action on a resource.
func (c Credential) Allows(action, resource string) bool {
	for _, p := range c.Policies {
		if !p.Allows(action, resource) {
			return false
		}
	}
	return true
}

// String names the credential without its secret and token.
func (c Credential) String() string {
	if c.Expires.IsZero() {
		return "access key " + c.AccessKeyID
	}
	return fmt.Sprintf("access key %s until %s", c.AccessKeyID, c.Expires.UTC().Format(time.RFC3339))
}

// GoString keeps the secrets out of %#v too.
func (c Credential) GoString() string { return c.String() }

// LogValue keeps the secrets out of logs.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Credentials is how a service finds a key. Implementations are safe for concurrent use.
type Credentials interface {
	// Lookup finds a key by its id, expired ones too for as long as they are remembered.
	Lookup(accessKeyID string) (Credential, bool)
	// TokenKnown reports whether any key has this security token: a token of another key and one that never was get
	// different answers.
	TokenKnown(token string) bool
}

// Spoiler is what Credentials may also be: keys that die on request, for the faults expire, revoke and rotate.
type Spoiler interface {
	Expire(accessKeyID string) error
	Remove(accessKeyID string) error
	Rotate(accessKeyID string) error
}
