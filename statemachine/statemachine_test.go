package statemachine_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/stepfn"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/statemachine"
)

// object is a node of the definition, read with no help from the interpreter, so that both are checked.
type object = map[string]any

// eachState calls visit for every state, those in the body of the Map included.
func eachState(t *testing.T, visit func(name string, s object)) {
	t.Helper()
	var walk func(states object)
	walk = func(states object) {
		for _, name := range slices.Sorted(maps.Keys(states)) {
			s := states[name].(object)
			visit(name, s)
			if body, ok := s["ItemProcessor"].(object); ok {
				walk(body["States"].(object))
			}
		}
	}
	walk(definition(t)["States"].(object))
}

func definition(t *testing.T) object {
	t.Helper()
	var root object
	if err := json.Unmarshal(statemachine.Definition(), &root); err != nil {
		t.Fatal(err)
	}
	return root
}

func eachTask(t *testing.T, visit func(name string, s, parameters object)) {
	t.Helper()
	eachState(t, func(name string, s object) {
		if s["Type"] == "Task" {
			visit(name, s, s["Parameters"].(object))
		}
	})
}

// folder is the function of a Task, as the folder under functions/.
func folder(t *testing.T, parameters object) string {
	t.Helper()
	placeholder, _ := parameters["FunctionName"].(string)
	name := statemachine.Substitutions()[strings.TrimSuffix(strings.TrimPrefix(placeholder, "${"), "}")]
	if name == "" {
		t.Errorf("FunctionName %q is no placeholder of Substitutions", placeholder)
	}
	return name
}

func TestTheDefinitionHasNoFindings(t *testing.T) {
	for _, f := range stepfn.Lint(statemachine.Definition()) {
		t.Error(f)
	}
	if _, err := stepfn.Load(statemachine.Definition(), statemachine.Substitutions()); err != nil {
		t.Error(err)
	}
}

func TestTheDefinitionIsBelowTheQuotaOfItsSize(t *testing.T) {
	if n := len(statemachine.Definition()); n > 64<<10 {
		t.Errorf("%d bytes; AWS takes 1 MiB, a reader 64 KiB", n)
	}
}

// documented lists the names besides our fault kinds that AWS documents: the developer guide, "Handling errors" and
// "Handle Lambda service exceptions".
func documented() []string {
	return []string{"States.ALL", "States.Timeout", "States.TaskFailed", "Lambda.ServiceException", "Lambda.AWSLambdaException",
		"Lambda.SdkClientException", "Lambda.ClientExecutionTimeoutException", "Lambda.TooManyRequestsException", "Lambda.Unknown"}
}

func TestEveryErrorNameIsAFaultKindOrDocumented(t *testing.T) {
	known := documented()
	for _, k := range fault.Kinds() {
		known = append(known, k.String())
	}
	eachState(t, func(name string, s object) {
		for _, list := range []string{"Retry", "Catch"} {
			handlers, _ := s[list].([]any)
			for _, h := range handlers {
				for _, e := range h.(object)["ErrorEquals"].([]any) {
					if !slices.Contains(known, e.(string)) {
						t.Errorf("%s.%s: %q is neither a fault kind nor documented", name, list, e)
					}
				}
			}
		}
	})
}

func TestOnlyTheStepsThatMayBeRepeatedBlindlyAreRetried(t *testing.T) {
	retried := map[string]string{}
	eachState(t, func(name string, s object) {
		list, _ := s["Retry"].([]any)
		var names []string
		for _, r := range list {
			for _, e := range r.(object)["ErrorEquals"].([]any) {
				names = append(names, strings.TrimPrefix(e.(string), "Lambda."))
			}
		}
		if len(names) > 0 {
			retried[name] = strings.Join(names, " ")
		}
	})
	want := map[string]string{
		"Range":   "ServiceException AWSLambdaException SdkClientException ClientExecutionTimeoutException TooManyRequestsException Unknown Retryable",
		"Publish": "TooManyRequestsException", // the only one that proves that the function did not run
		"Settle":  "States.ALL",
	}
	if !maps.Equal(retried, want) {
		t.Errorf("got %v, want %v", retried, want)
	}
}

