package fake

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// WriteFile replaces path with b so that after any kill either the old or the new content is there, whole. With sync it
// returns only when the new one would survive a power cut too.
func WriteFile(path string, b []byte, sync bool) error {
	f, err := os.CreateTemp(filepath.Dir(path), tempPrefix+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return commit(f, path, sync, err)
}

// Blob describes stored bytes.
type Blob struct {
	Size   int64
	SHA256 string
}

// ErrTooLarge says that a reader held more than the limit.
var ErrTooLarge = errors.New("fake: body over the limit")

// Scratch is a temporary file that a body is streamed into; it takes its name only by Keep, so a half-received body is
// never mistaken for a whole one. Not safe for concurrent use.
type Scratch struct {
	f *os.File
	Blob
}

// Receive streams r into a scratch file in dir, hashing on the way, and holds one buffer in memory. More than limit
// bytes is ErrTooLarge. On any error nothing is left behind.
func Receive(dir string, r io.Reader, limit int64) (*Scratch, error) {
	f, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	// LimitReader at limit+1: one byte more proves the excess without reading all of it.
	n, err := io.CopyBuffer(io.MultiWriter(f, h), io.LimitReader(r, limit+1), make([]byte, 128<<10))
	if err == nil && n > limit {
		err = ErrTooLarge
	}
	s := &Scratch{f: f, Blob: Blob{Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}}
	if err != nil {
		s.Drop()
		return nil, err
	}
	return s, nil
}

// ReadAt reads what was received.
func (s *Scratch) ReadAt(b []byte, off int64) (int, error) { return s.f.ReadAt(b, off) }

// Sync puts the bytes on disk, so that a Keep under a lock is quick.
func (s *Scratch) Sync() error { return s.f.Sync() }

// Keep gives the file its name, replacing what was there; sync as in WriteFile. It ends the scratch.
func (s *Scratch) Keep(path string, sync bool) error { return commit(s.f, path, sync, nil) }

// Drop removes the file. It ends the scratch.
func (s *Scratch) Drop() {
	s.f.Close()
	os.Remove(s.f.Name())
}

const tempPrefix = ".tmp-"

// Sweep removes scratch files that a crash left in dir.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

func commit(f *os.File, path string, sync bool, err error) error {
	if err == nil && sync {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if !sync {
		return nil
	}
	return syncDir(filepath.Dir(path))
}

// Mkdir makes a folder, if it is not there; sync as in WriteFile. Without it a file synced into a new folder may still
// be lost with the folder's own name.
func Mkdir(path string, sync bool) error {
	if err := os.MkdirAll(path, 0o700); err != nil || !sync {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
