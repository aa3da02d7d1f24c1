package vod

import (
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/fake/sts/ram"
	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

// playableVideo finds a video that can be played now.
func (s *Server) playableVideo(c call) (*video, *rpc.Error) {
	v := s.video(c.get("VideoId"))
	switch {
	case v == nil:
		return nil, fail("InvalidVideo.NotFound")
	case v.Status != Normal:
		return nil, illegalStatus(v, 403)
	}
	return v, nil
}

type videoMeta struct {
	VideoId, Title, Status string
	Duration               float64
	CoverURL               string
}

// playAuth is what PlayAuth decodes to (ref. a.4).
type playAuth struct {
	SecurityToken   string
	AuthInfo        string
	VideoMeta       playMeta
	AccessKeyID     string `json:"AccessKeyId"`
	PlayDomain      string
	AccessKeySecret string
	Region          string
	CustomerID      int64 `json:"CustomerId"`
}

type playMeta struct {
	Status, VideoID, Title, CoverURL string
	Duration                         float64
}

// MarshalJSON writes the platform's name of the id.
func (m playMeta) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"Status": m.Status, "VideoId": m.VideoID, "Title": m.Title, "CoverURL": m.CoverURL, "Duration": m.Duration})
}

type authInfo struct {
	Caller, ExpireTime, MediaId, PlayDomain, Signature string
}

func (s *Server) getVideoPlayAuth(c call) (any, *rpc.Error) {
	seconds, err := number(c.Params, "AuthInfoTimeout", 100, 100, 3000)
	if err != nil {
		return nil, err
	}
	v, err := s.playableVideo(c)
	if err != nil {
		return nil, err
	}
	life := time.Duration(seconds) * time.Second
	policy := ram.Policy{Version: "1", Statement: []ram.Statement{{Effect: "Allow", Action: ram.Strings{"vod:GetPlayInfo"}, Resource: ram.Strings{"*"}}}}
	key, issueErr := s.o.Keys.Issue(v.Owner, life, policy)
	if issueErr != nil {
		return nil, fail("InternalError")
	}
	inner, _ := json.Marshal(authInfo{"vodlift", stamp(c.now.Add(life)), v.ID, s.o.Domain, hex.EncodeToString(s.bytes(16))}) // strings marshal
	customer, _ := strconv.ParseInt(s.o.Account, 10, 64)
	title, cover := v.Fields["Title"], v.Fields["CoverURL"]
	auth := playAuth{key.Token, string(inner), playMeta{string(v.Status), v.ID, title, cover, v.Media.Duration}, key.AccessKeyID, s.o.Domain,
		key.Secret, s.o.Region, customer}
	return struct {
		base
		PlayAuth  string
		VideoMeta videoMeta
	}{c.base, encode(auth), videoMeta{v.ID, title, string(v.Status), v.Media.Duration, cover}}, nil
}

type videoBase struct {
	VideoId, Title, Status, Duration, CoverURL, MediaType, CreationTime, OutputType string
}

type playInfo struct {
	PlayURL, Format, Definition, Bitrate, Fps string
	Width, Height, Size                       int64
	Duration                                  string
	Encrypt                                   int64
	EncryptType                               string `json:",omitempty" xml:",omitempty"`
	JobId, Status, StreamType                 string
	Specification, CreationTime               string
	ModificationTime, TemplateGroupId         string `json:",omitempty" xml:",omitempty"`
}

// getPlayInfo: ref. a.3. The content network gives each stream an address of its own; OutputType oss answers that of the
// source file, since nothing was transcoded.
func (s *Server) getPlayInfo(c call) (any, *rpc.Error) {
	p := c.Params
	out := p.Get("OutputType")
	setDefault(&out, "cdn")
	if out != "cdn" && out != "oss" {
		return nil, invalid("OutputType")
	}
	life, err := number(p, "AuthTimeout", 3600, 1, 2592000)
	if err != nil {
		return nil, err
	}
	if r := p.Get("ResultType"); r != "" && r != "Single" && r != "Multiple" {
		return nil, invalid("ResultType")
	}
	v, err := s.playableVideo(c)
	if err != nil {
		return nil, err
	}
	kind := "video"
	if isExtension(audioExtensions, extension(v.Key)) {
		kind = "audio"
	}
	a := struct {
		base
		VideoBase    videoBase
		PlayInfoList struct{ PlayInfo []playInfo }
	}{base: c.base, VideoBase: videoBase{v.ID, v.Fields["Title"], string(v.Status), seconds(v.Media.Duration), v.Fields["CoverURL"], kind,
		stamp(v.Created), out}}
	for _, st := range v.Streams {
		if !asked(p.Get("Formats"), st.Format) || !asked(p.Get("Definition"), st.Definition) || !asked(p.Get("StreamType"), kind) {
			continue
		}
		one, err := s.playInfo(v, st, out, c.now, time.Duration(life)*time.Second)
		if err != nil {
			return nil, err
		}
		one.StreamType = kind
		a.PlayInfoList.PlayInfo = append(a.PlayInfoList.PlayInfo, one)
	}
	if len(a.PlayInfoList.PlayInfo) == 0 {
		return nil, fail("InvalidVideo.NoneStream")
	}
	return a, nil
}

