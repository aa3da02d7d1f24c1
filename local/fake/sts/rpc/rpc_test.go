package rpc

import (
	"maps"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

// The example of the vendor's own signature page.
func TestSignsTheVendorsExample(t *testing.T) {
	p, err := url.ParseQuery("Timestamp=2016-02-23T12:46:24Z&Format=XML&AccessKeyId=testid&Action=DescribeRegions&SignatureMethod=HMAC-SHA1" +
		"&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&Version=2014-05-26&SignatureVersion=1.0&Signature=ignored")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Sign("GET", p, "testsecret"), "OLeaidS1JvxuMvnyHOwuJ+uX5qY="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEscapeIsRFC3986(t *testing.T) {
	if got, want := Escape("aZ0-_.~ *+/=&%视"), "aZ0-_.~%20%2A%2B%2F%3D%26%25%E8%A7%86"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestGateRefusesInOrder(t *testing.T) {
	now := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	keys, err := ram.NewStore(ram.StoreOptions{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	must := func(c ram.Credential, err error) ram.Credential {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	root := must(keys.AddKey("root", "LTAI1", "sk"))
	off := must(keys.AddKey("off", "LTAI2", "sk"))
	if err := keys.Disable(off.AccessKeyID); err != nil {
		t.Fatal(err)
	}
	live := must(keys.Issue("a", time.Hour))
	dead := must(keys.Issue("b", time.Hour))
	if err := keys.Expire(dead.AccessKeyID); err != nil {
		t.Fatal(err)
	}
	g := NewGate(Options{Keys: keys, Version: "v", Actions: []string{"Do"}, Now: func() time.Time { return now }})
	n := 0
	base := func(c ram.Credential) url.Values {
		n++
		p := url.Values{"Version": {"v"}, "Action": {"Do"}, "AccessKeyId": {c.AccessKeyID}, "SignatureMethod": {"HMAC-SHA1"},
			"SignatureVersion": {"1.0"}, "SignatureNonce": {strings.Repeat("n", n)}, "Timestamp": {now.Format("2006-01-02T15:04:05Z")}}
		if c.Token != "" {
			p.Set("SecurityToken", c.Token)
		}
		return p
	}
	check := func(p url.Values, secret string) string {
		if !p.Has("Signature") {
			p.Set("Signature", Sign("POST", p, secret))
		}
		if _, err := g.Check("POST", p); err != nil {
			return err.Code
		}
		return ""
	}
	set := func(p url.Values, kv ...string) url.Values {
		p = maps.Clone(p)
		for i := 0; i < len(kv); i += 2 {
			p.Set(kv[i], kv[i+1])
		}
		return p
	}
	for name, c := range map[string]struct {
		p      url.Values
		secret string
		want   string
	}{
		"a permanent key":         {base(root), "sk", ""},
		"a temporary one":         {base(live), live.Secret, ""},
		"fractions of a second":   {set(base(root), "Timestamp", "2026-07-01T00:00:00.123Z"), "sk", ""},
		"no action":               {set(base(root), "Action", ""), "sk", "MissingAction"},
		"no nonce":                {set(base(root), "SignatureNonce", ""), "sk", "MissingSignatureNonce"},
		"another version":         {set(base(root), "Version", "w"), "sk", "InvalidVersion"},
		"unknown action":          {set(base(root), "Action", "Undo"), "sk", "InvalidAction.NotFound"},
		"another method":          {set(base(root), "SignatureMethod", "HMAC-MD5"), "sk", "InvalidSignatureMethod"},
		"another sign version":    {set(base(root), "SignatureVersion", "2.0"), "sk", "InvalidSignatureVersion"},
		"time unreadable":         {set(base(root), "Timestamp", "yesterday"), "sk", "InvalidTimeStamp.Format"},
		"15 min late":             {set(base(root), "Timestamp", "2026-06-30T23:45:00Z"), "sk", ""},
		"15 min and a second":     {set(base(root), "Timestamp", "2026-06-30T23:44:59Z"), "sk", "InvalidTimeStamp.Expired"},
		"15 min and a second new": {set(base(root), "Timestamp", "2026-07-01T00:15:01Z"), "sk", "InvalidTimeStamp.Expired"},
		"unknown key":             {base(ram.Credential{AccessKeyID: "no"}), "sk", "InvalidAccessKeyId.NotFound"},
		"disabled key":            {base(off), "sk", "InvalidAccessKeyId.Inactive"},
		"wrong secret":            {base(root), "ks", "SignatureDoesNotMatch"},
		"no token":                {base(ram.Credential{AccessKeyID: live.AccessKeyID}), live.Secret, "MissingSecurityToken"},
		"another key's token":     {set(base(live), "SecurityToken", dead.Token), live.Secret, "InvalidSecurityToken.MismatchWithAccessKey"},
		"a made-up token":         {set(base(live), "SecurityToken", "x"), live.Secret, "InvalidSecurityToken.Malformed"},
		"expired":                 {base(dead), dead.Secret, "InvalidSecurityToken.Expired"},
	} {
		if got := check(c.p, c.secret); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	p := base(root)
	if check(p, "sk") != "" || check(p, "sk") != "SignatureNonceUsed" {
		t.Error("a nonce passes twice")
	}
	now = now.Add(31 * time.Minute)
	if len(g.nonces) == 0 || check(base(root), "sk") != "" || len(g.nonces) != 1 {
		t.Error("old nonces are kept:", len(g.nonces))
	}
	g.o.Codes = map[string]string{"MissingAction": "NoAction"}
	if got := check(set(base(root), "Action", ""), "sk"); got != "NoAction" {
		t.Error(got)
	}
	p = base(root)
	p["Action"] = []string{"Do", "Do"}
	if got := check(p, "sk"); got != "InvalidParameter" {
		t.Error(got)
	}
}

func TestParamsJoinsQueryAndForm(t *testing.T) {
	r := httptest.NewRequest("POST", "/?a=1", strings.NewReader("b=2&c=%2B"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p, err := Params(r)
	if err != nil || p.Encode() != "a=1&b=2&c=%2B" {
		t.Error(p, err)
	}
	if _, err := Params(httptest.NewRequest("POST", "/?a=%zz", nil)); err == nil {
		t.Error("a malformed query passes")
	}
	if _, err := Params(httptest.NewRequest("POST", "/", strings.NewReader("a="+strings.Repeat("x", 1<<20)))); err == nil {
		t.Error("a form over 1 MiB passes")
	}
}

func TestAnswerFormats(t *testing.T) {
	e := &Error{403, "NoPermission", "<no>"}
	j, x := Refuse("JSON", "R", "h", e), Refuse("", "R", "h", e)
	if string(j.Body) != `{"RequestId":"R","HostId":"h","Code":"NoPermission","Message":"<no>"}` || j.Status != 403 {
		t.Error(string(j.Body))
	}
	if !strings.HasSuffix(string(x.Body), `<Error><RequestId>R</RequestId><HostId>h</HostId><Code>NoPermission</Code><Message>&lt;no&gt;</Message></Error>`) {
		t.Error(string(x.Body))
	}
	if !slices.Equal(x.Header["Content-Type"], []string{"text/xml;charset=utf-8"}) {
		t.Error(x.Header)
	}
}
