// Package douyin publishes videos through Douyin's Open Platform (reference douyin, part A): upload in one request or in
// parts, covers, create, list, data, and the renewal of an account's tokens; and where an app may not publish, a link with
// which a person does (handover.go). Two generations of the API (legacy and v1) and two ways to send the token (query and
// header) are settings.
//
// It knows one platform's wire format, limits and error codes. It does not know other platforms, where tokens are kept,
// retries, or AWS. It needs a client that follows no redirect, replays nothing and bounds its waits (shared/transport);
// of a failed request it asks NothingWritten() bool, which that client's errors have, and without it assumes that bytes
// were written.
//
// What the reference marks unconfirmed and this package builds on: a session and an unused video_id live 2 hours; a
// parameter error on a part or on complete means that the session is gone; the same part may be sent again; parts may
// arrive in any order; characters of the text are Unicode code points; image upload takes a field "image" and answers
// data.image.image_id.
package douyin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
)

// Generation is which of the two sets of paths is called (reference A.3).
type Generation string

// Auth is how the access token travels (reference A.3).
type Auth string

// The two generations and the two ways.
const (
	Legacy Generation = "legacy"
	V1     Generation = "v1"

	Query  Auth = "query"
	Header Auth = "header"
)

// DefaultBase is the platform's address.
const DefaultBase = "https://open.douyin.com"

// Sizes of reference A.6, and the life of a session (A.5).
const (
	mib           = 1 << 20
	maxSize       = 4 << 30
	oneRequest    = 50 * mib
	hardOneLegacy = 128 * mib
	hardOneV1     = 300 * mib
	minPart       = 5 * mib
	wantPart      = 20 * mib
	maxPart       = 100 * mib
	maxParts      = 1000
	maxText       = 1000
	maxDuration   = 15 * time.Minute
	sessionLife   = 2 * time.Hour
	postsPerDay   = 75
	listPage      = 10
	listPages     = 20
	maxAnswer     = 1 * mib
	maxCoverOld   = 100 * mib
	maxCover      = 20 * mib
	clockSkew     = 5 * time.Minute
	lateAfterSend = 30 * time.Minute
	partsInFlight = 4
	fileName      = "video.mp4"
	filePartType  = "video/mp4"
)

// Config says which platform is spoken to, and how. The zero value is v1 with the token in a header, and the limits of
// reference A.6.
type Config struct {
	BaseURL    string     `json:"base_url,omitempty"`
	Generation Generation `json:"generation,omitempty"`
	Auth       Auth       `json:"auth,omitempty"`

	// Overrides of the limits, bytes; 0 = the documented value. OneRequest < 0 means never. They exist so that a small
	// video can be seen to travel in parts.
	OneRequest int64 `json:"one_request,omitempty"`
	MinPart    int64 `json:"min_part,omitempty"`
	WantPart   int64 `json:"want_part,omitempty"`
	MaxPart    int64 `json:"max_part,omitempty"`
	MaxSize    int64 `json:"max_size,omitempty"`
	InFlight   int   `json:"in_flight,omitempty"`
}

