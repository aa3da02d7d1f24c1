package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// hooked opens targets of which some know callbacks.
type hooked struct {
	target.Opener
	target.Target
	calls []upload.Account
	err   error
}

func (h *hooked) OpenTarget(_ context.Context, a upload.Account) (target.Target, int64, error) {
	switch a.Target() {
	case "alivod":
		return unhooker{h, a}, 1, nil
	case "broken":
		return nil, 0, errors.New("no login; Authorization: Bearer secret-token")
	}
	return struct{ target.Target }{}, 1, nil
}

type unhooker struct {
	*hooked
	account upload.Account
}

func (u unhooker) Unhook(_ context.Context, address string) (bool, error) {
	if address != "https://own.example/alivod" {
		return false, errors.New("asked for " + address)
	}
	u.calls = append(u.calls, u.account)
	return u.err == nil, u.err
}

type leavingDesk struct {
	*Console
	t    *testing.T
	mux  *http.ServeMux
	log  bytes.Buffer
	hook *hooked
}

func newLeaving(t *testing.T) *leavingDesk {
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
	seal := token.NewSealer(keys, nil)
	d := &leavingDesk{t: t, mux: http.NewServeMux(), hook: &hooked{}}
	now := func() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) }
	vault, log := token.NewVault(db, seal, now), slog.New(slog.NewTextHandler(&d.log, nil))
	w := workflow.New(workflow.Parts{Ledger: state.New(db, seal, now, strings.NewReader(strings.Repeat("r", 1<<16)), state.Settings{}), Targets: d.hook, Now: now, Log: log})
	d.Console = New(Parts{Workflow: w, Vault: vault, Table: db, HTTP: &http.Client{},
		Platforms: map[string]Platform{"douyin": {}, "alivod": {}, "cookies": {NoApp: true}},
		Place:     Place{Callback: func(_ context.Context, p string) string { return "https://own.example/" + p }},
		Records:   []Record{{Name: regexp.MustCompile(`^vod-callback$|^forward$`)}, {Name: regexp.MustCompile(`^youku-watch-[a-z]+$`)}}})
	d.eraseRoutes(d.mux)
	for _, a := range []upload.Account{"douyin/main", "alivod/main", "broken/one"} {
		if _, err := vault.SaveLogin(t.Context(), a, token.Token{Access: "ACCESS-" + string(a), Refresh: "REFRESH"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{"douyin", "vod-callback", "youku-watch-x"} {
		if err := vault.PutApp(t.Context(), p, token.AppKey{ID: "id-" + p, Secret: "APP-SECRET"}); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// call gives the status and reads the answer into out, where it is one.
func (d *leavingDesk) call(method, path string, out any) (int, string) {
	d.t.Helper()
	w := httptest.NewRecorder()
	d.mux.ServeHTTP(w, httptest.NewRequestWithContext(d.t.Context(), method, path, nil))
	if strings.Contains(w.Body.String(), "SECRET") || strings.Contains(w.Body.String(), "secret-token") {
		d.t.Errorf("a secret is shown: %s", w.Body)
	}
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			d.t.Error(err)
		}
	}
	return w.Code, w.Body.String()
}

func (d *leavingDesk) leavingNow() Leaving {
	d.t.Helper()
	var l Leaving
	if status, body := d.call("GET", "/api/leaving", &l); status != http.StatusOK {
		d.t.Fatalf("%d %s", status, body)
	}
	return l
}

// upload records one that waits.
func (d *leavingDesk) upload(key string) state.Upload {
	d.t.Helper()
	src := upload.Source{Bucket: "inbox", Key: key, ETag: "e", Size: 1}
	p := upload.PublicationID(src)
	u, err := d.Ledger.CreateUpload(d.t.Context(), state.Upload{ID: upload.ID(p, "douyin/main", ""), Publication: p, Account: "douyin/main", Source: src, Revision: 1})
	if err != nil {
		d.t.Fatal(err)
	}
	return u
}

func TestEachUploadSaysWhatHasToBecomeOfIt(t *testing.T) {
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	open, closed, post := &state.Intent{Result: state.IntentOpen}, &state.Intent{Result: state.IntentRefused}, &upload.Post{ID: "p"}
	for _, tc := range []struct {
		name string
		u    state.Upload
		want string
	}{
		{"it waits", state.Upload{Status: upload.Waiting}, LeaveCancel},
		{"it is carried", state.Upload{Status: upload.Uploading, Live: true}, LeaveCancel},
		{"it needs a login", state.Upload{Status: upload.NeedsLogin, Live: true}, LeaveCancel},
		{"it failed with an open session", state.Upload{Status: upload.Failed, Live: true}, LeaveCancel},
		{"it failed, and nothing is open", state.Upload{Status: upload.Failed}, ""},
		{"it is being cancelled", state.Upload{Status: upload.Uploading, Live: true, Cancel: at}, LeaveEnding},
		{"it is cancelled and being cleared up", state.Upload{Status: upload.Cancelled, Live: true, Cancel: at}, LeaveEnding},
		{"it is cancelled and over", state.Upload{Status: upload.Cancelled, Settled: true, Cancel: at}, ""},
		{"it was asked to be published", state.Upload{Status: upload.Publishing, Intent: open}, LeaveAsked},
		{"it was asked, and then needed a login", state.Upload{Status: upload.NeedsLogin, Intent: open}, LeaveAsked},
		{"it is held", state.Upload{Status: upload.Held, Intent: open}, LeaveAsked},
		{"it is held without an open intent", state.Upload{Status: upload.Held, Intent: closed}, LeaveAsked},
		{"it was refused and waits", state.Upload{Status: upload.Waiting, Intent: closed}, LeaveCancel},
		{"it is posted and processed", state.Upload{Status: upload.Processing, Post: post}, LeavePosted},
		{"it is public", state.Upload{Status: upload.Published, Post: post}, ""},
	} {
		if got := standOf(tc.u); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestWhatIsLeavingIsListedWithoutSecrets(t *testing.T) {
	d := newLeaving(t)
	u := d.upload("a.mp4")
	l := d.leavingNow()
	if l.Paused || len(l.Uploads) != 1 || l.Uploads[0].ID != u.ID || l.Uploads[0].Stand != LeaveCancel || l.Uploads[0].Key != "a.mp4" {
		t.Errorf("got %+v", l)
	}
	slices.Sort(l.Logins)
	if !slices.Equal(l.Logins, []upload.Account{"alivod/main", "broken/one", "douyin/main"}) || !slices.Equal(l.Apps, []string{"douyin", "vod-callback"}) {
		t.Errorf("got %v, %v", l.Logins, l.Apps)
	}
}

func TestSecretsAreErasedOnlyWhenNothingNeedsThemAnyMore(t *testing.T) {
	d := newLeaving(t)
	var e Erased
	if status, body := d.call("DELETE", "/api/secrets", &e); status != http.StatusConflict || !strings.Contains(body, "not paused") {
		t.Errorf("running: %d %s", status, body)
	}
	if err := d.Ledger.Pause(t.Context(), "douyin", true); err != nil {
		t.Fatal(err)
	}
	if d.leavingNow().Paused {
		t.Error("a pause of one platform is none of everything")
	}
	if err := d.Ledger.Pause(t.Context(), "global", true); err != nil {
		t.Fatal(err)
	}
	u := d.upload("a.mp4")
	if status, body := d.call("DELETE", "/api/secrets?force=yes", &e); status != http.StatusConflict || !strings.Contains(body, u.ID) {
		t.Errorf("an upload waits: %d %s", status, body)
	}
	if _, err := d.Vault.Load(t.Context(), "douyin/main"); err != nil {
		t.Fatalf("refused, and erased: %v", err)
	}
	if status, body := d.call("DELETE", "/api/secrets?force=1", &e); status != http.StatusOK || len(e.Logins) != 3 || !slices.Equal(e.Apps, []string{"douyin", "vod-callback"}) || !strings.Contains(e.Note, "watch passwords") {
		t.Fatalf("forced: %d %s", status, body)
	}
	for _, a := range e.Logins {
		if _, err := d.Vault.Load(t.Context(), a); !errors.Is(err, token.ErrNoCredential) {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, p := range e.Apps {
		if k, err := d.Vault.App(t.Context(), p); err != nil || k.Secret != "" || k.ID != erasedID {
			t.Errorf("%s: %v, %v", p, k, err)
		}
	}
	if l := d.leavingNow(); len(l.Logins)+len(l.Apps) != 0 {
		t.Errorf("left: %+v", l)
	}
	if status, _ := d.call("DELETE", "/api/secrets?force=1", &e); status != http.StatusOK || len(e.Logins)+len(e.Apps) != 0 {
		t.Errorf("again: %d %+v", status, e)
	}
	if strings.Contains(d.log.String(), "SECRET") || strings.Contains(d.log.String(), "ACCESS-") {
		t.Errorf("a secret is logged: %s", &d.log)
	}
}

func TestCallbackAddressesAreRemovedWhereThePlatformHasACallForIt(t *testing.T) {
	d := newLeaving(t)
	var us []Unhooked
	if status, body := d.call("DELETE", "/api/callbacks", &us); status != http.StatusOK || len(us) != 3 {
		t.Fatalf("%d %s", status, body)
	}
	got := map[upload.Account]Unhooked{}
	for _, u := range us {
		got[u.Account] = u
	}
	if !got["alivod/main"].Removed || !got["douyin/main"].ByHand || got["douyin/main"].Removed || got["broken/one"].Note == "" || !slices.Equal(d.hook.calls, []upload.Account{"alivod/main"}) {
		t.Errorf("got %+v, asked %v", us, d.hook.calls)
	}
	d.hook.err = errors.New("the platform says no")
	us = nil
	if _, body := d.call("DELETE", "/api/callbacks", &us); !strings.Contains(body, "the platform says no") {
		t.Errorf("a failure is not said: %s", body)
	}
	d.Place.Callback, us = nil, nil
	if d.call("DELETE", "/api/callbacks", &us); len(d.hook.calls) != 2 || slices.ContainsFunc(us, func(u Unhooked) bool { return u.Removed || !u.ByHand && u.Note == "" }) {
		t.Errorf("without an address of ours nothing is taken away: %+v", us)
	}
}
