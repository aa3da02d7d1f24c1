package vod

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
)

// DefaultRegion is where VOD is at home.
const DefaultRegion = "cn-shanghai"

// Config says which platform is spoken to. The zero value is the documented one in DefaultRegion.
type Config struct {
	Region string `json:"region,omitempty"`
	// BaseURL and STSBaseURL replace the addresses of VOD and of STS ("http://127.0.0.1:9000"); for local/ and for tests.
	BaseURL    string `json:"base_url,omitempty"`
	STSBaseURL string `json:"sts_base_url,omitempty"`
	// AppID is VOD's own division of an account; empty: the platform's default, app-1000000.
	AppID string `json:"app_id,omitempty"`
}

var (
	regionForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	appForm    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// Check tells what is wrong with a Config; Invalid.
func (c Config) Check() error {
	const op = "vod.Config"
	c = c.withDefaults()
	switch {
	case !regionForm.MatchString(c.Region) || len(c.Region) > 64:
		return fault.InvalidField(op, "region", "as cn-shanghai", "this is not the name of a region")
	case !isBase(c.BaseURL):
		return fault.InvalidField(op, "base_url", "https://host", "this is not the address of VOD")
	case !isBase(c.STSBaseURL):
		return fault.InvalidField(op, "sts_base_url", "https://host", "this is not the address of STS")
	case c.AppID != "" && !appForm.MatchString(c.AppID):
		return fault.InvalidField(op, "app_id", "letters, digits, - and _", "this is not the id of an app of VOD")
	}
	return nil
}

func isBase(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == "" && u.User == nil
}

// withDefaults fills in the platform's addresses (reference a.1: Hangzhou is served by Shanghai).
func (c Config) withDefaults() Config {
	if c.Region == "" {
		c.Region = DefaultRegion
	}
	if c.BaseURL == "" {
		region := c.Region
		if region == "cn-hangzhou" {
			region = DefaultRegion
		}
		c.BaseURL = "https://vod." + region + ".aliyuncs.com"
	}
	if c.STSBaseURL == "" {
		c.STSBaseURL = "https://sts." + c.Region + ".aliyuncs.com"
	}
	c.BaseURL, c.STSBaseURL = strings.TrimRight(c.BaseURL, "/"), strings.TrimRight(c.STSBaseURL, "/")
	return c
}

// Hosts are those that a Client of c calls, for the transport's allow-list. Uploads go to oss-*.aliyuncs.com besides.
func Hosts(c Config) []string {
	c = c.withDefaults()
	var hosts []string
	for _, base := range []string{c.BaseURL, c.STSBaseURL} {
		if u, err := url.Parse(base); err == nil && u.Host != "" {
			hosts = append(hosts, u.Host)
		}
	}
	return hosts
}

// Options are what a Client may be given; nil means defaults.
type Options struct {
	Now func() time.Time // of Retry-After; default time.Now. The SDK stamps its requests by the machine's own clock.
}

// Client makes the calls of API and Roles. It is safe for concurrent use.
type Client struct {
	cfg  Config
	cred oss.Provider
	http *http.Client
	now  func() time.Time
	bad  error // of the config; every call answers it
}

// New makes a Client. It makes no request. cred is asked before each; its errors are classified by itself. client should
// follow no redirect, replay nothing and bound its waits (shared/transport). A Config that does not pass Check makes every
// call fail with its error.
func New(c Config, cred oss.Provider, client *http.Client, o *Options) *Client {
	h := *client
	// A redirect would repeat the request elsewhere, signature included, whatever client was given.
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h.Jar = nil
	k := &Client{cfg: c.withDefaults(), cred: cred, http: &h, now: time.Now, bad: c.Check()}
	if o != nil && o.Now != nil {
		k.now = o.Now
	}
	return k
}

// call is one request on its way.
type call struct {
	step    Step
	op      string
	role    bool // to STS
	temp    bool // signed with a temporary credential
	secrets []string
	now     func() time.Time
}

// do signs and sends one request, and decodes the answer into out, a pointer to a struct.
func (c *Client) do(ctx context.Context, step Step, p params, out any, secrets ...string) error {
	k := &call{step: step, op: "vod." + string(step), role: step == StepAssumeRole, secrets: secrets, now: c.now}
	if c.bad != nil {
		return fault.Wrap(k.op, c.bad)
	}
	if ctx.Err() != nil {
		return k.cancelled(ctx, false)
	}
	cred, err := c.cred(ctx)
	if err != nil {
		f := *fault.As(fault.Wrap(k.op, err)) // nothing was sent
		f.Effect = fault.EffectNone
		return &f
	}
	if cred.ID == "" || cred.Secret == "" {
		return &fault.Error{Kind: fault.CredentialsExpired, Op: k.op, Effect: fault.EffectNone, Actor: fault.ActorOwner, Action: "Log in again.",
			Err: errors.New("there is no access key")}
	}
	k.temp = cred.Token != ""
	k.secrets = append(k.secrets, cred.Secret, cred.Token)
	base := c.cfg.BaseURL
	if k.role {
		base = c.cfg.STSBaseURL
	}
	q, err := signed(ctx, c.cfg.Region, base, cred, framed(step, p))
	if err != nil {
		return &fault.Error{Kind: fault.Permanent, Op: k.op, Effect: fault.EffectNone, Actor: fault.ActorOperator, Action: ours,
			Err: &quiet{text: printable(err.Error(), k.secrets), err: err}}
	}
	q.Close = !harmless(step) // over a connection of its own (shared/transport)
	return k.judge(ctx, exchange(c.http, q), out)
}

// framed is the SDK's form of a request. Its types of the single operations are not used: each would bring some 30 KB of
// methods to every function, and some send what nobody set.
func framed(step Step, p params) *requests.RpcRequest {
	product, version := "vod", "2017-03-21"
	if step == StepAssumeRole {
		product, version = "Sts", "2015-04-01"
	}
	r := &requests.RpcRequest{}
	r.InitWithApiInfo(product, version, string(step), "", "")
	for name, v := range p {
		if v != "" || step == StepUpdate {
			r.QueryParams[name] = v
		}
	}
	return r
}

// signed has the SDK sign and write a request. Only that: its client would add a megabyte to every function, follow the
// environment's proxies, and panic on an error whose code or request id is no string.
func signed(ctx context.Context, region, base string, cred oss.Credential, r *requests.RpcRequest) (*http.Request, error) {
	scheme, host, _ := strings.Cut(base, "://")
	r.SetScheme(scheme)
	r.SetDomain(host)
	var keys credentials.CredentialsProvider = credentials.NewStaticAKCredentialsProvider(cred.ID, cred.Secret)
	if cred.Token != "" {
		keys = credentials.NewStaticSTSCredentialsProvider(cred.ID, cred.Secret, cred.Token)
	}
	if err := auth.Sign(r, nil, region, keys); err != nil {
		return nil, err
	}
	// Without a body, since all parameters are in the query (reference a.1); and so without GetBody, hence no replay.
	q, err := http.NewRequestWithContext(ctx, r.GetMethod(), r.BuildUrl(), nil)
	if err != nil {
		return nil, errors.New("the platform's address is not a URL") // the error would quote the query
	}
	for name, v := range r.GetHeaders() {
		q.Header.Set(name, v)
	}
	q.Header.Set("User-Agent", "vodlift")
	q.Header.Set("Accept", "application/json")
	return q, nil
}
