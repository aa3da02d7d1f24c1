package drift

import (
	"strings"
	"testing"
)

func TestApply(t *testing.T) {
	answer := map[string]any{"code": 2000, "data": map[string]any{"vid": "v", "nodes": []any{map[string]any{"oid": "a"}, map[string]any{"oid": "b"}}}}
	for name, c := range map[string]struct {
		s    Shape
		want string
	}{
		"none":                {Shape{}, `{"code":2000,"data":{"nodes":[{"oid":"a"},{"oid":"b"}],"vid":"v"}}`},
		"rename":              {Renamed("data.vid", "video_id"), `{"code":2000,"data":{"nodes":[{"oid":"a"},{"oid":"b"}],"video_id":"v"}}`},
		"drop":                {Dropped("data"), `{"code":2000}`},
		"another type":        {Replaced("data.vid", `{"x":null}`), `{"code":2000,"data":{"nodes":[{"oid":"a"},{"oid":"b"}],"vid":{"x":null}}}`},
		"one of a list":       {Dropped("data.nodes.1.oid"), `{"code":2000,"data":{"nodes":[{"oid":"a"},{}],"vid":"v"}}`},
		"all of a list":       {Renamed("data.nodes.*.oid", "o"), `{"code":2000,"data":{"nodes":[{"o":"a"},{"o":"b"}],"vid":"v"}}`},
		"new":                 {Added("data.more", "1"), `{"code":2000,"data":{"more":1,"nodes":[{"oid":"a"},{"oid":"b"}],"vid":"v"}}`},
		"numbers as strings":  {Shape{NumbersAsStrings: true}, `{"code":"2000","data":{"nodes":[{"oid":"a"},{"oid":"b"}],"vid":"v"}}`},
		"not in this answer":  {Dropped("data.poster"), `{"code":2000,"data":{"nodes":[{"oid":"a"},{"oid":"b"}],"vid":"v"}}`},
		"below what is plain": {Dropped("code.x"), `{"code":2000,"data":{"nodes":[{"oid":"a"},{"oid":"b"}],"vid":"v"}}`},
	} {
		if got, err := c.s.Apply(answer); err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, c.want)
		}
	}
}

func TestParseRefusesWhatCouldNeverShow(t *testing.T) {
	known := []string{"data", "data.nodes", "data.nodes.*.oid", "data.vid"}
	for text, good := range map[string]bool{
		`{}`: true,
		`{"changes":[{"field":"data.vid","drop":true}]}`:                  true,
		`{"changes":[{"field":"data.nodes.0.oid","rename":"o"}]}`:         true,
		`{"changes":[{"field":"data.new","value":1,"add":true}]}`:         true,
		`{"changes":[{"field":"new","value":1,"add":true}]}`:              true,
		`{"changes":[{"field":"data.nodes.*.new","value":1,"add":true}]}`: true,
		`{"changes":[{"field":"nope.new","value":1,"add":true}]}`:         false,
		`{"changes":[{"field":"data.vid","value":1,"add":true}]}`:         false,
		`{"changes":[{"field":"data.video","drop":true}]}`:                false,
		`{"changes":[{"field":"data.vid"}]}`:                              false,
		`{"changes":[{"field":"data.vid","drop":true,"rename":"x"}]}`:     false,
		`{"changes":[{"field":"data.new","drop":true,"add":true}]}`:       false,
		`{"changed":[]}`: false,
		`{} {}`:          false,
		`[]`:             false,
	} {
		if _, err := Parse([]byte(text), known); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := (Shape{Changes: []Change{{Field: "data", Value: []byte("{")}}}).Validate(known); err == nil {
		t.Error("a value that is no JSON was taken")
	}
}

func TestFields(t *testing.T) {
	got, err := Fields([]byte(`{"a":{"b":[{"c":1},{"d":[]}]},"e":null}`))
	if err != nil || strings.Join(got, " ") != "a a.b a.b.*.c a.b.*.d e" {
		t.Error(got, err)
	}
	if _, err := Fields([]byte(`{`)); err == nil {
		t.Error("half of a JSON was taken")
	}
}
