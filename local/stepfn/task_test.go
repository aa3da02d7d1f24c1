package stepfn_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/stepfn"
)

// sequence answers one error name after the other ("" is success) and notes when it was called.
func sequence(calls *[]time.Duration, names ...string) functions {
	start, i := time.Now(), 0
	return functions{"f": func(map[string]any) (any, error) {
		*calls = append(*calls, time.Since(start))
		name := ""
		if i < len(names) {
			name = names[i]
		}
		i++
		if name != "" {
			return nil, fault(name)
		}
		return "fine", nil
	}}
}

func TestRetryFollowsTheFirstRetrierThatCoversTheError(t *testing.T) {
	const two = `,"Retry":[{"ErrorEquals":["ErrorA","ErrorB"],"IntervalSeconds":1,"BackoffRate":2.0,"MaxAttempts":2},{"ErrorEquals":["ErrorC"],"IntervalSeconds":5}],"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.err","Next":"Z"}],"Next":"B"`
	tests := []struct {
		rule, more string
		names      []string
		at         string // seconds at which the function was called
		end        string // last state
	}{
		{"the example of the developer guide", two, []string{"ErrorA", "ErrorB", "ErrorC", "ErrorB"}, "[0s 1s 3s 8s]", "Z"},
		{"defaults: 1 s, rate 2, three attempts", `,"Retry":[{"ErrorEquals":["States.ALL"]}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Z"}],"Next":"B"`, []string{"E", "E", "E", "E"}, "[0s 1s 3s 7s]", "Z"},
		{"success after a retry goes on", two, []string{"ErrorA"}, "[0s 1s]", "B"},
		{"MaxAttempts 0 never tries again", `,"Retry":[{"ErrorEquals":["E"],"MaxAttempts":0},{"ErrorEquals":["States.ALL"]}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Z"}],"Next":"B"`, []string{"E"}, "[0s]", "Z"},
		{"MaxDelaySeconds bounds the backoff", `,"Retry":[{"ErrorEquals":["E"],"IntervalSeconds":2,"BackoffRate":10,"MaxDelaySeconds":5}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Z"}],"Next":"B"`, []string{"E", "E", "E"}, "[0s 2s 7s 12s]", "B"},
		{"FULL jitter draws from the whole delay", `,"Retry":[{"ErrorEquals":["E"],"IntervalSeconds":4,"JitterStrategy":"FULL"}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Z"}],"Next":"B"`, []string{"E", "E"}, "[0s 1s 3s]", "B"},
		{"an error that no Retrier covers is caught at once", two, []string{"Other"}, "[0s]", "Z"},
		{"States.TaskFailed covers a named error", `,"Retry":[{"ErrorEquals":["States.TaskFailed"]}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Z"}],"Next":"B"`, []string{"E"}, "[0s 1s]", "B"},
		{"States.Timeout does not cover a named error", `,"Retry":[{"ErrorEquals":["States.Timeout"]}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Z"}],"Next":"B"`, []string{"E"}, "[0s]", "Z"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls []time.Duration
				f := sequence(&calls, tt.names...)
				def := states("A", task(tt.more), "B", `{"Type":"Succeed"}`, "Z", `{"Type":"Succeed"}`)
				x := run(t, engine(t, def, f, stepfn.Options{Rand: func() float64 { return 0.25 }}), `{}`)
				if got := fmt.Sprint(calls); got != tt.at || x.State != tt.end {
					t.Errorf("calls at %s, ended in %s; want %s, %s", got, x.State, tt.at, tt.end)
				}
				if got, want := x.Transitions, len(calls)+1; got != want {
					t.Errorf("%d transitions, want %d: every retry is billed", got, want)
				}
			})
		})
	}
}

func TestScaleDividesWaitsAndRetriesAndParksButNotTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Duration
		f := sequence(&calls, "E")
		f["park"] = func(map[string]any) (any, error) { return nil, nil }
		f["slow"] = func(map[string]any) (any, error) { time.Sleep(50 * time.Second); return nil, nil }
		def := states("A", `{"Type":"Wait","Seconds":100,"Next":"B"}`,
			"B", task(`,"Retry":[{"ErrorEquals":["E"],"IntervalSeconds":100}],"ResultPath":null,"Next":"C"`),
			"C", park(`,"TimeoutSeconds":1000,"Catch":[{"ErrorEquals":["States.Timeout"],"Next":"D"}],"Next":"D"`),
			"D", `{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","TimeoutSeconds":60,"Parameters":{"FunctionName":"slow","Payload":{}},"End":true}`)
		start := time.Now()
		x := run(t, engine(t, def, f, stepfn.Options{Scale: 10}), `{}`)
		if got, want := time.Since(start), (10+10+100+50)*time.Second; x.Status != stepfn.Succeeded || got != want {
			t.Errorf("%s after %s, want success after %s", x.Status, got, want)
		}
	})
}

func TestErrorsGetTheirNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tests := map[string]struct {
			f    func(map[string]any) (any, error)
			want string
		}{
			"a named fault":              {func(map[string]any) (any, error) { return nil, fault("Invalid") }, "Invalid"},
			"a wrapped named fault":      {func(map[string]any) (any, error) { return nil, fmt.Errorf("x: %w", fault("Invalid")) }, "Invalid"},
			"anything else":              {func(map[string]any) (any, error) { return nil, errors.New("boom") }, "Lambda.Unknown"},
			"longer than TimeoutSeconds": {func(map[string]any) (any, error) { time.Sleep(61 * time.Second); return 1, nil }, "States.Timeout"},
		}
		for rule, tt := range tests {
			def := states("A", task(`,"Catch":[{"ErrorEquals":["States.ALL"],"Next":"B"}],"End":true`), "B", `{"Type":"Pass","InputPath":"$.Error","End":true}`)
			x := run(t, engine(t, def, functions{"f": tt.f}, stepfn.Options{}), `{}`)
			if got := string(x.Output); got != `"`+tt.want+`"` {
				t.Errorf("%s: got %s, want %s", rule, got, tt.want)
			}
			if x.Errors[tt.want] != 1 {
				t.Errorf("%s: errors counted %v", rule, x.Errors)
			}
		}
	})
}

// raw is an Invoker that answers with fixed bytes.
type raw string

func (r raw) Invoke(context.Context, string, []byte) ([]byte, error) { return []byte(r), nil }

func TestAnAnswerThatIsNotJSONIsLambdaUnknown(t *testing.T) {
	for _, answer := range []raw{"<html>", `{"a":1} {"b":2}`, `{"a":`} {
		wantError(t, run(t, engine(t, states("A", task(`,"End":true`)), answer, stepfn.Options{}), `{}`), stepfn.Failed, "Lambda.Unknown")
	}
}

func TestAnUncaughtErrorFailsTheExecution(t *testing.T) {
	x := once(t, states("A", task(`,"End":true`)), functions{"f": func(map[string]any) (any, error) { return nil, fault("Permanent") }}, `{}`)
	wantError(t, x, stepfn.Failed, "Permanent")
	if got, want := types(x), "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskFailed ExecutionFailed"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
}

func TestTheResultLooksLikeThatOfLambdaInvoke(t *testing.T) {
	def := states("A", task(`,"ResultSelector":{"p.$":"$.Payload","s.$":"$.StatusCode","v.$":"$.ExecutedVersion"},"ResultPath":"$.r","End":true`))
	f := functions{"f": func(p map[string]any) (any, error) { return map[string]any{"got": p["in"]}, nil }}
	x := once(t, def, f, `{"n":1}`)
	wantOutput(t, x, `{"n":1,"r":{"p":{"got":{"n":1}},"s":200,"v":"$LATEST"}}`)
	if got, want := types(x), "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskSucceeded TaskStateExited ExecutionSucceeded"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
	if x.Events != 7 || x.Transitions != 1 {
		t.Errorf("%d events, %d transitions, want 7 and 1", x.Events, x.Transitions)
	}
}

func TestTheMachinesTimeoutEndsTheExecutionUncaught(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		def := `{"StartAt":"A","TimeoutSeconds":30,"States":{"A":` + task(`,"Catch":[{"ErrorEquals":["States.ALL"],"Next":"B"}],"Next":"B"`) + `,"B":{"Type":"Succeed"}}}`
		f := functions{"f": func(map[string]any) (any, error) { time.Sleep(40 * time.Second); return 1, nil }}
		x := run(t, engine(t, def, f, stepfn.Options{}), `{}`)
		wantError(t, x, stepfn.TimedOut, "States.Timeout")
	})
}
