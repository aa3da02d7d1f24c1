package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

func (d *desk) ask(t *testing.T, method, path string) (int, string) {
	t.Helper()
	req := events.APIGatewayV2HTTPRequest{RawPath: path}
	req.RequestContext.HTTP.Method = method
	res, err := d.Serve(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Body
}

// doctor gives the lines by what they are about.
func (d *desk) doctor(t *testing.T) map[string]console.Check {
	t.Helper()
	status, body := d.ask(t, http.MethodGet, "/api/doctor")
	var cs []console.Check
	if err := json.Unmarshal([]byte(body), &cs); status != http.StatusOK || err != nil {
		t.Fatalf("doctor: %d %s, %v", status, body, err)
	}
	out := map[string]console.Check{}
	for _, c := range cs {
		if was, ok := out[c.What]; !ok || was.State == console.CheckOK {
			out[c.What] = c
		}
	}
	return out
}

// jarOf is a Parse such as that of cookies: the text that a person exported. It quotes nothing.
func jarOf(raw []byte, now time.Time) (token.Token, error) {
	bad := func(msg string) (token.Token, error) {
		return token.Token{}, fault.InvalidField("jar.Parse", "cookies", "cookies of site.example", msg)
	}
	switch {
	case len(raw) > 32<<10:
		return bad("the file is too long")
	case bytes.ContainsFunc(raw, func(r rune) bool { return r == 0 || r == '\ufffd' }):
		return bad("line 1: it is no text")
	case !bytes.Contains(raw, []byte("site.example")):
		return bad("the file holds cookies of another site only")
	case !bytes.Contains(raw, []byte("sessionid")):
		return bad("there is no login among them")
	}
	return token.Token{Access: string(raw), Expires: now.Add(20 * 24 * time.Hour), Obtained: now}, nil
}

// keyOf is a Parse such as that of a RAM key or a role.
func keyOf(raw []byte, now time.Time) (token.Token, error) {
	var in struct{ ID, Secret, Role string }
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if d.Decode(&in) != nil || d.More() || (in.ID == "" || in.Secret == "") == (in.Role == "") {
		return token.Token{}, fault.InvalidField("key.Parse", "login", `{"id", "secret"} or {"role"}`, "this is not that JSON")
	}
	if in.Role != "" {
		return token.Token{Subject: in.Role, Refresh: in.Role, Obtained: now}, nil
	}
	return token.Token{Access: in.ID + ":" + in.Secret, Obtained: now}, nil
}

func newFileDesk(t *testing.T) *desk {
	d := newDesk(t)
	d.Platforms["web"] = console.Platform{NoApp: true, Parse: jarOf, Wants: "a file of cookies"}
	d.Platforms["vod"] = console.Platform{AppOptional: true, NeedSecret: true, Parse: keyOf, Wants: "a key or a role", CallbackKey: "vod-callback", CallbackURL: true}
	return d
}

func tokenBody(account string, token any) string {
	b, _ := json.Marshal(map[string]any{"account": account, "token": token})
	return string(b)
}

const goodJar = ".site.example\tTRUE\t/\tTRUE\t0\tsessionid\tHOSTILE-SECRET"

func TestAHostileFileIsRefusedWithoutQuotingIt(t *testing.T) {
	d := newFileDesk(t)
	if status, body := d.post(t, "/api/accounts", tokenBody("web/main", goodJar)); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := d.post(t, "/api/accounts", tokenBody("vod/main", map[string]string{"id": "KEY-ID", "secret": "GOOD-SECRET"})); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	before := map[upload.Account]token.Token{}
	for _, a := range []upload.Account{"web/main", "vod/main"} {
		tok, err := d.Vault.Load(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		before[a] = tok
	}
	for name, body := range map[string]string{
		"cookies of another site":         tokenBody("web/main", ".evil.example\tTRUE\t/\tTRUE\t0\tsessionid\tHOSTILE-SECRET"),
		"cookies without a login":         tokenBody("web/main", ".site.example\tTRUE\t/\tTRUE\t0\ttheme\tHOSTILE-SECRET"),
		"cookies with a NUL":              tokenBody("web/main", goodJar+"\x00"),
		"cookies of 40 KB":                tokenBody("web/main", goodJar+strings.Repeat("HOSTILE-SECRET", 3000)),
		"cookies of a megabyte":           tokenBody("web/main", goodJar+strings.Repeat("HOSTILE-SECRET", 80_000)),
		"a picture":                       tokenBody("web/main", "\x89PNG\r\n\x1a\n HOSTILE-SECRET"),
		"a key for cookies":               tokenBody("web/main", map[string]string{"id": "a", "secret": "HOSTILE-SECRET"}),
		"cookies for a key":               tokenBody("vod/main", goodJar),
		"a key without a secret":          tokenBody("vod/main", map[string]string{"id": "HOSTILE-SECRET"}),
		"a key and a role":                tokenBody("vod/main", map[string]string{"id": "a", "secret": "HOSTILE-SECRET", "role": "r"}),
		"a key with more fields":          tokenBody("vod/main", map[string]string{"id": "a", "secret": "HOSTILE-SECRET", "token": "t"}),
		"a secret that is a number":       tokenBody("vod/main", map[string]any{"id": "a", "secret": 7}),
		"a list":                          tokenBody("vod/main", []string{"HOSTILE-SECRET"}),
		"nothing":                         tokenBody("vod/main", nil),
		"broken JSON":                     `{"account":"vod/main","token":{"id":"a","secret":"HOSTILE-SECRET"`,
		"an unknown field":                `{"account":"vod/main","token":{},"secret":"HOSTILE-SECRET"}`,
		"a step of a page of consent":     `{"account":"web/main","begin":{"redirect":""}}`,
		"two credentials":                 `{"account":"web/main","token":"HOSTILE-SECRET","finish":{"state":"x","pasted":"HOSTILE-SECRET"}}`,
		"a name that is none":             tokenBody("web/../main", goodJar),
		"a platform that is none":         tokenBody("webs/main", goodJar),
		"a deep heap of brackets":         `{"account":"vod/main","token":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`,
		"a string in a string, too often": tokenBody("vod/main", `"\"{\\\"id\\\":\\\"HOSTILE-SECRET\\\"}\""`),
	} {
		status, answer := d.post(t, "/api/accounts", body)
		if status < 400 || status >= 500 || strings.Contains(answer, "HOSTILE") || len(answer) > 1000 || !strings.Contains(answer, `"rule"`) {
			t.Errorf("%s: %d %.300s", name, status, answer)
		}
	}
	for a, was := range before {
		if now, err := d.Vault.Load(t.Context(), a); err != nil || now.Version != was.Version || now.Access != was.Access {
			t.Errorf("%s was touched: %v, %v", a, now, err)
		}
	}
}

func TestACredentialIsTriedBeforeItTakesTheOldOnesPlace(t *testing.T) {
	d := newFileDesk(t)
	var fail error
	whose := "uid-1"
	p := d.Platforms["web"]
	p.Try = func(_ context.Context, app token.AppKey, tok token.Token) (token.Token, error) {
		if app.ID != "" {
			t.Errorf("an app %v, where there is none", app)
		}
		tok.Subject = whose
		return tok, fail
	}
	d.Platforms["web"] = p
	login := func(want int, in, text string) {
		t.Helper()
		if status, body := d.post(t, "/api/accounts", tokenBody("web/main", text)); status != want || !strings.Contains(body, in) || strings.Contains(body, "SECRET") {
			t.Errorf("%d %s, want %d %q", status, body, want, in)
		}
	}
	login(http.StatusOK, `"subject":"uid-1"`, goodJar)
	was, err := d.Vault.Load(t.Context(), "web/main")
	if err != nil {
		t.Fatal(err)
	}
	fail = &fault.Error{Kind: fault.CredentialsExpired, Op: "site", Code: "login", Err: errors.New("the site does not know this login"), Action: "Export the cookies again."}
	login(http.StatusConflict, "does not know this login", goodJar+" dead")
	fail = fault.New(fault.Unknown, "site", "no answer")
	login(http.StatusInternalServerError, "no answer", goodJar+" unheard of")
	fail, whose = nil, "uid-2"
	login(http.StatusBadRequest, "another user than web/main", goodJar+" of somebody else")
	if now, err := d.Vault.Load(t.Context(), "web/main"); err != nil || now.Version != was.Version {
		t.Errorf("the old one was touched: %v, %v", now, err)
	}
	whose = "uid-1"
	login(http.StatusOK, `"subject":"uid-1"`, goodJar+" anew")
}

func TestTheAddressOfALoginIsRememberedOnceItWorked(t *testing.T) {
	d := newDesk(t)
	d.Place.Redirect = func(context.Context, string) string { return "" }
	begin := func(redirect string) (int, string) {
		return d.post(t, "/api/accounts", fmt.Sprintf(`{"account":"one/main","begin":{"redirect":%q}}`, redirect))
	}
	if status, body := begin(""); status != http.StatusBadRequest || !strings.Contains(body, "--redirect") {
		t.Errorf("nothing is remembered: %d %s", status, body)
	}
	const at = "https://studio.example/oauth"
	begun := func(redirect string) (b console.LoginBegun) {
		t.Helper()
		status, body := begin(redirect)
		if err := json.Unmarshal([]byte(body), &b); status != http.StatusOK || err != nil {
			t.Fatalf("%d %s", status, body)
		}
		return b
	}
	b := begun(at)
	if status, _ := begin(""); status == http.StatusOK {
		t.Error("an address that never worked was remembered")
	}
	if res := d.back(t, "one", "code=CODE&state="+b.State); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, res.Body)
	}
	if got := begun(""); got.Redirect != at || got.Own {
		t.Errorf("got %+v", got)
	}
	d.Place.OwnPage = true
	d.Place.Redirect = func(_ context.Context, p string) string { return "https://own.example/oauth/" + p + "/callback" }
	if got := begun("https://own.example/oauth/one/callback"); !got.Own {
		t.Errorf("our own page: got %+v", got)
	}
	d.Place.Redirect = func(context.Context, string) string { return "https://vodlift.example/elsewhere" }
	if got := begun(""); got.Redirect != at || got.Own {
		t.Errorf("what worked counts before what a place says: got %+v", got)
	}
	d.Place.Redirect = func(context.Context, string) string { return "" }
	if got := begun("https://other.example/oauth").Redirect; got != "https://other.example/oauth" {
		t.Errorf("what is said counts: got %q", got)
	}
	if got := begun("").Redirect; got != at {
		t.Errorf("got %q", got)
	}
	if status, _ := d.post(t, "/api/accounts", `{"account":"two/main","begin":{"redirect":""}}`); status == http.StatusOK {
		t.Error("another platform took it")
	}
}

