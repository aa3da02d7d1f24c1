package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

func statusCommand() command {
	return command{
		name: "status", args: "[ID|s3://inbox/KEY]", short: "what was published, what is under way, what waits and why",
		long: `
Without an ID: the publications of the last days with their uploads. With the ID of a publication or an upload, or the
start of one that no other has: its timeline, its fault, and what to do.`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			data := dataFlag(fs)
			asJSON := fs.Bool("json", false, "JSON on standard output, one publication a line")
			days := fs.Int("days", 7, "how far back to look, `N` days")
			return func(ctx context.Context, args []string) error {
				if len(args) > 1 {
					return usagef("want one ID at most, got %d arguments", len(args))
				}
				if *days < 0 || *days > 366 {
					return usagef("--days %d: want 0 to 366", *days)
				}
				c, err := m.connected(ctx, *data)
				if err != nil {
					return err
				}
				defer c.close()
				if len(args) == 1 {
					return m.statusOf(ctx, c, args[0], *asJSON)
				}
				return m.statusAll(ctx, c, *days, *asJSON)
			}
		},
	}
}

// connected finds the stack that the flag, the environment or the default names.
func (m *Main) connected(ctx context.Context, data string) (*client, error) {
	dir, err := m.dataFolder(data)
	if err != nil {
		return nil, err
	}
	return m.connect(ctx, dir)
}

func (c *client) recent(ctx context.Context, days int) ([]console.LivePublication, error) {
	var ps []console.LivePublication
	return ps, c.get(ctx, fmt.Sprintf("/api/publications?days=%d", days), &ps)
}

func (m *Main) statusAll(ctx context.Context, c *client, days int, asJSON bool) error {
	ps, err := c.recent(ctx, days)
	if err != nil {
		return err
	}
	if asJSON {
		return jsonLines(m.Stdout, ps)
	}
	info, err := c.info(ctx)
	if err != nil {
		return err
	}
	line := func(format string, args ...any) {
		fmt.Fprintf(m.Stdout, "%s%s\n", c.mark(), shown(fmt.Sprintf(format, args...)))
	}
	line("%s: process %d, API %s, bucket %s, %d of %d transfer slots free", c.dir, info.PID, info.API, info.Bucket, info.Free, info.Slots)
	if len(ps) == 0 {
		line("nothing was dropped in the last %d days", days)
		return nil
	}
	rows := [][]string{{"publication", "upload", "account", "status", "sent", "post", "created", "source"}}
	for _, p := range ps {
		created := p.Created.Local().Format(time.DateTime)
		if len(p.Views) == 0 {
			rows = append(rows, []string{p.ID, "-", "-", statusWord(p.Status, p.Reason), "-", "-", created, p.Source.Key})
		}
		for _, v := range p.Views {
			rows = append(rows, []string{p.ID, v.ID, string(v.Account), statusWord(v.Status, v.Reason), percent(v), postOf(v), created, p.Source.Key})
		}
	}
	columnsTable(m.Stdout, c.mark(), rows)
	for _, p := range ps {
		if p.Problem != nil {
			line("%s %s: the manifest was refused: %s", p.ID, p.Source.Key, faultText(p.Problem))
		}
		for _, v := range p.Views {
			if f := trouble(v); f != nil && v.Status.Terminal() {
				line("%s %s: %s", v.ID, v.Account, faultText(f))
			}
		}
	}
	return nil
}

func percent(v console.Live) string {
	if v.Source.Size <= 0 {
		return "-"
	}
	return fmt.Sprintf("%d%%", v.Sent*100/v.Source.Size)
}

