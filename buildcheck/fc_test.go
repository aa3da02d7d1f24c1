package buildcheck

import (
	"debug/buildinfo"
	"debug/elf"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// fcFunction is what s.yaml says of one function.
type fcFunction struct {
	Component string `yaml:"component"`
	Props     struct {
		Runtime     string            `yaml:"runtime"`
		Handler     string            `yaml:"handler"`
		Code        string            `yaml:"code"`
		Timeout     int               `yaml:"timeout"`
		Environment map[string]string `yaml:"environmentVariables"`
		Triggers    []struct {
			Type   string `yaml:"triggerType"`
			Config struct {
				Auth   string   `yaml:"authType"`
				Events []string `yaml:"events"`
			} `yaml:"triggerConfig"`
		} `yaml:"triggers"`
	} `yaml:"props"`
}

func serverlessDevs(t *testing.T) (functions map[string]fcFunction, whole string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "s.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Edition   string                `yaml:"edition"`
		Resources map[string]fcFunction `yaml:"resources"`
	}
	if err := yaml.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if s.Edition != "3.0.0" {
		t.Errorf("edition %s", s.Edition)
	}
	return s.Resources, string(b)
}

// forwardNames are the variables that package forward reads for a function. It keeps them in one function; those inside
// its if are for vodcallback only.
func forwardNames(t *testing.T, function string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "shared/forward/forward.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`^"[A-Z][A-Z_]+"$`)
	ast.Inspect(file, func(n ast.Node) bool {
		f, ok := n.(*ast.FuncDecl)
		if !ok || f.Name.Name != "forwardNames" {
			return !ok
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if _, ok := n.(*ast.IfStmt); ok && function != "vodcallback" {
				return false
			}
			if l, ok := n.(*ast.BasicLit); ok && variable.MatchString(l.Value) {
				name, _ := strconv.Unquote(l.Value)
				names = append(names, name)
			}
			return true
		})
		return false
	})
	slices.Sort(names)
	return names
}

func TestFunctionComputeDeploysTheTwoThatForward(t *testing.T) {
	functions, whole := serverlessDevs(t)
	if got := slices.Sorted(maps.Keys(functions)); !slices.Equal(got, []string{"ingest", "vodcallback"}) {
		t.Fatalf("got %v", got)
	}
	for name, f := range functions {
		p := f.Props
		if f.Component != "fc3" || p.Runtime != "go1" || p.Handler != name || p.Code != "./dist/fc/"+name {
			t.Errorf("%s: %s %s, handler %s in %s", name, f.Component, p.Runtime, p.Handler, p.Code)
		}
		got, want := slices.Sorted(maps.Keys(p.Environment)), forwardNames(t, name)
		if len(want) < 3 || !slices.Equal(got, want) {
			t.Errorf("%s is given %v, it reads %v", name, got, want)
		}
		for v, value := range p.Environment {
			if value != "${env('"+v+"')}" && value != "${env('"+v+"', '')}" && value != "${env('LOG_LEVEL', 'INFO')}" {
				t.Errorf("%s: %s is written down: a value comes from the environment of who deploys", name, v)
			}
		}
		if len(p.Triggers) != 1 {
			t.Fatalf("%s has %d triggers", name, len(p.Triggers))
		}
	}
	if tr := functions["ingest"].Props.Triggers[0]; tr.Type != "oss" ||
		!slices.Equal(tr.Config.Events, []string{"oss:ObjectCreated:PutObject", "oss:ObjectCreated:PostObject", "oss:ObjectCreated:CopyObject", "oss:ObjectCreated:CompleteMultipartUpload"}) {
		t.Errorf("ingest: %+v", tr) // the events after which an object is whole (package handler)
	}
	if tr := functions["vodcallback"].Props.Triggers[0]; tr.Type != "http" || tr.Config.Auth != "anonymous" {
		t.Errorf("vodcallback: %+v", tr)
	}
	if accountNumber.MatchString(whole) || regexp.MustCompile(`[0-9]{16}|LTAI|AKIA`).MatchString(whole) {
		t.Error("s.yaml holds the number of an account, or a key")
	}
}

