package stack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	fakeoss "github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	fakeyouku "github.com/vodlift/vodlift/local/fake/youku"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/local/stepfn"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/memsource"
	"github.com/vodlift/vodlift/shared/source/ossource"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/target/youku"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/wire"
	"github.com/vodlift/vodlift/shared/workflow"
)

// ykWorld is a world with Youku and the storage behind it, and with Douyin where a test wants both. Platform and storage
// are told apart by the host of a request.
type ykWorld struct {
	*world
	o    ykOptions
	yk   *fakeyouku.Server
	oss  *fakeoss.Server
	keys *ram.Store
	pipe *pipes // to all three fakes
	lie  atomic.Int64
}

// ykOptions are what a ykWorld is made of.
type ykOptions struct {
	Accounts []upload.Account // default youku/main
	Sidecar  manifest.Sidecar // default never
	Youku    func(*fakeyouku.Options)
	Config   func(*youku.Config)
	Steps    func(*workflow.Settings)
	Source   func(source.Source) source.Source // around the bucket
	FromOSS  bool                              // the videos live in the fake OSS
	Table    string                            // file of the database; default memory
	Log      io.Writer
	History  bool
	Rule     *rule
}

const (
	ykBucket = "yk-source-upload"
	ykHost   = "http://fake.youku.test"
	ossHost  = "http://127.0.0.1:9000" // an address, so that requests are in path style
	dyHost   = "http://fake.test"
)

// ykBubble runs a test in a world of its own.
func ykBubble(t *testing.T, o ykOptions, fn func(t *testing.T, y *ykWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		y := newYkWorld(t, o)
		defer y.close()
		fn(t, y)
	})
}

func newYkWorld(t *testing.T, o ykOptions) *ykWorld {
	t.Helper()
	if len(o.Accounts) == 0 {
		o.Accounts = []upload.Account{stack.DemoYouku}
	}
	if o.Sidecar == "" {
		o.Sidecar = manifest.SidecarNever
	}
	db, err := sqlite.OpenMemory(nil)
	if o.Table != "" {
		db, err = sqlite.Open(o.Table, nil)
	}
	y := &ykWorld{o: o, world: &world{
		t: t, db: db, src: memsource.New(), mem: memtarget.New(nil), out: &outside{rows: map[table.Key]bool{}, gone: map[table.Key]bool{}},
		o: worldOptions{Log: o.Log, History: o.History, Accounts: o.Accounts},
	}}
	y.check(err)
	key, err := token.FileKey(filepath.Join(t.TempDir(), "key"), nil)
	y.check(err)
	y.seal = token.NewSealer(key, nil)
	y.see = state.New(db, y.seal, time.Now, randomness{}, state.Settings{})
	y.platforms()
	y.begin(o.Rule)
	return y
}

func (y *ykWorld) check(err error) {
	y.t.Helper()
	if err != nil {
		y.t.Fatal(err)
	}
}

// platforms starts the fakes and logs the accounts in.
func (y *ykWorld) platforms() {
	var err error
	y.keys, err = ram.NewStore(ram.StoreOptions{})
	y.check(err)
	y.oss, err = fakeoss.New(fakeoss.Options{
		Credentials: y.keys, Buckets: []fakeoss.Bucket{{Name: ykBucket}, {Name: stack.Inbox}}, Limits: fakeoss.Limits{PartMin: 4 * kib},
		ControlKey: "control-key-of-this-test", Ring: 4000,
	})
	y.check(err)
	yo := fakeyouku.Options{Storage: y, Bucket: ykBucket, BannedWord: "banned", ControlKey: "control-key-of-this-test",
		Pace: fakeyouku.Pace{Encoding: time.Second, Review: time.Second}}
	if y.o.Youku != nil {
		y.o.Youku(&yo)
	}
	y.yk, err = fakeyouku.New(yo)
	y.check(err)
	y.fake, err = fakedouyin.New(fakedouyin.Options{Limits: fakedouyin.Limits{SingleUpload: 4 * kib, PartMin: 4 * kib}, ControlKey: "control-key-of-this-test"})
	y.check(err)
	y.pipe = servePipes(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch "http://" + r.Host {
		case ykHost:
			y.yk.ServeHTTP(w, r)
		case ossHost:
			y.oss.ServeHTTP(w, r)
		case dyHost:
			y.fake.ServeHTTP(w, r)
		default:
			http.Error(w, "no such host", http.StatusMisdirectedRequest)
		}
	}))
	v := token.NewVault(y.db, y.seal, time.Now)
	d, err := y.fake.AddAccount("demo-open-id", fakedouyin.AllScopes())
	y.check(err)
	y.check(v.PutApp(y.t.Context(), "douyin", token.AppKey{ID: fakedouyin.DefaultKey, Secret: fakedouyin.DefaultSecret}))
	y.login(v, stack.DemoAccount, d)
	g, err := y.yk.AddAccount("demo")
	y.check(err)
	y.check(v.PutApp(y.t.Context(), "youku", token.AppKey{ID: g.ClientID, Secret: fakeyouku.DefaultSecret}))
	y.ykLogin(v, g)
}

