package buildcheck

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
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
	allowed := []string{"requestTime", "requestId", "identity.sourceIp", "httpMethod", "routeKey", "path", "status", "responseLength", "responseLatency", "error.messageString", "authorizer.claims.sub"}
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

// storeRules: what cannot be made again is not deleted, and what is stored is closed and sealed.
func storeRules(t *template.Template) (f findings) {
	for _, id := range []string{"Table", "Inbox", "SealKey"} {
		if t.Resources[id].Deletion != "Retain" {
			f.add("%s is deleted with the stack", id)
		}
	}
	for what, good := range map[string]bool{
		"deletion protection":        at(t.Resources["Table"].Properties, "DeletionProtectionEnabled") == true,
		"point in time recovery":     at(t.Resources["Table"].Properties, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") == true,
		"time to live":               at(t.Resources["Table"].Properties, "TimeToLiveSpecification", "Enabled") == true,
		"encryption with KMS":        at(t.Resources["Table"].Properties, "SSESpecification", "SSEType") == "KMS",
		"the inbox's events":         at(t.Resources["Inbox"].Properties, "NotificationConfiguration", "EventBridgeConfiguration", "EventBridgeEnabled") == true,
		"rotation of the key":        at(t.Resources["SealKey"].Properties, "EnableKeyRotation") == true,
		"encryption of dead letters": at(t.Resources["DeadLetters"].Properties, "SqsManagedSseEnabled") == true,
	} {
		if !good {
			f.add("%s is off", what)
		}
	}
	for _, block := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
		if at(t.Resources["Inbox"].Properties, "PublicAccessBlockConfiguration", block) != true {
			f.add("the inbox may be made public: %s", block)
		}
	}
	aborts := false
	for _, r := range list(at(t.Resources["Inbox"].Properties, "LifecycleConfiguration", "Rules")) {
		aborts = aborts || at(r, "AbortIncompleteMultipartUpload", "DaysAfterInitiation") == 7
	}
	if !aborts {
		f.add("unfinished uploads to the inbox are paid for ever")
	}
	return f
}

// statement is one of a role's.
type statement struct {
	Sid, Action string
	Resource    any
	Condition   any
}

// statements reads the inline policies of a role; what SAM adds to each generated role by itself (the log, the trace, the
// dead letter queue) is not among them.
func statements(policies []any, f *findings, owner string) (out []statement) {
	seen := map[string]bool{}
	for _, p := range policies {
		for _, s := range list(at(p, "Statement")) {
			action, ok := at(s, "Action").(string)
			st := statement{Sid: text(at(s, "Sid")), Action: action, Resource: at(s, "Resource"), Condition: at(s, "Condition")}
			if !ok {
				f.add("%s.%s has not exactly one action", owner, st.Sid)
			}
			if at(s, "Effect") != "Allow" || st.Sid == "" || seen[st.Sid] {
				f.add("%s.%s: wants Allow and a name of its own", owner, st.Sid)
			}
			seen[st.Sid] = true
			out = append(out, st)
		}
		if len(list(at(p, "Statement"))) == 0 {
			f.add("%s has a policy that this test cannot read", owner)
		}
	}
	return out
}

// anyResource is why an action is allowed on every resource. There is no other.
func anyResource() map[string]string {
	const log = "Step Functions guide, Logging to CloudWatch: the actions of log delivery know no resources"
	return map[string]string{
		"logs:CreateLogDelivery": log, "logs:GetLogDelivery": log, "logs:UpdateLogDelivery": log, "logs:DeleteLogDelivery": log, "logs:ListLogDeliveries": log,
		"logs:PutResourcePolicy": log, "logs:DescribeResourcePolicies": log, "logs:DescribeLogGroups": log,
	}
}

// policyRules: one action for each statement, none with a wildcard, and every resource by its name.
func policyRules(t *template.Template) (f findings) {
	roles := map[string][]any{}
	for name, fn := range t.Functions {
		roles[name] = fn.Policies
		for _, s := range statements(fn.Policies, new(findings), name) {
			if r := resourceText(s.Resource); r == "*" {
				f.add("%s.%s: a function has no business with every resource", name, s.Sid)
			}
			if strings.HasPrefix(s.Action, "kms:") && fmt.Sprint(s.Condition) != "map[StringEquals:map[kms:EncryptionContext:app:vodlift]]" {
				f.add("%s.%s: the key serves more than our records", name, s.Sid)
			}
		}
	}
	for id := range t.Machines {
		roles[id] = list(t.Resources[id].Properties["Policies"])
	}
	unused := anyResource()
	for owner, policies := range roles {
		for _, s := range statements(policies, &f, owner) {
			r := resourceText(s.Resource)
			switch {
			case strings.Contains(s.Action, "*"):
				f.add("%s.%s: %s has a wildcard", owner, s.Sid, s.Action)
			case r == "*" && anyResource()[s.Action] == "":
				f.add("%s.%s: %s on every resource, without a reason", owner, s.Sid, s.Action)
			case r != "*" && strings.Contains(strings.TrimSuffix(r, "Inbox.Arn}/*"), "*"):
				f.add("%s.%s: %s", owner, s.Sid, r)
			}
			if r == "*" {
				delete(unused, s.Action)
			}
		}
	}
	for a := range unused {
		f.add("%s has a reason for every resource and is in no role", a)
	}
	return f
}

