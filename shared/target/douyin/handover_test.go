package douyin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

const (
	testVideoLink = "https://bucket.example/in/a%20b.mp4?X-Amz-Signature=SECRET-SIGNATURE"
	testAppSecret = "app-SECRET"
)

func videoLink(at string) target.VideoLink {
	return func(_ context.Context, life time.Duration) (string, error) {
		if life < time.Hour {
			return "", errors.New("too short")
		}
		return at, nil
	}
}

func sharing(w http.RoundTripper) *Target {
	return New(Config{}, &http.Client{Transport: w}, testCred, &Options{Now: clock, Rand: seq{}, App: func(context.Context) (token.AppKey, error) {
		return token.AppKey{ID: "awkey", Secret: testAppSecret}, nil
	}})
}

// The example of the platform's page.
func TestTheSignatureOfALinkIsThePlatforms(t *testing.T) {
	got := signShare("Wm3WZYTPz0wzccnW", "@ml6sqYBGgTKmQNajnKNkaj8yksCAY++adIhlGIqfTiKyvBqOIkzdJ6WRgP+nO+wtVItqKbX4iZ+mFIYkyPJjpQ==", "1650941858")
	if got != "3f7b739a91a52cb7d85c4f89c5f611fe" {
		t.Error(got)
	}
}

func TestAHandoverIsThreeRequestsAndALink(t *testing.T) {
	w := &wire{answer: func(s sent) (*http.Response, error) {
		switch s.URL.Path {
		case pathClient:
			return respond(200, `{"data":{"access_token":"clt.SECRET","expires_in":7200,"error_code":0},"message":"success"}`), nil
		case pathTicket:
			return respond(200, `{"data":{"ticket":"@tick+et==","expires_in":"1800","error_code":0},"extra":{"error_code":0}}`), nil
		}
		return respond(200, `{"data":{"share_id":"1743652879","error_code":0},"extra":{"error_code":0}}`), nil
	}}
	v := testVideo()
	v.Title, v.Private = "#音乐 一 & 二 @nick{x}", true
	h, err := sharing(w).Handover(t.Context(), v, videoLink(testVideoLink))
	if err != nil {
		t.Fatal(err)
	}
	if h.ShareID != "1743652879" || !h.Expires.Equal(testNow.Add(30*time.Minute)) {
		t.Errorf("%+v: the ticket ends first", h)
	}
	for i, name := range []string{"client", "ticket", "share"} {
		golden(t, "handover/"+name, dump(w.sent[i]))
	}
	u, err := url.Parse(h.Link)
	if err != nil || u.Scheme != "snssdk1128" || u.Host != "openplatform" || u.Path != "/share" || strings.Contains(h.Link, "+") {
		t.Fatalf("%s, %v", h.Link, err)
	}
	q := u.Query()
	sum := signShare(q.Get("nonce_str"), "@tick+et==", q.Get("timestamp"))
	for name, want := range map[string]string{"share_type": "h5", "client_key": "awkey", "state": "1743652879", "video_path": testVideoLink, "share_to_publish": "1", "private_status": "1",
		"timestamp": fmt.Sprint(testNow.Unix()), "signature": sum, "title": "一 & 二 @nick What it is", "hashtag_list": `["音乐","go","视频"]`} {
		if q.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, q.Get(name), want)
		}
	}
	if len(q) != 11 || len(q.Get("nonce_str")) != 32 {
		t.Errorf("%v", q)
	}
	if s := fmt.Sprintf("%v %+v %#v", h, h, h); strings.Contains(s, "snssdk") {
		t.Errorf("the link shows in %s", s)
	}
}

func TestWhatCannotBeHandedOverIsSaid(t *testing.T) {
	code := func(n string) string {
		return `{"data":{"error_code":` + n + `,"description":"clt.SECRET"},"extra":{"error_code":` + n + `}}`
	}
	good := map[string]string{pathClient: `{"data":{"access_token":"clt.SECRET"}}`, pathTicket: `{"data":{"ticket":"tick"}}`, pathShareID: `{"data":{"share_id":"s"}}`}
	for _, c := range []struct {
		name       string
		change     func(*upload.Video)
		link       string
		path, body string // that is answered otherwise
		kind       fault.Kind
		field      string
		capability bool
	}{
		{"over 128 MiB", func(v *upload.Video) { v.Size = 128<<20 + 1 }, testVideoLink, "", "", fault.Invalid, "source.size", false},
		{"a WebM", func(v *upload.Video) { v.ContentType = "video/webm" }, testVideoLink, "", "", fault.Invalid, "source.content_type", false},
		{"no title", func(v *upload.Video) { v.Title = "" }, testVideoLink, "", "", fault.Invalid, "title", false},
		{"http", nil, "http://bucket.example/x", "", "", fault.Permanent, "", false},
		{"http on loopback, when the platform is real", nil, "http://127.0.0.1/x", "", "", fault.Permanent, "", false},
		{"no address", nil, "", "", "", fault.Permanent, "", false},
		{"an address with other letters", nil, "https://b.example/中", "", "", fault.Permanent, "", false},
		{"a wrong secret", nil, testVideoLink, pathClient, strings.ReplaceAll(code("10013"), "clt.SECRET", testAppSecret), fault.Permanent, "", false},
		{"too many tokens", nil, testVideoLink, pathClient, code("10020"), fault.Retryable, "", false},
		{"no token in the answer", nil, testVideoLink, pathClient, `{"data":{}}`, fault.Retryable, "", false},
		{"no right to a ticket", nil, testVideoLink, pathTicket, code("28001018"), fault.Permanent, "", true},
		{"no right to a share id", nil, testVideoLink, pathShareID, `{"data":{},"extra":{"error_code":2190004}}`, fault.Permanent, "", true},
		{"the app's token is refused", nil, testVideoLink, pathTicket, code("28001003"), fault.Retryable, "", false},
		{"a user is asked for", nil, testVideoLink, pathShareID, code("28001012"), fault.Permanent, "", false},
		{"no share id", nil, testVideoLink, pathShareID, `{"data":{"error_code":0}}`, fault.Retryable, "", false},
		{"a gateway's page", nil, testVideoLink, pathTicket, `<html>`, fault.Retryable, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &wire{answer: func(s sent) (*http.Response, error) {
				if s.URL.Path == c.path {
					return respond(200, c.body), nil
				}
				return respond(200, good[s.URL.Path]), nil
			}}
			v := testVideo()
			if c.change != nil {
				c.change(&v)
			}
			_, err := sharing(w).Handover(t.Context(), v, videoLink(c.link))
			f := fault.As(err)
			if f == nil || f.Kind != c.kind || f.Field != c.field || errors.Is(err, target.ErrCapability) != c.capability || f.Actor == "" {
				t.Fatalf("%v, whose turn: %q", err, f.Actor)
			}
			if c.capability && !strings.Contains(f.Action, "h5.share") && !strings.Contains(f.Action, "open.get.ticket") {
				t.Errorf("%q", f.Action)
			}
			if s := fmt.Sprintf("%v %+v", err, err); strings.Contains(s, "SECRET") {
				t.Errorf("a secret shows in %s", s)
			}
		})
	}
	if _, err := testTarget(Config{}, says(200, "")).Handover(t.Context(), testVideo(), videoLink(testVideoLink)); fault.KindOf(err) != fault.Permanent {
		t.Errorf("without the app's key: %v", err)
	}
}
