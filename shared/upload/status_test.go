package upload_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/upload"
)

var update = flag.Bool("update", false, "rewrite the files that tests compare with")

const statesFile = "../../docs/states.md"

func TestEachStatusAndEventHasOneOutcomeAtMost(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range upload.Rules() {
		k := string(r.From) + " " + string(r.On)
		if seen[k] {
			t.Errorf("%s is there twice", k)
		}
		seen[k] = true
		if !slices.Contains(upload.Statuses(), r.From) || !slices.Contains(upload.Statuses(), r.To) {
			t.Errorf("%+v has an unknown status", r)
		}
		if to, ok := upload.Next(r.From, r.On); !ok || to != r.To {
			t.Errorf("Next(%s) = %s, %v, want %s", k, to, ok, r.To)
		}
	}
	if to, ok := upload.Next(upload.Published, upload.EvCancel); ok || to != upload.Published {
		t.Errorf("what is not in the table leaves the status as it is, got %s, %v", to, ok)
	}
}

func TestTheTableKeepsThePromisesOfTheDesign(t *testing.T) {
	next := func(s upload.Status, ev upload.Event) upload.Status {
		to, ok := upload.Next(s, ev)
		if !ok {
			return "refused"
		}
		return to
	}
	t.Run("cancel wins until the intent, then it is refused", func(t *testing.T) {
		for _, s := range []upload.Status{upload.Waiting, upload.Uploading, upload.Completing, upload.Failed, upload.NeedsLogin, upload.Cancelled} {
			if got := next(s, upload.EvCancel); got != upload.Cancelled {
				t.Errorf("%s: %s", s, got)
			}
		}
		for _, s := range []upload.Status{upload.Publishing, upload.Processing, upload.Published, upload.Held} {
			if got := next(s, upload.EvCancel); got != "refused" {
				t.Errorf("%s: %s", s, got)
			}
		}
	})
	t.Run("an open intent is left only by its answer, by people, or by closing it", func(t *testing.T) {
		for _, r := range upload.Rules() {
			if r.From != upload.Publishing && r.From != upload.Held {
				if r.IntentClosed {
					t.Errorf("%+v: no intent is open there", r)
				}
				continue
			}
			answered := r.To == upload.Processing || r.To == upload.Published || r.To == upload.Held
			stays := r.From == r.To && r.On == upload.EvRestart
			if r.IntentClosed == (answered || stays) {
				t.Errorf("%+v: IntentClosed should be %v", r, !r.IntentClosed)
			}
		}
	})
	t.Run("published is final", func(t *testing.T) {
		for _, r := range upload.Rules() {
			if r.From == upload.Published && r.To != upload.Published {
				t.Errorf("%+v", r)
			}
		}
	})
	t.Run("a post is never denied, whenever its answer comes", func(t *testing.T) {
		for _, s := range upload.Statuses() {
			if got := next(s, upload.EvPosted); got != upload.Processing && got != upload.Published {
				t.Errorf("%s: %s", s, got)
			}
		}
	})
	t.Run("only a post leads to published", func(t *testing.T) {
		for _, r := range upload.Rules() {
			if r.To == upload.Published && r.From != upload.Published && r.On != upload.EvLive {
				t.Errorf("%+v", r)
			}
		}
	})
	t.Run("a terminal status is left by a person, a login or a late answer", func(t *testing.T) {
		for _, r := range upload.Rules() {
			if r.From.Terminal() && r.To != r.From && !slices.Contains([]upload.Event{upload.EvRestart, upload.EvCancel, upload.EvPosted, upload.EvLive}, r.On) {
				t.Errorf("%+v", r)
			}
		}
	})
	t.Run("every status but the final ones can be started again", func(t *testing.T) {
		for _, s := range upload.Statuses() {
			if got := next(s, upload.EvRestart); (got == "refused") != (s == upload.Published || s == upload.Cancelled) {
				t.Errorf("%s: %s", s, got)
			}
		}
	})
}

func TestFromEveryStatusAnEndCanBeReachedAndEveryStatusIsReachable(t *testing.T) {
	reach := func(from upload.Status) map[upload.Status]bool {
		seen := map[upload.Status]bool{from: true}
		for grown := true; grown; {
			grown = false
			for _, r := range upload.Rules() {
				if seen[r.From] && !seen[r.To] {
					seen[r.To], grown = true, true
				}
			}
		}
		return seen
	}
	if got := reach(upload.Waiting); len(got) != len(upload.Statuses()) {
		t.Errorf("from WAITING only %v", got)
	}
	for _, s := range upload.Statuses() {
		if !reach(s)[upload.Published] {
			t.Errorf("%s never gets published", s)
		}
	}
}

// TestStatesAreDrawnAsTheTableHasThem keeps docs/states.md equal to the rules; -update rewrites it.
func TestStatesAreDrawnAsTheTableHasThem(t *testing.T) {
	want := drawStates()
	if *update {
		if err := os.WriteFile(statesFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(statesFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/states.md differs from upload.Rules(); run: go test ./shared/upload -run States -update")
	}
}

func drawStates() string {
	var b strings.Builder
	b.WriteString("# The statuses of an upload\n\nWritten by a test in `shared/upload` from `upload.Rules()`; do not edit. What is not here may not happen.\n\n")
	b.WriteString("An arrow with `*` is taken only in a transaction that closes the intent, or finds none open: while it is open the outcome\nof a publish is not known, and nothing may start again or be cancelled. Arrows back to the same status are left out of the picture.\n\n```mermaid\nstateDiagram-v2\n    [*] --> WAITING\n")
	arrows := map[[2]upload.Status][]string{}
	for _, r := range upload.Rules() {
		if r.From != r.To {
			k := [2]upload.Status{r.From, r.To}
			arrows[k] = append(arrows[k], mark(r, string(r.On)))
		}
	}
	for _, from := range upload.Statuses() {
		for _, to := range upload.Statuses() {
			if evs := arrows[[2]upload.Status{from, to}]; evs != nil {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", from, to, strings.Join(evs, ", "))
			}
		}
	}
	fmt.Fprintf(&b, "    %s --> [*]\n```\n\n| status \\ event |", upload.Published)
	for _, ev := range upload.Events() {
		fmt.Fprintf(&b, " %s |", ev)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(upload.Events())) + "\n")
	for _, s := range upload.Statuses() {
		fmt.Fprintf(&b, "| %s |", s)
		for _, ev := range upload.Events() {
			b.WriteString(" " + cell(s, ev) + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n| event | means |\n|---|---|\n")
	for _, ev := range upload.Events() {
		fmt.Fprintf(&b, "| %s | %s |\n", ev, ev.Meaning())
	}
	return b.String()
}

func cell(s upload.Status, ev upload.Event) string {
	for _, r := range upload.Rules() {
		if r.From == s && r.On == ev {
			return mark(r, string(r.To))
		}
	}
	return ""
}

func mark(r upload.Rule, s string) string {
	if r.IntentClosed {
		return s + "*"
	}
	return s
}
