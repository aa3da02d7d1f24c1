package douyinweb

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestDeadCookies(t *testing.T) {
	for name, kill := range map[string]func(r *rig){
		"expired":        func(r *rig) { r.clock.Advance(60 * 24 * time.Hour) },
		"expired by us":  func(r *rig) { must(r, r.s.Expire(user)) },
		"logged out":     func(r *rig) { must(r, r.s.Logout(user)) },
		"replaced":       func(r *rig) { _, err := r.s.Login(user); must(r, err) },
		"none":           func(r *rig) { r.cookies = "" },
		"csrf ones only": func(r *rig) { r.cookies = "csrf_token=" + r.csrf },
		"unknown":        func(r *rig) { r.cookies = "sessionid=0123; csrf_token=" + r.csrf },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			u, poster := r.video("x")
			kill(r)
			if a := r.upAuth().want(t, 8); a.str("auth") != "<nil>" || a.str("status_msg") == "<nil>" {
				t.Error(a.raw)
			}
			if a := r.create(form(u.vid, poster)); a.status != 403 {
				t.Error(a.status, a.raw)
			}
			r.posts(0)
			login, err := r.s.Login(user)
			must(t, err)
			r.use(login)
			r.upAuth().want(t, 0)
			r.create(form(u.vid, poster)).want(t, 0)
		})
	}
}

func TestTheLoginEndsExactly(t *testing.T) {
	r := newRig(t)
	r.clock.Advance(60*24*time.Hour - time.Second)
	r.upAuth().want(t, 0)
	r.clock.Advance(time.Second)
	r.upAuth().want(t, 8)
}

func TestReadingsOfADeadCookie(t *testing.T) {
	for _, c := range []struct {
		auth, create string
		status       int
		header, body string
	}{
		{"noauth", "empty", 200, "application/json; charset=utf-8", ""},
		{"page", "page", 200, "text/html; charset=utf-8", "<html>"},
		{"redirect", "redirect", 302, "", ""},
		{"code", "code", 200, "application/json; charset=utf-8", `"status_code":8`},
	} {
		r := newRig(t, func(o *Options) { o.Readings.DeadCookie, o.Readings.DeadCreate = c.auth, c.create })
		r.cookies = "sessionid=x"
		a := r.create(form("v", "p"))
		if a.status != c.status || a.header.Get("Content-Type") != c.header || !strings.Contains(a.raw, c.body) || (c.body == "" && a.raw != "") {
			t.Errorf("%s: HTTP %d %v %q", c.create, a.status, a.header, a.raw)
		}
		if b := r.upAuth(); c.auth == "noauth" && (b.str("status_code") != "0" || b.str("auth") != "<nil>") || b.str("ak") != "<nil>" {
			t.Errorf("%s: %s", c.auth, b.raw)
		}
	}
}

func TestConditions(t *testing.T) {
	r := newRig(t)
	u, poster := r.video("x")
	set := func(c Condition) { must(t, r.s.SetAccount(user, c)) }
	set(Captcha)
	r.upAuth().want(t, 110)
	r.create(form(u.vid, poster)).want(t, 110)
	set(Verify)
	if a := r.create(form(u.vid, poster)); a.header.Get("x-tt-verify-passport-decision") == "" || a.str("item_id") != "<nil>" {
		t.Error(a.header, a.raw)
	}
	set(Login)
	if a := r.upAuth(); a.status != 200 || !strings.HasPrefix(a.raw, "<html>") {
		t.Error(a.raw)
	}
	set(Barred)
	r.upAuth().want(t, 0)
	r.create(form(u.vid, poster)).want(t, 9)
	r.posts(0)
	set(Captcha)
	login, err := r.s.Login(user) // a person logs in again, and has solved it
	must(t, err)
	r.use(login)
	r.create(form(u.vid, poster)).want(t, 0)
	if r.s.SetAccount("nobody", OK) == nil {
		t.Error("a condition of nobody")
	}
}

