// Package tokentest finds secrets where they must not be. Tests of the whole program plant what a vault holds and look for
// it in files, logs and answers (design 4.11). It is for tests only, and knows no platform.
package tokentest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/shared/token"
)

// least is the length from which a text is worth looking for: a shorter one is found by chance.
const least = 8

// Secrets are texts that nobody may see, by what they are. The name may be shown.
type Secrets map[string]string

// Add notes one secret. One that is too short to look for is refused.
func (s Secrets) Add(name, secret string) {
	if secret == "" {
		return
	}
	if len(secret) < least {
		panic("tokentest: " + name + " is too short to be looked for")
	}
	if s[name] != "" && s[name] != secret { // renewed meanwhile: both are looked for
		name += " (another)"
		for s[name] != "" && s[name] != secret {
			name += "+"
		}
	}
	s[name] = secret
}

// Vault notes what v holds at this moment: every account's tokens, and the app records of these names. Within a
// token that is JSON (cookies, keys) each secret counts by itself.
func (s Secrets) Vault(ctx context.Context, v *token.Vault, records ...string) error {
	infos, err := v.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, i := range infos {
		t, err := v.Load(ctx, i.Account)
		if errors.Is(err, token.ErrNoCredential) {
			continue
		}
		if err != nil {
			return err
		}
		s.Text(string(i.Account)+" access", t.Access)
		s.Text(string(i.Account)+" refresh", t.Refresh)
	}
	for _, name := range records {
		k, err := v.App(ctx, name)
		if errors.Is(err, token.ErrNoApp) {
			continue
		}
		if err != nil {
			return err
		}
		s.Add("the secret of "+name, k.Secret)
	}
	return nil
}

// Text notes a credential: as it is, or, where it is JSON, what in it is secret.
func (s Secrets) Text(name, text string) {
	var v any
	if json.Unmarshal([]byte(text), &v) == nil {
		if _, plain := v.(float64); !plain {
			s.json(name, "", v)
			return
		}
	}
	if len(text) >= least && !strings.HasPrefix(text, "acs:ram::") { // a role's name is none
		s.Add(name, text)
	}
}

// JSON notes what in a document is secret by the name of its field: values of cookies, tokens, secrets, keys, ids of open
// uploads, signed addresses.
func (s Secrets) JSON(name string, doc []byte) error {
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		return errors.New("tokentest: " + name + " is no JSON")
	}
	s.json(name, "", v)
	return nil
}

func (s Secrets) json(name, field string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			s.json(name, k, v[k])
		}
	case []any:
		for _, x := range v {
			s.json(name, field, x)
		}
	case string:
		if len(v) >= least && secretField(field) {
			s.Add(name+"."+field, v)
		}
	}
}

func secretField(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "_", ""))
	return name == "value" || name == "auth" || slices.ContainsFunc([]string{"secret", "token", "password", "cookie", "signature", "authorization", "uploadid"}, func(w string) bool { return strings.Contains(name, w) })
}

// In gives the names of the secrets that text holds: plain, as in a query, as in JSON, in hex or base64.
func (s Secrets) In(text []byte) []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if slices.ContainsFunc(forms(s[name]), func(f string) bool { return bytes.Contains(text, []byte(f)) }) {
			found = append(found, name)
		}
	}
	return found
}

func forms(secret string) []string {
	quoted, _ := json.Marshal(secret)
	out := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(string(quoted), `"`), hex.EncodeToString([]byte(secret))}
	// Base64 of something around it: the groups that the secret fills, at each of the three places it may begin.
	for skip := range 3 {
		b := []byte(secret)[min(skip, len(secret)):]
		b = b[:len(b)/3*3]
		if len(b) >= 12 {
			out = append(out, base64.StdEncoding.EncodeToString(b), base64.URLEncoding.EncodeToString(b))
		}
	}
	return out
}
