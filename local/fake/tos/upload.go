package tos

import (
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/vodlift/vodlift/local/fake"
)

// body is received bytes and their checksum.
type body struct {
	*fake.Scratch
	crc uint32
}

func (b body) hex() string { return hexOf(b.crc) }

func hexOf(crc uint32) string { return fmt.Sprintf("%08x", crc) }

// crcHeader reads Content-CRC32 (ref. B.1, step 3): sent tells whether it was there.
func (s *Server) crcHeader(r *http.Request, required bool) (crc uint32, sent bool, res result) {
	values := r.Header.Values("Content-Crc32")
	if len(values) == 0 && !required {
		return 0, false, result{}
	}
	if len(values) != 1 {
		return 0, false, fail(badCRC, "the header Content-CRC32 is required, once")
	}
	crc, ok := s.parseCRC(values[0])
	if !ok {
		return 0, false, fail(badCRC, "Content-CRC32: want 8 lower-case hex digits")
	}
	return crc, true, result{}
}

func (s *Server) parseCRC(text string) (uint32, bool) {
	n, err := strconv.ParseUint(text, 16, 32)
	if s.o.Readings.CRCForm == "strict" && text != hexOf(uint32(n)) {
		return 0, false
	}
	return uint32(n), err == nil && !strings.ContainsAny(text, "+-_")
}

// bytesType checks the content type of bytes: the whole object must name it, a chunk may go without.
func (s *Server) bytesType(r *http.Request, optional bool) result {
	sent := r.Header.Get("Content-Type")
	if s.o.Readings.ContentType == "ignore" || (optional && sent == "") {
		return result{}
	}
	if kind, _, err := mime.ParseMediaType(sent); err != nil || kind != "application/octet-stream" {
		return fail(badRequest, "Content-Type: want application/octet-stream")
	}
	return result{}
}

// receive streams the bytes of a request to disk and checks them against Content-CRC32. On failure nothing is kept.
func (s *Server) receive(r *http.Request, limit int64, crcRequired bool) (body, result) {
	want, sent, res := s.crcHeader(r, crcRequired)
	if res.failed() {
		return body{}, res
	}
	if r.ContentLength > limit {
		return body{}, fail(badSize, "too large")
	}
	h := crc32.NewIEEE()
	file, err := fake.Receive(s.path("incoming"), watch{r.Body, h}, limit)
	switch {
	case errors.Is(err, fake.ErrTooLarge):
		return body{}, fail(badSize, "too large")
	case errors.Is(err, errBroken): // the peer stopped sending: nothing was asked
		return body{}, abort()
	case err != nil:
		return body{}, page(http.StatusInternalServerError)
	}
	b := body{file, h.Sum32()}
	switch {
	case b.Size == 0:
		res = fail(badSize, "the body is empty")
	case sent && b.crc != want:
		res = fail(badCRC, "")
	case !s.temp && file.Sync() != nil:
		res = page(http.StatusInternalServerError)
	}
	if res.failed() {
		file.Drop()
	}
	return b, res
}

var errBroken = errors.New("body broken off")

// watch feeds a hash and tells a broken connection from a broken disk.
type watch struct {
	r io.Reader
	h hash.Hash32
}

func (w watch) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.h.Write(p[:n])
	if err != nil && err != io.EOF {
		err = errBroken
	}
	return n, err
}

// whole takes an object in one request (ref. B.1, step 3).
func (s *Server) whole(r *http.Request, c call) result {
	if res := s.bytesType(r, false); res.failed() {
		return res
	}
	b, res := s.receive(r, s.o.Limits.Whole, s.o.Readings.CRC == "required")
	if res.failed() {
		return res
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store(c.name, b, nil)
}

// store names an object and answers for it. With an upload, that is closed by the same write. Called with s.mu held; it
// ends b.
func (s *Server) store(name string, b body, u *upload) result {
	old := s.st.Objects[name]
	if old != nil && s.o.Readings.SecondUpload == "refuse" {
		b.Drop()
		return fail(badRequest, "the object is already there")
	}
	o := &stored{Blob: b.Blob, CRC: b.hex(), File: fmt.Sprintf("%x", s.random(16)), Created: s.o.Now()}
	if err := b.Keep(s.path("objects", o.File), !s.temp); err != nil {
		return page(http.StatusInternalServerError)
	}
	if u != nil {
		u.Closed, o.Parts = true, len(u.chunks)
	}
	s.st.Objects[name] = o
	if err := s.save(); err != nil {
		return page(http.StatusInternalServerError)
	}
	if old != nil {
		os.Remove(s.path("objects", old.File)) //nolint:errcheck // load drops what is left
	}
	return objectAnswer(name, o, u)
}

func objectAnswer(name string, o *stored, u *upload) result {
	payload := object{"hash": o.CRC, "key": name, "uploadID": ""}
	if u != nil {
		payload["uploadID"] = u.ID
	}
	return result{payload: payload}
}
