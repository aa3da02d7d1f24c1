package asl

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/stepfn"
	"github.com/vodlift/vodlift/statemachine"
)

// functions answer from a script.
type functions struct {
	engine *stepfn.Engine

	mu    sync.Mutex
	left  map[string][]json.RawMessage
	calls map[string][]any
}

// callName is how a script names a call: the function; finalize by its step, park by what it waits for, uploadpart by
// its range.
func callName(function string, p map[string]any) string {
	switch function {
	case "finalize":
		return fmt.Sprint(p["step"])
	case "park":
		return fmt.Sprint("park/", p["for"])
	case "uploadpart":
		return fmt.Sprint("uploadpart/", p["range"])
	}
	return function
}

// Invoke is stepfn.Invoker's.
func (f *functions) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	var p map[string]any
	if err := json.Unmarshal(payload, &p); err != nil {
		return nil, err
	}
	token, parked := p["token"].(string)
	if parked {
		p["token"] = "TOKEN"
	}
	f.mu.Lock()
	call := callName(function, p)
	f.calls[call] = append(f.calls[call], p)
	line := json.RawMessage(`{}`)
	if _, ok := p["range"]; ok {
		line = json.RawMessage(`{"done":true,"wait":0}`)
	}
	if list := f.left[call]; len(list) > 0 {
		line = list[0]
		if len(list) > 1 {
			f.left[call] = list[1:]
		}
	}
	f.mu.Unlock()
	var a struct {
		Error string `json:"error"`
		Wake  bool   `json:"wake"`
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return nil, err
	}
	switch {
	case parked && a.Error == stepfn.ErrorTimeout:
		return nil, nil // nobody wakes it, and the machine's own day goes by
	case a.Error != "":
		return nil, &stepfn.TaskError{Name: a.Error, Cause: "scripted"}
	case parked:
		return nil, f.engine.SendTaskSuccess(ctx, token, `{}`)
	}
	return line, nil
}

// playOurs plays a script in local/stepfn, on a clock that does not wait.
func playOurs(t *testing.T, definition []byte, s script) trace {
	t.Helper()
	out := trace{Name: s.Name, Lines: map[string][]string{}}
	m, err := stepfn.Load(definition, statemachine.Substitutions())
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		f := &functions{left: map[string][]json.RawMessage{}, calls: map[string][]any{}}
		for k, v := range s.Answers {
			f.left[k] = v
		}
		f.engine = stepfn.New(m, f, stepfn.Options{KeepHistory: true})
		defer func() {
			if err := f.engine.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		}()
		if _, err := f.engine.StartExecution(t.Context(), "one", s.Input); err != nil {
			t.Fatal(err)
		}
		x, err := f.engine.Wait(t.Context(), "one")
		if err != nil {
			t.Fatal(err)
		}
		out.Status, out.Error, out.Calls = string(x.Status), x.Error, f.calls
		if len(x.Output) > 0 {
			if err := json.Unmarshal(x.Output, &out.Output); err != nil {
				t.Fatal(err)
			}
		}
		out.lines(x.History)
	})
	return out
}

// lines reads the states entered, and how long each Wait really took.
func (t *trace) lines(history []stepfn.Event) {
	began := map[string]time.Time{}
	for _, e := range history {
		line := "top"
		if e.Iteration >= 0 {
			line = strconv.Itoa(e.Iteration)
		}
		switch {
		case strings.HasSuffix(e.Type, "StateEntered"):
			t.Lines[line] = append(t.Lines[line], e.State)
			began[line] = e.Time
		case e.Type == "WaitStateExited":
			last := len(t.Lines[line]) - 1
			t.Lines[line][last] += fmt.Sprintf(" %d", int(e.Time.Sub(began[line]).Seconds()))
		}
	}
}
