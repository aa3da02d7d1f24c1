package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
)

// at drops a video that is due at a moment.
func (s *stage) at(key string, due time.Time, seed int) string {
	s.t.Helper()
	s.src.Put(inbox, key+".publish.json", []byte(`{"publish_at":"`+due.UTC().Format(time.RFC3339)+`"}`), nil)
	body := video(400, byte(seed))
	copy(body[8:], fmt.Sprint(seed)) // the same content twice is one post
	in := s.drop(key, body, nil)
	if len(in.Uploads) != 1 {
		s.t.Fatalf("got %+v", in)
	}
	return in.Uploads[0]
}

// TestManyVideosOfOneAccountObeyQuotaAndPace: 200 at once, in any order, to a platform that keeps a file for two hours only.
func TestManyVideosOfOneAccountObeyQuotaAndPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, perDay := 200, 75
		if raced {
			n, perDay = 60, 22 // the same code, with fewer videos
		}
		pace := state.Pace{PerDay: perDay, GapMin: 4 * time.Minute, GapMax: 10 * time.Minute}
		s := newStage(t, 10*time.Minute, func(o *options) {
			o.route.Sidecar = "required"
			o.set.NearWait = 25 * time.Minute
			o.ledger.Paces = map[string]state.Pace{"mem": pace}
			o.mem.SessionLife, o.mem.AssetLife = 2*time.Hour, 2*time.Hour
			o.mem.Limits.SessionLife, o.mem.Limits.AssetLife = 2*time.Hour, 2*time.Hour
		})
		rng := rand.New(rand.NewPCG(200, 1))
		start := time.Now()
		due := map[string]time.Time{}
		var ids []string
		for i, m := range rng.Perm(n) { // each due at another minute of the first ten hours
			at := start.Add(2*time.Hour + time.Duration(m)*3*time.Minute)
			id := s.at(fmt.Sprintf("a/%d.flv", i), at, i+1)
			due[id] = at
			ids = append(ids, id)
		}
		s.until(10*24*time.Hour, upload.Published, ids...)
		posts := s.mem.Posts()
		if len(posts) != n {
			t.Fatalf("%d posts of %d videos", len(posts), n)
		}
		for i, p := range posts {
			if p.At.Before(due[p.Upload]) {
				t.Errorf("post %d came %s before its time", i, due[p.Upload].Sub(p.At))
			}
			if i > 0 && due[p.Upload].Before(due[posts[i-1].Upload]) {
				t.Errorf("post %d was due %s before the one that went first\n%s\n%s", i, due[posts[i-1].Upload].Sub(due[p.Upload]), s.timeline(p.Upload), s.timeline(posts[i-1].Upload))
			}
			if i > 0 && p.At.Sub(posts[i-1].At) < pace.GapMin {
				t.Errorf("post %d came %s after the one before", i, p.At.Sub(posts[i-1].At))
			}
			if i >= perDay && p.At.Sub(posts[i-perDay].At) < 24*time.Hour {
				t.Errorf("posts %d to %d are within %s", i-perDay, i, p.At.Sub(posts[i-perDay].At))
			}
		}
		passes := 0
		for _, id := range ids {
			u := s.upload(id)
			passes += u.Counts.Passes
			if u.Reopened > 0 || u.Session > 2 {
				t.Errorf("%s was sent %d times", id, u.Session)
			}
		}
		s.sound(ids...)
		t.Logf("%d videos in %s, %d bytes sent for %d, %d passes in the last generations", n, time.Since(start), s.mem.Received(), n*400, passes)
		if late := posts[n-1].At.Sub(start); late > 62*time.Hour {
			t.Errorf("it took %s: places in the queue were left empty", late)
		}
	})
}

