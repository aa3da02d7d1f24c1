package openapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/appserver/vodtest"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/table/tabletest"
	"github.com/vodlift/vodlift/shared/vod"
)

const password = "correct horse battery"

// apps is the AppServer's handler over an in-memory table, the real users and catalogue, and a stand-in for VOD. Every
// answer that it gives is judged by the document.
type apps struct {
	t     testing.TB
	doc   *document
	api   *appserver.API
	p     *vodtest.Platform
	users *users.Store
	clock *tabletest.Clock
	seen  map[string]int // answers by operation and code
}

type signer struct{ now func() time.Time }

// SignGet implements catalogue.Signer.
func (s signer) SignGet(_ context.Context, key string, life time.Duration) (string, time.Time, error) {
	return "https://media.example.com/" + key + "?signature=example", s.now().Add(life), nil
}

func newApps(t testing.TB, doc *document, change ...func(*appserver.Settings, *users.Settings, *users.Limits)) *apps {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	clock := tabletest.NewClock(time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC))
	db, err := sqlite.OpenMemory(&sqlite.Options{Now: clock.Now})
	check(err)
	t.Cleanup(func() { db.Close() })
	set, uset, limits := appserver.Settings{DemoEndpoints: true, RoleARN: "acs:ram::1:role/app"}, users.Settings{OpenSignup: true}, users.Limits{UserUploads: -1, AddressUploads: -1}
	for _, fn := range change {
		fn(&set, &uset, &limits)
	}
	addr, err := users.NewAddresses(bytes.Repeat([]byte("k"), 32))
	check(err)
	who, err := users.New(db, users.Options{Addresses: addr, Now: clock.Now, Hasher: users.NewArgon2(users.Params{Memory: 8, Time: 1, Threads: 1}, rand.Reader), Settings: uset})
	check(err)
	quotas, err := users.NewQuotas(db, users.QuotaOptions{Addresses: addr, Now: clock.Now, Limits: limits})
	check(err)
	shown, err := catalogue.New(db, catalogue.Options{Signer: signer{clock.Now}, Now: clock.Now})
	check(err)
	_, err = shown.Import(t.Context(), bytes.NewReader(catalogue.Sample()))
	check(err)
	a := &apps{t: t, doc: doc, p: vodtest.New(clock.Now), users: who, clock: clock, seen: map[string]int{}}
	a.api = appserver.New(appserver.Parts{Table: db, VOD: a.p, Roles: a.p, Users: who, Quotas: quotas, Catalogue: shown, Now: clock.Now,
		Rand: rand.Reader, Log: slog.New(slog.DiscardHandler), Settings: set})
	return a
}

// answer is an envelope as a client reads it.
type answer struct {
	Result, Code string
	RequestID    string `json:"requestId"`
	Message      *string
	Data         json.RawMessage
	raw          string
}

func (a answer) field(name string) string {
	var m map[string]any
	_ = json.Unmarshal(a.Data, &m)
	return fmt.Sprint(m[name])
}

// handle sends a request as the gateway does and judges the answer.
func (a *apps) handle(req events.APIGatewayV2HTTPRequest) answer {
	a.t.Helper()
	req.RequestContext.HTTP.SourceIP = "192.0.2.1"
	res, err := a.api.Handle(a.t.Context(), req)
	if err != nil {
		a.t.Fatal(err)
	}
	method, path := req.RequestContext.HTTP.Method, strings.TrimSuffix(req.RawPath, "/")
	var out answer
	if err := json.Unmarshal([]byte(res.Body), &out); err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	out.raw = res.Body
	o, ok := a.doc.find(method, path)
	switch {
	case res.StatusCode != 200 || !strings.HasPrefix(res.Headers["content-type"], "application/json"):
		a.t.Errorf("%s %s: %d %v", method, path, res.StatusCode, res.Headers)
	case !ok: // no such call, or not by that method
		if err := a.doc.conforms(a.t, "Refusal", []byte(res.Body)); err != nil {
			a.t.Errorf("%s %s, which the document has not: %v", method, path, err)
		}
	default:
		if err := a.doc.judge(a.t, o, res.StatusCode, []byte(res.Body)); err != nil {
			a.t.Error(err)
		}
		a.seen[o.key()+" "+out.Code]++
	}
	if len(out.RequestID) != 36 {
		a.t.Errorf("%s %s: requestId %q is no UUID", method, path, out.RequestID)
	}
	if out.Code == "403" {
		if err := a.doc.conforms(a.t, "BareRefusal", []byte(res.Body)); err != nil {
			a.t.Errorf("a client that reads the bare 403 does not read this: %v", err)
		}
	}
	return out
}

