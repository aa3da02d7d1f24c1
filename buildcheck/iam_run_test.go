package buildcheck

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing/synctest"
	"time"

	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// wholeRun does once what the functions do in a life: publications that go well, wait, fail, are held, cancelled and
// retried; logins, renewals, callbacks, sweeps and books; and what operators and apps ask for.
func (w *iamWorld) wholeRun() {
	w.seed()
	w.publications()
	w.callbacks()
	w.troubles()
	w.accounts()
	w.operators()
	w.apps()
	w.sweeps()
}

// publications come by every door.
func (w *iamWorld) publications() {
	w.t.Helper()
	w.sidecar("mem/plain.mp4", `{"title":"Plain"}`)
	w.drop("mem/plain.mp4", iamFilm(1))
	w.until("mem/plain.mp4", upload.Published)
	w.src.Versioned = true
	w.drop("mem/without-sidecar.mp4", iamFilm(2))
	w.until("mem/without-sidecar.mp4", upload.Published)
	w.put("mem/by-api.mp4", iamFilm(3))
	w.request("ingest", "POST /publications", "/publications", "", nil, `{"bucket":"inbox","key":"mem/by-api.mp4","manifest":{"title":"By the API","to":["mem/a"]}}`)
	w.until("mem/by-api.mp4", upload.Published)
	w.put("mem/by-oss.mp4", iamFilm(4))
	w.forward("ingest", callback.PathObjectCreated, `{"v":1,"bucket":"inbox","key":"mem/by-oss.mp4","size":24576,"time":"t","request":"r1"}`)
	w.until("mem/by-oss.mp4", upload.Published)
	w.sidecar("mem/version.mp4", `{"title":"A version"}`)
	w.drop("mem/version.mp4", iamFilm(7))
	w.until("mem/version.mp4", upload.Published)
	w.event("aws.s3", "Object Created", map[string]any{"version": "0", "bucket": map[string]any{"name": "inbox"}, "object": map[string]any{"key": "mem/gone.mp4"}, "reason": "PutObject"})
	later := time.Now().Add(26 * time.Hour).UTC().Format(time.RFC3339)
	w.sidecar("mem/later.mp4", `{"title":"Later","publish_at":"`+later+`"}`)
	w.drop("mem/later.mp4", iamFilm(5))
	w.until("mem/later.mp4", upload.Published)
	// More at once than the pools carry: some wait for a place, and who ends wakes the next.
	for i := range 6 {
		w.drop(fmt.Sprintf("mem/many-%d.mp4", i), iamFilm(uint64(10+i)))
	}
	for i := range 6 {
		w.until(fmt.Sprintf("mem/many-%d.mp4", i), upload.Published)
	}
	w.drop("dy/first.mp4", iamFilm(6))
	w.until("dy/first.mp4", upload.Published)
}

// callbacks wake what waits for its platform.
func (w *iamWorld) callbacks() {
	w.t.Helper()
	w.drop("dy/told.mp4", iamFilm(20))
	u := w.until("dy/told.mp4", upload.Processing)
	time.Sleep(time.Second)
	body := `{"event":"create_video","client_key":"` + fakedouyin.DefaultKey + `","from_user_id":"demo-open-id","content":{"item_id":` + fmt.Sprintf("%q", u.Post.ID) + `,"share_id":"1"}}`
	w.request("vodcallback", "POST /callbacks/douyin", "/callbacks/douyin", "", map[string]string{"X-Douyin-Signature": callback.SignDouyin(fakedouyin.DefaultSecret, []byte(body))}, body)
	synctest.Wait()
	w.until("dy/told.mp4", upload.Published)
	w.vodSays("FileUploadComplete", "93ab850b4f6f44eab54b6e91d24d81d4")
	w.forward("vodcallback", callback.PathVOD, `{"EventTime":"2026-07-01T12:00:00Z","EventType":"TranscodeComplete","VideoId":"93ab850b4f6f44eab54b6e91d24d81d4","Status":"success"}`)
}

