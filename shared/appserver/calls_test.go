package appserver_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/appserver/vodtest"
	"github.com/vodlift/vodlift/shared/fault"
)

// Every call of the seed answers in the shape of its example, key by key and type by type, by every method that it takes.
func TestEveryExampleIsAnsweredInItsShape(t *testing.T) {
	all := examples(t)
	if len(all) != 27 {
		t.Fatalf("%d examples, want the seed's 26 and getVideoPlayAuth with a token", len(all))
	}
	for call, e := range all {
		for _, method := range []string{"GET", "POST"} {
			if method == "GET" && e.Request.Method == "POST" {
				continue
			}
			t.Run(method+" "+call, func(t *testing.T) {
				r := newRig(t)
				me := r.person("myself")
				r.published(me)
				public := r.public(me)
				fill := map[string]string{"$token": me.token, "$userId": me.id, "$username": "myself", "$password": password, "$public": public,
					"$issued": r.issued(me), "$uploaded": r.uploaded(me), "$demo": r.issued(person{}), "$deletable": r.published(me)}
				v := values("PACKAGE_NAME", "com.example.app", "unknown", "1")
				for name, value := range e.Request.Parameters {
					if s, ok := fill[value]; ok {
						value = s
					}
					v.Set(name, value)
				}
				a := r.send(method, e.Request.Path, v)
				if a.Code != "200" {
					t.Fatal(a.raw)
				}
				var got, want any
				if err := json.Unmarshal([]byte(a.raw), &got); err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(e.Response, &want); err != nil {
					t.Fatal(err)
				}
				for _, d := range differ("", got, want) {
					t.Error(d)
				}
			})
		}
	}
}

// differ tells where the shapes of two JSON values differ: keys, types, empty against full. Arrays are compared by
// their first elements, and each element with the first.
func differ(at string, got, want any) []string {
	if g, w := fmt.Sprintf("%T", got), fmt.Sprintf("%T", want); g != w {
		return []string{fmt.Sprintf("%s is %s, want %s", at, g, w)}
	}
	var out []string
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for k := range g {
			if _, ok := w[k]; !ok {
				out = append(out, at+"."+k+" is not in the example")
			}
		}
		for k := range w {
			if _, ok := g[k]; !ok {
				out = append(out, at+"."+k+" is missing")
				continue
			}
			out = append(out, differ(at+"."+k, g[k], w[k])...)
		}
	case []any:
		g, _ := got.([]any)
		if len(g) == 0 || len(w) == 0 {
			return []string{at + " is empty"}
		}
		for i := range g {
			out = append(out, differ(fmt.Sprintf("%s[%d]", at, i), g[i], w[0])...)
		}
	}
	return out
}

// The rules of reference c.2: what each call requires, and with what code it refuses.
var required = map[string][]string{
	"/vod/getSts": {"token"}, "/vod/getVideoUploadAuth": {"token", "title", "fileName"}, "/vod/refreshVideoUploadAuth": {"token", "videoId"},
	"/vod/getImageUploadAuth": {"token", "imageType"}, "/vod/getVideoPlayAuth": {"token", "videoId"}, "/demo/getSts": {},
	"/demo/getVideoUploadAuth": {"title", "fileName"}, "/demo/refreshVideoUploadAuth": {"videoId"}, "/demo/getVideoPlayAuth": {"videoId"},
	"/demo/getImageUploadAuth": {"imageType"}, "/user/login": {"username", "password"}, "/user/register": {"username", "password"},
	"/user/updateUser": {"token", "userId", "nickname"}, "/user/randomUser": {}, "/vod/videoPublish": {"token", "videoId"},
	"/vod/getRecommendVideoList": {"token", "pageIndex", "pageSize"}, "/vod/getPersonalVideoList": {"token", "pageIndex", "pageSize"},
	"/vod/deleteVideoById": {"token", "videoId", "userId"}, "/music/getRecommendMusic": {"pageNo", "pageSize"}, "/music/getPlayPath": {"musicId"},
	"/resource/getPasterInfo": {}, "/resource/getPasterList": {"pasterId", "type"}, "/resource/getFrontPasterList": {}, "/resource/getTextPaster": {},
	"/resource/getTextPasterList": {"textPasterId"}, "/resource/getMv": {}, "/resource/getFont": {},
}

