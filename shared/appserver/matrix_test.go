package appserver_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/appserver/videos"
	"github.com/vodlift/vodlift/shared/vod"
)

func vod0() vod.Video { return vod.Video{Status: vod.StatusNormal, Size: 1} }

// Every call that takes an id, by everybody who could try, on a video in every state: only the owner gets anywhere, but
// for playing what is public, and what was refused changed nothing and told nothing.
func TestNobodyTouchesWhatIsNotHis(t *testing.T) {
	calls := []struct {
		method, path string
		v            func(id, user string) url.Values
	}{
		{"GET", "/vod/refreshVideoUploadAuth", func(id, _ string) url.Values { return values("videoId", id) }},
		{"GET", "/vod/getVideoPlayAuth", func(id, _ string) url.Values { return values("videoId", id) }},
		{"POST", "/vod/videoPublish", func(id, _ string) url.Values { return values("videoId", id, "title", "stolen") }},
		{"POST", "/vod/deleteVideoById", func(id, user string) url.Values { return values("videoId", id, "userId", user) }},
		{"POST", "/user/updateUser", func(_, user string) url.Values { return values("userId", user, "nickname", "stolen") }},
		{"GET", "/demo/refreshVideoUploadAuth", func(id, _ string) url.Values { return values("videoId", id) }},
		{"GET", "/demo/getVideoPlayAuth", func(id, _ string) url.Values { return values("videoId", id) }},
	}
	for state, make := range states() {
		for _, c := range calls {
			t.Run(state+" "+c.path, func(t *testing.T) {
				r := newRig(t)
				owner, stranger, guest := r.person("owner"), r.person("stranger"), r.guest()
				expired := r.person("expired")
				if err := r.users.Revoke(t.Context(), expired.token); err != nil {
					t.Fatal(err)
				}
				id := make(r, owner)
				before := r.snapshot(owner, id)
				unknown := strings.Repeat("f", 32)
				for who, token := range map[string]string{"stranger": stranger.token, "guest": guest.token, "revoked": expired.token, "nobody": ""} {
					// As himself, and under the owner's id.
					for _, user := range []string{stranger.id, owner.id} {
						if c.path == "/user/updateUser" && user == stranger.id {
							continue
						}
						v := c.v(id, user)
						v.Set("token", token)
						a := r.send(c.method, c.path, v)
						public := state == "public" && strings.HasSuffix(c.path, "/getVideoPlayAuth") && (who == "stranger" || who == "guest" || strings.HasPrefix(c.path, "/demo"))
						if public != (a.Code == "200") {
							t.Errorf("%s: %s", who, a.raw)
						}
						if !public && (a.Code != "403" || strings.Contains(a.raw, "secret title") || strings.Contains(a.raw, owner.name)) {
							t.Errorf("%s: %s", who, a.raw)
						}
						// An id that does not exist is answered in the same words.
						v.Set("videoId", unknown)
						if b := r.send(c.method, c.path, v); !public && (b.Code != a.Code || b.text() != a.text()) {
							t.Errorf("%s can tell an id that exists: %s, %s", who, a.raw, b.raw)
						}
					}
				}
				if after := r.snapshot(owner, id); after != before {
					t.Errorf("changed from\n%s to\n%s", before, after)
				}
			})
		}
	}
}

// states are the ways to make a video of p in each state.
func states() map[string]func(*rig, person) string {
	return map[string]func(*rig, person) string{
		"issued": (*rig).issued, "uploaded": (*rig).uploaded, "published": (*rig).published, "public": (*rig).public,
		"deleted": func(r *rig, p person) string {
			id := r.public(p)
			if err := r.api.Videos().Delete(r.t.Context(), p.id, id); err != nil {
				r.t.Fatal(err)
			}
			return id
		},
	}
}

// snapshot is what the owner has: his video, his name, his list.
func (r *rig) snapshot(owner person, id string) string {
	r.t.Helper()
	v, err := r.api.Videos().Get(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	u, err := r.users.Get(r.t.Context(), owner.id)
	if err != nil {
		r.t.Fatal(err)
	}
	list, n, err := r.api.Videos().Personal(r.t.Context(), owner.id, videos.Page{Index: 1, Size: 10})
	if err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprintf("%+v\n%+v\n%d %+v\n%t", v, u, n, list, r.p.Has(id))
}

// The owner gets everywhere: the matrix above is not true for the wrong reason.
func TestTheOwnerMay(t *testing.T) {
	r := newRig(t)
	owner := r.person("owner")
	id := r.issued(owner)
	do := func(method, path, code string, pairs ...string) {
		t.Helper()
		if a := r.send(method, path, values(append(pairs, "token", owner.token, "videoId", id)...)); a.Code != code {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
	do("GET", "/vod/refreshVideoUploadAuth", "200")
	do("GET", "/vod/getVideoPlayAuth", "500") // not uploaded
	r.p.Upload(id, 10)
	do("GET", "/vod/refreshVideoUploadAuth", "500")
	do("GET", "/vod/getVideoPlayAuth", "200")
	do("POST", "/vod/videoPublish", "200")
	do("POST", "/vod/videoPublish", "500") // a second time, as the demo
	do("GET", "/vod/getVideoPlayAuth", "200")
	do("POST", "/vod/deleteVideoById", "200", "userId", owner.id)
	do("POST", "/vod/deleteVideoById", "200", "userId", owner.id)
	do("GET", "/vod/getVideoPlayAuth", "403")
	if r.p.Has(id) {
		t.Error("still at the platform")
	}
}

// Lists show everybody the same public videos and each only his own others, and name no login.
func TestLists(t *testing.T) {
	r := newRig(t)
	one, two := r.person("login-of-one"), r.person("login-of-two")
	r.published(one)
	mine := r.public(one)
	yours := r.published(two)
	if a := r.send("POST", "/user/updateUser", values("token", one.token, "userId", one.id, "nickname", "Nick")); a.Code != "200" {
		t.Fatal(a.raw)
	}
	list := func(path string, p person, pairs ...string) (ids []string, raw string) {
		a := r.send("GET", path, values(append(pairs, "token", p.token, "pageIndex", "1", "pageSize", "10")...))
		var d struct {
			VideoList []struct{ ID, VideoID string }
		}
		if err := json.Unmarshal(a.Data, &d); err != nil || a.Code != "200" {
			t.Fatal(a.raw)
		}
		for _, v := range d.VideoList {
			ids = append(ids, v.VideoID)
		}
		return ids, a.raw
	}
	for _, p := range []person{one, two} {
		ids, raw := list("/vod/getRecommendVideoList", p)
		if len(ids) != 1 || ids[0] != mine || strings.Contains(raw, "login-of") || !strings.Contains(raw, "Nick") || !strings.Contains(raw, `"status":"1"`) {
			t.Errorf("recommended: %s", raw)
		}
	}
	if ids, raw := list("/vod/getPersonalVideoList", two); len(ids) != 1 || ids[0] != yours || strings.Contains(raw, "fileUrl") {
		t.Errorf("personal: %s", raw)
	}
	if ids, raw := list("/vod/getPersonalVideoList", one, "id", "2"); len(ids) != 1 || ids[0] == mine {
		t.Errorf("personal, below 2: %s", raw)
	}
}
