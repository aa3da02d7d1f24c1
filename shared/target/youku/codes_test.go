package youku

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
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
	Quota       bool   `json:"quota,omitempty"`
	After       string `json:"after,omitempty"`
	Actor       string `json:"actor"`
	Field       string `json:"field,omitempty"`
}

func allSteps() []Step {
	return []Step{StepCreate, StepSTS, StepCommit, StepCancel, StepShow, StepRefresh}
}

func judged(s Step, status int, body []byte) verdict {
	_, err := request{step: s, op: "youku.Test"}.judge(reply{status: status, body: body}, testNow)
	f := fault.As(err)
	if f == nil {
		return verdict{Kind: "none"}
	}
	v := verdict{Kind: f.Kind.String(), Refused: f.Effect == fault.EffectNone, AssetKept: f.AssetKept, AssetSpent: errors.Is(err, target.ErrAssetSpent),
		SessionLost: errors.Is(err, target.ErrSessionLost), Quota: f.Quota, Actor: string(f.Actor), Field: f.Field}
	if f.After > 0 {
		v.After = f.After.String()
	}
	return v
}

// spelt is every number under which a row may come.
func spelt() map[int64]Code {
	all := map[int64]Code{}
	for _, c := range Codes() {
		all[c.Code] = c
		for _, x := range c.Spellings {
			all[x] = c
		}
	}
	return all
}

func TestEachCodeIsClassifiedAsItsFixtureSays(t *testing.T) {
	for code, c := range spelt() {
		t.Run(strconv.FormatInt(code, 10), func(t *testing.T) {
			path := filepath.Join("testdata", "codes", strconv.FormatInt(code, 10)+".json")
			if *update {
				writeFixture(t, path, code, c)
			}
			var f fixture
			if err := json.Unmarshal(readFile(t, path), &f); err != nil {
				t.Fatal(err)
			}
			for _, s := range allSteps() {
				if got, want := judged(s, 400, f.Answer), f.Steps[string(s)]; got != want {
					t.Errorf("at %s: got %+v, want %+v", s, got, want)
				}
				if got, want := judged(s, 200, []byte(fmt.Sprintf("code=%d&type=SystemException&description=x", code))), f.Steps[string(s)]; got != want {
					t.Errorf("at %s, url-encoded: got %+v, want %+v", s, got, want)
				}
			}
		})
	}
	files, err := os.ReadDir("testdata/codes")
	if err != nil || len(files) != len(spelt()) {
		t.Errorf("%d fixtures for %d codes, %v", len(files), len(spelt()), err)
	}
}

