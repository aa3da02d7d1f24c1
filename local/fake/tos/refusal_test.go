package tos

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/tos/drift"
)

func TestRefusalsOfAWholeObject(t *testing.T) {
	for name, c := range map[string]struct {
		want string
		body string
		edit func(*rig, *http.Request)
	}{
		"no authorization":          {"sign", "hello", func(_ *rig, q *http.Request) { q.Header.Del("Authorization") }},
		"two authorizations":        {"sign", "hello", func(r *rig, q *http.Request) { q.Header.Add("Authorization", r.sign) }},
		"altered signature":         {"sign", "hello", func(r *rig, q *http.Request) { q.Header.Set("Authorization", strings.Replace(r.sign, ":", ":A", 1)) }},
		"altered deadline":          {"sign", "hello", func(r *rig, q *http.Request) { swap(q, r.sign, 2, r.s.Sign(oid, time.Unix(1e11, 0))) }},
		"altered object":            {"sign", "hello", func(r *rig, q *http.Request) { swap(q, r.sign, 3, r.s.Sign("b/c", time.Unix(1e11, 0))) }},
		"signature of another":      {"sign", "hello", func(r *rig, q *http.Request) { q.Header.Set("Authorization", r.s.Sign("b/c", time.Unix(1e11, 0))) }},
		"another object":            {"sign", "hello", func(_ *rig, q *http.Request) { q.URL.Path += "0" }},
		"bearer before it":          {"sign", "hello", func(r *rig, q *http.Request) { q.Header.Set("Authorization", "Bearer "+r.sign) }},
		"past the deadline":         {"expired", "hello", func(r *rig, _ *http.Request) { r.clock.Advance(24 * time.Hour) }},
		"wrong crc":                 {"crc", "hello", func(_ *rig, q *http.Request) { q.Header.Set("Content-CRC32", "3610a687") }},
		"upper-case crc":            {"crc", "hello", func(_ *rig, q *http.Request) { q.Header.Set("Content-CRC32", "3610A686") }},
		"decimal crc":               {"crc", "hello", func(_ *rig, q *http.Request) { q.Header.Set("Content-CRC32", "907060870") }},
		"empty crc":                 {"crc", "hello", func(_ *rig, q *http.Request) { q.Header["Content-Crc32"] = []string{""} }},
		"json content type":         {"param", "hello", func(_ *rig, q *http.Request) { q.Header.Set("Content-Type", "application/json") }},
		"video content type":        {"param", "hello", func(_ *rig, q *http.Request) { q.Header.Set("Content-Type", "video/mp4") }},
		"no content type":           {"param", "hello", func(_ *rig, q *http.Request) { q.Header.Del("Content-Type") }},
		"empty body":                {"size", "", nil},
		"over the limit":            {"size", strings.Repeat("x", 201), nil},
		"another method":            {"no_path", "hello", func(_ *rig, q *http.Request) { q.Method = "GET" }},
		"a query that is not known": {"no_path", "hello", func(_ *rig, q *http.Request) { q.URL.RawQuery = "append" }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.whole(c.body, func(q *http.Request) {
				if c.edit != nil {
					c.edit(r, q)
				}
			}).want(t, c.want)
			r.stored("")
		})
	}
}

// swap takes part i of an authorization from another one.
func swap(q *http.Request, sign string, i int, other string) {
	parts := strings.Split(sign, ":")
	parts[i] = strings.Split(other, ":")[i]
	q.Header.Set("Authorization", strings.Join(parts, ":"))
}

func TestTheDeadlineIsExact(t *testing.T) {
	r := newRig(t)
	r.clock.Advance(24*time.Hour - time.Second)
	r.whole("hello").want(t, "")
	r.clock.Advance(time.Second)
	r.whole("hello").want(t, "expired")
}

