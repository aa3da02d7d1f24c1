package lambda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/vodlift/vodlift/local/template"
)

// HostOptions are what a Host needs besides Options.
type HostOptions struct {
	Options
	// Dir holds the binaries: <Dir>/<function>/bootstrap, as make build writes them under dist/<arch>.
	Dir string
	// Environment gives a function's variables; Template.Environment does.
	Environment func(function string) map[string]string
	// Output gets what the processes write to stdout and stderr; nil = nothing.
	Output io.Writer
	// InitTime is how long a process may take to its first poll; 0 = 10 s, as on AWS.
	InitTime time.Duration
}

// Host runs real bootstrap binaries as processes over the Lambda Runtime API, one invocation in a process at a time: a
// process that has answered is kept warm for the next one; a cold start, a time-out (kill -9), a process that dies and
// a process that cannot start are what they are on AWS. Safe for concurrent use.
type Host struct {
	opts      HostOptions
	functions map[string]*hosted

	mu     sync.Mutex
	closed bool
	live   map[*sandbox]bool
	wg     sync.WaitGroup
}

type hosted struct {
	name    string
	binary  string
	timeout time.Duration
	memory  int
	places  places

	mu         sync.Mutex
	idle       []*sandbox
	coldStarts int
}

var _ Invoker = (*Host)(nil)

// NewHost finds the binaries of every function of t. Nothing is started before the first invocation.
func NewHost(t *template.Template, o HostOptions) (*Host, error) {
	o.Options = o.withDefaults()
	if o.InitTime <= 0 {
		o.InitTime = 10 * time.Second
	}
	if o.Output == nil {
		o.Output = io.Discard
	}
	o.Output = &lockedWriter{w: o.Output}
	h := &Host{opts: o, functions: map[string]*hosted{}, live: map[*sandbox]bool{}}
	for name, f := range t.Functions {
		binary, err := filepath.Abs(filepath.Join(o.Dir, name, f.Handler))
		if err != nil {
			return nil, fmt.Errorf("lambda: %w", err)
		}
		if st, err := os.Stat(binary); err != nil || st.Mode()&0o111 == 0 {
			return nil, fmt.Errorf("lambda: no executable %s; run make build first", binary)
		}
		h.functions[name] = &hosted{name: name, binary: binary, timeout: f.Timeout, memory: f.MemoryMB, places: make(places, o.limit(name))}
	}
	return h, nil
}

