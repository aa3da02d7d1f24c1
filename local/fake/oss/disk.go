package oss

import (
	"crypto/md5" //nolint:gosec // the platform's choice
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// bucket is one bucket in memory; its maps are guarded by Server.mu.
type bucket struct {
	name       string
	publicRead bool
	cors       []CORSRule
	commit     sync.Mutex // held while an object takes or loses its name, on disk and in memory
	objects    map[string]*object
	uploads    map[string]*upload
}

// object is a finished object; immutable once it is in a bucket's map.
type object struct {
	Key      string            `json:"key"`
	Folder   string            `json:"folder"`
	Segments []segment         `json:"segments"`
	Size     int64             `json:"size"`
	ETag     string            `json:"etag"` // without quotes
	MD5      string            `json:"md5"`
	SHA256   string            `json:"sha256"`
	CRC64    uint64            `json:"crc64,string"`
	Type     string            `json:"type"` // Normal, Multipart
	Header   map[string]string `json:"header"`
	Modified time.Time         `json:"modified"`
	Owner    string            `json:"owner,omitempty"`
	UploadID string            `json:"upload_id,omitempty"`
}

// segment is one file of an object, in order.
type segment struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// upload is an open multipart upload.
type upload struct {
	ID        string            `json:"id"`
	Key       string            `json:"key"`
	Folder    string            `json:"folder"`
	Header    map[string]string `json:"header"`
	Initiated time.Time         `json:"initiated"`
	Owner     string            `json:"owner,omitempty"`

	mu    sync.Mutex // guards the rest, and is held while a part takes its name and while complete reads them
	parts map[int]part
	seq   int64
	ended bool
}

// part is a received part. All but its size is in its file name.
type part struct {
	number   int
	seq      int64
	md5      string
	crc      uint64
	modified time.Time
	size     int64
}

func (p part) file() string {
	return fmt.Sprintf("%05d-%08d-%s-%d-%d", p.number, p.seq, p.md5, p.crc, p.modified.UnixMilli())
}

func parsePart(name string) (part, bool) {
	f := strings.Split(name, "-")
	if len(f) != 5 || len(f[2]) != 32 {
		return part{}, false
	}
	number, err1 := strconv.Atoi(f[0])
	seq, err2 := strconv.ParseInt(f[1], 10, 64)
	crc, err3 := strconv.ParseUint(f[3], 10, 64)
	ms, err4 := strconv.ParseInt(f[4], 10, 64)
	return part{number: number, seq: seq, md5: f[2], crc: crc, modified: time.UnixMilli(ms).UTC()}, errors.Join(err1, err2, err3, err4) == nil
}

func (s *Server) path(elem ...string) string {
	return filepath.Join(append([]string{s.o.Dir}, elem...)...)
}

// load reads the folder, or makes it new.
func (s *Server) load() error {
	if err := errors.Join(fake.Mkdir(s.o.Dir, !s.temp), fake.Mkdir(s.path("incoming"), !s.temp), fake.Mkdir(s.path("buckets"), !s.temp)); err != nil {
		return err
	}
	if err := fake.Sweep(s.path("incoming")); err != nil {
		return err
	}
	for _, b := range s.o.Buckets {
		if err := s.makeBucket(b); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(s.path("buckets"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !validBucket(e.Name()) {
			continue
		}
		if s.buckets[e.Name()] == nil {
			if err := s.makeBucket(Bucket{Name: e.Name()}); err != nil {
				return err
			}
		}
		if err := s.loadBucket(s.buckets[e.Name()]); err != nil {
			return err
		}
	}
	return nil
}

// makeBucket makes the folders; the bucket exists once it is in the map.
func (s *Server) makeBucket(b Bucket) error {
	for _, dir := range []string{"", "objects", "uploads", "data"} {
		if err := fake.Mkdir(s.path("buckets", b.Name, dir), !s.temp); err != nil {
			return err
		}
	}
	s.buckets[b.Name] = &bucket{name: b.Name, publicRead: b.PublicRead, cors: b.CORS, objects: map[string]*object{}, uploads: map[string]*upload{}}
	return nil
}

// loadBucket reads objects and open uploads, and drops what a kill left half done: scratch files, uploads whose object
// was already made, data that nothing names.
func (s *Server) loadBucket(b *bucket) error {
	used := map[string]bool{}
	err := eachJSON(s.path("buckets", b.name, "objects"), func(o *object) {
		b.objects[o.Key] = o
		used[o.Folder] = true
	})
	if err != nil {
		return err
	}
	err = eachJSON(s.path("buckets", b.name, "uploads"), func(u *upload) {
		if used[u.Folder] {
			u.ended = true
		}
		used[u.Folder] = true
		b.uploads[u.ID] = u
	})
	if err != nil {
		return err
	}
	for id, u := range b.uploads {
		if u.ended {
			delete(b.uploads, id)
			err = errors.Join(err, os.Remove(s.uploadFile(b, id)), s.keepOnly(b, b.objects[u.Key]))
			continue
		}
		err = errors.Join(err, s.loadParts(b, u))
	}
	entries, readErr := os.ReadDir(s.path("buckets", b.name, "data"))
	err = errors.Join(err, readErr)
	for _, e := range entries {
		if !used[e.Name()] {
			err = errors.Join(err, os.RemoveAll(s.path("buckets", b.name, "data", e.Name())))
		}
	}
	return err
}

// eachJSON decodes every JSON file of a folder.
func eachJSON[T any](dir string, f func(*T)) error {
	if err := fake.Sweep(dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		v := new(T)
		b, readErr := os.ReadFile(filepath.Join(dir, e.Name()))
		if readErr == nil {
			readErr = json.Unmarshal(b, v)
		}
		if readErr != nil {
			return fmt.Errorf("fake oss: %s: %w", e.Name(), readErr)
		}
		f(v)
	}
	return err
}

// loadParts learns from the file names what an upload has received. Of two files for one number the later one counts:
// the kill came between the new one's name and the old one's removal.
func (s *Server) loadParts(b *bucket, u *upload) error {
	u.parts = map[int]part{}
	entries, err := os.ReadDir(s.data(b, u.Folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		p, ok := parsePart(e.Name())
		info, statErr := e.Info()
		if !ok || statErr != nil {
			continue
		}
		p.size = info.Size()
		u.seq = max(u.seq, p.seq)
		old, twice := u.parts[p.number]
		if twice && old.seq > p.seq {
			old, p = p, old
		}
		if twice {
			err = errors.Join(err, os.Remove(s.data(b, u.Folder, old.file())))
		}
		u.parts[p.number] = p
	}
	return err
}

// keepOnly removes from an object's folder what is not one of its segments: parts that complete did not name.
func (s *Server) keepOnly(b *bucket, o *object) error {
	mine := map[string]bool{}
	for _, seg := range o.Segments {
		mine[seg.Name] = true
	}
	entries, err := os.ReadDir(s.data(b, o.Folder))
	for _, e := range entries {
		if !mine[e.Name()] {
			err = errors.Join(err, os.Remove(s.data(b, o.Folder, e.Name())))
		}
	}
	return err
}

func (s *Server) data(b *bucket, elem ...string) string {
	return s.path(append([]string{"buckets", b.name, "data"}, elem...)...)
}

func (s *Server) uploadFile(b *bucket, id string) string {
	return s.path("buckets", b.name, "uploads", id+".json")
}

// objectFile is named by a hash: a key may hold what no file name can.
func (s *Server) objectFile(b *bucket, key string) string {
	sum := sha256.Sum256([]byte(key))
	return s.path("buckets", b.name, "objects", hex.EncodeToString(sum[:])+".json")
}

// writeJSON makes a small record durable.
func (s *Server) writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return fake.WriteFile(path, b, !s.temp)
}

// sums is what is computed of bytes in passing.
type sums struct {
	md5 hash.Hash
	crc hash.Hash64
}

func newSums() sums { return sums{md5.New(), crc64.New(crc64.MakeTable(crc64.ECMA))} }

func (s sums) over(r io.Reader) io.Reader { return io.TeeReader(r, io.MultiWriter(s.md5, s.crc)) }

func (s sums) md5Hex() string { return strings.ToUpper(hex.EncodeToString(s.md5.Sum(nil))) }

// hold keeps an object's data on disk while it is being sent.
func (s *Server) hold(b *bucket, folder string) {
	s.readers[b.name+"/"+folder]++ // called with s.mu held
}

func (s *Server) release(b *bucket, folder string) {
	id := b.name + "/" + folder
	s.mu.Lock()
	s.readers[id]--
	gone := s.readers[id] == 0
	if gone {
		delete(s.readers, id)
	}
	gone = gone && s.doomed[id]
	if gone {
		delete(s.doomed, id)
	}
	s.mu.Unlock()
	if gone {
		os.RemoveAll(s.data(b, folder)) //nolint:errcheck // load drops what is left
	}
}

// discard removes data that nothing names any more, once nobody reads it.
func (s *Server) discard(b *bucket, folder string) {
	id := b.name + "/" + folder
	s.mu.Lock()
	busy := s.readers[id] > 0
	if busy {
		s.doomed[id] = true
	}
	s.mu.Unlock()
	if !busy {
		os.RemoveAll(s.data(b, folder)) //nolint:errcheck // load drops what is left
	}
}

// segmentReader reads n bytes of an object from an offset, opening one file at a time.
type segmentReader struct {
	open func(name string) (*os.File, error)
	segs []segment
	skip int64
	left int64
	f    *os.File
	done func()
}

func (g *segmentReader) Read(p []byte) (int, error) {
	for g.left > 0 {
		if g.f == nil {
			if err := g.next(); err != nil {
				return 0, err
			}
		}
		n, err := g.f.Read(p[:min(int64(len(p)), g.left)])
		g.left -= int64(n)
		if n > 0 {
			return n, nil
		}
		g.f.Close() //nolint:errcheck // read only
		g.f = nil
		if err != nil && err != io.EOF {
			return 0, err
		}
	}
	return 0, io.EOF
}

// next opens the segment in which the offset lies.
func (g *segmentReader) next() error {
	for len(g.segs) > 0 {
		seg := g.segs[0]
		g.segs = g.segs[1:]
		if g.skip >= seg.Size {
			g.skip -= seg.Size
			continue
		}
		f, err := g.open(seg.Name)
		if err == nil {
			_, err = f.Seek(g.skip, io.SeekStart)
		}
		g.f, g.skip = f, 0
		return err
	}
	return io.ErrUnexpectedEOF
}

func (g *segmentReader) Close() error {
	if g.done != nil {
		g.done()
		g.done = nil
	}
	if g.f != nil {
		return g.f.Close()
	}
	return nil
}

func (s *Server) reader(b *bucket, o *object, off, n int64, done func()) *segmentReader {
	return &segmentReader{open: func(name string) (*os.File, error) { return os.Open(s.data(b, o.Folder, name)) },
		segs: o.Segments, skip: off, left: n, done: done}
}