func (s *Server) playInfo(v *video, st playable, out string, now time.Time, life time.Duration) (playInfo, *rpc.Error) {
	one := playInfo{Format: st.Format, Definition: st.Definition, Bitrate: strconv.FormatInt(st.Bitrate, 10),
		Fps: strconv.FormatFloat(v.Media.Fps, 'f', -1, 64), Width: st.Width, Height: st.Height, Size: st.Size, Duration: seconds(v.Media.Duration),
		JobId: st.Job, Status: "Normal", CreationTime: stamp(st.Created), ModificationTime: stamp(st.Created), TemplateGroupId: st.Group,
		Specification: "H264." + st.Definition}
	if out == "oss" {
		link, err := s.ossURL(v.Bucket, v.Key, now, life)
		one.PlayURL = link
		return one, err
	}
	key := v.Key
	if st.Job != "" {
		key = v.ID + "/" + st.Job + "." + st.Format
	}
	one.PlayURL = s.playURL(key, now, life)
	return one, nil
}

// asked: an empty comma list asks for everything.
func asked(list, have string) bool {
	return list == "" || slices.Contains(strings.Split(strings.ToLower(list), ","), strings.ToLower(have))
}

func seconds(d float64) string { return strconv.FormatFloat(d, 'f', -1, 64) }

type mezzanine struct {
	VideoId, FileURL, FileName string
	Size                       int64
	Duration, Bitrate, Fps     string
	Width, Height              int64
	CRC64                      string `json:"CRC64" xml:"CRC64"`
	Status, CreationTime       string
	OutputType, StorageClass   string
	AudioStreamList            []audioStream `json:",omitempty" xml:",omitempty"`
	VideoStreamList            []videoStream `json:",omitempty" xml:",omitempty"`
}

type videoStream struct{ Index, CodecName, Width, Height, Duration, Bitrate, AvgFPS string }

type audioStream struct{ Index, CodecName, Duration, Channels string }

// getMezzanineInfo: of the source file, by a signed link to the object storage (OutputType oss, the default) or by the
// content network.
func (s *Server) getMezzanineInfo(c call) (any, *rpc.Error) {
	out := c.get("OutputType")
	setDefault(&out, "oss")
	if out != "cdn" && out != "oss" {
		return nil, invalid("OutputType")
	}
	life, err := number(c.Params, "AuthTimeout", 1800, 1, 2592000)
	if err != nil {
		return nil, err
	}
	v := s.video(c.get("VideoId"))
	switch {
	case v == nil:
		return nil, fail("InvalidVideo.NotFound")
	case v.Stored == nil:
		return nil, fail("InvalidFile.NotFound")
	}
	rate, fps, length := strconv.FormatInt(bitrate(v), 10), strconv.FormatFloat(v.Media.Fps, 'f', -1, 64), seconds(v.Media.Duration)
	m := mezzanine{VideoId: v.ID, FileName: path.Base(v.Key), Size: v.Stored.Size, Duration: length, Bitrate: rate, Fps: fps, Width: v.Media.Width,
		Height: v.Media.Height, CRC64: strconv.FormatUint(v.Stored.CRC64, 10), Status: string(Normal), CreationTime: stamp(v.Created), OutputType: out,
		StorageClass: "Standard"}
	if v.Status == UploadFail {
		m.Status = string(UploadFail)
	}
	until := time.Duration(life) * time.Second
	m.FileURL = s.playURL(v.Key, c.now, until)
	if out == "oss" {
		if m.FileURL, err = s.ossURL(v.Bucket, v.Key, c.now, until); err != nil {
			return nil, err
		}
	}
	if add := c.get("AdditionType"); add != "" {
		if asked(add, "video") {
			m.VideoStreamList = []videoStream{{"0", "h264", strconv.FormatInt(m.Width, 10), strconv.FormatInt(m.Height, 10), length, rate, fps}}
		}
		if asked(add, "audio") {
			m.AudioStreamList = []audioStream{{"1", "aac", length, "2"}}
		}
	}
	return struct {
		base
		Mezzanine mezzanine
	}{c.base, m}, nil
}
