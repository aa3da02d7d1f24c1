package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/manifest"
)

// reader is a new user who follows first-publication.md with the demo's fakes in place of the platforms, as the guide's
// section "Practise first" says: --demo where vodlift starts, the demo's accounts logged out, its values in the files.
type reader struct {
	bench
	guide string
	env   map[string]string
	stop  func() // Ctrl-C in the first terminal
	out   string // what the last block printed
	id    string // the last publication
	ran   int
	// paused: the demo waits with its sample, so it is not waited for.
	paused bool
}

func TestTheGuideOfTheFirstPublicationWordForWord(t *testing.T) {
	home := t.TempDir()
	r := &reader{guide: readRepo(t, "docs/first-publication.md"), env: map[string]string{}, bench: bench{dir: t.TempDir(), data: filepath.Join(home, "vodlift")}, stop: func() {}}
	t.Cleanup(func() { r.stop() })
	r.videos(t)
	// Practice comes first in the text, and after the second start in time.
	var practice []fence
	starts := 0
	for _, f := range fences(r.guide) {
		switch {
		case f.kind == "sh" && f.mark == "practice":
			practice = append(practice, f)
		case f.kind == "sh" && f.mark == "machine":
			r.block(t, f)
			if !strings.Contains(strings.Join(f.lines, "\n"), "vodlift local ") {
				break
			}
			if starts++; starts == 2 {
				out := r.out
				for _, p := range practice {
					r.block(t, p)
				}
				r.files(t)
				r.out = out
			}
		case f.kind == "sh":
			r.out = ""
		case f.kind == "text" && r.out != "":
			if err := printed(f.lines, r.out); err != nil {
				t.Errorf("line %d: %v\nprinted:\n%s", f.at, err, r.out)
			}
		}
	}
	if r.ran < 25 {
		t.Errorf("only %d commands were run", r.ran)
	}
}

// A copy that was made as the guide says has the pause in it.
func TestTheRestoreDrillOfOneMachineStartsPaused(t *testing.T) {
	home := t.TempDir()
	r := &reader{guide: readRepo(t, "docs/restore-drill.md"), paused: true, bench: bench{dir: t.TempDir(), data: filepath.Join(home, "vodlift")}, stop: func() {}}
	r.env = map[string]string{dataVariable: r.data}
	t.Cleanup(func() { r.stop() })
	r.typed(t, []string{"vodlift", "local", "--data", "~/vodlift"})
	n := 0
	for _, f := range fences(r.guide) {
		if f.kind != "sh" || f.mark != "machine" {
			continue
		}
		if n++; n == 2 {
			r.stop() // "stop vodlift with Ctrl-C"
		}
		r.block(t, f)
	}
	if out, _ := r.typed(t, []string{"vodlift", "doctor"}); n != 2 || !strings.Contains(out, "nothing is paused") {
		t.Errorf("%d blocks; the original: %s", n, out)
	}
	r.typed(t, []string{"vodlift", "local", "--data", "~/vodlift-copy"})
	out, status := r.typed(t, []string{"vodlift", "doctor", "--data", "~/vodlift-copy"})
	if status != exitFailed || !strings.Contains(out, "global is paused: nothing is sent or published there") {
		t.Errorf("the copy: %d\n%s", status, out)
	}
}

// videos makes what the reader brings: each video that the guide names.
func (r *reader) videos(t *testing.T) {
	t.Helper()
	names := regexp.MustCompile(`publish (\w+\.mp4)`).FindAllStringSubmatch(r.guide, -1)
	for i, m := range names {
		r.small(t, m[1], 900+uint64(i))
	}
}

func (r *reader) block(t *testing.T, f fence) {
	t.Helper()
	cmds, err := f.commands()
	if err != nil {
		t.Fatal(err)
	}
	r.out = ""
	for _, line := range cmds {
		words, _ := shellWords(line)
		r.ran++
		out, status := r.typed(t, words)
		r.out += out
		if status != exitOK {
			t.Fatalf("line %d: %s: exit status %d\n%s", f.at, line, status, out)
		}
	}
}

