package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/vodlift/vodlift/shared/fault"
)

// States of a Line.
const (
	OK   = "ok"
	Note = "note" // worth knowing; nobody has to do anything
	Turn = "turn" // somebody has to
)

// Line is one line of a check.
type Line struct {
	What  string      `json:"what"`
	State string      `json:"state"`
	Whose fault.Actor `json:"whose,omitempty"`
	Have  string      `json:"have,omitempty"` // the account's value
	Need  string      `json:"need,omitempty"` // what the settings need
	Text  string      `json:"text"`
	Do    string      `json:"do,omitempty"` // what to do, often a command
}

func turn(what, text, do string) Line {
	return Line{What: what, State: Turn, Whose: fault.ActorOperator, Text: text, Do: do}
}

// Failed is the line of something that could not be asked.
func (a *Account) Failed(what string, err error) Line {
	l := turn(what, "could not be asked: "+a.Explain(err), "mend that, then run this again")
	if act := Denied(err); act != "" {
		l.Do = "have " + act + " allowed to whoever runs this (it only reads), then run this again"
	}
	return l
}

// Check looks at everything that can be read without changing anything. st is nil before the first deployment. A check
// that cannot be made is a line, too; only the end of ctx is an error.
func (a *Account) Check(ctx context.Context, s Settings, st *Stack) ([]Line, error) {
	who, err := a.checkWho(ctx)
	out := []Line{who}
	if err != nil && Denied(err) == "" {
		return out, ctx.Err() // nothing else would be answered either
	}
	out = append(out, a.checkClock(), a.checkConcurrency(ctx, s))
	out = append(out, a.checkQuotas(ctx, s)...)
	out = append(out, a.checkServices(ctx)...)
	if st != nil {
		out = append(out, a.checkStack(ctx, s, *st)...)
	}
	return out, ctx.Err()
}

func (a *Account) checkWho(ctx context.Context) (Line, error) {
	id, err := a.Who(ctx)
	if err != nil {
		return a.Failed("account", err), err
	}
	return Line{What: "account", State: OK, Have: id, Text: "in " + a.Region}, nil
}

// Who is the account, by the last four digits of its id.
func (a *Account) Who(ctx context.Context) (string, error) {
	out, err := a.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	id := aws.ToString(out.Account)
	return "..." + id[max(0, len(id)-4):], nil
}

// maxSkew is how far off a clock may be; AWS refuses signatures at five minutes, and ends of tokens are judged by it.
const maxSkew = time.Minute

func (a *Account) checkClock() Line {
	a.dates.mu.Lock()
	seen, off := a.dates.seen, a.dates.off
	a.dates.mu.Unlock()
	switch {
	case !seen:
		return Line{What: "clock", State: Note, Text: "AWS's answer has no date, so this machine's clock was not compared"}
	case off > maxSkew:
		return turn("clock", fmt.Sprintf("this machine's clock is %s ahead of AWS's", off.Round(time.Second)), "set the clock")
	case -off > maxSkew:
		return turn("clock", fmt.Sprintf("this machine's clock is %s behind AWS's", (-off).Round(time.Second)), "set the clock")
	}
	return Line{What: "clock", State: OK, Text: "agrees with AWS's"}
}

// checkServices asks each service that the template needs for as little as possible: a region that lacks one does not
// answer. Lambda, API Gateway's quotas and CloudFormation were asked before.
func (a *Account) checkServices(ctx context.Context) []Line {
	one := int32(1)
	asks := []struct {
		what string
		ask  func() error
	}{
		{"Step Functions", func() error {
			_, err := a.states.ListStateMachines(ctx, &sfn.ListStateMachinesInput{MaxResults: one})
			return err
		}},
		{"EventBridge", func() error {
			_, err := a.events.ListRules(ctx, &eventbridge.ListRulesInput{Limit: &one})
			return err
		}},
		{"DynamoDB", func() error {
			_, err := a.tables.DescribeLimits(ctx, &dynamodb.DescribeLimitsInput{})
			return err
		}},
		{"KMS", func() error {
			_, err := a.keys.ListKeys(ctx, &kms.ListKeysInput{Limit: &one})
			return err
		}},
	}
	var good []string
	var out []Line
	for _, s := range asks {
		if err := s.ask(); err != nil {
			out = append(out, a.Failed("service "+s.what, err))
			continue
		}
		good = append(good, s.what)
	}
	if len(good) == 0 {
		return out
	}
	return append([]Line{{What: "services", State: OK, Text: strings.Join(good, ", ") + " answer in " + a.Region}}, out...)
}

