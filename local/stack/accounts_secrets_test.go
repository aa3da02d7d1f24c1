package stack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/token/tokentest"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/wire"
)

// planted is a demo stack and everything of it that nobody may see.
type planted struct {
	t *testing.T
	*stack.Stack
	secrets tokentest.Secrets
	seen    bytes.Buffer // every answer of the listeners
}

// gather notes what the vault holds now, and the sessions with the platforms that are open.
func (p *planted) gather() {
	p.t.Helper()
	if err := p.secrets.Vault(p.t.Context(), p.Vault, "douyin", "youku", "alivod", wire.VODCallbackKey, wire.ForwardKey); err != nil {
		p.t.Fatal(err)
	}
	us, err := p.Recent(p.t.Context(), 1, 100)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, pub := range us {
		for _, v := range pub.Views {
			p.session(v.Upload)
		}
	}
}

func (p *planted) session(u state.Upload) {
	for n := 1; n <= u.Session; n++ {
		s, err := p.Ledger.Session(p.t.Context(), u.ID, n)
		if err != nil {
			continue // it has been given up
		}
		name := fmt.Sprintf("the session of %s", u.Account)
		// Youku's and VOD's is the video's id, which is no secret; the others let whoever has them upload.
		if t := u.Account.Target(); len(s.ID) >= 8 && t != "youku" && t != "alivod" {
			p.secrets.Add(name+" id", s.ID)
		}
		if len(s.Private) == 0 {
			continue
		}
		if err := p.secrets.JSON(name, s.Private); err != nil {
			p.t.Error(err)
		}
	}
}

// call asks a listener and keeps its answer.
func (p *planted) call(method, address, contentType, body string) (status int, answer string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	if strings.HasPrefix(address, p.Running.API) {
		r.Header.Set("X-Vodlift-Key", p.Identity.Key)
	}
	c := &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if strings.HasPrefix(address, p.Running.API) || strings.HasPrefix(address, p.Running.Public) {
		fmt.Fprintf(&p.seen, "%s %v\n%s\n", address[:min(len(address), len(p.Running.API)+16)], res.Header, b)
	}
	return res.StatusCode, res.Header.Get("Location") + string(b)
}

func (p *planted) api(method, path, body string) (int, string) {
	p.t.Helper()
	return p.call(method, p.Running.API+path, "application/json", body)
}

// pageLogin logs an account in as its user's browser does on a deployed stack.
func (p *planted) pageLogin(account string) {
	p.t.Helper()
	status, body := p.api(http.MethodPost, "/api/accounts", fmt.Sprintf(`{"account":%q,"begin":{"redirect":""}}`, account))
	var b console.LoginBegun
	if err := json.Unmarshal([]byte(body), &b); status != http.StatusOK || err != nil {
		p.t.Fatalf("begin: %d %s", status, body)
	}
	p.seen.Reset() // the address that the operator opens holds the state, and is for him
	_, at := p.call(http.MethodGet, b.URL, "", "")
	back, err := url.Parse(strings.TrimSpace(at))
	if err != nil || back.Query().Get("code") == "" {
		p.t.Fatalf("no way back: %q, %v", at, err)
	}
	p.secrets.Add("the code of "+account, back.Query().Get("code"))
	p.secrets.Add("the state of "+account, b.State)
	path := "/oauth/douyin/callback?" + back.RawQuery
	if status, body := p.call(http.MethodGet, p.Running.Public+path, "", ""); status != http.StatusOK || !strings.Contains(body, account) {
		p.t.Errorf("%s: %d %s", account, status, body)
	}
	if status, _ := p.call(http.MethodGet, p.Running.Public+path, "", ""); status != http.StatusBadRequest {
		p.t.Errorf("%s again: %d", account, status)
	}
}

