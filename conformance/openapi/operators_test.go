package openapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/memsource"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/table/tabletest"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// nobody stands for the machine and the outside: the desk walks the steps itself.
type nobody struct{}

func (nobody) Start(context.Context, string, []byte) error                     { return nil }
func (nobody) Wake(context.Context, string) error                              { return nil }
func (nobody) Send(context.Context, state.Outgoing) error                      { return nil }
func (nobody) RenewAccount(_ context.Context, _ upload.Account, _ int64) error { return nil }
func (nobody) Scopes() []string                                                { return []string{"publish"} }
func (nobody) CheckRedirect(string) error                                      { return nil }
func (nobody) AuthorizeURL(_ token.AppKey, redirect string, _ []string, state string) string {
	return "https://platform.example/consent?" + url.Values{"redirect_uri": {redirect}, "state": {state}}.Encode()
}

func (nobody) Exchange(_ context.Context, _ token.AppKey, code string) (token.Token, error) {
	return token.Token{Subject: "user-1", Access: "ACCESS-" + code, Scopes: []string{"publish"}, Expires: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}, nil
}

// desk is the operators' API over a workflow in memory, whose answers are judged by the document.
type desk struct {
	t       testing.TB
	doc     *document
	console *console.Console
	w       *workflow.Workflow
	src     *memsource.Source
	mem     *memtarget.Platform
	clock   *tabletest.Clock
	submit  handler.HTTPFunc
	objects []source.Object // of the inbox
	seen    map[string]bool // operation and status
}

func newDesk(t testing.TB, doc *document) *desk {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d := &desk{t: t, doc: doc, clock: tabletest.NewClock(time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)), src: memsource.New(), seen: map[string]bool{}}
	db, err := sqlite.OpenMemory(&sqlite.Options{Now: d.clock.Now})
	check(err)
	t.Cleanup(func() { db.Close() })
	keys, err := token.FileKey(filepath.Join(t.TempDir(), "seal.key"), nil)
	check(err)
	seal := token.NewSealer(keys, nil)
	d.src.Now = d.clock.Now
	d.mem = memtarget.New(&memtarget.Options{Now: d.clock.Now, Checker: true,
		Limits: upload.Limits{MaxSize: 5000, OneRequest: 100, MinPart: 100, MinLastPart: 1, MaxPart: 100, WantPart: 100, MaxParts: 50, InFlight: 2}})
	d.w = workflow.New(workflow.Parts{
		Ledger: state.New(db, seal, d.clock.Now, &counting{}, state.Settings{}), Source: d.src, Targets: d.mem.Opener(), Renewer: nobody{}, Starter: nobody{}, Waker: nobody{}, Outside: nobody{}, Lister: d,
		Routes: manifest.Routes{{Bucket: "inbox", Prefix: "a/", Accounts: []upload.Account{"mem/main"}, Sidecar: manifest.SidecarNever}},
		Now:    d.clock.Now, Rand: &counting{}, Log: slog.New(slog.DiscardHandler), Set: workflow.Settings{Plan: upload.Settings{MinRange: 300}, Inbox: "inbox"},
	})
	vault := token.NewVault(db, seal, d.clock.Now)
	platform := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(platform.Close)
	shown, err := catalogue.New(db, catalogue.Options{Signer: signer{d.clock.Now}, Now: d.clock.Now})
	check(err)
	parts := console.Parts{Workflow: d.w, Vault: vault, Table: db, HTTP: platform.Client(), Catalogue: shown,
		Platforms: map[string]console.Platform{"mem": {Base: platform.URL, Login: nobody{}, NeedSecret: true,
			Lacks: func([]string) []console.Lack { return []console.Lack{{Scope: "read", What: "it cannot be looked for"}} }}},
		Records: []console.Record{{Name: regexp.MustCompile("^vod-callback$")}},
		Place:   console.Place{Redirect: func(_ context.Context, p string) string { return "https://own.example/oauth/" + p + "/callback" }, Inbox: "inbox", Region: "here", Kind: "test"}}
	d.console = console.New(parts)
	d.submit = handler.HTTPJSON(202, d.w.Submit)
	return d
}

// List implements workflow.Lister, in one page.
func (d *desk) List(_ context.Context, bucket, after string, _ int) ([]source.Object, string, error) {
	if bucket != "inbox" || after != "" {
		return nil, "", nil
	}
	return d.objects, "", nil
}

// counting is randomness that never repeats.
type counting struct{ n uint64 }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		c.n = c.n*6364136223846793005 + 1442695040888963407
		p[i] = byte(c.n >> 56)
	}
	return len(p), nil
}

