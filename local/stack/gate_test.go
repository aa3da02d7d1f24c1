package stack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/workflow"
)

// mode is what befalls one call.
type mode int

const (
	none        mode = iota
	refused          // provably no effect, and the caller is told so
	lostBefore       // no effect, and the caller cannot know
	lostAfter        // the effect is there, the answer is not
	crashBefore      // the process dies just before the effect
	crashAfter       // the process dies just after the effect
)

func (m mode) String() string {
	return [...]string{"none", "refused", "lost before", "lost after", "crash before", "crash after"}[m]
}

// rule strikes the nth call of a site, counted from 1.
type rule struct {
	site string
	nth  int
	mode mode
}

func (r rule) String() string { return fmt.Sprintf("%s #%d: %s", r.site, r.nth, r.mode) }

// errDead is what a call of a killed process gets: it has no effect, and nobody is there to read it.
var errDead = &fault.Error{Kind: fault.Unknown, Op: "gate", Err: errors.New("this process was killed")}

// gate stands before every door of one process: table, source, platform, machine, outbox. It counts calls by site, lets
// one of them go wrong, and closes for good when the process dies.
type gate struct {
	mu     sync.Mutex
	rule   *rule
	seen   map[string]int
	order  []rule // every call, in order, as a rule without a mode
	fired  bool
	dead   bool
	doubt  bool // the fault struck between the start of an intent's transaction and the record of its post
	window bool
	memory map[int]mode // memtarget's call number -> what is to happen after its effect
}

func newGate(r *rule) *gate { return &gate{rule: r, seen: map[string]int{}, memory: map[int]mode{}} }

func (g *gate) isDead() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dead
}

func (g *gate) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dead = true
}

func (g *gate) setWindow(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.window = open
}

// enter counts a call and says what is to befall it.
func (g *gate) enter(site string) (mode, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dead {
		return none, errDead
	}
	g.seen[site]++
	g.order = append(g.order, rule{site: site, nth: g.seen[site]})
	if g.rule == nil || g.fired || g.rule.site != site || g.rule.nth != g.seen[site] {
		return none, nil
	}
	g.fired, g.doubt = true, g.window
	if g.rule.mode == crashBefore {
		g.dead = true
		return none, errDead
	}
	return g.rule.mode, nil
}

// leave is the moment after the effect: a process that died meanwhile does not hear of it.
func (g *gate) leave(m mode) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m == crashAfter {
		g.dead = true
	}
	if g.dead {
		return errDead
	}
	return nil
}

// do runs one call through the gate. read says that the call has no effect.
func (g *gate) do(ctx context.Context, what string, read bool, effect func() error) error {
	site := function(ctx) + " " + what
	m, err := g.enter(site)
	if err != nil {
		return err
	}
	unknown := &fault.Error{Kind: fault.Unknown, Op: "gate", Err: errors.New("made to fail: " + m.String())}
	switch {
	case m == refused || read && m == lostBefore:
		return &fault.Error{Kind: fault.Retryable, Op: "gate", Effect: fault.EffectNone, AssetKept: true, Err: errors.New("made to fail: refused")}
	case m == lostBefore:
		return unknown
	}
	err = effect()
	if derr := g.leave(m); derr != nil {
		return derr
	}
	if m == lostAfter {
		return unknown
	}
	return err
}

// function names the function that a call comes from.
func function(ctx context.Context) string {
	lc, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return "-"
	}
	return lc.InvokedFunctionArn[strings.LastIndexByte(lc.InvokedFunctionArn, ':')+1:]
}

// shape is a key without what differs between runs.
func shape(k table.Key) string {
	kind, _, _ := strings.Cut(k.PK, "#")
	sort, _, _ := strings.Cut(k.SK, "#")
	if kind == "OUT" || sort == "" {
		sort = "-"
	}
	return kind + "/" + sort
}

// gatedTable is a table behind a gate.
type gatedTable struct {
	table.Table
	g   *gate
	out *outside // notes what stands in the outbox, so that nobody has to ask all its shards
}