// TestWhatThePlatformSaysFillsTheBucketOfTheWholeAccount: one refusal is enough to know.
func TestWhatThePlatformSaysFillsTheBucketOfTheWholeAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, time.Minute, func(o *options) { o.ledger.Paces = map[string]state.Pace{"mem": {PerDay: 75}} })
		until := time.Now().Add(10 * time.Hour)
		calls := 0
		s.mem.Hook(func(_ context.Context, c memtarget.Call) error {
			if c.Op != memtarget.Publish || c.When != memtarget.Before {
				return nil
			}
			if calls++; time.Now().Before(until) {
				return &fault.Error{Kind: fault.Retryable, Op: "mem", Code: "2114007", Effect: fault.EffectNone, AssetKept: true, Quota: true, After: time.Until(until), Err: errors.New("75 a day")}
			}
			return nil
		})
		var ids []string
		for i := range 8 {
			ids = append(ids, s.drop(fmt.Sprintf("a/%d.flv", i), video(400, byte(i+1)), nil).Uploads[0])
			time.Sleep(time.Second)
		}
		time.Sleep(time.Hour)
		for _, id := range ids {
			if u := s.upload(id); u.Status != upload.Waiting || u.Reason != "quota" {
				t.Errorf("got %s\n%s", u.String(), s.timeline(id))
			}
		}
		if calls != 1 {
			t.Errorf("the platform was asked %d times, which one refusal could have spared", calls)
		}
		s.until(24*time.Hour, upload.Published, ids...)
		got := make([]string, 0, len(ids))
		for _, p := range s.mem.Posts() {
			got = append(got, p.Upload)
			if p.At.Before(until) {
				t.Error("published within the quota's wait")
			}
		}
		if !slices.Equal(got, ids) {
			t.Errorf("published in the order %v, taken in %v", got, ids)
		}
		if s.mem.Received() != 8*400 {
			t.Errorf("%d bytes sent: files that were good were sent again", s.mem.Received())
		}
		s.sound(ids...)
	})
}

func TestARefusedPublishGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, time.Minute, func(o *options) { o.ledger.Paces = map[string]state.Pace{"mem": {PerDay: 1, GapMin: time.Hour}} })
		s.mem.Fail(memtarget.Publish, memtarget.Before, &fault.Error{Kind: fault.Retryable, Op: "mem", Effect: fault.EffectNone, AssetKept: true, Err: errors.New("busy")})
		id, start := s.one(), time.Now()
		s.until(time.Hour, upload.Published, id)
		second := s.drop("a/b.flv", video(400, 2), nil).Uploads[0]
		s.until(48*time.Hour, upload.Published, second)
		if d := s.mem.Posts()[1].At.Sub(start); d < 24*time.Hour || d > 25*time.Hour {
			t.Errorf("the second came after %s: one a day", d)
		}
		s.sound(id, second)
	})
}

// TestAScheduledPublicationFiresInItsSecond, with the upload done before, however it is moved while it waits.
func TestAScheduledPublicationFiresInItsSecond(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, wait time.Duration // from the drop: publish_at, and when it is moved
		second      time.Duration // from then on
		status      upload.Status
		uploaded    bool // before it was moved
	}{
		"not moved":                           {first: 5*time.Hour + 333*time.Millisecond},
		"a span":                              {first: -3 * time.Hour},
		"later, while nothing is sent yet":    {first: 5 * time.Hour, wait: time.Hour, second: 9 * time.Hour},
		"earlier, while nothing is sent yet":  {first: 5 * time.Hour, wait: time.Hour, second: 2 * time.Hour},
		"far to near":                         {first: 3 * 24 * time.Hour, wait: time.Hour, second: 2 * time.Hour},
		"near to far":                         {first: 5 * time.Hour, wait: time.Hour, second: 3 * 24 * time.Hour},
		"later, while the file waits there":   {first: 5 * time.Hour, wait: 5*time.Hour - 10*time.Minute, second: 25 * time.Minute, uploaded: true},
		"earlier, while the file waits there": {first: 5 * time.Hour, wait: 5*time.Hour - 10*time.Minute, second: 3 * time.Minute, uploaded: true},
		"long after, beyond the file's life":  {first: 5 * time.Hour, wait: 5*time.Hour - 10*time.Minute, second: 30 * time.Hour, uploaded: true},
		"in the last minute":                  {first: 5 * time.Hour, wait: 5*time.Hour - 20*time.Second, second: time.Hour, uploaded: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, time.Minute, func(o *options) {
					o.route.Sidecar = "required"
					o.mem.SessionLife, o.mem.AssetLife = 2*time.Hour, 2*time.Hour
					o.mem.Limits.SessionLife, o.mem.Limits.AssetLife = 2*time.Hour, 2*time.Hour
				})
				at := time.Now().Add(c.first)
				say := at.UTC().Format(time.RFC3339Nano)
				if c.first < 0 {
					at = time.Now().Add(-c.first)
					say = "+" + (-c.first).String()
				}
				s.src.Put(inbox, key+".publish.json", []byte(`{"publish_at":"`+say+`"}`), nil)
				id := s.one()
				if c.wait > 0 {
					time.Sleep(c.wait)
					if u := s.upload(id); u.Status != upload.Waiting || u.Reason != "due" || (u.Asset != nil) != c.uploaded {
						t.Fatalf("got %s, asset %v\n%s", u.String(), u.Asset, s.timeline(id))
					}
					at = time.Now().Add(c.second)
					s.drop(key+".publish.json", []byte(`{"publish_at":"`+at.UTC().Format(time.RFC3339Nano)+`"}`), nil)
				}
				s.until(time.Until(at)+time.Hour, upload.Published, id)
				p := s.mem.Posts()[0]
				if d := p.At.Sub(at); d < 0 || d >= time.Second {
					t.Errorf("published %s after its time\n%s", d, s.timeline(id))
				}
				if u := s.upload(id); u.Reopened != 0 || len(s.mem.Posts()) != 1 {
					t.Errorf("reopened %d, %d posts", u.Reopened, len(s.mem.Posts()))
				}
				if n := s.upload(id).Counts.Passes; n > 20 {
					t.Errorf("%d passes: it went round and round", n)
				}
				s.sound(id)
			})
		})
	}
}

