package youku

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// constant is a storage in which every object holds "x": what a killed process cannot forget.
type constant struct{}

func (constant) Issue(string, string, time.Duration) (Credentials, error) {
	return Credentials{AccessKeyID: "id", AccessKeySecret: "secret", SecurityToken: "token", Expires: time.Now().Add(time.Hour)}, nil
}

func (constant) Stat(string, string) (Object, bool) {
	return Object{Size: 1, MD5: md5Of([]byte("x")), SHA256: sha([]byte("x"))}, true
}

// TestMain lets the test binary be the fake's process, so that a test can kill it.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FAKE_YOUKU_TEST_DIR"); dir != "" {
		s, err := New(Options{Dir: dir, Storage: constant{}})
		if err == nil {
			var g Grant
			g, err = s.AddAccount("main")
			fmt.Println(httptest.NewServer(s).URL, g.AccessToken, g.RefreshToken)
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		select {}
	}
	os.Exit(m.Run())
}

// process starts the fake on dir in a process of its own; kill is kill -9.
func process(t *testing.T, dir string) (r *rig, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FAKE_YOUKU_TEST_DIR="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	killed := false
	kill = func() {
		if !killed {
			killed = true
			cmd.Process.Signal(syscall.SIGKILL)
			cmd.Wait()
		}
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	f := strings.Fields(line)
	if err != nil || len(f) != 3 {
		t.Fatal("the process said", line, err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &rig{T: t, web: &httptest.Server{URL: f[0]}, http: &http.Client{Transport: tr}, client: DefaultClientID, act: f[1], rft: f[2]}, kill
}

func TestKilledProcessRemembers(t *testing.T) {
	dir := t.TempDir()
	r, kill := process(t, dir)
	r.refresh().want(t, "")
	act, rft := r.act, r.rft
	a, b := r.create([]byte("x")).want(t, ""), r.create([]byte("x")).want(t, "")
	r.cancel(b).want(t, "")
	kill()
	r, kill = process(t, dir)
	if r.act != act || r.rft != rft {
		t.Fatal("other tokens after the restart")
	}
	r.sts(a).want(t, "")
	r.commit(b).want(t, "120010151")
	if f := r.send("POST", "/_fake/faults", nil, "application/json", `{"op":"commit","cut":"after"}`); f.status != 200 {
		t.Fatal(f.raw)
	}
	if c := r.commit(a); c.err == nil {
		t.Fatal("answered")
	}
	kill() // the effect was made, its answer lost, the platform gone
	r, _ = process(t, dir)
	r.commit(a).want(t, "120010151")
	r.create([]byte("x")).want(t, "120010111")
	if got := r.state(a.str("video_id")); got != "encoding" {
		t.Error(got)
	}
	e := r.send("GET", "/_fake/effects", nil, "", "").raw
	if strings.Count(e, `"asset"`) != 1 || !strings.Contains(e, sha([]byte("x"))) {
		t.Error(e)
	}
}

func TestFolderIsSweptAndItsFormatChecked(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, ".tmp-1"), []byte("half"), 0o600))
	s, err := New(Options{Dir: dir, Storage: constant{}})
	must(t, err)
	_, err = s.AddAccount("main")
	must(t, err)
	must(t, s.Close())
	entries, err := os.ReadDir(dir)
	if must(t, err); len(entries) != 1 || entries[0].Name() != "state.json" {
		t.Error(entries)
	}
	for _, bad := range []string{`{"format":99}`, `{"format":1`} {
		must(t, os.WriteFile(filepath.Join(dir, "state.json"), []byte(bad), 0o600))
		if _, err := New(Options{Dir: dir, Storage: constant{}}); err == nil {
			t.Errorf("read %s", bad)
		}
	}
}

func TestStopsAnsweringWhenTheDiskRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	r := newRig(t, func(o *Options) { o.Dir = dir })
	a := r.uploaded("x")
	must(t, os.RemoveAll(dir))
	for range 2 {
		if b := r.commit(a); b.status != 500 || b.code != "transport" {
			t.Error(b.status, b.raw)
		}
	}
	if err := r.s.Inject(fake.Fault{Op: "commit", Token: fake.TokenExpire}); err != nil {
		t.Fatal(err)
	}
	if b := r.commit(a); b.err == nil { // the token's end could not be saved: silence
		t.Error(b.raw)
	}
}
