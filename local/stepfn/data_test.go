package stepfn_test

import (
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/stepfn"
)

func TestPathsMoveDataAsTheLanguageSays(t *testing.T) {
	const in = `{"a":{"b":[1,{"c":"deep"}]},"big":12345678901234567890,"x y":true}`
	tests := []struct{ rule, state, want string }{
		{"a Pass hands its input on, numbers untouched", `{"Type":"Pass","End":true}`, in},
		{"Result replaces the input", `{"Type":"Pass","Result":7,"End":true}`, `7`},
		{"ResultPath puts the result into the input", `{"Type":"Pass","Result":7,"ResultPath":"$.n","OutputPath":"$.n","End":true}`, `7`},
		{"ResultPath makes objects on its way", `{"Type":"Pass","Result":7,"ResultPath":"$.n.m","OutputPath":"$.n","End":true}`, `{"m":7}`},
		{"ResultPath null keeps the input", `{"Type":"Pass","Result":7,"ResultPath":null,"End":true}`, in},
		{"ResultPath goes into the raw input, not what InputPath left", `{"Type":"Pass","InputPath":"$.a","ResultPath":"$.a2","OutputPath":"$['x y']","End":true}`, `true`},
		{"InputPath null is an empty object", `{"Type":"Pass","InputPath":null,"End":true}`, `{}`},
		{"OutputPath null is an empty object", `{"Type":"Pass","OutputPath":null,"End":true}`, `{}`},
		{"indexes and names reach in", `{"Type":"Pass","InputPath":"$.a.b[1].c","End":true}`, `"deep"`},
		{"Parameters fill .$ keys and keep the others", `{"Type":"Pass","Parameters":{"k.$":"$.a.b[0]","l":["z",{"m.$":"$.a.b[1]"}],"n":null},"End":true}`, `{"k":1,"l":["z",{"m":{"c":"deep"}}],"n":null}`},
		{"the context object is $$", `{"Type":"Pass","Parameters":{"n.$":"$$.Execution.Name","s.$":"$$.State.Name","i.$":"$$.Execution.Input.a.b[0]"},"End":true}`, `{"n":"x","s":"A","i":1}`},
		{"Succeed applies its paths", `{"Type":"Succeed","InputPath":"$.a","OutputPath":"$.b[0]"}`, `1`},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			wantOutput(t, once(t, states("A", tt.state), nil, in), tt.want)
		})
	}
}

func TestBigNumbersAreKeptToTheDigit(t *testing.T) {
	x := once(t, states("A", `{"Type":"Pass","Parameters":{"n.$":"$.n"},"End":true}`), nil, `{"n":12345678901234567890}`)
	if got := string(x.Output); got != `{"n":12345678901234567890}` {
		t.Errorf("got %s", got)
	}
}

func TestAPathThatLeadsNowhereEndsTheExecutionWhateverIsCaught(t *testing.T) {
	const catch = `,"Catch":[{"ErrorEquals":["States.ALL"],"Next":"B"}],"End":true`
	ok := functions{"f": func(map[string]any) (any, error) { return map[string]any{"there": 1}, nil }}
	tests := map[string]string{
		"Parameters":     states("A", strings.Replace(task(catch), `"in.$":"$"`, `"in.$":"$.gone"`, 1), "B", `{"Type":"Succeed"}`),
		"ResultSelector": states("A", task(`,"ResultSelector":{"a.$":"$.Payload.gone"}`+catch), "B", `{"Type":"Succeed"}`),
		"InputPath":      states("A", task(`,"InputPath":"$.gone"`+catch), "B", `{"Type":"Succeed"}`),
		"SecondsPath":    states("A", `{"Type":"Wait","SecondsPath":"$.gone","End":true}`),
		"Variable":       states("A", `{"Type":"Choice","Choices":[{"Variable":"$.gone","IsNull":true,"Next":"B"}]}`, "B", `{"Type":"Succeed"}`),
		"ItemsPath":      states("A", `{"Type":"Map","ItemsPath":"$.gone","ItemProcessor":{"StartAt":"C","States":{"C":{"Type":"Succeed"}}}`+catch+`}`, "B", `{"Type":"Succeed"}`),
	}
	for field, def := range tests {
		t.Run(field, func(t *testing.T) {
			wantError(t, once(t, def, ok, `{}`), stepfn.Failed, "States.Runtime")
		})
	}
}

