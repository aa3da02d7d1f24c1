package douyin

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func (r *rig) refresh() reply {
	r.Helper()
	a := r.oauth("refresh_token", "client_key", DefaultKey, "grant_type", "refresh_token", "refresh_token", r.rft)
	if t := a.str("access_token"); t != "<nil>" {
		r.act = t
	}
	return a
}

func (r *rig) renew() reply {
	r.Helper()
	a := r.oauth("renew_refresh_token", "client_key", DefaultKey, "refresh_token", r.rft)
	if t := a.str("refresh_token"); t != "<nil>" {
		r.rft = t
	}
	return a
}

func (r *rig) consent(edit func(url.Values)) reply {
	q := url.Values{"client_key": {DefaultKey}, "response_type": {"code"}, "scope": {"video.create.bind,user_info"},
		"redirect_uri": {DefaultRedirect}, "state": {"s&t"}, "optionalScope": {"video.list.bind,1,video.delete,0"}}
	if edit != nil {
		edit(q)
	}
	return r.do("GET", "/platform/oauth/connect/", q, "", nil)
}

func (r *rig) code1() string {
	r.Helper()
	back, err := url.Parse(r.consent(nil).header.Get("Location"))
	must(r, err)
	if !strings.HasPrefix(back.String(), DefaultRedirect+"?") || back.Query().Get("state") != "s&t" {
		r.Fatal("redirected to", back)
	}
	return back.Query().Get("code")
}

func (r *rig) exchange(code string) reply {
	r.Helper()
	return r.oauth("access_token", "client_key", DefaultKey, "client_secret", DefaultSecret, "grant_type", "authorization_code", "code", code)
}

func TestAuthorizeOnceWithinTenMinutes(t *testing.T) {
	r := newRig(t)
	code := r.code1()
	a := r.exchange(code).want(t, 0)
	if a.body.Message != "success" || a.str("expires_in") != "1296000" || a.str("refresh_expires_in") != "2592000" ||
		a.str("scope") != "user_info,video.create.bind,video.list.bind" || a.str("union_id") == "<nil>" {
		t.Error(a.raw)
	}
	if b := r.exchange(code).want(t, 10007); b.body.Message != "error" || b.str("access_token") != "<nil>" {
		t.Error(b.raw)
	}
	code = r.code1()
	r.clock.Advance(10 * time.Minute)
	r.exchange(code).want(t, 10007)
	r.id, r.act = a.str("open_id"), a.str("access_token")
	r.publish("part_init", "", nil).want(t, 0)
	r.json("data", `{"item_ids":["x"]}`).want(t, 28001012) // not asked for
}

func TestAuthorizeRefusalsNeverRedirect(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		code string
		edit func(url.Values)
	}{
		"key":      {"10003", func(q url.Values) { q.Set("client_key", "no") }},
		"missing":  {"10005", func(q url.Values) { q.Del("scope") }},
		"type":     {"10002", func(q url.Values) { q.Set("response_type", "token") }},
		"scope":    {"10004", func(q url.Values) { q.Set("scope", "fly") }},
		"foreign":  {"10006", func(q url.Values) { q.Set("redirect_uri", "https://evil.example/") }},
		"http":     {"10006", func(q url.Values) { q.Set("redirect_uri", "http://vodlift.example/oauth/douyin/callback") }},
		"query":    {"10006", func(q url.Values) { q.Set("redirect_uri", DefaultRedirect+"?a=b") }},
		"optional": {"10002", func(q url.Values) { q.Set("optionalScope", "video.list") }},
	} {
		if a := r.consent(c.edit); a.status != 200 || a.header.Get("Location") != "" || !strings.Contains(a.raw, "error_code: "+c.code+"<") {
			t.Errorf("%s: HTTP %d %s", name, a.status, a.raw)
		}
	}
	if a := r.consent(func(q url.Values) { q.Set("redirect_uri", DefaultRedirect+"#x") }); a.status != 302 {
		t.Error("compared beyond the #")
	}
}

func TestExchangeRefusals(t *testing.T) {
	other := App{ClientKey: "other", ClientSecret: "s2"}
	r := newRig(t, func(o *Options) {
		o.Apps = []App{{ClientKey: DefaultKey, ClientSecret: DefaultSecret, Scopes: AllScopes(), RedirectURIs: []string{DefaultRedirect}}, other}
	})
	r.oauth("access_token", "client_key", "no", "client_secret", "x", "grant_type", "authorization_code", "code", "c").want(t, 10003)
	r.oauth("access_token", "client_key", DefaultKey, "client_secret", "x", "grant_type", "authorization_code", "code", "c").want(t, 10013)
	r.oauth("access_token", "client_key", DefaultKey, "client_secret", DefaultSecret, "grant_type", "authorization_code").want(t, 10005)
	r.oauth("access_token", "client_key", DefaultKey, "client_secret", DefaultSecret, "grant_type", "x", "code", "c").want(t, 10002)
	r.oauth("access_token", "client_key", "other", "client_secret", "s2", "grant_type", "authorization_code", "code", r.code1()).want(t, 10014)
	r.do("POST", "/oauth/access_token/", url.Values{"client_key": {DefaultKey}}, "application/json", strings.NewReader("{}")).want(t, 10002)
	r.do("GET", "/oauth/access_token/", nil, "", nil).want(t, 28001017)
}

