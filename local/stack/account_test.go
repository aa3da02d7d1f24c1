package stack_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/upload"
)

// requests counts what the fake was asked for an operation.
func (w *world) requests(op string) int { return int(w.fake.Counters()[op].Requests) }

// stored counts the parts that the fake took, repeats included.
func (w *world) stored() (n int) {
	for _, r := range w.fake.Requests(0) {
		if r.Op == "part_upload" && r.Status == http.StatusOK && r.Code == 0 {
			n++
		}
	}
	return n
}

func TestATokenThatExpiresIsRenewedOnceAndTheUploadGoesOn(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fake.Fault{
		"in mid-upload":    {Op: "part_upload", Nth: 2, Token: fake.TokenExpire},
		"behind our back":  {Op: "part_upload", Nth: 2, Token: fake.TokenRotate},
		"at init":          {Op: "part_init", Token: fake.TokenExpire},
		"at complete":      {Op: "complete", Token: fake.TokenExpire},
		"at publish":       {Op: "create", Token: fake.TokenExpire},
		"after publishing": {Op: "data", Token: fake.TokenExpire},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, worldOptions{Douyin: true}, func(t *testing.T, w *world) {
				if err := w.fake.Inject(f); err != nil {
					t.Fatal(err)
				}
				body := film(7, 24*kib)
				w.drop(filmKey, body)
				u := w.ended(filmKey, upload.Published)
				if n := w.requests("refresh_token"); n != 1 {
					t.Errorf("%d renewals%s", n, w.timeline(u.ID))
				}
				w.once(body)
				if n := len(w.fake.Effects().Assets); n != 1 {
					t.Errorf("%d files at the platform", n)
				}
				if n := w.stored(); n != 6 {
					t.Errorf("6 parts were stored %d times", n)
				}
			})
		})
	}
}

func TestARevokedGrantWaitsForALoginAndKeepsItsParts(t *testing.T) {
	t.Parallel()
	bubble(t, worldOptions{Douyin: true, FakeOpts: func(o *fakedouyin.Options) { o.ConsentAs = "demo-open-id" }}, func(t *testing.T, w *world) {
		if err := w.fake.Inject(fake.Fault{Op: "part_upload", Nth: 4, Token: fake.TokenRevoke}); err != nil {
			t.Fatal(err)
		}
		body := film(7, 24*kib)
		w.drop(filmKey, body)
		u := w.ended(filmKey, upload.NeedsLogin)
		if w.out.distinct("account.needs_login") != 1 || len(w.posts()) != 0 {
			t.Errorf("%d events, %d posts", w.out.distinct("account.needs_login"), len(w.posts()))
		}
		if n := w.stored(); n == 0 || n == 6 {
			t.Fatalf("%d parts were stored before the grant was withdrawn", n)
		}
		w.login(w.m.Vault, stack.DemoAccount, w.consent())
		n, err := w.m.LoggedIn(t.Context(), stack.DemoAccount)
		if err != nil || n != 1 {
			t.Fatalf("%d uploads go on, %v", n, err)
		}
		u = w.ended(filmKey, upload.Published)
		w.once(body)
		if n := w.stored(); u.Session != 1 || n != 6 {
			t.Errorf("session %d, 6 parts were stored %d times%s", u.Session, n, w.timeline(u.ID))
		}
	})
}

