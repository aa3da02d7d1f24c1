package youku

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

func TestWholeUpload(t *testing.T) {
	r := newRig(t)
	a := r.create([]byte("video"), "title", "标题", "public_type", "password", "watch_password", "Pass1", "thumbnail", "https://a.example/c.jpg").want(t, "")
	if a.status != 201 || a.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Error(a.status, a.header)
	}
	for key, form := range map[string]string{"video_id": `^X[A-Za-z0-9+/]+=*$`, "upload_token": `^[A-Za-z0-9+/=]{30,}$`, "endpoint": `^oss-cn-shanghai\.aliyuncs\.com$`,
		"oss_bucket": `^yk-source-upload$`, "oss_object": `^tmp/[0-9a-f]{32}$`, "temp_access_id": `.`, "temp_access_secret": `.`, "security_token": `.`,
		"expire_time": `^2026-11-20T03:30:00Z$`, "upload_server_uri": `^<none>$`, "instant_upload_ok": `^<none>$`} {
		if !regexp.MustCompile(form).MatchString(a.str(key)) {
			t.Errorf("%s: %q", key, a.str(key))
		}
	}
	r.show(a.str("video_id")).want(t, "120020001")
	must(t, r.put(a, a, []byte("video")))
	if r.posts() != 0 {
		t.Error("posted before commit")
	}
	b := r.commit(a).want(t, "")
	if b.status != 200 || b.str("video_id") != a.str("video_id") {
		t.Error(b.raw)
	}
	v := r.show(b.str("video_id")).want(t, "")
	for key, want := range map[string]string{"id": b.str("video_id"), "title": "标题", "tags": "ab,cd", "state": "encoding", "category": "Other",
		"link": "http://v.youku.com/v_show/id_" + b.str("video_id") + ".html", "public_type": "password", "copyright_type": "original",
		"thumbnail": "https://a.example/c.jpg", "created": "2026-11-20 10:30:00", "published": "<none>"} {
		if v.str(key) != want {
			t.Errorf("%s: %q, want %q", key, v.str(key), want)
		}
	}
	all := r.s.Videos()
	if len(all) != 1 || all[0].PasswordSHA256 != sha([]byte("Pass1")) || all[0].Fields["watch_password"] != "" || strings.Contains(v.raw, "Pass1") {
		t.Errorf("%+v", all)
	}
	e := r.s.Effects()
	if len(e.Posts) != 1 || len(e.Assets) != 1 || e.Assets[0].Posts != 1 {
		t.Fatalf("%+v", e)
	}
	p := e.Posts[0]
	if p.ID != b.str("video_id") || p.Account != "main" || p.Title != "标题" || p.Size != 5 || p.SHA256 != sha([]byte("video")) || !p.Time.Equal(r.clock.Now()) {
		t.Errorf("%+v", p)
	}
	var f struct{ State, MD5 string }
	if must(t, json.Unmarshal(p.Fields, &f)); f.State != "encoding" || f.MD5 != md5Of([]byte("video")) {
		t.Errorf("%+v", f)
	}
}

func TestStatesOverTime(t *testing.T) {
	for end, want := range map[State]string{"": "encoding in_review normal", Normal: "encoding in_review normal", Fail: "encoding fail fail",
		Limited: "encoding in_review limited", Blocked: "encoding in_review blocked"} {
		for _, how := range []string{"account", "shape"} {
			r := newRig(t)
			if how == "account" {
				must(t, r.s.SetOutcome("main", end))
			} else if end != "" {
				r.inject(fake.Fault{Op: "commit", Shape: Shape{Outcome: end}.JSON()})
			}
			id := r.published("x")
			got := r.state(id)
			r.clock.Advance(30 * time.Second)
			got += " " + r.state(id)
			r.clock.Advance(60 * time.Second)
			got += " " + r.state(id)
			if got != want {
				t.Errorf("%q by %s: %s, want %s", end, how, got, want)
			}
			if p := r.show(id).str("published"); (p != "<none>") != (strings.HasSuffix(want, "normal") || end == Limited) {
				t.Errorf("%q: published %s", end, p)
			}
		}
	}
}

