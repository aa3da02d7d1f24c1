// Package douyinweb publishes videos through the interfaces of Douyin's creator web site (reference douyin, part B.1):
// upload credentials, upload slot, bytes to the storage service (TOS), confirmation, aweme/create. It works with the
// cookies of the account owner's own login, for the owner's own account.
//
// It knows one platform's wire format and hosts. It does not know other platforms, where tokens are kept, retries, or
// AWS. It needs a client that follows no redirect, replays nothing and bounds its waits (shared/transport with Hosts);
// of a failed request it asks NothingWritten() bool, and without it assumes that bytes were written.
//
// The rules of this package:
//
//   - Cookies go to an exact list of hosts (CookieHosts), set on each request, never through a jar, never after a
//     redirect.
//   - Values that the site's own page computes against abuse (msToken, a_bogus and the like) are never made up. Where the
//     site asks for a person (captcha, verification, login), the answer is CredentialsExpired with the reason.
//   - The interfaces are private and change without notice: an answer that lacks a field, or has it in another type, is a
//     fault with ErrProtocol that names the field. After create was sent its outcome is then unknown.
//
// There is no Inspector and no Checker: the reference names a list of works, but not the form of its answer. An unknown
// outcome ends HELD.
//
// What the reference marks unconfirmed and this package builds on: chunks are numbered from 1 and may arrive in any
// order; one may be sent again; a confirmation may be repeated; the text has at most 1000 UTF-16 units. How the storage
// says that an upload or its signature is gone is not known: HTTP 401, 403, 404 and 410 say it at once, and a chunk that is
// refused for the third time with no other taken in between says it, too. A confirmation that is refused by whatever code
// is tried once more under new upload credentials.
package douyinweb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
)

// Word is the target's word (design 1), and the one by which a mention may name an id for it (shared/markup).
const Word = "douyinweb"

// ErrProtocol is in the chain when an answer is not in the documented form: a field is missing, renamed, or of another
// type. The text names the field.
var ErrProtocol = errors.New("the platform's answer is not in the documented form")

// Sizes and times of reference B.1; a figure that it lacks says so.
const (
	mib          = 1 << 20
	maxSize      = 4 << 30 // as in A.6; of the web site unconfirmed
	oneRequest   = 5 * mib
	minPart      = 2 * mib // below it the known client does not chunk
	wantPart     = 5 * mib
	maxPart      = 5 * mib // the largest that a client of this flow is known to send
	maxParts     = 2048    // enough for maxSize; no source says
	inFlight     = 3       // the slot says "serial"; the pieces are addressed by number, so a few at a time
	maxText      = 1000    // as in A.6, in the web's unit
	maxAnswer    = 1 * mib
	slotLife     = 24 * time.Hour
	renewAhead   = 5 * time.Minute
	crcRoundTrip = 64 << 10 // bytes read at a time for the checksum
	maxRefusals  = 3        // of one chunk, with no other taken in between, before the session counts as lost
	credFresh    = time.Minute
)

// CSRF is how the create request is marked against forgery by other sites (reference B.1).
type CSRF string

// The three ways.
const (
	CSRFCookie CSRF = "cookie" // the header csrf_token repeats the cookie of that name; without the cookie none is sent
	CSRFSecSDK CSRF = "secsdk" // a token is asked for by a HEAD request just before
	CSRFNone   CSRF = "none"
)

// Config says which platform is spoken to, and how. The zero value is the flow of the seed document.
type Config struct {
	// CreatorURL is the site: https://media.douyin.com (the default) or https://creator.douyin.com, where it has moved.
	CreatorURL string `json:"creator_url,omitempty"`
	// VideoURL is the gateway of slots and confirmations; default https://vas-lf-x.snssdk.com.
	VideoURL string `json:"video_url,omitempty"`
	// StorageURL stands in for https://<tos_host>; only for platforms on this machine.
	StorageURL string `json:"storage_url,omitempty"`
	CSRF       CSRF   `json:"csrf,omitempty"`

	// Overrides of the limits, bytes; 0 = the documented value. OneRequest < 0 means never.
	OneRequest int64 `json:"one_request,omitempty"`
	MinPart    int64 `json:"min_part,omitempty"`
	WantPart   int64 `json:"want_part,omitempty"`
	MaxPart    int64 `json:"max_part,omitempty"`
	MaxSize    int64 `json:"max_size,omitempty"`
	InFlight   int   `json:"in_flight,omitempty"`
}

