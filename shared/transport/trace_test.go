package transport

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
)

// traceReuse notes whether the request went over a kept connection.
func traceReuse(ctx context.Context, reused *atomic.Bool) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused.Store(i.Reused) }})
}
