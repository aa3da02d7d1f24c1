package openapi_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// appOperations are the document's calls of the apps, by the family of their path.
func appOperations(d *document) []operation {
	return slices.DeleteFunc(d.operations(), func(o operation) bool {
		return strings.HasPrefix(o.path, "/api/") || o.path == "/publications"
	})
}

// form gives the properties that a POST takes; nil for none.
func (d *document) form(t testing.TB, o operation) (props map[string]any, required []string) {
	t.Helper()
	m, _, err := d.follow(o.at + "/requestBody/content/application~1json/schema")
	if err != nil {
		return nil, nil
	}
	other, _, err := d.follow(o.at + "/requestBody/content/application~1x-www-form-urlencoded/schema")
	if err != nil || !reflect.DeepEqual(m, other) {
		t.Errorf("%s: the form differs from the JSON object (%v)", o.key(), err)
	}
	for _, r := range list(m["required"]) {
		required = append(required, r.(string))
	}
	props, _ = m["properties"].(map[string]any)
	return props, required
}

type parameter struct {
	name     string
	required bool
	rules    map[string]any
	example  any
}

// takes lists the parameters of an operation, the token apart.
func (d *document) takes(t testing.TB, o operation) []parameter {
	t.Helper()
	var out []parameter
	if o.method == "get" {
		for _, p := range d.parameters(o) {
			req, _ := p["required"].(bool)
			out = append(out, parameter{text(p, "name"), req, p["schema"].(map[string]any), p["example"]})
		}
		return out
	}
	props, required := d.form(t, o)
	for name, s := range props {
		if name == "token" {
			continue
		}
		p := parameter{name: name, required: slices.Contains(required, name)}
		if to := text(s, "$ref"); to != "" { // what GET takes, too
			of, _, err := d.follow(strings.TrimSuffix(strings.TrimPrefix(to, "#"), "/schema"))
			if err != nil {
				t.Fatalf("%s: %s has no parameter: %v", o.key(), name, err)
			}
			p.rules, p.example = of["schema"].(map[string]any), of["example"]
		} else {
			p.rules = s.(map[string]any)
			p.example = list(p.rules["examples"])[0]
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b parameter) int { return strings.Compare(a.name, b.name) })
	return out
}

func hasToken(o operation) bool { return strings.Contains(fmt.Sprint(o.body["security"]), "token") }

// A call takes the same by GET and by POST.
func TestBothMethodsOfACallTakeTheSame(t *testing.T) {
	d := load(t, nil)
	for _, o := range appOperations(d) {
		other, ok := d.find("POST", o.path)
		if o.method != "get" || !ok {
			continue
		}
		a, b := d.takes(t, o), d.takes(t, other)
		slices.SortFunc(a, func(x, y parameter) int { return strings.Compare(x.name, y.name) })
		if !reflect.DeepEqual(a, b) || hasToken(o) != hasToken(other) {
			t.Errorf("%s: by GET %v, by POST %v", o.path, a, b)
		}
		if props, _ := d.form(t, other); hasToken(o) != (props["token"] != nil) {
			t.Errorf("%s: the token of the form", o.path)
		}
	}
}

type example struct {
	Call    string `json:"call"`
	Request struct {
		Method     string            `json:"method"`
		Path       string            `json:"path"`
		Parameters map[string]string `json:"parameters"`
	} `json:"request"`
	Response json.RawMessage `json:"response"`
}

func examples(t testing.TB) map[string]example {
	t.Helper()
	files, err := filepath.Glob("../../shared/appserver/testdata/examples/*.json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]example{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var e example
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		out[e.Call] = e
	}
	return out
}

// valueOf writes an example as a client sends it.
func valueOf(v any) string {
	if n, ok := v.(json.Number); ok {
		return n.String()
	}
	return fmt.Sprint(v)
}

