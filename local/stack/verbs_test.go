package stack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
)

// able is a platform that can be asked everything.
func able() memtarget.Options { return memtarget.Options{Inspector: true, Denies: true} }

// bubble runs a test in a world of its own.
func bubble(t *testing.T, o worldOptions, fn func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		defer w.close()
		fn(t, w)
	})
}

// stopAt lets the first such call of the platform wait until go on is called, or its context ends.
func (w *world) stopAt(op memtarget.Op, when memtarget.When) (reached <-chan struct{}, goOn func()) {
	at, on := make(chan struct{}), make(chan struct{})
	var first atomic.Bool // no lock: who waits for one keeps the bubble's clock from moving
	w.mem.Hook(func(ctx context.Context, c memtarget.Call) error {
		if c.Op == op && c.When == when && first.CompareAndSwap(false, true) {
			close(at)
			select {
			case <-on:
			case <-ctx.Done():
			}
		}
		return nil
	})
	return at, sync.OnceFunc(func() { close(on) })
}

// must ends the test when nothing comes of something within a day.
func (w *world) must(what string, cond func() bool) {
	w.t.Helper()
	if !w.drive(24*time.Hour, cond) {
		for _, u := range w.uploads() {
			w.t.Log(u.String() + w.timeline(u.ID))
		}
		w.t.Fatalf("it never came to this: %s", what)
	}
}

func (w *world) is(key string, s upload.Status, reason string) func() bool {
	return func() bool {
		us := w.uploads()
		if len(us) == 0 {
			return false
		}
		u := w.upload(key)
		return u.Status == s && u.Reason == reason
	}
}

// ended waits for the end, checks status and tidiness, and gives the upload.
func (w *world) ended(key string, want upload.Status) state.Upload {
	w.t.Helper()
	w.must("settled", w.settled)
	w.drive(3*time.Hour, func() bool { return len(w.tidy()) == 0 })
	u := w.upload(key)
	if u.Status != want {
		w.t.Fatalf("got %s, want %s%s", u.String(), want, w.timeline(u.ID))
	}
	for _, wrong := range w.tidy() {
		w.t.Error(wrong)
	}
	return u
}

func TestASourceThatChangesDuringTheUploadFailsItAndNothingIsPosted(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world){
		"replaced": func(w *world) { w.src.Put("inbox", filmKey, film(99, 24*kib), nil) },
		"deleted":  func(w *world) { w.src.Delete("inbox", filmKey) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, worldOptions{Mem: able()}, func(t *testing.T, w *world) {
				changed := make(chan struct{})
				w.mem.Hook(func(ctx context.Context, c memtarget.Call) error {
					if c.Op == memtarget.UploadPart && c.When == memtarget.Before && w.mem.Calls(memtarget.UploadPart) > 1 {
						<-changed // all parts but the first are read after the change
					}
					return nil
				})
				w.drop(filmKey, film(7, 24*kib))
				synctest.Wait()
				id := w.upload(filmKey).ID
				change(w)
				close(changed)
				w.must("an end", func() bool {
					u, err := w.see.Upload(t.Context(), id)
					return err == nil && u.Status.Terminal() && u.Settled
				})
				u, _ := w.see.Upload(t.Context(), id)
				if u.Status != upload.Failed || u.Reason != "invalid" || u.Fault == nil {
					t.Errorf("got %s%s", u.String(), w.timeline(u.ID))
				}
				if len(w.mem.Posts()) != 0 || w.mem.Open() != 0 {
					t.Errorf("%d posts, %d open sessions", len(w.mem.Posts()), w.mem.Open())
				}
			})
		})
	}
}

func TestTheSameDropTwiceIsOnePublication(t *testing.T) {
	t.Parallel()
	bubble(t, worldOptions{Mem: able()}, func(t *testing.T, w *world) {
		body := film(7, 24*kib)
		w.drop(filmKey, body)
		w.event(filmKey)
		w.ended(filmKey, upload.Published)
		w.src.Put("inbox", filmKey, body, nil)
		w.event(filmKey)
		time.Sleep(time.Hour)
		w.ended(filmKey, upload.Published)
		if len(w.mem.Posts()) != 1 || w.mem.Received() != int64(len(body)) {
			t.Errorf("%d posts, %d bytes sent", len(w.mem.Posts()), w.mem.Received())
		}
	})
}

