package youku

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

// state is all that the platform remembers. It is written whole after every change, before the answer.
type state struct {
	Format   int                 `json:"format"`
	Accounts map[string]*account `json:"accounts"` // by name
	Uploads  []*upload           `json:"uploads"`  // oldest first

	byToken map[string]*upload
	byVideo map[string]*upload
}

const stateFormat = 1

// tokenLife is a token and its end; the zero end never comes.
type tokenLife struct {
	Value   string    `json:"value"`
	Expires time.Time `json:"expires,omitzero"`
}

func (t tokenLife) live(now time.Time) bool {
	return t.Value != "" && (t.Expires.IsZero() || now.Before(t.Expires))
}

// account is one user's grant to one app.
type account struct {
	Name     string      `json:"name"`
	ClientID string      `json:"client_id"`
	Access   []tokenLife `json:"access"` // newest first; those after the first were replaced by a refresh
	Refresh  tokenLife   `json:"refresh"`
	Former   tokenLife   `json:"former"` // the refresh token before the last rotation
	Revoked  bool        `json:"revoked,omitempty"`
	Outcome  State       `json:"outcome,omitempty"` // where the videos end that are committed from now on
}

// status of an upload.
type status string

const (
	open      status = "open"
	committed status = "committed"
	cancelled status = "cancelled"
	spent     status = "spent" // its hash was refused
)

// upload is one create, and the video it became.
type upload struct {
	Token    string            `json:"token"`
	VideoID  string            `json:"video_id"`
	Account  string            `json:"account"`
	ClientID string            `json:"client_id"`
	Bucket   string            `json:"bucket,omitempty"` // none with isnew=0
	Object   string            `json:"object,omitempty"`
	Size     int64             `json:"size"`
	MD5      string            `json:"md5,omitempty"` // declared; none from a web client
	Fields   map[string]string `json:"fields"`        // of create, without secrets
	Password string            `json:"password_sha256,omitempty"`
	Instant  bool              `json:"instant,omitempty"`
	Created  time.Time         `json:"created"`
	Expires  time.Time         `json:"expires"`
	Status   status            `json:"status"`

	Committed time.Time `json:"committed,omitzero"`
	Stored    Object    `json:"stored,omitzero"`
	Outcome   State     `json:"outcome,omitempty"`
	Forced    State     `json:"forced,omitempty"`
	Deleted   bool      `json:"deleted,omitempty"`
}

func (u *upload) title() string { return u.Fields["title"] }

// load reads the folder, or makes it new.
func (s *Server) load() error {
	if err := fake.Mkdir(s.o.Dir, !s.temp); err != nil {
		return err
	}
	if err := fake.Sweep(s.o.Dir); err != nil {
		return err
	}
	s.st = state{Format: stateFormat, byToken: map[string]*upload{}, byVideo: map[string]*upload{}}
	b, err := os.ReadFile(s.stateFile())
	if err == nil {
		err = json.Unmarshal(b, &s.st)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("fake youku: %s: %w", s.stateFile(), err)
	}
	if s.st.Format != stateFormat {
		return fmt.Errorf("fake youku: state format %d: want %d", s.st.Format, stateFormat)
	}
	if s.st.Accounts == nil {
		s.st.Accounts = map[string]*account{}
	}
	for _, u := range s.st.Uploads {
		s.st.byToken[u.Token], s.st.byVideo[u.VideoID] = u, u
	}
	return nil
}

// add remembers a new upload. Called with s.mu held.
func (st *state) add(u *upload) {
	st.Uploads = append(st.Uploads, u)
	st.byToken[u.Token], st.byVideo[u.VideoID] = u, u
}

func (s *Server) stateFile() string { return filepath.Join(s.o.Dir, "state.json") }

// save makes the state durable. Called with s.mu held, after a change and before its answer. When the disk refuses, the
// server stops answering: what it remembers and what is on disk no longer agree.
func (s *Server) save() error {
	b, err := json.Marshal(&s.st)
	if err == nil {
		err = fake.WriteFile(s.stateFile(), b, !s.temp)
	}
	if err != nil {
		s.broken = fmt.Errorf("fake youku: cannot save: %w", err)
	}
	return s.broken
}

// saved is save for handlers: the result when all is well, a gateway's page otherwise.
func (s *Server) saved(r result) result {
	if err := s.save(); err != nil {
		return page(500)
	}
	return r
}
