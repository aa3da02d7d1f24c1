package vod

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/vod"
)

func TestGetVideoInfoTellsWhatIsKnown(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Categories = map[int64]string{7: "news"} })
	k := r.published(func(q *vod.CreateUploadVideoRequest) {
		q.Description, q.Tags, q.CateId, q.CoverURL, q.UserData = "long & <text>", "a,b", requests.NewInteger(7), "http://x.example/c.jpg", `{"Extend":"up-1"}`
	})
	v := r.info(k.id)
	if v.Title != "a film" || v.Description != "long & <text>" || v.Tags != "a,b" || v.CateId != 7 || v.CateName != "news" || v.Size != 4000 || v.Duration <= 0 ||
		v.AuditStatus != "Init" || v.CoverURL != "http://x.example/c.jpg" || v.UserData != `{"Extend":"up-1"}` || v.AppId != DefaultApp ||
		v.RegionId != "cn-shanghai" || v.TemplateGroupId != DefaultGroup || v.StorageLocation == "" || len(v.Snapshots.Snapshot) != 0 {
		t.Errorf("%+v", v)
	}
	if _, err := time.Parse("2006-01-02T15:04:05Z", v.CreationTime); err != nil {
		t.Error(err)
	}
	req, res := vod.CreateGetVideoInfosRequest(), vod.CreateGetVideoInfosResponse()
	req.VideoIds = k.id + ",none"
	r.call(req, res)
	if len(res.VideoList) != 1 || res.VideoList[0].Status != "Normal" || len(res.NonExistVideoIds) != 1 {
		t.Errorf("%+v", res)
	}
	req.VideoIds = "none"
	r.refused(req, res, "InvalidVideo.NotFound", 404)
	req.VideoIds = strings.Repeat("x,", 20) + "x"
	r.refused(req, res, "VideoIdsExceededMax", 400)
}

func TestPlayInfoListsStreams(t *testing.T) {
	r := newRig(t)
	k := r.create()
	req, res := vod.CreateGetPlayInfoRequest(), vod.CreateGetPlayInfoResponse()
	req.VideoId = k.id
	r.refused(req, res, "Forbidden.IllegalStatus", 403)
	k = r.published()
	req.VideoId = k.id
	r.call(req, res)
	list := res.PlayInfoList.PlayInfo
	if len(list) != 2 || list[0].Format != "mp4" || list[0].Definition != "LD" || list[0].JobId == "" || list[0].Status != "Normal" ||
		!strings.HasPrefix(list[0].PlayURL, "http://vod.fake.example/") || list[0].Duration == "" || res.VideoBase.MediaType != "video" || res.VideoBase.Duration == "" {
		t.Errorf("%+v %+v", res.VideoBase, list)
	}
	req.Formats = "m3u8"
	one := vod.CreateGetPlayInfoResponse()
	r.call(req, one)
	if len(one.PlayInfoList.PlayInfo) != 1 {
		t.Errorf("%+v", one.PlayInfoList)
	}
	req.Formats = "mp3"
	r.refused(req, res, "InvalidVideo.NoneStream", 404)
	req.Formats, req.AuthTimeout = "", requests.NewInteger(2592001)
	r.refused(req, res, "InvalidParameter", 400)
	req = vod.CreateGetPlayInfoRequest() // the SDK goes on sending what a request once had
	req.VideoId = "none"
	r.refused(req, res, "InvalidVideo.NotFound", 404)
}

func TestMezzanineLinkOpensTheFileUntilItsEnd(t *testing.T) {
	r := newRig(t)
	k := r.create()
	req, res := vod.CreateGetMezzanineInfoRequest(), vod.CreateGetMezzanineInfoResponse()
	req.VideoId = k.id
	r.refused(req, res, "InvalidFile.NotFound", 404)
	r.put(k, "the bytes")
	req.AdditionType = "video,audio"
	r.call(req, res)
	m := res.Mezzanine
	if m.Size != 9 || m.Status != "Normal" || m.CRC64 == "" || len(m.VideoStreamList) != 1 || len(m.AudioStreamList) != 1 || m.OutputType != "oss" {
		t.Errorf("%+v", m)
	}
	get := func() (int, string) {
		answer, err := http.Get(m.FileURL) //nolint:noctx // a test against its own server
		r.check(err)
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		r.check(err)
		return answer.StatusCode, string(b)
	}
	if code, body := get(); code != 200 || body != "the bytes" {
		t.Error(code, body)
	}
	r.pass(1801 * time.Second)
	if code, _ := get(); code != 403 {
		t.Error("after its end:", code)
	}
	req.VideoId = "none"
	r.refused(req, res, "InvalidVideo.NotFound", 404)
}

