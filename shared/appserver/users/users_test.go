package users_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
)

func TestAUserRegistersLogsInAndIsKnownByHisToken(t *testing.T) {
	r := newRig(t, open())
	u := r.register(t, "Ann_1")
	if len(u.ID) != 13 || u.Number == 0 || u.Nickname != "Ann_1" || u.Guest {
		t.Errorf("got %+v", u)
	}
	s, err := r.login(t, "ann_1", right, home)
	if err != nil || s.User != mustGet(t, r, u.ID) || s.Expires != r.clock.now().Add(24*time.Hour) {
		t.Fatalf("got %+v, %v", s, err)
	}
	if got, err := r.Authenticate(t.Context(), s.Token); err != nil || got.ID != u.ID {
		t.Errorf("got %+v, %v", got, err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", s, s, s), s.Token) {
		t.Error("a session prints its token")
	}
}

func mustGet(t *testing.T, r *rig, id string) users.User {
	t.Helper()
	u, err := r.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUnknownUserAndWrongPasswordAreOneAnswerAndOneAmountOfWork(t *testing.T) {
	r := newRig(t, open())
	r.register(t, "known")
	guest, err := r.Random(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct{ name, user, password string }{
		{"wrong password", "known", wrong},
		{"unknown user", "unknown", wrong},
		{"unknown user, a password that is right elsewhere", "unknown", right},
		{"a guest's nickname", guest.User.Nickname, right},
		{"a guest's id", guest.User.ID, right},
		{"a name that no user can have", "<script>", right},
		{"an empty name", "", right},
		{"an empty password", "known", ""},
		{"a password of a megabyte", "known", strings.Repeat("x", 1<<20)},
		{"SQL", "' OR 1=1 --", "' OR 1=1 --"},
	}
	texts := map[string]bool{}
	for i, tc := range cases {
		before := r.hasher.verifies.Load()
		_, err := r.login(t, tc.user, tc.password, fmt.Sprintf("203.0.113.%d", i))
		if !errors.Is(err, users.ErrCredentials) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: got %v", tc.name, err)
			continue
		}
		texts[err.Error()] = true
		if n := r.hasher.verifies.Load() - before; n != 1 {
			t.Errorf("%s: %d hashes, want 1", tc.name, n)
		}
	}
	if len(texts) != 1 {
		t.Errorf("the texts differ: %v", texts)
	}
}

func TestADecoyCostsWhatARealHashCosts(t *testing.T) {
	h := users.NewArgon2(cheap(), rand.Reader)
	real, err := h.Hash(right)
	if err != nil {
		t.Fatal(err)
	}
	decoy, err := h.Decoy()
	if err != nil || len(decoy) != len(real) || decoy[:strings.LastIndex(decoy, "p=1")] != real[:strings.LastIndex(real, "p=1")] {
		t.Errorf("got %q beside %q, %v", decoy, real, err)
	}
}

func TestSignUpThatIsClosedMakesNobody(t *testing.T) {
	r := newRig(t, users.Settings{})
	_, err1 := r.Register(t.Context(), "somebody", right, home)
	_, err2 := r.Random(t.Context(), home)
	if !errors.Is(err1, users.ErrClosed) || !errors.Is(err2, users.ErrClosed) || r.hasher.hashes.Load() != 0 {
		t.Errorf("got %v, %v", err1, err2)
	}
}

func TestANameIsOneUsersWhateverItsForm(t *testing.T) {
	r := newRig(t, open())
	r.register(t, "Straße")
	for _, same := range []string{"straße", "STRASSE", "Ｓｔｒａｓｓｅ", "strasse"} {
		_, err := r.Register(t.Context(), same, right, home)
		if !errors.Is(err, users.ErrTaken) || fault.KindOf(err) != fault.Duplicate {
			t.Errorf("%s: got %v", same, err)
		}
		if s, err := r.login(t, same, right, home); err != nil || s.User.Name != "Straße" {
			t.Errorf("%s: got %v, %v", same, s, err)
		}
	}
}

func TestOfManyWhoWantANameOneGetsIt(t *testing.T) {
	r := newRig(t, open())
	var wg sync.WaitGroup
	ids := make(chan string, 20)
	for range cap(ids) {
		wg.Go(func() {
			u, err := r.Register(context.WithoutCancel(t.Context()), "wanted", right, home)
			if err == nil {
				ids <- u.ID
			} else if !errors.Is(err, users.ErrTaken) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 {
		t.Errorf("%d users have the name, want 1", len(ids))
	}
}

func TestNamesPasswordsAndNicknames(t *testing.T) {
	r := newRig(t, open())
	u := r.register(t, "owner")
	text := func(n int, s string) string { return strings.Repeat(s, n) }
	cases := []struct {
		what, value, rule string // rule "" = taken
	}{
		{"name", "abc", ""}, {"name", "ab", "3 to 32"}, {"name", text(32, "n"), ""}, {"name", text(33, "n"), "3 to 32"},
		{"name", "小明同学", ""}, {"name", "a.b_c-d@e.com", ""}, {"name", "a b c", "letters"}, {"name", "🎬🎬🎬", "letters"},
		{"name", "...", "at least one letter"}, {"name", "a\u202eb", "letters"}, {"name", "a\x00bc", "letters"}, {"name", "ab\ufe0fc", "invisible"},
		{"name", "ab\u3164c", "invisible"}, {"name", "\u0301abc", "letters"}, {"name", "a'; DROP TABLE users", "letters"}, {"name", "<b>x</b>", "letters"},
		{"name", "\xff\xfe\xfd", "UTF-8"}, {"name", text(1025, "n"), "<= 1024 bytes"}, {"name", text(10, "\ufdfa"), "letters"}, {"name", "", "not empty"},
		{"password", text(8, "p"), ""}, {"password", text(7, "p"), "8 to 128"}, {"password", text(128, "密"), ""}, {"password", text(129, "p"), "8 to 128"},
		{"password", "tab\there12", "control"}, {"password", "", "not empty"}, {"password", "\xff12345678", "UTF-8"},
		{"nickname", "x", ""}, {"nickname", text(50, "名"), ""}, {"nickname", text(51, "名"), "1 to 50"}, {"nickname", "👩\u200d🚀 <b>'--", ""},
		{"nickname", "", "not empty"}, {"nickname", "   ", "1 to 50"}, {"nickname", "a\u202egpj", "bidi"}, {"nickname", "a\nb", "control"},
		{"nickname", "\u200d", "visible"}, {"nickname", "\u3164", "visible"}, {"nickname", "a\u2066b", "bidi"}, {"nickname", "\xff", "UTF-8"},
	}
	for i, tc := range cases {
		var err error
		switch tc.what {
		case "name":
			_, err = r.Register(t.Context(), tc.value, right, fmt.Sprintf("203.0.113.%d", i))
		case "password":
			_, err = r.Register(t.Context(), fmt.Sprintf("name%d", i), tc.value, home)
		default:
			err = r.Rename(t.Context(), u.ID, tc.value)
		}
		f := fault.As(err)
		switch {
		case tc.rule == "" && err != nil:
			t.Errorf("%s %q: got %v", tc.what, tc.value, err)
		case tc.rule != "" && (f == nil || f.Kind != fault.Invalid || !strings.Contains(f.Rule, tc.rule) || f.Field == ""):
			t.Errorf("%s %q: got %v, want rule %q", tc.what, tc.value, err, tc.rule)
		case tc.what == "password" && tc.value != "" && err != nil && strings.Contains(err.Error(), tc.value):
			t.Errorf("an error shows the password")
		}
	}
}

func TestAPasswordIsTheSameHoweverItIsComposed(t *testing.T) {
	r := newRig(t, open())
	if _, err := r.Register(t.Context(), "composer", "cafe\u0301 noir", home); err != nil {
		t.Fatal(err)
	}
	if _, err := r.login(t, "composer", "caf\u00e9 noir", home); err != nil {
		t.Error(err)
	}
}

func TestTokensEnd(t *testing.T) {
	valid := func(t *testing.T, r *rig, tok string) bool {
		t.Helper()
		_, err := r.Authenticate(t.Context(), tok)
		if err != nil && !errors.Is(err, users.ErrToken) {
			t.Error(err)
		}
		return err == nil
	}
	t.Run("after 24 h", func(t *testing.T) {
		r := newRig(t, open())
		s, err := r.Random(t.Context(), home)
		if err != nil || !s.User.Guest {
			t.Fatal(s, err)
		}
		r.clock.advance(24*time.Hour - time.Second)
		if !valid(t, r, s.Token) {
			t.Error("it ended early")
		}
		r.clock.advance(time.Second)
		if valid(t, r, s.Token) {
			t.Error("it lives on")
		}
	})
	r := newRig(t, open())
	u := r.register(t, "phones")
	a, _ := r.login(t, "phones", right, home)
	b, _ := r.login(t, "phones", right, cafe)
	if err := r.Revoke(t.Context(), a.Token); err != nil || valid(t, r, a.Token) || !valid(t, r, b.Token) {
		t.Errorf("revoke: %v", err)
	}
	if err := r.RevokeAll(t.Context(), u.ID); err != nil || valid(t, r, b.Token) {
		t.Errorf("revoke all: %v", err)
	}
	if c, err := r.login(t, "phones", right, home); err != nil || !valid(t, r, c.Token) {
		t.Errorf("after revoke all: %v", err)
	}
	for _, bad := range []string{"", "x", a.Token + "x", a.Token[:42], strings.Repeat("A", 43), strings.Repeat("é", 22), strings.Repeat("A", 1<<20), "' OR 1=1 --" + strings.Repeat("-", 32)} {
		if valid(t, r, bad) {
			t.Errorf("%.50q is taken", bad)
		}
		if err := r.Revoke(t.Context(), bad); err != nil {
			t.Errorf("revoking %.50q: %v", bad, err)
		}
	}
}

func TestErasureLeavesTheIDOnly(t *testing.T) {
	set := open()
	set.Avatar = "https://img.example.com/a.png"
	r := newRig(t, set)
	u := r.register(t, "forget.me")
	s, err := r.login(t, "forget.me", right, home)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Erase(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
	}
	got := mustGet(t, r, u.ID)
	if want := (users.User{ID: u.ID, Number: u.Number, Erased: true, Created: got.Created, Modified: got.Modified}); got != want {
		t.Errorf("got %+v", got)
	}
	if _, err := r.Authenticate(t.Context(), s.Token); !errors.Is(err, users.ErrToken) {
		t.Errorf("the token lives: %v", err)
	}
	if err := r.Rename(t.Context(), u.ID, "back"); !errors.Is(err, users.ErrNotFound) {
		t.Errorf("rename: %v", err)
	}
	if _, err := r.login(t, "forget.me", right, home); !errors.Is(err, users.ErrCredentials) {
		t.Errorf("login: %v", err)
	}
	if n := r.register(t, "forget.me"); n.ID == u.ID {
		t.Error("the id was given again")
	}
	if err := r.Erase(t.Context(), u.ID); err != nil { // must not free the name of its new owner
		t.Error(err)
	}
	if _, err := r.Register(t.Context(), "forget.me", right, home); !errors.Is(err, users.ErrTaken) {
		t.Errorf("got %v, want taken", err)
	}
}

func TestIDsThatNobodyHas(t *testing.T) {
	r := newRig(t, open())
	for _, id := range []string{"", "0", "1", "x", "1#2", strings.Repeat("9", 65), "1000000000000", "\xff", "' OR 1=1"} {
		_, err := r.Get(t.Context(), id)
		if e2 := r.Rename(t.Context(), id, "n"); !errors.Is(err, users.ErrNotFound) || !errors.Is(e2, users.ErrNotFound) {
			t.Errorf("%q: got %v, %v", id, err, e2)
		}
	}
}

func TestSignUpsOfAnAddressAreBounded(t *testing.T) {
	set := open()
	set.SignupsPerAddress = 3
	r := newRig(t, set)
	for i := range 3 {
		if _, err := r.Random(t.Context(), fmt.Sprintf("2001:db8:1:2::%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.Random(t.Context(), "2001:db8:1:2:ffff::1") // the same /64
	if f := fault.As(err); !errors.Is(err, users.ErrTooMany) || f.After != 12*time.Hour {
		t.Errorf("got %v", err)
	}
	if _, err := r.Random(t.Context(), "2001:db8:1:3::1"); err != nil {
		t.Errorf("another network: %v", err)
	}
	r.clock.advance(12 * time.Hour)
	if _, err := r.Random(t.Context(), "2001:db8:1:2::1"); err != nil {
		t.Errorf("the next day: %v", err)
	}
}

func TestAPasswordIsHashedAnewWhenTheCostsChanged(t *testing.T) {
	c := newClock(noon())
	db := memory(t, c)
	old := newRigOver(t, db, c, open())
	u := old.register(t, "veteran")
	now := newRigOver(t, db, c, open())
	now.hasher.Hasher = users.NewArgon2(users.Params{Memory: 16, Time: 1, Threads: 1}, rand.Reader)
	stored := func() string {
		it, err := db.Get(t.Context(), table.Key{PK: "USER#" + u.ID, SK: "META"})
		if err != nil {
			t.Fatal(err)
		}
		return string(it.Doc)
	}
	if !strings.Contains(stored(), "m=8,") {
		t.Fatal(stored())
	}
	if _, err := now.login(t, "veteran", wrong, home); !errors.Is(err, users.ErrCredentials) || strings.Contains(stored(), "m=16,") {
		t.Errorf("a wrong password: %v", err)
	}
	for range 2 {
		if _, err := now.login(t, "veteran", right, home); err != nil || !strings.Contains(stored(), "m=16,") {
			t.Errorf("got %v, %s", err, stored())
		}
	}
	if n := now.hasher.hashes.Load(); n != 1 {
		t.Errorf("hashed %d times, want 1", n)
	}
}

func TestOnlySoManyPasswordsAreHashedAtOnce(t *testing.T) {
	set := open()
	set.HashesAtOnce = 2
	r := newRig(t, set)
	r.hasher.hold = make(chan struct{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := r.Register(context.WithoutCancel(t.Context()), fmt.Sprintf("crowd%d", i), right, home); err != nil {
				t.Error(err)
			}
		})
	}
	for range 8 {
		r.hasher.hold <- struct{}{}
	}
	wg.Wait()
	if most := r.hasher.most.Load(); most > 2 {
		t.Errorf("%d at once, want 2", most)
	}
}

func TestWhoWaitsForASlotLeavesWithHisContext(t *testing.T) {
	set := open()
	set.HashesAtOnce = 1
	r := newRig(t, set)
	r.hasher.hold = make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = r.Register(context.WithoutCancel(t.Context()), "first", right, home) })
	for r.hasher.running.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Login(ctx, "first", right, home); fault.KindOf(err) != fault.Retryable || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(r.hasher.hold)
	wg.Wait()
}

func TestStoredHashesThatAreDamagedCostNothing(t *testing.T) {
	h := users.NewArgon2(cheap(), rand.Reader)
	good, err := h.Hash(right)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "$", "plain", good + "x", good[:len(good)-1], strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "m=8", "m=4000000000", 1),
		strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "m=8", "m=08", 1), strings.Replace(good, "v=19", "v=16", 1), strings.Repeat("$", 1000),
	} {
		if _, _, err := h.Verify(right, bad); fault.KindOf(err) != fault.Permanent || strings.Contains(err.Error(), "$argon2id") {
			t.Errorf("%.60q: got %v", bad, err)
		}
	}
}

func TestLostAnswersNeitherLoseNorDoubleAUser(t *testing.T) {
	c := newClock(noon())
	for _, loss := range []sqlite.Loss{sqlite.LostAfter, sqlite.LostBefore, sqlite.Refused, sqlite.Resent} {
		n := 0
		db, err := sqlite.OpenMemory(&sqlite.Options{Now: c.now, Lose: func(op string) sqlite.Loss {
			if n++; n%3 == 0 {
				return loss
			}
			return sqlite.NotLost
		}})
		if err != nil {
			t.Fatal(err)
		}
		r := newRigOver(t, db, c, open())
		u := r.register(t, "lossy")
		s, err := r.login(t, "lossy", right, home)
		if err != nil || s.User.ID != u.ID {
			t.Fatalf("got %v, %v", s, err)
		}
		if err := r.Rename(t.Context(), u.ID, "new"); err != nil {
			t.Error(err)
		}
		if err := r.Erase(t.Context(), u.ID); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
