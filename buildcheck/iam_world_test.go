package buildcheck

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/vodlift/vodlift/local/bucket"
	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	fakevod "github.com/vodlift/vodlift/local/fake/vod"
	"github.com/vodlift/vodlift/local/scheduler"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/memsource"
	"github.com/vodlift/vodlift/shared/source/s3source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/alivod"
	"github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
	"github.com/vodlift/vodlift/shared/wire"
	"github.com/vodlift/vodlift/shared/workflow"
)

const (
	iamMem    upload.Account = "mem/a"
	iamDouyin upload.Account = "douyin/main"
	iamVOD    upload.Account = "alivod/main"
	iamSecret                = "a secret of this test only"
)

// iamWorld is the deployed program on engines in memory, each of which is recorded. It lives in a bubble of synctest: the
// waits are those of the deployment, their time is not.
type iamWorld struct {
	t    *testing.T
	c    *clouds
	m    *stack.Machine
	src  *memsource.Source
	mem  *memtarget.Platform
	fake *fakedouyin.Server
	vod  *fakevod.Server
	see  *state.Ledger // unrecorded
	mu   sync.Mutex
	keys []source.Object
}

func newIAMWorld(t *testing.T) *iamWorld {
	t.Helper()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &iamWorld{t: t, c: newClouds(), src: memsource.New()}
	small := upload.Limits{MaxSize: 1 << 30, OneRequest: 4096, MinPart: 4096, MinLastPart: 1, WantPart: 4096, MaxPart: 1 << 20, MaxParts: 1000, InFlight: 2}
	w.mem = memtarget.New(&memtarget.Options{Limits: small, Inspector: true, Denies: true, Checker: true, Renewer: true, Review: 40 * time.Minute})
	w.platforms()
	ledger := state.Settings{PoolGlobal: 4, PoolAccount: 3}
	w.see = state.New(db, w.c, time.Now, nil, ledger)
	e := wire.Engines{
		Table: bothTables{db, w.c}, Cipher: w.c, Source: bothSources{w.src, w.c}, Lister: w, Outside: busOutside{w.c}, Log: slog.New(slog.DiscardHandler), Ledger: ledger,
		Routes: manifest.Routes{
			{Bucket: stack.Inbox, Prefix: "mem/", Accounts: []upload.Account{iamMem}, Sidecar: manifest.SidecarOptional},
			{Bucket: stack.Inbox, Prefix: "dy/", Accounts: []upload.Account{iamDouyin}, Sidecar: manifest.SidecarNever},
		},
		Steps: workflow.Settings{Plan: upload.Settings{MinRange: 8192}, Inbox: stack.Inbox, SettleRest: time.Minute, SettleLag: map[string]time.Duration{"mem": time.Minute, "douyin": time.Minute}},
		HTTP:  &http.Client{Transport: inMemory{w.hosts()}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, Targets: map[string]target.Opener{"mem": w.mem.Opener()},
		Douyin: douyin.Config{BaseURL: "http://douyin.test", OneRequest: 4096, MinPart: 4096, WantPart: 4096, InFlight: 2},
		VOD:    alivod.Config{Config: vod.Config{BaseURL: "http://vod.test", STSBaseURL: "http://vod.test"}},
		Apps:   wire.Apps{Settings: appserver.Settings{GuestUpload: true}, Account: iamVOD, Users: users.Settings{OpenSignup: true}, Signer: signed{w.c}},
		Place:  console.Place{Inbox: stack.Inbox, Kind: "aws", Redirect: func(context.Context, string) string { return fakedouyin.DefaultRedirect }}, Loopback: true,
	}
	if w.m, err = stack.NewMachine(stack.MachineOptions{Engines: e, Inbox: stack.Inbox}); err != nil {
		t.Fatal(err)
	}
	both := bothMachines{w.m, w.m, w.c}
	w.m.Workflow.Starter, w.m.Workflow.Waker = both, both
	return w
}

// List is workflow.Lister's.
func (w *iamWorld) List(ctx context.Context, bucket, after string, limit int) ([]source.Object, string, error) {
	_, _, _ = s3source.NewLister(w.c.list).List(ctx, bucket, after, limit)
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []source.Object
	slices.SortFunc(w.keys, func(a, b source.Object) int { return strings.Compare(a.Key, b.Key) })
	for _, o := range w.keys {
		if o.Key > after {
			out = append(out, o)
		}
	}
	return out, "", nil
}

// as is a context as the function of that name has it.
func as(ctx context.Context, function string) context.Context {
	return lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{InvokedFunctionArn: "arn:aws:lambda:us-east-1:111122223333:function:" + function})
}

