package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/vodlift/vodlift/local/stack"
)

func localCommand() command {
	return command{
		name: "local", args: "--demo | --data DIR", short: "run everything on this machine until Ctrl-C",
		long: `
Runs vodlift on this machine: bucket, functions, state machine and ledger in one process, with its state in a data
folder. Stop it at any moment; what is unfinished goes on at the next start.

  --demo       shows it with fake platforms (Douyin twice, Youku, VOD): makes a sample video, publishes it, and keeps serving
  --data DIR   the real one. It reads its routes and platform settings from DIR/config.json

A folder is either for the demo or for real, for good. With --demo the folder is the demo's own unless --data or
VODLIFT_DATA names another.`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			var o localOptions
			fs.BoolVar(&o.demo, "demo", false, "with fake platforms and a sample video")
			fs.BoolVar(&o.once, "once", false, "with --demo: end when the sample has been published; status 0 only if it was")
			fs.StringVar(&o.data, "data", "", "data folder, `DIR`")
			fs.StringVar(&o.api, "api", "", "`ADDR`ess of the API on loopback, host:port; default a free port")
			fs.StringVar(&o.bucket, "bucket", "", "`ADDR`ess of the bucket on loopback, host:port; default a free port")
			fs.StringVar(&o.public, "public", "", "`ADDR`ess on loopback of what platforms and apps call (callbacks, AppServer), for a proxy before it; default a free port")
			fs.BoolVar(&o.verbose, "verbose", false, "write the whole log, as JSON lines, to standard error")
			return func(ctx context.Context, args []string) error { return m.local(ctx, o, args) }
		},
	}
}

type localOptions struct {
	demo, once, verbose bool
	data, api, bucket   string
	public              string
}

func (m *Main) local(ctx context.Context, o localOptions, args []string) error {
	switch {
	case len(args) > 0:
		return usagef("unexpected argument %q", args[0])
	case o.once && !o.demo:
		return usagef("--once is for --demo")
	case !o.demo && o.data == "" && m.Env(dataVariable) == "":
		return usagef("say --demo, or name a data folder: --data DIR")
	}
	for _, a := range []struct{ flag, addr string }{{"api", o.api}, {"bucket", o.bucket}, {"public", o.public}} {
		if err := loopback(a.flag, a.addr); err != nil {
			return err
		}
	}
	dir, err := m.dataFolder(o.data)
	if err != nil {
		return err
	}
	kind := stack.Real
	if o.demo {
		kind = stack.Demo
	}
	if err := m.wrongKind(dir, kind); err != nil {
		return err
	}
	b := &board{w: m.Stdout, terminal: m.StdoutTerminal, width: m.Width}
	s, err := stack.Open(ctx, stack.Options{Dir: dir, Kind: kind, API: o.api, Bucket: o.bucket, Public: o.public, Log: m.logger(o, b), Tune: m.Tune})
	if err != nil {
		return m.whyNotOpen(dir, kind, err)
	}
	err = m.serve(ctx, o, s, dir, b)
	if cerr := s.Close(); err == nil && cerr != nil {
		err = cerr
	}
	return err
}

// serve shows the demo's sample travelling, then waits for Ctrl-C.
func (m *Main) serve(ctx context.Context, o localOptions, s *stack.Stack, dir string, b *board) error {
	c, err := m.connect(ctx, dir)
	if err != nil {
		return err
	}
	defer c.close()
	b.line("%svodlift runs on %s (process %d)", c.mark(), dir, s.Running.PID)
	if o.demo {
		limit := context.Context(ctx)
		if o.once {
			var cancel context.CancelFunc
			limit, cancel = context.WithTimeout(ctx, onceMost)
			defer cancel()
		}
		err := m.demo(limit, c, dir, b)
		switch {
		case o.once && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("the sample was not published within %s", onceMost)
		case o.once && ctx.Err() != nil:
			return errors.New("stopped before the sample was published")
		case o.once:
			return err
		case err != nil && ctx.Err() == nil:
			m.say("%sdemo: %s", c.mark(), explain(err)) // it serves all the same: people may want to look why
		}
	}
	if ctx.Err() == nil {
		m.manual(c, b)
		select {
		case <-ctx.Done():
		case err := <-s.Failed():
			return fmt.Errorf("a listener stopped: %w", err)
		case <-s.Bucket.Done():
			if ctx.Err() == nil {
				return errors.New("the bucket stopped")
			}
		}
	}
	b.line("%sstopping; what is unfinished goes on at the next start", c.mark())
	return nil
}

// onceMost is how long --once waits for the sample.
const onceMost = time.Minute

