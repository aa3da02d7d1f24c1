package appserver_test

import (
	"fmt"
	"testing"

	"github.com/vodlift/vodlift/shared/appserver"
)

// BenchmarkCalls is our own time of a call: table in memory, no network.
func BenchmarkCalls(b *testing.B) {
	r := newRig(b)
	me := r.person("myself")
	for range 200 {
		r.public(me)
	}
	page := values("token", me.token, "pageIndex", "5", "pageSize", "10").Encode()
	for name, call := range map[string]func(i int) appserver.Request{
		"recommended list of 10": func(int) appserver.Request {
			return appserver.Request{Method: "GET", Path: "/vod/getRecommendVideoList", Query: page}
		},
		"music": func(int) appserver.Request {
			return appserver.Request{Method: "GET", Path: "/music/getRecommendMusic", Query: "pageNo=1&pageSize=10"}
		},
		"upload auth": func(i int) appserver.Request {
			return appserver.Request{Method: "GET", Path: "/vod/getVideoUploadAuth", Query: values("token", me.token, "title", fmt.Sprint(i), "fileName", "a.mp4").Encode()}
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if e := r.api.Call(b.Context(), call(i)); e.Code != "200" {
					b.Fatal(e.Code, *e.Message)
				}
			}
		})
	}
}