// Forms in which parameters can be sent.
const (
	inQuery = "query"
	inForm  = "application/x-www-form-urlencoded"
	inJSON  = "application/json"
)

func (a *apps) send(method, path, form string, v url.Values) answer {
	a.t.Helper()
	req := events.APIGatewayV2HTTPRequest{RawPath: path, Headers: map[string]string{}}
	req.RequestContext.HTTP.Method = method
	switch form {
	case inQuery:
		req.RawQueryString = v.Encode()
	case inForm:
		req.Headers["content-type"], req.Body = inForm, v.Encode()
	case inJSON:
		m := map[string]string{}
		for name := range v {
			m[name] = v.Get(name)
		}
		b, err := json.Marshal(m)
		if err != nil {
			a.t.Fatal(err)
		}
		req.Headers["content-type"], req.Body = inJSON, string(b)
	}
	return a.handle(req)
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

type person struct{ id, token, name string }

func (a *apps) person(name string) person {
	a.t.Helper()
	if _, err := a.users.Register(a.t.Context(), name, password, "192.0.2.1"); err != nil {
		a.t.Fatal(err)
	}
	s, err := a.users.Login(a.t.Context(), name, password, "192.0.2.1")
	if err != nil {
		a.t.Fatal(err)
	}
	return person{s.User.ID, s.Token, name}
}

// issued gets an id; by /demo for nobody.
func (a *apps) issued(p person) string {
	a.t.Helper()
	path := "/vod/getVideoUploadAuth"
	if p.token == "" {
		path = "/demo/getVideoUploadAuth"
	}
	return a.send("GET", path, inQuery, values("token", p.token, "title", "a film", "fileName", "a.mp4")).field("videoId")
}

func (a *apps) uploaded(p person) string {
	id := a.issued(p)
	a.p.Upload(id, 1000)
	return id
}

func (a *apps) published(p person) string {
	a.t.Helper()
	id := a.uploaded(p)
	if r := a.send("POST", "/vod/videoPublish", inForm, values("token", p.token, "videoId", id, "title", "a film", "duration", "7.5", "cateId", "2")); r.Code != "200" {
		a.t.Fatal(r.raw)
	}
	return id
}

// public is published, and through its review.
func (a *apps) public(p person) string {
	a.t.Helper()
	id := a.published(p)
	a.p.Judge(id, "success", "pass")
	a.p.Stream(id, vod.Stream{URL: "https://play.example/" + id + ".mp4", Status: "Normal"})
	if err := a.api.Callback(a.t.Context(), callback.Event{Platform: callback.AliVOD, Type: "AIMediaAuditComplete", Remotes: []string{id}}); err != nil {
		a.t.Fatal(err)
	}
	return id
}

// real gives parameters that stand for something in this server in place of a document's examples.
func (a *apps) real(path string, me person) map[string]string {
	a.t.Helper()
	first := func(call, name string, v url.Values) string {
		var list []map[string]any
		if err := json.Unmarshal(a.send("GET", call, inQuery, v).Data, &list); err != nil || len(list) == 0 {
			a.t.Fatalf("%s is empty: %v", call, err)
		}
		return fmt.Sprint(list[0][name])
	}
	out := map[string]string{"token": me.token, "userId": me.id}
	switch path {
	case "/user/login":
		out["username"], out["password"] = me.name, password
	case "/user/register":
		out["username"], out["password"] = "somebody-new", password
	case "/vod/refreshVideoUploadAuth":
		out["videoId"] = a.issued(me)
	case "/demo/refreshVideoUploadAuth":
		out["videoId"] = a.issued(person{})
	case "/vod/videoPublish":
		out["videoId"] = a.uploaded(me)
	case "/vod/deleteVideoById":
		out["videoId"] = a.published(me)
	case "/vod/getVideoPlayAuth", "/demo/getVideoPlayAuth":
		out["videoId"] = a.public(me)
	case "/vod/getRecommendVideoList", "/vod/getPersonalVideoList":
		a.public(me)
	case "/music/getPlayPath":
		out["musicId"] = "sample-sine"
	case "/resource/getPasterList":
		out["pasterId"] = first("/resource/getPasterInfo", "id", nil)
	case "/resource/getTextPasterList":
		out["textPasterId"] = first("/resource/getTextPaster", "id", nil)
	case "/resource/getFont":
		out["fontId"] = first("/resource/getFont", "id", nil)
	}
	return out
}
