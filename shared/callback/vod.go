package callback

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// ParseVOD reads the body of one of VOD's callbacks (reference alibaba-vod-and-oss (b)). It always gives an Event: an
// unknown type has what all types share, and what is no JSON object has TypeUnreadable and its beginning. The body is
// not covered by the signature; nothing in the Event may be believed without a query.
func ParseVOD(body []byte) Event {
	e, o := begin(AliVOD, body, "eventtype")
	if o == nil {
		return e
	}
	e.At = ParseTime(o.text("eventtime"))
	e.Status = strings.ToLower(clip(o.text("status"), 64))
	e.Extend = clip(cmp.Or(o.whole("extend"), string(o.inner("extend"))), 1024)
	e.Fields.ErrorCode, e.Fields.ErrorMessage = clip(o.text("errorcode", "code"), 128), clip(o.text("errormessage", "message"), 512)
	e.Fields.AppID = clip(o.text("appid"), 128)
	for _, name := range []string{"videoid", "mediaid", "imageid", "attachedmediaid"} {
		e.addRemotes(o.texts(name)...)
	}
	jobs := ids(append(o.texts("jobid"), o.texts("jobids")...))
	more, known := e.readVOD(o, &jobs)
	if len(jobs) > 0 {
		e.Job = jobs[0]
	}
	e.Key = e.vodKey(jobs, more, known, body)
	return e
}

// vodKey follows the reference: type, media id, jobs, status; and what else parts two events of the type. Types that we
// do not know, and events that name neither media nor job, are told apart by their body, so that none of two swallows
// the other.
func (e Event) vodKey(jobs, more []string, known bool, body []byte) string {
	jobs = slices.Clone(jobs)
	slices.Sort(jobs)
	parts := [][]string{{e.Platform, e.Type, e.Status}, e.Remotes, jobs, more}
	if !known || len(e.Remotes)+len(jobs) == 0 {
		sum := sha256.Sum256(body)
		parts = append(parts, []string{string(sum[:])})
	}
	return hash(parts)
}

// readVOD fills Fields and Final. It gives what has to go into the key beside the usual, and whether it knows the type.
func (e *Event) readVOD(o object, jobs *[]string) (more []string, known bool) {
	f := &e.Fields
	switch e.Type {
	case "FileUploadComplete", "ImageUploadComplete", "AttachedMediaUploadComplete", "UploadByURLComplete":
		f.Upload = &Upload{Size: o.integer("size"), FileURL: o.url("fileurl"), Source: o.url("sourceurl")}
		e.Final = e.Type == "UploadByURLComplete" && e.Status == "fail"
	case "VideoAnalysisComplete":
		f.Analysis = &Analysis{Width: o.integer("width"), Height: o.integer("height"), Duration: o.number("duration"),
			Bitrate: o.number("bitrate"), FPS: o.number("fps"), Size: o.integer("size")}
	case "StreamTranscodeComplete":
		s := stream(o)
		f.Transcode = &Transcode{Streams: []Stream{s}}
		more = []string{s.Definition, s.Format}
	case "TranscodeComplete":
		f.Transcode = &Transcode{}
		for _, in := range o.list("streaminfos") {
			s := stream(in)
			f.Transcode.Streams = append(f.Transcode.Streams, s)
			*jobs = add(*jobs, s.Job)
		}
		e.Final = true
	case "SnapshotComplete":
		f.Snapshot = snapshot(o)
		for _, in := range f.Snapshot.Infos {
			*jobs = add(*jobs, in.Job)
		}
		more = []string{f.Snapshot.SubType}
	case "DynamicImageComplete":
		f.DynamicImage = o.inner("dynamicimagejobinfo")
		*jobs = add(*jobs, readObject(f.DynamicImage).id("jobid"))
	case "AIMediaAuditComplete", "AIVideoCensorComplete":
		f.Review = review(o)
		more = []string{f.Review.Suggestion}
	case "CreateAuditComplete":
		f.Review = &Review{AuditStatus: o.text("auditstatus"), Auditor: clip(o.text("auditor"), 128), Reason: clip(o.text("reason"), 512)}
		e.Final = strings.EqualFold(f.Review.AuditStatus, "Blocked")
		// A person may judge again; Status is success each time.
		more = []string{f.Review.AuditStatus, o.text("eventtime"), o.text("creationtime")}
	case "DeleteMediaComplete":
		f.Deletion = &Deletion{MediaType: o.text("mediatype"), What: strings.ToLower(o.text("deletetype")), Jobs: ids(o.texts("jobids"))}
		e.Final = f.Deletion.What == "all" && e.Status != "fail"
		more = []string{f.Deletion.What}
	case "MediaBaseChangeComplete":
		f.Change = change(o)
		more = []string{o.text("eventtime")}
	default:
		return nil, false
	}
	return more, true
}

