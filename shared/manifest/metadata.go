package manifest

import (
	"fmt"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/upload"
)

// MetadataPrefix starts the names of ours among an object's user metadata (after x-amz-meta-).
const MetadataPrefix = "vodlift-"

// FromMetadata reads an object's user metadata, names without "x-amz-meta-" in any case: vodlift-title, -description,
// -tags and -to (separated by commas), -cover (a key) or -cover-at (seconds), -publish-at, -private, -again. Names of
// others are ignored; an unknown one of ours is Invalid, like everything that Parse would refuse. Values may be RFC 2047
// words, the form in which S3 gives back what is not ASCII.
func FromMetadata(md map[string]string) (Manifest, error) {
	const op = "manifest.FromMetadata"
	var m Manifest
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(md)) {
		field, ours := strings.CutPrefix(strings.ToLower(name), MetadataPrefix)
		if !ours {
			continue
		}
		value, err := (&mime.WordDecoder{}).DecodeHeader(md[name])
		if err != nil || !utf8.ValidString(value) {
			return Manifest{}, fault.InvalidField(op, "metadata "+clip(name), "UTF-8, or RFC 2047 words", "the value cannot be decoded")
		}
		if seen[field] {
			return Manifest{}, fault.InvalidField(op, "metadata "+clip(name), "each name once", "it appears a second time")
		}
		seen[field] = true
		if f := m.metadatum(field, strings.TrimFunc(value, isSpace)); f != nil {
			f.top = "metadata " + name
			return Manifest{}, f.fault(op, nil)
		}
	}
	if f := m.check(); f != nil {
		f.top = "metadata " + MetadataPrefix + strings.ReplaceAll(f.top, "_", "-")
		return Manifest{}, f.fault(op, nil)
	}
	return m, nil
}

func (m *Manifest) metadatum(field, v string) *flaw {
	switch field {
	case "title":
		m.Title, m.given = v, m.given|hasTitle
	case "description":
		m.Description, m.given = v, m.given|hasDescription
	case "again":
		m.Again, m.given = v, m.given|hasAgain
	case "tags":
		m.Tags, m.given = commas[string](v), m.given|hasTags
	case "to":
		m.To, m.given = commas[upload.Account](v), m.given|hasTo
	case "private":
		b, err := strconv.ParseBool(strings.ToLower(v))
		if err != nil {
			return &flaw{rule: "true or false", msg: fmt.Sprintf("it is %q", clip(v))}
		}
		m.Private, m.given = b, m.given|hasPrivate
	case "publish-at":
		if err := m.setPublishAt(v); err != nil {
			return &flaw{rule: publishRule, msg: err.Error()}
		}
		m.given |= hasPublishAt
	case "cover":
		return m.metaCover(func(c *Cover) error { c.Key = v; return nil })
	case "cover-at":
		return m.metaCover(func(c *Cover) error {
			at, err := strconv.ParseFloat(v, 64)
			c.At = &at
			return err
		})
	default:
		return &flaw{rule: "a known name", msg: "no such field; known are title, description, tags, cover, cover-at, publish-at, private, again, to"}
	}
	return nil
}

func (m *Manifest) metaCover(set func(*Cover) error) *flaw {
	if m.Cover == nil {
		m.Cover = &Cover{}
	}
	m.given |= hasCover
	if set(m.Cover) != nil {
		return &flaw{rule: "a number of seconds", msg: "it is none"}
	}
	return nil
}

func commas[S ~string](v string) []S {
	out := []S{}
	for s := range strings.SplitSeq(v, ",") {
		if s = strings.TrimFunc(s, isSpace); s != "" {
			out = append(out, S(s))
		}
	}
	return out
}
