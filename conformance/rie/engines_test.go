package rie

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vodlift/vodlift/conformance/rig"
	"github.com/vodlift/vodlift/local/lambda"
)

// emulated is a bootstrap under AWS's emulator.
type emulated struct {
	address string
	log     *output
}

// output is what the emulator and the function wrote.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// emulator starts the emulator with the bootstrap of a function; both end with t.
func emulator(t *testing.T, function string, p rig.Places) engine {
	t.Helper()
	program, dir := os.Getenv("VODLIFT_RIE"), rig.Bootstraps(t)
	if program == "" {
		t.Skip("NOT RUN: VODLIFT_RIE is not set; conformance/run.sh finds the Runtime Interface Emulator and sets it")
	}
	tpl := rig.Template(t)
	f := tpl.Functions[function]
	env, err := rig.Environment(tpl, function, p)
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := filepath.Join(dir, function, f.Handler)
	var e *emulated
	for range 5 { // a port that was free a moment ago may be taken by now
		ports := freePorts(t, 2)
		cmd := exec.Command(program, "--log-level", "error", "--runtime-interface-emulator-address", ports[0], "--runtime-api-address", ports[1], bootstrap, f.Handler)
		cmd.Dir = filepath.Dir(bootstrap)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "TZ=:UTC", "AWS_LAMBDA_FUNCTION_NAME=" + function, "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
			fmt.Sprintf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=%d", f.MemoryMB), fmt.Sprintf("AWS_LAMBDA_FUNCTION_TIMEOUT=%d", int(f.Timeout/time.Second))}
		for k, v := range env {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
		e = &emulated{address: ports[0], log: &output{}}
		cmd.Stdout, cmd.Stderr = e.log, e.log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it is the leader of its group
			_ = cmd.Wait()
		})
		if e.listens(20 * time.Second) {
			return e
		}
	}
	t.Fatalf("the emulator does not start: %s", e.log)
	return nil
}

func freePorts(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

func (e *emulated) listens(limit time.Duration) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", e.address); err == nil {
			c.Close()
			return true
		}
	}
	return false
}

func (e *emulated) invoke(t *testing.T, event []byte) result {
	t.Helper()
	client := &http.Client{Timeout: 2 * time.Minute}
	defer client.CloseIdleConnections()
	r, err := client.Post("http://"+e.address+"/2015-03-31/functions/function/invocations", "application/json", bytes.NewReader(event))
	if err != nil {
		t.Fatalf("%v\n%s", err, e.log)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("the emulator answered %s: %s (%v)\n%s", r.Status, body, err, e.log)
	}
	// It says of an error neither by status nor by header that it is one.
	if n := asError(body); n != nil {
		return result{Error: n}
	}
	return result{Answer: body}
}

func asError(body []byte) *named {
	var n named
	if json.Unmarshal(body, &n) != nil || n.Type == "" {
		return nil
	}
	return &n
}

// hosted is a bootstrap under our own Runtime API.
type hosted struct {
	host     *lambda.Host
	function string
}

func host(t *testing.T, function string, p rig.Places) engine {
	t.Helper()
	tpl := rig.Template(t)
	h, err := lambda.NewHost(tpl, lambda.HostOptions{Dir: rig.Bootstraps(t), Environment: func(function string) map[string]string {
		env, err := rig.Environment(tpl, function, p)
		if err != nil {
			t.Error(err)
		}
		return env
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return &hosted{h, function}
}

func (h *hosted) invoke(t *testing.T, event []byte) result {
	t.Helper()
	out, err := h.host.Invoke(t.Context(), h.function, event)
	var fe *lambda.FunctionError
	switch {
	case errors.As(err, &fe):
		n := asError([]byte(fe.Cause))
		if n == nil {
			t.Fatalf("an error without a name: %v", err)
		}
		return result{Error: n}
	case err != nil:
		t.Fatal(err)
	}
	return result{Answer: out}
}
