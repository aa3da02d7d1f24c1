package stack_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/shared/upload"
)

// TestOneFaultAtAnyRequestToYoukuOrItsStorageMakesOneVideo is the fault explorer's idea for Youku: every distinct request
// of a publication is made to fail in each way, one at a time. Since videos/show tells, all end PUBLISHED.
func TestOneFaultAtAnyRequestToYoukuOrItsStorageMakesOneVideo(t *testing.T) {
	t.Parallel()
	plain, wrong := ykExplore(t, nil)
	if len(wrong) > 0 {
		t.Fatalf("undisturbed: %s", strings.Join(wrong, "; "))
	}
	cases := ykCases(plain)
	sites := map[string]bool{}
	for _, r := range cases {
		sites[r.site] = true
		if _, wrong := ykExplore(t, &r); len(wrong) > 0 {
			t.Errorf("%s: %s", r, strings.Join(wrong, "; "))
		}
	}
	for _, want := range []string{"/uploads/create.json", "POST uploads", "PUT partNumber", "POST uploadId", "/uploads/commit.json", "/videos/show.json"} {
		found := false
		for s := range sites {
			found = found || strings.HasSuffix(s, want)
		}
		if !found {
			t.Errorf("no request %s was explored, only %v", want, sites)
		}
	}
	t.Logf("%d faults at %d requests", len(cases), len(sites))
}

// TestOneFaultWhereACredentialIsRenewedSendsNoPartTwice: the renewal's own request and the writes of its record.
func TestOneFaultWhereACredentialIsRenewedSendsNoPartTwice(t *testing.T) {
	t.Parallel()
	calls, wrong := ykExplore(t, nil, expired)
	if len(wrong) > 0 {
		t.Fatalf("undisturbed: %s", strings.Join(wrong, "; "))
	}
	n := 0
	for _, c := range calls {
		sts := strings.HasSuffix(c.site, "/uploads/get_sts_inf.json")
		if !sts && !(strings.HasPrefix(c.site, "uploadpart Put") && strings.Contains(c.site, "SESS")) {
			continue
		}
		for _, m := range []mode{lostBefore, lostAfter, crashAfter} {
			n++
			r := rule{c.site, c.nth, m}
			if _, wrong := ykExplore(t, &r, expired); len(wrong) > 0 {
				t.Errorf("%s: %s", r, strings.Join(wrong, "; "))
			}
		}
	}
	if n < 9 {
		t.Errorf("only %d faults", n)
	}
	t.Logf("%d faults", n)
}

// expired ends the credential at the third part.
func expired(y *ykWorld) {
	y.inject(fake.Fault{Op: "upload_part", Nth: 3, Name: "SecurityTokenExpired"})
}

// ykCases are the faults to explore: the first request of each kind, of parts one in the middle too. The process dies
// where the platform changes something that is not idempotent.
func ykCases(calls []rule) (out []rule) {
	for _, c := range calls {
		part := strings.HasSuffix(c.site, "PUT partNumber")
		if !strings.Contains(c.site, " wire ") || c.nth != 1 && (!part || c.nth != 4) {
			continue
		}
		modes := []mode{lostBefore, lostAfter}
		if c.nth == 1 {
			modes = append(modes, refused)
		}
		if !part && !strings.Contains(c.site, " GET ") {
			modes = append(modes, crashBefore, crashAfter)
		}
		for _, m := range modes {
			out = append(out, rule{c.site, c.nth, m})
		}
	}
	return out
}

// ykExplore publishes one video with one fault, lets everything recover, and says what is not as it has to be.
func ykExplore(t *testing.T, r *rule, before ...func(*ykWorld)) (calls []rule, wrong []string) {
	synctest.Test(t, func(t *testing.T) {
		y := newYkWorld(t, ykOptions{Rule: r})
		defer y.close()
		body := film(7, 24*kib)
		first := y.g
		for _, f := range before {
			f(y)
		}
		y.drop(filmKey, body)
		no := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
		if !y.drive(6*time.Hour, y.settled) {
			no("it does not end")
		}
		us := y.uploads()
		if len(us) != 1 {
			no("%d uploads", len(us))
			return
		}
		y.drive(time.Hour, func() bool { return len(y.tidy()) == 0 })
		u, posts := us[0], y.yk.Effects().Posts
		calls = first.order
		switch {
		case len(posts) > 1:
			no("%d videos", len(posts))
		case u.Status == upload.Published && (len(posts) != 1 || u.Post == nil || u.Post.ID != posts[0].ID || posts[0].SHA256 != y.sum(body)):
			no("PUBLISHED as %+v, and Youku has %+v", u.Post, posts)
		case u.Status != upload.Published:
			no("it ended %s", u.String())
		}
		for part, n := range y.took() {
			if len(before) > 0 && n > 1 && u.Gen == 1 {
				no("%s was sent %d times", part, n)
			}
		}
		if n := y.out.distinct("upload.published"); n != 1 {
			no("%d events upload.published", n)
		}
		if r != nil && !first.fired {
			no("the fault did not strike")
		}
		wrong = append(wrong, y.tidy()...)
		if len(wrong) > 0 {
			wrong = append(wrong, y.timeline(u.ID))
		}
	})
	return calls, wrong
}
