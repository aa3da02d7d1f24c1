package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/template"
)

// recorder fails the first n invocations and remembers all of them with the time since it was made.
type recorder struct {
	mu    sync.Mutex
	fail  int
	start time.Time
	calls []string
	hang  chan struct{}
}

func (r *recorder) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	r.mu.Lock()
	r.calls = append(r.calls, fmt.Sprintf("%v %s %s", time.Since(r.start), function, payload))
	fail := len(r.calls) <= r.fail
	r.mu.Unlock()
	if r.hang != nil {
		select {
		case <-r.hang:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if fail {
		return nil, errors.New("refused")
	}
	return []byte(`{}`), nil
}

func (r *recorder) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.calls...)
}

func deployed(t *testing.T) *template.Template {
	t.Helper()
	tpl, err := template.Load("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func names() template.Names {
	return template.Names{Refs: map[string]string{"Inbox": "inbox", "PublishStateMachine": "arn:aws:states:eu-central-1:111122223333:stateMachine:vodlift-publish"}}
}

func scheduler(t *testing.T, o Options) *Scheduler {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestTheDeployedRulesDeliverTheSampleEvents(t *testing.T) {
	for _, c := range []struct{ file, function string }{
		{"ingest/object-created.json", "ingest"},
		{"ingest/object-created-unicode.json", "ingest"},
		{"reconcile/execution-failed.json", "reconcile"},
	} {
		b, err := os.ReadFile(filepath.Join("../../events", c.file))
		if err != nil {
			t.Fatal(err)
		}
		r := &recorder{}
		s := scheduler(t, Options{Template: deployed(t), Invoker: r, Names: names()})
		if err := s.PutJSON(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		s.Drain()
		if got := r.seen(); len(got) != 1 || !strings.Contains(got[0], " "+c.function+" ") || !strings.HasSuffix(got[0], string(b)) {
			t.Errorf("%s: got %v", c.file, got)
		}
		for from, to := range map[string]string{`"inbox"`: `"outbox"`, `"TIMED_OUT"`: `"SUCCEEDED"`} {
			r.calls = nil
			other := strings.ReplaceAll(string(b), from, to)
			if other == string(b) {
				continue
			}
			if err := s.PutJSON(t.Context(), []byte(other)); err != nil {
				t.Fatal(err)
			}
			s.Drain()
			if got := r.seen(); len(got) != 0 {
				t.Errorf("%s with %s: got %v", c.file, to, got)
			}
		}
	}
}

func TestARateIsAMinuteAndScaledASecond(t *testing.T) {
	for _, c := range []struct {
		scale float64
		span  time.Duration
		first time.Duration
	}{{0, 3 * time.Minute, time.Minute}, {60, 3 * time.Second, time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{start: time.Now()}
			s, err := New(Options{Template: deployed(t), Invoker: r, Names: names(), Scale: c.scale})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), c.span+c.first/2)
			defer cancel()
			s.Run(ctx)
			s.Close()
			got := r.seen()
			if len(got) != 3 || got[0] != c.first.String()+` reconcile {"v":1,"job":"due"}` {
				t.Errorf("scale %v: got %v", c.scale, got)
			}
		})
	}
}

func TestScaledRunsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{start: time.Now(), hang: make(chan struct{})}
		s, err := New(Options{Template: deployed(t), Invoker: r, Names: names(), Scale: 60})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
		defer cancel()
		s.Run(ctx)
		if got := r.seen(); len(got) != 1 {
			t.Errorf("got %v", got)
		}
		close(r.hang)
		s.Close()
	})
}

