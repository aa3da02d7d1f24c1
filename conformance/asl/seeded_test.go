package asl

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/stepfn"
	"github.com/vodlift/vodlift/statemachine"
)

// broken is the deployed definition with one fault.
func broken(t *testing.T, old, with string) []byte {
	t.Helper()
	if !bytes.Contains(statemachine.Definition(), []byte(old)) {
		t.Fatalf("the definition has no %s", old)
	}
	return bytes.Replace(statemachine.Definition(), []byte(old), []byte(with), 1)
}

// TestAnInterpreterThatRunsSomethingElseIsFound: the comparison fails when its subject is broken.
func TestAnInterpreterThatRunsSomethingElseIsFound(t *testing.T) {
	faults := []struct{ fault, old, with string }{
		{"an edge leads elsewhere", `"StringEquals": "posted",`, `"StringEquals": "sent",`},
		{"a misspelt error in a Retry", `"Retryable"`, `"Retriable"`},
		{"a payload lacks a field", `"gen.$": "$.gen"`, `"generation.$": "$.gen"`},
		{"the Map hands on its index", `$$.Map.Item.Value`, `$$.Map.Item.Index`},
		{"a look waits for something else", `"wait": 30`, `"wait": 31`},
	}
	t.Run("aws-local-stepfunctions", func(t *testing.T) {
		e := node(t)
		for _, f := range faults {
			if compare(t, e, scripts(t), statemachine.Definition(), broken(t, f.old, f.with), func(string, ...any) {}) == 0 {
				t.Errorf("%s: not found", f.fault)
			}
		}
	})
	t.Run("moto", func(t *testing.T) {
		e := moto(t)
		few := scripts(t)[:1]
		for _, f := range []int{0, 2, 3} {
			if compare(t, e, few, statemachine.Definition(), broken(t, faults[f].old, faults[f].with), func(string, ...any) {}) == 0 {
				t.Errorf("%s: not found", faults[f].fault)
			}
		}
	})
}

// validate runs npm's asl-validator and says what it complains of.
func validate(t *testing.T, definition []byte) (complaint string) {
	t.Helper()
	dir := os.Getenv("VODLIFT_ASL_NODE")
	if dir == "" {
		t.Skip("NOT RUN: VODLIFT_ASL_NODE is not set; conformance/run.sh installs asl-validator and sets it")
	}
	file := filepath.Join(t.TempDir(), "definition.json")
	if err := os.WriteFile(file, definition, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "node_modules", ".bin", "asl-validator"), "--json-path", file).CombinedOutput()
	if err == nil {
		return ""
	}
	return string(out)
}

func TestTheValidatorTakesTheDefinitionAndRefusesBrokenOnes(t *testing.T) {
	if c := validate(t, statemachine.Definition()); c != "" {
		t.Errorf("asl-validator: %s", c)
	}
	for fault, def := range map[string][]byte{
		"a state that does not exist": broken(t, `"Next": "Opened?"`, `"Next": "Opened"`),
		"a misspelt field of a state": broken(t, `"ResultSelector"`, `"ResultSelectors"`),
		"an unknown type":             broken(t, `"Type": "Choice"`, `"Type": "Chioce"`),
		"a start that does not exist": broken(t, `"StartAt": "Open"`, `"StartAt": "Opens"`),
	} {
		if validate(t, def) == "" {
			t.Errorf("asl-validator takes %s", fault)
		}
		if len(stepfn.Lint(def)) == 0 {
			t.Errorf("our lint takes %s", fault)
		}
	}
}

// TestOurLintFindsWhatTheValidatorMisses: the five faults of design 7.
func TestOurLintFindsWhatTheValidatorMisses(t *testing.T) {
	for fault, def := range map[string][]byte{
		"a misspelt key in a Retrier":        broken(t, `"MaxAttempts": 3`, `"MaxAttemps": 3`),
		"ItemBatcher on an inline Map":       broken(t, `"ItemsPath":`, `"ItemBatcher": {"MaxItemsPerBatch": 2}, "ItemsPath":`),
		"a heartbeat beyond the time-out":    broken(t, `"TimeoutSeconds": 86400,`, `"TimeoutSeconds": 86400, "HeartbeatSeconds": 86401,`),
		"States.ALL before another Retrier":  broken(t, `"ErrorEquals": ["States.Timeout"]`, `"ErrorEquals": ["States.ALL"]`),
		"a token that the payload lacks":     broken(t, `"token.$": "$$.Task.Token",`, ``),
		"nothing, but for a misspelt Retry ": broken(t, `"BackoffRate": 2`, `"BackofRate": 2`),
	} {
		findings := stepfn.Lint(def)
		if len(findings) == 0 {
			t.Errorf("our lint takes %s", fault)
		}
		if c := validate(t, def); c != "" {
			t.Logf("asl-validator finds %s too: %s", fault, strings.Join(strings.Fields(c), " "))
		}
	}
}