func TestRefresh(t *testing.T) {
	r := newRig(t)
	old := r.act
	r.clock.Advance(24 * time.Hour)
	if a := r.refresh().want(t, 0); r.act != old || a.body.Data["expires_in"] != "1296000" || a.body.Data["refresh_expires_in"] != "2505600" {
		t.Error("a live token keeps its value, its clock is extended, the refresh token's end stays:", a.raw)
	}
	r.clock.Advance(15*24*time.Hour - time.Second)
	r.publish("part_init", "", nil).want(t, 0)
	r.clock.Advance(time.Second)
	r.publish("part_init", "", nil).want(t, 28001008)
	if r.refresh().want(t, 0); r.act == old {
		t.Error("an expired token comes back")
	}
	r.publish("part_init", "", nil).want(t, 0)
	fresh := r.act
	r.act = old
	r.publish("part_init", "", nil).want(t, 28001008) // still known as one that ran out
	r.act = fresh
	r.clock.Advance(14 * 24 * time.Hour) // day 30 of the refresh token
	if a := r.refresh().want(t, 10010); a.str("access_token") != "<nil>" || a.str("refresh_token") != "<nil>" {
		t.Error("token fields beside an error:", a.raw)
	}
	r.oauth("refresh_token", "client_key", "no", "grant_type", "refresh_token", "refresh_token", r.rft).want(t, 10003)
	r.oauth("refresh_token", "client_key", DefaultKey, "refresh_token", r.rft).want(t, 10005)
}

func TestRenewFiveTimes(t *testing.T) {
	r := newRig(t)
	for range 5 {
		old := r.rft
		r.clock.Advance(29 * 24 * time.Hour)
		if a := r.renew().want(t, 0); a.body.Data["expires_in"] != "2592000" {
			t.Error(a.raw)
		}
		r.oauth("renew_refresh_token", "client_key", DefaultKey, "refresh_token", old).want(t, 10010) // died at once
		r.refresh().want(t, 0)
	}
	r.renew().want(t, 10020)
	r.refresh().want(t, 0) // the last one lives on
	poor := newRig(t, func(o *Options) {
		o.Apps = []App{{ClientKey: DefaultKey, ClientSecret: DefaultSecret, Scopes: []string{"video.create.bind"}}}
	})
	poor.renew().want(t, 10004)
	r.exchange(r.code1()).want(t, 0)
}

func TestRevokedGrant(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set)
		must(t, r.s.Revoke(user))
		r.publish("part_init", "", nil).want(t, r.code(2190002, 28001003))
		r.refresh().want(t, 10010)
		r.renew().want(t, 10010)
	})
}

func TestClientTokens(t *testing.T) {
	r := newRig(t)
	call := func(path string) reply {
		return r.do("POST", "/oauth/"+path+"/", nil, "application/json",
			strings.NewReader(`{"client_key":"`+DefaultKey+`","client_secret":"`+DefaultSecret+`","grant_type":"client_credential"}`))
	}
	live := func(want bool, tokens ...string) {
		t.Helper()
		for _, v := range tokens {
			if r.s.ClientTokenLive(v) != want {
				t.Errorf("token live: %v, want %v", !want, want)
			}
		}
	}
	a := call("client_token").want(t, 0)
	one := a.str("access_token")
	if a.str("expires_in") != "7200" || !strings.HasPrefix(one, "clt.") {
		t.Error(a.raw)
	}
	two := call("client_token").want(t, 0).str("access_token")
	live(true, one, two)
	r.clock.Advance(5 * time.Minute)
	live(false, one)
	live(true, two)
	three, four := call("client_token").str("access_token"), call("client_token").str("access_token")
	live(false, two) // only the newest two, grace or not
	live(true, three, four)
	for range 498 {
		call("client_token").want(t, 0)
	}
	call("client_token").want(t, 10020)
	stable := call("stable_client_token").want(t, 0).str("access_token")
	r.clock.Advance(time.Hour)
	if b := call("stable_client_token").want(t, 0); b.str("access_token") != stable || b.str("expires_in") != "3600" {
		t.Error(b.raw)
	}
	r.clock.Advance(time.Hour)
	if call("stable_client_token").want(t, 0).str("access_token") == stable {
		t.Error("lives longer than 2 h")
	}
	r.oauth("client_token", "client_key", DefaultKey).want(t, 10002) // wants JSON
	r.do("POST", "/oauth/client_token/", nil, "application/json", strings.NewReader(`{"client_key":"x"}`)).want(t, 10005)
}
