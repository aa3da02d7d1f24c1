package vod

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// fixture is testdata/codes/<code>.json: the platform's answer, and what it means at each step.
type fixture struct {
	Status int                `json:"status"`
	Answer json.RawMessage    `json:"answer"`
	Steps  map[string]verdict `json:"steps"`
}

type verdict struct {
	Kind    string `json:"kind"`
	Session string `json:"kind_of_a_session,omitempty"` // where the request was signed by a role's session
	Refused bool   `json:"refused"`                     // EffectNone
	Is      string `json:"is,omitempty"`
	Quota   bool   `json:"quota,omitempty"`
	After   string `json:"after,omitempty"`
	Actor   string `json:"actor"`
	Field   string `json:"field,omitempty"`
}

func judged(s Step, status int, body []byte, temp bool) error {
	k := &call{step: s, op: "vod.Test", role: s == StepAssumeRole, temp: temp, now: clock}
	return k.judge(background(), reply{status: status, header: http.Header{}, body: body}, &struct{}{})
}

func verdictOf(s Step, status int, body []byte) verdict {
	f := fault.As(judged(s, status, body, false))
	if f == nil {
		return verdict{Kind: "none"}
	}
	v := verdict{Kind: f.Kind.String(), Refused: f.Effect == fault.EffectNone, Quota: f.Quota, Actor: string(f.Actor), Field: f.Field}
	if k := fault.KindOf(judged(s, status, body, true)); k != f.Kind {
		v.Session = k.String()
	}
	if errors.Is(f, ErrNotFound) {
		v.Is = "ErrNotFound"
	}
	if errors.Is(f, ErrNotPlayable) {
		v.Is = "ErrNotPlayable"
	}
	if f.After > 0 {
		v.After = f.After.String()
	}
	return v
}

