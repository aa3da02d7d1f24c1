// Package retry says whether a failed call may be made again, and how long to wait before: two separate questions
// (house-style 1.6). It exists so that no adapter has a retry loop of its own.
//
// It branches on the kind of a fault and on nothing else. It must not know platform codes, and it never repeats what
// has an unknown outcome: only a Retryable fault means that nothing happened, or that a repeat is harmless.
package retry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// Backoff is how long to wait. The zero value means 200 ms doubling to 10 s.
type Backoff struct {
	Base time.Duration // upper bound of the first wait; default 200 ms
	Cap  time.Duration // upper bound of every wait that the platform did not ask for; default 10 s
}

// Delay is a pure function of the attempt that failed (from 1), its error and a random number in [0, 1): full jitter,
// between nothing and Base doubled for every attempt, at most Cap. A delay that the platform asked for wins over the
// formula and over Cap; up to a tenth, at most Base, is added to it, so that those who were sent away together do not
// come back together, and none comes back early.
func (b Backoff) Delay(attempt int, err error, random float64) time.Duration {
	b = b.withDefaults()
	random = min(max(random, 0), 1)
	if f := fault.As(err); f != nil && f.After > 0 {
		return f.After + time.Duration(random*float64(min(f.After/10, b.Base)))
	}
	top := b.Base
	for i := 1; i < attempt && top < b.Cap; i++ {
		top *= 2
	}
	return time.Duration(random * float64(min(top, b.Cap)))
}

func (b Backoff) withDefaults() Backoff {
	if b.Base <= 0 {
		b.Base = 200 * time.Millisecond
	}
	if b.Cap <= 0 {
		b.Cap = 10 * time.Second
	}
	b.Base = min(b.Base, b.Cap)
	return b
}

// Policy is whether to try again. The zero value allows four attempts with the default Backoff and no single wait over
// 30 s. A Policy is a value; it may be shared by goroutines if its functions may.
type Policy struct {
	Attempts int           // how often at most, the first included; default 4; 1 = never again
	MaxWait  time.Duration // a longer wait is not begun: the fault goes back to the caller, After kept; default 30 s
	Backoff  Backoff
	Now      func() time.Time                                 // default time.Now; only compared with the context's deadline
	Random   func() float64                                   // in [0, 1); default math/rand/v2
	Sleep    func(ctx context.Context, d time.Duration) error // default a timer that ends with ctx
}

func (p Policy) withDefaults() Policy {
	if p.Attempts <= 0 {
		p.Attempts = 4
	}
	if p.MaxWait <= 0 {
		p.MaxWait = 30 * time.Second
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Random == nil {
		p.Random = rand.Float64
	}
	if p.Sleep == nil {
		p.Sleep = Sleep
	}
	return p
}

// Again tells whether the call that failed as attempt number attempt (from 1) may be made again, and after how long.
// It never says yes to an error that is not Retryable, when the attempts are used up, when the wait is over MaxWait, or
// when ctx is done or would be before the wait is over.
func (p Policy) Again(ctx context.Context, attempt int, err error) (time.Duration, bool) {
	p = p.withDefaults()
	if err == nil || fault.KindOf(err) != fault.Retryable || attempt >= p.Attempts || ctx.Err() != nil {
		return 0, false
	}
	d := p.Backoff.Delay(attempt, err, p.Random())
	if d > p.MaxWait {
		return d, false
	}
	if end, ok := ctx.Deadline(); ok && p.Now().Add(d).After(end) {
		return d, false
	}
	return d, true
}

// Pause waits d as the policy sleeps; it ends early with the context's error.
func (p Policy) Pause(ctx context.Context, d time.Duration) error {
	return p.withDefaults().Sleep(ctx, d)
}

// Sleep waits d or until ctx is done, whose error it gives then.
func Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// NotBegun is the fault of work that was not begun because ctx is done, or nil while it is not: Retryable, without
// effect, with the context's error in its chain. Cancelled work never changes remote data.
func NotBegun(ctx context.Context, op string) error {
	if ctx.Err() == nil {
		return nil
	}
	return &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: fmt.Errorf("not begun: %w", ctx.Err())}
}

// Do calls fn until it succeeds or the policy says no, and gives fn's last error. fn is never called under a context
// that is done; if that happens during a wait, the context's error is in the chain as well, and the kind stays fn's.
func Do(ctx context.Context, p Policy, fn func(context.Context) error) error {
	_, err := Value(ctx, p, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	return err
}

// Value is Do for a call that gives something.
func Value[T any](ctx context.Context, p Policy, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if err := NotBegun(ctx, "retry.Do"); err != nil {
		return zero, err
	}
	for attempt := 1; ; attempt++ {
		v, err := fn(ctx)
		if err == nil {
			return v, nil
		}
		d, again := p.Again(ctx, attempt, err)
		if !again {
			return v, err
		}
		if stop := p.Pause(ctx, d); stop != nil {
			return v, fmt.Errorf("%w; gave up waiting: %w", err, stop)
		}
	}
}
