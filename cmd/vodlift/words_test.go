package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

func TestAnAnswerThatSaysNoIsWordedForPeople(t *testing.T) {
	cases := []struct{ name, field, rule, message, want string }{
		{"operation, kind and the word refused go", "", "", "workflow.Retry: Invalid: upload u1 is held; use: vodlift resolve u1: refused", "upload u1 is held; use: vodlift resolve u1"},
		{"so do several of them", "", "", "state.Upload: upload u1: sqlite.Get: Invalid: U#u1 META: no such item", "U#u1 META: no such item"},
		{"field and rule are said in their own places", "days", "0 to 366", "stack.api: Invalid: not a number of days (field days, rule 0 to 366)", "not a number of days"},
		{"a rule alone too", "", "JSON", "handler.Decode: Invalid: not JSON (rule JSON)", "not JSON"},
		{"the words of others stay", "", "", `a platform said "x: Invalid: y"`, `a platform said "x: Invalid: y"`},
		{"a plain message stays", "", "", "nothing to pause", "nothing to pause"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var e handler.ErrorBody
			e.Error.Kind, e.Error.Field, e.Error.Rule, e.Error.Message = "Invalid", tc.field, tc.rule, tc.message
			if got := plainMessage(e); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestAFaultIsWordedForPeople(t *testing.T) {
	f := &state.Fault{Op: "token.Load", Kind: "CredentialsExpired", Text: "token.Load: token.load: CredentialsExpired: douyin/main: log in again"}
	if got := faultText(f); got != "douyin/main: log in again" {
		t.Errorf("got %q", got)
	}
}

func TestAPausedUploadSaysHowToGoOn(t *testing.T) {
	v := console.Live{View: workflow.View{Upload: state.Upload{Status: upload.Waiting, Reason: "paused", Account: "douyin/main", NextAt: time.Now()}}}
	if got := advice("vodlift", v); !strings.Contains(got, "vodlift pause SCOPE --off") || !strings.Contains(got, "global, douyin or douyin/main") {
		t.Errorf("got %q", got)
	}
}

func TestWhatRepeatsIsToldOnce(t *testing.T) {
	same := func(a, b string) bool { return a == b }
	got := repeats([]string{"a", "a", "b", "a", "a", "a"}, same)
	if want := [][]string{{"a", "a"}, {"b"}, {"a", "a", "a"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := repeats(nil, same); got != nil {
		t.Errorf("of nothing: got %v", got)
	}
	found := state.Look{Candidates: []upload.Post{{ID: "1"}}}
	if sameLook(found, found) || !sameLook(state.Look{Error: "x"}, state.Look{Error: "x"}) || sameLook(state.Look{Denied: true}, state.Look{}) {
		t.Error("a look with candidates is always shown, equal ones without are one")
	}
}

func TestALostAnswerIsShownWhileItIsLookedFor(t *testing.T) {
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.Local)
	v := console.Live{View: workflow.View{Upload: state.Upload{
		Status: upload.Publishing, Counts: state.Counts{Looks: 17}, Intent: &state.Intent{Result: state.IntentOpen, SettleAt: until, Looks: make([]state.Look, 12)},
	}}}
	if got := looking(v); !strings.Contains(got, "looked for the post 17 times") || !strings.Contains(got, "until 03:04:05") || advice("vodlift", v) != got {
		t.Errorf("got %q, advice %q", got, advice("vodlift", v))
	}
	v.Intent.Looks = nil
	if got := looking(v); got != "" {
		t.Errorf("before the first look: got %q", got)
	}
}

func TestAFileThatIsTheMatterIsNotToBeRetried(t *testing.T) {
	for field, want := range map[string]string{"source": "drop a mended one", "source.size": "drop a mended one", "title": "vodlift retry u1"} {
		v := console.Live{View: workflow.View{Upload: state.Upload{ID: "u1", Status: upload.Failed, Fault: &state.Fault{Field: field}}}}
		if got := advice("vodlift", v); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q in it", field, got, want)
		}
	}
}

func TestADamagedDataFolderIsNamedWithWhatHelps(t *testing.T) {
	whole := `{"v":1,"kind":"demo","key":"k","bucket_access":"a","bucket_secret":"s"}`
	cases := []struct {
		name, identity, running string
		want                    string
	}{
		{"an identity that is no JSON", "{broken", "", "put the file back from a copy"},
		{"an identity of nobody", "{}", "", "damaged, or of another version"},
		{"a stack's address that is no JSON", whole, "{broken", "start it again"},
		{"a stack that is gone", whole, `{"pid":1,"kind":"demo","api":"http://127.0.0.1:1"}`, "does not answer any more"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{"vodlift.json": tc.identity, "running.json": tc.running} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, errs, status := cli(t, t.Context(), dir, nil, "status", "--data", dir)
			if status != exitFailed || !strings.Contains(errs, dir) || !strings.Contains(errs, tc.want) {
				t.Errorf("got %d %q, want %q and the folder in it", status, errs, tc.want)
			}
		})
	}
}
