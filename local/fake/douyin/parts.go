package douyin

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"

	"github.com/vodlift/vodlift/local/fake"
)

// partInit opens an upload (ref. A.5.1). Any body is ignored: clients send none or {}.
func (s *Server) partInit(r *http.Request, c call) result {
	fake.Drain(r, MiB)
	s.mu.Lock()
	defer s.mu.Unlock()
	who, res := s.admit(r, c)
	if res.failed() {
		return res
	}
	s.dropDeadSessions()
	ses := &session{ID: s.uploadID(), ClientKey: who.app.ClientKey, OpenID: who.acct.OpenID, Created: s.o.Now(),
		Folder: fmt.Sprintf("s%08d", s.seq()), parts: map[int]int64{}}
	if err := fake.Mkdir(s.path("parts", ses.Folder), !s.temp); err != nil {
		return gatewayError()
	}
	s.st.Sessions[ses.ID] = ses
	return s.saved(ok(object{"upload_id": ses.ID}))
}

// dropDeadSessions forgets uploads long dead, so that the disk does not fill. Called with s.mu held.
func (s *Server) dropDeadSessions() {
	for id, ses := range s.st.Sessions {
		if s.o.Now().Sub(ses.Created) > 2*s.o.Limits.UploadLife && ses.mu.TryLock() {
			os.RemoveAll(s.path("parts", ses.Folder)) //nolint:errcheck // load drops what is left
			delete(s.st.Sessions, id)
			ses.mu.Unlock()
		}
	}
}

// openSession finds the caller's upload that can still take parts. Unknown, foreign, older than two hours or completed
// is one answer (ref. A.5, C; its code is assumed, Readings.DeadUploadCode). Called with s.mu held.
func (s *Server) openSession(c call, who caller) (*session, result) {
	id := c.query.Get("upload_id")
	if id == "" {
		return nil, fail(c.family, paramInvalid, "upload_id is required")
	}
	ses := s.st.Sessions[id]
	if ses == nil || ses.ClientKey != who.app.ClientKey || ses.OpenID != who.acct.OpenID || ses.VideoID != "" || !s.young(ses) {
		return ses, s.deadUpload(c)
	}
	return ses, result{}
}

func (s *Server) young(ses *session) bool { return s.o.Now().Sub(ses.Created) < s.o.Limits.UploadLife }

func (s *Server) deadUpload(c call) result {
	return failAs(s.o.Readings.DeadUploadCode, c.family, "upload_id is invalid")
}

// badPart refuses a part for its size, number or order; the code is assumed (ref. C, Readings.PartCode).
func (s *Server) badPart(c call, format string, args ...any) result {
	return failAs(s.o.Readings.PartCode, c.family, format, args...)
}

// partUpload takes one part (ref. A.5.2). The answer holds no etag, hash or offset.
func (s *Server) partUpload(r *http.Request, c call) result {
	who, ses, number, res := s.enterPart(r, c)
	if res.failed() {
		return res
	}
	rule := fileRule{field: "video", limit: s.o.Limits.PartMax, over: s.badPart(c, "part is too large"), family: c.family, readings: s.o.Readings}
	if s.o.Readings.PartContentType == "check" { // ref. A.5: unconfirmed here
		rule.prefix = "video/"
	}
	file, _, res := s.receive(r, rule)
	if res.failed() {
		return res
	}
	if !s.temp {
		if err := file.Sync(); err != nil {
			file.Drop()
			return gatewayError()
		}
	}
	ses.mu.Lock()
	defer ses.mu.Unlock()
	s.mu.Lock()
	_, res = s.openSession(c, who) // it may have ended while the bytes came in
	s.mu.Unlock()
	if !res.failed() {
		res = s.checkPart(c, ses, number, file.Size)
	}
	if res.failed() {
		file.Drop()
		return res
	}
	if err := file.Keep(s.partPath(ses, number), !s.temp); err != nil {
		return gatewayError()
	}
	ses.parts[number] = file.Size
	return ok(nil)
}

func (s *Server) partPath(ses *session, n int) string {
	return s.path("parts", ses.Folder, fmt.Sprintf("%06d", n))
}

func (s *Server) enterPart(r *http.Request, c call) (caller, *session, int, result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, res := s.admit(r, c)
	if res.failed() {
		return who, nil, 0, res
	}
	ses, res := s.openSession(c, who)
	if res.failed() {
		return who, nil, 0, res
	}
	first := 1 // ref. A.5
	if s.o.Readings.PartZero == "accept" {
		first = 0
	}
	n, err := strconv.Atoi(c.query.Get("part_number"))
	if err != nil || strconv.Itoa(n) != c.query.Get("part_number") || n < first || n > s.o.Limits.Parts { // ref. C: part_number 0; A.6: number of parts
		return who, nil, 0, s.badPart(c, "part_number is invalid")
	}
	return who, ses, n, result{}
}

