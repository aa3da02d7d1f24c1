package vod

import (
	"net/url"
	"strings"

	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

// maxFile is 48.8 TB, the most that a multipart upload holds (ref. a.3).
const maxFile = 48*1<<40 + 1<<40*4/5

// fields keeps what a caller said about a video or image.
func fields(p url.Values, names ...string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		if v := p.Get(name); v != "" {
			out[name] = v
		}
	}
	return out
}

// createUploadVideo: ref. a.3. Two calls alike make two videos: nothing tells that they are one.
func (s *Server) createUploadVideo(c call) (any, *rpc.Error) {
	p := c.Params
	ext := extension(p.Get("FileName"))
	if err := s.checkMetadata(p); err != nil {
		return nil, err
	}
	if !isExtension(videoExtensions, ext) && !isExtension(audioExtensions, ext) {
		return nil, fail("InvalidFileName.Extension")
	}
	if _, err := number(p, "FileSize", 0, 0, maxFile); err != nil {
		return nil, err
	}
	if _, err := number(p, "CateId", 0, 0, 1<<62); err != nil {
		return nil, err
	}
	if _, err := s.parseUserData(p.Get("UserData")); err != nil {
		return nil, err
	}
	if err := s.checkPlace(p); err != nil {
		return nil, err
	}
	v := &video{upload: upload{Bucket: s.o.Bucket, Key: s.videoKey(ext)}, ID: s.id(), App: p.Get("AppId"), Owner: c.Key.Owner,
		Status: Uploading, AuditStatus: "Init", Created: c.now, Modified: c.now,
		Fields: fields(p, "Title", "FileName", "FileSize", "Description", "CoverURL", "CateId", "Tags", "UserData", "TemplateGroupId",
			"WorkflowId", "StorageLocation", "CustomMediaInfo")}
	setDefault(&v.App, DefaultApp)
	address, auth, err := s.tickets(&v.upload, v.Owner, c.now)
	if err != nil {
		return nil, err
	}
	s.st.Videos, s.st.videos[v.ID], s.dirty = append(s.st.Videos, v), v, true
	if s.o.Pace.Abandon > 0 {
		s.later(s.o.Pace.Abandon, step{Kind: stepAbandon, Media: v.ID, Gen: v.Gen}, c.now)
	}
	if s.o.Readings.CreateEvent == "sent" {
		s.emitBase(v, "create", nil, c.now)
	}
	return ticketAnswer{base: c.base, VideoId: v.ID, UploadAddress: address, UploadAuth: auth}, nil
}

type ticketAnswer struct {
	base
	VideoId, UploadAddress, UploadAuth string
}

// refreshUploadVideo: ref. a.3. Also the way to overwrite the file of a finished video.
func (s *Server) refreshUploadVideo(c call) (any, *rpc.Error) {
	v := s.video(c.get("VideoId"))
	if v == nil {
		return nil, fail("InvalidVideo.NotFound")
	}
	address, auth, err := s.tickets(&v.upload, v.Owner, c.now)
	if err != nil {
		return nil, err
	}
	v.Refreshes++
	s.dirty = true
	return ticketAnswer{base: c.base, VideoId: v.ID, UploadAddress: address, UploadAuth: auth}, nil
}

// createUploadImage: ref. a.3.
func (s *Server) createUploadImage(c call) (any, *rpc.Error) {
	p := c.Params
	kind, ext := p.Get("ImageType"), strings.ToLower(p.Get("ImageExt"))
	setDefault(&ext, "png")
	if kind != "default" && kind != "cover" {
		return nil, invalid("ImageType")
	}
	if !isExtension(imageExtensions, ext) {
		return nil, invalid("ImageExt")
	}
	if err := s.checkMetadata(p); err != nil {
		return nil, err
	}
	if _, err := s.parseUserData(p.Get("UserData")); err != nil {
		return nil, err
	}
	if err := s.checkPlace(p); err != nil {
		return nil, err
	}
	if s.o.Readings.ImageKey == "jpg" {
		ext = "jpg"
	}
	i := &image{upload: upload{Bucket: s.o.Bucket, Key: s.imageKey(kind, ext)}, ID: s.id(), App: p.Get("AppId"), Owner: c.Key.Owner,
		Created: c.now, Fields: fields(p, "ImageType", "ImageExt", "Title", "Tags", "Description", "CateId", "UserData", "OriginalFileName")}
	setDefault(&i.App, DefaultApp)
	address, auth, err := s.tickets(&i.upload, i.Owner, c.now)
	if err != nil {
		return nil, err
	}
	s.st.Images, s.st.images[i.ID], s.dirty = append(s.st.Images, i), i, true
	return imageAnswer{c.base, i.ID, s.playURL(i.Key, c.now, s.o.Limits.CredentialLife), s.fileURL(i.Bucket, i.Key), address, auth}, nil
}

type imageAnswer struct {
	base
	ImageId, ImageURL, FileURL, UploadAddress, UploadAuth string
}