func TestTheSameBytesUnderAnotherNameAreRefusedNamingTheFirst(t *testing.T) {
	t.Parallel()
	bubble(t, worldOptions{Mem: able()}, func(t *testing.T, w *world) {
		w.drop(filmKey, film(7, 24*kib))
		first := w.ended(filmKey, upload.Published)
		w.drop("other.mp4", film(7, 24*kib))
		u := w.ended("other.mp4", upload.Failed)
		if u.Reason != "duplicate" || u.Fault == nil || !strings.Contains(u.Fault.Text, first.ID) || !strings.Contains(u.Fault.Text, first.Post.ID) {
			t.Errorf("got %s: %+v", u.String(), u.Fault)
		}
		if len(w.mem.Posts()) != 1 {
			t.Errorf("%d posts", len(w.mem.Posts()))
		}
	})
}

func TestAnAgainLabelMakesASecondPost(t *testing.T) {
	t.Parallel()
	bubble(t, worldOptions{Mem: able(), Sidecar: manifest.SidecarRequired}, func(t *testing.T, w *world) {
		w.drop(filmKey, film(7, 24*kib))
		w.sidecar(filmKey, `{"title":"one"}`)
		w.ended(filmKey, upload.Published)
		w.sidecar(filmKey, `{"title":"one","again":"second"}`)
		w.must("two posts", func() bool { return len(w.mem.Posts()) == 2 && w.settled() })
		for _, u := range w.uploads() {
			if u.Status != upload.Published {
				t.Errorf("got %s", u.String())
			}
		}
	})
}

// sidecar puts the sidecar of a video into the bucket.
func (w *world) sidecar(key, doc string) {
	w.t.Helper()
	w.src.Put("inbox", manifest.SidecarKey(key), []byte(doc), nil)
	w.event(manifest.SidecarKey(key))
	synctest.Wait()
}

func TestAMendedSidecarStartsAFailedUploadAgain(t *testing.T) {
	t.Parallel()
	bubble(t, worldOptions{Mem: able(), Sidecar: manifest.SidecarRequired}, func(t *testing.T, w *world) {
		w.drop(filmKey, film(7, 24*kib))
		time.Sleep(time.Hour)
		w.sweep()
		id, err := w.see.ByObject(t.Context(), "inbox", filmKey)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := w.see.Publication(t.Context(), id); err != nil || p.Status != upload.Waiting || p.Reason != "manifest" {
			t.Fatalf("got %+v, %v; want WAITING(manifest)", p, err)
		}
		w.sidecar(filmKey, `{"titel":"x"}`)
		if p, err := w.see.Publication(t.Context(), id); err != nil || p.Status != upload.Waiting || p.Problem == nil || p.Problem.Field == "" {
			t.Fatalf("got %+v, %v; want the refused field", p, err)
		}
		w.mem.Fail(memtarget.Init, memtarget.Before, invalid("title"))
		w.sidecar(filmKey, `{"title":"too bold"}`)
		w.ended(filmKey, upload.Failed)
		w.sidecar(filmKey, `{"title":"mended"}`)
		w.ended(filmKey, upload.Published)
		if ps := w.mem.Posts(); len(ps) != 1 || ps[0].Title != "mended" {
			t.Errorf("got %+v", ps)
		}
		w.sidecar(filmKey, `{"title":"too late"}`)
		u := w.ended(filmKey, upload.Published)
		if u.Refused == nil || !strings.Contains(u.Refused.Text, u.Post.ID) {
			t.Errorf("the changed manifest after publishing: %+v", u.Refused)
		}
		if ps := w.mem.Posts(); len(ps) != 1 || ps[0].Title != "mended" {
			t.Errorf("got %+v", ps)
		}
	})
}

