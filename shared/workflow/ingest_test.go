package workflow_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

const sidecarKey = key + ".publish.json"

func sidecars(word manifest.Sidecar, accounts ...upload.Account) func(*options) {
	return func(o *options) {
		o.route.Sidecar = word
		if len(accounts) > 0 {
			o.route.Accounts = accounts
		}
	}
}

func (r *rig) publication(id string) state.Publication {
	r.t.Helper()
	p, err := r.ledger.Publication(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func TestWhatADropBecomes(t *testing.T) {
	t.Parallel()
	big := func(n int) string { return strings.Repeat("a", n) }
	for name, c := range map[string]struct {
		key, sidecar string
		metadata     map[string]string
		route        manifest.Sidecar
		uploads      int
		status       string // of the publication without uploads
		says         string // in the reason
	}{
		"a video on a route without sidecars":       {key: key, route: "never", uploads: 1},
		"a required sidecar is there":               {key: key, route: "required", sidecar: `{"title":"T"}`, uploads: 1},
		"a required sidecar is missing":             {key: key, route: "required", status: "WAITING", says: "manifest"},
		"an optional sidecar is waited for":         {key: key, route: "optional", status: "WAITING", says: "manifest"},
		"an optional sidecar is there":              {key: key, route: "optional", sidecar: `{}`, uploads: 1},
		"a sidecar is not looked for":               {key: key, route: "never", sidecar: `{"nonsense":1}`, uploads: 1},
		"no route":                                  {key: "elsewhere/v.mp4", route: "never", status: "WAITING", says: "route"},
		"a sidecar that is no JSON":                 {key: key, route: "required", sidecar: `{`, status: "WAITING", says: "JSON"},
		"a sidecar that is empty":                   {key: key, route: "required", sidecar: "", status: "WAITING", says: "manifest"},
		"unknown fields":                            {key: key, route: "optional", sidecar: `{"titel":"T"}`, status: "WAITING", says: "titel"},
		"an account that the route does not allow":  {key: key, route: "optional", sidecar: `{"to":["mem/other"]}`, status: "WAITING", says: "does not allow account mem/other"},
		"a malformed account":                       {key: key, route: "optional", sidecar: `{"to":["nonsense"]}`, status: "WAITING", says: "to[0]"},
		"a title over the limit":                    {key: key, route: "optional", sidecar: `{"title":"` + big(1001) + `"}`, status: "WAITING", says: "1 to 1000"},
		"a sidecar that is too large":               {key: key, route: "optional", sidecar: `{"title":"` + big(manifest.MaxBytes) + `"}`, status: "WAITING", says: "bytes"},
		"a publish time long past":                  {key: key, route: "optional", sidecar: `{"publish_at":"2020-01-01T00:00:00Z"}`, status: "WAITING", says: "publish_at"},
		"a cover, which no target takes yet":        {key: key, route: "optional", sidecar: `{"cover":{"at":1}}`, status: "WAITING", says: "cover"},
		"metadata instead of a sidecar":             {key: key, route: "never", metadata: map[string]string{"vodlift-title": "M"}, uploads: 1},
		"unknown metadata of ours":                  {key: key, route: "never", metadata: map[string]string{"vodlift-titel": "M"}, status: "WAITING", says: "vodlift-titel"},
		"metadata of others":                        {key: key, route: "never", metadata: map[string]string{"color": "red"}, uploads: 1},
		"a key with space, plus, percent and emoji": {key: "a/x y+z%20 视频 🎬.mp4", route: "never", uploads: 1},
		"a folder":                    {key: "a/b/", route: "never", says: "folder"},
		"a picture":                   {key: "a/cover.jpg", route: "never", says: "picture"},
		"a hidden file":               {key: "a/.DS_Store", route: "never", says: "hidden"},
		"an unfinished copy":          {key: "a/v.mp4.part", route: "never", says: "partial"},
		"a sidecar of a picture":      {key: "a/cover.jpg.publish.json", route: "never", says: "picture"},
		"a sidecar without its video": {key: "a/none.mp4.publish.json", route: "never", says: "no such object"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sidecars(c.route))
			if c.sidecar != "" {
				r.src.Put(inbox, manifest.SidecarKey(c.key), []byte(c.sidecar), nil)
			}
			in := r.drop(c.key, video(400, 1), c.metadata)
			if len(in.Uploads) != c.uploads || in.Status != c.status || !strings.Contains(in.Reason, c.says) {
				t.Fatalf("got %+v", in)
			}
			if again := r.event(c.key); again.Publication != in.Publication || len(again.Uploads) != c.uploads || again.Status != c.status {
				t.Errorf("the same event twice: %+v, then %+v", in, again)
			}
			if len(r.execs) != c.uploads {
				t.Errorf("%d executions, want %d", len(r.execs), c.uploads)
			}
			if c.status != "" && c.sidecar != "" && r.publication(in.Publication).Problem == nil {
				t.Error("the reason is not kept for people")
			}
		})
	}
}

