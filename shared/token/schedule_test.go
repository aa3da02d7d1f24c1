package token

import (
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/upload"
)

var day0 = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func living(life, refresh time.Duration) document {
	d := document{State: stateLive, Grant: "g", book: book{CanRenew: refresh > 0, Obtained: day0, From: day0, Looked: day0}}
	if life > 0 {
		d.Expires = day0.Add(life)
	}
	if refresh > 0 {
		d.RefreshBy = day0.Add(refresh)
	}
	return d
}

func TestATokenIsRenewedAtAFractionOfItsLifeSpreadOverAccounts(t *testing.T) {
	seen := map[time.Time]bool{}
	for _, a := range []upload.Account{"youku/a", "youku/b", "youku/c", "youku/d"} {
		d := living(time.Hour, 30*day)
		at := d.renewAt(a)
		if at.Before(day0.Add(36*time.Minute)) || !at.Before(day0.Add(42*time.Minute)) {
			t.Errorf("%s: renewed after %v of an hour", a, at.Sub(day0))
		}
		if again := d.renewAt(a); !again.Equal(at) {
			t.Errorf("%s: %v, then %v", a, at, again)
		}
		seen[at] = true
	}
	if len(seen) != 4 {
		t.Errorf("four accounts renew at %d moments", len(seen))
	}
}

func TestTheEmergencyThresholdHoldsByTheEndAlone(t *testing.T) {
	const a = upload.Account("youku/a")
	for name, c := range map[string]struct {
		change func(*document)
		want   time.Time
	}{
		"the beginning is not known":        {func(d *document) { d.Obtained = time.Time{} }, day0.Add(59 * time.Minute)},
		"the beginning is after the end":    {func(d *document) { d.Obtained = day0.Add(2 * time.Hour) }, day0.Add(59 * time.Minute)},
		"the beginning is a day too early":  {func(d *document) { d.Obtained = day0.Add(-10 * time.Hour) }, time.Time{}},
		"a life of two minutes, half of it": {func(d *document) { d.Expires = day0.Add(2 * time.Minute) }, day0.Add(time.Minute)},
		"no refresh token":                  {func(d *document) { d.CanRenew = false }, time.Time{}},
		"no known end":                      {func(d *document) { d.Expires = time.Time{} }, time.Time{}},
		"dead":                              {func(d *document) { d.State = stateDead }, time.Time{}},
	} {
		d := living(time.Hour, 30*day)
		c.change(&d)
		got := d.renewAt(a)
		if name == "the beginning is a day too early" {
			if got.After(d.Expires.Add(-time.Minute)) {
				t.Errorf("%s: got %v", name, got)
			}
			continue
		}
		if !got.Equal(c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	// A tenth of the life and a fraction of it by themselves.
	if got := threshold(day0, day0.Add(100*time.Minute), 0.99, 0.1, time.Minute); !got.Equal(day0.Add(90 * time.Minute)) {
		t.Errorf("got %v", got.Sub(day0))
	}
	if got := threshold(day0, day0.Add(100*time.Minute), 0.6, 0.1, time.Minute); !got.Equal(day0.Add(60 * time.Minute)) {
		t.Errorf("got %v", got.Sub(day0))
	}
}

func TestARefreshTokenIsRenewedLateAndNotOnceMoreThanGranted(t *testing.T) {
	const a = upload.Account("douyin/a")
	d := living(15*day, 30*day)
	if at := d.rotateAt(a).Sub(day0); at < 25*day+12*time.Hour || at >= 27*day {
		t.Errorf("after %v of 30 days", at)
	}
	if d.Renewals = 4; d.rotateAt(a).IsZero() || d.renewalsLeft(a) != 1 {
		t.Error("the fifth is granted")
	}
	if d.Renewals = 5; !d.rotateAt(a).IsZero() || d.renewalsLeft(a) != 0 {
		t.Error("a sixth is not")
	}
	if d.Renewals, d.Used = 0, "10020"; !d.rotateAt(a).IsZero() || d.renewalsLeft(a) != 0 {
		t.Error("the platform said that they are used up")
	}
	if y := living(time.Hour, 30*day); !y.rotateAt("youku/a").IsZero() || y.renewalsLeft("youku/a") != -1 {
		t.Error("Youku's are not counted")
	}
}

func TestWhenAPersonIsNeededIsKnownFromDayOne(t *testing.T) {
	for name, c := range map[string]struct {
		account upload.Account
		change  func(*document)
		want    time.Duration // from day0; 0 = not known
	}{
		"Douyin: thirty days and five times thirty": {"douyin/a", func(*document) {}, 180 * day},
		"Douyin, all renewals used":                 {"douyin/a", func(d *document) { d.Renewals = 5 }, 30 * day},
		"Douyin, renewals refused":                  {"douyin/a", func(d *document) { d.Used = "10004" }, 30 * day},
		"the access token outlives it":              {"douyin/a", func(d *document) { d.Used, d.Expires = "x", day0.Add(40*day) }, 40 * day},
		"Youku with a refresh token without end":    {"youku/a", func(d *document) { d.RefreshBy = time.Time{} }, 0},
		"Youku, an access token and nothing else":   {"youku/a", func(d *document) { d.CanRenew = false }, 15 * day},
		"dead already":                              {"douyin/a", func(d *document) { d.State = stateDead }, 0},
	} {
		d := living(15*day, 30*day)
		c.change(&d)
		got := d.needsLoginBy(c.account)
		if want := day0.Add(c.want); c.want == 0 && !got.IsZero() || c.want != 0 && !got.Equal(want) {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestEveryLiveCredentialIsLookedAtOnceADay(t *testing.T) {
	d := living(0, 0)
	is := func(what string, want time.Time, patient bool) {
		t.Helper()
		if got, p := d.due("youku/a"); !got.Equal(want) || p != patient {
			t.Errorf("%s: got %v, patient %v", what, got, p)
		}
	}
	is("without an end", day0.Add(day), true)
	d.Doubt = day0.Add(time.Minute)
	is("in doubt", d.Doubt, false)
	d.Retry = day0.Add(time.Hour)
	is("in doubt, and asked in vain", d.Retry, false)
	d = living(90*day, 200*day)
	is("renewed weeks later", day0.Add(day), true)
	d.Looked = d.renewAt("youku/a")
	is("its renewal can wait", d.Looked, true)
	d.Obtained, d.Expires = day0, day0.Add(30*time.Hour)
	d.Looked = day0
	is("its renewal can wait less", d.renewAt("youku/a"), false)
	d = living(time.Hour, 200*day)
	is("an hour", d.renewAt("youku/a"), false)
	d = living(25*time.Hour, 0)
	d.Warned = []int{2}
	is("it ends an hour after its look", day0.Add(day), false)
	d = living(0, 0)
	d.State = stateRemoved
	is("removed", time.Time{}, false)
	d.State, d.Saved = stateDead, day0
	is("dead and not told", day0, false)
	d.Told = true
	is("dead and told", time.Time{}, false)
}
