package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/catalogue"
)

func catalogueCommand() command {
	return command{
		name: "catalogue", args: "import FILE.json | show", short: "the music, stickers, MVs and fonts that the apps offer",
		long: `
Replaces what the apps are offered by what a file says, whole or not at all; see docs/catalogue.md for its form.

  import FILE.json   checks the file, then sends it to the running stack; - is standard input. With --check it only
                     checks, and needs no stack
  show               how much of each kind there is, and since when

The apps see the new catalogue at their next call.`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			data, asJSON := dataFlag(fs), fs.Bool("json", false, "the answer as JSON on standard output")
			check := fs.Bool("check", false, "with import: check the file and change nothing")
			return func(ctx context.Context, args []string) error {
				switch {
				case len(args) == 2 && args[0] == "import":
					return m.catalogueImport(ctx, *data, args[1], *check, *asJSON)
				case len(args) == 1 && args[0] == "show" && !*check:
					return m.catalogueShow(ctx, *data, *asJSON)
				}
				return usagef("want import FILE.json, or show")
			}
		},
	}
}

// catalogueImport checks the file here first: then a mistake is told with its place, also where no stack runs.
func (m *Main) catalogueImport(ctx context.Context, data, file string, check, asJSON bool) error {
	b, err := m.catalogueFile(ctx, file)
	if err != nil {
		return err
	}
	counts, err := catalogue.Check(bytes.NewReader(b))
	if err != nil {
		return err
	}
	if check {
		return m.catalogueSay(asJSON, "", catalogue.Report{Counts: counts}, "the file is good, and was not imported")
	}
	c, err := m.connected(ctx, data)
	if err != nil {
		return err
	}
	defer c.close()
	var rep catalogue.Report
	if err := c.post(ctx, "/api/catalogue", json.RawMessage(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))), &rep); err != nil {
		return err
	}
	text := "imported as version " + rep.Version
	if rep.Unchanged {
		text = "the catalogue is this file already, since " + day(rep.Imported)
	}
	if err := m.catalogueSay(asJSON, c.mark(), rep, text); err != nil {
		return err
	}
	if rep.Note != "" {
		m.say("%snote: %s", c.mark(), rep.Note)
	}
	return nil
}

func (m *Main) catalogueShow(ctx context.Context, data string, asJSON bool) error {
	c, err := m.connected(ctx, data)
	if err != nil {
		return err
	}
	defer c.close()
	var rep catalogue.Report
	if err := c.get(ctx, "/api/catalogue", &rep); err != nil {
		return err
	}
	text := fmt.Sprintf("version %s, imported %s", rep.Version, day(rep.Imported))
	if rep.Version == "" {
		text = fmt.Sprintf("there is none yet; %s catalogue import FILE.json", m.Name)
	}
	return m.catalogueSay(asJSON, c.mark(), rep, text)
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func (m *Main) catalogueSay(asJSON bool, mark string, rep catalogue.Report, text string) error {
	if asJSON {
		return jsonLines(m.Stdout, []catalogue.Report{rep})
	}
	n := rep.Counts
	fmt.Fprintf(m.Stdout, "%scatalogue: %s\n", mark, shown(text))
	columnsTable(m.Stdout, mark, [][]string{
		{"kind", "groups", "entries"}, {"music", "", fmt.Sprint(n.Music)}, {"stickers", fmt.Sprint(n.PasterGroups), fmt.Sprint(n.Pasters)},
		{"front stickers", "", fmt.Sprint(n.FrontPasters)}, {"text stickers", fmt.Sprint(n.TextGroups), fmt.Sprint(n.TextPasters)},
		{"MVs", "", fmt.Sprint(n.MVs)}, {"fonts", "", fmt.Sprint(n.Fonts)},
	})
	return nil
}

// catalogueFile reads a file, or standard input, no further than a catalogue may be long.
func (m *Main) catalogueFile(ctx context.Context, file string) ([]byte, error) {
	if file == "-" {
		return reading(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(m.Stdin, catalogue.MaxBytes+1)) })
	}
	f, err := os.Open(m.path(file))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s", shown(file))
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !i.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no plain file", shown(file))
	}
	return io.ReadAll(io.LimitReader(f, catalogue.MaxBytes+1))
}
