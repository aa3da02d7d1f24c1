package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/console"
)

// One gateway runs at a time in a process and a start costs, so the rules below share a stack; they use videos of their own.
func TestOnARunningStack(t *testing.T) {
	b := newBench(t)
	b.small(t, "unused.mp4", 99)
	t.Run("what is wrong is refused with field and rule before anything is written", b.refusals)
	t.Run("a dry run sends and writes nothing", b.dryRun)
	t.Run("a file is published once, and a second time is shown", b.twice)
	t.Run("names with spaces, signs, Chinese and emoji", b.names)
	t.Run("the same bytes under another name are refused, naming the first", b.sameBytes)
	t.Run("an object of the inbox", b.fromInbox)
	t.Run("ids, prefixes and verbs", b.verbs)
	t.Run("Ctrl-C stops the watching only", b.interrupted)
	t.Run("a second stack on the folder is told of the first", b.secondStack)
	t.Run("the keys of the bucket", b.keys)
}

func (b *bench) refusals(t *testing.T) {
	b.write(t, "empty.mp4", nil)
	b.write(t, "text.mp4", []byte(strings.Repeat("this is no video\n", 1000)))
	f, err := os.Create(filepath.Join(b.dir, "huge.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(4<<30 + 1); err != nil { // sparse: it takes no space
		t.Fatal(err)
	}
	f.Close()
	long := strings.Repeat("长", 1001)
	cases := []struct {
		name string
		args []string
		want []string
	}{
		{"missing file", []string{"nowhere.mp4", "--to", "douyin/main"}, []string{"file: there is no file", "rule: exists"}},
		{"a folder", []string{".", "--to", "douyin/main"}, []string{"file:", "is a folder", "rule: a regular file"}},
		{"a file without a name", []string{"", "--to", "douyin/main"}, []string{"file: it is empty", "rule: the name of a file"}},
		{"an address", []string{"https://example.com/a.mp4", "--to", "douyin/main"}, []string{"file:", "is an address", "s3://inbox/KEY"}},
		{"empty file", []string{"empty.mp4", "--to", "douyin/main"}, []string{"file:", "is empty", "rule: > 0 bytes"}},
		{"not a video", []string{"text.mp4", "--to", "douyin/main"}, []string{"source", "rule:"}},
		{"over 4 GB", []string{"huge.mp4", "--to", "douyin/main"}, []string{"source.size", "<= 4294967296 bytes", "4294967297"}},
		{"unknown account", []string{"unused.mp4", "--to", "douyin/nobody"}, []string{"to[0]", "there is no account douyin/nobody", "rule: an account of this stack"}},
		{"an account that the route does not allow", []string{"unused.mp4", "--to", "douyin/other"}, []string{"to[0]", "rule: an account of the route", "douyin/main"}},
		{"title over the limit", []string{"unused.mp4", "--to", "douyin/main", "--title", long}, []string{"title", "1000"}},
		{"several things at once are all said", []string{"text.mp4", "--to", "douyin/nobody", "--title", "a"}, []string{"to[0]", "source"}},
		{"a label that is none", []string{"unused.mp4", "--to", "douyin/main", "--again", "on purpose"}, []string{"again"}},
		{"a missing object", []string{"s3://inbox/nothing.mp4", "--to", "douyin/main"}, []string{"source: there is no object"}},
		{"another bucket", []string{"s3://other/a.mp4", "--to", "douyin/main"}, []string{"source:", "s3://inbox/KEY"}},
		{"a name that is taken for something else", []string{".hidden.mp4", "--to", "douyin/main"}, []string{"key:"}},
		{"a publish time that is over", []string{"unused.mp4", "--to", "douyin/main", "--publish-at", "2001-01-01T00:00:00Z"}, []string{"publish_at"}},
	}
	b.small(t, ".hidden.mp4", 98)
	before := len(b.Douyin.Requests(0))
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			out, errs, status := b.run(t, append([]string{"publish"}, tc.args...)...)
			if status != exitFailed || out != "" {
				t.Errorf("got status %d, stdout %q, stderr %q", status, out, errs)
			}
			for _, w := range tc.want {
				if !strings.Contains(errs, w) {
					t.Errorf("%q is not in %q", w, errs)
				}
			}
		})
	}
	if keys := b.objects(t); len(keys) != 0 {
		t.Errorf("the inbox holds %q", keys)
	}
	if n := len(b.Douyin.Requests(0)); n != before {
		t.Errorf("the platform was asked %d times", n-before)
	}
}

