package workflow_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
)

// TestAPlatformThatCannotBeAskedIsNotLookedAt: HELD right after settle_at, and both resolutions work.
func TestAPlatformThatCannotBeAskedIsNotLookedAt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		posted  bool // the lost call had its effect
		resolve func(r *rig, id string) error
		posts   int
	}{
		"it was published": {true, func(r *rig, id string) error {
			_, err := r.w.ResolvePublished(r.t.Context(), id, r.mem.Posts()[0].ID)
			return err
		}, 1},
		"it was not: again": {false, func(r *rig, id string) error {
			_, err := r.w.ResolvePublishAgain(r.t.Context(), id)
			return err
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *options) { o.mem.Inspector, o.mem.Checker = false, false })
			when := memtarget.Before
			if c.posted {
				when = memtarget.After
			}
			r.mem.Fail(memtarget.Publish, when, fault.New(fault.Unknown, "mem", "cut"))
			id := r.one()
			r.napMost = time.Minute
			r.run(45 * time.Minute)
			u := r.upload(id)
			if u.Status != upload.Held || u.Reason != "unknown outcome" || len(u.Intent.Looks) != 2 || u.Counts.Looks != 2 {
				t.Fatalf("got %s after %d looks\n%s", u.String(), u.Counts.Looks, r.timeline(id))
			}
			if late := u.Ended.Sub(u.Intent.SettleAt); late < 0 || late > 2*time.Second {
				t.Errorf("held %s after settle_at", late)
			}
			if err := c.resolve(r, id); err != nil {
				t.Fatal(err)
			}
			r.run(time.Hour)
			r.want(id, upload.Published, c.posts)
		})
	}
	t.Run("again is refused before settle_at", func(t *testing.T) {
		r := newRig(t, func(o *options) { o.mem.Inspector = false })
		id := r.toPublish()
		r.mem.Fail(memtarget.Publish, memtarget.Before, fault.New(fault.Unknown, "mem", "cut"))
		r.publish(id)
		if _, err := r.w.ResolvePublishAgain(t.Context(), id); !errors.Is(err, state.ErrRefused) {
			t.Errorf("got %v", err)
		}
	})
}

func TestWhatIsPublishedIsListedOnceItCanBe(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var got []upload.Video
	fails := 3
	r.w.Listed = func(_ context.Context, u state.Upload, v upload.Video) error {
		if u.Status != upload.Published || u.Post == nil {
			t.Errorf("listed as %s", u.String())
		}
		if fails--; fails >= 0 {
			return fault.New(fault.Retryable, "appserver", "busy")
		}
		got = append(got, v)
		return nil
	}
	id := r.one()
	r.run(24 * time.Hour)
	r.want(id, upload.Published, 1)
	if u := r.upload(id); len(got) != 1 || got[0].Title != "holiday" || got[0].CRC64 == "" || !u.Settled || u.Gen != 4 {
		t.Errorf("listed %d times: %+v; settled %v, generation %d", len(got), got, u.Settled, u.Gen)
	}
	if r.metrics["uploads_ended"] != 1 || r.metrics["uploads_ended outcome=PUBLISHED"] != 1 {
		t.Errorf("counted %v", r.metrics)
	}
	if _, err := r.w.Settle(t.Context(), r.step(id)); err != nil || len(got) != 1 || r.metrics["uploads_ended"] != 1 {
		t.Errorf("a repeated Settle: %v, listed %d times, counted %v", err, len(got), r.metrics)
	}
}

func TestWhatFailedIsNotListed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.w.Listed = func(context.Context, state.Upload, upload.Video) error { t.Error("listed"); return nil }
	r.mem.Fail(memtarget.Init, memtarget.Before, fault.New(fault.Permanent, "mem", "banned"))
	id := r.one()
	r.run(time.Hour)
	r.want(id, upload.Failed, 0)
	if r.metrics["uploads_ended outcome=FAILED"] != 1 {
		t.Errorf("counted %v", r.metrics)
	}
}

func TestADueTimeThatHasPassedIsRefusedInEitherForm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, second string
		after         time.Duration // between the two
		refused       bool
	}{
		"a span, soon after":                      {`{"title":"t"}`, `{"publish_at":"+2h"}`, time.Hour, false},
		"a span whose end is a little past":       {`{"title":"t"}`, `{"publish_at":"+2h"}`, 25 * time.Hour, false},
		"a span whose end has long passed":        {`{"title":"t"}`, `{"publish_at":"+2h"}`, 27 * time.Hour, true},
		"a span that is in force, with new words": {`{"publish_at":"+2h"}`, `{"publish_at":"+2h","title":"t"}`, 27 * time.Hour, false},
		"the same time in force, with new words":  {`{"publish_at":"2026-11-20T10:00:00Z"}`, `{"publish_at":"2026-11-20T10:00:00Z","title":"t"}`, 27 * time.Hour, false},
		"a time that has long passed":             {`{"title":"t"}`, `{"publish_at":"2026-11-18T10:00:00Z"}`, time.Hour, true},
		"five years and a day ahead":              {`{"title":"t"}`, `{"publish_at":"2031-12-01T10:00:00Z"}`, time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *options) { o.route.Sidecar = "required" })
			if err := r.ledger.Pause(t.Context(), "global", true); err != nil {
				t.Fatal(err)
			}
			r.sidecar(c.first)
			in := r.drop(key, video(400, 1), nil)
			r.clock.add(c.after)
			r.sidecar(c.second)
			in = r.event(key)
			p, err := r.ledger.Publication(t.Context(), in.Publication)
			if err != nil || (p.Problem != nil) != c.refused || c.refused && p.Problem.Field != "publish_at" {
				t.Errorf("got %+v, %v", p.Problem, err)
			}
			if c.refused {
				return
			}
			u, again := r.upload(in.Uploads[0]), r.event(key)
			if v := r.upload(again.Uploads[0]); !v.PublishAt.Equal(u.PublishAt) || v.Revision != u.Revision {
				t.Errorf("a repeated event moved it: %s to %s", u.PublishAt, v.PublishAt)
			}
		})
	}
}

func TestASlowRangeAndALostCallbackAreCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t, callbacks(10*time.Minute))
	r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
		if c.Op == memtarget.UploadPart && c.When == memtarget.Before {
			r.clock.add(time.Second)
		}
		return nil
	})
	id := r.one()
	r.run(6 * time.Hour)
	r.want(id, upload.Published, 1)
	if r.metrics["range_bytes_per_second"] == 0 || r.metrics["callbacks_lost"] != 1 {
		t.Errorf("counted %v", r.metrics)
	}
}
