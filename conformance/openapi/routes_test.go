package openapi_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// served lists what the program serves: the calls of the apps as the handler lists them, those of the operators as they
// stand in the console's source, and the publication API.
func served(t testing.TB) []string {
	t.Helper()
	out := newApps(t, load(t, nil)).api.Routes()
	out = append(out, consoleRoutes(t)...)
	return append(out, "POST /publications")
}

// consoleRoutes reads the patterns of every HandleFunc of the console. A mux cannot be asked for them.
func consoleRoutes(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../../shared/console/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if fn, ok := call.Fun.(*ast.SelectorExpr); !ok || fn.Sel.Name != "HandleFunc" && fn.Sel.Name != "Handle" {
				return true
			}
			pattern, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s: a route that is no literal", f)
				return true
			}
			s, err := strconv.Unquote(pattern.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
			return true
		})
	}
	if len(out) < 18 {
		t.Fatalf("only %d routes were found in the console's source: %q", len(out), out)
	}
	return out
}

// unlike tells where the document's operations and the routes differ.
func unlike(d *document, routes []string) []string {
	var out []string
	described := map[string]bool{}
	for _, o := range d.operations() {
		described[o.key()] = true
		if !slices.Contains(routes, o.key()) {
			out = append(out, o.key()+" is described, and not served")
		}
	}
	for _, r := range routes {
		if !described[r] {
			out = append(out, r+" is served, and not described")
		}
	}
	return out
}

func TestEveryRouteIsDescribedAndEveryDescribedOneServed(t *testing.T) {
	routes, whole := served(t), load(t, nil)
	for _, line := range unlike(whole, routes) {
		t.Error(line)
	}
	if t.Failed() {
		return
	}
	for i, r := range routes {
		if got := unlike(whole, slices.Delete(slices.Clone(routes), i, i+1)); len(got) != 1 || !strings.Contains(got[0], r+" is described") {
			t.Errorf("a program without %s passes: %q", r, got)
		}
		method, path, _ := strings.Cut(r, " ")
		item := whole.root["paths"].(map[string]any)[path].(map[string]any)
		was := item[strings.ToLower(method)]
		delete(item, strings.ToLower(method))
		if got := unlike(whole, routes); len(got) != 1 || !strings.Contains(got[0], r+" is served") {
			t.Errorf("a document without %s passes: %q", r, got)
		}
		item[strings.ToLower(method)] = was
	}
}

// A route that stands in the source has to be in the mux, too: this is what a forgotten line of registration looks like.
func TestEveryRouteOfTheConsoleIsRegistered(t *testing.T) {
	d := newDesk(t, load(t, nil))
	for _, r := range consoleRoutes(t) {
		if !d.serves(r) {
			t.Errorf("%s stands in shared/console, and is not in the mux of Handler", r)
		}
	}
}

// The scopes that the document names are those that the deployment demands, by its most exact route.
func TestScopesAreThoseOfTheDeployment(t *testing.T) {
	b, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties struct {
				RouteKey            string   `yaml:"RouteKey"`
				AuthorizationScopes []string `yaml:"AuthorizationScopes"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	var root struct {
		Resources map[string]yaml.Node `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(b, &root); err != nil {
		t.Fatal(err)
	}
	scopes := map[string]string{}
	for name, n := range root.Resources {
		var kind struct {
			Type string `yaml:"Type"`
		}
		if err := n.Decode(&kind); err != nil || kind.Type != "AWS::ApiGatewayV2::Route" {
			continue
		}
		r := template.Resources[name]
		if err := n.Decode(&r); err != nil {
			t.Fatal(err)
		}
		scopes[r.Properties.RouteKey] = strings.Join(r.Properties.AuthorizationScopes, " ")
	}
	if len(scopes) < 3 {
		t.Fatalf("the template's routes: %v", scopes)
	}
	for _, o := range load(t, nil).operations() {
		if !strings.HasPrefix(o.path, "/api/") {
			continue
		}
		want := scopes[o.key()]
		if want == "" {
			want = scopes[strings.ToUpper(o.method)+" /api/{proxy+}"]
		}
		got := ""
		for _, s := range list(o.body["security"]) {
			for _, scope := range list(s.(map[string]any)["operator"]) {
				got = fmt.Sprint(scope)
			}
		}
		if got != want {
			t.Errorf("%s: the document says %s, the template %s", o.key(), got, want)
		}
	}
}
