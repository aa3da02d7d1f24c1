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
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/upload"
)

// The sample of the demo. Each start publishes it once more, on purpose and by the label that asks for it, so that
// something is seen to travel while the folder does not grow; after sampleRuns labels the next sample is made.
const (
	sampleTitle = "vodlift sample"
	sampleRuns  = 50
	sampleMost  = 1000
)

// demo drops the sample with its sidecar, shows it travelling, and checks the bytes that the fake platform published.
func (m *Main) demo(ctx context.Context, c *client, dir string, b *board) error {
	box, err := c.inbox()
	if err != nil {
		return err
	}
	defer box.close()
	file, key, label, err := m.nextSample(ctx, c, dir)
	if err != nil {
		return err
	}
	sum, n, err := hashFile(file)
	if err != nil {
		return err
	}
	man := manifest.Manifest{Title: sampleTitle, Tags: []string{"demo"}, To: []upload.Account{stack.DemoAccount}, Again: label}
	b.line("%ssample %s (%s), sha256 %s", c.mark(), file, size(n), sum)
	if label != "" {
		b.line("%sit was published before; this is once more on purpose, by the label %q", c.mark(), label)
	}
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
func (m *Main) demoResult(ctx context.Context, c *client, p stack.LivePublication, sum string, b *board) error {
	var e fake.Effects
	if err := c.fakeGet(ctx, "/_fake/effects", &e); err != nil {
		return fmt.Errorf("asking the fake platform what it published: %w", err)
	}
	same := func(v stack.Live) string {
		for _, post := range e.Posts {
			if v.Post != nil && post.ID == v.Post.ID && post.SHA256 == sum {
				return "yes"
			}
		}
		return "no"
	}
	var table stringWriter
	resultTable(&table, c.mark(), p.Views, m.Now(), "sha256 equal", same)
	b.block(string(table))
	good := len(p.Views) > 0
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

// nextSample finds the sample and the label under which it is to travel now. A run that was cut off is gone on with.
func (m *Main) nextSample(ctx context.Context, c *client, dir string) (file, key, label string, err error) {
	for seed := range uint64(sampleMost) {
		name := fmt.Sprintf("sample-%d.mp4", seed)
		file, key = filepath.Join(dir, "sample", name), "sample/"+name
		p, err := c.byObject(ctx, key)
		switch {
		case notFound(err):
			return file, key, "", makeSample(file, seed)
		case err != nil:
			return "", "", "", err
		case len(p.Views) >= sampleRuns && allEnded(p):
			continue
		case len(p.Views) == 0:
			return file, key, "", makeSample(file, seed)
		}
		last := p.Views[len(p.Views)-1]
		if label = last.Again; last.Status.Terminal() {
			label = fmt.Sprintf("run-%d", len(p.Views)+1)
		}
		return file, key, label, makeSample(file, seed)
	}
	return "", "", "", fmt.Errorf("the demo ran some %d times in %s; remove that folder", sampleRuns*sampleMost, dir)
}

func allEnded(p stack.LivePublication) bool {
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
