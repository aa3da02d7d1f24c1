package stack

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vodlift/vodlift/shared/fault"
)

// Kind says which of the two a data folder is for; it refuses the other (design 6).
type Kind string

// The two kinds of data folder.
const (
	Demo Kind = "demo"
	Real Kind = "real"
)

// Identity is what a data folder knows of itself: its kind and its random keys. The file is readable by its owner only.
type Identity struct {
	Version      int    `json:"v"`
	Kind         Kind   `json:"kind"`
	Key          string `json:"key"`           // of the API and of the fakes' control calls
	BucketAccess string `json:"bucket_access"` // of the S3 gateway
	BucketSecret string `json:"bucket_secret"`
}

// String shows no key.
func (i Identity) String() string { return "data folder (" + string(i.Kind) + ")" }

// GoString shows no key.
func (i Identity) GoString() string { return i.String() }

// Running is where a running stack listens; it stands in the folder while the stack runs.
type Running struct {
	PID    int    `json:"pid"`
	Kind   Kind   `json:"kind"`
	API    string `json:"api"`
	Bucket string `json:"bucket"`
	Region string `json:"region"`
	Inbox  string `json:"inbox"`
	Public string `json:"public"`           // callbacks of platforms, and apps
	Douyin string `json:"douyin,omitempty"` // the fakes' addresses, in the demo
	Youku  string `json:"youku,omitempty"`
	OSS    string `json:"oss,omitempty"` // where Youku's and VOD's videos go
	VOD    string `json:"vod,omitempty"`
	STS    string `json:"sts,omitempty"`
	Web    string `json:"web,omitempty"` // Douyin's creator web
	TOS    string `json:"tos,omitempty"` // where its videos go
}

const (
	identityFile = "vodlift.json"
	runningFile  = "running.json"
	lockFile     = "lock"
)

// folder is a data folder that this process holds.
type folder struct {
	dir  string
	id   Identity
	lock *os.File
}

// openFolder makes or takes a data folder: absolute, mode 0700, locked against a second process, of the right kind.
func openFolder(dir string, kind Kind) (*folder, error) {
	const op = "stack.openFolder"
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(op, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fault.InvalidField(op, "data", "one process a folder", "another vodlift works on "+dir)
	}
	id, err := identity(dir, kind)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &folder{dir: dir, id: id, lock: lock}, nil
}

// identity reads the folder's identity, or gives a new folder one.
func identity(dir string, kind Kind) (Identity, error) {
	const op = "stack.identity"
	id, err := ReadIdentity(dir)
	if errors.Is(err, fs.ErrNotExist) {
		entries, rerr := os.ReadDir(dir)
		if rerr != nil {
			return id, fault.Wrap(op, rerr)
		}
		for _, e := range entries {
			if e.Name() != lockFile {
				return id, fault.InvalidField(op, "data", "an empty folder, or one of vodlift's", dir+" holds other things")
			}
		}
		id = Identity{Version: 1, Kind: kind, Key: random(24), BucketAccess: "vodlift" + random(6), BucketSecret: random(24)}
		return id, writeJSON(filepath.Join(dir, identityFile), id)
	}
	if err != nil {
		return id, err
	}
	if id.Kind != kind {
		return id, fault.InvalidField(op, "data", "a "+string(kind)+" folder", fmt.Sprintf("%s is a %s folder", dir, id.Kind))
	}
	return id, nil
}

// ReadIdentity reads the identity of a data folder; fs.ErrNotExist is in the chain where there is none.
func ReadIdentity(dir string) (Identity, error) {
	var id Identity
	if err := readJSON(filepath.Join(dir, identityFile), &id); err != nil {
		return id, err
	}
	if id.Version != 1 || id.Kind != Demo && id.Kind != Real || id.Key == "" || id.BucketSecret == "" {
		return id, fault.InvalidField("stack.ReadIdentity", identityFile, "version 1", "this data folder is damaged, or of another version of vodlift")
	}
	return id, nil
}

// ReadRunning tells where the stack of a data folder listens; fs.ErrNotExist is in the chain when none runs.
func ReadRunning(dir string) (Running, error) {
	var r Running
	err := readJSON(filepath.Join(dir, runningFile), &r)
	return r, err
}

func (f *folder) path(name ...string) string {
	return filepath.Join(append([]string{f.dir}, name...)...)
}

func (f *folder) announce(r Running) error { return writeJSON(f.path(runningFile), r) }

func (f *folder) close() error {
	err := os.Remove(f.path(runningFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, f.lock.Close())
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// writeJSON replaces a file whole, readable by its owner only.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fault.Wrap("stack.writeJSON", err)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return fault.Wrap("stack.writeJSON", err)
	}
	return fault.Wrap("stack.writeJSON", os.Rename(tmp, path))
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fault.Wrap("stack.readJSON", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fault.InvalidField("stack.readJSON", filepath.Base(path), "JSON", err.Error())
	}
	return nil
}
