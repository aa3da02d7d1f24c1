package handler

import (
	"context"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/vodlift/vodlift/shared/fault"
)

// Namespace is the CloudWatch namespace of every metric.
const Namespace = "vodlift"

type fieldsKey struct{}

func withFields(ctx context.Context, fields []slog.Attr) context.Context {
	return context.WithValue(ctx, fieldsKey{}, fields)
}

// NewLog makes the JSON log of a function. Time and text have the names that Lambda's JSON log format filters by
// (timestamp, message); the fields of an invocation are added to every line written with its context.
func NewLog(w io.Writer, level slog.Leveler) *slog.Logger {
	rename := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 {
			switch a.Key {
			case slog.TimeKey:
				a.Key = "timestamp"
			case slog.MessageKey:
				a.Key = "message"
			}
		}
		return a
	}
	return slog.New(LogHandler(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: rename})))
}

// LogHandler adds the fields of the invocation, which Wrap put into the context, to every record. Packages above this
// one log with slog's ...Context functions and need not know it.
func LogHandler(h slog.Handler) slog.Handler { return contextHandler{h} }

type contextHandler struct{ slog.Handler }

// Handle adds the fields and passes the record on.
func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	if fields, ok := ctx.Value(fieldsKey{}).([]slog.Attr); ok {
		r = r.Clone()
		r.AddAttrs(fields...)
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the fields.
func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the fields.
func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}

// report writes the one line that ends an invocation. It is also the metric: CloudWatch reads the member _aws
// (embedded metric format) from the log, so that no agent and no extra call is needed.
func report(ctx context.Context, log *slog.Logger, name string, took time.Duration, err error) {
	kind, faults, level := "none", 0, slog.LevelInfo
	if err != nil {
		kind, faults, level = Named(err).Type, 1, slog.LevelError
	}
	type metric struct{ Name, Unit string }
	attrs := []slog.Attr{
		slog.Any("_aws", map[string]any{
			"Timestamp": time.Now().UnixMilli(),
			"CloudWatchMetrics": []any{map[string]any{
				"Namespace":  Namespace,
				"Dimensions": [][]string{{"function"}, {"function", "kind"}},
				"Metrics":    []metric{{"duration", "Milliseconds"}, {"faults", "Count"}},
			}},
		}),
		slog.String("kind", kind),
		slog.Float64("duration", float64(took.Microseconds())/1000),
		slog.Int("faults", faults),
	}
	if f := fault.As(err); f != nil {
		attrs = append(attrs, slog.String("op", f.Op), slog.String("code", Redact(f.Code, 64)), slog.String("log_id", Redact(f.LogID, 128)))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", Redact(err.Error(), maxMessage)))
	}
	log.LogAttrs(ctx, level, "invocation", attrs...)
}

// secretText finds what must never leave in a text: the query of a URL, a bearer token, and name=value or "name":"value"
// where the name says that the value is a secret.
var secretText = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(https?://[^\s"'?#]*)[?#][^\s"']*`), "$1?..."},
	{regexp.MustCompile(`(https?://)[^\s"'/@]+@`), "$1...@"},
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`), "$1 ..."},
	{regexp.MustCompile(`(?i)((?:access|refresh|session|security|task|upload)?[-_]?(?:token|secret|password|signature|cookie|authorization|upload_?id))(["']?\s*[:=]\s*["']?)[^\s"'&,;)}]+`), "$1$2..."},
}

// Redact is the last net before a text leaves: it removes what looks like a secret, escapes control and bidirectional
// characters, and cuts at max bytes. Those who write errors keep secrets out of them in the first place.
func Redact(s string, max int) string {
	if len(s) > 8*max {
		s = s[:8*max]
	}
	for _, t := range secretText {
		s = t.re.ReplaceAllString(s, t.with)
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if b.Len() >= max {
			b.WriteString("...")
			break
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			b.WriteByte('.')
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
