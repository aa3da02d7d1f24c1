package stack_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/bucket"
	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/local/lambda"
	"github.com/vodlift/vodlift/local/scheduler"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/local/stepfn"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source/memsource"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/wire"
	"github.com/vodlift/vodlift/shared/workflow"
)

const kib = 1 << 10

// world is everything that outlives a process (table, bucket, platform, what was told outside), and the process that
// works on it at the moment. It lives in a synctest bubble: the deployed waits and time-outs are real, their time is not.
type world struct {
	t    *testing.T
	o    worldOptions
	db   *sqlite.DB
	src  *memsource.Source
	mem  *memtarget.Platform
	fake *fakedouyin.Server
	pipe *pipes
	out  *outside
	seal token.Cipher
	see  *state.Ledger // reads past every gate
	keys []string      // objects that were dropped

	wrap func(table.Table) table.Table

	g *gate
	m *stack.Machine
}

// worldOptions are what a world is made of.
type worldOptions struct {
	Mem      memtarget.Options
	Douyin   bool // the adapter against the fake, in place of memtarget
	FakeOpts func(*fakedouyin.Options)
	Accounts []upload.Account // default mem/a, or douyin/main
	Sidecar  manifest.Sidecar // default never
	Routes   manifest.Routes  // in place of Accounts and Sidecar
	Ledger   state.Settings
	Steps    func(*workflow.Settings)
	Lambda   lambda.Options
	Rule     *rule // strikes the first process
	Log      io.Writer
	History  bool
}

// small are limits under which a video of a few KiB travels in several parts and ranges.
func small() upload.Limits {
	return upload.Limits{MaxSize: 1 << 30, OneRequest: 4 * kib, MinPart: 4 * kib, MinLastPart: 1, WantPart: 4 * kib, MaxPart: 1 << 20, MaxParts: 1000, InFlight: 2}
}

// film makes bytes that pass for a video, different for each seed.
func film(seed uint64, size int) []byte {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := 0; i+8 <= size; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	copy(b, []byte{0, 0, 0, 16, 'f', 't', 'y', 'p', 'i', 's', 'o', 'm', 0, 0, 2, 0})
	binary.BigEndian.PutUint32(b[16:], uint32(size-16))
	copy(b[20:], "mdat")
	return b
}

