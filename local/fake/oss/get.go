package oss

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// getObject answers GET and HEAD of an object (ref. d.1).
func (s *Server) getObject(c call) result {
	s.mu.Lock()
	o := c.bucket.objects[c.key]
	if o != nil {
		s.hold(c.bucket, o.Folder)
	}
	s.mu.Unlock()
	if o == nil {
		return refused(fail("NoSuchKey").with("Key", c.key))
	}
	done := func() { s.release(c.bucket, o.Folder) }
	header := o.answerHeader()
	if f := conditions(c.r.Header, o); f != nil {
		done()
		return result{fail: f, header: http.Header{"Etag": header["Etag"], "Last-Modified": header["Last-Modified"]}}
	}
	overrides(c.query, header)
	off, n, partial, f := s.window(c.r.Header, o.Size)
	if f != nil {
		done()
		return result{fail: f, header: http.Header{"Content-Range": {fmt.Sprintf("bytes */%d", o.Size)}}}
	}
	res := result{status: http.StatusOK, header: header}
	if partial {
		res.status = http.StatusPartialContent
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, off+n-1, o.Size))
	}
	if c.r.Method == http.MethodHead {
		done()
		res.stream = &stream{size: n}
		return res
	}
	res.stream = &stream{ReadCloser: s.reader(c.bucket, o, off, n, done), size: n}
	return res
}

// answerHeader is what GET and HEAD say about an object. The CRC is that of the whole object, in a range too.
func (o *object) answerHeader() http.Header {
	h := http.Header{"Etag": {quote(o.ETag)}, "Last-Modified": {o.Modified.Format(http.TimeFormat)}, "Accept-Ranges": {"bytes"},
		"x-oss-hash-crc64ecma": {crcText(o.CRC64)}, "x-oss-object-type": {o.Type}}
	for name, value := range o.Header {
		h[name] = []string{value}
	}
	if o.Type == "Normal" {
		h["Content-Md5"] = []string{md5Base64(o.MD5)}
	}
	return h
}

// overrides obeys response-content-type and its like.
func overrides(q map[string][]string, h http.Header) {
	for _, name := range []string{"Content-Type", "Content-Language", "Expires", "Cache-Control", "Content-Disposition", "Content-Encoding"} {
		if v := q["response-"+strings.ToLower(name)]; len(v) > 0 && v[0] != "" {
			h[name] = v[:1]
		}
	}
}

// conditions are If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since.
func conditions(h http.Header, o *object) *failure {
	unmodified := &failure{code: "NotModified", status: http.StatusNotModified}
	since := func(name string) (time.Time, bool) {
		t, err := http.ParseTime(h.Get(name))
		return t, err == nil
	}
	modified := o.Modified.Truncate(time.Second)
	if v := h.Get("If-Match"); v != "" && !anyETag(v, o.ETag) {
		return fail("PreconditionFailed").with("Condition", "If-Match")
	}
	if t, ok := since("If-Unmodified-Since"); ok && modified.After(t) {
		return fail("PreconditionFailed").with("Condition", "If-Unmodified-Since")
	}
	if v := h.Get("If-None-Match"); v != "" {
		if anyETag(v, o.ETag) {
			return unmodified
		}
		return nil
	}
	if t, ok := since("If-Modified-Since"); ok && !modified.After(t) {
		return unmodified
	}
	return nil
}

func anyETag(list, etag string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(one string) bool {
		one = strings.Trim(strings.TrimSpace(one), `"`)
		return one == "*" || one == etag
	})
}

// window reads Range. A bad one gives the whole object with 200, unless the request asks for standard behaviour.
func (s *Server) window(h http.Header, size int64) (off, n int64, partial bool, f *failure) {
	text := h.Get("Range")
	if text == "" {
		return 0, size, false, nil
	}
	standard := h.Get("x-oss-range-behavior") == "standard"
	off, end, clamped, ok := parseRange(text, size)
	switch {
	case ok && (!clamped || standard || s.o.Readings.ShortRange == "clamp"):
		return off, end - off + 1, true, nil
	case !ok && standard && wellFormed(text):
		return 0, 0, false, fail("InvalidRange").with("RangeHeader", text).with("ActualObjectSize", strconv.FormatInt(size, 10))
	}
	return 0, size, false, nil
}

// parseRange gives the first and last byte of one range; clamped says that it went beyond the object.
func parseRange(text string, size int64) (off, end int64, clamped, ok bool) {
	spec, found := strings.CutPrefix(text, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !found || !dash || strings.Contains(spec, ",") {
		return 0, 0, false, false
	}
	a, errA := strconv.ParseInt(first, 10, 64)
	b, errB := strconv.ParseInt(last, 10, 64)
	switch {
	case first == "" && errB == nil && b > 0 && size > 0: // the last b bytes
		return max(size-b, 0), size - 1, b > size, true
	case errA != nil || a < 0 || a >= size:
		return 0, 0, false, false
	case last == "":
		return a, size - 1, false, true
	case errB != nil || b < a:
		return 0, 0, false, false
	}
	return a, min(b, size-1), b >= size, true
}

// wellFormed tells a range that cannot be satisfied from one that is no range at all, which is ignored.
func wellFormed(text string) bool {
	_, _, _, ok := parseRange(text, 1<<62)
	return ok || text == "bytes=-0"
}
