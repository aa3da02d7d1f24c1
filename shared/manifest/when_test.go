package manifest_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
)

func TestPublishAtIsReadInEveryForm(t *testing.T) {
	taken := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"2026-11-30T18:00:00+08:00":         "2026-11-30T10:00:00Z",
		"2026-11-30 18:00 Asia/Shanghai":    "2026-11-30T10:00:00Z",
		"2026-11-30T18:00:05 Asia/Shanghai": "2026-11-30T10:00:05Z",
		"2026-07-01 12:00 Europe/Berlin":    "2026-07-01T10:00:00Z",
		"2026-12-01 12:00 Europe/Berlin":    "2026-12-01T11:00:00Z",
		"2026-11-30 18:00 UTC":              "2026-11-30T18:00:00Z",
		"+2h":                               "2026-11-22T12:00:00Z",
		"+1d30m":                            "2026-11-23T10:30:00Z",
		"+0s":                               "2026-11-22T10:00:00Z",
	} {
		m, err := manifest.Parse([]byte(`{"publish_at":"`+in+`"}`), manifest.KnownTargets())
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := m.Due(taken).Format(time.RFC3339); got != want {
			t.Errorf("%s is due %s, want %s", in, got, want)
		}
		b, err := m.MarshalJSON()
		var back manifest.Manifest
		if err != nil || back.UnmarshalJSON(b) != nil || !back.Due(taken).Equal(m.Due(taken)) || back.Hash() != m.Hash() {
			t.Errorf("%s does not survive being stored as %s: %v", in, b, err)
		}
	}
}

func TestALocalTimeThatNobodyCanPlaceIsRefused(t *testing.T) {
	for in, want := range map[string]string{
		"2026-03-29 02:30 Europe/Berlin":       "skip",
		"2026-10-25 02:30 Europe/Berlin":       "twice",
		"2026-11-01 01:30 America/New_York":    "twice",
		"2026-04-05 01:45 Australia/Lord_Howe": "twice", // half an hour
		"2026-11-30 18:00 Asia/Atlantis":       "no time zone",
		"2026-02-30 18:00 Asia/Shanghai":       "no date",
		"+9999d":                               "5 years",
		"+2 h":                                 "no duration",
	} {
		_, err := manifest.Parse([]byte(`{"publish_at":"`+in+`"}`), manifest.KnownTargets())
		if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field != "publish_at" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
}

func TestOneFormOfPublishAtReplacesTheOther(t *testing.T) {
	parse := func(s string) manifest.Manifest {
		m, err := manifest.Parse([]byte(s), manifest.KnownTargets())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	at, in, none := parse(`{"publish_at":"2026-11-30T18:00:00Z"}`), parse(`{"publish_at":"+2h"}`), parse(`{}`)
	taken := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		base, top manifest.Manifest
		want      time.Time
	}{
		"a span over a time":  {at, in, taken.Add(2 * time.Hour)},
		"a time over a span":  {in, at, time.Date(2026, 11, 30, 18, 0, 0, 0, time.UTC)},
		"nothing over a span": {in, none, taken.Add(2 * time.Hour)},
	} {
		if got := manifest.Merge(c.base, manifest.Manifest{}, c.top).Due(taken); !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
