package stack_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	fakeyouku "github.com/vodlift/vodlift/local/fake/youku"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

func TestAnUnclearCommitIsLookedAtAndMakesOneVideo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		fault   fake.Fault
		commits int
		hidden  time.Duration
	}{
		{"cut after the effect", fake.Fault{Cut: fake.CutAfter}, 1, 0},
		{"cut after the effect, hidden for a while", fake.Fault{Cut: fake.CutAfter}, 1, 4 * time.Minute},
		{"1001 after the effect", fake.Fault{Code: 1001, When: fake.After}, 1, 0},
		{"half an answer", fake.Fault{Body: fake.BodyGarbled}, 1, 0},
		{"a page in place of the answer", fake.Fault{Body: fake.BodyHTML, When: fake.After}, 1, 0},
		{"cut before the effect", fake.Fault{Cut: fake.CutBefore}, 2, 0},
		{"1001 before the effect", fake.Fault{Code: 1001}, 2, 0},
		{"502 before the effect", fake.Fault{Status: http.StatusBadGateway}, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			ykBubble(t, ykOptions{Youku: func(o *fakeyouku.Options) { o.Pace.Hidden = c.hidden }}, func(t *testing.T, y *ykWorld) {
				c.fault.Op = "commit"
				y.inject(c.fault)
				body := film(7, 24*kib)
				y.drop(filmKey, body)
				u := y.ended(filmKey, upload.Published)
				y.once(u, body)
				if n := y.asked("commit"); n != c.commits || u.Session != 1 {
					t.Errorf("%d commits, want %d; session %d%s", n, c.commits, u.Session, y.timeline(u.ID))
				}
				y.sentOnce(6)
			})
		})
	}
}

// TestACommittedVideoThatStaysUnknownForHoursIsNeverPublishedTwice: videos/show does not know it long after settle_at. The
// upload is closed at the platform, so this is no denial: a person says what it is.
func TestACommittedVideoThatStaysUnknownForHoursIsNeverPublishedTwice(t *testing.T) {
	t.Parallel()
	for _, of := range []string{"committed", "none"} {
		t.Run("duplicates of "+of, func(t *testing.T) {
			o := ykOptions{Youku: func(o *fakeyouku.Options) { o.Pace.Hidden, o.Readings.DuplicateOf = 3*time.Hour, of }}
			ykBubble(t, o, func(t *testing.T, y *ykWorld) {
				y.inject(fake.Fault{Op: "commit", Cut: fake.CutAfter})
				y.drop(filmKey, film(7, 24*kib))
				u := y.ended(filmKey, upload.Held)
				if n := len(y.yk.Effects().Posts); n != 1 || y.asked("create") != 1 || y.asked("commit") != 1 {
					t.Errorf("%d videos, %d creates, %d commits%s", n, y.asked("create"), y.asked("commit"), y.timeline(u.ID))
				}
				time.Sleep(3 * time.Hour) // until the platform shows it
				_, err := y.m.ResolvePublished(t.Context(), u.ID, y.yk.Effects().Posts[0].ID)
				y.check(err)
				y.ended(filmKey, upload.Published)
			})
		})
	}
}

// TestAnOutageLongerThanTheAccountsTokenIsNoLogin: the token lives an hour and is renewed as often as that takes.
func TestAnOutageLongerThanTheAccountsTokenIsNoLogin(t *testing.T) {
	t.Parallel()
	o := ykOptions{Steps: func(s *workflow.Settings) { s.RetryPark = 20 * time.Minute }}
	ykBubble(t, o, func(t *testing.T, y *ykWorld) {
		y.inject(fake.Fault{Op: "create", Code: 1001, Times: 16})
		body := film(7, 24*kib)
		y.drop(filmKey, body)
		u := y.ended(filmKey, upload.Published)
		y.once(u, body)
		if n := y.asked("refresh_token"); n < 4 {
			t.Errorf("%d renewals: the outage was too short to show anything", n)
		}
	})
}

func TestTheSameBytesUnderAnotherNameAreNotPublishedTwiceOnYouku(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]string{"Youku refuses the file": "committed", "our own claim refuses it": "none"} {
		t.Run(name, func(t *testing.T) {
			ykBubble(t, ykOptions{Youku: func(o *fakeyouku.Options) { o.Readings.DuplicateOf = of }}, func(t *testing.T, y *ykWorld) {
				body := film(7, 24*kib)
				y.drop(filmKey, body)
				first := y.ended(filmKey, upload.Published)
				y.drop("other.mp4", body)
				u := y.ended("other.mp4", upload.Failed)
				if u.Reason != "duplicate" || !strings.Contains(told(u), first.ID) || !strings.Contains(told(u), first.Post.ID) {
					t.Errorf("got %s: %s", u.String(), told(u))
				}
				if n := len(y.yk.Effects().Posts); n != 1 {
					t.Errorf("%d videos", n)
				}
				if of == "committed" && len(y.took()) != 6 {
					t.Errorf("%d parts were sent for both", len(y.took()))
				}
			})
		})
	}
}

