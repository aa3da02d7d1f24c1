package statemachine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/stepfn"
	"github.com/vodlift/vodlift/statemachine"
)

// script answers each function (finalize: each step) with one line after the other; the last is repeated.
//
//	{"next":"carry","wait":0,...}   an answer
//	!Unknown                        an error with that name
//	wake                            park: the token is sent at once
//	sleep                           park: nobody ever sends it
type script struct {
	engine *stepfn.Engine
	lines  map[string][]string

	mu    sync.Mutex
	calls []string // "initupload publish/…" in order
	seen  []string // payloads
}

func (s *script) Invoke(ctx context.Context, name string, payload []byte) ([]byte, error) {
	var p struct {
		Step, Token, For string
		Range            int
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return nil, err
	}
	call := name
	switch name {
	case "finalize":
		call = p.Step
	case "park":
		call += "/" + p.For
	case "uploadpart":
		call += fmt.Sprint("/", p.Range)
	}
	s.mu.Lock()
	s.calls, s.seen = append(s.calls, call), append(s.seen, string(payload))
	line := "{}"
	if lines := s.lines[call]; len(lines) > 0 {
		if line = lines[0]; len(lines) > 1 {
			s.lines[call] = lines[1:]
		}
	} else if name == "uploadpart" {
		line = `{"done":true,"wait":0}`
	}
	s.mu.Unlock()
	if fault, ok := strings.CutPrefix(line, "!"); ok {
		return nil, &stepfn.TaskError{Name: fault, Cause: "scripted"}
	}
	switch line {
	case "wake":
		return nil, s.engine.SendTaskSuccess(ctx, p.Token, `{}`)
	case "sleep":
		return nil, nil
	}
	return []byte(line), nil
}

// open, next and done write answers.
func open(next string, wait int, ranges ...int) string {
	if ranges == nil {
		ranges = []int{}
	}
	b, _ := json.Marshal(map[string]any{"next": next, "wait": wait, "ranges": ranges, "grant": max(1, len(ranges))})
	return string(b)
}
func next(word string, wait int) string  { return fmt.Sprintf(`{"next":%q,"wait":%d}`, word, wait) }
func carried(done bool, wait int) string { return fmt.Sprintf(`{"done":%v,"wait":%d}`, done, wait) }
func numbers(n int) (out []int) {
	for i := range n {
		out = append(out, i+1)
	}
	return out
}
func list(lines ...string) []string { return lines }

const input = `{"v":1,"upload":"01JUPLOAD","gen":1}`

// play runs the definition against the script inside a synctest bubble.
func play(t *testing.T, lines map[string][]string, o stepfn.Options) (stepfn.Execution, *script, time.Duration) {
	t.Helper()
	m, err := stepfn.Load(statemachine.Definition(), statemachine.Substitutions())
	if err != nil {
		t.Fatal(err)
	}
	s := &script{lines: lines}
	o.KeepHistory = true
	s.engine = stepfn.New(m, s, o)
	defer s.engine.Close(context.WithoutCancel(t.Context()))
	start := time.Now()
	if _, err := s.engine.StartExecution(t.Context(), "01JUPLOAD-1", []byte(input)); err != nil {
		t.Fatal(err)
	}
	x, err := s.engine.Wait(t.Context(), "01JUPLOAD-1")
	if err != nil {
		t.Fatal(err)
	}
	return x, s, time.Since(start).Round(time.Second)
}

