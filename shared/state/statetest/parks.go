package statetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

func (k *kit) park(id string, gen int, token string, due time.Time) {
	k.Helper()
	k.ok(k.PutPark(k.Context(), state.Park{Upload: id, For: "open", Gen: gen, Due: due, Token: token}))
}

func (k *kit) parked(id string) state.Park {
	k.Helper()
	p, ok, err := k.Park(k.Context(), id)
	k.ok(err)
	if !ok {
		k.Fatal("no park")
	}
	return p
}

var parkRules = []rule{
	{"a park reads back with its token, which is sealed at rest", func(k *kit) {
		u := k.fresh()
		_, ok, err := k.Park(k.Context(), u.ID)
		k.ok(err)
		equal(k, "ok", ok, false)
		k.park(u.ID, 1, "secret-task-token", start.Add(time.Hour))
		p := k.parked(u.ID)
		equal(k, "token", p.Token, "secret-task-token")
		equal(k, "due", p.Due, start.Add(time.Hour))
		if bytes.Contains(k.raw("U#"+u.ID, "PARK").Doc, []byte("secret")) {
			k.Error("the token stands in clear")
		}
	}},
	{"the newest generation's park wins, whatever the order", func(k *kit) {
		u := k.fresh()
		k.park(u.ID, 1, "one", start)
		k.park(u.ID, 2, "two", start)
		err := k.PutPark(k.Context(), state.Park{Upload: u.ID, Gen: 1, Due: start, Token: "late"})
		k.refused(err, fault.Duplicate, state.ErrSuperseded)
		equal(k, "token", k.parked(u.ID).Token, "two")
		k.park(u.ID, 2, "three", start) // the same generation parks again
		equal(k, "token", k.parked(u.ID).Token, "three")
	}},
	{"dropping a park that was read leaves a newer one", func(k *kit) {
		u := k.fresh()
		k.park(u.ID, 1, "one", start)
		old := k.parked(u.ID)
		k.park(u.ID, 1, "two", start)
		k.ok(k.DropPark(k.Context(), old))
		now := k.parked(u.ID)
		equal(k, "token", now.Token, "two")
		k.ok(k.DropPark(k.Context(), now))
		k.ok(k.DropPark(k.Context(), now))
		_, ok, err := k.Park(k.Context(), u.ID)
		k.ok(err)
		equal(k, "ok", ok, false)
	}},
	{"parks are found when they are due, not before", func(k *kit) {
		var all []string
		for i := range 40 {
			u := k.fresh()
			k.park(u.ID, 1, "t", start.Add(time.Duration(i)*time.Second))
			all = append(all, u.ID)
		}
		ids, err := k.DueIDs(k.Context(), state.ParkQueue, start.Add(19*time.Second), 1000)
		k.ok(err)
		equal(k, "due", len(ids), 20)
		for _, id := range ids {
			if !slices.Contains(all[:20], id) {
				k.Errorf("%s is not due", id)
			}
		}
		ids, err = k.DueIDs(k.Context(), state.ParkQueue, start.Add(time.Hour), 7)
		k.ok(err)
		equal(k, "limit", len(ids), 7)
	}},
	{"who waits for a slot stands in one queue, the longest first", func(k *kit) {
		var want []string
		for i := range 8 {
			u := k.fresh()
			at := start.Add(-time.Duration(i) * time.Minute)
			k.ok(k.PutPark(k.Context(), state.Park{Upload: u.ID, Gen: 1, Due: start.Add(time.Minute), Slot: at, Token: "t"}))
			want = append([]string{u.ID}, want...)
		}
		k.park(k.fresh().ID, 1, "t", start)
		got, err := k.SlotWaiters(k.Context(), 100)
		k.ok(err)
		equal(k, "queue", strings.Join(got, " "), strings.Join(want, " "))
		got, err = k.SlotWaiters(k.Context(), 1)
		k.ok(err)
		equal(k, "first", strings.Join(got, " "), want[0])
	}},
	{"what cannot be worked on does not keep other shards from their turn", func(k *kit) {
		var late string
		for i := range 200 {
			u := k.fresh()
			late = u.ID
			k.park(u.ID, 1, "t", start.Add(time.Duration(i)*time.Second))
		}
		k.clock.Advance(time.Hour)
		ids, err := k.DueIDs(k.Context(), state.ParkQueue, k.clock.Now(), 120)
		k.ok(err)
		equal(k, "limit", len(ids), 120)
		all, err := k.DueIDs(k.Context(), state.ParkQueue, k.clock.Now(), 1<<20)
		k.ok(err)
		equal(k, "all", len(all), 200)
		if !slices.Contains(all, late) {
			k.Error("one is missing")
		}
		shards := func(ids []string) int {
			seen := map[string]bool{}
			for _, id := range ids {
				seen[k.raw("U#"+id, "PARK").Index[table.Due].PK] = true
			}
			return len(seen)
		}
		equal(k, "shards that had their turn", shards(ids), shards(all))
	}},
}

