package stack_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/token"
)

// TestAWithdrawnConsentIsHeardOfAndAskedAbout: Douyin's unauthorize event marks nobody; the sweep after it asks, and only the
// platform's own refusal makes the account need a login (reference douyin A.10, design 4.7).
func TestAWithdrawnConsentIsHeardOfAndAskedAbout(t *testing.T) {
	s := openDemo(t, t.TempDir())
	say := func(event string) {
		t.Helper()
		body := fmt.Sprintf(`{"event":%q,"client_key":%q,"from_user_id":"demo-open-id","content":"{\"scopes\":[\"video.create.bind\"]}","log_id":"l"}`, event, fakedouyin.DefaultKey)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Running.Public+"/callbacks/douyin", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(callback.HeaderDouyin, callback.SignDouyin(fakedouyin.DefaultSecret, []byte(body)))
		res, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d", event, res.StatusCode)
		}
	}
	asked := func() int64 { return s.Douyin.Counters()["refresh_token"].Requests }
	sweep := func() token.AccountInfo {
		t.Helper()
		if out, err := s.Functions.Invoke(t.Context(), "refreshtoken", []byte(`{"v":1,"job":"sweep"}`)); err != nil {
			t.Fatalf("%s, %v", out, err)
		}
		i, err := s.Vault.Info(t.Context(), stack.DemoAccount)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	is := func(what, state string, questions int64) {
		t.Helper()
		var i token.AccountInfo
		for end := time.Now().Add(30 * time.Second); ; { // the schedule's own sweep may be at it
			if i = sweep(); i.State == state && asked() >= questions || time.Now().After(end) {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if i.State != state || asked() != questions {
			t.Errorf("%s: %s after %d questions, want %s after %d", what, i.State, asked(), state, questions)
		}
	}
	before := asked()
	say("authorize")
	is("an event that is none of ours", token.AccountOK, before)
	say("unauthorize")
	is("sent again, or forged: the platform knows better", token.AccountOK, before+1)
	if err := s.Douyin.Revoke("demo-open-id"); err != nil {
		t.Fatal(err)
	}
	say("unauthorize") // the very same bytes
	is("withdrawn", token.AccountNeedsLogin, before+2)
}
