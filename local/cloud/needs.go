package cloud

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vodlift/vodlift/local/template"
)

// Settings are the template's parameters as they are deployed, or would be.
type Settings struct {
	PoolGlobal, PoolAccount, MaxRanges int
	// Rate and Burst are what the routes of the HTTP API let through together when all are at their limits.
	Rate, Burst int
	// Rules are the bus rules and schedules that the template makes, by logical id.
	Rules []string
	// Kept are the resources that outlive the stack, by logical id.
	Kept []string
	// names are the template's parameters.
	names map[string]bool
}

// SettingsOf reads template.yaml, with values in place of its defaults: a deployed stack's parameters, what is planned.
func SettingsOf(t *template.Template, values map[string]string) (Settings, error) {
	s := Settings{names: map[string]bool{}}
	number := func(name string) (int, error) {
		v := fmt.Sprint(t.Parameters[name])
		if given, ok := values[name]; ok {
			v = given
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return 0, fmt.Errorf("the parameter %s is %q: want a whole number above 0", name, v)
		}
		return n, nil
	}
	for name := range t.Parameters {
		s.names[name] = true
	}
	for name := range values {
		if !s.names[name] {
			return s, fmt.Errorf("template.yaml has no parameter %s; it has %s", name, strings.Join(slices.Sorted(maps.Keys(s.names)), ", "))
		}
	}
	var err error
	for name, to := range map[string]*int{"PoolGlobal": &s.PoolGlobal, "PoolAccount": &s.PoolAccount, "MaxRanges": &s.MaxRanges} {
		if *to, err = number(name); err != nil {
			return s, err
		}
	}
	for _, r := range t.Rules {
		s.Rules = append(s.Rules, logicalOf(t, r.Function)+r.Event)
	}
	for _, r := range t.Schedules {
		s.Rules = append(s.Rules, logicalOf(t, r.Function)+r.Event)
	}
	for _, id := range slices.Sorted(maps.Keys(t.Resources)) {
		r := t.Resources[id]
		switch {
		case r.Type == "AWS::Events::Rule":
			s.Rules = append(s.Rules, id)
		case r.Type == "AWS::Serverless::HttpApi":
			rate, burst := throttles(r.Properties)
			s.Rate, s.Burst = s.Rate+rate, s.Burst+burst
		}
		if r.Deletion == "Retain" {
			s.Kept = append(s.Kept, id)
		}
	}
	slices.Sort(s.Rules)
	return s, nil
}

// logicalOf is the logical id that SAM gives to what a function's event makes, but for the event's name.
func logicalOf(t *template.Template, function string) string { return t.Functions[function].LogicalID }

// throttles adds up what an API's routes let through: the default once, and each that has its own.
func throttles(props map[string]any) (rate, burst int) {
	add := func(v any) {
		m, _ := v.(map[string]any)
		r, _ := m["ThrottlingRateLimit"].(int)
		b, _ := m["ThrottlingBurstLimit"].(int)
		rate, burst = rate+r, burst+b
	}
	add(props["DefaultRouteSettings"])
	routes, _ := props["RouteSettings"].(map[string]any)
	for _, v := range routes {
		add(v)
	}
	return rate, burst
}

// headroom is what runs beside the ranges that are being carried: one step of the machine, the sweep, a token's renewal,
// a callback or a drop, and one call of people or apps.
const headroom = 5

// Quota is one limit of the account and what the settings need of it.
type Quota struct {
	What    string
	Service string // as Service Quotas calls it
	Code    string // "" = found by its name
	Name    string // as Service Quotas calls it
	Unit    string
	Need    int
	Ask     int    // what to ask for where there is too little; at least Need
	Why     string // what the settings need it for
}

// Quotas are the limits that the settings come near. The rates are deliberately high guesses:
//
//   - A range of 64 MiB takes a function about a second at best, so PoolGlobal ranges end at most PoolGlobal times a second,
//     each with up to 3 transitions around it (Range, More?, RangePause); an upload of one range adds 12 of its own.
//   - An execution starts per upload, and the sweep starts up to 25 a second of those that wait.
//   - One function call opens at most 4 sealed records (token, session, app key, park); a call of people or apps 2.
//   - One range writes a chunk of receipts and its lease each second at most, and reads as often.
func (s Settings) Quotas() []Quota {
	ends := s.PoolGlobal
	starts, moves := ends+25, ends*(3+12)+25
	opens := 4*ends + 2*s.Rate
	writes := 4*s.PoolGlobal + 4*s.Rate
	return []Quota{
		{What: "API requests", Service: "apigateway", Code: "L-8A5B8E43", Name: "Throttle rate", Unit: "a second", Need: s.Rate, Ask: 10000, Why: "all routes at their limits; every API of the account shares it"},
		{What: "API burst", Service: "apigateway", Code: "L-CDF5615A", Name: "Throttle burst rate", Unit: "at once", Need: s.Burst, Ask: 5000, Why: "all routes at their limits; AWS sets it by the rate"},
		{What: "starts, bucket", Service: "states", Name: "StartExecution throttle token bucket size", Unit: "at once", Need: starts, Ask: starts * 2, Why: "the starts of many uploads at once; what is throttled the sweep starts a minute later"},
		{What: "starts, refill", Service: "states", Name: "StartExecution throttle token refill rate per second", Unit: "a second", Need: starts, Ask: starts * 2, Why: "the starts of many uploads at once, for longer than a moment"},
		{What: "transitions, bucket", Service: "states", Name: "StateTransition throttle token bucket size", Unit: "at once", Need: moves, Ask: moves * 2, Why: "ranges that end, PoolGlobal of them each second; what is throttled comes later"},
		{What: "transitions, refill", Service: "states", Name: "StateTransition throttle token refill rate per second", Unit: "a second", Need: moves, Ask: moves * 2, Why: "ranges that end, for longer than a moment"},
		{What: "KMS requests", Service: "kms", Code: "L-6E3AF000", Name: "Cryptographic operations (symmetric) request rate", Unit: "a second", Need: opens, Ask: opens * 2, Why: "sealed records that are opened; everything in the account shares it"},
		{What: "table reads", Service: "dynamodb", Code: "L-CF0CBE56", Name: "Table-level read throughput limit", Unit: "units a second", Need: writes * 2, Ask: writes * 4, Why: "strongly consistent reads of the ledger; a new on-demand table begins at 12000 and grows by itself"},
		{What: "table writes", Service: "dynamodb", Code: "L-AB614373", Name: "Table-level write throughput limit", Unit: "units a second", Need: writes, Ask: writes * 2, Why: "the ledger; a new on-demand table begins at 4000 and grows by itself"},
	}
}

// Concurrency is the quota of functions that run at once. What other functions reserve is not ours to use.
func (s Settings) Concurrency(reserved int) Quota {
	need := s.PoolGlobal + headroom
	ask := max(1000, need+reserved) // AWS's own standard value: it grants that to a new account, and refuses less
	return Quota{What: "functions at once", Service: "lambda", Code: "L-B99A9384", Name: "Concurrent executions", Unit: "at once", Need: need, Ask: ask,
		Why: fmt.Sprintf("PoolGlobal %d and %d beside it", s.PoolGlobal, headroom)}
}

// Request is the command that asks AWS for more.
func (q Quota) Request(region string, value int) string {
	return fmt.Sprintf("aws service-quotas request-service-quota-increase --service-code %s --quota-code %s --desired-value %d --region %s", q.Service, q.Code, value, region)
}

func number(f float64) string {
	if f == math.Trunc(f) {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}
