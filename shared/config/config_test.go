package config_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/config"
	"github.com/vodlift/vodlift/shared/fault"
)

// good is an environment that every function can start with.
func good() map[string]string {
	return map[string]string{
		"TABLE_NAME": "vodlift-Table-1ABC", "STATE_MACHINE_ARN": "arn:aws-cn:states:cn-north-1:111122223333:stateMachine:vodlift-publish",
		"INBOX_BUCKET": "inbox-1", "ROUTES": `[{"prefix":"douyin/"}]`, "KMS_KEY_ID": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		"POOL_GLOBAL": "80", "POOL_ACCOUNT": "40", "MIN_RANGE_BYTES": "67108864", "MAX_RANGES": "40", "STARTS_FROM": "2026-01-01T00:00:00Z",
		"SETTLE_LAG": "30m", "DOUYIN_GENERATION": "v1", "DOUYIN_AUTH": "header", "EVENT_BUS_NAME": "default",
		"VOD_REGION": "cn-shanghai", "OPEN_SIGNUP": "false", "DEMO_ENDPOINTS": "false", "GUEST_UPLOAD": "true", "REVIEW": "ai", "VOD_ACCOUNT": "alivod/main",
		"CATALOGUE_BUCKET": "inbox-1",
	}
}

func from(env map[string]string) func(string) (string, bool) {
	return func(n string) (string, bool) { v, ok := env[n]; return v, ok }
}

func TestEveryFunctionStartsWithAGoodEnvironmentAndReadsOnlyItsOwn(t *testing.T) {
	for _, fn := range config.Functions() {
		required, optional := config.Names(fn)
		var asked []string
		_, err := config.Load(fn, func(n string) (string, bool) {
			asked = append(asked, n)
			return good()[n], true
		})
		if err != nil {
			t.Errorf("%s: %v", fn, err)
		}
		slices.Sort(asked)
		want := slices.Sorted(slices.Values(slices.Concat(required, optional)))
		if !slices.Equal(asked, want) {
			t.Errorf("%s asked for %v, want %v", fn, asked, want)
		}
	}
}

func TestValuesArriveTyped(t *testing.T) {
	env := good()
	env["LOG_LEVEL"], env["LOOK_WAITS"], env["POLL_FIRST"], env["POLL_MOST"] = "debug", "1s, 2s", "5s", "10m"
	c, err := config.Load("initupload", from(env))
	if err != nil {
		t.Fatal(err)
	}
	if c.Table != "vodlift-Table-1ABC" || c.LogLevel != slog.LevelDebug || c.Pools != (config.Pools{Global: 80, Account: 40}) ||
		c.Plan != (config.Plan{MinRange: 64 << 20, MaxRanges: 40}) || c.Douyin != (config.Douyin{BaseURL: "https://open.douyin.com", Generation: "v1", Auth: "header"}) ||
		!slices.Equal(c.Waits.Looks, []time.Duration{time.Second, 2 * time.Second}) || c.Waits.PollFirst != 5*time.Second {
		t.Errorf("got %+v", c)
	}
	if c.MachineARN != "" || !c.StartsFrom.IsZero() {
		t.Error("it read what it does not need")
	}
}

func TestEverythingMissingOrMalformedIsNamedAtOnceAndNoValueIsRepeated(t *testing.T) {
	env := map[string]string{"POOL_GLOBAL": "hunter2", "MAX_RANGES": "41", "LOOK_WAITS": "hunter2", "KMS_KEY_ID": "  ", "LOG_LEVEL": "hunter2"}
	_, err := config.Load("initupload", from(env))
	if fault.KindOf(err) != fault.Invalid || err == nil {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"missing: DOUYIN_AUTH, DOUYIN_GENERATION, KMS_KEY_ID, MIN_RANGE_BYTES, POOL_ACCOUNT, TABLE_NAME, VOD_REGION",
		"POOL_GLOBAL must be a whole number from 1", "MAX_RANGES must be a whole number from 1 to 40", "LOOK_WAITS must be up to 32 durations", "LOG_LEVEL must be",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a value is repeated: %v", err)
	}
}

