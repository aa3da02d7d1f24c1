package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	measure = flag.Bool("measure", false, "take the real sizes and print the table; takes minutes")
	write   = flag.String("write", "", "with -measure: replace the table of this Markdown file, between its two marks")
	pairs   = flag.Int("pairs", 15, "with -measure: how many pairs a ratio is the median of")
	think   = flag.Duration("think", 4*time.Second, "with -measure: how long a client of the apps waits between its calls, on average")
	rclone  = flag.String("rclone", "rclone", "with -measure: the rclone to compare with")
)

// childEnv names the role of a process that this test binary starts of itself; childArg has its input as JSON.
const (
	childEnv = "VODLIFT_BENCH_CHILD"
	childArg = "VODLIFT_BENCH_INPUT"
)

// roles are what a child can be.
func roles() map[string]func(in []byte) error {
	return map[string]func([]byte) error{"depot": beDepot, "carry": beCarry, "bare": beBare, "poll": bePoll, "apps": beApps}
}

func TestMain(m *testing.M) {
	if be, ok := roles()[os.Getenv(childEnv)]; ok {
		if err := be([]byte(os.Getenv(childArg))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	code := m.Run()
	if *measure {
		if err := report(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var told struct {
	mu   sync.Mutex
	rows []Row
}

// beside lets a test run beside others, but where they are measured.
func beside(t *testing.T) {
	if !*measure {
		t.Parallel()
	}
}

// tell adds a line to the table, which only real sizes make.
func tell(t testing.TB, r Row) {
	t.Helper()
	t.Logf("%s: %s (promised: %s): %s", r.What, r.Measured, r.Promise, r.Verdict)
	told.mu.Lock()
	defer told.mu.Unlock()
	told.rows = append(told.rows, r)
}

// The marks in docs/speed.md between which the table stands.
const (
	beginMark = "<!-- table: make bench -->"
	endMark   = "<!-- end of table -->"
)

func report() error {
	told.mu.Lock()
	defer told.mu.Unlock()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, on %s, load %s as it ended.\n\n", time.Now().UTC().Format(time.DateOnly), box(), load())
	if err := Table(&b, told.rows); err != nil {
		return err
	}
	fmt.Println(b.String())
	if *write == "" {
		return nil
	}
	old, err := os.ReadFile(*write)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(old), beginMark)
	_, tail, end := strings.Cut(rest, endMark)
	if !ok || !end {
		return fmt.Errorf("%s has no marks for the table", *write)
	}
	return os.WriteFile(*write, []byte(head+beginMark+"\n"+b.String()+endMark+tail), 0o644)
}

// box says what this machine is.
func box() string {
	model := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
	}
	return fmt.Sprintf("%d CPUs (%s), %s/%s, %s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:1], " ")
}

// child is a process of ourselves.
type child struct {
	cmd *exec.Cmd
	out *bufio.Reader
	err bytes.Buffer
}

// spawn starts a child; it ends with the test at the latest.
func spawn(t testing.TB, role string, in any) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	arg, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), childEnv+"="+role, childArg+"="+string(arg))
	c.cmd.Stderr = &c.err
	stdin, err := c.cmd.StdinPipe() // closed when we end, which ends a depot
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	return c
}

// wait reads the child's one answer and waits for its end.
func (c *child) wait(out any) error {
	err := json.NewDecoder(c.out).Decode(out)
	if werr := c.cmd.Wait(); werr != nil {
		return fmt.Errorf("%w: %s", werr, c.err.String())
	}
	return err
}

func beDepot([]byte) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return (&http.Server{Handler: newDepot(), ReadHeaderTimeout: 10 * time.Second}).Serve(l)
}

// startDepot gives the address of a depot of the test's own.
func startDepot(t testing.TB) string {
	t.Helper()
	c := spawn(t, "depot", nil)
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatal(err, c.err.String())
	}
	return strings.TrimSpace(line)
}

// stateOf asks a depot what came for a session.
func stateOf(t testing.TB, addr, session string) *delivery {
	t.Helper()
	resp, err := new(http.Client).Get(addr + "/state?session=" + session)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var d delivery
	if err := json.NewDecoder(resp.Body).Decode(&d); err != nil {
		t.Fatal(err)
	}
	return &d
}
