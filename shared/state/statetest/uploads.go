package statetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

var uploadRules = []rule{
	{"a second create is Duplicate and gives the upload that is there", func(k *kit) {
		u := k.create(k.fresh())
		k.change(u.ID, func(u *state.Upload) error { u.Progress = 7; return nil })
		have, err := k.CreateUpload(k.Context(), state.Upload{ID: u.ID, Revision: 9})
		k.refused(err, fault.Duplicate, table.ErrConflict)
		equal(k, "progress", have.Progress, 7)
		equal(k, "revision", have.Revision, 1)
	}},
	{"a new upload is WAITING in generation 1 and due now", func(k *kit) {
		u := k.create(k.fresh())
		equal(k, "status", u.Status, upload.Waiting)
		equal(k, "gen", u.Gen, 1)
		equal(k, "due", u.Due, start)
	}},
	{"fifty writers at once lose no update", func(k *kit) {
		u := k.create(k.fresh())
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for {
					_, err := k.Update(k.Context(), u.ID, 1, func(u *state.Upload) error { u.Counts.Passes++; return nil })
					if err == nil {
						return
					}
					if fault.KindOf(err) != fault.Retryable {
						k.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		equal(k, "passes", k.get(u.ID).Counts.Passes, 50)
	}},
	{"a superseded generation changes nothing", func(k *kit) {
		u := k.create(k.fresh())
		_, err := k.Advance(k.Context(), u.ID, 1, k.clock.Now(), nil)
		k.ok(err)
		was := k.raw("U#"+u.ID, "META").Version
		_, err = k.Update(k.Context(), u.ID, 1, func(u *state.Upload) error { u.Progress++; return nil })
		k.refused(err, fault.Duplicate, state.ErrSuperseded)
		_, err = k.Advance(k.Context(), u.ID, 1, k.clock.Now(), nil)
		k.refused(err, fault.Duplicate, state.ErrSuperseded)
		for name, end := range map[string]func() error{
			"Settled": func() error { _, err := k.Settled(k.Context(), u.ID, 1); return err },
			"Requeue": func() error { _, err := k.Requeue(k.Context(), u.ID, 1, k.clock.Now(), 0); return err },
			"End":     func() error { _, err := k.End(k.Context(), u.ID, 1, upload.EvFailed, "", nil); return err },
		} {
			if err := end(); !errors.Is(err, state.ErrSuperseded) {
				k.Errorf("%s: got %v", name, err)
			}
		}
		equal(k, "version", k.raw("U#"+u.ID, "META").Version, was)
	}},
	{"an update that changes nothing writes nothing", func(k *kit) {
		u := k.create(k.fresh())
		was := k.raw("U#"+u.ID, "META").Version
		_, err := k.Update(k.Context(), u.ID, 1, fine)
		k.ok(err)
		equal(k, "version", k.raw("U#"+u.ID, "META").Version, was)
	}},
	{"an error of the caller ends an update unwritten", func(k *kit) {
		u := k.create(k.fresh())
		mine := errors.New("mine")
		_, err := k.Update(k.Context(), u.ID, 1, func(u *state.Upload) error { u.Progress = 5; return mine })
		if !errors.Is(err, mine) {
			k.Fatalf("got %v", err)
		}
		equal(k, "progress", k.get(u.ID).Progress, 0)
	}},
	{"fields of a newer program survive an update", func(k *kit) {
		u := k.create(k.fresh())
		it := k.raw("U#"+u.ID, "META")
		doc := map[string]any{}
		k.ok(json.Unmarshal(it.Doc, &doc))
		doc["from_the_future"] = map[string]any{"a": 1}
		it.Doc, _ = json.Marshal(doc)
		if _, err := k.wire.Put(k.Context(), it, it.Version); err != nil {
			k.Fatal(err)
		}
		k.change(u.ID, func(u *state.Upload) error { u.Progress++; return nil })
		if _, err := k.Advance(k.Context(), u.ID, 1, k.clock.Now(), nil); err != nil {
			k.Fatal(err)
		}
		if got := string(k.raw("U#"+u.ID, "META").Doc); !strings.Contains(got, `"from_the_future":{"a":1}`) {
			k.Fatalf("lost: %s", got)
		}
	}},
	{"the next generation starts with counts at zero, due when asked", func(k *kit) {
		u := k.create(k.fresh())
		k.change(u.ID, func(u *state.Upload) error {
			u.Started, u.Due, u.Counts.Passes, u.Progress = true, time.Time{}, 9, 4
			return nil
		})
		at := start.Add(time.Hour)
		u, err := k.Advance(k.Context(), u.ID, 1, at, nil)
		k.ok(err)
		equal(k, "gen", u.Gen, 2)
		equal(k, "due", u.Due, at)
		equal(k, "started", u.Started, false)
		equal(k, "counts", u.Counts, state.Counts{})
		equal(k, "progress at start", u.GenStartAt, 4)
	}},
	{"requeued twice, an upload keeps the first answer", func(k *kit) {
		u := k.create(k.fresh())
		at := start.Add(time.Minute)
		_, err := k.Requeue(k.Context(), u.ID, 1, at, 2)
		k.ok(err)
		_, err = k.Requeue(k.Context(), u.ID, 1, at.Add(time.Hour), 0) // what a repeated Settle reckons
		k.ok(err)
		u = k.get(u.ID)
		equal(k, "due", u.Due, at)
		equal(k, "barren", u.Barren, 2)
	}},
	{"a straggler of a requeued generation cannot make it forget its due time", func(k *kit) {
		u := k.create(k.fresh())
		at := start.Add(time.Minute)
		_, err := k.Requeue(k.Context(), u.ID, 1, at, 0)
		k.ok(err)
		open := func(u *state.Upload) error { u.Started, u.Due = true, time.Time{}; return nil }
		_, err = k.Update(k.Context(), u.ID, 1, open)
		k.ok(err)
		equal(k, "due", k.get(u.ID).Due, at)
		_, err = k.End(k.Context(), u.ID, 1, upload.EvFailed, "late", nil)
		k.ok(err)
		equal(k, "due after its end", k.get(u.ID).Due, at)
		_, err = k.Settled(k.Context(), u.ID, 1)
		k.ok(err)
		equal(k, "settled", k.get(u.ID).Due, time.Time{})
	}},
	{"META stays small whatever a platform answers", func(k *kit) {
		u := k.publishing(k.fresh())
		long := strings.Repeat("<&", 4000)
		var posts []upload.Post
		for i := range 100 {
			posts = append(posts, upload.Post{ID: fmt.Sprintf("%0250d", i), URL: "https://x.test/" + long[:80], At: start})
		}
		wordy := &fault.Error{Kind: fault.Invalid, Op: long, Code: long, LogID: long, Field: long, Rule: long, Action: long, Err: errors.New(long)}
		f := state.FaultOf("look", fmt.Errorf("%w %w", wordy, target.ErrSessionLost), start)
		for range 14 {
			k.change(u.ID, func(u *state.Upload) error {
				u.Intent.AddLook(state.Look{At: start, Candidates: posts, Error: long})
				u.Fault, u.Refused = f, f
				return nil
			})
		}
		it := k.raw("U#"+u.ID, "META")
		if len(it.Doc) > table.MaxItemBytes {
			k.Fatalf("%d bytes", len(it.Doc))
		}
		in := k.get(u.ID).Intent
		last := in.Looks[len(in.Looks)-1]
		if len(last.Candidates) != 5 || last.More != 95 || last.Candidates[0].URL == "" || in.Looks[0].Candidates[0].URL != "" {
			k.Errorf("got %d candidates and %d more", len(last.Candidates), last.More)
		}
	}},
	{"a timeline reads back in order", func(k *kit) {
		u := k.create(k.fresh())
		for i := range 5 {
			k.ok(k.Log(k.Context(), u.ID, state.Event{Gen: 1, Step: "open", Text: fmt.Sprint(i)}))
			k.clock.Advance(time.Millisecond)
		}
		es, err := k.Timeline(k.Context(), u.ID, 0)
		k.ok(err)
		equal(k, "events", len(es), 5)
		for i, e := range es {
			equal(k, "text", e.Text, fmt.Sprint(i))
		}
	}},
}
