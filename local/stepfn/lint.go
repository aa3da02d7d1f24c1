package stepfn

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Finding is one fault of a definition.
type Finding struct {
	Where string // "Carry.Range.Retry[0]"
	Rule  string // one of the Rule constants
	Text  string
}

// String is "where: text (rule)".
func (f Finding) String() string { return fmt.Sprintf("%s: %s (%s)", f.Where, f.Text, f.Rule) }

// The rules. Several of them AWS's own validation, and the validators people use, let pass.
const (
	RuleJSON        = "json"              // not JSON, or a name twice in one object
	RuleField       = "unknown-field"     // a field that its state type does not have, misspelt keys of a Retrier included
	RuleMissing     = "missing-field"     // a required field
	RuleValue       = "bad-value"         // wrong type or out of bounds
	RulePath        = "bad-path"          // not a reference path
	RuleTarget      = "missing-target"    // Next, Default or StartAt names no state of the same graph
	RuleUnreachable = "unreachable"       // a state that nothing leads to, or a Retrier, Catcher behind States.ALL
	RuleName        = "state-name"        // length, or the same name twice
	RuleError       = "error-name"        // a States.… name that does not exist
	RuleAll         = "states-all"        // States.ALL not alone, or not last
	RuleHeartbeat   = "heartbeat"         // HeartbeatSeconds not below TimeoutSeconds
	RuleToken       = "task-token"        // waitForTaskToken without the token in the payload, or a token without it
	RuleUnsupported = "unsupported"       // AWS has it, this interpreter does not
	RulePlaceholder = "placeholder"       // a ${…} that nothing fills
	RuleDistributed = "distributed-field" // a field of a distributed Map on an inline one
)

// Lint returns every fault of a definition, sorted by place; nil when there is none. Placeholders may be unfilled.
func Lint(def []byte) []Finding {
	l := &linter{}
	root, _ := l.read(def)
	l.machine(root)
	return l.sorted()
}

// linter reads a definition into a Machine and collects what is wrong on the way.
type linter struct {
	findings []Finding
	names    map[string]bool // of states, over the whole machine
}

func (l *linter) report(where, rule, format string, args ...any) {
	where = strings.Trim(where, ".")
	if where == "" {
		where = "(machine)"
	}
	l.findings = append(l.findings, Finding{Where: where, Rule: rule, Text: fmt.Sprintf(format, args...)})
}

func (l *linter) sorted() []Finding {
	slices.SortFunc(l.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Text, b.Text))
	})
	return l.findings
}

func (l *linter) read(def []byte) (map[string]any, bool) {
	v, err := decode(def)
	if err != nil {
		l.report("", RuleJSON, "%v", err)
		return nil, false
	}
	l.duplicates(json.NewDecoder(bytes.NewReader(def)), "")
	root, ok := v.(map[string]any)
	if !ok {
		l.report("", RuleJSON, "the definition must be an object")
	}
	return root, ok
}

// duplicates finds names that stand twice in one object, of which a decoder silently keeps the last.
func (l *linter) duplicates(d *json.Decoder, where string) {
	t, err := d.Token()
	if err != nil {
		return
	}
	switch t {
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return
			}
			name, _ := key.(string)
			if seen[name] {
				l.report(where, RuleJSON, "%q stands here twice", name)
			}
			seen[name] = true
			l.duplicates(d, where+"."+name)
		}
		_, _ = d.Token() // the closing brace: More said that it is next
	case json.Delim('['):
		for d.More() {
			l.duplicates(d, where+"[]")
		}
		_, _ = d.Token()
	}
}

// substitute fills placeholders inside strings. It works on values, not on the text, so that no value can break out
// of its string.
func (l *linter) substitute(where string, v any, with map[string]string) any {
	switch node := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(node))
		for name, inner := range node {
			out[name] = l.substitute(where+"."+name, inner, with)
		}
		return out
	case []any:
		out := make([]any, len(node))
		for i, inner := range node {
			out[i] = l.substitute(where, inner, with)
		}
		return out
	case string:
		return placeholder.ReplaceAllStringFunc(node, func(m string) string {
			value, ok := with[m[2:len(m)-1]]
			if !ok {
				l.report(where, RulePlaceholder, "nothing fills %s", m)
			}
			return value
		})
	}
	return v
}