// troubles are what does not go well.
func (w *iamWorld) troubles() {
	w.t.Helper()
	id := func(key string) string { u, _ := w.upload(key); return u.ID }
	// The answer to Publish is lost, and the look finds the post.
	w.mem.Fail(memtarget.Publish, memtarget.After, nil)
	w.drop("mem/unclear.mp4", iamFilm(30))
	w.until("mem/unclear.mp4", upload.Published)
	// Refused for good; a person tries again.
	w.mem.Fail(memtarget.Publish, memtarget.Before, errors.New("refused"))
	w.drop("mem/lost.mp4", iamFilm(31))
	w.until("mem/lost.mp4", upload.Published)
	// Cancelled while it waits for its time.
	w.sidecar("mem/cancelled.mp4", `{"title":"Never","publish_at":"`+time.Now().Add(10*time.Minute).UTC().Format(time.RFC3339)+`"}`)
	w.drop("mem/cancelled.mp4", iamFilm(32))
	synctest.Wait()
	w.verb("/api/uploads/"+id("mem/cancelled.mp4")+"/cancel", "{}")
	w.until("mem/cancelled.mp4", upload.Cancelled)
	// Refused for good before anything was sent; a person tries again.
	w.mem.Fail(memtarget.Init, memtarget.Before, fault.New(fault.Permanent, "mem.Init", "closed"))
	w.drop("mem/refused.mp4", iamFilm(33))
	w.until("mem/refused.mp4", upload.Failed)
	w.verb("/api/uploads/"+id("mem/refused.mp4")+"/retry", "{}")
	w.until("mem/refused.mp4", upload.Published)
	// A manifest that is mended: after a failure, and while the upload waits for its time.
	w.mem.Fail(memtarget.Init, memtarget.Before, fault.New(fault.Permanent, "mem.Init", "closed"))
	w.drop("mem/mended.mp4", iamFilm(34))
	w.until("mem/mended.mp4", upload.Failed)
	w.sidecar("mem/mended.mp4", `{"title":"Mended"}`)
	w.tell(manifest.SidecarKey("mem/mended.mp4"))
	w.until("mem/mended.mp4", upload.Published)
	w.sidecar("mem/sooner.mp4", `{"title":"Sooner","publish_at":"`+time.Now().Add(5*time.Hour).UTC().Format(time.RFC3339)+`"}`)
	w.drop("mem/sooner.mp4", iamFilm(35))
	w.until("mem/sooner.mp4", upload.Waiting)
	w.sidecar("mem/sooner.mp4", `{"title":"Sooner"}`)
	w.tell(manifest.SidecarKey("mem/sooner.mp4"))
	w.until("mem/sooner.mp4", upload.Published)
	// Gone before it was opened.
	w.sidecar("mem/deleted.mp4", `{"title":"Deleted","publish_at":"`+time.Now().Add(5*time.Hour).UTC().Format(time.RFC3339)+`"}`)
	w.drop("mem/deleted.mp4", iamFilm(36))
	w.until("mem/deleted.mp4", upload.Waiting)
	w.src.Versioned = false
	w.put("mem/deleted.mp4", nil)
	w.src.Delete("inbox", "mem/deleted.mp4")
	w.until("mem/deleted.mp4", upload.Failed)
	// The platform has these bytes already.
	w.mem.Fail(memtarget.Init, memtarget.Before, fault.New(fault.Duplicate, "mem.Init", "the account has this file"))
	w.drop("mem/there.mp4", iamFilm(37))
	w.until("mem/there.mp4", upload.Failed)
	// Credentials of a session end while parts are sent, and before the parts become one file.
	for i, op := range []memtarget.Op{memtarget.UploadPart, memtarget.Complete} {
		w.mem.Fail(op, memtarget.Before, &fault.Error{Kind: fault.TokenExpired, Op: "mem", Effect: fault.EffectNone, Err: target.ErrSessionCredential})
		key := fmt.Sprintf("mem/expires-%d.mp4", i)
		w.drop(key, iamFilm(uint64(38+i)))
		w.until(key, upload.Published)
	}
	w.cancelledInMidUpload()
	// The same bytes under another name are refused.
	w.drop("mem/again.mp4", iamFilm(1))
	w.until("mem/again.mp4", upload.Failed)
	// An execution that died.
	w.event("aws.states", "Step Functions Execution Status Change", map[string]any{"executionArn": "arn:aws:states:us-east-1:000000000000:execution:publish:" + id("mem/again.mp4") + "-1",
		"stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:publish", "name": id("mem/again.mp4") + "-1", "status": "TIMED_OUT", "input": "{}"})
	synctest.Wait()
}

