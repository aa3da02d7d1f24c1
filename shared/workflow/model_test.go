package workflow_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source/memsource"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// The model of design 4.6: the real Check, Park and Callback, run as processes of which exactly one goes on at a time. It
// stops before every step that others can see: reading the upload (with the write that follows it, since a
// compare-and-swap counts as one step at its write), reading and writing the park, waking, asking the platform. Every
// order of these steps is walked; a state that was met before, with what each process has seen, is not walked twice.

// process is one function invocation, or the machine itself.
type process struct {
	name   string
	resume chan bool // false: give up
	at     string    // the step it stands before
	last   string    // the step it took before that
	seen   uint64    // digest of all that it has read: with its code, its whole state
	skip   int       // reads of the upload that are no steps
	waits  bool      // the machine, for its token
	done   bool
}

type procKey struct{}

// model is one run of a schedule.
type model struct {
	t       testing.TB
	shared  *modelWorld
	id      string
	procs   []*process
	report  chan *process
	ended   sync.WaitGroup
	live    bool   // the platform is finished with the video
	tokens  int    // the number of the newest task token
	woken   bool   // that token was sent
	twice   bool   // the first park is delivered twice
	left    int    // time-outs that may still happen
	trouble string // an error of a step
	trace   []string
}

// modelWorld is what all schedules share: each has an upload of its own in it.
type modelWorld struct {
	db     *sqlite.DB
	ledger *state.Ledger
	w      *workflow.Workflow
	now    time.Time
	pub    string
	serial int
}

