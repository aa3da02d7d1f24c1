package statetest

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// queued makes n uploads of one account, each ready to publish and due a minute after the one before.
func (k *kit) queued(n int) []state.Upload {
	k.Helper()
	first := k.fresh()
	us := make([]state.Upload, n)
	for i := range us {
		u := first
		if i > 0 {
			u = k.sibling(first, "")
		}
		u.Source.Size += int64(i)
		u.PublishAt = k.clock.Now().Add(time.Duration(i) * time.Minute)
		us[i] = k.ready(u)
	}
	return us
}

// post publishes u now, or says why not.
func (k *kit) post(u state.Upload) error {
	k.Helper()
	u, err := k.RecordIntent(k.Context(), u.ID, u.Gen, k.intent("w"+u.ID), fine)
	if err != nil {
		return err
	}
	_, err = k.RecordPost(k.Context(), u.ID, u.Gen, upload.Post{ID: "p" + u.ID}, fine)
	return err
}

func (k *kit) turn(u state.Upload) state.Turn {
	k.Helper()
	u = k.get(u.ID)
	t, err := k.TakeTurn(k.Context(), &u)
	k.ok(err)
	return t
}

func (k *kit) paced(p state.Pace) {
	k.Ledger = k.with(state.Settings{Paces: map[string]state.Pace{"douyin": p}})
}

