package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/gateway"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
)

// dataVariable names the data folder for every command.
const dataVariable = "VODLIFT_DATA"

// demoFolder is the demo's own place, found by every command without a flag.
func (m *Main) demoFolder() (string, error) {
	if m.CacheDir == nil {
		return "", errors.New("say where the data folder is: --data DIR, or " + dataVariable)
	}
	cache, err := m.CacheDir()
	if err != nil {
		return "", fmt.Errorf("this machine has no place for caches (%w); say where the data folder is: --data DIR, or %s", err, dataVariable)
	}
	return filepath.Join(cache, "vodlift", "demo"), nil
}

// dataFolder is the folder that the flag, the environment or the demo names, absolute.
func (m *Main) dataFolder(flagged string) (string, error) {
	for _, name := range []string{dataVariable, stackVariable} {
		if flagged == "" {
			flagged = m.Env(name)
		}
	}
	if flagged == "" {
		return m.demoFolder()
	}
	if isStack(flagged) {
		return flagged, nil
	}
	return m.path(flagged), nil
}

// path makes a path absolute by the directory that the program was called in.
func (m *Main) path(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(m.Dir, p)
}

// client speaks to the running stack of a data folder.
type client struct {
	dir  string
	run  stack.Running
	id   stack.Identity
	http *http.Client
	// remote is set for a stack on AWS; then dir is its address.
	remote *remote
}

// connect finds the stack that runs on the folder. The key is not sent to anybody else who may listen there by now.
func (m *Main) connect(ctx context.Context, dir string) (*client, error) {
	if isStack(dir) {
		return m.connectStack(ctx, dir)
	}
	none := fmt.Errorf("no vodlift runs on %s; start it with %q, or say where it runs: --data DIR, or %s", dir, m.Name+" local --demo", dataVariable)
	id, err := stack.ReadIdentity(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, none
	}
	if err != nil {
		return nil, damaged(dir, err)
	}
	run, err := stack.ReadRunning(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, none
	}
	if err != nil {
		return nil, fmt.Errorf("%s does not say where its stack listens: %s; stop the stack if it runs, and start it again", dir, explain(err))
	}
	c := &client{dir: dir, run: run, id: id, http: newHTTP()}
	info, err := c.info(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil || info.PID != run.PID || info.Inbox != run.Inbox {
		return nil, fmt.Errorf("%w (process %d was the last, and does not answer any more)", none, run.PID)
	}
	return c, nil
}

// withoutOps cuts the operations and the kind that stand before what an error says, but nothing out of quoted words.
func withoutOps(s, kind string) string {
	mark := ": " + kind + ": "
	if i := strings.LastIndex(s, mark); kind != "" && i >= 0 && !strings.ContainsAny(s[:i], "\"\n(") {
		return s[i+len(mark):]
	}
	return s
}

// damaged says which folder it is and what helps.
func damaged(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the data folder %s is not yours to use: %s; run as its owner, or take another folder: --data DIR, or %s", dir, explain(err), dataVariable)
	}
	return fmt.Errorf("the data folder %s cannot be used: %s; put the file back from a copy, or take another folder: --data DIR, or %s", dir, explain(err), dataVariable)
}

// newHTTP makes a client for loopback: no proxy, no redirects, bounded waits.
func newHTTP() *http.Client {
	return &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c *client) close() { c.http.CloseIdleConnections() }

func (c *client) demo() bool { return c.run.Kind == stack.Demo }

// mark starts every line about a demo.
func (c *client) mark() string {
	if c.demo() {
		return "DEMO "
	}
	return ""
}

func (c *client) info(ctx context.Context) (stack.Info, error) {
	var i stack.Info
	return i, c.get(ctx, "/api/info", &i)
}

func (c *client) get(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodGet, c.run.API+path, nil, out)
}

func (c *client) post(ctx context.Context, path string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, c.run.API+path, b, out)
}

// gone says whether the stack that this client knows does not answer at all.
func (c *client) gone(ctx context.Context) bool {
	_, err := c.info(ctx)
	return ctx.Err() == nil && errors.Is(err, errAway)
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

func (c *client) do(ctx context.Context, method, url string, in []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(in))
	if err != nil {
		return err
	}
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case c.remote != nil:
		if err := c.remote.sign(req, in); err != nil {
			return err
		}
	case method != http.MethodGet:
		req.Header.Set(gateway.KeyHeader, c.id.Key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", errAway, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%w: %w", errAway, err)
	}
	if res.StatusCode/100 != 2 {
		return answerError(res.StatusCode, b)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("the stack's answer cannot be read (is it of another version?): %w", err)
	}
	return nil
}

// errAway: the stack does not answer; it may have been stopped, or killed and started again.
var errAway = errors.New("the stack does not answer")

// statusError is an answer that says no.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func notFound(err error) bool {
	var s *statusError
	return errors.As(err, &s) && s.status == http.StatusNotFound
}

func answerError(status int, b []byte) error {
	var e handler.ErrorBody
	if json.Unmarshal(b, &e) != nil || e.Error.Message == "" {
		return &statusError{status, fmt.Errorf("the stack answered %d %s", status, http.StatusText(status))}
	}
	return &statusError{status, &fault.Error{Kind: fault.ParseKind(e.Error.Kind), Op: "stack", Field: e.Error.Field, Rule: e.Error.Rule, Err: errors.New(plainMessage(e))}}
}

// plainMessage is the message of an answer for people: without the operations and the kind that stand before it, and
// without the field and rule after it, which are said in their own places.
func plainMessage(e handler.ErrorBody) string {
	s := strings.TrimSuffix(withoutOps(e.Error.Message, e.Error.Kind), ": refused")
	if e.Error.Field != "" || e.Error.Rule != "" {
		for _, tail := range []string{fmt.Sprintf(" (field %s, rule %s)", e.Error.Field, e.Error.Rule), fmt.Sprintf(" (rule %s)", e.Error.Rule)} {
			s = strings.TrimSuffix(s, tail)
		}
	}
	return s
}

// fakeGet asks one of the demo's fake platforms a control question.
func (c *client) fakeGet(ctx context.Context, url string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set(gateway.KeyHeader, c.id.Key)
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the fake platform answered %d", res.StatusCode)
	}
	return json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(out)
}
