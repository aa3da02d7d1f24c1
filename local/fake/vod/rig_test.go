package vod

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/vod"
	osssdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

// rig is the platform beside a fake OSS, driven by the vendor's SDKs. Its clock moves when a test says so; signatures use
// the SDK's real clock, so the injected one starts there.
type rig struct {
	*testing.T
	mu   sync.Mutex
	skew time.Duration
	dir  string
	o    Options
	keys *ram.Store
	oss  *oss.Server
	s    *Server
	web  *httptest.Server
	api  *vod.Client
	hook *receiver
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.skew)
}

// pass moves the clock and takes what is due then.
func (r *rig) pass(d time.Duration) {
	r.Helper()
	r.mu.Lock()
	r.skew += d
	r.mu.Unlock()
	r.check(r.s.Advance())
}

func (r *rig) check(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// onDisk is for tests that restart: the others need not wait for the disk.
func onDisk(t *testing.T) func(*Options) {
	return func(o *Options) { o.Dir = t.TempDir() }
}

// newRig starts all; paces are so long that only pass ends them.
func newRig(t *testing.T, edit ...func(*Options)) *rig {
	t.Helper()
	r := &rig{T: t}
	var err error
	r.keys, err = ram.NewStore(ram.StoreOptions{Now: r.now})
	r.check(err)
	_, err = r.keys.AddKey("studio", "LTAIstudio", "studio-secret")
	r.check(err)
	_, err = r.keys.AddKey("reader", "LTAIreader", "reader-secret", ram.Policy{Version: "1", Statement: []ram.Statement{{Effect: "Allow",
		Action: ram.Strings{"vod:Get*"}, Resource: ram.Strings{"*"}}}})
	r.check(err)
	r.oss, err = oss.New(oss.Options{Credentials: r.keys, Now: r.now, Buckets: []oss.Bucket{{Name: DefaultBucket}}, Limits: oss.Limits{Skew: 24 * time.Hour},
		Created: func(i oss.Info) { r.s.ObjectStored(i.Bucket, i.Key, seen(i)) }})
	r.check(err)
	t.Cleanup(func() { r.oss.Close() })
	ossWeb := httptest.NewServer(r.oss)
	t.Cleanup(ossWeb.Close)
	r.o = Options{Keys: r.keys, OSSEndpoint: ossWeb.URL, Now: r.now, Tick: 5 * time.Millisecond, Limits: Limits{Skew: 24 * time.Hour},
		Pace:     Pace{Analysis: time.Minute, Transcode: time.Minute, Snapshot: time.Minute, Audit: time.Minute},
		Delivery: Delivery{Interval: time.Millisecond, Timeout: 200 * time.Millisecond},
		Objects: ObjectsFunc(func(bucket, key string) (Object, bool) {
			i, ok := r.oss.Stat(bucket, key)
			return seen(i), ok
		})}
	for _, f := range edit {
		f(&r.o)
	}
	r.dir = r.o.Dir
	r.s, err = New(r.o)
	r.check(err)
	t.Cleanup(func() { r.s.Close() })
	r.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.s.ServeHTTP(w, req) }))
	t.Cleanup(r.web.Close)
	r.api, err = vod.NewClientWithAccessKey("cn-shanghai", "LTAIstudio", "studio-secret")
	r.check(err)
	r.hook = newReceiver(t)
	return r
}

func seen(i oss.Info) Object {
	return Object{Size: i.Size, SHA256: i.SHA256, CRC64: i.CRC64, Modified: i.Modified}
}

// restart ends the platform and starts it on what is on disk.
func (r *rig) restart() {
	r.Helper()
	r.check(r.s.Close())
	s, err := New(r.o)
	r.check(err)
	r.s = s
}

// do sends by the vendor's SDK.
func (r *rig) do(req requests.AcsRequest, res responses.AcsResponse) error {
	req.SetScheme("http")
	req.SetDomain(strings.TrimPrefix(r.web.URL, "http://"))
	return r.api.DoAction(req, res)
}

// call must succeed.
func (r *rig) call(req requests.AcsRequest, res responses.AcsResponse) {
	r.Helper()
	r.check(r.do(req, res))
}

// refused is the code and status of a call that must fail.
func (r *rig) refused(req requests.AcsRequest, res responses.AcsResponse, code string, status int) {
	r.Helper()
	err := r.do(req, res)
	var e *sdkerrors.ServerError
	if !errors.As(err, &e) || e.ErrorCode() != code || e.HttpStatus() != status || code != "" && e.RequestId() == "" {
		r.Errorf("%s: got %v, want %d %s", req.GetActionName(), err, status, code)
	}
}

