package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/sample"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/upload"
)

// bench is a demo stack in this process, and a folder to call the program from.
type bench struct {
	*stack.Stack
	dir  string // where people are
	data string
}

// newBench starts a stack whose first route, under closed/, takes another account than the rest.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), data: t.TempDir()}
	s, err := stack.Open(t.Context(), stack.Options{
		Dir: b.data, Kind: stack.Demo, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Tune: func(o *stack.MachineOptions) {
			quick(o)
			o.Engines.Routes = append(o.Engines.Routes, manifest.Route{Bucket: stack.Inbox, Prefix: "closed/", Accounts: []upload.Account{"douyin/other"}, Sidecar: manifest.SidecarRequired})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Stack = s
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// quick makes the demo's waits, which are for people, short.
func quick(o *stack.MachineOptions) {
	o.Scale, o.SweepScale = 20, 300
	o.Engines.Steps.PollFirst, o.Engines.Steps.Sweep = 50*time.Millisecond, 100*time.Millisecond
}

// run calls the program on the bench's stack.
func (b *bench) run(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	return cli(t, ctx, b.dir, map[string]string{dataVariable: b.data}, args...)
}

// video writes a video of its own content and gives its hash.
func (b *bench) video(t *testing.T, name string, seed uint64) (sum string) {
	t.Helper()
	var buf bytes.Buffer
	if _, err := sample.WriteSeed(&buf, seed, 0); err != nil {
		t.Fatal(err)
	}
	b.write(t, name, buf.Bytes())
	s := sha256.Sum256(buf.Bytes())
	return hex.EncodeToString(s[:])
}

// small writes a video that one request carries: the head of a larger one, which no preflight can tell from a whole.
func (b *bench) small(t *testing.T, name string, seed uint64) (sum string) {
	t.Helper()
	var buf bytes.Buffer
	if _, err := sample.WriteSeed(&limited{w: &buf, left: 300_000}, seed, 0); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	b.write(t, name, buf.Bytes())
	s := sha256.Sum256(buf.Bytes())
	return hex.EncodeToString(s[:])
}

var errEnough = errors.New("enough")

// limited takes so many bytes.
type limited struct {
	w    *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n, _ := l.w.Write(p[:min(len(p), l.left)])
	if l.left -= n; l.left == 0 {
		return n, errEnough
	}
	return n, nil
}

func (b *bench) write(t *testing.T, name string, body []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), body, 0o600); err != nil {
		t.Fatal(err)
	}
}

// objects counts what is in the inbox.
func (b *bench) objects(t *testing.T) (keys []string) {
	t.Helper()
	es, err := b.Bucket.List(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		keys = append(keys, e.Detail.Object.Key)
	}
	return keys
}

func decode(t *testing.T, line string) result {
	t.Helper()
	var r result
	d := json.NewDecoder(strings.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return r
}
