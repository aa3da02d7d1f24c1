package catalogue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

const (
	// keepOld is how long rows of a replaced version stay, for whoever reads them at that moment.
	keepOld = 24 * time.Hour
	// deadAfter: a version that was begun so long ago and is not shown was left behind by an import that died.
	deadAfter = time.Hour
	tries     = 4
)

// Import replaces the catalogue by the one that r holds, whole or not at all. Invalid: the file breaks a rule; nothing
// was written. ErrOvertaken: another import was faster. Any other error leaves the old catalogue shown, or, where its
// kind is Unknown, perhaps the new; the same import again is harmless.
func (s *Store) Import(ctx context.Context, r io.Reader) (Report, error) {
	const op = "catalogue.Import"
	f, err := parse(r)
	if err != nil {
		return Report{}, err
	}
	canon, err := json.Marshal(f)
	if err != nil {
		return Report{}, fault.Newf(fault.Invalid, op, "%w", err)
	}
	sum := sha256.Sum256(canon)
	was, at, err := s.current(ctx)
	if err != nil {
		return Report{}, fault.Wrap(op, err)
	}
	next := currentDoc{Sum: hex.EncodeToString(sum[:]), At: s.now().UTC().Truncate(time.Second), Counts: f.counts()}
	rep := Report{Counts: next.Counts}
	if was.Sum == next.Sum {
		rep.Version, rep.Imported, rep.Unchanged = was.ID, was.At, true
	} else {
		f.date(next.At)
		if next, err = s.replace(ctx, f, next, at.Version); err != nil {
			return Report{}, fault.Wrap(op, err)
		}
		rep.Version, rep.Imported = next.ID, next.At
	}
	if err := s.sweep(ctx, rep.Version, was.ID); err != nil {
		rep.Note = "what older versions left behind could not be marked for removal; the next import does it"
	}
	return rep, nil
}

// date gives a time to what has none.
func (f *file) date(at time.Time) {
	now := at.In(time.FixedZone("CST", 8*60*60)).Format(timeForm)
	set := func(s *string) {
		if *s == "" {
			*s = now
		}
	}
	for i := range f.Pasters {
		set(&f.Pasters[i].CreateTime)
		for j := range f.Pasters[i].Items {
			set(&f.Pasters[i].Items[j].CreateTime)
		}
	}
	for i := range f.FrontPasters {
		set(&f.FrontPasters[i].CreateTime)
	}
	for i := range f.TextPasters {
		set(&f.TextPasters[i].CreateTime)
		for j := range f.TextPasters[i].Items {
			set(&f.TextPasters[i].Items[j].CreateTime)
		}
	}
	for i := range f.MVs {
		set(&f.MVs[i].CreateTime)
	}
}

// replace writes a version and turns CURRENT to it, if CURRENT is still the one that was read.
func (s *Store) replace(ctx context.Context, f *file, next currentDoc, read int64) (currentDoc, error) {
	id, err := s.random()
	if err != nil {
		return next, err
	}
	next.ID = id
	rows, err := f.rows(id)
	if err != nil {
		return next, err
	}
	next.Rows = len(rows)
	mark, err := item(versionKey(id), versionDoc{At: next.At})
	if err != nil {
		return next, err
	}
	for _, it := range append([]table.Item{mark}, rows...) {
		if err := s.put(ctx, it); err != nil {
			return next, err
		}
	}
	return next, s.turn(ctx, next, read)
}

// put writes a row that only this import writes, so that a repeat is harmless.
func (s *Store) put(ctx context.Context, it table.Item) error {
	return s.repeat(ctx, func() error {
		_, err := s.t.Put(ctx, it, table.AnyVersion)
		return err
	})
}

// repeat runs fn again when the database was busy or its answer was lost.
func (s *Store) repeat(ctx context.Context, fn func() error) error {
	var err error
	for range tries {
		err = fn()
		if k := fault.KindOf(err); err == nil || ctx.Err() != nil || k != fault.Retryable && k != fault.Unknown {
			break
		}
	}
	return err
}

