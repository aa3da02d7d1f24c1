package douyin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// state is all that the platform remembers. It is written whole after every change, before the answer; only part files
// speak for themselves, by their names.
type state struct {
	Format   int                      `json:"format"`
	Seq      int64                    `json:"seq"`
	Accounts map[string]*account      `json:"accounts"` // by open_id
	Codes    map[string]*authCode     `json:"codes"`
	Clients  map[string]*clientTokens `json:"clients"` // by client_key
	Apps     map[string]Condition     `json:"apps"`
	Sessions map[string]*session      `json:"sessions"` // by upload_id
	Videos   map[string]*video        `json:"videos"`   // by video_id
	Images   map[string]*image        `json:"images"`   // by image_id
	Shares   map[string]*share        `json:"shares"`   // by share_id
	Posts    []*post                  `json:"posts"`    // oldest first
}

const stateFormat = 1

type tokenLife struct {
	Value   string    `json:"value"`
	Expires time.Time `json:"expires"`
}

func (t tokenLife) live(now time.Time) bool { return t.Value != "" && now.Before(t.Expires) }

// account is one user's grant to one app.
type account struct {
	OpenID    string    `json:"open_id"`
	ClientKey string    `json:"client_key"`
	Scopes    []string  `json:"scopes"`
	Access    tokenLife `json:"access"`
	Refresh   tokenLife `json:"refresh"`
	Former    tokenLife `json:"former"` // the refresh token before the last renewal
	Renewals  int       `json:"renewals"`
	Revoked   bool      `json:"revoked,omitempty"`
	Expired   []string  `json:"expired,omitempty"` // newest access tokens that ran out and were replaced
	Condition Condition `json:"condition,omitempty"`
}

type authCode struct {
	ClientKey string    `json:"client_key"`
	OpenID    string    `json:"open_id"`
	Scopes    []string  `json:"scopes"`
	Expires   time.Time `json:"expires"`
	Used      bool      `json:"used,omitempty"`
}

// clientTokens are an app's own tokens. Live is newest first, at most two.
type clientTokens struct {
	Live   []tokenLife `json:"live"`
	Stable tokenLife   `json:"stable"`
	Ticket tokenLife   `json:"ticket"` // the newest; the same within its life
	Calls  []time.Time `json:"calls"`
}

// session is one open upload in parts.
type session struct {
	ID        string    `json:"id"`
	ClientKey string    `json:"client_key"`
	OpenID    string    `json:"open_id"`
	Folder    string    `json:"folder"`
	Created   time.Time `json:"created"`
	VideoID   string    `json:"video_id,omitempty"` // once completed

	mu    sync.Mutex    // held while a part takes its name and while complete reads them
	parts map[int]int64 // sizes by number; as the folder has them
}

// video is a finished upload.
type video struct {
	ID        string        `json:"id"`
	ClientKey string        `json:"client_key"`
	OpenID    string        `json:"open_id"`
	Name      string        `json:"name"`
	Size      int64         `json:"size"`
	SHA256    string        `json:"sha256"`
	Parts     int           `json:"parts,omitempty"`
	Width     int           `json:"width"`
	Height    int           `json:"height"`
	Duration  time.Duration `json:"duration"`
	Created   time.Time     `json:"created"`
	Posts     int           `json:"posts"`
}

