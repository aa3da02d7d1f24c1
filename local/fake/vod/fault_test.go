package vod

import (
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/vod"
	osssdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/vodlift/vodlift/local/fake"
)

func TestFaultsStrikeBeforeOrAfterTheEffect(t *testing.T) {
	for name, c := range map[string]struct {
		fault  fake.Fault
		text   string
		videos int
	}{
		"platform code":       {fake.Fault{Name: "AddVideoFailed"}, "AddVideoFailed", 0},
		"throttled":           {fake.Fault{Name: "Throttling.User"}, "Throttling.User", 0},
		"gateway":             {fake.Fault{Status: 502}, "502", 0},
		"gateway after":       {fake.Fault{Status: 502, When: fake.After}, "502", 1},
		"cut before":          {fake.Fault{Cut: fake.CutBefore}, "EOF", 0},
		"cut after":           {fake.Fault{Cut: fake.CutAfter}, "EOF", 1},
		"HTML":                {fake.Fault{Body: fake.BodyHTML}, "", 0},
		"garbled":             {fake.Fault{Body: fake.BodyGarbled}, "", 1},
		"short":               {fake.Fault{Body: fake.BodyShort}, "", 1},
		"key expired":         {fake.Fault{Token: fake.TokenRevoke}, "InvalidAccessKeyId", 0},
		"number, description": {fake.Fault{Code: 503, Description: "tired"}, "tired", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c.fault.Op = "CreateUploadVideo"
			r.check(r.s.Inject(c.fault))
			req := vod.CreateCreateUploadVideoRequest()
			req.Title, req.FileName = "x", "x.mp4"
			err := r.do(req, vod.CreateCreateUploadVideoResponse())
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %q", err, c.text)
			}
			if got := r.s.Counts().Videos; got != c.videos {
				t.Errorf("%d videos, want %d", got, c.videos)
			}
		})
	}
	r := newRig(t)
	for _, bad := range []fake.Fault{{Op: "create", Status: 500}, {Op: "GetVideoInfo", Name: "Tired"}} {
		if r.s.Inject(bad) == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	r.check(r.s.Inject(fake.Fault{Op: "*", Account: "other", Status: 500, Times: -1}))
	r.create()
	if len(r.s.Faults()) != 1 {
		t.Error("spent on another account")
	}
	r.s.ClearFaults()
	for _, q := range r.s.Requests(0) {
		if strings.Contains(q.Query, "Signature=") && !strings.Contains(q.Query, "Signature=%2A%2A%2A") {
			t.Error("a signature is in the log:", q.Query)
		}
	}
}

