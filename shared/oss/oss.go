// Package oss is the program's one door to Alibaba Cloud's object storage: the few calls that uploading to it and
// reading from it take (reference alibaba-vod-and-oss, part d). It wraps aliyun-oss-go-sdk, which signs and frames, and
// lets none of its types out.
//
// What it adds to the SDK: a context and a fresh credential for each request, our own HTTP client, bodies that are
// exactly as long as they say and are closed, sums that are compared, limits on what is read, a clock that can be
// corrected, and errors that are classified (faults of shared/fault with the sentinels of this package). It never
// retries, never buffers a body, and knows no platform, session or table.
//
// RAM actions: oss:PutObject (Put, Initiate, UploadPart, Complete), oss:AbortMultipartUpload, oss:ListParts,
// oss:GetObject (GetRange, Head).
package oss

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/vodlift/vodlift/shared/fault"
)

// Sizes of reference d.1.
const (
	MinPart  = 100 << 10 // every part but the last
	MaxPart  = 5 << 30   // and one PUT
	MaxParts = 10_000
	maxKey   = 1023
)

// Credential is a key pair, with the security token where STS made it. It prints nothing of itself.
type Credential struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	Token  string `json:"token,omitempty"`
}

// String shows nothing.
func (Credential) String() string { return "credential" }

// GoString shows nothing.
func (Credential) GoString() string { return "credential" }

// LogValue shows nothing.
func (Credential) LogValue() slog.Value { return slog.StringValue("credential") }

// Provider gives the credential to sign the next request with; it is asked for each, so that it may change in
// mid-upload. Its errors are classified by itself. It must be safe for concurrent use.
type Provider func(context.Context) (Credential, error)

// Fixed is a Provider of one credential.
func Fixed(c Credential) Provider {
	return func(context.Context) (Credential, error) { return c, nil }
}

// Config names a bucket.
type Config struct {
	Endpoint string // "https://oss-cn-shanghai.aliyuncs.com"; an address instead of a name gives path-style requests
	Region   string // "cn-shanghai"; for signatures V4; empty: as the endpoint's name says
	Bucket   string
	SignV1   bool // sign as before V4: for endpoints that know nothing newer
	// PathStyle puts the bucket into the path. Endpoints that are addresses get it anyway.
	PathStyle bool
}

// Options are what a Client may be given; nil means defaults.
type Options struct {
	Clock *Clock // of signatures; nil is one of its own
}

// Client makes requests to one bucket. It is safe for concurrent use.
type Client struct {
	cfg   Config
	cred  Provider
	http  *http.Client
	clock *Clock
}

// New makes a Client. It makes no request. A Config that cannot be is Invalid. client should follow no redirect, replay
// nothing and bound its waits (shared/transport).
func New(c Config, cred Provider, client *http.Client, o *Options) (*Client, error) {
	const op = "oss.New"
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, fault.InvalidField(op, "endpoint", "https://oss-<region>.aliyuncs.com", "this is not the address of an OSS endpoint")
	}
	if c.Region == "" {
		c.Region = RegionOf(u.Hostname())
	}
	if c.Region == "" && !c.SignV1 {
		return nil, fault.InvalidField(op, "region", "known", "signatures V4 need a region, and the endpoint's name says none")
	}
	k := &Client{cfg: c, cred: cred, http: client, clock: NewClock(nil)}
	if o != nil && o.Clock != nil {
		k.clock = o.Clock
	}
	return k, nil
}

// In is the same Client for another bucket.
func (c *Client) In(bucket string) *Client {
	k := *c
	k.cfg.Bucket = bucket
	return &k
}

var endpoint = regexp.MustCompile(`^oss-([a-z0-9-]+?)(-internal)?\.aliyuncs\.com$`)

// RegionOf gives "cn-shanghai" of the host "oss-cn-shanghai.aliyuncs.com"; "" for a host of another form.
func RegionOf(host string) string {
	m := endpoint.FindStringSubmatch(strings.ToLower(host))
	if m == nil || strings.HasPrefix(m[1], "accelerate") { // the transfer acceleration has one name for all regions
		return ""
	}
	return m[1]
}

// bucket is the SDK's bucket for one request, and the options that each request has.
func (k *call) bucket(ctx context.Context, c *Client, key string) (*sdk.Bucket, []sdk.Option, error) {
	if ctx.Err() != nil {
		return nil, nil, k.cancelled(ctx)
	}
	if n := len(key); n == 0 || n > maxKey || key[0] == '/' || key[0] == '\\' {
		return nil, nil, fault.InvalidField(k.op, "key", fmt.Sprintf("1 to %d bytes, not beginning with a slash", maxKey), "OSS has no such key")
	}
	cred, err := c.cred(ctx)
	if err != nil {
		f := *fault.As(fault.Wrap(k.op, err)) // nothing was sent
		f.Effect = fault.EffectNone
		return nil, nil, &f
	}
	k.secrets = []string{cred.Secret, cred.Token}
	version := sdk.AuthVersion(sdk.AuthV4)
	if c.cfg.SignV1 {
		version = sdk.AuthVersion(sdk.AuthV1)
	}
	client, err := sdk.New(c.cfg.Endpoint, cred.ID, cred.Secret, sdk.SecurityToken(cred.Token), version, sdk.Region(c.cfg.Region),
		sdk.ForcePathStyle(c.cfg.PathStyle), sdk.EnableCRC(true), sdk.EnableMD5(false), sdk.UserAgent("vodlift"), sdk.HTTPClient(k.client(c.http)))
	if err != nil {
		return nil, nil, fault.InvalidField(k.op, "endpoint", "usable", "the SDK does not take this configuration")
	}
	b, err := client.Bucket(c.cfg.Bucket)
	if err != nil {
		return nil, nil, fault.InvalidField(k.op, "bucket", "3 to 63 of a-z, 0-9 and -", "OSS has no such bucket name")
	}
	k.clock = c.clock
	k.signed = c.clock.Now().UTC().Truncate(time.Second)
	opts := []sdk.Option{sdk.WithContext(ctx), sdk.SetHeader(sdk.HTTPHeaderDate, k.signed.Format(http.TimeFormat))}
	if !c.cfg.SignV1 {
		opts = append(opts, sdk.SetHeader(sdk.HttpHeaderOssDate, k.signed.Format("20060102T150405Z")))
	}
	return b, opts, nil
}
