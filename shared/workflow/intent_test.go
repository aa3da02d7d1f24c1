package workflow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// toPublish walks an upload up to the state Publish, and stops the machine there.
func (r *rig) toPublish() string {
	r.t.Helper()
	id := r.one()
	for _, e := range r.execs {
		for e.at != "Publish" {
			r.enter(e)
			if e.at == "Done" || e.token != "" {
				r.t.Fatalf("it does not come to Publish\n%s", r.timeline(id))
			}
		}
	}
	return id
}

func (r *rig) publish(id string) string {
	r.t.Helper()
	out, err := r.w.Publish(r.t.Context(), r.step(id))
	if err != nil {
		r.t.Fatalf("publish: %v", err)
	}
	return out.Next
}

func (r *rig) openIntent(id string) bool {
	u := r.upload(id)
	return u.OpenIntent()
}

func (r *rig) look(id string) workflow.Result {
	r.t.Helper()
	out, err := r.w.Look(r.t.Context(), r.step(id))
	if err != nil {
		r.t.Fatalf("look: %v", err)
	}
	return out
}

func TestAnIntentFoundByASecondInvocationIsNotCalledAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.toPublish()
	r.mem.Fail(memtarget.Publish, memtarget.Before, fault.New(fault.Unknown, "mem", "cut"))
	for range 3 {
		if got := r.publish(id); got != "unknown" {
			t.Fatalf("got %q, want unknown", got)
		}
	}
	if n := r.mem.Calls(memtarget.Publish); n != 1 {
		t.Errorf("%d calls under one intent", n)
	}
}

func TestOfTwoPublishesAtOnceOnlyTheWriterOfTheIntentCalls(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.toPublish()
	in := r.step(id)
	inner, first := "", true
	r.opening = func() error { // between the first one's look at the record and its intent, the second runs as a whole
		if first {
			first = false
			out, err := r.w.Publish(r.t.Context(), in)
			if inner = out.Next; err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	outer := r.publish(id)
	if inner != "posted" || outer == "early" || outer == "refused" || r.mem.Calls(memtarget.Publish) != 1 || len(r.mem.Posts()) != 1 {
		t.Errorf("got %q inside %q, %d calls, %d posts", inner, outer, r.mem.Calls(memtarget.Publish), len(r.mem.Posts()))
	}
}

// slow makes time pass whenever the ledger writes the intent's line into the log: after the intent, before the call.
type slow struct {
	r    *rig
	d    time.Duration
	done bool
}

func (s *slow) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "intent 1 recorded") && !s.done {
		s.done = true
		s.r.clock.add(s.d)
	}
	return s.r.log.Write(p)
}

func TestAPermitWhoseTimeIsOverIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		slept time.Duration
		want  string
		calls int
	}{
		"a moment before send_by":   {59 * time.Second, "posted", 1},
		"at send_by":                {60 * time.Second, "early", 0},
		"a machine that slept":      {time.Hour, "early", 0},
		"a clock that was put back": {-time.Hour, "posted", 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.w = r.with(&slow{r: r, d: c.slept})
			id := r.toPublish()
			if got := r.publish(id); got != c.want || r.mem.Calls(memtarget.Publish) != c.calls {
				t.Errorf("got %q and %d calls, want %q and %d", got, r.mem.Calls(memtarget.Publish), c.want, c.calls)
			}
			if u := r.upload(id); c.calls == 0 && (u.OpenIntent() || u.Status != upload.Waiting || u.Intent.Result != state.IntentRefused) {
				t.Errorf("the unused permit stays open: %s %+v", u.Status, u.Intent)
			}
		})
	}
}

func TestTheWindowIsBoundedByTheFunctionsDeadline(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.toPublish()
	// The deadline of a context is a real time: the rig's clock is moved there.
	r.clock.add(time.Since(r.clock.Now()))
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	var left time.Duration
	r.mem.Hook(func(ctx context.Context, c memtarget.Call) error {
		if d, ok := ctx.Deadline(); ok && c.Op == memtarget.Publish {
			left = time.Until(d)
		}
		return nil
	})
	if out, err := r.w.Publish(ctx, r.step(id)); err != nil || out.Next != "posted" {
		t.Fatalf("got %+v, %v", out, err)
	}
	in := r.upload(id).Intent
	if w := in.SendBy.Sub(in.At); w > 21*time.Second || left > 21*time.Second {
		t.Errorf("send_by is %v ahead and the call had %v, though the function has 25 s", w, left)
	}
	if got := in.SettleAt.Sub(in.SendBy); got != 31*time.Minute {
		t.Errorf("settle_at is %v after send_by, want the platform's minute and 30 min of lag", got)
	}
}

func TestAFunctionWithoutTimeLeftDoesNotRecordAnIntent(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.toPublish()
	r.clock.add(time.Since(r.clock.Now()))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if out, err := r.w.Publish(ctx, r.step(id)); err != nil || out.Next != "early" || r.upload(id).Intent != nil {
		t.Errorf("got %+v, %v, intent %+v", out, err, r.upload(id).Intent)
	}
}