// TestNoSecretOfAnyAccountIsInTheClearAfterAFullRun: a video goes to every account of the demo while tokens end; accounts log
// in by page, cookies and keys, well and badly; platforms call back, truly and falsely; tokens are swept. Then nothing secret
// stands in the database's files, the log (events included), the executions or any answer (design 4.11).
func TestNoSecretOfAnyAccountIsInTheClearAfterAFullRun(t *testing.T) {
	var log lockedBuffer
	dir := t.TempDir()
	s, err := stack.Open(t.Context(), stack.Options{Dir: dir, Kind: stack.Demo, Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		FakeDouyin: func(o *fakedouyin.Options) { o.ConsentAs = "second-open-id" },
		Tune: func(o *stack.MachineOptions) {
			o.Scale, o.SweepScale = 10, 300
			o.Engines.Steps.PollFirst, o.Engines.Steps.Sweep = 100*time.Millisecond, 100*time.Millisecond
		}})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed {
			_ = s.Close()
		}
	}()
	p := &planted{t: t, Stack: s, secrets: tokentest.Secrets{"the control key": s.Identity.Key, "the bucket's secret": s.Identity.BucketSecret}}
	seal, err := os.ReadFile(filepath.Join(dir, "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	p.secrets.Add("the key that seals", strings.TrimSpace(string(seal)))
	p.gather()

	p.publishEverywhere()
	p.pageLogin("douyin/second")
	p.logins()
	p.callbacks()
	p.gather()
	p.operators()
	for what, text := range map[string][]byte{"an answer": p.seen.Bytes(), "an execution": p.executions()} {
		p.look(what, text)
	}
	p.files(dir)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	closed = true
	p.files(dir)
	p.look("the log", log.Bytes())
	if len(p.secrets) < 20 {
		t.Errorf("only %d secrets were looked for", len(p.secrets))
	}
}

// publishEverywhere publishes to all accounts while tokens end, and sweeps.
func (p *planted) publishEverywhere() {
	p.t.Helper()
	if err := p.Douyin.Inject(fake.Fault{Op: "part_upload", Nth: 2, Token: fake.TokenExpire}); err != nil {
		p.t.Fatal(err)
	}
	if err := p.OSS.Inject(fake.Fault{Op: "upload_part", Nth: 2, Name: "SecurityTokenExpired"}); err != nil {
		p.t.Fatal(err)
	}
	man, err := json.Marshal(map[string]any{"title": "Everywhere", "tags": []string{"quiet"}, "to": stack.DemoAccounts()})
	if err != nil {
		p.t.Fatal(err)
	}
	drop(p.t, p.Stack, "all.mp4.publish.json", man)
	drop(p.t, p.Stack, "all.mp4", film(8, 12<<20))
	for _, v := range settled(p.t, p.Stack, "all.mp4").Views {
		if v.Status != upload.Published {
			p.t.Errorf("%s: %+v", v.Upload.String(), v.Timeline)
		}
	}
	p.gather()
	for _, job := range []string{"sweep", "sweep"} {
		if out, err := p.Functions.Invoke(p.t.Context(), "refreshtoken", []byte(`{"v":1,"job":"`+job+`"}`)); err != nil {
			p.t.Errorf("%s: %s, %v", job, out, err)
		}
	}
}

// logins gives credentials that are refused, with secrets of their own, and good ones.
func (p *planted) logins() {
	p.t.Helper()
	good, err := p.Web.AddAccount("7001002")
	if err != nil {
		p.t.Fatal(err)
	}
	post := func(account string, token any, want int) {
		p.t.Helper()
		b, _ := json.Marshal(map[string]any{"account": account, "token": token})
		if status, body := p.api(http.MethodPost, "/api/accounts", string(b)); status != want {
			p.t.Errorf("%s: %d %s", account, status, body)
		}
	}
	p.secrets.Add("a key of a hostile file", "HOSTILE-RAM-SECRET")
	post("douyinweb/studio", strings.ReplaceAll(good.Netscape(), "douyin.com", "evil.example"), http.StatusBadRequest)
	post("douyinweb/studio", good.Netscape()+"\x01HOSTILE-RAM-SECRET\n", http.StatusBadRequest)
	post("douyinweb/studio", good.Netscape(), http.StatusOK)
	post("alivod/studio", map[string]string{"access_key_id": "LTAIstudio", "access_key_secret": "HOSTILE-RAM-SECRET", "security_token": "HOSTILE-RAM-SECRET"}, http.StatusBadRequest)
	post("alivod/studio", map[string]string{"access_key_id": "LTAIstudio", "access_key_secret": "HOSTILE-RAM-SECRET-2"}, http.StatusOK)
	post("youku/studio", map[string]any{"access_token": "HOSTILE-RAM-SECRET", "expires_in": -1}, http.StatusBadRequest)
	post("youku/studio", map[string]any{"access_token": "youku-studio-access-token", "expires_in": 3600, "refresh_token": "youku-studio-refresh-token"}, http.StatusOK)
	if status, body := p.api(http.MethodPost, "/api/apps/forward", `{"id":"fc","secret":"forward-key-of-this-test-0123456789"}`); status != http.StatusOK {
		p.t.Errorf("the forward key: %d %s", status, body)
	}
	if err := p.Douyin.ExpireAccess("second-open-id"); err != nil {
		p.t.Fatal(err)
	}
	p.gather()
	if status, body := p.api(http.MethodDelete, "/api/accounts/youku/studio", ""); status != http.StatusOK {
		p.t.Errorf("remove: %d %s", status, body)
	}
}

// callbacks says things to our own door, signed and not.
func (p *planted) callbacks() {
	p.t.Helper()
	at := p.Running.Public
	body := `{"event":"unauthorize","client_key":"` + fakedouyin.DefaultKey + `","from_user_id":"nobody-of-ours","content":"{\"scopes\":[\"video.list\"]}"}`
	for signature, want := range map[string]int{callback.SignDouyin(fakedouyin.DefaultSecret, []byte(body)): http.StatusOK, strings.Repeat("0", 40): http.StatusForbidden} {
		r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, at+"/callbacks/douyin", strings.NewReader(body))
		if err != nil {
			p.t.Fatal(err)
		}
		r.Header.Set(callback.HeaderDouyin, signature)
		res, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
		if err != nil {
			p.t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			p.t.Errorf("douyin: %d, want %d", res.StatusCode, want)
		}
	}
	if status, _ := p.call(http.MethodPost, at+"/callbacks/vod", "application/json", `{"EventType":"FileUploadComplete"}`); status != http.StatusForbidden {
		p.t.Errorf("vod, unsigned: %d", status)
	}
}

