package users

import (
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/vodlift/vodlift/shared/fault"
)

func TestLettersThatDifferInCaseMakeOneName(t *testing.T) {
	for r := range rune(unicode.MaxRune) {
		if !unicode.IsLetter(r) {
			continue
		}
		_, canon, err := cleanName("t", "abc"+string(r))
		if err != nil {
			continue // refused in every case
		}
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			if _, other, err := cleanName("t", "abc"+string(f)); err == nil && other != canon {
				t.Errorf("%U and %U make two names: %q and %q", r, f, canon, other)
			}
		}
	}
}

// FuzzNames: whatever strangers send is refused as Invalid with field and rule, or taken in one form: taking the form
// that is shown, or the form that is unique, gives the same user again.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"Straße", "Ａｂｃ", "ǅabc", "ΑΣΣ", "İstanbul", "e\u0301bc", "\u1e9e\u1e9e\u1e9e", "ﬁsh", "ab\u0345c", "ᾳbc", "abc\u13a0", "\xffabc", "a\u202eb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		name, canon, err := cleanName("t", raw)
		if err != nil {
			if e := fault.As(err); e == nil || e.Kind != fault.Invalid || e.Field == "" || e.Rule == "" {
				t.Fatalf("got %v", err)
			}
			return
		}
		if !utf8.ValidString(name) || !norm.NFKC.IsNormalString(name) {
			t.Fatalf("%q is taken as %q", raw, name)
		}
		if again, c, err := cleanName("t", name); err != nil || again != name || c != canon {
			t.Fatalf("%q gives %q and %q, then %q and %q, %v", raw, name, canon, again, c, err)
		}
		if _, c, err := cleanName("t", canon); err == nil && c != canon {
			t.Fatalf("%q: %q folds once more to %q", raw, canon, c)
		}
	})
}
