package statetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

// op is one call of the ledger whose I/O gets lost, one after the other.
type op struct {
	name string
	make func(k *kit) state.Upload          // what it starts from
	do   func(k *kit, u state.Upload) error // the call
	must bool                               // it succeeds by itself; else its caller repeats it
	want func(k *kit, u, was state.Upload)  // the effect, once; u is as it is now
	tidy func(k *kit, u state.Upload)       // gives back what a next round needs
}

// lostRules runs each op with each of its calls refused, lost before or lost after, until one round meets none.
func lostRules() (rs []rule) {
	for _, o := range ops {
		rs = append(rs, rule{o.name, func(k *kit) {
			for name, f := range fates {
				for n, done := 1, false; !done; n++ {
					done = k.lose(o, name, f, n)
					if n > 100 {
						k.Fatalf("%s: no end of calls", name)
					}
				}
			}
		}})
	}
	return rs
}

// lose runs o with call n met by f, and says whether there was no call n.
func (k *kit) lose(o op, name string, f fate, n int) (none bool) {
	was := o.make(k)
	k.wire.plan(func(i int) fate {
		if i == n {
			return f
		}
		return kept
	})
	err := o.do(k, was)
	none = k.wire.count() < n
	k.wire.plan(nil)
	where := fmt.Sprintf("%s, %s at call %d", o.name, name, n)
	if err != nil && o.must {
		k.Fatalf("%s: %v", where, err)
	}
	for range 3 {
		if err == nil || errors.Is(err, state.ErrSuperseded) || fault.KindOf(err) == fault.Duplicate {
			break
		}
		err = o.do(k, was)
	}
	if err != nil && fault.KindOf(err) != fault.Duplicate {
		k.Fatalf("%s, repeated: %v", where, err)
	}
	defer func() {
		if k.Failed() {
			k.T.Log(where)
		}
	}()
	now := was
	if was.ID != "" {
		now = k.get(was.ID)
	}
	o.want(k, now, was)
	if o.tidy != nil {
		o.tidy(k, now)
	}
	k.forget()
	return none
}

func (k *kit) once(u state.Upload, what ...string) {
	k.Helper()
	es := k.events(u.ID)
	equal(k, "events", len(es), len(what))
	for i, e := range es {
		equal(k, "event", e.Type, what[i])
	}
}

// accountFree says whether another upload of u's account may have an intent.
func (k *kit) accountFree(u state.Upload) bool {
	k.Helper()
	two := k.sibling(u, "")
	two.Source.Size++
	two = k.ready(two)
	_, err := k.RecordIntent(k.Context(), two.ID, 1, k.intent("other"), fine)
	if err != nil {
		k.refused(err, fault.Retryable, state.ErrBusyAccount)
	}
	return err == nil
}

func granted(k *kit) state.Upload {
	u := k.create(k.fresh())
	k.take(k.Ledger, u, 5)
	return k.get(u.ID)
}

func whole(k *kit, u, _ state.Upload) { k.pools(k.Ledger, u.Account, 40, 20) }