var placeholder = regexp.MustCompile(`\$\{[A-Za-z0-9_]+\}`)

// fields reports fields of o that are neither in allowed nor known to be unsupported.
func (l *linter) fields(where string, o map[string]any, allowed, unsupported string) {
	for name := range o {
		switch {
		case slices.Contains(strings.Fields(allowed), name):
		case slices.Contains(strings.Fields(unsupported), name):
			l.report(where, RuleUnsupported, "%q is not supported", name)
		default:
			l.report(where, RuleField, "%q is not a field here", name)
		}
	}
}

func (l *linter) object(where string, o map[string]any, key string, required bool) map[string]any {
	v, present := o[key]
	m, ok := v.(map[string]any)
	switch {
	case present && !ok:
		l.report(where, RuleValue, "%s must be an object", key)
	case !present && required:
		l.report(where, RuleMissing, "%s is missing", key)
	}
	return m
}

func (l *linter) array(where string, o map[string]any, key string) []any {
	v, present := o[key]
	a, ok := v.([]any)
	if present && !ok {
		l.report(where, RuleValue, "%s must be a list", key)
	}
	return a
}

func (l *linter) text(where string, o map[string]any, key string, required bool) string {
	v, present := o[key]
	s, ok := v.(string)
	switch {
	case present && !ok:
		l.report(where, RuleValue, "%s must be a string", key)
	case !present && required:
		l.report(where, RuleMissing, "%s is missing", key)
	}
	return s
}

// integer reads a whole number between low and high, or gives otherwise when the field is absent.
func (l *linter) integer(where string, o map[string]any, key string, low, high, otherwise int) int {
	v, present := o[key]
	if !present {
		return otherwise
	}
	n, ok := whole(v, high)
	if !ok || n < low {
		l.report(where, RuleValue, "%s must be a whole number from %d to %d", key, low, high)
		return otherwise
	}
	return n
}

func (l *linter) seconds(where string, o map[string]any, key string, low int) time.Duration {
	return time.Duration(l.integer(where, o, key, low, maxWaitSeconds, 0)) * time.Second
}

// path reads a path field: absent is $, null is nil.
func (l *linter) path(where string, o map[string]any, key string) *path {
	v, present := o[key]
	if !present {
		return &path{text: "$"}
	}
	if v == nil && (key == "InputPath" || key == "OutputPath" || key == "ResultPath") {
		return nil
	}
	s, ok := v.(string)
	if !ok {
		l.report(where, RuleValue, "%s must be a path", key)
		return nil
	}
	p, err := parsePath(s)
	switch {
	case err != nil:
		l.report(where, RulePath, "%s %q: %v", key, s, err)
	case p.context && key == "ResultPath":
		l.report(where, RulePath, "ResultPath cannot lead into the context object")
	}
	return p
}

// optionalPath is nil when the field is absent.
func (l *linter) optionalPath(where string, o map[string]any, key string) *path {
	if _, present := o[key]; !present {
		return nil
	}
	return l.path(where, o, key)
}

func (l *linter) template(where string, o map[string]any, key string) *template {
	v, present := o[key]
	if !present {
		return nil
	}
	return parseTemplate(v, func(at, text string) { l.report(where+"."+key+at, RulePath, "%s", text) })
}

func (l *linter) stateName(where, name string) {
	if n := utf8.RuneCountInString(name); n < 1 || n > MaxNameLength {
		l.report(where, RuleName, "a state name has 1 to %d characters", MaxNameLength)
	}
	if l.names[name] {
		l.report(where, RuleName, "the name is used twice in this machine")
	}
	if l.names == nil {
		l.names = map[string]bool{}
	}
	l.names[name] = true
}
