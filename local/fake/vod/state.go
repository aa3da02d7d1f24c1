package vod

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// Status is a video's state (ref. a.3).
type Status string

// The states of ref. a.3.
const (
	Uploading     Status = "Uploading"
	UploadFail    Status = "UploadFail"
	UploadSucc    Status = "UploadSucc"
	Transcoding   Status = "Transcoding"
	TranscodeFail Status = "TranscodeFail"
	Checking      Status = "Checking"
	Blocked       Status = "Blocked"
	Normal        Status = "Normal"
)

// state is all that the platform remembers. It is written whole after every change, before the answer.
type state struct {
	Format  int                   `json:"format"`
	Videos  []*video              `json:"videos"` // oldest first, deleted ones too
	Images  []*image              `json:"images"`
	Jobs    map[string]*job       `json:"jobs"`
	Steps   []step                `json:"steps"`   // due at a time
	Outbox  []*message            `json:"outbox"`  // callbacks neither answered nor given up
	Configs map[string]*setting   `json:"configs"` // of callbacks, by AppId
	Scripts []Script              `json:"scripts"`
	Serial  int64                 `json:"serial"` // of messages
	Events  map[string]EventCount `json:"events"`

	videos map[string]*video
	images map[string]*image
}

const stateFormat = 1

// credential is what UploadAuth carries, kept because a refresh may answer it again (ref. a.4).
type credential struct {
	ID      string    `json:"id"`
	Secret  string    `json:"secret"`
	Token   string    `json:"token"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
}

// upload is where a file is awaited, of a video or an image.
type upload struct {
	Bucket   string     `json:"bucket"`
	Key      string     `json:"key"`
	Cred     credential `json:"credential"`
	Stored   *Object    `json:"stored,omitempty"`   // the newest
	Received []Object   `json:"received,omitempty"` // all, oldest first
	seen     bool       // looked for after the credential's end, so nothing can come any more
}

// video is one CreateUploadVideo.
type video struct {
	upload
	ID       string            `json:"id"`
	App      string            `json:"app"`
	Owner    string            `json:"owner"`  // of the key that made it
	Fields   map[string]string `json:"fields"` // of create, changed by updates
	Status   Status            `json:"status"`
	Created  time.Time         `json:"created"`
	Modified time.Time         `json:"modified"`
	Gen      int               `json:"gen"` // grows with each file: steps of an older one are void
	Media    Media             `json:"media,omitzero"`
	Streams  []playable        `json:"streams,omitempty"`
	Shots    []string          `json:"snapshots,omitempty"`

	AuditStatus string    `json:"audit_status"` // Init, Normal, Blocked
	Reason      string    `json:"reason,omitempty"`
	Published   time.Time `json:"published,omitzero"` // first Normal
	Refreshes   int       `json:"refreshes,omitempty"`
	Deleted     time.Time `json:"deleted,omitzero"`
}

func (v *video) gone() bool { return v == nil || !v.Deleted.IsZero() }

// playable is one stream that can be played.
type playable struct {
	Stream
	Job     string    `json:"job,omitempty"`
	Size    int64     `json:"size"`
	Group   string    `json:"group"`
	Created time.Time `json:"created"`
}

// image is one CreateUploadImage.
type image struct {
	upload
	ID      string            `json:"id"`
	App     string            `json:"app"`
	Owner   string            `json:"owner"`
	Fields  map[string]string `json:"fields"`
	Created time.Time         `json:"created"`
}

// The kinds of jobs.
const (
	jobTranscode = "transcode"
	jobSnapshot  = "snapshot"
	jobAudit     = "audit"
)

// job is one piece of work on a video or image. Of a transcoding, each stream is one.
type job struct {
	ID       string            `json:"id"`
	Kind     string            `json:"kind"`
	Media    string            `json:"media"`
	Gen      int               `json:"gen"`
	Created  time.Time         `json:"created"`
	Finished time.Time         `json:"finished,omitzero"`
	Failed   bool              `json:"failed,omitempty"`
	Verdict  Verdict           `json:"verdict,omitempty"`
	UserData string            `json:"user_data,omitempty"`
	Group    string            `json:"group,omitempty"`
	Streams  []string          `json:"streams,omitempty"` // of a transcoding task: the ids of its jobs
	Params   map[string]string `json:"params,omitempty"`
	First    bool              `json:"first,omitempty"` // the transcoding that an upload starts by itself
}

// step is something that happens to a video by itself when its time comes.
type step struct {
	At    time.Time `json:"at"`
	Kind  string    `json:"kind"`
	Media string    `json:"media"`
	Gen   int       `json:"gen"`
	Job   string    `json:"job,omitempty"`
}

// The kinds of steps.
const (
	stepAnalysed = "analysed"
	stepAbandon  = "abandon"
	stepJob      = "job"
)

// setting is one callback configuration (ref. a.3).
type setting struct {
	Type       string `json:"type"`
	URL        string `json:"url"`
	Events     string `json:"events"`
	AuthSwitch string `json:"auth_switch"`
	AuthKey    string `json:"auth_key"`
	Endpoint   string `json:"mns_endpoint,omitempty"`
	Queue      string `json:"mns_queue,omitempty"`
}

// message is one callback on its way.
type message struct {
	N       int64           `json:"n"`
	Event   string          `json:"event"`
	Media   string          `json:"media"`
	App     string          `json:"app"`
	URL     string          `json:"url"` // as it was configured: the signature covers this text
	Body    json.RawMessage `json:"body"`
	At      time.Time       `json:"at"` // not sent before
	Attempt int             `json:"attempt"`
	Held    bool            `json:"held,omitempty"`

	sending bool
}

// load reads the folder, or starts without anything.
func (s *Server) load() error {
	s.st = state{Format: stateFormat}
	if s.o.Dir != "" {
		if err := s.read(); err != nil {
			return err
		}
	}
	st := &s.st
	st.videos, st.images = map[string]*video{}, map[string]*image{}
	for _, v := range st.Videos {
		st.videos[v.ID] = v
	}
	for _, i := range st.Images {
		st.images[i.ID] = i
	}
	if st.Jobs == nil {
		st.Jobs = map[string]*job{}
	}
	if st.Configs == nil {
		st.Configs = map[string]*setting{}
	}
	if st.Events == nil {
		st.Events = map[string]EventCount{}
	}
	for _, m := range st.Outbox {
		m.Held = false // the rules that held them are gone
	}
	return nil
}

func (s *Server) read() error {
	if err := errors.Join(fake.Mkdir(s.o.Dir, true), fake.Sweep(s.o.Dir)); err != nil {
		return err
	}
	b, err := os.ReadFile(s.stateFile())
	if err == nil {
		err = json.Unmarshal(b, &s.st)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("fake vod: %s: %w", s.stateFile(), err)
	}
	if s.st.Format != stateFormat {
		return fmt.Errorf("fake vod: state format %d: want %d", s.st.Format, stateFormat)
	}
	return nil
}

func (s *Server) stateFile() string { return filepath.Join(s.o.Dir, "state.json") }

// save makes the state durable when something changed. Called with s.mu held, before an answer. When the disk refuses,
// the server stops answering: what it remembers and what is on disk no longer agree.
func (s *Server) save() error {
	if !s.dirty || s.broken != nil || s.o.Dir == "" {
		return s.broken
	}
	b, err := json.Marshal(&s.st)
	if err == nil {
		err = fake.WriteFile(s.stateFile(), b, true)
	}
	if err != nil {
		s.broken = fmt.Errorf("fake vod: cannot save: %w", err)
	}
	s.dirty, s.untidy = false, false
	return s.broken
}

// video finds a video that is not deleted. Called with s.mu held.
func (s *Server) video(id string) *video {
	if v := s.st.videos[id]; !v.gone() {
		return v
	}
	return nil
}
