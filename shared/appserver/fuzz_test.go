package appserver_test

import (
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/appserver"
)

// Whatever strangers send is an envelope, and breaks nothing.
func FuzzCall(f *testing.F) {
	f.Add("GET", "/vod/getSts", "token=x", "", "")
	f.Add("POST", "/user/login", "", "application/json", `{"username":"a","password":1}`)
	f.Add("POST", "/music/getRecommendMusic", "pageNo=1&pageSize=50", "application/x-www-form-urlencoded", "a=%zz")
	f.Add("POST", "/demo/getVideoUploadAuth", "title=%F0%9F%8E%AC&fileName=.mp4", "", "tags=,,,")
	f.Add("POST", "/demo/getVideoPlayAuth", "videoId=%00", "text/plain", "\xff")
	f.Fuzz(func(t *testing.T, method, path, query, kind, body string) {
		r := newRig(t)
		req := appserver.Request{Method: method, Path: path, Query: query, Header: map[string]string{"content-type": kind}, Body: []byte(body), From: query}
		a := envelope(t, r.api.Call(t.Context(), req))
		if strings.Contains(r.log.String(), "panic") {
			t.Errorf("a panic: %s", a.raw)
		}
	})
}
