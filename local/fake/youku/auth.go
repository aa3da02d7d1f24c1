package youku

import (
	"slices"
	"time"
)

// caller is who makes a call.
type caller struct {
	app  App
	acct *account // guarded by Server.mu
}

func (s *Server) app(id string) (App, bool) {
	i := slices.IndexFunc(s.o.Apps, func(a App) bool { return a.ClientID == id })
	if i < 0 {
		return App{}, false
	}
	return s.o.Apps[i], true
}

// checkClient: client_id and the calls of this hour (ref. 8.1, 1). Called with s.mu held.
func (s *Server) checkClient(c call) (App, result) {
	id := c.form.Get("client_id")
	if id == "" {
		return App{}, fail(1004)
	}
	app, known := s.app(id)
	if !known {
		return App{}, fail(1005)
	}
	if hour := s.o.Now().Truncate(time.Hour); !hour.Equal(s.hour) || s.calls == nil {
		s.hour, s.calls = hour, map[string]int{}
	}
	if s.calls[id] >= app.CallsPerHour {
		return App{}, fail(s.o.Readings.QuotaCode)
	}
	s.calls[id]++
	return app, result{}
}

// admit checks client and access token (ref. 10). Called with s.mu held.
func (s *Server) admit(c call) (caller, result) {
	app, res := s.checkClient(c)
	if res.failed() {
		return caller{}, res
	}
	value := c.form.Get("access_token")
	if value == "" {
		return caller{}, fail(1007)
	}
	acct, i := s.byAccess(value)
	switch {
	case acct == nil, acct.Revoked, acct.ClientID != app.ClientID:
		return caller{}, fail(1008)
	case !acct.Access[i].live(s.o.Now()):
		return caller{}, fail(1009)
	case i > 0 && s.o.Readings.FormerAccess == "dead":
		return caller{}, fail(1008)
	}
	return caller{app, acct}, result{}
}

// byAccess finds the account of an access token, and which of its tokens it is. Called with s.mu held.
func (s *Server) byAccess(value string) (*account, int) {
	if value == "" {
		return nil, 0
	}
	for _, a := range s.st.Accounts {
		if i := slices.IndexFunc(a.Access, func(t tokenLife) bool { return t.Value == value }); i >= 0 {
			return a, i
		}
	}
	return nil, 0
}

// byRefresh finds the account of a refresh token, the last former one included. Called with s.mu held.
func (s *Server) byRefresh(value string) *account {
	if value == "" {
		return nil
	}
	for _, a := range s.st.Accounts {
		if a.Refresh.Value == value || a.Former.Value == value {
			return a
		}
	}
	return nil
}