// cancelledInMidUpload cancels an upload that holds a grant, for which others wait. The platform does not let go of its
// session, so the books have to.
func (w *iamWorld) cancelledInMidUpload() {
	w.t.Helper()
	at, goOn := make(chan struct{}), make(chan struct{})
	w.once(memtarget.UploadPart, func() { close(at); <-goOn })
	w.sidecar("mem/cut.mp4", `{"title":"Cut"}`) // without it the sweep would have to begin
	w.drop("mem/cut.mp4", iamFilm(70))
	<-at
	for i := range 3 {
		w.sidecar(fmt.Sprintf("mem/behind-%d.mp4", i), `{"title":"Behind"}`)
		w.drop(fmt.Sprintf("mem/behind-%d.mp4", i), iamFilm(uint64(71+i)))
	}
	synctest.Wait()
	u, _ := w.upload("mem/cut.mp4")
	w.verb("/api/uploads/"+u.ID+"/cancel", "{}")
	w.mem.Fail(memtarget.Abort, memtarget.Before, fault.New(fault.Retryable, "mem.Abort", "busy"))
	close(goOn)
	w.until("mem/cut.mp4", upload.Cancelled)
	for i := range 3 {
		w.until(fmt.Sprintf("mem/behind-%d.mp4", i), upload.Published)
	}
}

