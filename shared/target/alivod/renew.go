package alivod

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
)

// Renew implements target.Renewer by RefreshUploadVideo: a credential for the same place, whose multipart upload and parts
// stay. While the old credential is young the platform may answer that very one (reference a.4); then
//
//   - if its time was the reason, it is used for half of what is left before it is asked again;
//   - if its time was not, OSS may have refused it: the first such answer is taken, and from the second on it is Retryable
//     after a pause, so that nobody asks in a loop.
//
// A video that is gone is target.ErrSessionLost. It may be repeated.
func (t *Target) Renew(ctx context.Context, s upload.Session) (upload.Session, error) {
	const op = "alivod.Renew"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Session{}, err
	}
	p, err := t.session(op, s)
	if err != nil {
		return upload.Session{}, err
	}
	if p, err = t.renew(ctx, op, p); err != nil {
		return upload.Session{}, err
	}
	next, err := p.pack(s.Opened, s.Expires)
	next.Cover = s.Cover
	return next, err
}

func (t *Target) renew(ctx context.Context, op string, old session) (session, error) {
	ticket, err := t.api.RefreshUploadVideo(ctx, old.VideoID)
	if err != nil {
		return old, t.gone(op, err)
	}
	p := old
	if err := t.take(&p, ticket); err != nil {
		return old, fault.Wrap(op, err)
	}
	p.Renewals++
	if p.Credential != old.Credential {
		p.Same = 0
		return p, nil
	}
	now := t.now()
	p.Issued, p.Expires = old.Issued, old.Expires
	left, due := p.Expires.Sub(now), !now.Before(old.RenewAt)
	switch {
	case left <= 0:
		return old, same(op, lastMoments, "the platform still answers the upload credential that has ended")
	case due && left <= lastMoments:
		p.RenewAt = p.Expires
	case due:
		p.RenewAt = now.Add(left / 2)
	case old.Same > 0:
		return old, same(op, stillTheSame, "the platform still answers the upload credential that was refused")
	default:
		p.Same, p.RenewAt = 1, old.RenewAt
	}
	return p, nil
}

func same(op string, after time.Duration, msg string) error {
	return &fault.Error{Kind: fault.Retryable, Op: op, After: after, Actor: fault.ActorPlatform, Action: "It is asked again a little later; parts stay.", Err: errors.New(msg)}
}

// gone gives the platform's word that the video cannot take a file any more its meaning for the session.
func (t *Target) gone(op string, err error) error {
	f := *fault.As(fault.Wrap(op, err))
	if errors.Is(err, vod.ErrNotFound) || f.Code == "InvalidVideo.Damaged" {
		f.Kind, f.Actor, f.Action = fault.Permanent, fault.ActorUs, anew
		f.Err = fmt.Errorf("%w: %w", target.ErrSessionLost, err)
	}
	return &f
}

const anew = "A new session is opened and the file sent again."

// storage gives OSS's refusals their meaning for the session.
func (t *Target) storage(op string, p session, err error) error {
	f := *fault.As(fault.Wrap(op, err))
	switch {
	case errors.Is(err, oss.ErrCredential), errors.Is(err, oss.ErrDenied) && (p.Renewals == 0 || t.now().Sub(p.Issued) > deniedFresh):
		f.Kind, f.Actor, f.Action = fault.TokenExpired, fault.ActorUs, renews
		f.Err = fmt.Errorf("%w: %w", target.ErrSessionCredential, err)
	case errors.Is(err, oss.ErrDenied), errors.Is(err, oss.ErrNoUpload), errors.Is(err, oss.ErrNotFound), errors.Is(err, oss.ErrParts),
		errors.Is(err, oss.ErrDamaged) && op == "alivod.Complete": // the object is made, and wrong
		f.Kind, f.Actor, f.Action = fault.Permanent, fault.ActorUs, anew
		f.Err = fmt.Errorf("%w: %w", target.ErrSessionLost, err)
	}
	return &f
}

// Abort gives the parts in OSS up, under a new credential if the session's is over, and asks VOD to delete the video, whose
// refusal does not matter: a video without a file shows nowhere.
func (t *Target) Abort(ctx context.Context, s upload.Session) error {
	const op = "alivod.Abort"
	if err := begin(ctx, op, t.bad); err != nil {
		return err
	}
	p, err := t.session(op, s)
	if err != nil {
		return err
	}
	if p.UploadID != "" {
		if err := t.abortParts(ctx, op, p); err != nil {
			return err
		}
	}
	if _, err := t.api.DeleteVideo(ctx, p.VideoID); err != nil && ctx.Err() != nil {
		return fault.Wrap(op, err)
	}
	return nil
}

// abortParts is nil where nobody can reach the parts any more: the platform drops them after 7 days then.
func (t *Target) abortParts(ctx context.Context, op string, p session) error {
	err := t.fresh(op, p)
	if err == nil {
		err = t.abortOnce(ctx, op, p)
	}
	if !errors.Is(err, target.ErrSessionCredential) {
		return passable(err)
	}
	if p, err = t.renew(ctx, op, p); err != nil {
		return passable(err)
	}
	return passable(t.abortOnce(ctx, op, p))
}

func (t *Target) abortOnce(ctx context.Context, op string, p session) error {
	c, err := t.store(op, p)
	if err == nil {
		err = c.Abort(ctx, p.multipart())
	}
	if err != nil {
		return t.storage(op, p, err)
	}
	return nil
}

// passable lets pass what no repeat can mend.
func passable(err error) error {
	if errors.Is(err, target.ErrSessionLost) || errors.Is(err, target.ErrSessionCredential) || fault.KindOf(err) == fault.Permanent {
		return nil
	}
	return err
}
