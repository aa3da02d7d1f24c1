package oss

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// maxAnswer bounds what is read of an answer that is not an object: a page of 1000 parts has some 250 KB.
const maxAnswer = 2 << 20

var errTooLarge = errors.New("the answer is too large")

// call is one request on its way through the SDK: it sits between the SDK and the client, gives the body its Close
// back, and remembers the answer's head.
type call struct {
	op      string
	repeat  bool // a repeat whose first outcome is open does no harm
	body    *stream
	raw     bool // the answer's body is an object
	clock   *Clock
	signed  time.Time
	secrets []string

	next   http.RoundTripper
	sent   bool
	status int
	header http.Header
	answer io.Closer
}

func (k *call) client(c *http.Client) *http.Client {
	k.next = c.Transport
	if k.next == nil {
		k.next = http.DefaultTransport
	}
	// A redirect would repeat the request elsewhere, signature included, whatever client was given.
	return &http.Client{Transport: k, Timeout: c.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// RoundTrip implements http.RoundTripper; each call makes one request.
func (k *call) RoundTrip(r *http.Request) (*http.Response, error) {
	if k.body != nil && r.Body != nil {
		r.Body = struct {
			io.Reader
			io.Closer
		}{r.Body, k.body}
	}
	k.sent = true
	resp, err := k.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	k.status, k.header, k.answer = resp.StatusCode, resp.Header, resp.Body
	if !k.raw || resp.StatusCode/100 != 2 {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{&limited{r: resp.Body, left: maxAnswer}, resp.Body}
	}
	return resp, nil
}

// end closes what the SDK leaves open on some of its paths.
func (k *call) end() {
	if k.body != nil {
		_ = k.body.Close()
	}
	if k.answer != nil {
		_ = k.answer.Close() // it was read, or it is refused
	}
}

type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLarge
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
