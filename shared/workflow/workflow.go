// Package workflow is where source, target, token and state meet: one method for each function's step (design 2), and
// the verbs of operators. It decides what happens next from the ledger alone; it knows no SDK, no Lambda event and no
// platform's wire.
package workflow

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path"
	"regexp"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/retry"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

var (
	// ErrStarted: an execution of that name exists already; the ledger knows more.
	ErrStarted = errors.New("an execution of this name exists")
	// ErrGone: the task token's execution has ended or went on.
	ErrGone = errors.New("nobody waits for this wake")
)

// Starter starts an execution of the machine. ErrStarted in the chain: there is one of that name.
type Starter interface {
	Start(ctx context.Context, name string, input []byte) error
}

// Waker ends a park with `{}`. ErrGone in the chain: there is nobody to wake.
type Waker interface {
	Wake(ctx context.Context, taskToken string) error
}

// Renewer renews an account's token: one other than the refused version, or an error that says who has to act.
type Renewer interface {
	RenewAccount(ctx context.Context, a upload.Account, refused int64) error
}

// Outside takes the events of the outbox. Delivery is at least once.
type Outside interface {
	Send(ctx context.Context, o state.Outgoing) error
}

// Lister lists the objects of a bucket, for the books.
type Lister interface {
	// List gives at most limit objects whose key comes after `after`, in the byte order of their keys, with ETag and size;
	// next is the `after` of the next page, empty at the end. Keys are decoded.
	List(ctx context.Context, bucket, after string, limit int) (objects []source.Object, next string, err error)
}

// Parts is what a Workflow is made of. All are required but where a comment says otherwise.
type Parts struct {
	Ledger  *state.Ledger
	Source  source.Source
	Targets target.Opener
	Renewer Renewer
	Starter Starter
	Waker   Waker
	Outside Outside
	Lister  Lister // optional: without it the books cannot be balanced
	Routes  manifest.Routes
	Now     func() time.Time // default time.Now
	Rand    io.Reader        // default crypto/rand
	Log     *slog.Logger
	Set     Settings
	// PartRetry is how single parts are repeated inside one invocation; the zero value is the default of package retry.
	PartRetry retry.Policy
	// Plain, optional, gives an account's target without its credential, for what is pure: target.CoverFormer. nil = it is
	// not known. Default: the target as it is opened.
	Plain func(a upload.Account) any
	// Link, optional, makes an https address of an object, pinned as it is, that anybody can fetch for at least life, with
	// that content type: for platforms that fetch covers, and for hand-overs. It is a secret.
	Link func(ctx context.Context, o source.Object, contentType string, life time.Duration) (string, error)
	// Metric, optional, counts for the outside: uploads_ended (outcome), extra_posts and callbacks_lost (Count),
	// range_bytes_per_second (Bytes/Second). dims are names and values in turn.
	Metric func(ctx context.Context, name, unit string, value float64, dims ...string)
	// Listed, optional, is called by Settle for each upload that is PUBLISHED, before it counts as cleared up: the AppServer
	// lists those of VOD by it. It has to be idempotent; after an error it is called again, later and later, and the upload
	// stays PUBLISHED.
	Listed func(ctx context.Context, u state.Upload, v upload.Video) error
	// Subject, optional, is the platform's id of the user that an account is: who opens a hand-over's link publishes as
	// himself, and only the account's own user may close it. Nil or "": it is not known, and every user may.
	Subject func(ctx context.Context, a upload.Account) (string, error)
	// Progress, optional, is told of bytes as they are sent; for progress bars on one machine.
	Progress func(upload string, bytes int64)
}

// Workflow holds no state: any number of them work on one ledger, in any number of processes.
type Workflow struct {
	Parts
}

// New checks nothing remote and starts nothing.
func New(p Parts) *Workflow {
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Rand == nil {
		p.Rand = rand.Reader
	}
	p.Set = p.Set.withDefaults()
	return &Workflow{p}
}

