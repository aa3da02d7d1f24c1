package douyin_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	adapter "github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/target/targettest"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
)

// The adapter and the fake were written apart from the same reference; here they meet.

// stage is a fake platform behind a real socket, and the adapter in front of it.
type stage struct {
	*douyin.Server
	cfg    adapter.Config
	web    *httptest.Server
	client *http.Client
	log    *lockedLog
	ahead  atomic.Int64 // of the platform's clock and ours
	refuse atomic.Bool  // the next connection goes to a port where nobody listens
	tok    atomic.Pointer[token.Token]
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

// modes are the three ways in which Douyin can be spoken to.
var modes = []struct {
	name string
	gen  douyin.Generation
	auth douyin.Auth
}{{"legacy, token in the query", douyin.Legacy, douyin.Query}, {"legacy, token in a header", douyin.Legacy, douyin.Header}, {"v1, token in a header", douyin.V1, douyin.Header}}

func newStage(t testing.TB, o douyin.Options) *stage {
	t.Helper()
	st := &stage{log: &lockedLog{}}
	o.KeepBytes, o.Now = true, st.now
	o.Limits.PartMin = 2000
	if o.Generation == "" {
		o.Generation, o.Auth = douyin.V1, douyin.Header
	}
	s, err := douyin.New(o)
	if err != nil {
		t.Fatal(err)
	}
	st.Server = s
	t.Cleanup(func() { s.Close() })
	st.web = httptest.NewServer(s)
	t.Cleanup(st.web.Close)
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
	st.cfg = adapter.Config{BaseURL: st.web.URL, Generation: adapter.Generation(o.Generation), Auth: adapter.Auth(o.Auth),
		OneRequest: 1000, MinPart: 2000, WantPart: 3000, MaxPart: 1 << 23, MaxSize: 1 << 26}
	g, err := s.AddAccount("alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	st.tok.Store(&token.Token{Grant: "g", Subject: "alice", Access: g.AccessToken, Refresh: g.RefreshToken, Expires: g.AccessExpires, RefreshBy: g.RefreshExpires})
	return st
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// CloseIdleConnections is nobody's need here.
func (f tripper) CloseIdleConnections() {}

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
	return adapter.New(st.cfg, st.client, func(context.Context) (token.Token, error) { return *st.tok.Load(), nil }, &adapter.Options{Now: st.now})
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

// code is the legacy or the v1 code of the same fact.
func (st *stage) code(legacy, v1 int) int {
	if st.cfg.Generation == adapter.Legacy {
		return legacy
	}
	return v1
}

func (st *stage) fail(t testing.TB, f targettest.Failure) {
	x := fake.Fault{Op: "create"}
	if f.Op == "UploadPart" {
		x.Op = "part_upload"
	}
	switch f.How {
	case targettest.Unauthorized:
		x.Code = st.code(2190008, 28001008)
	case targettest.Revoked:
		x.Code = st.code(2190003, 28001012)
	case targettest.CodeInside:
		x.Code = 2100009
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
		x.Body = fake.BodyGarbled
	case targettest.HTML:
		x.Body, x.When = fake.BodyHTML, fake.After
	default:
		t.Fatalf("no such failure: %s", f.How)
	}
	st.inject(t, x)
}

func (st *stage) stored(t testing.TB, a upload.Asset) []byte {
	t.Helper()
	r, err := st.OpenAsset(a.ID)
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

func (st *stage) harness() targettest.Harness {
	tok := *st.tok.Load()
	return targettest.Harness{
		New:          func(testing.TB) target.Target { return st.target() },
		Limits:       adapter.Limits(st.cfg),
		Stored:       st.stored,
		Posts:        func(testing.TB) int { return len(st.Effects().Posts) },
		Fail:         st.fail,
		LoseSessions: func(testing.TB) { st.ahead.Add(int64(3 * time.Hour)) },
		Secrets:      []string{tok.Access, tok.Refresh},
		Logs:         st.log.String,
		Discarding:   st.discarding,
		CoverOf: func(_ testing.TB, _ upload.Asset, p upload.Post) (string, *float64) {
			return st.Cover(p.ID)
		},
		OtherKinds: nil,
	}
}

// discarding is the adapter before a server that keeps nothing.
func (st *stage) discarding(t testing.TB) target.Target {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"data":{"error_code":0,"upload_id":"@u"},"extra":{}}`)
	}))
	t.Cleanup(web.Close)
	c := st.cfg
	c.BaseURL = web.URL
	return adapter.New(c, st.client, func(context.Context) (token.Token, error) { return *st.tok.Load(), nil }, nil)
}

func TestTheAdapterKeepsTheContract(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			targettest.Run(t, func(t testing.TB) targettest.Harness {
				return newStage(t, douyin.Options{Generation: m.gen, Auth: m.auth}).harness()
			})
		})
	}
}

// What the reference leaves open must not matter to a client: here are the other readings, all at once.
func TestTheAdapterKeepsTheContractUnderTheOtherReadings(t *testing.T) {
	others := douyin.Readings{SecondComplete: "same", MissingParts: "refuse", ShortLastPart: "refuse", PartContentType: "ignore", ReusedVideo: "duplicate",
		CreateVideoID: "none", ReviewFields: "sent", PinnedPage: "shorter", TextUnit: "utf16", OAuthMessage: "none", PartZero: "accept", ChunkedBody: "accept", TokenInBoth: "accept"}
	targettest.Run(t, func(t testing.TB) targettest.Harness { return newStage(t, douyin.Options{Readings: others}).harness() })
}

func TestEveryShapeOfAnAnswerIsUnderstood(t *testing.T) {
	for name, shape := range map[string]douyin.Shape{
		"plain": {}, "numbers as strings": {NumbersAsStrings: true}, "log_id": {LogID: "log_id"}, "logid": {LogID: "logid"}, "no zero": {OmitZero: true}, "flat": {Flat: true},
		"error in extra": {ErrorIn: "extra"}, "error in data": {ErrorIn: "data"}, "error as sub code": {ErrorIn: "sub"}, "error at the top": {ErrorIn: "top"},
		"strings, flat": {NumbersAsStrings: true, Flat: true}, "strings, no zero": {NumbersAsStrings: true, OmitZero: true},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, douyin.Options{Shape: shape})
			at := target.Attempt{At: st.now()}
			var err error
			at.Video, at.Session, at.Asset = st.upload(t, 6000, "T")
			st.inject(t, fake.Fault{Op: "create", Code: 28003018})
			if _, err = st.target().Publish(t.Context(), at.Video, at.Session, at.Asset); fault.KindOf(err) != fault.Retryable || !fault.As(err).AssetKept || fault.As(err).LogID == "" {
				t.Errorf("a code: %v", err)
			}
			p, err := st.target().Publish(t.Context(), at.Video, at.Session, at.Asset)
			if err != nil {
				t.Fatal(err)
			}
			if f, err := st.target().Inspect(t.Context(), at); err != nil || len(f.Posts) != 1 || f.Posts[0].ID != p.ID {
				t.Errorf("Inspect: %+v, %v", f, err)
			}
			if d, err := st.target().Check(t.Context(), at.Video, p); err != nil || d.State == target.Blocked {
				t.Errorf("Check: %+v, %v", d, err)
			}
		})
	}
}

func testVideo(size int64, title string) upload.Video {
	return upload.Video{Upload: "u", Account: "douyin/main", Size: size, Title: title, Description: "about it", Tags: []string{"go"}}
}

// upload brings a video as far as an asset.
func (st *stage) upload(t testing.TB, size int64, title string) (upload.Video, upload.Session, upload.Asset) {
	t.Helper()
	v, c := testVideo(size, title), st.target()
	plan, err := upload.NewPlan(size, adapter.Limits(st.cfg), upload.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Init(t.Context(), v, plan)
	if err != nil {
		t.Fatal(err)
	}
	var rs []upload.Receipt
	for n := 1; n <= plan.Parts; n++ {
		x := plan.Part(n)
		r, err := c.UploadPart(t.Context(), s, target.Part{Part: x, Parts: plan.Parts, Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(strings.Repeat("v", int(x.Size)))), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	a, err := c.Complete(t.Context(), s, rs)
	if err != nil {
		t.Fatal(err)
	}
	return v, s, a
}

func TestTheTwoTablesOfCodesAgree(t *testing.T) {
	ours := map[int64]adapter.Code{}
	for _, c := range adapter.Codes() {
		ours[c.Code] = c
	}
	for _, c := range douyin.Codes() {
		o, ok := ours[int64(c.Code)]
		if !ok || len(c.Classes) == 0 || string(o.Class) != string(c.Classes[0]) {
			t.Errorf("%d: the fake says %v, the adapter %q", c.Code, c.Classes, o.Class)
		}
		delete(ours, int64(c.Code))
	}
	for n := range ours {
		t.Errorf("%d: the fake does not know it", n)
	}
}

// Each code of the table, from the fake's mouth, at create: a refusal makes no post and the asset is kept only if a
// second create with it works.
func TestEachCodeAtCreateMeansWhatTheTableSays(t *testing.T) {
	st := newStage(t, douyin.Options{})
	for _, c := range adapter.Codes() {
		v, s, a := st.upload(t, 6000, "T")
		before := len(st.Effects().Posts)
		st.inject(t, fake.Fault{Op: "create", Code: int(c.Code)})
		_, err := st.target().Publish(t.Context(), v, s, a)
		f := fault.As(err)
		if f == nil || f.LogID == "" || len(st.Effects().Posts) != before {
			t.Errorf("%d: %v", c.Code, err)
			continue
		}
		if f.AssetKept {
			if _, err := st.target().Publish(t.Context(), v, s, a); err != nil {
				t.Errorf("%d: the asset is said to be kept: %v", c.Code, err)
			}
		}
	}
}

func TestAnExpiredTokenIsRefreshedAndThePartsAreKept(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			st := newStage(t, douyin.Options{Generation: m.gen, Auth: m.auth})
			v, s, a := st.upload(t, 6000, "T")
			if err := st.ExpireAccess("alice"); err != nil {
				t.Fatal(err)
			}
			_, err := st.target().Publish(t.Context(), v, s, a)
			if fault.KindOf(err) != fault.TokenExpired || fault.EffectOf(err) != fault.EffectNone || !fault.As(err).AssetKept {
				t.Fatalf("got %v", err)
			}
			fresh, err := st.refresher().Refresh(t.Context(), token.AppKey{ID: douyin.DefaultKey, Secret: douyin.DefaultSecret}, *st.tok.Load())
			if err != nil {
				t.Fatal(err)
			}
			st.tok.Store(&fresh)
			if _, err := st.target().Publish(t.Context(), v, s, a); err != nil || len(st.Effects().Posts) != 1 {
				t.Errorf("%v, %d posts", err, len(st.Effects().Posts))
			}
		})
	}
}

func TestTokensAreRenewedFiveTimes(t *testing.T) {
	st := newStage(t, douyin.Options{})
	app := token.AppKey{ID: douyin.DefaultKey}
	tok := *st.tok.Load()
	for n := 1; n <= adapter.MaxRenewals; n++ {
		next, err := st.refresher().Renew(t.Context(), app, tok)
		if err != nil || next.Renewals != n || next.Refresh == "" || next.Refresh == tok.Refresh || !next.RefreshBy.After(st.now()) {
			t.Fatalf("renewal %d: %v, %v", n, next, err)
		}
		tok = next
	}
	if _, err := st.refresher().Renew(t.Context(), app, tok); fault.KindOf(err) != fault.CredentialsExpired || fault.As(err).Code != "10020" {
		t.Errorf("the sixth: %v", err)
	}
	fresh, err := st.refresher().Refresh(t.Context(), app, tok)
	if err != nil || fresh.Access == "" || !fresh.Expires.After(st.now()) || fresh.Subject != "alice" {
		t.Errorf("the last refresh token does not work: %v, %v", fresh, err)
	}
	if err := st.ExpireRefresh("alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := st.refresher().Refresh(t.Context(), app, tok); fault.KindOf(err) != fault.CredentialsExpired || fault.As(err).Code != "10010" {
		t.Errorf("a dead refresh token: %v", err)
	}
	if _, err := st.refresher().Refresh(t.Context(), token.AppKey{ID: "nobody"}, tok); fault.KindOf(err) != fault.Permanent {
		t.Errorf("an unknown app: %v", err)
	}
}

func TestALostPostIsFoundWhenTheListShowsIt(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			st := newStage(t, douyin.Options{Generation: m.gen, Auth: m.auth, ListLag: time.Minute})
			for range 25 { // other works, by hand, on several pages; some are pinned
				id, err := st.PostByHand("alice", "something else")
				if err != nil {
					t.Fatal(err)
				}
				if err := st.Pin(id); err != nil {
					t.Fatal(err)
				}
			}
			at := target.Attempt{At: st.now(), SendBy: st.now().Add(time.Minute)}
			at.Video, at.Session, at.Asset = st.upload(t, 6000, "Lost & <found>")
			st.inject(t, fake.Fault{Op: "create", Cut: fake.CutAfter})
			_, err := st.target().Publish(t.Context(), at.Video, at.Session, at.Asset)
			if fault.KindOf(err) != fault.Unknown || fault.EffectOf(err) != fault.EffectUnknown {
				t.Fatalf("got %v", err)
			}
			f, err := st.target().Inspect(t.Context(), at)
			if err != nil || len(f.Posts) != 0 || f.Denied {
				t.Errorf("before the list shows it: %+v, %v", f, err)
			}
			st.ahead.Add(int64(2 * time.Minute))
			if f, err = st.target().Inspect(t.Context(), at); err != nil || len(f.Posts) != 1 || f.Posts[0].ID != st.Effects().Posts[0].ID {
				t.Errorf("after it does: %+v, %v", f, err)
			}
		})
	}
}

func TestAUsedVideoIDIsSpent(t *testing.T) {
	st := newStage(t, douyin.Options{})
	v, s, a := st.upload(t, 6000, "T")
	if _, err := st.target().Publish(t.Context(), v, s, a); err != nil {
		t.Fatal(err)
	}
	if _, err := st.target().Publish(t.Context(), v, s, a); !errors.Is(err, target.ErrAssetSpent) || len(st.Effects().Posts) != 1 {
		t.Errorf("%v, %d posts", err, len(st.Effects().Posts))
	}
}

func TestTheWrongModeIsAClearPermanentFault(t *testing.T) {
	for _, m := range modes {
		for _, c := range modes {
			if m == c {
				continue
			}
			st := newStage(t, douyin.Options{Generation: m.gen, Auth: m.auth})
			st.cfg.Generation, st.cfg.Auth = adapter.Generation(c.gen), adapter.Auth(c.auth)
			plan, err := upload.NewPlan(6000, adapter.Limits(st.cfg), upload.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = st.target().Init(t.Context(), testVideo(6000, "T"), plan)
			if f := fault.As(err); f == nil || f.Kind == fault.Retryable || f.Kind == fault.Unknown {
				t.Errorf("%s spoken to a %s app: %v", c.name, m.name, err)
			}
		}
	}
}

func TestAStalledPartIsCut(t *testing.T) {
	st := newStage(t, douyin.Options{})
	v := testVideo(6000, "T")
	plan, err := upload.NewPlan(6000, adapter.Limits(st.cfg), upload.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := st.target().Init(t.Context(), v, plan)
	if err != nil {
		t.Fatal(err)
	}
	st.client = transport.New(transport.Options{AllowLoopback: true, Stall: 50 * time.Millisecond})
	_, err = st.target().UploadPart(t.Context(), s, target.Part{Part: plan.Part(1), Parts: 2, Open: func(ctx context.Context) (io.ReadCloser, error) {
		return io.NopCloser(tripReader(func([]byte) (int, error) { <-ctx.Done(); return 0, ctx.Err() })), nil
	}})
	if !errors.Is(err, transport.ErrStalled) || fault.KindOf(err) != fault.Retryable {
		t.Errorf("got %v", err)
	}
}

type tripReader func([]byte) (int, error)

func (f tripReader) Read(p []byte) (int, error) { return f(p) }

func BenchmarkUploadPart(b *testing.B) {
	targettest.RunBenchmarks(b, func(t testing.TB) targettest.Harness { return newStage(t, douyin.Options{}).harness() })
}

// mustSession is a session of one request.
func mustSession(t testing.TB) upload.Session {
	t.Helper()
	return upload.Session{ID: "one-request", Private: []byte(`{"parts":1,"size":1}`)}
}

func assetOf(id string) upload.Asset { return upload.Asset{ID: id} }
