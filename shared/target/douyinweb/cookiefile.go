package douyinweb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// readCookies reads either form of an export.
func readCookies(b []byte) ([]cookie, error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(b) {
		return nil, badCookies("UTF-8 text", "the file is no text")
	}
	switch t := bytes.TrimSpace(b); {
	case len(t) == 0:
		return nil, badCookies("cookies.txt or JSON", "the file is empty")
	case t[0] == '[' || t[0] == '{':
		return readJSON(t)
	}
	return readNetscape(string(b))
}

// readNetscape reads cookies.txt: domain, for hosts below too, path, secure, end, name, value, separated by tabs. A line
// that begins with #HttpOnly_ is a cookie; any other # begins a comment.
func readNetscape(s string) ([]cookie, error) {
	var out []cookie
	for i, line := range strings.Split(s, "\n") {
		line = strings.TrimSuffix(line, "\r")
		at := fmt.Sprintf("line %d", i+1)
		line = strings.TrimPrefix(line, "#HttpOnly_")
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) == 6 { // an empty value whose tab an editor took away
			f = append(f, "")
		}
		if len(f) != 7 {
			return nil, badCookies("7 fields separated by tabs (cookies.txt), or JSON", fmt.Sprintf("%s has %d", at, len(f)))
		}
		c := cookie{Domain: f[0], Sub: strings.EqualFold(f[1], "TRUE"), Path: f[2], Name: f[5], Value: f[6], at: at}
		end, err := strconv.ParseFloat(f[4], 64)
		if err != nil {
			return nil, badCookies("the end as unix seconds", at+": the fifth field is no number")
		}
		if c.Expires, err = unix(end); err != nil {
			return nil, badCookies("the end as unix seconds", at+": "+err.Error())
		}
		out = append(out, c)
	}
	return out, nil
}

// exported is a cookie as browser extensions, and browsers under remote control, write it.
type exported struct {
	Name       *string  `json:"name"`
	Value      *string  `json:"value"`
	Domain     *string  `json:"domain"`
	Path       string   `json:"path"`
	HostOnly   *bool    `json:"hostOnly"`
	Session    bool     `json:"session"`
	Expiration *float64 `json:"expirationDate"`
	Expires    *float64 `json:"expires"` // -1: ends with the session
}

func readJSON(b []byte) ([]cookie, error) {
	var list []json.RawMessage
	if b[0] == '{' {
		var o struct {
			Cookies []json.RawMessage `json:"cookies"`
		}
		if err := json.Unmarshal(b, &o); err != nil || o.Cookies == nil {
			return nil, badCookies(`an array of cookies, or an object with "cookies"`, "the JSON holds none, or is cut off")
		}
		list = o.Cookies
	} else if err := json.Unmarshal(b, &list); err != nil {
		return nil, badCookies(`an array of cookies, or an object with "cookies"`, "the JSON is broken or cut off")
	}
	out := make([]cookie, 0, len(list))
	for i, raw := range list {
		at := fmt.Sprintf("cookie %d", i+1)
		var e exported
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, badCookies("an object with name, value, domain", at+" has a field of another type")
		}
		for _, f := range [...]struct {
			name string
			v    *string
		}{{"name", e.Name}, {"value", e.Value}, {"domain", e.Domain}} {
			if f.v == nil {
				return nil, badCookies("an object with name, value, domain", at+" has no "+f.name)
			}
		}
		c := cookie{Name: *e.Name, Value: *e.Value, Domain: *e.Domain, Path: e.Path, at: at}
		c.Sub = e.HostOnly != nil && !*e.HostOnly
		end := e.Expiration
		if end == nil {
			end = e.Expires
		}
		if end != nil && !e.Session {
			var err error
			if c.Expires, err = unix(*end); err != nil {
				return nil, badCookies("the end as unix seconds", at+": "+err.Error())
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// unix is an end in seconds; 0 and less mean the end of the browser's session.
func unix(s float64) (time.Time, error) {
	switch {
	case math.IsNaN(s) || s > 253402300799: // the year 9999
		return time.Time{}, fmt.Errorf("its end is not a time in seconds")
	case s <= 0:
		return time.Time{}, nil
	}
	return time.Unix(int64(s), 0).UTC(), nil
}