func TestCSRF(t *testing.T) {
	fetch := func(r *rig, edit ...func(*http.Request)) string {
		a := r.do("HEAD", r.site+"/web/api/media/anchor/search", "", append([]func(*http.Request){
			head("Cookie", r.cookies, "X-Secsdk-Csrf-Request", "1", "X-Secsdk-Csrf-Version", "1.2.22")}, edit...)...)
		f := strings.Split(a.header.Get("x-ware-csrf-token"), ",")
		if len(f) == 1 {
			return ""
		}
		if len(f) != 5 || f[0] != "0" || f[2] != "86370000" || f[3] != "success" || !strings.Contains(r.cookies, "csrf_session_id="+f[4]) {
			t.Error("the header has another form:", f)
		}
		return f[1]
	}
	secsdk := func(token string) func(*http.Request) { return head("csrf_token", "", "X-Secsdk-Csrf-Token", token) }
	for name, c := range map[string]struct {
		reading string
		good    bool
		edit    func(*rig) func(*http.Request)
	}{
		"cookie: repeated":      {"cookie", true, func(r *rig) func(*http.Request) { return head() }},
		"cookie: no header":     {"cookie", false, func(r *rig) func(*http.Request) { return head("csrf_token", "") }},
		"cookie: another value": {"cookie", false, func(r *rig) func(*http.Request) { return head("csrf_token", strings.Repeat("0", 32)) }},
		"cookie: no cookie": {"cookie", false, func(r *rig) func(*http.Request) {
			return head("Cookie", strings.Replace(r.cookies, " csrf_token", " x", 1))
		}},
		"cookie: both invented": {"cookie", false, func(r *rig) func(*http.Request) {
			return head("csrf_token", "f", "Cookie", strings.Replace(r.cookies, r.csrf, "f", 1))
		}},
		"cookie: in X-CSRF-Token":  {"cookie", false, func(r *rig) func(*http.Request) { return head("csrf_token", "", "X-CSRF-Token", r.csrf) }},
		"cookie: secsdk token":     {"cookie", false, func(r *rig) func(*http.Request) { return secsdk(fetch(r)) }},
		"secsdk: token":            {"secsdk", true, func(r *rig) func(*http.Request) { return secsdk(fetch(r)) }},
		"secsdk: older version":    {"secsdk", true, func(r *rig) func(*http.Request) { return secsdk(fetch(r, head("X-Secsdk-Csrf-Version", "1.2.7"))) }},
		"secsdk: other version":    {"secsdk", false, func(r *rig) func(*http.Request) { return secsdk(fetch(r, head("X-Secsdk-Csrf-Version", "9"))) }},
		"secsdk: not asked for":    {"secsdk", false, func(r *rig) func(*http.Request) { return secsdk(fetch(r, head("X-Secsdk-Csrf-Request", ""))) }},
		"secsdk: for another host": {"secsdk", false, func(r *rig) func(*http.Request) { return secsdk(fetch(r, func(q *http.Request) { q.Host = "other" })) }},
		"secsdk: altered":          {"secsdk", false, func(r *rig) func(*http.Request) { return secsdk("0" + fetch(r)) }},
		"secsdk: after its life": {"secsdk", false, func(r *rig) func(*http.Request) {
			token := fetch(r)
			r.clock.Advance(86370 * time.Second)
			return secsdk(token)
		}},
		"secsdk: cookie only":  {"secsdk", false, func(r *rig) func(*http.Request) { return head() }},
		"secsdk: short":        {"secsdk", false, func(r *rig) func(*http.Request) { return secsdk("x") }},
		"either: cookie":       {"either", true, func(r *rig) func(*http.Request) { return head() }},
		"either: token":        {"either", true, func(r *rig) func(*http.Request) { return secsdk(fetch(r)) }},
		"either: none":         {"either", false, func(r *rig) func(*http.Request) { return head("csrf_token", "") }},
		"none: none asked for": {"none", true, func(r *rig) func(*http.Request) { return head("csrf_token", "") }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.Readings.CSRF = c.reading })
			u, poster := r.video("x")
			a := r.create(form(u.vid, poster), c.edit(r))
			if c.good {
				a.want(t, 0)
				r.posts(1)
				return
			}
			if a.status != 403 {
				t.Error(a.status, a.raw)
			}
			r.posts(0)
		})
	}
	r := newRig(t, func(o *Options) { o.Readings.BadCSRF = "code" })
	r.create(form("v", "p"), head("csrf_token", "")).want(t, 6)
}

