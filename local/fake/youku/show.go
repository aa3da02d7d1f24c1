package youku

import "time"

// State is the state of a committed video as videos/show names it.
type State string

// The states of ref. 7. Another word is possible: SetState takes any.
const (
	Encoding State = "encoding"
	InReview State = "in_review"
	Normal   State = "normal"
	Fail     State = "fail"    // transcoding failed
	Limited  State = "limited" // restricted grading
	Blocked  State = "blocked" // only in old material
)

// stateOf is where a committed video stands now: encoding, in_review, and then its outcome; a transcoding that fails
// does so at the end of encoding. Called with s.mu held.
func (s *Server) stateOf(u *upload, now time.Time) State {
	age := now.Sub(u.Committed)
	switch {
	case u.Forced != "":
		return u.Forced
	case age < s.o.Pace.Encoding:
		return Encoding
	case u.Outcome == Fail:
		return Fail
	case age < s.o.Pace.Encoding+s.o.Pace.Review:
		return InReview
	}
	return u.Outcome
}

// show answers about a video, to anybody (ref. 7). One that was created and not committed does not exist: no source says
// otherwise. Nor does one in its first moments (Pace.Hidden), or deleted.
func (s *Server) show(c call) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, res := s.checkClient(c); res.failed() {
		return res
	}
	now, u := s.o.Now(), s.st.byVideo[c.form.Get("video_id")]
	if u == nil || u.Status != committed || u.Deleted || now.Sub(u.Committed) < s.o.Pace.Hidden {
		return fail(120020001)
	}
	return ok(s.describe(u, now))
}

// describe lists the fields of ref. 7. Times are Beijing's, as on the platform's pages.
func (s *Server) describe(u *upload, now time.Time) object {
	field := func(key, otherwise string) string {
		if v := u.Fields[key]; v != "" {
			return v
		}
		return otherwise
	}
	const layout = "2006-01-02 15:04:05"
	out := object{"id": u.VideoID, "title": u.title(), "link": Link(u.VideoID), "thumbnail": field("thumbnail", ""),
		"duration": 0.0, "category": field("category", "Other"), "state": string(s.stateOf(u, now)),
		"created": u.Created.In(beijing()).Format(layout), "public_type": field("public_type", "all"),
		"copyright_type": field("copyright_type", "original"), "tags": u.Fields["tags"], "description": u.Fields["description"]}
	if st := s.stateOf(u, now); st == Normal || st == Limited {
		out["published"] = u.Committed.Add(s.o.Pace.Encoding + s.o.Pace.Review).In(beijing()).Format(layout)
	}
	return out
}

// Link is the public page of a video (ref. 7).
func Link(videoID string) string { return "http://v.youku.com/v_show/id_" + videoID + ".html" }
