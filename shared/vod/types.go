package vod

import (
	"log/slog"
	"time"
)

// Statuses of a video at the platform (reference alibaba-vod-and-oss a.3).
const (
	StatusUploading     = "Uploading"
	StatusUploadFail    = "UploadFail"
	StatusUploadSucc    = "UploadSucc"
	StatusTranscoding   = "Transcoding"
	StatusTranscodeFail = "TranscodeFail"
	StatusChecking      = "Checking"
	StatusBlocked       = "Blocked"
	StatusNormal        = "Normal"
)

// NewVideo is what CreateUploadVideo sends. Title and FileName (with extension) are required.
type NewVideo struct {
	Title           string
	FileName        string
	FileSize        int64 // 0 = not said
	Description     string
	CoverURL        string
	Tags            []string
	CateID          int64
	UserData        UserData
	TemplateGroupID string
	WorkflowID      string
	StorageLocation string
	AppID           string
}

// UserData is a JSON text of the platform's own form; the zero value sends none.
type UserData struct {
	Extend      string // at most 512 bytes; comes back in events
	CallbackURL string // for this upload alone; HTTP
}

// Ticket is the right to send one file: the platform's id of it and where the bytes go. Address and Auth are the
// platform's own base64 texts, to be handed to a client as they are; Decode opens them. It prints the id only.
type Ticket struct {
	ID      string // of the video or the image
	Address string
	Auth    string
	// ImageURL and FileURL are set for an image only; ImageURL is signed.
	ImageURL string
	FileURL  string
}

// String shows no secret.
func (t Ticket) String() string { return "ticket(" + t.ID + ")" }

// GoString shows no secret.
func (t Ticket) GoString() string { return t.String() }

// LogValue shows no secret.
func (t Ticket) LogValue() slog.Value { return slog.StringValue(t.String()) }

// NewImage is what CreateUploadImage sends.
type NewImage struct {
	Type        string // default or cover
	Ext         string // png (the platform's default), jpg, jpeg, gif
	Title       string
	Tags        []string
	Description string
	CateID      int64
	FileName    string
	AppID       string
}

// Video is what GetVideoInfo answers.
type Video struct {
	ID          string
	Title       string
	Description string
	Tags        []string
	Status      string // one of the statuses above, or one that is newer than this program
	AuditStatus string
	CateID      int64
	CateName    string
	CoverURL    string
	Size        int64
	Duration    float64 // seconds
	Created     time.Time
	Modified    time.Time
	Snapshots   []string
	UserData    string // the JSON text that was sent
	Location    string
	TemplateID  string
}

// Stream is one way to play a video.
type Stream struct {
	URL        string
	Format     string
	Definition string
	Width      int64
	Height     int64
	Size       int64
	Duration   float64
	Status     string
	JobID      string
}

// PlayInfo is what GetPlayInfo answers.
type PlayInfo struct {
	Video   Video // the fields that this call answers
	Streams []Stream
}

// PlayAuth is what GetVideoPlayAuth answers. It prints the id only.
type PlayAuth struct {
	Auth  string // the platform's base64 text, for a player
	Video Video  // the fields that this call answers
}

// String shows no secret.
func (p PlayAuth) String() string { return "playauth(" + p.Video.ID + ")" }

// GoString shows no secret.
func (p PlayAuth) GoString() string { return p.String() }

// LogValue shows no secret.
func (p PlayAuth) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Change is what UpdateVideoInfo sends; a nil field stays as it is.
type Change struct {
	ID          string
	Title       *string
	Description *string
	Tags        *[]string
	CoverURL    *string
	CateID      *int64
}

// Deleted is what DeleteVideo answers: the ids that were refused, and those that do not exist.
type Deleted struct {
	Forbidden []string
	Missing   []string
}

// Snapshot is what SubmitSnapshotJob sends.
type Snapshot struct {
	ID         string
	Count      int64
	OffsetMS   int64 // of the first
	IntervalS  int64
	Width      string
	Height     string
	TemplateID string
	UserData   string
}

// Audit is what is known of an AI review.
type Audit struct {
	JobID      string
	MediaID    string
	Status     string // of the job: success, fail, processing ...
	Suggestion string // pass, review, block; "" until there is one
	Label      string
}

// TranscodeJob is one job that SubmitTranscodeJobs made.
type TranscodeJob struct {
	ID string
}

// Query is what List sends. Zero fields are not sent.
type Query struct {
	Status   []string
	From, To time.Time // of creation
	Page     int       // from 1
	Size     int       // at most 100
	Location string
}

// Listing is what List answers.
type Listing struct {
	Total  int64
	Videos []Video
}

// Callback is the account's message callback (SetMessageCallback, GetMessageCallback). It prints the address only.
type Callback struct {
	URL    string
	Events []string // "ALL" is a word of the platform's
	Signed bool
	Key    string // of the signature; at most 32, with upper and lower case and a digit
	AppID  string
}

// String shows no secret.
func (c Callback) String() string { return "callback(" + c.URL + ")" }

// GoString shows no secret.
func (c Callback) GoString() string { return c.String() }

// LogValue shows no secret.
func (c Callback) LogValue() slog.Value { return slog.StringValue(c.String()) }
