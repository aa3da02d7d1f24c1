package douyin

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

func testLogin(c Config, w http.RoundTripper) *Login {
	return NewLogin(c, &http.Client{Transport: w}, &Options{Now: clock})
}

const testCode = "SECRET-CODE+1"

func TestALoginEqualsTheGoldens(t *testing.T) {
	w := says(200, `{"data":{"access_token":"act.1","captcha":"","desc_url":"","description":"","error_code":0,"expires_in":1296000,"log_id":"l","open_id":"o","refresh_expires_in":2592000,"refresh_token":"rft.1","scope":"user_info,video.create.bind"},"message":"success"}`)
	l := testLogin(Config{}, w)
	golden(t, "oauth/authorize", l.AuthorizeURL(app, "https://studio.example/cb", Scopes(Config{}), "st&te")+"\n")
	got, err := l.Exchange(t.Context(), app, testCode)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "oauth/exchange", dump(w.sent[0]))
	const day = 24 * time.Hour
	if got.Access != "act.1" || got.Refresh != "rft.1" || got.Subject != "o" || !got.Obtained.Equal(testNow) || !got.Expires.Equal(testNow.Add(15*day)) ||
		!got.RefreshBy.Equal(testNow.Add(30*day)) || !slices.Equal(got.Scopes, []string{"user_info", "video.create.bind"}) || got.Grant != "" || got.Renewals != 0 {
		t.Errorf("got %v, refresh by %v, scopes %q", got, got.RefreshBy, got.Scopes)
	}
}

func TestAnAnswerToACodeThatIsNoUseIsAnErrorAndQuotesNothing(t *testing.T) {
	const good = `"access_token":"act.SECRET","open_id":"o","refresh_token":"rft.SECRET","refresh_expires_in":2592000,"expires_in":1296000`
	without := func(field string) string { return strings.Replace(good, field, `"x_`+field[1:], 1) }
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, c := range []struct {
		name, body string
		kind       fault.Kind
		action     string
	}{
		{"no access token", without(`"access_token"`), fault.Unknown, "untouched"},
		{"an access token of another type", with(`"act.SECRET"`, `7`), fault.Unknown, "untouched"},
		{"nobody's", without(`"open_id"`), fault.Unknown, "untouched"},
		{"no life", with(`,"expires_in":1296000`, ``), fault.Unknown, "untouched"},
		{"a life of zero", with(`1296000`, `0`), fault.Unknown, "untouched"},
		{"a life below zero", with(`1296000`, `"-5"`), fault.Unknown, "untouched"},
		{"a life of another type", with(`1296000`, `{"SECRET":1}`), fault.Unknown, "untouched"},
		{"a life in words", with(`1296000`, `"SECRET"`), fault.Unknown, "untouched"},
		{"a life beyond all measure", with(`1296000`, `99999999999999`), fault.Unknown, "untouched"},
		{"a refresh token that is over", with(`2592000`, `0`), fault.Unknown, "untouched"},
		{"HTTP 200 with a code inside", `"error_code":10001,"description":"no SECRET-CODE+1 SECRET-CODE%2B1 SECRET-APP"`, fault.Unknown, "untouched"},
		{"a code that is spent", `"error_code":10007`, fault.CredentialsExpired, "begin the login again"},
		{"a wrong secret", `"error_code":"10013"`, fault.Permanent, "vodlift app set douyin"},
		{"a code of another app", `"error_code":10014`, fault.Permanent, "vodlift app set douyin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := testLogin(Config{}, says(200, `{"data":{`+c.body+`},"message":"success"}`)).Exchange(t.Context(), app, testCode)
			f := fault.As(err)
			if f == nil || f.Kind != c.kind || !strings.Contains(f.Action, c.action) || got.Access != "" {
				t.Fatalf("got %v (%v), %v; want %v, %q", got, f, err, c.kind, c.action)
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("a secret shows: %v", err)
			}
		})
	}
	for name, w := range map[string]*wire{
		"garbage": says(200, "<html>SECRET"), "a list": says(200, `[1]`), "empty": says(200, ""), "502": says(502, "SECRET"),
		"a lost answer": {answer: func(sent) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }},
	} {
		_, err := testLogin(Config{}, w).Exchange(t.Context(), app, testCode)
		if fault.As(err) == nil || fault.KindOf(err) != fault.Unknown || strings.Contains(err.Error(), "SECRET") || len(w.sent) != 1 {
			t.Errorf("%s: %v after %d requests", name, err, len(w.sent))
		}
	}
}

