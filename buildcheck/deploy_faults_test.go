package buildcheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/template"
)

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
