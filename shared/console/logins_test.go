package console_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/workflow"
)

// consent is a platform's page that grants whatever code it is asked with.
type consent struct {
	exchanges atomic.Int32
	fail      error
}

func (c *consent) Scopes() []string           { return []string{"publish"} }
func (c *consent) CheckRedirect(string) error { return nil }
func (c *consent) AuthorizeURL(app token.AppKey, redirect string, _ []string, state string) string {
	return "https://platform.example/consent?" + url.Values{"client": {app.ID}, "redirect_uri": {redirect}, "state": {state}}.Encode()
}
func (c *consent) Exchange(_ context.Context, _ token.AppKey, code string) (token.Token, error) {
	c.exchanges.Add(1)
	if c.fail != nil {
		return token.Token{}, c.fail
	}
	return token.Token{Subject: "user-1", Access: "ACCESS-" + code, Expires: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}, nil
}

type desk struct {
	*console.Console
	page *consent
	now  time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	keys, err := token.FileKey(t.TempDir()+"/seal.key", nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{page: &consent{}, now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	now := func() time.Time { return d.now }
	seal := token.NewSealer(keys, nil)
	vault := token.NewVault(db, seal, now)
	log := slog.New(slog.DiscardHandler)
	w := workflow.New(workflow.Parts{Ledger: state.New(db, seal, now, strings.NewReader(strings.Repeat("r", 1<<16)), state.Settings{}), Now: now, Log: log})
	d.Console = console.New(console.Parts{
		Workflow: w, Vault: vault, Table: db, HTTP: &http.Client{},
		Platforms: map[string]console.Platform{"one": {Login: d.page}, "two": {Login: d.page}},
		Place:     console.Place{Redirect: func(_ context.Context, p string) string { return "https://own.example/oauth/" + p + "/callback" }},
	})
	for _, p := range []string{"one", "two"} {
		if err := vault.PutApp(t.Context(), p, token.AppKey{ID: "client-" + p, Secret: "APP-SECRET"}); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d *desk) post(t *testing.T, path, body string) (int, string) {
	t.Helper()
	req := events.APIGatewayV2HTTPRequest{RawPath: path, Body: body, Headers: map[string]string{"content-type": "application/json"}}
	req.RequestContext.HTTP.Method = http.MethodPost
	res, err := d.Serve(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Body
}

// begin begins a login and gives its state.
func (d *desk) begin(t *testing.T, account string) string {
	t.Helper()
	status, body := d.post(t, "/api/accounts", `{"account":"`+account+`","begin":{"redirect":""}}`)
	_, rest, ok := strings.Cut(body, `"state":"`)
	state, _, _ := strings.Cut(rest, `"`)
	if status != http.StatusOK || !ok || !strings.Contains(body, url.QueryEscape("https://own.example/oauth/")) {
		t.Fatalf("begin: %d %s", status, body)
	}
	return state
}

func (d *desk) back(t *testing.T, platform, query string) events.APIGatewayV2HTTPResponse {
	t.Helper()
	res, err := d.LoginPage(t.Context(), events.APIGatewayV2HTTPRequest{RawQueryString: query, PathParameters: map[string]string{"platform": platform}})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestALoginThatComesBackIsTakenOnceForTheAccountItWasBegunFor(t *testing.T) {
	d := newDesk(t)
	state := d.begin(t, "one/main")
	const n = 8
	var ok atomic.Int32
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if d.back(t, "one", "code=CODE&state="+state).StatusCode == http.StatusOK {
				ok.Add(1)
			}
		})
	}
	wg.Wait()
	if ok.Load() != 1 || d.page.exchanges.Load() != 1 {
		t.Errorf("%d of %d were taken, %d exchanges; want 1 and 1", ok.Load(), n, d.page.exchanges.Load())
	}
	tok, err := d.Vault.Load(t.Context(), "one/main")
	if err != nil || tok.Access != "ACCESS-CODE" {
		t.Errorf("stored %v, %v", tok, err)
	}
}

func TestTheLoginPageTakesNothingThatNobodyBegan(t *testing.T) {
	d := newDesk(t)
	state := d.begin(t, "one/main")
	for name, c := range map[string]struct{ platform, query string }{
		"no state":              {"one", "code=CODE"},
		"an unknown state":      {"one", "code=CODE&state=AAAAAAAAAAAAAAAAAAAAAAAAAA"},
		"two states":            {"one", "code=CODE&state=" + state + "&state=" + state},
		"another platform":      {"two", "code=CODE&state=" + state},
		"an unknown platform":   {"three", "code=CODE&state=" + state},
		"no code":               {"one", "state=" + state},
		"two codes":             {"one", "code=A&code=B&state=" + state},
		"a refusal of the user": {"one", "error=access_denied&state=" + state},
		"a query of 9 KB":       {"one", "code=" + strings.Repeat("C", 9<<10) + "&state=" + state},
		"no query at all":       {"one", "%zz"},
	} {
		t.Run(name, func(t *testing.T) {
			res := d.back(t, c.platform, c.query)
			if res.StatusCode < 400 || res.StatusCode >= 500 || strings.Contains(res.Body, state) || strings.Contains(res.Body, "CODE") {
				t.Errorf("%d %s", res.StatusCode, res.Body)
			}
			if res.Headers["referrer-policy"] != "no-referrer" || res.Headers["cache-control"] != "no-store" {
				t.Errorf("headers %v", res.Headers)
			}
		})
	}
	if n := d.page.exchanges.Load(); n != 0 {
		t.Errorf("the platform was asked %d times", n)
	}
	d.now = d.now.Add(31 * time.Minute)
	if res := d.back(t, "one", "code=CODE&state="+state); res.StatusCode != http.StatusBadRequest || !strings.Contains(res.Body, "not open any more") {
		t.Errorf("after half an hour: %d %s", res.StatusCode, res.Body)
	}
}

func TestAFailedExchangeEndsTheLoginAndTouchesNothing(t *testing.T) {
	d := newDesk(t)
	state := d.begin(t, "one/main")
	d.page.fail = fault.Newf(fault.Unknown, "platform.Exchange", "%w: <script>", io.ErrUnexpectedEOF)
	res := d.back(t, "one", "code=CODE&state="+state)
	if res.StatusCode < 400 || strings.Contains(res.Body, "<script>") {
		t.Errorf("%d %s", res.StatusCode, res.Body)
	}
	d.page.fail = nil
	if res := d.back(t, "one", "code=CODE&state="+state); res.StatusCode != http.StatusBadRequest {
		t.Errorf("the same login again: %d %s", res.StatusCode, res.Body)
	}
	if _, err := d.Vault.Load(t.Context(), "one/main"); !errors.Is(err, token.ErrNoCredential) {
		t.Errorf("stored: %v", err)
	}
}

// denied is a table to which the role may not speak; what AWS says of that names account, role and table.
type denied struct{ table.Table }

func (denied) Get(context.Context, table.Key) (table.Item, error) {
	f := fault.New(fault.Permanent, "dynamo.Get", "User: arn:aws:sts::111122223333:assumed-role/x is not authorized")
	f.Code = "AccessDeniedException"
	return table.Item{}, f
}

func TestTheLoginPageSaysWhatThePlatformSaidAndNothingOfOurOwnFailures(t *testing.T) {
	d := newDesk(t)
	state := d.begin(t, "one/main")
	parts := d.Parts
	parts.Table = denied{parts.Table}
	whole := d.Console
	d.Console = console.New(parts)
	if res := d.back(t, "one", "code=CODE&state="+state); res.StatusCode < 400 || strings.Contains(res.Body, "arn:") || !strings.Contains(res.Body, "Something failed here") {
		t.Errorf("a failure of ours: %d %s", res.StatusCode, res.Body)
	}
	d.Console = whole
	d.page.fail = fault.New(fault.Permanent, "platform.Exchange", "the app is <banned>")
	if res := d.back(t, "one", "code=CODE&state="+state); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(res.Body, "the app is &lt;banned&gt;") {
		t.Errorf("a platform's refusal: %d %s", res.StatusCode, res.Body)
	}
	state = d.begin(t, "one/main")
	d.page.fail = &fault.Error{Kind: fault.Permanent, Op: "platform.Exchange", Code: "7"} // without words
	if res := d.back(t, "one", "code=CODE&state="+state); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a refusal without words: %d %s", res.StatusCode, res.Body)
	}
}
