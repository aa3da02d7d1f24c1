// Package cloud looks at an account of AWS from the operator's machine: what it allows against what the settings of
// template.yaml need, what of a deployed stack is in place, and the taking down of one. It exists because neither SAM nor
// CloudFormation tells before a deployment that an account is too small for it, or what a deletion leaves behind.
//
// It holds no credentials (the SDK's usual chain brings them), never shows more of an account's id than its last four
// digits, and must not know the operators' API, platforms or the command line. No function links it.
//
// IAM actions of a check, all of them reads: sts:GetCallerIdentity, servicequotas:ListServiceQuotas,
// ListAWSDefaultServiceQuotas and ListRequestedServiceQuotaChangeHistoryByQuota, lambda:GetAccountSettings,
// cloudformation:DescribeStacks, ListStacks, ListStackResources and DescribeStackEvents, states:ListStateMachines and
// DescribeStateMachine, events:ListRules and DescribeRule, dynamodb:DescribeLimits and DescribeTable, kms:ListKeys and
// DescribeKey, s3:ListBucket and GetBucketNotification.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
)

// ErrNoCredentials is in the chain where no credentials of AWS were found.
var ErrNoCredentials = errors.New("no credentials of AWS were found (environment, ~/.aws, the role of this machine); log in with aws configure, aws login or aws sso login, then run this again")

// Options say how an Account is spoken to.
type Options struct {
	Config aws.Config       // of the SDK, with a region
	HTTP   *http.Client     // for addresses that are open to everybody; must not follow redirects
	Now    func() time.Time // default time.Now
}

// Account is one account of AWS in one region. Safe for concurrent use.
type Account struct {
	Region  string
	cfg     aws.Config
	http    *http.Client
	now     func() time.Time
	dates   *dates
	quotas  *servicequotas.Client
	stacks  *cloudformation.Client
	lambda  *lambda.Client
	sts     *sts.Client
	states  *sfn.Client
	events  *eventbridge.Client
	tables  *dynamodb.Client
	keys    *kms.Client
	buckets *s3.Client
}

// credentialWait bounds the search for credentials: where there are none, the last place asked is a machine's metadata
// service, which may not exist.
const credentialWait = 15 * time.Second

// Open finds credentials and makes the clients. It makes no call but what finding credentials takes; without any the
// error has ErrNoCredentials in its chain.
func Open(ctx context.Context, o Options) (*Account, error) {
	if o.Config.Region == "" {
		return nil, errors.New("no region is chosen: say --region, or set AWS_REGION")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	wait, cancel := context.WithTimeout(ctx, credentialWait)
	defer cancel()
	if o.Config.Credentials == nil {
		return nil, ErrNoCredentials
	}
	if _, err := o.Config.Credentials.Retrieve(wait); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w (%s)", ErrNoCredentials, Masked(lastOf(err)))
	}
	d := &dates{next: o.Config.HTTPClient, now: o.Now}
	if d.next == nil { // as the SDK does by itself
		d.next = awshttp.NewBuildableClient()
	}
	cfg := o.Config.Copy()
	cfg.HTTPClient, cfg.Logger = d, logging.Nop{} // what is wrong is said once, by who called
	return &Account{
		Region: cfg.Region, cfg: cfg, http: o.HTTP, now: o.Now, dates: d,
		quotas: servicequotas.NewFromConfig(cfg), stacks: cloudformation.NewFromConfig(cfg), lambda: lambda.NewFromConfig(cfg),
		sts: sts.NewFromConfig(cfg), states: sfn.NewFromConfig(cfg), events: eventbridge.NewFromConfig(cfg),
		tables: dynamodb.NewFromConfig(cfg), keys: kms.NewFromConfig(cfg), buckets: s3.NewFromConfig(cfg),
	}, nil
}

// lastOf is the innermost words of an error, which are what people can act on.
func lastOf(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// dates remembers how far the clock of this machine is from the Date of AWS's answers.
type dates struct {
	next aws.HTTPClient
	now  func() time.Time
	mu   sync.Mutex
	seen bool
	off  time.Duration // this machine's clock is ahead by that
}

// Do makes the request.
func (d *dates) Do(r *http.Request) (*http.Response, error) {
	before := d.now()
	res, err := d.next.Do(r)
	if err != nil {
		return res, err
	}
	if at, perr := http.ParseTime(res.Header.Get("Date")); perr == nil {
		d.note(before, at)
	}
	return res, nil
}

// note compares: the date has whole seconds and was written between before and now.
func (d *dates) note(before, at time.Time) {
	early, late := before.Sub(at.Add(time.Second)), at.Sub(d.now())
	off := time.Duration(0)
	if early > 0 {
		off = early
	} else if late > 0 {
		off = -late
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen, d.off = true, off
}

var accountID = regexp.MustCompile(`\b\d{8}(\d{4})\b`)

// Masked leaves of every account id only its last four digits.
func Masked(s string) string { return accountID.ReplaceAllString(s, "********$1") }

// prefix is what IAM calls a service of the SDK.
func prefix(service string) string {
	names := map[string]string{"SFN": "states", "EventBridge": "events", "Service Quotas": "servicequotas"}
	if n, ok := names[service]; ok {
		return n
	}
	return strings.ToLower(service)
}

// actions are those whose name in IAM is not the operation's.
func action(service, operation string) string {
	names := map[string]string{
		"S3.HeadBucket": "ListBucket", "S3.ListObjectsV2": "ListBucket", "S3.GetBucketNotificationConfiguration": "GetBucketNotification", "S3.ListObjectVersions": "ListBucketVersions",
		"S3.DeleteObjects": "DeleteObject", "S3.ListMultipartUploads": "ListBucketMultipartUploads",
	}
	if n, ok := names[service+"."+operation]; ok {
		operation = n
	}
	return prefix(service) + ":" + operation
}

// Denied is the IAM action that AWS refused the caller, "" where err is something else.
func Denied(err error) string {
	var op *smithy.OperationError
	if !errors.As(err, &op) || !slices.Contains([]string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403", "NotAuthorized"}, codeOf(err)) {
		return ""
	}
	return action(op.ServiceID, op.OperationName)
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Explain words an error of a call for people; it names the call.
func (a *Account) Explain(err error) string {
	var op *smithy.OperationError
	if !errors.As(err, &op) {
		return Masked(err.Error())
	}
	name := action(op.ServiceID, op.OperationName)
	var dns *net.DNSError
	var nerr net.Error
	switch code := codeOf(err); {
	case Denied(err) != "":
		return "AWS does not allow you " + name
	case slices.Contains([]string{"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "AuthFailure"}, code):
		return name + ": AWS does not know these credentials in " + a.Region + ": they are wrong or were removed, or that region is not switched on for the account"
	case slices.Contains([]string{"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}, code):
		return name + ": these credentials have expired; log in again"
	case slices.Contains([]string{"SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed", "RequestExpired"}, code):
		return name + ": AWS refused the signature: the secret key is wrong, or this machine's clock is"
	case code == "PermanentRedirect" || code == "301" || code == "MovedPermanently":
		return name + ": it is in another region than " + a.Region
	case code != "":
		var api smithy.APIError
		errors.As(err, &api)
		return name + ": " + Masked(strings.TrimSpace(code+" "+api.ErrorMessage()))
	case errors.As(err, &dns):
		return name + ": the address " + dns.Name + " does not exist or cannot be looked up: is there such a service in " + a.Region + ", and is this machine's network up?"
	case errors.As(err, &nerr):
		return name + ": AWS cannot be reached from here (" + lastOf(err) + ")"
	}
	return name + ": " + Masked(lastOf(op.Err))
}
