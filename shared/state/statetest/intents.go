package statetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

var intentRules = []rule{
	{"an intent is recorded with attempt, generation and revision", func(k *kit) {
		u := k.publishing(k.fresh())
		equal(k, "status", u.Status, upload.Publishing)
		equal(k, "attempt", u.Intent.Attempt, 1)
		equal(k, "gen", u.Intent.Gen, 1)
		equal(k, "revision", u.Intent.Revision, 1)
	}},
	{"the same content to the same account is refused, naming the first", func(k *kit) {
		u := k.publishing(k.fresh())
		k.closed(u, state.IntentRefused)
		two := k.ready(k.sibling(u, ""))
		_, err := k.RecordIntent(k.Context(), two.ID, 1, k.intent("w2"), fine)
		var claimed *state.ClaimedError
		if !errors.As(err, &claimed) || claimed.By != u.ID || !errors.Is(err, state.ErrClaimed) {
			k.Fatalf("got %v", err)
		}
		equal(k, "intent", k.get(two.ID).Intent, nil)
		labelled := k.ready(k.sibling(u, "second"))
		_, err = k.RecordIntent(k.Context(), labelled.ID, 1, k.intent("w3"), fine)
		k.ok(err)
		other := k.fresh()
		other.Source.Size = u.Source.Size
		k.publishing(other) // same content, another account
	}},
	{"one open intent per account, until settle_at", func(k *kit) {
		u := k.publishing(k.fresh())
		two := k.sibling(u, "")
		two.Source.Size++
		two = k.ready(two)
		try := func() error {
			_, err := k.RecordIntent(k.Context(), two.ID, 1, k.intent("w2"), fine)
			return err
		}
		err := try()
		k.refused(err, fault.Retryable, state.ErrBusyAccount)
		equal(k, "rest", fault.As(err).After, 31*time.Minute)
		k.clock.Advance(31*time.Minute - time.Nanosecond)
		k.refused(try(), fault.Retryable, state.ErrBusyAccount)
		k.clock.Advance(time.Nanosecond)
		k.ok(try())
		// The first one's end must not free the account of the second.
		k.closed(u, state.IntentRefused)
		three := k.sibling(u, "")
		three.Source.Size += 2
		three = k.ready(three)
		_, err = k.RecordIntent(k.Context(), three.ID, 1, k.intent("w3"), fine)
		k.refused(err, fault.Retryable, state.ErrBusyAccount)
	}},
	{"each pause switch stops an intent, and only while it is set", func(k *kit) {
		u := k.ready(k.fresh())
		for _, scope := range []string{"global", "douyin", string(u.Account)} {
			k.ok(k.Pause(k.Context(), scope, true))
			got, err := k.Paused(k.Context(), u.Account)
			k.ok(err)
			equal(k, "paused by", got, scope)
			_, err = k.RecordIntent(k.Context(), u.ID, 1, k.intent("w"), fine)
			k.refused(err, fault.Retryable, state.ErrPaused)
			k.ok(k.Pause(k.Context(), scope, false))
		}
		k.ok(k.Pause(k.Context(), "youku", true))
		_, err := k.RecordIntent(k.Context(), u.ID, 1, k.intent("w"), fine)
		k.ok(err)
	}},
	{"a cancel wins until the intent", func(k *kit) {
		u := k.ready(k.fresh())
		k.change(u.ID, func(u *state.Upload) error { u.Cancel = start; return nil })
		_, err := k.RecordIntent(k.Context(), u.ID, 1, k.intent("w"), fine)
		k.refused(err, fault.Invalid, state.ErrRefused)
		v := k.publishing(k.fresh())
		_, err = k.End(k.Context(), v.ID, 1, upload.EvCancel, "", nil)
		k.refused(err, fault.Invalid, nil)
	}},
	{"whatever changes while an intent is being recorded stops it", func(k *kit) {
		direct := state.New(k.wire.Table, k.seal, k.clock.Now, rand.Reader, state.Settings{})
		for name, c := range map[string]struct {
			change func(u state.Upload) error
			want   error
		}{
			"pause": {func(u state.Upload) error { return direct.Pause(k.Context(), string(u.Account), true) }, state.ErrPaused},
			"cancel": {func(u state.Upload) error {
				_, err := direct.Update(k.Context(), u.ID, 1, func(u *state.Upload) error { u.Cancel = start; return nil })
				return err
			}, state.ErrRefused},
			"next generation": {func(u state.Upload) error {
				_, err := direct.Advance(k.Context(), u.ID, 1, start, nil)
				return err
			}, state.ErrSuperseded},
			"a claim of the content": {func(u state.Upload) error {
				key := table.Key{PK: fmt.Sprintf("CONTENT#%s#%d#%s", u.Account, u.Source.Size, u.CRC64), SK: "-"}
				_, err := k.wire.Table.Put(k.Context(), table.Item{Key: key, Doc: []byte(`{"upload":"another"}`)}, table.Absent)
				return err
			}, state.ErrClaimed},
			"an intent of another upload": {func(u state.Upload) error {
				two := k.sibling(u, "")
				two.Source.Size++
				if _, err := direct.CreateUpload(k.Context(), two); err != nil {
					return err
				}
				_, err := direct.Update(k.Context(), two.ID, 1, toReceived)
				if err == nil {
					_, err = direct.RecordIntent(k.Context(), two.ID, 1, k.intent("two"), fine)
				}
				return err
			}, state.ErrBusyAccount},
		} {
			for n, calls := 1, 2; n <= calls; n++ {
				u := k.ready(k.fresh())
				k.wire.plan(func(i int) fate {
					if i == n {
						k.ok(c.change(u))
					}
					return kept
				})
				_, err := k.RecordIntent(k.Context(), u.ID, 1, k.intent("w"), fine)
				k.wire.plan(nil)
				calls = k.callsOfIntent()
				if !errors.Is(err, c.want) {
					k.Fatalf("%s before call %d of %d: got %v", name, n, calls, err)
				}
				equal(k, name, k.get(u.ID).Attempt, 0)
			}
		}
	}},
	{"an intent for what is not ready any more is refused", func(k *kit) {
		for name, spoil := range map[string]func(*state.Upload){
			"asset spent":   func(u *state.Upload) { u.DropSession() },
			"other asset":   func(u *state.Upload) { u.Asset.ID = "v2" },
			"moved":         func(u *state.Upload) { u.PublishAt = start.Add(time.Second) },
			"out of quota":  func(u *state.Upload) { u.NotBefore = start.Add(time.Second) },
			"no checksum":   func(u *state.Upload) { u.CRC64 = "" },
			"already ended": func(u *state.Upload) { u.Status = upload.Failed },
		} {
			u := k.ready(k.fresh())
			k.change(u.ID, func(u *state.Upload) error { spoil(u); return nil })
			if _, err := k.RecordIntent(k.Context(), u.ID, 1, k.intent("w"), fine); err == nil {
				k.Errorf("%s: recorded", name)
			}
			equal(k, name, k.get(u.ID).Attempt, 0)
		}
	}},
	{"an intent that says nothing is refused", func(k *kit) {
		u := k.ready(k.fresh())
		for _, spoil := range []func(*state.Intent){
			func(in *state.Intent) { in.WriteID = "" },
			func(in *state.Intent) { in.SendBy = time.Time{} },
			func(in *state.Intent) { in.SettleAt = in.SendBy.Add(-1) },
			func(in *state.Intent) { in.Result = state.IntentRefused },
		} {
			in := k.intent("w")
			spoil(&in)
			_, err := k.RecordIntent(k.Context(), u.ID, 1, in, fine)
			k.refused(err, fault.Invalid, state.ErrRefused)
		}
	}},
	{"of many invocations at once exactly one may call the platform", func(k *kit) {
		for range 5 {
			u := k.ready(k.fresh())
			var wg sync.WaitGroup
			var mu sync.Mutex
			mayCall, refusedWith := 0, []error(nil)
			for i := range 8 {
				wg.Go(func() {
					id := fmt.Sprint("w", i)
					got, err := k.RecordIntent(k.Context(), u.ID, 1, k.intent(id), fine)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						refusedWith = append(refusedWith, err)
					} else if got.Intent.WriteID == id {
						mayCall++
					}
				})
			}
			wg.Wait()
			equal(k, "may call", mayCall, 1)
			for _, err := range refusedWith {
				k.refused(err, fault.Unknown, nil)
			}
			equal(k, "attempt", k.get(u.ID).Attempt, 1)
		}
	}},
	{"of many uploads of one account at once exactly one gets the intent", func(k *kit) {
		first := k.fresh()
		var us []state.Upload
		for i := range 8 {
			u := k.sibling(first, "")
			u.Source.Size += int64(i)
			us = append(us, k.ready(u))
		}
		var wg sync.WaitGroup
		for _, u := range us {
			wg.Go(func() {
				_, err := k.RecordIntent(k.Context(), u.ID, 1, k.intent(u.ID), fine)
				if err != nil && !errors.Is(err, state.ErrBusyAccount) {
					k.Error(err)
				}
			})
		}
		wg.Wait()
		open := 0
		for _, u := range us {
			if u = k.get(u.ID); u.OpenIntent() {
				open++
			}
		}
		equal(k, "open intents", open, 1)
	}},
	{"closing another attempt leaves the intent", func(k *kit) {
		u := k.publishing(k.fresh())
		ran := false
		got, err := k.CloseIntent(k.Context(), u.ID, 1, 2, state.IntentRefused, func(*state.Upload) error { ran = true; return nil })
		k.ok(err)
		equal(k, "ran", ran, false)
		equal(k, "open", got.OpenIntent(), true)
	}},
	{"no second permit by denial or by a person before settle_at", func(k *kit) {
		for _, r := range []state.IntentResult{state.IntentDenied, state.IntentWaived} {
			u := k.publishing(k.fresh())
			try := func() error {
				_, err := k.CloseIntent(k.Context(), u.ID, 1, 1, r, func(u *state.Upload) error { return u.To(upload.EvRefused, "") })
				return err
			}
			k.clock.Advance(31*time.Minute - time.Nanosecond)
			k.refused(try(), fault.Invalid, state.ErrRefused)
			k.clock.Advance(time.Nanosecond)
			k.ok(try())
			equal(k, "result", k.get(u.ID).Intent.Result, r)
		}
	}},
	{"a closed intent frees its account and allows a next attempt", func(k *kit) {
		u := k.publishing(k.fresh())
		k.closed(u, state.IntentRefused)
		u, err := k.RecordIntent(k.Context(), u.ID, 1, k.intent("w2"), fine)
		k.ok(err)
		equal(k, "attempt", u.Intent.Attempt, 2)
		k.closed(u, state.IntentRefused)
		two := k.sibling(u, "")
		two.Source.Size++
		k.publishing(two)
	}},
	{"while an intent is open the upload cannot leave by failure, cancel or a fresh start", func(k *kit) {
		u := k.publishing(k.fresh())
		u, err := k.End(k.Context(), u.ID, 1, upload.EvFailed, "refused", nil)
		k.ok(err)
		equal(k, "a failure is", u.Status, upload.Held)
		for _, s := range upload.Statuses() {
			for _, ev := range []upload.Event{upload.EvCancel, upload.EvOpened, upload.EvReceived, upload.EvLost, upload.EvRefused, upload.EvFailed} {
				v := u
				v.Status = s
				if err := v.To(ev, ""); err == nil {
					k.Errorf("%s: %s is allowed", s, ev)
				}
			}
		}
		u.Status = upload.Held
		k.refused(u.To(upload.EvRestart, ""), fault.Invalid, state.ErrRefused)
	}},
	{"nothing is PUBLISHED or PROCESSING without a post", func(k *kit) {
		u := k.publishing(k.fresh())
		for _, ev := range []upload.Event{upload.EvLive, upload.EvPosted} {
			_, err := k.End(k.Context(), u.ID, 1, ev, "", nil)
			k.refused(err, fault.Invalid, state.ErrRefused)
		}
	}},
	{"an open intent survives a login, and waits as what it is", func(k *kit) {
		u := k.publishing(k.fresh())
		k.ok(u.To(upload.EvWait, "renewal"))
		equal(k, "status", u.String(), u.ID+" to "+string(u.Account)+": PUBLISHING(renewal)")
		u, err := k.End(k.Context(), u.ID, 1, upload.EvLogin, "credentials", nil)
		k.ok(err)
		equal(k, "status", u.Status, upload.NeedsLogin)
		u, err = k.Advance(k.Context(), u.ID, 1, start, func(u *state.Upload) error { return u.To(upload.EvRestart, "") })
		k.ok(err)
		k.ok(u.To(upload.EvIntent, "")) // Open goes back to looking
		equal(k, "open", u.OpenIntent(), true)
		v := k.publishing(k.fresh())
		v, err = k.RecordPost(k.Context(), v.ID, 1, upload.Post{ID: "post-" + v.ID}, fine)
		k.ok(err)
		k.ok(v.To(upload.EvWait, "renewal"))
		equal(k, "posted", v.Status, upload.Processing)
	}},
}

