package appserver_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	osssdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	fakeoss "github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	fakevod "github.com/vodlift/vodlift/local/fake/vod"
	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/appserver/videos"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/vod"
)

// onPlatform is the API over our real client of VOD, the fake platform beside its fake object storage, and their
// callbacks. Clocks are real, waits short.
func onPlatform(t *testing.T) (*rig, *fakevod.Server) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	keys, err := ram.NewStore(ram.StoreOptions{})
	check(err)
	_, err = keys.AddKey("studio", "LTAIstudio", "studio-secret")
	check(err)
	var platform *fakevod.Server
	seen := func(i fakeoss.Info) fakevod.Object {
		return fakevod.Object{Size: i.Size, SHA256: i.SHA256, CRC64: i.CRC64, Modified: i.Modified}
	}
	store, err := fakeoss.New(fakeoss.Options{Credentials: keys, Buckets: []fakeoss.Bucket{{Name: fakevod.DefaultBucket}},
		Created: func(i fakeoss.Info) { platform.ObjectStored(i.Bucket, i.Key, seen(i)) }})
	check(err)
	t.Cleanup(func() { store.Close() })
	storeWeb := httptest.NewServer(store)
	t.Cleanup(storeWeb.Close)
	platform, err = fakevod.New(fakevod.Options{Keys: keys, OSSEndpoint: storeWeb.URL, Tick: 5 * time.Millisecond,
		Pace:     fakevod.Pace{Analysis: time.Millisecond, Transcode: time.Millisecond, Snapshot: time.Millisecond, Audit: time.Millisecond},
		Delivery: fakevod.Delivery{Interval: 5 * time.Millisecond},
		Objects:  fakevod.ObjectsFunc(func(b, k string) (fakevod.Object, bool) { i, ok := store.Stat(b, k); return seen(i), ok })})
	check(err)
	t.Cleanup(func() { platform.Close() })
	web := httptest.NewServer(platform)
	t.Cleanup(web.Close)
	db, err := sqlite.OpenMemory(nil)
	check(err)
	t.Cleanup(func() { db.Close() })
	addr, err := users.NewAddresses(bytes.Repeat([]byte("k"), 32))
	check(err)
	who, err := users.New(db, users.Options{Addresses: addr, Hasher: users.NewArgon2(users.Params{Memory: 8, Time: 1, Threads: 1}, rand.Reader), Settings: users.Settings{OpenSignup: true}})
	check(err)
	quotas, err := users.NewQuotas(db, users.QuotaOptions{Addresses: addr})
	check(err)
	cred := oss.Fixed(oss.Credential{ID: "LTAIstudio", Secret: "studio-secret"})
	client := vod.New(vod.Config{BaseURL: web.URL, STSBaseURL: web.URL}, cred, web.Client(), nil)
	r := &rig{t: t, users: who, log: &logText{}}
	r.api = appserver.New(appserver.Parts{Table: db, VOD: client, Roles: client, Users: who, Quotas: quotas, Catalogue: newShelf(t), Now: time.Now,
		Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(r.log, nil)), Settings: appserver.Settings{Videos: videos.Settings{TemplateGroup: fakevod.DefaultGroup}}})
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(io.LimitReader(req.Body, callback.MaxBody))
		if err == nil {
			err = r.api.Callback(req.Context(), callback.ParseVOD(body))
		}
		if err != nil { // the platform tells it again
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(hook.Close)
	check(platform.SetCallback(fakevod.MessageCallback{URL: hook.URL, AuthKey: "Callback1Key"}))
	return r, platform
}

// put sends a file with the credential that the API gave, as an app does.
func put(t *testing.T, a answer, content string) {
	t.Helper()
	var at struct{ Endpoint, Bucket, FileName string }
	var auth struct{ AccessKeyId, AccessKeySecret, SecurityToken string }
	for text, v := range map[string]any{a.field("uploadAddress"): &at, a.field("uploadAuth"): &auth} {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	up, err := osssdk.New(at.Endpoint, auth.AccessKeyId, auth.AccessKeySecret, osssdk.SecurityToken(auth.SecurityToken))
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := up.Bucket(at.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.PutObject(at.FileName, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

// soon asks until it is so.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// An app uploads with our credentials and publishes; the platform's own callbacks bring it into the recommended list
// when its review has passed, and what is blocked never gets there.
func TestFromUploadToTheRecommendedList(t *testing.T) {
	r, platform := onPlatform(t)
	me, you := r.person("myself"), r.person("yourself")
	if err := platform.SetScript(fakevod.Script{Title: "bad", Audit: fakevod.Block}); err != nil {
		t.Fatal(err)
	}
	publish := func(title string) string {
		t.Helper()
		a := r.send("GET", "/vod/getVideoUploadAuth", values("token", me.token, "title", title, "fileName", "a.mp4"))
		id := a.field("videoId")
		if b := r.send("GET", "/vod/refreshVideoUploadAuth", values("token", me.token, "videoId", id)); b.Code != "200" {
			t.Fatal(b.raw)
		}
		put(t, a, "the film "+title)
		if b := r.send("POST", "/vod/videoPublish", values("token", me.token, "videoId", id, "title", title)); b.Code != "200" {
			t.Fatal(b.raw)
		}
		return id
	}
	bad, good := publish("bad"), publish("good")
	listed := func() string {
		return r.send("GET", "/vod/getRecommendVideoList", values("token", you.token, "pageIndex", "1", "pageSize", "10")).raw
	}
	state := func(id string) videos.Video {
		v, err := r.api.Videos().Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	soon(t, "the good one is recommended", func() bool { return strings.Contains(listed(), good) })
	soon(t, "the bad one failed its review", func() bool { return state(bad).Censor == videos.Fail })
	soon(t, "its first frame is there", func() bool { return state(good).Snapshot == videos.Success })
	if v := state(good); v.FirstFrame == "" || v.CoverURL == "" || len(v.Files) == 0 || v.Stored != int64(len("the film good")) || !v.Charged {
		t.Errorf("%+v", v)
	}
	if strings.Contains(listed(), bad) {
		t.Error("the bad one is recommended")
	}
	for id, code := range map[string]string{good: "200", bad: "403"} {
		if a := r.send("GET", "/vod/getVideoPlayAuth", values("token", you.token, "videoId", id)); a.Code != code {
			t.Error(a.raw)
		}
	}
	for _, id := range []string{good, bad} {
		if a := r.send("POST", "/vod/deleteVideoById", values("token", me.token, "videoId", id, "userId", me.id)); a.Code != "200" {
			t.Error(a.raw)
		}
	}
	for _, v := range platform.Videos() {
		if v.Deleted.IsZero() {
			t.Errorf("still at the platform: %+v", v)
		}
	}
	if strings.Contains(listed(), good) {
		t.Error("recommended after its end")
	}
	a := r.send("GET", "/vod/getImageUploadAuth", values("token", me.token, "imageType", "cover", "imageExt", "jpg"))
	put(t, a, "a picture")
}