func TestPlayAuthDecodes(t *testing.T) {
	r := newRig(t)
	k := r.create()
	req, res := vod.CreateGetVideoPlayAuthRequest(), vod.CreateGetVideoPlayAuthResponse()
	req.VideoId = k.id
	r.refused(req, res, "Forbidden.IllegalStatus", 403)
	k = r.published()
	req.VideoId, req.AuthInfoTimeout = k.id, requests.NewInteger(99)
	r.refused(req, res, "InvalidParameter", 400)
	req.AuthInfoTimeout = requests.NewInteger(3000)
	r.call(req, res)
	var auth struct {
		SecurityToken, AccessKeyId, AccessKeySecret, Region, PlayDomain, AuthInfo string
		CustomerId                                                                int64
		VideoMeta                                                                 struct {
			Status, VideoId, Title, CoverURL string
			Duration                         float64
		}
	}
	b, err := base64.StdEncoding.DecodeString(res.PlayAuth)
	r.check(err)
	r.check(json.Unmarshal(b, &auth))
	var inner struct{ Caller, ExpireTime, MediaId, PlayDomain, Signature string }
	r.check(json.Unmarshal([]byte(auth.AuthInfo), &inner))
	if auth.CustomerId != 1234567890123456 || auth.VideoMeta.VideoId != k.id || auth.VideoMeta.Status != "Normal" || inner.MediaId != k.id || inner.Signature == "" ||
		auth.SecurityToken == "" || auth.PlayDomain == "" || res.VideoMeta.VideoId != k.id || res.VideoMeta.Duration <= 0 {
		t.Errorf("%s %+v", b, res.VideoMeta)
	}
	req.VideoId = "none"
	r.refused(req, res, "InvalidVideo.NotFound", 404)
}

func TestListAndSearch(t *testing.T) {
	r := newRig(t)
	list, found := vod.CreateGetVideoListRequest(), vod.CreateGetVideoListResponse()
	r.refused(list, found, "InvalidVideo.NotFound", 404) // none match
	var ids []string
	for _, title := range []string{"one", "two", "three"} {
		ids = append(ids, r.create(func(q *vod.CreateUploadVideoRequest) { q.Title, q.Tags = title, "t-"+title }).id)
		r.pass2(2 * time.Second)
	}
	list.PageSize, list.PageNo = requests.NewInteger(2), requests.NewInteger(1)
	r.call(list, found)
	if v := found.VideoList.Video; found.Total != 3 || len(v) != 2 || v[0].VideoId != ids[2] || v[0].Status != "Uploading" {
		t.Errorf("%+v", found)
	}
	list.PageNo, list.SortBy, list.Status = requests.NewInteger(2), "CreationTime:Asc", "Uploading,Normal"
	r.call(list, found)
	if v := found.VideoList.Video; len(v) != 1 || v[0].VideoId != ids[2] {
		t.Errorf("%+v", found)
	}
	list.Status = "Blocked"
	r.refused(list, found, "InvalidVideo.NotFound", 404)
	list = vod.CreateGetVideoListRequest()
	list.PageNo, list.PageSize = requests.NewInteger(51), requests.NewInteger(100)
	r.refused(list, found, "VideoListExceededMax", 400)
	list.PageSize = requests.NewInteger(101)
	r.refused(list, found, "InvalidParameter", 400)

	for match, want := range map[string]int{"": 3, "Title = 'o'": 2, "Title='two' and Status in ('Uploading','Normal')": 1, "Tags = 't-three'": 1,
		"VideoId = '" + ids[0] + "'": 1, "CreationTime = [2020-01-01T00:00:00Z,2021-01-01T00:00:00Z)": 0} {
		q, a := vod.CreateSearchMediaRequest(), vod.CreateSearchMediaResponse()
		q.Match, q.SearchType = match, "video"
		r.call(q, a)
		if int(a.Total) != want || len(a.MediaList) != want || want == 1 && a.MediaList[0].Video.VideoId != a.MediaList[0].MediaId {
			t.Errorf("%s: %d, want %d", match, a.Total, want)
		}
	}
	q, a := vod.CreateSearchMediaRequest(), vod.CreateSearchMediaResponse()
	for match, code := range map[string]string{"Title =": "ErrorMatchSyntax", "Colour = 'red'": "ErrorMatchSyntax", "Title = 'a' Status = 'b'": "ErrorMatchSyntax"} {
		q.Match = match
		r.refused(q, a, code, 400)
	}
	q, a = vod.CreateSearchMediaRequest(), vod.CreateSearchMediaResponse()
	q.PageSize = requests.NewInteger(2)
	r.call(q, a)
	if len(a.MediaList) != 2 || a.ScrollToken == "" {
		t.Errorf("%+v", a)
	}
	q.ScrollToken = a.ScrollToken
	rest := vod.CreateSearchMediaResponse()
	r.call(q, rest)
	if len(rest.MediaList) != 1 || rest.ScrollToken != "" {
		t.Errorf("%+v", rest)
	}
	q.ScrollToken = "gone"
	r.refused(q, a, "InvalidScrollToken.Expired", 400)
}

