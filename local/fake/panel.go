package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Answer is what a fake wants to send. Code is the platform's own code, for the log only.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Code   int
	Abort  bool // close the connection without an answer: the request's body never arrived whole
}

// Hooks is what a fake tells the panel about its platform.
type Hooks struct {
	Ops     []string                                              // every operation name; a fault on another one is refused
	Secrets []string                                              // query keys whose values are never logged
	Effects func() Effects                                        // a snapshot
	Refuse  func(r *http.Request, op string, f Fault) Answer      // the platform's envelope around f.Code or f.Name
	Names   []string                                              // words allowed in Fault.Name
	NoUser  []string                                              // operations that name no account; a fault on one for an account is refused
	Token   func(op, account, what string, r *http.Request) error // TokenExpire, TokenRevoke, TokenRotate
	Shape   func(json.RawMessage) error                           // checks Fault.Shape; nil: no shapes
}

// PanelOptions configure a Panel. Zero values: no key, the real clock, a ring of 2000.
type PanelOptions struct {
	Key  string // control calls want it in X-Vodlift-Key; empty: open
	Now  func() time.Time
	Ring int // how many requests are remembered
}

// Panel runs requests through their faults and answers the control calls. Safe for concurrent use.
type Panel struct {
	o      PanelOptions
	h      Hooks
	faults faultSet
	ring   ring
	done   context.Context
	close  context.CancelFunc
}

// NewPanel makes a panel around a fake's hooks.
func NewPanel(o PanelOptions, h Hooks) *Panel {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ring <= 0 {
		o.Ring = 2000
	}
	done, cancel := context.WithCancel(context.Background())
	return &Panel{o: o, h: h, done: done, close: cancel, ring: ring{size: o.Ring, counters: map[string]Counter{}}}
}

// Close ends every delay and hold that is under way. Requests after it still work.
func (p *Panel) Close() { p.close() }

// Inject arms a fault. It refuses a fault that could never strike, so that a misspelt test fails loudly.
func (p *Panel) Inject(f Fault) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if f.Op != "*" && !slices.Contains(p.h.Ops, f.Op) {
		return fmt.Errorf("fault op %q: want one of %q", f.Op, p.h.Ops)
	}
	if f.Account != "" && slices.Contains(p.h.NoUser, f.Op) {
		return fmt.Errorf("fault account %q: %s names no account", f.Account, f.Op)
	}
	if f.Name != "" && !slices.Contains(p.h.Names, f.Name) {
		return fmt.Errorf("fault name %q: want one of %q", f.Name, p.h.Names)
	}
	if len(f.Shape) > 0 {
		if p.h.Shape == nil {
			return fmt.Errorf("fault shape: this platform has none")
		}
		if err := p.h.Shape(f.Shape); err != nil {
			return fmt.Errorf("fault shape: %w", err)
		}
	}
	p.faults.add(f)
	return nil
}

// ClearFaults disarms everything.
func (p *Panel) ClearFaults() { p.faults.clear() }

// Faults lists what is still armed.
func (p *Panel) Faults() []Fault { return p.faults.list() }

// Requests lists the logged requests after number n, oldest first.
func (p *Panel) Requests(n int64) []Request { rs, _ := p.ring.since(n); return rs }

// Counters sums up per operation, since the start.
func (p *Panel) Counters() map[string]Counter { _, c := p.ring.since(0); return c }

// Serve runs one request of the platform: log, fault before, do, fault after. do makes the effect durable before it
// returns. A cut ends in panic(http.ErrAbortHandler), which makes net/http close the connection without an answer.
func (p *Panel) Serve(w http.ResponseWriter, r *http.Request, op, account string, do func(shape json.RawMessage) Answer) {
	n := p.ring.begin(Request{Time: p.o.Now(), Method: r.Method, Path: r.URL.Path, Op: op, Account: account,
		Query: redactedQuery(r, p.h.Secrets), Bytes: r.ContentLength})
	f, hit := p.faults.match(op, account)
	var a Answer
	answered := false
	defer func() {
		if !answered {
			a.Status = 0
		}
		p.ring.end(n, op, a.Status, a.Code, hit, !answered)
	}()
	if hit && !f.late() {
		p.strike(f, op, account, r)
		if f.answers() > 0 {
			a = p.refusal(r, op, f)
			p.send(w, a)
			answered = true
			return
		}
	}
	a = do(f.Shape)
	if hit && f.late() {
		p.strike(f, op, account, r)
		a = p.spoil(w, r, op, f, a)
	}
	p.send(w, a)
	answered = true
}

