package douyinweb

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// span is one entry of text_extra (ref. B.1, step 5): offsets are UTF-16 code units, end exclusive.
type span struct {
	Start   *int    `json:"start"`
	End     *int    `json:"end"`
	UserID  *string `json:"user_id"`
	Type    *int    `json:"type"`
	Hashtag *string `json:"hashtag_name"`
}

// UnmarshalJSON takes the fields by their exact names.
func (sp *span) UnmarshalJSON(raw []byte) error {
	type plain span
	return exact(raw, (*plain)(sp), "start", "end", "user_id", "type", "hashtag_name")
}

// The types of a span.
const (
	mention = 0
	topic   = 1
)

// checkText: text, title, text_extra, challenges, mentions, third_text (ref. B.1, step 5).
func (s *Server) checkText(form url.Values) result {
	text := form.Get("text")
	switch {
	case !utf8.ValidString(text) || !utf8.ValidString(form.Get("third_text")) || !utf8.ValidString(form.Get("item_title")):
		return fail(badParam, "text is not UTF-8")
	case s.length(text) > s.o.Limits.Text:
		return fail(badParam, "text is too long")
	case s.length(form.Get("item_title")) > s.o.Limits.Title:
		return fail(badParam, "item_title is too long")
	case s.o.SensitiveWord != "" && strings.Contains(text, s.o.SensitiveWord):
		return fail(sensitive, "")
	}
	var spans []span
	var challenges, mentions []string
	for name, v := range map[string]any{"text_extra": &spans, "challenges": &challenges, "mentions": &mentions} {
		if form.Has(name) && !list(form.Get(name), v) {
			return fail(badParam, name+" is no JSON array of the right type")
		}
	}
	for _, id := range challenges {
		if !isDigits(id) {
			return fail(badParam, "challenges: want ids")
		}
	}
	if s.o.Readings.TextExtra == "ignore" {
		return result{}
	}
	return s.checkSpans(form, utf16.Encode([]rune(text)), spans, mentions)
}

func (s *Server) length(text string) int {
	if s.o.Readings.TextUnit == "runes" {
		return utf8.RuneCountInString(text)
	}
	return len(utf16.Encode([]rune(text)))
}

// list reads a JSON array strictly: no null, nothing after it.
func list(text string, v any) bool {
	if !strings.HasPrefix(text, "[") {
		return false
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	if d.Decode(v) != nil {
		return false
	}
	_, err := d.Token()
	return err == io.EOF
}

// checkSpans: every span names exactly what stands there, no two overlap, mentions are those of the spans, and third_text
// is the text without its topics.
func (s *Server) checkSpans(form url.Values, text []uint16, spans []span, mentions []string) result {
	covered := make([]bool, len(text))
	var rest []uint16
	var users []string
	drop := make([]bool, len(text))
	for _, sp := range spans {
		if !s.complete(sp) || *sp.Start < 0 || *sp.Start >= *sp.End || *sp.End > len(text) || slices.Contains(covered[*sp.Start:*sp.End], true) {
			return fail(badParam, "text_extra: a field is missing, or offsets are outside the text or overlap")
		}
		if !says(sp, string(utf16.Decode(text[*sp.Start:*sp.End]))) {
			return fail(badParam, "text_extra: the text does not say that there")
		}
		for i := *sp.Start; i < *sp.End; i++ {
			covered[i], drop[i] = true, *sp.Type == topic
		}
		if *sp.Type == mention {
			users = append(users, *sp.UserID)
		}
	}
	if form.Has("mentions") && !sameSet(users, mentions) {
		return fail(badParam, "mentions are not those of text_extra")
	}
	for i, unit := range text {
		if !drop[i] {
			rest = append(rest, unit)
		}
	}
	if s.o.Readings.ThirdText == "check" && form.Has("third_text") && squeeze(form.Get("third_text")) != squeeze(string(utf16.Decode(rest))) {
		return fail(badParam, "third_text is not the text without its topics")
	}
	return result{}
}

func (s *Server) complete(sp span) bool {
	if sp.Start == nil || sp.End == nil || sp.Type == nil {
		return false
	}
	return s.o.Readings.Fields == "lenient" && (*sp.Type != mention || sp.UserID != nil) && (*sp.Type != topic || sp.Hashtag != nil) ||
		sp.UserID != nil && sp.Hashtag != nil
}

// says checks a span against the text at its place: "#name" for a topic, "@nickname" for a mention, whose hashtag_name or
// user_id, where it does not belong, is empty.
func says(sp span, there string) bool {
	user, hashtag := deref(sp.UserID), deref(sp.Hashtag)
	switch *sp.Type {
	case topic:
		return hashtag != "" && user == "" && there == "#"+hashtag
	case mention:
		return user != "" && hashtag == "" && strings.HasPrefix(there, "@") && len(there) > 1
	}
	return false
}

func deref(v *string) string {
	if v == nil {
		return ""
	}
	return *v
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// squeeze leaves spaces out: no source says what becomes of those beside a topic.
func squeeze(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}
