package sourcetest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing/iotest"
)

// Spoiler is a RoundTripper that a harness over HTTP puts below its client to implement Spoil and Unclosed. It spoils
// bodies of answers to GET only. The zero value over Next works.
type Spoiler struct {
	Next http.RoundTripper

	mu    sync.Mutex
	armed bool
	after int64
	cut   bool
	open  int
}

// errConnection is what the reader of a broken connection sees.
var errConnection = errors.New("connection reset by peer")

// Spoil arms it for the next GET.
func (s *Spoiler) Spoil(after int64, cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed, s.after, s.cut = true, after, cut
}

// Unclosed counts the bodies of successful GETs that were not closed.
func (s *Spoiler) Unclosed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// RoundTrip implements http.RoundTripper.
func (s *Spoiler) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.Next.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet || resp.StatusCode/100 != 2 {
		return resp, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	b := &spoiled{ReadCloser: resp.Body, s: s, body: resp.Body}
	if s.armed {
		s.armed = false
		tail := io.Reader(strings.NewReader(""))
		if !s.cut {
			tail = iotest.ErrReader(errConnection)
		}
		b.body = io.MultiReader(io.LimitReader(resp.Body, s.after), tail)
	}
	resp.Body = b
	return resp, nil
}

type spoiled struct {
	io.ReadCloser
	s    *Spoiler
	body io.Reader
	once sync.Once
}

func (b *spoiled) Read(p []byte) (int, error) { return b.body.Read(p) }

func (b *spoiled) Close() error {
	b.once.Do(func() {
		b.s.mu.Lock()
		b.s.open--
		b.s.mu.Unlock()
	})
	return b.ReadCloser.Close()
}
