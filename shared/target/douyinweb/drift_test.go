package douyinweb

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
)

// edit gives the JSON text of an answer with one field changed by f, found by its path.
func edit(t *testing.T, body, path string, f func(in map[string]any, name string)) string {
	t.Helper()
	var all any
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatal(err)
	}
	at, names := all, strings.Split(path, ".")
	for _, n := range names[:len(names)-1] {
		if list, ok := at.([]any); ok {
			at = list[0]
			continue
		}
		at = at.(map[string]any)[n]
	}
	f(at.(map[string]any), names[len(names)-1])
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every field that the reference documents and this package reads, in each answer.
func TestARenamedMissingOrMistypedFieldIsANamedProtocolFault(t *testing.T) {
	for step, paths := range map[Step][]string{
		StepAuth:    {"status_code", "ak", "auth"},
		StepSlot:    {"code", "message", "data", "data.edge_nodes.0.vid", "data.edge_nodes.0.oid", "data.edge_nodes.0.tos_host", "data.edge_nodes.0.tos_sign", "data.edge_nodes.0.token", "data.edge_nodes.0.extra_param"},
		StepOpen:    {"success", "payload", "payload.uploadID"},
		StepUpload:  {"success", "payload"},
		StepPart:    {"success"},
		StepClose:   {"success", "payload"},
		StepConfirm: {"code", "data", "data.video", "data.video.oid", "data.poster", "data.poster.oid"},
		StepCreate:  {"status_code", "item_id"},
		StepUser:    {"status_code", "user", "user.uid"},
	} {
		for _, path := range paths {
			for how, change := range map[string]func(map[string]any, string){
				"renamed":  func(m map[string]any, n string) { m[n+"2"] = m[n]; delete(m, n) },
				"missing":  func(m map[string]any, n string) { delete(m, n) },
				"null":     func(m map[string]any, n string) { m[n] = nil },
				"mistyped": func(m map[string]any, n string) { m[n] = []any{m[n]} },
			} {
				t.Run(string(step)+"/"+path+"/"+how, func(t *testing.T) {
					err := play(t, step, respond(200, edit(t, good()[step], path, change)))
					f := fault.As(err)
					if !errors.Is(err, ErrProtocol) || f == nil || f.Code != RowProtocol || !strings.Contains(err.Error(), "field "+path+" ") {
						t.Fatalf("got %v, want ErrProtocol that names %s", err, path)
					}
					want := fault.Permanent
					if step == StepCreate {
						want = fault.Unknown
					}
					if f.Kind != want || step == StepCreate && f.Effect != fault.EffectUnknown {
						t.Errorf("%v, effect %v", f.Kind, f.Effect)
					}
					noSecrets(t, "the error", err.Error())
				})
			}
		}
	}
}

// Values that would stand in addresses and headers are checked before they do.
func TestAHostileSlotGoesNowhere(t *testing.T) {
	for path, values := range map[string][]string{
		"tos_host":    {"evil.example", "tos-lf-x.snssdk.com.evil.example", "tos-x.snssdk.com@evil.example", "127.0.0.1", "tos-lf-x.snssdk.com:8443", "TOS-x.snssdk.com"},
		"oid":         {"../../x", "/a/b", "a", "a/../b", "a/b?c=1", "a/b#c", "a//b", "a b/c"},
		"tos_sign":    {"a\nCookie: x", "\x00"},
		"extra_param": {"a=1#x", "action=Other", "a=%zz", "a=1 b", "a=\r\n"},
		"vid":         {"a\nb", strings.Repeat("v", 129)},
	} {
		for _, v := range values {
			body := edit(t, good()[StepSlot], "data.edge_nodes.0."+path, func(m map[string]any, n string) { m[n] = v })
			err := play(t, StepSlot, respond(200, body))
			if !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s %q: got %v", path, v, err)
			}
		}
	}
	err := play(t, StepAuth, respond(200, `{"status_code":0,"ak":"a\r\nCookie: x","auth":"b"}`))
	if !errors.Is(err, ErrProtocol) {
		t.Errorf("a hostile ak: %v", err)
	}
}

func TestWithoutEdgeNodesTheTopLevelIsTaken(t *testing.T) {
	for _, nodes := range []string{`"edge_nodes":[],`, `"edge_nodes":null,`, ``} {
		if err := play(t, StepSlot, respond(200, `{"code":2000,"message":"ok","data":{`+nodes+testSet+`}}`)); err != nil {
			t.Errorf("%q: %v", nodes, err)
		}
	}
	if err := play(t, StepSlot, respond(200, `{"code":2000,"message":"ok","data":{"edge_nodes":{},`+testSet+`}}`)); !errors.Is(err, ErrProtocol) {
		t.Errorf("edge_nodes of another type: %v", err)
	}
	if err := play(t, StepSlot, respond(200, `{"code":2000,"message":"no","data":{`+testSet+`}}`)); !errors.Is(err, ErrProtocol) {
		t.Errorf("another message: %v", err)
	}
}

func TestADeadCookieIsCredentialsExpiredBeforeAnythingElse(t *testing.T) {
	for _, body := range []string{`{"status_code":0}`, `{"status_code":8,"status_msg":"x"}`, `{"status_code":0,"ak":null}`} {
		if err := play(t, StepAuth, respond(200, body)); fault.KindOf(err) != fault.CredentialsExpired || fault.EffectOf(err) != fault.EffectNone {
			t.Errorf("%s: %v", body, err)
		}
	}
}
