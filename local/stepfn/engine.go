package stepfn

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"io"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Options adjusts an Engine. The zero value is AWS: its limits, real time, real randomness.
type Options struct {
	Now    func() time.Time // stamps only; waiting is done with timers
	Rand   func() float64   // jitter, in [0,1); safe for concurrent use
	Tokens io.Reader        // task tokens; crypto/rand unless a test says otherwise

	// Scale divides waits, retry intervals and the time-outs of parks, so that a demo need not wait half an hour.
	// TimeoutSeconds of other Tasks and of the machine stay as they are: work does not get faster. 0 means 1.
	Scale float64

	MaxPayload int // bytes; 0: MaxPayloadBytes
	MaxEvents  int // per execution; 0: MaxHistoryEvents
	MaxRunning int // executions; 0: MaxExecutions

	KeepEnded   int  // ended executions to remember, oldest forgotten first; 0: 1,000
	KeepHistory bool // keep every event of ended executions, not only their summary

	Name  string                                 // of the state machine, in ARNs; "publish" when empty
	OnEnd func(ctx context.Context, e Execution) // called once per execution, before Wait returns; must not wait for it
}

// Engine runs executions of one Machine. All methods are safe for concurrent use.
type Engine struct {
	machine *Machine
	invoker Invoker
	o       Options
	key     [32]byte // tells our task tokens from others

	base   context.Context // ends when the engine closes; functions run under it
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // executions and invocations

	mu         sync.Mutex
	closed     bool
	executions map[string]*execution
	ended      []string // names in order of their end
	running    int
	totals     Totals
	tokens     map[string]*pending
}

// Totals counts over the life of an engine.
type Totals struct {
	Started, Running, Succeeded, Failed, TimedOut, Aborted int
	Counters
}

// New returns an engine for m. It starts nothing until StartExecution; Close ends it.
func New(m *Machine, inv Invoker, o Options) *Engine {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = mathrand.Float64
	}
	if o.Tokens == nil {
		o.Tokens = rand.Reader
	}
	if o.Scale <= 0 {
		o.Scale = 1
	}
	o.MaxPayload = cmp.Or(o.MaxPayload, MaxPayloadBytes)
	o.MaxEvents = cmp.Or(o.MaxEvents, MaxHistoryEvents)
	o.MaxRunning = cmp.Or(o.MaxRunning, MaxExecutions)
	o.KeepEnded = cmp.Or(o.KeepEnded, 1000)
	o.Name = cmp.Or(o.Name, "publish")
	e := &Engine{machine: m, invoker: inv, o: o, executions: map[string]*execution{}, tokens: map[string]*pending{}}
	e.base, e.cancel = context.WithCancelCause(context.Background())
	if _, err := io.ReadFull(o.Tokens, e.key[:]); err != nil {
		panic("stepfn: no randomness: " + err.Error()) // crypto/rand never fails
	}
	return e
}

// StartExecution starts an execution and returns its ARN. As in AWS it is idempotent: the same name and input as a
// running execution gives that one's ARN. Errors: ErrExecutionAlreadyExists (closed, or another input),
// ErrExecutionLimitExceeded, ErrInvalidName, ErrInvalidExecutionInput, ErrClosed, or the context's. Unlike in AWS a
// closed name is known only as long as KeepEnded allows, not for 90 days.
func (e *Engine) StartExecution(ctx context.Context, name string, input []byte) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if !validName(name) {
		return "", ErrInvalidName
	}
	v, err := decode(input)
	if err != nil || len(input) > e.o.MaxPayload || !utf8.Valid(input) {
		return "", ErrInvalidExecutionInput
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return "", ErrClosed
	}
	if old := e.executions[name]; old != nil {
		if old.status() == Running && bytes.Equal(old.input, input) {
			return old.arn, nil
		}
		return "", ErrExecutionAlreadyExists
	}
	if e.running >= e.o.MaxRunning {
		return "", ErrExecutionLimitExceeded
	}
	x := newExecution(e, name, bytes.Clone(input), v)
	e.executions[name] = x
	e.running++
	e.totals.Started++
	e.wg.Go(x.main)
	return x.arn, nil
}

// validName is the rule of the API reference for StartExecution.
func validName(name string) bool {
	if n := utf8.RuneCountInString(name); n < 1 || n > MaxNameLength || !utf8.ValidString(name) {
		return false
	}
	for _, r := range name {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r), r == 0xFFFE, r == 0xFFFF, r == unicode.MaxRune:
			return false
		case bytes.ContainsRune([]byte("<>{}[]?*\"#%\\^|~`$&,;:/"), r):
			return false
		}
	}
	return true
}

// Describe returns a running execution, or an ended one that is still remembered.
func (e *Engine) Describe(name string) (Execution, bool) {
	x := e.find(name)
	if x == nil {
		return Execution{}, false
	}
	return x.snapshot(true), true
}

// List returns the executions with one of these statuses (all, if none is given), oldest first, without their events.
func (e *Engine) List(statuses ...Status) []Execution {
	e.mu.Lock()
	all := make([]*execution, 0, len(e.executions))
	for _, x := range e.executions {
		all = append(all, x)
	}
	e.mu.Unlock()
	var out []Execution
	for _, x := range all {
		if s := x.snapshot(false); len(statuses) == 0 || slices.Contains(statuses, s.Status) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Execution) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// Wait blocks until the execution has ended and returns it. Errors: ErrExecutionDoesNotExist, or the context's.
func (e *Engine) Wait(ctx context.Context, name string) (Execution, error) {
	x := e.find(name)
	if x == nil {
		return Execution{}, ErrExecutionDoesNotExist
	}
	select {
	case <-x.done:
		return x.snapshot(true), nil
	case <-ctx.Done():
		return Execution{}, ctx.Err()
	}
}

// Stop ends a running execution as ABORTED, as StopExecution does. Functions that run for it run on. An ended
// execution is left alone. Error: ErrExecutionDoesNotExist.
func (e *Engine) Stop(name, errorName, cause string) error {
	x := e.find(name)
	if x == nil {
		return ErrExecutionDoesNotExist
	}
	x.cancel(&ending{status: Aborted, err: &stateError{name: errorName, cause: cause}})
	return nil
}

// Totals returns the counters so far.
func (e *Engine) Totals() Totals {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.totals
	t.Running = e.running
	return t
}

// Close takes no more executions, aborts those that run, ends the context of their functions, and waits until all of
// them have returned or ctx ends. OnEnd is called for each. A second Close only waits.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel(&ending{status: Aborted, err: &stateError{name: "", cause: "the engine was closed"}})
	done := make(chan struct{})
	go func() {
		e.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Engine) find(name string) *execution {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.executions[name]
}

// scaled is d as this engine waits for it.
func (e *Engine) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / e.o.Scale) }

// retire books the end of an execution and forgets the oldest ended one when there are too many.
func (e *Engine) retire(x *execution, s Status) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running--
	switch s {
	case Succeeded:
		e.totals.Succeeded++
	case Failed:
		e.totals.Failed++
	case TimedOut:
		e.totals.TimedOut++
	case Aborted:
		e.totals.Aborted++
	}
	e.ended = append(e.ended, x.name)
	if len(e.ended) > e.o.KeepEnded {
		delete(e.executions, e.ended[0])
		e.ended = slices.Delete(e.ended, 0, 1)
	}
}

// add counts for the whole engine.
func (e *Engine) add(events, transitions, payload int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.totals.Events += events
	e.totals.Transitions += transitions
	e.totals.MaxPayload = max(e.totals.MaxPayload, payload)
}
