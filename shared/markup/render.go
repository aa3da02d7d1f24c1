package markup

import (
	"strings"
	"unicode/utf16"
)

// Plain is what readers see.
func Plain(spans []Span) string {
	var b strings.Builder
	for _, s := range spans {
		b.WriteString(s.Visible())
	}
	return b.String()
}

// Open is the form of an API that takes the text and, beside it, the ids of the users that it mentions (reference
// douyin A.7: text and at_users). ids has one for each mention with an id, in order of the text.
func Open(spans []Span, target string) (text string, ids []string) {
	for _, s := range spans {
		if id := s.ID(target); s.Kind == Mention && id != "" {
			ids = append(ids, id)
		}
	}
	return Plain(spans), ids
}

// Extra is one entry of the creator web's text_extra (reference douyin B.1, step 5). Start and End count UTF-16 code
// units of the text; End is exclusive.
type Extra struct {
	Start   int    `json:"start"`
	End     int    `json:"end"`
	UserID  string `json:"user_id"`
	Type    int    `json:"type"` // 1 topic, 0 mention
	Hashtag string `json:"hashtag_name"`
}

// Web is the form of the creator web.
type Web struct {
	Text     string
	Extra    []Extra  // never nil: an empty one is [] in JSON
	Third    string   // the text without topics
	Topics   []string // names in order, each once
	Mentions []string // user ids in order, each once; never nil
}

// RenderWeb renders spans for the creator web. A mention without an id for the target is plain text.
func RenderWeb(spans []Span, target string) Web {
	w := Web{Text: Plain(spans), Extra: []Extra{}, Mentions: []string{}}
	var third strings.Builder
	seen, at, eat := map[string]bool{}, 0, false
	once := func(list []string, kind, s string) []string {
		if seen[kind+s] {
			return list
		}
		seen[kind+s] = true
		return append(list, s)
	}
	for _, s := range spans {
		visible := s.Visible()
		end := at + units(visible)
		switch {
		case s.Kind == Topic:
			w.Extra = append(w.Extra, Extra{Start: at, End: end, Type: 1, Hashtag: s.Name})
			w.Topics = once(w.Topics, "#", s.Name)
		case s.Kind == Mention && s.ID(target) != "":
			w.Extra = append(w.Extra, Extra{Start: at, End: end, UserID: s.ID(target)})
			w.Mentions = once(w.Mentions, "@", s.ID(target))
		}
		if s.Kind != Topic {
			if so := third.String(); eat && (so == "" || strings.HasSuffix(so, " ")) { // no two spaces where a topic stood
				visible = strings.TrimPrefix(visible, " ")
			}
			third.WriteString(visible)
		}
		at, eat = end, s.Kind == Topic
	}
	w.Third = strings.TrimSpace(third.String())
	return w
}

// Units is the length of s in UTF-16 code units, the unit of the creator web.
func Units(s string) int { return units(s) }

func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r) // of U+FFFD, too, which stands for what is no UTF-8
	}
	return n
}
