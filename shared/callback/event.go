// Package callback is what the platforms tell us unasked: who may say it (signatures), which saying is a repeat of
// another (dedupe keys), and what it says (bodies), read as tolerantly as the platforms write (reference
// alibaba-vod-and-oss (b), douyin A.10).
//
// It is pure: no clock but the caller's, no I/O. It must not know the ledger, and nothing in it may be believed: VOD's
// signature does not cover the body, so an Event is a hint that a query to the platform has to confirm (design 4.7).
package callback

import (
	"encoding/json"
	"time"
)

// The words of Event.Platform, those of the targets.
const (
	AliVOD = "alivod"
	Douyin = "douyin"
)

// TypeUnreadable is the Type of a body that is no JSON object, or whose type is missing.
const TypeUnreadable = "unreadable"

// Limits of a callback.
const (
	// MaxBody is the most that a body may have, before anything is read of it.
	MaxBody = 256 << 10
	// MaxStored bounds Event.Body: an item of the table has at most 64 KB.
	MaxStored = 40 << 10
	// MaxDepth bounds how deep a body may nest.
	MaxDepth = 32
)

// Event is one callback, of a known type or not.
type Event struct {
	Platform string   `json:"platform"`          // AliVOD, Douyin
	Type     string   `json:"type"`              // as the platform names it: "FileUploadComplete", "create_video"; else TypeUnreadable
	Remotes  []string `json:"remotes,omitempty"` // ids of the video, media, image, item, share that it speaks of; without repeats, the main one first
	Job      string   `json:"job,omitempty"`     // the first job's id
	Status   string   `json:"status,omitempty"`  // success, fail, or what the platform says; lower case
	// At is the platform's EventTime; zero where it is missing or unreadable.
	At time.Time `json:"at,omitzero"`
	// Extend is what we gave to the platform for its events (VOD's UserData.Extend): hostile all the same.
	Extend string `json:"extend,omitempty"`
	// Key tells repeats: equal for deliveries of one event. 64 characters of lower-case hex.
	Key string `json:"key"`
	// Final says that the platform is finished with the video, one way or the other. A later event may add to it, but
	// none leads back to processing.
	Final bool `json:"final,omitempty"`
	// Body is as received where that is JSON of at most MaxStored bytes; else a JSON text holding its beginning.
	Body json.RawMessage `json:"body"`
	// Fields are what known types say beyond that. They are not stored: Parse gives them again from Body.
	Fields Fields `json:"-"`
}

// Fields are the details of known types; what does not apply is nil or empty.
type Fields struct {
	Upload       *Upload         // FileUploadComplete, ImageUploadComplete, AttachedMediaUploadComplete, UploadByURLComplete
	Analysis     *Analysis       // VideoAnalysisComplete
	Transcode    *Transcode      // StreamTranscodeComplete (one stream), TranscodeComplete
	Snapshot     *Snapshot       // SnapshotComplete
	Review       *Review         // AIMediaAuditComplete, AIVideoCensorComplete, CreateAuditComplete
	Deletion     *Deletion       // DeleteMediaComplete
	Change       *Change         // MediaBaseChangeComplete
	DynamicImage json.RawMessage // DynamicImageComplete: its DynamicImageJobInfo, as an object
	Grant        *Grant          // Douyin: authorize, unauthorize and the contract_ forms
	// ErrorCode and ErrorMessage are the platform's, where Status is fail.
	ErrorCode, ErrorMessage string
	// AppID is the VOD application, where the event names it.
	AppID string
	// OpenID is the Douyin user the event is about (from_user_id).
	OpenID string
}

// Upload is a file that VOD has received.
type Upload struct {
	Size    int64
	FileURL string // http only, unsigned
	Source  string // UploadByURLComplete: where it came from
}

// Analysis is what VOD found in a video's header.
type Analysis struct {
	Width, Height int64
	Duration      float64 // seconds
	Bitrate, FPS  float64
	Size          int64
}

// Transcode holds the streams that came of a video.
type Transcode struct{ Streams []Stream }

// Stream is one transcoded stream.
type Stream struct {
	Status, Definition, Format, FileURL, Job string
	Duration, Bitrate, FPS                   float64
	Width, Height, Size                      int64
	Encrypt                                  bool
	ErrorCode, ErrorMessage                  string
}

// Snapshot holds the pictures taken of a video.
type Snapshot struct {
	SubType  string // "SpecifiedTime" for SubmitSnapshotJob
	CoverURL string
	Infos    []SnapshotInfo
}

// SnapshotInfo is one series of pictures.
type SnapshotInfo struct {
	Status, Type, Format, Regular, Job string
	Count                              int64
}

// Review is a judgement on a video.
type Review struct {
	Suggestion      string // of the machine: pass, review, block
	Label           string
	AbnormalModules string
	AuditStatus     string // of a person (CreateAuditComplete): Normal, Blocked
	Auditor, Reason string
	Data            json.RawMessage // the machine's whole report, as an object
}

// Deletion is a media file, or a part of it, that is gone.
type Deletion struct {
	MediaType string // video, image, attached
	What      string // all, mezzanine, stream
	Jobs      []string
}

// Change is an edit of a media file's data. Each value of Content is as the platform sent it, JSON text undone:
// {"OldValue","NewValue"}.
type Change struct {
	MediaType, Mode string // Mode: create, update, delete
	Content         map[string]json.RawMessage
}

// Grant is a change of what a Douyin user allows us.
type Grant struct {
	Given  bool // authorize, contract_authorize; false: taken back
	Scopes []string
}
