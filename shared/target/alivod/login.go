package alivod

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/vod"
)

// Credentials gives the account's present token. Its errors are classified (token.ErrNoCredential and so on).
type Credentials func(context.Context) (token.Token, error)

// key is what a Token's Access holds: a RAM user's key, or the session of a role.
type key struct {
	ID     string `json:"access_key_id"`
	Secret string `json:"access_key_secret"`
	Token  string `json:"security_token,omitempty"`
}

// Provider gives the key of an account's token, for shared/vod and for whoever else signs as the account. A role without a
// session yet is TokenExpired: a renewal brings one.
func Provider(cred Credentials) oss.Provider {
	return func(ctx context.Context) (oss.Credential, error) {
		const op = "alivod.Credential"
		t, err := cred(ctx)
		if err != nil {
			return oss.Credential{}, fault.Wrap(op, err)
		}
		if t.Access == "" && t.Refresh != "" {
			return oss.Credential{}, &fault.Error{Kind: fault.TokenExpired, Op: op, Effect: fault.EffectNone, Actor: fault.ActorUs,
				Action: "A session of the role is asked for.", Err: errors.New("the account's role has no session yet")}
		}
		var k key
		if json.Unmarshal([]byte(t.Access), &k) != nil || k.ID == "" || k.Secret == "" { // the decoder's error could quote the secret
			return oss.Credential{}, &fault.Error{Kind: fault.CredentialsExpired, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOwner,
				Action: "Log in again.", Err: fmt.Errorf("the account's credential holds no access key: %w", token.ErrNoCredential)}
		}
		return oss.Credential{ID: k.ID, Secret: k.Secret, Token: k.Token}, nil
	}
}

// role is what a Token's Refresh holds: the role's ARN alone, or JSON where more was given at login.
type role struct {
	ARN      string `json:"role_arn"`
	Session  string `json:"session_name,omitempty"`
	Duration int    `json:"duration_seconds,omitempty"`
}

const (
	defaultSession = "vodlift"
	minDuration    = 900 // reference a.5
	maxDuration    = 12 * 3600
	maxLogin       = 8 << 10
)

var (
	arnForm     = lazily(`^acs:ram::[0-9]{1,32}:role/[A-Za-z0-9.@_-]{1,64}$`)
	sessionForm = lazily(`^[A-Za-z0-9.@_-]{2,32}$`)
	keyIDForm   = lazily(`^[A-Za-z0-9._-]{4,128}$`)
	secretForm  = lazily(`^[!-~]{4,256}$`)
)

func (r role) text() string {
	if r.Session == "" && r.Duration == 0 {
		return r.ARN
	}
	b, err := json.Marshal(r)
	if err != nil {
		return r.ARN
	}
	return string(b)
}

func parseRole(s string) (role, bool) {
	r := role{ARN: s}
	if strings.HasPrefix(s, "{") {
		r = role{}
		if json.Unmarshal([]byte(s), &r) != nil {
			return r, false
		}
	}
	return r, arnForm().MatchString(r.ARN) && (r.Session == "" || sessionForm().MatchString(r.Session)) && (r.Duration == 0 || r.Duration >= minDuration && r.Duration <= maxDuration)
}

