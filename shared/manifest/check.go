package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/upload"
)

// Lengths count characters (code points). They are generous: a platform's own, in its own unit, are its adapter's.
const (
	MaxTitle       = 1000
	MaxDescription = 5000
	MaxTags        = 50
	MaxTag         = 100
	MaxTo          = 50
	MaxCoverAt     = 86400 // seconds
)

// A publish time further off than this is taken for a slip of the pen; one just past means "now".
const (
	MaxAhead = 5 * 366 * 24 * time.Hour
	MaxLate  = 24 * time.Hour
)

// Validate checks every rule that Parse checks, for a manifest that was merged or built in code, and that publish_at
// makes sense at now: at most MaxLate ago (it is then due at once) and at most MaxAhead. Errors are Invalid and name field
// and rule.
func (m Manifest) Validate(now time.Time) error {
	const op = "manifest.Validate"
	if f := m.check(); f != nil {
		return f.fault(op, nil)
	}
	for _, t := range m.TargetWords() {
		if f := (&Manifest{}).target(t, m.Targets[t], nil); f != nil {
			return f.fault(op, nil)
		}
	}
	if m.PublishAt == nil {
		return nil
	}
	shown := m.PublishAt.UTC().Format(time.RFC3339)
	if m.PublishAt.Before(now.Add(-MaxLate)) {
		return fault.InvalidField(op, fieldPublishAt, "at most 24 h ago", shown+" has long passed; leave the field out to publish at once")
	}
	if m.PublishAt.After(now.Add(MaxAhead)) {
		return fault.InvalidField(op, fieldPublishAt, "at most 5 years ahead", shown+" is too far off; is the year right?")
	}
	return nil
}

// check holds the rules of form, the same as the schema's. Parse and Validate both run it.
func (m Manifest) check() *flaw {
	for _, f := range []func() *flaw{m.checkTitle, m.checkDescription, m.checkTags, m.checkTo, m.checkCover, m.checkAgain} {
		if bad := f(); bad != nil {
			return bad
		}
	}
	return nil
}

func (m Manifest) checkTitle() *flaw {
	if m.fields()&hasTitle == 0 {
		return nil
	}
	if f := length(fieldTitle, "", m.Title, MaxTitle); f != nil {
		return f
	}
	if strings.TrimFunc(m.Title, isSpace) == "" {
		return &flaw{fieldTitle, "", "not blank", "it has only spaces"}
	}
	return clean(fieldTitle, "", m.Title, isHiding)
}

func (m Manifest) checkDescription() *flaw {
	if m.Description == "" {
		return nil
	}
	if f := length(fieldDescription, "", m.Description, MaxDescription); f != nil {
		return f
	}
	return clean(fieldDescription, "", m.Description, func(r rune) bool { return isControl(r) && r != '\n' && r != '\r' && r != '\t' })
}

func (m Manifest) checkTags() *flaw {
	if len(m.Tags) > MaxTags {
		return &flaw{fieldTags, "", fmt.Sprintf("<= %d tags", MaxTags), fmt.Sprintf("there are %d", len(m.Tags))}
	}
	for i, t := range m.Tags {
		if f := length(fieldTags, index(i), t, MaxTag); f != nil {
			return f
		}
		if f := clean(fieldTags, index(i), t, func(r rune) bool { return isHiding(r) || r == '#' || r == ',' }); f != nil {
			return f
		}
		if strings.TrimFunc(t, isSpace) != t {
			return &flaw{fieldTags, index(i), "no space at either end", fmt.Sprintf("it is %q", clip(t))}
		}
		if slices.Contains(m.Tags[:i], t) {
			return &flaw{fieldTags, index(i), "each tag once", fmt.Sprintf("%q appears a second time", clip(t))}
		}
	}
	return nil
}

func (m Manifest) checkTo() *flaw {
	if m.fields()&hasTo != 0 && len(m.To) == 0 {
		return &flaw{fieldTo, "", "at least one account", "it is empty; leave the field out to use the route's accounts"}
	}
	if len(m.To) > MaxTo {
		return &flaw{fieldTo, "", fmt.Sprintf("<= %d accounts", MaxTo), fmt.Sprintf("there are %d", len(m.To))}
	}
	for i, a := range m.To {
		if _, err := upload.ParseAccount(string(a)); err != nil {
			return &flaw{fieldTo, index(i), "target/name", err.Error()}
		}
		if slices.Contains(m.To[:i], a) {
			return &flaw{fieldTo, index(i), "each account once", string(a) + " appears a second time"}
		}
	}
	return nil
}

func (m Manifest) checkCover() *flaw {
	switch c := m.Cover; {
	case c == nil:
	case (c.Key == "") == (c.At == nil):
		return &flaw{fieldCover, "", `exactly one of "key" and "at"`, "it has both or neither"}
	case c.Key != "":
		if err := CheckKey(c.Key); err != nil {
			f := fault.As(err)
			return &flaw{fieldCover, "key", f.Rule, f.Err.Error()}
		}
	case !(*c.At >= 0 && *c.At <= MaxCoverAt):
		return &flaw{fieldCover, "at", fmt.Sprintf("0 to %d seconds", MaxCoverAt), "it is not in that span"}
	}
	return nil
}

var againForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$`)

func (m Manifest) checkAgain() *flaw {
	if m.fields()&hasAgain != 0 && !againForm.MatchString(m.Again) {
		return &flaw{fieldAgain, "", "1 to 32 of A-Z a-z 0-9 . _ -, the first a letter or digit", fmt.Sprintf("it is %q", clip(m.Again))}
	}
	return nil
}

func length(top, sub, s string, most int) *flaw {
	if n := utf8.RuneCountInString(s); n < 1 || n > most {
		return &flaw{top, sub, fmt.Sprintf("1 to %d characters", most), fmt.Sprintf("it has %d", n)}
	}
	return nil
}

func clean(top, sub, s string, refused func(rune) bool) *flaw {
	if !utf8.ValidString(s) {
		return &flaw{top, sub, "UTF-8", "it is not UTF-8"}
	}
	if i := strings.IndexFunc(s, refused); i >= 0 {
		r, _ := utf8.DecodeRuneInString(s[i:])
		return &flaw{top, sub, "no control characters, none that turn the writing direction, in tags no # and comma", fmt.Sprintf("it has %U as character %d", r, utf8.RuneCountInString(s[:i])+1)}
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f }

// isHiding: controls, line separators, and Unicode's Bidi_Control, with which a title can be made to read as another.
func isHiding(r rune) bool {
	return isControl(r) || r == 0x061c || r == 0x200e || r == 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// isSpace: the spaces people type at either end without seeing them; tabs and newlines count as controls.
func isSpace(r rune) bool { return r == ' ' || r == 0xa0 || r == 0x3000 }
