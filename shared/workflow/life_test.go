package workflow_test

import (
	"context"
	"errors"
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

func (r *rig) want(id string, s upload.Status, posts int) {
	r.t.Helper()
	if u := r.upload(id); u.Status != s || len(r.mem.Posts()) != posts {
		r.t.Errorf("got %s with %d posts, want %s with %d\n%s", u.String(), len(r.mem.Posts()), s, posts, r.timeline(id))
	}
	r.sound(id)
}

func TestAPauseOfDaysIsNoLackOfProgress(t *testing.T) {
	t.Parallel()
	for scope, long := range map[string]time.Duration{"global": 5 * time.Minute, "mem": 5 * time.Minute, "mem/main": 90 * time.Minute} {
		r := newRig(t, func(o *options) { o.set.Life = 10 * time.Minute })
		if err := r.ledger.Pause(t.Context(), scope, true); err != nil {
			t.Fatal(err)
		}
		id := r.one()
		r.run(long)
		r.want(id, upload.Waiting, 0)
		if err := r.ledger.Pause(t.Context(), scope, false); err != nil {
			t.Fatal(err)
		}
		r.run(time.Hour)
		r.want(id, upload.Published, 1)
	}
}

func TestAQuotaIsWaitedForAndNotFailed(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.set.Life = time.Hour })
	n := 0
	r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
		if c.Op == memtarget.Publish && c.When == memtarget.Before {
			if n++; n <= 6 {
				return &fault.Error{Kind: fault.Retryable, Op: "mem", Effect: fault.EffectNone, AssetKept: true, Quota: true, After: 10 * time.Hour, Err: errors.New("75 a day")}
			}
		}
		return nil
	})
	id := r.one()
	r.run(7 * 24 * time.Hour)
	r.want(id, upload.Published, 1)
	if n != 7 || r.upload(id).Session != 1 {
		t.Errorf("%d calls, %d sessions: the asset was good", n, r.upload(id).Session)
	}
}

func TestARefusalWithoutAnEndEndsTheUpload(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.set.Life = 8 * time.Minute })
	r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
		if c.Op == memtarget.Publish {
			return &fault.Error{Kind: fault.Unknown, Op: "mem", Effect: fault.EffectNone, AssetKept: true, Err: errors.New("no route to host")}
		}
		return nil
	})
	id := r.one()
	r.run(5 * 24 * time.Hour)
	r.want(id, upload.Failed, 0)
	if u := r.upload(id); u.Reason != "no progress" || !strings.Contains(u.Fault.Text, "no route to host") || u.Session != 1 || !u.Live {
		t.Errorf("got %s, %+v; session %d live %v", u.String(), u.Fault, u.Session, u.Live)
	}
	if n := r.mem.Calls(memtarget.Publish); n > 200 {
		t.Errorf("%d calls: without a pause", n)
	}
}

func TestPublishAtIsKeptHoweverOftenItIsMoved(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.route.Sidecar = "required" })
	at := r.clock.Now().Add(60 * 24 * time.Hour)
	r.drop(key+".publish.json", []byte(`{"publish_at":"`+at.Format(time.RFC3339)+`"}`), nil)
	id := r.one()
	r.run(time.Hour)
	if u := r.upload(id); u.Status != upload.Waiting || u.Reason != "due" || r.mem.Total() != 0 || len(r.execs) != 1 || r.execs[0].at != "Done" {
		t.Fatalf("got %s, %d calls: nothing runs for what is due in two months", u.String(), r.mem.Total())
	}
	at = r.clock.Now().Add(2 * time.Hour)
	r.drop(key+".publish.json", []byte(`{"publish_at":"`+at.Format(time.RFC3339)+`"}`), nil)
	r.napMost = time.Minute
	r.run(3 * time.Hour)
	r.want(id, upload.Published, 1)
	if p := r.mem.Posts()[0]; p.At.Before(at) || p.At.After(at.Add(10*time.Second)) {
		t.Errorf("posted at %v, wanted %v", p.At, at)
	}
}

