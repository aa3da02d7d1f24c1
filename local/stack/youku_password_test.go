package stack_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	fakeyouku "github.com/vodlift/vodlift/local/fake/youku"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// A watch password stands sealed beside the apps' keys; the manifest only names it, and Youku gets it.
func TestAWatchPasswordIsNamedInTheManifestAndSentToYouku(t *testing.T) {
	s, err := stack.Open(t.Context(), stack.Options{Dir: t.TempDir(), Kind: stack.Demo, FakeYouku: func(o *fakeyouku.Options) {
		o.Pace = fakeyouku.Pace{Encoding: time.Millisecond, Review: time.Millisecond}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Vault.PutApp(t.Context(), "youku-watch-friends", token.AppKey{ID: "friends", Secret: "open1234"}); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.Write([]byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"))
	b.WriteString(strings.Repeat("x", 200<<10))
	drop(t, s, "p/party.flv.publish.json", []byte(`{"title":"Party","tags":["family"],"to":["youku/main"],"youku":{"public_type":"password","watch_password_name":"friends"}}`))
	drop(t, s, "p/party.flv", []byte(b.String()))
	if v := settled(t, s, "p/party.flv").Views[0]; v.Status != upload.Published {
		t.Fatalf("got %s(%s): %+v", v.Status, v.Reason, v.Fault)
	}
	videos := s.Youku.Videos()
	if len(videos) != 1 || videos[0].PasswordSHA256 == "" {
		t.Errorf("got %+v", videos)
	}
	raw, err := json.Marshal(s.Youku.Effects())
	if err != nil || strings.Contains(string(raw), "open1234") {
		t.Errorf("effects: %v", err)
	}
}
