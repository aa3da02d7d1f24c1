package stepfn

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// stopped names the error that unwinds a frame whose context has ended. It is never matched by Retry or Catch.
const stopped = "(stopped)"

// frame is a line of execution: the machine itself, or one iteration of a Map.
type frame struct {
	*execution
	ctx       context.Context
	iteration int // -1 outside of a Map
	item      any
}

// visit is one state being run.
type visit struct {
	*frame
	state   *state
	entered time.Time
	retries int
	token   string
}

// run goes from state to state until one ends the graph.
func (f *frame) run(g *graph, input any) (any, *stateError) {
	for name := g.start; ; {
		output, next, err := f.visit(g.states[name], input)
		if err != nil || next == "" {
			return output, err
		}
		name, input = next, output
	}
}

// event records an event. It fails when the frame has been stopped, and stops the whole execution at the history limit:
// the last event is kept for the end of the execution.
func (f *frame) event(typ, state, errorName string) *stateError {
	if f.ctx.Err() != nil {
		return &stateError{name: stopped}
	}
	f.mu.Lock()
	full := f.now.Events >= f.engine.o.MaxEvents-1
	if !full {
		f.append(typ, state, f.iteration, errorName)
		if errorName != "" && strings.HasPrefix(typ, "Task") { // a Map repeats the errors of its iterations
			f.now.Errors[errorName]++
		}
	}
	f.mu.Unlock()
	if full {
		f.cancel(&ending{status: Failed, err: fail(ErrorRuntime, "the execution reached the maximum number of history events (%d)", f.engine.o.MaxEvents)})
		return &stateError{name: stopped}
	}
	f.engine.add(1, 0, 0)
	return nil
}

// transition counts what AWS bills: a state entered, or tried again.
func (f *frame) transition(s *state, entered bool) {
	f.mu.Lock()
	f.now.Transitions++
	if entered {
		f.now.Visits[s.name]++
		f.now.State = s.name
	}
	f.mu.Unlock()
	f.engine.add(0, 1, 0)
}

// visit runs one state and says what comes next; an empty next ends the graph.
func (f *frame) visit(s *state, input any) (any, string, *stateError) {
	v := &visit{frame: f, state: s, entered: f.engine.o.Now()}
	if err := f.event(s.typ+"StateEntered", s.name, ""); err != nil {
		return nil, "", err
	}
	f.transition(s, true)
	if s.typ == "Fail" {
		return nil, "", &stateError{name: s.errorName, cause: s.cause}
	}
	output, next, err := v.do(input)
	if err != nil {
		return nil, "", err
	}
	if err := f.size(output); err != nil {
		return nil, "", err
	}
	if err := f.event(s.typ+"StateExited", s.name, ""); err != nil {
		return nil, "", err
	}
	return output, next, nil
}

// do runs the state between its InputPath and its OutputPath.
func (v *visit) do(raw any) (any, string, *stateError) {
	s := v.state
	input, err := v.through(s.input, raw)
	if err != nil {
		return nil, "", err
	}
	output, next := any(nil), s.next
	switch s.typ {
	case "Task", "Map":
		var caught bool
		if output, next, caught, err = v.guarded(raw, input); caught {
			return output, next, nil // OutputPath shapes results, not errors
		}
	case "Choice":
		output = input
		next, err = v.choose(input)
	case "Wait":
		output, err = input, v.pause(input)
	case "Pass":
		output, err = v.pass(raw, input)
	default: // Succeed
		output = input
	}
	if err != nil {
		return nil, "", err
	}
	output, err = v.through(s.output, output)
	return output, next, err
}

// through applies InputPath or OutputPath; null gives an empty object.
func (v *visit) through(p *path, value any) (any, *stateError) {
	if p == nil {
		return map[string]any{}, nil
	}
	if len(p.steps) == 0 && !p.context {
		return value, nil
	}
	return lookup(p, value, v.context)
}

// merge puts a result into the raw input by ResultPath; null throws it away.
func merge(p *path, raw, result any) (any, *stateError) {
	if p == nil {
		return raw, nil
	}
	out, err := put(raw, p.steps, result)
	if err != nil {
		return nil, fail(ErrorResult, "ResultPath %q: %v", p.text, err)
	}
	return out, nil
}

func (v *visit) pass(raw, input any) (any, *stateError) {
	result := input
	if v.state.hasLiteral {
		result = v.state.literal
	} else if v.state.parameters != nil {
		var err *stateError
		if result, err = v.state.parameters.eval(input, v.context); err != nil {
			return nil, err
		}
	}
	return merge(v.state.result, raw, result)
}

func (v *visit) choose(input any) (string, *stateError) {
	for _, r := range v.state.rules {
		if ok, err := r.holds(input, v.context); err != nil || ok {
			return r.next, err
		}
	}
	if v.state.otherwise == "" {
		return "", fail(ErrorNoChoice, "no rule of %q matched and it has no Default", v.state.name)
	}
	return v.state.otherwise, nil
}

func (v *visit) pause(input any) *stateError {
	seconds := v.state.seconds
	if p := v.state.secondsPath; p != nil {
		value, err := lookup(p, input, v.context)
		if err != nil {
			return err
		}
		n, ok := whole(value, maxWaitSeconds)
		if !ok {
			return fail(ErrorRuntime, "SecondsPath %q must lead to a whole number from 0 to %d", p.text, maxWaitSeconds)
		}
		seconds = n
	}
	return v.sleep(time.Duration(seconds) * time.Second)
}

// sleep waits for d of the machine's time, or until the frame is stopped.
func (v *visit) sleep(d time.Duration) *stateError {
	if d = v.engine.scaled(d); d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-v.ctx.Done():
		return &stateError{name: stopped}
	}
}

// context is the context object ($$).
func (v *visit) context() any {
	stamp := func(t time.Time) any { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	c := map[string]any{
		"Execution": map[string]any{
			"Id": v.arn, "Name": v.name, "Input": v.value, "StartTime": stamp(v.now.Started),
			"RoleArn": "arn:aws:iam::000000000000:role/local", "RedriveCount": json.Number("0"),
		},
		"State":        map[string]any{"Name": v.state.name, "EnteredTime": stamp(v.entered), "RetryCount": count(v.retries)},
		"StateMachine": map[string]any{"Id": "arn:aws:states:local:000000000000:stateMachine:" + v.engine.o.Name, "Name": v.engine.o.Name},
	}
	if v.token != "" {
		c["Task"] = map[string]any{"Token": v.token}
	}
	if v.iteration >= 0 {
		c["Map"] = map[string]any{"Item": map[string]any{"Index": count(v.iteration), "Value": v.item}}
	}
	return c
}
