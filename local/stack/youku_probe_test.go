package stack_test

import (
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	fakeyouku "github.com/vodlift/vodlift/local/fake/youku"
)

func TestProbe(t *testing.T) {
	for _, dup := range []string{"committed", "none"} {
		ykBubble(t, ykOptions{Youku: func(o *fakeyouku.Options) { o.Pace.Hidden = 3 * time.Hour; o.Readings.DuplicateOf = dup }}, func(t *testing.T, y *ykWorld) {
			y.inject(fake.Fault{Op: "commit", Cut: fake.CutAfter})
			y.drop(filmKey, film(7, 24*kib))
			y.drive(48*time.Hour, y.settled)
			u := y.uploads()[0]
			t.Logf("%s: %s; creates %d commits %d parts %d POSTS %d\n%s", u.String(), told(u), y.asked("create"), y.asked("commit"), y.oss.Counters()["upload_part"].Requests, len(y.yk.Effects().Posts), y.timeline(u.ID))
		})
	}
}