// resourceText is the text of a resource, its function's argument where it is one.
func resourceText(v any) string {
	if in, ok := v.(template.Intrinsic); ok {
		return text(in.Arg)
	}
	return text(v)
}

var accountNumber = regexp.MustCompile(`(^|[^0-9a-zA-Z])[0-9]{12}($|[^0-9a-zA-Z])`)

// textRules: no text names a partition or an account.
func textRules(t *template.Template) (f findings) {
	var walk func(place string, v any)
	walk = func(place string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(place+"."+k, e)
			}
		case []any:
			for _, e := range v {
				walk(place, e)
			}
		case template.Intrinsic:
			walk(place, v.Arg)
		case string:
			if strings.Contains(v, "arn:aws") || strings.Contains(v, "amazonaws.com") && !strings.HasSuffix(place, "Service") && !strings.HasSuffix(place, "Principal") && !strings.HasSuffix(place, "PolicyDocument") {
				f.add("%s names a partition: %s", place, v)
			}
			if accountNumber.MatchString(v) {
				f.add("%s holds the number of an account", place)
			}
		}
	}
	for id, r := range t.Resources {
		walk(id, r.Properties)
	}
	walk("Outputs", t.Outputs)
	return f
}

// alarmRules: an alarm on a metric that nobody writes never rings. Ours come from filters of this template; faults and
// duration by function are written at the end of every invocation (package handler).
func alarmRules(t *template.Template) (f findings) {
	written := map[string]string{"faults": "function", "duration": "function"}
	for _, id := range ids(t, "AWS::Logs::MetricFilter") {
		p := t.Resources[id].Properties
		for _, m := range list(p["MetricTransformations"]) {
			dims := list(at(m, "Dimensions"))
			key := ""
			if len(dims) == 1 {
				key = text(at(dims[0], "Key"))
			}
			written[text(at(m, "MetricName"))] = key
		}
		if t.Resources[logical(p["LogGroupName"])].Type != "AWS::Logs::LogGroup" {
			f.add("%s reads a log group that is not ours", id)
		}
	}
	used := map[string]bool{}
	check := func(place, metric string, dims []string) {
		used[metric] = true
		if key, ok := written[metric]; !ok || strings.Join(dims, ",") != key {
			f.add("%s: nobody writes %s by %v", place, metric, dims)
		}
	}
	alarms := ids(t, "AWS::CloudWatch::Alarm")
	for _, id := range alarms {
		p := t.Resources[id].Properties
		if p["AlarmActions"] == nil || text(p["AlarmDescription"]) == "" {
			f.add("%s tells nobody, or nothing", id)
		}
		var dims []string
		for _, d := range list(p["Dimensions"]) {
			dims = append(dims, text(at(d, "Name")))
		}
		if p["Namespace"] == "vodlift" {
			check(id, text(p["MetricName"]), dims)
		}
	}
	if len(alarms) < 10 {
		f.add("only %d alarms", len(alarms))
	}
	board := text(dashboard(t).Arg)
	for _, m := range regexp.MustCompile(`\["vodlift", ([^\]]*)\]`).FindAllStringSubmatch(board, -1) {
		words := regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(m[1], -1)
		var dims []string
		for i := 1; i < len(words); i += 2 {
			dims = append(dims, words[i][1])
		}
		check("Dashboard", words[0][1], dims)
	}
	for _, name := range t.Names() {
		if !strings.Contains(board, `"function", "`+name+`"]`) || !strings.Contains(board, "${"+t.Functions[name].LogicalID+"}") {
			f.add("the dashboard does not show %s", name)
		}
	}
	for m := range written {
		if !used[m] && m != "duration" {
			f.add("nobody looks at %s", m)
		}
	}
	return f
}

func dashboard(t *template.Template) template.Intrinsic {
	in, _ := t.Resources["Dashboard"].Properties["DashboardBody"].(template.Intrinsic)
	return in
}

// outputRules: each says what to do with it.
func outputRules(t *template.Template) (f findings) {
	for name, o := range t.Outputs {
		if text(at(o, "Description")) == "" {
			f.add("%s has no description", name)
		}
	}
	for _, want := range []string{"InboxBucket", "ApiUrl", "AppServerUrl", "LoginPage", "VodCallbackUrl", "DouyinWebhookUrl", "ConsoleUrl", "StateMachineArn", "TableName"} {
		if t.Outputs[want] == nil {
			f.add("%s is not told", want)
		}
	}
	return f
}