// operators asks for everything that operators can see.
func (p *planted) operators() {
	p.t.Helper()
	paths := []string{"/api/info", "/api/accounts", "/api/apps", "/api/doctor", "/api/publications", "/api/held"}
	ps, err := p.Recent(p.t.Context(), 1, 100)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, pub := range ps {
		paths = append(paths, "/api/publications/"+pub.ID+"?timeline=1")
		for _, v := range pub.Views {
			paths = append(paths, "/api/uploads/"+v.ID+"?timeline=1")
		}
	}
	if len(paths) < 10 {
		p.t.Errorf("only %v", paths)
	}
	for _, path := range paths {
		if status, body := p.api(http.MethodGet, path, ""); status != http.StatusOK {
			p.t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// executions is all that the state machine keeps, but the tokens of parks.
func (p *planted) executions() []byte {
	var out bytes.Buffer
	for _, e := range p.Steps.List() {
		d, _ := p.Steps.Describe(e.Name)
		b, err := json.Marshal(d)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, part := range [][]byte{b, d.Input, d.Output} {
			out.Write(part)
		}
	}
	return out.Bytes()
}

func (p *planted) files(dir string) {
	p.t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "table.db*"))
	if err != nil || len(names) == 0 {
		p.t.Fatalf("there is no database: %v", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, s := range p.secrets.In(b) {
			p.t.Errorf("%s holds %s", filepath.Base(name), s)
		}
	}
}

func (p *planted) look(what string, text []byte) {
	p.t.Helper()
	if len(text) < 1000 {
		p.t.Errorf("%s: only %d bytes were looked at", what, len(text))
	}
	for _, s := range p.secrets.In(text) {
		p.t.Errorf("%s holds %s", what, s)
	}
}