func (b *bench) dryRun(t *testing.T) {
	sum := b.video(t, "dry.mp4", 1)
	before := len(b.Douyin.Requests(0))
	out, errs, status := b.run(t, "publish", "dry.mp4", "--to", "douyin/main", "--title", "Dry", "--tag", "test", "--private", "--dry-run")
	if status != exitOK {
		t.Fatalf("got %d: %s", status, errs)
	}
	for _, w := range []string{
		"text     Dry #test", "2 parts", "/api/douyin/v1/video/init_video_part_upload/", "upload_video_part/?open_id=***&part_number=2&upload_id=***",
		"Access-Token", "multipart/form-data", `"private_status":1`, "on AWS about $", "nothing was sent, nothing was written", "requests 5",
	} {
		if !strings.Contains(out, w) {
			t.Errorf("%q is not in:\n%s", w, out)
		}
	}
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "DEMO ") {
			t.Errorf("a line does not say DEMO: %q", line)
		}
	}
	asJSON, _, status := b.run(t, "publish", "dry.mp4", "--to", "douyin/main", "--dry-run", "--json")
	var p dryPlan
	if err := json.Unmarshal([]byte(asJSON), &p); err != nil || status != exitOK {
		t.Fatalf("%v in %q, status %d", err, asJSON, status)
	}
	var parts int64
	for _, q := range p.Requests {
		if q.Step == "part" {
			parts += q.Bytes
		}
	}
	if size := p.Plan.Size; parts <= size || parts > size+1000*int64(p.Plan.Parts) {
		t.Errorf("the parts have %d bytes for a video of %d", parts, size)
	}
	if strings.Contains(out+asJSON, "ACCESS_TOKEN") || strings.Contains(out+asJSON, b.Identity.Key) || strings.Contains(out, sum) {
		t.Error("a dry run shows what it should not")
	}
	if keys := b.objects(t); len(keys) != 0 || len(b.Douyin.Requests(0)) != before {
		t.Errorf("the inbox holds %q, the platform was asked %d times", keys, len(b.Douyin.Requests(0))-before)
	}
	if ps, err := b.Recent(t.Context(), 1, 10); err != nil || len(ps) != 0 {
		t.Errorf("the ledger knows %v %v", ps, err)
	}
}

var golden = regexp.MustCompile(`^\{"publication":"p[a-z2-7]{26}","upload":"u[a-z2-7]{26}","account":"douyin/main","status":"PUBLISHED","post":"[^"]+","bytes":[0-9]+,"ms":[0-9]+,"error":""\}\n$`)

func (b *bench) twice(t *testing.T) {
	sum := b.small(t, "once.mp4", 2)
	out, errs, status := b.run(t, "publish", "once.mp4", "--to", "douyin/main", "--title", "Once", "--json")
	if status != exitOK || !golden.MatchString(out) {
		t.Fatalf("got status %d, stdout %q, stderr %q", status, out, errs)
	}
	first := decode(t, out)
	if got := b.posted(sum); len(got) != 1 || got[0] != first.Post {
		t.Errorf("the platform has posts %q of these bytes, want %q", got, first.Post)
	}
	if want := "cli/" + sum[:16] + "/once.mp4"; !strings.Contains(strings.Join(b.objects(t), " "), want) {
		t.Errorf("the inbox holds %q, want %s", b.objects(t), want)
	}
	out, errs, status = b.run(t, "publish", "once.mp4", "--to", "douyin/main", "--title", "Once", "--json")
	if again := decode(t, out); status != exitOK || again != first || !strings.Contains(errs, "the inbox has it already") {
		t.Errorf("the second time: status %d, %+v, want %+v; %s", status, again, first, errs)
	}
	out, errs, status = b.run(t, "publish", "once.mp4", "--to", "douyin/main", "--title", "Another title", "--json")
	if late := decode(t, out); status != exitFailed || late.Post != first.Post || !strings.Contains(late.Error, first.Post) || !strings.Contains(late.Error, "after it was published") {
		t.Errorf("another title: status %d, %+v; %s", status, late, errs)
	}
	out, errs, status = b.run(t, "publish", "once.mp4", "--to", "douyin/main", "--again", "on-purpose", "--title", "Once", "--json")
	if more := decode(t, out); status != exitOK || more.Post == first.Post || more.Publication != first.Publication {
		t.Errorf("on purpose: status %d, %+v; %s", status, more, errs)
	}
}

