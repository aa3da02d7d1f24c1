package workflow_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// stage is the machine of design 2 with every execution on its own, inside a synctest bubble: its waits are real waits on
// the bubble's clock, and so are the sweeps between them.
type stage struct {
	*rig
	ctx   context.Context
	mu    sync.Mutex
	names map[string]bool
	seen  map[string]bool // uploads that have not ended
	parks map[string]chan struct{}
	n     int
	wg    sync.WaitGroup
}

// newStage is newRig on the bubble's clock, with a sweep every so often.
func newStage(t *testing.T, sweep time.Duration, change func(*options), parts ...func(*workflow.Parts)) *stage {
	t.Helper()
	r := newRig(t, func(o *options) {
		o.mem.Now = time.Now
		o.set.Sweep = sweep
		if change != nil {
			change(o)
		}
	})
	r.clock.real = true
	s := &stage{rig: r, ctx: t.Context(), names: map[string]bool{}, seen: map[string]bool{}, parks: map[string]chan struct{}{}}
	p := workflow.Parts{Ledger: r.ledger, Source: r.src, Targets: r, Renewer: r, Starter: s, Waker: s, Outside: r, Lister: r,
		Routes: manifest.Routes{r.o.route}, Rand: counter(), Log: slog.New(slog.DiscardHandler), Set: r.o.set}
	for _, f := range parts {
		f(&p)
	}
	r.w = workflow.New(p)
	ctx, cancel := context.WithCancel(t.Context())
	s.ctx = ctx
	s.wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(sweep):
			}
			if s.calm(sweep) {
				continue
			}
			if _, err := r.w.Due(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("due: %v", err)
			}
		}
	})
	t.Cleanup(func() { cancel(); s.wg.Wait() })
	return s
}

// calm says that a sweep would find nothing; with many uploads it is not asked.
func (s *stage) calm(sweep time.Duration) bool {
	s.mu.Lock()
	ids := slices.Collect(maps.Keys(s.seen))
	s.mu.Unlock()
	if len(ids) > 3 {
		return false
	}
	for _, id := range ids {
		u, err := s.ledger.Upload(s.ctx, id)
		if err != nil || u.Grant != nil || u.Slot != (time.Time{}) {
			return false
		}
		for _, at := range []time.Time{u.NextAt.Add(-sweep), u.Due} {
			if !at.IsZero() && at.Before(time.Now().Add(sweep)) && at.After(time.Now().Add(-time.Hour)) {
				return false
			}
		}
	}
	return true
}

// Start implements workflow.Starter.
func (s *stage) Start(_ context.Context, name string, input []byte) error {
	in, err := stepInput(name, input)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names[name] {
		return fmt.Errorf("%s: %w", name, workflow.ErrStarted)
	}
	s.names[name], s.seen[in.Upload] = true, true
	s.wg.Go(func() { s.walk(in) })
	return nil
}

// Wake implements workflow.Waker.
func (s *stage) Wake(_ context.Context, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.parks[token]
	if c == nil {
		return workflow.ErrGone
	}
	delete(s.parks, token)
	close(c)
	return nil
}

func (s *stage) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.ctx.Done():
	}
}

func (s *stage) park(in workflow.Step, kind string) bool {
	s.mu.Lock()
	s.n++
	token, c := fmt.Sprintf("%s%d", aSecret, s.n), make(chan struct{})
	s.parks[token] = c
	s.mu.Unlock()
	if _, err := s.w.Park(s.ctx, workflow.ParkStep{Step: in, Token: token, For: kind}); err != nil {
		return false
	}
	select {
	case <-c:
	case <-time.After(24 * time.Hour):
	case <-s.ctx.Done():
	}
	return true
}

// walk goes the edges of statemachine/publish.asl.json.
func (s *stage) walk(in workflow.Step) {
	at, wait := "Open", 0
	var ranges []int
	for at != "Done" && s.ctx.Err() == nil {
		switch at {
		case "Open":
			o, err := s.w.Open(s.ctx, in)
			wait, ranges = o.Wait, o.Ranges
			at = edge(err, o.Next, "Settle", map[string]string{"carry": "Carry", "complete": "Complete", "publish": "ToPublish", "look": "LookWait", "watch": "Watch", "again": "Open", "park": "ParkOpen", "renew": "Renew"})
		case "ParkOpen", "WaitForPlatform":
			back, kind := "Open", "open"
			if at == "WaitForPlatform" {
				back, kind = "Watch", "watch"
			}
			if at = back; !s.park(in, kind) {
				at = "Settle"
			}
		case "Renew":
			_, _ = s.w.Renew(s.ctx, in)
			at = "Open"
		case "Carry":
			for _, n := range ranges {
				for done, tries := false, 0; !done && tries < 100; tries++ {
					o, err := s.w.Carry(s.ctx, workflow.RangeStep{Step: in, Range: n})
					if done = o.Done; err != nil {
						s.sleep(2 * time.Second)
					}
					s.sleep(time.Duration(o.Wait) * time.Second)
				}
			}
			at = "Open"
		case "Complete":
			_, _ = s.w.Complete(s.ctx, in)
			at = "Open"
		case "ToPublish":
			s.sleep(time.Duration(wait) * time.Second)
			at = "Publish"
		case "Publish":
			o, err := s.w.Publish(s.ctx, in)
			at = edge(err, o.Next, "LookWait", map[string]string{"posted": "Watch", "early": "Open", "renew": "Renew", "unknown": "LookWait"})
			wait = 30
		case "LookWait":
			s.sleep(time.Duration(wait) * time.Second)
			at = "Look"
		case "Look":
			o, err := s.w.Look(s.ctx, in)
			wait = max(o.Wait, 30)
			at = edge(err, o.Next, "LookWait", map[string]string{"found": "Watch", "permit": "Publish", "open": "Open", "again": "LookWait"})
		case "Watch":
			o, err := s.w.Check(s.ctx, in)
			at = edge(err, o.Next, "WaitForPlatform", map[string]string{"later": "WaitForPlatform", "open": "Open"})
		case "Settle":
			if _, err := s.w.Settle(s.ctx, in); err != nil && s.ctx.Err() == nil {
				s.sleep(2 * time.Second)
				continue
			}
			at = "Done"
		}
	}
}

func edge(err error, word, catch string, edges map[string]string) string {
	if err != nil {
		return catch
	}
	if to := edges[word]; to != "" {
		return to
	}
	return "Settle"
}

// until waits on the bubble's clock until every one of the uploads has a status, and fails after the horizon.
func (s *stage) until(horizon time.Duration, want upload.Status, ids ...string) {
	s.t.Helper()
	end := time.Now().Add(horizon)
	for _, id := range ids {
		for s.upload(id).Status != want {
			if time.Now().After(end) {
				u := s.upload(id)
				s.t.Fatalf("%s after %s, want %s\n%s", u.String(), horizon, want, s.timeline(id))
			}
			time.Sleep(max(time.Minute, horizon/1000))
		}
	}
}
