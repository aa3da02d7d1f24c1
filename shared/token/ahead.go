package token

import (
	"context"
	"errors"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// Ahead renews account's access token if it would cross its threshold until then, though nobody was refused. It waits for
// nobody: where another renews, it is Retryable. A refusal does not cost an access token that still works: the dead
// refresh token is dropped, and a person has to log in before the access token ends.
func (k *Keeper) Ahead(ctx context.Context, account upload.Account, until time.Time) (Token, error) {
	due := func(r record) bool {
		at := r.renewAt(account)
		return !at.IsZero() && !at.After(until)
	}
	return k.renew(ctx, "token.Ahead", account, job{early: true, good: func(r record) bool { return !due(r) }, do: k.access})
}

// Rotate renews account's refresh token if it would cross its threshold until then and renewals are left. Each one is
// counted, also one whose answer was lost, so that the platform is never asked for more than it grants. A refusal ends the
// renewals of this login and nothing else.
func (k *Keeper) Rotate(ctx context.Context, account upload.Account, until time.Time) (Token, error) {
	due := func(r record) bool {
		at := r.rotateAt(account)
		_, can := k.refreshers[account.Target()].(RefreshRenewer)
		return can && !at.IsZero() && !at.After(until)
	}
	return k.renew(ctx, "token.Rotate", account, job{early: true, good: func(r record) bool { return !due(r) }, do: k.rotate})
}

// rotate asks for a new refresh token. With an error, the token, if it is not empty, is what must be kept.
func (k *Keeper) rotate(ctx context.Context, account upload.Account, r record) (Token, error) {
	const op = "token.rotate"
	renewer, ok := k.refreshers[account.Target()].(RefreshRenewer)
	if !ok {
		return Token{}, fault.New(fault.Invalid, op, "this platform's refresh tokens are not renewed")
	}
	app, err := k.vault.App(ctx, account.Target())
	if err != nil {
		return Token{}, err
	}
	asked, done := context.WithTimeout(context.WithoutCancel(ctx), k.o.RefreshTimeout)
	defer done()
	old := r.token
	got, err := renewer.Renew(asked, app, old)
	if err != nil {
		switch fault.KindOf(err) {
		case fault.Unknown:
			old.Renewals++ // it may have been done
		case fault.CredentialsExpired, fault.Permanent, fault.Invalid:
			if !errors.Is(err, ErrNoApp) {
				_ = k.vault.endRenewals(ctx, account, old.Grant, codeOf(err))
			}
		}
		// Whether the refresh token is dead, its next use shows.
		return old, err
	}
	return mergeRotated(old, got, k.o.Now())
}

// mergeRotated takes from the answer what it renews: the refresh token, its end and the count.
func mergeRotated(old, got Token, now time.Time) (Token, error) {
	const op = "token.mergeRotated"
	if got.Subject != "" && old.Subject != "" && got.Subject != old.Subject {
		return Token{}, fault.New(fault.Permanent, op, "the platform answered with the token of another account")
	}
	t := old
	t.Renewals = old.Renewals + 1
	if got.Refresh == "" {
		return t, fault.New(fault.Unknown, op, "the platform answered without a refresh token")
	}
	t.Refresh, t.RefreshFrom = got.Refresh, now
	if !got.RefreshBy.After(now) {
		// The old one is dead, so the new one is kept; but no life is read into an answer that names none.
		return t, fault.New(fault.Unknown, op, "the platform answered with a refresh token that has no life")
	}
	t.RefreshBy = got.RefreshBy
	return t, nil
}

// keepAccess drops a refresh token that the platform refused, and keeps the access token for the rest of its life. A login
// or a renewal that came meanwhile wins.
func (k *Keeper) keepAccess(ctx context.Context, account upload.Account, r record, cause error) (Token, error) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), k.o.SaveTimeout)
	defer done()
	t := r.token
	t.Refresh, t.RefreshBy, t.RefreshFrom = "", time.Time{}, time.Time{}
	for range tries {
		now, err := k.vault.write(ctx, account, r, t)
		if errors.Is(err, table.ErrConflict) {
			now, err = k.vault.load(ctx, account)
			if err != nil || !now.token.sameSecrets(r.token) {
				return now.token, err
			}
			r = now
			continue
		}
		if err != nil {
			return Token{}, nothingSent("token.keepAccess", err) // the next try is refused again
		}
		k.alarm(ctx, "account_refresh_refused", "the platform refuses to renew the account's token; a person has to log in before it ends", account, t, cause)
		_ = k.vault.note(ctx, account, t.Grant, func(d *document) { d.Result = "the platform refused to renew it" + codeSuffix(cause) })
		return now.token, nil
	}
	return Token{}, fault.New(fault.Retryable, "token.keepAccess", "the record is being changed by many at once")
}

func codeOf(err error) string {
	if f := fault.As(err); f != nil && f.Code != "" {
		return f.Code
	}
	return fault.KindOf(err).String()
}

func codeSuffix(err error) string {
	if f := fault.As(err); f != nil && f.Code != "" {
		return ", code " + f.Code
	}
	return ""
}