func TestNothingIsSentWithoutACodeAndAnApp(t *testing.T) {
	w := says(200, `{}`)
	l := testLogin(Config{}, w)
	bare := app
	bare.Secret = ""
	for _, call := range []func() error{
		func() error { _, err := l.Exchange(t.Context(), app, ""); return err },
		func() error { _, err := l.Exchange(t.Context(), bare, testCode); return err },
		func() error {
			_, err := testLogin(Config{Auth: "x"}, w).Exchange(t.Context(), app, testCode)
			return err
		},
	} {
		if err := call(); err == nil || fault.EffectOf(err) != fault.EffectNone {
			t.Errorf("got %v", err)
		}
	}
	if len(w.sent) != 0 {
		t.Errorf("%d requests", len(w.sent))
	}
}

// TestALifeThatIsNoneIsNeverTakenForNotKnown: the Keeper refuses a token that has ended, and keeps the old one.
func TestALifeThatIsNoneIsNeverTakenForNotKnown(t *testing.T) {
	for _, life := range []string{`0`, `-1`, `"-1"`, `"soon"`, `[]`, `true`} {
		got, err := refresher(says(200, `{"data":{"expires_in":`+life+`,"access_token":"act.2","refresh_token":"rft.2"}}`)).Refresh(t.Context(), app, old)
		if err != nil || !got.Expires.Equal(testNow) || got.Refresh != "rft.2" {
			t.Errorf("%s: %v, %v", life, got, err)
		}
	}
}

func TestRedirects(t *testing.T) {
	for redirect, want := range map[string][2]bool{ // for the platform, for a fake
		"https://studio.example/cb": {true, true}, "https://studio.example/cb#x": {true, true}, "http://127.0.0.1:9/cb": {false, true},
		"http://studio.example/cb": {false, false}, "https://studio.example/cb?a=1": {false, false}, "https://studio.example/cb?": {false, false},
		"": {false, false}, "studio.example": {false, false}, "javascript:alert(1)": {false, false}, "https://u:p@studio.example/": {false, false},
	} {
		for i, loopback := range []bool{false, true} {
			if err := CheckRedirect(redirect, loopback); (err == nil) != want[i] {
				t.Errorf("%q, loopback %v: %v", redirect, loopback, err)
			}
		}
	}
}

func TestWhatAGrantLacks(t *testing.T) {
	legacy := Config{Generation: Legacy}
	for _, c := range []struct {
		cfg   Config
		grant string
		want  []string
	}{
		{Config{}, "video.create.bind,video.list.bind,video.data.bind", nil},
		{Config{}, "video.create.bind,video.data.bind", nil}, // either opens the list
		{Config{}, "video.create.bind,video.list.bind", []string{"video.data.bind"}},
		{Config{}, "video.create.bind", []string{"video.list.bind or video.data.bind", "video.data.bind"}},
		{Config{}, "video.create,video.list,video.data", []string{"video.create.bind", "video.list.bind or video.data.bind", "video.data.bind"}},
		{legacy, "video.create,video.list,video.data", nil},
		{legacy, "video.create,video.data", []string{"video.list"}},
	} {
		var got []string
		for _, l := range Lacks(c.cfg, strings.Split(c.grant, ",")) {
			got = append(got, l.Scope)
			if l.Fatal != strings.HasPrefix(l.Scope, "video.create") || (strings.Contains(l.Scope, "list") && !strings.Contains(l.What, "HELD")) {
				t.Errorf("%+v", l)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s of %q: got %q, want %q", c.grant, c.cfg.Generation, got, c.want)
		}
	}
	if u, err := url.Parse(testLogin(legacy, nil).AuthorizeURL(app, "https://a/b", Scopes(legacy), "s")); err != nil || u.Query().Get("scope") != "video.create,video.list,video.data" {
		t.Errorf("%v %v", u, err)
	}
}
