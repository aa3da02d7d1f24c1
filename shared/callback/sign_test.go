package callback_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
)

// The vector of the reference (b): the page prints all but the last four digits of the signature, and they agree.
const (
	vectorURL       = "https://www.example.com/your/callback"
	vectorTimestamp = "1519375990"
	vectorKey       = "test123"
	vectorSignature = "c72b60894140fa98920f1279219b7ed4"
)

func TestVODSignatureVector(t *testing.T) {
	if got := callback.SignVOD(callback.VODKey{URL: vectorURL, Secret: vectorKey}, vectorTimestamp); got != vectorSignature {
		t.Errorf("got %s, want %s", got, vectorSignature)
	}
}

func TestVODSignatureRules(t *testing.T) {
	at := time.Unix(1519375990, 0)
	key, next := callback.VODKey{URL: vectorURL, Secret: vectorKey}, callback.VODKey{URL: vectorURL, Secret: "Next12345"}
	both := []callback.VODKey{key, next}
	for _, c := range []struct {
		name            string
		keys            []callback.VODKey
		timestamp, sign string
		now             time.Time
		want            error
	}{
		{"the right one", both, vectorTimestamp, vectorSignature, at, nil},
		{"in upper case", both, vectorTimestamp, strings.ToUpper(vectorSignature), at, nil},
		{"by the second key", both, vectorTimestamp, callback.SignVOD(next, vectorTimestamp), at, nil},
		{"at the window's late edge", both, vectorTimestamp, vectorSignature, at.Add(callback.Window), nil},
		{"a moment after it", both, vectorTimestamp, vectorSignature, at.Add(callback.Window + time.Nanosecond), callback.ErrStale},
		{"at the window's early edge", both, vectorTimestamp, vectorSignature, at.Add(-callback.Window), nil},
		{"a moment before it", both, vectorTimestamp, vectorSignature, at.Add(-callback.Window - time.Nanosecond), callback.ErrStale},
		{"no key", nil, vectorTimestamp, vectorSignature, at, callback.ErrNoKey},
		{"an empty key is none", []callback.VODKey{{URL: vectorURL}}, vectorTimestamp, callback.SignVOD(callback.VODKey{URL: vectorURL}, vectorTimestamp), at, callback.ErrNoKey},
		{"no headers", both, "", "", at, callback.ErrSignature},
		{"no timestamp", both, "", callback.SignVOD(key, ""), at, callback.ErrSignature},
		{"one digit changed", both, vectorTimestamp, "d" + vectorSignature[1:], at, callback.ErrSignature},
		{"the timestamp changed", both, "1519375991", vectorSignature, at, callback.ErrSignature},
		{"a prefix", both, vectorTimestamp, vectorSignature[:31], at, callback.ErrSignature},
		{"another URL's", both, vectorTimestamp, callback.SignVOD(callback.VODKey{URL: vectorURL + "/", Secret: vectorKey}, vectorTimestamp), at, callback.ErrSignature},
		{"signed, but no ten digits", both, "01519375990", callback.SignVOD(key, "01519375990"), at, callback.ErrSignature},
		{"signed, but a sign", both, "+151937599", callback.SignVOD(key, "+151937599"), at, callback.ErrSignature},
		{"a signature given twice", both, vectorTimestamp, vectorSignature + "," + vectorSignature, at, callback.ErrSignature},
	} {
		if err := callback.VerifyVOD(c.keys, c.timestamp, c.sign, c.now); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", key, key, key); strings.Contains(s, vectorKey) {
		t.Errorf("a key prints as %s", s)
	}
}

func TestDouyinSignatureIsPlainSHA1OfSecretAndBody(t *testing.T) {
	body := []byte("abc")
	// SHA-1("secretabc"), by sha1sum.
	const want = "338127540dccbe48589a0ff30875548fc24c74c8"
	if got := callback.SignDouyin("secret", body); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, c := range []struct {
		name    string
		secrets []string
		sign    string
		want    error
	}{
		{"the right one", []string{"secret"}, want, nil},
		{"in upper case", []string{"secret"}, strings.ToUpper(want), nil},
		{"by the second secret", []string{"old", "secret"}, want, nil},
		{"wrong", []string{"old"}, want, callback.ErrSignature},
		{"missing", []string{"secret"}, "", callback.ErrSignature},
		{"no secret", []string{""}, callback.SignDouyin("", body), callback.ErrNoKey},
	} {
		if err := callback.VerifyDouyin(c.secrets, c.sign, body); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestForwardedRequestsAreBoundToKeyTimePathAndBody(t *testing.T) {
	const key = "0123456789abcdef"
	now, body := time.Unix(1793318400, 0), []byte(`{"v":1}`)
	h := callback.ForwardHeaders(key, callback.PathVOD, body, now)
	ts, sign, id := h[callback.HeaderForwardTimestamp], h[callback.HeaderForwardSignature], h[callback.HeaderForwardID]
	// printf '1793318400\n/forwarded/vod\n{"v":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
	if want := "394fa27828a0c4a8ecc52a3df5da5e0304f78fbef41375b361003696f9f76171"; sign != want {
		t.Errorf("signature %s, want %s", sign, want)
	}
	for _, c := range []struct {
		name               string
		keys               []string
		ts, sign, id, path string
		body               []byte
		now                time.Time
		want               error
	}{
		{"as sent", []string{key}, ts, sign, id, callback.PathVOD, body, now, nil},
		{"by the second key", []string{"another key of it", key}, ts, sign, id, callback.PathVOD, body, now, nil},
		{"another key", []string{"another key of it"}, ts, sign, id, callback.PathVOD, body, now, callback.ErrSignature},
		{"another path", []string{key}, ts, sign, id, callback.PathDouyin, body, now, callback.ErrSignature},
		{"another body", []string{key}, ts, sign, id, callback.PathVOD, []byte(`{"v":2}`), now, callback.ErrSignature},
		{"another time", []string{key}, "1793318401", sign, id, callback.PathVOD, body, now, callback.ErrSignature},
		{"another id", []string{key}, ts, sign, strings.Repeat("0", 32), callback.PathVOD, body, now, callback.ErrSignature},
		{"no id", []string{key}, ts, sign, "", callback.PathVOD, body, now, callback.ErrSignature},
		{"six minutes old", []string{key}, ts, sign, id, callback.PathVOD, body, now.Add(6 * time.Minute), callback.ErrStale},
		{"six minutes ahead", []string{key}, ts, sign, id, callback.PathVOD, body, now.Add(-6 * time.Minute), callback.ErrStale},
		{"no key", nil, ts, sign, id, callback.PathVOD, body, now, callback.ErrNoKey},
		{"a key too short to be one", []string{"short"}, ts, callback.SignForward("short", ts, callback.PathVOD, body), id, callback.PathVOD, body, now, callback.ErrNoKey},
	} {
		if err := callback.VerifyForward(c.keys, c.ts, c.sign, c.id, c.path, c.body, c.now); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}