// TestWhatSpoilsTheAssetOpensANewSession: a digest that the platform does not believe, an object that is too short, an
// upload token that is out of time when the publish time comes.
func TestWhatSpoilsTheAssetOpensANewSession(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault fake.Fault
		lie   int64
		late  time.Duration
	}{
		{"12001010225 at commit", fake.Fault{Op: "commit", Code: 12001010225}, 0, 0},
		{"120010218 at commit", fake.Fault{Op: "commit", Code: 120010218}, 0, 0},
		{"a damaged file", fake.Fault{Op: "commit", Code: 120010301}, 0, 0},
		{"a truncated object", fake.Fault{}, 1, 0},
		{"an upload token that is out of time", fake.Fault{}, 0, 25 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := ykOptions{Sidecar: manifest.SidecarRequired}
			if c.late > 0 {
				o.Youku = func(o *fakeyouku.Options) { o.Limits.UploadLife = 10 * time.Minute }
			}
			ykBubble(t, o, func(t *testing.T, y *ykWorld) {
				y.lie.Store(c.lie)
				if c.fault.Op != "" {
					y.inject(c.fault)
				}
				body := film(7, 24*kib)
				y.drop(filmKey, body)
				at := time.Now().Add(c.late).Truncate(time.Second)
				y.sidecar(filmKey, titled(map[string]any{"title": "spoilt", "publish_at": at.Format(time.RFC3339)}))
				u := y.ended(filmKey, upload.Published)
				y.once(u, body)
				if u.Session != 2 || u.Reopened != 1 || y.asked("commit") != 2 || y.asked("create") != 2 {
					t.Errorf("session %d, reopened %d, %d creates, %d commits%s", u.Session, u.Reopened, y.asked("create"), y.asked("commit"), y.timeline(u.ID))
				}
			})
		})
	}
}

func TestAGrantRevokedAtYoukuWaitsForALoginAndKeepsItsParts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		op    string
		parts int // taken when the upload waits for the login
	}{"at create": {"create", 0}, "at the credential's renewal": {"get_sts_inf", 3}, "at commit": {"commit", 6}} {
		t.Run(name, func(t *testing.T) {
			ykBubble(t, ykOptions{}, func(t *testing.T, y *ykWorld) {
				y.inject(fake.Fault{Op: c.op, Token: fake.TokenRevoke})
				if c.op == "get_sts_inf" {
					y.inject(fake.Fault{Op: "upload_part", Nth: 4, Times: 3, Name: "SecurityTokenExpired"})
				}
				body := film(7, 24*kib)
				y.drop(filmKey, body)
				u := y.ended(filmKey, upload.NeedsLogin)
				if n := len(y.took()); n < c.parts || c.parts == 3 && n == 6 {
					t.Errorf("%d parts were taken before the login", n)
				}
				if y.out.distinct("account.needs_login") != 1 || len(y.yk.Effects().Posts) != 0 {
					t.Errorf("%d events, %d videos", y.out.distinct("account.needs_login"), len(y.yk.Effects().Posts))
				}
				time.Sleep(3 * time.Hour) // the credential of the storage is over too
				g, err := y.yk.Login("demo")
				y.check(err)
				y.ykLogin(y.m.Vault, g)
				if n, err := y.m.LoggedIn(t.Context(), stack.DemoYouku); err != nil || n != 1 {
					t.Fatalf("%d uploads go on, %v", n, err)
				}
				u = y.ended(filmKey, upload.Published)
				y.once(u, body)
				y.sentOnce(6)
				if u.Session != 1 {
					t.Errorf("session %d%s", u.Session, y.timeline(u.ID))
				}
			})
		})
	}
}

func TestTheStateOfTheVideoDecidesHowTheUploadEnds(t *testing.T) {
	t.Parallel()
	for state, want := range map[fakeyouku.State]upload.Status{
		fakeyouku.Normal: upload.Published, fakeyouku.Limited: upload.Published, fakeyouku.Fail: upload.Failed, fakeyouku.Blocked: upload.Failed,
	} {
		t.Run(string(state), func(t *testing.T) {
			ykBubble(t, ykOptions{}, func(t *testing.T, y *ykWorld) {
				y.check(y.yk.SetOutcome("demo", state))
				y.drop(filmKey, film(7, 24*kib))
				u := y.ended(filmKey, want)
				if u.Post == nil || want == upload.Failed && !strings.Contains(told(u), string(state)) {
					t.Errorf("got %s, post %+v: %s", u.String(), u.Post, told(u))
				}
				if n := len(y.yk.Effects().Posts); n != 1 {
					t.Errorf("%d videos", n)
				}
			})
		})
	}
}

// TestAnAnswerInAnotherFormChangesNothing: a page in place of an error, an error in a URL's form, numbers as strings.
func TestAnAnswerInAnotherFormChangesNothing(t *testing.T) {
	t.Parallel()
	for i, f := range []fake.Fault{
		{Op: "create", Status: http.StatusBadGateway},
		{Op: "create", Body: fake.BodyHTML},
		{Op: "create", Code: 1002, Shape: fakeyouku.Shape{ErrorForm: "urlencoded", ErrorStatus: 200}.JSON()},
		{Op: "create", Code: 1009, Shape: fakeyouku.Shape{ErrorForm: "urlencoded"}.JSON(), Token: fake.TokenExpire},
		{Op: "create", Shape: fakeyouku.Shape{NumbersAsStrings: true, ContentType: "text/plain", ExpireTime: "garbled", Unknown: true}.JSON()},
		{Op: "get_sts_inf", Body: fake.BodyGarbled},
		{Op: "show", Body: fake.BodyEmpty},
	} {
		t.Run(fmt.Sprint(i, " ", f.Op), func(t *testing.T) {
			ykBubble(t, ykOptions{}, func(t *testing.T, y *ykWorld) {
				y.inject(f)
				if f.Op == "get_sts_inf" {
					y.inject(fake.Fault{Op: "upload_part", Nth: 3, Name: "SecurityTokenExpired"})
				}
				body := film(7, 24*kib)
				y.drop(filmKey, body)
				u := y.ended(filmKey, upload.Published)
				y.once(u, body)
				y.sentOnce(6)
			})
		})
	}
}
