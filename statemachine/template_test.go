package statemachine_test

import (
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/vodlift/vodlift/statemachine"
)

// function is what template.yaml says of one function.
type function struct {
	id      string // logical
	timeout int    // seconds
}

// resource is a resource of template.yaml. CloudFormation's tags (!GetAtt, !Sub) decode as the plain node they stand on.
type resource struct {
	Type       string    `yaml:"Type"`
	Properties yaml.Node `yaml:"Properties"`
}

func template(t *testing.T) (resources map[string]resource, defaultTimeout int) {
	t.Helper()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var root struct {
		Globals struct {
			Function struct {
				Timeout int `yaml:"Timeout"`
			} `yaml:"Function"`
		} `yaml:"Globals"`
		Resources map[string]resource `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	return root.Resources, root.Globals.Function.Timeout
}

// deployed maps a folder under functions/ to its function; the folder is the last part of CodeUri.
func deployed(t *testing.T) map[string]function {
	t.Helper()
	resources, otherwise := template(t)
	out := map[string]function{}
	for id, r := range resources {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		var p struct {
			CodeURI string `yaml:"CodeUri"`
			Timeout int    `yaml:"Timeout"`
		}
		if err := r.Properties.Decode(&p); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if p.Timeout == 0 {
			p.Timeout = otherwise
		}
		out[path.Base(strings.TrimSuffix(p.CodeURI, "/"))] = function{id: id, timeout: p.Timeout}
	}
	return out
}

func folders(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("../functions")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}

func TestEveryFunctionNamedHasAFolderAndEveryFolderIsDeployed(t *testing.T) {
	have := folders(t)
	eachTask(t, func(name string, _, parameters object) {
		if f := folder(t, parameters); !slices.Contains(have, f) {
			t.Errorf("%s names %q, which is no folder under functions/", name, f)
		}
	})
	in := deployed(t)
	for _, f := range have {
		if _, ok := in[f]; !ok {
			t.Errorf("functions/%s is not in template.yaml", f)
		}
	}
	for f := range in {
		if !slices.Contains(have, f) {
			t.Errorf("template.yaml deploys %q, which is no folder under functions/", f)
		}
	}
}

func TestEveryTaskOutlastsItsFunctionByAMinute(t *testing.T) {
	in := deployed(t)
	eachTask(t, func(name string, s, parameters object) {
		f := in[folder(t, parameters)]
		if f.timeout == 0 {
			t.Errorf("%s: the function %q has no Timeout in template.yaml", name, folder(t, parameters))
		}
		if got, _ := s["TimeoutSeconds"].(float64); got < float64(f.timeout+60) {
			t.Errorf("%s: TimeoutSeconds %v, %s has Timeout %d and needs 60 s more", name, got, f.id, f.timeout)
		}
	})
}

func TestTheTemplateDeploysThisDefinitionWithEveryPlaceholderFilled(t *testing.T) {
	var used []string
	for _, m := range regexp.MustCompile(`\$\{([A-Za-z0-9]+)\}`).FindAllStringSubmatch(string(statemachine.Definition()), -1) {
		if !slices.Contains(used, m[1]) {
			used = append(used, m[1])
		}
	}
	slices.Sort(used)
	if want := slices.Sorted(maps.Keys(statemachine.Substitutions())); !slices.Equal(used, want) {
		t.Errorf("the definition uses %v, Substitutions has %v", used, want)
	}
	resources, _ := template(t)
	in, machines := deployed(t), 0
	for id, r := range resources {
		if r.Type != "AWS::Serverless::StateMachine" {
			continue
		}
		machines++
		var p struct {
			Type          string               `yaml:"Type"`
			DefinitionURI string               `yaml:"DefinitionUri"`
			Substitutions map[string]yaml.Node `yaml:"DefinitionSubstitutions"`
		}
		if err := r.Properties.Decode(&p); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if p.DefinitionURI != "statemachine/publish.asl.json" || p.Type == "EXPRESS" {
			t.Errorf("%s deploys %q as %q", id, p.DefinitionURI, p.Type)
		}
		if got := slices.Sorted(maps.Keys(p.Substitutions)); !slices.Equal(got, used) {
			t.Errorf("%s fills %v, the definition uses %v", id, got, used)
		}
		for name, node := range p.Substitutions {
			f := in[statemachine.Substitutions()[name]]
			if want := f.id + ".Arn"; node.Value != want {
				t.Errorf("%s: %s is %s, want %s", id, name, fmt.Sprint(node.Tag, " ", node.Value), want)
			}
		}
	}
	if machines != 1 {
		t.Errorf("%d state machines in template.yaml, want 1", machines)
	}
}
