package catalogue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
)

// scan judges text before it is decoded: size, UTF-8, grammar, depth, no key twice, no null, no key that is ours but for
// its case (encoding/json would take it).
func scan(op string, b []byte) error {
	switch {
	case len(b) > MaxBytes:
		return fault.InvalidField(op, "document", fmt.Sprintf("<= %d bytes", MaxBytes), "it is larger")
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return fault.InvalidField(op, "document", "UTF-8", "it is UTF-16; save it as UTF-8")
	case len(bytes.TrimSpace(b)) == 0:
		return fault.InvalidField(op, "document", "JSON", "it is empty")
	case !utf8.Valid(b):
		return fault.InvalidField(op, "document", "UTF-8", "it holds bytes that are not UTF-8")
	}
	var raw json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		off := int64(len(b))
		if se := (*json.SyntaxError)(nil); errors.As(err, &se) {
			off = max(se.Offset-1, 0)
		}
		return fault.InvalidField(op, "document", "JSON", fmt.Sprintf("%v at %s", err, place(b, off)))
	}
	if bytes.TrimSpace(b)[0] != '{' {
		return fault.InvalidField(op, "document", "an object", "it is something else")
	}
	w := walker{dec: json.NewDecoder(bytes.NewReader(b)), names: fieldNames()}
	w.dec.UseNumber()
	if rule, msg := w.value(); rule != "" {
		return fault.InvalidField(op, w.path(), rule, msg+" at "+place(b, w.dec.InputOffset()))
	}
	return nil
}

// place turns an offset into "line 3, column 7"; columns count characters.
func place(b []byte, off int64) string {
	head := b[:min(max(off, 0), int64(len(b)))]
	return fmt.Sprintf("line %d, column %d", bytes.Count(head, []byte("\n"))+1, utf8.RuneCount(head[bytes.LastIndexByte(head, '\n')+1:])+1)
}

// fieldNames are all names that any object of a file may have.
func fieldNames() map[string]bool {
	names := map[string]bool{}
	for _, t := range []reflect.Type{reflect.TypeFor[file](), reflect.TypeFor[track](), reflect.TypeFor[Music](), reflect.TypeFor[pasterSet](), reflect.TypeFor[PasterGroup](),
		reflect.TypeFor[Paster](), reflect.TypeFor[FrontPaster](), reflect.TypeFor[textSet](), reflect.TypeFor[TextPaster](), reflect.TypeFor[MV](), reflect.TypeFor[Aspect](), reflect.TypeFor[Font]()} {
		for i := range t.NumField() {
			if name := t.Field(i).Tag.Get("json"); name != "" {
				names[name] = true
			}
		}
	}
	return names
}

// walker goes through the tokens with the path to where it is. Its methods give the rule that is broken, or "".
type walker struct {
	dec   *json.Decoder
	names map[string]bool
	steps []string
}

func (w *walker) path() string {
	if len(w.steps) == 0 {
		return "document"
	}
	return strings.ReplaceAll(strings.Join(w.steps, "."), ".[", "[")
}

func (w *walker) value() (rule, msg string) {
	t, err := w.dec.Token()
	if err != nil {
		return "JSON", "it cannot be read"
	}
	if t == nil {
		return "no null", "leave the field out instead"
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return "", ""
	}
	if len(w.steps) >= MaxDepth {
		return fmt.Sprintf("depth <= %d", MaxDepth), "too many objects or lists inside each other"
	}
	if delim == '[' {
		return w.list()
	}
	return w.object()
}

func (w *walker) object() (rule, msg string) {
	seen := map[string]bool{}
	for w.dec.More() {
		t, err := w.dec.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return "JSON", "a key cannot be read"
		}
		w.steps = append(w.steps, clip(key))
		switch {
		case !w.names[key]:
			return "a known field", "no such field"
		case seen[key]:
			return "each key once", "the key appears a second time"
		}
		seen[key] = true
		if rule, msg := w.value(); rule != "" {
			return rule, msg
		}
		w.steps = w.steps[:len(w.steps)-1]
	}
	return w.end()
}

func (w *walker) list() (rule, msg string) {
	for i := 0; w.dec.More(); i++ {
		w.steps = append(w.steps, "["+strconv.Itoa(i)+"]")
		if rule, msg := w.value(); rule != "" {
			return rule, msg
		}
		w.steps = w.steps[:len(w.steps)-1]
	}
	return w.end()
}

func (w *walker) end() (rule, msg string) {
	if _, err := w.dec.Token(); err != nil {
		return "JSON", "it cannot be read"
	}
	return "", ""
}

// clip keeps what a stranger wrote short in a message, and harmless for a terminal.
func clip(s string) string {
	if r := []rune(s); len(r) > 64 {
		s = string(r[:64]) + "..."
	}
	if q := strconv.QuoteToGraphic(s); s == "" || q[1:len(q)-1] != s {
		return q
	}
	return s
}
