package workflow_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
)

// handing is a platform where the app may not publish, and a person may.
type handing struct {
	target.Target
	check target.Checker
	h     *hands
}

type hands struct {
	n     int
	at    memtarget.Op // where the platform says that the app may not
	fails []error
	links []string // of the video
	life  time.Duration
	now   func() time.Time
	shown map[string]bool // posts that a person made
}

var errUnable = &fault.Error{Kind: fault.Permanent, Op: "mem", Code: "28001018", Effect: fault.EffectNone, Actor: fault.ActorOperator, Action: "apply for video.create.bind", Err: target.ErrCapability}

// Init refuses.
func (h handing) Init(ctx context.Context, v upload.Video, plan upload.Plan) (upload.Session, error) {
	if h.h.at == memtarget.Init {
		return upload.Session{}, errUnable
	}
	return h.Target.Init(ctx, v, plan)
}

// Publish refuses.
func (h handing) Publish(ctx context.Context, v upload.Video, s upload.Session, a upload.Asset) (upload.Post, error) {
	if h.h.at == memtarget.Publish {
		return upload.Post{}, errUnable
	}
	return h.Target.Publish(ctx, v, s, a)
}

// Handover implements target.Handoverer.
func (h handing) Handover(ctx context.Context, v upload.Video, video target.VideoLink) (target.Handed, error) {
	if len(h.h.fails) > 0 {
		err := h.h.fails[0]
		h.h.fails = h.h.fails[1:]
		return target.Handed{}, err
	}
	l, err := video(ctx, time.Hour)
	if err != nil {
		return target.Handed{}, err
	}
	h.h.n++
	h.h.links = append(h.h.links, l)
	return target.Handed{Link: fmt.Sprintf("scheme://share?%sSECRET%d", aSecret, h.h.n), ShareID: fmt.Sprintf("share-%d", h.h.n), Expires: h.h.now().Add(h.h.life)}, nil
}

// Check implements target.Checker.
func (h handing) Check(ctx context.Context, v upload.Video, p upload.Post) (target.Verdict, error) {
	if h.h.shown[p.ID] {
		return target.Verdict{State: target.Live}, nil
	}
	return h.check.Check(ctx, v, p)
}

// shared is the callback of a video that a person published by a hand-over.
func shared(item, share string) callback.Event {
	return callback.Event{Platform: "mem", Type: "create_video", Remotes: []string{item, share}, Key: item + share, Body: []byte(`{}`)}
}

func newHandRig(t *testing.T, at memtarget.Op, on bool) (*rig, *hands) {
	r := newRig(t, func(o *options) { o.set.Handover = map[string]bool{"mem": true, string(main): on} })
	h := &hands{at: at, life: time.Hour, now: r.clock.Now, shown: map[string]bool{}}
	r.wrap = func(t target.Target) target.Target { return handing{t, t.(target.Checker), h} }
	r.w.Link = func(_ context.Context, o source.Object, ct string, _ time.Duration) (string, error) {
		return "https://b/" + o.Key + "?" + ct + aSecret, nil
	}
	return r, h
}

func TestAnAppThatMayNotPublishFailsOrHandsOver(t *testing.T) {
	t.Parallel()
	permanent := fault.New(fault.Permanent, "mem", "the app may not even share")
	for _, at := range []memtarget.Op{memtarget.Init, memtarget.Publish} {
		for name, c := range map[string]struct {
			on    bool
			fails []error
			want  upload.Status
		}{
			"without the setting":    {false, nil, upload.Failed},
			"with it":                {true, nil, upload.Held},
			"the link comes later":   {true, []error{fault.New(fault.Unknown, "mem", "502"), fault.New(fault.TokenExpired, "mem", "old")}, upload.Held},
			"it cannot hand over":    {true, []error{permanent}, upload.Failed},
			"it is too large for it": {true, []error{fault.InvalidField("mem", "source.size", "<= 128 MiB", "too large")}, upload.Failed},
		} {
			t.Run(string(at)+"/"+name, func(t *testing.T) {
				t.Parallel()
				r, h := newHandRig(t, at, c.on)
				h.fails = c.fails
				id := r.one()
				r.run(6 * time.Hour)
				u := r.upload(id)
				reason := map[upload.Status]string{upload.Failed: "capability", upload.Held: "hand-over"}[c.want]
				if u.Status != c.want || u.Reason != reason || !u.Settled || !strings.Contains(u.Fault.Action, "video.create.bind") || u.Fault.Code != "28001018" {
					t.Errorf("got %s, %+v\n%s", u.String(), u.Fault, r.timeline(id))
				}
				if c.want == upload.Held && (h.n != 1 || !strings.Contains(h.links[0], "video/")) {
					t.Errorf("%d links, of %q", h.n, h.links)
				}
				if doc, err := r.w.ViewPublication(t.Context(), u.Publication, true); err != nil || strings.Contains(fmt.Sprintf("%+v", doc), "SECRET") {
					t.Errorf("the link is in the view (%v)", err)
				}
				if strings.Contains(r.log.String(), "SECRET") {
					t.Error("the link was logged")
				}
				r.sound(id)
			})
		}
	}
}

