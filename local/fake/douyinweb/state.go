package douyinweb

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// state is all that the platform remembers. It is written whole after every change, before the answer.
type state struct {
	Format   int                 `json:"format"`
	Seq      int64               `json:"seq"`
	Secret   string              `json:"secret"`   // signs auth, token and csrf tokens
	Accounts map[string]*account `json:"accounts"` // by uid
	Slots    map[string]*slot    `json:"slots"`    // by vid
	Posts    []*post             `json:"posts"`    // oldest first
}

const stateFormat = 1

// Condition is a lasting state of a user that the creator site answers with (SetAccount). OK ends any.
type Condition string

// The conditions.
const (
	OK      Condition = ""
	Captcha Condition = "captcha"    // status_code 110 (ref. C)
	Verify  Condition = "verify"     // header x-tt-verify-passport-decision (ref. C)
	Login   Condition = "login_page" // a login page
	Barred  Condition = "barred"     // create only: status_code is not 0
)

// account is one user who is logged in, once.
type account struct {
	UID         string            `json:"uid"`
	Name        string            `json:"name"`
	Session     string            `json:"session"`
	Expires     time.Time         `json:"expires"`
	Revoked     bool              `json:"revoked,omitempty"`
	CSRF        string            `json:"csrf"`         // cookie csrf_token
	CSRFSession string            `json:"csrf_session"` // cookie csrf_session_id
	Others      map[string]string `json:"others"`       // cookies that nothing checks
	AK          string            `json:"ak"`
	Epoch       int               `json:"epoch"` // of auth; a fault that ends credentials adds one
	Condition   Condition         `json:"condition,omitempty"`
}

func (a *account) live(now time.Time) bool { return !a.Revoked && now.Before(a.Expires) }

// slot is one answer of step 2: a video to be.
type slot struct {
	VID       string        `json:"vid"`
	UID       string        `json:"uid"`
	Sets      []set         `json:"sets"` // the top level, then the edge nodes
	FileSize  int64         `json:"file_size,omitempty"`
	Created   time.Time     `json:"created"`
	Confirmed time.Time     `json:"confirmed,omitzero"`
	OID       string        `json:"oid,omitempty"` // of the set that was confirmed
	Poster    string        `json:"poster,omitempty"`
	PosterSS  float64       `json:"poster_ss,omitempty"`
	Exact     bool          `json:"is_exact_poster,omitempty"`
	Size      int64         `json:"size,omitempty"`
	SHA256    string        `json:"sha256,omitempty"`
	Width     int           `json:"width,omitempty"`
	Height    int           `json:"height,omitempty"`
	Duration  time.Duration `json:"duration,omitempty"`
	Posts     int           `json:"posts,omitempty"`
}

// set is what belongs together (ref. B.1: never mix two).
type set struct {
	OID   string `json:"oid"`
	Token string `json:"token"`
	Extra string `json:"extra"`
}

type post struct {
	Seq        int64           `json:"seq"`
	ItemID     string          `json:"item_id"`
	UID        string          `json:"uid"`
	VID        string          `json:"vid,omitempty"` // none: made by hand
	Text       string          `json:"text"`
	Visibility int             `json:"visibility_type"`
	Created    time.Time       `json:"created"`
	Timing     time.Time       `json:"timing,omitzero"` // when a scheduled post is to appear
	Fields     json.RawMessage `json:"fields,omitempty"`
}

// load reads the folder, or makes it new.
func (s *Server) load() error {
	if err := fake.Mkdir(s.o.Dir, !s.temp); err != nil {
		return err
	}
	if err := fake.Sweep(s.o.Dir); err != nil {
		return err
	}
	s.st = state{Format: stateFormat, Accounts: map[string]*account{}, Slots: map[string]*slot{}}
	b, err := os.ReadFile(s.stateFile())
	fresh := errors.Is(err, fs.ErrNotExist)
	if err == nil {
		err = json.Unmarshal(b, &s.st)
	}
	if err != nil && !fresh {
		return fmt.Errorf("fake douyinweb: %s: %w", s.stateFile(), err)
	}
	if s.st.Format != stateFormat {
		return fmt.Errorf("fake douyinweb: state format %d: want %d", s.st.Format, stateFormat)
	}
	if !fresh {
		return nil
	}
	s.st.Secret = s.hex(32)
	return s.save()
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
		s.broken = fmt.Errorf("fake douyinweb: cannot save: %w", err)
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

// random draws n bytes. Like crypto/rand, it treats a dead source as the end of the program. Called with s.mu held, or
// before anybody else knows s.
func (s *Server) random(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.o.Rand, b); err != nil {
		panic(fmt.Errorf("fake douyinweb: random source: %w", err))
	}
	return b
}

// hex is n random bytes as 2n digits.
func (s *Server) hex(n int) string { return hex.EncodeToString(s.random(n)) }

func (s *Server) uuid() string {
	b := s.random(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// digits is a plain decimal id.
func (s *Server) digits(n int) string {
	d := s.random(n)
	for i, b := range d {
		d[i] = '0' + b%10
	}
	d[0] = '7'
	return string(d)
}
