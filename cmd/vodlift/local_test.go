package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/stack"
)

func TestTheDemoPublishesItsSampleOnceEachTimeAndChecksTheBytes(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	for run, want := range []string{"in the inbox: s3://inbox/sample/sample-0.mp4", "in the inbox: s3://inbox/sample/sample-1.mp4"} {
		out, errs, status := cli(t, t.Context(), dir, nil, "local", "--demo", "--once", "--data", data)
		if status != exitOK || !strings.Contains(out, want) || !strings.Contains(out, "sha256 equal") || !strings.Contains(out, "  yes\n") {
			t.Errorf("run %d: status %d\n%s\n%s", run+1, status, out, errs)
		}
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "DEMO ") {
				t.Errorf("a line does not say DEMO: %q", line)
			}
		}
	}
	if _, err := stack.ReadRunning(data); !errors.Is(err, os.ErrNotExist) {
		t.Error("the folder still says that a stack runs")
	}
}

func TestTheRealOneServesWithoutFakesAndEndsWithCtrlC(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	m := Main{Stdout: &cancelWriter{at: "Ctrl-C stops", cancel: cancel, w: &out}, Stderr: &errs, Dir: dir, Args: []string{"local", "--data", data}}
	if status := m.Run(ctx); status != exitOK || strings.Contains(out.String(), "DEMO") || !strings.Contains(out.String(), "There are no routes yet") {
		t.Errorf("got %d\n%s\n%s", status, out.String(), errs.String())
	}
	if _, errs, status := cli(t, t.Context(), dir, nil, "local", "--demo", "--data", data); status != exitFailed || !strings.Contains(errs, "is a real folder") {
		t.Errorf("a demo on it: %d %s", status, errs)
	}
}