func TestCancellingWhatWaitsForItsTimeIsFinal(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{"nothing sent yet": time.Hour, "the file is there": 5*time.Hour - 10*time.Minute, "in the last minute": 5*time.Hour - 20*time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, time.Minute, func(o *options) { o.route.Sidecar = "required" })
				id := s.at(key, time.Now().Add(5*time.Hour), 1)
				time.Sleep(wait)
				if _, err := s.w.Cancel(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				time.Sleep(24 * time.Hour)
				s.want(id, upload.Cancelled, 0)
				if s.mem.Open() != 0 {
					t.Error("a session is left open")
				}
			})
		})
	}
}

// TestAPublishThatComesALittleEarlyWaitsForItsMoment: going round by Open would cost more than it waits.
func TestAPublishThatComesALittleEarlyWaitsForItsMoment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		early time.Duration
		want  string
		calls int
	}{
		"in time":                {0, "posted", 1},
		"a moment":               {time.Millisecond, "posted", 1},
		"two seconds":            {2 * time.Second, "posted", 1},
		"more, so it was moved":  {2*time.Second + time.Millisecond, "early", 0},
		"an hour, for the pause": {time.Hour, "early", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			id := r.toPublish()
			at := r.clock.Now().Add(c.early)
			r.change(id, func(u *state.Upload) { u.PublishAt = at })
			if got := r.publish(id); got != c.want || r.mem.Calls(memtarget.Publish) != c.calls {
				t.Errorf("got %q and %d calls", got, r.mem.Calls(memtarget.Publish))
			}
			if c.calls > 0 && !r.mem.Posts()[0].At.Equal(at) {
				t.Errorf("posted at %s, wanted %s", r.mem.Posts()[0].At, at)
			}
		})
	}
}

// TestALeadIsAsLongAsTheBytesTakeAndAsShortAsTheFileLives.
func TestALeadIsAsLongAsTheBytesTakeAndAsShortAsTheFileLives(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size   int64
		life   time.Duration
		begins time.Duration // before publish_at
	}{
		"small, and it lasts":         {1000, 0, 30*time.Minute + time.Second},
		"small, and it lives an hour": {1000, time.Hour, 30*time.Minute + time.Second},
		"it lives half an hour":       {1000, 30 * time.Minute, 22*time.Minute + 30*time.Second},
		"3.6 GB at 2 MB/s":            {3_600_000_000, 0, time.Hour + time.Second},
		"3.6 GB, and it lives 2 h":    {3_600_000_000, 2 * time.Hour, time.Hour + time.Second},
		"12 GB, and it lives 2 h":     {12_000_000_000, 2 * time.Hour, 90 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *options) { o.mem.Limits.AssetLife = c.life })
			id := r.one()
			at := r.clock.Now().Add(12 * time.Hour)
			r.change(id, func(u *state.Upload) { u.PublishAt, u.Source.Size = at, c.size })
			if _, err := r.w.Open(t.Context(), r.step(id)); err != nil {
				t.Fatal(err)
			}
			if u := r.upload(id); u.Reason != "due" || !u.NextAt.Equal(at.Add(-c.begins)) {
				t.Errorf("%s begins %s before its time, want %s", u.String(), at.Sub(u.NextAt), c.begins)
			}
		})
	}
}
