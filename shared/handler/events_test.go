package handler_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/handler"
)

// eventsDir holds the inputs for `sam local invoke`; the same files are decoded here.
const eventsDir = "../../events"

// form is the type that an event file round-trips through, and whether we or AWS make it.
type form struct {
	new    func() any
	strict bool
}

func ours[T any]() form { return form{func() any { return new(T) }, true} }
func aws[T any]() form  { return form{func() any { return new(T) }, false} }

func forms() map[string]form {
	created, request := aws[handler.EventBridge[handler.ObjectCreated]](), aws[events.APIGatewayV2HTTPRequest]()
	return map[string]form{
		"ingest/object-created.json": created, "ingest/object-created-unicode.json": created, "ingest/post-publications.json": request,
		"initupload/first.json": ours[handler.StepIn](), "initupload/later-generation.json": ours[handler.StepIn](),
		"uploadpart/range.json":  ours[handler.RangeIn](),
		"finalize/complete.json": ours[handler.FinalizeIn](), "finalize/publish.json": ours[handler.FinalizeIn](),
		"finalize/inspect.json": ours[handler.FinalizeIn](), "finalize/check.json": ours[handler.FinalizeIn](), "finalize/settle.json": ours[handler.FinalizeIn](),
		"park/open.json": ours[handler.ParkIn](), "park/watch.json": ours[handler.ParkIn](),
		"refreshtoken/upload.json": ours[handler.StepIn](), "refreshtoken/sweep.json": ours[handler.JobIn](), "reconcile/due.json": ours[handler.JobIn](),
		"refreshtoken/login-page.json":          request,
		"vodcallback/file-upload-complete.json": request, "vodcallback/transcode-complete-forwarded.json": request, "vodcallback/douyin-verify.json": request,
		"vodcallback/fc-file-upload-complete.json": aws[handler.FCHTTPRequest](),
		"ingest/fc-object-created.json":            aws[map[string]any](), "reconcile/books.json": ours[handler.JobIn](),
		"reconcile/execution-failed.json": aws[handler.EventBridge[handler.ExecutionStatus]](),
	}
}

func TestEveryEventFileDecodesAndRoundTrips(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(eventsDir, "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no event files", err)
	}
	seen := forms()
	for _, file := range files {
		name, _ := filepath.Rel(eventsDir, file)
		name = filepath.ToSlash(name)
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f, ok := forms()[name]
			if !ok && bytes.Contains(b, []byte(`"routeKey"`)) {
				f, ok = aws[events.APIGatewayV2HTTPRequest](), true
			}
			if !ok {
				t.Fatal("no test knows this file's form")
			}
			delete(seen, name)
			v := f.new()
			if err := handler.Decode(b, v, f.strict); err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			var was, is map[string]any
			if json.Unmarshal(b, &was) != nil || json.Unmarshal(again, &is) != nil {
				t.Fatal("not an object")
			}
			if !f.strict {
				// AWS sends members that we leave out on purpose; what we do keep must be as it was sent.
				if miss := differs(is, was); miss != "" {
					t.Errorf("%s is not as it was sent", miss)
				}
				return
			}
			if !reflect.DeepEqual(was, is) {
				t.Errorf("got  %s\nwant %s", again, bytes.TrimSpace(b))
			}
		})
	}
	for name := range seen {
		t.Errorf("%s: no such file", name)
	}
}

// differs names the first member of got that want has with another value; members that want lacks must be zero.
func differs(got, want any) string {
	g, ok := got.(map[string]any)
	if !ok {
		if want == nil || reflect.DeepEqual(got, want) {
			return ""
		}
		return " "
	}
	w, _ := want.(map[string]any)
	for k, v := range g {
		if wv, has := w[k]; has {
			if d := differs(v, wv); d != "" {
				return k + "." + d
			}
		}
	}
	return ""
}

func TestATaskTokenNeverPrints(t *testing.T) {
	p := handler.ParkIn{Token: "secret"}
	for _, s := range []string{p.Token.String(), p.Token.GoString(), p.Token.LogValue().String()} {
		if s != "..." {
			t.Errorf("got %q", s)
		}
	}
}
