package buildcheck

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/s3source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/dynamo"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/token/kmskey"
	"github.com/vodlift/vodlift/shared/workflow"
)

// The names under which the engines stand in the recorded requests.
const (
	iamTable   = "iam-table"
	iamInbox   = "inbox"
	iamKey     = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	iamMachine = "arn:aws:states:us-east-1:111122223333:stateMachine:publish"
	iamBus     = "default"
)

// use is one permission: an action on a class of resources.
type use struct{ action, resource string }

func (u use) String() string { return u.action + " on " + u.resource }

// recorder is a cloud that writes down who asked for what. Every call that a function makes on its engines is made on
// AWS's adapters as well, over the vendor's SDK, and what is recorded are the requests that the SDK sends. Only KMS is
// answered; to everything else the cloud says that nothing is there, and the engines on this machine are right.
type recorder struct {
	mu   sync.Mutex
	used map[string]map[use]int
	seen map[string]int // calls by function and shape
	odd  []string       // requests that it does not know
}

// caller is the function that a call comes from.
func caller(ctx context.Context) string {
	lc, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return "-"
	}
	return lc.InvokedFunctionArn[strings.LastIndexByte(lc.InvokedFunctionArn, ':')+1:]
}

func (r *recorder) add(ctx context.Context, action, resource string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	by := caller(ctx)
	if r.used[by] == nil {
		r.used[by] = map[use]int{}
	}
	r.used[by][use{action, resource}]++
}

// enough says that a function has made calls of this shape often enough to know what they ask for. A sweep makes some
// fifty, a minute, for days.
func (r *recorder) enough(ctx context.Context, shape string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[caller(ctx)+" "+shape]++
	return r.seen[caller(ctx)+" "+shape] > 3
}

// config is an SDK whose requests come here.
func (r *recorder) config() aws.Config {
	return aws.Config{Region: "us-east-1", HTTPClient: &http.Client{Transport: r}, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "an example", "")}
}

// RoundTrip records one request.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body.Close()
	}
	answer := []byte("{}")
	service, op, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	var in map[string]any
	if service != "" {
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
	}
	status := http.StatusOK
	switch service {
	case "DynamoDB_20120810":
		r.database(req.Context(), op, in)
	case "TrentService":
		answer = r.seal(req.Context(), op, in)
	case "AWSStepFunctions":
		if op == "StartExecution" && in["stateMachineArn"] != iamMachine {
			r.unknown("StartExecution of another machine")
		}
		r.add(req.Context(), "states:"+op, "machine")
	case "AWSEvents":
		r.add(req.Context(), "events:"+op, "bus")
	case "":
		r.object(req)
		status, answer = http.StatusNotFound, nil
	default:
		r.unknown(service + "." + op)
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(bytes.NewReader(answer)), ContentLength: int64(len(answer)), Request: req}, nil
}

func (r *recorder) unknown(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.odd = append(r.odd, what)
}

// database: the operations of a transaction need the permissions of each (DynamoDB guide, "Using IAM with transactions").
func (r *recorder) database(ctx context.Context, op string, in map[string]any) {
	if op != "TransactWriteItems" {
		resource := "table"
		if index, ok := in["IndexName"].(string); ok {
			resource = "index " + index
		}
		if in["TableName"] != iamTable {
			r.unknown(op + " on another table")
		}
		r.add(ctx, "dynamodb:"+op, resource)
		return
	}
	actions := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
	for _, item := range list(in["TransactItems"]) {
		for kind := range item.(map[string]any) {
			if actions[kind] == "" {
				r.unknown("a transaction's " + kind)
			}
			r.add(ctx, "dynamodb:"+actions[kind], "table")
		}
	}
}

