package douyin

import (
	"net/http"
	"slices"
	"time"
)

// AllScopes lists every ability an app can hold here: those of both generations (ref. A "Availability", A.8) and the
// permission to renew (ref. A.2). A legacy app that holds only legacy scopes is made with App.Scopes.
func AllScopes() []string {
	return []string{"user_info", "video.create", "video.create.bind", "video.list", "video.list.bind", "video.data",
		"video.data.bind", "video.delete", "renew_refresh_token"}
}

// ShareScopes lists what an app needs for a hand-over: the ticket, and publishing from an H5 page (share.go). They are the
// app's; no user grants them.
func ShareScopes() []string { return []string{"open.get.ticket", "h5.share", "aweme.share"} }

// Needs is the default of App.Needs: which scopes open an operation, any one of them (ref. S0, A "Availability", A.8).
// The scope of data is the one its name says; of the legacy call the reference is silent.
func Needs(g Generation) map[string][]string {
	create, list, data := []string{"video.create"}, []string{"video.list"}, []string{"video.data"}
	if g == V1 {
		create, list, data = []string{"video.create.bind"}, []string{"video.list.bind", "video.data.bind"}, []string{"video.data.bind"}
	}
	return map[string][]string{"upload": create, "part_init": create, "part_upload": create, "complete": create,
		"create": create, "image_upload": create, "list": list, "data": data, "delete": {"video.delete"}}
}

// caller is who makes a publish call.
type caller struct {
	app  App
	acct *account // guarded by Server.mu
}

func (s *Server) app(key string) (App, bool) {
	i := slices.IndexFunc(s.o.Apps, func(a App) bool { return a.ClientKey == key })
	if i < 0 {
		return App{}, false
	}
	return s.o.Apps[i], true
}

// enter is admit with the lock taken, for calls that stream a body before their effect.
func (s *Server) enter(r *http.Request, c call) (caller, result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admit(r, c)
}

// admit checks all that does not depend on parameters, in the order the package comment lists. Called with s.mu held.
func (s *Server) admit(r *http.Request, c call) (caller, result) {
	inQuery, inHeader := c.query.Get("access_token"), r.Header.Get("access-token") // ref. A.3; Authorization is not read
	value := inHeader
	if value == "" {
		value = inQuery
	}
	acct, expired := s.findAccess(value)
	if acct == nil {
		if !s.generationServed(c) {
			return caller{}, fail(c.family, unknownURI, "")
		}
		return caller{}, fail(c.family, tokenInvalid, "") // ref. C: access_token unknown
	}
	app, found := s.app(acct.ClientKey)
	if !found {
		return caller{}, fail(c.family, tokenInvalid, "")
	}
	if r := s.checkApp(c, app, value, inQuery, inHeader); r.failed() {
		return caller{}, r
	}
	if acct.Revoked { // ref. A.2: "the access_token then dies at once"
		return caller{}, fail(c.family, tokenInvalid, "")
	}
	if expired { // ref. C: 2190008 / 28001008
		return caller{}, fail(c.family, tokenExpired, "")
	}
	who := caller{app: app, acct: acct}
	return who, s.checkUser(c, who)
}

// findAccess finds the grant of an access token; expired tells a token that ran out from a live one.
func (s *Server) findAccess(value string) (acct *account, expired bool) {
	if value == "" {
		return nil, false
	}
	for _, a := range s.st.Accounts {
		if a.Access.Value == value {
			return a, !a.Access.live(s.o.Now())
		}
		if slices.Contains(a.Expired, value) {
			return a, true
		}
	}
	return nil, false
}

// generationServed reports whether any app may use the path at all.
func (s *Server) generationServed(c call) bool {
	return slices.ContainsFunc(s.o.Apps, func(a App) bool { return s.generationFits(c, a) })
}

func (s *Server) generationFits(c call, a App) bool {
	if c.op == "delete" && a.Generation == V1 { // ref. A.3: no v1 path found; [zs] uses the legacy one
		return s.o.Readings.LegacyDelete == "accept"
	}
	return c.family == familyOf(a.Generation)
}

// checkApp: generation, place of the token, state of the app. value is the token that was looked up: it must be the one in
// the app's own place, even where a second one elsewhere is let pass.
func (s *Server) checkApp(c call, app App, value, inQuery, inHeader string) result {
	if !s.generationFits(c, app) {
		return fail(c.family, unknownURI, "") // ref. C: wrong path or generation
	}
	right, wrong := inHeader, inQuery
	if app.Auth == Query {
		right, wrong = inQuery, inHeader
	}
	if right != value || (wrong != "" && s.o.Readings.TokenInBoth == "refuse") {
		return fail(c.family, tokenInvalid, "") // ref. A.3: two independent settings, no mixtures
	}
	if code := conditionCodes()[s.st.Apps[app.ClientKey]][c.family]; code != 0 {
		return failCode(code)
	}
	return result{}
}

// checkUser: token and open_id, scopes, state of the user, quota.
func (s *Server) checkUser(c call, who caller) result {
	openID := c.query.Get("open_id")
	if openID == "" {
		return fail(c.family, paramInvalid, "open_id is required")
	}
	if openID != who.acct.OpenID { // ref. C: token of another user
		return fail(c.family, mismatch, "")
	}
	needs := who.app.Needs
	if needs == nil {
		needs = Needs(who.app.Generation)
	}
	if !sharesScope(who.app.Scopes, needs[c.op]) { // ref. C: scope not held by app
		return fail(c.family, appScope, "")
	}
	if !sharesScope(who.acct.Scopes, needs[c.op]) { // ref. C: scope not granted by user
		return fail(c.family, userScope, "")
	}
	if who.acct.Condition != PostingBarred || c.op == "create" {
		if code := conditionCodes()[who.acct.Condition][c.family]; code != 0 {
			return failCode(code)
		}
	}
	return s.checkRate(c, who.app)
}

func sharesScope(held, anyOf []string) bool {
	return slices.ContainsFunc(anyOf, func(want string) bool { return slices.Contains(held, want) })
}

// checkRate counts the call against the app's quota and rate (ref. A.6 "call rate", C "quota / rate").
func (s *Server) checkRate(c call, app App) result {
	now := s.o.Now()
	if app.QPS > 0 {
		recent := slices.DeleteFunc(s.recent[app.ClientKey], func(t time.Time) bool { return now.Sub(t) >= time.Second })
		if len(recent) >= app.QPS {
			s.recent[app.ClientKey] = recent
			return fail(c.family, tooFrequent, "")
		}
		s.recent[app.ClientKey] = append(recent, now)
	}
	if app.QuotaPerDay > 0 {
		key := app.ClientKey + " " + s.day(now)
		if s.daily[key] >= app.QuotaPerDay {
			return fail(c.family, quotaUsed, "")
		}
		s.daily[key]++
	}
	return result{}
}

func (s *Server) day(t time.Time) string { return t.In(s.o.DayZone).Format("2006-01-02") }
