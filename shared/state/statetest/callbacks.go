package statetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

func heard(key string, at time.Duration, final bool) state.Heard {
	return state.Heard{Platform: "alivod", Type: "T" + key, Key: key, At: start.Add(at), Final: final, Body: json.RawMessage(`{"raw":"<b>"}`)}
}

func (k *kit) hear(id string, h state.Heard) (state.Upload, bool) {
	k.Helper()
	u, first, err := k.RecordCallback(k.Context(), id, h, "said "+h.Type, func(u *state.Upload) error {
		if u.Tell(h) {
			u.Events++
		}
		return nil
	})
	k.ok(err)
	return u, first
}

var callbackRules = []rule{
	{"a remote id has the first upload that named it, for ever", func(k *kit) {
		u, v := k.fresh(), k.fresh()
		for range 2 {
			holder, err := k.LinkRemote(k.Context(), "alivod", "vid-"+u.ID, u.ID)
			k.ok(err)
			equal(k, "holder", holder, u.ID)
		}
		holder, err := k.LinkRemote(k.Context(), "alivod", "vid-"+u.ID, v.ID)
		k.ok(err)
		equal(k, "holder", holder, u.ID)
		for target, want := range map[string]string{"alivod": u.ID, "douyin": ""} {
			of, err := k.RemoteOwner(k.Context(), target, "vid-"+u.ID)
			k.ok(err)
			equal(k, "owner at "+target, of, want)
		}
	}},
	{"an id that no key can hold is kept by its digest", func(k *kit) {
		u := k.fresh()
		for _, id := range []string{"", strings.Repeat("x", 5000), "\xff\xfe"} {
			_, err := k.LinkRemote(k.Context(), "alivod", id+u.ID, u.ID)
			k.ok(err)
			of, err := k.RemoteOwner(k.Context(), "alivod", id+u.ID)
			k.ok(err)
			equal(k, "owner", of, u.ID)
		}
	}},
	{"a callback is recorded once, with its body and a line in the timeline", func(k *kit) {
		u := k.create(k.fresh())
		h := heard("once"+u.ID, 0, false)
		for n := range 3 {
			got, first := k.hear(u.ID, h)
			equal(k, "first", first, n == 0)
			equal(k, "events", got.Events, int64(1))
		}
		lines, err := k.Timeline(k.Context(), u.ID, 0)
		k.ok(err)
		equal(k, "lines", len(lines), 1)
		raw, err := k.Raw(k.Context(), u.ID, 0)
		k.ok(err)
		equal(k, "bodies", len(raw), 1)
		var body map[string]string
		k.ok(json.Unmarshal(raw[0].Body, &body))
		equal(k, "body", body["raw"], "<b>")
		equal(k, "forgotten some time", k.raw("CB#alivod#"+h.Key, "-").Expires.After(start.AddDate(0, 1, 0)), true)
	}},
	{"of a callback that cannot be recorded nothing is", func(k *kit) {
		u := k.create(k.fresh())
		no := fault.New(fault.Invalid, "test", "no")
		_, first, err := k.RecordCallback(k.Context(), u.ID, heard("none"+u.ID, 0, false), "x", func(*state.Upload) error { return no })
		k.refused(err, fault.Invalid, nil)
		equal(k, "first", first, false)
		seen, err := k.HeardBefore(k.Context(), "alivod", "none"+u.ID)
		k.ok(err)
		equal(k, "on record", seen, false)
	}},
	{"one that is nobody's is listed, for a time", func(k *kit) {
		h := heard(strings.Repeat("ab", 32)+k.fresh().ID, 0, false)
		for n := range 2 {
			first, err := k.RecordUnmatched(k.Context(), h)
			k.ok(err)
			equal(k, "first", first, n == 0)
		}
		has := func() bool {
			list, err := k.Unmatched(k.Context(), start.AddDate(0, 0, -1), 1000)
			k.ok(err)
			return slices.ContainsFunc(list, func(x state.Heard) bool { return x.Key == h.Key && len(x.Body) > 0 })
		}
		equal(k, "listed", has(), true)
		it := k.raw("CB#alivod#"+h.Key, "-")
		equal(k, "its time is over", it.Expires.After(start) && it.Expires.Before(start.AddDate(0, 2, 0)), true)
	}},
	{"no order of deliveries makes the state another, and what is final is never overridden", func(k *kit) {
		all := []state.Heard{heard("a", 1*time.Second, false), heard("b", 2*time.Second, false), heard("c", 1*time.Second, true), heard("d", 3*time.Second, false), heard("e", 1*time.Second, true)}
		var want string
		permute(all, func(order []state.Heard) {
			var u state.Upload
			for _, h := range append(slices.Clone(order), order...) { // each of them twice
				before := u.Told
				if u.Tell(h); before != nil && before.Final && !u.Told.Final {
					k.Fatal("a final word was overridden")
				}
			}
			if got := fmt.Sprintf("%+v", *u.Told); want == "" {
				want = got
			} else if got != want {
				k.Fatalf("got %s, want %s", got, want)
			}
		})
		equal(k, "the top is the final one", strings.Contains(want, "Type:Te") && strings.Contains(want, "Final:true"), true)
	}},
	{"an older word or one that is not final is no news beside a final one", func(k *kit) {
		var u state.Upload
		for _, c := range []struct {
			h    state.Heard
			news bool
		}{
			{heard("a", 2*time.Second, false), true}, {heard("b", time.Second, false), false}, {heard("c", 2*time.Second, false), true},
			{heard("d", time.Second, true), true}, {heard("e", 9*time.Second, false), false}, {heard("f", 0, true), false}, {heard("g", 3*time.Second, true), true},
		} {
			equal(k, c.h.Type, u.Tell(c.h), c.news)
		}
	}},
	{"an intent keeps the posts that were named for it, few and once each", func(k *kit) {
		in := state.Intent{}
		in.TellPosts([]string{"item1", "share", "item1", "", strings.Repeat("x", 999)}, "share", start)
		equal(k, "posts", len(in.Told), 1)
		for n := range 20 {
			in.TellPosts([]string{fmt.Sprint("item", n)}, "share", start)
		}
		equal(k, "posts", len(in.Told), 5)
	}},
}