func newModelWorld(t *testing.T) *modelWorld {
	m := &modelWorld{now: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return m.now }
	var err error
	if m.db, err = sqlite.OpenMemory(&sqlite.Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.db.Close() })
	m.ledger = state.New(steps{m.db}, cipher{}, clock, counter(), state.Settings{})
	m.w = workflow.New(workflow.Parts{Ledger: m.ledger, Source: memsource.New(), Targets: modelPlatform{}, Waker: modelWaker{}, Now: clock, Rand: counter(),
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	src := upload.Source{Bucket: inbox, Key: key, ETag: "e", Size: 1}
	m.pub = upload.PublicationID(src)
	if _, err := m.ledger.EnsurePublication(t.Context(), state.Publication{ID: m.pub, Source: src}); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := m.ledger.AddRevision(t.Context(), m.pub, state.Revision{Manifest: manifest.Manifest{Title: "T", To: []upload.Account{main}}, Hash: "h"}, nil); err != nil {
		t.Fatal(err)
	}
	return m
}

// of finds the process that makes a call; nil outside of the model.
func of(ctx context.Context) (*model, *process) {
	p, _ := ctx.Value(procKey{}).(*process)
	m, _ := ctx.Value(modelKey{}).(*model)
	return m, p
}

type modelKey struct{}

// step stops the process before a step until the schedule lets it go on.
func step(ctx context.Context, name string) (*model, *process) {
	m, p := of(ctx)
	if p == nil {
		return nil, nil
	}
	if name == "upload" && p.skip > 0 {
		p.skip--
		return m, p
	}
	p.last, p.at = p.at, name
	m.stop(p)
	return m, p
}

func (m *model) stop(p *process) {
	m.report <- p
	if !<-p.resume {
		runtime.Goexit()
	}
}

func (p *process) saw(what string) {
	if p != nil {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d|%s|%s", p.seen, p.at, what)
		p.seen = h.Sum64()
	}
}

// steps is the table whose visible calls are steps.
type steps struct{ table.Table }

func (s steps) Get(ctx context.Context, k table.Key) (table.Item, error) {
	name := ""
	switch {
	case strings.HasPrefix(k.PK, "U#") && k.SK == "META":
		name = "upload"
	case k.SK == "PARK":
		name = "park"
	default:
		return s.Table.Get(ctx, k)
	}
	m, p := step(ctx, name)
	it, err := s.Table.Get(ctx, k)
	if p != nil {
		p.saw(m.signature(it))
	}
	return it, err
}

func (s steps) Put(ctx context.Context, it table.Item, v int64) (int64, error) {
	if _, p := of(ctx); p != nil && it.SK == "PARK" && p.at != "park" { // else it belongs to the read before it
		step(ctx, "drop")
	}
	v, err := s.Table.Put(ctx, it, v)
	if _, p := of(ctx); it.SK == "PARK" {
		p.saw(fmt.Sprint(err))
	}
	return v, err
}

// signature is what of a record decides anything, in words that are the same in every run.
func (m *model) signature(it table.Item) string {
	if it.SK == "META" {
		var u state.Upload
		if err := json.Unmarshal(it.Doc, &u); err != nil {
			return err.Error()
		}
		told := u.Told != nil
		return fmt.Sprint(u.Gen, u.Status, u.Reason, u.Events, u.Asked, u.NextAt.IsZero(), told, u.Settled) // all that is counted else only bounds
	}
	var p struct {
		Box    []byte
		Seen   []string
		Serial int // with the box it tells every version from every other
	}
	if err := json.Unmarshal(it.Doc, &p); err != nil && len(it.Doc) > 0 {
		return err.Error()
	}
	out := fmt.Sprint("park ", p.Serial, len(p.Box) > 0, " ")
	_, sealed, _ := strings.Cut(string(p.Box), "/")
	for n := 1; n <= m.tokens; n++ {
		token := fmt.Sprintf("%s%s-%d", aSecret, m.id, n)
		sum := sha256.Sum256([]byte(token))
		if sealed == fmt.Sprintf("%x", token) {
			out += fmt.Sprint("waits:", n)
		}
		out += fmt.Sprint(" seen:", slices.Index(p.Seen, fmt.Sprintf("%x", sum[:8])))
	}
	return out
}

type modelPlatform struct{}

func (modelPlatform) OpenTarget(context.Context, upload.Account) (target.Target, int64, error) {
	return modelTarget{}, 1, nil
}
func (modelPlatform) Limits(upload.Account) (upload.Limits, error) { return upload.Limits{}, nil }

type modelTarget struct{ target.Target }

func (modelTarget) Check(ctx context.Context, _ upload.Video, _ upload.Post) (target.Verdict, error) {
	m, p := step(ctx, "ask")
	p.saw(fmt.Sprint(m.live))
	if m.live {
		return target.Verdict{State: target.Live}, nil
	}
	return target.Verdict{State: target.Later}, nil
}

type modelWaker struct{}

func (modelWaker) Wake(ctx context.Context, token string) error {
	m, p := step(ctx, "wake")
	machine := m.procs[0]
	if good := token == m.token() && !m.woken && !machine.done && m.tokens > 0 && machine.waits; good {
		m.woken = true
		p.saw("woken")
		return nil
	}
	p.saw("gone")
	return workflow.ErrGone
}

func (m *model) token() string { return fmt.Sprintf("%s%s-%d", aSecret, m.id, m.tokens) }

// spawn starts a process, which stops before its first step.
func (m *model) spawn(name string, skip int, body func(context.Context)) {
	p := &process{name: name, resume: make(chan bool), skip: skip, at: "start"}
	m.procs = append(m.procs, p)
	ctx := context.WithValue(context.WithValue(context.Background(), procKey{}, p), modelKey{}, m)
	m.ended.Add(1)
	go func() {
		defer m.ended.Done()
		if !<-p.resume {
			return
		}
		body(ctx)
		p.done = true
		m.report <- p
	}()
}

// machine is Watch and WaitForPlatform of the definition.
func (m *model) machine(ctx context.Context) {
	p := m.procs[0]
	in := workflow.Step{V: 1, Upload: m.id, Gen: 1}
	for {
		out, err := m.shared.w.Check(ctx, in)
		if err != nil {
			m.trouble = "check: " + err.Error()
		}
		if out.Next != "later" {
			return
		}
		m.tokens++
		m.woken, p.waits = false, true
		park := workflow.ParkStep{Step: in, Token: m.token(), For: "watch"}
		run := func(ctx context.Context) {
			if _, err := m.shared.w.Park(ctx, park); err != nil {
				m.trouble = "park: " + err.Error()
			}
		}
		m.spawn(fmt.Sprintf("park %d", m.tokens), 0, run)
		if m.twice && m.tokens == 1 {
			m.spawn(fmt.Sprintf("park %d again", m.tokens), 0, run)
		}
		p.at = "wait"
		m.stop(p)
		p.waits, p.seen = false, 0 // Watch begins without a memory
	}
}

// choices lists what may happen next, by index of process; -1 is the time-out of the machine's wait.
func (m *model) choices() []int {
	var out []int
	for i, p := range m.procs {
		if !p.done && (!p.waits || m.woken) {
			out = append(out, i)
		}
	}
	if m.procs[0].waits && !m.woken && m.left > 0 && m.parked() {
		out = append(out, -1)
	}
	return out
}

// parked says that the invocations of Park have ended: the wait's time-out is 24 h, and none of them lives for minutes.
func (m *model) parked() bool {
	return !slices.ContainsFunc(m.procs, func(p *process) bool {
		return strings.HasPrefix(p.name, "park") && !p.done && !strings.HasSuffix(p.name, "again")
	})
}

// take makes one step.
func (m *model) take(i int) {
	if i == -1 {
		m.left--
		m.trace = append(m.trace, "time-out")
		m.woken = true // the machine goes on; the token is dead
		i = 0
	}
	p := m.procs[i]
	m.trace = append(m.trace, p.name+" "+p.at)
	p.resume <- true
	<-m.report
}

// state is everything that decides what can follow.
func (m *model) state() string {
	var b strings.Builder
	for _, k := range []table.Key{{PK: "U#" + m.id, SK: "META"}, {PK: "U#" + m.id, SK: "PARK"}} {
		it, _ := m.shared.db.Get(context.Background(), k)
		b.WriteString(m.signature(it) + "|")
	}
	for _, p := range m.procs {
		if p.done {
			continue // nothing that it knew matters
		}
		fmt.Fprintf(&b, "|%s %s %x %v %v", p.name, p.at, p.seen, p.waits, p.done)
	}
	fmt.Fprintf(&b, "|%v %d %v %d", m.live, m.tokens, m.woken, m.left)
	return b.String()
}

func (m *model) stopAll() {
	for _, p := range m.procs {
		if !p.done {
			select {
			case p.resume <- false:
			case <-time.After(10 * time.Second):
				m.t.Fatal("a process of the model hangs")
			}
		}
	}
	m.ended.Wait()
}
