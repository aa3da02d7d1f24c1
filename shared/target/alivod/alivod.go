// Package alivod publishes videos to Alibaba Cloud VOD (reference alibaba-vod-and-oss, parts a and d): the video's id and
// a place for its file from VOD, the file to OSS, and then the wait for the platform's processing.
//
// It knows one platform's fields and limits. The calls are shared/vod's, the storage is shared/oss; it does not know other
// platforms, callbacks, where tokens or sessions are kept, retries, or AWS. It needs a client that follows no redirect,
// replays nothing and bounds its waits (shared/transport), and that may reach VOD, STS and oss-*.aliyuncs.com.
//
// A video of VOD is its own post: it is there once its file is, and Publish makes no request.
//
// What the reference leaves open and this package builds on: a tag has at most 32 bytes; emoji are what Unicode shows as
// such; a multipart upload goes on under a renewed credential.
package alivod

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
)

// Sizes and times of the reference.
const (
	mib             = 1 << 20
	oneRequest      = 20 * mib // a part's size: one PUT resends no more than a part would
	wantPart        = 20 * mib
	partsInFlight   = 4
	maxTitle        = 128 // bytes
	maxDescription  = 1024
	maxTags         = 16
	maxTag          = 32
	maxExtend       = 512
	maxName         = 255
	sessionLife     = 7 * 24 * time.Hour // "abandoned parts are removed after 7 days" (a.3)
	renewAhead      = 5 * time.Minute    // a.4
	lastMoments     = 10 * time.Second   // of a credential: nothing is to be gained by asking again
	stillTheSame    = 30 * time.Second   // pause where the platform keeps giving what OSS refuses
	deniedFresh     = 5 * time.Minute
	maxCoverInBytes = 10 * mib
)

// Config says which platform is spoken to, and how. The zero value is the documented platform and limits.
type Config struct {
	vod.Config

	// OSSEndpoint replaces the endpoint that the platform answers ("http://127.0.0.1:9000"); for local/ and for tests.
	OSSEndpoint string `json:"oss_endpoint,omitempty"`
	// SignV1 signs requests to OSS as before V4.
	SignV1 bool `json:"sign_v1,omitempty"`

	// CallbackURL is where the events of these uploads go, in the place of the account's own address; empty: there.
	CallbackURL string `json:"callback_url,omitempty"`

	// Overrides of the limits, bytes; 0 = the default. OneRequest < 0 means never. They exist so that a small video can
	// be seen to travel in parts.
	OneRequest int64 `json:"one_request,omitempty"`
	MinPart    int64 `json:"min_part,omitempty"`
	WantPart   int64 `json:"want_part,omitempty"`
	MaxPart    int64 `json:"max_part,omitempty"`
	MaxSize    int64 `json:"max_size,omitempty"`
	InFlight   int   `json:"in_flight,omitempty"`
}

// Check tells what is wrong with a Config; Invalid.
func (c Config) Check() error {
	const op = "alivod.Config"
	if err := c.Config.Check(); err != nil {
		return fault.Wrap(op, err)
	}
	if c.OSSEndpoint != "" && !isAddress(c.OSSEndpoint, false) {
		return fault.InvalidField(op, "oss_endpoint", "https://host", "this is not the address of an OSS endpoint")
	}
	if c.CallbackURL != "" && (!isAddress(c.CallbackURL, true) || len(c.CallbackURL) > 256) {
		return fault.InvalidField(op, "callback_url", "an http or https URL of at most 256 bytes", "this is none")
	}
	return nil
}

func isAddress(s string, path bool) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && u.Fragment == "" && u.User == nil && (path || u.RawQuery == "" && strings.Trim(u.Path, "/") == "")
}

// Limits is what VOD accepts under c (reference a.3, d.1): one PUT up to 20 MiB, else equal parts of about that. It is
// pure.
func Limits(c Config) upload.Limits {
	or := func(v, def int64) int64 {
		if v > 0 {
			return v
		}
		return def
	}
	l := upload.Limits{
		MaxSize:     or(c.MaxSize, int64(oss.MaxParts)*oss.MaxPart),
		OneRequest:  min(or(c.OneRequest, oneRequest), oss.MaxPart),
		MinPart:     or(c.MinPart, oss.MinPart),
		MinLastPart: 1,
		MaxPart:     min(or(c.MaxPart, oss.MaxPart), oss.MaxPart),
		WantPart:    or(c.WantPart, wantPart),
		MaxParts:    oss.MaxParts,
		InFlight:    int(or(int64(c.InFlight), partsInFlight)),
	}
	if c.OneRequest < 0 {
		l.OneRequest = 0
	}
	l.WantPart = min(max(l.WantPart, l.MinPart), l.MaxPart)
	return l
}

