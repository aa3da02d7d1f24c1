package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// List implements workflow.Lister over the keys that the test has put.
func (r *rig) List(ctx context.Context, bucket, after string, limit int) (out []source.Object, next string, err error) {
	slices.Sort(r.keys)
	for _, k := range r.keys {
		if k <= after {
			continue
		}
		info, err := r.src.Stat(ctx, source.Object{Bucket: bucket, Key: k})
		if errors.Is(err, source.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		if len(out) == limit {
			return out, out[limit-1].Key, nil
		}
		out = append(out, info.Object)
	}
	return out, "", nil
}

// put is a drop whose event is lost.
func (r *rig) put(key string, body []byte) {
	r.src.Put(inbox, key, body, nil)
	r.keys = append(r.keys, key)
}

// numbered makes a video that no other number makes.
func numbered(i int) []byte {
	b := video(300, 1)
	copy(b[10:], fmt.Sprintf("%06d", i))
	return b
}

func (r *rig) books() workflow.BooksReport {
	r.t.Helper()
	rep, err := r.w.Books(r.t.Context())
	if err != nil {
		r.t.Fatalf("books: %v", err)
	}
	return rep
}

func reasons(rs []workflow.ReasonCount) string {
	var s []string
	for _, x := range rs {
		s = append(s, fmt.Sprintf("%s %d", x.Reason, x.Count))
	}
	slices.Sort(s)
	return strings.Join(s, ", ")
}

func TestEveryObjectHasExactlyOneReason(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) {
		sidecars(manifest.SidecarRequired, main, second)(o)
		o.set.StartsFrom = time.Date(2026, 11, 20, 7, 0, 0, 0, time.UTC)
	})
	old := r.clock.Now()
	r.clock.add(-2 * time.Hour)
	r.put("a/old.flv", video(300, 1))
	r.clock.add(old.Sub(r.clock.Now()))
	for _, k := range []string{"a/.hidden.flv", "a/cover.jpg", "a/copy.part", "a/folder/"} {
		r.put(k, []byte("x"))
	}
	r.put("elsewhere/v.flv", video(300, 2))
	r.put("a/no-manifest.flv", video(300, 3))
	r.put("a/bad.flv", video(300, 4))
	r.put("a/bad.flv.publish.json", []byte(`{"titel":"T"}`))
	r.put("a/good.flv", video(300, 5))
	r.put("a/good.flv.publish.json", []byte(`{"title":"T"}`))
	r.put("a/one.flv", video(300, 6))
	r.put("a/one.flv.publish.json", []byte(`{"title":"T","to":["mem/main"]}`))
	r.put("a/later.flv", video(300, 7))
	r.put("a/later.flv.publish.json", []byte(`{"title":"T","publish_at":"2026-12-01T00:00:00Z"}`))
	r.put("a/fails.flv", []byte("not a video at all, but long enough to be looked at, and again"))
	r.put("a/fails.flv.publish.json", []byte(`{"title":"T"}`))
	if rep := r.books(); rep.In != 17 || rep.Accounted != 17 || !rep.Whole || rep.Found != 7 {
		t.Fatalf("got %+v", rep)
	}
	r.run(3 * time.Hour)
	a, err := r.w.Account(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := "failed 1, folder 1, hidden 1, manifest refused 1, older than starts_from 1, partial 1, picture 1, published 2, sidecar 5, waiting 1, waiting for a manifest 1, waiting for a route 1"
	got := reasons(a.Reasons)
	if got != want || a.In != a.Accounted || a.Found != 0 || len(a.Lines) != a.In-2 {
		t.Errorf("got %s\nwant %s\n%+v", got, want, a)
	}
	for _, l := range a.Lines {
		if l.Reason == workflow.WhyFailed && !strings.Contains(l.Text, "published on 0 of 2; mem/main FAILED") {
			t.Errorf("got %q", l.Text)
		}
		if l.Reason == workflow.WhyRefused && !strings.Contains(l.Text, "titel") {
			t.Errorf("got %q", l.Text)
		}
	}
	b, err := r.ledger.Books(t.Context(), inbox)
	if err != nil || b.Last == nil || b.Last.In != 17 || b.After != "" {
		t.Errorf("got %+v, %v", b.Last, err)
	}
}

