package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

const second upload.Account = "douyin/second"

// desk is a demo stack with a route for an account that nobody has logged in, the browser of its user, and everything
// that was ever shown or logged.
type desk struct {
	*bench
	mu   sync.Mutex
	seen bytes.Buffer
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{bench: &bench{dir: t.TempDir(), data: t.TempDir()}}
	if err := os.Chmod(d.data, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := stack.Open(t.Context(), stack.Options{
		Dir: d.data, Kind: stack.Demo, Log: slog.New(slog.NewJSONHandler(d, nil)),
		FakeDouyin: func(o *fakedouyin.Options) { o.ConsentAs = "second-open-id" },
		Tune: func(o *stack.MachineOptions) {
			quick(o)
			o.Engines.Routes[0].Accounts = append(o.Engines.Routes[0].Accounts, second)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Stack = s
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Write keeps what is logged.
func (d *desk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen.Write(p)
}

// call runs the program with something at standard input.
func (d *desk) call(t *testing.T, stdin io.Reader, out io.Writer, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var o, e bytes.Buffer
	m := Main{
		Stdin: stdin, Stdout: io.MultiWriter(append([]io.Writer{&o}, out)...), Stderr: &e, Args: args, Dir: d.dir, Env: func(k string) string {
			return map[string]string{dataVariable: d.data}[k]
		}, Poll: 50 * time.Millisecond,
	}
	status = m.Run(ctx)
	fmt.Fprintf(d, "%s\n%s\n", o.String(), e.String())
	return o.String(), e.String(), status
}

func (d *desk) run(t *testing.T, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	return d.call(t, strings.NewReader(stdin), io.Discard, args...)
}

// browser opens the address that the program shows, as a user who consents to everything, and pastes what edit makes of
// the address that it ends at.
type browser struct {
	t     *testing.T
	paste *io.PipeWriter
	edit  func(returned string) string
	codes *[]string
}

var addressLine = regexp.MustCompile(`(?m)^http\S+/platform/oauth/connect/\S+$`)

func (b *browser) Write(p []byte) (int, error) {
	address := addressLine.Find(p)
	if address == nil {
		return len(p), nil
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := c.Get(string(address))
	if err != nil {
		return 0, err
	}
	r.Body.Close()
	back, err := r.Location()
	if err != nil {
		return 0, fmt.Errorf("no way back: %w", err)
	}
	*b.codes = append(*b.codes, back.Query().Get("code"))
	go func() { _, _ = io.WriteString(b.paste, b.edit(back.String())+"\n") }()
	return len(p), nil
}

// login logs an account in through the browser and gives the codes that it saw.
func (d *desk) login(t *testing.T, edit func(string) string, args ...string) (stdout, stderr string, status int, code string) {
	t.Helper()
	if edit == nil {
		edit = func(s string) string { return s }
	}
	in, paste := io.Pipe()
	defer in.Close()
	var codes []string
	stdout, stderr, status = d.call(t, in, &browser{t, paste, edit, &codes}, append([]string{"account", "login"}, args...)...)
	if len(codes) > 0 {
		code = codes[0]
	}
	return stdout, stderr, status, code
}

func (d *desk) load(t *testing.T, a upload.Account) token.Token {
	t.Helper()
	tok, err := d.Vault.Load(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}
