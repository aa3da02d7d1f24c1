package publication

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/lambda"
	"github.com/vodlift/vodlift/local/sample"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

const key = "studio/first light.mp4"

// deaths say which processes die, and when. Each strikes once.
type deaths struct {
	t     *testing.T
	w     *world
	mu    sync.Mutex
	calls map[string]int
	died  []string
	wg    sync.WaitGroup
}

// strike is a lambda.Options.Intercept.
func (d *deaths) strike(function string, payload []byte) lambda.Action {
	var p struct{ Step string }
	_ = json.Unmarshal(payload, &p)
	call := strings.TrimSuffix(function+"/"+p.Step, "/")
	d.mu.Lock()
	d.calls[call]++
	n := d.calls[call]
	d.mu.Unlock()
	switch {
	case call == "ingest" && n == 2:
		return d.note("ingest, when it had recorded the video", lambda.CrashAfter)
	case call == "initupload" && n == 2:
		return d.note("initupload, when it had decided", lambda.CrashAfter)
	case call == "uploadpart" && n == 1:
		return d.note("uploadpart, before it began", lambda.CrashBefore)
	case call == "uploadpart" && n == 3:
		d.note("every uploadpart at once, under way", lambda.Proceed)
		d.wg.Go(func() {
			time.Sleep(150 * time.Millisecond) // somewhere in the middle; wherever it is, the end must be the same
			d.w.host.Kill("uploadpart")
		})
	case call == "finalize/complete" && n == 1:
		return d.note("complete, when it was done", lambda.CrashAfter)
	case call == "finalize/publish" && d.w.account(d.t, key, payload) == stack.DemoAccount && d.first("douyin"):
		return d.note("publish, when the post was made", lambda.CrashAfter)
	case call == "finalize/settle" && n == 1:
		return d.note("settle, when it was done", lambda.CrashAfter)
	}
	return lambda.Proceed
}

func (d *deaths) first(what string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls["first "+what]++
	return d.calls["first "+what] == 1
}

func (d *deaths) note(what string, a lambda.Action) lambda.Action {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.died = append(d.died, what)
	return a
}

// TestOneVideoFourPlatformsRealProcessesSomeKilled is issue 8's.
func TestOneVideoFourPlatformsRealProcessesSomeKilled(t *testing.T) {
	d := &deaths{t: t, calls: map[string]int{}}
	w := newWorld(t, d.strike)
	d.w = w
	defer d.wg.Wait()
	var video bytes.Buffer
	if _, err := sample.WriteSeed(&video, 8, 12<<20); err != nil {
		t.Fatal(err)
	}
	sidecar, err := json.Marshal(map[string]any{"title": "First light", "tags": []string{"dawn"}, "to": stack.DemoAccounts()})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	w.drop(t, key+".publish.json", sidecar)
	w.drop(t, key, video.Bytes())
	us := w.finish(t, 4*time.Minute)
	t.Logf("%.1f s; died: %s", time.Since(began).Seconds(), strings.Join(d.died, "; "))
	generations := 0
	for _, u := range us {
		generations += int(u.Gen)
		if u.Status != upload.Published || u.Post.ID == "" {
			t.Errorf("%s is %s(%s)%s", u.Account, u.Status, u.Reason, w.timeline(u.ID))
		}
	}
	if len(us) != len(stack.DemoAccounts()) {
		t.Errorf("%d uploads", len(us))
	}
	for _, wrong := range notOnce(video.Bytes(), w.effects()) {
		t.Error(wrong)
	}
	for _, wrong := range w.doubles.Wrong() {
		t.Errorf("a request that AWS would refuse: %s", wrong)
	}
	told := map[string]int{}
	for _, e := range w.doubles.Events() {
		told[e.Type]++
	}
	if told["upload.published"] < len(us) || told["publication.finished"] < 1 {
		t.Errorf("told outside: %v", told)
	}
	if len(d.died) != 7 {
		t.Errorf("only these died: %q", d.died)
	}
	t.Logf("%d uploads in %d generations, %d transitions, told %v", len(us), generations, w.steps.Totals().Transitions, told)
	if t.Failed() {
		t.Logf("the processes said at last:\n%s", w.log.tail(8000))
	}
}

// finish runs the due sweep, as its schedule does, until every upload has ended and everything is told.
func (w *world) finish(t *testing.T, limit time.Duration) (us []state.Upload) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		_, _ = w.host.Invoke(t.Context(), "reconcile", []byte(`{"v":1,"job":"due"}`)) // the next run makes up for a failure
		us = w.uploads(t, key)
		ended := 0
		for _, u := range us {
			if u.Status.Terminal() && u.Settled {
				ended++
			}
		}
		told := 0
		for _, e := range w.doubles.Events() {
			if e.Type == "publication.finished" {
				told++
			}
		}
		if ended == len(stack.DemoAccounts()) && told > 0 {
			return us
		}
	}
	for _, u := range us {
		t.Logf("%s: %s(%s) gen %d%s", u.Account, u.Status, u.Reason, u.Gen, w.timeline(u.ID))
	}
	t.Fatalf("it does not end\n%s", w.log.tail(6000))
	return nil
}

// effects is what every platform really did.
func (w *world) effects() map[string]fake.Effects {
	return map[string]fake.Effects{"douyin": w.demo.Douyin.Effects(), "youku": w.demo.Youku.Effects(), "alivod": w.demo.VOD.Effects(), "douyinweb": w.demo.Web.Effects()}
}

// notOnce says which platforms have no post of this very video, or more than one.
func notOnce(video []byte, effects map[string]fake.Effects) (wrong []string) {
	sum := sha256.Sum256(video)
	for name, e := range effects {
		if len(e.Posts) != 1 || e.Posts[0].SHA256 != hex.EncodeToString(sum[:]) {
			wrong = append(wrong, fmt.Sprintf("%s has %d posts: %+v", name, len(e.Posts), e.Posts))
		}
	}
	return wrong
}

func TestAPostTooManyOrOfOtherBytesIsFound(t *testing.T) {
	sum := sha256.Sum256([]byte("video"))
	right := fake.Post{ID: "1", SHA256: hex.EncodeToString(sum[:])}
	for fault, posts := range map[string][]fake.Post{"two posts": {right, right}, "none": nil, "other bytes": {{ID: "1", SHA256: "00"}}} {
		if len(notOnce([]byte("video"), map[string]fake.Effects{"p": {Posts: posts}})) != 1 {
			t.Errorf("%s: not found", fault)
		}
	}
	if wrong := notOnce([]byte("video"), map[string]fake.Effects{"p": {Posts: []fake.Post{right}}}); wrong != nil {
		t.Error(wrong)
	}
}
