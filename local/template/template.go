// Package template reads what the one-machine stack needs from template.yaml: functions, routes, rules, schedules and
// the machine's substitutions (design 6). It exists so that the local engines and the tests follow the deployed
// definition and never a second list. It does not transform SAM, and it must not know any engine.
package template

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"sort"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Template is what a SAM template declares, read once. It is plain data: reading it from several goroutines is safe.
type Template struct {
	Parameters map[string]any      // name -> default value; nil where there is none
	Globals    map[string]any      // of functions, as written
	Outputs    map[string]any      // by name
	Resources  map[string]Resource // by logical id
	Functions  map[string]Function // by function name, which is the folder under functions/
	Machines   map[string]Machine  // by logical id
	Routes     []Route             // of HTTP APIs, by function name and event name
	Rules      []Rule              // bus rules, by function name and event name
	Schedules  []Schedule          // by function name and event name
	byLogical  map[string]string   // logical id -> function name
}

// Resource is one resource as written: maps, lists, scalars and Intrinsic.
type Resource struct {
	Type       string
	Condition  string // its name; empty = always
	Deletion   string // DeletionPolicy
	Properties map[string]any
	Metadata   map[string]any
}

// Function is one AWS::Serverless::Function with the globals applied.
type Function struct {
	Name         string // the folder
	LogicalID    string
	CodeURI      string
	Handler      string
	Runtime      string
	Architecture string
	Timeout      time.Duration
	MemoryMB     int
	Environment  map[string]any // values may hold an Intrinsic
	Policies     []any
}

// Machine is one AWS::Serverless::StateMachine.
type Machine struct {
	LogicalID     string
	Type          string
	DefinitionURI string
	Substitutions map[string]string // name in the definition -> name of the function whose Arn it is
}

// Route is one route of an HTTP API, with payload format 2.0.
type Route struct {
	Function string
	Event    string // its name in the template
	Method   string // upper case, or ANY
	Path     string // may hold {name} and a last {name+}
	Auth     string // authorizer in force: AWS_IAM, NONE, or empty where the API has none
}

// Key is the route key of API Gateway: "POST /publications".
func (r Route) Key() string { return r.Method + " " + r.Path }

// Rule sends events of the default bus that match Pattern to a function.
type Rule struct {
	Function string
	Event    string
	Pattern  any // values may hold an Intrinsic
	Input    string
}

// Schedule invokes a function by a rate(...) or cron(...) expression.
type Schedule struct {
	Function   string
	Event      string
	Expression string
	Input      string // constant JSON; empty = the scheduled event itself
}

// Load reads a template from a file.
func Load(file string) (*Template, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return Parse(b)
}

// Parse reads a template. Whatever it cannot place (a resource without a type, an event without a target, a key given
// twice) is an error that names the place; several are reported together.
func Parse(b []byte) (*Template, error) {
	var root yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&root); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	v, err := plain(&root)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	top := asMap(v)
	t := &Template{Parameters: map[string]any{}, Resources: map[string]Resource{}, Functions: map[string]Function{}, Machines: map[string]Machine{}, byLogical: map[string]string{}}
	for name, p := range asMap(top["Parameters"]) {
		t.Parameters[name] = asMap(p)["Default"]
	}
	t.Globals, t.Outputs = asMap(asMap(top["Globals"])["Function"]), asMap(top["Outputs"])
	r := &reader{t: t, globals: t.Globals}
	for _, id := range sortedKeys(asMap(top["Resources"])) {
		m := asMap(asMap(top["Resources"])[id])
		res := Resource{Type: text(m["Type"]), Condition: text(m["Condition"]), Deletion: text(m["DeletionPolicy"]), Properties: asMap(m["Properties"]), Metadata: asMap(m["Metadata"])}
		if res.Type == "" {
			r.fail(id, "has no Type")
		}
		t.Resources[id] = res
	}
	r.read()
	if err := errors.Join(r.errs...); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return t, nil
}

// FunctionOf gives the name of the function with that logical id.
func (t *Template) FunctionOf(logicalID string) (string, bool) {
	n, ok := t.byLogical[logicalID]
	return n, ok
}

// Names lists the functions in order.
func (t *Template) Names() []string { return sortedKeys(t.Functions) }

// reader gathers the parts and every fault that it meets.
type reader struct {
	t       *Template
	globals map[string]any
	errs    []error
}

func (r *reader) fail(place, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s: "+format, append([]any{place}, args...)...))
}

