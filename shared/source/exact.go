package source

import (
	"context"
	"errors"
	"io"

	"github.com/vodlift/vodlift/shared/fault"
)

// Exactly makes a body keep the promises of Source.Open: it gives exactly size bytes of body and then io.EOF. A body
// that ends early is Retryable with io.ErrUnexpectedEOF in the chain; every other error of body goes through classify;
// the end of ctx is seen before each read and is Unknown. Closing it twice closes body once. Like any reader it is for
// one goroutine.
func Exactly(ctx context.Context, body io.ReadCloser, size int64, op string, classify func(error) error) io.ReadCloser {
	return &exact{ctx: ctx, body: body, left: size, op: op, classify: classify}
}

type exact struct {
	ctx      context.Context
	body     io.ReadCloser
	left     int64
	op       string
	classify func(error) error
	failed   error
	closed   bool
}

func (e *exact) Read(p []byte) (int, error) {
	switch {
	case e.closed:
		return 0, fault.Newf(fault.Unknown, e.op, "read of a closed body: %w", io.ErrClosedPipe)
	case e.failed != nil:
		return 0, e.failed
	case e.left == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	if err := e.ctx.Err(); err != nil {
		e.failed = Ended(e.op, err)
		return 0, e.failed
	}
	n, err := e.body.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case e.left == 0:
		return n, io.EOF // everything that was asked for is here; what follows does not matter
	case errors.Is(err, io.EOF):
		e.failed = fault.Newf(fault.Retryable, e.op, "the body ended %d bytes early: %w", e.left, io.ErrUnexpectedEOF)
	case e.ctx.Err() != nil:
		e.failed = Ended(e.op, e.ctx.Err())
	default:
		e.failed = e.classify(err)
	}
	return n, e.failed
}

func (e *exact) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	return e.body.Close()
}

// Ended is the fault for a read that its context ended: the source has nothing to do with it, so its kind is Unknown.
func Ended(op string, cause error) error {
	return &fault.Error{Kind: fault.Unknown, Op: op, Effect: fault.EffectNone, Err: cause}
}

// NotFound is the fault for an object that does not exist.
func NotFound(op string) *fault.Error {
	return gone(op, ErrNotFound, "put the video into the bucket again")
}

// Changed is the fault for an object that is not the one that was asked for.
func Changed(op string) *fault.Error {
	return gone(op, ErrChanged, "nothing: the new object is a publication of its own")
}

func gone(op string, err error, action string) *fault.Error {
	return &fault.Error{Kind: fault.Invalid, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOwner, Action: action, Err: err}
}

// BeyondEnd is the fault for a range that the object does not have.
func BeyondEnd(op string, offset, size int64) *fault.Error {
	e := fault.Newf(fault.Invalid, op, "%d bytes from %d are not within the object", size, offset)
	e.Field, e.Rule, e.Effect, e.Actor = "range", "lies within the object", fault.EffectNone, fault.ActorUs
	return e
}
