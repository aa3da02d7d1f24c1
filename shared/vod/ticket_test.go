package vod

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

func sample(t testing.TB, n int) Ticket {
	t.Helper()
	var s struct{ Address, Auth string }
	if err := json.Unmarshal(readFile(t, filepath.Join("testdata", "tickets", fmt.Sprintf("sample%d.json", n))), &s); err != nil {
		t.Fatal(err)
	}
	return Ticket{ID: "v1", Address: s.Address, Auth: s.Auth}
}

// The published samples: a fresh video, the same after a refresh, a picture (reference a.4).
func TestTheSamplesDecode(t *testing.T) {
	const bucket = "outin-12ebe01f029d11e9b63300163e1c8dba"
	end := time.Date(2018, 12, 28, 8, 29, 19, 0, time.UTC)
	var first Place
	for n, key := range []string{"sv/2c7578d7-167f3b7a885/2c7578d7-167f3b7a885.mp4", "sv/2c7578d7-167f3b7a885/2c7578d7-167f3b7a885.mp4", "image/cover/8EB703188F9D4920B6E3A1DDDB797B50-6-2.jpg"} {
		p, err := DecodeTicket(sample(t, n+1), end.Add(-time.Hour), "")
		if err != nil {
			t.Fatal(err)
		}
		if p.Endpoint != "https://oss-cn-shanghai.aliyuncs.com" || p.Region != "cn-shanghai" || p.Bucket != bucket || p.Key != key || !strings.HasPrefix(p.Credential.ID, "STS.") ||
			p.Credential.Secret == "" || len(p.Credential.Token) < 500 || n < 2 && !p.Expires.Equal(end) {
			t.Errorf("sample %d: %s %s %s %s, %s", n+1, p.Endpoint, p.Region, p.Bucket, p.Key, p.Expires)
		}
		switch n {
		case 0:
			first = p
		case 1: // the refresh answered the very same credential
			if p.Credential != first.Credential {
				t.Error("the refreshed sample is another credential")
			}
		}
		if text := fmt.Sprintf("%v %+v %#v", p, p, p); strings.Contains(text, p.Credential.Secret) || strings.Contains(text, p.Credential.Token) {
			t.Error("a place shows its credential")
		}
	}
	// Years later our clock has passed ExpireUTCTime; the seconds left count then.
	if p, err := DecodeTicket(sample(t, 2), testNow, ""); err != nil || !p.Expires.Equal(testNow.Add(3541*time.Second)) {
		t.Errorf("%v, %v", p.Expires, err)
	}
}

func encoded(v any) string {
	b, _ := json.Marshal(v)
	return base64.StdEncoding.EncodeToString(b)
}

type values map[string]any

func good() (address, auth values) {
	return values{"Endpoint": "https://oss-cn-shanghai.aliyuncs.com", "Bucket": "outin-x", "FileName": "sv/a b/视频.mp4"},
		values{"AccessKeyId": "STS.x", "AccessKeySecret": "SECRET", "SecurityToken": "SECRET-T", "ExpireUTCTime": "2026-11-20T11:00:00Z", "Expiration": "3600", "Region": "cn-beijing"}
}

func TestTheEndOfATicket(t *testing.T) {
	for name, c := range map[string]struct {
		utc, seconds any
		want         time.Duration
	}{
		"both":                       {"2026-11-20T11:00:00Z", "600", time.Hour},
		"ExpireUTCTime alone":        {"2026-11-20T10:30:00Z", nil, 30 * time.Minute},
		"over, and nothing else":     {"2026-11-20T09:00:00Z", nil, -time.Hour},
		"over, but seconds are left": {"2026-11-20T09:00:00Z", "600", 10 * time.Minute},
		"seconds as a text":          {nil, "600", 10 * time.Minute},
		"seconds as a number":        {nil, 600, 10 * time.Minute},
		"unreadable":                 {"soon", "many", TicketLife},
		"negative":                   {nil, -5, TicketLife},
		"neither":                    {nil, nil, TicketLife},
		"a thousand years":           {"3026-11-20T10:00:00Z", nil, 7 * 24 * time.Hour},
		"endless seconds":            {nil, 1e300, 7 * 24 * time.Hour},
	} {
		address, auth := good()
		delete(auth, "ExpireUTCTime")
		delete(auth, "Expiration")
		if c.utc != nil {
			auth["ExpireUTCTime"] = c.utc
		}
		if c.seconds != nil {
			auth["Expiration"] = c.seconds
		}
		p, err := DecodeTicket(Ticket{Address: encoded(address), Auth: encoded(auth)}, testNow, "")
		if err != nil || p.Expires.Sub(testNow) != c.want {
			t.Errorf("%s: in %v, want %v, %v", name, p.Expires.Sub(testNow), c.want, err)
		}
	}
}

