// Package rig is what real bootstraps stand on in the conformance tests: a table on DynamoDB Local, the environment that
// template.yaml gives each function, and strict doubles of the AWS services that nobody offers for one machine (KMS,
// Step Functions' and EventBridge's APIs). It exists so that the deployed binaries can be run as they are: the SDK is
// pointed at the doubles by its own variables.
//
// It must not know what a function does. It is never deployed.
package rig

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/oklog/ulid/v2"

	vodlift "github.com/vodlift/vodlift"
	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/table/dynamo"
	"github.com/vodlift/vodlift/shared/table/dynamo/dynamotest"
)

// What the stack is called here. The account is AWS's own example.
const (
	Region     = "eu-central-1"
	Account    = "111122223333"
	MachineARN = "arn:aws:states:" + Region + ":" + Account + ":stateMachine:vodlift-publish"
	KeyARN     = "arn:aws:kms:" + Region + ":" + Account + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
	AccessKey  = "AKIAIOSFODNN7EXAMPLE"
	SecretKey  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// Template reads the deployed template.
func Template(t testing.TB) *template.Template {
	t.Helper()
	tpl, err := template.Parse(vodlift.Template())
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

// Places are where a function finds its services.
type Places struct {
	Table   string // name
	Dynamo  string // URLs
	Bucket  string
	Doubles string
	Inbox   string
	// Parameters replace those of the template.
	Parameters map[string]string
	// More is added last.
	More map[string]string
}

// Environment gives a function's variables as the template says, and those by which the SDK finds the services.
func Environment(tpl *template.Template, function string, p Places) (map[string]string, error) {
	n := template.Names{
		Refs: map[string]string{
			"AWS::Partition": "aws", "AWS::Region": Region, "AWS::AccountId": Account, "AWS::StackName": "vodlift", "AWS::URLSuffix": "amazonaws.com",
			"Table": p.Table, "Inbox": p.Inbox, "PublishStateMachine": MachineARN, "Api": "abc123",
		},
		Attributes: map[string]string{"SealKey.Arn": KeyARN, "Table.Arn": "arn:aws:dynamodb:" + Region + ":" + Account + ":table/" + p.Table,
			"Inbox.Arn": "arn:aws:s3:::" + p.Inbox, "PublishStateMachine.Arn": MachineARN},
	}
	maps.Copy(n.Refs, p.Parameters)
	f, ok := tpl.Functions[function]
	if !ok {
		return nil, fmt.Errorf("rig: the template has no function %s", function)
	}
	env, err := tpl.Environment(f, n)
	if err != nil {
		return nil, fmt.Errorf("rig: %s: %w", function, err)
	}
	maps.Copy(env, map[string]string{
		"AWS_REGION": Region, "AWS_DEFAULT_REGION": Region, "AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL_KMS": p.Doubles, "AWS_ENDPOINT_URL_SFN": p.Doubles, "AWS_ENDPOINT_URL_EVENTBRIDGE": p.Doubles,
		"AWS_ENDPOINT_URL_DYNAMODB": p.Dynamo, "AWS_ENDPOINT_URL_S3": p.Bucket,
		// Nothing of the machine's own settings.
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	})
	maps.Copy(env, p.More)
	return env, nil
}

// Table makes a table on DynamoDB Local for the life of t, or skips t where none runs. Only clients of this region and with
// this access key see it.
func Table(t testing.TB, region, accessKey string) (endpoint, name string, db *dynamo.DB) {
	t.Helper()
	endpoint = dynamotest.Endpoint(t)
	plain := &http.Transport{}
	t.Cleanup(plain.CloseIdleConnections)
	client := dynamo.NewClient(aws.Config{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider(accessKey, SecretKey, ""), HTTPClient: &http.Client{Transport: plain},
	}, func(o *dynamodb.Options) { o.BaseEndpoint = &endpoint })
	name = "vodlift-" + ulid.Make().String()
	db = dynamo.New(client, name, nil)
	if err := db.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.WithoutCancel(t.Context()), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Errorf("table %s is left behind: %v", name, err)
		}
	})
	return endpoint, name, db
}

// BootstrapsEnv holds the folder of the binaries, as make build writes them.
const BootstrapsEnv = "VODLIFT_BOOTSTRAPS"

// Bootstraps gives the folder, or skips t.
func Bootstraps(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(BootstrapsEnv)
	if dir == "" {
		t.Skipf("NOT RUN: %s is not set; conformance/run.sh builds the bootstraps and sets it", BootstrapsEnv)
	}
	return strings.TrimSuffix(dir, "/")
}