// call sends a request as the gateway does, judges the answer, and reads it into out, which may be nil.
func (d *desk) call(status int, method, target, body string, out any) {
	d.t.Helper()
	path, query, _ := strings.Cut(target, "?")
	req := events.APIGatewayV2HTTPRequest{RawPath: path, RawQueryString: query, Body: body, Headers: map[string]string{"content-type": "application/json"}}
	req.RequestContext.HTTP.Method = method
	serve := d.console.Serve
	if path == "/publications" {
		serve = d.submit
	}
	res, err := serve(d.t.Context(), req)
	if err != nil {
		d.t.Fatalf("%s %s: %v", method, target, err)
	}
	o, ok := d.doc.find(method, path)
	if !ok {
		d.t.Fatalf("%s %s is not in the document", method, target)
	}
	if res.StatusCode != status {
		d.t.Errorf("%s %s %s: got %d %s, want %d", method, target, body, res.StatusCode, res.Body, status)
	}
	if err := d.doc.judge(d.t, o, res.StatusCode, []byte(res.Body)); err != nil {
		d.t.Error(err)
	}
	if status >= 400 {
		if err := d.doc.conforms(d.t, "Error", []byte(res.Body)); err != nil {
			d.t.Errorf("%s %s: %v", method, target, err)
		}
	}
	d.seen[fmt.Sprintf("%s %d", o.key(), res.StatusCode/100)] = true
	if body != "" && status < 400 {
		s, err := d.doc.schema(d.t, o.at+"/requestBody/content/application~1json/schema")
		if err != nil {
			d.t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			d.t.Fatal(err)
		}
		if err := s.Validate(v); err != nil {
			d.t.Errorf("%s %s: a request that is taken is not in the document: %v", method, target, err)
		}
	}
	if out != nil {
		if err := json.Unmarshal([]byte(res.Body), out); err != nil {
			d.t.Fatalf("%s %s: %v in %s", method, target, err, res.Body)
		}
	}
}

// drop puts a video into the inbox and submits it.
func (d *desk) drop(key string, seed byte, body string) workflow.Ingested {
	d.t.Helper()
	b := bytes.Repeat([]byte{seed}, 1000)
	copy(b, "FLV\x01")
	d.objects = append(d.objects, d.src.Put("inbox", key, b, map[string]string{"color": "red"}))
	var in workflow.Ingested
	d.call(202, "POST", "/publications", body, &in)
	return in
}

// walk goes through the machine's steps until the upload's execution would end or park.
func (d *desk) walk(id string) state.Upload {
	d.t.Helper()
	ctx := d.t.Context()
	for range 50 {
		u, err := d.w.Ledger.Upload(ctx, id)
		if err != nil {
			d.t.Fatal(err)
		}
		in := workflow.Step{V: 1, Upload: id, Gen: u.Gen}
		o, err := d.w.Open(ctx, in)
		if err != nil {
			d.t.Fatal(err)
		}
		var r workflow.Result
		switch o.Next {
		case "carry":
			for _, n := range o.Ranges {
				if _, err := d.w.Carry(ctx, workflow.RangeStep{Step: in, Range: n}); err != nil {
					d.t.Fatal(err)
				}
			}
		case "complete":
			_, err = d.w.Complete(ctx, in)
		case "publish":
			_, err = d.w.Publish(ctx, in)
		case "watch":
			r, err = d.w.Check(ctx, in)
		case "look":
			d.clock.Advance(time.Hour)
			r, err = d.w.Look(ctx, in)
		case "again":
		default:
			r.Next = "end"
		}
		if err != nil && o.Next != "publish" {
			d.t.Fatalf("%s: %v", o.Next, err)
		}
		if slices.Contains([]string{"live", "failed", "held", "end"}, r.Next) {
			if _, err := d.w.Settle(ctx, in); err != nil {
				d.t.Fatal(err)
			}
			if u, err = d.w.Ledger.Upload(ctx, id); err != nil {
				d.t.Fatal(err)
			}
			return u
		}
	}
	d.t.Fatal("it never ends")
	return state.Upload{}
}

