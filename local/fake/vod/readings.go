package vod

import (
	"errors"
	"fmt"
	"slices"
)

// Readings are the questions that the reference leaves open or on which its sources differ, each with the answers a
// client must survive. The first word named is the default.
type Readings struct {
	Missing      string // "MissingParameter" with the name in the text, "named": the name is in the code, MissingVideoId
	TagUnit      string // "bytes", "characters": what the 32 of a tag counts
	FileSize     string // "ignored", "checked": a file of another size than declared ends in UploadFail
	ImageKey     string // "asked": the key ends in the asked extension, "jpg" always, as in the seed's sample (ref. a.4)
	Refresh      string // "cached": a refresh soon after the issue answers the same credential (ref. a.4), "new"
	Playable     string // "event": without transcoding the video is Normal when FileUploadComplete goes out (ref. b), "later"
	TranscodeMid string // "kept": another transcoding leaves a Normal video Normal, "Transcoding" until it is done
	AIBlock      string // "advice": an AI verdict alone changes nothing unless Options.Review is ai (ref. c.4), "blocks"
	NoCallback   string // "empty": GetMessageCallback without a setting, "notfound"

	AuditEvent   string // "AIMediaAuditComplete", "AIVideoCensorComplete", "both" (ref. b)
	EventData    string // "object", "text": Data and MediaContent as JSON text
	EventNumbers string // "number", "string": in VideoAnalysisComplete (ref. b)
	ImageTime    string // "colon": milliseconds after a colon in events of images (ref. b), "plain"
	UploadStatus string // "sent", "absent": Status in FileUploadComplete, as in 2021 (ref. b)
	Snapshot     string // "table", "sample": SnapshotComplete without VideoId and Status (ref. b)
	CreateEvent  string // "sent", "none": MediaBaseChangeComplete when a video is created
	JobExtend    string // "own": events of a job echo the Extend of the job's UserData, "upload": else that of the upload
}

// fill sets defaults and refuses what is no reading.
func (r *Readings) fill() error {
	return errors.Join(
		one("Missing", &r.Missing, "MissingParameter", "named"),
		one("TagUnit", &r.TagUnit, "bytes", "characters"),
		one("FileSize", &r.FileSize, "ignored", "checked"),
		one("ImageKey", &r.ImageKey, "asked", "jpg"),
		one("Refresh", &r.Refresh, "cached", "new"),
		one("Playable", &r.Playable, "event", "later"),
		one("TranscodeMid", &r.TranscodeMid, "kept", "Transcoding"),
		one("AIBlock", &r.AIBlock, "advice", "blocks"),
		one("NoCallback", &r.NoCallback, "empty", "notfound"),
		one("AuditEvent", &r.AuditEvent, "AIMediaAuditComplete", "AIVideoCensorComplete", "both"),
		one("EventData", &r.EventData, "object", "text"),
		one("EventNumbers", &r.EventNumbers, "number", "string"),
		one("ImageTime", &r.ImageTime, "colon", "plain"),
		one("UploadStatus", &r.UploadStatus, "sent", "absent"),
		one("Snapshot", &r.Snapshot, "table", "sample"),
		one("CreateEvent", &r.CreateEvent, "sent", "none"),
		one("JobExtend", &r.JobExtend, "own", "upload"),
	)
}

func one(name string, field *string, words ...string) error {
	setDefault(field, words[0])
	if !slices.Contains(words, *field) {
		return fmt.Errorf("fake vod: reading %s %q: want one of %q", name, *field, words)
	}
	return nil
}