type ticket struct {
	id      string
	address struct{ Endpoint, Bucket, FileName string }
	auth    struct{ SecurityToken, AccessKeyId, AccessKeySecret, Expiration, ExpireUTCTime, Region string }
}

func (r *rig) ticket(id, address, auth string) ticket {
	r.Helper()
	t := ticket{id: id}
	for text, v := range map[string]any{address: &t.address, auth: &t.auth} {
		b, err := base64.StdEncoding.DecodeString(text)
		r.check(err)
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		r.check(d.Decode(v))
	}
	return t
}

func (r *rig) create(edit ...func(*vod.CreateUploadVideoRequest)) ticket {
	r.Helper()
	req, res := vod.CreateCreateUploadVideoRequest(), vod.CreateCreateUploadVideoResponse()
	req.Title, req.FileName = "a film", "a.MP4"
	for _, f := range edit {
		f(req)
	}
	r.call(req, res)
	return r.ticket(res.VideoId, res.UploadAddress, res.UploadAuth)
}

func (r *rig) bucket(t ticket) *osssdk.Bucket {
	r.Helper()
	c, err := osssdk.New(t.address.Endpoint, t.auth.AccessKeyId, t.auth.AccessKeySecret, osssdk.SecurityToken(t.auth.SecurityToken),
		osssdk.AuthVersion(osssdk.AuthV4), osssdk.Region(t.auth.Region))
	r.check(err)
	b, err := c.Bucket(t.address.Bucket)
	r.check(err)
	return b
}

func (r *rig) put(t ticket, text string) {
	r.Helper()
	r.check(r.bucket(t).PutObject(t.address.FileName, strings.NewReader(text)))
}

// published makes a video that is Normal.
func (r *rig) published(edit ...func(*vod.CreateUploadVideoRequest)) ticket {
	r.Helper()
	t := r.create(edit...)
	r.put(t, strings.Repeat("film", 1000))
	r.pass(0)
	r.pass(time.Minute)
	r.pass(time.Minute)
	r.status(t.id, "Normal")
	return t
}

func noTranscode(q *vod.CreateUploadVideoRequest) { q.TemplateGroupId = NoTranscode }

func (r *rig) info(id string) vod.VideoInGetVideoInfo {
	r.Helper()
	req, res := vod.CreateGetVideoInfoRequest(), vod.CreateGetVideoInfoResponse()
	req.VideoId = id
	r.call(req, res)
	return res.Video
}

func (r *rig) status(id, want string) {
	r.Helper()
	if got := r.info(id).Status; got != want {
		r.Fatalf("status %s, want %s", got, want)
	}
}

// receiver takes callbacks; answer decides what they get.
type receiver struct {
	*testing.T
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer func(n int, w http.ResponseWriter, r *http.Request)
}

type received struct {
	path   string
	header http.Header
	body   map[string]any
}

func newReceiver(t *testing.T) *receiver {
	h := &receiver{T: t}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		one := received{path: r.URL.RequestURI(), header: r.Header}
		if err == nil {
			err = json.Unmarshal(b, &one.body)
		}
		if err != nil || r.Method != http.MethodPost {
			t.Errorf("callback %s %q: %v", r.Method, b, err)
		}
		h.mu.Lock()
		h.got = append(h.got, one)
		n, answer := len(h.got), h.answer
		h.mu.Unlock()
		if answer != nil {
			answer(n, w, r)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *receiver) set(f func(n int, w http.ResponseWriter, r *http.Request)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = f
}

func (h *receiver) all() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]received(nil), h.got...)
}

// kinds are the EventTypes that came, in order.
func (h *receiver) kinds() []string {
	var out []string
	for _, one := range h.all() {
		out = append(out, one.body["EventType"].(string))
	}
	return out
}

// eventually polls a condition with a generous deadline.
func (r *rig) eventually(what string, ok func() bool) {
	r.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("never: %s; log %v", what, r.s.Callbacks(0))
		}
	}
}

// quiet waits until no callback waits.
func (r *rig) quiet() {
	r.Helper()
	r.eventually("all callbacks settled", func() bool {
		r.s.kick()
		return r.s.Counts().Waiting == 0
	})
}

const hookKey = "Test1Key2"

// subscribe sets the callback by the SDK; path is as a person may have typed it.
func (r *rig) subscribe(path, events string) string {
	r.Helper()
	req := vod.CreateSetMessageCallbackRequest()
	req.CallbackType, req.CallbackURL, req.EventTypeList, req.AuthSwitch, req.AuthKey = "HTTP", r.hook.URL+path, events, "on", hookKey
	r.call(req, vod.CreateSetMessageCallbackResponse())
	return req.CallbackURL
}