// checkStack looks at what a deployment left in place.
func (a *Account) checkStack(ctx context.Context, s Settings, st Stack) []Line {
	out := []Line{stackLine(st)}
	if out[0].State == Turn {
		return out
	}
	out = append(out, a.checkInbox(ctx, st.Physical("Inbox")), a.checkTable(ctx, st.Physical("Table")), a.checkKey(ctx, st.Physical("SealKey")), a.checkMachine(ctx, st.Physical("PublishStateMachine")))
	out = append(out, a.checkRules(ctx, s, st)...)
	for _, name := range []string{"VodCallbackUrl", "DouyinWebhookUrl"} {
		out = append(out, a.checkCallback(ctx, name, st.Outputs[name]))
	}
	return out
}

func stackLine(st Stack) Line {
	l := Line{What: "stack " + st.Name, State: OK, Have: st.Status}
	switch {
	case strings.HasSuffix(st.Status, "_IN_PROGRESS"):
		return Line{What: l.What, State: Turn, Whose: fault.ActorPlatform, Have: st.Status, Text: "AWS is still at it", Do: "wait, then run this again"}
	case st.Status == "CREATE_COMPLETE" || st.Status == "UPDATE_COMPLETE":
		l.Text = "deployed"
		return l
	case st.Status == "UPDATE_ROLLBACK_COMPLETE":
		return Line{What: l.What, State: Note, Have: st.Status, Text: "the last change failed and was taken back; the one before it runs"}
	}
	l.State, l.Whose, l.Text = Turn, fault.ActorOperator, "not usable: "+Masked(st.Why)
	l.Do = "read aws cloudformation describe-stack-events --stack-name " + st.Name + ", mend the cause, then sam deploy again"
	if st.Status == "ROLLBACK_COMPLETE" || st.Status == "ROLLBACK_FAILED" || st.Leaving() {
		l.Do = "vodlift destroy --stack-name " + st.Name + ", then sam deploy again"
	}
	return l
}

func missing(what string) Line {
	return turn(what, "the stack has none: it was taken out by hand, or the stack is of another version", "sam deploy again")
}

func (a *Account) checkInbox(ctx context.Context, bucket string) Line {
	const what = "inbox"
	if bucket == "" {
		return missing(what)
	}
	if _, err := a.buckets.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket}); err != nil {
		if code := codeOf(err); code == "NotFound" || code == "NoSuchBucket" {
			return turn(what, "the bucket "+bucket+" does not exist any more", "sam deploy cannot bring back a bucket that was deleted by hand: destroy the stack and deploy anew")
		}
		return a.Failed(what, err)
	}
	n, err := a.buckets.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: &bucket})
	if err != nil {
		return a.Failed("events of the inbox", err)
	}
	if n.EventBridgeConfiguration == nil {
		l := turn("events of the inbox", "the bucket sends no events to EventBridge, so nobody hears of a dropped video before the hourly books",
			fmt.Sprintf("aws s3api put-bucket-notification-configuration --bucket %s --notification-configuration '{\"EventBridgeConfiguration\": {}}' --region %s", bucket, a.Region))
		if len(n.QueueConfigurations)+len(n.TopicConfigurations)+len(n.LambdaFunctionConfigurations) > 0 {
			l.Do = "switch on EventBridge in the bucket's properties (by hand: the bucket has other notifications, which a command would replace)"
		}
		return l
	}
	return Line{What: what, State: OK, Have: bucket, Text: "exists, and sends its events to EventBridge"}
}

func (a *Account) checkTable(ctx context.Context, name string) Line {
	const what = "table"
	if name == "" {
		return missing(what)
	}
	out, err := a.tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil || out.Table == nil {
		return a.Failed(what, orMissing(err, "the table "+name))
	}
	switch {
	case out.Table.TableStatus != ddbtypes.TableStatusActive && out.Table.TableStatus != ddbtypes.TableStatusUpdating:
		return turn(what, "the table is "+string(out.Table.TableStatus), "restore it from its point-in-time backup")
	case !aws.ToBool(out.Table.DeletionProtectionEnabled):
		return turn(what, "the ledger is not protected against deletion", fmt.Sprintf("aws dynamodb update-table --table-name %s --deletion-protection-enabled --region %s", name, a.Region))
	}
	return Line{What: what, State: OK, Have: name, Text: fmt.Sprintf("active, protected against deletion, about %d records", aws.ToInt64(out.Table.ItemCount))}
}

