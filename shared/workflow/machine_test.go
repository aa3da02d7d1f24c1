package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/workflow"
)

// exec is a running execution of the machine: the edges of statemachine/publish.asl.json and nothing else.
type exec struct {
	name   string
	in     workflow.Step
	at     string
	wait   int
	ranges []int
	token  string
	woken  bool
}

// Start implements workflow.Starter.
func (r *rig) Start(_ context.Context, name string, input []byte) error {
	in, err := stepInput(name, input)
	if err != nil || r.starting != nil {
		return errors.Join(err, r.starting)
	}
	for _, e := range r.execs {
		if e.name == name {
			return fmt.Errorf("%s: %w", name, workflow.ErrStarted)
		}
	}
	r.execs = append(r.execs, &exec{name: name, in: in, at: "Open"})
	return nil
}

// Wake implements workflow.Waker.
func (r *rig) Wake(_ context.Context, token string) error {
	for _, e := range r.execs {
		if e.token == token && !e.woken && e.at != "Done" {
			e.woken = true
			return nil
		}
	}
	return workflow.ErrGone
}

func (e *exec) runnable() bool { return e.at != "Done" && (e.token == "" || e.woken) }

// run walks all executions until nothing is left to do within the horizon; time passes only when everybody waits.
func (r *rig) run(horizon time.Duration) {
	r.t.Helper()
	end, nap := r.clock.Now().Add(horizon), time.Minute
	for {
		busy := false
		for i := 0; i < len(r.execs); i++ {
			for r.execs[i].runnable() {
				r.enter(r.execs[i])
				if r.hot++; r.hot > 1000 {
					r.t.Fatalf("the machine spins:\n%s", r.timeline(r.execs[i].in.Upload))
				}
				busy = true
			}
		}
		if busy {
			nap = time.Minute
			continue
		}
		if !r.clock.Now().Before(end) || r.idle() {
			return
		}
		r.clock.add(nap)
		r.hot, nap = 0, min(nap*2, max(r.napMost, time.Minute))
		r.due()
	}
}

// idle says that nobody will ever do anything again.
func (r *rig) idle() bool {
	for _, e := range r.execs {
		if e.at != "Done" {
			return false
		}
	}
	for _, q := range []state.Queue{state.UploadQueue, state.PubQueue, state.OutQueue} {
		if ids, err := r.ledger.DueIDs(r.t.Context(), q, r.clock.Now().AddDate(20, 0, 0), 1); err != nil || len(ids) > 0 {
			return false
		}
	}
	return true
}

func (r *rig) wait(seconds int) {
	if seconds > 0 {
		r.clock.add(time.Duration(seconds) * time.Second)
		r.hot = 0
	}
}

// enter runs the state that an execution is in.
func (r *rig) enter(e *exec) {
	ctx := r.t.Context()
	switch e.at {
	case "Open":
		o, err := call(r, func() (workflow.Opened, error) { return r.w.Open(ctx, e.in) })
		e.wait, e.ranges = o.Wait, o.Ranges
		e.go_(err, o.Next, "Settle", map[string]string{"carry": "Carry", "complete": "Complete", "publish": "ToPublish", "look": "LookWait",
			"watch": "Watch", "again": "Open", "park": "ParkOpen", "renew": "Renew", "end": "Settle", "superseded": "Settle"})
	case "ParkOpen", "WaitForPlatform":
		r.park(ctx, e)
	case "Renew":
		_, _ = call(r, func() (workflow.Result, error) { return r.w.Renew(ctx, e.in) })
		e.at = "Open"
	case "Carry":
		for _, n := range e.ranges {
			r.carry(ctx, e, n)
		}
		e.at = "Open"
	case "Complete":
		_, _ = call(r, func() (workflow.Result, error) { return r.w.Complete(ctx, e.in) })
		e.at = "Open"
	case "ToPublish":
		r.wait(e.wait)
		e.at = "Publish"
	case "Publish":
		o, err := call(r, func() (workflow.Result, error) { return r.w.Publish(ctx, e.in) })
		e.go_(err, o.Next, "FirstLook", map[string]string{"posted": "Watch", "early": "Open", "renew": "Renew", "unknown": "FirstLook", "refused": "Settle", "held": "Settle"})
	case "FirstLook":
		e.wait, e.at = 30, "LookWait"
	case "LookWait":
		r.wait(e.wait)
		e.at = "Look"
	case "Look":
		o, err := call(r, func() (workflow.Result, error) { return r.w.Look(ctx, e.in) })
		if err == nil {
			e.wait = o.Wait
		}
		e.go_(err, o.Next, "LookWait", map[string]string{"found": "Watch", "permit": "Publish", "open": "Open", "again": "LookWait", "held": "Settle"})
	case "Watch":
		o, err := call(r, func() (workflow.Result, error) { return r.w.Check(ctx, e.in) })
		e.go_(err, o.Next, "WaitForPlatform", map[string]string{"later": "WaitForPlatform", "open": "Open", "live": "Settle", "blocked": "Settle", "failed": "Settle"})
	case "Settle":
		r.settle(ctx, e)
	}
}

// go_ takes the edge of the answer, or the Catch; a word that the machine does not know goes to Settle.
func (e *exec) go_(err error, word, catch string, edges map[string]string) {
	if err != nil {
		e.at = catch
		return
	}
	if e.at = edges[word]; e.at == "" {
		e.at = "Settle"
	}
}

// call runs a function as Lambda would: a panic is a killed function.
func call[T any](r *rig, fn func() (T, error)) (out T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("killed: %v", p)
		}
		if err != nil {
			r.stepErrs = append(r.stepErrs, err)
		}
	}()
	return fn()
}

func (r *rig) park(ctx context.Context, e *exec) {
	back, kind := "Open", "open"
	if e.at == "WaitForPlatform" {
		back, kind = "Watch", "watch"
	}
	if e.woken {
		e.token, e.woken, e.at = "", false, back
		return
	}
	r.serial++
	e.token = fmt.Sprintf("%s%d", aSecret, r.serial)
	if _, err := call(r, func() (struct{}, error) {
		return r.w.Park(ctx, workflow.ParkStep{Step: e.in, Token: e.token, For: kind})
	}); err != nil {
		e.token, e.woken, e.at = "", false, "Settle"
	}
}

func (r *rig) carry(ctx context.Context, e *exec, n int) {
	for turn, retries := 0, 0; turn < 100; turn++ {
		o, err := call(r, func() (workflow.RangeResult, error) {
			return r.w.Carry(ctx, workflow.RangeStep{Step: e.in, Range: n})
		})
		if err != nil {
			if retries++; retries > 3 {
				return
			}
			r.wait(2)
			continue
		}
		if o.Done {
			return
		}
		r.wait(o.Wait)
	}
	r.t.Errorf("range %d does not end", n)
}

func (r *rig) settle(ctx context.Context, e *exec) {
	e.at = "Done"
	for range 10 {
		if _, err := call(r, func() (workflow.Result, error) { return r.w.Settle(ctx, e.in) }); err == nil {
			return
		}
		r.wait(2)
	}
	if err := r.w.Ended(ctx, e.name, "FAILED"); err != nil {
		r.t.Errorf("ended: %v", err)
	}
}
