package oss

import (
	"crypto/md5" //nolint:gosec // the platform's choice
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/vodlift/vodlift/local/fake"
)

type initiated struct {
	XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
	Encoding string   `xml:"EncodingType,omitempty"`
	Bucket   string   `xml:"Bucket"`
	Key      string   `xml:"Key"`
	UploadID string   `xml:"UploadId"`
}

// initiate opens an upload (ref. d.1). The old object, if any, stays as it is.
func (s *Server) initiate(c call) result {
	encode, f := encoding(c)
	var header map[string]string
	if f == nil {
		header, f = s.objectHeader(c.r.Header)
	}
	if f == nil {
		f = s.overwrite(c)
	}
	if f != nil {
		return refused(f)
	}
	fake.Drain(c.r, MiB)
	u := &upload{ID: s.random(16), Key: c.key, Folder: s.random(16), Header: header, Initiated: s.o.Now().UTC().Truncate(1e6), Owner: c.owner, parts: map[int]part{}}
	if err := fake.Mkdir(s.data(c.bucket, u.Folder), !s.temp); err != nil {
		return internal(err)
	}
	if err := s.writeJSON(s.uploadFile(c.bucket, u.ID), u); err != nil {
		return internal(err)
	}
	s.mu.Lock()
	c.bucket.uploads[u.ID] = u
	s.mu.Unlock()
	return xmlResult(initiated{Encoding: encode.name, Bucket: c.name, Key: encode.text(c.key), UploadID: u.ID})
}

// openUpload finds the upload that a request names; another key's is none.
func (s *Server) openUpload(c call) (*upload, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := c.bucket.uploads[c.query.Get("uploadId")]
	if u == nil || u.Key != c.key {
		return nil, noUpload(c)
	}
	return u, nil
}

func noUpload(c call) *failure {
	return fail("NoSuchUpload").with("UploadId", c.query.Get("uploadId"))
}