func TestMalformedValuesAreRefused(t *testing.T) {
	for _, c := range []struct{ fn, name, value string }{
		{"ingest", "STATE_MACHINE_ARN", "publish"},
		{"ingest", "INBOX_BUCKET", "s3://inbox"},
		{"ingest", "STARTS_FROM", "2026-01-01"},
		{"ingest", "ROUTES", `{}`},
		{"initupload", "MIN_RANGE_BYTES", "64MiB"},
		{"initupload", "MIN_RANGE_BYTES", "1048575"},
		{"initupload", "POOL_GLOBAL", "0"},
		{"finalize", "SETTLE_LAG", "30"},
		{"initupload", "LOOK_WAITS", "30s,,1m"},
		{"initupload", "LOOK_WAITS", "0s"},
		{"initupload", "POLL_FIRST", "-1s"},
		{"initupload", "DOUYIN_AUTH", "query"}, // v1 knows only header
		{"initupload", "DOUYIN_GENERATION", "v2"},
		{"initupload", "DOUYIN_BASE_URL", "http://open.douyin.com"},
		{"initupload", "DOUYIN_BASE_URL", "https://127.0.0.1"},
		{"initupload", "DOUYIN_BASE_URL", "https://localhost"},
		{"initupload", "DOUYIN_BASE_URL", "https://a.localhost"},
		{"initupload", "DOUYIN_BASE_URL", "https://[::1]"},
		{"initupload", "DOUYIN_BASE_URL", "https://u@open.douyin.com"},
		{"initupload", "DOUYIN_BASE_URL", "https://open.douyin.com:8443"},
		{"initupload", "DOUYIN_BASE_URL", "https://open.douyin.com/x"},
		{"park", "KMS_KEY_ID", "my key"},
		{"park", "TABLE_NAME", "a/b"},
		{"reconcile", "EVENT_BUS_NAME", "a bus"},
		{"uploadpart", "VOD_REGION", "cn-shanghai.evil.example"},
		{"uploadpart", "VOD_REGION", "Shanghai"},
		{"appserver", "OPEN_SIGNUP", "yes"},
		{"appserver", "DEMO_ENDPOINTS", "1"},
		{"appserver", "GUEST_UPLOAD", "TRUE"},
		{"appserver", "REVIEW", "human"},
		{"appserver", "VOD_ACCOUNT", "douyin/main"},
		{"appserver", "VOD_ACCOUNT", "alivod"},
		{"appserver", "STS_ROLE_ARN", "arn:aws:iam::111122223333:role/x"},
		{"appserver", "STS_ROLE_ARN", "acs:ram::1234567890123456:user/x"},
		{"appserver", "TRANSCODE_TEMPLATE", "a/b"},
		{"appserver", "CATALOGUE_BUCKET", "oss://b"},
	} {
		env := good()
		env[c.name] = c.value
		if _, err := config.Load(c.fn, from(env)); err == nil || !strings.Contains(err.Error(), c.name+" must be") {
			t.Errorf("%s=%s: got %v", c.name, c.value, err)
		}
	}
}

func TestTheAppServersChoicesArriveTyped(t *testing.T) {
	env := good()
	env["STS_ROLE_ARN"] = "acs:ram::1234567890123456:role/apps"
	c, err := config.Load("appserver", from(env))
	want := config.AppServer{GuestUpload: true, Review: "ai", Account: "alivod/main", RoleARN: "acs:ram::1234567890123456:role/apps", CatalogueBucket: "inbox-1"}
	if err != nil || c.AppServer != want || c.VOD.Region != "cn-shanghai" {
		t.Errorf("got %+v, %v, want %+v", c.AppServer, err, want)
	}
	if c.Inbox != "" || c.MachineARN != "" {
		t.Error("it read what it does not need")
	}
}

func TestTheSettleLagIsADuration(t *testing.T) {
	if c, err := config.Load("finalize", from(good())); err != nil || c.Waits.SettleLag != 30*time.Minute {
		t.Errorf("got %v, %v", c.Waits, err)
	}
}

func TestLegacyMayUseTheQuery(t *testing.T) {
	env := good()
	env["DOUYIN_GENERATION"], env["DOUYIN_AUTH"] = "legacy", "query"
	if _, err := config.Load("finalize", from(env)); err != nil {
		t.Error(err)
	}
}

func TestAnUnknownFunctionIsInvalid(t *testing.T) {
	if _, err := config.Load("nobody", from(good())); fault.KindOf(err) != fault.Invalid || err == nil {
		t.Errorf("got %v", err)
	}
}
