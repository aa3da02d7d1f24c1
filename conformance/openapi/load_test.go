package openapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// base is where the document stands for its references; its schemas of other files stand beside it.
const base = "file:///vodlift/"

// document is openapi.yaml, read.
type document struct {
	root map[string]any

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

// operation is one method of one path.
type operation struct {
	path, method string
	at           string // JSON pointer
	body         map[string]any
}

func (o operation) key() string { return strings.ToUpper(o.method) + " " + o.path }

func readJSON(t testing.TB, file string) any {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return v
}

// asJSON is the document as JSON, read once: YAML is slow to read.
var asJSON = sync.OnceValues(func() ([]byte, error) {
	b, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		return nil, err
	}
	var v any
	if err := yaml.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
})

// load gives a copy of the document; change, which may be nil, spoils it.
func load(t testing.TB, change func(root map[string]any)) *document {
	t.Helper()
	b, err := asJSON()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{root: doc.(map[string]any), compiled: map[string]*jsonschema.Schema{}}
	if change != nil {
		change(d.root)
	}
	return d
}

// schema compiles what stands at a JSON pointer.
func (d *document) schema(t testing.TB, pointer string) (*jsonschema.Schema, error) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.compiled[pointer]; s != nil {
		return s, nil
	}
	if d.compiler == nil {
		d.compiler = jsonschema.NewCompiler()
		d.compiler.AssertFormat()
		for url, v := range map[string]any{
			"openapi.yaml": d.root, "docs/manifest.schema.json": readJSON(t, "../../docs/manifest.schema.json"),
			"docs/catalogue.schema.json": readJSON(t, "../../docs/catalogue.schema.json"),
		} {
			if err := d.compiler.AddResource(base+url, v); err != nil {
				return nil, err
			}
		}
	}
	s, err := d.compiler.Compile(base + "openapi.yaml#" + pointer)
	if err == nil {
		d.compiled[pointer] = s
	}
	return s, err
}

// follow gives the object at a JSON pointer, and where it stands after its references.
func (d *document) follow(pointer string) (map[string]any, string, error) {
	var at any = d.root
	for _, p := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		p = strings.NewReplacer("~1", "/", "~0", "~").Replace(p)
		switch v := at.(type) {
		case map[string]any:
			at = v[p]
		case []any:
			var i int
			if _, err := fmt.Sscan(p, &i); err != nil || i >= len(v) {
				return nil, "", fmt.Errorf("%s leads nowhere", pointer)
			}
			at = v[i]
		default:
			return nil, "", fmt.Errorf("%s leads nowhere", pointer)
		}
	}
	m, ok := at.(map[string]any)
	if !ok {
		return nil, "", fmt.Errorf("%s is no object", pointer)
	}
	if to, ok := m["$ref"].(string); ok && len(m) == 1 && strings.HasPrefix(to, "#") {
		return d.follow(to[1:])
	}
	return m, pointer, nil
}

func escape(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(s) }

// operations lists what the document describes, in order.
func (d *document) operations() []operation {
	var out []operation
	paths, _ := d.root["paths"].(map[string]any)
	for path, item := range paths {
		for method, op := range item.(map[string]any) {
			out = append(out, operation{path: path, method: method, at: "/paths/" + escape(path) + "/" + method, body: op.(map[string]any)})
		}
	}
	slices.SortFunc(out, func(a, b operation) int { return strings.Compare(a.key(), b.key()) })
	return out
}

// find gives the operation of a request: the path itself, or the one with {names} that fits.
func (d *document) find(method, path string) (operation, bool) {
	var found operation
	for _, o := range d.operations() {
		if !strings.EqualFold(o.method, method) {
			continue
		}
		if o.path == path {
			return o, true
		}
		if fits(o.path, path) {
			found = o
		}
	}
	return found, found.path != ""
}

func fits(template, path string) bool {
	a, b := strings.Split(template, "/"), strings.Split(path, "/")
	for i := range a {
		if len(a) != len(b) || a[i] != b[i] && (!strings.HasPrefix(a[i], "{") || b[i] == "") {
			return false
		}
	}
	return true
}

// judge says what is wrong with an answer by the document; nil: nothing.
func (d *document) judge(t testing.TB, o operation, status int, body []byte) error {
	t.Helper()
	at := fmt.Sprintf("%s/responses/%d", o.at, status)
	if _, _, err := d.follow(at); err != nil {
		at = o.at + "/responses/default"
	}
	_, at, err := d.follow(at)
	if err != nil {
		return fmt.Errorf("%s: status %d is not described: %w", o.key(), status, err)
	}
	s, err := d.schema(t, at+"/content/application~1json/schema")
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: not JSON: %w", o.key(), err)
	}
	if err := s.Validate(v); err != nil {
		return fmt.Errorf("%s: status %d: %w\n%s", o.key(), status, err, body)
	}
	return nil
}

// conforms judges a value by a named schema of the document.
func (d *document) conforms(t testing.TB, name string, body []byte) error {
	t.Helper()
	s, err := d.schema(t, "/components/schemas/"+name)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return s.Validate(v)
}
