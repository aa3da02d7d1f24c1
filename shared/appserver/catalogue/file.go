package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
)

// Limits of a file, checked before anything is decoded, and of what is in it.
const (
	MaxBytes = 1 << 20 // what the gateway takes of a request
	MaxDepth = 8

	// Format is the only form of the file so far.
	Format = 1

	MaxMusic   = 2500 // the call shows 50 pages of 50
	MaxGroups  = 200  // of stickers, and of text stickers
	MaxInGroup = 500
	MaxPacks   = 5000 // stickers in all groups together; text stickers likewise
	MaxFront   = 500
	MaxMVs     = 500
	MaxFonts   = 500
	MaxAspects = 9
)

// file is what an operator imports.
type file struct {
	Format       int           `json:"format"`
	Music        []track       `json:"music"`
	Pasters      []pasterSet   `json:"pasters"`
	FrontPasters []FrontPaster `json:"frontPasters"`
	TextPasters  []textSet     `json:"textPasters"`
	MVs          []MV          `json:"mvs"`
	Fonts        []Font        `json:"fonts"`
}

// track is music with where it is.
type track struct {
	Music
	File string `json:"file"`
}

type pasterSet struct {
	PasterGroup
	Items []Paster `json:"items"`
}

type textSet struct {
	TextGroup
	Items []TextPaster `json:"items"`
}

func (f *file) counts() Counts {
	c := Counts{Music: len(f.Music), PasterGroups: len(f.Pasters), FrontPasters: len(f.FrontPasters), TextGroups: len(f.TextPasters), MVs: len(f.MVs), Fonts: len(f.Fonts)}
	for _, g := range f.Pasters {
		c.Pasters += len(g.Items)
	}
	for _, g := range f.TextPasters {
		c.TextPasters += len(g.Items)
	}
	return c
}

// Check judges a file as Import would, and changes nothing.
func Check(r io.Reader) (Counts, error) {
	f, err := parse(r)
	if err != nil {
		return Counts{}, err
	}
	return f.counts(), nil
}

// parse reads a file whole. Errors are Invalid; up to ten problems are named at once, each with its place.
func parse(r io.Reader) (*file, error) {
	const op = "catalogue.parse"
	b, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, fault.Newf(fault.Retryable, op, "the file cannot be read: %w", err)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) // editors on Windows write one
	if err := scan(op, b); err != nil {
		return nil, err
	}
	var f file
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, undecoded(op, b, err)
	}
	var p problems
	f.check(&p)
	if err := p.err(op); err != nil {
		return nil, err
	}
	f.order()
	return &f, nil
}

func undecoded(op string, b []byte, err error) error {
	if t, ok := err.(*json.UnmarshalTypeError); ok {
		return fault.InvalidField(op, fieldOf(t.Field), "the type of docs/catalogue.md", fmt.Sprintf("%s does not fit into %s at %s", t.Value, kindOf(t.Type.Kind().String()), place(b, t.Offset)))
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	if name, ok := strings.CutPrefix(text, "unknown field "); ok {
		return fault.InvalidField(op, strings.Trim(name, `"`), "a known field of this place", "no such field here")
	}
	return fault.InvalidField(op, "document", "JSON", "it cannot be read")
}

// fieldOf words the path of encoding/json, which names embedded Go types too.
func fieldOf(path string) string {
	var out []string
	for step := range strings.SplitSeq(path, ".") {
		if step != "" && (step[0] < 'A' || step[0] > 'Z') {
			out = append(out, step)
		}
	}
	if len(out) == 0 {
		return "document"
	}
	return strings.Join(out, ".")
}

func kindOf(kind string) string {
	switch kind {
	case "int", "int64":
		return "a whole number"
	case "string":
		return "a string"
	case "slice":
		return "a list"
	}
	return "an object"
}

// order sorts as the apps show: by sort, greatest first, then by id. Music stays as it is in the file.
func (f *file) order() {
	by(f.Pasters, func(e pasterSet) (int64, int64) { return e.Sort, e.ID })
	for _, g := range f.Pasters {
		by(g.Items, func(e Paster) (int64, int64) { return e.Sort, e.ID })
	}
	by(f.FrontPasters, func(e FrontPaster) (int64, int64) { return e.Sort, e.ID })
	by(f.TextPasters, func(e textSet) (int64, int64) { return e.Sort, e.ID })
	for _, g := range f.TextPasters {
		by(g.Items, func(e TextPaster) (int64, int64) { return e.Sort, e.ID })
	}
	by(f.MVs, func(e MV) (int64, int64) { return e.Sort, e.ID })
	by(f.Fonts, func(e Font) (int64, int64) { return e.Sort, e.ID })
}

func by[T any](list []T, key func(T) (sort, id int64)) {
	slices.SortStableFunc(list, func(a, b T) int {
		as, ai := key(a)
		bs, bi := key(b)
		if as != bs {
			return compare(bs, as)
		}
		return compare(ai, bi)
	})
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