func TestEachCodeIsClassifiedAsItsFixtureSays(t *testing.T) {
	for _, c := range Codes() {
		t.Run(c.Code, func(t *testing.T) {
			path := filepath.Join("testdata", "codes", c.Code+".json")
			if *update {
				writeFixture(t, path, c)
			}
			var f fixture
			if err := json.Unmarshal(readFile(t, path), &f); err != nil {
				t.Fatal(err)
			}
			for _, s := range Steps() {
				if got, want := verdictOf(s, f.Status, f.Answer), f.Steps[string(s)]; got != want {
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
	f := fixture{Status: c.Status, Answer: fmt.Appendf(nil, `{"RequestId":"25818875-5F78-4A13-BEF6-D7393642CA58","HostId":"vod.cn-shanghai.aliyuncs.com","Code":%q,"Message":%q}`, c.Code, c.Meaning), Steps: map[string]verdict{}}
	for _, s := range Steps() {
		f.Steps[string(s)] = verdictOf(s, c.Status, f.Answer)
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
	seen := map[string]bool{}
	for _, c := range Codes() {
		if c.Code == "" || c.Status < 400 || c.Meaning == "" || c.MeaningZH == "" || c.Advice == "" || c.Actor == "" || c.Action == "" || seen[c.Code] {
			t.Errorf("a row that is not whole, or there twice: %+v", c)
		}
		seen[c.Code] = true
		if c.Status < 500 && c.Effect != fault.EffectNone {
			t.Errorf("%s: a refusal with an effect", c.Code)
		}
		if c.Kind == fault.Unknown || c.Quota && c.Kind != fault.Retryable || (c.Kind == fault.CredentialsExpired) != (c.Action == ActLogin) {
			t.Errorf("%s: %s, %s", c.Code, c.Kind, c.Action)
		}
		for _, s := range Steps() {
			if got := c.KindAt(s); got == fault.Retryable && c.Effect == fault.EffectUnknown && !harmless(s) {
				t.Errorf("%s is repeated blindly at %s", c.Code, s)
			}
		}
	}
	for _, must := range strings.Fields(`InvalidFileName.Extension IllegalCharacters LengthExceededMax TagsExceededMax InvalidTemplateGroupId.NotFound InvalidStorage.NotFound Forbidden.InitFailed AddVideoFailed
		InvalidVideo.Damaged InvalidVideo.NotFound Forbidden.IllegalStatus VideoListExceededMax VideoIdsExceededMax DeleteVideoFailed InvalidFile.NotFound MissingParameter InvalidParameter Throttling.User
		OperationDenied OperationDenied.Suspended Forbidden InternalError ServiceUnAvailable InvalidParameter.RoleArn InvalidParameter.RoleSessionName InvalidParameter.DurationSeconds
		InvalidParameter.PolicyGrammar InvalidParameter.PolicySize NoPermission EntityNotExist.Role`) {
		if !seen[must] {
			t.Errorf("the reference's %s is not in the table", must)
		}
	}
}

func TestCodesThatAreNotInTheTable(t *testing.T) {
	for _, c := range []struct {
		code   string
		status int
		create fault.Kind
		info   fault.Kind
	}{
		{"Throttling.Whatever", 400, fault.Retryable, fault.Retryable},
		{"InvalidSecurityToken.New", 400, fault.TokenExpired, fault.TokenExpired},
		{"Whatever", 400, fault.Permanent, fault.Permanent},
		{"Whatever", 503, fault.Unknown, fault.Retryable},
	} {
		body := fmt.Appendf(nil, `{"Code":%q,"Message":"bad %s \u202e","RequestId":"R1"}`, c.code, testToken)
		for s, want := range map[Step]fault.Kind{StepCreateVideo: c.create, StepVideoInfo: c.info} {
			k := &call{step: s, op: "vod.Test", temp: true, now: clock, secrets: []string{testToken}}
			err := k.judge(background(), reply{status: c.status, header: http.Header{"Retry-After": {"7"}}, body: body}, &struct{}{})
			f := fault.As(err)
			if f == nil || f.Kind != want || f.Code != c.code || f.LogID != "R1" || f.After != 7*time.Second || strings.Contains(err.Error(), testToken) || strings.Contains(err.Error(), "\u202e") {
				t.Errorf("%s at %s: %v", c.code, s, err)
			}
		}
	}
	for status, want := range map[int]fault.Kind{429: fault.Retryable, 502: fault.Unknown, 403: fault.Permanent, 301: fault.Permanent} {
		if got := fault.KindOf(judged(StepCreateVideo, status, []byte("<html>"), false)); got != want {
			t.Errorf("HTTP %d: %v, want %v", status, got, want)
		}
	}
}

// The words of SignatureDoesNotMatch quote what was signed.
func TestAWrongSignatureShowsNothing(t *testing.T) {
	p := newPlatform(t, fine)
	c := p.client(wrong())
	_, err := c.GetVideoInfo(t.Context(), "v1")
	if f := fault.As(err); f == nil || f.Kind != fault.TokenExpired || f.Code != "SignatureDoesNotMatch" || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "AccessKeyId") {
		t.Errorf("%v", err)
	}
	_, err = c.AssumeRole(t.Context(), "acs:ram::1:role/up", "vodlift", "", 0)
	if f := fault.As(err); f == nil || f.Kind != fault.Permanent || f.Actor != fault.ActorOperator {
		t.Errorf("an app's key: %v", err)
	}
}

// TestTheRunbookPageIsTheTable draws docs/runbook-alivod.md from the table of codes (design 4.12); -update rewrites it.
func TestTheRunbookPageIsTheTable(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "runbook-alivod.md")
	want := runbook()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if string(readFile(t, file)) != want {
		t.Error("docs/runbook-alivod.md is not what the table says; run: go test ./shared/vod -run Runbook -update")
	}
}

func runbook() string {
	var b strings.Builder
	b.WriteString(`# Runbook: Alibaba Cloud VOD's codes / 阿里云视频点播错误码

Drawn from the table in shared/vod by a test; do not edit.
A code stands in the ledger with what the platform said and its request id: ` + "`vodlift status ID`" + ` shows both. Publishing at VOD makes no
request, so no code can leave a post in doubt; a lost answer of CreateUploadVideo leaves at worst a video without a file, which can be found by
its UserData. "Effect none" means that the refused call changed nothing. A refused key is the account's own (log in again), a role's session
(it is renewed) or, at AssumeRole, the app's (set it again). How a video fares after the upload (TranscodeFail, Blocked, deleted) is no code: the
upload's reason says it.

| code | HTTP | at / 操作 | meaning / 含义 | what vodlift does | effect | whose turn / 谁处理 | what to do |
|---|---|---|---|---|---|---|---|
`)
	for _, c := range Codes() {
		effect := "unknown"
		if c.Effect == fault.EffectNone {
			effect = "none"
		}
		var steps []string
		for _, s := range c.At {
			steps = append(steps, string(s))
		}
		if len(steps) == 0 {
			steps = []string{"any"}
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %s / %s | %s, %s | %s | %s | %s |\n", c.Code, c.Status, strings.Join(steps, ", "), c.Meaning, c.MeaningZH, c.Kind, c.Action, effect, c.Actor, c.Advice)
	}
	return b.String()
}
