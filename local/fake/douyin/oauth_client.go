package douyin

import (
	"net/http"
	"slices"
	"time"
)

type clientBody struct {
	ClientKey    string `json:"client_key"`
	ClientSecret string `json:"client_secret"`
	GrantType    string `json:"grant_type"`
}

// readClient reads and checks the JSON body of both app-token calls (ref. A.2). Called with s.mu held.
func (s *Server) readClient(body clientBody, err error) (App, result) {
	switch {
	case err != nil:
		return App{}, fail(oauthCall, paramInvalid, "body: want a JSON object, Content-Type application/json")
	case body.ClientKey == "" || body.ClientSecret == "" || body.GrantType == "":
		return App{}, fail(oauthCall, paramMissing, "client_key, client_secret and grant_type are required")
	case body.GrantType != "client_credential":
		return App{}, fail(oauthCall, paramInvalid, "grant_type: want client_credential")
	}
	return s.clientWithSecret(body.ClientKey, body.ClientSecret)
}

// clientToken makes a new app token. The one before lives on for the grace, older ones are dead (ref. A.2).
func (s *Server) clientToken(r *http.Request, _ call) result {
	var body clientBody
	err := decodeBody(r, &body)
	s.mu.Lock()
	defer s.mu.Unlock()
	app, res := s.readClient(body, err)
	if res.failed() {
		return res
	}
	now, l := s.o.Now(), s.o.Limits
	ct := s.clientTokens(app.ClientKey)
	ct.Calls = slices.DeleteFunc(ct.Calls, func(t time.Time) bool { return now.Sub(t) >= l.ClientWindow })
	if len(ct.Calls) >= l.ClientCalls { // ref. A.2: over 500 calls in 5 minutes
		return fail(oauthCall, renewalsSpent, "client_token: too many calls")
	}
	ct.Calls = append(ct.Calls, now)
	live := []tokenLife{{s.token("clt."), now.Add(l.ClientLife)}}
	if len(ct.Live) > 0 {
		previous := ct.Live[0]
		if end := now.Add(l.ClientGrace); end.Before(previous.Expires) {
			previous.Expires = end
		}
		live = append(live, previous)
	}
	ct.Live = live
	return s.saved(ok(object{"access_token": live[0].Value, "expires_in": seconds(l.ClientLife)}))
}

// stableClientToken returns the same value within its life (ref. A.2).
func (s *Server) stableClientToken(r *http.Request, _ call) result {
	var body clientBody
	err := decodeBody(r, &body)
	s.mu.Lock()
	defer s.mu.Unlock()
	app, res := s.readClient(body, err)
	if res.failed() {
		return res
	}
	now := s.o.Now()
	ct := s.clientTokens(app.ClientKey)
	if !ct.Stable.live(now) {
		ct.Stable = tokenLife{s.token("clt."), now.Add(s.o.Limits.ClientLife)}
	}
	return s.saved(ok(object{"access_token": ct.Stable.Value, "expires_in": seconds(ct.Stable.Expires.Sub(now))}))
}

func (s *Server) clientTokens(key string) *clientTokens {
	ct := s.st.Clients[key]
	if ct == nil {
		ct = &clientTokens{}
		s.st.Clients[key] = ct
	}
	return ct
}

// ClientTokenLive reports whether the platform would still take this app token.
func (s *Server) ClientTokenLive(value string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ct := range s.st.Clients {
		for _, t := range append(slices.Clone(ct.Live), ct.Stable) {
			if t.Value == value && t.live(s.o.Now()) {
				return true
			}
		}
	}
	return false
}
