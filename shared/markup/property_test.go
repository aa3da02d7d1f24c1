package markup_test

import (
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/markup"
	"pgregory.net/rapid"
)

// written is a span as somebody would write it.
func written(s markup.Span) string {
	switch s.Kind {
	case markup.Topic:
		return "#" + s.Name
	case markup.Mention:
		return "@" + strings.ReplaceAll(markup.Escape(s.Name), " ", `\ `) + "{" + s.IDs[""] + "}"
	}
	return markup.Escape(s.Name)
}

// Whatever is written by the rules is read as it was meant, and its offsets fit.
func TestWhatIsWrittenIsRead(t *testing.T) {
	pieces := []string{"a", "Z", "9", "_", "音", "é", "😀", "👨‍👩‍👧", "👍🏽", "1\uFE0F\u20E3"}
	name := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 6).Draw(t, "name"), "")
	})
	nick := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(append([]string{" ", "#", "@", "{", "}", `\`, "-", "."}, pieces...)), 1, 6).Draw(t, "nick"), "")
	})
	id := rapid.StringMatching(`[A-Z0-9_+/=-]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		var want []markup.Span
		var in strings.Builder
		for range rapid.IntRange(0, 8).Draw(t, "n") {
			s := markup.Span{Kind: markup.Kind(rapid.IntRange(0, 2).Draw(t, "kind"))}
			switch s.Kind {
			case markup.Topic:
				s.Name = name.Draw(t, "topic")
			case markup.Mention:
				s.Name, s.IDs = nick.Draw(t, "nick"), map[string]string{"": id.Draw(t, "id")}
			default: // the space keeps it out of the topic before it
				s.Name = " " + rapid.StringN(0, 12, 40).Draw(t, "text")
			}
			if n := len(want); s.Kind == markup.Text && n > 0 && want[n-1].Kind == markup.Text {
				want[n-1].Name += s.Name
			} else {
				want = append(want, s)
			}
			in.WriteString(written(s))
		}
		got, err := markup.Parse(in.String())
		if err != nil || shape(got) != shape(want) {
			t.Fatalf("%q: got %q, %v, want %q", in.String(), shape(got), err, shape(want))
		}
		checkRules(t, in.String(), got)
	})
}
