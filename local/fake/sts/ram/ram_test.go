package ram

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestPolicyDecides(t *testing.T) {
	const doc = `{"Version":"1","Statement":[
	 {"Effect":"Allow","Action":["oss:Put*","oss:ListParts"],"Resource":["acs:oss:*:*:b/in/*"]},
	 {"Effect":"Allow","NotAction":"oss:Delete*","Resource":"acs:oss:*:*:free/?"},
	 {"Effect":"Deny","Action":"oss:*","Resource":"acs:oss:*:*:b/in/secret*"}]}`
	p, err := ParsePolicy(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		action, bucket, key string
		want                bool
	}{
		{"oss:PutObject", "b", "in/a", true},
		{"OSS:putobject", "b", "in/a", true}, // actions do not mind case
		{"oss:PutObject", "b", "In/a", false},
		{"oss:GetObject", "b", "in/a", false},
		{"oss:PutObject", "b", "out/a", false},
		{"oss:PutObject", "b", "in/secret.mp4", false},
		{"oss:PutObject", "bb", "in/a", false},
		{"oss:GetObject", "free", "x", true},
		{"oss:GetObject", "free", "xy", false},
		{"oss:DeleteObject", "free", "x", false},
	} {
		if got := p.Allows(c.action, ObjectResource(c.bucket, c.key)); got != c.want {
			t.Errorf("%s on %s/%s: got %v, want %v", c.action, c.bucket, c.key, got, c.want)
		}
	}
	if (Policy{}).Allows("oss:PutObject", "x") {
		t.Error("the zero policy allows")
	}
}

func TestPolicyGrammar(t *testing.T) {
	ok := `{"Effect":"Allow","Action":"a:b","Resource":"*"}`
	for _, bad := range []string{
		``, `{}`, `[]`, `{"Version":"1"}`, `{"Version":"2","Statement":[` + ok + `]}`, `{"Version":"1","Statement":[` + ok + `]} x`,
		`{"Version":"1","Statement":[{"Effect":"Maybe","Action":"a:b","Resource":"*"}]}`,
		`{"Version":"1","Statement":[{"Effect":"Allow","Resource":"*"}]}`,
		`{"Version":"1","Statement":[{"Effect":"Allow","Action":"a:b"}]}`,
		`{"Version":"1","Statement":[{"Effect":"Allow","Action":"a:b","Resource":"*","Extra":1}]}`,
		`{"Version":"1","Statement":[{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"IpAddress":{}}}]}`,
	} {
		if _, err := ParsePolicy(bad); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
	if _, err := ParsePolicy(`{"Version":"1","Statement":[` + ok + `]}`); err != nil {
		t.Error(err)
	}
}

func TestStoreRemembersAndForgets(t *testing.T) {
	dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	open := func() *Store {
		t.Helper()
		s, err := NewStore(StoreOptions{Dir: dir, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	a, err := s.Issue("x", 2*time.Second, ObjectPolicy("b", "k", UploadActions()...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddKey("root", "LTAIx", "sk"); err != nil {
		t.Fatal(err)
	}
	s = open()
	got, ok := s.Lookup(a.AccessKeyID)
	if !ok || got.Secret != a.Secret || !s.TokenKnown(a.Token) || !got.Live(now) || got.Live(now.Add(2*time.Second)) ||
		!got.Allows("oss:PutObject", ObjectResource("b", "k")) || got.Allows("oss:GetObject", ObjectResource("b", "k")) {
		t.Errorf("after a restart: %v %v", ok, got)
	}
	if err := s.Rotate(a.AccessKeyID); err != nil || s.TokenKnown(a.Token) {
		t.Error("rotate:", err)
	}
	now = now.Add(Remembered)
	if _, err := s.Issue("x", time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Lookup(a.AccessKeyID); !ok {
		t.Error("forgotten within the time that expired keys are remembered")
	}
	now = now.Add(2 * time.Second)
	if _, err := s.Issue("x", time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Lookup(a.AccessKeyID); ok {
		t.Error("an old key is still remembered")
	}
	if err := s.Remove("LTAIx"); err != nil {
		t.Error(err)
	}
	if _, ok := s.Lookup("LTAIx"); ok || s.Remove("LTAIx") == nil || s.Expire("no") == nil {
		t.Error("removed, but still there")
	}
	info, err := os.Stat(s.file())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}

func TestCredentialPrintsNoSecret(t *testing.T) {
	c := Credential{AccessKeyID: "STS.a", Secret: "hidden1", Token: "hidden2", Expires: time.Unix(0, 0)}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v", c, c), c.LogValue().String()} {
		if strings.Contains(text, "hidden") {
			t.Error(text)
		}
	}
}
