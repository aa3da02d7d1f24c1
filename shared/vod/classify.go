package vod

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/transport"
)

// judge turns what came back into out or a classified error.
func (k *call) judge(ctx context.Context, x reply, out any) error {
	if x.err != nil {
		if x.status == 0 || ctx.Err() != nil {
			return k.lost(ctx, x.err)
		}
		return k.open(x, "the answer broke off")
	}
	if x.long {
		return k.open(x, "the answer is too large")
	}
	var head struct {
		Code    text
		Message text
		Request text `json:"RequestId"`
	}
	body := bytes.TrimSpace(x.body)
	isObject := len(body) > 0 && body[0] == '{' && json.Valid(body)
	if isObject {
		_ = json.Unmarshal(body, &head) // the three take every type
	}
	code := string(head.Code)
	failed := code != "" && code != "200" && code != "OK" && code != "Success"
	switch {
	case isObject && (failed || x.status/100 != 2 && code != ""):
		return k.refused(x, code, string(head.Message), string(head.Request))
	case x.status/100 != 2:
		return k.overHTTP(x)
	case !isObject:
		return k.open(x, "the answer is not in the platform's form")
	}
	if err := json.Unmarshal(body, out); err != nil { // its text could quote the answer
		return k.open(x, "the answer has fields of another type")
	}
	return nil
}

// refused classifies an answer with a code.
func (k *call) refused(x reply, code, words, request string) error {
	f := &fault.Error{Op: k.op, Code: printable(code, k.secrets), LogID: printable(request, k.secrets), After: x.after(k.now())}
	words = printable(words, k.secrets)
	row, ok := lookup(code)
	if !ok {
		row = unlisted(code, x.status)
		words = "unlisted code: " + words
	}
	f.Kind, f.Effect, f.Quota, f.Actor, f.Action, f.Field, f.Rule = row.KindAt(k.step), row.Effect, row.Quota, row.Actor, row.Advice, row.Field, row.Rule
	if f.After == 0 {
		f.After = row.Wait
	}
	f.Err = fmt.Errorf("%s: %s", row.Meaning, words)
	if row.Is != nil {
		f.Err = fmt.Errorf("%w: %w", row.Is, f.Err)
	}
	if row.Key {
		k.key(f)
	}
	return f
}

// key says whose key it was that was refused: an app's, which signs AssumeRole; a role's session, which is renewed; or
// one that a person gave.
func (k *call) key(f *fault.Error) {
	switch {
	case k.role:
		f.Kind, f.Actor, f.Action = fault.Permanent, fault.ActorOperator, "Set the key of the app alivod again; it signs for the role."
	case k.temp:
		f.Kind, f.Actor, f.Action = fault.TokenExpired, fault.ActorUs, "A new session of the role is asked for and the call repeated."
	default:
		f.Kind, f.Actor, f.Action = fault.CredentialsExpired, fault.ActorOwner, "Give a RAM key that is active: log in again."
	}
}

// overHTTP classifies an answer without a code of the platform: a gateway's page, another status.
func (k *call) overHTTP(x reply) error {
	f := k.opened(x, fmt.Sprintf("HTTP %d without a code of the platform", x.status))
	switch s := x.status; {
	case s == http.StatusTooManyRequests:
		f.Kind, f.Quota, f.Effect, f.Action = fault.Retryable, true, fault.EffectNone, waits
	case s == http.StatusRequestTimeout || s == http.StatusTooEarly || s >= 500:
	default:
		f.Kind, f.Actor, f.Action = fault.Permanent, fault.ActorOperator, "Check the address of VOD."
	}
	return f
}

// open is an outcome that the answer leaves open.
func (k *call) open(x reply, msg string) error {
	return k.opened(x, fmt.Sprintf("HTTP %d, %s", x.status, msg))
}

func (k *call) opened(x reply, msg string) *fault.Error {
	f := &fault.Error{Kind: fault.Unknown, Op: k.op, After: x.after(k.now()), Actor: fault.ActorPlatform, Action: goesOn, Err: errors.New(msg),
		LogID: printable(x.header.Get("X-Acs-Request-Id"), k.secrets)}
	if harmless(k.step) {
		f.Kind = fault.Retryable
	}
	return f
}

// missing is a success that lacks what it is for.
func (k *call) missing(what string) error {
	f := &fault.Error{Kind: fault.Unknown, Op: k.op, Actor: fault.ActorPlatform, Action: goesOn, Err: errors.New("the answer holds no " + what)}
	if harmless(k.step) {
		f.Kind = fault.Retryable
	}
	return f
}

func missing(step Step, what string) error {
	return (&call{step: step, op: "vod." + string(step)}).missing(what)
}

func (k *call) cancelled(ctx context.Context, sent bool) error {
	f := &fault.Error{Kind: fault.Unknown, Op: k.op, Actor: fault.ActorUs, Action: "It goes on by itself.", Err: transport.ContextError(ctx)}
	if !sent {
		f.Effect = fault.EffectNone
	}
	return f
}

// lost is a request without an answer.
func (k *call) lost(ctx context.Context, err error) error {
	var ue *url.Error // its text holds the query
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if ctx.Err() != nil { // before any other explanation: the caller did it
		return k.cancelled(ctx, true)
	}
	f := &fault.Error{Kind: fault.Unknown, Op: k.op, Actor: fault.ActorPlatform, Action: "The connection failed; see whether VOD can be reached.",
		Err: &quiet{text: printable(err.Error(), k.secrets), err: err}}
	nothing := transport.NeverSent(err)
	if nothing {
		f.Effect = fault.EffectNone
	}
	var r interface{ Refused() bool }
	switch {
	case nothing && errors.As(err, &r) && r.Refused():
		f.Kind, f.Actor, f.Action = fault.Permanent, fault.ActorOperator, "This address may not be called; check the address of VOD."
	case nothing || harmless(k.step):
		f.Kind = fault.Retryable
	}
	return f
}

// after reads Retry-After in both forms; nonsense is 0, and more than a day is a day.
func (x reply) after(now time.Time) time.Duration {
	v := strings.TrimSpace(x.header.Get("Retry-After"))
	var d time.Duration
	if n, err := strconv.ParseInt(v, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), 24*time.Hour)
}

// quiet keeps a chain and shows a cleaned text.
type quiet struct {
	text string
	err  error
}

func (q *quiet) Error() string { return q.text }
func (q *quiet) Unwrap() error { return q.err }

// printable makes somebody else's words fit for an error: no secrets, no control or direction characters, not long.
func printable(s string, secrets []string) string {
	for _, x := range secrets {
		if x != "" {
			s = strings.ReplaceAll(s, x, "[hidden]")
			s = strings.ReplaceAll(s, url.QueryEscape(x), "[hidden]")
		}
	}
	// The platform quotes what was signed where a signature is wrong: it holds the token in its own encodings.
	if i := strings.Index(s, "StringToSign"); i >= 0 {
		s = s[:i] + "[hidden]"
	}
	if i := strings.Index(s, "server string to sign"); i >= 0 {
		s = s[:i] + "[hidden]"
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > 512 {
			b.WriteString("...")
			break
		}
		if r == unicode.ReplacementChar || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || !unicode.IsPrint(r) && r != ' ' {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