func TestRefusalsAtTheGateway(t *testing.T) {
	for name, c := range map[string]struct {
		want int
		edit func(*rig) func(*http.Request)
	}{
		"no authorization":   {4010, func(r *rig) func(*http.Request) { return head("authorization", "") }},
		"no access key":      {4010, func(r *rig) func(*http.Request) { return head("x-tt-access", "") }},
		"another access key": {4010, func(r *rig) func(*http.Request) { return head("x-tt-access", strings.Repeat("0", 32)) }},
		"altered expiry": {4010, func(r *rig) func(*http.Request) {
			return head("authorization", strings.Replace(r.auth, ":1.0:1", ":1.0:2", 1))
		}},
		"altered signature": {4010, func(r *rig) func(*http.Request) { return head("authorization", r.auth[:len(r.auth)-8]+"AAAAAAA=") }},
		"another version": {4010, func(r *rig) func(*http.Request) {
			return head("authorization", strings.Replace(r.auth, "1.0", "1.1", 1))
		}},
		"bearer before it": {4010, func(r *rig) func(*http.Request) { return head("authorization", "Bearer "+r.auth) }},
		"sent twice": {4010, func(r *rig) func(*http.Request) {
			return func(q *http.Request) { q.Header.Add("authorization", r.auth) }
		}},
		"ended by the site":    {4010, func(r *rig) func(*http.Request) { must(r, r.s.EndCredentials(user)); return head() }},
		"past its life":        {4011, func(r *rig) func(*http.Request) { r.clock.Advance(5 * time.Hour); return head() }},
		"a second before that": {2000, func(r *rig) func(*http.Request) { r.clock.Advance(5*time.Hour - time.Second); return head() }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			u := r.slot()
			r.send(u, "x")
			edit := c.edit(r)
			r.params("", edit).want(t, c.want)
			if c.want != 2000 {
				r.confirm(u, u.confirmBody(), edit).want(t, c.want)
				if len(r.s.Effects().Assets) != 0 {
					t.Error("confirmed")
				}
				r.signIn() // a fresh one works for the same slot
			}
			r.confirm(u, u.confirmBody()).want(t, 2000)
		})
	}
}

func TestRefusalsOfStepTwo(t *testing.T) {
	r := newRig(t)
	r.signIn()
	base := r.gateway + "/video/openapi/v1/"
	for name, c := range map[string]struct {
		method, query string
		want          int
	}{
		"no action":            {"GET", "?use_edge_node=1", 4040},
		"unknown action":       {"GET", "?action=ApplyUpload", 4040},
		"upper-case key":       {"GET", "?Action=GetVideoUploadParams", 4040},
		"two actions":          {"GET", "?action=GetVideoUploadParams&action=x", 4040},
		"malformed query":      {"GET", "?action=GetVideoUploadParams&%zz", 4040},
		"POST":                 {"POST", "?action=GetVideoUploadParams", 4040},
		"file_size 0":          {"GET", "?action=GetVideoUploadParams&file_size=0", 4000},
		"file_size with a dot": {"GET", "?action=GetVideoUploadParams&file_size=1.5", 4000},
		"short s":              {"GET", "?action=GetVideoUploadParams&s=abc", 4000},
		"use_edge_node 2":      {"GET", "?action=GetVideoUploadParams&use_edge_node=2", 4000},
		"confirm by GET":       {"GET", "?action=UpdateVideoUploadInfos", 4040},
	} {
		t.Run(name, func(t *testing.T) { r.do(c.method, base+c.query, "", r.credential()).want(t, c.want) })
	}
	r = newRig(t, func(o *Options) { o.Readings.ParamsMethod = "both"; o.Readings.GatewayStatus = "http" })
	r.params("", func(q *http.Request) { q.Method = "POST" }).want(t, 2000)
	if a := r.params("&s=x"); a.status != 400 || a.str("code") != "4000" {
		t.Error(a.status, a.raw)
	}
	if a := r.params("", head("authorization", "")); a.status != 401 {
		t.Error(a.status, a.raw)
	}
}

