// Package videos keeps the videos of the apps' users: who may send a file, to whom an id belongs, what became of it at
// the platform, and the lists in which it stands (reference alibaba-vod-and-oss c.2 to c.4).
//
// Every rule that two writers could break at once is a condition of a table write here. What the platform says unasked
// is a hint: before anything changes, a query to the platform confirms it (design 4.7). It does not know HTTP, the
// envelope, or how users log in.
//
// Rows: VIDEO#id META (the record), VIDEOS#seq (the counter of ids), VL#all and VL#user#... (package ranked's lists).
// A record stands in the index DUE, at video#shard16, as long as somebody still has to look at it.
package videos

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/vod"
)

// What callers branch on. Each stands in the chain of a *fault.Error.
var (
	// ErrNotYours: the video belongs to somebody else, or there is none. One error for both, so that nobody can find out
	// which ids exist.
	ErrNotYours = errors.New("there is no such video, or it is not yours")
	// ErrPublished: it is published already.
	ErrPublished = errors.New("this video is already published")
	// ErrDeleted: its owner deleted it.
	ErrDeleted = errors.New("this video was deleted")
	// ErrNotUploading: new upload credentials are only given while the upload is under way and younger than its limit.
	ErrNotUploading = errors.New("this upload is complete or too old; ask for a new one")
	// ErrNotReady: the platform cannot play it (yet).
	ErrNotReady = errors.New("this video cannot be played yet")
)

// Platform is what this package asks of VOD; *vod.Client has it.
type Platform interface {
	CreateUploadVideo(ctx context.Context, v vod.NewVideo) (vod.Ticket, error)
	RefreshUploadVideo(ctx context.Context, id string) (vod.Ticket, error)
	GetVideoInfo(ctx context.Context, id string) (vod.Video, error)
	GetPlayInfo(ctx context.Context, id string) (vod.PlayInfo, error)
	GetVideoPlayAuth(ctx context.Context, id string, timeout int) (vod.PlayAuth, error)
	DeleteVideo(ctx context.Context, ids ...string) (vod.Deleted, error)
	SubmitSnapshotJob(ctx context.Context, s vod.Snapshot) (jobID string, err error)
	SubmitAIMediaAuditJob(ctx context.Context, id, userData string) (jobID string, err error)
	GetAIMediaAuditJob(ctx context.Context, jobID string) (vod.Audit, error)
	SubmitTranscodeJobs(ctx context.Context, id, templateGroup, userData string) ([]vod.TranscodeJob, error)
}

var _ Platform = vod.API(nil)

// Who judges a published video.
const (
	ReviewAI   = "ai"   // the platform's AI review; what it is unsure of waits for a person
	ReviewNone = "none" // nobody: it is public once its upload is complete
)

// Settings of the store; zero values mean the defaults.
type Settings struct {
	Review        string        // ReviewAI (default) or ReviewNone
	TemplateGroup string        // of the transcode job after a pass; empty = the platform transcodes by itself at the upload
	UploadLife    time.Duration // how long an upload may be refreshed and an unknown id be claimed; default 24 h
	DemoLife      time.Duration // how long /demo refreshes what it issued; default 1 h
	PollFirst     time.Duration // before the first look at the platform; doubles; default 30 s
	PollMost      time.Duration // default 30 min
	Kick          time.Duration // how long publish and delete wait for the platform themselves; default 3 s
	JobLease      time.Duration // a submit that was not heard of for so long is tried again; default 1 min
	Sweep         int           // records that one Work looks at; default 200
	// OnlyIssued keeps Publish to ids that Issue made. Without credentials of getSts a user can make no other, so another
	// would be somebody else's of the same account at the platform, and his to delete.
	OnlyIssued bool
}

func (s Settings) withDefaults() Settings {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if s.Review == "" {
		s.Review = ReviewAI
	}
	def(&s.UploadLife, 24*time.Hour)
	def(&s.DemoLife, time.Hour)
	def(&s.PollFirst, 30*time.Second)
	def(&s.PollMost, 30*time.Minute)
	def(&s.Kick, 3*time.Second)
	def(&s.JobLease, time.Minute)
	if s.Sweep <= 0 {
		s.Sweep = 200
	}
	return s
}

// Quotas count uploads and bytes per day against a user (empty: nobody), his address and the system; *users.Quotas does.
// users.ErrOver in the chain: a limit is used up.
type Quotas interface {
	Charge(ctx context.Context, userID, address string, n int, bytes int64) error
	// ChargeBytes charges the bytes of one video, however often it is told.
	ChargeBytes(ctx context.Context, videoID, userID, address string, bytes int64) error
	// AddressKey is what to keep in place of an address; both charges take it.
	AddressKey(address string) string
}

// Parts are what a Store is made of. All but Settings are needed.
type Parts struct {
	Table    table.Table
	VOD      Platform
	Quotas   Quotas
	Now      func() time.Time
	Rand     io.Reader
	Log      *slog.Logger
	Settings Settings
}

// Store keeps videos over a table. Safe for concurrent use by any number of processes.
type Store struct {
	t      table.Table
	vod    Platform
	quotas Quotas
	now    func() time.Time
	rand   io.Reader
	log    *slog.Logger
	set    Settings
}

// New makes a store. It makes no request.
func New(p Parts) *Store {
	return &Store{t: p.Table, vod: p.VOD, quotas: p.Quotas, now: p.Now, rand: p.Rand, log: p.Log, set: p.Settings.withDefaults()}
}

// Settings gives the settings in force.
func (s *Store) Settings() Settings { return s.set }
