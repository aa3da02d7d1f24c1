package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/vodlift/vodlift/shared/console"
)

func appCommand() command {
	return command{
		name: "app", args: "set PLATFORM [--file FILE] | list", short: "the key and secret of your app at a platform",
		long: `
Keeps the id and the secret that the platform's console shows for your app. They are stored sealed and never shown.

  set PLATFORM   douyin, youku or alivod; or one of the names in docs/accounts.md (callback keys, passwords). On a terminal it asks for both, and does not show the secret. Otherwise it reads
                 {"id": "...", "secret": "..."} from standard input, or from --file FILE
  list           the ids only

There is no flag for a secret: other users of the machine can see command lines.`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			data, file := dataFlag(fs), fs.String("file", "", "read id and secret from `FILE`, as JSON; - is standard input")
			asJSON := fs.Bool("json", false, "with list: JSON on standard output, one app a line")
			return func(ctx context.Context, args []string) error {
				switch {
				case len(args) == 1 && args[0] == "list" && *file == "":
					return m.appList(ctx, *data, *asJSON)
				case len(args) == 2 && args[0] == "set" && !*asJSON:
					return m.appSet(ctx, *data, args[1], *file)
				}
				return usagef("want set PLATFORM, or list")
			}
		},
	}
}

func (m *Main) appSet(ctx context.Context, data, platform, file string) error {
	c, err := m.connected(ctx, data)
	if err != nil {
		return err
	}
	defer c.close()
	var q console.AppRequest
	if file == "" && m.ReadSecret != nil {
		q, err = m.askApp(ctx, platform)
	} else {
		q, err = m.readApp(ctx, file)
	}
	if err != nil {
		return err
	}
	var v console.AppView
	if err := c.post(ctx, "/api/apps/"+url.PathEscape(platform), q, &v); err != nil {
		return err
	}
	fmt.Fprintf(m.Stdout, "%sapp %s: id %s is set\n", c.mark(), shown(v.Platform), shown(v.ID))
	if v.Resumed > 0 {
		fmt.Fprintf(m.Stdout, "%s%d uploads that waited for it go on\n", c.mark(), v.Resumed)
	}
	if v.Note != "" {
		m.say("%snote: %s", c.mark(), v.Note)
	}
	return nil
}

func (m *Main) askApp(ctx context.Context, platform string) (q console.AppRequest, err error) {
	fmt.Fprintf(m.Stderr, "id of the app at %s (client_key, client_id): ", shown(platform))
	if q.ID, err = m.line(ctx); err != nil {
		fmt.Fprintln(m.Stderr)
		return q, err
	}
	fmt.Fprint(m.Stderr, "its secret (not shown; empty if it has none): ")
	q.Secret, err = m.ReadSecret(ctx)
	fmt.Fprintln(m.Stderr)
	return q, err
}

func (m *Main) readApp(ctx context.Context, file string) (q console.AppRequest, err error) {
	b, err := m.secretInput(ctx, file)
	if err != nil {
		return q, err
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if d.Decode(&q) != nil || d.More() { // the decoder's own words could quote the secret
		return q, errors.New(`the key: want JSON {"id": "...", "secret": "..."} and nothing else`)
	}
	return q, nil
}

func (m *Main) appList(ctx context.Context, data string, asJSON bool) error {
	c, err := m.connected(ctx, data)
	if err != nil {
		return err
	}
	defer c.close()
	var vs []console.AppView
	if err := c.get(ctx, "/api/apps", &vs); err != nil {
		return err
	}
	if asJSON {
		return jsonLines(m.Stdout, vs)
	}
	rows := [][]string{{"platform", "app id"}}
	for _, v := range vs {
		id := v.ID
		switch {
		case v.Note != "":
			id = "cannot be opened: " + v.Note
		case !v.Set:
			id = "not set; " + m.Name + " app set " + v.Platform
		}
		rows = append(rows, []string{v.Platform, id})
	}
	columnsTable(m.Stdout, c.mark(), rows)
	return nil
}

// maxSecret bounds what is read as a key, a token or an address.
const maxSecret = 64 << 10

// secretInput reads a file, or standard input to its end. A file that others can read is said to be.
func (m *Main) secretInput(ctx context.Context, file string) ([]byte, error) {
	if file == "" || file == "-" {
		return reading(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(m.Stdin, maxSecret)) })
	}
	f, err := os.Open(m.path(file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !i.Mode().IsRegular() || i.Size() > maxSecret {
		return nil, fmt.Errorf("%s is no small plain file", shown(file))
	}
	if i.Mode().Perm()&0o077 != 0 {
		m.say("note: others may read %s (mode %04o); chmod 600 it, or remove it when you are done", file, i.Mode().Perm())
	}
	return io.ReadAll(io.LimitReader(f, maxSecret))
}

// line reads one line of standard input and not a byte more: a terminal gives the rest to whom asks next.
func (m *Main) line(ctx context.Context) (string, error) {
	b, err := reading(ctx, func() ([]byte, error) {
		var all []byte
		var one [1]byte
		for len(all) < maxSecret {
			n, err := m.Stdin.Read(one[:])
			if n == 1 && one[0] == '\n' {
				return all, nil
			}
			all = append(all, one[:n]...)
			if errors.Is(err, io.EOF) && len(all) > 0 {
				return all, nil
			}
			if err != nil {
				return nil, err
			}
		}
		return nil, errors.New("the line is too long")
	})
	if errors.Is(err, io.EOF) {
		return "", errors.New("standard input ended before anything was entered")
	}
	return strings.TrimSpace(string(b)), err
}

// reading lets Ctrl-C end a read that nobody answers; the read itself ends with the process.
func reading(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		b, err := read()
		done <- result{b, err}
	}()
	select {
	case r := <-done:
		return r.b, r.err
	case <-ctx.Done():
		return nil, errors.New("stopped; nothing was changed")
	}
}

// terminalSecret reads a line that the terminal does not show, and leaves the terminal as it was, Ctrl-C or not.
func terminalSecret(ctx context.Context, fd int) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(fd, before) }()
	b, err := reading(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	return strings.TrimSpace(string(b)), err
}
