// Package memsource is the reference implementation of source.Source, in memory. Tests of everything above a source use
// it; on request it misbehaves as a network does.
//
// It knows nothing of any SDK.
package memsource

import (
	"bytes"
	"context"
	"crypto/md5" // what S3 makes ETags of; not for security
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
)

// ErrBroken is the cause that a Fault has when it names none: a connection that broke in mid-body.
var ErrBroken = errors.New("the connection broke")

// Fault is one misbehaviour, used up by the next Open.
type Fault struct {
	Refuse error // Open fails with it; when it is no *fault.Error it is Retryable
	After  int64 // bytes of the body that still arrive
	Cut    bool  // then the body ends as if it were complete ...
	Err    error // ... or, without Cut, fails with this; nil is ErrBroken
}

// Source holds objects. Make it with New. It is safe for concurrent use.
type Source struct {
	// Versioned keeps what a Put replaces or a Delete removes readable by its version id. Set it before use.
	Versioned bool
	// Now stamps objects; nil is time.Now. Set it before use.
	Now func() time.Time

	mu      sync.Mutex
	objects map[string][]*object // bucket NUL key, oldest first
	serial  int
	faults  []Fault
	opens   int
	open    int
	bytes   int64
}

var _ source.Source = (*Source)(nil)

type object struct {
	info    source.Info
	body    io.ReaderAt
	deleted bool
}

// New makes an empty source.
func New() *Source { return &Source{objects: map[string][]*object{}} }

// Put stores body under bucket and key and gives its name with ETag and size, and a version id if Versioned. Metadata
// is given as a client sends it: values may be RFC 2047 encoded. body is not copied.
func (s *Source) Put(bucket, key string, body []byte, metadata map[string]string) source.Object {
	sum := md5.Sum(body)
	return s.PutReaderAt(bucket, key, hex.EncodeToString(sum[:]), bytes.NewReader(body), int64(len(body)), metadata)
}

// PutReaderAt stores an object whose bytes are made by body when they are read: for objects too large to hold.
func (s *Source) PutReaderAt(bucket, key, etag string, body io.ReaderAt, size int64, metadata map[string]string) source.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	o := &object{body: body, info: source.Info{
		Object:      source.Object{Bucket: bucket, Key: key, ETag: etag, Size: size, VersionID: s.nextVersion()},
		ContentType: "application/octet-stream", Modified: now(), Metadata: source.DecodeMetadata(metadata),
	}}
	s.add(o)
	return o.info.Object
}

// Delete removes an object; removing what is not there is no error.
func (s *Source) Delete(bucket, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(&object{deleted: true, info: source.Info{Object: source.Object{Bucket: bucket, Key: key, VersionID: s.nextVersion()}}})
}

// Misbehave queues faults; each Open uses up one.
func (s *Source) Misbehave(f ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f...)
}

// Stats tells how many bodies were opened so far, how many of them are not closed, and how many bytes were read.
func (s *Source) Stats() (opened, unclosed int, read int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opens, s.open, s.bytes
}

// Stat implements source.Source.
func (s *Source) Stat(ctx context.Context, o source.Object) (source.Info, error) {
	const op = "memsource.Stat"
	obj, err := s.find(ctx, op, o)
	if err != nil {
		return source.Info{}, err
	}
	info := obj.info
	info.Metadata = make(map[string]string, len(obj.info.Metadata))
	for k, v := range obj.info.Metadata {
		info.Metadata[k] = v
	}
	return info, nil
}

// Open implements source.Source.
func (s *Source) Open(ctx context.Context, o source.Object, offset, size int64) (io.ReadCloser, error) {
	const op = "memsource.Open"
	obj, err := s.find(ctx, op, o)
	if err != nil {
		return nil, err
	}
	if offset < 0 || size < 0 || offset > obj.info.Size || size > obj.info.Size-offset {
		return nil, source.BeyondEnd(op, offset, size)
	}
	var body io.Reader = io.NewSectionReader(obj.body, offset, size)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) > 0 {
		f := s.faults[0]
		s.faults = s.faults[1:]
		if f.Refuse != nil {
			return nil, refusal(op, f.Refuse)
		}
		body = f.spoil(body, size)
	}
	s.opens++
	s.open++
	classify := func(err error) error { return refusal(op, err) }
	return source.Exactly(ctx, &counted{Reader: body, s: s}, size, op, classify), nil
}

func refusal(op string, err error) error {
	var e *fault.Error
	if errors.As(err, &e) {
		return err
	}
	return &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: err}
}

// spoil makes body arrive only in part. A fault that lies behind the end of the body changes nothing.
func (f Fault) spoil(body io.Reader, size int64) io.Reader {
	if f.After >= size {
		return body
	}
	body = io.LimitReader(body, f.After)
	switch {
	case f.Cut:
		return body
	case f.Err != nil:
		return io.MultiReader(body, failing{f.Err})
	}
	return io.MultiReader(body, failing{ErrBroken})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type counted struct {
	io.Reader
	s *Source
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.s.mu.Lock()
	c.s.bytes += int64(n)
	c.s.mu.Unlock()
	return n, err
}

func (c *counted) Close() error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.open--
	return nil
}

func (s *Source) nextVersion() string {
	if !s.Versioned {
		return ""
	}
	s.serial++
	return fmt.Sprintf("v%08d", s.serial)
}

func (s *Source) add(o *object) {
	id := o.info.Bucket + "\x00" + o.info.Key
	if !s.Versioned {
		s.objects[id] = nil
	}
	s.objects[id] = append(s.objects[id], o)
}

func (s *Source) find(ctx context.Context, op string, o source.Object) (*object, error) {
	if err := ctx.Err(); err != nil {
		return nil, source.Ended(op, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.objects[o.Bucket+"\x00"+o.Key]
	for i := len(all) - 1; i >= 0; i-- {
		if o.VersionID != "" && all[i].info.VersionID != o.VersionID {
			continue
		}
		if all[i].deleted {
			break
		}
		if o.ETag != "" && !strings.EqualFold(source.PlainETag(o.ETag), all[i].info.ETag) {
			return nil, source.Changed(op)
		}
		return all[i], nil
	}
	return nil, source.NotFound(op)
}
