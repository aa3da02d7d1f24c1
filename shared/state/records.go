package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// Publication is one source to be published. It has a Status of its own only while it has no uploads.
type Publication struct {
	ID          string            `json:"id"`
	Source      upload.Source     `json:"source"`
	ContentType string            `json:"content_type,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"` // user metadata of the object, bounded by S3 to 2 KB
	Created     time.Time         `json:"created"`
	Status      upload.Status     `json:"status,omitempty"`
	Reason      string            `json:"reason,omitempty"`  // manifest, route
	Problem     *Fault            `json:"problem,omitempty"` // why the manifest at hand was refused
	StartAt     time.Time         `json:"start_at,omitzero"` // an optional sidecar is waited for until then
	Revision    int               `json:"revision"`
	Uploads     []string          `json:"uploads,omitempty"`
}

// Revision is one numbered state of a publication's manifest.
type Revision struct {
	Number   int               `json:"number"`
	Manifest manifest.Manifest `json:"manifest"`
	Hash     string            `json:"hash"`
	From     string            `json:"from"`              // sidecar, metadata, route, api
	Cover    *Cover            `json:"picture,omitempty"` // the cover's object, as it was when the manifest was taken
	At       time.Time         `json:"at"`
}

// Cover is the picture object of a manifest, pinned.
type Cover struct {
	Picture   upload.Picture `json:"picture"`
	ETag      string         `json:"etag"`
	VersionID string         `json:"version_id,omitempty"`
}

// Fault is what a step recorded of its failure, for the next step and for people.
type Fault struct {
	Step   string        `json:"step"`
	Kind   string        `json:"kind"`
	Op     string        `json:"op,omitempty"`
	Code   string        `json:"code,omitempty"`
	LogID  string        `json:"log_id,omitempty"`
	Text   string        `json:"text"`
	Field  string        `json:"field,omitempty"`
	Rule   string        `json:"rule,omitempty"`
	Actor  string        `json:"actor,omitempty"`
	Action string        `json:"action,omitempty"`
	After  time.Duration `json:"after,omitempty"`
	Lost   bool          `json:"lost,omitempty"`   // the platform's session is gone
	Unable bool          `json:"unable,omitempty"` // the platform has not granted the app the ability (target.ErrCapability)
	Token  int64         `json:"token,omitempty"`  // version of the token that was refused
	At     time.Time     `json:"at"`
}

// maxText bounds what is kept of an error's text, in bytes as JSON writes it.
const maxText = 600

// maxWord bounds what is kept of a platform's code, log id and the like: they come from outside and stand in META.
const maxWord = 200

// FaultOf records err as it happened in step, cut to what a record may hold.
func FaultOf(step string, err error, now time.Time) *Fault {
	f := &Fault{Step: step, Kind: fault.KindOf(err).String(), Text: clip(err.Error(), maxText), At: now,
		Lost: errors.Is(err, target.ErrSessionLost), Unable: errors.Is(err, target.ErrCapability)}
	if e := fault.As(err); e != nil {
		f.Op, f.Code, f.LogID = clip(e.Op, maxWord), clip(e.Code, maxWord), clip(e.LogID, maxWord)
		f.Field, f.Rule, f.Actor = clip(e.Field, maxWord), clip(e.Rule, maxText), clip(string(e.Actor), maxWord)
		f.Action, f.After = clip(e.Action, maxText), e.After
	}
	return f
}

// clip cuts s to n bytes as JSON writes it, which may take six for one.
func clip(s string, n int) string {
	for i, r := range s {
		if n -= jsonBytes(r); n < 0 {
			return s[:i] + "..."
		}
	}
	return s
}

func jsonBytes(r rune) int {
	switch {
	case r < ' ', r == '<', r == '>', r == '&', r == utf8.RuneError, r == '\u2028', r == '\u2029':
		return 6
	case r == '"', r == '\\':
		return 2
	}
	return utf8.RuneLen(r)
}

// short says that s takes at most n bytes as JSON writes it.
func short(s string, n int) bool { return clip(s, n) == s }

// Is says whether the fault is of kind k.
func (f *Fault) Is(k fault.Kind) bool { return f != nil && f.Kind == k.String() }

