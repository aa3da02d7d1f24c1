// Package markup is the one syntax for topics and mentions in a manifest's title and description. It exists so that a
// text is written once and every platform gets it in its own form. It is pure: no I/O, and no platform's limits.
//
//	#话题         a topic: # and a name; white space or punctuation ends it
//	@nick{id}     a mention: the name that is shown, and the platform's id of the user in braces
//	@nick{douyin:id1,douyinweb:id2}   ids that differ by target; a bare id is for every target
//	\# \@ \{ \} \\   the character itself; inside a nickname also a backslash and a space
//
// Where nothing else is said, characters stand for themselves: "C# is fine", "me@example.com", a backslash before any
// other character, and the keycap emoji that begins with #. The full-width ＃ and ＠ are plain text.
//
// A name may hold letters, marks, digits, symbols and emoji (with their joiners), and _ - · inside. Platforms find
// topics in the text by themselves, too; an escaped # is no topic here, but may be one there.
package markup

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
)

// Bounds of one text: enough for any platform, small enough for hostile input.
const (
	MaxBytes = 16 << 10 // of a text
	MaxMarks = 100      // topics and mentions together
	MaxName  = 64       // characters of a topic's name or a nickname
	MaxID    = 128      // characters of an id
)

// Kind is what a Span is.
type Kind int

// The three kinds.
const (
	Text Kind = iota
	Topic
	Mention
)

// String names the kind for people.
func (k Kind) String() string {
	return [...]string{"text", "topic", "mention"}[min(max(k, Text), Mention)]
}

// Span is a piece of a text.
type Span struct {
	Kind Kind
	Name string // the text itself; or the topic's or the user's name, without # or @
	// IDs of a mentioned user by target; "" is for every target that has none of its own.
	IDs map[string]string
}

// Visible is what readers see of the span.
func (s Span) Visible() string {
	switch s.Kind {
	case Topic:
		return "#" + s.Name
	case Mention:
		return "@" + s.Name
	}
	return s.Name
}

// ID is the mentioned user's id at a target; "" if none is known, and then the mention is plain text there.
func (s Span) ID(target string) string {
	if id, ok := s.IDs[target]; ok {
		return id
	}
	return s.IDs[""]
}

// Error says which rule a text breaks, and where. Line and Column start at 1; Column counts characters.
type Error struct {
	Rule         string
	Msg          string
	Offset       int // bytes before the place
	Line, Column int
}

// Error reads: message at line, column (rule).
func (e *Error) Error() string {
	return fmt.Sprintf("%s at line %d, column %d (rule: %s)", e.Msg, e.Line, e.Column, e.Rule)
}

// Invalid is err as a fault of a field of our input; nil stays nil.
func Invalid(op, field string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		return fault.InvalidField(op, field, "text with topics and mentions", err.Error())
	}
	return fault.InvalidField(op, field, e.Rule, fmt.Sprintf("%s at line %d, column %d", e.Msg, e.Line, e.Column))
}

// Escape makes s a text without topics or mentions: Parse(Escape(s)) is s.
func Escape(s string) string { return escaper().Replace(s) }

func escaper() *strings.Replacer {
	return strings.NewReplacer(`\`, `\\`, "#", `\#`, "@", `\@`, "{", `\{`, "}", `\}`)
}

// Parse takes a text apart. Every error is an *Error. No two neighbours are both Text.
func Parse(s string) ([]Span, error) {
	p := &parser{in: s}
	if len(s) > MaxBytes {
		return nil, p.fail(MaxBytes, fmt.Sprintf("<= %d bytes", MaxBytes), fmt.Sprintf("the text has %d bytes", len(s)))
	}
	for i := 0; i < len(s); {
		if r, n := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && n <= 1 {
			return nil, p.fail(i, "UTF-8", "this is no UTF-8")
		} else {
			i += n
		}
	}
	for p.at < len(p.in) {
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	p.flush()
	return p.out, nil
}

type parser struct {
	in    string
	at    int
	text  strings.Builder
	out   []Span
	marks int
}

func (p *parser) fail(at int, rule, msg string) *Error {
	at = min(at, len(p.in))
	before := p.in[:at]
	line := strings.LastIndexByte(before, '\n') + 1
	return &Error{Rule: rule, Msg: msg, Offset: at, Line: strings.Count(before, "\n") + 1, Column: utf8.RuneCountInString(before[line:]) + 1}
}

// next takes one character, escape, topic or mention.
func (p *parser) next() error {
	r, n := utf8.DecodeRuneInString(p.in[p.at:])
	switch r {
	case '\\':
		if p.at+1 < len(p.in) && strings.IndexByte(`#@{}\`, p.in[p.at+1]) >= 0 {
			p.text.WriteByte(p.in[p.at+1])
			p.at += 2
			return nil
		}
	case '#':
		if name := topicName(p.in[p.at+1:]); name != "" {
			return p.topic(name)
		}
	case '@':
		if took, err := p.mention(); took || err != nil {
			return err
		}
	}
	p.text.WriteRune(r)
	p.at += n
	return nil
}

func (p *parser) flush() {
	if p.text.Len() > 0 {
		p.out = append(p.out, Span{Kind: Text, Name: p.text.String()})
		p.text.Reset()
	}
}

func (p *parser) mark(s Span, size int) error {
	if p.marks++; p.marks > MaxMarks {
		return p.fail(p.at, fmt.Sprintf("<= %d topics and mentions", MaxMarks), "one too many")
	}
	if utf8.RuneCountInString(s.Name) > MaxName {
		return p.fail(p.at, fmt.Sprintf("a name of <= %d characters", MaxName), fmt.Sprintf("the name of this %s has %d", s.Kind, utf8.RuneCountInString(s.Name)))
	}
	p.flush()
	p.out = append(p.out, s)
	p.at += size
	return nil
}

func (p *parser) topic(name string) error {
	return p.mark(Span{Kind: Topic, Name: name}, 1+len(name))
}

// topicName is the name that s begins with. A mark cannot begin it: it would belong to the #, as in the keycap emoji.
func topicName(s string) string {
	end := 0
	for i, r := range s {
		inner := r == '-' || r == '·'
		if !inner && !nameRune(r) || i == 0 && (inner || joiner(r) || unicode.Is(unicode.M, r)) {
			break
		}
		if !inner { // - and · only between others
			end = i + utf8.RuneLen(r)
		}
	}
	return s[:end]
}

// TopicName says whether s can be the whole name of a topic.
func TopicName(s string) bool { return s != "" && topicName(s) == s }

func nameRune(r rune) bool {
	return r == '_' || unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.S) || joiner(r) ||
		r >= 0x1F000 && r <= 0x1FAFF // emoji younger than the tables
}

// joiner is what holds emoji together: the zero-width joiners and the tags of flags.
func joiner(r rune) bool { return r == 0x200C || r == 0x200D || r >= 0xE0020 && r <= 0xE007F }
