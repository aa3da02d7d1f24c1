package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// watchdog cuts a request whose bytes stand still. While the request body is sent, every read of it is progress (the
// network reads on only when it has written); while the answer is read, every read that brings bytes is. Time in which
// the caller does not read the answer does not count.
type watchdog struct {
	next             http.RoundTripper
	stall, firstByte time.Duration
	max              int64
}

// CloseIdleConnections passes it on.
func (w *watchdog) CloseIdleConnections() { closeIdle(w.next) }

func (w *watchdog) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	s := &stall{limit: w.stall, cut: func() { cancel(ErrStalled) }}
	r = r.WithContext(ctx)
	free := func() bool { return true }
	if r.Body != nil && r.Body != http.NoBody {
		body := &watchedRequest{ReadCloser: r.Body, s: s, after: w.firstByte}
		r.Body = body
		// net/http does not return before a running Read of the body has: a source that stands still would hold the
		// request for ever. Closing is what makes a reader over a network let go.
		free = context.AfterFunc(ctx, func() { body.Close() })
	}
	resp, err := w.next.RoundTrip(r)
	s.rest()
	free()
	if err != nil {
		err = named(ctx, err)
		cancel(nil)
		return nil, err
	}
	resp.Body = &watchedResponse{body: resp.Body, s: s, ctx: ctx, cancel: cancel, left: w.max, limited: w.max > 0}
	return resp, nil
}

// named puts ErrStalled in the place of the cancellation that the watchdog caused, and marks every failure.
func named(ctx context.Context, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Err: err, written: true}
	}
	if context.Cause(ctx) == ErrStalled {
		return &Error{Err: ErrStalled, written: e.written}
	}
	return e
}

// stall is a timer that is wound up at progress and stopped at rest.
type stall struct {
	limit time.Duration
	cut   func()

	mu   sync.Mutex
	t    *time.Timer
	over bool
}

func (s *stall) wind(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	if s.t == nil {
		s.t = time.AfterFunc(d, s.cut)
		return
	}
	s.t.Reset(d)
}

// rest ends the watch over the request; the answer's body winds a timer of its own.
func (s *stall) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.t != nil {
		s.t.Stop()
	}
}

type watchedRequest struct {
	io.ReadCloser
	s     *stall
	after time.Duration

	once sync.Once
	err  error
}

// Close closes once, whoever comes first: net/http or the watchdog.
func (b *watchedRequest) Close() error {
	b.once.Do(func() { b.err = b.ReadCloser.Close() })
	return b.err
}

func (b *watchedRequest) Read(p []byte) (int, error) {
	b.s.wind(b.s.limit)
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == io.EOF: // what is still in buffers has to leave, then the first byte may take its time
		b.s.wind(b.s.limit + b.after)
	case n > 0:
		b.s.wind(b.s.limit)
	}
	return n, err
}

type watchedResponse struct {
	body    io.ReadCloser
	s       *stall
	ctx     context.Context
	cancel  context.CancelCauseFunc
	left    int64
	limited bool
}

func (b *watchedResponse) Read(p []byte) (int, error) {
	if b.limited {
		if b.left < 0 {
			return 0, &Error{Err: ErrTooLarge, written: true}
		}
		p = p[:min(int64(len(p)), b.left+1)]
	}
	t := time.AfterFunc(b.s.limit, b.s.cut)
	n, err := b.body.Read(p)
	t.Stop()
	if b.limited {
		if b.left -= int64(n); b.left < 0 {
			return n - 1, &Error{Err: ErrTooLarge, written: true}
		}
	}
	if err != nil && err != io.EOF {
		err = named(b.ctx, err)
	}
	return n, err
}

func (b *watchedResponse) Close() error {
	err := b.body.Close()
	b.cancel(nil)
	return err
}
