package stepfn

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// path is a reference path: $ or $$ followed by names and indexes, so that it names exactly one node. Paths that may
// name several ($..a, $.a[*], filters) and intrinsic functions are refused when a definition is loaded.
type path struct {
	text    string
	context bool // $$: looks into the context object
	steps   []step
}

// step is a name, or an index where name is empty and index >= 0.
type step struct {
	name  string
	index int
}

var errPath = errors.New("only reference paths are supported: $.name, $['name'], $.list[0]")

func parsePath(s string) (*path, error) {
	p := &path{text: s}
	rest, ok := strings.CutPrefix(s, "$")
	if !ok {
		return nil, errPath
	}
	if rest, ok = strings.CutPrefix(rest, "$"); ok {
		p.context = true
	}
	for rest != "" {
		st, left, err := parseStep(rest)
		if err != nil {
			return nil, err
		}
		p.steps, rest = append(p.steps, st), left
	}
	return p, nil
}

func parseStep(s string) (step, string, error) {
	switch {
	case s[0] == '.':
		end := strings.IndexAny(s[1:], ".[")
		if end < 0 {
			end = len(s) - 1
		}
		name := s[1 : 1+end]
		if name == "" || strings.ContainsAny(name, "*@?()'\" ,:") {
			return step{}, "", errPath
		}
		return step{name: name, index: -1}, s[1+end:], nil
	case strings.HasPrefix(s, "['"):
		name, rest, ok := strings.Cut(s[2:], "']")
		if !ok || name == "" {
			return step{}, "", errPath
		}
		return step{name: name, index: -1}, rest, nil
	case s[0] == '[':
		digits, rest, ok := strings.Cut(s[1:], "]")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 0 {
			return step{}, "", errPath
		}
		return step{index: n}, rest, nil
	}
	return step{}, "", errPath
}

// get resolves the path in v; false when a step leads nowhere.
func (p *path) get(v any) (any, bool) {
	for _, s := range p.steps {
		switch node := v.(type) {
		case map[string]any:
			next, ok := node[s.name]
			if !ok || s.index >= 0 {
				return nil, false
			}
			v = next
		case []any:
			if s.index < 0 || s.index >= len(node) {
				return nil, false
			}
			v = node[s.index]
		default:
			return nil, false
		}
	}
	return v, true
}

// put returns root with the node named by steps replaced by v. What lies on the way is copied, never changed, since
// iterations of a Map share their input.
func put(root any, steps []step, v any) (any, error) {
	if len(steps) == 0 {
		return v, nil
	}
	s := steps[0]
	if s.index >= 0 {
		list, ok := root.([]any)
		if !ok || s.index >= len(list) {
			return nil, fmt.Errorf("no element %d", s.index)
		}
		inner, err := put(list[s.index], steps[1:], v)
		if err != nil {
			return nil, err
		}
		out := append([]any(nil), list...)
		out[s.index] = inner
		return out, nil
	}
	object, ok := root.(map[string]any)
	if !ok && root != nil {
		return nil, fmt.Errorf("%q is wanted in something that is not an object", s.name)
	}
	inner, err := put(object[s.name], steps[1:], v)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(object)+1)
	maps.Copy(out, object)
	out[s.name] = inner
	return out, nil
}