// permute calls fn with every order of list.
func permute[T any](list []T, fn func([]T)) {
	var walk func(n int)
	walk = func(n int) {
		if n == len(list) {
			fn(list)
			return
		}
		for i := n; i < len(list); i++ {
			list[n], list[i] = list[i], list[n]
			walk(n + 1)
			list[n], list[i] = list[i], list[n]
		}
	}
	walk(0)
}

var orphanRules = []rule{
	{"every session is found when it is old, until its record is gone", func(k *kit) {
		u := k.create(k.fresh())
		k.ok(k.PutSession(k.Context(), u.ID, 1, upload.Session{ID: "s"}))
		due := func(until time.Time) bool {
			ids, err := k.DueIDs(k.Context(), state.SessQueue, until, 1000)
			k.ok(err)
			for _, s := range ids {
				id, n, err := state.ParseSession(s)
				k.ok(err)
				if id == u.ID && n == 1 {
					return true
				}
			}
			return false
		}
		equal(k, "before", due(start.Add(-time.Second)), false)
		equal(k, "then", due(start), true)
		_, serial, err := k.SessionSerial(k.Context(), u.ID, 1)
		k.ok(err)
		_, _, err = k.RenewSession(k.Context(), u.ID, 1, serial, func(_ context.Context, s upload.Session) (upload.Session, error) { return s, nil })
		k.ok(err)
		equal(k, "renewed", due(start), true)
		k.ok(k.LookAtSession(k.Context(), u.ID, 1, start.Add(time.Hour)))
		equal(k, "put off", due(start), false)
		equal(k, "and due then", due(start.Add(time.Hour)), true)
		k.ok(k.SessionDone(k.Context(), u.ID, 1, start))
		k.ok(k.LookAtSession(k.Context(), u.ID, 1, start))
		there, done, err := k.SessionState(k.Context(), u.ID, 1)
		k.ok(err)
		equal(k, "there and done", there && done, true)
		s, err := k.Session(k.Context(), u.ID, 1)
		k.ok(err)
		equal(k, "session", s.ID, "s")
		k.ok(k.DropSessionRecord(k.Context(), u.ID, 1))
		equal(k, "gone", due(start.Add(9999*time.Hour)), false)
		k.ok(k.SessionDone(k.Context(), u.ID, 1, start))
		k.ok(k.LookAtSession(k.Context(), u.ID, 1, start))
	}},
	{"only what names a session is read as one", func(k *kit) {
		for _, s := range []string{"", "/", "u/", "u/0", "u/-1", "u/x", "u"} {
			if _, _, err := state.ParseSession(s); err == nil {
				k.Errorf("%q was read", s)
			}
		}
	}},
	{"of two walks through the books one goes on", func(k *kit) {
		bucket := "b-" + k.fresh().ID
		one, err := k.Books(k.Context(), bucket)
		k.ok(err)
		two, err := k.Books(k.Context(), bucket)
		k.ok(err)
		one.Count("published", true)
		one.Count("odd", false)
		one.After = "k"
		mine, err := k.SaveBooks(k.Context(), &one)
		k.ok(err)
		equal(k, "the first", mine, true)
		two.After = "j"
		mine, err = k.SaveBooks(k.Context(), &two)
		k.ok(err)
		equal(k, "the second", mine, false)
		one.End(start.Add(time.Hour))
		mine, err = k.SaveBooks(k.Context(), &one)
		k.ok(err)
		equal(k, "the first goes on", mine, true)
		got, err := k.Books(k.Context(), bucket)
		k.ok(err)
		equal(k, "after", got.After, "")
		equal(k, "in", got.Last.In, 2)
		equal(k, "accounted", got.Last.Accounted, 1)
		equal(k, "published", got.Last.Reasons["published"], 1)
	}},
}

