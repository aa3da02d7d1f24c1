package statetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

func (k *kit) publication() state.Publication {
	k.Helper()
	u := k.fresh()
	p, err := k.EnsurePublication(k.Context(), state.Publication{ID: u.Publication, Source: u.Source, Status: upload.Waiting, Reason: "manifest"})
	k.ok(err)
	return p
}

func revision(hash string) state.Revision {
	return state.Revision{Hash: hash, From: "sidecar", Manifest: manifest.Manifest{Title: hash}}
}

var publicationRules = []rule{
	{"the same drop twice is one publication", func(k *kit) {
		p := k.publication()
		k.clock.Advance(time.Hour)
		again, err := k.EnsurePublication(k.Context(), state.Publication{ID: p.ID, Reason: "other"})
		k.ok(err)
		equal(k, "created", again.Created, start)
		equal(k, "reason", again.Reason, "manifest")
	}},
	{"revisions are numbered without gaps, the same hash is none", func(k *kit) {
		p := k.publication()
		for i, hash := range []string{"a", "a", "b", "a"} {
			want := []int{1, 1, 2, 3}[i]
			got, r, added, err := k.AddRevision(k.Context(), p.ID, revision(hash), []string{"u1", "u" + hash})
			k.ok(err)
			equal(k, "number", r.Number, want)
			equal(k, "in force", got.Revision, want)
			equal(k, "added", added, i != 1)
			equal(k, "status", got.Status, "")
		}
		p, err := k.Publication(k.Context(), p.ID)
		k.ok(err)
		equal(k, "uploads", strings.Join(p.Uploads, " "), "u1 ua ub")
	}},
	{"writers at once number revisions without gaps", func(k *kit) {
		p := k.publication()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for {
					_, _, _, err := k.AddRevision(k.Context(), p.ID, revision(fmt.Sprint("h", i)), nil)
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
		p, err := k.Publication(k.Context(), p.ID)
		k.ok(err)
		equal(k, "revisions", p.Revision, 8)
		seen := map[string]bool{}
		for n := 1; n <= 8; n++ {
			r, err := k.Revision(k.Context(), p.ID, n)
			k.ok(err)
			equal(k, "number", r.Number, n)
			seen[r.Hash] = true
		}
		equal(k, "hashes", len(seen), 8)
	}},
	{"writers at once with one manifest make one revision", func(k *kit) {
		p := k.publication()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, r, _, err := k.AddRevision(k.Context(), p.ID, revision("same"), nil); err != nil || r.Number != 1 {
					k.Errorf("got %d, %v", r.Number, err)
				}
			})
		}
		wg.Wait()
	}},
	{"a good manifest makes the refused one forgotten, also one that was in force before", func(k *kit) {
		p := k.publication()
		_, _, _, err := k.AddRevision(k.Context(), p.ID, revision("a"), nil)
		k.ok(err)
		_, err = k.UpdatePublication(k.Context(), p.ID, func(p *state.Publication) error { p.Problem = &state.Fault{Text: "bad"}; return nil })
		k.ok(err)
		got, r, added, err := k.AddRevision(k.Context(), p.ID, revision("a"), nil)
		k.ok(err)
		if got.Problem != nil || added || r.Number != 1 || r.Manifest.Title != "a" {
			k.Errorf("got %v, %v, %+v", got.Problem, added, r)
		}
	}},
	{"an object names its newest publication", func(k *kit) {
		key := k.fresh().Source.Key
		id, err := k.ByObject(k.Context(), "inbox", key)
		k.ok(err)
		equal(k, "nothing yet", id, "")
		for _, p := range []string{"p1", "p2", "p2", "p1"} {
			k.ok(k.LinkObject(k.Context(), "inbox", key, p))
			id, err := k.ByObject(k.Context(), "inbox", key)
			k.ok(err)
			equal(k, "newest", id, p)
		}
		for i := range 60 {
			k.ok(k.LinkObject(k.Context(), "inbox", key, fmt.Sprint("q", i)))
		}
		id, err = k.ByObject(k.Context(), "inbox", key)
		k.ok(err)
		equal(k, "newest", id, "q59")
		other, err := k.ByObject(k.Context(), "other", key)
		k.ok(err)
		equal(k, "another bucket", other, "")
	}},
	{"a list is by day and by creation, and stops at its limit", func(k *kit) {
		var want []string
		for range 12 {
			want = append(want, k.publication().ID)
			k.clock.Advance(5 * time.Hour)
		}
		list := func(since time.Time, limit int) string {
			ps, err := k.Publications(k.Context(), since, limit)
			k.ok(err)
			var ids []string
			for _, p := range ps {
				ids = append(ids, p.ID)
			}
			return strings.Join(ids, " ")
		}
		equal(k, "all", list(start, 100), strings.Join(want, " "))
		equal(k, "newest five", list(start, 5), strings.Join(want[len(want)-5:], " "))
		equal(k, "from the second day", list(start.Add(24*time.Hour), 100), strings.Join(want[3:], " "))
		equal(k, "tomorrow", list(k.clock.Now().Add(24*time.Hour), 100), "")
	}},
	{"a wait for a sidecar is due when it is over, and gone with the manifest", func(k *kit) {
		p := k.publication()
		_, err := k.UpdatePublication(k.Context(), p.ID, func(p *state.Publication) error { p.StartAt = start.Add(time.Minute); return nil })
		k.ok(err)
		due := func(at time.Time) string {
			ids, err := k.DueIDs(k.Context(), state.PubQueue, at, 10)
			k.ok(err)
			return strings.Join(ids, " ")
		}
		equal(k, "before", due(start.Add(59*time.Second)), "")
		equal(k, "then", due(start.Add(time.Minute)), p.ID)
		_, _, _, err = k.AddRevision(k.Context(), p.ID, revision("a"), nil)
		k.ok(err)
		equal(k, "after", due(start.Add(time.Hour)), "")
	}},
	{"uploads are listed by account and status, oldest first", func(k *kit) {
		u := k.create(k.fresh())
		k.clock.Advance(time.Second)
		v := k.create(k.sibling(u, ""))
		for _, x := range []state.Upload{v, u} {
			_, err := k.End(k.Context(), x.ID, 1, upload.EvLogin, "credentials", nil)
			k.ok(err)
		}
		us, err := k.ByStatus(k.Context(), u.Account, upload.NeedsLogin, 10)
		k.ok(err)
		equal(k, "number", len(us), 2)
		equal(k, "first", us[0].ID, u.ID)
		us, err = k.ByStatus(k.Context(), u.Account, upload.Waiting, 10)
		k.ok(err)
		equal(k, "waiting", len(us), 0)
	}},
}

