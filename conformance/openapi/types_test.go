package openapi_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// spoken are the types that the operators' and the publication API speak, by the schema of each.
func spoken() map[string]any {
	return map[string]any{
		"PublicationRequest": workflow.Request{}, "Ingested": workflow.Ingested{}, "Publication": console.LivePublication{}, "LiveUpload": console.Live{},
		"Upload": state.Upload{}, "Resolution": console.Resolution{}, "Pause": console.PauseRequest{}, "Info": console.Info{}, "AppView": console.AppView{},
		"AppRequest": console.AppRequest{}, "AccountView": console.AccountView{}, "LoggedIn": console.LoggedIn{}, "AccountRequest": console.AccountRequest{},
		"LoginBegun": console.LoginBegun{}, "HandoverLink": console.HandoverLink{}, "Leaving": console.Leaving{}, "Unhooked": console.Unhooked{}, "Erased": console.Erased{}, "Accounting": workflow.Accounting{}, "Check": console.Check{}, "CheckRequest": console.CheckRequest{}, "Checked": console.Checked{},
		"CatalogueReport": catalogue.Report{}, "Error": handler.ErrorBody{}, "PlannedVideo": upload.Video{},
		"MusicList": struct {
			MusicList []catalogue.Music `json:"musicList"`
			Total     string            `json:"total"`
		}{},
		"PlayPath": catalogue.PlayPath{}, "PasterGroup": catalogue.PasterGroup{}, "Paster": catalogue.Paster{}, "FrontPaster": catalogue.FrontPaster{},
		"TextGroup": catalogue.TextGroup{}, "TextPaster": catalogue.TextPaster{}, "MV": catalogue.MV{}, "Font": catalogue.Font{},
	}
}

// request types may leave out what has no omitempty: Go reads a missing field as its zero value.
var asked = []string{"PublicationRequest", "Resolution", "Pause", "AppRequest", "AccountRequest", "CheckRequest"}

// unlikeType tells where a Go type and a schema differ: names, what is always there, kinds.
func (d *document) unlikeType(t testing.TB, at string, ty reflect.Type, s map[string]any, request bool) []string {
	t.Helper()
	var out []string
	bad := func(format string, a ...any) { out = append(out, at+": "+fmt.Sprintf(format, a...)) }
	if to := text(s, "$ref"); strings.HasPrefix(to, "#") {
		m, _, err := d.follow(to[1:])
		if err != nil {
			return []string{err.Error()}
		}
		s = m
	}
	if ty.Kind() == reflect.Pointer {
		ty = ty.Elem()
	}
	kinds := fmt.Sprint(s["type"])
	if s["type"] == nil {
		kinds = "any"
		if s["enum"] != nil {
			kinds = "string"
		}
	}
	want := ""
	switch {
	case ty == reflect.TypeFor[time.Time](), ty.Kind() == reflect.String, ty == reflect.TypeFor[[]byte]():
		want = "string"
	case ty == reflect.TypeFor[json.RawMessage]():
		return nil
	case ty.Kind() == reflect.Bool:
		want = "boolean"
	case ty.Kind() >= reflect.Int && ty.Kind() <= reflect.Uint64:
		want = "integer"
	case ty.Kind() == reflect.Float64:
		want = "number"
	case ty.Kind() == reflect.Slice:
		want = "array"
	default:
		want = "object"
	}
	if !strings.Contains(kinds, want) {
		bad("is %v in Go, %s in the document", ty, kinds)
		return out
	}
	if ty == reflect.TypeFor[time.Time]() && text(s, "format") != "date-time" {
		bad("is a time, and no date-time in the document")
	}
	if ty.Kind() == reflect.Slice && want == "array" {
		items, _ := s["items"].(map[string]any)
		return append(out, d.unlikeType(t, at+"[]", ty.Elem(), items, request)...)
	}
	if ty.Kind() != reflect.Struct || want != "object" {
		return out
	}
	props, _ := s["properties"].(map[string]any)
	known := map[string]bool{}
	closed := s["additionalProperties"] == false // else the document names what is for clients, and there may be more
	var fields func(reflect.Type)
	fields = func(ty reflect.Type) {
		for f := range ty.Fields() {
			name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous && name == "" {
				fields(f.Type)
				continue
			}
			known[name] = true
			p, ok := props[name].(map[string]any)
			if !ok {
				if closed {
					bad("%s is not in the document", name)
				}
				continue
			}
			always := !strings.Contains(rest, "omit")
			if required := slices.Contains(list(s["required"]), any(name)); !request && required != always {
				bad("%s: required %v in the document, always sent %v", name, required, always)
			}
			out = append(out, d.unlikeType(t, at+"."+name, f.Type, p, request)...)
		}
	}
	fields(ty)
	for name := range props {
		if !known[name] {
			bad("%s is in the document only", name)
		}
	}
	return out
}

func TestSchemasAreTheTypesOfTheProgram(t *testing.T) {
	d := load(t, nil)
	for name, v := range spoken() {
		s, _, err := d.follow("/components/schemas/" + name)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, line := range d.unlikeType(t, name, reflect.TypeOf(v), s, slices.Contains(asked, name)) {
			t.Error(line)
		}
	}
	s, _, _ := d.follow("/components/schemas/Font")
	if got := d.unlikeType(t, "x", reflect.TypeFor[catalogue.MV](), s, false); len(got) < 5 {
		t.Errorf("an MV passes for a Font: %q", got)
	}
}
