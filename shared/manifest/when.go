package manifest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// publishRule is what publish_at may be. The schema has the same forms.
const publishRule = "RFC 3339 with a zone, a date and time with the name of a zone, or + and a duration"

// The forms of publish_at.
var (
	// Stricter than time.Parse and free of leap seconds.
	rfc3339 = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)
	zoned   = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?) ([A-Z][A-Za-z_]+(/[A-Z][A-Za-z0-9_+-]+){1,2}|UTC)$`)
	span    = regexp.MustCompile(`^\+(([0-9]{1,4})d)?([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,8}s)?$`)
)

func (m *Manifest) publishAt(raw json.RawMessage) *flaw {
	var s string
	if f := text(fieldPublishAt, raw, &s); f != nil {
		return f
	}
	if err := m.setPublishAt(s); err != nil {
		return &flaw{fieldPublishAt, "", publishRule, err.Error()}
	}
	return nil
}

// SetPublishAt reads publish_at in any of its forms, as a flag has it. The error is Invalid.
func (m *Manifest) SetPublishAt(s string) error {
	if err := m.setPublishAt(s); err != nil {
		return fault.InvalidField("manifest.SetPublishAt", fieldPublishAt, publishRule, err.Error())
	}
	return nil
}

// setPublishAt reads one of the forms of publish_at. Times are kept in UTC: the instant counts, not the zone it was
// written in, and what is stored reads the same everywhere.
func (m *Manifest) setPublishAt(s string) error {
	if strings.HasPrefix(s, "+") {
		d, err := parseSpan(s)
		if err != nil {
			return err
		}
		m.PublishAt, m.PublishIn = nil, &d
		return nil
	}
	t, err := parseTime(s)
	if err != nil {
		return err
	}
	m.PublishAt, m.PublishIn = &t, nil
	return nil
}

func parseTime(s string) (time.Time, error) {
	if zoned.MatchString(s) {
		return parseZoned(s)
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || !rfc3339.MatchString(s) {
		return time.Time{}, fmt.Errorf("%q is no time such as 2026-11-30T18:00:00+08:00, 2026-11-30 18:00 Asia/Shanghai or +2h", clip(s))
	}
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}, fmt.Errorf("%q is out of range", clip(s))
	}
	return t, nil
}

// parseZoned reads a local time in a named zone. One that the zone's clocks skip, or show twice, is refused: nobody can
// know which instant was meant.
func parseZoned(s string) (time.Time, error) {
	const layout = "2006-01-02 15:04:05"
	f := zoned.FindStringSubmatch(s)
	local, name := strings.Replace(f[1], "T", " ", 1), f[4]
	if f[3] == "" {
		local += ":00"
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.Time{}, fmt.Errorf("there is no time zone %.64q", name)
	}
	t, err := time.ParseInLocation(layout, local, zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no date and time", clip(s))
	}
	if t.Format(layout) != local {
		return time.Time{}, fmt.Errorf("%s is a time that the clocks of %s skip", local, name)
	}
	_, off := t.Zone()
	for _, near := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		if _, other := t.Add(near).Zone(); other != off {
			twin := t.Add(time.Duration(off-other) * time.Second)
			if twin.Format(layout) == local && !twin.Equal(t) {
				return time.Time{}, fmt.Errorf("%s is a time that the clocks of %s show twice; write it with its offset", local, name)
			}
		}
	}
	return t.UTC(), nil
}

// parseSpan reads "+2h", "+1d12h", "+90m".
func parseSpan(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no duration such as +2h, +1d12h or +90m", clip(s))
	f := span.FindStringSubmatch(s)
	if f == nil || s == "+" {
		return 0, bad
	}
	var days int64
	rest := s[1:]
	if f[2] != "" {
		if _, err := fmt.Sscanf(f[2], "%d", &days); err != nil {
			return 0, bad
		}
		rest = rest[len(f[1]):]
	}
	var d time.Duration
	if rest != "" {
		var err error
		if d, err = time.ParseDuration(rest); err != nil {
			return 0, bad
		}
	}
	if d += time.Duration(days) * 24 * time.Hour; d > MaxAhead {
		return 0, fmt.Errorf("%q is more than 5 years", clip(s))
	}
	return d, nil
}

// Due is when the manifest wants the video to be public, given when it was taken in; the zero time = at once. It is the
// same however often it is asked, so that a repeated event moves nothing.
func (m Manifest) Due(taken time.Time) time.Time {
	switch {
	case m.PublishAt != nil:
		return *m.PublishAt
	case m.PublishIn != nil:
		return taken.Add(*m.PublishIn).UTC()
	}
	return time.Time{}
}
