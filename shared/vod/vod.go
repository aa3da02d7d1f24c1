// Package vod is the program's one door to Alibaba Cloud VOD and to STS's AssumeRole (reference alibaba-vod-and-oss,
// part a). It has alibaba-cloud-sdk-go frame and sign the requests, and lets none of its types out. The target alivod, the
// AppServer and the callbacks stand on it.
//
// What it adds: a context and a fresh credential for each request, our own HTTP client, a limit on what is read, tolerant
// decoding, and errors that are classified: every one is a *fault.Error with the platform's code and request id (the table
// of codetable.go). It never retries, keeps no state, and knows no upload, user or table.
package vod

import (
	"context"
	"log/slog"

	"github.com/vodlift/vodlift/shared/oss"
)

// API is every call that the program makes; Client is the real one. It exists as an interface so that consumers can name
// the few calls that they need by their own smaller ones; all methods are safe for concurrent use.
type API interface {
	// CreateUploadVideo makes a new video id and the right to send its file. Not idempotent: a lost answer is Unknown,
	// and leaves at worst an id without a file.
	CreateUploadVideo(ctx context.Context, v NewVideo) (Ticket, error)
	// RefreshUploadVideo gives the right to send the file of id again, overwriting what is there. It may answer the same
	// credential as before while that is young.
	RefreshUploadVideo(ctx context.Context, id string) (Ticket, error)
	CreateUploadImage(ctx context.Context, i NewImage) (Ticket, error)
	GetVideoInfo(ctx context.Context, id string) (Video, error) // ErrNotFound in the chain: there is no such video
	GetPlayInfo(ctx context.Context, id string) (PlayInfo, error)
	// GetVideoPlayAuth is good for timeout seconds, 100 to 3000; 0 = the platform's default. ErrNotPlayable in the
	// chain: its status forbids it.
	GetVideoPlayAuth(ctx context.Context, id string, timeout int) (PlayAuth, error)
	UpdateVideoInfo(ctx context.Context, c Change) error
	DeleteVideo(ctx context.Context, ids ...string) (Deleted, error) // at most 20
	SubmitSnapshotJob(ctx context.Context, s Snapshot) (jobID string, err error)
	SubmitAIMediaAuditJob(ctx context.Context, id, userData string) (jobID string, err error)
	// GetAIMediaAuditJob asks for a review by its job; it is what confirms a review's callback.
	GetAIMediaAuditJob(ctx context.Context, jobID string) (Audit, error)
	SubmitTranscodeJobs(ctx context.Context, id, templateGroup, userData string) ([]TranscodeJob, error)
	List(ctx context.Context, q Query) (Listing, error) // GetVideoList; nothing found is an empty listing
	SetCallback(ctx context.Context, c Callback) error
	GetCallback(ctx context.Context, appID string) (Callback, error)
	DeleteCallback(ctx context.Context, appID string) error // ErrNotFound in the chain: there is none
}

// Roles is STS: a session of a role.
type Roles interface {
	// AssumeRole answers a credential that ends after seconds (900 to the role's own limit). policy, JSON, narrows it;
	// "" = all that the role may.
	AssumeRole(ctx context.Context, arn, session, policy string, seconds int) (Session, error)
}

// Session is a temporary credential of STS. It prints its end only.
type Session struct {
	oss.Credential
	Expires string // as the platform writes it: 2015-04-09T11:52:19Z
}

// String shows no secret.
func (s Session) String() string { return "session of a role (expires " + s.Expires + ")" }

// GoString shows no secret.
func (s Session) GoString() string { return s.String() }

// LogValue shows no secret.
func (s Session) LogValue() slog.Value { return slog.StringValue(s.String()) }

var (
	_ API   = (*Client)(nil)
	_ Roles = (*Client)(nil)
)
