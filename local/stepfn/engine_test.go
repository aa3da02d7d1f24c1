package stepfn_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/stepfn"
)

func TestPayloadsOver256KiBAreDataLimitExceeded(t *testing.T) {
	const catch = `"Catch":[{"ErrorEquals":["States.ALL"],"Next":"B"}]`
	fit := stepfn.MaxPayloadBytes - len(`{"ExecutedVersion":"$LATEST","Payload":"","SdkHttpMetadata":{"HttpStatusCode":200},"StatusCode":200}`)
	answer := func(n int) functions {
		return functions{"f": func(map[string]any) (any, error) { return strings.Repeat("x", n), nil }}
	}
	def := states("A", task(`,"ResultPath":null,`+catch+`,"Next":"B"`), "B", `{"Type":"Succeed"}`)
	t.Run("an answer of exactly 256 KiB fits", func(t *testing.T) {
		x := once(t, def, answer(fit), `{}`)
		if x.Status != stepfn.Succeeded || x.MaxPayload != stepfn.MaxPayloadBytes {
			t.Errorf("%s, %d bytes", x.Status, x.MaxPayload)
		}
	})
	t.Run("one byte more ends the execution, though States.ALL is caught", func(t *testing.T) {
		wantError(t, once(t, def, answer(fit+1), `{}`), stepfn.Failed, "States.DataLimitExceeded")
	})
	t.Run("the gathered results of a Map count", func(t *testing.T) {
		body := `"I":` + task(`,"OutputPath":"$.Payload","End":true`)
		wantError(t, once(t, states("A", mapping(`,"End":true`, body)), answer(70_000), list(4)), stepfn.Failed, "States.DataLimitExceeded")
	})
	t.Run("Parameters that blow up count", func(t *testing.T) {
		twice := strings.Replace(task(`,"End":true`), `"in.$":"$"`, `"a.$":"$","b.$":"$"`, 1)
		wantError(t, once(t, states("A", twice), answer(1), `"`+strings.Repeat("x", 140_000)+`"`), stepfn.Failed, "States.DataLimitExceeded")
	})
	t.Run("an input that is too large starts nothing", func(t *testing.T) {
		_, err := engine(t, def, nil, stepfn.Options{}).StartExecution(t.Context(), "x", []byte(`"`+strings.Repeat("x", stepfn.MaxPayloadBytes)+`"`))
		if !errors.Is(err, stepfn.ErrInvalidExecutionInput) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheHistoryHoldsNoMoreThanItsLimit(t *testing.T) {
	three := states("A", `{"Type":"Pass","Next":"B"}`, "B", `{"Type":"Succeed"}`) // 6 events
	for limit, want := range map[int]stepfn.Status{5: stepfn.Failed, 6: stepfn.Succeeded, 7: stepfn.Succeeded} {
		x := run(t, engine(t, three, nil, stepfn.Options{MaxEvents: limit}), `{}`)
		if x.Status != want || x.Events > limit {
			t.Errorf("limit %d: %s with %d events, want %s: %s", limit, x.Status, x.Events, want, x.Cause)
		}
	}
	t.Run("an endless loop ends at 25,000", func(t *testing.T) {
		loop := states("A", `{"Type":"Choice","Choices":[{"Variable":"$.v","StringEquals":"x","Next":"B"}],"Default":"A"}`, "B", `{"Type":"Succeed"}`)
		x := once(t, loop, nil, `{"v":"y"}`)
		wantError(t, x, stepfn.Failed, "States.Runtime")
		if x.Events != 25_000 {
			t.Errorf("%d events", x.Events)
		}
	})
}

func TestExecutionNames(t *testing.T) {
	e := engine(t, states("A", `{"Type":"Succeed"}`), nil, stepfn.Options{})
	good := []string{"a", strings.Repeat("n", 80), "01J8ZQ4-12", "a.b_c=d+e@f(g)", "视频"}
	bad := []string{"", strings.Repeat("n", 81), "a b", "a/b", "a:b", "a*b", "a?b", "a{b", "a]b", "a\"b", "a%b", "a\x00b", "a\u0080b", "a\xffb", "a;b", "a~b", "a&b"}
	for _, name := range good {
		if _, err := e.StartExecution(t.Context(), name, []byte(`{}`)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range bad {
		if _, err := e.StartExecution(t.Context(), name, []byte(`{}`)); !errors.Is(err, stepfn.ErrInvalidName) {
			t.Errorf("%q: got %v, want InvalidName", name, err)
		}
	}
}

func TestStartingTwiceIsSafe(t *testing.T) {
	f, tokens := keeper()
	e := engine(t, parkMachine(), f, stepfn.Options{MaxRunning: 1})
	token := parked(t, e, tokens) // "x" with {"n":1}
	arn, err := e.StartExecution(t.Context(), "x", []byte(`{"n":1}`))
	if x, _ := e.Describe("x"); err != nil || arn != x.ARN || x.Status != stepfn.Running || x.State != "A" {
		t.Errorf("same name and input: %q, %v; want the running one's ARN", arn, err)
	}
	steps := []struct {
		rule, name, input string
		want              error
	}{
		{"another input", "x", `{"n":2}`, stepfn.ErrExecutionAlreadyExists},
		{"more than MaxRunning", "y", `{}`, stepfn.ErrExecutionLimitExceeded},
		{"not JSON", "z", `{`, stepfn.ErrInvalidExecutionInput},
		{"two texts", "z", `{} {}`, stepfn.ErrInvalidExecutionInput},
		{"nothing", "z", ``, stepfn.ErrInvalidExecutionInput},
	}
	for _, s := range steps {
		if _, err := e.StartExecution(t.Context(), s.name, []byte(s.input)); !errors.Is(err, s.want) {
			t.Errorf("%s: got %v, want %v", s.rule, err, s.want)
		}
	}
	if err := e.SendTaskSuccess(t.Context(), token, `{}`); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Wait(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.StartExecution(t.Context(), "x", []byte(`{"n":1}`)); !errors.Is(err, stepfn.ErrExecutionAlreadyExists) {
		t.Errorf("a closed name: got %v, want ExecutionAlreadyExists", err)
	}
}

func TestStopAbortsAndLeavesTheFunctionRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		f := functions{"f": func(map[string]any) (any, error) { time.Sleep(30 * time.Second); close(ended); return 1, nil }}
		e := engine(t, states("A", task(`,"Catch":[{"ErrorEquals":["States.ALL"],"Next":"B"}],"Next":"B"`), "B", `{"Type":"Succeed"}`), f, stepfn.Options{})
		if _, err := e.StartExecution(t.Context(), "x", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := e.Stop("x", "Operator", "enough"); err != nil {
			t.Fatal(err)
		}
		x, _ := e.Wait(t.Context(), "x")
		wantError(t, x, stepfn.Aborted, "Operator")
		<-ended
		if err := e.Stop("gone", "", ""); !errors.Is(err, stepfn.ErrExecutionDoesNotExist) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCloseAbortsWhatRunsAndTellsTheFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ends []string
		f, tokens := keeper()
		told := make(chan struct{})
		e := stepfn.New(load(t, parkMachine()), waitsForContext{f, told}, stepfn.Options{OnEnd: func(_ context.Context, x stepfn.Execution) {
			ends = append(ends, fmt.Sprint(x.Name, " ", x.Status))
		}})
		parked(t, e, tokens)
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-told
		if got := fmt.Sprint(ends); got != "[x ABORTED]" {
			t.Errorf("OnEnd saw %s", got)
		}
		if _, err := e.StartExecution(t.Context(), "y", []byte(`{}`)); !errors.Is(err, stepfn.ErrClosed) {
			t.Errorf("start after Close: %v", err)
		}
		if x, ok := e.Describe("x"); !ok || len(x.History) != 0 || x.Visits["A"] != 1 || x.Events != 5 {
			t.Errorf("an ended execution keeps a summary and no history: %+v", x)
		}
	})
}

// waitsForContext hands the token on and then runs until the engine closes.
type waitsForContext struct {
	functions
	told chan struct{}
}

func (w waitsForContext) Invoke(ctx context.Context, name string, payload []byte) ([]byte, error) {
	if _, err := w.functions.Invoke(ctx, name, payload); err != nil {
		return nil, err
	}
	<-ctx.Done()
	close(w.told)
	return nil, ctx.Err()
}

func TestEndedExecutionsAreForgottenOldestFirst(t *testing.T) {
	e := engine(t, states("A", `{"Type":"Succeed"}`), nil, stepfn.Options{KeepEnded: 2})
	for _, name := range []string{"a", "b", "c"} {
		if _, err := e.StartExecution(t.Context(), name, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Wait(t.Context(), name); err != nil && name != "a" {
			t.Fatal(err)
		}
	}
	var names []string
	for _, x := range e.List(stepfn.Succeeded) {
		names = append(names, x.Name)
	}
	if got := fmt.Sprint(names); got != "[b c]" {
		t.Errorf("remembered %s, want the last two", got)
	}
	if _, err := e.Wait(t.Context(), "a"); !errors.Is(err, stepfn.ErrExecutionDoesNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestThousandsOfExecutionsAtOnce(t *testing.T) {
	const n = 3000
	synctest.Test(t, func(t *testing.T) {
		def := states("A", park(`,"TimeoutSeconds":86400,"Next":"B"`), "B", `{"Type":"Wait","Seconds":60,"Next":"C"}`, "C", `{"Type":"Succeed"}`)
		tokens := make(chan string, n)
		f := functions{"park": func(p map[string]any) (any, error) { tokens <- p["token"].(string); return nil, nil }}
		e := engine(t, def, f, stepfn.Options{KeepEnded: n})
		for i := range n {
			if _, err := e.StartExecution(t.Context(), fmt.Sprint("x", i), []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := e.Totals().Running; got != n {
			t.Errorf("%d running, want %d", got, n)
		}
		for range n {
			if err := e.SendTaskSuccess(t.Context(), <-tokens, `{}`); err != nil {
				t.Fatal(err)
			}
		}
		for i := range n {
			if _, err := e.Wait(t.Context(), fmt.Sprint("x", i)); err != nil {
				t.Fatal(err)
			}
		}
		if got := e.Totals(); got.Succeeded != n || got.Running != 0 || got.Transitions != 3*n || got.Events != 12*n {
			t.Errorf("totals %+v", got)
		}
	})
}