func TestEveryTaskCatchesAllAndKeepsTheErrorOutOfTheState(t *testing.T) {
	check := func(name string, s object) {
		list, _ := s["Catch"].([]any)
		if len(list) == 0 {
			t.Errorf("%s has no Catch", name)
			return
		}
		for i, raw := range list {
			c := raw.(object)
			if p, ok := c["ResultPath"]; !ok || p != nil {
				t.Errorf("%s: the ResultPath of a Catch must be null, it is %v", name, p)
			}
			if last := i == len(list)-1; last && fmt.Sprint(c["ErrorEquals"]) != "[States.ALL]" {
				t.Errorf("%s: the last Catch must be States.ALL, it is %v", name, c["ErrorEquals"])
			}
		}
	}
	eachState(t, func(name string, s object) {
		if s["Type"] == "Task" || s["Type"] == "Map" {
			check(name, s)
		}
	})
}

func TestPayloadsCarryIdsAndNothingElse(t *testing.T) {
	want := map[string]string{
		"initupload": "gen.$ upload.$ v.$", "uploadpart": "gen.$ range.$ upload.$ v.$", "finalize": "gen.$ step upload.$ v.$",
		"park": "for gen.$ token.$ upload.$ v.$", "refreshtoken": "gen.$ upload.$ v.$",
	}
	steps := map[string]bool{}
	eachTask(t, func(name string, _, parameters object) {
		payload := parameters["Payload"].(object)
		if got := strings.Join(slices.Sorted(maps.Keys(payload)), " "); got != want[folder(t, parameters)] {
			t.Errorf("%s sends %q, want %q", name, got, want[folder(t, parameters)])
		}
		for _, id := range []string{"v", "upload", "gen"} {
			if payload[id+".$"] != "$."+id {
				t.Errorf("%s: %s is %v", name, id, payload[id+".$"])
			}
		}
		if step, ok := payload["step"].(string); ok {
			steps[step] = true
		}
	})
	if got := strings.Join(slices.Sorted(maps.Keys(steps)), " "); got != "check complete inspect publish settle" {
		t.Errorf("steps of finalize: %s", got)
	}
}

func TestNoOutputCarriesAnythingButTheNamedFields(t *testing.T) {
	selected := map[string]string{"Open": "grant next ranges wait", "Range": "done wait", "Publish": "next wait", "Look": "next wait", "Watch": "next wait"}
	dropped := []string{"ParkOpen", "Renew", "Carry", "Complete", "WaitForPlatform", "Settle"}
	eachState(t, func(name string, s object) {
		if s["Type"] != "Task" && s["Type"] != "Map" {
			return
		}
		path, present := s["ResultPath"]
		if slices.Contains(dropped, name) {
			if !present || path != nil || s["ResultSelector"] != nil {
				t.Errorf("%s must drop its result", name)
			}
			return
		}
		selector, _ := s["ResultSelector"].(object)
		var fields []string
		for key, from := range selector {
			field := strings.TrimSuffix(key, ".$")
			fields = append(fields, field)
			if from != "$.Payload."+field {
				t.Errorf("%s: %s comes from %v", name, field, from)
			}
		}
		slices.Sort(fields)
		if got := strings.Join(fields, " "); path != "$.step" || got != selected[name] {
			t.Errorf("%s puts %q at %v, want %q at $.step", name, got, path, selected[name])
		}
	})
}

func TestTheTaskTokenGoesToParksOnly(t *testing.T) {
	eachTask(t, func(name string, s, parameters object) {
		waits := strings.HasSuffix(s["Resource"].(string), ".waitForTaskToken")
		if isPark := folder(t, parameters) == "park"; waits != isPark {
			t.Errorf("%s: waits for a token %v, is a park %v", name, waits, isPark)
		}
		if waits && s["TimeoutSeconds"] != 86400.0 {
			t.Errorf("%s: a park lasts 24 h, not %v s", name, s["TimeoutSeconds"])
		}
	})
}

func TestEveryAnswerHasItsOwnEdge(t *testing.T) {
	choices := map[statemachine.Step]string{statemachine.Open: "Opened?", statemachine.Publish: "Published?", statemachine.Inspect: "Looked?", statemachine.Check: "Watched?"}
	for step, name := range choices {
		text, err := json.Marshal(definition(t)["States"].(object)[name].(object)["Choices"])
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range regexp.MustCompile(`"StringEquals":"([a-z]+)"`).FindAllStringSubmatch(string(text), -1) {
			got = append(got, m[1])
		}
		want := statemachine.Answers(step)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s branches on %v, Answers says %v", name, got, want)
		}
	}
	if statemachine.Answers("settle") != nil {
		t.Error("the answer of settle steers nothing")
	}
}
