package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/appserver/videos"
	"github.com/vodlift/vodlift/shared/config"
	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/s3source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table/dynamo"
	"github.com/vodlift/vodlift/shared/target/alivod"
	"github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/target/douyinweb"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/token/kmskey"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
	"github.com/vodlift/vodlift/shared/workflow"
)

// Each of the four builds one deployed function from its environment, on AWS's engines. They make no remote call: the
// first invocation does. There are four, so that a bootstrap links only what its own kind needs.

// Step builds a step of the machine.
func Step(_ context.Context, name string) (handler.Function, error) {
	_, e, err := awsEngines(name)
	if err != nil {
		return nil, err
	}
	k := newCore(e)
	return oneOf(k.wrapped(steps(k.w)), name)
}

// Drops builds ingest.
func Drops(_ context.Context, name string) (handler.Function, error) {
	_, e, err := awsEngines(name)
	if err != nil {
		return nil, err
	}
	k := newCore(e)
	return oneOf(k.wrapped(drops(k)), name)
}

// Hub builds vodcallback, reconcile and appserver.
func Hub(_ context.Context, name string) (handler.Function, error) {
	c, e, err := awsEngines(name)
	if err != nil {
		return nil, err
	}
	awsApps(c, &e)
	k := newCore(e)
	return oneOf(k.wrapped(hub(k, &apps{e: k.e, vault: k.vault})), name)
}

// Desk builds console and refreshtoken.
func Desk(_ context.Context, name string) (handler.Function, error) {
	c, e, err := awsEngines(name)
	if err != nil {
		return nil, err
	}
	awsApps(c, &e)
	k := newCore(e)
	return oneOf(k.wrapped(desk(k, newConsole(k))), name)
}

func oneOf(all map[string]handler.Function, name string) (handler.Function, error) {
	fn, ok := all[name]
	if !ok {
		return nil, fault.InvalidField("wire.oneOf", "name", "a function of functions/", "there is no function "+name)
	}
	return fn, nil
}

// awsEngines reads the function's configuration and makes its engines.
func awsEngines(name string) (config.Config, Engines, error) {
	c, err := config.Load(name, os.LookupEnv)
	if err != nil {
		return c, Engines{}, err
	}
	var routes manifest.Routes
	if len(c.Routes) > 0 {
		if routes, err = manifest.ParseRoutes(inInbox(c.Routes, c.Inbox), manifest.KnownTargets()); err != nil {
			return c, Engines{}, err
		}
	}
	cfg := awsConfig()
	log := handler.NewLog(os.Stdout, c.LogLevel)
	machine := machines{client: sfn.NewFromConfig(cfg), arn: c.MachineARN}
	dy := douyin.Config{BaseURL: c.Douyin.BaseURL, Generation: douyin.Generation(c.Douyin.Generation), Auth: douyin.Auth(c.Douyin.Auth)}
	objects := s3.NewFromConfig(cfg)
	e := Engines{
		Routes:  routes,
		Table:   dynamo.New(dynamo.NewClient(cfg), c.Table, nil),
		Cipher:  token.NewSealer(kmskey.New(kms.NewFromConfig(cfg), c.KMSKey, map[string]string{"app": "vodlift"}, nil), nil),
		Source:  s3source.New(objects),
		Link:    LinkBy(s3.NewPresignClient(objects)),
		Starter: machine, Waker: machine,
		HTTP:   transport.New(transport.Options{Hosts: PlatformHosts(hostOf(dy.BaseURL)), MaxResponse: 4 << 20, Log: log}),
		VOD:    alivod.Config{Config: vod.Config{Region: c.VOD.Region}},
		Log:    log,
		Ledger: state.Settings{PoolGlobal: int64(c.Pools.Global), PoolAccount: int64(c.Pools.Account), Paces: Paces(c.Paces)},
		Douyin: dy,
		Steps: workflow.Settings{
			Plan: upload.Settings{MinRange: c.Plan.MinRange, MaxRanges: c.Plan.MaxRanges}, Looks: c.Waits.Looks,
			PollFirst: c.Waits.PollFirst, PollMost: c.Waits.PollMost, SettleRest: c.Waits.SettleLag, Handover: Handovers(c.Handover), Inbox: c.Inbox, StartsFrom: c.StartsFrom,
		},
	}
	if link := e.Link; len(c.OSSBuckets) > 0 {
		e.Link = func(ctx context.Context, o source.Object, contentType string, life time.Duration) (string, error) {
			if _, ok := c.OSSBuckets[o.Bucket]; ok {
				return "", fault.New(fault.Invalid, "wire.Link", "objects of OSS cannot be linked to: use a bucket of S3 for covers that the platform fetches, and for hand-overs")
			}
			return link(ctx, o, contentType, life)
		}
	}
	vault := token.NewVault(e.Table, e.Cipher, nil)
	if e.Source, err = withOSS(e.Source, c.OSSBuckets, func(ctx context.Context) (token.AppKey, error) { return vault.App(ctx, OSSKey) }, e.HTTP, time.Now); err != nil {
		return c, e, err
	}
	if err := e.Steps.Check(map[string]time.Duration{"youku": e.Youku.Denies()}); err != nil {
		return c, e, err
	}
	if c.AppServer.Account != "" {
		e.Apps = Apps{Account: c.AppServer.Account, Settings: appserver.Settings{Videos: videos.Settings{Review: c.AppServer.Review, TemplateGroup: c.AppServer.TranscodeTemplate}}}
	}
	e, err = near(e, os.LookupEnv)
	return c, e, err
}