var outboxRules = []rule{
	{"each end is announced once, however often it is written", func(k *kit) {
		for ev, want := range map[upload.Event]string{
			upload.EvHeld: "upload.held", upload.EvFailed: "upload.failed", upload.EvCancel: "upload.cancelled", upload.EvLogin: "account.needs_login",
		} {
			u := k.create(k.fresh())
			for range 2 {
				_, err := k.End(k.Context(), u.ID, 1, ev, "why", nil)
				if err != nil {
					k.refused(err, fault.Invalid, nil) // FAILED does not fail again
				}
			}
			es := k.events(u.ID)
			equal(k, want, len(es), 1)
			equal(k, "event", es[0].Type, want)
		}
	}},
	{"an end that did not happen is not announced", func(k *kit) {
		u := k.create(k.fresh())
		_, err := k.End(k.Context(), u.ID, 2, upload.EvFailed, "", nil)
		k.refused(err, fault.Duplicate, state.ErrSuperseded)
		_, err = k.End(k.Context(), u.ID, 1, upload.EvFailed, "", func(*state.Upload) error { return state.ErrRefused })
		k.refused(err, fault.Unknown, state.ErrRefused)
		equal(k, "events", len(k.events(u.ID)), 0)
	}},
	{"what was delivered is gone", func(k *kit) {
		u := k.create(k.fresh())
		_, err := k.End(k.Context(), u.ID, 1, upload.EvFailed, "", nil)
		k.ok(err)
		k.forget()
		k.forget()
		equal(k, "events", len(k.events(u.ID)), 0)
	}},
	{"a publication is finished once for a mark, by one caller", func(k *kit) {
		p := k.publication()
		for _, mark := range []string{"1.1", "1.2", strings.Repeat("1.", 2000)} {
			var wg sync.WaitGroup
			var mu sync.Mutex
			said := 0
			for range 6 {
				wg.Go(func() {
					did, err := k.Finished(k.Context(), p.ID, mark, []state.Upload{{Status: upload.Published}})
					if err != nil && fault.KindOf(err) != fault.Retryable {
						k.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					if did {
						said++
					}
				})
			}
			wg.Wait()
			equal(k, "callers", said, 1)
		}
		equal(k, "events", len(k.events(p.ID)), 3)
	}},
}
