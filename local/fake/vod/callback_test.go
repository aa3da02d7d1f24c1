package vod

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/vod"
)

// The check value of reference part (b).
func TestSignatureVector(t *testing.T) {
	got := Sign("https://www.example.com/your/callback", time.Unix(1519375990, 0), "test123")
	if want := "c72b60894140fa98920f1279219b7ed4"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCallbackIsSignedOverTheConfiguredText(t *testing.T) {
	r := newRig(t)
	target := r.subscribe("/Callbacks/vod?x=a%20b&y", "FileUploadComplete")
	k := r.create(noTranscode, func(q *vod.CreateUploadVideoRequest) { q.UserData = `{"Extend":{"upload":"up-1"}}` })
	r.put(k, "bytes")
	r.pass(0)
	r.pass(time.Minute)
	r.eventually("one callback", func() bool { return len(r.hook.all()) == 1 })
	got := r.hook.all()[0]
	at, err := strconv.ParseInt(got.header.Get("X-VOD-TIMESTAMP"), 10, 64)
	if err != nil || len(got.header.Get("X-VOD-TIMESTAMP")) != 10 || got.header.Get("X-VOD-SIGNATURE") != Sign(target, time.Unix(at, 0), hookKey) {
		t.Errorf("%v %v", got.header, err)
	}
	b := got.body
	if b["EventType"] != "FileUploadComplete" || b["VideoId"] != k.id || b["Size"] != 5.0 || b["Status"] != "success" || b["Extend"] != `{"upload":"up-1"}` ||
		!strings.HasPrefix(b["FileUrl"].(string), "http://") || strings.Contains(b["FileUrl"].(string), "?") {
		t.Errorf("%v", b)
	}
	r.quiet()
	if c := r.s.Counts().Events["MediaBaseChangeComplete"]; c.Unasked != 1 || c.Delivered != 0 {
		t.Errorf("%+v", c)
	}
}

func TestTypesAreFilteredAndUnsetMeansSilence(t *testing.T) {
	for list, want := range map[string]bool{"ALL": true, "": false, "TranscodeComplete": false, "TranscodeComplete, AIComplete": true, "AIMediaAuditComplete": true} {
		if got := subscribed(list, "AIMediaAuditComplete"); got != want {
			t.Errorf("%q: %t", list, got)
		}
	}
	r := newRig(t)
	// An override works only where callbacks are configured at all (ref. a.3).
	k := r.create(noTranscode, func(q *vod.CreateUploadVideoRequest) {
		q.UserData = `{"MessageCallback":{"CallbackURL":"` + r.hook.URL + `/mine","CallbackType":"http"}}`
	})
	if c := r.s.Counts(); c.Waiting != 0 || c.Events["MediaBaseChangeComplete"].Unasked != 1 {
		t.Errorf("%+v", c)
	}
	r.subscribe("/all", "FileUploadComplete")
	r.put(k, "bytes")
	r.pass(0)
	r.pass(time.Minute)
	r.eventually("the override's callback", func() bool { return len(r.hook.all()) == 1 })
	got := r.hook.all()[0]
	at, _ := strconv.ParseInt(got.header.Get("X-VOD-TIMESTAMP"), 10, 64)
	if got.path != "/mine" || got.header.Get("X-VOD-SIGNATURE") != Sign(r.hook.URL+"/mine", time.Unix(at, 0), hookKey) {
		t.Error(got.path, got.header)
	}
}

func TestWholeLifeOfEvents(t *testing.T) {
	r := newRig(t)
	r.subscribe("/cb", "ALL")
	k := r.published(func(q *vod.CreateUploadVideoRequest) { q.UserData = `{"Extend":"up-1"}` })
	r.quiet()
	shots := vod.CreateSubmitSnapshotJobRequest()
	shots.VideoId = k.id
	r.call(shots, vod.CreateSubmitSnapshotJobResponse())
	audit := vod.CreateSubmitAIMediaAuditJobRequest()
	audit.MediaId, audit.UserData = k.id, `{"Extend":"job-1"}`
	r.call(audit, vod.CreateSubmitAIMediaAuditJobResponse())
	r.pass(time.Minute)
	r.verdict(k.id, "Blocked", "bad")
	img, pic := vod.CreateCreateUploadImageRequest(), vod.CreateCreateUploadImageResponse()
	img.ImageType = "cover"
	r.call(img, pic)
	r.put(r.ticket(pic.ImageId, pic.UploadAddress, pic.UploadAuth), "picture")
	r.pass(0)
	del := vod.CreateDeleteVideoRequest()
	del.VideoIds = k.id
	r.call(del, vod.CreateDeleteVideoResponse())
	r.quiet()
	want := []string{"AIMediaAuditComplete", "CreateAuditComplete", "DeleteMediaComplete", "FileUploadComplete", "ImageUploadComplete",
		"MediaBaseChangeComplete", "MediaBaseChangeComplete", "SnapshotComplete", "StreamTranscodeComplete", "StreamTranscodeComplete",
		"TranscodeComplete", "VideoAnalysisComplete"}
	got := r.hook.kinds()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("got %v\nwant %v", got, want)
	}
	for _, one := range r.hook.all() {
		b := one.body
		kind := b["EventType"].(string)
		ok := b["Status"] == "success" && b["EventTime"] != ""
		switch kind {
		case "StreamTranscodeComplete":
			ok = ok && b["VideoId"] == k.id && b["Extend"] == "up-1" && b["Encrypt"] == false && b["JobId"] != "" && b["Bitrate"].(string) != "" && b["Size"].(float64) > 0
		case "TranscodeComplete":
			ok = ok && len(b["StreamInfos"].([]any)) == 2 && b["Extend"] == "up-1"
		case "SnapshotComplete":
			info := b["SnapshotInfos"].([]any)[0].(map[string]any)
			ok = ok && b["SubType"] == "SpecifiedTime" && b["Extend"] == nil && strings.Contains(info["SnapshotRegular"].(string), "{SnapshotCount}") && info["SnapshotCount"] == 1.0
		case "AIMediaAuditComplete":
			ok = ok && b["MediaId"] == k.id && b["Extend"] == "job-1" && b["Data"].(map[string]any)["Suggestion"] == "pass"
		case "CreateAuditComplete":
			ok = ok && b["AuditStatus"] == "Blocked" && b["Reason"] == "bad" && b["SubType"] == "video"
		case "ImageUploadComplete":
			ok = ok && b["ImageId"] == pic.ImageId && b["FileURL"] != "" && regexp.MustCompile(`T\d\d:\d\d:\d\d:\d{3}Z$`).MatchString(b["EventTime"].(string))
		case "DeleteMediaComplete":
			ok = ok && b["DeleteType"] == "all" && b["MediaType"] == "video" && b["MediaId"] == k.id
		}
		if !ok {
			t.Errorf("%v", b)
		}
	}
}

