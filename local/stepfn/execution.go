package stepfn

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// Status of an execution, as DescribeExecution gives it.
type Status string

// The statuses of a Standard execution.
const (
	Running   Status = "RUNNING"
	Succeeded Status = "SUCCEEDED"
	Failed    Status = "FAILED"
	TimedOut  Status = "TIMED_OUT"
	Aborted   Status = "ABORTED"
)

// Counters are what AWS limits or bills.
type Counters struct {
	Events      int // history events, of at most MaxHistoryEvents
	Transitions int // states entered plus retries: what is billed
	MaxPayload  int // bytes of the largest input or output of a state
}

// Event is one entry of an execution's history.
type Event struct {
	ID        int
	Time      time.Time
	Type      string // "TaskStateEntered", as HistoryEvent names it
	State     string // empty for events of the execution itself
	Iteration int    // index in the Map, or -1
	Error     string // name only
}

// Execution is what is known of an execution at one moment. Changing it changes nothing.
type Execution struct {
	Name, ARN        string
	Status           Status
	State            string // the state entered last
	Input, Output    []byte // Output only when SUCCEEDED
	Error, Cause     string // only when it ended badly
	Started, Stopped time.Time
	Counters
	Visits  map[string]int // how often each state was entered
	Errors  map[string]int // how often each error name was raised, those that were retried or caught included
	History []Event        // while it runs; afterwards only with KeepHistory
}

// execution is one run of the machine. Iterations of a Map share it.
type execution struct {
	engine    *Engine
	name, arn string
	input     []byte
	value     any // input, decoded; never changed
	ctx       context.Context
	cancel    context.CancelCauseFunc
	done      chan struct{}

	mu     sync.Mutex
	now    Execution // all but what is above
	events []Event
}

// ending is the cause of a cancelled execution: how it is to end.
type ending struct {
	status Status
	err    *stateError
}

func (e *ending) Error() string { return string(e.status) }

func newExecution(e *Engine, name string, input []byte, value any) *execution {
	x := &execution{
		engine: e, name: name, input: input, value: value, done: make(chan struct{}),
		arn: "arn:aws:states:local:000000000000:execution:" + e.o.Name + ":" + name,
	}
	x.ctx, x.cancel = context.WithCancelCause(e.base)
	x.now = Execution{Name: name, ARN: x.arn, Status: Running, Started: e.o.Now(), Visits: map[string]int{}, Errors: map[string]int{}}
	return x
}

func (x *execution) status() Status {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.now.Status
}

func (x *execution) snapshot(events bool) Execution {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.now
	s.Input = slices.Clone(x.input)
	s.Visits, s.Errors = maps.Clone(s.Visits), maps.Clone(s.Errors)
	if events {
		s.History = slices.Clone(x.events)
	}
	return s
}

// main runs the execution to its end, on its own goroutine.
func (x *execution) main() {
	defer x.cancel(nil)
	if t := x.engine.machine.timeout; t > 0 {
		timer := time.AfterFunc(t, func() {
			x.cancel(&ending{status: TimedOut, err: fail(ErrorTimeout, "the execution ran longer than TimeoutSeconds of the machine")})
		})
		defer timer.Stop()
	}
	top := &frame{execution: x, ctx: x.ctx, iteration: -1}
	top.event("ExecutionStarted", "", "")
	x.payload(len(x.input))
	output, err := top.run(x.engine.machine.graph, x.value)
	x.finish(output, err)
}

// finish decides the status, books it, tells OnEnd, and only then lets Wait go.
func (x *execution) finish(output any, err *stateError) {
	status, event := Succeeded, "ExecutionSucceeded"
	var how *ending
	switch {
	case err == nil:
	case err.name == stopped && errors.As(context.Cause(x.ctx), &how):
		status, err = how.status, how.err
	default:
		status = Failed
	}
	switch status {
	case Failed:
		event = "ExecutionFailed"
	case TimedOut:
		event = "ExecutionTimedOut"
	case Aborted:
		event = "ExecutionAborted"
	}
	x.mu.Lock()
	x.now.Status, x.now.Stopped = status, x.engine.o.Now()
	if err == nil {
		x.now.Output = encode(output)
	} else {
		x.now.Error, x.now.Cause = err.name, err.cause
	}
	x.append(event, "", -1, x.now.Error)
	if !x.engine.o.KeepHistory {
		x.events = nil
	}
	x.mu.Unlock()
	x.engine.add(1, 0, 0)
	x.engine.retire(x, status)
	if x.engine.o.OnEnd != nil {
		x.engine.o.OnEnd(context.WithoutCancel(x.ctx), x.snapshot(true))
	}
	close(x.done)
}

// append records an event; x.mu is held.
func (x *execution) append(typ, state string, iteration int, errorName string) {
	x.now.Events++
	x.events = append(x.events, Event{ID: x.now.Events, Time: x.engine.o.Now(), Type: typ, State: state, Iteration: iteration, Error: errorName})
}

// payload notes the size of a state's input or output and reports one that is too large.
func (x *execution) payload(n int) *stateError {
	x.mu.Lock()
	x.now.MaxPayload = max(x.now.MaxPayload, n)
	x.mu.Unlock()
	x.engine.add(0, 0, n)
	if n > x.engine.o.MaxPayload {
		return fail(ErrorData, "%d bytes of state, %d are allowed", n, x.engine.o.MaxPayload)
	}
	return nil
}

func (x *execution) size(v any) *stateError { return x.payload(len(encode(v))) }
