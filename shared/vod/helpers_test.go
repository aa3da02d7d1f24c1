package vod

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/transport"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata and the runbook page")

var testNow = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func clock() time.Time { return testNow }

// Secrets of these tests.
const (
	testSecret = "SECRET-KEY+/"
	testToken  = "SECRET-TOKEN+/="
)

func testCred() oss.Provider {
	return oss.Fixed(oss.Credential{ID: "LTAItest", Secret: testSecret})
}

func tempCred() oss.Provider {
	return oss.Fixed(oss.Credential{ID: "STS.test", Secret: testSecret, Token: testToken})
}

// sent is a request as it arrived.
type sent struct {
	method, path, body string
	query              url.Values
	header             http.Header
	length             int64
	closes             bool
}

// platform is a small server that checks signatures and answers by operation.
type platform struct {
	*httptest.Server
	answer func(w http.ResponseWriter, q url.Values)
	mu     sync.Mutex
	sent   []sent
}

func newPlatform(t testing.TB, answer func(w http.ResponseWriter, q url.Values)) *platform {
	p := &platform{answer: answer}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		q := r.URL.Query()
		p.mu.Lock()
		p.sent = append(p.sent, sent{r.Method, r.URL.Path, string(b), q, r.Header, r.ContentLength, r.Close})
		p.mu.Unlock()
		if got, want := q.Get("Signature"), sign(r.Method, q, testSecret); got != want {
			w.WriteHeader(400)
			io.WriteString(w, `{"Code":"SignatureDoesNotMatch","Message":"Specified signature is not matched with our calculation. server string to sign is:`+r.URL.RawQuery+`"}`)
			return
		}
		p.answer(w, q)
	}))
	t.Cleanup(p.Close)
	return p
}

