package vod

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// EventCount sums up what became of the events of one type.
type EventCount struct {
	Made      int64 `json:"made"`
	Unasked   int64 `json:"unasked"` // no setting, or the type is not in its list
	Dropped   int64 `json:"dropped"` // by a rule
	Copies    int64 `json:"copies"`  // made by rules
	Attempts  int64 `json:"attempts"`
	Delivered int64 `json:"delivered"`
	GivenUp   int64 `json:"given_up"` // after the last attempt
	Refused   int64 `json:"refused"`  // not to this machine
}

// event is one before it is written.
type event struct {
	kind, media, app string
	user             userData
	image            bool // its EventTime has the odd form
	fields           map[string]any
}

func (s *Server) count(kind string, f func(*EventCount)) {
	c := s.st.Events[kind]
	f(&c)
	s.st.Events[kind] = c
	s.dirty = true
}

// emit writes an event down for everyone who asked for it. Called with s.mu held.
func (s *Server) emit(e event, now time.Time) {
	s.count(e.kind, func(c *EventCount) { c.Made++ })
	set := s.st.Configs[e.app]
	if set == nil || set.Type != "HTTP" || !subscribed(set.Events, e.kind) {
		s.count(e.kind, func(c *EventCount) { c.Unasked++ })
		return
	}
	e.fields["EventType"], e.fields["EventTime"] = e.kind, stamp(now)
	if e.image && s.o.Readings.ImageTime == "colon" {
		e.fields["EventTime"] = now.UTC().Format("2006-01-02T15:04:05") + fmt.Sprintf(":%03dZ", now.Nanosecond()/1e6)
	}
	if e.user.Extend != "" {
		e.fields["Extend"] = e.user.Extend
	}
	body, err := json.Marshal(e.fields)
	if err != nil {
		panic(err) // only strings, numbers and lists of them
	}
	m := message{Event: e.kind, Media: e.media, App: e.app, URL: set.URL, Body: body, At: now}
	if e.user.Callback != "" {
		m.URL = e.user.Callback // for this upload only (ref. a.3)
	}
	s.enqueue(m, now)
}