// Operators see, decide and are refused, all in the document's words.
func TestEveryAnswerToOperatorsIsAsTheDocumentSays(t *testing.T) {
	doc := load(t, nil)
	d := newDesk(t, doc)
	d.call(200, "GET", "/api/info", "", nil)
	d.call(200, "GET", "/api/publications", "", nil)
	d.call(200, "GET", "/api/held", "", nil)
	d.call(200, "GET", "/api/apps", "", nil)
	d.call(200, "GET", "/api/accounts", "", nil)
	d.call(200, "GET", "/api/doctor", "", nil)
	d.logins()

	good := d.drop("a/good.flv", 1, `{"bucket":"inbox","key":"a/good.flv","manifest":{"title":"Good","tags":["one"],"to":["mem/main"]}}`)
	if u := d.walk(good.Uploads[0]); u.Status != upload.Published {
		t.Fatalf("%s: %+v", u.Status, u.Fault)
	}
	d.mem.Fail(memtarget.Publish, memtarget.After, &fault.Error{Kind: fault.Unknown, Op: "mem.Publish", Code: "500", LogID: "log-1", Err: errors.New("the answer was lost")})
	held := d.drop("a/held.flv", 2, `{"bucket":"inbox","key":"a/held.flv"}`)
	if u := d.walk(held.Uploads[0]); u.Status != upload.Held {
		t.Fatalf("%s: %+v", u.Status, u.Fault)
	}
	open := d.drop("a/open.flv", 3, `{"bucket":"inbox","key":"a/open.flv","manifest":{"publish_at":"2026-11-23T04:00:00Z"}}`)
	d.drop("elsewhere/lost.flv", 4, `{"bucket":"inbox","key":"elsewhere/lost.flv"}`)
	d.call(200, "GET", "/api/publications?days=30", "", nil)
	for _, in := range []workflow.Ingested{good, held, open} {
		d.call(200, "GET", "/api/publications/"+in.Publication+"?timeline=1", "", nil)
		d.call(200, "GET", "/api/uploads/"+in.Uploads[0]+"?timeline=1", "", nil)
	}
	d.call(200, "GET", "/api/objects?bucket=inbox&key=a/held.flv", "", nil)
	d.call(200, "GET", "/api/held", "", nil)
	d.call(200, "GET", "/api/doctor", "", nil)

	up := "/api/uploads/" + held.Uploads[0]
	d.call(400, "POST", up+"/resolve", `{}`, nil)
	d.call(400, "POST", up+"/resolve", `{"published":"x","publish_again":true}`, nil)
	d.call(400, "POST", up+"/resolve", `{"unknown":1}`, nil)
	d.call(400, "POST", up+"/resolve", `not JSON`, nil)
	d.call(409, "POST", up+"/cancel", ``, nil)
	d.call(200, "POST", up+"/resolve", `{"published":"`+d.mem.Posts()[1].ID+`"}`, nil)
	d.call(200, "POST", "/api/uploads/"+open.Uploads[0]+"/cancel", "", nil)
	d.call(200, "POST", "/api/uploads/"+open.Uploads[0]+"/cancel", "", nil)
	d.call(200, "POST", "/api/pause", `{"scope":"mem","on":true}`, nil)
	d.call(200, "GET", "/api/info", "", nil)
	d.call(200, "POST", "/api/pause", `{"scope":"mem","on":false}`, nil)
	d.mem.Fail(memtarget.Init, memtarget.Before, &fault.Error{Kind: fault.Permanent, Op: "mem.Init", Code: "closed", Effect: fault.EffectNone, Err: errors.New("no more videos")})
	failed := d.drop("a/failed.flv", 5, `{"bucket":"inbox","key":"a/failed.flv"}`)
	if u := d.walk(failed.Uploads[0]); u.Status != upload.Failed {
		t.Fatalf("%s: %+v", u.Status, u.Fault)
	}
	d.call(200, "POST", "/api/uploads/"+failed.Uploads[0]+"/retry", "", nil)
	d.checks()
	d.refusals(good)
	d.collections()
	d.leave()

	for _, o := range doc.operations() {
		if (strings.HasPrefix(o.path, "/api/") || o.path == "/publications") && !d.seen[o.key()+" 2"] && d.serves(o.key()) && o.key() != "POST /api/uploads/{id}/link" /* needs a platform with hand-overs; its schema is compared with the type */ {
			t.Errorf("%s was never answered here", o.key())
		}
	}
}

// serves says whether the console has a route at all; TestEveryRouteOfTheConsoleIsRegistered complains where it has not.
func (d *desk) serves(route string) bool {
	method, path, _ := strings.Cut(route, " ")
	mux, ok := d.console.Handler().(*http.ServeMux)
	if !ok || path == "/publications" {
		return path == "/publications"
	}
	_, pattern := mux.Handler(httptest.NewRequest(method, strings.NewReplacer("{", "", "}", "").Replace(path), nil))
	return pattern == route
}

func (d *desk) collections() {
	d.t.Helper()
	d.call(200, "POST", "/api/reconcile", "", nil)
	d.call(200, "GET", "/api/catalogue", "", nil)
	d.call(200, "POST", "/api/catalogue", string(catalogue.Sample()), nil)
	d.call(200, "POST", "/api/catalogue", string(catalogue.Sample()), nil)
	d.call(200, "GET", "/api/catalogue", "", nil)
	d.call(400, "POST", "/api/catalogue", `{"format":2}`, nil)
}