func TestAVideoIsHiddenForAWhileAfterCommit(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Pace.Hidden = time.Minute })
	id := r.published("x")
	r.clock.Advance(time.Minute - 1)
	r.show(id).want(t, "120020001")
	r.clock.Advance(1)
	r.show(id).want(t, "")
	must(t, r.s.SetState(id, "odd"))
	if got := r.state(id); got != "odd" {
		t.Error(got)
	}
	must(t, r.s.Delete(id))
	r.show(id).want(t, "120020001")
	if e := r.s.Effects().Posts; len(e) != 1 || !e[0].Deleted {
		t.Errorf("%+v", e)
	}
	if r.s.Delete("XNone") == nil || r.s.SetOutcome("nobody", Fail) == nil {
		t.Error("took an id that is none")
	}
}

func TestCredentialsExpireAndAreRenewed(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.CredentialLife = 2 * time.Second })
	a := r.create([]byte("x")).want(t, "")
	b := r.sts(a).want(t, "")
	if b.status != 200 || b.str("oss_bucket") != "<none>" || b.str("oss_object") != "<none>" || b.str("upload_token") != a.str("upload_token") ||
		b.str("temp_access_id") == a.str("temp_access_id") {
		t.Error(b.raw)
	}
	must(t, r.put(a, a, []byte("x"))) // the old one lives on to its own end
	r.clock.Advance(2 * time.Second)
	for _, dead := range []reply{a, b} {
		if err := r.put(a, dead, []byte("x")); err == nil || err.Error() != "SecurityTokenExpired" {
			t.Error(err)
		}
	}
	must(t, r.put(a, r.sts(a).want(t, ""), []byte("x")))
	r.inject(fake.Fault{Op: "get_sts_inf", Shape: Shape{CredentialMS: 7000}.JSON()})
	if got := r.sts(a).want(t, "").str("expire_time"); got != "2026-11-20T02:30:09Z" {
		t.Error(got)
	}
	r.commit(a).want(t, "")
	r.sts(a).want(t, "120010151")
	r.shelf.broken = true
	r.create([]byte("y")).want(t, "1002")
	if len(r.s.Videos()) != 1 {
		t.Error("an upload without a credential was kept")
	}
}

func TestTokenBucketAndObjectBelongTogether(t *testing.T) {
	r := newRig(t)
	a, b := r.create([]byte("x")).want(t, ""), r.create([]byte("y")).want(t, "")
	r.sts(a, "oss_object", b.str("oss_object")).want(t, "120010005")
	r.sts(a, "oss_bucket", "other").want(t, "120010005")
	r.sts(a, "upload_token", b.str("upload_token")).want(t, "120010005")
	r.sts(a, "upload_token", "none").want(t, "120010005")
	r.be("other")
	r.sts(a).want(t, "120010005")
	r.commit(a).want(t, "120010005")
	r.cancel(a).want(t, "120010005")
}

func TestUploadTokenEnds(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.AccessLife = 1000 * time.Hour })
	a, b := r.uploaded("x"), r.uploaded("y")
	r.clock.Advance(24*time.Hour - 1)
	r.sts(a).want(t, "")
	r.commit(b).want(t, "")
	r.clock.Advance(1)
	r.sts(a).want(t, "120010223")
	r.commit(a).want(t, "120010223")
	r.commit(b).want(t, "120010151") // committed: that it is so comes before its age
}

