package token

import (
	"context"
	"errors"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// maxSame bounds how many accounts of one user are looked for; a user has one (console).
const maxSame = 10

// OfSubject lists the accounts whose login is one of a platform's users, dead ones included, at most ten. It opens nothing.
// The index behind it may lag: a login of this very moment can be missing.
func (v *Vault) OfSubject(ctx context.Context, target, subject string) ([]AccountInfo, error) {
	const op = "token.OfSubject"
	if target == "" || subject == "" {
		return nil, nil
	}
	hits, _, err := v.table.QueryIndex(ctx, table.IndexQuery{Index: table.Acct, PK: subjectPart(target, subject), Limit: maxSame})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	var out []AccountInfo
	for _, h := range hits {
		a, ok := accountOf(h.Key)
		if !ok || a.Target() != target {
			continue
		}
		i, err := v.Info(ctx, a)
		if errors.Is(err, ErrNoCredential) || err == nil && i.Subject != subject {
			continue // the index lagged
		}
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}

// Doubt notes a hint that one of a platform's users has withdrawn what they granted, such as Douyin's unauthorize event
// (reference douyin A.10). It changes nothing but that the next sweep asks the platform (Keeper.Confirm): a hint may be
// forged, or sent again years later. It is quick, since a platform waits some seconds only, and may be repeated. It says
// how many accounts are of that user; none is no error.
func (v *Vault) Doubt(ctx context.Context, target, subject string) (int, error) {
	infos, err := v.OfSubject(ctx, target, subject)
	n := 0
	for _, i := range infos {
		if i.State != AccountOK {
			continue
		}
		n++
		err = errors.Join(err, v.doubt(ctx, i.Account, subject))
	}
	return n, fault.Wrap("token.Doubt", err)
}

func (v *Vault) doubt(ctx context.Context, a upload.Account, subject string) error {
	r, err := readRecord(ctx, v.table, tokenKey(a))
	if err != nil {
		return err
	}
	return v.note(ctx, a, r.Grant, func(d *document) {
		if d.State == stateLive && d.Subject == subject {
			d.Doubt = v.now() // also over an older one, whose answer may be under way
		}
	})
}

// Confirm asks the platform whether the login of an account that is in doubt still stands, by renewing it. Only the
// platform's refusal marks it dead; then the error is CredentialsExpired with ErrNoCredential in its chain. Where there is
// nothing to ask with, or the answer was lost, the account stays as it is: a publication will find out. An account that
// is not in doubt is left alone.
func (k *Keeper) Confirm(ctx context.Context, account upload.Account) error {
	const op = "token.Confirm"
	r, err := readRecord(ctx, k.vault.table, tokenKey(account))
	if err != nil || r.State != stateLive || r.Doubt.IsZero() {
		return fault.Wrap(op, err)
	}
	seen, said := r.Doubt, "ok"
	_, asks := k.refreshers[account.Target()].(Liver)
	switch {
	case asks:
		if err := k.alive(ctx, account, r.Grant); err != nil {
			return err
		}
	case !r.CanRenew || k.refreshers[account.Target()] == nil:
		said = "the platform hints that the login was withdrawn; without a refresh token that cannot be looked up"
	default:
		if _, err := k.renew(ctx, op, account, job{good: func(r record) bool { return r.Doubt.IsZero() }, do: k.access}); err != nil {
			return err
		}
	}
	return k.vault.note(ctx, account, r.Grant, func(d *document) {
		if d.Doubt.Equal(seen) {
			d.Doubt, d.Result = time.Time{}, said
		}
	})
}

// alive asks a Liver about a login, and marks one dead that the platform does not know any more. A lost answer says nothing.
func (k *Keeper) alive(ctx context.Context, account upload.Account, grant string) error {
	const op = "token.alive"
	l, ok := k.refreshers[account.Target()].(Liver)
	if !ok {
		return nil
	}
	r, err := k.vault.load(ctx, account)
	if errors.Is(err, ErrNoCredential) || err == nil && r.Grant != grant {
		return nil // a newer login, or none: not what was asked about
	}
	if err != nil {
		return fault.Wrap(op, err)
	}
	asked, done := context.WithTimeout(ctx, k.o.RefreshTimeout)
	defer done()
	err = l.Alive(asked, r.token)
	if fault.KindOf(err) != fault.CredentialsExpired {
		return fault.Wrap(op, err)
	}
	_, err = k.dead(ctx, account, r, err)
	return fault.Wrap(op, err)
}
