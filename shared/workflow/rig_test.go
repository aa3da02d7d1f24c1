package workflow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/retry"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/memsource"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

const (
	inbox   = "inbox"
	key     = "a/holiday.flv"
	main    = upload.Account("mem/main")
	second  = upload.Account("mem/second")
	aSecret = "TASK-TOKEN-" // starts every task token
)

// clock is the one that everything under test reads.
type clock struct {
	mu   sync.Mutex
	now  time.Time
	real bool // inside a bubble of synctest its own clock counts
}

func (c *clock) Now() time.Time {
	if c.real {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// cipher seals so that a test sees what was not sealed, and what was opened with other data.
type cipher struct{}

func (cipher) Seal(_ context.Context, plain, ad []byte) ([]byte, error) {
	return []byte(fmt.Sprintf("%x/%x", ad, plain)), nil
}

func (cipher) Open(_ context.Context, box, ad []byte) ([]byte, error) {
	head, hexed, _ := strings.Cut(string(box), "/")
	var plain []byte
	if _, err := fmt.Sscanf(hexed, "%x", &plain); err != nil || head != fmt.Sprintf("%x", ad) {
		return nil, errors.New("sealed for another record")
	}
	return plain, nil
}

// rig is a workflow over memory, and the machine of design 2 that walks it.
type rig struct {
	t      *testing.T
	clock  *clock
	db     *sqlite.DB
	ledger *state.Ledger
	src    *memsource.Source
	mem    *memtarget.Platform
	w      *workflow.Workflow
	log    *bytes.Buffer
	o      options

	version int64 // of the accounts' token
	opening func() error
	renews  []error // answers of the Renewer, in turn; none = it renews
	renewed int
	sent    []state.Outgoing
	sends   error

	execs    []*exec
	serial   int
	napMost  time.Duration // between sweeps while nothing happens
	hot      int           // states entered without any time passing
	stepErrs []error
	blind    bool     // looks see nothing
	keys     []string // of the bucket, as far as they were put
	starting error    // of Start
	wrap     func(target.Target) target.Target
	metrics  map[string]int
}

type options struct {
	mem    memtarget.Options
	set    workflow.Settings
	ledger state.Settings
	route  manifest.Route
	names  bool // the platform sends callbacks
}

// newRig has one route to mem/main, a platform of 100-byte parts that can be asked everything, and a clock of its own.
func newRig(t *testing.T, change func(*options)) *rig {
	t.Helper()
	r := &rig{t: t, clock: &clock{now: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)}, src: memsource.New(), log: &bytes.Buffer{}, version: 1, napMost: time.Hour, metrics: map[string]int{}}
	o := options{
		mem: memtarget.Options{Limits: upload.Limits{MaxSize: 5000, OneRequest: 100, MinPart: 100, MinLastPart: 1, MaxPart: 100, WantPart: 100, MaxParts: 50, InFlight: 2},
			Inspector: true, Checker: true, PartLister: true, Now: r.clock.Now},
		set:   workflow.Settings{Plan: upload.Settings{MinRange: 300}, Inbox: inbox},
		route: manifest.Route{Bucket: inbox, Prefix: "a/", Accounts: []upload.Account{main}, Sidecar: manifest.SidecarNever},
	}
	if change != nil {
		change(&o)
	}
	var err error
	if r.db, err = sqlite.OpenMemory(&sqlite.Options{Now: r.clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.db.Close() })
	r.src.Now = r.clock.Now
	r.mem = memtarget.New(&o.mem)
	r.ledger = state.New(r.db, cipher{}, r.clock.Now, counter(), o.ledger)
	r.o = o
	r.w = r.with(r.log)
	return r
}

// with is a workflow over the rig's ledger that logs to w.
func (r *rig) with(w io.Writer) *workflow.Workflow {
	return workflow.New(workflow.Parts{
		Ledger: r.ledger, Source: r.src, Targets: r, Renewer: r, Starter: r, Waker: r, Outside: r, Lister: r,
		Routes: manifest.Routes{r.o.route}, Now: r.clock.Now, Rand: counter(), Log: slog.New(slog.NewTextHandler(w, nil)), Set: r.o.set,
		Metric:    r.metric,
		PartRetry: retry.Policy{Sleep: func(_ context.Context, d time.Duration) error { r.clock.add(d); return nil }},
	})
}

// sessionID is what the platform calls its sessions: a handle that is never to be seen.
var sessionID = regexp.MustCompile(`session[0-9]`)

// counter is randomness that never repeats.
func counter() *counting { return &counting{} }

type counting struct {
	mu sync.Mutex
	n  uint64
}

func (c *counting) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range p {
		if i%8 == 0 {
			c.n++
		}
		p[i] = byte(c.n >> (8 * (i % 8)))
	}
	return len(p), nil
}

// OpenTarget gives the platform's client under the present token.
func (r *rig) OpenTarget(_ context.Context, a upload.Account) (target.Target, int64, error) {
	if r.opening != nil {
		if err := r.opening(); err != nil {
			return nil, r.version, err
		}
	}
	if r.o.names {
		return named{r.mem.Target(a), r.mem.Target(a).(target.Inspector), r.mem.Target(a).(target.Checker), r.blind}, r.version, nil
	}
	if r.wrap != nil {
		return r.wrap(r.mem.Target(a)), r.version, nil
	}
	return r.mem.Target(a), r.version, nil
}

