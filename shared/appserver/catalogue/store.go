package catalogue

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// MaxPage and MaxPageSize are what getRecommendMusic allows.
const (
	MaxPage     = 50
	MaxPageSize = 50
)

// Options are what a Store is made of. Signer is needed.
type Options struct {
	Signer Signer
	Now    func() time.Time // default time.Now
	Rand   io.Reader        // safe for concurrent use; default crypto/rand
	Life   time.Duration    // of a signed address; default 1 h. One may be given again while half of it is left
}

// Store reads and replaces the catalogue. Safe for concurrent use. It keeps the version that is shown in memory, and asks
// the table at every call whether it is still that one.
type Store struct {
	t    table.Table
	sign Signer
	now  func() time.Time
	rand io.Reader
	life time.Duration

	loading chan struct{} // holds a token while somebody loads
	mu      sync.Mutex
	loaded  *version
	signed  map[string]signedURL // of the loaded version
}

type signedURL struct {
	url     string
	expires time.Time
	renew   time.Time
}

// New makes a store over a table. It makes no request.
func New(t table.Table, o Options) (*Store, error) {
	if o.Signer == nil {
		return nil, fault.InvalidField("catalogue.New", "Signer", "not nil", "there is nothing to sign addresses with")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Life <= 0 {
		o.Life = time.Hour
	}
	return &Store{t: t, sign: o.Signer, now: o.Now, rand: o.Rand, life: o.Life, loading: make(chan struct{}, 1), signed: map[string]signedURL{}}, nil
}

// current reads which version is shown; the zero values when there never was one.
func (s *Store) current(ctx context.Context) (d currentDoc, it table.Item, err error) {
	err = s.repeat(ctx, func() (err error) { it, err = s.t.Get(ctx, currentKey()); return err })
	if errors.Is(err, table.ErrNotFound) {
		return d, table.Item{}, nil
	}
	if err == nil && json.Unmarshal(it.Doc, &d) != nil {
		err = fault.New(fault.Permanent, "catalogue.current", "the catalogue's first row is not readable")
	}
	return d, it, err
}

// Current tells what is shown.
func (s *Store) Current(ctx context.Context) (Report, error) {
	d, _, err := s.current(ctx)
	return Report{Version: d.ID, Imported: d.At, Counts: d.Counts}, fault.Wrap("catalogue.Current", err)
}

// version gives the catalogue that is shown now.
func (s *Store) version(ctx context.Context, op string) (*version, error) {
	for range tries {
		d, _, err := s.current(ctx)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		v, err := s.load(ctx, d)
		if v != nil || err != nil {
			return v, fault.Wrap(op, err)
		}
	}
	return nil, fault.New(fault.Retryable, op, "the catalogue is being replaced")
}

// load reads a version unless it is in memory. nil: some rows are gone, so it was replaced long ago.
func (s *Store) load(ctx context.Context, d currentDoc) (*version, error) {
	if v := s.inMemory(d.ID); v != nil {
		return v, nil
	}
	select {
	case s.loading <- struct{}{}:
		defer func() { <-s.loading }()
	case <-ctx.Done():
		return nil, fault.Newf(fault.Retryable, "catalogue.load", "%w", ctx.Err())
	}
	if v := s.inMemory(d.ID); v != nil {
		return v, nil
	}
	v, n := newVersion(d), 0
	for page := ""; d.ID != ""; {
		var rows []table.Item
		var next string
		err := s.repeat(ctx, func() (err error) {
			rows, next, err = s.t.Query(ctx, table.Query{PK: versionsPrefix + d.ID, Page: page})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, it := range rows {
			kind, _, _ := strings.Cut(it.SK, "#")
			if err := v.add(kind, it.Doc); err != nil {
				return nil, fault.Newf(fault.Permanent, "catalogue.load", "row %s is not readable", it.SK)
			}
			n++
		}
		if page = next; page == "" {
			break
		}
	}
	if n != d.Rows {
		if cur, _, err := s.current(ctx); err != nil || cur.ID != d.ID {
			return nil, err
		}
		return nil, &fault.Error{Kind: fault.Permanent, Op: "catalogue.load", Actor: fault.ActorOperator, Action: "import the catalogue again", Err: errors.New("rows of the catalogue are missing")}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded, s.signed = v, map[string]signedURL{}
	return v, nil
}

func (s *Store) inMemory(id string) *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded != nil && s.loaded.ID == id {
		return s.loaded
	}
	return nil
}

// url gives the address of a reference of the catalogue.
func (s *Store) url(ctx context.Context, ref string) (string, time.Time, error) {
	if !isKey(ref) {
		return ref, s.now().Add(s.life), nil
	}
	s.mu.Lock()
	got, ok := s.signed[ref]
	s.mu.Unlock()
	if ok && s.now().Before(got.renew) {
		return got.url, got.expires, nil
	}
	u, expires, err := s.sign.SignGet(ctx, ref, s.life)
	if err != nil {
		return "", time.Time{}, fault.Wrap("catalogue.url", err)
	}
	left := expires.Sub(s.now())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signed[ref] = signedURL{url: u, expires: expires, renew: s.now().Add(left / 2)} // as many as the version has references
	return u, expires, nil
}

// urls replaces every reference by its address.
func (s *Store) urls(ctx context.Context, refs ...*string) error {
	for _, r := range refs {
		u, _, err := s.url(ctx, *r)
		if err != nil {
			return err
		}
		*r = u
	}
	return nil
}

// signedCopy copies a list, never nil, and signs what refs names in each entry.
func signedCopy[T any](ctx context.Context, s *Store, list []T, refs func(*T) []*string) ([]T, error) {
	out := append(make([]T, 0, len(list)), list...)
	for i := range out {
		if err := s.urls(ctx, refs(&out[i])...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Music gives one page, from 1, and how many there are in all. A page behind the end is empty. Invalid: page or size out
// of 1 to 50.
func (s *Store) Music(ctx context.Context, page, size int) (list []Music, total int, err error) {
	const op = "catalogue.Music"
	if page < 1 || page > MaxPage {
		return nil, 0, fault.InvalidField(op, "pageNo", "1 to 50", "it is "+strconv.Itoa(page))
	}
	if size < 1 || size > MaxPageSize {
		return nil, 0, fault.InvalidField(op, "pageSize", "1 to 50", "it is "+strconv.Itoa(size))
	}
	v, err := s.version(ctx, op)
	if err != nil {
		return nil, 0, err
	}
	from := min((page-1)*size, len(v.music))
	return append([]Music{}, v.music[from:min(from+size, len(v.music))]...), len(v.music), nil
}

// PlayPath gives the address of one piece of music, and until when it can be used. ErrNotFound: there is none.
func (s *Store) PlayPath(ctx context.Context, id string) (PlayPath, error) {
	const op = "catalogue.PlayPath"
	v, err := s.version(ctx, op)
	if err != nil {
		return PlayPath{}, err
	}
	ref, ok := v.files[id]
	if !ok {
		return PlayPath{}, missing(op, "musicId")
	}
	u, expires, err := s.url(ctx, ref)
	return PlayPath{PlayPath: u, ExpireTime: strconv.FormatInt(expires.Unix(), 10)}, fault.Wrap(op, err)
}

// Pasters gives the groups of stickers.
func (s *Store) Pasters(ctx context.Context) ([]PasterGroup, error) {
	v, err := s.version(ctx, "catalogue.Pasters")
	if err != nil {
		return nil, err
	}
	return signedCopy(ctx, s, v.groups, func(e *PasterGroup) []*string { return []*string{&e.Icon, &e.Preview} })
}

// PasterList gives the stickers of a group that are for kind 1 (in front) or 2 (behind). ErrNotFound: no such group.
func (s *Store) PasterList(ctx context.Context, id string, kind int) ([]Paster, error) {
	const op = "catalogue.PasterList"
	if kind != 1 && kind != 2 {
		return nil, fault.InvalidField(op, "type", "1 or 2", "it is "+strconv.Itoa(kind))
	}
	v, err := s.version(ctx, op)
	if err != nil {
		return nil, err
	}
	group, ok := number(id)
	if !ok || !slices.ContainsFunc(v.groups, func(g PasterGroup) bool { return g.ID == group }) {
		return nil, missing(op, "pasterId")
	}
	var list []Paster
	for _, e := range v.pasters[group] {
		if e.Type == 0 || e.Type == int64(kind) {
			list = append(list, e)
		}
	}
	return signedCopy(ctx, s, list, func(e *Paster) []*string { return []*string{&e.Icon, &e.Preview, &e.URL} })
}

// FrontPasters gives the stickers that are in front of a face.
func (s *Store) FrontPasters(ctx context.Context) ([]FrontPaster, error) {
	v, err := s.version(ctx, "catalogue.FrontPasters")
	if err != nil {
		return nil, err
	}
	return signedCopy(ctx, s, v.front, func(e *FrontPaster) []*string { return []*string{&e.Icon, &e.Preview, &e.URL} })
}

// TextPasters gives the groups of text stickers.
func (s *Store) TextPasters(ctx context.Context) ([]TextGroup, error) {
	v, err := s.version(ctx, "catalogue.TextPasters")
	if err != nil {
		return nil, err
	}
	return signedCopy(ctx, s, v.textSets, func(e *TextGroup) []*string { return []*string{&e.Icon, &e.Preview} })
}

// TextPasterList gives the text stickers of a group. ErrNotFound: no such group.
func (s *Store) TextPasterList(ctx context.Context, id string) ([]TextPaster, error) {
	const op = "catalogue.TextPasterList"
	v, err := s.version(ctx, op)
	if err != nil {
		return nil, err
	}
	group, ok := number(id)
	if !ok || !slices.ContainsFunc(v.textSets, func(g TextGroup) bool { return g.ID == group }) {
		return nil, missing(op, "textPasterId")
	}
	return signedCopy(ctx, s, v.texts[group], func(e *TextPaster) []*string { return []*string{&e.Icon, &e.Preview, &e.URL} })
}

// MVs gives the MVs with their forms.
func (s *Store) MVs(ctx context.Context) ([]MV, error) {
	v, err := s.version(ctx, "catalogue.MVs")
	if err != nil {
		return nil, err
	}
	return signedCopy(ctx, s, v.mvs, func(e *MV) []*string {
		e.AspectList = slices.Clone(e.AspectList) // the version's own must stay
		refs := []*string{&e.Icon, &e.PreviewPic, &e.PreviewMp4}
		for i := range e.AspectList {
			refs = append(refs, &e.AspectList[i].Download)
		}
		return refs
	})
}

func fontRefs(e *Font) []*string { return []*string{&e.Banner, &e.Icon, &e.URL} }

// Fonts gives all fonts.
func (s *Store) Fonts(ctx context.Context) ([]Font, error) {
	v, err := s.version(ctx, "catalogue.Fonts")
	if err != nil {
		return nil, err
	}
	return signedCopy(ctx, s, v.fonts, fontRefs)
}

// Font gives one font. ErrNotFound: there is none.
func (s *Store) Font(ctx context.Context, id string) (Font, error) {
	const op = "catalogue.Font"
	v, err := s.version(ctx, op)
	if err != nil {
		return Font{}, err
	}
	n, ok := number(id)
	i := slices.IndexFunc(v.fonts, func(f Font) bool { return ok && f.ID == n })
	if i < 0 {
		return Font{}, missing(op, "fontId")
	}
	list, err := signedCopy(ctx, s, v.fonts[i:i+1], fontRefs)
	if err != nil {
		return Font{}, err
	}
	return list[0], nil
}

// number reads an id as the apps write it.
func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 32)
	return n, err == nil && n > 0
}