func TestARenewalThatFailsIsAskedAgainAndOneThatIsDeadNeedsALogin(t *testing.T) {
	t.Parallel()
	expired := &fault.Error{Kind: fault.TokenExpired, Op: "rig", Err: errors.New("the token's time is over")}
	for name, c := range map[string]struct {
		renews []error
		want   upload.Status
	}{
		"success":           {nil, upload.Published},
		"busy":              {[]error{&fault.Error{Kind: fault.Retryable, After: 40 * time.Second, Err: errors.New("busy")}}, upload.Published},
		"unknown":           {[]error{fault.New(fault.Unknown, "rig", "no answer"), fault.New(fault.Unknown, "rig", "no answer")}, upload.Published},
		"dead":              {[]error{fault.New(fault.CredentialsExpired, "rig", "revoked")}, upload.NeedsLogin},
		"app misconfigured": {[]error{fault.New(fault.Permanent, "rig", "client_key unknown")}, upload.NeedsLogin},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.renews = c.renews
			r.opening = func() error {
				if r.version == 1 {
					return expired
				}
				return nil
			}
			id := r.one()
			r.run(6 * time.Hour)
			if u := r.upload(id); u.Status != c.want {
				t.Fatalf("got %s after %d renewals\n%s", u.String(), r.renewed, r.timeline(id))
			}
			if c.want == upload.NeedsLogin {
				r.version = 2
				if n, err := r.w.LoggedIn(t.Context(), main); n != 1 || err != nil {
					t.Fatalf("logged in: %d, %v", n, err)
				}
				r.run(time.Hour)
			}
			r.want(id, upload.Published, 1)
		})
	}
}

func TestAStepWhoseFunctionNeverRunsDoesNotSpin(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.one()
	kill := func(op memtarget.Op) { // killed before it could write anything down
		r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
			if c.Op == op {
				panic("out of memory")
			}
			return nil
		})
	}
	kill(memtarget.Complete)
	r.run(time.Hour)
	kill(memtarget.Check)
	r.run(2 * time.Hour)
	r.mem.Hook(nil)
	if err := r.restartFailed(id); err != nil {
		t.Fatal(err)
	}
	r.run(12 * time.Hour)
	r.want(id, upload.Published, 1)
}

func (r *rig) restartFailed(id string) error {
	if r.upload(id).Status != upload.Failed {
		return nil
	}
	_, err := r.w.Retry(r.t.Context(), id)
	return err
}

func TestALostSessionOrAssetIsOpenedAgainABoundedNumberOfTimes(t *testing.T) {
	t.Parallel()
	t.Run("session lost in mid-upload", func(t *testing.T) {
		r := newRig(t, nil)
		r.mem.Fail(memtarget.UploadPart, memtarget.Before, fault.Newf(fault.Invalid, "mem", "%w", target.ErrSessionLost))
		id := r.one()
		r.run(time.Hour)
		r.want(id, upload.Published, 1)
		if u := r.upload(id); u.Session != 2 || u.Reopened != 1 {
			t.Errorf("session %d, reopened %d", u.Session, u.Reopened)
		}
	})
	t.Run("always lost", func(t *testing.T) {
		r := newRig(t, nil)
		r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
			if c.Op == memtarget.UploadPart {
				return fault.Newf(fault.Invalid, "mem", "%w", target.ErrSessionLost)
			}
			return nil
		})
		id := r.one()
		r.run(time.Hour)
		r.want(id, upload.Failed, 0)
		if u := r.upload(id); u.Fault == nil || u.Fault.Action == "" || u.Reason != "session lost" {
			t.Errorf("got %s, %+v", u.String(), u.Fault)
		}
	})
	t.Run("session and asset out of time during a pause", func(t *testing.T) {
		r := newRig(t, func(o *options) { o.mem.SessionLife, o.mem.AssetLife = time.Hour, time.Hour })
		id := r.toPublish()
		if err := r.ledger.Pause(t.Context(), "global", true); err != nil {
			t.Fatal(err)
		}
		r.run(time.Minute)
		r.clock.add(5 * time.Hour)
		if err := r.ledger.Pause(t.Context(), "global", false); err != nil {
			t.Fatal(err)
		}
		r.run(3 * time.Hour)
		r.want(id, upload.Published, 1)
		if u := r.upload(id); u.Session != 2 {
			t.Errorf("session %d, want 2", u.Session)
		}
	})
}

