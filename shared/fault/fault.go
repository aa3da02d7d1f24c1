// Package fault names the kinds of failure that the whole program branches on (house-style 3.4).
//
// It knows nothing of HTTP, AWS or any platform: an adapter classifies what it saw, everybody else asks KindOf and
// EffectOf and never reads a message. The zero Kind is the cautious one: an error that nobody classified has an unknown
// outcome and is never repeated blindly.
package fault

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Kind says who reacts to a failure, and how. The zero value is Unknown.
type Kind int

// The seven kinds. Their String is the error name that the state machine sees.
const (
	// Unknown: bytes may have arrived (time-out, cut connection, crash, unreadable answer). Inspect, then decide.
	Unknown Kind = iota
	// Retryable: refused before any effect, or a repeat is harmless. May carry a delay.
	Retryable
	// TokenExpired: the short-lived token was refused; a refresh or a Renewer can cure it.
	TokenExpired
	// CredentialsExpired: what we refresh with is refused; a person has to log in again.
	CredentialsExpired
	// Duplicate: the target or the store already has it.
	Duplicate
	// Invalid: this video or request can never be accepted as it is.
	Invalid
	// Permanent: refused for good although the input is fine: banned, closed, unsupported.
	Permanent
)

var kindNames = [...]string{"Unknown", "Retryable", "TokenExpired", "CredentialsExpired", "Duplicate", "Invalid", "Permanent"}

// Kinds lists every kind in order.
func Kinds() []Kind {
	return []Kind{Unknown, Retryable, TokenExpired, CredentialsExpired, Duplicate, Invalid, Permanent}
}

// String is the name used in state machine rules, logs and the ledger.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return kindNames[Unknown]
	}
	return kindNames[k]
}

// ParseKind is the inverse of String; a name it does not know is Unknown.
func ParseKind(name string) Kind {
	for i, n := range kindNames {
		if n == name {
			return Kind(i)
		}
	}
	return Unknown
}

// Effect says whether a failed call may have changed anything at the platform (design 4.1). The zero value is the
// cautious one.
type Effect int

const (
	// EffectUnknown: the call may have taken effect.
	EffectUnknown Effect = iota
	// EffectNone: the platform provably refused it, or no byte of the request was written.
	EffectNone
)

// Actor is whose turn it is after a fault (design 4.12).
type Actor string

// The four who can act.
const (
	ActorUs       Actor = "us"
	ActorOperator Actor = "operator"
	ActorOwner    Actor = "account owner"
	ActorPlatform Actor = "platform"
)

// Error is one classified failure. Ids are allowed in it, secrets never.
type Error struct {
	Kind  Kind
	Op    string        // "douyin.Publish": package and operation
	After time.Duration // the platform's own Retry-After, or how long a quota lasts; 0 = not said

	Code      string // the platform's code, as it wrote it
	LogID     string // the platform's log id, for its support
	Effect    Effect // may the call have changed anything?
	AssetKept bool   // on Publish: the asset is still good for another create (token, scope, quota, rate: refused at the door)
	Quota     bool   // a quota or rate limit: wait, do not fail
	Actor     Actor  // whose turn it is
	Action    string // what to do, one sentence for people

	Field string // of our input that is at fault, if one is
	Rule  string // the rule that it breaks

	Err error // the cause, or the platform's own words
}

// New makes an *Error of a kind whose text is msg.
func New(k Kind, op, msg string) *Error { return &Error{Kind: k, Op: op, Err: errors.New(msg)} }

// Newf is New with a format; %w works.
func Newf(k Kind, op, format string, args ...any) *Error {
	return &Error{Kind: k, Op: op, Err: fmt.Errorf(format, args...)}
}

// InvalidField says which field of an input breaks which rule; nothing was sent, so it has no effect.
func InvalidField(op, field, rule, msg string) *Error {
	return &Error{Kind: Invalid, Op: op, Field: field, Rule: rule, Effect: EffectNone, Actor: ActorOwner, Err: errors.New(msg)}
}

// Wrap adds an operation to err and keeps its kind and everything else that is known. Wrap(op, nil) is nil.
func Wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		c := *e
		c.Op, c.Err = op, err
		return &c
	}
	return &Error{Kind: Unknown, Op: op, Err: err}
}

// Error reads: op: kind: cause (field, rule, code, log id).
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	var inner *Error
	if e.Err == nil || !errors.As(e.Err, &inner) {
		b.WriteString(e.Kind.String() + ": ")
	}
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	}
	if inner == nil {
		b.WriteString(e.details())
	}
	return b.String()
}

func (e *Error) details() string {
	var d []string
	for _, p := range [...][2]string{{"field", e.Field}, {"rule", e.Rule}, {"code", e.Code}, {"log id", e.LogID}} {
		if p[1] != "" {
			d = append(d, p[0]+" "+p[1])
		}
	}
	if e.After > 0 {
		d = append(d, "again in "+e.After.String())
	}
	if len(d) == 0 {
		return ""
	}
	return " (" + strings.Join(d, ", ") + ")"
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// LogValue groups what an operator filters by.
func (e *Error) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kind", e.Kind.String()), slog.String("op", e.Op), slog.String("code", e.Code),
		slog.String("log_id", e.LogID), slog.String("text", e.Error()))
}

// KindOf gives the kind of err: the outermost *Error in its chain decides; Unknown when nothing says otherwise.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Unknown
}

// EffectOf tells whether the failed call may have taken effect; EffectUnknown when nothing says otherwise.
func EffectOf(err error) Effect {
	var e *Error
	if errors.As(err, &e) {
		return e.Effect
	}
	return EffectUnknown
}

// As gives the outermost *Error in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
