package douyin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
)

// fixture is testdata/codes/<code>.json: the platform's answer, and what it means at each step.
type fixture struct {
	Answer json.RawMessage    `json:"answer"`
	Steps  map[string]verdict `json:"steps"`
}

type verdict struct {
	Kind        string `json:"kind"`
	Refused     bool   `json:"refused"` // EffectNone
	AssetKept   bool   `json:"asset_kept,omitempty"`
	AssetSpent  bool   `json:"asset_spent,omitempty"`
	SessionLost bool   `json:"session_lost,omitempty"`
	Capability  bool   `json:"capability,omitempty"`
	Quota       bool   `json:"quota,omitempty"`
	After       string `json:"after,omitempty"`
	Actor       string `json:"actor"`
	Field       string `json:"field,omitempty"`
}

func allSteps() []Step { return append(api(), oauth()...) }

func judged(s Step, body []byte) verdict {
	_, err := request{step: s, op: "douyin.Test"}.judge(nil, reply{status: http.StatusOK, body: body}, testNow)
	f := fault.As(err)
	if f == nil {
		return verdict{Kind: "none"}
	}
	v := verdict{Kind: f.Kind.String(), Refused: f.Effect == fault.EffectNone, AssetKept: f.AssetKept, AssetSpent: errors.Is(err, target.ErrAssetSpent),
		SessionLost: errors.Is(err, target.ErrSessionLost), Capability: errors.Is(err, target.ErrCapability), Quota: f.Quota, Actor: string(f.Actor), Field: f.Field}
	if f.After > 0 {
		v.After = f.After.String()
	}
	return v
}

func TestEachCodeIsClassifiedAsItsFixtureSays(t *testing.T) {
	for _, c := range Codes() {
		t.Run(strconv.FormatInt(c.Code, 10), func(t *testing.T) {
			path := filepath.Join("testdata", "codes", t.Name()[len("TestEachCodeIsClassifiedAsItsFixtureSays/"):]+".json")
			if *update {
				writeFixture(t, path, c)
			}
			var f fixture
			if err := json.Unmarshal(readFile(t, path), &f); err != nil {
				t.Fatal(err)
			}
			for _, s := range allSteps() {
				if got, want := judged(s, f.Answer), f.Steps[string(s)]; got != want {
					t.Errorf("at %s: got %+v, want %+v", s, got, want)
				}
			}
		})
	}
	files, err := os.ReadDir("testdata/codes")
	if err != nil || len(files) != len(Codes()) {
		t.Errorf("%d fixtures for %d codes, %v", len(files), len(Codes()), err)
	}
}

