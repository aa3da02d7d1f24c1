// Package handler is the edge between a function service and our code: it decodes and limits what comes in, keeps a
// margin before the deadline, names every failure so that the state machine can match it, and writes the log fields
// and the metrics of an invocation (design 3, house-style 3.4).
//
// It must not know any business rule, nor the AWS SDK. It needs no IAM action.
package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"time"

	"github.com/aliyun/fc-runtime-go-sdk/fccontext"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/vodlift/vodlift/shared/fault"
)

// Function is one function as every host runs it: JSON in, JSON out. It is safe for concurrent use and does not keep
// event after it returns.
type Function func(ctx context.Context, event json.RawMessage) (json.RawMessage, error)

// maxMessage bounds the text of a named error: Step Functions cuts a cause at 32,768 characters, people sooner.
const maxMessage = 2048

// Named gives err the shape in which a Lambda runtime keeps the name that we choose: a messages.InvokeResponse_Error
// VALUE (a pointer, or any other error type, arrives under its Go type name; house-style 3.4). Type is the kind; Message
// is for people: the text of a classified fault with what looks like a secret removed, while the text of an error that
// nobody classified stays in the log. What is named already stays as it is. Named(nil) is Unknown, too.
func Named(err error) messages.InvokeResponse_Error {
	var named messages.InvokeResponse_Error
	if errors.As(err, &named) {
		return named
	}
	var pointer *messages.InvokeResponse_Error
	if errors.As(err, &pointer) && pointer != nil {
		return *pointer
	}
	return messages.InvokeResponse_Error{Type: fault.KindOf(err).String(), Message: message(err)}
}

func message(err error) string {
	switch {
	case fault.As(err) != nil:
		return Redact(err.Error(), maxMessage)
	case errors.Is(err, context.DeadlineExceeded):
		return "the invocation's time was up"
	case errors.Is(err, context.Canceled):
		return "the invocation was cancelled"
	}
	return fmt.Sprintf("an error that nobody classified (%s); the log has its text", typeName(err))
}

func typeName(err error) string {
	if err == nil {
		return "nil"
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return reflect.TypeOf(err).String()
}

// Wrap makes fn fit to be started: every log line written with the context that fn is given has the fields function,
// request_id, upload, step, range and gen (through LogHandler); one line at the end carries the metrics in CloudWatch's
// embedded format; a panic becomes Unknown; the context ends margin before the service's deadline, so that fn can still
// save and answer; and every error leaves as a Named value. An invocation with less than margin left is refused as
// Retryable before anything was done. An answer that is not JSON is Unknown.
func Wrap(name string, fn Function, log *slog.Logger, margin time.Duration) Function {
	return func(ctx context.Context, event json.RawMessage) (json.RawMessage, error) {
		start := time.Now()
		ctx = withFields(ctx, fieldsOf(ctx, name, event))
		out, err := call(ctx, fn, event, log, margin)
		if err == nil && !json.Valid(out) {
			out, err = nil, fault.New(fault.Unknown, "handler.Wrap", "the function's answer is not JSON")
		}
		report(ctx, log, name, time.Since(start), err)
		var a *answered
		if errors.As(err, &a) && json.Valid(a.out) {
			return a.out, nil
		}
		if err != nil {
			return nil, Named(err)
		}
		return out, nil
	}
}

// call runs fn inside the margin and turns a panic into an error.
func call(ctx context.Context, fn Function, event json.RawMessage, log *slog.Logger, margin time.Duration) (out json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			// The value may be anything, a secret included; the stack holds addresses only.
			log.ErrorContext(ctx, "panic", "type", fmt.Sprintf("%T", p), "text", Redact(fmt.Sprint(p), maxMessage), "stack", string(debug.Stack()))
			out, err = nil, fault.Newf(fault.Unknown, "handler.Wrap", "the function panicked (%T); the log has the stack", p)
		}
	}()
	if deadline, ok := ctx.Deadline(); ok {
		if time.Until(deadline) <= margin {
			f := fault.New(fault.Retryable, "handler.Wrap", "too little time is left to begin")
			f.Effect = fault.EffectNone
			return nil, f
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
		defer cancel()
	}
	return fn(ctx, event)
}

// fieldsOf reads what every event of the machine has, and nothing else: an event may hold a task token.
func fieldsOf(ctx context.Context, name string, event json.RawMessage) []slog.Attr {
	fields := []slog.Attr{slog.String("function", name)}
	if lc, ok := lambdacontext.FromContext(ctx); ok && lc.AwsRequestID != "" {
		fields = append(fields, slog.String("request_id", lc.AwsRequestID))
	} else if fcc, ok := fccontext.FromContext(ctx); ok && fcc.RequestID != "" {
		fields = append(fields, slog.String("request_id", Redact(fcc.RequestID, 64)))
	}
	var e struct {
		Upload string `json:"upload"`
		Step   string `json:"step"`
		Gen    int    `json:"gen"`
		Range  int    `json:"range"`
	}
	if len(event) > MaxEventBytes || json.Unmarshal(event, &e) != nil {
		return fields
	}
	for _, f := range []slog.Attr{slog.String("upload", Redact(e.Upload, 128)), slog.String("step", Redact(e.Step, 32))} {
		if f.Value.String() != "" {
			fields = append(fields, f)
		}
	}
	if e.Range > 0 {
		fields = append(fields, slog.Int("range", e.Range))
	}
	if e.Gen > 0 {
		fields = append(fields, slog.Int("gen", e.Gen))
	}
	return fields
}