func TestUpdateAndDelete(t *testing.T) {
	r := newRig(t)
	a, b := r.published(), r.create()
	update := vod.CreateUpdateVideoInfoRequest()
	update.VideoId, update.Title, update.Tags = a.id, "another", "x"
	r.call(update, vod.CreateUpdateVideoInfoResponse())
	if v := r.info(a.id); v.Title != "another" || v.Tags != "x" {
		t.Errorf("%+v", v)
	}
	update.Title = strings.Repeat("x", 129)
	r.refused(update, vod.CreateUpdateVideoInfoResponse(), "LengthExceededMax", 400)
	del, res := vod.CreateDeleteVideoRequest(), vod.CreateDeleteVideoResponse()
	del.VideoIds = strings.Repeat("x,", 20) + "x"
	r.refused(del, res, "VideoIdsExceededMax", 400)
	del.VideoIds = a.id + ",none," + b.id
	r.call(del, res)
	if len(res.NonExistVideoIds) != 1 || res.NonExistVideoIds[0] != "none" {
		t.Errorf("%+v", res)
	}
	del.VideoIds = a.id
	r.refused(del, res, "InvalidVideo.NotFound", 404)
	info := vod.CreateGetVideoInfoRequest()
	info.VideoId = a.id
	r.refused(info, vod.CreateGetVideoInfoResponse(), "InvalidVideo.NotFound", 404)
	update.Title = "x"
	r.refused(update, vod.CreateUpdateVideoInfoResponse(), "InvalidVideo.NotFound", 404)
	r.put(b, "too late")
	r.pass(0)
	if c := r.s.Counts(); c.Deletions != 2 || c.Received != 1 || len(r.s.Effects().Posts) != 1 || !r.s.Effects().Posts[0].Deleted {
		t.Errorf("%+v %+v", c, r.s.Effects())
	}
}

func TestJobsEndAsScripted(t *testing.T) {
	r := newRig(t)
	k := r.published()
	audit := func() string {
		req, res := vod.CreateSubmitAIMediaAuditJobRequest(), vod.CreateSubmitAIMediaAuditJobResponse()
		req.MediaId = k.id
		r.call(req, res)
		if res.MediaId != k.id {
			t.Error(res.MediaId)
		}
		return res.JobId
	}
	query := func(id string) vod.MediaAuditJob {
		req, res := vod.CreateGetAIMediaAuditJobRequest(), vod.CreateGetAIMediaAuditJobResponse()
		req.JobId = id
		r.call(req, res)
		return res.MediaAuditJob
	}
	first := audit()
	if j := query(first); j.Status != "processing" || j.Data.Suggestion != "" || j.MediaId != k.id {
		t.Errorf("%+v", j)
	}
	r.pass(time.Minute)
	if j := query(first); j.Status != "success" || j.Data.Suggestion != "pass" || j.CompleteTime == "" || j.Data.VideoResult.Suggestion != "pass" {
		t.Errorf("%+v", j)
	}
	for verdict, want := range map[Verdict]string{Block: "block", Review: "review", Failed: ""} {
		r.check(r.s.SetScript(Script{Video: k.id, Audit: verdict}))
		id := audit()
		r.pass(time.Minute)
		if j := query(id); j.Data.Suggestion != want || (j.Status == "fail") != (verdict == Failed) {
			t.Errorf("%s: %+v", verdict, j)
		}
	}
	r.status(k.id, "Normal") // an AI verdict alone is advice
	shots, res := vod.CreateSubmitSnapshotJobRequest(), vod.CreateSubmitSnapshotJobResponse()
	shots.VideoId, shots.Count, shots.Interval = k.id, requests.NewInteger(8), requests.NewInteger(0)
	r.call(shots, res)
	r.pass(time.Minute)
	v := r.info(k.id)
	if s := v.Snapshots.Snapshot; len(s) != 8 || !strings.HasSuffix(s[0], "-00001.jpg") || !strings.HasSuffix(s[7], "-00008.jpg") || v.CoverURL != s[0] || res.SnapshotJob.JobId == "" {
		t.Errorf("%+v", v)
	}
	again, jobs := vod.CreateSubmitTranscodeJobsRequest(), vod.CreateSubmitTranscodeJobsResponse()
	again.VideoId, again.TemplateGroupId = k.id, DefaultGroup
	r.call(again, jobs)
	if len(jobs.TranscodeJobs.TranscodeJob) != 2 || jobs.TranscodeTaskId == "" {
		t.Errorf("%+v", jobs)
	}
	r.status(k.id, "Normal")
	r.pass(time.Minute)
	if c := r.s.Counts(); c.Jobs["audit"] != 4 || c.Jobs["snapshot"] != 1 || c.Jobs["transcode"] != 2 {
		t.Errorf("%+v", c)
	}
}

