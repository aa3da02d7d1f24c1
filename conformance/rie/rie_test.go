package rie

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/conformance/rig"
)

var update = flag.Bool("update", false, "write the goldens anew, from what the emulator gives")

// result is what an invocation gave: an answer or a named error.
type result struct {
	Answer json.RawMessage `json:"answer,omitempty"`
	Error  *named          `json:"error,omitempty"`
}

type named struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// engine runs the bootstrap of one function.
type engine interface {
	invoke(t *testing.T, event []byte) result
}

// cases are the events of a function, in order.
func cases(t *testing.T, function string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "events", function, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

func TestEveryFunctionHasEventsAndEveryEventAGolden(t *testing.T) {
	tpl := rig.Template(t)
	for _, function := range tpl.Names() {
		files := cases(t, function)
		if len(files) == 0 {
			t.Errorf("events/%s holds no event", function)
		}
		known := map[string]bool{}
		for _, f := range files {
			known[filepath.Base(f)] = true
			if _, err := os.Stat(golden(function, f)); err != nil && !*update {
				t.Errorf("%s has no golden: %v", f, err)
			}
		}
		goldens, err := filepath.Glob(filepath.Join("testdata", function, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range goldens {
			if !known[filepath.Base(g)] {
				t.Errorf("%s is the golden of no event", g)
			}
		}
	}
}

func golden(function, event string) string {
	return filepath.Join("testdata", function, filepath.Base(event))
}

// TestEveryRequestComesByARouteOfTheTemplate: an event with another routeKey is one that API Gateway never sends.
func TestEveryRequestComesByARouteOfTheTemplate(t *testing.T) {
	if os.Getenv("VODLIFT_RIE") == "" {
		t.Skip("NOT RUN: VODLIFT_RIE is not set; conformance/run.sh sets it")
	}
	tpl := rig.Template(t)
	routes := map[string]bool{}
	for _, r := range tpl.Routes {
		routes[r.Function+" "+r.Key()] = true
	}
	for _, r := range tpl.Resources { // the console's own API, whose only function is console
		if key, ok := r.Properties["RouteKey"].(string); ok && r.Type == "AWS::ApiGatewayV2::Route" {
			routes["console "+key] = true
		}
	}
	for _, function := range tpl.Names() {
		for _, file := range cases(t, function) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var e struct{ RouteKey string }
			if err := json.Unmarshal(b, &e); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			if e.RouteKey != "" && !routes[function+" "+e.RouteKey] {
				t.Errorf("%s comes by %q, which is no route of %s in the template", file, e.RouteKey, function)
			}
		}
	}
}

// world is what the functions of one engine stand on.
func world(t *testing.T) (doubles *rig.Doubles, p rig.Places) {
	t.Helper()
	endpoint, table, _ := rig.Table(t, rig.Region, rig.AccessKey)
	doubles, err := rig.NewDoubles()
	if err != nil {
		t.Fatal(err)
	}
	services := httptest.NewServer(doubles)
	t.Cleanup(services.Close)
	bucket := httptest.NewServer(http.HandlerFunc(rig.NoObjects))
	t.Cleanup(bucket.Close)
	return doubles, rig.Places{Table: table, Dynamo: endpoint, Bucket: bucket.URL, Doubles: services.URL, Inbox: "inbox",
		Parameters: map[string]string{"Routes": `[{"bucket":"inbox","prefix":"douyin/","accounts":["douyin/main"]}]`}}
}

func TestEveryEventUnderTheEmulatorAndOurHost(t *testing.T) {
	for name, start := range map[string]func(*testing.T, string, rig.Places) engine{"the Runtime Interface Emulator": emulator, "our host": host} {
		t.Run(name, func(t *testing.T) {
			tpl := rig.Template(t)
			for _, function := range tpl.Names() {
				t.Run(function, func(t *testing.T) {
					if *update && name == "our host" {
						t.Skip("the goldens are what the emulator gives")
					}
					doubles, places := world(t)
					e := start(t, function, places)
					for _, event := range cases(t, function) {
						compare(t, golden(function, event), run(t, e, event))
					}
					for _, w := range doubles.Wrong() {
						t.Errorf("a request that AWS would refuse: %s", w)
					}
				})
			}
		})
	}
}

func run(t *testing.T, e engine, event string) []byte {
	t.Helper()
	b, err := os.ReadFile(event)
	if err != nil {
		t.Fatal(err)
	}
	return normal(t, e.invoke(t, b))
}

func compare(t *testing.T, golden string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s (%v)\n got %s\nwant %s", golden, err, got, want)
	}
}

// variable is what no two runs have in common.
var variable = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "TIME"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`vodlift-[0-9A-HJKMNP-TV-Z]{26}`), "TABLE"},
	{regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{26}\b`), "ULID"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "PLACE"},
	{regexp.MustCompile(`(?i)\b(request_?id"?:? ?"?)[0-9a-z-]{8,}`), "${1}ID"},
}

// normal is a result as a golden holds it.
func normal(t *testing.T, r result) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, v := range variable {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	return []byte(text)
}

func TestABrokenSubjectIsFound(t *testing.T) {
	_, places := world(t)
	e := emulator(t, "park", places)
	event := filepath.Join("..", "..", "events", "park", "open.json")
	right := run(t, e, event)
	want, err := os.ReadFile(golden("park", event))
	if err != nil || !bytes.Equal(right, want) {
		t.Fatalf("got %s, %v", right, err)
	}
	b, err := os.ReadFile(event)
	if err != nil {
		t.Fatal(err)
	}
	for fault, wrong := range map[string]string{
		"a misspelt field":      strings.Replace(string(b), `"upload"`, `"uplaod"`, 1),
		"another version":       strings.Replace(string(b), `"v": 1`, `"v": 2`, 1),
		"an event of another":   `{"v": 1, "job": "due"}`,
		"a token that is gone":  strings.Replace(string(b), `"token"`, `"tokens"`, 1),
		"an event that is none": `[]`,
	} {
		if wrong == string(b) {
			t.Fatalf("%s: nothing was changed", fault)
		}
		if got := normal(t, e.invoke(t, []byte(wrong))); bytes.Equal(got, want) {
			t.Errorf("%s is not found: %s", fault, got)
		}
	}
}
