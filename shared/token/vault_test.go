package token_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/token"
)

var tokenAt = table.Key{PK: "A#douyin#main", SK: "TOKEN"}

func TestALoginIsStoredSealedAndComesBack(t *testing.T) {
	b := newBench(t)
	got := b.load()
	if got.Access != "secret-a1" || got.Grant != "g1" || got.Version != 1 || got.Subject != "open-1" || !got.Obtained.Equal(start) {
		t.Errorf("got %+v", got)
	}
	app, err := b.vault.App(t.Context(), "douyin")
	if err != nil || app.Secret != "secret-app" {
		t.Errorf("got %v, %v", app, err)
	}
	for _, k := range []table.Key{tokenAt, {PK: "APP#douyin", SK: "KEY"}} {
		it, err := b.table.Get(t.Context(), k)
		if err != nil || bytes.Contains(it.Doc, []byte("secret-")) || bytes.Contains(it.Doc, []byte("app-1")) {
			t.Errorf("%v: got %s, %v", k, it.Doc, err)
		}
	}
}

func TestWithoutACredentialAPersonHasToAct(t *testing.T) {
	b := newBench(t)
	if _, err := b.vault.Load(t.Context(), "douyin/nobody"); !errors.Is(err, token.ErrNoCredential) || fault.KindOf(err) != fault.CredentialsExpired {
		t.Errorf("no account: got %v", err)
	}
	_, err := b.vault.App(t.Context(), "youku")
	if !errors.Is(err, token.ErrNoApp) || fault.KindOf(err) != fault.CredentialsExpired || fault.As(err).Action != "vodlift app set youku" {
		t.Errorf("no app: got %v", err)
	}
	for range 2 {
		if err := b.vault.Remove(t.Context(), main); err != nil {
			t.Fatal(err)
		}
		if _, err := b.vault.Load(t.Context(), main); !errors.Is(err, token.ErrNoCredential) {
			t.Errorf("removed: got %v", err)
		}
	}
	if err := b.vault.Remove(t.Context(), "douyin/nobody"); err != nil {
		t.Errorf("removing nothing: got %v", err)
	}
	it, _ := b.table.Get(t.Context(), tokenAt)
	if bytes.Contains(it.Doc, []byte("box")) {
		t.Errorf("removed, but a box is left: %s", it.Doc)
	}
}

func TestTheNewestLoginStands(t *testing.T) {
	b := newBench(t)
	first := b.load()
	second, err := b.vault.SaveLogin(t.Context(), main, b.login("g2"))
	if err != nil || second.Version != 2 || b.load().Access != second.Access {
		t.Fatalf("got %+v, %v", second, err)
	}
	stale := second
	stale.Access = "secret-stale"
	if got, err := b.vault.SaveLogin(t.Context(), main, stale); err != nil || got.Access != second.Access {
		t.Errorf("the same login again: got %v, %v", got.Access, err)
	}
	if _, err := b.vault.SaveLogin(t.Context(), main, first); fault.KindOf(err) != fault.Duplicate {
		t.Errorf("a late repeat of the replaced login: got %v", err)
	}
	if err := b.vault.Remove(t.Context(), main); err != nil {
		t.Fatal(err)
	}
	if _, err := b.vault.SaveLogin(t.Context(), main, second); fault.KindOf(err) != fault.Duplicate {
		t.Errorf("a late repeat of the removed login: got %v", err)
	}
	third := b.login("")
	if got, err := b.vault.SaveLogin(t.Context(), main, third); err != nil || got.Grant == "" || got.Version != 4 {
		t.Errorf("a login after the removal: got %v, version %d, %v", got, got.Version, err)
	}
}

func TestLoginsThatAreNoneAreRefused(t *testing.T) {
	b := newBench(t)
	if _, err := b.vault.SaveLogin(t.Context(), main, token.Token{Grant: "g9"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no token: got %v", err)
	}
	if _, err := b.vault.SaveLogin(t.Context(), "douyin", b.login("g9")); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no account: got %v", err)
	}
	if err := b.vault.PutApp(t.Context(), "douyin", token.AppKey{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no app: got %v", err)
	}
	if b.load().Grant != "g1" {
		t.Error("the old token is gone")
	}
}

func TestNoRecordOpensInAnothersPlace(t *testing.T) {
	for name, forge := range map[string]func(b *bench, doc map[string]any){
		"another account's ciphertext": func(b *bench, doc map[string]any) {
			if _, err := b.vault.SaveLogin(b.t.Context(), "douyin/other", b.login("g9")); err != nil {
				b.t.Fatal(err)
			}
			doc["box"] = b.doc(table.Key{PK: "A#douyin#other", SK: "TOKEN"})["box"]
		},
		"the app key's ciphertext": func(b *bench, doc map[string]any) { doc["box"] = b.doc(table.Key{PK: "APP#douyin", SK: "KEY"})["box"] },
		"a changed version":        func(_ *bench, doc map[string]any) { doc["version"] = 2 },
		"an older ciphertext": func(b *bench, doc map[string]any) {
			old := doc["box"]
			if _, err := b.vault.SaveLogin(b.t.Context(), main, b.login("g2")); err != nil {
				b.t.Fatal(err)
			}
			doc["version"], doc["box"] = 2, old
		},
		"no ciphertext": func(_ *bench, doc map[string]any) { delete(doc, "box") },
	} {
		b := newBench(t)
		doc := b.doc(tokenAt)
		forge(b, doc)
		b.put(tokenAt, doc)
		if tok, err := b.vault.Load(t.Context(), main); !errors.Is(err, token.ErrNotOpened) || tok.Access != "" {
			t.Errorf("%s: got %v, %v", name, tok, err)
		}
	}
}

func TestFieldsOfANewerProgramAreKept(t *testing.T) {
	b := newBench(t)
	doc := b.doc(tokenAt)
	doc["warned"] = "14 days"
	b.put(tokenAt, doc)
	if _, err := b.vault.SaveLogin(t.Context(), main, b.login("g2")); err != nil {
		t.Fatal(err)
	}
	if got := b.doc(tokenAt); got["warned"] != "14 days" || got["grant"] != "g2" {
		t.Errorf("got %v", got)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	b := newBench(t)
	tok, app := b.load(), token.AppKey{ID: "app-1", Secret: "secret-app"}
	for _, text := range []string{fmt.Sprint(tok), fmt.Sprintf("%+v %#v", tok, tok), fmt.Sprintf("%v %+v %#v", app, app, app)} {
		if strings.Contains(text, "secret") {
			t.Errorf("got %q", text)
		}
	}
}

func (b *bench) doc(k table.Key) map[string]any {
	b.t.Helper()
	it, err := b.table.Get(b.t.Context(), k)
	if err != nil {
		b.t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(it.Doc, &doc); err != nil {
		b.t.Fatal(err)
	}
	return doc
}

func (b *bench) put(k table.Key, doc any) {
	b.t.Helper()
	raw, err := json.Marshal(doc)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.table.Put(b.t.Context(), table.Item{Key: k, Doc: raw}, table.AnyVersion); err != nil {
		b.t.Fatal(err)
	}
}
