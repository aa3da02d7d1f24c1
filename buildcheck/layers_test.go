// Package buildcheck holds tests about the program as a whole: what may import what, what is linked into a function,
// and whether template.yaml, the folders and the configuration agree. It has no code of its own.
package buildcheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	module = "github.com/vodlift/vodlift"
	root   = ".."
)

// layers is the list of design section 3: a package may import those of its own folder and those above it, never one
// below. Each entry stands for its folder and everything in it that no later entry names.
func layers() []string {
	return []string{
		"shared/fault",
		"shared/transfer/crc64x", // arithmetic only
		"shared/media",
		"shared/transport",
		"shared/upload",
		"shared/markup",
		"shared/manifest",
		"shared/table",
		"shared/token",
		"shared/oss",
		"shared/vod",
		"shared/source",
		"shared/target",
		"shared/state",
		"shared/retry",
		"shared/transfer",
		"shared/callback",
		"shared/workflow",
		"shared/appserver",
		"shared/handler",
		"shared/console",
		"shared/forward",
		"shared/config",
		"shared/wire",
		"functions",
		"statemachine",
		"local",
		"cmd",
		"e2e",
		"conformance",
		"e2e",
		"bench",
		"buildcheck",
	}
}

// adapters are imported by shared/wire, by local/ and by cmd/ only (and by their own tests).
func adapters() []string {
	return []string{"shared/table/dynamo", "shared/table/sqlite", "shared/source/s3source", "shared/source/memsource", "shared/source/ossource", "shared/target/douyin", "shared/target/youku", "shared/target/douyinweb", "shared/target/alivod", "shared/target/memtarget"}
}

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// goList lists packages of the module; -e, since another package that does not build at the moment is not this test's
// matter.
func goList(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-e", "-json=ImportPath,Imports,Deps"}, args...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// within tells whether a package path is folder or below it.
func within(path, folder string) bool {
	rel, ok := strings.CutPrefix(path, module+"/")
	return ok && (rel == folder || strings.HasPrefix(rel, folder+"/"))
}

func layerOf(path string) int {
	for i, l := range layers() {
		if within(path, l) {
			return i
		}
	}
	return -1
}

func TestImportsPointOnlyUpward(t *testing.T) {
	for _, p := range goList(t, "./...") {
		if p.ImportPath == module {
			continue // the root holds no package that is built
		}
		from := layerOf(p.ImportPath)
		if from < 0 {
			t.Errorf("%s is in no layer: add it to the list of design section 3", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, module+"/") {
				continue
			}
			if to := layerOf(imp); to > from {
				t.Errorf("%s imports %s, which is below it", p.ImportPath, imp)
			}
		}
	}
}

func TestOnlyWireKnowsConcreteAdapters(t *testing.T) {
	for _, p := range goList(t, "./shared/...", "./functions/...") {
		if within(p.ImportPath, "shared/wire") {
			continue
		}
		for _, imp := range p.Imports {
			for _, a := range adapters() {
				if within(imp, a) && !within(p.ImportPath, a) {
					t.Errorf("%s imports the adapter %s", p.ImportPath, imp)
				}
			}
		}
	}
}

// TestFunctionsLinkNothingOfTheOneMachineStack: neither directly nor through anything that they import.
func TestFunctionsLinkNothingOfTheOneMachineStack(t *testing.T) {
	dirs, err := os.ReadDir(filepath.Join(root, "functions"))
	if err != nil || len(dirs) == 0 {
		t.Fatal("no functions", err)
	}
	seen := 0
	for _, p := range goList(t, "./functions/...") {
		seen++
		for _, d := range p.Deps {
			switch {
			case strings.HasPrefix(d, "modernc.org/"), strings.HasPrefix(d, "github.com/versity/"),
				within(d, "local"), within(d, "cmd"), within(d, "shared/table/sqlite"), within(d, "shared/target/memtarget"), within(d, "shared/source/memsource"),
				d == "testing", d == "pgregory.net/rapid":
				t.Errorf("%s links %s", p.ImportPath, d)
			}
		}
	}
	if seen != len(dirs) {
		t.Errorf("go list knows %d functions, there are %d folders", seen, len(dirs))
	}
}
