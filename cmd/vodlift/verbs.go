package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

// dataFlag registers --data and --stack, which name the same thing: where vodlift runs.
func dataFlag(fs *flag.FlagSet) *string {
	where := fs.String("data", "", "data folder of the running stack, `DIR`")
	fs.Func("stack", "a stack on AWS: its `URL`, as the output ApiUrl says; signed with your credentials of AWS", func(s string) error {
		if !isStack(s) {
			return errors.New("want https://...")
		}
		*where = s
		return nil
	})
	return where
}

func heldCommand() command {
	return command{
		name: "held", args: "", short: "uploads that wait for a person to decide",
		long: "Lists uploads that are HELD: the platform was asked to publish and nobody knows whether it did. See resolve.",
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			data, asJSON := dataFlag(fs), fs.Bool("json", false, "JSON on standard output, one upload a line")
			return func(ctx context.Context, args []string) error {
				if len(args) > 0 {
					return usagef("unexpected argument %q", args[0])
				}
				return m.held(ctx, *data, *asJSON)
			}
		},
	}
}

func (m *Main) held(ctx context.Context, data string, asJSON bool) error {
	c, err := m.connected(ctx, data)
	if err != nil {
		return err
	}
	defer c.close()
	var us []state.Upload
	if err := c.get(ctx, "/api/held", &us); err != nil {
		return err
	}
	if asJSON {
		return jsonLines(m.Stdout, us)
	}
	if len(us) == 0 {
		fmt.Fprintf(m.Stdout, "%snothing is held\n", c.mark())
		return nil
	}
	rows := [][]string{{"upload", "account", "status", "asked", "may take effect until", "looks", "source"}}
	for _, u := range us {
		asked, until, looks := "-", "-", "0"
		if i := u.Intent; i != nil {
			asked, until, looks = i.At.Local().Format(time.DateTime), i.SettleAt.Local().Format(time.DateTime), fmt.Sprint(len(i.Looks))
		}
		rows = append(rows, []string{u.ID, string(u.Account), statusWord(u.Status, u.Reason), asked, until, looks, u.Source.Key})
	}
	columnsTable(m.Stdout, c.mark(), rows)
	fmt.Fprintf(m.Stdout, "%sLook at the account, then: %s resolve ID --published POST, or --publish-again; more with: %s status ID\n", c.mark(), m.Name, m.Name)
	return nil
}

func resolveCommand() command {
	return command{
		name: "resolve", args: "ID --published POST | --publish-again", short: "say what became of a held upload",
		long: `
Ends the doubt about an upload that is HELD. Look at the account first.

  --published POST   it is there: POST is its id at the platform
  --publish-again    it is not there: publish it once more. Refused until the first attempt can no longer take effect`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			data := dataFlag(fs)
			var r console.Resolution
			fs.StringVar(&r.Published, "published", "", "`POST` that the upload became")
			fs.BoolVar(&r.PublishAgain, "publish-again", false, "it was not published")
			return func(ctx context.Context, args []string) error {
				if len(args) != 1 {
					return usagef("want one ID, got %d arguments", len(args))
				}
				if (r.Published != "") == r.PublishAgain {
					return usagef("say either --published POST or --publish-again")
				}
				return m.verb(ctx, *data, args[0], "resolve", r)
			}
		},
	}
}

func cancelCommand() command {
	return simpleVerb("cancel", "stop an upload for good", `
Stops an upload for good. Refused once the platform was asked to publish: then wait for the end, and delete the post at
the platform.`)
}

func retryCommand() command {
	return simpleVerb("retry", "start an upload again that failed, or go on at once with one that waits", `
Starts the next generation of an upload that FAILED or NEEDS_LOGIN, with the parts that the platform has; wakes one that
waits. A held upload needs resolve.`)
}

func simpleVerb(name, short, long string) command {
	return command{name: name, args: "ID", short: short, long: long + "\nID is an upload's, or that of a publication with one upload, or the start of either.",
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			data := dataFlag(fs)
			return func(ctx context.Context, args []string) error {
				if len(args) != 1 {
					return usagef("want one ID, got %d arguments", len(args))
				}
				return m.verb(ctx, *data, args[0], name, struct{}{})
			}
		}}
}

