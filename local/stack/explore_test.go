package stack_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/shared/target/memtarget"
)

func TestSmoke(t *testing.T) {
	for _, d := range []bool{false, true} {
		start := time.Now()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{Douyin: d, Mem: memtarget.Options{Inspector: true, Denies: true}})
			defer w.close()
			w.drop("a.mp4", film(1, 24*kib))
			ok := w.drive(24*time.Hour, w.settled)
			u := w.upload("a.mp4")
			t.Log(ok, u.String(), time.Now(), len(w.g.order), w.tidy(), w.timeline(u.ID))
			for _, c := range w.g.order {
				t.Log(c)
			}
		})
		t.Log(time.Since(start))
	}
}
