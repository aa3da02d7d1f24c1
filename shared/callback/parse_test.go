package callback_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
)

// noon is the time of most samples.
var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func TestEveryTypeOfVODSaysWhatItIsAbout(t *testing.T) {
	type event = callback.Event
	type fields = callback.Fields
	for _, c := range []struct {
		name, body string
		want       event // but for Key and Body
	}{
		{"an uploaded file, as in 2021",
			`{"EventTime":"2026-07-01T12:00:00Z","EventType":"FileUploadComplete","VideoId":"v1","Size":1048576,"FileUrl":"http://out/a.mp4"}`,
			event{Type: "FileUploadComplete", Remotes: []string{"v1"}, At: noon, Fields: fields{Upload: &callback.Upload{Size: 1048576, FileURL: "http://out/a.mp4"}}}},
		{"an uploaded file with status and what we gave along",
			`{"EventTime":"2026-07-01T12:00:00Z","EventType":"FileUploadComplete","VideoId":"v1","Size":"12","Status":"Success","Extend":"u123"}`,
			event{Type: "FileUploadComplete", Remotes: []string{"v1"}, At: noon, Status: "success", Extend: "u123", Fields: fields{Upload: &callback.Upload{Size: 12}}}},
		{"an image, milliseconds after a colon",
			`{"EventTime":"2026-07-01T12:00:00:123Z","EventType":"ImageUploadComplete","ImageId":"i1","FileURL":"http://out/a.png","Size":7,"Status":"success","AppId":"app-1000000"}`,
			event{Type: "ImageUploadComplete", Remotes: []string{"i1"}, At: noon.Add(123 * time.Millisecond), Status: "success", Fields: fields{AppID: "app-1000000", Upload: &callback.Upload{Size: 7, FileURL: "http://out/a.png"}}}},
		{"an attached media",
			`{"EventType":"AttachedMediaUploadComplete","AttachedMediaId":"m1","Size":7,"Status":"success"}`,
			event{Type: "AttachedMediaUploadComplete", Remotes: []string{"m1"}, Status: "success", Fields: fields{Upload: &callback.Upload{Size: 7}}}},
		{"a pull from a URL that failed, with spaces in key names",
			`{" EventType":"UploadByURLComplete","JobId ":"j1"," Status ":"fail","SourceURL":"http://x/a.mp4","ErrorCode":"200","ErrorMessage ":"OK","Size":"5"}`,
			event{Type: "UploadByURLComplete", Job: "j1", Status: "fail", Final: true, Fields: fields{ErrorCode: "200", ErrorMessage: "OK", Upload: &callback.Upload{Size: 5, Source: "http://x/a.mp4"}}}},
		{"an analysis in texts",
			`{"EventType":"VideoAnalysisComplete","VideoId":"v1","Status":"success","Width":"720","Height":1280,"Duration":"12.5","Bitrate":"900.5","Fps":"25.0","Size":"77"}`,
			event{Type: "VideoAnalysisComplete", Remotes: []string{"v1"}, Status: "success", Fields: fields{Analysis: &callback.Analysis{Width: 720, Height: 1280, Duration: 12.5, Bitrate: 900.5, FPS: 25, Size: 77}}}},
		{"one stream",
			`{"EventType":"StreamTranscodeComplete","VideoId":"v1","Status":"success","Bitrate":"900","Definition":"LD","Duration":12.5,"Encrypt":true,"FileUrl":"http://out/ld.mp4","Format":"mp4","Fps":"25","Height":480,"Width":640,"Size":99,"JobId":"j1"}`,
			event{Type: "StreamTranscodeComplete", Remotes: []string{"v1"}, Job: "j1", Status: "success", Fields: fields{Transcode: &callback.Transcode{Streams: []callback.Stream{
				{Status: "success", Definition: "LD", Format: "mp4", FileURL: "http://out/ld.mp4", Job: "j1", Duration: 12.5, Bitrate: 900, FPS: 25, Width: 640, Height: 480, Size: 99, Encrypt: true}}}}}},
		{"all streams, one failed",
			`{"EventType":"TranscodeComplete","VideoId":"v1","Status":"success","StreamInfos":[{"Status":"success","Definition":"LD","JobId":"j1"},{"Status":"fail","Definition":"HD","JobId":"j2","ErrorCode":"E","ErrorMessage":"m"}]}`,
			event{Type: "TranscodeComplete", Remotes: []string{"v1"}, Job: "j1", Status: "success", Final: true, Fields: fields{Transcode: &callback.Transcode{Streams: []callback.Stream{
				{Status: "success", Definition: "LD", Job: "j1"}, {Status: "fail", Definition: "HD", Job: "j2", ErrorCode: "E", ErrorMessage: "m"}}}}}},
		{"snapshots without video and status, infos as JSON text",
			`{"EventType":"SnapshotComplete","SubType":"SpecifiedTime","CoverUrl":"http://out/c.jpg","SnapshotInfos":"[{\"Status\":\"success\",\"SnapshotType\":\"NormalSnapshot\",\"SnapshotCount\":\"8\",\"SnapshotFormat\":\"jpg\",\"SnapshotRegular\":\"http://out/{SnapshotCount}.jpg\",\"JobId\":\"j1\"}]"}`,
			event{Type: "SnapshotComplete", Job: "j1", Fields: fields{Snapshot: &callback.Snapshot{SubType: "SpecifiedTime", CoverURL: "http://out/c.jpg", Infos: []callback.SnapshotInfo{
				{Status: "success", Type: "NormalSnapshot", Format: "jpg", Regular: "http://out/{SnapshotCount}.jpg", Job: "j1", Count: 8}}}}}},
		{"a moving picture, its info as JSON text",
			`{"EventType":"DynamicImageComplete","VideoId":"v1","Status":"success","JobId":"j1","DynamicImageJobInfo":"{\"a\":1}"}`,
			event{Type: "DynamicImageComplete", Remotes: []string{"v1"}, Job: "j1", Status: "success", Fields: fields{DynamicImage: json.RawMessage(`{"a":1}`)}}},
		{"a review, its data an object",
			`{"EventType":"AIMediaAuditComplete","MediaId":"v1","JobId":"j1","Status":"success","Code":"","Message":"","Data":{"Suggestion":"Block","Label":"porn","AbnormalModules":"video,cover"}}`,
			event{Type: "AIMediaAuditComplete", Remotes: []string{"v1"}, Job: "j1", Status: "success", Fields: fields{Review: &callback.Review{Suggestion: "block", Label: "porn", AbnormalModules: "video,cover", Data: json.RawMessage(`{"Suggestion":"Block","Label":"porn","AbnormalModules":"video,cover"}`)}}}},
		{"the older review, its data as JSON text, VideoId beside MediaId",
			`{"EventType":"AIVideoCensorComplete","MediaId":"v1","VideoId":"v1","Status":"success","Data":"{\"Suggestion\":\"pass\"}"}`,
			event{Type: "AIVideoCensorComplete", Remotes: []string{"v1"}, Status: "success", Fields: fields{Review: &callback.Review{Suggestion: "pass", Data: json.RawMessage(`{"Suggestion":"pass"}`)}}}},
		{"a person blocked it",
			`{"EventType":"CreateAuditComplete","MediaId":"v1","SubType":"video","AuditStatus":"Blocked","Auditor":"a","Reason":"r","Status":"success"}`,
			event{Type: "CreateAuditComplete", Remotes: []string{"v1"}, Status: "success", Final: true, Fields: fields{Review: &callback.Review{AuditStatus: "Blocked", Auditor: "a", Reason: "r"}}}},
		{"a video is deleted",
			`{"EventType":"DeleteMediaComplete","MediaId":"v1","MediaType":"video","DeleteType":"all","Status":"success"}`,
			event{Type: "DeleteMediaComplete", Remotes: []string{"v1"}, Status: "success", Final: true, Fields: fields{Deletion: &callback.Deletion{MediaType: "video", What: "all"}}}},
		{"streams are deleted",
			`{"EventType":"DeleteMediaComplete","MediaId":"v1","MediaType":"video","DeleteType":"stream","JobIds":"j1,j2","Status":"success"}`,
			event{Type: "DeleteMediaComplete", Remotes: []string{"v1"}, Job: "j1", Status: "success", Fields: fields{Deletion: &callback.Deletion{MediaType: "video", What: "stream", Jobs: []string{"j1", "j2"}}}}},
		{"data were changed, the whole as JSON text",
			`{"EventType":"MediaBaseChangeComplete","MediaId":"v1","MediaType":"video","OperateMode":"update","MediaContent":"{\"Title\":\"{\\\"OldValue\\\":\\\"a\\\",\\\"NewValue\\\":\\\"b\\\"}\"}","Status":"success"}`,
			event{Type: "MediaBaseChangeComplete", Remotes: []string{"v1"}, Status: "success", Fields: fields{Change: &callback.Change{MediaType: "video", Mode: "update", Content: map[string]json.RawMessage{"Title": json.RawMessage(`{"OldValue":"a","NewValue":"b"}`)}}}}},
		{"a type that we do not know",
			`{"EventType":"AIMediaDNAComplete","MediaId":"v1","JobId":"j1","Status":"success"}`,
			event{Type: "AIMediaDNAComplete", Remotes: []string{"v1"}, Job: "j1", Status: "success"}},
		{"a type that is no word", `{"EventType":"a b","VideoId":"v1"}`, event{Type: callback.TypeUnreadable, Remotes: []string{"v1"}}},
		{"no type", `{"VideoId":"v1"}`, event{Type: callback.TypeUnreadable, Remotes: []string{"v1"}}},
		{"ids that cannot be ids", `{"EventType":"FileUploadComplete","VideoId":"a b","MediaId":"x#y","ImageId":{"a":1},"Extend":{"u":1}}`, event{Type: "FileUploadComplete", Extend: `{"u":1}`, Fields: fields{Upload: &callback.Upload{}}}},
		{"a list", `[{"EventType":"FileUploadComplete"}]`, event{Type: callback.TypeUnreadable}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := callback.ParseVOD([]byte(c.body))
			if string(got.Body) != c.body {
				t.Errorf("body %s", got.Body)
			}
			if len(got.Key) != 64 || callback.ParseVOD([]byte(c.body)).Key != got.Key {
				t.Errorf("key %q", got.Key)
			}
			got.Key, got.Body, c.want.Platform = "", nil, callback.AliVOD
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestWhatIsNoJSONObjectIsKeptAsText(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for _, body := range []string{"", "hello", `{"EventType":`, "\xff\xfe", "{} {}", `"text"`, "null", deep, strings.Repeat("x", callback.MaxBody)} {
		e := callback.ParseVOD([]byte(body))
		if e.Type != callback.TypeUnreadable || len(e.Key) != 64 || !json.Valid(e.Body) || len(e.Body) > callback.MaxStored {
			t.Errorf("%.20q: got %s, %d bytes", body, e.Type, len(e.Body))
		}
		if other := callback.ParseVOD([]byte(body + "!")); other.Key == e.Key {
			t.Errorf("%.20q: two bodies have one key", body)
		}
	}
}

func TestAStoredBodyFitsIntoAnItemAlsoAfterAnEncoderEscapedIt(t *testing.T) {
	for _, c := range []string{"a", "<", "\u2028", "好", `\"`} {
		n := callback.MaxBody/len(c) - 200
		body := `{"EventType":"FileUploadComplete","VideoId":"v1","Extend":"` + strings.Repeat(c, n) + `"}`
		e := callback.ParseVOD([]byte(body))
		all, err := json.Marshal(e)
		if err != nil || len(all) > callback.MaxStored+8192 {
			t.Errorf("%q: %d bytes, %v", c, len(all), err)
		}
		if e.Type != "FileUploadComplete" || !slices.Equal(e.Remotes, []string{"v1"}) {
			t.Errorf("%q: a long body was not read: %+v", c, e.Type)
		}
	}
}

func TestKeysTellEventsApartAndRepeatsTogether(t *testing.T) {
	key := func(body string) string { return callback.ParseVOD([]byte(body)).Key }
	for _, c := range []struct {
		name, a, b string
		same       bool
	}{
		{"sent again in another order of members", `{"EventType":"FileUploadComplete","VideoId":"v1","EventTime":"2026-07-01T12:00:00Z"}`, `{"VideoId":"v1","EventType":"FileUploadComplete","EventTime":"2026-07-01T12:00:01Z"}`, true},
		{"MediaId for VideoId", `{"EventType":"AIVideoCensorComplete","VideoId":"v1","Status":"success"}`, `{"EventType":"AIVideoCensorComplete","MediaId":"v1","Status":"success"}`, true},
		{"another video", `{"EventType":"FileUploadComplete","VideoId":"v1"}`, `{"EventType":"FileUploadComplete","VideoId":"v2"}`, false},
		{"another status", `{"EventType":"TranscodeComplete","VideoId":"v1","Status":"fail"}`, `{"EventType":"TranscodeComplete","VideoId":"v1","Status":"success"}`, false},
		{"another job", `{"EventType":"StreamTranscodeComplete","VideoId":"v1","JobId":"j1"}`, `{"EventType":"StreamTranscodeComplete","VideoId":"v1","JobId":"j2"}`, false},
		{"streams in another order", `{"EventType":"TranscodeComplete","VideoId":"v1","StreamInfos":[{"JobId":"j1"},{"JobId":"j2"}]}`, `{"EventType":"TranscodeComplete","VideoId":"v1","StreamInfos":[{"JobId":"j2"},{"JobId":"j1"}]}`, true},
		{"transcoded again", `{"EventType":"TranscodeComplete","VideoId":"v1","StreamInfos":[{"JobId":"j1"}]}`, `{"EventType":"TranscodeComplete","VideoId":"v1","StreamInfos":[{"JobId":"j3"}]}`, false},
		{"changed at another time", `{"EventType":"MediaBaseChangeComplete","MediaId":"v1","EventTime":"2026-07-01T12:00:00Z"}`, `{"EventType":"MediaBaseChangeComplete","MediaId":"v1","EventTime":"2026-07-01T12:00:01Z"}`, false},
		{"judged otherwise", `{"EventType":"CreateAuditComplete","MediaId":"v1","AuditStatus":"Normal"}`, `{"EventType":"CreateAuditComplete","MediaId":"v1","AuditStatus":"Blocked"}`, false},
		{"snapshots of nobody, another cover", `{"EventType":"SnapshotComplete","CoverUrl":"a"}`, `{"EventType":"SnapshotComplete","CoverUrl":"b"}`, false},
		{"an unknown type says something else", `{"EventType":"New","VideoId":"v1","X":1}`, `{"EventType":"New","VideoId":"v1","X":2}`, false},
		{"ids that run together", `{"EventType":"New","VideoId":"ab","JobId":"c"}`, `{"EventType":"New","VideoId":"a","JobId":"bc"}`, false},
	} {
		if got := key(c.a) == key(c.b); got != c.same {
			t.Errorf("%s: same key %v, want %v", c.name, got, c.same)
		}
	}
	if callback.ParseDouyin([]byte("{}")).Key == key("{}") {
		t.Error("two platforms share a key")
	}
}

func TestDouyinEvents(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       callback.Event
	}{
		{"a work was shared, content an object",
			`{"event":"create_video","client_key":"k","from_user_id":"o1","to_user_id":"","content":{"item_id":"@8hx+/==","share_id":"s1"},"log_id":"l"}`,
			callback.Event{Type: "create_video", Remotes: []string{"@8hx+/==", "s1"}, Fields: callback.Fields{OpenID: "o1"}}},
		{"content as JSON text",
			`{"event":"create_video","from_user_id":"o1","content":"{\"item_id\":\"i1\",\"share_id\":\"\"}"}`,
			callback.Event{Type: "create_video", Remotes: []string{"i1"}, Fields: callback.Fields{OpenID: "o1"}}},
		{"taken back", `{"event":"unauthorize","from_user_id":"o1","content":"{\"scopes\":[\"user_info\",\"video.create.bind\"]}"}`,
			callback.Event{Type: "unauthorize", Fields: callback.Fields{OpenID: "o1", Grant: &callback.Grant{Scopes: []string{"user_info", "video.create.bind"}}}}},
		{"given", `{"event":"contract_authorize","from_user_id":"o1","content":{"scopes":"video.create.bind"}}`,
			callback.Event{Type: "contract_authorize", Fields: callback.Fields{OpenID: "o1", Grant: &callback.Grant{Given: true, Scopes: []string{"video.create.bind"}}}}},
		{"unknown", `{"event":"item_digg","content":"x"}`, callback.Event{Type: "item_digg"}},
		{"no JSON", `hello`, callback.Event{Type: callback.TypeUnreadable}},
	} {
		got := callback.ParseDouyin([]byte(c.body))
		if len(got.Key) != 64 {
			t.Errorf("%s: key %q", c.name, got.Key)
		}
		got.Key, got.Body, c.want.Platform = "", nil, callback.Douyin
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got  %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

func TestTheChallengeIsANumberAndNothingElseIsEchoed(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`{"event":"verify_webhook","client_key":"","content":{"challenge":12345}}`, `{"challenge":12345}`},
		{`{"event":"verify_webhook","content":"{\"challenge\":12345}"}`, `{"challenge":12345}`},
		{`{"event":"verify_webhook","content":{"challenge":"<script>"}}`, ""},
		{`{"event":"verify_webhook","content":{"challenge":-1}}`, ""},
		{`{"event":"verify_webhook","content":{"challenge":1e5}}`, ""},
		{`{"event":"verify_webhook","content":{}}`, ""},
		{`{"event":"create_video","content":{"challenge":12345}}`, ""},
		{`{"event":"verify_webhook","content":{"challenge":123456789012345678901}}`, ""},
		{`hello`, ""},
	} {
		got, ok := callback.Challenge([]byte(c.body))
		if string(got) != c.want || ok != (c.want != "") {
			t.Errorf("%s: got %q %v", c.body, got, ok)
		}
	}
}

func TestEventTimes(t *testing.T) {
	ms := noon.Add(123 * time.Millisecond)
	for _, c := range []struct {
		in   string
		want time.Time
	}{
		{"2026-07-01T12:00:00Z", noon}, {"2026-07-01T12:00:00.123Z", ms}, {"2026-07-01T12:00:00:123Z", ms}, {" 2026-07-01t12:00:00z ", noon},
		{"2026-07-01T20:00:00+08:00", noon}, {"2026-07-01T20:00:00+0800", noon}, {"2026-07-01 12:00:00", noon}, {"2026-07-01T12:00:00,123Z", ms},
		{"1782907200", noon}, {"1782907200123", ms},
		{"", time.Time{}}, {"soon", time.Time{}}, {"2026-07-01", time.Time{}}, {"2026-13-01T12:00:00Z", time.Time{}}, {"1999-12-31T23:59:59Z", time.Time{}},
		{"2100-01-01T00:00:00Z", time.Time{}}, {"99999999999999", time.Time{}}, {"-178290720", time.Time{}}, {"2026-07-01T12:00:00:Z", time.Time{}},
	} {
		if got := callback.ParseTime(c.in); !got.Equal(c.want) {
			t.Errorf("%q: got %s, want %s", c.in, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"EventTime":"2026-07-01T00:00:00:123Z","EventType":"TranscodeComplete","VideoId":"v","Status":"success","StreamInfos":[{"JobId":"j","Size":"1"}]}`))
	f.Add([]byte(`{"EventType":"MediaBaseChangeComplete","MediaContent":"{\"Title\":\"{}\"}","MediaId":["a","b"]}`))
	f.Add([]byte(`{"EventType":"AIMediaAuditComplete","Data":"{\"Suggestion\":1}"}`))
	f.Add([]byte(`{"event":"verify_webhook","content":"{\"challenge\":1}"}`))
	f.Add([]byte("{\"EventType\":\"\xff\",\" VideoId \":1e400}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, parse := range []func([]byte) callback.Event{callback.ParseVOD, callback.ParseDouyin} {
			e := parse(body)
			if e.Type == "" || len(e.Key) != 64 || len(e.Body) > callback.MaxStored || len(e.Extend) > 1024 || len(e.Remotes) > 20 {
				t.Errorf("%+v", e)
			}
			b, err := json.Marshal(e)
			if err != nil || len(b) > callback.MaxStored+24<<10 {
				t.Errorf("%d bytes, %v", len(b), err)
			}
			var back callback.Event
			if err := json.Unmarshal(b, &back); err != nil || back.Key != e.Key || !back.At.Equal(e.At) {
				t.Errorf("it does not come back: %v", err)
			}
			if again := parse(body); !reflect.DeepEqual(again, e) {
				t.Error("read twice it is two things")
			}
		}
		if a, ok := callback.Challenge(body); ok && !json.Valid(a) {
			t.Errorf("answer %q", a)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-07-01T12:00:00Z", "2026-07-01T12:00:00:123Z", "1782907200", "2026-07-01 12:00:00", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at := callback.ParseTime(s)
		if !at.IsZero() && (at.Year() < 2000 || at.Year() > 2099 || at.Location() != time.UTC) {
			t.Errorf("%q gives %s", s, at)
		}
		if !at.IsZero() && !callback.ParseTime(at.Format(time.RFC3339Nano)).Equal(at) {
			t.Errorf("%q does not come back from %s", s, at)
		}
	})
}
