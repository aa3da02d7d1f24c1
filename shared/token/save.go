package token

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// save stores a fresh token in old's place before anybody uses it, under a context that survives cancellation. It tries
// again as long as SaveTimeout lets it: the write is conditional on what was loaded, so a repeat cannot do harm. If
// somebody else wrote meanwhile, settle decides. A save that fails is Unknown and an alarm.
func (k *Keeper) save(ctx context.Context, account upload.Account, old record, fresh Token) (Token, error) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), k.o.SaveTimeout)
	defer done()
	used := old.token.Refresh
	var err error
	for try := range tries {
		if try > 0 && k.o.Sleep(ctx, time.Duration(k.o.Random()*float64(int(1)<<try)*float64(50*time.Millisecond))) != nil {
			break
		}
		var now record
		if now, err = k.vault.write(ctx, account, old, fresh); err == nil {
			return now.token, nil
		}
		switch {
		case errors.Is(err, table.ErrConflict):
			var kept *Token
			if old, kept, err = k.settle(ctx, account, old, fresh, used); kept != nil || errors.Is(err, ErrNoCredential) {
				if err != nil {
					return Token{}, err
				}
				return *kept, nil
			}
		case fault.KindOf(err) != fault.Retryable && fault.KindOf(err) != fault.Unknown:
			return Token{}, k.unsaved(ctx, account, fresh, err)
		}
	}
	return Token{}, k.unsaved(ctx, account, fresh, err)
}

// settle looks at what another writer left where a fresh token was to go. It gives the token that stands, or the record
// to try again over:
//
//   - another grant: a newer login, which wins; or a removal, which does too
//   - our own write, whose answer was lost: it stands
//   - the same grant marked dead, or without its refresh token, since that one was refused, or still with the refresh token
//     that ours replaced: ours is the living one
//   - the same grant with yet another refresh token: a holder of the lease after us renewed too, and stands
func (k *Keeper) settle(ctx context.Context, account upload.Account, old record, fresh Token, used string) (record, *Token, error) {
	now, err := k.vault.load(ctx, account)
	sameGrant := now.found && now.Grant == fresh.Grant
	switch {
	case errors.Is(err, ErrNoCredential) && sameGrant:
		return now, nil, nil
	case errors.Is(err, ErrNoCredential):
		return old, nil, err
	case err == nil && sameGrant && now.token.sameSecrets(old.token):
		return now, nil, nil // only the book was written, or the box sealed again: it holds what ours renews
	case err != nil:
		return old, nil, err // could not look; the next try writes over old, and conflicts again
	case !sameGrant || now.token.Access == fresh.Access && now.token.Refresh == fresh.Refresh:
		return now, &now.token, nil
	case now.token.Refresh == used && fresh.Refresh != used, now.token.Refresh == "" && used != "":
		return now, nil, nil
	case now.token.Refresh != used && fresh.Refresh != used:
		k.alarm(ctx, "token_renewed_twice", "two renewals rotated the refresh token; the later one is kept", account, fresh, nil)
	}
	return now, &now.token, nil
}

// sameSecrets tells whether both hold the same secrets of the same login.
func (t Token) sameSecrets(old Token) bool {
	return t.Grant == old.Grant && t.Access == old.Access && t.Refresh == old.Refresh
}

// unsaved is a fresh token that could not be stored.
func (k *Keeper) unsaved(ctx context.Context, account upload.Account, fresh Token, err error) error {
	if err == nil {
		err = context.DeadlineExceeded
	}
	k.o.Metric(ctx, "token_not_saved", "Count", 1)
	k.alarm(ctx, "token_not_saved", "a renewed token could not be saved; if the platform rotated the refresh token, the account needs a login", account, fresh, err)
	return &fault.Error{Kind: fault.Unknown, Op: "token.save", Actor: fault.ActorOperator, Action: "look at the database; if the next renewal is refused, log in again",
		Err: errors.Join(errors.New("a renewed token could not be saved"), err)}
}

func (k *Keeper) alarm(ctx context.Context, name, text string, account upload.Account, t Token, err error) {
	attrs := []slog.Attr{slog.String("alarm", name), slog.String("account", string(account)), slog.String("grant", t.Grant)}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	k.o.Log.LogAttrs(ctx, slog.LevelError, text, attrs...)
}

// dead marks the grant that the platform refused to renew, so that nobody tries again. A login that came meanwhile wins.
func (k *Keeper) dead(ctx context.Context, account upload.Account, r record, cause error) (Token, error) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), k.o.SaveTimeout)
	defer done()
	reason := "the platform refused to renew it"
	f := *fault.As(cause)
	if f.Code != "" {
		reason += ", code " + f.Code
	}
	for range tries {
		err := k.vault.kill(ctx, r, reason)
		if errors.Is(err, table.ErrConflict) {
			// A newer login; or a later holder of the lease renewed the same grant, and the refusal was of what it replaced.
			// Or the book alone was written: then the refusal stands.
			now, loadErr := k.vault.load(ctx, account)
			if loadErr != nil || !now.token.sameSecrets(r.token) {
				return now.token, loadErr
			}
			r = now
			continue
		}
		if err != nil {
			// Not marked: the next renewal asks the platform once more and is refused again.
			k.o.Log.WarnContext(ctx, "a refused grant could not be marked", "account", string(account), "error", err.Error())
		}
		break
	}
	k.alarm(ctx, "account_needs_login", "the platform refuses to renew the account's token; a person has to log in", account, r.token, cause)
	f.Err = errors.Join(ErrNoCredential, cause)
	if f.Actor == "" {
		f.Actor, f.Action = fault.ActorOwner, "log in again: vodlift account login "+string(account)
	}
	return Token{}, &f
}
