package callback

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of what is taken out of a body.
const (
	maxText  = 2048
	maxID    = 256
	maxItems = 256
)

// object is a JSON object read leniently: keys without case and surrounding spaces (the platform's own samples have
// both slips), the first of equal ones; values as they came.
type object map[string]json.RawMessage

// readObject reads an object, or JSON text that holds one. Anything else is nil.
func readObject(raw json.RawMessage) object {
	raw = unwrap(raw)
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	o := object{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil
		}
		var v json.RawMessage
		if dec.Decode(&v) != nil {
			return nil
		}
		name := strings.ToLower(strings.TrimSpace(key.(string)))
		if _, twice := o[name]; !twice {
			o[name] = v
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil
	}
	return o
}

// unwrap undoes JSON text that holds an object or a list: the platforms send the same member in both forms.
func unwrap(raw json.RawMessage) json.RawMessage {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '"' {
		return raw
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return raw
	}
	in := []byte(strings.TrimSpace(s))
	if len(in) > 0 && (in[0] == '{' || in[0] == '[') && !tooDeep(in) && json.Valid(in) {
		return in
	}
	return raw
}

// inner gives a member as an object or list with its text form undone; nil if it is neither.
func (o object) inner(name string) json.RawMessage {
	raw := unwrap(o[name])
	if len(raw) == 0 || (raw[0] != '{' && raw[0] != '[') {
		return nil
	}
	return raw
}

// text gives the first of the members that has a text; numbers and true and false are texts, too.
func (o object) text(names ...string) string { return clip(o.whole(names...), maxText) }

// whole is text without the bound. An object or a list is no text.
func (o object) whole(names ...string) string {
	for _, n := range names {
		raw := bytes.TrimSpace(o[n])
		if len(raw) == 0 || string(raw) == "null" || raw[0] == '{' || raw[0] == '[' {
			continue
		}
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		if s = strings.TrimSpace(s); s != "" {
			return s
		}
	}
	return ""
}

// url is a text that is worthless when cut.
func (o object) url(names ...string) string {
	if s := o.whole(names...); len(s) <= maxText {
		return s
	}
	return ""
}

// id gives a text that can be an id of a platform; else "".
func (o object) id(names ...string) string {
	if s := o.whole(names...); isID(s) {
		return s
	}
	return ""
}

// isID: printable ASCII without spaces, and without the sign that parts our table's keys.
func isID(s string) bool {
	if s == "" || len(s) > maxID {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '#' {
			return false
		}
	}
	return true
}

// number gives a finite number that is not negative, from a number or a text; else 0.
func (o object) number(names ...string) float64 {
	f, err := strconv.ParseFloat(o.whole(names...), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 1<<53 {
		return 0
	}
	return f
}

// whole numbers up to 2^53 survive float64.
func (o object) integer(names ...string) int64 { return int64(o.number(names...)) }

func (o object) boolean(name string) bool {
	b, _ := strconv.ParseBool(strings.ToLower(o.whole(name)))
	return b
}

// list gives the objects of a member that is a list, or one object where the platform saves itself the list.
func (o object) list(name string) []object {
	raw := o.inner(name)
	if len(raw) == 0 {
		return nil
	}
	if raw[0] == '{' {
		if in := readObject(raw); in != nil {
			return []object{in}
		}
		return nil
	}
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	var out []object
	for _, r := range all {
		if in := readObject(r); in != nil && len(out) < maxItems {
			out = append(out, in)
		}
	}
	return out
}

// texts gives a member that is a list of texts, or one text with commas.
func (o object) texts(name string) []string {
	var all []string
	if raw := o.inner(name); len(raw) > 0 && raw[0] == '[' {
		var rs []json.RawMessage
		if json.Unmarshal(raw, &rs) != nil {
			return nil
		}
		for _, r := range rs {
			all = append(all, object{"": r}.text(""))
		}
	} else {
		all = strings.Split(o.whole(name), ",")
	}
	var out []string
	for _, s := range all {
		if s = strings.TrimSpace(s); s != "" && len(out) < maxItems {
			out = append(out, clip(s, maxText))
		}
	}
	return out
}

// clip cuts s to at most max bytes at the edge of a character.
func clip(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max]
}

// tooDeep tells whether a body nests deeper than MaxDepth; it reads brackets only, so it costs nothing whatever comes.
func tooDeep(b []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// stored is a body as Event.Body holds it. Encoders of JSON may write <, > and & as six characters, so these count so.
func stored(body []byte, valid bool) json.RawMessage {
	if valid && storedSize(body) <= MaxStored {
		return bytes.Clone(body)
	}
	text := string(bytes.ToValidUTF8(body, []byte("\uFFFD")))
	for max := MaxStored; ; max /= 2 {
		b, err := json.Marshal(clip(text, max))
		if err == nil && len(b) <= MaxStored {
			return b
		}
	}
}

func storedSize(b []byte) int {
	n := len(b)
	for _, c := range []string{"<", ">", "&"} {
		n += 5 * bytes.Count(b, []byte(c))
	}
	return n + 3*(bytes.Count(b, []byte("\u2028"))+bytes.Count(b, []byte("\u2029")))
}
