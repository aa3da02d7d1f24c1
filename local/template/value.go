package template

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Intrinsic is a CloudFormation function in short or long form: !Ref x, !GetAtt A.Arn, !Sub "...", Fn::Join.
type Intrinsic struct {
	Name string // without "Fn::"
	Arg  any    // GetAtt's list form is joined with dots
}

// Names gives the actual values behind Ref and GetAtt when the stack is built.
type Names struct {
	Refs       map[string]string // logical id or pseudo parameter -> value of !Ref
	Attributes map[string]string // "Table.Arn" -> value of !GetAtt
}

// Resolve replaces every Ref, GetAtt and Sub inside v by n's values, and a parameter by n's value or its default. A
// name that neither knows is an error: nothing is guessed.
func (t *Template) Resolve(v any, n Names) (any, error) {
	switch v := v.(type) {
	case Intrinsic:
		return t.resolveIntrinsic(v, n)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			r, err := t.Resolve(e, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			out[k] = r
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			r, err := t.Resolve(e, n)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			out[i] = r
		}
		return out, nil
	}
	return v, nil
}

var subVariable = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

func (t *Template) resolveIntrinsic(in Intrinsic, n Names) (any, error) {
	arg, ok := in.Arg.(string)
	if !ok {
		return nil, fmt.Errorf("!%s with a list or map is not supported", in.Name)
	}
	switch in.Name {
	case "Ref":
		return t.ref(arg, n)
	case "GetAtt":
		if s, ok := n.Attributes[arg]; ok {
			return s, nil
		}
		return nil, fmt.Errorf("!GetAtt %s: no such value", arg)
	case "Sub":
		var failed error
		s := subVariable.ReplaceAllStringFunc(arg, func(m string) string {
			name := m[2 : len(m)-1]
			if s, ok := n.Attributes[name]; ok {
				return s
			}
			v, err := t.ref(name, n)
			if err != nil && failed == nil {
				failed = err
			}
			return fmt.Sprint(v)
		})
		return strings.ReplaceAll(s, "${!", "${"), failed
	}
	return nil, fmt.Errorf("!%s is not supported", in.Name)
}

func (t *Template) ref(name string, n Names) (any, error) {
	if s, ok := n.Refs[name]; ok {
		return s, nil
	}
	if d, ok := t.Parameters[name]; ok && d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("!Ref %s: no such value", name)
}

// plain turns a YAML node into maps, lists, scalars and Intrinsics. Tags that CloudFormation defines become Intrinsics;
// a key given twice is an error, since YAML would silently drop one.
func plain(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.DocumentNode:
		return plain(n.Content[0])
	case yaml.AliasNode:
		return plain(n.Alias)
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		name := n.Tag[1:]
		c := *n
		c.Tag = ""
		if c.Kind == yaml.ScalarNode {
			return Intrinsic{Name: name, Arg: c.Value}, nil
		}
		arg, err := plain(&c)
		return intrinsic(name, arg), err
	}
	switch n.Kind {
	case yaml.MappingNode:
		return mapping(n)
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := plain(c)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, fmt.Errorf("line %d: %w", n.Line, err)
	}
	return v, nil
}

func mapping(n *yaml.Node) (any, error) {
	out := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if _, twice := out[k.Value]; twice {
			return nil, fmt.Errorf("line %d: the key %q is given twice", k.Line, k.Value)
		}
		v, err := plain(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		out[k.Value] = v
	}
	if len(out) == 1 {
		for k, v := range out {
			if name, ok := strings.CutPrefix(k, "Fn::"); ok || k == "Ref" {
				return intrinsic(name, v), nil
			}
		}
	}
	return out, nil
}

func intrinsic(name string, arg any) Intrinsic {
	if l, ok := arg.([]any); ok && name == "GetAtt" {
		parts := make([]string, len(l))
		for i, e := range l {
			parts[i] = fmt.Sprint(e)
		}
		arg = strings.Join(parts, ".")
	}
	return Intrinsic{Name: name, Arg: arg}
}

func asMap(v any) map[string]any { m, _ := v.(map[string]any); return m }

func asList(v any) []any { l, _ := v.([]any); return l }

func text(v any) string { s, _ := v.(string); return s }

// Environment gives a function's variables with n's values in place, as the service would set them.
func (t *Template) Environment(f Function, n Names) (map[string]string, error) {
	env := make(map[string]string, len(f.Environment))
	for name, v := range f.Environment {
		r, err := t.Resolve(v, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		env[name] = fmt.Sprint(r)
	}
	return env, nil
}
