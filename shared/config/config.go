// Package config reads the environment of a function once, into typed values, and reports every missing or malformed
// name together. It exists so that a function says at its start what is wrong, and not at its hundredth upload.
//
// It makes no call to anything, reads no secret (app keys, tokens and keys are sealed records in the table) and repeats
// no value in an error: what people put into the wrong variable may be one.
package config

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/upload"
)

// Config is what one function reads; what it does not read is zero.
type Config struct {
	Function   string
	LogLevel   slog.Level      // LOG_LEVEL
	Table      string          // TABLE_NAME
	MachineARN string          // STATE_MACHINE_ARN
	Inbox      string          // INBOX_BUCKET
	Routes     json.RawMessage // ROUTES: a JSON list; package manifest reads it
	KMSKey     string          // KMS_KEY_ID
	EventBus   string          // EVENT_BUS_NAME
	Pools      Pools
	Plan       Plan
	Douyin     Douyin
	VOD        VOD
	AppServer  AppServer
	Waits      Waits
	OSSBuckets map[string]string // OSS_BUCKETS, optional: buckets of OSS that videos are read from, with their endpoints
	Paces      map[string]Pace   // PACES, optional: by target or account
	Handover   []string          // HANDOVER, optional: targets and accounts whose posts a person may make by hand
	StartsFrom time.Time         // STARTS_FROM: older objects are never started by a sweep
}

// Pace is how often an account publishes; see state.Pace.
type Pace struct {
	PerDay int
	GapMin time.Duration
	GapMax time.Duration
}

// Pools are the ranges that may be carried at once (design 2, admission).
type Pools struct {
	Global  int // POOL_GLOBAL
	Account int // POOL_ACCOUNT
}

// Plan bounds how an upload is cut into ranges.
type Plan struct {
	MinRange  int64 // MIN_RANGE_BYTES
	MaxRanges int   // MAX_RANGES, at most 40
}

// Douyin says which of the publish calls the app was granted, and how the token travels (reference douyin A.3).
type Douyin struct {
	BaseURL    string // DOUYIN_BASE_URL: https, a name and no address
	Generation string // DOUYIN_GENERATION: legacy or v1
	Auth       string // DOUYIN_AUTH: header or query; v1 knows only header
}

// VOD is where Alibaba Cloud VOD is asked.
type VOD struct {
	Region string // VOD_REGION: cn-shanghai
}

// AppServer are the choices of who runs the API of the apps (design 2). Account, Review and TranscodeTemplate are read by
// vodcallback and reconcile too, which move the apps' videos without a caller.
type AppServer struct {
	OpenSignup        bool           // OPEN_SIGNUP: anybody may register
	DemoEndpoints     bool           // DEMO_ENDPOINTS: /demo/*, which give upload credentials without a token
	GuestUpload       bool           // GUEST_UPLOAD: users of randomUser may upload
	Review            string         // REVIEW: ai or none
	Account           upload.Account // VOD_ACCOUNT: whose RAM key is used
	RoleARN           string         // STS_ROLE_ARN, optional: of getSts
	TranscodeTemplate string         // TRANSCODE_TEMPLATE, optional: template group of VOD
	CatalogueBucket   string         // CATALOGUE_BUCKET: where music, stickers and fonts lie
	AllowOrigin       string         // ALLOW_ORIGIN, optional: the one site, or *, whose pages may call the API
}

// Waits are how long the looks and polls wait. Zero = the defaults of package workflow.
type Waits struct {
	SettleLag time.Duration   // SETTLE_LAG
	Looks     []time.Duration // LOOK_WAITS: "30s,1m,2m"
	PollFirst time.Duration   // POLL_FIRST
	PollMost  time.Duration   // POLL_MOST
}

// variable is one name of the environment. preset is its value when it is absent; required ones have none.
type variable struct {
	name     string
	required bool
	preset   string
	set      func(c *Config, value string) (rule string) // "" = good
}

