package vod

import (
	"slices"
	"strconv"
	"time"
)

// arrival is a file that the object storage told of.
type arrival struct {
	bucket, key string
	object      Object
}

// ObjectStored tells that a file is complete; wire it to the object storage's own notice of that. It returns at once and
// calls nothing back. Without it files are found by Objects, where two in quick succession at one key may count as one.
func (s *Server) ObjectStored(bucket, key string, o Object) {
	s.arrivedMu.Lock()
	s.arrived = append(s.arrived, arrival{bucket, key, o})
	s.arrivedMu.Unlock()
	s.kick()
}

// Advance takes everything that is due by the clock, as the timer and every call do. It is for tests that set the clock.
func (s *Server) Advance() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(s.o.Now())
	s.kick()
	return s.save()
}

// advance takes the files that have come and the steps that are due, in the order of their times. Called with s.mu held.
func (s *Server) advance(now time.Time) {
	s.collect(now)
	for {
		next := -1
		for i, st := range s.st.Steps {
			if !st.At.After(now) && (next < 0 || st.At.Before(s.st.Steps[next].At)) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		st := s.st.Steps[next]
		s.st.Steps = slices.Delete(s.st.Steps, next, next+1)
		s.dirty = true
		s.take(st, now)
	}
}

// later notes a step; a pace below 0 is at once. Called with s.mu held.
func (s *Server) later(pace time.Duration, st step, now time.Time) {
	st.At = now.Add(max(pace, 0))
	s.st.Steps = append(s.st.Steps, st)
	s.dirty = true
}

func (s *Server) take(st step, now time.Time) {
	if st.Kind == stepJob {
		s.finishJob(s.st.Jobs[st.Job], now)
		return
	}
	v := s.video(st.Media)
	switch {
	case v == nil || v.Gen != st.Gen: // deleted, or a newer file came
	case st.Kind == stepAbandon && v.Status == Uploading:
		v.Status, v.Modified = UploadFail, now // no event for failed uploads (ref. b)
	case st.Kind == stepAnalysed:
		s.analysed(v, now)
	}
}

// collect finds the files that have come. Called with s.mu held.
func (s *Server) collect(now time.Time) {
	s.arrivedMu.Lock()
	arrived := s.arrived
	s.arrived = nil
	s.arrivedMu.Unlock()
	told := map[string][]Object{}
	for _, a := range arrived {
		told[a.bucket+"/"+a.key] = append(told[a.bucket+"/"+a.key], a.object)
	}
	for _, v := range s.st.Videos {
		if !v.gone() {
			for _, o := range s.arrivals(&v.upload, told, now) {
				s.videoCame(v, o, now)
			}
		}
	}
	for _, i := range s.st.Images {
		for _, o := range s.arrivals(&i.upload, told, now) {
			s.imageCame(i, o, now)
		}
	}
}

// arrivals are an upload's new files, those told of and the one that lies there.
func (s *Server) arrivals(u *upload, told map[string][]Object, now time.Time) []Object {
	var out []Object
	take := func(o Object) {
		if u.Stored == nil || o.Modified.After(u.Stored.Modified) {
			u.Stored, u.Received = &o, append(u.Received, o)
			out = append(out, o)
		}
	}
	for _, o := range told[u.Bucket+"/"+u.Key] {
		take(o)
	}
	if u.seen {
		return out
	}
	if o, ok := s.o.Objects.Stat(u.Bucket, u.Key); ok {
		take(o)
	}
	// A request that began with a live credential may end later; nothing new begins. Looking at every file for ever would
	// make each call slower than the one before.
	u.seen = now.After(u.Cred.Expires.Add(time.Minute))
	return out
}

// videoCame starts the life of a file.
func (s *Server) videoCame(v *video, o Object, now time.Time) {
	s.dirty = true
	v.Gen++
	v.Modified, v.Media, v.AuditStatus = now, s.o.Probe(o), "Init"
	sc := s.script(v)
	declared, err := strconv.ParseInt(v.Fields["FileSize"], 10, 64)
	if sc.Upload == "fail" || s.o.Readings.FileSize == "checked" && err == nil && declared != o.Size {
		v.Status = UploadFail // no event for failed uploads (ref. b)
		return
	}
	v.Status = UploadSucc
	if s.transcodes(v) || s.o.Readings.Playable == "later" {
		s.emitUpload(v, now)
	}
	s.later(s.o.Pace.Analysis, step{Kind: stepAnalysed, Media: v.ID, Gen: v.Gen}, now)
}

func (s *Server) imageCame(i *image, o Object, now time.Time) {
	s.dirty = true
	extend, _ := s.parseUserData(i.Fields["UserData"]) // checked at creation
	s.emit(event{kind: "ImageUploadComplete", media: i.ID, app: i.App, user: extend, image: true, fields: map[string]any{
		"ImageId": i.ID, "Size": o.Size, "FileURL": s.fileURL(i.Bucket, i.Key), "Status": "success", "AppId": i.App}}, now)
}

// groupOf is the template group of a video's own transcoding.
func (s *Server) groupOf(v *video) TemplateGroup {
	id := v.Fields["TemplateGroupId"]
	setDefault(&id, s.o.DefaultGroup)
	g, _ := s.o.group(id) // checked at creation; a group taken away since then transcodes nothing
	return g
}

func (s *Server) transcodes(v *video) bool { return len(s.groupOf(v).Streams) > 0 }

// analysed goes on after the file was looked into: to transcoding, or straight to the public.
func (s *Server) analysed(v *video, now time.Time) {
	v.Modified = now
	if s.transcodes(v) {
		v.Status = Transcoding
		s.emitAnalysis(v, now)
		s.startTranscode(v, s.groupOf(v), "", true, now)
		return
	}
	v.Streams = []playable{{Stream: Stream{"OD", extension(v.Key), v.Media.Width, v.Media.Height, bitrate(v)}, Size: v.Stored.Size,
		Group: NoTranscode, Created: now}}
	s.publish(v, now)
	if s.o.Readings.Playable == "event" {
		s.emitUpload(v, now)
	}
}

// bitrate of the source in kbit/s.
func bitrate(v *video) int64 {
	if v.Media.Duration <= 0 {
		return 0
	}
	return int64(float64(v.Stored.Size) * 8 / 1000 / v.Media.Duration)
}

// publish shows a video to the public, or keeps it for review (ref. a.3 "Checking", "Blocked").
func (s *Server) publish(v *video, now time.Time) {
	v.Modified, s.dirty = now, true
	switch {
	case v.AuditStatus == string(Blocked):
		v.Status = Blocked
	case s.o.Review == "" || v.AuditStatus == string(Normal):
		v.Status = Normal
		if v.Published.IsZero() {
			v.Published = now
		}
	default:
		v.Status = Checking
		if s.o.Review == "ai" {
			s.startAudit(v.ID, v.Gen, "", nil, now)
		}
	}
}

// judge puts a verdict on a video, by a person or where the settings say so by the AI. One that is not yet ready takes
// it along.
func (s *Server) judge(v *video, to Status, reason string, now time.Time) {
	v.AuditStatus, v.Reason, v.Modified, s.dirty = string(to), reason, now, true
	if v.Status == Normal || v.Status == Checking || v.Status == Blocked {
		s.publish(v, now)
	}
}
