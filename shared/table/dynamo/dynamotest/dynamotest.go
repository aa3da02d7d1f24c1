// Package dynamotest gives tests a DynamoDB table of their own on AWS's DynamoDB Local. It knows where the endpoint is
// told; it does not start one: conformance/run.sh does.
package dynamotest

import (
	"context"
	"net/http"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/oklog/ulid/v2"

	"github.com/vodlift/vodlift/shared/table/dynamo"
)

// EndpointEnv names the variable that holds the URL of a DynamoDB Local, as http://127.0.0.1:8000.
const EndpointEnv = "VODLIFT_DYNAMODB_ENDPOINT"

// Endpoint gives the URL, or skips the test and says how to run it.
func Endpoint(t testing.TB) string {
	t.Helper()
	url := os.Getenv(EndpointEnv)
	if url == "" {
		t.Skipf("SKIPPED: %s is not set, so nothing was checked against DynamoDB. `make conformance` starts DynamoDB Local and runs this.", EndpointEnv)
	}
	return url
}

// NewTable creates an empty table that is deleted with t, and gives a function that makes clients of it. The requests
// of all clients go through transport; nil means http.Transport as it is.
func NewTable(t testing.TB, transport http.RoundTripper) (open func(o *dynamo.Options) *dynamo.DB) {
	t.Helper()
	endpoint := Endpoint(t)
	if transport == nil {
		plain := &http.Transport{}
		t.Cleanup(plain.CloseIdleConnections)
		transport = plain
	}
	client := dynamo.NewClient(aws.Config{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient:  &http.Client{Transport: transport},
	}, func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(endpoint) })
	name := "vodlift-" + ulid.Make().String()
	if err := dynamo.New(client, name, nil).CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.WithoutCancel(t.Context()), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Errorf("table %s is left behind: %v", name, err)
		}
	})
	return func(o *dynamo.Options) *dynamo.DB { return dynamo.New(client, name, o) }
}
