package appserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/appserver/videos"
	"github.com/vodlift/vodlift/shared/fault"
)

// The codes that this API answers with (reference c.1). HTTP says 200 to all of them.
const (
	codeOK        = "200"
	codeParameter = "300" // a parameter is wrong
	codeRequest   = "400" // not that method, not that form
	codeLogin     = "401" // the user name or the password is wrong
	codeForbidden = "403" // no valid token, or it is not yours
	codeUnknown   = "404" // no such call
	codeFailed    = "500" // everything else
)

// Envelope is every answer. Result and Code are strings: Android goes by the one, iOS by the other (reference c.1).
type Envelope struct {
	Result    string  `json:"result"` // true, false
	RequestID string  `json:"requestId"`
	Message   *string `json:"message"`
	Code      string  `json:"code"`
	Data      any     `json:"data"`
}

// encode gives the JSON of e.
func (e Envelope) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fault.Newf(fault.Unknown, "appserver.encode", "the answer cannot be written as JSON: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// refusal is an answer that says no. Its message is for people and holds no secret and nobody else's data.
type refusal struct{ code, message string }

func (r *refusal) Error() string { return r.code + ": " + r.message }

func refuse(code, format string, args ...any) *refusal {
	return &refusal{code: code, message: fmt.Sprintf(format, args...)}
}

// refusalOf says in the apps' terms what an error means.
func refusalOf(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	for _, known := range []struct {
		err  error
		code string
	}{
		{users.ErrCredentials, codeLogin}, {users.ErrTaken, codeForbidden}, {users.ErrToken, codeForbidden}, {users.ErrClosed, codeForbidden},
		{videos.ErrNotYours, codeForbidden}, {videos.ErrPublished, codeFailed}, {videos.ErrDeleted, codeFailed},
		{videos.ErrNotUploading, codeFailed}, {videos.ErrNotReady, codeFailed}, {catalogue.ErrNotFound, codeFailed},
	} {
		if errors.Is(err, known.err) {
			return refuse(known.code, "%s", known.err)
		}
	}
	f := fault.As(err)
	after := ""
	if f != nil && f.After > 0 {
		after = fmt.Sprintf("; try again in %d s", int((f.After+time.Second-1)/time.Second))
	}
	switch {
	case errors.Is(err, users.ErrTooMany):
		return refuse(codeFailed, "%s%s", users.ErrTooMany, after)
	case errors.Is(err, users.ErrOver):
		return refuse(codeFailed, "%s%s", users.ErrOver, after)
	case f != nil && f.Kind == fault.Invalid && f.Field != "" && f.Rule != "":
		return refuse(codeParameter, "%s: %s", f.Field, f.Rule)
	case f != nil && f.Kind == fault.Invalid && f.Code != "":
		return refuse(codeParameter, "the video service refused the request: %s", f.Code)
	case f != nil && f.Kind == fault.Permanent && f.Code != "":
		return refuse(codeFailed, "the video service refused the request: %s", f.Code)
	}
	return refuse(codeFailed, "the service is busy or has a problem%s", after)
}

// requestID makes a random UUID, version 4.
func requestID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fault.Newf(fault.Retryable, "appserver.requestID", "no randomness: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// china is the zone of every date in the answers (reference c.2); it has no summer time.
var china = time.FixedZone("CST", 8*60*60)

// date writes t as the demo does, "" for no time.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(china).Format("2006-01-02 15:04:05")
}

// seconds writes a duration as the demo does: 10.4167.
func seconds(d float64) string { return strconv.FormatFloat(d, 'f', -1, 64) }

// outOfTime says that ctx ended, which is no fault of the request.
func outOfTime(ctx context.Context) bool { return ctx.Err() != nil }
