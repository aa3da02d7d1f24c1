package publication

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vodlift/vodlift/conformance/rig"
	"github.com/vodlift/vodlift/local/lambda"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/local/stepfn"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/token/kmskey"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/wire"
	"github.com/vodlift/vodlift/statemachine"
)

// world is a deployed stack without a cloud.
type world struct {
	demo    *stack.Stack // its platforms and its bucket are used; what it publishes itself is nothing
	host    *lambda.Host
	steps   *stepfn.Engine
	doubles *rig.Doubles
	ledger  *state.Ledger
	log     *output
	ctx     context.Context
}

// output keeps what the processes wrote.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// tail is the end of it.
func (o *output) tail(n int) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.b.Bytes()
	return bytes.Clone(b[max(0, len(b)-n):])
}

// near is what a build with the tag vodlift_loopback reads from VODLIFT_LOOPBACK.
type near struct {
	Douyin, Youku, VOD, Web, Steps, Ledger any
}

func newWorld(t *testing.T, intercept func(function string, payload []byte) lambda.Action) *world {
	t.Helper()
	dir := os.Getenv("VODLIFT_LOOPBACK_BOOTSTRAPS")
	if dir == "" {
		t.Skip("NOT RUN: VODLIFT_LOOPBACK_BOOTSTRAPS is not set; conformance/run.sh builds the binaries and sets it")
	}
	w := &world{log: &output{}, ctx: context.WithoutCancel(t.Context())}
	var engines wire.Engines
	var err error
	w.demo, err = stack.Open(t.Context(), stack.Options{Dir: t.TempDir(), Kind: stack.Demo, Tune: func(o *stack.MachineOptions) {
		engines = o.Engines
		o.Engines.Routes = manifest.Routes{} // so that only the processes publish
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.demo.Close(); err != nil {
			t.Error(err)
		}
	})
	endpoint, table, db := rig.Table(t, w.demo.Running.Region, w.demo.Identity.BucketAccess)
	if w.doubles, err = rig.NewDoubles(); err != nil {
		t.Fatal(err)
	}
	w.doubles.Region, w.doubles.AccessKey = w.demo.Running.Region, w.demo.Identity.BucketAccess
	services := httptest.NewServer(w.doubles)
	t.Cleanup(services.Close)

	engines.Ledger.Lease = 3 * time.Second // a killed holder's lease has to run out before its range goes on
	engines.Steps.PartRest, engines.Steps.LeaseRenew = time.Second, time.Second
	engines.Steps.Inbox = stack.Inbox
	settings, err := json.Marshal(near{engines.Douyin, engines.Youku, engines.VOD, engines.Web, engines.Steps, engines.Ledger})
	if err != nil {
		t.Fatal(err)
	}
	places := rig.Places{Table: table, Dynamo: endpoint, Bucket: w.demo.Running.Bucket, Doubles: services.URL, Inbox: stack.Inbox,
		Parameters: map[string]string{"Routes": routes(t)},
		More: map[string]string{"VODLIFT_LOOPBACK": string(settings), "AWS_REGION": w.demo.Running.Region,
			"AWS_ACCESS_KEY_ID": w.demo.Identity.BucketAccess, "AWS_SECRET_ACCESS_KEY": w.demo.Identity.BucketSecret}}
	w.processes(t, dir, places, intercept)
	w.machine(t)
	w.accounts(t, token.NewVault(db, w.cipher(services.URL), time.Now))
	w.ledger = state.New(db, w.cipher(services.URL), time.Now, nil, engines.Ledger)
	return w
}

func routes(t *testing.T) string {
	b, err := json.Marshal([]map[string]any{{"bucket": stack.Inbox, "accounts": stack.DemoAccounts(), "sidecar": "optional"}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// cipher seals as the functions do.
func (w *world) cipher(services string) token.Cipher {
	client := kms.NewFromConfig(aws.Config{Region: w.demo.Running.Region,
		Credentials: credentials.NewStaticCredentialsProvider(w.demo.Identity.BucketAccess, w.demo.Identity.BucketSecret, "")},
		func(o *kms.Options) { o.BaseEndpoint = &services })
	return token.NewSealer(kmskey.New(client, rig.KeyARN, map[string]string{"app": "vodlift"}, nil), nil)
}

// processes hosts the binaries.
func (w *world) processes(t *testing.T, dir string, p rig.Places, intercept func(string, []byte) lambda.Action) {
	tpl := rig.Template(t)
	o := lambda.HostOptions{Dir: dir, Output: w.log, Environment: func(function string) map[string]string {
		env, err := rig.Environment(tpl, function, p)
		if err != nil {
			t.Error(err)
		}
		return env
	}}
	o.Intercept = intercept
	var err error
	if w.host, err = lambda.NewHost(tpl, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.host.Close(w.ctx); err != nil {
			t.Error(err)
		}
	})
}

// machine runs the deployed definition behind the double of Step Functions.
func (w *world) machine(t *testing.T) {
	m, err := stepfn.Load(statemachine.Definition(), statemachine.Substitutions())
	if err != nil {
		t.Fatal(err)
	}
	w.steps = stepfn.New(m, tasks{w.host}, stepfn.Options{Scale: 10, OnEnd: func(ctx context.Context, e stepfn.Execution) {
		if e.Status == stepfn.Succeeded || e.Status == stepfn.Aborted {
			return
		}
		// What the rule on the bus hands to reconcile.
		event, err := json.Marshal(map[string]any{"version": "0", "id": "1", "source": "aws.states", "detail-type": "Step Functions Execution Status Change",
			"detail": map[string]any{"executionArn": e.ARN, "stateMachineArn": rig.MachineARN, "name": e.Name, "status": e.Status, "input": string(e.Input)}})
		if err == nil {
			_, _ = w.host.Invoke(ctx, "reconcile", event) // the sweep makes up for a failure
		}
	}})
	t.Cleanup(func() {
		if err := w.steps.Close(w.ctx); err != nil {
			t.Error(err)
		}
	})
	w.doubles.Start = func(name string, input []byte) (string, error) {
		arn, err := w.steps.StartExecution(w.ctx, name, input)
		if errors.Is(err, stepfn.ErrExecutionAlreadyExists) {
			return "", rig.Named("ExecutionAlreadyExists")
		}
		return arn, err
	}
	w.doubles.Wake = func(token, output string) error {
		err := w.steps.SendTaskSuccess(w.ctx, token, output)
		switch {
		case errors.Is(err, stepfn.ErrTaskDoesNotExist):
			return rig.Named("TaskDoesNotExist")
		case errors.Is(err, stepfn.ErrTaskTimedOut):
			return rig.Named("TaskTimedOut")
		}
		return err
	}
}

// tasks gives the machine the processes.
type tasks struct{ host *lambda.Host }

// Invoke is stepfn.Invoker's.
func (t tasks) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	out, err := t.host.Invoke(ctx, function, payload)
	var fe *lambda.FunctionError
	if errors.As(err, &fe) {
		return nil, &stepfn.TaskError{Name: fe.Name, Cause: fe.Cause}
	}
	return out, err
}

// accounts copies the demo's logins into the deployed table, sealed under the key of KMS.
func (w *world) accounts(t *testing.T, v *token.Vault) {
	t.Helper()
	for _, a := range stack.DemoAccounts() {
		login, err := w.demo.Vault.Load(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.SaveLogin(t.Context(), a, login); err != nil {
			t.Fatal(err)
		}
		app, err := w.demo.Vault.App(t.Context(), a.Target())
		if errors.Is(err, token.ErrNoApp) {
			continue
		}
		if err == nil {
			err = v.PutApp(t.Context(), a.Target(), app)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// drop puts an object into the bucket and hands its event to ingest, as the bus does: again and again until it is taken.
func (w *world) drop(t *testing.T, key string, body []byte) {
	t.Helper()
	bucket := stack.Inbox
	client := w.demo.Bucket.Client(func(o *s3.Options) { o.HTTPClient = &http.Client{Timeout: time.Minute} })
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
	event, err := json.Marshal(map[string]any{"version": "0", "id": key, "source": "aws.s3", "detail-type": "Object Created", "time": time.Now().UTC().Format(time.RFC3339),
		"region": w.demo.Running.Region, "detail": map[string]any{"version": "0", "bucket": map[string]string{"name": bucket}, "object": map[string]any{"key": key, "size": len(body)}, "reason": "PutObject"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err = w.host.Invoke(t.Context(), "ingest", event); err == nil {
			return
		}
	}
	t.Fatalf("ingest refuses %s: %v", key, err)
}

// uploads reads what became of a dropped video.
func (w *world) uploads(t *testing.T, key string) []state.Upload {
	t.Helper()
	id, err := w.ledger.ByObject(t.Context(), stack.Inbox, key)
	if err != nil || id == "" {
		return nil
	}
	p, err := w.ledger.Publication(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	us, err := w.ledger.Uploads(t.Context(), p.Uploads)
	if err != nil {
		t.Fatal(err)
	}
	return us
}

// account is whose upload a payload is about.
func (w *world) account(t *testing.T, key string, payload []byte) upload.Account {
	var p struct{ Upload string }
	_ = json.Unmarshal(payload, &p)
	for _, u := range w.uploads(t, key) {
		if u.ID == p.Upload {
			return u.Account
		}
	}
	return ""
}

func (w *world) timeline(id string) (text string) {
	es, err := w.ledger.Timeline(w.ctx, id, 0)
	if err != nil {
		return err.Error()
	}
	for _, e := range es {
		text += fmt.Sprintf("\n  %s gen %d %s: %s", e.At.Format("15:04:05"), e.Gen, e.Step, e.Text)
	}
	return text
}
