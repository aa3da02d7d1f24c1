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
	want := map[string]time.Duration{"ingest": 60, "initupload": 300, "uploadpart": 900, "finalize": 300, "park": 30, "refreshtoken": 60, "reconcile": 120}
	for name, f := range load(t).Functions {
		if f.Runtime != "provided.al2023" || f.Architecture != "arm64" || f.Handler != "bootstrap" {
			t.Errorf("%s: %s %s %s", name, f.Runtime, f.Architecture, f.Handler)
		}
		if f.CodeURI != "dist/arm64/"+name+"/" {
			t.Errorf("%s: CodeUri %s is not where make build writes", name, f.CodeURI)
		}
		if f.Timeout != want[name]*time.Second {
			t.Errorf("%s: Timeout %v, want %d s", name, f.Timeout, want[name])
		}
		if f.MemoryMB < 128 {
			t.Errorf("%s: memory %d MB", name, f.MemoryMB)
		}
		if f.Environment["TABLE_NAME"] != (template.Intrinsic{Name: "Ref", Arg: "Table"}) {
			t.Errorf("%s: the globals' environment is not applied: %v", name, f.Environment)
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
	if len(tpl.Routes) != 1 || tpl.Routes[0].Key() != "POST /publications" || tpl.Routes[0].Function != "ingest" || tpl.Routes[0].Auth != "AWS_IAM" {
		t.Errorf("routes: %+v", tpl.Routes)
	}
	if len(tpl.Rules) != 2 || len(tpl.Schedules) != 2 || tpl.Schedules[0].Expression != "rate(1 minute)" || tpl.Schedules[1].Expression != "rate(10 minutes)" {
		t.Fatalf("rules %+v, schedules %+v", tpl.Rules, tpl.Schedules)
	}
	names := template.Names{Refs: map[string]string{"Inbox": "my-inbox"}}
	p, err := tpl.Resolve(tpl.Rules[0].Pattern, names)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"source": []any{"aws.s3"}, "detail-type": []any{"Object Created"},
		"detail": map[string]any{"bucket": map[string]any{"name": []any{"my-inbox"}}}}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %v\nwant %v", p, want)
	}
}

func TestPoliciesNameSingleActionsAndExactResources(t *testing.T) {
	for name, f := range load(t).Functions {
		walk(f.Policies, func(key string, v any) {
			s, _ := v.(string)
			switch {
			case key == "Action" && strings.Contains(s, "*"):
				t.Errorf("%s: action %s has a wildcard", name, s)
			case key == "Resource" && s == "*":
				t.Errorf("%s: a resource is *", name)
			}
			if strings.Contains(s, "arn:aws:") {
				t.Errorf("%s: %s names a partition", name, s)
			}
		})
	}
}

// walk calls f for every scalar with the nearest map key above it.
func walk(v any, f func(key string, v any)) {
	var step func(key string, v any)
	step = func(key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				step(k, e)
			}
		case []any:
			for _, e := range v {
				step(key, e)
			}
		case template.Intrinsic:
			step(key, v.Arg)
		default:
			f(key, v)
		}
	}
	step("", v)
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
