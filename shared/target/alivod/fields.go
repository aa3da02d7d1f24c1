package alivod

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/markup"
	"github.com/vodlift/vodlift/shared/upload"
)

// Fields is the manifest's object "alivod": what CreateUploadVideo takes beside the common fields (reference a.3). Absent
// means not set, and then the platform's default holds.
type Fields struct {
	// Title, Tags and Description stand in the place of the manifest's own, where VOD's limits ask for other words.
	Title       string   `json:"title,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	Description string   `json:"description,omitempty"`

	CateID          int64  `json:"cate_id,omitempty"`
	TemplateGroupID string `json:"template_group_id,omitempty"`
	WorkflowID      string `json:"workflow_id,omitempty"`
	StorageLocation string `json:"storage_location,omitempty"`
	CoverURL        string `json:"cover_url,omitempty"` // https
}

const maxFields = 16 << 10

// ParseFields decodes strictly: a misspelt name is an error, not a wish that is dropped. Empty and null are no fields.
func ParseFields(raw json.RawMessage) (Fields, error) {
	var f Fields
	if t := bytes.TrimSpace(raw); len(t) == 0 || string(t) == "null" {
		return f, nil
	}
	bad := func(rule string, err error) error {
		return fault.InvalidField("alivod.Fields", "alivod", rule, shown(err.Error()))
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

// shown makes somebody else's words fit for an error.
func shown(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300]) + "..."
	}
	return s
}

// meta is what CreateUploadVideo says of a video, normalised.
type meta struct {
	Fields
	fileName, title, description string
	tags                         []string
}

func invalid(field, rule, msg string) error {
	return fault.InvalidField("alivod.Validate", field, rule, msg)
}

// extensions are those of videos (reference a.3).
func extensions() []string {
	return strings.Fields("mp4 ts 3gp mpg mpeg mpe dat vob asf avi wmv flv f4v rm rmvb mov mkv m3u8 dv gif m2t m4v mj2 mjpeg mts ogg qt swf webm")
}

// Validate makes the checks of Init without a request.
func (t *Target) Validate(v upload.Video) error {
	if t.bad != nil {
		return fault.Wrap("alivod.Validate", t.bad)
	}
	switch {
	case v.Size <= 0:
		return invalid("source.size", "> 0", "the file is empty")
	case v.Size > t.limits.MaxSize:
		return invalid("source.size", fmt.Sprintf("<= %d bytes", t.limits.MaxSize), fmt.Sprintf("the file has %d bytes", v.Size))
	case !isVideo(v.ContentType):
		return invalid("source.content_type", "video/*", shown(fmt.Sprintf("it is %.64q", v.ContentType)))
	case v.Private:
		return invalid("private", "not at VOD", "what VOD has is listed in the app for everybody; leave this account out of what is private")
	case len(v.Upload) > maxExtend:
		return invalid("upload", fmt.Sprintf("<= %d bytes", maxExtend), "the id of the upload is longer")
	}
	if err := t.CoverForms().Check("alivod.Validate", "VOD", v); err != nil {
		return err
	}
	m, err := t.meta(v)
	if err == nil && v.Cover != nil && m.CoverURL != "" {
		return invalid("alivod.cover_url", "not beside cover", "both choose the cover")
	}
	return err
}

func isVideo(s string) bool {
	m, _, err := mime.ParseMediaType(s)
	return s == "" || err == nil && (m == "application/octet-stream" || m == "binary/octet-stream" || strings.HasPrefix(m, "video/"))
}

// meta normalises and checks.
func (t *Target) meta(v upload.Video) (meta, error) {
	f, err := ParseFields(v.Fields)
	if err != nil {
		return meta{}, err
	}
	m := meta{Fields: f}
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
	if m.fileName, err = fileName(v.FileName); err != nil {
		return meta{}, err
	}
	for _, check := range []func(meta) error{checkText, checkTags, checkFields} {
		if err := check(m); err != nil {
			return meta{}, err
		}
	}
	return m, nil
}

// fileName is what VOD reads the format from. Of a name that VOD would refuse only the extension is sent: nobody sees it.
func fileName(name string) (string, error) {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
	if !slices.Contains(extensions(), ext) {
		return "", invalid("source.file_name", "an extension that VOD takes: "+strings.Join(extensions(), " "), shown(fmt.Sprintf("VOD would refuse %.64q with InvalidFileName.Extension", ext)))
	}
	if len(name) > maxName || checkChars("", name, "") != nil {
		name = "video." + ext
	}
	return name, nil
}

// plain is what a person reads of a text with topics and mentions (shared/markup), and the names of its topics. own stands
// in the place of the manifest's text.
func plain(field, own, common string) (text string, topics []string, err error) {
	if strings.TrimSpace(own) != "" {
		field, common = "alivod."+field, own
	}
	spans, err := markup.Parse(strings.TrimRightFunc(common, unicode.IsSpace))
	if err != nil {
		return "", nil, markup.Invalid("alivod.Validate", field, err)
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
	out = slices.DeleteFunc(out, func(s string) bool { return len(s) > maxTag || checkChars("", s, "") != nil })
	return out[:min(len(out), maxTags)]
}

// normalTags splits at ASCII and full-width commas, trims, and drops what is empty or there twice; VOD takes the tags as
// one list with commas. The mark of a topic is not part of a tag.
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

func checkText(m meta) error {
	switch n := len(m.title); {
	case n == 0:
		return invalid("title", fmt.Sprintf("1 to %d bytes", maxTitle), "it is empty")
	case n > maxTitle:
		return invalid("title", fmt.Sprintf("1 to %d bytes of UTF-8", maxTitle), fmt.Sprintf("it has %d; alivod.title may be a shorter one", n))
	}
	if n := len(m.description); n > maxDescription {
		return invalid("description", fmt.Sprintf("<= %d bytes of UTF-8", maxDescription), fmt.Sprintf("it has %d; alivod.description may be a shorter one", n))
	}
	if err := checkChars("title", m.title, ""); err != nil {
		return err
	}
	return checkChars("description", m.description, "\n\r\t")
}

func checkTags(m meta) error {
	if n := len(m.tags); n > maxTags {
		return invalid("tags", fmt.Sprintf("<= %d tags", maxTags), fmt.Sprintf("there are %d", n))
	}
	for i, tag := range m.tags {
		name := fmt.Sprintf("tags[%d]", i)
		if len(tag) > maxTag {
			return invalid(name, fmt.Sprintf("<= %d bytes of UTF-8", maxTag), shown(fmt.Sprintf("%.64q has %d", tag, len(tag))))
		}
		if err := checkChars(name, tag, ""); err != nil {
			return err
		}
	}
	return nil
}

var (
	idForm       = lazily(`^[A-Za-z0-9_-]{1,128}$`)
	locationForm = lazily(`^[a-z0-9][a-z0-9.-]{1,250}$`) // a bucket with its endpoint
)

func checkFields(m meta) error {
	switch {
	case m.CateID < 0:
		return invalid("alivod.cate_id", "> 0", fmt.Sprintf("it is %d", m.CateID))
	case m.TemplateGroupID != "" && !idForm().MatchString(m.TemplateGroupID):
		return invalid("alivod.template_group_id", "letters, digits, - and _", "this is not the id of a template group")
	case m.WorkflowID != "" && !idForm().MatchString(m.WorkflowID):
		return invalid("alivod.workflow_id", "letters, digits, - and _", "this is not the id of a workflow")
	case m.TemplateGroupID != "" && m.WorkflowID != "":
		return invalid("alivod.workflow_id", "not beside template_group_id", "VOD takes one of the two")
	case m.StorageLocation != "" && !locationForm().MatchString(m.StorageLocation):
		return invalid("alivod.storage_location", "a bucket with its endpoint", "this is none")
	}
	if m.CoverURL != "" {
		u, err := url.Parse(m.CoverURL)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(m.CoverURL) > 1000 {
			return invalid("alivod.cover_url", "an https URL of at most 1000 bytes", "it is none")
		}
	}
	return nil
}

func checkChars(field, s, allowed string) error {
	if !utf8.ValidString(s) {
		return invalid(field, "UTF-8", "it is not valid UTF-8")
	}
	for _, r := range s {
		switch {
		case unicode.IsControl(r) && !strings.ContainsRune(allowed, r):
			return invalid(field, "no control characters", fmt.Sprintf("it holds %U", r))
		case unicode.Is(emoji, r):
			return invalid(field, "no emoji", fmt.Sprintf("it holds %U; VOD would refuse it with IllegalCharacters", r))
		}
	}
	return nil
}

// emoji is what Unicode shows as such by itself, and the marks that make others so. Letters outside the basic plane are no
// emoji.
var emoji = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x20e3, Hi: 0x20e3, Stride: 1}, {Lo: 0x231a, Hi: 0x231b, Stride: 1}, {Lo: 0x23e9, Hi: 0x23ec, Stride: 1}, {Lo: 0x23f0, Hi: 0x23f3, Stride: 3},
		{Lo: 0x25fd, Hi: 0x25fe, Stride: 1}, {Lo: 0x2614, Hi: 0x2615, Stride: 1}, {Lo: 0x2648, Hi: 0x2653, Stride: 1}, {Lo: 0x267f, Hi: 0x2693, Stride: 0x14},
		{Lo: 0x26a1, Hi: 0x26a1, Stride: 1}, {Lo: 0x26aa, Hi: 0x26ab, Stride: 1}, {Lo: 0x26bd, Hi: 0x26be, Stride: 1}, {Lo: 0x26c4, Hi: 0x26c5, Stride: 1},
		{Lo: 0x26ce, Hi: 0x26d4, Stride: 6}, {Lo: 0x26ea, Hi: 0x26ea, Stride: 1}, {Lo: 0x26f2, Hi: 0x26f3, Stride: 1}, {Lo: 0x26f5, Hi: 0x26fa, Stride: 5},
		{Lo: 0x26fd, Hi: 0x2705, Stride: 8}, {Lo: 0x270a, Hi: 0x270b, Stride: 1}, {Lo: 0x2728, Hi: 0x274c, Stride: 0x24}, {Lo: 0x274e, Hi: 0x274e, Stride: 1},
		{Lo: 0x2753, Hi: 0x2755, Stride: 1}, {Lo: 0x2757, Hi: 0x2757, Stride: 1}, {Lo: 0x2795, Hi: 0x2797, Stride: 1}, {Lo: 0x27b0, Hi: 0x27bf, Stride: 15},
		{Lo: 0x2b1b, Hi: 0x2b1c, Stride: 1}, {Lo: 0x2b50, Hi: 0x2b55, Stride: 5}, {Lo: 0xfe0f, Hi: 0xfe0f, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0x1f000, Hi: 0x1faff, Stride: 1}, {Lo: 0xe0020, Hi: 0xe007f, Stride: 1}},
}
