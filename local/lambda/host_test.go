package lambda

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/template"
)

// TestHost builds testdata/bootstrap once and runs it under several hosts.
func TestHost(t *testing.T) {
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-o", filepath.Join(dir, "f", "bootstrap"), "./testdata/bootstrap")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Run("runs real bootstraps", func(t *testing.T) { runsBootstraps(t, dir) })
	t.Run("kills a process at its time-out", func(t *testing.T) { killsAtTimeout(t, dir) })
	t.Run("kills in the middle", func(t *testing.T) { killsInTheMiddle(t, dir) })
	t.Run("reports why a process cannot start", func(t *testing.T) { reportsInitErrors(t, dir) })
}

// host hosts the bootstrap as the function f, one at a time.
func host(t *testing.T, dir string, timeout time.Duration, change func(*HostOptions)) *Host {
	t.Helper()
	o := HostOptions{Dir: dir, Environment: func(string) map[string]string { return map[string]string{"TABLE_NAME": "t"} }}
	o.Concurrency = map[string]int{"f": 1}
	if change != nil {
		change(&o)
	}
	h, err := NewHost(&template.Template{Functions: map[string]template.Function{"f": {Name: "f", Handler: "bootstrap", Timeout: timeout, MemoryMB: 128}}}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func runsBootstraps(t *testing.T, dir string) {
	var out bytes.Buffer
	var action Action
	h := host(t, dir, time.Minute, func(o *HostOptions) {
		o.Output = &out
		o.Intercept = func(string, []byte) Action { return action }
	})
	ask := func(in string) (string, error) {
		b, err := h.Invoke(t.Context(), "f", []byte(in))
		return string(b), err
	}
	must := func(in, want string, cold int) {
		t.Helper()
		if got, err := ask(in); err != nil || got != want || h.ColdStarts("f") != cold {
			t.Errorf("%s: got %s, %v after %d cold starts; want %s after %d", in, got, err, h.ColdStarts("f"), want, cold)
		}
	}
	must(`1`, `1`, 1)
	must(`1`, `2`, 1) // warm
	if _, err := ask(`"fail"`); nameOf(err) != "Permanent" || !strings.Contains(err.Error(), "closed") {
		t.Errorf("got %v", err)
	}
	must(`1`, `4`, 1) // an error ends no process
	must(`"home"`, `"f"`, 1)
	if _, err := ask(`"die"`); nameOf(err) != ErrorExited || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	must(`1`, `1`, 2)
	action = CrashBefore
	if _, err := ask(`1`); nameOf(err) != ErrorExited {
		t.Errorf("got %v", err)
	}
	action = CrashAfter
	if _, err := ask(`1`); nameOf(err) != ErrorExited {
		t.Errorf("got %v", err)
	}
	action = Throttle
	if _, err := ask(`1`); nameOf(err) != ErrorThrottled {
		t.Errorf("got %v", err)
	}
	action = Proceed
	must(`1`, `1`, 4)
	h.Kill("f")
	must(`1`, `1`, 5) // a warm process that died is replaced, not given an event
	if _, err := h.Invoke(t.Context(), "g", []byte(`1`)); nameOf(err) != ErrorNotFound {
		t.Errorf("got %v", err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := ask(`1`); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(out.String(), "call 4\n") {
		t.Errorf("output: %s", &out)
	}
}

func killsAtTimeout(t *testing.T, dir string) {
	h := host(t, dir, 300*time.Millisecond, nil)
	if _, err := h.Invoke(t.Context(), "f", []byte(`"hang"`)); nameOf(err) != ErrorTimedOut {
		t.Errorf("got %v", err)
	}
}

func killsInTheMiddle(t *testing.T, dir string) {
	started := make(chan struct{}, 8)
	h := host(t, dir, time.Minute, func(o *HostOptions) { o.Output = signal(started) })
	got := make(chan error, 1)
	go func() {
		_, err := h.Invoke(context.Background(), "f", []byte(`"hang"`))
		got <- err
	}()
	<-started
	h.Kill("f")
	if err := <-got; nameOf(err) != ErrorExited || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("got %v", err)
	}
}

// signal tells of every write.
type signal chan struct{}

func (s signal) Write(b []byte) (int, error) { s <- struct{}{}; return len(b), nil }

func reportsInitErrors(t *testing.T, dir string) {
	h := host(t, dir, time.Minute, func(o *HostOptions) { o.Environment = nil })
	if _, err := h.Invoke(t.Context(), "f", []byte(`1`)); nameOf(err) != "Invalid" || !strings.Contains(err.Error(), "missing: TABLE_NAME") {
		t.Errorf("got %v", err)
	}
}

func TestHostRefusesMissingBinaries(t *testing.T) {
	tpl := &template.Template{Functions: map[string]template.Function{"f": {Name: "f", Handler: "bootstrap", Timeout: time.Second}}}
	if _, err := NewHost(tpl, HostOptions{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("got %v", err)
	}
}
