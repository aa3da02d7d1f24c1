package vod

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// parseMatch reads SearchMedia's Match: Title = 'a' and Status in ('Normal','Checking') and CreationTime = [x, y). A title
// is found by a part of it, everything else by the whole. ok is false where the text is none of that.
func parseMatch(text string) (keep func(*video) bool, ok bool) {
	var all []func(*video) bool
	for strings.TrimSpace(text) != "" {
		if len(all) > 0 {
			joint := regexp.MustCompile(`^(?i)\s+and\s+`).FindString(text)
			if joint == "" {
				return nil, false
			}
			text = text[len(joint):]
		}
		one, rest, ok := parseTerm(text)
		if !ok {
			return nil, false
		}
		all, text = append(all, one), rest
	}
	return func(v *video) bool {
		return !slices.ContainsFunc(all, func(f func(*video) bool) bool { return !f(v) })
	}, true
}

var (
	termEqual = regexp.MustCompile(`^\s*(\w+)\s*=\s*(?:'([^']*)'|"([^"]*)"|(\d+))`)
	termIn    = regexp.MustCompile(`^\s*(\w+)\s+(?i:in)\s*\(\s*((?:'[^']*'|"[^"]*"|\d+)(?:\s*,\s*(?:'[^']*'|"[^"]*"|\d+))*)\s*\)`)
	termRange = regexp.MustCompile(`^\s*CreationTime\s*=\s*([\[(])\s*(?:'([^']*)'|([^\s,'\])]+))\s*,\s*(?:'([^']*)'|([^\s'\])]+))\s*([\])])`)
)

func parseTerm(text string) (keep func(*video) bool, rest string, ok bool) {
	if m := termRange.FindStringSubmatch(text); m != nil {
		from, err1 := time.Parse(time.RFC3339, m[2]+m[3])
		to, err2 := time.Parse(time.RFC3339, m[4]+m[5])
		return func(v *video) bool {
			return (v.Created.After(from) || m[1] == "[" && v.Created.Equal(from)) && (v.Created.Before(to) || m[6] == "]" && v.Created.Equal(to))
		}, text[len(m[0]):], err1 == nil && err2 == nil
	}
	var values []string
	m := termEqual.FindStringSubmatch(text)
	if m != nil {
		values = []string{m[2] + m[3] + m[4]}
	} else if m = termIn.FindStringSubmatch(text); m != nil {
		for _, v := range strings.Split(m[2], ",") { // a comma within quotes is not simulated
			values = append(values, strings.Trim(strings.TrimSpace(v), `'"`))
		}
	} else {
		return nil, "", false
	}
	get, known := searchable()[m[1]]
	return func(v *video) bool {
		return slices.ContainsFunc(values, func(want string) bool {
			if m[1] == "Title" {
				return strings.Contains(v.Fields["Title"], want)
			}
			return slices.Contains(get(v), want)
		})
	}, text[len(m[0]):], known
}

// searchable are the fields of Match.
func searchable() map[string]func(*video) []string {
	field := func(name string) func(*video) []string {
		return func(v *video) []string { return []string{v.Fields[name]} }
	}
	return map[string]func(*video) []string{
		"Title": field("Title"), "Description": field("Description"), "CateId": field("CateId"), "TemplateGroupId": field("TemplateGroupId"),
		"StorageLocation": field("StorageLocation"), "UserData": field("UserData"),
		"Tags":    func(v *video) []string { return strings.Split(v.Fields["Tags"], ",") },
		"Status":  func(v *video) []string { return []string{string(v.Status)} },
		"VideoId": func(v *video) []string { return []string{v.ID} },
		"MediaId": func(v *video) []string { return []string{v.ID} },
		"AppId":   func(v *video) []string { return []string{v.App} },
	}
}
