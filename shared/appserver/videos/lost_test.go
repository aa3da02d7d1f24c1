package videos_test

import (
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/ranked"
	"github.com/vodlift/vodlift/shared/appserver/videos"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/vod"
)

// A table that loses requests and answers, and whose index lags, costs tries and no truth: every video ends in its lists
// once, or not at all, and every counter agrees.
func TestALossyTableLosesNothing(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := newRig(t, videos.Settings{})
			var on atomic.Bool
			rnd := mrand.New(mrand.NewPCG(seed, 1))
			lossy := r.db.Share(&sqlite.Options{Now: r.clock.Now, IndexLag: func() int { return rnd.IntN(3) }, Lose: func(string) sqlite.Loss {
				if !on.Load() {
					return sqlite.NotLost
				}
				if n := rnd.IntN(16); n < 4 {
					return []sqlite.Loss{sqlite.Refused, sqlite.LostBefore, sqlite.LostAfter, sqlite.Resent}[n]
				}
				return sqlite.NotLost
			}})
			defer lossy.Close()
			r.Store = remake(r, lossy)
			deleted, kept := map[string]bool{}, []string{}
			for i := range 8 {
				id := r.uploaded("1")
				on.Store(true)
				published := until(t, func() error { return r.Publish(t.Context(), "1", "a", id, videos.Facts{}) }, videos.ErrPublished)
				r.pass(id)
				until(t, func() error {
					return r.Callback(t.Context(), callback.Event{Platform: callback.AliVOD, Type: "AIMediaAuditComplete", Remotes: []string{id}})
				})
				if i%3 == 0 && published {
					until(t, func() error { return r.Delete(t.Context(), "1", id) })
					deleted[id] = true
				} else {
					kept = append(kept, id)
				}
				on.Store(false)
			}
			for range 40 {
				r.p.Change(kept[0], func(*vod.Video) {})
				for _, id := range kept {
					r.p.Judge(id, "success", "pass")
				}
				r.work(20 * time.Minute)
			}
			slices.Reverse(kept)
			if got := r.recommended(); !slices.Equal(got, kept) {
				t.Errorf("recommended is %v, want %v", got, kept)
			}
			if n, err := ranked.Total(t.Context(), r.db, videos.PersonalList("1")); err != nil || int(n) != len(kept) {
				t.Errorf("the personal list counts %d (%v), want %d", n, err, len(kept))
			}
			for id := range deleted {
				if r.p.Has(id) {
					t.Errorf("%s is still at the platform", id)
				}
			}
			for _, id := range kept {
				if n := len(r.p.Jobs(id)); n < 1 || n > 3 {
					t.Errorf("%s was reviewed %d times", id, n)
				}
			}
		})
	}
}

// until repeats a call as a client does, until it succeeds or says that it is done already.
func until(t *testing.T, call func() error, done ...error) bool {
	t.Helper()
	var err error
	for range 50 {
		err = call()
		if err == nil || slices.ContainsFunc(done, func(d error) bool { return errors.Is(err, d) }) {
			return true
		}
	}
	t.Fatal(err)
	return false
}
