package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/fault"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // it was tried, and something is not as it should be
	exitUsage  = 2 // the command line makes no sense
)

// Main is the program with everything that it takes from its surroundings. Zero fields but Args are filled in by Run.
type Main struct {
	Stdin io.Reader // nil is empty
	// ReadSecret reads a line of the terminal at standard input without showing it; nil where that is no terminal.
	ReadSecret                     func(context.Context) (string, error)
	Stdout, Stderr                 io.Writer
	StdoutTerminal, StderrTerminal bool
	Width                          func() int // of the terminal, in columns
	Args                           []string   // without the program's name
	Env                            func(string) string
	Dir                            string // working directory at the start; the bucket changes the process's
	CacheDir                       func() (string, error)
	Name                           string // how people call this program
	Now                            func() time.Time
	Poll                           time.Duration // between looks at an upload; 0 = 300 ms
	// Tune, for tests, changes the engines of a stack that local starts.
	Tune func(*stack.MachineOptions)
}

// command is one verb. setup registers its flags and returns what runs it.
type command struct {
	name  string
	args  string // as shown after the name
	short string
	long  string
	setup func(m *Main, fs *flag.FlagSet) func(ctx context.Context, args []string) error
}

func commands() []command {
	return []command{localCommand(), publishCommand(), statusCommand(), heldCommand(), resolveCommand(), handoverCommand(), cancelCommand(), retryCommand(), pauseCommand(), reconcileCommand(), accountCommand(), appCommand(), catalogueCommand(), doctorCommand(), deployCheckCommand(), destroyCommand(), keysCommand(), versionCommand()}
}

// usageError is a command line that makes no sense; exit status 2.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// errSaid ends with status 1 where everything was said already.
var errSaid = errors.New("already said")

// Run runs one command and returns the exit status. The end of ctx is Ctrl-C.
func (m *Main) Run(ctx context.Context) int {
	m.defaults()
	if len(m.Args) == 0 {
		m.overview(m.Stderr)
		return exitUsage
	}
	name, args := m.Args[0], m.Args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		return m.help(args)
	case "-v", "-version", "--version":
		name = "version"
	}
	for _, c := range commands() {
		if c.name == name {
			return m.runCommand(ctx, c, args)
		}
	}
	var known []string
	for _, c := range append(commands(), command{name: "help"}) {
		known = append(known, c.name)
	}
	m.say("unknown command %q%s\nrun %q for all commands", name, suggestion(name, known, ""), m.Name+" help")
	return exitUsage
}

func (m *Main) defaults() {
	if m.Stdin == nil {
		m.Stdin = strings.NewReader("")
	}
	if m.Env == nil {
		m.Env = func(string) string { return "" }
	}
	if m.Now == nil {
		m.Now = time.Now
	}
	if m.Width == nil {
		m.Width = func() int { return 80 }
	}
	if m.Name == "" {
		m.Name = "vodlift"
	}
	if m.Poll <= 0 {
		m.Poll = 300 * time.Millisecond
	}
}

func (m *Main) runCommand(ctx context.Context, c command, args []string) int {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	run := c.setup(m, fs)
	pos, err := parseFlags(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		m.helpOn(m.Stdout, c)
		return exitOK
	}
	if err == nil {
		err = run(ctx, pos)
	}
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSaid):
		return exitFailed
	case errors.As(err, &usage):
		m.say("%s: %s\nusage: %s\nrun %q for more", c.name, usage.text, strings.TrimSpace(m.Name+" "+c.name+" "+c.args), m.Name+" help "+c.name)
		return exitUsage
	}
	m.say("%s: %s", c.name, explain(err))
	if errors.Is(err, errAway) {
		m.say("start it, then run the same command again: what was done is not done twice")
	}
	return exitFailed
}

// say tells people on standard error, with nothing in it that could steer their terminal.
func (m *Main) say(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		fmt.Fprintf(m.Stderr, "vodlift: %s\n", shown(line))
	}
}

// explain words an error for people: field and rule first, where it has them.
func explain(err error) string {
	f := fault.As(err)
	if f == nil || f.Err == nil {
		return err.Error()
	}
	inner := f
	for g := fault.As(f.Err); g != nil && g.Err != nil; g = fault.As(g.Err) {
		inner = g
	}
	s := inner.Err.Error()
	if f.Field != "" {
		s = f.Field + ": " + s
	}
	if f.Rule != "" {
		s += " (rule: " + f.Rule + ")"
	}
	if f.Action != "" {
		s += "; " + f.Action
	}
	return s
}
