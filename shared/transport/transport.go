// Package transport builds the HTTP clients of the program: one constructor, New, and the rules that every outgoing
// request keeps (design 4.10, house-style 3.6).
//
//   - https only, to hosts on an allow-list, to addresses that are checked after resolution and just before dialling;
//   - no redirects, no proxy from the environment, no cookies, HTTP/1.1 only (a part is one long body; and on HTTP/1.1
//     a connection serves one request at a time, which makes "was a byte written?" answerable);
//   - time-outs for connecting, TLS and the first byte, and a watchdog on bytes moved; never one limit for the whole;
//   - no replay: what the program repeats, it repeats knowingly;
//   - a log line per request with method, host, path, status, duration and the platform's log id; queries, headers and
//     bodies never.
//
// # Replay
//
// net/http repeats a request by itself when a kept-alive connection turns out to be dead (Transport.shouldRetryRequest):
// always if it can prove that nothing was written and the body can be had again (GetBody) or is empty; and after bytes
// were written if Request.isReplayable: the body is empty or has GetBody, and the method is GET, HEAD, OPTIONS or TRACE,
// or a header Idempotency-Key or X-Idempotency-Key is present. So for every other method New's client drops GetBody and
// refuses those two headers; then a request with a body is written at most once, and one without a body is only
// repeated when no byte of it left. Expect: 100-continue is not used.
//
// A request with Close set gets a connection of its own, so it cannot die of a connection that the platform had already
// closed. Adapters set it on the one call that must not end as unknown for so small a reason: Publish.
//
// The package knows no platform and no JSON.
package transport

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Options are what a client may and must do. The zero value reaches no host at all.
type Options struct {
	// Hosts is the allow-list: "open.douyin.com", "*.aliyuncs.com" (any depth below, never the name itself), each with
	// an optional ":port"; without one only 443 is allowed.
	Hosts []string

	// AllowLoopback also lets http and https reach loopback addresses, on any port. Only local/ may set it: no setting
	// of a function can. With Hosts empty it is the demo's transport, which refuses every host but loopback.
	AllowLoopback bool

	// Connect, TLS and FirstByte bound the three waits of a request; defaults 10 s, 10 s and 60 s. FirstByte counts
	// from the last byte of the request.
	Connect, TLS, FirstByte time.Duration

	// Stall cuts a request whose body, or whose answer's body, moved no byte for so long; default 30 s.
	Stall time.Duration

	// MaxResponse makes reading more than so many bytes of an answer an error (ErrTooLarge); 0 = no limit.
	MaxResponse int64

	// IdlePerHost is how many kept-alive connections to keep per host; default 8, the most parts in flight in a range.
	IdlePerHost int

	// Log gets a line per request; nil logs nothing.
	Log *slog.Logger

	// Now is the clock of the log's durations; nil is time.Now.
	Now func() time.Time

	// Resolver replaces the system's; nil is net.DefaultResolver.
	Resolver *net.Resolver

	// base replaces the network, for this package's own tests.
	base http.RoundTripper
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Connect, 10*time.Second)
	def(&o.TLS, 10*time.Second)
	def(&o.FirstByte, 60*time.Second)
	def(&o.Stall, 30*time.Second)
	if o.IdlePerHost <= 0 {
		o.IdlePerHost = 8
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// New makes a client. It is safe for concurrent use; CloseIdleConnections releases what it keeps. Every error of a
// request that it made itself, or that the network made, is an *Error inside net/http's *url.Error.
//
// Beware: the text of *url.Error holds the URL with its query. Unwrap it before it reaches a log or a message.
func New(o Options) *http.Client {
	o = o.withDefaults()
	var rt http.RoundTripper
	if o.base != nil {
		rt = o.base
	} else {
		rt = &closers{kept: network(o, false), fresh: network(o, true)}
	}
	rt = &watchdog{next: rt, stall: o.Stall, firstByte: o.FirstByte, max: o.MaxResponse}
	rt = &guard{next: rt, rules: newRules(o.Hosts, o.AllowLoopback)}
	if o.Log != nil {
		rt = &logger{next: rt, log: o.Log, now: o.Now}
	}
	return &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// network is the part that touches sockets.
func network(o Options, fresh bool) *http.Transport {
	d := &net.Dialer{Timeout: o.Connect, KeepAlive: 15 * time.Second, Resolver: o.Resolver, Control: control(o.AllowLoopback)}
	t := &http.Transport{
		Proxy: nil, // a proxy would be dialled instead of the address that was checked
		DialContext: func(ctx context.Context, netw, addr string) (net.Conn, error) {
			c, err := d.DialContext(ctx, netw, addr)
			if err != nil {
				return nil, err
			}
			return &countingConn{Conn: c}, nil
		},
		TLSHandshakeTimeout:    o.TLS,
		ResponseHeaderTimeout:  o.FirstByte,
		MaxIdleConns:           4 * o.IdlePerHost,
		MaxIdleConnsPerHost:    o.IdlePerHost,
		IdleConnTimeout:        30 * time.Second, // shorter than what servers and load balancers keep
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // limits and digests are about the bytes that were sent
		DisableKeepAlives:      fresh,
		WriteBufferSize:        64 << 10,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return t
}

// closers sends requests that have Close set over connections of their own.
type closers struct{ kept, fresh *http.Transport }

func (c *closers) RoundTrip(r *http.Request) (*http.Response, error) {
	t := c.kept
	if r.Close {
		t = c.fresh
	}
	return tracked(t, r)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach both.
func (c *closers) CloseIdleConnections() {
	c.kept.CloseIdleConnections()
	c.fresh.CloseIdleConnections()
}
