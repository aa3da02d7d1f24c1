package stepfn

import (
	"context"
	"sync"
)

// mapOver runs the body of an inline Map once per item, at most as many at a time as the state and AWS allow, started
// in order. The first iteration that fails aborts the others and fails the Map with its own error.
func (v *visit) mapOver(input any) (any, *stateError) {
	s := v.state
	items, limit, err := v.plan(input)
	if err != nil {
		return nil, err
	}
	if err := v.event("MapStateStarted", s.name, ""); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(v.ctx)
	defer cancel()
	r := &mapRun{visit: v, input: input, items: items, results: make([]any, len(items)), ctx: ctx, cancel: cancel}
	var wg sync.WaitGroup
	for range min(limit, len(items)) {
		wg.Go(r.work)
	}
	wg.Wait()
	if r.err == nil && ctx.Err() == nil {
		return r.results, v.event("MapStateSucceeded", s.name, "")
	}
	if v.ctx.Err() != nil { // the execution, or a Map around this one, was stopped
		v.aborted("MapStateAborted")
		return nil, &stateError{name: stopped}
	}
	if err := v.event("MapStateFailed", s.name, r.err.name); err != nil {
		return nil, err
	}
	return nil, r.err
}

// plan finds the items and the number of iterations that may run at a time.
func (v *visit) plan(input any) ([]any, int, *stateError) {
	s := v.state
	found, err := lookup(s.items, input, v.context)
	if err != nil {
		return nil, 0, err
	}
	items, ok := found.([]any)
	if !ok {
		return nil, 0, fail(ErrorRuntime, "ItemsPath %q must lead to a list", s.items.text)
	}
	limit := s.concurrency
	if p := s.concurrencyPath; p != nil {
		value, err := lookup(p, input, v.context)
		if err != nil {
			return nil, 0, err
		}
		if limit, ok = whole(value, maxWaitSeconds); !ok {
			return nil, 0, fail(ErrorRuntime, "MaxConcurrencyPath %q must lead to a whole number from 0", p.text)
		}
	}
	if limit == 0 || limit > MaxInlineMap { // 0 is "no limit" of ours, which leaves AWS's
		limit = MaxInlineMap
	}
	return items, limit, nil
}

// mapRun is one attempt at a Map.
type mapRun struct {
	visit  *visit
	input  any
	items  []any
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	next    int
	results []any
	err     *stateError
}

// work takes items until there are none, or the Map is stopped.
func (r *mapRun) work() {
	for {
		r.mu.Lock()
		i := r.next
		r.next++
		r.mu.Unlock()
		if i >= len(r.items) || r.ctx.Err() != nil {
			return
		}
		output, err := r.iterate(i)
		r.mu.Lock()
		if r.results[i] = output; err != nil && r.err == nil && err.name != stopped {
			r.err = err
			r.cancel()
		}
		r.mu.Unlock()
	}
}

func (r *mapRun) iterate(i int) (any, *stateError) {
	v, name := r.visit, r.visit.state.name
	f := &frame{execution: v.execution, ctx: r.ctx, iteration: i, item: r.items[i]}
	if err := f.event("MapIterationStarted", name, ""); err != nil {
		return nil, err
	}
	input := r.items[i]
	if v.state.itemSelector != nil {
		var err *stateError
		inside := &visit{frame: f, state: v.state, entered: v.entered}
		if input, err = v.state.itemSelector.eval(r.input, inside.context); err != nil {
			return nil, err
		}
	}
	err := f.size(input)
	var output any
	if err == nil {
		output, err = f.run(v.state.body, input)
	}
	switch {
	case err == nil:
		return output, f.event("MapIterationSucceeded", name, "")
	case err.name == stopped:
		f.abortedAt("MapIterationAborted", name)
	default:
		if err := f.event("MapIterationFailed", name, err.name); err != nil {
			return nil, err
		}
	}
	return nil, err
}

// aborted records that this state was cut short because a sibling failed. When the whole execution is stopped, AWS
// records nothing but its end.
func (v *visit) aborted(typ string) { v.abortedAt(typ, v.state.name) }

func (f *frame) abortedAt(typ, state string) {
	if f.execution.ctx.Err() != nil {
		return
	}
	_ = (&frame{execution: f.execution, ctx: f.execution.ctx, iteration: f.iteration}).event(typ, state, "") // full history: the execution is ending anyway
}
