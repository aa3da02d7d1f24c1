package asl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/statemachine"
)

// script is what the functions answer in one execution.
type script struct {
	Name    string                       `json:"name"`
	Input   json.RawMessage              `json:"input"`
	Answers map[string][]json.RawMessage `json:"answers"` // by call, see callName; the last is repeated
}

// trace is what an interpreter made of a script.
type trace struct {
	Name   string              `json:"name"`
	Lines  map[string][]string `json:"lines"` // states entered, Waits with their seconds: "top", and one for each index of the Map
	Calls  map[string][]any    `json:"calls"` // payloads by call
	Status string              `json:"status"`
	Output any                 `json:"output"`
	Error  string              `json:"error"`
}

func scripts(t *testing.T) []script {
	t.Helper()
	b, err := os.ReadFile("testdata/scripts.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []script
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// engine is an interpreter that somebody else wrote.
type engine struct {
	name    string
	command []string
	env     []string
}

// node is npm's aws-local-stepfunctions, moto PyPI's.
func node(t *testing.T) engine {
	dir := os.Getenv("VODLIFT_ASL_NODE")
	if dir == "" {
		t.Skip("NOT RUN: VODLIFT_ASL_NODE is not set; conformance/run.sh installs aws-local-stepfunctions and sets it")
	}
	return engine{"aws-local-stepfunctions", []string{"node", "interpret.cjs"}, []string{"NODE_PATH=" + filepath.Join(dir, "node_modules")}}
}

func moto(t *testing.T) engine {
	python := os.Getenv("VODLIFT_ASL_PYTHON")
	if python == "" {
		t.Skip("NOT RUN: VODLIFT_ASL_PYTHON is not set; conformance/run.sh installs moto and sets it")
	}
	return engine{"moto", []string{python, "interpret.py"}, []string{"AWS_ACCESS_KEY_ID=none", "AWS_SECRET_ACCESS_KEY=none", "PYTHONDONTWRITEBYTECODE=1"}}
}

// play runs scripts in the engine.
func (e engine) play(t *testing.T, definition []byte, all []script) []trace {
	t.Helper()
	file, list := filepath.Join(t.TempDir(), "definition.json"), filepath.Join(t.TempDir(), "scripts.json")
	if err := os.WriteFile(file, definition, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, []byte(encode(all)), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(e.command[1:len(e.command):len(e.command)], file, list)
	cmd := exec.CommandContext(t.Context(), e.command[0], args...)
	cmd.Env = append(os.Environ(), e.env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%.4000s", e.name, err, errs.String())
	}
	var traces []trace
	if err := json.Unmarshal(out.Bytes(), &traces); err != nil {
		t.Fatalf("%s: %v\n%.2000s", e.name, err, out.String())
	}
	return traces
}

// difference says where two interpreters part; empty where they agree.
func difference(ours, theirs trace) string {
	var b strings.Builder
	differ := func(what string, a, c any) {
		if !reflect.DeepEqual(a, c) {
			fmt.Fprintf(&b, "%s\n  ours   %s\n  theirs %s\n", what, encode(a), encode(c))
		}
	}
	differ("states", ours.Lines, theirs.Lines)
	differ("payloads", ours.Calls, theirs.Calls)
	differ("status", ours.Status, theirs.Status)
	differ("error", ours.Error, theirs.Error)
	differ("output", ours.Output, theirs.Output)
	return b.String()
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// compare plays every script in both and reports each difference; it says how many scripts parted.
func compare(t *testing.T, e engine, all []script, ours, theirs []byte, report func(format string, args ...any)) (parted int) {
	t.Helper()
	other := e.play(t, theirs, all)
	if len(other) != len(all) {
		t.Fatalf("%s played %d of %d scripts", e.name, len(other), len(all))
	}
	for i, s := range all {
		if d := difference(playOurs(t, ours, s), other[i]); d != "" {
			parted++
			report("%s: %q\n%s", e.name, s.Name, d)
		}
	}
	return parted
}

func TestTheDeployedDefinitionRunsAlikeInOtherInterpreters(t *testing.T) {
	for name, find := range map[string]func(*testing.T) engine{"aws-local-stepfunctions": node, "moto": moto} {
		t.Run(name, func(t *testing.T) {
			e := find(t)
			all := scripts(t)
			parted := compare(t, e, all, statemachine.Definition(), statemachine.Definition(), t.Errorf)
			t.Logf("%d of %d scripts alike in %s and local/stepfn", len(all)-parted, len(all), e.name)
		})
	}
}
