package douyinweb

import (
	"net/http"
	"slices"
	"strconv"
)

// visible are the user's posts that the lists show now, newest first. Called with s.mu held.
func (s *Server) visible(who *account) []*post {
	var out []*post
	for _, p := range slices.Backward(s.st.Posts) {
		if p.UID == who.UID && s.o.Now().Sub(p.Created) >= s.o.ListLag {
			out = append(out, p)
		}
	}
	return out
}

// page cuts one page behind a cursor, which is the number of the last post shown.
func (s *Server) page(who *account, cursor string, count int) (posts []*post, next int64, more bool, valid bool) {
	var after int64
	if cursor != "" {
		var err error
		if after, err = strconv.ParseInt(cursor, 10, 64); err != nil || after < 0 {
			return nil, 0, false, false
		}
	}
	next = after
	for _, p := range s.visible(who) {
		if after != 0 && p.Seq >= after {
			continue
		}
		if len(posts) == count {
			return posts, next, true, true
		}
		posts, next = append(posts, p), p.Seq
	}
	return posts, next, false, true
}

// itemList is the works list of ref. B.1, helper reads. Only its path and cursor are known; the answer is assumed.
func (s *Server) itemList(r *http.Request, who *account) result {
	posts, next, more, valid := s.page(who, r.URL.Query().Get("cursor"), 18)
	if !valid {
		return fail(badParam, "cursor is invalid")
	}
	items := []object{}
	for _, p := range posts {
		items = append(items, object{"item_id": p.ItemID, "title": p.Text, "create_time": p.Created.Unix(), "visibility_type": p.Visibility})
	}
	return ok(object{"item_info_list": items, "cursor": next, "has_more": more})
}

// workList is the other one (ref. B.1, helper reads): path, count and max_cursor are known; the answer is assumed.
func (s *Server) workList(r *http.Request, who *account) result {
	q := r.URL.Query()
	count, err := strconv.Atoi(q.Get("count"))
	posts, next, more, valid := s.page(who, q.Get("max_cursor"), count)
	if err != nil || count < 1 || count > 50 || !valid {
		return fail(badParam, "count or max_cursor is invalid")
	}
	items := []object{}
	for _, p := range posts {
		items = append(items, object{"aweme_id": p.ItemID, "desc": p.Text, "create_time": p.Created.Unix(), "visibility_type": p.Visibility})
	}
	return ok(object{"aweme_list": items, "max_cursor": next, "has_more": more})
}