func TestRemovingAnAccountEndsItsLoginsUnderWay(t *testing.T) {
	d := newDesk(t)
	first, mine, other := d.begin(t, "one/main"), d.begin(t, "one/main"), d.begin(t, "one/other")
	if res := d.back(t, "one", "code=CODE&state="+first); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, res.Body)
	}
	if status, body := d.ask(t, http.MethodDelete, "/api/accounts/one/main"); status != http.StatusOK || !strings.Contains(body, `"removed"`) || strings.Contains(body, "user-1") {
		t.Errorf("%d %s", status, body)
	}
	for what, state := range map[string]string{"taken": first, "open": mine} {
		if res := d.back(t, "one", "code=CODE&state="+state); res.StatusCode != http.StatusBadRequest || !strings.Contains(res.Body, "not open any more") {
			t.Errorf("%s: %d %s", what, res.StatusCode, res.Body)
		}
	}
	if hits, _, err := d.Table.QueryIndex(t.Context(), table.IndexQuery{Index: table.Acct, PK: "login#one/main"}); err != nil || len(hits) != 0 {
		t.Errorf("left: %v, %v", hits, err)
	}
	if res := d.back(t, "one", "code=CODE&state="+other); res.StatusCode != http.StatusOK {
		t.Errorf("the login of another account: %d %s", res.StatusCode, res.Body)
	}
	if status, _ := d.ask(t, http.MethodDelete, "/api/accounts/one/main"); status != http.StatusNotFound {
		t.Errorf("twice: %d", status)
	}
}

