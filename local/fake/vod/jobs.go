package vod

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

// Verdict is what a review suggests (ref. b).
type Verdict string

// The verdicts of ref. b, and a review that itself failed.
const (
	Pass   Verdict = "pass"
	Review Verdict = "review"
	Block  Verdict = "block"
	Failed Verdict = "fail"
)

func (s *Server) newJob(kind, media string, gen int, user string, now time.Time) *job {
	j := &job{ID: s.id(), Kind: kind, Media: media, Gen: gen, Created: now, UserData: user}
	s.st.Jobs[j.ID], s.dirty = j, true
	return j
}

// finishJob ends a job whose time has come. Called with s.mu held.
func (s *Server) finishJob(j *job, now time.Time) {
	if j == nil || !j.Finished.IsZero() {
		return
	}
	v, i := s.video(j.Media), s.st.images[j.Media]
	if v == nil && i == nil || v != nil && v.Gen != j.Gen {
		j.Finished, j.Failed = now, true // deleted, or a newer file came
		return
	}
	j.Finished = now
	switch j.Kind {
	case jobTranscode:
		s.finishTranscode(v, j, now)
	case jobSnapshot:
		s.finishSnapshot(v, j, now)
	case jobAudit:
		s.finishAudit(v, j, now)
	}
}

// workable: jobs want a file that is whole (vendor's list for snapshots; assumed for the others).
func workable(v *video) *rpc.Error {
	if v.Status == Uploading || v.Status == UploadFail {
		return illegalStatus(v, 400)
	}
	return nil
}

// startTranscode makes one job per stream, under one task.
func (s *Server) startTranscode(v *video, g TemplateGroup, user string, first bool, now time.Time) *job {
	task := s.newJob(jobTranscode, v.ID, v.Gen, user, now)
	task.Group, task.First = g.ID, first
	for range g.Streams {
		task.Streams = append(task.Streams, s.id())
	}
	s.later(s.o.Pace.Transcode, step{Kind: stepJob, Media: v.ID, Gen: v.Gen, Job: task.ID}, now)
	return task
}

// finishTranscode: the first good stream makes the video playable (ref. b).
func (s *Server) finishTranscode(v *video, task *job, now time.Time) {
	g, _ := s.o.group(task.Group)
	mode := s.script(v).Transcode
	var infos []map[string]any
	good := 0
	for n, id := range task.Streams {
		if n >= len(g.Streams) {
			break // the group shrank since
		}
		ok := mode != "fail" && (mode != "some" || n > 0)
		if ok {
			good++
			v.addStream(playable{Stream: g.Streams[n], Job: id, Group: g.ID, Created: now,
				Size: int64(float64(g.Streams[n].Bitrate) * 125 * v.Media.Duration)})
		}
		infos = append(infos, s.streamInfo(v, g.Streams[n], id, ok))
	}
	task.Failed = good == 0
	mid := v.Status == UploadSucc || v.Status == Transcoding || v.Status == TranscodeFail
	switch {
	case good > 0 && mid:
		s.publish(v, now)
	case good == 0 && mid && (task.First || len(v.Streams) == 0):
		v.Status, v.Modified = TranscodeFail, now
	case good == 0 && mid:
		s.publish(v, now) // what it had before still plays
	}
	s.emitTranscode(v, task, infos, good > 0, now)
}

// addStream replaces the stream of the same kind.
func (v *video) addStream(p playable) {
	for n, old := range v.Streams {
		if old.Definition == p.Definition && old.Format == p.Format {
			v.Streams[n] = p
			return
		}
	}
	v.Streams = append(v.Streams, p)
}