func writeFixture(t *testing.T, path string, c Code) {
	t.Helper()
	var f fixture
	if b, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
	} else {
		f.Answer = fmt.Appendf(nil, `{"data":{"error_code":%d,"description":%q},"extra":{"error_code":%d,"description":%q,"sub_error_code":0,"sub_description":"","logid":"20201120","now":1605866400000}}`,
			c.Code, c.MeaningZH, c.Code, c.MeaningZH)
		if slices.Equal(c.Steps, oauth()) {
			f.Answer = fmt.Appendf(nil, `{"data":{"captcha":"","desc_url":"","description":%q,"error_code":%d},"message":"error"}`, c.MeaningZH, c.Code)
		}
	}
	f.Steps = map[string]verdict{}
	for _, s := range allSteps() {
		f.Steps[string(s)] = judged(s, f.Answer)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(f); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The rules behind the rows, independent of the fixtures.
func TestTheTableKeepsItsRules(t *testing.T) {
	seen := map[int64]bool{}
	for _, c := range Codes() {
		name := fmt.Sprint(c.Code)
		if seen[c.Code] || c.Code == 0 {
			t.Errorf("%s is there twice, or zero", name)
		}
		seen[c.Code] = true
		if c.Meaning == "" || c.MeaningZH == "" || c.Advice == "" || c.Actor == "" || c.Action == "" || len(c.Steps) == 0 {
			t.Errorf("%s is not complete: %+v", name, c)
		}
		if (c.Class == ClassRetry) != (c.Effect == fault.EffectUnknown) {
			t.Errorf("%s: only class R leaves the effect open", name)
		}
		if c.Capability && c.Class != ClassApp {
			t.Errorf("%s: an ability is the app's", name)
		}
		if c.AssetKept && (c.AssetSpent || c.Class == ClassRetry) {
			t.Errorf("%s keeps an asset that it cannot", name)
		}
		if wantKept := c.Class == ClassToken || c.Class == ClassAuthorize || c.Class == ClassQuota || c.Class == ClassApp || c.Code == 2190015 || c.Code == 28001015; c.AssetKept != wantKept {
			t.Errorf("%s: asset kept %v; only token, scope, quota and app are refused at the door", name, c.AssetKept)
		}
		if c.Quota != (c.Class == ClassQuota) || c.Quota && c.Wait == 0 && !c.WaitDay {
			t.Errorf("%s: a quota without a wait, or the other way round", name)
		}
		if c.Class == ClassRetry && (c.KindAt(StepCreate) != fault.Unknown || c.KindAt(StepComplete) != fault.Unknown || c.KindAt(StepPart) != fault.Retryable) {
			t.Errorf("%s: R on a call that is not idempotent must be Unknown", name)
		}
	}
	for _, want := range []int64{10001, 10002, 10003, 10004, 10005, 10006, 10007, 10008, 10010, 10012, 10013, 10014, 10015, 10020, 2100004, 2100005, 2100007, 2100009,
		2190001, 2190002, 2190003, 2190004, 2190005, 2190006, 2114006, 2190007, 2190008, 2190015, 2190016, 2114005, 2114007, 2111001, 28001003, 28001005, 28001006, 28001007, 28001008,
		28001012, 28001014, 28001018, 28001015, 28001016, 28001019, 28001056, 28001017, 28001020, 28001021, 28001045, 28001046, 28001047, 28001052, 28003017, 28003018, 29002002} {
		if !seen[want] {
			t.Errorf("%d of the reference is missing", want)
		}
		delete(seen, want)
	}
	if len(seen) > 0 {
		t.Errorf("not in the reference: %v", seen)
	}
}

func TestPublishClaimsNoEffectOnlyForAListedRefusal(t *testing.T) {
	both := func(c string) string {
		return `{"data":{"error_code":` + c + `,"description":"d"},"extra":{"error_code":` + c + `,"logid":"L"}}`
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   fault.Kind
		effect fault.Effect
	}{
		{"listed refusal", 200, both("28001008"), fault.TokenExpired, fault.EffectNone},
		{"listed refusal as a string", 200, both(`"28001008"`), fault.TokenExpired, fault.EffectNone},
		{"listed refusal with HTTP 400", 400, both("28001008"), fault.TokenExpired, fault.EffectNone},
		{"only in extra", 200, `{"data":{},"extra":{"error_code":28001008}}`, fault.TokenExpired, fault.EffectNone},
		{"only as sub code", 200, `{"data":{"error_code":0},"extra":{"error_code":0,"sub_error_code":28001008}}`, fault.TokenExpired, fault.EffectNone},
		{"at the top level", 200, `{"error_code":28001008,"data":null}`, fault.TokenExpired, fault.EffectNone},
		{"flat form", 200, `{"err_no":28001008,"err_msg":"x","log_id":"L"}`, fault.TokenExpired, fault.EffectNone},
		{"listed refusal inside a 502", 502, both("28001008"), fault.Unknown, fault.EffectUnknown},
		{"listed refusal inside a redirect", 302, both("28001008"), fault.Unknown, fault.EffectUnknown},
		{"refusal beside an item_id", 200, `{"data":{"error_code":28001008,"item_id":"@x"}}`, fault.Unknown, fault.EffectUnknown},
		{"two codes, one unlisted", 200, `{"data":{"error_code":28001008},"extra":{"error_code":1}}`, fault.Unknown, fault.EffectUnknown},
		{"two codes, one says retry", 200, `{"data":{"error_code":28001008},"extra":{"error_code":2100004}}`, fault.Unknown, fault.EffectUnknown},
		{"busy", 200, both("2100004"), fault.Unknown, fault.EffectUnknown},
		{"unlisted code", 200, both("77"), fault.Unknown, fault.EffectUnknown},
		{"a code of another step", 200, both("2190005"), fault.Unknown, fault.EffectUnknown},
		{"a code that is no number", 200, both(`"abc"`), fault.Unknown, fault.EffectUnknown},
		{"HTML", 200, "<html>", fault.Unknown, fault.EffectUnknown},
		{"cut JSON", 200, `{"data":{"item_id":"@x"`, fault.Unknown, fault.EffectUnknown},
		{"empty", 200, "", fault.Unknown, fault.EffectUnknown},
		{"somebody else's JSON", 200, `{"hello":1}`, fault.Unknown, fault.EffectUnknown},
		{"success without an item_id", 200, `{"data":{"error_code":0},"extra":{}}`, fault.Unknown, fault.EffectUnknown},
		{"item_id of another type", 200, `{"data":{"item_id":5}}`, fault.Unknown, fault.EffectUnknown},
		{"401 without a code", 401, "", fault.Unknown, fault.EffectUnknown},
		{"404", 404, "<html>", fault.Unknown, fault.EffectUnknown},
		{"429", 429, "", fault.Unknown, fault.EffectUnknown},
		{"500", 500, "", fault.Unknown, fault.EffectUnknown},
		{"success form inside a 500", 500, `{"data":{"item_id":"@x"}}`, fault.Unknown, fault.EffectUnknown},
		{"redirect", 307, "", fault.Unknown, fault.EffectUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := says(c.status, c.body)
			_, err := testTarget(Config{}, w).Publish(t.Context(), testVideo(), testSession(t, 1, 30), asset("v1"))
			if fault.As(err) == nil || fault.KindOf(err) != c.kind || fault.EffectOf(err) != c.effect {
				t.Errorf("got %v, effect %v; want %v, %v", err, fault.EffectOf(err), c.kind, c.effect)
			}
			if len(w.sent) != 1 {
				t.Errorf("%d requests", len(w.sent))
			}
		})
	}
}

