package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift"
	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/markup"
)

// The guides in docs/ are written to be typed from. What stands in their fenced blocks is checked here, and what
// first-publication.md has for one machine is run (guiderun_test.go).
//
// The word after sh in a fence says for whom a block is: machine (run), practice (run; only with the fakes), real and aws
// (checked: the command, its flags and the names in it exist). A block of text is what the block of sh before it prints.

// fence is one fenced block of a guide.
type fence struct {
	kind, mark string // the first word after the fence, and the rest
	lines      []string
	at         int // line of the file
}

var fenceLine = regexp.MustCompile("^( *)```([a-z]*) ?(.*)$")

// fences reads the blocks of a guide.
func fences(text string) (out []fence) {
	var open *fence
	indent := ""
	for i, line := range strings.Split(text, "\n") {
		m := fenceLine.FindStringSubmatch(line)
		switch {
		case m != nil && open == nil:
			open, indent = &fence{kind: m[2], mark: m[3], at: i + 1}, m[1]
		case m != nil:
			out, open = append(out, *open), nil
		case open != nil:
			open.lines = append(open.lines, strings.TrimPrefix(line, indent))
		}
	}
	return out
}

// commands are the command lines of a block, without comments, each with what continues it.
func (f fence) commands() (out []string, err error) {
	if f.kind != "sh" {
		return nil, nil
	}
	joined := ""
	for _, line := range f.lines {
		if rest, goesOn := strings.CutSuffix(line, `\`); goesOn {
			joined += rest
			continue
		}
		line, joined = joined+line, ""
		words, err := shellWords(line)
		if err != nil {
			return out, fmt.Errorf("line %d: %q: %w", f.at, line, err)
		}
		if len(words) > 0 {
			out = append(out, plain(line))
		}
	}
	return out, nil
}

// plain is a command line without its comment and doubled spaces.
func plain(line string) string {
	if i := strings.Index(line, " #"); i >= 0 && !strings.ContainsAny(line[i:], `"'`) {
		line = line[:i]
	}
	return strings.Join(strings.Fields(line), " ")
}

// shellWords splits a line as a shell would, as far as the guides go. A $(...) in quotes is a word as it is.
func shellWords(line string) (words []string, err error) {
	word, in, quote := "", false, rune(0)
	end := func() {
		if in {
			words = append(words, word)
		}
		word, in = "", false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '"' || r == '\'':
			quote, in = r, true
		case r == ' ' || r == '\t':
			end()
		case r == '#' && !in:
			return words, nil
		case strings.ContainsRune("|&;<`\\*", r):
			return nil, fmt.Errorf("a guide has plain commands only, no %q", r)
		default:
			word, in = word+string(r), true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	end()
	return words, nil
}

// checker knows what exists that a guide may name.
type checker struct {
	t    *template.Template
	env  []string // variables that something reads
	make string
	s    string // s.yaml
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	tmpl, err := template.Parse(vodlift.Template())
	if err != nil {
		t.Fatal(err)
	}
	c := &checker{t: tmpl, make: readRepo(t, "Makefile"), s: readRepo(t, "s.yaml")}
	c.env = []string{dataVariable, stackVariable, "AWS_REGION", "AWS_PROFILE"}
	for _, m := range regexp.MustCompile(`env\('([A-Z_]+)'`).FindAllStringSubmatch(c.s, -1) {
		c.env = append(c.env, m[1])
	}
	return c
}

// readRepo reads a file of the repository.
func readRepo(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// check says what is wrong with a guide's commands and files.
func (c *checker) check(t *testing.T, text string) (errs []error) {
	t.Helper()
	for _, f := range fences(text) {
		switch f.kind {
		case "sh":
			cmds, err := f.commands()
			if err != nil {
				errs = append(errs, err)
			}
			for _, line := range cmds {
				words, _ := shellWords(line)
				if err := c.command(t, words); err != nil {
					errs = append(errs, fmt.Errorf("line %d: %s: %w", f.at, line, err))
				}
			}
		case "json":
			if !json.Valid([]byte(strings.Join(f.lines, "\n"))) {
				errs = append(errs, fmt.Errorf("line %d: this is no JSON", f.at))
			}
		}
	}
	return errs
}

// awsCalls are the calls of the aws command line that guides use, with the flags that these have (AWS CLI v2 reference).
var awsCalls = map[string][]string{
	"cloudformation describe-stacks":          {"stack-name", "query", "output", "region"},
	"dynamodb restore-table-to-point-in-time": {"source-table-name", "target-table-name", "restore-date-time", "use-latest-restorable-time", "region"},
	"dynamodb describe-continuous-backups":    {"table-name", "region"},
	"dynamodb wait":                           {"table-name", "region"},
	"dynamodb get-item":                       {"table-name", "key", "query", "region"},
	"dynamodb delete-table":                   {"table-name", "region"},
	"sqs receive-message":                     {"queue-url", "max-number-of-messages", "visibility-timeout", "region"},
	"s3 cp":                                   {"region", "recursive"},
	"logs tail":                               {"since", "follow", "filter-pattern", "region", "format"},
	"cloudformation describe-stack-resource":  {"stack-name", "logical-resource-id", "query", "output", "region"},
	"events disable-rule":                     {"name", "region"},
	"events enable-rule":                      {"name", "region"},
	"stepfunctions list-executions":           {"state-machine-arn", "status-filter", "max-items", "region"},
	"events list-rules":                       {"name-prefix", "query", "output", "region"},
	"dynamodb describe-table":                 {"table-name", "query", "output", "region"},
	"dynamodb put-item":                       {"table-name", "item", "region"},
}

func (c *checker) command(t *testing.T, words []string) error {
	if len(words) > 2 && words[0] == "go" && words[1] == "run" && words[2] == "./cmd/vodlift" {
		words = append([]string{"vodlift"}, words[3:]...)
	}
	rest := words[1:]
	switch words[0] {
	case "vodlift":
		return c.vodlift(t, rest)
	case "export":
		name, _, ok := strings.Cut(strings.Join(rest, " "), "=")
		if !ok || len(rest) != 1 || !slices.Contains(c.env, name) {
			return fmt.Errorf("nothing reads %s", name)
		}
	case "make":
		for _, target := range rest {
			name, _, set := strings.Cut(target, "=")
			if !set && !strings.Contains(c.make, "\n"+target+":") || set && !strings.Contains(c.make, "$("+name) && !strings.Contains(c.make, "$(or $("+name) && !strings.Contains(c.make, "$(if $("+name) {
				return fmt.Errorf("the Makefile has no %s", name)
			}
		}
	case "sam":
		return c.sam(rest)
	case "s":
		return c.serverless(rest)
	case "aws":
		return c.aws(rest)
	case "go":
		if len(rest) != 2 || rest[0] != "install" {
			return errors.New("of go, guides have run and install")
		}
		_, err := os.Stat(filepath.Join("..", "..", rest[1], "main.go"))
		return err
	case "eval":
		inner, ok := strings.CutPrefix(strings.Join(rest, " "), "$(")
		words, err := shellWords(strings.TrimSuffix(inner, ")"))
		if !ok || err != nil || len(words) == 0 {
			return errors.New("want eval of a command of vodlift")
		}
		return c.command(t, words)
	case "git", "cp", "rm", "cd", "chmod", "curl", "npm":
	default:
		return errors.New("there is no such command")
	}
	return nil
}

// vodlift parses a command of ours. All but those that would start or ask something is run where nothing runs: it must
// fail for that reason, and not because it makes no sense.
func (c *checker) vodlift(t *testing.T, args []string) error {
	if len(args) == 0 {
		return errors.New("which command?")
	}
	i := slices.IndexFunc(commands(), func(k command) bool { return k.name == args[0] })
	if i >= 0 && (slices.Contains([]string{"local", "deploy-check", "destroy"}, args[0]) || slices.Contains(args, "--stack")) {
		fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		commands()[i].setup(&Main{}, fs)
		pos, err := parseFlags(fs, args[1:])
		if err == nil && len(pos) > 0 && !slices.Contains(args, "--stack") {
			err = fmt.Errorf("unexpected argument %q", pos[0])
		}
		if set := fs.Lookup("set"); err == nil && set != nil {
			for _, kv := range set.Value.(*list).values {
				err = errors.Join(err, c.parameter(kv))
			}
		}
		return err
	}
	if _, errs, status := cli(t, t.Context(), t.TempDir(), map[string]string{dataVariable: filepath.Join(t.TempDir(), "none")}, args...); status == exitUsage {
		return errors.New(errs)
	}
	return nil
}

// parameter checks NAME=VALUE against the template.
func (c *checker) parameter(kv string) error {
	name, value, ok := strings.Cut(kv, "=")
	if _, there := c.t.Parameters[name]; !ok || !there {
		return fmt.Errorf("template.yaml has no parameter %s", name)
	}
	if name != "Routes" {
		return nil
	}
	// As sam reads it (samcli/cli/types.py): in double quotes, those of the value with a backslash.
	var text string
	if err := json.Unmarshal([]byte(value), &text); err != nil {
		return fmt.Errorf("sam would not read the value of %s: %w", name, err)
	}
	_, err := manifest.ParseRoutes([]byte(text), manifest.KnownTargets())
	return err
}

func (c *checker) sam(args []string) error {
	if len(args) == 0 || !slices.Contains([]string{"deploy", "validate"}, args[0]) {
		return errors.New("of sam, guides have deploy and validate")
	}
	values := false
	for _, a := range args[1:] {
		switch {
		case a == "--parameter-overrides":
			values = true
		case strings.HasPrefix(a, "--"):
			if values = false; !slices.Contains([]string{"--region", "--stack-name", "--no-confirm-changeset", "--lint", "--no-execute-changeset"}, a) {
				return fmt.Errorf("sam %s with %s is not known here", args[0], a)
			}
		case values:
			if err := c.parameter(a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *checker) serverless(args []string) error {
	for i, a := range args {
		if known := a == "deploy" || a == "-a" || i > 0 && args[i-1] == "-a"; !known && !strings.Contains(c.s, "\n  "+a+":\n    component:") {
			return fmt.Errorf("s.yaml has no %s", a)
		}
	}
	return nil
}

func (c *checker) aws(args []string) error {
	if len(args) < 2 {
		return errors.New("which call of aws?")
	}
	known, ok := awsCalls[args[0]+" "+args[1]]
	if !ok {
		return fmt.Errorf("aws %s %s is not among the calls that are known here", args[0], args[1])
	}
	for _, a := range args[2:] {
		if name, isFlag := strings.CutPrefix(a, "--"); isFlag && !slices.Contains(known, name) {
			return fmt.Errorf("aws %s %s has no flag %s", args[0], args[1], a)
		}
	}
	return nil
}

// guides are the guides of docs/ and the README, each in both languages.
func guides() []string {
	return []string{"README", "docs/first-publication", "docs/deploy-aws", "docs/function-compute", "docs/upgrade", "docs/restore-drill", "docs/regions-and-cost", "docs/erasure-and-retention", "docs/runbook"}
}

func TestEveryCommandOfTheGuidesExistsInBothLanguages(t *testing.T) {
	c := newChecker(t)
	for _, g := range guides() {
		t.Run(g, func(t *testing.T) {
			english, chinese := readRepo(t, g+".md"), readRepo(t, g+".zh-CN.md")
			for _, err := range c.check(t, english) {
				t.Errorf("%s.md: %v", g, err)
			}
			if err := sameBlocks(english, chinese); err != nil {
				t.Errorf("%s.zh-CN.md: %v", g, err)
			}
			for name, text := range map[string]string{g + ".md": english, g + ".zh-CN.md": chinese} {
				for _, err := range links(name, text) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// sameBlocks compares the blocks of a guide in two languages: commands, files and what is printed are the same. In a command
// only words that people choose may differ: what stands in quotes.
func sameBlocks(a, b string) error {
	x, y := comparable(a), comparable(b)
	for i := range max(len(x), len(y)) {
		if i >= len(x) || i >= len(y) || x[i] != y[i] {
			return fmt.Errorf("block %d differs: %q, not %q", i+1, at(y, i), at(x, i))
		}
	}
	return nil
}

func at(s []string, i int) string {
	if i < len(s) {
		return s[i]
	}
	return "nothing"
}

var quoted = regexp.MustCompile(`"[^"]*"`)

func comparable(text string) (out []string) {
	for _, f := range fences(text) {
		lines := f.lines
		if f.kind == "sh" {
			lines, _ = f.commands()
		}
		if f.kind == "" && f.mark == "" { // drawings, and examples with words
			continue
		}
		body := strings.Join(lines, "\n")
		if f.kind != "text" {
			body = quoted.ReplaceAllString(body, `""`)
		}
		out = append(out, f.kind+" "+f.mark+"\n"+body)
	}
	return out
}

var link = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

// links finds relative links that lead nowhere.
func links(name, text string) (errs []error) {
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", "..", filepath.Dir(name), m[1])); errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("the link %s leads nowhere", m[1]))
		}
	}
	return errs
}

func TestAMisspeltGuideIsFound(t *testing.T) {
	c := newChecker(t)
	guide := readRepo(t, "docs/first-publication.md")
	if errs := c.check(t, guide); len(errs) > 0 {
		t.Fatalf("the guide itself: %v", errs)
	}
	for _, tc := range []struct{ name, from, to string }{
		{"a command", "vodlift doctor\n", "vodlift docter\n"},
		{"a verb of a command", "vodlift account login youku/main", "vodlift account lgoin youku/main"},
		{"a flag", `--title "Test" --private --dry-run`, `--title "Test" --privat --dry-run`},
		{"a flag of a command that is only parsed", "--public 127.0.0.1:8090", "--pubic 127.0.0.1:8090"},
		{"a time", `--publish-at "+2h"`, `--publish-at "in 2h"`},
		{"an account", "account login alivod/main", "account login alivod"},
		{"a variable", "export VODLIFT_STACK", "export VODLIFT_STAK"},
		{"a program", "go install ./cmd/vodlift", "go install ./cmd/vodlft"},
		{"a file's form", `"sidecar": "required", "accounts"`, `"sidecar": "required" "accounts"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.Contains(guide, tc.from) {
				t.Fatalf("the guide has no %q any more", tc.from)
			}
			if errs := c.check(t, strings.Replace(guide, tc.from, tc.to, 1)); len(errs) != 1 {
				t.Errorf("got %v, want one error", errs)
			}
			if tc.name != "a time" { // words in quotes may be another language's
				if err := sameBlocks(guide, strings.Replace(guide, tc.from, tc.to, 1)); err == nil {
					t.Error("the two languages would not be told apart")
				}
			}
		})
	}
}

func TestTheRunbookHasEveryAlarmAndNoOther(t *testing.T) {
	var alarms []string
	for _, m := range regexp.MustCompile(`(?m)^  (\w+):\n    Type: AWS::CloudWatch::Alarm$`).FindAllStringSubmatch(readRepo(t, "template.yaml"), -1) {
		alarms = append(alarms, m[1])
	}
	slices.Sort(alarms)
	for _, name := range []string{"docs/runbook.md", "docs/runbook.zh-CN.md"} {
		var entries []string
		for _, m := range regexp.MustCompile(`(?m)^## (\w+Alarm)`).FindAllStringSubmatch(readRepo(t, name), -1) {
			entries = append(entries, m[1])
		}
		slices.Sort(entries)
		if len(alarms) == 0 || !slices.Equal(entries, alarms) {
			t.Errorf("%s has entries for %v; template.yaml has %v", name, entries, alarms)
		}
	}
}

func TestTheReadmesSidecarIsOne(t *testing.T) {
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		found := false
		for _, f := range fences(readRepo(t, name)) {
			if f.kind != "json" {
				continue
			}
			found = true
			m, err := manifest.Parse([]byte(strings.Join(f.lines, "\n")), manifest.KnownTargets())
			if err != nil || m.Cover == nil || m.PublishAt.IsZero() {
				t.Errorf("%s: %v", name, err)
			} else if _, err := markup.Parse(m.Title); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !found {
			t.Errorf("%s shows no sidecar", name)
		}
	}
}