// iamFilm makes bytes that pass for a video.
func iamFilm(seed uint64) []byte {
	b := make([]byte, 24<<10)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	copy(b, []byte{0, 0, 0, 16, 'f', 't', 'y', 'p', 'i', 's', 'o', 'm', 0, 0, 2, 0})
	binary.BigEndian.PutUint32(b[16:], uint32(len(b)-16))
	copy(b[20:], "mdat")
	return b
}

// put stores an object without telling anybody.
func (w *iamWorld) put(key string, body []byte) source.Object {
	o := w.src.Put(stack.Inbox, key, body, nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys = append(w.keys, o)
	return o
}

// sidecar stores the manifest of an object that is to come.
func (w *iamWorld) sidecar(key, manifestText string) {
	w.src.Put(stack.Inbox, manifest.SidecarKey(key), []byte(manifestText), nil)
}

// drop stores an object and puts its event on the bus.
func (w *iamWorld) drop(key string, body []byte) {
	w.t.Helper()
	o := w.put(key, body)
	w.event("aws.s3", "Object Created", bucket.Detail{Version: "0", Bucket: bucket.Bucket{Name: stack.Inbox}, Object: bucket.Object{Key: key, VersionID: o.VersionID}, Reason: bucket.ReasonPut})
}

// tell puts the event of an object on the bus that is there already.
func (w *iamWorld) tell(key string) {
	w.t.Helper()
	w.event("aws.s3", "Object Created", bucket.Detail{Version: "0", Bucket: bucket.Bucket{Name: stack.Inbox}, Object: bucket.Object{Key: key}, Reason: bucket.ReasonPut})
}

// once runs fn in the next call of op at the platform.
func (w *iamWorld) once(op memtarget.Op, fn func()) {
	var done atomic.Bool
	w.mem.Hook(func(_ context.Context, c memtarget.Call) error {
		if c.Op == op && c.When == memtarget.Before && done.CompareAndSwap(false, true) {
			fn()
		}
		return nil
	})
}

// vodSays is a callback of VOD, signed as the platform does.
func (w *iamWorld) vodSays(event, video string) {
	w.t.Helper()
	const path = "/callbacks/vod"
	stamp := fmt.Sprint(time.Now().Unix())
	sign := callback.SignVOD(callback.VODKey{URL: "https://api.example.com" + path, Secret: iamSecret}, stamp)
	w.request("vodcallback", "POST "+path, path, "", map[string]string{"X-VOD-TIMESTAMP": stamp, "X-VOD-SIGNATURE": sign},
		fmt.Sprintf(`{"EventTime":%q,"EventType":%q,"VideoId":%q,"MediaId":%q,"Size":1,"Status":"success"}`, time.Now().UTC().Format(time.RFC3339), event, video, video))
}

func (w *iamWorld) event(source, kind string, detail any) {
	w.t.Helper()
	b, err := json.Marshal(detail)
	if err == nil {
		err = w.m.Bus.Put(w.t.Context(), scheduler.Event{Source: source, DetailType: kind, Detail: b})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// invoke runs a function; what comes of it is the caller's matter.
func (w *iamWorld) invoke(function string, payload any) ([]byte, error) {
	w.t.Helper()
	b, err := json.Marshal(payload)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.m.Functions.Invoke(w.t.Context(), function, b)
}

// request sends an HTTP request to a function as the API does, and wants a status below 400.
func (w *iamWorld) request(function, route, path, query string, headers map[string]string, body string) map[string]any {
	w.t.Helper()
	method, _, _ := strings.Cut(route, " ")
	if method == "ANY" {
		method = http.MethodPost
		if body == "" {
			method = http.MethodGet
		}
	}
	h := map[string]string{"host": "api.example.com", "content-type": "application/json"}
	for k, v := range headers {
		h[strings.ToLower(k)] = v
	}
	e := map[string]any{"version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": query, "headers": h, "isBase64Encoded": false, "body": body,
		"requestContext": map[string]any{"routeKey": route, "requestId": "r", "time": time.Now().Format("02/Jan/2006:15:04:05 -0700"), "timeEpoch": time.Now().UnixMilli(),
			"http":       map[string]any{"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
			"authorizer": map[string]any{"iam": map[string]any{"accountId": "111122223333", "userArn": "arn:aws:iam::111122223333:user/editor", "userId": "u"}}}}
	if i := strings.Index(route, "{platform}"); i > 0 {
		e["pathParameters"] = map[string]string{"platform": strings.Split(path, "/")[2]}
	}
	if q, err := url.ParseQuery(query); err == nil && query != "" {
		ps := map[string]string{}
		for k := range q {
			ps[k] = q.Get(k)
		}
		e["queryStringParameters"] = ps
	}
	out, err := w.invoke(function, e)
	if err != nil {
		w.t.Fatalf("%s %s: %v", route, path, err)
	}
	var answer struct {
		Status int    `json:"statusCode"`
		Body   string `json:"body"`
	}
	if err := json.Unmarshal(out, &answer); err != nil || answer.Status >= 400 {
		w.t.Fatalf("%s %s: %d %s (%v)", route, path, answer.Status, answer.Body, err)
	}
	var v map[string]any
	_ = json.Unmarshal([]byte(answer.Body), &v) // a page is no JSON
	return v
}

// verb is a request to the console.
func (w *iamWorld) verb(path, body string) map[string]any {
	w.t.Helper()
	path, query, _ := strings.Cut(path, "?")
	return w.request("console", "ANY /api/{proxy+}", path, query, nil, body)
}

func (w *iamWorld) forward(function, path, body string) {
	w.t.Helper()
	w.request(function, "POST "+path, path, "", callback.ForwardHeaders(iamSecret, path, []byte(body), time.Now()), body)
}

// uploads reads what the objects became, past the recorder.
func (w *iamWorld) upload(key string) (u state.Upload, ok bool) {
	w.t.Helper()
	id, err := w.see.ByObject(w.t.Context(), stack.Inbox, key)
	if err != nil {
		w.t.Fatal(err)
	}
	if id == "" {
		return u, false
	}
	p, err := w.see.Publication(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(p.Uploads) != 1 {
		return u, false
	}
	if u, err = w.see.Upload(w.t.Context(), p.Uploads[0]); err != nil {
		w.t.Fatal(err)
	}
	return u, true
}

// until lets time pass, with the due sweep every minute, until an upload has a status.
func (w *iamWorld) until(key string, want upload.Status) state.Upload {
	w.t.Helper()
	var u state.Upload
	for pause, end := time.Minute, time.Now().Add(4*24*time.Hour); time.Now().Before(end); {
		synctest.Wait()
		var ok bool
		if u, ok = w.upload(key); ok && u.Status == want && (u.Settled || !want.Terminal()) {
			return u
		}
		time.Sleep(min(pause, 20*time.Minute)) // the deployed one comes every minute; what it finds is the same
		pause = pause * 5 / 4
		synctest.Wait()
		_, _ = w.invoke("reconcile", map[string]any{"v": 1, "job": "due"})
	}
	es, _ := w.see.Timeline(w.t.Context(), u.ID, 0)
	for _, e := range es {
		w.t.Logf("%s gen %d %s: %s", e.At.Format("15:04:05"), e.Gen, e.Step, e.Text)
	}
	w.t.Fatalf("%s became %s, never %s", key, fmt.Sprint(u.Status, " ", u.Reason), want)
	return u
}

// seed gives the world its keys and logins, as an operator would.
func (w *iamWorld) seed() {
	w.t.Helper()
	v := w.m.Vault
	ctx := w.t.Context()
	g, err := w.fake.AddAccount("demo-open-id", fakedouyin.AllScopes())
	if err != nil {
		w.t.Fatal(err)
	}
	for name, k := range map[string]token.AppKey{
		"douyin": {ID: fakedouyin.DefaultKey, Secret: fakedouyin.DefaultSecret}, wire.ForwardKey: {ID: "fc", Secret: iamSecret},
		wire.VODCallbackKey: {ID: "https://api.example.com/callbacks/vod", Secret: iamSecret},
	} {
		if err := v.PutApp(ctx, name, k); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := v.SaveLogin(ctx, iamVOD, token.Token{Subject: "1234567890123456", Access: `{"access_key_id":"LTAIstudio","access_key_secret":"` + iamSecret + `"}`, Obtained: time.Now()}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := v.SaveLogin(ctx, iamDouyin, token.Token{Subject: g.OpenID, Access: g.AccessToken, Refresh: g.RefreshToken, Expires: g.AccessExpires, RefreshBy: g.RefreshExpires, Obtained: time.Now(), Scopes: g.Scopes}); err != nil {
		w.t.Fatal(err)
	}
}

// close ends the world.
func (w *iamWorld) close() {
	if err := w.m.Close(context.Background()); err != nil {
		w.t.Error(err)
	}
	if err := w.fake.Close(); err != nil {
		w.t.Error(err)
	}
	if err := w.vod.Close(); err != nil {
		w.t.Error(err)
	}
}
