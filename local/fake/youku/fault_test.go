package youku

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

func TestFaultsAroundTheEffect(t *testing.T) {
	for name, c := range map[string]struct {
		f     fake.Fault
		posts int
		good  func(a reply) bool
	}{
		"cut at the start":  {fake.Fault{Cut: fake.CutStart}, 0, func(a reply) bool { return a.err != nil }},
		"cut in the body":   {fake.Fault{Cut: fake.CutBody}, 0, func(a reply) bool { return a.err != nil }},
		"cut before":        {fake.Fault{Cut: fake.CutBefore}, 0, func(a reply) bool { return a.err != nil }},
		"cut after":         {fake.Fault{Cut: fake.CutAfter}, 1, func(a reply) bool { return a.err != nil }},
		"status before":     {fake.Fault{Status: 502}, 0, func(a reply) bool { return a.status == 502 && strings.Contains(a.raw, "<html>") }},
		"status after":      {fake.Fault{Status: 502, When: fake.After}, 1, func(a reply) bool { return a.status == 502 }},
		"code after":        {fake.Fault{Code: 1001, When: fake.After}, 1, func(a reply) bool { return a.code == "1001" }},
		"name":              {fake.Fault{Name: "metainfo"}, 0, func(a reply) bool { return a.code == "120010152" }},
		"name by a reading": {fake.Fault{Name: "hash"}, 0, func(a reply) bool { return a.code == "12001010225" }},
		"throttle":          {fake.Fault{Status: 429, RetryAfter: 3}, 0, func(a reply) bool { return a.header.Get("Retry-After") == "3" }},
		"html":              {fake.Fault{Body: fake.BodyHTML}, 0, func(a reply) bool { return a.status == 200 && a.code == "transport" }},
		"empty after":       {fake.Fault{Body: fake.BodyEmpty, When: fake.After}, 1, func(a reply) bool { return a.raw == "" }},
		"short":             {fake.Fault{Body: fake.BodyShort}, 1, func(a reply) bool { return a.err != nil && a.raw != "" }},
		"garbled":           {fake.Fault{Body: fake.BodyGarbled}, 1, func(a reply) bool { return !json.Valid([]byte(a.raw)) }},
		"delay":             {fake.Fault{DelayMS: 1}, 1, func(a reply) bool { return a.code == "" }},
		"no such sub code":  {fake.Fault{SubCode: 7}, 0, func(a reply) bool { return a.status == 500 }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c.f.Op, c.f.Account = "commit", "main"
			a := r.uploaded("x")
			r.inject(c.f)
			if b := r.commit(a); !c.good(b) || r.posts() != c.posts {
				t.Errorf("%d posts, want %d; HTTP %d, %v: %s", r.posts(), c.posts, b.status, b.err, b.raw)
			}
			if c.posts == 0 {
				r.commit(a).want(t, "") // nothing was spent
			}
		})
	}
}

func TestShapesOfSuccess(t *testing.T) {
	for name, c := range map[string]struct {
		shape Shape
		op    string
		good  func(a reply) bool
	}{
		"expires_in as a string": {Shape{ExpiresInString: true}, "refresh_token", func(a reply) bool { return strings.Contains(a.raw, `"expires_in":"3600"`) }},
		"expires_in as a number": {Shape{}, "refresh_token", func(a reply) bool { return strings.Contains(a.raw, `"expires_in":3600`) }},
		"numbers as strings":     {Shape{NumbersAsStrings: true}, "refresh_token", func(a reply) bool { return strings.Contains(a.raw, `"expires_in":"3600"`) }},
		"text/plain":             {Shape{ContentType: "text/plain"}, "create", func(a reply) bool { return a.header.Get("Content-Type") == "text/plain" }},
		"unknown fields":         {Shape{Unknown: true}, "create", func(a reply) bool { return a.str("cost") == "0.018" }},
		"a field missing":        {Shape{Omit: []string{"oss_object"}}, "create", func(a reply) bool { return a.str("oss_object") == "<none>" && a.str("oss_bucket") != "<none>" }},
		"no expire_time":         {Shape{Omit: []string{"expire_time"}}, "get_sts_inf", func(a reply) bool { return a.str("expire_time") == "<none>" }},
		"garbled expire_time":    {Shape{ExpireTime: "garbled"}, "get_sts_inf", func(a reply) bool { _, err := time.Parse(time.RFC3339, a.str("expire_time")); return err != nil }},
		"expire_time of Beijing": {Shape{ExpireTime: "offset"}, "create", func(a reply) bool { return a.str("expire_time") == "2026-11-20T11:30:00+08:00" }},
	} {
		for _, how := range []string{"fault", "option"} {
			r := newRig(t, func(o *Options) {
				if how == "option" {
					o.Shape = c.shape
				}
			})
			var a reply
			if c.op == "get_sts_inf" {
				a = r.create([]byte("x"))
			}
			if how == "fault" && name != "expires_in as a number" {
				r.inject(fake.Fault{Op: c.op, Shape: c.shape.JSON()})
			}
			switch c.op {
			case "create":
				a = r.create([]byte("x"))
			case "get_sts_inf":
				a = r.sts(a)
			default:
				a = r.refresh()
			}
			if a.want(t, ""); !c.good(a) {
				t.Errorf("%s by %s: %s", name, how, a.raw)
			}
		}
	}
	r := newRig(t, func(o *Options) { o.Readings.CreateStatus = 200 })
	if a := r.create([]byte("x")).want(t, ""); a.status != 200 {
		t.Error(a.status)
	}
}

