package scheduler

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// timing is when a schedule runs: every so often, or at the times that a cron expression names.
type timing struct {
	every time.Duration // of rate(...); else 0
	cron  [6]cronField
}

var rateExpression = regexp.MustCompile(`^rate\(([0-9]{1,6}) (minute|minutes|hour|hours|day|days)\)$`)

// parseTiming reads rate(...) and cron(...) of EventBridge.
func parseTiming(expr string) (timing, error) {
	if m := rateExpression.FindStringSubmatch(expr); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n < 1 || (n == 1) == strings.HasSuffix(m[2], "s") {
			return timing{}, fmt.Errorf("%s: the unit is singular for 1 and plural else", expr)
		}
		unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[strings.TrimSuffix(m[2], "s")]
		return timing{every: time.Duration(n) * unit}, nil
	}
	if body, ok := strings.CutPrefix(expr, "cron("); ok && strings.HasSuffix(body, ")") {
		f, err := parseCron(strings.TrimSuffix(body, ")"))
		return timing{cron: f}, err
	}
	return timing{}, fmt.Errorf("%q is neither rate(...) nor cron(...)", expr)
}

// cronField is the set of values that one field allows.
type cronField map[int]bool

var cronBounds = [...]struct {
	name        string
	least, most int
	words       []string
}{
	{"minutes", 0, 59, nil},
	{"hours", 0, 23, nil},
	{"day of month", 1, 31, nil},
	{"month", 1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{"day of week", 1, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
	{"year", 1970, 2199, nil},
}

// parseCron reads the six fields of EventBridge: minutes hours day-of-month month day-of-week year, in UTC, with * ?
// , - / and names. L, W and # are not supported. One of the two day fields must be ?.
func parseCron(body string) (f [6]cronField, err error) {
	texts := strings.Fields(body)
	if len(texts) != len(cronBounds) {
		return f, fmt.Errorf("cron wants six fields, got %d", len(texts))
	}
	if (texts[2] == "?") == (texts[4] == "?") {
		return f, fmt.Errorf("one of day of month and day of week must be ?")
	}
	for i, text := range texts {
		if f[i], err = parseField(i, text); err != nil {
			return f, fmt.Errorf("cron, %s: %w", cronBounds[i].name, err)
		}
	}
	return f, nil
}

func parseField(i int, text string) (cronField, error) {
	b, set := cronBounds[i], cronField{}
	for item := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(item, "/")
		step := 1
		if stepped {
			n, err := strconv.Atoi(stepText)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("%q is no step", stepText)
			}
			step = n
		}
		from, to := b.least, b.most
		if span != "*" && span != "?" {
			low, high, ranged := strings.Cut(span, "-")
			var err error
			if from, err = fieldValue(i, low); err != nil {
				return nil, err
			}
			switch {
			case ranged:
				if to, err = fieldValue(i, high); err != nil {
					return nil, err
				}
			case !stepped:
				to = from
			}
		}
		if from > to {
			return nil, fmt.Errorf("%q runs backwards", item)
		}
		for v := from; v <= to; v += step {
			set[v] = true
		}
	}
	return set, nil
}

func fieldValue(i int, text string) (int, error) {
	b := cronBounds[i]
	for n, w := range b.words {
		if strings.EqualFold(w, text) {
			return n + 1, nil
		}
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < b.least || v > b.most {
		return 0, fmt.Errorf("%q is not from %d to %d", text, b.least, b.most)
	}
	return v, nil
}

// nextCron walks from the next minute, skipping whole days that do not fit; ten years without a match mean never.
func nextCron(f [6]cronField, t time.Time) time.Time {
	t = t.UTC().Truncate(time.Minute).Add(time.Minute)
	for end := t.AddDate(10, 0, 0); t.Before(end); {
		if !f[5][t.Year()] || !f[3][int(t.Month())] || !f[2][t.Day()] || !f[4][int(t.Weekday())+1] {
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
			continue
		}
		if f[1][t.Hour()] && f[0][t.Minute()] {
			return t
		}
		t = t.Add(time.Minute)
	}
	return time.Time{}
}