// Counts are what a generation has used of its bounds (design 2, "It ends").
type Counts struct {
	Carries  int `json:"carries,omitempty"`
	Passes   int `json:"passes,omitempty"` // through Open, Look and Watch
	Looks    int `json:"looks,omitempty"`
	Polls    int `json:"polls,omitempty"`
	Renewals int `json:"renewals,omitempty"`
	Hints    int `json:"hints,omitempty"` // callbacks that were recorded with it
}

// Grant is the right to carry N ranges at once.
type Grant struct {
	N       int64     `json:"n"`
	Gen     int       `json:"gen"`
	Expires time.Time `json:"expires"`
}

// IntentResult is how an intent was closed; empty = open.
type IntentResult string

// The results of an intent.
const (
	IntentOpen    IntentResult = ""
	IntentPosted  IntentResult = "posted"
	IntentRefused IntentResult = "refused" // provably no effect
	IntentDenied  IntentResult = "denied"  // the platform answered about that very asset: not published
	IntentWaived  IntentResult = "waived"  // a person decided to publish again
)

// Intent is the record, made before Publish, that we are about to do the irreversible thing (design 4.1).
type Intent struct {
	Attempt  int          `json:"attempt"`
	Gen      int          `json:"gen"`
	WriteID  string       `json:"write_id"` // of the invocation that may call
	At       time.Time    `json:"at"`
	SendBy   time.Time    `json:"send_by"`
	SettleAt time.Time    `json:"settle_at"`
	Asset    string       `json:"asset"`
	Revision int          `json:"revision"` // of the manifest that it publishes
	Result   IntentResult `json:"result,omitempty"`
	// QuotaUntil is until when the platform's refusal wants no more of the account.
	QuotaUntil time.Time     `json:"quota_until,omitzero"`
	Looks      []Look        `json:"looks,omitempty"` // the last of them
	Told       []upload.Post `json:"told,omitempty"`  // posts that callbacks named by this session's own id; a platform has to confirm them
}

// Look is what one look at the platform saw.
type Look struct {
	At         time.Time     `json:"at"`
	Candidates []upload.Post `json:"candidates,omitempty"`
	More       int           `json:"more,omitempty"` // candidates that were not kept
	Denied     bool          `json:"denied,omitempty"`
	Failed     bool          `json:"failed,omitempty"` // the platform could not be asked this time
	Error      string        `json:"error,omitempty"`
}

// What an intent keeps of its looks, so that META stays far under table.MaxItemBytes whatever a platform answers.
const (
	maxLooks      = 12
	maxCandidates = 5
	maxPostID     = 256
	maxPostURL    = 512 // a longer one is left out: half an address leads nowhere
)

