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
	_, err = l.table.Put(ctx, table.Item{Key: loginKey(state), Doc: doc, Expires: b.Until}, table.Absent)
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
	_, err = l.table.Put(ctx, table.Item{Key: loginKey(state), Doc: doc, Expires: b.Until}, version)
	if errors.Is(err, table.ErrConflict) {
		return notOpen()
	}
	return fault.Wrap(op, err)
}

func notOpen() error {
	return fault.InvalidField("console.login", "state", "of a login that was begun here", "this login is not open any more: it was finished, or is older than half an hour; begin it again")
}
