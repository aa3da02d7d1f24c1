package douyin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestWholeFlow(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set)
		init := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
		for _, c := range "@+/=" {
			if !strings.ContainsRune(init, c) {
				t.Errorf("upload_id %q holds no %q", init, c)
			}
		}
		var whole []byte
		rng := rand.New(rand.NewPCG(1, 2))
		parts := make([][]byte, 5)
		for i := range parts {
			parts[i] = make([]byte, []int{10, 100, 37, 10, 3}[i]) // the last may be short
			for j := range parts[i] {
				parts[i][j] = byte(rng.Uint32())
			}
			whole = append(whole, parts[i]...)
		}
		var wg sync.WaitGroup
		for i := len(parts) - 1; i >= 0; i-- { // any order, in parallel
			wg.Go(func() {
				a := r.file("part_upload", parts[i], "upload_id", init, "part_number", fmt.Sprint(i+1))
				if a.err != nil || a.str("error_code") != "0" {
					t.Errorf("part %d: %v %s", i+1, a.err, a.raw)
				}
			})
		}
		wg.Wait()
		video := r.publish("complete", "", nil, "upload_id", init).want(t, 0).str("video", "video_id")
		made := r.createText(video, "你好 #topic").want(t, 0)
		item := made.str("item_id")
		if id := made.str("video_id"); (r.gen == V1) == (id == "<nil>") || id == video {
			t.Errorf("create's video_id %q in %s: v1 only, and never the upload's", id, r.gen)
		}
		list := r.publish("list", "", nil, "cursor", "0", "count", "10").want(t, 0)
		first := list.body.Data["list"].([]any)[0].(map[string]any)
		if first["item_id"] != item || first["title"] != "你好 #topic" || fmt.Sprint(first["create_time"]) != fmt.Sprint(r.clock.Now().Unix()) {
			t.Errorf("list shows %v", first)
		}
		b, _ := json.Marshal(map[string]any{"item_ids": []string{item, "@other"}})
		if got := r.json("data", string(b)).want(t, 0).body.Data["list"].([]any); len(got) != 1 {
			t.Errorf("data shows %d posts", len(got))
		}
		e := r.s.Effects()
		if len(e.Posts) != 1 || e.Posts[0].SHA256 != sum(whole) || e.Posts[0].Size != int64(len(whole)) || e.Posts[0].Account != user ||
			e.Assets[0].Posts != 1 || e.Assets[0].Parts != 5 {
			t.Errorf("effects %+v", e)
		}
		f, err := r.s.OpenAsset(video)
		must(t, err)
		defer f.Close()
		if got, _ := io.ReadAll(f); !bytes.Equal(got, whole) {
			t.Error("kept bytes differ")
		}
	})
}

func TestSingleUpload(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set)
		r.file("upload", make([]byte, 50)).want(t, 0)
		if a := r.file("upload", make([]byte, 51)).want(t, 2190005); a.str("video") != "<nil>" {
			t.Error("video beside an error")
		}
		r.file("upload", make([]byte, 3*MiB)).want(t, 2190005) // refused by its length, answered all the same
		r.file("upload", nil).want(t, r.param())
		b, ct := form(t, "video", "a.mp4", "application/octet-stream", []byte("x"))
		a := r.publish("upload", ct, bytes.NewReader(b)).want(t, 2100005)
		if a.str("description") != "unsupported content type application/octet-stream" {
			t.Error(a.raw)
		}
		b, ct = form(t, "file", "a.mp4", "video/mp4", []byte("x"))
		r.publish("upload", ct, bytes.NewReader(b)).want(t, r.param())
		b, ct = form(t, "video", "", "video/mp4", []byte("x"))
		r.publish("upload", ct, bytes.NewReader(b)).want(t, r.param())
		b, ct = form(t, "video", "a.mp4", "video/mp4", []byte("x"))
		r.publish("upload", ct, bytes.NewReader(b[:len(b)-8])).want(t, r.param()) // no closing boundary
		r.publish("upload", "video/mp4", strings.NewReader("x")).want(t, r.param())
		if a := r.publish("upload", ct, io.MultiReader(bytes.NewReader(b))); a.status != http.StatusLengthRequired {
			t.Errorf("chunked body: HTTP %d, want 411", a.status)
		}
		if n := len(r.s.Effects().Assets); n != 1 {
			t.Errorf("%d assets, want 1", n)
		}
	})
}

func TestHardLimitOfOneRequestIsTheGenerations(t *testing.T) {
	if got := (Limits{}).singleLimit(Legacy); got != 128*MiB {
		t.Error("legacy", got)
	}
	if got := (Limits{}).singleLimit(V1); got != 300*MiB {
		t.Error("v1", got)
	}
	if got := (Limits{}).coverLimit(Legacy); got != 100*MiB {
		t.Error("legacy cover", got)
	}
	l := Limits{}.withDefaults()
	if l.PartMin != 5*MiB || l.PartMax != 100*MiB || l.Whole != 4096*MiB || l.Text != 1000 || l.PostsPerDay != 75 || l.UploadLife != 2*time.Hour {
		t.Errorf("%+v", l)
	}
}