func TestRefusalsOfChunks(t *testing.T) {
	for name, c := range map[string]struct {
		want string
		do   func(r *rig, id string) reply
	}{
		"open with a body":         {"param", func(r *rig, _ string) reply { return r.do("POST", "?uploads", []byte("x")) }},
		"open by PUT":              {"no_path", func(r *rig, _ string) reply { return r.do("PUT", "?uploads", nil) }},
		"open with a value":        {"no_path", func(r *rig, _ string) reply { return r.do("POST", "?uploads=1", nil) }},
		"open unsigned":            {"sign", func(r *rig, _ string) reply { return r.do("POST", "?uploads", nil, head("Authorization", "")) }},
		"unknown upload":           {"no_upload", func(r *rig, _ string) reply { return r.chunk("nope", 1, "abcd") }},
		"upload of another object": {"no_upload", otherObject},
		"lower-case id":            {"no_path", func(r *rig, id string) reply { return r.do("PUT", "?partNumber=1&uploadId="+id, []byte("abcd")) }},
		"no number":                {"no_path", func(r *rig, id string) reply { return r.do("PUT", "?uploadID="+id, []byte("abcd")) }},
		"negative number":          {"part", func(r *rig, id string) reply { return r.chunk(id, -1, "abcd") }},
		"number over the limit":    {"part", func(r *rig, id string) reply { return r.chunk(id, 51, "abcd") }},
		"number with a zero before": {"part", func(r *rig, id string) reply {
			return r.do("PUT", "?partNumber=01&uploadID="+id, []byte("abcd"), head("Content-CRC32", crc("abcd")))
		}},
		"no crc":             {"crc", func(r *rig, id string) reply { return r.chunk(id, 1, "abcd", head("Content-CRC32", "")) }},
		"wrong crc":          {"crc", func(r *rig, id string) reply { return r.chunk(id, 1, "abcd", head("Content-CRC32", crc("abce"))) }},
		"wrong content type": {"param", func(r *rig, id string) reply { return r.chunk(id, 1, "abcd", head("Content-Type", "video/mp4")) }},
		"too large":          {"size", func(r *rig, id string) reply { return r.chunk(id, 1, "abcdefghijk") }},
		"empty":              {"size", func(r *rig, id string) reply { return r.chunk(id, 1, "") }},
		"short before a later one": {"size", func(r *rig, id string) reply {
			r.chunk(id, 2, "abcd").want(r, "")
			return r.chunk(id, 1, "abc")
		}},
		"unsigned": {"sign", func(r *rig, id string) reply { return r.chunk(id, 1, "abcd", head("Authorization", "")) }},
		"past the deadline": {"expired", func(r *rig, id string) reply {
			r.clock.Advance(24 * time.Hour)
			return r.chunk(id, 1, "abcd")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			id := r.open()
			c.do(r, id).want(t, c.want)
			r.finish(id, "1:"+crc("abcd")) // nothing was kept that a close could use
			r.stored("")
		})
	}
}

func otherObject(r *rig, id string) reply {
	return r.chunk(id, 1, "abcd", func(q *http.Request) { q.URL.Path = "/b/c" }, head("Authorization", r.s.Sign("b/c", time.Unix(1e11, 0))))
}

func TestRefusalsOfClose(t *testing.T) {
	a, b, short := "1:"+crc("abcd"), "2:"+crc("efgh"), "3:"+crc("i")
	for name, c := range map[string]struct{ want, list string }{
		"empty":             {"part", ""},
		"one missing":       {"part", a + "," + b},
		"the first missing": {"part", b + "," + short},
		"one too many":      {"part", a + "," + b + "," + short + ",4:" + crc("x")},
		"another order":     {"part", b + "," + a + "," + short},
		"a comma too many":  {"part", a + "," + b + "," + short + ","},
		"spaces":            {"part", a + ", " + b + ", " + short},
		"numbers from 0":    {"part", "0" + a[1:] + ",1" + b[1:] + ",2" + short[1:]},
		"a wrong crc":       {"crc", a + ",2:" + crc("efgx") + "," + short},
		"upper case":        {"crc", strings.ToUpper(a) + "," + b + "," + short},
		"no crc":            {"crc", "1," + b + "," + short},
		"json":              {"part", `[{"partNumber":1}]`},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			id := r.open()
			for n, text := range []string{"abcd", "efgh", "i"} {
				r.chunk(id, n+1, text).want(t, "")
			}
			r.finish(id, c.list).want(t, c.want)
			r.stored("")
			r.finish(id, a+","+b+","+short).want(t, "") // nothing was lost
			r.stored("abcdefghi")
			r.finish(id, a+","+b+","+short).want(t, "no_upload")
			r.chunk(id, 4, "late").want(t, "no_upload")
		})
	}
	t.Run("a gap, or none of the first", func(t *testing.T) {
		r := newRig(t)
		id := r.open()
		r.finish(id, a).want(t, "part")
		r.chunk(id, 1, "abcd").want(t, "")
		r.chunk(id, 3, "i").want(t, "")
		r.finish(id, a+","+short).want(t, "part")
		r.finish(id, a+",2:"+crc("i")).want(t, "part")
		id = r.open()
		r.chunk(id, 2, "efgh").want(t, "")
		r.finish(id, b).want(t, "part")
	})
	t.Run("a short chunk that was the last when it came", func(t *testing.T) {
		r := newRig(t)
		id := r.open()
		r.chunk(id, 1, "abc").want(t, "")
		r.chunk(id, 2, "efgh").want(t, "")
		r.finish(id, "1:"+crc("abc")+","+b).want(t, "size")
		r.chunk(id, 1, "abcd").want(t, "") // sent again, whole
		r.finish(id, a+","+b).want(t, "")
	})
	t.Run("more in all than an object may have", func(t *testing.T) {
		r := newRig(t, func(o *Options) { o.Limits.Whole = 7 })
		id := r.open()
		r.chunk(id, 1, "abcd").want(t, "")
		r.chunk(id, 2, "efgh").want(t, "")
		r.finish(id, a+","+b).want(t, "size")
		r.stored("")
	})
}