func TestTheBooksGoOnWhereTheyStoppedAndTwoAtOnceDoNoHarm(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.set.BooksLimit = 4 })
	for i := range 10 {
		r.put(fmt.Sprintf("a/%02d.flv", i), numbered(i))
	}
	runs := 0
	for ; runs < 10; runs++ {
		if rep := r.books(); rep.In > 4 {
			t.Fatalf("%d objects in one run", rep.In)
		} else if rep.Whole {
			break
		}
	}
	b, err := r.ledger.Books(t.Context(), inbox)
	if err != nil || runs != 2 || b.Last.In != 10 || b.Last.Accounted != 10 {
		t.Errorf("%d runs, %+v, %v", runs+1, b.Last, err)
	}
	done := make(chan error, 2)
	for range 2 {
		go func() { _, err := r.w.Books(context.Background()); done <- err }()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	r.run(3 * time.Hour)
	if len(r.mem.Posts()) != 10 {
		t.Errorf("%d posts", len(r.mem.Posts()))
	}
}

func TestWhatCannotBeFoundOutIsNotAccountedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.put("a/1.flv", video(300, 1))
	r.put("a/2.flv", video(300, 2))
	r.starting = fault.New(fault.Unknown, "rig", "the machine is away")
	rep := r.books()
	if rep.In != 2 || rep.Accounted != 0 {
		t.Errorf("got %+v", rep)
	}
	r.starting = nil
	if rep := r.books(); rep.Accounted != 2 {
		t.Errorf("got %+v", rep)
	}
	r.run(time.Hour)
	if len(r.mem.Posts()) != 2 {
		a, _ := r.w.Account(t.Context())
		t.Errorf("%d posts: %+v", len(r.mem.Posts()), a)
	}
}

func TestOldSessionsThatNobodyWantsAreAborted(t *testing.T) {
	t.Parallel()
	const week = 7*24*time.Hour + time.Hour
	t.Run("of a failed upload, a week after it ended", func(t *testing.T) {
		r := newRig(t, nil)
		r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
			if c.Op == memtarget.UploadPart {
				return fault.New(fault.Unknown, "mem", "cut")
			}
			return nil
		})
		id := r.one()
		r.run(10 * 24 * time.Hour)
		if u := r.upload(id); u.Status != upload.Failed || r.mem.Open() != 1 {
			t.Fatalf("got %s, %d open", u.String(), r.mem.Open())
		}
		r.clock.add(r.upload(id).Ended.Add(week - 2*time.Hour).Sub(r.clock.Now()))
		r.books()
		r.books()
		if r.mem.Open() != 1 {
			t.Fatal("aborted too early")
		}
		r.clock.add(2 * time.Hour)
		if rep := r.books(); rep.Aborted != 1 || r.mem.Open() != 0 {
			t.Errorf("got %+v, %d open", rep, r.mem.Open())
		}
		r.mem.Hook(nil)
		if _, err := r.w.Retry(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		r.run(time.Hour)
		r.want(id, upload.Published, 1)
	})
	t.Run("one that an upload gave up, and none while an intent is open", func(t *testing.T) {
		r := newRig(t, nil)
		id := r.toPublish()
		r.mem.Fail(memtarget.Publish, memtarget.Before, fault.New(fault.Unknown, "mem", "cut"))
		r.publish(id)
		r.clock.add(2 * week)
		r.books()
		if r.mem.Calls(memtarget.Abort) != 0 || !r.openIntent(id) {
			t.Error("aborted under an open intent")
		}
		if there, _, err := r.ledger.SessionState(t.Context(), id, 1); err != nil || !there {
			t.Errorf("the session of an open intent was dropped: %v", err)
		}
	})
	t.Run("a published one leaves no record, and its file is not aborted", func(t *testing.T) {
		r := newRig(t, nil)
		id := r.one()
		r.run(time.Hour)
		r.want(id, upload.Published, 1)
		rep := r.books()
		if there, _, err := r.ledger.SessionState(t.Context(), id, 1); err != nil || there || rep.Dropped != 1 || r.mem.Calls(memtarget.Abort) != 0 {
			t.Errorf("there %v, %+v, %d aborts, %v", there, rep, r.mem.Calls(memtarget.Abort), err)
		}
	})
	t.Run("one that is in use stays", func(t *testing.T) {
		r := newRig(t, nil)
		id := r.one()
		r.enter(r.execs[0])
		r.clock.add(2 * week)
		if rep := r.books(); rep.Aborted+rep.Dropped != 0 || r.mem.Open() != 1 || !r.upload(id).Live {
			t.Errorf("got %+v", rep)
		}
	})
}

