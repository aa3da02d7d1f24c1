// Command vodlift runs the whole program on one machine, publishes videos through it, and shows and steers what it does.
//
// It is the edge between people and the stack: flags, files, terminal, exit status. Every rule about publishing lives
// behind the stack's API; this package must know no platform's wire and never opens the ledger.
package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // publish_at names zones, which not every machine has

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	m := Main{
		Stdout: os.Stdout, Stderr: os.Stderr, Args: os.Args[1:], Env: os.Getenv, Dir: dir, CacheDir: os.UserCacheDir, Name: invocation(os.Args[0]),
		Stdin: os.Stdin, StdoutTerminal: term.IsTerminal(int(os.Stdout.Fd())), StderrTerminal: term.IsTerminal(int(os.Stderr.Fd())), Width: terminalWidth,
	}
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		m.ReadSecret = func(ctx context.Context) (string, error) { return terminalSecret(ctx, fd) }
	}
	// A second Ctrl-C ends the process at once: nothing is lost by that, only the wait.
	context.AfterFunc(ctx, stop)
	status := m.Run(ctx)
	stop()
	os.Exit(status)
}

// invocation is how people called this program, for the commands that it tells them to type.
func invocation(arg0 string) string {
	if strings.Contains(arg0, "/go-build") {
		return "go run ./cmd/vodlift"
	}
	return "vodlift"
}

func terminalWidth() int {
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}