func TestVideoAndSidecarMayComeInEitherOrder(t *testing.T) {
	t.Parallel()
	for _, word := range []manifest.Sidecar{manifest.SidecarRequired, manifest.SidecarOptional} {
		for _, first := range []string{"sidecar", "video"} {
			r := newRig(t, sidecars(word))
			if first == "sidecar" {
				if in := r.drop(sidecarKey, []byte(`{"title":"Mine"}`), nil); in.Publication != "" {
					t.Errorf("a lone sidecar: %+v", in)
				}
			}
			in := r.drop(key, video(400, 1), nil)
			if first == "video" {
				r.clock.add(30 * time.Second)
				r.due()
				if len(r.execs) != 0 {
					t.Fatal("it did not wait for its sidecar")
				}
				in = r.drop(sidecarKey, []byte(`{"title":"Mine"}`), nil)
			}
			r.run(time.Hour)
			r.want(in.Uploads[0], upload.Published, 1)
			if got := r.mem.Posts()[0].Title; got != "Mine" {
				t.Errorf("%s, %s first: title %q", word, first, got)
			}
		}
	}
}

func TestAnOptionalSidecarIsWaitedForAMinuteAndNotLonger(t *testing.T) {
	t.Parallel()
	r := newRig(t, sidecars(manifest.SidecarOptional))
	in := r.drop(key, video(400, 1), nil)
	r.clock.add(59 * time.Second)
	r.due()
	if len(r.execs) != 0 {
		t.Fatal("started after 59 s")
	}
	r.clock.add(time.Second)
	r.due()
	if len(r.execs) != 1 || r.publication(in.Publication).Revision != 1 {
		t.Fatalf("%d executions after 60 s", len(r.execs))
	}
	r.run(time.Hour)
	if got := r.mem.Posts(); len(got) != 1 || got[0].Title != "holiday" {
		t.Errorf("got %+v", got)
	}
}

func TestAMendedSidecarIsANewRevisionUntilItIsPublic(t *testing.T) {
	t.Parallel()
	r := newRig(t, sidecars(manifest.SidecarRequired))
	r.drop(sidecarKey, []byte(`{"titel":"T"}`), nil)
	in := r.drop(key, video(1000, 1), nil)
	if p := r.publication(in.Publication); p.Problem == nil || p.Problem.Field != "titel" {
		t.Fatalf("got %+v", p.Problem)
	}
	id := r.drop(sidecarKey, []byte(`{"title":"One"}`), nil).Uploads[0]
	if r.publication(in.Publication).Problem != nil {
		t.Error("the mended fault is still shown")
	}
	for range 3 { // in mid-upload
		r.enter(r.execs[0])
	}
	if bad := r.drop(sidecarKey, []byte(`{`), nil); !strings.Contains(bad.Reason, "JSON") || r.upload(id).Revision != 1 {
		t.Errorf("a broken one changes nothing: %+v", bad)
	}
	r.drop(sidecarKey, []byte(`{"title":"Two"}`), nil)
	r.run(time.Hour)
	r.want(id, upload.Published, 1)
	if p := r.mem.Posts()[0]; p.Title != "Two" {
		t.Errorf("published with title %q", p.Title)
	}
	late := r.drop(sidecarKey, []byte(`{"title":"Three"}`), nil)
	u := r.upload(id)
	if u.Refused == nil || !strings.Contains(late.Reason, u.Post.ID) || u.Revision != 2 || len(r.mem.Posts()) != 1 {
		t.Errorf("after publishing: %+v, refused %+v, revision %d", late, u.Refused, u.Revision)
	}
	lines := strings.Count(r.timeline(id), "a changed manifest was refused")
	if r.event(sidecarKey); strings.Count(r.timeline(id), "a changed manifest was refused") != lines || lines != 1 {
		t.Errorf("said %d times", lines)
	}
}

func TestAMendedManifestRevivesWhatFailed(t *testing.T) {
	t.Parallel()
	r := newRig(t, sidecars(manifest.SidecarOptional))
	r.drop(sidecarKey, []byte(`{"title":"One"}`), nil)
	r.mem.Fail("Init", 0, fault.InvalidField("mem", "title", "no such words", "the platform refuses it"))
	id := r.one()
	r.run(time.Hour)
	if u := r.upload(id); u.Status != upload.Failed || u.Fault.Field != "title" {
		t.Fatalf("got %s, %+v", u.String(), u.Fault)
	}
	r.drop(sidecarKey, []byte(`{"title":"Two"}`), nil)
	r.run(time.Hour)
	r.want(id, upload.Published, 1)
}

func TestToThatShrinksCancelsWhatIsNotPublic(t *testing.T) {
	t.Parallel()
	r := newRig(t, sidecars(manifest.SidecarOptional, main, second))
	r.drop(sidecarKey, []byte(`{"title":"T"}`), nil)
	in := r.drop(key, video(1000, 1), nil)
	if len(in.Uploads) != 2 {
		t.Fatalf("got %+v", in)
	}
	r.drop(sidecarKey, []byte(`{"title":"T","to":["mem/main"]}`), nil)
	r.run(time.Hour)
	r.want(in.Uploads[0], upload.Published, 1)
	r.want(in.Uploads[1], upload.Cancelled, 1)
	r.drop(sidecarKey, []byte(`{"title":"T","to":["mem/second"],"again":"b"}`), nil)
	r.run(time.Hour)
	if u := r.upload(in.Uploads[0]); u.Status != upload.Published || len(r.mem.Posts()) != 2 {
		t.Errorf("what is public stays: %s, %d posts", u.Status, len(r.mem.Posts()))
	}
}