// Options are what a Target may be given; nil means defaults.
type Options struct {
	Now func() time.Time
	// Clock signs requests to OSS; to be shared by the targets of a process, since it learns. nil is one of its own.
	Clock *oss.Clock
	// API stands in for VOD; nil is the real one.
	API vod.API
}

// Target publishes as one account. It is safe for concurrent use.
type Target struct {
	cfg    Config
	limits upload.Limits
	api    vod.API
	client *http.Client
	now    func() time.Time
	clock  *oss.Clock
	bad    error // of the config; every call answers it
}

var (
	_ target.Target     = (*Target)(nil)
	_ target.Validator  = (*Target)(nil)
	_ target.InitHasher = (*Target)(nil)
	_ target.Inspector  = (*Target)(nil)
	_ target.PartLister = (*Target)(nil)
	_ target.Renewer    = (*Target)(nil)
	_ target.Checker    = (*Target)(nil)
	_ target.Coverer    = (*Target)(nil)
	_ target.Adviser    = (*Target)(nil)
	_ token.Refresher   = (*Refresher)(nil)

	_ target.CoverFormer = (*Target)(nil)
)

// New makes the Target of one account. A Config that does not pass Check makes every call fail with its error.
func New(c Config, client *http.Client, cred Credentials, o *Options) *Target {
	h := *client
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h.Jar = nil
	t := &Target{cfg: c, limits: Limits(c), client: &h, now: time.Now, bad: c.Check()}
	t.cfg.OSSEndpoint = strings.TrimRight(c.OSSEndpoint, "/")
	if o != nil {
		t.api, t.clock = o.API, o.Clock
		if o.Now != nil {
			t.now = o.Now
		}
	}
	if t.api == nil {
		t.api = vod.New(c.Config, Provider(cred), client, &vod.Options{Now: t.now})
	}
	if t.clock == nil {
		t.clock = oss.NewClock(t.now)
	}
	return t
}

// session is what Session.Private holds.
type session struct {
	VideoID     string         `json:"video_id"`
	Endpoint    string         `json:"endpoint"`
	Region      string         `json:"region"`
	Bucket      string         `json:"bucket"`
	Object      string         `json:"object"`
	Credential  oss.Credential `json:"credential"`
	Issued      time.Time      `json:"issued"`   // of the credential, by our clock
	Expires     time.Time      `json:"expires"`  // of the credential, by our clock
	RenewAt     time.Time      `json:"renew_at"` // from then on it counts as ended
	Renewals    int            `json:"renewals,omitempty"`
	Same        int            `json:"same,omitempty"`      // renewals one after the other that changed nothing though they were not due
	UploadID    string         `json:"upload_id,omitempty"` // empty: one PUT carries everything
	Parts       int            `json:"parts"`
	Size        int64          `json:"size"`
	ContentType string         `json:"content_type"`
}

func (t *Target) session(op string, s upload.Session) (session, error) {
	var p session
	if err := json.Unmarshal(s.Private, &p); err != nil || p.VideoID == "" || p.Bucket == "" || p.Object == "" || p.Endpoint == "" || p.Parts < 1 || p.Size < 1 || p.Parts > 1 && p.UploadID == "" {
		return p, fault.InvalidField(op, "session", "made by Init", "this is not a session of VOD")
	}
	return p, nil
}

// pack makes the Session of p.
func (p session) pack(opened, expires time.Time) (upload.Session, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return upload.Session{}, fault.Wrap("alivod.Session", err)
	}
	return upload.Session{ID: p.VideoID, Opened: opened, Expires: expires, Private: b}, nil
}

// begin is the check before any work: a cancelled context never changes remote data.
func begin(ctx context.Context, op string, bad error) error {
	if bad != nil {
		return fault.Wrap(op, bad)
	}
	if ctx.Err() != nil {
		return &fault.Error{Kind: fault.Unknown, Op: op, Effect: fault.EffectNone, Actor: fault.ActorUs, Err: transport.ContextError(ctx)}
	}
	return nil
}

// store is the OSS client of a session, under its present credential.
func (t *Target) store(op string, p session) (*oss.Client, error) {
	c, err := oss.New(oss.Config{Endpoint: p.Endpoint, Region: p.region(t.cfg), Bucket: p.Bucket, SignV1: t.cfg.SignV1}, oss.Fixed(p.Credential), t.client, &oss.Options{Clock: t.clock})
	return c, fault.Wrap(op, err)
}

func (p session) region(c Config) string {
	switch {
	case p.Region != "":
		return p.Region
	case c.Region != "":
		return c.Region
	}
	return vod.DefaultRegion
}
