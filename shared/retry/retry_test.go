package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/retry"
)

func most() float64 { return 1 }

func TestDelayIsFullJitterDoublingToTheCap(t *testing.T) {
	b := retry.Backoff{Base: 100 * time.Millisecond, Cap: time.Second}
	after := func(d time.Duration) error { return &fault.Error{Kind: fault.Retryable, After: d} }
	for name, c := range map[string]struct {
		attempt int
		err     error
		random  float64
		want    time.Duration
	}{
		"the first wait is at most Base":          {1, io.EOF, 1, 100 * time.Millisecond},
		"it may be nothing":                       {1, io.EOF, 0, 0},
		"half way":                                {1, io.EOF, 0.5, 50 * time.Millisecond},
		"doubles":                                 {3, io.EOF, 1, 400 * time.Millisecond},
		"up to the cap":                           {5, io.EOF, 1, time.Second},
		"far beyond the cap nothing overflows":    {1 << 30, io.EOF, 1, time.Second},
		"attempt 0 counts as the first":           {0, io.EOF, 1, 100 * time.Millisecond},
		"a random number out of range is bounded": {1, io.EOF, 7, 100 * time.Millisecond},
		"the platform's delay wins over the cap":  {1, after(time.Minute), 0, time.Minute},
		"and only grows, by at most Base":         {1, after(time.Minute), 1, time.Minute + 100*time.Millisecond},
		"or by at most a tenth":                   {9, after(500 * time.Millisecond), 1, 550 * time.Millisecond},
		"through a wrapping error":                {1, fmt.Errorf("x: %w", after(time.Minute)), 0, time.Minute},
	} {
		if got := b.Delay(c.attempt, c.err, c.random); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestOnlyRetryableIsRepeated(t *testing.T) {
	for _, k := range fault.Kinds() {
		calls := 0
		synctest.Test(t, func(t *testing.T) {
			err := retry.Do(t.Context(), retry.Policy{}, func(context.Context) error { calls++; return fault.New(k, "x", "no") })
			if fault.KindOf(err) != k {
				t.Errorf("%v: got kind %v", k, fault.KindOf(err))
			}
		})
		want := 1
		if k == fault.Retryable {
			want = 4
		}
		if calls != want {
			t.Errorf("%v: got %d calls, want %d", k, calls, want)
		}
	}
	calls := 0
	err := retry.Do(t.Context(), retry.Policy{}, func(context.Context) error { calls++; return io.EOF })
	if calls != 1 || !errors.Is(err, io.EOF) {
		t.Errorf("unclassified: got %d calls and %v", calls, err)
	}
}

func TestDoWaitsAsLongAsThePlatformAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, calls := time.Now(), 0
		v, err := retry.Value(t.Context(), retry.Policy{Random: func() float64 { return 0 }}, func(context.Context) (int, error) {
			if calls++; calls < 3 {
				return 0, &fault.Error{Kind: fault.Retryable, After: 7 * time.Second}
			}
			return 5, nil
		})
		if err != nil || v != 5 || time.Since(start) != 14*time.Second {
			t.Errorf("got %d, %v after %v, want 5 after 14s", v, err, time.Since(start))
		}
	})
}

func TestAWaitThatCannotEndInTimeIsNotBegun(t *testing.T) {
	slow := &fault.Error{Kind: fault.Retryable, After: 10 * time.Second}
	for name, c := range map[string]struct {
		policy retry.Policy
		limit  time.Duration
		calls  int
	}{
		"the deadline is nearer than the delay": {retry.Policy{}, 9 * time.Second, 1},
		"the deadline is just far enough":       {retry.Policy{Random: func() float64 { return 0 }}, 10*time.Second + 1, 2},
		"MaxWait is shorter than the delay":     {retry.Policy{MaxWait: 9 * time.Second}, time.Hour, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.limit)
			defer cancel()
			calls := 0
			err := retry.Do(ctx, c.policy, func(context.Context) error { calls++; return slow })
			if f := fault.As(err); f == nil || f.After != slow.After {
				t.Errorf("%s: the delay is lost: %v", name, err)
			}
			if calls != c.calls {
				t.Errorf("%s: got %d calls, want %d", name, calls, c.calls)
			}
		})
	}
}

func TestNothingBeginsUnderACancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := retry.Do(ctx, retry.Policy{}, func(context.Context) error { t.Error("it began"); return nil })
	if fault.KindOf(err) != fault.Retryable || fault.EffectOf(err) != fault.EffectNone || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCancellingEndsTheWaitAndKeepsTheFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start, calls := time.Now(), 0
		p := retry.Policy{Backoff: retry.Backoff{Base: time.Minute, Cap: time.Minute}, MaxWait: time.Hour, Random: most}
		err := retry.Do(ctx, p, func(context.Context) error { calls++; return fault.New(fault.Retryable, "x", "busy") })
		if calls != 1 || time.Since(start) != time.Second {
			t.Errorf("got %d calls in %v", calls, time.Since(start))
		}
		if fault.KindOf(err) != fault.Retryable || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
