package stack_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// TestAnyS3ClientPublishesWhateverTheKey drops videos with the AWS SDK, the sidecar before or after the video, under keys
// that a careless program would decode once too often or not at all.
func TestAnyS3ClientPublishesWhateverTheKey(t *testing.T) {
	s := openDemo(t, t.TempDir())
	keys := []string{"plain.mp4", "a b/c d.mp4", "1+1=2.mp4", "100%.mp4", "%41%2f%2B.mp4", "a+b %20 c.mp4", "视频/第一集.mp4", "🎬 emoji 🎉.mp4", "q?x=1&y=2#z.mp4"}
	want := map[string]string{} // title -> sha256
	for i, key := range keys {
		body := film(uint64(i), 6<<20)
		sum := sha256.Sum256(body)
		title := fmt.Sprintf("Number %d", i)
		want[title] = hex.EncodeToString(sum[:])
		side := fmt.Appendf(nil, `{"title":%q}`, title)
		if i%2 == 0 {
			drop(t, s, key+".publish.json", side)
		}
		drop(t, s, key, body)
		if i%2 == 1 {
			drop(t, s, key+".publish.json", side)
		}
	}
	for _, key := range keys {
		p := settled(t, s, key)
		if v := p.Views[0]; v.Status != upload.Published || p.Source.Key != key {
			t.Errorf("%q: got %s for key %q: %+v", key, v.Upload.String(), p.Source.Key, v.Fault)
		}
	}
	posts := s.Douyin.Effects().Posts
	for _, p := range posts {
		if want[p.Title] != p.SHA256 {
			t.Errorf("the post %q has other bytes", p.Title)
		}
		delete(want, p.Title)
	}
	if len(want) > 0 || len(posts) != len(keys) {
		t.Errorf("%d posts of %d; missing: %v", len(posts), len(keys), want)
	}
}

// TestNoSecretIsInTheFolderTheLogOrTheAPI: the same as TestNoSecretIsAnywhereInTheClear for what only the whole stack
// has: the database's files, the log of every package, the answers of the listeners. It also opens the folder again
// after the grant was withdrawn, which must not keep the stack from starting.
func TestNoSecretIsInTheFolderTheLogOrTheAPI(t *testing.T) {
	var log lockedBuffer
	dir := t.TempDir()
	open := func() *stack.Stack {
		s, err := stack.Open(t.Context(), stack.Options{Dir: dir, Kind: stack.Demo, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	old, err := s.Vault.Load(t.Context(), stack.DemoAccount)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Douyin.Inject(fake.Fault{Op: "part_upload", Nth: 2, Token: fake.TokenExpire}); err != nil {
		t.Fatal(err)
	}
	drop(t, s, "a.mp4.publish.json", []byte(`{"title":"Quiet"}`))
	drop(t, s, "a.mp4", film(5, 12<<20))
	v := settled(t, s, "a.mp4").Views[0]
	if v.Status != upload.Published {
		t.Fatalf("got %s: %+v", v.Upload.String(), v.Timeline)
	}
	now, err := s.Vault.Load(t.Context(), stack.DemoAccount)
	if err != nil {
		t.Fatal(err)
	}
	session, err := s.Ledger.Session(t.Context(), v.ID, v.Session)
	if err != nil {
		t.Fatal(err)
	}
	secrets := secretsOf(t, s, old, now, session)
	for _, path := range []string{"/api/info", "/api/publications", "/api/uploads/" + v.ID + "?timeline=1", "/api/held", "/api/objects?" + url.Values{"bucket": {stack.Inbox}, "key": {"a.mp4"}}.Encode()} {
		look(t, "the answer of "+path, get(t, s.Running.API+path), secrets)
	}
	if err := s.Douyin.Revoke("demo-open-id"); err != nil {
		t.Fatal(err)
	}
	drop(t, s, "b.mp4.publish.json", []byte(`{"title":"Withdrawn"}`))
	drop(t, s, "b.mp4", film(6, 12<<20))
	if v := settled(t, s, "b.mp4").Views[0]; v.Status != upload.NeedsLogin {
		t.Errorf("got %s", v.Upload.String())
	}
	files := 0
	scan := func() {
		names, err := filepath.Glob(filepath.Join(dir, "table.db*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files++
			look(t, filepath.Base(name), b, secrets)
		}
	}
	scan()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	scan()
	if files == 0 {
		t.Error("there was no database to look at")
	}
	s = open()
	if v := settled(t, s, "b.mp4").Views[0]; v.Status != upload.NeedsLogin {
		t.Errorf("after a restart: %s", v.Upload.String())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	look(t, "the log", log.Bytes(), secrets)
}

// secretsOf names everything of a run that nobody else may know.
func secretsOf(t *testing.T, s *stack.Stack, old, now token.Token, session upload.Session) map[string]string {
	t.Helper()
	out := map[string]string{
		"the old access token": old.Access, "the new access token": now.Access, "the refresh token": now.Refresh,
		"the app's secret": fakedouyin.DefaultSecret, "the control key": s.Identity.Key, "the bucket's secret": s.Identity.BucketSecret, "the upload_id": session.ID,
	}
	for k, v := range strung(t, session.Private) {
		if len(v) > 8 {
			out["the session's "+k] = v
		}
	}
	for name, v := range out {
		if v == "" {
			delete(out, name)
		}
	}
	return out
}

// look searches text for secrets, as they are and as a URL has them.
func look(t *testing.T, what string, text []byte, secrets map[string]string) {
	t.Helper()
	if len(text) == 0 && !strings.HasSuffix(what, "-wal") && !strings.HasSuffix(what, "-shm") {
		t.Errorf("%s is empty: nothing was looked at", what)
	}
	for name, secret := range secrets {
		if bytes.Contains(text, []byte(secret)) || bytes.Contains(text, []byte(url.QueryEscape(secret))) {
			t.Errorf("%s holds %s", what, name)
		}
	}
}

func get(t *testing.T, address string) []byte {
	t.Helper()
	r, err := (&http.Client{Timeout: 10 * time.Second}).Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s", address, r.Status, b)
	}
	return b
}