// posted lists the posts that the platform made of these bytes.
func (b *bench) posted(sum string) (ids []string) {
	for _, p := range b.Douyin.Effects().Posts {
		if p.SHA256 == sum {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

func (b *bench) names(t *testing.T) {
	for i, name := range []string{"a b+c%20d & 你好 🎬#1?.mp4"} {
		sum := b.small(t, name, 100+uint64(i))
		out, errs, status := b.run(t, "publish", name, "--to", "douyin/main")
		if status != exitOK || len(b.posted(sum)) != 1 {
			t.Errorf("%q: status %d, %d posts\n%s\n%s", name, status, len(b.posted(sum)), out, errs)
		}
		for _, w := range []string{"PUBLISHED", "DEMO account", "ranges/turns", name} {
			if !strings.Contains(out, w) {
				t.Errorf("%q is not in:\n%s", w, out)
			}
		}
	}
}

func (b *bench) sameBytes(t *testing.T) {
	sum := b.small(t, "copy.mp4", 2) // the bytes of once.mp4
	out, errs, status := b.run(t, "publish", "copy.mp4", "--to", "douyin/main", "--json")
	r := decode(t, out)
	if status != exitFailed || !strings.HasPrefix(r.Status, "FAILED") || !strings.Contains(r.Error, "once.mp4") && !strings.Contains(r.Error, "upload u") {
		t.Errorf("got status %d, %+v, %s", status, r, errs)
	}
	if n := len(b.posted(sum)); n != 2 { // the first one and the one on purpose
		t.Errorf("got %d posts, want 2", n)
	}
}

func (b *bench) fromInbox(t *testing.T) {
	b.small(t, "x.mp4", 3)
	c, err := (&Main{Dir: b.dir, Now: time.Now, Name: "vodlift"}).connect(t.Context(), b.data)
	if err != nil {
		t.Fatal(err)
	}
	box, err := c.inbox()
	if err != nil {
		t.Fatal(err)
	}
	defer box.close()
	f, err := os.Open(filepath.Join(b.dir, "x.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := box.putVideo(t.Context(), "closed/x.mp4", "video/mp4", f, i.Size()); err != nil { // this route waits for a sidecar
		t.Fatal(err)
	}
	_, errs, status := b.run(t, "publish", "s3://inbox/closed/x.mp4", "--to", "douyin/main")
	if status != exitFailed || !strings.Contains(errs, "rule: an account of the route") {
		t.Errorf("got %d %s", status, errs)
	}
	b.until(t, "WAITING(manifest)", "status", "s3://inbox/closed/x.mp4")
	out, errs, status := b.run(t, "publish", "s3://inbox/closed/x.mp4", "--to", "douyin/other", "--title", "X", "--json")
	if r := decode(t, out); status != exitFailed || !strings.HasPrefix(r.Status, "NEEDS_LOGIN") || r.Error == "" || !strings.Contains(errs, "what to do") {
		t.Errorf("got %d %+v %s", status, r, errs)
	}
}

// until calls the program until its output has the text.
func (b *bench) until(t *testing.T, want string, args ...string) string {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		out, errs, _ := b.run(t, args...)
		if strings.Contains(out, want) {
			return out
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q never came; last:\n%s%s", want, out, errs)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (b *bench) verbs(t *testing.T) {
	out, _, status := b.run(t, "status", "--json")
	var p console.LivePublication
	if err := json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &p); err != nil || status != exitOK {
		t.Fatalf("%v, status %d: %s", err, status, out)
	}
	u := p.Views[0].ID
	for _, id := range []string{u, u[:12], p.ID, p.ID[:12]} {
		out, errs, status := b.run(t, "status", id)
		if status != exitOK || !strings.Contains(out, "timeline") || !strings.Contains(out, u) || !strings.Contains(out, "session 1 opened") {
			t.Errorf("status %s: %d\n%s%s", id, status, out, errs)
		}
	}
	for _, tc := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"status", "unothing"}, "there is no publication or upload", exitFailed},
		{[]string{"status", "u"}, "too short", exitUsage},
		{[]string{"status", "s3://inbox/nothing.mp4"}, "there is no such object in the bucket", exitFailed},
		{[]string{"status", "s3://inbox/a.mp4.publish.json"}, "it is a sidecar; look at its video, s3://inbox/a.mp4", exitFailed},
		{[]string{"status", "s3://inbox/a/.b.mp4"}, "going by its name it is no video (hidden)", exitFailed},
		{[]string{"status", "s3://inbox/a\nb.mp4"}, "control character", exitFailed},
		{[]string{"cancel", u}, "is published as post", exitFailed},
		{[]string{"retry", u[:14]}, "is published as post", exitFailed},
		{[]string{"resolve", u, "--publish-again"}, "not held", exitFailed},
		{[]string{"pause", "globl"}, "did you mean global?", exitUsage},
	} {
		if _, errs, status := b.run(t, tc.args...); status != tc.code || !strings.Contains(errs, tc.want) {
			t.Errorf("%v: got %d %q, want %d %q", tc.args, status, errs, tc.code, tc.want)
		} else if strings.Contains(errs, "workflow.") || strings.Contains(errs, "Invalid: ") {
			t.Errorf("%v: people are shown how the program is made: %q", tc.args, errs)
		}
	}
	if out, _, status := b.run(t, "held"); status != exitOK || out != "DEMO nothing is held\n" {
		t.Errorf("held: %d %q", status, out)
	}
	table, _, _ := b.run(t, "status")
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "DEMO ") {
			t.Errorf("a line does not say DEMO: %q", line)
		}
	}
}

