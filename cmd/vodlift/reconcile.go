package main

import (
	"context"
	"flag"
	"fmt"
	"strconv"

	"github.com/vodlift/vodlift/shared/workflow"
)

func reconcileCommand() command {
	return command{
		name: "reconcile", args: "", short: "every object in the buckets, and why it is or is not published",
		long: `
Compares buckets and ledger, object by object, and prints "N in, N accounted for" with the reasons. What was dropped
and never taken in, since its event was lost, is taken in now. Nothing in a bucket is changed or deleted. The same
runs by itself every hour. Exit status 1 if an object is not accounted for.`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			data, asJSON := dataFlag(fs), fs.Bool("json", false, "JSON on standard output, one object a line; those published everywhere are left out")
			return func(ctx context.Context, args []string) error {
				if len(args) > 0 {
					return usagef("unexpected argument %q", args[0])
				}
				return m.reconcile(ctx, *data, *asJSON)
			}
		},
	}
}

func (m *Main) reconcile(ctx context.Context, data string, asJSON bool) error {
	c, err := m.connected(ctx, data)
	if err != nil {
		return err
	}
	defer c.close()
	var a workflow.Accounting
	if err := c.post(ctx, "/api/reconcile", struct{}{}, &a); err != nil {
		return err
	}
	missing := error(nil)
	if a.Accounted != a.In {
		missing = errSaid
	}
	if asJSON {
		if err := jsonLines(m.Stdout, a.Lines); err != nil {
			return err
		}
		return missing
	}
	fmt.Fprintf(m.Stdout, "%s%d in, %d accounted for\n", c.mark(), a.In, a.Accounted)
	rows := [][]string{}
	for _, r := range a.Reasons {
		rows = append(rows, []string{strconv.Itoa(r.Count), r.Reason})
	}
	columnsTable(m.Stdout, c.mark(), rows)
	if a.Found > 0 {
		fmt.Fprintf(m.Stdout, "%s%d of them were taken in only now: their events were lost\n", c.mark(), a.Found)
	}
	rows = rows[:0]
	for _, l := range a.Lines {
		rows = append(rows, []string{l.Key, l.Reason, l.Text, l.Publication})
	}
	if len(rows) > 0 {
		columnsTable(m.Stdout, c.mark(), append([][]string{{"object", "reason", "more", "publication"}}, rows...))
	}
	if a.More > 0 {
		fmt.Fprintf(m.Stdout, "%sand %d more; --json does not show them either: look at the log of the hourly run\n", c.mark(), a.More)
	}
	return missing
}
