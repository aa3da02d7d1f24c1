package stack_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/local/sample"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/token"
)

// childEnv makes the test binary a stack of its own; see child.
const childEnv = "VODLIFT_TEST_STACK"

// childConfig is what the parent tells it.
type childConfig struct {
	Dir      string `json:"dir"`
	Platform string `json:"platform"`
	OpenID   string `json:"open_id"`
	Access   string `json:"access"`
	Refresh  string `json:"refresh"`
}

func TestMain(m *testing.M) {
	if c := os.Getenv(childEnv); c != "" {
		if err := child(c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child runs a demo stack against the parent's platform until its standard input ends or it is killed.
func child(config string) error {
	var c childConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	s, err := stack.Open(context.Background(), stack.Options{
		Dir: c.Dir, Kind: stack.Demo, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Tune: func(o *stack.MachineOptions) {
			o.Engines.Douyin.BaseURL = c.Platform
			o.Engines.Ledger.Lease = 3 * time.Second // a killed holder's lease has to run out before its range goes on
			o.Engines.Steps.PartRest, o.Engines.Steps.LeaseRenew = time.Second, time.Second
			o.Engines.Ledger.Paces = map[string]state.Pace{"douyin": {PerDay: -1}}
			v := token.NewVault(o.Engines.Table, o.Engines.Cipher, nil)
			if _, err := v.Load(context.Background(), stack.DemoAccount); err == nil {
				return
			}
			_, err := v.SaveLogin(context.Background(), stack.DemoAccount, token.Token{
				Subject: c.OpenID, Access: c.Access, Refresh: c.Refresh, Expires: time.Now().Add(time.Hour), RefreshBy: time.Now().Add(24 * time.Hour),
			})
			if err != nil {
				panic(err)
			}
		},
	})
	if err != nil {
		return err
	}
	fmt.Println("serving")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.Close()
}

// process is one life of the stack.
type process struct {
	cmd *exec.Cmd
	log bytes.Buffer
	in  io.WriteCloser
}

func spawn(t *testing.T, c childConfig) *process {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(self)}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(b))
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 8)
	if _, err := io.ReadFull(out, line); err != nil {
		p.cmd.Wait()
		t.Fatalf("the stack does not start: %v\n%s", err, p.log.String())
	}
	go io.Copy(io.Discard, out)
	return p
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// assassin stands before the platform and strikes at the moments that it was given, one after the other.
type assassin struct {
	next http.Handler

	mu      sync.Mutex
	moments []moment
	strike  chan moment   // a moment has come
	dead    chan struct{} // the process is gone: let go
	struck  bool          // in this life of the process; one is enough
	active  int           // part requests under way
	parts   int           // part requests that the platform took
	doomed  int           // part requests under way when the process was killed
}

// moment is a point of a request.
type moment struct {
	name, op string
	when     string // before: nothing has happened; body: half of it was read; after: the effect is there, the answer is not
}

func (a *assassin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	part := strings.Contains(r.URL.Path, "upload_video_part")
	a.mu.Lock()
	if part {
		a.active++
	}
	hit := !a.struck && len(a.moments) > 0 && strings.Contains(r.URL.Path, a.moments[0].op)
	var m moment
	if hit {
		m, a.moments, a.struck = a.moments[0], a.moments[1:], true
	}
	dead := a.dead
	a.mu.Unlock()
	defer func() {
		if part {
			a.mu.Lock()
			a.active--
			a.mu.Unlock()
		}
	}()
	wait := func() {
		a.strike <- m
		<-dead
		panic(http.ErrAbortHandler)
	}
	switch m.when {
	case "before":
		wait()
	case "body":
		io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		wait()
	}
	rec := httptest.NewRecorder()
	a.next.ServeHTTP(rec, r)
	if part && rec.Code == http.StatusOK {
		a.mu.Lock()
		a.parts++
		a.mu.Unlock()
	}
	if m.when == "after" {
		wait()
	}
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes())
}