// typed runs one command as the reader types it.
func (r *reader) typed(t *testing.T, words []string) (out string, status int) {
	t.Helper()
	for i, w := range words {
		words[i] = strings.Replace(w, "~/vodlift", r.data, 1)
		if w == "ID" {
			words[i] = r.id
		}
	}
	switch {
	case words[0] == "export":
		name, value, _ := strings.Cut(words[1], "=")
		r.env[name] = value
		return "", exitOK
	case words[0] == "cp":
		b, err := exec.CommandContext(t.Context(), "cp", words[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		return "", exitOK
	case words[0] == "go": // the checker looks whether it is there
		return "", exitOK
	case words[0] != "vodlift":
		t.Fatalf("the guide has %q for one machine", words[0])
	case words[1] == "local":
		return r.start(t, append(words[1:], "--demo")), exitOK
	case len(words) > 3 && words[1] == "account" && words[2] == "login" && strings.HasPrefix(words[3], "douyin/"):
		in, paste := io.Pipe()
		defer in.Close()
		var codes []string
		return r.call(t, in, &browser{t, paste, func(s string) string { return s }, &codes}, words[1:])
	}
	return r.call(t, strings.NewReader(""), io.Discard, words[1:])
}

func (r *reader) call(t *testing.T, in io.Reader, also io.Writer, args []string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &screen{}
	m := Main{Stdin: in, Stdout: io.MultiWriter(out, also), Stderr: out, Args: args, Dir: r.dir, Env: func(k string) string { return r.env[k] }, Poll: 50 * time.Millisecond}
	status := m.Run(ctx)
	if id := regexp.MustCompile(`publication (p[a-z2-7]{26})`).FindStringSubmatch(out.String()); id != nil {
		r.id = id[1]
	}
	return out.String(), status
}

// start is the first terminal: Ctrl-C where something runs, then the command, until it serves; the first time only until
// the folder is there.
func (r *reader) start(t *testing.T, args []string) string {
	t.Helper()
	r.stop()
	until := "Ctrl-C stops"
	if _, err := stack.ReadIdentity(r.data); err != nil || r.paused {
		until = "vodlift runs on"
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, done := &screen{}, make(chan int, 1)
	m := Main{Stdout: out, Stderr: out, Args: args, Dir: r.dir, Env: func(k string) string { return r.env[k] }, Tune: quick}
	go func() { done <- m.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if status := <-done; status != exitOK {
			t.Errorf("vodlift local ended with %d:\n%s", status, out)
		}
	})
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(out.String(), until) {
		if time.Now().After(deadline) {
			t.Fatalf("vodlift local does not serve:\n%s", out)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return out.String()
}

// screen is a terminal that several may write to.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) { s.mu.Lock(); defer s.mu.Unlock(); return s.b.Write(p) }
func (s *screen) String() string              { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

// placeholder is what a file's block has where the reader puts a value.
var placeholder = regexp.MustCompile(`"(\.\.\.|[A-Z]+_[A-Z]+)"`)

// files makes the files of the guide as its table for practice says.
func (r *reader) files(t *testing.T) {
	t.Helper()
	made := 0
	for _, f := range fences(r.guide) {
		row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(f.mark) + "` \\| (.*) \\|$").FindStringSubmatch(r.guide)
		if f.kind != "json" || row == nil {
			continue
		}
		values := r.values(t, row[1])
		body := placeholder.ReplaceAllStringFunc(strings.Join(f.lines, "\n"), func(string) string {
			if len(values) == 0 {
				t.Fatalf("%s: the table has too few values", f.mark)
			}
			v, _ := json.Marshal(values[0])
			values = values[1:]
			return string(v)
		})
		if len(values) > 0 {
			t.Fatalf("%s: the table has values %d too many", f.mark, len(values))
		}
		r.write(t, f.mark, []byte(body))
		made++
	}
	if made != 5 {
		t.Fatalf("the table for practice makes %d files", made)
	}
}

// values reads a cell: values as they are, or places in a file of the demo.
func (r *reader) values(t *testing.T, cell string) (out []string) {
	t.Helper()
	var doc any
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		switch {
		case strings.HasPrefix(m[1], "fake/"):
			b, err := os.ReadFile(filepath.Join(r.data, filepath.FromSlash(m[1])))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &doc); err != nil {
				t.Fatal(err)
			}
		case doc != nil:
			out = append(out, inside(t, doc, m[1]))
		default:
			out = append(out, m[1])
		}
	}
	return out
}

// inside finds accounts.*.access.0.value; * is the only entry, a word in a list the id of one.
func inside(t *testing.T, doc any, path string) string {
	t.Helper()
	for name := range strings.SplitSeq(path, ".") {
		switch v := doc.(type) {
		case map[string]any:
			if name == "*" && len(v) == 1 {
				name = slices.Collect(maps.Keys(v))[0]
			}
			doc = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil {
				i = slices.IndexFunc(v, func(e any) bool { o, _ := e.(map[string]any); return o["id"] == name })
			}
			if i < 0 || i >= len(v) {
				t.Fatalf("there is no %s", path)
			}
			doc = v[i]
		}
	}
	s, ok := doc.(string)
	if !ok || s == "" {
		t.Fatalf("there is no %s", path)
	}
	return s
}

// printed finds the guide's lines in what was printed, in their order. ... is anything, DEMO marks and the width of columns
// do not count.
func printed(want []string, got string) error {
	var lines []string
	for line := range strings.Lines(got) {
		lines = append(lines, strings.Join(strings.Fields(strings.TrimPrefix(line, "DEMO ")), " "))
	}
	for _, w := range want {
		if w = strings.Join(strings.Fields(w), " "); w == "" || w == "..." {
			continue
		}
		form := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(w), `\.\.\.`, ".*") + "$")
		i := slices.IndexFunc(lines, form.MatchString)
		if i < 0 {
			return fmt.Errorf("%q was not printed", w)
		}
		lines = lines[i+1:]
	}
	return nil
}

