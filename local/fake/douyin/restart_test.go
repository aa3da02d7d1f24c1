package douyin

import (
	"bufio"
	"fmt"
	"github.com/vodlift/vodlift/local/fake"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test binary be the fake's process, so that a test can kill it.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FAKE_DOUYIN_TEST_DIR"); dir != "" {
		s, err := New(Options{Dir: dir, Limits: Limits{PartMin: 10, PartMax: 100}})
		if err == nil {
			var g Grant
			g, err = s.AddAccount(user, nil)
			fmt.Println(httptest.NewServer(s).URL, g.AccessToken)
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
	cmd.Env = append(os.Environ(), "FAKE_DOUYIN_TEST_DIR="+dir)
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
	if err != nil {
		t.Fatal("the process said", line, err)
	}
	u, token, _ := strings.Cut(strings.TrimSpace(line), " ")
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &rig{T: t, web: &httptest.Server{URL: u}, http: &http.Client{Transport: tr}, gen: V1, auth: Header, id: user, act: token}, kill
}

func TestKilledProcessRemembers(t *testing.T) {
	dir := t.TempDir()
	r, kill := process(t, dir)
	token := r.act
	id := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
	r.file("part_upload", []byte("first part"), "upload_id", id, "part_number", "1").want(t, 0)
	kill()
	r, kill = process(t, dir)
	if r.act != token {
		t.Fatal("another token after the restart")
	}
	r.file("part_upload", []byte("tail"), "upload_id", id, "part_number", "2").want(t, 0)
	video := r.publish("complete", "", nil, "upload_id", id).want(t, 0).str("video", "video_id")
	kill()
	r, kill = process(t, dir)
	r.publish("complete", "", nil, "upload_id", id).want(t, 28001007)
	a := r.do("POST", "/_fake/faults", nil, "application/json", strings.NewReader(`{"op":"create","cut":"after"}`))
	if a.status != 200 {
		t.Fatal(a.raw)
	}
	if a := r.createText(video, "t"); a.err == nil {
		t.Fatal("answered")
	}
	kill() // the effect was made, its answer lost, the platform gone
	r, _ = process(t, dir)
	r.createText(video, "t").want(t, 2190007)
	list := r.publish("list", "", nil, "cursor", "0", "count", "10").want(t, 0).body.Data["list"].([]any)
	raw := r.do("GET", "/_fake/effects", nil, "", nil).raw
	if len(list) != 1 || !strings.Contains(raw, sum([]byte("first parttail"))) {
		t.Error(len(list), raw)
	}
	left, err := os.ReadDir(dir + "/parts")
	if err != nil || len(left) != 0 {
		t.Error("parts left on disk:", left, err)
	}
}

func TestSweepsWhatAKillLeft(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/incoming", 0o700))
	must(t, os.MkdirAll(dir+"/parts/s00000009", 0o700))
	must(t, os.WriteFile(dir+"/incoming/.tmp-1", []byte("half"), 0o600))
	must(t, os.WriteFile(dir+"/.tmp-2", []byte("half"), 0o600))
	s, err := New(Options{Dir: dir})
	must(t, err)
	defer s.Close()
	for _, gone := range []string{"/incoming/.tmp-1", "/.tmp-2", "/parts/s00000009"} {
		if _, err := os.Stat(dir + gone); !os.IsNotExist(err) {
			t.Error(gone, "is still there")
		}
	}
	must(t, os.WriteFile(dir+"/state.json", []byte(`{"format":99}`), 0o600))
	if _, err := New(Options{Dir: dir}); err == nil {
		t.Error("an unknown format was read")
	}
}

// TestMemoryDoesNotGrowWithTheVideo counts all that is allocated, here and in the client, while 96 MiB go by.
func TestMemoryDoesNotGrowWithTheVideo(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits, o.KeepBytes = Limits{}, false })
	const size = 96 * MiB
	boundary := "b0undary"
	var head strings.Builder
	w := multipart.NewWriter(&head)
	must(t, w.SetBoundary(boundary))
	_, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="video"; filename="a.mp4"`}, "Content-Type": {"video/mp4"}})
	must(t, err)
	tail := "\r\n--" + boundary + "--\r\n"
	body := io.MultiReader(strings.NewReader(head.String()), io.LimitReader(zeros{}, size), strings.NewReader(tail))
	req, err := http.NewRequest("POST", r.web.URL+paths[V1]["upload"]+"?"+url.Values{"open_id": {user}}.Encode(), body)
	must(t, err)
	req.ContentLength = int64(head.Len()) + size + int64(len(tail))
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set("access-token", r.act)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res, err := r.http.Do(req)
	must(t, err)
	res.Body.Close()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 4*MiB {
		t.Errorf("%d bytes allocated for a video of %d", got, size)
	}
	if e := r.s.Effects(); len(e.Assets) != 1 || e.Assets[0].Size != size {
		t.Error(res.Status, e)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func FuzzProbe(f *testing.F) {
	f.Add([]byte(mp4(5)))
	f.Add([]byte("\x00\x00\x00\x01moov\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := fake.Probe(strings.NewReader(string(b)), int64(len(b))); got.Duration < 0 {
			t.Error(got)
		}
	})
}
