package tos

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vodlift/vodlift/local/fake"
)

// open begins an upload in chunks (ref. B.1, 3b): empty body.
func (s *Server) open(r *http.Request, c call) result {
	n, err := io.CopyN(io.Discard, r.Body, 1)
	if err != nil && err != io.EOF {
		return abort()
	}
	if n > 0 {
		return fail(badRequest, "the body must be empty")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.random(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // a uuid, as in the sample
	u := &upload{ID: fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), Object: c.name, chunks: map[int]chunk{}}
	if err := fake.Mkdir(s.path("parts", u.ID), !s.temp); err != nil {
		return page(http.StatusInternalServerError)
	}
	s.st.Uploads[u.ID] = u
	if err := s.save(); err != nil {
		return page(http.StatusInternalServerError)
	}
	return result{bare: true, payload: object{"uploadID": u.ID}}
}

// opened finds the open upload of a request. Called with s.mu held.
func (s *Server) opened(c call) (*upload, result) {
	u := s.st.Uploads[c.query.Get("uploadID")]
	if u == nil || u.Object != c.name || u.Closed || u.busy {
		return u, fail(noUpload, "")
	}
	return u, result{}
}

// chunk takes one chunk (ref. B.1, 3b).
func (s *Server) chunk(r *http.Request, c call) result {
	s.mu.Lock()
	_, res := s.opened(c)
	s.mu.Unlock()
	if res.failed() {
		return res
	}
	number, err := strconv.Atoi(c.query.Get("partNumber"))
	lowest := 0
	if s.o.Readings.FirstPart == "one" {
		lowest = 1
	}
	if err != nil || strconv.Itoa(number) != c.query.Get("partNumber") || number < lowest || number > s.o.Limits.Parts {
		return fail(badPart, "partNumber is invalid")
	}
	if res := s.bytesType(r, true); res.failed() {
		return res
	}
	b, res := s.receive(r, s.o.Limits.PartMax, s.o.Readings.CRC != "optional")
	if res.failed() {
		return res
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, res := s.opened(c) // it may have ended while the bytes came in
	if !res.failed() {
		res = s.fits(u, number, b.Size)
	}
	if res.failed() {
		b.Drop()
		return res
	}
	if err := b.Keep(s.partPath(u.ID, number), !s.temp); err != nil {
		return page(http.StatusInternalServerError)
	}
	u.chunks[number] = chunk{b.Size, b.crc}
	return result{payload: object{"hash": b.hex()}}
}

// fits applies order, repetition and size. Only the last chunk may be short, so a short one is refused as soon as a later
// one is known; close looks again. Called with s.mu held.
func (s *Server) fits(u *upload, number int, size int64) result {
	if _, before := u.chunks[number]; before && s.o.Readings.RepeatedPart == "refuse" {
		return fail(badPart, "the chunk was uploaded before")
	}
	first := number == 0 || number == 1 && s.o.Readings.FirstPart != "zero"
	if _, before := u.chunks[number-1]; s.o.Readings.PartOrder == "ascending" && !before && !first {
		return fail(badPart, "the chunk is out of order")
	}
	if size >= s.o.Limits.PartMin {
		return result{}
	}
	if s.o.Readings.ShortLastPart == "refuse" {
		return fail(badSize, "the chunk is too small")
	}
	for n := range u.chunks {
		if n > number {
			return fail(badSize, "the chunk is too small")
		}
	}
	return result{}
}

// maxList is far more than any list of chunks.
const maxList = 4 * MiB

// finish ends an upload in chunks: the body lists every chunk with its checksum (ref. B.1, 3b).
func (s *Server) finish(r *http.Request, c call) result {
	list, err := io.ReadAll(io.LimitReader(r.Body, maxList))
	if err != nil {
		return abort()
	}
	u, res := s.begin(c, string(list))
	if u == nil || res.failed() || res.payload != nil {
		return res
	}
	b, err := s.glue(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	u.busy = false
	switch {
	case errors.Is(err, fake.ErrTooLarge):
		return fail(badSize, "too large")
	case err != nil:
		return page(http.StatusInternalServerError)
	}
	res = s.store(c.name, b, u)
	if !res.failed() {
		os.RemoveAll(s.path("parts", u.ID)) //nolint:errcheck // load drops what is left
	}
	return res
}

// begin checks the list of a close and keeps others away from the chunks. A second close ends here.
func (s *Server) begin(c call, list string) (*upload, result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, res := s.opened(c)
	if res.failed() {
		if u != nil && u.Closed && u.Object == c.name && s.o.Readings.SecondClose == "same" {
			return u, objectAnswer(c.name, s.st.Objects[c.name], u)
		}
		return nil, res
	}
	if res := s.checkList(u, list); res.failed() {
		return nil, res
	}
	u.busy = true
	return u, result{}
}

// checkList: the numbers of the chunks and of the list must agree, each with its checksum, without a gap (ref. B.1, 3b).
func (s *Server) checkList(u *upload, list string) result {
	numbers := slices.Sorted(maps.Keys(u.chunks))
	rows := strings.Split(list, ",")
	if len(numbers) == 0 || len(rows) != len(numbers) {
		return fail(badPart, "the list does not name the chunks that were received")
	}
	first := numbers[0]
	if first > 1 || s.o.Readings.FirstPart == "one" && first != 1 || s.o.Readings.FirstPart == "zero" && first != 0 {
		return fail(badPart, "the first chunk is missing")
	}
	for i, text := range rows {
		name, sum, _ := strings.Cut(text, ":")
		have := u.chunks[numbers[i]]
		crc, ok := s.parseCRC(sum)
		switch {
		case numbers[i] != first+i || name != strconv.Itoa(first+i):
			return fail(badPart, "the list does not name the chunks that were received, in order")
		case !ok || crc != have.crc:
			return fail(badCRC, "")
		case have.size < s.o.Limits.PartMin && i < len(rows)-1:
			return fail(badSize, "a chunk is too small")
		}
	}
	return result{}
}

// glue streams the chunks into one file. Their upload is marked busy, so nobody changes them.
func (s *Server) glue(u *upload) (_ body, err error) {
	var readers []io.Reader
	for _, n := range slices.Sorted(maps.Keys(u.chunks)) {
		f, openErr := os.Open(s.partPath(u.ID, n))
		if openErr != nil {
			return body{}, openErr
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		readers = append(readers, f)
	}
	h := crc32.NewIEEE()
	file, err := fake.Receive(s.path("incoming"), io.TeeReader(io.MultiReader(readers...), h), s.o.Limits.Whole)
	if err != nil {
		return body{}, err
	}
	if !s.temp {
		if err := file.Sync(); err != nil {
			file.Drop()
			return body{}, err
		}
	}
	return body{file, h.Sum32()}, nil
}
