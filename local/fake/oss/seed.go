package oss

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// Info is what the fake knows about a stored object, for other fakes and for tests: a platform that takes its videos
// from OSS compares size and MD5 with it.
type Info struct {
	Bucket, Key string
	Size        int64
	ETag        string // without quotes
	MD5         string // lower case hex, of the whole object, multipart too
	SHA256      string // lower case hex
	CRC64       uint64
	ContentType string
	Type        string // Normal, Multipart
	Parts       int
	Modified    time.Time
	Owner       string
}

func (o *object) info(bucket string) Info {
	return Info{Bucket: bucket, Key: o.Key, Size: o.Size, ETag: o.ETag, MD5: strings.ToLower(o.MD5), SHA256: o.SHA256, CRC64: o.CRC64,
		ContentType: o.Header["Content-Type"], Type: o.Type, Parts: len(o.Segments), Modified: o.Modified, Owner: o.Owner}
}

// AddBucket makes a bucket. One that exists keeps its objects and takes the new setting.
func (s *Server) AddBucket(b Bucket) error {
	if !validBucket(b.Name) {
		return fmt.Errorf("fake oss: bucket name %q", b.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.buckets[b.Name]; old != nil {
		old.publicRead, old.cors = b.PublicRead, b.CORS
		return nil
	}
	return s.makeBucket(b)
}

// Stat tells about an object.
func (s *Server) Stat(bucket, key string) (Info, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[bucket]; b != nil {
		if o := b.objects[key]; o != nil {
			return o.info(bucket), true
		}
	}
	return Info{}, false
}

// OpenObject opens the bytes of an object; they stay readable if it is replaced meanwhile. The caller closes it.
func (s *Server) OpenObject(bucket, key string) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[bucket]; b != nil {
		if o := b.objects[key]; o != nil {
			s.hold(b, o.Folder)
			return s.reader(b, o, 0, o.Size, func() { s.release(b, o.Folder) }), nil
		}
	}
	return nil, errors.New("fake oss: no such object")
}

// OpenUploads counts the multipart uploads of a bucket that are neither completed nor aborted.
func (s *Server) OpenUploads(bucket string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[bucket]; b != nil {
		return len(b.uploads)
	}
	return 0
}

// ForgetUpload ends an open upload from the platform's side, as its life cycle rules do: its parts are gone and its id
// is NoSuchUpload.
func (s *Server) ForgetUpload(bucket, uploadID string) error {
	s.mu.Lock()
	b := s.buckets[bucket]
	var u *upload
	if b != nil {
		u = b.uploads[uploadID]
	}
	s.mu.Unlock()
	if u == nil {
		return errors.New("fake oss: no such upload")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := s.endUpload(call{bucket: b}, u); err != nil {
		return err
	}
	s.discard(b, u.Folder)
	return nil
}

// Effects lists the objects that are stored now, oldest first, as assets whose id is bucket/key. OSS makes no posts.
func (s *Server) Effects() fake.Effects {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := fake.Effects{Posts: []fake.Post{}, Assets: []fake.Asset{}}
	for _, b := range s.buckets {
		for _, o := range b.objects {
			parts := len(o.Segments)
			if o.Type == "Normal" {
				parts = 0
			}
			e.Assets = append(e.Assets, fake.Asset{ID: b.name + "/" + o.Key, Account: o.Owner, Title: o.Key, Size: o.Size, SHA256: o.SHA256,
				Time: o.Modified, Parts: parts})
		}
	}
	slices.SortFunc(e.Assets, func(a, b fake.Asset) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return e
}

// Inject arms a fault; see fake.Fault. Op is one of Ops, Name one of ErrorCodes.
func (s *Server) Inject(f fake.Fault) error { return s.panel.Inject(f) }

// ClearFaults disarms all faults.
func (s *Server) ClearFaults() { s.panel.ClearFaults() }

// Faults lists the faults still armed.
func (s *Server) Faults() []fake.Fault { return s.panel.Faults() }

// Requests lists the logged requests after number n.
func (s *Server) Requests(n int64) []fake.Request { return s.panel.Requests(n) }

// Counters sums up requests per operation.
func (s *Server) Counters() map[string]fake.Counter { return s.panel.Counters() }
