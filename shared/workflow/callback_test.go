package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
)

// callbacks is a platform that sends events, and reviews for a while.
func callbacks(review time.Duration) func(*options) {
	return func(o *options) {
		o.names, o.mem.Review = true, review
		o.set.PollFirst, o.set.PollMost = 30*time.Minute, 30*time.Minute
	}
}

// about is an event of the platform mem about the upload's own video.
func (r *rig) about(id, kind string, final bool) callback.Event {
	r.t.Helper()
	s, err := r.ledger.Session(r.t.Context(), id, r.upload(id).Session)
	if err != nil {
		r.t.Fatal(err)
	}
	return callback.Event{Platform: "mem", Type: kind, Status: "success", Remotes: []string{remoteID(s)}, At: r.clock.Now(), Final: final, Key: kind + id, Body: []byte(`{"t":"` + kind + `"}`)}
}

func (r *rig) callback(e callback.Event) bool {
	r.t.Helper()
	first, err := r.w.Callback(r.t.Context(), e)
	if err != nil {
		r.t.Fatalf("callback: %v", err)
	}
	return first
}

// watching walks an upload to its park behind Watch, after a first Check.
func (r *rig) watching() (id string, e *exec) {
	r.t.Helper()
	id = r.one()
	e = r.execs[len(r.execs)-1]
	for n := 0; e.token == ""; n++ {
		r.enter(e)
		if n > 50 || e.at == "Done" {
			r.t.Fatalf("it does not come to its wait\n%s", r.timeline(id))
		}
	}
	if r.upload(id).Status != upload.Processing {
		r.t.Fatalf("got %s", r.upload(id).Status)
	}
	return id, e
}

func TestACallbackWakesTheUploadItBelongsTo(t *testing.T) {
	t.Parallel()
	r := newRig(t, callbacks(10*time.Minute))
	id, e := r.watching()
	r.clock.add(11 * time.Minute) // long before the poll
	ev := r.about(id, "TranscodeComplete", true)
	if !r.callback(ev) || !e.woken {
		t.Fatalf("woken %v", e.woken)
	}
	if u := r.upload(id); u.Status != upload.Processing || u.Told == nil || !u.Told.Final {
		t.Errorf("a callback is a hint: %s, told %+v", u.Status, u.Told)
	}
	for e.at != "Done" {
		r.enter(e)
	}
	r.want(id, upload.Published, 1)
	checks := r.mem.Calls(memtarget.Check)
	for range 3 {
		if r.callback(ev) {
			t.Error("a repeat was taken for the first")
		}
	}
	if r.mem.Calls(memtarget.Check) != checks || len(r.execs) != 1 {
		t.Error("a repeat had an effect")
	}
	if tl := r.timeline(id); strings.Count(tl, "TranscodeComplete") != 1 {
		t.Errorf("the event is not once in the timeline:\n%s", tl)
	}
}

