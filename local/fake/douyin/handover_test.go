package douyin_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	adapter "github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/token"
)

// sharing is the adapter with the app's key at hand, and a bucket from which the phone gets the video.
func (st *stage) sharing(t testing.TB, content, kind string) (*adapter.Target, target.VideoLink) {
	t.Helper()
	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("sig") != "SECRET SIG" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", kind)
		io.WriteString(w, content)
	}))
	t.Cleanup(bucket.Close)
	tg := adapter.New(st.cfg, st.client, func(context.Context) (token.Token, error) { return *st.tok.Load(), nil }, &adapter.Options{Now: st.now,
		App: func(context.Context) (token.AppKey, error) {
			return token.AppKey{ID: douyin.DefaultKey, Secret: douyin.DefaultSecret}, nil
		}})
	return tg, func(context.Context, time.Duration) (string, error) {
		return bucket.URL + "/in/a.mp4?sig=SECRET+SIG", nil
	}
}

func TestAVideoGoesThroughAPersonsHands(t *testing.T) {
	for _, content := range []string{"object", "string"} {
		st := newStage(t, douyin.Options{Readings: douyin.Readings{EventContent: content}})
		st.SetScopes(douyin.DefaultKey, douyin.ShareScopes()) // video.create.bind was not granted
		body := strings.Repeat("a video ", 1000)
		tg, link := st.sharing(t, body, "video/mp4")
		v := testVideo(int64(len(body)), "#音乐 T & t")
		_, err := tg.Publish(t.Context(), v, mustSession(t), assetOf("v0"))
		if !errors.Is(err, target.ErrCapability) || fault.KindOf(err) != fault.Permanent || !strings.Contains(fault.As(err).Action, "video.create.bind") {
			t.Fatalf("without the ability: %v", err)
		}
		h, err := tg.Handover(t.Context(), v, link)
		if err != nil {
			t.Fatal(err)
		}
		again, err := tg.Handover(t.Context(), v, link)
		if err != nil || again.ShareID == h.ShareID {
			t.Errorf("a second link: %v, %v", again, err)
		}
		if len(st.Effects().Posts) != 0 {
			t.Fatal("the hand-over published something")
		}
		p, err := st.Server.Publish(t.Context(), "alice", h.Link, st.client)
		if err != nil {
			t.Fatal(err)
		}
		e := st.Effects()
		sum := sha256.Sum256([]byte(body))
		if len(e.Posts) != 1 || e.Posts[0].ID != p.ItemID || e.Posts[0].SHA256 != hex.EncodeToString(sum[:]) || e.Posts[0].Title != "T & t about it #音乐 #go" {
			t.Errorf("%+v", e.Posts)
		}
		w, ok := st.CreateVideo(p)
		if !ok {
			t.Fatal("no event")
		}
		if err := callback.VerifyDouyin([]string{douyin.DefaultSecret}, w.Header.Get(callback.HeaderDouyin), w.Body); err != nil {
			t.Error(err)
		}
		ev := callback.ParseDouyin(w.Body)
		if ev.Type != "create_video" || !slices.Contains(ev.Remotes, h.ShareID) || !slices.Contains(ev.Remotes, p.ItemID) || ev.Fields.OpenID != "alice" {
			t.Errorf("%+v", ev)
		}
		if logs := st.log.String(); strings.Contains(logs, "SECRET") || strings.Contains(logs, "snssdk") || strings.Contains(logs, "clt.") {
			t.Error("a secret is in the log")
		}
	}
}

