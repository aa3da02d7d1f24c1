package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// States of an account, as people see them.
const (
	AccountOK         = "ok"
	AccountNeedsLogin = "needs_login"
	AccountRemoved    = "removed"
)

// AccountInfo is what may be shown of an account's credential. Nothing in it is secret, and nothing was opened to make it.
type AccountInfo struct {
	Account      upload.Account `json:"account"`
	State        string         `json:"state"`            // ok, needs_login, removed
	Reason       string         `json:"reason,omitempty"` // why a person is needed
	Expires      time.Time      `json:"expires,omitzero"`
	RefreshBy    time.Time      `json:"refresh_by,omitzero"`
	Renewable    bool           `json:"renewable,omitempty"` // there is something to renew it with: a refresh token, a role
	RenewalsLeft int            `json:"renewals_left"`       // of the refresh token; -1 = not counted
	Scopes       []string       `json:"scopes,omitempty"`
	LastRefresh  time.Time      `json:"last_refresh,omitzero"` // when the platform last gave something, the login included
	LastResult   string         `json:"last_result,omitempty"` // "ok", or what the last try ended with
	NeedsLoginBy time.Time      `json:"needs_login_by,omitzero"`
	Warned       []int          `json:"warned,omitempty"` // days ahead that were announced
	Subject      string         `json:"subject,omitempty"`
}

// Accounts lists every account that ever had a login, removed ones included, by account. It opens nothing.
func (v *Vault) Accounts(ctx context.Context) ([]AccountInfo, error) {
	const op = "token.Accounts"
	var out []AccountInfo
	for s := range shards {
		q := table.IndexQuery{Index: table.List, PK: fmt.Sprintf("account#%02d", s)}
		for {
			hits, next, err := v.table.QueryIndex(ctx, q)
			if err != nil {
				return nil, fault.Wrap(op, err)
			}
			for _, h := range hits {
				a, ok := accountOf(h.Key)
				if !ok {
					continue
				}
				info, err := v.Info(ctx, a)
				if errors.Is(err, ErrNoCredential) {
					continue // the index may lag
				}
				if err != nil {
					return nil, err
				}
				out = append(out, info)
			}
			if q.Page = next; next == "" {
				break
			}
		}
	}
	slices.SortFunc(out, func(a, b AccountInfo) int { return strings.Compare(string(a.Account), string(b.Account)) })
	return slices.CompactFunc(out, func(a, b AccountInfo) bool { return a.Account == b.Account }), nil
}

// Info tells of one account. One that never had a login gives CredentialsExpired with ErrNoCredential in its chain.
func (v *Vault) Info(ctx context.Context, account upload.Account) (AccountInfo, error) {
	r, err := readRecord(ctx, v.table, tokenKey(account))
	if err != nil {
		return AccountInfo{}, fault.Wrap("token.Info", err)
	}
	if !r.found {
		return AccountInfo{}, fault.Wrap("token.Info", noCredential(account, ""))
	}
	i := r.info(account)
	if end := r.deadAt(); i.State == AccountOK && !end.IsZero() && !v.now().Before(end) {
		i.State, i.Reason = AccountNeedsLogin, "its time is over, and it cannot be renewed" // the sweep marks it
	}
	return i, nil
}

func (d document) info(a upload.Account) AccountInfo {
	i := AccountInfo{Account: a, State: AccountOK, Reason: d.Reason, Expires: d.Expires, RefreshBy: d.RefreshBy, Renewable: d.CanRenew, RenewalsLeft: d.renewalsLeft(a),
		Scopes: d.Scopes, LastRefresh: d.Last, LastResult: d.Result, NeedsLoginBy: d.needsLoginBy(a), Warned: d.Warned, Subject: d.Subject}
	switch d.State {
	case stateDead:
		i.State = AccountNeedsLogin
	case stateRemoved:
		i = AccountInfo{Account: a, State: AccountRemoved, RenewalsLeft: -1}
	}
	return i
}
