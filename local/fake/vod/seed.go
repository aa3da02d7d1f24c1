package vod

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// Script says how things end for the videos it fits: one by its id, or those whose title holds a text; neither means
// all. The newest script that fits decides. Empty outcomes are good ones. Scripts are on disk.
type Script struct {
	Video string `json:"video,omitempty"`
	Title string `json:"title,omitempty"`

	Upload    string  `json:"upload,omitempty"`    // fail: UploadFail, without an event
	Transcode string  `json:"transcode,omitempty"` // fail: no stream can be made; some: all but the first
	Snapshot  string  `json:"snapshot,omitempty"`  // fail
	Audit     Verdict `json:"audit,omitempty"`     // of the AI: pass, review, block; fail: the review itself failed
}

// SetScript adds a script; it decides over what ends from now on.
func (s *Server) SetScript(sc Script) error {
	if !slices.Contains([]string{"", "fail"}, sc.Upload) || !slices.Contains([]string{"", "fail", "some"}, sc.Transcode) ||
		!slices.Contains([]string{"", "fail"}, sc.Snapshot) || !slices.Contains([]Verdict{"", Pass, Review, Block, Failed}, sc.Audit) {
		return fmt.Errorf("fake vod: script %+v: unknown word", sc)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Scripts, s.dirty = append(s.st.Scripts, sc), true
	return s.save()
}

func (s *Server) script(v *video) Script {
	for _, sc := range slices.Backward(s.st.Scripts) {
		if (sc.Video == "" || sc.Video == v.ID) && strings.Contains(v.Fields["Title"], sc.Title) {
			return sc
		}
	}
	return Script{}
}

// MessageCallback is a callback setting made by hand, as in the platform's console.
type MessageCallback struct {
	App     string // empty: DefaultApp
	URL     string // its text is what signatures cover
	Events  string // comma list, AIComplete, ALL; empty: ALL
	AuthKey string // empty: unsigned
}

// SetCallback sets where events go, replacing what was set.
func (s *Server) SetCallback(m MessageCallback) error {
	setDefault(&m.App, DefaultApp)
	setDefault(&m.Events, "ALL")
	if !webAddress(m.URL) || !slices.Contains(s.o.Apps, m.App) || m.AuthKey != "" && !s.goodKey(m.AuthKey) {
		return fmt.Errorf("fake vod: callback to %q of app %q: no web address, no such app, or a key without upper, lower and digit", m.URL, m.App)
	}
	set := &setting{Type: "HTTP", URL: m.URL, Events: m.Events, AuthSwitch: "off", AuthKey: m.AuthKey}
	if m.AuthKey != "" {
		set.AuthSwitch = "on"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Configs[m.App], s.dirty = set, true
	return s.save()
}

// Audit is a person's verdict in the platform's console: Normal or Blocked.
func (s *Server) Audit(id string, to Status, reason string) error {
	return s.change(id, func(v *video, now time.Time) {
		s.judge(v, to, reason, now)
		s.emitCreateAudit(v, "console", now)
	})
}

// Delete removes a video in the platform's console.
func (s *Server) Delete(id string) error {
	return s.change(id, func(v *video, now time.Time) {
		v.Deleted = now
		s.emitDelete(v, now)
		s.emitBase(v, "delete", nil, now)
	})
}

// SetStatus puts a video into a state, without an event.
func (s *Server) SetStatus(id string, to Status) error {
	return s.change(id, func(v *video, now time.Time) { v.Status, v.Modified = to, now })
}

func (s *Server) change(id string, f func(*video, time.Time)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(s.o.Now())
	v := s.video(id)
	if v == nil {
		return fmt.Errorf("fake vod: no video %q", id)
	}
	f(v, s.o.Now())
	s.dirty = true
	s.kick()
	return s.save()
}

// Video is one CreateUploadVideo, whatever became of it. It holds no secret.
type Video struct {
	ID          string            `json:"id"`
	Account     string            `json:"account"` // owner of the key that made it
	Bucket      string            `json:"bucket"`
	Key         string            `json:"key"`
	Status      Status            `json:"status"`
	AuditStatus string            `json:"audit_status"`
	Fields      map[string]string `json:"fields"`
	Received    []Object          `json:"received,omitempty"` // every file that came, oldest first
	Refreshes   int               `json:"refreshes,omitempty"`
	Created     time.Time         `json:"created"`
	Published   time.Time         `json:"published,omitzero"`
	Deleted     time.Time         `json:"deleted,omitzero"`
}

// Videos lists all videos, deleted ones too, oldest first. The caller owns the list.
func (s *Server) Videos() []Video {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Video, 0, len(s.st.Videos))
	for _, v := range s.st.Videos {
		out = append(out, Video{v.ID, v.Owner, v.Bucket, v.Key, v.Status, v.AuditStatus, maps.Clone(v.Fields), slices.Clone(v.Received),
			v.Refreshes, v.Created, v.Published, v.Deleted})
	}
	return out
}

// Counts is what the platform really did.
type Counts struct {
	Videos    int                   `json:"videos"`   // created
	Orphans   int                   `json:"orphans"`  // of these, neither a file nor a deletion came
	Received  int                   `json:"received"` // files of videos
	Published int                   `json:"published"`
	Deletions int                   `json:"deletions"`
	Refreshes int                   `json:"refreshes"`
	Images    int                   `json:"images"`
	Pictures  int                   `json:"pictures"` // files of images
	Jobs      map[string]int        `json:"jobs"`     // transcode, snapshot, audit
	Waiting   int                   `json:"waiting"`  // callbacks neither answered nor given up
	Events    map[string]EventCount `json:"events"`
}

// Counts is a snapshot, across restarts.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := Counts{Videos: len(s.st.Videos), Images: len(s.st.Images), Jobs: map[string]int{}, Waiting: len(s.st.Outbox), Events: maps.Clone(s.st.Events)}
	for _, v := range s.st.Videos {
		c.Received += len(v.Received)
		c.Refreshes += v.Refreshes
		if !v.Published.IsZero() {
			c.Published++
		}
		if v.gone() {
			c.Deletions++
		} else if len(v.Received) == 0 {
			c.Orphans++
		}
	}
	for _, i := range s.st.Images {
		c.Pictures += len(i.Received)
	}
	for _, j := range s.st.Jobs {
		c.Jobs[j.Kind]++
	}
	return c
}