// subscribed: a comma list or ALL, empty is none; events of the AI come by AIComplete (ref. a.3).
func subscribed(list, kind string) bool {
	names := strings.Split(list, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return slices.Contains(names, "ALL") || slices.Contains(names, kind) || strings.HasPrefix(kind, "AI") && slices.Contains(names, "AIComplete")
}

func outcome(ok bool) string {
	if ok {
		return "success"
	}
	return "fail"
}

// object writes a nested value as the reading says: some events carry JSON text in its place (ref. b).
func (s *Server) object(v any) any {
	if s.o.Readings.EventData == "object" {
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only strings, numbers and lists of them
	}
	return string(b)
}

// numeric writes a number as the reading says.
func (s *Server) numeric(v any) any {
	if s.o.Readings.EventNumbers == "string" {
		return fmt.Sprint(v)
	}
	return v
}

func (s *Server) ofUpload(v *video) userData {
	u, _ := s.parseUserData(v.Fields["UserData"]) // checked at creation; an update may have spoilt it
	return u
}

// ofJob is the custom configuration of a job's events.
func (s *Server) ofJob(v *video, j *job) userData {
	own, _ := s.parseUserData(j.UserData) // checked at submission
	if v == nil || own.Extend != "" || own.Callback != "" {
		return own
	}
	up := s.ofUpload(v)
	if j.First || s.o.Readings.JobExtend == "upload" {
		return up
	}
	return userData{}
}

func (s *Server) emitUpload(v *video, now time.Time) {
	f := map[string]any{"VideoId": v.ID, "Size": v.Stored.Size, "FileUrl": s.fileURL(v.Bucket, v.Key)}
	if s.o.Readings.UploadStatus == "sent" {
		f["Status"] = "success"
	}
	s.emit(event{kind: "FileUploadComplete", media: v.ID, app: v.App, user: s.ofUpload(v), fields: f}, now)
}

func (s *Server) emitAnalysis(v *video, now time.Time) {
	s.emit(event{kind: "VideoAnalysisComplete", media: v.ID, app: v.App, user: s.ofUpload(v), fields: map[string]any{"VideoId": v.ID,
		"Status": "success", "Width": s.numeric(v.Media.Width), "Height": s.numeric(v.Media.Height), "Duration": s.numeric(v.Media.Duration),
		"Bitrate": s.numeric(bitrate(v)), "Fps": s.numeric(v.Media.Fps), "Size": s.numeric(v.Stored.Size)}}, now)
}

// streamInfo has the fields that StreamTranscodeComplete and TranscodeComplete share (ref. b).
func (s *Server) streamInfo(v *video, st Stream, id string, ok bool) map[string]any {
	f := map[string]any{"Status": outcome(ok), "Definition": st.Definition, "Format": st.Format, "JobId": id}
	if !ok {
		f["ErrorCode"], f["ErrorMessage"] = "InternalError", "The stream could not be made."
		return f
	}
	f["Bitrate"], f["Duration"], f["Encrypt"] = strconv.FormatInt(st.Bitrate, 10), v.Media.Duration, false
	f["FileUrl"], f["Fps"] = s.streamURL(v, id, st.Format), strconv.FormatFloat(v.Media.Fps, 'f', -1, 64)
	f["Width"], f["Height"], f["Size"] = st.Width, st.Height, int64(float64(st.Bitrate)*125*v.Media.Duration)
	return f
}

func (s *Server) streamURL(v *video, id, format string) string {
	return "http://" + s.o.Domain + "/" + v.ID + "/" + id + "." + format // http only, unsigned (ref. b)
}

func (s *Server) emitTranscode(v *video, task *job, infos []map[string]any, ok bool, now time.Time) {
	user := s.ofJob(v, task)
	list := []map[string]any{}
	for _, info := range infos {
		f := map[string]any{"VideoId": v.ID}
		for k, x := range info {
			f[k] = x
		}
		s.emit(event{kind: "StreamTranscodeComplete", media: v.ID, app: v.App, user: user, fields: f}, now)
		list = append(list, info)
	}
	s.emit(event{kind: "TranscodeComplete", media: v.ID, app: v.App, user: user, fields: map[string]any{"VideoId": v.ID,
		"Status": outcome(ok), "StreamInfos": list}}, now)
}

// numbered puts a picture's number, 5 digits from 00001, into its pattern (ref. b).
func numbered(regular string, n int64) string {
	return strings.ReplaceAll(regular, "{SnapshotCount}", fmt.Sprintf("%05d", n))
}

func (s *Server) emitSnapshot(v *video, j *job, regular string, count int64, now time.Time) {
	info := map[string]any{"Status": outcome(!j.Failed), "SnapshotType": "NormalSnapshot", "SnapshotCount": count, "SnapshotFormat": "jpg",
		"SnapshotRegular": regular, "JobId": j.ID}
	f := map[string]any{"SubType": "SpecifiedTime", "SnapshotInfos": []any{info}}
	if s.o.Readings.Snapshot == "table" {
		f["VideoId"], f["Status"] = v.ID, outcome(!j.Failed)
	}
	if j.Failed {
		f["ErrorCode"], f["ErrorMessage"] = "InternalError", "The snapshots could not be taken."
		delete(info, "SnapshotRegular")
		info["SnapshotCount"] = 0
	} else {
		f["CoverUrl"] = numbered(regular, 1)
	}
	s.emit(event{kind: "SnapshotComplete", media: v.ID, app: v.App, user: s.ofJob(v, j), fields: f}, now)
}

func (s *Server) emitAudit(v *video, j *job, now time.Time) {
	app := DefaultApp
	if v != nil {
		app = v.App
	} else if i := s.st.images[j.Media]; i != nil {
		app = i.App
	}
	kinds := []string{s.o.Readings.AuditEvent}
	if kinds[0] == "both" {
		kinds = []string{"AIMediaAuditComplete", "AIVideoCensorComplete"}
	}
	for _, kind := range kinds {
		f := map[string]any{"MediaId": j.Media, "JobId": j.ID, "Status": outcome(!j.Failed), "Code": "", "Message": ""}
		if j.Failed {
			f["Code"], f["Message"] = "InternalError", "The review failed."
		} else {
			f["Data"] = s.object(s.auditData(j))
		}
		s.emit(event{kind: kind, media: j.Media, app: app, user: s.ofJob(v, j), fields: f}, now)
	}
}

// change is one value of MediaBaseChangeComplete.
type change struct{ OldValue, NewValue string }

// emitBase tells of a change of a video's description: MediaContent is an object whose values are JSON text (ref. b).
func (s *Server) emitBase(v *video, mode string, changes map[string]change, now time.Time) {
	content := map[string]string{}
	for name, c := range changes {
		b, err := json.Marshal(c)
		if err != nil {
			panic(err) // two strings
		}
		content[name] = string(b)
	}
	s.emit(event{kind: "MediaBaseChangeComplete", media: v.ID, app: v.App, user: s.ofUpload(v), fields: map[string]any{"MediaId": v.ID,
		"MediaType": "video", "OperateMode": mode, "MediaContent": s.object(content), "Status": "success"}}, now)
}

func (s *Server) emitDelete(v *video, now time.Time) {
	s.emit(event{kind: "DeleteMediaComplete", media: v.ID, app: v.App, user: s.ofUpload(v), fields: map[string]any{"MediaId": v.ID,
		"MediaType": "video", "DeleteType": "all", "Status": "success"}}, now)
}

func (s *Server) emitCreateAudit(v *video, auditor string, now time.Time) {
	f := map[string]any{"MediaId": v.ID, "SubType": "video", "AuditStatus": v.AuditStatus, "Auditor": auditor, "CreationTime": stamp(now), "Status": "success"}
	if v.Reason != "" {
		f["Reason"] = v.Reason
	}
	s.emit(event{kind: "CreateAuditComplete", media: v.ID, app: v.App, user: s.ofUpload(v), fields: f}, now)
}
