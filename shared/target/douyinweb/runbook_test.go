package douyinweb

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
)

// TestTheRunbookPageIsTheTable draws docs/runbook-douyinweb.md from the table of rows (design 4.12); -update rewrites it.
func TestTheRunbookPageIsTheTable(t *testing.T) {
	file := filepath.Join("..", "..", "..", "docs", "runbook-douyinweb.md")
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
		t.Error("docs/runbook-douyinweb.md is not what the table says; run: go test ./shared/target/douyinweb -run Runbook -update")
	}
}

func runbook() string {
	var b strings.Builder
	b.WriteString(`# Runbook: what can go wrong at Douyin's creator web / 抖音创作者网页

Drawn from the table in shared/target/douyinweb by a test; do not edit.
The site has few documented codes; the other rows name what an answer looks like. A fault's code is the row's name, or the platform's own number where it sent one.
"Effect none" means that a create which drew this answer provably published nothing. Anything else on create is never repeated: the upload ends HELD,
since the list of works cannot be read by a program; look at the account's works on the site, then resolve it with the post's id or "publish again".

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
		fmt.Fprintf(&b, "| %s | %s / %s | %s | %s, %s | %s | %s | %s |\n", c.Code, cellText(c.Meaning), cellText(c.MeaningZH), strings.Join(steps, ", "), c.Kind, c.Action, effect, c.Actor, cellText(c.Advice))
	}
	b.WriteString(`
## The login / 登录

An account's credential is the cookies of its owner's own login, exported from a browser as cookies.txt or JSON. A program cannot renew them: the account is announced before the
login's cookie ends, and then its uploads wait as NEEDS_LOGIN with their parts kept. The cookies go to media.douyin.com and creator.douyin.com only.
`)
	return b.String()
}

func cellText(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
