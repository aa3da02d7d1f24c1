package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/workflow"
)

func (c *client) byObject(ctx context.Context, key string) (console.LivePublication, error) {
	var p console.LivePublication
	return p, c.get(ctx, "/api/objects?bucket="+url.QueryEscape(c.run.Inbox)+"&key="+url.QueryEscape(key), &p)
}

// errRefused: the manifest or the object was taken in, and is visible in status, but does not start.
var errRefused = errors.New("not started")

// drop puts a video (unless it is in the inbox already) and its sidecar where the stack finds them, and has it taken
// in. The sidecar goes first, so that the manifest is complete when the video appears. It returns the publication and
// the uploads that the manifest asks for.
func (m *Main) drop(ctx context.Context, c *client, box *inbox, f *localFile, key string, man manifest.Manifest, b *board) (pub string, uploads []string, err error) {
	body, err := json.Marshal(man)
	if err != nil {
		return "", nil, err
	}
	side := manifest.SidecarKey(key)
	same, there, err := box.same(ctx, side, body)
	if err != nil {
		return "", nil, fmt.Errorf("looking into the inbox: %w", err)
	}
	if !same {
		if err := box.putSidecar(ctx, side, body); err != nil {
			return "", nil, fmt.Errorf("writing the sidecar: %w", err)
		}
	}
	if f != nil {
		if err := m.ensureVideo(ctx, c, box, f, key, b); err != nil {
			if !there && !errors.Is(err, errAway) { // a sidecar without its video is half a drop
				clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
				err = errors.Join(err, box.remove(clean, side))
				cancel()
			}
			return "", nil, err
		}
	}
	var in workflow.Ingested
	if err := c.post(ctx, "/publications", workflow.Request{Bucket: c.run.Inbox, Key: key}, &in); err != nil {
		return "", nil, err
	}
	if len(in.Uploads) == 0 {
		return in.Publication, nil, fmt.Errorf("%w: %s", errRefused, orText(in.Reason, "waiting"))
	}
	return in.Publication, in.Uploads, nil
}

// ensureVideo uploads the file, unless the inbox has it.
func (m *Main) ensureVideo(ctx context.Context, c *client, box *inbox, f *localFile, key string, b *board) error {
	info, there, err := box.stat(ctx, key)
	if err != nil {
		return fmt.Errorf("looking into the inbox: %w", err)
	}
	if there && info.Size == f.size && (f.etag == "" || strings.Trim(info.ETag, `"`) == f.etag) {
		b.line("%sthe inbox has it already: s3://%s/%s", c.mark(), box.bucket, key)
		return nil
	}
	r, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer r.Close()
	var read atomic.Int64
	stop := m.rows(c.mark()+"to the inbox", f.size, &read, b)
	body := &verifying{r: &counting{ctx: ctx, r: r, count: func(n int64) { read.Add(n) }}, h: sha256.New(), want: f.sha256}
	err = box.putVideo(ctx, key, f.contentType, body, f.size)
	stop()
	switch {
	case ctx.Err() != nil:
		return errors.New("stopped before the video was in the inbox; nothing was published")
	case errors.Is(err, errChanged):
		return errChanged
	case err != nil && c.gone(ctx):
		return fmt.Errorf("%w: it stopped while the video went into the inbox, and nothing was published", errAway)
	case err != nil:
		return fmt.Errorf("putting the video into the inbox: %w", err)
	}
	b.line("%sin the inbox: s3://%s/%s (%s)", c.mark(), box.bucket, key, size(f.size))
	return nil
}

// rows shows one row for bytes that are being counted, until the returned function is called.
func (m *Main) rows(name string, all int64, done *atomic.Int64, b *board) (stop func()) {
	if !b.terminal {
		return func() {}
	}
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			n := min(done.Load(), all)
			b.show([]string{fmt.Sprintf("%s %s %3d%% %s of %s", fit(name, max(20, m.Width()/3), true), bar(n, all, min(30, max(10, m.Width()/5))), n*100/max(1, all), size(n), size(all))})
			select {
			case <-quit:
				b.clear()
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(quit); <-gone }
}
