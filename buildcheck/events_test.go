package buildcheck

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/config"
	"github.com/vodlift/vodlift/statemachine"
)

// sampleNames are the values of env.json.example, and of a stack in these tests.
func sampleNames() template.Names {
	return template.Names{
		Refs: map[string]string{"Api": "abc123", "AWS::Partition": "aws", "AWS::Region": "eu-central-1", "AWS::AccountId": "111122223333", "AWS::StackName": "vodlift", "AWS::URLSuffix": "amazonaws.com",
			"Table": "vodlift-Table-EXAMPLE", "Inbox": "vodlift-inbox-example", "PublishStateMachine": "arn:aws:states:eu-central-1:111122223333:stateMachine:vodlift-publish"},
		Attributes: map[string]string{"SealKey.Arn": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
	}
}

func TestTheExampleEnvironmentIsTheTemplates(t *testing.T) {
	tpl := deployed(t)
	b, err := os.ReadFile(filepath.Join(root, "env.json.example"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]string
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(tpl.Functions) {
		t.Errorf("it has %d functions, template.yaml has %d", len(got), len(tpl.Functions))
	}
	for name, f := range tpl.Functions {
		want, err := tpl.Environment(f, sampleNames())
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got[f.LogicalID], want) {
			t.Errorf("%s\ngot  %v\nwant %v", f.LogicalID, got[f.LogicalID], want)
		}
		if _, err := config.Load(name, func(n string) (string, bool) { v, ok := got[f.LogicalID][n]; return v, ok }); err != nil {
			t.Error(err)
		}
	}
}

// trigger is one way in which a function is invoked on AWS.
type trigger struct {
	function, what string
	fits           func(event map[string]any) bool
}

// triggers lists all that template.yaml and the machine declare.
func triggers(t *testing.T, tpl *template.Template) (out []trigger) {
	t.Helper()
	add := func(function, what string, fits func(map[string]any) bool) {
		out = append(out, trigger{function, what, fits})
	}
	whole := map[string][]template.Route{} // whose paths the function's own router tells apart
	for _, r := range tpl.Routes {
		if r.Method == "ANY" && strings.HasSuffix(r.Path, "+}") {
			whole[r.Function] = append(whole[r.Function], r)
			continue
		}
		add(r.Function, r.Key(), func(e map[string]any) bool { return servedBy(r.Method, r.Path, e) })
	}
	for function, routes := range whole {
		add(function, "ANY", func(e map[string]any) bool {
			return slices.ContainsFunc(routes, func(r template.Route) bool { return servedBy(r.Method, r.Path, e) })
		})
	}
	for _, id := range ids(tpl, "AWS::ApiGatewayV2::Route") {
		method, path, _ := strings.Cut(text(tpl.Resources[id].Properties["RouteKey"]), " ")
		in := tpl.Resources["ConsoleIntegration"].Properties["IntegrationUri"]
		name, ok := tpl.FunctionOf(logical(in))
		if !ok {
			t.Fatalf("%s ends at no function", id)
		}
		add(name, method+" "+path, func(e map[string]any) bool { return servedBy(method, path, e) && e["routeKey"] == method+" "+path })
	}
	for _, r := range tpl.Rules {
		kind := at(r.Pattern, "detail-type").([]any)[0]
		add(r.Function, fmt.Sprint(kind), func(e map[string]any) bool {
			return e["detail-type"] == kind && e["source"] == at(r.Pattern, "source").([]any)[0]
		})
	}
	for _, s := range tpl.Schedules {
		var want map[string]any
		if err := json.Unmarshal([]byte(s.Input), &want); err != nil {
			t.Fatalf("%s.%s: %v", s.Function, s.Event, err)
		}
		add(s.Function, s.Input, func(e map[string]any) bool { return reflect.DeepEqual(e, want) })
	}
	return append(out, machineTriggers(t)...)
}

// machineTriggers are the payloads of the machine's tasks, by their members; of constants also the value.
func machineTriggers(t *testing.T) (out []trigger) {
	t.Helper()
	var walk func(v any)
	walk = func(v any) {
		if l, ok := v.([]any); ok {
			for _, e := range l {
				walk(e)
			}
		}
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		for _, e := range m {
			walk(e)
		}
		p, ok := at(m, "Parameters", "Payload").(map[string]any)
		if !ok || m["Type"] != "Task" {
			return
		}
		placeholder := strings.TrimSuffix(strings.TrimPrefix(text(at(m, "Parameters", "FunctionName")), "${"), "}")
		var members []string
		constants := map[string]any{}
		for k, v := range p {
			name, dynamic := strings.CutSuffix(k, ".$")
			members = append(members, name)
			if !dynamic {
				constants[name] = v
			}
		}
		slices.Sort(members)
		out = append(out, trigger{statemachine.Substitutions()[placeholder], fmt.Sprint(members, constants), func(e map[string]any) bool {
			for k, v := range constants {
				if e[k] != v {
					return false
				}
			}
			return slices.Equal(slices.Sorted(maps.Keys(e)), members)
		}})
	}
	var def any
	if err := json.Unmarshal(statemachine.Definition(), &def); err != nil {
		t.Fatal(err)
	}
	walk(def)
	return out
}

// servedBy tells whether a request would come by that route. The API gives the route's own key; the sample events of
// the AppServer name the call, as its router does.
func servedBy(method, path string, e map[string]any) bool {
	raw := text(e["rawPath"])
	if raw == "" || at(e, "requestContext", "http", "path") != raw {
		return false
	}
	m := text(at(e, "requestContext", "http", "method"))
	pattern := regexp.MustCompile(`\\\{[a-z]+\\\+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), ".+")
	pattern = regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(pattern, "[^/]+")
	return (method == "ANY" || method == m) && regexp.MustCompile("^"+pattern+"$").MatchString(raw)
}

// events reads the files of events/, by function and name.
func sampleEvents(t *testing.T) map[string]map[string]map[string]any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "events", "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]map[string]any{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var e map[string]any
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		function := filepath.Base(filepath.Dir(file))
		if out[function] == nil {
			out[function] = map[string]map[string]any{}
		}
		out[function][filepath.Base(file)] = e
	}
	return out
}

// unmatched lists triggers without an event, and events without a trigger. Those of Function Compute begin with fc-.
func unmatched(all []trigger, events map[string]map[string]map[string]any) (wrong []string) {
	used := map[string]bool{}
	for _, tr := range all {
		found := false
		for file, e := range events[tr.function] {
			if tr.fits(e) {
				found, used[tr.function+"/"+file] = true, true
			}
		}
		if !found {
			wrong = append(wrong, tr.function+" has no event for "+tr.what)
		}
	}
	for function, files := range events {
		for file := range files {
			if !used[function+"/"+file] && !strings.HasPrefix(file, "fc-") {
				wrong = append(wrong, "events/"+function+"/"+file+" comes by no trigger")
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

func TestEveryTriggerHasAnEventAndEveryEventATrigger(t *testing.T) {
	tpl := deployed(t)
	for _, w := range unmatched(triggers(t, tpl), sampleEvents(t)) {
		t.Error(w)
	}
	functions, _ := serverlessDevs(t)
	for name := range functions {
		if files, err := filepath.Glob(filepath.Join(root, "events", name, "fc-*.json")); err != nil || len(files) == 0 {
			t.Errorf("%s has no event of Function Compute", name)
		}
	}
}

func TestAMissingAndAStrayEventAreFound(t *testing.T) {
	tpl, events := deployed(t), sampleEvents(t)
	all := triggers(t, tpl)
	if len(all) < 25 {
		t.Errorf("only %d triggers", len(all))
	}
	delete(events["finalize"], "settle.json")
	events["park"]["stray.json"] = map[string]any{"v": 1.0, "upload": "u", "gen": 1.0, "tokn": "t", "for": "open"}
	want := []string{"events/park/stray.json comes by no trigger", "finalize has no event for [gen step upload v] map[step:settle]"}
	if got := unmatched(all, events); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNoFileOfTheDeploymentHoldsAnAccountOrAKey: the numbers and keys in examples are those that AWS reserves for them.
func TestNoFileOfTheDeploymentHoldsAnAccountOrAKey(t *testing.T) {
	files := []string{"template.yaml", "s.yaml", "samconfig.toml", "env.json.example", "statemachine/publish.asl.json", "Makefile"}
	more, err := filepath.Glob(filepath.Join(root, "events", "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range more {
		rel, _ := filepath.Rel(root, f)
		files = append(files, rel)
	}
	example := regexp.MustCompile(`111122223333|123456789012|AKIAIOSFODNN7EXAMPLE|AIDACKCEVSQ6C2EXAMPLE|-000000000000"|-9a0b1c2d3e4f"`)
	secret := regexp.MustCompile(`AKIA[A-Z0-9]{16}|LTAI[A-Za-z0-9]{12,}|-----BEGIN|(^|[^0-9a-zA-Z.])[0-9]{12}($|[^0-9a-zA-Z])`)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(root, f))
		if err != nil {
			t.Error(err)
			continue
		}
		if m := secret.FindString(example.ReplaceAllString(string(b), "")); m != "" {
			t.Errorf("%s holds %q", f, m)
		}
	}
}
