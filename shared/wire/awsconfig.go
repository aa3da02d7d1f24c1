package wire

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// awsConfig is how a deployed function meets AWS: the region and the credentials of its role, which Lambda puts into the
// environment of the process for as long as it lives. The SDK's own package config also knows profiles, SSO, containers
// and instances; it would add a megabyte to each bootstrap for what a function never has. SDK retries are off, since
// retries live in two places only (house-style 3.4).
func awsConfig() aws.Config {
	return aws.Config{
		Region: os.Getenv("AWS_REGION"), Credentials: roleOf(os.LookupEnv), HTTPClient: awshttp.NewBuildableClient(),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} }, ConfigSources: []any{endpoints(os.LookupEnv)},
	}
}

// roleOf reads the credentials at each use, so that nothing is kept that the service might change.
func roleOf(lookup func(string) (string, bool)) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		id, _ := lookup("AWS_ACCESS_KEY_ID")
		secret, _ := lookup("AWS_SECRET_ACCESS_KEY")
		session, _ := lookup("AWS_SESSION_TOKEN")
		if id == "" || secret == "" {
			return aws.Credentials{}, errors.New("the environment holds no credentials of the function's role")
		}
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: session, Source: "Lambda"}, nil
	})
}

// endpoints is the SDK's own convention: AWS_ENDPOINT_URL_DYNAMODB and the like name another address of a service, for
// VPC endpoints and for engines on one machine.
type endpoints func(string) (string, bool)

// GetServiceBaseEndpoint gives the address of the service with the SDK's id, if one is named.
func (e endpoints) GetServiceBaseEndpoint(_ context.Context, sdkID string) (string, bool, error) {
	v, ok := e("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(sdkID, " ", "_")))
	return v, ok && v != "", nil
}
