package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Kinds of rows.
const (
	kindMusic      = "music"
	kindPasterSet  = "pastergroup"
	kindPaster     = "paster"
	kindFront      = "front"
	kindTextSet    = "textgroup"
	kindText       = "text"
	kindMV         = "mv"
	kindFont       = "font"
	chunkBytes     = 40 << 10 // of entries in a row; a row may have 64 KB
	currentRow     = "CURRENT"
	versionPrefix  = "VER#"
	cataloguePK    = "CAT"
	versionsPrefix = "CAT#"
)

// currentDoc says which version is shown.
type currentDoc struct {
	ID     string    `json:"id"`
	Sum    string    `json:"sum"` // of the file that it was made from
	At     time.Time `json:"at"`
	Rows   int       `json:"rows"`
	Counts Counts    `json:"counts"`
}

// versionDoc is a version that has rows: shown, being written, or left behind.
type versionDoc struct {
	At      time.Time `json:"at"`
	Retired bool      `json:"retired,omitempty"` // its rows are being given an end: it must not be turned to any more
}

// chunk is one row of entries.
type chunk struct {
	Entries []json.RawMessage `json:"entries"`
}

// pasterRow is a sticker with its group.
type pasterRow struct {
	Group int64 `json:"group"`
	Paster
}

// textRow is a text sticker with its group.
type textRow struct {
	Group int64 `json:"group"`
	TextPaster
}

func currentKey() table.Key { return table.Key{PK: cataloguePK, SK: currentRow} }

func versionKey(id string) table.Key { return table.Key{PK: cataloguePK, SK: versionPrefix + id} }

// rows turns a checked file into the rows of version id.
func (f *file) rows(id string) ([]table.Item, error) {
	b := builder{id: id}
	put(&b, kindMusic, f.Music)
	for _, g := range f.Pasters {
		put(&b, kindPasterSet, []PasterGroup{g.PasterGroup})
	}
	for _, g := range f.Pasters {
		for _, e := range g.Items {
			put(&b, kindPaster, []pasterRow{{g.ID, e}})
		}
	}
	put(&b, kindFront, f.FrontPasters)
	for _, g := range f.TextPasters {
		put(&b, kindTextSet, []TextGroup{g.TextGroup})
	}
	for _, g := range f.TextPasters {
		for _, e := range g.Items {
			put(&b, kindText, []textRow{{g.ID, e}})
		}
	}
	put(&b, kindMV, f.MVs)
	put(&b, kindFont, f.Fonts)
	b.flush()
	return b.items, b.err
}

// builder packs entries into rows, in order.
type builder struct {
	id    string
	items []table.Item
	kind  string
	now   chunk
	bytes int
	err   error
}

func put[T any](b *builder, kind string, entries []T) {
	for _, e := range entries {
		raw, err := marshal(e)
		if err != nil {
			b.err = fault.Newf(fault.Invalid, "catalogue.rows", "%w", err)
			return
		}
		if kind != b.kind || b.bytes+len(raw) > chunkBytes {
			b.flush()
		}
		b.kind = kind
		b.now.Entries = append(b.now.Entries, raw)
		b.bytes += len(raw) + 1
	}
}

func (b *builder) flush() {
	if len(b.now.Entries) == 0 {
		return
	}
	doc, err := marshal(b.now)
	if err != nil {
		b.err = fault.Newf(fault.Invalid, "catalogue.rows", "%w", err)
		return
	}
	k := table.Key{PK: versionsPrefix + b.id, SK: fmt.Sprintf("%s#%04d", b.kind, len(b.items))}
	b.items = append(b.items, table.Item{Key: k, Doc: doc})
	b.now, b.bytes = chunk{}, 0
}

// version is a catalogue in memory; nobody changes it after load.
type version struct {
	currentDoc
	music    []Music
	files    map[string]string // music id to file
	groups   []PasterGroup
	pasters  map[int64][]Paster
	front    []FrontPaster
	textSets []TextGroup
	texts    map[int64][]TextPaster
	mvs      []MV
	fonts    []Font
}

func newVersion(d currentDoc) *version {
	return &version{currentDoc: d, files: map[string]string{}, pasters: map[int64][]Paster{}, texts: map[int64][]TextPaster{}}
}

// add takes one row.
func (v *version) add(kind string, doc json.RawMessage) error {
	var c chunk
	if err := json.Unmarshal(doc, &c); err != nil {
		return err
	}
	for _, raw := range c.Entries {
		if err := v.entry(kind, raw); err != nil {
			return err
		}
	}
	return nil
}

func (v *version) entry(kind string, raw json.RawMessage) error {
	switch kind {
	case kindMusic:
		e, err := as[track](raw)
		v.music = append(v.music, e.Music)
		v.files[e.MusicID] = e.File
		return err
	case kindPasterSet:
		return into(&v.groups, raw)
	case kindPaster:
		e, err := as[pasterRow](raw)
		v.pasters[e.Group] = append(v.pasters[e.Group], e.Paster)
		return err
	case kindFront:
		return into(&v.front, raw)
	case kindTextSet:
		return into(&v.textSets, raw)
	case kindText:
		e, err := as[textRow](raw)
		v.texts[e.Group] = append(v.texts[e.Group], e.TextPaster)
		return err
	case kindMV:
		return into(&v.mvs, raw)
	case kindFont:
		return into(&v.fonts, raw)
	}
	return nil // of a newer program
}

// marshal writes & and < as they are: written out they would be six bytes each, and rows have a limit.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func as[T any](raw json.RawMessage) (e T, err error) {
	err = json.Unmarshal(raw, &e)
	return e, err
}

func into[T any](list *[]T, raw json.RawMessage) error {
	e, err := as[T](raw)
	*list = append(*list, e)
	return err
}
