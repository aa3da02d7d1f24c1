package douyin

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
)

// TestTheRunbookPageIsTheTable draws docs/runbook-douyin.md from the table of codes (design 4.12); -update rewrites it.
func TestTheRunbookPageIsTheTable(t *testing.T) {
	file := filepath.Join("..", "..", "..", "docs", "runbook-douyin.md")
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
		t.Error("docs/runbook-douyin.md is not what the table says; run: go test ./shared/target/douyin -run Runbook -update")
	}
}

func runbook() string {
	var b strings.Builder
	b.WriteString(`# Runbook: Douyin's codes / 抖音错误码

Drawn from the table in shared/target/douyin by a test; do not edit.
A code stands in the ledger with the platform's log id: ` + "`vodlift status ID`" + ` shows both. "Effect none" means that a create which drew this
code provably published nothing; everything else is looked for at the platform, never repeated blindly.

| code | meaning / 含义 | at | what vodlift does | effect | whose turn / 谁处理 | what to do |
|---|---|---|---|---|---|---|
`)
	for _, c := range Codes() {
		effect := "unknown"
		if c.Effect == fault.EffectNone {
			effect = "none"
		}
		steps := make([]string, len(c.Steps))
		for i, s := range c.Steps {
			steps[i] = string(s)
		}
		fmt.Fprintf(&b, "| %d | %s / %s | %s | %s, %s | %s | %s | %s |\n", c.Code, cellText(c.Meaning), cellText(c.MeaningZH), strings.Join(steps, ", "), c.Kind, c.Action, effect, c.Actor, cellText(c.Advice))
	}
	return b.String()
}

func cellText(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
