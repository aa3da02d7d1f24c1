// Package rpc is the door of Alibaba Cloud's RPC-style services (STS, VOD): common parameters, the V1 signature with
// HMAC-SHA1, clock window and nonce, and answers in JSON or XML (reference alibaba-vod-and-oss a.1, a.2). It exists so
// that each fake service only has to know its own actions. It must not know any of them.
//
// The reference names neither the codes of the common parameters nor their order; they are those of the public error
// list of Alibaba Cloud's API gateway, and Codes changes them. Nonces are remembered in memory only: after a restart an
// old request may be replayed within its clock window.
package rpc

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the platform's choice
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

// Error is a refusal in the platform's words.
type Error struct {
	Status  int
	Code    string
	Message string
}

// Error is the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Call is an accepted request.
type Call struct {
	Action string
	Params url.Values // query and form together
	Key    ram.Credential
}

// Options configure a Gate. Zero values: 15 minutes of clock tolerance (unconfirmed; a.2 assumes it), the real clock.
type Options struct {
	Keys    ram.Credentials
	Version string
	Actions []string // anything else is InvalidAction.NotFound
	Skew    time.Duration
	Now     func() time.Time
	Codes   map[string]string // other names for codes, by the name used here: {"SignatureNonceUsed": "NonceUsed"}
}

// Gate checks requests. Safe for concurrent use.
type Gate struct {
	o      Options
	mu     sync.Mutex
	nonces map[string]time.Time
}

// NewGate makes a gate.
func NewGate(o Options) *Gate {
	if o.Skew == 0 {
		o.Skew = 15 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Gate{o: o, nonces: map[string]time.Time{}}
}

// Params reads query and form of a request, each at most 1 MiB. The form is read once: keep the result.
func Params(r *http.Request) (url.Values, *Error) {
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err == nil && r.Method == http.MethodPost && r.Body != nil {
		if ct, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); ct == "application/x-www-form-urlencoded" || ct == "" {
			var body []byte
			if body, err = io.ReadAll(io.LimitReader(r.Body, 1<<20+1)); err == nil && len(body) > 1<<20 {
				err = errors.New("form too large")
			}
			var form url.Values
			if err == nil {
				form, err = url.ParseQuery(string(body))
			}
			for k, v := range form {
				all[k] = append(all[k], v...)
			}
		}
	}
	if err != nil {
		return nil, &Error{400, "InvalidParameter", "The request's parameters cannot be read."}
	}
	return all, nil
}

// Check admits a request whose parameters were read by Params, or says why not.
func (g *Gate) Check(method string, p url.Values) (Call, *Error) {
	c := Call{Action: p.Get("Action"), Params: p}
	err := g.check(method, p, &c)
	if err != nil {
		if name := g.o.Codes[err.Code]; name != "" {
			err.Code = name
		}
		return Call{Action: c.Action, Params: p}, err
	}
	return c, nil
}

func (g *Gate) check(method string, p url.Values, c *Call) *Error {
	if method != http.MethodPost && method != http.MethodGet {
		return &Error{405, "UnsupportedHTTPMethod", "This http method is not supported."}
	}
	for k, v := range p {
		if len(v) != 1 {
			return &Error{400, "InvalidParameter", "The parameter " + k + " is given more than once."}
		}
	}
	for _, name := range []string{"Version", "Action", "AccessKeyId", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp", "Signature"} {
		if p.Get(name) == "" {
			return &Error{400, "Missing" + name, name + " is mandatory for this action."}
		}
	}
	switch {
	case p.Get("Version") != g.o.Version:
		return &Error{400, "InvalidVersion", "Specified parameter Version is not valid."}
	case !slices.Contains(g.o.Actions, c.Action):
		return &Error{404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."}
	case p.Get("SignatureMethod") != "HMAC-SHA1":
		return &Error{400, "InvalidSignatureMethod", "Specified signature method is not supported."}
	case p.Get("SignatureVersion") != "1.0":
		return &Error{400, "InvalidSignatureVersion", "Specified signature version is not supported."}
	}
	if err := g.clock(p.Get("Timestamp")); err != nil {
		return err
	}
	if err := g.key(p, c); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(Sign(method, p, c.Key.Secret)), []byte(p.Get("Signature"))) != 1 {
		return &Error{400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation. server string to sign is:" + redact(p, StringToSign(method, p))}
	}
	return g.nonce(c.Key.AccessKeyID + "\n" + p.Get("SignatureNonce"))
}

func (g *Gate) clock(stamp string) *Error {
	at, err := time.Parse("2006-01-02T15:04:05Z", stamp) // also takes fractions of a second, which clients do send
	if err != nil {
		return &Error{400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."}
	}
	if d := g.o.Now().Sub(at); d > g.o.Skew || d < -g.o.Skew {
		return &Error{400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."}
	}
	return nil
}

func (g *Gate) key(p url.Values, c *Call) *Error {
	key, known := g.o.Keys.Lookup(p.Get("AccessKeyId"))
	token := p.Get("SecurityToken")
	switch {
	case !known:
		return &Error{404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."}
	case key.Disabled:
		return &Error{403, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."}
	case key.Token == "" && token == "":
	case token == "":
		return &Error{400, "MissingSecurityToken", "SecurityToken is mandatory for this action."}
	case token != key.Token && g.o.Keys.TokenKnown(token):
		return &Error{400, "InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatch with the AccessKey."}
	case token != key.Token:
		return &Error{400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed."}
	case !key.Live(g.o.Now()):
		return &Error{400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."}
	}
	c.Key = key
	return nil
}

// nonce refuses one that was used within the time in which its request would still pass the clock.
func (g *Gate) nonce(n string) *Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.o.Now()
	maps.DeleteFunc(g.nonces, func(_ string, at time.Time) bool { return now.Sub(at) > 2*g.o.Skew })
	if _, used := g.nonces[n]; used {
		return &Error{400, "SignatureNonceUsed", "Specified signature nonce was used already."}
	}
	g.nonces[n] = now
	return nil
}

// StringToSign is what the V1 signature covers: every parameter but Signature (a.2 steps 1 and 2).
func StringToSign(method string, p url.Values) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(p)) {
		if k != "Signature" {
			pairs = append(pairs, Escape(k)+"="+Escape(p.Get(k)))
		}
	}
	return method + "&%2F&" + Escape(strings.Join(pairs, "&"))
}

// Sign computes the V1 signature (a.2 step 3).
func Sign(method string, p url.Values, secret string) string {
	h := hmac.New(sha1.New, []byte(secret+"&"))
	io.WriteString(h, StringToSign(method, p)) //nolint:errcheck // a hash never fails
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// redact keeps a security token out of the answer, which clients log.
func redact(p url.Values, text string) string {
	if t := p.Get("SecurityToken"); t != "" {
		return strings.ReplaceAll(text, Escape(Escape(t)), "***")
	}
	return text
}

// Escape is the percent-encoding of RFC 3986: only letters, digits and -_.~ stay.
func Escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