// strike does what a fault does beside the answer: hold, delay, token.
func (p *Panel) strike(f Fault, op, account string, r *http.Request) {
	if f.Reached != nil {
		f.Reached()
	}
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-p.done.Done():
		}
	}
	if f.DelayMS > 0 {
		t := time.NewTimer(time.Duration(f.DelayMS) * time.Millisecond)
		defer t.Stop()
		select { // not r.Context(): an effect may come long after its client has left
		case <-t.C:
		case <-p.done.Done():
		}
	}
	if f.Token != "" && p.h.Token != nil {
		if err := p.h.Token(op, account, f.Token, r); err != nil {
			panic(http.ErrAbortHandler) // the state could not be saved: no answer may be sent
		}
	}
}

// refusal is the answer of a fault before the effect; the platform's code does not run.
func (p *Panel) refusal(r *http.Request, op string, f Fault) Answer {
	switch f.Cut {
	case CutStart:
		panic(http.ErrAbortHandler)
	case CutBody:
		at := f.CutAt
		if at == 0 {
			at = max(r.ContentLength, 0) / 2
		}
		io.CopyN(io.Discard, r.Body, at) //nolint:errcheck // cut either way
		panic(http.ErrAbortHandler)
	}
	Drain(r, 1<<62)
	if f.Cut == CutBefore {
		panic(http.ErrAbortHandler)
	}
	return p.replacement(r, op, f)
}

// spoil turns the platform's answer a, whose effect is durable, into what the fault wants.
func (p *Panel) spoil(w http.ResponseWriter, r *http.Request, op string, f Fault, a Answer) Answer {
	switch {
	case f.Cut != "" || a.Abort:
		panic(http.ErrAbortHandler)
	case f.Body == BodyGarbled:
		a.Body = a.Body[:len(a.Body)/2]
		return a
	case f.Body == BodyShort:
		header(w, a, max(len(a.Body), 1))     // one byte promised where the platform sends none
		w.Write(a.Body[:len(a.Body)/2])       //nolint:errcheck // cut either way
		http.NewResponseController(w).Flush() //nolint:errcheck // cut either way
		panic(http.ErrAbortHandler)
	case f.answers() > 0:
		return p.replacement(r, op, f)
	}
	return a
}

func (p *Panel) replacement(r *http.Request, op string, f Fault) Answer {
	if f.coded() {
		return p.h.Refuse(r, op, f)
	}
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	a := HTML(status)
	if f.Body == BodyEmpty {
		a.Body = nil
	}
	if f.RetryAfter > 0 {
		a.Header.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	return a
}

// HTML is the page of a gateway in front of a platform.
func HTML(status int) Answer {
	text := html.EscapeString(http.StatusText(status))
	return Answer{Status: status, Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		Body: fmt.Appendf(nil, "<html><head><title>%d %s</title></head><body><h1>%s</h1></body></html>\n", status, text, text)}
}

func (p *Panel) send(w http.ResponseWriter, a Answer) {
	if a.Abort {
		panic(http.ErrAbortHandler)
	}
	header(w, a, len(a.Body))
	w.Write(a.Body) //nolint:errcheck // a client that left changes nothing here
}

func header(w http.ResponseWriter, a Answer, size int) {
	for k, v := range a.Header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(size))
	w.WriteHeader(a.Status)
}

// Drain reads the rest of a request's body, up to limit bytes, as a gateway that buffers does. Without it a refusal
// sent in the middle of a body often reaches the client as a broken connection in place of an answer.
func Drain(r *http.Request, limit int64) {
	if r.Body != nil {
		io.CopyN(io.Discard, r.Body, limit) //nolint:errcheck // what cannot be read cannot be drained
	}
}
