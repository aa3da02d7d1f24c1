package videos

import (
	"context"
	"errors"
	"fmt"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/vod"
)

func notYours(op string) error {
	return &fault.Error{Kind: fault.Permanent, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOwner, Err: ErrNotYours}
}

func refused(op string, kind fault.Kind, err error) error {
	return &fault.Error{Kind: kind, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOwner, Err: err}
}

// Issue makes a new id at the platform for owner (empty: the demo's, nobody's), charges one upload, and remembers whose
// it is. from is the caller's address.
func (s *Store) Issue(ctx context.Context, owner, from string, v vod.NewVideo) (vod.Ticket, error) {
	const op = "videos.Issue"
	if err := s.quotas.Charge(ctx, owner, from, 1, 0); err != nil {
		return vod.Ticket{}, fault.Wrap(op, err)
	}
	ticket, err := s.vod.CreateUploadVideo(ctx, v)
	if err != nil {
		return vod.Ticket{}, fault.Wrap(op, err)
	}
	if !GoodID(ticket.ID) {
		return vod.Ticket{}, fault.New(fault.Unknown, op, "the platform's answer has no usable video id")
	}
	now := s.now()
	r := stored{Video: Video{ID: ticket.ID, Owner: owner, Stage: Issued, Demo: owner == "", Created: now, From: s.quotas.AddressKey(from),
		Status: vod.StatusUploading, Due: now.Add(s.set.UploadLife / 24)}}
	// A record that is lost here costs an id without an owner, which nobody can publish by our own credential.
	for try := range attempts {
		s.backoff(ctx, try)
		if err = s.write(ctx, &r, nil); err == nil || errors.Is(err, table.ErrConflict) || !again(ctx, err) {
			break
		}
	}
	if err != nil {
		return vod.Ticket{}, fault.Wrap(op, err)
	}
	return ticket, nil
}

// Refresh gives new credentials for an upload under way. owner must have it; the demo (owner empty) must have issued it
// within DemoLife, to nobody. RefreshUploadVideo can overwrite any video of the account, so the platform is asked first
// whether it is still being uploaded.
func (s *Store) Refresh(ctx context.Context, owner, id string) (vod.Ticket, error) {
	const op = "videos.Refresh"
	v, err := s.readable(ctx, op, id)
	if err != nil {
		return vod.Ticket{}, err
	}
	life := s.set.UploadLife
	if owner == "" {
		life = s.set.DemoLife
	}
	if v.Owner != owner || owner == "" && !v.Demo || v.Stage == Deleted {
		return vod.Ticket{}, notYours(op)
	}
	if !s.now().Before(v.Created.Add(life)) {
		return vod.Ticket{}, refused(op, fault.Invalid, ErrNotUploading)
	}
	info, err := s.vod.GetVideoInfo(ctx, id)
	if errors.Is(err, vod.ErrNotFound) || err == nil && info.Status != vod.StatusUploading {
		return vod.Ticket{}, refused(op, fault.Invalid, ErrNotUploading)
	}
	if err != nil {
		return vod.Ticket{}, fault.Wrap(op, err)
	}
	ticket, err := s.vod.RefreshUploadVideo(ctx, id)
	return ticket, fault.Wrap(op, err)
}

// PlayAuth gives the right to play: to everybody what is public, to its owner everything, to the demo (user empty) also
// what it issued itself and nobody published.
func (s *Store) PlayAuth(ctx context.Context, user, id string) (vod.PlayAuth, error) {
	const op = "videos.PlayAuth"
	v, err := s.readable(ctx, op, id)
	if err != nil {
		return vod.PlayAuth{}, err
	}
	mine := v.Owner == user
	if user == "" {
		mine = v.Demo && v.Owner == "" && v.Stage == Issued
	}
	if v.Stage == Deleted || !mine && !v.Public() {
		return vod.PlayAuth{}, notYours(op)
	}
	auth, err := s.vod.GetVideoPlayAuth(ctx, id, 0)
	if errors.Is(err, vod.ErrNotPlayable) || errors.Is(err, vod.ErrNotFound) {
		return vod.PlayAuth{}, refused(op, fault.Invalid, fmt.Errorf("%w: %w", ErrNotReady, err))
	}
	return auth, fault.Wrap(op, err)
}

// readable reads a record for somebody who may not have it: no record is ErrNotYours.
func (s *Store) readable(ctx context.Context, op, id string) (stored, error) {
	r, err := s.read(ctx, id)
	if errors.Is(err, table.ErrNotFound) {
		return stored{}, notYours(op)
	}
	return r, fault.Wrap(op, err)
}