var paceRules = []rule{
	{"an account's own pace stands over its target's, field by field, and that over the platform's quota", func(k *kit) {
		s := state.Settings{Paces: map[string]state.Pace{"douyin": {GapMin: time.Minute}, "douyin/a": {PerDay: 5}, "douyin/b": {PerDay: -1}, "douyin/c": {GapMin: 9, GapMax: 3, PerDay: 1e6}}}
		for a, want := range map[upload.Account]state.Pace{
			"douyin/x": {PerDay: 75, GapMin: time.Minute, GapMax: time.Minute}, "douyin/a": {PerDay: 5, GapMin: time.Minute, GapMax: time.Minute},
			"douyin/b": {GapMin: time.Minute, GapMax: time.Minute}, "douyin/c": {PerDay: 2000, GapMin: 9, GapMax: 9}, "youku/x": {},
		} {
			equal(k, string(a), s.PaceOf(a), want)
		}
	}},
	{"a quota counts any 24 hours, and the next comes when the first of them is out", func(k *kit) {
		k.paced(state.Pace{PerDay: 2})
		us := k.queued(4)
		k.clock.Advance(time.Hour)
		t0 := k.clock.Now()
		k.ok(k.post(us[0]))
		k.clock.Advance(time.Hour)
		k.ok(k.post(us[1]))
		err := k.post(us[2])
		k.refused(err, fault.Retryable, state.ErrPaced)
		out := t0.Add(24*time.Hour + time.Minute)
		equal(k, "after", fault.As(err).After, out.Sub(k.clock.Now()))
		if !fault.As(err).Quota {
			k.Fatal("it is a quota")
		}
		turn := k.turn(us[2])
		if !turn.At.Equal(out) || !turn.Quota {
			k.Fatalf("got %+v, want %v", turn, out)
		}
		k.clock.Advance(out.Sub(k.clock.Now()) - time.Millisecond)
		k.refused(k.post(us[2]), fault.Retryable, state.ErrPaced)
		k.clock.Advance(time.Millisecond)
		k.ok(k.post(us[2]))
		k.refused(k.post(us[3]), fault.Retryable, state.ErrPaced)
	}},
	{"a gap lies between two publishes, within its bounds", func(k *kit) {
		k.paced(state.Pace{GapMin: time.Minute, GapMax: 3 * time.Minute, PerDay: -1})
		us := k.queued(5)
		k.clock.Advance(time.Hour)
		for _, u := range us {
			k.ok(k.post(u))
			k.clock.Advance(time.Minute - time.Millisecond)
			k.refused(k.post(us[4]), fault.Retryable, nil)
			k.clock.Advance(2*time.Minute + time.Millisecond)
			if u.ID == us[3].ID {
				break
			}
		}
		k.ok(k.post(us[4]))
	}},
	{"what was refused gives its place back, once, and a quota of the platform stands over the account", func(k *kit) {
		k.paced(state.Pace{PerDay: 1, GapMin: time.Hour})
		us := k.queued(2)
		k.clock.Advance(time.Hour)
		u, err := k.RecordIntent(k.Context(), us[0].ID, 1, k.intent("w1"), fine)
		k.ok(err)
		until := k.clock.Now().Add(10 * time.Minute)
		for range 2 {
			_, err = k.CloseIntent(k.Context(), u.ID, 1, 1, state.IntentRefused, func(u *state.Upload) error {
				u.Intent.QuotaUntil = until
				return u.To(upload.EvRefused, "quota")
			})
			k.ok(err)
		}
		err = k.post(us[1])
		k.refused(err, fault.Retryable, state.ErrPaced)
		equal(k, "after", fault.As(err).After, 10*time.Minute)
		k.clock.Advance(10 * time.Minute)
		k.ok(k.post(us[1]))
		k.refused(k.post(us[0]), fault.Retryable, state.ErrPaced)
	}},
	{"an unknown outcome keeps what it took", func(k *kit) {
		k.paced(state.Pace{PerDay: 1})
		us := k.queued(2)
		k.clock.Advance(time.Hour)
		_, err := k.RecordIntent(k.Context(), us[0].ID, 1, k.intent("w1"), fine)
		k.ok(err)
		k.clock.Advance(time.Hour)
		k.refused(k.post(us[1]), fault.Retryable, state.ErrPaced)
	}},
	{"turns come by due time, and follow what happens to those before", func(k *kit) {
		k.paced(state.Pace{GapMin: 10 * time.Minute, PerDay: -1})
		us := k.queued(3)
		k.clock.Advance(time.Hour)
		now := k.clock.Now()
		for i := range us { // whoever looks first
			k.turn(us[2-i])
		}
		for i, u := range us {
			t := k.turn(u)
			if t.Ahead != i || i > 0 && t.At.Before(now.Add(time.Duration(i)*10*time.Minute)) {
				k.Fatalf("upload %d has turn %+v", i, t)
			}
		}
		k.ok(k.post(us[0]))
		equal(k, "ahead", k.turn(us[1]).Ahead, 0)
		equal(k, "ahead", k.turn(us[2]).Ahead, 1)
		_, err := k.End(k.Context(), us[1].ID, 1, upload.EvFailed, "refused", nil)
		k.ok(err)
		_, err = k.Settled(k.Context(), us[1].ID, 1)
		k.ok(err)
		equal(k, "ahead", k.turn(us[2]).Ahead, 0)
		moved := k.change(us[2].ID, func(u *state.Upload) error { u.PublishAt = now.Add(5 * time.Hour); return nil })
		equal(k, "turn", k.turn(moved).At.Equal(now.Add(5*time.Hour)), true)
		moved = k.get(moved.ID)
		k.ok(k.LeaveTurn(k.Context(), &moved))
		for _, u := range us {
			equal(k, "place", k.get(u.ID).Turn.IsZero(), true)
		}
	}},
	{"who is not ready, or does not take its turn, holds nobody up for long", func(k *kit) {
		k.paced(state.Pace{GapMin: 10 * time.Minute, PerDay: -1})
		us := k.queued(3)
		k.change(us[0].ID, func(u *state.Upload) error { u.Asset = nil; return nil })
		k.clock.Advance(time.Hour)
		k.turn(us[0])
		equal(k, "ahead", k.turn(us[1]).Ahead, 0)
		equal(k, "ahead", k.turn(us[2]).Ahead, 1)
		k.clock.Advance(3 * time.Minute) // the turn of the second has come, and it is dead
		equal(k, "ahead", k.turn(us[2]).Ahead, 0)
		k.ok(k.post(us[2]))
	}},
	{"many at once take no more than the pace allows", func(k *kit) {
		k.paced(state.Pace{PerDay: 3})
		us := k.queued(8)
		k.clock.Advance(time.Hour)
		var wg sync.WaitGroup
		var mu sync.Mutex
		done := 0
		for _, u := range us {
			wg.Go(func() {
				for range 50 {
					_, err := k.RecordIntent(k.Context(), u.ID, 1, k.intent("w"+u.ID), fine)
					if errors.Is(err, state.ErrBusyAccount) || errors.Is(err, state.ErrPaced) || err != nil {
						continue
					}
					mu.Lock()
					done++
					mu.Unlock()
					if _, err := k.RecordPost(k.Context(), u.ID, 1, upload.Post{ID: "p" + u.ID}, fine); err != nil {
						k.Errorf("post: %v", err)
					}
					return
				}
			})
		}
		wg.Wait()
		if done == 0 || done > 3 {
			k.Fatalf("%d published", done)
		}
	}},
	{"a hand-over's link is sealed, replaced by a newer one, and its id finds the upload", func(k *kit) {
		u := k.create(k.fresh())
		none, err := k.Link(k.Context(), u.ID)
		k.ok(err)
		equal(k, "none", none, target.Handed{})
		for _, l := range []string{"scheme://one?secret", "scheme://two?secret"} {
			h := target.Handed{Link: l, ShareID: "s-" + u.ID, Expires: start.Add(time.Hour)}
			k.ok(k.PutLink(k.Context(), u.ID, h))
			got, err := k.Link(k.Context(), u.ID)
			k.ok(err)
			equal(k, "link", got.Link+got.ShareID+got.Expires.String(), h.Link+h.ShareID+h.Expires.String())
		}
		if doc := string(k.raw("U#"+u.ID, "LINK").Doc); len(doc) == 0 || strings.Contains(doc, "secret") {
			k.Fatalf("the link stands there as %s", doc)
		}
	}},
}
