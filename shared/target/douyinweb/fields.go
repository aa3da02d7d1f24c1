package douyinweb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/markup"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

const maxFields = 16 << 10

// Visibility is who sees the post: its visibility_type (reference B.1).
type Visibility int

// The three.
const (
	Public Visibility = iota
	Private
	Friends
)

// UnmarshalJSON takes the words public, private, friends, or the platform's own 0, 1, 2.
func (v *Visibility) UnmarshalJSON(b []byte) error {
	i := slices.Index([]string{`"public"`, `"private"`, `"friends"`, "0", "1", "2"}, string(bytes.TrimSpace(b)))
	if i < 0 {
		return errors.New("visibility is public, private or friends")
	}
	*v = Visibility(i % 3)
	return nil
}

// Fields is the manifest's object "douyinweb". Absent means not set.
type Fields struct {
	// Challenges gives the ids of topics in the text, by name without #. A topic without one is a topic all the same.
	Challenges map[string]string `json:"challenges,omitempty"`
	MixID      string            `json:"mix_id,omitempty"`    // the collection,
	MixOrder   *int              `json:"mix_order,omitempty"` // and the place in it, from 1; both or none
	Download   *bool             `json:"download,omitempty"`  // may others save it; default no
	Visibility *Visibility       `json:"visibility,omitempty"`
	// PosterDelay is the second of the frame that becomes the cover; default 0.
	PosterDelay *float64 `json:"poster_delay,omitempty"`
}

// ParseFields reads the manifest's object strictly; null and nothing are no fields. Errors are Invalid.
func ParseFields(raw json.RawMessage) (Fields, error) {
	var f Fields
	if t := bytes.TrimSpace(raw); len(t) == 0 || string(t) == "null" {
		return f, nil
	}
	bad := func(rule string, err error) error {
		return fault.InvalidField("douyinweb.Fields", Word, rule, printable(err.Error(), nil))
	}
	if len(raw) > maxFields {
		return f, bad(fmt.Sprintf("<= %d bytes", maxFields), fmt.Errorf("it has %d bytes", len(raw)))
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Fields{}, bad("an object with known fields", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Fields{}, bad("one object", errors.New("something follows it"))
	}
	return f, nil
}

// CoverForms: the flow knows no picture of its own, only a moment of the video (reference B.1, poster_delay).
func (t *Target) CoverForms() target.CoverForms { return target.CoverForms{Frame: true} }

// delay is the second whose frame becomes the cover: the field of this platform, else the manifest's cover.
func (f Fields) delay(v upload.Video) float64 {
	switch {
	case f.PosterDelay != nil:
		return *f.PosterDelay
	case v.Cover != nil && v.Cover.At != nil:
		return *v.Cover.At
	}
	return 0
}

// check tells what cannot be: web is the text of the post.
func (f Fields) check(v upload.Video, web markup.Web) error {
	bad := func(field, rule, msg string) error {
		return fault.InvalidField("douyinweb.Validate", Word+"."+field, rule, msg)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Challenges)) {
		switch id := f.Challenges[name]; {
		case !slices.Contains(web.Topics, name):
			return bad("challenges", "names of topics in the text, without #", fmt.Sprintf("%s is none", printable(fmt.Sprintf("%.64q", name), nil)))
		case !digits(id):
			return bad("challenges", "an id of digits", fmt.Sprintf("the id of %s is not", printable(fmt.Sprintf("%.64q", name), nil)))
		}
	}
	switch {
	case f.MixID != "" && !digits(f.MixID):
		return bad("mix_id", "an id of digits", "it is none")
	case f.MixOrder != nil && f.MixID == "":
		return bad("mix_id", "set with mix_order", "it is missing")
	case f.MixOrder == nil && f.MixID != "":
		return bad("mix_order", "set with mix_id", "it is missing")
	case f.MixOrder != nil && *f.MixOrder < 1:
		return bad("mix_order", ">= 1", fmt.Sprint(*f.MixOrder))
	case f.Visibility != nil && v.Private && *f.Visibility != Private:
		return bad("visibility", "private with private", "the manifest says private, this field says otherwise")
	case f.delay(v) < 0 || v.Duration > 0 && f.delay(v) > v.Duration.Seconds():
		return bad("poster_delay", "seconds inside the video", fmt.Sprintf("%g s", f.delay(v)))
	}
	return nil
}

func (f Fields) visibility(v upload.Video) Visibility {
	switch {
	case v.Private:
		return Private
	case f.Visibility != nil:
		return *f.Visibility
	}
	return Public
}

// digits is what the platform's numbers look like; they are longer than a number of JSON can hold.
func digits(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "0123456789") == ""
}

// Text is the post's text in the platform's form: title, description, then the tags as topics.
func Text(v upload.Video) (markup.Web, error) {
	spans, err := markup.Compose("douyinweb.Validate", v.Title, v.Description, v.Tags)
	if err != nil {
		return markup.Web{}, err
	}
	return markup.RenderWeb(spans, Word), nil
}

// Validate makes the checks of Init without a request.
func (t *Target) Validate(v upload.Video) error {
	const op = "douyinweb.Validate"
	if t.bad != nil {
		return fault.Wrap(op, t.bad)
	}
	_, _, err := t.checked(op, v)
	return err
}

// checked is everything that create sends of v.
func (t *Target) checked(op string, v upload.Video) (Fields, markup.Web, error) {
	bad := func(field, rule, msg string) (Fields, markup.Web, error) {
		return Fields{}, markup.Web{}, fault.InvalidField(op, field, rule, msg)
	}
	switch {
	case v.Size <= 0:
		return bad("source.size", "> 0", "the file is empty")
	case v.Size > t.limits.MaxSize:
		return bad("source.size", fmt.Sprintf("<= %d bytes", t.limits.MaxSize), fmt.Sprintf("the file has %d bytes", v.Size))
	case v.ContentType != "" && v.ContentType != "application/octet-stream" && v.ContentType != "binary/octet-stream" && !strings.HasPrefix(v.ContentType, "video/"):
		return bad("source.content_type", "video/*", fmt.Sprintf("it is %.64q", v.ContentType))
	case strings.TrimSpace(v.Title) == "":
		return bad("title", "not empty", "the post would have no text")
	}
	for _, x := range [...]struct{ name, text string }{{"title", v.Title}, {"description", v.Description}} {
		if !utf8.ValidString(x.text) {
			return bad(x.name, "UTF-8", "it is not valid UTF-8")
		}
		for _, r := range x.text {
			if unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r) {
				return bad(x.name, "no control characters", fmt.Sprintf("it holds %U", r))
			}
		}
	}
	web, err := Text(v)
	if err != nil {
		return Fields{}, markup.Web{}, fault.Wrap(op, err)
	}
	if n := markup.Units(web.Text); n > maxText {
		return bad("title", fmt.Sprintf("title, description and tags <= %d UTF-16 units", maxText), fmt.Sprintf("together they have %d", n))
	}
	f, err := ParseFields(v.Fields)
	if err != nil {
		return Fields{}, markup.Web{}, err
	}
	if err := t.CoverForms().Check(op, "douyinweb", v); err != nil {
		return Fields{}, markup.Web{}, err
	}
	return f, web, f.check(v, web)
}

// InitHash: of the manifest, only the cover's second is used before create.
func (t *Target) InitHash(v upload.Video) string {
	f, err := ParseFields(v.Fields)
	if err != nil {
		return Word + ": unreadable fields"
	}
	return fmt.Sprintf("%s:%g", Word, f.delay(v))
}
