package douyinweb

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/tos/drift"
)

func TestTheFiveStepsOfTheSeed(t *testing.T) {
	r := newRig(t)
	a := r.upAuth().want(t, 0)
	r.ak, r.auth = a.str("ak"), a.str("auth")
	if m := regexp.MustCompile(`^HMAC-SHA1:1\.0:(\d+):([0-9a-f]{32}):([A-Za-z0-9+/=]+)$`).FindStringSubmatch(r.auth); m == nil || m[2] != r.ak ||
		m[1] != strconv.FormatInt(r.clock.Now().Add(5*time.Hour).Unix(), 10) {
		t.Fatal("auth has another form than the reference's")
	}
	u := r.slot()
	if a := r.send(u, "hello"); a.str("success") != "0" || a.str("payload.key") != u.oid {
		t.Fatal(a.raw)
	}
	a = r.confirm(u, u.confirmBody()).want(t, 2000)
	if a.str("data.video.oid") != u.oid || a.str("data.poster.oid") == u.oid || a.str("message") != "ok" {
		t.Error(a.raw)
	}
	r.posts(0)
	a = r.create(form(u.vid, u.oid)).want(t, 0) // the seed's poster: the video's oid
	p := r.posts(1)[0]
	if p.ID != a.str("item_id") || p.Account != user || p.Asset != u.vid || p.Size != 5 || p.Title != "#音乐 遇见就是一种缘分" ||
		p.SHA256 != "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" {
		t.Errorf("%+v", p)
	}
	var fields map[string]string
	must(t, json.Unmarshal(p.Fields, &fields))
	if len(fields) != 14 || fields["challenges"] != `["1550712576368642"]` || fields["third_text"] != "遇见就是一种缘分" {
		t.Error(fields)
	}
	if e := r.s.Effects().Assets; len(e) != 1 || e[0].Posts != 1 || r.s.Object(u.vid) != u.oid {
		t.Errorf("%+v", e)
	}
	if l := append(r.s.Leaks(), r.tos.Leaks()...); len(l) != 0 {
		t.Error(l)
	}
}

func TestStepTwoAnswersAsRecorded(t *testing.T) {
	r := newRig(t)
	a := r.params("&use_edge_node=1&file_size=917394&s=abcdefghijk").want(t, 2000)
	top, edge := pick(a, "data."), pick(a, "data.edge_nodes.0.")
	if top.vid != edge.vid || top.oid == edge.oid || top.sign == edge.sign || top.token == edge.token || top.extra == edge.extra {
		t.Error("same vid, the rest of its own:", a.raw)
	}
	for _, u := range []uploadSlot{top, edge} {
		q, err := url.ParseQuery(u.extra)
		must(t, err)
		sign := strings.Split(u.sign, ":")
		deadline, _ := base64.StdEncoding.DecodeString(sign[2])
		object, _ := base64.StdEncoding.DecodeString(sign[3])
		vts, _ := strconv.ParseInt(q.Get("vts"), 10, 64)
		if string(deadline) != fmt.Sprintf("deadline: %d", vts+86400) || string(object) != u.oid || vts != r.clock.Now().Unix() {
			t.Error(string(deadline), string(object), vts)
		}
		first, last, _ := strings.Cut(u.token, ":")
		b, err := base64.StdEncoding.DecodeString(first)
		must(t, err)
		var inner map[string]string
		must(t, json.Unmarshal(b, &inner))
		if inner["upload_sign"] != u.sign || inner["host"] != u.host || inner["nonce"] == "" || len(inner) != 3 || len(last) != 64 {
			t.Error(inner, last)
		}
		if q.Get("host") != u.host || q.Get("file_size") != "917394.000000" || q.Get("upload_mode") != "serial" || !strings.HasPrefix(u.oid, "tos-cn-v-0000/") {
			t.Error(q)
		}
		if sign[0] != a.str("data.access_key") {
			t.Error("access_key is not that of tos_sign")
		}
	}
	if b := pick(r.params("").want(t, 2000), "data."); b.vid == top.vid {
		t.Error("the same vid again")
	}
	if got := r.params("").str("data.edge_nodes"); got != "[]" {
		t.Error("edge nodes that nobody asked for:", got)
	}
}

func TestEitherSetWorksAndBothReadingsOfEdgeNodes(t *testing.T) {
	for reading, nodes := range map[string]int{"one": 1, "empty": 0, "two": 2} {
		r := newRig(t, func(o *Options) { o.Readings.EdgeNodes = reading })
		a := r.params("&use_edge_node=1").want(t, 2000)
		if n := len(a.body["data"].(map[string]any)["edge_nodes"].([]any)); n != nodes {
			t.Error(reading, n)
		}
		prefix := "data."
		if nodes == 2 {
			prefix = "data.edge_nodes.1."
		}
		u := pick(a, prefix)
		if b := r.send(u, "x"); b.str("success") != "0" {
			t.Error(b.raw)
		}
		r.confirm(u, u.confirmBody()).want(t, 2000)
	}
}

