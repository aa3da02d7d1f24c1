package stack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/local/gateway"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/workflow"
)

// TestTheBooksBalanceAfterRandomKills is issue 5's: objects are dropped as fast as they go while the process is killed with
// SIGKILL at random; in the end every object is accounted for, and every video is published exactly once.
func TestTheBooksBalanceAfterRandomKills(t *testing.T) {
	t.Parallel()
	objects, kills := 300, 12
	if raceOn {
		objects, kills = 40, 4 // the race detector makes each life ten times as slow; conformance runs it whole
	}
	platform, err := fakedouyin.New(fakedouyin.Options{Dir: t.TempDir(), Limits: fakedouyin.Limits{SingleUpload: 5 << 20, PostsPerDay: 10_000}})
	if err != nil {
		t.Fatal(err)
	}
	defer platform.Close()
	g, err := platform.AddAccount("demo-open-id", fakedouyin.AllScopes())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(platform)
	defer srv.Close()
	c := childConfig{Dir: filepath.Join(t.TempDir(), "data"), Platform: srv.URL, OpenID: g.OpenID, Access: g.AccessToken, Refresh: g.RefreshToken}
	p := spawn(t, c)
	defer func() { p.kill() }()

	const seed = 5
	r := rand.New(rand.NewPCG(seed, 1))
	lives := 1
	again := func() {
		p.kill()
		p = spawn(t, c)
		lives++
	}
	next := time.Now().Add(time.Duration(200+r.IntN(1200)) * time.Millisecond)
	for i := 0; i < objects; {
		key := fmt.Sprintf("b/%03d.mp4", i)
		// The publisher's own retry: a client whose put failed puts again.
		if tryPut(t, c.Dir, key+".publish.json", fmt.Appendf(nil, `{"title":"Book %03d"}`, i)) && tryPut(t, c.Dir, key, film(uint64(1000+i), 4*kib)) {
			i++
		}
		if lives <= kills && time.Now().After(next) {
			again()
			next = time.Now().Add(time.Duration(200+r.IntN(1200)) * time.Millisecond)
		}
	}
	for lives <= kills { // and while it works off what it has
		time.Sleep(time.Duration(300+r.IntN(1500)) * time.Millisecond)
		again()
	}
	var a workflow.Accounting
	for deadline := time.Now().Add(4 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		a = account(t, c.Dir)
		if a.Accounted == a.In && counted(a, workflow.WhyPublished)+counted(a, workflow.WhyHeld) == objects {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("seed %d: the books do not balance: %d in, %d accounted for, %+v", seed, a.In, a.Accounted, a.Reasons)
		}
	}
	if a.In < objects {
		t.Errorf("%d objects in the bucket, %d were dropped", a.In, objects)
	}
	// Killed between the intent and the request nobody knows whether it was published, and Douyin's list never denies: such a
	// video waits for a person, and is the only one that may lack a post.
	held := counted(a, workflow.WhyHeld)
	if held > kills {
		t.Errorf("%d are held after %d kills: %+v", held, kills, a.Lines)
	}
	titles := map[string]int{}
	for _, post := range platform.Effects().Posts {
		titles[post.Title]++
	}
	missing := 0
	for i := range objects {
		switch n := titles[fmt.Sprintf("Book %03d", i)]; {
		case n > 1:
			t.Errorf("book %03d was posted %d times", i, n)
		case n == 0:
			missing++
		}
	}
	if missing > held {
		t.Errorf("%d videos have no post, %d are held", missing, held)
	}
	t.Logf("%d objects, %d lives: %d in, %d accounted for, %+v", objects, lives, a.In, a.Accounted, a.Reasons)
}

func counted(a workflow.Accounting, reason string) int {
	for _, r := range a.Reasons {
		if r.Reason == reason {
			return r.Count
		}
	}
	return 0
}

// tryPut drops an object; false where the stack was not there.
func tryPut(t *testing.T, dir, key string, body []byte) bool {
	t.Helper()
	_, err := client(t, dir).PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(stack.Inbox), Key: &key, Body: bytes.NewReader(body)})
	return err == nil
}

// account asks the API of a running folder for the books.
func account(t *testing.T, dir string) (a workflow.Accounting) {
	t.Helper()
	run, err := stack.ReadRunning(dir)
	if err != nil {
		t.Fatal(err)
	}
	id, err := stack.ReadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, run.API+"/api/reconcile", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(gateway.KeyHeader, id.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode == http.StatusOK {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		t.Fatalf("reconcile: %d, %v, %s", res.StatusCode, err, b)
	}
	return a
}
