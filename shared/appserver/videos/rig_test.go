package videos_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/appserver/videos"
	"github.com/vodlift/vodlift/shared/appserver/vodtest"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/table/tabletest"
	"github.com/vodlift/vodlift/shared/vod"
)

type rig struct {
	*videos.Store
	t     *testing.T
	p     *vodtest.Platform
	clock *tabletest.Clock
	q     *quotas
	db    *sqlite.DB
	set   videos.Settings
}

// quotas count, and refuse above most bytes.
type quotas struct {
	mu      sync.Mutex
	uploads map[string]int
	bytes   map[string]int64
	seen    map[string]bool
	most    int64
}

func (q *quotas) Charge(_ context.Context, user, _ string, n int, b int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.uploads[user] += n
	return nil
}

func (q *quotas) ChargeBytes(_ context.Context, id, user, _ string, b int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.most > 0 && q.bytes[user]+b > q.most {
		return fault.Wrap("quotas", users.ErrOver)
	}
	if !q.seen[id] {
		q.bytes[user] += b
		q.seen[id] = true
	}
	return nil
}

func (q *quotas) AddressKey(a string) string { return "key of " + a }

func newRig(t *testing.T, set videos.Settings) *rig {
	t.Helper()
	clock := tabletest.NewClock(time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC))
	db, err := sqlite.OpenMemory(&sqlite.Options{Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	p := vodtest.New(clock.Now)
	t.Cleanup(func() {
		if b := p.Breaches(); len(b) > 0 {
			t.Errorf("the platform's rules were broken: %q", b)
		}
	})
	q := &quotas{uploads: map[string]int{}, bytes: map[string]int64{}, seen: map[string]bool{}}
	r := &rig{t: t, p: p, clock: clock, q: q, db: db, set: set}
	r.Store = remake(r, db)
	return r
}

// remake makes the store anew over another client of its table.
func remake(r *rig, t table.Table) *videos.Store {
	return videos.New(videos.Parts{Table: t, VOD: r.p, Quotas: r.q, Now: r.clock.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler), Settings: r.set})
}

func (r *rig) issue(owner string) string {
	r.t.Helper()
	tk, err := r.Issue(r.t.Context(), owner, "192.0.2.1", vod.NewVideo{Title: "t", FileName: "a.mp4"})
	if err != nil {
		r.t.Fatal(err)
	}
	return tk.ID
}

func (r *rig) publish(owner, id string) {
	r.t.Helper()
	if err := r.Publish(r.t.Context(), owner, "192.0.2.1", id, videos.Facts{Title: "title of " + id}); err != nil {
		r.t.Fatal(err)
	}
}

// uploaded is an id of owner whose file has come.
func (r *rig) uploaded(owner string) string {
	id := r.issue(owner)
	r.p.Upload(id, 1000)
	return id
}

func (r *rig) hint(kind, id string) {
	r.t.Helper()
	r.hintOf(callback.Event{Platform: callback.AliVOD, Type: kind, Remotes: []string{id}, Status: "success"})
}

func (r *rig) hintOf(e callback.Event) {
	r.t.Helper()
	if err := r.Callback(r.t.Context(), e); err != nil {
		r.t.Fatalf("%s: %v", e.Type, err)
	}
}

func (r *rig) work(after time.Duration) {
	r.t.Helper()
	r.clock.Advance(after)
	if _, err := r.Work(r.t.Context()); err != nil {
		r.t.Logf("work: %v", err)
	}
}

func (r *rig) get(id string) videos.Video {
	r.t.Helper()
	v, err := r.Get(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *rig) recommended() []string {
	r.t.Helper()
	list, total, err := r.Recommended(r.t.Context(), videos.Page{Index: 1, Size: 100})
	if err != nil {
		r.t.Fatal(err)
	}
	if int(total) != len(list) {
		r.t.Errorf("total is %d of %d", total, len(list))
	}
	var ids []string
	for _, v := range list {
		ids = append(ids, v.ID)
	}
	return ids
}

// pass makes the platform let a video through, and gives it something to play.
func (r *rig) pass(id string) {
	r.t.Helper()
	r.p.Judge(id, "success", "pass")
	r.p.Stream(id, vod.Stream{URL: "https://play.example/" + id + ".mp4?auth_key=secret", Status: "Normal", JobID: "x", Definition: "LD"})
}