func orMissing(err error, what string) error {
	if err == nil {
		return errors.New(what + " was not described")
	}
	return err
}

func (a *Account) checkKey(ctx context.Context, id string) Line {
	const what = "key"
	if id == "" {
		return missing(what)
	}
	out, err := a.keys.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	if err != nil || out.KeyMetadata == nil {
		return a.Failed(what, orMissing(err, "the key"))
	}
	switch out.KeyMetadata.KeyState {
	case kmstypes.KeyStateEnabled:
		return Line{What: what, State: OK, Text: "the key that seals logins is enabled"}
	case kmstypes.KeyStatePendingDeletion:
		return turn(what, "the key that seals logins is about to be deleted, and every login with it", fmt.Sprintf("aws kms cancel-key-deletion --key-id %[1]s --region %[2]s && aws kms enable-key --key-id %[1]s --region %[2]s", id, a.Region))
	}
	return turn(what, "the key that seals logins is "+string(out.KeyMetadata.KeyState), fmt.Sprintf("aws kms enable-key --key-id %s --region %s", id, a.Region))
}

func (a *Account) checkMachine(ctx context.Context, arn string) Line {
	const what = "machine"
	if arn == "" {
		return missing(what)
	}
	out, err := a.states.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: &arn})
	if err != nil {
		return a.Failed(what, err)
	}
	if out.Status != "ACTIVE" {
		return turn(what, "the state machine is "+string(out.Status), "sam deploy again")
	}
	return Line{What: what, State: OK, Text: "the state machine is active"}
}

// checkRules: without its rules nothing is heard of, woken or renewed.
func (a *Account) checkRules(ctx context.Context, s Settings, st Stack) []Line {
	var out []Line
	good := 0
	for _, id := range s.Rules {
		what, name := "rule "+id, st.Physical(id)
		if name == "" {
			out = append(out, missing(what))
			continue
		}
		r, err := a.events.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name})
		switch {
		case err != nil && codeOf(err) == "ResourceNotFoundException":
			out = append(out, turn(what, "the rule "+name+" does not exist any more", "sam deploy again"))
		case err != nil:
			out = append(out, a.Failed(what, err))
		case r.State == "DISABLED":
			out = append(out, turn(what, "it is switched off", fmt.Sprintf("aws events enable-rule --name %s --region %s", name, a.Region)))
		default:
			good++
		}
	}
	if good > 0 {
		out = append(out, Line{What: "rules", State: OK, Have: fmt.Sprint(good), Need: fmt.Sprint(len(s.Rules)), Text: "are switched on"})
	}
	return out
}

// publicWait bounds the question to an address that is open to everybody.
const publicWait = 10 * time.Second

// checkCallback asks with GET what takes only POST: 404 or 405 is our API's own answer.
func (a *Account) checkCallback(ctx context.Context, output, address string) Line {
	what := "callbacks " + strings.TrimSuffix(strings.TrimSuffix(output, "Url"), "Callback")
	if address == "" {
		return missing(what)
	}
	ctx, cancel := context.WithTimeout(ctx, publicWait)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return turn(what, "the stack's output "+output+" is no address", "sam deploy again")
	}
	res, err := a.http.Do(r)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return turn(what, "its address "+dns.Name+" cannot be looked up", "was the API deleted? sam deploy again; or look at this machine's network")
	case err != nil:
		return turn(what, "it does not answer: "+lastOf(err), "look at this machine's network; then at the API in the console of AWS")
	}
	res.Body.Close()
	switch res.StatusCode {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return Line{What: what, State: OK, Have: address, Text: "reachable from here; platforms reach it too, unless something stands between"}
	case http.StatusForbidden:
		return turn(what, "it answers 403: something stands before the API (a firewall, a default endpoint that was switched off)", "let platforms through to "+address)
	}
	return turn(what, fmt.Sprintf("it answers %d to a GET, where our API says 404", res.StatusCode), "is "+address+" still this stack's API?")
}
