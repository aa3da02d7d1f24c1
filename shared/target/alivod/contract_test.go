package alivod_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	osssdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	fakevod "github.com/vodlift/vodlift/local/fake/vod"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/alivod"
	"github.com/vodlift/vodlift/shared/target/targettest"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
)

// The adapter and the fakes of platform, storage and keys were written apart from the same reference; here they meet.

const (
	keyID     = "LTAIstudio"
	keySecret = "studio-SECRET"
	appSecret = "app-SECRET"
	roleARN   = "acs:ram::1234567890123456:role/uploader"
)

// stage is the fakes behind real sockets, and the adapter in front of them.
type stage struct {
	*fakevod.Server
	store  *oss.Server
	sts    *sts.Server
	keys   *ram.Store
	admin  *osssdk.Bucket
	cfg    alivod.Config
	client *http.Client
	log    *lockedLog
	ahead  atomic.Int64 // of the platforms' clock and ours
	refuse atomic.Bool  // the next connection goes to a port where nobody listens
	tok    atomic.Pointer[token.Token]
	posts  atomic.Int64
}

type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (st *stage) now() time.Time { return time.Now().Add(time.Duration(st.ahead.Load())) }

func (st *stage) pass(t testing.TB, d time.Duration) {
	t.Helper()
	st.ahead.Add(int64(d))
	if err := st.Advance(); err != nil {
		t.Fatal(err)
	}
}

func seen(i oss.Info) fakevod.Object {
	return fakevod.Object{Size: i.Size, SHA256: i.SHA256, CRC64: i.CRC64, Modified: i.Modified}
}

