package state

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

func pubKey(id string) table.Key { return table.Key{PK: "P#" + id, SK: "META"} }
func revKey(id string, n int) table.Key {
	return table.Key{PK: "P#" + id, SK: fmt.Sprintf("REV#%04d", n)}
}

// listShards spreads a day's list.
const listShards = 4

// listPlace is the immutable place of a record in LIST, so that paging is stable.
func listPlace(kind, id string, created time.Time) table.Place {
	c := created.UTC()
	return table.Place{PK: fmt.Sprintf("%s#%s#%d", kind, c.Format(time.DateOnly), int(id[len(id)-1])%listShards), SK: stamp(c) + "#" + id}
}

func (l *Ledger) pubIndex(p *Publication) map[table.Index]table.Place {
	ix := map[table.Index]table.Place{table.List: listPlace("P", p.ID, p.Created)}
	if !p.StartAt.IsZero() {
		ix[table.Due] = table.Place{PK: "pub#" + shardOf(p.ID), SK: stamp(p.StartAt) + "#" + p.ID}
	}
	return ix
}

// Publication reads one publication.
func (l *Ledger) Publication(ctx context.Context, id string) (Publication, error) {
	c, err := open[Publication](ctx, l.t, pubKey(id))
	if err != nil {
		return Publication{}, fault.Wrap("state.Publication", fmt.Errorf("publication %s: %w", clip(id, 64), err))
	}
	return c.Value, nil
}

// EnsurePublication records a publication, or gives the one that is there: the same drop twice is one publication.
func (l *Ledger) EnsurePublication(ctx context.Context, p Publication) (Publication, error) {
	p.Created = l.now()
	it, err := cell[Publication]{item: table.Item{Key: pubKey(p.ID)}, Value: p}.encode()
	if err != nil {
		return p, err
	}
	it.Index = l.pubIndex(&p)
	_, err = l.create(ctx, it)
	if isConflict(err) {
		return l.Publication(ctx, p.ID)
	}
	return p, fault.Wrap("state.EnsurePublication", err)
}

// UpdatePublication changes a publication by compare-and-swap; fn may run several times, also after its own write when
// that one's answer was lost. What changes nothing is not written.
func (l *Ledger) UpdatePublication(ctx context.Context, id string, fn func(*Publication) error, ops ...func(Publication) ([]table.Op, error)) (Publication, error) {
	const op = "state.UpdatePublication"
	var last error
	for try := range attempts {
		l.backoff(ctx, try)
		c, err := open[Publication](ctx, l.t, pubKey(id))
		if err != nil {
			return c.Value, fault.Wrap(op, err)
		}
		before, err := c.encode()
		if err != nil {
			return c.Value, err
		}
		if err := fn(&c.Value); err != nil {
			return c.Value, err
		}
		it, err := c.encode()
		if err != nil {
			return c.Value, err
		}
		it.Index = l.pubIndex(&c.Value)
		all := []table.Op{{Put: &it, If: c.item.Version}}
		for _, f := range ops {
			more, err := f(c.Value)
			if err != nil {
				return c.Value, err
			}
			all = append(all, more...)
		}
		if len(all) == 1 && string(before.Doc) == string(it.Doc) {
			return c.Value, nil
		}
		if last = l.t.Transact(ctx, "", all); last == nil {
			return c.Value, nil
		}
		if !again(last) || ctx.Err() != nil {
			return c.Value, fault.Wrap(op, last)
		}
	}
	return Publication{}, tooBusy(op, last)
}

// AddRevision makes r the publication's next revision, with the ids of its uploads, unless the newest one has the same
// hash. It gives the revision in force and whether this call made it, as far as its answers tell. A manifest that was
// refused before is forgotten.
func (l *Ledger) AddRevision(ctx context.Context, id string, r Revision, uploads []string) (Publication, Revision, bool, error) {
	added, want := false, r
	p, err := l.UpdatePublication(ctx, id, func(p *Publication) error {
		added = false
		p.Status, p.Reason, p.Problem, p.StartAt = "", "", nil, time.Time{}
		if p.Revision > 0 {
			have, err := l.Revision(ctx, id, p.Revision)
			if err != nil {
				return err
			}
			if have.Hash == want.Hash {
				r = have
				return nil
			}
		}
		p.Revision++
		added, r = true, want
		r.Number, r.At = p.Revision, l.now()
		for _, u := range uploads {
			p.Uploads = addOnce(p.Uploads, u)
		}
		return nil
	}, func(p Publication) ([]table.Op, error) {
		if !added {
			return nil, nil
		}
		it, err := cell[Revision]{item: table.Item{Key: revKey(id, r.Number)}, Value: r}.encode()
		if err != nil {
			return nil, err
		}
		return []table.Op{{Put: &it, If: table.Absent}}, nil
	})
	return p, r, added, err
}

