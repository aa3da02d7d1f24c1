package token_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/token"
)

func newSealer(t testing.TB) *token.Sealer {
	t.Helper()
	k, err := token.FileKey(filepath.Join(t.TempDir(), "key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return token.NewSealer(k, nil)
}

func TestWhatIsSealedOpensOnlyUnchangedAndInItsPlace(t *testing.T) {
	s, plain := newSealer(t), []byte("rft.0123456789abcdef")
	key := table.Key{PK: "A#douyin#main", SK: "TOKEN"}
	ad := token.AD("token", "douyin/main", key, 7)
	sealed, err := s.Seal(t.Context(), plain, ad)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(t.Context(), sealed, ad); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("got %q, %v", got, err)
	}
	if bytes.Contains(sealed, plain[:8]) {
		t.Error("the plaintext shows")
	}
	if again, _ := s.Seal(t.Context(), plain, ad); bytes.Equal(again, sealed) {
		t.Error("sealed twice, the same: the nonce is not fresh")
	}
	for name, other := range map[string][]byte{
		"another kind":    token.AD("app", "douyin/main", key, 7),
		"another account": token.AD("token", "douyin/other", key, 7),
		"another key":     token.AD("token", "douyin/main", table.Key{PK: key.PK, SK: "TOKEN2"}, 7),
		"another version": token.AD("token", "douyin/main", key, 8),
		"shifted fields":  token.AD("tokend", "ouyin/main", key, 7),
		"nothing":         nil,
	} {
		if _, err := s.Open(t.Context(), sealed, other); !errors.Is(err, token.ErrNotOpened) || fault.KindOf(err) != fault.Permanent {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := s.Open(t.Context(), bad, ad); !errors.Is(err, token.ErrNotOpened) {
			t.Errorf("byte %d changed: got %v", i, err)
		}
		if _, err := s.Open(t.Context(), sealed[:i], ad); !errors.Is(err, token.ErrNotOpened) {
			t.Errorf("cut to %d bytes: got %v", i, err)
		}
	}
}

func FuzzOpenNeverPanicsOrOpensWhatItDidNotSeal(f *testing.F) {
	s := newSealer(f)
	sealed, err := s.Seal(f.Context(), []byte("x"), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte("VLS1\xff"))
	f.Add([]byte("VLS1\x00\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := s.Open(t.Context(), b, nil); (err == nil) != bytes.Equal(b, sealed) {
			t.Errorf("%q: got %v", b, err)
		}
	})
}

func TestKeyFileIsMadeOnceAndForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := token.FileKey(path, &token.FileKeyOptions{MustExist: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("MustExist: got %v", err)
	}
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids { // as processes that start together
		all.Go(func() {
			k, err := token.FileKey(path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			d, _ := k.Newest(t.Context())
			ids[i] = d.ID
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("got different keys: %v", ids)
		}
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 || st.Size() != 65 {
		t.Errorf("got %v, %v", st, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKeyFilesThatAreNotSafeOrNotKeysAreRefused(t *testing.T) {
	good := strings.Repeat("ab", 32) + "\n"
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		ok      bool
	}{
		"good":                   {good, 0o600, true},
		"good, read-only":        {good, 0o400, true},
		"without newline":        {good[:64], 0o600, true},
		"the group may read":     {good, 0o640, false},
		"all may read":           {good, 0o604, false},
		"the group may write":    {good, 0o620, false},
		"empty":                  {"", 0o600, false},
		"one digit short":        {good[:63], 0o600, false},
		"one byte long":          {good[:64] + "ab\n", 0o600, false},
		"not hex":                {"zz" + good[2:], 0o600, false},
		"more after the newline": {good + good, 0o600, false},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := token.FileKey(path, nil)
		if (err == nil) != c.ok || err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "abab") {
			t.Errorf("%s: the error shows the key", name)
		}
		if after, _ := os.ReadFile(path); string(after) != c.content {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if _, err := token.FileKey(t.TempDir(), nil); err == nil {
		t.Error("a folder was taken for a key")
	}
}

func TestAfterARotationTheOldOpensAndTheNewSeals(t *testing.T) {
	dir := t.TempDir()
	path, aside := filepath.Join(dir, "key"), filepath.Join(dir, "key.2025")
	old, err := token.FileKey(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed, _ := token.NewSealer(old, nil).Seal(t.Context(), []byte("x"), nil)
	if err := os.Rename(path, aside); err != nil {
		t.Fatal(err)
	}
	rotated, err := token.FileKey(path, &token.FileKeyOptions{Older: []string{aside}})
	if err != nil {
		t.Fatal(err)
	}
	s := token.NewSealer(rotated, nil)
	if got, err := s.Open(t.Context(), sealed, nil); err != nil || string(got) != "x" {
		t.Errorf("old: got %q, %v", got, err)
	}
	again, _ := s.Seal(t.Context(), []byte("x"), nil)
	before, _ := token.KeyID(sealed)
	if after, ok := token.KeyID(again); !ok || after == before {
		t.Errorf("sealed with %q again", after)
	}
	if _, err := token.NewSealer(old, nil).Open(t.Context(), again, nil); !errors.Is(err, token.ErrNotOpened) {
		t.Errorf("the old key opens the new: %v", err)
	}
	d, _ := rotated.Newest(t.Context())
	for _, text := range []string{fmt.Sprint(rotated), fmt.Sprintf("%#v", rotated), fmt.Sprint(d), fmt.Sprintf("%#v", d), fmt.Sprintf("%+v", d)} {
		if strings.Contains(text, fmt.Sprintf("%x", d.Key[:4])) || strings.Contains(text, fmt.Sprint(d.Key[:4])[1:8]) {
			t.Errorf("a key shows in %q", text)
		}
	}
}
