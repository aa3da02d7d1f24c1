package token

import (
	"cmp"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// merge completes an answer from the token that it renews, and refuses one that is no use: no access token, one that has
// ended already, one without a life where the old one had one (a life of zero or less reads as none), or somebody
// else's. With that error it gives what has to be kept all the same.
func merge(old, got Token, now time.Time) (Token, error) {
	const op = "token.merge"
	if old.Subject != "" && got.Subject != "" && got.Subject != old.Subject {
		return Token{}, fault.New(fault.Permanent, op, "the platform answered with the token of another account")
	}
	got.Grant, got.Version = old.Grant, 0
	got.Subject = cmp.Or(got.Subject, old.Subject)
	got.Renewals = max(got.Renewals, old.Renewals)
	if got.Scopes == nil {
		got.Scopes = old.Scopes
	}
	if got.Obtained.IsZero() {
		got.Obtained = now
	}
	if got.Refresh == "" || got.Refresh == old.Refresh {
		got.Refresh, got.RefreshFrom = old.Refresh, old.from()
		if got.RefreshBy.IsZero() {
			got.RefreshBy = old.RefreshBy
		}
	} else {
		got.RefreshFrom = now
	}
	if got.Access == "" || !got.Expires.IsZero() && !got.Expires.After(now) || got.Expires.IsZero() && !old.Expires.IsZero() {
		keep := old
		keep.Refresh, keep.RefreshFrom, keep.RefreshBy, keep.Renewals = got.Refresh, got.RefreshFrom, got.RefreshBy, got.Renewals
		return keep, fault.New(fault.Unknown, op, "the platform answered without a token that is valid now, or without its life")
	}
	return got, nil
}

// from is when the refresh token was received.
func (t Token) from() time.Time {
	if t.RefreshFrom.IsZero() {
		return t.Obtained
	}
	return t.RefreshFrom
}