func TestResultPathIntoWhatIsNoObjectCanBeCaught(t *testing.T) {
	def := states("A", task(`,"ResultPath":"$.a.b","Catch":[{"ErrorEquals":["States.ResultPathMatchFailure"],"ResultPath":null,"Next":"B"}],"End":true`),
		"B", `{"Type":"Pass","Result":"caught","End":true}`)
	ok := functions{"f": func(map[string]any) (any, error) { return 1, nil }}
	wantOutput(t, once(t, def, ok, `{"a":3}`), `"caught"`)
}

func TestChoiceTakesTheFirstRuleThatHolds(t *testing.T) {
	const v = `"Variable":"$.v",`
	tests := []struct {
		rule, choice, input string
		want                bool
	}{
		{"StringEquals", v + `"StringEquals":"a"`, `{"v":"a"}`, true},
		{"StringEquals is exact", v + `"StringEquals":"a"`, `{"v":"A"}`, false},
		{"another type never matches", v + `"StringEquals":"1"`, `{"v":1}`, false},
		{"StringLessThan", v + `"StringLessThan":"b"`, `{"v":"a"}`, true},
		{"StringGreaterThanEquals", v + `"StringGreaterThanEquals":"b"`, `{"v":"a"}`, false},
		{"NumericEquals compares values", v + `"NumericEquals":3`, `{"v":3.0}`, true},
		{"NumericGreaterThan at its bound", v + `"NumericGreaterThan":0`, `{"v":0}`, false},
		{"NumericGreaterThan above", v + `"NumericGreaterThan":0`, `{"v":1}`, true},
		{"NumericLessThanEquals at its bound", v + `"NumericLessThanEquals":0`, `{"v":0}`, true},
		{"NumericEqualsPath", v + `"NumericEqualsPath":"$.w"`, `{"v":2,"w":2}`, true},
		{"BooleanEquals", v + `"BooleanEquals":false`, `{"v":false}`, true},
		{"BooleanEquals of a string", v + `"BooleanEquals":false`, `{"v":"false"}`, false},
		{"IsPresent", v + `"IsPresent":true`, `{}`, false},
		{"IsPresent false", v + `"IsPresent":false`, `{}`, true},
		{"IsNull", v + `"IsNull":true`, `{"v":null}`, true},
		{"IsString", v + `"IsString":true`, `{"v":"s"}`, true},
		{"IsNumeric", v + `"IsNumeric":true`, `{"v":"1"}`, false},
		{"IsBoolean", v + `"IsBoolean":true`, `{"v":true}`, true},
		{"And needs all", `"And":[{` + v + `"NumericGreaterThan":0},{` + v + `"NumericLessThan":5}]`, `{"v":5}`, false},
		{"And stops at the first that fails", `"And":[{` + v + `"IsPresent":true},{` + v + `"NumericLessThan":5}]`, `{}`, false},
		{"Or needs one", `"Or":[{` + v + `"StringEquals":"a"},{` + v + `"StringEquals":"b"}]`, `{"v":"b"}`, true},
		{"Not turns it round", `"Not":{` + v + `"StringEquals":"a"}`, `{"v":"b"}`, true},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			def := states("A", `{"Type":"Choice","Choices":[{`+tt.choice+`,"Next":"Y"}],"Default":"N"}`,
				"Y", `{"Type":"Pass","Result":true,"End":true}`, "N", `{"Type":"Pass","Result":false,"End":true}`)
			want := "false"
			if tt.want {
				want = "true"
			}
			wantOutput(t, once(t, def, nil, tt.input), want)
		})
	}
}

func TestChoiceWithoutAMatchAndWithoutDefaultFails(t *testing.T) {
	def := states("A", `{"Type":"Choice","Choices":[{"Variable":"$.v","StringEquals":"a","Next":"B"}]}`, "B", `{"Type":"Succeed"}`)
	wantError(t, once(t, def, nil, `{"v":"b"}`), stepfn.Failed, "States.NoChoiceMatched")
}

func TestFailEndsWithItsOwnError(t *testing.T) {
	x := once(t, states("A", `{"Type":"Fail","Error":"Mine","Cause":"because"}`), nil, `{}`)
	wantError(t, x, stepfn.Failed, "Mine")
	if got, want := types(x), "ExecutionStarted FailStateEntered ExecutionFailed"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
}