// TestTheBooksBalanceWhateverHappens drops hundreds of objects while events are lost and repeated, calls fail, and the
// process is killed again and again.
func TestTheBooksBalanceWhateverHappens(t *testing.T) {
	t.Parallel()
	n := 300
	if raced {
		n = 30 // the same code, with fewer drops
	}
	r := newRig(t, func(o *options) { o.names, o.mem.Review, o.mem.Denies = true, 10*time.Minute, true })
	rng := rand.New(rand.NewPCG(300, 1))
	var mu sync.Mutex // parts are sent beside each other
	r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
		mu.Lock()
		fate := rng.IntN(40)
		mu.Unlock()
		switch fate {
		case 0:
			return fault.New(fault.Unknown, "mem", "502")
		case 1:
			return &fault.Error{Kind: fault.Retryable, Op: "mem", Effect: effect(c), AssetKept: true, Err: errors.New("busy")}
		case 2:
			if c.Op != memtarget.UploadPart { // that one runs beside others, whose panic nobody could catch
				panic("killed")
			}
		}
		return nil
	})
	for i := range n {
		k := fmt.Sprintf("a/%03d.flv", i)
		r.put(k, numbered(i))
		for range rng.IntN(3) { // none, once or twice
			if _, err := call(r, func() (workflow.Ingested, error) {
				return r.w.Ingest(t.Context(), source.Object{Bucket: inbox, Key: k})
			}); err != nil {
				t.Fatal(err)
			}
		}
		if i%30 == 29 {
			r.run(5 * time.Minute)
			r.execs = nil // the process is gone, and its executions
			if _, err := r.w.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if i%100 == 50 {
			r.books()
		}
	}
	rep := r.books()
	if rep.In != n || rep.Accounted != n || rep.Found == 0 {
		t.Errorf("in the middle: %+v", rep)
	}
	r.run(72 * time.Hour)
	r.mem.Hook(nil)
	a, err := r.w.Account(t.Context())
	if err != nil || a.In != n || a.Accounted != n {
		t.Fatalf("%d in, %d accounted for, %v", a.In, a.Accounted, err)
	}
	t.Logf("%d in, %d accounted for: %s", a.In, a.Accounted, reasons(a.Reasons))
	var ids []string
	published := 0
	for i := range n {
		k := fmt.Sprintf("a/%03d.flv", i)
		p, err := r.ledger.ByObject(t.Context(), inbox, k)
		if err != nil || p == "" {
			t.Fatalf("%s is not in the ledger: %v", k, err)
		}
		ids = append(ids, r.publication(p).Uploads...)
	}
	for _, id := range ids {
		if u := r.upload(id); u.Status == upload.Published {
			published++
		} else if !u.Status.Terminal() {
			t.Errorf("%s does not end\n%s", u.String(), r.timeline(id))
		}
	}
	if len(ids) != n || published < n*9/10 {
		t.Errorf("%d uploads, %d published", len(ids), published)
	}
	r.sound(ids...)
	if _, err := r.src.Stat(t.Context(), source.Object{Bucket: inbox, Key: "a/000.flv"}); err != nil {
		t.Errorf("a source object is gone: %v", err)
	}
}

func effect(c memtarget.Call) fault.Effect {
	if c.When == memtarget.Before {
		return fault.EffectNone
	}
	return fault.EffectUnknown
}
