package douyin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/fake"
)

func TestCutsAroundTheEffect(t *testing.T) {
	for cut, want := range map[string]int{fake.CutStart: 0, fake.CutBody: 0, fake.CutBefore: 0, fake.CutAfter: 1} {
		r := newRig(t)
		v := r.newVideo("x")
		r.inject(fake.Fault{Op: "create", Cut: cut})
		if a := r.createText(v, "t"); a.err == nil {
			t.Errorf("%s: answered %s", cut, a.raw)
		}
		if r.posts() != want {
			t.Errorf("%s: %d posts, want %d", cut, r.posts(), want)
		}
		last := r.s.Requests(0)
		if e := last[len(last)-1]; !e.Cut || !e.Fault || e.Status != 0 || e.Op != "create" {
			t.Errorf("%s: logged %+v", cut, e)
		}
	}
}

func TestCutInMidBodyStoresNothing(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits = Limits{PartMin: 10} })
	id := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
	r.inject(fake.Fault{Op: "part_upload", Cut: fake.CutBody, CutAt: 1000})
	part := func() reply { return r.file("part_upload", make([]byte, 4*MiB), "upload_id", id, "part_number", "1") }
	if a := part(); a.err == nil {
		t.Error("answered", a.raw)
	}
	r.publish("complete", "", nil, "upload_id", id).want(t, 28001007)
	part().want(t, 0)
	r.publish("complete", "", nil, "upload_id", id).want(t, 0)
}

func TestClientThatStopsInMidBodyStoresNothing(t *testing.T) {
	r := newRig(t)
	b, ct := form(t, "video", "a", "video/mp4", make([]byte, 40))
	a := r.publish("upload", ct, bytes.NewReader(b[:len(b)-50]), "x", "y")
	a.want(t, 28001007) // whole as far as HTTP can tell
	req, _ := http.NewRequest("POST", r.web.URL+paths[V1]["upload"]+"?open_id="+strings.NewReplacer("+", "%2B", "=", "%3D", "/", "%2F").Replace(user), bytes.NewReader(b[:20]))
	req.Header.Set("access-token", r.act)
	req.Header.Set("Content-Type", ct)
	req.ContentLength = int64(len(b)) // promises more than it sends
	if res, err := r.http.Do(req); err == nil {
		res.Body.Close()
		t.Error("answered", res.Status)
	}
	if n := len(r.s.Effects().Assets); n != 0 {
		t.Errorf("%d assets", n)
	}
}

func TestSpoiltAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		f     fake.Fault
		posts int
		good  func(a reply) bool
	}{
		"status before": {fake.Fault{Status: 503}, 0, func(a reply) bool { return a.status == 503 && strings.Contains(a.raw, "<html>") }},
		"status after":  {fake.Fault{Status: 503, When: fake.After}, 1, func(a reply) bool { return a.status == 503 }},
		"code after":    {fake.Fault{Name: "busy", When: fake.After}, 1, func(a reply) bool { return a.str("error_code") == "28001005" }},
		"sub code alone": {fake.Fault{SubCode: 7}, 0, func(a reply) bool {
			return fmt.Sprint(a.body.Extra["sub_error_code"]) == "7" && a.str("item_id") == "<nil>"
		}},
		"throttle":    {fake.Fault{Status: 429, RetryAfter: 3}, 0, func(a reply) bool { return a.status == 429 && a.header.Get("Retry-After") == "3" }},
		"html":        {fake.Fault{Body: fake.BodyHTML}, 0, func(a reply) bool { return a.status == 200 && strings.Contains(a.raw, "<html>") }},
		"empty after": {fake.Fault{Body: fake.BodyEmpty, When: fake.After}, 1, func(a reply) bool { return a.status == 200 && a.raw == "" }},
		"short":       {fake.Fault{Body: fake.BodyShort}, 1, func(a reply) bool { return a.err != nil && a.raw != "" }},
		"garbled":     {fake.Fault{Body: fake.BodyGarbled}, 1, func(a reply) bool { return a.err == nil && !json.Valid([]byte(a.raw)) }},
		"delay":       {fake.Fault{DelayMS: 1}, 1, func(a reply) bool { return a.str("error_code") == "0" }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c.f.Op = "create"
			v := r.newVideo("x")
			r.inject(c.f)
			if a := r.createText(v, "t"); !c.good(a) || r.posts() != c.posts {
				t.Errorf("%d posts, want %d; HTTP %d, %v: %s", r.posts(), c.posts, a.status, a.err, a.raw)
			}
			if c.posts == 0 {
				r.createText(v, "t").want(t, 0) // nothing was spent
			}
		})
	}
}

