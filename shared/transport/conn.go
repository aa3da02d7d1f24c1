package transport

import (
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// countingConn counts the bytes that were given to the socket, TLS records included.
type countingConn struct {
	net.Conn
	wrote atomic.Int64
}

func (c *countingConn) Write(b []byte) (int, error) {
	// Counted before: a write that fails may have sent some of it.
	c.wrote.Add(int64(len(b)))
	return c.Conn.Write(b)
}

// counterOf finds the counting connection under TLS.
func counterOf(c net.Conn) *countingConn {
	for {
		switch v := c.(type) {
		case *countingConn:
			return v
		case interface{ NetConn() net.Conn }:
			c = v.NetConn()
		default:
			return nil
		}
	}
}

// tracked sends r and marks a failure with whether any byte of the request was written. With HTTP/1.1 a connection
// serves one request at a time, so what it wrote since this request got it belongs to this request. A connection that
// says good-bye (a TLS alert) counts as written: the cautious side.
func tracked(t *http.Transport, r *http.Request) (*http.Response, error) {
	var mu sync.Mutex
	var wrote bool // over a connection that net/http has since given up
	var conn *countingConn
	var from int64
	settle := func() {
		if conn != nil && conn.wrote.Load() != from {
			wrote = true
		}
	}
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		mu.Lock()
		defer mu.Unlock()
		settle()
		if conn = counterOf(i.Conn); conn == nil {
			wrote = true // not ours: nothing can be proven
			return
		}
		from = conn.wrote.Load()
	}}
	resp, err := t.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err == nil {
		return resp, nil
	}
	mu.Lock()
	defer mu.Unlock()
	settle()
	return nil, &Error{Err: err, written: wrote}
}