func TestTheSameContentIsPostedOnceUnlessAgainIsSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t, sidecars(manifest.SidecarOptional))
	r.drop(sidecarKey, []byte(`{}`), nil)
	first := r.one()
	r.run(time.Hour)
	copyKey := "a/copy.flv"
	r.src.Put(inbox, copyKey+".publish.json", []byte(`{}`), nil)
	dup := r.drop(copyKey, video(1000, 1), nil).Uploads[0]
	r.run(time.Hour)
	r.want(dup, upload.Failed, 1)
	if u := r.upload(dup); u.Reason != "duplicate" || !strings.Contains(u.Fault.Text, first) || !strings.Contains(u.Fault.Text, r.upload(first).Post.ID) || !strings.Contains(u.Fault.Action, "again") {
		t.Errorf("got %s, %+v", u.String(), u.Fault)
	}
	again := r.drop(copyKey+".publish.json", []byte(`{"again":"two"}`), nil)
	r.run(time.Hour)
	if len(again.Uploads) != 1 || again.Uploads[0] == dup {
		t.Fatalf("got %+v", again)
	}
	r.want(again.Uploads[0], upload.Published, 2)
	same := r.event(key)
	if r.run(time.Hour); same.Uploads[0] != first || len(r.mem.Posts()) != 2 {
		t.Errorf("the same drop again: %+v, %d posts", same, len(r.mem.Posts()))
	}
}

func TestASourceThatIsReplacedOrDeletedFailsItsUploadOnly(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(*rig){
		"replaced": func(r *rig) { r.src.Put(inbox, key, video(1000, 7), nil) },
		"deleted":  func(r *rig) { r.src.Delete(inbox, key) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			id := r.one()
			r.enter(r.execs[0]) // the session is open
			happens(r)
			r.run(time.Hour)
			r.want(id, upload.Failed, 0)
			if u := r.upload(id); u.Reason != "invalid" || u.Fault.Step != "carry" {
				t.Errorf("got %s, %+v", u.String(), u.Fault)
			}
			if name == "replaced" {
				other := r.event(key)
				r.run(time.Hour)
				r.want(other.Uploads[0], upload.Published, 1)
			}
		})
	}
}

func TestOlderObjectsAreNotStarted(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.set.StartsFrom = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC) })
	if in := r.drop(key, video(400, 1), nil); in.Publication != "" || !strings.Contains(in.Reason, "starts_from") {
		t.Errorf("got %+v", in)
	}
	r.clock.add(2 * time.Hour)
	if in := r.drop(key, video(400, 1), nil); len(in.Uploads) != 1 {
		t.Errorf("got %+v", in)
	}
}

func TestSubmitTellsTheCallerWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bucket, key, manifest, field string
	}{
		"another bucket":    {"private", key, `{}`, "bucket"},
		"not a video":       {inbox, "a/cover.jpg", `{}`, "key"},
		"no such object":    {inbox, "a/none.mp4", `{}`, "key"},
		"unknown field":     {inbox, key, `{"titel":"x"}`, "titel"},
		"account not there": {inbox, key, `{"to":["mem/other"]}`, "to[0]"},
		"past":              {inbox, key, `{"publish_at":"2020-01-01T00:00:00Z"}`, "publish_at"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sidecars(manifest.SidecarRequired))
			r.src.Put(inbox, key, video(400, 1), nil)
			in, err := r.w.Submit(t.Context(), workflow.Request{Bucket: c.bucket, Key: c.key, Manifest: json.RawMessage(c.manifest)})
			if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field != c.field || f.Rule == "" || len(in.Uploads) != 0 || len(r.execs) != 0 {
				t.Errorf("got %+v, %v", in, err)
			}
		})
	}
}

func TestSubmitOutranksTheRouteWhenTheEventComesLater(t *testing.T) {
	t.Parallel()
	for _, word := range []manifest.Sidecar{manifest.SidecarNever, manifest.SidecarOptional, manifest.SidecarRequired} {
		r := newRig(t, sidecars(word))
		r.src.Put(inbox, key, video(1000, 1), nil)
		in, err := r.w.Submit(t.Context(), workflow.Request{Bucket: inbox, Key: key, Manifest: json.RawMessage(`{"title":"By call"}`)})
		if err != nil || len(in.Uploads) != 1 {
			t.Fatalf("got %+v, %v", in, err)
		}
		if _, err := r.w.Ingest(t.Context(), source.Object{Bucket: inbox, Key: key}); err != nil {
			t.Fatal(err)
		}
		r.run(time.Hour)
		r.want(in.Uploads[0], upload.Published, 1)
		if got := r.mem.Posts()[0].Title; got != "By call" {
			t.Errorf("%s: title %q", word, got)
		}
	}
}
