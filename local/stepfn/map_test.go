package stepfn_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/stepfn"
)

// mapping is a Map over $.list whose body is the given states, starting at I.
func mapping(more, body string) string {
	return `{"Type":"Map","ItemsPath":"$.list","ItemSelector":{"v.$":"$.v","item.$":"$$.Map.Item.Value","i.$":"$$.Map.Item.Index"},
		"ItemProcessor":{"ProcessorConfig":{"Mode":"INLINE"},"StartAt":"I","States":{` + body + `}}` + more + `}`
}

// gauge counts how many calls are inside at a time.
type gauge struct {
	mu              sync.Mutex
	now, high, seen int
}

// slowly is a function that takes d and measures how many run at once.
func (g *gauge) slowly(d time.Duration) func(map[string]any) (any, error) {
	return func(map[string]any) (any, error) {
		g.mu.Lock()
		g.now++
		g.seen++
		g.high = max(g.high, g.now)
		g.mu.Unlock()
		time.Sleep(d)
		g.mu.Lock()
		g.now--
		g.mu.Unlock()
		return 1, nil
	}
}

func list(n int) string {
	b, _ := json.Marshal(map[string]any{"v": "outer", "list": make([]int, n)})
	return string(b)
}

func TestMapGathersResultsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := functions{"f": func(p map[string]any) (any, error) {
			in := p["in"].(map[string]any)
			time.Sleep(time.Duration(10-in["i"].(float64)) * time.Second) // later ones return first
			return fmt.Sprint(in["v"], in["item"], in["i"]), nil
		}}
		def := states("A", mapping(`,"End":true`, `"I":`+task(`,"OutputPath":"$.Payload","End":true`)))
		x := run(t, engine(t, def, f, stepfn.Options{}), `{"v":"x","list":["a","b","c"]}`)
		wantOutput(t, x, `["xa0","xb1","xc2"]`)
	})
}

func TestMapOverNothingGivesAnEmptyList(t *testing.T) {
	x := once(t, states("A", mapping(`,"End":true`, `"I":{"Type":"Pass","End":true}`)), nil, `{"v":1,"list":[]}`)
	wantOutput(t, x, `[]`)
	if got, want := types(x), "ExecutionStarted MapStateEntered MapStateStarted MapStateSucceeded MapStateExited ExecutionSucceeded"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
}

func TestMapEventsAreCountedAsInAWS(t *testing.T) {
	x := once(t, states("A", mapping(`,"MaxConcurrency":1,"End":true`, `"I":{"Type":"Pass","End":true}`)), nil, `{"v":1,"list":[1,2]}`)
	const one = "MapIterationStarted PassStateEntered PassStateExited MapIterationSucceeded "
	want := "ExecutionStarted MapStateEntered MapStateStarted " + one + one + "MapStateSucceeded MapStateExited ExecutionSucceeded"
	if got := types(x); got != want {
		t.Errorf("events %s, want %s", got, want)
	}
	if x.Transitions != 3 {
		t.Errorf("%d transitions, want the Map and two iterations of one state", x.Transitions)
	}
}

func TestMapRunsAsManyAtATimeAsAllowed(t *testing.T) {
	tests := []struct {
		rule, more, input string
		want              int
	}{
		{"MaxConcurrency", `,"MaxConcurrency":3`, list(100), 3},
		{"0 is no limit of ours, which leaves AWS's 40", `,"MaxConcurrency":0`, list(100), 40},
		{"more than 40 is 40", `,"MaxConcurrency":99`, list(100), 40},
		{"MaxConcurrencyPath", `,"MaxConcurrencyPath":"$.grant"`, strings.Replace(list(100), "{", `{"grant":7,`, 1), 7},
		{"MaxConcurrencyPath 0", `,"MaxConcurrencyPath":"$.grant"`, strings.Replace(list(100), "{", `{"grant":0,`, 1), 40},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g gauge
				x := run(t, engine(t, states("A", mapping(tt.more+`,"ResultPath":null,"End":true`, `"I":`+task(`,"End":true`))), functions{"f": g.slowly(time.Second)}, stepfn.Options{}), tt.input)
				if x.Status != stepfn.Succeeded || g.high != tt.want || g.seen != 100 {
					t.Errorf("%s: %d at a time, %d in all; want %d and 100", x.Status, g.high, g.seen, tt.want)
				}
			})
		})
	}
	t.Run("a grant that is no number fails", func(t *testing.T) {
		def := states("A", mapping(`,"MaxConcurrencyPath":"$.v","End":true`, `"I":{"Type":"Pass","End":true}`))
		wantError(t, once(t, def, nil, list(1)), stepfn.Failed, "States.Runtime")
	})
}