// lazily compiles a pattern at its first use: counted repetitions are slow to compile, and every function starts with them.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// ParseLogin reads what an account logs in with: a RAM user's key {"access_key_id", "access_key_secret"}, which never ends
// by itself, or a role {"role_arn", optional "session_name", "duration_seconds"}, whose sessions the app's key asks for; its
// token has no Access until Refresher made one. Grant and Obtained are the caller's to set. Errors are Invalid and quote
// nothing.
func ParseLogin(raw []byte) (token.Token, error) {
	bad := func(field, rule, msg string) (token.Token, error) {
		return token.Token{}, fault.InvalidField("alivod.ParseLogin", field, rule, msg)
	}
	const either = `{"access_key_id", "access_key_secret"} or {"role_arn"}, optional "session_name" and "duration_seconds"`
	var in struct {
		key
		role
	}
	if len(raw) > maxLogin {
		return bad("login", fmt.Sprintf("<= %d bytes", maxLogin), "it is longer")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return bad("login", either, "this is not that JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return bad("login", "one object", "something follows it")
	}
	switch hasKey, hasRole := in.key != (key{}), in.role != (role{}); {
	case hasKey == hasRole:
		return bad("login", either, "give the one or the other")
	case hasRole && !arnForm().MatchString(in.ARN):
		return bad("role_arn", "acs:ram::<account>:role/<name>", "this is not the ARN of a role")
	case hasRole && in.role.Session != "" && !sessionForm().MatchString(in.role.Session):
		return bad("session_name", "2 to 32 of A-Z a-z 0-9 . @ _ -", "it has another form")
	case hasRole && in.Duration != 0 && (in.Duration < minDuration || in.Duration > maxDuration):
		return bad("duration_seconds", fmt.Sprintf("%d to %d", minDuration, maxDuration), fmt.Sprintf("it is %d", in.Duration))
	case hasRole:
		return token.Token{Subject: in.ARN, Refresh: in.role.text()}, nil
	case in.Token != "":
		return bad("security_token", "not given", "a session that ends is no login: give the role's ARN, and set the app's key")
	case !keyIDForm().MatchString(in.ID):
		return bad("access_key_id", "the id of an access key", "it has another form")
	case !secretForm().MatchString(in.Secret):
		return bad("access_key_secret", "the secret of an access key", "it has another form")
	}
	b, err := json.Marshal(in.key)
	if err != nil {
		return token.Token{}, fault.Wrap("alivod.ParseLogin", err)
	}
	return token.Token{Access: string(b)}, nil // no Subject: a rotated key is the same account's
}

// Refresher asks STS for a new session of an account's role, signed with the app's key (reference a.5). It is safe for
// concurrent use.
type Refresher struct {
	cfg    vod.Config
	client *http.Client
	now    func() time.Time
}

// NewRefresher makes a Refresher for the STS of c.
func NewRefresher(c Config, client *http.Client, o *Options) *Refresher {
	r := &Refresher{cfg: c.Config, client: client, now: time.Now}
	if o != nil && o.Now != nil {
		r.now = o.Now
	}
	return r
}

// Refresh implements token.Refresher. A repeat is harmless: sessions do not end one another. The role stays.
func (r *Refresher) Refresh(ctx context.Context, app token.AppKey, old token.Token) (token.Token, error) {
	const op = "alivod.Refresh"
	as, ok := parseRole(old.Refresh)
	if !ok {
		return token.Token{}, &fault.Error{Kind: fault.CredentialsExpired, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOwner,
			Action: "Log in again.", Err: fmt.Errorf("the account names no role: %w", token.ErrNoCredential)}
	}
	if app.ID == "" || app.Secret == "" {
		return token.Token{}, &fault.Error{Kind: fault.Permanent, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator,
			Action: "Set the app's key: vodlift app set alivod.", Err: errors.New("there is no key that may assume the role")}
	}
	name := as.Session
	if name == "" {
		name = defaultSession
	}
	c := vod.New(r.cfg, oss.Fixed(oss.Credential{ID: app.ID, Secret: app.Secret}), r.client, &vod.Options{Now: r.now})
	s, err := c.AssumeRole(ctx, as.ARN, name, "", as.Duration)
	if err != nil {
		return token.Token{}, fault.Wrap(op, err)
	}
	end, err := time.Parse(time.RFC3339, s.Expires)
	if err != nil {
		return token.Token{}, fault.New(fault.Retryable, op, "STS does not say when the session ends")
	}
	access, err := json.Marshal(key{ID: s.ID, Secret: s.Secret, Token: s.Token})
	if err != nil {
		return token.Token{}, fault.Wrap(op, err)
	}
	t := old
	t.Access, t.Expires, t.Obtained = string(access), end.UTC(), r.now()
	return t, nil
}