func TestCancelWinsUntilTheIntentAndIsRefusedThen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		op      memtarget.Op
		when    memtarget.When
		refused bool
	}{
		{"while the session is opened", memtarget.Init, memtarget.Before, false},
		{"when the session is open", memtarget.Init, memtarget.After, false},
		{"before a part", memtarget.UploadPart, memtarget.Before, false},
		{"after a part", memtarget.UploadPart, memtarget.After, false},
		{"before complete", memtarget.Complete, memtarget.Before, false},
		{"after complete", memtarget.Complete, memtarget.After, false},
		{"before the post", memtarget.Publish, memtarget.Before, true},
		{"after the post", memtarget.Publish, memtarget.After, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, worldOptions{Mem: able()}, func(t *testing.T, w *world) {
				reached, goOn := w.stopAt(c.op, c.when)
				w.drop(filmKey, film(7, 24*kib))
				<-reached
				_, err := w.m.Cancel(t.Context(), w.upload(filmKey).ID)
				if got := errors.Is(err, state.ErrRefused); got != c.refused || err != nil && !got {
					t.Errorf("cancel: %v, want refused %v", err, c.refused)
				}
				goOn()
				want, posts := upload.Cancelled, 0
				if c.refused {
					want, posts = upload.Published, 1
				}
				u := w.ended(filmKey, want)
				if len(w.mem.Posts()) != posts || w.mem.Open() != 0 {
					t.Errorf("%d posts, %d open sessions; want %d and none%s", len(w.mem.Posts()), w.mem.Open(), posts, w.timeline(u.ID))
				}
				if _, err := w.m.Retry(t.Context(), u.ID); !errors.Is(err, state.ErrRefused) {
					t.Errorf("retry of %s: %v", u.Status, err)
				}
			})
		})
	}
}

func TestCancelOfWhatWaitsAndOfWhatFailed(t *testing.T) {
	t.Parallel()
	t.Run("publish_at is far", func(t *testing.T) {
		bubble(t, worldOptions{Mem: able(), Sidecar: manifest.SidecarRequired}, func(t *testing.T, w *world) {
			w.drop(filmKey, film(7, 24*kib))
			w.sidecar(filmKey, fmt.Sprintf(`{"publish_at":%q}`, time.Now().Add(72*time.Hour).Format(time.RFC3339)))
			w.must("WAITING(due)", w.is(filmKey, upload.Waiting, "due"))
			if _, err := w.m.Cancel(t.Context(), w.upload(filmKey).ID); err != nil {
				t.Error(err)
			}
			w.ended(filmKey, upload.Cancelled)
			if w.mem.Total() != 0 {
				t.Errorf("%d calls of the platform", w.mem.Total())
			}
		})
	})
	t.Run("failed", func(t *testing.T) {
		bubble(t, worldOptions{Mem: able()}, func(t *testing.T, w *world) {
			w.mem.Fail(memtarget.Init, memtarget.Before, invalid("title"))
			w.drop(filmKey, film(7, 24*kib))
			u := w.ended(filmKey, upload.Failed)
			if _, err := w.m.Cancel(t.Context(), u.ID); err != nil {
				t.Error(err)
			}
			w.ended(filmKey, upload.Cancelled)
		})
	})
}

func TestPauseHoldsTheNextStepAndResumeGoesOn(t *testing.T) {
	t.Parallel()
	for _, scope := range []string{"global", "mem", "mem/a"} {
		t.Run(scope, func(t *testing.T) {
			bubble(t, worldOptions{Mem: able()}, func(t *testing.T, w *world) {
				reached, goOn := w.stopAt(memtarget.Complete, memtarget.Before)
				w.drop(filmKey, film(7, 24*kib))
				<-reached
				if err := w.m.Ledger.Pause(t.Context(), scope, true); err != nil {
					t.Fatal(err)
				}
				goOn()
				w.drive(20*time.Minute, func() bool { return false })
				if u := w.upload(filmKey); len(w.mem.Posts()) != 0 || u.Status != upload.Waiting || !strings.Contains(u.Reason, "paused") {
					t.Errorf("while paused: %s, %d posts", u.String(), len(w.mem.Posts()))
				}
				if err := w.m.Ledger.Pause(t.Context(), scope, false); err != nil {
					t.Fatal(err)
				}
				w.ended(filmKey, upload.Published)
			})
		})
	}
}

