package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lines is the log as people want it beside the progress: warnings, and the events that go out (design 5).
type lines struct {
	board *board
	mark  string
	attrs []slog.Attr
}

// Enabled takes everything from Info on; Handle chooses.
func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle writes a warning with its attributes, and an event in words.
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn && r.Message != "event" {
		return nil
	}
	var kind, detail string
	var rest strings.Builder
	each := func(a slog.Attr) bool {
		switch {
		case r.Message == "event" && a.Key == "type":
			kind = a.Value.String()
		case r.Message == "event" && a.Key == "detail":
			detail = a.Value.String()
		case a.Value.String() != "":
			fmt.Fprintf(&rest, " %s=%s", a.Key, a.Value.String())
		}
		return true
	}
	for _, a := range l.attrs {
		each(a)
	}
	r.Attrs(each)
	if r.Level < slog.LevelWarn {
		l.board.line("%sevent %s %s", l.mark, kind, eventText(detail))
		return nil
	}
	l.board.line("%s%s: %s%s", l.mark, strings.ToLower(r.Level.String()), r.Message, rest.String())
	return nil
}

// eventText shows the scalars of an event's detail.
func eventText(detail string) string {
	var m map[string]any
	if json.Unmarshal([]byte(detail), &m) != nil {
		return detail
	}
	var parts []string
	for _, k := range []string{"account", "status", "reason", "post", "key", "title", "upload", "publication", "error"} {
		if s, ok := m[k].(string); ok && s != "" {
			parts = append(parts, k+"="+s)
		}
	}
	return strings.Join(parts, " ")
}

// WithAttrs keeps attributes for every record.
func (l *lines) WithAttrs(as []slog.Attr) slog.Handler {
	next := *l
	next.attrs = append(append([]slog.Attr(nil), l.attrs...), as...)
	return &next
}

// WithGroup is flat here: people read it.
func (l *lines) WithGroup(string) slog.Handler { return l }

// lockedByOther says whether a process holds the data folder.
func lockedByOther(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}

// shellWord quotes text for a shell where it needs it.
func shellWord(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:=,+@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