func TestACancelledUploadIsAbortedOnceNoRangeHoldsItsLease(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.one()
	r.enter(r.execs[0]) // Open: the session is there, and the grant
	if _, err := r.ledger.TakeLease(t.Context(), id, 1, 1, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := r.w.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for len(r.execs) > 1 && r.execs[1].runnable() {
		r.enter(r.execs[1])
	}
	if r.mem.Calls(memtarget.Abort) != 0 || r.mem.Open() != 1 {
		t.Fatal("aborted under a live lease")
	}
	r.run(time.Hour)
	r.want(id, upload.Cancelled, 0)
	if u := r.upload(id); r.mem.Open() != 0 || !u.Settled {
		t.Errorf("the session stays open: settled %v\n%s", u.Settled, r.timeline(id))
	}
	if u, err := r.w.Cancel(t.Context(), id); err != nil || u.Gen != r.upload(id).Gen || !u.Settled {
		t.Errorf("a second cancel is nothing: gen %d, %v", u.Gen, err)
	}
}

func TestSessionsAreKeptUnlessNobodyCanWantThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		op      memtarget.Op
		err     error
		aborted bool
	}{
		"refused for good":   {memtarget.Complete, fault.New(fault.Permanent, "mem", "banned"), true},
		"invalid":            {memtarget.Complete, fault.New(fault.Invalid, "mem", "no"), true},
		"needs a login":      {memtarget.Complete, fault.New(fault.CredentialsExpired, "mem", "revoked"), false},
		"there is an intent": {memtarget.Publish, &fault.Error{Kind: fault.Permanent, Op: "mem", Effect: fault.EffectNone, AssetKept: true, Err: errors.New("banned")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.mem.Fail(c.op, memtarget.Before, c.err)
			id := r.one()
			r.run(time.Hour)
			if got := r.mem.Calls(memtarget.Abort) == 1; got != c.aborted {
				t.Errorf("aborted %v, want %v\n%s", got, c.aborted, r.timeline(id))
			}
			r.sound(id)
		})
	}
}

func TestASupersededGenerationWritesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.toPublish()
	old := r.step(id)
	if _, err := r.w.Retry(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	before := r.upload(id)
	steps := map[string]func(context.Context, workflow.Step) (workflow.Result, error){
		"complete": r.w.Complete, "publish": r.w.Publish, "look": r.w.Look, "check": r.w.Check, "settle": r.w.Settle, "renew": r.w.Renew,
	}
	for name, fn := range steps {
		if out, err := fn(t.Context(), old); err != nil || out.Next != "superseded" && out.Next != "open" {
			t.Errorf("%s: got %+v, %v", name, out, err)
		}
	}
	if o, err := r.w.Open(t.Context(), old); err != nil || o.Next != "superseded" {
		t.Errorf("open: got %+v, %v", o, err)
	}
	if o, err := r.w.Carry(t.Context(), workflow.RangeStep{Step: old, Range: 1}); err != nil || !o.Done {
		t.Errorf("carry: got %+v, %v", o, err)
	}
	if after := r.upload(id); after.Gen != before.Gen || after.Counts != before.Counts || after.Status != before.Status || len(r.mem.Posts()) != 0 {
		t.Errorf("it wrote: %+v", after)
	}
}

func TestUploadsShareThePoolsAndNoneIsForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) {
		o.ledger.PoolGlobal, o.ledger.PoolAccount = 3, 2
		o.route.Accounts = []upload.Account{main, second}
	})
	var ids []string
	for i := range 6 {
		in := r.drop("a/v"+string(rune('0'+i))+".flv", video(1000, byte(i+1)), nil)
		ids = append(ids, in.Uploads...)
	}
	r.run(6 * time.Hour)
	for _, id := range ids {
		if u := r.upload(id); u.Status != upload.Published {
			t.Errorf("got %s\n%s", u.String(), r.timeline(id))
		}
	}
	r.sound(ids...)
	if len(r.mem.Posts()) != 12 {
		t.Errorf("%d posts, want 12", len(r.mem.Posts()))
	}
}