// TestARepeatWakesWhatTheFirstDeliveryDidNot: the process may die between the record and the wake; the platform sends
// it again.
func TestARepeatWakesWhatTheFirstDeliveryDidNot(t *testing.T) {
	t.Parallel()
	r := newRig(t, callbacks(10*time.Minute))
	id, e := r.watching()
	token := e.token
	e.token = "" // nobody can be woken just now
	ev := r.about(id, "TranscodeComplete", true)
	p, _, err := r.ledger.Park(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.ledger.RecordCallback(t.Context(), id, state.Heard{Platform: ev.Platform, Type: ev.Type, Key: ev.Key, Final: true}, "x", func(u *state.Upload) error { u.Events++; return nil }); err != nil {
		t.Fatal(err)
	}
	e.token = token
	if r.callback(ev) || !e.woken {
		t.Errorf("woken %v (park %s)", e.woken, p.For)
	}
}

func TestACallbackNeverTouchesWhatItDoesNotBelongTo(t *testing.T) {
	t.Parallel()
	r := newRig(t, callbacks(10*time.Minute))
	id, e := r.watching()
	other := r.drop("a/other.flv", video(500, 9), nil).Uploads[0]
	x := r.execs[len(r.execs)-1]
	for x.token == "" {
		r.enter(x)
	}
	s, _ := r.ledger.Session(t.Context(), id, 1)
	so, _ := r.ledger.Session(t.Context(), other, 1)
	r.mem.Hook(func(context.Context, memtarget.Call) error { return errors.New("the platform is not to be asked") })
	before := r.upload(id)
	for name, ev := range map[string]callback.Event{
		"an unknown video":                          {Platform: "mem", Remotes: []string{"nobody"}},
		"no id at all":                              {Platform: "mem"},
		"the same id at another platform":           {Platform: "alivod", Remotes: []string{remoteID(s)}},
		"the upload's id at another platform":       {Platform: "alivod", Extend: id},
		"ids of two uploads":                        {Platform: "mem", Remotes: []string{remoteID(s), remoteID(so)}},
		"the upload's id with a foreign video":      {Platform: "mem", Remotes: []string{"foreign"}, Extend: id},
		"an upload that does not exist":             {Platform: "mem", Extend: "u" + strings.Repeat("a", 26)},
		"an extend that is no id":                   {Platform: "mem", Extend: "../../" + id},
		"an extend and a video of different owners": {Platform: "mem", Extend: id, Remotes: []string{"nobody", strings.Repeat("x", 9999)}},
	} {
		ev.Key, ev.Type, ev.Final, ev.At, ev.Body = "k"+name, "DeleteMediaComplete", true, r.clock.Now(), []byte(`{}`)
		if !r.callback(ev) {
			t.Errorf("%s: not recorded", name)
		}
		if e.woken || x.woken {
			t.Fatalf("%s woke an upload", name)
		}
	}
	if u := r.upload(id); u.Status != before.Status || u.Events != before.Events || u.Told != nil || u.Gen != before.Gen {
		t.Errorf("got %s, %d events, told %+v", u.Status, u.Events, u.Told)
	}
	list, err := r.ledger.Unmatched(t.Context(), r.clock.Now().AddDate(0, 0, -1), 100)
	if err != nil || len(list) != 7 {
		t.Errorf("%d are on file, %v", len(list), err)
	}
}

func TestForgedCallbacksByTheThousandChangeNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, callbacks(10*time.Minute))
	id, e := r.watching()
	s, _ := r.ledger.Session(t.Context(), id, 1)
	rng := rand.New(rand.NewPCG(5, 5))
	n := 2000
	if raced {
		n = 100
	}
	for i := range n { // with a signature that was captured: VOD's does not cover the body
		ev := callback.Event{Platform: "mem", Type: fmt.Sprint("T", rng.IntN(9)), Key: fmt.Sprint("f", i), Final: rng.IntN(2) == 0,
			At: r.clock.Now().Add(time.Duration(rng.IntN(1e6)-5e5) * time.Hour), Status: "fail", Body: []byte(`{}`)}
		switch rng.IntN(3) {
		case 0:
			ev.Remotes = []string{remoteID(s)}
		case 1:
			ev.Extend = id
		}
		r.callback(ev)
		for e.woken {
			r.enter(e)
		}
	}
	if u := r.upload(id); u.Status != upload.Processing || r.mem.Calls(memtarget.Check) > 60 || u.Told != nil && u.Told.At.After(r.clock.Now().Add(time.Hour)) {
		t.Errorf("got %s, %d checks, told %+v", u.String(), r.mem.Calls(memtarget.Check), u.Told)
	}
	r.run(2 * time.Hour)
	r.want(id, upload.Published, 1)
}

// TestHoweverCallbacksComeItEndsOnce: all dropped, each three times and shuffled, only the early ones.
func TestHoweverCallbacksComeItEndsOnce(t *testing.T) {
	t.Parallel()
	for name, deliver := range map[string]func(es []callback.Event, rng *rand.Rand) []callback.Event{
		"all dropped": func([]callback.Event, *rand.Rand) []callback.Event { return nil },
		"in order":    func(es []callback.Event, _ *rand.Rand) []callback.Event { return es },
		"three times and shuffled": func(es []callback.Event, rng *rand.Rand) []callback.Event {
			all := append(append(append([]callback.Event(nil), es...), es...), es...)
			rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			return all
		},
		"only the first": func(es []callback.Event, _ *rand.Rand) []callback.Event { return es[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			seeds := uint64(5)
			if raced {
				seeds = 1
			}
			for seed := range seeds {
				r := newRig(t, callbacks(10*time.Minute))
				id, _ := r.watching()
				var es []callback.Event
				for i, k := range []string{"FileUploadComplete", "StreamTranscodeComplete", "SnapshotComplete", "TranscodeComplete"} {
					ev := r.about(id, k, i == 3)
					ev.At = ev.At.Add(time.Duration(i) * time.Second)
					es = append(es, ev)
				}
				r.clock.add(9*time.Minute + 58*time.Second)
				for _, ev := range deliver(es, rand.New(rand.NewPCG(seed, 1))) {
					r.callback(ev)
					for r.execs[0].runnable() {
						r.enter(r.execs[0])
					}
					r.clock.add(time.Second)
				}
				r.run(3 * time.Hour)
				r.want(id, upload.Published, 1)
				if n := r.mem.Calls(memtarget.Publish); n != 1 || len(r.execs) != 1 {
					t.Errorf("%d publishes, %d executions", n, len(r.execs))
				}
				if lost := strings.Contains(r.log.String(), "lost callback"); lost != (name == "all dropped") {
					t.Errorf("lost callbacks are counted: %v", lost)
				}
			}
		})
	}
}

