package workflow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
)

// held brings an upload to HELD with an unknown outcome; the post that the lost answer named is there.
func (r *rig) held() (id, post string) {
	r.t.Helper()
	r.mem.Fail(memtarget.Publish, memtarget.After, nil)
	r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
		if c.Op == memtarget.Inspect {
			return fault.New(fault.Unknown, "mem", "502")
		}
		return nil
	})
	id = r.one()
	r.run(6 * time.Hour)
	r.mem.Hook(nil)
	if u := r.upload(id); u.Status != upload.Held || len(r.mem.Posts()) != 1 {
		r.t.Fatalf("got %s with %d posts\n%s", u.String(), len(r.mem.Posts()), r.timeline(id))
	}
	return id, r.mem.Posts()[0].ID
}

// TestThePlatformIsAskedAboutThePostThatAPersonNames: a mistyped id would stand for good.
func TestThePlatformIsAskedAboutThePostThatAPersonNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		post    string // empty: the real one
		prepare func(r *rig, post string)
		change  func(o *options)
		taken   bool
		asked   int // of the platform, by the verb
	}{
		"shown":                      {taken: true, asked: 1},
		"blocked, but it is there":   {prepare: func(r *rig, post string) { r.mem.SetState(post, target.Blocked, "no") }, taken: true, asked: 1},
		"not shown":                  {prepare: func(r *rig, post string) { r.mem.SetState(post, target.Later, "") }, asked: 1},
		"mistyped":                   {post: "post99", asked: 1},
		"the platform cannot answer": {post: "post99", prepare: func(r *rig, _ string) { r.mem.Fail(memtarget.Check, memtarget.Before, nil) }, taken: true, asked: 1},
		"the target cannot be opened": {post: "post99", taken: true, prepare: func(r *rig, _ string) {
			r.opening = func() error { r.opening = nil; return fault.New(fault.CredentialsExpired, "rig", "revoked") }
		}},
		"a platform that cannot be asked": {post: "post99", taken: true, change: func(o *options) { o.mem.Checker = false }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, c.change)
			id, post := r.held()
			if c.prepare != nil {
				c.prepare(r, post)
			}
			if c.post != "" {
				post = c.post
			}
			before := r.mem.Calls(memtarget.Check)
			_, err := r.w.ResolvePublished(t.Context(), id, post)
			if got := r.mem.Calls(memtarget.Check) - before; got != c.asked {
				t.Errorf("the platform was asked %d times, want %d", got, c.asked)
			}
			u := r.upload(id)
			if c.taken && (err != nil || u.Post == nil || u.Post.ID != post) {
				t.Errorf("got %v, post %+v", err, u.Post)
			}
			if !c.taken && (!errors.Is(err, state.ErrRefused) || !strings.Contains(err.Error(), "does not show") || u.Status != upload.Held || u.Post != nil) {
				t.Errorf("got %v, %s, post %+v", err, u.Status, u.Post)
			}
		})
	}
}

func TestABadGatewayAfterSettleAtIsNotYetAPersonsBusiness(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fails int // looks after settle_at that fail
		held  bool
		looks int // after settle_at
	}{
		"one fails, the next answers":            {1, true, 2},
		"two fail, the third answers":            {2, true, 3},
		"three in a row are enough":              {3, true, 3},
		"all fail: bounded, and no look is more": {99, true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			id := r.toPublish()
			r.mem.Fail(memtarget.Publish, memtarget.Before, fault.New(fault.Unknown, "mem", "cut")) // nothing was posted, and the list denies nothing
			r.publish(id)
			settle, failed, looks := r.upload(id).Intent.SettleAt, 0, 0
			var at []time.Time
			r.mem.Hook(func(_ context.Context, k memtarget.Call) error {
				if k.Op != memtarget.Inspect || k.When != memtarget.Before || r.clock.Now().Before(settle) {
					return nil
				}
				at = append(at, r.clock.Now())
				if looks++; failed < c.fails {
					failed++
					return fault.New(fault.Unknown, "mem", "502")
				}
				return nil
			})
			r.execs[0].at = "FirstLook"
			r.run(6 * time.Hour)
			if u := r.upload(id); (u.Status == upload.Held) != c.held || looks != c.looks {
				t.Errorf("got %s after %d looks, want %d\n%s", u.String(), looks, c.looks, r.timeline(id))
			}
			for i := 1; i < len(at); i++ {
				if at[i].Sub(at[i-1]) < 30*time.Second {
					t.Errorf("looks %s and %s are too near to each other", at[i-1], at[i])
				}
			}
			r.sound(id)
		})
	}
	t.Run("a look that sees it after two failures adopts it", func(t *testing.T) {
		r := newRig(t, nil)
		id := r.toPublish()
		r.mem.Fail(memtarget.Publish, memtarget.After, nil)
		r.publish(id)
		settle, failed := r.upload(id).Intent.SettleAt, 0
		r.mem.Hook(func(_ context.Context, k memtarget.Call) error {
			if k.Op == memtarget.Inspect && k.When == memtarget.Before && (r.clock.Now().Before(settle) || failed < 2) {
				if !r.clock.Now().Before(settle) {
					failed++
				}
				return fault.New(fault.Unknown, "mem", "502")
			}
			return nil
		})
		r.execs[0].at = "FirstLook"
		r.run(6 * time.Hour)
		r.want(id, upload.Published, 1)
	})
}
