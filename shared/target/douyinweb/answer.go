package douyinweb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// object reads an answer strictly: a field that is missing or of another type is remembered, by its path, and the first
// one is the answer's problem.
type object struct {
	path string
	m    map[string]json.RawMessage
	p    *problem
}

type problem struct{ text string }

// decode takes the answer apart; ok is false when it is no JSON object at all.
func decode(b []byte) (o object, ok bool) {
	o.p = &problem{}
	if t := bytes.TrimSpace(b); len(t) == 0 || t[0] != '{' || json.Unmarshal(t, &o.m) != nil {
		return o, false
	}
	return o, true
}

// err is the first problem met so far, as a text; "" = none.
func (o object) err() string { return o.p.text }

func (o object) bad(name, why string) {
	if o.p.text == "" {
		o.p.text = fmt.Sprintf("field %s %s", o.path+name, why)
	}
}

// has tells whether a field is there and not null.
func (o object) has(name string) bool {
	raw, ok := o.m[name]
	return ok && string(raw) != "null"
}

func (o object) raw(name string) (json.RawMessage, bool) {
	if !o.has(name) {
		o.bad(name, "is missing")
		return nil, false
	}
	return o.m[name], true
}

// str reads a text that may not be empty.
func (o object) str(name string) string {
	raw, ok := o.raw(name)
	if !ok {
		return ""
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		o.bad(name, "is no text")
	} else if s == "" {
		o.bad(name, "is empty")
	}
	return s
}

// num reads a whole number.
func (o object) num(name string) int64 {
	raw, ok := o.raw(name)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		o.bad(name, "is no whole number")
		return math.MinInt64 // never a value that means success
	}
	return n
}

// obj reads an object inside.
func (o object) obj(name string) object {
	in := object{path: o.path + name + ".", p: o.p}
	if raw, ok := o.raw(name); ok {
		if raw[0] != '{' || json.Unmarshal(raw, &in.m) != nil {
			o.bad(name, "is no object")
		}
	}
	return in
}

// words is a text for people: whatever stands there, or nothing.
func (o object) words(name string) string {
	var s string
	_ = json.Unmarshal(o.m[name], &s)
	return s
}