var staleParkRules = []rule{
	{"a token that was parked before never takes the place of another", func(k *kit) {
		u := k.fresh()
		park := func(token string) error {
			return k.PutPark(k.Context(), state.Park{Upload: u.ID, For: "watch", Gen: 1, Due: start, Token: token})
		}
		k.ok(park("one"))
		k.ok(park("one")) // delivered twice, and still the one that waits
		k.ok(park("two"))
		k.refused(park("one"), fault.Duplicate, state.ErrStale)
		equal(k, "token", k.parked(u.ID).Token, "two")
		k.ok(k.DropPark(k.Context(), k.parked(u.ID)))
		for _, old := range []string{"one", "two"} {
			k.refused(park(old), fault.Duplicate, state.ErrStale)
		}
		_, ok, err := k.Park(k.Context(), u.ID)
		k.ok(err)
		equal(k, "parked", ok, false)
		ids, err := k.DueIDs(k.Context(), state.ParkQueue, start.Add(time.Hour), 1000)
		k.ok(err)
		equal(k, "due", slices.Contains(ids, u.ID), false)
		k.ok(park("three"))
		equal(k, "token", k.parked(u.ID).Token, "three")
		k.ok(k.PutPark(k.Context(), state.Park{Upload: u.ID, Gen: 2, Due: start, Token: "one"})) // of another generation
		doc := string(k.raw("U#"+u.ID, "PARK").Doc)
		equal(k, "a token in clear", strings.Contains(doc, "three") || strings.Contains(doc, `"one"`), false)
		equal(k, "place", k.raw("U#"+u.ID, "PARK").Index[table.Due].PK != "", true)
	}},
	{"the memory for tokens is bounded", func(k *kit) {
		u := k.fresh()
		for n := range 300 {
			k.ok(k.PutPark(k.Context(), state.Park{Upload: u.ID, Gen: 1, Due: start, Token: fmt.Sprint("token", n)}))
		}
		equal(k, "bytes", len(k.raw("U#"+u.ID, "PARK").Doc) < 3000, true)
	}},
}
