package main

import (
	"encoding/json"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// One stack for all: a start costs, and what these rules are about is what stays from one to the next.
func TestAccounts(t *testing.T) {
	d := newDesk(t)
	t.Run("before a login everybody is told whose turn it is", d.before)
	t.Run("a login by the address that comes back, and a publication with it", d.firstLogin)
	t.Run("what is pasted wrongly leaves the old login as it is", d.pastedWrongly)
	t.Run("a code that is spent, and a wrong secret", d.refused)
	t.Run("what comes back is taken once, for the account that it was asked for", d.once)
	t.Run("an answer of the platform that is no use, or is lost", d.badAnswers)
	t.Run("another user is not taken by mistake", d.anotherUser)
	t.Run("what was not granted is said", d.scopes)
	t.Run("a login wakes what waited for it", d.wakes)
	t.Run("Youku's token", d.youku)
	t.Run("cookies and keys from files", d.files)
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
	if out, errs, status := d.run(t, "", "publish", "first.mp4", "--to", string(second), "--title", "First"); status != exitOK {
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
	var v console.AccountView
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
	former := ""
	_, _, _, _ = d.login(t, func(s string) string {
		u, _ := url.Parse(s)
		former = u.Query().Get("state")
		return "nothing "
	}, string(second))
	asked := d.Douyin.Counters()["access_token"].Requests
	for _, c := range []struct {
		name string
		edit func(string) string
		want string
	}{
		{"another state", func(s string) string { return regexp.MustCompile(`state=\w+`).ReplaceAllString(s, "state=OTHER") }, "another login"},
		{"no state", func(s string) string { return regexp.MustCompile(`&state=\w+`).ReplaceAllString(s, "") }, "another login"},
		{"a former state", func(s string) string { return regexp.MustCompile(`state=\w+`).ReplaceAllString(s, "state="+former) }, "another login"},
		{"two states", func(s string) string { return strings.Replace(s, "?", "?state=OTHER&", 1) }, "another login"},
		{"a refusal", func(s string) string {
			u, _ := url.Parse(s)
			return "https://vodlift.example/x?error=access_denied&error_description=no%1b%5b2J&state=" + u.Query().Get("state")
		}, "the platform said no"},
		{"no code", func(s string) string { return regexp.MustCompile(`code=[^&]+&`).ReplaceAllString(s, "") }, "no code"},
		{"two codes", func(s string) string { return s + "&code=x" }, "no code"},
		{"the address to open", func(string) string {
			return "https://open.douyin.com/platform/oauth/connect/?client_key=k&response_type=code&state=s"
		}, "open it, consent"},
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
	if status != exitFailed || !strings.Contains(errs, "expired or used") || !strings.Contains(errs, "code 10007") || !strings.Contains(errs, "begin the login again") || strings.Contains(errs, code) {
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
	if status != exitFailed || !strings.Contains(errs, "client_secret wrong") || !strings.Contains(errs, "code 10013") || !strings.Contains(errs, "vodlift app set douyin") || strings.Contains(errs, "WRONG-SECRET") {
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

func (d *desk) once(t *testing.T) {
	m := Main{Dir: d.dir}
	m.defaults()
	c, err := m.connect(t.Context(), d.data)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	var b console.LoginBegun
	if err := c.post(t.Context(), "/api/accounts", console.AccountRequest{Account: second, Begin: &console.LoginBegin{}}, &b); err != nil {
		t.Fatal(err)
	}
	pasted := make(chan string, 1)
	in, paste := io.Pipe()
	defer in.Close()
	go func() {
		line := make([]byte, 4096)
		n, _ := in.Read(line)
		pasted <- string(line[:n])
	}()
	var codes []string
	if _, err := (&browser{t, paste, func(s string) string { return s }, &codes}).Write([]byte(b.URL)); err != nil {
		t.Fatal(err)
	}
	finish := console.LoginFinish{State: b.State, Pasted: <-pasted}
	asked := d.Douyin.Counters()["access_token"].Requests
	post := func(a upload.Account) error {
		return c.post(t.Context(), "/api/accounts", console.AccountRequest{Account: a, Finish: &finish}, &console.LoggedIn{})
	}
	if err := post("douyin/other"); err == nil || !strings.Contains(err.Error(), "not open any more") {
		t.Errorf("for another account: %v", err)
	}
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() { errs <- post(second) }()
	}
	good := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			good++
		} else if !strings.Contains(err.Error(), "not open any more") {
			t.Errorf("a repeat: %v", err)
		}
	}
	if n := d.Douyin.Counters()["access_token"].Requests - asked; good != 1 || n != 1 {
		t.Errorf("%d of 8 were taken, the platform was asked %d times", good, n)
	}
}

func (d *desk) badAnswers(t *testing.T) {
	before := d.load(t, second)
	for name, f := range map[string]fake.Fault{
		"a page": {Body: fake.BodyHTML}, "nothing": {Body: fake.BodyEmpty}, "half": {Body: fake.BodyShort}, "garbled": {Body: fake.BodyGarbled}, "500": {Status: 500},
		"a code with HTTP 200": {Code: 10001, Description: "busy"}, "cut before": {Cut: fake.CutBefore}, "cut after": {Cut: fake.CutAfter},
	} {
		f.Op = "access_token"
		if err := d.Douyin.Inject(f); err != nil {
			t.Fatal(err)
		}
		asked := d.Douyin.Counters()["access_token"].Requests
		_, errs, status, code := d.login(t, nil, string(second))
		if status != exitFailed || !strings.Contains(errs, "egin the login again") || strings.Contains(errs, code) {
			t.Errorf("%s: %d %q", name, status, errs)
		}
		if n := d.Douyin.Counters()["access_token"].Requests - asked; n != 1 {
			t.Errorf("%s: asked %d times", name, n)
		}
		if after := d.load(t, second); after.Version != before.Version || after.Access != before.Access {
			t.Errorf("%s: the login was touched", name)
		}
	}
	if _, errs, status, _ := d.login(t, nil, string(second)); status != exitOK {
		t.Errorf("afterwards: %d %q", status, errs)
	}
}

func (d *desk) anotherUser(t *testing.T) {
	before := d.load(t, stack.DemoAccount)
	for _, extra := range []string{"--data=" + d.data, "--another-user"} { // one user under two names, meant or not
		was := d.load(t, second)
		_, errs, status, _ := d.login(t, nil, string(stack.DemoAccount), extra)
		if status != exitFailed || !strings.Contains(errs, "already douyin/second, and the login was saved there") {
			t.Errorf("%s: %d %q", extra, status, errs)
		}
		// The consent replaced the user's grant at the platform, so that account has to have the newest.
		g, err := d.Douyin.Grant("second-open-id")
		if now := d.load(t, second); err != nil || now.Version == was.Version || now.Access != g.AccessToken {
			t.Errorf("%s: the newest token of the user is lost (%v)", extra, err)
		}
	}
	if after := d.load(t, stack.DemoAccount); after.Version != before.Version {
		t.Error("the login of another user was replaced")
	}
	// Somebody whom no account is of yet.
	if _, err := d.Vault.SaveLogin(t.Context(), "douyin/third", token.Token{Subject: "third-open-id", Access: "a", Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, _, status := d.run(t, "", "account", "remove", string(second), "--yes"); status != exitOK {
		t.Fatal("cannot remove")
	}
	_, errs, status, _ := d.login(t, nil, "douyin/third")
	if status != exitFailed || !strings.Contains(errs, "another user than douyin/third") || d.load(t, "douyin/third").Subject != "third-open-id" {
		t.Errorf("another user: %d %q", status, errs)
	}
	if _, errs, status, _ := d.login(t, nil, "douyin/third", "--another-user"); status != exitOK || d.load(t, "douyin/third").Subject != "second-open-id" {
		t.Errorf("another user, meant: %d %q", status, errs)
	}
	if _, _, status := d.run(t, "", "account", "remove", "douyin/third", "--yes"); status != exitOK {
		t.Fatal("cannot remove")
	}
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
	out, _, status := d.run(t, "", "publish", "waits.mp4", "--to", string(second), "--title", "Waits", "--json")
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
