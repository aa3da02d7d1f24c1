package scheduler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
)

// A pattern is an event pattern of EventBridge (user guide, "Comparison operators for use in event patterns"): an
// object names members that must be there; a list holds alternatives, exact values or one comparison each. What this
// package does not know is an error when the pattern is read, never a rule that silently matches nothing.

// matcher tells whether the values of one member fit. An absent member has no values.
type matcher func(values []any) bool

type pattern struct {
	members map[string]pattern // for an object
	any     []matcher          // for a list of alternatives
}

// parsePattern reads a pattern whose intrinsics are resolved already.
func parsePattern(v any) (pattern, error) {
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 {
		return pattern{}, fmt.Errorf("a pattern must be an object with members")
	}
	p := pattern{members: map[string]pattern{}}
	for name, child := range m {
		if strings.HasPrefix(name, "$") {
			return pattern{}, fmt.Errorf("%s is not supported", name)
		}
		var sub pattern
		var err error
		if list, isList := child.([]any); isList {
			sub, err = parseAlternatives(list)
		} else {
			sub, err = parsePattern(child)
		}
		if err != nil {
			return pattern{}, fmt.Errorf("%s: %w", name, err)
		}
		p.members[name] = sub
	}
	return p, nil
}

func parseAlternatives(list []any) (pattern, error) {
	if len(list) == 0 {
		return pattern{}, fmt.Errorf("a list of alternatives must not be empty")
	}
	var p pattern
	for _, alt := range list {
		m, err := parseAlternative(alt)
		if err != nil {
			return pattern{}, err
		}
		p.any = append(p.any, m)
	}
	return p, nil
}

func parseAlternative(alt any) (matcher, error) {
	m, ok := alt.(map[string]any)
	if !ok {
		return each(func(v any) bool { return equal(v, alt) }), scalar(alt)
	}
	if len(m) != 1 {
		return nil, fmt.Errorf("a comparison has one operator")
	}
	for op, arg := range m {
		if op == "exists" {
			want, ok := arg.(bool)
			if !ok {
				return nil, fmt.Errorf("exists wants true or false")
			}
			return func(values []any) bool { return len(values) > 0 == want }, nil
		}
		one, err := comparison(op, arg)
		if err != nil {
			return nil, err
		}
		return each(one), nil
	}
	return nil, nil // unreachable: the map has one member
}

// each fits if any value fits: an array in the event matches by any of its elements.
func each(one func(any) bool) matcher {
	return func(values []any) bool {
		for _, v := range values {
			if one(v) {
				return true
			}
		}
		return false
	}
}

func comparison(op string, arg any) (func(any) bool, error) {
	switch op {
	case "prefix", "suffix":
		return affix(op, arg)
	case "equals-ignore-case":
		want, ok := arg.(string)
		return onString(func(s string) bool { return strings.EqualFold(s, want) }), textual(op, ok)
	case "wildcard":
		want, ok := arg.(string)
		return onString(func(s string) bool { return wildcard(want, s) }), textual(op, ok)
	case "numeric":
		return numeric(arg)
	case "cidr":
		text, _ := arg.(string)
		net, err := netip.ParsePrefix(text)
		return onString(func(s string) bool {
			a, err := netip.ParseAddr(s)
			return err == nil && net.Contains(a)
		}), err
	case "anything-but":
		return anythingBut(arg)
	}
	return nil, fmt.Errorf("the operator %q is not supported", op)
}

func textual(op string, ok bool) error {
	if !ok {
		return fmt.Errorf("%s wants a text", op)
	}
	return nil
}

func onString(f func(string) bool) func(any) bool {
	return func(v any) bool {
		s, ok := v.(string)
		return ok && f(s)
	}
}