// turn makes next the catalogue. The check of its mark proves that no sweep took its rows for dead.
func (s *Store) turn(ctx context.Context, next currentDoc, read int64) error {
	cur, err := item(currentKey(), next)
	if err != nil {
		return err
	}
	overtaken := &fault.Error{Kind: fault.Duplicate, Op: "catalogue.turn", Effect: fault.EffectNone, Actor: fault.ActorOperator, Err: ErrOvertaken}
	var mark table.Item
	err = s.repeat(ctx, func() (err error) { mark, err = s.t.Get(ctx, versionKey(next.ID)); return err })
	if errors.Is(err, table.ErrNotFound) {
		return overtaken
	}
	var d versionDoc
	if err == nil {
		err = json.Unmarshal(mark.Doc, &d)
	}
	if err != nil {
		return err
	}
	if d.Retired {
		return overtaken
	}
	ops := []table.Op{{Put: &cur, If: read}, {Check: &mark.Key, If: mark.Version}}
	token, err := s.random()
	if err != nil {
		return err
	}
	err = s.repeat(ctx, func() error { return s.t.Transact(ctx, token, ops) })
	if errors.Is(err, table.ErrConflict) {
		return overtaken
	}
	return err
}

// sweep gives an end to the rows of versions that nobody will read any more: the one just replaced, and those of imports
// that died.
func (s *Store) sweep(ctx context.Context, shown, replaced string) error {
	var page string
	for {
		marks, next, err := s.t.Query(ctx, table.Query{PK: cataloguePK, Prefix: versionPrefix, Page: page})
		if err != nil {
			return err
		}
		for _, m := range marks {
			var d versionDoc
			id := strings.TrimPrefix(m.SK, versionPrefix)
			if err := json.Unmarshal(m.Doc, &d); err != nil {
				return err
			}
			if id == shown || id != replaced && s.now().Sub(d.At) < deadAfter {
				continue
			}
			if err := s.retire(ctx, m, d); err != nil && !errors.Is(err, table.ErrConflict) { // another sweep does it
				return err
			}
		}
		if page = next; page == "" {
			return nil
		}
	}
}

// retire says on the mark that the version is over, so that an import which was slow, and not dead, does not turn to it;
// then it gives the rows an end, and at last removes the mark: a sweep that dies in between is done again by the next.
func (s *Store) retire(ctx context.Context, mark table.Item, d versionDoc) error {
	id := strings.TrimPrefix(mark.SK, versionPrefix)
	d.Retired = true
	next, err := item(mark.Key, d)
	if err != nil {
		return err
	}
	v, err := s.t.Put(ctx, next, mark.Version)
	if err != nil {
		return err
	}
	cur, _, err := s.current(ctx)
	if err != nil || cur.ID == id {
		return err
	}
	var page string
	ends := s.now().Add(keepOld)
	for {
		rows, next, err := s.t.Query(ctx, table.Query{PK: versionsPrefix + id, Page: page})
		if err != nil {
			return err
		}
		for _, it := range rows {
			if !it.Expires.IsZero() {
				continue
			}
			it.Expires = ends
			if _, err := s.t.Put(ctx, it, it.Version); err != nil && !errors.Is(err, table.ErrConflict) {
				return err
			}
		}
		if page = next; page == "" {
			return s.t.Delete(ctx, mark.Key, v)
		}
	}
}

func (s *Store) random() (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(s.rand, b[:]); err != nil {
		return "", fault.Newf(fault.Retryable, "catalogue.random", "no randomness: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

func item(k table.Key, doc any) (table.Item, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return table.Item{}, fault.Newf(fault.Invalid, "catalogue.item", "%w", err)
	}
	return table.Item{Key: k, Doc: b}, nil
}
