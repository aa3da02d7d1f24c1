package youku_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	"github.com/vodlift/vodlift/local/fake/youku"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/targettest"
	adapter "github.com/vodlift/vodlift/shared/target/youku"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
)

// The adapter and the fakes of platform, storage and keys were written apart from the same reference; here they meet.

// stage is the two fakes behind real sockets, and the adapter in front of them.
type stage struct {
	*youku.Server
	store  *oss.Server
	keys   *ram.Store
	admin  *sdk.Bucket
	cfg    adapter.Config
	client *http.Client
	log    *lockedLog
	ahead  atomic.Int64 // of the platforms' clock and ours
	refuse atomic.Bool  // the next connection goes to a port where nobody listens
	tok    atomic.Pointer[token.Token]
	app    token.AppKey
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

// storage joins the platform to keys and objects.
type storage struct{ st *stage }

func (s storage) Issue(bucket, object string, life time.Duration) (youku.Credentials, error) {
	c, err := s.st.keys.Issue("youku", life, ram.ObjectPolicy(bucket, object, ram.UploadActions()...))
	return youku.Credentials{AccessKeyID: c.AccessKeyID, AccessKeySecret: c.Secret, SecurityToken: c.Token, Expires: c.Expires}, err
}

func (s storage) Stat(bucket, object string) (youku.Object, bool) {
	i, ok := s.st.store.Stat(bucket, object)
	return youku.Object{Size: i.Size, MD5: i.MD5, SHA256: i.SHA256}, ok
}

func newStage(t testing.TB, o youku.Options) *stage {
	t.Helper()
	st := &stage{log: &lockedLog{}, app: token.AppKey{ID: youku.DefaultClientID, Secret: youku.DefaultSecret}}
	var err error
	if st.keys, err = ram.NewStore(ram.StoreOptions{Now: st.now}); err != nil {
		t.Fatal(err)
	}
	if st.store, err = oss.New(oss.Options{Credentials: st.keys, Buckets: []oss.Bucket{{Name: youku.DefaultBucket}}, Limits: oss.Limits{PartMin: 2000}, Now: st.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.store.Close() })
	o.Storage, o.Now = storage{st}, st.now
	if st.Server, err = youku.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Server.Close() })
	objects, web := httptest.NewServer(st.store), httptest.NewServer(st.Server)
	t.Cleanup(objects.Close)
	t.Cleanup(web.Close)
	key, err := st.keys.AddKey("admin", "LTAIadmin", "admin-secret")
	if err != nil {
		t.Fatal(err)
	}
	c, err := sdk.New(objects.URL, key.AccessKeyID, key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	if st.admin, err = c.Bucket(youku.DefaultBucket); err != nil {
		t.Fatal(err)
	}
	st.client = transport.New(transport.Options{AllowLoopback: true, Log: slog.New(slog.NewJSONHandler(st.log, nil))})
	inner := st.client.Transport
	st.client.Transport = tripper(func(r *http.Request) (*http.Response, error) {
		if st.refuse.CompareAndSwap(true, false) {
			u := *r.URL
			r = r.Clone(r.Context())
			u.Host = deadPort(t)
			r.URL, r.Host = &u, u.Host
		}
		return inner.RoundTrip(r)
	})
	st.cfg = adapter.Config{BaseURL: web.URL, OSSEndpoint: objects.URL, OneRequest: 1000, MinPart: 2000, WantPart: 3000, MaxPart: 1 << 23, MaxSize: 1 << 26}
	g, err := st.AddAccount("alice")
	if err != nil {
		t.Fatal(err)
	}
	st.tok.Store(&token.Token{Grant: "g", Access: g.AccessToken, Refresh: g.RefreshToken, Expires: g.AccessExpires})
	return st
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func deadPort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (st *stage) now() time.Time { return time.Now().Add(time.Duration(st.ahead.Load())) }

func (st *stage) target() *adapter.Target {
	return adapter.New(st.cfg, st.client, func(context.Context) (token.AppKey, error) { return st.app, nil },
		func(context.Context) (token.Token, error) { return *st.tok.Load(), nil },
		&adapter.Options{Now: st.now, Password: func(context.Context, string) (string, error) { return "letMeIn42", nil }})
}

func (st *stage) refresher() *adapter.Refresher {
	return adapter.NewRefresher(st.cfg, st.client, &adapter.Options{Now: st.now})
}

func (st *stage) inject(t testing.TB, f fake.Fault) {
	t.Helper()
	if err := st.Inject(f); err != nil {
		t.Fatalf("the fake does not take %+v: %v", f, err)
	}
}

func (st *stage) spoil(t testing.TB, f fake.Fault) {
	t.Helper()
	if err := st.store.Inject(f); err != nil {
		t.Fatalf("the fake OSS does not take %+v: %v", f, err)
	}
}

func (st *stage) fail(t testing.TB, f targettest.Failure) {
	to, x := st.inject, fake.Fault{Op: "commit"}
	if f.Op == "UploadPart" {
		to, x.Op = st.spoil, "upload_part"
	}
	part := x.Op == "upload_part"
	switch f.How {
	case targettest.Unauthorized:
		if x.Code = 1009; part {
			x.Code, x.Name = 0, "SecurityTokenExpired"
		}
	case targettest.Revoked:
		if x.Code = 130011207; part {
			x.Code, x.Name = 0, "InvalidAccessKeyId"
		}
	case targettest.CodeInside:
		if x.Code, x.Shape = 1006, (youku.Shape{ErrorStatus: 200}).JSON(); part {
			x.Code, x.Shape, x.Name = 0, nil, "SignatureDoesNotMatch"
		}
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
		if x.Body = fake.BodyGarbled; part { // a part's answer has no body that could be cut
			x.Body, x.When = fake.BodyEmpty, fake.After
		}
	case targettest.HTML:
		x.Body, x.When = fake.BodyHTML, fake.After
	default:
		t.Fatalf("no such failure: %s", f.How)
	}
	to(t, x)
}

// forget makes OSS forget every open multipart upload.
func (st *stage) forget(t testing.TB) {
	l, err := st.admin.ListMultipartUploads()
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range l.Uploads {
		if err := st.store.ForgetUpload(youku.DefaultBucket, u.UploadID); err != nil {
			t.Fatal(err)
		}
	}
}

func (st *stage) video(t testing.TB, id string) youku.Video {
	t.Helper()
	for _, v := range st.Videos() {
		if v.ID == id {
			return v
		}
	}
	t.Fatalf("the platform knows no video %s", id)
	return youku.Video{}
}

func (st *stage) stored(t testing.TB, a upload.Asset) []byte {
	t.Helper()
	v := st.video(t, a.ID)
	r, err := st.store.OpenObject(v.Bucket, v.Object)
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

// content is what targettest sends: create wants its MD5.
func content(size int64) []byte {
	b := make([]byte, max(size, 0))
	for i := range b {
		x := uint32(i)*2654435761 + uint32(i>>8)
		b[i] = byte(x >> 13)
	}
	return b
}

func testVideo(size int64) upload.Video {
	v := upload.Video{Upload: "u", Account: "youku/main", Size: size, FileName: "v.mp4", ContentType: "video/mp4", Title: "A title", Description: "about it", Tags: []string{"go", "视频"}}
	if size < 1<<26 {
		sum := md5.Sum(content(size))
		v.MD5 = hex.EncodeToString(sum[:])
	}
	return v
}

func (st *stage) harness() targettest.Harness {
	tok := *st.tok.Load()
	return targettest.Harness{
		New:          func(testing.TB) target.Target { return st.target() },
		Video:        testVideo,
		Limits:       adapter.Limits(st.cfg),
		Stored:       st.stored,
		Posts:        func(testing.TB) int { return len(st.Effects().Posts) },
		Fail:         st.fail,
		LoseSessions: st.forget,
		Secrets:      []string{tok.Access, tok.Refresh, st.app.Secret},
		Logs:         st.log.String,
		Discarding:   st.discarding,
		CoverLink:    "https://bucket.example/in/cover.png?X-Amz-Signature=SECRET",
		CoverOf: func(t testing.TB, a upload.Asset, _ upload.Post) (string, *float64) {
			return st.video(t, a.ID).Fields["thumbnail"], nil
		},
		// OSS knows no grant; a key that was removed is replaced by a new one.
		OtherKinds: map[targettest.Failure][]fault.Kind{{Op: "UploadPart", How: targettest.Revoked}: {fault.TokenExpired}},
	}
}

// discarding is the adapter before a server that keeps nothing.
func (st *stage) discarding(t testing.TB) target.Target {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"0123456789ABCDEF0123456789ABCDEF"`)
		switch {
		case r.Method == http.MethodPut:
		case r.URL.RawQuery == "uploads":
			io.WriteString(w, `<InitiateMultipartUploadResult><Bucket>yk-source-upload</Bucket><Key>o</Key><UploadId>U</UploadId></InitiateMultipartUploadResult>`)
		default:
			io.WriteString(w, `{"video_id":"X1","upload_token":"ut","endpoint":"oss-cn-shanghai.aliyuncs.com","security_token":"s","oss_bucket":"yk-source-upload","oss_object":"o","temp_access_id":"i","temp_access_secret":"x","expire_time":"2099-01-01T00:00:00Z"}`)
		}
	}))
	t.Cleanup(web.Close)
	c := st.cfg
	c.BaseURL, c.OSSEndpoint = web.URL, web.URL
	return adapter.New(c, st.client, func(context.Context) (token.AppKey, error) { return st.app, nil },
		func(context.Context) (token.Token, error) { return *st.tok.Load(), nil }, nil)
}

func TestTheAdapterKeepsTheContract(t *testing.T) {
	for _, v1 := range []bool{false, true} {
		t.Run(fmt.Sprintf("signatures v1=%t", v1), func(t *testing.T) {
			targettest.Run(t, func(t testing.TB) targettest.Harness {
				st := newStage(t, youku.Options{Readings: youku.Readings{DuplicateOf: "none"}})
				st.cfg.SignV1 = v1
				return st.harness()
			})
		})
	}
}

// What the reference leaves open must not matter to a client: here are the other readings.
func TestTheAdapterKeepsTheContractUnderTheOtherReadings(t *testing.T) {
	for _, second := range []string{"duplicate_token", "duplicate", "same"} {
		t.Run("a second commit is "+second, func(t *testing.T) {
			others := youku.Readings{DuplicateOf: "none", Get: "refuse", CreateStatus: 200, Rotation: "omit", TokenType: "bearer", Cancel: "ignored", SecondCommit: second, TagCommas: "both", HashCode: 120010225}
			targettest.Run(t, func(t testing.TB) targettest.Harness {
				h := newStage(t, youku.Options{Readings: others}).harness()
				if second == "same" {
					h.Skip = map[string]string{"PublishIsCalledOnce": "a second commit answers the same video, and makes no second post"}
				}
				return h
			})
		})
	}
}

// plan and send are the steps that a workflow makes.
func (st *stage) plan(t testing.TB, size int64) upload.Plan {
	t.Helper()
	p, err := upload.NewPlan(size, adapter.Limits(st.cfg), upload.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func partOf(p upload.Plan, n int) target.Part {
	x, all := p.Part(n), content(p.Size)
	return target.Part{Part: x, Parts: p.Parts, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(all[x.Offset : x.Offset+x.Size])), nil
	}}
}

// upload brings a video as far as an asset; a renewal is made whenever it is asked for.
func (st *stage) upload(t testing.TB, v upload.Video) (s upload.Session, a upload.Asset, renewals int) {
	t.Helper()
	c, p := st.target(), st.plan(t, v.Size)
	s, err := c.Init(t.Context(), v, p)
	if err != nil {
		t.Fatal(err)
	}
	var rs []upload.Receipt
	for n := 1; n <= p.Parts; n++ {
		r, err := c.UploadPart(t.Context(), s, partOf(p, n))
		if errors.Is(err, target.ErrSessionCredential) {
			renewals++
			if s, err = c.Renew(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			r, err = c.UploadPart(t.Context(), s, partOf(p, n))
		}
		if err != nil {
			t.Fatalf("part %d: %v", n, err)
		}
		rs = append(rs, r)
	}
	if a, err = c.Complete(t.Context(), s, rs); err != nil {
		t.Fatal(err)
	}
	return s, a, renewals
}

func (st *stage) count(op string) int {
	n := 0
	for _, r := range st.store.Requests(0) {
		if r.Op == op {
			n++
		}
	}
	return n
}

func TestACredentialOfTwoSecondsIsRenewedInMidUpload(t *testing.T) {
	st := newStage(t, youku.Options{Limits: youku.Limits{CredentialLife: 2 * time.Second}})
	c, v := st.target(), testVideo(12_000)
	p := st.plan(t, v.Size)
	s, err := c.Init(t.Context(), v, p)
	if err != nil {
		t.Fatal(err)
	}
	var rs []upload.Receipt
	renewals := 0
	for n := 1; n <= p.Parts; n++ {
		if n > 1 {
			st.ahead.Add(int64(2 * time.Second)) // each part took as long as the credential lives
		}
		_, err := c.UploadPart(t.Context(), s, partOf(p, n))
		if n > 1 {
			if !errors.Is(err, target.ErrSessionCredential) || fault.KindOf(err) != fault.TokenExpired {
				t.Fatalf("part %d under an expired credential: %v", n, err)
			}
			renewals++
			if s, err = c.Renew(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			_, err = c.UploadPart(t.Context(), s, partOf(p, n))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	listed, err := c.ListParts(t.Context(), s)
	if err != nil || len(listed) != p.Parts {
		t.Fatalf("%v, %v", listed, err)
	}
	for _, r := range listed {
		if !r.Unsummed || r.ETag == "" {
			t.Errorf("%+v", r)
		}
		rs = append(rs, r)
	}
	a, err := c.Complete(t.Context(), s, rs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), v, s, a); err != nil {
		t.Fatal(err)
	}
	if n := st.count("upload_part"); n != p.Parts || renewals != 3 {
		t.Errorf("%d parts were sent for %d, with %d renewals", n, p.Parts, renewals)
	}
	if got := st.stored(t, a); !bytes.Equal(got, content(v.Size)) || len(st.Effects().Posts) != 1 || len(st.Videos()) != 1 {
		t.Errorf("%d bytes, %d posts, %d videos", len(got), len(st.Effects().Posts), len(st.Videos()))
	}
}

func TestARefusedCredentialIsRenewedAndTheRestIsNot(t *testing.T) {
	for name, c := range map[string]struct {
		renewed bool // the credential is a renewed, young one
		want    error
		kind    fault.Kind
	}{
		"SecurityTokenExpired":                {false, target.ErrSessionCredential, fault.TokenExpired},
		"InvalidSecurityToken":                {true, target.ErrSessionCredential, fault.TokenExpired},
		"InvalidAccessKeyId":                  {true, target.ErrSessionCredential, fault.TokenExpired},
		"AccessKeyIdAndSecurityTokenNotMatch": {false, target.ErrSessionCredential, fault.TokenExpired},
		"AccessDenied":                        {false, target.ErrSessionCredential, fault.TokenExpired},
		"AccessDenied again":                  {true, target.ErrSessionLost, fault.Permanent},
		"NoSuchUpload":                        {false, target.ErrSessionLost, fault.Permanent},
		"NoSuchBucket":                        {false, target.ErrSessionLost, fault.Permanent},
		"SignatureDoesNotMatch":               {false, nil, fault.Permanent},
		"EntityTooSmall":                      {false, nil, fault.Permanent},
		"InvalidDigest":                       {false, nil, fault.Retryable},
		"RequestTimeout":                      {false, nil, fault.Retryable},
		"InternalError":                       {false, nil, fault.Retryable},
		"TotalQpsLimitExceeded":               {false, nil, fault.Retryable},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, youku.Options{})
			tg, v := st.target(), testVideo(6000)
			p := st.plan(t, v.Size)
			s, err := tg.Init(t.Context(), v, p)
			if err != nil {
				t.Fatal(err)
			}
			if c.renewed {
				if s, err = tg.Renew(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			code, _, _ := strings.Cut(name, " ")
			st.spoil(t, fake.Fault{Op: "upload_part", Name: code})
			_, err = tg.UploadPart(t.Context(), s, partOf(p, 1))
			if fault.KindOf(err) != c.kind || c.want != nil && !errors.Is(err, c.want) || c.want == nil && (errors.Is(err, target.ErrSessionLost) || errors.Is(err, target.ErrSessionCredential)) {
				t.Errorf("got %v", err)
			}
			if f := fault.As(err); f == nil || f.Code != code || f.LogID == "" {
				t.Errorf("code and request id are lost: %v", err)
			}
		})
	}
}

func TestAPolicyWithoutListingCostsNoSession(t *testing.T) {
	st := newStage(t, youku.Options{})
	c, v := st.target(), testVideo(6000)
	p := st.plan(t, v.Size)
	s, err := c.Init(t.Context(), v, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadPart(t.Context(), s, partOf(p, 1)); err != nil {
		t.Fatal(err)
	}
	st.spoil(t, fake.Fault{Op: "list_parts", Name: "AccessDenied"})
	if rs, err := c.ListParts(t.Context(), s); err != nil || len(rs) != 0 {
		t.Errorf("forbidden: %v, %v", rs, err)
	}
	if rs, err := c.ListParts(t.Context(), s); err != nil || len(rs) != 1 {
		t.Errorf("allowed: %v, %v", rs, err)
	}
	st.forget(t)
	if _, err := c.ListParts(t.Context(), s); !errors.Is(err, target.ErrSessionLost) {
		t.Errorf("of a lost upload: %v", err)
	}
}

func TestACompleteWithoutAnAnswerIsNotRepeatedBlindly(t *testing.T) {
	st := newStage(t, youku.Options{})
	c, v := st.target(), testVideo(6000)
	p := st.plan(t, v.Size)
	s, err := c.Init(t.Context(), v, p)
	if err != nil {
		t.Fatal(err)
	}
	rs := []upload.Receipt{}
	for n := 1; n <= p.Parts; n++ {
		r, err := c.UploadPart(t.Context(), s, partOf(p, n))
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	damaged := slices.Clone(rs)
	damaged[0].ETag = "00000000000000000000000000000000"
	if _, err := c.Complete(t.Context(), s, damaged); !errors.Is(err, target.ErrSessionLost) {
		t.Errorf("a part that OSS does not have so: %v", err)
	}
	st.spoil(t, fake.Fault{Op: "complete", Cut: fake.CutAfter})
	if _, err := c.Complete(t.Context(), s, rs); fault.KindOf(err) != fault.Unknown {
		t.Errorf("a lost answer: %v", err)
	}
	// The credential may not HEAD here (the reference's assumption), so nobody can tell: the session is given up.
	if _, err := c.Complete(t.Context(), s, rs); !errors.Is(err, target.ErrSessionLost) {
		t.Errorf("the second: %v", err)
	}
}

func TestAWrongSumOfTheWholeIsNotPublished(t *testing.T) {
	st := newStage(t, youku.Options{})
	c, v := st.target(), testVideo(6000)
	p := st.plan(t, v.Size)
	s, err := c.Init(t.Context(), v, p)
	if err != nil {
		t.Fatal(err)
	}
	rs := []upload.Receipt{}
	for n := 1; n <= p.Parts; n++ {
		r, err := c.UploadPart(t.Context(), s, partOf(p, n))
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	rs[1].CRC64++ // the source has other bytes than OSS
	if _, err := c.Complete(t.Context(), s, rs); !errors.Is(err, target.ErrSessionLost) {
		t.Errorf("got %v", err)
	}
}

func TestCommitWithoutAnAnswer(t *testing.T) {
	for _, second := range []string{"invalid", "duplicate_token", "duplicate"} {
		t.Run(second, func(t *testing.T) {
			st := newStage(t, youku.Options{Readings: youku.Readings{SecondCommit: second}, Pace: youku.Pace{Hidden: time.Minute}})
			v, c := testVideo(6000), st.target()
			s, a, _ := st.upload(t, v)
			at := target.Attempt{Video: v, Session: s, Asset: a, At: st.now(), SendBy: st.now().Add(time.Minute)}
			st.inject(t, fake.Fault{Op: "commit", Cut: fake.CutAfter})
			if _, err := c.Publish(t.Context(), v, s, a); fault.KindOf(err) != fault.Unknown || fault.EffectOf(err) != fault.EffectUnknown {
				t.Fatalf("a lost answer: %v", err)
			}
			if f, err := c.Inspect(t.Context(), at); err != nil || f.Denied || len(f.Posts) > 0 {
				t.Errorf("in the first minutes: %+v, %v", f, err)
			}
			if _, err := c.Publish(t.Context(), v, s, a); fault.EffectOf(err) != fault.EffectUnknown || fault.KindOf(err) != fault.Unknown || errors.Is(err, target.ErrAssetSpent) {
				t.Errorf("the second commit: %v, effect %v", err, fault.EffectOf(err))
			}
			st.ahead.Add(int64(2 * time.Minute))
			if f, err := c.Inspect(t.Context(), at); err != nil || len(f.Posts) != 1 || f.Posts[0].ID != a.ID {
				t.Errorf("later: %+v, %v", f, err)
			}
			if n := len(st.Effects().Posts); n != 1 {
				t.Errorf("%d posts", n)
			}
		})
	}
}

func TestACommitThatNeverArrivedIsDeniedOnlyLater(t *testing.T) {
	st := newStage(t, youku.Options{})
	v, c := testVideo(6000), st.target()
	s, a, _ := st.upload(t, v)
	at := target.Attempt{Video: v, Session: s, Asset: a, At: st.now(), SendBy: st.now().Add(time.Minute)}
	for _, x := range []struct {
		after  time.Duration
		denied bool
	}{{0, false}, {10 * time.Minute, false}, {2 * time.Minute, true}} {
		st.ahead.Add(int64(x.after))
		if f, err := c.Inspect(t.Context(), at); err != nil || f.Denied != x.denied || len(f.Posts) > 0 {
			t.Errorf("after %v more: %+v, %v", x.after, f, err)
		}
	}
	at.SendBy = time.Time{}
	if f, err := c.Inspect(t.Context(), at); err != nil || f.Denied {
		t.Errorf("nobody knows when: %+v, %v", f, err)
	}
}

func TestTheWrongMD5SpendsTheAsset(t *testing.T) {
	for _, code := range []int{12001010225, 120010225, 120010218} {
		st := newStage(t, youku.Options{Readings: youku.Readings{HashCode: code}})
		v := testVideo(6000)
		v.MD5 = strings.Repeat("0", 32)
		s, a, _ := st.upload(t, v)
		_, err := st.target().Publish(t.Context(), v, s, a)
		if !errors.Is(err, target.ErrAssetSpent) || fault.EffectOf(err) != fault.EffectNone || len(st.Effects().Posts) != 0 {
			t.Errorf("%d: %v", code, err)
		}
	}
	// One PUT carries the MD5 along: OSS refuses other bytes at once.
	st := newStage(t, youku.Options{})
	v := testVideo(500)
	v.MD5 = strings.Repeat("0", 32)
	p := st.plan(t, v.Size)
	s, err := st.target().Init(t.Context(), v, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.target().UploadPart(t.Context(), s, partOf(p, 1)); fault.KindOf(err) != fault.Retryable || fault.As(err).Code != "InvalidDigest" {
		t.Errorf("one PUT: %v", err)
	}
}

func TestTheSameFileTwiceIsADuplicate(t *testing.T) {
	st := newStage(t, youku.Options{})
	v := testVideo(500)
	s, a, _ := st.upload(t, v)
	if _, err := st.target().Publish(t.Context(), v, s, a); err != nil {
		t.Fatal(err)
	}
	_, err := st.target().Init(t.Context(), v, st.plan(t, 500))
	if fault.KindOf(err) != fault.Duplicate || fault.EffectOf(err) != fault.EffectNone {
		t.Errorf("got %v", err)
	}
}

func TestWhatThePlatformHasAlreadyIsNotSent(t *testing.T) {
	st := newStage(t, youku.Options{Readings: youku.Readings{InstantUpload: "on", DuplicateOf: "none"}})
	v := testVideo(6000)
	s, a, _ := st.upload(t, v)
	if _, err := st.target().Publish(t.Context(), v, s, a); err != nil {
		t.Fatal(err)
	}
	before := len(st.store.Requests(0))
	s, a, _ = st.upload(t, v)
	if _, err := st.target().Publish(t.Context(), v, s, a); err != nil {
		t.Fatal(err)
	}
	if n := len(st.store.Requests(0)) - before; n != 0 {
		t.Errorf("%d requests to OSS", n)
	}
}

func TestADeadUploadTokenNeedsANewCreate(t *testing.T) {
	st := newStage(t, youku.Options{Limits: youku.Limits{CredentialLife: 100 * time.Hour, AccessLife: 100 * time.Hour}})
	v := testVideo(6000)
	s, a, _ := st.upload(t, v)
	st.ahead.Add(int64(25 * time.Hour))
	if _, err := st.target().Renew(t.Context(), s); !errors.Is(err, target.ErrSessionLost) || fault.KindOf(err) == fault.Retryable {
		t.Errorf("Renew: %v", err)
	}
	if _, err := st.target().Publish(t.Context(), v, s, a); !errors.Is(err, target.ErrAssetSpent) || fault.EffectOf(err) != fault.EffectNone {
		t.Errorf("Publish: %v", err)
	}
	if err := st.target().Abort(t.Context(), s); err != nil {
		t.Errorf("Abort: %v", err)
	}
}

func TestAbortReachesThePartsWithAnOldCredential(t *testing.T) {
	st := newStage(t, youku.Options{})
	c, v := st.target(), testVideo(6000)
	p := st.plan(t, v.Size)
	s, err := c.Init(t.Context(), v, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadPart(t.Context(), s, partOf(p, 1)); err != nil {
		t.Fatal(err)
	}
	st.ahead.Add(int64(59 * time.Minute))
	if err := c.Abort(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if n := st.store.OpenUploads(youku.DefaultBucket); n != 0 {
		t.Errorf("%d uploads are still open", n)
	}
	if got := st.Videos()[0].Status; got != "cancelled" {
		t.Errorf("the video is %s", got)
	}
}

func TestInitLeavesNoOrphanWhereOSSRefuses(t *testing.T) {
	st := newStage(t, youku.Options{})
	st.spoil(t, fake.Fault{Op: "initiate", Name: "InternalError"})
	v := testVideo(6000)
	if _, err := st.target().Init(t.Context(), v, st.plan(t, v.Size)); fault.KindOf(err) != fault.Retryable {
		t.Errorf("got %v", err)
	}
	if got := st.Videos()[0].Status; got != "cancelled" {
		t.Errorf("the video is %s", got)
	}
}

func TestEveryStateOfAVideo(t *testing.T) {
	st := newStage(t, youku.Options{Pace: youku.Pace{Encoding: time.Minute, Review: time.Minute}})
	v := testVideo(500)
	s, a, _ := st.upload(t, v)
	p, err := st.target().Publish(t.Context(), v, s, a)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, want target.State) {
		t.Helper()
		d, err := st.target().Check(t.Context(), v, p)
		if err != nil || d.State != want || want == target.Blocked && d.Reason == "" || want == target.Live && d.URL != youku.Link(p.ID) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	check("encoding", target.Later)
	st.ahead.Add(int64(70 * time.Second))
	check("in review", target.Later)
	st.ahead.Add(int64(time.Minute))
	check("normal", target.Live)
	for state, want := range map[youku.State]target.State{youku.Limited: target.Live, youku.Fail: target.Blocked, youku.Blocked: target.Blocked, "strange": target.Blocked} {
		if err := st.SetState(p.ID, state); err != nil {
			t.Fatal(err)
		}
		check(string(state), want)
	}
	if err := st.Delete(p.ID); err != nil {
		t.Fatal(err)
	}
	check("deleted", target.Later)
	st.ahead.Add(int64(25 * time.Hour))
	check("deleted for a day", target.Blocked)
}

func TestEveryFieldArrives(t *testing.T) {
	st := newStage(t, youku.Options{})
	v := testVideo(500)
	v.Tags = []string{"#go", "视频, go", " "}
	v.Fields = []byte(`{"category":"Tech","thumbnail":"https://img.example/a.jpg","copyright_type":"reproduced","public_type":"password","watch_password_name":"family","description":"另一个描述","deshake":1}`)
	s, a, _ := st.upload(t, v)
	if _, err := st.target().Publish(t.Context(), v, s, a); err != nil {
		t.Fatal(err)
	}
	got := st.video(t, a.ID)
	for name, want := range map[string]string{"title": "A title", "tags": "go,视频", "category": "Tech", "thumbnail": "https://img.example/a.jpg", "copyright_type": "reproduced",
		"public_type": "password", "description": "另一个描述", "deshake": "1"} {
		if got.Fields[name] != want {
			t.Errorf("%s = %q, want %q", name, got.Fields[name], want)
		}
	}
	if got.PasswordSHA256 == "" || strings.Contains(string(s.Private), "letMeIn42") {
		t.Error("the password did not arrive, or is in the session")
	}
}

func TestEveryShapeOfAnAnswerIsUnderstood(t *testing.T) {
	for name, shape := range map[string]youku.Shape{
		"numbers as strings": {NumbersAsStrings: true}, "expires_in as a string": {ExpiresInString: true}, "text/plain": {ContentType: "text/plain"},
		"url-encoded errors": {ErrorForm: "urlencoded"}, "errors with 200": {ErrorStatus: 200}, "url-encoded with 200": {ErrorForm: "urlencoded", ErrorStatus: 200},
		"no time": {ExpireTime: "garbled"}, "Beijing's time": {ExpireTime: "offset"}, "no expire_time": {Omit: []string{"expire_time"}}, "more fields": {Unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, youku.Options{Shape: shape})
			v := testVideo(6000)
			s, a, renewals := st.upload(t, v)
			if renewals != 0 {
				t.Errorf("%d renewals", renewals)
			}
			s, err := st.target().Renew(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			st.inject(t, fake.Fault{Op: "commit", Code: 1009})
			if _, err := st.target().Publish(t.Context(), v, s, a); fault.KindOf(err) != fault.TokenExpired || !fault.As(err).AssetKept || fault.As(err).Code != "1009" {
				t.Errorf("a code: %v", err)
			}
			p, err := st.target().Publish(t.Context(), v, s, a)
			if err != nil {
				t.Fatal(err)
			}
			if d, err := st.target().Check(t.Context(), v, p); err != nil || d.State == target.Blocked {
				t.Errorf("Check: %+v, %v", d, err)
			}
			if tok, err := st.refresher().Refresh(t.Context(), st.app, *st.tok.Load()); err != nil || tok.Expires.IsZero() || tok.Access == "" {
				t.Errorf("Refresh: %v, %v", tok, err)
			}
		})
	}
}

func TestRefresh(t *testing.T) {
	for _, rotation := range []string{"rotate", "same", "omit"} {
		st := newStage(t, youku.Options{Readings: youku.Readings{Rotation: rotation}})
		old := *st.tok.Load()
		got, err := st.refresher().Refresh(t.Context(), st.app, old)
		if err != nil || got.Access == old.Access || got.Access == "" || got.Obtained.IsZero() {
			t.Fatalf("%s: %v, %v", rotation, got, err)
		}
		if changed := got.Refresh != "" && got.Refresh != old.Refresh; changed != (rotation == "rotate") || (got.Refresh == "") != (rotation == "omit") {
			t.Errorf("%s: the refresh token is wrong", rotation)
		}
		st.tok.Store(&got)
		st.upload(t, testVideo(500))
		if err := st.Revoke("alice"); err != nil {
			t.Fatal(err)
		}
		if got.Refresh == "" {
			got.Refresh = old.Refresh
		}
		if _, err = st.refresher().Refresh(t.Context(), st.app, got); fault.KindOf(err) != fault.CredentialsExpired || strings.Contains(err.Error(), got.Refresh) {
			t.Errorf("%s: a revoked grant: %v", rotation, err)
		}
	}
	st := newStage(t, youku.Options{Readings: youku.Readings{ClientSecret: "required"}})
	st.cfg.SendSecret = true
	if _, err := st.refresher().Refresh(t.Context(), st.app, *st.tok.Load()); err != nil {
		t.Errorf("with the secret: %v", err)
	}
	st.inject(t, fake.Fault{Op: "refresh_token", Cut: fake.CutAfter})
	if _, err := st.refresher().Refresh(t.Context(), st.app, *st.tok.Load()); fault.KindOf(err) != fault.Unknown {
		t.Errorf("a lost answer: %v", err)
	}
}

// The clock of this machine is an hour off; the credential's end and the signatures have to be right all the same.
func TestAWrongClockOfOursIsCorrected(t *testing.T) {
	for _, off := range []time.Duration{-2 * time.Hour, 40 * time.Minute, 3 * time.Hour} {
		st := newStage(t, youku.Options{})
		ours := func() time.Time { return st.now().Add(off) }
		c := adapter.New(st.cfg, st.client, func(context.Context) (token.AppKey, error) { return st.app, nil },
			func(context.Context) (token.Token, error) { return *st.tok.Load(), nil }, &adapter.Options{Now: ours})
		v := testVideo(500)
		p := st.plan(t, v.Size)
		s, err := c.Init(t.Context(), v, p)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.UploadPart(t.Context(), s, partOf(p, 1))
		if fault.KindOf(err) != fault.Retryable || fault.As(err).Code != "RequestTimeTooSkewed" {
			t.Errorf("%v: the first: %v", off, err)
		}
		if _, err = c.UploadPart(t.Context(), s, partOf(p, 1)); err != nil {
			t.Errorf("%v: the second: %v", off, err)
		}
		st.ahead.Add(int64(56 * time.Minute))
		if _, err = c.UploadPart(t.Context(), s, partOf(p, 1)); !errors.Is(err, target.ErrSessionCredential) {
			t.Errorf("%v: near the end: %v", off, err)
		}
	}
}

func TestTheTwoTablesOfCodesAgree(t *testing.T) {
	ours := map[int]adapter.Code{}
	for _, c := range adapter.Codes() {
		ours[int(c.Code)] = c
		for _, x := range c.Spellings {
			ours[int(x)] = c
		}
	}
	for _, c := range youku.Codes() {
		o, ok := ours[c.Code]
		delete(ours, c.Code)
		if !ok || !slices.Contains(c.Classes, youku.Class(o.Class)) || c.As != 0 && int64(c.As) != o.Code {
			t.Errorf("%d: the fake says %v, the adapter %s", c.Code, c.Classes, o.Class)
		}
	}
	for code := range ours {
		t.Errorf("the fake does not know %d", code)
	}
}
