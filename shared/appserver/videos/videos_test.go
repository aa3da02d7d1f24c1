package videos_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/videos"
	"github.com/vodlift/vodlift/shared/appserver/vodtest"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/vod"
)

// A video is recommended when its review has passed, by callbacks or by polls alone, and never before.
func TestOnlyWhatPassedReviewIsRecommended(t *testing.T) {
	for name, move := range map[string]func(r *rig, id, kind string){
		"by callbacks": func(r *rig, id, kind string) { r.hint(kind, id) },
		"by polls":     func(r *rig, _, _ string) { r.work(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, videos.Settings{TemplateGroup: "g"})
			id := r.issue("1")
			r.publish("1", id)
			move(r, id, "FileUploadComplete")
			if v := r.get(id); v.Censor != videos.OnCensor || r.p.Calls("SubmitAIMediaAuditJob") != 0 {
				t.Fatalf("a video without its file: %+v", v)
			}
			r.p.Upload(id, 1000)
			move(r, id, "FileUploadComplete")
			for range 3 {
				move(r, id, "AIMediaAuditComplete") // a hint that the platform does not confirm
			}
			if got := r.recommended(); len(got) != 0 || r.get(id).Censor != videos.OnCensor {
				t.Fatalf("recommended before the review ended: %v", got)
			}
			r.p.Judge(id, "success", "pass")
			move(r, id, "AIMediaAuditComplete")
			if v := r.get(id); v.Censor != videos.Success || v.Transcode != videos.OnTranscode || len(r.recommended()) != 0 {
				t.Fatalf("after the pass: %+v", v)
			}
			r.p.Stream(id, vod.Stream{URL: "https://play.example/a.mp4?auth_key=k", Status: "Normal", JobID: r.get(id).TranscodeJob.IDs[0]})
			move(r, id, "TranscodeComplete")
			v := r.get(id)
			if got := r.recommended(); !slices.Equal(got, []string{id}) || v.Files[0].URL != "https://play.example/a.mp4" {
				t.Fatalf("recommended is %v, the record %+v", got, v)
			}
			r.p.Change(id, func(v *vod.Video) { v.Snapshots = []string{"https://play.example/1.jpg"} })
			move(r, id, "SnapshotComplete")
			if v := r.get(id); v.Snapshot != videos.Success || v.FirstFrame == "" || v.CoverURL == "" {
				t.Fatalf("after the snapshot: %+v", v)
			}
			for op, want := range map[string]int{"SubmitAIMediaAuditJob": 1, "SubmitSnapshotJob": 1, "SubmitTranscodeJobs": 1} {
				if got := r.p.Calls(op); got != want {
					t.Errorf("%s was called %d times, want %d", op, got, want)
				}
			}
			if r.q.bytes["1"] != 1000 {
				t.Errorf("%d bytes were charged, want 1000", r.q.bytes["1"])
			}
			// It is left alone in the end.
			for range 60 {
				r.work(time.Hour)
			}
			before := r.p.Calls("GetVideoInfo")
			r.work(1000 * time.Hour)
			if got := r.p.Calls("GetVideoInfo") - before; got != 0 {
				t.Errorf("a finished video is still asked about (%d)", got)
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct{ status, suggestion, want string }{
		{"success", "pass", videos.Success}, {"Success", "Pass", videos.Success}, {"success", "block", videos.Fail}, {"success", "review", videos.Check},
		{"success", "something new", videos.Check}, {"fail", "", videos.Fail}, {"processing", "", videos.OnCensor}, {"processing", "pass", videos.OnCensor},
	} {
		r := newRig(t, videos.Settings{})
		id := r.uploaded("1")
		r.publish("1", id)
		r.p.Judge(id, c.status, c.suggestion)
		r.hint("AIVideoCensorComplete", id)
		if got := r.get(id).Censor; got != c.want {
			t.Errorf("%s %s is %q, want %q", c.status, c.suggestion, got, c.want)
		}
	}
}

// Whoever judged last with the greater weight prevails; an older or lighter word changes nothing.
func TestAPersonOutweighsTheAI(t *testing.T) {
	r := newRig(t, videos.Settings{})
	id := r.uploaded("1")
	r.publish("1", id)
	r.pass(id)
	r.hint("AIMediaAuditComplete", id)
	if got := r.recommended(); len(got) != 1 {
		t.Fatalf("recommended is %v", got)
	}
	r.p.Change(id, func(v *vod.Video) { v.Status, v.AuditStatus = vod.StatusBlocked, "Blocked" })
	r.hint("CreateAuditComplete", id)
	r.hint("AIMediaAuditComplete", id) // the AI's old pass, told again
	if v := r.get(id); v.Censor != videos.Fail || len(r.recommended()) != 0 {
		t.Fatalf("after a block: %+v", v)
	}
	r.p.Change(id, func(v *vod.Video) { v.Status, v.AuditStatus = vod.StatusNormal, "Normal" })
	r.hint("CreateAuditComplete", id)
	if len(r.recommended()) != 1 {
		t.Fatal("not recommended after a person let it through")
	}
	if err := r.Moderate(t.Context(), id, false); err != nil {
		t.Fatal(err)
	}
	r.hint("CreateAuditComplete", id)
	if v := r.get(id); v.Censor != videos.Fail || len(r.recommended()) != 0 {
		t.Fatalf("after our operator's no: %+v", v)
	}
	if err := r.Moderate(t.Context(), id, true); err != nil {
		t.Fatal(err)
	}
	if len(r.recommended()) != 1 {
		t.Fatal("not recommended after our operator's yes")
	}
}

// AuditStatus says Normal of every video at some accounts: only a change to it is a person's yes.
func TestAnAuditStatusThatWasThereBeforeIsNoVerdict(t *testing.T) {
	for was, want := range map[string]string{"Normal": videos.Check, "Init": videos.Success} {
		r := newRig(t, videos.Settings{})
		id := r.uploaded("1")
		r.p.Change(id, func(v *vod.Video) { v.AuditStatus = was })
		r.publish("1", id)
		r.p.Judge(id, "success", "review")
		r.hint("AIMediaAuditComplete", id)
		r.p.Change(id, func(v *vod.Video) { v.AuditStatus = "Normal" })
		r.hint("CreateAuditComplete", id)
		if got := r.get(id).Censor; got != want {
			t.Errorf("after %s: %s, want %s", was, got, want)
		}
	}
}

// A forged callback can make us ask, and nothing else.
func TestCallbacksChangeNothingByThemselves(t *testing.T) {
	r := newRig(t, videos.Settings{TemplateGroup: "g"})
	id, other := r.uploaded("1"), r.uploaded("2")
	r.publish("1", id)
	r.publish("2", other)
	r.p.Judge(other, "success", "pass")
	before := r.get(id)
	for _, e := range []callback.Event{
		{Type: "AIMediaAuditComplete", Job: r.p.Jobs(other)[0]}, // another video's pass
		{Type: "AIMediaAuditComplete", Job: "made-up"},
		{Type: "CreateAuditComplete", Fields: callback.Fields{Review: &callback.Review{AuditStatus: "Normal"}}},
		{Type: "TranscodeComplete", Fields: callback.Fields{Transcode: &callback.Transcode{Streams: []callback.Stream{{FileURL: "http://evil.example/"}}}}},
		{Type: "SnapshotComplete", Fields: callback.Fields{Snapshot: &callback.Snapshot{CoverURL: "http://evil.example/"}}},
		{Type: "DeleteMediaComplete"}, {Type: "FileUploadComplete", Fields: callback.Fields{Upload: &callback.Upload{Size: 1 << 50}}},
		{Type: "SomethingNew"},
	} {
		e.Platform, e.Status, e.Remotes = callback.AliVOD, "success", []string{id, "no such id", "../x"}
		r.hintOf(e)
		after := r.get(id)
		after.Due, after.Polls = before.Due, before.Polls
		if fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("%s changed\n%+v to\n%+v", e.Type, before, after)
		}
	}
	if len(r.recommended()) != 0 {
		t.Error("something is recommended")
	}
}

// The answer to a submit was lost: the callback's job is ours after the platform confirms whose it is.
func TestAReviewWhoseSubmitWasLostCounts(t *testing.T) {
	r := newRig(t, videos.Settings{})
	id := r.uploaded("1")
	r.p.Fail("SubmitAIMediaAuditJob", vodtest.Lost())
	r.publish("1", id)
	job := r.p.Jobs(id)[0]
	r.pass(id)
	r.hintOf(callback.Event{Platform: callback.AliVOD, Type: "AIMediaAuditComplete", Remotes: []string{id}, Job: job})
	if v := r.get(id); v.Censor != videos.Success {
		t.Fatalf("%+v", v)
	}
	r.work(time.Minute)
	if got := r.p.Calls("SubmitAIMediaAuditJob"); got != 1 {
		t.Errorf("the review was submitted %d times", got)
	}
}

func TestJobsAreTriedThreeTimesThenGivenUp(t *testing.T) {
	r := newRig(t, videos.Settings{})
	id := r.uploaded("1")
	for range 9 {
		r.p.Fail("SubmitAIMediaAuditJob", vodtest.Lost())
		r.p.Fail("SubmitSnapshotJob", vodtest.Refused(fault.Permanent, "OperationDenied"))
	}
	r.publish("1", id)
	for range 40 {
		r.work(10 * time.Second)
	}
	v := r.get(id)
	if r.p.Calls("SubmitAIMediaAuditJob") != 3 || r.p.Calls("SubmitSnapshotJob") != 1 || v.Censor != videos.Check || v.Snapshot != videos.Fail {
		t.Errorf("%d reviews, %d snapshots, %+v", r.p.Calls("SubmitAIMediaAuditJob"), r.p.Calls("SubmitSnapshotJob"), v)
	}
}

// A platform that is down for long costs no try.
func TestAPlatformThatIsDownIsWaitedFor(t *testing.T) {
	r := newRig(t, videos.Settings{})
	id := r.uploaded("1")
	for range 10 {
		r.p.Fail("SubmitAIMediaAuditJob", vodtest.Refused(fault.Retryable, "Throttling.User"))
	}
	for range 3 {
		r.p.Fail("GetVideoInfo", vodtest.Refused(fault.Retryable, "ServiceUnAvailable"))
	}
	r.publish("1", id)
	for range 40 {
		r.work(30 * time.Minute)
	}
	r.p.Judge(id, "success", "pass")
	r.work(time.Hour)
	if v := r.get(id); v.Censor != videos.Success {
		t.Errorf("%+v", v)
	}
}

// What was replaced after its review is reviewed again.
func TestAReplacedFileIsReviewedAgain(t *testing.T) {
	r := newRig(t, videos.Settings{})
	id := r.uploaded("1")
	r.publish("1", id)
	r.pass(id)
	r.hint("AIMediaAuditComplete", id)
	if len(r.recommended()) != 1 {
		t.Fatal("not recommended")
	}
	r.p.Upload(id, 2000)
	r.work(25*time.Hour + time.Minute)
	if v := r.get(id); v.Censor != videos.OnCensor || len(r.recommended()) != 0 {
		t.Fatalf("after the file was replaced: %+v", v)
	}
	r.p.Judge(id, "success", "block")
	r.work(2 * time.Minute)
	if v := r.get(id); v.Censor != videos.Fail || r.p.Calls("SubmitAIMediaAuditJob") != 2 {
		t.Fatalf("after the second review: %+v", v)
	}
}

func TestWithoutReviewAVideoIsPublicOnceItsFileIsThere(t *testing.T) {
	r := newRig(t, videos.Settings{Review: videos.ReviewNone})
	id := r.issue("1")
	r.publish("1", id)
	if v := r.get(id); v.Censor != "" || len(r.recommended()) != 0 {
		t.Fatalf("%+v", v)
	}
	r.p.Upload(id, 10)
	r.p.Stream(id, vod.Stream{URL: "https://play.example/a.mp4"})
	r.hint("FileUploadComplete", id)
	if len(r.recommended()) != 1 || r.p.Calls("SubmitAIMediaAuditJob") != 0 {
		t.Fatalf("%+v", r.get(id))
	}
}

// Hints that come together end as they would one by one.
func TestConcurrentHintsEndInOneTruth(t *testing.T) {
	r := newRig(t, videos.Settings{TemplateGroup: "g"})
	id := r.uploaded("1")
	r.publish("1", id)
	r.pass(id)
	var wg sync.WaitGroup
	for _, kind := range []string{"AIMediaAuditComplete", "TranscodeComplete", "SnapshotComplete", "FileUploadComplete", "AIMediaAuditComplete", "TranscodeComplete"} {
		wg.Go(func() { r.hint(kind, id) })
	}
	wg.Wait()
	r.hint("TranscodeComplete", id)
	if got := r.recommended(); !slices.Equal(got, []string{id}) || r.p.Calls("SubmitTranscodeJobs") != 1 || r.p.Calls("SubmitAIMediaAuditJob") != 1 {
		t.Errorf("recommended is %v, %d transcodes, %+v", got, r.p.Calls("SubmitTranscodeJobs"), r.get(id))
	}
}

// The AI's word, told again after a person's, changes nothing, though the platform still stands by it.
func TestTheAIDoesNotJudgeTwice(t *testing.T) {
	r := newRig(t, videos.Settings{})
	id := r.uploaded("1")
	r.p.Change(id, func(v *vod.Video) { v.AuditStatus = "Init" })
	r.publish("1", id)
	r.p.Judge(id, "success", "review")
	r.hint("AIMediaAuditComplete", id)
	r.p.Change(id, func(v *vod.Video) { v.AuditStatus = "Normal" })
	r.hint("CreateAuditComplete", id)
	for range 2 {
		r.hint("AIMediaAuditComplete", id)
		r.work(time.Hour)
	}
	if v := r.get(id); v.Censor != videos.Success {
		t.Errorf("%+v", v)
	}
}

// While the outcome of a submit is open, nobody submits again; the next try waits 3 s.
func TestASubmitIsNotRepeatedBlindly(t *testing.T) {
	r := newRig(t, videos.Settings{})
	id := r.uploaded("1")
	r.p.Fail("SubmitAIMediaAuditJob", vodtest.Lost())
	r.publish("1", id)
	r.hint("FileUploadComplete", id)
	r.work(2 * time.Second)
	if got := r.p.Calls("SubmitAIMediaAuditJob"); got != 1 {
		t.Errorf("%d submits within 3 s", got)
	}
	r.work(2 * time.Second)
	if got := r.p.Calls("SubmitAIMediaAuditJob"); got != 2 {
		t.Errorf("%d submits after 4 s", got)
	}
}

// A file of the same size is found out by its upload event; the late repeat of the first one is not taken for it.
func TestAReplacedFileOfTheSameSizeIsReviewedAgain(t *testing.T) {
	r := newRig(t, videos.Settings{})
	id := r.uploaded("1")
	first := r.clock.Now()
	r.clock.Advance(time.Minute)
	r.publish("1", id)
	r.pass(id)
	r.hint("AIMediaAuditComplete", id)
	upload := callback.Event{Platform: callback.AliVOD, Type: "FileUploadComplete", Remotes: []string{id}, At: first}
	old := callback.Event{Platform: callback.AliVOD, Type: "AIMediaAuditComplete", Remotes: []string{id}, Job: r.p.Jobs(id)[0]}
	r.clock.Advance(time.Minute)
	r.p.Change(id, func(v *vod.Video) { v.Modified = r.clock.Now() })
	r.hintOf(upload)
	if len(r.recommended()) != 1 || r.p.Calls("SubmitAIMediaAuditJob") != 1 {
		t.Fatal("a repeat of the first event was taken for another file")
	}
	for n := 2; n <= 8; n++ {
		r.clock.Advance(time.Minute)
		upload.At = r.clock.Now()
		r.p.Change(id, func(v *vod.Video) { v.Modified = r.clock.Now() })
		r.hintOf(upload)
		r.hintOf(upload)
		r.hintOf(old) // the first file's pass, told again
		want := min(n, 6)
		if v := r.get(id); len(r.recommended()) != 0 || r.p.Calls("SubmitAIMediaAuditJob") != want || n > 6 && v.Censor != videos.Check {
			t.Fatalf("file %d: %d reviews, %+v", n, r.p.Calls("SubmitAIMediaAuditJob"), v)
		}
		r.p.Judge(id, "success", "pass")
		r.hint("AIMediaAuditComplete", id)
		if got := len(r.recommended()) == 1; got != (n <= 6) {
			t.Fatalf("file %d: recommended %t", n, got)
		}
	}
}
