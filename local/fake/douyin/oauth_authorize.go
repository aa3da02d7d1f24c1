package douyin

import (
	"fmt"
	"html"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/local/fake"
)

// authorize is the page where a user consents; here everyone does at once, and is sent back with a code that lives ten
// minutes and works once (ref. A.2). A request with a fault in it gets a page, never a redirect: the address to go back
// to is not yet trusted.
func (s *Server) authorize(_ *http.Request, c call) result {
	q := c.query
	for _, k := range []string{"client_key", "response_type", "scope", "redirect_uri"} {
		if q.Get(k) == "" {
			return page(paramMissing.code(oauthCall), k+" is required")
		}
	}
	if q.Get("response_type") != "code" {
		return page(paramInvalid.code(oauthCall), "response_type: want code")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	app, res := s.client(q.Get("client_key"))
	if res.failed() {
		return page(res.code, res.text)
	}
	back, valid := s.redirect(app, q.Get("redirect_uri"))
	if !valid {
		return page(badRedirect.code(oauthCall), "redirect_uri is not registered")
	}
	scopes, err := wantedScopes(q)
	if err != nil {
		return page(paramInvalid.code(oauthCall), err.Error())
	}
	for _, scope := range scopes {
		if !slices.Contains(app.Scopes, scope) {
			return page(noPermission.code(oauthCall), "scope "+scope+" is not granted to the app")
		}
	}
	openID := s.o.ConsentAs
	if openID == "" {
		openID = s.openID()
	}
	if old := s.st.Accounts[openID]; old != nil && old.ClientKey != app.ClientKey {
		return page(paramInvalid.code(oauthCall), "this open_id belongs to another app")
	}
	maps.DeleteFunc(s.st.Codes, func(_ string, c *authCode) bool { return s.o.Now().After(c.Expires) }) // dead either way
	code := s.token("")
	s.st.Codes[code] = &authCode{ClientKey: app.ClientKey, OpenID: openID, Scopes: scopes, Expires: s.o.Now().Add(s.o.Limits.CodeLife)}
	answer := url.Values{"code": {code}}
	if q.Has("state") {
		answer.Set("state", q.Get("state"))
	}
	back.RawQuery = answer.Encode()
	return s.saved(result{raw: &fake.Answer{Status: http.StatusFound, Header: http.Header{"Location": {back.String()}}}})
}

// redirect checks a redirect URI: https, no query, equal to a registered one up to "#" (ref. A.2).
func (s *Server) redirect(app App, raw string) (*url.URL, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.RawQuery != "" || u.ForceQuery || u.Host == "" {
		return nil, false
	}
	if u.Scheme != "https" && (!s.o.LoopbackHTTP || u.Scheme != "http" || !net.ParseIP(u.Hostname()).IsLoopback()) {
		return nil, false
	}
	upTo := func(v string) string { before, _, _ := strings.Cut(v, "#"); return before }
	if !slices.ContainsFunc(app.RedirectURIs, func(have string) bool { return upTo(have) == upTo(raw) }) {
		return nil, false
	}
	return u, true
}

// wantedScopes are the demanded scopes and the preselected optional ones, "scope,1,scope,0" (ref. A.2).
func wantedScopes(q url.Values) ([]string, error) {
	scopes := strings.Split(q.Get("scope"), ",")
	if optional := q.Get("optionalScope"); optional != "" {
		words := strings.Split(optional, ",")
		if len(words)%2 != 0 {
			return nil, fmt.Errorf("optionalScope: want pairs of scope and 0 or 1")
		}
		for i := 0; i < len(words); i += 2 {
			switch words[i+1] {
			case "1":
				scopes = append(scopes, words[i])
			case "0":
			default:
				return nil, fmt.Errorf("optionalScope: want pairs of scope and 0 or 1")
			}
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes), nil
}

func scopeList(scopes []string) string { return strings.Join(scopes, ",") }

func page(code int, text string) result {
	body := fmt.Sprintf("<html><body><h1>Authorization failed</h1><p>error_code: %d</p><p>%s</p></body></html>\n", code, html.EscapeString(text))
	return result{code: code, raw: &fake.Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, Body: []byte(body)}}
}
