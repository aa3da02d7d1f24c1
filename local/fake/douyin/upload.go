package douyin

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// upload takes a whole video in one request (ref. A.4).
func (s *Server) upload(r *http.Request, c call) result {
	who, res := s.enter(r, c)
	if res.failed() {
		return res
	}
	file, name, res := s.receive(r, fileRule{field: "video", limit: s.o.Limits.singleLimit(who.app.Generation), over: fail(c.family, tooLarge, ""),
		prefix: "video/", family: c.family, readings: s.o.Readings})
	if res.failed() {
		return res
	}
	facts := fake.Probe(file, file.Size)
	if res := s.checkDuration(c, facts.Duration, "upload"); res.failed() {
		file.Drop()
		return res
	}
	v := &video{ID: s.videoID(), Name: name, Size: file.Size, SHA256: file.SHA256,
		Width: facts.Width, Height: facts.Height, Duration: facts.Duration}
	if err := s.keepAsset(file, v.ID); err != nil {
		return gatewayError()
	}
	return s.addVideo(who, v, nil)
}

// keepAsset gives a finished video its name, or drops its bytes.
func (s *Server) keepAsset(file *fake.Scratch, id string) error {
	if s.o.KeepBytes {
		return file.Keep(s.path("assets", id), !s.temp)
	}
	file.Drop()
	return nil
}

// addVideo records a finished video and, with a session, that it is completed; one write for both.
func (s *Server) addVideo(who caller, v *video, ses *session) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.ClientKey, v.OpenID, v.Created = who.app.ClientKey, who.acct.OpenID, s.o.Now()
	s.st.Videos[v.ID] = v
	if ses != nil {
		ses.VideoID = v.ID
	}
	return s.saved(videoAnswer(v))
}

func videoAnswer(v *video) result {
	return ok(object{"video": object{"video_id": v.ID, "width": v.Width, "height": v.Height}})
}

// checkDuration refuses a video over 15 minutes at the moment that Readings.DurationAt names (ref. A.6, C).
func (s *Server) checkDuration(c call, d time.Duration, at string) result {
	if s.o.Readings.DurationAt == at && d > s.o.Limits.Duration {
		return fail(c.family, tooLong, "")
	}
	return result{}
}

// imageUpload takes a cover picture (ref. A.3, A.6). No source shows the field or the answer of this call in full:
// assumed are a field named image, a type image/*, and data.image with image_id.
func (s *Server) imageUpload(r *http.Request, c call) result {
	who, res := s.enter(r, c)
	if res.failed() {
		return res
	}
	file, _, res := s.receive(r, fileRule{field: "image", limit: s.o.Limits.coverLimit(who.app.Generation), over: fail(c.family, tooLarge, ""),
		prefix: "image/", family: c.family, readings: s.o.Readings})
	if res.failed() {
		return res
	}
	img := &image{Size: file.Size, SHA256: file.SHA256, Type: pictureType(file)}
	file.Drop()
	if img.Type == "" && s.o.Readings.CoverBytes == "check" {
		return fail(c.family, paramInvalid, "image is not a picture")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	img.ID, img.ClientKey, img.OpenID = s.imageID(), who.app.ClientKey, who.acct.OpenID
	s.st.Images[img.ID] = img
	return s.saved(ok(object{"image": object{"image_id": img.ID, "width": 0, "height": 0}}))
}

// pictureType goes by the first bytes; "" is none of the common kinds.
func pictureType(r io.ReaderAt) string {
	head := make([]byte, 16)
	n, _ := r.ReadAt(head, 0)
	if kind := http.DetectContentType(head[:n]); strings.HasPrefix(kind, "image/") {
		return kind
	}
	return ""
}

// Cover tells what a post shows before it plays: the SHA-256 of an uploaded picture, or the second of a frame; neither is
// the platform's own choice.
func (s *Server) Cover(itemID string) (picture string, at *float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.st.Posts {
		var b createBody
		if p.ItemID != itemID || json.Unmarshal(p.Fields, &b) != nil {
			continue
		}
		if img := s.st.Images[b.CoverImage]; img != nil {
			return img.SHA256, nil
		}
		return "", b.CoverTsp
	}
	return "", nil
}