func TestTheDayOfAQuotaEndsAtMidnightInChina(t *testing.T) {
	c, _ := lookup(2114007, StepCreate)
	for at, want := range map[string]time.Duration{
		"2026-11-20T15:59:59Z": time.Second, "2026-11-20T16:00:00Z": 24 * time.Hour, "2026-11-20T04:00:00Z": 12 * time.Hour,
	} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.wait(now); got != want {
			t.Errorf("at %s: %v, want %v", at, got, want)
		}
	}
}

func FuzzClassifier(f *testing.F) {
	files, err := filepath.Glob("testdata/codes/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files[:min(8, len(files))] {
		var x fixture
		if err := json.Unmarshal(readFile(f, path), &x); err != nil {
			f.Fatal(err)
		}
		f.Add(200, []byte(x.Answer))
	}
	f.Add(200, []byte(`{"data":{"error_code":"0","item_id":"@x"},"extra":{"now":"1"}}`))
	f.Add(502, []byte(`<html>`))
	f.Add(200, []byte(`{"err_no":1e3,"data":[]}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for _, s := range allSteps() {
			a, err := request{step: s, op: "douyin.Fuzz"}.judge(nil, reply{status: status, body: body}, testNow)
			if err == nil {
				if status != 200 || !a.env.ok() {
					t.Fatalf("%s: success of HTTP %d %q", s, status, body)
				}
				continue
			}
			fe := fault.As(err)
			if fe == nil || fe.After < 0 {
				t.Fatalf("%s: %v", s, err)
			}
			if s == StepCreate && (fe.Effect == fault.EffectNone || fe.Kind == fault.Retryable && !fe.Quota) {
				n, err := strconv.ParseInt(fe.Code, 10, 64)
				row, ok := lookup(n, s)
				if err != nil || !ok || row.Effect != fault.EffectNone || status >= 500 {
					t.Fatalf("no effect claimed for HTTP %d %q", status, body)
				}
			}
		}
	})
}
