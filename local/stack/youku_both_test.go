package stack_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/upload"
)

func both() ykOptions {
	return ykOptions{Accounts: []upload.Account{stack.DemoAccount, stack.DemoYouku}, Sidecar: manifest.SidecarRequired}
}

func TestOneDropIsPublishedOnDouyinAndYouku(t *testing.T) {
	t.Parallel()
	ykBubble(t, both(), func(t *testing.T, y *ykWorld) {
		body := film(7, 24*kib)
		y.drop(filmKey, body)
		y.sidecar(filmKey, titled(map[string]any{"title": "First light", "tags": []string{"demo", "测试"}, "to": []string{"douyin/main", "youku/main"}}))
		u := y.ended(filmKey, upload.Published)
		d := y.of(filmKey, stack.DemoAccount)
		if d.Status != upload.Published {
			t.Errorf("Douyin: %s %s%s", d.String(), told(d), y.timeline(d.ID))
		}
		y.once(u, body)
		y.sentOnce(6)
		if ps := y.fake.Effects().Posts; len(ps) != 1 || ps[0].Size != int64(len(body)) {
			t.Errorf("Douyin has %+v", ps)
		}
		if n := y.out.distinct("publication.finished"); n != 1 {
			t.Errorf("%d events publication.finished", n)
		}
	})
}

func TestOneTargetThatFailsLeavesTheOtherPublished(t *testing.T) {
	t.Parallel()
	t.Run("Youku refuses the title", func(t *testing.T) {
		ykBubble(t, both(), func(t *testing.T, y *ykWorld) {
			y.drop(filmKey, film(7, 24*kib))
			y.sidecar(filmKey, `{"title":"a banned word","tags":["demo"]}`)
			u := y.ended(filmKey, upload.Failed)
			if u.Reason != "invalid" || !strings.Contains(told(u), "120010104") || u.Fault.Field != "title" {
				t.Errorf("got %s: %+v", u.String(), u.Fault)
			}
			if d := y.of(filmKey, stack.DemoAccount); d.Status != upload.Published || len(y.fake.Effects().Posts) != 1 {
				t.Errorf("Douyin: %s %s", d.String(), told(d))
			}
			if n := len(y.yk.Effects().Posts); n != 0 {
				t.Errorf("Youku has %d videos", n)
			}
		})
	})
	t.Run("Douyin refuses the video", func(t *testing.T) {
		ykBubble(t, both(), func(t *testing.T, y *ykWorld) {
			y.check(y.fake.Inject(fake.Fault{Op: "part_init", Times: -1, Status: http.StatusForbidden}))
			body := film(7, 24*kib)
			y.drop(filmKey, body)
			y.sidecar(filmKey, `{"title":"fine","tags":["demo"]}`)
			y.ended(filmKey, upload.Published)
			if d := y.of(filmKey, stack.DemoAccount); d.Status != upload.Failed || len(y.fake.Effects().Posts) != 0 {
				t.Errorf("Douyin: %s %s", d.String(), told(d))
			}
			posts := y.yk.Effects().Posts
			if len(posts) != 1 {
				t.Fatalf("Youku has %d videos", len(posts))
			}
			y.holds(posts[0].ID, body)
		})
	})
}

// TestAVideoThatLivesInOSSIsPublished: the source is a bucket of OSS, read through shared/source/ossource.
func TestAVideoThatLivesInOSSIsPublished(t *testing.T) {
	t.Parallel()
	o := both()
	o.FromOSS, o.Sidecar = true, manifest.SidecarNever
	ykBubble(t, o, func(t *testing.T, y *ykWorld) {
		body := film(7, 24*kib)
		y.put(filmKey, body)
		u := y.ended(filmKey, upload.Published)
		d := y.of(filmKey, stack.DemoAccount)
		if d.Status != upload.Published || d.Source.ETag == "" {
			t.Errorf("Douyin: %s %s", d.String(), told(d))
		}
		if ps := y.fake.Effects().Posts; len(ps) != 1 || ps[0].SHA256 != y.sum(body) {
			t.Errorf("Douyin has %+v", ps)
		}
		y.once(u, body)
	})
}