// made runs the commands with which make makes target, but writes what they build to a folder of the test.
func made(t *testing.T, target string) (file string) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "make", "-s", "-n", target)
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("make -n: %v", err)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if !strings.Contains(line, " build ") {
			continue
		}
		file = filepath.Join(t.TempDir(), filepath.Base(target))
		build := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(line, "-o "+target, "-o '"+file+"'", 1))
		build.Dir = root
		if b, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, b)
		}
	}
	if file == "" {
		t.Fatalf("make builds no %s", target)
	}
	return file
}

// elfFaults says what keeps a file from being the binary of a handler on Function Compute.
func elfFaults(t *testing.T, file, handler string) (wrong []string) {
	t.Helper()
	if filepath.Base(file) != handler {
		wrong = append(wrong, "the name is not the handler's")
	}
	e, err := elf.Open(file)
	if err != nil {
		return append(wrong, err.Error())
	}
	defer e.Close()
	if e.Class != elf.ELFCLASS64 || e.Machine != elf.EM_X86_64 || e.Type != elf.ET_EXEC {
		wrong = append(wrong, "it is "+e.Class.String()+" "+e.Machine.String()+" "+e.Type.String())
	}
	for _, p := range e.Progs {
		if p.Type == elf.PT_INTERP {
			wrong = append(wrong, "it is linked dynamically")
		}
	}
	return wrong
}

// forArm copies a binary under another name, and says in its head that it is for arm64, as those of Lambda are.
func forArm(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const machine = 18 // of the ELF head, little endian
	b[machine], b[machine+1] = byte(elf.EM_AARCH64), 0
	other := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(other, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return other
}

func TestABinaryForFunctionComputeIsWhatItsRuntimeStarts(t *testing.T) {
	functions, _ := serverlessDevs(t)
	for name, f := range functions {
		t.Run(name, func(t *testing.T) {
			file := made(t, strings.TrimPrefix(f.Props.Code, "./")+"/"+f.Props.Handler)
			for _, w := range elfFaults(t, file, f.Props.Handler) {
				t.Error(w)
			}
			info, err := buildinfo.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			built := map[string]string{}
			for _, s := range info.Settings {
				built[s.Key] = s.Value
			}
			if built["-tags"] != "fc,lambda.norpc" || built["CGO_ENABLED"] != "0" || built["-trimpath"] != "true" || built["GOOS"] != "linux" || built["GOARCH"] != "amd64" {
				t.Errorf("built with %v", built)
			}
			if wrong := elfFaults(t, forArm(t, file), f.Props.Handler); len(wrong) != 2 {
				t.Errorf("of another name and for another processor: found %q, want two faults", wrong)
			}
		})
	}
}

func TestNothingIsMadeForDeploymentWithATestsTag(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "make", "-s", "-n", "build")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil || strings.Count(string(out), "-tags ") < 22 {
		t.Fatalf("make -n build: %v\n%s", err, out)
	}
	if strings.Contains(string(out), "vodlift_loopback") {
		t.Error("a deployed binary could be sent to loopback")
	}
}

// TestTheForwardersLinkNoEngine: they hold no key of AWS or of a database, so they have no use for either.
func TestTheForwardersLinkNoEngine(t *testing.T) {
	linked := func(tags string) (n int) {
		for _, p := range goList(t, "-tags", tags, "./functions/ingest", "./functions/vodcallback") {
			if len(p.Deps) < 50 {
				t.Fatalf("%s has %d dependencies", p.ImportPath, len(p.Deps))
			}
			for _, d := range p.Deps {
				if strings.HasPrefix(d, "github.com/aws/aws-sdk-go-v2") || strings.HasPrefix(d, "modernc.org/") || within(d, "shared/wire") || within(d, "shared/table/dynamo") || within(d, "shared/table/sqlite") || within(d, "shared/workflow") {
					n++
					if tags == "fc" {
						t.Errorf("%s links %s", p.ImportPath, d)
					}
				}
			}
		}
		return n
	}
	linked("fc")
	if linked("none") == 0 {
		t.Error("this test does not see that those of Lambda link them")
	}
}
