package youku

// commit publishes an upload, once (ref. 7). The object is looked at without the lock; what may have changed meanwhile
// is checked again, so two commits at once make one video.
func (s *Server) commit(c call) result {
	s.mu.Lock()
	u, res := s.committable(c)
	s.mu.Unlock()
	if res.failed() || res.data != nil {
		return res
	}
	stored, found := Object{Size: u.Size, MD5: u.MD5}, true // instant: the bytes are known (ref. 4.3)
	switch {
	case u.Object == "": // isnew=0, whose bytes never came
		found = false
	case !u.Instant:
		stored, found = s.o.Storage.Stat(u.Bucket, u.Object)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, res := s.taskState(u); res.failed() || res.data != nil {
		return res
	}
	if !found { // ref. 7: before the object is complete
		return fail(120010151)
	}
	return s.publish(u, stored, c.shape)
}

// committable finds the upload and admits the caller. Called with s.mu held.
func (s *Server) committable(c call) (*upload, result) {
	who, res := s.admit(c)
	if res.failed() {
		return nil, res
	}
	u, res := s.findUpload(c, who)
	if res.failed() {
		return nil, res
	}
	return s.taskState(u)
}

// taskState answers for an upload that cannot be committed now, or not again (ref. 7). Called with s.mu held.
func (s *Server) taskState(u *upload) (*upload, result) {
	switch {
	case u.Status == committed:
		switch s.o.Readings.SecondCommit {
		case "same":
			return u, ok(object{"video_id": u.VideoID})
		case "duplicate_token":
			return u, fail(120010216)
		case "duplicate":
			return u, fail(120010221)
		}
		return u, fail(120010151)
	case u.Status != open:
		return u, fail(120010151)
	case !s.o.Now().Before(u.Expires):
		return u, fail(120010223)
	}
	return u, result{}
}

// publish compares the stored object with what was declared and makes the post (ref. 6 "MD5 rule", 7, 10). Called with
// s.mu held.
func (s *Server) publish(u *upload, stored Object, shape Shape) result {
	now := s.o.Now()
	if stored.Size != u.Size || (u.MD5 != "" && stored.MD5 != u.MD5) {
		if s.o.Readings.HashCheck == "commit" {
			if s.o.Readings.AfterHash == "open" {
				return fail(s.o.Readings.HashCode)
			}
			u.Status = spent
			return s.saved(fail(s.o.Readings.HashCode))
		}
		u.Outcome = Fail
	} else if shape.Outcome != "" {
		u.Outcome = shape.Outcome
	}
	if s.o.Readings.SecondTask == "refuse" && s.known(u.MD5, func(v *upload) bool {
		return v != u && v.Account == u.Account && v.Status == committed && s.isDuplicate(v, now)
	}) {
		return fail(120010111)
	}
	u.Status, u.Committed, u.Stored = committed, now, stored
	setDefault(&u.Outcome, Normal)
	return s.saved(ok(object{"video_id": u.VideoID}))
}

// cancel drops an upload (ref. 1). upload_server_ip, the slice upload's, is not looked at. What it does to an upload by
// OSS is unconfirmed; the object is never touched.
func (s *Server) cancel(c call) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, res := s.admit(c)
	if res.failed() {
		return res
	}
	u, res := s.findUpload(c, who)
	if res.failed() {
		return res
	}
	answer := ok(object{"upload_token": u.Token})
	if s.o.Readings.Cancel == "ignored" {
		return answer
	}
	if u.Status != open {
		return fail(120010151)
	}
	u.Status = cancelled
	return s.saved(answer)
}