// TestEachRuleFindsItsFault breaks template.yaml in one place at a time.
func TestEachRuleFindsItsFault(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	whole := string(b)
	for _, c := range []struct{ name, rule, old, new, want string }{
		{"no tracing", "logs", "    Tracing: Active\n", "", "is not traced"},
		{"a log for ever", "logs", "/ingest\"\n      RetentionInDays: !Ref LogDays\n", "/ingest\"\n", "IngestLog keeps everything for ever"},
		{"a shared log", "logs", "LoggingConfig: {LogGroup: !Ref ParkLog}", "LoggingConfig: {LogGroup: !Ref IngestLog}", "share a log group"},
		{"tokens in the machine's log", "machine", "IncludeExecutionData: false", "IncludeExecutionData: true", "no data"},
		{"a schedule without a queue", "deadletters", "            Input: '{\"v\":1,\"job\":\"books\"}'\n            DeadLetterConfig: {Arn: !GetAtt DeadLetters.Arn}\n", "            Input: '{\"v\":1,\"job\":\"books\"}'\n", "reconcile.Books"},
		{"a function without a queue", "deadletters", "      LoggingConfig: {LogGroup: !Ref IngestLog}\n      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt DeadLetters.Arn}\n", "      LoggingConfig: {LogGroup: !Ref IngestLog}\n", "ingest: invoked without waiting true"},
		{"an open route without a limit", "routes", "        \"ANY /demo/{call+}\": {ThrottlingBurstLimit: 10, ThrottlingRateLimit: 5}\n", "", "ANY /demo/{call+} is open"},
		{"an open console", "routes", "            Path: /api/{proxy+}\n", "            Path: /api/{proxy+}\n            Auth: {Authorizer: NONE}\n", `ANY /api/{proxy+} has the authorizer "NONE"`},
		{"a limit of no route", "routes", "\"POST /forwarded/vod\": {", "\"POST /forwarded/vodd\": {", "is no route"},
		{"a query in the log", "accesslog", "\"path\":\"$context.path\",\"status\":\"$context.status\",\"bytes\"", "\"path\":\"$context.customDomain.basePathMatched\",\"status\":\"$context.status\",\"bytes\"", "logs $context.customDomain"},
		{"a pool without an operator", "console", "    Type: AWS::Cognito::UserPool\n    Condition: HasOperators\n", "    Type: AWS::Cognito::UserPool\n", "Operators is there"},
		{"a viewer who acts", "console", "RouteKey: POST /api/apps/{platform}\n      Target: !Sub \"integrations/${ConsoleIntegration}\"\n      AuthorizationType: JWT\n      AuthorizerId: !Ref ConsoleAuthorizer\n      AuthorizationScopes: [vodlift/admin]", "RouteKey: POST /api/apps/{platform}\n      Target: !Sub \"integrations/${ConsoleIntegration}\"\n      AuthorizationType: JWT\n      AuthorizerId: !Ref ConsoleAuthorizer\n      AuthorizationScopes: [vodlift/viewer]", "ConsoleApps lets a viewer"},
		{"a table that goes with the stack", "stores", "DeletionProtectionEnabled: true", "DeletionProtectionEnabled: false", "deletion protection is off"},
		{"a public bucket", "stores", "BlockPublicPolicy: true", "BlockPublicPolicy: false", "BlockPublicPolicy"},
		{"two actions", "policies", "Action: states:SendTaskSuccess", "Action: [states:SendTaskSuccess, states:SendTaskFailure]", "not exactly one action"},
		{"a wildcard action", "policies", "Action: dynamodb:GetItem", "Action: \"dynamodb:*\"", "has a wildcard"},
		{"every resource", "policies", "Action: states:StartExecution, Resource: !Sub \"arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${AWS::StackName}-publish\"", "Action: states:StartExecution, Resource: \"*\"", "on every resource"},
		{"a wider resource", "policies", "stateMachine:${AWS::StackName}-publish\"}", "stateMachine:*\"}", "stateMachine:*"},
		{"a key for everything", "policies", ", Condition: {StringEquals: {\"kms:EncryptionContext:app\": vodlift}}", "", "serves more"},
		{"a partition", "text", "arn:${AWS::Partition}:events", "arn:aws:events", "names a partition"},
		{"an account", "text", "Description: In CloudWatch.", "Description: In CloudWatch of 123456789012.", "number of an account"},
		{"a metric that nobody writes", "alarms", "      MetricName: told\n", "      MetricName: uploads_ended\n", "nobody writes uploads_ended"},
		{"a function off the dashboard", "alarms", "           [\"vodlift\", \"faults\", \"function\", \"park\"],\n", "", "does not show park"},
		{"a nameless output", "outputs", "    Description: The ledger.\n", "", "TableName has no description"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(whole, c.old) {
				t.Fatalf("template.yaml has no %q to break", c.old)
			}
			tpl, err := template.Parse([]byte(strings.ReplaceAll(whole, c.old, c.new)))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(deployRules()[c.rule](tpl), "\n"); !strings.Contains(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}
