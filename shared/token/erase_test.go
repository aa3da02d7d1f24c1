package token_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/token"
)

// TestWhatIsRemovedIsNowhereInTheFile: an account's secrets and what is known of its user leave the table, and with it its
// file, its indexes and what a newer program wrote beside. Ids of the logins stay.
func TestWhatIsRemovedIsNowhereInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	db, err := sqlite.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	b.table = db
	b.vault = token.NewVault(db, b.cipher, b.clock.now)
	if err := b.vault.PutApp(t.Context(), "douyin", token.AppKey{ID: "app-1", Secret: "secret-app"}); err != nil {
		t.Fatal(err)
	}
	tok := b.login("g9-grant")
	tok.Subject, tok.Scopes = "open-id-of-a-person", []string{"scope.personal"}
	if _, err := b.vault.SaveLogin(t.Context(), main, tok); err != nil {
		t.Fatal(err)
	}
	it, err := db.Get(t.Context(), tokenAt)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(it.Doc, &all); err != nil {
		t.Fatal(err)
	}
	all["nickname_of_tomorrow"] = json.RawMessage(`"Nickname of a person"`)
	if it.Doc, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Put(t.Context(), it, it.Version); err != nil {
		t.Fatal(err)
	}
	if n, err := b.vault.Doubt(t.Context(), "douyin", tok.Subject); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	n := &notices{}
	for range 3 {
		b.sweep(b.sweeper(n, token.SweepOptions{}))
		b.move(30 * 60e9)
	}
	personal := []string{"open-id-of-a-person", "scope.personal", "Nickname of a person"}
	have := func(s string) bool {
		for _, f := range []string{path, path + "-wal", path + "-shm"} {
			if raw, err := os.ReadFile(f); err == nil && bytes.Contains(raw, []byte(s)) {
				return true
			}
		}
		return false
	}
	for _, s := range personal {
		if !have(s) {
			t.Errorf("%q is not where this test looks", s)
		}
	}
	if err := b.vault.Remove(t.Context(), main); err != nil {
		t.Fatal(err)
	}
	if it, err = db.Get(t.Context(), tokenAt); err != nil || len(it.Index) != 1 || it.Index[table.List].PK == "" {
		t.Errorf("stands at %v, %v", it.Index, err)
	}
	for _, s := range personal {
		if bytes.Contains(it.Doc, []byte(s)) {
			t.Errorf("%q is left in the record", s)
		}
	}
	if hits, _, err := db.QueryIndex(t.Context(), table.IndexQuery{Index: table.Acct, PK: token.SubjectPart("douyin", tok.Subject)}); err != nil || len(hits) != 0 {
		t.Errorf("found by its user: %v, %v", hits, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range append(personal, "secret-", "app-1") {
		if have(s) {
			t.Errorf("%q is left in the file (PRAGMA secure_delete keeps what was overwritten out of free pages)", s)
		}
	}
	if !have("g9-grant") {
		t.Error("the id of the login is gone: a late repeat of it would bring the account back")
	}
}
