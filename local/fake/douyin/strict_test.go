package douyin

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// as is the same rig with another user's token.
func (r *rig) as(g Grant) *rig {
	o := *r
	o.id, o.act, o.rft = g.OpenID, g.AccessToken, g.RefreshToken
	return &o
}

func TestNothingOfAnotherUserOrAppCanBeUsed(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set, func(o *Options) {
			o.Apps = []App{{ClientKey: DefaultKey, ClientSecret: DefaultSecret, Scopes: AllScopes()}, {ClientKey: "b", ClientSecret: "s", Scopes: AllScopes()}}
		})
		id := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
		v := r.newVideo("x")
		img := r.file("image_upload", []byte("\x89PNG\r\n\x1a\n")).want(t, 0).str("image", "image_id")
		item := r.createText(r.newVideo("y"), "t").want(t, 0).str("item_id")
		sameApp, err := r.s.AddAccount("same app", nil)
		must(t, err)
		otherApp, err := r.s.AddAccountTo("b", "other app", nil)
		must(t, err)
		for _, g := range []Grant{sameApp, otherApp} {
			o := r.as(g)
			o.file("part_upload", make([]byte, 20), "upload_id", id, "part_number", "1").want(t, r.param())
			o.publish("complete", "", nil, "upload_id", id).want(t, r.param())
			o.createText(v, "t").want(t, 2190007)
			mine := o.newVideo("z")
			o.json("create", `{"video_id":"`+mine+`","custom_cover_image_url":"`+img+`"}`).want(t, r.param())
			if n := len(o.json("data", `{"item_ids":["`+item+`"]}`).want(t, 0).body.Data["list"].([]any)); n != 0 {
				t.Error("another user's post in data")
			}
		}
		r.file("part_upload", make([]byte, 20), "upload_id", id, "part_number", "1").want(t, 0)
		r.publish("complete", "", nil, "upload_id", id).want(t, 0)
		r.createText(v, "t").want(t, 0)
	})
}

func TestTokenInTheAppsOwnPlaceCountsEvenWhereBothPass(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set, func(o *Options) { o.Readings.TokenInBoth = "accept" })
		call := func(query, header string) reply {
			return r.do("POST", paths[r.gen]["part_init"], url.Values{"open_id": {r.id}, "access_token": {query}}, "", nil,
				func(req *http.Request) { req.Header.Set("access-token", header) })
		}
		call(r.act, r.act).want(t, 0)
		bad := r.code(2190002, 28001003)
		if r.auth == Query {
			call("act.other", r.act).want(t, bad)
		} else {
			call(r.act, "act.other").want(t, bad)
		}
	})
}

func TestNoCallTakesABodyWithoutLength(t *testing.T) {
	r := newRig(t)
	v := r.newVideo("x")
	a := r.publish("create", "application/json", io.MultiReader(strings.NewReader(`{"video_id":"`+v+`"}`)))
	if a.status != http.StatusLengthRequired || r.posts() != 0 {
		t.Errorf("HTTP %d, %d posts", a.status, r.posts())
	}
	r.createText(v, "t").want(t, 0)
}

// TestCutBehindTheLastBoundaryStoresNothing: all that a multipart reader wants has come, the request has not.
func TestCutBehindTheLastBoundaryStoresNothing(t *testing.T) {
	r := newRig(t)
	id := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
	b, ct := form(t, "video", "a.mp4", "video/mp4", make([]byte, 20))
	for _, op := range []string{"upload", "part_upload"} {
		c, err := net.Dial("tcp", strings.TrimPrefix(r.web.URL, "http://"))
		must(t, err)
		q := url.Values{"open_id": {r.id}, "upload_id": {id}, "part_number": {"1"}}
		fmt.Fprintf(c, "POST %s?%s HTTP/1.1\r\nHost: x\r\naccess-token: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			paths[V1][op], q.Encode(), r.act, ct, len(b)+1, b)
		must(t, c.(*net.TCPConn).CloseWrite())
		if got, _ := io.ReadAll(c); len(got) != 0 {
			t.Errorf("%s: answered %s", op, got)
		}
		c.Close()
	}
	if n := len(r.s.Effects().Assets); n != 0 {
		t.Errorf("%d assets", n)
	}
	r.publish("complete", "", nil, "upload_id", id).want(t, 28001007) // no parts
}

func TestAssumedCodesCanBeOthers(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Readings.PartCode, o.Readings.TextCode, o.Readings.AnchorCode, o.Readings.ReusedVideoCode = 2190005, 2100005, 2100007, 28001007
	})
	id := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
	part := func(n string, size int) reply {
		return r.file("part_upload", make([]byte, size), "upload_id", id, "part_number", n)
	}
	part("0", 20).want(t, 2190005)
	part("1", 101).want(t, 2190005)
	part("1", 2*MiB).want(t, 2190005) // refused by its length alone
	part("2", 20).want(t, 0)
	part("1", 9).want(t, 2190005)
	v := r.newVideo("x")
	r.createText(v, strings.Repeat("a", 1001)).want(t, 2100005)
	r.json("create", `{"video_id":"`+v+`","poi_id":"p","game_id":"g"}`).want(t, 2100007)
	r.createText(v, "t").want(t, 0)
	r.createText(v, "t").want(t, 28001007)
}