// sign is reference a.2, written apart from the SDK.
func sign(method string, q url.Values, secret string) string {
	esc := func(s string) string {
		return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
	}
	var pairs []string
	for k, v := range q {
		if k != "Signature" {
			pairs = append(pairs, esc(k)+"="+esc(v[0]))
		}
	}
	slices.Sort(pairs)
	h := hmac.New(sha1.New, []byte(secret+"&"))
	io.WriteString(h, method+"&%2F&"+esc(strings.Join(pairs, "&")))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func says(status int, body string, header ...string) func(http.ResponseWriter, url.Values) {
	return func(w http.ResponseWriter, _ url.Values) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func loopback() *http.Client {
	return transport.New(transport.Options{AllowLoopback: true, MaxResponse: 8 << 20})
}

func (p *platform) client(cred oss.Provider) *Client {
	return New(Config{BaseURL: p.URL, STSBaseURL: p.URL}, cred, loopback(), &Options{Now: clock})
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// everyCall makes each call once.
func everyCall(ctx context.Context, c *Client) map[Step]error {
	out := map[Step]error{}
	title, tags, cate, empty := "Title & <more>", []string{"go", "视频"}, int64(7), ""
	_, out[StepCreateVideo] = c.CreateUploadVideo(ctx, NewVideo{Title: title, FileName: "a b.mp4", FileSize: 30, Description: "什么*~", CoverURL: "https://img.example/a.jpg", Tags: tags,
		CateID: 7, UserData: UserData{Extend: "u1", CallbackURL: "https://hooks.example/cb?x=1&y"}, TemplateGroupID: "tg", WorkflowID: "wf", StorageLocation: "outin-x.oss-cn-shanghai.aliyuncs.com", AppID: "app-1000001"})
	_, out[StepRefreshVideo] = c.RefreshUploadVideo(ctx, "v1")
	_, out[StepCreateImage] = c.CreateUploadImage(ctx, NewImage{Type: "cover", Ext: "jpg", Title: title, Tags: tags, Description: "d", CateID: 7, FileName: "a.jpg"})
	_, out[StepVideoInfo] = c.GetVideoInfo(ctx, "v1")
	_, out[StepPlayInfo] = c.GetPlayInfo(ctx, "v1")
	_, out[StepPlayAuth] = c.GetVideoPlayAuth(ctx, "v1", 3000)
	out[StepUpdate] = c.UpdateVideoInfo(ctx, Change{ID: "v1", Title: &title, Description: &empty, Tags: &tags, CateID: &cate})
	_, out[StepDelete] = c.DeleteVideo(ctx, "v1", "v2")
	_, out[StepSnapshot] = c.SubmitSnapshotJob(ctx, Snapshot{ID: "v1", Count: 8, OffsetMS: 100, IntervalS: 1, UserData: "ud"})
	_, out[StepAudit] = c.SubmitAIMediaAuditJob(ctx, "v1", "ud")
	_, out[StepAuditJob] = c.GetAIMediaAuditJob(ctx, "j1")
	_, out[StepTranscode] = c.SubmitTranscodeJobs(ctx, "v1", "tg", "ud")
	_, out[StepList] = c.List(ctx, Query{Status: []string{StatusNormal, StatusBlocked}, From: testNow.Add(-time.Hour), To: testNow, Page: 2, Size: 100})
	out[StepSetCallback] = c.SetCallback(ctx, Callback{URL: "https://hooks.example/cb", Events: []string{"ALL"}, Signed: true, Key: "SECRETkey9"})
	_, out[StepGetCallback] = c.GetCallback(ctx, "")
	out[StepDropCallback] = c.DeleteCallback(ctx, "")
	_, out[StepAssumeRole] = c.AssumeRole(ctx, "acs:ram::1:role/up", "vodlift", "", 3600)
	return out
}

// fine answers every operation as the reference says.
func fine(w http.ResponseWriter, q url.Values) {
	const place = `"UploadAddress":"YQ==","UploadAuth":"YQ=="`
	body := map[Step]string{
		StepCreateVideo:  `{"RequestId":"R","VideoId":"v1",` + place + `}`,
		StepRefreshVideo: `{"RequestId":"R","VideoId":"v1",` + place + `}`,
		StepCreateImage:  `{"RequestId":"R","ImageId":"i1","ImageURL":"https://img.example/i?auth_key=SECRET-SIG","FileURL":"https://oss.example/i.jpg",` + place + `}`,
		StepVideoInfo: `{"RequestId":"R","Video":{"VideoId":"v1","Title":"T","Description":"D","Tags":"go, 视频","Status":"Normal","AuditStatus":"Init","CateId":7,"CateName":"c","CoverURL":"https://img.example/c","Size":1048576,
			"Duration":12.5,"CreationTime":"2026-11-20T09:00:00Z","ModificationTime":"2026-11-20 18:00:00","Snapshots":{"Snapshot":["s1","s2"]},"StorageLocation":"l","TemplateGroupId":"tg","UserData":"{\"Extend\":\"u1\"}"}}`,
		StepPlayInfo: `{"RequestId":"R","VideoBase":{"VideoId":"v1","Title":"T","Status":"Normal","Duration":"12.5","CoverURL":"c","CreationTime":"2026-11-20T09:00:00Z"},
			"PlayInfoList":{"PlayInfo":[{"PlayURL":"https://play.example/a.m3u8?auth_key=SECRET-SIG","Format":"m3u8","Definition":"SD","Width":640,"Height":"360","Size":99,"Duration":"12.5","Status":"Normal","JobId":"j"}]}}`,
		StepPlayAuth:     `{"RequestId":"R","PlayAuth":"SECRET-AUTH","VideoMeta":{"VideoId":"v1","Title":"T","Status":"Normal","Duration":12.5,"CoverURL":"c"}}`,
		StepDelete:       `{"RequestId":"R","ForbiddenVideoIds":["v2"],"NonExistVideoIds":[]}`,
		StepSnapshot:     `{"RequestId":"R","SnapshotJob":{"JobId":"j1"}}`,
		StepAudit:        `{"RequestId":"R","JobId":"j1","MediaId":"v1"}`,
		StepAuditJob:     `{"RequestId":"R","MediaAuditJob":{"JobId":"j1","MediaId":"v1","Status":"success","Data":"{\"Suggestion\":\"review\",\"Label\":\"porn\"}"}}`,
		StepTranscode:    `{"RequestId":"R","TranscodeJobs":{"TranscodeJob":[{"JobId":"j1"},{"JobId":"j2"}]}}`,
		StepList:         `{"RequestId":"R","Total":101,"VideoList":{"Video":[{"VideoId":"v1","Status":"Normal"},{"VideoId":"v2","Status":"Blocked","Size":"5"}]}}`,
		StepDropCallback: `{"RequestId":"R"}`,
		StepGetCallback:  `{"RequestId":"R","MessageCallback":{"CallbackType":"HTTP","CallbackURL":"https://hooks.example/cb","EventTypeList":"FileUploadComplete,StreamTranscodeComplete","AuthSwitch":"on","AuthKey":"SECRETkey9","AppId":"app-1000000"}}`,
		StepAssumeRole:   `{"RequestId":"R","Credentials":{"AccessKeyId":"STS.x","AccessKeySecret":"SECRET-S","SecurityToken":"SECRET-T","Expiration":"2026-11-20T11:00:00Z"},"AssumedRoleUser":{"Arn":"a"}}`,
	}[Step(q.Get("Action"))]
	if body == "" {
		body = `{"RequestId":"R"}`
	}
	io.WriteString(w, body)
}

func wrong() oss.Provider {
	return oss.Fixed(oss.Credential{ID: "STS.test", Secret: "SECRET-WRONG", Token: testToken})
}

func background() context.Context { return context.Background() }
