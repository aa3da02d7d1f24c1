package youku

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/markup"
	"github.com/vodlift/vodlift/shared/upload"
)

// Fields is the manifest's object "youku": what create takes beside the common fields (reference 4.1), by the
// platform's own names. Absent means not set, and then the platform's default holds. isweb is no field: servers send 0.
type Fields struct {
	// Title, Tags and Description stand in the place of the manifest's own, where Youku's limits ask for other words.
	Title       string   `json:"title,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	Description string   `json:"description,omitempty"`

	Category      string `json:"category,omitempty"`
	Thumbnail     string `json:"thumbnail,omitempty"`      // https URL of the cover; the form is unconfirmed
	CopyrightType string `json:"copyright_type,omitempty"` // original, reproduced
	PublicType    string `json:"public_type,omitempty"`    // all, friend, password
	Deshake       *int   `json:"deshake,omitempty"`        // 0, 1

	// WatchPasswordName names a sealed watch password; required with public_type password.
	WatchPasswordName string `json:"watch_password_name,omitempty"`
	// WatchPassword is refused: a sidecar is no place for a password in clear.
	WatchPassword json.RawMessage `json:"watch_password,omitempty"`
}

const (
	maxFields      = 16 << 10
	publicPassword = "password"
)

// ParseFields decodes strictly: a misspelt name is an error, not a wish that is dropped. Empty and null are no fields.
func ParseFields(raw json.RawMessage) (Fields, error) {
	var f Fields
	if t := bytes.TrimSpace(raw); len(t) == 0 || string(t) == "null" {
		return f, nil
	}
	bad := func(rule string, err error) error {
		return fault.InvalidField("youku.Fields", "youku", rule, printable(err.Error(), nil))
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
	if len(f.WatchPassword) > 0 {
		return Fields{}, fault.InvalidField("youku.Fields", "youku.watch_password", "not in clear",
			"a sidecar is no place for a password; store it sealed (vodlift app set youku-watch-NAME) and name it in watch_password_name")
	}
	return f, nil
}

// meta is what create says of a video, normalised.
type meta struct {
	Fields
	fileName, title, description string
	tags                         []string
	cover                        *upload.Picture // in the place of Thumbnail
}

func invalid(field, rule, msg string) error {
	return fault.InvalidField("youku.Validate", field, rule, msg)
}

// drawn ends a text with the code that the platform would have answered.
func drawn(msg string, code int64) string {
	return fmt.Sprintf("%s; Youku would refuse it with code %d", msg, code)
}

// Validate makes the checks of Init without a request. The MD5 may be missing: it is taken later.
func (t *Target) Validate(v upload.Video) error {
	if t.bad != nil {
		return fault.Wrap("youku.Validate", t.bad)
	}
	switch {
	case v.Size <= 0:
		return invalid("source.size", "> 0", "the file is empty")
	case v.Size > t.limits.MaxSize:
		return invalid("source.size", fmt.Sprintf("<= %d bytes", t.limits.MaxSize), drawn(fmt.Sprintf("the file has %d bytes", v.Size), 120010113))
	case v.MD5 != "" && !md5Form.MatchString(v.MD5):
		return invalid("source.md5", "32 lower-case hexadecimal digits", "this is no MD5")
	case mediaType(v.ContentType) != nil:
		return invalid("source.content_type", "video/*", printable(fmt.Sprintf("it is %.64q", v.ContentType), nil))
	case v.Private:
		return invalid("private", "not at Youku", "Youku takes no private video at create; set youku.public_type to friend or password instead of private")
	}
	if err := t.CoverForms().Check("youku.Validate", "Youku", v); err != nil {
		return err
	}
	_, err := t.meta(v)
	return err
}

// meta normalises and checks.
func (t *Target) meta(v upload.Video) (meta, error) {
	f, err := ParseFields(v.Fields)
	if err != nil {
		return meta{}, err
	}
	m := meta{Fields: f, fileName: v.FileName}
	var topics []string
	if m.title, topics, err = plain("title", f.Title, v.Title); err != nil {
		return meta{}, err
	}
	var more []string
	if m.description, more, err = plain("description", f.Description, v.Description); err != nil {
		return meta{}, err
	}
	given := f.Tags
	if len(given) == 0 {
		given = v.Tags
	}
	if m.tags = normalTags(given); len(m.tags) == 0 {
		m.tags = t.topicTags(append(topics, more...))
	}
	if v.Cover != nil && v.Cover.Picture != nil {
		if m.Thumbnail != "" {
			return meta{}, invalid("youku.thumbnail", "not beside cover", "both choose the cover")
		}
		m.cover = v.Cover.Picture
	}
	if i := strings.LastIndexAny(m.fileName, `/\`); i >= 0 {
		m.fileName = m.fileName[i+1:]
	}
	for _, check := range []func(meta) error{t.checkText, t.checkTags, t.checkFields} {
		if err := check(m); err != nil {
			return meta{}, err
		}
	}
	return m, nil
}

// plain is what a person reads of a text with topics and mentions (shared/markup), and the names of its topics. own stands
// in the place of the manifest's text.
func plain(field, own, common string) (text string, topics []string, err error) {
	if strings.TrimSpace(own) != "" {
		field, common = "youku."+field, own
	}
	spans, err := markup.Parse(strings.TrimRightFunc(common, unicode.IsSpace))
	if err != nil {
		return "", nil, markup.Invalid("youku.Validate", field, err)
	}
	for _, s := range spans {
		if s.Kind == markup.Topic {
			topics = append(topics, s.Name)
		}
	}
	return strings.TrimSpace(markup.Plain(spans)), topics, nil
}

// topicTags are those topics that can be tags here: where a manifest names no tags, what it is about is in its text.
func (t *Target) topicTags(topics []string) []string {
	out := normalTags(topics)
	out = slices.DeleteFunc(out, func(s string) bool {
		n := utf8.RuneCountInString(s)
		return n < minTag || n > t.cfg.TagMax
	})
	return out[:min(len(out), maxTags)]
}

// normalTags splits at ASCII and full-width commas, trims, and drops what is empty or there twice (reference 4.2). The
// mark of a topic is not part of a tag.
func normalTags(in []string) []string {
	var out []string
	for _, s := range in {
		for _, tag := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == '，' }) {
			tag = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(tag), "#＃"))
			if tag != "" && !slices.Contains(out, tag) {
				out = append(out, tag)
			}
		}
	}
	return out
}

func (t *Target) checkText(m meta) error {
	n := utf8.RuneCountInString(m.title)
	switch {
	case m.fileName == "" || len(m.fileName) > maxName:
		return invalid("source.file_name", fmt.Sprintf("1 to %d bytes", maxName), "create needs the file's name")
	case m.title == "":
		return invalid("title", fmt.Sprintf("1 to %d characters", maxTitle), drawn("it is empty", 120010101))
	case n > maxTitle:
		return invalid("title", fmt.Sprintf("1 to %d characters", maxTitle), drawn(fmt.Sprintf("it has %d; youku.title may be a shorter one", n), 120010102))
	}
	if n := utf8.RuneCountInString(m.description); n > t.cfg.DescriptionMax {
		return invalid("description", fmt.Sprintf("<= %d characters (setting description_max)", t.cfg.DescriptionMax),
			drawn(fmt.Sprintf("it has %d; youku.description may be a shorter one, the setting description_max allows up to %d", n, hardText), 120010142))
	}
	for _, x := range [...]struct{ name, text, allowed string }{
		{"source.file_name", m.fileName, ""}, {"title", m.title, ""}, {"description", m.description, "\n\r\t"}, {"youku.category", m.Category, ""},
	} {
		if err := checkChars(x.name, x.text, x.allowed); err != nil {
			return err
		}
	}
	return nil
}

func (t *Target) checkTags(m meta) error {
	count := fmt.Sprintf("1 to %d tags", maxTags)
	switch n := len(m.tags); {
	case n == 0:
		return invalid("tags", count, drawn("there are none", 120010121))
	case n > maxTags:
		return invalid("tags", count, drawn(fmt.Sprintf("there are %d", n), 120010122))
	}
	for i, tag := range m.tags {
		name := fmt.Sprintf("tags[%d]", i)
		if err := checkChars(name, tag, ""); err != nil {
			return err
		}
		switch n := utf8.RuneCountInString(tag); {
		case n < minTag:
			return invalid(name, fmt.Sprintf("%d to %d characters", minTag, t.cfg.TagMax), drawn(printable(fmt.Sprintf("%q has %d", tag, n), nil), 120010124))
		case n > t.cfg.TagMax:
			return invalid(name, fmt.Sprintf("%d to %d characters (setting tag_max)", minTag, t.cfg.TagMax),
				drawn(printable(fmt.Sprintf("%.64q has %d; the setting tag_max allows up to %d", tag, n, hardTag), nil), 120010125))
		}
	}
	return nil
}

func (t *Target) checkFields(m meta) error {
	oneOf := func(field, v string, words ...string) error {
		if v == "" || slices.Contains(words, v) {
			return nil
		}
		return invalid("youku."+field, strings.Join(words, " | "), printable(fmt.Sprintf("it is %.32q", v), nil))
	}
	if err := oneOf("copyright_type", m.CopyrightType, "original", "reproduced"); err != nil {
		return err
	}
	if err := oneOf("public_type", m.PublicType, "all", "friend", publicPassword); err != nil {
		return err
	}
	switch {
	case m.PublicType != publicPassword && m.WatchPasswordName != "":
		return invalid("youku.watch_password_name", "with public_type password only", "the public_type is another")
	case m.PublicType == publicPassword && m.WatchPasswordName == "":
		return invalid("youku.watch_password_name", "required with public_type password", drawn("it is missing", 120010145))
	case m.PublicType == publicPassword && t.opt.Password == nil:
		return invalid("youku.public_type", "all | friend", "no sealed watch passwords are set up here")
	case m.Deshake != nil && *m.Deshake != 0 && *m.Deshake != 1:
		return invalid("youku.deshake", "0 | 1", fmt.Sprintf("it is %d", *m.Deshake))
	case utf8.RuneCountInString(m.Category) > 64:
		return invalid("youku.category", "<= 64 characters", "it is longer")
	}
	if m.Thumbnail != "" {
		u, err := url.Parse(m.Thumbnail)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(m.Thumbnail) > 1000 {
			return invalid("youku.thumbnail", "an https URL of at most 1000 bytes", "it is none")
		}
	}
	return nil
}

// checkPassword is code 120010145.
func checkPassword(s string) error {
	ok := s != "" && len(s) <= maxPassword
	for _, r := range s {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
	}
	if !ok {
		return invalid("youku.watch_password_name", fmt.Sprintf("names 1 to %d letters and digits", maxPassword), drawn("the sealed password has another form", 120010145))
	}
	return nil
}

func checkChars(field, s, allowed string) error {
	if !utf8.ValidString(s) {
		return invalid(field, "UTF-8", "it is not valid UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) {
			return invalid(field, "no control characters", fmt.Sprintf("it holds %U", r))
		}
	}
	return nil
}