func TestAParkIsWokenOnTimeAndNeverLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.one()
	park := func(token string) error {
		_, err := r.w.Park(t.Context(), workflow.ParkStep{Step: r.step(id), Token: token, For: "open"})
		return err
	}
	e := r.execs[0]
	for name, c := range map[string]struct {
		next  time.Duration
		woken bool
	}{"due already": {-time.Second, true}, "due now": {0, true}, "due later": {time.Hour, false}} {
		r.change(id, func(u *state.Upload) { u.NextAt = r.clock.Now().Add(c.next) })
		e.token, e.woken = aSecret+name, false
		if err := park(e.token); err != nil || e.woken != c.woken {
			t.Errorf("%s: woken %v, %v", name, e.woken, err)
		}
	}
	e.token, e.woken = aSecret+"cancel", false
	r.change(id, func(u *state.Upload) { u.NextAt = r.clock.Now().Add(time.Hour) })
	if err := park(e.token); err != nil || e.woken {
		t.Fatal("woken too early")
	}
	if _, err := r.w.Cancel(t.Context(), id); err != nil || !e.woken {
		t.Errorf("a cancel wakes what is parked: %v, %v", e.woken, err)
	}
	e.token, e.woken = aSecret+"old", false
	if _, err := r.w.Park(t.Context(), workflow.ParkStep{Step: workflow.Step{V: 1, Upload: id, Gen: 1}, Token: e.token, For: "open"}); err != nil || !e.woken {
		t.Errorf("the park of an older generation is woken at once: %v, %v", e.woken, err)
	}
}

func TestRecoverGoesOnWithEveryUploadAfterARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.one()
	for range 3 {
		r.enter(r.execs[0])
	}
	r.execs = nil // the process is gone, and its executions
	if n, err := r.w.Recover(t.Context()); n != 1 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	r.run(time.Hour)
	r.want(id, upload.Published, 1)
	if got := r.mem.Received(); got != 1000 {
		t.Errorf("%d bytes sent, want 1000: nothing twice", got)
	}
}

func TestADeadTokenHoldsWhatMayBePublicAndWaitsForALoginOnceThePostIsKnown(t *testing.T) {
	t.Parallel()
	dead := func(r *rig) {
		revoked := fault.New(fault.CredentialsExpired, "rig", "revoked")
		r.renews = []error{revoked, revoked, revoked, revoked, revoked, revoked, revoked, revoked, revoked, revoked}
		r.opening = func() error {
			if r.version == 1 {
				return fault.New(fault.TokenExpired, "rig", "the token's time is over")
			}
			return nil
		}
	}
	t.Run("the outcome is open", func(t *testing.T) {
		r := newRig(t, nil)
		id := r.toPublish()
		r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
			if c.Op == memtarget.Publish {
				dead(r)
				return fault.New(fault.Unknown, "mem", "cut")
			}
			return nil
		})
		r.run(3 * time.Hour)
		if u := r.upload(id); u.Status != upload.Held || !r.openIntent(id) || u.Renew != 0 {
			t.Errorf("got %s\n%s", u.String(), r.timeline(id))
		}
		r.sound(id)
	})
	t.Run("the post is known", func(t *testing.T) {
		r := newRig(t, func(o *options) { o.mem.Review = 2 * time.Hour })
		id := r.toPublish()
		if got := r.publish(id); got != "posted" {
			t.Fatalf("got %q", got)
		}
		dead(r)
		r.execs[0].at = "Watch"
		r.run(time.Hour)
		r.want(id, upload.NeedsLogin, 1)
		r.version = 2
		if _, err := r.w.LoggedIn(t.Context(), main); err != nil {
			t.Fatal(err)
		}
		r.run(6 * time.Hour)
		r.want(id, upload.Published, 1)
	})
}
