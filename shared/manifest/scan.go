package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
)

// Bounds of a document, checked before anything is decoded.
const (
	MaxBytes = 48 << 10
	MaxDepth = 32
)

// document is JSON text that was found sound: UTF-8, within bounds, no key twice in an object.
type document struct {
	text   []byte
	starts map[spot]int64
}

// spot is a value that an error may point at: a top-level field, or one element of it. Keys are kept apart, not joined:
// a long key with many children must not cost their product in memory.
type spot struct{ top, sub string }

// scan checks b and notes where its upper values start. op names the caller in errors.
func scan(op string, b []byte) (document, error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) // editors on Windows write one
	d := document{text: b, starts: map[spot]int64{}}
	switch {
	case len(b) > MaxBytes:
		return d, fault.InvalidField(op, "document", fmt.Sprintf("<= %d bytes", MaxBytes), fmt.Sprintf("it has %d bytes", len(b)))
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return d, fault.InvalidField(op, "document", "UTF-8", "it is UTF-16; save it as UTF-8")
	case len(bytes.TrimSpace(b)) == 0:
		return d, fault.InvalidField(op, "document", "JSON", "it is empty")
	case !utf8.Valid(b):
		return d, fault.InvalidField(op, "document", "UTF-8", "a byte that is not UTF-8 at "+d.place(firstBadByte(b)))
	}
	if err := syntax(b); err != nil {
		return d, fault.InvalidField(op, "document", "JSON", fmt.Sprintf("%v at %s", err, d.place(max(err.Offset-1, 0))))
	}
	w := walker{d: &d, dec: json.NewDecoder(bytes.NewReader(b))}
	w.dec.UseNumber()
	if err := w.value(); err != nil {
		return d, fault.InvalidField(op, w.path(), err.rule, err.msg+" at "+d.place(w.start()))
	}
	return d, nil
}

// syntax finds the first offence against the grammar. It decodes into a RawMessage: that checks and copies, and builds
// nothing.
func syntax(b []byte) *json.SyntaxError {
	var raw json.RawMessage
	err := json.Unmarshal(b, &raw)
	if err == nil {
		return nil
	}
	var se *json.SyntaxError
	if errors.As(err, &se) {
		return se
	}
	return &json.SyntaxError{Offset: int64(len(b))}
}

func firstBadByte(b []byte) int64 {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return int64(i)
		}
		i += n
	}
	return 0
}

// place turns an offset into "line 3, column 7"; columns count characters.
func (d document) place(off int64) string {
	head := d.text[:min(max(off, 0), int64(len(d.text)))]
	line := bytes.Count(head, []byte("\n")) + 1
	col := utf8.RuneCount(head[bytes.LastIndexByte(head, '\n')+1:]) + 1
	return fmt.Sprintf("line %d, column %d", line, col)
}

// at gives the place of a field, for a message.
func (d document) at(top, sub string) string {
	off, ok := d.starts[spot{top, sub}]
	if !ok {
		off, ok = d.starts[spot{top, ""}]
	}
	if !ok {
		return ""
	}
	return " at " + d.place(off)
}

// walker goes through the tokens with the path to where it is.
type walker struct {
	d     *document
	dec   *json.Decoder
	steps []string
}

type breach struct{ rule, msg string }

func (w *walker) path() string {
	if len(w.steps) == 0 {
		return "document"
	}
	shown := make([]string, len(w.steps))
	for i, s := range w.steps {
		shown[i] = clip(s)
	}
	return strings.ReplaceAll(strings.Join(shown, "."), ".[", "[")
}

// start is where the next token begins.
func (w *walker) start() int64 {
	off := w.dec.InputOffset()
	for off < int64(len(w.d.text)) && strings.IndexByte(" \t\r\n:,", w.d.text[off]) >= 0 {
		off++
	}
	return off
}

func (w *walker) value() *breach {
	switch len(w.steps) {
	case 1:
		w.d.starts[spot{w.steps[0], ""}] = w.start()
	case 2:
		w.d.starts[spot{w.steps[0], w.steps[1]}] = w.start()
	}
	t, err := w.dec.Token()
	if err != nil {
		return &breach{"JSON", "it cannot be read"}
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if len(w.steps) >= MaxDepth {
		return &breach{fmt.Sprintf("depth <= %d", MaxDepth), "too many objects or lists inside each other"}
	}
	if delim == '{' {
		return w.object()
	}
	return w.list()
}

func (w *walker) object() *breach {
	seen := map[string]bool{}
	for w.dec.More() {
		t, err := w.dec.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return &breach{"JSON", "a key cannot be read"}
		}
		w.steps = append(w.steps, key)
		if seen[key] {
			return &breach{"each key once", "the key appears a second time"}
		}
		seen[key] = true
		if b := w.value(); b != nil {
			return b
		}
		w.steps = w.steps[:len(w.steps)-1]
	}
	return w.end()
}

func (w *walker) list() *breach {
	for i := 0; w.dec.More(); i++ {
		w.steps = append(w.steps, "["+strconv.Itoa(i)+"]")
		if b := w.value(); b != nil {
			return b
		}
		w.steps = w.steps[:len(w.steps)-1]
	}
	return w.end()
}

func (w *walker) end() *breach {
	if _, err := w.dec.Token(); err != nil {
		return &breach{"JSON", "it cannot be read"}
	}
	return nil
}

// clip keeps what a stranger wrote short in a message, and harmless for a terminal.
func clip(s string) string {
	const most = 64
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "..."
	}
	q := strconv.QuoteToGraphic(s)
	if q[1:len(q)-1] == s {
		return s
	}
	return q
}
