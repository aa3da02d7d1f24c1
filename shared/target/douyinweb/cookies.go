package douyinweb

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
)

// Bounds of a cookie file, and of what is kept of it.
const (
	maxCookieFile  = 2 << 20 // a whole browser's
	maxCookies     = 150
	maxCookieBytes = 16 << 10
	maxCookieName  = 128
)

// sessionCookies are those of a login; the site sets all three to one value. At least one is needed. The reference
// names none of them; every public client that looks for a login looks for these.
func sessionCookies() []string { return []string{"sessionid", "sessionid_ss", "sid_tt"} }

// cookie is one that is kept.
type cookie struct {
	Name    string    `json:"name"`
	Value   string    `json:"value"`
	Domain  string    `json:"domain"`           // without a leading dot
	Sub     bool      `json:"sub,omitempty"`    // also for the hosts below it
	Path    string    `json:"path,omitempty"`   // "" is /
	Expires time.Time `json:"expires,omitzero"` // zero: ends with the browser's session
	at      string    // where it stood: "line 4", "cookie 2"
}

// jar is an account's cookies. It never takes any from an answer.
type jar struct{ cookies []cookie }

// ParseCookies makes the account's token of exported cookies: a Netscape cookies.txt, or JSON as browser extensions write
// it (an array of cookies, or an object with "cookies"). Only cookies that the site's hosts would get are kept. Access is
// their JSON; Expires the earliest end among the login's cookies; Subject is empty, since no cookie names the user: a
// Refresher fills it. now decides what has expired.
//
// Errors are Invalid, and name the line or cookie, never a value: a line with fields missing, a cookie that cannot be
// sent, no cookie of the site, no login among them, an expired login.
func ParseCookies(b []byte, now time.Time) (token.Token, error) {
	if len(b) > maxCookieFile {
		return token.Token{}, badCookies(fmt.Sprintf("<= %d bytes", maxCookieFile), fmt.Sprintf("the file has %d bytes", len(b)))
	}
	all, err := readCookies(b)
	if err != nil {
		return token.Token{}, err
	}
	kept, strangers, err := ours(all)
	if err != nil {
		return token.Token{}, err
	}
	if len(kept) == 0 {
		msg := "the file holds no cookie"
		if len(strangers) > 0 {
			msg = "the file holds cookies of " + strings.Join(strangers[:min(len(strangers), 3)], ", ") + " only"
		}
		return token.Token{}, badCookies("cookies of "+strings.Join(CookieHosts(), " or "), msg)
	}
	ends, err := loginOf(kept, now)
	if err != nil {
		return token.Token{}, err
	}
	kept = slices.DeleteFunc(kept, func(c cookie) bool { return c.over(now) })
	if err := bounds(kept); err != nil {
		return token.Token{}, err
	}
	access, err := json.Marshal(kept)
	if err != nil {
		return token.Token{}, badCookies("JSON", "the cookies cannot be kept")
	}
	return token.Token{Access: string(access), Expires: ends, Obtained: now}, nil
}

func badCookies(rule, msg string) error {
	f := fault.InvalidField("douyinweb.ParseCookies", "cookies", rule, msg)
	f.Action = loginAgain
	return f
}

// ours keeps what the site's hosts would get, the last of each name, domain and path, and checks that it can be sent.
func ours(all []cookie) (kept []cookie, strangers []string, err error) {
	for _, c := range all {
		c.Domain = strings.ToLower(c.Domain)
		if rest, ok := strings.CutPrefix(c.Domain, "."); ok {
			c.Domain, c.Sub = rest, true
		}
		if !slices.ContainsFunc(CookieHosts(), c.goesTo) {
			if name := printable(clip(c.Domain, 64), nil); !slices.Contains(strangers, name) {
				strangers = append(strangers, name)
			}
			continue
		}
		if why := c.unfit(); why != "" {
			return nil, nil, badCookies("a cookie that can be sent", c.at+": "+why)
		}
		same := func(o cookie) bool { return o.Name == c.Name && o.Domain == c.Domain && o.Path == c.Path }
		kept = append(slices.DeleteFunc(kept, same), c)
	}
	return kept, strangers, nil
}

func clip(s string, n int) string { return s[:min(len(s), n)] }