// Each call without each of its required parameters, with each of its parameters twice, empty and hostile.
func TestEveryCallRefusesWhatItMust(t *testing.T) {
	r := newRig(t)
	me := r.person("myself")
	for call, e := range examples(t) {
		v := url.Values{}
		for name, value := range e.Request.Parameters {
			v.Set(name, map[string]string{"$token": me.token, "$userId": me.id}[value])
			if v.Get(name) == "" {
				v.Set(name, value)
			}
		}
		code := func(name string) string {
			switch {
			case name == "token":
				return "403"
			case call == "/user/login" || call == "/user/register":
				return "401"
			}
			return "300"
		}
		for _, name := range required[call] {
			for what, change := range map[string]func(url.Values){
				"without": func(v url.Values) { v.Del(name) }, "with an empty": func(v url.Values) { v.Set(name, "") },
			} {
				w := copyOf(v)
				change(w)
				if a := r.send("POST", e.Request.Path, w); a.Code != code(name) {
					t.Errorf("%s %s %s: %s", call, what, name, a.raw)
				}
			}
		}
		for name := range v {
			w := copyOf(v)
			w.Add(name, w.Get(name))
			if a := r.send("POST", e.Request.Path, w); a.Code != "300" || !strings.Contains(a.text(), name) {
				t.Errorf("%s with %s twice: %s", call, name, a.raw)
			}
			for _, bad := range []string{"\xff\xfe", "\x00", "' OR 1=1 --", "<script>alert(1)</script>", "😀🎬", strings.Repeat("长", 4000), "../../etc", "-1", "1e400", "NaN", "null", "{}"} {
				w := copyOf(v)
				w.Set(name, bad)
				if a := r.send("POST", e.Request.Path, w); a.Code == "200" && (bad == "\xff\xfe" || bad == "\x00") && slices.Contains(required[call], name) {
					t.Errorf("%s with %s=%q: %s", call, name, bad, a.raw)
				}
			}
		}
	}
	if log := r.log.String(); strings.Contains(log, "panic") {
		t.Error("something panicked")
	}
}

func copyOf(v url.Values) url.Values {
	w := url.Values{}
	for k, s := range v {
		w[k] = slices.Clone(s)
	}
	return w
}