func TestRefusalsOfConfirm(t *testing.T) {
	swap := func(u, v uploadSlot, field string) string {
		switch field {
		case "vid":
			u.vid = v.vid
		case "oid":
			u.oid = v.oid
		case "token":
			u.token = v.token
		}
		return u.confirmBody()
	}
	replace := func(u uploadSlot, from, to string) string { return strings.Replace(u.confirmBody(), from, to, 1) }
	for name, c := range map[string]struct {
		want int
		do   func(r *rig, u, other, top uploadSlot) reply
	}{
		"bytes have not arrived":     {4041, func(r *rig, _, o, _ uploadSlot) reply { return r.confirm(o, o.confirmBody()) }},
		"vid of another slot":        {4000, func(r *rig, u, o, _ uploadSlot) reply { return r.confirm(u, swap(u, o, "vid")) }},
		"oid of another slot":        {4000, func(r *rig, u, o, _ uploadSlot) reply { return r.confirm(u, swap(u, o, "oid")) }},
		"token of another slot":      {4000, func(r *rig, u, o, _ uploadSlot) reply { return r.confirm(u, swap(u, o, "token")) }},
		"token of the other set":     {4000, func(r *rig, u, _, top uploadSlot) reply { return r.confirm(u, swap(u, top, "token")) }},
		"extra_param of another set": {4000, func(r *rig, u, _, top uploadSlot) reply { u.extra = top.extra; return r.confirm(u, u.confirmBody()) }},
		"no extra_param":             {4000, func(r *rig, u, _, _ uploadSlot) reply { u.extra = ""; return r.confirm(u, u.confirmBody()) }},
		"extra_param wrapped": {4000, func(r *rig, u, _, _ uploadSlot) reply {
			u.extra = "extra_param=" + url.QueryEscape(u.extra)
			return r.confirm(u, u.confirmBody())
		}},
		"extra_param without vts": {4000, func(r *rig, u, _, _ uploadSlot) reply {
			u.extra = strings.Replace(u.extra, "vts=", "v=", 1)
			return r.confirm(u, u.confirmBody())
		}},
		"unknown vid":            {4041, func(r *rig, u, _, _ uploadSlot) reply { u.vid = "v0"; return r.confirm(u, u.confirmBody()) }},
		"no vid":                 {4000, func(r *rig, u, _, _ uploadSlot) reply { return r.confirm(u, replace(u, `"vid"`, `"video_id"`)) }},
		"a name in another case": {4000, func(r *rig, u, _, _ uploadSlot) reply { return r.confirm(u, replace(u, `"vid"`, `"Vid"`)) }},
		"poster_ss as string": {4000, func(r *rig, u, _, _ uploadSlot) reply {
			return r.confirm(u, replace(u, `"poster_ss":0`, `"poster_ss":"0"`))
		}},
		"poster_ss negative": {4000, func(r *rig, u, _, _ uploadSlot) reply {
			return r.confirm(u, replace(u, `"poster_ss":0`, `"poster_ss":-1`))
		}},
		"no poster_ss":              {4000, func(r *rig, u, _, _ uploadSlot) reply { return r.confirm(u, replace(u, `"poster_ss":0,`, ``)) }},
		"is_exact_poster as number": {4000, func(r *rig, u, _, _ uploadSlot) reply { return r.confirm(u, replace(u, `:true`, `:1`)) }},
		"no is_exact_poster":        {4000, func(r *rig, u, _, _ uploadSlot) reply { return r.confirm(u, replace(u, `"is_exact_poster":true,`, ``)) }},
		"no user_reference":         {4000, func(r *rig, u, _, _ uploadSlot) reply { return r.confirm(u, replace(u, `,"user_reference":""`, ``)) }},
		"a form": {4000, func(r *rig, u, _, _ uploadSlot) reply {
			return r.confirm(u, u.confirmBody(), head("Content-Type", "application/x-www-form-urlencoded"))
		}},
		"no JSON": {4000, func(r *rig, u, _, _ uploadSlot) reply { return r.confirm(u, u.confirmBody()+"x") }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			a := r.params("&use_edge_node=1").want(t, 2000)
			u, top, other := pick(a, "data.edge_nodes.0."), pick(a, "data."), r.slot()
			r.send(u, "hello")
			c.do(r, u, other, top).want(t, c.want)
			if n := len(r.s.Effects().Assets); n != 0 {
				t.Errorf("%d assets", n)
			}
			r.create(form(u.vid, u.oid)).want(t, 2190) // not confirmed
			r.confirm(u, u.confirmBody()).want(t, 2000)
		})
	}
}