func TestJobsRefuse(t *testing.T) {
	r := newRig(t)
	k := r.create()
	for name, c := range map[string]struct {
		req    requests.AcsRequest
		res    responses.AcsResponse
		code   string
		status int
	}{
		"snapshot too early": {func() requests.AcsRequest { q := vod.CreateSubmitSnapshotJobRequest(); q.VideoId = k.id; return q }(), vod.CreateSubmitSnapshotJobResponse(), "Forbidden.IllegalStatus", 400},
		"snapshot of none":   {func() requests.AcsRequest { q := vod.CreateSubmitSnapshotJobRequest(); q.VideoId = "x"; return q }(), vod.CreateSubmitSnapshotJobResponse(), "InvalidVideo.NotFound", 404},
		"snapshot too wide": {func() requests.AcsRequest {
			q := vod.CreateSubmitSnapshotJobRequest()
			q.VideoId, q.Width = k.id, "4097"
			return q
		}(), vod.CreateSubmitSnapshotJobResponse(), "InvalidParameter", 400},
		"transcode, no group": {func() requests.AcsRequest { q := vod.CreateSubmitTranscodeJobsRequest(); q.VideoId = k.id; return q }(), vod.CreateSubmitTranscodeJobsResponse(), "MissingParameter", 400},
		"transcode, bad group": {func() requests.AcsRequest {
			q := vod.CreateSubmitTranscodeJobsRequest()
			q.VideoId, q.TemplateGroupId = k.id, "x"
			return q
		}(), vod.CreateSubmitTranscodeJobsResponse(), "InvalidTemplateGroupId.NotFound", 404},
		"transcode of none": {func() requests.AcsRequest {
			q := vod.CreateSubmitTranscodeJobsRequest()
			q.VideoId, q.TemplateGroupId = "x", "x"
			return q
		}(), vod.CreateSubmitTranscodeJobsResponse(), "InvalidVideo.NotFound", 404},
		"audit too early":  {func() requests.AcsRequest { q := vod.CreateSubmitAIMediaAuditJobRequest(); q.MediaId = k.id; return q }(), vod.CreateSubmitAIMediaAuditJobResponse(), "Forbidden.IllegalStatus", 400},
		"audit of none":    {func() requests.AcsRequest { q := vod.CreateSubmitAIMediaAuditJobRequest(); q.MediaId = "x"; return q }(), vod.CreateSubmitAIMediaAuditJobResponse(), "InvalidMedia.NotFound", 404},
		"no such audit":    {func() requests.AcsRequest { q := vod.CreateGetAIMediaAuditJobRequest(); q.JobId = "x"; return q }(), vod.CreateGetAIMediaAuditJobResponse(), "InvalidJob.NotFound", 404},
		"verdict, no list": {func() requests.AcsRequest { q := vod.CreateCreateAuditRequest(); q.AuditContent = "x"; return q }(), vod.CreateCreateAuditResponse(), "InvalidParameter", 400},
		"verdict on none": {func() requests.AcsRequest {
			q := vod.CreateCreateAuditRequest()
			q.AuditContent = `[{"VideoId":"x","Status":"Normal"}]`
			return q
		}(), vod.CreateCreateAuditResponse(), "InvalidVideo.NotFound", 404},
		"block, no reason": {func() requests.AcsRequest {
			q := vod.CreateCreateAuditRequest()
			q.AuditContent = `[{"VideoId":"x","Status":"Blocked"}]`
			return q
		}(), vod.CreateCreateAuditResponse(), "InvalidParameter", 400},
	} {
		t.Run(name, func(*testing.T) { r.refused(c.req, c.res, c.code, c.status) })
	}
}