// Upload is one publication going to one account: the unit of state, retry and blame.
type Upload struct {
	ID          string         `json:"id"`
	Publication string         `json:"publication"`
	Account     upload.Account `json:"account"`
	Again       string         `json:"again,omitempty"`
	Source      upload.Source  `json:"source"`
	Revision    int            `json:"revision"`
	Created     time.Time      `json:"created"`

	Status  upload.Status `json:"status"`
	Reason  string        `json:"reason,omitempty"`
	Settled bool          `json:"settled,omitempty"` // a terminal status whose clearing up is done
	Queued  bool          `json:"queued,omitempty"`  // this generation is over; Due says when the next one starts
	Ended   time.Time     `json:"ended,omitzero"`
	Writes  []string      `json:"w,omitempty"` // ids of the last writes: one whose answer was lost knows itself

	Gen        int       `json:"gen"`
	Started    bool      `json:"started,omitempty"` // Open of this generation ran
	GenAt      time.Time `json:"gen_at"`
	Due        time.Time `json:"due,omitzero"` // when the sweep looks at this upload; see Ledger.index
	Counts     Counts    `json:"counts"`
	Barren     int       `json:"barren,omitempty"`       // generations in a row without progress
	Progress   int64     `json:"progress,omitempty"`     // receipts, steps: grows whenever something was achieved
	GenStartAt int64     `json:"gen_progress,omitempty"` // Progress when the generation began

	Session    int          `json:"session,omitempty"`      // number of the newest; 0 = none yet
	Live       bool         `json:"session_live,omitempty"` // that session is open, as far as we know
	InitHash   string       `json:"init_hash,omitempty"`    // of what Init was sent
	Plan       *upload.Plan `json:"plan,omitempty"`
	Reopened   int          `json:"reopened,omitempty"`  // sessions lost so far
	SpentBy    string       `json:"spent_by,omitempty"`  // the platform's code that spoilt the last asset, and
	SpentTimes int          `json:"spent,omitempty"`     // how often in a row
	Completes  int          `json:"completes,omitempty"` // tries on this session
	Grant      *Grant       `json:"grant,omitempty"`
	Slot       time.Time    `json:"slot,omitzero"` // waiting for a grant since

	Media *Media `json:"media,omitempty"` // of the preflight

	MD5     string   `json:"md5,omitempty"`     // of the whole content, where the platform wants it before Init
	Hashing *Hashing `json:"hashing,omitempty"` // as far as it got

	CRC64   string        `json:"crc64,omitempty"` // of the whole content, 16 hex digits
	Asset   *upload.Asset `json:"asset,omitempty"`
	Intent  *Intent       `json:"intent,omitempty"`
	Attempt int           `json:"attempt,omitempty"` // of the last intent
	Post    *upload.Post  `json:"post,omitempty"`
	Extra   []upload.Post `json:"post_extra,omitempty"` // late answers for old attempts: never dropped

	Handed *Handed `json:"handed,omitempty"` // a person publishes it by hand, or was to

	PublishAt time.Time `json:"publish_at,omitzero"`
	NotBefore time.Time `json:"not_before,omitzero"` // quota, rate: no publish before
	NextAt    time.Time `json:"next_at,omitzero"`    // when a park is to be woken
	Turn      time.Time `json:"turn,omitzero"`       // the due time under which it stands in the account's queue
	Cancel    time.Time `json:"cancel,omitzero"`
	Renew     int64     `json:"renew,omitempty"`   // version of the token that Renew has to replace
	Fault     *Fault    `json:"fault,omitempty"`   // the last one, or why it ended
	Refused   *Fault    `json:"refused,omitempty"` // a manifest revision that came too late

	// Events counts the callbacks that may be news; Asked is how many of them there were when Check last began to ask. A
	// park after that Check wakes itself where they differ: counted, not timed, so no order of steps loses one.
	Events int64 `json:"events,omitempty"`
	Asked  int64 `json:"asked,omitempty"`
	Told   *Told `json:"told,omitempty"` // the most that callbacks have said

	Received int   `json:"received,omitempty"` // parts with a receipt, when Open last looked
	Bytes    int64 `json:"bytes,omitempty"`    // sent by earlier sessions, repeats included
}

// OpenIntent says that an intent waits for its result.
func (u *Upload) OpenIntent() bool { return u.Intent != nil && u.Intent.Result == IntentOpen }

// Public says that something may be public: an open intent or a known post. Cancel and edits are refused then.
func (u *Upload) Public() bool { return u.OpenIntent() || u.Post != nil }

// To moves the status by the table of state rules; what the table does not hold is an Invalid fault, and a bug.
//
// What may be public keeps its status while it waits (for a renewal, say): PUBLISHING lasts until there is an answer,
// PROCESSING until it is seen; neither that nor PUBLISHED is reached without a post. While an intent is open, no status is reached that a cancel or a fresh start could leave
// from (upload.Rule.IntentClosed, design 4.1 and 4.3), with ErrRefused, but for NEEDS_LOGIN and the restart out of it: the
// login has to come before anybody can look, and neither a cancel nor a step of a fresh upload is let through there.
func (u *Upload) To(ev upload.Event, reason string) error {
	next, ok := upload.Next(u.Status, ev)
	if ev == upload.EvWait && u.Public() && (u.Status == upload.Publishing || u.Status == upload.Processing) {
		next, ok = u.Status, true
	}
	if !ok {
		return fault.Newf(fault.Invalid, "state.To", "an upload that is %s cannot have %q", u.Status, string(ev))
	}
	if u.Post == nil && (next == upload.Processing || next == upload.Published) {
		return fault.Newf(fault.Invalid, "state.To", "an upload without a post cannot have %q: %w", string(ev), ErrRefused)
	}
	if u.OpenIntent() && !openMay(u.Status, ev, next) {
		return fault.Newf(fault.Invalid, "state.To", "an upload that is %s with an open intent cannot have %q: %w", u.Status, string(ev), ErrRefused)
	}
	u.Status, u.Reason = next, reason
	return nil
}

