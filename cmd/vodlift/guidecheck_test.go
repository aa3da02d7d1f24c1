package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift"
	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/manifest"
)

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
