package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"time"
)

// scope is a target, or an account of one.
var scope = regexp.MustCompile(`^[a-z0-9]+(/[a-z0-9][a-z0-9._-]*)?$`)

const pacesRule = `a JSON object such as {"douyin":{"per_day":75,"gap_min":"4m","gap_max":"10m"},"douyin/main":{"per_day":20}}`

// ParsePaces reads how often accounts publish, by target or account, as PACES and the one machine's config.json have it.
// broken names the rule where it cannot be read; "" is good.
func ParsePaces(raw []byte) (out map[string]Pace, broken string) {
	var in map[string]struct {
		PerDay int    `json:"per_day"`
		GapMin string `json:"gap_min"`
		GapMax string `json:"gap_max"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if d.Decode(&in) != nil || d.More() {
		return nil, pacesRule
	}
	out = map[string]Pace{}
	for name, p := range in {
		least, err := gap(p.GapMin)
		most, merr := gap(p.GapMax)
		if !scope.MatchString(name) || err != nil || merr != nil || p.PerDay > 2000 || most > 0 && most < least {
			return nil, pacesRule + ", at most 2000 a day, gap_max not under gap_min"
		}
		out[name] = Pace{PerDay: p.PerDay, GapMin: least, GapMax: max(least, most)}
	}
	return out, ""
}

var errGap = errors.New("a gap of 0 to 24 hours")

func gap(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && (d < 0 || d > 24*time.Hour) {
		err = errGap
	}
	return d, err
}

func paces(c *Config, v string) string {
	out, broken := ParsePaces([]byte(v))
	c.Paces = out
	return broken
}

func handover(c *Config, v string) string {
	for s := range strings.SplitSeq(v, ",") {
		if s = strings.TrimSpace(s); !scope.MatchString(s) {
			return "targets and accounts separated by commas, such as douyin/main"
		}
		c.Handover = append(c.Handover, strings.TrimSpace(s))
	}
	return ""
}