func TestOneHostForAll(t *testing.T) {
	r := newRig(t)
	web := httptest.NewServer(r.s.OneHost(r.tos))
	defer web.Close()
	r.site, r.gateway = web.URL, web.URL
	r.s.o.StorageHost = "" // then the host that was asked
	u, poster := r.video("hello")
	if "http://"+u.host != web.URL {
		t.Error(u.host)
	}
	r.create(form(u.vid, poster)).want(t, 0)
	if a := r.do("GET", web.URL+"/web/api/nope", ""); a.status != 404 {
		t.Error(a.status)
	}
	if a := r.do("GET", web.URL+"/_fake/effects", ""); a.status != 200 || !strings.Contains(a.raw, u.vid) {
		t.Error(a.raw)
	}
}

func TestHostsAreApart(t *testing.T) {
	r := newRig(t)
	r.signIn()
	if a := r.do("GET", r.site+"/video/openapi/v1/?action=GetVideoUploadParams", "", r.credential()); a.status != 404 {
		t.Error(a.status)
	}
	if a := r.do("GET", r.gateway+"/web/api/media/upload/auth/", "", head("Cookie", r.cookies)); a.status != 404 {
		t.Error(a.status)
	}
}

func TestLeaksAreSeen(t *testing.T) {
	r := newRig(t)
	r.params("", head("Cookie", r.cookies, "csrf_token", r.csrf)).want(t, 2000)
	r.upAuth(head("authorization", r.auth)).want(t, 0)
	r.do("GET", r.site+"/login", "", head("Cookie", r.cookies))
	want := "video_params: Cookie, video_params: Csrf_token, upload_auth: Authorization, login_page: Cookie"
	if got := strings.Join(r.s.Leaks(), ", "); got != want {
		t.Error(got)
	}
}

func TestCookieFiles(t *testing.T) {
	r := newRig(t)
	login, err := r.s.Session(user)
	must(t, err)
	var fromText, fromJSON []string
	for _, line := range strings.Split(login.Netscape(), "\n") {
		line = strings.TrimPrefix(line, "#HttpOnly_")
		if f := strings.Split(line, "\t"); len(f) == 7 && f[0] == ".douyin.com" && f[1] == "TRUE" && f[2] == "/" && f[3] == "TRUE" &&
			f[4] == strconv.FormatInt(login.Expires.Unix(), 10) {
			fromText = append(fromText, f[5]+"="+f[6])
		}
	}
	var list []struct{ Name, Value string }
	must(t, json.Unmarshal(login.JSON(), &list))
	for _, c := range list {
		fromJSON = append(fromJSON, c.Name+"="+c.Value)
	}
	if strings.Join(fromText, "; ") != login.Header() || strings.Join(fromJSON, "; ") != login.Header() || !strings.Contains(login.Netscape(), "#HttpOnly_") {
		t.Error("the forms hold different cookies")
	}
	if !strings.Contains(login.Header(), "csrf_token="+r.csrf) || len(r.csrf) != 32 {
		t.Error("csrf_token is missing, or not of 32 characters")
	}
	for _, text := range []string{fmt.Sprint(login), fmt.Sprintf("%+v %#v", login, login)} {
		if strings.Contains(text, r.csrf) {
			t.Error("a secret in", text)
		}
	}
}

func TestHelperReads(t *testing.T) {
	r := newRig(t, func(o *Options) { o.ListLag = time.Minute })
	get := func(path string) reply { return r.do("GET", r.site+path, "", head("Cookie", r.cookies)) }
	if a := get("/web/api/media/user/info/").want(t, 0); a.str("user.uid") != user {
		t.Error(a.raw)
	}
	u, poster := r.video("x")
	a := r.create(form(u.vid, poster)).want(t, 0)
	if got := get("/aweme/v1/creator/item/list/?cursor=").want(t, 0); got.str("item_info_list") != "[]" {
		t.Error("in the list at once", got.raw)
	}
	r.clock.Advance(time.Minute)
	hand, err := r.s.PostByHand(user, "mine")
	must(t, err)
	r.clock.Advance(time.Minute)
	if got := get("/aweme/v1/creator/item/list/?cursor=").want(t, 0); got.str("item_info_list.0.item_id") != hand || got.str("item_info_list.1.item_id") != a.str("item_id") {
		t.Error(got.raw)
	}
	first := get("/janus/douyin/creator/pc/work_list?status=0&count=1&max_cursor=0").want(t, 0)
	second := get("/janus/douyin/creator/pc/work_list?status=0&count=1&max_cursor="+first.str("max_cursor")).want(t, 0)
	if first.str("has_more") != "true" || second.str("has_more") != "false" || second.str("aweme_list.0.aweme_id") != a.str("item_id") {
		t.Error(first.raw, second.raw)
	}
	get("/janus/douyin/creator/pc/work_list?count=x").want(t, 5)
	get("/aweme/v1/creator/item/list/?cursor=-1").want(t, 5)
	r.posts(1)
}