func TestTheDoctorSaysWhoseTurnItIsAroundAnAccount(t *testing.T) {
	const url = "https://own.example/callbacks/vod"
	d := newFileDesk(t)
	save := func(a upload.Account, tok token.Token) {
		t.Helper()
		if _, err := d.Vault.SaveLogin(t.Context(), a, tok); err != nil {
			t.Fatal(err)
		}
	}
	key := func(name, id string) {
		t.Helper()
		if err := d.Vault.PutApp(t.Context(), name, token.AppKey{ID: id, Secret: "RAM-SECRET"}); err != nil {
			t.Fatal(err)
		}
	}
	is := func(what, state, text string) {
		t.Helper()
		if c, ok := d.doctor(t)[what]; !ok || c.State != state || !strings.Contains(c.Text, text) || strings.Contains(c.Text+c.Do, "SECRET") {
			t.Errorf("%s: %+v, want %s %q", what, c, state, text)
		}
	}
	save("vod/main", token.Token{Access: "RAM-SECRET"})
	is("app vod", console.CheckNote, "only for logins by a role")
	is("account vod/main", console.CheckNote, "no route names it")
	is("callbacks vod", console.CheckNote, "not set")
	save("vod/role", token.Token{Subject: "role-1", Refresh: "role-1"})
	is("app vod", console.CheckTurn, "role of vod/role cannot be taken")
	key("vod", "ram-user")
	is("app vod", console.CheckOK, "id ram-user")
	key("vod-callback", "https://former.example/callbacks/vod")
	is("callbacks vod", console.CheckOK, "their key is set")
	d.Place.Callback = func(context.Context, string) string { return url }
	is("callbacks vod", console.CheckTurn, "each is refused")
	key("vod-callback", url)
	is("callbacks vod", console.CheckOK, url)
	d.Place.Callback = func(context.Context, string) string { return "" }
	is("callbacks vod", console.CheckNote, "cannot reach this place")

	save("web/main", token.Token{Access: "COOKIE-SECRET", Expires: d.now.Add(40 * 24 * time.Hour)})
	if c := d.doctor(t)["account web/main"]; c.State == console.CheckTurn {
		t.Errorf("%+v", c)
	}
	if status, body := d.ask(t, http.MethodGet, "/api/doctor"); status != http.StatusOK || !strings.Contains(body, "logged in until 2027-01-01 08:00 UTC; only a person can renew that") || !strings.Contains(body, "that does not end by itself") {
		t.Errorf("%d %s", status, body)
	}
	d.now = d.now.Add(30 * 24 * time.Hour)
	is("account web/main", console.CheckTurn, "in 10 days")
	d.now = d.now.Add(11 * 24 * time.Hour)
	is("account web/main", console.CheckTurn, "has to log in again")

	if _, ok := d.doctor(t)["bucket events"]; ok {
		t.Error("a place that does not look at its bucket says something of it")
	}
	d.Place.Events = func(ctx context.Context) (string, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the probe may take for ever")
		}
		return "they reach ingest", nil
	}
	is("bucket events", console.CheckOK, "they reach ingest")
	d.Place.Events = func(context.Context) (string, error) { return "", errors.New("the bucket sends none to EventBridge") }
	is("bucket events", console.CheckTurn, "sends none")
	is("quotas", console.CheckOK, "slots")
}
