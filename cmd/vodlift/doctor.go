package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/vodlift/vodlift/shared/console"
)

func doctorCommand() command {
	return command{
		name: "doctor", args: "", short: "what is not as it should be, and whose turn it is",
		long: `
Looks at the data folder, the routes, the bucket's events, the app keys, the platforms' callbacks, the accounts and what
they were granted, the clock, the slots, the pause switches and held uploads. Each line says OK, or whose turn it is and what to do. Exit status 1 if it is anybody's.`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			data, asJSON := dataFlag(fs), fs.Bool("json", false, "JSON on standard output, one check a line")
			return func(ctx context.Context, args []string) error {
				if len(args) > 0 {
					return usagef("unexpected argument %q", args[0])
				}
				return m.doctor(ctx, *data, *asJSON)
			}
		},
	}
}

func (m *Main) doctor(ctx context.Context, data string, asJSON bool) error {
	c, err := m.connected(ctx, data)
	if err != nil {
		return err
	}
	defer c.close()
	var cs []console.Check
	if err := c.get(ctx, "/api/doctor", &cs); err != nil {
		return err
	}
	turns := 0
	rows := [][]string{}
	for _, k := range cs {
		word, text := strings.ToUpper(k.State), k.Text
		if k.State == console.CheckTurn {
			turns++
			word = "-> " + string(k.Whose)
		}
		if verb, ok := strings.CutPrefix(k.Do, "vodlift "); ok {
			text += ": " + m.Name + " " + verb
		} else if k.Do != "" {
			text += ": " + k.Do
		}
		rows = append(rows, []string{word, k.What, text})
	}
	if asJSON {
		err = jsonLines(m.Stdout, cs)
	} else {
		columnsTable(m.Stdout, c.mark(), rows)
	}
	switch {
	case err != nil:
		return err
	case turns == 0:
		return nil
	case asJSON:
		return errSaid
	}
	fmt.Fprintf(m.Stdout, "%s%d of %d need somebody\n", c.mark(), turns, len(cs))
	return errSaid
}