func TestCommitLooksAtTheStoredObject(t *testing.T) {
	none := func(*Options) {}
	for name, c := range map[string]struct {
		set    func(*Options)
		stored string
		want   string
		again  string // after the right bytes have come
	}{
		"nothing stored":        {none, "", "120010151", ""},
		"short":                 {none, "conten", "12001010225", "120010151"},
		"long":                  {none, "content.", "12001010225", "120010151"},
		"other bytes":           {none, "CONTENT", "12001010225", "120010151"},
		"as expected":           {func(o *Options) { o.Readings.HashCode = 120010225 }, "CONTENT", "120010225", "120010151"},
		"as a CRC":              {func(o *Options) { o.Readings.HashCode = 120010218 }, "CONTENT", "120010218", "120010151"},
		"may be tried again":    {func(o *Options) { o.Readings.AfterHash = "open" }, "CONTENT", "12001010225", ""},
		"seen when transcoding": {func(o *Options) { o.Readings.HashCheck = "transcode" }, "CONTENT", "", "120010151"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.set)
			a := r.create([]byte("content")).want(t, "")
			if c.stored != "" {
				must(t, r.put(a, a, []byte(c.stored)))
			}
			r.commit(a).want(t, c.want)
			if n := r.posts(); (n == 1) != (c.want == "") {
				t.Error(n, "posts")
			}
			must(t, r.put(a, a, []byte("content")))
			r.commit(a).want(t, c.again)
			if name == "seen when transcoding" {
				r.clock.Advance(time.Hour)
				if got := r.state(a.str("video_id")); got != "fail" {
					t.Error(got)
				}
			}
		})
	}
}

func TestWebUploadNeedsNoMD5(t *testing.T) {
	r := newRig(t)
	a := r.create([]byte("12345"), "file_md5", "-", "isweb", "1").want(t, "")
	must(t, r.put(a, a, []byte("abcde")))
	r.commit(a).want(t, "")
	r.create([]byte("12345"), "file_md5", "-").want(t, "1012")
}

func TestSecondCommitMakesNoSecondPost(t *testing.T) {
	for word, want := range map[string]string{"": "120010151", "duplicate_token": "120010216", "duplicate": "120010221", "same": ""} {
		r := newRig(t, func(o *Options) { o.Readings.SecondCommit = word })
		a := r.uploaded("x")
		r.inject(fake.Fault{Op: "commit", Cut: fake.CutAfter})
		if b := r.commit(a); b.err == nil {
			t.Fatal("answered")
		}
		if b := r.commit(a).want(t, want); want == "" && b.str("video_id") != a.str("video_id") {
			t.Error(b.raw)
		}
		if r.posts() != 1 || r.state(a.str("video_id")) != "encoding" {
			t.Error(word, r.posts())
		}
	}
}

func TestCommitsAtOnceMakeOnePost(t *testing.T) {
	r := newRig(t)
	a := r.uploaded("x")
	r.shelf.looks = make(chan chan struct{})
	const n = 5
	codes := make(chan string, n)
	for range n {
		go func() { codes <- r.commit(a).code }()
	}
	var waits []chan struct{}
	for range n {
		waits = append(waits, <-r.shelf.looks)
	}
	for _, wait := range waits { // every one of them is past its first check
		close(wait)
	}
	got := map[string]int{}
	for range n {
		got[<-codes]++
	}
	if r.posts() != 1 || got[""] != 1 || got["120010151"] != n-1 {
		t.Error(r.posts(), got)
	}
}

func TestTheSameFileTwice(t *testing.T) {
	set := func(word string) func(*Options) { return func(o *Options) { o.Readings.DuplicateOf = word } }
	r := newRig(t)
	r.create([]byte("x")).want(t, "")
	id := r.published("x") // an upload that was never committed is in nobody's way
	r.create([]byte("x")).want(t, "120010111")
	r.create([]byte("x"), "title", "another", "file_name", "b.mov").want(t, "120010111")
	r.create([]byte("y")).want(t, "")
	r.be("other")
	r.create([]byte("x")).want(t, "") // of the same user only
	r.be("main")
	must(t, r.s.SetState(id, Fail))
	r.create([]byte("x")).want(t, "")

	r = newRig(t, set("created"))
	a := r.create([]byte("x")).want(t, "")
	r.create([]byte("x")).want(t, "120010111")
	r.cancel(a).want(t, "")
	r.create([]byte("x")).want(t, "")

	r = newRig(t, set("none"))
	r.published("x")
	r.published("x")
	if r.posts() != 2 {
		t.Error(r.posts())
	}

	for word, want := range map[string]string{"accept": "", "refuse": "120010111"} {
		r = newRig(t, func(o *Options) { o.Readings.SecondTask = word })
		one, two := r.uploaded("x"), r.uploaded("x")
		r.commit(one).want(t, "")
		r.commit(two).want(t, want)
	}
}

