package douyinweb

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
)

// fail makes the error of a row.
func (q request) fail(row string, r reply, msg string) *fault.Error {
	c := lookup(row)
	f := &fault.Error{Kind: c.KindAt(q.step), Op: q.op, After: r.retryAfter, Code: row, LogID: r.logID, Effect: c.Effect, AssetKept: c.AssetKept, Quota: c.Quota,
		Actor: c.Actor, Action: c.Advice, Err: errors.New(c.Meaning)}
	if msg = printable(msg, q.secrets); msg != "" {
		f.Err = fmt.Errorf("%s: %s", c.Meaning, msg)
	}
	switch {
	case row == RowProtocol:
		f.Err = fmt.Errorf("%w: %s", ErrProtocol, msg)
	case c.SessionLost && (q.step == StepPart || q.step == StepUpload || q.step == StepClose):
		f.Err = fmt.Errorf("%w: %w", target.ErrSessionLost, f.Err)
	case c.SessionLost: // no upload is open yet
		f.Kind = fault.Retryable
	case c.Credential && q.step == StepConfirm:
		f.Err = fmt.Errorf("%w: %w", target.ErrSessionCredential, f.Err)
	case c.Credential: // they were given a moment ago; the next try asks for others
		f.Kind = fault.Retryable
	}
	if q.step == StepCSRF {
		f.Effect, f.AssetKept = fault.EffectNone, true // it only comes before create
	}
	return f
}

// protocol is an answer that lacks what the reference says it has.
func (q request) protocol(r reply, what string) error {
	return q.fail(RowProtocol, r, what+" in the answer of "+string(q.step))
}

// overHTTP classifies an answer that is no JSON object, by what HTTP says. nil: HTTP says success, and the body is one.
func (q request) overHTTP(r reply) *fault.Error {
	status := fmt.Sprintf("HTTP %d", r.status)
	_, isJSON := decode(r.body)
	switch s := r.status; {
	case s == http.StatusTooManyRequests:
		return q.fail(RowThrottle, r, "")
	case s >= 500 || s == http.StatusRequestTimeout || s == http.StatusTooEarly:
		return q.fail(RowBroken, r, status)
	case len(r.body) > maxAnswer:
		return q.fail(RowStrange, r, "the answer is too large")
	case s != http.StatusOK && !isJSON:
		return q.fail(RowHTTP, r, status)
	case !isJSON:
		return q.fail(RowStrange, r, status)
	}
	return nil
}

// site judges an answer of the creator site: nil and the object of a success.
func (q request) site(r reply) (object, *fault.Error) {
	o, isJSON := decode(r.body)
	switch {
	case r.status >= 500 || r.status == http.StatusTooManyRequests:
		return o, q.overHTTP(r)
	case r.verify:
		return o, q.refusal(RowVerify, r, o, "")
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		f := q.refusal(RowDenied, r, o, fmt.Sprintf("HTTP %d", r.status))
		if r.status == http.StatusUnauthorized && q.step == StepCreate { // the reference vouches for 403 only
			f.Effect, f.AssetKept = fault.EffectUnknown, false
		}
		return o, f
	case r.status >= 300 && r.status < 400 && asksLogin(r.location), !isJSON && looksLikeLogin(r.body):
		return o, q.fail(RowPage, r, "")
	case r.status == http.StatusOK && len(bytes.TrimSpace(r.body)) == 0:
		return o, q.fail(RowEmpty, r, "")
	}
	if f := q.overHTTP(r); f != nil {
		return o, f
	}
	code := o.num("status_code")
	switch {
	case o.err() != "":
		return o, q.protocol(r, o.err()).(*fault.Error)
	case code == 110:
		return o, q.refusal(RowHuman, r, o, o.words("status_msg"))
	case code != 0 && q.step == StepCreate:
		f := q.refusal(RowStatus, r, o, o.words("status_msg"))
		f.Code = strconv.FormatInt(code, 10)
		return o, f
	case code != 0:
		f := q.fail(RowLogin, r, o.words("status_msg"))
		f.Code = strconv.FormatInt(code, 10)
		return o, f
	case r.status != http.StatusOK:
		return o, q.fail(RowHTTP, r, fmt.Sprintf("HTTP %d", r.status))
	}
	return o, nil
}

