package stack_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/lambda"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// once checks that one video came to one post, and that everything is tidy.
func (w *world) once(body []byte) {
	w.t.Helper()
	for _, wrong := range w.judge(body, false, variant{}) {
		w.t.Error(wrong)
	}
	if w.t.Failed() {
		w.t.Log(w.timeline(w.upload(filmKey).ID))
	}
}

// twins starts every execution twice.
type twins struct{ workflow.Starter }

func (s twins) Start(ctx context.Context, name string, in []byte) error {
	return errors.Join(s.Starter.Start(ctx, name, in), s.Starter.Start(ctx, name+"-twin", in))
}

func TestTwoExecutionsOfOneGenerationMakeOnePost(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]worldOptions{
		"mem":    {Mem: memtarget.Options{Inspector: true, Denies: true}},
		"blind":  {},
		"douyin": {Douyin: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, o)
				defer w.close()
				w.m.Workflow.Starter = twins{w.m.Workflow.Starter}
				body := film(7, 24*kib)
				w.drop(filmKey, body)
				if !w.drive(6*time.Hour, func() bool { return w.settled() && len(w.tidy()) == 0 }) {
					t.Error("it does not end")
				}
				w.once(body)
			})
		})
	}
}

// TestEveryFunctionInvokedTwiceMakesOnePost: asynchronous and retried invocations may come twice, at once or later.
func TestEveryFunctionInvokedTwiceMakesOnePost(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{0, time.Millisecond, 20 * time.Second, 10 * time.Minute} {
		for name, o := range map[string]worldOptions{"mem": {Mem: memtarget.Options{Inspector: true, Denies: true}}, "douyin": {Douyin: true}} {
			t.Run(name+" "+late.String()+" later", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var w *world
					var twin sync.WaitGroup
					o.Lambda = lambda.Options{Intercept: func(fn string, payload []byte) lambda.Action {
						if fn == "reconcile" {
							return lambda.Proceed // the sweep is driven by the test itself
						}
						payload = append([]byte(nil), payload...)
						twin.Go(func() {
							time.Sleep(late)
							ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
							defer cancel()
							_, _ = w.m.App.Functions[fn](ctx, payload) // its answer goes nowhere
						})
						return lambda.Proceed
					}}
					w = newWorld(t, o)
					defer w.close()
					body := film(7, 24*kib)
					w.drop(filmKey, body)
					if !w.drive(6*time.Hour, w.settled) {
						t.Error("it does not end")
					}
					twin.Wait()
					w.drive(3*time.Hour, func() bool { return w.settled() && len(w.tidy()) == 0 })
					w.once(body)
				})
			})
		}
	}
}

// TestAZombieFunctionMakesNoSecondPost: a function that is over its time is reported dead and runs on, while the
// machine and the next generation go their way.
func TestAZombieFunctionMakesNoSecondPost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op   memtarget.Op
		when memtarget.When
		stay time.Duration // far over the function's time-out, or, for a publish, within what settle_at allows for
	}{
		{memtarget.Init, memtarget.Before, 10 * time.Minute},
		{memtarget.Init, memtarget.After, 10 * time.Minute},
		{memtarget.UploadPart, memtarget.Before, 20 * time.Minute},
		{memtarget.UploadPart, memtarget.After, 20 * time.Minute},
		{memtarget.Complete, memtarget.Before, 10 * time.Minute},
		{memtarget.Complete, memtarget.After, 10 * time.Minute},
		{memtarget.Publish, memtarget.Before, 90 * time.Second},
		{memtarget.Publish, memtarget.After, 10 * time.Minute},
	} {
		t.Run(strings.Join([]string{string(c.op), [...]string{"before", "after"}[c.when]}, " "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{Mem: memtarget.Options{Inspector: true, Denies: true}})
				defer w.close()
				var first atomic.Bool // no lock: who waits for one keeps the bubble's clock from moving
				var zombie sync.WaitGroup
				w.mem.Hook(func(ctx context.Context, call memtarget.Call) error {
					if call.Op == c.op && call.When == c.when && first.CompareAndSwap(false, true) {
						zombie.Add(1)
						defer zombie.Done()
						time.Sleep(c.stay) // deaf to its context
					}
					return nil
				})
				body := film(7, 24*kib)
				w.drop(filmKey, body)
				ended := w.drive(6*time.Hour, w.settled)
				zombie.Wait()
				synctest.Wait()
				if !ended || !w.drive(6*time.Hour, func() bool { return w.settled() && len(w.tidy()) == 0 }) {
					t.Error("it does not end")
				}
				w.once(body)
				if u := w.upload(filmKey); u.Status != upload.Published {
					t.Errorf("got %s", u.String())
				}
			})
		})
	}
}
