package stepfn

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Resources of a Task that this interpreter runs.
const (
	resourceInvoke = "arn:aws:states:::lambda:invoke"
	resourceToken  = resourceInvoke + ".waitForTaskToken"
)

func (l *linter) machine(root map[string]any) *Machine {
	if root == nil {
		return nil
	}
	l.fields("", root, "Comment StartAt States TimeoutSeconds Version QueryLanguage", "")
	if q, ok := root["QueryLanguage"]; ok && q != "JSONPath" {
		l.report("", RuleUnsupported, "QueryLanguage must be JSONPath")
	}
	return &Machine{timeout: l.seconds("", root, "TimeoutSeconds", 1), graph: l.graph("", root)}
}

// graph reads StartAt and States of a machine or of the body of a Map, and follows the edges.
func (l *linter) graph(where string, o map[string]any) *graph {
	g := &graph{start: l.text(where, o, "StartAt", true), states: map[string]*state{}}
	states := l.object(where, o, "States", true)
	for _, name := range slices.Sorted(maps.Keys(states)) {
		at := where + "." + name
		l.stateName(at, name)
		raw, ok := states[name].(map[string]any)
		if !ok {
			l.report(at, RuleValue, "a state must be an object")
			continue
		}
		g.states[name] = l.state(at, name, raw)
	}
	l.reach(where, g)
	return g
}

// reach checks that every edge leads to a state, and that every state can be reached.
func (l *linter) reach(where string, g *graph) {
	seen := map[string]bool{}
	var visit func(from, field, name string)
	visit = func(from, field, name string) {
		s := g.states[name]
		if s == nil {
			if name != "" { // an absent field was reported where it is missing
				l.report(from, RuleTarget, "%s names %q, which is not a state here", field, name)
			}
			return
		}
		if seen[name] {
			return
		}
		seen[name] = true
		at := where + "." + name
		visit(at, "Next", s.next)
		visit(at, "Default", s.otherwise)
		for _, r := range s.rules {
			visit(at, "Next", r.next)
		}
		for _, c := range s.catch {
			visit(at, "Next", c.next)
		}
	}
	visit(where, "StartAt", g.start)
	for _, name := range slices.Sorted(maps.Keys(g.states)) {
		if !seen[name] {
			l.report(where+"."+name, RuleUnreachable, "nothing leads here")
		}
	}
}

const (
	common      = "Type Comment"
	flow        = " Next End"
	paths       = " InputPath OutputPath"
	laterFields = "Assign Output Arguments QueryLanguage Credentials" // JSONata and variables
)

func (l *linter) state(at, name string, o map[string]any) *state {
	s := &state{name: name, typ: l.text(at, o, "Type", true)}
	switch s.typ {
	case "Task":
		l.task(at, s, o)
	case "Map":
		l.mapState(at, s, o)
	case "Choice":
		l.choice(at, s, o)
	case "Wait":
		l.fields(at, o, common+flow+paths+" Seconds SecondsPath", laterFields+" Timestamp TimestampPath")
		l.wait(at, s, o)
	case "Pass":
		l.fields(at, o, common+flow+paths+" Result ResultPath Parameters", laterFields)
		s.literal, s.hasLiteral = o["Result"]
	case "Succeed":
		l.fields(at, o, common+paths, laterFields)
	case "Fail":
		l.fields(at, o, common+" Error Cause", "ErrorPath CausePath "+laterFields)
		s.errorName, s.cause = l.text(at, o, "Error", false), l.text(at, o, "Cause", false)
	case "Parallel":
		l.report(at, RuleUnsupported, "Parallel is not supported")
	case "":
	default:
		l.report(at, RuleValue, "there is no state type %q", s.typ)
	}
	s.input, s.output, s.result = l.path(at, o, "InputPath"), l.path(at, o, "OutputPath"), l.path(at, o, "ResultPath")
	s.parameters, s.selector = l.template(at, o, "Parameters"), l.template(at, o, "ResultSelector")
	if s.typ == "Map" && s.parameters != nil {
		s.parameters = nil
		l.report(at, RuleUnsupported, "Parameters of a Map is the old name of ItemSelector")
	}
	if slices.Contains([]string{"Task", "Map", "Wait", "Pass"}, s.typ) {
		l.ending(at, s, o)
	}
	if !s.token && (s.parameters.uses("$$.Task.Token") || s.selector.uses("$$.Task.Token")) {
		l.report(at, RuleToken, "only a Task that waits for its token has one")
	}
	return s
}

// ending reads Next and End, of which a state has exactly one.
func (l *linter) ending(at string, s *state, o map[string]any) {
	s.next = l.text(at, o, "Next", false)
	end, present := o["End"]
	ended, ok := end.(bool)
	if present && !ok {
		l.report(at, RuleValue, "End must be true or false")
	}
	if s.end = ended; s.end == (s.next != "") {
		l.report(at, RuleMissing, "exactly one of Next and End is needed")
	}
}