func TestThePathsThroughTheDefinition(t *testing.T) {
	tests := []struct {
		path  string
		lines map[string][]string
		want  string        // calls in order; ranges run one after the other (grant 1)
		after time.Duration // on the machine's clock; -1: jitter decides
	}{
		{"happy: carry, complete, publish, watch, settle", map[string][]string{
			"initupload": list(open("carry", 0, 1), open("complete", 0), open("publish", 20)),
			"publish":    list(next("posted", 0)), "check": list(next("live", 0)),
		}, "initupload uploadpart/1 initupload complete initupload publish check settle", 20 * time.Second},
		{"a range that is not done goes on at once", map[string][]string{
			"initupload": list(open("carry", 0, 1), open("end", 0)), "uploadpart/1": list(carried(false, 0), carried(false, 0), carried(true, 0)),
		}, "initupload uploadpart/1 uploadpart/1 uploadpart/1 initupload settle", 0},
		{"a range whose lease another holds waits for its rest", map[string][]string{
			"initupload": list(open("carry", 0, 1), open("end", 0)), "uploadpart/1": list(carried(false, 45), carried(true, 0)),
		}, "initupload uploadpart/1 uploadpart/1 initupload settle", 45 * time.Second},
		{"a range that fails ends its own iteration only", map[string][]string{
			"initupload": list(open("carry", 0, 7), open("end", 0)), "uploadpart/7": list("!Permanent"),
		}, "initupload uploadpart/7 initupload settle", 0},
		{"a range is retried when that is harmless, three times", map[string][]string{
			"initupload": list(open("carry", 0, 1), open("end", 0)), "uploadpart/1": list("!Retryable", "!Lambda.Unknown", "!Lambda.TooManyRequestsException", "!Retryable"),
		}, "initupload uploadpart/1 uploadpart/1 uploadpart/1 uploadpart/1 initupload settle", -1},
		{"open renews a token and comes back", map[string][]string{
			"initupload": list(open("renew", 0), open("end", 0)),
		}, "initupload refreshtoken initupload settle", 0},
		{"a renewal that fails comes back too: Open knows", map[string][]string{
			"initupload": list(open("renew", 0), open("end", 0)), "refreshtoken": list("!CredentialsExpired"),
		}, "initupload refreshtoken initupload settle", 0},
		{"publish renews a token", map[string][]string{
			"initupload": list(open("publish", 0), open("end", 0)), "publish": list(next("renew", 0)),
		}, "initupload publish refreshtoken initupload settle", 0},
		{"too early: back to Open, which parks until it is woken", map[string][]string{
			"initupload": list(open("publish", 0), open("park", 0), open("end", 0)), "publish": list(next("early", 0)), "park/open": list("wake"),
		}, "initupload publish initupload park/open initupload settle", 0},
		{"a park that nobody wakes ends after a day and looks again", map[string][]string{
			"initupload": list(open("park", 0), open("end", 0)), "park/open": list("sleep"),
		}, "initupload park/open initupload settle", 24 * time.Hour},
		{"a park that fails settles", map[string][]string{
			"initupload": list(open("park", 0)), "park/open": list("!Unknown"),
		}, "initupload park/open settle", 0},
		{"unknown, then the look finds it", map[string][]string{
			"initupload": list(open("publish", 0)), "publish": list(next("unknown", 0)),
			"inspect": list(next("again", 60), next("found", 0)), "check": list(next("live", 0)),
		}, "initupload publish inspect inspect check settle", 90 * time.Second},
		{"every error of Publish is unknown, and it is never repeated blindly", map[string][]string{
			"initupload": list(open("publish", 0)), "publish": list("!Retryable"), "inspect": list(next("held", 0)),
		}, "initupload publish inspect settle", 30 * time.Second},
		{"Publish that never ran is tried again", map[string][]string{
			"initupload": list(open("publish", 0)), "publish": list("!Lambda.TooManyRequestsException", next("refused", 0)),
		}, "initupload publish publish settle", -1},
		{"a look permits one more", map[string][]string{
			"initupload": list(open("look", 5)), "inspect": list(next("permit", 0)), "publish": list(next("posted", 0)), "check": list(next("live", 0)),
		}, "initupload inspect publish check settle", 5 * time.Second},
		{"a look that fails repeats with the same wait", map[string][]string{
			"initupload": list(open("look", 5), open("end", 0)), "inspect": list("!Unknown", "!Retryable", next("open", 0)),
		}, "initupload inspect inspect inspect initupload settle", 15 * time.Second},
		{"watch parks between polls and survives a failed check", map[string][]string{
			"initupload": list(open("watch", 0)), "check": list(next("later", 30), "!Unknown", next("blocked", 0)), "park/watch": list("wake"),
		}, "initupload check park/watch check park/watch check settle", 0},
		{"watch goes to Open where that decides, and comes back", map[string][]string{
			"initupload": list(open("watch", 0), open("renew", 0), open("watch", 0)), "check": list(next("open", 0), next("live", 0)),
		}, "initupload check initupload refreshtoken initupload check settle", 0},
		{"superseded settles, which touches nothing", map[string][]string{
			"initupload": list(open("superseded", 0)),
		}, "initupload settle", 0},
		{"a word that the definition does not know settles", map[string][]string{
			"initupload": list(open("nonsense", 0)),
		}, "initupload settle", 0},
		{"again is Open once more", map[string][]string{
			"initupload": list(open("again", 0), open("end", 0)),
		}, "initupload initupload settle", 0},
		{"an error of Open settles", map[string][]string{"initupload": list("!Invalid")}, "initupload settle", 0},
		{"an error of Complete goes to Open, which asks the platform", map[string][]string{
			"initupload": list(open("complete", 0), open("end", 0)), "complete": list("!Unknown"),
		}, "initupload complete initupload settle", 0},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, s, took := play(t, tt.lines, stepfn.Options{})
				if x.Status != stepfn.Succeeded || x.State != "Done" {
					t.Errorf("%s in %s: %s %s", x.Status, x.State, x.Error, x.Cause)
				}
				if got := strings.Join(s.calls, " "); got != tt.want {
					t.Errorf("calls\n%s, want\n%s", got, tt.want)
				}
				if tt.after >= 0 && took != tt.after {
					t.Errorf("took %s, want %s", took, tt.after)
				}
			})
		})
	}
}

func TestOneBadRangeDoesNotKillTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, s, _ := play(t, map[string][]string{
			"initupload": list(open("carry", 0, numbers(40)...), open("end", 0)), "uploadpart/13": list("!Permanent"),
		}, stepfn.Options{})
		if x.Status != stepfn.Succeeded || x.Visits["RangeEnd"] != 40 || x.Visits["Range"] != 40 {
			t.Errorf("%s, visits %v", x.Status, x.Visits)
		}
		for i := range 40 {
			if n := strings.Count(strings.Join(s.seen, "\n"), fmt.Sprintf(`"range":%d,`, i+1)); n != 1 {
				t.Errorf("range %d was carried %d times, want once and as an integer", i+1, n)
			}
		}
	})
}

func TestASettleThatNeverGetsThroughFailsTheExecution(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, s, _ := play(t, map[string][]string{"initupload": list(open("end", 0)), "settle": list("!Unknown")}, stepfn.Options{})
		if x.Status != stepfn.Failed || x.Error != "Unsettled" {
			t.Errorf("%s %s", x.Status, x.Error)
		}
		if n := strings.Count(strings.Join(s.calls, " "), "settle"); n != 11 {
			t.Errorf("settle ran %d times, want once and ten retries", n)
		}
	})
}

func TestTheDemosScaleShortensLooksAndParks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, took := play(t, map[string][]string{
			"initupload": list(open("publish", 0)), "publish": list(next("unknown", 0)), "inspect": list(next("found", 0)),
			"check": list(next("later", 0), next("live", 0)), "park/watch": list("sleep"),
		}, stepfn.Options{Scale: 30})
		if want := time.Second + 48*time.Minute; took != want {
			t.Errorf("took %s, want %s", took, want)
		}
	})
}
