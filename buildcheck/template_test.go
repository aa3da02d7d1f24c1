package buildcheck

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/config"
	"github.com/vodlift/vodlift/shared/table/dynamo"
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
		Refs: map[string]string{"Api": "abc123", "AWS::Partition": "aws", "AWS::Region": "eu-central-1", "AWS::AccountId": "111122223333", "AWS::StackName": "vodlift", "AWS::URLSuffix": "amazonaws.com",
			"Table": "vodlift-Table-1", "Inbox": "vodlift-inbox-1", "PublishStateMachine": "arn:aws:states:eu-central-1:111122223333:stateMachine:vodlift-publish"},
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

// TestTheTableIsAsTheAdapterWantsIt: a template that names another attribute would deploy a table that nothing can use.
func TestTheTableIsAsTheAdapterWantsIt(t *testing.T) {
	props := deployed(t).Resources["Table"].Properties
	want := dynamo.Schema()
	keys := func(pk, sk string) []any {
		return []any{map[string]any{"AttributeName": pk, "KeyType": "HASH"}, map[string]any{"AttributeName": sk, "KeyType": "RANGE"}}
	}
	text := func(name string) any { return map[string]any{"AttributeName": name, "AttributeType": "S"} }
	attributes := []any{text(want.PK), text(want.SK)}
	var indexes []any
	for _, x := range want.Indexes {
		attributes = append(attributes, text(x.PK), text(x.SK))
		indexes = append(indexes, map[string]any{"IndexName": string(x.Name), "KeySchema": keys(x.PK, x.SK), "Projection": map[string]any{"ProjectionType": "KEYS_ONLY"}})
	}
	for name, v := range map[string]any{
		"BillingMode": "PAY_PER_REQUEST", "KeySchema": keys(want.PK, want.SK), "AttributeDefinitions": attributes, "GlobalSecondaryIndexes": indexes,
		"TimeToLiveSpecification": map[string]any{"AttributeName": want.TTL, "Enabled": true},
	} {
		if !reflect.DeepEqual(props[name], v) {
			t.Errorf("%s\ngot  %v\nwant %v", name, props[name], v)
		}
	}
}