func (l *linter) task(at string, s *state, o map[string]any) {
	l.fields(at, o, common+flow+paths+" Resource Parameters ResultSelector ResultPath TimeoutSeconds HeartbeatSeconds Retry Catch",
		laterFields+" TimeoutSecondsPath HeartbeatSecondsPath")
	switch resource := l.text(at, o, "Resource", true); resource {
	case resourceToken:
		s.token = true
	case resourceInvoke, "":
	default:
		l.report(at, RuleUnsupported, "the resource %q is not supported", resource)
	}
	s.timeout, s.heartbeat = l.seconds(at, o, "TimeoutSeconds", 1), l.seconds(at, o, "HeartbeatSeconds", 1)
	if s.heartbeat > 0 && s.timeout > 0 && s.heartbeat >= s.timeout {
		l.report(at, RuleHeartbeat, "HeartbeatSeconds must be below TimeoutSeconds")
	}
	parameters := l.object(at, o, "Parameters", true)
	l.fields(at+".Parameters", parameters, "FunctionName Payload Payload.$",
		"FunctionName.$ Qualifier Qualifier.$ InvocationType InvocationType.$ ClientContext ClientContext.$ LogType LogType.$")
	s.function = l.text(at+".Parameters", parameters, "FunctionName", true)
	_, fixed := parameters["Payload"]
	_, dynamic := parameters["Payload.$"]
	if parameters != nil && !fixed && !dynamic {
		l.report(at+".Parameters", RuleMissing, "Payload is missing")
	}
	if s.token {
		payload := parseTemplate(parameters["Payload"], func(string, string) {}) // bad paths are reported with Parameters
		if !payload.uses("$$.Task.Token") && parameters["Payload.$"] != "$$.Task" {
			l.report(at+".Parameters", RuleToken, "the payload does not carry $$.Task.Token: nobody could ever wake this task")
		}
	}
	s.retry, s.catch = l.retriers(at, o), l.catchers(at, o)
}

func (l *linter) wait(at string, s *state, o map[string]any) {
	_, fixed := o["Seconds"]
	_, dynamic := o["SecondsPath"]
	if fixed == dynamic {
		l.report(at, RuleMissing, "exactly one of Seconds and SecondsPath is needed")
	}
	s.seconds = l.integer(at, o, "Seconds", 0, maxWaitSeconds, 0)
	s.secondsPath = l.optionalPath(at, o, "SecondsPath")
}

func (l *linter) mapState(at string, s *state, o map[string]any) {
	const distributed = "ItemBatcher ItemReader ResultWriter ToleratedFailureCount ToleratedFailureCountPath " +
		"ToleratedFailurePercentage ToleratedFailurePercentagePath Label"
	known := common + flow + paths + " ItemsPath ItemSelector ItemProcessor MaxConcurrency MaxConcurrencyPath ResultSelector ResultPath Retry Catch Parameters"
	l.fields(at, o, known+" "+distributed, laterFields+" Iterator Items")
	for _, name := range strings.Fields(distributed) {
		if _, ok := o[name]; ok {
			l.report(at, RuleDistributed, "%s belongs to a distributed Map; an inline one ignores it", name)
		}
	}
	s.items = l.path(at, o, "ItemsPath")
	s.itemSelector = l.template(at, o, "ItemSelector")
	s.concurrency = l.integer(at, o, "MaxConcurrency", 0, maxWaitSeconds, 0)
	s.concurrencyPath = l.optionalPath(at, o, "MaxConcurrencyPath")
	if _, both := o["MaxConcurrency"]; both && s.concurrencyPath != nil {
		l.report(at, RuleValue, "MaxConcurrency and MaxConcurrencyPath exclude each other")
	}
	s.retry, s.catch = l.retriers(at, o), l.catchers(at, o)
	processor := l.object(at, o, "ItemProcessor", true)
	if processor == nil {
		return
	}
	l.fields(at+".ItemProcessor", processor, "ProcessorConfig StartAt States Comment", "")
	config := l.object(at+".ItemProcessor", processor, "ProcessorConfig", false)
	l.fields(at+".ItemProcessor.ProcessorConfig", config, "Mode", "ExecutionType")
	if mode, ok := config["Mode"]; ok && mode != "INLINE" {
		l.report(at, RuleUnsupported, "only an INLINE Map is supported")
	}
	s.body = l.graph(at, processor)
}

func (l *linter) retriers(at string, o map[string]any) []*retrier {
	var out []*retrier
	all := l.array(at, o, "Retry")
	for i, raw := range all {
		where, r := l.handler(at, "Retry", i, raw)
		if r == nil {
			continue
		}
		l.fields(where, r, "ErrorEquals IntervalSeconds BackoffRate MaxAttempts MaxDelaySeconds JitterStrategy Comment", "")
		t := &retrier{
			errors:   l.errorNames(where, r, i == len(all)-1),
			interval: time.Duration(l.integer(where, r, "IntervalSeconds", 1, maxWaitSeconds, 1)) * time.Second,
			attempts: l.integer(where, r, "MaxAttempts", 0, maxRetryAttempts, defaultAttempts),
			limit:    time.Duration(l.integer(where, r, "MaxDelaySeconds", 1, maxRetryDelay-1, 0)) * time.Second,
			backoff:  2,
		}
		if rate, present := r["BackoffRate"]; present {
			f, ok := number(rate)
			if t.backoff = f; !ok || f < 1 {
				l.report(where, RuleValue, "BackoffRate must be a number of at least 1")
			}
		}
		if t.limit > 0 && t.limit <= t.interval {
			l.report(where, RuleValue, "MaxDelaySeconds must be above IntervalSeconds")
		}
		switch jitter := r["JitterStrategy"]; jitter {
		case nil, "NONE":
		case "FULL":
			t.jitter = true
		default:
			l.report(where, RuleValue, "JitterStrategy must be FULL or NONE")
		}
		out = append(out, t)
	}
	return out
}

func (l *linter) catchers(at string, o map[string]any) []*catcher {
	var out []*catcher
	all := l.array(at, o, "Catch")
	for i, raw := range all {
		where, c := l.handler(at, "Catch", i, raw)
		if c == nil {
			continue
		}
		l.fields(where, c, "ErrorEquals Next ResultPath Comment", "Assign Output")
		out = append(out, &catcher{
			errors: l.errorNames(where, c, i == len(all)-1),
			result: l.path(where, c, "ResultPath"),
			next:   l.text(where, c, "Next", true),
		})
	}
	return out
}
