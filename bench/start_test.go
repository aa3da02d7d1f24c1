package bench

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/template"
)

// TestFirstPoll starts each bootstrap that make build wrote, under a Runtime API of our own, and takes the time from the
// start of the process to its first poll. At tiny sizes it times itself instead, which tries the stopwatch.
func TestFirstPoll(t *testing.T) {
	beside(t)
	if !*measure {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		if d := firstPoll(t, self, []string{childEnv + "=poll"}); d <= 0 {
			t.Errorf("it took %v", d)
		}
		return
	}
	tpl, err := template.Load("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		found, _ := filepath.Glob("../dist/" + arch + "/*/bootstrap")
		if len(found) < len(tpl.Functions) {
			t.Errorf("%d bootstraps of %d are in dist/%s: make build first", len(found), len(tpl.Functions), arch)
			continue
		}
		most, largest := int64(0), ""
		for _, f := range found {
			st, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			if st.Size() > most {
				most, largest = st.Size(), filepath.Base(filepath.Dir(f))
			}
		}
		tell(t, Row{5, "the largest bootstrap for " + arch + " (" + largest + ")", "< 16 MiB", mib(most), Judge(most < 16<<20)})
	}
	var slowest float64
	var all []string
	env := variables(t, tpl)
	for _, name := range tpl.Names() {
		var ms []float64
		for range 2*(*pairs) + 1 {
			d := firstPoll(t, filepath.Join("../dist", runtime.GOARCH, name, "bootstrap"), env[name])
			ms = append(ms, d.Seconds()*1000)
		}
		all = append(all, fmt.Sprintf("%s %.1f (least %.1f)", name, Median(ms), Quantile(ms, 0)))
		slowest = max(slowest, Median(ms))
	}
	tell(t, Row{5, "process start to first poll, the median of " + fmt.Sprint(2*(*pairs)+1) + " starts, in ms: " + strings.Join(all, ", "), "< 10 ms",
		fmt.Sprintf("%.1f ms the slowest", slowest), Judge(slowest < 10)})
}

// variables are the example's of each function, by name: what template.yaml gives it.
func variables(t *testing.T, tpl *template.Template) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../env.json.example")
	if err != nil {
		t.Fatal(err)
	}
	var example map[string]map[string]string
	if err := json.Unmarshal(b, &example); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for name, f := range tpl.Functions {
		out[name] = []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_LAMBDA_FUNCTION_NAME=" + name, fmt.Sprintf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=%d", f.MemoryMB)}
		for k, v := range example[f.LogicalID] {
			out[name] = append(out[name], k+"="+v)
		}
	}
	return out
}

// firstPoll starts a program and takes the time until it asks for its first event.
func firstPoll(t *testing.T, program string, env []string) time.Duration {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	polled := make(chan time.Time, 1)
	done := make(chan struct{})
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/runtime/invocation/next") {
			select {
			case polled <- time.Now():
			default:
			}
		}
		<-done
	})}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	defer close(done)
	cmd := exec.Command(program)
	cmd.Env = append(env, "AWS_LAMBDA_RUNTIME_API="+l.Addr().String(), "PATH="+os.Getenv("PATH"))
	ended := make(chan error, 1)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- cmd.Wait() }()
	select {
	case at := <-polled:
		_ = cmd.Process.Kill()
		<-ended
		return at.Sub(began)
	case err := <-ended:
		t.Fatalf("%s ended before it polled: %v", program, err)
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		t.Fatalf("%s did not poll", program)
	}
	return 0
}

// bePoll is a program that only polls.
func bePoll([]byte) error {
	resp, err := new(http.Client).Get("http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/next")
	if err == nil {
		err = resp.Body.Close()
	}
	return err
}
