package douyin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// createBody is the body of create (ref. A.7). Pointers where "not set" differs from zero.
type createBody struct {
	VideoID       string          `json:"video_id"`
	Text          string          `json:"text"`
	AtUsers       []string        `json:"at_users"`
	CoverTsp      *float64        `json:"cover_tsp"`
	CoverImage    string          `json:"custom_cover_image_url"`
	MicroAppID    string          `json:"micro_app_id"`
	MicroAppTitle string          `json:"micro_app_title"`
	MicroAppURL   string          `json:"micro_app_url"`
	PoiID         string          `json:"poi_id"`
	PoiName       string          `json:"poi_name"`
	PoiCommerce   bool            `json:"poi_commerce"`
	GameID        string          `json:"game_id"`
	GameContent   string          `json:"game_content"`
	ArticleID     string          `json:"article_id"`
	ArticleTitle  string          `json:"article_title"`
	PrivateStatus int             `json:"private_status"`
	DownloadType  *int            `json:"download_type"`
	Timeliness    *int            `json:"timeliness_label"`
	TimelinessKey string          `json:"timeliness_keyword"`
	EntID         string          `json:"ent_id"`
	TaskID        string          `json:"task_id"`
	Agent         string          `json:"agent_client_key"`
	Panorama      json.RawMessage `json:"vr_transcode_extra_params"`
}

// createFields lists the fields a generation knows (ref. A.7, last column). What it does not know it ignores without a
// word: a private_status on the legacy call makes a public post.
func createFields(f family) []string {
	fields := []string{"video_id", "text", "at_users", "cover_tsp", "custom_cover_image_url", "micro_app_id",
		"micro_app_title", "micro_app_url", "poi_id", "poi_name", "article_id", "article_title"}
	if f == v1Call {
		fields = append(fields, "poi_commerce", "game_id", "game_content", "private_status", "download_type",
			"timeliness_label", "timeliness_keyword", "ent_id", "task_id", "agent_client_key", "vr_transcode_extra_params")
	}
	return fields
}

// readCreate decodes the body, keeping only known fields, by their exact names; null is as good as missing.
func readCreate(r *http.Request, f family) (createBody, json.RawMessage, result) {
	var all map[string]json.RawMessage
	var body createBody
	if err := decodeBody(r, &all); err != nil {
		return body, nil, fail(f, paramInvalid, "body: want a JSON object, Content-Type application/json")
	}
	known := map[string]json.RawMessage{}
	for _, name := range createFields(f) {
		if v, sent := all[name]; sent && string(v) != "null" {
			known[name] = v
		}
	}
	fields, err := json.Marshal(known)
	if err == nil {
		err = json.Unmarshal(fields, &body)
	}
	if err != nil {
		return body, nil, fail(f, paramInvalid, "body: a field has the wrong type")
	}
	return body, fields, result{}
}

// create makes the post (ref. A.7). It is not idempotent, and nothing in it can make it so.
func (s *Server) create(r *http.Request, c call) result {
	body, fields, bad := readCreate(r, c.family)
	s.mu.Lock()
	defer s.mu.Unlock()
	who, res := s.admit(r, c)
	if res.failed() {
		return res
	}
	if bad.failed() {
		return bad
	}
	if res := s.checkCreate(c, who, body); res.failed() {
		return res
	}
	v := s.st.Videos[body.VideoID]
	v.Posts++
	p := &post{Seq: s.seq(), ItemID: s.itemID(), PublicID: s.publicID(), ClientKey: who.app.ClientKey, OpenID: who.acct.OpenID,
		VideoID: v.ID, Text: body.Text, Created: s.o.Now(), Private: body.PrivateStatus, Fields: fields}
	s.st.Posts = append(s.st.Posts, p)
	data := object{"item_id": p.ItemID}
	if c.family == v1Call && s.o.Readings.CreateVideoID == "public" { // ref. A.7: v1 may add it, meaning unconfirmed
		data["video_id"] = p.PublicID
	}
	return s.saved(ok(data))
}

// checkCreate applies the rules of ref. A.6 and A.7. Called with s.mu held.
func (s *Server) checkCreate(c call, who caller, b createBody) result {
	bad := func(format string, args ...any) result { return fail(c.family, paramInvalid, format, args...) }
	switch {
	case b.VideoID == "": // ref. A.7: required
		return bad("video_id is required")
	case s.textLength(b.Text) > s.o.Limits.Text: // ref. A.6, C; code assumed
		return failAs(s.o.Readings.TextCode, c.family, "text is longer than %d characters", s.o.Limits.Text)
	case b.anchors() > 1: // ref. A.7: one kind of anchor at a time
		return failAs(s.o.Readings.AnchorCode, c.family, "more than one kind of anchor")
	case b.ArticleID != "" || b.ArticleTitle != "": // ref. A.7: listed as not open
		return bad("article is not open")
	case b.CoverTsp != nil && *b.CoverTsp < 0:
		return bad("cover_tsp is negative")
	case b.PrivateStatus < 0 || b.PrivateStatus > 2: // ref. A.7: 0, 1, 2
		return bad("private_status is invalid")
	}
	if b.CoverImage != "" { // ref. A.7: an image_id from image upload
		img := s.st.Images[b.CoverImage]
		if img == nil || img.OpenID != who.acct.OpenID || img.ClientKey != who.app.ClientKey {
			return bad("custom_cover_image_url is not an image_id")
		}
	}
	if word := s.o.SensitiveWord; word != "" && strings.Contains(b.Text, word) {
		return fail(c.family, sensitive, "")
	}
	if res := s.checkVideo(c, who, b.VideoID); res.failed() {
		return res
	}
	if s.postsToday(who.acct) >= s.o.Limits.PostsPerDay { // ref. C: 76th post of the day
		return fail(c.family, dailyLimit, "")
	}
	return result{}
}

// checkVideo: known, the caller's, young if unused, unused (ref. A.4, C).
func (s *Server) checkVideo(c call, who caller, id string) result {
	v := s.st.Videos[id]
	if v == nil || v.OpenID != who.acct.OpenID || v.ClientKey != who.app.ClientKey {
		return fail(c.family, videoInvalid, "")
	}
	if v.Posts > 0 && s.o.Readings.ReusedVideo == "refuse" { // one video_id serves one create
		return failCode(s.o.Readings.ReusedVideoCode)
	}
	if v.Posts == 0 && s.o.Now().Sub(v.Created) >= s.o.Limits.UnusedVideoLife {
		return fail(c.family, videoInvalid, "")
	}
	return s.checkDuration(c, v.Duration, "create")
}

// anchors counts the kinds of anchor that are set.
func (b createBody) anchors() int {
	n := 0
	for _, set := range []bool{
		b.MicroAppID+b.MicroAppTitle+b.MicroAppURL != "",
		b.PoiID+b.PoiName != "" || b.PoiCommerce,
		b.GameID+b.GameContent != "",
	} {
		if set {
			n++
		}
	}
	return n
}

func (s *Server) textLength(text string) int {
	if s.o.Readings.TextUnit == "utf16" {
		return len(utf16.Encode([]rune(text)))
	}
	return utf8.RuneCountInString(text)
}

// postsToday counts the posts that this app made for the user this day; a deleted one counts.
func (s *Server) postsToday(acct *account) int {
	today, n := s.day(s.o.Now()), 0
	for _, p := range slices.Backward(s.st.Posts) {
		if p.OpenID == acct.OpenID && p.ClientKey == acct.ClientKey && !p.ByHand && !p.Shared && s.day(p.Created) == today {
			n++
		}
	}
	return n
}
