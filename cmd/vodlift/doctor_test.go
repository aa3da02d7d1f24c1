package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/token/tokentest"
	"github.com/vodlift/vodlift/shared/wire"
)

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
	found := map[string]console.Check{}
	for line := range strings.Lines(out) {
		var c console.Check
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		if c.State == console.CheckTurn {
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
	secrets := tokentest.Secrets{"what was typed": "YOUKU-ACCESS", "and more": "YOUKU-REFRESH", "an app's": "APP-SECRET", "a wrong one": "WRONG-SECRET", "a key": "RAM-SECRET",
		"the control key": d.Identity.Key, "the bucket's": d.Identity.BucketSecret, "an access token of Douyin": "act.", "a refresh token of Douyin": "rft."}
	if err := secrets.Vault(t.Context(), d.Vault, "douyin", "youku", "alivod", wire.VODCallbackKey, wire.ForwardKey); err != nil {
		t.Fatal(err)
	}
	if len(secrets) < 15 {
		t.Errorf("only %d secrets are looked for", len(secrets))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range secrets.In(d.seen.Bytes()) {
		t.Errorf("%s was shown or logged", name)
	}
	delete(secrets, "an access token of Douyin") // four bytes are found by chance in what is sealed
	delete(secrets, "a refresh token of Douyin")
	tables, err := filepath.Glob(filepath.Join(d.data, "table.db*"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no table: %v", err)
	}
	for _, f := range tables {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range secrets.In(b) {
			t.Errorf("%s is in %s in the clear", name, filepath.Base(f))
		}
	}
	if d.seen.Len() < 10_000 {
		t.Errorf("only %d bytes were looked through", d.seen.Len())
	}
}

// TestARealFolderIsSetUpByCommands: without a fake, so no login comes to its end here; what leads to it does.
func TestARealFolderIsSetUpByCommands(t *testing.T) {
	d := &desk{bench: &bench{dir: t.TempDir(), data: filepath.Join(t.TempDir(), "real")}}
	s, err := stack.Open(t.Context(), stack.Options{Dir: d.data, Kind: stack.Real, Log: slog.New(slog.NewJSONHandler(d, nil))})
	if err != nil {
		t.Fatal(err)
	}
	d.Stack = s
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	out, _, status := d.run(t, "", "doctor")
	for _, w := range []string{"OK", "data folder", "write routes into " + filepath.Join(d.data, "config.json"), "vodlift app set douyin, then", "2 of 6 need somebody"} {
		if status != exitFailed || !strings.Contains(out, w) || strings.Contains(out, "DEMO") {
			t.Errorf("doctor: %d, no %q in\n%s", status, w, out)
		}
	}
	if out, _, status := d.run(t, "", "account", "list"); status != exitOK || !strings.Contains(out, "vodlift account login douyin/NAME") {
		t.Errorf("list: %d %q", status, out)
	}
	_, errs, status := d.run(t, "", "account", "login", "douyin/main", "--redirect", "https://studio.example/cb")
	if status != exitFailed || !strings.Contains(errs, "vodlift app set douyin") {
		t.Errorf("without an app: %d %q", status, errs)
	}
	if out, errs, status := d.run(t, `{"id":"awreal","secret":"APP-SECRET-TYPED"}`, "app", "set", "douyin"); status != exitOK || out != "app douyin: id awreal is set\n" {
		t.Errorf("app set: %d %q %q", status, out, errs)
	}
	for redirect, want := range map[string]string{"": "--redirect https://", "http://127.0.0.1:1/cb": "not https", "https://studio.example/cb?a=b": "has a query"} {
		if _, errs, status := d.run(t, "", "account", "login", "douyin/main", "--redirect", redirect); status != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("redirect %q: %d %q", redirect, status, errs)
		}
	}
	out, _, _ = d.run(t, "", "account", "login", "douyin/main", "--redirect", "https://studio.example/cb")
	if !strings.Contains(out, "https://open.douyin.com/platform/oauth/connect/?client_key=awreal&redirect_uri=https%3A%2F%2Fstudio.example%2Fcb&response_type=code&scope=video.create.bind%2Cvideo.list.bind%2Cvideo.data.bind&state=") {
		t.Errorf("login: %q", out)
	}
	d.write(t, "broken", []byte(`{"routes": 7}`))
	if err := os.Rename(filepath.Join(d.dir, "broken"), filepath.Join(d.data, "config.json")); err != nil {
		t.Fatal(err)
	}
	if out, _, status := d.run(t, "", "doctor"); status != exitFailed || !strings.Contains(out, "config.json") || !strings.Contains(out, "would not start again with it") {
		t.Errorf("doctor: %d\n%s", status, out)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if bytes.Contains(d.seen.Bytes(), []byte("APP-SECRET")) {
		t.Error("the secret was shown or logged")
	}
}
