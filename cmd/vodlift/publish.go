package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/media"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/upload"
)

func publishCommand() command {
	return command{
		name: "publish", args: "FILE|s3://inbox/KEY --to ACCOUNT...", short: "publish a video and wait for the end",
		long: `
Publishes a file, or an object that is in the inbox already, through the running stack. The file goes into the inbox
under a name made of its content, with a sidecar that says what to do; then the command waits and shows each upload.

The same file twice is one publication: the second time its state is shown. Exit status 0 only if every upload is
PUBLISHED. Ctrl-C stops the watching only.`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			o := publishOptions{to: list{split: ","}}
			fs.Var(&o.to, "to", "`ACCOUNT` to publish as, for example douyin/main; several times, or with commas")
			fs.StringVar(&o.title, "title", "", "`TEXT`; else the file's name")
			fs.StringVar(&o.description, "description", "", "`TEXT`")
			fs.Var(&o.tags, "tag", "`TEXT` of a tag; several times")
			fs.StringVar(&o.at, "publish-at", "", "not before this `TIME`, for example 2030-01-02T15:04:05+08:00, \"2030-01-02 15:04 Asia/Shanghai\" or +2h")
			fs.StringVar(&o.again, "again", "", "`LABEL` that asks for one more post of what was published before")
			fs.BoolVar(&o.private, "private", false, "visible to the account only")
			fs.BoolVar(&o.dry, "dry-run", false, "check everything and show each request; send and write nothing")
			fs.BoolVar(&o.json, "json", false, "one JSON line for each upload on standard output")
			fs.BoolVar(&o.noWait, "no-wait", false, "end as soon as it is on its way, with status 0")
			where := dataFlag(fs)
			return func(ctx context.Context, args []string) error {
				o.data = *where
				return m.publish(ctx, o, args)
			}
		},
	}
}

type publishOptions struct {
	to, tags                            list
	title, description, at, again, data string
	private, dry, json, noWait          bool
}

// manifest is what the flags ask for.
func (o publishOptions) manifest() (manifest.Manifest, error) {
	man := manifest.Manifest{Title: strings.TrimSpace(o.title), Description: o.description, Tags: o.tags.values, Private: o.private, Again: o.again}
	for _, s := range o.to.values {
		a, err := upload.ParseAccount(s)
		if err != nil {
			return man, usagef("--to: %s", err)
		}
		man.To = append(man.To, a)
	}
	if len(man.To) == 0 {
		return man, usagef("say where to: --to ACCOUNT, for example --to douyin/main")
	}
	if o.at != "" {
		if err := man.SetPublishAt(o.at); err != nil {
			return man, usagef("--publish-at: %s", explain(err))
		}
	}
	return man, nil
}

// video is what is to be published: where it is, and what its header says.
type video struct {
	file   *localFile // nil: an object of the inbox
	key    string
	size   int64
	info   media.Info
	opener func(context.Context, int64, int64) (io.ReadCloser, error)
	not    error // why it is no video
}

func (m *Main) publish(ctx context.Context, o publishOptions, args []string) error {
	if len(args) != 1 {
		return usagef("want one FILE or s3://inbox/KEY, got %d arguments", len(args))
	}
	man, err := o.manifest()
	if err != nil {
		return err
	}
	dir, err := m.dataFolder(o.data)
	if err != nil {
		return err
	}
	object, inBucket := strings.CutPrefix(args[0], "s3://")
	var v *video
	if !inBucket {
		if v, err = m.openFile(ctx, args[0]); err != nil {
			return err
		}
	}
	c, err := m.connect(ctx, dir)
	if err != nil {
		return err
	}
	defer c.close()
	box, err := c.inbox()
	if err != nil {
		return err
	}
	defer box.close()
	if inBucket {
		if v, err = openObject(ctx, box, object); err != nil {
			return err
		}
	}
	b := &board{w: m.Stdout, terminal: m.StdoutTerminal, width: m.Width}
	if o.json {
		b.w, b.terminal = m.Stderr, m.StderrTerminal
	}
	checked, err := m.checkFirst(ctx, c, v, man)
	if err != nil {
		return err
	}
	if o.dry {
		return m.dryRun(ctx, c, v, checked, o.json)
	}
	if v.file != nil {
		if err := m.nameByContent(ctx, c, v, b); err != nil {
			return err
		}
	}
	return m.carry(ctx, c, box, v, man, o, b)
}