func TestRetryGoesOnFromWhereItFailed(t *testing.T) {
	t.Parallel()
	bubble(t, worldOptions{Mem: able()}, func(t *testing.T, w *world) {
		w.mem.Fail(memtarget.Complete, memtarget.Before, invalid("video"))
		body := film(7, 24*kib)
		w.drop(filmKey, body)
		u := w.ended(filmKey, upload.Failed)
		if _, err := w.m.Retry(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		w.ended(filmKey, upload.Published)
		if len(w.mem.Posts()) != 1 {
			t.Errorf("%d posts", len(w.mem.Posts()))
		}
		t.Logf("%d bytes sent for %d", w.mem.Received(), len(body))
	})
}

func TestAHeldUploadIsResolvedByAPerson(t *testing.T) {
	t.Parallel()
	t.Run("this is it", func(t *testing.T) {
		bubble(t, worldOptions{}, func(t *testing.T, w *world) {
			w.mem.Fail(memtarget.Publish, memtarget.After, nil)
			w.drop(filmKey, film(7, 24*kib))
			u := w.ended(filmKey, upload.Held)
			for _, verb := range []func(context.Context, string) (state.Upload, error){w.m.Cancel, w.m.Retry} {
				if _, err := verb(t.Context(), u.ID); !errors.Is(err, state.ErrRefused) {
					t.Errorf("a verb on a held upload: %v", err)
				}
			}
			if hs, err := w.m.HeldUploads(t.Context(), 10); err != nil || len(hs) != 1 || hs[0].ID != u.ID {
				t.Errorf("held: %v, %v", hs, err)
			}
			post := w.mem.Posts()[0].ID
			if _, err := w.m.ResolvePublished(t.Context(), u.ID, post); err != nil {
				t.Fatal(err)
			}
			u = w.ended(filmKey, upload.Published)
			if u.Post.ID != post || w.mem.Calls(memtarget.Publish) != 1 || w.out.distinct("upload.published") != 1 {
				t.Errorf("got %+v, %d calls of publish", u.Post, w.mem.Calls(memtarget.Publish))
			}
		})
	})
	t.Run("publish again", func(t *testing.T) {
		bubble(t, worldOptions{}, func(t *testing.T, w *world) {
			w.mem.Hook(func(ctx context.Context, c memtarget.Call) error {
				if c.Op == memtarget.Publish && c.When == memtarget.Before && w.mem.Calls(memtarget.Publish) == 1 {
					return errors.New("the request was lost")
				}
				return nil
			})
			w.drop(filmKey, film(7, 24*kib))
			u := w.ended(filmKey, upload.Held)
			if _, err := w.m.ResolvePublishAgain(t.Context(), u.ID); err != nil {
				t.Fatal(err)
			}
			w.ended(filmKey, upload.Published)
			if len(w.mem.Posts()) != 1 || w.mem.Calls(memtarget.Publish) != 2 {
				t.Errorf("%d posts, %d calls of publish", len(w.mem.Posts()), w.mem.Calls(memtarget.Publish))
			}
		})
	})
	t.Run("publish again is refused before settle_at", func(t *testing.T) {
		bubble(t, worldOptions{Mem: memtarget.Options{Inspector: true}}, func(t *testing.T, w *world) {
			// Two posts of the same title make the look give the matter to a person long before settle_at.
			w.mem.Hook(func(ctx context.Context, c memtarget.Call) error {
				if c.Op != memtarget.Publish || c.When != memtarget.After || w.mem.Calls(memtarget.Publish) != 1 {
					return nil
				}
				if err := w.postBeside(ctx, "a"); err != nil {
					t.Error(err)
				}
				return errors.New("the answer was lost")
			})
			w.drop(filmKey, film(7, 24*kib))
			w.must("HELD", w.is(filmKey, upload.Held, "unknown outcome"))
			u := w.upload(filmKey)
			if !time.Now().Before(u.Intent.SettleAt) {
				t.Fatalf("HELD only after settle_at: %s", w.timeline(u.ID))
			}
			if _, err := w.m.ResolvePublishAgain(t.Context(), u.ID); !errors.Is(err, state.ErrRefused) {
				t.Errorf("before settle_at: %v", err)
			}
			w.ended(filmKey, upload.Held)
		})
	})
}

// postBeside makes a post of the same title by hand, as the account's owner could.
func (w *world) postBeside(ctx context.Context, title string) error {
	t := w.mem.Target("mem/a")
	v := upload.Video{Account: "mem/a", Title: title, Size: 1}
	plan := upload.Plan{Size: 1, Parts: 1, PartSize: 1, Ranges: 1, PartsPerRange: 1, InFlight: 1}
	s, err := t.Init(ctx, v, plan)
	if err != nil {
		return err
	}
	r, err := t.UploadPart(ctx, s, partOf(plan, 1, []byte{1}))
	if err != nil {
		return err
	}
	a, err := t.Complete(ctx, s, []upload.Receipt{r})
	if err != nil {
		return err
	}
	_, err = t.Publish(ctx, v, s, a)
	return err
}

func TestAFuturePublishAtIsKept(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{20 * time.Second, 10 * time.Minute, 20 * time.Hour, 30 * 24 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			bubble(t, worldOptions{Mem: able(), Sidecar: manifest.SidecarRequired}, func(t *testing.T, w *world) {
				at := time.Now().Add(ahead).Truncate(time.Second)
				w.drop(filmKey, film(7, 24*kib))
				w.sidecar(filmKey, fmt.Sprintf(`{"publish_at":%q}`, at.Format(time.RFC3339)))
				if ahead > time.Hour { // nothing has to happen: no need for a sweep a minute
					w.drive(5*time.Minute, func() bool { return false })
					time.Sleep(ahead - time.Hour)
				}
				w.ended(filmKey, upload.Published)
				p := w.mem.Posts()[0]
				if p.At.Before(at) || p.At.After(at.Add(2*time.Minute)) {
					t.Errorf("posted %v after publish_at", p.At.Sub(at))
				}
			})
		})
	}
}