// Invoke runs a function in a warm process or a new one. When ctx ends first, the function goes on and its answer is
// dropped.
func (h *Host) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	f, ok := h.functions[function]
	if !ok {
		return nil, failure(ErrorNotFound, "Function not found: %s", function)
	}
	if err := checkRequest(function, payload); err != nil {
		return nil, err
	}
	action := Proceed
	if h.opts.Intercept != nil {
		action = h.opts.Intercept(function, payload)
	}
	if action == Throttle {
		return nil, throttled(function)
	}
	if err := f.places.take(ctx, h.opts.Throttle, function); err != nil {
		return nil, err
	}
	answer := make(chan result, 1)
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		f.places.give()
		return nil, ErrClosed
	}
	h.wg.Add(1)
	h.mu.Unlock()
	body := append([]byte(nil), payload...)
	go func() {
		defer h.wg.Done()
		defer f.places.give()
		r, s := h.run(f, body, action)
		answer <- r
		if s != nil {
			h.settle(f, s)
		}
	}()
	select {
	case r := <-answer:
		return r.out, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run takes a process through one invocation. The process comes back only if it answered; else it has ended.
func (h *Host) run(f *hosted, payload []byte, action Action) (result, *sandbox) {
	id := h.opts.requestID()
	s, err := h.sandbox(f)
	if err != nil {
		return result{err: err}, nil
	}
	if action == CrashBefore {
		h.end(s)
		return result{err: exited(id)}, nil
	}
	s.give(invocation{id: id, payload: payload, deadline: time.Now().Add(f.timeout), arn: "arn:aws:lambda:local:000000000000:function:" + f.name})
	timer := time.NewTimer(f.timeout)
	defer timer.Stop()
	select {
	case r := <-s.answers:
		if action == CrashAfter {
			h.end(s)
			return result{err: exited(id)}, nil
		}
		return r, s
	case <-s.exited:
		h.end(s)
		return result{err: failure(ErrorExited, "RequestId: %s Error: Runtime exited with error: %s", id, s.why())}, nil
	case <-timer.C:
		h.end(s)
		h.opts.Log.Warn("time-out", "function", f.name, "request_id", id)
		return result{err: failure(h.opts.TimeoutName, "RequestId: %s Error: Task timed out after %.2f seconds", id, f.timeout.Seconds())}, nil
	}
}

// settle keeps a process that answered once it asks for more; one that panicked has answered, too, and then ends.
func (h *Host) settle(f *hosted, s *sandbox) {
	timer := time.NewTimer(h.opts.InitTime)
	defer timer.Stop()
	select {
	case <-s.ready:
		h.keep(f, s)
	case <-s.exited:
		h.end(s)
	case <-timer.C:
		h.end(s)
	}
}

// sandbox gives a warm process that still lives, or starts one and waits for its first poll.
func (h *Host) sandbox(f *hosted) (*sandbox, error) {
	f.mu.Lock()
	for n := len(f.idle); n > 0; n = len(f.idle) {
		s := f.idle[n-1]
		f.idle = f.idle[:n-1]
		select {
		case <-s.exited:
			h.end(s)
			continue
		default:
		}
		f.mu.Unlock()
		return s, nil
	}
	f.coldStarts++
	f.mu.Unlock()
	s, err := h.start(f)
	if err != nil {
		return nil, failure(ErrorService, "the process could not be started: %v", err)
	}
	timer := time.NewTimer(h.opts.InitTime)
	defer timer.Stop()
	select {
	case <-s.ready:
		return s, nil
	case e := <-s.initErrors:
		h.end(s)
		return nil, e
	case <-s.exited:
		// It may have said why before it ended.
		select {
		case e := <-s.initErrors:
			h.end(s)
			return nil, e
		default:
		}
		h.end(s)
		return nil, failure(ErrorExited, "Error: Runtime exited during initialisation: %s", s.why())
	case <-timer.C:
		h.end(s)
		return nil, failure(h.opts.TimeoutName, "Error: Initialisation took longer than %v", h.opts.InitTime)
	}
}

func (h *Host) start(f *hosted) (*sandbox, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	s, err := newSandbox()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(f.binary)
	cmd.Dir = filepath.Dir(f.binary)
	// Nothing of our own environment: a function gets what Lambda would give it.
	cmd.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + s.address(), "AWS_LAMBDA_FUNCTION_NAME=" + f.name, fmt.Sprintf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=%d", f.memory),
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "LAMBDA_TASK_ROOT=" + cmd.Dir, "_HANDLER=bootstrap", "TZ=:UTC", "PATH=/usr/local/bin:/usr/bin:/bin",
	}
	if h.opts.Environment != nil {
		for k, v := range h.opts.Environment(f.name) {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	cmd.Stdout, cmd.Stderr = h.opts.Output, h.opts.Output
	if err := s.run(cmd); err != nil {
		return nil, err
	}
	h.live[s] = true
	return s, nil
}

func (h *Host) keep(f *hosted, s *sandbox) {
	h.mu.Lock()
	closed := h.closed
	h.mu.Unlock()
	if closed {
		h.end(s)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, s)
}

// end kills a process (kill -9: nothing of ours gets a chance to tidy up, as on AWS) and waits for it.
func (h *Host) end(s *sandbox) {
	s.kill()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.live, s)
}

// ColdStarts counts the processes that were started for a function.
func (h *Host) ColdStarts(function string) int {
	f, ok := h.functions[function]
	if !ok {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.coldStarts
}

// Kill kills every process of a function at once, busy or warm, as a failing machine would.
func (h *Host) Kill(function string) {
	h.mu.Lock()
	var doomed []*sandbox
	for s := range h.live {
		if f := h.functions[function]; f != nil && s.binary == f.binary {
			doomed = append(doomed, s)
		}
	}
	h.mu.Unlock()
	for _, s := range doomed {
		s.kill()
	}
}

// Close kills every process and waits until the invocations have returned.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	var doomed []*sandbox
	for s := range h.live {
		doomed = append(doomed, s)
	}
	h.mu.Unlock()
	for _, s := range doomed {
		h.end(s)
	}
	ended := make(chan struct{})
	go func() { h.wg.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("lambda: invocations are still running: %w", ctx.Err())
	}
}

// lockedWriter lets many processes write to one place.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write passes b on whole. It never fails: a log that cannot be written must not end a function.
func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.w.Write(b)
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		l.w = io.Discard
	}
	return len(b), nil
}
