package buildcheck

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/template"
)

// deployRules are what template.yaml has to keep to (issue "Deployable on the first try"), each as a function from the
// template to what is wrong with it, so that the tests of the rules themselves can show them a broken one.
func deployRules() map[string]func(*template.Template) findings {
	return map[string]func(*template.Template) findings{
		"logs":        logRules,
		"machine":     machineRules,
		"deadletters": deadLetterRules,
		"routes":      routeRules,
		"accesslog":   accessLogRules,
		"console":     consoleRules,
		"stores":      storeRules,
		"policies":    policyRules,
		"text":        textRules,
		"alarms":      alarmRules,
		"outputs":     outputRules,
	}
}

func TestTheTemplateKeepsToEveryRule(t *testing.T) {
	tpl := deployed(t)
	for name, rule := range deployRules() {
		for _, wrong := range rule(tpl) {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}

// findings gathers what is wrong.
type findings []string

func (f *findings) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// at walks down maps; nil where the way ends.
func at(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

func text(v any) string { s, _ := v.(string); return s }

func list(v any) []any { l, _ := v.([]any); return l }

// logical is the logical id that a Ref or a GetAtt names.
func logical(v any) string {
	in, _ := v.(template.Intrinsic)
	id, _, _ := strings.Cut(text(in.Arg), ".")
	return id
}

func ids(t *template.Template, kind string) (out []string) {
	for _, id := range slices.Sorted(maps.Keys(t.Resources)) {
		if t.Resources[id].Type == kind {
			out = append(out, id)
		}
	}
	return out
}

// logRules: traced, JSON, into a group of its own whose days are limited.
func logRules(t *template.Template) (f findings) {
	for _, id := range ids(t, "AWS::Logs::LogGroup") {
		if t.Resources[id].Properties["RetentionInDays"] == nil {
			f.add("%s keeps everything for ever", id)
		}
	}
	groups := map[string]string{}
	for _, name := range t.Names() {
		p := t.Resources[t.Functions[name].LogicalID].Properties
		if orGlobal(t, p, "Tracing") != "Active" {
			f.add("%s is not traced", name)
		}
		if at(t.Globals, "LoggingConfig", "LogFormat") != "JSON" || at(p, "LoggingConfig", "LogFormat") != nil {
			f.add("%s does not log as JSON", name)
		}
		g := logical(at(p, "LoggingConfig", "LogGroup"))
		if t.Resources[g].Type != "AWS::Logs::LogGroup" {
			f.add("%s has no log group of its own", name)
		} else if groups[g] != "" {
			f.add("%s and %s share a log group", groups[g], name)
		}
		groups[g] = name
	}
	return f
}

func orGlobal(t *template.Template, p map[string]any, name string) any {
	if v := p[name]; v != nil {
		return v
	}
	return t.Globals[name]
}

// machineRules: its log never holds what passes through it, since task tokens do.
func machineRules(t *template.Template) (f findings) {
	for id := range t.Machines {
		p := t.Resources[id].Properties
		if at(p, "Logging", "IncludeExecutionData") != false || at(p, "Logging", "Level") != "ERROR" {
			f.add("%s: the log must have errors only, and no data", id)
		}
		if at(p, "Tracing", "Enabled") != true {
			f.add("%s is not traced", id)
		}
		if p["Type"] != "STANDARD" {
			f.add("%s is of type %v", id, p["Type"])
		}
	}
	return f
}

// deadLetterRules: whatever is delivered without somebody waiting for the answer has a queue for what was refused.
func deadLetterRules(t *template.Template) (f findings) {
	for _, name := range t.Names() {
		p := t.Resources[t.Functions[name].LogicalID].Properties
		async := false
		events, _ := p["Events"].(map[string]any)
		for event, e := range events {
			if k := text(at(e, "Type")); k == "Schedule" || k == "EventBridgeRule" {
				async = true
				if t.Resources[logical(at(e, "Properties", "DeadLetterConfig", "Arn"))].Type != "AWS::SQS::Queue" {
					f.add("%s.%s has no dead letter queue", name, event)
				}
			}
		}
		if has := t.Resources[logical(at(p, "DeadLetterQueue", "TargetArn"))].Type == "AWS::SQS::Queue"; has != async {
			f.add("%s: invoked without waiting %v, has a dead letter queue %v", name, async, has)
		}
	}
	for _, id := range ids(t, "AWS::Events::Rule") {
		for _, x := range list(t.Resources[id].Properties["Targets"]) {
			if t.Resources[logical(at(x, "DeadLetterConfig", "Arn"))].Type != "AWS::SQS::Queue" {
				f.add("%s has a target without a dead letter queue", id)
			}
		}
	}
	return f
}

// openPaths says why a route lets anybody in; no other may.
func openPaths(path string) (why string) {
	for prefix, why := range map[string]string{
		"/callbacks/": "signed by the platform", "/vodcallback/": "signed by the platform", "/forwarded/": "signed by our own function",
		"/oauth/": "the login's own state, random and used once",
		"/vod/":   "the app's token", "/demo/": "off unless DemoEndpoints", "/user/": "where tokens come from", "/music/": "public catalogue",
		"/resource/": "public catalogue", "/font/": "public catalogue",
	} {
		if strings.HasPrefix(path, prefix) {
			return why
		}
	}
	return ""
}

// routeRules: IAM unless there is a reason, and what is open is throttled on its own.
func routeRules(t *template.Template) (f findings) {
	settings, _ := at(t.Resources["Api"].Properties, "RouteSettings").(map[string]any)
	if at(t.Resources["Api"].Properties, "DefaultRouteSettings", "ThrottlingRateLimit") == nil {
		f.add("the API has no rate limit")
	}
	known := map[string]bool{}
	for _, r := range t.Routes {
		known[r.Key()] = true
		switch {
		case r.Auth == "AWS_IAM":
			if openPaths(r.Path) != "" {
				f.add("%s: its callers cannot sign with IAM", r.Key())
			}
		case r.Auth == "NONE" && openPaths(r.Path) != "":
			s := settings[r.Key()]
			rate, ok1 := at(s, "ThrottlingRateLimit").(int)
			burst, ok2 := at(s, "ThrottlingBurstLimit").(int)
			if !ok1 || !ok2 || rate < 1 || burst < rate || rate > 1000 {
				f.add("%s is open and not throttled", r.Key())
			}
		default:
			f.add("%s has the authorizer %q", r.Key(), r.Auth)
		}
	}
	for key := range settings {
		if !known[key] {
			f.add("%s is throttled but is no route", key)
		}
	}
	return f
}

var contextVariable = regexp.MustCompile(`\$context\.[A-Za-z.]+`)

// accessLogRules: a query or a header may be a secret (callbacks, logins, apps), so only named variables are logged.
func accessLogRules(t *template.Template) (f findings) {
	allowed := []string{"requestTime", "requestId", "identity.sourceIp", "httpMethod", "routeKey", "path", "status", "responseLength", "responseLatency", "error.message", "authorizer.claims.sub"}
	n := 0
	for id, r := range t.Resources {
		s := r.Properties["AccessLogSettings"]
		if r.Type != "AWS::Serverless::HttpApi" && r.Type != "AWS::ApiGatewayV2::Stage" {
			continue
		}
		n++
		found := contextVariable.FindAllString(text(at(s, "Format")), -1)
		if len(found) == 0 || at(s, "DestinationArn") == nil {
			f.add("%s has no access log", id)
		}
		for _, v := range found {
			if !slices.Contains(allowed, strings.TrimPrefix(v, "$context.")) {
				f.add("%s logs %s", id, v)
			}
		}
	}
	if n == 0 {
		f.add("there is no API")
	}
	return f
}

// consoleRules: no pool of users, and no API before it, unless there is an operator; and every route of it has a scope.
func consoleRules(t *template.Template) (f findings) {
	for id, r := range t.Resources {
		if strings.HasPrefix(r.Type, "AWS::Cognito::") || strings.HasPrefix(r.Type, "AWS::ApiGatewayV2::") {
			if r.Condition != "HasOperators" {
				f.add("%s is there without an operator", id)
			}
		}
		if r.Type == "AWS::ApiGatewayV2::Route" {
			scopes := list(r.Properties["AuthorizationScopes"])
			if r.Properties["AuthorizationType"] != "JWT" || len(scopes) != 1 || !slices.Contains([]any{"vodlift/viewer", "vodlift/operator", "vodlift/admin"}, scopes[0]) {
				f.add("%s: wants a JWT with one of our scopes", id)
			}
			if m, _, _ := strings.Cut(text(r.Properties["RouteKey"]), " "); m != "GET" && slices.Contains(scopes, any("vodlift/viewer")) {
				f.add("%s lets a viewer change things", id)
			}
		}
		if r.Type == "AWS::ApiGatewayV2::Authorizer" && len(list(at(r.Properties, "JwtConfiguration", "Audience"))) != 1 {
			f.add("%s checks no audience", id)
		}
	}
	return f
}
