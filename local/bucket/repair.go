package bucket

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/versity/versitygw/backend/posix"
)

// repair puts right what a killed process left, before the gateway starts.
func (m *metadata) repair(objects string, buckets []string) error {
	for _, b := range buckets {
		if err := m.dropHalfMade(objects, b); err != nil {
			return err
		}
		if err := m.dropOrphans(objects, b); err != nil {
			return err
		}
	}
	return nil
}

// dropHalfMade removes an empty bucket folder without an owner: the process was killed while it made it, and the
// gateway would neither serve it nor make it again.
func (m *metadata) dropHalfMade(objects, bucket string) error {
	_, err := os.Stat(filepath.Join(m.dir, bucket, attributesDir, attrACL))
	if !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.Remove(filepath.Join(objects, bucket)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("bucket: %s was made without an owner and is not empty: %w", bucket, err)
	}
	return nil
}

// dropOrphans removes the attributes of uploads that are finished or were given up.
func (m *metadata) dropOrphans(objects, bucket string) error {
	root := filepath.Join(m.dir, bucket, posix.MetaTmpMultipartDir)
	uploads, err := filepath.Glob(filepath.Join(root, "*", "*"))
	if err != nil {
		return fmt.Errorf("bucket: uploads: %w", err)
	}
	for _, u := range uploads {
		rel, err := filepath.Rel(m.dir, u)
		if err != nil {
			return fmt.Errorf("bucket: uploads: %w", err)
		}
		data := filepath.Join(objects, rel)
		if _, err := os.Stat(data); filepath.Base(u) == attributesDir || !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := removeUpload(u, data); err != nil {
			return err
		}
	}
	return nil
}

// dropUpload removes the attributes of the parts of one upload, which the gateway leaves when it is completed.
func (m *metadata) dropUpload(bucket, key, upload string) error {
	if upload == "" || filepath.Base(upload) != upload {
		return nil
	}
	sum := sha256.Sum256([]byte(key))
	data := filepath.Join(bucket, posix.MetaTmpMultipartDir, hex.EncodeToString(sum[:]), upload)
	return removeUpload(filepath.Join(m.dir, data), data)
}

// removeUpload removes the attributes of an upload, and those of its key when no other upload of that key has data.
func removeUpload(attributes, data string) error {
	if err := os.RemoveAll(attributes); err != nil {
		return fmt.Errorf("bucket: upload: %w", err)
	}
	if _, err := os.Stat(filepath.Dir(data)); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.RemoveAll(filepath.Dir(attributes)); err != nil {
		return fmt.Errorf("bucket: upload: %w", err)
	}
	return nil
}
