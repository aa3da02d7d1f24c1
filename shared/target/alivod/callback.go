package alivod

import (
	"context"
	"errors"

	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
)

// RemoteID is the video's id, which its callbacks carry from the first on.
func (t *Target) RemoteID(s upload.Session) string {
	p, err := t.session("alivod.RemoteID", s)
	if err != nil {
		return ""
	}
	return p.VideoID
}

// Unhook takes the account's callback setting away if its address is that of ours; false: it is another's, or there is
// none (any more). One who sets another address between the two calls loses it: the platform has no condition for it.
func (t *Target) Unhook(ctx context.Context, address string) (removed bool, err error) {
	const op = "alivod.Unhook"
	if err := begin(ctx, op, t.bad); err != nil {
		return false, err
	}
	now, err := t.api.GetCallback(ctx, "")
	switch {
	case errors.Is(err, vod.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case now.URL != address:
		return false, nil
	}
	if err := t.api.DeleteCallback(ctx, ""); err != nil && !errors.Is(err, vod.ErrNotFound) {
		return false, err
	}
	return true, nil
}
