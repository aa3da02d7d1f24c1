package oss

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

// TestMain lets the test binary be the fake's process, so that a test can kill it.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FAKE_OSS_TEST_DIR"); dir != "" {
		keys, err := ram.NewStore(ram.StoreOptions{Dir: filepath.Join(dir, "keys")})
		if err == nil {
			_, err = keys.AddKey("root", "LTAIroot", "SK")
		}
		var s *Server
		if err == nil {
			s, err = New(Options{Dir: filepath.Join(dir, "oss"), Credentials: keys, Buckets: []Bucket{{Name: bkt}}, Limits: Limits{PartMin: 10}})
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(httptest.NewServer(s).URL)
		select {}
	}
	os.Exit(m.Run())
}

// process starts the fake on dir in a process of its own; kill is kill -9.
func process(t *testing.T, dir string) (r *rig, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FAKE_OSS_TEST_DIR="+dir)
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
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	r = &rig{TB: t, web: &httptest.Server{URL: strings.TrimSpace(line)}, http: &http.Client{Transport: tr},
		root: ram.Credential{AccessKeyID: "LTAIroot", Secret: "SK"}}
	r.at = time.Now()
	return r, kill
}

func TestKilledProcessRemembers(t *testing.T) {
	dir := t.TempDir()
	r, kill := process(t, dir)
	r.put("k", []byte("old")).want(t, 200, "")
	id := r.initiate("m")
	first, tail := bytesOf(50, 1), bytesOf(3, 2)
	r.part("m", id, 1, bytesOf(50, 9)).want(t, 200, "")
	r.part("m", id, 1, first).want(t, 200, "") // the later one counts
	r.part("m", id, 7, bytesOf(50, 9)).want(t, 200, "")
	kill()
	r, kill = process(t, dir)
	r.part("m", id, 2, tail).want(t, 200, "")
	if list := r.do(request{method: "GET", key: "m", query: "uploadId=" + id}).want(t, 200, "").xml; len(list.Part) != 3 || list.Part[0].ETag != etag(first) {
		t.Errorf("%+v", list)
	}
	a := r.fault(`{"op":"complete","cut":"after"}`)
	if a.status != 200 {
		t.Fatal(string(a.body))
	}
	if a := r.complete("m", id, "1", etag(first), "2", etag(tail)); a.err == nil {
		t.Fatal("answered")
	}
	kill() // the effect was made, its answer lost, the platform gone
	r, kill = process(t, dir)
	r.complete("m", id, "1", etag(first), "2", etag(tail)).want(t, 404, "NoSuchUpload")
	whole := append(bytes.Clone(first), tail...)
	if a := r.do(request{method: "GET", key: "m"}); !bytes.Equal(a.body, whole) || a.header.Get("x-oss-hash-crc64ecma") != crc(whole) {
		t.Error(a.status, a.header)
	}
	r.put("k", []byte("new")).want(t, 200, "")
	if a := r.do(request{method: "DELETE", key: "m"}); a.status != 204 {
		t.Error(a.status)
	}
	kill()
	r, _ = process(t, dir)
	if a := r.do(request{method: "GET", key: "k"}); string(a.body) != "new" {
		t.Error(string(a.body))
	}
	r.do(request{method: "GET", key: "m"}).want(t, 404, "NoSuchKey")
	left, err := os.ReadDir(filepath.Join(dir, "oss", "buckets", bkt, "data"))
	if err != nil || len(left) != 1 {
		t.Error("data left on disk:", left, err)
	}
}

func (r *rig) fault(text string) reply {
	r.Helper()
	req, err := http.NewRequest("POST", r.web.URL+"/_fake/faults", strings.NewReader(text))
	must(r, err)
	req.Header.Set("Content-Type", "application/json")
	return r.send(req)
}