// refusal is a refusal that counts as proven only if nothing in the answer says otherwise.
func (q request) refusal(row string, r reply, o object, msg string) *fault.Error {
	f := q.fail(row, r, msg)
	if q.step == StepCreate && (o.has("item_id") || o.has("aweme")) {
		f.Kind, f.Effect, f.AssetKept = fault.Unknown, fault.EffectUnknown, false
		f.Err = errors.New("a refusal, and a post's id beside it")
	}
	return f
}

// asksLogin tells whether a redirect leads to a login or a verification.
func asksLogin(location string) bool {
	u, err := url.Parse(location)
	return err == nil && containsAny(strings.ToLower(u.Host+u.Path), "login", "passport", "verify", "captcha", "sso")
}

// looksLikeLogin tells whether a page asks the reader to log in or to prove to be a person. A gateway's page does not.
func looksLikeLogin(body []byte) bool {
	s := strings.ToLower(string(body[:min(len(body), 64<<10)]))
	return strings.Contains(s, "<") && containsAny(s, "captcha", "passport", "login", "verifycenter", "secsdk", "登录", "验证码", "安全验证", "人机验证")
}

func containsAny(s string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// video judges an answer of the video gateway: nil and the object of a success. Success is code 2000.
func (q request) video(r reply) (object, *fault.Error) {
	if r.status == http.StatusUnauthorized || r.status == http.StatusForbidden {
		return object{}, q.fail(RowAuth, r, fmt.Sprintf("HTTP %d", r.status))
	}
	if f := q.overHTTP(r); f != nil {
		return object{}, f
	}
	o, _ := decode(r.body)
	code := o.num("code")
	switch {
	case o.err() != "":
		return o, q.protocol(r, o.err()).(*fault.Error)
	case code == 30411:
		return o, q.fail(RowRate, r, o.words("message"))
	case code != 2000:
		f := q.fail(RowVideo, r, o.words("message"))
		f.Code = strconv.FormatInt(code, 10)
		return o, f
	case r.status != http.StatusOK:
		return o, q.fail(RowHTTP, r, fmt.Sprintf("HTTP %d", r.status))
	}
	return o, nil
}

// storage judges an answer of the storage: nil and the object of a success. Success is "success":0; how it says that an
// upload is gone is unconfirmed.
func (q request) storage(r reply) (object, *fault.Error) {
	switch r.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		return object{}, q.fail(RowGone, r, fmt.Sprintf("HTTP %d", r.status))
	case http.StatusRequestEntityTooLarge:
		f := q.fail(RowStorage, r, "HTTP 413")
		f.Kind, f.Field, f.Rule, f.Actor, f.Action = fault.Invalid, "source.size", "what the platform takes at once", fault.ActorOperator, "Lower the part size of this target."
		return object{}, f
	}
	if f := q.overHTTP(r); f != nil {
		if f.Code == RowHTTP && r.status >= 400 {
			f = q.fail(RowStorage, r, fmt.Sprintf("HTTP %d", r.status))
		}
		return object{}, f
	}
	o, _ := decode(r.body)
	ok := o.num("success")
	switch {
	case o.err() != "":
		return o, q.protocol(r, o.err()).(*fault.Error)
	case ok != 0 || r.status != http.StatusOK:
		in := object{p: &problem{}}
		if o.has("error") {
			in = o.obj("error")
		}
		return o, q.fail(RowStorage, r, fmt.Sprintf("success %d, HTTP %d: %s", ok, r.status, in.words("message")))
	}
	return o, nil
}