// metric counts by name, and by name and dimensions.
func (r *rig) metric(_ context.Context, name, _ string, _ float64, dims ...string) {
	r.clock.mu.Lock()
	defer r.clock.mu.Unlock()
	r.metrics[name]++
	if len(dims) > 0 {
		r.metrics[name+" "+strings.Join(dims, "=")]++
	}
}

// named is a platform that sends callbacks about its sessions' videos.
type named struct {
	target.Target
	target.Inspector
	target.Checker
	blind bool
}

// Inspect implements target.Inspector.
func (n named) Inspect(ctx context.Context, a target.Attempt) (target.Finding, error) {
	if n.blind {
		return target.Finding{}, nil
	}
	return n.Inspector.Inspect(ctx, a)
}

// RemoteID implements target.Namer.
func (named) RemoteID(s upload.Session) string { return remoteID(s) }

func remoteID(s upload.Session) string { return "vid" + strings.TrimPrefix(s.ID, "session") }

func (r *rig) Limits(upload.Account) (upload.Limits, error) { return r.mem.Limits(), nil }

func (r *rig) RenewAccount(_ context.Context, _ upload.Account, refused int64) error {
	r.renewed++
	if len(r.renews) > 0 {
		err := r.renews[0]
		if r.renews = r.renews[1:]; err != nil {
			return err
		}
	}
	if r.version <= refused {
		r.version = refused + 1
	}
	return nil
}

func (r *rig) Send(_ context.Context, o state.Outgoing) error {
	if r.sends == nil {
		r.sent = append(r.sent, o)
	}
	return r.sends
}

// video makes n bytes that are a video by their head.
func video(n int, seed byte) []byte {
	b := bytes.Repeat([]byte{seed}, n)
	copy(b, "FLV\x01")
	return b
}

func (r *rig) drop(key string, body []byte, metadata map[string]string) workflow.Ingested {
	r.t.Helper()
	r.src.Put(inbox, key, body, metadata)
	return r.event(key)
}

func (r *rig) event(key string) workflow.Ingested {
	r.t.Helper()
	in, err := r.w.Ingest(r.t.Context(), source.Object{Bucket: inbox, Key: key})
	if err != nil {
		r.t.Fatalf("ingest of %s: %v", key, err)
	}
	return in
}

// one drops the usual video and gives its one upload.
func (r *rig) one() string {
	r.t.Helper()
	in := r.drop(key, video(1000, 1), nil)
	if len(in.Uploads) != 1 {
		r.t.Fatalf("got %+v, want one upload", in)
	}
	return in.Uploads[0]
}

func (r *rig) upload(id string) state.Upload {
	r.t.Helper()
	u, err := r.ledger.Upload(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return u
}

// change writes into an upload as another process would.
func (r *rig) change(id string, fn func(*state.Upload)) {
	r.t.Helper()
	if _, err := r.ledger.Update(r.t.Context(), id, state.AnyGen, func(u *state.Upload) error { fn(u); return nil }); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) due() {
	r.t.Helper()
	if _, err := r.w.Due(r.t.Context()); err != nil {
		r.t.Fatalf("due: %v", err)
	}
}

// step is the input of a step at the upload's present generation.
func (r *rig) step(id string) workflow.Step {
	return workflow.Step{V: 1, Upload: id, Gen: r.upload(id).Gen}
}

func (r *rig) timeline(id string) string {
	r.t.Helper()
	es, err := r.ledger.Timeline(r.t.Context(), id, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range es {
		fmt.Fprintf(&b, "%s g%d %s: %s\n", e.At.Format("15:04:05"), e.Gen, e.Step, e.Text)
	}
	return b.String()
}

// sound checks what must hold whatever happened: one post at most, no false PUBLISHED, every grant given back, no rule
// of the status table broken, no secret in log or timeline.
func (r *rig) sound(ids ...string) {
	r.t.Helper()
	free, capacity, err := r.ledger.Pools(r.t.Context())
	if err != nil || free != capacity {
		r.t.Errorf("%d of %d ranges are free at the end (%v)", free, capacity, err)
	}
	posts := map[string]int{}
	for _, p := range r.mem.Posts() {
		posts[p.Upload]++
	}
	for _, id := range ids {
		u := r.upload(id)
		if posts[id] > 1 {
			r.t.Errorf("%d posts of one upload\n%s", posts[id], r.timeline(id))
		}
		if u.Status == upload.Published && (posts[id] != 1 || u.Post == nil) {
			r.t.Errorf("PUBLISHED with %d posts\n%s", posts[id], r.timeline(id))
		}
		if u.OpenIntent() && u.Status != upload.Publishing && u.Status != upload.Held {
			r.t.Errorf("%s while an intent is open", u.Status)
		}
		if all := r.log.String() + r.timeline(id); strings.Contains(all, aSecret) || sessionID.MatchString(all) {
			r.t.Errorf("a secret is in the log or the timeline:\n%s", all)
		}
	}
	for _, err := range r.stepErrs {
		if strings.Contains(err.Error(), "cannot have") {
			r.t.Errorf("the status table refused a step: %v", err)
		}
	}
}

func stepInput(name string, input []byte) (workflow.Step, error) {
	var s workflow.Step
	if err := json.Unmarshal(input, &s); err != nil {
		return s, err
	}
	if name != upload.ExecutionName(s.Upload, s.Gen) {
		return s, fault.New(fault.Invalid, "rig", "the name is not that of the input")
	}
	return s, nil
}