func TestAnEffectMayComeAfterItsClientLeft(t *testing.T) {
	r := newRig(t)
	v := r.newVideo("x")
	hold, reached := make(chan struct{}), make(chan struct{})
	r.inject(fake.Fault{Op: "create", Hold: hold, Reached: func() { close(reached) }})
	done := make(chan reply, 1)
	go func() { done <- r.createText(v, "t") }()
	<-reached
	r.web.CloseClientConnections()
	if a := <-done; a.err == nil {
		t.Error("answered", a.raw)
	}
	if r.posts() != 0 {
		t.Error("posted before the hold ended")
	}
	close(hold)
	r.web.Close() // waits for the handler
	if r.posts() != 1 {
		t.Error("the effect did not come")
	}
}

func TestTokenFaults(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set)
		init := func() reply { return r.publish("part_init", "", nil) }
		r.inject(fake.Fault{Op: "part_init", Token: fake.TokenExpire, When: fake.After})
		init().want(t, 0)
		init().want(t, r.code(2190008, 28001008))
		r.refresh().want(t, 0)
		r.inject(fake.Fault{Op: "part_init", Account: user, Token: fake.TokenRotate})
		init().want(t, r.code(2190002, 28001003))
		r.refresh().want(t, 0)
		init().want(t, 0)
		r.inject(fake.Fault{Op: "refresh_token", Token: fake.TokenRevoke})
		r.refresh().want(t, 10010)
		init().want(t, r.code(2190002, 28001003))
	})
}

func TestLostAnswerOfOAuthCallsHasHadItsEffect(t *testing.T) {
	r := newRig(t)
	r.inject(fake.Fault{Op: "renew_refresh_token", Cut: fake.CutAfter})
	if a := r.renew(); a.err == nil {
		t.Error("answered")
	}
	r.renew().want(t, 10010) // the old one is dead: the account is locked out
	code := r.code1()
	r.inject(fake.Fault{Op: "access_token", Cut: fake.CutAfter})
	if a := r.exchange(code); a.err == nil {
		t.Error("answered")
	}
	r.exchange(code).want(t, 10007)
}

func TestNthAndTimes(t *testing.T) {
	r := newRig(t)
	r.inject(fake.Fault{Op: "part_init", Nth: 2, Times: 2, Name: "rate"})
	for i, want := range []int{0, 28003018, 28003018, 0} {
		if i == 1 {
			r.refresh().want(t, 0) // another operation does not count
		}
		r.publish("part_init", "", nil).want(t, want)
	}
	if n := len(r.s.Faults()); n != 0 {
		t.Errorf("%d faults left", n)
	}
	r.inject(fake.Fault{Op: "*", Times: -1, Code: 28001052})
	for range 3 {
		r.publish("part_init", "", nil).want(t, 28001052)
	}
	r.s.ClearFaults()
	r.publish("part_init", "", nil).want(t, 0)
	for _, f := range []fake.Fault{{}, {Op: "nope"}, {Op: "create", Cut: "x"}, {Op: "create", Name: "x"}, {Op: "create", Code: 1, Status: 500},
		{Op: "create", Cut: fake.CutStart, When: fake.After}, {Op: "create", Body: fake.BodyShort, When: fake.Before}, {Op: "create", Shape: []byte(`{"x":1}`)}} {
		if r.s.Inject(f) == nil {
			t.Errorf("%+v was armed", f)
		}
	}
}

