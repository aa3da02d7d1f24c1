package stepfn_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/stepfn"
)

// sound is a definition without a fault that holds one of everything; the tests seed one fault at a time into it.
const sound = `{"StartAt":"T","TimeoutSeconds":100,"States":{
	"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"${F}","Payload":{"a.$":"$.a"}},
		"TimeoutSeconds":60,"HeartbeatSeconds":30,
		"Retry":[{"ErrorEquals":["E"],"IntervalSeconds":1,"BackoffRate":2,"MaxAttempts":3,"MaxDelaySeconds":9,"JitterStrategy":"FULL"},{"ErrorEquals":["States.ALL"]}],
		"Catch":[{"ErrorEquals":["States.Timeout"],"Next":"P"},{"ErrorEquals":["States.ALL"],"ResultPath":null,"Next":"F"}],"Next":"P"},
	"P":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"p","Payload":{"k":{"token.$":"$$.Task.Token"}}},"ResultPath":null,"Next":"C"},
	"C":{"Type":"Choice","Choices":[{"Variable":"$.x","StringEquals":"m","Next":"M"},{"Not":{"Variable":"$.x","IsPresent":true},"Next":"W"}],"Default":"D"},
	"M":{"Type":"Map","MaxConcurrency":2,"ItemProcessor":{"ProcessorConfig":{"Mode":"INLINE"},"StartAt":"I","States":{"I":{"Type":"Pass","End":true}}},"Next":"D"},
	"W":{"Type":"Wait","Seconds":5,"Next":"D"},
	"D":{"Type":"Succeed"},
	"F":{"Type":"Fail","Error":"X","Cause":"why"}}}`

func TestASoundDefinitionHasNoFindings(t *testing.T) {
	if got := stepfn.Lint([]byte(sound)); len(got) != 0 {
		t.Errorf("findings: %v", got)
	}
	if _, err := stepfn.Load([]byte(sound), map[string]string{"F": `quote " and \ stay inside`, "unused": "x"}); err != nil {
		t.Error(err)
	}
}

