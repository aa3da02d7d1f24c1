package transfer

import (
	"context"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/upload"
)

// save hands receipts to Flush until the workers are done. It alone calls Flush, so calls never overlap; while it does,
// workers with a receipt wait, which bounds what a crash can lose.
func (c *carrier) save(job context.Context) {
	ctx, done := outlive(job, c.FlushGrace)
	defer done()
	timer := time.NewTimer(c.FlushEvery)
	timer.Stop()
	defer timer.Stop()

	var pending []upload.Receipt
	failed := false
	flush := func(n int) {
		if err := c.Flush(ctx, slices.Clone(pending[:n])); err != nil {
			failed = true
			c.flushFailed(err)
			return
		}
		for _, r := range pending[:n] {
			c.result.Received++
			c.result.Bytes += r.Size
		}
		pending = slices.Delete(pending, 0, n)
	}
	for {
		select {
		case r, more := <-c.receipts:
			if !more {
				// The last try also takes what an earlier failure left behind; a second failure ends it.
				for failed = false; len(pending) > 0 && !failed; {
					flush(min(len(pending), c.FlushCount))
				}
				return
			}
			if pending = append(pending, r); len(pending) == 1 {
				timer.Reset(c.FlushEvery)
			}
			if len(pending) >= c.FlushCount && !failed {
				timer.Stop()
				flush(c.FlushCount)
			}
		case <-timer.C:
			if len(pending) > 0 && !failed {
				flush(min(len(pending), c.FlushCount))
			}
		}
	}
}

// flushFailed stops the job. A failure that may pass lets the parts in flight finish, as their receipts may yet be
// saved at the end; any other (the lease is another's, the session was superseded) makes them worthless.
func (c *carrier) flushFailed(err error) {
	c.stop(err)
	if k := fault.KindOf(err); k != fault.Retryable && k != fault.Unknown {
		c.cut(err)
	}
}

// outlive gives a context that ends grace after parent does, and keeps its values. done frees it.
func outlive(parent context.Context, grace time.Duration) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-t.C:
			cancel(context.Cause(parent))
		case <-ctx.Done():
		}
	})
	return ctx, func() { stop(); cancel(nil) }
}
