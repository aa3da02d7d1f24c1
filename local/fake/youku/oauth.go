package youku

import (
	"crypto/subtle"
	"time"
)

// formerTokens is how many replaced access tokens of an account are still told apart from invented ones.
const formerTokens = 8

// refreshToken renews the access token (ref. 3). A missing OAuth parameter is 130011201, which only the English list
// has; client_id is the platform's own, 1004 and 1005 (no source gives the order).
func (s *Server) refreshToken(c call) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, res := s.checkClient(c)
	if res.failed() {
		return res
	}
	if res := s.checkGrant(c, app); res.failed() {
		return res
	}
	now, value := s.o.Now(), c.form.Get("refresh_token")
	acct := s.byRefresh(value)
	if acct == nil || acct.Revoked { // ref. 8.4: invalid, expired or removed
		return fail(130011207)
	}
	if acct.ClientID != app.ClientID {
		return fail(130011208)
	}
	used := acct.Refresh
	if value != used.Value {
		used = acct.Former
		if s.o.Readings.FormerRefresh == "dead" {
			return fail(130011207)
		}
	}
	if !used.live(now) {
		return fail(130011207)
	}
	return s.saved(s.renew(acct, used, now))
}

func (s *Server) checkGrant(c call, app App) result {
	for _, key := range []string{"grant_type", "refresh_token"} {
		if c.form.Get(key) == "" {
			return fail(130011201, key)
		}
	}
	if c.form.Get("grant_type") != "refresh_token" { // ref. 3: only refresh_token
		return fail(130011202)
	}
	if app.NoRefresh {
		return fail(130011205)
	}
	if s.o.Readings.ClientSecret == "required" { // ref. 3: the retired v2 endpoint wanted one
		secret := c.form.Get("client_secret")
		if secret == "" {
			return fail(130011201, "client_secret")
		}
		if subtle.ConstantTimeCompare([]byte(secret), []byte(app.ClientSecret)) != 1 {
			return fail(130011208)
		}
	}
	return result{}
}

// renew makes a new access token, and a new refresh token where the reading says that it rotates (ref. 3, "Rotation").
func (s *Server) renew(acct *account, used tokenLife, now time.Time) result {
	s.newAccess(acct, now)
	data := object{"access_token": acct.Access[0].Value, "expires_in": int64(s.o.Limits.AccessLife / time.Second),
		"token_type": s.o.Readings.TokenType}
	switch s.o.Readings.Rotation {
	case "rotate":
		acct.Former, acct.Refresh = used, s.newRefresh(now)
		data["refresh_token"] = acct.Refresh.Value
	case "same":
		data["refresh_token"] = acct.Refresh.Value
	}
	return ok(data)
}

func (s *Server) newAccess(acct *account, now time.Time) {
	t := tokenLife{Value: s.token(), Expires: now.Add(s.o.Limits.AccessLife)}
	acct.Access = append([]tokenLife{t}, acct.Access[:min(len(acct.Access), formerTokens)]...)
}

func (s *Server) newRefresh(now time.Time) tokenLife {
	t := tokenLife{Value: s.token()}
	if s.o.Limits.RefreshLife > 0 {
		t.Expires = now.Add(s.o.Limits.RefreshLife)
	}
	return t
}
