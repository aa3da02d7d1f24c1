package buildcheck

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/config"
)

func deployed(t *testing.T) *template.Template {
	t.Helper()
	tpl, err := template.Load(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func TestEachFunctionIsGivenTheVariablesThatItReads(t *testing.T) {
	tpl := deployed(t)
	if got, want := config.Functions(), tpl.Names(); !slices.Equal(got, want) {
		t.Errorf("config knows %v, template.yaml has %v", got, want)
	}
	for name, f := range tpl.Functions {
		required, optional := config.Names(name)
		for _, v := range required {
			if f.Environment[v] == nil {
				t.Errorf("%s needs %s, which template.yaml does not set", name, v)
			}
		}
		for v := range f.Environment {
			if !slices.Contains(required, v) && !slices.Contains(optional, v) {
				t.Errorf("template.yaml sets %s for %s, which does not read it", v, name)
			}
		}
	}
}

func TestTheTemplatesDefaultsAreAGoodConfiguration(t *testing.T) {
	tpl := deployed(t)
	names := template.Names{
		Refs:       map[string]string{"Table": "vodlift-Table-1", "Inbox": "vodlift-inbox-1", "PublishStateMachine": "arn:aws:states:eu-central-1:111122223333:stateMachine:vodlift-publish"},
		Attributes: map[string]string{"SealKey.Arn": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
	}
	for name, f := range tpl.Functions {
		env, err := tpl.Environment(f, names)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := config.Load(name, func(n string) (string, bool) { v, ok := env[n]; return v, ok }); err != nil {
			t.Error(err)
		}
	}
}

func TestEveryFunctionHasAMainUnderThirtyLinesAndSampleEvents(t *testing.T) {
	for _, name := range deployed(t).Names() {
		b, err := os.ReadFile(filepath.Join(root, "functions", name, "main.go"))
		if err != nil {
			t.Error(err)
			continue
		}
		if n := strings.Count(string(b), "\n"); n >= 30 {
			t.Errorf("functions/%s/main.go has %d lines", name, n)
		}
		if !strings.Contains(string(b), `handler.Main("`+name+`", `) {
			t.Errorf("functions/%s/main.go starts a function of another name", name)
		}
		if files, err := filepath.Glob(filepath.Join(root, "events", name, "*.json")); err != nil || len(files) == 0 {
			t.Errorf("%s has no sample event", name)
		}
	}
}

// TestTheTablesKeysAreTheAdapters: a template that names another attribute would deploy a table that nothing can use.
func TestTheTablesAttributesAreThoseThatTheAdapterWrites(t *testing.T) {
	props := deployed(t).Resources["Table"].Properties
	var code strings.Builder
	files, err := filepath.Glob(filepath.Join(root, "shared/table/dynamo/*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal("no adapter", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(b)
	}
	var names []string
	for _, d := range props["AttributeDefinitions"].([]any) {
		names = append(names, d.(map[string]any)["AttributeName"].(string))
	}
	names = append(names, props["TimeToLiveSpecification"].(map[string]any)["AttributeName"].(string))
	for _, n := range names {
		if ok, _ := regexp.MatchString(`"`+regexp.QuoteMeta(n)+`"`, code.String()); !ok {
			t.Errorf("shared/table/dynamo does not know the attribute %s", n)
		}
	}
}