// Settings are the waits and bounds of the steps. Zero values mean the defaults of design 2 and 4.
type Settings struct {
	Plan        upload.Settings
	Looks       []time.Duration          // between looks; the last repeats
	PollFirst   time.Duration            // first poll of Watch; doubles
	PollMost    time.Duration            // up to this
	SendWindow  time.Duration            // send_by is this far ahead at most
	AnswerLimit time.Duration            // the platform's own time-out, part of settle_at
	SettleLag   map[string]time.Duration // by target: how late its lists may be
	SettleRest  time.Duration            // settle lag where none is given; 30 min
	LeaseRenew  time.Duration            // how often a range's lease is renewed
	PartRest    time.Duration            // a part starts only with so much of the lease left
	Margin      time.Duration            // before a function's deadline, in which no part is started
	Life        time.Duration            // of a generation
	Lead        time.Duration            // how long before its moment an upload begins, beside the time of its bytes at 2 MB/s
	NearWait    time.Duration            // up to this a publish waits in ToPublish, beyond it parks
	BackoffMin  time.Duration            // of generations in a row without progress; doubles
	BackoffMax  time.Duration
	RetryPark   time.Duration   // park after a refused step that may be repeated
	SlotPoll    time.Duration   // safety net of those who wait for a grant
	Sweep       time.Duration   // until the due sweep's next run
	SidecarWait time.Duration   // an optional sidecar is waited for so long
	Handover    map[string]bool // by account or target: what the app may not publish is handed to a person
	Inbox       string          // the bucket that API callers may name
	StartsFrom  time.Time       // older objects are never started
	OrphanAge   time.Duration   // an open session that nobody wants any more is aborted after it; 7 days
	BooksLimit  int             // objects that one run of the books looks at; 2000
	DigestStep  int64           // bytes of one ranged read of a digest; each has to fit into Margin
}

func (s Settings) withDefaults() Settings {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if len(s.Looks) == 0 {
		s.Looks = []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute}
	}
	def(&s.PollFirst, 30*time.Second)
	def(&s.PollMost, 30*time.Minute)
	def(&s.SendWindow, time.Minute)
	def(&s.AnswerLimit, time.Minute)
	def(&s.SettleRest, 30*time.Minute)
	def(&s.LeaseRenew, 15*time.Second)
	def(&s.PartRest, 15*time.Second)
	def(&s.Margin, 45*time.Second)
	def(&s.Life, 24*time.Hour)
	def(&s.Lead, 30*time.Minute)
	def(&s.NearWait, 90*time.Second)
	def(&s.BackoffMin, time.Minute)
	def(&s.BackoffMax, time.Hour)
	def(&s.RetryPark, 30*time.Second)
	def(&s.SlotPoll, time.Minute)
	def(&s.Sweep, time.Minute)
	def(&s.SidecarWait, time.Minute)
	def(&s.OrphanAge, 7*24*time.Hour)
	if s.BooksLimit <= 0 {
		s.BooksLimit = 2000
	}
	if s.DigestStep <= 0 {
		s.DigestStep = 64 << 20
	}
	return s
}

// Check refuses settings under which a promise of design 4.1 could not be kept. denyAfter is, by target, how long after a
// publish its adapter takes no "it does not exist" for an answer: the settle lag has to be at least that, or the looks
// after settle_at could only end HELD.
func (s Settings) Check(denyAfter map[string]time.Duration) error {
	s = s.withDefaults()
	for _, t := range slices.Sorted(maps.Keys(denyAfter)) {
		lag, ok := s.SettleLag[t]
		if !ok {
			lag = s.SettleRest
		}
		if least := denyAfter[t]; s.AnswerLimit+lag < least {
			return fault.InvalidField("workflow.Settings", "settle_lag."+t, fmt.Sprintf(">= %s with the answer limit", least),
				fmt.Sprintf("a publish to %s settles %s after it was sent, and its adapter denies only %s after it", t, s.AnswerLimit+lag, least))
		}
	}
	return nil
}

// Step is the input of every task of the machine (design 2, payloads); package handler checks its form.
type Step struct {
	V      int    `json:"v"`
	Upload string `json:"upload"`
	Gen    int    `json:"gen"`
}

var uploadID = regexp.MustCompile(`^u[a-z2-7]{26}$`)