func TestEverySeededFaultIsFound(t *testing.T) {
	tests := []struct{ fault, from, to, rule, where string }{
		// The five that the usual validator misses (design 7).
		{"a misspelt key in a Retrier", `"BackoffRate":2`, `"BackOffRate":2`, stepfn.RuleField, "T.Retry[0]"},
		{"ItemBatcher on an inline Map", `"MaxConcurrency":2`, `"MaxConcurrency":2,"ItemBatcher":{"MaxItemsPerBatch":5}`, stepfn.RuleDistributed, "M"},
		{"HeartbeatSeconds above TimeoutSeconds", `"HeartbeatSeconds":30`, `"HeartbeatSeconds":61`, stepfn.RuleHeartbeat, "T"},
		{"HeartbeatSeconds equal to TimeoutSeconds", `"HeartbeatSeconds":30`, `"HeartbeatSeconds":60`, stepfn.RuleHeartbeat, "T"},
		{"States.ALL not last in Retry", `{"ErrorEquals":["E"],`, `{"ErrorEquals":["States.ALL"],`, stepfn.RuleAll, "T.Retry[0]"},
		{"States.ALL not last in Catch", `["States.Timeout"]`, `["States.ALL"]`, stepfn.RuleAll, "T.Catch[0]"},
		{"States.ALL not alone", `"ErrorEquals":["States.ALL"],"ResultPath":null`, `"ErrorEquals":["E","States.ALL"],"ResultPath":null`, stepfn.RuleAll, "T.Catch[1]"},
		{"waitForTaskToken without the token", `"$$.Task.Token"`, `"$$.Execution.Name"`, stepfn.RuleToken, "P.Parameters"},

		{"a token where nothing waits for it", `"a.$":"$.a"`, `"a.$":"$$.Task.Token"`, stepfn.RuleToken, "T"},
		{"not JSON", `"D":{"Type":"Succeed"},`, `"D":{"Type":"Succeed"},,`, stepfn.RuleJSON, "(machine)"},
		{"two texts", sound, sound + "{}", stepfn.RuleJSON, "(machine)"},
		{"not an object", sound, `[]`, stepfn.RuleJSON, "(machine)"},
		{"a name twice in one object", `"Seconds":5`, `"Seconds":5,"Seconds":6`, stepfn.RuleJSON, "States.W"},
		{"an unknown field of the machine", `"TimeoutSeconds":100`, `"TimeoutSecond":100`, stepfn.RuleField, "(machine)"},
		{"an unknown field of a Task", `"TimeoutSeconds":60`, `"TimeOutSeconds":60`, stepfn.RuleField, "T"},
		{"a field of another type", `"D":{"Type":"Succeed"}`, `"D":{"Type":"Succeed","End":true}`, stepfn.RuleField, "D"},
		{"an unknown field of a Catcher", `"ResultPath":null,"Next":"F"`, `"Resultpath":null,"Next":"F"`, stepfn.RuleField, "T.Catch[1]"},
		{"an unknown field of a rule", `"StringEquals":"m"`, `"StringEqual":"m"`, stepfn.RuleField, "C.Choices[0]"},
		{"an unknown key of lambda:invoke", `"FunctionName":"p"`, `"FunctionName":"p","Payloads":{}`, stepfn.RuleField, "P.Parameters"},
		{"StartAt missing", `"StartAt":"T",`, ``, stepfn.RuleMissing, "(machine)"},
		{"neither Next nor End", `"Seconds":5,"Next":"D"`, `"Seconds":5`, stepfn.RuleMissing, "W"},
		{"Next and End", `"Seconds":5,"Next":"D"`, `"Seconds":5,"Next":"D","End":true`, stepfn.RuleMissing, "W"},
		{"Seconds missing", `"Seconds":5,`, ``, stepfn.RuleMissing, "W"},
		{"Seconds twice over", `"Seconds":5`, `"Seconds":5,"SecondsPath":"$.s"`, stepfn.RuleMissing, "W"},
		{"Payload missing", `"Payload":{"a.$":"$.a"}`, `"Payload_":1`, stepfn.RuleMissing, "T.Parameters"},
		{"no error named", `["States.Timeout"]`, `[]`, stepfn.RuleMissing, "T.Catch[0]"},
		{"two comparators", `"StringEquals":"m"`, `"StringEquals":"m","IsNull":true`, stepfn.RuleMissing, "C.Choices[0]"},
		{"Next inside Not", `"IsPresent":true}`, `"IsPresent":true,"Next":"D"}`, stepfn.RuleField, "C.Choices[1].Not"},
		{"no rules", `[{"Variable":"$.x","StringEquals":"m","Next":"M"},{"Not":{"Variable":"$.x","IsPresent":true},"Next":"W"}]`, `[]`, stepfn.RuleMissing, "C"},
		{"StartAt names nothing", `"StartAt":"T"`, `"StartAt":"t"`, stepfn.RuleTarget, "(machine)"},
		{"Next names nothing", `"Seconds":5,"Next":"D"`, `"Seconds":5,"Next":"Done"`, stepfn.RuleTarget, "W"},
		{"Default names nothing", `"Default":"D"`, `"Default":"Done"`, stepfn.RuleTarget, "C"},
		{"Catch names nothing", `"Next":"F"`, `"Next":"G"`, stepfn.RuleTarget, "T"},
		{"Next out of a Map's body", `"I":{"Type":"Pass","End":true}`, `"I":{"Type":"Pass","Next":"D"}`, stepfn.RuleTarget, "M.I"},
		{"a state nothing leads to", `"ResultPath":null,"Next":"F"`, `"ResultPath":null,"Next":"D"`, stepfn.RuleUnreachable, "F"},
		{"a state name over 80 characters", `"I":{"Type":"Pass","End":true}`, `"I":{"Type":"Pass","Next":"` + strings.Repeat("n", 81) + `"},"` + strings.Repeat("n", 81) + `":{"Type":"Succeed"}`, stepfn.RuleName, "M." + strings.Repeat("n", 81)},
		{"a state name twice in the machine", `"StartAt":"I","States":{"I":{"Type":"Pass","End":true}}`, `"StartAt":"D","States":{"D":{"Type":"Pass","End":true}}`, stepfn.RuleName, "M.D"},
		{"a States. name that does not exist", `"States.Timeout"`, `"States.TimedOut"`, stepfn.RuleError, "T.Catch[0]"},
		{"a wildcard", `["E"]`, `["Lambda.*"]`, stepfn.RuleError, "T.Retry[0]"},
		{"BackoffRate below 1", `"BackoffRate":2`, `"BackoffRate":0.5`, stepfn.RuleValue, "T.Retry[0]"},
		{"MaxDelaySeconds not above IntervalSeconds", `"MaxDelaySeconds":9`, `"MaxDelaySeconds":1`, stepfn.RuleValue, "T.Retry[0]"},
		{"IntervalSeconds 0", `"IntervalSeconds":1`, `"IntervalSeconds":0`, stepfn.RuleValue, "T.Retry[0]"},
		{"JitterStrategy misspelt", `"FULL"`, `"Full"`, stepfn.RuleValue, "T.Retry[0]"},
		{"a fraction of a second", `"Seconds":5`, `"Seconds":5.5`, stepfn.RuleValue, "W"},
		{"a negative concurrency", `"MaxConcurrency":2`, `"MaxConcurrency":-1`, stepfn.RuleValue, "M"},
		{"both concurrencies", `"MaxConcurrency":2`, `"MaxConcurrency":2,"MaxConcurrencyPath":"$.n"`, stepfn.RuleValue, "M"},
		{"a comparator with the wrong type", `"StringEquals":"m"`, `"StringEquals":1`, stepfn.RuleValue, "C.Choices[0]"},
		{"an unknown state type", `"Type":"Succeed"`, `"Type":"Success"`, stepfn.RuleValue, "D"},
		{"a path into many nodes", `"$.a"`, `"$..a"`, stepfn.RulePath, "T.Parameters.Payload.a.$"},
		{"a filter", `"$.a"`, `"$.a[?(@.b)]"`, stepfn.RulePath, "T.Parameters.Payload.a.$"},
		{"an intrinsic function", `"$.a"`, `"States.Format('x')"`, stepfn.RulePath, "T.Parameters.Payload.a.$"},
		{"a .$ key without a path", `"a.$":"$.a"`, `"a.$":1`, stepfn.RulePath, "T.Parameters.Payload.a.$"},
		{"a key with and without .$", `"a.$":"$.a"`, `"a.$":"$.a","a":1`, stepfn.RulePath, "T.Parameters.Payload.a.$"},
		{"ResultPath into the context", `"ResultPath":null,"Next":"C"`, `"ResultPath":"$$.x","Next":"C"`, stepfn.RulePath, "P"},
		{"another resource", `lambda:invoke",`, `sqs:sendMessage",`, stepfn.RuleUnsupported, "T"},
		{"a distributed Map", `"INLINE"`, `"DISTRIBUTED"`, stepfn.RuleUnsupported, "M"},
		{"JSONata", `"TimeoutSeconds":100`, `"QueryLanguage":"JSONata"`, stepfn.RuleUnsupported, "(machine)"},
		{"TimeoutSecondsPath", `"TimeoutSeconds":60`, `"TimeoutSecondsPath":"$.t"`, stepfn.RuleUnsupported, "T"},
		{"Parallel", `{"Type":"Succeed"}`, `{"Type":"Parallel"}`, stepfn.RuleUnsupported, "D"},
		{"a timestamp comparator", `"StringEquals":"m"`, `"TimestampEquals":"2026-01-01T00:00:00Z"`, stepfn.RuleUnsupported, "C.Choices[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			if strings.Count(sound, tt.from) == 0 {
				t.Fatalf("%q is not in the definition", tt.from)
			}
			def := []byte(strings.Replace(sound, tt.from, tt.to, 1))
			got := stepfn.Lint(def)
			if !slices.ContainsFunc(got, func(f stepfn.Finding) bool { return f.Rule == tt.rule && f.Where == tt.where }) {
				t.Errorf("want %s at %s, got %v", tt.rule, tt.where, got)
			}
			var refused *stepfn.LoadError
			if _, err := stepfn.Load(def, map[string]string{"F": "f"}); !errors.As(err, &refused) {
				t.Errorf("Load gave %v, want a LoadError", err)
			}
		})
	}
}

func TestAPlaceholderThatNothingFillsIsRefused(t *testing.T) {
	_, err := stepfn.Load([]byte(sound), nil)
	if err == nil || !strings.Contains(err.Error(), "${F}") {
		t.Errorf("got %v, want the placeholder named", err)
	}
}

func FuzzLoadNeverPanics(f *testing.F) {
	f.Add([]byte(sound))
	f.Add([]byte(states("A", `{"Type":"Map","ItemProcessor":{"StartAt":"B","States":{"B":null}},"End":true}`)))
	f.Add([]byte(`{"StartAt":1,"States":[]}`))
	f.Add([]byte(`{"StartAt":"A","States":{"A":{"Type":"Choice","Choices":[{"And":[{"Not":3}]}]}}}`))
	f.Fuzz(func(t *testing.T, def []byte) {
		m, err := stepfn.Load(def, map[string]string{"F": "f"})
		if (m == nil) == (err == nil) {
			t.Errorf("got %v, %v", m, err)
		}
		if err == nil && len(stepfn.Lint(def)) > 0 {
			t.Error("Load took what Lint refuses")
		}
	})
}
