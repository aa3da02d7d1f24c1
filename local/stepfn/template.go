package stepfn

import (
	"fmt"
	"strings"
)

// template is a payload template (Parameters, ResultSelector, ItemSelector): JSON in which a key that ends in ".$"
// takes its value from a path.
type template struct {
	literal any
	path    *path
	object  map[string]*template
	list    []*template
}

// parseTemplate reports each bad path through report and returns the template without it.
func parseTemplate(v any, report func(where, text string)) *template {
	return parseTemplateAt("", v, report)
}

func parseTemplateAt(at string, v any, report func(where, text string)) *template {
	switch node := v.(type) {
	case map[string]any:
		t := &template{object: make(map[string]*template, len(node))}
		for key, value := range node {
			name, dynamic := strings.CutSuffix(key, ".$")
			if !dynamic {
				t.object[key] = parseTemplateAt(at+"."+key, value, report)
				continue
			}
			if _, twice := node[name]; twice {
				report(at+"."+key, "the same name with and without .$")
			}
			text, ok := value.(string)
			if !ok {
				report(at+"."+key, "a key ending in .$ needs a path")
				continue
			}
			p, err := parsePath(text)
			if err != nil {
				report(at+"."+key, fmt.Sprintf("%q: %v", text, err))
				continue
			}
			t.object[name] = &template{path: p}
		}
		return t
	case []any:
		t := &template{list: make([]*template, len(node))}
		for i, value := range node {
			t.list[i] = parseTemplateAt(fmt.Sprintf("%s[%d]", at, i), value, report)
		}
		return t
	default:
		return &template{literal: v}
	}
}

// uses tells whether any path in the template is exactly text.
func (t *template) uses(text string) bool {
	if t == nil {
		return false
	}
	if t.path != nil {
		return t.path.text == text
	}
	for _, inner := range t.object {
		if inner.uses(text) {
			return true
		}
	}
	for _, inner := range t.list {
		if inner.uses(text) {
			return true
		}
	}
	return false
}

// eval fills the template. A path that leads nowhere is States.Runtime, which no Catch covers: so it is in AWS.
func (t *template) eval(input any, context func() any) (any, *stateError) {
	switch {
	case t.path != nil:
		return lookup(t.path, input, context)
	case t.object != nil:
		out := make(map[string]any, len(t.object))
		for name, inner := range t.object {
			v, err := inner.eval(input, context)
			if err != nil {
				return nil, err
			}
			out[name] = v
		}
		return out, nil
	case t.list != nil:
		out := make([]any, len(t.list))
		for i, inner := range t.list {
			v, err := inner.eval(input, context)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	}
	return t.literal, nil
}

// lookup resolves a path in the input or, for $$, in the context object.
func lookup(p *path, input any, context func() any) (any, *stateError) {
	root := input
	if p.context {
		root = context()
	}
	v, ok := p.get(root)
	if !ok {
		return nil, fail(ErrorRuntime, "the path %q could not be found", p.text)
	}
	return v, nil
}
