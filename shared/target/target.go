// Package target is the contract of a platform that takes videos (design 3.1). It knows neither tokens' storage nor
// retries nor AWS; shared/target/targettest proves an implementation.
package target

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/vodlift/vodlift/shared/upload"
)

// ErrSessionLost is in the error chain when the open upload is gone (expired, aborted, already completed): the range
// ends, and Open makes a new session.
var ErrSessionLost = errors.New("the platform no longer knows this upload session")

// ErrAssetSpent is in the error chain when Publish was provably refused because the asset can serve no create (any
// more): the next permit starts again at Init.
var ErrAssetSpent = errors.New("the uploaded file can no longer be published; it has to be uploaded again")

// ErrSessionCredential is in the error chain when the session's upload credentials were refused or are about to end;
// Renewer makes new ones; parts stay. It may come from UploadPart, ListParts and Complete, before any byte or after. Its
// kind is TokenExpired, but it is not the account's token: look for it first. Renew under a lease on the session, load
// the session again (another may have renewed it), save it, go on.
var ErrSessionCredential = errors.New("the upload session's credentials were refused or are about to end")

// ErrCapability is in the error chain when the platform has not granted the app the ability to publish (any more), at Init,
// UploadPart, Complete, UploadCover or Publish. Its kind is Permanent, and the fault's Action says what to apply for, and
// where. No retry helps; the upload ends FAILED(capability), or goes on by a Handoverer where the account's setting says so.
var ErrCapability = errors.New("the platform has not granted this app the ability")

// ErrCoverDue is in the error chain when Publish was called for a video whose cover picture is not in the session
// (CoverDue). Nothing was sent: Retryable, without effect, asset kept. Open uploads the cover, then Publish comes again.
var ErrCoverDue = errors.New("the cover picture has not been uploaded in this session")

// Part is one part with its bytes.
type Part struct {
	upload.Part
	// Parts is how many parts the whole has; 1 means that one request carries everything.
	Parts int
	// Open gives a fresh reader of exactly Size bytes on every call. Whoever opens, closes.
	Open func(context.Context) (io.ReadCloser, error)
}

// Target accepts one video in parts. Implementations classify every error as a *fault.Error (with its Effect, on
// Publish), never sleep, never retry, never buffer a part, and are safe for concurrent use. A Target is bound to one
// account. Checking ctx before any request is theirs to do: a cancelled context never changes remote data.
type Target interface {
	// Init opens the platform's upload for v. It validates v first: what the platform would refuse is Invalid with
	// field and rule before a byte is sent. plan says whether one request or parts will follow; where one request
	// needs no session, nothing is sent.
	Init(ctx context.Context, v upload.Video, plan upload.Plan) (upload.Session, error)

	// UploadPart sends one part, streaming. The same part may be sent again. The receipt's CRC64 is of the bytes that
	// were sent. A body that is shorter or longer than Size, or fails, is an error and leaves no completed part.
	UploadPart(ctx context.Context, s upload.Session, p Part) (upload.Receipt, error)

	// Complete makes the asset of the parts; nothing is public yet. A gap in rs is Invalid.
	Complete(ctx context.Context, s upload.Session, rs []upload.Receipt) (upload.Asset, error)

	// Publish makes the asset public. Irreversible; called only under an intent, never repeated blindly. The request
	// is written at most once (no transport replay); an error has EffectNone only where the refusal is proven.
	Publish(ctx context.Context, v upload.Video, s upload.Session, a upload.Asset) (upload.Post, error)

	// Abort gives the session up; nil if already gone.
	Abort(ctx context.Context, s upload.Session) error
}

// Validator is optional: the checks that Init makes, without any request, for dry runs and for ingest.
type Validator interface {
	Validate(v upload.Video) error
}

// InitHasher is optional: a digest of all that Init sends of v. A revision of the manifest that changes it needs a new
// session. A target without it is taken to send everything.
type InitHasher interface {
	InitHash(v upload.Video) string
}

// Digester is optional: a platform that wants a digest of the whole file when the upload is opened. Where NeedsMD5 says
// so, Open takes the MD5 of the very bytes that will be sent before Init and hands it over in Video.MD5; Init without it
// is Invalid.
type Digester interface {
	NeedsMD5() bool
}

// Namer is optional: the id under which the platform speaks of an open session's video in its callbacks (a video id, a
// share id); "" if there is none yet. It is no secret. Without it a callback finds its upload by the post only.
type Namer interface {
	RemoteID(s upload.Session) string
}

// Attempt is one publish attempt that Inspect is asked about.
type Attempt struct {
	Video   upload.Video
	Session upload.Session
	Asset   upload.Asset
	At      time.Time // when the intent was recorded
	SendBy  time.Time // the request was not begun after this
}

// Finding is what an Inspector saw.
type Finding struct {
	Posts []upload.Post // those that match the attempt, newest last
	// Denied: the platform answered about that very asset that it was not published. A list that lacks the post is no
	// denial.
	Denied bool
}

// Inspector is optional: did that Publish take effect?
type Inspector interface {
	Inspect(ctx context.Context, a Attempt) (Finding, error)
}

// PartLister is optional: the receipts that the open session has. Receipts without our CRC64 are marked Unsummed.
type PartLister interface {
	ListParts(ctx context.Context, s upload.Session) ([]upload.Receipt, error)
}

// Renewer is optional: new upload credentials for an open session.
type Renewer interface {
	Renew(ctx context.Context, s upload.Session) (upload.Session, error)
}

// State is what a platform says of a post after publishing.
type State int

// The states that Check reports.
const (
	Later   State = iota // still being processed or reviewed
	Live                 // the platform shows it
	Blocked              // refused by review, or deleted
)

// Verdict is the answer of Check.
type Verdict struct {
	State  State
	Reason string // why blocked, for people
	URL    string // of the public page, if it is known only now
}

// Checker is optional: has the platform finished processing the post?
type Checker interface {
	Check(ctx context.Context, v upload.Video, p upload.Post) (Verdict, error)
}

// Opener builds the Target of an account with its present credential. It is how workflow gets one; errors are
// classified: no such account is Invalid, no credential is CredentialsExpired.
type Opener interface {
	// version is that of the token in use, so that a refused one can be named; 0 where there is none. A token whose
	// time is over is TokenExpired, with its version.
	OpenTarget(ctx context.Context, a upload.Account) (t Target, version int64, err error)
	// Limits of that account's platform.
	Limits(a upload.Account) (upload.Limits, error)
}
