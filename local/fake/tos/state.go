package tos

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// state is all that the storage remembers. It is written whole after every change, before the answer; only chunk files
// speak for themselves, by their names.
type state struct {
	Format  int                `json:"format"`
	Key     string             `json:"key"`
	Secret  string             `json:"secret"`
	Uploads map[string]*upload `json:"uploads"` // by uploadID
	Objects map[string]*stored `json:"objects"` // by oid
	Expired map[string]bool    `json:"expired"` // objects whose signatures a fault ended
}

const stateFormat = 1

// upload is one upload in chunks.
type upload struct {
	ID     string `json:"id"`
	Object string `json:"object"`
	Closed bool   `json:"closed,omitempty"`

	chunks map[int]chunk // as the folder has them; guarded by Server.mu
	busy   bool          // a close is reading them
}

type chunk struct {
	size int64
	crc  uint32
}

// stored is a complete object.
type stored struct {
	fake.Blob
	CRC     string    `json:"crc"`
	File    string    `json:"file"` // its name under objects; a replaced object has another one
	Parts   int       `json:"parts,omitempty"`
	Created time.Time `json:"created"`
	Taken   bool      `json:"taken,omitempty"`
}

// load reads the folder, or makes it new.
func (s *Server) load() error {
	for _, dir := range []string{s.o.Dir, s.path("parts"), s.path("objects"), s.path("incoming")} {
		if err := fake.Mkdir(dir, !s.temp); err != nil {
			return err
		}
	}
	if err := errors.Join(fake.Sweep(s.o.Dir), fake.Sweep(s.path("incoming"))); err != nil {
		return err
	}
	s.st = state{Format: stateFormat}
	b, err := os.ReadFile(s.path("state.json"))
	fresh := errors.Is(err, fs.ErrNotExist)
	if err == nil {
		err = json.Unmarshal(b, &s.st)
	}
	if err != nil && !fresh {
		return fmt.Errorf("fake tos: %s: %w", s.path("state.json"), err)
	}
	if s.st.Format != stateFormat {
		return fmt.Errorf("fake tos: state format %d: want %d", s.st.Format, stateFormat)
	}
	makeMap(&s.st.Uploads)
	makeMap(&s.st.Objects)
	makeMap(&s.st.Expired)
	if fresh {
		s.st.Key, s.st.Secret = hex.EncodeToString(s.random(16)), hex.EncodeToString(s.random(32))
		if err := s.save(); err != nil {
			return err
		}
	}
	for _, u := range s.st.Uploads {
		if err := s.loadChunks(u); err != nil {
			return err
		}
	}
	return s.dropOrphans()
}

func makeMap[V any](m *map[string]V) {
	if *m == nil {
		*m = map[string]V{}
	}
}

// loadChunks learns from the files what an upload has received.
func (s *Server) loadChunks(u *upload) error {
	u.chunks = map[int]chunk{}
	entries, err := os.ReadDir(s.path("parts", u.ID))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		f, err := os.Open(s.path("parts", u.ID, e.Name()))
		if err != nil {
			return err
		}
		h := crc32.NewIEEE()
		size, err := io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		u.chunks[n] = chunk{size, h.Sum32()}
	}
	return nil
}

// dropOrphans removes chunks of uploads that ended, and objects that were kept a moment before a crash and that no
// answer ever named.
func (s *Server) dropOrphans() error {
	parts, err := os.ReadDir(s.path("parts"))
	for _, e := range parts {
		if u := s.st.Uploads[e.Name()]; u == nil || u.Closed {
			err = errors.Join(err, os.RemoveAll(s.path("parts", e.Name())))
		}
	}
	files, e := os.ReadDir(s.path("objects"))
	err = errors.Join(err, e)
	named := map[string]bool{}
	for _, o := range s.st.Objects {
		named[o.File] = true
	}
	for _, e := range files {
		if !named[e.Name()] {
			err = errors.Join(err, os.Remove(s.path("objects", e.Name())))
		}
	}
	return err
}

func (s *Server) path(elem ...string) string {
	return filepath.Join(append([]string{s.o.Dir}, elem...)...)
}

func (s *Server) partPath(id string, n int) string {
	return s.path("parts", id, fmt.Sprintf("%08d", n))
}

// save makes the state durable. Called with s.mu held, after a change and before its answer. When the disk refuses, the
// server stops answering: what it remembers and what is on disk no longer agree.
func (s *Server) save() error {
	b, err := json.Marshal(&s.st)
	if err == nil {
		err = fake.WriteFile(s.path("state.json"), b, !s.temp)
	}
	if err != nil {
		s.broken = fmt.Errorf("fake tos: cannot save: %w", err)
	}
	return s.broken
}

// random draws n bytes. Like crypto/rand, it treats a dead source as the end of the program. Called with s.mu held, or
// before anybody else knows s.
func (s *Server) random(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.o.Rand, b); err != nil {
		panic(fmt.Errorf("fake tos: random source: %w", err))
	}
	return b
}