type image struct {
	ID        string `json:"id"`
	ClientKey string `json:"client_key"`
	OpenID    string `json:"open_id"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
	Type      string `json:"type"`
}

// share is one share id.
type share struct {
	ID        string    `json:"id"`
	ClientKey string    `json:"client_key"`
	Callback  bool      `json:"callback,omitempty"` // need_callback
	Created   time.Time `json:"created"`
}

type post struct {
	Seq       int64           `json:"seq"`
	ItemID    string          `json:"item_id"`
	PublicID  string          `json:"public_id"`
	ClientKey string          `json:"client_key"`
	OpenID    string          `json:"open_id"`
	VideoID   string          `json:"video_id"`
	Text      string          `json:"text"`
	Created   time.Time       `json:"created"`
	Private   int             `json:"private_status,omitempty"`
	Pinned    bool            `json:"pinned,omitempty"`
	Deleted   bool            `json:"deleted,omitempty"`
	ByHand    bool            `json:"by_hand,omitempty"` // made in the user's own app
	Shared    bool            `json:"shared,omitempty"`  // made there through a link of the app's
	Fields    json.RawMessage `json:"fields,omitempty"`
}

// load reads the folder, or makes it new.
func (s *Server) load() error {
	for _, dir := range []string{s.o.Dir, s.path("parts"), s.path("assets"), s.path("incoming")} {
		if err := fake.Mkdir(dir, !s.temp); err != nil {
			return err
		}
	}
	if err := errors.Join(fake.Sweep(s.o.Dir), fake.Sweep(s.path("incoming"))); err != nil {
		return err
	}
	s.st = state{Format: stateFormat}
	b, err := os.ReadFile(s.path("state.json"))
	if err == nil {
		err = json.Unmarshal(b, &s.st)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("fake douyin: %s: %w", s.path("state.json"), err)
	}
	if s.st.Format != stateFormat {
		return fmt.Errorf("fake douyin: state format %d: want %d", s.st.Format, stateFormat)
	}
	s.st.fillMaps()
	for _, ses := range s.st.Sessions {
		if err := s.loadParts(ses); err != nil {
			return err
		}
	}
	return errors.Join(s.dropOrphanFolders(), s.dropOrphanAssets())
}

func (st *state) fillMaps() {
	makeMap(&st.Accounts)
	makeMap(&st.Codes)
	makeMap(&st.Clients)
	makeMap(&st.Apps)
	makeMap(&st.Sessions)
	makeMap(&st.Videos)
	makeMap(&st.Images)
	makeMap(&st.Shares)
}

func makeMap[V any](m *map[string]V) {
	if *m == nil {
		*m = map[string]V{}
	}
}

// loadParts learns from the file names what the session has received.
func (s *Server) loadParts(ses *session) error {
	ses.parts = map[int]int64{}
	entries, err := os.ReadDir(s.path("parts", ses.Folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		ses.parts[n] = info.Size()
	}
	return nil
}

// dropOrphanFolders removes parts of uploads that ended or were never recorded before a crash.
func (s *Server) dropOrphanFolders() error {
	var open []string
	for _, ses := range s.st.Sessions {
		if ses.VideoID == "" {
			open = append(open, ses.Folder)
		}
	}
	entries, err := os.ReadDir(s.path("parts"))
	for _, e := range entries {
		if !slices.Contains(open, e.Name()) {
			err = errors.Join(err, os.RemoveAll(s.path("parts", e.Name())))
		}
	}
	return err
}

// dropOrphanAssets removes videos whose bytes were kept a moment before a crash and that no answer ever named.
func (s *Server) dropOrphanAssets() error {
	entries, err := os.ReadDir(s.path("assets"))
	for _, e := range entries {
		if s.st.Videos[e.Name()] == nil {
			err = errors.Join(err, os.Remove(s.path("assets", e.Name())))
		}
	}
	return err
}

func (s *Server) path(elem ...string) string {
	return filepath.Join(append([]string{s.o.Dir}, elem...)...)
}

// save makes the state durable. Called with s.mu held, after a change and before its answer. When the disk refuses, the
// server stops answering: what it remembers and what is on disk no longer agree.
func (s *Server) save() error {
	b, err := json.Marshal(&s.st)
	if err == nil {
		err = fake.WriteFile(s.path("state.json"), b, !s.temp)
	}
	if err != nil {
		s.broken = fmt.Errorf("fake douyin: cannot save: %w", err)
	}
	return s.broken
}

// saved is save for handlers: the result when all is well, a gateway error otherwise.
func (s *Server) saved(r result) result {
	if err := s.save(); err != nil {
		return gatewayError()
	}
	return r
}

func (s *Server) seq() int64 { s.st.Seq++; return s.st.Seq }