// Check tells what is wrong with a Config; Invalid.
func (c Config) Check() error {
	const op = "douyin.Config"
	c = c.withDefaults()
	if c.Generation != Legacy && c.Generation != V1 {
		return fault.InvalidField(op, "generation", "legacy | v1", fmt.Sprintf("unknown generation %.32q", c.Generation))
	}
	if c.Auth != Query && c.Auth != Header {
		return fault.InvalidField(op, "auth", "query | header", fmt.Sprintf("unknown auth %.32q", c.Auth))
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fault.InvalidField(op, "base_url", "https://host", "this is not the address of a platform")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.BaseURL == "" {
		c.BaseURL = DefaultBase
	}
	for len(c.BaseURL) > 0 && c.BaseURL[len(c.BaseURL)-1] == '/' {
		c.BaseURL = c.BaseURL[:len(c.BaseURL)-1]
	}
	if c.Generation == "" {
		c.Generation = V1
	}
	if c.Auth == "" {
		c.Auth = Header
	}
	return c
}

func (c Config) hardOne() int64 {
	if c.Generation == Legacy {
		return hardOneLegacy
	}
	return hardOneV1
}

// Limits is what Douyin accepts under c (reference A.6): up to 50 MiB in one request, else equal parts of about 20 MiB,
// so that no short last part is left. It is pure.
func Limits(c Config) upload.Limits {
	c = c.withDefaults()
	or := func(v, def int64) int64 {
		if v > 0 {
			return v
		}
		return def
	}
	l := upload.Limits{
		MaxSize:    or(c.MaxSize, maxSize),
		OneRequest: min(or(c.OneRequest, oneRequest), c.hardOne()),
		MinPart:    or(c.MinPart, minPart),
		MaxPart:    or(c.MaxPart, maxPart),
		WantPart:   or(c.WantPart, wantPart),
		MaxParts:   maxParts,
		InFlight:   int(or(int64(c.InFlight), partsInFlight)),

		SessionLife: sessionLife, AssetLife: sessionLife,
	}
	if c.OneRequest < 0 {
		l.OneRequest = 0
	}
	l.WantPart = min(max(l.WantPart, l.MinPart), l.MaxPart)
	l.MinLastPart = l.MinPart // a shorter last part is unconfirmed; equal parts do without
	return l
}

// Credentials gives the account's present token. Its errors are classified (token.ErrNoCredential and so on).
type Credentials func(context.Context) (token.Token, error)

// App gives the app's key and secret, which only a hand-over needs.
type App func(context.Context) (token.AppKey, error)

// Options are what a Target may be given; nil means the real clock and randomness.
type Options struct {
	Now  func() time.Time
	Rand io.Reader // of multipart boundaries, and of what a hand-over signs
	App  App       // nil: no hand-over
}

// Target publishes as one account. It is safe for concurrent use.
type Target struct {
	cfg    Config
	limits upload.Limits
	paths  paths
	caller caller
	cred   Credentials
	app    App
	rand   io.Reader
	bad    error // of the config; every call answers it
}

var (
	_ target.InitHasher  = (*Target)(nil)
	_ target.Target      = (*Target)(nil)
	_ target.Validator   = (*Target)(nil)
	_ target.Adviser     = (*Target)(nil)
	_ target.Inspector   = (*Target)(nil)
	_ target.Checker     = (*Target)(nil)
	_ target.CoverFormer = (*Target)(nil)
	_ target.Coverer     = (*Target)(nil)
	_ target.Handoverer  = (*Target)(nil)
	_ target.Pacer       = (*Target)(nil)
	_ token.Refresher    = (*Refresher)(nil)
)

// New makes the Target of one account. A Config that does not pass Check makes every call fail with its error.
func New(c Config, client *http.Client, cred Credentials, o *Options) *Target {
	c = c.withDefaults()
	t := &Target{cfg: c, limits: Limits(c), paths: pathsOf(c.Generation), caller: newCaller(c.BaseURL, client, o), cred: cred, bad: c.Check()}
	if o != nil {
		t.rand, t.app = o.Rand, o.App
	}
	return t
}

// session is what Session.Private holds.
type session struct {
	UploadID string `json:"upload_id,omitempty"` // empty: one request carries everything
	Parts    int    `json:"parts"`
	Size     int64  `json:"size"`
	CoverID  string `json:"cover_id,omitempty"` // image_id of the cover picture
}

func (t *Target) session(op string, s upload.Session) (session, error) {
	var p session
	if err := json.Unmarshal(s.Private, &p); err != nil || p.Parts < 1 || p.Size < 1 || p.Parts > 1 && p.UploadID == "" {
		return p, fault.InvalidField(op, "session", "made by Init", "this is not a session of Douyin")
	}
	return p, nil
}

// InitHash: Init sends nothing of the video (reference A.5), so no revision of the manifest needs a new session, another
// cover included: it goes with create. The manifest itself is checked again by Publish.
func (t *Target) InitHash(upload.Video) string { return "douyin" }

// Init opens an upload. With a plan of one part nothing is sent: that session is a mere note, and never expires. A
// repeat leaves an orphan upload_id at the platform, which ends by itself after 2 hours.
func (t *Target) Init(ctx context.Context, v upload.Video, plan upload.Plan) (upload.Session, error) {
	const op = "douyin.Init"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Session{}, err
	}
	if err := t.Validate(v); err != nil {
		return upload.Session{}, err
	}
	if err := t.checkPlan(op, v, plan); err != nil {
		return upload.Session{}, err
	}
	p := session{Parts: plan.Parts, Size: v.Size}
	now := t.caller.now()
	s := upload.Session{ID: "one-request", Opened: now}
	if !plan.OneRequest() {
		a, err := t.call(ctx, request{step: StepInit, op: op, method: http.MethodPost, path: t.paths.partInit})
		if err != nil {
			return upload.Session{}, err
		}
		var d struct {
			UploadID string `json:"upload_id"`
		}
		if a.data(&d); d.UploadID == "" {
			return upload.Session{}, a.unreadable("the answer holds no upload_id")
		}
		p.UploadID, s.ID, s.Expires = d.UploadID, d.UploadID, now.Add(sessionLife)
	}
	var err error
	s.Private, err = json.Marshal(p)
	return s, err
}