func TestTwoUsersDoNotSeeEachOther(t *testing.T) {
	r := newRig(t)
	u, poster := r.video("x")
	other, err := r.s.AddAccount("2")
	must(t, err)
	r.create(form(u.vid, poster)).want(t, 0)
	r.use(other)
	r.create(form(u.vid, poster)).want(t, 2190)
	if got := r.do("GET", r.site+"/aweme/v1/creator/item/list/?cursor=", "", head("Cookie", r.cookies)).want(t, 0); got.str("item_info_list") != "[]" {
		t.Error("another user's posts", got.raw)
	}
	ak, auth := r.ak, r.auth
	r.signIn()
	r.confirm(u, u.confirmBody()).want(t, 4041)
	r.auth = auth
	r.params("").want(t, 4010)
	r.ak, r.auth = ak, "HMAC-SHA1:1.0:99999999999:"+ak+":AAAA"
	r.params("").want(t, 4010)
	r.posts(1)
}

func TestRestart(t *testing.T) {
	dir := t.TempDir() + "/web"
	must(t, fake.Mkdir(dir, false))
	in := func(o *Options) { o.Dir = dir; o.StorageHost = "" }
	must(t, fake.Mkdir(dir+"-tos", false))
	r := newRig(t, in)
	u := r.slot()
	r.send(u, "hello")
	next := func(old *rig) *rig { // the old one is not closed: as after a kill
		n := newRig(t, in)
		n.ak, n.auth = old.ak, old.auth
		if n.cookies != old.cookies {
			t.Fatal("the login was forgotten")
		}
		return n
	}
	r = next(r)
	poster := r.confirm(u, u.confirmBody()).want(t, 2000).str("data.poster.oid")
	r = next(r)
	if again := r.confirm(u, u.confirmBody()).want(t, 2000).str("data.poster.oid"); again != poster {
		t.Error("another poster")
	}
	r.create(form(u.vid, poster)).want(t, 0)
	r = next(r)
	r.posts(1)
}

func TestOpFieldsAreWhatAnswersHave(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Readings.CreateAnswer = "both" })
	get := func(path string) reply { return r.do("GET", r.site+path, "", head("Cookie", r.cookies)) }
	answers := map[string]reply{"upload_auth": r.upAuth(), "video_params": r.params("&use_edge_node=1"), "user_info": get("/web/api/media/user/info/")}
	u := r.slot()
	r.send(u, "x")
	answers["video_confirm"] = r.confirm(u, u.confirmBody())
	answers["create"] = r.create(form(u.vid, u.oid))
	answers["item_list"] = get("/aweme/v1/creator/item/list/?cursor=")
	answers["work_list"] = get("/janus/douyin/creator/pc/work_list?status=0&count=18&max_cursor=0")
	for op, want := range OpFields() {
		got, err := drift.Fields([]byte(answers[op].raw))
		must(t, err)
		have := map[string]bool{}
		for _, f := range got {
			have[f] = true
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d fields, want %d: %s", op, len(got), len(want), got)
		}
		for _, f := range want {
			if !have[f] {
				t.Errorf("%s: no %s", op, f)
			}
		}
	}
}

func TestEveryFieldCanDrift(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Readings.CreateAnswer = "both" })
	u := r.slot()
	r.send(u, "x")
	call := map[string]func() reply{
		"upload_auth":   func() reply { return r.upAuth() },
		"video_params":  func() reply { return r.params("&use_edge_node=1") },
		"video_confirm": func() reply { return r.confirm(u, u.confirmBody()) },
		"create":        func() reply { return r.create(form(u.vid, u.oid)) },
	}
	r.confirm(u, u.confirmBody()).want(t, 2000)
	for op, do := range call {
		for _, field := range OpFields()[op] {
			r.inject(fake.Fault{Op: op, Shape: drift.Dropped(field).JSON()})
			got, err := drift.Fields([]byte(do().raw))
			must(t, err)
			for _, f := range got {
				if f == field {
					t.Errorf("%s: %s is still there", op, field)
				}
			}
		}
	}
	r.inject(fake.Fault{Op: "video_params", Times: -1, Shape: drift.Renamed("data.edge_nodes.*.tos_sign", "tosSign").JSON()})
	for range 2 {
		if a := r.params("&use_edge_node=1"); a.str("data.edge_nodes.0.tosSign") == "<nil>" || a.str("data.tos_sign") == "<nil>" {
			t.Error(a.raw)
		}
	}
	r.s.ClearFaults()
	r.inject(fake.Fault{Op: "upload_auth", Shape: drift.Shape{NumbersAsStrings: true}.JSON()})
	if a := r.upAuth(); !strings.Contains(a.raw, `"status_code":"0"`) {
		t.Error(a.raw)
	}
	if r.s.Inject(fake.Fault{Op: "create", Shape: drift.Dropped("itemid").JSON()}) == nil {
		t.Error("a drift that could never show was armed")
	}
}

var _ http.Handler = (*Server)(nil)
