package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// parseFlags takes flags before, between and after the arguments; "--" ends the flags.
func parseFlags(fs *flag.FlagSet, args []string) ([]string, error) {
	var pos []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, flagError(fs, err)
		}
		rest := fs.Args()
		if len(rest) == 0 {
			return pos, nil
		}
		if i := len(args) - len(rest); i > 0 && args[i-1] == "--" {
			return append(pos, rest...), nil
		}
		pos, args = append(pos, rest[0]), rest[1:]
	}
}

// flagError words what the flag package found as people write flags here, with two dashes.
func flagError(fs *flag.FlagSet, err error) error {
	const undefined = "flag provided but not defined: -"
	text := err.Error()
	if name, ok := strings.CutPrefix(text, undefined); ok {
		var known []string
		fs.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
		name = strings.TrimLeft(name, "-")
		return usagef("unknown flag --%s%s", name, suggestion(name, known, "--"))
	}
	text = strings.Replace(text, "flag needs an argument: -", "a value is missing after --", 1)
	text = strings.Replace(text, " for flag -", " for --", 1)
	return usagef("%s", text)
}

// suggestion is ", did you mean ...?" for the known word that is near enough to what was typed.
func suggestion(typed string, known []string, dashes string) string {
	best, at := "", 1+max(1, len(typed)/3)
	for _, k := range known {
		d := distance(typed, k)
		if len(typed) >= 2 && (strings.HasPrefix(k, typed) || strings.HasPrefix(typed, k) && len(k) > 1) {
			d = min(d, 1)
		}
		if d < at {
			best, at = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s%s?", dashes, best)
}

// distance counts the letters to add, drop, change or swap with the next between two words.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 40 {
		x = x[:40]
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range y {
		rows[0][j+1] = j + 1
	}
	for i := range x {
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			d := min(rows[i][j+1]+1, rows[i+1][j]+1, rows[i][j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				d = min(d, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = d
		}
	}
	return rows[len(x)][len(y)]
}

// list is a flag that may be given several times.
type list struct {
	values []string
	split  string // also split each value here
}

func (l *list) String() string { return strings.Join(l.values, ", ") }

func (l *list) Set(v string) error {
	if l.split == "" {
		l.values = append(l.values, v)
		return nil
	}
	for s := range strings.SplitSeq(v, l.split) {
		if s = strings.TrimSpace(s); s != "" {
			l.values = append(l.values, s)
		}
	}
	return nil
}

const overviewHead = `vodlift publishes videos: drop one in a bucket; it appears, once, on every platform it was meant for.

usage: %s COMMAND [ARGUMENTS] [FLAGS]

`

func (m *Main) overview(w io.Writer) {
	fmt.Fprintf(w, overviewHead, m.Name)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-12s %s\n", c.name, c.short)
	}
	fmt.Fprintf(w, "  %-12s %s\n", "help", "how to use a command")
	fmt.Fprintf(w, `
The commands find the running stack by its data folder: --data DIR, else VODLIFT_DATA, else the demo's own folder; or
speak to one on AWS: --stack URL, else VODLIFT_STACK.
Exit status: 0 done, 1 something failed or was refused, 2 a command line that makes no sense.
`)
}

func (m *Main) help(args []string) int {
	if len(args) == 0 {
		m.overview(m.Stdout)
		return exitOK
	}
	var known []string
	for _, c := range commands() {
		if c.name == args[0] {
			m.helpOn(m.Stdout, c)
			return exitOK
		}
		known = append(known, c.name)
	}
	m.say("help: unknown command %q%s", args[0], suggestion(args[0], known, ""))
	return exitUsage
}

func (m *Main) helpOn(w io.Writer, c command) {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.setup(m, fs)
	fmt.Fprintf(w, "usage: %s\n\n%s\n", strings.TrimSpace(m.Name+" "+c.name+" "+c.args), strings.TrimSpace(c.long))
	first := true
	fs.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprint(w, "\nflags:\n")
			first = false
		}
		kind, text := flag.UnquoteUsage(f)
		if _, ok := f.Value.(*list); ok && kind == "value" {
			kind = "TEXT"
		}
		fmt.Fprintf(w, "  %-22s %s\n", strings.TrimSpace("--"+f.Name+" "+kind), text)
	})
}