func TestKnownBytesNeedNoObject(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Readings.InstantUpload = "on" })
	r.published("x")
	r.be("other")
	a := r.create([]byte("x")).want(t, "")
	if a.str("instant_upload_ok") != "yes" || a.str("oss_object") == "<none>" {
		t.Error(a.raw)
	}
	r.commit(a).want(t, "")
	if b := r.create([]byte("y")).want(t, ""); b.str("instant_upload_ok") != "<none>" {
		t.Error(b.raw)
	}
}

func TestCancel(t *testing.T) {
	r := newRig(t)
	a := r.uploaded("x")
	if b := r.cancel(a).want(t, ""); b.str("upload_token") != a.str("upload_token") {
		t.Error(b.raw)
	}
	r.commit(a).want(t, "120010151")
	r.sts(a).want(t, "120010151")
	r.cancel(a).want(t, "120010151")
	b := r.uploaded("x")
	r.commit(b).want(t, "")
	r.cancel(b).want(t, "120010151")
	if r.posts() != 1 {
		t.Error(r.posts())
	}
	r = newRig(t, func(o *Options) { o.Readings.Cancel = "ignored" })
	a = r.uploaded("x")
	r.cancel(a).want(t, "")
	r.commit(a).want(t, "")
}

func TestWithoutIsnewNothingGoesToOSS(t *testing.T) {
	for _, value := range []string{"0", "-"} {
		r := newRig(t)
		a := r.create([]byte("x"), "isnew", value).want(t, "")
		if a.str("upload_server_uri") == "<none>" || a.str("oss_object") != "<none>" || a.str("security_token") != "<none>" {
			t.Error(a.raw)
		}
		r.sts(a, "oss_bucket", "", "oss_object", "").want(t, "120010005")
		r.commit(a).want(t, "120010151")
	}
}

func TestQuotas(t *testing.T) {
	for code, want := range map[int]string{0: "1003", 1006: "1006"} {
		r := newRig(t, func(o *Options) {
			o.Apps = []App{{ClientID: "c", CallsPerHour: 2}}
			o.Readings.QuotaCode = code
		})
		r.show("X").want(t, "120020001")
		r.create([]byte("x")).want(t, "")
		r.create([]byte("y")).want(t, want)
		r.show("X").want(t, want)
		r.clock.Advance(30 * time.Minute) // 02:30 to the full hour
		r.show("X").want(t, "120020001")
	}
	r := newRig(t, func(o *Options) { o.Limits.OpenUploads = 2; o.Limits.AccessLife = 48 * time.Hour })
	a := r.uploaded("1")
	b := r.create([]byte("2")).want(t, "")
	r.create([]byte("3")).want(t, "120010210")
	r.commit(a).want(t, "")
	r.create([]byte("3")).want(t, "")
	r.cancel(b).want(t, "")
	r.create([]byte("4")).want(t, "")
	r.create([]byte("5")).want(t, "120010210")
	r.clock.Advance(24 * time.Hour)
	r.create([]byte("5")).want(t, "")
}

func TestDateIsThePlatformsClock(t *testing.T) {
	r := newRig(t)
	for _, f := range []fake.Fault{{}, {Op: "show", Code: 1001}, {Op: "show", Status: 502}} {
		if f.Op != "" {
			r.inject(f)
		}
		if d := r.show("X").header.Get("Date"); d != r.clock.Now().Format(http.TimeFormat) {
			t.Error(fmt.Sprint(f), d)
		}
	}
}
