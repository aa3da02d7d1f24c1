package stepfn_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/stepfn"
)

// functions is an Invoker over Go functions, by name.
type functions map[string]func(payload map[string]any) (any, error)

var _ stepfn.Invoker = functions{}

func (f functions) Invoke(_ context.Context, name string, payload []byte) ([]byte, error) {
	fn := f[name]
	if fn == nil {
		return nil, &stepfn.TaskError{Name: "Lambda.ResourceNotFoundException", Cause: name}
	}
	var p map[string]any
	if err := json.Unmarshal(payload, &p); err != nil {
		return nil, err
	}
	out, err := fn(p)
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

func fault(name string) error { return &stepfn.TaskError{Name: name, Cause: "as the test says"} }

// task is the JSON of a Task that calls f, with more fields.
func task(more string) string {
	return `{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","TimeoutSeconds":60,
		"Parameters":{"FunctionName":"f","Payload":{"in.$":"$"}}` + more + `}`
}

// park is the JSON of a Task that waits for its token.
func park(more string) string {
	return `{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken",
		"Parameters":{"FunctionName":"park","Payload":{"token.$":"$$.Task.Token"}}` + more + `}`
}

// states is a definition that starts at A.
func states(nameAndJSON ...string) string {
	var b strings.Builder
	for i := 0; i < len(nameAndJSON); i += 2 {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "%q: %s", nameAndJSON[i], nameAndJSON[i+1])
	}
	return `{"StartAt":"A","States":{` + b.String() + `}}`
}

func load(t *testing.T, def string) *stepfn.Machine {
	t.Helper()
	m, err := stepfn.Load([]byte(def), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// engine is an Engine that keeps histories and is closed with the test.
func engine(t *testing.T, def string, f stepfn.Invoker, o stepfn.Options) *stepfn.Engine {
	t.Helper()
	o.KeepHistory = true
	e := stepfn.New(load(t, def), f, o)
	t.Cleanup(func() {
		if err := e.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return e
}

// run starts an execution called x and waits for its end.
func run(t *testing.T, e *stepfn.Engine, input string) stepfn.Execution {
	t.Helper()
	if _, err := e.StartExecution(t.Context(), "x", []byte(input)); err != nil {
		t.Fatal(err)
	}
	x, err := e.Wait(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// once runs def with f and the given input.
func once(t *testing.T, def string, f functions, input string) stepfn.Execution {
	t.Helper()
	return run(t, engine(t, def, f, stepfn.Options{}), input)
}

func wantOutput(t *testing.T, x stepfn.Execution, want string) {
	t.Helper()
	if x.Status != stepfn.Succeeded {
		t.Fatalf("status %s, error %q: %s", x.Status, x.Error, x.Cause)
	}
	var got, exp any
	if err := json.Unmarshal(x.Output, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &exp); err != nil {
		t.Fatal(err)
	}
	if g, w := fmt.Sprint(got), fmt.Sprint(exp); g != w {
		t.Errorf("output %s, want %s", x.Output, want)
	}
}

func wantError(t *testing.T, x stepfn.Execution, status stepfn.Status, name string) {
	t.Helper()
	if x.Status != status || x.Error != name {
		t.Errorf("got %s %q (%s), want %s %q", x.Status, x.Error, x.Cause, status, name)
	}
}

// types joins the event types of a history.
func types(x stepfn.Execution) string {
	var out []string
	for _, e := range x.History {
		out = append(out, e.Type)
	}
	return strings.Join(out, " ")
}
