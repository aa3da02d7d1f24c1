package vod

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/vod"
	osssdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
)

func TestUploadCredentialServesOneFileAndEnds(t *testing.T) {
	r := newRig(t)
	k := r.create()
	if k.address.Endpoint != r.o.OSSEndpoint || k.address.Bucket != DefaultBucket || !strings.HasPrefix(k.address.FileName, "sv/") ||
		!strings.HasSuffix(k.address.FileName, ".mp4") || k.auth.Region != "cn-shanghai" || !strings.HasPrefix(k.auth.AccessKeyId, "STS.") {
		t.Fatalf("%+v", k.address)
	}
	left, err := strconv.Atoi(k.auth.Expiration)
	end, err2 := time.Parse("2006-01-02T15:04:05Z", k.auth.ExpireUTCTime)
	if err != nil || err2 != nil || left < 2990 || left > 3000 || end.Sub(r.now()) > 3000*time.Second {
		t.Errorf("Expiration %s, ExpireUTCTime %s", k.auth.Expiration, k.auth.ExpireUTCTime)
	}
	b := r.bucket(k)
	code := func(err error) string {
		var e osssdk.ServiceError
		errors.As(err, &e)
		return e.Code
	}
	if got := code(b.PutObject("sv/other.mp4", strings.NewReader("x"))); got != "AccessDenied" {
		t.Error("another key:", got)
	}
	if _, err := b.GetObject(k.address.FileName); code(err) != "AccessDenied" {
		t.Error("reading:", err)
	}
	r.pass(3000 * time.Second)
	if got := code(b.PutObject(k.address.FileName, strings.NewReader("x"))); got != "SecurityTokenExpired" {
		t.Error("after its end:", got)
	}
}

func TestMultipartUploadIsSeenAndLeadsToNormal(t *testing.T) {
	r := newRig(t)
	k := r.create(noTranscode)
	r.status(k.id, "Uploading")
	b, body := r.bucket(k), bytes.Repeat([]byte("vodlift!"), 30_000)
	imur, err := b.InitiateMultipartUpload(k.address.FileName)
	r.check(err)
	var parts []osssdk.UploadPart
	for n, piece := range [][]byte{body[:120_000], body[120_000:]} {
		p, err := b.UploadPart(imur, bytes.NewReader(piece), int64(len(piece)), n+1)
		r.check(err)
		parts = append(parts, p)
	}
	r.status(k.id, "Uploading")
	_, err = b.CompleteMultipartUpload(imur, parts)
	r.check(err)
	r.status(k.id, "UploadSucc")
	if e := r.s.Effects(); len(e.Posts) != 0 || len(e.Assets) != 1 || e.Assets[0].Size != int64(len(body)) {
		t.Errorf("%+v", e)
	}
	r.pass(time.Minute)
	r.status(k.id, "Normal")
	e := r.s.Effects()
	if len(e.Posts) != 1 || e.Posts[0].ID != k.id || e.Posts[0].Account != "studio" || len(e.Posts[0].SHA256) != 64 {
		t.Errorf("%+v", e.Posts)
	}
}

func TestRefreshSoonIsTheSameAndLaterAnotherForTheSameFile(t *testing.T) {
	r := newRig(t)
	k := r.create()
	refresh := func() ticket {
		req, res := vod.CreateRefreshUploadVideoRequest(), vod.CreateRefreshUploadVideoResponse()
		req.VideoId = k.id
		r.call(req, res)
		if res.VideoId != k.id {
			t.Error(res.VideoId)
		}
		return r.ticket(k.id, res.UploadAddress, res.UploadAuth)
	}
	r.pass(59 * time.Second)
	soon := refresh()
	if soon.auth.SecurityToken != k.auth.SecurityToken || soon.auth.ExpireUTCTime != k.auth.ExpireUTCTime || soon.auth.Expiration >= k.auth.Expiration {
		t.Error("not the cached credential")
	}
	r.pass(2900 * time.Second)
	late := refresh()
	if late.address != k.address || late.auth.SecurityToken == k.auth.SecurityToken || late.auth.AccessKeyId == k.auth.AccessKeyId {
		t.Error("not a new credential for the same file")
	}
	r.put(late, "bytes")
	r.status(k.id, "UploadSucc")
	if c := r.s.Counts(); c.Refreshes != 2 || c.Received != 1 {
		t.Errorf("%+v", c)
	}
}

func TestSecondUploadOverwritesUnderTheSameID(t *testing.T) {
	r := newRig(t)
	k := r.published()
	r.put(k, "another film")
	r.status(k.id, "UploadSucc")
	r.pass(time.Minute)
	r.status(k.id, "Transcoding")
	r.pass(time.Minute)
	r.status(k.id, "Normal")
	e := r.s.Effects()
	if v := r.s.Videos(); len(v) != 1 || len(v[0].Received) != 2 || len(e.Posts) != 1 || e.Posts[0].Size != int64(len("another film")) {
		t.Errorf("%+v", v)
	}
}

