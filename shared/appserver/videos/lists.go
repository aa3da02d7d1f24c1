package videos

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/vodlift/vodlift/shared/appserver/ranked"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// RecommendedList is the list of what everybody sees.
const RecommendedList = "VL#all"

// PersonalList is the list of what one user published.
func PersonalList(owner string) string { return "VL#user#" + owner }

// Page asks for a part of a list, newest first. After, where it is not zero, is the number of the last video that the
// caller has: the page begins below it and Index has no effect, so that what is published or deleted meanwhile neither
// repeats nor skips anything. Else Index counts pages from 1.
type Page struct {
	Index, Size int64
	After       int64
}

// Recommended gives a page of what passed review, and how much there is in all.
func (s *Store) Recommended(ctx context.Context, p Page) ([]Video, int64, error) {
	return s.list(ctx, RecommendedList, p, func(v *Video) bool { return v.Public() })
}

// Personal gives a page of what owner published, and how much there is in all.
func (s *Store) Personal(ctx context.Context, owner string, p Page) ([]Video, int64, error) {
	return s.list(ctx, PersonalList(owner), p, func(v *Video) bool { return v.Owner == owner && v.Stage == Published })
}

// readsAtOnce bounds the reads of one page that are under way together.
const readsAtOnce = 16

// list reads the members' records and leaves out what meanwhile no longer belongs there.
func (s *Store) list(ctx context.Context, name string, p Page, keep func(*Video) bool) ([]Video, int64, error) {
	const op = "videos.list"
	var entries []ranked.Entry
	var total int64
	var err error
	if p.After > 0 {
		if entries, err = ranked.After(ctx, s.t, name, p.After, int(p.Size)); err == nil {
			total, err = ranked.Total(ctx, s.t, name)
		}
	} else {
		entries, total, err = ranked.Page(ctx, s.t, name, (p.Index-1)*p.Size, int(p.Size))
	}
	if err != nil {
		return nil, 0, fault.Wrap(op, err)
	}
	found := make([]*Video, len(entries))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readsAtOnce)
	for i, e := range entries {
		g.Go(func() error {
			v, err := s.Get(gctx, e.ID)
			if errors.Is(err, table.ErrNotFound) {
				return nil
			}
			if err == nil && keep(&v) {
				found[i] = &v
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, 0, fault.Wrap(op, err)
	}
	videos := make([]Video, 0, len(found))
	for _, v := range found {
		if v != nil {
			videos = append(videos, *v)
		}
	}
	return videos, total, nil
}
