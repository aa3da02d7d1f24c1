package douyin

import (
	"net/http"
	"slices"
	"strconv"
)

// The hand-over ("publish to Douyin, H5"; developer.open-douyin.com, DOP/develop/sdk/web-app/h5/share-to-h5 and
// schema-demo): with a ticket and a share id an app signs a link of the Douyin app, a person opens it and publishes, and
// the create_video webhook carries the share id. The reference knows the webhook (A.10) and the app's tokens (A.2); the
// two calls are those of the pages named above. Their error codes are taken to be the legacy ones.

// admitApp checks a call in the name of the app itself: a live token of its own in the header. Called with s.mu held.
func (s *Server) admitApp(r *http.Request, c call, scopes ...string) (App, result) {
	value := r.Header.Get("access-token")
	for key, ct := range s.st.Clients {
		all := append(slices.Clone(ct.Live), ct.Stable)
		i := slices.IndexFunc(all, func(t tokenLife) bool { return value != "" && t.Value == value })
		if i < 0 {
			continue
		}
		app, found := s.app(key)
		code := conditionCodes()[s.st.Apps[key]][c.family]
		switch {
		case !found:
			return App{}, fail(c.family, tokenInvalid, "")
		case !all[i].live(s.o.Now()):
			return App{}, fail(c.family, tokenExpired, "")
		case code != 0:
			return App{}, failCode(code)
		}
		for _, want := range scopes {
			if !slices.Contains(app.Scopes, want) {
				return App{}, fail(c.family, appScope, "")
			}
		}
		return app, s.checkRate(c, app)
	}
	return App{}, fail(c.family, tokenInvalid, "")
}

// ticket gives what links are signed with: the same within its life, so that a page that is open stays good.
func (s *Server) ticket(r *http.Request, c call) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, res := s.admitApp(r, c, "open.get.ticket")
	if res.failed() {
		return res
	}
	ct, now := s.clientTokens(app.ClientKey), s.o.Now()
	if !ct.Ticket.live(now) {
		ct.Ticket = tokenLife{s.opaque(40), now.Add(s.o.Limits.TicketLife)}
	}
	return s.saved(ok(object{"ticket": ct.Ticket.Value, "expires_in": seconds(ct.Ticket.Expires.Sub(now))}))
}

// shareID gives a number by which the webhook will speak of what a person published.
func (s *Server) shareID(r *http.Request, c call) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, res := s.admitApp(r, c, "aweme.share")
	if res.failed() {
		return res
	}
	callback := false
	if v := c.query.Get("need_callback"); v != "" {
		var err error
		if callback, err = strconv.ParseBool(v); err != nil {
			return fail(c.family, paramInvalid, "need_callback is invalid")
		}
	}
	sh := &share{ID: s.publicID(), ClientKey: app.ClientKey, Callback: callback, Created: s.o.Now()}
	s.st.Shares[sh.ID] = sh
	return s.saved(ok(object{"share_id": sh.ID}))
}

// SetScopes changes the abilities of an app, as the platform's console does; nothing on disk remembers it.
func (s *Server) SetScopes(clientKey string, scopes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.o.Apps {
		if s.o.Apps[i].ClientKey == clientKey {
			s.o.Apps[i].Scopes = slices.Clone(scopes)
		}
	}
}
