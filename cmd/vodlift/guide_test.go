package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

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
			return fmt.Errorf("block %d differs: %q, not %q", i+1, nth(y, i), nth(x, i))
		}
	}
	return nil
}

func nth(s []string, i int) string {
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
		if f.kind == "sh" || f.mark == "" { // a file that is named is the same in both
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
