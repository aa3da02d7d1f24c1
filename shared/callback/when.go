package callback

import (
	"strconv"
	"strings"
	"time"
)

// ParseTime reads an EventTime: 2006-01-02T15:04:05Z, with a fraction after a point or, as image events have it, after a
// colon (2026-07-01T00:00:00:123Z), with another zone, a space for the T, or Unix seconds or milliseconds. Without a zone
// it is UTC. The zero time means unreadable, or not of this century: a hint from such a time orders nothing.
func ParseTime(s string) time.Time {
	if s = strings.ToUpper(strings.TrimSpace(s)); len(s) < 10 || len(s) > 40 {
		return time.Time{}
	}
	t, ok := epoch(s)
	if !ok {
		t, ok = stamp(s)
	}
	if !ok || t.Year() < 2000 || t.Year() > 2099 {
		return time.Time{}
	}
	return t.UTC()
}

func epoch(s string) (time.Time, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err == nil && len(s) == 10:
		return time.Unix(n, 0), true
	case err == nil && len(s) == 13:
		return time.UnixMilli(n), true
	}
	return time.Time{}, false
}

func stamp(s string) (time.Time, bool) {
	const seconds = len("2006-01-02T15:04:05")
	if len(s) < seconds {
		return time.Time{}, false
	}
	b := []byte(s)
	if b[10] == ' ' {
		b[10] = 'T'
	}
	if len(b) > seconds && (b[seconds] == ':' || b[seconds] == ',') {
		b[seconds] = '.'
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999Z0700"} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
