package youku

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
)

// TestTheRunbookPageIsTheTable draws docs/runbook-youku.md from the table of codes (design 4.12); -update rewrites it.
func TestTheRunbookPageIsTheTable(t *testing.T) {
	file := filepath.Join("..", "..", "..", "docs", "runbook-youku.md")
	want := runbook()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/runbook-youku.md is not what the table says; run: go test ./shared/target/youku -run Runbook -update")
	}
}

func runbook() string {
	var b strings.Builder
	b.WriteString(`# Runbook: Youku's codes / 优酷错误码

Drawn from the table in shared/target/youku by a test; do not edit.
A code stands in the ledger with what the platform said: ` + "`vodlift status ID`" + ` shows both. "Effect none" means that a create which drew this
code provably published nothing; everything else is looked for at the platform, never repeated blindly.

| code | meaning / 含义 | class | what vodlift does | effect on commit | whose turn / 谁处理 | what to do |
|---|---|---|---|---|---|---|
`)
	for _, c := range Codes() {
		effect := "unknown"
		if c.EffectAt(StepCommit) == fault.EffectNone {
			effect = "none"
		}
		code := fmt.Sprint(c.Code)
		for _, other := range c.Spellings {
			code += fmt.Sprintf(" (also %d)", other)
		}
		fmt.Fprintf(&b, "| %s | %s / %s | %s | %s, %s | %s | %s | %s |\n", code, cellText(c.Meaning), cellText(c.MeaningZH), c.Class, c.Kind, c.Action, effect, c.Actor, cellText(c.Advice))
	}
	return b.String()
}

func cellText(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