func (t gatedTable) Get(ctx context.Context, k table.Key) (it table.Item, err error) {
	err = t.g.do(ctx, "Get "+shape(k), true, func() error { it, err = t.Table.Get(ctx, k); return err })
	return it, err
}

func (t gatedTable) Query(ctx context.Context, q table.Query) (items []table.Item, next string, err error) {
	err = t.g.do(ctx, "Query "+shape(table.Key{PK: q.PK, SK: q.Prefix + q.From}), true, func() error {
		items, next, err = t.Table.Query(ctx, q)
		return err
	})
	return items, next, err
}

func (t gatedTable) QueryIndex(ctx context.Context, q table.IndexQuery) (hits []table.Hit, next string, err error) {
	kind, _, _ := strings.Cut(q.PK, "#")
	err = t.g.do(ctx, "QueryIndex "+string(q.Index)+" "+kind, true, func() error {
		hits, next, err = t.Table.QueryIndex(ctx, q)
		return err
	})
	return hits, next, err
}

func (t gatedTable) Put(ctx context.Context, it table.Item, v int64) (n int64, err error) {
	err = t.g.do(ctx, "Put "+shape(it.Key), false, func() error { n, err = t.Table.Put(ctx, it, v); return err })
	return n, err
}

func (t gatedTable) Add(ctx context.Context, a table.Add) (n int64, err error) {
	err = t.g.do(ctx, "Add "+shape(a.Key), false, func() error { n, err = t.Table.Add(ctx, a); return err })
	return n, err
}

func (t gatedTable) Delete(ctx context.Context, k table.Key, v int64) error {
	return t.g.do(ctx, "Delete "+shape(k), false, func() error {
		err := t.Table.Delete(ctx, k, v)
		if err == nil {
			t.out.delivered(k)
		}
		return err
	})
}

func (t gatedTable) Transact(ctx context.Context, token string, ops []table.Op) error {
	var keys []string
	intent, post := false, false
	for _, o := range ops {
		var k table.Key
		switch {
		case o.Put != nil:
			k = o.Put.Key
		case o.Delete != nil:
			k = *o.Delete
		case o.Check != nil:
			k = *o.Check
		case o.Add != nil:
			k = o.Add.Key
		}
		keys = append(keys, shape(k))
		intent = intent || strings.HasPrefix(k.PK, "PAUSE#")
		post = post || strings.HasPrefix(k.PK, "POST#")
	}
	if intent {
		t.g.setWindow(true)
	}
	err := t.g.do(ctx, "Transact "+strings.Join(keys, ","), false, func() error {
		err := t.Table.Transact(ctx, token, ops)
		if err == nil {
			t.out.queued(ops)
		}
		return err
	})
	if post && err == nil {
		t.g.setWindow(false)
	}
	return err
}

// gatedSource is a source behind a gate. An answer that is lost after Open is a body that breaks in its middle.
type gatedSource struct {
	source.Source
	g *gate
}

func (s gatedSource) Stat(ctx context.Context, o source.Object) (i source.Info, err error) {
	err = s.g.do(ctx, "source Stat", true, func() error { i, err = s.Source.Stat(ctx, o); return err })
	return i, err
}

func (s gatedSource) Open(ctx context.Context, o source.Object, offset, size int64) (io.ReadCloser, error) {
	m, err := s.g.enter(function(ctx) + " source Open")
	if err != nil {
		return nil, err
	}
	if m == refused || m == lostBefore {
		return nil, &fault.Error{Kind: fault.Retryable, Op: "gate", Effect: fault.EffectNone, Err: errors.New("made to fail: refused")}
	}
	r, err := s.Source.Open(ctx, o, offset, size)
	if err != nil || m == none {
		return r, err
	}
	return &broken{ReadCloser: r, left: size / 2, g: s.g, crash: m == crashAfter}, nil
}

// broken is a body that breaks after left bytes, or with which the process dies.
type broken struct {
	io.ReadCloser
	left  int64
	g     *gate
	crash bool
}

