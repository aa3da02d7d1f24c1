// Package manifest holds what a publisher wants done with a video: the sidecar document beside it, the object's metadata,
// the defaults of the route it was dropped on, how the three become one, and which accounts a key may go to at all.
//
// Everything it reads was written by strangers (design 4.10): each refusal names the field, the rule and the place, and
// nothing is accepted in part. It is pure: no I/O, no clock, no platform. What a platform's own fields mean is for that
// platform's adapter; here they are only known to be a JSON object.
package manifest

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/upload"
)

// Manifest says what to do with one video. The zero value asks for nothing in particular.
type Manifest struct {
	Title       string
	Description string
	Tags        []string
	Cover       *Cover
	PublishAt   *time.Time // not before this
	// PublishIn is publish_at as "+2h": not before so long after the video was taken in. At most one of the two is set.
	PublishIn *time.Duration
	Private   bool
	Again     string           // a label that asks for a second post of the same source to the same account
	To        []upload.Account // empty: what the route says
	// Targets holds the fields for one platform, by its word ("douyin"), as a JSON object that only its adapter reads.
	Targets map[string]json.RawMessage

	// given remembers what a document names, so that `"private": false` in a sidecar wins over a default of true.
	given fieldSet
}

// Cover is either a picture in the same bucket or a moment of the video.
type Cover struct {
	Key string   `json:"key,omitempty"` // of the picture; under the prefix of the video's route
	At  *float64 `json:"at,omitempty"`  // seconds from the start
}

// The names of a manifest's own fields in JSON.
const (
	fieldTitle       = "title"
	fieldDescription = "description"
	fieldTags        = "tags"
	fieldCover       = "cover"
	fieldPublishAt   = "publish_at"
	fieldPrivate     = "private"
	fieldAgain       = "again"
	fieldTo          = "to"
)

type fieldSet uint16

const (
	hasTitle fieldSet = 1 << iota
	hasDescription
	hasTags
	hasCover
	hasPublishAt
	hasPrivate
	hasAgain
	hasTo
)

// KnownTargets are the platforms that take videos (design 1). Tests may pass Parse a longer list.
func KnownTargets() []string { return []string{"douyin", "douyinweb", "youku", "alivod"} }

// fields tells which fields count as given: those a document named, and those that are not zero.
func (m Manifest) fields() fieldSet {
	s := m.given
	for _, f := range [...]struct {
		set bool
		bit fieldSet
	}{
		{m.Title != "", hasTitle}, {m.Description != "", hasDescription}, {m.Tags != nil, hasTags}, {m.Cover != nil, hasCover},
		{m.PublishAt != nil || m.PublishIn != nil, hasPublishAt}, {m.Private, hasPrivate}, {m.Again != "", hasAgain}, {m.To != nil, hasTo},
	} {
		if f.set {
			s |= f.bit
		}
	}
	return s
}

// Given tells whether the manifest says anything at all.
func (m Manifest) Given() bool { return m.fields() != 0 || len(m.Targets) > 0 }

// MarshalJSON writes the form that Parse reads, keys sorted.
func (m Manifest) MarshalJSON() ([]byte, error) {
	out := map[string]any{}
	for t, raw := range m.Targets {
		out[t] = raw
	}
	s := m.fields()
	put := func(bit fieldSet, name string, v any) {
		if s&bit != 0 {
			out[name] = v
		}
	}
	put(hasTitle, fieldTitle, m.Title)
	put(hasDescription, fieldDescription, m.Description)
	put(hasTags, fieldTags, orEmpty(m.Tags))
	put(hasCover, fieldCover, m.Cover)
	if m.PublishIn != nil {
		put(hasPublishAt, fieldPublishAt, "+"+m.PublishIn.String())
	} else {
		put(hasPublishAt, fieldPublishAt, m.PublishAt)
	}
	put(hasPrivate, fieldPrivate, m.Private)
	put(hasAgain, fieldAgain, m.Again)
	put(hasTo, fieldTo, orEmpty(m.To))
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote. It is as strict as Parse, but takes any word for a target: a record must
// stay readable when a platform is gone.
func (m *Manifest) UnmarshalJSON(b []byte) error {
	got, err := parse(b, nil)
	if err != nil {
		return err
	}
	*m = got
	return nil
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// For gives the object for one target, nil if the manifest has none.
func (m Manifest) For(target string) json.RawMessage { return slices.Clone(m.Targets[target]) }

// TargetWords lists the platforms that the manifest has fields for, sorted.
func (m Manifest) TargetWords() []string { return slices.Sorted(maps.Keys(m.Targets)) }