// needs lists what each function reads. template.yaml is checked against it.
func needs() map[string][]string {
	base := []string{"TABLE_NAME", "LOG_LEVEL", "PACES", "HANDOVER"}
	pools := []string{"POOL_GLOBAL", "POOL_ACCOUNT"} // of every function that gives a grant back or wakes the next
	douyin := []string{"DOUYIN_BASE_URL", "DOUYIN_GENERATION", "DOUYIN_AUTH"}
	waits := []string{"LOOK_WAITS", "POLL_FIRST", "POLL_MOST"}
	vod := []string{"VOD_REGION"}
	videos := []string{"VOD_REGION", "VOD_ACCOUNT", "REVIEW", "TRANSCODE_TEMPLATE"} // of every function that moves the apps' videos
	targets := slices.Concat(douyin, vod)                                           // of every function that speaks to platforms
	return map[string][]string{
		"ingest":       slices.Concat(base, []string{"STATE_MACHINE_ARN", "INBOX_BUCKET", "ROUTES", "STARTS_FROM", "KMS_KEY_ID", "OSS_BUCKETS"}),
		"vodcallback":  slices.Concat(base, pools, videos, []string{"KMS_KEY_ID"}),
		"initupload":   slices.Concat(base, pools, targets, waits, []string{"KMS_KEY_ID", "MIN_RANGE_BYTES", "MAX_RANGES", "OSS_BUCKETS"}),
		"uploadpart":   slices.Concat(base, targets, []string{"KMS_KEY_ID", "OSS_BUCKETS"}),
		"finalize":     slices.Concat(base, pools, targets, videos[1:], waits, []string{"KMS_KEY_ID", "SETTLE_LAG"}),
		"park":         slices.Concat(base, pools, []string{"KMS_KEY_ID"}),
		"refreshtoken": slices.Concat(base, pools, targets, []string{"STATE_MACHINE_ARN", "KMS_KEY_ID", "ROUTES"}),
		"console":      slices.Concat(base, pools, targets, waits, []string{"STATE_MACHINE_ARN", "INBOX_BUCKET", "KMS_KEY_ID", "ROUTES", "MIN_RANGE_BYTES", "MAX_RANGES", "VOD_ACCOUNT"}),
		"reconcile":    slices.Concat(base, pools, douyin, videos, []string{"STATE_MACHINE_ARN", "INBOX_BUCKET", "KMS_KEY_ID", "ROUTES", "STARTS_FROM", "EVENT_BUS_NAME", "OSS_BUCKETS"}),
		"appserver": slices.Concat(base, videos, []string{"KMS_KEY_ID", "OPEN_SIGNUP", "DEMO_ENDPOINTS", "GUEST_UPLOAD",
			"STS_ROLE_ARN", "CATALOGUE_BUCKET", "ALLOW_ORIGIN"}),
	}
}

// Functions lists the functions that Load knows, in order.
func Functions() []string {
	var names []string
	for n := range needs() {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Names lists what a function reads: what must be set, and what has a default.
func Names(function string) (required, optional []string) {
	for _, n := range needs()[function] {
		if variables()[n].required {
			required = append(required, n)
		} else {
			optional = append(optional, n)
		}
	}
	slices.Sort(required)
	slices.Sort(optional)
	return required, optional
}

// Load reads what a function needs through lookup (os.LookupEnv). An empty value counts as absent. The error is Invalid
// and names every variable that is missing or malformed, with the rule it breaks.
func Load(function string, lookup func(string) (string, bool)) (Config, error) {
	c := Config{Function: function}
	names, ok := needs()[function]
	if !ok {
		return Config{}, fault.Newf(fault.Invalid, "config.Load", "there is no function %q; there are %s", function, strings.Join(Functions(), ", "))
	}
	all := variables()
	var missing, bad []string
	for _, name := range names {
		v := all[name]
		value, _ := lookup(name)
		if value = strings.TrimSpace(value); value == "" {
			value = v.preset
		}
		if value == "" {
			if v.required {
				missing = append(missing, name)
			}
			continue
		}
		if rule := v.set(&c, value); rule != "" {
			bad = append(bad, name+" must be "+rule)
		}
	}
	if slices.Contains(names, "DOUYIN_AUTH") && c.Douyin.Generation == "v1" && c.Douyin.Auth == "query" {
		bad = append(bad, "DOUYIN_AUTH must be header where DOUYIN_GENERATION is v1")
	}
	if len(missing)+len(bad) == 0 {
		return c, nil
	}
	var parts []string
	if len(missing) > 0 {
		slices.Sort(missing)
		parts = append(parts, "missing: "+strings.Join(missing, ", "))
	}
	slices.Sort(bad)
	f := fault.Newf(fault.Invalid, "config.Load", "the environment of %s: %s", function, strings.Join(append(parts, bad...), "; "))
	f.Effect, f.Actor = fault.EffectNone, fault.ActorOperator
	return Config{}, f
}