// callsOfIntent is how many calls an intent takes when nothing happens beside it; the last one writes.
func (k *kit) callsOfIntent() int {
	k.Helper()
	u := k.ready(k.fresh())
	k.wire.plan(nil)
	_, err := k.RecordIntent(k.Context(), u.ID, 1, k.intent("w"), fine)
	k.ok(err)
	return k.wire.count()
}

// closed closes u's open intent.
func (k *kit) closed(u state.Upload, r state.IntentResult) state.Upload {
	k.Helper()
	u, err := k.CloseIntent(k.Context(), u.ID, u.Gen, u.Intent.Attempt, r, func(u *state.Upload) error { return u.To(upload.EvRefused, "") })
	k.ok(err)
	return u
}

var postRules = []rule{
	{"a post is claimed, closes the intent, frees the account and is announced, once", func(k *kit) {
		u := k.publishing(k.fresh())
		p := upload.Post{ID: "p-" + u.ID, URL: "https://x.test/1", At: start}
		for range 2 {
			_, err := k.RecordPost(k.Context(), u.ID, 1, p, func(u *state.Upload) error { return u.To(upload.EvLive, "") })
			k.ok(err)
		}
		u = k.get(u.ID)
		equal(k, "post", *u.Post, p)
		equal(k, "result", u.Intent.Result, state.IntentPosted)
		by, err := k.PostClaimedBy(k.Context(), "douyin", p.ID)
		k.ok(err)
		equal(k, "claimed by", by, u.ID)
		es := k.events(u.ID)
		equal(k, "events", len(es), 1)
		equal(k, "event", es[0], said{Type: "upload.published", Upload: u.ID, Post: p.ID, Pub: u.Publication})
		two := k.sibling(u, "")
		two.Source.Size++
		k.publishing(two)
	}},
	{"another upload's post is ErrClaimed and changes nothing", func(k *kit) {
		u, v := k.publishing(k.fresh()), k.publishing(k.fresh())
		p := upload.Post{ID: "p-" + u.ID}
		_, err := k.RecordPost(k.Context(), u.ID, 1, p, fine)
		k.ok(err)
		was := k.raw("U#"+v.ID, "META").Version
		_, err = k.RecordPost(k.Context(), v.ID, 1, p, fine)
		var claimed *state.ClaimedError
		if !errors.As(err, &claimed) || claimed.By != u.ID {
			k.Fatalf("got %v", err)
		}
		equal(k, "version", k.raw("U#"+v.ID, "META").Version, was)
	}},
	{"one post found by many at once belongs to one", func(k *kit) {
		var us []state.Upload
		for range 6 {
			us = append(us, k.publishing(k.fresh()))
		}
		p := upload.Post{ID: "contested"}
		var wg sync.WaitGroup
		for _, u := range us {
			wg.Go(func() {
				if _, err := k.RecordPost(k.Context(), u.ID, 1, p, fine); err != nil && !errors.Is(err, state.ErrClaimed) {
					k.Error(err)
				}
			})
		}
		wg.Wait()
		have := 0
		for _, u := range us {
			if k.get(u.ID).Post != nil {
				have++
			}
		}
		equal(k, "owners", have, 1)
	}},
	{"a second post is kept, claimed and announced once", func(k *kit) {
		u := k.publishing(k.fresh())
		first, second := upload.Post{ID: "1-" + u.ID}, upload.Post{ID: "2-" + u.ID}
		_, err := k.RecordPost(k.Context(), u.ID, 1, first, fine)
		k.ok(err)
		_, err = k.Advance(k.Context(), u.ID, 1, start, nil)
		k.ok(err)
		for range 2 {
			_, err = k.RecordPost(k.Context(), u.ID, state.AnyGen, second, fine)
			k.ok(err)
		}
		u = k.get(u.ID)
		equal(k, "post", u.Post.ID, first.ID)
		equal(k, "extra", len(u.Extra), 1)
		equal(k, "extra", u.Extra[0].ID, second.ID)
		es := k.events(u.ID)
		equal(k, "events", len(es), 1)
		equal(k, "event", es[0], said{Type: "post.extra", Upload: u.ID, Post: first.ID, Extra: second.ID, Pub: u.Publication})
		by, err := k.PostClaimedBy(k.Context(), "douyin", second.ID)
		k.ok(err)
		equal(k, "claimed by", by, u.ID)
	}},
	{"a late answer to an upload that was settled makes it due at once", func(k *kit) {
		for _, live := range []bool{false, true} {
			u := k.publishing(k.fresh())
			k.closed(u, state.IntentRefused)
			_, err := k.End(k.Context(), u.ID, 1, upload.EvFailed, "refused", nil)
			k.ok(err)
			_, err = k.Settled(k.Context(), u.ID, 1)
			k.ok(err)
			u, err = k.RecordPost(k.Context(), u.ID, state.AnyGen, upload.Post{ID: "late-" + u.ID}, func(u *state.Upload) error {
				if live {
					return u.To(upload.EvLive, "")
				}
				return nil
			})
			k.ok(err)
			equal(k, "settled", u.Settled, false)
			equal(k, "due", u.Due, start)
		}
	}},
	{"a post with a name that no key can hold is recorded all the same", func(k *kit) {
		u := k.publishing(k.fresh())
		long := fmt.Sprintf("%0600d", 1)
		_, err := k.RecordPost(k.Context(), u.ID, 1, upload.Post{ID: long}, fine)
		k.ok(err)
		by, err := k.PostClaimedBy(k.Context(), "douyin", long)
		k.ok(err)
		equal(k, "claimed by", by, u.ID)
	}},
}
