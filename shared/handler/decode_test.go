package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
)

func TestBadInputIsInvalidWithFieldAndRuleAndTheFunctionIsNotCalled(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for _, c := range []struct{ name, in, field, rule string }{
		{"nothing", ``, "", "JSON"},
		{"half a value", `{"v":1`, "", "JSON"},
		{"not JSON", `hello`, "", "JSON"},
		{"two values", `{} {}`, "", "JSON"},
		{"not UTF-8", "\"\xff\"", "", "UTF-8"},
		{"another type", `{"v":"1"}`, "v", "type"},
		{"an unknown field", `{"v":1,"uplaod":"x"}`, "uplaod", "known field"},
		{"a field twice", `{"v":1,"v":1}`, "v", "once"},
		{"too deep", deep, "", "depth"},
		{"too long", `"` + strings.Repeat("x", handler.MaxEventBytes) + `"`, "", "size"},
		{"a wrong version", `{"v":2,"upload":"` + anUpload + `","gen":1}`, "v", "1"},
		{"no upload id", `{"v":1,"upload":"../x","gen":1}`, "upload", "upload id"},
		{"generation 0", `{"v":1,"upload":"` + anUpload + `","gen":0}`, "gen", "at least 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fn := handler.JSON(func(context.Context, handler.StepIn) (int, error) {
				t.Error("the function was called")
				return 0, nil
			})
			_, err := fn(t.Context(), json.RawMessage(c.in))
			f := fault.As(err)
			if f == nil || f.Kind != fault.Invalid || f.Field != c.field || f.Rule != c.rule || f.Effect != fault.EffectNone {
				t.Errorf("got %v, want field %q rule %q", err, c.field, c.rule)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

type plainly struct{ N int }

func (p *plainly) Validate() error {
	if p.N == 0 {
		return errors.New("n must not be 0")
	}
	return nil
}

func TestAPlainValidationErrorBecomesInvalid(t *testing.T) {
	var p plainly
	if err := handler.Decode([]byte(`{"N":0}`), &p, true); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestAWSMayAddFieldsToItsEvents(t *testing.T) {
	fn := handler.AWSEvent(func(_ context.Context, e handler.EventBridge[handler.ObjectCreated]) (string, error) {
		return e.Detail.Object.Key, nil
	})
	out, err := fn(t.Context(), json.RawMessage(`{"detail":{"object":{"key":"a <b>.mp4","new":{}}},"more":[1]}`))
	if err != nil || string(out) != `"a <b>.mp4"` {
		t.Errorf("got %s, %v", out, err)
	}
}

func TestAnErrorOfTheFunctionPassesUnchanged(t *testing.T) {
	want := fault.New(fault.Duplicate, "x", "there")
	fn := handler.JSON(func(context.Context, any) (any, error) { return nil, want })
	if _, err := fn(t.Context(), json.RawMessage(`{}`)); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

func TestWhatCannotBeWrittenIsUnknown(t *testing.T) {
	fn := handler.JSON(func(context.Context, any) (any, error) { return make(chan int), nil })
	if _, err := fn(t.Context(), json.RawMessage(`{}`)); fault.KindOf(err) != fault.Unknown || err == nil {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"v":1,"upload":"` + anUpload + `","gen":1}`))
	f.Add([]byte(`{"a":[{"b":null}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var in handler.StepIn
		if err := handler.Decode(b, &in, true); err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v is not Invalid", err)
		}
		var v any
		if err := handler.Decode(b, &v, false); (err == nil) && !json.Valid(b) {
			t.Errorf("accepted %q", b)
		}
	})
}