// unfit tells why a cookie cannot be sent; the name only, where it is printable.
func (c cookie) unfit() string {
	switch {
	case c.Name == "" || len(c.Name) > maxCookieName || strings.ContainsFunc(c.Name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("=;,\"", r) }):
		return "its name is not one of a cookie"
	case strings.ContainsFunc(c.Value, func(r rune) bool { return r < ' ' || r > '~' || r == ';' }):
		return c.Name + " has a value with signs that a cookie cannot have"
	case c.Path != "" && c.Path[0] != '/':
		return c.Name + " has a path that does not begin with /"
	}
	return ""
}

func bounds(kept []cookie) error {
	size := 0
	for _, c := range kept {
		size += len(c.Name) + len(c.Value) + 3
	}
	switch {
	case len(kept) > maxCookies:
		return badCookies(fmt.Sprintf("<= %d cookies of the site", maxCookies), fmt.Sprintf("there are %d", len(kept)))
	case size > maxCookieBytes:
		return badCookies(fmt.Sprintf("<= %d bytes of cookies", maxCookieBytes), fmt.Sprintf("they have %d", size))
	}
	return nil
}

// loginOf finds the login among the cookies, and when it ends: the earliest end of its living cookies, zero if none
// says.
func loginOf(kept []cookie, now time.Time) (ends time.Time, err error) {
	var expired *cookie
	found := false
	for _, c := range kept {
		if !slices.Contains(sessionCookies(), c.Name) || c.Value == "" {
			continue
		}
		if c.over(now) {
			expired = &c
			continue
		}
		found = true
		if !c.Expires.IsZero() && (ends.IsZero() || c.Expires.Before(ends)) {
			ends = c.Expires
		}
	}
	names := strings.Join(sessionCookies(), ", ")
	switch {
	case found:
		return ends, nil
	case expired != nil:
		return ends, badCookies("a login that still holds", fmt.Sprintf("%s: %s expired on %s", expired.at, expired.Name, expired.Expires.UTC().Format(time.RFC3339)))
	}
	return ends, badCookies("one of "+names, "the cookies are of somebody who is not logged in: the cookie of the login is missing")
}

func (c cookie) over(now time.Time) bool { return !c.Expires.IsZero() && !now.Before(c.Expires) }

// goesTo is the domain rule of RFC 6265.
func (c cookie) goesTo(host string) bool {
	return c.Domain == host || c.Sub && c.Domain != "" && strings.HasSuffix(host, "."+c.Domain)
}

// under is the path rule of RFC 6265.
func (c cookie) under(path string) bool {
	p := cmp.Or(c.Path, "/")
	return path == p || strings.HasPrefix(path, p) && (strings.HasSuffix(p, "/") || path[len(p)] == '/')
}

// loadJar reads the cookies back from a token.
func loadJar(t token.Token) (*jar, string) {
	var j jar
	if t.Access == "" {
		return nil, "the account has no cookies"
	}
	if err := json.Unmarshal([]byte(t.Access), &j.cookies); err != nil || len(j.cookies) == 0 {
		return nil, "the account's cookies cannot be read"
	}
	for _, c := range j.cookies {
		if c.unfit() != "" {
			return nil, "the account's cookies cannot be sent"
		}
	}
	return &j, ""
}

// header is the Cookie header for a host and path, the longest paths first; why says what is missing of a login.
func (j *jar) header(host, path string, now time.Time) (value, why string) {
	fit := slices.DeleteFunc(slices.Clone(j.cookies), func(c cookie) bool { return c.over(now) || !c.goesTo(host) || !c.under(path) })
	login := func(c cookie) bool { return slices.Contains(sessionCookies(), c.Name) && c.Value != "" }
	if !slices.ContainsFunc(fit, login) {
		return "", "the login's cookie has expired, or is not for " + host
	}
	slices.SortStableFunc(fit, func(a, b cookie) int { return len(b.Path) - len(a.Path) })
	pairs := make([]string, len(fit))
	for i, c := range fit {
		pairs[i] = c.Name + "=" + c.Value
	}
	return strings.Join(pairs, "; "), ""
}

// value is a cookie's value for a host and path; "" if there is none.
func (j *jar) value(name, host, path string, now time.Time) string {
	for _, c := range j.cookies {
		if c.Name == name && !c.over(now) && c.goesTo(host) && c.under(path) {
			return c.Value
		}
	}
	return ""
}

// secrets are the values that no text may show. Short ones ("1") are not secret, and would garble every text.
func (j *jar) secrets() []string {
	var out []string
	for _, c := range j.cookies {
		if len(c.Value) >= 6 {
			out = append(out, c.Value)
		}
	}
	return out
}
