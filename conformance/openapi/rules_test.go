package openapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/fault"
)

// breaches gives values that break a rule of the document, by what is wrong with them.
func breaches(p parameter) map[string]string {
	out := map[string]string{}
	number := func(name string, by int64) {
		if n, ok := p.rules[name].(json.Number); ok {
			i, err := n.Int64()
			if err == nil {
				out[name] = strconv.FormatInt(i+by, 10)
			}
		}
	}
	number("minimum", -1)
	number("maximum", 1)
	if kind := p.rules["type"]; kind == "integer" || kind == "number" {
		out["no number"] = "many"
	}
	if kind := p.rules["type"]; kind == "integer" {
		out["no whole number"] = "1.5"
	}
	if n, ok := p.rules["maxLength"].(json.Number); ok {
		i, _ := n.Int64()
		out["longer"] = strings.Repeat("a", int(i)+1)
		if strings.HasPrefix(fmt.Sprint(p.rules["pattern"]), "^https") {
			out["longer"] = "https://example.com/" + strings.Repeat("a", int(i))
		} else if p.name == "fileName" {
			out["longer"] = strings.Repeat("a", int(i)) + ".mp4"
		}
	}
	if n, ok := p.rules["x-maxBytes"].(json.Number); ok {
		i, _ := n.Int64()
		out["more bytes"] = strings.Repeat("长", int(i)/3) + strings.Repeat("a", int(i)%3+1)
		if p.name == "fileName" {
			out["more bytes"] += ".mp4"
		}
	}
	if p.rules["enum"] != nil {
		out["another word"] = "other"
	}
	if s, ok := p.rules["pattern"].(string); ok {
		out["another pattern ("+s+")"] = "ftp:nothing"
	}
	return out
}

// What the document forbids is refused, for every parameter of every call, and with an answer that fits the document.
func TestWhatTheDocumentForbidsIsRefused(t *testing.T) {
	d := load(t, nil)
	r := newApps(t, d)
	me := r.person("myself")
	tried := 0
	for _, o := range appOperations(d) {
		form := map[string]string{"get": inQuery, "post": inForm}[o.method]
		good := url.Values{}
		if hasToken(o) {
			good.Set("token", me.token)
		}
		params := d.takes(t, o)
		for _, p := range params {
			good.Set(p.name, valueOf(p.example))
		}
		if good.Has("userId") {
			good.Set("userId", me.id)
		}
		try := func(what string, codes []string, change func(url.Values)) {
			t.Helper()
			v := url.Values{}
			for name := range good {
				v.Set(name, good.Get(name))
			}
			change(v)
			tried++
			if a := r.send(strings.ToUpper(o.method), o.path, form, v); !slices.Contains(codes, a.Code) {
				t.Errorf("%s, %s: %s", o.key(), what, a.raw)
			}
		}
		for _, p := range params {
			codes := []string{"300"}
			if p.name == "username" || p.name == "password" {
				codes = []string{"300", "401"}
			}
			if p.required {
				try(p.name+" is missing", codes, func(v url.Values) { v.Del(p.name) })
				try(p.name+" is empty", codes, func(v url.Values) { v.Set(p.name, "") })
			}
			if p.name != "userId" {
				try(p.name+" is given twice", []string{"300"}, func(v url.Values) { v.Add(p.name, v.Get(p.name)) })
			}
			for what, value := range breaches(p) {
				try(p.name+": "+what, codes, func(v url.Values) { v.Set(p.name, value) })
			}
		}
		if hasToken(o) {
			try("no token", []string{"403"}, func(v url.Values) { v.Del("token") })
			try("somebody's token", []string{"403"}, func(v url.Values) { v.Set("token", "eyJhbGciOiJIUzI1NiJ9.e30.x") })
			try("a token of 513", []string{"403"}, func(v url.Values) { v.Set("token", strings.Repeat("t", 513)) })
		}
	}
	if tried < 400 {
		t.Errorf("only %d were tried", tried)
	}
	t.Logf("%d requests refused", tried)
}

