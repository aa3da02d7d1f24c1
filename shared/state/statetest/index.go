package statetest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

var indexRules = []rule{
	{"an upload is due until it is settled, whatever happens to it", func(k *kit) {
		rapid.Check(k.T, func(t *rapid.T) { k.life(t) })
	}},
	{"a grant that runs out makes its upload due", func(k *kit) {
		u := k.create(k.fresh())
		k.change(u.ID, func(u *state.Upload) error { u.Started, u.Due = true, time.Time{}; return nil })
		k.take(k.Ledger, u, 3)
		ids, err := k.DueIDs(k.Context(), state.UploadQueue, start.Add(20*time.Minute-time.Millisecond), 10)
		k.ok(err)
		equal(k, "before", len(ids), 0)
		ids, err = k.DueIDs(k.Context(), state.UploadQueue, start.Add(20*time.Minute), 10)
		k.ok(err)
		equal(k, "then", len(ids), 1)
	}},
	{"a generation that nobody heard of is due after the watchdog's time", func(k *kit) {
		u := k.create(k.fresh())
		k.change(u.ID, func(u *state.Upload) error { u.Started, u.Due = true, time.Time{}; return nil })
		ids, err := k.DueIDs(k.Context(), state.UploadQueue, start.Add(49*time.Hour), 10)
		k.ok(err)
		equal(k, "due", fmt.Sprint(ids), "["+u.ID+"]")
	}},
}

// life takes one upload through random calls of the ledger, and asks after each that nobody has to remember it: it is in
// DUE until it is settled, soon if its execution is over, and its grant is what the pools lack.
func (k *kit) life(t *rapid.T) {
	u := k.create(k.fresh())
	whole, _, err := k.Pools(k.Context())
	if err != nil {
		t.Fatal(err)
	}
	running := true // an execution of this generation is on its way; its end is Settle's or the watchdog's
	calls := k.calls(&running)
	names := slices.Sorted(maps.Keys(calls))
	past := ""
	for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 1, 12).Draw(t, "calls") {
		if rapid.IntRange(0, 3).Draw(t, "time") == 0 {
			k.clock.Advance(10 * time.Minute)
		}
		if _, err := calls[name](&u); err != nil {
			name += "!"
		}
		past += " " + name
		u = k.get(u.ID)
		k.remembered(t, u, whole, running, past)
	}
	if _, err := k.ReleaseGrant(k.Context(), u.ID, u.Gen); err != nil {
		t.Fatal(err)
	}
	k.forget()
}

// call is one call of the ledger for u as it is.
type call func(u *state.Upload) (state.Upload, error)

// calls are what can happen to an upload. They keep note of whether an execution of its generation is left.
func (k *kit) calls(running *bool) map[string]call {
	calls := map[string]call{
		"open": func(u *state.Upload) (state.Upload, error) {
			return k.Update(k.Context(), u.ID, u.Gen, func(u *state.Upload) error { u.Started, u.Due = true, time.Time{}; return nil })
		},
		"ready": func(u *state.Upload) (state.Upload, error) {
			return k.Update(k.Context(), u.ID, u.Gen, func(u *state.Upload) error {
				u.CRC64, u.Asset = "00000000000000ff", &upload.Asset{ID: "v1"}
				return u.To(upload.EvReceived, "")
			})
		},
		"grant": func(u *state.Upload) (state.Upload, error) {
			got, _, err := k.TakeGrant(k.Context(), u.ID, u.Gen, 3, fine)
			return got, err
		},
		"release": func(u *state.Upload) (state.Upload, error) { return k.ReleaseGrant(k.Context(), u.ID, u.Gen) },
		"intent": func(u *state.Upload) (state.Upload, error) {
			return k.RecordIntent(k.Context(), u.ID, u.Gen, k.intent(fmt.Sprint("w", counter.Add(1))), fine)
		},
		"close": func(u *state.Upload) (state.Upload, error) {
			return k.CloseIntent(k.Context(), u.ID, u.Gen, u.Attempt, state.IntentRefused, func(u *state.Upload) error { return u.To(upload.EvRefused, "") })
		},
		"post": func(u *state.Upload) (state.Upload, error) {
			return k.RecordPost(k.Context(), u.ID, state.AnyGen, upload.Post{ID: "p-" + u.ID}, fine)
		},
		"settled": func(u *state.Upload) (state.Upload, error) {
			got, err := k.Settled(k.Context(), u.ID, u.Gen)
			if err == nil {
				*running = false
			}
			return got, err
		},
		"requeue": func(u *state.Upload) (state.Upload, error) {
			got, err := k.Requeue(k.Context(), u.ID, u.Gen, k.clock.Now().Add(time.Minute), 0)
			if err == nil && !got.Status.Terminal() {
				*running = false
			}
			return got, err
		},
		"advance": func(u *state.Upload) (state.Upload, error) {
			got, err := k.Advance(k.Context(), u.ID, u.Gen, k.clock.Now(), func(u *state.Upload) error {
				_ = u.To(upload.EvRestart, "") // a cancelled one only clears up
				return nil
			})
			*running = *running || err == nil
			return got, err
		},
	}
	for _, ev := range []upload.Event{upload.EvFailed, upload.EvHeld, upload.EvLogin, upload.EvCancel, upload.EvLive} {
		calls[string(ev)] = func(u *state.Upload) (state.Upload, error) { return k.End(k.Context(), u.ID, u.Gen, ev, "", nil) }
	}
	return calls
}

func (k *kit) remembered(t *rapid.T, u state.Upload, whole int64, running bool, past string) {
	place, due := k.raw("U#"+u.ID, "META").Index[table.Due]
	done := u.Status.Terminal() && u.Settled && u.Grant == nil
	if due == done {
		t.Fatalf("%s: in DUE %v, settled %v", past, due, done)
	}
	soon := k.clock.Now().Add(time.Minute + time.Second).UTC().Format("2006-01-02T15:04:05")
	if due && !running && place.SK > soon {
		t.Fatalf("%s: its execution is over, and it is due at %s only", past, place.SK)
	}
	lent := int64(0)
	if u.Grant != nil {
		lent = u.Grant.N
	}
	g, _, err := k.Pools(k.Context())
	if err != nil || g+lent != whole {
		t.Fatalf("%s: %d free and %d lent of %d, %v", past, g, lent, whole, err)
	}
	if u.OpenIntent() && (u.Status == upload.Cancelled || u.Status == upload.Failed || u.Status == upload.Uploading) {
		t.Fatalf("%s: %s with an open intent", past, u.Status)
	}
}
