package template_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/template"
)

const root = "../.."

func load(t *testing.T) *template.Template {
	t.Helper()
	tpl, err := template.Load(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func TestEveryFolderOfFunctionsIsDeployedAndNothingElse(t *testing.T) {
	dirs, err := os.ReadDir(filepath.Join(root, "functions"))
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, d := range dirs {
		folders = append(folders, d.Name())
	}
	if got := load(t).Names(); !reflect.DeepEqual(got, folders) {
		t.Errorf("template.yaml has %v, functions/ has %v", got, folders)
	}
}

func TestEveryFunctionIsAStaticArmBootstrapOfItsFolder(t *testing.T) {
	for name, f := range load(t).Functions {
		if f.Runtime != "provided.al2023" || f.Architecture != "arm64" || f.Handler != "bootstrap" {
			t.Errorf("%s: %s %s %s", name, f.Runtime, f.Architecture, f.Handler)
		}
		if f.CodeURI != "dist/arm64/"+name+"/" {
			t.Errorf("%s: CodeUri %s is not where make build writes", name, f.CodeURI)
		}
		if f.MemoryMB < 128 {
			t.Errorf("%s: memory %d MB", name, f.MemoryMB)
		}
		if f.Environment["TABLE_NAME"] != (template.Intrinsic{Name: "Ref", Arg: "Table"}) {
			t.Errorf("%s: the globals' environment is not applied: %v", name, f.Environment)
		}
	}
}

// TestTimeoutsFitTheTriggers: an HTTP API cuts its request at 30 s (API Gateway quotas), so a function that serves
// nothing else would only run on unheard; one that has other triggers may go on. That the machine's tasks outlast
// their functions is tested beside the machine.
func TestTimeoutsFitTheTriggers(t *testing.T) {
	tpl := load(t)
	http, other := map[string]bool{}, map[string]bool{}
	for _, r := range tpl.Routes {
		http[r.Function] = true
	}
	for _, r := range tpl.Rules {
		other[r.Function] = true
	}
	for _, s := range tpl.Schedules {
		other[s.Function] = true
	}
	for _, m := range tpl.Machines {
		for _, f := range m.Substitutions {
			other[f] = true
		}
	}
	for name, f := range tpl.Functions {
		if !http[name] && !other[name] {
			t.Errorf("%s: nothing invokes it", name)
		}
		if http[name] && !other[name] && f.Timeout >= 30*time.Second {
			t.Errorf("%s: Timeout %v, but its requests are cut at 30 s", name, f.Timeout)
		}
	}
}

func TestTheMachineIsGivenEveryFunctionThatItNames(t *testing.T) {
	m, ok := load(t).Machines["PublishStateMachine"]
	if !ok {
		t.Fatal("no PublishStateMachine")
	}
	def, err := os.ReadFile(filepath.Join(root, m.DefinitionURI))
	if err != nil {
		t.Fatal(err)
	}
	for name, fn := range m.Substitutions {
		if !strings.Contains(string(def), "${"+name+"}") {
			t.Errorf("%s (%s) is substituted but the definition does not use it", name, fn)
		}
	}
	rest := string(def)
	for name := range m.Substitutions {
		rest = strings.ReplaceAll(rest, "${"+name+"}", "")
	}
	if strings.Contains(rest, "${") {
		t.Error("the definition uses a substitution that template.yaml does not give")
	}
}

func TestRoutesRulesAndSchedulesAreRead(t *testing.T) {
	tpl := load(t)
	routes, rules, schedules := map[string]template.Route{}, map[string]template.Rule{}, map[string]string{}
	for _, r := range tpl.Routes {
		if other, twice := routes[r.Key()]; twice {
			t.Errorf("%s is a route of %s and of %s", r.Key(), other.Function, r.Function)
		}
		routes[r.Key()] = r
	}
	for _, r := range tpl.Rules {
		rules[r.Function+"/"+r.Event] = r
	}
	for _, s := range tpl.Schedules {
		schedules[s.Function+" "+s.Input] = s.Expression
	}
	for key, want := range map[string]template.Route{
		"POST /publications":             {Function: "ingest", Event: "Publications", Method: "POST", Path: "/publications", Auth: "AWS_IAM"},
		"ANY /api/{proxy+}":              {Function: "console", Event: "Verbs", Method: "ANY", Path: "/api/{proxy+}", Auth: "AWS_IAM"},
		"GET /oauth/{platform}/callback": {Function: "refreshtoken", Event: "LoginPage", Method: "GET", Path: "/oauth/{platform}/callback", Auth: "NONE"},
		"POST /callbacks/vod":            {Function: "vodcallback", Event: "Vod", Method: "POST", Path: "/callbacks/vod", Auth: "NONE"},
		"ANY /vod/{call+}":               {Function: "appserver", Event: "Vod", Method: "ANY", Path: "/vod/{call+}", Auth: "NONE"},
	} {
		if routes[key] != want {
			t.Errorf("%s: got %+v, want %+v", key, routes[key], want)
		}
	}
	for key, want := range map[string]string{
		`reconcile {"v":1,"job":"due"}`: "rate(1 minute)", `reconcile {"v":1,"job":"books"}`: "rate(1 hour)", `refreshtoken {"v":1,"job":"sweep"}`: "rate(10 minutes)",
	} {
		if schedules[key] != want {
			t.Errorf("%s: got %q, want %q", key, schedules[key], want)
		}
	}
	names := template.Names{Refs: map[string]string{"Inbox": "my-inbox"}}
	p, err := tpl.Resolve(rules["ingest/Dropped"].Pattern, names)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"source": []any{"aws.s3"}, "detail-type": []any{"Object Created"},
		"detail": map[string]any{"bucket": map[string]any{"name": []any{"my-inbox"}}}}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %v\nwant %v", p, want)
	}
	if tpl.Globals["Tracing"] == nil || tpl.Outputs["ApiUrl"] == nil || tpl.Resources["Table"].Deletion != "Retain" || tpl.Resources["Operators"].Condition == "" {
		t.Error("globals, outputs, conditions or deletion policies are not read")
	}
}

