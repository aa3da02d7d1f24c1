package stepfn

import (
	"fmt"
	"slices"
	"strings"
)

// documented lists the error names that begin with "States." (States Language specification, Appendix A, and the
// developer guide).
func documented() []string {
	return []string{ErrorAll, ErrorTimeout, ErrorHeartbeat, ErrorFailed, ErrorRuntime, ErrorData, ErrorNoChoice, ErrorResult,
		"States.Permissions", "States.ParameterPathFailure", "States.BranchFailed", "States.IntrinsicFailure",
		"States.ExceedToleratedFailureThreshold", "States.ItemReaderFailed", "States.ResultWriterFailed",
		"States.QueryEvaluationError"}
}

// handler opens one Retrier or Catcher.
func (l *linter) handler(at, kind string, i int, raw any) (string, map[string]any) {
	where := fmt.Sprintf("%s.%s[%d]", at, kind, i)
	o, ok := raw.(map[string]any)
	if !ok {
		l.report(where, RuleValue, "must be an object")
		return where, nil
	}
	return where, o
}

func (l *linter) errorNames(where string, o map[string]any, last bool) []string {
	var names []string
	raw := l.array(where, o, "ErrorEquals")
	if len(raw) == 0 {
		l.report(where, RuleMissing, "ErrorEquals must name at least one error")
	}
	for _, v := range raw {
		name, ok := v.(string)
		switch {
		case !ok || name == "":
			l.report(where, RuleValue, "an error name must be a string")
		case strings.HasPrefix(name, "States.") && !slices.Contains(documented(), name):
			l.report(where, RuleError, "the language has no error %q", name)
		case strings.Contains(name, "*"):
			l.report(where, RuleError, "error names have no wildcards: %q", name)
		case slices.Contains(names, name):
			l.report(where, RuleValue, "%q stands here twice", name)
		}
		names = append(names, name)
	}
	if slices.Contains(names, ErrorAll) {
		if len(names) > 1 {
			l.report(where, RuleAll, "States.ALL must stand alone")
		}
		if !last {
			l.report(where, RuleAll, "States.ALL must come last: what follows is never reached")
		}
	}
	return names
}

func (l *linter) choice(at string, s *state, o map[string]any) {
	l.fields(at, o, common+paths+" Choices Default", laterFields)
	s.otherwise = l.text(at, o, "Default", false)
	choices := l.array(at, o, "Choices")
	if len(choices) == 0 {
		l.report(at, RuleMissing, "Choices must hold at least one rule")
	}
	for i, raw := range choices {
		if r := l.rule(fmt.Sprintf("%s.Choices[%d]", at, i), raw, true); r != nil {
			s.rules = append(s.rules, r)
		}
	}
}

// rule reads a Choice rule. Next stands at the top and nowhere else.
func (l *linter) rule(where string, raw any, top bool) *rule {
	o, ok := raw.(map[string]any)
	if !ok {
		l.report(where, RuleValue, "a rule must be an object")
		return nil
	}
	r := &rule{}
	var operators []string
	for name := range o {
		switch {
		case name == "Comment":
		case name == "Next" && top:
		case name == "Variable":
		case name == "And" || name == "Or" || name == "Not" || isOperator(name):
			operators = append(operators, name)
		case strings.HasPrefix(name, "Timestamp") || name == "StringMatches" || name == "IsTimestamp":
			l.report(where, RuleUnsupported, "the comparator %s is not supported", name)
		default:
			l.report(where, RuleField, "%q is not a field here", name)
		}
	}
	if top {
		r.next = l.text(where, o, "Next", true)
	}
	if len(operators) != 1 {
		l.report(where, RuleMissing, "a rule needs exactly one comparator, it has %d", len(operators))
		return r
	}
	l.operator(where, r, operators[0], o)
	return r
}

func (l *linter) operator(where string, r *rule, op string, o map[string]any) {
	_, variable := o["Variable"]
	switch op {
	case "And", "Or":
		var inner []*rule
		for i, raw := range l.array(where, o, op) {
			if one := l.rule(fmt.Sprintf("%s.%s[%d]", where, op, i), raw, false); one != nil {
				inner = append(inner, one)
			}
		}
		if len(inner) == 0 {
			l.report(where, RuleMissing, "%s needs at least one rule", op)
		}
		if op == "And" {
			r.and = inner
		} else {
			r.or = inner
		}
	case "Not":
		r.not = l.rule(where+".Not", o["Not"], false)
	default:
		if !variable {
			l.report(where, RuleMissing, "Variable is missing")
			return
		}
		r.variable = l.path(where, o, "Variable")
		compare, problem := parseComparison(op, o[op])
		if problem != "" {
			l.report(where, RuleValue, "%s %s", op, problem)
		}
		r.compare = compare
		return
	}
	if variable {
		l.report(where, RuleField, "Variable does not go with %s", op)
	}
}
