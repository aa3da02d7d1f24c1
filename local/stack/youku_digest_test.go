package stack_test

import (
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// reads are the offsets at which a digest read the source.
type reads struct {
	mu sync.Mutex
	at []int64
	on func(n int, offset int64) // called with the number of the read, from 1
}

func (r *reads) heard(offset, _ int64) {
	r.mu.Lock()
	r.at = append(r.at, offset)
	n := len(r.at)
	r.mu.Unlock()
	if r.on != nil {
		r.on(n, offset)
	}
}

func (r *reads) all() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.at)
}

// slowDigest is a world whose source gives a digest 1 KiB in 40 s, so that a function's 300 s are enough for 7 reads.
func slowDigest(r *reads, spoil func(int64, io.ReadCloser) io.ReadCloser) ykOptions {
	return ykOptions{
		Steps: func(s *workflow.Settings) { s.DigestStep = kib },
		Source: func(s source.Source) source.Source {
			return slow{Source: s, of: "initupload", size: kib, each: 40 * time.Second, heard: r.heard, spoil: spoil}
		},
	}
}

func TestADigestThatOutlastsItsFunctionFinishesAndReadsNothingTwice(t *testing.T) {
	t.Parallel()
	var r reads
	ykBubble(t, slowDigest(&r, nil), func(t *testing.T, y *ykWorld) {
		body := film(7, 24*kib)
		y.drop(filmKey, body)
		u := y.ended(filmKey, upload.Published)
		y.once(u, body) // Youku compared the MD5 with the bytes
		at := r.all()
		if len(at) != 24 || !slices.IsSorted(at) || len(slices.Compact(at)) != 24 {
			t.Errorf("read at %v%s", at, y.timeline(u.ID))
		}
		if u.Hashing != nil || u.Gen != 1 {
			t.Errorf("hashing %+v, generation %d", u.Hashing, u.Gen)
		}
	})
}

func TestADigestGoesOnAfterARestartWhereItWas(t *testing.T) {
	t.Parallel()
	var r reads
	ykBubble(t, slowDigest(&r, nil), func(t *testing.T, y *ykWorld) {
		r.on = func(n int, _ int64) {
			if n == 12 {
				y.g.kill()
			}
		}
		body := film(7, 24*kib)
		y.drop(filmKey, body)
		u := y.ended(filmKey, upload.Published)
		y.once(u, body)
		at := r.all()
		if len(at) > 26 || len(at) < 24 || at[12] == 0 || u.Gen < 2 {
			t.Errorf("%d reads, after the restart from %d, generation %d", len(at), at[12], u.Gen)
		}
	})
}

func TestASourceReplacedDuringTheDigestFailsAndNothingIsCreated(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*ykWorld){
		"replaced": func(y *ykWorld) { y.src.Put(stack.Inbox, filmKey, film(99, 24*kib), nil) },
		"deleted":  func(y *ykWorld) { y.src.Delete(stack.Inbox, filmKey) },
	} {
		t.Run(name, func(t *testing.T) {
			var r reads
			ykBubble(t, slowDigest(&r, nil), func(t *testing.T, y *ykWorld) {
				r.on = func(n int, _ int64) {
					if n == 10 {
						change(y)
					}
				}
				y.drop(filmKey, film(7, 24*kib))
				synctest.Wait()
				id := y.of(filmKey, stack.DemoYouku).ID
				y.drive(6*time.Hour, func() bool {
					u, err := y.see.Upload(t.Context(), id)
					return err == nil && u.Status.Terminal() && u.Settled
				})
				u, err := y.see.Upload(t.Context(), id)
				if err != nil || u.Status != upload.Failed || u.Reason != "invalid" {
					t.Errorf("got %s, %v%s", u.String(), err, y.timeline(id))
				}
				if y.asked("create") != 0 || len(y.oss.Requests(0)) != 0 {
					t.Errorf("%d creates, %d requests to the storage", y.asked("create"), len(y.oss.Requests(0)))
				}
			})
		})
	}
}

// flipped changes a body's first byte, as a bad memory would.
type flipped struct {
	io.ReadCloser
	done bool
}

func (f *flipped) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if n > 0 && !f.done {
		p[0] ^= 1
		f.done = true
	}
	return n, err
}

// TestAWrongMD5IsFoundAtCommitAndTakenAnew: the digest saw other bytes than were sent. The commit is refused, the file is
// read again, and a new session publishes it.
func TestAWrongMD5IsFoundAtCommitAndTakenAnew(t *testing.T) {
	t.Parallel()
	var r reads
	spoiled := false
	o := slowDigest(&r, func(offset int64, b io.ReadCloser) io.ReadCloser {
		if offset != 0 || spoiled {
			return b
		}
		spoiled = true
		return &flipped{ReadCloser: b}
	})
	ykBubble(t, o, func(t *testing.T, y *ykWorld) {
		body := film(7, 24*kib)
		y.drop(filmKey, body)
		u := y.ended(filmKey, upload.Published)
		y.once(u, body)
		if n := len(r.all()); n != 48 || u.Session != 2 || u.Reopened != 1 || y.asked("commit") != 2 {
			t.Errorf("%d reads for digests, session %d, reopened %d, %d commits%s", n, u.Session, u.Reopened, y.asked("commit"), y.timeline(u.ID))
		}
	})
}
