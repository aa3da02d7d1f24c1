package buildcheck

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/vodlift/vodlift/local/template"
	"io/fs"
	"os"
	"path/filepath"
)

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
			case r != "*" && r != "${Inbox.Arn}/*" && r != "${Inbox.Arn}/catalogue/*" && strings.Contains(r, "*"):
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

// writtenMetric is a call that writes a metric: its name and, where it has one, its dimension.
var writtenMetric = regexp.MustCompile(`etric\(ctx, "([a-z_]+)", "[A-Za-z/]+", [^"\n]*(?:"([a-z]+)")?`)

// programMetrics are the metrics that the program itself writes, with their dimension: as the calls in shared/ say.
func programMetrics() map[string]string {
	out := map[string]string{"faults": "function", "duration": "function"} // at the end of every invocation (package handler)
	_ = filepath.WalkDir(filepath.Join(root, "shared"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range writtenMetric.FindAllSubmatch(b, -1) {
			out[string(m[1])] = string(m[2])
		}
		return err
	})
	return out
}

// alarmRules: an alarm on a metric that nobody writes never rings. Ours come from the program, and from filters of this
// template.
func alarmRules(t *template.Template) (f findings) {
	written := programMetrics()
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