// ykLogin saves a grant of Youku as the account's credential.
func (y *ykWorld) ykLogin(v *token.Vault, g fakeyouku.Grant) {
	y.t.Helper()
	_, err := v.SaveLogin(y.t.Context(), stack.DemoYouku, token.Token{Subject: g.Account, Access: g.AccessToken, Refresh: g.RefreshToken,
		Expires: g.AccessExpires, RefreshBy: g.RefreshExpires, Obtained: time.Now()})
	y.check(err)
}

// Issue gives Youku a credential of the storage, for one object.
func (y *ykWorld) Issue(bucket, object string, life time.Duration) (fakeyouku.Credentials, error) {
	c, err := y.keys.Issue("youku", life, ram.ObjectPolicy(bucket, object, ram.UploadActions()...))
	return fakeyouku.Credentials{AccessKeyID: c.AccessKeyID, AccessKeySecret: c.Secret, SecurityToken: c.Token, Expires: c.Expires}, err
}

// Stat tells Youku what the storage holds; the next lie looks are of an object that is too short.
func (y *ykWorld) Stat(bucket, object string) (fakeyouku.Object, bool) {
	i, ok := y.oss.Stat(bucket, object)
	if y.lie.Add(-1) >= 0 {
		i.Size, i.MD5 = i.Size-1, "0123456789abcdef0123456789abcdef"
	}
	return fakeyouku.Object{Size: i.Size, MD5: i.MD5, SHA256: i.SHA256}, ok
}