func TestParametersOutOfRange(t *testing.T) {
	r := newRig(t)
	me := r.person("myself")
	long := strings.Repeat("长", 42)
	for _, c := range []struct {
		method, path string
		v            url.Values
		code, says   string
	}{
		{"GET", "/vod/getVideoUploadAuth", values("title", long+"ab", "fileName", "a.mp4"), "200", ""},                          // 128 bytes
		{"GET", "/vod/getVideoUploadAuth", values("title", long+"abc", "fileName", "a.mp4"), "300", "title: at most 128 bytes"}, // 129
		{"GET", "/vod/getVideoUploadAuth", values("title", "a", "fileName", "a"), "300", "fileName"},
		{"GET", "/vod/getVideoUploadAuth", values("title", "a", "fileName", "a.exe"), "300", "fileName"},
		{"GET", "/vod/getVideoUploadAuth", values("title", "a", "fileName", "a.mp4", "fileSize", "12.5"), "300", "fileSize"},
		{"GET", "/vod/getVideoUploadAuth", values("title", "a", "fileName", "a.mp4", "coverURL", "javascript:alert(1)"), "300", "coverURL"},
		{"GET", "/vod/getVideoUploadAuth", values("title", "a", "fileName", "a.mp4", "tags", strings.Repeat("t,", 17)), "300", "tags"},
		{"GET", "/vod/getVideoUploadAuth", values("title", "🎬", "fileName", "a.mp4"), "300", "IllegalCharacters"},
		{"GET", "/vod/getImageUploadAuth", values("imageType", "other"), "300", "imageType: one of default, cover"},
		{"GET", "/vod/getImageUploadAuth", values("imageType", "cover", "imageExt", "bmp"), "300", "imageExt"},
		{"GET", "/vod/getPersonalVideoList", values("pageIndex", "0", "pageSize", "10"), "300", "pageIndex: a whole number from 1"},
		{"GET", "/vod/getPersonalVideoList", values("pageIndex", "1", "pageSize", "101"), "300", "pageSize"},
		{"GET", "/vod/getPersonalVideoList", values("pageIndex", "10000000", "pageSize", "100"), "200", ""},
		{"GET", "/vod/getRecommendVideoList", values("pageIndex", "99999999999999999999", "pageSize", "10"), "300", "pageIndex"},
		{"GET", "/music/getRecommendMusic", values("pageNo", "51", "pageSize", "1"), "300", "pageNo: a whole number from 1 to 50"},
		{"GET", "/resource/getPasterList", values("pasterId", "84", "type", "3"), "300", "type: one of 1, 2"},
		{"GET", "/resource/getPasterList", values("pasterId", "85", "type", "1"), "500", "not in the catalogue"},
		{"GET", "/resource/getFont", values("fontId", "no"), "500", "not in the catalogue"},
		{"GET", "/resource/getFont", values(), "200", ""},
		{"POST", "/vod/videoPublish", values("videoId", "x", "duration", "long"), "300", "duration"},
		{"POST", "/vod/videoPublish", values("videoId", "x", "size", "-1"), "300", "size"},
		{"GET", "/vod/videoPublish", values("videoId", "x"), "400", "POST"},
		{"GET", "/vod/deleteVideoById", values("videoId", "x"), "400", "POST"},
		{"DELETE", "/vod/getSts", values(), "400", "GET or POST"},
		{"GET", "/vod/getVideoList", values(), "404", "no such call"},
		{"GET", "/demo/getStsByAkInfo", values(), "404", "no such call"},
		{"GET", "/", values(), "404", "no such call"},
		{"GET", "/vod/getSts/", values(), "200", ""},
	} {
		c.v.Set("token", me.token)
		if a := r.send(c.method, c.path, c.v); a.Code != c.code || !strings.Contains(a.text(), c.says) {
			t.Errorf("%s %s %v: %s", c.method, c.path, c.v, a.raw)
		}
	}
}

