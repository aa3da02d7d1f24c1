package sts

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

const arn = "acs:ram::123456:role/uploader"

type rig struct {
	*testing.T
	s    *Server
	keys *ram.Store
	web  *httptest.Server
	now  time.Time
	n    int
}

func newRig(t *testing.T, edit ...func(*Options)) *rig {
	t.Helper()
	r := &rig{T: t, now: time.Date(2026, 7, 1, 0, 0, 0, 5e8, time.UTC)}
	clock := func() time.Time { return r.now }
	var err error
	if r.keys, err = ram.NewStore(ram.StoreOptions{Now: clock}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"LTAI1", "LTAI2"} {
		if _, err = r.keys.AddKey("user", id, "sk"); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Keys: r.keys, Now: clock, Roles: []Role{{Arn: arn, Policies: []ram.Policy{ram.ObjectPolicy("b", "*", "oss:*")}},
		{Arn: arn + "2", Trusts: []string{"LTAI1"}, ExternalID: "ext", MaxSession: 12 * time.Hour}}}
	for _, f := range edit {
		f(&o)
	}
	if r.s, err = New(o); err != nil {
		t.Fatal(err)
	}
	r.web = httptest.NewServer(r.s)
	t.Cleanup(func() { r.web.Close(); r.s.Close() })
	return r
}

// reply is what a client written from the reference sees.
type reply struct {
	status int
	raw    string
	body   struct {
		RequestID       string `json:"RequestId"`
		HostID          string `json:"HostId"`
		Code, Message   string
		AssumedRoleUser struct{ Arn, AssumedRoleId string }
		Credentials     struct{ AccessKeyId, AccessKeySecret, SecurityToken, Expiration string }
	}
}

// call signs and sends; pairs override the parameters of a good call, an empty value drops one.
func (r *rig) call(pairs ...string) reply {
	r.Helper()
	r.n++
	p := url.Values{}
	all := append([]string{"Format", "JSON", "Version", Version, "AccessKeyId", "LTAI1", "SignatureMethod", "HMAC-SHA1", "SignatureVersion", "1.0",
		"SignatureNonce", fmt.Sprint(r.n), "Timestamp", r.now.UTC().Format("2006-01-02T15:04:05Z"), "Action", "AssumeRole",
		"RoleArn", arn, "RoleSessionName", "vodlift"}, pairs...)
	for i := 0; i < len(all); i += 2 {
		p.Set(all[i], all[i+1])
		if all[i+1] == "" {
			p.Del(all[i])
		}
	}
	p.Set("Signature", rpc.Sign("POST", p, "sk"))
	res, err := r.web.Client().PostForm(r.web.URL, p)
	if err != nil {
		r.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.Fatal(err)
	}
	a := reply{status: res.StatusCode, raw: string(b)}
	if res.Header.Get("Content-Type") == "application/json;charset=utf-8" {
		if err := json.Unmarshal(b, &a.body); err != nil {
			r.Fatal(err, a.raw)
		}
	}
	return a
}

func TestAssumeRoleIssuesACredentialThatEnds(t *testing.T) {
	r := newRig(t)
	policy := `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:PutObject","Resource":"*"}]}`
	a := r.call("DurationSeconds", "900", "Policy", policy)
	c := a.body.Credentials
	if a.status != 200 || !strings.HasPrefix(c.AccessKeyId, "STS.") || c.Expiration != "2026-07-01T00:15:00Z" || a.body.RequestID == "" ||
		a.body.AssumedRoleUser.Arn != arn+"/vodlift" || !strings.HasSuffix(a.body.AssumedRoleUser.AssumedRoleId, ":vodlift") {
		t.Fatal(a.raw)
	}
	key, ok := r.keys.Lookup(c.AccessKeyId)
	if !ok || key.Secret != c.AccessKeySecret || key.Token != c.SecurityToken || !key.Live(r.now.Add(900*time.Second-1)) || key.Live(r.now.Add(900*time.Second)) {
		t.Error(key)
	}
	for _, x := range []struct {
		action, bucket string
		want           bool
	}{{"oss:PutObject", "b", true}, {"oss:GetObject", "b", false}, {"oss:PutObject", "other", false}} {
		if key.Allows(x.action, ram.ObjectResource(x.bucket, "k")) != x.want { // the role and the session's own policy
			t.Error(x)
		}
	}
	if a := r.call(); a.body.Credentials.Expiration != "2026-07-01T01:00:00Z" {
		t.Error("default life:", a.raw)
	}
	if a := r.call("RoleArn", arn+"2", "ExternalId", "ext", "DurationSeconds", "43200"); a.status != 200 {
		t.Error(a.raw)
	}
}