// verdict is CreateAudit by the SDK.
func (r *rig) verdict(id, status, reason string) {
	r.Helper()
	req := vod.CreateCreateAuditRequest()
	b, err := json.Marshal([]map[string]string{{"VideoId": id, "Status": status, "Reason": reason}})
	r.check(err)
	req.AuditContent = string(b)
	r.call(req, vod.CreateCreateAuditResponse())
}

func TestPersonBlocksAndFrees(t *testing.T) {
	r := newRig(t)
	k := r.published()
	r.verdict(k.id, "Blocked", "bad")
	r.status(k.id, "Blocked")
	if v := r.info(k.id); v.AuditStatus != "Blocked" {
		t.Error(v.AuditStatus)
	}
	r.verdict(k.id, "Normal", "")
	r.status(k.id, "Normal")
	early := r.create(noTranscode)
	r.verdict(early.id, "Blocked", "bad")
	r.status(early.id, "Uploading")
}

func TestReviewBeforePublishing(t *testing.T) {
	for name, c := range map[string]struct {
		review string
		audit  Verdict
		want   string
	}{
		"manual waits for a person": {"manual", "", "Checking"},
		"ai passes":                 {"ai", Pass, "Normal"},
		"ai blocks":                 {"ai", Block, "Blocked"},
		"ai wants a person":         {"ai", Review, "Checking"},
		"ai fails":                  {"ai", Failed, "Checking"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.Review = c.review })
			r.check(r.s.SetScript(Script{Title: "film", Audit: c.audit}))
			k := r.create(noTranscode)
			r.put(k, "bytes")
			r.pass(0)
			r.pass(time.Minute)
			r.status(k.id, "Checking")
			r.pass(time.Minute)
			r.status(k.id, c.want)
			if c.want == "Checking" {
				r.verdict(k.id, "Normal", "")
				r.status(k.id, "Normal")
			}
		})
	}
}

func TestLifeEndsAsScripted(t *testing.T) {
	for name, c := range map[string]struct {
		script  Script
		edit    func(*Options)
		want    string
		streams int
	}{
		"upload fails":             {script: Script{Upload: "fail"}, want: "UploadFail"},
		"transcoding fails":        {script: Script{Transcode: "fail"}, want: "TranscodeFail"},
		"one stream fails":         {script: Script{Transcode: "some"}, want: "Normal", streams: 1},
		"another video's script":   {script: Script{Title: "else", Upload: "fail"}, want: "Normal", streams: 2},
		"size differs, ignored":    {want: "Normal", streams: 2},
		"size differs, checked":    {edit: func(o *Options) { o.Readings.FileSize = "checked" }, want: "UploadFail"},
		"without any waiting time": {edit: func(o *Options) { o.Pace = Pace{Analysis: -1, Transcode: -1} }, want: "Normal", streams: 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *Options) {
				if c.edit != nil {
					c.edit(o)
				}
			})
			r.check(r.s.SetScript(c.script))
			k := r.create(func(q *vod.CreateUploadVideoRequest) { q.FileSize = "1" })
			r.put(k, "bytes")
			for range 3 {
				r.pass(time.Minute)
			}
			r.status(k.id, c.want)
			if c.streams > 0 {
				req, res := vod.CreateGetPlayInfoRequest(), vod.CreateGetPlayInfoResponse()
				req.VideoId = k.id
				r.call(req, res)
				if len(res.PlayInfoList.PlayInfo) != c.streams {
					t.Errorf("%+v", res.PlayInfoList)
				}
			}
		})
	}
}

func TestUploadThatNeverComesMayFail(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Pace.Abandon = time.Hour })
	k := r.create()
	r.pass(59 * time.Minute)
	r.status(k.id, "Uploading")
	r.pass(time.Minute)
	r.status(k.id, "UploadFail")
	if r.s.Counts().Orphans != 1 {
		t.Errorf("%+v", r.s.Counts())
	}
}