func (b *bench) interrupted(t *testing.T) {
	sum := b.small(t, "watched.mp4", 4)
	if out, errs, status := b.run(t, "pause", "douyin/main"); status != exitOK || out != "DEMO douyin/main is paused\n" {
		t.Fatalf("pause: %d %s%s", status, out, errs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	m := Main{
		Stdout: &cancelWriter{at: "WAITING(", cancel: cancel, w: &out}, Stderr: &errs, Dir: b.dir, Args: []string{"publish", "watched.mp4", "--to", "douyin/main"},
		Env: func(string) string { return b.data }, Poll: 50 * time.Millisecond,
	}
	if status := m.Run(ctx); status != exitFailed || !strings.Contains(errs.String(), "stopped watching; the publication goes on") {
		t.Errorf("got %d\n%s\n%s", status, out.String(), errs.String())
	}
	if out, errs, status := b.run(t, "pause", "douyin/main", "--off"); status != exitOK {
		t.Fatalf("pause --off: %d %s%s", status, out, errs)
	}
	text, errs2, status := b.run(t, "publish", "watched.mp4", "--to", "douyin/main", "--json")
	if r := decode(t, text); status != exitOK || len(b.posted(sum)) != 1 || b.posted(sum)[0] != r.Post {
		t.Errorf("after it: %d %+v %s", status, r, errs2)
	}
}

// cancelWriter is a person who presses Ctrl-C when they read something.
type cancelWriter struct {
	at     string
	cancel func()
	w      *bytes.Buffer
}

func (c *cancelWriter) Write(p []byte) (int, error) {
	c.w.Write(p)
	if strings.Contains(c.w.String(), c.at) {
		c.cancel()
	}
	return len(p), nil
}

func (b *bench) secondStack(t *testing.T) {
	_, errs, status := b.run(t, "local", "--demo")
	for _, w := range []string{"another vodlift runs on " + b.data, b.Running.API, "--demo --data DIR"} {
		if status != exitFailed || !strings.Contains(errs, w) {
			t.Errorf("got %d, %q is not in %q", status, w, errs)
		}
	}
	if _, errs, status := b.run(t, "local"); status != exitFailed || !strings.Contains(errs, "is a demo folder") {
		t.Errorf("real on a demo folder: %d %s", status, errs)
	}
}

func (b *bench) keys(t *testing.T) {
	out, _, status := b.run(t, "bucket-keys")
	if status != exitOK || !strings.Contains(out, "export AWS_SECRET_ACCESS_KEY="+b.Identity.BucketSecret) || !strings.Contains(out, "export AWS_ENDPOINT_URL_S3="+b.Running.Bucket) {
		t.Errorf("got %d %q", status, out)
	}
	var screen, errs bytes.Buffer
	m := Main{Stdout: &screen, StdoutTerminal: true, Stderr: &errs, Args: []string{"bucket-keys"}, Dir: b.dir, Env: func(string) string { return b.data }}
	if status := m.Run(t.Context()); status != exitFailed || screen.Len() > 0 || strings.Contains(errs.String(), b.Identity.BucketSecret) {
		t.Errorf("on a terminal: %d %q %q", status, screen.String(), errs.String())
	}
}
