package douyinweb

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Cookie is one cookie as a browser would have it.
type Cookie struct {
	Name     string
	Value    string
	Domain   string
	Path     string
	Expires  time.Time
	Secure   bool
	HTTPOnly bool
}

// Session is a user's login: the cookies of their browser. Secrets, so it prints only the id and the end.
type Session struct {
	UID     string
	Name    string
	Expires time.Time
	Cookies []Cookie // sessionid (the login), csrf_token, csrf_session_id, and more that a browser holds
}

// String names the session without its cookies.
func (s Session) String() string {
	return fmt.Sprintf("douyin web session of %s until %s", s.UID, s.Expires.UTC().Format(time.RFC3339))
}

// GoString keeps the cookies out of %#v too.
func (s Session) GoString() string { return s.String() }

// LogValue keeps the cookies out of logs.
func (s Session) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Header is the cookies as the value of a Cookie header: "a=b; c=d".
func (s Session) Header() string {
	var out []string
	for _, c := range s.Cookies {
		out = append(out, c.Name+"="+c.Value)
	}
	return strings.Join(out, "; ")
}

// Netscape is the cookies as a cookies.txt file, as browser extensions and curl write it.
func (s Session) Netscape() string {
	var b strings.Builder
	b.WriteString("# Netscape HTTP Cookie File\n\n")
	flag := func(v bool) string { return strings.ToUpper(strconv.FormatBool(v)) }
	for _, c := range s.Cookies {
		if c.HTTPOnly {
			b.WriteString("#HttpOnly_")
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", c.Domain, flag(strings.HasPrefix(c.Domain, ".")), c.Path, flag(c.Secure), c.Expires.Unix(), c.Name, c.Value)
	}
	return b.String()
}

// JSON is the cookies as the list that browser extensions export.
func (s Session) JSON() []byte {
	list := []map[string]any{}
	for _, c := range s.Cookies {
		list = append(list, map[string]any{"name": c.Name, "value": c.Value, "domain": c.Domain, "path": c.Path,
			"expirationDate": c.Expires.Unix(), "secure": c.Secure, "httpOnly": c.HTTPOnly,
			"hostOnly": !strings.HasPrefix(c.Domain, "."), "session": false})
	}
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		panic(err) // strings, numbers and bools
	}
	return b
}

// sessionCookie is the login. The reference names only the csrf cookies; this is the name that the site's cookie has.
const sessionCookie = "sessionid"

func (s *Server) session(a *account) Session {
	out := Session{UID: a.UID, Name: a.Name, Expires: a.Expires}
	add := func(name, value string, httpOnly bool) {
		out.Cookies = append(out.Cookies, Cookie{name, value, s.o.CookieDomain, "/", a.Expires, true, httpOnly})
	}
	add("ttwid", a.Others["ttwid"], true)
	add("passport_csrf_token", a.Others["passport_csrf_token"], false)
	add("csrf_session_id", a.CSRFSession, false)
	add("csrf_token", a.CSRF, false)
	add("sid_guard", a.Others["sid_guard"], true)
	add("uid_tt", a.Others["uid_tt"], true)
	add("sid_tt", a.Session, true)
	add(sessionCookie, a.Session, true)
	add("sessionid_ss", a.Session, true)
	return out
}

// logIn gives an account a new session. Called with s.mu held.
func (s *Server) logIn(a *account) {
	a.Session, a.CSRF, a.CSRFSession = s.hex(16), s.hex(16), s.hex(16) // ref. B.1: csrf_token has 32 characters
	a.Expires, a.Revoked = s.o.Now().Add(s.o.Limits.SessionLife), false
	a.Others = map[string]string{
		"ttwid":               "1%7C" + s.hex(20),
		"passport_csrf_token": s.hex(16),
		"sid_guard":           fmt.Sprintf("%s%%7C%d%%7C%d", a.Session, s.o.Now().Unix(), int(s.o.Limits.SessionLife.Seconds())),
		"uid_tt":              s.hex(16),
	}
}

// AddAccount makes a user who is logged in. One that the folder already knows is returned as it stands, an expired login
// included: the platform remembers, whoever seeds it again.
func (s *Server) AddAccount(uid string) (Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if uid == "" {
		return Session{}, fmt.Errorf("fake douyinweb: no uid")
	}
	if old := s.st.Accounts[uid]; old != nil {
		return s.session(old), nil
	}
	a := &account{UID: uid, Name: "user " + uid, AK: s.hex(16)}
	s.logIn(a)
	s.st.Accounts[uid] = a
	return s.session(a), s.save()
}

// change applies f to an account and makes it durable.
func (s *Server) change(uid string, f func(*account)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.st.Accounts[uid]
	if a == nil {
		return fmt.Errorf("fake douyinweb: no account %q", uid)
	}
	f(a)
	return s.save()
}

// Login is a user logging in again by hand: new cookies, the old ones are dead, and any condition has ended.
func (s *Server) Login(uid string) (out Session, err error) {
	err = s.change(uid, func(a *account) {
		s.logIn(a)
		a.Condition = OK
		out = s.session(a)
	})
	return out, err
}

// Session gives the user's cookies as they stand now.
func (s *Server) Session(uid string) (Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.st.Accounts[uid]; a != nil {
		return s.session(a), nil
	}
	return Session{}, fmt.Errorf("fake douyinweb: no account %q", uid)
}

// Expire ends the login's life now.
func (s *Server) Expire(uid string) error {
	return s.change(uid, func(a *account) { a.Expires = s.o.Now() })
}

// Logout ends the login as the user does elsewhere: the cookies are dead before their time.
func (s *Server) Logout(uid string) error {
	return s.change(uid, func(a *account) { a.Revoked = true })
}

// EndCredentials ends the life of every upload credential (auth) of the user; the login still works.
func (s *Server) EndCredentials(uid string) error {
	return s.change(uid, func(a *account) { a.Epoch++ })
}

// SetAccount puts a user into a lasting condition, or OK.
func (s *Server) SetAccount(uid string, c Condition) error {
	return s.change(uid, func(a *account) { a.Condition = c })
}
