package oss

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/transfer/crc64x"
	"github.com/vodlift/vodlift/shared/transport"
)

// Body is what is sent: exactly Size bytes from a reader that is opened once, just before the request, and closed once.
type Body struct {
	Size int64
	Open func(context.Context) (io.ReadCloser, error)
}

var (
	errLong   = errors.New("the body has more bytes than it says")
	errClosed = errors.New("the body is closed")
)

// stream gives exactly size bytes of src. The last of them are withheld until src has ended well, so that a body that is
// too long, or fails at its end, never makes a whole request. src is closed once: at the end of a running Read if there
// is one, else at once.
type stream struct {
	size int64
	src  io.ReadCloser
	free func() // makes a running Read of src return

	mu      sync.Mutex
	at      int64
	sum     uint64
	err     error // src's first failure
	done    bool
	reading bool
	closing bool
	closed  bool
}

// open opens b. The context that src gets ends with the stream.
func open(ctx context.Context, op string, b Body) (*stream, error) {
	if b.Size < 1 || b.Size > MaxPart {
		return nil, fault.InvalidField(op, "body", fmt.Sprintf("1 to %d bytes", int64(MaxPart)), fmt.Sprintf("it has %d", b.Size))
	}
	inner, free := context.WithCancel(ctx)
	src, err := b.Open(inner)
	if err != nil {
		free()
		return nil, bodyFault(ctx, op, err)
	}
	return &stream{size: b.Size, src: src, free: free}, nil
}

// Read implements io.Reader for net/http, from one goroutine at a time.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	switch {
	case s.closing:
		s.mu.Unlock()
		return 0, errClosed
	case s.err != nil || s.done:
		defer s.mu.Unlock()
		if s.err != nil {
			return 0, s.err
		}
		return 0, io.EOF
	case len(p) == 0:
		s.mu.Unlock()
		return 0, nil
	}
	s.reading = true
	left := s.size - s.at
	s.mu.Unlock()

	n, err := s.src.Read(p[:min(int64(len(p)), left)])
	if int64(n) == left {
		err = s.ended(err)
	}
	return s.book(p, n, err)
}

// ended reads on to the end of src: there must be nothing before it.
func (s *stream) ended(err error) error {
	var probe [1]byte
	for err == nil {
		var n int
		if n, err = s.src.Read(probe[:]); n > 0 {
			return errLong
		}
	}
	return err
}

func (s *stream) book(p []byte, n int, err error) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = false
	if s.closing {
		s.closeSrc()
	}
	last := s.at+int64(n) == s.size
	switch {
	case last && err == io.EOF:
		s.done = true
	case s.closing && err != nil:
		return 0, errClosed // the client gave up first; what src says now is only the echo
	case err == io.EOF:
		s.err = io.ErrUnexpectedEOF
	case err != nil:
		s.err = err
	}
	if s.err != nil {
		return 0, s.err
	}
	s.at += int64(n)
	s.sum = crc64x.Update(s.sum, p[:n])
	return n, nil
}

// Close implements io.Closer; net/http, the watchdog and finish may all call it, from any goroutine.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	if s.reading {
		s.free()
		return nil
	}
	s.closeSrc()
	return nil
}

func (s *stream) closeSrc() {
	if !s.closed {
		s.closed = true
		_ = s.src.Close() // of a reader: there is nothing that it could lose
		s.free()
	}
}

// finish closes the stream and tells what was sent: the sum, whether all of it was, and src's own failure.
func (s *stream) finish() (sum uint64, whole bool, err error) {
	_ = s.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum, s.done, s.err
}

// bodyFault classifies a reader that could not be opened or read, or lied about its length. Since the body was never
// finished, nothing was stored.
func bodyFault(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return &fault.Error{Kind: fault.Unknown, Op: op, Actor: fault.ActorUs, Err: transport.ContextError(ctx)}
	}
	if fault.As(err) != nil {
		return fault.Wrap(op, fmt.Errorf("reading the body: %w", err))
	}
	if errors.Is(err, errLong) {
		return fault.InvalidField(op, "body", "as long as it says", err.Error())
	}
	return fault.Newf(fault.Retryable, op, "reading the body: %w", err)
}