func TestPrintedComparesLinesInOrder(t *testing.T) {
	const got = "DEMO account  state\nDEMO douyin/main  OK  in 3 days\nDEMO last\n"
	for _, tc := range []struct {
		name string
		want []string
		good bool
	}{
		{"all of it", []string{"account state", "douyin/main OK in 3 days", "last"}, true},
		{"with what nobody can know", []string{"douyin/main OK in ... days", "...", "last"}, true},
		{"half a line", []string{"douyin/main OK"}, false},
		{"another order", []string{"last", "account state"}, false},
		{"another word", []string{"account stat"}, false},
	} {
		if err := printed(tc.want, got); (err == nil) != tc.good {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// The file that a real folder is given has to be one that a real stack takes.
func TestTheGuidesSettingsStartARealStack(t *testing.T) {
	for _, f := range fences(readRepo(t, "docs/first-publication.md")) {
		if f.mark != "config.json" {
			continue
		}
		dir := t.TempDir()
		body := []byte(strings.Join(f.lines, "\n"))
		var s stack.Settings
		if err := json.Unmarshal(body, &s); err != nil {
			t.Fatal(err)
		}
		if routes, err := manifest.ParseRoutes(s.Routes, manifest.KnownTargets()); err != nil || len(routes) != 1 || len(routes[0].Accounts) != 4 {
			t.Fatalf("%v %+v", err, routes)
		}
		for i := range 2 { // as the guide says: an empty folder first, the file at the second start
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			var out, errs bytes.Buffer
			m := Main{Stdout: &cancelWriter{at: "Ctrl-C stops", cancel: cancel, w: &out}, Stderr: &errs, Dir: dir, Args: []string{"local", "--data", filepath.Join(dir, "vodlift")}}
			status := m.Run(ctx)
			cancel()
			if none := strings.Contains(out.String(), "There are no routes yet"); status != exitOK || none != (i == 0) {
				t.Errorf("start %d: %d\n%s%s", i+1, status, out.String(), errs.String())
			}
			if err := os.WriteFile(filepath.Join(dir, "vodlift", "config.json"), body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	t.Error("the guide has no config.json")
}

// The policies of the guide are those calls that the programs make.
func TestTheGuidesPoliciesAllowWhatIsCalledAndNoMore(t *testing.T) {
	calls := func(pattern, form string) (out []string) {
		files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
		if err != nil || len(files) == 0 {
			t.Fatal(err, pattern)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(form).FindAllStringSubmatch(string(b), -1) {
				out = append(out, "vod:"+strings.Replace(m[1], "Callback", "MessageCallback", 1)) // the one word that differs
			}
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	allowed := map[string][]string{}
	for _, f := range fences(readRepo(t, "docs/first-publication.md")) {
		var p struct{ Statement []struct{ Action []string } }
		if strings.HasSuffix(f.mark, "policy.json") && json.Unmarshal([]byte(strings.Join(f.lines, "\n")), &p) == nil && len(p.Statement) == 1 {
			allowed[f.mark] = slices.Sorted(slices.Values(p.Statement[0].Action))
		}
	}
	publish := calls("shared/target/alivod/*.go", `t\.api\.([A-Z]\w+)\(`)
	if got := allowed["alivod-policy.json"]; !slices.Equal(got, publish) {
		t.Errorf("publishing: the guide allows %v, called is %v", got, publish)
	}
	apps := calls("shared/appserver/*/*.go", `s\.vod\.([A-Z]\w+)\(`)
	apps = append(apps, calls("shared/appserver/*.go", `a\.p\.VOD\.([A-Z]\w+)\(`)...)
	apps = slices.DeleteFunc(apps, func(a string) bool { return slices.Contains(publish, a) })
	if got := allowed["alivod-apps-policy.json"]; !slices.Equal(got, slices.Sorted(slices.Values(apps))) {
		t.Errorf("apps: the guide allows %v more, called is %v", got, apps)
	}
	for _, a := range slices.Concat(publish, apps) {
		if !strings.Contains(readRepo(t, "shared/vod/codes.go"), `"`+strings.TrimPrefix(a, "vod:")+`"`) {
			t.Errorf("%s is no operation of VOD", a)
		}
	}
}