func addOnce(list []string, s string) []string {
	for _, x := range list {
		if x == s {
			return list
		}
	}
	return append(list, s)
}

// Revision reads one revision of a publication's manifest.
func (l *Ledger) Revision(ctx context.Context, id string, n int) (Revision, error) {
	c, err := open[Revision](ctx, l.t, revKey(id, n))
	return c.Value, fault.Wrap("state.Revision", err)
}

// objectRecord maps a bucket and key to its publications, newest last.
type objectRecord struct {
	Publications []string `json:"publications"`
}

// maxPerObject bounds how many publications of one key are remembered here; older ones keep their own records.
const maxPerObject = 50

// LinkObject notes that the object at bucket and key is (now) this publication's source.
func (l *Ledger) LinkObject(ctx context.Context, bucket, key, publication string) error {
	const op = "state.LinkObject"
	k := table.Key{PK: "OBJ#" + upload.ObjectID(bucket, key), SK: "-"}
	var last error
	for try := range attempts {
		l.backoff(ctx, try)
		c, err := open[objectRecord](ctx, l.t, k)
		if isAbsent(err) {
			c = cell[objectRecord]{item: table.Item{Key: k}}
		} else if err != nil {
			return fault.Wrap(op, err)
		}
		n := len(c.Value.Publications)
		if n > 0 && c.Value.Publications[n-1] == publication {
			return nil
		}
		list := c.Value.Publications[:0:0]
		for _, p := range c.Value.Publications {
			if p != publication {
				list = append(list, p)
			}
		}
		list = append(list, publication)
		c.Value.Publications = list[max(0, len(list)-maxPerObject):]
		it, err := c.encode()
		if err != nil {
			return err
		}
		if _, last = l.t.Put(ctx, it, c.item.Version); last == nil {
			return nil
		}
		if !again(last) || ctx.Err() != nil {
			return fault.Wrap(op, last)
		}
	}
	return tooBusy(op, last)
}

// ByObject gives the newest publication of the object at bucket and key; "" if there is none.
func (l *Ledger) ByObject(ctx context.Context, bucket, key string) (string, error) {
	c, err := open[objectRecord](ctx, l.t, table.Key{PK: "OBJ#" + upload.ObjectID(bucket, key), SK: "-"})
	if isAbsent(err) || err == nil && len(c.Value.Publications) == 0 {
		return "", nil
	}
	if err != nil {
		return "", fault.Wrap("state.ByObject", err)
	}
	return c.Value.Publications[len(c.Value.Publications)-1], nil
}

// Publications lists the newest limit of those made on the days from since until now, oldest first.
func (l *Ledger) Publications(ctx context.Context, since time.Time, limit int) ([]Publication, error) {
	ids, err := l.listed(ctx, "P", since, limit)
	if err != nil {
		return nil, err
	}
	var out []Publication
	for _, id := range ids {
		p, err := l.Publication(ctx, id)
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return out, err
		}
		out = append(out, p)
	}
	return out, nil
}

// maxPerDay bounds how many places of one day and shard a list reads.
const maxPerDay = 25_000

// listed walks the LIST index back from today, day by day, and gives the newest, in order of creation.
func (l *Ledger) listed(ctx context.Context, kind string, since time.Time, limit int) ([]string, error) {
	var newest []string // newest first
	first := since.UTC().Truncate(24 * time.Hour)
	for day := l.now().UTC().Truncate(24 * time.Hour); !day.Before(first) && len(newest) < limit; day = day.Add(-24 * time.Hour) {
		var places []string
		for s := range listShards {
			more, err := l.placesIn(ctx, table.List, fmt.Sprintf("%s#%s#%d", kind, day.Format(time.DateOnly), s), "", "", maxPerDay)
			if err != nil {
				return nil, err
			}
			places = append(places, more...)
		}
		slices.Sort(places)
		slices.Reverse(places)
		newest = append(newest, places[:min(len(places), limit-len(newest))]...)
	}
	slices.Reverse(newest)
	return idsOf(newest), nil
}

// ByStatus lists the uploads of an account that have a status, oldest first.
func (l *Ledger) ByStatus(ctx context.Context, a upload.Account, s upload.Status, limit int) ([]Upload, error) {
	places, err := l.placesIn(ctx, table.Acct, "A#"+string(a), string(s)+"#", string(s)+"#~", limit)
	if err != nil {
		return nil, err
	}
	us, err := l.Uploads(ctx, idsOf(places))
	if err != nil {
		return nil, err
	}
	out := us[:0]
	for _, u := range us {
		if u.Status == s {
			out = append(out, u)
		}
	}
	return out, nil
}