// uploadPart stores one part; its size is checked only at completion.
func (s *Server) uploadPart(c call) result {
	number, err := strconv.Atoi(c.query.Get("partNumber"))
	if err != nil || number < 1 || number > s.o.Limits.Parts {
		return refused(fail("InvalidArgument", fmt.Sprintf("Part number must be an integer between 1 and %d, inclusive.", s.o.Limits.Parts)).
			with("ArgumentName", "partNumber").with("ArgumentValue", c.query.Get("partNumber")))
	}
	u, f := s.openUpload(c)
	if f != nil {
		return refused(f)
	}
	got, f, err := s.receive(c, s.o.Limits.PartMax)
	if f != nil || err != nil {
		return either(f, err)
	}
	if got.Size == 0 && s.o.Readings.EmptyPart == "refuse" {
		got.Drop()
		return refused(fail("EntityTooSmall"))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended { // while the bytes came in
		got.Drop()
		return refused(noUpload(c))
	}
	u.seq++
	p := part{number: number, seq: u.seq, md5: got.md5Hex(), crc: got.crc.Sum64(), modified: s.o.Now().UTC().Truncate(1e6), size: got.Size}
	if err := got.Keep(s.data(c.bucket, u.Folder, p.file()), !s.temp); err != nil {
		return internal(err)
	}
	if old, replaced := u.parts[number]; replaced {
		os.Remove(s.data(c.bucket, u.Folder, old.file())) //nolint:errcheck // load drops what is left
	}
	u.parts[number] = p
	return result{status: http.StatusOK, header: http.Header{"Etag": {quote(p.md5)},
		"Content-Md5": {md5Base64(p.md5)}, "x-oss-hash-crc64ecma": {crcText(p.crc)}}}
}

func md5Base64(hexText string) string {
	b, err := hex.DecodeString(hexText)
	if err != nil {
		panic(err) // we wrote it
	}
	return base64.StdEncoding.EncodeToString(b)
}

// abort forgets an upload and its parts.
func (s *Server) abort(c call) result {
	u, f := s.openUpload(c)
	if f != nil {
		return refused(f)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return refused(noUpload(c))
	}
	if err := s.endUpload(c, u); err != nil {
		return internal(err)
	}
	s.discard(c.bucket, u.Folder)
	return result{status: http.StatusNoContent}
}

// endUpload makes an upload unknown. Called with u.mu held.
func (s *Server) endUpload(c call, u *upload) error {
	if err := os.Remove(s.uploadFile(c.bucket, u.ID)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	u.ended = true
	s.mu.Lock()
	delete(c.bucket.uploads, u.ID)
	s.mu.Unlock()
	return nil
}

type completion struct {
	XMLName  xml.Name `xml:"CompleteMultipartUploadResult"`
	Encoding string   `xml:"EncodingType,omitempty"`
	Location string   `xml:"Location"`
	Bucket   string   `xml:"Bucket"`
	Key      string   `xml:"Key"`
	ETag     string   `xml:"ETag"`
}

// complete makes the object of the named parts (ref. d.1). It goes on if the client leaves.
func (s *Server) complete(c call) result {
	encode, f := encoding(c)
	if f != nil {
		return refused(f)
	}
	body, f := completeBody(c)
	if f != nil {
		return refused(f)
	}
	u, f := s.openUpload(c)
	if f != nil {
		return s.completedBefore(c, encode, f)
	}
	u.mu.Lock() // a complete that is under way is waited for
	defer u.mu.Unlock()
	if u.ended {
		return s.completedBefore(c, encode, noUpload(c))
	}
	parts, f := s.chosen(c, u, body)
	if f != nil {
		return refused(f)
	}
	o, err := s.assemble(c, u, parts)
	if err != nil {
		return internal(err)
	}
	if f, err := s.commitObject(c, o); f != nil || err != nil {
		return either(f, err)
	}
	// The effect is made; a record that stays behind is dropped at the next load.
	s.endUpload(c, u)       //nolint:errcheck
	s.keepOnly(c.bucket, o) //nolint:errcheck
	return s.completionResult(c, encode, o)
}

func (s *Server) completionResult(c call, encode encoder, o *object) result {
	res := xmlResult(completion{Encoding: encode.name, Location: "http://" + c.r.Host + c.r.URL.EscapedPath(), Bucket: c.name, Key: encode.text(c.key), ETag: quote(o.ETag)})
	res.header.Set("ETag", quote(o.ETag))
	res.header["x-oss-hash-crc64ecma"] = []string{crcText(o.CRC64)}
	return res
}

// completedBefore answers for an upload that is unknown now.
func (s *Server) completedBefore(c call, encode encoder, gone *failure) result {
	s.mu.Lock()
	o := c.bucket.objects[c.key]
	s.mu.Unlock()
	if s.o.Readings.CompleteAgain == "same" && o != nil && o.UploadID == c.query.Get("uploadId") {
		return s.completionResult(c, encode, o)
	}
	return refused(gone)
}

// assemble describes the object whose bytes are the parts as they lie, in one pass over them. Called with u.mu held.
func (s *Server) assemble(c call, u *upload, parts []part) (*object, error) {
	o := &object{Key: u.Key, Folder: u.Folder, Type: "Multipart", Header: u.Header, Owner: c.owner, UploadID: u.ID}
	all := md5.New() //nolint:gosec // the platform's choice
	for _, p := range parts {
		o.Segments = append(o.Segments, segment{p.file(), p.size})
		o.Size += p.size
		raw, err := hex.DecodeString(p.md5)
		if err != nil {
			return nil, err
		}
		all.Write(raw)
	}
	o.ETag = fmt.Sprintf("%s-%d", strings.ToUpper(hex.EncodeToString(all.Sum(nil))), len(parts))
	if s.o.Readings.ObjectETag == "opaque" {
		o.ETag = s.random(16)
	}
	r := s.reader(c.bucket, o, 0, o.Size, nil)
	defer r.Close() //nolint:errcheck // read only
	sum := newSums()
	sha, err := sha256Of(sum.over(r))
	if err != nil {
		return nil, err
	}
	o.MD5, o.SHA256, o.CRC64 = sum.md5Hex(), sha, sum.crc.Sum64()
	return o, nil
}

// completeBody reads the request's XML, with its own digest checked; nil for x-oss-complete-all.
func completeBody(c call) (*completeXML, *failure) {
	const limit = 4 * MiB // 10,000 parts are about 1 MiB
	b, err := io.ReadAll(io.LimitReader(c.r.Body, limit+1))
	if err != nil {
		return nil, fail("IncompleteBody")
	}
	if f := bodyDigest(c, b); f != nil {
		return nil, f
	}
	all := strings.EqualFold(c.r.Header.Get("x-oss-complete-all"), "yes")
	switch {
	case all && len(b) > 0:
		return nil, fail("InvalidArgument", "The request body must be empty with x-oss-complete-all.")
	case all:
		return nil, nil
	case len(b) > limit:
		return nil, fail("MalformedXML")
	}
	var x completeXML
	if err := xml.Unmarshal(b, &x); err != nil {
		return nil, fail("MalformedXML")
	}
	return &x, nil
}
