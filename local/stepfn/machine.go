package stepfn

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Machine is a definition that was read, found sound, and whose placeholders are filled. It never changes: any number
// of engines may share it.
type Machine struct {
	graph   *graph
	timeout time.Duration // 0: none
}

// graph is a set of states with a start: the machine itself, or the body of a Map.
type graph struct {
	start  string
	states map[string]*state
}

// state holds the fields of every type; the zero value of a field means that the type does not use it.
type state struct {
	name, typ string
	next      string
	end       bool

	input, output, result *path // nil is null: an empty object, or the result thrown away
	parameters, selector  *template

	function  string // Task
	token     bool
	timeout   time.Duration
	heartbeat time.Duration
	retry     []*retrier
	catch     []*catcher

	rules     []*rule // Choice
	otherwise string

	seconds     int // Wait
	secondsPath *path

	literal    any // Pass
	hasLiteral bool

	items           *path // Map
	itemSelector    *template
	concurrency     int
	concurrencyPath *path
	body            *graph

	errorName, cause string // Fail
}

type retrier struct {
	errors   []string
	interval time.Duration
	backoff  float64
	attempts int
	limit    time.Duration // MaxDelaySeconds; 0: none
	jitter   bool
}

type catcher struct {
	errors []string
	result *path
	next   string
}

func covers(names []string, e *stateError) bool { return slices.ContainsFunc(names, e.matches) }

// LoadError lists everything that is wrong with a definition.
type LoadError struct{ Findings []Finding }

// Error returns the findings, one a line.
func (e *LoadError) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return "stepfn: the definition is refused:\n" + strings.Join(lines, "\n")
}

// Load reads a definition and fills its placeholders ("${Name}" inside a string, as SAM's DefinitionSubstitutions).
// A definition with a finding of Lint, or with a placeholder that substitutions lack, is refused with a *LoadError
// that names them all; names in substitutions that the definition lacks are ignored.
func Load(def []byte, substitutions map[string]string) (*Machine, error) {
	if len(def) > maxDefinitionSize {
		return nil, errors.New("stepfn: the definition is larger than 1 MiB")
	}
	l := &linter{}
	root, ok := l.read(def)
	if ok {
		root = l.substitute("", root, substitutions).(map[string]any)
	}
	m := l.machine(root)
	if len(l.findings) > 0 {
		return nil, &LoadError{Findings: l.sorted()}
	}
	return m, nil
}
