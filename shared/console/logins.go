package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// loginLife is from the address to what comes back from it; the code in that lives ten minutes (reference douyin A.2).
const loginLife = 30 * time.Minute

// logins are those that were begun: one random state each, for one account, good once, in whichever process it comes
// back. The table has a hash of the state only.
type logins struct {
	table table.Table
	now   func() time.Time
}

// begun is a login under way.
type begun struct {
	V       int            `json:"v"`
	Account upload.Account `json:"account"`
	By      string         `json:"by,omitempty"` // the operator who began it
	Another bool           `json:"another_user,omitempty"`
	Until   time.Time      `json:"until"`
	Taken   bool           `json:"taken,omitempty"`
	// Redirect is where it comes back to. One that worked is remembered for the platform.
	Redirect string `json:"redirect,omitempty"`
}

func loginKey(state string) table.Key {
	sum := sha256.Sum256([]byte(state))
	return table.Key{PK: "LOGIN#" + hex.EncodeToString(sum[:16]), SK: "-"}
}

func (l *logins) begin(ctx context.Context, b begun) (state string, until time.Time, err error) {
	const op = "console.begin"
	state = rand.Text()
	b.V, b.Until = 1, l.now().Add(loginLife)
	doc, err := json.Marshal(b)
	if err != nil {
		return "", time.Time{}, fault.Wrap(op, err)
	}
	_, err = l.table.Put(ctx, table.Item{Key: loginKey(state), Doc: doc, Expires: b.Until, Index: underWay(b)}, table.Absent)
	return state, b.Until, fault.Wrap(op, err)
}

// known gives a login that is open.
func (l *logins) known(ctx context.Context, state string) (begun, int64, error) {
	var b begun
	it, err := l.table.Get(ctx, loginKey(state))
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return b, 0, fault.Wrap("console.login", err)
	}
	if err != nil || json.Unmarshal(it.Doc, &b) != nil || b.Taken || !l.now().Before(b.Until) {
		return b, 0, notOpen()
	}
	return b, it.Version, nil
}

// take ends a login, for exactly one caller: the first to write it as taken.
func (l *logins) take(ctx context.Context, state string, b begun, version int64) error {
	const op = "console.login"
	b.Taken = true
	doc, err := json.Marshal(b)
	if err != nil {
		return fault.Wrap(op, err)
	}
	_, err = l.table.Put(ctx, table.Item{Key: loginKey(state), Doc: doc, Expires: b.Until, Index: underWay(b)}, version)
	if errors.Is(err, table.ErrConflict) {
		return notOpen()
	}
	return fault.Wrap(op, err)
}

// underWay is where the logins of an account are found, to end them with it.
func underWay(b begun) map[table.Index]table.Place {
	return map[table.Index]table.Place{table.Acct: {PK: "login#" + string(b.Account), SK: b.Until.UTC().Format(time.RFC3339)}}
}

// drop ends every login of an account that is under way, and forgets those that were.
func (l *logins) drop(ctx context.Context, a upload.Account) error {
	q := table.IndexQuery{Index: table.Acct, PK: "login#" + string(a)}
	for {
		hits, next, err := l.table.QueryIndex(ctx, q)
		if err != nil {
			return fault.Wrap("console.drop", err)
		}
		for _, h := range hits {
			if err := l.table.Delete(ctx, h.Key, table.AnyVersion); err != nil {
				return fault.Wrap("console.drop", err)
			}
		}
		if q.Page = next; next == "" {
			return nil
		}
	}
}

// redirected is the record of the address that logins of a platform came back to last.
type redirected struct {
	V        int    `json:"v"`
	Redirect string `json:"redirect"`
}

func redirectKey(platform string) table.Key { return table.Key{PK: "REDIRECT#" + platform, SK: "-"} }

// remembered is that address; "" = none is.
func (l *logins) remembered(ctx context.Context, platform string) (string, error) {
	it, err := l.table.Get(ctx, redirectKey(platform))
	if errors.Is(err, table.ErrNotFound) {
		return "", nil
	}
	var r redirected
	if err != nil || json.Unmarshal(it.Doc, &r) != nil {
		return "", fault.Wrap("console.remembered", err) // one that cannot be read is none
	}
	return r.Redirect, nil
}

// remember keeps an address that a login came back to: the platform has it registered.
func (l *logins) remember(ctx context.Context, platform, redirect string) error {
	doc, err := json.Marshal(redirected{V: 1, Redirect: redirect})
	if err != nil {
		return fault.Wrap("console.remember", err)
	}
	_, err = l.table.Put(ctx, table.Item{Key: redirectKey(platform), Doc: doc}, table.AnyVersion)
	return fault.Wrap("console.remember", err)
}

func notOpen() error {
	return fault.InvalidField("console.login", "state", "of a login that was begun here", "this login is not open any more: it was finished, or is older than half an hour; begin it again")
}