func affix(op string, arg any) (func(any) bool, error) {
	fold := false
	if m, ok := arg.(map[string]any); ok && len(m) == 1 {
		if arg, fold = m["equals-ignore-case"]; !fold {
			return nil, fmt.Errorf("%s knows equals-ignore-case only", op)
		}
	}
	want, ok := arg.(string)
	return onString(func(s string) bool {
		if len(s) < len(want) {
			return false
		}
		cut := s[:len(want)]
		if op == "suffix" {
			cut = s[len(s)-len(want):]
		}
		return cut == want || fold && strings.EqualFold(cut, want)
	}), textual(op, ok)
}

// anythingBut takes a value, a list of values, or one nested comparison. A member that is absent does not match.
func anythingBut(arg any) (func(any) bool, error) {
	var nots []func(any) bool
	switch a := arg.(type) {
	case map[string]any:
		if len(a) != 1 {
			return nil, fmt.Errorf("anything-but has one operator")
		}
		for op, inner := range a {
			list, isList := inner.([]any)
			if !isList {
				list = []any{inner}
			}
			for _, i := range list {
				one, err := comparison(op, i)
				if err != nil {
					return nil, err
				}
				nots = append(nots, one)
			}
		}
	case []any:
		for _, w := range a {
			if err := scalar(w); err != nil {
				return nil, err
			}
			nots = append(nots, func(v any) bool { return equal(v, w) })
		}
	default:
		if err := scalar(arg); err != nil {
			return nil, err
		}
		nots = append(nots, func(v any) bool { return equal(v, arg) })
	}
	return func(v any) bool {
		for _, not := range nots {
			if not(v) {
				return false
			}
		}
		return true
	}, nil
}

// numeric takes pairs of operator and number: [">", 0, "<=", 5].
func numeric(arg any) (func(any) bool, error) {
	list, _ := arg.([]any)
	if len(list) == 0 || len(list)%2 != 0 {
		return nil, fmt.Errorf("numeric wants pairs of operator and number")
	}
	var tests []func(float64) bool
	for i := 0; i < len(list); i += 2 {
		n, ok := number(list[i+1])
		if !ok {
			return nil, fmt.Errorf("numeric wants a number after %v", list[i])
		}
		switch list[i] {
		case "=":
			tests = append(tests, func(x float64) bool { return x == n })
		case "<":
			tests = append(tests, func(x float64) bool { return x < n })
		case "<=":
			tests = append(tests, func(x float64) bool { return x <= n })
		case ">":
			tests = append(tests, func(x float64) bool { return x > n })
		case ">=":
			tests = append(tests, func(x float64) bool { return x >= n })
		default:
			return nil, fmt.Errorf("numeric does not know %v", list[i])
		}
	}
	return func(v any) bool {
		x, ok := number(v)
		for _, t := range tests {
			ok = ok && t(x)
		}
		return ok
	}, nil
}

// wildcard matches * to any run of characters.
func wildcard(want, s string) bool {
	parts := strings.Split(want, "*")
	if len(parts) == 1 {
		return want == s
	}
	last := parts[len(parts)-1]
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, last)
}

func scalar(v any) error {
	switch v.(type) {
	case nil, string, bool, int, int64, float64:
		return nil
	}
	return fmt.Errorf("%v is not a text, a number, true, false or null", v)
}

func equal(got, want any) bool {
	a, aok := number(got)
	b, bok := number(want)
	if aok || bok {
		return aok && bok && a == b
	}
	return reflect.DeepEqual(got, want)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, !math.IsNaN(v)
	}
	return 0, false
}

// match tells whether an event fits.
func (p pattern) match(event []byte) bool {
	var v map[string]any
	if err := json.NewDecoder(bytes.NewReader(event)).Decode(&v); err != nil {
		return false
	}
	return p.fits(v, true)
}

func (p pattern) fits(v any, present bool) bool {
	if p.any != nil {
		var values []any
		if list, ok := v.([]any); ok {
			values = list
		} else if present {
			values = []any{v}
		}
		for _, m := range p.any {
			if m(values) {
				return true
			}
		}
		return false
	}
	m, _ := v.(map[string]any)
	for name, sub := range p.members {
		child, has := m[name]
		if !sub.fits(child, has) {
			return false
		}
	}
	return true
}