// What cannot be read at all is an envelope, too.
func TestFormsOfARequest(t *testing.T) {
	r := newRig(t)
	me := r.person("myself")
	form := map[string]string{"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
	js := map[string]string{"content-type": "application/json"}
	for name, c := range map[string]struct {
		req  appserver.Request
		code string
	}{
		"broken query":            {appserver.Request{Method: "GET", Query: "token=%zz"}, "300"},
		"semicolons":              {appserver.Request{Method: "GET", Query: "a=1;b=2"}, "300"},
		"long query":              {appserver.Request{Method: "GET", Query: "a=" + strings.Repeat("x", 20000)}, "300"},
		"ten megabytes":           {appserver.Request{Method: "POST", Header: form, Body: make([]byte, 10<<20)}, "300"},
		"a form":                  {appserver.Request{Method: "POST", Header: form, Body: []byte("token=" + me.token)}, "200"},
		"a form without its type": {appserver.Request{Method: "POST", Body: []byte("token=" + me.token)}, "200"},
		"query and form":          {appserver.Request{Method: "POST", Header: form, Query: "token=" + me.token, Body: []byte("token=" + me.token)}, "300"},
		"JSON":                    {appserver.Request{Method: "POST", Header: js, Body: []byte(`{"token":"` + me.token + `","n":1,"b":true,"z":null}`)}, "200"},
		"JSON twice":              {appserver.Request{Method: "POST", Header: js, Body: []byte(`{"token":"a","token":"b"}`)}, "300"},
		"nested JSON":             {appserver.Request{Method: "POST", Header: js, Body: []byte(`{"token":["a"]}`)}, "300"},
		"JSON array":              {appserver.Request{Method: "POST", Header: js, Body: []byte(`[1]`)}, "300"},
		"cut JSON":                {appserver.Request{Method: "POST", Header: js, Body: []byte(`{"token":"a"`)}, "300"},
		"more than JSON":          {appserver.Request{Method: "POST", Header: js, Body: []byte(`{}{}`)}, "300"},
		"a file":                  {appserver.Request{Method: "POST", Header: map[string]string{"content-type": "multipart/form-data; boundary=x"}, Body: []byte("--x--")}, "400"},
		"no type":                 {appserver.Request{Method: "POST", Header: map[string]string{"content-type": ";;"}, Body: []byte("a=1")}, "400"},
		"bearer":                  {appserver.Request{Method: "GET", Header: map[string]string{"authorization": "Bearer " + me.token}}, "200"},
		"bare header":             {appserver.Request{Method: "GET", Header: map[string]string{"authorization": me.token}}, "200"},
		"both, equal":             {appserver.Request{Method: "GET", Query: "token=" + me.token, Header: map[string]string{"authorization": "bearer " + me.token}}, "200"},
		"both, different":         {appserver.Request{Method: "GET", Query: "token=x", Header: map[string]string{"authorization": "bearer " + me.token}}, "403"},
		"somebody's wish":         {appserver.Request{Method: "GET", Query: "token=" + strings.Repeat("x", 600)}, "403"},
	} {
		c.req.Path = "/vod/getSts"
		if a := r.call(c.req); a.Code != c.code {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
}

func TestUsers(t *testing.T) {
	r := newRig(t)
	me, you := r.person("myself"), r.person("yourself")
	for _, c := range []struct {
		path string
		v    url.Values
		code string
	}{
		{"/user/register", values("username", "myself", "password", password), "403"},
		{"/user/register", values("userName", "third", "password", password), "200"},
		{"/user/register", values("username", "fourth", "password", "x"), "300"},
		{"/user/login", values("userName", "third", "password", password), "200"},
		{"/user/updateUser", values("token", me.token, "userId", me.id, "nickname", "新名 <b>"), "200"},
		{"/user/updateUser", values("token", me.token, "userId", you.id, "nickname", "mine now"), "403"},
		{"/user/updateUser", values("token", me.token, "userId", "0000000000000", "nickname", "mine now"), "403"},
	} {
		if a := r.send("POST", c.path, c.v); a.Code != c.code {
			t.Errorf("%s %v: %s", c.path, c.v, a.raw)
		}
	}
	unknown := r.send("POST", "/user/login", values("username", "nobody", "password", password))
	wrong := r.send("POST", "/user/login", values("username", "myself", "password", "wrong horse battery"))
	if unknown.Code != "401" || wrong.Code != "401" || unknown.text() != wrong.text() {
		t.Errorf("an unknown user and a wrong password: %s, %s", unknown.raw, wrong.raw)
	}
	r.clock.Advance(25 * 60 * 60 * 1e9)
	if a := r.send("GET", "/vod/getPersonalVideoList", values("token", me.token, "pageIndex", "1", "pageSize", "1")); a.Code != "403" {
		t.Errorf("an expired token: %s", a.raw)
	}
}

func TestSwitches(t *testing.T) {
	r := newRig(t, func(s *appserver.Settings, u *users.Settings) { *s, u.OpenSignup = appserver.Settings{}, false })
	for path, code := range map[string]string{"/demo/getSts": "404", "/demo/getVideoUploadAuth": "404", "/user/randomUser": "403"} {
		if a := r.send("GET", path, values("title", "a", "fileName", "a.mp4")); a.Code != code {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
	if a := r.send("GET", "/user/register", values("username", "myself", "password", password)); a.Code != "403" {
		t.Error(a.raw)
	}
	if strings.Contains(r.log.String(), "/demo") || slices.ContainsFunc(r.api.Routes(), func(s string) bool { return strings.Contains(s, "/demo") }) {
		t.Error("/demo is off, and still there")
	}
	open := newRig(t)
	if !strings.Contains(open.log.String(), "/demo endpoints are on") {
		t.Error("no warning that /demo is on")
	}
	if n := len(open.api.Routes()); n != 27*2-3 {
		t.Errorf("%d routes", n)
	}
}

func TestGuestsUploadOnlyWhereTheyMay(t *testing.T) {
	for _, may := range []bool{false, true} {
		r := newRig(t, func(s *appserver.Settings, _ *users.Settings) { s.GuestUpload = may })
		g := r.guest()
		made := r.p.Add(vod0())
		want := map[bool]string{false: "403", true: "200"}[may]
		for path, v := range map[string]url.Values{
			"/vod/getSts": values(), "/vod/getVideoUploadAuth": values("title", "a", "fileName", "a.mp4"), "/vod/getImageUploadAuth": values("imageType", "cover"),
			"/vod/videoPublish": values("videoId", made),
		} {
			v.Set("token", g.token)
			if a := r.send("POST", path, v); a.Code != want {
				t.Errorf("GuestUpload %t, %s: %s", may, path, a.raw)
			}
		}
		if a := r.send("GET", "/vod/getRecommendVideoList", values("token", g.token, "pageIndex", "1", "pageSize", "1")); a.Code != "200" {
			t.Errorf("a guest may look: %s", a.raw)
		}
	}
}

// Without getSts nobody here can have made an id that we did not issue.
func TestWithoutGetStsNobodyBindsWhatWeDidNotIssue(t *testing.T) {
	for role, want := range map[string]string{"": "403", "acs:ram::1:role/app": "200"} {
		r := newRig(t, func(s *appserver.Settings, _ *users.Settings) { s.RoleARN = role })
		me, made := r.person("myself"), r.p.Add(vod0())
		if a := r.send("POST", "/vod/videoPublish", values("token", me.token, "videoId", made)); a.Code != want {
			t.Errorf("role %q: %s", role, a.raw)
		}
	}
}

// getSts hands out nothing but the right to make uploads.
func TestTheSessionPolicyIsNarrow(t *testing.T) {
	r := newRig(t)
	me := r.person("myself")
	r.send("GET", "/vod/getSts", values("token", me.token))
	r.send("GET", "/demo/getSts", values())
	for _, p := range r.p.Policies() {
		var policy struct {
			Version   string
			Statement []struct{ Effect, Resource any }
		}
		var actions struct {
			Statement []struct{ Action []string }
		}
		if json.Unmarshal([]byte(p), &policy) != nil || json.Unmarshal([]byte(p), &actions) != nil || policy.Version != "1" || len(actions.Statement) != 1 {
			t.Fatalf("policy %s", p)
		}
		if got := actions.Statement[0].Action; !slices.Equal(got, []string{"vod:CreateUploadVideo", "vod:CreateUploadImage"}) {
			t.Errorf("it allows %v", got)
		}
	}
	if len(r.p.Policies()) != 2 {
		t.Errorf("%d policies", len(r.p.Policies()))
	}
}

// Failures of the platform are answered without its words; no log line holds a token, a password or a query.
func TestSecretsStayOutOfLogsAndAnswers(t *testing.T) {
	r := newRig(t)
	me := r.person("myself")
	for _, err := range []error{vodtest.Lost(), vodtest.Refused(fault.Retryable, "Throttling.User"), vodtest.Refused(fault.Permanent, "OperationDenied.Suspended"),
		vodtest.Refused(fault.CredentialsExpired, "InvalidAccessKeyId.NotFound"), fmt.Errorf("secret of a plain error")} {
		r.p.Fail("CreateUploadVideo", err)
		a := r.send("GET", "/vod/getVideoUploadAuth", values("token", me.token, "title", "private words", "fileName", "a.mp4"))
		if a.Code != "500" || strings.Contains(a.raw, "own words") || strings.Contains(a.raw, "secret") {
			t.Errorf("%v: %s", err, a.raw)
		}
	}
	r.send("GET", "/user/login", values("username", "myself", "password", password))
	a := r.send("GET", "/vod/getSts", values("token", me.token))
	log := r.log.String()
	for _, secret := range []string{me.token, password, url.QueryEscape(password), "private words", a.field("securityToken") + "\"", "token=", "password"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if !strings.Contains(log, "path=/vod/getSts") {
		t.Error("the log has no paths")
	}
}