func TestOneBadIterationThatCatchesDoesNotFailTheMap(t *testing.T) {
	f := functions{"f": func(p map[string]any) (any, error) {
		if i := p["in"].(map[string]any)["i"]; i == 1.0 {
			return nil, fault("Permanent")
		}
		return "fine", nil
	}}
	body := `"I":` + task(`,"OutputPath":"$.Payload","Catch":[{"ErrorEquals":["States.ALL"],"Next":"Bad"}],"End":true`) + `,"Bad":{"Type":"Pass","Result":"bad","End":true}`
	wantOutput(t, once(t, states("A", mapping(`,"End":true`, body)), f, list(3)), `["fine","bad","fine"]`)
}

func TestAFailingIterationAbortsTheOthersAndTheMapCatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := functions{"f": func(p map[string]any) (any, error) {
			if i := p["in"].(map[string]any)["i"]; i == 1.0 {
				return nil, fault("Permanent")
			}
			time.Sleep(30 * time.Second)
			return "fine", nil
		}}
		def := states("A", mapping(`,"MaxConcurrency":2,"Catch":[{"ErrorEquals":["Permanent"],"Next":"B"}],"End":true`, `"I":`+task(`,"End":true`)),
			"B", `{"Type":"Pass","InputPath":"$.Error","End":true}`)
		x := run(t, engine(t, def, f, stepfn.Options{}), list(5))
		wantOutput(t, x, `"Permanent"`)
		for _, typ := range []string{"MapIterationFailed", "MapIterationAborted", "TaskStateAborted", "MapStateFailed", "MapStateExited"} {
			if strings.Count(types(x), typ) != 1 {
				t.Errorf("%s should be there once: %s", typ, types(x))
			}
		}
		if n := x.Visits["I"]; n != 2 {
			t.Errorf("%d iterations were started, want 2", n)
		}
	})
}

func TestAMapCanBeRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		f := functions{"f": func(map[string]any) (any, error) {
			if calls++; calls == 1 {
				return nil, fault("Retryable")
			}
			return 1, nil
		}}
		def := states("A", mapping(`,"MaxConcurrency":1,"ResultPath":null,"Retry":[{"ErrorEquals":["Retryable"]}],"End":true`, `"I":`+task(`,"End":true`)))
		if x := run(t, engine(t, def, f, stepfn.Options{}), list(2)); x.Status != stepfn.Succeeded || calls != 3 {
			t.Errorf("%s after %d calls, want success after 3", x.Status, calls)
		}
	})
}

func TestIterationsLoopOnTheirOwn(t *testing.T) {
	var mu sync.Mutex
	turns := map[any]int{}
	f := functions{"f": func(p map[string]any) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		i := p["in"].(map[string]any)["item"]
		turns[i]++
		return turns[i] >= int(i.(float64)), nil
	}}
	body := `"I":` + task(`,"ResultSelector":{"done.$":"$.Payload"},"ResultPath":"$.step","Next":"More?"`) +
		`,"More?":{"Type":"Choice","Choices":[{"Variable":"$.step.done","BooleanEquals":false,"Next":"I"}],"Default":"Z"},"Z":{"Type":"Succeed","OutputPath":"$.item"}`
	wantOutput(t, once(t, states("A", mapping(`,"End":true`, body)), f, `{"v":0,"list":[1,2,3]}`), `[1,2,3]`)
	if got := fmt.Sprint(turns); got != "map[1:1 2:2 3:3]" {
		t.Errorf("turns %s", got)
	}
}

func TestTenThousandIterations(t *testing.T) {
	def := states("A", mapping(`,"ResultPath":null,"OutputPath":null,"End":true`, `"I":{"Type":"Pass","Result":0,"End":true}`))
	t.Run("are too many events for AWS", func(t *testing.T) {
		x := once(t, def, nil, list(10_000))
		wantError(t, x, stepfn.Failed, "States.Runtime")
		if x.Events != stepfn.MaxHistoryEvents || len(x.History) != stepfn.MaxHistoryEvents {
			t.Errorf("%d events, %d kept, want %d", x.Events, len(x.History), stepfn.MaxHistoryEvents)
		}
	})
	t.Run("all run where the limit is lifted", func(t *testing.T) {
		x := run(t, engine(t, def, nil, stepfn.Options{MaxEvents: 50_000}), list(10_000))
		wantOutput(t, x, `{}`)
		if want := 40_000 + 6; x.Events != want || x.Visits["I"] != 10_000 {
			t.Errorf("%d events, %d iterations, want %d and 10000", x.Events, x.Visits["I"], want)
		}
	})
}