func TestRestartKeepsTheLifeJobsScriptsAndCallbacks(t *testing.T) {
	r := newRig(t, onDisk(t), func(o *Options) { o.Delivery.Interval = time.Hour })
	r.hook.set(func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	r.subscribe("/cb", "FileUploadComplete,SnapshotComplete")
	r.check(r.s.SetScript(Script{Transcode: "some"}))
	k := r.create(func(q *vod.CreateUploadVideoRequest) { q.UserData = `{"Extend":"up-1"}` })
	r.put(k, "bytes")
	r.pass(0)
	shots := vod.CreateSubmitSnapshotJobRequest()
	shots.VideoId = k.id
	r.call(shots, vod.CreateSubmitSnapshotJobResponse())
	r.eventually("a first attempt", func() bool { return len(r.s.Callbacks(0)) == 1 })
	r.restart()
	r.status(k.id, "UploadSucc")
	r.pass(time.Minute)
	r.restart()
	r.status(k.id, "Transcoding")
	r.pass(time.Minute)
	r.restart()
	r.status(k.id, "Normal")
	r.hook.set(nil)
	r.pass(time.Hour)
	r.quiet()
	last := map[string]Callback{}
	for _, c := range r.s.Callbacks(0) {
		last[c.Event] = c
	}
	if c := last["FileUploadComplete"]; c.Outcome != Delivered || c.Attempt != 2 {
		t.Errorf("%v", c)
	}
	if c := last["SnapshotComplete"]; c.Outcome != Delivered {
		t.Errorf("%v", c)
	}
	req, res := vod.CreateGetPlayInfoRequest(), vod.CreateGetPlayInfoResponse()
	req.VideoId = k.id
	r.call(req, res)
	if len(res.PlayInfoList.PlayInfo) != 1 || len(r.s.Effects().Posts) != 1 || r.s.Counts().Videos != 1 {
		t.Errorf("%+v", res.PlayInfoList)
	}
	again := vod.CreateRefreshUploadVideoRequest()
	again.VideoId = k.id
	fresh := vod.CreateRefreshUploadVideoResponse()
	r.call(again, fresh)
	if got := r.ticket(k.id, fresh.UploadAddress, fresh.UploadAuth); got.address != k.address {
		t.Errorf("%+v", got.address)
	}
}

// What is on disk at any moment is a whole state: a copy taken while the platform runs starts as well.
func TestKilledPlatformGoesOn(t *testing.T) {
	r := newRig(t, onDisk(t))
	r.subscribe("/cb", "ALL")
	r.check(r.s.Mistreat(Mistreatment{Event: "FileUploadComplete", Hold: true}))
	k := r.create(noTranscode)
	r.put(k, "bytes")
	r.pass(0)
	r.pass(time.Minute)
	copied := t.TempDir()
	r.check(os.CopyFS(copied, os.DirFS(r.dir)))
	r.check(r.s.Close())
	r.o.Dir = copied
	s, err := New(r.o)
	r.check(err)
	r.s = s
	r.t2(k.id)
}

func (r *rig) t2(id string) {
	r.Helper()
	r.status(id, "Normal")
	r.quiet()
	for _, one := range r.hook.all() {
		if one.body["EventType"] == "FileUploadComplete" && one.body["VideoId"] == id {
			return
		}
	}
	r.Error("the callback that waited was lost")
}

func TestSpoiltStateIsRefused(t *testing.T) {
	r := newRig(t, onDisk(t))
	r.check(r.s.Close())
	for _, text := range []string{"{", `{"format":9}`} {
		r.check(os.WriteFile(r.dir+"/state.json", []byte(text), 0o600))
		if s, err := New(r.o); err == nil {
			t.Errorf("%q is accepted", text)
			r.s = s
		}
	}
}

func TestDiskThatRefusesStopsAllAnswers(t *testing.T) {
	r := newRig(t, onDisk(t))
	r.check(os.RemoveAll(r.dir))
	req := vod.CreateCreateUploadVideoRequest()
	req.Title, req.FileName = "x", "x.mp4"
	for range 2 {
		if err := r.do(req, vod.CreateCreateUploadVideoResponse()); err == nil || !strings.Contains(err.Error(), "500") {
			t.Error(err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	r := newRig(t)
	for name, edit := range map[string]func(*Options){
		"keys":     func(o *Options) { o.Keys = nil },
		"objects":  func(o *Options) { o.Objects = nil },
		"endpoint": func(o *Options) { o.OSSEndpoint = "127.0.0.1:9" },
		"review":   func(o *Options) { o.Review = "maybe" },
		"reading":  func(o *Options) { o.Readings.Refresh = "maybe" },
		"group":    func(o *Options) { o.DefaultGroup = "none" },
		"limit":    func(o *Options) { o.Limits.Title = -1 },
	} {
		o := r.o
		o.Dir = t.TempDir()
		edit(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestControlCalls(t *testing.T) {
	r := newRig(t, func(o *Options) { o.ControlKey = "control" })
	r.subscribe("/cb", "ALL")
	k := r.create()
	r.quiet()
	do := func(key, method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, r.web.URL+"/_fake/"+path, strings.NewReader(body))
		r.check(err)
		req.Header.Set(fake.KeyHeader, key)
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		res, err := r.web.Client().Do(req)
		r.check(err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		r.check(err)
		return res.StatusCode, string(b)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"GET", "vod", "", 200, k.id},
		{"GET", "effects", "", 200, "posts"},
		{"GET", "callbacks", "", 200, "MediaBaseChangeComplete"},
		{"GET", "callbacks?since=x", "", 400, "since"},
		{"POST", "callbacks/rules", `{"drop":true}`, 200, "ok"},
		{"POST", "callbacks/rules", `{"dorp":true}`, 400, "dorp"},
		{"POST", "callbacks/rules", `{}`, 400, "nothing to do"},
		{"GET", "callbacks", "", 200, `"drop": true`},
		{"DELETE", "callbacks/rules", "", 200, "ok"},
		{"POST", "callbacks/forge", `{"count":2,"sign":"none"}`, 200, `"200": 2`},
		{"POST", "callbacks/replay?n=1", "", 200, `"200": 1`},
		{"POST", "callbacks/release?order=shuffle", "", 200, "released"},
		{"POST", "callbacks/release?order=up", "", 400, "order"},
		{"POST", "scripts", `{"title":"x","audit":"block"}`, 200, "ok"},
		{"POST", "scripts", `{"audit":"blck"}`, 400, "unknown word"},
		{"POST", "faults", `{"op":"DeleteVideo","name":"DeleteVideoFailed"}`, 200, "DeleteVideoFailed"},
		{"GET", "callbacks/none", "", 404, "no such"},
	} {
		status, text := do("control", c.method, c.path, c.body)
		if status != c.status || !strings.Contains(text, c.text) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, text)
		}
		if status, _ := do("wrong", c.method, c.path, c.body); status != 403 {
			t.Errorf("%s %s with a wrong key: %d", c.method, c.path, status)
		}
	}
	// No control call shows a secret.
	for _, path := range []string{"vod", "effects", "callbacks", "requests"} {
		_, text := do("control", "GET", path, "")
		for _, secret := range []string{k.auth.SecurityToken, k.auth.AccessKeySecret, hookKey, "studio-secret"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows a secret", path)
			}
		}
	}
}

// Many films at once: every one is seen and published, and every event arrives as often as it was copied.
func TestManyVideosAtOnce(t *testing.T) {
	const n = 100
	r := newRig(t, func(o *Options) {
		o.Pace = Pace{Analysis: -1, Transcode: -1}
		o.Quotas = Quotas{Upload: -1, Address: -1}
	})
	r.subscribe("/cb", "TranscodeComplete")
	r.check(r.s.Mistreat(Mistreatment{Repeat: 2, ShuffleMS: 50}))
	var films []ticket
	var buckets []*osssdk.Bucket
	for range n { // one after the other: the SDK's client is not safe for concurrent use
		films = append(films, r.create())
		buckets = append(buckets, r.bucket(films[len(films)-1]))
	}
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := part; i < n; i += 4 {
				if err := buckets[i].PutObject(films[i].address.FileName, strings.NewReader("bytes")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	r.eventually("three of each", func() bool { return len(r.hook.all()) == 3*n })
	per := map[any]int{}
	for _, one := range r.hook.all() {
		per[one.body["VideoId"]]++
	}
	if len(per) != n || len(r.s.Effects().Posts) != n {
		t.Errorf("%d videos told of, %d posts", len(per), len(r.s.Effects().Posts))
	}
}
