package douyinweb

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// seedFields are the fields of the seed's form, in its order (ref. B.1, step 5).
func seedFields() []string {
	return []string{"video_id", "poster", "poster_delay", "text", "text_extra", "challenges", "mentions", "visibility_type",
		"third_text", "download", "upload_source", "mix_id", "mix_order", "is_preview"}
}

// newerFields are those that only newer sources have.
func newerFields() []string { return []string{"timing", "item_title"} }

// readForm reads the form of a create. What the site does not know it ignores.
func (s *Server) readForm(r *http.Request) (url.Values, result) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, fail(badParam, "Content-Type: want application/x-www-form-urlencoded")
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fail(badParam, "malformed form")
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, fail(badParam, "malformed form")
	}
	required := seedFields()
	if s.o.Readings.Fields == "lenient" {
		required = []string{"video_id", "text"}
	}
	for _, k := range required {
		if !form.Has(k) {
			return nil, fail(badParam, k+" is required")
		}
	}
	for _, k := range slices.Concat(seedFields(), newerFields()) {
		if len(form[k]) > 1 {
			return nil, fail(badParam, k+" is sent twice")
		}
	}
	return form, result{}
}

// create makes the post (ref. B.1, step 5). It is not idempotent.
func (s *Server) create(r *http.Request, who *account) result {
	if res := s.checkCSRF(r, who); res.failed() {
		return res
	}
	form, res := s.readForm(r)
	if res.failed() {
		return res
	}
	if who.Condition == Barred {
		return fail(barred, "")
	}
	for _, check := range []func(url.Values) result{s.checkPlain, s.checkText, s.checkTiming} {
		if res := check(form); res.failed() {
			return res
		}
	}
	sl, res := s.checkVideo(form, who)
	if res.failed() {
		return res
	}
	sl.Posts++
	p := &post{Seq: s.seq(), ItemID: s.digits(19), UID: who.UID, VID: sl.VID, Text: form.Get("text"), Created: s.o.Now(), Fields: fieldsOf(form)}
	p.Visibility, _ = strconv.Atoi(form.Get("visibility_type"))
	if unix, err := strconv.ParseInt(form.Get("timing"), 10, 64); err == nil && unix > 0 {
		p.Timing = time.Unix(unix, 0)
	}
	s.st.Posts = append(s.st.Posts, p)
	return s.saved(s.created(p))
}

func (s *Server) seq() int64 { s.st.Seq++; return s.st.Seq }

// created is the answer: item_id or aweme.aweme_id (ref. B.1, step 5).
func (s *Server) created(p *post) result {
	data := object{}
	if s.o.Readings.CreateAnswer != "aweme" {
		data["item_id"] = p.ItemID
	}
	if s.o.Readings.CreateAnswer != "item_id" {
		data["aweme"] = object{"aweme_id": p.ItemID}
	}
	return ok(data)
}

// fieldsOf keeps what the site understood of the form.
func fieldsOf(form url.Values) json.RawMessage {
	known := map[string]string{}
	for _, k := range slices.Concat(seedFields(), newerFields()) {
		if form.Has(k) {
			known[k] = form.Get(k)
		}
	}
	b, err := json.Marshal(known)
	if err != nil {
		panic(err) // strings
	}
	return b
}

// checkVideo: known, the caller's, confirmed, and the poster is one of this video (ref. B.1, step 5).
func (s *Server) checkVideo(form url.Values, who *account) (*slot, result) {
	sl := s.st.Slots[form.Get("video_id")]
	if sl == nil || sl.UID != who.UID || sl.OID == "" {
		return nil, fail(badVideo, "")
	}
	if sl.Posts > 0 && s.o.Readings.ReusedVideo == "refuse" {
		return nil, fail(badVideo, "the video is published")
	}
	if !form.Has("poster") { // only where the reading is lenient
		return sl, result{}
	}
	poster, reading := form.Get("poster"), s.o.Readings.Poster
	if (poster == sl.Poster && reading != "video") || (poster == sl.OID && reading != "poster") {
		return sl, result{}
	}
	return nil, fail(badParam, "poster is not of this video")
}

// checkPlain: the fields that are small numbers (ref. B.1, step 5).
func (s *Server) checkPlain(form url.Values) result {
	oneOf := map[string]string{"visibility_type": "0 1 2", "download": "0 1", "upload_source": "1", "is_preview": "0"}
	for _, k := range []string{"visibility_type", "download", "upload_source", "is_preview"} {
		if form.Has(k) && !slices.Contains(strings.Fields(oneOf[k]), form.Get(k)) {
			return fail(badParam, k+" is invalid")
		}
	}
	if form.Has("poster_delay") {
		if n, err := strconv.ParseFloat(form.Get("poster_delay"), 64); err != nil || !(n >= 0 && n <= 1e6) { // NaN is neither
			return fail(badParam, "poster_delay is invalid")
		}
	}
	id, order := form.Get("mix_id"), form.Get("mix_order")
	if (id == "") != (order == "") || id != "" && (!isDigits(id) || !isDigits(order) || order == "0") {
		return fail(badParam, "mix_id and mix_order: both, as numbers, or none")
	}
	return result{}
}

func isDigits(v string) bool { return v != "" && strings.Trim(v, "0123456789") == "" }

// checkTiming: absent or -1 now, else unix seconds ahead (ref. B.1, "newer").
func (s *Server) checkTiming(form url.Values) result {
	v := form.Get("timing")
	if v == "" || v == "-1" {
		return result{}
	}
	if unix, err := strconv.ParseInt(v, 10, 64); err != nil || unix <= s.o.Now().Unix() {
		return fail(badParam, "timing is invalid")
	}
	return result{}
}
