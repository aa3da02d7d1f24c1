package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vodlift/vodlift/local/stack"
)

// stackVariable names a stack on AWS for every command.
const stackVariable = "VODLIFT_STACK"

// isStack tells whether people named a stack on AWS and not a data folder.
func isStack(where string) bool {
	return strings.HasPrefix(where, "https://") || strings.HasPrefix(where, "http://")
}

// remote is a stack on AWS, spoken to with the operator's own credentials of AWS: every request is signed.
type remote struct {
	cfg    aws.Config
	signer *v4.Signer
	region string
	now    func() time.Time
}

// connectStack finds the stack at address, an ApiUrl of the template's outputs.
func (m *Main) connectStack(ctx context.Context, address string) (*client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is not the address of a stack: want https://ID.execute-api.REGION.amazonaws.com, as the output ApiUrl says", address)
	}
	if u.Scheme != "https" && !net.ParseIP(u.Hostname()).IsLoopback() {
		return nil, fmt.Errorf("%q: a stack is spoken to by https only", address)
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("the credentials of AWS (environment or ~/.aws): %w", err)
	}
	r := &remote{cfg: cfg, signer: v4.NewSigner(), region: cfg.Region, now: m.Now}
	if part := strings.Split(u.Hostname(), "."); len(part) > 3 && part[1] == "execute-api" {
		r.region = part[2]
	}
	if r.region == "" {
		return nil, errors.New("say the region of the stack: AWS_REGION")
	}
	h := newHTTP()
	h.Transport.(*http.Transport).Proxy = http.ProxyFromEnvironment
	c := &client{dir: address, http: h, remote: r, run: stack.Running{API: u.Scheme + "://" + u.Host, Region: r.region}}
	info, err := c.info(ctx)
	if err != nil {
		return nil, fmt.Errorf("the stack at %s: %w", address, err)
	}
	c.run.Kind, c.run.Inbox = info.Kind, info.Inbox
	if info.Region != "" {
		c.run.Region = info.Region
	}
	return c, nil
}

// sign signs a request as the API's IAM authorizer wants it.
func (r *remote) sign(req *http.Request, body []byte) error {
	cred, err := r.cfg.Credentials.Retrieve(req.Context())
	if err != nil {
		return fmt.Errorf("the credentials of AWS (environment or ~/.aws): %w", err)
	}
	sum := sha256.Sum256(body)
	return r.signer.SignHTTP(req.Context(), cred, req, hex.EncodeToString(sum[:]), "execute-api", r.region, r.now())
}

// bucket is the client of the stack's inbox.
func (r *remote) bucket(region string) *s3.Client {
	return s3.NewFromConfig(r.cfg, func(o *s3.Options) { o.Region = region })
}
