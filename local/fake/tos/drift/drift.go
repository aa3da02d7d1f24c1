// Package drift changes the fields of an answer: a private interface changes without notice, and a client has to say so
// by name instead of going on with nothing. The fakes of Douyin's creator web and of its storage share it. It must not
// know any platform: which fields there are is the fake's knowledge, and comes in by Parse.
package drift

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Change is one difference from the documented answer. Exactly one of Rename, Drop and Value is set.
type Change struct {
	Field  string          `json:"field"`            // dotted: "data.edge_nodes.0.tos_sign"; "*" is every element of a list
	Rename string          `json:"rename,omitempty"` // the last name becomes this one
	Drop   bool            `json:"drop,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"` // stands in its place, of whatever type
	Add    bool            `json:"add,omitempty"`   // with Value: the field is new
}

// Shape is how answers are written. The zero value is the documented form.
type Shape struct {
	Changes          []Change `json:"changes,omitempty"`
	NumbersAsStrings bool     `json:"numbers_as_strings,omitempty"`
}

// Renamed, Dropped, Replaced and Added make shapes of one change. Value is any JSON text.
func Renamed(field, to string) Shape { return Shape{Changes: []Change{{Field: field, Rename: to}}} }

// Dropped leaves a field out.
func Dropped(field string) Shape { return Shape{Changes: []Change{{Field: field, Drop: true}}} }

// Replaced puts a value in a field's place.
func Replaced(field, value string) Shape {
	return Shape{Changes: []Change{{Field: field, Value: json.RawMessage(value)}}}
}

// Added puts a new field beside the documented ones.
func Added(field, value string) Shape {
	return Shape{Changes: []Change{{Field: field, Value: json.RawMessage(value), Add: true}}}
}

// JSON is the shape for a fake.Fault.
func (s Shape) JSON() json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // only for a Value that is no JSON: a mistake in the test at hand
	}
	return b
}

// Parse reads a shape, strictly: a change of a field that is not in known could never show and is refused.
func Parse(raw json.RawMessage, known []string) (Shape, error) {
	var s Shape
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, err
	}
	if _, err := d.Token(); err != io.EOF {
		return s, errors.New("more than one JSON value")
	}
	return s, s.Validate(known)
}

// Validate refuses changes that are none, that contradict themselves, or that are of a field not in known.
func (s Shape) Validate(known []string) error {
	for _, c := range s.Changes {
		asked := 0
		for _, set := range []bool{c.Rename != "", c.Drop, len(c.Value) > 0} {
			if set {
				asked++
			}
		}
		name := canonical(c.Field)
		parent, _, nested := cutLast(name)
		switch {
		case asked != 1 || (c.Add && len(c.Value) == 0):
			return fmt.Errorf("change of %q: want one of rename, drop, value; add goes with value", c.Field)
		case len(c.Value) > 0 && !json.Valid(c.Value):
			return fmt.Errorf("change of %q: value is no JSON", c.Field)
		case c.Add && nested && !slices.Contains(known, parent):
			return fmt.Errorf("change of %q: no answer has %q", c.Field, parent)
		case c.Add && slices.Contains(known, name):
			return fmt.Errorf("change of %q: that field is not new", c.Field)
		case !c.Add && !slices.Contains(known, name):
			return fmt.Errorf("change of %q: no answer has it", c.Field)
		}
	}
	return nil
}

// Apply writes v as JSON in this shape. A change of a field that this answer does not have is none.
func (s Shape) Apply(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil || (len(s.Changes) == 0 && !s.NumbersAsStrings) {
		return b, err
	}
	var tree any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	for _, c := range s.Changes {
		change(tree, strings.Split(c.Field, "."), c)
	}
	if s.NumbersAsStrings {
		tree = stringify(tree)
	}
	return json.Marshal(tree)
}

func change(v any, path []string, c Change) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			if len(path) > 1 && (path[0] == "*" || path[0] == strconv.Itoa(i)) {
				change(e, path[1:], c)
			}
		}
	case map[string]any:
		old, have := v[path[0]]
		switch {
		case len(path) > 1:
			change(old, path[1:], c)
		case !have && !c.Add:
		case c.Drop:
			delete(v, path[0])
		case c.Rename != "":
			delete(v, path[0])
			v[c.Rename] = old
		default:
			v[path[0]] = c.Value
		}
	}
}

// Fields lists the dotted names of everything in a JSON answer, sorted; elements of lists are "*".
func Fields(answer []byte) ([]string, error) {
	var tree any
	if err := json.Unmarshal(answer, &tree); err != nil {
		return nil, err
	}
	var out []string
	walk(tree, "", &out)
	slices.Sort(out)
	return slices.Compact(out), nil
}

func walk(v any, prefix string, out *[]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			*out = append(*out, prefix+k)
			walk(e, prefix+k+".", out)
		}
	case []any:
		for _, e := range v {
			walk(e, prefix+"*.", out)
		}
	}
}

// canonical writes list positions as "*".
func canonical(field string) string {
	parts := strings.Split(field, ".")
	for i, p := range parts {
		if _, err := strconv.Atoi(p); err == nil {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, ".")
}

func cutLast(name string) (parent, last string, nested bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", name, false
	}
	return strings.TrimSuffix(name[:i], ".*"), name[i+1:], true
}

func stringify(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = stringify(e)
		}
	case []any:
		for i, e := range v {
			v[i] = stringify(e)
		}
	case json.Number:
		return v.String()
	}
	return v
}