// effectFields is what Post.Fields holds beside the fields of create.
type effectFields struct {
	Status    Status            `json:"status"`
	Object    string            `json:"object"`
	Received  int               `json:"received"`
	Refreshes int               `json:"refreshes"`
	Create    map[string]string `json:"create"`
}

// Effects lists a post for each video that was ever Normal and an asset for each that received a file, in the order of
// their creation. Post.Fields has the state now.
func (s *Server) Effects() fake.Effects {
	e := fake.Effects{Posts: []fake.Post{}, Assets: []fake.Asset{}}
	for _, v := range s.Videos() {
		if len(v.Received) == 0 {
			continue
		}
		last, posts := v.Received[len(v.Received)-1], 0
		if !v.Published.IsZero() {
			f, err := json.Marshal(effectFields{v.Status, v.Bucket + "/" + v.Key, len(v.Received), v.Refreshes, v.Fields})
			if err != nil {
				panic(err) // strings always marshal
			}
			posts = 1
			e.Posts = append(e.Posts, fake.Post{ID: v.ID, Account: v.Account, Asset: v.ID, Title: v.Fields["Title"], Size: last.Size, SHA256: last.SHA256,
				Time: v.Published, Deleted: !v.Deleted.IsZero(), Fields: f})
		}
		e.Assets = append(e.Assets, fake.Asset{ID: v.ID, Account: v.Account, Title: v.Fields["Title"], Size: last.Size, SHA256: last.SHA256,
			Time: last.Modified, Posts: posts})
	}
	return e
}

// Callbacks lists what was sent after number n, and how it was answered, oldest first.
func (s *Server) Callbacks(n int64) []Callback {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.log, func(c Callback) bool { return c.N > n })
	if i < 0 {
		return nil
	}
	return slices.Clone(s.log[i:])
}

// Inject arms a fault; see fake.Fault. Op is one of Ops, Name one of ErrorCodes.
func (s *Server) Inject(f fake.Fault) error { return s.panel.Inject(f) }

// ClearFaults disarms all faults.
func (s *Server) ClearFaults() { s.panel.ClearFaults() }

// Faults lists the faults still armed.
func (s *Server) Faults() []fake.Fault { return s.panel.Faults() }

// Requests lists the logged requests after number n.
func (s *Server) Requests(n int64) []fake.Request { return s.panel.Requests(n) }

// Counters sums up requests per operation.
func (s *Server) Counters() map[string]fake.Counter { return s.panel.Counters() }
