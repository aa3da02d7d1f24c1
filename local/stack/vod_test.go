package stack_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	fakevod "github.com/vodlift/vodlift/local/fake/vod"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// openVOD starts a demo in which a finished video is looked at again only after poll, unless a callback says so before.
func openVOD(t *testing.T, poll time.Duration, transcode ...time.Duration) *stack.Stack {
	t.Helper()
	s, err := stack.Open(t.Context(), stack.Options{
		Dir: t.TempDir(), Kind: stack.Demo, Log: slog.New(slog.DiscardHandler),
		FakeVOD: func(o *fakevod.Options) {
			o.Delivery.Interval = 10 * time.Millisecond
			for _, d := range transcode {
				o.Pace.Transcode = d
			}
		},
		Tune: func(m *stack.MachineOptions) {
			m.Engines.Steps.PollFirst, m.Engines.Steps.PollMost = poll, poll
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

const never = time.Hour

// toVOD drops a small film for VOD alone.
func toVOD(t *testing.T, s *stack.Stack, key string, seed uint64) {
	t.Helper()
	drop(t, s, key+".publish.json", []byte(`{"title":"Film `+key+`","to":["alivod/main"]}`))
	drop(t, s, key, film(seed, 64*kib))
}

// processing waits until the upload of key is posted and watched, and gives it.
func processing(t *testing.T, s *stack.Stack, key string) workflow.View {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		id, err := s.Ledger.ByObject(ctx, stack.Inbox, key)
		if err == nil && id != "" {
			p, err := s.ViewPublication(ctx, id, false)
			if err == nil && len(p.Views) == 1 && p.Views[0].Status == upload.Processing {
				if _, parked, err := s.Ledger.Park(ctx, p.Views[0].ID); err == nil && parked {
					return p.Views[0]
				}
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s was never PROCESSING and parked", key)
	return workflow.View{}
}

func oneVideo(t *testing.T, s *stack.Stack, v workflow.View) {
	t.Helper()
	e := s.VOD.Effects()
	if v.Status != upload.Published || len(e.Posts) != 1 || v.Post == nil || e.Posts[0].ID != v.Post.ID {
		t.Errorf("got %s (%s), post %v, platform has %+v", v.Status, v.Reason, v.Post, e.Posts)
	}
}

func TestAVideoAtVODIsPublishedByASignedCallbackAlone(t *testing.T) {
	s := openVOD(t, never)
	toVOD(t, s, "v/by-callback.mp4", 1)
	oneVideo(t, s, settled(t, s, "v/by-callback.mp4").Views[0])
	delivered := 0
	for _, c := range s.VOD.Callbacks(0) {
		if c.Outcome == fakevod.Delivered && strings.HasPrefix(c.URL, s.Running.Public) {
			delivered++
		}
	}
	if delivered == 0 {
		t.Errorf("no callback was delivered: %+v", s.VOD.Callbacks(0))
	}
}

func TestWithEveryCallbackDroppedThePollPublishes(t *testing.T) {
	s := openVOD(t, time.Second)
	if err := s.VOD.Mistreat(fakevod.Mistreatment{Drop: true}); err != nil {
		t.Fatal(err)
	}
	toVOD(t, s, "v/by-poll.mp4", 2)
	oneVideo(t, s, settled(t, s, "v/by-poll.mp4").Views[0])
	for _, c := range s.VOD.Callbacks(0) {
		if c.Outcome == fakevod.Delivered {
			t.Errorf("a callback was delivered: %+v", c)
		}
	}
}

func TestCallbacksThreeTimesAndShuffledPublishOnce(t *testing.T) {
	s := openVOD(t, never)
	if err := s.VOD.Mistreat(fakevod.Mistreatment{Repeat: 2, ShuffleMS: 300}); err != nil {
		t.Fatal(err)
	}
	toVOD(t, s, "v/thrice.mp4", 3)
	oneVideo(t, s, settled(t, s, "v/thrice.mp4").Views[0])
}

// TestForgedCallbacksChangeNothing: also those with genuine headers around a lying body, which pass the signature.
func TestForgedCallbacksChangeNothing(t *testing.T) {
	s := openVOD(t, never, never)
	toVOD(t, s, "v/forged.mp4", 4)
	v := processing(t, s, "v/forged.mp4")
	for _, f := range []fakevod.Forgery{
		{Count: 300},
		{Count: 100, Media: v.Post.ID},
		{Count: 20, Media: v.Post.ID, Sign: fakevod.SignGenuine, Event: "DeleteMediaComplete"},
	} {
		statuses, err := s.VOD.Forge(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if f.Sign == "" && statuses[200] > 0 {
			t.Errorf("forged callbacks were taken: %v", statuses)
		}
	}
	now, err := s.Ledger.Upload(t.Context(), v.ID)
	if err != nil || now.Status != upload.Processing || now.Gen != v.Gen {
		t.Errorf("after the forgeries: %s of generation %d, %v", now.Status, now.Gen, err)
	}
}

func TestAVideoDeletedAtThePlatformMeanwhileFailsWithTheReason(t *testing.T) {
	s := openVOD(t, time.Second, never)
	toVOD(t, s, "v/gone.mp4", 5)
	v := processing(t, s, "v/gone.mp4")
	if err := s.VOD.Delete(v.Post.ID); err != nil {
		t.Fatal(err)
	}
	end := settled(t, s, "v/gone.mp4").Views[0]
	if end.Status != upload.Failed || end.Fault == nil || !strings.Contains(end.Fault.Text+end.Reason, "delet") && !strings.Contains(end.Fault.Text+end.Reason, "exist") {
		t.Errorf("got %s(%s), %+v", end.Status, end.Reason, end.Fault)
	}
}