// leave takes everything down, which is refused until nothing needs the logins.
func (d *desk) leave() {
	d.t.Helper()
	if !d.serves("GET /api/leaving") {
		return
	}
	d.call(200, "GET", "/api/leaving", "", nil)
	d.call(409, "DELETE", "/api/secrets", "", nil)
	d.call(200, "POST", "/api/pause", `{"scope":"global","on":true}`, nil)
	d.call(200, "DELETE", "/api/callbacks", "", nil)
	d.call(409, "DELETE", "/api/secrets", "", nil)
	d.call(200, "DELETE", "/api/secrets?force=1", "", nil)
}

func (d *desk) logins() {
	d.t.Helper()
	d.call(200, "POST", "/api/apps/mem", `{"id":"client","secret":"app-secret"}`, nil)
	d.call(200, "GET", "/api/apps", "", nil)
	for _, bad := range []string{`{"id":""}`, `{"id":"client"}`, `{"id":"a b","secret":"x"}`, `[]`} {
		d.call(400, "POST", "/api/apps/mem", bad, nil)
	}
	d.call(400, "POST", "/api/apps/nothing", `{"id":"client","secret":"x"}`, nil)
	var begun struct{ State string }
	d.call(200, "POST", "/api/accounts", `{"account":"mem/main","begin":{}}`, &begun)
	d.call(400, "POST", "/api/accounts", `{"account":"mem/main","finish":{"state":"`+begun.State+`","pasted":""}}`, nil)
	d.call(200, "POST", "/api/accounts", `{"account":"mem/main","finish":{"state":"`+begun.State+`","pasted":"some-code"}}`, nil)
	for _, bad := range []string{`{"account":"mem/main","finish":{"state":"` + begun.State + `","pasted":"some-code"}}`, `{"account":"nonsense"}`, `{"account":"other/x"}`, `{"account":"mem/main"}`, `{`} {
		d.call(400, "POST", "/api/accounts", bad, nil)
	}
	d.call(200, "GET", "/api/accounts", "", nil)
	d.call(200, "DELETE", "/api/accounts/mem/main", "", nil)
	d.call(404, "DELETE", "/api/accounts/mem/main", "", nil)
	d.call(400, "DELETE", "/api/accounts/mem/NAME", "", nil)
	d.call(200, "GET", "/api/accounts", "", nil)
}

func (d *desk) checks() {
	d.t.Helper()
	for _, q := range []string{
		`{"key":"a/new.flv","size":1000,"manifest":{"title":"New"}}`, `{"key":"a/new.flv","size":1000000,"manifest":{}}`, `{"key":"b/new.flv","size":10,"manifest":{}}`,
		`{"key":"a/new.txt","size":10,"manifest":{}}`, `{"key":"a/new.flv","size":10,"content_type":"video/x-flv","duration":1000000000,"manifest":{"to":["douyin/none"]}}`,
	} {
		d.call(200, "POST", "/api/check", q, nil)
	}
	d.call(400, "POST", "/api/check", `{"size":"x"}`, nil)
}

func (d *desk) refusals(good workflow.Ingested) {
	d.t.Helper()
	for _, days := range []string{"-1", "367", "x"} {
		d.call(400, "GET", "/api/publications?days="+days, "", nil)
	}
	d.call(404, "GET", "/api/publications/none", "", nil)
	d.call(404, "GET", "/api/uploads/none", "", nil)
	d.call(404, "GET", "/api/objects?bucket=inbox&key=none", "", nil)
	for _, verb := range []string{"cancel", "retry", "link"} {
		d.call(404, "POST", "/api/uploads/none/"+verb, "", nil)
		d.call(409, "POST", "/api/uploads/"+good.Uploads[0]+"/"+verb, "", nil)
	}
	for _, bad := range []string{`{"scope":"","on":true}`, `{"scope":1}`, `{"scope":"` + strings.Repeat("s", 129) + `","on":true}`} {
		d.call(400, "POST", "/api/pause", bad, nil)
	}
	for _, bad := range []string{`{}`, `{"bucket":"other","key":"a/good.flv"}`, `{"bucket":"inbox","key":"a/none.flv"}`, `{"bucket":"inbox","key":"a/cover.jpg"}`, `{"bucket":"inbox","key":"a/good.flv","manifest":{"titel":"x"}}`, `{`, `[]`} {
		d.call(400, "POST", "/publications", bad, nil)
	}
	// What is public already stays as it was; the upload says so (refused), the request is taken.
	d.call(202, "POST", "/publications", `{"bucket":"inbox","key":"a/good.flv","manifest":{"title":"Another title"}}`, nil)
	var p console.LivePublication
	d.call(200, "GET", "/api/publications/"+good.Publication, "", &p)
	if p.Views[0].Refused == nil || p.Views[0].Title != "Good" {
		d.t.Errorf("a revision that came too late: %+v", p.Views[0].Refused)
	}
	d.call(413, "POST", "/publications", strings.Repeat(" ", handler.MaxBodyBytes+1), nil)
}
