package retry

import (
	"context"
	"io"
	"sync"

	"github.com/vodlift/vodlift/shared/source"
)

// Source gives a source.Source that repeats Stat, and Open until the first byte has come. Later failures are the
// caller's: only it knows what became of the bytes it already passed on.
func Source(s source.Source, p Policy) source.Source { return &again{src: s, policy: p} }

type again struct {
	src    source.Source
	policy Policy
}

var _ source.Source = (*again)(nil)

// Stat repeats while the fault is Retryable and the policy allows.
func (a *again) Stat(ctx context.Context, o source.Object) (source.Info, error) {
	return Value(ctx, a.policy, func(ctx context.Context) (source.Info, error) { return a.src.Stat(ctx, o) })
}

// Open repeats likewise; a body that fails Retryable before its first byte is opened anew inside Read, under the
// context that Open got, and counts as one more attempt.
func (a *again) Open(ctx context.Context, o source.Object, offset, size int64) (io.ReadCloser, error) {
	b := &body{ctx: ctx, policy: a.policy}
	b.open = func(ctx context.Context) (io.ReadCloser, error) {
		b.attempts++
		return a.src.Open(ctx, o, offset, size)
	}
	r, err := Value(ctx, a.policy, b.open)
	if err != nil {
		return nil, err
	}
	b.r = r
	return b, nil
}

type body struct {
	ctx      context.Context
	policy   Policy
	open     func(context.Context) (io.ReadCloser, error)
	attempts int  // opens so far; only the reading goroutine
	started  bool // a byte has come; only the reading goroutine

	mu     sync.Mutex // Close may come while Read opens anew
	r      io.ReadCloser
	closed bool
}

func (b *body) current() io.ReadCloser {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.r
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.current().Read(p)
	for n == 0 && err != nil && !b.started {
		d, ok := b.policy.Again(b.ctx, b.attempts, err)
		if !ok || b.policy.Pause(b.ctx, d) != nil {
			return 0, err
		}
		if err = b.reopen(); err == nil {
			n, err = b.current().Read(p)
		}
	}
	b.started = b.started || n > 0
	return n, err
}

// reopen puts a new body in the place of the old one, which it closes; after Close it opens nothing.
func (b *body) reopen() error {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return io.ErrClosedPipe
	}
	r, err := b.open(b.ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		_ = r.Close()
		return io.ErrClosedPipe
	}
	_ = b.r.Close()
	b.r = r
	return nil
}

// Close closes the body that is open now; closing twice is harmless.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	return b.r.Close()
}
