package douyin

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// readForm reads a form body; the query does not count (ref. A.2: "Send form"). Missing keys are 10005, another
// encoding is 10002 [ct], [rrt].
func readForm(r *http.Request, keys ...string) (url.Values, result) {
	if !isType(r, "application/x-www-form-urlencoded") {
		return nil, fail(oauthCall, paramInvalid, "Content-Type: want application/x-www-form-urlencoded")
	}
	if err := r.ParseForm(); err != nil {
		return nil, fail(oauthCall, paramInvalid, "malformed form")
	}
	for _, k := range keys {
		if r.PostForm.Get(k) == "" {
			return nil, fail(oauthCall, paramMissing, "%s is required", k)
		}
	}
	return r.PostForm, result{}
}

// client checks client_key, and the state of its app.
func (s *Server) client(key string) (App, result) {
	app, found := s.app(key)
	if !found {
		return App{}, fail(oauthCall, keyUnknown, "") // ref. C: wrong client_key
	}
	if code := conditionCodes()[s.st.Apps[key]][oauthCall]; code != 0 {
		return App{}, failCode(code)
	}
	return app, result{}
}

// clientWithSecret checks both.
func (s *Server) clientWithSecret(key, secret string) (App, result) {
	app, res := s.client(key)
	if res.failed() {
		return app, res
	}
	if subtle.ConstantTimeCompare([]byte(app.ClientSecret), []byte(secret)) != 1 {
		return App{}, fail(oauthCall, secretWrong, "") // ref. C: wrong client_secret
	}
	return app, result{}
}

// accessToken exchanges a code, once (ref. A.2). A new grant replaces the user's old one; whether the platform lets the
// old tokens live is undocumented, so here they die.
func (s *Server) accessToken(r *http.Request, _ call) result {
	form, res := readForm(r, "client_key", "client_secret", "code", "grant_type")
	if res.failed() {
		return res
	}
	if form.Get("grant_type") != "authorization_code" {
		return fail(oauthCall, paramInvalid, "grant_type: want authorization_code")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	app, res := s.clientWithSecret(form.Get("client_key"), form.Get("client_secret"))
	if res.failed() {
		return res
	}
	now := s.o.Now()
	code := s.st.Codes[form.Get("code")]
	if code == nil || code.Used || !now.Before(code.Expires) { // ref. C: reused or older than 10 min
		return fail(oauthCall, codeDead, "")
	}
	if code.ClientKey != app.ClientKey {
		return fail(oauthCall, keyDiffers, "")
	}
	code.Used = true
	acct := s.grant(app.ClientKey, code.OpenID, code.Scopes)
	data := object{"access_token": acct.Access.Value, "expires_in": seconds(acct.Access.Expires.Sub(now)),
		"refresh_token": acct.Refresh.Value, "refresh_expires_in": seconds(acct.Refresh.Expires.Sub(now)),
		"open_id": acct.OpenID, "scope": scopeList(acct.Scopes), "captcha": "", "desc_url": "", "log_id": s.logID()}
	if slices.Contains(acct.Scopes, "user_info") {
		data["union_id"] = "union-" + acct.OpenID // ref. A.2: union_id only when granted user_info
	}
	return s.saved(ok(data))
}

// grant issues fresh tokens. Called with s.mu held.
func (s *Server) grant(clientKey, openID string, scopes []string) *account {
	now := s.o.Now()
	acct := s.st.Accounts[openID]
	if acct == nil {
		acct = &account{OpenID: openID}
		s.st.Accounts[openID] = acct
	}
	acct.ClientKey, acct.Scopes, acct.Revoked, acct.Renewals, acct.Expired = clientKey, slices.Clone(scopes), false, 0, nil
	acct.Former = tokenLife{}
	acct.Access = tokenLife{s.token("act."), now.Add(s.o.Limits.AccessLife)}
	acct.Refresh = tokenLife{s.token("rft."), now.Add(s.o.Limits.RefreshLife)}
	return acct
}

// refreshToken (ref. A.2): expired access token, new value; live one, same value with the clock extended. The refresh
// token's end does not move.
func (s *Server) refreshToken(r *http.Request, _ call) result {
	form, res := readForm(r, "client_key", "grant_type", "refresh_token")
	if res.failed() {
		return res
	}
	if form.Get("grant_type") != "refresh_token" {
		return fail(oauthCall, paramInvalid, "grant_type: want refresh_token")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	app, res := s.client(form.Get("client_key"))
	if res.failed() {
		return res
	}
	acct, res := s.findRefresh(app, form.Get("refresh_token"))
	if res.failed() {
		return res
	}
	now := s.o.Now()
	if !acct.Access.live(now) {
		acct.Expired = append(acct.Expired, acct.Access.Value)
		acct.Expired = acct.Expired[max(0, len(acct.Expired)-16):]
		acct.Access.Value = s.token("act.")
	}
	acct.Access.Expires = now.Add(s.o.Limits.AccessLife)
	return s.saved(ok(object{"access_token": acct.Access.Value, "refresh_token": acct.Refresh.Value, "open_id": acct.OpenID,
		// ref. A.1: this answer's sample has its lives as strings
		"expires_in": str(acct.Access.Expires.Sub(now)), "refresh_expires_in": str(acct.Refresh.Expires.Sub(now)),
		"scope": scopeList(acct.Scopes)}))
}

// findRefresh: dead, unknown, revoked and foreign refresh tokens are all 10010 (ref. C). With the reading "works" the one
// before the last renewal serves until its successor is first used.
func (s *Server) findRefresh(app App, value string) (*account, result) {
	now := s.o.Now()
	for _, a := range s.st.Accounts {
		if a.ClientKey != app.ClientKey || a.Revoked {
			continue
		}
		if a.Refresh.Value == value && a.Refresh.live(now) {
			if s.o.Readings.RenewedToken == "works" {
				a.Former = tokenLife{}
			}
			return a, result{}
		}
		if s.o.Readings.RenewedToken == "works" && a.Former.Value == value && a.Former.live(now) {
			return a, result{}
		}
	}
	return nil, fail(oauthCall, refreshDead, "")
}

// renewRefreshToken (ref. A.2): the old one dies at once, the new one lives 30 days, five times.
func (s *Server) renewRefreshToken(r *http.Request, _ call) result {
	form, res := readForm(r, "client_key", "refresh_token")
	if res.failed() {
		return res
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	app, res := s.client(form.Get("client_key"))
	if res.failed() {
		return res
	}
	if !slices.Contains(app.Scopes, "renew_refresh_token") { // ref. C: renew without the permission
		return fail(oauthCall, noPermission, "")
	}
	acct, res := s.findRefresh(app, form.Get("refresh_token"))
	if res.failed() {
		return res
	}
	if acct.Renewals >= s.o.Limits.Renewals { // ref. C: sixth renewal
		return fail(oauthCall, renewalsSpent, "")
	}
	acct.Renewals++
	if form.Get("refresh_token") == acct.Refresh.Value {
		acct.Former = acct.Refresh
	}
	acct.Refresh = tokenLife{s.token("rft."), s.o.Now().Add(s.o.Limits.RenewedLife)}
	return s.saved(ok(object{"refresh_token": acct.Refresh.Value, "expires_in": str(s.o.Limits.RenewedLife)}))
}

// str is a life in seconds as a JSON string.
func str(d time.Duration) string { return stringify(seconds(d)).(string) }

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
