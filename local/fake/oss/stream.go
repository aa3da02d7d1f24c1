package oss

import (
	"io"
	"net/http"
	"strconv"

	"github.com/vodlift/vodlift/local/fake"
)

// stream is an answer's body that is too large to hold. Close is called once, whatever happens.
type stream struct {
	io.ReadCloser // nil for HEAD
	size          int64
}

// streamWriter lets the panel, which knows bodies in memory only, send a stream and still spoil it. The answer that the
// panel gets has a body of two bytes that stands for the halves of the stream: whatever the panel makes of them (both,
// or one with the length of one or of two) is scaled up on the way out. The panel's own answers, which replace ours, do
// not have the mark and pass as they are.
type streamWriter struct {
	http.ResponseWriter
	s      *stream
	active bool
}

const (
	streamMark  = "X-Fake-Stream"
	streamHalfs = 2
)

func (w *streamWriter) arm(s *stream, a *fake.Answer) {
	w.s = s
	a.Body = make([]byte, streamHalfs)
	a.Header.Set(streamMark, "1")
}

// Unwrap lets http.ResponseController reach the real writer.
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader scales the length that the panel announces.
func (w *streamWriter) WriteHeader(status int) {
	if w.s != nil && w.Header().Get(streamMark) != "" {
		w.active = true
		w.Header().Del(streamMark)
		if n, err := strconv.ParseInt(w.Header().Get("Content-Length"), 10, 64); err == nil {
			w.Header().Set("Content-Length", strconv.FormatInt(w.s.scale(n), 10))
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// scale multiplies before it divides; sizes stay far below half of an int64.
func (s *stream) scale(n int64) int64 { return s.size * n / streamHalfs }

// Write sends the share of the stream that b stands for. When the bytes cannot be read the connection is cut: a body
// that ends early must not look whole.
func (w *streamWriter) Write(b []byte) (int, error) {
	if !w.active {
		return w.ResponseWriter.Write(b)
	}
	if w.s.ReadCloser == nil {
		return len(b), nil
	}
	want := w.s.scale(int64(len(b)))
	if n, err := io.CopyN(w.ResponseWriter, w.s.ReadCloser, want); err != nil && n < want {
		panic(http.ErrAbortHandler)
	}
	return len(b), nil
}

func (w *streamWriter) close() {
	if w.s != nil && w.s.ReadCloser != nil {
		w.s.Close() //nolint:errcheck // read only
	}
}