func newWorld(t *testing.T, o worldOptions) *world {
	t.Helper()
	if len(o.Accounts) == 0 {
		o.Accounts = []upload.Account{"mem/a"}
		if o.Douyin {
			o.Accounts = []upload.Account{stack.DemoAccount}
		}
	}
	if o.Sidecar == "" {
		o.Sidecar = manifest.SidecarNever
	}
	if o.Routes == nil {
		o.Routes = manifest.Routes{{Bucket: stack.Inbox, Accounts: o.Accounts, Sidecar: o.Sidecar}}
	}
	if o.Mem.Limits == (upload.Limits{}) {
		o.Mem.Limits = small()
	}
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.FileKey(filepath.Join(t.TempDir(), "key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, o: o, db: db, src: memsource.New(), mem: memtarget.New(&o.Mem), out: &outside{rows: map[table.Key]bool{}, gone: map[table.Key]bool{}}, seal: token.NewSealer(keys, nil)}
	w.see = state.New(db, w.seal, time.Now, randomness{}, o.Ledger)
	if o.Douyin {
		w.platform()
	}
	w.begin(o.Rule)
	return w
}

// randomness is for ids that only tests see.
type randomness struct{}

func (randomness) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	return len(p), nil
}

// platform starts the fake behind connections in memory.
func (w *world) platform() {
	fo := fakedouyin.Options{Limits: fakedouyin.Limits{SingleUpload: 4 * kib, PartMin: 4 * kib}, ControlKey: "control-key-of-this-test"}
	if w.o.FakeOpts != nil {
		w.o.FakeOpts(&fo)
	}
	var err error
	if w.fake, err = fakedouyin.New(fo); err != nil {
		w.t.Fatal(err)
	}
	w.pipe = servePipes(w.fake)
	g, err := w.fake.AddAccount("demo-open-id", fakedouyin.AllScopes())
	if err != nil {
		w.t.Fatal(err)
	}
	v := token.NewVault(w.db, w.seal, time.Now)
	ctx := w.t.Context()
	if err := v.PutApp(ctx, "douyin", token.AppKey{ID: fakedouyin.DefaultKey, Secret: fakedouyin.DefaultSecret}); err != nil {
		w.t.Fatal(err)
	}
	w.login(v, stack.DemoAccount, g)
}

// login saves a grant as the account's credential.
func (w *world) login(v *token.Vault, a upload.Account, g fakedouyin.Grant) {
	w.t.Helper()
	_, err := v.SaveLogin(w.t.Context(), a, token.Token{
		Subject: g.OpenID, Access: g.AccessToken, Refresh: g.RefreshToken, Expires: g.AccessExpires,
		RefreshBy: g.RefreshExpires, Obtained: time.Now(), Scopes: g.Scopes,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// begin starts a process on the world.
func (w *world) begin(r *rule) {
	w.t.Helper()
	w.g = newGate(r)
	w.mem.Hook(w.g.hook)
	log := w.o.Log
	if log == nil {
		log = io.Discard
	}
	set := workflow.Settings{
		Plan: upload.Settings{MinRange: 8 * kib}, Inbox: stack.Inbox, SettleRest: time.Minute,
		SettleLag: map[string]time.Duration{"mem": time.Minute, "douyin": time.Minute},
	}
	if w.o.Steps != nil {
		w.o.Steps(&set)
	}
	e := wire.Engines{
		Table: w.table(), Cipher: w.seal, Source: gatedSource{w.src, w.g}, Outside: gatedOutside{w.out, w.g},
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), Routes: w.o.Routes, Ledger: w.o.Ledger, Steps: set,
		Targets: map[string]target.Opener{"mem": w.mem.Opener()}, HTTP: &http.Client{},
	}
	if w.fake != nil {
		e.HTTP = &http.Client{Transport: gatedWire{w.pipe.client, w.g}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		e.Douyin = douyin.Config{BaseURL: "http://fake.test", OneRequest: 4 * kib, MinPart: 4 * kib, WantPart: 4 * kib, InFlight: 2}
	}
	m, err := stack.NewMachine(stack.MachineOptions{Engines: e, Inbox: stack.Inbox, Lambda: w.o.Lambda, Steps: stepfn.Options{KeepHistory: w.o.History}})
	if err != nil {
		w.t.Fatal(err)
	}
	gm := gatedMachine{m, m, w.g}
	m.Workflow.Starter, m.Workflow.Waker = gm, gm
	w.m = m
}

// table is the process's door to the database.
func (w *world) table() table.Table {
	var t table.Table = gatedTable{w.db, w.g, w.out}
	if w.wrap != nil {
		t = w.wrap(t)
	}
	return t
}

// around puts another table before the database, and starts the process anew with it.
func (w *world) around(wrap func(table.Table) table.Table) {
	w.t.Helper()
	w.wrap = wrap
	w.crash()
	w.begin(nil)
}

// crash is kill -9: from now on nothing that the process does has an effect.
func (w *world) crash() {
	w.g.kill()
	w.end()
}

// end waits for the goroutines of a process that is dead or done.
func (w *world) end() {
	w.t.Helper()
	if err := w.m.Close(context.Background()); err != nil {
		w.t.Errorf("closing: %v", err)
	}
}

// restart is the next process: it takes up what was unfinished, and looks at the bucket again.
func (w *world) restart() {
	w.t.Helper()
	w.crash()
	w.begin(nil)
	if _, err := w.m.Recover(w.t.Context()); err != nil {
		w.t.Fatalf("recover: %v", err)
	}
	for _, k := range w.keys {
		w.event(k)
	}
}

// close ends the world.
func (w *world) close() {
	w.end()
	if w.pipe != nil {
		w.pipe.close()
		if err := w.fake.Close(); err != nil {
			w.t.Error(err)
		}
	}
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
}

// drop puts an object into the bucket, and its event onto the bus.
func (w *world) drop(key string, body []byte) {
	w.t.Helper()
	w.src.Put(stack.Inbox, key, body, nil)
	w.keys = append(w.keys, key)
	w.event(key)
}

// event tells the bus of an object.
func (w *world) event(key string) {
	w.t.Helper()
	d := bucket.Detail{Version: "0", Bucket: bucket.Bucket{Name: stack.Inbox}, Object: bucket.Object{Key: key}, Reason: bucket.ReasonPut}
	b, err := json.Marshal(d)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.m.Bus.Put(w.t.Context(), scheduler.Event{Source: "aws.s3", DetailType: "Object Created", Detail: b}); err != nil {
		w.t.Fatal(err)
	}
}

// sweep is one run of the due sweep, through the function.
func (w *world) sweep() {
	_, _ = w.m.Functions.Invoke(w.t.Context(), "reconcile", []byte(`{"v":1,"job":"due"}`)) // its failure is made up for by the next
}

// drive lets virtual time pass, with a sweep a minute and a new process after a crash, until cond or the limit.
func (w *world) drive(limit time.Duration, cond func() bool) bool {
	w.t.Helper()
	for end := time.Now().Add(limit); ; {
		synctest.Wait()
		switch {
		case w.g.isDead():
			w.restart()
			continue
		case cond():
			return true
		case !time.Now().Before(end):
			return false
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.sweep()
	}
}

// uploads reads every upload that the dropped objects became.
func (w *world) uploads() []state.Upload {
	w.t.Helper()
	var out []state.Upload
	for _, k := range w.keys {
		id, err := w.see.ByObject(w.t.Context(), stack.Inbox, k)
		if err != nil {
			w.t.Fatal(err)
		}
		if id == "" {
			continue
		}
		p, err := w.see.Publication(w.t.Context(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		us, err := w.see.Uploads(w.t.Context(), p.Uploads)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, us...)
	}
	return out
}

// upload is the only upload of key.
func (w *world) upload(key string) state.Upload {
	w.t.Helper()
	id, err := w.see.ByObject(w.t.Context(), stack.Inbox, key)
	if err != nil || id == "" {
		w.t.Fatalf("no publication of %s: %v", key, err)
	}
	p, err := w.see.Publication(w.t.Context(), id)
	if err != nil || len(p.Uploads) != 1 {
		w.t.Fatalf("publication of %s: %+v, %v", key, p, err)
	}
	u, err := w.see.Upload(w.t.Context(), p.Uploads[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// settled says that every object has become uploads that have ended, and that nothing is left to tell outside.
func (w *world) settled() bool {
	us := w.uploads()
	if len(us) < len(w.keys) {
		return false
	}
	for _, u := range us {
		if !u.Status.Terminal() || !u.Settled {
			return false
		}
	}
	return w.out.empty()
}

func (w *world) queue(q state.Queue) []string {
	w.t.Helper()
	ids, err := w.see.DueIDs(w.t.Context(), q, time.Now().AddDate(10, 0, 0), 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// tidy says what is not as it has to be once everything has ended: pools, parks, DUE rows.
func (w *world) tidy() (wrong []string) {
	w.t.Helper()
	free, whole, err := w.see.Pools(w.t.Context())
	if err != nil || free != whole {
		wrong = append(wrong, fmt.Sprintf("the global pool has %d of %d ranges free (%v)", free, whole, err))
	}
	for _, a := range w.m.Accounts() {
		set := w.see.Settings()
		if free, err := w.see.AccountPool(w.t.Context(), a); err != nil || free != set.PoolAccount {
			wrong = append(wrong, fmt.Sprintf("the pool of %s has %d of %d ranges free (%v)", a, free, set.PoolAccount, err))
		}
	}
	for _, q := range []state.Queue{state.ParkQueue, state.UploadQueue} {
		if ids := w.queue(q); len(ids) > 0 {
			wrong = append(wrong, fmt.Sprintf("%d rows are left in DUE %s", len(ids), q))
		}
	}
	if ids, err := w.see.SlotWaiters(w.t.Context(), 10); err != nil || len(ids) > 0 {
		wrong = append(wrong, fmt.Sprintf("%d rows are left in the slot queue (%v)", len(ids), err))
	}
	for _, u := range w.uploads() {
		if _, ok, err := w.see.Park(w.t.Context(), u.ID); ok || err != nil {
			wrong = append(wrong, fmt.Sprintf("upload %s has a park (%v)", u.ID, err))
		}
	}
	if n := len(w.m.Steps.List(stepfn.Running)); n > 0 {
		wrong = append(wrong, fmt.Sprintf("%d executions still run", n))
	}
	return wrong
}

// timeline is for messages of failed tests.
func (w *world) timeline(id string) string {
	es, err := w.see.Timeline(context.Background(), id, 0)
	if err != nil {
		return err.Error()
	}
	var b bytes.Buffer
	for _, e := range es {
		fmt.Fprintf(&b, "\n  %s gen %d %s: %s", e.At.Format("15:04:05"), e.Gen, e.Step, e.Text)
	}
	return b.String()
}

// pipes serves a handler over connections in memory, through net/http's own server and client, so that a bubble's clock
// runs while somebody waits for an answer.
type pipes struct {
	client *http.Transport
	server *http.Server
	conns  chan net.Conn
	done   chan struct{}
	once   sync.Once
}

func servePipes(h http.Handler) *pipes {
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{}), server: &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}}
	p.client = &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		here, there := net.Pipe()
		select {
		case p.conns <- there:
			return here, nil
		case <-p.done:
		case <-ctx.Done():
		}
		here.Close()
		there.Close()
		return nil, net.ErrClosed
	}}
	go p.server.Serve(p)
	return p
}

// Accept is net.Listener's.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close is net.Listener's.
func (p *pipes) Close() error { p.once.Do(func() { close(p.done) }); return nil }

// Addr is net.Listener's.
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

func (p *pipes) close() {
	p.server.Close()
	p.client.CloseIdleConnections()
}

// lockedBuffer takes a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Bytes gives what was logged so far.
func (l *lockedBuffer) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}
