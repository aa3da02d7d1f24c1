package bucket

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"weak"

	"github.com/versity/versitygw/backend/meta"
)

// metadata keeps the attributes of objects in files beside them, as the gateway's own side-car store does, and mends
// four of that store's faults:
//   - when one object replaced another, the new ETag and metadata were visible (and after a kill, stayed) while the old
//     bytes were still there. Here the attributes of a new file are staged under its inode and count from the moment
//     at which the file is at its place; settle moves them to the ordinary place afterwards, so that a folder may be
//     copied;
//   - the new object kept those attributes of the old one that it did not set itself (user metadata, the part list);
//   - a key with a component "meta" collided with the store's own folders: such components are spelt differently;
//   - a bucket whose making was cut short could never be made again, and parts of finished uploads left their
//     attributes behind (see repair.go).
//
// Like the gateway's storage it resolves objects relative to the working directory.
type metadata struct {
	meta.SideCar
	dir string

	mu    sync.Mutex
	files map[string]weak.Pointer[os.File] // the file that last staged attributes for a path
}

var _ meta.MetadataStorer = (*metadata)(nil)

const (
	attributesDir  = "meta" // the side-car store's own name
	attrETag       = "etag"
	attrACL        = "acl"
	stagedPrefix   = ".staged-" // and the inode
	spellingSuffix = "~"
	maxRemembered  = 1024
)

func newMetadata(dir string) (*metadata, error) {
	s, err := meta.NewSideCar(dir)
	if err != nil {
		return nil, fmt.Errorf("bucket: metadata: %w", err)
	}
	return &metadata{SideCar: s, dir: dir, files: map[string]weak.Pointer[os.File]{}}, nil
}

// spell maps a key to the path that its attributes have, one to one.
func spell(object string) string {
	parts := strings.Split(object, "/")
	for i, p := range parts {
		if rest, ok := strings.CutPrefix(p, attributesDir); ok && strings.Trim(rest, spellingSuffix) == "" {
			parts[i] = p + spellingSuffix
		}
	}
	return strings.Join(parts, "/")
}

func staged(object string, ino uint64) string {
	return filepath.Join(spell(object), stagedPrefix+strconv.FormatUint(ino, 10))
}

func (m *metadata) isStaged(bucket, object string, ino uint64) bool {
	_, err := os.Stat(filepath.Join(m.dir, bucket, staged(object, ino), attributesDir))
	return err == nil
}

// place tells where the attributes of the object are that f is, or that is at its path now, and whether they may move.
func (m *metadata) place(f *os.File, bucket, object string) (at string, ino uint64, isStaged bool) {
	ino, ok := inode(f, filepath.Join(bucket, object))
	if ok && m.isStaged(bucket, object, ino) {
		return staged(object, ino), ino, true
	}
	return spell(object), ino, false
}

// RetrieveAttribute implements meta.MetadataStorer.
func (m *metadata) RetrieveAttribute(f *os.File, bucket, object, attribute string) ([]byte, error) {
	for {
		at, ino, moves := m.place(f, bucket, object)
		v, err := m.SideCar.RetrieveAttribute(f, bucket, at, attribute)
		if err == nil || !moves || m.isStaged(bucket, object, ino) {
			return v, err
		}
	}
}

// ListAttributes implements meta.MetadataStorer.
func (m *metadata) ListAttributes(bucket, object string) ([]string, error) {
	for {
		at, ino, moves := m.place(nil, bucket, object)
		names, err := m.SideCar.ListAttributes(bucket, at)
		if len(names) > 0 || !moves || m.isStaged(bucket, object, ino) {
			return names, err
		}
	}
}

// StoreAttribute implements meta.MetadataStorer. With f set the gateway holds the lock of the key and f is about to
// become the object; without, the attribute belongs to what is there.
func (m *metadata) StoreAttribute(f *os.File, bucket, object, attribute string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	ino, ok := inode(f, "")
	if f == nil || !ok {
		at, _, _ := m.place(nil, bucket, object)
		return m.SideCar.StoreAttribute(f, bucket, at, attribute, value)
	}
	if m.isNew(f, filepath.Join(bucket, object)) {
		if err := m.begin(bucket, object); err != nil {
			return err
		}
	}
	return m.SideCar.StoreAttribute(f, bucket, staged(object, ino), attribute, value)
}

// isNew tells whether f stores its first attribute. Weak pointers stay different even when memory is reused.
func (m *metadata) isNew(f *os.File, path string) bool {
	if len(m.files) > maxRemembered {
		for k, p := range m.files {
			if p.Value() == nil {
				delete(m.files, k)
			}
		}
	}
	p := weak.Make(f)
	if m.files[path] == p {
		return false
	}
	m.files[path] = p
	return true
}

// begin clears what earlier files staged: the one that is the object is settled, the others never became objects. An
// inode number may be used again, so that one with the new file's own is no exception.
func (m *metadata) begin(bucket, object string) error {
	if err := m.settleLocked(bucket, object); err != nil {
		return err
	}
	return m.dropStaged(bucket, object)
}

func (m *metadata) dropStaged(bucket, object string) error {
	dir := filepath.Join(m.dir, bucket, spell(object))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("bucket: staged attributes: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), stagedPrefix) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("bucket: staged attributes: %w", err)
			}
		}
	}
	return nil
}

// settle moves the attributes of the object that is there now to their ordinary place. Nothing depends on it being
// called, or being finished.
func (m *metadata) settle(bucket, object string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.settleLocked(bucket, object)
}

func (m *metadata) settleLocked(bucket, object string) error {
	ino, ok := inode(nil, filepath.Join(bucket, object))
	if !ok || !m.isStaged(bucket, object, ino) {
		return nil
	}
	from, to := filepath.Join(m.dir, bucket, staged(object, ino)), filepath.Join(m.dir, bucket, spell(object), attributesDir)
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("bucket: attributes: %w", err)
	}
	if err := os.Rename(filepath.Join(from, attributesDir), to); err != nil {
		return fmt.Errorf("bucket: attributes: %w", err)
	}
	if err := os.Remove(from); err != nil {
		return fmt.Errorf("bucket: attributes: %w", err)
	}
	return nil
}

// DeleteAttribute implements meta.MetadataStorer.
func (m *metadata) DeleteAttribute(bucket, object, attribute string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, _, _ := m.place(nil, bucket, object)
	return m.SideCar.DeleteAttribute(bucket, at, attribute)
}

// DeleteAttributes implements meta.MetadataStorer. It is called when the object is gone; what a file that is being
// written has staged under the same key stays.
func (m *metadata) DeleteAttributes(bucket, object string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	path := filepath.Join(bucket, object)
	if _, there := inode(nil, path); !there && object != "" && m.files[path].Value() == nil {
		if err := m.dropStaged(bucket, object); err != nil {
			return err
		}
	}
	return m.SideCar.DeleteAttributes(bucket, spell(object))
}

// RenameObject implements meta.MetadataStorer.
func (m *metadata) RenameObject(bucket, oldObject, newObject string) error {
	return m.SideCar.RenameObject(bucket, spell(oldObject), spell(newObject))
}