// begin starts a process on the world.
func (y *ykWorld) begin(r *rule) {
	y.t.Helper()
	y.g = newGate(r)
	log := y.o.Log
	if log == nil {
		log = io.Discard
	}
	lag := map[string]time.Duration{"youku": 15 * time.Minute, "douyin": time.Minute} // Youku's over youku.Config.DenyAfter
	set := workflow.Settings{Plan: upload.Settings{MinRange: 8 * kib}, Inbox: stack.Inbox, SettleRest: time.Minute, SettleLag: lag}
	if y.o.Steps != nil {
		y.o.Steps(&set)
	}
	cfg := youku.Config{BaseURL: ykHost, OSSEndpoint: ossHost, OneRequest: 4 * kib, MinPart: 4 * kib, WantPart: 4 * kib, InFlight: 2}
	if y.o.Config != nil {
		y.o.Config(&cfg)
	}
	e := wire.Engines{
		Table: gatedTable{y.db, y.g, y.out}, Cipher: y.seal, Source: y.bucket(), Outside: gatedOutside{y.out, y.g},
		Log:    slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Routes: manifest.Routes{{Bucket: stack.Inbox, Accounts: y.o.Accounts, Sidecar: y.o.Sidecar, Defaults: manifest.Manifest{Tags: []string{"go", "视频"}}}},
		Steps:  set, Youku: cfg,
		Douyin: douyin.Config{BaseURL: dyHost, OneRequest: 4 * kib, MinPart: 4 * kib, WantPart: 4 * kib, InFlight: 2},
		HTTP:   &http.Client{Transport: ykWire{y.pipe.client, y.g}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	m, err := stack.NewMachine(stack.MachineOptions{Engines: e, Inbox: stack.Inbox, Steps: stepfn.Options{KeepHistory: y.o.History}})
	y.check(err)
	gm := gatedMachine{m, m, y.g}
	m.Workflow.Starter, m.Workflow.Waker = gm, gm
	y.m = m
}

// bucket is where the machine reads from.
func (y *ykWorld) bucket() source.Source {
	var s source.Source = y.src
	if y.o.FromOSS {
		s = ossource.New(y.studio())
	}
	if y.o.Source != nil {
		s = y.o.Source(s)
	}
	return gatedSource{s, y.g}
}

// studio is the client of those whose bucket it is.
func (y *ykWorld) studio() *oss.Client {
	y.t.Helper()
	key, ok := y.keys.Lookup("LTAIstudio")
	if !ok {
		var err error
		key, err = y.keys.AddKey("studio", "LTAIstudio", "studio-secret")
		y.check(err)
	}
	c, err := oss.New(oss.Config{Endpoint: ossHost, Region: "cn-shanghai", Bucket: stack.Inbox}, oss.Fixed(oss.Credential{ID: key.AccessKeyID, Secret: key.Secret}),
		&http.Client{Transport: y.pipe.client}, nil)
	y.check(err)
	return c
}

// restart is the next process.
func (y *ykWorld) restart() {
	y.t.Helper()
	y.crash()
	y.begin(nil)
	if _, err := y.m.Recover(y.t.Context()); err != nil {
		y.t.Fatalf("recover: %v", err)
	}
	for _, k := range y.world.keys {
		y.event(k)
	}
}

// drive is the world's, with this world's restart.
func (y *ykWorld) drive(limit time.Duration, cond func() bool) bool {
	y.t.Helper()
	for end := time.Now().Add(limit); ; {
		synctest.Wait()
		switch {
		case y.g.isDead():
			y.restart()
			continue
		case cond():
			return true
		case !time.Now().Before(end):
			return false
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		y.sweep()
	}
}

func (y *ykWorld) close() {
	y.end()
	y.pipe.close()
	for _, err := range []error{y.yk.Close(), y.oss.Close(), y.fake.Close(), y.db.Close()} {
		if err != nil {
			y.t.Error(err)
		}
	}
}

// of is the upload of key to an account.
func (y *ykWorld) of(key string, a upload.Account) state.Upload {
	y.t.Helper()
	for _, u := range y.uploads() {
		if u.Account == a && u.Source.Key == key {
			return u
		}
	}
	y.t.Fatalf("%s has no upload to %s", key, a)
	return state.Upload{}
}

// ended waits until everything has ended and is tidy, and gives the upload of key to Youku, which must have ended so.
func (y *ykWorld) ended(key string, want upload.Status) state.Upload {
	y.t.Helper()
	if !y.drive(24*time.Hour, y.settled) {
		y.t.Error("it does not end")
	}
	y.drive(3*time.Hour, func() bool { return len(y.tidy()) == 0 })
	u := y.of(key, y.o.Accounts[len(y.o.Accounts)-1])
	if u.Status != want {
		y.t.Fatalf("got %s, want %s: %+v%s", u.String(), want, u.Fault, y.timeline(u.ID))
	}
	for _, wrong := range y.tidy() {
		y.t.Error(wrong)
	}
	return u
}

// inject arms a fault of Youku, or of the storage for its operations.
func (y *ykWorld) inject(fs ...fake.Fault) {
	y.t.Helper()
	for _, f := range fs {
		to := y.yk.Inject
		switch f.Op {
		case "initiate", "upload_part", "complete", "list_parts", "abort", "put_object":
			to = y.oss.Inject
		}
		y.check(to(f))
	}
}

// asked counts the requests of an operation of Youku.
func (y *ykWorld) asked(op string) int { return int(y.yk.Counters()[op].Requests) }

// took counts how often the storage took each part: by object, upload and part number.
func (y *ykWorld) took() map[string]int {
	n := map[string]int{}
	for _, r := range y.oss.Requests(0) {
		if r.Op == "upload_part" && r.Status == http.StatusOK {
			n[r.Path+"?"+r.Query]++
		}
	}
	return n
}

// sentOnce checks that the storage took parts parts, in one multipart upload, each once.
func (y *ykWorld) sentOnce(parts int) {
	y.t.Helper()
	took := y.took()
	for part, n := range took {
		if n != 1 {
			y.t.Errorf("%s was sent %d times", part, n)
		}
	}
	if len(took) != parts {
		y.t.Errorf("%d parts were taken, want %d", len(took), parts)
	}
}

// once checks that Youku has one video, public, with these bytes, and that u is it.
func (y *ykWorld) once(u state.Upload, body []byte) {
	y.t.Helper()
	posts := y.yk.Effects().Posts
	if len(posts) != 1 || u.Post == nil || posts[0].ID != u.Post.ID {
		y.t.Fatalf("Youku has %+v, the upload says %+v%s", posts, u.Post, y.timeline(u.ID))
	}
	y.holds(posts[0].ID, body)
	if n := y.out.distinct("upload.published"); n != len(y.o.Accounts) {
		y.t.Errorf("%d events upload.published", n)
	}
}

// holds compares the bytes in the storage with those of the file.
func (y *ykWorld) holds(video string, body []byte) {
	y.t.Helper()
	for _, v := range y.yk.Videos() {
		if v.ID != video {
			continue
		}
		r, err := y.oss.OpenObject(v.Bucket, v.Object)
		y.check(err)
		defer r.Close()
		b, err := io.ReadAll(r)
		y.check(err)
		if !bytes.Equal(b, body) {
			y.t.Errorf("the storage has %d other bytes than the file's %d", len(b), len(body))
		}
		return
	}
	y.t.Errorf("Youku knows no video %s", video)
}

// ykWire is a RoundTripper behind a gate. A request to the storage is named by what it does, since its keys are random.
type ykWire struct {
	next http.RoundTripper
	g    *gate
}

func (w ykWire) RoundTrip(r *http.Request) (*http.Response, error) {
	what := r.Method + " " + r.URL.Path
	if "http://"+r.URL.Host == ossHost {
		q := r.URL.Query()
		what = r.Method + " object"
		for _, word := range []string{"uploads", "partNumber", "uploadId"} {
			if q.Has(word) {
				what = r.Method + " " + word
				break
			}
		}
	}
	fail := func(text string, nothing bool) (*http.Response, error) {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, wireError{text, nothing}
	}
	m, err := w.g.enter(function(r.Context()) + " wire " + what)
	switch {
	case err != nil:
		return fail(err.Error(), false)
	case m == refused:
		return fail("made to fail: nothing was written", true)
	case m == lostBefore:
		return fail("made to fail: the request was lost", false)
	}
	ans, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(ans.Body)
	ans.Body.Close()
	if err != nil {
		return nil, err
	}
	ans.Body = io.NopCloser(bytes.NewReader(body))
	if err := w.g.leave(m); err != nil {
		return nil, wireError{err.Error(), false}
	}
	if m == lostAfter {
		return nil, wireError{"made to fail: the answer was lost", false}
	}
	return ans, nil
}

// slow is a source that takes its time for the ranges of one function, and tells of each.
type slow struct {
	source.Source
	of    string // the function that is slowed
	size  int64  // only ranges of this size; 0: all
	each  time.Duration
	heard func(offset, size int64)
	spoil func(offset int64, r io.ReadCloser) io.ReadCloser
}

// Open is source.Source's.
func (s slow) Open(ctx context.Context, o source.Object, offset, size int64) (io.ReadCloser, error) {
	if function(ctx) != s.of || s.size > 0 && size != s.size {
		return s.Source.Open(ctx, o, offset, size)
	}
	if s.heard != nil {
		s.heard(offset, size)
	}
	select {
	case <-time.After(s.each):
	case <-ctx.Done():
	}
	r, err := s.Source.Open(ctx, o, offset, size)
	if err == nil && s.spoil != nil {
		r = s.spoil(offset, r)
	}
	return r, err
}

// told are the words of a fault, for tests.
func told(u state.Upload) string {
	if u.Fault == nil {
		return ""
	}
	return fmt.Sprintf("%s %s %s %s", u.Fault.Kind, u.Fault.Code, u.Fault.Text, u.Fault.Action)
}

// titled is a sidecar.
func titled(fields map[string]any) string {
	b, err := json.Marshal(fields)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b))
}

// put stores a video in the studio's bucket of OSS, and tells the bus.
func (y *ykWorld) put(key string, body []byte) {
	y.t.Helper()
	_, err := y.studio().Put(y.t.Context(), key, "video/mp4", oss.Body{Size: int64(len(body)), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(body)), nil
	}}, nil)
	y.check(err)
	y.world.keys = append(y.world.keys, key)
	y.event(key)
}