// consent is a login at the fake platform, as a browser and the callback would do it.
func (w *world) consent() fakedouyin.Grant {
	w.t.Helper()
	c := &http.Client{Transport: w.pipe.client, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	q := url.Values{"client_key": {fakedouyin.DefaultKey}, "response_type": {"code"}, "scope": {strings.Join(fakedouyin.AllScopes(), ",")}, "redirect_uri": {fakedouyin.DefaultRedirect}}
	r, err := c.Get("http://fake.test/platform/oauth/connect/?" + q.Encode())
	if err != nil {
		w.t.Fatal(err)
	}
	r.Body.Close()
	back, err := r.Location()
	if err != nil {
		w.t.Fatalf("no way back: %v (%s)", err, r.Status)
	}
	form := url.Values{"client_key": {fakedouyin.DefaultKey}, "client_secret": {fakedouyin.DefaultSecret}, "code": {back.Query().Get("code")}, "grant_type": {"authorization_code"}}
	if r, err = c.PostForm("http://fake.test/oauth/access_token/", form); err != nil {
		w.t.Fatal(err)
	}
	r.Body.Close()
	g, err := w.fake.Grant("demo-open-id")
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

func TestADailyQuotaWaits(t *testing.T) {
	t.Parallel()
	bubble(t, worldOptions{Douyin: true}, func(t *testing.T, w *world) {
		if err := w.fake.Inject(fake.Fault{Op: "create", Code: 2114007}); err != nil {
			t.Fatal(err)
		}
		body := film(7, 24*kib)
		began := time.Now()
		w.drop(filmKey, body)
		w.must("WAITING(quota)", w.is(filmKey, upload.Waiting, "quota"))
		time.Sleep(w.upload(filmKey).NextAt.Sub(time.Now()) - 2*time.Minute) // nothing has to happen: no need for a sweep a minute
		w.ended(filmKey, upload.Published)
		w.once(body)
		t.Logf("published %v after the drop", time.Since(began).Round(time.Minute))
		if n := len(w.fake.Effects().Assets); n != 1 && n != 2 { // kept, or out of its two hours
			t.Errorf("%d files at the platform", n)
		}
	})
}

func TestADeadUploadIDIsReplacedByANewSession(t *testing.T) {
	t.Parallel()
	bubble(t, worldOptions{Douyin: true}, func(t *testing.T, w *world) {
		if err := w.fake.Inject(fake.Fault{Op: "part_upload", Nth: 2, Code: 28001007}); err != nil {
			t.Fatal(err)
		}
		body := film(7, 24*kib)
		w.drop(filmKey, body)
		u := w.ended(filmKey, upload.Published)
		w.once(body)
		if u.Session != 2 {
			t.Errorf("session %d", u.Session)
		}
	})
}

// TestNoSecretIsAnywhereInTheClear: after a full run with a renewed token, neither records nor logs nor the machine's
// histories hold what only the platform and the vault may know (design 4.11).
func TestNoSecretIsAnywhereInTheClear(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	bubble(t, worldOptions{Douyin: true, Log: &log, History: true}, func(t *testing.T, w *world) {
		before, err := w.fake.Grant("demo-open-id")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.fake.Inject(fake.Fault{Op: "part_upload", Nth: 2, Token: fake.TokenExpire}); err != nil {
			t.Fatal(err)
		}
		body := film(7, 24*kib)
		w.drop(filmKey, body)
		u := w.ended(filmKey, upload.Published)
		after, err := w.fake.Grant("demo-open-id")
		if err != nil {
			t.Fatal(err)
		}
		s, err := w.see.Session(t.Context(), u.ID, u.Session)
		if err != nil {
			t.Fatal(err)
		}
		secrets := map[string]string{
			"the old access token": before.AccessToken, "the new access token": after.AccessToken, "the refresh token": after.RefreshToken,
			"the app's secret": fakedouyin.DefaultSecret, "the control key": "control-key-of-this-test",
		}
		for k, v := range strung(t, s.Private) {
			if len(v) > 8 && v != u.ID {
				secrets["the session's "+k] = v
			}
		}
		if s.ID != "" {
			secrets["the session's id"] = s.ID
		}
		view, err := w.m.ViewByUpload(t.Context(), u.ID, true)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := json.Marshal(view)
		if err != nil {
			t.Fatal(err)
		}
		var machine bytes.Buffer
		for _, e := range w.m.Steps.List() {
			d, _ := w.m.Steps.Describe(e.Name)
			b, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			machine.Write(b)
			machine.Write(d.Input)
			machine.Write(d.Output)
		}
		for what, text := range map[string][]byte{"a log": log.Bytes(), "an answer of the API": answer, "an execution": machine.Bytes(), "an event": w.out.all()} {
			look(t, what, text, secrets)
		}
	})
}

// strung lists the strings of a JSON object.
func strung(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for k, v := range m {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}
