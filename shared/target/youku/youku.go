// Package youku publishes videos through Youku's Open Platform (reference youku): create, the file to OSS, commit, and
// the renewal of both kinds of credentials.
//
// It knows one platform's wire format, limits and error codes. The storage is shared/oss; it does not know other
// platforms, where tokens, sessions or digests are kept, retries, or AWS. It needs a client that follows no redirect,
// replays nothing and bounds its waits (shared/transport), and that may reach the platform and oss-*.aliyuncs.com.
//
// What the reference marks unconfirmed and this package builds on: an upload_token lives 24 hours; a multipart upload
// goes on under a renewed credential; characters are Unicode code points; a second commit of one upload_token can not
// make a second video; the policy of the temporary credential allows everything on that key but HEAD.
package youku

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
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
)

// DefaultBase is the platform's address.
const DefaultBase = "https://api.youku.com"

// Sizes and times of the reference.
const (
	mib            = 1 << 20
	oneRequest     = 20 * mib // a part's size: one PUT resends no more than a part would
	wantPart       = 20 * mib // the browser sample's (section 6)
	partsInFlight  = 4
	maxTitle       = 60
	maxTags        = 10
	minTag         = 2
	defaultTag     = 12   // code 120010125; the parameter table says 20 (4.2)
	hardTag        = 20   //
	defaultText    = 200  // code 120010142; the parameter table says 2000 (4.2)
	hardText       = 2000 //
	maxPassword    = 32
	maxName        = 255
	tokenLife      = 24 * time.Hour // of an upload_token (section 5)
	credentialLife = time.Hour      // where expire_time is missing or unreadable
	renewAhead     = 5 * time.Minute
	skewThatCounts = time.Minute
	denyAfter      = 10 * time.Minute // "the first minutes after commit" (section 7)
	giveUpAfter    = 24 * time.Hour   // polling for a video that does not appear
	deniedFresh    = 5 * time.Minute
	maxAnswer      = 1 * mib
)

// Config says which platform is spoken to, and how. The zero value is the documented platform and limits.
type Config struct {
	BaseURL string `json:"base_url,omitempty"`

	// SendSecret also sends the app's secret when a token is refreshed; the present documents know no such parameter.
	SendSecret bool `json:"send_secret,omitempty"`

	// TagMax is the most characters of a tag: 12 by the error codes (the default), 20 by the parameter table.
	TagMax int `json:"tag_max,omitempty"`
	// DescriptionMax is the most characters of a description: 200 by the error codes (the default), 2000 by the
	// parameter table.
	DescriptionMax int `json:"description_max,omitempty"`

	// OSSEndpoint replaces the endpoint that the platform answers ("http://127.0.0.1:9000"); for local/ and for tests.
	OSSEndpoint string `json:"oss_endpoint,omitempty"`
	// Region is that of signatures where the endpoint's name does not say it; default cn-shanghai.
	Region string `json:"region,omitempty"`
	// SignV1 signs requests to OSS as before V4.
	SignV1 bool `json:"sign_v1,omitempty"`

	// DenyAfter is how long after the commit "the video does not exist" is believed; default 10 min.
	DenyAfter time.Duration `json:"deny_after,omitempty"`

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
	const op = "youku.Config"
	c = c.withDefaults()
	if !isBase(c.BaseURL) {
		return fault.InvalidField(op, "base_url", "https://host", "this is not the address of a platform")
	}
	if c.OSSEndpoint != "" && !isBase(c.OSSEndpoint) {
		return fault.InvalidField(op, "oss_endpoint", "https://host", "this is not the address of an OSS endpoint")
	}
	if c.TagMax < minTag || c.TagMax > hardTag {
		return fault.InvalidField(op, "tag_max", fmt.Sprintf("%d to %d", minTag, hardTag), fmt.Sprintf("it is %d", c.TagMax))
	}
	if c.DescriptionMax < 1 || c.DescriptionMax > hardText {
		return fault.InvalidField(op, "description_max", fmt.Sprintf("1 to %d", hardText), fmt.Sprintf("it is %d", c.DescriptionMax))
	}
	if c.DenyAfter < 0 {
		return fault.InvalidField(op, "deny_after", ">= 0", "it is negative")
	}
	return nil
}

// Denies is after how long "the video does not exist" is believed under c: the workflow must not settle a publish before.
func (c Config) Denies() time.Duration { return c.withDefaults().DenyAfter }

func isBase(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && u.RawQuery == "" && u.Fragment == "" && u.User == nil
}

