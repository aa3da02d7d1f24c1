package transport

import (
	"errors"
	"fmt"
	"io"
)

// What New's client refuses or cuts by itself; found with errors.Is.
var (
	// ErrHost: the URL's scheme, host or address is not allowed. Nothing was written.
	ErrHost = errors.New("this host is not allowed")
	// ErrStalled: no byte moved for Options.Stall.
	ErrStalled = errors.New("the transfer stalled")
	// ErrTooLarge: the answer is longer than Options.MaxResponse.
	ErrTooLarge = errors.New("the answer is too large")
	// ErrReplayHeader: the request has a header that makes net/http replay it. Nothing was written.
	ErrReplayHeader = errors.New("an idempotency header would allow an automatic replay")
)

// Error is how a request failed on the way. Adapters below this package in the layout know it by its methods only:
//
//	var w interface{ NothingWritten() bool }
//	safe := errors.As(err, &w) && w.NothingWritten()
type Error struct {
	Err     error
	written bool
}

func (e *Error) Error() string {
	if e.written {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v (nothing was sent)", e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// NothingWritten is true only if it is certain that no byte of the request left this machine.
func (e *Error) NothingWritten() bool { return !e.written }

// Stalled tells whether the watchdog cut it.
func (e *Error) Stalled() bool { return errors.Is(e.Err, ErrStalled) }

// Refused tells whether the rules of this package refused it: repeating it changes nothing.
func (e *Error) Refused() bool { return errors.Is(e.Err, ErrHost) || errors.Is(e.Err, ErrReplayHeader) }

// NothingWritten says the same of any error, for those who may import this package; false when nothing is known.
func NothingWritten(err error) bool {
	var w interface{ NothingWritten() bool }
	return errors.As(err, &w) && w.NothingWritten()
}

func refuse(err error) error { return &Error{Err: err} }

// ReadAll reads an answer that may have at most max bytes, and closes it. One byte more is ErrTooLarge.
func ReadAll(body io.ReadCloser, max int64) ([]byte, error) {
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > max {
		return nil, ErrTooLarge
	}
	return b, nil
}
