package stepfn

import (
	"encoding/json"
	"errors"
	"math"
	"time"
)

// guarded runs a Task or Map under its Retry and Catch, and applies ResultSelector and ResultPath. caught tells that a
// Catcher made the output and chose what comes next.
func (v *visit) guarded(raw, input any) (output any, next string, caught bool, err *stateError) {
	s := v.state
	used := make([]int, len(s.retry))
	for {
		output, err := v.once(raw, input)
		if err == nil {
			return output, s.next, false, nil
		}
		if err.name == stopped {
			return nil, "", false, err
		}
		if delay, again := v.retry(err, used); again {
			if err := v.sleep(delay); err != nil {
				return nil, "", false, err
			}
			v.retries++
			v.transition(s, false)
			continue
		}
		for _, c := range s.catch {
			if covers(c.errors, err) {
				output, merr := merge(c.result, raw, map[string]any{"Error": err.name, "Cause": err.cause})
				return output, c.next, merr == nil, merr
			}
		}
		return nil, "", false, err
	}
}

// once is one attempt, up to and including ResultPath.
func (v *visit) once(raw, input any) (any, *stateError) {
	var result any
	var err *stateError
	if v.state.typ == "Map" {
		result, err = v.mapOver(input)
	} else {
		result, err = v.task(input)
	}
	if err != nil {
		return nil, err
	}
	if v.state.selector != nil {
		if result, err = v.state.selector.eval(result, v.context); err != nil {
			return nil, err
		}
	}
	return merge(v.state.result, raw, result)
}

// retry asks the first Retrier that covers the error, and no other, whether and when to try again.
func (v *visit) retry(err *stateError, used []int) (time.Duration, bool) {
	for i, r := range v.state.retry {
		if !covers(r.errors, err) {
			continue
		}
		if used[i] >= r.attempts {
			return 0, false
		}
		delay := float64(r.interval) * math.Pow(r.backoff, float64(used[i]))
		ceiling := float64(maxRetryDelay) * float64(time.Second)
		if r.limit > 0 {
			ceiling = float64(r.limit)
		}
		if delay = min(delay, ceiling); r.jitter {
			delay *= v.engine.o.Rand()
		}
		used[i]++
		return time.Duration(delay), true
	}
	return 0, false
}

// task invokes the function once and, where the resource says so, waits for the token.
func (v *visit) task(input any) (any, *stateError) {
	var wake *pending
	if v.state.token {
		wake = v.engine.issue()
		defer v.engine.revoke(wake)
		v.token = wake.token
	}
	parameters, err := v.state.parameters.eval(input, v.context)
	if err != nil {
		return nil, err
	}
	if err := v.size(parameters); err != nil {
		return nil, err
	}
	for _, typ := range []string{"TaskScheduled", "TaskStarted"} {
		if err := v.event(typ, v.state.name, ""); err != nil {
			return nil, err
		}
	}
	o := v.await(v.invoke(encode(parameters.(map[string]any)["Payload"])), wake)
	if o.err == nil {
		o.err = v.size(o.result)
	}
	switch {
	case o.err == nil:
		return o.result, v.event("TaskSucceeded", v.state.name, "")
	case o.err.name == stopped:
		v.aborted("TaskStateAborted")
		return nil, o.err
	case o.err.name == ErrorTimeout || o.err.name == ErrorHeartbeat:
		err = v.event("TaskTimedOut", v.state.name, o.err.name)
	default:
		err = v.event("TaskFailed", v.state.name, o.err.name)
	}
	if err != nil {
		return nil, err
	}
	return nil, o.err
}

// outcome is how an attempt ended.
type outcome struct {
	result any
	err    *stateError
}

// invoke runs the function on a goroutine of its own: when the Task times out the function goes on, as in AWS.
func (v *visit) invoke(payload []byte) <-chan outcome {
	e, function := v.engine, v.state.function
	done := make(chan outcome, 1)
	e.wg.Go(func() {
		answer, err := e.invoker.Invoke(e.base, function, payload)
		done <- answered(answer, err)
	})
	return done
}

// answered wraps what a function returned as lambda:invoke does.
func answered(answer []byte, err error) outcome {
	var named *TaskError
	switch {
	case errors.As(err, &named) && named.Name != "":
		return outcome{err: &stateError{name: named.Name, cause: named.Cause}}
	case err != nil:
		return outcome{err: &stateError{name: ErrorUnknown, cause: err.Error()}}
	}
	var payload any
	if len(answer) > 0 {
		var bad error
		if payload, bad = decode(answer); bad != nil {
			return outcome{err: fail(ErrorUnknown, "the function did not answer with JSON: %v", bad)}
		}
	}
	return outcome{result: map[string]any{
		"ExecutedVersion": "$LATEST", "StatusCode": json.Number("200"), "Payload": payload,
		"SdkHttpMetadata": map[string]any{"HttpStatusCode": json.Number("200")},
	}}
}

// await waits for the function or, when wake is given, for its token; the token may come before the function returns.
func (v *visit) await(answer <-chan outcome, wake *pending) outcome {
	var woken <-chan outcome
	var beat <-chan struct{}
	timeout, heartbeat := v.state.timeout, v.state.heartbeat
	if wake != nil {
		woken, beat = wake.done, wake.beat
		timeout, heartbeat = v.engine.scaled(timeout), v.engine.scaled(heartbeat)
	}
	late, stopLate := alarm(timeout)
	defer stopLate()
	silent, stopSilent := alarm(heartbeat)
	defer func() { stopSilent() }()
	for {
		select {
		case o := <-answer:
			if wake == nil || o.err != nil {
				return v.unless(wake, o)
			}
			if err := v.event("TaskSubmitted", v.state.name, ""); err != nil {
				return outcome{err: err}
			}
			answer = nil
		case o := <-woken:
			return o
		case <-beat:
			stopSilent()
			silent, stopSilent = alarm(heartbeat)
		case <-late:
			return v.unless(wake, outcome{err: fail(ErrorTimeout, "the task ran longer than its TimeoutSeconds")})
		case <-silent:
			return v.unless(wake, outcome{err: fail(ErrorHeartbeat, "no heartbeat within HeartbeatSeconds")})
		case <-v.ctx.Done():
			return outcome{err: &stateError{name: stopped}}
		}
	}
}

// unless is o, unless the token was used in the same moment: who was told that the task succeeded must be right.
func (v *visit) unless(wake *pending, o outcome) outcome {
	if wake != nil && !v.engine.revoke(wake) {
		return <-wake.done
	}
	return o
}

// alarm fires once after d; never when d is 0.
func alarm(d time.Duration) (<-chan time.Time, func()) {
	if d <= 0 {
		return nil, func() {}
	}
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