func TestReadingsOfPartNumbers(t *testing.T) {
	start := func(set func(*Readings)) (*rig, func(n int, want int), func(want int)) {
		r := newRig(t, func(o *Options) { set(&o.Readings) })
		id := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
		part := func(n, want int) {
			t.Helper()
			r.file("part_upload", bytes.Repeat([]byte{byte('a' + n)}, 20), "upload_id", id, "part_number", fmt.Sprint(n)).want(t, want)
		}
		return r, part, func(want int) { t.Helper(); r.publish("complete", "", nil, "upload_id", id).want(t, want) }
	}
	_, part, complete := start(func(r *Readings) { r.PartOrder = "ascending" })
	part(2, 28001007)
	part(1, 0)
	part(2, 0)
	part(1, 0) // again
	complete(0)
	r, part, complete := start(func(r *Readings) { r.PartZero, r.MissingParts = "accept", "refuse" })
	part(1, 0)
	part(0, 0)
	complete(0)
	if got := r.s.Effects().Assets[0].SHA256; got != sum([]byte(strings.Repeat("a", 20)+strings.Repeat("b", 20))) {
		t.Error("part 0 is not the first")
	}
	_, part, complete = start(func(r *Readings) { r.MissingParts = "refuse" })
	part(2, 0)
	complete(28001007) // the first is missing
	part(1, 0)
	complete(0)
}

func TestRepeatedPartKeepsTheLaterBytes(t *testing.T) {
	r := newRig(t)
	id := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
	for _, content := range []string{"the earlier bytes", "the later, longer bytes"} {
		r.file("part_upload", []byte(content), "upload_id", id, "part_number", "1").want(t, 0)
	}
	r.publish("complete", "", nil, "upload_id", id).want(t, 0)
	if a := r.s.Effects().Assets[0]; a.SHA256 != sum([]byte("the later, longer bytes")) || a.Parts != 1 {
		t.Errorf("%+v", a)
	}
}

func TestRenewalWhoseAnswerWasLost(t *testing.T) {
	for reading, want := range map[string]int{"dead": 10010, "works": 0} {
		r := newRig(t, func(o *Options) { o.Readings.RenewedToken, o.Limits.RenewedLife = reading, 24*time.Hour })
		old := r.rft
		r.inject(fake.Fault{Op: "renew_refresh_token", Cut: fake.CutAfter})
		if a := r.renew(); a.err == nil {
			t.Fatal("answered")
		}
		a := r.renew().want(t, want)
		if want != 0 {
			continue
		}
		if a.str("expires_in") != "86400" {
			t.Error("the field is the new token's life:", a.raw)
		}
		r.refresh().want(t, 0) // the new one is used: now the old one is dead
		r.oauth("renew_refresh_token", "client_key", DefaultKey, "refresh_token", old).want(t, 10010)
		r.clock.Advance(24 * time.Hour)
		r.refresh().want(t, 10010)
	}
}

func TestTokenFaultsOfOAuthCallsStrikeAfterTheEffectToo(t *testing.T) {
	r := newRig(t, func(o *Options) { o.ConsentAs = user })
	r.inject(fake.Fault{Op: "renew_refresh_token", Token: fake.TokenRevoke, When: fake.After})
	r.renew().want(t, 0)
	r.refresh().want(t, 10010)
	r.inject(fake.Fault{Op: "access_token", Token: fake.TokenExpire, When: fake.After})
	a := r.exchange(r.code1()).want(t, 0)
	if r.act = a.str("access_token"); a.str("open_id") != user {
		t.Error("consented as", a.str("open_id"))
	}
	r.publish("part_init", "", nil).want(t, 28001008)
	r.inject(fake.Fault{Op: "part_init", Token: fake.TokenExpire})
	r.id = "nobody"
	r.publish("part_init", "", nil).want(t, 28001008) // an answer, not a cut
}

