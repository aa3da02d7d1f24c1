// Package scheduler stands for EventBridge on one machine: the schedules and the bus rules that template.yaml declares,
// matched as AWS documents it and delivered as Lambda delivers asynchronous invocations (design 6).
//
// Events live in memory, as nothing here is the truth: what a killed process lost, reconcile finds in the ledger. It
// must not know what a function does. It is never deployed.
package scheduler

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vodlift/vodlift/local/template"
)

// Invoker runs a function; local/lambda has two.
type Invoker interface {
	Invoke(ctx context.Context, function string, payload []byte) ([]byte, error)
}

// MaxEventBytes bounds one event of the bus.
const MaxEventBytes = 256 << 10

// maxDead bounds the list of dead letters: the newest are kept.
const maxDead = 1000

// Event is an event of the bus.
type Event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       time.Time       `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// Dead is an event that a function refused every time.
type Dead struct {
	Function string
	Payload  []byte
	Error    string
	Attempts int
	At       time.Time
}

// Options are what a scheduler is made of. Template and Invoker are required.
type Options struct {
	Template *template.Template
	Invoker  Invoker
	// Names resolves what patterns refer to: the bucket's name, the machine's ARN.
	Names template.Names
	// Scale divides every period and every wait between attempts: 60 makes rate(1 minute) a second. 0 = 1. Cron
	// expressions name times of the day and are not scaled.
	Scale float64
	// Retries of a failed asynchronous invocation: a minute and two minutes later, as Lambda does. nil = 2.
	Retries *int
	Now     func() time.Time // default time.Now
	Rand    io.Reader        // of event ids; default crypto/rand
	Log     *slog.Logger     // nil = none
}

// Scheduler delivers events. Safe for concurrent use; Run drives the schedules, Put needs no Run.
type Scheduler struct {
	opts      Options
	rules     []rule
	schedules []schedule
	base      context.Context
	stop      context.CancelFunc

	mu     sync.Mutex
	idle   *sync.Cond // no invocation is under way
	flying int
	closed bool
	dead   []Dead
}

type rule struct {
	template.Rule
	pattern pattern
}

type schedule struct {
	template.Schedule
	timing timing
}

// ErrClosed is the error of Put after Close.
var ErrClosed = errors.New("scheduler: closed")

// New reads rules and schedules. What it cannot follow (an operator, an expression, a name that does not resolve) is an
// error that names the rule.
func New(o Options) (*Scheduler, error) {
	if o.Template == nil || o.Invoker == nil {
		return nil, errors.New("scheduler: a Template and an Invoker are required")
	}
	if o.Scale <= 0 {
		o.Scale = 1
	}
	if o.Retries == nil {
		two := 2
		o.Retries = &two
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Scheduler{opts: o}
	s.idle = sync.NewCond(&s.mu)
	s.base, s.stop = context.WithCancel(context.Background())
	for _, r := range o.Template.Rules {
		v, err := o.Template.Resolve(r.Pattern, o.Names)
		if err != nil {
			return nil, fmt.Errorf("scheduler: rule %s of %s: %w", r.Event, r.Function, err)
		}
		p, err := parsePattern(v)
		if err != nil {
			return nil, fmt.Errorf("scheduler: rule %s of %s: %w", r.Event, r.Function, err)
		}
		s.rules = append(s.rules, rule{r, p})
	}
	for _, sc := range o.Template.Schedules {
		when, err := parseTiming(sc.Expression)
		if err != nil {
			return nil, fmt.Errorf("scheduler: schedule %s of %s: %w", sc.Event, sc.Function, err)
		}
		s.schedules = append(s.schedules, schedule{sc, when})
	}
	return s, nil
}

// Run invokes scheduled functions until ctx ends. A run that is still going when its next one is due does not stop it:
// the schedule invokes again, as on AWS.
func (s *Scheduler) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, sc := range s.schedules {
		wg.Go(func() { s.follow(ctx, sc) })
	}
	wg.Wait()
}

func (s *Scheduler) follow(ctx context.Context, sc schedule) {
	var flying atomic.Bool
	for at := s.opts.Now(); ; {
		var due time.Time
		if sc.timing.every > 0 {
			due = at.Add(s.scaled(sc.timing.every))
			if now := s.opts.Now(); due.Before(now) {
				due = now // this machine slept: one run, not all that were missed
			}
		} else if due = nextCron(sc.timing.cron, at); due.IsZero() {
			return
		}
		if !sleep(ctx, due.Sub(s.opts.Now())) {
			return
		}
		at = due
		// Time that runs faster must not pile up runs of a function that does not.
		if s.opts.Scale > 1 && !flying.CompareAndSwap(false, true) {
			continue
		}
		s.fire(sc, due, func() { flying.Store(false) })
	}
}

func (s *Scheduler) scaled(d time.Duration) time.Duration {
	return max(time.Duration(float64(d)/s.opts.Scale), time.Millisecond)
}

func (s *Scheduler) fire(sc schedule, due time.Time, ended func()) {
	payload := []byte(sc.Input)
	if sc.Input == "" {
		ev := Event{DetailType: "Scheduled Event", Source: "aws.events", Time: due, Detail: json.RawMessage(`{}`),
			Resources: []string{"arn:aws:events:local:000000000000:rule/" + sc.Event}}
		var err error
		if payload, err = json.Marshal(s.complete(ev)); err != nil {
			s.opts.Log.Error("schedule", "function", sc.Function, "error", err)
			ended()
			return
		}
	}
	if err := s.async(sc.Function, payload, ended); err != nil {
		ended()
		s.opts.Log.Warn("schedule", "function", sc.Function, "error", err)
	}
}

// complete fills what the service fills.
func (s *Scheduler) complete(ev Event) Event {
	if ev.Version == "" {
		ev.Version = "0"
	}
	if ev.ID == "" {
		b := make([]byte, 16)
		_, _ = io.ReadFull(s.opts.Rand, b) // an id serves the log only
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		ev.ID = fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	}
	if ev.Account == "" {
		ev.Account = "000000000000"
	}
	if ev.Region == "" {
		ev.Region = "local"
	}
	if ev.Time.IsZero() {
		ev.Time = s.opts.Now()
	}
	ev.Time = ev.Time.UTC().Truncate(time.Second)
	if ev.Resources == nil {
		ev.Resources = []string{}
	}
	return ev
}

// Put accepts an event: it has left the sender's hands, and each function whose rule matches is invoked, with retries.
// An event over 256 KiB, or without source, detail-type and a JSON object as detail, is refused.
func (s *Scheduler) Put(ctx context.Context, ev Event) error {
	var detail map[string]any
	if ev.Source == "" || ev.DetailType == "" || json.Unmarshal(ev.Detail, &detail) != nil || detail == nil {
		return errors.New("scheduler: an event needs source, detail-type and an object as detail")
	}
	b, err := json.Marshal(s.complete(ev))
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	return s.PutJSON(ctx, b)
}

// PutJSON is Put for an event that is complete JSON already; its bytes are delivered as they are.
func (s *Scheduler) PutJSON(ctx context.Context, event []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(event) > MaxEventBytes || !json.Valid(event) {
		return fmt.Errorf("scheduler: an event must be JSON of at most %d bytes", MaxEventBytes)
	}
	for _, r := range s.rules {
		if !r.pattern.match(event) {
			continue
		}
		payload := event
		if r.Input != "" {
			payload = []byte(r.Input)
		}
		if err := s.async(r.Function, payload, nil); err != nil {
			return err
		}
	}
	return nil
}

// async invokes function in the background, as Lambda does for events: after a failure again, then to the dead letters.
// ended, if not nil, is called at the end of it all, unless there is an error.
func (s *Scheduler) async(function string, payload []byte, ended func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.flying++
	go func(payload []byte) {
		defer s.landed()
		if ended != nil {
			defer ended()
		}
		s.deliver(function, payload)
	}(bytes.Clone(payload))
	return nil
}

func (s *Scheduler) landed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flying--; s.flying == 0 {
		s.idle.Broadcast()
	}
}

func (s *Scheduler) deliver(function string, payload []byte) {
	for attempt := 1; ; attempt++ {
		_, err := s.opts.Invoker.Invoke(s.base, function, payload)
		if err == nil || s.base.Err() != nil {
			return
		}
		if attempt > *s.opts.Retries {
			s.opts.Log.Error("dead letter", "function", function, "attempts", attempt, "error", err)
			s.bury(Dead{Function: function, Payload: payload, Error: err.Error(), Attempts: attempt, At: s.opts.Now()})
			return
		}
		s.opts.Log.Warn("asynchronous invocation failed", "function", function, "attempt", attempt, "error", err)
		if !sleep(s.base, s.scaled(time.Duration(attempt)*time.Minute)) {
			return
		}
	}
}

func (s *Scheduler) bury(d Dead) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead = append(s.dead, d); len(s.dead) > maxDead {
		s.dead = s.dead[len(s.dead)-maxDead:]
	}
}

// DeadLetters lists what was refused every time, oldest first.
func (s *Scheduler) DeadLetters() []Dead {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Dead(nil), s.dead...)
}

// Drain waits until no event is under way. New events may arrive meanwhile; it then waits for them, too.
func (s *Scheduler) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.flying > 0 {
		s.idle.Wait()
	}
}

// Close refuses new events, gives up on those under way, and waits until their invocations return.
func (s *Scheduler) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.Drain()
}

// sleep waits for d or for the end of ctx; it tells whether d passed.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
