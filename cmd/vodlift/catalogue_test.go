package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/gateway"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/table/sqlite"
)

type plainSigner struct{}

func (plainSigner) SignGet(_ context.Context, key string, life time.Duration) (string, time.Time, error) {
	return "https://bucket.example.com/" + key, time.Now().Add(life), nil
}

// shelf is a data folder whose stack knows nothing but its catalogue: the real store behind the API's two calls.
func shelf(t *testing.T) (dir string, s *catalogue.Store) {
	t.Helper()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if s, err = catalogue.New(db, catalogue.Options{Signer: plainSigner{}}); err != nil {
		t.Fatal(err)
	}
	run := stack.Running{PID: os.Getpid(), Kind: stack.Demo, Inbox: "inbox"}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any, err error) {
		if err != nil {
			w.WriteHeader(http.StatusConflict)
			v = map[string]any{"error": map[string]string{"kind": "Duplicate", "message": err.Error()}}
		}
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /api/info", func(w http.ResponseWriter, _ *http.Request) { answer(w, stack.Info{Running: run}, nil) })
	mux.HandleFunc("GET /api/catalogue", func(w http.ResponseWriter, r *http.Request) {
		rep, err := s.Current(r.Context())
		answer(w, rep, err)
	})
	mux.HandleFunc("POST /api/catalogue", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(gateway.KeyHeader) != "the-key" {
			t.Error("the key is missing")
		}
		rep, err := s.Import(r.Context(), r.Body)
		answer(w, rep, err)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	run.API = srv.URL
	dir = t.TempDir()
	for name, v := range map[string]any{"vodlift.json": stack.Identity{Version: 1, Kind: stack.Demo, Key: "the-key", BucketAccess: "a", BucketSecret: "b"}, "running.json": run} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, s
}

func TestACatalogueIsCheckedImportedAndShown(t *testing.T) {
	dir, s := shelf(t)
	env := map[string]string{dataVariable: dir}
	file := filepath.Join(t.TempDir(), "c.json")
	if err := os.WriteFile(file, catalogue.Sample(), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(want string, args ...string) {
		t.Helper()
		out, errs, status := cli(t, t.Context(), filepath.Dir(file), env, append([]string{"catalogue"}, args...)...)
		if status != exitOK || !strings.Contains(out, want) {
			t.Errorf("%v: status %d\nstdout %q\nstderr %q\nwant %q", args, status, out, errs, want)
		}
	}
	run("there is none yet", "show")
	run("the file is good, and was not imported", "import", "c.json", "--check")
	run("there is none yet", "show")
	run("DEMO catalogue: imported as version", "import", "c.json")
	run("the catalogue is this file already", "import", "c.json")
	run("imported 20", "show")
	run(`"pasterGroups":2`, "show", "--json")
	if list, n, err := s.Music(t.Context(), 1, 50); err != nil || n != 3 || len(list) != 3 {
		t.Errorf("got %d, %v", n, err)
	}
	var out, errs bytes.Buffer
	m := Main{Stdin: strings.NewReader("\xef\xbb\xbf" + `{"format":1}`), Stdout: &out, Stderr: &errs, Args: []string{"catalogue", "import", "-"}, Dir: dir, Env: func(k string) string { return env[k] }}
	if status := m.Run(t.Context()); status != exitOK || !strings.Contains(out.String(), "imported as version") {
		t.Errorf("standard input: %d %q %q", status, &out, &errs)
	}
}

func TestACatalogueThatIsRefusedChangesNothingAndSaysWhy(t *testing.T) {
	dir, s := shelf(t)
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("twice.json", `{"format":1,"fonts":[{"id":1,"name":"a","url":"catalogue/a"},{"id":1,"name":"b","url":"catalogue/b"}]}`)
	write("broken.json", "{\n \"format\": 1,,\n}")
	write("large.json", strings.Repeat(" ", catalogue.MaxBytes+1))
	for name, want := range map[string]string{
		"twice.json": "fonts[1].id: 1 is there already (rule: each id once)", "broken.json": "line 2, column", "large.json": "1048576 bytes",
		"none.json": "there is no file", ".": "no plain file",
	} {
		_, errs, status := cli(t, t.Context(), folder, map[string]string{dataVariable: dir}, "catalogue", "import", name)
		if status != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d, %q, want %q", name, status, errs, want)
		}
	}
	if rep, err := s.Current(t.Context()); err != nil || rep.Version != "" {
		t.Errorf("got %+v, %v", rep, err)
	}
	for _, args := range [][]string{{"catalogue"}, {"catalogue", "import"}, {"catalogue", "show", "x"}, {"catalogue", "show", "--check"}} {
		if _, errs, status := cli(t, t.Context(), folder, nil, args...); status != exitUsage || !strings.Contains(errs, "want import FILE.json, or show") {
			t.Errorf("%v: status %d, %q", args, status, errs)
		}
	}
}