// accounts end, are renewed, and are logged in again.
func (w *iamWorld) accounts() {
	w.t.Helper()
	if err := w.fake.ExpireAccess("demo-open-id"); err != nil {
		w.t.Fatal(err)
	}
	w.drop("dy/expired.mp4", iamFilm(40))
	w.until("dy/expired.mp4", upload.Published)
	if err := w.fake.Revoke("demo-open-id"); err != nil {
		w.t.Fatal(err)
	}
	w.drop("dy/revoked.mp4", iamFilm(41))
	w.until("dy/revoked.mp4", upload.NeedsLogin)
	w.sweepTokens()
	begun := w.verb("/api/accounts", `{"account":"douyin/main","begin":{}}`)
	c := &http.Client{Transport: inMemory{w.fake}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	page, err := url.Parse(text(begun["url"]))
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := c.Get(page.String())
	if err != nil {
		w.t.Fatal(err)
	}
	r.Body.Close()
	back, err := r.Location()
	if err != nil {
		w.t.Fatalf("no way back from the login: %v (%s)", err, r.Status)
	}
	w.request("refreshtoken", "GET /oauth/{platform}/callback", "/oauth/douyin/callback", back.RawQuery, nil, "")
	w.until("dy/revoked.mp4", upload.Published)
	// A login that ends soon is announced.
	g, err := w.fake.Grant("demo-open-id")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.m.Vault.SaveLogin(w.t.Context(), iamDouyin, token.Token{Subject: g.OpenID, Access: g.AccessToken, Refresh: g.RefreshToken, Expires: time.Now().Add(time.Hour),
		RefreshBy: time.Now().Add(40 * time.Hour), Renewals: 5, Obtained: time.Now(), Scopes: g.Scopes}); err != nil {
		w.t.Fatal(err)
	}
	w.sweepTokens()
}

func (w *iamWorld) sweepTokens() {
	w.t.Helper()
	for range 3 {
		if _, err := w.invoke("refreshtoken", map[string]any{"v": 1, "job": "sweep"}); err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
	}
}

// operators ask and act.
func (w *iamWorld) operators() {
	w.t.Helper()
	u, _ := w.upload("mem/plain.mp4")
	for _, path := range []string{"/api/info", "/api/publications", "/api/publications/" + u.Publication, "/api/uploads/" + u.ID + "?timeline=1", "/api/held", "/api/apps", "/api/accounts", "/api/doctor", "/api/objects?bucket=inbox&key=mem/plain.mp4"} {
		w.verb(path, "")
	}
	w.verb("/api/apps/youku", `{"id":"0123456789abcdef","secret":"an-example"}`)
	w.verb("/api/check", `{"key":"mem/new.mp4","size":24576,"manifest":{"title":"New"}}`)
	w.verb("/api/pause", `{"scope":"global","on":true}`)
	w.drop("mem/paused.mp4", iamFilm(50))
	w.until("mem/paused.mp4", upload.Waiting)
	time.Sleep(2 * time.Minute)
	w.verb("/api/pause", `{"scope":"global","on":false}`)
	w.until("mem/paused.mp4", upload.Published)
}

// call is one of an app.
func (w *iamWorld) call(method, path string, values url.Values) map[string]any {
	w.t.Helper()
	query, body, headers := values.Encode(), "", map[string]string{"content-type": "application/x-www-form-urlencoded"}
	if method == http.MethodPost {
		query, body = "", query
	}
	family, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	v := w.request("appserver", "ANY /"+family+"/{call+}", path, query, headers, body)
	if text(v["code"]) != "200" {
		b, _ := json.Marshal(v)
		w.t.Fatalf("%s: %s", path, b)
	}
	data, _ := v["data"].(map[string]any)
	return data
}

// apps register, upload, publish, look and delete.
func (w *iamWorld) apps() {
	w.t.Helper()
	w.call(http.MethodPost, "/user/register", url.Values{"username": {"somebody.new"}, "password": {"correct horse battery"}})
	me := w.call(http.MethodPost, "/user/login", url.Values{"username": {"somebody.new"}, "password": {"correct horse battery"}})
	w.call(http.MethodGet, "/user/randomUser", nil)
	with := func(more ...string) url.Values {
		v := url.Values{"token": {text(me["token"])}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	w.call(http.MethodPost, "/user/updateUser", with("userId", text(me["userId"]), "nickname", "Somebody"))
	a := w.call(http.MethodGet, "/vod/getVideoUploadAuth", with("title", "night", "fileName", "night.mp4"))
	id := text(a["videoId"])
	w.call(http.MethodGet, "/vod/refreshVideoUploadAuth", with("videoId", id))
	w.call(http.MethodPost, "/vod/videoPublish", with("videoId", id, "title", "night"))
	w.store(text(a["uploadAddress"]))
	time.Sleep(5 * time.Minute)
	w.vodSays("FileUploadComplete", id)
	for range 8 {
		time.Sleep(10 * time.Minute)
		_, _ = w.invoke("reconcile", map[string]any{"v": 1, "job": "due"})
	}
	for path, more := range map[string][]string{
		"/vod/getRecommendVideoList": {"pageIndex", "1", "pageSize", "10"}, "/vod/getPersonalVideoList": {"pageIndex", "1", "pageSize", "10"},
		"/music/getRecommendMusic": {"pageNo", "1", "pageSize", "10"}, "/resource/getPasterInfo": nil, "/resource/getMv": nil, "/resource/getFont": nil,
	} {
		w.call(http.MethodGet, path, with(more...))
	}
	w.call(http.MethodPost, "/vod/deleteVideoById", with("videoId", id, "userId", text(me["userId"])))
	// Another is deleted at the platform, which says so.
	a = w.call(http.MethodGet, "/vod/getVideoUploadAuth", with("title", "day", "fileName", "day.mp4"))
	id = text(a["videoId"])
	w.call(http.MethodPost, "/vod/videoPublish", with("videoId", id, "title", "day"))
	w.store(text(a["uploadAddress"]))
	for range 8 {
		time.Sleep(10 * time.Minute)
		_, _ = w.invoke("reconcile", map[string]any{"v": 1, "job": "due"})
	}
	if err := w.vod.Delete(id); err != nil {
		w.t.Fatal(err)
	}
	w.vodSays("DeleteMediaComplete", id)
}

// sweeps are what the schedules do.
func (w *iamWorld) sweeps() {
	w.t.Helper()
	w.put("mem/event-was-lost.mp4", iamFilm(60))
	time.Sleep(8 * 24 * time.Hour)
	for _, job := range []string{"books", "due", "books"} {
		if _, err := w.invoke("reconcile", map[string]any{"v": 1, "job": job}); err != nil {
			w.t.Fatal(err)
		}
		synctest.Wait()
	}
	w.until("mem/event-was-lost.mp4", upload.Published)
}