// oneUpload is the upload that id means: its own, or that of a publication with one upload.
func (c *client) oneUpload(ctx context.Context, id string) (string, error) {
	p, uploadID, err := c.find(ctx, id)
	switch {
	case err != nil:
		return "", err
	case uploadID != "":
		return uploadID, nil
	case len(p.Views) == 1:
		return p.Views[0].ID, nil
	case len(p.Views) == 0:
		return "", fmt.Errorf("publication %s has no upload yet: it is %s", p.ID, statusWord(p.Status, p.Reason))
	}
	return "", usagef("publication %s has %d uploads; name one of them", p.ID, len(p.Views))
}

// verb finds the upload that is meant and posts to it.
func (m *Main) verb(ctx context.Context, data, id, verb string, body any) error {
	c, err := m.connected(ctx, data)
	if err != nil {
		return err
	}
	defer c.close()
	uploadID, err := c.oneUpload(ctx, id)
	if err != nil {
		return err
	}
	var u state.Upload
	if err := c.post(ctx, "/api/uploads/"+url.PathEscape(uploadID)+"/"+verb, body, &u); err != nil {
		return err
	}
	word := statusWord(u.Status, u.Reason)
	if verb == "cancel" && u.Status != upload.Cancelled {
		word += ", being cancelled"
	}
	fmt.Fprintf(m.Stdout, "%s%s to %s: %s\n", c.mark(), u.ID, u.Account, shown(word))
	return nil
}

func pauseCommand() command {
	return command{
		name: "pause", args: "SCOPE [--off]", short: "stop transfers and publishing for everything, a platform or an account",
		long: "SCOPE is global, a platform (douyin) or an account (douyin/main). What is paused waits and loses nothing; --off ends the pause.",
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			data, off := dataFlag(fs), fs.Bool("off", false, "end the pause")
			return func(ctx context.Context, args []string) error {
				if len(args) != 1 {
					return usagef("want one SCOPE: global, a platform or an account")
				}
				return m.pause(ctx, *data, args[0], !*off)
			}
		},
	}
}

func (m *Main) pause(ctx context.Context, data, scope string, on bool) error {
	c, err := m.connected(ctx, data)
	if err != nil {
		return err
	}
	defer c.close()
	info, err := c.info(ctx)
	if err != nil {
		return err
	}
	known := []string{"global"}
	for _, a := range info.Accounts {
		known = append(known, a.Target(), string(a))
	}
	found := false
	for _, k := range known {
		found = found || k == scope
	}
	if !found {
		return usagef("there is nothing called %q here%s", scope, suggestion(scope, known, ""))
	}
	if err := c.post(ctx, "/api/pause", console.PauseRequest{Scope: scope, On: on}, &struct{}{}); err != nil {
		return err
	}
	word := "goes on"
	if on {
		word = "is paused"
	}
	fmt.Fprintf(m.Stdout, "%s%s %s\n", c.mark(), scope, word)
	return nil
}

func keysCommand() command {
	return command{
		name: "bucket-keys", args: "", short: "settings of the bucket for S3 clients, as shell commands",
		long: `
Writes the address and the keys of the running stack's bucket as export commands, for S3 clients:

  eval "$(vodlift bucket-keys)"

The secret is not shown on a terminal.`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			data := dataFlag(fs)
			return func(ctx context.Context, args []string) error {
				if len(args) > 0 {
					return usagef("unexpected argument %q", args[0])
				}
				c, err := m.connected(ctx, *data)
				if err != nil {
					return err
				}
				defer c.close()
				if m.StdoutTerminal {
					return fmt.Errorf("this would show the secret on your screen; use: eval \"$(%s bucket-keys%s)\"", m.Name, m.folderFlag(c.dir))
				}
				for _, kv := range [][2]string{{"AWS_ACCESS_KEY_ID", c.id.BucketAccess}, {"AWS_SECRET_ACCESS_KEY", c.id.BucketSecret}, {"AWS_ENDPOINT_URL_S3", c.run.Bucket}, {"AWS_REGION", c.run.Region}, {"AWS_DEFAULT_REGION", c.run.Region}} {
					fmt.Fprintf(m.Stdout, "export %s=%s\n", kv[0], shellWord(kv[1]))
				}
				return nil
			}
		},
	}
}

func versionCommand() command {
	return command{
		name: "version", args: "", short: "which vodlift this is", long: "Shows the version of the program and of Go.",
		setup: func(m *Main, _ *flag.FlagSet) func(context.Context, []string) error {
			return func(context.Context, []string) error {
				version := "(built from source)"
				if b, ok := debug.ReadBuildInfo(); ok {
					version = orText(b.Main.Version, version)
				}
				fmt.Fprintf(m.Stdout, "vodlift %s, %s, %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return nil
			}
		},
	}
}
