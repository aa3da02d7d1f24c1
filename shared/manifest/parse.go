package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
)

// Parse reads a sidecar. It is strict: only the fields of docs/manifest.schema.json, no key twice, no null for a field
// of ours, at most MaxBytes and MaxDepth; targets are the platforms that may have an object of their own (KnownTargets in
// a deployment). Every error is Invalid and names field, rule and place. A byte order mark is skipped; the title is
// trimmed of spaces. What depends on the time is for Validate.
func Parse(b []byte, targets []string) (Manifest, error) {
	if targets == nil {
		targets = []string{}
	}
	return parse(b, targets)
}

// parse with nil targets takes every word.
func parse(b []byte, targets []string) (Manifest, error) {
	const op = "manifest.Parse"
	d, err := scan(op, b)
	if err != nil {
		return Manifest{}, err
	}
	var m Manifest
	if bad := m.decode(d.text, targets); bad != nil {
		return Manifest{}, bad.fault(op, &d)
	}
	if bad := m.check(); bad != nil {
		return Manifest{}, bad.fault(op, &d)
	}
	m.Title = strings.TrimFunc(m.Title, isSpace)
	return m, nil
}

// flaw is a field that breaks a rule; sub is the element of it, if one is to blame.
type flaw struct{ top, sub, rule, msg string }

func (f *flaw) fault(op string, d *document) error {
	field, place := clip(f.top), ""
	if f.sub != "" {
		field += strings.TrimSuffix("."+clip(f.sub), ".")
		field = strings.ReplaceAll(field, ".[", "[")
	}
	if d != nil {
		place = d.at(f.top, f.sub)
	}
	return fault.InvalidField(op, field, f.rule, f.msg+place)
}

func (m *Manifest) decode(b []byte, targets []string) *flaw {
	if kindOf(b) != "an object" {
		return &flaw{"document", "", "a JSON object", "it is " + kindOf(b)}
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return &flaw{"document", "", "a JSON object", "it cannot be read"}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) { // sorted: the same document gives the same complaint
		if f := m.field(name, fields[name], targets); f != nil {
			return f
		}
	}
	return nil
}

func (m *Manifest) field(name string, raw json.RawMessage, targets []string) *flaw {
	switch name {
	case fieldTitle:
		m.given |= hasTitle
		return text(name, raw, &m.Title)
	case fieldDescription:
		m.given |= hasDescription
		return text(name, raw, &m.Description)
	case fieldAgain:
		m.given |= hasAgain
		return text(name, raw, &m.Again)
	case fieldPrivate:
		m.given |= hasPrivate
		if json.Unmarshal(raw, &m.Private) != nil || kindOf(raw) == "null" {
			return &flaw{name, "", "true or false", "it is " + kindOf(raw)}
		}
		return nil
	case fieldTags:
		m.given |= hasTags
		return texts(name, raw, &m.Tags)
	case fieldTo:
		m.given |= hasTo
		return texts(name, raw, &m.To)
	case fieldPublishAt:
		m.given |= hasPublishAt
		return m.publishAt(raw)
	case fieldCover:
		m.given |= hasCover
		return m.cover(raw)
	}
	return m.target(name, raw, targets)
}

func (m *Manifest) target(name string, raw json.RawMessage, targets []string) *flaw {
	if targets == nil && !targetWord.MatchString(name) || targets != nil && !slices.Contains(targets, name) {
		known := append([]string{fieldTitle, fieldDescription, fieldTags, fieldCover, fieldPublishAt, fieldPrivate, fieldAgain, fieldTo}, targets...)
		return &flaw{name, "", "a known field", "no such field; known are " + strings.Join(known, ", ")}
	}
	if kindOf(raw) != "an object" {
		return &flaw{name, "", "an object", "it is " + kindOf(raw)}
	}
	var buf bytes.Buffer
	if json.Compact(&buf, raw) != nil {
		return &flaw{name, "", "an object", "it cannot be read"}
	}
	if m.Targets == nil {
		m.Targets = map[string]json.RawMessage{}
	}
	m.Targets[name] = buf.Bytes()
	return nil
}

var targetWord = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`)

func text(name string, raw json.RawMessage, into *string) *flaw {
	if kindOf(raw) != "a string" || json.Unmarshal(raw, into) != nil {
		return &flaw{name, "", "a string", "it is " + kindOf(raw)}
	}
	return nil
}

func texts[S ~string](name string, raw json.RawMessage, into *[]S) *flaw {
	var list []json.RawMessage
	if kindOf(raw) != "a list" || json.Unmarshal(raw, &list) != nil {
		return &flaw{name, "", "a list of strings", "it is " + kindOf(raw)}
	}
	*into = make([]S, len(list))
	for i, r := range list {
		var s string
		if text(name, r, &s) != nil {
			return &flaw{name, index(i), "a string", "it is " + kindOf(r)}
		}
		(*into)[i] = S(s)
	}
	return nil
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

func (m *Manifest) cover(raw json.RawMessage) *flaw {
	var fields map[string]json.RawMessage
	if kindOf(raw) != "an object" || json.Unmarshal(raw, &fields) != nil {
		return &flaw{fieldCover, "", `an object with "key" or "at"`, "it is " + kindOf(raw)}
	}
	m.Cover = &Cover{}
	if len(fields) != 1 {
		return &flaw{fieldCover, "", `exactly one of "key" and "at"`, fmt.Sprintf("it has %d fields", len(fields))}
	}
	for name, v := range fields {
		switch name {
		case "key":
			if f := text(fieldCover, v, &m.Cover.Key); f != nil {
				f.sub = name
				return f
			}
			if m.Cover.Key == "" {
				return &flaw{fieldCover, name, "1 to 1024 bytes", "it is empty"}
			}
		case "at":
			var at float64
			if kindOf(v) != "a number" || json.Unmarshal(v, &at) != nil {
				return &flaw{fieldCover, name, "a number of seconds", "it is " + kindOf(v)}
			}
			m.Cover.At = &at
		default:
			return &flaw{fieldCover, name, `"key" or "at"`, "no such field"}
		}
	}
	return nil
}

// kindOf names what a sound JSON value is.
func kindOf(raw []byte) string {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}
