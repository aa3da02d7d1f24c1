package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/sample"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/upload"
)

// The sample of the demo. Each start makes the next one, since the same bytes are the same content, which no account
// gets twice.
const (
	sampleTitle = "vodlift sample"
	sampleMost  = 1000
)

// demo drops the sample with its sidecar, shows it travelling, and checks the bytes that the fake platforms published.
func (m *Main) demo(ctx context.Context, c *client, dir string, b *board) error {
	box, err := c.inbox()
	if err != nil {
		return err
	}
	defer box.close()
	file, key, err := m.nextSample(ctx, c, dir)
	if err != nil {
		return err
	}
	sum, n, err := hashFile(file)
	if err != nil {
		return err
	}
	man := manifest.Manifest{Title: sampleTitle, Tags: []string{"demo"}, To: stack.DemoAccounts()}
	b.line("%ssample %s (%s), sha256 %s", c.mark(), file, size(n), sum)
	src := &localFile{path: file, size: n, sha256: sum}
	pub, ids, err := m.drop(ctx, c, box, src, key, man, b)
	if err != nil {
		return err
	}
	p, err := (&watch{m: m, c: c, b: b, pub: pub, want: ids}).run(ctx)
	if err != nil {
		return err
	}
	return m.demoResult(ctx, c, p, sum, b)
}

// demoResult shows the table and says whether everything is as it should be.
func (m *Main) demoResult(ctx context.Context, c *client, p console.LivePublication, sum string, b *board) error {
	posts := map[string]string{} // target and id of each post -> sha256 of its bytes
	for target, base := range map[string]string{"douyin": c.run.Douyin, "youku": c.run.Youku, "alivod": c.run.VOD, "douyinweb": c.run.Web} {
		var e fake.Effects
		if err := c.fakeGet(ctx, base+"/_fake/effects", &e); err != nil {
			return fmt.Errorf("asking the fake %s what it published: %w", target, err)
		}
		for _, post := range e.Posts {
			posts[target+" "+post.ID] = post.SHA256
		}
	}
	same := func(v console.Live) string {
		if v.Post != nil && posts[v.Account.Target()+" "+v.Post.ID] == sum {
			return "yes"
		}
		return "no"
	}
	var table stringWriter
	resultTable(&table, c.mark(), p.Views, m.Now(), "sha256 equal", same)
	b.block(string(table))
	good := len(p.Views) == len(stack.DemoAccounts())
	for _, v := range p.Views {
		good = good && v.Status == upload.Published && same(v) == "yes"
		if f := trouble(v); f != nil {
			b.line("%s%s: %s", c.mark(), v.Account, faultText(f))
		}
	}
	if !good {
		return errors.New("the sample was not published as it should be")
	}
	return nil
}

type stringWriter []byte

func (s *stringWriter) Write(p []byte) (int, error) { *s = append(*s, p...); return len(p), nil }

// nextSample finds the sample that is to travel now: one that has not yet, or whose run was cut off.
func (m *Main) nextSample(ctx context.Context, c *client, dir string) (file, key string, err error) {
	for seed := range uint64(sampleMost) {
		name := fmt.Sprintf("sample-%d.mp4", seed)
		file, key = filepath.Join(dir, "sample", name), "sample/"+name
		p, err := c.byObject(ctx, key)
		switch {
		case err != nil && !notFound(err):
			return "", "", err
		case err == nil && len(p.Views) > 0 && allEnded(p):
			_ = os.Remove(file) // our own copy; what is in the bucket stays
			continue
		}
		return file, key, makeSample(file, seed)
	}
	return "", "", fmt.Errorf("the demo ran %d times in %s; remove that folder", sampleMost, dir)
}

func allEnded(p console.LivePublication) bool {
	for _, v := range p.Views {
		if !v.Status.Terminal() {
			return false
		}
	}
	return true
}

// makeSample makes the file if it is not there.
func makeSample(file string, seed uint64) error {
	if want, err := sample.Size(0); err == nil {
		if i, err := os.Stat(file); err == nil && i.Mode().IsRegular() && i.Size() == want {
			return nil
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return sample.FileSeed(file, seed, 0)
}

func hashFile(file string) (sum string, n int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}