// seal is a KMS: what it wraps is the key itself, which only this test may do. It refuses another encryption context, as
// the roles' condition does.
func (r *recorder) seal(ctx context.Context, op string, in map[string]any) []byte {
	if in["KeyId"] != iamKey || fmt.Sprint(in["EncryptionContext"]) != "map[app:vodlift]" {
		r.unknown(op + " with another key or encryption context")
	}
	r.add(ctx, "kms:"+op, "key")
	out := map[string]any{"KeyId": iamKey}
	switch op {
	case "GenerateDataKey":
		key := make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			r.unknown("no randomness")
		}
		out["Plaintext"] = base64.StdEncoding.EncodeToString(key)
		out["CiphertextBlob"] = base64.StdEncoding.EncodeToString(append([]byte("wrapped:"), key...))
	case "Decrypt":
		blob, err := base64.StdEncoding.DecodeString(text(in["CiphertextBlob"]))
		if err != nil {
			r.unknown("a blob that is no base64")
		}
		out["Plaintext"] = base64.StdEncoding.EncodeToString(bytes.TrimPrefix(blob, []byte("wrapped:")))
	default:
		r.unknown("kms " + op)
	}
	b, err := json.Marshal(out)
	if err != nil {
		r.unknown(err.Error())
	}
	return b
}

// object: reading by version is another action (S3 guide, "Actions for Amazon S3").
func (r *recorder) object(req *http.Request) {
	q := req.URL.Query()
	where := req.URL.Host + req.URL.Path
	if !strings.HasPrefix(req.URL.Host, iamInbox+".") {
		r.unknown("S3 " + where)
	}
	switch {
	case req.Method == http.MethodGet && q.Has("list-type"):
		r.add(req.Context(), "s3:ListBucket", "inbox")
	case (req.Method == http.MethodGet || req.Method == http.MethodHead) && q.Get("versionId") != "":
		r.add(req.Context(), "s3:GetObjectVersion", "inbox objects")
	case req.Method == http.MethodGet || req.Method == http.MethodHead:
		r.add(req.Context(), "s3:GetObject", "inbox objects")
	default:
		r.unknown(req.Method + " S3 " + where)
	}
}

// clouds are the engines of one process, each beside its adapter for AWS.
type clouds struct {
	rec    *recorder
	dynamo *dynamo.DB
	s3     *s3source.Source
	list   *s3.Client
	sfn    *sfn.Client
	bus    *eventbridge.Client
	kms    *kms.Client

	mu    sync.Mutex
	seals map[string]token.Cipher // by invocation: each may be a process of its own, with no data key in hand
}

func newClouds() *clouds {
	r := &recorder{used: map[string]map[use]int{}, seen: map[string]int{}}
	cfg := r.config()
	return &clouds{rec: r, dynamo: dynamo.New(dynamo.NewClient(cfg), iamTable, nil), s3: s3source.New(s3.NewFromConfig(cfg)), list: s3.NewFromConfig(cfg), sfn: sfn.NewFromConfig(cfg),
		bus: eventbridge.NewFromConfig(cfg), kms: kms.NewFromConfig(cfg), seals: map[string]token.Cipher{}}
}

// cipher is the one that a function deployed on AWS has.
func (c *clouds) cipher(ctx context.Context) token.Cipher {
	c.mu.Lock()
	defer c.mu.Unlock()
	by := caller(ctx)
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		by = lc.AwsRequestID
	}
	if c.seals[by] == nil {
		c.seals[by] = token.NewSealer(kmskey.New(c.kms, iamKey, map[string]string{"app": "vodlift"}, nil), nil)
	}
	return c.seals[by]
}

// Seal is token.Cipher's.
func (c *clouds) Seal(ctx context.Context, plain, ad []byte) ([]byte, error) {
	return c.cipher(ctx).Seal(ctx, plain, ad)
}

// Open is token.Cipher's.
func (c *clouds) Open(ctx context.Context, sealed, ad []byte) ([]byte, error) {
	return c.cipher(ctx).Open(ctx, sealed, ad)
}

// bothTables asks DynamoDB too. What it answers is not what counts; that it was asked is.
type bothTables struct {
	table.Table
	c *clouds
}

// Get is table.Table's, as are those that follow.
func (t bothTables) Get(ctx context.Context, k table.Key) (table.Item, error) {
	if !t.c.rec.enough(ctx, "Get") {
		_, _ = t.c.dynamo.Get(ctx, k)
	}
	return t.Table.Get(ctx, k)
}

func (t bothTables) Query(ctx context.Context, q table.Query) ([]table.Item, string, error) {
	if !t.c.rec.enough(ctx, "Query") {
		_, _, _ = t.c.dynamo.Query(ctx, table.Query{PK: q.PK, Prefix: q.Prefix, From: q.From, To: q.To, Desc: q.Desc, Limit: q.Limit})
	}
	return t.Table.Query(ctx, q)
}