// What goes wrong otherwise is answered as the document says, too.
func TestEveryRefusalIsAsTheDocumentSays(t *testing.T) {
	d := load(t, nil)
	r := newApps(t, d)
	me, you := r.person("myself"), r.person("yourself")
	theirs := r.published(you)
	want := func(code string, a answer) {
		t.Helper()
		if a.Code != code {
			t.Errorf("want %s: %s", code, a.raw)
		}
	}
	for _, path := range []string{"/vod/refreshVideoUploadAuth", "/vod/getVideoPlayAuth", "/vod/videoPublish", "/vod/deleteVideoById", "/demo/refreshVideoUploadAuth", "/demo/getVideoPlayAuth"} {
		want("403", r.send("POST", path, inForm, values("token", me.token, "videoId", theirs, "userId", me.id)))
	}
	want("403", r.send("POST", "/user/updateUser", inForm, values("token", me.token, "userId", you.id, "nickname", "x")))
	want("500", r.send("POST", "/vod/videoPublish", inForm, values("token", you.token, "videoId", theirs)))
	want("500", r.send("GET", "/vod/refreshVideoUploadAuth", inQuery, values("token", you.token, "videoId", theirs)))
	want("403", r.send("GET", "/vod/getVideoPlayAuth", inQuery, values("token", me.token, "videoId", "no-such-video")))
	want("403", r.send("POST", "/user/register", inForm, values("username", "myself", "password", password)))
	want("401", r.send("POST", "/user/login", inForm, values("username", "myself", "password", "wrong horse battery")))
	want("500", r.send("GET", "/music/getPlayPath", inQuery, values("musicId", "none")))
	want("500", r.send("GET", "/resource/getPasterList", inQuery, values("pasterId", "99999", "type", "1")))
	want("500", r.send("GET", "/resource/getFont", inQuery, values("fontId", "99999")))
	want("200", r.send("GET", "/resource/getFont", inQuery, nil))
	want("404", r.send("GET", "/vod/getVideoList", inQuery, nil))
	want("400", r.send("GET", "/vod/videoPublish", inQuery, values("token", me.token)))
	want("400", r.send("DELETE", "/vod/getSts", inQuery, values("token", me.token)))
	for _, op := range []string{"CreateUploadVideo", "CreateUploadImage", "AssumeRole"} {
		for _, kind := range []fault.Kind{fault.Unknown, fault.Retryable, fault.Permanent, fault.Invalid} {
			r.p.Fail(op, &fault.Error{Kind: kind, Op: "vod." + op, Code: "SomeCode", After: time.Minute, Err: errors.New("no")})
			path := map[string]string{"CreateUploadVideo": "getVideoUploadAuth", "CreateUploadImage": "getImageUploadAuth", "AssumeRole": "getSts"}[op]
			a := r.send("GET", "/vod/"+path, inQuery, values("token", me.token, "title", "t", "fileName", "a.mp4", "imageType", "cover"))
			if a.Result != "false" {
				t.Errorf("%s %v: %s", op, kind, a.raw)
			}
		}
	}
	for name, req := range map[string]events.APIGatewayV2HTTPRequest{
		"a body of 10 MB":     {RawPath: "/user/login", Body: strings.Repeat("a", 10<<20), Headers: map[string]string{"content-type": inForm}},
		"no JSON":             {RawPath: "/user/login", Body: `{"username":`, Headers: map[string]string{"content-type": inJSON}},
		"JSON that is nested": {RawPath: "/user/login", Body: `{"username":{}}`, Headers: map[string]string{"content-type": inJSON}},
		"another form":        {RawPath: "/user/login", Body: "x", Headers: map[string]string{"content-type": "text/plain"}},
		"a broken query":      {RawPath: "/user/login", RawQueryString: "username=%zz"},
		"a long query":        {RawPath: "/user/login", RawQueryString: strings.Repeat("a", 17<<10)},
		"broken base64":       {RawPath: "/user/login", Body: "*", IsBase64Encoded: true},
	} {
		req.RequestContext.HTTP.Method = "POST"
		if a := r.handle(req); a.Result != "false" {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
	for range 40 {
		if r.send("POST", "/user/login", inForm, values("username", "myself", "password", "wrong horse battery")).Code == "500" {
			break
		}
	}
	r.clock.Advance(25 * time.Hour)
	want("403", r.send("GET", "/vod/getSts", inQuery, values("token", me.token)))
}

// Each switch that is off is an answer of the document.
func TestSwitchesThatAreOffAreAsTheDocumentSays(t *testing.T) {
	d := load(t, nil)
	off := newApps(t, d, func(s *appserver.Settings, u *users.Settings, _ *users.Limits) {
		*s, u.OpenSignup = appserver.Settings{}, false
	})
	for path, code := range map[string]string{"/demo/getSts": "404", "/demo/getVideoUploadAuth": "404", "/user/randomUser": "403", "/user/register": "403"} {
		if a := off.send("GET", path, inQuery, values("username", "myself", "password", password)); a.Code != code {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
	r := newApps(t, d, func(s *appserver.Settings, _ *users.Settings, l *users.Limits) { s.RoleARN, l.UserUploads = "", 1 })
	guest := r.send("POST", "/user/randomUser", inForm, nil)
	if a := r.send("GET", "/vod/getVideoUploadAuth", inQuery, values("token", guest.field("token"), "title", "t", "fileName", "a.mp4")); a.Code != "403" {
		t.Errorf("a guest: %s", a.raw)
	}
	me := r.person("myself")
	for i, code := range []string{"200", "500"} {
		if a := r.send("GET", "/vod/getVideoUploadAuth", inQuery, values("token", me.token, "title", "t", "fileName", "a.mp4")); a.Code != code {
			t.Errorf("upload %d of a quota of one: %s", i+1, a.raw)
		}
	}
	if a := r.send("GET", "/vod/getSts", inQuery, values("token", me.token)); a.Code != "500" {
		t.Errorf("getSts without a role: %s", a.raw)
	}
}

// An answer that the document does not have is found: the judge is not blind.
func TestTheJudgeFindsAnswersThatTheDocumentHasNot(t *testing.T) {
	d := load(t, nil)
	o, _ := d.find("GET", "/vod/getSts")
	good := string(examples(t)["/vod/getSts"].Response)
	if err := d.judge(t, o, 200, []byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"a number for the code":     strings.Replace(good, `"200"`, `200`, 1),
		"a boolean for the result":  strings.Replace(good, `"true"`, `true`, 1),
		"one of two names missing":  strings.Replace(good, `"Expiration"`, `"expires"`, 1),
		"a member more":             strings.Replace(good, `"data": {`, `"data": {"policy": "x",`, 1),
		"a member more outside":     strings.Replace(good, `"result"`, `"host": "x", "result"`, 1),
		"no data":                   `{"result":"true","requestId":"x","message":"","code":"200","data":null}`,
		"a refusal with data":       `{"result":"false","requestId":"x","message":"no","code":"403","data":{}}`,
		"a refusal without reason":  `{"result":"false","requestId":"x","message":"","code":"403","data":null}`,
		"a refusal with result yes": `{"result":"true","requestId":"x","message":"no","code":"403","data":null}`,
		"the bare 403":              `{"code":"403","message":"no"}`,
	} {
		if d.judge(t, o, 200, []byte(bad)) == nil {
			t.Errorf("%s passes", name)
		}
	}
}
