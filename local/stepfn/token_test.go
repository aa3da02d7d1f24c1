package stepfn_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/stepfn"
)

// parked starts an execution and returns the token that its park was given.
func parked(t *testing.T, e *stepfn.Engine, tokens <-chan string) string {
	t.Helper()
	if _, err := e.StartExecution(t.Context(), "x", []byte(`{"n":1}`)); err != nil {
		t.Fatal(err)
	}
	return <-tokens
}

// keeper is a park function that hands its tokens to the test.
func keeper() (functions, chan string) {
	tokens := make(chan string, 10)
	return functions{"park": func(p map[string]any) (any, error) {
		tokens <- p["token"].(string)
		return nil, nil
	}}, tokens
}

func parkMachine() string {
	return states("A", park(`,"TimeoutSeconds":100,"ResultPath":"$.r","Catch":[{"ErrorEquals":["States.Timeout"],"Next":"T"},{"ErrorEquals":["States.ALL"],"Next":"E"}],"Next":"B"`),
		"B", `{"Type":"Pass","InputPath":"$.r","End":true}`, "T", `{"Type":"Pass","Result":"timed out","End":true}`, "E", `{"Type":"Pass","InputPath":"$.Error","End":true}`)
}

func TestAParkEndsWhenItsTokenComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, tokens := keeper()
		e := engine(t, parkMachine(), f, stepfn.Options{})
		token := parked(t, e, tokens)
		synctest.Wait()
		if err := e.SendTaskSuccess(t.Context(), token, `{"k":"v"}`); err != nil {
			t.Fatal(err)
		}
		x, _ := e.Wait(t.Context(), "x")
		wantOutput(t, x, `{"k":"v"}`)
		want := "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskSubmitted TaskSucceeded TaskStateExited PassStateEntered PassStateExited ExecutionSucceeded"
		if got := types(x); got != want {
			t.Errorf("events %s, want %s", got, want)
		}
		if err := e.SendTaskSuccess(t.Context(), token, `{}`); !errors.Is(err, stepfn.ErrTaskTimedOut) {
			t.Errorf("the second use of a token: %v, want TaskTimedOut", err)
		}
	})
}

func TestAParkMayBeWokenBeforeItsFunctionReturns(t *testing.T) {
	var e *stepfn.Engine
	f := functions{"park": func(p map[string]any) (any, error) {
		return nil, e.SendTaskSuccess(t.Context(), p["token"].(string), `"early"`)
	}}
	e = engine(t, parkMachine(), f, stepfn.Options{})
	wantOutput(t, run(t, e, `{}`), `"early"`)
}

func TestAParkTimesOutAndItsTokenIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, tokens := keeper()
		e := engine(t, parkMachine(), f, stepfn.Options{})
		start := time.Now()
		token := parked(t, e, tokens)
		x, _ := e.Wait(t.Context(), "x")
		wantOutput(t, x, `"timed out"`)
		if got := time.Since(start); got != 100*time.Second {
			t.Errorf("timed out after %s, want 100 s", got)
		}
		if err := e.SendTaskSuccess(t.Context(), token, `{}`); !errors.Is(err, stepfn.ErrTaskTimedOut) {
			t.Errorf("got %v, want TaskTimedOut", err)
		}
	})
}

func TestAParkWhoseFunctionFailsIsCaught(t *testing.T) {
	f := functions{"park": func(map[string]any) (any, error) { return nil, fault("Unknown") }}
	wantOutput(t, once(t, parkMachine(), f, `{}`), `"Unknown"`)
}

func TestSendTaskFailureIsSeenByCatch(t *testing.T) {
	f, tokens := keeper()
	e := engine(t, parkMachine(), f, stepfn.Options{})
	if err := e.SendTaskFailure(t.Context(), parked(t, e, tokens), "Mine", "because"); err != nil {
		t.Fatal(err)
	}
	x, _ := e.Wait(t.Context(), "x")
	wantOutput(t, x, `"Mine"`)
}

func TestHeartbeatsKeepATaskAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, tokens := keeper()
		def := states("A", park(`,"TimeoutSeconds":100,"HeartbeatSeconds":10,"Catch":[{"ErrorEquals":["States.HeartbeatTimeout"],"Next":"B"}],"End":true`), "B", `{"Type":"Succeed","OutputPath":"$.Error"}`)
		e := engine(t, def, f, stepfn.Options{})
		start, token := time.Now(), parked(t, e, tokens)
		for range 3 {
			time.Sleep(9 * time.Second)
			if err := e.SendTaskHeartbeat(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		x, _ := e.Wait(t.Context(), "x")
		wantOutput(t, x, `"States.HeartbeatTimeout"`)
		if got := time.Since(start); got != 37*time.Second {
			t.Errorf("ended after %s, want 37 s", got)
		}
	})
}

func TestTokensThatAreNotOursAreToldApart(t *testing.T) {
	f, tokens := keeper()
	e := engine(t, parkMachine(), f, stepfn.Options{})
	token := parked(t, e, tokens)
	other, tokens2 := keeper()
	foreign := parked(t, engine(t, parkMachine(), other, stepfn.Options{}), tokens2)
	tests := []struct {
		rule, token, output string
		want                error
	}{
		{"empty", "", `{}`, stepfn.ErrInvalidToken},
		{"not a token", "hello", `{}`, stepfn.ErrInvalidToken},
		{"too long", strings.Repeat("A", 2049), `{}`, stepfn.ErrInvalidToken},
		{"of an earlier process", foreign, `{}`, stepfn.ErrTaskDoesNotExist},
		{"an output that is not JSON leaves the task waiting", token, `{`, stepfn.ErrInvalidOutput},
		{"an output over 256 KiB leaves it waiting", token, `"` + strings.Repeat("x", stepfn.MaxPayloadBytes) + `"`, stepfn.ErrInvalidOutput},
		{"the right one", token, `{}`, nil},
		{"used twice", token, `{}`, stepfn.ErrTaskTimedOut},
	}
	for _, tt := range tests {
		err := e.SendTaskSuccess(t.Context(), tt.token, tt.output)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.rule, err, tt.want)
		}
		if err != nil && tt.token != "" && strings.Contains(fmt.Sprint(err), tt.token) {
			t.Errorf("%s: the error repeats the token", tt.rule)
		}
	}
}

func TestATokenSentInTheMomentOfTheTimeOutIsNeverLost(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			f, tokens := keeper()
			e := engine(t, parkMachine(), f, stepfn.Options{})
			token := parked(t, e, tokens)
			time.Sleep(100 * time.Second) // wakes in the same instant as the time-out
			err := e.SendTaskSuccess(t.Context(), token, `"sent"`)
			x, _ := e.Wait(t.Context(), "x")
			if got := string(x.Output); (err == nil) != (got == `"sent"`) {
				t.Errorf("SendTaskSuccess said %v, the task ended with %s", err, got)
			}
		})
	}
}
