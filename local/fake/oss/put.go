package oss

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/vodlift/vodlift/local/fake"
)

// received is a body on disk that has no name yet.
type received struct {
	*fake.Scratch
	sums
}

// receive streams a body to disk and checks what the request says about it: length, Content-MD5, CRC64.
func (s *Server) receive(c call, limit int64) (received, *failure, error) {
	if f := s.declared(c, limit); f != nil {
		return received{}, f, nil
	}
	sum := newSums()
	file, err := fake.Receive(s.path("incoming"), sum.over(c.r.Body), limit)
	switch {
	case errors.Is(err, fake.ErrTooLarge):
		return received{}, fail("EntityTooLarge").with("MaxSizeAllowed", strconv.FormatInt(limit, 10)), nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return received{}, fail("IncompleteBody"), nil // heard only by a client that half closed
	case err != nil && c.r.Context().Err() != nil, isBodyError(err):
		return received{}, fail("IncompleteBody"), nil
	case err != nil:
		return received{}, nil, err
	}
	got := received{file, sum}
	if f := s.promised(c, got); f != nil {
		file.Drop()
		return received{}, f, nil
	}
	if !s.temp {
		if err := file.Sync(); err != nil {
			file.Drop()
			return received{}, nil, err
		}
	}
	return got, nil, nil
}

// isBodyError: net/http reports a broken body by errors that no disk has.
func isBodyError(err error) bool {
	var p *os.PathError
	return err != nil && !errors.As(err, &p)
}

// declared checks what is known before the body.
func (s *Server) declared(c call, limit int64) *failure {
	n := c.r.ContentLength
	chunked := n < 0
	switch {
	case n == 0 && c.r.Header.Get("Content-Length") == "" && len(c.r.TransferEncoding) == 0: // net/http reads "none" as 0
		return fail("MissingContentLength")
	case chunked && c.query.Has("partNumber") && s.o.Readings.ChunkedPart == "refuse":
		return fail("MissingContentLength")
	case n > limit:
		return fail("EntityTooLarge").with("MaxSizeAllowed", strconv.FormatInt(limit, 10)).with("ProposedSize", strconv.FormatInt(n, 10))
	}
	if m := c.r.Header.Get("Content-MD5"); m != "" {
		if b, err := base64.StdEncoding.DecodeString(m); err != nil || len(b) != 16 {
			return fail("InvalidDigest").with("Content-MD5", m)
		}
	}
	return nil
}

// promised compares the body with the digests that the request named.
func (s *Server) promised(c call, got received) *failure {
	if want := c.r.Header.Get("Content-MD5"); want != "" {
		if b, _ := base64.StdEncoding.DecodeString(want); !bytes.Equal(b, got.md5.Sum(nil)) {
			return fail("InvalidDigest").with("Content-MD5", want)
		}
	}
	if want := c.r.Header.Get("x-oss-hash-crc64ecma"); want != "" && s.o.Readings.RequestCRC == "check" {
		if n, err := strconv.ParseUint(want, 10, 64); err != nil || n != got.crc.Sum64() {
			return fail("InvalidCRC64")
		}
	}
	return nil
}

// putObject stores a whole object in one request (ref. d.1).
func (s *Server) putObject(c call) result {
	header, f := s.objectHeader(c.r.Header)
	if f == nil {
		f = s.overwrite(c)
	}
	if f != nil {
		return refused(f)
	}
	got, f, err := s.receive(c, s.o.Limits.PutMax)
	if f != nil || err != nil {
		return either(f, err)
	}
	folder, etag, size := s.random(16), got.md5Hex(), got.Size
	o := &object{Key: c.key, Folder: folder, Segments: []segment{{"body", size}}, Size: size, ETag: etag, MD5: etag,
		SHA256: got.SHA256, CRC64: got.crc.Sum64(), Type: "Normal", Header: header, Owner: c.owner}
	if err := fake.Mkdir(s.data(c.bucket, folder), !s.temp); err != nil {
		got.Drop()
		return internal(err)
	}
	if err := got.Keep(s.data(c.bucket, folder, "body"), !s.temp); err != nil {
		return internal(err)
	}
	if f, err := s.commitObject(c, o); f != nil || err != nil {
		s.discard(c.bucket, folder)
		return either(f, err)
	}
	return result{status: http.StatusOK, header: http.Header{"Etag": {quote(etag)},
		"Content-Md5": {base64.StdEncoding.EncodeToString(got.md5.Sum(nil))}, "x-oss-hash-crc64ecma": {crcText(o.CRC64)}}}
}

func either(f *failure, err error) result {
	if f != nil {
		return refused(f)
	}
	return internal(err)
}

// commitObject gives an object its name: on disk, then in memory. What it replaces is dropped.
func (s *Server) commitObject(c call, o *object) (*failure, error) {
	b := c.bucket
	b.commit.Lock()
	defer b.commit.Unlock()
	if f := s.overwrite(c); f != nil { // somebody may have been faster
		return f, nil
	}
	o.Modified = s.o.Now().UTC().Truncate(1e6)
	if err := s.writeJSON(s.objectFile(b, o.Key), o); err != nil {
		return nil, err
	}
	s.mu.Lock()
	old := b.objects[o.Key]
	b.objects[o.Key] = o
	s.mu.Unlock()
	if old != nil {
		s.discard(b, old.Folder)
	}
	if s.o.Created != nil {
		s.o.Created(o.info(b.name))
	}
	return nil, nil
}

// overwrite obeys x-oss-forbid-overwrite.
func (s *Server) overwrite(c call) *failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.r.Header.Get("x-oss-forbid-overwrite") == "true" && c.bucket.objects[c.key] != nil {
		return fail("FileAlreadyExists")
	}
	return nil
}

// objectHeader picks what an object keeps of the request that made it.
func (s *Server) objectHeader(h http.Header) (map[string]string, *failure) {
	out := map[string]string{"Content-Type": "application/octet-stream", "x-oss-storage-class": "Standard"}
	meta := 0
	for name, values := range h {
		lower, value := strings.ToLower(name), strings.Join(values, ",")
		switch {
		case strings.HasPrefix(lower, "x-oss-meta-"):
			meta += len(lower) + len(value)
			out[lower] = value
		case lower == "x-oss-storage-class" && value != "":
			out[lower] = value
		case value != "" && (name == "Content-Type" || name == "Cache-Control" || name == "Content-Disposition" || name == "Content-Encoding" ||
			name == "Content-Language" || name == "Expires"):
			out[name] = value
		}
	}
	if meta > s.o.Limits.Meta {
		return nil, fail(s.o.Readings.MetaCode, "The metadata is larger than allowed.")
	}
	return out, nil
}

// deleteObject removes an object; one that is not there is deleted all the same.
func (s *Server) deleteObject(c call) result {
	b := c.bucket
	b.commit.Lock()
	defer b.commit.Unlock()
	s.mu.Lock()
	o := b.objects[c.key]
	s.mu.Unlock()
	if o != nil {
		if err := os.Remove(s.objectFile(b, c.key)); err != nil {
			return internal(err)
		}
		s.mu.Lock()
		delete(b.objects, c.key)
		s.mu.Unlock()
		s.discard(b, o.Folder)
	}
	return result{status: http.StatusNoContent}
}

func quote(etag string) string { return `"` + etag + `"` }

func crcText(n uint64) string { return strconv.FormatUint(n, 10) }
