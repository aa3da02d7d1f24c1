package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/upload"
)

// Sidecar says whether a route's videos wait for a sidecar.
type Sidecar string

// What a route may say of sidecars.
const (
	SidecarRequired Sidecar = "required" // nothing starts before it is there: WAITING(manifest)
	SidecarOptional Sidecar = "optional" // the default: read if it comes in time
	SidecarNever    Sidecar = "never"    // not looked for
)

// Route says which accounts the videos under a prefix may go to (design 4.8), and what holds for them unless they say
// otherwise.
type Route struct {
	Bucket   string           `json:"bucket"`
	Prefix   string           `json:"prefix"` // empty, or ends in "/"
	Accounts []upload.Account `json:"accounts"`
	Sidecar  Sidecar          `json:"sidecar"`
	Defaults Manifest         `json:"defaults,omitzero"`
}

// IsZero is for encoding: a manifest that says nothing is left out.
func (m Manifest) IsZero() bool { return !m.Given() }

// Routes are all routes of a stack.
type Routes []Route

// MaxRoutes bounds a list of routes.
const MaxRoutes = 500

// ParseRoutes reads a JSON list of routes, as strict as Parse: bucket and prefix (empty, or ending in "/") are there once
// as a pair, accounts are of known targets, defaults hold neither a date in publish_at nor again nor a cover picture, which are a
// single video's, and `to` in them stays within the accounts. A missing sidecar word means optional.
func ParseRoutes(b []byte, targets []string) (Routes, error) {
	const op = "manifest.ParseRoutes"
	d, err := scan(op, b)
	if err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if kindOf(d.text) != "a list" || json.Unmarshal(d.text, &list) != nil {
		return nil, fault.InvalidField(op, "document", "a list of routes", "it is "+kindOf(d.text))
	}
	if len(list) > MaxRoutes {
		return nil, fault.InvalidField(op, "document", fmt.Sprintf("<= %d routes", MaxRoutes), fmt.Sprintf("there are %d", len(list)))
	}
	rs := make(Routes, 0, len(list))
	for i, raw := range list {
		r, f := parseRoute(raw, targets)
		if f == nil && slices.ContainsFunc(rs, func(o Route) bool { return o.Bucket == r.Bucket && o.Prefix == r.Prefix }) {
			f = &flaw{"prefix", "", "each bucket and prefix once", fmt.Sprintf("%q has a route already", clip(r.Bucket+"/"+r.Prefix))}
		}
		if f != nil {
			where := flaw{index(i), f.top, f.rule, f.msg}
			if f.sub != "" {
				where.sub = strings.ReplaceAll(f.top+"."+clip(f.sub), ".[", "[")
			}
			return nil, where.fault(op, &document{text: d.text, starts: routeStarts(d, i, f.top)})
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// routeStarts gives the place of the field of route i, else of the route.
func routeStarts(d document, i int, field string) map[spot]int64 {
	if off, ok := d.starts[spot{index(i), field}]; ok {
		return map[spot]int64{{index(i), ""}: off}
	}
	return map[spot]int64{{index(i), ""}: d.starts[spot{index(i), ""}]}
}

var bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func parseRoute(raw json.RawMessage, targets []string) (Route, *flaw) {
	var fields map[string]json.RawMessage
	if kindOf(raw) != "an object" || json.Unmarshal(raw, &fields) != nil {
		return Route{}, &flaw{"route", "", "an object", "it is " + kindOf(raw)}
	}
	r := Route{Sidecar: SidecarOptional}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		var f *flaw
		switch v := fields[name]; name {
		case "bucket":
			f = text(name, v, &r.Bucket)
		case "prefix":
			f = text(name, v, &r.Prefix)
		case "accounts":
			f = texts(name, v, &r.Accounts)
		case "sidecar":
			f = text(name, v, (*string)(&r.Sidecar))
		case "defaults":
			f = r.parseDefaults(v, targets)
		default:
			f = &flaw{name, "", "a known field", "no such field; known are bucket, prefix, accounts, sidecar, defaults"}
		}
		if f != nil {
			return Route{}, f
		}
	}
	return r, r.check(targets)
}

func (r *Route) parseDefaults(raw json.RawMessage, targets []string) *flaw {
	var m Manifest
	f := m.decode(bytes.TrimSpace(raw), orEmpty(targets))
	if f == nil {
		f = m.check()
	}
	if f != nil {
		sub := f.top
		if f.sub != "" {
			sub += "." + f.sub
		}
		return &flaw{"defaults", sub, f.rule, f.msg}
	}
	m.Title = strings.TrimFunc(m.Title, isSpace)
	r.Defaults = m
	return nil
}

func (r Route) check(targets []string) *flaw {
	switch {
	case !bucketForm.MatchString(r.Bucket):
		return &flaw{"bucket", "", "a bucket name", fmt.Sprintf("it is %q", clip(r.Bucket))}
	case r.Prefix != "" && (CheckKey(r.Prefix) != nil || !strings.HasSuffix(r.Prefix, "/") || strings.HasPrefix(r.Prefix, "/")):
		return &flaw{"prefix", "", `empty, or ending (and not starting) in "/"`, fmt.Sprintf("it is %q", clip(r.Prefix))}
	case r.Sidecar != SidecarRequired && r.Sidecar != SidecarOptional && r.Sidecar != SidecarNever:
		return &flaw{"sidecar", "", "required, optional or never", fmt.Sprintf("it is %q", clip(string(r.Sidecar)))}
	case len(r.Accounts) == 0 || len(r.Accounts) > MaxTo:
		return &flaw{"accounts", "", fmt.Sprintf("1 to %d accounts", MaxTo), fmt.Sprintf("there are %d", len(r.Accounts))}
	}
	for i, a := range r.Accounts {
		if _, err := upload.ParseAccount(string(a)); err != nil {
			return &flaw{"accounts", index(i), "target/name", err.Error()}
		}
		if !slices.Contains(targets, a.Target()) {
			return &flaw{"accounts", index(i), "a known target", fmt.Sprintf("%s is none of %s", a.Target(), strings.Join(targets, ", "))}
		}
		if slices.Contains(r.Accounts[:i], a) {
			return &flaw{"accounts", index(i), "each account once", string(a) + " appears a second time"}
		}
	}
	return r.checkDefaults()
}

func (r Route) checkDefaults() *flaw {
	d := r.Defaults
	single := map[string]bool{fieldAgain: d.Again != "", fieldCover: d.Cover != nil && d.Cover.Key != "", fieldPublishAt: d.PublishAt != nil}
	for _, name := range slices.Sorted(maps.Keys(single)) {
		if single[name] {
			return &flaw{"defaults", name, "not in a route's defaults", "it belongs to a single video"}
		}
	}
	for i, a := range d.To {
		if !slices.Contains(r.Accounts, a) {
			return &flaw{"defaults", fieldTo + index(i), "one of the route's accounts", string(a) + " is not"}
		}
	}
	return nil
}

// Match gives the route of a key: that of its bucket with the longest prefix. False if there is none: WAITING(route).
func (rs Routes) Match(bucket, key string) (Route, bool) {
	best, found := Route{}, false
	for _, r := range rs {
		if r.Bucket == bucket && strings.HasPrefix(key, r.Prefix) && (!found || len(r.Prefix) > len(best.Prefix)) {
			best, found = r, true
		}
	}
	return best, found
}

// Choose gives the accounts that m goes to by this route: m.To, else the defaults' To, else all of the route's. An account
// that the route does not have, and a cover outside its prefix, are Invalid.
func (r Route) Choose(m Manifest) ([]upload.Account, error) {
	const op = "manifest.Choose"
	to := m.To
	if len(to) == 0 {
		to = r.Defaults.To
	}
	if len(to) == 0 {
		to = r.Accounts
	}
	for i, a := range to {
		if !slices.Contains(r.Accounts, a) {
			return nil, fault.InvalidField(op, fieldTo+index(i), "an account of the route", fmt.Sprintf("the route of %s does not allow account %s; it allows %s", r.name(), clip(string(a)), join(r.Accounts)))
		}
	}
	if m.Cover != nil && m.Cover.Key != "" && !strings.HasPrefix(m.Cover.Key, r.Prefix) {
		return nil, fault.InvalidField(op, "cover.key", "under the prefix of the video's route", fmt.Sprintf("%q is not under %s", clip(m.Cover.Key), r.name()))
	}
	return slices.Clone(to), nil
}

// name is how people call the route.
func (r Route) name() string {
	if r.Prefix == "" || !utf8.ValidString(r.Prefix) {
		return fmt.Sprintf("bucket %q", clip(r.Bucket))
	}
	return fmt.Sprintf("prefix %q in bucket %q", clip(r.Prefix), clip(r.Bucket))
}

func join(as []upload.Account) string {
	s := make([]string, len(as))
	for i, a := range as {
		s[i] = string(a)
	}
	return strings.Join(s, ", ")
}