// checkPlan refuses, and does not mend, a plan that the platform would refuse.
func (t *Target) checkPlan(op string, v upload.Video, p upload.Plan) error {
	bad := func(rule, msg string) error { return fault.InvalidField(op, "plan", rule, msg) }
	switch {
	case p.Size != v.Size || p.Parts < 1:
		return bad("of this video", fmt.Sprintf("the plan is for %d bytes, the video has %d", p.Size, v.Size))
	case p.OneRequest() && p.Size > t.cfg.hardOne():
		return bad(fmt.Sprintf("<= %d bytes in one request", t.cfg.hardOne()), "too large for one request")
	case p.OneRequest():
		return nil
	case p.Parts > t.limits.MaxParts:
		return bad(fmt.Sprintf("<= %d parts", t.limits.MaxParts), fmt.Sprintf("the plan has %d parts", p.Parts))
	case p.PartSize < t.limits.MinPart || p.PartSize > t.limits.MaxPart:
		return bad(fmt.Sprintf("parts of %d to %d bytes", t.limits.MinPart, t.limits.MaxPart), fmt.Sprintf("the plan's have %d", p.PartSize))
	}
	return nil
}

// Complete makes the video_id of the parts. Nothing tells the platform how many parts to expect (reference A.5), so the
// receipts are counted here. In one request the asset is already known and nothing is sent. Whether a second Complete
// answers the same video_id is unconfirmed: a lost answer is Unknown.
func (t *Target) Complete(ctx context.Context, s upload.Session, rs []upload.Receipt) (upload.Asset, error) {
	const op = "douyin.Complete"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Asset{}, err
	}
	p, err := t.session(op, s)
	if err != nil {
		return upload.Asset{}, err
	}
	if err := whole(op, p, rs); err != nil {
		return upload.Asset{}, err
	}
	if p.UploadID == "" {
		if rs[0].Asset == "" {
			return upload.Asset{}, fault.InvalidField(op, "receipts", "the receipt names the video_id", "the receipt of the one request names no asset")
		}
		// The upload happened after the session was opened; when exactly is not known here.
		return upload.Asset{ID: rs[0].Asset, Expires: s.Opened.Add(sessionLife)}, nil
	}
	a, err := t.call(ctx, request{step: StepComplete, op: op, method: http.MethodPost, path: t.paths.partComplete,
		query: url.Values{"upload_id": {p.UploadID}}, secrets: []string{p.UploadID}})
	if err != nil {
		return upload.Asset{}, err
	}
	id := a.videoID()
	if id == "" {
		return upload.Asset{}, a.unreadable("the answer holds no video_id")
	}
	return upload.Asset{ID: id, Expires: t.caller.now().Add(sessionLife)}, nil
}

// whole demands a receipt for each part, once, and all the bytes.
func whole(op string, p session, rs []upload.Receipt) error {
	seen := make([]bool, p.Parts+1)
	var size int64
	for _, r := range rs {
		if r.Part < 1 || r.Part > p.Parts || seen[r.Part] {
			return fault.InvalidField(op, "receipts", fmt.Sprintf("one each for parts 1 to %d", p.Parts), fmt.Sprintf("part %d is unknown or there twice", r.Part))
		}
		seen[r.Part] = true
		size += r.Size
	}
	for n := 1; n <= p.Parts; n++ {
		if !seen[n] {
			return fault.InvalidField(op, "receipts", fmt.Sprintf("one each for parts 1 to %d", p.Parts), fmt.Sprintf("part %d is missing", n))
		}
	}
	if size != p.Size {
		return fault.InvalidField(op, "receipts", fmt.Sprintf("%d bytes together", p.Size), fmt.Sprintf("they have %d", size))
	}
	return nil
}

// Abort is nil: Douyin has no call for it, and an open upload ends by itself after 2 hours (reference A.5).
func (t *Target) Abort(ctx context.Context, s upload.Session) error {
	if err := begin(ctx, "douyin.Abort", nil); err != nil {
		return err
	}
	return nil
}

// begin is the check before any work: a cancelled context never changes remote data.
func begin(ctx context.Context, op string, bad error) error {
	if bad != nil {
		return fault.Wrap(op, bad)
	}
	if ctx.Err() != nil {
		return &fault.Error{Kind: fault.Unknown, Op: op, Effect: fault.EffectNone, AssetKept: true, Actor: fault.ActorUs, Err: transport.ContextError(ctx)}
	}
	return nil
}
