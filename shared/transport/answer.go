package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What follows is how every adapter reads a request that failed, written once: whether a post may exist hangs on it
// (design 4.1).

// NeverSent: the client can prove that no byte of the request left, or there was never a connection. It holds for clients
// of this package and for others.
func NeverSent(err error) bool {
	var w interface{ NothingWritten() bool }
	if errors.As(err, &w) {
		return w.NothingWritten()
	}
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// Forbidden: our own client does not call this address; a repeat changes nothing.
func Forbidden(err error) bool {
	var r interface{ Refused() bool }
	return errors.As(err, &r) && r.Refused()
}

// ContextError is the error of a context that has ended, with its cause.
func ContextError(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ctx.Err()) {
		return cause
	}
	return fmt.Errorf("%w: %w", ctx.Err(), cause)
}

// RetryAfter reads the header in both forms; nonsense is 0, and more than a day is a day.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	var d time.Duration
	if n, err := strconv.ParseInt(v, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), 24*time.Hour)
}