var ops = []op{
	{name: "CreateUpload", must: true, make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error { // beside one that is there, so that there is something to read
			_, err := k.CreateUpload(k.Context(), state.Upload{ID: u.ID + "x", Account: u.Account, Revision: 3})
			return err
		},
		want: func(k *kit, u, _ state.Upload) {
			made := k.get(u.ID + "x")
			equal(k, "revision", made.Revision, 3)
			equal(k, "gen", made.Gen, 1)
		}},
	{name: "Update", must: true, make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			_, err := k.Update(k.Context(), u.ID, 1, func(u *state.Upload) error { u.Counts.Passes++; return nil })
			return err
		},
		want: func(k *kit, u, _ state.Upload) { equal(k, "passes", u.Counts.Passes, 1) }},
	{name: "RecordIntent", must: true, make: func(k *kit) state.Upload { return k.ready(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			got, err := k.RecordIntent(k.Context(), u.ID, 1, k.intent("w"), fine)
			if err == nil && got.Intent.WriteID != "w" {
				return errors.New("another's intent")
			}
			return err
		},
		want: func(k *kit, u, was state.Upload) {
			equal(k, "attempt", u.Attempt, 1)
			equal(k, "progress", u.Progress, was.Progress)
			equal(k, "account free", k.accountFree(u), false)
			same := k.ready(k.sibling(u, ""))
			_, err := k.RecordIntent(k.Context(), same.ID, 1, k.intent("w2"), fine)
			k.refused(err, fault.Unknown, state.ErrClaimed)
		}},
	{name: "CloseIntent", must: true, make: func(k *kit) state.Upload { return k.publishing(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			_, err := k.CloseIntent(k.Context(), u.ID, 1, 1, state.IntentRefused, func(u *state.Upload) error {
				u.Reopened++
				return u.To(upload.EvRefused, "")
			})
			return err
		},
		want: func(k *kit, u, _ state.Upload) {
			equal(k, "result", u.Intent.Result, state.IntentRefused)
			equal(k, "reopened", u.Reopened, 1)
			equal(k, "account free", k.accountFree(u), true)
		}},
	{name: "RecordPost", must: true, make: func(k *kit) state.Upload { return k.publishing(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			_, err := k.RecordPost(k.Context(), u.ID, 1, upload.Post{ID: "p-" + u.ID}, func(u *state.Upload) error { return u.To(upload.EvLive, "") })
			return err
		},
		want: func(k *kit, u, _ state.Upload) {
			equal(k, "post", u.Post.ID, "p-"+u.ID)
			equal(k, "extra", len(u.Extra), 0)
			k.once(u, "upload.published")
			equal(k, "account free", k.accountFree(u), true)
			by, err := k.PostClaimedBy(k.Context(), "douyin", "p-"+u.ID)
			k.ok(err)
			equal(k, "claimed by", by, u.ID)
		}},
	{name: "RecordPost of a second post", must: true, make: func(k *kit) state.Upload {
		u := k.publishing(k.fresh())
		u, err := k.RecordPost(k.Context(), u.ID, 1, upload.Post{ID: "p-" + u.ID}, fine)
		k.ok(err)
		return u
	},
		do: func(k *kit, u state.Upload) error {
			_, err := k.RecordPost(k.Context(), u.ID, state.AnyGen, upload.Post{ID: "q-" + u.ID}, fine)
			return err
		},
		want: func(k *kit, u, _ state.Upload) {
			equal(k, "extra", len(u.Extra), 1)
			k.once(u, "post.extra")
		}},
	{name: "TakeGrant", must: true, make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			_, n, err := k.TakeGrant(k.Context(), u.ID, 1, 5, func(u *state.Upload) error { u.Counts.Carries++; return nil })
			if err == nil && n != 5 {
				return fmt.Errorf("got %d", n)
			}
			return err
		},
		want: func(k *kit, u, _ state.Upload) {
			equal(k, "grant", u.Grant.N, 5)
			equal(k, "carries", u.Counts.Carries, 1)
			k.pools(k.Ledger, u.Account, 35, 15)
		},
		tidy: func(k *kit, u state.Upload) {
			_, err := k.ReleaseGrant(k.Context(), u.ID, 1)
			k.ok(err)
		}},
	{name: "ReleaseGrant", must: true, make: granted, want: whole,
		do: func(k *kit, u state.Upload) error { _, err := k.ReleaseGrant(k.Context(), u.ID, 1); return err }},
	{name: "Advance", must: true, make: granted,
		do: func(k *kit, u state.Upload) error { _, err := k.Advance(k.Context(), u.ID, 1, start, nil); return err },
		want: func(k *kit, u, was state.Upload) {
			equal(k, "gen", u.Gen, 2)
			whole(k, u, was)
		}},
	{name: "Requeue", must: true, make: granted,
		do: func(k *kit, u state.Upload) error {
			_, err := k.Requeue(k.Context(), u.ID, 1, start.Add(time.Minute), 2)
			return err
		},
		want: func(k *kit, u, was state.Upload) {
			equal(k, "due", u.Due, start.Add(time.Minute))
			whole(k, u, was)
		}},
	{name: "Settled", must: true, make: func(k *kit) state.Upload {
		u := granted(k)
		u, err := k.End(k.Context(), u.ID, 1, upload.EvFailed, "", nil)
		k.ok(err)
		return u
	},
		do: func(k *kit, u state.Upload) error { _, err := k.Settled(k.Context(), u.ID, 1); return err },
		want: func(k *kit, u, was state.Upload) {
			equal(k, "settled", u.Settled, true)
			whole(k, u, was)
		}},
	{name: "End", must: true, make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			_, err := k.End(k.Context(), u.ID, 1, upload.EvFailed, "", func(u *state.Upload) error { u.Progress++; return nil })
			return err
		},
		want: func(k *kit, u, _ state.Upload) {
			equal(k, "progress", u.Progress, 1)
			k.once(u, "upload.failed")
		}},
	{name: "TakeLease", must: true, make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			_, err := k.Ledger.TakeLease(k.Context(), u.ID, 1, 1, 1)
			return err
		},
		want: func(k *kit, u, _ state.Upload) { equal(k, "turns", k.rangeOf(u.ID).Turns, 1) }},
	{name: "Release after a renewal", must: true, make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			le, err := k.TakeLease(k.Context(), u.ID, 1, 1, 1)
			if err != nil {
				return err
			}
			if _, err := le.Renew(k.Context()); err != nil {
				return err
			}
			return le.Release(k.Context(), 0, 7, nil)
		},
		want: func(k *kit, u, _ state.Upload) {
			r := k.rangeOf(u.ID)
			equal(k, "turns", r.Turns, 1)
			equal(k, "barren", r.Barren, 1)
			equal(k, "bytes", r.Bytes, 7)
			equal(k, "owner", r.Owner, "")
		}},
	{name: "AddReceipts", must: true, make: func(k *kit) state.Upload {
		u := k.create(k.fresh())
		k.ok(k.AddReceipts(k.Context(), u.ID, 1, receipts(1, 2)))
		return u
	},
		do: func(k *kit, u state.Upload) error { return k.AddReceipts(k.Context(), u.ID, 1, receipts(1, 9)) },
		want: func(k *kit, u, _ state.Upload) {
			have, err := k.Receipts(k.Context(), u.ID, 1, 1, 100)
			k.ok(err)
			equal(k, "receipts", len(have), 9)
		}},
	{name: "PutSession", must: true, make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			return k.PutSession(k.Context(), u.ID, 1, upload.Session{ID: "s"})
		},
		want: func(k *kit, u, _ state.Upload) {
			s, err := k.Session(k.Context(), u.ID, 1)
			k.ok(err)
			equal(k, "session", s.ID, "s")
		}},
	{name: "PutPark", must: true, make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			return k.PutPark(k.Context(), state.Park{Upload: u.ID, Gen: 1, Due: start, Token: "t"})
		},
		want: func(k *kit, u, _ state.Upload) { equal(k, "token", k.parked(u.ID).Token, "t") }},
	{name: "RecordCallback", must: true, make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			_, _, err := k.RecordCallback(k.Context(), u.ID, heard("lost"+u.ID, 0, true), "x", func(u *state.Upload) error { u.Events++; return nil })
			return err
		},
		want: func(k *kit, u, _ state.Upload) {
			equal(k, "events", u.Events, int64(1))
			lines, err := k.Timeline(k.Context(), u.ID, 0)
			k.ok(err)
			equal(k, "lines", len(lines), 1)
		}},
	{name: "LinkRemote", must: true, make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			_, err := k.LinkRemote(k.Context(), "alivod", "r"+u.ID, u.ID)
			return err
		},
		want: func(k *kit, u, _ state.Upload) {
			of, err := k.RemoteOwner(k.Context(), "alivod", "r"+u.ID)
			k.ok(err)
			equal(k, "owner", of, u.ID)
		}},
	{name: "SessionDone", must: true, make: func(k *kit) state.Upload {
		u := k.create(k.fresh())
		k.ok(k.PutSession(k.Context(), u.ID, 1, upload.Session{ID: "s"}))
		return u
	},
		do: func(k *kit, u state.Upload) error { return k.SessionDone(k.Context(), u.ID, 1, start) },
		want: func(k *kit, u, _ state.Upload) {
			_, done, err := k.SessionState(k.Context(), u.ID, 1)
			k.ok(err)
			equal(k, "done", done, true)
		}},
	{name: "DropPark", make: func(k *kit) state.Upload {
		u := k.create(k.fresh())
		k.park(u.ID, 1, "t", start)
		return u
	},
		do: func(k *kit, u state.Upload) error {
			p, ok, err := k.Ledger.Park(k.Context(), u.ID)
			if err != nil || !ok {
				return err
			}
			return k.DropPark(k.Context(), p)
		},
		want: func(k *kit, u, _ state.Upload) {
			_, ok, err := k.Park(k.Context(), u.ID)
			k.ok(err)
			equal(k, "parked", ok, false)
		}},
	{name: "AddRevision", must: true, make: func(k *kit) state.Upload {
		p := k.publication()
		u := k.create(k.fresh())
		return k.change(u.ID, func(u *state.Upload) error { u.Publication = p.ID; return nil })
	},
		do: func(k *kit, u state.Upload) error {
			for _, h := range []string{"a", "b"} {
				if _, _, _, err := k.AddRevision(k.Context(), u.Publication, revision(h), []string{"u"}); err != nil {
					return err
				}
			}
			return nil
		},
		want: func(k *kit, u, _ state.Upload) {
			p, err := k.Publication(k.Context(), u.Publication)
			k.ok(err)
			equal(k, "revision", p.Revision, 2)
			r, err := k.Revision(k.Context(), p.ID, 2)
			k.ok(err)
			equal(k, "hash", r.Hash, "b")
		}},
	{name: "Finished", make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			_, err := k.Finished(k.Context(), u.Publication, "1.1", nil)
			return err
		},
		want: func(k *kit, u, _ state.Upload) { equal(k, "events", len(k.events(u.Publication)), 1) }},
	{name: "EnsurePublication", must: true, make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			_, err := k.EnsurePublication(k.Context(), state.Publication{ID: u.Publication, Source: u.Source})
			return err
		},
		want: func(k *kit, u, _ state.Upload) {
			p, err := k.Publication(k.Context(), u.Publication)
			k.ok(err)
			equal(k, "source", p.Source, u.Source)
		}},
	{name: "LinkObject", must: true, make: func(k *kit) state.Upload { return k.create(k.fresh()) },
		do: func(k *kit, u state.Upload) error {
			return k.LinkObject(k.Context(), "inbox", u.Source.Key, u.Publication)
		},
		want: func(k *kit, u, _ state.Upload) {
			id, err := k.ByObject(k.Context(), "inbox", u.Source.Key)
			k.ok(err)
			equal(k, "publication", id, u.Publication)
		}},
}
