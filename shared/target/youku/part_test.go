package youku

import (
	"context"
	"errors"
	"hash/crc64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

func TestWhatThePlatformHasIsOnlySummed(t *testing.T) {
	s := testSession(t, 3, 30, func(p *session) { p.Instant, p.UploadID, p.Credential.ID = true, "", "" })
	w := platform()
	tg, plan := testTarget(Config{}, w), testPlan(30, 3)
	r, err := tg.UploadPart(t.Context(), s, testPart(plan, 2, "0123456789"))
	if want := crc64.Checksum([]byte("0123456789"), crc64.MakeTable(crc64.ECMA)); err != nil || r.CRC64 != want || r.Size != 10 || r.Part != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	for content, kind := range map[string]fault.Kind{"012345678": fault.Retryable, "0123456789x": fault.Invalid, "": fault.Retryable} {
		if _, err := tg.UploadPart(t.Context(), s, testPart(plan, 2, content)); fault.KindOf(err) != kind {
			t.Errorf("%q: %v", content, err)
		}
	}
	bad := testPart(plan, 1, "")
	bad.Open = func(context.Context) (io.ReadCloser, error) { return nil, fault.New(fault.Invalid, "x", "replaced") }
	if _, err := tg.UploadPart(t.Context(), s, bad); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a source that was replaced: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	bad.Open = func(context.Context) (io.ReadCloser, error) { cancel(); return nil, io.EOF }
	if _, err := tg.UploadPart(ctx, s, bad); fault.KindOf(err) != fault.Unknown || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if next, err := tg.Renew(t.Context(), s); err != nil || string(next.Private) != string(s.Private) {
		t.Errorf("Renew: %v", err)
	}
	if rs, err := tg.ListParts(t.Context(), s); err != nil || len(rs) != 0 {
		t.Errorf("ListParts: %v, %v", rs, err)
	}
	a, err := tg.Complete(t.Context(), s, []upload.Receipt{{Part: 1, Size: 10}, {Part: 2, Size: 10}, {Part: 3, Size: 10}})
	if err != nil || a.ID != "XMjg1MTcyNDQ0" || !a.Expires.Equal(testNow.Add(24*time.Hour)) {
		t.Errorf("Complete: %+v, %v", a, err)
	}
	if len(w.sent) != 0 {
		t.Errorf("%d requests", len(w.sent))
	}
}

func TestAPlanThatOSSWouldRefuseIsInvalid(t *testing.T) {
	tg, v := testTarget(Config{}, platform()), testVideo()
	v.Size = 30 << 20
	for name, p := range map[string]upload.Plan{
		"of another size": testPlan(1<<20, 1), "no parts": {Size: v.Size}, "small parts": testPlan(v.Size, 500), "too many parts": testPlan(v.Size, 10_001),
	} {
		if _, err := tg.Init(t.Context(), v, p); fault.KindOf(err) != fault.Invalid || fault.As(err).Field != "plan" {
			t.Errorf("%s: %v", name, err)
		}
	}
	v.Size = 6 << 30
	if _, err := tg.Init(t.Context(), v, testPlan(v.Size, 1)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("6 GiB in one PUT: %v", err)
	}
}

func TestTheObjectGetsAContentType(t *testing.T) {
	for _, c := range []struct{ typ, name, want string }{
		{"video/x-flv", "a.mp4", "video/x-flv"}, {"", "a.MOV", "video/quicktime"}, {"application/octet-stream", "a.mkv", "video/x-matroska"}, {"", "a.mp4", "video/mp4"}, {"", "a", "video/mp4"},
	} {
		if got := contentType(upload.Video{ContentType: c.typ, FileName: c.name}); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestRefreshReadsTheAnswer(t *testing.T) {
	old := token.Token{Grant: "g", Subject: "u", Access: testAccess, Refresh: testRefresh, Expires: testNow}
	app := token.AppKey{ID: "client1", Secret: testApp}
	for _, c := range []struct {
		name, body string
		life       time.Duration // 0: not known; -1: ended at once
		refresh    string
		kind       fault.Kind
		ok         bool
	}{
		{"a number", `{"access_token":"a","refresh_token":"r","expires_in":3600,"token_type":"bearar"}`, time.Hour, "r", 0, true},
		{"a string", `{"access_token":"a","refresh_token":"r","expires_in":" 3600 "}`, time.Hour, "r", 0, true},
		{"no life", `{"access_token":"a","refresh_token":"r"}`, 0, "r", 0, true},
		{"a strange life", `{"access_token":"a","expires_in":"soon"}`, -1, "", 0, true},
		{"a negative life", `{"access_token":"a","expires_in":-1}`, -1, "", 0, true},
		{"no refresh token", `{"access_token":"a","expires_in":60}`, time.Minute, "", 0, true},
		{"no access token", `{"refresh_token":"r"}`, 0, "", fault.Unknown, false},
		{"a dead grant", `{"error":{"code":130011207,"description":"` + testRefresh + `"}}`, 0, "", fault.CredentialsExpired, false},
		{"a dead access token", `{"error":{"code":1009}}`, 0, "", fault.TokenExpired, false},
		{"the server's fault", `{"error":{"code":130011204}}`, 0, "", fault.Unknown, false},
		{"HTML", `<html>`, 0, "", fault.Unknown, false},
	} {
		r := NewRefresher(Config{}, &http.Client{Transport: says(200, c.body)}, &Options{Now: clock})
		got, err := r.Refresh(t.Context(), app, old)
		if !c.ok {
			if fault.KindOf(err) != c.kind || fault.As(err) == nil || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var want time.Time
		if c.life != 0 {
			want = testNow.Add(max(c.life, 0))
		}
		if err != nil || got.Access != "a" || got.Refresh != c.refresh || !got.Expires.Equal(want) || got.Grant != "g" || got.Subject != "u" || !got.Obtained.Equal(testNow) {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
	r := NewRefresher(Config{}, &http.Client{Transport: says(200, "{}")}, nil)
	if _, err := r.Refresh(t.Context(), app, token.Token{}); !errors.Is(err, token.ErrNoCredential) {
		t.Errorf("nothing to refresh with: %v", err)
	}
	if _, err := r.Refresh(t.Context(), token.AppKey{}, old); fault.KindOf(err) != fault.Permanent {
		t.Errorf("no app: %v", err)
	}
	if _, err := NewRefresher(Config{TagMax: 99}, &http.Client{}, nil).Refresh(t.Context(), app, old); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a wrong config: %v", err)
	}
}

func TestAbortIsNilOnceNobodyCanReachTheParts(t *testing.T) {
	for code, want := range map[string]fault.Kind{"NoSuchUpload": -1, "AccessDenied": -1, "SecurityTokenExpired": -1, "NoSuchBucket": -1, "InternalError": fault.Retryable} {
		ok := platform()
		w := &wire{answer: func(s sent) (*http.Response, error) {
			if s.Method == http.MethodDelete {
				return respond(403, "<Error><Code>"+code+"</Code></Error>"), nil
			}
			return ok.answer(s)
		}}
		err := testTarget(Config{}, w).Abort(t.Context(), testSession(t, 3, 30))
		if (err == nil) != (want < 0) || err != nil && fault.KindOf(err) != want {
			t.Errorf("%s: %v", code, err)
		}
	}
	if err := testTarget(Config{}, platform()).Abort(t.Context(), upload.Session{}); fault.KindOf(err) != fault.Invalid || errors.Is(err, target.ErrSessionLost) {
		t.Errorf("no session: %v", err)
	}
}
