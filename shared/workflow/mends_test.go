package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// TestARepeatedParkDoesNotHideTheTokenThatWaits: a delivery of an old invocation that comes late carries the token of a
// park that is over.
func TestARepeatedParkDoesNotHideTheTokenThatWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.one()
	e := r.execs[0]
	r.change(id, func(u *state.Upload) { u.NextAt = r.clock.Now().Add(time.Hour) })
	park := func(token string) {
		t.Helper()
		if _, err := r.w.Park(t.Context(), workflow.ParkStep{Step: r.step(id), Token: token, For: "open"}); err != nil {
			t.Fatal(err)
		}
	}
	waits := func() string {
		p, _, err := r.ledger.Park(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return p.Token
	}
	park(aSecret + "1")
	park(aSecret + "2")
	park(aSecret + "1")
	if waits() != aSecret+"2" {
		t.Fatal("a repeat of the first park took the place of the second")
	}
	e.token = aSecret + "2"
	if _, err := r.w.Retry(t.Context(), id); err != nil || !e.woken {
		t.Fatalf("woken %v, %v", e.woken, err)
	}
	r.change(id, func(u *state.Upload) { u.NextAt = r.clock.Now().Add(time.Hour) })
	park(aSecret + "3")
	park(aSecret + "3")
	if waits() != aSecret+"3" {
		t.Error("a repeat of the park that waits took it away")
	}
}

// TestACompleteWithoutAnAnswerAsksBeforeItGivesTheSessionUp: resending is the expensive mistake.
func TestACompleteWithoutAnAnswerAsksBeforeItGivesTheSessionUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lists bool
		when  memtarget.When
		fails int
		sent  int64
	}{
		"it had no effect, five times": {true, memtarget.Before, 5, 1000},
		"its answer was lost once":     {true, memtarget.After, 1, 1000},
		"nobody can be asked, once":    {false, memtarget.Before, 1, 1000},
		"nobody can be asked, twice":   {false, memtarget.Before, 2, 2000},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *options) { o.mem.PartLister = c.lists })
			for range c.fails {
				r.mem.Fail(memtarget.Complete, c.when, fault.New(fault.Unknown, "mem", "502"))
			}
			id := r.one()
			r.run(24 * time.Hour)
			r.want(id, upload.Published, 1)
			if got := r.mem.Received(); got != c.sent {
				t.Errorf("%d bytes sent, want %d\n%s", got, c.sent, r.timeline(id))
			}
		})
	}
	t.Run("asking is refused: that counts for nothing", func(t *testing.T) {
		r := newRig(t, nil)
		r.mem.Fail(memtarget.Complete, memtarget.Before, fault.New(fault.Unknown, "mem", "502"))
		for range 4 {
			r.mem.Fail(memtarget.ListParts, memtarget.Before, fault.New(fault.Unknown, "mem", "502"))
		}
		id := r.one()
		r.run(24 * time.Hour)
		r.want(id, upload.Published, 1)
		if r.mem.Received() != 1000 {
			t.Errorf("%d bytes sent", r.mem.Received())
		}
	})
}

// TestACodeThatAlwaysSpoilsTheFileEndsTheUpload: a digest that the platform never believes sends the video three times,
// not once for every session that an upload may open.
func TestACodeThatAlwaysSpoilsTheFileEndsTheUpload(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
		if c.Op == memtarget.Publish {
			return &fault.Error{Kind: fault.Retryable, Op: "mem", Code: "12001010225", Effect: fault.EffectNone, Err: fmt.Errorf("hash: %w", target.ErrAssetSpent)}
		}
		return nil
	})
	id := r.one()
	r.run(48 * time.Hour)
	r.want(id, upload.Failed, 0)
	if u := r.upload(id); r.mem.Received() != 3000 || !strings.Contains(u.Fault.Text, "3 times") || u.Fault.Code != "12001010225" {
		t.Errorf("%d bytes sent, %+v", r.mem.Received(), u.Fault)
	}
	r.mem.Hook(nil)
	if _, err := r.w.Retry(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.run(time.Hour)
	r.want(id, upload.Published, 1)
}

func TestWhoWaitsBehindAnotherPublishSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	first := r.toPublish()
	r.mem.Fail(memtarget.Publish, memtarget.Before, fault.New(fault.Unknown, "mem", "cut"))
	r.publish(first)
	other := r.drop("a/other.flv", video(500, 9), nil).Uploads[0]
	e := r.execs[len(r.execs)-1]
	for range 12 {
		r.enter(e)
	}
	if u := r.upload(other); u.Status != upload.Waiting || !strings.Contains(u.String(), "behind another publish") {
		t.Errorf("got %s at %s\n%s", u.String(), e.at, r.timeline(other))
	}
	if n := strings.Count(r.timeline(other), "has no answer yet"); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	r.execs[0].at = "FirstLook"
	r.run(6 * time.Hour)
	if u := r.upload(other); u.Status != upload.Published {
		t.Errorf("got %s\n%s", u.String(), r.timeline(other))
	}
}

func TestSettingsUnderWhichNoDenialCouldCountAreRefused(t *testing.T) {
	t.Parallel()
	lag := func(d time.Duration) workflow.Settings {
		return workflow.Settings{SettleLag: map[string]time.Duration{"youku": d}, AnswerLimit: time.Minute}
	}
	for name, c := range map[string]struct {
		set  workflow.Settings
		deny time.Duration
		ok   bool
	}{
		"longer":                     {lag(10 * time.Minute), 10 * time.Minute, true},
		"as long, with the answer":   {lag(9 * time.Minute), 10 * time.Minute, true},
		"shorter by a moment":        {lag(9*time.Minute - 1), 10 * time.Minute, false},
		"the default is long enough": {workflow.Settings{}, 10 * time.Minute, true},
		"the default is not":         {workflow.Settings{}, time.Hour, false},
	} {
		err := c.set.Check(map[string]time.Duration{"youku": c.deny})
		if c.ok != (err == nil) || err != nil && !strings.Contains(err.Error(), "youku") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestAVideoThatThePlatformBlocksMeanwhileEndsFailed with the platform's reason.
func TestAVideoThatThePlatformBlocksMeanwhileEndsFailed(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.mem.Review = 2 * time.Hour })
	id := r.one()
	r.run(time.Hour)
	if u := r.upload(id); u.Status != upload.Processing {
		t.Fatalf("got %s", u.String())
	}
	r.mem.SetState(r.upload(id).Post.ID, target.Blocked, "deleted by its review")
	r.run(6 * time.Hour)
	r.want(id, upload.Failed, 1)
	if u := r.upload(id); !u.Settled || !strings.Contains(u.Fault.Text, "deleted by its review") || u.Fault.Actor == "" {
		t.Errorf("got %+v", u.Fault)
	}
	if _, err := r.w.Retry(t.Context(), id); !errors.Is(err, state.ErrRefused) {
		t.Errorf("a second post of a blocked one: %v", err)
	}
}