func TestBeforeSettleAtALookMayAdoptAndNeverDeny(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.mem.Denies = true })
	id := r.toPublish()
	r.mem.Fail(memtarget.Publish, memtarget.Before, fault.New(fault.Unknown, "mem", "cut"))
	r.publish(id)
	r.clock.add(29 * time.Minute)
	if got := r.look(id); got.Next != "again" || !r.openIntent(id) {
		t.Fatalf("before settle_at: got %+v", got)
	}
	if _, err := r.w.ResolvePublishAgain(t.Context(), id); err == nil {
		t.Error("publish-again was not refused for an upload that is not held")
	}
	r.clock.add(10 * time.Minute)
	if got := r.look(id); got.Next != "permit" || r.openIntent(id) {
		t.Fatalf("after settle_at: got %+v", got)
	}
	if got := r.publish(id); got != "posted" || len(r.mem.Posts()) != 1 || r.upload(id).Attempt != 2 {
		t.Errorf("the one new permit: got %q, %d posts, attempt %d", got, len(r.mem.Posts()), r.upload(id).Attempt)
	}
}

func TestAListThatLacksThePostNeverDenies(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.toPublish()
	r.mem.Fail(memtarget.Publish, memtarget.Before, fault.New(fault.Unknown, "mem", "cut"))
	r.publish(id)
	r.clock.add(33 * time.Minute)
	if got := r.look(id); got.Next != "held" {
		t.Fatalf("got %+v, want held", got)
	}
	u := r.upload(id)
	if u.Status != upload.Held || !strings.Contains(u.Fault.Action, "vodlift resolve "+id) {
		t.Errorf("got %s, %+v", u.Status, u.Fault)
	}
	if r.mem.Calls(memtarget.Publish) != 1 {
		t.Error("it was published again")
	}
}

func TestTwoCandidatesAreHeldAndOneThatIsClaimedIsNoMatch(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.mem.Reusable = true })
	id := r.toPublish()
	r.mem.Fail(memtarget.Publish, memtarget.After, nil)
	r.publish(id)
	u := r.upload(id)
	post := func() { // somebody posts the same by hand
		if _, err := r.mem.Target(main).Publish(t.Context(), upload.Video{Upload: "hand", Size: 1000, Title: "holiday"}, upload.Session{}, *u.Asset); err != nil {
			t.Fatal(err)
		}
	}
	post()
	if got := r.look(id); got.Next != "held" || len(r.upload(id).Intent.Looks[0].Candidates) != 2 {
		t.Fatalf("two candidates: got %+v", got)
	}
	if _, err := r.w.ResolvePublishAgain(t.Context(), id); !errors.Is(err, state.ErrRefused) || !strings.Contains(err.Error(), "may still take effect") {
		t.Errorf("publish-again before settle_at: %v", err)
	}
	mine := r.mem.Posts()[0].ID
	if _, err := r.w.ResolvePublished(t.Context(), id, mine); err != nil {
		t.Fatal(err)
	}
	r.execs[0].at = "Done"
	r.run(time.Hour)
	if u := r.upload(id); u.Status != upload.Published || u.Post.ID != mine {
		t.Errorf("resolved: %s %+v\n%s", u.Status, u.Post, r.timeline(id))
	}

	// The next upload of that title finds both posts; one is claimed, so the other is its own.
	other := r.drop("a/b/holiday.flv", video(700, 2), nil).Uploads[0]
	e := r.execs[len(r.execs)-1]
	for e.at != "Publish" {
		r.enter(e)
	}
	r.mem.Fail(memtarget.Publish, memtarget.After, nil)
	r.publish(other)
	if got := r.look(other); got.Next != "found" || r.upload(other).Post.ID == mine {
		t.Errorf("got %+v, post %+v", got, r.upload(other).Post)
	}
}

func TestAPostThatBelongsToAnotherUploadCannotBeResolvedTo(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	first := r.one()
	r.run(time.Hour)
	r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
		if c.Op == memtarget.Inspect || c.Op == memtarget.Publish {
			return fault.New(fault.Unknown, "mem", "cut")
		}
		return nil
	})
	id := r.drop("a/other.flv", video(800, 3), nil).Uploads[0]
	r.run(3 * time.Hour)
	if u := r.upload(id); u.Status != upload.Held {
		t.Fatalf("got %s", u.Status)
	}
	if _, err := r.w.ResolvePublished(t.Context(), id, r.upload(first).Post.ID); !errors.Is(err, state.ErrRefused) || !strings.Contains(err.Error(), first) {
		t.Errorf("got %v, want a refusal naming %s", err, first)
	}
	if _, err := r.w.ResolvePublished(t.Context(), id, "a b"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a post id with a space: %v", err)
	}
	r.mem.Hook(nil)
	if _, err := r.w.ResolvePublishAgain(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.run(time.Hour)
	if u := r.upload(id); u.Status != upload.Published || len(r.mem.Posts()) != 2 {
		t.Errorf("published again: %s with %d posts\n%s", u.Status, len(r.mem.Posts()), r.timeline(id))
	}
	r.sound(first, id)
}

