package douyin

import (
	"net/http"
	"slices"
	"strconv"
)

// visible are the user's posts that list and data show now, newest first. Called with s.mu held.
func (s *Server) visible(who caller) []*post {
	var out []*post
	for _, p := range slices.Backward(s.st.Posts) {
		if p.OpenID == who.acct.OpenID && p.ClientKey == who.app.ClientKey && !p.Deleted && s.o.Now().Sub(p.Created) >= s.o.ListLag {
			out = append(out, p)
		}
	}
	return out
}

// list shows a page of the user's posts (ref. A.8.1). The cursor is opaque to clients; here it is the number of the last
// post looked at. Pinned posts stand on top of the first page beside the count, which makes it longer; with the reading
// "shorter" their own places further down stay empty as well, which makes those pages shorter.
func (s *Server) list(r *http.Request, c call) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, res := s.admit(r, c)
	if res.failed() {
		return res
	}
	cursor, err := strconv.ParseInt(c.query.Get("cursor"), 10, 64)
	if err != nil || cursor < 0 {
		return fail(c.family, paramInvalid, "cursor is invalid")
	}
	count, err := strconv.Atoi(c.query.Get("count"))
	if err != nil || count < 1 || count > s.o.Limits.ListCount { // maximum unconfirmed, assumed 20
		return fail(c.family, paramInvalid, "count is invalid")
	}
	page := []object{}
	var rest []*post
	for _, p := range s.visible(who) {
		if p.Pinned && cursor == 0 {
			page = append(page, s.listItem(p))
		}
		if (!p.Pinned || s.o.Readings.PinnedPage == "shorter") && (cursor == 0 || p.Seq < cursor) {
			rest = append(rest, p)
		}
	}
	for _, p := range rest[:min(count, len(rest))] {
		cursor = p.Seq
		if !p.Pinned {
			page = append(page, s.listItem(p))
		}
	}
	return ok(object{"list": page, "cursor": cursor, "has_more": len(rest) > count})
}

// listItem is one post as list and data show it (ref. A.8.2).
func (s *Server) listItem(p *post) object {
	item := object{"item_id": p.ItemID, "title": p.Text, "cover": "https://p3.douyinpic.example/" + p.PublicID + ".jpeg",
		"is_top": p.Pinned, "create_time": p.Created.Unix(), "media_type": 4, "video_id": p.PublicID,
		"share_url":  "https://www.iesdouyin.example/share/video/" + p.PublicID + "/",
		"statistics": object{"comment_count": 0, "digg_count": 0, "download_count": 0, "forward_count": 0, "play_count": 0, "share_count": 0}}
	if s.o.Readings.ReviewFields == "sent" { // gone since 2024-12-13
		item["is_reviewed"], item["video_status"] = true, [3]int{5, 7, 6}[p.Private]
	}
	return item
}

// data shows posts by id, only the caller's; others are left out without a word (ref. A.8.4).
func (s *Server) data(r *http.Request, c call) result {
	var body struct {
		ItemIDs []string `json:"item_ids"`
	}
	err := decodeBody(r, &body)
	s.mu.Lock()
	defer s.mu.Unlock()
	who, res := s.admit(r, c)
	if res.failed() {
		return res
	}
	if err != nil || len(body.ItemIDs) == 0 {
		return fail(c.family, paramInvalid, "item_ids is required")
	}
	items := []object{}
	for _, p := range s.visible(who) {
		if slices.Contains(body.ItemIDs, p.ItemID) {
			items = append(items, s.listItem(p))
		}
	}
	return ok(object{"list": items})
}

// delete removes one of the caller's posts (ref. A.8.5). Codes of the refusals are assumed.
func (s *Server) delete(r *http.Request, c call) result {
	var body struct {
		ItemID string `json:"item_id"`
	}
	err := decodeBody(r, &body)
	s.mu.Lock()
	defer s.mu.Unlock()
	who, res := s.admit(r, c)
	if res.failed() {
		return res
	}
	if err != nil || body.ItemID == "" {
		return fail(c.family, paramInvalid, "item_id is required")
	}
	i := slices.IndexFunc(s.st.Posts, func(p *post) bool {
		return p.ItemID == body.ItemID && p.ClientKey == who.app.ClientKey && !p.Deleted
	})
	switch {
	case i < 0:
		return fail(c.family, paramInvalid, "item_id is invalid")
	case s.st.Posts[i].OpenID != who.acct.OpenID:
		return fail(c.family, noRight, "")
	}
	s.st.Posts[i].Deleted = true
	return s.saved(ok(nil))
}