// submitTranscodeJobs: ref. issue; the form is that of the vendor's SDK.
func (s *Server) submitTranscodeJobs(c call) (any, *rpc.Error) {
	v := s.video(c.get("VideoId"))
	if v == nil {
		return nil, fail("InvalidVideo.NotFound")
	}
	g, ok := s.o.group(c.get("TemplateGroupId"))
	if !ok {
		return nil, fail("InvalidTemplateGroupId.NotFound")
	}
	if len(g.Streams) == 0 {
		return nil, invalid("TemplateGroupId")
	}
	if _, err := s.parseUserData(c.get("UserData")); err != nil {
		return nil, err
	}
	if err := workable(v); err != nil {
		return nil, err
	}
	if v.Status == Normal && s.o.Readings.TranscodeMid == "Transcoding" || v.Status == UploadSucc || v.Status == TranscodeFail {
		v.Status = Transcoding
	}
	task := s.startTranscode(v, g, c.get("UserData"), false, c.now)
	type jobID struct{ JobId string }
	a := struct {
		base
		TranscodeTaskId string
		TranscodeJobs   struct{ TranscodeJob []jobID }
	}{base: c.base, TranscodeTaskId: task.ID}
	for _, id := range task.Streams {
		a.TranscodeJobs.TranscodeJob = append(a.TranscodeJobs.TranscodeJob, jobID{id})
	}
	return a, nil
}

// submitSnapshotJob: pictures at SpecifiedOffsetTime (ms) and then every Interval seconds; Interval 0 spreads Count
// pictures evenly (vendor's page).
func (s *Server) submitSnapshotJob(c call) (any, *rpc.Error) {
	v := s.video(c.get("VideoId"))
	if v == nil {
		return nil, fail("InvalidVideo.NotFound")
	}
	for _, p := range []struct {
		name        string
		least, most int64
	}{{"Count", 1, 1 << 31}, {"Interval", 0, 1 << 31}, {"SpecifiedOffsetTime", 0, 1 << 31}, {"Width", 8, 4096}, {"Height", 8, 4096}} {
		if _, err := number(c.Params, p.name, p.least, p.least, p.most); err != nil {
			return nil, err
		}
	}
	if _, err := s.parseUserData(c.get("UserData")); err != nil {
		return nil, err
	}
	if err := workable(v); err != nil {
		return nil, err
	}
	j := s.newJob(jobSnapshot, v.ID, v.Gen, c.get("UserData"), c.now)
	j.Params = fields(c.Params, "Count", "Interval", "SpecifiedOffsetTime", "Width", "Height", "SnapshotTemplateId")
	s.later(s.o.Pace.Snapshot, step{Kind: stepJob, Media: v.ID, Gen: v.Gen, Job: j.ID}, c.now)
	type snapshotJob struct{ JobId string }
	return struct {
		base
		SnapshotJob snapshotJob
	}{c.base, snapshotJob{j.ID}}, nil
}