func (r *reader) read() {
	ids := sortedKeys(r.t.Resources)
	for _, id := range ids {
		if res := r.t.Resources[id]; res.Type == "AWS::Serverless::Function" {
			r.function(id, res)
		}
	}
	for _, id := range ids {
		if res := r.t.Resources[id]; res.Type == "AWS::Serverless::StateMachine" {
			r.machine(id, res)
		}
	}
}

func (r *reader) function(id string, res Resource) {
	get := func(name string) any {
		if v, ok := res.Properties[name]; ok {
			return v
		}
		return r.globals[name]
	}
	f := Function{LogicalID: id, CodeURI: text(get("CodeUri")), Handler: text(get("Handler")), Runtime: text(get("Runtime")), Environment: map[string]any{}}
	f.Name = path.Base(path.Clean(f.CodeURI))
	if f.CodeURI == "" {
		r.fail(id, "has no CodeUri")
		return
	}
	if other, ok := r.t.Functions[f.Name]; ok {
		r.fail(id, "has the folder %s, as %s has", f.Name, other.LogicalID)
	}
	if a := asList(get("Architectures")); len(a) == 1 {
		f.Architecture = text(a[0])
	}
	seconds, ok := get("Timeout").(int)
	if !ok || seconds < 1 || seconds > 900 {
		r.fail(id, "Timeout must be a number from 1 to 900")
	}
	f.Timeout = time.Duration(seconds) * time.Second
	f.MemoryMB, _ = get("MemorySize").(int)
	for _, src := range []any{r.globals["Environment"], res.Properties["Environment"]} {
		for k, v := range asMap(asMap(src)["Variables"]) {
			f.Environment[k] = v
		}
	}
	f.Policies = asList(res.Properties["Policies"])
	r.t.Functions[f.Name] = f
	r.t.byLogical[id] = f.Name
	events := asMap(res.Properties["Events"])
	for _, name := range sortedKeys(events) {
		r.event(f.Name, id, name, asMap(events[name]))
	}
}

func (r *reader) event(function, id, name string, ev map[string]any) {
	place, props := id+".Events."+name, asMap(ev["Properties"])
	switch kind := text(ev["Type"]); kind {
	case "HttpApi":
		r.route(place, function, name, props)
	case "EventBridgeRule":
		if asMap(props["Pattern"]) == nil {
			r.fail(place, "has no Pattern")
		}
		r.t.Rules = append(r.t.Rules, Rule{Function: function, Event: name, Pattern: props["Pattern"], Input: text(props["Input"])})
	case "Schedule":
		s := Schedule{Function: function, Event: name, Expression: text(props["Schedule"]), Input: text(props["Input"])}
		if s.Expression == "" {
			r.fail(place, "has no Schedule")
		}
		r.t.Schedules = append(r.t.Schedules, s)
	default:
		r.fail(place, "has the type %q, which the one-machine stack does not know", kind)
	}
}

func (r *reader) route(place, function, name string, props map[string]any) {
	rt := Route{Function: function, Event: name, Method: strings.ToUpper(text(props["Method"])), Path: text(props["Path"])}
	if rt.Method == "" || !strings.HasPrefix(rt.Path, "/") {
		r.fail(place, "needs Method and Path")
	}
	if v := text(props["PayloadFormatVersion"]); v != "" && v != "2.0" {
		r.fail(place, "has payload format %s, want 2.0", v)
	}
	if api, ok := props["ApiId"].(Intrinsic); ok && api.Name == "Ref" {
		rt.Auth = text(asMap(r.t.Resources[text(api.Arg)].Properties["Auth"])["DefaultAuthorizer"])
	}
	if a := text(asMap(props["Auth"])["Authorizer"]); a != "" {
		rt.Auth = a
	}
	r.t.Routes = append(r.t.Routes, rt)
}

func (r *reader) machine(id string, res Resource) {
	m := Machine{LogicalID: id, Type: text(res.Properties["Type"]), DefinitionURI: text(res.Properties["DefinitionUri"]), Substitutions: map[string]string{}}
	subs := asMap(res.Properties["DefinitionSubstitutions"])
	for _, name := range sortedKeys(subs) {
		in, ok := subs[name].(Intrinsic)
		logical, attr, _ := strings.Cut(text(in.Arg), ".")
		fn, known := r.t.byLogical[logical]
		if !ok || in.Name != "GetAtt" || attr != "Arn" || !known {
			r.fail(id, "substitution %s must be the Arn of a function", name)
			continue
		}
		m.Substitutions[name] = fn
	}
	r.t.Machines[id] = m
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
