package config

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/upload"
)

var (
	originForm = lazily(`^(\*|https://[a-z0-9.-]+(:[0-9]{1,5})?)$`)
	machineARN = lazily(`^arn:[a-z-]+:states:[a-z0-9-]+:\d{12}:stateMachine:[A-Za-z0-9_-]{1,80}$`)
	bucketName = lazily(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	tableName  = lazily(`^[A-Za-z0-9_.-]{3,255}$`)
	kmsKey     = lazily(`^(arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:(key|alias)/[A-Za-z0-9/_-]+|alias/[A-Za-z0-9/_-]+|[A-Za-z0-9-]{36}|mrk-[0-9a-f]{32})$`)
	vodRegion  = lazily(`^[a-z]{2}-[a-z0-9-]{2,30}$`)
	roleARN    = lazily(`^acs:ram::[0-9]{5,20}:role/[A-Za-z0-9._-]{1,64}$`)
	templateID = lazily(`^[A-Za-z0-9_-]{1,64}$`)
	busName    = lazily(`^[/.A-Za-z0-9_:-]{1,256}$`)
)

// variables is every name that some function reads.
func variables() map[string]variable {
	must := func(name string, set func(*Config, string) string) variable {
		return variable{name: name, required: true, set: set}
	}
	may := func(name, preset string, set func(*Config, string) string) variable {
		return variable{name: name, preset: preset, set: set}
	}
	out := map[string]variable{}
	for _, v := range []variable{
		must("TABLE_NAME", pattern(tableName, "the name of a table", func(c *Config) *string { return &c.Table })),
		must("STATE_MACHINE_ARN", pattern(machineARN, "the ARN of a state machine", func(c *Config) *string { return &c.MachineARN })),
		must("INBOX_BUCKET", pattern(bucketName, "the name of a bucket", func(c *Config) *string { return &c.Inbox })),
		must("KMS_KEY_ID", pattern(kmsKey, "the id, ARN or alias of a KMS key", func(c *Config) *string { return &c.KMSKey })),
		must("EVENT_BUS_NAME", pattern(busName, "the name of an event bus", func(c *Config) *string { return &c.EventBus })),
		must("ROUTES", routes),
		must("POOL_GLOBAL", whole(1, 100_000, func(c *Config, n int64) { c.Pools.Global = int(n) })),
		must("POOL_ACCOUNT", whole(1, 100_000, func(c *Config, n int64) { c.Pools.Account = int(n) })),
		must("MIN_RANGE_BYTES", whole(1<<20, 1<<40, func(c *Config, n int64) { c.Plan.MinRange = n })),
		must("MAX_RANGES", whole(1, 40, func(c *Config, n int64) { c.Plan.MaxRanges = int(n) })),
		must("STARTS_FROM", startsFrom),
		must("SETTLE_LAG", span(time.Second, 7*24*time.Hour, func(c *Config) *time.Duration { return &c.Waits.SettleLag })),
		may("DOUYIN_BASE_URL", "https://open.douyin.com", host(func(c *Config) *string { return &c.Douyin.BaseURL })),
		may("OSS_BUCKETS", "", ossBuckets),
		may("PACES", "", paces),
		may("HANDOVER", "", handover),
		may("ALLOW_ORIGIN", "", pattern(originForm, "* or one origin such as https://app.example.com", func(c *Config) *string { return &c.AppServer.AllowOrigin })),
		must("DOUYIN_GENERATION", word(func(c *Config) *string { return &c.Douyin.Generation }, "legacy", "v1")),
		must("DOUYIN_AUTH", word(func(c *Config) *string { return &c.Douyin.Auth }, "header", "query")),
		must("VOD_REGION", pattern(vodRegion, "a region of VOD, like cn-shanghai", func(c *Config) *string { return &c.VOD.Region })),
		must("OPEN_SIGNUP", yesNo(func(c *Config) *bool { return &c.AppServer.OpenSignup })),
		must("DEMO_ENDPOINTS", yesNo(func(c *Config) *bool { return &c.AppServer.DemoEndpoints })),
		must("GUEST_UPLOAD", yesNo(func(c *Config) *bool { return &c.AppServer.GuestUpload })),
		must("REVIEW", word(func(c *Config) *string { return &c.AppServer.Review }, "ai", "none")),
		must("VOD_ACCOUNT", vodAccount),
		may("STS_ROLE_ARN", "", pattern(roleARN, "the ARN of a RAM role, like acs:ram::1234567890123456:role/name", func(c *Config) *string { return &c.AppServer.RoleARN })),
		may("TRANSCODE_TEMPLATE", "", pattern(templateID, "the id of a template group", func(c *Config) *string { return &c.AppServer.TranscodeTemplate })),
		must("CATALOGUE_BUCKET", pattern(bucketName, "the name of a bucket", func(c *Config) *string { return &c.AppServer.CatalogueBucket })),
		may("LOOK_WAITS", "", looks),
		may("POLL_FIRST", "", span(time.Second, time.Hour, func(c *Config) *time.Duration { return &c.Waits.PollFirst })),
		may("POLL_MOST", "", span(time.Second, 24*time.Hour, func(c *Config) *time.Duration { return &c.Waits.PollMost })),
		may("LOG_LEVEL", "INFO", logLevel),
	} {
		out[v.name] = v
	}
	return out
}

// lazily compiles a pattern at its first use: counted repetitions are slow to compile, and each function needs few.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

func pattern(re func() *regexp.Regexp, rule string, field func(*Config) *string) func(*Config, string) string {
	return func(c *Config, v string) string {
		if !re().MatchString(v) {
			return rule
		}
		*field(c) = v
		return ""
	}
}

func whole(least, most int64, set func(*Config, int64)) func(*Config, string) string {
	return func(c *Config, v string) string {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < least || n > most {
			return "a whole number from " + strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10)
		}
		set(c, n)
		return ""
	}
}