// Check tells what is wrong with a Config; Invalid.
func (c Config) Check() error {
	const op = "douyinweb.Config"
	c = c.withDefaults()
	if c.CSRF != CSRFCookie && c.CSRF != CSRFSecSDK && c.CSRF != CSRFNone {
		return fault.InvalidField(op, "csrf", "cookie | secsdk | none", fmt.Sprintf("unknown csrf %.32q", c.CSRF))
	}
	if !siteURL(c.CreatorURL, CookieHosts()...) {
		return fault.InvalidField(op, "creator_url", "https:// and one of media.douyin.com, creator.douyin.com", "this is not the address of the creator site")
	}
	if !siteURL(c.VideoURL, videoHost) {
		return fault.InvalidField(op, "video_url", "https://"+videoHost, "this is not the address of the video gateway")
	}
	if c.StorageURL != "" && !siteURL(c.StorageURL) {
		return fault.InvalidField(op, "storage_url", "empty; only a platform on this machine has one", "the storage is where the platform says")
	}
	return nil
}

func (c Config) withDefaults() Config {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
		for len(*s) > 0 && (*s)[len(*s)-1] == '/' {
			*s = (*s)[:len(*s)-1]
		}
	}
	def(&c.CreatorURL, "https://"+mediaHost)
	def(&c.VideoURL, "https://"+videoHost)
	def(&c.StorageURL, "")
	if c.CSRF == "" {
		c.CSRF = CSRFCookie
	}
	return c
}

// Limits is what the creator web accepts under c: up to 5 MiB in one request, else equal chunks of about 5 MiB. It is
// pure.
func Limits(c Config) upload.Limits {
	or := func(v, def int64) int64 {
		if v > 0 {
			return v
		}
		return def
	}
	l := upload.Limits{
		MaxSize:    or(c.MaxSize, maxSize),
		OneRequest: or(c.OneRequest, oneRequest),
		MinPart:    or(c.MinPart, minPart),
		MaxPart:    or(c.MaxPart, maxPart),
		WantPart:   or(c.WantPart, wantPart),
		MaxParts:   maxParts,
		InFlight:   int(or(int64(c.InFlight), inFlight)),
	}
	if c.OneRequest < 0 {
		l.OneRequest = 0
	}
	l.WantPart = min(max(l.WantPart, l.MinPart), l.MaxPart)
	l.MinLastPart = l.MinPart
	return l
}

// Credentials gives the account's present token: one of ParseCookies. Its errors are classified.
type Credentials func(context.Context) (token.Token, error)

// Options are what a Target or a Refresher may be given; nil means the real clock.
type Options struct {
	Now func() time.Time
}

// Target publishes as one account. It is safe for concurrent use.
type Target struct {
	cfg    Config
	limits upload.Limits
	caller caller
	cred   Credentials
	bad    error // of the config; every call answers it
	chunks refusals
}

var (
	_ target.Target     = (*Target)(nil)
	_ target.Validator  = (*Target)(nil)
	_ target.InitHasher = (*Target)(nil)
	_ target.Renewer    = (*Target)(nil)
	_ token.Refresher   = (*Refresher)(nil)
)

// New makes the Target of one account. A Config that does not pass Check makes every call fail with its error.
func New(c Config, client *http.Client, cred Credentials, o *Options) *Target {
	c = c.withDefaults()
	return &Target{cfg: c, limits: Limits(c), caller: newCaller(c, client, o), cred: cred, bad: c.Check()}
}

// Abort is nil: the reference has no call for it; a slot ends by itself after a day.
func (t *Target) Abort(ctx context.Context, _ upload.Session) error {
	return begin(ctx, "douyinweb.Abort", nil)
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