// manual tells where everything listens and how to drop a video.
func (m *Main) manual(c *client, b *board) {
	mark, name := c.mark(), m.Name
	flags := m.folderFlag(c.dir)
	b.line("%sAPI       %s", mark, c.run.API)
	b.line("%spublic    %s (callbacks of platforms, and the apps' API: /user, /vod, /music ...)", mark, c.run.Public)
	b.line("%sbucket    s3://%s at %s, region %s, access key %s; the secret: %s bucket-keys%s", mark, c.run.Inbox, c.run.Bucket, c.run.Region, c.id.BucketAccess, name, flags)
	if c.run.Douyin != "" {
		b.line("%sDouyin    %s (a fake; what it published: %s/_fake/effects, with the key of %s)", mark, c.run.Douyin, c.run.Douyin, c.dir)
	}
	if c.run.Youku != "" {
		b.line("%sYouku     %s (a fake; its storage: %s)", mark, c.run.Youku, c.run.OSS)
	}
	if c.run.VOD != "" {
		b.line("%sVOD       %s (a fake; its storage is Youku's)", mark, c.run.VOD)
	}
	if c.run.Web != "" {
		b.line("%screator   %s (a fake of Douyin's creator web; its storage: %s)", mark, c.run.Web, c.run.TOS)
	}
	b.line("%sTo publish a video, in another terminal:", mark)
	account := "ACCOUNT"
	if c.demo() {
		account = string(stack.DemoAccount)
	}
	b.line("%s  %s publish video.mp4 --to %s --title \"Hello\"%s", mark, name, account, flags)
	b.line("%sor drop it with any S3 client:", mark)
	b.line("%s  eval \"$(%s bucket-keys%s)\"", mark, name, flags)
	b.line("%s  aws s3 cp video.mp4 s3://%s/video.mp4", mark, c.run.Inbox)
	b.line("%s  rclone copyto video.mp4 :s3,provider=Other,env_auth,force_path_style,endpoint='%s':%s/video.mp4", mark, c.run.Bucket, c.run.Inbox)
	b.line("%sand look: %s status%s", mark, name, flags)
	if !c.demo() {
		info, err := c.info(context.Background())
		if err == nil && len(info.Accounts) == 0 {
			b.line("There are no routes yet, so every video waits as WAITING(route). Write them into %s/config.json and start again.", c.dir)
		}
	}
	b.line("%sserving; Ctrl-C stops", mark)
}

// folderFlag is what commands need to find a folder that is not the default.
func (m *Main) folderFlag(dir string) string {
	if byDefault, err := m.dataFolder(""); err == nil && byDefault == dir {
		return ""
	}
	return " --data " + shellWord(dir)
}

// wrongKind refuses a folder of the other kind before anything is touched.
func (m *Main) wrongKind(dir string, kind stack.Kind) error {
	id, err := stack.ReadIdentity(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && id.Kind == kind {
		return nil
	}
	if err != nil {
		return damaged(dir, err)
	}
	if kind == stack.Real {
		return fmt.Errorf("data: %s is a demo folder; name another folder with --data, or say --demo", dir)
	}
	return fmt.Errorf("data: %s is a real folder, and a demo must not touch it; name another folder with --data", dir)
}

// whyNotOpen says what to do when the folder is taken.
func (m *Main) whyNotOpen(dir string, kind stack.Kind, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return damaged(dir, err)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s; name another port with --api or --bucket, or leave them out for free ones", explain(err))
	}
	run, rerr := stack.ReadRunning(dir)
	if rerr != nil || !lockedByOther(dir) {
		return err
	}
	how := "--data DIR"
	if kind == stack.Demo {
		how = "--demo --data DIR"
	}
	return fmt.Errorf("another vodlift runs on %s: process %d, API %s, bucket %s\nuse that one (%s status%s), stop it, or take another folder: %s local %s",
		dir, run.PID, run.API, run.Bucket, m.Name, m.folderFlag(dir), m.Name, how)
}

func loopback(flag, addr string) error {
	if addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return usagef("--%s %q: want host:port, for example 127.0.0.1:9000", flag, addr)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usagef("--%s %q: only this machine may reach it; use 127.0.0.1", flag, addr)
	}
	return nil
}

// logger shows warnings as lines among the progress; with --verbose everything goes to standard error.
func (m *Main) logger(o localOptions, b *board) *slog.Logger {
	if o.verbose {
		return slog.New(slog.NewJSONHandler(m.Stderr, nil))
	}
	mark := ""
	if o.demo {
		mark = "DEMO "
	}
	return slog.New(&lines{board: b, mark: mark})
}