func TestResolveKnowsRefGetAttSubAndDefaults(t *testing.T) {
	tpl, err := template.Parse([]byte("Parameters: {P: {Type: String, Default: d}, Q: {Type: String}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	n := template.Names{Refs: map[string]string{"B": "bucket"}, Attributes: map[string]string{"B.Arn": "arn:b"}}
	for _, c := range []struct {
		in   template.Intrinsic
		want any // nil: an error
	}{
		{template.Intrinsic{Name: "Ref", Arg: "B"}, "bucket"},
		{template.Intrinsic{Name: "Ref", Arg: "P"}, "d"},
		{template.Intrinsic{Name: "Ref", Arg: "Q"}, nil},
		{template.Intrinsic{Name: "GetAtt", Arg: "B.Arn"}, "arn:b"},
		{template.Intrinsic{Name: "GetAtt", Arg: "C.Arn"}, nil},
		{template.Intrinsic{Name: "Sub", Arg: "${B.Arn}/${P}/${!literal}"}, "arn:b/d/${literal}"},
		{template.Intrinsic{Name: "Sub", Arg: "${X}"}, nil},
		{template.Intrinsic{Name: "Select", Arg: "0"}, nil},
	} {
		got, err := tpl.Resolve(c.in, n)
		if (err != nil) != (c.want == nil) || (err == nil && got != c.want) {
			t.Errorf("%+v: got %v, %v; want %v", c.in, got, err, c.want)
		}
	}
}

func TestFaultsNameTheirPlace(t *testing.T) {
	fn := "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: dist/arm64/f/\n"
	for _, c := range []struct{ name, in, want string }{
		{"a key given twice", "Resources: {A: {Type: X}, A: {Type: Y}}", `"A" is given twice`},
		{"no type", "Resources: {A: {}}", "A: has no Type"},
		{"no code", "Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {Timeout: 3}}}", "F: has no CodeUri"},
		{"no time-out", fn, "F: Timeout"},
		{"an unknown event", fn + "      Timeout: 3\n      Events: {E: {Type: SNS}}\n", `F.Events.E: has the type "SNS"`},
		{"payload 1.0", fn + "      Timeout: 3\n      Events: {E: {Type: HttpApi, Properties: {Method: get, Path: /, PayloadFormatVersion: '1.0'}}}\n", "payload format 1.0"},
		{"a foreign substitution", "Resources: {M: {Type: 'AWS::Serverless::StateMachine', Properties: {DefinitionSubstitutions: {A: text}}}}", "substitution A"},
		{"not YAML", "a: [", "template:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := template.Parse([]byte(c.in))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
