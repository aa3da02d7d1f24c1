package douyinweb

import (
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/fake"
)

func TestCutsAroundTheEffect(t *testing.T) {
	for cut, want := range map[string]int{fake.CutStart: 0, fake.CutBody: 0, fake.CutBefore: 0, fake.CutAfter: 1} {
		r := newRig(t)
		u, poster := r.video("x")
		r.inject(fake.Fault{Op: "create", Cut: cut, Account: user})
		if a := r.create(form(u.vid, poster)); a.err == nil {
			t.Errorf("%s: answered %s", cut, a.raw)
		}
		r.posts(want)
		r.create(form(u.vid, poster)).want(t, 0) // no idempotence: a careless client posts twice
		r.posts(want + 1)
	}
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		f     fake.Fault
		posts int
		good  func(reply) bool
	}{
		"captcha":     {fake.Fault{Name: "captcha"}, 0, func(a reply) bool { return a.str("status_code") == "110" }},
		"verify":      {fake.Fault{Name: "verify"}, 0, func(a reply) bool { return a.header.Get("X-Tt-Verify-Passport-Decision") != "" }},
		"login page":  {fake.Fault{Name: "login_page"}, 0, func(a reply) bool { return a.status == 200 && strings.HasPrefix(a.raw, "<html>") }},
		"redirect":    {fake.Fault{Name: "redirect"}, 0, func(a reply) bool { return a.status == 302 && a.header.Get("Location") == "/login" }},
		"forbidden":   {fake.Fault{Name: "forbidden"}, 0, func(a reply) bool { return a.status == 403 }},
		"empty":       {fake.Fault{Name: "empty"}, 0, func(a reply) bool { return a.status == 200 && a.raw == "" }},
		"busy after":  {fake.Fault{Name: "busy", When: fake.After}, 1, func(a reply) bool { return a.str("status_code") == "4" }},
		"code":        {fake.Fault{Code: 77, Description: "no"}, 0, func(a reply) bool { return a.str("status_code") == "77" && a.str("status_msg") == "no" }},
		"throttled":   {fake.Fault{Status: 429, RetryAfter: 7}, 0, func(a reply) bool { return a.status == 429 && a.header.Get("Retry-After") == "7" }},
		"garbled":     {fake.Fault{Body: fake.BodyGarbled}, 1, func(a reply) bool { return a.status == 200 && a.str("item_id") == "<nil>" }},
		"short":       {fake.Fault{Body: fake.BodyShort}, 1, func(a reply) bool { return a.err != nil }},
		"html":        {fake.Fault{Body: fake.BodyHTML, When: fake.After}, 1, func(a reply) bool { return strings.HasPrefix(a.raw, "<html>") }},
		"other user":  {fake.Fault{Account: "2", Code: 77}, 1, func(a reply) bool { return a.str("status_code") == "0" }},
		"logged out":  {fake.Fault{Token: fake.TokenRevoke}, 0, func(a reply) bool { return a.status == 403 }},
		"rotated":     {fake.Fault{Token: fake.TokenRotate}, 0, func(a reply) bool { return a.status == 403 }},
		"ended after": {fake.Fault{Token: fake.TokenExpire, When: fake.After}, 1, func(a reply) bool { return a.str("status_code") == "0" }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			u, poster := r.video("x")
			c.f.Op = "create"
			r.inject(c.f)
			if a := r.create(form(u.vid, poster)); !c.good(a) {
				t.Errorf("HTTP %d %v %s %v", a.status, a.header, a.raw, a.err)
			}
			r.posts(c.posts)
		})
	}
	r := newRig(t)
	r.signIn()
	r.inject(fake.Fault{Op: "video_params", Name: "rate", Account: user})
	r.params("").want(t, 30411)
	r.inject(fake.Fault{Op: "video_params", Token: fake.TokenExpire})
	r.params("").want(t, 4010)
	r.upAuth().want(t, 0) // the login lives
	for _, f := range []fake.Fault{{Op: "auth", Code: 1}, {Op: "create", Name: "nope"}, {Op: "unknown", Account: user, Code: 1}} {
		if r.s.Inject(f) == nil {
			t.Errorf("%+v was armed", f)
		}
	}
}