func TestControlCalls(t *testing.T) {
	r := newRig(t, func(o *Options) { o.ControlKey = "k" })
	control := func(method, path, key, body string) reply {
		req, err := http.NewRequest(method, r.web.URL+fake.Prefix+path, strings.NewReader(body))
		must(t, err)
		req.Header.Set(fake.KeyHeader, key)
		req.Header.Set("Content-Type", "application/json")
		return r.do(req)
	}
	if a := control("GET", "effects", "", ""); a.status != 403 {
		t.Error(a.status)
	}
	for body, want := range map[string]int{`{"op":"commit","shape":{"outcome":"fail"}}`: 200, `{"op":"commit","shape":{"outcome":"fail","x":1}}`: 400,
		`{"op":"commit","shape":{"error_form":"xml"}}`: 400, `{"op":"upload","code":1}`: 400, `{"op":"commit","name":"nothing"}`: 400} {
		if a := control("POST", "faults", "k", body); a.status != want {
			t.Error(body, a.status, a.raw)
		}
	}
	id := r.published("x", "title", "控制")
	r.clock.Advance(time.Hour)
	if a := control("GET", "effects", "k", ""); !strings.Contains(a.raw, `"state": "fail"`) || !strings.Contains(a.raw, id) ||
		!strings.Contains(a.raw, md5Of([]byte("x"))) || !strings.Contains(a.raw, "控制") {
		t.Error(a.raw)
	}
	if len(r.s.Faults()) != 0 || r.s.Counters()["commit"].Requests != 1 {
		t.Error(r.s.Faults(), r.s.Counters())
	}
	r.inject(fake.Fault{Op: "*", Code: 1001, Times: -1})
	r.s.ClearFaults()
	r.show(id).want(t, "")
}

func TestAClientThatStopsInMidBodyAskedNothing(t *testing.T) {
	r := newRig(t)
	body := r.createForm([]byte("x")).Encode()
	req, err := http.NewRequest("POST", r.web.URL+"/uploads/create.json", strings.NewReader(body))
	must(t, err)
	req.Header.Set("Content-Type", formType)
	req.ContentLength = int64(len(body)) + 10 // promises more than it sends
	if a := r.do(req); a.err == nil || len(r.s.Videos()) != 0 {
		t.Error(a.raw, r.s.Videos())
	}
}

func TestAnEffectMayComeAfterItsClientLeft(t *testing.T) {
	r := newRig(t)
	a := r.uploaded("x")
	hold, reached := make(chan struct{}), make(chan struct{})
	r.inject(fake.Fault{Op: "commit", Hold: hold, Reached: func() { close(reached) }})
	done := make(chan reply, 1)
	go func() { done <- r.commit(a) }()
	<-reached
	r.web.CloseClientConnections()
	if b := <-done; b.err == nil || r.posts() != 0 {
		t.Error(b.raw, r.posts())
	}
	close(hold)
	r.web.Close() // waits for the handler
	if r.posts() != 1 {
		t.Error("the effect did not come")
	}
}

func TestOptionsThatNoPlatformCouldBe(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"no storage":   func(o *Options) { o.Storage = nil },
		"app twice":    func(o *Options) { o.Apps = []App{{ClientID: "a"}, {ClientID: "a"}} },
		"negative":     func(o *Options) { o.Limits.Title = -1 },
		"tags":         func(o *Options) { o.Limits.TagMin, o.Limits.TagMax = 5, 4 },
		"pace":         func(o *Options) { o.Pace.Review = -1 },
		"reading":      func(o *Options) { o.Readings.Rotation = "sometimes" },
		"code":         func(o *Options) { o.Readings.HashCode = 1 },
		"shape":        func(o *Options) { o.Shape.ErrorStatus = 99 },
		"folder taken": func(o *Options) { o.Dir = "/dev/null/x" },
	} {
		o := Options{Storage: newShelf(time.Now)}
		set(&o)
		if s, err := New(o); err == nil {
			s.Close()
			t.Error(name, "was accepted")
		}
	}
}