// The answers that stand in the document as examples are those of the vendor's documentation, each fits its schema, and
// each request of the document, sent in every form, is answered in the shape of its example, key by key.
func TestEveryExampleIsAnsweredAsTheDocumentSays(t *testing.T) {
	d := load(t, nil)
	all := examples(t)
	calls := map[string]bool{}
	for _, o := range appOperations(d) {
		calls[o.path] = true
		var vendor any
		if err := json.Unmarshal(all[o.path].Response, &vendor); err != nil {
			t.Fatalf("%s has no example: %v", o.path, err)
		}
		text := d.shown(t, o)
		var shown any
		if err := json.Unmarshal(text, &shown); err != nil || !reflect.DeepEqual(vendor, shown) {
			t.Errorf("%s: the document's example is not that of testdata/examples", o.key())
		}
		if err := d.judge(t, o, 200, text); err != nil {
			t.Error(err)
		}
		forms := []string{inForm, inJSON, inQuery}
		if o.method == "get" {
			forms = []string{inQuery}
		}
		for _, form := range forms {
			t.Run(o.key()+" "+form, func(t *testing.T) { replay(t, d, o, form, vendor) })
		}
	}
	for call := range all {
		if !calls[call] {
			t.Errorf("the document lacks %s", call)
		}
	}
}

// shown gives the example of an operation's answer: the one under the family of its path.
func (d *document) shown(t testing.TB, o operation) []byte {
	t.Helper()
	r, _, err := d.follow(o.at + "/responses/200")
	if err != nil {
		t.Fatal(err)
	}
	content := r["content"].(map[string]any)["application/json"].(map[string]any)
	b, err := json.Marshal(content["examples"].(map[string]any)[strings.Split(o.path, "/")[1]].(map[string]any)["value"])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// replay sends the document's example of a request, with ids that this server knows, and compares the answer's shape.
func replay(t *testing.T, d *document, o operation, form string, vendor any) {
	r := newApps(t, d)
	me := r.person("myself")
	v := url.Values{}
	for _, p := range d.takes(t, o) {
		if p.example == nil {
			t.Fatalf("%s has no example", p.name)
		}
		v.Set(p.name, valueOf(p.example))
	}
	for name, value := range r.real(o.path, me) {
		if v.Has(name) || name == "token" && hasToken(o) {
			v.Set(name, value)
		}
	}
	a := r.send(strings.ToUpper(o.method), o.path, form, v)
	if a.Code != "200" {
		t.Fatal(a.raw)
	}
	var got any
	if err := json.Unmarshal([]byte(a.raw), &got); err != nil {
		t.Fatal(err)
	}
	for _, line := range differ("", got, vendor) {
		t.Error(line)
	}
}

// The requests of testdata/examples keep the rules that the document gives, and are answered.
func TestEveryRequestOfTheVendorsExamplesIsGood(t *testing.T) {
	d := load(t, nil)
	for call, e := range examples(t) {
		r := newApps(t, d)
		me := r.person("myself")
		o, ok := d.find(e.Request.Method, e.Request.Path)
		if !ok {
			t.Errorf("%s is not in the document", call)
			continue
		}
		v, real := url.Values{}, r.real(e.Request.Path, me)
		for name, value := range e.Request.Parameters {
			if !slices.ContainsFunc(d.takes(t, o), func(p parameter) bool { return p.name == name }) && name != "token" {
				t.Errorf("%s: %s is not in the document", call, name)
			}
			if s, ok := real[name]; ok {
				value = s
			}
			v.Set(name, value)
		}
		form := inQuery
		if e.Request.Method == "POST" {
			form = inForm
		}
		if a := r.send(e.Request.Method, e.Request.Path, form, v); a.Code != "200" {
			t.Errorf("%s: %s", call, a.raw)
		}
	}
}

// differ tells where the shapes of two JSON values differ: keys and types. Elements of arrays are compared with the
// example's first.
func differ(at string, got, want any) []string {
	if g, w := fmt.Sprintf("%T", got), fmt.Sprintf("%T", want); g != w {
		return []string{fmt.Sprintf("%s is %s, want %s", at, g, w)}
	}
	var out []string
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for k := range g {
			if _, ok := w[k]; !ok {
				out = append(out, at+"."+k+" is not in the example")
			}
		}
		for k := range w {
			if _, ok := g[k]; !ok {
				out = append(out, at+"."+k+" is missing")
				continue
			}
			out = append(out, differ(at+"."+k, g[k], w[k])...)
		}
	case []any:
		g, _ := got.([]any)
		if len(g) == 0 {
			return []string{at + " is empty"}
		}
		for i := range g {
			out = append(out, differ(fmt.Sprintf("%s[%d]", at, i), g[i], w[0])...)
		}
	}
	return out
}