func TestFileThatCameWhileDeadOrUntoldIsFound(t *testing.T) {
	r := newRig(t, onDisk(t))
	told, untold := r.create(noTranscode), r.create(noTranscode)
	r.check(r.s.Close())
	r.put(told, "while dead")
	r.pass2(2 * time.Hour) // far behind the credential's end: still looked at once
	r.s = nil
	s, err := New(r.o)
	r.check(err)
	r.s = s
	r.status(told.id, "UploadSucc")
	r.status(untold.id, "Uploading")
}

// pass2 moves the clock of a platform that does not run.
func (r *rig) pass2(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skew += d
}

func TestCreateUploadVideoRefuses(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		edit   func(*vod.CreateUploadVideoRequest)
		code   string
		status int
	}{
		"no title":                {func(q *vod.CreateUploadVideoRequest) { q.Title = "" }, "MissingParameter", 400},
		"no file name":            {func(q *vod.CreateUploadVideoRequest) { q.FileName = "" }, "MissingParameter", 400},
		"no extension":            {func(q *vod.CreateUploadVideoRequest) { q.FileName = "film" }, "InvalidFileName.Extension", 400},
		"another extension":       {func(q *vod.CreateUploadVideoRequest) { q.FileName = "a.exe" }, "InvalidFileName.Extension", 400},
		"129 bytes of title":      {func(q *vod.CreateUploadVideoRequest) { q.Title = strings.Repeat("片", 43) }, "LengthExceededMax", 400},
		"emoji":                   {func(q *vod.CreateUploadVideoRequest) { q.Title = "film \U0001F3AC" }, "IllegalCharacters", 400},
		"emoji in tags":           {func(q *vod.CreateUploadVideoRequest) { q.Tags = "a,\u2764\uFE0F" }, "IllegalCharacters", 400},
		"1025 bytes of text":      {func(q *vod.CreateUploadVideoRequest) { q.Description = strings.Repeat("x", 1025) }, "LengthExceededMax", 400},
		"17 tags":                 {func(q *vod.CreateUploadVideoRequest) { q.Tags = strings.Repeat("t,", 16) + "t" }, "TagsExceededMax", 400},
		"a tag of 33":             {func(q *vod.CreateUploadVideoRequest) { q.Tags = strings.Repeat("t", 33) }, "LengthExceededMax", 400},
		"unknown template group":  {func(q *vod.CreateUploadVideoRequest) { q.TemplateGroupId = "none" }, "InvalidTemplateGroupId.NotFound", 404},
		"unknown storage":         {func(q *vod.CreateUploadVideoRequest) { q.StorageLocation = "none" }, "InvalidStorage.NotFound", 404},
		"unknown app":             {func(q *vod.CreateUploadVideoRequest) { q.AppId = "app-1" }, "InvalidParameter", 400},
		"size that is no number":  {func(q *vod.CreateUploadVideoRequest) { q.FileSize = "big" }, "InvalidParameter", 400},
		"UserData not JSON":       {func(q *vod.CreateUploadVideoRequest) { q.UserData = "x" }, "InvalidParameter", 400},
		"Extend of 513":           {func(q *vod.CreateUploadVideoRequest) { q.UserData = `{"Extend":"` + strings.Repeat("e", 513) + `"}` }, "LengthExceededMax", 400},
		"callback other than web": {func(q *vod.CreateUploadVideoRequest) { q.UserData = `{"MessageCallback":{"CallbackType":"mns"}}` }, "InvalidParameter", 400},
	} {
		t.Run(name, func(t *testing.T) {
			req := vod.CreateCreateUploadVideoRequest()
			req.Title, req.FileName = "a film", "a.mp4"
			c.edit(req)
			r.refused(req, vod.CreateCreateUploadVideoResponse(), c.code, c.status)
		})
	}
	if n := r.s.Counts().Videos; n != 0 {
		t.Errorf("%d videos were made", n)
	}
	for name, edit := range map[string]func(*vod.CreateUploadVideoRequest){
		"128 bytes": func(q *vod.CreateUploadVideoRequest) { q.Title = strings.Repeat("x", 128) },
		"16 tags":   func(q *vod.CreateUploadVideoRequest) { q.Tags = strings.Repeat("t,", 15) + strings.Repeat("t", 32) },
		"audio":     func(q *vod.CreateUploadVideoRequest) { q.FileName = "a.MP3" },
		"Extend":    func(q *vod.CreateUploadVideoRequest) { q.UserData = `{"Extend":{"a":"b"}}` },
		"file size": func(q *vod.CreateUploadVideoRequest) { q.FileSize = requests.NewInteger64(1 << 40) },
		"text, place": func(q *vod.CreateUploadVideoRequest) {
			q.Description, q.StorageLocation = strings.Repeat("x", 1024), DefaultBucket
		},
	} {
		t.Run(name, func(*testing.T) { r.create(edit) })
	}
}