// TestKilledAtTenMomentsItIsPublishedOnce is issue 2's: a real process is killed with SIGKILL again and again during one
// upload, and started on the same folder each time. The platform lives on in this process.
func TestKilledAtTenMomentsItIsPublishedOnce(t *testing.T) {
	t.Parallel()
	platform, err := fakedouyin.New(fakedouyin.Options{Dir: t.TempDir(), Limits: fakedouyin.Limits{SingleUpload: 5 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	defer platform.Close()
	g, err := platform.AddAccount("demo-open-id", fakedouyin.AllScopes())
	if err != nil {
		t.Fatal(err)
	}
	a := &assassin{next: platform, strike: make(chan moment), dead: make(chan struct{}), moments: []moment{
		{"the session is asked for", "init_video_part", "before"},
		{"the session is open", "init_video_part", "after"},
		{"a part is asked for", "upload_video_part", "before"},
		{"half of a part arrived", "upload_video_part", "body"},
		{"a part arrived", "upload_video_part", "after"},
		{"another part arrived", "upload_video_part", "after"},
		{"complete is asked for", "complete_video_part", "before"},
		{"the post is made", "create_video", "after"},
		{"the post is asked for", "video_data", "before"},
	}}
	srv := httptest.NewServer(a)
	defer srv.Close()
	var video bytes.Buffer
	if _, err := sample.WriteSeed(&video, 11, 0); err != nil {
		t.Fatal(err)
	}
	c := childConfig{Dir: filepath.Join(t.TempDir(), "data"), Platform: srv.URL, OpenID: g.OpenID, Access: g.AccessToken, Refresh: g.RefreshToken}
	began, lives := time.Now(), 1
	p := spawn(t, c)
	defer func() { p.kill() }()
	putObject(t, c.Dir, "a/video.mp4.publish.json", []byte(`{"title":"Ten lives"}`))
	putObject(t, c.Dir, "a/video.mp4", video.Bytes())
	again := func(why string) {
		a.mu.Lock()
		a.doomed += a.active
		old := a.dead
		a.dead = make(chan struct{})
		a.mu.Unlock()
		p.kill()
		close(old)
		a.mu.Lock()
		a.struck = false
		a.mu.Unlock()
		t.Logf("%5.1fs killed: %s", time.Since(began).Seconds(), why)
		lives++
		p = spawn(t, c)
	}
	again("the event was taken")
	var v published
	for deadline := time.After(90 * time.Second); v.Status != "PUBLISHED"; {
		select {
		case m := <-a.strike:
			again(m.name)
		case <-time.After(100 * time.Millisecond):
			v = status(t, c.Dir, "a/video.mp4")
		case <-deadline:
			t.Fatalf("it does not end: %+v\n%s", v, p.log.String())
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.moments) > 0 || lives != 11 {
		t.Errorf("%d lives; these moments never came: %v", lives, a.moments)
	}
	sum := sha256.Sum256(video.Bytes())
	e := platform.Effects()
	if len(e.Posts) != 1 || e.Posts[0].SHA256 != hex.EncodeToString(sum[:]) || e.Posts[0].ID != v.Post.ID {
		t.Errorf("posts %+v, published as %q", e.Posts, v.Post.ID)
	}
	if len(e.Assets) != 1 {
		t.Errorf("%d files at the platform", len(e.Assets))
	}
	// Design 8: the parts in flight at a kill, and what of the last five seconds was not flushed: a range of one part is
	// flushed as it ends, so that is none.
	parts := (video.Len() + 5<<20 - 1) / (5 << 20)
	if a.parts > parts+a.doomed {
		t.Errorf("%d parts were taken %d times, %d were in flight when it was killed", parts, a.parts, a.doomed)
	}
	t.Logf("%d lives, %.1fs, %d parts taken %d times, %d in flight when killed", lives, time.Since(began).Seconds(), parts, a.parts, a.doomed)
}

// client is any S3 client with the keys of a running data folder.
func client(t *testing.T, dir string) *s3.Client {
	t.Helper()
	r, err := stack.ReadRunning(dir)
	if err != nil {
		t.Fatal(err)
	}
	id, err := stack.ReadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s3.New(s3.Options{
		BaseEndpoint: &r.Bucket, Region: r.Region, UsePathStyle: true, HTTPClient: &http.Client{Timeout: time.Minute},
		Credentials: credentials.NewStaticCredentialsProvider(id.BucketAccess, id.BucketSecret, ""),
	})
}

func putObject(t *testing.T, dir, key string, body []byte) {
	t.Helper()
	_, err := client(t, dir).PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(stack.Inbox), Key: &key, Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
}

// published is what the API says of an upload.
type published struct {
	Status  string `json:"status"`
	Settled bool   `json:"settled"`
	Post    struct {
		ID string `json:"id"`
	} `json:"post"`
}

// status asks the API of a running folder; nothing, while it cannot say.
func status(t *testing.T, dir, key string) (none published) {
	t.Helper()
	r, err := stack.ReadRunning(dir)
	if err != nil {
		return none
	}
	var p struct {
		Views []published `json:"views"`
	}
	if err := call(r.API+"/api/objects?"+url.Values{"bucket": {stack.Inbox}, "key": {key}}.Encode(), &p); err != nil || len(p.Views) == 0 {
		return none
	}
	return p.Views[0]
}

func call(address string, v any) error {
	r, err := (&http.Client{Timeout: 10 * time.Second}).Get(address)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return errors.New(r.Status)
	}
	return json.NewDecoder(r.Body).Decode(v)
}
