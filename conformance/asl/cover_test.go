package asl

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/statemachine"
)

// state is what stands in the definition about where a state leads.
type state struct {
	Type    string
	Next    string
	Default string
	Choices []struct{ Next string }
	Catch   []struct{ Next string }
	Retry   []struct{ ErrorEquals []string }

	ItemProcessor struct{ States map[string]state }
}

func states(t *testing.T) map[string]state {
	t.Helper()
	var top struct{ States map[string]state }
	if err := json.Unmarshal(statemachine.Definition(), &top); err != nil {
		t.Fatal(err)
	}
	all := maps.Clone(top.States)
	for _, s := range top.States {
		maps.Copy(all, s.ItemProcessor.States)
	}
	return all
}

// edges are where a state may lead, each once.
func (s state) edges() []string {
	all := []string{s.Next, s.Default}
	for _, c := range s.Choices {
		all = append(all, c.Next)
	}
	for _, c := range s.Catch {
		all = append(all, c.Next)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(n string) bool { return n == "" })
}

// unreachable are edges that no answer of a function can take.
func unreachable() []string {
	return []string{
		"Carry -> Settle", // every iteration catches its own errors, so that only the service itself can fail the Map
	}
}

func TestTheScriptsTakeEveryEdgeAndEveryRetry(t *testing.T) {
	taken := map[string]bool{}
	retried := map[string]bool{}
	for _, s := range scripts(t) {
		x := playOurs(t, statemachine.Definition(), s)
		for _, line := range x.Lines {
			for i, name := range line {
				name, _, _ = strings.Cut(name, " ")
				taken[name] = true
				if i+1 < len(line) {
					next, _, _ := strings.Cut(line[i+1], " ")
					taken[name+" -> "+next] = true
				}
			}
		}
		for call, payloads := range x.Calls {
			entered := 0
			name := map[string]string{"publish": "Publish", "settle": "Settle"}[call]
			for line, names := range x.Lines {
				if name == "" && strings.HasPrefix(call, "uploadpart/") && line == "0" {
					name = "Range"
				}
				for _, n := range names {
					if n == name {
						entered++
					}
				}
			}
			if name != "" && len(payloads) > entered {
				retried[name] = true
			}
		}
	}
	for name, s := range states(t) {
		if !taken[name] {
			t.Errorf("no script enters %s", name)
		}
		for _, next := range s.edges() {
			edge := name + " -> " + next
			if !taken[edge] && !slices.Contains(unreachable(), edge) {
				t.Errorf("no script takes %s", edge)
			}
			if taken[edge] && slices.Contains(unreachable(), edge) {
				t.Errorf("%s is taken after all", edge)
			}
		}
		if len(s.Retry) > 0 && !retried[name] {
			t.Errorf("no script makes %s try again", name)
		}
	}
}