func TestSecondConfirmAndOtherReadings(t *testing.T) {
	r := newRig(t)
	u, poster := r.video("x")
	if again := r.confirm(u, u.confirmBody()).want(t, 2000); again.str("data.poster.oid") != poster {
		t.Error("another poster", again.raw)
	}
	later := r.confirm(u, strings.Replace(u.confirmBody(), `"poster_ss":0`, `"poster_ss":3.5`, 1)).want(t, 2000).str("data.poster.oid")
	if later == poster {
		t.Error("the same poster for another second")
	}
	if oid, second, exact := r.s.Poster(u.vid); oid != later || second != 3.5 || !exact {
		t.Error(oid, second, exact)
	}
	r.create(form(u.vid, poster)).want(t, 5)
	r.create(form(u.vid, later)).want(t, 0)
	if len(r.s.Effects().Assets) != 1 {
		t.Error("a second asset")
	}

	a := r.params("&use_edge_node=1")
	u, top := pick(a, "data.edge_nodes.0."), pick(a, "data.")
	r.send(u, "x")
	r.send(top, "y")
	r.confirm(u, u.confirmBody()).want(t, 2000)
	r.confirm(top, top.confirmBody()).want(t, 4041) // one vid is one object

	r = newRig(t, func(o *Options) { o.Readings.SecondConfirm = "refuse" })
	u, _ = r.video("x")
	r.confirm(u, u.confirmBody()).want(t, 4041)

	r = newRig(t, func(o *Options) { o.Readings.ExtraParam = "ignored" })
	u = r.slot()
	r.send(u, "x")
	u.extra = ""
	r.confirm(u, u.confirmBody()).want(t, 2000)

	r = newRig(t, func(o *Options) { o.Readings.FileSize = "checked" })
	for size, want := range map[string]int{"2": 4041, "1": 2000} {
		u = pick(r.params("&file_size="+size), "data.")
		r.send(u, "x")
		r.confirm(u, u.confirmBody()).want(t, want)
	}

	r = newRig(t, func(o *Options) { o.Readings.Fields = "lenient" })
	u = r.slot()
	r.send(u, "x")
	r.confirm(u, `{"vid":"`+u.vid+`","oid":"`+u.oid+`","token":"`+u.token+`"}`).want(t, 2000)
	r.create(url.Values{"video_id": {u.vid}, "text": {"t"}}).want(t, 0)
}

func TestUnknownReadingsAndMissingStorage(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("no storage")
	}
	r := newRig(t)
	if _, err := New(Options{Storage: r.tos, Readings: Readings{CSRF: "maybe"}}); err == nil {
		t.Error("an unknown reading")
	}
	if _, err := New(Options{Storage: r.tos, Limits: Limits{Text: -1}}); err == nil {
		t.Error("a negative limit")
	}
	if _, err := r.s.AddAccount(""); err == nil {
		t.Error("no uid")
	}
}

func TestRequestsNameTheirAccountAndHideSecrets(t *testing.T) {
	r := newRig(t)
	u, poster := r.video("x")
	r.create(form(u.vid, poster)).want(t, 0)
	for _, e := range r.s.Requests(0) {
		if e.Account != user {
			t.Errorf("%+v", e)
		}
		for _, secret := range []string{r.csrf, r.auth, u.sign} {
			if strings.Contains(e.Query+e.Path, secret) {
				t.Error("a secret in the log of", e.Op)
			}
		}
	}
	if a := r.do("GET", r.site+"/nope", ""); a.status != 404 {
		t.Error(a.status)
	}
}
