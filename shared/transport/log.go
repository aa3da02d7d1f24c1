package transport

import (
	"log/slog"
	"net/http"
	"time"
)

// logIDHeaders are where platforms put the id that their support asks for.
var logIDHeaders = [...]string{"X-Tt-Logid", "X-Oss-Request-Id", "X-Acs-Request-Id", "X-Amz-Request-Id", "X-Amzn-Requestid", "X-Request-Id"}

// logger writes a line per request, when its head has been answered. Never the query (it can hold a token), a header or
// a body.
type logger struct {
	next http.RoundTripper
	log  *slog.Logger
	now  func() time.Time
}

// CloseIdleConnections passes it on.
func (l *logger) CloseIdleConnections() { closeIdle(l.next) }

func (l *logger) RoundTrip(r *http.Request) (*http.Response, error) {
	began := l.now()
	resp, err := l.next.RoundTrip(r)
	at := []slog.Attr{slog.String("method", r.Method), slog.String("host", r.URL.Host), slog.String("path", clip(r.URL.EscapedPath())),
		slog.Int64("ms", l.now().Sub(began).Milliseconds())}
	if r.ContentLength > 0 {
		at = append(at, slog.Int64("sent", r.ContentLength))
	}
	if err != nil {
		// No error text: those of net/http can quote what the other side wrote.
		at = append(at, slog.Bool("nothing_written", NothingWritten(err)))
		l.log.LogAttrs(r.Context(), slog.LevelWarn, "request failed", at...)
		return nil, err
	}
	at = append(at, slog.Int("status", resp.StatusCode))
	for _, h := range logIDHeaders {
		if id := resp.Header.Get(h); id != "" {
			at = append(at, slog.String("log_id", clip(id)))
			break
		}
	}
	l.log.LogAttrs(r.Context(), slog.LevelInfo, "request", at...)
	return resp, nil
}

func clip(s string) string {
	if len(s) > 256 {
		return s[:256] + "..."
	}
	return s
}
