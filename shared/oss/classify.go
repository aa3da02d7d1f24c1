package oss

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/transport"
)

// classify turns what the SDK says of a failed request into a *fault.Error. An answer's code decides; without one the
// status; without an answer whether a byte was written and whether a repeat does harm.
func (k *call) classify(ctx context.Context, err error) error {
	if ctx.Err() != nil { // before any other explanation: the caller did it
		return k.cancelled(ctx)
	}
	f := &fault.Error{Kind: fault.Retryable, Op: k.op, Actor: fault.ActorPlatform, Action: goesOn, LogID: k.logID(), After: k.after()}
	var said sdk.ServiceError
	var crc sdk.CRCCheckError
	switch {
	case k.status == 0:
		return k.lost(f, err)
	case errors.As(err, &crc):
		return k.damaged("the answer has another CRC64 than the bytes that were sent")
	case errors.As(err, &said) && said.Code != "":
		return k.refused(f, said)
	case k.status/100 == 2 || errors.Is(err, errTooLarge):
		return k.unreadable("the answer could not be read")
	}
	k.byStatus(f)
	return f
}

func (k *call) cancelled(ctx context.Context) error {
	f := &fault.Error{Kind: fault.Unknown, Op: k.op, Actor: fault.ActorUs, Action: "It goes on by itself.", Err: transport.ContextError(ctx)}
	if !k.sent {
		f.Effect = fault.EffectNone
	}
	return f
}

// refused is an answer with a code.
func (k *call) refused(f *fault.Error, said sdk.ServiceError) error {
	f.Code = printable(said.Code, nil)
	words := k.words(said.Message)
	row, ok := lookup(said.Code)
	if !ok {
		k.byStatus(f)
		f.Code = printable(said.Code, nil)
		f.Err = fmt.Errorf("unlisted code, HTTP %d: %s", k.status, words)
		return f
	}
	f.Kind, f.Effect, f.Actor, f.Action = row.Kind, row.Effect, row.Actor, row.Advice
	f.Quota = throttled(row.Code)
	f.Err = fmt.Errorf("%s: %s", row.Meaning, words)
	if row.Is != nil {
		f.Err = fmt.Errorf("%w: %w", row.Is, f.Err)
	}
	switch {
	case row.Is == ErrNoBucket:
		f.Err = fmt.Errorf("%w: %w", ErrNotFound, f.Err)
	case row.Code == "RequestTimeTooSkewed" && k.clock.correct(k.header.Get("Date"), k.signed):
		f.Kind, f.Actor, f.Action = fault.Retryable, fault.ActorUs, "The time is taken from OSS and the request sent again; set this machine's clock."
	case k.status >= 500 && !k.repeat:
		f.Kind = fault.Unknown
	}
	return f
}

// byStatus is for answers without a code: a gateway's page, a HEAD without its header.
func (k *call) byStatus(f *fault.Error) {
	f.Code = ""
	f.Err = fmt.Errorf("HTTP %d without a code of OSS", k.status)
	f.Effect = fault.EffectUnknown
	switch s := k.status; {
	case s == http.StatusNotFound && (k.op == "oss.Head" || k.op == "oss.GetRange"):
		row, _ := lookup("NoSuchKey")
		f.Kind, f.Actor, f.Action, f.Err = row.Kind, row.Actor, row.Advice, fmt.Errorf("%w (%w)", ErrNotFound, f.Err)
	case s == http.StatusPreconditionFailed:
		row, _ := lookup("PreconditionFailed")
		f.Kind, f.Actor, f.Action, f.Err = row.Kind, row.Actor, row.Advice, fmt.Errorf("%w (%w)", ErrChanged, f.Err)
	case s == http.StatusTooManyRequests || s == http.StatusRequestTimeout || s == http.StatusTooEarly || s >= 500:
		f.Quota = s == http.StatusTooManyRequests
		if !k.repeat {
			f.Kind = fault.Unknown
		}
	case s == http.StatusForbidden:
		f.Kind, f.Actor, f.Action, f.Err = fault.Permanent, fault.ActorOperator, rights, fmt.Errorf("%w (%w)", ErrDenied, f.Err)
	default:
		f.Kind, f.Actor, f.Action = fault.Permanent, fault.ActorOperator, "Check the OSS endpoint."
	}
}

// lost is a request without an answer.
func (k *call) lost(f *fault.Error, err error) error {
	var ue *url.Error // its text holds the query
	if errors.As(err, &ue) {
		err = ue.Err
	}
	f.Action = "The connection failed; see whether OSS can be reached."
	f.Err = &quiet{text: printable(err.Error(), k.secrets), err: err}
	nothing := transport.NeverSent(err)
	if nothing {
		f.Effect = fault.EffectNone
	}
	var r interface{ Refused() bool }
	switch {
	case nothing && errors.As(err, &r) && r.Refused():
		f.Kind, f.Actor, f.Action = fault.Permanent, fault.ActorOperator, "This address may not be called; check the OSS endpoint."
	case !nothing && !k.repeat:
		f.Kind = fault.Unknown
	}
	return f
}

// unreadable is an answer of success that lacks what it is for.
func (k *call) unreadable(msg string) error {
	f := &fault.Error{Kind: fault.Unknown, Op: k.op, Actor: fault.ActorPlatform, Action: goesOn, LogID: k.logID(), Err: fmt.Errorf("HTTP %d: %s", k.status, msg)}
	if k.repeat {
		f.Kind = fault.Retryable
	}
	return f
}

func (k *call) damaged(msg string) error {
	return &fault.Error{Kind: fault.Retryable, Op: k.op, Actor: fault.ActorUs, Action: again, LogID: k.logID(), Err: fmt.Errorf("%w: %s", ErrDamaged, msg)}
}

func isGone(err error) bool {
	return errors.Is(err, ErrNoUpload) || errors.Is(err, ErrNotFound)
}

// ReadFault classifies an error that came while an object's body was read: nothing was changed, so it may be read again.
func ReadFault(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return &fault.Error{Kind: fault.Unknown, Op: op, Effect: fault.EffectNone, Actor: fault.ActorUs, Err: transport.ContextError(ctx)}
	}
	return &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Actor: fault.ActorPlatform, Action: goesOn,
		Err: &quiet{text: printable(err.Error(), nil), err: err}}
}

func (k *call) logID() string { return printable(k.header.Get("X-Oss-Request-Id"), nil) }

// after reads Retry-After in both forms; nonsense is 0, and more than a day is a day.
func (k *call) after() time.Duration {
	v := strings.TrimSpace(k.header.Get("Retry-After"))
	var d time.Duration
	if n, err := strconv.ParseInt(v, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(v); err == nil && k.clock != nil {
		d = at.Sub(k.clock.Now())
	}
	return min(max(d, 0), 24*time.Hour)
}

// words are the platform's own. SignatureDoesNotMatch quotes in others of its fields what was signed; those are never
// shown.
func (k *call) words(s string) string { return printable(s, k.secrets) }

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
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > 300 {
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