func TestOtherReadings(t *testing.T) {
	one := func(r *rig, n int) reply { id := r.open(); return r.chunk(id, n, "abcd") }
	closed := func(r *rig) (string, string) {
		id, list := r.open(), "1:"+crc("abcd")
		r.chunk(id, 1, "abcd").want(r, "")
		r.finish(id, list).want(r, "")
		return id, list
	}
	for name, c := range map[string]struct {
		set  Readings
		want string
		do   func(*rig) reply
	}{
		"crc required":           {Readings{CRC: "required"}, "crc", func(r *rig) reply { return r.whole("x") }},
		"crc optional":           {Readings{CRC: "optional"}, "", func(r *rig) reply { return r.chunk(r.open(), 1, "abcd", head("Content-CRC32", "")) }},
		"crc optional, but read": {Readings{CRC: "optional"}, "crc", func(r *rig) reply { return r.chunk(r.open(), 1, "abcd", head("Content-CRC32", "00000000")) }},
		"crc loose":              {Readings{CRCForm: "loose"}, "", func(r *rig) reply { return r.whole("hello", head("Content-CRC32", "3610A686")) }},
		"crc loose, but a sign":  {Readings{CRCForm: "loose"}, "crc", func(r *rig) reply { return r.whole("hello", head("Content-CRC32", "+3610A68")) }},
		"content type ignored":   {Readings{ContentType: "ignore"}, "", func(r *rig) reply { return r.whole("x", head("Content-Type", "video/mp4")) }},
		"first is one, 0 sent":   {Readings{FirstPart: "one"}, "part", func(r *rig) reply { return one(r, 0) }},
		"first is one":           {Readings{FirstPart: "one"}, "", func(r *rig) reply { return one(r, 1) }},
		"first is zero, 1 sent": {Readings{FirstPart: "zero"}, "part", func(r *rig) reply {
			id := r.open()
			r.chunk(id, 1, "abcd").want(r, "")
			return r.finish(id, "1:"+crc("abcd"))
		}},
		"no chunk by POST":     {Readings{PostChunk: "refuse"}, "no_path", func(r *rig) reply { return r.chunk(r.open(), 1, "abcd", func(q *http.Request) { q.Method = "POST" }) }},
		"out of order":         {Readings{PartOrder: "ascending"}, "part", func(r *rig) reply { return one(r, 2) }},
		"in order":             {Readings{PartOrder: "ascending"}, "", func(r *rig) reply { return one(r, 1) }},
		"in order from zero":   {Readings{PartOrder: "ascending"}, "", func(r *rig) reply { return one(r, 0) }},
		"repeated chunk":       {Readings{RepeatedPart: "refuse"}, "part", func(r *rig) reply { id := r.open(); r.chunk(id, 1, "abcd"); return r.chunk(id, 1, "abcd") }},
		"short last chunk":     {Readings{ShortLastPart: "refuse"}, "size", func(r *rig) reply { return r.chunk(r.open(), 1, "abc") }},
		"second close is same": {Readings{SecondClose: "same"}, "", func(r *rig) reply { return r.finish(closed(r)) }},
		"second upload":        {Readings{SecondUpload: "refuse"}, "param", func(r *rig) reply { r.whole("abcd").want(r, ""); return r.whole("abcd") }},
	} {
		t.Run(name, func(t *testing.T) {
			c.do(newRig(t, func(o *Options) { o.Readings = c.set })).want(t, c.want)
		})
	}
	if _, err := New(Options{Readings: Readings{CRC: "maybe"}}); err == nil {
		t.Error("an unknown reading was taken")
	}
	if _, err := New(Options{Limits: Limits{PartMin: 9, PartMax: 3}}); err == nil {
		t.Error("impossible limits were taken")
	}
}

func TestRefusalsAsHTTPStatusAndAsPage(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Readings = Readings{Status: "http", DeadSign: "page"} })
	if a := r.whole("hello", head("Content-CRC32", "00000000")); a.status != 400 || *a.body.Success == 0 {
		t.Error(a.status, a.raw)
	}
	if a := r.chunk("nope", 1, "abcd"); a.status != 404 {
		t.Error(a.status, a.raw)
	}
	if a := r.whole("hello", head("Authorization", "")); a.status != 403 || a.body.Success != nil {
		t.Error(a.status, a.raw)
	}
}