func TestCoverImage(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set, func(o *Options) { o.Limits.CoverImage = 30 })
		png := func(n int) []byte { return append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, n-8)...) }
		r.file("image_upload", png(30)).want(t, 0)
		r.file("image_upload", png(31)).want(t, 2190005)
		r.file("image_upload", make([]byte, 30)).want(t, r.param())
		b, ct := form(t, "image", "a.png", "video/mp4", []byte("x"))
		r.publish("image_upload", ct, bytes.NewReader(b)).want(t, 2100005)
	})
}

func TestPartRules(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set)
		id := r.publish("part_init", "application/json", strings.NewReader("{}")).want(t, 0).str("upload_id")
		part := func(n string, size int) reply {
			return r.file("part_upload", make([]byte, size), "upload_id", id, "part_number", n)
		}
		for _, n := range []string{"0", "-1", "+1", "01", "x", "", "1001"} {
			part(n, 20).want(t, r.param())
		}
		part("2", 101).want(t, r.param())
		part("2", 100).want(t, 0)
		part("1", 9).want(t, r.param()) // short, and a later one exists
		part("1", 10).want(t, 0)
		part("3", 9).want(t, 0) // may be the last
		part("4", 9).want(t, 0)
		r.publish("complete", "", nil, "upload_id", id).want(t, r.param()) // 3 is short and not the last
		part("3", 30).want(t, 0)                                           // the later bytes replace the earlier
		for n := range 8 {
			part(fmt.Sprint(5+n), 100).want(t, 0)
		}
		part("13", 100).want(t, r.param()) // over the whole: 949 + 100
		r.file("part_upload", make([]byte, 20), "part_number", "1").want(t, r.param())
		b, ct := form(t, "video", "a", "application/octet-stream", make([]byte, 20))
		r.publish("part_upload", ct, bytes.NewReader(b), "upload_id", id, "part_number", "1").want(t, 2100005)
		r.publish("complete", "", nil).want(t, r.param())
	})
}

func TestUploadIDMustBePercentEncoded(t *testing.T) {
	r := newRig(t)
	id := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
	b, ct := form(t, "video", "a", "video/mp4", make([]byte, 20))
	send := func(query string) reply {
		return r.do("POST", paths[V1]["part_upload"], nil, ct, bytes.NewReader(b), func(q *http.Request) {
			q.Header.Set("access-token", r.act)
			q.URL.RawQuery = "open_id=" + url.QueryEscape(r.id) + "&part_number=1&upload_id=" + query
		})
	}
	send(id).want(t, 28001007) // arrives altered: + became a space
	send(url.QueryEscape(id)).want(t, 0)
	send("%zz").want(t, 28001007)
}

func TestUploadIDLivesTwoHours(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set)
		id := r.publish("part_init", "", nil).want(t, 0).str("upload_id")
		r.clock.Advance(2*time.Hour - time.Second)
		r.file("part_upload", make([]byte, 20), "upload_id", id, "part_number", "1").want(t, 0)
		r.clock.Advance(time.Second)
		r.file("part_upload", make([]byte, 20), "upload_id", id, "part_number", "1").want(t, r.param())
		r.publish("complete", "", nil, "upload_id", id).want(t, r.param())
	})
}

func TestCreateRules(t *testing.T) {
	eachGeneration(t, func(t *testing.T, set func(*Options)) {
		r := newRig(t, set, func(o *Options) { o.SensitiveWord = "坏词" })
		v := r.newVideo("content")
		r.createText("v0unknown", "x").want(t, 2190007)
		r.json("create", `{"text":"x"}`).want(t, r.param())
		r.json("create", `not json`).want(t, r.param())
		r.json("create", `{"video_id":"`+v+`"} {}`).want(t, r.param())
		r.json("create", `{"video_id":"`+v+`","text":7}`).want(t, r.param())
		r.publish("create", "text/plain", strings.NewReader(`{"video_id":"`+v+`"}`)).want(t, r.param())
		r.json("create", `{"video_id":"`+v+`","poi_id":"p","micro_app_id":"m"}`).want(t, r.param())
		r.json("create", `{"video_id":"`+v+`","article_id":"a"}`).want(t, r.param())
		r.json("create", `{"video_id":"`+v+`","custom_cover_image_url":"https://x"}`).want(t, r.param())
		r.createText(v, "有坏词").want(t, 2111001)
		r.createText(v, strings.Repeat("字", 1001)).want(t, r.param())
		if r.posts() != 0 {
			t.Fatal("a refused create made a post")
		}
		img := r.file("image_upload", []byte("\x89PNG\r\n\x1a\n")).want(t, 0).str("image", "image_id")
		b, _ := json.Marshal(map[string]any{"video_id": v, "text": strings.Repeat("字", 1000), "custom_cover_image_url": img,
			"poi_id": nil, "micro_app_id": "m", "micro_app_title": "t", "cover_tsp": 1.5, "at_users": []string{"u"}})
		r.json("create", string(b)).want(t, 0)
		r.createText(v, "again").want(t, 2190007) // one video_id serves one create
		v = r.newVideo("late")
		r.clock.Advance(2 * time.Hour)
		r.createText(v, "late").want(t, 2190007)
	})
}

