package lambda

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/handler"
)

// Options are what an invoker may be told. The zero value is good.
type Options struct {
	// Concurrency limits the invocations of one function at a time; 0 = 1000, the account's default on AWS.
	Concurrency map[string]int
	// Throttle refuses an invocation beyond the limit, as AWS does. Else it waits for a place, which suits a machine
	// that cannot grow; its time does not run meanwhile.
	Throttle bool
	// Grace is how long a function that ran out of time is waited for before its caller is told; 0 = 1 s.
	Grace time.Duration
	// TimeoutName is the error name of a function that ran out of time; empty = Sandbox.Timedout.
	TimeoutName string
	// Intercept, optional, is asked before each invocation; tests crash functions by it.
	Intercept func(function string, payload []byte) Action
	// Rand makes request ids; nil = crypto/rand.
	Rand io.Reader
	// Log is told of time-outs and stragglers; nil = none.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Grace <= 0 {
		o.Grace = time.Second
	}
	if o.TimeoutName == "" {
		o.TimeoutName = ErrorTimedOut
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) limit(function string) int {
	if n := o.Concurrency[function]; n > 0 {
		return n
	}
	return 1000
}

// requestID is a version 4 UUID.
func (o Options) requestID() string {
	b := make([]byte, 16)
	if _, err := io.ReadFull(o.Rand, b); err != nil {
		// An id serves the log only; a function must not fail for it.
		return "00000000-0000-4000-8000-000000000000"
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// place waits for one of limit places, or refuses.
type places chan struct{}

func (p places) take(ctx context.Context, throttle bool, function string) error {
	select {
	case p <- struct{}{}:
		return nil
	default:
	}
	if throttle {
		return throttled(function)
	}
	select {
	case p <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p places) give() { <-p }

// Local runs handler functions inside this process. Safe for concurrent use.
type Local struct {
	opts      Options
	functions map[string]*localFunction
	base      context.Context
	stop      context.CancelFunc
	running   sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	stragglers map[string]int
}

type localFunction struct {
	name    string
	fn      handler.Function
	timeout time.Duration
	places  places
}

var _ Invoker = (*Local)(nil)

// NewLocal makes an invoker of functions, by name, with the time-outs of t. A function that t does not declare is an
// error: it would not exist on AWS.
func NewLocal(t *template.Template, functions map[string]handler.Function, o Options) (*Local, error) {
	timeouts := map[string]time.Duration{}
	for name := range functions {
		f, ok := t.Functions[name]
		if !ok {
			return nil, fmt.Errorf("lambda: template.yaml has no function %q", name)
		}
		timeouts[name] = f.Timeout
	}
	return newLocal(functions, timeouts, o), nil
}

func newLocal(functions map[string]handler.Function, timeouts map[string]time.Duration, o Options) *Local {
	l := &Local{opts: o.withDefaults(), functions: map[string]*localFunction{}, stragglers: map[string]int{}}
	l.base, l.stop = context.WithCancel(context.Background())
	for name, fn := range functions {
		l.functions[name] = &localFunction{name: name, fn: fn, timeout: timeouts[name], places: make(places, l.opts.limit(name))}
	}
	return l
}

// ErrClosed is what callers see after Close began.
var ErrClosed = errors.New("lambda: the invoker is closed")

// Invoke runs a function. At the function's Timeout its context ends and it is waited for during Grace; then the caller
// gets the time-out's error, whether the function came to its end or is still running: AWS would have killed it, this
// process cannot. A straggler holds no place: a later invocation may overlap with it.
func (l *Local) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	f, ok := l.functions[function]
	if !ok {
		return nil, failure(ErrorNotFound, "Function not found: %s", function)
	}
	if err := checkRequest(function, payload); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	action := Proceed
	if l.opts.Intercept != nil {
		action = l.opts.Intercept(function, payload)
	}
	id := l.opts.requestID()
	switch action {
	case CrashBefore:
		return nil, exited(id)
	case Throttle:
		return nil, throttled(function)
	}
	if err := f.places.take(ctx, l.opts.Throttle, function); err != nil {
		return nil, err
	}
	call, err := l.start(f, id, bytes.Clone(payload))
	if err != nil {
		f.places.give()
		return nil, err
	}
	select {
	case r := <-call.result:
		if action == CrashAfter {
			return nil, exited(id)
		}
		return r.out, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type result struct {
	out []byte
	err error
}

// call is one running invocation; result gets exactly one value.
type call struct{ result chan result }

// start runs f and watches its time in a goroutine of its own, so that neither depends on the caller's patience.
func (l *Local) start(f *localFunction, id string, payload []byte) (*call, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	ctx := lambdacontext.NewContext(l.base, &lambdacontext.LambdaContext{
		AwsRequestID: id, InvokedFunctionArn: "arn:aws:lambda:local:000000000000:function:" + f.name,
	})
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	done := make(chan result, 1)
	c := &call{result: make(chan result, 1)}
	l.running.Add(2)
	go func() {
		defer l.running.Done()
		done <- run(ctx, f.fn, payload)
	}()
	go func() {
		defer l.running.Done()
		defer cancel()
		l.watch(ctx, f, id, done, c)
	}()
	return c, nil
}

// watch gives the place back and the caller its answer: the function's own, or the time-out's.
func (l *Local) watch(ctx context.Context, f *localFunction, id string, done <-chan result, c *call) {
	select {
	case r := <-done:
		f.places.give()
		if ctx.Err() != nil && l.base.Err() == nil {
			r = result{err: l.timedOut(f, id, false)} // it came too late: AWS had killed it
		}
		c.result <- r
		return
	case <-ctx.Done():
	}
	if l.base.Err() != nil {
		f.places.give()
		c.result <- result{err: ErrClosed}
		<-done
		return
	}
	grace := time.NewTimer(l.opts.Grace)
	defer grace.Stop()
	select {
	case <-done:
		f.places.give()
		c.result <- result{err: l.timedOut(f, id, false)}
	case <-grace.C:
		l.straggler(f.name, 1)
		f.places.give()
		c.result <- result{err: l.timedOut(f, id, true)}
		<-done
		l.straggler(f.name, -1)
	}
}

func (l *Local) timedOut(f *localFunction, id string, running bool) error {
	text := fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, f.timeout.Seconds())
	if running {
		text += " (it is still running)"
	}
	l.opts.Log.Warn("time-out", "function", f.name, "request_id", id, "still_running", running)
	return failure(l.opts.TimeoutName, "%s", text)
}

func (l *Local) straggler(function string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stragglers[function] += n
}

// Stragglers counts the invocations of a function that ran out of time and are still running.
func (l *Local) Stragglers(function string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stragglers[function]
}

// Close refuses new invocations, cancels the running ones and waits for them, stragglers included, as long as ctx lets
// it. Callers that wait get an error.
func (l *Local) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	ended := make(chan struct{})
	go func() { l.running.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("lambda: functions are still running: %w", ctx.Err())
	}
}

// run calls fn as the runtime does: a panic ends the process there, and is an error under its type's name here.
func run(ctx context.Context, fn handler.Function, payload []byte) (r result) {
	defer func() {
		if p := recover(); p != nil {
			r = result{err: fromRuntime(&messages.InvokeResponse_Error{Type: goTypeName(p), Message: fmt.Sprint(p)})}
		}
	}()
	out, err := fn(ctx, payload)
	if err != nil {
		return result{err: named(err)}
	}
	if err := checkAnswer(out); err != nil {
		return result{err: err}
	}
	return result{out: bytes.Clone(out)}
}