func TestMissingParameterIsNamed(t *testing.T) {
	for reading, want := range map[string]string{"": "MissingParameter", "named": "MissingVideoId"} {
		r := newRig(t, func(o *Options) { o.Readings.Missing = reading })
		r.refused(vod.CreateRefreshUploadVideoRequest(), vod.CreateRefreshUploadVideoResponse(), want, 400)
		err := r.do(vod.CreateGetVideoInfoRequest(), vod.CreateGetVideoInfoResponse())
		if err == nil || !strings.Contains(err.Error(), "VideoId") {
			t.Error(err)
		}
	}
}

func TestCreateUploadImage(t *testing.T) {
	r := newRig(t)
	req, res := vod.CreateCreateUploadImageRequest(), vod.CreateCreateUploadImageResponse()
	req.ImageType = "cover"
	r.call(req, res)
	k := r.ticket(res.ImageId, res.UploadAddress, res.UploadAuth)
	if !strings.HasPrefix(k.address.FileName, "image/cover/") || !strings.HasSuffix(k.address.FileName, "-6-2.png") || !strings.Contains(res.ImageURL, "auth_key=") ||
		!strings.HasSuffix(res.FileURL, k.address.FileName) {
		t.Errorf("%+v %s %s", k.address, res.ImageURL, res.FileURL)
	}
	r.put(k, "a picture")
	r.pass(0)
	if c := r.s.Counts(); c.Images != 1 || c.Pictures != 1 {
		t.Errorf("%+v", c)
	}
	for name, edit := range map[string]func(*vod.CreateUploadImageRequest){
		"type":      func(q *vod.CreateUploadImageRequest) { q.ImageType = "face" },
		"extension": func(q *vod.CreateUploadImageRequest) { q.ImageType, q.ImageExt = "cover", "webp" },
	} {
		t.Run(name, func(*testing.T) {
			req := vod.CreateCreateUploadImageRequest()
			edit(req)
			r.refused(req, vod.CreateCreateUploadImageResponse(), "InvalidParameter", 400)
		})
	}
	refresh := vod.CreateRefreshUploadVideoRequest()
	refresh.VideoId = k.id
	r.refused(refresh, vod.CreateRefreshUploadVideoResponse(), "InvalidVideo.NotFound", 404) // images cannot be refreshed
}

func TestDoorRefuses(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Quotas.Config = 2 })
	get := vod.CreateGetMessageCallbackRequest()
	for _, c := range []struct{ id, secret, code string }{
		{"LTAIstudio", "wrong", "SignatureDoesNotMatch"}, {"LTAInobody", "x", "InvalidAccessKeyId.NotFound"},
	} {
		api, err := vod.NewClientWithAccessKey("cn-shanghai", c.id, c.secret)
		r.check(err)
		good := r.api
		r.api = api
		if err := r.do(vod.CreateGetMessageCallbackRequest(), vod.CreateGetMessageCallbackResponse()); err == nil || !strings.Contains(err.Error(), c.code) {
			t.Errorf("%s: %v", c.code, err)
		}
		r.api = good
	}
	for _, want := range []bool{true, true, false} {
		if err := r.do(get, vod.CreateGetMessageCallbackResponse()); (err == nil) != want && (want || !strings.Contains(err.Error(), "Throttling.User")) {
			t.Error(err)
		}
	}
	reader, err := vod.NewClientWithAccessKey("cn-shanghai", "LTAIreader", "reader-secret")
	r.check(err)
	r.api = reader
	create := vod.CreateCreateUploadVideoRequest()
	create.Title, create.FileName = "x", "x.mp4"
	r.refused(create, vod.CreateCreateUploadVideoResponse(), "Forbidden", 403)
}

func TestAnswerIsXMLUnlessJSONIsAsked(t *testing.T) {
	r := newRig(t)
	k := r.create()
	req := vod.CreateGetVideoInfoRequest()
	req.VideoId = k.id
	req.AcceptFormat = "XML"
	res := vod.CreateGetVideoInfoResponse()
	r.call(req, res)
	body := res.GetHttpContentString()
	if !strings.Contains(body, "<GetVideoInfoResponse><RequestId>") || !strings.Contains(body, "<Video><VideoId>"+k.id+"</VideoId>") {
		t.Error(body)
	}
	req.VideoId = "none"
	err := r.do(req, res)
	if err == nil || !strings.Contains(err.Error(), "<Code>InvalidVideo.NotFound</Code>") {
		t.Error(err)
	}
}

func TestUnknownPathAndActionHaveNoEffect(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/x", "/?Action=Nothing"} {
		res, err := http.Get(r.web.URL + path) //nolint:noctx // a test against its own server
		r.check(err)
		b, err := io.ReadAll(res.Body)
		r.check(err)
		res.Body.Close()
		if res.StatusCode < 400 {
			t.Error(path, res.StatusCode, string(b))
		}
	}
	if !slices.Contains(Ops(), "unknown") || r.s.Counters()["unknown"].Requests != 2 {
		t.Error(fmt.Sprint(r.s.Counters()))
	}
}