func TestAHandOverEndsByTheExactShareID(t *testing.T) {
	t.Parallel()
	r, h := newHandRig(t, memtarget.Publish, true)
	id := r.one()
	r.run(time.Hour)
	first, err := r.w.HandoverLink(t.Context(), id)
	if err != nil || !strings.Contains(first.Link, "SECRET1") || h.n != 1 {
		t.Fatalf("got %v, %d links", err, h.n)
	}
	r.clock.add(2 * time.Hour)
	second, err := r.w.HandoverLink(t.Context(), id) // the first is out of time
	if err != nil || !strings.Contains(second.Link, "SECRET2") || h.n != 2 {
		t.Fatalf("got %v, %d links", err, h.n)
	}
	post := func(item, share string) {
		t.Helper()
		if _, err := r.w.Callback(t.Context(), shared(item, share)); err != nil {
			t.Fatal(err)
		}
		r.run(time.Hour)
	}
	post("item-x", "share-99")
	if u := r.upload(id); !u.InHand() {
		t.Fatalf("another's share ended it: %s", u.String())
	}
	h.shown["item-1"] = true
	post("item-1", "share-1") // by the earlier link
	u := r.upload(id)
	if u.Status != upload.Published || u.Post == nil || u.Post.ID != "item-1" || !u.Settled {
		t.Fatalf("got %s\n%s", u.String(), r.timeline(id))
	}
	post("item-1", "share-1")
	post("item-2", "share-2")
	if u := r.upload(id); u.Post.ID != "item-1" || len(u.Extra) != 1 || u.Extra[0].ID != "item-2" || r.metrics["extra_posts"] != 1 {
		t.Errorf("post %+v, extra %+v, %v", u.Post, u.Extra, r.metrics)
	}
	if _, err := r.w.HandoverLink(t.Context(), id); err == nil {
		t.Error("a link for what is published")
	}
}

func TestAHandOverIsResolvedOrCancelledByAPerson(t *testing.T) {
	t.Parallel()
	t.Run("published", func(t *testing.T) {
		r, h := newHandRig(t, memtarget.Init, true)
		id := r.one()
		r.run(time.Hour)
		h.shown["item-1"] = true
		if _, err := r.w.ResolvePublished(t.Context(), id, "item-1"); err != nil {
			t.Fatal(err)
		}
		r.run(time.Hour)
		if u := r.upload(id); u.Status != upload.Published || u.Post.ID != "item-1" {
			t.Errorf("got %s", u.String())
		}
	})
	t.Run("again, once the link is out of time and the app may", func(t *testing.T) {
		r, h := newHandRig(t, memtarget.Init, true)
		id := r.one()
		r.run(time.Minute)
		if _, err := r.w.ResolvePublishAgain(t.Context(), id); err == nil || !strings.Contains(err.Error(), "link") {
			t.Fatalf("got %v while the link works", err)
		}
		if _, err := r.w.Retry(t.Context(), id); err == nil {
			t.Error("retried what a person may have published")
		}
		r.clock.add(time.Hour)
		h.at = ""
		if _, err := r.w.ResolvePublishAgain(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		r.run(time.Hour)
		r.want(id, upload.Published, 1)
	})
	t.Run("cancelled, and published by hand all the same", func(t *testing.T) {
		r, h := newHandRig(t, memtarget.Init, true)
		id := r.one()
		r.run(time.Minute)
		if _, err := r.w.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		r.run(time.Hour)
		r.want(id, upload.Cancelled, 0)
		h.shown["item-1"] = true
		if _, err := r.w.Callback(t.Context(), shared("item-1", "share-1")); err != nil {
			t.Fatal(err)
		}
		r.run(time.Hour)
		if u := r.upload(id); u.Status != upload.Published || u.Post == nil {
			t.Errorf("got %s: the post is a fact\n%s", u.String(), r.timeline(id))
		}
	})
}

func TestAHandOverThatAnotherUserPublishedIsNotThisUploads(t *testing.T) {
	t.Parallel()
	r, h := newHandRig(t, memtarget.Publish, true)
	r.w.Subject = func(context.Context, upload.Account) (string, error) { return "own-user", nil }
	id := r.one()
	r.run(time.Hour)
	if _, err := r.w.HandoverLink(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	h.shown["item-1"], h.shown["item-2"] = true, true
	for _, who := range []string{"other-user", ""} {
		e := shared("item-1", "share-1")
		e.Fields.OpenID, e.Key = who, "by "+who
		if _, err := r.w.Callback(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		r.run(time.Hour)
		if u := r.upload(id); !u.InHand() || u.Post != nil {
			t.Fatalf("a post of %q ended it: %s", who, u.String())
		}
	}
	e := shared("item-2", "share-1")
	e.Fields.OpenID = "own-user"
	if _, err := r.w.Callback(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	r.run(time.Hour)
	if u := r.upload(id); u.Status != upload.Published || u.Post == nil || u.Post.ID != "item-2" {
		t.Errorf("the account's own user: %s\n%s", u.String(), r.timeline(id))
	}
}
