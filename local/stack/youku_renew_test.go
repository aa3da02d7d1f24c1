package stack_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	fakeyouku "github.com/vodlift/vodlift/local/fake/youku"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/target/youku"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

const ykLife = 2 * time.Second // of a credential, in the tests of its renewal

// shortLived is a world whose credentials live ykLife, and whose parts take each. ranges is how many functions carry the 24
// parts of 96 KiB.
func shortLived(ranges int, each time.Duration) ykOptions {
	return ykOptions{
		Youku:  func(o *fakeyouku.Options) { o.Limits.CredentialLife = ykLife },
		Steps:  func(s *workflow.Settings) { s.Plan.MinRange = int64(96 / ranges * kib) },
		Source: func(s source.Source) source.Source { return slow{Source: s, of: "uploadpart", each: each} },
	}
}

// renewals are the times at which a credential was given out anew.
func (y *ykWorld) renewals() (at []time.Time) {
	for _, r := range y.yk.Requests(0) {
		if r.Op == "get_sts_inf" && r.Status == http.StatusOK {
			at = append(at, r.Time)
		}
	}
	return at
}

func TestACredentialOfTwoSecondsIsRenewedInMidUploadAndNoPartIsSentTwice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ranges int
		each   time.Duration
		least  int
	}{
		"one range":                   {1, 700 * time.Millisecond, 3},  // 12 rounds of 2 parts
		"four ranges at once":         {4, 1500 * time.Millisecond, 2}, // 3 rounds of 8 parts
		"parts that outlast the life": {4, 900 * time.Millisecond, 1},  // begun under a credential that ends before they are signed
	} {
		t.Run(name, func(t *testing.T) {
			ykBubble(t, shortLived(c.ranges, c.each), func(t *testing.T, y *ykWorld) {
				body := film(7, 96*kib)
				y.drop(filmKey, body)
				u := y.ended(filmKey, upload.Published)
				y.once(u, body)
				y.sentOnce(24)
				at := y.renewals()
				if len(at) < c.least {
					t.Errorf("%d renewals, want %d%s", len(at), c.least, y.timeline(u.ID))
				}
				for i := 1; i < len(at); i++ {
					if d := at[i].Sub(at[i-1]); d < ykLife*9/20 { // expire_time has whole seconds, the last tenth does not count
						t.Errorf("renewed again after %v: one credential, more than one renewal", d)
					}
				}
				if u.Session != 1 || y.asked("create") != 1 || y.asked("refresh_token") != 0 {
					t.Errorf("session %d, %d creates, %d renewals of the account's token", u.Session, y.asked("create"), y.asked("refresh_token"))
				}
				t.Logf("%d renewals", len(at))
			})
		})
	}
}

// TestARenewalThatTheAccountsTokenStopsGoesByWayOfRenew: both kinds of credentials end in mid-upload.
func TestARenewalThatTheAccountsTokenStopsGoesByWayOfRenew(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fake.Fault{
		"expired": {Op: "get_sts_inf", Nth: 2, Token: fake.TokenExpire},
		"rotated": {Op: "get_sts_inf", Nth: 1, Token: fake.TokenRotate},
	} {
		t.Run(name, func(t *testing.T) {
			ykBubble(t, shortLived(2, 1200*time.Millisecond), func(t *testing.T, y *ykWorld) {
				y.inject(f)
				body := film(7, 96*kib)
				y.drop(filmKey, body)
				u := y.ended(filmKey, upload.Published)
				y.once(u, body)
				y.sentOnce(24)
				if n := y.asked("refresh_token"); n != 1 || u.Session != 1 {
					t.Errorf("%d renewals of the account's token, session %d%s", n, u.Session, y.timeline(u.ID))
				}
			})
		})
	}
}