func TestShapes(t *testing.T) {
	eachShape := map[string]struct {
		shape Shape
		code  int
		want  []string
		never string
	}{
		"numbers as strings":     {Shape{NumbersAsStrings: true}, 0, []string{`"error_code":"0"`, `"width":"0"`, `"now":"17`}, `"error_code":0`},
		"success says logid":     {Shape{}, 0, []string{`"logid":"2026`}, `"log_id"`},
		"error says log_id":      {Shape{}, 28001005, []string{`"log_id":"2026`}, `"logid"`},
		"log_id always":          {Shape{LogID: "log_id"}, 0, []string{`"log_id"`}, `"logid"`},
		"no zero in data":        {Shape{OmitZero: true}, 0, []string{`"data":{"video":{`}, ``},
		"error in extra only":    {Shape{ErrorIn: "extra"}, 28001005, []string{`"data":{}`, `"error_code":28001005`}, ``},
		"error in data only":     {Shape{ErrorIn: "data"}, 28001005, []string{`"data":{"description":"system busy, retry","error_code":28001005}`, `"error_code":0`}, ``},
		"error as sub code only": {Shape{ErrorIn: "sub"}, 28001005, []string{`"sub_error_code":28001005`}, `"error_code":28001005,`},
		"error on top":           {Shape{ErrorIn: "top"}, 28001005, []string{`"data":{}`, `"description":"system busy, retry","error_code":28001005,"extra":{`}, ``},
		"flat":                   {Shape{Flat: true}, 0, []string{`"err_no":0`, `"data":{"video":{`}, `extra`},
		"flat error":             {Shape{Flat: true}, 28001005, []string{`"err_no":28001005`, `"data":{}`}, `extra`},
	}
	for name, c := range eachShape {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			f := fake.Fault{Op: "upload", Code: c.code, Shape: c.shape.JSON()}
			r.inject(f)
			a := r.file("upload", []byte("x"))
			for _, want := range c.want {
				if !strings.Contains(a.raw, want) {
					t.Errorf("no %s in %s", want, a.raw)
				}
			}
			if c.never != "" && strings.Contains(strings.ReplaceAll(a.raw, "sub_error_code", "sub"), c.never) {
				t.Errorf("%s in %s", c.never, a.raw)
			}
			if a = r.file("upload", []byte("x")); a.str("error_code") != "0" {
				t.Error("the next answer is spoilt too", a.raw)
			}
		})
	}
}

func TestControlCalls(t *testing.T) {
	r := newRig(t, func(o *Options) { o.ControlKey = "k3y" })
	v := r.newVideo("x")
	r.createText(v, "t").want(t, 0)
	call := func(method, path, key, body string) (int, string) {
		a := r.do(method, "/_fake/"+path, nil, "application/json", strings.NewReader(body), func(q *http.Request) { q.Header.Set(fake.KeyHeader, key) })
		return a.status, a.raw
	}
	for _, key := range []string{"", "wrong"} {
		if status, _ := call("GET", "effects", key, ""); status != 403 {
			t.Errorf("key %q: HTTP %d", key, status)
		}
	}
	if status, raw := call("GET", "effects", "k3y", ""); status != 200 || !strings.Contains(raw, `"sha256": "`+sum([]byte("x"))) || !strings.Contains(raw, `"title": "t"`) {
		t.Error(status, raw)
	}
	if status, raw := call("POST", "faults", "k3y", `{"op":"create","code":2100004,"times":2}`); status != 200 {
		t.Error(raw)
	}
	r.createText(v, "t").want(t, 2100004)
	if status, _ := call("DELETE", "faults", "k3y", ""); status != 200 {
		t.Error(status)
	}
	r.createText(v, "t").want(t, 2190007)
	for _, bad := range []string{`{"op":"create","kode":1}`, `{"op":"craete"}`, `{}`, `[]`, `{"op":"create"} 1`} {
		if status, raw := call("POST", "faults", "k3y", bad); status != 400 || !strings.Contains(raw, "fault") {
			t.Error(bad, status, raw)
		}
	}
	if status, _ := call("PUT", "faults", "k3y", ""); status != 404 {
		t.Error(status)
	}
	_, raw := call("GET", "requests", "k3y", "")
	if !strings.Contains(raw, `"op": "create"`) || !strings.Contains(raw, `"max_in_flight": 1`) || strings.Contains(raw, r.act) {
		t.Error(raw)
	}
}

func TestRequestLogHidesSecrets(t *testing.T) {
	r := newRig(t, legacyQuery)
	id := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
	r.publish("complete", "", nil, "upload_id", id)
	code := r.code1()
	b, _ := json.Marshal(r.s.Requests(0))
	for _, secret := range []string{r.act, id, code} {
		if secret != "" && strings.Contains(string(b), secret) {
			t.Error("a secret in the log")
		}
	}
	g, err := r.s.Grant(user)
	must(t, err)
	if text := fmt.Sprintf("%v %+v %#v", g, g, g); strings.Contains(text, g.AccessToken) || strings.Contains(text, g.RefreshToken) {
		t.Error("a secret in", text)
	}
}