func TestABodyWithoutALengthIsRefused(t *testing.T) {
	chunked := func(q *http.Request) { q.ContentLength, q.Body = -1, io.NopCloser(strings.NewReader("hello")) }
	r := newRig(t)
	if a := r.whole("hello", chunked); a.status != 411 {
		t.Error(a.status, a.raw)
	}
	r.stored("")
	r = newRig(t, func(o *Options) { o.Readings.ChunkedBody = "accept" })
	r.whole("hello", chunked).want(t, "")
	r.whole(strings.Repeat("x", 201), func(q *http.Request) { q.ContentLength = -1 }).want(t, "size")
	r.stored("hello")
}

func TestABodyThatBreaksOffStoresNothing(t *testing.T) {
	r := newRig(t)
	id := r.open()
	for _, query := range []string{"", "?partNumber=1&uploadID=" + id} {
		a := r.do("PUT", query, []byte("abcd"), head("Content-Type", "application/octet-stream", "Content-CRC32", crc("abcd")), func(q *http.Request) { q.ContentLength = 8 })
		if a.err == nil {
			t.Error("answered", a.raw)
		}
	}
	r.finish(id, "1:"+crc("abcd")).want(t, "part")
	r.stored("")
}

func TestFaults(t *testing.T) {
	for cut, want := range map[string]string{fake.CutStart: "", fake.CutBody: "", fake.CutBefore: "", fake.CutAfter: "hello"} {
		r := newRig(t)
		r.inject(fake.Fault{Op: "upload", Cut: cut})
		if a := r.whole("hello"); a.err == nil {
			t.Error(cut, "answered", a.raw)
		}
		r.stored(want)
	}
	r := newRig(t)
	r.inject(fake.Fault{Op: "chunk", Name: "rate"})
	r.chunk(r.open(), 1, "abcd").want(t, "rate")
	r.inject(fake.Fault{Op: "upload", Code: 77})
	if a := r.whole("x"); a.body.Error.Code != 77 || *a.body.Success == 0 {
		t.Error(a.raw)
	}
	r.inject(fake.Fault{Op: "upload", Status: 503, RetryAfter: 3})
	if a := r.whole("x"); a.status != 503 {
		t.Error(a.raw)
	}
	r.inject(fake.Fault{Op: "upload", Body: fake.BodyGarbled})
	if a := r.whole("hello"); a.body.Success != nil && a.body.Payload.Key != "" {
		t.Error(a.raw)
	}
	r.stored("hello")
	r.inject(fake.Fault{Op: "open", Token: fake.TokenExpire, When: fake.After})
	id := r.open()
	r.chunk(id, 1, "abcd").want(t, "expired")
	for _, f := range []fake.Fault{{Op: "uplaod", Code: 1}, {Op: "upload", Name: "nope"}, {Op: "upload", Account: "x", Code: 1},
		{Op: "upload", Shape: drift.Dropped("payload.uploadId").JSON()}} {
		if r.s.Inject(f) == nil {
			t.Errorf("%+v was armed", f)
		}
	}
}

func TestDrift(t *testing.T) {
	r := newRig(t)
	for want, shape := range map[string]drift.Shape{
		`{"payload":{"uploadId":`:               drift.Renamed("payload.uploadID", "uploadId"),
		`{"payload":{},"success":0}`:            drift.Dropped("payload.uploadID"),
		`{"payload":{"uploadID":7},"success":0`: drift.Replaced("payload.uploadID", "7"),
		`{"extra":[1],"payload":`:               drift.Added("extra", "[1]"),
		`"success":"0"`:                         {NumbersAsStrings: true},
	} {
		r.inject(fake.Fault{Op: "open", Shape: shape.JSON()})
		if a := r.do("POST", "?uploads", nil); !strings.Contains(a.raw, want) {
			t.Errorf("want %s in %s", want, a.raw)
		}
	}
	if got, err := drift.Fields([]byte(r.whole("x").raw)); err != nil || strings.Join(got, " ") != strings.Join(Fields(), " ") {
		t.Errorf("Fields() is not what an answer has: %v %v", got, err)
	}
}

func TestLeaksAndLog(t *testing.T) {
	r := newRig(t)
	id := r.open()
	r.whole("x", head("Cookie", "sessionid=1")).want(t, "")
	if got := r.s.Leaks(); len(got) != 1 || got[0] != "upload: Cookie" {
		t.Error(got)
	}
	r.chunk(id, 1, "abcd").want(t, "")
	for _, e := range r.s.Requests(0) {
		if strings.Contains(e.Query, id) {
			t.Error("an open upload in the log")
		}
	}
	if c := r.s.Counters(); c["open"].Requests != 1 || c["chunk"].Requests != 1 || c["upload"].Requests != 1 {
		t.Errorf("%+v", c)
	}
}
