package youku

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

func TestRefresh(t *testing.T) {
	r := newRig(t)
	act, rft := r.act, r.rft
	a := r.refresh().want(t, "")
	if a.status != 200 || a.str("expires_in") != "3600" || a.str("token_type") != "bearar" || r.act == act || r.rft == rft {
		t.Error(a.raw)
	}
	r.create([]byte("x")).want(t, "")
	r.create([]byte("y"), "access_token", act).want(t, "1008") // replaced
	r.refresh("refresh_token", rft).want(t, "130011207")       // used up
	r.clock.Advance(time.Hour - 1)
	r.create([]byte("y")).want(t, "")
	r.clock.Advance(1)
	r.create([]byte("z")).want(t, "1009")
	r.create([]byte("z"), "access_token", act).want(t, "1009")
	r.refresh().want(t, "")
	r.create([]byte("z")).want(t, "")
}

func TestRefreshReadings(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Readings.Rotation, o.Readings.TokenType = "same", "bearer" })
	rft := r.rft
	for range 2 {
		if a := r.refresh().want(t, ""); a.str("refresh_token") != rft || a.str("token_type") != "bearer" {
			t.Error(a.raw)
		}
	}
	r = newRig(t, func(o *Options) { o.Readings.Rotation, o.Readings.FormerAccess = "omit", "works" })
	act := r.act
	for range formerTokens + 2 {
		if a := r.refresh().want(t, ""); a.str("refresh_token") != "<none>" {
			t.Error(a.raw)
		}
		if r.act == act {
			t.Error("the same token")
		}
	}
	r.create([]byte("x"), "access_token", act).want(t, "1008") // forgotten
	act = r.act
	r.refresh().want(t, "")
	r.create([]byte("x"), "access_token", act).want(t, "") // works to its end
	r.clock.Advance(time.Hour)
	r.create([]byte("y"), "access_token", act).want(t, "1009")

	r = newRig(t, func(o *Options) { o.Readings.FormerRefresh = "works" })
	rft = r.rft
	r.refresh().want(t, "")
	r.refresh("refresh_token", rft).want(t, "") // the answer was lost, say
	r.refresh().want(t, "")
	r.refresh("refresh_token", rft).want(t, "130011207") // the new one was used since

	r = newRig(t, func(o *Options) { o.Readings.ClientSecret = "required" })
	r.refresh("client_secret", DefaultSecret).want(t, "")

	r = newRig(t, func(o *Options) { o.Limits.RefreshLife = time.Hour })
	r.clock.Advance(time.Hour)
	r.refresh().want(t, "130011207")
	r = newRig(t)
	must(t, r.s.ExpireRefresh("main"))
	r.refresh().want(t, "130011207")
}

func TestLostRefreshAnswerLocksTheAccountOut(t *testing.T) {
	r := newRig(t)
	r.inject(fake.Fault{Op: "refresh_token", Account: "main", Cut: fake.CutAfter})
	if a := r.refresh(); a.err == nil {
		t.Fatal("answered")
	}
	r.refresh().want(t, "130011207")
	r.create([]byte("x")).want(t, "1008")
	g, err := r.s.Login("main")
	must(t, err)
	r.act, r.rft = g.AccessToken, g.RefreshToken
	r.create([]byte("x")).want(t, "")
	r.refresh().want(t, "")
}

func TestTokenFaults(t *testing.T) {
	r := newRig(t)
	a := r.create([]byte("0")).want(t, "")
	// 1009 after N calls (ref. 10)
	r.inject(fake.Fault{Op: "*", Account: "main", Nth: 3, Token: fake.TokenExpire})
	r.sts(a).want(t, "")
	r.show("X").want(t, "120020001") // nobody's call: not counted
	r.sts(a).want(t, "")
	r.sts(a).want(t, "1009")
	r.refresh().want(t, "")
	r.inject(fake.Fault{Op: "get_sts_inf", Token: fake.TokenRotate, When: fake.After})
	r.sts(a).want(t, "")
	r.sts(a).want(t, "1008")
	r.refresh().want(t, "")
	r.inject(fake.Fault{Op: "refresh_token", Token: fake.TokenRevoke, When: fake.After})
	r.refresh().want(t, "")
	r.sts(a).want(t, "1008")
	r.refresh().want(t, "130011207")
	if err := r.s.Inject(fake.Fault{Op: "show", Account: "main", Code: 1001}); err == nil {
		t.Error("armed a fault that could never strike")
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	r := newRig(t)
	g, err := r.s.Grant("main")
	must(t, err)
	c, err := r.shelf.Issue("b", "o", time.Hour)
	must(t, err)
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "grant", g, "cred", c)
	out := b.String() + fmt.Sprintf("%v %+v %#v %s %v %#v", g, g, g, g, c, c)
	for _, secret := range []string{g.AccessToken, g.RefreshToken, c.AccessKeySecret, c.SecurityToken} {
		if strings.Contains(out, secret) {
			t.Error("printed", out)
		}
	}
	if _, err := r.s.Grant("nobody"); err == nil {
		t.Error("a grant of nobody")
	}
}

func TestAccountsBelongToOneApp(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Apps = []App{{ClientID: "a"}, {ClientID: "b"}} })
	if _, err := r.s.AddAccountTo("b", "main"); err == nil {
		t.Error("main belongs to a")
	}
	if _, err := r.s.AddAccountTo("c", "x"); err == nil {
		t.Error("there is no app c")
	}
	again, err := r.s.AddAccount("main")
	if must(t, err); again.AccessToken != r.act {
		t.Error("seeding again changed the account")
	}
}
