// Package statetest is the proof that the ledger keeps its rules (design 2, 3.2, 4) over an engine of the table. It is
// written once: what passes over sqlite in memory is asked again of DynamoDB by `make conformance`.
//
// It knows the ledger and table.Table; it does not know any engine. Losses of answers are made by a wire of its own in
// front of the table.
package statetest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/tabletest"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// NewTable makes an empty table that is cleaned up with t.
type NewTable func(t testing.TB) table.Table

// rule is one sentence about the ledger and its test.
type rule struct {
	name string
	test func(k *kit)
}

// Run proves the rules. Those that speak of records of their own share a table, one after the other; those about pools,
// queues and lists, which all uploads share, have one each.
func Run(t *testing.T, newTable NewTable) {
	for name, groups := range map[string][][]rule{
		"records":      {uploadRules, intentRules, postRules, rangeRules, sessionRules, outboxRules, callbackRules, orphanRules},
		"lost answers": {lostRules()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared := newTable(t)
			for _, r := range slices.Concat(groups...) {
				t.Run(r.name, func(t *testing.T) { r.test(newKit(t, shared, state.Settings{})) })
			}
		})
	}
	for _, group := range [][]rule{grantRules, parkRules, staleParkRules, publicationRules, indexRules, paceRules} {
		for _, r := range group {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.test(newKit(t, newTable(t), state.Settings{}))
			})
		}
	}
}

// kit is what a rule works with: a ledger with its clock, and the wire to its table.
type kit struct {
	*testing.T
	wire  *wire
	clock *tabletest.Clock
	seal  token.Cipher
	*state.Ledger
}

var start = time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)

func newKit(t *testing.T, tab table.Table, s state.Settings) *kit {
	k := &kit{T: t, wire: &wire{Table: tab}, clock: tabletest.NewClock(start), seal: token.NewSealer(oneKey{}, rand.Reader)}
	k.Ledger = k.with(s)
	return k
}

// with makes another ledger over the same table, as another process with other settings would.
func (k *kit) with(s state.Settings) *state.Ledger {
	return state.New(k.wire, k.seal, k.clock.Now, rand.Reader, s)
}

// oneKey is a data key for tests.
type oneKey struct{}

func (oneKey) Newest(context.Context) (token.DataKey, error) {
	return token.DataKey{ID: "test", Key: make([]byte, token.KeyBytes)}, nil
}

func (oneKey) Find(context.Context, string, []byte) ([]byte, error) {
	return make([]byte, token.KeyBytes), nil
}

var counter atomic.Int64

// fresh gives ids that nothing else of this table has: an upload to an account of its own.
func (k *kit) fresh() state.Upload {
	n := counter.Add(1)
	src := upload.Source{Bucket: "inbox", Key: fmt.Sprintf("a/%d.mp4", n), ETag: "e", Size: 1000 + n}
	a := upload.NewAccount("douyin", fmt.Sprintf("acc%d", n))
	p := upload.PublicationID(src)
	return state.Upload{ID: upload.ID(p, a, ""), Publication: p, Account: a, Source: src, Revision: 1}
}

// sibling is another upload to the same account.
func (k *kit) sibling(u state.Upload, again string) state.Upload {
	p := upload.PublicationID(upload.Source{Bucket: "inbox", Key: fmt.Sprintf("b/%d.mp4", counter.Add(1))})
	return state.Upload{ID: upload.ID(p, u.Account, again), Publication: p, Account: u.Account, Again: again, Source: u.Source, Revision: 1}
}

func (k *kit) create(u state.Upload) state.Upload {
	k.Helper()
	u, err := k.CreateUpload(k.Context(), u)
	k.ok(err)
	return u
}

// ready creates u and takes it to the moment before its intent.
func (k *kit) ready(u state.Upload) state.Upload {
	k.Helper()
	k.create(u)
	return k.change(u.ID, toReceived)
}

func toReceived(u *state.Upload) error {
	u.Started, u.Due = true, time.Time{}
	u.Session, u.Live, u.CRC64, u.Asset = 1, true, "00000000000000ff", &upload.Asset{ID: "v1"}
	return u.To(upload.EvReceived, "")
}

func (k *kit) change(id string, fn func(*state.Upload) error) state.Upload {
	k.Helper()
	u, err := k.Update(k.Context(), id, state.AnyGen, fn)
	k.ok(err)
	return u
}

func (k *kit) get(id string) state.Upload {
	k.Helper()
	u, err := k.Upload(k.Context(), id)
	k.ok(err)
	return u
}

// intent is one of an invocation of its own.
func (k *kit) intent(writeID string) state.Intent {
	now := k.clock.Now()
	return state.Intent{WriteID: writeID, At: now, SendBy: now.Add(time.Minute), SettleAt: now.Add(31 * time.Minute), Asset: "v1"}
}

func fine(*state.Upload) error { return nil }

// published makes an upload whose intent is recorded.
func (k *kit) publishing(u state.Upload) state.Upload {
	k.Helper()
	u = k.ready(u)
	u, err := k.RecordIntent(k.Context(), u.ID, u.Gen, k.intent("w-"+u.ID), fine)
	k.ok(err)
	return u
}

func (k *kit) ok(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// refused wants an error of a kind, with a cause in its chain if one is given.
func (k *kit) refused(err error, kind fault.Kind, cause error) {
	k.Helper()
	if err == nil || fault.KindOf(err) != kind || cause != nil && !errors.Is(err, cause) {
		k.Fatalf("got %v (%v), want %v %v", err, fault.KindOf(err), kind, cause)
	}
}

func equal[T comparable](k *kit, what string, got, want T) {
	k.Helper()
	if got != want {
		k.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// raw reads an item past the ledger.
func (k *kit) raw(pk, sk string) table.Item {
	k.Helper()
	it, err := k.wire.Table.Get(k.Context(), table.Key{PK: pk, SK: sk})
	k.ok(err)
	return it
}

// said is an event of the outbox.
type said struct {
	Type   string
	Upload string `json:"upload"`
	Post   string `json:"post"`
	Extra  string `json:"extra"`
	Error  string `json:"error"`
	Pub    string `json:"publication"`
}

// events reads the outbox for what was said of an upload or of a publication.
func (k *kit) events(id string) (out []said) {
	k.Helper()
	ids, err := k.DueIDs(k.Context(), state.OutQueue, k.clock.Now(), 10_000)
	k.ok(err)
	for _, eid := range ids {
		o, ok, err := k.Outgoing(k.Context(), eid)
		k.ok(err)
		if !ok {
			continue
		}
		s := said{Type: o.Type}
		k.ok(json.Unmarshal(o.Detail, &s))
		if s.Upload == id || s.Upload == "" && s.Pub == id {
			out = append(out, s)
		}
	}
	return out
}

// forget empties the outbox, so that a long test does not read it all again and again.
func (k *kit) forget() {
	k.Helper()
	ids, err := k.DueIDs(k.Context(), state.OutQueue, k.clock.Now(), 10_000)
	k.ok(err)
	for _, id := range ids {
		k.ok(k.Delivered(k.Context(), id))
	}
}
