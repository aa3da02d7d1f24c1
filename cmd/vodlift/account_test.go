package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
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
	s, err := stack.Open(t.Context(), stack.Options{
		Dir: d.data, Kind: stack.Demo, Log: slog.New(slog.NewJSONHandler(d, nil)),
		FakeDouyin: func(o *fakedouyin.Options) { o.ConsentAs = "second-open-id" },
		Tune: func(o *stack.MachineOptions) {
			quick(o)
			o.Engines.Routes = append(manifest.Routes{{Bucket: stack.Inbox, Prefix: "second/", Accounts: []upload.Account{second}, Sidecar: manifest.SidecarRequired}}, o.Engines.Routes...)
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

// One stack for all: a start costs, and what these rules are about is what stays from one to the next.
func TestAccounts(t *testing.T) {
	d := newDesk(t)
	t.Run("before a login everybody is told whose turn it is", d.before)
	t.Run("a login by the address that comes back, and a publication with it", d.firstLogin)
	t.Run("what is pasted wrongly leaves the old login as it is", d.pastedWrongly)
	t.Run("a code that is spent, and a wrong secret", d.refused)
	t.Run("another user is not taken by mistake", d.anotherUser)
	t.Run("what was not granted is said", d.scopes)
	t.Run("a login wakes what waited for it", d.wakes)
	t.Run("Youku's token", d.youku)
	t.Run("the key of an app", d.app)
	t.Run("what the doctor finds", d.ills)
	t.Run("removing an account", d.removed)
	t.Run("nothing secret was shown or logged", d.quiet)
}

func (d *desk) before(t *testing.T) {
	out, _, status := d.run(t, "", "account", "list")
	if status != exitOK || !regexp.MustCompile(`DEMO douyin/main +OK .*in 1[45]\.\d days`).MatchString(out) || !regexp.MustCompile(`DEMO douyin/second +NO_LOGIN`).MatchString(out) {
		t.Errorf("list: %d\n%s", status, out)
	}
	out, _, status = d.run(t, "", "doctor")
	for _, w := range []string{"-> account owner", "account douyin/second", "vodlift account login douyin/second", "app douyin", "id " + fakedouyin.DefaultKey, "agrees with the platform's", "nothing is paused", "1 of "} {
		if status != exitFailed || !strings.Contains(out, w) {
			t.Errorf("doctor: %d, no %q in\n%s", status, w, out)
		}
	}
	out, errs, status := d.run(t, "", "account", "login", string(second))
	if status != exitFailed || !strings.Contains(errs, "ended before anything was entered") || !strings.Contains(out, "/platform/oauth/connect/?client_key=") {
		t.Errorf("without an answer: %d %q %q", status, out, errs)
	}
}

func (d *desk) firstLogin(t *testing.T) {
	out, errs, status, _ := d.login(t, nil, string(second))
	if status != exitOK || errs != "" || !strings.Contains(out, "douyin/second is logged in") || !strings.Contains(out, "(5 renewals left)") || !strings.Contains(out, "granted: video.create.bind, video.data.bind, video.list.bind") || strings.Contains(out, "not granted") {
		t.Fatalf("%d %q\n%s", status, errs, out)
	}
	d.small(t, "first.mp4", 61)
	if out, errs, status := d.run(t, "", "publish", "first.mp4", "--key", "second/first.mp4", "--to", string(second), "--title", "First"); status != exitOK {
		t.Fatalf("publish: %d\n%s%s", status, out, errs)
	}
	posts := d.Douyin.Effects().Posts
	if len(posts) != 1 || posts[0].Account != "second-open-id" || posts[0].Title != "First" {
		t.Errorf("posts %+v", posts)
	}
	out, _, status = d.run(t, "", "doctor")
	if status != exitOK || strings.Contains(out, "->") || !strings.Contains(out, "DEMO OK") {
		t.Errorf("doctor: %d\n%s", status, out)
	}
	asJSON, _, _ := d.run(t, "", "account", "list", "--json")
	var v stack.AccountView
	for line := range strings.Lines(asJSON) {
		if strings.Contains(line, string(second)) {
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatal(err)
			}
		}
	}
	if v.State != token.AccountOK || v.Subject != "second-open-id" || !v.Routed || v.RenewalsLeft != 5 || v.NeedsLoginBy.IsZero() {
		t.Errorf("list --json: %+v", v)
	}
}

func (d *desk) pastedWrongly(t *testing.T) {
	before := d.load(t, second)
	asked := d.Douyin.Counters()["access_token"].Requests
	for _, c := range []struct {
		name string
		edit func(string) string
		want string
	}{
		{"another state", func(s string) string { return regexp.MustCompile(`state=\w+`).ReplaceAllString(s, "state=OTHER") }, "another login"},
		{"no state", func(s string) string { return regexp.MustCompile(`&state=\w+`).ReplaceAllString(s, "") }, "another login"},
		{"two states", func(s string) string { return strings.Replace(s, "?", "?state=OTHER&", 1) }, "another login"},
		{"a refusal", func(s string) string {
			u, _ := url.Parse(s)
			return "https://vodlift.example/x?error=access_denied&error_description=no%1b%5b2J&state=" + u.Query().Get("state")
		}, "the platform said no"},
		{"no code", func(s string) string { return regexp.MustCompile(`code=[^&]+&`).ReplaceAllString(s, "") }, "no code"},
		{"two codes", func(s string) string { return s + "&code=x" }, "no code"},
		{"the address to open", func(string) string { return "https://open.douyin.com/platform/oauth/connect/?client_key=k&response_type=code&state=s" }, "open it, consent"},
		{"nothing", func(string) string { return "" }, "nothing that could be an address"},
		{"prose", func(string) string { return "I did it, now what?" }, ""},
		{"an address without anything", func(string) string { return "https://vodlift.example/oauth" }, "no code"},
		{"a broken address", func(s string) string { return s + "&x=%zz" }, "no whole address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, errs, status, code := d.login(t, c.edit, string(second))
			if status != exitFailed || !strings.Contains(errs, c.want) || strings.Contains(errs, "\x1b") || code == "" || strings.Contains(out+errs, code) {
				t.Errorf("%d %q", status, errs)
			}
		})
	}
	if n := d.Douyin.Counters()["access_token"].Requests; n != asked {
		t.Errorf("the platform was asked %d times", n-asked)
	}
	if after := d.load(t, second); after.Version != before.Version || after.Access != before.Access {
		t.Errorf("the login was touched: %v, %v", before, after)
	}
}

func (d *desk) refused(t *testing.T) {
	before := d.load(t, second)
	_, _, _, code := d.login(t, nil, string(second)) // a bare code works, too; here it is used up
	again := d.load(t, second)
	if again.Version == before.Version || again.Grant == before.Grant {
		t.Fatal("a second login of the same user was not taken")
	}
	_, errs, status, _ := d.login(t, func(string) string { return code }, string(second))
	if status != exitFailed || !strings.Contains(errs, "expired or used") || !strings.Contains(errs, "code 10007") || strings.Contains(errs, code) {
		t.Errorf("a spent code: %d %q", status, errs)
	}
	set := func(secret string) {
		t.Helper()
		if _, errs, status := d.run(t, `{"id":"`+fakedouyin.DefaultKey+`","secret":"`+secret+`"}`, "app", "set", "douyin"); status != exitOK {
			t.Fatalf("app set: %d %q", status, errs)
		}
	}
	set("WRONG-SECRET-OF-APP")
	_, errs, status, _ = d.login(t, nil, string(second))
	if status != exitFailed || !strings.Contains(errs, "client_secret wrong") || !strings.Contains(errs, "code 10013") || strings.Contains(errs, "WRONG-SECRET") {
		t.Errorf("a wrong secret: %d %q", status, errs)
	}
	set(fakedouyin.DefaultSecret)
	if after := d.load(t, second); after.Version != again.Version || after.Access != again.Access {
		t.Error("a refused login touched the old one")
	}
	if _, _, status, _ := d.login(t, func(s string) string { u, _ := url.Parse(s); return u.Query().Get("code") }, string(second)); status != exitOK {
		t.Errorf("a bare code: %d", status)
	}
}

func (d *desk) anotherUser(t *testing.T) {
	before := d.load(t, stack.DemoAccount)
	_, errs, status, _ := d.login(t, nil, string(stack.DemoAccount))
	if status != exitFailed || !strings.Contains(errs, "nothing was saved") {
		t.Errorf("%d %q", status, errs)
	}
	_, errs, status, _ = d.login(t, nil, string(stack.DemoAccount), "--another-user")
	if status != exitFailed || !strings.Contains(errs, "already douyin/second") {
		t.Errorf("one user under two names: %d %q", status, errs)
	}
	if after := d.load(t, stack.DemoAccount); after.Version != before.Version {
		t.Error("the login was replaced")
	}
	// The consent replaced the user's grant at the platform, so that account has to have the newest.
	if _, errs, status, _ := d.login(t, nil, string(second)); status != exitOK {
		t.Errorf("%d %q", status, errs)
	}
}

func (d *desk) scopes(t *testing.T) {
	before := d.load(t, second)
	_, errs, status, _ := d.login(t, nil, string(second), "--scope", "user_info")
	if status != exitFailed || !strings.Contains(errs, "video.create.bind") || d.load(t, second).Version != before.Version {
		t.Errorf("without the right to publish: %d %q", status, errs)
	}
	out, _, status, _ := d.login(t, nil, string(second), "--scope", "video.create.bind,user_info")
	if status != exitOK || !strings.Contains(out, "not granted: video.list.bind or video.data.bind") || !strings.Contains(out, "HELD") {
		t.Errorf("without the list: %d\n%s", status, out)
	}
	if out, _, status := d.run(t, "", "doctor"); status != exitFailed || !strings.Contains(out, "scopes douyin/second") || !strings.Contains(out, "HELD") {
		t.Errorf("doctor: %d\n%s", status, out)
	}
	for _, bad := range [][]string{{"--redirect", "http://studio.example/cb"}, {"--redirect", "https://studio.example/cb?x=1"}, {"--scope", "a b"}} {
		if _, errs, status := d.run(t, "", append([]string{"account", "login", string(second)}, bad...)...); status != exitFailed || !strings.Contains(errs, "rule:") {
			t.Errorf("%q: %d %q", bad, status, errs)
		}
	}
}

func (d *desk) wakes(t *testing.T) {
	if err := d.Douyin.Revoke("second-open-id"); err != nil {
		t.Fatal(err)
	}
	d.small(t, "waits.mp4", 62)
	out, _, status := d.run(t, "", "publish", "waits.mp4", "--key", "second/waits.mp4", "--to", string(second), "--title", "Waits", "--json")
	if status != exitFailed || !strings.Contains(out, string(upload.NeedsLogin)) {
		t.Fatalf("publish: %d %s", status, out)
	}
	id := decode(t, strings.TrimSpace(out)).Upload
	if out, _, status := d.run(t, "", "account", "list"); status != exitOK || !regexp.MustCompile(`douyin/second +NEEDS_LOGIN`).MatchString(out) {
		t.Errorf("list: %d\n%s", status, out)
	}
	if out, _, status := d.run(t, "", "doctor"); status != exitFailed || !strings.Contains(out, "1 uploads wait for it") {
		t.Errorf("doctor: %d\n%s", status, out)
	}
	out, errs, status, _ := d.login(t, nil, string(second))
	if status != exitOK || !strings.Contains(out, "1 uploads that waited for this login go on") {
		t.Fatalf("login: %d %s\n%s", status, errs, out)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		p, err := d.ViewByUpload(t.Context(), id, false)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(p.Views, func(v workflow.View) bool { return v.ID == id })
		if i >= 0 && p.Views[i].Status == upload.Published {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not go on: %+v", p.Views)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (d *desk) youku(t *testing.T) {
	const good = `{"access_token":"YOUKU-ACCESS-TOKEN","expires_in":"3600","refresh_token":"YOUKU-REFRESH-TOKEN","token_type":"bearer"}`
	for name, in := range map[string]string{
		"nothing": "", "garbage": "YOUKU-ACCESS-TOKEN", "a list": `["YOUKU-ACCESS-TOKEN"]`, "no access token": `{"expires_in":5}`, "a number for a token": `{"access_token":5551234567,"expires_in":5}`,
		"no life": `{"access_token":"YOUKU-ACCESS-TOKEN"}`, "a life of zero": strings.Replace(good, `"3600"`, "0", 1), "a life below zero": strings.Replace(good, `"3600"`, "-1", 1),
		"a life of another type": strings.Replace(good, `"3600"`, `{"a":"YOUKU-ACCESS-TOKEN"}`, 1), "a life in words": strings.Replace(good, "3600", "soon", 1), "a life in fractions": strings.Replace(good, `"3600"`, "0.5", 1),
		"an error": `{"error":{"code":1009,"description":"YOUKU-ACCESS-TOKEN"}}`, "two": good + good,
	} {
		before := d.load(t, stack.DemoYouku)
		out, errs, status := d.run(t, in, "account", "login", string(stack.DemoYouku))
		if status != exitFailed || errs == "" || strings.Contains(out+errs, "YOUKU-") || strings.Contains(out+errs, "5551234567") {
			t.Errorf("%s: %d %q", name, status, errs)
		}
		if d.load(t, stack.DemoYouku).Version != before.Version {
			t.Errorf("%s: the login was touched", name)
		}
	}
	out, errs, status := d.run(t, good, "account", "add", "youku/studio")
	if status != exitOK || !strings.Contains(out, "youku/studio is logged in") || !strings.Contains(out, "no route names youku/studio yet") {
		t.Errorf("%d %q %q", status, out, errs)
	}
	if tok := d.load(t, "youku/studio"); tok.Access != "YOUKU-ACCESS-TOKEN" || tok.Refresh != "YOUKU-REFRESH-TOKEN" || tok.Expires.IsZero() {
		t.Errorf("stored %v", tok)
	}
	d.write(t, "token.json", []byte(strings.Replace(good, `"refresh_token":"YOUKU-REFRESH-TOKEN",`, "", 1)))
	out, errs, status = d.run(t, "", "account", "login", "youku/short", "--file", "token.json")
	if status != exitOK || !strings.Contains(out, "has to log in again by") || errs != "" {
		t.Errorf("without a refresh token: %d %q %q", status, out, errs)
	}
	for _, a := range []string{"douyinweb/main", "alivod/main"} {
		if _, errs, status := d.run(t, good, "account", "login", a); status != exitFailed || !strings.Contains(errs, "not built yet") {
			t.Errorf("%s: %d %q", a, status, errs)
		}
	}
}

func (d *desk) app(t *testing.T) {
	for name, in := range map[string]string{
		"nothing": "", "garbage": "APP-SECRET-TYPED", "no secret": `{"id":"k"}`, "no id": `{"secret":"APP-SECRET-TYPED"}`, "an unknown field": `{"id":"k","APP-SECRET-TYPED":"x","secret":"y"}`,
		"a secret of another type": `{"id":"k","secret":5551234567}`, "a secret with a line break": `{"id":"k","secret":"APP-SECRET-TYPED\n"}`, "something behind": `{"id":"k","secret":"s"} APP-SECRET-TYPED`,
	} {
		out, errs, status := d.run(t, in, "app", "set", "douyin")
		if status != exitFailed || errs == "" || strings.Contains(out+errs, "APP-SECRET") || strings.Contains(out+errs, "5551234567") {
			t.Errorf("%s: %d %q", name, status, errs)
		}
	}
	if key, err := d.Vault.App(t.Context(), "douyin"); err != nil || key.Secret != fakedouyin.DefaultSecret {
		t.Errorf("the key was touched: %v, %v", key, err)
	}
	if _, errs, status := d.run(t, "{}", "app", "set", "tiktok"); status != exitFailed || !strings.Contains(errs, "no platform") {
		t.Errorf("a platform that is none: %d %q", status, errs)
	}
	d.write(t, "app.json", []byte(`{"id":"youku-key","secret":"APP-SECRET-TYPED"}`))
	if err := os.Chmod(filepath.Join(d.dir, "app.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, errs, status := d.run(t, "", "app", "set", "youku", "--file", "app.json")
	if status != exitOK || !strings.Contains(out, "id youku-key is set") || !strings.Contains(errs, "others may read") || !strings.Contains(errs, "another app than before") {
		t.Errorf("from a file: %d %q %q", status, out, errs)
	}
	for _, args := range [][]string{{"app", "list"}, {"app", "list", "--json"}} {
		out, _, status := d.run(t, "", args...)
		if status != exitOK || !strings.Contains(out, "youku-key") || !strings.Contains(out, fakedouyin.DefaultKey) {
			t.Errorf("%v: %d %q", args, status, out)
		}
	}
	// On a terminal the id is asked for, then the secret without an echo.
	var o, e bytes.Buffer
	m := Main{Stdin: strings.NewReader(fakedouyin.DefaultKey + "\nnot read"), Stdout: &o, Stderr: &e, Args: []string{"app", "set", "douyin"}, Dir: d.dir, Env: func(string) string { return d.data },
		ReadSecret: func(context.Context) (string, error) { return fakedouyin.DefaultSecret, nil }}
	if status := m.Run(t.Context()); status != exitOK || !strings.Contains(e.String(), "not shown") || strings.Contains(o.String()+e.String(), fakedouyin.DefaultSecret) {
		t.Errorf("on a terminal: %d %q %q", status, o.String(), e.String())
	}
}

func (d *desk) ills(t *testing.T) {
	key := filepath.Join(d.data, "seal.key")
	if err := os.Chmod(key, 0o640); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(key, 0o600) }()
	if _, errs, status := d.run(t, "", "pause", "youku"); status != exitOK {
		t.Fatal(errs)
	}
	out, _, status := d.run(t, "", "doctor", "--json")
	found := map[string]stack.Check{}
	for line := range strings.Lines(out) {
		var c stack.Check
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		if c.State == stack.CheckTurn {
			found[c.What] = c
		}
	}
	if status != exitFailed || !strings.Contains(found["data folder"].Do, "chmod 600 "+key) || found["pauses"].Do != "vodlift pause youku --off" || !strings.Contains(found["account youku/short"].Text, "in 0 days") {
		t.Errorf("%d %+v", status, found)
	}
	if _, errs, status := d.run(t, "", "pause", "youku", "--off"); status != exitOK {
		t.Fatal(errs)
	}
}

func (d *desk) removed(t *testing.T) {
	if _, errs, status := d.run(t, "douyin/main\n", "account", "remove", string(second)); status != exitFailed || !strings.Contains(errs, "nothing was removed") {
		t.Errorf("another name typed: %d %q", status, errs)
	}
	d.load(t, second)
	out, _, status := d.run(t, string(second)+"\n", "account", "remove", string(second))
	if status != exitOK || !strings.Contains(out, "its secrets are erased") {
		t.Errorf("%d %q", status, out)
	}
	if _, err := d.Vault.Load(t.Context(), second); err == nil {
		t.Error("it can still be loaded")
	}
	if _, errs, status := d.run(t, "", "account", "remove", string(second), "--yes"); status != exitFailed || !strings.Contains(errs, "no login of douyin/second") {
		t.Errorf("twice: %d %q", status, errs)
	}
	if out, _, status := d.run(t, "", "doctor"); status != exitFailed || !strings.Contains(out, "vodlift account login douyin/second") {
		t.Errorf("doctor: %d\n%s", status, out)
	}
	if posts := d.Douyin.Effects().Posts; len(posts) != 2 || posts[0].Deleted || posts[1].Deleted {
		t.Errorf("posts %+v", posts)
	}
	if _, errs, status, _ := d.login(t, nil, string(second)); status != exitOK {
		t.Errorf("it does not log in again: %q", errs)
	}
}

func (d *desk) quiet(t *testing.T) {
	secrets := []string{fakedouyin.DefaultSecret, "YOUKU-ACCESS", "YOUKU-REFRESH", "APP-SECRET", "WRONG-SECRET", d.Identity.Key, "act.", "rft."}
	for _, a := range []upload.Account{stack.DemoAccount, stack.DemoYouku, second} {
		tok := d.load(t, a)
		secrets = append(secrets, tok.Access, tok.Refresh)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range secrets {
		if bytes.Contains(d.seen.Bytes(), []byte(s)) {
			t.Errorf("%.12s... was shown or logged", s)
		}
	}
	if d.seen.Len() < 10_000 {
		t.Errorf("only %d bytes were looked through", d.seen.Len())
	}
}
