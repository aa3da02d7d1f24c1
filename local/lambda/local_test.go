package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
)

func one(t *testing.T, fn handler.Function, o Options) *Local {
	t.Helper()
	l := newLocal(map[string]handler.Function{"f": fn}, map[string]time.Duration{"f": 30 * time.Second}, o)
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

func nameOf(err error) string {
	var f *FunctionError
	if errors.As(err, &f) {
		return f.Name
	}
	return fmt.Sprintf("%T", err)
}

func echo(_ context.Context, in json.RawMessage) (json.RawMessage, error) { return in, nil }

func TestPayloadsAreCopiedBothWays(t *testing.T) {
	var seen json.RawMessage
	l := one(t, func(_ context.Context, in json.RawMessage) (json.RawMessage, error) { seen = in; return in, nil }, Options{})
	payload := []byte(`"abc"`)
	out, err := l.Invoke(t.Context(), "f", payload)
	if err != nil || string(out) != `"abc"` {
		t.Fatalf("got %s, %v", out, err)
	}
	payload[1], out[2] = 'X', 'Y'
	if string(seen) != `"abc"` {
		t.Errorf("the function shares bytes with its caller: %s", seen)
	}
}

func TestErrorsHaveTheNamesThatTheRuntimeGives(t *testing.T) {
	f := fault.New(fault.Invalid, "op", "bad")
	discard := handler.NewLog(io.Discard, nil)
	fail := func(err error) handler.Function {
		return func(context.Context, json.RawMessage) (json.RawMessage, error) { return nil, err }
	}
	for _, c := range []struct {
		name string
		fn   handler.Function
		want string
	}{
		{"a fault that was wrapped by the edge", handler.Wrap("f", fail(f), discard, 0), "Invalid"},
		{"a wrapped fault without the edge", fail(fmt.Errorf("x: %w", f)), "wrapError"},
		{"a fault without the edge", fail(f), "Error"},
		{"a plain error without the edge", fail(errors.New("x")), "errorString"},
		{"a panic without the edge", func(context.Context, json.RawMessage) (json.RawMessage, error) { panic(f) }, "Error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := one(t, c.fn, Options{}).Invoke(t.Context(), "f", []byte(`{}`))
			var fe *FunctionError
			if !errors.As(err, &fe) || fe.Name != c.want {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			var cause struct{ ErrorType, ErrorMessage string }
			if json.Unmarshal([]byte(fe.Cause), &cause) != nil || cause.ErrorType != c.want || cause.ErrorMessage == "" {
				t.Errorf("cause %s", fe.Cause)
			}
		})
	}
}

func TestLimitsOfTheService(t *testing.T) {
	l := one(t, func(_ context.Context, in json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(`"` + strings.Repeat("x", MaxPayloadBytes) + `"`), nil
	}, Options{})
	big := []byte(`"` + strings.Repeat("x", MaxPayloadBytes-1) + `"`)
	for _, c := range []struct {
		name, function string
		payload        []byte
		want           string
	}{
		{"a request over 6 MB", "f", big, ErrorTooLarge},
		{"an answer over 6 MB", "f", []byte(`1`), ErrorAnswerLarge},
		{"no such function", "g", []byte(`1`), ErrorNotFound},
		{"a request that is not JSON", "f", []byte(`{`), "Lambda.InvalidRequestContentException"},
	} {
		if _, err := l.Invoke(t.Context(), c.function, c.payload); nameOf(err) != c.want {
			t.Errorf("%s: got %.200v", c.name, err)
		}
	}
	if out, err := one(t, echo, Options{}).Invoke(t.Context(), "f", bytes.Replace(big, []byte("x"), nil, 1)); err != nil || len(out) != MaxPayloadBytes {
		t.Errorf("exactly 6 MB: %d bytes, %v", len(out), err)
	}
}

func TestAFunctionThatHeedsItsContextTimesOutAtItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := one(t, func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, Options{})
		start := time.Now()
		_, err := l.Invoke(t.Context(), "f", []byte(`1`))
		if nameOf(err) != ErrorTimedOut || !strings.Contains(err.Error(), "Task timed out after 30.00 seconds") || strings.Contains(err.Error(), "still running") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func TestAStragglerIsReportedAndALaterInvocationMayOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var inside atomic.Int32
		l := one(t, func(ctx context.Context, in json.RawMessage) (json.RawMessage, error) {
			inside.Add(1)
			defer inside.Add(-1)
			if string(in) == `"hang"` {
				<-release
			}
			return json.RawMessage(fmt.Sprint(inside.Load())), nil
		}, Options{Concurrency: map[string]int{"f": 1}, Grace: 2 * time.Second, TimeoutName: "Lambda.Unknown"})
		start := time.Now()
		_, err := l.Invoke(t.Context(), "f", []byte(`"hang"`))
		if nameOf(err) != "Lambda.Unknown" || !strings.Contains(err.Error(), "still running") || time.Since(start) != 32*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		if n := l.Stragglers("f"); n != 1 {
			t.Errorf("%d stragglers", n)
		}
		out, err := l.Invoke(t.Context(), "f", []byte(`"next"`))
		if err != nil || string(out) != "2" {
			t.Errorf("the next one does not overlap: %s, %v", out, err)
		}
		close(release)
		synctest.Wait()
		if n := l.Stragglers("f"); n != 0 {
			t.Errorf("%d stragglers after the end", n)
		}
	})
}

func TestACallerThatGivesUpStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finished := false
		l := one(t, func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
			select {
			case <-time.After(20 * time.Second):
				finished = true
			case <-ctx.Done():
			}
			return json.RawMessage(`1`), nil
		}, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Invoke(ctx, "f", []byte(`1`)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if !finished {
			t.Error("the function was stopped with its caller")
		}
	})
}

func TestBeyondTheConcurrencyLimitOneWaitsOrIsThrottled(t *testing.T) {
	for _, throttle := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var inside, most atomic.Int32
			l := one(t, func(context.Context, json.RawMessage) (json.RawMessage, error) {
				n := inside.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Second)
				inside.Add(-1)
				return json.RawMessage(`1`), nil
			}, Options{Concurrency: map[string]int{"f": 2}, Throttle: throttle})
			errs := make(chan error, 5)
			for range 5 {
				go func() { _, err := l.Invoke(t.Context(), "f", []byte(`1`)); errs <- err }()
			}
			refused := 0
			for range 5 {
				if err := <-errs; err != nil {
					refused++
					if nameOf(err) != ErrorThrottled {
						t.Errorf("got %v", err)
					}
				}
			}
			want := 0
			if throttle {
				want = 3
			}
			if refused != want || most.Load() != 2 {
				t.Errorf("throttle %v: %d refused, %d at once", throttle, refused, most.Load())
			}
		})
	}
}

func TestAnInterceptorCrashesBeforeAndAfter(t *testing.T) {
	ran := 0
	var action Action
	l := one(t, func(context.Context, json.RawMessage) (json.RawMessage, error) {
		ran++
		return json.RawMessage(`1`), nil
	},
		Options{Intercept: func(function string, payload []byte) Action {
			if function != "f" || string(payload) != `7` {
				t.Errorf("asked about %s %s", function, payload)
			}
			return action
		}})
	for _, c := range []struct {
		action Action
		want   string
		runs   int
	}{{CrashBefore, ErrorExited, 0}, {Throttle, ErrorThrottled, 0}, {CrashAfter, ErrorExited, 1}} {
		ran, action = 0, c.action
		if _, err := l.Invoke(t.Context(), "f", []byte(`7`)); nameOf(err) != c.want || ran != c.runs {
			t.Errorf("action %v: got %v after %d runs", c.action, err, ran)
		}
	}
	action = Proceed
	if _, err := l.Invoke(t.Context(), "f", []byte(`7`)); err != nil {
		t.Error(err)
	}
}

func TestCloseCancelsWaitsAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocal(map[string]handler.Function{"f": func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			return nil, ctx.Err()
		}}, map[string]time.Duration{"f": time.Minute}, Options{})
		got := make(chan error)
		go func() { _, err := l.Invoke(context.Background(), "f", []byte(`1`)); got <- err }()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- l.Close(context.Background()) }()
		if err := <-got; !errors.Is(err, ErrClosed) {
			t.Errorf("the caller got %v", err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if _, err := l.Invoke(context.Background(), "f", []byte(`1`)); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestAFunctionSeesItsRequestIDAndDeadline(t *testing.T) {
	l := one(t, func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		lc, ok := lambdacontext.FromContext(ctx)
		_, deadline := ctx.Deadline()
		return json.Marshal(ok && deadline && len(lc.AwsRequestID) == 36)
	}, Options{Log: slog.New(slog.DiscardHandler)})
	if out, err := l.Invoke(t.Context(), "f", []byte(`1`)); err != nil || string(out) != "true" {
		t.Errorf("got %s, %v", out, err)
	}
}

func TestTimeoutsComeFromTheTemplate(t *testing.T) {
	tpl, err := template.Load("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLocal(tpl, map[string]handler.Function{"park": echo}, Options{})
	if err != nil || l.functions["park"].timeout != 30*time.Second {
		t.Errorf("got %v", err)
	}
	if _, err := NewLocal(tpl, map[string]handler.Function{"nobody": echo}, Options{}); err == nil {
		t.Error("a function that is not deployed was accepted")
	}
}