func (c Config) withDefaults() Config {
	if c.BaseURL == "" {
		c.BaseURL = DefaultBase
	}
	c.BaseURL, c.OSSEndpoint = strings.TrimRight(c.BaseURL, "/"), strings.TrimRight(c.OSSEndpoint, "/")
	if c.TagMax == 0 {
		c.TagMax = defaultTag
	}
	if c.DescriptionMax == 0 {
		c.DescriptionMax = defaultText
	}
	if c.Region == "" {
		c.Region = "cn-shanghai"
	}
	if c.DenyAfter == 0 {
		c.DenyAfter = denyAfter
	}
	return c
}

// Limits is what Youku accepts under c (reference section 6): one PUT up to 20 MiB, else equal parts of about that.
// Youku's own limit of size is not documented; OSS's holds. It is pure.
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

// Credentials gives the account's present token. Its errors are classified (token.ErrNoCredential and so on).
type Credentials func(context.Context) (token.Token, error)

// App gives the app's key, whose id every call names.
type App func(context.Context) (token.AppKey, error)

// Options are what a Target may be given; nil means defaults.
type Options struct {
	Now func() time.Time
	// Clock signs requests to OSS; to be shared by the targets of a process, since it learns. nil is one of its own.
	Clock *oss.Clock
	// Password gives the sealed watch password of a name (manifest.youku.watch_password_name); nil where there are none.
	Password func(ctx context.Context, name string) (string, error)
	Log      *slog.Logger // of the rare oddity that is no error; nil logs nothing
}

// Target publishes as one account. It is safe for concurrent use.
type Target struct {
	cfg    Config
	limits upload.Limits
	caller caller
	app    App
	cred   Credentials
	opt    Options
	bad    error // of the config; every call answers it
}

var (
	_ target.Target     = (*Target)(nil)
	_ target.Validator  = (*Target)(nil)
	_ target.InitHasher = (*Target)(nil)
	_ target.Digester   = (*Target)(nil)
	_ target.Adviser    = (*Target)(nil)
	_ target.Inspector  = (*Target)(nil)
	_ target.PartLister = (*Target)(nil)
	_ target.Renewer    = (*Target)(nil)
	_ target.Checker    = (*Target)(nil)
	_ token.Refresher   = (*Refresher)(nil)

	_ target.CoverFormer = (*Target)(nil)
)

// New makes the Target of one account. A Config that does not pass Check makes every call fail with its error.
func New(c Config, client *http.Client, app App, cred Credentials, o *Options) *Target {
	c = c.withDefaults()
	t := &Target{cfg: c, limits: Limits(c), app: app, cred: cred, bad: c.Check()}
	if o != nil {
		t.opt = *o
	}
	t.caller = newCaller(c.BaseURL, client, t.opt.Now)
	if t.opt.Clock == nil {
		t.opt.Clock = oss.NewClock(t.opt.Now)
	}
	return t
}

// NeedsMD5 implements target.Digester: create wants the MD5 of the whole file (reference 4.1).
func (t *Target) NeedsMD5() bool { return true }

// session is what Session.Private holds.
type session struct {
	UploadToken string         `json:"upload_token"`
	VideoID     string         `json:"video_id"`
	Endpoint    string         `json:"endpoint"` // host, as the platform wrote it
	Bucket      string         `json:"bucket"`
	Object      string         `json:"object"`
	Credential  oss.Credential `json:"credential"`
	Issued      time.Time      `json:"issued"`  // of the credential, by our clock
	Expires     time.Time      `json:"expires"` // of the credential, by our clock
	Renewals    int            `json:"renewals,omitempty"`
	UploadID    string         `json:"upload_id,omitempty"` // empty: one PUT carries everything
	Instant     bool           `json:"instant,omitempty"`   // the platform has these bytes already
	Parts       int            `json:"parts"`
	Size        int64          `json:"size"`
	MD5         string         `json:"md5"`
	ContentType string         `json:"content_type"`
}

func (t *Target) session(op string, s upload.Session) (session, error) {
	var p session
	if err := json.Unmarshal(s.Private, &p); err != nil || p.UploadToken == "" || p.VideoID == "" || p.Parts < 1 || p.Size < 1 || p.Parts > 1 && p.UploadID == "" && !p.Instant {
		return p, fault.InvalidField(op, "session", "made by Init", "this is not a session of Youku")
	}
	return p, nil
}

// pack makes the Session of p.
func (p session) pack(opened, expires time.Time) (upload.Session, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return upload.Session{}, fault.Wrap("youku.Session", err)
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