// openMay says which moves an open intent allows.
func openMay(from upload.Status, ev upload.Event, next upload.Status) bool {
	switch next {
	case upload.Publishing, upload.Held, upload.Processing, upload.Published, upload.NeedsLogin:
		return true
	}
	return ev == upload.EvRestart && from != upload.Held
}

// Advanced counts progress: a generation that made some is not barren.
func (u *Upload) Advanced() { u.Progress++ }

// DropSession forgets the open session and what hangs on it; the next Open makes session n+1.
func (u *Upload) DropSession() {
	u.Live, u.Plan, u.InitHash, u.Asset, u.Completes = false, nil, "", nil, 0
}

// Hashing is a digest that is not finished: the hash's own state and how many bytes are in it.
type Hashing struct {
	State []byte `json:"state"`
	Done  int64  `json:"done"`
}

// Media is what the preflight read of the video's header.
type Media struct {
	ContentType string        `json:"content_type"`
	Duration    time.Duration `json:"duration,omitempty"` // 0 = not known
	Checked     bool          `json:"checked"`            // the header could be read
	Container   string        `json:"container,omitempty"`
	Codec       string        `json:"codec,omitempty"`
	Width       int           `json:"width,omitempty"`
	Height      int           `json:"height,omitempty"`
	FrameRate   float64       `json:"frame_rate,omitempty"`
	IndexAtEnd  bool          `json:"index_at_end,omitempty"`
	Why         string        `json:"why,omitempty"` // it gave no verdict
}

// Event is a line of an upload's timeline.
type Event struct {
	At    time.Time `json:"at"`
	Gen   int       `json:"gen"`
	Step  string    `json:"step"`
	Text  string    `json:"text"`
	Kind  string    `json:"kind,omitempty"`
	Code  string    `json:"code,omitempty"`
	LogID string    `json:"log_id,omitempty"`
}

// Outgoing is an event for the outside (design 5), kept in the outbox until it is delivered.
type Outgoing struct {
	Type   string          `json:"type"` // upload.published, upload.held, ...
	At     time.Time       `json:"at"`
	Detail json.RawMessage `json:"detail"`
}

// String names upload, account and status: what logs want.
func (u *Upload) String() string {
	s := fmt.Sprintf("%s to %s: %s", u.ID, u.Account, u.Status)
	if u.Reason != "" {
		s += "(" + u.Reason + ")"
	}
	return s
}

// NoteReceived notes how many parts have a receipt; more than last time is progress.
func (u *Upload) NoteReceived(n int) {
	if n > u.Received {
		u.Advanced()
	}
	u.Received = n
}

// AddLook keeps a look, the newest of them, with a bounded number of candidates; addresses of the newest only.
func (in *Intent) AddLook(l Look) {
	l.Error = clip(l.Error, maxText)
	kept := make([]upload.Post, 0, min(len(l.Candidates), maxCandidates))
	for _, p := range l.Candidates {
		if len(kept) == maxCandidates || !short(p.ID, maxPostID) {
			l.More++
			continue
		}
		if !short(p.URL, maxPostURL) {
			p.URL = ""
		}
		kept = append(kept, p)
	}
	l.Candidates = kept
	looks := append([]Look(nil), in.Looks...)
	for i := range looks {
		looks[i].Candidates = append([]upload.Post(nil), looks[i].Candidates...)
		for j := range looks[i].Candidates {
			looks[i].Candidates[j].URL = ""
		}
	}
	looks = append(looks, l)
	in.Looks = looks[max(0, len(looks)-maxLooks):]
}
