package token

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vodlift/vodlift/shared/fault"
)

// FileKeys are data keys in files of one machine (design 4.5). It is immutable after FileKey made it.
type FileKeys struct {
	newest DataKey
	byID   map[string][]byte
}

var _ KeyProvider = (*FileKeys)(nil)

// FileKeyOptions are what may vary. nil means none of it.
type FileKeyOptions struct {
	// Older are files of keys that no longer seal but still open: rotate by moving the key file aside, naming it here,
	// and letting FileKey make a new one.
	Older []string
	// MustExist refuses to make a key: set it wherever sealed records exist already, since a new key cannot open them.
	MustExist bool
	// Random is where a new key comes from; nil means crypto/rand.
	Random io.Reader
}

// FileKey reads the key file at path: 64 hex digits and a newline. If there is none it makes one, of mode 0600, whole or
// not at all, also when two processes start at once. A file that others may read or write, that is no plain file or
// that is not a key of the right length is Invalid and left as it is.
func FileKey(path string, o *FileKeyOptions) (*FileKeys, error) {
	if o == nil {
		o = &FileKeyOptions{}
	}
	if o.Random == nil {
		o = &FileKeyOptions{Older: o.Older, MustExist: o.MustExist, Random: rand.Reader}
	}
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) && !o.MustExist {
		if err := makeKey(path, o.Random); err != nil {
			return nil, fault.Newf(fault.Permanent, "token.FileKey", "cannot make the key file: %w", err)
		}
		key, err = readKey(path)
	}
	if err != nil {
		return nil, err
	}
	f := &FileKeys{newest: DataKey{ID: keyID(key), Key: key}, byID: map[string][]byte{keyID(key): key}}
	for _, p := range o.Older {
		old, err := readKey(p)
		if err != nil {
			return nil, err
		}
		f.byID[keyID(old)] = old
	}
	return f, nil
}

// Newest gives the key of the file itself.
func (f *FileKeys) Newest(context.Context) (DataKey, error) { return f.newest, nil }

// Find gives the key with that id, newest or older.
func (f *FileKeys) Find(_ context.Context, id string, _ []byte) ([]byte, error) {
	if k, ok := f.byID[id]; ok {
		return k, nil
	}
	return nil, notOpened("token.FileKeys", fmt.Sprintf("its key %q is not in the key files", id))
}

// String shows no key.
func (f *FileKeys) String() string { return "filekeys(" + f.newest.ID + ")" }

// GoString shows no key.
func (f *FileKeys) GoString() string { return f.String() }

// keyID names a key without giving it away.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("vodlift key id\x00"), key...))
	return "file:" + hex.EncodeToString(sum[:8])
}

func readKey(path string) ([]byte, error) {
	const op, want = "token.FileKey", 2*KeyBytes + 1
	f, err := os.Open(path)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Permanent, Op: op, Actor: fault.ActorOperator, Err: err}
	}
	defer func() { _ = f.Close() }()
	// The open file is asked, not the path again: it cannot be exchanged in between.
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, fault.Newf(fault.Permanent, op, "%w", err)
	case !st.Mode().IsRegular():
		return nil, fault.InvalidField(op, path, "a plain file", "it is "+st.Mode().Type().String())
	case st.Mode().Perm()&0o077 != 0:
		return nil, fault.InvalidField(op, path, "mode 0600", fmt.Sprintf("others may use the key file (mode %04o); chmod 600 it, and change the key if it may have been read", st.Mode().Perm()))
	}
	b, err := io.ReadAll(io.LimitReader(f, want+1))
	if err != nil {
		return nil, fault.Newf(fault.Permanent, op, "%w", err)
	}
	key, err := hex.DecodeString(string(bytes.TrimSuffix(b, []byte("\n"))))
	if err != nil || len(key) != KeyBytes {
		// The decoder's error would quote the file.
		return nil, fault.InvalidField(op, path, fmt.Sprintf("%d hex digits and a newline", 2*KeyBytes), fmt.Sprintf("the key file is no key (%d bytes)", st.Size()))
	}
	return key, nil
}

// makeKey writes a new key beside path and links it into place: path then holds a whole key, and one that another
// process made first stays.
func makeKey(path string, random io.Reader) (err error) {
	key := make([]byte, KeyBytes)
	if _, err := io.ReadFull(random, key); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // O_EXCL, 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, werr := tmp.WriteString(hex.EncodeToString(key) + "\n")
	if err := errors.Join(werr, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	// The name must survive a power cut before anything is sealed under the key.
	return errors.Join(dir.Sync(), dir.Close())
}
