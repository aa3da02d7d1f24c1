package markup

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Compose is the text of a post: title, description, then the tags as topics, with a space between. A description
// that is the title is left out, and so is a tag that already stands in the text as a topic. Errors are faults that
// name the field: title, description or tags[i]. It depends on its arguments alone, so a look can compute it again.
func Compose(op, title, description string, tags []string) ([]Span, error) {
	if strings.TrimSpace(description) == strings.TrimSpace(title) {
		description = ""
	}
	var out []Span
	for _, x := range [...]struct{ field, text string }{{"title", title}, {"description", description}} {
		spans, err := Parse(strings.TrimRightFunc(x.text, unicode.IsSpace))
		if err != nil {
			return nil, Invalid(op, x.field, err)
		}
		if len(spans) > 0 && spans[0].Kind == Text { // trimmed only now, so that an error names the place in the whole text
			if spans[0].Name = strings.TrimLeftFunc(spans[0].Name, unicode.IsSpace); spans[0].Name == "" {
				spans = spans[1:]
			}
		}
		out = join(out, spans)
	}
	there, marks := map[string]bool{}, 0
	for _, s := range out {
		if s.Kind == Topic {
			there[s.Name] = true
		}
		if s.Kind != Text {
			marks++
		}
	}
	for i, tag := range tags {
		name := strings.TrimLeft(strings.TrimSpace(tag), "#＃")
		field := fmt.Sprintf("tags[%d]", i)
		if !oneWord(name) {
			return nil, Invalid(op, field, &Error{Rule: "one word, without # @ { } \\ inside", Msg: "this tag cannot be a topic", Line: 1, Column: 1})
		}
		if utf8.RuneCountInString(name) > MaxName {
			return nil, Invalid(op, field, &Error{Rule: fmt.Sprintf("a name of <= %d characters", MaxName), Msg: "this tag is too long for a topic", Line: 1, Column: 1})
		}
		if there[name] {
			continue
		}
		if marks++; marks > MaxMarks {
			return nil, Invalid(op, field, &Error{Rule: fmt.Sprintf("<= %d topics and mentions", MaxMarks), Msg: "one too many", Line: 1, Column: 1})
		}
		there[name] = true
		out = join(out, []Span{{Kind: Topic, Name: name}})
	}
	return out, nil
}

// oneWord is what a tag may be. It is less strict than a topic in a text, since nobody has to find its end: "Node.js".
func oneWord(s string) bool {
	for i, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) || bidi(r) || strings.ContainsRune("#＃@＠{}\\", r) || i == 0 && (unicode.Is(unicode.M, r) || joiner(r)) {
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}

// join puts a space between two texts, unless one is empty, and keeps neighbouring Text spans one.
func join(a, b []Span) []Span {
	if len(a) == 0 || len(b) == 0 {
		return append(a, b...)
	}
	return merge(merge(a, Span{Kind: Text, Name: " "}), b...)
}

func merge(a []Span, b ...Span) []Span {
	for _, s := range b {
		if n := len(a); n > 0 && s.Kind == Text && a[n-1].Kind == Text {
			a[n-1].Name += s.Name
			continue
		}
		a = append(a, s)
	}
	return a
}
