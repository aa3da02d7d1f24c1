// Package stepfn runs Amazon States Language definitions on one machine, so that the definition which is deployed to
// AWS Step Functions is the one that runs, and breaks here where it would break there: AWS's limits (payload, history
// events, inline Map concurrency, names, time-outs) are enforced and counted.
//
// It covers the JSONPath dialect of Standard workflows as far as this project uses it: Task (lambda:invoke, with and
// without a task token), Choice, inline Map, Wait, Pass, Succeed and Fail. Everything else is refused by Load, never
// ignored. Executions live in memory; what must survive a restart belongs in the ledger.
//
// It must not know what a function does, what an upload is, or how a function is run: that is behind Invoker.
//
// Facts about the service are from the Step Functions developer guide ("Handling errors", "Quotas", "Avoid reaching
// the history quota") and API reference (StartExecution, SendTaskSuccess, HistoryEvent), and from the Amazon States
// Language specification.
package stepfn

import (
	"context"
	"errors"
	"fmt"
)

// Limits of AWS Step Functions, Standard workflows.
const (
	MaxPayloadBytes   = 256 << 10 // state input or output, UTF-8
	MaxHistoryEvents  = 25_000    // per execution
	MaxInlineMap      = 40        // concurrent iterations of an inline Map
	MaxExecutions     = 1_000_000 // open at a time
	MaxNameLength     = 80        // of an execution or a state
	maxWaitSeconds    = 99_999_999
	maxRetryDelay     = 31_622_400 // MaxDelaySeconds must be below it
	maxTokenLength    = 2048
	defaultAttempts   = 3
	maxRetryAttempts  = 99_999_999
	maxDefinitionSize = 1 << 20
)

// Error names of the States Language that this interpreter raises itself.
const (
	ErrorAll       = "States.ALL"
	ErrorTimeout   = "States.Timeout"
	ErrorHeartbeat = "States.HeartbeatTimeout"
	ErrorFailed    = "States.TaskFailed"
	ErrorRuntime   = "States.Runtime"
	ErrorData      = "States.DataLimitExceeded"
	ErrorNoChoice  = "States.NoChoiceMatched"
	ErrorResult    = "States.ResultPathMatchFailure"
	ErrorUnknown   = "Lambda.Unknown"
)

// Invoker runs one function to its end. A *TaskError in the error chain gives the name that Retry and Catch see; any
// other error is reported as Lambda.Unknown, as AWS does for a function that was killed. The context ends when the
// engine closes, not when the Task times out: AWS does not stop a function because its caller gave up. Invoke is
// called from many goroutines at once.
type Invoker interface {
	Invoke(ctx context.Context, function string, payload []byte) ([]byte, error)
}

// TaskError is a failure with a States error name: a fault kind, or a documented Lambda.… name.
type TaskError struct {
	Name  string
	Cause string
}

// Error returns name and cause.
func (e *TaskError) Error() string { return e.Name + ": " + e.Cause }

// What the API answers, named as AWS names it. Branch with errors.Is.
var (
	ErrExecutionAlreadyExists = errors.New("ExecutionAlreadyExists: the name is taken by a closed execution, or by a running one with another input")
	ErrExecutionLimitExceeded = errors.New("ExecutionLimitExceeded: too many running executions")
	ErrExecutionDoesNotExist  = errors.New("ExecutionDoesNotExist: no such execution")
	ErrInvalidName            = errors.New("InvalidName: 1 to 80 characters, no white space, control or special characters")
	ErrInvalidExecutionInput  = errors.New("InvalidExecutionInput: the input must be one JSON text of at most 262144 bytes")
	ErrInvalidOutput          = errors.New("InvalidOutput: the output must be one JSON text of at most 262144 bytes")
	ErrInvalidToken           = errors.New("InvalidToken: that is not a task token")
	ErrTaskDoesNotExist       = errors.New("TaskDoesNotExist: no task has that token")
	ErrTaskTimedOut           = errors.New("TaskTimedOut: the task with that token is closed")
	ErrClosed                 = errors.New("stepfn: the engine is closed")
)

// stateError is a failure of a state or of an execution: what Retry and Catch look at.
type stateError struct{ name, cause string }

func (e *stateError) Error() string { return e.name + ": " + e.cause }

func fail(name, format string, args ...any) *stateError {
	return &stateError{name: name, cause: fmt.Sprintf(format, args...)}
}

// matches tells whether an ErrorEquals name covers this error. States.ALL and States.TaskFailed do not cover what AWS
// documents as terminal, and nothing covers States.Runtime.
func (e *stateError) matches(name string) bool {
	switch {
	case e.name == ErrorRuntime:
		return false
	case name == e.name:
		return true
	case e.name == ErrorData:
		return false
	case name == ErrorAll:
		return true
	case name == ErrorTimeout:
		return e.name == ErrorHeartbeat // ASL: a catcher of States.Timeout also covers a missed heartbeat
	case name == ErrorFailed:
		return e.name != ErrorTimeout
	}
	return false
}