func (b *broken) Read(p []byte) (int, error) {
	if b.left <= 0 {
		if b.crash {
			b.g.kill()
			return 0, errDead
		}
		return 0, &fault.Error{Kind: fault.Retryable, Op: "gate", Err: errors.New("the connection broke")}
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// gatedMachine is the state machine's API behind a gate.
type gatedMachine struct {
	s workflow.Starter
	w workflow.Waker
	g *gate
}

func (m gatedMachine) Start(ctx context.Context, name string, in []byte) error {
	return m.g.do(ctx, "StartExecution", false, func() error { return m.s.Start(ctx, name, in) })
}

func (m gatedMachine) Wake(ctx context.Context, token string) error {
	return m.g.do(ctx, "SendTaskSuccess", false, func() error { return m.w.Wake(ctx, token) })
}

// outside remembers the events that left the outbox.
type outside struct {
	mu   sync.Mutex
	sent []state.Outgoing
	rows map[table.Key]bool
	gone map[table.Key]bool
}

func (o *outside) queued(ops []table.Op) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range ops {
		if op.Put != nil && strings.HasPrefix(op.Put.PK, "OUT#") && !o.gone[op.Put.Key] {
			o.rows[op.Put.Key] = true
		}
	}
}

func (o *outside) delivered(k table.Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.rows, k)
	o.gone[k] = true // a sweep may be faster than the writer hears of its success
}

// empty says that no row is left in the outbox.
func (o *outside) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.rows) == 0
}

func (o *outside) Send(_ context.Context, e state.Outgoing) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(o.sent, e)
	return nil
}

// distinct counts the events of a type; the outbox delivers at least once, so a repeat of the very same is one.
func (o *outside) distinct(typ string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := map[string]bool{}
	for _, e := range o.sent {
		if e.Type == typ {
			seen[e.At.String()+string(e.Detail)] = true
		}
	}
	return len(seen)
}

type gatedOutside struct {
	o *outside
	g *gate
}

func (o gatedOutside) Send(ctx context.Context, e state.Outgoing) error {
	return o.g.do(ctx, "outbox Send", false, func() error { return o.o.Send(ctx, e) })
}

// hook puts memtarget's calls behind the gate.
func (g *gate) hook(ctx context.Context, c memtarget.Call) error {
	unknown := func(m mode) error {
		return &fault.Error{Kind: fault.Unknown, Op: "gate", Err: errors.New("made to fail: " + m.String())}
	}
	if c.When == memtarget.After {
		g.mu.Lock()
		m := g.memory[c.N]
		g.mu.Unlock()
		if err := g.leave(m); err != nil {
			return err
		}
		if m == lostAfter {
			return unknown(m)
		}
		return nil
	}
	m, err := g.enter(function(ctx) + " platform " + string(c.Op))
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.memory[c.N] = m
	g.mu.Unlock()
	switch m {
	case refused:
		return &fault.Error{Kind: fault.Retryable, Op: "gate", Effect: fault.EffectNone, AssetKept: true, Err: errors.New("made to fail: refused")}
	case lostBefore:
		return unknown(m)
	}
	return nil
}

// gatedWire is a RoundTripper behind a gate: the requests to a platform.
type gatedWire struct {
	next http.RoundTripper
	g    *gate
}

// wireError is a failed request; nothing tells whether it proves that no byte left.
type wireError struct {
	text    string
	nothing bool
}

func (e wireError) Error() string        { return e.text }
func (e wireError) NothingWritten() bool { return e.nothing }

func (w gatedWire) RoundTrip(r *http.Request) (*http.Response, error) {
	fail := func(text string, nothing bool) (*http.Response, error) {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, wireError{text, nothing}
	}
	m, err := w.g.enter(function(r.Context()) + " " + r.Method + " " + r.URL.Path)
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

// all is everything that left the outbox.
func (o *outside) all() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	var b bytes.Buffer
	for _, e := range o.sent {
		fmt.Fprintf(&b, "%s %s\n", e.Type, e.Detail)
	}
	return b.Bytes()
}
