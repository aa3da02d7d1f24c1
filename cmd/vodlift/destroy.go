package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/vodlift/vodlift"
	"github.com/vodlift/vodlift/local/cloud"
	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/console"
)

// What people type to say that they mean it, and how far the deletion goes.
type destroyOptions struct {
	place
	execute, forceHeld, withoutAPI bool
	confirm, inbox, table          string
	wait                           time.Duration
}

func destroyCommand() command {
	return command{
		name: "destroy", args: "--stack URL | --stack-name NAME [--execute]", short: "take a stack on AWS down: shows what it would do, until you add --execute",
		long: `
Takes a deployed stack down, in this order: pauses everything; switches off what brings new videos in; cancels uploads,
so that no open session stays at a platform; takes our address out of the platforms' callback settings; erases logins
and app keys; switches off the other schedules; deletes the stack. At the end it says what remains and what that costs.

Without --execute it only reads, and lists all this. With it you are asked for the stack's name. The table, the inbox
and the key outlive the stack unless you say otherwise:

  --delete-inbox BUCKET   also deletes every video in the inbox, and the bucket; say the bucket's name
  --delete-table TABLE    also takes the ledger's protection away and deletes it; say the table's name

Without the ledger nobody knows any more what was published: dropping the same videos again would publish them again.

Uploads that a platform was asked to publish, with the answer unknown, are in the way: resolve them first, or add
--force-held, and look at the accounts by hand. Every step may be repeated: after a failure, or Ctrl-C, run the same
command again.`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			var o destroyOptions
			o.flags(fs, "")
			fs.BoolVar(&o.execute, "execute", false, "do it, and do not only show it")
			fs.StringVar(&o.confirm, "yes-delete", "", "the stack's `NAME`, instead of being asked for it")
			fs.StringVar(&o.inbox, "delete-inbox", "", "also delete the inbox with every video in it: its name, `BUCKET`")
			fs.StringVar(&o.table, "delete-table", "", "also delete the ledger: its name, `TABLE`")
			fs.BoolVar(&o.forceHeld, "force-held", false, "go on although uploads remain that may have been published, or do not end")
			fs.BoolVar(&o.withoutAPI, "without-api", false, "go on although the stack's API does not answer: sessions, callbacks and secrets stay as they are")
			fs.DurationVar(&o.wait, "wait", 15*time.Minute, "how long to wait for uploads to end, `TIME`")
			return func(ctx context.Context, args []string) error {
				switch {
				case len(args) > 0:
					return usagef("unexpected argument %q", args[0])
				case o.url == "" && o.name == "" && m.Env(stackVariable) == "":
					return usagef("say which stack: --stack URL, or --stack-name NAME")
				case o.wait <= 0:
					return usagef("--wait: want a time above 0, such as 15m")
				}
				if err := o.settle(m.Env); err != nil {
					return err
				}
				return m.destroy(ctx, o)
			}
		},
	}
}

// demolition is one run of destroy.
type demolition struct {
	m       *Main
	o       destroyOptions
	a       *cloud.Account
	who     string
	set     cloud.Settings
	st      cloud.Stack
	api     *client // nil where the stack's API has nothing to do any more, or is left out
	leaving console.Leaving
	inbox   cloud.Holding
	table   cloud.Holding
}

func (m *Main) destroy(ctx context.Context, o destroyOptions) error {
	d := &demolition{m: m, o: o}
	if err := d.survey(ctx); err != nil {
		return err
	}
	if d.api != nil {
		defer d.api.close()
	}
	d.list()
	if !o.execute {
		fmt.Fprintf(m.Stdout, "\nNothing was changed. To do it, run the same command with --execute.\n")
		return nil
	}
	if err := d.confirmed(ctx); err != nil {
		return err
	}
	fmt.Fprintln(m.Stdout)
	return d.execute(ctx)
}

func (d *demolition) confirmed(ctx context.Context) error {
	typed := d.o.confirm
	if typed == "" {
		fmt.Fprintf(d.m.Stderr, "\nThis cannot be undone. Type the stack's name to go on: ")
		var err error
		if typed, err = d.m.line(ctx); err != nil {
			return fmt.Errorf("%w; nothing was changed", err)
		}
	}
	if typed != d.st.Name {
		return errors.New("the stack's name was not typed, so nothing was changed")
	}
	return nil
}

// survey reads everything that the list is made of. It changes nothing.
func (d *demolition) survey(ctx context.Context) error {
	t, err := template.Parse(vodlift.Template())
	if err != nil {
		return err
	}
	if d.set, err = cloud.SettingsOf(t, nil); err != nil {
		return err
	}
	if d.a, err = d.m.cloud(ctx, d.o.region); err != nil {
		return err
	}
	if d.who, err = d.a.Who(ctx); err != nil {
		return d.said(err)
	}
	d.st, err = d.o.find(ctx, d.a)
	if errors.Is(err, cloud.ErrNoStack) && d.o.name != "" {
		d.st, err = d.a.LastDeleted(ctx, d.o.name)
	}
	if errors.Is(err, cloud.ErrNoStack) {
		if d.o.url != "" {
			return fmt.Errorf("%w; one that was deleted is found by --stack-name only", err)
		}
		return fmt.Errorf("%w, and none was deleted in the last 90 days", err)
	}
	if err != nil {
		return d.said(err)
	}
	if err := d.names(); err != nil {
		return err
	}
	if name := d.st.Physical("Inbox"); name != "" {
		if d.inbox, err = d.a.Bucket(ctx, name); err != nil {
			return d.said(err)
		}
	}
	if name := d.st.Physical("Table"); name != "" {
		if d.table, err = d.a.Table(ctx, name); err != nil {
			return d.said(err)
		}
	}
	return d.reach(ctx)
}

// said words an error of AWS for people.
func (d *demolition) said(err error) error { return errors.New(d.a.Explain(err)) }

// names compares what was typed with what is there, before anything is done.
func (d *demolition) names() error {
	for _, f := range []struct{ flag, typed, is string }{
		{"--delete-inbox", d.o.inbox, d.st.Physical("Inbox")},
		{"--delete-table", d.o.table, d.st.Physical("Table")},
	} {
		if f.typed != "" && f.typed != f.is {
			return usagef("%s %s: that is not the name; the stack's is %q", f.flag, f.typed, f.is)
		}
	}
	if d.o.confirm != "" && d.o.confirm != d.st.Name {
		return usagef("--yes-delete %s: that is not the name; the stack's is %q", d.o.confirm, d.st.Name)
	}
	return nil
}

// reach speaks to the stack's API, unless its deletion has begun: then that was done before.
func (d *demolition) reach(ctx context.Context) error {
	if d.st.Leaving() || d.o.withoutAPI {
		return nil
	}
	const hint = "; where that cannot be mended, --without-api leaves sessions, callbacks and secrets as they are"
	address := d.st.Outputs["ApiUrl"]
	if address == "" {
		return fmt.Errorf("the stack %s is %s and has no API%s", d.st.Name, d.st.Status, hint)
	}
	c, err := d.m.connectStack(ctx, address)
	if err != nil {
		return fmt.Errorf("%s%s", explain(err), hint)
	}
	d.api = c
	err = c.get(ctx, "/api/leaving", &d.leaving)
	if err != nil {
		c.close()
		d.api = nil
		if notFound(err) {
			return fmt.Errorf("the stack %s is of an older version, which cannot be taken down in order; deploy this one first%s", d.st.Name, hint)
		}
		return fmt.Errorf("what is under way could not be read: %s%s", explain(err), hint)
	}
	return nil
}
