package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/upload"
)

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
	if status != exitOK || !strings.Contains(out, "youku/studio is logged in") || !strings.Contains(out, "no route of the demo names youku/studio") {
		t.Errorf("%d %q %q", status, out, errs)
	}
	if tok := d.load(t, "youku/studio"); tok.Access != "YOUKU-ACCESS-TOKEN" || tok.Refresh != "YOUKU-REFRESH-TOKEN" || tok.Expires.IsZero() {
		t.Errorf("stored %v", tok)
	}
	d.write(t, "token.json", []byte(strings.Replace(good, `"refresh_token":"YOUKU-REFRESH-TOKEN",`, "", 1)))
	out, errs, status = d.run(t, "", "account", "login", "youku/short", "--file", "token.json")
	if status != exitOK || !strings.Contains(out, "cannot be renewed, so a person has to log in again by") || errs != "" {
		t.Errorf("without a refresh token: %d %q %q", status, out, errs)
	}
	if _, errs, status := d.run(t, good, "account", "login", "bilibili/main"); status != exitFailed || !strings.Contains(errs, "there is no platform") {
		t.Errorf("a platform that is none: %d %q", status, errs)
	}
}

// files: what is exported from a browser, and keys of Alibaba Cloud.
func (d *desk) files(t *testing.T) {
	session, err := d.Web.AddAccount("7001002")
	if err != nil {
		t.Fatal(err)
	}
	const key, role = `{"access_key_id":"LTAIfiles","access_key_secret":"RAM-SECRET-TYPED"}`, `{"role_arn":"acs:ram::123:role/vodlift"}`
	other := strings.ReplaceAll(session.Netscape(), "douyin.com", "evil.example")
	for name, c := range map[string]struct{ account, file string }{
		"cookies for a key":        {"alivod/main", session.Netscape()},
		"a key for cookies":        {"douyinweb/main", key},
		"cookies of another site":  {"douyinweb/main", other},
		"lines without a path":     {"douyinweb/main", strings.ReplaceAll(session.Netscape(), "\t/\t", "\t")},
		"cookies without a value":  {"douyinweb/main", `[{"name":"sessionid"}]`},
		"a signal in a value":      {"douyinweb/main", strings.Replace(string(session.JSON()), `"value": "`, `"value": "\u0007RAM-SECRET-TYPED`, 1)},
		"a picture":                {"douyinweb/main", "\x89PNG RAM-SECRET-TYPED\x00"},
		"a key without its secret": {"alivod/main", `{"access_key_id":"LTAIfiles"}`},
		"a key and a role":         {"alivod/main", strings.TrimSuffix(key, "}") + "," + strings.TrimPrefix(role, "{")},
		"a session for a key":      {"alivod/main", strings.TrimSuffix(key, "}") + `,"security_token":"RAM-SECRET-TYPED"}`},
		"a role that is none":      {"alivod/main", `{"role_arn":"acs:ram::123:user/RAM-SECRET-TYPED"}`},
		"a life that is none":      {"alivod/main", strings.TrimSuffix(role, "}") + `,"duration_seconds":-1}`},
		"a long file":              {"douyinweb/main", session.Netscape() + strings.Repeat("# RAM-SECRET-TYPED\n", 4000)},
		"nothing":                  {"douyinweb/main", "\n"},
	} {
		before := d.load(t, upload.Account(c.account))
		d.write(t, "hostile", []byte(c.file))
		out, errs, status := d.run(t, "", "account", "login", c.account, "--file", "hostile")
		if status != exitFailed || errs == "" || strings.Contains(out+errs, "RAM-SECRET") || strings.Contains(out+errs, "\a") {
			t.Errorf("%s: %d %q", name, status, errs)
		}
		for _, cookie := range session.Cookies {
			if len(cookie.Value) > 8 && strings.Contains(out+errs, cookie.Value) {
				t.Errorf("%s: the value of %s is shown", name, cookie.Name)
			}
		}
		if d.load(t, upload.Account(c.account)).Version != before.Version {
			t.Errorf("%s: the login was touched", name)
		}
	}
	for _, form := range []string{session.Netscape(), string(session.JSON())} {
		d.write(t, "cookies", []byte(form))
		out, errs, status := d.run(t, "", "account", "login", "douyinweb/studio", "--file", "cookies")
		if status != exitOK || !strings.Contains(out, "cannot be renewed, so a person has to log in again by") || errs != "" {
			t.Errorf("cookies: %d %q %q", status, out, errs)
		}
	}
	d.write(t, "key.json", []byte(key))
	out, errs, status := d.run(t, "", "account", "login", "alivod/studio", "--file", "key.json")
	if status != exitOK || !strings.Contains(out, "does not end by itself") || errs != "" {
		t.Errorf("a key: %d %q %q", status, out, errs)
	}
	for _, a := range []string{"douyinweb/studio", "alivod/studio", "youku/studio"} {
		if _, errs, status := d.run(t, "", "account", "remove", a, "--yes"); status != exitOK {
			t.Errorf("remove %s: %d %q", a, status, errs)
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
