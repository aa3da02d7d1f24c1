package youku

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// checkPlain checks the parameters of create that have no code of their own (ref. 4.1): 1013, which is assumed.
func (s *Server) checkPlain(f url.Values) result {
	for _, values := range f {
		if !utf8.ValidString(values[0]) {
			return fail(1013, "not UTF-8")
		}
	}
	name := f.Get("file_name")
	if stem, ext, found := cutLast(name, "."); !found || stem == "" || ext == "" || strings.ContainsAny(name, `/\`) {
		return fail(1013, "file_name") // "base name with extension, no path"
	}
	if n, err := strconv.ParseInt(f.Get("file_size"), 10, 64); err != nil || n <= 0 {
		return fail(1013, "file_size")
	}
	for _, p := range []struct {
		key   string
		words []string
	}{
		{"copyright_type", []string{"original", "reproduced"}},
		{"public_type", []string{"all", "friend", "password"}}, // private is of query answers alone
		{"deshake", []string{"0", "1"}},
		{"isweb", []string{"0", "1"}},
		{"isnew", []string{"0", "1"}},
	} {
		if f.Has(p.key) && !slices.Contains(p.words, f.Get(p.key)) {
			return fail(1013, p.key)
		}
	}
	if f.Has("thumbnail") && s.o.Readings.Thumbnail == "url" { // "format unconfirmed, assume URL"
		if u, err := url.Parse(f.Get("thumbnail")); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return fail(1013, "thumbnail")
		}
	}
	return checkMD5(f)
}

// checkMD5: 32 lower-case hex digits; that only a web client may leave it out is createNeeds' (ref. 4.1).
func checkMD5(f url.Values) result {
	sum := f.Get("file_md5")
	if f.Has("file_md5") && (len(sum) != 32 || strings.Trim(sum, "0123456789abcdef") != "") {
		return fail(1013, "file_md5")
	}
	return result{}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// checkTexts: title, tags, description, password, in this order (ref. 10), then the size.
func (s *Server) checkTexts(f url.Values) result {
	for _, check := range []func(url.Values) result{s.checkTitle, s.checkTags, s.checkDescription, s.checkPassword} {
		if res := check(f); res.failed() {
			return res
		}
	}
	if n, _ := strconv.ParseInt(f.Get("file_size"), 10, 64); s.o.Limits.FileSize > 0 && n > s.o.Limits.FileSize {
		return fail(120010113)
	}
	return result{}
}

// checkTitle: 1 to 60 characters, any script counts one (ref. 4.1, 8.2).
func (s *Server) checkTitle(f url.Values) result {
	title := f.Get("title")
	switch {
	case strings.TrimSpace(title) == "":
		return fail(120010101)
	case utf8.RuneCountInString(title) > s.o.Limits.Title:
		return fail(120010102)
	case holds(title, s.o.BannedWord):
		return fail(120010104)
	case holds(title, s.o.ForbiddenWord):
		return fail(120010105)
	}
	return result{}
}

// checkTags: 1 to 10 tags of 2 to 12 characters, separated by commas (ref. 4.1, 4.2). An empty tag between two commas is
// one that is too short: the platform is not documented to forgive it.
func (s *Server) checkTags(f url.Values) result {
	list := f.Get("tags")
	if strings.TrimSpace(list) == "" {
		return fail(120010121)
	}
	if s.o.Readings.TagCommas == "both" {
		list = strings.ReplaceAll(list, "，", ",")
	}
	tags := strings.Split(list, ",")
	if len(tags) > s.o.Limits.Tags {
		return fail(120010122)
	}
	for _, tag := range tags {
		n := utf8.RuneCountInString(strings.TrimSpace(tag))
		switch {
		case holds(tag, s.o.BannedWord):
			return fail(s.o.Readings.TagCode)
		case holds(tag, s.o.ForbiddenWord):
			return fail(120010106)
		case n < s.o.Limits.TagMin:
			return fail(120010124)
		case n > s.o.Limits.TagMax:
			return fail(120010125)
		}
	}
	return result{}
}

// checkDescription: 200 characters, or what the setting says up to the table's 2000 (ref. 4.2).
func (s *Server) checkDescription(f url.Values) result {
	d := f.Get("description")
	switch {
	case holds(d, s.o.BannedWord):
		return fail(120010141)
	case holds(d, s.o.ForbiddenWord):
		return fail(120010108)
	case utf8.RuneCountInString(d) > s.o.Limits.Description:
		return fail(120010142)
	}
	return result{}
}

// checkPassword: required with public_type=password, letters and digits, 1 to 32 (ref. 4.1, 120010145). Without that
// public_type it is not looked at.
func (s *Server) checkPassword(f url.Values) result {
	if f.Get("public_type") != "password" {
		return result{}
	}
	p := f.Get("watch_password")
	plain := strings.IndexFunc(p, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
	if p == "" || len(p) > s.o.Limits.Password || !plain {
		return fail(120010145)
	}
	return result{}
}

func holds(text, word string) bool { return word != "" && strings.Contains(text, word) }
