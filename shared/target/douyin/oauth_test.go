package douyin

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
)

func refresher(w http.RoundTripper) *Refresher {
	return NewRefresher(Config{}, &http.Client{Transport: w}, &Options{Now: clock})
}

var (
	app = token.AppKey{ID: "key", Secret: "SECRET-APP"}
	old = token.Token{Grant: "g1", Subject: "o", Access: testAccess, Refresh: testRefresh, Renewals: 2, RefreshBy: testNow.Add(10 * 24 * time.Hour), Scopes: []string{"a"}}
)

func TestRefresh(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name, data    string
		access, rt    string
		expires, ends time.Time
		kind          fault.Kind
		bad           bool
	}{
		{name: "as documented", data: `"access_token":"act.2","expires_in":1296000,"refresh_expires_in":2592000,"refresh_token":"` + testRefresh + `","open_id":"o","scope":"a,b"`,
			access: "act.2", rt: testRefresh, expires: testNow.Add(15 * day), ends: old.RefreshBy},
		{name: "numbers as strings", data: `"access_token":"act.2","expires_in":"86400","refresh_expires_in":"86400"`, access: "act.2", expires: testNow.Add(day), ends: testNow.Add(day)},
		{name: "without a refresh token", data: `"access_token":"act.2"`, access: "act.2", ends: old.RefreshBy},
		{name: "with a new refresh token", data: `"access_token":"act.2","refresh_token":"rft.2","refresh_expires_in":2592000`, access: "act.2", rt: "rft.2", ends: testNow.Add(30 * day)},
		{name: "without an access token", data: `"expires_in":1`, bad: true, kind: fault.Unknown},
		{name: "another user's", data: `"access_token":"x","open_id":"other"`, bad: true, kind: fault.CredentialsExpired},
		{name: "refresh token dead", data: `"error_code":10010,"description":"refresh_token expired"`, bad: true, kind: fault.CredentialsExpired},
		{name: "app key wrong", data: `"error_code":"10003"`, bad: true, kind: fault.Permanent},
		{name: "system error", data: `"error_code":10001`, bad: true, kind: fault.Unknown},
		{name: "unlisted", data: `"error_code":1`, bad: true, kind: fault.Permanent},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := refresher(says(200, `{"data":{`+c.data+`},"message":"x"}`)).Refresh(t.Context(), app, old)
			if c.bad {
				if fault.As(err) == nil || fault.KindOf(err) != c.kind {
					t.Errorf("got %v, want %v", err, c.kind)
				}
				return
			}
			if err != nil || got.Access != c.access || got.Refresh != c.rt || !got.Expires.Equal(c.expires) || !got.RefreshBy.Equal(c.ends) ||
				got.Grant != "g1" || got.Subject != "o" || got.Renewals != 2 || !got.Obtained.Equal(testNow) {
				t.Errorf("got %#v (access %s, refresh %s, ends %v), %v", got, got.Access, got.Refresh, got.RefreshBy, err)
			}
		})
	}
}

func TestRenew(t *testing.T) {
	got, err := refresher(says(200, `{"data":{"error_code":0,"expires_in":"2592000","refresh_token":"rft.2"},"message":"success"}`)).Renew(t.Context(), app, old)
	if err != nil || got.Refresh != "rft.2" || got.Renewals != 3 || got.Access != testAccess || !got.RefreshBy.Equal(testNow.Add(30*24*time.Hour)) {
		t.Errorf("got %v, %v", got, err)
	}
	for body, kind := range map[string]fault.Kind{
		`{"data":{"error_code":10020}}`: fault.CredentialsExpired, `{"data":{"error_code":10004}}`: fault.Permanent,
		`{"data":{"error_code":0}}`: fault.Unknown, `{"data":{"error_code":10001}}`: fault.Unknown, `<html>`: fault.Unknown,
	} {
		if _, err := refresher(says(200, body)).Renew(t.Context(), app, old); fault.As(err) == nil || fault.KindOf(err) != kind {
			t.Errorf("%s: %v, want %v", body, err, kind)
		}
	}
}

func TestALostAnswerOfARenewalIsUnknownAndQuiet(t *testing.T) {
	w := &wire{answer: func(sent) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }}
	for _, call := range []func() error{
		func() error { _, err := refresher(w).Refresh(t.Context(), app, old); return err },
		func() error { _, err := refresher(w).Renew(t.Context(), app, old); return err },
	} {
		err := call()
		if fault.As(err) == nil || fault.KindOf(err) != fault.Unknown {
			t.Errorf("got %v", err)
		}
		for _, s := range []string{testAccess, testRefresh, app.Secret} {
			if strings.Contains(err.Error(), s) {
				t.Errorf("a secret shows: %v", err)
			}
		}
	}
	if len(w.sent) != 2 {
		t.Errorf("%d requests", len(w.sent))
	}
	if _, err := refresher(w).Refresh(t.Context(), app, token.Token{}); !errors.Is(err, token.ErrNoCredential) || len(w.sent) != 2 {
		t.Errorf("without a refresh token: %v", err)
	}
	if _, err := refresher(w).Refresh(t.Context(), token.AppKey{}, old); fault.KindOf(err) != fault.Permanent || len(w.sent) != 2 {
		t.Errorf("without an app: %v", err)
	}
}
