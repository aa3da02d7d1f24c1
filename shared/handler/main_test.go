package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
)

// childVariable turns the test binary into a function process: the real runtime loop runs in it, as in a bootstrap.
const childVariable = "HANDLER_TEST_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		handler.Main(name, child, child)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child builds the function of the child process: it fails as the event asks.
func child(_ context.Context, name string) (handler.Function, error) {
	if name == "broken" {
		return nil, fault.New(fault.Invalid, "config", "missing: TABLE_NAME")
	}
	fn := handler.Function(func(_ context.Context, event json.RawMessage) (json.RawMessage, error) {
		var how string
		if err := json.Unmarshal(event, &how); err != nil {
			return nil, err
		}
		return failAs(how)
	})
	if name == "unwrapped" {
		return fn, nil
	}
	return handler.Wrap(name, fn, handler.NewLog(os.Stdout, nil), time.Second), nil
}

type pointerError struct{}

func (*pointerError) Error() string { return "pointer" }

func failAs(how string) (json.RawMessage, error) {
	kind, form, _ := strings.Cut(how, " ")
	f := fault.New(fault.ParseKind(kind), "douyin.UploadPart", "refused")
	switch form {
	case "pointer":
		return nil, f
	case "wrapped":
		return nil, fmt.Errorf("range 3: %w", f)
	case "joined":
		return nil, errors.Join(io.EOF, f)
	case "plain":
		return nil, errors.New("https://host/path?access_token=hunter2hunter2")
	case "foreign pointer":
		return nil, &pointerError{}
	case "panic":
		panic(f)
	case "panic of a pointer":
		panic(&pointerError{})
	case "named":
		return nil, handler.Named(f)
	case "pointer to named":
		n := handler.Named(f)
		return nil, &n
	case "no JSON":
		return json.RawMessage("{"), nil
	}
	return json.RawMessage(`{"ok":true}`), nil
}

// runtimeAPI is the service's side of the Lambda Runtime API for one process.
type runtimeAPI struct {
	queue   chan string
	answers chan string // "response|error <body>"
	init    chan string
}

func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	const base = "/2018-06-01/runtime/"
	switch path := strings.TrimPrefix(r.URL.Path, base); {
	case path == "invocation/next":
		select {
		case ev := <-a.queue:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "r1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
			_, _ = io.WriteString(w, ev)
		case <-r.Context().Done():
		}
	case path == "init/error":
		a.init <- r.Header.Get("Lambda-Runtime-Function-Error-Type") + " " + string(body)
		w.WriteHeader(http.StatusAccepted)
	case strings.HasPrefix(path, "invocation/r1/"):
		w.WriteHeader(http.StatusAccepted)
		a.answers <- strings.TrimPrefix(path, "invocation/r1/") + " " + string(body)
	default:
		http.NotFound(w, r)
	}
}

// startChild runs the test binary as the function called name under a fake Runtime API.
func startChild(t *testing.T, name string) (*runtimeAPI, *exec.Cmd, *bytes.Buffer) {
	t.Helper()
	api := &runtimeAPI{queue: make(chan string), answers: make(chan string, 1), init: make(chan string, 1)}
	srv := httptest.NewUnstartedServer(api)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+name, "AWS_LAMBDA_RUNTIME_API="+l.Addr().String())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		srv.CloseClientConnections()
		srv.Close()
	})
	return api, cmd, &out
}

func (a *runtimeAPI) invoke(t *testing.T, event string) (outcome, errorType, message string) {
	t.Helper()
	b, _ := json.Marshal(event)
	a.queue <- string(b)
	select {
	case got := <-a.answers:
		outcome, body, _ := strings.Cut(got, " ")
		var e struct{ ErrorType, ErrorMessage string }
		_ = json.Unmarshal([]byte(body), &e)
		return outcome, e.ErrorType, e.ErrorMessage
	case <-time.After(30 * time.Second):
		t.Fatal("no answer from the child")
		return "", "", ""
	}
}

func TestTheRuntimeSeesTheNameOfTheKindWhateverTheErrorsForm(t *testing.T) {
	for _, name := range []string{"wrapped", "unwrapped"} {
		api, _, _ := startChild(t, name)
		for _, k := range fault.Kinds() {
			for _, form := range []string{"pointer", "wrapped", "joined", "named", "pointer to named"} {
				how := k.String() + " " + form
				outcome, typ, msg := api.invoke(t, how)
				if outcome != "error" || typ != k.String() {
					t.Errorf("%s: %s: got %s %q (%s), want an error named %s", name, how, outcome, typ, msg, k)
				}
			}
		}
		for _, form := range []string{"plain", "foreign pointer", "panic", "panic of a pointer"} {
			outcome, typ, msg := api.invoke(t, "Invalid "+form)
			if outcome != "error" || typ != "Unknown" {
				t.Errorf("%s: %s: got %s %q (%s), want an error named Unknown", name, form, outcome, typ, msg)
			}
			if strings.Contains(msg, "hunter2") {
				t.Errorf("%s: %s: a secret left in %q", name, form, msg)
			}
		}
		if outcome, _, _ := api.invoke(t, "ok"); outcome != "response" {
			t.Errorf("%s: after all that a good invocation gives %s", name, outcome)
		}
	}
}

func TestAnAnswerThatIsNotJSONIsUnknown(t *testing.T) {
	api, _, _ := startChild(t, "wrapped")
	if outcome, typ, _ := api.invoke(t, "x no JSON"); outcome != "error" || typ != "Unknown" {
		t.Errorf("got %s %q", outcome, typ)
	}
}

func TestAFunctionThatCannotBeBuiltTellsTheServiceAndEnds(t *testing.T) {
	api, cmd, out := startChild(t, "broken")
	select {
	case got := <-api.init:
		if !strings.HasPrefix(got, "Invalid ") || !strings.Contains(got, "missing: TABLE_NAME") {
			t.Errorf("got %q", got)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the service was not told")
	}
	err := cmd.Wait()
	if cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("exit: %v", err)
	}
	if !strings.Contains(out.String(), "missing: TABLE_NAME") {
		t.Errorf("output: %s", out)
	}
}

func TestOutsideAnyServiceItSaysSoAndEndsWithStatus2(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{childVariable + "=initupload"}
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "AWS_LAMBDA_RUNTIME_API") || !strings.Contains(string(out), "vodlift local --demo") {
		t.Errorf("status %d, output %s", cmd.ProcessState.ExitCode(), out)
	}
}
