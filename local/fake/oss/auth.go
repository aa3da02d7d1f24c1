package oss

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

// caller is who signed the request.
type caller struct {
	cred      ram.Credential
	anonymous bool
}

func (c caller) may(action, bucket, key string) bool {
	return c.cred.Allows(action, ram.ObjectResource(bucket, key))
}

// signed is what a request says about its signature, in whichever of the four forms.
type signed struct {
	id, token, signature string
	canonical            func(secret string) []attempt // what would be right; the first is the one told to the client
}

// attempt is one text and the signature it gives.
type attempt struct{ text, signature string }

// authenticate finds who signed a request and checks everything about it (ref. d.2 to d.4).
func (s *Server) authenticate(r *http.Request, at address, q url.Values) (caller, *failure) {
	sig, f := s.signature(r, at, q)
	if f != nil {
		return caller{}, f
	}
	if sig == nil {
		return caller{anonymous: true}, nil
	}
	cred, f := s.credential(sig)
	if f != nil {
		return caller{}, f
	}
	attempts := sig.canonical(cred.Secret)
	for _, a := range attempts {
		if subtle.ConstantTimeCompare([]byte(a.signature), []byte(sig.signature)) == 1 {
			return caller{cred: cred}, nil
		}
	}
	text := attempts[0].text
	if sig.token != "" { // the platform would repeat it; clients log what it says
		text = strings.ReplaceAll(text, sig.token, "***")
		text = strings.ReplaceAll(text, escape(sig.token), "***")
	}
	return caller{}, fail("SignatureDoesNotMatch").with("OSSAccessKeyId", sig.id).
		with("SignatureProvided", sig.signature).with("StringToSign", text)
}

// credential looks the key up and checks its token and its life.
func (s *Server) credential(sig *signed) (ram.Credential, *failure) {
	cred, known := s.o.Credentials.Lookup(sig.id)
	invalid := func() *failure { return fail("InvalidSecurityToken") }
	switch {
	case !known:
		return cred, fail("InvalidAccessKeyId").with("OSSAccessKeyId", sig.id)
	case cred.Disabled:
		return cred, fail(s.o.Readings.DisabledKeyCode)
	case cred.Token == "" && sig.token == "":
		return cred, nil
	case cred.Token == "" && s.o.Readings.StrayToken == "invalid":
		return cred, invalid()
	case cred.Token == "":
		return cred, fail("AccessKeyIdAndSecurityTokenNotMatch")
	case sig.token == "" && s.o.Readings.MissingToken == "invalid":
		return cred, invalid()
	case sig.token == "":
		return cred, fail("InvalidAccessKeyId").with("OSSAccessKeyId", sig.id)
	case sig.token != cred.Token && s.o.Credentials.TokenKnown(sig.token):
		return cred, fail("AccessKeyIdAndSecurityTokenNotMatch")
	case sig.token != cred.Token:
		return cred, invalid()
	case !cred.Live(s.o.Now()):
		return cred, fail("SecurityTokenExpired")
	}
	return cred, nil
}

// signature reads the form a request is signed in; nil, nil is anonymous.
func (s *Server) signature(r *http.Request, at address, q url.Values) (*signed, *failure) {
	header := r.Header.Get("Authorization")
	switch {
	case strings.HasPrefix(header, algorithmV4+" "):
		return s.headerV4(r, at, q, header)
	case strings.HasPrefix(header, "OSS "):
		return s.headerV1(r, at, q, header)
	case header != "":
		return nil, malformed("0002-00000061")
	case q.Has("x-oss-signature-version"), q.Has("x-oss-signature"):
		return s.queryV4(r, at, q)
	case q.Has("OSSAccessKeyId"), q.Has("Signature"):
		return s.queryV1(r, at, q)
	}
	return nil, nil
}

// malformed refuses an Authorization; the EC codes are those of the vendor's pages.
func malformed(ec string) *failure {
	f := fail("InvalidArgument", "Authorization header is invalid.")
	f.ec = ec
	return f
}

// ownerOf names the account of a request before anything is checked, for faults and the log.
func (s *Server) ownerOf(r *http.Request, q url.Values) string {
	cred, _ := s.o.Credentials.Lookup(keyID(r, q))
	return cred.Owner
}

// keyID is the access key id that a request names, in any of the four forms.
func keyID(r *http.Request, q url.Values) string {
	header := r.Header.Get("Authorization")
	if rest, ok := strings.CutPrefix(header, algorithmV4+" "); ok {
		id, _, _ := strings.Cut(authFields(rest)["Credential"], "/")
		return id
	}
	if rest, ok := strings.CutPrefix(header, "OSS "); ok {
		id, _, _ := strings.Cut(strings.TrimSpace(rest), ":")
		return id
	}
	if id := q.Get("OSSAccessKeyId"); id != "" {
		return id
	}
	id, _, _ := strings.Cut(q.Get("x-oss-credential"), "/")
	return id
}

// clock checks the time a header-signed request names.
func (s *Server) clock(at time.Time) *failure {
	now := s.o.Now()
	if d := now.Sub(at); d <= s.o.Limits.Skew && d >= -s.o.Limits.Skew {
		return nil
	}
	return fail("RequestTimeTooSkewed").with("MaxAllowedSkewMilliseconds", strconv.FormatInt(s.o.Limits.Skew.Milliseconds(), 10)).
		with("RequestTime", stamp(at)).with("ServerTime", stamp(now))
}

// expired refuses a URL whose time is over.
func (s *Server) expired(end time.Time) *failure {
	if s.o.Now().Before(end) {
		return nil
	}
	return fail(s.o.Readings.ExpiredPresign, "Request has expired.").with("Expires", stamp(end)).with("ServerTime", stamp(s.o.Now()))
}

func badDate() *failure { return fail("AccessDenied", "OSS authentication requires a valid Date.") }

// spoilKey is the panel's hook for Fault.Token: the key that the request names dies.
func (s *Server) spoilKey(_, _, what string, r *http.Request) error {
	sp, ok := s.o.Credentials.(ram.Spoiler)
	if !ok {
		return fmt.Errorf("fake oss: these credentials cannot be spoilt")
	}
	id := keyID(r, r.URL.Query())
	if _, known := s.o.Credentials.Lookup(id); !known {
		return nil
	}
	switch what {
	case "expire":
		return sp.Expire(id)
	case "revoke":
		return sp.Remove(id)
	}
	return sp.Rotate(id)
}
