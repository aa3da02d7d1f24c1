package lambda

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
)

// invocation is one event on its way to a process.
type invocation struct {
	id       string
	arn      string
	payload  []byte
	deadline time.Time
}

// sandbox is one process with a Runtime API of its own (developer guide, "Using the Lambda runtime API for custom
// runtimes"). Its Host gives it one invocation at a time.
type sandbox struct {
	binary     string
	listener   net.Listener
	server     *http.Server
	events     chan invocation
	answers    chan result
	initErrors chan *FunctionError
	ready      chan struct{} // it polls for the next event
	exited     chan struct{} // closed when the process is gone
	once       sync.Once

	mu      sync.Mutex
	cmd     *exec.Cmd
	current string // request id of the invocation under way
	state   string // how the process ended
}

func newSandbox() (*sandbox, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sandbox{
		listener: l, events: make(chan invocation, 1), answers: make(chan result, 1), initErrors: make(chan *FunctionError, 1),
		ready: make(chan struct{}, 1), exited: make(chan struct{}),
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	return s, nil
}

func (s *sandbox) address() string { return s.listener.Addr().String() }

// run starts the process and the server; both end by kill or when the process ends.
func (s *sandbox) run(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		s.listener.Close()
		return err
	}
	s.cmd, s.binary = cmd, cmd.Path
	go func() { _ = s.server.Serve(s.listener) }()
	go func() {
		err := cmd.Wait()
		s.mu.Lock()
		if s.state = "exit status 0"; err != nil {
			s.state = err.Error()
		}
		s.mu.Unlock()
		close(s.exited)
		_ = s.server.Close()
	}()
	return nil
}

// why says how the process ended.
func (s *sandbox) why() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *sandbox) kill() {
	s.once.Do(func() { _ = s.cmd.Process.Kill() })
	<-s.exited
}

func (s *sandbox) give(in invocation) {
	s.mu.Lock()
	s.current = in.id
	s.mu.Unlock()
	s.events <- in
}

// ServeHTTP is the Runtime API, version 2018-06-01.
func (s *sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/2018-06-01/runtime/")
	switch {
	case !ok:
		http.NotFound(w, r)
	case path == "invocation/next" && r.Method == http.MethodGet:
		s.next(w, r)
	case path == "init/error" && r.Method == http.MethodPost:
		body, err := readBody(w, r)
		if err != nil {
			http.Error(w, `{}`, http.StatusBadRequest)
			return
		}
		select {
		case s.initErrors <- reported(body):
		default: // one is enough
		}
		accepted(w)
	case strings.HasPrefix(path, "invocation/") && r.Method == http.MethodPost:
		rest := strings.TrimPrefix(path, "invocation/")
		id, what, _ := strings.Cut(rest, "/")
		s.answer(w, r, id, what)
	default:
		http.NotFound(w, r)
	}
}

func (s *sandbox) next(w http.ResponseWriter, r *http.Request) {
	select {
	case s.ready <- struct{}{}:
	default:
	}
	select {
	case in := <-s.events:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", in.id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(in.deadline.UnixMilli(), 10))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", in.arn)
		_, _ = w.Write(in.payload)
	case <-r.Context().Done():
	case <-s.exited:
	}
}

// answer takes the response or the error of the invocation under way; one for any other id is refused, as by AWS.
func (s *sandbox) answer(w http.ResponseWriter, r *http.Request, id, what string) {
	body, err := readBody(w, r)
	s.mu.Lock()
	mine := id == s.current && id != ""
	if mine {
		s.current = ""
	}
	s.mu.Unlock()
	switch {
	case !mine || what != "response" && what != "error":
		http.Error(w, `{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}`, http.StatusBadRequest)
	case err != nil:
		s.answers <- result{err: failure(ErrorAnswerLarge, "Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayloadBytes)}
		http.Error(w, `{"errorType":"RequestEntityTooLarge"}`, http.StatusRequestEntityTooLarge)
	case what == "response":
		s.answers <- result{out: body}
		accepted(w)
	default:
		s.answers <- result{err: reported(body)}
		accepted(w)
	}
}

// readBody reads what a process sends, up to the bound of an answer.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayloadBytes))
}

func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

// reported is what the runtime said of a failure: its name and its JSON as it is.
func reported(body []byte) *FunctionError {
	var e messages.InvokeResponse_Error
	if err := json.Unmarshal(body, &e); err != nil || e.Type == "" {
		return &FunctionError{Name: "Runtime.Unknown", Cause: string(body)}
	}
	return &FunctionError{Name: e.Type, Cause: string(body)}
}
