package videos

import (
	"context"
	"errors"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/ranked"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/vod"
)

// Publish binds id to owner and records what he says of it. An id that we issued must be his, or the demo's and young;
// any other must exist at the platform and be young and unbound (it was made with an STS credential; where nobody gets
// such, Settings.OnlyIssued, it is nobody's). The jobs are begun
// at once as far as the platform answers within Settings.Kick, the rest by Work and Callback. A second publish is
// ErrPublished.
func (s *Store) Publish(ctx context.Context, owner, from, id string, f Facts) error {
	const op = "videos.Publish"
	if owner == "" {
		return notYours(op)
	}
	if err := s.bind(ctx, op, owner, from, id, f, false); err != nil {
		return err
	}
	s.kick(ctx, id)
	return nil
}

// PublishOwn records a video that was published by another way than the apps (the target alivod), under the owner's
// name, so that it appears in the lists. The caller vouches for the id. A repeat changes nothing.
func (s *Store) PublishOwn(ctx context.Context, owner, id string, f Facts) error {
	err := s.bind(ctx, "videos.PublishOwn", owner, "", id, f, true)
	if errors.Is(err, ErrPublished) {
		return nil
	}
	if err == nil {
		s.kick(ctx, id)
	}
	return err
}

func (s *Store) bind(ctx context.Context, op, owner, from, id string, f Facts, trusted bool) error {
	var number int64
	var last error
	for try := range attempts {
		s.backoff(ctx, try)
		r, err := s.claim(ctx, op, owner, from, id, trusted)
		if number != 0 && err != nil && errors.Is(err, ErrPublished) && r.Number == number {
			return nil // ours: an earlier answer was lost
		}
		if err != nil {
			return err
		}
		if number == 0 {
			if number, err = s.t.Add(ctx, table.Add{Key: table.Key{PK: "VIDEOS#seq", SK: "-"}, Field: "n", N: 1}); err != nil {
				if last = err; again(ctx, err) { // a lost answer costs a number, no more
					number = 0
					continue
				}
				return fault.Wrap(op, err)
			}
		}
		now := s.now()
		r.Owner, r.Stage, r.Number, r.Published, r.Facts, r.Due, r.Polls = owner, Published, number, now, f, now, 0
		if s.set.Review == ReviewAI {
			r.Censor = OnCensor
		}
		ops, err := ranked.Insert(PersonalList(owner), ranked.Entry{Number: number, ID: id})
		if err != nil {
			return fault.Wrap(op, err)
		}
		if err := s.write(ctx, &r, ops); err == nil {
			return nil
		} else if last = err; !again(ctx, err) {
			return fault.Wrap(op, err)
		}
	}
	return tooBusy(op, last)
}

// claim reads the record that owner may publish, or makes one for an id that we did not issue.
func (s *Store) claim(ctx context.Context, op, owner, from, id string, trusted bool) (stored, error) {
	r, err := s.read(ctx, id)
	if err == nil {
		young := s.now().Before(r.Created.Add(s.set.UploadLife))
		switch {
		case r.Owner == owner && r.Stage == Published:
			return r, refused(op, fault.Duplicate, ErrPublished)
		case r.Owner == owner && r.Stage == Deleted:
			return r, refused(op, fault.Permanent, ErrDeleted)
		case r.Stage == Issued && (r.Owner == owner || r.Demo && r.Owner == "" && young):
			return r, nil
		}
		return r, notYours(op)
	}
	if !errors.Is(err, table.ErrNotFound) {
		return r, fault.Wrap(op, err)
	}
	if !GoodID(id) {
		return r, notYours(op)
	}
	if trusted {
		return stored{Video: Video{ID: id, Created: s.now(), Charged: true}}, nil
	}
	if s.set.OnlyIssued {
		return r, notYours(op)
	}
	info, err := s.vod.GetVideoInfo(ctx, id)
	if errors.Is(err, vod.ErrNotFound) {
		return r, notYours(op)
	}
	if err != nil {
		return r, fault.Wrap(op, err)
	}
	if info.Created.IsZero() || !s.now().Before(info.Created.Add(s.set.UploadLife)) {
		return r, notYours(op)
	}
	if err := s.quotas.Charge(ctx, owner, from, 1, 0); err != nil { // what we issued was charged then
		return r, fault.Wrap(op, err)
	}
	return stored{Video: Video{ID: id, Created: info.Created, From: s.quotas.AddressKey(from), Status: info.Status, Found: true}}, nil
}

// Delete removes a video of owner from every list at once, and from the platform as soon as it answers. Again is no
// error.
func (s *Store) Delete(ctx context.Context, owner, id string) error {
	const op = "videos.Delete"
	var last error
	for try := range attempts {
		s.backoff(ctx, try)
		r, err := s.readable(ctx, op, id)
		if err != nil {
			return err
		}
		if owner == "" || r.Owner != owner {
			return notYours(op)
		}
		if r.Stage == Deleted {
			return nil
		}
		if err := s.remove(ctx, &r, false); err == nil {
			s.kick(ctx, id)
			return nil
		} else if last = err; !again(ctx, err) {
			return fault.Wrap(op, err)
		}
	}
	return tooBusy(op, last)
}

// remove writes r as deleted, out of its lists. gone: the platform has it no more.
func (s *Store) remove(ctx context.Context, r *stored, gone bool) error {
	var ops []table.Op
	if r.Stage == Published {
		ops = append(ops, ranked.Remove(PersonalList(r.Owner), r.Number)...)
		if r.Listed {
			ops = append(ops, ranked.Remove(RecommendedList, r.Number)...)
		}
	}
	r.Stage, r.Listed, r.Gone, r.From, r.Polls, r.Due = Deleted, false, gone, "", 0, s.now()
	if gone {
		r.Due = time.Time{}
	}
	return s.write(ctx, r, ops)
}

// kick does now what Work would do at its next run; its failure is Work's to mend.
func (s *Store) kick(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, s.set.Kick)
	defer cancel()
	if err := s.advance(ctx, id, hint{}); err != nil {
		s.log.InfoContext(ctx, "the platform will be asked again", "video", id, "kind", fault.KindOf(err).String())
	}
}
