package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// shown makes text of strangers (keys, titles, a platform's words) safe to read: control and bidi characters, which
// could steer a terminal or turn the order of words, are written out; so are bytes that are no text.
func shown(s string) string {
	plain := true
	for i, r := range s {
		if hidden(r) || r == utf8.RuneError && badByte(s[i:]) {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && badByte(s[i:]):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case hidden(r) && r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case hidden(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// badByte says whether a RuneError at the start of s stands for a byte that is no text.
func badByte(s string) bool { _, n := utf8.DecodeRuneInString(s); return n == 1 }

// hidden are control and format characters and line separators; the joiners that scripts and emoji need are not.
func hidden(r rune) bool {
	if r == '\u200c' || r == '\u200d' {
		return false
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// columns is how many columns a terminal gives to text; a guess on the large side for joined emoji.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case width.LookupRune(r).Kind() == width.EastAsianWide, width.LookupRune(r).Kind() == width.EastAsianFullwidth, r >= 0x1f300:
		return 2
	}
	return 1
}

// fit cuts text to n columns, with a mark where something was cut, and fills it up to n if pad is set.
func fit(s string, n int, pad bool) string {
	if have := columns(s); have <= n {
		if pad {
			s += strings.Repeat(" ", n-have)
		}
		return s
	}
	out, used := "", 0
	for _, r := range s {
		w := runeColumns(r)
		if used+w > n-1 {
			break
		}
		out, used = out+string(r), used+w
	}
	out, used = out+"~", used+1
	if pad {
		out += strings.Repeat(" ", max(0, n-used))
	}
	return out
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}
