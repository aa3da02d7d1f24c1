package workflow_test

import (
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/upload"
)

func TestAVideoIsCarriedInRangesAndPublishedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.one()
	r.run(time.Hour)
	u := r.upload(id)
	if u.Status != upload.Published || !u.Settled || len(r.mem.Posts()) != 1 || r.mem.Received() != 1000 || u.Gen != 1 {
		t.Fatalf("got %s gen %d settled %v, %d posts, %d bytes\n%s", u.Status, u.Gen, u.Settled, len(r.mem.Posts()), r.mem.Received(), r.timeline(id))
	}
	r.sound(id)
	names := map[string]int{}
	for _, o := range r.sent {
		names[o.Type]++
	}
	if names["upload.published"] != 1 || names["publication.finished"] != 1 {
		t.Errorf("events sent: %v", names)
	}
}
