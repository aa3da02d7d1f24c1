package stepfn

import "strings"

// rule is one Choice rule: a comparison, or And, Or, Not over others.
type rule struct {
	next     string // top-level rules only
	and, or  []*rule
	not      *rule
	variable *path
	compare  comparison
}

// comparison answers for a value; found tells whether the Variable named one at all.
type comparison func(v any, found bool, other func(*path) (any, *stateError)) (bool, *stateError)

// holds evaluates the rule. A Variable that names nothing is States.Runtime, but for IsPresent.
func (r *rule) holds(input any, context func() any) (bool, *stateError) {
	switch {
	case r.and != nil:
		for _, inner := range r.and {
			if ok, err := inner.holds(input, context); err != nil || !ok {
				return false, err
			}
		}
		return true, nil
	case r.or != nil:
		for _, inner := range r.or {
			if ok, err := inner.holds(input, context); err != nil || ok {
				return ok, err
			}
		}
		return false, nil
	case r.not != nil:
		ok, err := r.not.holds(input, context)
		return !ok && err == nil, err
	}
	root := input
	if r.variable.context {
		root = context()
	}
	v, found := r.variable.get(root)
	return r.compare(v, found, func(p *path) (any, *stateError) { return lookup(p, input, context) })
}

// order returns the test that a comparator makes on the sign of a comparison; nil where there is no such comparator.
func order(op string) func(sign int) bool {
	switch op {
	case "Equals":
		return func(c int) bool { return c == 0 }
	case "LessThan":
		return func(c int) bool { return c < 0 }
	case "GreaterThan":
		return func(c int) bool { return c > 0 }
	case "LessThanEquals":
		return func(c int) bool { return c <= 0 }
	case "GreaterThanEquals":
		return func(c int) bool { return c >= 0 }
	}
	return nil
}

// isOperator tells whether key is a comparator of the language as far as it is supported here.
func isOperator(key string) bool {
	switch key {
	case "IsPresent", "IsNull", "IsString", "IsNumeric", "IsBoolean", "BooleanEquals", "BooleanEqualsPath":
		return true
	}
	name := strings.TrimSuffix(key, "Path")
	for _, typ := range []string{"String", "Numeric"} {
		if op, ok := strings.CutPrefix(name, typ); ok && order(op) != nil {
			return true
		}
	}
	return false
}

// parseComparison makes the comparison of operator key with operand; a text says why not.
func parseComparison(key string, operand any) (comparison, string) {
	if strings.HasPrefix(key, "Is") {
		want, ok := operand.(bool)
		if !ok {
			return nil, "needs true or false"
		}
		return typeTest(key, want), ""
	}
	name, dynamic := strings.CutSuffix(key, "Path")
	typ := "String"
	for _, t := range []string{"String", "Numeric", "Boolean"} {
		if strings.HasPrefix(name, t) {
			typ = t
		}
	}
	test := order(strings.TrimPrefix(name, typ))
	if !dynamic {
		if _, ok := ordered(typ, operand, operand); !ok {
			return nil, "needs a value of its own type"
		}
		return func(v any, found bool, _ func(*path) (any, *stateError)) (bool, *stateError) {
			return compareValues(typ, test, v, found, operand)
		}, ""
	}
	text, _ := operand.(string)
	p, err := parsePath(text)
	if err != nil {
		return nil, err.Error()
	}
	return func(v any, found bool, other func(*path) (any, *stateError)) (bool, *stateError) {
		with, serr := other(p)
		if serr != nil {
			return false, serr
		}
		return compareValues(typ, test, v, found, with)
	}, ""
}

func compareValues(typ string, test func(int) bool, v any, found bool, with any) (bool, *stateError) {
	if !found {
		return false, fail(ErrorRuntime, "the Variable of a Choice rule could not be found in the input")
	}
	c, ok := ordered(typ, v, with)
	return ok && test(c), nil // values of another type never match
}

// ordered compares a with b when both are of typ.
func ordered(typ string, a, b any) (int, bool) {
	switch typ {
	case "String":
		x, ok1 := a.(string)
		y, ok2 := b.(string)
		return strings.Compare(x, y), ok1 && ok2
	case "Numeric":
		x, ok1 := number(a)
		y, ok2 := number(b)
		switch {
		case x < y:
			return -1, ok1 && ok2
		case x > y:
			return 1, ok1 && ok2
		}
		return 0, ok1 && ok2
	default:
		x, ok1 := a.(bool)
		y, ok2 := b.(bool)
		if x != y {
			return 1, ok1 && ok2
		}
		return 0, ok1 && ok2
	}
}

func typeTest(key string, want bool) comparison {
	return func(v any, found bool, _ func(*path) (any, *stateError)) (bool, *stateError) {
		if key == "IsPresent" {
			return found == want, nil
		}
		if !found {
			return false, fail(ErrorRuntime, "the Variable of a Choice rule could not be found in the input")
		}
		is := false
		switch key {
		case "IsNull":
			is = v == nil
		case "IsString":
			_, is = v.(string)
		case "IsNumeric":
			_, is = number(v)
		case "IsBoolean":
			_, is = v.(bool)
		}
		return is == want, nil
	}
}