func stream(o object) Stream {
	return Stream{
		Status: strings.ToLower(o.text("status")), Definition: o.text("definition"), Format: o.text("format"), FileURL: o.url("fileurl"), Job: o.id("jobid"),
		Duration: o.number("duration"), Bitrate: o.number("bitrate"), FPS: o.number("fps"),
		Width: o.integer("width"), Height: o.integer("height"), Size: o.integer("size"), Encrypt: o.boolean("encrypt"),
		ErrorCode: clip(o.text("errorcode"), 128), ErrorMessage: clip(o.text("errormessage"), 512),
	}
}

func snapshot(o object) *Snapshot {
	s := &Snapshot{SubType: o.text("subtype"), CoverURL: o.url("coverurl")}
	for _, in := range o.list("snapshotinfos") {
		s.Infos = append(s.Infos, SnapshotInfo{
			Status: strings.ToLower(in.text("status")), Type: in.text("snapshottype"), Format: in.text("snapshotformat"),
			Regular: in.url("snapshotregular"), Job: in.id("jobid"), Count: in.integer("snapshotcount"),
		})
	}
	return s
}

func review(o object) *Review {
	data := o.inner("data")
	in := readObject(data)
	if in == nil {
		data = nil
	}
	return &Review{Suggestion: strings.ToLower(in.text("suggestion")), Label: in.text("label"), AbnormalModules: in.text("abnormalmodules"), Data: data}
}

func change(o object) *Change {
	c := &Change{MediaType: o.text("mediatype"), Mode: strings.ToLower(o.text("operatemode")), Content: map[string]json.RawMessage{}}
	var content map[string]json.RawMessage
	if json.Unmarshal(o.inner("mediacontent"), &content) != nil {
		return c
	}
	for name, v := range content {
		if len(c.Content) < maxItems {
			c.Content[strings.TrimSpace(name)] = unwrap(v)
		}
	}
	return c
}

// begin reads what every callback has: a type under the member that the platform calls typeName, and a body to keep.
// Where the body is no object it gives the whole Event and nil.
func begin(platform string, body []byte, typeName string) (Event, object) {
	e := Event{Platform: platform, Type: TypeUnreadable}
	clean := bytes.ToValidUTF8(body, []byte("\uFFFD"))
	valid := len(body) <= MaxBody && !tooDeep(clean) && json.Valid(clean)
	e.Body = stored(clean, valid)
	var o object
	if valid && len(bytes.TrimSpace(clean)) > 0 && bytes.TrimSpace(clean)[0] == '{' {
		o = readObject(clean)
	}
	if o == nil {
		sum := sha256.Sum256(body)
		e.Key = hash([][]string{{platform, e.Type}, {string(sum[:])}})
		return e, nil
	}
	if t := o.whole(typeName); t != "" && len(t) <= 128 && isID(t) {
		e.Type = t
	}
	return e, o
}

func (e *Event) addRemotes(all ...string) { e.Remotes = add(e.Remotes, all...) }

// add appends the ids among all that list does not have yet.
func add(list []string, all ...string) []string {
	for _, id := range all {
		if isID(id) && !slices.Contains(list, id) && len(list) < 20 { // a call deletes at most 20 videos
			list = append(list, id)
		}
	}
	return list
}

func ids(all []string) []string { return add(nil, all...) }

// hash of lists of texts: each text and each list has an end, so no two inputs run into one.
func hash(parts [][]string) string {
	h := sha256.New()
	for _, list := range parts {
		for _, s := range list {
			sum := sha256.Sum256([]byte(s))
			h.Write(sum[:])
		}
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))
}
