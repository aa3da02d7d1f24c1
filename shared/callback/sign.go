package callback

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Why a callback is refused; found with errors.Is.
var (
	// ErrNoKey: nobody has set a key, so nothing can be told from a forgery. The sender should come again: 503.
	ErrNoKey = errors.New("no callback key is configured")
	// ErrSignature: a signature is missing, malformed or not ours: 403, counted, not stored.
	ErrSignature = errors.New("the signature does not fit")
	// ErrStale: the signature is good, its time is not now: 403, counted, not stored.
	ErrStale = errors.New("the signature's time is outside the window")
)

// Window is how far a signature's time may be from ours, either way (reference alibaba-vod-and-oss (b)). It cannot be
// switched off: VOD's signature covers only sender and time, so without it one captured header would be good for ever.
const Window = 5 * time.Minute

// Header names of the platforms' signatures; header names have no case.
const (
	HeaderVODTimestamp = "X-VOD-TIMESTAMP"
	HeaderVODSignature = "X-VOD-SIGNATURE"
	HeaderDouyin       = "X-Douyin-Signature"
)

// VODKey is one configuration of VOD's callbacks: the URL as its text was entered there (scheme, host, path, query;
// never one rebuilt from a request), and the key. It prints as dots.
type VODKey struct{ URL, Secret string }

// String hides the key.
func (VODKey) String() string { return "..." }

// GoString hides the key.
func (VODKey) GoString() string { return "..." }

// SignVOD is VOD's signature: lower-case hex MD5 of url|timestamp|key.
func SignVOD(k VODKey, timestamp string) string {
	sum := md5.Sum([]byte(k.URL + "|" + timestamp + "|" + k.Secret)) // the platform's choice, not ours
	return hex.EncodeToString(sum[:])
}

// VerifyVOD checks the two headers against every key that is in force: two while they are being exchanged. It takes the
// same time for every wrong signature. The error is ErrNoKey, ErrSignature or ErrStale.
func VerifyVOD(keys []VODKey, timestamp, signature string, now time.Time) error {
	fits, usable := 0, false
	given := []byte(strings.ToLower(signature))
	for _, k := range keys {
		if k.URL == "" || k.Secret == "" {
			continue
		}
		usable = true
		fits |= subtle.ConstantTimeCompare([]byte(SignVOD(k, timestamp)), given)
	}
	if !usable {
		return ErrNoKey
	}
	at, ok := unixSeconds(timestamp)
	if fits != 1 || !ok {
		return ErrSignature
	}
	return inWindow(at, now)
}

// SignDouyin is Douyin's signature: lower-case hex SHA-1 (plain, no HMAC) of the client secret followed by the raw body
// (reference douyin A.10).
func SignDouyin(secret string, body []byte) string {
	h := sha1.New() // the platform's choice, not ours
	_, _ = io.WriteString(h, secret)
	_, _ = h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// VerifyDouyin checks the header over the raw body. There is no time in it, so a repeat is known by its body alone
// (Event.Key). The error is ErrNoKey or ErrSignature.
func VerifyDouyin(secrets []string, signature string, body []byte) error {
	fits, usable := 0, false
	given := []byte(strings.ToLower(signature))
	for _, s := range secrets {
		if s == "" {
			continue
		}
		usable = true
		fits |= subtle.ConstantTimeCompare([]byte(SignDouyin(s, body)), given)
	}
	switch {
	case !usable:
		return ErrNoKey
	case fits != 1:
		return ErrSignature
	}
	return nil
}

func inWindow(at, now time.Time) error {
	if d := now.Sub(at); d > Window || d < -Window {
		return fmt.Errorf("%w of %s", ErrStale, Window)
	}
	return nil
}

// unixSeconds reads exactly ten digits: what both signatures carry until the year 2286.
func unixSeconds(s string) (time.Time, bool) {
	if len(s) != 10 {
		return time.Time{}, false
	}
	var n int64
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return time.Time{}, false
		}
		n = n*10 + int64(c-'0')
	}
	return time.Unix(n, 0).UTC(), true
}