func TestFieldsOfTheOtherGenerationAreIgnored(t *testing.T) {
	body := func(v string) string {
		return `{"video_id":"` + v + `","private_status":1,"game_id":"g","poi_id":"p"}`
	}
	v1 := newRig(t)
	v1.json("create", body(v1.newVideo("a"))).want(t, 28001007) // two anchors
	old := newRig(t, legacyQuery)
	old.json("create", body(old.newVideo("a"))).want(t, 0) // the legacy call knows no game and no private_status
	if f := string(old.s.Effects().Posts[0].Fields); strings.Contains(f, "private_status") {
		t.Error("a public post recorded as private:", f)
	}
	v1.json("create", `{"video_id":"`+v1.newVideo("a")+`","private_status":3}`).want(t, 28001007)
}

func TestSeventyFivePostsADayInChina(t *testing.T) {
	r := newRig(t)
	for i := range 75 {
		r.createText(r.newVideo("x"), fmt.Sprint(i)).want(t, 0)
	}
	v := r.newVideo("x")
	r.createText(v, "76").want(t, 2114007)
	r.clock.Advance(14*time.Hour - time.Second) // 10:00 to 23:59:59 in China; the video_id has died meanwhile
	v = r.newVideo("x")
	r.createText(v, "76").want(t, 2114007)
	r.clock.Advance(time.Second)
	must(t, r.s.ExpireAccess(user)) // a fresh video, the same refusal, and the day is over
	r.refresh()
	r.createText(v, "76").want(t, 0) // refused at the door: the video_id was not spent
}

func TestListPages(t *testing.T) {
	for _, reading := range []string{"longer", "shorter"} {
		t.Run(reading, func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.Readings.PinnedPage = reading })
			var ids []string
			for i := range 7 {
				ids = append(ids, r.createText(r.newVideo("x"), fmt.Sprint(i)).want(t, 0).str("item_id"))
			}
			must(t, r.s.Pin(ids[1]))
			cursor, more, seen, sizes := "0", true, map[string]int{}, []int{}
			for more {
				a := r.publish("list", "", nil, "cursor", cursor, "count", "3").want(t, 0)
				page := a.body.Data["list"].([]any)
				sizes = append(sizes, len(page))
				for _, p := range page {
					seen[p.(map[string]any)["item_id"].(string)]++
				}
				cursor, more = a.str("cursor"), a.body.Data["has_more"].(bool)
			}
			want := map[string]string{"longer": "[4 3]", "shorter": "[4 2 1]"}[reading]
			if fmt.Sprint(sizes) != want || len(seen) != 7 {
				t.Errorf("pages of %v, want %s; %d posts seen", sizes, want, len(seen))
			}
		})
	}
	r := newRig(t)
	for _, q := range [][2]string{{"x", "3"}, {"-1", "3"}, {"0", "0"}, {"0", "21"}, {"0", ""}} {
		r.publish("list", "", nil, "cursor", q[0], "count", q[1]).want(t, 28001007)
	}
}

func TestListLagHidesANewPost(t *testing.T) {
	r := newRig(t, func(o *Options) { o.ListLag = time.Minute })
	r.createText(r.newVideo("x"), "t").want(t, 0)
	count := func() int {
		return len(r.publish("list", "", nil, "cursor", "0", "count", "10").want(t, 0).body.Data["list"].([]any))
	}
	if n := count(); n != 0 {
		t.Error("seen at once")
	}
	r.clock.Advance(time.Minute)
	if n := count(); n != 1 {
		t.Error("not seen after the lag")
	}
	_, err := r.s.PostByHand(user, "t")
	must(t, err)
	r.clock.Advance(time.Minute)
	if count() != 2 || r.posts() != 1 {
		t.Error("a post by hand is in the list and no effect of ours")
	}
}

func TestDelete(t *testing.T) {
	r := newRig(t, legacyQuery)
	id := r.createText(r.newVideo("x"), "t").want(t, 0).str("item_id")
	other, err := r.s.AddAccount("other", nil)
	must(t, err)
	mine := *r
	r.id, r.act = "other", other.AccessToken
	r.json("delete", `{"item_id":"`+id+`"}`).want(t, 2100007)
	r = &mine
	r.json("delete", `{}`).want(t, 2100005)
	r.json("delete", `{"item_id":"`+id+`"}`).want(t, 0)
	r.json("delete", `{"item_id":"`+id+`"}`).want(t, 2100005)
	if e := r.s.Effects(); len(e.Posts) != 1 || !e.Posts[0].Deleted {
		t.Error("a deleted post was made all the same")
	}
	v1 := newRig(t)
	v1.json("delete", `{"item_id":"x"}`).want(t, 28001017)
	v1 = newRig(t, func(o *Options) { o.Readings.LegacyDelete = "accept" })
	id = v1.createText(v1.newVideo("x"), "t").want(t, 0).str("item_id")
	v1.json("delete", `{"item_id":"`+id+`"}`).want(t, 0)
}