func TestAuthorizeOnLoopbackOnlyWhereAllowed(t *testing.T) {
	const back = "http://127.0.0.1:8080/oauth/callback"
	for allowed, status := range map[bool]int{false: 200, true: 302} {
		r := newRig(t, func(o *Options) {
			o.LoopbackHTTP = allowed
			o.Apps = []App{{ClientKey: DefaultKey, ClientSecret: DefaultSecret, Scopes: AllScopes(), RedirectURIs: []string{back, "http://10.0.0.1/"}}}
		})
		if a := r.consent(func(q url.Values) { q.Set("redirect_uri", back) }); a.status != status {
			t.Errorf("allowed %v: HTTP %d", allowed, a.status)
		}
		if a := r.consent(func(q url.Values) { q.Set("redirect_uri", "http://10.0.0.1/") }); a.status != 200 {
			t.Error("http beyond loopback")
		}
		r.inject(fake.Fault{Op: "authorize", Body: fake.BodyShort})
		if a := r.consent(func(q url.Values) { q.Set("redirect_uri", back) }); allowed && a.err == nil {
			t.Error("an empty answer cannot be whole and short at once")
		}
	}
}

func TestReadingsOfAnswers(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Readings.OAuthMessage, o.Readings.CreateVideoID, o.Readings.ReviewFields = "none", "none", "sent"
	})
	if a := r.exchange("no").want(t, 10007); strings.Contains(a.raw, "message") {
		t.Error(a.raw)
	}
	b := `{"video_id":"` + r.newVideo("x") + `","text":"t","private_status":1}`
	if a := r.json("create", b).want(t, 0); strings.Contains(a.raw, "video_id") {
		t.Error(a.raw)
	}
	if a := r.publish("list", "", nil, "cursor", "0", "count", "10"); !strings.Contains(a.raw, `"video_status":7`) || !strings.Contains(a.raw, `"is_reviewed":true`) {
		t.Error(a.raw)
	}
}

func TestTwoCreatesAtOnceMakeOnePost(t *testing.T) {
	r := newRig(t)
	v := r.newVideo("x")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { r.createText(v, "t") })
	}
	wg.Wait()
	if r.posts() != 1 {
		t.Errorf("%d posts", r.posts())
	}
}

func TestPostsOfADayAreCountedPerUserAndApp(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.PostsPerDay = 1 })
	other, err := r.s.AddAccount("other", nil)
	must(t, err)
	_, err = r.s.PostByHand(user, "by hand") // not by this app
	must(t, err)
	r.createText(r.newVideo("x"), "1").want(t, 0)
	r.createText(r.newVideo("x"), "2").want(t, 2114007)
	o := r.as(other)
	o.createText(o.newVideo("x"), "1").want(t, 0)
}

func TestOAuthAndConditionsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	on := func(o *Options) { o.Dir = dir }
	r := newRig(t, on)
	old := r.rft
	r.renew().want(t, 0)
	fresh := r.rft
	used, unused := r.code1(), r.code1()
	r.exchange(used).want(t, 0)
	must(t, r.s.SetAccount(user, Risky))
	must(t, os.WriteFile(dir+"/assets/v0orphan", []byte("kept, never answered"), 0o600))
	again := newRig(t, on)
	if _, err := os.Stat(dir + "/assets/v0orphan"); !os.IsNotExist(err) {
		t.Error("bytes that no answer named stay on disk")
	}
	again.rft = old
	again.refresh().want(t, 10010)
	again.rft = fresh
	again.refresh().want(t, 0)
	again.exchange(used).want(t, 10007)
	again.exchange(unused).want(t, 0)
	again.publish("part_init", "", nil).want(t, 28001052)
}

func TestFaultsThatCouldDoNothingAreRefused(t *testing.T) {
	r := newRig(t)
	for _, f := range []fake.Fault{{Op: "create"}, {Op: "create", RetryAfter: 3}, {Op: "create", DelayMS: 1, CutAt: 5}, {Op: "create", Cut: fake.CutAfter, CutAt: 5},
		{Op: "create", DelayMS: 1, Description: "x"}, {Op: "create", Status: 500, Body: fake.BodyGarbled}, {Op: "refresh_token", Account: user, Cut: fake.CutAfter}} {
		if r.s.Inject(f) == nil {
			t.Errorf("%+v was armed", f)
		}
	}
	r.inject(fake.Fault{Op: "*", Account: user, Code: 2100004})
	for _, l := range []Limits{{PartMin: -1}, {PartMin: 10, PartMax: 5}, {AccessLife: -1}} {
		if _, err := New(Options{Limits: l}); err == nil {
			t.Errorf("%+v passed", l)
		}
	}
}

func TestRenewalLeavesTheAccessTokenAlone(t *testing.T) {
	r := newRig(t)
	r.renew().want(t, 0)
	r.publish("part_init", "", nil).want(t, 0)
	r.clock.Advance(15 * 24 * time.Hour) // nor is its life extended
	r.publish("part_init", "", nil).want(t, 28001008)
}