// carry drops the video and follows it.
func (m *Main) carry(ctx context.Context, c *client, box *inbox, v *video, man manifest.Manifest, o publishOptions, b *board) error {
	before, err := c.byObject(ctx, v.key)
	if err != nil && !notFound(err) {
		return err
	}
	pub, ids, err := m.drop(ctx, c, box, v.file, v.key, man, b)
	if err != nil {
		if errors.Is(err, errRefused) && o.json {
			err = errors.Join(err, writeJSONLines(m.Stdout, []result{{Publication: pub, Status: "WAITING", Bytes: v.size, Error: err.Error()}}))
		}
		return err
	}
	w := &watch{m: m, c: c, b: b, pub: pub, want: ids}
	var p console.LivePublication
	if o.noWait {
		p, err = w.look(ctx)
	} else {
		p, err = w.run(ctx)
	}
	if ctx.Err() != nil {
		m.say("stopped watching; the publication goes on. Look with: %s status %s%s", m.Name, pub, m.folderFlag(c.dir))
		return errSaid
	}
	if err != nil {
		return err
	}
	return m.publishResult(p, o, tooLate(before, p), c, b)
}

// tooLate finds the uploads for which this run's manifest came after publishing had begun.
func tooLate(before, after console.LivePublication) map[string]string {
	late := map[string]string{}
	for _, v := range after.Views {
		if v.Refused != nil && after.Revision > before.Revision {
			late[v.ID] = faultText(v.Refused) + "; " + v.Refused.Action
		}
	}
	return late
}

func (m *Main) publishResult(p console.LivePublication, o publishOptions, late map[string]string, c *client, b *board) error {
	now := m.Now()
	good := len(p.Views) > 0
	var rs []result
	for _, v := range p.Views {
		r := resultOf(v, now)
		if late[v.ID] != "" {
			r.Error = "the new manifest was refused: " + late[v.ID]
		}
		rs = append(rs, r)
		good = good && (o.noWait || v.Status == upload.Published) && r.Error == ""
	}
	if o.json {
		if err := writeJSONLines(m.Stdout, rs); err != nil {
			return err
		}
	} else {
		b.line("%spublication %s", c.mark(), p.ID)
		resultTable(m.Stdout, c.mark(), p.Views, now, "", nil)
	}
	for i, v := range p.Views {
		if rs[i].Error != "" {
			m.say("%s: %s: %s", v.Account, rs[i].Status, rs[i].Error)
		}
		if a := advice(m.Name, v); a != "" && v.Status.Terminal() && v.Status != upload.Published {
			m.say("%s: what to do: %s", v.Account, a)
		}
	}
	if !good {
		return errSaid
	}
	return nil
}