// checkPart applies the size rules of ref. A.6. Only the last part may be short, so a short one is refused as soon as a
// later one is known; complete looks again. Called with ses.mu held.
func (s *Server) checkPart(c call, ses *session, number int, size int64) result {
	total := size
	for n, have := range ses.parts {
		if n == number {
			if s.o.Readings.RepeatedPart == "refuse" {
				return s.badPart(c, "part_number was uploaded before")
			}
			continue
		}
		total += have
		if n > number && size < s.o.Limits.PartMin {
			return s.badPart(c, "part is too small")
		}
	}
	if _, before := ses.parts[number-1]; s.o.Readings.PartOrder == "ascending" && number > 1 && !before {
		return s.badPart(c, "part_number is out of order")
	}
	if size < s.o.Limits.PartMin && s.o.Readings.ShortLastPart == "refuse" {
		return s.badPart(c, "part is too small")
	}
	if total > s.o.Limits.Whole {
		return fail(c.family, paramInvalid, "video is too large")
	}
	return result{}
}

// complete glues the parts in the order of their numbers (ref. A.5.3).
func (s *Server) complete(r *http.Request, c call) result {
	fake.Drain(r, MiB)
	s.mu.Lock()
	who, res := s.admit(r, c)
	var ses *session
	if !res.failed() {
		ses, res = s.openSession(c, who)
	}
	s.mu.Unlock()
	if ses == nil {
		return res
	}
	ses.mu.Lock() // a complete that is under way is waited for; then this one is the second
	defer ses.mu.Unlock()
	s.mu.Lock()
	if ses, res = s.openSession(c, who); res.failed() {
		res = s.secondComplete(c, who, ses, res)
	}
	s.mu.Unlock()
	if res.failed() || res.data != nil {
		return res
	}
	if res := s.checkParts(c, ses); res.failed() {
		return res
	}
	v, res := s.assemble(c, ses)
	if res.failed() {
		return res
	}
	res = s.addVideo(who, v, ses)
	if !res.failed() {
		os.RemoveAll(s.path("parts", ses.Folder)) //nolint:errcheck // load drops what is left
		ses.parts = nil
	}
	return res
}

// secondComplete answers for a completed upload: refused, or the same video again (ref. C, unconfirmed).
func (s *Server) secondComplete(c call, who caller, ses *session, refused result) result {
	if s.o.Readings.SecondComplete != "same" || ses == nil || ses.VideoID == "" || !s.young(ses) ||
		ses.OpenID != who.acct.OpenID || ses.ClientKey != who.app.ClientKey {
		return refused
	}
	return videoAnswer(s.st.Videos[ses.VideoID])
}

// checkParts: at least one part, none but the last short, and no gap if the platform looks for gaps. A missing tail
// nobody can see: nothing tells how many parts to expect (ref. A.5). Called with ses.mu held.
func (s *Server) checkParts(c call, ses *session) result {
	numbers := slices.Sorted(maps.Keys(ses.parts))
	if len(numbers) == 0 {
		return fail(c.family, paramInvalid, "no parts")
	}
	last := numbers[len(numbers)-1]
	for _, n := range numbers {
		if n != last && ses.parts[n] < s.o.Limits.PartMin {
			return s.badPart(c, "part %d is too small", n)
		}
	}
	if s.o.Readings.MissingParts == "refuse" && (numbers[0] > 1 || last-numbers[0]+1 != len(numbers)) {
		return fail(c.family, paramInvalid, "parts are missing")
	}
	return result{}
}

// assemble streams the parts into one file to hash and to look at it, and keeps or drops it. Called with ses.mu held.
func (s *Server) assemble(c call, ses *session) (*video, result) {
	numbers := slices.Sorted(maps.Keys(ses.parts))
	whole, err := s.glue(ses, numbers)
	if err != nil {
		return nil, gatewayError()
	}
	facts := fake.Probe(whole, whole.Size)
	if res := s.checkDuration(c, facts.Duration, "upload"); res.failed() {
		whole.Drop()
		return nil, res
	}
	v := &video{ID: s.videoID(), Name: ses.Folder, Size: whole.Size, SHA256: whole.SHA256, Parts: len(numbers),
		Width: facts.Width, Height: facts.Height, Duration: facts.Duration}
	if err := s.keepAsset(whole, v.ID); err != nil {
		return nil, gatewayError()
	}
	return v, result{}
}

func (s *Server) glue(ses *session, numbers []int) (_ *fake.Scratch, err error) {
	var readers []io.Reader
	for _, n := range numbers {
		f, openErr := os.Open(s.partPath(ses, n))
		if openErr != nil {
			return nil, openErr
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		readers = append(readers, f)
	}
	return fake.Receive(s.path("incoming"), io.MultiReader(readers...), s.o.Limits.Whole)
}
