package tokentest_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/token/tokentest"
	"github.com/vodlift/vodlift/shared/upload"
)

func TestASecretIsFoundInEveryFormItIsWrittenIn(t *testing.T) {
	const secret = `act.S3cret/"with+signs`
	s := tokentest.Secrets{}
	s.Add("it", secret)
	for name, text := range map[string]string{
		"plain": "x " + secret + " y", "in a query": "https://h/?t=" + url.QueryEscape(secret), "in JSON": `{"t":"act.S3cret/\"with+signs"}`,
		"in hex": hex.EncodeToString([]byte(secret)), "in base64": base64.StdEncoding.EncodeToString([]byte(secret)),
		"in base64 of more":  base64.StdEncoding.EncodeToString([]byte(`{"box":"` + secret + `"}`)),
		"in base64 of more2": base64.URLEncoding.EncodeToString([]byte(`{"bo":"` + secret + `"}`)),
		"in base64 of more3": base64.StdEncoding.EncodeToString([]byte(`{"b":"` + secret + `"}`)),
	} {
		if got := s.In([]byte(text)); len(got) != 1 {
			t.Errorf("%s: not found in %s", name, text)
		}
	}
	if got := s.In([]byte("act.Other")); got != nil {
		t.Errorf("found %v", got)
	}
}

func TestAVaultGivesWhatIsSecretInIt(t *testing.T) {
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	keys, err := token.FileKey(t.TempDir()+"/k", nil)
	if err != nil {
		t.Fatal(err)
	}
	v := token.NewVault(db, token.NewSealer(keys, nil), nil)
	save := func(tok token.Token, account string) {
		t.Helper()
		if _, err := v.SaveLogin(t.Context(), upload.Account(account), tok); err != nil {
			t.Fatal(err)
		}
	}
	save(token.Token{Access: "act.one-access", Refresh: "rft.one-refresh"}, "douyin/main")
	save(token.Token{Access: `[{"name":"session_of_the_site","value":"cookie-value","domain":"creator.example"}]`}, "web/main")
	save(token.Token{Access: `{"access_key_id":"LTAI-not-secret","access_key_secret":"ram-secret"}`}, "vod/main")
	save(token.Token{Refresh: "acs:ram::123:role/not-secret"}, "vod/role")
	if err := v.PutApp(t.Context(), "douyin", token.AppKey{ID: "app-id-here", Secret: "app-secret"}); err != nil {
		t.Fatal(err)
	}
	s := tokentest.Secrets{}
	for range 2 {
		if err := s.Vault(t.Context(), v, "douyin", "none"); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, x := range s {
		got = append(got, x)
	}
	slices.Sort(got)
	if want := "act.one-access app-secret cookie-value ram-secret rft.one-refresh"; strings.Join(got, " ") != want {
		t.Errorf("got %v", got)
	}
	save(token.Token{Grant: "2", Access: "act.two-access", Refresh: "rft.one-refresh"}, "douyin/main")
	if err := s.Vault(t.Context(), v); err != nil || len(s.In([]byte("act.one-access act.two-access"))) != 2 {
		t.Errorf("a renewed token: %v, %v", s, err)
	}
}