func TestALateAnswerIsRecordedWhateverCameBetween(t *testing.T) {
	t.Parallel()
	between := map[string]func(r *rig, id string){
		"the next generation": func(r *rig, id string) {
			if err := r.w.Ended(t.Context(), r.execs[0].name, "ABORTED"); err != nil {
				t.Error(err)
			}
		},
		"held, and settled": func(r *rig, id string) {
			r.clock.add(time.Hour)
			if got := r.look(id); got.Next != "held" {
				t.Errorf("got %+v", got)
			}
			if _, err := r.w.Settle(t.Context(), r.step(id)); err != nil {
				t.Error(err)
			}
		},
	}
	for name, happens := range between {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *options) { o.mem.Lag = 2 * time.Hour })
			id := r.toPublish()
			r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
				if c.Op == memtarget.Publish && c.When == memtarget.After {
					happens(r, id)
				}
				return nil
			})
			if got := r.publish(id); got != "posted" || r.upload(id).Post == nil {
				t.Fatalf("got %q, post %+v", got, r.upload(id).Post)
			}
			r.mem.Hook(nil)
			r.execs[0].at = "Done"
			r.run(24 * time.Hour)
			if u := r.upload(id); u.Status != upload.Published || !u.Settled {
				t.Errorf("got %s settled %v\n%s", u.Status, u.Settled, r.timeline(id))
			}
			r.sound(id)
		})
	}
}

func TestALateRefusalOfASupersededGenerationClosesItsIntent(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.toPublish()
	in := r.step(id)
	r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
		if c.Op != memtarget.Publish {
			return nil
		}
		if err := r.w.Ended(t.Context(), r.execs[0].name, "ABORTED"); err != nil {
			t.Error(err)
		}
		return &fault.Error{Kind: fault.Retryable, Op: "mem", Effect: fault.EffectNone, AssetKept: true, Err: errors.New("busy")}
	})
	out, err := r.w.Publish(t.Context(), in)
	if u := r.upload(id); err != nil || out.Next != "superseded" || u.OpenIntent() || u.Gen != 2 {
		t.Fatalf("got %+v, %v; gen %d, intent %+v", out, err, u.Gen, u.Intent)
	}
	r.mem.Hook(nil)
	r.run(time.Hour)
	if u := r.upload(id); u.Status != upload.Published || len(r.mem.Posts()) != 1 {
		t.Errorf("got %s with %d posts", u.Status, len(r.mem.Posts()))
	}
}

func TestAFunctionKilledInPublishLeavesItsIntentToTheLooks(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]memtarget.When{"before the effect": memtarget.Before, "after the effect": memtarget.After} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *options) { o.mem.Denies = true })
			killed := false
			r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
				if c.Op == memtarget.Publish && c.When == when && !killed {
					killed = true
					panic("killed")
				}
				return nil
			})
			id := r.one()
			r.run(3 * time.Hour)
			if u := r.upload(id); u.Status != upload.Published || len(r.mem.Posts()) != 1 {
				t.Errorf("got %s, %d posts\n%s", u.Status, len(r.mem.Posts()), r.timeline(id))
			}
			r.sound(id)
		})
	}
}

func TestCancelWinsUntilTheIntent(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.toPublish()
	r.opening = func() error { // the cancel comes after Publish has read the upload
		r.opening = nil
		_, err := r.w.Cancel(t.Context(), id)
		return err
	}
	in := r.step(id)
	if out, err := r.w.Publish(t.Context(), in); err != nil || out.Next == "posted" || r.mem.Calls(memtarget.Publish) != 0 {
		t.Fatalf("got %+v, %v, %d calls", out, err, r.mem.Calls(memtarget.Publish))
	}
	r.run(time.Hour)
	if u := r.upload(id); u.Status != upload.Cancelled || len(r.mem.Posts()) != 0 {
		t.Errorf("got %s, %d posts", u.Status, len(r.mem.Posts()))
	}

	other := r.drop("a/other.flv", video(500, 9), nil).Uploads[0]
	e := r.execs[len(r.execs)-1]
	for e.at != "Publish" {
		r.enter(e)
	}
	r.mem.Fail(memtarget.Publish, memtarget.Before, fault.New(fault.Unknown, "mem", "cut"))
	r.publish(other)
	if _, err := r.w.Cancel(t.Context(), other); !errors.Is(err, state.ErrRefused) || !r.upload(other).Cancel.IsZero() {
		t.Errorf("cancel while an intent is open: %v", err)
	}
	r.sound(id, other)
}