func TestACallbackCanMakeAVideoFailOnlyByThePlatformsOwnWord(t *testing.T) {
	t.Parallel()
	r := newRig(t, callbacks(10*time.Minute))
	id, e := r.watching()
	r.callback(r.about(id, "DeleteMediaComplete", true))
	for e.runnable() {
		r.enter(e)
	}
	if u := r.upload(id); u.Status != upload.Processing {
		t.Fatalf("got %s on a callback's word", u.String())
	}
	r.clock.add(10 * time.Minute)
	r.mem.SetState(r.upload(id).Post.ID, target.Blocked, "deleted")
	ev := r.about(id, "CreateAuditComplete", true)
	ev.At = r.clock.Now()
	r.callback(ev)
	for e.at != "Done" && e.runnable() {
		r.enter(e)
	}
	r.want(id, upload.Failed, 1)
	if !strings.Contains(r.upload(id).Fault.Text, "deleted") {
		t.Errorf("got %+v", r.upload(id).Fault)
	}
}

// TestAnEventBeforeThePostIsKnownWakesNobody, and is in the timeline.
func TestAnEventBeforeThePostIsKnownWakesNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, callbacks(0))
	id := r.toPublish()
	ev := r.about(id, "FileUploadComplete", false)
	before := r.upload(id)
	if !r.callback(ev) || r.upload(id).Status != before.Status {
		t.Errorf("got %s, was %s", r.upload(id).Status, before.Status)
	}
	if !strings.Contains(r.timeline(id), "FileUploadComplete") {
		t.Error("it is not in the timeline")
	}
	r.run(time.Hour)
	r.want(id, upload.Published, 1)
}

func TestACallbackThatCannotBeRecordedIsToBeSentAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, callbacks(10*time.Minute))
	id, e := r.watching()
	ev := r.about(id, "TranscodeComplete", true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.w.Callback(ctx, ev); err == nil || e.woken {
		t.Errorf("got %v", err)
	}
	if !r.callback(ev) || !e.woken {
		t.Error("sent again it is not taken")
	}
}

// shared is a douyin account whose videos a user posts by hand: the session's own id is a share id.
func TestAHandOverIsAdoptedByItsExactShareIDOnly(t *testing.T) {
	t.Parallel()
	const hand = upload.Account("douyin/hand")
	for name, c := range map[string]struct {
		share   func(mine string) string
		checks  bool // the platform shows the post in the account
		adopted bool
	}{
		"the very share id, and the platform confirms": {func(s string) string { return s }, true, true},
		"the very share id, not confirmed":             {func(s string) string { return s }, false, false},
		"another share id":                             {func(string) string { return "vid77" }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *options) {
				callbacks(0)(o)
				o.route.Accounts = []upload.Account{hand}
				o.set.PollFirst = time.Minute
			})
			in := r.drop(key, video(1000, 1), nil)
			id := in.Uploads[0]
			for e := r.execs[0]; e.at != "Publish"; {
				r.enter(e)
			}
			r.mem.Fail(memtarget.Publish, memtarget.After, nil)
			r.publish(id)
			post := r.mem.Posts()[0].ID
			r.mem.Hook(func(_ context.Context, c memtarget.Call) error { // the account's list does not show it
				if c.Op == memtarget.Inspect {
					return fault.New(fault.Unknown, "mem", "no list")
				}
				return nil
			})
			if !c.checks {
				r.mem.SetState(post, target.Later, "")
			}
			s, _ := r.ledger.Session(t.Context(), id, 1)
			if !r.callback(callback.Event{Platform: "douyin", Type: "create_video", Remotes: []string{post, c.share(remoteID(s))}, Key: "w", Body: []byte(`{}`)}) {
				t.Fatal("not recorded")
			}
			r.mem.Hook(func(_ context.Context, k memtarget.Call) error { return nil })
			r.blind = true
			r.execs[0].at = "FirstLook"
			r.run(6 * time.Hour)
			u := r.upload(id)
			if c.adopted && (u.Status != upload.Published || u.Post.ID != post) {
				t.Errorf("got %s\n%s", u.String(), r.timeline(id))
			}
			if !c.adopted && (u.Status != upload.Held || u.Post != nil) {
				t.Errorf("got %s\n%s", u.String(), r.timeline(id))
			}
			if told := name == "the very share id, not confirmed"; told != (u.Fault != nil && strings.Contains(u.Fault.Text, post)) {
				t.Errorf("the person is told: %+v", u.Fault)
			}
		})
	}
}
