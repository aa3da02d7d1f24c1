// Package lambda runs functions on one machine as AWS Lambda does, so that what would break there breaks here: JSON in
// and out as copied bytes, payload limits, a concurrency limit, honest time-outs, and errors under the names that a
// caller sees (design 6).
//
// Two invokers stand behind one interface: Local runs handler functions inside this process, Host runs real bootstrap
// binaries as processes. Neither may know what a function does.
//
// Facts about the service are from the AWS Lambda developer guide ("Lambda quotas", "Asynchronous invocation",
// "Using the Lambda runtime API") and, for error shapes, from github.com/aws/aws-lambda-go.
package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/aws/aws-lambda-go/lambda/messages"
)

// Limits of AWS Lambda.
const (
	MaxPayloadBytes      = 6 << 20   // request and response of a synchronous invocation
	MaxAsyncPayloadBytes = 256 << 10 // request of an asynchronous one; EventBridge has the same bound
)

// Error names that the service itself gives.
const (
	ErrorTimedOut    = "Sandbox.Timedout"
	ErrorExited      = "Runtime.ExitError"
	ErrorThrottled   = "Lambda.TooManyRequestsException"
	ErrorNotFound    = "Lambda.ResourceNotFoundException"
	ErrorTooLarge    = "Lambda.RequestTooLargeException"
	ErrorAnswerLarge = "Function.ResponseSizeTooLarge"
	ErrorService     = "Lambda.ServiceException"
)

// Invoker runs one function by its name (the folder under functions/) and waits for its answer. A failure of the
// function or of the service is a *FunctionError. When ctx ends first the error is ctx's, and the function goes on: a
// caller that gives up stops nothing, as on AWS. Implementations are safe for concurrent use and keep neither payload
// nor answer.
type Invoker interface {
	Invoke(ctx context.Context, function string, payload []byte) ([]byte, error)
}

// FunctionError is what a caller of a failed function sees: the error's name, and the JSON that the runtime reported
// ({"errorMessage", "errorType", ...}), which Step Functions shows as the cause.
type FunctionError struct {
	Name  string
	Cause string
}

// Error gives name and cause.
func (e *FunctionError) Error() string { return e.Name + ": " + e.Cause }

func failure(name, format string, args ...any) *FunctionError {
	return fromRuntime(&messages.InvokeResponse_Error{Type: name, Message: fmt.Sprintf(format, args...)})
}

func fromRuntime(e *messages.InvokeResponse_Error) *FunctionError {
	b, err := json.Marshal(e)
	if err != nil { // strings and numbers only: cannot happen
		b = []byte(`{}`)
	}
	return &FunctionError{Name: e.Type, Cause: string(b)}
}

// named repeats what aws-lambda-go does with an error: only a messages.InvokeResponse_Error value keeps its name, every
// other error is reported under its outermost Go type name. So a function that forgot handler.Wrap fails here as it
// would fail there (house-style 3.4).
func named(err error) *FunctionError {
	if v, ok := err.(messages.InvokeResponse_Error); ok { //nolint:errorlint // the runtime does not unwrap either
		return fromRuntime(&v)
	}
	return fromRuntime(&messages.InvokeResponse_Error{Type: goTypeName(err), Message: err.Error()})
}

func goTypeName(v any) string {
	t := reflect.TypeOf(v)
	if t == nil {
		return "nil"
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

// Action is what an interceptor does to one invocation.
type Action int

// What can happen to an invocation.
const (
	// Proceed: nothing special.
	Proceed Action = iota
	// CrashBefore: the process dies before the function begins; the caller sees Runtime.ExitError.
	CrashBefore
	// CrashAfter: the function runs to its end, then the process dies and the answer is lost.
	CrashAfter
	// Throttle: the service refuses; the function does not run.
	Throttle
)

func throttled(function string) *FunctionError {
	return failure(ErrorThrottled, "Rate exceeded for %s", function)
}

func exited(id string) *FunctionError {
	return failure(ErrorExited, "RequestId: %s Error: Runtime exited with error: signal: killed", id)
}

func checkRequest(function string, payload []byte) error {
	if len(payload) > MaxPayloadBytes {
		return failure(ErrorTooLarge, "%d bytes exceeded maximum allowed payload size (%d bytes) of %s", len(payload), MaxPayloadBytes, function)
	}
	if !json.Valid(payload) {
		return failure("Lambda.InvalidRequestContentException", "Could not parse request body into json")
	}
	return nil
}

func checkAnswer(answer []byte) error {
	if len(answer) > MaxPayloadBytes {
		return failure(ErrorAnswerLarge, "Response payload size (%d bytes) exceeded maximum allowed payload size (%d bytes).", len(answer), MaxPayloadBytes)
	}
	return nil
}