func span(least, most time.Duration, field func(*Config) *time.Duration) func(*Config, string) string {
	return func(c *Config, v string) string {
		d, err := time.ParseDuration(v)
		if err != nil || d < least || d > most {
			return "a duration from " + least.String() + " to " + most.String() + ", like 90s or 30m"
		}
		*field(c) = d
		return ""
	}
}

func word(field func(*Config) *string, words ...string) func(*Config, string) string {
	return func(c *Config, v string) string {
		for _, w := range words {
			if v == w {
				*field(c) = v
				return ""
			}
		}
		return strings.Join(words, " or ")
	}
}

// yesNo takes true and false only: "0" or "no" in a switch that opens something must not be guessed at.
func yesNo(field func(*Config) *bool) func(*Config, string) string {
	return func(c *Config, v string) string {
		if v != "true" && v != "false" {
			return "true or false"
		}
		*field(c) = v == "true"
		return ""
	}
}

func vodAccount(c *Config, v string) string {
	a, err := upload.ParseAccount(v)
	if err != nil || a.Target() != "alivod" {
		return "an account of VOD, like alivod/main"
	}
	c.AppServer.Account = a
	return ""
}

func routes(c *Config, v string) string {
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(v), &list); err != nil {
		return "a JSON list of routes"
	}
	c.Routes = json.RawMessage(v)
	return ""
}

func startsFrom(c *Config, v string) string {
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return "a time like 2026-01-01T00:00:00Z"
	}
	c.StartsFrom = t
	return ""
}

// host accepts a host's name only: no setting of a function can name loopback or a private address (design 4.10).
func host(field func(*Config) *string) func(*Config, string) string {
	return func(c *Config, v string) string {
		name, rule := hostName(v)
		if rule == "" {
			*field(c) = "https://" + name
		}
		return rule
	}
}

func hostName(v string) (name, broken string) {
	const rule = "an https URL of a host name, without user, port, path or query"
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" || u.Host != u.Hostname() {
		return "", rule
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") {
		return "", rule
	}
	return host, ""
}

func looks(c *Config, v string) string {
	for _, s := range strings.Split(v, ",") {
		d, err := time.ParseDuration(strings.TrimSpace(s))
		if err != nil || d < time.Second || d > 24*time.Hour || len(c.Waits.Looks) == 32 {
			c.Waits.Looks = nil
			return "up to 32 durations of 1s to 24h, like 30s,1m,5m"
		}
		c.Waits.Looks = append(c.Waits.Looks, d)
	}
	return ""
}

func logLevel(c *Config, v string) string {
	var l slog.Level
	if err := l.UnmarshalText([]byte(v)); err != nil {
		return "DEBUG, INFO, WARN or ERROR"
	}
	c.LogLevel = l
	return ""
}
