package sqlite

import (
	"errors"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
	lite "modernc.org/sqlite"
)

// Result codes of SQLite that a later try may not meet again (sqlite.org/rescode.html).
const (
	codeBusy   = 5
	codeLocked = 6
	codeNoMem  = 7
	codeIO     = 10
	codeFull   = 13
	codeOpen   = 14
	codeProto  = 15
)

var (
	errClosed = errors.New("the database is closed")
	errLost   = errors.New("the answer was lost")
)

func shortOp(op string) string { return op[strings.LastIndexByte(op, '.')+1:] }

func lost(op string, k fault.Kind, e fault.Effect) error {
	return &fault.Error{Kind: k, Op: op, Effect: e, Err: errLost}
}

// notSent is the error of a call whose context was over before anything was done.
func notSent(op string, err error) error {
	return &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: err}
}

// unsure is the error of a commit that failed half-way: whether it is on disk shows only when it is read.
func unsure(op string, err error) error {
	return &fault.Error{Kind: fault.Unknown, Op: op, Effect: fault.EffectUnknown, Err: err}
}

// classify gives err a kind, unless it has one. Whatever fails before a commit is rolled back: no effect.
func classify(op string, err error) error {
	if err == nil || fault.As(err) != nil {
		return err
	}
	e := &fault.Error{Kind: fault.Permanent, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator, Err: err}
	switch code(err) {
	case codeBusy, codeLocked:
		e.Kind, e.Actor = fault.Retryable, fault.ActorUs
	case codeNoMem, codeIO, codeFull, codeOpen, codeProto:
		e.Kind, e.Action = fault.Retryable, "look at the disk of the data folder: space, permissions, errors"
	}
	return e
}

func code(err error) int {
	var e *lite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return -1
}
