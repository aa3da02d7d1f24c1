package markup

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const mentionRule = `@nickname{id}; for a plain @ or { write \@ or \{`

// mention takes @nickname{ids}. Without a brace after the nickname the @ is plain text.
func (p *parser) mention() (took bool, err error) {
	name, n := nickname(p.in[p.at+1:])
	open := p.at + 1 + n
	if name == "" || open >= len(p.in) || p.in[open] != '{' {
		return false, nil
	}
	inside, _, closed := strings.Cut(p.in[open+1:], "}")
	if !closed {
		return false, p.fail(open, mentionRule, "the brace of this mention is not closed")
	}
	ids, bad, why := parseIDs(inside)
	if why != "" {
		return false, p.fail(open+1+bad, mentionRule, why)
	}
	return true, p.mark(Span{Kind: Mention, Name: name, IDs: ids}, 1+n+1+len(inside)+1)
}

// nickname is the name at the start of s, without its escapes, and the bytes that it takes.
func nickname(s string) (name string, size int) {
	var b strings.Builder
	for size < len(s) {
		r, n := utf8.DecodeRuneInString(s[size:])
		if r == '\\' && size+1 < len(s) && strings.IndexByte(`#@{}\ `, s[size+1]) >= 0 {
			b.WriteByte(s[size+1])
			size += 2
			continue
		}
		if strings.ContainsRune("#@{}\\", r) || unicode.IsSpace(r) || unicode.IsControl(r) || bidi(r) {
			break
		}
		b.WriteRune(r)
		size += n
	}
	return b.String(), size
}

// bidi is a control of writing direction: in a name it would show another one than it is.
func bidi(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }

// parseIDs reads "id" or "target:id,target:id". bad is where, why what is wrong; "" = nothing.
func parseIDs(s string) (ids map[string]string, bad int, why string) {
	ids = map[string]string{}
	for _, item := range strings.Split(s, ",") {
		target, id, named := strings.Cut(item, ":")
		if !named || !word(target) {
			target, id = "", item
		}
		if i := strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`{}\#`, r) }); i >= 0 {
			return nil, bad + len(item) - len(id) + i, "an id has letters, digits and signs without spaces"
		}
		_, twice := ids[target]
		switch {
		case id == "":
			return nil, bad, "the id of this mention is empty"
		case len(id) > MaxID:
			return nil, bad, "the id of this mention is too long"
		case twice:
			return nil, bad, "this mention has two ids for one target"
		}
		ids[target] = id
		bad += len(item) + 1
	}
	return ids, 0, ""
}

// word is what a target's name looks like.
func word(s string) bool {
	if s == "" || len(s) > 16 {
		return false
	}
	for _, r := range s {
		if r < 'a' || r > 'z' {
			return false
		}
	}
	return true
}
