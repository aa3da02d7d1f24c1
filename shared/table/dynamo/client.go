package dynamo

import (
	"bytes"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// NewClient makes a client that sends every request once: whether and when to repeat is decided above the table. It
// uses cfg.HTTPClient, or the SDK's own.
func NewClient(cfg aws.Config, optFns ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.NewFromConfig(cfg, append(optFns[:len(optFns):len(optFns)], func(o *dynamodb.Options) {
		o.Retryer = aws.NopRetryer{}
		if o.HTTPClient == nil {
			o.HTTPClient = awshttp.NewBuildableClient()
		}
		o.HTTPClient = ownBody{o.HTTPClient}
	})...)
}

// ownBody gives every request a body of its own. The SDK closes the body it made as soon as the head of the answer is
// there; if net/http still looks for its end then, it cuts the connection under the answer ("use of closed network
// connection", aws/aws-sdk-go-v2 issues 1825 and 2737). The SDK's retries hide that; without them it would make a good
// write Unknown.
type ownBody struct{ client dynamodb.HTTPClient }

// Do sends r with a copy of its body. Bodies are bounded by a transaction of 25 items.
func (c ownBody) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return c.client.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	own := r.Clone(r.Context())
	own.ContentLength = int64(len(body))
	// net/http opens the body again for a POST only if a stale connection took no byte of the first.
	own.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	if own.Body, err = own.GetBody(); err != nil {
		return nil, err
	}
	return c.client.Do(own)
}