func TestReadingsChangeTheShapesOfEvents(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Readings = Readings{AuditEvent: "both", EventData: "text", EventNumbers: "string", UploadStatus: "absent", Snapshot: "sample", CreateEvent: "none", JobExtend: "upload"}
	})
	r.subscribe("/cb", "ALL")
	k := r.published(func(q *vod.CreateUploadVideoRequest) { q.UserData = `{"Extend":"up-1"}` })
	shots := vod.CreateSubmitSnapshotJobRequest()
	shots.VideoId = k.id
	r.call(shots, vod.CreateSubmitSnapshotJobResponse())
	audit := vod.CreateSubmitAIMediaAuditJobRequest()
	audit.MediaId = k.id
	r.call(audit, vod.CreateSubmitAIMediaAuditJobResponse())
	r.pass(time.Minute)
	r.quiet()
	seen := map[string]map[string]any{}
	for _, one := range r.hook.all() {
		seen[one.body["EventType"].(string)] = one.body
	}
	var data struct{ Suggestion string }
	text, _ := seen["AIVideoCensorComplete"]["Data"].(string)
	if err := json.Unmarshal([]byte(text), &data); err != nil || data.Suggestion != "pass" || seen["AIMediaAuditComplete"] == nil {
		t.Error(err, text)
	}
	if _, isText := seen["VideoAnalysisComplete"]["Duration"].(string); !isText || seen["FileUploadComplete"]["Status"] != nil ||
		seen["SnapshotComplete"]["VideoId"] != nil || seen["SnapshotComplete"]["Extend"] != "up-1" || seen["MediaBaseChangeComplete"] != nil {
		t.Errorf("%v", seen)
	}
}

func TestRetryPolicy(t *testing.T) {
	status := func(code int) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		}
	}
	for name, c := range map[string]struct {
		answer   func(int, http.ResponseWriter, *http.Request)
		attempts int
		outcome  string
	}{
		"200":       {status(200), 1, Delivered},
		"204 fails": {status(204), 3, GivenUp},
		"201 fails": {status(201), 3, GivenUp},
		"301 fails": {status(301), 3, GivenUp},
		"302 fails": {status(302), 3, GivenUp},
		"400 fails": {status(400), 3, GivenUp},
		"500 fails": {status(500), 3, GivenUp},
		"cut fails": {func(int, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 3, GivenUp},
		"too slow":  {func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 3, GivenUp},
		"second try": {func(n int, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(map[bool]int{true: 503, false: 200}[n == 1])
		}, 2, Delivered},
		"third, at last": {func(n int, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(map[bool]int{true: 503, false: 200}[n < 3])
		}, 3, Delivered},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.hook.set(c.answer)
			r.subscribe("/cb", "MediaBaseChangeComplete")
			r.create()
			r.quiet()
			log := r.s.Callbacks(0)
			if len(r.hook.all()) != c.attempts || len(log) != c.attempts || log[len(log)-1].Outcome != c.outcome {
				t.Errorf("%d requests, log %v", len(r.hook.all()), log)
			}
		})
	}
}

