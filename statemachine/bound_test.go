package statemachine_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/vodlift/vodlift/local/stepfn"
)

// bound is the history that design 2 allows a generation, in events.
func bound(ranges, carries, turns, retries, passes int) int {
	return 60 + ranges*(9*carries+7*turns+3*retries) + passes*20
}

func TestCarryingCostsNoMoreEventsThanTheDocumentedBound(t *testing.T) {
	tests := []struct {
		rule                            string
		ranges, carries, turns, retries int // turns and retries per carry
		pauses                          int // of the turns, those that wait for another's lease
	}{
		{"one range, one turn", 1, 1, 1, 0, 0},
		{"one wave of 40", 40, 1, 1, 0, 0},
		{"60 turns", 1, 1, 60, 0, 0},
		{"five carries with a lease to wait for, and every retry", 40, 5, 4, 3, 1},
		{"40 ranges at the limit of what Plan may ask for", 40, 5, 10, 3, 1},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lines := map[string][]string{"initupload": append(slices.Repeat(list(open("carry", 0, numbers(tt.ranges)...)), tt.carries), open("end", 0))}
				carry := slices.Repeat(list("!Retryable"), tt.retries)
				carry = append(carry, slices.Repeat(list(carried(false, 10)), tt.pauses)...)
				carry = append(carry, slices.Repeat(list(carried(false, 0)), tt.turns-tt.pauses-1)...)
				carry = slices.Repeat(append(carry, carried(true, 0)), tt.carries)
				for _, n := range numbers(tt.ranges) {
					lines[fmt.Sprint("uploadpart/", n)] = slices.Clone(carry)
				}
				x, _, _ := play(t, lines, stepfn.Options{})
				limit := bound(tt.ranges, tt.carries, tt.carries*tt.turns, tt.carries*tt.retries, tt.carries+1)
				if x.Status != stepfn.Succeeded || x.Events > limit {
					t.Errorf("%s with %d events, the bound says %d: %s", x.Status, x.Events, limit, x.Cause)
				}
				if got, want := x.Visits["Range"], tt.ranges*tt.carries*tt.turns; got != want {
					t.Errorf("%d turns, want %d", got, want)
				}
			})
		})
	}
}

// events runs the definition and gives the length of its history.
func events(t *testing.T, lines map[string][]string) (n int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x, s, _ := play(t, lines, stepfn.Options{Scale: 1000})
		if x.Status != stepfn.Succeeded {
			t.Errorf("%s %s after %v", x.Status, x.Error, s.calls)
		}
		n = x.Events
	})
	return n
}

func TestAPassThroughOpenLookOrWatchCostsAtMost20Events(t *testing.T) {
	end := open("end", 0)
	tests := map[string]struct {
		counted int // passes in one turn of the loop
		lines   func(n int) map[string][]string
	}{
		"open parks": {1, func(n int) map[string][]string {
			return map[string][]string{"initupload": append(slices.Repeat(list(open("park", 0)), n), end), "park/open": list("wake")}
		}},
		"open parks a day": {1, func(n int) map[string][]string {
			return map[string][]string{"initupload": append(slices.Repeat(list(open("park", 0)), n), end), "park/open": list("sleep")}
		}},
		"open renews": {1, func(n int) map[string][]string {
			return map[string][]string{"initupload": append(slices.Repeat(list(open("renew", 0)), n), end)}
		}},
		"open completes": {1, func(n int) map[string][]string {
			return map[string][]string{"initupload": append(slices.Repeat(list(open("complete", 0)), n), end)}
		}},
		"open carries nothing": {1, func(n int) map[string][]string {
			return map[string][]string{"initupload": append(slices.Repeat(list(open("carry", 0)), n), end)}
		}},
		"publish is too early": {1, func(n int) map[string][]string {
			return map[string][]string{"initupload": append(slices.Repeat(list(open("publish", 0)), n), end), "publish": list(next("early", 0))}
		}},
		"a look says again": {1, func(n int) map[string][]string {
			return map[string][]string{"initupload": list(open("look", 0)), "inspect": append(slices.Repeat(list(next("again", 1)), n), next("held", 0))}
		}},
		"a look fails": {1, func(n int) map[string][]string {
			return map[string][]string{"initupload": list(open("look", 0)), "inspect": append(slices.Repeat(list("!Unknown"), n), next("held", 0))}
		}},
		"a look permits, lost": {1, func(n int) map[string][]string {
			return map[string][]string{"initupload": list(open("look", 0)), "publish": list("!Unknown"), "inspect": append(slices.Repeat(list(next("permit", 0)), n), next("held", 0))}
		}},
		"watch polls": {1, func(n int) map[string][]string {
			return map[string][]string{"initupload": list(open("watch", 0)), "check": append(slices.Repeat(list(next("later", 0)), n), next("live", 0)), "park/watch": list("wake")}
		}},
		"watch polls, a day off": {1, func(n int) map[string][]string {
			return map[string][]string{"initupload": list(open("watch", 0)), "check": append(slices.Repeat(list("!Unknown"), n), next("live", 0)), "park/watch": list("sleep")}
		}},
	}
	for rule, tt := range tests {
		if got := events(t, tt.lines(2)) - events(t, tt.lines(1)); got > 20*tt.counted {
			t.Errorf("%s: %d events a turn, want at most %d", rule, got, 20*tt.counted)
		}
	}
}

func TestTheStartAndTheLongestEndCostAtMost60Events(t *testing.T) {
	lines := map[string][]string{"initupload": list(open("end", 0)), "settle": append(slices.Repeat(list("!Unknown"), 10), "{}")}
	if got := events(t, lines); got > 60 {
		t.Errorf("%d events, want at most 60", got)
	}
}

func TestTenThousandPartsInOneWaveStayWithinThePromises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _, _ := play(t, map[string][]string{
			"initupload": list(open("carry", 0, numbers(40)...), open("complete", 0), open("publish", 10)),
			"publish":    list(next("posted", 0)), "check": list(next("later", 0), next("live", 0)), "park/watch": list("wake"),
		}, stepfn.Options{})
		const price = 25.0 / 1e6 // dollars a transition
		if x.Events >= 1500 || x.MaxPayload >= 64<<10 || float64(x.Transitions)*price >= 0.01 {
			t.Errorf("%d events, %d bytes, %d transitions", x.Events, x.MaxPayload, x.Transitions)
		}
		t.Logf("%d events, %d bytes of state at most, %d transitions", x.Events, x.MaxPayload, x.Transitions)
	})
}