func TestAScheduleWithoutInputGetsTheScheduledEvent(t *testing.T) {
	tpl := &template.Template{Schedules: []template.Schedule{{Function: "f", Event: "Tick", Expression: "cron(0/30 * * * ? *)"}}}
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{start: time.Now()} // midnight, 2000-01-01
		s, err := New(Options{Template: tpl, Invoker: r, Rand: zeros{}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 31*time.Minute)
		defer cancel()
		s.Run(ctx)
		s.Close()
		want := `30m0s f {"version":"0","id":"00000000-0000-4000-8000-000000000000","detail-type":"Scheduled Event","source":"aws.events","account":"000000000000","time":"2000-01-01T00:30:00Z","region":"local","resources":["arn:aws:events:local:000000000000:rule/Tick"],"detail":{}}`
		if got := r.seen(); len(got) != 1 || got[0] != want {
			t.Errorf("got  %v\nwant %s", got, want)
		}
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestAFailedEventIsTriedThreeTimesThenBuried(t *testing.T) {
	ev := Event{Source: "aws.s3", DetailType: "Object Created", Detail: json.RawMessage(`{"bucket":{"name":"inbox"}}`)}
	for _, c := range []struct{ fail, calls, dead int }{{0, 1, 0}, {2, 3, 0}, {9, 3, 1}} {
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{fail: c.fail, start: time.Now()}
			s, err := New(Options{Template: deployed(t), Invoker: r, Names: names()})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Put(t.Context(), ev); err != nil {
				t.Fatal(err)
			}
			s.Drain()
			got := r.seen()
			if len(got) != c.calls || len(s.DeadLetters()) != c.dead {
				t.Errorf("%d failures: %v, dead %v", c.fail, got, s.DeadLetters())
			}
			if c.calls == 3 && (!strings.HasPrefix(got[1], "1m0s ") || !strings.HasPrefix(got[2], "3m0s ")) {
				t.Errorf("attempts are not one and two minutes apart: %v", got)
			}
			if c.dead == 1 {
				if d := s.DeadLetters()[0]; d.Function != "ingest" || d.Attempts != 3 || d.Error != "refused" || !json.Valid(d.Payload) {
					t.Errorf("got %+v", d)
				}
			}
			s.Close()
		})
	}
}

func TestBadEventsAreRefused(t *testing.T) {
	s := scheduler(t, Options{Template: deployed(t), Invoker: &recorder{}, Names: names()})
	good := Event{Source: "s", DetailType: "d", Detail: json.RawMessage(`{}`)}
	for name, change := range map[string]func(*Event){
		"no source":            func(e *Event) { e.Source = "" },
		"no detail-type":       func(e *Event) { e.DetailType = "" },
		"no detail":            func(e *Event) { e.Detail = nil },
		"null as detail":       func(e *Event) { e.Detail = json.RawMessage(`null`) },
		"a list as detail":     func(e *Event) { e.Detail = json.RawMessage(`[]`) },
		"a detail over 256 KB": func(e *Event) { e.Detail = json.RawMessage(`{"a":"` + strings.Repeat("x", MaxEventBytes) + `"}`) },
	} {
		e := good
		change(&e)
		if err := s.Put(t.Context(), e); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := s.Put(t.Context(), good); err != nil {
		t.Error(err)
	}
	s.Close()
	if err := s.PutJSON(t.Context(), []byte(`{"source":["x"]}`)); err != nil {
		t.Errorf("an event that no rule wants needs nobody: %v", err)
	}
}

func TestAfterCloseNothingIsDelivered(t *testing.T) {
	r := &recorder{}
	s := scheduler(t, Options{Template: deployed(t), Invoker: r, Names: names()})
	s.Close()
	ev := Event{Source: "aws.s3", DetailType: "Object Created", Detail: json.RawMessage(`{"bucket":{"name":"inbox"}}`)}
	if err := s.Put(t.Context(), ev); !errors.Is(err, ErrClosed) || len(r.seen()) != 0 {
		t.Errorf("got %v", err)
	}
}

func TestAnUnresolvedNameOrUnknownOperatorIsAnErrorAtTheStart(t *testing.T) {
	if _, err := New(Options{Template: deployed(t), Invoker: &recorder{}}); err == nil || !strings.Contains(err.Error(), "Inbox") {
		t.Errorf("got %v", err)
	}
	for _, tpl := range []*template.Template{
		{Rules: []template.Rule{{Function: "f", Event: "R", Pattern: map[string]any{"a": []any{map[string]any{"sounds-like": "x"}}}}}},
		{Schedules: []template.Schedule{{Function: "f", Event: "S", Expression: "rate(1 minutes)"}}},
	} {
		if _, err := New(Options{Template: tpl, Invoker: &recorder{}}); err == nil {
			t.Errorf("%+v: accepted", tpl)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("nothing was accepted")
	}
}