func TestRetryWaitsTheInterval(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Delivery.Interval = time.Hour })
	r.hook.set(func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	r.subscribe("/cb", "MediaBaseChangeComplete")
	r.create()
	for want := 1; want <= 3; want++ {
		r.eventually("an attempt", func() bool { return len(r.s.Callbacks(0)) == want })
		r.pass(59 * time.Minute)
		if got := len(r.s.Callbacks(0)); got != want {
			t.Fatalf("%d attempts before the interval was over", got)
		}
		r.pass(time.Minute + time.Second)
	}
	if r.s.Counts().Waiting != 0 {
		t.Error("a fourth is planned")
	}
}

func TestCallbacksNeverLeaveThisMachine(t *testing.T) {
	for host, want := range map[string]bool{"127.0.0.1:80": true, "[::1]:80": true, "localhost": true, "::1": true, "127.1.2.3": true, "10.0.0.1:80": false,
		"example.com": false, "127.0.0.1.example.com": false, "[::ffff:10.0.0.1]:1": false, "0.0.0.0:80": false, "": false} {
		if got := local(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
	r := newRig(t)
	r.check(r.s.SetCallback(MessageCallback{URL: "http://callbacks.example/vod", AuthKey: hookKey}))
	r.create()
	r.quiet()
	if log := r.s.Callbacks(0); len(log) != 1 || log[0].Outcome != Refused || log[0].Status != 0 {
		t.Errorf("%v", log)
	}
	if _, err := r.s.Forge(t.Context(), Forgery{}); err == nil {
		t.Error("forged abroad")
	}
	tr := localTransport()
	if _, err := tr.DialContext(t.Context(), "tcp", "192.0.2.1:80"); err == nil || !strings.Contains(err.Error(), "this machine only") {
		t.Error(err)
	}
}

func TestMessageCallbackSetting(t *testing.T) {
	r := newRig(t)
	get := func() vod.MessageCallback {
		res := vod.CreateGetMessageCallbackResponse()
		r.call(vod.CreateGetMessageCallbackRequest(), res)
		return res.MessageCallback
	}
	if m := get(); m.CallbackURL != "" || m.AppId != DefaultApp {
		t.Errorf("%+v", m)
	}
	target := r.subscribe("/cb", "ALL")
	if m := get(); m.CallbackURL != target || m.AuthKey != hookKey || m.AuthSwitch != "on" || m.EventTypeList != "ALL" || m.CallbackType != "HTTP" {
		t.Errorf("%+v", m)
	}
	for name, c := range map[string]struct {
		edit func(*vod.SetMessageCallbackRequest)
		code string
	}{
		"no URL":       {func(q *vod.SetMessageCallbackRequest) { q.CallbackType = "HTTP" }, "MissingParameter"},
		"no web URL":   {func(q *vod.SetMessageCallbackRequest) { q.CallbackURL = "ftp://x" }, "InvalidParameter"},
		"another type": {func(q *vod.SetMessageCallbackRequest) { q.CallbackType = "SMS" }, "InvalidParameter"},
		"no queue":     {func(q *vod.SetMessageCallbackRequest) { q.CallbackType, q.MnsEndpoint = "MNS", "http://m" }, "MissingParameter"},
		"key of 33": {func(q *vod.SetMessageCallbackRequest) {
			q.CallbackURL, q.AuthKey = "http://x", "Aa1"+strings.Repeat("x", 30)
		}, "InvalidParameter"},
		"key, no digit":  {func(q *vod.SetMessageCallbackRequest) { q.CallbackURL, q.AuthKey = "http://x", "Aabc" }, "InvalidParameter"},
		"on, no key":     {func(q *vod.SetMessageCallbackRequest) { q.CallbackURL, q.AuthSwitch = "http://x", "on" }, "MissingParameter"},
		"switch unknown": {func(q *vod.SetMessageCallbackRequest) { q.CallbackURL, q.AuthSwitch = "http://x", "maybe" }, "InvalidParameter"},
		"app unknown":    {func(q *vod.SetMessageCallbackRequest) { q.CallbackURL, q.AppId = "http://x", "app-1" }, "InvalidParameter"},
	} {
		t.Run(name, func(*testing.T) {
			req := vod.CreateSetMessageCallbackRequest()
			c.edit(req)
			r.pass2(time.Second) // the quota of this kind is small
			r.refused(req, vod.CreateSetMessageCallbackResponse(), c.code, 400)
		})
	}
	unsigned := vod.CreateSetMessageCallbackRequest()
	unsigned.CallbackURL, unsigned.EventTypeList, unsigned.AuthSwitch = target, "ALL", "off"
	r.call(unsigned, vod.CreateSetMessageCallbackResponse())
	r.create()
	r.quiet()
	if got := r.hook.all(); len(got) != 1 || got[0].header.Get("X-VOD-SIGNATURE") != "" || got[0].header.Get("X-VOD-TIMESTAMP") != "" {
		t.Errorf("%+v", got)
	}
	r.call(vod.CreateDeleteMessageCallbackRequest(), vod.CreateDeleteMessageCallbackResponse())
	r.create()
	r.quiet()
	if len(r.hook.all()) != 1 || get().CallbackURL != "" {
		t.Error("still set")
	}
}

func TestMistreatment(t *testing.T) {
	r := newRig(t)
	r.subscribe("/cb", "MediaBaseChangeComplete")
	r.check(r.s.Mistreat(Mistreatment{Event: "MediaBaseChangeComplete", Times: 1, Drop: true}))
	r.create()
	r.quiet()
	if c := r.s.Counts().Events["MediaBaseChangeComplete"]; len(r.hook.all()) != 0 || c.Dropped != 1 {
		t.Errorf("%+v", c)
	}
	r.s.TreatWell()
	r.check(r.s.Mistreat(Mistreatment{Repeat: 2, ShuffleMS: 20}))
	r.create()
	r.eventually("three", func() bool { return len(r.hook.all()) == 3 })
	r.s.TreatWell()
	r.check(r.s.Mistreat(Mistreatment{DelayMS: 3600_000}))
	r.create()
	r.pass(59 * time.Minute)
	if len(r.hook.all()) != 3 {
		t.Error("not delayed")
	}
	r.pass(2 * time.Minute)
	r.quiet()
	r.s.TreatWell()
	r.check(r.s.Mistreat(Mistreatment{Hold: true}))
	var ids []string
	for range 4 {
		ids = append(ids, r.create().id)
	}
	before := len(r.hook.all())
	if n, err := r.s.Release(t.Context(), Reverse); err != nil || n != 4 {
		t.Error(n, err)
	}
	slices.Reverse(ids)
	var got []string
	for _, one := range r.hook.all()[before:] {
		got = append(got, one.body["MediaId"].(string))
	}
	if !slices.Equal(got, ids) {
		t.Errorf("got %v, want %v", got, ids)
	}
	for _, bad := range []Mistreatment{{}, {Drop: true, Repeat: 1}, {Repeat: -1}} {
		if r.s.Mistreat(bad) == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

func TestForgeriesAndReplaysAreSentAndHaveNoEffect(t *testing.T) {
	r := newRig(t)
	if _, err := r.s.Forge(t.Context(), Forgery{}); err == nil {
		t.Error("forged without an address")
	}
	target := r.subscribe("/cb", "MediaBaseChangeComplete")
	k := r.create()
	r.quiet()
	genuine := r.hook.all()[0]
	valid := func(h http.Header) bool {
		at, err := strconv.ParseInt(h.Get("X-VOD-TIMESTAMP"), 10, 64)
		age := r.now().Sub(time.Unix(at, 0))
		return err == nil && age < 5*time.Minute && h.Get("X-VOD-SIGNATURE") == Sign(target, time.Unix(at, 0), hookKey)
	}
	r.hook.set(func(_ int, w http.ResponseWriter, q *http.Request) {
		if !valid(q.Header) {
			w.WriteHeader(403)
		}
	})
	statuses, err := r.s.Forge(t.Context(), Forgery{Count: 20, Media: k.id})
	if err != nil || statuses[403] != 20 || len(statuses) != 1 {
		t.Error(statuses, err)
	}
	for _, sign := range []string{SignCaptured, SignGenuine} {
		if statuses, err = r.s.Forge(t.Context(), Forgery{Sign: sign, Body: json.RawMessage(`{"EventType":"FileUploadComplete"}`)}); err != nil || statuses[200] != 1 {
			t.Error(sign, statuses, err)
		}
	}
	if statuses, err = r.s.Replay(t.Context(), 5); err != nil || statuses[200] != 1 {
		t.Error(statuses, err)
	}
	all := r.hook.all()
	if last := all[len(all)-1]; last.header.Get("X-VOD-SIGNATURE") != genuine.header.Get("X-VOD-SIGNATURE") || last.body["EventTime"] != genuine.body["EventTime"] {
		t.Error("not the same request")
	}
	r.status(k.id, "Uploading")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.s.Forge(gone, Forgery{}); err == nil {
		t.Error("a cancelled context is not heeded")
	}
	if _, err := r.s.Forge(t.Context(), Forgery{Sign: "well"}); err == nil {
		t.Error("an unknown word is accepted")
	}
}
