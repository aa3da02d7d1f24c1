// Package fcruntime stands for Function Compute's runtime API on one machine: it hands invocations to a real binary of a
// function and takes its answers (reference alibaba-vod-and-oss e.2). It exists so that what is deployed on Function
// Compute can be driven by tests, without the service.
//
// It must not know what a function does. It is never deployed.
package fcruntime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Base is the path of the API.
const Base = "/2020-11-11/runtime/invocation/"

// ErrTimeout: no answer came before the invocation's deadline.
var ErrTimeout = errors.New("the function did not answer in time")

// ErrClosed: the server was closed.
var ErrClosed = errors.New("the runtime API is closed")

// FunctionError is what a function posted to /error.
type FunctionError struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// Error gives both.
func (e *FunctionError) Error() string { return e.Type + ": " + e.Message }

// Options are what the service would know of the function.
type Options struct {
	Name        string        // x-fc-function-name and -handler; default "function"
	Timeout     time.Duration // of an invocation; default 10 s
	Concurrency int           // invocations in one instance at once; default 10
	Now         func() time.Time
}

// Server is the API for one process. Safe for concurrent use.
type Server struct {
	opts   Options
	http   *http.Server
	addr   string
	queue  chan *invocation
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	next int
	open map[string]*invocation
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	answer   chan answer // of one
}

type answer struct {
	body []byte
	err  error
}

// Listen starts a Server on a free port of 127.0.0.1. Close ends it; end the process before, since the SDK asks again
// without a pause when the API is gone.
func Listen(o Options) (*Server, error) {
	if o.Name == "" {
		o.Name = "function"
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 10
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fcruntime: %w", err)
	}
	s := &Server{opts: o, addr: l.Addr().String(), queue: make(chan *invocation), slots: make(chan struct{}, o.Concurrency),
		closed: make(chan struct{}), open: map[string]*invocation{}}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(l) }()
	return s, nil
}

// Env is the variable by which a process finds the API.
func (s *Server) Env() string { return "FC_RUNTIME_API=" + s.addr }

// Close ends the Server and every Invoke with ErrClosed.
func (s *Server) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.http.Close()
}

// Invoke gives payload to the process and waits for its answer. What the function posts to /error is a *FunctionError.
func (s *Server) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.closed:
		return nil, ErrClosed
	}
	timer := time.NewTimer(s.opts.Timeout)
	defer timer.Stop()
	inv := s.begin(payload)
	defer s.end(inv)
	select {
	case s.queue <- inv:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, ErrTimeout
	case <-s.closed:
		return nil, ErrClosed
	}
	select {
	case a := <-inv.answer:
		return a.body, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, ErrTimeout
	case <-s.closed:
		return nil, ErrClosed
	}
}

func (s *Server) begin(payload []byte) *invocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	inv := &invocation{id: fmt.Sprintf("1-%08x", s.next), payload: payload, deadline: s.opts.Now().Add(s.opts.Timeout), answer: make(chan answer, 1)}
	s.open[inv.id] = inv
	return inv
}

func (s *Server) end(inv *invocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, inv.id)
}

// take gives the invocation that an answer is for, once.
func (s *Server) take(id string) *invocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	inv := s.open[id]
	delete(s.open, id)
	return inv
}

// ServeHTTP is the process's side.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, Base)
	id, kind, two := strings.Cut(path, "/")
	switch {
	case ok && path == "next" && r.Method == http.MethodGet:
		s.serveNext(w, r)
	case ok && two && r.Method == http.MethodPost && (kind == "response" || kind == "error"):
		s.serveAnswer(w, r, id, kind)
	default:
		http.NotFound(w, r)
	}
}

// serveNext holds the request until there is something to do, as the service does.
func (s *Server) serveNext(w http.ResponseWriter, r *http.Request) {
	var inv *invocation
	select {
	case inv = <-s.queue:
	case <-r.Context().Done():
		return
	case <-s.closed:
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	h := w.Header()
	for name, value := range map[string]string{
		"request-id": inv.id, "function-type": "0", "function-name": s.opts.Name, "function-handler": s.opts.Name, "function-memory": "128",
		// Without these two the SDK drops the invocation and answers nothing.
		"function-deadline": strconv.FormatInt(inv.deadline.UnixMilli(), 10), "function-timeout": strconv.Itoa(max(1, int(s.opts.Timeout/time.Second))),
		"region": "cn-shanghai", "account-id": "1000000000000000", "service-name": "", "qualifier": "LATEST", "version-id": "", "retry-count": "0",
	} {
		h.Set("x-fc-"+name, value)
	}
	h.Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(inv.payload)
}

func (s *Server) serveAnswer(w http.ResponseWriter, r *http.Request, id, kind string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 32<<20))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	inv := s.take(id)
	if inv == nil {
		http.Error(w, "no such invocation", http.StatusNotFound)
		return
	}
	a := answer{body: body}
	if kind == "error" {
		e := &FunctionError{Type: "Unreadable"}
		_ = json.Unmarshal(body, e)
		a = answer{err: e}
	}
	inv.answer <- a
}
