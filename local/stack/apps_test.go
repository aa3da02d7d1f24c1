package stack_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	fakevod "github.com/vodlift/vodlift/local/fake/vod"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/vod"
)

// app is a phone's app: it knows the address of the API and its user's token.
type app struct {
	base, token, user string
}

// call makes one call as the apps do: everything in the query, also with POST.
func (a *app) call(t *testing.T, method, path string, q url.Values, data any) (code string) {
	t.Helper()
	if q == nil {
		q = url.Values{}
	}
	if a.token != "" {
		q.Set("token", a.token)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, a.base+path+"?"+q.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: HTTP %d, %v, %s", method, path, res.StatusCode, err, b)
	}
	var env struct {
		Code, Message string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(b, &env); err != nil {
		t.Fatalf("%s: %v in %s", path, err, b)
	}
	if data != nil && env.Code == "200" {
		if err := json.Unmarshal(env.Data, data); err != nil {
			t.Fatalf("%s: %v in %s", path, err, b)
		}
	}
	if env.Code != "200" {
		t.Logf("%s: %s %s", path, env.Code, env.Message)
	}
	return env.Code
}

func newApp(t *testing.T, s *stack.Stack, name string) *app {
	t.Helper()
	a := &app{base: s.Running.Public}
	q := url.Values{"username": {name}, "password": {"correct horse battery " + name}}
	if code := a.call(t, http.MethodGet, "/user/register", q, nil); code != "200" {
		t.Fatalf("register: %s", code)
	}
	var in struct{ Token, UserID string }
	if code := a.call(t, http.MethodGet, "/user/login", url.Values{"username": {name}, "password": q["password"]}, &in); code != "200" || in.Token == "" {
		t.Fatalf("login: %s", code)
	}
	a.token, a.user = in.Token, in.UserID
	return a
}

// publish uploads a film as the vendor's SDK would, and publishes it.
func (a *app) publish(t *testing.T, title string, seed uint64) (videoID string) {
	t.Helper()
	var up struct{ VideoID, UploadAddress, UploadAuth string }
	if code := a.call(t, http.MethodGet, "/vod/getVideoUploadAuth", url.Values{"title": {title}, "fileName": {"film.mp4"}}, &up); code != "200" {
		t.Fatalf("getVideoUploadAuth: %s", code)
	}
	at, err := vod.DecodeTicket(vod.Ticket{ID: up.VideoID, Address: up.UploadAddress, Auth: up.UploadAuth}, time.Now(), "")
	if err == nil {
		t.Fatal("an address on this machine passed for one of OSS")
	}
	// The address names the fake on loopback, which a deployed program refuses; a phone does not.
	at, err = vod.DecodeTicket(vod.Ticket{ID: up.VideoID, Address: up.UploadAddress, Auth: up.UploadAuth}, time.Now(), endpointOf(t, up.UploadAddress))
	if err != nil {
		t.Fatal(err)
	}
	c, err := oss.New(oss.Config{Endpoint: at.Endpoint, Region: at.Region, Bucket: at.Bucket}, oss.Fixed(at.Credential), http.DefaultClient, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := film(seed, 32*kib)
	if _, err := c.Put(t.Context(), at.Key, "video/mp4", oss.Body{Size: int64(len(body)), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(body)), nil
	}}, nil); err != nil {
		t.Fatal(err)
	}
	if code := a.call(t, http.MethodPost, "/vod/videoPublish", url.Values{"videoId": {up.VideoID}, "title": {title}}, nil); code != "200" {
		t.Fatalf("videoPublish: %s", code)
	}
	return up.VideoID
}

func endpointOf(t *testing.T, address string) string {
	t.Helper()
	var a struct{ Endpoint string }
	if err := json.Unmarshal(unbase64(t, address), &a); err != nil {
		t.Fatal(err)
	}
	return a.Endpoint
}

type listed struct {
	VideoList []struct {
		VideoID, Title, CensorStatus, Status string
		User                                 struct{ UserID string }
	}
}

func (l listed) ids() (out []string) {
	for _, v := range l.VideoList {
		out = append(out, v.VideoID)
	}
	return out
}

func TestAnAppsVideoIsRecommendedOnlyAfterItsReviewPassed(t *testing.T) {
	s, err := stack.Open(t.Context(), stack.Options{Dir: t.TempDir(), Kind: stack.Demo, Log: slog.New(slog.DiscardHandler),
		FakeVOD: func(o *fakevod.Options) { o.Pace.Audit = 300 * time.Millisecond }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.VOD.SetScript(fakevod.Script{Title: "refused by review", Audit: fakevod.Block}); err != nil {
		t.Fatal(err)
	}
	ann, ben := newApp(t, s, "ann"), newApp(t, s, "ben")
	good := ann.publish(t, "a good film", 1)
	bad := ann.publish(t, "refused by review", 2)
	page := url.Values{"pageIndex": {"1"}, "pageSize": {"10"}}
	var l listed
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	for !slices.Contains(l.ids(), good) {
		if ctx.Err() != nil {
			t.Fatalf("never recommended: %+v, platform %+v", l, s.VOD.Callbacks(0))
		}
		l = listed{}
		if code := ben.call(t, http.MethodGet, "/vod/getRecommendVideoList", page, &l); code != "200" {
			t.Fatal(code)
		}
		if slices.Contains(l.ids(), bad) {
			t.Fatal("a video is recommended that its review refused")
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, v := range l.VideoList {
		if v.VideoID == good && (v.CensorStatus != "success" || v.User.UserID != ann.user) {
			t.Errorf("recommended as %+v", v)
		}
	}
	// The refused one's verdict is in, and it stays out of sight of everybody but its owner.
	var own listed
	for !strings.Contains(fmt.Sprint(own), "fail") {
		if ctx.Err() != nil {
			t.Fatalf("the refused video never showed as such to its owner: %+v", own)
		}
		own = listed{}
		if code := ann.call(t, http.MethodGet, "/vod/getPersonalVideoList", page, &own); code != "200" {
			t.Fatal(code)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if len(own.VideoList) != 2 {
		t.Errorf("the owner sees %+v", own)
	}
	if code := ben.call(t, http.MethodGet, "/vod/getVideoPlayAuth", url.Values{"videoId": {bad}}, nil); code == "200" {
		t.Error("another user may play what review refused")
	}
	if code := ben.call(t, http.MethodPost, "/vod/deleteVideoById", url.Values{"videoId": {good}, "userId": {ann.user}}, nil); code == "200" {
		t.Error("another user deleted the video")
	}
	if code := ann.call(t, http.MethodPost, "/vod/deleteVideoById", url.Values{"videoId": {good}, "userId": {ann.user}}, nil); code != "200" {
		t.Errorf("the owner's delete: %s", code)
	}
	l = listed{}
	if ben.call(t, http.MethodGet, "/vod/getRecommendVideoList", page, &l); slices.Contains(l.ids(), good) {
		t.Error("a deleted video is still recommended")
	}
}

func unbase64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
