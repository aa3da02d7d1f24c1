package scheduler

import (
	"encoding/json"
	"testing"
	"time"
)

func TestPatternsMatchAsAWSDocumentsThem(t *testing.T) {
	const ev = `{"source":"aws.s3","n":5,"none":null,"empty":"","list":["a","b"],"ip":"10.0.0.7","detail":{"key":"in/Clip.MP4","size":12,"ok":true}}`
	for _, c := range []struct {
		pattern string
		want    bool
	}{
		{`{"source":["aws.s3"]}`, true},
		{`{"source":["aws.states","aws.s3"]}`, true},
		{`{"source":["AWS.S3"]}`, false},
		{`{"source":["aws.s3"],"n":[6]}`, false},
		{`{"n":[5.0]}`, true},
		{`{"n":["5"]}`, false},
		{`{"none":[null]}`, true},
		{`{"absent":[null]}`, false},
		{`{"empty":[""]}`, true},
		{`{"list":["b"]}`, true},
		{`{"list":["c"]}`, false},
		{`{"detail":{"ok":[true],"size":[12]}}`, true},
		{`{"detail":{"ok":[false]}}`, false},
		{`{"detail":{"deep":{"x":[1]}}}`, false},
		{`{"detail":{"key":[{"prefix":"in/"}]}}`, true},
		{`{"detail":{"key":[{"prefix":"out/"}]}}`, false},
		{`{"detail":{"key":[{"prefix":{"equals-ignore-case":"IN/"}}]}}`, true},
		{`{"detail":{"key":[{"suffix":".MP4"}]}}`, true},
		{`{"detail":{"key":[{"suffix":".mp4"}]}}`, false},
		{`{"detail":{"key":[{"suffix":{"equals-ignore-case":".mp4"}}]}}`, true},
		{`{"detail":{"key":[{"equals-ignore-case":"IN/clip.mp4"}]}}`, true},
		{`{"detail":{"key":[{"wildcard":"in/*.MP4"}]}}`, true},
		{`{"detail":{"key":[{"wildcard":"*lip*"}]}}`, true},
		{`{"detail":{"key":[{"wildcard":"in/*.mov"}]}}`, false},
		{`{"detail":{"key":[{"wildcard":"in/Clip.MP4*4"}]}}`, false},
		{`{"source":[{"anything-but":"aws.s3"}]}`, false},
		{`{"source":[{"anything-but":"x"}]}`, true},
		{`{"source":[{"anything-but":["x","aws.s3"]}]}`, false},
		{`{"absent":[{"anything-but":"x"}]}`, false},
		{`{"detail":{"key":[{"anything-but":{"prefix":"out/"}}]}}`, true},
		{`{"detail":{"key":[{"anything-but":{"suffix":[".jpg",".MP4"]}}]}}`, false},
		{`{"n":[{"anything-but":5}]}`, false},
		{`{"absent":[{"exists":false}]}`, true},
		{`{"source":[{"exists":false}]}`, false},
		{`{"detail":{"key":[{"exists":true}]}}`, true},
		{`{"none":[{"exists":true}]}`, true},
		{`{"n":[{"numeric":[">",0,"<=",5]}]}`, true},
		{`{"n":[{"numeric":["<",5]}]}`, false},
		{`{"n":[{"numeric":["=",5]},"x"]}`, true},
		{`{"source":[{"numeric":["=",5]}]}`, false},
		{`{"n":[{"prefix":"5"}]}`, false},
		{`{"ip":[{"cidr":"10.0.0.0/24"}]}`, true},
		{`{"ip":[{"cidr":"10.1.0.0/24"}]}`, false},
	} {
		var v any
		if err := json.Unmarshal([]byte(c.pattern), &v); err != nil {
			t.Fatal(err)
		}
		p, err := parsePattern(v)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := p.match([]byte(ev)); got != c.want {
			t.Errorf("%s: got %v", c.pattern, got)
		}
	}
}

func TestPatternsThatCannotBeFollowedAreRefused(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `"x"`, `{"a":"x"}`, `{"a":[]}`, `{"a":[[1]]}`, `{"$or":[{"a":[1]}]}`, `{"a":[{"prefix":1}]}`, `{"a":[{"x":1,"y":2}]}`,
		`{"a":[{"exists":"yes"}]}`, `{"a":[{"numeric":[">"]}]}`, `{"a":[{"numeric":["~",1]}]}`, `{"a":[{"numeric":[">","x"]}]}`, `{"a":[{"cidr":"x"}]}`,
		`{"a":[{"anything-but":{"sounds":"x"}}]}`, `{"a":[{"anything-but":[[1]]}]}`, `{"a":[{"anything-but":{"prefix":"a","suffix":"b"}}]}`, `{"a":[{"prefix":{"fold":"x"}}]}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if _, err := parsePattern(v); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
}

func TestCronNamesItsNextTime(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct{ expr, from, want string }{
		{"cron(0 10 * * ? *)", "2026-11-22 09:59", "2026-11-22 10:00"},
		{"cron(0 10 * * ? *)", "2026-11-22 10:00", "2026-11-23 10:00"},
		{"cron(0/15 * * * ? *)", "2026-11-22 10:01", "2026-11-22 10:15"},
		{"cron(5,35 8-17 ? * MON-FRI *)", "2026-11-20 17:36", "2026-11-23 08:05"}, // Friday evening to Monday
		{"cron(0 0 1 JAN ? *)", "2026-11-22 10:00", "2027-01-01 00:00"},
		{"cron(0 0 29 2 ? *)", "2026-11-22 10:00", "2028-02-29 00:00"},
		{"cron(59 23 31 12 ? 2026)", "2026-11-22 10:00", "2026-12-31 23:59"},
		{"cron(0 0 1 1 ? 2020)", "2026-11-22 10:00", ""},
	} {
		tm, err := parseTiming(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		got := nextCron(tm.cron, at(c.from))
		if c.want == "" && !got.IsZero() || c.want != "" && !got.Equal(at(c.want)) {
			t.Errorf("%s after %s: got %v, want %s", c.expr, c.from, got, c.want)
		}
	}
}

func TestBadExpressionsAreRefused(t *testing.T) {
	for _, e := range []string{
		"", "rate(0 minutes)", "rate(1 minutes)", "rate(5 minute)", "rate(5 seconds)", "every minute", "cron(* * * * *)", "cron(0 0 * * * *)", "cron(0 0 ? * ? *)",
		"cron(60 0 * * ? *)", "cron(5-1 0 * * ? *)", "cron(0 0 L * ? *)", "cron(0 0 ? * MON#1 *)", "cron(0/0 * * * ? *)", "cron(x * * * ? *)",
	} {
		if _, err := parseTiming(e); err == nil {
			t.Errorf("%q: accepted", e)
		}
	}
	if tm, err := parseTiming("rate(2 hours)"); err != nil || tm.every != 2*time.Hour {
		t.Errorf("got %v, %v", tm, err)
	}
}