func TestWhatAPhoneRefuses(t *testing.T) {
	st := newStage(t, douyin.Options{})
	tg, link := st.sharing(t, "a video", "video/mp4")
	v := testVideo(7, "T")
	h, err := tg.Handover(t.Context(), v, link)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(name, value string) string {
		u, err := url.Parse(h.Link)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set(name, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for _, bad := range []string{"https://open.douyin.com/", "snssdk1128://openplatform/share", edit("signature", "0"), edit("nonce_str", "x"), edit("timestamp", "1"), edit("client_key", "x"), edit("share_type", "app"),
		edit("private_status", "9"), edit("hashtag_list", "a"), edit("video_path", "http://192.0.2.1/x"), edit("video_path", "x")} {
		if _, err := st.Server.Publish(t.Context(), "alice", bad, st.client); err == nil {
			t.Errorf("%s passes", bad)
		}
	}
	if _, err := st.Server.Publish(t.Context(), "nobody", h.Link, st.client); err == nil {
		t.Error("a user who does not exist publishes")
	}
	_, webm := st.sharing(t, "a video", "video/webm")
	at, _ := webm(t.Context(), 0)
	if _, err := st.Server.Publish(t.Context(), "alice", edit("video_path", at), st.client); err == nil || len(st.Effects().Posts) != 0 {
		t.Errorf("a WebM: %v", err)
	}
	// A share id that is over, or of nobody, makes a post and no event.
	st.ahead.Add(int64(70 * time.Minute))
	p, err := st.Server.Publish(t.Context(), "alice", h.Link, st.client)
	if _, ok := st.CreateVideo(p); err != nil || ok {
		t.Errorf("an old share id: %+v, %v", p, err)
	}
	st.ahead.Add(int64(70 * time.Minute))
	if _, err := st.Server.Publish(t.Context(), "alice", h.Link, st.client); err == nil {
		t.Error("a link outlives its ticket")
	}
	if h, err := tg.Handover(t.Context(), v, link); err != nil || h.Expires.Before(st.now()) {
		t.Errorf("a new one: %v, %v", h, err)
	}
}

func TestAnAppWithoutTheAbilityCannotHandOver(t *testing.T) {
	for _, lacks := range []string{"open.get.ticket", "aweme.share"} {
		st := newStage(t, douyin.Options{})
		st.SetScopes(douyin.DefaultKey, slices.DeleteFunc(douyin.ShareScopes(), func(s string) bool { return s == lacks }))
		tg, link := st.sharing(t, "x", "video/mp4")
		_, err := tg.Handover(t.Context(), testVideo(1, "T"), link)
		if !errors.Is(err, target.ErrCapability) || !strings.Contains(fault.As(err).Action, lacks) {
			t.Errorf("without %s: %v", lacks, err)
		}
	}
	for op, f := range map[string]fake.Fault{"ticket": {Name: "invalid"}, "share_id": {Name: "busy"}, "stable_client_token": {Status: 502}} {
		st := newStage(t, douyin.Options{})
		tg, link := st.sharing(t, "x", "video/mp4")
		f.Op = op
		st.inject(t, f)
		if _, err := tg.Handover(t.Context(), testVideo(1, "T"), link); fault.KindOf(err) == fault.TokenExpired || fault.KindOf(err) == fault.CredentialsExpired || err == nil {
			t.Errorf("%s: %v would renew the account's login", op, err)
		}
		if _, err := tg.Handover(t.Context(), testVideo(1, "T"), link); err != nil {
			t.Errorf("after %s: %v", op, err)
		}
	}
}

func TestAWebhookIsDeliveredThreeTimesAtMost(t *testing.T) {
	st := newStage(t, douyin.Options{})
	w, _ := st.CreateVideo(douyin.Published{ItemID: "@i", ShareID: "s", OpenID: "alice", ClientKey: douyin.DefaultKey})
	for _, c := range []struct{ fails, want, tries int }{{0, 200, 1}, {2, 200, 3}, {9, 503, 3}} {
		n, ids := 0, map[string]bool{}
		web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			ids[r.Header.Get("Msg-Id")] = true
			if n++; n <= c.fails {
				rw.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		status, err := w.Deliver(t.Context(), st.web.Client(), web.URL)
		web.Close()
		if err != nil || status != c.want || n != c.tries || len(ids) != 1 {
			t.Errorf("%+v: status %d, %v, %d tries, ids %v", c, status, err, n, ids)
		}
	}
	if _, err := w.Deliver(t.Context(), st.web.Client(), "https://example.com/hook"); err == nil {
		t.Error("a webhook left this machine")
	}
	if _, ok := st.CreateVideo(douyin.Published{ItemID: "@i"}); ok {
		t.Error("an event without a share id")
	}
	if s := fmt.Sprint(string(w.Body)); !strings.Contains(s, `"share_id":"s"`) {
		t.Error(s)
	}
}