// kindOfFile names what is no regular file.
func kindOfFile(mode os.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&os.ModeNamedPipe != 0:
		return "a pipe; write it to a file first"
	case mode&os.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// openFile looks at a file before anything is asked of anybody.
func (m *Main) openFile(ctx context.Context, name string) (*video, error) {
	const op = "publish"
	if name == "" {
		return nil, fault.InvalidField(op, "file", "the name of a file", "it is empty")
	}
	p := m.path(name)
	i, err := os.Stat(p)
	switch {
	case err != nil && strings.Contains(name, "://"):
		return nil, fault.InvalidField(op, "file", "a file of this machine, or s3://inbox/KEY", fmt.Sprintf("%q is an address; fetch the video first", name))
	case errors.Is(err, os.ErrNotExist):
		return nil, fault.InvalidField(op, "file", "exists", "there is no file "+p)
	case err != nil:
		return nil, fault.InvalidField(op, "file", "readable", err.Error())
	case !i.Mode().IsRegular():
		return nil, fault.InvalidField(op, "file", "a regular file", p+" is "+kindOfFile(i.Mode()))
	case i.Size() == 0:
		return nil, fault.InvalidField(op, "file", "> 0 bytes", p+" is empty")
	}
	f := &localFile{path: p, size: i.Size()}
	v := &video{file: f, size: f.size, key: contentKey(strings.Repeat("0", 64), p), opener: func(_ context.Context, off, n int64) (io.ReadCloser, error) {
		r, err := os.Open(p)
		if err != nil {
			return nil, err
		}
		return section{io.NewSectionReader(r, off, n), r}, nil
	}}
	if r, err := os.Open(p); err != nil {
		return nil, fault.InvalidField(op, "file", "readable", err.Error())
	} else {
		r.Close()
	}
	v.probe(ctx)
	f.contentType = v.info.ContentType
	return v, nil
}

// section reads a part of a file and closes all of it.
type section struct {
	io.Reader
	io.Closer
}

// contentKey is where a file of this content goes in the inbox.
func contentKey(sha256, file string) string { return "cli/" + sha256[:16] + "/" + filepath.Base(file) }

func openObject(ctx context.Context, box *inbox, object string) (*video, error) {
	const op = "publish"
	bucket, key, ok := strings.Cut(object, "/")
	if !ok || key == "" || bucket != box.bucket {
		return nil, fault.InvalidField(op, "source", "s3://"+box.bucket+"/KEY", fmt.Sprintf("only objects of the inbox can be published, not %q", "s3://"+object))
	}
	info, there, err := box.stat(ctx, key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("looking at s3://%s: %w", object, err)
	case !there:
		return nil, fault.InvalidField(op, "source", "exists", "there is no object s3://"+object)
	case info.Size == 0:
		return nil, fault.InvalidField(op, "source", "> 0 bytes", "s3://"+object+" is empty")
	}
	v := &video{key: key, size: info.Size, opener: func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
		return box.src.Open(ctx, source.Object{Bucket: bucket, Key: key, ETag: info.ETag}, off, n)
	}}
	v.probe(ctx)
	return v, nil
}

func (v *video) probe(ctx context.Context) {
	v.info, v.not = media.Probe(ctx, func(off, n int64) (io.ReadCloser, error) { return v.opener(ctx, off, n) }, v.size)
}

// checkFirst asks the stack what would become of the video, and says everything that is wrong at once.
func (m *Main) checkFirst(ctx context.Context, c *client, v *video, man manifest.Manifest) (console.Checked, error) {
	body, err := json.Marshal(man)
	if err != nil {
		return console.Checked{}, err
	}
	var out console.Checked
	if err := man.Validate(m.Now()); err != nil {
		m.say("publish: %s", explain(err))
		if v.not != nil {
			m.say("publish: %s", explain(v.not))
		}
		m.say("publish: nothing was sent or written")
		return out, errSaid
	}
	q := console.CheckRequest{Key: v.key, Size: v.size, ContentType: v.info.ContentType, Duration: v.info.Duration, Manifest: body}
	if err := c.post(ctx, "/api/check", q, &out); err != nil {
		return out, err
	}
	if v.not != nil && len(out.Problems) == 0 {
		return out, v.not
	}
	for _, p := range out.Problems {
		m.say("publish: %s", problemText(p))
	}
	if v.not != nil {
		m.say("publish: %s", explain(v.not))
	}
	if len(out.Problems) > 0 {
		m.say("publish: nothing was sent or written")
		return out, errSaid
	}
	return out, nil
}

func problemText(p console.Problem) string {
	s := p.Text
	if p.Field != "" {
		s = p.Field + ": " + s
	}
	if p.Rule != "" {
		s += " (rule: " + p.Rule + ")"
	}
	return s
}

// nameByContent reads the file once for the name that its content gives it.
func (m *Main) nameByContent(ctx context.Context, c *client, v *video, b *board) error {
	var read atomic.Int64
	stop := m.rows(c.mark()+"reading", v.size, &read, b)
	err := v.file.sum(ctx, func(n int64) { read.Add(n) })
	stop()
	if ctx.Err() != nil {
		return errors.New("stopped; nothing was sent or written")
	}
	if err != nil {
		return err
	}
	v.key = contentKey(v.file.sha256, v.file.path)
	return nil
}