// Result is a step's answer: the word that the next Choice reads, and a wait in whole seconds.
type Result struct {
	Next string `json:"next"`
	Wait int    `json:"wait"`
}

// superseded is the answer of every step whose generation is over: it has touched nothing.
const superseded = "superseded"

// seconds rounds up to what the states language counts in.
func seconds(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return int((d + time.Second - 1) / time.Second)
}

// begin loads the upload of a step and applies count to it. ok is false when the generation is over.
func (w *Workflow) begin(ctx context.Context, in Step, count func(*state.Upload)) (u state.Upload, ok bool, err error) {
	u, err = w.Ledger.Update(ctx, in.Upload, in.Gen, func(u *state.Upload) error { count(u); return nil })
	if errors.Is(err, state.ErrSuperseded) {
		return u, false, nil
	}
	return u, err == nil, err
}

// object is the source as the source package names it: pinned by ETag, and by version where there is one.
func object(s upload.Source) source.Object {
	return source.Object{Bucket: s.Bucket, Key: s.Key, ETag: s.ETag, Size: s.Size, VersionID: s.VersionID}
}

// video is what the target is told: the source's facts and the manifest's fields of revision rev.
func (w *Workflow) video(ctx context.Context, u *state.Upload, rev int) (upload.Video, error) {
	r, err := w.Ledger.Revision(ctx, u.Publication, rev)
	if err != nil {
		return upload.Video{}, err
	}
	m := r.Manifest
	v := upload.Video{
		Upload: u.ID, Publication: u.Publication, Account: u.Account, Size: u.Source.Size, FileName: path.Base(u.Source.Key),
		Title: m.Title, Description: m.Description, Tags: m.Tags, Private: m.Private, CRC64: u.CRC64, MD5: u.MD5,
		Fields: m.Targets[u.Account.Target()],
	}
	v.Cover = coverOf(m, r.Cover)
	if u.Media != nil {
		facts(&v, u.Media)
	}
	return v, nil
}

// facts are what the preflight read of the video's header.
func facts(v *upload.Video, m *state.Media) {
	v.ContentType, v.Duration = m.ContentType, m.Duration
	v.Container, v.Codec, v.Width, v.Height = m.Container, m.Codec, m.Width, m.Height
	v.FrameRate, v.IndexAtEnd, v.Unchecked = m.FrameRate, m.IndexAtEnd, m.Why
}

func (w *Workflow) metric(ctx context.Context, name, unit string, value float64, dims ...string) {
	if w.Metric != nil {
		w.Metric(ctx, name, unit, value, dims...)
	}
}

// initHash is the digest of what Init sends; see target.InitHasher.
func initHash(t target.Target, v upload.Video) string {
	if h, ok := t.(target.InitHasher); ok {
		return h.InitHash(v)
	}
	v.CRC64 = ""
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// note writes a line into the upload's timeline and the log. The timeline is for people: a line that cannot be written
// is logged, and the step goes on.
func (w *Workflow) note(ctx context.Context, u *state.Upload, step, text string, err error) {
	e := state.Event{At: w.Now(), Gen: u.Gen, Step: step, Text: text}
	level := slog.LevelInfo
	if err != nil {
		f := state.FaultOf(step, err, e.At)
		e.Kind, e.Code, e.LogID = f.Kind, f.Code, f.LogID
		e.Text, level = text+": "+f.Text, slog.LevelWarn
	}
	w.Log.Log(ctx, level, e.Text, "upload", u.ID, "target", u.Account.Target(), "account", string(u.Account), "step", step, "gen", u.Gen, "status", string(u.Status), "kind", e.Kind, "code", e.Code, "log_id", e.LogID)
	if lerr := w.Ledger.Log(context.WithoutCancel(ctx), u.ID, e); lerr != nil {
		w.Log.Warn("timeline not written", "upload", u.ID, "step", step, "error", lerr.Error())
	}
}

// newID makes a random id that nobody else has.
func (w *Workflow) newID() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(w.Rand, b[:]); err != nil {
		return "", fault.Wrap("workflow.newID", err)
	}
	return hex.EncodeToString(b[:]), nil
}
