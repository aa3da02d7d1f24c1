package users

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Limits, in characters (runes) after normalisation; the bytes bound what is looked at before.
const (
	MinName     = 3
	MaxName     = 32
	MinPassword = 8
	MaxPassword = 128
	MaxNickname = 50
	maxRawBytes = 1024
)

// cleanName checks a user name and gives it in NFKC, and the form that makes it unique: case-folded.
func cleanName(op, raw string) (name, canon string, err error) {
	const field = "username"
	if err := rawText(op, field, raw); err != nil {
		return "", "", err
	}
	name = norm.NFKC.String(raw)
	solid := false
	for i, r := range name {
		switch {
		case unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r):
			return "", "", fault.InvalidField(op, field, "no invisible characters", "it holds a character that nobody sees")
		case unicode.IsLetter(r), unicode.IsDigit(r):
			solid = true
		case unicode.IsMark(r) && i > 0, strings.ContainsRune("._-@+", r):
		default:
			return "", "", fault.InvalidField(op, field, "letters, digits and . _ - @ +", "it holds another character")
		}
	}
	if err := count(op, field, name, MinName, MaxName); err != nil {
		return "", "", err
	}
	if !solid {
		return "", "", fault.InvalidField(op, field, "at least one letter or digit", "it has none")
	}
	// cases.Fold swaps the cases of Cherokee in place of folding them, so one of each orbit is chosen after it. Folding may
	// leave what NFKC would change once more.
	canon = norm.NFKC.String(strings.Map(leastOfOrbit, cases.Fold().String(name)))
	return name, canon, nil
}

// leastOfOrbit gives one and the same of all characters that differ in case only.
func leastOfOrbit(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}

// cleanPassword checks a new password and gives it in NFC, so that two keyboards that compose differently agree.
func cleanPassword(op, raw string) (string, error) {
	const field = "password"
	if err := rawText(op, field, raw); err != nil {
		return "", err
	}
	p := norm.NFC.String(raw)
	for _, r := range p {
		if unicode.IsControl(r) {
			return "", fault.InvalidField(op, field, "no control characters", "it holds one")
		}
	}
	return p, count(op, field, p, MinPassword, MaxPassword)
}

// cleanNickname checks what others see of a user. Emoji, quotes and angle brackets are text like any other.
func cleanNickname(op, raw string) (string, error) {
	const field = "nickname"
	if err := rawText(op, field, raw); err != nil {
		return "", err
	}
	n := strings.TrimSpace(norm.NFC.String(raw))
	seen := false
	for _, r := range n {
		if steers(r) {
			return "", fault.InvalidField(op, field, "no control or bidi characters", "it holds a character that steers how text is shown")
		}
		seen = seen || !unicode.IsSpace(r) && !unicode.IsMark(r) && !unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point)
	}
	if err := count(op, field, n, 1, MaxNickname); err != nil {
		return "", err
	}
	if !seen {
		return "", fault.InvalidField(op, field, "at least one visible character", "it has none")
	}
	return n, nil
}

// steers: control characters, line separators, bidi controls, and format characters but the joiners that scripts and
// emoji need (and the tags in flags).
func steers(r rune) bool {
	switch {
	case r == '\u200c', r == '\u200d', r >= 0xe0020 && r <= 0xe007f:
		return false
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}

func rawText(op, field, s string) error {
	switch {
	case s == "":
		return fault.InvalidField(op, field, "not empty", "it is missing")
	case len(s) > maxRawBytes:
		return fault.InvalidField(op, field, fmt.Sprintf("<= %d bytes", maxRawBytes), fmt.Sprintf("it has %d bytes", len(s)))
	case !utf8.ValidString(s):
		return fault.InvalidField(op, field, "UTF-8", "it is not UTF-8 text")
	}
	return nil
}

func count(op, field, s string, least, most int) error {
	if n := utf8.RuneCountInString(s); n < least || n > most {
		return fault.InvalidField(op, field, fmt.Sprintf("%d to %d characters", least, most), fmt.Sprintf("it has %d characters", n))
	}
	return nil
}

func nameKey(canon string) table.Key {
	sum := sha256.Sum256([]byte("name\x00" + canon))
	return table.Key{PK: "USERNAME#" + hex.EncodeToString(sum[:]), SK: "-"}
}
