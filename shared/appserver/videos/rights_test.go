package videos_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/videos"
	"github.com/vodlift/vodlift/shared/appserver/vodtest"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/vod"
)

func TestWhatMayBePublished(t *testing.T) {
	r := newRig(t, videos.Settings{})
	ctx := t.Context()
	foreign, demo, oldDemo := r.issue("2"), r.issue(""), r.issue("")
	made := r.p.Add(vod.Video{Status: vod.StatusNormal, Size: 1})
	old := r.p.Add(vod.Video{Status: vod.StatusNormal, Created: r.clock.Now().Add(-24 * time.Hour)})
	for _, c := range []struct {
		name, id string
		want     error
	}{
		{"another's", foreign, videos.ErrNotYours}, {"unknown at the platform", "0123456789", videos.ErrNotYours}, {"not an id", "a/b", videos.ErrNotYours},
		{"made elsewhere, but old", old, videos.ErrNotYours}, {"the demo's", demo, nil}, {"made elsewhere just now", made, nil},
		{"the second time", made, videos.ErrPublished},
	} {
		if err := r.Publish(ctx, "1", "a", c.id, videos.Facts{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if err := r.Publish(ctx, "2", "a", made, videos.Facts{}); !errors.Is(err, videos.ErrNotYours) {
		t.Errorf("what somebody else bound: %v", err)
	}
	r.clock.Advance(24 * time.Hour)
	if err := r.Publish(ctx, "1", "a", oldDemo, videos.Facts{}); !errors.Is(err, videos.ErrNotYours) {
		t.Errorf("the demo's, a day later: %v", err)
	}
	if err := r.Publish(ctx, "2", "a", foreign, videos.Facts{}); err != nil {
		t.Errorf("his own, a day later: %v", err)
	}
	if err := r.PublishOwn(ctx, "9", old, videos.Facts{Title: "ours"}); err != nil {
		t.Error(err)
	}
	if err := r.PublishOwn(ctx, "9", old, videos.Facts{Title: "ours"}); err != nil {
		t.Errorf("again: %v", err)
	}
}

// Where getSts is off an id that we did not issue is another program's, and binding it would let a user delete it.
func TestWithoutGetStsOnlyIssuedIDsMayBePublished(t *testing.T) {
	r := newRig(t, videos.Settings{OnlyIssued: true})
	made := r.p.Add(vod.Video{Status: vod.StatusNormal, Size: 1})
	if err := r.Publish(t.Context(), "1", "a", made, videos.Facts{}); !errors.Is(err, videos.ErrNotYours) {
		t.Errorf("another program's: %v", err)
	}
	if err := r.Delete(t.Context(), "1", made); !errors.Is(err, videos.ErrNotYours) {
		t.Errorf("its deletion: %v", err)
	}
	if err := r.Publish(t.Context(), "1", "a", r.issue("1"), videos.Facts{}); err != nil {
		t.Errorf("his own: %v", err)
	}
	if err := r.PublishOwn(t.Context(), "9", made, videos.Facts{Title: "ours"}); err != nil {
		t.Errorf("the bucket's: %v", err)
	}
}

// Twenty at once: one binds, and it stands in its lists once.
func TestOfManyPublishesOneWins(t *testing.T) {
	r := newRig(t, videos.Settings{})
	id := r.p.Add(vod.Video{Status: vod.StatusNormal, Size: 1})
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() { errs[i] = r.Publish(t.Context(), fmt.Sprint(i%4), "a", id, videos.Facts{}) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, videos.ErrNotYours) && !errors.Is(err, videos.ErrPublished):
			t.Error(err)
		}
	}
	total := int64(0)
	for i := range 4 {
		_, n, err := r.Personal(t.Context(), fmt.Sprint(i), videos.Page{Index: 1, Size: 10})
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if won != 1 || total != 1 {
		t.Errorf("%d won, %d stand in lists", won, total)
	}
}

func TestDeleteIsForTheOwnerAndForGood(t *testing.T) {
	r := newRig(t, videos.Settings{})
	ctx := t.Context()
	id := r.uploaded("1")
	r.publish("1", id)
	r.pass(id)
	r.hint("AIMediaAuditComplete", id)
	if err := r.Delete(ctx, "2", id); !errors.Is(err, videos.ErrNotYours) || len(r.recommended()) != 1 {
		t.Fatalf("by another: %v", err)
	}
	r.p.Fail("DeleteVideo", vodtest.Refused(fault.Retryable, "ServiceUnAvailable"), vodtest.Lost())
	for range 2 {
		if err := r.Delete(ctx, "1", id); err != nil {
			t.Fatal(err)
		}
	}
	if _, n, err := r.Personal(ctx, "1", videos.Page{Index: 1, Size: 10}); n != 0 || err != nil || len(r.recommended()) != 0 {
		t.Errorf("still listed (%d, %v)", n, err)
	}
	if !r.p.Has(id) {
		t.Fatal("the platform's refusal was ignored")
	}
	r.work(time.Hour)
	r.work(time.Hour)
	if r.p.Has(id) || !r.get(id).Gone {
		t.Error("still at the platform")
	}
	if err := r.Publish(ctx, "1", "a", id, videos.Facts{}); !errors.Is(err, videos.ErrDeleted) {
		t.Errorf("published after its end: %v", err)
	}
	r.hint("AIMediaAuditComplete", id)
	if len(r.recommended()) != 0 {
		t.Error("an old event brought it back")
	}
}

func TestAVideoThatThePlatformDeletedLeavesTheLists(t *testing.T) {
	r := newRig(t, videos.Settings{})
	id := r.uploaded("1")
	r.publish("1", id)
	r.pass(id)
	r.hint("AIMediaAuditComplete", id)
	if _, err := r.p.DeleteVideo(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.hint("DeleteMediaComplete", id)
	if v := r.get(id); v.Stage != videos.Deleted || len(r.recommended()) != 0 {
		t.Errorf("%+v", v)
	}
}

func TestRefreshIsForYoungUploadsUnderWay(t *testing.T) {
	r := newRig(t, videos.Settings{})
	ctx := t.Context()
	mine, done, demo := r.issue("1"), r.uploaded("1"), r.issue("")
	made := r.p.Add(vod.Video{Status: vod.StatusUploading})
	check := func(when, owner, id string, want error) {
		t.Helper()
		if _, err := r.Refresh(ctx, owner, id); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", when, err, want)
		}
	}
	check("his own", "1", mine, nil)
	check("another's", "2", mine, videos.ErrNotYours)
	check("a user's, by the demo", "", mine, videos.ErrNotYours)
	check("complete", "1", done, videos.ErrNotUploading)
	check("not issued by us", "1", made, videos.ErrNotYours)
	check("the demo's", "", demo, nil)
	check("the demo's, by a user", "1", demo, videos.ErrNotYours)
	check("unknown", "1", "0123", videos.ErrNotYours)
	r.clock.Advance(time.Hour - time.Second)
	check("the demo's, within the hour", "", demo, nil)
	r.clock.Advance(time.Second)
	check("the demo's, after an hour", "", demo, videos.ErrNotUploading)
	r.clock.Advance(23*time.Hour - time.Second)
	check("his own, within the day", "1", mine, nil)
	r.clock.Advance(time.Second)
	check("his own, after a day", "1", mine, videos.ErrNotUploading)
}

// Whoever uploads more than he has left loses the video, and only that.
func TestWhatIsOverTheQuotaIsNotKept(t *testing.T) {
	r := newRig(t, videos.Settings{})
	r.q.most = 1500
	first, second := r.uploaded("1"), r.uploaded("1")
	for _, id := range []string{first, second} {
		r.publish("1", id)
		r.pass(id)
		r.hint("AIMediaAuditComplete", id)
	}
	r.work(time.Second)
	if r.p.Has(second) || !r.p.Has(first) || r.q.bytes["1"] != 1000 {
		t.Errorf("first there: %t, second there: %t, %d bytes", r.p.Has(first), r.p.Has(second), r.q.bytes["1"])
	}
	if got := r.recommended(); !slices.Equal(got, []string{first}) {
		t.Errorf("recommended is %v", got)
	}
}

// Bytes are charged without a publish and without a callback.
func TestUnpublishedBytesAreCharged(t *testing.T) {
	r := newRig(t, videos.Settings{})
	r.uploaded("1")
	for range 30 {
		r.work(time.Hour)
	}
	if r.q.bytes["1"] != 1000 {
		t.Errorf("%d bytes were charged", r.q.bytes["1"])
	}
}

// Reading page after page by the last id neither repeats nor skips, whatever is published and deleted meanwhile.
func TestPagesByIdAreStable(t *testing.T) {
	r := newRig(t, videos.Settings{Review: videos.ReviewNone})
	add := func() string {
		id := r.uploaded("1")
		r.p.Stream(id, vod.Stream{URL: "https://play.example/a.mp4"})
		r.publish("1", id)
		return id
	}
	var all []string
	for range 23 {
		all = append(all, add())
	}
	seen := map[string]int{}
	page := videos.Page{Index: 1, Size: 5}
	for {
		list, _, err := r.Recommended(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, v := range list {
			seen[v.ID]++
		}
		page.After, page.Index = list[len(list)-1].Number, page.Index+1
		add()
		if err := r.Delete(t.Context(), "1", list[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range all {
		if seen[id] != 1 {
			t.Errorf("%s was told %d times", id, seen[id])
		}
	}
	list, total, err := r.Personal(t.Context(), "1", videos.Page{Index: 9, Size: 100})
	if err != nil || len(list) != 0 || total != 23 {
		t.Errorf("beyond the end: %d of %d, %v", len(list), total, err)
	}
}
