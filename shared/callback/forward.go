package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"strconv"
	"strings"
	"time"
)

// What Function Compute forwards to our HTTP API (design 2). The paths are what is signed, whatever stage or base path
// the API's own address has in front of them.
const (
	PathObjectCreated = "/forwarded/object-created"
	PathVOD           = "/forwarded/vod"
	PathDouyin        = "/forwarded/douyin"
)

// Header names of a forwarded request.
const (
	HeaderForwardTimestamp = "X-Vodlift-Timestamp" // ten digits: Unix seconds
	HeaderForwardSignature = "X-Vodlift-Signature"
	HeaderForwardID        = "X-Vodlift-Id"
)

// MinForwardKey is the least length of a forward key: it is ours alone, so there is no reason for a short one.
const MinForwardKey = 16

// ForwardID names what is forwarded by its content, so that it need not be signed by itself: a repeat has the same id,
// and nobody can give a body another one. 32 characters of lower-case hex.
func ForwardID(path string, body []byte) string {
	h := sha256.New()
	_, _ = io.WriteString(h, path+"\n")
	_, _ = h.Write(body)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// SignForward is lower-case hex HMAC-SHA256 of timestamp, path and body with line feeds between them.
func SignForward(key, timestamp, path string, body []byte) string {
	h := hmac.New(sha256.New, []byte(key))
	_, _ = io.WriteString(h, timestamp+"\n"+path+"\n")
	_, _ = h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// ForwardHeaders are the headers of one attempt to forward: each attempt has its own time.
func ForwardHeaders(key, path string, body []byte, now time.Time) map[string]string {
	ts := strconv.FormatInt(now.Unix(), 10)
	return map[string]string{
		HeaderForwardTimestamp: ts,
		HeaderForwardSignature: SignForward(key, ts, path, body),
		HeaderForwardID:        ForwardID(path, body),
	}
}

// VerifyForward checks a forwarded request against every key in force. The error is ErrNoKey, ErrSignature or ErrStale.
func VerifyForward(keys []string, timestamp, signature, id, path string, body []byte, now time.Time) error {
	fits, usable := 0, false
	given := []byte(strings.ToLower(signature))
	for _, k := range keys {
		if len(k) < MinForwardKey {
			continue
		}
		usable = true
		fits |= subtle.ConstantTimeCompare([]byte(SignForward(k, timestamp, path, body)), given)
	}
	if !usable {
		return ErrNoKey
	}
	at, ok := unixSeconds(timestamp)
	if fits != 1 || !ok || subtle.ConstantTimeCompare([]byte(ForwardID(path, body)), []byte(id)) != 1 {
		return ErrSignature
	}
	return inWindow(at, now)
}