func TestRefusals(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		pairs  []string
		status int
		code   string
	}{
		"no role":                 {[]string{"RoleArn", ""}, 400, "InvalidParameter.RoleArn"},
		"role malformed":          {[]string{"RoleArn", "role/x"}, 400, "InvalidParameter.RoleArn"},
		"no session name":         {[]string{"RoleSessionName", ""}, 400, "InvalidParameter.RoleSessionName"},
		"session name of 1":       {[]string{"RoleSessionName", "a"}, 400, "InvalidParameter.RoleSessionName"},
		"session name of 33":      {[]string{"RoleSessionName", strings.Repeat("a", 33)}, 400, "InvalidParameter.RoleSessionName"},
		"session name with /":     {[]string{"RoleSessionName", "a/b"}, 400, "InvalidParameter.RoleSessionName"},
		"899 s":                   {[]string{"DurationSeconds", "899"}, 400, "InvalidParameter.DurationSeconds"},
		"3601 s":                  {[]string{"DurationSeconds", "3601"}, 400, "InvalidParameter.DurationSeconds"},
		"duration not a number":   {[]string{"DurationSeconds", "1h"}, 400, "InvalidParameter.DurationSeconds"},
		"policy of 1025":          {[]string{"Policy", strings.Repeat(" ", 1025)}, 400, "InvalidParameter.PolicySize"},
		"policy not JSON":         {[]string{"Policy", "x"}, 400, "InvalidParameter.PolicyGrammar"},
		"no such role":            {[]string{"RoleArn", arn + "9"}, 404, "EntityNotExist.Role"},
		"key not trusted":         {[]string{"RoleArn", arn + "2", "ExternalId", "ext", "AccessKeyId", "LTAI2"}, 403, "NoPermission"},
		"no external id":          {[]string{"RoleArn", arn + "2"}, 403, "NoPermission"},
		"unknown key":             {[]string{"AccessKeyId", "nobody"}, 404, "InvalidAccessKeyId.NotFound"},
		"clock":                   {[]string{"Timestamp", "2026-07-01T01:00:00Z"}, 400, "InvalidTimeStamp.Expired"},
		"unknown action":          {[]string{"Action", "GetFederationToken"}, 404, "InvalidAction.NotFound"},
		"a nonce that was used":   {[]string{"SignatureNonce", "1"}, 400, ""},
		"session name of 2 is ok": {[]string{"RoleSessionName", "a@"}, 200, ""},
		"32 is ok":                {[]string{"RoleSessionName", strings.Repeat("a", 32)}, 200, ""},
	} {
		if name == "a nonce that was used" {
			continue // below: map order
		}
		a := r.call(c.pairs...)
		if a.status != c.status || a.body.Code != c.code || (c.code != "" && (a.body.HostID == "" || a.body.RequestID == "" || a.body.Message == "")) {
			t.Errorf("%s: HTTP %d %s", name, a.status, a.raw)
		}
	}
	if r.call("SignatureNonce", "once"); r.call("SignatureNonce", "once").body.Code != "SignatureNonceUsed" {
		t.Error("a nonce was taken twice")
	}
}

func TestXMLIsTheDefaultFormat(t *testing.T) {
	r := newRig(t)
	if a := r.call("Format", ""); a.status != 200 || !strings.Contains(a.raw, "<AssumeRoleResponse><RequestId>") || !strings.Contains(a.raw, "<Expiration>") {
		t.Error(a.raw)
	}
	if a := r.call("Format", "", "RoleArn", ""); a.status != 400 || !strings.Contains(a.raw, "<Code>InvalidParameter.RoleArn</Code>") {
		t.Error(a.raw)
	}
}

func TestThrottlesAndMisbehaves(t *testing.T) {
	r := newRig(t, func(o *Options) { o.CallLimit, o.Codes = 2, map[string]string{"NoPermission": "Denied"} })
	r.call()
	r.call()
	if a := r.call(); a.body.Code != "Throttling.User" {
		t.Error(a.raw)
	}
	r.now = r.now.Add(time.Minute)
	for _, f := range []fake.Fault{{Op: "assume_role", Name: "NoPermission"}, {Op: "assume_role", Code: 503}, {Op: "assume_role", Body: "garbled"}, {Op: "assume_role", Status: 502}} {
		if err := r.s.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	if a := r.call(); a.status != 403 || a.body.Code != "Denied" {
		t.Error(a.status, a.raw)
	}
	r.s.ClearFaults()
	if err := r.s.Inject(fake.Fault{Op: "assume_role", Cut: "after"}); err != nil {
		t.Fatal(err)
	}
	if res, err := http.PostForm(r.web.URL, nil); err == nil {
		res.Body.Close()
		t.Error("answered")
	}
	for _, e := range r.s.Requests(0) {
		if strings.Contains(e.Query, "Signature=") {
			t.Error(e)
		}
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	keys, err := ram.NewStore(ram.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("no keys")
	}
	if _, err := New(Options{Keys: keys, Roles: []Role{{Arn: "x"}}}); err == nil {
		t.Error("a role without an arn")
	}
}