func TestATicketThatCannotBe(t *testing.T) {
	set := func(name string, v any) func(a, b values) {
		return func(a, b values) {
			if _, ok := a[name]; ok {
				a[name] = v
			} else {
				b[name] = v
			}
		}
	}
	for name, change := range map[string]func(a, b values){
		"somebody's endpoint":    set("Endpoint", "https://evil.example"),
		"the look of one":        set("Endpoint", "https://oss-cn-shanghai.aliyuncs.com.evil.example"),
		"another of the cloud's": set("Endpoint", "https://ecs.aliyuncs.com"),
		"an inner address":       set("Endpoint", "http://169.254.169.254"),
		"loopback":               set("Endpoint", "http://127.0.0.1:9000"),
		"a port":                 set("Endpoint", "https://oss-cn-shanghai.aliyuncs.com:8443"),
		"a path":                 set("Endpoint", "https://oss-cn-shanghai.aliyuncs.com/x"),
		"a query":                set("Endpoint", "https://oss-cn-shanghai.aliyuncs.com?x"),
		"a user":                 set("Endpoint", "https://u@oss-cn-shanghai.aliyuncs.com"),
		"a bare name":            set("Endpoint", "oss-cn-shanghai.aliyuncs.com"),
		"a bucket of a path":     set("Bucket", "a/../b"),
		"a bucket's dots":        set("Bucket", "a.b.c"),
		"no bucket":              set("Bucket", nil),
		"a key at the top":       set("FileName", "/a"),
		"a key of a line":        set("FileName", "a\r\nb"),
		"a long key":             set("FileName", strings.Repeat("k", 1024)),
		"no key":                 set("FileName", ""),
		"no id":                  set("AccessKeyId", ""),
		"no secret":              set("AccessKeySecret", nil),
		"no token":               set("SecurityToken", ""),
		"a token of a line":      set("SecurityToken", "SECRET\r\nX: y"),
	} {
		address, auth := good()
		change(address, auth)
		_, err := DecodeTicket(Ticket{Address: encoded(address), Auth: encoded(auth)}, testNow, "")
		if f := fault.As(err); f == nil || f.Kind != fault.Permanent || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "evil") {
			t.Errorf("%s: %v", name, err)
		}
	}
	address, auth := good()
	for name, x := range map[string]Ticket{
		"no address": {Auth: encoded(auth)}, "no auth": {Address: encoded(address)}, "not base64": {Address: "%%", Auth: encoded(auth)},
		"not JSON": {Address: "YWFh", Auth: encoded(auth)}, "a list": {Address: "W10=", Auth: encoded(auth)}, "huge": {Address: strings.Repeat("YWFh", maxTicket), Auth: encoded(auth)},
	} {
		if _, err := DecodeTicket(x, testNow, ""); fault.KindOf(err) != fault.Permanent || fault.As(err) == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestATicketInOtherForms(t *testing.T) {
	address, auth := good()
	x := Ticket{Address: strings.TrimRight(encoded(address), "=") + "\n", Auth: encoded(auth)[:20] + "\r\n" + encoded(auth)[20:]}
	if p, err := DecodeTicket(x, testNow, ""); err != nil || p.Region != "cn-shanghai" || p.Key != "sv/a b/视频.mp4" {
		t.Errorf("no padding, line breaks: %+v, %v", p, err)
	}
	address["Endpoint"] = "http://oss-accelerate.aliyuncs.com/"
	if p, err := DecodeTicket(Ticket{Address: encoded(address), Auth: encoded(auth)}, testNow, ""); err != nil || p.Endpoint != "https://oss-accelerate.aliyuncs.com" || p.Region != "cn-beijing" {
		t.Errorf("an endpoint without a region, by http: %+v, %v", p, err)
	}
	address["Endpoint"] = "http://10.0.0.1"
	if p, err := DecodeTicket(Ticket{Address: encoded(address), Auth: encoded(auth)}, testNow, "http://127.0.0.1:9000"); err != nil || p.Endpoint != "http://127.0.0.1:9000" || p.Region != "cn-beijing" {
		t.Errorf("replaced: %+v, %v", p, err)
	}
}

func TestUserDataIsThePlatformsForm(t *testing.T) {
	for want, u := range map[string]UserData{
		"":                 {},
		`{"Extend":"u&1"}`: {Extend: "u&1"},
		`{"MessageCallback":{"CallbackURL":"https://x/cb?a&b","CallbackType":"HTTP"},"Extend":"u"}`: {Extend: "u", CallbackURL: "https://x/cb?a&b"},
	} {
		if got := u.Text(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzDecodeTicket(f *testing.F) {
	for n := 1; n <= 3; n++ {
		s := sample(f, n)
		f.Add(s.Address, s.Auth)
	}
	a, b := good()
	f.Add(encoded(a), encoded(b))
	f.Fuzz(func(t *testing.T, address, auth string) {
		p, err := DecodeTicket(Ticket{Address: address, Auth: auth}, testNow, "")
		if err != nil {
			if fault.As(err) == nil || fault.KindOf(err) != fault.Permanent {
				t.Errorf("%v", err)
			}
			return
		}
		checkPlace(t, p)
	})
}

// FuzzDecodeTicketJSON reaches what the base64 hides from the other.
func FuzzDecodeTicketJSON(f *testing.F) {
	a, b := good()
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	f.Add(x, y)
	f.Add([]byte(`{"Endpoint":5,"Bucket":[],"FileName":{}}`), []byte(`{"Expiration":1e999,"ExpireUTCTime":5}`))
	f.Fuzz(func(t *testing.T, address, auth []byte) {
		enc := base64.StdEncoding.EncodeToString
		if p, err := DecodeTicket(Ticket{Address: enc(address), Auth: enc(auth)}, testNow, ""); err == nil {
			checkPlace(t, p)
		}
	})
}

func checkPlace(t *testing.T, p Place) {
	host, ok := strings.CutPrefix(p.Endpoint, "https://oss-")
	if !ok || !strings.HasSuffix(host, ".aliyuncs.com") || strings.ContainsAny(host, "/@:?#") || len(p.Bucket) < 3 || strings.ContainsAny(p.Bucket, "./@:") || p.Key == "" || p.Key[0] == '/' || p.Credential.Token == "" ||
		strings.ContainsAny(p.Credential.ID+p.Credential.Secret+p.Credential.Token, "\r\n ") || p.Expires.IsZero() || p.Expires.After(testNow.Add(maxLife)) {
		t.Errorf("%+v ends %v", p, p.Expires)
	}
}

// FuzzAnswer: no answer makes a panic, and no error shows a secret.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"Video":{"VideoId":"v1","Status":"Normal","Snapshots":{"Snapshot":["a"]}},"PlayInfoList":{"PlayInfo":[{}]}}`))
	f.Add(404, []byte(`{"Code":"InvalidVideo.NotFound","RequestId":5,"Message":[]}`))
	f.Add(503, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		var out struct {
			Video   videoAnswer
			Base    videoAnswer       `json:"VideoBase"`
			Streams list[videoAnswer] `json:"PlayInfoList"`
		}
		k := &call{step: StepVideoInfo, op: "vod.Test", now: clock}
		if err := k.judge(background(), reply{status: status, body: body}, &out); err != nil && fault.As(err) == nil {
			t.Errorf("%v", err)
		}
		_ = out.Video.video()
		_ = moment(out.Video.Created)
	})
}