func TestSweepsWhatAKillLeft(t *testing.T) {
	dir := t.TempDir()
	keys, err := ram.NewStore(ram.StoreOptions{})
	must(t, err)
	base := filepath.Join(dir, "buckets", bkt)
	for _, d := range []string{"objects", "uploads", "data/ORPHAN", "data/OPEN"} {
		must(t, os.MkdirAll(filepath.Join(base, d), 0o700))
	}
	must(t, os.MkdirAll(filepath.Join(dir, "incoming"), 0o700))
	older := part{number: 1, seq: 1, md5: strings.Repeat("A", 32), crc: 1, modified: time.UnixMilli(1)}
	newer := part{number: 1, seq: 2, md5: strings.Repeat("B", 32), crc: 2, modified: time.UnixMilli(2)}
	for _, f := range []string{"incoming/.tmp-1", "buckets/" + bkt + "/objects/.tmp-2", "buckets/" + bkt + "/data/ORPHAN/body",
		"buckets/" + bkt + "/data/OPEN/" + older.file(), "buckets/" + bkt + "/data/OPEN/" + newer.file()} {
		must(t, os.WriteFile(filepath.Join(dir, f), []byte("half"), 0o600))
	}
	must(t, os.WriteFile(filepath.Join(base, "uploads", "U.json"), []byte(`{"id":"U","key":"k","folder":"OPEN"}`), 0o600))
	s, err := New(Options{Dir: dir, Credentials: keys})
	must(t, err)
	defer s.Close()
	for _, gone := range []string{"incoming/.tmp-1", "buckets/" + bkt + "/objects/.tmp-2", "buckets/" + bkt + "/data/ORPHAN", "buckets/" + bkt + "/data/OPEN/" + older.file()} {
		if _, err := os.Stat(filepath.Join(dir, gone)); !os.IsNotExist(err) {
			t.Error(gone, "is still there")
		}
	}
	if u := s.buckets[bkt].uploads["U"]; u == nil || u.parts[1].seq != 2 || u.seq != 2 {
		t.Errorf("%+v", u)
	}
	must(t, os.WriteFile(filepath.Join(base, "objects", "x.json"), []byte("{"), 0o600))
	if _, err := New(Options{Dir: dir, Credentials: keys}); err == nil {
		t.Error("a spoilt record was read")
	}
}

// TestMemoryDoesNotGrowWithTheObject counts all that is allocated, here and in the client, while 64 MiB come and go.
func TestMemoryDoesNotGrowWithTheObject(t *testing.T) {
	r := newRig(t)
	const size = 64 * MiB
	r.put("warm", []byte("up"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	req, err := http.NewRequest("PUT", r.web.URL+"/"+bkt+"/big", io.LimitReader(zeros{}, size))
	must(t, err)
	req.ContentLength = size
	r.sign(req, request{method: "PUT", key: "big", bucket: bkt, cred: r.root, secret: "SK"})
	r.send(req).want(t, 200, "")
	req, err = http.NewRequest("GET", r.web.URL+"/"+bkt+"/big", nil)
	must(t, err)
	r.sign(req, request{method: "GET", key: "big", bucket: bkt, cred: r.root, secret: "SK"})
	res, err := r.http.Do(req)
	must(t, err)
	n, err := io.Copy(io.Discard, res.Body)
	must(t, err)
	res.Body.Close()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; n != size || got > 4*MiB {
		t.Errorf("%d bytes allocated for an object of %d", got, n)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestOptionsThatCannotWork(t *testing.T) {
	keys, err := ram.NewStore(ram.StoreOptions{})
	must(t, err)
	for name, o := range map[string]Options{
		"no credentials":  {},
		"bucket name":     {Credentials: keys, Buckets: []Bucket{{Name: "X"}}},
		"unknown reading": {Credentials: keys, Readings: Readings{PartETag: "roughly"}},
		"unknown code":    {Credentials: keys, Readings: Readings{MetaCode: "Oops"}},
		"limits":          {Credentials: keys, Limits: Limits{PartMin: 10, PartMax: 5}},
	} {
		if s, err := New(o); err == nil {
			s.Close()
			t.Error("accepted:", name)
		}
	}
	r := newRig(t)
	if r.s.AddBucket(Bucket{Name: "-x-"}) == nil || r.s.AddBucket(Bucket{Name: bkt, PublicRead: true}) != nil || r.s.AddBucket(Bucket{Name: "new-one"}) != nil {
		t.Error("AddBucket")
	}
	r.do(request{method: "GET", key: "x", unsigned: true}).want(t, 404, "NoSuchKey")
	r.do(request{method: "PUT", key: "x", bucket: "new-one", body: []byte("x")}).want(t, 200, "")
	if e := r.s.Effects(); len(e.Assets) != 1 || e.Assets[0].ID != "new-one/x" {
		t.Error(e)
	}
	if r.s.Inject(fake.Fault{Op: "put_object", Name: "Oops"}) == nil || r.s.Inject(fake.Fault{Op: "upload", Name: "InternalError"}) == nil {
		t.Error("a misspelt fault was armed")
	}
}