func TestALostSessionIsOpenedAgain(t *testing.T) {
	t.Parallel()
	bubble(t, worldOptions{Mem: able()}, func(t *testing.T, w *world) {
		reached, goOn := w.stopAt(memtarget.UploadPart, memtarget.After)
		w.drop(filmKey, film(7, 24*kib))
		<-reached
		w.mem.Lose()
		goOn()
		u := w.ended(filmKey, upload.Published)
		if len(w.mem.Posts()) != 1 || u.Session != 2 {
			t.Errorf("%d posts, session %d", len(w.mem.Posts()), u.Session)
		}
	})
}

func TestAnObjectWithoutARouteWaitsVisibly(t *testing.T) {
	t.Parallel()
	bubble(t, worldOptions{Routes: manifest.Routes{{Bucket: "inbox", Prefix: "a/", Accounts: []upload.Account{"mem/a"}, Sidecar: manifest.SidecarNever}}}, func(t *testing.T, w *world) {
		w.src.Put("inbox", "b/x.mp4", film(1, 24*kib), nil)
		in, err := w.m.Ingest(t.Context(), source.Object{Bucket: "inbox", Key: "b/x.mp4"})
		if err != nil || in.Status != string(upload.Waiting) || in.Reason != "route" {
			t.Errorf("got %+v, %v", in, err)
		}
	})
}

func partOf(p upload.Plan, n int, b []byte) target.Part {
	return target.Part{Part: p.Part(n), Parts: p.Parts, Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

// invalid is a refusal for good.
func invalid(field string) error {
	return fault.InvalidField("test", field, "as the platform likes it", "the platform does not like it")
}