// TestWhatTheStorageSaysOfTheCredentialDecides: the four codes of reference 8.5 renew and keep the parts; a renewed
// credential that may not write, and an upload that is gone, need a new session.
func TestWhatTheStorageSaysOfTheCredentialDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		fault   fake.Fault
		session int
		sts     int
	}{
		{"expired", fake.Fault{Op: "upload_part", Nth: 3, Name: "SecurityTokenExpired"}, 1, 1},
		{"unknown key", fake.Fault{Op: "upload_part", Nth: 3, Name: "InvalidAccessKeyId"}, 1, 1},
		{"expired at complete", fake.Fault{Op: "complete", Name: "SecurityTokenExpired"}, 1, 1},
		{"denied once", fake.Fault{Op: "upload_part", Nth: 3, Name: "AccessDenied"}, 1, 1},
		{"denied after the renewal", fake.Fault{Op: "upload_part", Nth: 3, Times: 2, Name: "AccessDenied"}, 2, 1},
		{"the upload is gone", fake.Fault{Op: "upload_part", Nth: 3, Name: "NoSuchUpload"}, 2, 0},
		{"the upload token is dead", fake.Fault{Op: "get_sts_inf", Name: "upload_expired"}, 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := ykOptions{
				Steps:  func(s *workflow.Settings) { s.Plan.MinRange = mib },
				Config: func(c *youku.Config) { c.InFlight = 1 },
			}
			ykBubble(t, o, func(t *testing.T, y *ykWorld) {
				y.inject(c.fault)
				if c.fault.Op == "get_sts_inf" {
					y.inject(fake.Fault{Op: "upload_part", Nth: 3, Name: "SecurityTokenExpired"})
				}
				body := film(7, 24*kib)
				y.drop(filmKey, body)
				u := y.ended(filmKey, upload.Published)
				y.once(u, body)
				if u.Session != c.session || y.asked("get_sts_inf") != c.sts {
					t.Errorf("session %d, %d renewals; want %d, %d%s", u.Session, y.asked("get_sts_inf"), c.session, c.sts, y.timeline(u.ID))
				}
				if c.session == 1 {
					y.sentOnce(6)
				}
			})
		})
	}
}

const mib = 1 << 20

// TestATakeoverWaitsForTheOneThatRenews: after hours all ranges begin at once by asking for the parts that are there, with
// a credential that is long over, and the platform is slow to give another. One asks; to wait for it is no lack of progress.
func TestATakeoverWaitsForTheOneThatRenews(t *testing.T) {
	t.Parallel()
	o := shortLived(4, 0)
	o.Youku = nil
	ykBubble(t, o, func(t *testing.T, y *ykWorld) {
		y.inject(fake.Fault{Op: "upload_part", Nth: 9, Reached: y.g.kill, DelayMS: 1})
		y.inject(fake.Fault{Op: "get_sts_inf", Times: -1, DelayMS: 20_000})
		body := film(7, 96*kib)
		y.drop(filmKey, body)
		synctest.Wait()
		before := len(y.took())
		y.crash()
		time.Sleep(3 * time.Hour)
		y.restart()
		u := y.ended(filmKey, upload.Published)
		y.once(u, body)
		if n := len(y.renewals()); n != 1 {
			t.Errorf("%d renewals%s", n, y.timeline(u.ID))
		}
		if before < 4 || before == 24 || u.Session != 1 || u.Gen != 2 {
			t.Errorf("%d parts before the end of the first process, session %d, generation %d%s", before, u.Session, u.Gen, y.timeline(u.ID))
		}
		y.sentOnce(24)
	})
}

// TestCredentialsThatAreRefusedThoughNewAreNotTheAccountsFault: no renewal of its token and no login would mend that.
func TestCredentialsThatAreRefusedThoughNewAreNotTheAccountsFault(t *testing.T) {
	t.Parallel()
	ykBubble(t, ykOptions{}, func(t *testing.T, y *ykWorld) {
		y.inject(fake.Fault{Op: "upload_part", Nth: 3, Times: -1, Name: "InvalidAccessKeyId"})
		y.drop(filmKey, film(7, 24*kib))
		u := y.ended(filmKey, upload.Failed)
		if y.asked("refresh_token") != 0 || u.Reason != "no progress" || !u.Live {
			t.Errorf("%d renewals of the account's token; got %s, session kept %t%s", y.asked("refresh_token"), u.String(), u.Live, y.timeline(u.ID))
		}
		t.Logf("%d renewals, %d refused parts", y.asked("get_sts_inf"), y.oss.Counters()["upload_part"].Requests)
		y.oss.ClearFaults()
		_, err := y.m.Retry(t.Context(), u.ID)
		y.check(err)
		u = y.ended(filmKey, upload.Published)
		y.sentOnce(6)
	})
}