func (j *job) param(name string, otherwise int64) int64 {
	n, err := strconv.ParseInt(j.Params[name], 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

// pictures is how many a job takes: what lies behind the video's end is not taken.
func (j *job) pictures(m Media) int64 {
	count, interval := j.param("Count", 1), j.param("Interval", 1)
	offset := float64(j.param("SpecifiedOffsetTime", 0)) / 1000
	if offset > m.Duration {
		return 0
	}
	if interval == 0 {
		return count
	}
	return min(count, int64(math.Floor((m.Duration-offset)/float64(interval)))+1)
}

func (s *Server) finishSnapshot(v *video, j *job, now time.Time) {
	count := j.pictures(v.Media)
	j.Failed = count == 0 || s.script(v).Snapshot == "fail"
	regular := "http://" + s.o.Domain + "/" + v.ID + "/snapshots/" + j.ID + "-{SnapshotCount}.jpg"
	if !j.Failed {
		v.Shots = nil
		for n := range count {
			v.Shots = append(v.Shots, numbered(regular, n+1))
		}
		if v.Fields["CoverURL"] == "" {
			v.Fields["CoverURL"] = v.Shots[0]
		}
	}
	s.emitSnapshot(v, j, regular, count, now)
}

// submitAIMediaAuditJob: of a video or a picture.
func (s *Server) submitAIMediaAuditJob(c call) (any, *rpc.Error) {
	id, kind := c.get("MediaId"), c.get("MediaType")
	if kind != "" && kind != "video" && kind != "image" {
		return nil, invalid("MediaType")
	}
	if text := c.get("MediaAuditConfiguration"); text != "" && !json.Valid([]byte(text)) {
		return nil, invalid("MediaAuditConfiguration")
	}
	if _, err := s.parseUserData(c.get("UserData")); err != nil {
		return nil, err
	}
	v, i, gen := s.video(id), s.st.images[id], 0
	switch {
	case kind == "image" && i == nil, kind != "image" && v == nil:
		return nil, fail("InvalidMedia.NotFound")
	case v != nil:
		if err := workable(v); err != nil {
			return nil, err
		}
		gen = v.Gen
	case i.Stored == nil:
		return nil, fail("InvalidMedia.NotFound")
	}
	j := s.startAudit(id, gen, c.get("UserData"), fields(c.Params, "TemplateId"), c.now)
	return struct {
		base
		MediaId, JobId string
	}{c.base, id, j.ID}, nil
}

func (s *Server) startAudit(media string, gen int, user string, params map[string]string, now time.Time) *job {
	j := s.newJob(jobAudit, media, gen, user, now)
	j.Params = params
	s.later(s.o.Pace.Audit, step{Kind: stepJob, Media: media, Gen: gen, Job: j.ID}, now)
	return j
}

func (s *Server) finishAudit(v *video, j *job, now time.Time) {
	j.Verdict = Pass
	if v != nil {
		j.Verdict = s.script(v).Audit
		setDefault(&j.Verdict, Pass)
	}
	j.Failed = j.Verdict == Failed
	if v != nil {
		switch {
		case j.Verdict == Block && (s.o.Review == "ai" || s.o.Readings.AIBlock == "blocks"):
			s.judge(v, Blocked, "AI review", now)
		case j.Verdict == Pass && s.o.Review == "ai" && v.Status == Checking:
			s.judge(v, Normal, "", now)
		}
	}
	s.emitAudit(v, j, now)
}

// auditData is the result as the vendor's SDK reads it, in events and in GetAIMediaAuditJob alike.
type auditData struct {
	Suggestion, Label, AbnormalModules string
	VideoResult                        struct{ Suggestion, Label string }
	ImageResult                        []auditImage
	TextResult                         []auditText
}

type auditImage struct{ Type, Suggestion, Label, Url string }

type auditText struct{ Type, Content, Suggestion, Label, Score string }

func (s *Server) auditData(j *job) auditData {
	d := auditData{Suggestion: string(j.Verdict), Label: "normal"}
	title := ""
	if v := s.st.videos[j.Media]; v != nil {
		title = v.Fields["Title"]
	}
	if j.Verdict != Pass {
		d.Label, d.AbnormalModules = "porn", "video"
	}
	d.VideoResult.Suggestion, d.VideoResult.Label = d.Suggestion, d.Label
	d.ImageResult = []auditImage{}
	d.TextResult = []auditText{{"title", title, "pass", "normal", "100.0"}}
	return d
}

// getAIMediaAuditJob: the shape is that of the vendor's SDK.
func (s *Server) getAIMediaAuditJob(c call) (any, *rpc.Error) {
	j := s.st.Jobs[c.get("JobId")]
	if j == nil || j.Kind != jobAudit {
		return nil, fail("InvalidJob.NotFound")
	}
	type mediaAuditJob struct {
		JobId, MediaId, Type, Status, Code, Message, CreationTime string
		CompleteTime                                              string     `json:",omitempty" xml:",omitempty"`
		Data                                                      *auditData `json:",omitempty" xml:",omitempty"`
	}
	m := mediaAuditJob{JobId: j.ID, MediaId: j.Media, Type: "AIMediaAudit", Status: "processing", CreationTime: stamp(j.Created)}
	if !j.Finished.IsZero() {
		m.CompleteTime = stamp(j.Finished)
		if j.Failed {
			m.Status, m.Code, m.Message = "fail", "InternalError", "The review failed."
		} else {
			d := s.auditData(j)
			m.Status, m.Data = "success", &d
		}
	}
	return struct {
		base
		MediaAuditJob mediaAuditJob
	}{c.base, m}, nil
}
