package openapi_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// official is the OpenAPI Initiative's schema of documents. What it leaves open, the schemas in them, wrongs looks at itself.
var official = sync.OnceValues(func() (*jsonschema.Schema, error) {
	b, err := os.ReadFile("testdata/oas-3.1.schema.json")
	if err != nil {
		return nil, err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("oas.json", v); err != nil {
		return nil, err
	}
	return c.Compile("oas.json")
})

// wrongs lists what is wrong with the document itself. Compiling every schema takes a while.
func (d *document) wrongs(t testing.TB, compile bool) []string {
	t.Helper()
	var out []string
	bad := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	oas, err := official()
	if err != nil {
		t.Fatal(err)
	}
	if err := oas.Validate(d.root); err != nil {
		bad("not OpenAPI 3.1: %v", err)
	}
	used := map[string]bool{}
	d.walk(d.root, "", func(at string, m map[string]any) {
		to, ok := m["$ref"].(string)
		if !ok {
			return
		}
		used[to] = true
		if strings.HasPrefix(to, "#") {
			if _, _, err := d.follow(to[1:]); err != nil {
				bad("%s: %v", at, err)
			}
		}
	})
	for _, at := range d.schemas() {
		if compile {
			if _, err := d.schema(t, at); err != nil {
				bad("%s: %v", at, err)
			}
		}
		m, _, err := d.follow(at)
		if err != nil {
			continue // true or false
		}
		bad := func(format string, a ...any) { out = append(out, at+": "+fmt.Sprintf(format, a...)) }
		keywords(m, bad)
	}
	d.namesAreWhole(used, bad)
	return out
}

// namesAreWhole: operation ids once each, tags and security schemes that exist, path parameters that are described, no
// component that nobody uses.
func (d *document) namesAreWhole(used map[string]bool, bad func(string, ...any)) {
	tags := map[string]bool{}
	for _, v := range list(d.root["tags"]) {
		tags[text(v, "name")] = true
	}
	schemes, _, _ := d.follow("/components/securitySchemes")
	ids := map[string]bool{}
	for _, o := range d.operations() {
		id := text(o.body, "operationId")
		if id == "" || ids[id] || text(o.body, "summary") == "" {
			bad("%s: operationId %q is missing or there twice, or there is no summary", o.key(), id)
		}
		ids[id] = true
		for _, v := range list(o.body["tags"]) {
			if !tags[fmt.Sprint(v)] {
				bad("%s: tag %v", o.key(), v)
			}
		}
		for _, v := range list(o.body["security"]) {
			for name := range v.(map[string]any) {
				if schemes[name] == nil {
					bad("%s: security %s", o.key(), name)
				}
			}
		}
		want := strings.Count(o.path, "{")
		for _, p := range d.parameters(o) {
			if text(p, "in") == "path" {
				want--
				if !strings.Contains(o.path, "{"+text(p, "name")+"}") {
					bad("%s: parameter %s is not in the path", o.key(), text(p, "name"))
				}
			}
		}
		if want != 0 {
			bad("%s: %d parameters of the path are not described", o.key(), want)
		}
	}
	for _, kind := range []string{"schemas", "parameters", "responses"} {
		m, _, _ := d.follow("/components/" + kind)
		for name := range m {
			if at := "#/components/" + kind + "/" + name; !used[at] && !used[at+"/schema"] && name != "BareRefusal" {
				bad("%s is used nowhere", at)
			}
		}
	}
}

func list(v any) []any { l, _ := v.([]any); return l }

func text(v any, name string) string {
	m, _ := v.(map[string]any)
	s, _ := m[name].(string)
	return s
}

func (d *document) parameters(o operation) []map[string]any {
	var out []map[string]any
	for i := range list(o.body["parameters"]) {
		if p, _, err := d.follow(fmt.Sprintf("%s/parameters/%d", o.at, i)); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// walk visits every object but those inside examples.
func (d *document) walk(v any, at string, fn func(at string, m map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		fn(at, v)
		for k, x := range v {
			if k != "example" && k != "examples" {
				d.walk(x, at+"/"+escape(k), fn)
			}
		}
	case []any:
		for i, x := range v {
			d.walk(x, fmt.Sprintf("%s/%d", at, i), fn)
		}
	}
}

// schemas lists the pointers of all outermost schemas.
func (d *document) schemas() []string {
	var out []string
	components, _, _ := d.follow("/components/schemas")
	for name := range components {
		out = append(out, "/components/schemas/"+name)
	}
	d.walk(d.root, "", func(at string, m map[string]any) {
		if _, ok := m["schema"]; ok && !strings.HasPrefix(at, "/components/schemas/") {
			out = append(out, at+"/schema")
		}
	})
	slices.Sort(out)
	return out
}

// keywords complains of words that no schema of ours has: JSON Schema itself lets a misspelt rule pass as no rule.
func keywords(schema map[string]any, bad func(string, ...any)) {
	known := strings.Fields(`$ref type description properties required additionalProperties unevaluatedProperties items oneOf enum const
		format pattern minLength maxLength minimum maximum default contentEncoding examples x-maxBytes`)
	for k, v := range schema {
		if !slices.Contains(known, k) {
			bad("unknown keyword %s", k)
		}
		switch k {
		case "properties":
			for name, s := range v.(map[string]any) {
				if m, ok := s.(map[string]any); ok {
					keywords(m, func(f string, a ...any) { bad(name+": "+f, a...) })
				}
			}
		case "items", "additionalProperties", "unevaluatedProperties":
			if m, ok := v.(map[string]any); ok {
				keywords(m, bad)
			}
		case "oneOf":
			for _, s := range list(v) {
				keywords(s.(map[string]any), bad)
			}
		case "required":
			if props, ok := schema["properties"].(map[string]any); ok {
				for _, name := range list(v) {
					if _, ok := props[name.(string)]; !ok {
						bad("%v is required and not described", name)
					}
				}
			}
		}
	}
}

func TestTheDocumentIsOpenAPI31AndWhole(t *testing.T) {
	for _, w := range load(t, nil).wrongs(t, true) {
		t.Error(w)
	}
}

// Each fault is put into a copy, and has to be found.
func TestFaultsInTheDocumentAreFound(t *testing.T) {
	schema := func(root map[string]any, name string) map[string]any {
		return root["components"].(map[string]any)["schemas"].(map[string]any)[name].(map[string]any)
	}
	get := func(root map[string]any, path string) map[string]any {
		return root["paths"].(map[string]any)[path].(map[string]any)["get"].(map[string]any)
	}
	for name, c := range map[string]struct {
		spoil func(root map[string]any)
		says  string
	}{
		"a member that OpenAPI has not": {func(r map[string]any) { r["pathes"] = map[string]any{} }, "not OpenAPI 3.1"},
		"no title":                      {func(r map[string]any) { delete(r["info"].(map[string]any), "title") }, "not OpenAPI 3.1"},
		"another version":               {func(r map[string]any) { r["openapi"] = "3.0.3" }, "not OpenAPI 3.1"},
		"an operation without answers":  {func(r map[string]any) { get(r, "/vod/getSts")["responses"] = "yes" }, "not OpenAPI 3.1"},
		"a reference to nothing": {func(r map[string]any) {
			schema(r, "Video")["properties"].(map[string]any)["user"].(map[string]any)["$ref"] = "#/components/schemas/Usr"
		}, "no object"},
		"a type that is none":               {func(r map[string]any) { schema(r, "Font")["type"] = "objekt" }, "Font"},
		"a misspelt rule":                   {func(r map[string]any) { schema(r, "Font")["requierd"] = []any{"id"} }, "unknown keyword requierd"},
		"a required name that is not there": {func(r map[string]any) { delete(schema(r, "Font")["properties"].(map[string]any), "id") }, "id is required"},
		"an operation id twice":             {func(r map[string]any) { get(r, "/vod/getSts")["operationId"] = "login" }, "login"},
		"a tag that is none":                {func(r map[string]any) { get(r, "/vod/getSts")["tags"] = []any{"nothing"} }, "tag nothing"},
		"a component for nobody": {func(r map[string]any) {
			r["components"].(map[string]any)["schemas"].(map[string]any)["Spare"] = map[string]any{"type": "object"}
		}, "used nowhere"},
		"a path parameter forgotten": {func(r map[string]any) { delete(get(r, "/api/uploads/{id}"), "parameters") }, "not described"},
		"a scheme that is none":      {func(r map[string]any) { get(r, "/vod/getSts")["security"] = []any{map[string]any{"magic": []any{}}} }, "security magic"},
	} {
		t.Run(name, func(t *testing.T) {
			if w := strings.Join(load(t, c.spoil).wrongs(t, c.says == "Font"), "\n"); !strings.Contains(w, c.says) {
				t.Errorf("got %q, want %q", w, c.says)
			}
		})
	}
}