func writeFixture(t *testing.T, path string, code int64, c Code) {
	t.Helper()
	f := fixture{Answer: fmt.Appendf(nil, `{"error":{"code":%d,"type":"SystemException","description":%q}}`, code, c.Meaning), Steps: map[string]verdict{}}
	for _, s := range allSteps() {
		f.Steps[string(s)] = judged(s, 400, f.Answer)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := errors.Join(e.Encode(f), os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// The rules behind the rows, independent of the fixtures.
func TestTheTableKeepsItsRules(t *testing.T) {
	all := spelt()
	for _, c := range Codes() {
		if c.Code == 0 || c.Meaning == "" || c.MeaningZH == "" || c.Advice == "" || c.Actor == "" || c.Action == "" {
			t.Errorf("%d is not complete: %+v", c.Code, c)
		}
		if (c.Class == ClassRetry && !c.Quota) != (c.Effect == fault.EffectUnknown) {
			t.Errorf("%d: a code that asks to try again leaves the effect open, unless it refuses at the door", c.Code)
		}
		if c.AssetKept && (c.Recreate || c.Maybe || c.Effect == fault.EffectUnknown) {
			t.Errorf("%d keeps an asset that it cannot", c.Code)
		}
		if (c.Class == ClassRecreate) != c.Recreate || c.Quota && c.Wait == 0 || c.Class == ClassUser && c.Code != 1013 && (c.Field == "" || c.Rule == "") {
			t.Errorf("%d: recreate, quota or field", c.Code)
		}
	}
	// Issue: on create and commit every "retry" code is Unknown, and these three are "maybe done" on commit.
	for _, code := range []int64{1001, 1002, 120010001, 120010152} {
		for _, s := range []Step{StepCreate, StepCommit} {
			if c := all[code]; c.KindAt(s) != fault.Unknown || c.EffectAt(s) != fault.EffectUnknown {
				t.Errorf("%d at %s must be Unknown", code, s)
			}
		}
		if c := all[code]; c.KindAt(StepShow) != fault.Retryable {
			t.Errorf("%d at show must be Retryable", code)
		}
	}
	for _, code := range []int64{120010151, 120010216, 120010221} {
		if v := judged(StepCommit, 400, fmt.Appendf(nil, `{"error":{"code":%d}}`, code)); v.Kind != "Unknown" || v.Refused || v.AssetSpent {
			t.Errorf("%d on commit: %+v", code, v)
		}
	}
	for _, want := range []int64{1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 120010001, 120010004, 120010005, 120010101, 120010102, 120010104, 120010105, 120010106,
		120010108, 120010111, 120010113, 120010121, 120010122, 120010123, 102210123, 120010124, 120010125, 120010141, 120010142, 120010145, 120010151, 120010152, 120010205, 120010206, 120010207,
		120010208, 120010210, 120010211, 120010212, 120010213, 120010215, 120010216, 120010217, 120010218, 120010219, 120010220, 120010221, 120010222, 120010223, 120010224, 12001010225, 120010225,
		120010301, 120020001, 130011201, 130011202, 130011203, 130011204, 130011205, 130011206, 130011207, 130011208, 130011209} {
		if _, ok := all[want]; !ok {
			t.Errorf("%d of the reference is missing", want)
		}
		delete(all, want)
	}
	if len(all) > 0 {
		t.Errorf("not in the reference: %v", all)
	}
}

func TestPublishClaimsNoEffectOnlyForAListedRefusal(t *testing.T) {
	refusal := `{"error":{"code":1009,"type":"SystemException","description":"d"}}`
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   fault.Kind
		effect fault.Effect
	}{
		{"listed refusal", 400, refusal, fault.TokenExpired, fault.EffectNone},
		{"listed refusal in a success", 200, refusal, fault.TokenExpired, fault.EffectNone},
		{"as a string", 400, `{"error":{"code":"1009"}}`, fault.TokenExpired, fault.EffectNone},
		{"url-encoded", 400, "code=1009&type=x&description=Expired+Access+token", fault.TokenExpired, fault.EffectNone},
		{"after a byte order mark", 400, "\ufeff" + refusal, fault.TokenExpired, fault.EffectNone},
		{"inside a 502", 502, refusal, fault.Unknown, fault.EffectUnknown},
		{"inside a redirect", 302, refusal, fault.Unknown, fault.EffectUnknown},
		{"beside a video_id", 200, `{"video_id":"X1","error":{"code":1009}}`, fault.Unknown, fault.EffectUnknown},
		{"busy", 400, `{"error":{"code":1001}}`, fault.Unknown, fault.EffectUnknown},
		{"unlisted", 400, `{"error":{"code":77}}`, fault.Unknown, fault.EffectUnknown},
		{"an unlisted one of the platform", 400, `{"error":{"code":1999}}`, fault.Unknown, fault.EffectUnknown},
		{"no code", 400, `{"error":{}}`, fault.Unknown, fault.EffectUnknown},
		{"no number", 400, `{"error":{"code":"abc"}}`, fault.Unknown, fault.EffectUnknown},
		{"a word", 400, `{"error":"invalid_grant"}`, fault.Unknown, fault.EffectUnknown},
		{"a list", 400, `{"error":[1]}`, fault.Unknown, fault.EffectUnknown},
		{"HTML", 200, "<html>code=1009</html>", fault.Unknown, fault.EffectUnknown},
		{"cut JSON", 200, `{"video_id":"X`, fault.Unknown, fault.EffectUnknown},
		{"empty", 200, "", fault.Unknown, fault.EffectUnknown},
		{"no video_id", 200, `{"hello":1}`, fault.Unknown, fault.EffectUnknown},
		{"video_id of another type", 200, `{"video_id":5}`, fault.Unknown, fault.EffectUnknown},
		{"401", 401, "", fault.Unknown, fault.EffectUnknown},
		{"404", 404, "<html>", fault.Unknown, fault.EffectUnknown},
		{"429", 429, "", fault.Unknown, fault.EffectUnknown},
		{"500", 500, "", fault.Unknown, fault.EffectUnknown},
		{"a success inside a 500", 500, `{"video_id":"X1"}`, fault.Unknown, fault.EffectUnknown},
		{"too long", 200, `{"video_id":"X1","pad":"` + strings.Repeat("x", maxAnswer) + `"}`, fault.Unknown, fault.EffectUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := says(c.status, c.body)
			_, err := testTarget(Config{}, w).Publish(t.Context(), testVideo(), testSession(t, 1, 30), asset())
			if fault.As(err) == nil || fault.KindOf(err) != c.kind || fault.EffectOf(err) != c.effect {
				t.Errorf("got %v, effect %v; want %v, %v", err, fault.EffectOf(err), c.kind, c.effect)
			}
			if len(w.sent) != 1 {
				t.Errorf("%d requests", len(w.sent))
			}
		})
	}
	_, err := testTarget(Config{}, says(200, `{"video_id":"X"}`)).Publish(t.Context(), testVideo(), testSession(t, 1, 30), upload.Asset{ID: "another"})
	if fault.KindOf(err) != fault.Invalid || fault.EffectOf(err) != fault.EffectNone {
		t.Errorf("an asset of another session: %v", err)
	}
}

func TestOtherStepsAreTriedAgainOnlyWhereThatIsHarmless(t *testing.T) {
	for _, c := range []struct {
		name                 string
		status               int
		body                 string
		create, sts, refresh string
	}{
		{"5xx", 503, "<html>", "Unknown", "Retryable", "Unknown"},
		{"408", 408, "", "Unknown", "Retryable", "Unknown"},
		{"429", 429, "", "Unknown", "Retryable", "Unknown"},
		{"404", 404, "<html>", "Permanent", "Permanent", "Permanent"},
		{"401", 401, "", "TokenExpired", "TokenExpired", "TokenExpired"},
		{"unlisted", 400, `{"error":{"code":77}}`, "Unknown", "Retryable", "Unknown"},
		{"unlisted of the platform", 400, `{"error":{"code":1500}}`, "Permanent", "Permanent", "Permanent"},
		{"unlisted of OAuth", 400, `{"error":{"code":130011299}}`, "Permanent", "Permanent", "Permanent"},
	} {
		got := [3]string{judged(StepCreate, c.status, []byte(c.body)).Kind, judged(StepSTS, c.status, []byte(c.body)).Kind, judged(StepRefresh, c.status, []byte(c.body)).Kind}
		if want := [3]string{c.create, c.sts, c.refresh}; got != want {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}

func FuzzClassifier(f *testing.F) {
	f.Add(400, []byte(`{"error":{"code":1009,"type":"SystemException","description":"x"}}`))
	f.Add(200, []byte(created))
	f.Add(200, []byte(`code=120010151&type=UploadsException&description=x`))
	f.Add(502, []byte(`<html>`))
	f.Add(400, []byte(`{"error":{"code":"1e3"}}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for _, s := range allSteps() {
			a, err := request{step: s, op: "youku.Fuzz"}.judge(reply{status: status, body: body}, testNow)
			if err == nil {
				if status/100 != 2 || len(a.body) == 0 || a.body[0] != '{' {
					t.Fatalf("%s: success of HTTP %d %q", s, status, body)
				}
				_, _ = testTarget(Config{}, nil).created(a)
				continue
			}
			fe := fault.As(err)
			if fe == nil || fe.After < 0 {
				t.Fatalf("%s: %v", s, err)
			}
			if s == StepCommit && (fe.Effect == fault.EffectNone || fe.Kind == fault.Retryable && !fe.Quota && !errors.Is(err, target.ErrAssetSpent)) {
				n, err := strconv.ParseInt(fe.Code, 10, 64)
				row, ok := lookup(n)
				if err != nil || !ok || row.EffectAt(s) != fault.EffectNone || status >= 500 {
					t.Fatalf("no effect claimed for HTTP %d %q", status, body)
				}
			}
		}
	})
}