// awsApps adds what only functions beside the machine need.
func awsApps(c config.Config, e *Engines) {
	cfg := awsConfig()
	objects := s3.NewFromConfig(cfg)
	e.Outside = bus{client: eventbridge.NewFromConfig(cfg), name: c.EventBus}
	e.Lister = inS3{s3source.NewLister(objects), c.OSSBuckets}
	e.Place = awsPlace(c, cfg.Region)
	e.Apps = Apps{
		Settings: appserver.Settings{
			DemoEndpoints: c.AppServer.DemoEndpoints, GuestUpload: c.AppServer.GuestUpload, RoleARN: c.AppServer.RoleARN, AllowOrigin: c.AppServer.AllowOrigin,
			Videos: videos.Settings{Review: c.AppServer.Review, TemplateGroup: c.AppServer.TranscodeTemplate},
		},
		Account: c.AppServer.Account, Users: users.Settings{OpenSignup: c.AppServer.OpenSignup},
	}
	if b := c.AppServer.CatalogueBucket; b != "" {
		e.Apps.Signer = s3source.NewSigner(s3.NewPresignClient(objects), b, nil)
	}
}

// PlatformHosts are the hosts that functions may reach, but for AWS itself; douyin is that of the Open Platform.
func PlatformHosts(douyin string) []string {
	return append([]string{douyin, "api.youku.com", "*.aliyuncs.com"}, douyinweb.Hosts()...)
}

// inInbox names the inbox as the bucket of every route that names none: its name is made at the first deployment. A
// function that is not told the inbox asks the routes for their accounts only.
func inInbox(raw json.RawMessage, inbox string) json.RawMessage {
	var routes []map[string]json.RawMessage
	if json.Unmarshal(raw, &routes) != nil {
		return raw // whoever parses it says what is wrong
	}
	if inbox == "" {
		inbox = "inbox"
	}
	for _, r := range routes {
		if _, named := r["bucket"]; !named && r != nil {
			r["bucket"], _ = json.Marshal(inbox)
		}
	}
	b, err := json.Marshal(routes)
	if err != nil {
		return raw
	}
	return b
}

// awsPlace is where the console stands on AWS. Logins come back, and callbacks come, to the very API that the operator's
// request came to: its address cannot be in the environment, since the API names the function.
func awsPlace(c config.Config, region string) console.Place {
	return console.Place{
		Inbox: c.Inbox, Region: region, Kind: "aws", Routes: "the template's parameter Routes, and deploy", OwnPage: true,
		Callback: func(ctx context.Context, platform string) string {
			switch own := ownAPI(ctx); {
			case own == "":
				return ""
			case platform == "alivod":
				return own + "/callbacks/vod"
			case platform == "douyin":
				return own + "/callbacks/douyin"
			}
			return ""
		},
		Redirect: func(ctx context.Context, platform string) string {
			if own := ownAPI(ctx); own != "" {
				return own + "/oauth/" + platform + "/callback"
			}
			return ""
		},
	}
}

// inS3 lists the buckets of S3; those of OSS are not balanced, since their events are repeated by Function Compute.
type inS3 struct {
	workflow.Lister
	oss map[string]string
}

// List gives nothing of a bucket of OSS.
func (l inS3) List(ctx context.Context, bucket, after string, limit int) ([]source.Object, string, error) {
	if _, ok := l.oss[bucket]; ok {
		return nil, "", nil
	}
	return l.Lister.List(ctx, bucket, after, limit)
}

// ownAPI is the address of the API that has the open routes, by the domain that the gateway says an operator's request came
// to. The console's own API (template.yaml, ConsoleApi) has none of them; its operators have claims.
func ownAPI(ctx context.Context) string {
	by := handler.CallerFrom(ctx)
	if by.Domain == "" || by.Claims != nil {
		return ""
	}
	return "https://" + by.Domain
}

// machines is the deployed state machine as starter and waker. IAM: states:StartExecution on the machine;
// states:SendTaskSuccess for those that wake.
type machines struct {
	client *sfn.Client
	arn    string
}

// Start starts an execution; one of that name gives workflow.ErrStarted.
func (m machines) Start(ctx context.Context, name string, input []byte) error {
	_, err := m.client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &m.arn, Name: &name, Input: aws.String(string(input))})
	var exists *sfntypes.ExecutionAlreadyExists
	if errors.As(err, &exists) {
		return fmt.Errorf("%s: %w", name, workflow.ErrStarted)
	}
	return asRetryable("wire.Start", err)
}

// Wake ends a park with {}: its output is always dropped.
func (m machines) Wake(ctx context.Context, taskToken string) error {
	_, err := m.client.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &taskToken, Output: aws.String("{}")})
	var gone *sfntypes.TaskDoesNotExist
	var late *sfntypes.TaskTimedOut
	if errors.As(err, &gone) || errors.As(err, &late) {
		return workflow.ErrGone
	}
	return asRetryable("wire.Wake", err)
}

// asRetryable: starting and waking may be repeated, whatever became of them.
func asRetryable(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{Kind: fault.Retryable, Op: op, Err: err}
}

// bus sends events of the outbox to EventBridge. IAM: events:PutEvents on the bus.
type bus struct {
	client *eventbridge.Client
	name   string
}

// Send puts one event; at least once.
func (b bus) Send(ctx context.Context, o state.Outgoing) error {
	detail, err := json.Marshal(o.Detail)
	if err != nil {
		return fault.Wrap("wire.Send", err)
	}
	out, err := b.client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{
		EventBusName: &b.name, Source: aws.String("vodlift"), DetailType: &o.Type, Detail: aws.String(string(detail)), Time: aws.Time(o.At.Truncate(time.Second)),
	}}})
	if err != nil {
		return asRetryable("wire.Send", err)
	}
	if out.FailedEntryCount > 0 {
		return fault.Newf(fault.Retryable, "wire.Send", "the bus refused the event: %s", aws.ToString(out.Entries[0].ErrorCode))
	}
	return nil
}