func (t bothTables) QueryIndex(ctx context.Context, q table.IndexQuery) ([]table.Hit, string, error) {
	if !t.c.rec.enough(ctx, "Query "+string(q.Index)) {
		_, _, _ = t.c.dynamo.QueryIndex(ctx, table.IndexQuery{Index: q.Index, PK: q.PK, From: q.From, To: q.To, Limit: q.Limit})
	}
	return t.Table.QueryIndex(ctx, q)
}

func (t bothTables) Put(ctx context.Context, it table.Item, v int64) (int64, error) {
	if !t.c.rec.enough(ctx, "Put") {
		_, _ = t.c.dynamo.Put(ctx, it, v)
	}
	return t.Table.Put(ctx, it, v)
}

func (t bothTables) Add(ctx context.Context, a table.Add) (int64, error) {
	if !t.c.rec.enough(ctx, "Add") {
		_, _ = t.c.dynamo.Add(ctx, a)
	}
	return t.Table.Add(ctx, a)
}

func (t bothTables) Delete(ctx context.Context, k table.Key, v int64) error {
	if !t.c.rec.enough(ctx, "Delete") {
		_ = t.c.dynamo.Delete(ctx, k, v)
	}
	return t.Table.Delete(ctx, k, v)
}

func (t bothTables) Transact(ctx context.Context, token string, ops []table.Op) error {
	if !t.c.rec.enough(ctx, "Transact "+kinds(ops)) {
		_ = t.c.dynamo.Transact(ctx, token, ops)
	}
	return t.Table.Transact(ctx, token, ops)
}

// kinds are the operations that a transaction is made of.
func kinds(ops []table.Op) string {
	var k [5]int
	for _, o := range ops {
		switch {
		case o.Put != nil:
			k[0] = 1
		case o.Delete != nil:
			k[1] = 1
		case o.Check != nil:
			k[2] = 1
		case o.Add != nil:
			k[3] = 1
		default:
			k[4] = 1
		}
	}
	return fmt.Sprint(k)
}

// bothSources asks S3 too, and lists.
type bothSources struct {
	source.Source
	c *clouds
}

// Stat is source.Source's. To learn that an object is missing, and not merely closed to us, takes the right to list
// (API of HeadObject, "Permissions").
func (s bothSources) Stat(ctx context.Context, o source.Object) (source.Info, error) {
	if !s.c.rec.enough(ctx, fmt.Sprint("Stat ", o.VersionID != "")) {
		_, _ = s.c.s3.Stat(ctx, o)
	}
	i, err := s.Source.Stat(ctx, o)
	if errors.Is(err, source.ErrNotFound) {
		s.c.rec.add(ctx, "s3:ListBucket", "inbox")
	}
	return i, err
}

// Open is source.Source's.
func (s bothSources) Open(ctx context.Context, o source.Object, offset, size int64) (io.ReadCloser, error) {
	if !s.c.rec.enough(ctx, fmt.Sprint("Open ", o.VersionID != "")) {
		if r, err := s.c.s3.Open(ctx, o, offset, size); err == nil {
			r.Close()
		}
	}
	return s.Source.Open(ctx, o, offset, size)
}

// bothMachines asks Step Functions too, as package wire does.
type bothMachines struct {
	workflow.Starter
	workflow.Waker
	c *clouds
}

// Start is workflow.Starter's.
func (m bothMachines) Start(ctx context.Context, name string, in []byte) error {
	_, _ = m.c.sfn.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: aws.String(iamMachine), Name: &name, Input: aws.String(string(in))})
	return m.Starter.Start(ctx, name, in)
}

// Wake is workflow.Waker's.
func (m bothMachines) Wake(ctx context.Context, t string) error {
	_, _ = m.c.sfn.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &t, Output: aws.String("{}")})
	return m.Waker.Wake(ctx, t)
}

// busOutside puts events onto the bus only.
type busOutside struct{ c *clouds }

// Send is workflow.Outside's.
func (o busOutside) Send(ctx context.Context, e state.Outgoing) error {
	_, _ = o.c.bus.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{EventBusName: aws.String(iamBus), DetailType: &e.Type, Source: aws.String("vodlift"), Detail: aws.String(string(e.Detail))}}})
	return nil
}