var sessionRules = []rule{
	{"a session reads back, sealed at rest", func(k *kit) {
		u := k.create(k.fresh())
		s := upload.Session{ID: "secret-id", Opened: start, Expires: start.Add(time.Hour), Private: json.RawMessage(`{"k":"secret-key"}`)}
		k.ok(k.PutSession(k.Context(), u.ID, 1, s))
		got, err := k.Session(k.Context(), u.ID, 1)
		k.ok(err)
		equal(k, "id", got.ID, s.ID)
		equal(k, "private", string(got.Private), string(s.Private))
		if bytes.Contains(k.raw("U#"+u.ID, "SESS#1").Doc, []byte("secret")) {
			k.Error("the session stands in clear")
		}
		k.ok(k.DropSessionRecord(k.Context(), u.ID, 1))
		k.ok(k.DropSessionRecord(k.Context(), u.ID, 1))
	}},
	{"a box moved to another key or serial does not open", func(k *kit) {
		u, v := k.create(k.fresh()), k.create(k.fresh())
		for _, id := range []string{u.ID, v.ID} {
			k.ok(k.PutSession(k.Context(), id, 1, upload.Session{ID: id}))
			k.ok(k.PutSession(k.Context(), id, 2, upload.Session{ID: id}))
		}
		move := func(from, to, sk string, change func(map[string]any)) {
			it := k.raw("U#"+from, sk)
			doc := map[string]any{}
			k.ok(json.Unmarshal(it.Doc, &doc))
			change(doc)
			it.Doc, _ = json.Marshal(doc)
			it.PK = "U#" + to
			_, err := k.wire.Put(k.Context(), it, -1)
			k.ok(err)
			if _, err := k.Session(k.Context(), to, 1); !errors.Is(err, token.ErrNotOpened) {
				k.Errorf("got %v", err)
			}
		}
		move(u.ID, v.ID, "SESS#1", func(map[string]any) {})
		move(u.ID, u.ID, "SESS#1", func(d map[string]any) { d["serial"] = 7 })
	}},
	{"an old box cannot stand in for a new one", func(k *kit) {
		u := k.create(k.fresh())
		k.ok(k.PutSession(k.Context(), u.ID, 1, upload.Session{ID: "one"}))
		old := k.raw("U#"+u.ID, "SESS#1")
		k.ok(k.PutSession(k.Context(), u.ID, 1, upload.Session{ID: "two"}))
		now := k.raw("U#"+u.ID, "SESS#1")
		var a, b map[string]any
		k.ok(json.Unmarshal(old.Doc, &a))
		k.ok(json.Unmarshal(now.Doc, &b))
		b["box"] = a["box"]
		now.Doc, _ = json.Marshal(b)
		_, err := k.wire.Put(k.Context(), now, now.Version)
		k.ok(err)
		if _, err := k.Session(k.Context(), u.ID, 1); !errors.Is(err, token.ErrNotOpened) {
			k.Errorf("got %v", err)
		}
	}},
	{"the session that an upload works with is not overwritten by who comes late", func(k *kit) {
		u := k.create(k.fresh())
		k.ok(k.PutSession(k.Context(), u.ID, 1, upload.Session{ID: "left by a crash"}))
		k.ok(k.PutSession(k.Context(), u.ID, 1, upload.Session{ID: "one"}))
		k.change(u.ID, func(u *state.Upload) error { u.Session, u.Live = 1, true; return nil })
		err := k.PutSession(k.Context(), u.ID, 1, upload.Session{ID: "late"})
		k.refused(err, fault.Duplicate, state.ErrSuperseded)
		got, err := k.Session(k.Context(), u.ID, 1)
		k.ok(err)
		equal(k, "session", got.ID, "one")
		k.change(u.ID, func(u *state.Upload) error { u.DropSession(); return nil })
		k.refused(k.PutSession(k.Context(), u.ID, 1, upload.Session{ID: "late"}), fault.Duplicate, state.ErrSuperseded)
		k.ok(k.PutSession(k.Context(), u.ID, 2, upload.Session{ID: "two"}))
	}},
	{"nothing sealed is ever written in clear", func(k *kit) {
		k.wire.record = true
		u := k.publishing(k.fresh())
		k.ok(k.PutSession(k.Context(), u.ID, 2, upload.Session{ID: "hush-id", Private: json.RawMessage(`{"k":"hush-key"}`)}))
		k.park(u.ID, 1, "hush-token", start)
		_, err := k.RecordPost(k.Context(), u.ID, 1, upload.Post{ID: "x"}, func(u *state.Upload) error { return u.To(upload.EvLive, "") })
		k.ok(err)
		equal(k, "something was written", len(k.wire.written) > 8, true)
		for _, it := range k.wire.written {
			if s := fmt.Sprintf("%s %s %s %v", it.PK, it.SK, it.Doc, it.Index); strings.Contains(s, "hush") {
				k.Errorf("in clear: %s", s)
			}
		}
	}},
}