func newStage(t testing.TB, edit ...func(*fakevod.Options)) *stage {
	t.Helper()
	st := &stage{log: &lockedLog{}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	st.keys, err = ram.NewStore(ram.StoreOptions{Now: st.now})
	must(err)
	_, err = st.keys.AddKey("studio", keyID, keySecret)
	must(err)
	_, err = st.keys.AddKey("app", "LTAIapp", appSecret)
	must(err)
	st.store, err = oss.New(oss.Options{Credentials: st.keys, Now: st.now, Buckets: []oss.Bucket{{Name: fakevod.DefaultBucket}}, Limits: oss.Limits{PartMin: 2000, Skew: 240 * time.Hour},
		Created: func(i oss.Info) { st.ObjectStored(i.Bucket, i.Key, seen(i)) }})
	must(err)
	t.Cleanup(func() { st.store.Close() })
	objects := httptest.NewServer(st.store)
	t.Cleanup(objects.Close)
	o := fakevod.Options{Keys: st.keys, OSSEndpoint: objects.URL, Now: st.now, Tick: time.Hour, Limits: fakevod.Limits{Skew: 240 * time.Hour},
		Pace: fakevod.Pace{Analysis: time.Minute, Transcode: time.Minute},
		Objects: fakevod.ObjectsFunc(func(bucket, key string) (fakevod.Object, bool) {
			i, ok := st.store.Stat(bucket, key)
			return seen(i), ok
		})}
	for _, f := range edit {
		f(&o)
	}
	st.Server, err = fakevod.New(o)
	must(err)
	t.Cleanup(func() { st.Server.Close() })
	st.sts, err = sts.New(sts.Options{Keys: st.keys, Now: time.Now, Roles: []sts.Role{{Arn: roleARN}}})
	must(err)
	t.Cleanup(func() { st.sts.Close() })
	web, roles := httptest.NewServer(st.Server), httptest.NewServer(st.sts)
	t.Cleanup(web.Close)
	t.Cleanup(roles.Close)
	c, err := osssdk.New(objects.URL, keyID, keySecret)
	must(err)
	st.admin, err = c.Bucket(fakevod.DefaultBucket)
	must(err)
	st.client = transport.New(transport.Options{AllowLoopback: true, Log: slog.New(slog.NewJSONHandler(st.log, nil))})
	inner := st.client.Transport
	st.client.Transport = tripper(func(r *http.Request) (*http.Response, error) {
		if st.refuse.CompareAndSwap(true, false) {
			u := *r.URL
			r = r.Clone(r.Context())
			u.Host = "127.0.0.1:1"
			r.URL, r.Host = &u, u.Host
		}
		return inner.RoundTrip(r)
	})
	st.cfg = alivod.Config{Config: vod.Config{BaseURL: web.URL, STSBaseURL: roles.URL}, OSSEndpoint: objects.URL, OneRequest: 1000, MinPart: 2000, WantPart: 3000, MaxPart: 1 << 23, MaxSize: 1 << 26}
	tok, err := alivod.ParseLogin([]byte(`{"access_key_id":"` + keyID + `","access_key_secret":"` + keySecret + `"}`))
	must(err)
	st.tok.Store(&tok)
	return st
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// counted counts what Publish answered: nothing of it reaches the platform.
type counted struct {
	*alivod.Target
	n *atomic.Int64
}

func (c counted) Publish(ctx context.Context, v upload.Video, s upload.Session, a upload.Asset) (upload.Post, error) {
	p, err := c.Target.Publish(ctx, v, s, a)
	if err == nil {
		c.n.Add(1)
	}
	return p, err
}

func (st *stage) target() counted {
	return counted{alivod.New(st.cfg, st.client, func(context.Context) (token.Token, error) { return *st.tok.Load(), nil }, &alivod.Options{Now: st.now}), &st.posts}
}

func (st *stage) fail(t testing.TB, f targettest.Failure) {
	if f.Op != "UploadPart" {
		t.Fatalf("%s makes no request that could fail", f.Op)
	}
	x := fake.Fault{Op: "upload_part"}
	switch f.How {
	case targettest.Unauthorized:
		x.Name = "SecurityTokenExpired"
	case targettest.Revoked:
		x.Name = "InvalidAccessKeyId"
	case targettest.CodeInside:
		x.Name = "SignatureDoesNotMatch"
	case targettest.Throttled:
		x.Status, x.RetryAfter = 429, 7
	case targettest.Broken:
		x.Status = 502
	case targettest.LostBefore:
		st.refuse.Store(true)
		return
	case targettest.CutBefore:
		x.Cut = fake.CutBefore
	case targettest.LostAfter:
		x.Cut = fake.CutAfter
	case targettest.BadJSON:
		x.Body, x.When = fake.BodyEmpty, fake.After
	case targettest.HTML:
		x.Body, x.When = fake.BodyHTML, fake.After
	}
	if err := st.store.Inject(x); err != nil {
		t.Fatal(err)
	}
}

// forget makes OSS forget every open multipart upload.
func (st *stage) forget(t testing.TB) {
	l, err := st.admin.ListMultipartUploads()
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range l.Uploads {
		if err := st.store.ForgetUpload(fakevod.DefaultBucket, u.UploadID); err != nil {
			t.Fatal(err)
		}
	}
}

func (st *stage) video(t testing.TB, id string) fakevod.Video {
	t.Helper()
	for _, v := range st.Videos() {
		if v.ID == id {
			return v
		}
	}
	t.Fatalf("the platform knows no video %s", id)
	return fakevod.Video{}
}

func (st *stage) stored(t testing.TB, a upload.Asset) []byte {
	t.Helper()
	v := st.video(t, a.ID)
	r, err := st.store.OpenObject(v.Bucket, v.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func testVideo(size int64) upload.Video {
	return upload.Video{Upload: "u-42", Account: "alivod/main", Size: size, FileName: "v.mp4", ContentType: "video/mp4", Title: "A title", Description: "about it", Tags: []string{"go", "视频"}}
}

// coverOf is the picture that the platform shows for a video, by its address.
func (st *stage) coverOf(t testing.TB, a upload.Asset, _ upload.Post) (string, *float64) {
	t.Helper()
	u, err := url.Parse(st.video(t, a.ID).Fields["CoverURL"])
	if err != nil {
		t.Fatal(err)
	}
	i, ok := st.store.Stat(fakevod.DefaultBucket, strings.TrimPrefix(u.Path, "/"))
	if !ok {
		t.Fatalf("there is no picture at %s", u)
	}
	return i.SHA256, nil
}

func (st *stage) harness() targettest.Harness {
	return targettest.Harness{
		CoverOf:      st.coverOf,
		New:          func(testing.TB) target.Target { return st.target() },
		Video:        testVideo,
		Limits:       alivod.Limits(st.cfg),
		Stored:       st.stored,
		Posts:        func(testing.TB) int { return int(st.posts.Load()) },
		Fail:         st.fail,
		LoseSessions: st.forget,
		Secrets:      []string{keySecret, appSecret},
		Logs:         st.log.String,
		Discarding:   st.discarding,
		Skip: map[string]string{
			"Failures":  "Publish makes no request that could fail; parts that fail are in TestPartsThatFail",
			"Abilities": "a video is its own post once its file is there, so Inspect adopts it before Publish, too; see TestAbilities",
		},
	}
}

// discarding is the adapter before a server that keeps nothing.
func (st *stage) discarding(t testing.TB) target.Target {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"0123456789ABCDEF0123456789ABCDEF"`)
		switch {
		case r.Method == http.MethodPut:
		case r.URL.RawQuery == "uploads":
			io.WriteString(w, `<InitiateMultipartUploadResult><Bucket>outin-x</Bucket><Key>o</Key><UploadId>U</UploadId></InitiateMultipartUploadResult>`)
		default:
			fmt.Fprintf(w, `{"VideoId":"v1","UploadAddress":%q,"UploadAuth":%q}`, b64(`{"Endpoint":"http://x","Bucket":"outin-x","FileName":"o"}`),
				b64(`{"SecurityToken":"t","AccessKeyId":"i","AccessKeySecret":"s","Expiration":"3600"}`))
		}
	}))
	t.Cleanup(web.Close)
	c := st.cfg
	c.BaseURL, c.OSSEndpoint = web.URL, web.URL
	return alivod.New(c, st.client, func(context.Context) (token.Token, error) { return *st.tok.Load(), nil }, nil)
}

func TestTheAdapterKeepsTheContract(t *testing.T) {
	for _, v1 := range []bool{false, true} {
		t.Run(fmt.Sprintf("signatures v1=%t", v1), func(t *testing.T) {
			targettest.Run(t, func(t testing.TB) targettest.Harness {
				st := newStage(t)
				st.cfg.SignV1 = v1
				return st.harness()
			})
		})
	}
}

// What the reference leaves open must not matter to a client.
func TestTheAdapterKeepsTheContractUnderTheOtherReadings(t *testing.T) {
	targettest.Run(t, func(t testing.TB) targettest.Harness {
		return newStage(t, func(o *fakevod.Options) {
			o.Readings = fakevod.Readings{Missing: "named", TagUnit: "characters", FileSize: "checked", ImageKey: "jpg", Refresh: "new", Playable: "later", NoCallback: "notfound"}
		}).harness()
	})
}

func content(size int64) []byte {
	b := make([]byte, size)
	for i := range b {
		x := uint32(i)*2654435761 + uint32(i>>8)
		b[i] = byte(x >> 13)
	}
	return b
}

func part(p upload.Plan, n int, all []byte) target.Part {
	x := p.Part(n)
	return target.Part{Part: x, Parts: p.Parts, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(all[x.Offset : x.Offset+x.Size])), nil
	}}
}

func (st *stage) plan(t testing.TB, size int64) upload.Plan {
	p, err := upload.NewPlan(size, alivod.Limits(st.cfg), upload.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// open begins an upload of three parts and sends the given ones.
func (st *stage) open(t testing.TB, send ...int) (upload.Plan, []byte, upload.Session, []upload.Receipt) {
	t.Helper()
	const size = 9000
	p, all := st.plan(t, size), content(size)
	s, err := st.target().Init(t.Context(), testVideo(size), p)
	if err != nil {
		t.Fatal(err)
	}
	var rs []upload.Receipt
	for _, n := range send {
		r, err := st.target().UploadPart(t.Context(), s, part(p, n, all))
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	return p, all, s, rs
}

func (st *stage) complete(t testing.TB) (upload.Session, upload.Asset) {
	t.Helper()
	_, _, s, rs := st.open(t, 1, 2, 3)
	a, err := st.target().Complete(t.Context(), s, rs)
	if err != nil {
		t.Fatal(err)
	}
	return s, a
}

func TestPartsThatFail(t *testing.T) {
	k := func(x ...fault.Kind) []fault.Kind { return x }
	for how, want := range map[targettest.Misbehaviour][]fault.Kind{
		targettest.Unauthorized: k(fault.TokenExpired), targettest.Revoked: k(fault.TokenExpired), targettest.Throttled: k(fault.Retryable), targettest.Broken: k(fault.Retryable),
		targettest.LostBefore: k(fault.Retryable), targettest.CutBefore: k(fault.Retryable), targettest.LostAfter: k(fault.Retryable), targettest.CodeInside: k(fault.Permanent),
		targettest.BadJSON: k(fault.Retryable, fault.Unknown), targettest.HTML: k(fault.Retryable, fault.Unknown),
	} {
		t.Run(string(how), func(t *testing.T) {
			st := newStage(t)
			p, all, s, _ := st.open(t)
			st.fail(t, targettest.Failure{Op: "UploadPart", How: how})
			_, err := st.target().UploadPart(t.Context(), s, part(p, 1, all))
			ok := false
			for _, kind := range want {
				ok = ok || fault.As(err) != nil && fault.KindOf(err) == kind
			}
			if !ok || strings.Contains(err.Error(), "SECRET") || how == targettest.Throttled && fault.As(err).After != 7*time.Second {
				t.Errorf("%v", err)
			}
			if got := errors.Is(err, target.ErrSessionCredential); got != (want[0] == fault.TokenExpired) {
				t.Errorf("ErrSessionCredential: %t, %v", got, err)
			}
			var rs []upload.Receipt
			for n := 1; n <= 3; n++ {
				r, err := st.target().UploadPart(t.Context(), s, part(p, n, all))
				if err != nil {
					t.Fatal(err)
				}
				rs = append(rs, r)
			}
			a, err := st.target().Complete(t.Context(), s, rs)
			if err != nil || !bytes.Equal(st.stored(t, a), all) {
				t.Errorf("after the failure: %v", err)
			}
		})
	}
}

func TestAbilities(t *testing.T) {
	st, ctx := newStage(t), t.Context()
	tg := st.target()
	_, _, s, sent := st.open(t, 1, 3)
	got, err := tg.ListParts(ctx, s)
	if err != nil || len(got) != 2 || got[0].Part != 1 || got[1].Part != 3 || got[0].ETag != sent[0].ETag || !got[0].Unsummed {
		t.Errorf("ListParts: %+v, %v", got, err)
	}
	s, a := st.complete(t)
	var data struct{ Extend string }
	if v := st.video(t, a.ID); json.Unmarshal([]byte(v.Fields["UserData"]), &data) != nil || data.Extend != "u-42" || v.Fields["Tags"] != "go,视频" {
		t.Errorf("what VOD was told: %v", v.Fields)
	}
	at := target.Attempt{Video: testVideo(9000), Session: s, Asset: a}
	f, err := tg.Inspect(ctx, at)
	if err != nil || len(f.Posts) != 1 || f.Posts[0].ID != a.ID || f.Denied {
		t.Errorf("Inspect: %+v, %v", f, err)
	}
	for _, want := range []struct {
		state target.State
		wait  time.Duration
	}{{target.Later, time.Minute}, {target.Later, 2 * time.Minute}, {target.Live, 0}} {
		d, err := tg.Check(ctx, testVideo(9000), upload.Post{ID: a.ID})
		if err != nil || d.State != want.state || (want.state == target.Later) != (d.Reason != "") {
			t.Errorf("Check at %s: %+v, %v", st.video(t, a.ID).Status, d, err)
		}
		st.pass(t, want.wait)
	}
	for status, want := range map[fakevod.Status]target.State{fakevod.Blocked: target.Blocked, fakevod.UploadFail: target.Blocked, fakevod.TranscodeFail: target.Blocked, fakevod.Checking: target.Later} {
		if err := st.SetStatus(a.ID, status); err != nil {
			t.Fatal(err)
		}
		if d, err := tg.Check(ctx, testVideo(9000), upload.Post{ID: a.ID}); err != nil || d.State != want || d.Reason == "" {
			t.Errorf("Check at %s: %+v, %v", status, d, err)
		}
	}
	if err := st.Delete(a.ID); err != nil {
		t.Fatal(err)
	}
	if d, err := tg.Check(ctx, testVideo(9000), upload.Post{ID: a.ID}); err != nil || d.State != target.Blocked || !strings.Contains(d.Reason, "deleted") {
		t.Errorf("Check of a deleted video: %+v, %v", d, err)
	}
	at.Asset = upload.Asset{} // the session names it too
	if f, err := tg.Inspect(ctx, at); err != nil || len(f.Posts) != 0 || !f.Denied {
		t.Errorf("Inspect of a deleted video: %+v, %v", f, err)
	}
}

// A refresh soon after the issue answers the same credential; one close to its end a new one. Nobody asks in a loop.
func TestRenewalAndTheSameCredential(t *testing.T) {
	st, ctx := newStage(t, func(o *fakevod.Options) { o.Limits.CredentialKept = 3000*time.Second - 2*time.Minute }), t.Context()
	tg := st.target()
	p, all, s, rs := st.open(t, 1)
	young, err := tg.Renew(ctx, s)
	if err != nil {
		t.Fatalf("young: %v", err)
	}
	if r, err := tg.UploadPart(ctx, young, part(p, 2, all)); err != nil {
		t.Errorf("under the same credential: %v", err)
	} else {
		rs = append(rs, r)
	}
	if _, err := tg.Renew(ctx, young); fault.KindOf(err) != fault.Retryable || fault.As(err).After <= 0 {
		t.Errorf("the second time, though nothing has changed: %v", err)
	}
	st.pass(t, 3000*time.Second-5*time.Minute+time.Second) // it counts as ended, and the platform still gives the same
	x := part(p, 3, all)
	if _, err := tg.UploadPart(ctx, young, x); !errors.Is(err, target.ErrSessionCredential) || fault.KindOf(err) != fault.TokenExpired {
		t.Errorf("close to its end: %v", err)
	}
	due, err := tg.Renew(ctx, young)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tg.ListParts(ctx, due); err != nil {
		t.Errorf("half of what is left may be used: %v", err)
	}
	st.pass(t, 3*time.Minute+time.Second) // past CredentialKept: a new one
	if _, err := tg.UploadPart(ctx, due, x); !errors.Is(err, target.ErrSessionCredential) {
		t.Errorf("after half of what was left: %v", err)
	}
	fresh, err := tg.Renew(ctx, due)
	if err != nil {
		t.Fatal(err)
	}
	st.pass(t, 4*time.Minute) // the old one is over
	r, err := tg.UploadPart(ctx, fresh, x)
	if err != nil {
		t.Fatal(err)
	}
	a, err := tg.Complete(ctx, fresh, append(rs, r))
	if err != nil || !bytes.Equal(st.stored(t, a), all) {
		t.Errorf("%v", err)
	}
	if n := st.Counts(); n.Videos != 1 || n.Refreshes > 5 {
		t.Errorf("%+v", n)
	}
}

func TestAVideoThatIsGoneLosesTheSession(t *testing.T) {
	st, ctx := newStage(t), t.Context()
	_, _, s, _ := st.open(t)
	if err := st.Delete(st.Videos()[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := st.target().Renew(ctx, s); !errors.Is(err, target.ErrSessionLost) || fault.KindOf(err) == fault.Retryable {
		t.Errorf("%v", err)
	}
	st.pass(t, time.Hour)
	for range 2 {
		if err := st.target().Abort(ctx, s); err != nil {
			t.Errorf("Abort: %v", err)
		}
	}
}

// The credential may not read the object: VOD's own word stands in.
func TestCompleteAgainAfterALostAnswer(t *testing.T) {
	st, ctx := newStage(t), t.Context()
	_, all, s, rs := st.open(t, 1, 2, 3)
	if err := st.store.Inject(fake.Fault{Op: "complete", Cut: fake.CutAfter}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.target().Complete(ctx, s, rs); fault.KindOf(err) != fault.Unknown {
		t.Fatalf("a lost answer: %v", err)
	}
	a, err := st.target().Complete(ctx, s, rs)
	if err != nil || !bytes.Equal(st.stored(t, a), all) {
		t.Errorf("once more: %v", err)
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	st := newStage(t)
	_, _, s, _ := st.open(t, 1)
	st.pass(t, 2*time.Hour) // its credential is over, too
	for range 2 {
		if err := st.target().Abort(t.Context(), s); err != nil {
			t.Errorf("%v", err)
		}
	}
	l, err := st.admin.ListMultipartUploads()
	if n := st.Counts(); err != nil || len(l.Uploads) != 0 || n.Orphans != 0 || n.Deletions != 1 {
		t.Errorf("%v, %+v, %v", l.Uploads, n, err)
	}
}

func TestACoverIsUploadedAndSet(t *testing.T) {
	st, ctx := newStage(t), t.Context()
	_, _, s, rs := st.open(t, 1, 2, 3)
	pic := []byte("\x89PNG not really")
	cover := target.Picture{Picture: upload.Picture{Key: "in/a.png", Size: int64(len(pic)), ContentType: "image/png", Ref: "c1"},
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(pic)), nil }}
	v9 := testVideo(9000)
	s, err := st.target().UploadCover(ctx, v9, s, cover)
	if err != nil || s.Cover != "c1" {
		t.Fatal(s.Cover, err)
	}
	if s, err = st.target().Renew(ctx, s); err != nil || s.Cover != "c1" {
		t.Fatal("a new credential loses the cover:", err)
	}
	a, err := st.target().Complete(ctx, s, rs)
	if err != nil {
		t.Fatal(err)
	}
	v := st.video(t, a.ID)
	if n := st.Counts(); n.Pictures != 1 || !strings.HasPrefix(v.Fields["CoverURL"], "http") || strings.Contains(v.Fields["CoverURL"], "?") {
		t.Errorf("%+v, cover %q", n, v.Fields["CoverURL"])
	}
	for typ, size := range map[string]int64{"image/webp": 5, "image/png": 0, "image/gif": 1 << 30} {
		cover.Size, cover.ContentType = size, typ
		if _, err := st.target().UploadCover(ctx, v9, s, cover); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s of %d bytes: %v", typ, size, err)
		}
	}
}

func TestARefusedCreate(t *testing.T) {
	for code, want := range map[string]fault.Kind{"Throttling.User": fault.Retryable, "AddVideoFailed": fault.Retryable, "InternalError": fault.Unknown, "OperationDenied.Suspended": fault.Permanent,
		"IllegalCharacters": fault.Invalid, "InvalidTemplateGroupId.NotFound": fault.Invalid} {
		st := newStage(t)
		if err := st.Inject(fake.Fault{Op: "CreateUploadVideo", Name: code}); err != nil {
			t.Fatal(err)
		}
		_, err := st.target().Init(t.Context(), testVideo(9000), st.plan(t, 9000))
		if f := fault.As(err); f == nil || f.Kind != want || f.Code != code || f.LogID == "" || f.Actor == "" {
			t.Errorf("%s: %v", code, err)
		}
		if _, err := st.target().Init(t.Context(), testVideo(9000), st.plan(t, 9000)); err != nil {
			t.Errorf("after %s: %v", code, err)
		}
	}
}

// An account that is a role: the app's key asks STS for sessions, the session signs the calls, and is renewed.
func TestARoleSignsByItsSession(t *testing.T) {
	st, ctx := newStage(t), t.Context()
	tok, err := alivod.ParseLogin([]byte(`{"role_arn":"` + roleARN + `","session_name":"studio","duration_seconds":900}`))
	if err != nil || tok.Access != "" || tok.Refresh == "" {
		t.Fatalf("%v, %v", tok, err)
	}
	st.tok.Store(&tok)
	if _, err := st.target().Init(ctx, testVideo(9000), st.plan(t, 9000)); fault.KindOf(err) != fault.TokenExpired || fault.EffectOf(err) != fault.EffectNone {
		t.Errorf("without a session: %v", err)
	}
	r := alivod.NewRefresher(st.cfg, st.client, &alivod.Options{Now: st.now})
	fresh, err := r.Refresh(ctx, token.AppKey{ID: "LTAIapp", Secret: appSecret}, tok)
	if err != nil {
		t.Fatal(err)
	}
	if left := fresh.Expires.Sub(st.now()); left < 800*time.Second || left > 901*time.Second || fresh.Refresh != tok.Refresh || fresh.Subject != tok.Subject {
		t.Errorf("%v in %v", fresh, left)
	}
	st.tok.Store(&fresh)
	st.complete(t)
	for name, c := range map[string]struct {
		app  token.AppKey
		old  token.Token
		kind fault.Kind
	}{
		"no app":         {token.AppKey{}, tok, fault.Permanent},
		"a wrong secret": {token.AppKey{ID: "LTAIapp", Secret: "wrong-SECRET"}, tok, fault.Permanent},
		"no role":        {token.AppKey{ID: "LTAIapp", Secret: appSecret}, token.Token{}, fault.CredentialsExpired},
		"another role":   {token.AppKey{ID: "LTAIapp", Secret: appSecret}, token.Token{Refresh: "acs:ram::1234567890123456:role/gone"}, fault.CredentialsExpired},
	} {
		if _, err := r.Refresh(ctx, c.app, c.old); fault.KindOf(err) != c.kind || fault.As(err) == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A refused session is the account's token, and not the upload's credential.
	var k struct {
		ID string `json:"access_key_id"`
	}
	if err := json.Unmarshal([]byte(fresh.Access), &k); err != nil {
		t.Fatal(err)
	}
	if err := st.keys.Expire(k.ID); err != nil {
		t.Fatal(err)
	}
	_, err = st.target().Init(ctx, testVideo(9000), st.plan(t, 9000))
	if fault.KindOf(err) != fault.TokenExpired || errors.Is(err, target.ErrSessionCredential) {
		t.Errorf("a session that has ended: %v", err)
	}
	if logs := st.log.String(); strings.Contains(logs, "SECRET") || strings.Contains(logs, "Signature") || logs == "" {
		t.Error("the log shows a secret, or nothing")
	}
}