func jsonLines[T any](w io.Writer, all []T) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, v := range all {
		if err := e.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

// find reads the publication that an id names: of itself or of an upload, whole or by a start that no other has, or of
// an object. upload is set if the id was an upload's.
func (c *client) find(ctx context.Context, id string) (p console.LivePublication, uploadID string, err error) {
	if key, ok := strings.CutPrefix(id, "s3://"+c.run.Inbox+"/"); ok {
		if p, err = c.byObject(ctx, key); notFound(err) {
			return p, "", c.whyUnknown(ctx, id, key)
		}
		if err == nil {
			err = c.get(ctx, "/api/publications/"+url.PathEscape(p.ID)+"?timeline=1", &p)
		}
		return p, "", err
	}
	if p, uploadID, err = c.exactly(ctx, id); !notFound(err) {
		return p, uploadID, err
	}
	found, err := c.matches(ctx, id)
	switch {
	case err != nil:
		return p, "", err
	case len(found) == 0:
		return p, "", fmt.Errorf("there is no publication or upload %.64q in the last %d days", id, findDays)
	case len(found) > 1:
		return p, "", fmt.Errorf("%d ids start with %q: %s", len(found), id, strings.Join(found[:min(len(found), 5)], ", "))
	}
	return c.exactly(ctx, found[0])
}

// whyUnknown says why there is no publication of an object: it is not there, or its name is none of a video's.
func (c *client) whyUnknown(ctx context.Context, id, key string) error {
	none := fmt.Sprintf("no publication is known of %q", id)
	if video, ok := manifest.VideoKey(key); ok {
		return fmt.Errorf("%s: it is a sidecar; look at its video, s3://%s/%s", none, c.run.Inbox, video)
	}
	switch drop := manifest.DropOf(key); drop {
	case manifest.DropVideo:
	case manifest.DropRefused:
		return fmt.Errorf("%s: %s", none, explain(manifest.CheckKey(key)))
	default:
		return fmt.Errorf("%s: going by its name it is no video (%s), and is not published; give it another name", none, drop)
	}
	box, err := c.inbox()
	if err != nil {
		return errors.New(none)
	}
	defer box.close()
	if _, there, err := box.stat(ctx, key); err == nil && !there {
		return fmt.Errorf("%s: there is no such object in the bucket", none)
	} else if err == nil {
		return fmt.Errorf("%s: the object is there, but was not taken in; a start of the stack looks for what was missed", none)
	}
	return errors.New(none)
}

const (
	findDays  = 366
	minPrefix = 3
)

func (c *client) exactly(ctx context.Context, id string) (p console.LivePublication, uploadID string, err error) {
	if strings.HasPrefix(id, "u") {
		err = c.get(ctx, "/api/uploads/"+url.PathEscape(id)+"?timeline=1", &p)
		return p, id, err
	}
	return p, "", c.get(ctx, "/api/publications/"+url.PathEscape(id)+"?timeline=1", &p)
}

func (c *client) matches(ctx context.Context, start string) ([]string, error) {
	if len(start) < minPrefix {
		return nil, usagef("%q is too short to name one: give at least %d characters", start, minPrefix)
	}
	ps, err := c.recent(ctx, findDays)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, p := range ps {
		if strings.HasPrefix(p.ID, start) {
			found = append(found, p.ID)
		}
		for _, id := range p.Uploads {
			if strings.HasPrefix(id, start) {
				found = append(found, id)
			}
		}
	}
	return found, nil
}

func (m *Main) statusOf(ctx context.Context, c *client, id string, asJSON bool) error {
	p, only, err := c.find(ctx, id)
	if err != nil {
		return err
	}
	if asJSON {
		return jsonLines(m.Stdout, []console.LivePublication{p})
	}
	line := func(format string, args ...any) {
		fmt.Fprintf(m.Stdout, "%s%s\n", c.mark(), shown(fmt.Sprintf(format, args...)))
	}
	line("publication %s", p.ID)
	line("  source    s3://%s/%s, %d bytes, ETag %s", p.Source.Bucket, p.Source.Key, p.Source.Size, p.Source.ETag)
	line("  created   %s, manifest revision %d", p.Created.Local().Format(time.DateTime), p.Revision)
	if len(p.Views) == 0 {
		line("  status    %s", statusWord(p.Status, p.Reason))
		line("  to do     %s", m.publicationAdvice(c, p))
	}
	if p.Problem != nil {
		line("  refused   the manifest at hand: %s", faultText(p.Problem))
	}
	for _, v := range p.Views {
		if only == "" || v.ID == only {
			m.uploadStatus(line, v)
		}
	}
	return nil
}

// publicationAdvice says what a publication without uploads waits for.
func (m *Main) publicationAdvice(c *client, p console.LivePublication) string {
	sidecar := "s3://" + p.Source.Bucket + "/" + p.Source.Key + ".publish.json"
	switch {
	case p.Problem != nil:
		return "mend " + sidecar + " and put it again"
	case p.Reason == "route":
		return "no route takes this key; add one to config.json in " + c.dir + " and start again, or drop the video under a prefix that has one"
	case !p.StartAt.IsZero():
		return "nothing; it starts at " + p.StartAt.Local().Format(time.DateTime) + ", with the sidecar if there is one by then"
	}
	return "put " + sidecar
}

func (m *Main) uploadStatus(line func(string, ...any), v console.Live) {
	line("upload %s to %s", v.ID, v.Account)
	line("  status    %s, generation %d, revision %d", statusWord(v.Status, v.Reason), v.Gen, v.Revision)
	line("  title     %s", v.Title)
	if v.Plan != nil {
		line("  bytes     %d of %d with a receipt, %d parts in %d ranges, %d turns", v.Sent, v.Source.Size, v.Plan.Parts, v.Plan.Ranges, v.Turns)
		if v.Status == upload.Uploading {
			line("            %s", travel(v, m.Now()))
		}
	}
	if v.Post != nil {
		line("  post      %s %s", v.Post.ID, v.Post.URL)
	}
	for _, x := range v.Extra {
		line("  post too  %s (a late answer to an attempt that was given up)", x.ID)
	}
	if i := v.Intent; i != nil {
		m.intentStatus(line, i)
	}
	if f := v.Fault; f != nil {
		old := ""
		if v.Status == upload.Published {
			old = " (overcome)"
		}
		line("  fault     %s at %s: %s%s", f.Kind, f.At.Local().Format(time.DateTime), faultText(f), old)
		if f.LogID != "" {
			line("            the platform's log id: %s", f.LogID)
		}
		if f.Actor != "" {
			line("            whose turn: %s", f.Actor)
		}
	}
	if v.Refused != nil {
		line("  refused   a manifest that came too late: %s", faultText(v.Refused))
	}
	if a := advice(m.Name, v); a != "" {
		line("  to do     %s", a)
	}
	if len(v.Timeline) > 0 {
		line("  timeline")
	}
	for _, run := range repeats(v.Timeline, sameEvent) {
		e, tail := run[0], ""
		if e.Code != "" {
			tail += ", code " + e.Code
		}
		if e.LogID != "" {
			tail += ", log id " + e.LogID
		}
		if last := run[len(run)-1]; len(run) > 1 {
			tail += fmt.Sprintf(" (%d times, the last at %s)", len(run), last.At.Local().Format(time.TimeOnly))
		}
		line("    %s  gen %d  %-9s %s%s", e.At.Local().Format("2006-01-02 15:04:05.000"), e.Gen, e.Step, e.Text, tail)
	}
}

func (m *Main) intentStatus(line func(string, ...any), i *state.Intent) {
	result := orText(string(i.Result), "open")
	line("  intent    attempt %d at %s: %s", i.Attempt, i.At.Local().Format(time.DateTime), result)
	if i.Result == state.IntentOpen {
		line("            it may take effect until %s", i.SettleAt.Local().Format(time.DateTime))
	}
	for _, run := range repeats(i.Looks, sameLook) {
		l := run[0]
		what := fmt.Sprintf("%d candidates", len(l.Candidates))
		if l.Denied {
			what = "denied by the platform"
		}
		if l.Error != "" {
			what = l.Error
		}
		if last := run[len(run)-1]; len(run) > 1 {
			what += fmt.Sprintf(" (%d times, the last at %s)", len(run), last.At.Local().Format(time.TimeOnly))
		}
		line("            looked at %s: %s", l.At.Local().Format(time.DateTime), what)
		for _, p := range l.Candidates {
			line("              candidate %s %s", p.ID, p.URL)
		}
	}
}

// repeats cuts a list into runs of neighbours that say the same: what went wrong seventeen times is read once.
func repeats[T any](all []T, same func(a, b T) bool) [][]T {
	var out [][]T
	for i, v := range all {
		if n := len(out); n > 0 && same(all[i-1], v) {
			out[n-1] = append(out[n-1], v)
			continue
		}
		out = append(out, []T{v})
	}
	return out
}

func sameEvent(a, b state.Event) bool {
	return a.Gen == b.Gen && a.Step == b.Step && a.Text == b.Text && a.Code == b.Code && a.LogID == b.LogID
}

func sameLook(a, b state.Look) bool {
	return a.Denied == b.Denied && a.Error == b.Error && len(a.Candidates) == 0 && len(b.Candidates) == 0
}
